/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/manual.c - man pages in scdoc's language, made of the tables of commands, options and settings.
 *
 * What a table cannot say, prose and examples, is below by the command's name.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

/* clang-format off */
static const struct {
	const char *command, *text; /* scdoc */
} more[] = {
	{ "up",
	  "Pulls what is missing, plans the pod and starts it: each service as soon as what it depends on is there. "
	  "Without *-d* the output of the services is shown, the first *SIGINT* stops the pod and the second kills it.\n\n"
	  "Of a pod that runs already nothing is changed unless the file or an image has; then it is started anew.\n" },
	{ "down", "Stops the services in the reverse order of their start. What is left of a pod, also of one whose supervisor was "
	  "killed, is removed. Volumes stay unless *-v* is given.\n" },
	{ "ps", "Services that have ended are shown with *-a*. A pod whose supervisor was killed is shown as dead.\n" },
	{ "logs", "Of services whose logging driver keeps nothing here, where to look is told.\n" },
	{ "exec", "Exits with the command's code; 126 when it cannot be executed, 127 when it is not found. With a terminal on "
	  "standard input and output the command gets one, unless *-T* is given.\n" },
	{ "cp", "Names in a container are resolved inside of it and never lead out. A path of the host that has a colon begins with "
	  "_/_ or _._.\n\nWith _-_ a tar, also one in gzip or zstd, is unpacked from standard input into a directory, or one is "
	  "written to standard output: _slipway cp web:/etc - | tar t_.\n" },
	{ "config", "The canonical form is docker compose's. With an option that names a kind of things, their names alone are printed.\n" },
	{ "check", "Without *--leaks*: loads the files, and tells what a pod refuses or honours only half; no image is needed. "
	  "Exits with 1 when something is refused, or is left.\n" },
	{ "images", "As _slipway compose images_ those of the project's containers are listed, with the services as operands.\n" },
	{ "wait", "Exits with the exit code of the last service.\n" },
	{ "resume", "For *slipway.service*, which runs it at boot, with *--stay*.\n" },
	{ "completion", "For example: _slipway completion bash > /etc/bash_completion.d/slipway_.\n\n"
	  "With _man_ the names of the manual pages are printed, with _man PAGE_ its source for *scdoc*(1).\n" },
};
/* clang-format on */

/* What scdoc would take for its own is escaped. */
static void put(const char *text, FILE *out)
{
	for (; *text; text++) {
		if (strchr("*_\\+~|<>#", *text))
			putc('\\', out);
		putc(*text, out);
	}
}

static void put_options(const struct opt *o, FILE *out)
{
	for (; o->name; o++) {
		if (o->letter)
			fprintf(out, "*-%c*, ", o->letter);
		fprintf(out, "*--%s*", o->name);
		if (o->arg) {
			fputs(" _", out);
			for (const char *a = o->arg; *a;
			     a++) /* within an underline nothing is escaped but it */
				fprintf(out, *a == '_' ? "\\_" : "%c", *a);
			putc('_', out);
		}
		fputs("\n\t", out);
		put(o->help, out);
		fputs("\n\n", out);
	}
}

static void put_command(const struct command *c, FILE *out)
{
	fprintf(out, "slipway-%s(1)\n\n# NAME\n\nslipway-%s - ", c->name, c->name);
	put(c->help, out);
	fprintf(out, "\n\n# SYNOPSIS\n\n*slipway* [_OPTION_...] *%s*%s ", c->name,
		c->options->name ? " [_OPTION_...]" : "");
	put(c->operands, out);
	fputs("\n\n# DESCRIPTION\n\n", out);
	for (size_t i = 0; i < ARRAY_LEN(more); i++)
		if (strcmp(more[i].command, c->name) == 0)
			fprintf(out, "%s\n", more[i].text);
	fputs("Options that come before the command, files, the environment and exit codes are "
	      "in *slipway*(1).\n\n",
	      out);
	if (c->options->name)
		fputs("# OPTIONS\n\n", out);
	put_options(c->options, out);
	fputs("# SEE ALSO\n\n*slipway*(1), *slipway.yaml*(5)\n", out);
}

