/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/oci/oci.h - the inside of slipway-oci: the OCI runtime command line. */
#pragma once

#include "base/json.h"
#include "runtime/runtime.h"

enum { CONFIG_MAX = 16 << 20, OCI_CGROUP_WAIT = 2000 /* milliseconds */ };

/* ---- hooks.c: what is run at stages of a container's life ---- */

enum hook_stage {
	HOOK_PRESTART,
	HOOK_CREATE_RUNTIME,
	HOOK_CREATE_CONTAINER,
	HOOK_START_CONTAINER,
	HOOK_POSTSTART,
	HOOK_POSTSTOP,
	HOOK_STAGES
};
struct hook_set {
	struct runtime_hooks of[HOOK_STAGES];
};
struct state;

/* Of the member "hooks", or NULL; paths are borrowed. To be cleared, also after an error. */
struct err *hook_set_read(const json_t *hooks, struct hook_set *ret) must_check;
void hook_set_clear(struct hook_set *h);
/* What hooks read on standard input, without "status" and "pid"; NULL when there are none. */
char *state_hooks_text(const struct state *s) must_check;
struct err *state_hooks_run(const struct state *s, enum hook_stage stage, const char *status,
			    pid_t pid) must_check;
/* The container is gone whatever they do: what fails is a warning. */
void state_hooks_poststop(const struct state *s);

/* ---- config.c: a bundle's config.json as a specification ---- */

struct bundle {
	char *dir; /* absolute */
	json_t *config;
	struct runtime_spec spec;
	struct runtime_filter filter;
	struct runtime_rlimit *rlimits;
	struct runtime_mount *mounts;
	struct runtime_device *devices;
	struct cgroupfs_device *rules; /* of limits, with Docker's behind them */
	bool has_rules;		       /* of its own */
	char **args, **env, **groups, **masked, **readonly, **sysctls;
	char **kept;	 /* other strings the specification borrows */
	char ***options; /* of mounts */
	size_t n_options;
	struct cgroupfs_limits limits;
	char *cgroup;	  /* path of the group */
	bool new_network; /* made or joined: net.* are not the host's */
	struct hook_set hooks;
};

struct err *bundle_load(const char *dir, const char *id, struct bundle **ret) must_check;
/* A process object ("args", "env", ...) alone, for exec; @b gets it as b->spec.process. */
struct err *bundle_process(const json_t *process, struct bundle *b) must_check;
void bundle_free(struct bundle *b);
/* Of linux.resources, without the rules for devices; texts are borrowed of @config. */
struct err *bundle_limits(const json_t *config, struct cgroupfs_limits *ret) must_check;
/* devices.c: reads linux.devices and linux.resources.devices. */
struct err *bundle_devices(struct bundle *b) must_check;
/* Where rules for devices cannot be kept there are no default ones, and no CAP_MKNOD. */
void bundle_suit(struct bundle *b, const struct cgroupfs_host *host);

/* ---- state.c: what is known of a container between two calls ---- */

struct state {
	char *id, *bundle, *cgroup;
	char *created; /* empty until it is */
	int64_t pid;
	uint64_t start_time;
	json_t *hooks, *annotations; /* of its configuration, or NULL */
};

struct err *state_check_id(const char *id) must_check;
/* Makes the container's directory, EEXIST when there is one of that id. */
struct err *state_make(const char *root, const char *id, int *ret_dir) must_check;
struct err *state_open(const char *root, const char *id, int *ret_dir) must_check;
/* Of what is going to be created. */
void state_of_bundle(struct state *s, const char *id, const struct bundle *b);
struct err *state_save(int dir, const struct state *s) must_check;
struct err *state_load(int dir, const char *id, struct state *ret) must_check;
void state_clear(struct state *s);
/* The process, if it is still that one; *ret is -1 otherwise. */
struct err *state_process(const struct state *s, int *ret_pidfd) must_check;
/* "creating", "created", "running" or "stopped". */
const char *state_status(int dir, const struct state *s);
/* As the specification has it, but for "status" and "pid". The caller's. */
json_t *state_json(const struct state *s) must_check;
struct err *state_remove(const char *root, const char *id) must_check;
#define START_SOCKET "start.sock"

/* ---- create.c, ops.c, group.c, exec.c: the commands ---- */

/* Of the command line; all borrowed. */
struct options {
	const char *root, *log, *log_format;
	const char *bundle, *pid_file, *console, *process, *cwd, *user, *format, *resources;
	char **env;
	bool force, detach, all, quiet, keep;
};

/* Sends the terminal to the socket at @path, as --console-socket has it. */
struct err *op_send_console(const char *path, int tty) must_check;
/* @path: NULL for none. */
struct err *op_write_pid_file(const char *path, pid_t pid) must_check;
/* *c is the first process, a child of ours. */
struct err *op_create(const struct options *o, const char *id,
		      struct runtime_container *c) must_check;
struct err *op_start(const struct options *o, const char *id) must_check;
/* @force: kills it first. */
struct err *op_delete(const struct options *o, const char *id, bool force) must_check;
/* @signal_name: NULL for SIGTERM. */
struct err *op_kill(const struct options *o, const char *id, const char *signal_name) must_check;
struct err *op_state(const struct options *o, const char *id) must_check;
/* group.c. Pauses it, or resumes it. */
struct err *op_freeze(const struct options *o, const char *id, bool frozen) must_check;
struct err *op_ps(const struct options *o, const char *id) must_check;
struct err *op_kill_all(const struct options *o, const char *id, int signal) must_check;
struct err *op_update(const struct options *o, const char *id) must_check;
struct err *op_list(const struct options *o) must_check;
/* *ret_code: the process's, unless detached. */
struct err *op_run(const struct options *o, const char *id, int *ret_code) must_check;
struct err *op_exec(const struct options *o, const char *id, char **words,
		    int *ret_code) must_check;
