/* SPDX-License-Identifier: Apache-2.0 */
/* cli/completion.c - what shells need to complete command lines, made of the table of commands. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

static void print_long(const struct opt *options, const char *before, const char *after, FILE *out)
{
	for (; options->name; options++)
		fprintf(out, "%s--%s%s", before, options->name, after);
}

static bool takes_services(const struct command *c)
{
	return strstr(c->operands, "SERVICE") != NULL;
}

static void print_commands(FILE *out)
{
	for (const struct command *c = commands; c->name; c++)
		fprintf(out, "%s%s", c == commands ? "" : " ", c->name);
}

/* Options whose values are known beforehand; the first row that fits holds. */
static const struct {
	const char *command; /* NULL: of any; "": before the command */
	const char *option, *values;
} known_values[] = {
	{ "config", "format", "yaml json" },
	{ "plan", "format", "text json" },
	{ "info", "format", "json" },
	{ "version", "format", "json" },
	{ "inspect", "format", "json" },
	{ "events", "format", "json" },
	{ "ports", "format", "table json haproxy" },
	{ NULL, "format", "table json" },
	{ NULL, "pull", "always missing never" },
	{ "pull", "policy", "always missing" },
	{ "ps", "status", "created running paused restarting exited dead" },
	{ "kill", "signal", "HUP INT QUIT KILL USR1 USR2 TERM CONT STOP" },
	{ NULL, "stop-signal", "HUP INT QUIT KILL USR1 USR2 TERM" },
	{ "down", "rmi", "all local" },
	{ "port", "protocol", "tcp udp" },
	{ "run", "restart", "no always unless-stopped on-failure" },
	{ "run", "log-driver", "json-file local journald none" },
	{ "", "progress", "auto tty plain quiet" },
	{ "", "ansi", "never always auto" },
	{ "", "log-level", "debug info warning error" },
	{ "", "log-format", "text keys json" },
};

static const char *values_of(const char *command, const struct opt *o)
{
	for (size_t i = 0; i < ARRAY_LEN(known_values); i++)
		if (strcmp(known_values[i].option, o->name) == 0 &&
		    (!known_values[i].command || strcmp(known_values[i].command, command) == 0))
			return known_values[i].values;
	return NULL;
}

/* A row of a shell's case for each option of @command whose values are known: "ps:--format". */
static void print_values(const char *command, const struct opt *options, const char *before,
			 const char *after, FILE *out)
{
	for (const struct opt *o = options; o->name; o++) {
		const char *values = values_of(command, o);

		if (!values)
			continue;
		fprintf(out, "\t%s:--%s", command, o->name);
		if (o->letter)
			fprintf(out, "|%s:-%c", command, o->letter);
		fprintf(out, ") %s%s%s ;;\n", before, values, after);
	}
}

static void print_all_values(const char *before, const char *after, FILE *out)
{
	print_values("", global_options, before, after, out);
	for (const struct command *c = commands; c->name; c++)
		print_values(c->name, c->options, before, after, out);
}

/* The operands of those that take no services. */
static bool takes_commands(const struct command *c)
{
	return strcmp(c->name, "help") == 0;
}

static bool takes_shells(const struct command *c)
{
	return strcmp(c->name, "completion") == 0;
}

static void print_bash(FILE *out)
{
	fputs("# bash completion of slipway; made by 'slipway completion bash'\n"
	      "_slipway() {\n"
	      "\tlocal word=${COMP_WORDS[COMP_CWORD]} command= i\n"
	      "\tlocal commands='",
	      out);
	print_commands(out);
	fputs("'\n\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	      "\t\tcase \" $commands \" in *\" ${COMP_WORDS[i]} \"*) command=${COMP_WORDS[i]}; "
	      "break ;; "
	      "esac\n\tdone\n\tlocal words=\n\tcase $command in\n\t'') words=\"$commands",
	      out);
	print_long(global_options, " ", "", out);
	fputs("\" ;;\n", out);
	for (const struct command *c = commands; c->name; c++) {
		fprintf(out, "\t%s) words='", c->name);
		print_long(c->options, "", " ", out);
		if (takes_commands(c))
			print_commands(out);
		if (takes_shells(c))
			fputs("bash zsh fish", out);
		fputs(takes_services(c) ? "'\n\t\t[[ $word == -* ]] || words+=\" $(slipway config "
					  "--services 2>/dev/null)\" ;;\n"
					: "' ;;\n",
		      out);
	}
	/* bash takes --format=json apart */
	fputs("\tesac\n\tlocal option=${COMP_WORDS[COMP_CWORD-1]}\n"
	      "\t[[ $word != = ]] || word=\n"
	      "\t[[ $option != = ]] || option=${COMP_WORDS[COMP_CWORD-2]}\n"
	      "\tcase $command:$option in\n",
	      out);
	print_all_values("words='", "'", out);
	fputs("\tesac\n\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n}\n"
	      "complete -o default -F _slipway slipway\n",
	      out);
}

