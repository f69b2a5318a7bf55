/* SPDX-License-Identifier: Apache-2.0 */
/* pod/internal.h - what the files of this folder share: the supervisor's objects above all. */
#pragma once

#include <sys/ioctl.h>
#include <termios.h>

#include "base/loop.h"
#include "base/proc.h"
#include "cgroupfs/cgroupfs.h"
#include "netns/netns.h"
#include "pod/plan.h"
#include "pod/pod.h"
#include "runtime/runtime.h"

enum {
	SHM_DEFAULT = 64 << 20, /* bytes */
	STATE_MAX = 8 << 20,
	CGROUP_WAIT = 2000, /* milliseconds */
	LOCK_WAIT = 3000,   /* milliseconds, for who looks at, or cleans up after, a dead pod */
	LOCK_POLL = 5,
	DEATH_WAIT = 10000, /* milliseconds until a killed process is called stuck */
};

/*
 * The group that systemd delegates to slipway.service. On a host where that runs,
 * pods and their supervisors live in it, whoever starts them: systemd is the only
 * one that makes groups beside its own. One look, no question to systemd.
 */
#define POD_HOME "slipway.slice/slipway.service"
#define POD_HOME_SOURCE "slipway.service" /* of the setting cgroup_parent */

/* ---- lint.c ---- */
struct err *lint_project(const struct compose_project *p, const struct pod_host *h,
			 char ***warnings) must_check;
struct err *lint_plan(const struct pod_plan *plan) must_check;

/* ---- config.c ---- */
int64_t config_stop_timeout(const struct pod_config *c); /* milliseconds */

/* ---- plan.c ---- */
/* The network that a service asks for. */
enum pod_network pod_network_of(const struct compose_service *s);

/* ---- resolve.c ---- */
struct err *resolve_container(const struct compose_project *p, const struct compose_service *s,
			      const struct image *i, int64_t number,
			      struct plan_container *ret) must_check;
void resolve_clear(struct plan_container *c);
/* Its devices and rules about them. device.c */
struct err *resolve_devices(const struct compose_service *s, struct plan_container *c) must_check;
/* Its mounts, those of targets above first. resolve_mounts.c */
struct err *resolve_mounts(const struct compose_project *p, const struct compose_service *s,
			   const struct image *i, struct plan_container *c) must_check;
/*
 * Its logging, and with it what the tag and the labels say. @id: the container's; a plan
 * knows none, NULL. @ret is to be cleared, also on error. resolve_log.c
 */
struct err *resolve_log(const struct pod_host *h, const struct plan_container *c, const char *id,
			struct plan_log *ret) must_check;
/* The same as far as it needs no image; @warnings gets what is honoured otherwise. */
struct err *resolve_log_check(const struct compose_service *s, const struct pod_host *h,
			      char ***warnings) must_check;
void resolve_log_clear(struct plan_log *l);
struct err *resolve_log_driver_check(const char *driver) must_check;
/* The ports of container @index, added to the plan. */
struct err *resolve_ports(struct pod_plan *plan, size_t index) must_check;

/* ---- state.c ---- */
/* A name that leads out of the directory of pods is none. */
struct err *state_check_name(const char *name) must_check;
char *state_path(const struct pod_host *h, const char *name,
		 const char *file) must_check; /* below run */
char *state_data(const struct pod_host *h, const char *name,
		 const char *file) must_check; /* below root */
/* Where container @id of a service writes; another one of the same service has its own. */
char *state_rootfs(const struct pod_host *h, const char *name, const char *key,
		   const char *id) must_check;
/* The lock says whether the pod lives: whoever of supervisor and pause is left holds it. */
bool state_alive(const struct pod_host *h, const char *name);

/* Where the groups of the service's pod are. */
struct err *state_cgroups(const struct pod_service_state *s, struct cgroupfs_host **ret) must_check;

/* early.c: a new network namespace, made meanwhile or now; the caller's. @e may be NULL. */
struct err *early_take(struct pod_early *e, int *ret) must_check;

/* ---- network.c ---- */
struct network;
/* Begins to connect the network namespace @inside by @net, or with NULL to bring its loopback up. */
struct err *network_start(int inside, const struct netns *net, struct network **ret) must_check;
/* Readable when that is done, or has failed. */
int network_fd(const struct network *n);
/*
 * Waits for that at most @ms; *ret_ready: it is done, and *n freed and NULL; what could not be
 * done is the error. *n may be NULL.
 */
