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

struct compose_port {
	struct compose_place place;
	const char *host_ip;   /* NULL: all addresses */
	const char *published; /* NULL or "0": any free port; else a number or a range "A-B" */
	const char *protocol;  /* "tcp", "udp" or "sctp" */
	const char *name;
	int64_t target;
};
struct compose_ports {
	struct compose_port *items;
	size_t n;
};

enum compose_mount_type { COMPOSE_BIND, COMPOSE_VOLUME, COMPOSE_TMPFS };
struct compose_mount {
	struct compose_place place;
	enum compose_mount_type type;
	const char *
		source; /* absolute host path, or a key of the project's volumes; NULL: anonymous */
	const char *target;
	const char *propagation;
	const char *subpath;
	bool read_only;
	bool create_host_path;
	bool nocopy;
	struct compose_int tmpfs_size; /* bytes */
	struct compose_int tmpfs_mode;
};
struct compose_mounts {
	struct compose_mount *items;
	size_t n;
};

enum compose_condition { COMPOSE_STARTED, COMPOSE_HEALTHY, COMPOSE_COMPLETED };
struct compose_depend {
	struct compose_place place;
	const char *service;
	enum compose_condition condition;
	bool restart;
	bool required;
};
struct compose_depends {
	struct compose_depend *items;
	size_t n;
};

struct compose_health {
	struct compose_words test; /* "CMD", "CMD-SHELL" or "NONE", then the words */
	struct compose_int interval, timeout, start_period, start_interval; /* milliseconds */
	struct compose_int retries;
	bool disable;
};

struct compose_ulimit {
	const char *name;   /* "nofile" */
	int64_t soft, hard; /* -1: unlimited */
};
struct compose_ulimits {
	struct compose_ulimit *items;
	size_t n;
};

struct compose_service {
	const char *name;
	struct compose_place place;
	const char *image;
	struct compose_words command;	 /* absent: what the image says */
	struct compose_words entrypoint; /* present: the image's CMD is dropped too */
	char **environment;		 /* "KEY=value", env_file merged below it */
	char **labels;			 /* "key=value" */
	char **annotations;
	struct compose_ports ports;
	char **expose;
	struct compose_mounts volumes;
	struct compose_depends depends_on;
	struct compose_health healthcheck;
	struct compose_ulimits ulimits;
	char **tmpfs; /* "path" or "path:options" */
	char **networks;
	char **cap_add, **cap_drop; /* upper case with CAP_, or "ALL" */
	char **security_opt;
	char **extra_hosts; /* "name=address" */
	char **dns, **dns_search, **dns_opt;
	char **group_add;
	char **sysctls; /* "key=value" */
	char **profiles;
	const char *user;
	const char *working_dir;
	const char *hostname, *domainname;
	const char *container_name;
	const char *restart; /* "no", "always", "unless-stopped", "on-failure[:N]" */
	const char *stop_signal;
	const char *platform;
	const char *pull_policy;
	const char *network_mode;
	const char *cpuset;
	bool read_only;
	bool init;
	bool tty, stdin_open;
	struct compose_int stop_grace_period;					/* milliseconds */
	struct compose_int mem_limit, mem_reservation, memswap_limit, shm_size; /* bytes */
	struct compose_int cpu_shares, cpu_quota, cpu_period;
	struct compose_int cpus; /* billionths of a processor */
	struct compose_int pids_limit;
	struct compose_int oom_score_adj;
};

struct compose_volume {
	const char *key;  /* what services call it */
	const char *name; /* on this host: PROJECT_KEY unless named */
	struct compose_place place;
	bool external;
	char **labels;
};

struct compose_project {
	const char *name;
	const char *dir;		  /* absolute */
	char **files;			  /* as given, or as found */
	char **warnings;		  /* lines for the user */
	struct compose_service *services; /* in file order */
	size_t n_services;
	struct compose_volume *volumes;
	size_t n_volumes;
};

struct compose_options {
	char *const *files; /* empty: looked for as docker compose does; "-" is standard input */
	const char *project_dir; /* NULL: the first file's directory */
	const char *name;	 /* NULL: from the environment, the file or the directory */
	char *const *env_files;	 /* empty: .env of the project directory, when there is one */
	char *const *profiles;	 /* "*": all */
	char *const *environ;	 /* what ${VARIABLES} see first */
	char *const *services;	 /* only these and what they depend on; empty: all */
};

/* Errors name file, line, column and path; several are joined, one per line. */
struct err *compose_load(const struct compose_options *o, struct compose_project **ret) must_check;
void compose_free(struct compose_project *p);

const struct compose_service *compose_find(const struct compose_project *p, const char *service);

enum compose_format { COMPOSE_YAML, COMPOSE_JSON };
/* The canonical form of the whole project. */
struct err *compose_print(const struct compose_project *p, enum compose_format format,
			  FILE *out) must_check;
/* docs/compose.md: every attribute, its forms, its merge rule and support. */
void compose_print_reference(FILE *out);

/* An error at @at, "file:line:column: path: what". */
struct err *compose_err(const struct compose_place *at, const char *fmt, ...) must_check never_null
	printf_like(2, 3);

/* The grammars of single values, for other front ends and tests. */
struct err *compose_parse_bytes(const char *text, int64_t *ret) must_check;
struct err *compose_parse_duration(const char *text, int64_t *ret_ms) must_check;

void compose_cleanup(struct compose_project **p);
#define auto_compose cleanup_with(compose_cleanup)