/* Quotes of the shells are doubled or escaped: helps have none but ' in "service's". */
static void print_help_text(const char *help, const char *quote, FILE *out)
{
	for (; *help; help++)
		if (*help == '\'')
			fputs(quote, out);
		else if (*help == '[' || *help == ']' || *help == ':')
			putc(' ', out);
		else
			putc(*help, out);
}

static void print_fish_option(const char *command, const struct opt *o, FILE *out)
{
	const char *values = values_of(command, o);

	fprintf(out, " -l %s", o->name);
	if (o->letter)
		fprintf(out, " -s %c", o->letter);
	if (values)
		fprintf(out, " -x -a '%s'", values);
	else if (o->arg)
		fputs(" -r", out);
	fputs(" -d '", out);
	print_help_text(o->help, "\\'", out);
	fputs("'\n", out);
}

static void print_fish(FILE *out)
{
	fputs("# fish completion of slipway; made by 'slipway completion fish'\n"
	      "complete -c slipway -f\n",
	      out);
	for (const struct opt *o = global_options; o->name; o++) {
		fputs("complete -c slipway -n __fish_use_subcommand", out);
		print_fish_option("", o, out);
	}
	for (const struct command *c = commands; c->name; c++) {
		fprintf(out, "complete -c slipway -n __fish_use_subcommand -a %s -d '", c->name);
		print_help_text(c->help, "\\'", out);
		fputs("'\n", out);
		if (takes_services(c))
			fprintf(out,
				"complete -c slipway -n '__fish_seen_subcommand_from %s' -a "
				"'(slipway config --services 2>/dev/null)'\n",
				c->name);
		if (takes_commands(c) || takes_shells(c)) {
			fprintf(out, "complete -c slipway -n '__fish_seen_subcommand_from %s' -a '",
				c->name);
			if (takes_commands(c))
				print_commands(out);
			fputs(takes_shells(c) ? "bash zsh fish'\n" : "'\n", out);
		}
		for (const struct opt *o = c->options; o->name; o++) {
			fprintf(out, "complete -c slipway -n '__fish_seen_subcommand_from %s'",
				c->name);
			print_fish_option(c->name, o, out);
		}
	}
}

static void print_zsh(FILE *out)
{
	fputs("#compdef slipway\n# zsh completion of slipway; made by 'slipway completion zsh'\n"
	      "_slipway() {\n\tlocal -a commands\n\tcommands=(\n",
	      out);
	for (const struct command *c = commands; c->name; c++) {
		fprintf(out, "\t\t'%s:", c->name);
		print_help_text(c->help, "'\\''", out);
		fputs("'\n", out);
	}
	fputs("\t)\n\tlocal i command=\n\tfor ((i = 2; i < CURRENT; i++)); do\n"
	      "\t\t(( ${commands[(I)${words[i]}:*]} )) && { command=${words[i]}; break; }\n"
	      "\tdone\n\tcase $command:${words[CURRENT-1]} in\n",
	      out);
	print_all_values("compadd -- ", "; return", out);
	fputs("\tesac\n\tcase $command in\n\t'') _describe command commands; compadd --", out);
	print_long(global_options, " ", "", out);
	fputs(" ;;\n", out);
	for (const struct command *c = commands; c->name; c++) {
		fprintf(out, "\t%s) compadd --", c->name);
		print_long(c->options, " ", "", out);
		if (takes_services(c))
			fputs(" $(slipway config --services 2>/dev/null)", out);
		if (takes_shells(c))
			fputs(" bash zsh fish", out);
		if (takes_commands(c))
			fputs("; _describe command commands", out);
		fputs(" ;;\n", out);
	}
	fputs("\tesac\n}\n_slipway \"$@\"\n", out);
}

struct err *cmd_completion(struct cli *c, const void *values, char **operands, int *ret_code)
{
	static const struct {
		const char *shell;
		void (*print)(FILE *out);
	} shells[] = { { "bash", print_bash }, { "zsh", print_zsh }, { "fish", print_fish } };

	(void)c;
	(void)values;
	(void)ret_code;
	for (size_t i = 0; i < sizeof(shells) / sizeof(*shells) && *operands; i++)
		if (strcmp(*operands, shells[i].shell) == 0) {
			shells[i].print(stdout);
			return NULL;
		}
	if (*operands && strcmp(*operands, "man") == 0) /* for make man */
		return manual_print(operands[1], stdout);
	return err_new(EINVAL, "completion: of bash, zsh or fish?");
}