struct err *network_ready(struct network **n, int ms, bool *ret_ready) must_check;

/* ---- pause.c ---- */
struct pause {
	pid_t pid;
	int pidfd, pidns;
	int life_line; /* closing it ends the pod */
	struct launched *launched;
};
struct pause_birth {
	const struct cgroupfs *group;
	int network;	 /* the namespace it is in, or -1: as its parent */
	const int *keep; /* descriptors to hold */
	size_t n_keep;
};
struct err *pause_start(const struct pause_birth *b, struct pause *ret) must_check;
/* Waits until it is there. */
struct err *pause_ready(struct pause *p) must_check;
void pause_clear(struct pause *p); /* kills and reaps */

/* ---- logs.c ---- */
struct log_writer;
/* NULL when nothing is kept. @id: of the container, for its tag; NULL: unknown. @loop may be NULL: then a busy journal is tried again with the next line. */
struct err *log_open(const struct pod_host *h, const char *pod, const struct plan_container *c,
		     const char *id, struct loop *loop, struct log_writer **ret) must_check;
void log_put(struct log_writer *w, enum pod_stream stream, const char *data, size_t len, bool end);
void log_free(struct log_writer *w);
/* The last lines that @key has written, each as "  KEY | LINE" and fit for a terminal; NULL: none. */
char *log_last_words(const struct pod_host *h, const char *pod, const char *key) must_check;

/* A line, or a part of one that is too long. */
struct log_piece {
	enum pod_stream stream;
	const char *data;
	size_t len;
	bool newline; /* it ended with one, which is not in @data */
	bool more;    /* it goes on with the next piece */
};

/* ---- journal.c ---- */
struct journal;
struct err *journal_open(const char *path, struct loop *loop, const struct plan_log *log,
			 struct journal **ret) must_check;
void journal_put(struct journal *j, const struct log_piece *p);
void journal_free(struct journal *j); /* waits a moment for what is left */

/* ---- spec.c: from a planned container to what the runtime takes ---- */
struct container_spec;
/* device.c: the nodes of a service's devices, and the rules it is held to. */
struct device_set {
	struct runtime_device *nodes;
	size_t n;
	struct cgroupfs_device *rules; /* none: it is not controlled */
	size_t n_rules;
	char **texts; /* which the nodes borrow */
};
/* A rule as Docker has it, "c 1:3 rwm"; false: it is none. */
bool device_rule_read(const char *text, struct cgroupfs_device *ret) must_check;
/* Looks at the host; @ret is forgotten first, and to be forgotten also on error. */
struct err *devices_find(const struct plan_container *c, const struct cgroupfs_host *h,
			 struct device_set *ret) must_check;
void devices_forget(struct device_set *s);

struct spec_place {
	const struct cgroupfs_host *cgroups;
	int netns;
	struct in_addr address; /* of the pod, or INADDR_ANY */
	const char *id;		/* of the container */
	char *const *names;	/* more of them than the plan knows */
};
struct err *spec_make(const struct pod_plan *plan, const struct plan_container *c,
		      const struct pod_host *h, const struct spec_place *place,
		      const struct container_spec *like, struct container_spec **ret) must_check;
struct runtime_spec *spec_runtime(struct container_spec *s);
/* Before the container is made again. */
struct err *spec_renew(const struct plan_container *c, const struct cgroupfs_host *cgroups,
		       struct container_spec *s) must_check;
/* It has ended: others may mount its files. */
void spec_let_go(struct container_spec *s);
/*
 * ROOT/pods/NAME/rootfs/KEY is one's own while *@ret is open; EBUSY: it is another's. Two overlays
 * with one upper directory are undefined.
 */
struct err *spec_claim(const char *dir, int *ret) must_check;
/*
 * overlayfs refuses an upper directory whose volatile mount has ended, because a crash of the
 * host may have lost data; in the same boot it is all there.
 */
struct err *spec_allow_again(const char *work) must_check;
/* All layers of a container, the lowest first, put into *@ret. */
struct err *spec_lowers(const struct pod_host *h, char *const *layers, char ***ret) must_check;
/* The rules for its devices, as a part of its limits; borrowed. */
void spec_limit_devices(const struct container_spec *s, struct cgroupfs_limits *l);
/* Names in its hosts file, of a container that runs. */
struct err *spec_refresh(const struct pod_plan *plan, const struct plan_container *c,
			 const struct pod_host *h, struct in_addr address) must_check;
