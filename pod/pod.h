/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod/pod.h - a Compose project run as one pod: planned, started, supervised, stopped, cleaned up.
 *
 * A pod has one supervisor process and one pause process. Everything the pod
 * owns is a namespace or a descriptor of pause, so that the kernel takes it back
 * when either of the two dies, however they die. What the kernel cannot own
 * (cgroup directories, upper directories, state files) is collected by
 * pod_collect(), which every command calls.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/json.h"
#include "base/loop.h"
#include "compose/compose.h"
#include "image/image.h"

/* ---- settings: config.c ---- */

enum pod_setting_key {
	POD_SETTING_ROOT,
	POD_SETTING_RUN,
	POD_SETTING_CGROUP_PARENT,
	POD_SETTING_LOG_LEVEL,
	POD_SETTING_LOG_FORMAT,
	POD_SETTING_LOG_DRIVER,
	POD_SETTING_LOG_MAX_SIZE,
	POD_SETTING_LOG_MAX_FILE,
	POD_SETTING_JOURNAL,
	POD_SETTING_STOP_TIMEOUT,
	POD_SETTING_PULL,
	POD_SETTING_PROGRESS,
	POD_SETTING_CERTS,
	POD_SETTINGS
};
struct pod_setting {
	const char *name, *variable; /* in files, and in the environment */
	struct err *(*check)(const char *value);
	const char *fallback;
	const char *help;
};
extern const struct pod_setting pod_settings[POD_SETTINGS];

/* What files and the environment say; later sources win, and each value knows its own. */
struct pod_config;
struct err *pod_config_load(struct pod_config **ret) must_check;
/* "KEY=value", of --set; and one that has an option of its own. */
struct err *pod_config_set(struct pod_config *c, const char *assignment) must_check;
struct err *pod_config_option(struct pod_config *c, enum pod_setting_key key, const char *option,
			      const char *value) must_check;
/* NULL has the defaults. */
const char *pod_config_get(const struct pod_config *c, enum pod_setting_key key);
/* "default", "FILE:LINE", a variable's name or an option. */
const char *pod_config_source(const struct pod_config *c, enum pod_setting_key key);
/* Into the environment, what programs that we start read there. */
void pod_config_export(const struct pod_config *c);
void pod_config_free(struct pod_config *c);
void pod_config_cleanup(struct pod_config **c);
#define auto_pod_config cleanup_with(pod_config_cleanup)

/* Where slipway keeps things on this host. */
struct pod_host {
	char *root;	     /* images, volumes, logs, upper directories */
	char *run;	     /* state, gone at reboot */
	char *cgroup_parent; /* the group that pods are made in */
	bool at_home;	     /* that group is below slipway.service, which systemd runs */
	char *cgroup_task; /* last part of the group that a cluster's agent made for us, or NULL */
	const struct pod_config *config; /* NULL: the defaults */
	struct pod_config *own;		 /* the same, when it is the host's */
};
/* Makes the directories, mode 0700. @config outlives the host; NULL: what files and the environment say. */
struct err *pod_host_open_with(const struct pod_config *config, struct pod_host **ret) must_check;
struct err *pod_host_open(struct pod_host **ret) must_check;
/* Pods are below the group @id that a cluster's agent has put this process into, if it has. */
void pod_host_in_task(struct pod_host *h, const char *id);
/*
 * Moves this process to where the host's supervisors live, so that it ends with
 * slipway.service and not with the session it was started in. Takes some
 * milliseconds. Nothing happens on hosts without that service.
 */
struct err *pod_settle(const struct pod_host *h) must_check;
void pod_host_free(struct pod_host *h);
void pod_host_cleanup(struct pod_host **h);
#define auto_pod_host cleanup_with(pod_host_cleanup)

/* ---- planning: no I/O ---- */

struct pod_plan;

/*
 * What is to be done to run @p with @images, one for each service. Refuses what
 * a pod cannot honour, with the place in the file; @ret_warnings gets what it
 * can only half. Borrows both until the plan is freed.
 */
struct err *pod_plan(const struct compose_project *p, struct image *const *images,
		     const struct pod_host *h, struct pod_plan **ret,
		     char ***ret_warnings) must_check;
