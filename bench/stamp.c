/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/stamp.c - the program a measured container runs: tells when it came to life.
 *
 *	stamp [--stay] [FILE]
 *
 * One line with CLOCK_MONOTONIC in nanoseconds, appended to FILE or else printed. The clock is the
 * same one in every namespace (but a time namespace, which nobody here makes), so the difference to
 * a time taken before the command was started is the latency to the first instruction. Built static
 * with musl, for which main() is some twenty instructions after the first one.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct timespec now;
	sigset_t stop;
	int out = 1, received;
	char line[32];

	clock_gettime(CLOCK_MONOTONIC, &now); /* before all else: this is what is measured */

	/*
	 * Process 1 of a PID namespace never sees a signal it has left at its default, but a
	 * blocked one is kept. Blocked before the line is out: who reads it may signal at once.
	 */
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	sigprocmask(SIG_BLOCK, &stop, NULL);

	bool stay = argc > 1 && strcmp(argv[1], "--stay") == 0;
	const char *file = argv[1 + stay];

	if (file)
		out = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	int len = snprintf(line, sizeof(line), "%lld\n",
			   (long long)now.tv_sec * 1000000000 + now.tv_nsec);

	if (write(out, line, (size_t)len) != len)
		return 1;
	if (stay)
		sigwait(&stop, &received);
	return 0;
}
