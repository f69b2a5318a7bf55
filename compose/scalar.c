/* SPDX-License-Identifier: Apache-2.0 */
/* compose/scalar.c - the grammars of single values. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "compose/internal.h"

static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
static const char *const trues[] = { "true", "True", "TRUE", NULL };
static const char *const falses[] = { "false", "False", "FALSE", NULL };

/* The digits of an integer in @base with the underscores taken out, or NULL. */
static char *digits(const char *s, int base)
{
	auto_free char *plain = mem_alloc(strlen(s) + 1);
	size_t n = 0;

	for (; *s; s++) {
		int c = tolower((unsigned char)*s);
		int value = isdigit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;

		if (c == '_' && n)
			continue;
		if (value >= base)
			return NULL;
		plain[n++] = *s;
	}
	return n ? steal(&plain) : NULL;
}

/* Decimal, 0x, 0o, 0b and the old 017; NULL when @s is none of them or does not fit 64 bits; -0 is a float. */
static char *resolve_int(const char *s)
{
	bool minus = *s == '-';
	int base = 10;

	s += *s == '-' || *s == '+';
	if (*s == '0' && s[1]) {
		char c = (char)tolower((unsigned char)s[1]);

		base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
		s += c == 'x' || c == 'b' || c == 'o' ? 2 : 1;
	}
	auto_free char *plain = digits(s, base);

	if (!plain)
		return NULL;
	errno = 0;
	uint64_t value = strtoull(plain, NULL, base);

	if (errno || (minus && (value == 0 || value > (uint64_t)INT64_MAX + 1)))
		return NULL;
	return mem_printf("%s%" PRIu64, minus ? "-" : "", value);
}

/* Digits, and underscores behind the first one. */
static size_t float_digits(const char *s)
{
	return *s == '_' ? 0 : strspn(s, "0123456789_");
}

static bool looks_float(const char *s)
{
	size_t whole, part = 0;

	s += *s == '-' || *s == '+';
	whole = float_digits(s);
	s += whole;
	if (*s == '.') {
		part = float_digits(++s);
		s += part;
	}
	if (whole + part == 0)
		return false;
	if (*s == 'e' || *s == 'E') {
		s += s[1] == '-' || s[1] == '+' ? 2 : 1;
		size_t exponent = strspn(s, "0123456789");

		if (!exponent)
			return false;
		s += exponent;
	}
	return *s == '\0';
}

/* The shortest text that reads back as @d, with an exponent where Go's %v has one. */
static char *float_text(double d)
{
	char text[64];
	int precision = 0, exponent;

	do
		snprintf(text, sizeof(text), "%.*e", precision, d);
	while (strtod(text, NULL) != d && ++precision < 17);
	exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
	if (exponent < -4 || exponent >= 6)
		return mem_strdup(text);
	return mem_printf("%.*f", precision > exponent ? precision - exponent : 0, d);
}

static char *resolve_float(const char *s)
{
	static const char *const infinite[] = { ".inf", ".Inf", ".INF", NULL };
	static const char *const nan[] = { ".nan", ".NaN", ".NAN", NULL };
	auto_free char *plain = mem_alloc(strlen(s) + 1);
	size_t n = 0;

	if (str_one_of(s, nan))
		return mem_strdup("NaN");
	if (str_one_of(s + (*s == '-' || *s == '+'), infinite))
		return mem_strdup(*s == '-' ? "-Inf" : "+Inf");
	if (!looks_float(s))
		return NULL;
	for (; *s; s++)
		if (*s != '_')
			plain[n++] = *s;
	double value = strtod(plain, NULL);

	return isinf(value) ? NULL : float_text(value);
}

enum node_type scalar_resolve(const char *text, char **ret_text)
{
	free(*ret_text);
	*ret_text = NULL;
	if (str_one_of(text, nulls)) {
		*ret_text = mem_strdup("");
		return NODE_NULL;
	}
	if (str_one_of(text, trues) || str_one_of(text, falses)) {
		*ret_text = mem_strdup(str_one_of(text, trues) ? "true" : "false");
		return NODE_BOOL;
	}
	*ret_text = resolve_int(text);
	if (*ret_text)
		return NODE_INT;
	*ret_text = resolve_float(text);
	if (*ret_text)
		return NODE_FLOAT;
	*ret_text = mem_strdup(text);
	return NODE_STR;
}

struct err *scalar_bool(const char *text, bool *ret)
{
	static const char *const yes[] = { "true", "y", "yes", "on", NULL };
	static const char *const no[] = { "false", "n", "no", "off", NULL };
	char low[8] = { 0 };

	for (size_t i = 0; text[i] && i < sizeof(low) - 1; i++)
		low[i] = (char)tolower((unsigned char)text[i]);
	bool fits = strlen(text) < sizeof(low);

	if (fits && str_one_of(low, yes))
		*ret = true;
	else if (fits && str_one_of(low, no))
		*ret = false;
	else
		return err_new(EINVAL, "'%s' is not true or false", text);
	return NULL;
}

struct err *scalar_nano(const char *text, int64_t *ret)
{
	char *end;

	if (!looks_float(text))
		return err_new(EINVAL, "'%s' is not a number", text);
	long double value = strtold(text, &end) * 1e9L;

	if (*end || value < 0 || value > 1e15L)
		return err_new(ERANGE, "'%s' is out of range", text);
	*ret = (int64_t)llroundl(value);
	return NULL;
}

struct unit {
	const char *name;
	long double factor;
};