void spec_free(struct container_spec *s);
/* The identity of processes that join the container later: exec and health probes. */
struct err *spec_filter(const char *seccomp, uint64_t caps, const struct pod_host *h,
			struct runtime_filter *ret) must_check;

/* ---- view.c: the root of a service's container, running or not; see runtime_view() ---- */
/* One that does not run is kept from starting until this process ends, as the view is there so long. */
struct err *view_open(const struct pod_host *h, const struct pod_state *state, const char *service,
		      int *ret_root) must_check;

/* ---- supervisor: supervise.c, steps.c, container.c, health.c, control.c ---- */

enum container_state {
	CONTAINER_PLANNED,
	CONTAINER_CREATED,
	CONTAINER_STARTING,
	CONTAINER_RUNNING,
	CONTAINER_RESTARTING,
	CONTAINER_EXITED
};
/* Whose the failure of a first start is: the pod's, or of who has asked for the change or for the start. */
enum start_reason { START_OF_POD, START_BY_CHANGE, START_BY_REQUEST };
enum hook_phase { HOOK_NONE, HOOK_POST_START, HOOK_PRE_STOP };
enum health_state { HEALTH_NONE, HEALTH_STARTING, HEALTH_HEALTHY, HEALTH_UNHEALTHY };

struct pod;
struct output {
	struct container *c;
	enum pod_stream stream;
	int fd;
	struct watch *watch;
	char *partial; /* of a line, for on_output */
	size_t len;
};

/* What is written to a container, until it takes it. */
struct input {
	int pipe; /* without a terminal */
	char *data;
	size_t at, len;
	struct watch *watch;
	bool ended; /* nothing more comes... */
	bool once;  /* ...and it is to learn that */
};

struct attachment;
struct container {
	struct pod *pod;
	const struct plan_container *plan;
	const struct pod_plan
		*born,	  /* whose texts its process and log use; NULL: the pod's first */
		*planned; /* which @plan is of */
	enum container_state state;
	struct runtime_container process;
	struct cgroupfs *group;
	struct container_spec *spec;
	int ends[3];		 /* of its pipes, until it is cloned */
	bool queued;		 /* prepared, to be cloned with others */
	struct err *birth_error; /* why it was not */
	struct err *start_error; /* why the last start got no further than to its program */
	struct watch *on_exit, *on_news, *on_timer;
	struct output output[2];
	struct log_writer *log;
	struct watch *on_kill_time;
	struct input input;
	struct attachment *attachments;
	bool held;	     /* it waits until its output has been read */
	struct winsize size; /* of its terminal */
	bool go_sent;
	enum start_reason reason;
	bool given_up;	 /* it is not to be started: who waits for that waits in vain */
	bool to_start;	 /* it has ended, and its steps are to be done again */
	bool renewed;	 /* it goes, and its anonymous volumes with it */
	bool removed;	 /* told to nobody any more: see remove.c */
	bool stop_asked; /* by a person: it does not come back... */
	uint64_t again;	 /* ...unless this request, a restart, starts it; 0: none */
	bool restarting; /* it did, and its program does not run yet */
	bool stopping;	 /* the signal was sent */
	bool killed;	 /* so was SIGKILL: see container_end() */
	bool paused;	 /* frozen */
	bool oom;
	int exit_code;
	int signal;		   /* that ended it, or 0 */
	int64_t restarts, backoff; /* milliseconds */
	uint64_t started_ms;
	uint64_t traced; /* when its present phase began, for the trace */
	char id[65];	 /* 64 hex digits by chance */
	bool adopted;	 /* it is one that was there before: see adopt.c */
	bool succeeded;	 /* by one that is the same */
	char *created, *started, *finished;
	uint64_t start_time;  /* of the process, proc(5) */
	int64_t stop_timeout; /* milliseconds between the signal and SIGKILL */
	uint64_t stop_by;     /* when that is over, proc_now_ms() */
	bool hurried;	      /* somebody has asked again, with less patience: hooks count, too */
	/* hooks */
	enum hook_phase hook_phase;
	size_t hook; /* the next one */
	struct runtime_container hook_process;
	struct watch *on_hook_exit, *on_hook_limit;
	struct output hook_output;
	/* health */
	enum health_state health;
	int64_t failures;
	int64_t probe_pause; /* milliseconds between the first probes; doubles */
	struct pod_command *probe;
	struct watch *on_probe_time;
	char probe_text[4096];
};

