/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod/pause/pause.c - the pod's init: reaps, holds, and dies with its supervisor.
 *
 * It is PID 1 of the pod's PID namespace: when it goes, the kernel ends every
 * process of the pod. Descriptor 3 is the life-line, a pipe whose other end the
 * supervisor holds; what else is open (lock, lease, ports, nftables owner) is
 * kept open, and released by dying. Nothing is linked but libc, statically.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { LIFE_LINE = 3 };

static void on_child(int number)
{
	(void)number; /* only to interrupt ppoll() */
}

int main(void)
{
	struct sigaction reap = { .sa_handler = on_child };
	struct pollfd line = { .fd = LIFE_LINE, .events = POLLIN };
	sigset_t block, none;

	prctl(PR_SET_NAME, "slipway-pause");
	/* a second way to learn of the supervisor's end; alone it would lose a race at birth */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGCHLD);
	sigprocmask(SIG_SETMASK, &block, NULL);
	sigaction(SIGCHLD, &reap, NULL);
	for (;;) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (ppoll(&line, 1, NULL, &none) > 0)
			return 0; /* nothing is ever written: this is the end of the pipe */
	}
}
