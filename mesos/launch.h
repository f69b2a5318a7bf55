/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mesos/launch.h - a launch, for the files that see it through.
 *
 *   launch.c        beginning, stages, failures, kills and the end
 *   launch_pull.c   its images
 *   launch_run.c    the pod's life
 *   launch_tell.c   what is told of it
 */
#pragma once

#include "mesos/internal.h"

enum stage {
	STAGE_PREPARE,	/* hooks before the pull */
	STAGE_PULL,	/* and pauses between its tries */
	STAGE_PREPARED, /* hooks after the pull, and before the launch */
	STAGE_RUN,	/* the pod lives */
	STAGE_PRE_KILL, /* it lives, and hooks run before it is asked to end */
	STAGE_END,	/* hooks after its end */
	STAGE_OVER
};

struct launch {
	struct launch *next;
	struct session *s;
	char *name; /* of the pod */
	struct task *tasks;
	size_t n;
	bool group;
	enum stage stage;
	struct settings set;
	struct source source;
	json_t *model;
	struct compose_project *project;
	struct image **images;
	struct pod_plan *plan;
	struct pod *pod;
	struct pod_run_options options;
	struct sandbox *sandbox;
	bool up;
	/* what is under way */
	struct hooks *hooks;
	struct image_fetch *fetch;
	int64_t tries;
	struct watch *on_pull, *on_retry, *on_limit, *on_completion;
	/* why it ends */
	bool killed;   /* by the framework, or for its health check */
	int64_t grace; /* of the kills so far; INT64_MAX: there was none */
	char *why;     /* message of the last status */
	const char *reason;
	char *culprit; /* the service whose end was the pod's */
	bool oom, failed, completion;
	bool finishing; /* its main service has done its work */
	json_t *untold; /* inputs of status hooks that are still to be run */
	struct hooks *status_hooks;
};

/* ---- launch.c ---- */
bool launch_is_ending(const struct launch *l); /* nothing that happens to it is news any more */
/* Ends it, as a failure. */
void launch_fail(struct launch *l, const char *reason, struct err *take_e);
void launch_end(struct launch *l);    /* nothing of the pod is left, or there never was one */
void launch_pulled(struct launch *l); /* the images are here */
/* A failure that changes nothing any more is logged. */
void launch_complain(struct err *take_e);

/* ---- launch_pull.c ---- */
void launch_pull(struct launch *l);

/* ---- launch_run.c ---- */
void launch_start_pod(struct launch *l);

/* ---- launch_tell.c ---- */
/* What hooks and people see of a launch; the caller's. */
json_t *tell_describe(const struct launch *l) must_check;
void tell_task(struct launch *l, struct task *t, const char *state, const char *reason,
	       const char *message);
void tell_all(struct launch *l, const char *state, const char *reason, const char *message);
/* A member that every status of @t has from now on: the agent remembers none. */
void tell_from_now_on(struct task *t, const char *key, json_t *take_value);
/* The pod's address and ports: of each task, and in the sandbox. */
void tell_network(struct launch *l);
/* "service web: exited with status 3", with its last lines; the caller's. */
char *tell_how_ended(struct launch *l, const char *service, const struct pod_news *n) must_check;
/* The last status of @t: the state that everything amounts to. */
void tell_end(struct launch *l, struct task *t);
