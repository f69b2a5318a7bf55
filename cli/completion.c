/* SPDX-License-Identifier: Apache-2.0 */
/* cli/completion.c - what shells need to complete command lines, made of the table of commands. */
#include <errno.h>
#include <string.h>

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
		fputs(takes_services(c) ? "'\n\t\t[[ $word == -* ]] || words+=\" $(slipway config "
					  "--services 2>/dev/null)\" ;;\n"
					: "' ;;\n",
		      out);
	}
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

static void print_fish(FILE *out)
{
	fputs("# fish completion of slipway; made by 'slipway completion fish'\n"
	      "complete -c slipway -f\n",
	      out);
	for (const struct opt *o = global_options; o->name; o++) {
		fprintf(out, "complete -c slipway -n __fish_use_subcommand -l %s -d '", o->name);
		print_help_text(o->help, "\\'", out);
		fputs("'\n", out);
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
		for (const struct opt *o = c->options; o->name; o++) {
			fprintf(out,
				"complete -c slipway -n '__fish_seen_subcommand_from %s' -l %s -d "
				"'",
				c->name, o->name);
			print_help_text(o->help, "\\'", out);
			fputs("'\n", out);
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
	      "\tdone\n\tcase $command in\n\t'') _describe command commands; compadd --",
	      out);
	print_long(global_options, " ", "", out);
	fputs(" ;;\n", out);
	for (const struct command *c = commands; c->name; c++) {
		fprintf(out, "\t%s) compadd --", c->name);
		print_long(c->options, " ", "", out);
		if (takes_services(c))
			fputs(" $(slipway config --services 2>/dev/null)", out);
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
