/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/init/main.c - slipway-init: the program that makes containers, and is the
 * last before their own.
 *
 * A container's image may name /proc/self/exe as its program, or its
 * interpreter, and so reach the file that execs it (CVE-2019-5736). That file is
 * this one, carried inside slipway and run from sealed memory: nothing on the
 * host can be reached through it, and no descriptor of the host is open in it.
 * It is linked without glibc: seven page faults until main(), where that takes 25.
 *
 *     slipway-init make
 *
 * makes what it hears of on descriptor 3, a socket (birth.h), and tells of it there;
 * descriptor 4 is this program.
 *
 *     slipway-init init PROGRAM [ARG...]
 *
 * stays as PID 1: reaps, passes signals on, and ends as the program did. Descriptor
 * 3 tells who started it of a failure ("ERRNO TEXT"), and is closed by success.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/str.h"
#include "runtime/init/init.h"

static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static volatile sig_atomic_t child;

static void pass_on(int number)
{
	if (child > 0)
		(void)kill((pid_t)child, number);
}

static _Noreturn void fail(int code, const char *program, const char *why)
{
	dprintf(INIT_REPORT, "%d exec: \"%.2000s\": %s", code, program, why);
	_exit(code == EACCES ? EXIT_NOT_EXECUTABLE : EXIT_NOT_FOUND);
}

_Noreturn void program_run(char *const *argv, char *const *env)
{
	const char *path = env_get(env, "PATH");
	char file[4096];
	int denied = 0;

	if (strchr(argv[0], '/')) {
		execve(argv[0], argv, env);
		if (errno == ENOENT || errno == ENOTDIR)
			fail(ENOENT, argv[0],
			     "executable file not found: no such file or directory");
		fail(errno, argv[0], errno == EACCES ? "permission denied" : strerror(errno));
	}
	for (path = path ? path : default_path; *path;) {
		int n = (int)strcspn(path, ":");

		if (n &&
		    snprintf(file, sizeof(file), "%.*s/%s", n, path, argv[0]) < (int)sizeof(file)) {
			execve(file, argv, env);
			if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
				fail(errno, file, strerror(errno));
			denied |= errno == EACCES;
		}
		path += n + (path[n] == ':');
	}
	if (denied)
		fail(EACCES, argv[0], "permission denied");
	fail(ENOENT, argv[0], "executable file not found in $PATH");
}

static _Noreturn void reap(void)
{
	int status;

	close(INIT_REPORT);
	for (int i = 0; i < 3; i++) /* the program's: who reads them waits for their end */
		close(i);
	for (int i = 1; i < NSIG; i++)
		if (i != SIGCHLD && i != SIGKILL && i != SIGSTOP)
			(void)signal(i, pass_on);
	for (;;) {
		pid_t pid = waitpid(-1, &status, 0);

		if (pid == child)
			_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
		if (pid < 0 && errno == ECHILD)
			_exit(EXIT_NOT_FOUND);
	}
}

/*
 * The program leads a session of its own; or, where there is a terminal, which is
 * its parent's, the group in the foreground: shells control jobs in that.
 */
static void lead(void)
{
	if (tcgetsid(STDIN_FILENO) != getsid(0)) {
		(void)setsid();
		return;
	}
	(void)setpgid(0, 0);
	(void)signal(SIGTTOU, SIG_IGN); /* for this moment we are in the background */
	(void)tcsetpgrp(STDIN_FILENO, getpid());
	(void)signal(SIGTTOU, SIG_DFL);
}

static _Noreturn void be_init(char **argv)
{
	(void)fcntl(INIT_REPORT, F_SETFD, FD_CLOEXEC);
	(void)prctl(PR_SET_NAME, "slipway-init");
	child = fork();
	if (child < 0)
		fail(errno, argv[0], strerror(errno));
	if (child > 0)
		reap();
	lead();
	program_run(argv, environ);
}

int main(int argc, char **argv)
{
	/* nobody in a container looks into it, or takes its descriptors; exec ends this */
	(void)prctl(PR_SET_DUMPABLE, 0);
	if (argc == 2 && strcmp(argv[1], "make") == 0)
		return make_births(INIT_REPORT, INIT_SELF);
	if (argc >= 3 && strcmp(argv[1], "init") == 0)
		be_init(argv + 2);
	return EXIT_NOT_FOUND;
}