struct pod_join {
	int pidfd, netns;
	struct in_addr address;
	char **names;
	struct watch *on_gone;
};

enum step_state { STEP_PENDING, STEP_ACTIVE, STEP_DONE };

struct pod {
	const struct pod_plan *plan;
	const struct pod_host *host;
	const struct pod_run_options *options;
	struct loop *loop;
	struct cgroupfs_host *cgroups;
	struct cgroupfs *group, *pause_group;
	char *cgroup_path; /* "" when it is the agent's */
	struct netns *net, *old_net;
	struct netns_port *ports;
	struct pod_join join;
	struct pause pause;
	int netns;		 /* of the pod, or of the one it joins */
	struct network *network; /* while it is being made */
	/* Of the first containers, until then. Not longer: unreaped, it would keep the PID namespace from ending. */
	struct runtime_maker *maker;
	bool held; /* see pod_hold() */
	int own_pidns;
	int lock;
	struct container **containers; /* one for each of the plan's */
	enum step_state *steps;
	size_t n_queued;       /* containers that are prepared, to be cloned together */
	struct watch *on_soon; /* see pod_soon() */
	struct stuck *stuck;   /* stuck.c */
	struct watch *on_pause, *on_network, *on_int, *on_term, *on_control, *on_hup, *on_over,
		*on_end_limit, *on_write_time;
	int control;
	struct client *clients;
	struct err *failure; /* the first thing that went wrong */
	bool only_created;   /* pod_create(): nothing runs */
	char *boot;	     /* of this host */
	bool has_past;	     /* a run before, whose state and files are there */
	bool up;	     /* on_up was called */
	const struct container *aborted_by;
	const struct container *culprit; /* for whose sake the pod did not come up */
	struct watch *on_wait_limit;
	/* apply.c */
	struct generation *generations; /* the newest first; none: the plan is pod_start()'s */
	struct container **retired;	/* on their way out */
	size_t n_retired;
	struct watch *on_retired;
	struct err *apply_error;
	int64_t apply_timeout; /* of its pod_update */
	bool renew_volumes;    /* of its pod_update */
	bool applying;
	bool again;		 /* steps are to be done once more */
	uint64_t restarts_asked; /* requests so far: see container.again */
	bool told_stopping;
	int64_t asked_timeout; /* milliseconds for each service of a pod that stops; -1: none */
	bool stopping, killing, interrupted, by_sigint, finished;
	bool to_forget; /* with its end its state, logs and directories go */
	struct err *forget_error;
	bool over;			  /* on_end was, or is about to be, called */
	bool dirty;			  /* state.json is out of date */
	bool stale;			  /* and could not be written */
	uint64_t end_asked, end_deadline; /* of pod_end(); 0: not yet, none */
	unsigned signals;
	int exit_code;
};

/* Runs every step that has become possible, then tells whether the pod is up, or over. */
void pod_advance(struct pod *p);
/* The same from the loop: for who may be called by it, or is at work with what it changes. */
void pod_soon(struct pod *p);
/* Whether it is about to end: nothing is started or changed any more. */
bool pod_is_ending(const struct pod *p);
void pod_fail(struct pod *p, struct err *take_e);
/* Services are stopped, in order; at end_deadline what is left is killed. */
void pod_stop(struct pod *p);
/* Tells who watches @fmt, and who listens to events @action, in docker's words; NULL: nothing. */
void pod_event(struct pod *p, const struct container *c, const char *action, const char *fmt, ...)
	printf_like(4, 5);

/* The group of a service, "slipway-pause" or another part of the pod; the caller's. */
char *pod_group(const struct pod *p, const char *part) must_check;

/* Tells who watches the pod from this process. */
void pod_tell(const struct pod *p, const struct container *c, enum pod_change what);
struct container *pod_find(const struct pod *p, const char *key); /* or NULL */

/* command.c */
struct err *command_start(struct container *k, const struct pod_command_options *o,
			  struct pod_command **ret) must_check;
/* While its container is frozen its time does not pass; afterwards it has all of it again. */
void command_pause(struct pod_command *c, bool paused);

