/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/oci/create.c - from a bundle to a container at its gate, and through it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "runtime/oci/oci.h"

/* ---- create ---- */

static struct sockaddr_un gate_address(int dir)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	/* by descriptor: the path may be longer than the field */
	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/" START_SOCKET, dir);
	return a;
}

static struct err *open_gate(int dir, int *ret)
{
	struct sockaddr_un a = gate_address(dir);
	auto_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 1) < 0)
		return err_errno("make the gate");
	*ret = fd_steal(&fd);
	return NULL;
}

struct err *op_send_console(const char *path, int tty)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(a.sun_path))
		return err_new(ENAMETOOLONG, "--console-socket: the path is too long");
	memcpy(a.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return err_errno("--console-socket %s", path);
	return fd_send(fd, "/dev/ptmx", 9, tty);
}

struct err *op_write_pid_file(const char *path, pid_t pid)
{
	auto_free char *text = mem_printf("%d", pid);

	return path ? err_wrap(fd_replace_file(AT_FDCWD, path, text, 0644), "--pid-file") : NULL;
}

/* What the bundle says of before its program starts is run in the namespaces of who calls us. */
static struct err *run_create_hooks(const struct state *s)
{
	TRY(state_hooks_run(s, HOOK_PRESTART, "creating", (pid_t)s->pid));
	return state_hooks_run(s, HOOK_CREATE_RUNTIME, "creating", (pid_t)s->pid);
}

/* Until the container stands at its gate. */
static struct err *wait_ready(const struct options *o, const struct state *s,
			      struct runtime_container *c)
{
	enum runtime_news news = RUNTIME_RUNNING;
	auto_fd int tty = -1;

	TRY(runtime_event(c, &news, &tty));
	if (news == RUNTIME_MADE) {
		TRY(run_create_hooks(s));
		TRY(runtime_go(c));
		TRY(runtime_event(c, &news, &tty));
	}
	if (news != RUNTIME_READY)
		return err_new(EPIPE, "the container ended before it was made");
	return tty >= 0 ? op_send_console(o->console, tty) : NULL;
}

/* Known from the first moment: who is interrupted leaves something that can be deleted. */
static struct err *finish_create(const struct options *o, int dir, struct state *s,
				 struct runtime_container *c)
{
	s->pid = c->pid;
	TRY(proc_start_time(c->pid, &s->start_time));
	TRY(state_save(dir, s));
	TRY(wait_ready(o, s, c));
	free(s->created);
	s->created = proc_now_text();
	TRY(state_save(dir, s));
	return op_write_pid_file(o->pid_file, c->pid);
}

static struct err *check_console(const struct options *o, const struct bundle *b)
{
	if (b->spec.process.tty && !o->console)
		return err_new(EINVAL, "process.terminal needs --console-socket");
	if (!b->spec.process.tty && o->console)
		return err_new(EINVAL, "--console-socket: process.terminal is not set");
	return NULL;
}

static void kill_container(const struct runtime_container *c)
{
	struct proc_exit how;

	if (c->pidfd < 0)
		return;
	err_ignore(proc_kill(c->pidfd, SIGKILL));
	err_ignore(proc_wait(c->pidfd, &how));
}

static struct err *create_in(const struct options *o, struct bundle *b, int dir, struct state *s,
			     struct runtime_container *c)
{
	auto_cgroupfs_host struct cgroupfs_host *cgroups = NULL;
	struct cgroupfs *group = NULL;
	auto_free char *hook_state = state_hooks_text(s);
	auto_fd int gate = -1;

	TRY(check_console(o, b));
	TRY(cgroupfs_open(&cgroups));
	bundle_suit(b, cgroups);
	TRY(cgroupfs_create(cgroups, b->cgroup, &b->limits, &group));
	struct err *e = open_gate(dir, &gate);
	struct runtime_place where = { .pidns = -1, .own_pidns = -1, .group = group, .gate = gate };

	b->spec.hook_state = hook_state;
	if (!e)
		e = runtime_create(&b->spec, &where, c);
	if (!e)
		e = finish_create(o, dir, s, c);
	if (!e) {
		cgroupfs_free(group);
		return NULL;
	}
	kill_container(c);
	err_ignore(cgroupfs_destroy(group, OCI_CGROUP_WAIT));
	return e;
}

struct err *op_create(const struct options *o, const char *id, struct runtime_container *c)
{
	struct bundle *b = NULL;
	struct state s = { 0 };
	auto_fd int dir = -1;

	TRY(state_check_id(id));
	TRY(state_make(o->root, id, &dir));
	struct err *e = bundle_load(o->bundle ? o->bundle : ".", id, &b);

	if (!e) {
		state_of_bundle(&s, id, b);
		e = create_in(o, b, dir, &s, c);
	}
	if (e)
		err_ignore(state_remove(o->root, id));
	if (e && c->pidfd >= 0)
		state_hooks_poststop(&s);
	state_clear(&s);
	bundle_free(b);
	return e;
}

/* ---- start ---- */

/* Until its program runs, or could not be run. */
static struct err *pass_gate(int dir)
{
	struct sockaddr_un a = gate_address(dir);
	auto_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	char message[8192];

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return err_errno("start");
	TRY(fd_send(fd, "G", 1, -1));
	(void)unlinkat(dir, START_SOCKET, 0);
	ssize_t n = fd_recv(fd, message, sizeof(message) - 1, NULL);

	if (n <= 0) /* closed by exec */
		return NULL;
	message[n] = '\0';
	return err_parse(message);
}

static struct err *start(int dir, const struct state *s)
{
	const char *status = state_status(dir, s);
	auto_fd int pidfd = -1;

	if (strcmp(status, "created") != 0)
		return err_new(EINVAL, "cannot be started: it is %s", status);
	TRY(pass_gate(dir));
	struct err *e = state_hooks_run(s, HOOK_POSTSTART, "running", (pid_t)s->pid);

	if (e)
		err_ignore(state_process(s, &pidfd));
	if (pidfd >= 0)
		err_ignore(proc_kill(pidfd, SIGKILL));
	return e;
}

struct err *op_start(const struct options *o, const char *id)
{
	auto_fd int dir = -1;
	struct state s = { 0 };

	TRY(state_open(o->root, id, &dir));
	struct err *e = state_load(dir, id, &s);

	if (!e)
		e = err_wrap(start(dir, &s), "container %s", id);
	state_clear(&s);
	return e;
}
