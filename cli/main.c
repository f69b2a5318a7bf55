/* SPDX-License-Identifier: Apache-2.0 */
/* cli/main.c - the program slipway: global options, the table of commands, exit codes. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

#define G(f) offsetof(struct cli, f)
const struct opt global_options[] = {
	{ 'f', "file", OPT_TEXTS, "FILE", G(files),
	  "Compose file; several are merged; - is standard input" },
	{ 'p', "project-name", OPT_TEXT, "NAME", G(name), "name of the pod" },
	{ 0, "profile", OPT_TEXTS, "NAME", G(profiles), "turn a profile on" },
	{ 0, "env-file", OPT_TEXTS, "FILE", G(env_files), "variables, instead of .env" },
	{ 0, "project-directory", OPT_TEXT, "DIR", G(project_dir),
	  "what relative paths are relative to" },
	{ 0, "all-resources", OPT_FLAG, NULL, G(all_resources),
	  "also networks, volumes and others that no service uses" },
	{ 0, "progress", OPT_TEXT, "MODE", G(progress),
	  "how pulls are shown: auto, plain or quiet" },
	{ 0, "log-level", OPT_TEXT, "LEVEL", G(log_level), "debug, info, warning or error" },
	{ 0, "log-format", OPT_TEXT, "FORMAT", G(log_format), "text, keys or json" },
	{ 0, "debug", OPT_FLAG, NULL, G(debug), "tell what is done" },
	{ 0 },
};

/* clang-format off */
const struct command commands[] = {
	{ "up",      "[SERVICE...]",            "create and start the pod",                      up_options,      false, cmd_up },
	{ "down",    "",                        "stop the pod and remove what it left",          down_options,    false, cmd_down },
	{ "ps",      "[SERVICE...]",            "list the pod's containers",                     ps_options,      false, cmd_ps },
	{ "logs",    "[SERVICE...]",            "show output",                                   logs_options,    false, cmd_logs },
	{ "exec",    "SERVICE COMMAND [ARG...]", "run a command in a running container",         exec_options,    true,  cmd_exec },
	{ "stop",    "[SERVICE...]",            "stop services, gracefully",                     stop_options,    false, cmd_stop },
	{ "start",   "[SERVICE...]",            "start stopped services of a running pod",       no_options,      false, cmd_start },
	{ "restart", "[SERVICE...]",            "stop and start services of a running pod",      stop_options,    false, cmd_restart },
	{ "kill",    "[SERVICE...]",            "send a signal, SIGKILL if none is named",       kill_options,    false, cmd_kill },
	{ "pause",   "[SERVICE...]",            "freeze services",                               no_options,      false, cmd_pause },
	{ "unpause", "[SERVICE...]",            "let frozen services go on",                     no_options,      false, cmd_unpause },
	{ "top",     "[SERVICE...]",            "list the processes of services",                no_options,      false, cmd_top },
	{ "stats",   "[SERVICE...]",            "show what services use, again and again",       stats_options,   false, cmd_stats },
	{ "events",  "[SERVICE...]",            "tell what happens to services, as it happens",  events_options,  false, cmd_events },
	{ "wait",    "[SERVICE...]",            "wait until services have ended",                wait_options,    false, cmd_wait },
	{ "port",    "SERVICE PORT",            "print where a port is published",               port_options,    false, cmd_port },
	{ "inspect", "[SERVICE...]",            "print all that is known of services, as JSON",  no_options,      false, cmd_inspect },
	{ "config",  "[SERVICE...]",            "check the files and print the merged project",  config_options,  false, cmd_config },
	{ "plan",    "[SERVICE...]",            "print the steps that 'up' would take",          plan_options,    false, cmd_plan },
	{ "pull",    "[SERVICE...]",            "pull the images",                               pull_options,    false, cmd_pull },
	{ "images",  "",                        "list the images of this host",                  images_options,  false, cmd_images },
	{ "rmi",     "IMAGE...",                "remove images",                                 no_options,      false, cmd_rmi },
	{ "ls",      "",                        "list pods",                                     ls_options,      false, cmd_ls },
	{ "gc",      "",                        "remove what no pod and no image needs",         gc_options,      false, cmd_gc },
	{ "check",   "[SERVICE...]",            "tell what a pod cannot honour, or --leaks",     check_options,   false, cmd_check },
	{ "doctor",  "",                        "tell what this host lacks, and what follows",   doctor_options,  false, cmd_doctor },
	{ "completion", "bash|zsh|fish",        "print what a shell needs to complete commands", no_options,      false, cmd_completion },
	{ "version", "",                        "tell the version",                              version_options, false, cmd_version },
	{ 0 },
};
/* clang-format on */
enum { VALUES_MAX = 512 }; /* bytes of any command's options */

