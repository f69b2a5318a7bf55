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

/* One or two digits (@n of exactly that many when @exact), moved over. */
static bool number(const char **p, size_t n, bool exact, int *ret)
{
	size_t digits = strspn(*p, "0123456789");
	char *end;

	if (digits == 0 || digits > n || (exact && digits != n))
		return false;
	*ret = (int)strtol(*p, &end, 10);
	*p = end;
	return true;
}

static bool skip(const char **p, const char *any)
{
	bool found = **p && strchr(any, **p);

	*p += found;
	return found;
}

static int days_of(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return month < 1 || month > 12 ? 0 : days[month - 1] + (month == 2 && leap);
}

/* "2024-1-2", and with a time of day: the text that Go makes of it, or NULL. */
static char *resolve_time(const char *s)
{
	int year, month, day, hour = 0, minute = 0, second = 0;
	bool zone = false, utc = true;
	auto_free char *part = mem_strdup("");

	if (!number(&s, 4, true, &year) || !skip(&s, "-") || !number(&s, 2, false, &month) ||
	    !skip(&s, "-") || !number(&s, 2, false, &day) || day < 1 || day > days_of(year, month))
		return NULL;
	if (*s) {
		zone = *s != ' ';
		if (!skip(&s, "Tt ") || !number(&s, 2, false, &hour) || !skip(&s, ":") ||
		    !number(&s, 2, false, &minute) || !skip(&s, ":") ||
		    !number(&s, 2, false, &second) || hour > 23 || minute > 59 || second > 59)
			return NULL;
		size_t n = *s == '.' ? 1 + strspn(s + 1, "0123456789") : 0;

		if (n == 1 || n > 10)
			return NULL;
		free(part);
		part = mem_strndup(s, n);
		s += n;
	}
	const char *offset = s;
	size_t length = strlen(part);

	while (length && strchr("0.", part[length - 1]))
		part[--length] = '\0';
	if (zone && !skip(&s, "Z")) {
		int hours, minutes;

		utc = false;
		if (!skip(&s, "+-") || !number(&s, 2, true, &hours) || !skip(&s, ":") ||
		    !number(&s, 2, true, &minutes) || hours > 23 || minutes > 59)
			return NULL;
	}
	if (*s)
		return NULL;
	if (utc)
		return mem_printf("%04d-%02d-%02d %02d:%02d:%02d%s +0000 UTC", year, month, day,
				  hour, minute, second, part);
	return mem_printf("%04d-%02d-%02d %02d:%02d:%02d%s %.3s%.2s %.3s%.2s", year, month, day,
			  hour, minute, second, part, offset, offset + 4, offset, offset + 4);
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
	*ret_text = resolve_time(text);
	if (*ret_text)
		return NODE_TIME;
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
	*ret = (int64_t)(value + 0.5L); /* no roundl(): libm costs every start 50 us */
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

struct err *scalar_duration(const char *text, int64_t *ret_ns)
{
	static const struct unit units[] = {
		{ "ns", 1 },	   { "us", 1e3L },     { "\u00b5s", 1e3L }, { "\u03bcs", 1e3L },
		{ "ms", 1e6L },	   { "s", 1e9L },      { "m", 60e9L },	    { "h", 3600e9L },
		{ "d", 86400e9L }, { "w", 604800e9L }, { NULL, 0 },
	};
	const char *p = text + (*text == '-' || *text == '+');
	long double sum = 0;

	if (strcmp(p, "0") == 0) {
		*ret_ns = 0;
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
		if (!(value * factor < 0x1p63L)) /* 292 years, where Go's nanoseconds end */
			return err_new(ERANGE, "'%s' is too long", text);
		sum += (uint64_t)(value * factor + 0.5L); /* whole nanoseconds: 0.3s is 300 ms */
		p += n + unit;
	}
	if (sum >= 0x1p63L)
		return err_new(ERANGE, "'%s' is too long", text);
	*ret_ns = (int64_t)sum * (*text == '-' ? -1 : 1);
	return NULL;
}

struct err *compose_parse_duration(const char *text, int64_t *ret_ms)
{
	int64_t ns = 0;

	TRY(scalar_duration(text, &ns));
	*ret_ms = ns / 1000000;
	return NULL;
}

/* @value / 10^@digits without zeros at the end: "1.5". */
static char *fraction(uint64_t value, int digits)
{
	uint64_t unit = 1;

	for (int i = 0; i < digits; i++)
		unit *= 10;
	char *text = mem_printf("%" PRIu64 ".%0*" PRIu64, value / unit, digits, value % unit);
	size_t n = strlen(text);

	while (text[n - 1] == '0')
		n--;
	n -= text[n - 1] == '.';
	text[n] = '\0';
	return text;
}

char *scalar_duration_text(int64_t ns)
{
	uint64_t n = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
	const char *sign = ns < 0 ? "-" : "";
	int digits = n < 1000 ? 0 : n < 1000000 ? 3 : n < 1000000000 ? 6 : 9;
	const char *unit = digits == 0 ? "ns" : digits == 3 ? "\u00b5s" : digits == 6 ? "ms" : "s";

	if (n == 0)
		return mem_strdup("0s");
	if (digits < 9) {
		auto_free char *number = digits ? fraction(n, digits) : mem_printf("%" PRIu64, n);

		return mem_printf("%s%s%s", sign, number, unit);
	}
	uint64_t minutes = n / 60000000000;
	auto_free char *seconds = fraction(n % 60000000000, 9);

	if (!minutes)
		return mem_printf("%s%ss", sign, seconds);
	if (minutes < 60)
		return mem_printf("%s%" PRIu64 "m%ss", sign, minutes, seconds);
	return mem_printf("%s%" PRIu64 "h%" PRIu64 "m%ss", sign, minutes / 60, minutes % 60,
			  seconds);
}

/* Whether a shell would begin something new here. A parenthesis is an error. */
static bool is_operator(char c)
{
	return c && strchr(";&|<>", c);
}

/* What docker compose's parser takes for words: it stops where a shell would do something else. */
struct err *scalar_words(const char *text, char ***ret, const char **ret_rest)
{
	auto_strv char **words = NULL;
	auto_free char *word = mem_alloc(strlen(text) + 1);
	size_t n = 0;
	bool open = false; /* a word has begun, maybe an empty one */
	char quote = 0;
	const char *p = text;

	for (; *p && (quote || !is_operator(*p)); p++) {
		char c = *p;

		if (c == '\\' && quote != '\'') {
			if (!p[1])
				return err_new(EINVAL, "nothing follows the last backslash of '%s'",
					       text);
			word[n++] = *++p;
			open = true;
		} else if (quote ? c == quote : c == '"' || c == '\'') {
			quote = quote ? 0 : c;
			open = true;
		} else if (!quote && c == '(' && n && word[n - 1] == '$') {
			size_t length = strcspn(p, ")");

			memcpy(word + n, p, length + (p[length] == ')'));
			n += length + (p[length] == ')');
			p += length - (p[length] != ')');
		} else if (!quote && (c == '(' || c == ')')) {
			return err_new(EINVAL, "no shell is run: '%c' in '%s' must be quoted", c,
				       text);
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
	*ret_rest = p;
	*ret = steal(&words);
	return NULL;
}
