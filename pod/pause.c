/* SPDX-License-Identifier: Apache-2.0 */
/* pod/pause.c - giving birth to the pod's init. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/launch.h"
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

struct err *pause_start(const struct pause_birth *b, struct pause *ret)
{
	static char *const argv[] = { (char *)(uintptr_t) "slipway-pause", NULL };
	auto_fd int exe = -1, far_line = -1;
	auto_free int *fds = mem_alloc((b->n_keep + 1) * sizeof(int));
	int line[2];

	TRY(program(&exe));
	if (pipe2(line, O_CLOEXEC) < 0)
		return err_errno("pipe");
	ret->life_line = line[1];
	fds[0] = far_line = line[0];
	memcpy(fds + 1, b->keep, b->n_keep * sizeof(int));
	const struct launch l = { .program = exe,
				  .argv = argv,
				  .fds = fds,
				  .n_fds = b->n_keep + 1,
				  .flags = CLONE_NEWPID,
				  .cgroup = b->group ? cgroupfs_clone_fd(b->group) : -1,
				  .netns = b->network,
				  .apart = true };

	TRY(err_wrap(launch(&l, &ret->pid, &ret->pidfd, &ret->launched), "the pod's init"));
	auto_free char *path = mem_printf("/proc/%d/ns/pid", ret->pid);

	return fd_openat(AT_FDCWD, path, O_RDONLY, &ret->pidns);
}

struct err *pause_ready(struct pause *p)
{
	return err_wrap(launch_done(steal(&p->launched)), "the pod's init");
}

void pause_clear(struct pause *p)
{
	struct proc_exit how;

	if (p->pidfd >= 0) {
		err_ignore(proc_kill(p->pidfd, SIGKILL));
		if (!proc_wait_for(p->pidfd, DEATH_WAIT, &how))
			log_warn("the pod's init, process %d, does not die", p->pid);
	}
	err_ignore(pause_ready(p));
	fd_close(&p->life_line);
	fd_close(&p->pidns);
	fd_close(&p->pidfd);
}
