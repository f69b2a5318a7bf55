/* SPDX-License-Identifier: Apache-2.0 */
/* cli/cli.h - commands as a table, options as tables, and what they share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/json.h"
#include "base/opt.h"
#include "compose/compose.h"
#include "image/image.h"
#include "pod/pod.h"

/* ---- commands ---- */

struct cli {
	char **scale;			       /* SERVICE=N: instances; borrowed from an option */
	char **files, **profiles, **env_files; /* global options */
	char **set;
	const char *name, *project_dir, *progress, *log_level, *log_format, *ansi;
	bool debug, all_resources;
	bool bound;		      /* by -p or -f: containers of others are not meant */
	bool compose;		      /* called as "slipway compose" */
	struct compose_options leave; /* what 'config' leaves out */
	int *inherited; /* fd_inherited(): somebody's, and open for us, as -f may name it: -f <(generate) */
	struct pod_config *config;
	struct pod_host *host;
	struct pod_early *early; /* of the pod that is to be started, or NULL */
	struct compose_project *project;
	char **kept; /* texts that live as long as this */
	char **own_scale;
};

struct command {
	const char *name;
	const char *operands;
	const char *help;
	const struct opt *options;
	bool stop_at_operand; /* what follows belongs to somebody else */
	/* *ret_code is the exit code on success. */
	struct err *(*run)(struct cli *c, const void *values, char **operands, int *ret_code);
};

extern const struct command commands[]; /* ends with a NULL name */
extern const struct opt global_options[];

const struct command *cli_command(const char *name); /* NULL: there is none */
struct err *cli_unknown_command(const char *name) must_check;
void cli_help(FILE *out);
void cli_command_help(const struct command *c, FILE *out);

/* Exit codes as docker's. */
enum { EXIT_USAGE = 1, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127, EXIT_INTERRUPTED = 130 };

/* Loads the project once; @services: NULL for all. Warnings are printed when @warn. */
struct err *cli_project(struct cli *c, char *const *services, bool warn) must_check;
/* The project's name, from options or the file. Borrowed from @c. */
struct err *cli_name(struct cli *c, const char **ret) must_check;
struct err *cli_host(struct cli *c) must_check;
/* Pulls them one by one; what fails is the error, and all else is there. */
struct err *cli_pull_each(struct cli *c, const char *policy, bool quiet) must_check;
/* The images of the project's services in its order, pulled where the policy says so. */
struct err *cli_images(struct cli *c, const char *policy, bool quiet,
		       struct image ***ret) must_check;
/* The pod and the service that @operand means: one of the project's, or a container of this host. */
struct err *cli_find(struct cli *c, const char *operand, char **ret_pod,
		     char **ret_service) must_check;
/* The first @n operands become services of one pod, which is the one at hand from now on. */
struct err *cli_aim(struct cli *c, char **operands, size_t n) must_check;
/* Ends (@running) and removes the containers that were run for services of @project. */
struct err *cli_remove_oneoffs(struct cli *c, const char *project, bool running,
			       int64_t timeout) must_check;
/* Notes the pod of these services without starting it. */
struct err *cli_create(struct cli *c, const char *policy, bool quiet, bool force, bool keep,
		       char **operands) must_check;
/* Starts a container of its own that has ended. */
struct err *cli_start_kept(struct cli *c, const char *pod) must_check;
/* Whether the pod runs; one that is just ending is waited for. */
bool cli_is_running(const struct pod_host *h, const char *name);
/* Out of the pod, of which others are left; those that it does not have are passed over. */
struct err *cli_remove_services(struct cli *c, const struct pod_state *s, char *const *services,
				int64_t timeout, bool volumes) must_check;
/* The state of the project's pod, of which every operand is a service; no containers is a list too. */
struct err *cli_read_pod(struct cli *c, char **operands, struct pod_state **ret) must_check;
/* That none of the project's services is to be built. */
struct err *cli_check_built(const struct cli *c) must_check;
/* Whether it is among what 'ps' lists without -a. */
bool cli_service_runs(const struct pod_service_state *s);
/* The names of its services; the caller's. */
char **cli_services_of(const struct compose_project *p) must_check;
/* Adds the services that the pod has to those that are named: who starts one of them keeps the others. */
struct err *cli_widen_project(struct cli *c, const struct pod_state *s, char **operands) must_check;
/* SERVICE=N for what has several instances; the caller's. */
char **cli_scale_of(const struct pod_state *s) must_check;
/* 'up -d' of these services; the project at hand stays what it is. */
struct err *cli_up_detached(struct cli *c, char **services, char **scale, const char *pull,
			    bool wait) must_check;
