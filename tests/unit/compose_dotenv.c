/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/compose_dotenv.c - .env files. */
#include "base/mem.h"
#include "base/str.h"
#include "compose/internal.h"
#include "tests/check.h"

static const char *const outer[] = { "S=set", "E=", NULL };

static const char *look(const void *ctx, const char *name)
{
	return env_get((char *const *)ctx, name);
}

static const struct {
	const char *why, *text, *want;
} rows[] = {
	{ "an empty file", "", "" },
	{ "comments and empty lines", "# a\n\n  # b\nA=1\n#c", "[A=1]" },
	{ "a byte order mark",
	  "\xef\xbb\xbf"
	  "A=1",
	  "[A=1]" },
	{ "lines of Windows", "A=1\r\nB=2\r\n", "[A=1][B=2]" },
	{ "export", "export A=1\nexport\t B=2\nexportC=3", "[A=1][B=2][exportC=3]" },
	{ "a colon", "A: 1\nB:2", "[A=1][B=2]" },
	{ "blanks around", "  A = 1  \n", "[A=1]" },
	{ "nothing", "A=\nB=''", "[A=][B=]" },
	{ "the later one wins", "A=1\nB=2\nA=3", "[A=3][B=2]" },
	{ "a comment needs a blank before it", "A=1#2\nB=1 #2\nC=#3", "[A=1#2][B=1][C=#3]" },
	{ "odd names", "a.b=1\nc-d=2\nE[0]=3\n1F=4\n\u00dc=5",
	  "[a.b=1][c-d=2][E[0]=3][1F=4][\u00dc=5]" },
	{ "more equal signs", "A=b=c\nB==", "[A=b=c][B==]" },
	{ "single quotes are literal", "A='$S \\n #x'", "[A=$S \\n #x]" },
	{ "but for the quote", "A='it\\'s'", "[A=it's]" },
	{ "over lines", "A='1\n2'\nB=\"3\n4\"", "[A=1\n2][B=3\n4]" },
	{ "escapes in double quotes", "A=\"\\t\\\\\\\"\\$S\\q\"", "[A=\t\\\"$S\\q]" },
	{ "a comment behind quotes", "A=\"1\" # c\nB='2'#d", "[A=1][B=2]" },
	{ "quotes inside", "A=a\"b\"", "[A=a\"b\"]" },
	{ "backslashes without quotes stay", "A=a\\nb\\$S", "[A=a\\nb\\set]" },
	{ "variables of the environment", "A=$S${E:-x}", "[A=setx]" },
	{ "and of earlier lines", "A=1\nB=\"$A-$C\"\nC=3", "[A=1][B=1-][C=3]" },
	{ "the environment comes first", "S=over\nA=$S", "[S=over][A=set]" },
	{ "a name alone is taken from there", "S\nexport E\nU\nA=1", "[S=set][E=][A=1]" },
	{ "a space in a name", "A=1\nB C=2", "f:2: the key 'B C' cannot contain a space" },
	{ "no name", "\n=1", "f:2: unexpected character '=' in a variable name" },
	{ "an open double quote", "A=1\nB=\"x\n\n", "f:2: the double quote is not closed" },
	{ "an open single quote", "A='\\'", "f:1: the single quote is not closed" },
	{ "text behind quotes", "A=\"1\n2\"3", "f:2: unexpected text behind the closing quote" },
	{ "a required variable", "A=1\nB=${U:?why}",
	  "f:2: required variable U is missing a value: why" },
	{ "lines are counted in quotes", "A='\n\n'\n?",
	  "f:4: unexpected character '?' in a variable name" },
};

TEST(assignments_are_read_as_docker_compose_reads_them)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lookup l = { .fn = look, .ctx = outer, .missing = NULL };
		auto_strv char **env = NULL;
		auto_err struct err *e = dotenv_parse("f", rows[i].text, &l, &env);
		auto_free char *inner = strv_join(env, "][");
		auto_free char *got =
			e ? mem_strdup(err_text(e)) : mem_printf(env ? "[%s]" : "%s", inner);

		check_why(rows[i].why);
		CHECK_STR(got, rows[i].want);
	}
}

TEST(octal_escapes_are_one_byte_and_never_a_variable)
{
	struct lookup l = { .fn = look, .ctx = outer, .missing = NULL };
	auto_strv char **env = NULL;
	auto_err struct err *e = dotenv_parse("f", "A=\"\\0101\\0044S\\0000\\08\"", &l, &env);

	CHECK(!e);
	CHECK_STR(env_get(env, "A"), "A$S\\0000\\08");
}
