/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mesos/internal.h - the parts of slipway-executor.
 *
 *   env      what the agent put into our environment
 *   session  the conversation with the agent: subscription, updates, acknowledgements
 *   launch   one pod: from a task to processes, and to its last status
 *   task     one task of a launch: what it asks for, what was told of it
 *   source   where the Compose project of a task is
 *   model    what the cluster adds to the project: ports, variables, labels
 *   checks   Mesos health checks and checks
 *   hooks    executables of the operator's
 *   sandbox  output of services as files
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/loop.h"
#include "compose/compose.h"
#include "image/image.h"
#include "mesos/http.h"
#include "mesos/wire.h"
#include "pod/pod.h"

/* ---- env.c ---- */

struct mesos_env {
	char *framework, *executor, *agent; /* ids */
	char *url;			    /* of the executor API */
	char *socket;			    /* domain socket, or NULL */
	int socket_dir;			    /* or -1 */
	char *sandbox;			    /* absolute */
	char *container; /* id: the name of the sandbox and of our control groups */
	char *token;	 /* or NULL */
	bool checkpoint;
	uint64_t recovery_timeout, backoff_max, shutdown_grace; /* milliseconds */
	bool tls;
	struct http_tls tls_files;
	char *ca, *cert, *key;
	char **environ; /* what Compose files may see: ours, without the token */
};
/*
 * Reads the process's environment, and takes the token out of it. EINVAL names
 * the variable that is missing or wrong.
 */
struct err *env_read(struct mesos_env *ret) must_check;
void env_clear(struct mesos_env *e);

/* ---- session.c ---- */

struct session;
struct launch;

/* One status of a task, before it is sent. Texts are borrowed. */
struct status {
	const char *task;
	const char *state;  /* "TASK_RUNNING" */
	const char *reason; /* or NULL */
	const char *message;
	json_t *more; /* members that are added: healthy, container_status, ...; borrowed, or NULL */
};

struct session {
	struct mesos_env env;
	struct loop *loop;
	struct http *http;
	struct pod_host *host;
	char **argv;	       /* operands of our command line: Compose files */
	json_t *executor_info; /* of SUBSCRIBED */
	json_t *framework_info;
	bool can_tell_killing; /* TASK_KILLING_STATE */
	bool shutting_down;
	int exit_code;
	struct launch *launches; /* all there were */
	unsigned n_launches;
	struct link *link; /* to the agent: link.c */
	struct ends *ends; /* session.c */
};

struct err *session_run(struct session *s) must_check; /* until all is over */
/* Sends it, until it is acknowledged. */
void session_tell(struct session *s, const struct status *st);
/* A launch is over: perhaps there is nothing more to do. */
void session_check_end(struct session *s);

/* ---- link.c: subscription, updates and acknowledgements, over connections that break ---- */

struct link_owner {
	void *ctx;
	void (*on_event)(void *ctx, const json_t *event); /* all but ACKNOWLEDGED and HEARTBEAT */
	void (*on_lost)(void *ctx, const char *why);	  /* for good: nobody listens any more */
	void (*on_quiet)(void *ctx);			  /* every update has been acknowledged */
};
struct err *link_new(struct loop *l, struct http *h, const struct mesos_env *env,
		     const struct link_owner *owner, struct link **ret) must_check;
void link_free(struct link *k);
/* A task that was launched: named on each subscription until one of its updates is acknowledged. Copied. */
void link_add_task(struct link *k, const json_t *task);
void link_add_update(struct link *k,
		     json_t *take_status); /* a TaskStatus; uuid and such are added */
bool link_is_quiet(const struct link *k);

/* ---- task.c ---- */

struct task {
	char *id;
	json_t *info;	    /* TaskInfo */
	char *service;	    /* of a task group: its own; NULL: the whole pod */
	json_t *more;	    /* members of the last status, to be said again */
	bool ended;	    /* a last state was told */
	bool service_ended; /* of a group: with success */
	struct check *check, *health;
};

/* Milliseconds of the task's kill policy; -1: none. @kill: a KILL event, or NULL. */
int64_t task_grace(const json_t *info, const json_t *kill);

/* Settings: by labels "config.KEY" as dce-go has them, and by labels "slipway.KEY". */
struct settings {
	int64_t launch_timeout; /* milliseconds */
	int64_t pull_tries, retry_interval;
	bool skip_pull;
	int64_t stop_timeout;		    /* milliseconds; -1: each service's own */
	bool keep_failed;		    /* volumes and images of pods that failed stay */
	bool remove_volumes, remove_images; /* once the task has ended */
	bool kill_unhealthy;
	bool trace;	    /* the model after each hook is kept */
	bool host_ports;    /* ports that were not offered may be published */
	bool ready_started; /* up when started, not when healthy */
	int64_t hook_timeout;
	char *hooks;	     /* names, comma separated; NULL: all there are */
	char *check_service; /* whose container COMMAND checks run in */
	bool is_service;     /* its end is a failure (Aurora) */
};
struct err *settings_read(const json_t *task, char *const *environ,
			  struct settings *ret) must_check;
void settings_clear(struct settings *s);

/* ---- source.c, source_image.c ---- */