/* The same as far as it needs no images. */
struct err *pod_lint(const struct compose_project *p, char ***ret_warnings) must_check;
/* Milliseconds that its services may take to stop, one after the other; @timeout: of each, -1: its own. */
int64_t pod_stop_time(const struct pod_plan *plan, int64_t timeout);
void pod_plan_print(const struct pod_plan *plan, FILE *out);
json_t *pod_plan_json(const struct pod_plan *plan) must_check;
void pod_plan_free(struct pod_plan *plan);
void pod_plan_cleanup(struct pod_plan **plan);
#define auto_pod_plan cleanup_with(pod_plan_cleanup)

/* ---- running ---- */

enum pod_stream { POD_STDOUT, POD_STDERR };

enum pod_change { POD_STARTED, POD_HEALTHY, POD_UNHEALTHY, POD_EXITED };
struct pod_news {
	const char *service;
	enum pod_change what;
	/* of POD_EXITED */
	int exit_code;	    /* as a shell tells it */
	int signal;	    /* that ended it, or 0 */
	bool oom;	    /* by the kernel, for its memory limit */
	bool returns;	    /* it is started again */
	const char *detail; /* of POD_UNHEALTHY: what the probe said */
};

/* What a supervisor tells who started it. Any may be NULL. */
struct pod_watcher {
	void *ctx;
	/* every service runs (or, with @wait, is healthy or done) */
	void (*on_up)(void *ctx);
	/* the pod is being stopped, in order; once */
	void (*on_stopping)(void *ctx);
	/* it has ended without a failure, and not for a shutdown; before who asked for that is answered */
	void (*on_ended)(void *ctx);
	void (*on_event)(void *ctx, const char *container,
			 const char *what); /* "Started", "Exited (1)" */
	void (*on_output)(void *ctx, const char *service, enum pod_stream stream, const char *line,
			  size_t len);
	void (*on_news)(void *ctx, const struct pod_news *n);
};

/* When one container's end is the pod's. */
enum pod_abort { POD_ABORT_NEVER, POD_ABORT_ON_EXIT, POD_ABORT_ON_FAILURE };

/* Of the pod as a whole; 0: none. */
struct pod_limits {
	int64_t memory_max; /* bytes */
	int64_t cpu_shares; /* 1024 for each processor */
	int64_t cpu_quota;  /* microseconds of processor time in each 100 ms */
};

/* Who has started the pod for one service, and sees it through; see pod_session(). */
struct pod_owner {
	int socket; /* SOCK_SEQPACKET; its end is the pod's */
	const char *service;
	bool once; /* the end of its input is the end of the service's */
};

/* What a pod will need whatever it is, begun while its project is still being read: one at a time. */
struct pod_early {
	int socket; /* it comes from there; -1: none, or taken */
	pid_t helper, maker;
};
#define POD_EARLY_NONE ((struct pod_early) { .socket = -1 })
/* Never fails: what cannot be made early is made when it is needed. */
void pod_early_begin(struct pod_early *e);
/* Of what nobody has used; waits until it is made. NULL does nothing. */
void pod_early_end(struct pod_early *e);
/* A child that was forked meanwhile has it. NULL does nothing. */
void pod_early_given(struct pod_early *e);

struct pod_run_options {
	struct pod_watcher watcher;
	struct pod_early *early; /* NULL: none */
	bool wait;		 /* on_up when healthy, not when started */
	bool quit_signals;	 /* SIGINT and SIGTERM stop the pod, a second one kills it */
	int64_t stop_timeout;	 /* milliseconds for every service; -1: its own */
	int64_t wait_timeout;	 /* milliseconds until the pod must be up; -1: no limit */
	enum pod_abort abort;
	const char *main;	  /* its end is the pod's, whatever abort says; NULL: none */
	const char *exit_from;	  /* whose exit code is the result; NULL: see pod_result */
	struct pod_limits limits; /* where a cluster's agent has set them already, its own hold */
	const struct pod_owner *owner;
	/* Services that are not to be started: of the pod all the same, as its last state tells them. */
	char *const *resting;
	/* Those whose containers are new ones also where they have not changed since the last run. */
	char *const *anew;
	bool transient; /* nothing of it stays once it has ended, however it ended: no state, no logs */
	bool last_words; /* a pod that did not come up: the error has the last lines of who failed */
	/* Of pod_start(): the pod is over, and pod_finish() is to be called. Once, from the loop. */
	loop_fn *on_end;
	void *end_arg;
};

