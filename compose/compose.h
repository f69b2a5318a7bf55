/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compose/compose.h - a Compose project: loaded, merged and checked.
 *
 * compose_load() reads one or more files, later ones overriding earlier ones,
 * and returns a model that never changes afterwards. Everything in it belongs
 * to the project and lives until compose_free(). The rules are those of the
 * Compose specification as docker compose v2 applies them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/opt.h"

/* An integer that may be absent from the file. */
struct compose_int {
	bool set;
	int64_t value;
};

/* Words that may be absent; present and empty means "none". */
struct compose_words {
	bool set;
	char **v; /* NULL-terminated, NULL when empty */
};

/* Where something was written: for messages of those who use the model. */
struct compose_place {
	const char *file;
	unsigned line, column;
	const char *path; /* "services.web.ports[0]" */
};

/*
 * Lists of records. A record begins with its place; one that stands in a
 * mapping goes on with its name there.
 */
#define COMPOSE_LIST(record)          \
	struct {                      \
		struct record *items; \
		size_t n;             \
	}

struct compose_port {
	struct compose_place place;
	const char *host_ip;   /* NULL: all addresses */
	const char *published; /* NULL or "0": any free port; else a number or a range "A-B" */
	const char *protocol;  /* "tcp", "udp" or "sctp" */
	const char *name, *mode, *app_protocol;
	struct compose_int target;
};

enum compose_mount_type { COMPOSE_BIND, COMPOSE_VOLUME, COMPOSE_TMPFS, COMPOSE_OTHER_MOUNT };
struct compose_mount {
	struct compose_place place;
	enum compose_mount_type type;
	const char *type_name; /* "image", "npipe" or "cluster" for COMPOSE_OTHER_MOUNT */
	const char *
		source; /* absolute host path, or a key of the project's volumes; NULL: anonymous */
	const char *target;
	const char *propagation, *selinux, *recursive, *consistency;
	const char *subpath;
	char **labels; /* of an anonymous volume */
	bool read_only;
	bool create_host_path;
	bool nocopy;
	struct compose_int tmpfs_size; /* bytes */
	struct compose_int tmpfs_mode;
};

enum compose_condition { COMPOSE_STARTED, COMPOSE_HEALTHY, COMPOSE_COMPLETED };
struct compose_depend {
	struct compose_place place;
	const char *service;
	enum compose_condition condition;
	bool restart;
	bool required;
};

struct compose_health {
	struct compose_words test; /* "CMD", "CMD-SHELL" or "NONE", then the words */
	struct compose_int interval, timeout, start_period, start_interval; /* milliseconds */
	struct compose_int retries;
	bool disable;
};

struct compose_ulimit {
	struct compose_place place;
	const char *name;	       /* "nofile" */
	struct compose_int soft, hard; /* -1: unlimited */
};

/* A config or a secret as a service sees it. */
struct compose_file_ref {
	struct compose_place place;
	const char *source; /* key of the project's configs or secrets */
	const char *target; /* path in the container */
	const char *uid, *gid;
	struct compose_int mode;
};

struct compose_device {
	struct compose_place place;
	const char *source, *target, *permissions; /* "rwm" */
};

/* gpus and deploy.resources.reservations.devices. */
struct compose_device_request {
	struct compose_place place;
	const char *driver;
	const char *count; /* a number, "all" or NULL */
	char **device_ids, **capabilities, **options;
};

struct compose_rate { /* of one block device */
	struct compose_place place;
	const char *path;
	struct compose_int rate; /* bytes or operations a second */
};
struct compose_weight {
	struct compose_place place;
	const char *path;
	struct compose_int weight; /* 10 to 1000 */
};
struct compose_blkio {
	struct compose_int weight;
	COMPOSE_LIST(compose_weight) weight_device;
	COMPOSE_LIST(compose_rate) device_read_bps, device_write_bps;
	COMPOSE_LIST(compose_rate) device_read_iops, device_write_iops;
};

struct compose_build {
	const char *context; /* absolute path, URL or service:NAME; NULL: nothing to build */
	const char *dockerfile, *dockerfile_inline, *target, *network, *isolation;
	const char *provenance, *sbom;
	char **args, **labels, **ssh, **additional_contexts, **extra_hosts;
	char **cache_from, **cache_to, **tags, **platforms, **entitlements, **no_cache_filter;
	COMPOSE_LIST(compose_file_ref) secrets;
	COMPOSE_LIST(compose_ulimit) ulimits;
	struct compose_int shm_size;
	bool no_cache, pull, privileged;
};

