/* SPDX-License-Identifier: Apache-2.0 */
#include "base/leave.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/raw.h"

enum { STACK = 16 << 10 };

/* What the process that was started has kept. */
static struct {
	long child;
	int door, far_door;
	sigset_t mask; /* as the kernel has it */
	struct sigaction interrupt, terminate;
	char stack[STACK] __attribute__((aligned(16)));
} left;

without_libc static void pass_on(int number)
{
	if (left.child > 0)
		(void)raw_call(SYS_kill, left.child, number, 0, 0, 0);
}

/* As the child did. */
without_libc static void end(void)
{
	int status = 0;
	long rc;

	do
		rc = raw_call(SYS_wait4, left.child, (long)&status, 0, 0, 0);
	while (rc == -EINTR);
	(void)raw_call(SYS_exit_group,
		       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), 0, 0, 0,
		       0);
}

/* Up to a NUL, which is the end. */
without_libc static void show(const char *text, long n)
{
	long len = 0;

	while (len < n && text[len])
		len++;
	for (long at = 0, rc; at<len; at += rc> 0 ? rc : 0) {
		rc = raw_call(SYS_write, STDERR_FILENO, (long)(text + at), len - at, 0, 0);
		if (rc < 0 && rc != -EINTR)
			break;
	}
	if (len < n)
		(void)raw_call(SYS_exit_group, 0, 0, 0, 0, 0);
}

/* The process that was started, from now on. */
without_libc static void wait_for_child(long child)
{
	char text[1024];

	left.child = child;
	/* or the kernel would clear the number of the thread, which is the child's memory now */
	(void)raw_call(SYS_set_tid_address, 0, 0, 0, 0, 0);
	(void)raw_call(SYS_close, left.far_door, 0, 0, 0, 0);
	(void)raw_call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&left.mask, 0, 8, 0);
	for (;;) {
		long n = raw_call(SYS_read, left.door, (long)text, sizeof(text), 0, 0);

		if (n > 0)
			show(text, n);
		else if (n != -EINTR)
			end();
	}
}

/* The child returns as from fork(); the parent's first step is off the stack that they share. */
#if defined(__x86_64__)
static long part(struct clone_args *args)
{
	long ret = SYS_clone3;

	__asm__ volatile(
		"syscall\n\t"
		"test %%rax, %%rax\n\t"
		"jle 1f\n\t"
		"mov %[stack], %%rsp\n\t"
		"mov %%rax, %%rdi\n\t"
		"call *%[wait]\n\t"
		"hlt\n"
		"1:"
		: "+a"(ret)
		: "D"(args),
		  "S"(sizeof(*args)), [stack] "r"(left.stack + STACK), [wait] "r"(wait_for_child)
		: "rcx", "r11", "memory", "cc");
	return ret;
}
#elif defined(__aarch64__)
static long part(struct clone_args *args)
{
	register long x8 __asm__("x8") = SYS_clone3;
	register long x0 __asm__("x0") = (long)args;
	register long x1 __asm__("x1") = sizeof(*args);

	__asm__ volatile("svc 0\n\t"
			 "cmp x0, #0\n\t"
			 "b.le 1f\n\t"
			 "mov sp, %[stack]\n\t"
			 "blr %[wait]\n\t"
			 "brk #0\n"
			 "1:"
			 : "+r"(x0)
			 : "r"(x8),
			   "r"(x1), [stack] "r"(left.stack + STACK), [wait] "r"(wait_for_child)
			 : "x30", "memory", "cc");
	return x0;
}
#endif

/* With handlers of the parent's alone: a signal that comes before there is a child waits. */
static long leave_blocked(void)
{
	struct clone_args args = { .flags = CLONE_VM, .exit_signal = SIGCHLD };
	struct sigaction pass = { .sa_handler = pass_on };
	sigset_t all;

	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &left.mask);
	(void)sigaction(SIGINT, &pass, &left.interrupt);
	(void)sigaction(SIGTERM, &pass, &left.terminate);
	long rc = part(&args);

	(void)sigaction(SIGINT, &left.interrupt, NULL);
	(void)sigaction(SIGTERM, &left.terminate, NULL);
	(void)sigprocmask(SIG_SETMASK, &left.mask, NULL);
	return rc;
}

struct err *leave(int *ret_door, pid_t *ret_parent)
{
	pid_t parent = getpid();
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno("pipe");
	left.door = ends[0];
	left.far_door = ends[1];
	long rc = leave_blocked();

	close(ends[0]);
	if (rc < 0) {
		close(ends[1]);
		errno = (int)-rc;
		return err_errno("clone");
	}
	*ret_door = ends[1];
	*ret_parent = parent;
	return NULL;
}