/* apply.c: the pod becomes what RUN/pods/NAME/next.yml says */
struct err *apply_begin(struct pod *p, const char *how) must_check; /* as pod_apply() asks */
/* What step @index could not do: told to who has asked, and the end of those it was for alone. */
void apply_failed(struct pod *p, size_t index, struct err *take_e);
void apply_advance(struct pod *p, bool all); /* @all: every step is done */
void apply_kill(struct pod *p);		     /* and waits for those on their way out */
void apply_end(struct pod *p);
void apply_forget(struct pod *p); /* the plans: nobody uses them any more */

/* adopt.c */
/* The id of this boot of the host, the caller's; NULL: there is none. */
char *adopt_boot(void) must_check;
/* Before the first step: containers that are what they were in the run before are those. */
void adopt_past(struct pod *p);
/* Of a pod that runs: @c is what @old was, which is on its way out. */
void adopt_running(struct container *c, struct container *old);
/* Before @c is made: where it is a new one, it finds nothing of the one before. */
void adopt_nothing(struct container *c);
/* The pod did not come up; what was there before is to be there still. */
void adopt_give_back(const struct pod *p);

/* trash.c */
/* A new path in ROOT/trash, named after @label. The caller's. */
char *trash_path(const struct pod_host *h, const char *label) must_check;
/* Puts @tree there, to be removed some time; where that cannot be, now. One that is not there is fine. */
struct err *trash_put(const struct pod_host *h, const char *tree, const char *label) must_check;

/* steps.c */
struct err *step_do(struct pod *p, const struct pod_step *s, bool *ret_done) must_check;
bool steps_clone(struct pod *p); /* those that are prepared; whether there were any */
void steps_undo(struct pod *p);
/* Puts upper directories aside, if there are any; gc removes them. */
void steps_forget_rootfs(const struct pod *p);
/* Of container @index: its CREATE, WAITs and START. */
void steps_mark(struct pod *p, size_t index, enum step_state state);
/* Container @index is not to be started: at its gate it ends, and its steps are done. */
void steps_give_up(struct pod *p, size_t index);
/* Container @index, which has ended, starts in its order: when what it depends on is so. */
void steps_begin_again(struct pod *p, size_t index);
/* What a step of one that was to start again could not do. */
void steps_failed(struct pod *p, const struct pod_step *s, struct err *take_e);
const char *step_describe(const struct pod_plan *plan, const struct pod_step *s, char *buffer,
			  size_t size);

/* join.c */
struct err *join_open(struct pod *p) must_check;
void join_close(struct pod *p);

/* container.c */
struct container *container_new(struct pod *p, const struct plan_container *plan) must_check;
void container_free(struct container *c); /* its processes must be gone; NULL is fine */
/* All that a container needs but its process; then that, of several together (c->birth_error). */
struct err *container_prepare(struct pod *p, struct container *c) must_check;
void containers_create(struct pod *p, struct container *const *list, size_t n);
struct err *container_create(struct pod *p, struct container *c) must_check; /* both, of one */
struct err *container_start(struct container *c) must_check;
/* @timeout in milliseconds, -1: its own. Of one that is being stopped the earlier end is kept. */
void container_stop(struct container *c, int64_t timeout);
void container_kill(struct container *c, int signal);
/* SIGKILL, and no restart. One that does not die counts as ended after DEATH_WAIT. */
void container_end(struct container *c);
/* Freezes or thaws it; ESRCH when it does not run. */
struct err *container_pause(struct container *c, bool paused) must_check;
/* The second half of container_stop(): the signal is sent, and the clock runs. */
void container_signal_stop(struct container *c);
void container_release(struct container *c);

/* stuck.c */
void container_keep_stuck(struct container *c); /* its process is the pod's from now on */
void containers_reap_stuck(struct pod *p); /* those that have died, waiting a moment for each */

/* output.c */
/* Lines of @take_fd are the container's output, until its end. */
void container_hear(struct container *c, struct output *o, enum pod_stream stream, int take_fd);
void container_hear_end(struct output *o);
void container_drain(struct container *c); /* reads what is there, and hears the end */
/* One that is held fills its pipes, and then waits. */
void container_hold(struct container *c, bool held);
void container_listen(struct container *c); /* or not, while it or the pod is held */

/* remove.c */
/* One that has ended is taken out of its pod. */
void container_remove(struct container *c);
void container_forget_files(const struct container *c);
void container_forget_logs(const struct container *c);
void container_forget_volumes(const struct container *c); /* anonymous ones */

/* ---- terminal.c ---- */

