/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/launch.h - a program that begins beside us.
 *
 * fork(2) copies, and vfork(2) keeps its caller waiting until the program is there: a
 * millisecond either way where page tables are dear. Here the child has our memory and
 * a stack of its own until it executes the program, and we go on.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/err.h"

struct launch {
	int program; /* the file, by descriptor */
	char *const *argv;
	const int *fds; /* become its 3, 4, ...; what else is open there is closed */
	size_t n_fds;
	uint64_t flags; /* of clone3(2): the namespaces that are new */
	int cgroup;	/* directory in cgroup2 to be born in, or -1 */
	int netns;	/* to enter, or -1 */
	bool apart; /* a session of its own, in /, with /dev/null for standard streams: else ours */
};
struct launched;

/*
 * Starts it, with no environment and all signals blocked. @argv stays as it is until
 * launch_done(); *ret_pidfd, where it is wanted, is the caller's.
 */
struct err *launch(const struct launch *l, pid_t *ret_pid, int *ret_pidfd,
		   struct launched **ret) must_check;
/* Waits until the program has begun, or has ended; what kept it from beginning is the error. NULL is fine. */
struct err *launch_done(struct launched *take_l) must_check;