struct compose_rollout { /* deploy.update_config and rollback_config; swarm's */
	struct compose_int parallelism, delay, monitor;
	const char *failure_action, *order;
	const char *max_failure_ratio;
};
struct compose_generic_resource {
	struct compose_place place;
	const char *kind, *value;
};
struct compose_preference {
	struct compose_place place;
	const char *spread;
};
struct compose_resources {
	struct compose_int cpus; /* billionths */
	struct compose_int memory;
	struct compose_int pids;
	COMPOSE_LIST(compose_device_request) devices;
	COMPOSE_LIST(compose_generic_resource) generic_resources;
};
struct compose_both_resources {
	struct compose_resources limits, reservations;
};
struct compose_restart_policy {
	const char *condition;		  /* "none", "on-failure" or "any" */
	struct compose_int delay, window; /* milliseconds */
	struct compose_int max_attempts;
};
struct compose_placement {
	char **constraints;
	COMPOSE_LIST(compose_preference) preferences;
	struct compose_int max_replicas_per_node;
};
struct compose_deploy {
	const char *mode, *endpoint_mode;
	char **labels;
	struct compose_int replicas;
	struct compose_rollout update_config, rollback_config;
	struct compose_both_resources resources;
	struct compose_restart_policy restart_policy;
	struct compose_placement placement;
};

struct compose_hook {
	struct compose_place place;
	struct compose_words command;
	const char *user, *working_dir, *image;
	char **environment; /* "KEY=value" */
	bool privileged, per_replica;
};

struct compose_watch {
	struct compose_place place;
	const char *path, *action, *target;
	char **ignore, **include;
	struct compose_hook exec;
	bool initial_sync;
};

struct compose_develop {
	COMPOSE_LIST(compose_watch) watch;
};

struct compose_credential { /* Windows' */
	const char *config, *file, *registry;
};
struct compose_logging {
	const char *driver;
	char **options; /* "key=value" */
};
struct compose_provider {
	const char *type;
	char **options; /* "key=value", a key several times for a list */
};

struct compose_attachment { /* of a service to a network */
	struct compose_place place;
	const char *network; /* key of the project's networks */
	char **aliases, **link_local_ips, **driver_opts;
	const char *ipv4_address, *ipv6_address, *mac_address, *interface_name;
	struct compose_int priority, gw_priority;
};

struct compose_model_ref {
	struct compose_place place;
	const char *model; /* key of the project's models */
	const char *endpoint_var, *model_var;
};

/* An attribute that slipway ignores or refuses; what it says is more than its default. */
struct compose_note {
	struct compose_place place;
	bool refused; /* else ignored */
	const char *why;
};

struct compose_notes {
	struct compose_note *items;
	size_t n;
};

struct compose_service {
	struct compose_place place;
	const char *name;
	const char *image;
	struct compose_words command;	 /* absent: what the image says */
	struct compose_words entrypoint; /* present: the image's CMD is dropped too */
	char **environment;		 /* "KEY=value", env_file merged below it */
	char **labels;			 /* "key=value", label_file merged below it */
	char **annotations;
	COMPOSE_LIST(compose_port) ports;
	char **expose;
	COMPOSE_LIST(compose_mount) volumes;
	COMPOSE_LIST(compose_depend) depends_on; /* also what links and namespaces imply */
	struct compose_health healthcheck;
	COMPOSE_LIST(compose_ulimit) ulimits;
	COMPOSE_LIST(compose_attachment) networks;
	COMPOSE_LIST(compose_file_ref) configs, secrets;
	COMPOSE_LIST(compose_device) devices;
	COMPOSE_LIST(compose_device_request) gpus;
	COMPOSE_LIST(compose_hook) pre_start, post_start, pre_stop;
	COMPOSE_LIST(compose_model_ref) models;
	struct compose_notes notes;
	struct compose_build build;
	struct compose_deploy deploy;
	struct compose_blkio blkio_config;
	struct compose_credential credential_spec;
	struct compose_logging logging;
	struct compose_provider provider;
	struct compose_develop develop;
	char **tmpfs;		    /* "path" or "path:options" */
	char **cap_add, **cap_drop; /* upper case with CAP_, or "ALL" */
	char **security_opt;
	char **extra_hosts; /* "name=address" */
	char **dns, **dns_search, **dns_opt;
	char **group_add;
	char **sysctls; /* "key=value" */
	char **storage_opt;
	char **profiles;
	char **links, **external_links; /* "SERVICE" or "SERVICE:ALIAS" */
	char **volumes_from;
	char **device_cgroup_rules;
	const char *user;
	const char *working_dir;
	const char *hostname, *domainname;
	const char *container_name;
	const char *restart; /* "no", "always", "unless-stopped", "on-failure[:N]" */
	const char *stop_signal;
	const char *platform, *isolation, *runtime;
	const char *pull_policy, *pull_refresh_after;
	const char *network_mode, *ipc, *pid, *uts, *userns_mode, *cgroup;
	const char *cgroup_parent;
	const char *mac_address;
	const char *cpuset;
	bool read_only;
	bool init;
	bool tty, stdin_open;
	bool privileged, oom_kill_disable, use_api_socket;
	bool no_attach;
	struct compose_int stop_grace_period;					/* milliseconds */
	struct compose_int mem_limit, mem_reservation, memswap_limit, shm_size; /* bytes */
	struct compose_int mem_swappiness;
	struct compose_int cpu_shares, cpu_quota, cpu_period, cpu_rt_period, cpu_rt_runtime;
	struct compose_int cpu_count, cpu_percent;
	struct compose_int cpus; /* billionths of a processor */
	struct compose_int pids_limit;
	struct compose_int oom_score_adj;
	struct compose_int scale; /* as written; see compose_scale() */
};