struct pod_result {
	int exit_code;	  /* exit_from's; or the one's that aborted the pod; or the first failing
			  service's, or 0 */
	bool interrupted; /* by a signal, or asked to end... */
	bool by_sigint;	  /* ...by the one that a person at a terminal sends */
};

/*
 * Runs the plan in this process, from start to end; returns when every process
 * of the pod is gone and its kernel resources with it. EBUSY when a pod of that
 * name is running. On error nothing is left behind.
 */
struct err *pod_run(const struct pod_plan *plan, const struct pod_host *h,
		    const struct pod_run_options *o, struct pod_result *ret) must_check;

/*
 * The same in steps, in the caller's loop. pod_start() goes as far as it can
 * without waiting, and returns; @o and what it points to is borrowed until
 * pod_finish(), which must be called after o.on_end, and may be before: it ends
 * what is left, waits for the kernel to have it back, and gives the first thing
 * that went wrong.
 */
struct pod;
struct err *pod_start(const struct pod_plan *plan, const struct pod_host *h,
		      const struct pod_run_options *o, struct loop *loop,
		      struct pod **ret) must_check;
struct err *pod_finish(struct pod *take_p, struct pod_result *ret) must_check;
/* While held, output of the pod's containers is not read: they fill their pipes and then wait. */
void pod_hold(struct pod *p, bool held);
/*
 * Asks the pod to end within @timeout milliseconds of the first time it was asked
 * (-1: as long as its services may take; 0: at once). Later calls only shorten it.
 */
void pod_end(struct pod *p, int64_t timeout);

/* Of a started pod. Its address, INADDR_ANY when it has none; its network namespace, borrowed, -1: the host's. */
struct in_addr pod_address(const struct pod *p);
int pod_netns(const struct pod *p);
struct pod_published {
	const char *service;
	uint16_t host_port, target;
	bool udp;
};
/* Its published ports; the caller frees the list. */
size_t pod_published(const struct pod *p, struct pod_published **ret);

/*
 * A command in a container of a started pod. @fn is called at its end, from the
 * loop, with its exit code (or POD_COMMAND_LATE) and the first 4 KiB of what it
 * wrote; the command is gone then. pod_command_cancel() ends it without a call.
 */
enum { POD_COMMAND_LATE = -1 };
typedef void pod_command_fn(void *arg, int exit_code, const char *output);
struct pod_command_options {
	char *const *argv;
	char *const *env; /* added to the service's */
	int64_t timeout;  /* milliseconds until it is killed; 0: no limit */
	pod_command_fn *fn;
	void *arg;
};
struct pod_command;
struct err *pod_command_start(struct pod *p, const char *service,
			      const struct pod_command_options *o,
			      struct pod_command **ret) must_check;
void pod_command_cancel(struct pod_command *take_c); /* NULL is fine */

/* ---- asking and telling running pods ---- */

struct pod_service_state {
	char *key; /* see pod_key() */
	char *id;  /* 64 hex digits */
	char *service, *container, *image, *command, *state, *health, *started, *finished;
	char *ports; /* "0.0.0.0:8080->80/tcp" */
	int64_t exit_code, restarts, pid;
	char *cgroup;
	json_t *json; /* all of it */
};
struct pod_state {
	char *name, *status; /* "running", "stopped", "dead" */
	char *dir;
	bool alive;
	int64_t supervisor, pause;
	struct pod_service_state *services;
	size_t n_services;
	json_t *json;
};

/* ENOENT when there is no such pod. */
struct err *pod_state_read(const struct pod_host *h, const char *name,
			   struct pod_state **ret) must_check;
struct err *pod_state_list(const struct pod_host *h, struct pod_state ***ret,
			   size_t *ret_n) must_check;
