/* SPDX-License-Identifier: Apache-2.0 */
#include "base/opt.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum { LIMIT = 160, LONG_ONLY = 256 };

static struct err *seconds(const struct opt *o, const char *text, int64_t *ret)
{
	int64_t n = 0;
	struct err *e = str_number(text, 0, INT32_MAX / 1000, &n);

	*ret = n * 1000;
	return err_wrap(e, "--%s", o->name);
}

/* As Go's flag package reads it: "--detach=false". */
static struct err *truth(const struct opt *o, const char *text, bool *ret)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True", NULL };
	static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False", NULL };

	*ret = !text || str_one_of(text, yes);
	return *ret || str_one_of(text, no)
		       ? NULL
		       : err_new(EINVAL, "--%s: '%s' is neither true nor false", o->name, text);
}

static struct err *store(const struct opt *o, const char *text, void *values)
{
	char *field = (char *)values + o->offset;

	switch (o->kind) {
	case OPT_FLAG:
	case OPT_OFF:
		TRY(truth(o, text, (bool *)field));
		*(bool *)field ^= o->kind == OPT_OFF;
		return NULL;
	case OPT_TEXT:
		*(const char **)field = text;
		return NULL;
	case OPT_TEXTS:
		strv_add((char ***)(void *)field, mem_strdup(text));
		return NULL;
	case OPT_GIVEN:
		strv_add((char ***)(void *)field, mem_printf("%s=%s", o->name, o->arg ? text : ""));
		return NULL;
	case OPT_SECONDS:
		return seconds(o, text, (int64_t *)(void *)field);
	}
	return NULL;
}

/* The short letters as getopt wants them, and the long names. */
static void translate(const struct opt *table, bool stop, char *letters, struct option *names)
{
	*letters++ = stop ? '+' : ':';
	if (stop)
		*letters++ = ':';
	for (int i = 0; table[i].name && i < LIMIT; i++) {
		bool wants = table[i].arg != NULL, given = table[i].kind == OPT_GIVEN;
		int argument = wants ? required_argument : given ? no_argument : optional_argument;

		names[i] = (struct option) { table[i].name, argument, NULL, LONG_ONLY + i };
		if (!table[i].letter)
			continue;
		*letters++ = table[i].letter;
		if (wants)
			*letters++ = ':';
	}
	*letters = '\0';
}

void opt_defaults(const struct opt *table, void *values)
{
	for (const struct opt *o = table; o->name; o++) {
		if (o->kind == OPT_SECONDS)
			*(int64_t *)(void *)((char *)values + o->offset) = -1;
		if (o->kind == OPT_OFF)
			*(bool *)((char *)values + o->offset) = true;
	}
}

void opt_clear(const struct opt *table, void *values)
{
	for (const struct opt *o = table; o->name; o++) {
		char ***list = (char ***)(void *)((char *)values + o->offset);

		if (o->kind != OPT_TEXTS && o->kind != OPT_GIVEN)
			continue;
		strv_free(*list);
		*list = NULL;
	}
}

struct err *opt_parse(const struct opt *table, int argc, char **argv, bool stop, void *values,
		      int *ret_first)
{
	char letters[2 * LIMIT + 4];
	struct option names[LIMIT + 1] = { { 0 } };
	int c;

	translate(table, stop, letters, names);
	opterr = 0;
	for (optind = 0; (c = getopt_long(argc, argv, letters, names, NULL)) != -1;) {
		const struct opt *o = c >= LONG_ONLY ? &table[c - LONG_ONLY] : table;

		if (c == '?')
			return err_new(EINVAL, "unknown option '%s'", argv[optind - 1]);
		if (c == ':')
			return err_new(EINVAL, "the option '%s' needs a value", argv[optind - 1]);
		while (c < LONG_ONLY && o->letter != c)
			o++;
		TRY(store(o, optarg, values));
	}
	*ret_first = optind;
	return NULL;
}

void opt_help(const struct opt *table, FILE *out)
{
	for (; table->name; table++) {
		char left[48];

		snprintf(left, sizeof(left), "%c%c%s--%s%s%s", table->letter ? '-' : ' ',
			 table->letter ? table->letter : ' ', table->letter ? ", " : "  ",
			 table->name, table->arg ? " " : "", table->arg ? table->arg : "");
		fprintf(out, "  %-30s %s\n", left, table->help);
	}
}
