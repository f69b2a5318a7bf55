/* SPDX-License-Identifier: Apache-2.0 */
/* cli/help.c - what the table of commands says of itself. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/opt.h"
#include "cli/cli.h"

void cli_help(FILE *out)
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

void cli_command_help(const struct command *c, FILE *out)
{
	fprintf(out, "usage: slipway %s%s %s\n%s\n", c->name,
		c->options->name ? " [OPTION...]" : "", c->operands, c->help);
	if (c->options->name)
		fputs("\noptions:\n", out);
	opt_help(c->options, out);
}

const struct command *cli_command(const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

struct err *cli_unknown_command(const char *name)
{
	return err_new(EINVAL, "unknown command '%s'; 'slipway --help' lists them", name);
}

struct err *cmd_help(struct cli *c, const void *values, char **operands, int *ret_code)
{
	const struct command *of = *operands ? cli_command(*operands) : NULL;

	(void)c;
	(void)values;
	(void)ret_code;
	if (*operands && !of)
		return cli_unknown_command(*operands);
	if (of)
		cli_command_help(of, stdout);
	else
		cli_help(stdout);
	return NULL;
}