void pod_state_free(struct pod_state *s);
void pod_state_cleanup(struct pod_state **s);
#define auto_pod_state cleanup_with(pod_state_cleanup)
/*
 * Whether @plan is another pod than the one that runs: other services, or of @services
 * (NULL: all) other configurations or images.
 */
bool pod_changed(const struct pod_plan *plan, const struct pod_state *s, char *const *services);
/* @key: a service (its first instance), or pod_key() of one of its instances. */
const struct pod_service_state *pod_state_find(const struct pod_state *s, const char *key);
struct err *pod_no_service(const char *key) must_check; /* the error that there is none */
/* How functions here call instance @number of @service: the service, or "SERVICE@2". The caller's. */
char *pod_key(const char *service, int64_t number) must_check;

/*
 * Whether a supervisor answers for @name. A pod without one may seem alive for a
 * moment: it is dying, somebody looks at its lock, or cleans up after it.
 */
bool pod_supervised(const struct pod_host *h, const char *name);

/*
 * Asks the supervisor of @name and waits for the answer: "stop" (@services: NULL
 * for all; @argument: milliseconds or NULL), "suspend" (the same for all, as when
 * the host goes down: it is to come back), "kill" (@argument: a signal),
 * "start", "restart", "pause", "unpause", "wait" (until they have ended).
 * ENOENT when it is not running.
 */
struct err *pod_ask(const struct pod_host *h, const char *name, const char *what,
		    char *const *services, const char *argument) must_check;

/*
 * Waits until @services (NULL or none: all) of the running pod @name are up: they run
 * and are healthy where that can be known, or have ended well. EIO: one is unhealthy
 * or has failed; ETIMEDOUT after @timeout milliseconds (0 or less: no limit). The pod
 * goes on all the same.
 */
struct err *pod_wait_up(const struct pod_host *h, const char *name, char *const *services,
			int64_t timeout) must_check;

/*
 * Makes the running pod of @p's name what @p says: services that have changed are
 * replaced, what is new is started, what is gone is stopped, the others run on.
 * ENOTSUP when what the pod has as a whole is another: its network, its published
 * ports, x-slipway. What could not be started is the error; all else has been done.
 */
struct pod_update {
	int64_t timeout;       /* milliseconds for what is stopped; -1: its own grace period */
	char *const *services; /* the others stay as they are, changed or ended; NULL: all */
	char *const *anew;     /* replaced also when nothing has changed */
	bool renew_volumes;    /* with new anonymous volumes */
	bool create_only;      /* what is new or has changed is not started, what has ended stays */
};
struct err *pod_apply(const struct pod_host *h, const struct compose_project *p,
		      const struct pod_update *u) must_check;

/*
 * Calls @on_event for what happens to @services (NULL: all) until it returns
 * false or the pod ends. An event has docker's members: time, type, action, id,
 * service, attributes.
 */
struct err *pod_events(const struct pod_host *h, const char *name, char *const *services,
		       bool (*on_event)(void *ctx, const json_t *event), void *ctx) must_check;

/* What a service's processes use; and which they are, as this process sees them. */
struct pod_usage {
	uint64_t memory, memory_limit; /* bytes, as docker counts: not files nobody has looked at
					  lately; without a limit the host has one */
	uint64_t cpu_us;	       /* processor time used so far */
	uint64_t pids;
	uint64_t read, written; /* bytes, of and to block devices, where that is counted */
	uint64_t received,
		sent; /* bytes, by its network namespace, which is the pod's; 0: it is the host's */
};
struct err *pod_usage(const struct pod_service_state *s, struct pod_usage *ret) must_check;
struct err *pod_processes(const struct pod_service_state *s, pid_t **ret, size_t *ret_n) must_check;

/* Stops @name if it runs, and removes its state, logs and upper directories. */
struct err *pod_down(const struct pod_host *h, const char *name, int64_t timeout_ms) must_check;
/* Stops @name if it runs; the next start finds what it has left. */
struct err *pod_halt(const struct pod_host *h, const char *name, int64_t timeout_ms) must_check;

