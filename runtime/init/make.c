/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/init/make.c - cloning.
 *
 * Who runs this program waits for its answers only. What it clones is that one's child
 * (CLONE_PARENT), made here for two reasons: a process in the pod's PID namespace can
 * clone one nested in it, which its caller cannot (clone(2), EINVAL after setns); and a
 * copy of a small program is made, and given up by exec, in a fraction of the time that
 * a copy of the caller takes.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/proc.h"
#include "runtime/init/init.h"

enum { STACK = 64 << 10 };

struct maker {
	struct births births;
	int report, self;
};

struct err *birth_attach(const struct birth *b)
{
	for (int i = 0; i < b->n_attach; i++)
		TRY(err_wrap(fd_write_knob(b->attach[i], "cgroup.procs", "0"), "cgroup"));
	return NULL;
}

static bool is_stdio_of(const struct birth *b, int fd)
{
	for (int i = 0; i < 3; i++)
		if (b->spec.process.stdio[i] == fd)
			return true;
	return false;
}

/* The pipes of those that are born beside it are not to be held open by who waits at its gate. */
static void close_siblings(const struct births *all, const struct birth *b)
{
	for (size_t i = 0; i < all->n; i++) {
		const int *fds = all->items[i].spec.process.stdio;

		for (int k = 0; k < 3; k++)
			if (fds[k] > STDERR_FILENO && !is_stdio_of(b, fds[k]))
				close(fds[k]);
	}
}

/* The v1 groups first: seen from inside they are out of reach, and a child is born in ours. */
static struct err *join_container(const struct birth *b)
{
	TRY(err_wrap(birth_attach(b), "enter the container's control groups"));
	if (setns(b->container,
		  CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET) < 0)
		return err_errno("enter the container");
	return NULL;
}

/* The socket is made just before: who was cloned earlier does not hold it. */
static struct err *clone_one(const struct maker *m, const struct birth *b, int *ret_pidfd,
			     int *ret_socket)
{
	int ends[2];
	struct clone_args args = {
		.flags = b->flags | CLONE_PARENT | CLONE_PIDFD |
			 (b->group >= 0 ? CLONE_INTO_CGROUP : 0),
		.pidfd = (uintptr_t)ret_pidfd,
		.cgroup = b->group >= 0 ? (uint64_t)b->group : 0,
	};

	if (b->container >= 0)
		TRY(join_container(b));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_errno("socketpair");
	pid_t pid = proc_clone(&args);

	if (pid == 0) {
		close(ends[0]);
		close(m->report);
		close_siblings(&m->births, b);
		child_run(b, ends[1], m->self);
	}
	close(ends[1]);
	if (pid < 0) {
		struct err *e = err_errno("clone a container");

		close(ends[0]);
		return e;
	}
	*ret_socket = ends[0];
	return NULL;
}

static int make_all(void *arg)
{
	const struct maker *m = arg;

	for (size_t i = 0; i < m->births.n; i++) {
		auto_fd int pidfd = -1, socket = -1;
		struct err *e = clone_one(m, &m->births.items[i], &pidfd, &socket);

		if (e) {
			err_send(m->report, e);
			continue;
		}
		err_ignore(fd_send(m->report, BIRTH_PIDFD, 1, pidfd));
		err_ignore(fd_send(m->report, BIRTH_SOCKET, 1, socket));
	}
	return 0;
}

/*
 * A parent that cannot be suspended with who has asked for its child. Another process
 * enters the container, in this one's memory and with its descriptors: this one stays
 * outside, and keeps nothing of the host but the socket.
 */
static int keep(struct maker *m)
{
	static char stack[STACK] __attribute__((aligned(16)));
	struct proc_exit how;
	siginfo_t info;
	sigset_t all;

	(void)setsid();
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	int pid = clone(make_all, stack + STACK, CLONE_VM | CLONE_FILES | CLONE_VFORK | SIGCHLD, m);

	if (pid < 0) {
		err_send(m->report, err_errno("clone"));
		return EXIT_INIT;
	}
	(void)waitpid(pid, NULL, 0);
	(void)dup3(m->report, STDIN_FILENO, O_CLOEXEC);
	(void)syscall(SYS_close_range, STDIN_FILENO + 1, ~0U, 0);
	(void)!chdir("/");
	if (waitid(P_ALL, 0, &info, WEXITED | __WALL) < 0)
		return EXIT_INIT; /* it could not be made */
	how = (struct proc_exit) { .signaled = info.si_code != CLD_EXITED, .code = info.si_status };
	return send(STDIN_FILENO, &how, sizeof(how), MSG_NOSIGNAL) < 0;
}

/* The file and the descriptors; nothing at all when there will be nothing to make. */
static struct err *hear_order(int socket, int **ret_fds, size_t *ret_n)
{
	struct birth_order o = { .left = 1 };
	size_t n = 0, some;

	while (o.left) {
		*ret_fds = mem_grow(*ret_fds, n + FD_LIST_MAX, sizeof(int));
		ssize_t len = fd_recv_list(socket, &o, sizeof(o), *ret_fds + n, FD_LIST_MAX, &some);

		if (len == 0 && !n)
			return NULL;
		if (len != sizeof(o) || !some)
			return err_new(EPROTO, "what to make has not come");
		n += some;
	}
	*ret_n = n;
	return NULL;
}

int make_births(int socket, int self)
{
	struct maker m = { .report = socket, .self = self };
	int *fds = NULL;
	size_t n = 0;

	/* no signal is ignored by what is made; handlers ended with the program that had them */
	for (int i = 1; i < NSIG; i++)
		(void)signal(i, SIG_DFL);
	(void)syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
	struct err *e = hear_order(socket, &fds, &n);

	if (!e && !n)
		return 0;
	if (!e)
		e = births_read(fds[0], fds + 1, n - 1, &m.births);
	if (e) {
		err_send(socket, e);
		return EXIT_INIT;
	}
	close(fds[0]);
	return m.births.kept ? keep(&m) : make_all(&m);
}