struct terminal_signal {
	struct terminal *owner;
	int number;
	struct watch *watch;
};
/* Standard input's, while a container has it. Zeroed: nothing is done yet. */
struct terminal {
	struct termios saved;
	bool raw;
	struct watch *on_resize;
	struct terminal_signal signals[6];
	void (*on_signal)(void *arg, int signal);
	void *arg;
};
void terminal_raw(struct terminal *t); /* does nothing when standard input is none */
void terminal_restore(struct terminal *t);
bool terminal_size(struct winsize *ret);
/* Changes of the size, and the signals that are not ours but the container's. */
void terminal_watch(struct terminal *t, struct loop *loop, loop_fn *on_resize,
		    void (*on_passed)(void *arg, int signal), void *arg);
void terminal_unwatch(struct terminal *t);

enum { KEYS_MAX = 16 };
struct keys {
	unsigned char key[KEYS_MAX];
	size_t n, matched;
};
/* "ctrl-p,ctrl-q", which NULL is; "": none. */
struct err *keys_parse(const char *text, struct keys *ret) must_check;
/* True when all keys were typed: what came before them is in @out, which has room for KEYS_MAX more. */
bool keys_filter(struct keys *k, const char *data, size_t len, char *out, size_t *ret_len);

/* ---- attach.c ---- */

enum { ATTACH_MESSAGE = 66 << 10 };
/* @take_socket gets the container's output, and gives it input, until one of both ends; an owner's is its own. */
void attach_add(struct container *c, int take_socket, bool owner);
void attach_output(struct container *c, enum pod_stream stream, const char *data, size_t len);
void attach_input_open(struct container *c, int take_pipe);
void attach_input_close(struct container *c);
void attach_ready(struct container *c);	  /* its program runs */
void attach_up(struct pod *p);		  /* the pod is up */
void attach_advance(struct pod *p);	  /* tells of ends */
bool attach_pending(const struct pod *p); /* an owner has not read all yet */
void attach_close(struct container *c);

/* exec.c */
/* The first process of one that the state says runs; ESRCH when it has ended. */
struct err *exec_open_init(const struct pod_service_state *v, int *ret_pidfd) must_check;
/* The first process of a running service, which is sure to be that one; ESRCH when it does not run. */
struct err *exec_open_process(const struct pod_state *state, const char *service,
			      const struct pod_service_state **ret_service,
			      int *ret_pidfd) must_check;

/* hooks.c */
void hooks_post_start(struct container *c);
/* True when there are any: they call container_signal_stop() at their end, after @limit ms at most. */
bool hooks_pre_stop(struct container *c, int64_t limit);
void hooks_limit(struct container *c, int64_t limit); /* of pre_stop, from now on */
void hooks_end(struct container *c);		      /* kills one that runs; nothing follows */

bool container_is_dead(const struct container *c);
/* Whether it is known if it is up: it runs and is healthy or not, where that can be known, or has ended for good. */
bool container_settled(const struct container *c);
/* Why one that has settled is not up: unhealthy, or failed. */
struct err *container_is_up(const struct container *c) must_check;

/* health.c */
void health_start(struct container *c);
void health_stop(struct container *c);
const char *health_name(enum health_state s);

/* ask.c */
enum { CONTROL_MAX = 64 << 10 }; /* bytes of a question, or an answer */
struct sockaddr_un;
/* Of the pod's socket; good as long as *ret_dir, the caller's, is open. */
struct err *control_address(const struct pod_host *h, const char *name, struct sockaddr_un *ret,
			    int *ret_dir) must_check;

/* control.c */
struct err *control_open(struct pod *p) must_check;
void control_close(struct pod *p);
/* An event for those who listen, in docker's words. @signal: of "kill", else 0. */
void control_tell(struct pod *p, const struct container *c, const char *action, int signal);
void control_ended(struct pod *p,
		   const struct container *c); /* it may run again before all are looked at */
void control_advance(struct pod *p);	       /* answers who waited for what has happened by now */
void state_write(struct pod *p);
struct err *state_store(const struct pod *p) must_check;
/* The project as it runs, for 'start'. */
void state_keep(const struct pod *p);
/*
 * Removes the directory of a pod whose lock the caller holds, the lock last: who
 * waits for that must not make a pod in a directory that is being emptied.
 */
struct err *state_forget(const struct pod_host *h, const char *name) must_check;