/* Standard input, output and error output of this process as a service's. */
struct pod_session {
	int socket;		 /* to the supervisor; of pod_attach(): not used */
	bool interactive;	 /* input is passed on */
	bool tty;		 /* the service has a terminal: ours is raw meanwhile */
	bool owner;		 /* wait for the end of the pod, not of the service alone */
	bool until_up;		 /* only until the pod is up: it goes on without us */
	bool no_proxy;		 /* signals are ours */
	const char *detach_keys; /* NULL: "ctrl-p,ctrl-q" */
};
struct pod_session_end {
	bool up;       /* it was */
	bool exited;   /* with code */
	bool detached; /* it goes on */
	int code;      /* also: of a signal that has ended the session */
};
struct err *pod_session(const struct pod_session *o, struct pod_session_end *ret) must_check;
/* Joins a service that runs. */
struct err *pod_attach(const struct pod_host *h, const char *name, const char *service,
		       const struct pod_session *o, struct pod_session_end *ret) must_check;

/*
 * Runs a pod in a process of its own, which lives on when the caller has said so
 * (pod_session(): detached) and dies with it otherwise. The caller waits for @pid
 * when the session is over.
 */
struct pod_launch {
	const struct pod_plan *plan;
	struct image *const *images; /* released when the pod is up */
	size_t n_images;
	const struct pod_run_options *options; /* without owner */
	const char *service;		       /* whose session it is */
	bool once;
	bool record;	      /* it comes back after a reboot, if its services are to */
	const int *inherited; /* fd_inherited(): the caller's, and not to be kept open */
};
struct err *pod_launch(const struct pod_host *h, const struct pod_launch *l, int *ret_socket,
		       pid_t *ret_pid) must_check;
/* What a supervisor is in the background: no terminal, a log in a file, nothing kept open. */
void pod_go_background(const struct pod_host *h, const char *name, const int *inherited);

/*
 * Notes a pod that was not started yet: it is listed, as created. Of one that has ended what
 * has not changed, and is not in @anew, stays what it is. EBUSY when it runs.
 */
struct err *pod_create(const struct pod_plan *plan, const struct pod_host *h,
		       char *const *anew) must_check;

/*
 * The container that goes by @text on this host: by its name, its pod's name, or
 * the first digits of its id. @project: only one of its own, or that was run for
 * it; NULL: any. Both results are the caller's.
 */
struct err *pod_lookup(const struct pod_host *h, const char *text, const char *project,
		       char **ret_pod, char **ret_service) must_check;

/* What 'start' needs, whatever has become of the project's files; it goes with the pod's state. */
struct err *pod_keep(const struct pod_host *h, const struct compose_project *p) must_check;
/* Its text, the caller's; paths in it are absolute. ENOENT: of an earlier version's pod there is none. */
struct err *pod_kept(const struct pod_host *h, const char *name, char **ret) must_check;

/* "BEFORE-" and some hex digits; and the pod of a container called so. The caller's. */
char *pod_name_new(const char *before) must_check;
char *pod_name_of(const char *container) must_check;
/* Whether a new container may be called so; EEXIST. */
struct err *pod_name_check(const struct pod_host *h, const char *name) must_check;
/*
 * Runs a plan of compose_run_*(): its one container, with this process attached, or
 * until it is up when @r says detach.
 */
struct err *pod_single(const struct pod_host *h, const struct pod_plan *plan,
		       struct image *const *images, const struct compose_run *r,
		       const int *inherited, struct pod_session_end *ret) must_check;

struct pod_exec {
	const char *service;
	char *const *argv;
	char *const *env; /* added to the service's */
	const char *cwd;  /* NULL: the service's */
	const char *user; /* NULL: the service's */
	bool tty, interactive, detach;
	bool privileged; /* with all capabilities, and no filter of system calls */
};
/* Runs a command in a running service; *ret is its exit code. */
struct err *pod_exec(const struct pod_host *h, const char *name, const struct pod_exec *e,
		     int *ret) must_check;

