/* SPDX-License-Identifier: Apache-2.0 */
/* cli/up.h - what up.c, which decides what is to be done, and up_run.c, which runs the pod, share. */
#pragma once

#include "cli/cli.h"

struct up_values {
	bool detach, wait, quiet_pull, no_prefix, no_colour, timestamps, no_deps, build, force_deps;
	bool abort_on_exit, abort_on_failure, force, keep, renew_volumes, no_start, nothing;
	const char *pull, *exit_from, *trace;
	char **files, **attach, **no_attach, **scale;
	int64_t timeout, wait_timeout;
	char **resting, **anew; /* no options: see pod_run_options */
	bool goes_on;		/* no option: the command has more to do afterwards */
};

/* Whether 'up' returns when all is well, and not when all has been started. */
bool up_waits(const struct cli *c, const struct up_values *v);
/* What is traced is the way up: writes it, once. */
void up_finish_trace(void);
/* Runs the pod to its end, with its output on ours. *@ret_code: what the command is to exit with. */
struct err *up_attached(const struct cli *c, const struct pod_plan *plan, struct image **images,
			const struct up_values *v, int *ret_code) must_check;
/*
 * The same in a child that goes on. Returns when the pod is up, if the command has more to do;
 * else only when it has not come up, and the command, of which nothing but that is left, is to
 * tell why.
 */
struct err *up_detached(const struct cli *c, const struct pod_plan *plan, struct image **images,
			const struct up_values *v, int *ret_code) must_check;
