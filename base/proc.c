/* SPDX-License-Identifier: Apache-2.0 */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

pid_t proc_clone(struct clone_args *args)
{
	return (pid_t)syscall(SYS_clone3, args, sizeof(*args));
}

int proc_exit_code(struct proc_exit e)
{
	return e.signaled ? 128 + e.code : e.code;
}

static int spawn(const struct proc_program *p, pid_t *ret)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes,
				 (short)(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
					 (p->own_group ? POSIX_SPAWN_SETPGROUP : 0)));
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawn_file_actions_init(&actions);
	for (size_t i = 0; i < p->n_files; i++)
		if (p->files[i] >= 0)
			posix_spawn_file_actions_adddup2(&actions, p->files[i], (int)i);
	int rc = posix_spawn(ret, p->path, &actions, &attributes, p->argv, p->env);

	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return rc;
}

struct err *proc_spawn(const struct proc_program *p, pid_t *ret_pid, int *ret_pidfd)
{
	errno = spawn(p, ret_pid);
	if (errno)
		return err_errno("run %s", p->path);
	proc_restore_files(*ret_pid);
	struct err *e = proc_open(*ret_pid, ret_pidfd);

	if (e) { /* without a descriptor nobody would wait for it */
		(void)kill(p->own_group ? -*ret_pid : *ret_pid, SIGKILL);
		(void)waitpid(*ret_pid, NULL, 0);
		*ret_pid = 0;
	}
	return err_wrap(e, "run %s", p->path);
}

struct err *proc_poll(int pidfd, bool *ret_done, struct proc_exit *ret)
{
	siginfo_t info = { 0 };

	while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) < 0)
		if (errno != EINTR)
			return err_errno("wait");
	*ret_done = info.si_pid != 0;
	if (*ret_done)
		*ret = (struct proc_exit) { info.si_code != CLD_EXITED, info.si_status };
	return NULL;
}

bool proc_has_ended(int pidfd)
{
	siginfo_t info = { 0 };

	return waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid;
}

bool proc_wait_for(int pidfd, int ms, struct proc_exit *ret)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	bool done = false;
	int rc;

	do
		rc = poll(&p, 1, ms);
	while (rc < 0 && errno == EINTR);
	auto_err struct err *e = rc > 0 ? proc_poll(pidfd, &done, ret) : NULL;

	return !e && done;
}

struct err *proc_wait(int pidfd, struct proc_exit *ret)
{
	siginfo_t info = { 0 };

	while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0)
		if (errno != EINTR)
			return err_errno("wait");
	*ret = (struct proc_exit) { info.si_code != CLD_EXITED, info.si_status };
	return NULL;
}

struct err *proc_open(pid_t pid, int *ret_pidfd)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)
		return err_errno("process %d", pid);
	*ret_pidfd = fd;
	return NULL;
}

struct err *proc_kill(int pidfd, int signal)
{
	if (syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0 && errno != ESRCH)
		return err_errno("send %s", proc_signal_name(signal));
	return NULL;
}

struct err *proc_start_time(pid_t pid, uint64_t *ret)
{
	auto_free char *path = mem_printf("/proc/%d/stat", pid);
	auto_free char *text = NULL;

	TRY(fd_read_file(AT_FDCWD, path, 4096, &text));
	/* the name, field 2, may hold anything, even ")" */
	const char *p = strrchr(text, ')');

	for (int field = 2; p && field < 22; field++) {
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	if (!p)
		return err_new(EPROTO, "%s: not understood", path);
	*ret = strtoull(p, NULL, 10);
	return NULL;
}

static const char *const signal_names[] = {
#define NAME(s) [s] = #s
	NAME(SIGHUP),	 NAME(SIGINT),	NAME(SIGQUIT),	NAME(SIGILL),  NAME(SIGTRAP), NAME(SIGABRT),
	NAME(SIGBUS),	 NAME(SIGFPE),	NAME(SIGKILL),	NAME(SIGUSR1), NAME(SIGSEGV), NAME(SIGUSR2),
	NAME(SIGPIPE),	 NAME(SIGALRM), NAME(SIGTERM),	NAME(SIGCHLD), NAME(SIGCONT), NAME(SIGSTOP),
	NAME(SIGTSTP),	 NAME(SIGTTIN), NAME(SIGTTOU),	NAME(SIGURG),  NAME(SIGXCPU), NAME(SIGXFSZ),
	NAME(SIGVTALRM), NAME(SIGPROF), NAME(SIGWINCH), NAME(SIGIO),   NAME(SIGPWR),  NAME(SIGSYS),
	NAME(SIGSTKFLT),
#undef NAME
};

struct err *proc_signal_parse(const char *text, int *ret)
{
	const char *name = str_starts(text, "SIG") ? text + 3 : text;
	int64_t number = 0;
	auto_err struct err *e = str_number(text, 1, SIGRTMAX, &number);

	if (!e) {
		*ret = (int)number;
		return NULL;
	}
	if (strcmp(name, "POLL") == 0) /* SIGIO by its other name */
		name = "IO";
	for (size_t i = 1; i < ARRAY_LEN(signal_names); i++)
		if (signal_names[i] && strcmp(signal_names[i] + 3, name) == 0) {
			*ret = (int)i;
			return NULL;
		}
	if (str_starts(name, "RTMIN")) {
		int64_t n = 0;
		auto_err struct err *bad = name[5] ? str_number(name + 5 + (name[5] == '+'), 0,
								SIGRTMAX - SIGRTMIN, &n)
						   : NULL;

		*ret = SIGRTMIN + (int)n;
		if (!bad)
			return NULL;
	}
	return err_new(EINVAL, "'%s' is not a signal", text);
}

const char *proc_signal_name(int signal)
{
	return signal > 0 && signal < (int)ARRAY_LEN(signal_names) && signal_names[signal]
		       ? signal_names[signal]
		       : "signal";
}

uint64_t proc_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

char *proc_now_text(void)
{
	struct timespec t;
	struct tm tm;
	char text[32];

	clock_gettime(CLOCK_REALTIME, &t);
	gmtime_r(&t.tv_sec, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	return mem_printf("%s.%09ldZ", text, t.tv_nsec);
}

enum { FILES_MAX = 1 << 20 };
static struct rlimit files_before;
static bool files_raised;

void proc_raise_files(void)
{
	struct rlimit now;

	if (files_raised || getrlimit(RLIMIT_NOFILE, &now) < 0 || now.rlim_cur >= now.rlim_max)
		return;
	files_before = now;
	now.rlim_cur = now.rlim_max < FILES_MAX ? now.rlim_max : FILES_MAX;
	files_raised = now.rlim_cur > files_before.rlim_cur && setrlimit(RLIMIT_NOFILE, &now) == 0;
}

bool proc_files_before(struct rlimit *ret)
{
	*ret = files_before;
	return files_raised;
}

void proc_restore_files(pid_t pid)
{
	if (files_raised)
		(void)prlimit(pid, RLIMIT_NOFILE, &files_before, NULL);
}
