/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/keep.c - a parent that cannot be suspended with who has asked for its child. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "runtime/internal.h"

enum { KEEPER_STACK = 64 << 10, REPORT_FD = 0 };

struct keeper {
	void (*fn)(void *arg);
	void *arg;
	int report;
};

/*
 * Until it has said that the child is there the caller waits, and all memory may be
 * used. Afterwards both run: only system calls, none of which can fail, for errno is
 * one for both. Signals are blocked; of the caller's descriptors none is held.
 */
static int keep(void *arg)
{
	const struct keeper *k = arg;
	int report = k->report;
	siginfo_t info;
	struct proc_exit how;

	(void)setsid();
	k->fn(k->arg);
	(void)syscall(SYS_unshare, CLONE_FILES);
	(void)syscall(SYS_dup3, report, REPORT_FD, O_CLOEXEC);
	(void)syscall(SYS_close_range, REPORT_FD + 1, ~0U, 0);
	(void)syscall(SYS_chdir, "/");
	(void)syscall(SYS_write, REPORT_FD, "C", 1);
	if (syscall(SYS_waitid, P_ALL, 0, &info, WEXITED | __WALL, NULL) == 0) {
		how = (struct proc_exit) { .signaled = info.si_code != CLD_EXITED,
					   .code = info.si_status };
		(void)syscall(SYS_write, REPORT_FD, &how, sizeof(how));
	}
	(void)syscall(SYS_exit, 0);
	return 0;
}

/* The signals of the caller wait, too: a handler would find memory half changed. */
static struct err *start(struct keeper *k, int near)
{
	void *stack = mmap(NULL, KEEPER_STACK, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	auto_fd int pidfd = -1;
	sigset_t all, before;

	if (stack == MAP_FAILED)
		return err_errno("stack for clone");
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	int pid = clone(keep, (char *)stack + KEEPER_STACK, CLONE_VM | CLONE_FILES | CLONE_PIDFD, k,
			&pidfd);
	struct err *e = pid < 0 ? err_errno("clone") : NULL;
	struct pollfd news[] = { { .fd = near, .events = POLLIN },
				 { .fd = pidfd, .events = POLLIN } };
	char done = 0;

	while (!e && poll(news, ARRAY_LEN(news), -1) < 0 && errno == EINTR)
		;
	if (!e && read(near, &done, 1) != 1)
		e = err_new(ECHILD, "the process that keeps the new one was killed");
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid < 0)
		munmap(stack, KEEPER_STACK); /* else it is the keeper's as long as that lives */
	return e;
}

struct err *keep_run(void (*fn)(void *arg), void *arg, int *ret_report)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_errno("pipe");
	struct keeper k = { fn, arg, ends[1] };
	struct err *e = start(&k, ends[0]);

	close(ends[1]); /* the keeper has a table of its own by now */
	if (e) {
		close(ends[0]);
		return e;
	}
	*ret_report = ends[0];
	return NULL;
}

void runtime_kept_end(int report, bool *ret_done, struct proc_exit *ret)
{
	struct proc_exit how = { .signaled = true, .code = SIGKILL }; /* the keeper was killed */
	ssize_t n = read(report, &how, sizeof(how));

	*ret_done = n >= 0 || errno != EAGAIN;
	*ret = how;
}
