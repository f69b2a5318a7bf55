/* SPDX-License-Identifier: Apache-2.0 */
/* base/opt.h - options of a command line, parsed by a table of them; help comes from it, too. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

/* OFF clears its flag. GIVEN notes NAME=VALUE, or NAME= for one without a value, in the order given. */
enum opt_kind { OPT_FLAG, OPT_OFF, OPT_TEXT, OPT_TEXTS, OPT_SECONDS, OPT_GIVEN };

struct opt {
	char letter; /* 0: none */
	const char *name;
	enum opt_kind kind;
	const char *arg; /* how the help calls the value; of GIVEN, NULL: it has none */
	size_t offset;	 /* of a bool, const char *, char ** or int64_t in milliseconds */
	const char *help;
};

/* What options have that are not given. */
void opt_defaults(const struct opt *table, void *values);
/* Fills @values; *ret_first is the first operand. Stops there when @stop is set. */
struct err *opt_parse(const struct opt *table, int argc, char **argv, bool stop, void *values,
		      int *ret_first) must_check;
void opt_clear(const struct opt *table, void *values); /* frees the lists */
void opt_help(const struct opt *table, FILE *out);