const struct opt no_options[] = { { 0 } };

static void print_help(FILE *out)
{
	fputs("slipway - runs a Compose project as one pod\n\nusage: slipway [OPTION...] COMMAND "
	      "[OPTION...] [OPERAND...]\n\ncommands:\n",
	      out);
	for (const struct command *c = commands; c->name; c++)
		fprintf(out, "  %-10s %s\n", c->name, c->help);
	fputs("\noptions:\n", out);
	opt_help(global_options, out);
	fputs("\n'slipway COMMAND --help' tells the options of a command.\n", out);
}

static void print_command_help(const struct command *c, FILE *out)
{
	fprintf(out, "usage: slipway %s%s %s\n%s\n", c->name,
		c->options->name ? " [OPTION...]" : "", c->operands, c->help);
	if (c->options->name)
		fputs("\noptions:\n", out);
	opt_help(c->options, out);
}

/* ---- running a command ---- */

static const struct command *find_command(const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

static struct err *run_command(struct cli *c, const struct command *command, int argc, char **argv,
			       int *ret_code)
{
	max_align_t values[VALUES_MAX / sizeof(max_align_t)];
	int first = 0;

	memset(values, 0, sizeof(values));
	for (const struct opt *o = command->options; o->name; o++) {
		if (o->kind == OPT_SECONDS)
			*(int64_t *)(void *)((char *)values + o->offset) = -1;
		if (o->kind == OPT_OFF)
			*(bool *)((char *)values + o->offset) = true;
	}
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0 &&
			(!command->stop_at_operand || *argv[i] == '-');
	     i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			print_command_help(command, stdout);
			return NULL;
		}
	struct err *e =
		opt_parse(command->options, argc, argv, command->stop_at_operand, values, &first);

	if (e)
		return err_wrap(e, "%s", command->name);
	e = command->run(c, values, argv + first, ret_code);
	for (const struct opt *o = command->options; o->name; o++)
		if (o->kind == OPT_TEXTS)
			strv_free(*(char ***)(void *)((char *)values + o->offset));
	return e;
}

static struct err *set_up_logging(const struct cli *c)
{
	enum log_level level = c->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
	enum log_format format = LOG_TEXT;

	if (c->log_level)
		TRY(log_level_parse(c->log_level, &level));
	if (c->log_format)
		TRY(log_format_parse(c->log_format, &format));
	log_setup("slipway", level, format);
	return NULL;
}

static struct err *run(struct cli *c, int argc, char **argv, int *ret_code)
{
	int first = 0;

	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		print_help(stdout);
		return NULL;
	}
	if (argc > 1 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-v") == 0))
		return run_command(c, find_command("version"), 1, argv, ret_code);
	/* "slipway compose ..." takes docker compose's arguments: they are slipway's own */
	if (argc > 1 && strcmp(argv[1], "compose") == 0)
		return run(c, argc - 1, argv + 1, ret_code);
	TRY(opt_parse(global_options, argc, argv, true, c, &first));
	TRY(set_up_logging(c));
	if (first == argc) {
		print_help(stderr);
		*ret_code = EXIT_USAGE;
		return NULL;
	}
	const struct command *command = find_command(argv[first]);

	if (!command)
		return err_new(EINVAL, "unknown command '%s'; 'slipway --help' lists them",
			       argv[first]);
	return run_command(c, command, argc - first, argv + first, ret_code);
}

/*
 * What we were started with goes into no container (R4); it stays open for us,
 * because -f may name it: slipway -f <(generate).
 */
static uint64_t seal_inherited(void)
{
	uint64_t found = 0;

	(void)syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
	for (int fd = STDERR_FILENO + 1; fd < 64; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			found |= 1ULL << fd;
	return found;
}

static void cli_clear(struct cli *c)
{
	compose_free(c->project);
	pod_host_free(c->host);
	strv_free(c->files);
	strv_free(c->profiles);
	strv_free(c->env_files);
}

int main(int argc, char **argv)
{
	struct cli c = { .inherited = seal_inherited() };
	int code = EXIT_SUCCESS;

	log_setup("slipway", LOG_LEVEL_INFO, LOG_TEXT);
	umask(022);
	auto_err struct err *e = run(&c, argc, argv, &code);

	cli_clear(&c);
	if (e)
		log_error("%s", err_text(e));
	if (e && code == EXIT_SUCCESS)
		code = EXIT_USAGE;
	return fflush(stdout) == 0 ? code : EXIT_FAILURE;
}
