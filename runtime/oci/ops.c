/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/oci/ops.c - what is done to containers: create, start, delete, kill, state and list. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "runtime/oci/oci.h"

enum { CGROUP_WAIT = 2000 /* milliseconds */ };

/* ---- create and start ---- */

static char *now(void)
{
	struct timespec t;
	struct tm tm;
	char text[32];

	clock_gettime(CLOCK_REALTIME, &t);
	gmtime_r(&t.tv_sec, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	return mem_printf("%s.%09ldZ", text, t.tv_nsec);
}

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

/* Until the container stands at its gate. */
struct err *op_wait_ready(const struct options *o, struct runtime_container *c)
{
	enum runtime_news news = RUNTIME_RUNNING;
	auto_fd int tty = -1;

	TRY(runtime_event(c, &news, &tty));
	if (news != RUNTIME_READY)
		return err_new(EPIPE, "the container ended before it was made");
	return tty >= 0 ? op_send_console(o->console, tty) : NULL;
}

static struct err *create_in(const struct options *o, const char *id, int dir,
			     struct runtime_container *c)
{
	auto_cgroupfs_host struct cgroupfs_host *cgroups = NULL;
	struct bundle *b = NULL;
	struct cgroupfs *group = NULL;
	auto_fd int gate = -1;
	auto_free char *created = now();

	TRY(bundle_load(o->bundle ? o->bundle : ".", id, &b));
	struct err *e = NULL;

	if (b->spec.process.tty && !o->console)
		e = err_new(EINVAL, "process.terminal needs --console-socket");
	if (!b->spec.process.tty && o->console)
		e = err_new(EINVAL, "--console-socket: process.terminal is not set");
	if (!e)
		e = cgroupfs_open(&cgroups);
	if (!e)
		bundle_suit(b, cgroups);
	if (!e)
		e = cgroupfs_create(cgroups, b->cgroup, &b->limits, &group);
	if (!e)
		e = open_gate(dir, &gate);
	struct runtime_place where = { .pidns = -1, .own_pidns = -1, .group = group, .gate = gate };

	if (!e)
		e = runtime_create(&b->spec, &where, c);
	if (!e)
		e = op_wait_ready(o, c);
	if (!e) {
		struct state s = { .id = (char *)(uintptr_t)id,
				   .bundle = b->dir,
				   .cgroup = b->cgroup,
				   .created = created,
				   .pid = c->pid };

		e = proc_start_time(c->pid, &s.start_time);
		if (!e)
			e = state_save(dir, &s);
		if (!e)
			e = op_write_pid_file(o->pid_file, c->pid);
	}
	if (e && c->pidfd >= 0) {
		struct proc_exit how;

		err_ignore(proc_kill(c->pidfd, SIGKILL));
		err_ignore(proc_wait(c->pidfd, &how));
	}
	if (e)
		err_ignore(cgroupfs_destroy(group, CGROUP_WAIT));
	else
		cgroupfs_free(group);
	bundle_free(b);
	return e;
}

struct err *op_create(const struct options *o, const char *id, struct runtime_container *c)
{
	auto_fd int dir = -1;

	TRY(state_check_id(id));
	TRY(state_make(o->root, id, &dir));
	struct err *e = create_in(o, id, dir, c);

	if (e)
		err_ignore(state_remove(o->root, id));
	return e;
}

struct err *op_start(const struct options *o, const char *id)
{
	auto_fd int dir = -1, fd = -1;
	struct state s = { 0 };
	struct sockaddr_un a;
	char message[8192];

	TRY(state_open(o->root, id, &dir));
	TRY(state_load(dir, id, &s));
	const char *status = state_status(dir, &s);

	state_clear(&s);
	if (strcmp(status, "created") != 0)
		return err_new(EINVAL, "cannot start container %s: it is %s", id, status);
	a = gate_address(dir);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return err_errno("start container %s", id);
	TRY(fd_send(fd, "G", 1, -1));
	(void)unlinkat(dir, START_SOCKET, 0);
	ssize_t n = fd_recv(fd, message, sizeof(message) - 1, NULL);

	if (n <= 0) /* closed by exec */
		return NULL;
	message[n] = '\0';
	return err_wrap(err_parse(message), "container %s", id);
}

/* ---- delete, kill, state, list ---- */

struct err *op_delete(const struct options *o, const char *id, bool force)
{
	auto_fd int dir = -1, pidfd = -1;
	auto_cgroupfs_host struct cgroupfs_host *cgroups = NULL;
	struct state s = { 0 };
	struct err *e = state_open(o->root, id, &dir);

	if (force && err_code(e) == ENOENT) { /* engines delete twice */
		err_free(e);
		return NULL;
	}
	TRY(e);
	e = state_load(dir, id, &s);
	if (!e)
		e = state_process(&s, &pidfd);
	if (!e && pidfd >= 0 && !force)
		e = err_new(EBUSY,
			    "container %s is %s, not stopped; kill it first, or delete --force", id,
			    state_status(dir, &s));
	if (!e && pidfd >= 0)
		e = proc_kill(pidfd, SIGKILL);
	if (!e)
		e = cgroupfs_open(&cgroups);
	if (!e)
		/* what is left of one that has stopped has no PID namespace to end it */
		e = cgroupfs_remove(cgroups, s.cgroup, true, CGROUP_WAIT);
	if (!e)
		e = state_remove(o->root, id);
	state_clear(&s);
	return e;
}

struct err *op_kill(const struct options *o, const char *id, const char *signal_name)
{
	auto_fd int dir = -1, pidfd = -1;
	struct state s = { 0 };
	int signal = SIGTERM;

	if (signal_name)
		TRY(proc_signal_parse(signal_name, &signal));
	if (o->all)
		return op_kill_all(o, id, signal);
	TRY(state_open(o->root, id, &dir));
	struct err *e = state_load(dir, id, &s);

	if (!e)
		e = state_process(&s, &pidfd);
	if (!e && pidfd < 0)
		e = err_new(ESRCH, "container %s is not running", id);
	if (!e)
		e = proc_kill(pidfd, signal);
	state_clear(&s);
	return e;
}

static bool is_paused(const struct state *s)
{
	auto_cgroupfs_host struct cgroupfs_host *host = NULL;
	struct cgroupfs *group = NULL;
	auto_err struct err *e = cgroupfs_open(&host);

	if (!e)
		e = cgroupfs_find(host, s->cgroup, &group);
	bool paused = !e && cgroupfs_is_frozen(group);

	cgroupfs_free(group);
	return paused;
}

static json_t *state_json(int dir, const struct state *s)
{
	const char *status = state_status(dir, s);
	json_t *j = json_object();

	json_put_str(j, "ociVersion", "1.2.0");
	json_put_str(j, "id", s->id);
	json_put_str(j, "status",
		     strcmp(status, "running") == 0 && is_paused(s) ? "paused" : status);
	if (strcmp(status, "stopped") != 0)
		json_put_int(j, "pid", s->pid);
	json_put_str(j, "bundle", s->bundle);
	json_put_str(j, "created", s->created);
	return j;
}

struct err *op_state(const struct options *o, const char *id)
{
	auto_fd int dir = -1;
	struct state s = { 0 };

	TRY(state_open(o->root, id, &dir));
	TRY(state_load(dir, id, &s));
	auto_json json_t *j = state_json(dir, &s);
	auto_free char *text = json_text(j, 2);

	puts(text);
	state_clear(&s);
	return NULL;
}

struct err *op_list(const struct options *o)
{
	auto_fd int root = -1;
	auto_strv char **ids = NULL;
	struct err *e = fd_openat(AT_FDCWD, o->root, O_RDONLY | O_DIRECTORY, &root);

	if (err_code(e) == ENOENT) {
		err_free(e);
		return NULL;
	}
	TRY(e);
	TRY(fd_list(root, &ids));
	if (!o->quiet)
		printf("%-20s %-8s %-8s %s\n", "ID", "PID", "STATUS", "BUNDLE");
	for (char **id = ids; id && *id; id++) {
		auto_fd int dir = -1;
		struct state s = { 0 };
		auto_err struct err *bad = state_open(o->root, *id, &dir);

		if (!bad)
			bad = state_load(dir, *id, &s);
		if (!bad && o->quiet)
			puts(*id);
		else if (!bad)
			printf("%-20s %-8lld %-8s %s\n", *id, (long long)s.pid,
			       state_status(dir, &s), s.bundle);
		state_clear(&s);
	}
	return NULL;
}
