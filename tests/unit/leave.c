/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/leave.c - a command that is left to a child: in a process of the test's own. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/leave.h"
#include "base/mem.h"
#include "tests/check.h"

/* What a command does when it has left. */
typedef void act_fn(int door);

/* Runs @act in what a command leaves behind: its exit, and what it showed. */
static int leave_and(act_fn *act, int signal, char **ret_shown)
{
	int ends[2], status = 0;

	CHECK(pipe2(ends, O_CLOEXEC) == 0);
	pid_t pid = fork();

	if (pid == 0) {
		char on_stack[64] = "of the command that was started";
		char *on_heap = mem_strdup("the same");
		int door = -1;
		pid_t parent = -1, started = getpid();

		dup2(ends[1], STDERR_FILENO);
		auto_err struct err *e = leave(&door, &parent);

		/* here is another process, with all that there was */
		if (e || parent != started || getppid() != started || getpid() == started ||
		    strcmp(on_stack, "of the command that was started") != 0 ||
		    strcmp(on_heap, "the same") != 0)
			_exit(99);
		act(door);
		_exit(98);
	}
	close(ends[1]);
	if (signal) {
		char ready;

		CHECK(read(ends[0], &ready, 1) == 1);
		CHECK(kill(pid, signal) == 0);
	}
	CHECK(!fd_read_all(ends[0], 1 << 20, ret_shown, NULL));
	CHECK(waitpid(pid, &status, 0) == pid);
	close(ends[0]);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void put(int door, const char *text)
{
	CHECK(write(door, text, strlen(text)) == (ssize_t)strlen(text));
}

static void tell_and_go_on(int door)
{
	put(door, "one\nt");
	usleep(20000);
	put(door, "wo\n");
	CHECK(write(door, "last\0not shown", 14) == 14);
	close(door);
	close(STDERR_FILENO); /* or who reads it would wait for us */
	usleep(200000);
	_exit(7); /* which nobody hears of */
}

static void tell_much(int door)
{
	char text[100000];

	memset(text, 'x', sizeof(text));
	CHECK(write(door, text, sizeof(text)) == (ssize_t)sizeof(text));
	_exit(3);
}

TEST(what_is_told_is_shown_until_it_is_up)
{
	auto_free char *shown = NULL, *much = NULL;

	CHECK_INT(leave_and(tell_and_go_on, 0, &shown), 0);
	CHECK_STR(shown, "one\ntwo\nlast");
	CHECK_INT(leave_and(tell_much, 0, &much), 3);
	CHECK_INT((int64_t)strlen(much), 100000);
}

static void end_badly(int door)
{
	put(door, "begun\n");
	(void)dup2(door, STDERR_FILENO);
	fprintf(stderr, "told in the end\n");
	exit(42);
}

static void die(int door)
{
	(void)door;
	(void)kill(getpid(), SIGKILL);
}

TEST(it_ends_as_the_child_did)
{
	auto_free char *shown = NULL, *nothing = NULL;

	CHECK_INT(leave_and(end_badly, 0, &shown), 42);
	CHECK_STR(shown, "begun\ntold in the end\n");
	CHECK_INT(leave_and(die, 0, &nothing), 128 + SIGKILL);
}

static volatile sig_atomic_t came;

static void on_signal(int number)
{
	came = number;
}

static void wait_for_signal(int door)
{
	struct sigaction here = { .sa_handler = on_signal };
	sigset_t blocked;

	(void)sigprocmask(SIG_BLOCK, NULL, &blocked);
	if (sigismember(&blocked, SIGTERM))
		_exit(97);
	(void)sigaction(SIGTERM, &here, NULL);
	(void)sigaction(SIGINT, &here, NULL);
	put(door, ".");
	for (int i = 0; i < 500 && !came; i++)
		usleep(10000);
	_exit(came);
}

TEST(signals_are_passed_on)
{
	auto_free char *first = NULL, *second = NULL;

	CHECK_INT(leave_and(wait_for_signal, SIGTERM, &first), SIGTERM);
	CHECK_INT(leave_and(wait_for_signal, SIGINT, &second), SIGINT);
}