static bool find_unit(const struct unit *units, const char *text, size_t len, bool any_case,
		      long double *ret)
{
	for (; units->name; units++)
		if (strlen(units->name) == len &&
		    (any_case ? strncasecmp(units->name, text, len)
			      : strncmp(units->name, text, len)) == 0) {
			*ret = units->factor;
			return true;
		}
	return false;
}

/* "1_000" is 1000. */
static char *without_underscores(const char *s)
{
	char *plain = mem_alloc(strlen(s) + 1);
	size_t n = 0;

	for (size_t i = 0; s[i]; i++)
		if (s[i] != '_' || i == 0 || !isdigit((unsigned char)s[i - 1]) ||
		    !isdigit((unsigned char)s[i + 1]))
			plain[n++] = s[i];
	return plain;
}

struct err *compose_parse_bytes(const char *text, int64_t *ret)
{
	static const struct unit units[] = {
		{ "", 1 },	    { "b", 1 },		{ "k", 0x1p10L },   { "kb", 0x1p10L },
		{ "kib", 0x1p10L }, { "m", 0x1p20L },	{ "mb", 0x1p20L },  { "mib", 0x1p20L },
		{ "g", 0x1p30L },   { "gb", 0x1p30L },	{ "gib", 0x1p30L }, { "t", 0x1p40L },
		{ "tb", 0x1p40L },  { "tib", 0x1p40L }, { "p", 0x1p50L },   { "pb", 0x1p50L },
		{ "pib", 0x1p50L }, { NULL, 0 },
	};
	auto_free char *plain = without_underscores(text);
	long double factor = 0;
	/* nothing of strtold's hexadecimal, infinite and blank */
	auto_free char *number = mem_strndup(plain, strspn(plain, "0123456789.eE+-"));
	char *end;
	long double value = strtold(number, &end);
	const char *rest = plain + (end - number); /* "1e" has no exponent: its unit is "e" */

	if (end == number)
		return err_new(EINVAL, "'%s' is not a size; write 64m or 1.5g", text);
	if (*text == '-' && *rest)
		return err_new(EINVAL, "'%s': a size cannot be negative", text);
	if (*rest == ' ' && rest[1])
		rest++;
	if (!find_unit(units, rest, strlen(rest), true, &factor))
		return err_new(EINVAL, "'%s' has an unknown unit; there are b, k, m, g, t and p",
			       text);
	value *= factor;
	if (value >= 0x1p63L || value < -0x1p63L)
		return err_new(ERANGE, "'%s' is too large", text);
	*ret = (int64_t)value;
	return NULL;
}

struct err *compose_parse_duration(const char *text, int64_t *ret_ms)
{
	static const struct unit units[] = {
		{ "ns", 1 },	   { "us", 1e3L },     { "\u00b5s", 1e3L }, { "\u03bcs", 1e3L },
		{ "ms", 1e6L },	   { "s", 1e9L },      { "m", 60e9L },	    { "h", 3600e9L },
		{ "d", 86400e9L }, { "w", 604800e9L }, { NULL, 0 },
	};
	const char *p = text + (*text == '-' || *text == '+');
	long double sum = 0;

	if (strcmp(p, "0") == 0) {
		*ret_ms = 0;
		return NULL;
	}
	if (!*p)
		return err_new(EINVAL, "'%s' is not a duration; write 10s or 1m30s", text);
	while (*p) {
		size_t n = strspn(p, "0123456789."), unit;
		auto_free char *number = mem_strndup(p, n);
		char *end;
		long double value = strtold(number, &end), factor = 0;

		unit = strcspn(p + n, "0123456789.");
		if (n == 0 || *end || strcmp(number, ".") == 0)
			return err_new(EINVAL, "'%s' is not a duration; write 10s or 1m30s", text);
		if (unit == 0)
			return err_new(EINVAL, "'%s' has no unit; write %ss for seconds", text,
				       text);
		if (!find_unit(units, p + n, unit, false, &factor))
			return err_new(
				EINVAL,
				"'%s' has an unknown unit; there are ns, us, ms, s, m, h, d and w",
				text);
		sum += roundl(value * factor); /* whole nanoseconds: 0.3s is 300 ms */
		p += n + unit;
	}
	if (sum >= 0x1p63L) /* 292 years, where Go's nanoseconds end */
		return err_new(ERANGE, "'%s' is too long", text);
	*ret_ms = (int64_t)sum / 1000000 * (*text == '-' ? -1 : 1);
	return NULL;
}

struct err *scalar_words(const char *text, char ***ret)
{
	auto_strv char **words = NULL;
	auto_free char *word = mem_alloc(strlen(text) + 1);
	size_t n = 0;
	bool open = false; /* a word has begun, maybe an empty one */
	char quote = 0;

	for (const char *p = text; *p; p++) {
		char c = *p;

		if (c == '\\' && !quote && !p[1])
			return err_new(EINVAL, "nothing follows the last backslash of '%s'", text);
		if (quote == '\'' ? c != '\'' : c == '\\' && p[1]) {
			bool escape = quote != '\'' && (quote == 0 || strchr("\\\"$`", p[1]));

			word[n++] = escape ? *++p : c;
			open = true;
		} else if (c == quote) {
			quote = 0;
		} else if (!quote && (c == '"' || c == '\'')) {
			quote = c;
			open = true;
		} else if (!quote && strchr(" \t\n\r", c)) {
			if (open)
				strv_add(&words, mem_strndup(word, n));
			n = 0;
			open = false;
		} else {
			word[n++] = c;
			open = true;
		}
	}
	if (quote)
		return err_new(EINVAL, "the quote %c is not closed in '%s'", quote, text);
	if (open)
		strv_add(&words, mem_strndup(word, n));
	*ret = steal(&words);
	return NULL;
}