void cli_images_free(const struct cli *c, struct image **images);

struct err *cmd_up(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_down(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_stop(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_start(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_restart(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_kill(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_ps(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_ls(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_images(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_logs(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_attach(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_run(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_rm(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_create(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_convert(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_exec(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_config(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_plan(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_pull(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_gc(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_check(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_doctor(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_version(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_pause(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_unpause(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_top(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_stats(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_events(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_wait(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_scale(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_ports(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_port(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_inspect(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_completion(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_cp(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_resume(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_info(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_suspend(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_volumes(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_help(struct cli *c, const void *values, char **operands, int *ret_code);
struct err *cmd_rmi(struct cli *c, const void *values, char **operands, int *ret_code);

extern const struct opt up_options[], down_options[], stop_options[], restart_options[],
	kill_options[], ps_options[], ls_options[], images_options[], logs_options[],
	exec_options[], config_options[], plan_options[], pull_options[], gc_options[],
	check_options[], doctor_options[], version_options[], stats_options[], events_options[],
	wait_options[], port_options[], ports_options[], scale_options[], cp_options[],
	inspect_options[], resume_options[], info_options[], attach_options[], rm_options[],
	create_options[], volumes_options[], no_options[];

/* ---- service managers: notify.c ---- */

/* Tells who started us, as sd_notify(3) does, "READY=1" or the like; nothing when nobody asks to be told. */
void notify(const char *fmt, ...) printf_like(1, 2);

/* ---- output: table.c ---- */

/* A table of text, columns aligned; NULL-terminated headings. */
struct table;
struct table *table_new(const char *const *headings) must_check;
void table_row(struct table *t, const char *const *cells);
void table_print(struct table *take_t, FILE *out);
void table_free(struct table *t);

/* "3 minutes", for "Up 3 minutes"; since an RFC 3339 time. The caller's. */
char *text_since(const char *time) must_check;
/* "2026-01-02 15:04:05 +0000 UTC", in the local zone, of such a time; "" of none. The caller's. */
char *text_time(const char *time) must_check;
/* "web-1" for the key "web", "web-2" for "web@2"; the caller's. */
char *text_instance(const char *key) must_check;
/* What stands before its output: that, or the container's name where @project's file gave it one. The caller's. */
char *text_prefix(const char *project, const char *key, const char *container) must_check;
/* The service's key when an option says which instance; the caller's. */
struct err *text_index(const char *service, const char *index, char **ret) must_check;
char *text_bytes(int64_t bytes) must_check;  /* "1.99MB"; the caller's */
char *text_binary(int64_t bytes) must_check; /* "320KiB"; the caller's */
/* By --ansi or COMPOSE_ANSI; else on a terminal, where NO_COLOR is not set. */
bool use_colour(FILE *out);
bool cli_is_quiet(const struct cli *c); /* --progress quiet */
/* As the settings say. */
struct err *cli_set_up_logging(const struct cli *c) must_check;
/* A line of what goes on, on standard error; nothing with --progress quiet. */
void cli_say(const struct cli *c, const char *fmt, ...) printf_like(2, 3);

/* ---- manual pages: manual.c ---- */

/* The source of @page ("slipway-up.1") for scdoc(1); NULL: the names of all pages. */
struct err *manual_print(const char *page, FILE *out) must_check;

/* ---- lists: listing.c ---- */

#define FORMAT_HELP "table, json, or a template: '{{.Name}}', 'table {{.Name}}\\t{{.State}}'"

/*
 * What a command lists, as --format wants it: NULL and "table" are its own table,
 * "json" the rows as JSON, a text with {{ }} a template for each row, and
 * "table TEMPLATE" columns between \t below headings.
 */
struct listing;
enum list_format { LIST_TABLE, LIST_JSON, LIST_TEMPLATE, LIST_TEMPLATE_TABLE };
enum listing_json { LISTING_LINES, LISTING_ARRAY }; /* of "json": one object a line, or one array */
/* @headings: NULL when the command has no table; what LIST_TABLE shows is its own business then. */
struct err *listing_new(const char *format, const char *const *headings, enum listing_json json,
			struct listing **ret) must_check;
enum list_format listing_format(const struct listing *l);
/* @take_row with docker's names of members; @cells are the row of the command's table. */
struct err *listing_add(struct listing *l, json_t *take_row, const char *const *cells) must_check;
/* Prints what was added, which is forgotten then. */
struct err *listing_print(struct listing *l, FILE *out) must_check;
void listing_cleanup(struct listing **l);
#define auto_listing cleanup_with(listing_cleanup)
