/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/maker.c - slipway-init as a child that makes containers: run, told what to make, and heard. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/launch.h"
#include "base/mem.h"
#include "runtime/birth.h"
#include "runtime/internal.h"

enum { MESSAGE_MAX = 8192 };

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static struct err *run(struct runtime_maker *m, int far)
{
	static char *const argv[] = { (char *)(uintptr_t) "slipway-init",
				      (char *)(uintptr_t) "make", NULL };
	int program;

	TRY(program_open(&program));
	const int fds[] = { far, program };
	const struct launch l = { .program = program,
				  .argv = argv,
				  .fds = fds,
				  .n_fds = ARRAY_LEN(fds),
				  .cgroup = -1,
				  .netns = -1 };
	struct err *e = launch(&l, &m->pid, NULL, &m->launched);

	program_close(program);
	return err_wrap(e, "slipway-init");
}

/* In the pod's PID namespace: what it clones is nested there. */
static struct err *run_nested(struct runtime_maker *m, const struct runtime_place *where, int far)
{
	if (!where || where->pidns < 0)
		return run(m, far);
	if (setns(where->pidns, CLONE_NEWPID) < 0)
		return err_errno("enter the pod's PID namespace");
	struct err *e = run(m, far);

	if (setns(where->own_pidns, CLONE_NEWPID) < 0)
		abort(); /* every later child would land in the pod */
	return e;
}

struct err *runtime_maker_start(const struct runtime_place *where, bool keeps,
				struct runtime_maker **ret)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_errno("socketpair");
	struct runtime_maker *m = mem_alloc(sizeof(*m));

	*m = (struct runtime_maker) { .pid = -1, .socket = ends[0], .keeps = keeps };
	struct err *e = run_nested(m, where, ends[1]);

	close(ends[1]);
	if (e)
		runtime_maker_free(m);
	else
		*ret = m;
	return e;
}

void runtime_maker_free(struct runtime_maker *m)
{
	if (!m)
		return;
	fd_close(&m->socket); /* the end of it, where it still waits to hear what to make */
	if (m->pid > 0 && !m->keeps) {	     /* else it may have somebody to wait for */
		(void)kill(m->pid, SIGKILL); /* what it has made goes on without it */
		reap(m->pid);
	}
	err_ignore(launch_done(m->launched));
	free(m);
}

/* Why it does not answer, or hear, if it has not just been killed. */
static struct err *failed(struct runtime_maker *m, struct err *take_e)
{
	struct err *reason = err_wrap(launch_done(steal(&m->launched)), "slipway-init");
	int code = err_code(take_e);

	if (reason || code == EPIPE || code == ECONNRESET) {
		err_free(take_e);
		return reason ? reason : err_new(ECHILD, "slipway-init was killed");
	}
	return take_e;
}

/* All of @fds in as many messages as it takes. */
static struct err *send_all(int socket, const int *fds, size_t n)
{
	struct birth_order o = { .left = n };

	for (size_t at = 0; at < n; at += FD_LIST_MAX) {
		size_t some = n - at < FD_LIST_MAX ? n - at : FD_LIST_MAX;

		o.left -= some;
		TRY(fd_send_list(socket, &o, sizeof(o), fds + at, some));
	}
	return NULL;
}

struct err *maker_order(struct runtime_maker *m, const struct births *births)
{
	auto_fd int memory = -1;
	auto_free int *named = NULL;
	size_t n = 0;

	TRY(births_write(births, &memory, &named, &n));
	auto_free int *all = mem_alloc((n + 1) * sizeof(int));

	all[0] = memory;
	if (n)
		memcpy(all + 1, named, n * sizeof(int));
	struct err *e = send_all(m->socket, all, n + 1);

	return e ? failed(m, err_wrap(e, "tell slipway-init what to make")) : NULL;
}

/* A descriptor with @name; *ret_error: it was an error instead. */
static struct err *hear_fd(int socket, const char *name, int *ret_fd, struct err **ret_error)
{
	char message[MESSAGE_MAX];
	ssize_t n = fd_recv(socket, message, sizeof(message) - 1, ret_fd);

	if (n < 0)
		return err_errno("hear from slipway-init");
	if (n == 0)
		return err_new(EPIPE, "hear from slipway-init");
	message[n] = '\0';
	if (*ret_fd < 0 || strcmp(message, name) != 0)
		*ret_error = err_parse(message);
	return NULL;
}

struct err *maker_hear(struct runtime_maker *m, int *ret_pidfd, int *ret_socket)
{
	struct err *error = NULL;
	struct err *e = hear_fd(m->socket, BIRTH_PIDFD, ret_pidfd, &error);
	bool second = err_code(e) == EMFILE || (!e && !error);

	if (second) /* it comes, also where there was no room for the first */
		e = err_join(e, hear_fd(m->socket, BIRTH_SOCKET, ret_socket, &error));
	if (error) {
		err_free(e);
		return error;
	}
	return e ? failed(m, e) : NULL;
}
