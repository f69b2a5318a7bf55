/* SPDX-License-Identifier: Apache-2.0 */
/* pod/pause.c - giving birth to the pod's init. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
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

/* Docker's defaults for a new network: ping and low ports for everybody in it. */
static void set_network_defaults(void)
{
	err_ignore(fd_write_knob(AT_FDCWD, "/proc/sys/net/ipv4/ping_group_range", "0 2147483647"));
	err_ignore(fd_write_knob(AT_FDCWD, "/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"));
}

/*
 * In the child. It makes the pod's network while the supervisor prepares the
 * containers; what goes wrong is told through @report, which exec closes. Then
 * the life-line and what is kept become descriptors 3, 4, ..., all else is closed.
 */
static _Noreturn void become_pause(int exe, int line, int report, const struct pause_birth *b)
{
	static char *const argv[] = { (char *)(uintptr_t) "slipway-pause", NULL };
	static char *const env[] = { NULL };
	int top = FIRST_FD + (int)b->n_keep + 3, null = open("/dev/null", O_RDWR | O_CLOEXEC);
	auto_free int *moved = mem_alloc((b->n_keep + 1) * sizeof(int));
	struct err *e = NULL;

	(void)setsid();
	(void)!chdir("/");
	if (b->early >= 0 && setns(b->early, CLONE_NEWNET) < 0)
		e = err_errno("enter the pod's network namespace");
	if (b->own_network && !e) {
		set_network_defaults();
		e = b->net ? netns_connect(b->net) : netns_loopback();
	}
	if (e) {
		err_send(report, e);
		_exit(EXIT_FAILED);
	}
	/* first out of the way, then into their places */
	line = fcntl(line, F_DUPFD_CLOEXEC, top);
	exe = fcntl(exe, F_DUPFD_CLOEXEC, top);
	report = fcntl(report, F_DUPFD_CLOEXEC, top);
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	for (size_t i = 0; i < b->n_keep; i++)
		moved[i] = fcntl(b->keep[i], F_DUPFD_CLOEXEC, top);
	dup2(line, FIRST_FD);
	for (size_t i = 0; i < b->n_keep; i++)
		dup2(moved[i], FIRST_FD + 1 + (int)i);
	(void)syscall(SYS_close_range, FIRST_FD + 1 + (unsigned)b->n_keep, ~0U,
		      4 /* CLOSE_RANGE_CLOEXEC */);
	(void)syscall(SYS_execveat, exe, "", argv, env, AT_EMPTY_PATH);
	err_send(report, err_errno("run the pod's init"));
	_exit(EXIT_FAILED);
}

static struct err *open_namespace(pid_t pid, const char *which, int *ret)
{
	auto_free char *path = mem_printf("/proc/%d/ns/%s", pid, which);

	return fd_openat(AT_FDCWD, path, O_RDONLY, ret);
}

static pid_t clone_pause(const struct pause_birth *b, struct pause *p)
{
	int cgroup = b->group ? cgroupfs_clone_fd(b->group) : -1;
	struct clone_args args = { .flags = CLONE_PIDFD | CLONE_NEWPID |
					    (b->own_network && b->early < 0 ? CLONE_NEWNET : 0) |
					    (cgroup >= 0 ? CLONE_INTO_CGROUP : 0),
				   .pidfd = (uintptr_t)&p->pidfd,
				   .exit_signal = SIGCHLD,
				   .cgroup = cgroup >= 0 ? (uint64_t)cgroup : 0 };

	return proc_clone(&args);
}

struct err *pause_start(const struct pause_birth *b, struct pause *ret)
{
	auto_fd int exe = -1;
	int line[2], report[2];

	TRY(program(&exe));
	if (pipe2(line, O_CLOEXEC) < 0)
		return err_errno("pipe");
	ret->life_line = line[1];
	auto_fd int far_line = line[0];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, report) < 0)
		return err_errno("socketpair");
	ret->report = report[0];
	auto_fd int far_report = report[1];

	ret->pid = clone_pause(b, ret);
	if (ret->pid == 0) {
		close(line[1]); /* or it would keep itself alive */
		close(report[0]);
		become_pause(exe, far_line, far_report, b);
	}
	if (ret->pid < 0)
		return err_errno("start the pod's init");
	TRY(open_namespace(ret->pid, "pid", &ret->pidns));
	if (b->own_network && b->early < 0)
		return open_namespace(ret->pid, "net", &ret->netns);
	ret->netns = b->early;
	return NULL;
}

struct err *pause_ready(struct pause *p)
{
	char message[8192];
	ssize_t n = fd_recv(p->report, message, sizeof(message) - 1, NULL);

	fd_close(&p->report);
	if (n <= 0) /* closed by exec; of a death the pidfd tells */
		return NULL;
	message[n] = '\0';
	return err_parse(message);
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
	fd_close(&p->report);
	fd_close(&p->netns);
	fd_close(&p->pidns);
	fd_close(&p->pidfd);
}
