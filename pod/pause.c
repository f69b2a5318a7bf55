/* SPDX-License-Identifier: Apache-2.0 */
/* pod/pause.c - giving birth to the pod's init. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "pod/internal.h"

/* The program is carried inside this one: it cannot be missing, or another version. */
__asm__(".section .rodata\n"
	".global slipway_pause_start, slipway_pause_end\n"
	"slipway_pause_start: .incbin \"" SLIPWAY_PAUSE "\"\n"
	"slipway_pause_end:\n"
	".previous\n");
extern const char slipway_pause_start[], slipway_pause_end[];

enum { FIRST_FD = 3, EXIT_FAILED = 127 };

/* A sealed copy in memory: nothing on disk can be overwritten by who gets at /proc/PID/exe (R5). */
static struct err *program(int *ret)
{
	auto_fd int fd = fd_memory("slipway-pause");

	if (fd < 0)
		return err_errno("memfd");
	TRY(fd_write_all(fd, slipway_pause_start,
			 (size_t)(slipway_pause_end - slipway_pause_start)));
	TRY(fd_seal(fd, NULL));
	*ret = fd_steal(&fd);
	return NULL;
}

struct becoming {
	const struct pause_birth *birth;
	int exe, line;
	int *moved; /* room for what is kept */
	int error;
};

/*
 * In the supervisor's memory, which waits, with descriptors of its own. The life-line and
 * what is kept become descriptors 3, 4, ..., all else is closed.
 */
static int become_pause(void *arg)
{
	static char *const argv[] = { (char *)(uintptr_t) "slipway-pause", NULL };
	static char *const env[] = { NULL };
	struct becoming *t = arg;
	const struct pause_birth *b = t->birth;
	int top = FIRST_FD + (int)b->n_keep + 2, null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)setsid();
	(void)!chdir("/");
	if (b->network >= 0 && setns(b->network, CLONE_NEWNET) < 0) {
		t->error = errno;
		return EXIT_FAILED;
	}
	/* first out of the way, then into their places */
	int line = fcntl(t->line, F_DUPFD_CLOEXEC, top);
	int exe = fcntl(t->exe, F_DUPFD_CLOEXEC, top);

	for (int i = 0; i < 3; i++)
		dup2(null, i);
	for (size_t i = 0; i < b->n_keep; i++)
		t->moved[i] = fcntl(b->keep[i], F_DUPFD_CLOEXEC, top);
	dup2(line, FIRST_FD);
	for (size_t i = 0; i < b->n_keep; i++)
		dup2(t->moved[i], FIRST_FD + 1 + (int)i);
	(void)syscall(SYS_close_range, FIRST_FD + 1 + (unsigned)b->n_keep, ~0U,
		      4 /* CLOSE_RANGE_CLOEXEC */);
	(void)syscall(SYS_execveat, exe, "", argv, env, AT_EMPTY_PATH);
	t->error = errno;
	return EXIT_FAILED;
}

static pid_t clone_pause(struct becoming *t, struct pause *p)
{
	const struct pause_birth *b = t->birth;
	int cgroup = b->group ? cgroupfs_clone_fd(b->group) : -1;
	struct clone_args args = { .flags = CLONE_PIDFD | CLONE_NEWPID |
					    (cgroup >= 0 ? CLONE_INTO_CGROUP : 0),
				   .pidfd = (uintptr_t)&p->pidfd,
				   .exit_signal = SIGCHLD,
				   .cgroup = cgroup >= 0 ? (uint64_t)cgroup : 0 };

	return proc_vfork(&args, become_pause, t);
}

static struct err *run_pause(const struct pause_birth *b, int exe, int line, struct pause *p)
{
	auto_free int *moved = mem_alloc((b->n_keep + 1) * sizeof(int));
	struct becoming t = { b, exe, line, moved, 0 };

	p->pid = clone_pause(&t, p);
	if (p->pid < 0)
		return err_errno("start the pod's init");
	if (!t.error)
		return NULL;
	errno = t.error;
	return err_errno("run the pod's init");
}

struct err *pause_start(const struct pause_birth *b, struct pause *ret)
{
	auto_fd int exe = -1;
	int line[2];

	TRY(program(&exe));
	if (pipe2(line, O_CLOEXEC) < 0)
		return err_errno("pipe");
	ret->life_line = line[1];
	auto_fd int far_line = line[0];

	TRY(run_pause(b, exe, far_line, ret));
	auto_free char *path = mem_printf("/proc/%d/ns/pid", ret->pid);

	return fd_openat(AT_FDCWD, path, O_RDONLY, &ret->pidns);
}

void pause_clear(struct pause *p)
{
	struct proc_exit how;

	if (p->pidfd >= 0) {
		err_ignore(proc_kill(p->pidfd, SIGKILL));
		if (!proc_wait_for(p->pidfd, DEATH_WAIT, &how))
			log_warn("the pod's init, process %d, does not die", p->pid);
	}
	fd_close(&p->life_line);
	fd_close(&p->pidns);
	fd_close(&p->pidfd);
}
