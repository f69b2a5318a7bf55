/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mesos/docker/docker.h - Docker's command line, as far as a Mesos agent calls it.
 *
 * There is no engine behind it: each container is a pod of one service, and what
 * is known of it is what the pod's state says, whoever asks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/opt.h"
#include "compose/compose.h"
#include "image/image.h"
#include "pod/pod.h"

/* What this says it is: agents want to see 1.8 or newer. */
#define DOCKER_VERSION "24.0.0"

enum { EXIT_ENGINE = 125, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

struct docker {
	struct pod_host *host;
	int *inherited; /* fd_inherited() */
};

struct docker_command {
	const char *name, *operands, *help;
	const struct opt *options;
	bool stop_at_operand;
	struct err *(*run)(struct docker *d, const void *values, char **operands, int *ret_code);
};

extern const struct opt ps_options[], inspect_options[], images_options[], pull_options[],
	stop_options[], kill_options[], rm_options[], exec_options[], logs_options[], no_options[];

/* run.c */
struct err *docker_run(struct docker *d, const void *values, char **operands, int *ret_code);
struct err *docker_pull(struct docker *d, const void *values, char **operands, int *ret_code);
/* list.c */
struct err *docker_ps(struct docker *d, const void *values, char **operands, int *ret_code);
struct err *docker_images(struct docker *d, const void *values, char **operands, int *ret_code);
/* inspect.c */
struct err *docker_inspect(struct docker *d, const void *values, char **operands, int *ret_code);
/* control.c */
struct err *docker_stop(struct docker *d, const void *values, char **operands, int *ret_code);
struct err *docker_kill(struct docker *d, const void *values, char **operands, int *ret_code);
struct err *docker_rm(struct docker *d, const void *values, char **operands, int *ret_code);
struct err *docker_wait(struct docker *d, const void *values, char **operands, int *ret_code);
struct err *docker_exec(struct docker *d, const void *values, char **operands, int *ret_code);
struct err *docker_logs(struct docker *d, const void *values, char **operands, int *ret_code);

/* The container that @name means: its pod's state, and itself in it. */
struct err *docker_find(const struct docker *d, const char *name, struct pod_state **ret,
			const struct pod_service_state **ret_container) must_check;
bool docker_is_running(const struct pod_service_state *s);
/* "Up 3 minutes"; the caller's. */
char *docker_status(const struct pod_service_state *s) must_check;
