/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/compose_scalar.c - the grammars of single values. */
#include "base/mem.h"
#include "base/str.h"
#include "compose/internal.h"
#include "tests/check.h"

struct row {
	const char *why, *text, *want;
};

static const char *const types[] = { "null", "bool", "int", "float", "str", "list", "map" };

static const struct row plains[] = {
	{ "nothing", "", "null " },
	{ "a tilde", "~", "null " },
	{ "null in three cases", "Null", "null " },
	{ "but not in any", "nULL", "str nULL" },
	{ "true in three cases", "TRUE", "bool true" },
	{ "but not in any", "tRue", "str tRue" },
	{ "yes is a string", "yes", "str yes" },
	{ "decimal", "-12", "int -12" },
	{ "a plus goes", "+7", "int 7" },
	{ "underscores go", "1_000", "int 1000" },
	{ "hexadecimal", "0xFf", "int 255" },
	{ "octal", "0o17", "int 15" },
	{ "octal of old", "017", "int 15" },
	{ "binary", "0b101", "int 5" },
	{ "no octal digit: a float", "08", "float 8" },
	{ "the largest", "18446744073709551615", "int 18446744073709551615" },
	{ "one more is a float", "18446744073709551616", "float 1.8446744073709552e+19" },
	{ "the smallest", "-9223372036854775808", "int -9223372036854775808" },
	{ "minus zero is a float", "-0", "float -0" },
	{ "trailing zeros go", "1.10", "float 1.1" },
	{ "a fraction alone", ".5", "float 0.5" },
	{ "exponent", "1e3", "float 1000" },
	{ "a large one stays an exponent", "1e21", "float 1e+21" },
	{ "a small one too", "0.00001", "float 1e-05" },
	{ "shortest text that reads back", "0.1", "float 0.1" },
	{ "all 17 digits where needed", "0.30000000000000004", "float 0.30000000000000004" },
	{ "infinite", "-.inf", "float -Inf" },
	{ "not a number", ".NaN", "float NaN" },
	{ "beyond a double", "1e999", "str 1e999" },
	{ "an underscore is no digit", "_", "str _" },
	{ "nor first", "_1", "str _1" },
	{ "nor first behind the point", "._1", "str ._1" },
	{ "a point", ".", "str ." },
	{ "a sign", "-", "str -" },
	{ "no digits behind 0x", "0x", "str 0x" },
	{ "an exponent without digits", "1e", "str 1e" },
	{ "not base 60", "22:22", "str 22:22" },
	{ "a version", "1.2.3", "str 1.2.3" },
};

TEST(plain_scalars_are_typed_by_the_core_schema)
{
	for (size_t i = 0; i < ARRAY_LEN(plains); i++) {
		auto_free char *text = NULL;
		enum node_type type = scalar_resolve(plains[i].text, &text);
		auto_free char *got = mem_printf("%s %s", types[type], text);

		check_why(plains[i].why);
		CHECK_STR(got, plains[i].want);
	}
}

typedef struct err *parse_fn(const char *text, int64_t *ret);

static void check_numbers(const struct row *rows, size_t n, parse_fn *parse)
{
	for (size_t i = 0; i < n; i++) {
		int64_t value = 0;
		auto_err struct err *e = parse(rows[i].text, &value);
		auto_free char *got =
			e ? mem_strdup(err_text(e)) : mem_printf("%lld", (long long)value);

		check_why(rows[i].why);
		CHECK_STR(got, rows[i].want);
	}
}

static const struct row sizes[] = {
	{ "bytes", "512", "512" },
	{ "a letter", "1k", "1024" },
	{ "any case, with B", "2Mb", "2097152" },
	{ "the IEC name", "1GiB", "1073741824" },
	{ "a fraction", "1.5g", "1610612736" },
	{ "a fraction of a byte is cut", "1.9b", "1" },
	{ "a space before the unit", "4 k", "4096" },
	{ "an exponent", "1e3", "1000" },
	{ "a plus", "+1k", "1024" },
	{ "underscores between digits", "1_024", "1024" },
	{ "minus one means no limit", "-1", "-1" },
	{ "nothing", "", "'' is not a size; write 64m or 1.5g" },
	{ "words", "lots", "'lots' is not a size; write 64m or 1.5g" },
	{ "hexadecimal", "0x10", "'0x10' has an unknown unit; there are b, k, m, g, t and p" },
	{ "infinite", "inf", "'inf' is not a size; write 64m or 1.5g" },
	{ "two signs", "--1", "'--1' is not a size; write 64m or 1.5g" },
	{ "a space in front", " 1", "' 1' is not a size; write 64m or 1.5g" },
	{ "an unknown unit", "12q", "'12q' has an unknown unit; there are b, k, m, g, t and p" },
	{ "a unit behind an e", "1e", "'1e' has an unknown unit; there are b, k, m, g, t and p" },
	{ "two spaces", "1  k", "'1  k' has an unknown unit; there are b, k, m, g, t and p" },
	{ "negative with a unit", "-1k", "'-1k': a size cannot be negative" },
	{ "beyond 63 bits", "8388608t", "'8388608t' is too large" },
	{ "far beyond", "1e4000", "'1e4000' is too large" },
};