struct pod_copy {
	const char *service;
	const char *path;      /* in the container, from its root */
	const char *host_path; /* on the host */
	bool out;	       /* from the container to the host; else into the container */
	bool archive;	       /* with owners; else what is copied is the caller's, or root's */
	bool follow;	       /* what a link on the host names, not the link */
	bool tar;	       /* not the host's files, but a tar on standard input or output */
};
/* Files, directories and links, by docker's rules of names. */
struct err *pod_copy(const struct pod_host *h, const char *name,
		     const struct pod_copy *c) must_check;

struct pod_logs {
	char *const *services; /* NULL: all */
	bool follow;
	int64_t tail; /* lines of each service; -1: all */
	void *ctx;
	/* @time is RFC 3339; false ends the reading */
	bool (*on_line)(void *ctx, const char *service, enum pod_stream stream, const char *time,
			const char *line, size_t len);
};
struct err *pod_logs(const struct pod_host *h, const char *name,
		     const struct pod_logs *l) must_check;

/* ---- coming back after a reboot ---- */

/* Notes how @p was started, when any of its services is to be restarted always. */
struct err *pod_record(const struct pod_host *h, const struct compose_project *p) must_check;
/* These services of it are not to come back. */
struct err *pod_record_drop(const struct pod_host *h, const char *name,
			    char *const *services) must_check;
/* It is not to come back. */
void pod_record_remove(const struct pod_host *h, const char *name);
struct pod_record {
	char *name, *file, *dir; /* the project as one file, and the directory it belongs to */
	bool alive;
};
struct err *pod_records(const struct pod_host *h, struct pod_record **ret,
			size_t *ret_n) must_check;
void pod_records_free(struct pod_record *take_r, size_t n);

/* ---- what there is ---- */

/* This host and what is on it, with the members of 'docker info' and more. */
struct err *pod_info(const struct pod_host *h, json_t **ret) must_check;

/* ---- cleaning up ---- */

/*
 * Takes services (or instances, by key) out of a pod that runs, where they are stopped
 * within @timeout milliseconds (-1: their own grace period), or has ended; with
 * @volumes their anonymous volumes, too. The caller sees to it that others are left.
 */
struct err *pod_remove_services(const struct pod_host *h, const char *name, char *const *keys,
				int64_t timeout, bool volumes) must_check;
/* Removes the anonymous volumes of a pod that does not run, so that it gets new ones; not those of services in @resting. */
struct err *pod_renew_volumes(const struct pod_host *h, const struct pod_plan *plan,
			      char *const *resting) must_check;
/* Removes the volumes that pod @name has made: all, or the anonymous ones. Their names, for who wants them. */
struct err *pod_remove_volumes(const struct pod_host *h, const char *name, bool anonymous,
			       char ***ret_removed) must_check;

/* As above, all of them: put aside for pod_empty_trash(), which takes no time. */
struct err *pod_discard_volumes(const struct pod_host *h, const char *name) must_check;
/* Removes what was put aside: upper directories, volumes. Takes as long as there are files. */
struct err *pod_empty_trash(const struct pod_host *h) must_check;
/*
 * The same when a pod has ended, of what has been there for @age seconds, and of
 * what came just now and is large: it is a user's disk. Small things wait, as
 * directories just removed make ext4 slow. The process has the lowest priority
 * from then on.
 */
enum { POD_TRASH_AGE = 300 };
struct err *pod_tidy_trash(const struct pod_host *h, int64_t age) must_check;
/* In a process that nobody waits for. */
void pod_tidy_trash_aside(const struct pod_host *h);

/* Collects what pods that died have left on disk and in cgroupfs. Cheap when there is nothing. */
struct err *pod_collect(const struct pod_host *h) must_check;
/* What belongs to no living pod: one line each. Waits up to @ms for what the kernel is still taking down. */
struct err *pod_leaks(const struct pod_host *h, unsigned ms, char ***ret) must_check;
/* Also images nobody uses. */
struct err *pod_gc(const struct pod_host *h, bool dry_run, char ***ret_removed) must_check;

/* ---- what this host can do ---- */

struct pod_finding {
	const char *what;
	bool good;
	bool untried;
	char *detail; /* and what follows when it is not good */
};
void pod_doctor(struct pod_finding **ret, size_t *ret_n);