static void put_program(FILE *out)
{
	static const char *const variables[][2] = {
		{ "COMPOSE_FILE",
		  "the files, as by *-f*, separated by _:_ or COMPOSE\\_PATH\\_SEPARATOR" },
		{ "COMPOSE_PROJECT_NAME", "the pod's name, as by *-p*" },
		{ "COMPOSE_PROFILES", "profiles, as by *--profile*, separated by commas" },
		{ "COMPOSE_ENV_FILES", "as by *--env-file*, separated by commas" },
		{ "COMPOSE_DISABLE_ENV_FILE", "_true_: no .env is read" },
		{ "COMPOSE_ANSI", "as by *--ansi*: _never_, _always_ or _auto_" },
		{ "COMPOSE_PROGRESS",
		  "as by *--progress*, below *slipway.yaml*(5)'s SLIPWAY\\_PROGRESS" },
		{ "NO_COLOR", "when it is not empty, nothing is coloured" },
		{ "SLIPWAY_CONFIG_DIR", "where settings are, instead of _/etc/slipway_" },
	};

	fputs("slipway(1)\n\n# NAME\n\nslipway - runs a Compose project as one pod\n\n# "
	      "SYNOPSIS\n\n"
	      "*slipway* [_OPTION_...] _COMMAND_ [_OPTION_...] [_OPERAND_...]\n\n"
	      "*slipway compose* [_OPTION_...] _COMMAND_ [_OPTION_...] [_OPERAND_...]\n\n"
	      "# DESCRIPTION\n\n"
	      "*slipway* runs the services of a Compose file as one pod, by itself: without an "
	      "engine "
	      "and without a daemon. All that a pod owns is a namespace or a descriptor of one "
	      "process, "
	      "so that the kernel takes it back when that ends.\n\n"
	      "Commands, options and exit codes are docker compose's where it has them.\n\n"
	      "# COMMANDS\n\n",
	      out);
	for (const struct command *c = commands; c->name; c++) {
		fprintf(out, "*slipway-%s*(1)\n\t", c->name);
		put(c->help, out);
		fputs("\n\n", out);
	}
	fputs("# OPTIONS\n\n", out);
	put_options(global_options, out);
	fputs("# ENVIRONMENT\n\n", out);
	for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
		putc('*', out);
		put(variables[i][0], out);
		fprintf(out, "*\n\t%s\n\n", variables[i][1]);
	}
	fputs("Each setting of *slipway.yaml*(5) has a variable, too.\n\n"
	      "# EXIT STATUS\n\n"
	      "0 for success, 1 for an error, 130 when it was interrupted; *exec*, *wait* and *up* "
	      "with "
	      "*--exit-code-from* exit with the code of what they ran.\n\n"
	      "# FILES\n\n_compose.yaml_, _compose.yml_, _docker-compose.yml_, "
	      "_docker-compose.yaml_\n"
	      "\tthe project, in this directory or the nearest above\n\n"
	      "_/etc/slipway/slipway.yaml_, _/etc/slipway/conf.d/_\n\tsettings, see "
	      "*slipway.yaml*(5)\n\n"
	      "_/var/lib/slipway_, _/run/slipway_\n\timages, volumes and logs; state of pods\n\n"
	      "# SEE ALSO\n\n*slipway.yaml*(5)\n",
	      out);
}

static void put_settings(FILE *out)
{
	fputs("slipway.yaml(5)\n\n# NAME\n\nslipway.yaml - how slipway behaves on this host\n\n# "
	      "SYNOPSIS\n\n"
	      "_/etc/slipway/slipway.yaml_, _/etc/slipway/conf.d/NAME.yaml_\n\n# DESCRIPTION\n\n"
	      "Each file is one flat mapping in YAML. The files of _conf.d_ are read by name after "
	      "_slipway.yaml_; above them stand variables of the environment, above these *--set* "
	      "_KEY=VALUE_, and above that options of their own. *slipway info* prints what came "
	      "out, and "
	      "from where. A key that is none, and a value that does not fit, are refused.\n\n# "
	      "SETTINGS\n\n",
	      out);
	for (size_t i = 0; i < POD_SETTINGS; i++) {
		const struct pod_setting *s = &pod_settings[i];

		putc('*', out);
		put(s->name, out);
		fputs("* (", out);
		put(s->variable, out);
		fputs(")\n\t", out);
		put(s->help, out);
		if (*s->fallback) {
			fputs("; default: ", out);
			put(s->fallback, out);
		}
		fputs("\n\n", out);
	}
	fputs("# EXAMPLE\n\n```\nlog_driver: journald\nlog_max_size: 50m\nstop_timeout: "
	      "30s\n```\n\n"
	      "# SEE ALSO\n\n*slipway*(1), *slipway-info*(1)\n",
	      out);
}

static struct err *put_page(const char *page, FILE *out)
{
	if (strcmp(page, "slipway.1") == 0) {
		put_program(out);
		return NULL;
	}
	if (strcmp(page, "slipway.yaml.5") == 0) {
		put_settings(out);
		return NULL;
	}
	for (const struct command *c = commands; c->name; c++) {
		auto_free char *name = mem_printf("slipway-%s.1", c->name);

		if (strcmp(page, name) == 0) {
			put_command(c, out);
			return NULL;
		}
	}
	return err_new(ENOENT, "completion man: there is no page '%s'", page);
}

struct err *manual_print(const char *page, FILE *out)
{
	if (page)
		return put_page(page, out);
	fputs("slipway.1\nslipway.yaml.5\n", out);
	for (const struct command *c = commands; c->name; c++)
		fprintf(out, "slipway-%s.1\n", c->name);
	return NULL;
}
