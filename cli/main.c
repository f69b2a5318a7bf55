/* SPDX-License-Identifier: Apache-2.0 */
/* cli/main.c - the program slipway: from a command line to a command, and exit codes. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/prefault.h"
#include "base/str.h"
#include "cli/cli.h"

enum { VALUES_MAX = 512 }; /* bytes of any command's options */

/* -h is the help, where it is nothing else. */
static bool is_help(const struct command *c, const char *word)
{
	bool taken = false;

	for (const struct opt *o = c->options; o->name; o++)
		taken |= o->letter == 'h';
	return strcmp(word, "--help") == 0 || (!taken && strcmp(word, "-h") == 0);
}

static struct err *run_command(struct cli *c, const struct command *command, int argc, char **argv,
			       int *ret_code)
{
	max_align_t values[VALUES_MAX / sizeof(max_align_t)];
	int first = 0;

	memset(values, 0, sizeof(values));
	opt_defaults(command->options, values);
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0 &&
			(!command->stop_at_operand || *argv[i] == '-');
	     i++)
		if (is_help(command, argv[i])) {
			cli_command_help(command, stdout);
			return NULL;
		}
	struct err *e =
		opt_parse(command->options, argc, argv, command->stop_at_operand, values, &first);

	if (e)
		return err_wrap(e, "%s", command->name);
	e = first < argc && !*command->operands && command->run != cmd_down
		    ? err_new(EINVAL, "%s takes no operands", command->name)
		    : command->run(c, values, argv + first, ret_code);
	opt_clear(command->options, values);
	return e;
}

/* Files, the environment, --set, and what has an option of its own; in that order. */
static struct err *load_config(struct cli *c)
{
	const struct {
		enum pod_setting_key key;
		const char *option, *value;
	} own[] = {
		{ POD_SETTING_PROGRESS, "--progress", c->progress },
		{ POD_SETTING_LOG_LEVEL, "--log-level", c->log_level },
		{ POD_SETTING_LOG_FORMAT, "--log-format", c->log_format },
		{ POD_SETTING_LOG_LEVEL, "--debug", c->debug && !c->log_level ? "debug" : NULL },
	};

	TRY(pod_config_load(&c->config));
	for (char **s = c->set; s && *s; s++)
		TRY(err_wrap(pod_config_set(c->config, *s), "--set"));
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (own[i].value)
			TRY(pod_config_option(c->config, own[i].key, own[i].option, own[i].value));
	pod_config_export(c->config);
	return NULL;
}

/* It goes on in the environment, as docker compose has it. */
static struct err *set_up_colours(const struct cli *c)
{
	static const char *const known[] = { "never", "always", "auto", NULL };
	const char *from_env = getenv("COMPOSE_ANSI");
	const char *when = c->ansi ? c->ansi : from_env && *from_env ? from_env : "auto";

	if (!str_one_of(when, known))
		return err_new(EINVAL, "%s: '%s' is not never, always or auto",
			       c->ansi ? "--ansi" : "COMPOSE_ANSI", when);
	return c->ansi && setenv("COMPOSE_ANSI", when, 1) < 0 ? err_errno("COMPOSE_ANSI") : NULL;
}

static struct err *run(struct cli *c, int argc, char **argv, int *ret_code)
{
	int first = 0;

	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		cli_help(stdout);
		return NULL;
	}
	if (argc > 1 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-v") == 0))
		return run_command(c, cli_command("version"), 1, argv, ret_code);
	/* "slipway compose ..." takes docker compose's arguments: they are slipway's own */
	if (argc > 1 && strcmp(argv[1], "compose") == 0) {
		c->compose = true;
		return run(c, argc - 1, argv + 1, ret_code);
	}
	TRY(opt_parse(global_options, argc, argv, true, c, &first));
	TRY(load_config(c));
	TRY(cli_set_up_logging(c));
	TRY(set_up_colours(c));
	if (c->name && !*c->name) /* as with docker compose: none is given */
		c->name = NULL;
	if (c->name)
		TRY(compose_name_check(c->name));
	c->bound = c->name || c->files;
	if (first == argc) {
		cli_help(stderr);
		*ret_code = EXIT_USAGE;
		return NULL;
	}
	const struct command *command = cli_command(argv[first]);

	if (!command)
		return cli_unknown_command(argv[first]);
	return run_command(c, command, argc - first, argv + first, ret_code);
}

static void cli_clear(struct cli *c)
{
	compose_free(c->project);
	pod_host_free(c->host);
	pod_config_free(c->config);
	strv_free(c->set);
	strv_free(c->kept);
	strv_free(c->own_scale);
	free(c->inherited);
	strv_free(c->files);
	strv_free(c->profiles);
	strv_free(c->env_files);
}

static struct err *finish_output(void)
{
	bool failed = ferror(stdout);

	errno = 0;
	if (fflush(stdout) == 0 && !failed)
		return NULL;
	return errno ? err_errno("standard output") : err_new(EIO, "standard output: write error");
}

int main(int argc, char **argv)
{
	struct cli c = { .inherited = fd_inherited() };
	int code = EXIT_SUCCESS;

	prefault();
	log_setup("slipway", LOG_LEVEL_INFO, LOG_TEXT);
	umask(022);
	auto_err struct err *e = fd_open_standard();

	if (!e)
		e = run(&c, argc, argv, &code);
	cli_clear(&c);
	if (!e)
		e = finish_output();
	if (e)
		log_error("%s", err_text(e));
	return e && code == EXIT_SUCCESS ? EXIT_USAGE : code;
}