TEST(sizes_are_bytes_with_1024_based_units)
{
	check_numbers(sizes, ARRAY_LEN(sizes), compose_parse_bytes);
}

static const struct row durations[] = {
	{ "seconds", "10s", "10000" },
	{ "several parts", "1h5m30s20ms", "3930020" },
	{ "days and weeks", "1w1d", "691200000" },
	{ "fractions", "1.5s", "1500" },
	{ "fractions that have no binary form", "0.3s0.29s1.001s", "1591" },
	{ "a fraction alone", ".5s", "500" },
	{ "micro, in two alphabets", "1000us1000\u00b5s1000\u03bcs", "3" },
	{ "less than a millisecond is cut", "999999ns", "0" },
	{ "zero needs no unit", "0", "0" },
	{ "a sign", "-1s", "-1000" },
	{ "as long as Go's", "9223372036854775807ns", "9223372036854" },
	{ "nothing", "", "'' is not a duration; write 10s or 1m30s" },
	{ "a sign alone", "-", "'-' is not a duration; write 10s or 1m30s" },
	{ "no number", "s", "'s' is not a duration; write 10s or 1m30s" },
	{ "a point alone", ".s", "'.s' is not a duration; write 10s or 1m30s" },
	{ "two points", "1.2.3s", "'1.2.3s' is not a duration; write 10s or 1m30s" },
	{ "no unit", "10", "'10' has no unit; write 10s for seconds" },
	{ "a space", "1 s", "'1 s' has an unknown unit; there are ns, us, ms, s, m, h, d and w" },
	{ "upper case", "1S", "'1S' has an unknown unit; there are ns, us, ms, s, m, h, d and w" },
	{ "longer than 292 years", "300000d", "'300000d' is too long" },
};

TEST(durations_are_numbers_with_units)
{
	check_numbers(durations, ARRAY_LEN(durations), compose_parse_duration);
}

static const struct row nanos[] = {
	{ "a fraction", "0.5", "500000000" },
	{ "rounded, not cut", "0.1", "100000000" },
	{ "whole", "2", "2000000000" },
	{ "nothing", "", "'' is not a number" },
	{ "words", "two", "'two' is not a number" },
	{ "negative", "-1", "'-1' is out of range" },
	{ "huge", "1e30", "'1e30' is out of range" },
};

TEST(processors_are_counted_in_billionths)
{
	check_numbers(nanos, ARRAY_LEN(nanos), scalar_nano);
}

TEST(words_of_truth_are_taken_in_any_case)
{
	static const char *const yes[] = { "true", "Yes", "y", "ON" };
	static const char *const no[] = { "False", "NO", "n", "off" };
	static const char *const neither[] = { "", "1", "0", "yess", "trueeeeee" };

	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		bool flag = false;

		CHECK(!scalar_bool(yes[i], &flag) && flag);
		CHECK(!scalar_bool(no[i], &flag) && !flag);
	}
	for (size_t i = 0; i < ARRAY_LEN(neither); i++) {
		bool flag;
		auto_err struct err *e = scalar_bool(neither[i], &flag);
		auto_free char *want = mem_printf("'%s' is not true or false", neither[i]);

		CHECK_STR(err_text(e), want);
	}
}

static const struct row words[] = {
	{ "nothing is no words", "", "" },
	{ "blanks are no words", " \t\n", "" },
	{ "blanks of any kind and length", "a  b\tc\nd", "[a][b][c][d]" },
	{ "double quotes", "echo \"a b\"", "[echo][a b]" },
	{ "single quotes", "echo 'a \"b'", "[echo][a \"b]" },
	{ "a quoted nothing is a word", "a '' \"\"", "[a][][]" },
	{ "quotes in a word", "a\"b c\"d", "[ab cd]" },
	{ "an escaped space", "a\\ b", "[a b]" },
	{ "escapes in double quotes", "\"\\\"\\\\\\$\\`\"", "[\"\\$`]" },
	{ "any character can be escaped", "\"\\n\"", "[n]" },
	{ "none in single quotes", "'a\\b'", "[a\\b]" },
	{ "no shell: its characters are letters", "make $(z w) `w` #c", "[make][$(z w)][`w`][#c]" },
	{ "what a shell would do ends it", "make && run", "[make]" },
	{ "a subshell", "(a)", "no shell is run: '(' in '(a)' must be quoted" },
	{ "an open double quote", "echo \"a", "the quote \" is not closed in 'echo \"a'" },
	{ "an open single quote", "echo 'a", "the quote ' is not closed in 'echo 'a'" },
	{ "a last backslash", "echo a\\", "nothing follows the last backslash of 'echo a\\'" },
	{ "also in quotes", "\"a\\", "nothing follows the last backslash of '\"a\\'" },
};

TEST(a_command_line_is_split_as_by_a_shell_without_expansion)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		auto_strv char **v = NULL;
		const char *rest;
		auto_err struct err *e = scalar_words(words[i].text, &v, &rest);
		auto_free char *inner = strv_join(v, "][");
		auto_free char *got =
			e ? mem_strdup(err_text(e)) : mem_printf(v ? "[%s]" : "%s", inner);

		check_why(words[i].why);
		CHECK_STR(got, words[i].want);
	}
}