struct source {
	char **files; /* Compose files; or */
	char *text;   /* a project, as text */
	char *dir;    /* what its paths are relative to */
	bool pull;    /* images are asked for again */
	struct wire_aurora aurora;
	bool has_aurora;
};
/* Finds the project of a single task. ENOENT says where was looked. */
struct err *source_find(const struct session *s, const json_t *task, struct source *ret) must_check;
/* A project of one service for each of @tasks, by their images. */
struct err *source_of_group(const struct session *s, struct task *tasks, size_t n,
			    struct source *ret) must_check;
void source_clear(struct source *s);
/* As above, where the task names an image; else nothing is found, which is no error. */
struct err *source_of_image(const struct session *s, const json_t *task,
			    struct source *ret) must_check;
char *source_path(const struct session *s,
		  const char *path) must_check; /* below the sandbox, unless it is absolute */

/* ---- model.c ---- */

struct offer {
	struct wire_port *ports; /* in the order they are given out; names may be NULL */
	size_t n;
	uint32_t *places; /* by number: 1 + its index in ports; 0: not offered */
};
/* The ports that were offered with @tasks: PORTn, then discovery's and Aurora's, then the resources' ranges. */
struct err *offer_read(const struct session *s, struct task *tasks, size_t n,
		       const struct wire_aurora *aurora, struct offer *ret) must_check;
void offer_clear(struct offer *o);

/* The project as JSON, ready to be changed; the caller's. */
struct err *model_read(const struct source *src, const char *name, char *const *environ,
		       json_t **ret, char ***ret_warnings) must_check;
/* Gives published ports host ports of the offer. */
struct err *model_ports(json_t *model, const struct offer *o, bool host_ports) must_check;
/* Variables and labels that the cluster's tasks have. EINVAL names a variable of ours that is no text. */
struct err *model_decorate(json_t *model, const struct session *s, const struct task *tasks,
			   size_t n, const struct offer *o) must_check;
/* JSON merge patch, RFC 7396. @target becomes what it says. */
void model_patch(json_t **target, const json_t *patch);
/* From the model to the project. */
struct err *model_load(const json_t *model, const char *name, const char *dir, char *const *environ,
		       struct compose_project **ret) must_check;

/* ---- launch.c ---- */

/*
 * Begins; what goes wrong is told as a status. @tasks: copies of TaskInfo. @group:
 * one service each. @take_refusal: they cannot be launched; that is told of each.
 */
void launch_begin(struct session *s, json_t *const *tasks, size_t n, bool group,
		  struct err *take_refusal);
/* @grace: milliseconds, -1: what the tasks say. */
void launch_kill(struct launch *l, const char *why, int64_t grace);
struct launch *launch_of(const struct session *s, const char *task);
void launch_kill_task(struct launch *l, const char *task, const json_t *kill);
int64_t launch_grace(
	const struct launch *l); /* milliseconds its tasks are given to end; -1: they do not say */
bool launch_is_over(const struct launch *l);
void launch_free(struct launch *l);
struct launch *launch_next(const struct launch *l);

/* ---- checks.c ---- */

struct check_owner {
	void *ctx;
	/* Of a health check: also the failures that do not count yet. @fatal: it is to be killed. */
	void (*on_health)(void *ctx, struct task *t, bool healthy, bool fatal, const char *why);
	/* Of a check: CheckStatusInfo, borrowed. */
	void (*on_check)(void *ctx, struct task *t, const json_t *status);
};
/*
 * Begins the checks of @t in @pod. @host_ports: ports of the host are translated
 * to the container's. COMMAND checks run in @service. EINVAL when a check is not
 * understood.
 */
struct check;
struct err *checks_validate(const json_t *task) must_check;
void checks_start(struct session *s, struct pod *pod, struct task *t, const char *service,
		  const struct check_owner *owner);
void checks_stop(struct task *t);
/* The CheckStatusInfo of a check that has no result yet; NULL when @task has no check. The caller's. */
json_t *check_status_empty(const json_t *task) must_check;

/* ---- hooks.c ---- */

struct hooks;
typedef void hooks_fn(void *ctx, struct err *take_e);
/*
 * Runs the hooks of @stage, one after the other, with @input on their standard
 * input; what they print, a merge patch, is applied to *@model (NULL: it is not
 * wanted). Then @fn is called, from the loop, with what went wrong.
 */
struct hooks *hooks_run(const struct session *s, const struct settings *set, const char *stage,
			const json_t *input, json_t **model, hooks_fn *fn, void *ctx) must_check;
void hooks_cancel(struct hooks *take_h); /* NULL is fine; @fn is not called */

/* ---- sandbox.c ---- */

struct sandbox;
struct sandbox *sandbox_new(const char *dir, bool prefix) must_check;
void sandbox_put(struct sandbox *s, const char *service, enum pod_stream stream, const char *line,
		 size_t len);
/* The last lines that @service wrote, for a message; "" when there are none. Borrowed. */
const char *sandbox_tail(struct sandbox *s, const char *service);
void sandbox_free(struct sandbox *s);
/* Replaces SANDBOX/slipway/NAME. */
struct err *sandbox_write(const char *dir, const char *name, const char *text) must_check;
