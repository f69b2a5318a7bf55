/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/trampoline/trampoline.c - the last program before the container's own.
 *
 * A container's image may name /proc/self/exe as its program, or its
 * interpreter, and so reach the file that execs it (CVE-2019-5736). That file is
 * this one, carried inside slipway and run from sealed memory: nothing on the
 * host can be reached through it, and no descriptor of the host is open in it.
 *
 *     slipway-init exec|init PROGRAM [ARG...]
 *
 * Descriptor 3 tells who started it of a failure ("ERRNO TEXT"), and is closed
 * by success. With "init" it stays as PID 1: reaps, passes signals on, and ends
 * as the program did.
 */
#define _GNU_SOURCE
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

enum { REPORT = 3, NOT_EXECUTABLE = 126, NOT_FOUND = 127 };

static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static volatile sig_atomic_t child;

static void pass_on(int number)
{
	if (child > 0)
		(void)kill((pid_t)child, number);
}

static _Noreturn void fail(int code, const char *program, const char *why)
{
	dprintf(REPORT, "%d exec: \"%.2000s\": %s", code, program, why);
	_exit(code == EACCES ? NOT_EXECUTABLE : NOT_FOUND);
}

static _Noreturn void run(char **argv)
{
	const char *path = getenv("PATH");
	char file[4096];
	int denied = 0;

	if (strchr(argv[0], '/')) {
		execv(argv[0], argv);
		if (errno == ENOENT || errno == ENOTDIR)
			fail(ENOENT, argv[0],
			     "executable file not found: no such file or directory");
		fail(errno, argv[0], errno == EACCES ? "permission denied" : strerror(errno));
	}
	for (path = path ? path : default_path; *path;) {
		int n = (int)strcspn(path, ":");

		if (n &&
		    snprintf(file, sizeof(file), "%.*s/%s", n, path, argv[0]) < (int)sizeof(file)) {
			execv(file, argv);
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

	close(REPORT);
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
			_exit(NOT_FOUND);
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

int main(int argc, char **argv)
{
	if (argc < 3)
		return NOT_FOUND;
	/* nobody in the container looks into it, or takes descriptor 3; exec ends this */
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)fcntl(REPORT, F_SETFD, FD_CLOEXEC);
	if (strcmp(argv[1], "init") == 0) {
		prctl(PR_SET_NAME, "slipway-init");
		child = fork();
		if (child < 0)
			fail(errno, argv[2], strerror(errno));
		if (child > 0)
			reap();
		lead();
	}
	run(argv + 2);
}
