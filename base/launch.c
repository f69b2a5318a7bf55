/* SPDX-License-Identifier: Apache-2.0 */
#include "base/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/raw.h"

enum { STACK = 8 << 10, FIRST_FD = 3, EXIT_FAILED = 127, CLOSE_ON_EXEC = 4 /* of close_range */ };

/* What the child uses until it is another program. */
struct launched {
	struct launch what;
	int report, far_report; /* closed by exec, or the error's number comes through it */
	char stack[STACK] __attribute__((aligned(16)));
	int fds[];
};

/* ---- in the child, which has our memory, and so calls nothing of libc ---- */

without_libc static long dup_above(int fd, int least)
{
	long ret = raw_call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, least, 0, 0);

	return ret == -EINVAL ? -EMFILE : ret; /* beyond the limit altogether */
}

without_libc static long go_apart(const struct launch *l)
{
	long null = raw_call(SYS_openat, AT_FDCWD, (long)"/dev/null", O_RDWR | O_CLOEXEC, 0, 0);

	if (null < 0)
		return null;
	for (int i = 0; i < FIRST_FD; i++)
		if (null != i)
			(void)raw_call(SYS_dup3, null, i, 0, 0, 0);
	(void)raw_call(SYS_setsid, 0, 0, 0, 0, 0);
	(void)raw_call(SYS_chdir, (long)"/", 0, 0, 0, 0);
	return l->netns < 0 ? 0 : raw_call(SYS_setns, l->netns, CLONE_NEWNET, 0, 0, 0);
}

/* First out of the way, @report before all others, then into their places. */
without_libc static long place_fds(struct launched *l, long *program, long *report)
{
	int n = (int)l->what.n_fds, top = FIRST_FD + n;
	long fd = dup_above(l->far_report, top);

	if (fd < 0)
		return fd;
	*report = fd;
	*program = fd = dup_above(l->what.program, top);
	for (int i = 0; i < n && fd >= 0; i++)
		l->fds[i] = (int)(fd = dup_above(l->fds[i], top));
	for (int i = 0; i < n && fd >= 0; i++)
		fd = raw_call(SYS_dup3, l->fds[i], FIRST_FD + i, 0, 0, 0);
	return fd < 0 ? fd : raw_call(SYS_close_range, top, ~0U, CLOSE_ON_EXEC, 0, 0);
}

without_libc static int become(void *arg)
{
	static char *const env[] = { NULL };
	struct launched *l = arg;
	long program, report = l->far_report;
	long e = l->what.apart ? go_apart(&l->what) : 0;

	if (e >= 0)
		e = place_fds(l, &program, &report);
	if (e >= 0)
		e = raw_call(SYS_execveat, program, (long)"", (long)l->what.argv, (long)env,
			     AT_EMPTY_PATH);
	int error = (int)-e;

	(void)raw_call(SYS_write, report, (long)&error, sizeof(error), 0, 0);
	return EXIT_FAILED;
}

/* The parent returns, with the pid or a negated errno; the child has an empty stack to return to. */
#if defined(__x86_64__)
static long clone_onto_stack(struct clone_args *args, struct launched *l)
{
	long ret = SYS_clone3;

	__asm__ volatile(
		"syscall\n\t"
		"test %%rax, %%rax\n\t"
		"jnz 1f\n\t"
		"mov %[arg], %%rdi\n\t"
		"call *%[become]\n\t"
		"mov %%eax, %%edi\n\t"
		"mov %[exit], %%eax\n\t"
		"syscall\n"
		"1:"
		: "+a"(ret)
		: "D"(args),
		  "S"(sizeof(*args)), [become] "r"(become), [arg] "r"(l), [exit] "i"(SYS_exit)
		: "rcx", "r11", "memory", "cc");
	return ret;
}
#elif defined(__aarch64__)
static long clone_onto_stack(struct clone_args *args, struct launched *l)
{
	register long x8 __asm__("x8") = SYS_clone3;
	register long x0 __asm__("x0") = (long)args;
	register long x1 __asm__("x1") = sizeof(*args);

	__asm__ volatile("svc 0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x0, %[arg]\n\t"
			 "blr %[become]\n\t"
			 "mov x8, %[exit]\n\t"
			 "svc 0\n"
			 "1:"
			 : "+r"(x0)
			 : "r"(x8),
			   "r"(x1), [become] "r"(become), [arg] "r"(l), [exit] "i"(SYS_exit)
			 : "x30", "memory", "cc");
	return x0;
}
#endif

/* ---- in the caller ---- */

static struct launched *prepare(const struct launch *l)
{
	struct launched *made = mem_alloc(sizeof(*made) + l->n_fds * sizeof(int));

	made->what = *l;
	if (l->n_fds)
		memcpy(made->fds, l->fds, l->n_fds * sizeof(int));
	return made;
}

/* A handler of ours would run in our memory twice: signals wait meanwhile, and there for good. */
static long clone_blocked(struct clone_args *args, struct launched *l)
{
	sigset_t all, before;

	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	long pid = clone_onto_stack(args, l);

	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

struct err *launch(const struct launch *what, pid_t *ret_pid, int *ret_pidfd, struct launched **ret)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno("pipe");
	struct launched *l = prepare(what);
	struct clone_args args = {
		.flags = CLONE_VM | what->flags | (ret_pidfd ? CLONE_PIDFD : 0) |
			 (what->cgroup >= 0 ? CLONE_INTO_CGROUP : 0),
		.pidfd = (uintptr_t)ret_pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = what->cgroup >= 0 ? (uint64_t)what->cgroup : 0,
		.stack = (uintptr_t)l->stack,
		.stack_size = sizeof(l->stack),
	};

	l->report = ends[0];
	l->far_report = ends[1];
	long pid = clone_blocked(&args, l);

	close(ends[1]);
	if (pid < 0) {
		err_ignore(launch_done(l));
		errno = (int)-pid;
		return err_errno("clone");
	}
	*ret_pid = (pid_t)pid;
	*ret = l;
	return NULL;
}

/* The end comes when the child has left our memory, by exec or by exit; not with what it says before. */
struct err *launch_done(struct launched *take_l)
{
	int error = 0, said;
	ssize_t n;

	if (!take_l)
		return NULL;
	while ((n = read(take_l->report, &said, sizeof(said))) > 0 || (n < 0 && errno == EINTR))
		if (n > 0)
			error = said;
	close(take_l->report);
	free(take_l);
	errno = error;
	return error ? err_errno("run") : NULL;
}