struct compose_subnet {
	struct compose_place place;
	const char *subnet, *ip_range, *gateway;
	char **aux_addresses;
};
struct compose_ipam {
	const char *driver;
	COMPOSE_LIST(compose_subnet) config;
	char **options;
};
struct compose_network {
	struct compose_place place;
	const char *key;  /* what services call it */
	const char *name; /* PROJECT_KEY unless named */
	const char *driver;
	char **driver_opts, **labels;
	struct compose_ipam ipam;
	bool external, internal, attachable, enable_ipv6;
	bool no_ipv4;
};

struct compose_volume {
	struct compose_place place;
	const char *key;  /* what services call it */
	const char *name; /* on this host: PROJECT_KEY unless named */
	const char *driver;
	char **driver_opts;
	char **labels;
	bool external;
};

/* A config or a secret: exactly one of file, environment, content, or external. */
struct compose_file {
	struct compose_place place;
	const char *key;
	const char *name;
	const char *file;	 /* absolute */
	const char *environment; /* name of a variable */
	const char *content;
	const char *driver, *template_driver;
	char **driver_opts, **labels;
	bool external;
};

struct compose_model {
	struct compose_place place;
	const char *key;
	const char *name, *model;
	struct compose_int context_size;
	char **runtime_flags;
};

/* x-slipway: what the end of one service means for the pod. */
struct compose_policy {
	const char *main;	/* its end is the pod's, and its exit code the pod's */
	const char *on_failure; /* "kill": a service that fails ends the pod; or "keep" */
	const char *ready;	/* "healthy": only then the pod is up; or "started" */
	const char *kind;	/* "container" or "oneoff", of compose_run_*(); NULL: a project */
	const char *project;	/* whose service a one-off is */
};

struct compose_project {
	const char *name;
	const char *dir;		  /* absolute */
	char **files;			  /* absolute; "-" is standard input */
	char **environment;		  /* what ${VARIABLES} saw: the caller's, then .env files */
	char **warnings;		  /* lines for the user */
	struct compose_service *services; /* in file order */
	size_t n_services;
	COMPOSE_LIST(compose_network) networks;
	COMPOSE_LIST(compose_volume) volumes;
	COMPOSE_LIST(compose_file) configs, secrets;
	COMPOSE_LIST(compose_model) models;
	struct compose_policy policy;
	bool marathon;		    /* a file was a Marathon app definition */
	struct compose_notes notes; /* on what is not a service's */
};

struct compose_options {
	char *const *files; /* empty: looked for as docker compose does; "-" is standard input */
	const char *
		text; /* of all files, which then are not read; their names are for messages and lists */
	const char *project_dir; /* NULL: the first file's directory */
	const char *name;	 /* NULL: from the environment, the file or the directory */
	char *const *env_files;	 /* empty: .env of the project directory, when there is one */
	char *const *profiles;	 /* "*": all */
	char *const *environ;	 /* what ${VARIABLES} see first */
	char *const *scale;	 /* "SERVICE=N": so many instances, whatever the files say */
	char *const *services;	 /* only these and what they depend on; empty: all */
	/* What 'config' may leave out. */
	bool all_resources;  /* keep networks, volumes and others that no service uses */
	bool no_deps;	     /* of services: not what they depend on */
	bool no_interpolate; /* ${VARIABLES} stay */
	bool no_paths;	     /* relative paths stay */
	bool no_normalise;   /* no names, default network and implied dependencies */
	bool no_consistency; /* nothing is looked for that is named elsewhere */
	bool no_env;	     /* env_file and label_file stay */
};

