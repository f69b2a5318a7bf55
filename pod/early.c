/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod/early.c - a network namespace made beside other work.
 *
 * It takes the kernel half a millisecond, an eighth of a start, and needs nothing
 * that is in the project: a helper makes it on another processor while the command
 * reads its files and forks. It comes through a socket, as who takes it may be a
 * child that was forked meanwhile.
 *
 * The helper is a process in our memory, on a stack of its own (clone(2), CLONE_VM).
 * It is no thread, as the command forks meanwhile; so errno is ours alone, and it makes
 * its calls without libc.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/raw.h"
#include "pod/internal.h"

/* Docker's defaults for a new network: ping and low ports for everybody in it. */
without_libc static void set_knob(const char *path, const char *text, size_t len)
{
	long fd = raw_call(SYS_openat, AT_FDCWD, (long)path, O_WRONLY | O_CLOEXEC, 0, 0);

	(void)raw_call(SYS_write, fd, (long)text, (long)len, 0, 0);
	(void)raw_call(SYS_close, fd, 0, 0, 0, 0);
}

/* Before anything is in it that may want others. */
without_libc static void set_defaults(void)
{
	static const char groups[] = "0 2147483647", port[] = "0";

	set_knob("/proc/sys/net/ipv4/ping_group_range", groups, sizeof(groups) - 1);
	set_knob("/proc/sys/net/ipv4/ip_unprivileged_port_start", port, sizeof(port) - 1);
}

/* Sends the namespace, or the error's number alone. */
without_libc static int make(void *arg)
{
	static char path[] = "/proc/self/ns/net";
	int error = 0;
	union {
		char buffer[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec data = { &error, sizeof(error) };
	struct msghdr m = { .msg_iov = &data,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	long net = raw_call(SYS_unshare, CLONE_NEWNET, 0, 0, 0, 0);

	if (net == 0)
		set_defaults();
	if (net == 0)
		net = raw_call(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0);
	if (net < 0) {
		error = (int)-net;
		m.msg_controllen = 0;
	}
	*c = (struct cmsghdr) { .cmsg_len = CMSG_LEN(sizeof(int)),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(c), &(int) { (int)net }, sizeof(int));
	return raw_call(SYS_sendmsg, (long)(intptr_t)arg, (long)&m, MSG_NOSIGNAL, 0, 0) < 0;
}

void pod_early_begin(struct pod_early *e)
{
	static char stack[16 << 10] __attribute__((aligned(16)));
	sigset_t all, before;
	int ends[2];

	*e = POD_EARLY_NONE;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return;
	/* a handler of ours would run in our memory twice */
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	/* with descriptors of its own: what it opens is not ours, nor a child's */
	e->helper = clone(make, stack + sizeof(stack), CLONE_VM, (void *)(intptr_t)ends[1]);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	e->maker = getpid();
	e->socket = ends[0];
	fd_close(&ends[1]);
	if (e->helper < 0)
		fd_close(&e->socket);
}

/* *ret: what it has made, or -1 with errno. */
static void take(struct pod_early *e, int *ret)
{
	int error = ECHILD; /* it was killed */

	*ret = -1;
	if (!e || e->socket < 0)
		return;
	if (fd_recv(e->socket, &error, sizeof(error), ret) < 0)
		error = errno;
	fd_close(&e->socket);
	while (e->maker == getpid() && waitpid(e->helper, NULL, __WALL) < 0 && errno == EINTR)
		;
	errno = error;
}

struct err *early_take(struct pod_early *e, int *ret)
{
	struct pod_early now = POD_EARLY_NONE;

	take(e, ret);
	if (*ret < 0) {
		pod_early_begin(&now);
		take(&now, ret);
	}
	return *ret < 0 ? err_errno("make a network namespace") : NULL;
}

void pod_early_end(struct pod_early *e)
{
	auto_fd int net = -1;

	take(e, &net);
}

void pod_early_given(struct pod_early *e)
{
	if (e)
		fd_close(&e->socket);
}
