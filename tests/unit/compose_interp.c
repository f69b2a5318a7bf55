/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/compose_interp.c - ${VARIABLES} in values. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "compose/internal.h"
#include "tests/check.h"

static const char *const env[] = { "S=set", "E=", "D=$S", "_1=under", NULL };

static const char *look(const void *ctx, const char *name)
{
	return env_get((char *const *)ctx, name);
}

#define INVALID "invalid interpolation format; a literal $ is written $$"

static const struct {
	const char *why, *text, *want;
} rows[] = {
	{ "no variable", "plain", "plain" },
	{ "nothing", "", "" },
	{ "two dollars are one", "$$S $$$S", "$S $set" },
	{ "a name ends where it can", "$S-$S.", "set-set." },
	{ "underscores and digits belong to it", "$_1", "under" },
	{ "braces", "a${S}b", "asetb" },
	{ "unset is empty", "[$U]", "[]" },
	{ "what comes out is not expanded again", "$D", "$S" },
	{ "a dollar before anything else stays", "$ $1 $(x) $", "$ $1 $(x) $" },
	{ "default when unset", "${U-x} ${E-x} ${S-x}", "x  set" },
	{ "default when unset or empty", "${U:-x} ${E:-x} ${S:-x}", "x x set" },
	{ "instead when set", "[${U+x}] [${E+x}] [${S+x}]", "[] [x] [x]" },
	{ "instead when set and not empty", "[${U:+x}] [${E:+x}] [${S:+x}]", "[] [] [x]" },
	{ "required and there", "${S?} ${E?} ${S:?why}", "set  set" },
	{ "required and not there", "${U?}", "required variable U is missing a value" },
	{ "the reason is expanded", "${E:?say $S}",
	  "required variable E is missing a value: say set" },
	{ "a word is a value again", "${U:-${E:-$S}}", "set" },
	{ "only the one that is used", "${S:-${U?no}}", "set" },
	{ "braces in a word", "${U:-{\"a\":{}}}", "{\"a\":{}}" },
	{ "an unbalanced one", "${U:-{}", "{" },
	{ "the first operator decides", "${U:-a?b}", "a?b" },
	{ "an empty word", "${U:-}", "" },
	{ "no closing brace", "${S", INVALID },
	{ "no name", "${}", INVALID },
	{ "a digit first", "${1A}", INVALID },
	{ "spaces", "${ S }", INVALID },
	{ "an unknown operator", "${S=x}", INVALID },
	{ "a colon alone", "${S:}", INVALID },
	{ "a slice", "${S:0:1}", INVALID },
	{ "two braces", "${{S}}", INVALID },
	{ "a line break in braces", "${U:-a\nb}", INVALID },
	{ "an error deep inside", "${U:-${V:-${}}}", INVALID },
};

TEST(variables_are_replaced)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lookup l = { .fn = look, .ctx = env, .missing = NULL };
		auto_free char *text = NULL;
		auto_err struct err *e = interpolate(rows[i].text, &l, &text);

		check_why(rows[i].why);
		CHECK_STR(e ? err_text(e) : text, rows[i].want);
	}
}

TEST(names_that_are_unset_and_have_no_default_are_told_once)
{
	auto_strv char **missing = NULL;
	auto_free char *text = NULL;
	struct lookup l = { .fn = look, .ctx = env, .missing = &missing };
	auto_err struct err *e = interpolate("$U ${V} ${W:-x} $U ${S:-$X} $E", &l, &text);

	CHECK(!e);
	auto_free char *names = strv_join(missing, " ");

	CHECK_STR(names, "U V");
}

TEST(nesting_is_limited)
{
	struct lookup l = { .fn = look, .ctx = env, .missing = NULL };
	char nested[1000] = "", *text = NULL;

	for (int i = 0; i < 120; i++)
		strcat(nested, "${U:-");
	strcat(nested, "x");
	for (int i = 0; i < 120; i++)
		strcat(nested, "}");
	auto_err struct err *e = interpolate(nested, &l, &text);

	CHECK_STR(err_text(e), "interpolation nested too deep");
	CHECK(!text);
}

TEST(a_value_cannot_grow_without_end)
{
	auto_free char *large = mem_alloc(3000), *many = mem_alloc(3000);
	char *const large_env[] = { large, NULL };
	struct lookup l = { .fn = look, .ctx = large_env, .missing = NULL };
	char *text = NULL;

	memset(large, 'x', 2900);
	memcpy(large, "A=", 2);
	for (size_t i = 0; i < 2900; i += 2)
		memcpy(many + i, "$A", 2);
	auto_err struct err *e = interpolate(many, &l, &text);

	CHECK_STR(err_text(e), "a value grows beyond 1048576 bytes");
}