/* Errors name file, line, column and path; several are joined, one per line. */
struct err *compose_load(const struct compose_options *o, struct compose_project **ret) must_check;
void compose_free(struct compose_project *p);

/* Whether a project may be called so; a name becomes part of paths. */
struct err *compose_name_check(const char *name) must_check;
const struct compose_service *compose_find(const struct compose_project *p, const char *service);
/* How many instances: scale, or deploy.replicas, or 1. */
int64_t compose_scale(const struct compose_service *s);

enum compose_format { COMPOSE_YAML, COMPOSE_JSON };
/* The canonical form of the whole project. */
struct err *compose_print(const struct compose_project *p, enum compose_format format,
			  FILE *out) must_check;
/* The same as a text, the caller's. */
struct err *compose_print_text(const struct compose_project *p, enum compose_format format,
			       char **ret) must_check;
/* Gives a service another image in what compose_print() prints; and leaves nothing else in it. */
void compose_set_image(struct compose_project *p, const char *service, const char *image);
void compose_keep_images(struct compose_project *p);
/* What a service is, as one line of JSON: all but what changes nothing about its container. */
char *compose_text(const struct compose_project *p, const struct compose_service *s) must_check;

/* A variable of a project that was loaded with no_interpolate. Texts are "", not NULL. */
struct compose_variable {
	char *name, *fallback, *alternate;
	bool required;
};
/* All of them, by name, each once; the caller's. */
void compose_variables(const struct compose_project *p, struct compose_variable **ret,
		       size_t *ret_n);
void compose_variables_free(struct compose_variable *take_v, size_t n);
/* The same as a mapping from their names, with docker compose's members. */
struct err *compose_print_variables(const struct compose_project *p, enum compose_format format,
				    FILE *out) must_check;
/* docs/compose.md: every attribute, its forms, its merge rule and support. */
void compose_print_reference(FILE *out);

/* ---- single containers ---- */

/* What the options of 'docker run' and 'docker compose run' say, by opt_parse(). */
struct compose_run {
	char **given; /* what is an attribute of the service: "cap-add=NET_ADMIN" */
	bool detach, remove, interactive, tty, no_tty, publish_all, no_deps, build, quiet;
	bool nothing;
	const char *name, *network, *pull, *detach_keys, *sig_proxy, *cidfile;
};
extern const struct opt compose_run_options[];

/*
 * The text of a project, for compose_load(), whose one service runs @argv (NULL:
 * what the image says) from @image. @project names both.
 */
struct err *compose_run_image(const struct compose_run *r, const char *project, const char *image,
			      char *const *argv, char **ret) must_check;
/* The same for one more container of a service of @p, alone. */
struct err *compose_run_service(const struct compose_run *r, const struct compose_project *p,
				const char *service, const char *name, char *const *argv,
				char **ret) must_check;

/*
 * Loads one of these texts; paths in it are relative to @dir. An error names the one
 * of the options @given (of struct compose_run; NULL: none) that it is of, for nobody
 * knows a place in that text.
 */
struct err *compose_run_load(const char *text, const char *name, const char *dir,
			     char *const *given, char *const *environ,
			     struct compose_project **ret) must_check;

/* An error at @at, "file:line:column: path: what". */
struct err *compose_err(const struct compose_place *at, const char *fmt, ...) must_check never_null
	printf_like(2, 3);

/* @take_e at @at; NULL stays NULL. */
struct err *compose_wrap(const struct compose_place *at, struct err *take_e) must_check;

/* The grammars of single values, for other front ends and tests. */
struct err *compose_parse_bytes(const char *text, int64_t *ret) must_check;
struct err *compose_parse_duration(const char *text, int64_t *ret_ms) must_check;

/* ---- files of settings: one flat mapping ---- */

struct compose_setting {
	struct compose_place place;
	char *key, *value;
};
struct compose_settings {
	char *file; /* places name it */
	struct compose_setting *items;
	size_t n;
};
/* ENOENT when there is no such file. */
struct err *compose_settings_read(const char *path, struct compose_settings *ret) must_check;
void compose_settings_clear(struct compose_settings *s);

void compose_cleanup(struct compose_project **p);
#define auto_compose cleanup_with(compose_cleanup)
