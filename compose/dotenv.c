/* SPDX-License-Identifier: Apache-2.0 */
/* compose/dotenv.c - .env and env_file: KEY=value lines, as docker compose reads them. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "compose/internal.h"

struct dotenv {
	const char *file;
	const char *p; /* what is left */
	unsigned line;
	const struct lookup *outer;
	char ***env;
};

/* The environment first, then what the file has set so far. */
static const char *look(const void *ctx, const char *name)
{
	const struct dotenv *d = ctx;
	const char *value = d->outer->fn(d->outer->ctx, name);

	return value ? value : env_get(*d->env, name);
}

static never_null struct err *error_here(const struct dotenv *d, const char *what)
{
	return err_new(EINVAL, "%s:%u: %s", d->file, d->line, what);
}

static void skip_space(struct dotenv *d)
{
	while (*d->p && strchr(" \t\r\n", *d->p))
		d->line += *d->p++ == '\n';
}

static void skip_line(struct dotenv *d)
{
	d->p += strcspn(d->p, "\n");
}

static struct err *expand_value(const struct dotenv *d, const char *raw, char **ret)
{
	struct lookup l = { .fn = look, .ctx = d, .missing = d->outer->missing };
	struct err *e = interpolate(raw, &l, ret);

	return e ? err_wrap(e, "%s:%u", d->file, d->line) : NULL;
}

static struct err *read_key(struct dotenv *d, char **ret)
{
	size_t n = 0;

	if (str_starts(d->p, "export") && (d->p[6] == ' ' || d->p[6] == '\t')) {
		d->p += 6;
		d->p += strspn(d->p, " \t");
	}
	while (isalnum((unsigned char)d->p[n]) || (d->p[n] && strchr("_.-[]", d->p[n])) ||
	       (unsigned char)d->p[n] >= 0x80)
		n++;
	if (n == 0) {
		auto_free char *what =
			mem_printf("unexpected character '%c' in a variable name", *d->p);
		return error_here(d, what);
	}
	*ret = mem_strndup(d->p, n);
	d->p += n;
	size_t space = strspn(d->p, " \t\r");

	if (d->p[space] && !strchr("=:\n#", d->p[space])) {
		auto_free char *what = mem_printf("the key '%s%.*s' cannot contain a space", *ret,
						  (int)strcspn(d->p, "=:\n"), d->p);
		free(*ret);
		*ret = NULL;
		return error_here(d, what);
	}
	d->p += space;
	return NULL;
}

/* The text between @quote characters, escapes left in; `p` is left behind the closing one. */
static struct err *quoted_text(struct dotenv *d, char quote, char **ret)
{
	const char *start = ++d->p;
	unsigned line = d->line;

	for (; *d->p && *d->p != quote; d->p++) {
		if (*d->p == '\\' && d->p[1] && (quote == '"' || d->p[1] == quote))
			d->p++;
		line += *d->p == '\n';
	}
	if (!*d->p)
		return error_here(d, quote == '"' ? "the double quote is not closed"
						  : "the single quote is not closed");
	*ret = mem_strndup(start, (size_t)(d->p - start));
	d->p++;
	d->line = line;
	return NULL;
}

/* Between single quotes only the quote itself can be escaped. */
static char *unescape_single(const char *s)
{
	char *out = mem_alloc(strlen(s) + 1);
	size_t n = 0;

	for (; *s; s++) {
		s += *s == '\\' && s[1] == '\'';
		out[n++] = *s;
	}
	return out;
}

/* The character of "0NNN", three octal digits; 0 when it is something else. */
static char octal(const char *s)
{
	if (*s != '0' || s[1] > '3' || strspn(s + 1, "01234567") < 3)
		return 0;
	return (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + s[3] - '0');
}

/* One escape of double quotes, behind its backslash. *ret_length: what it took. */
static char escaped(const char *s, size_t *ret_length)
{
	static const char from[] = "nrtabfv\"\\$", to[] = "\n\r\t\a\b\f\v\"\\$";
	const char *which = strchr(from, *s);
	int c = which ? to[which - from] : octal(s);

	*ret_length = which ? 1 : 4;
	return (char)c;
}

/* "\$" becomes "$$", which interpolation makes a plain "$"; unknown escapes stay. */
static char *unescape(const char *s)
{
	char *out = mem_alloc(2 * strlen(s) + 1);
	size_t n = 0, length;

	while (*s) {
		char c = '\0';

		if (*s == '\\' && s[1])
			c = escaped(s + 1, &length);
		if (!c) {
			out[n++] = *s++;
			continue;
		}
		if (c == '$')
			out[n++] = '$';
		out[n++] = c;
		s += 1 + length;
	}
	return out;
}

static struct err *read_value(struct dotenv *d, char **ret)
{
	auto_free char *raw = NULL;
	size_t n;

	d->p += strspn(d->p, " \t");
	if (*d->p == '\'') {
		TRY(quoted_text(d, '\'', &raw));
		*ret = unescape_single(raw);
		return NULL;
	}
	if (*d->p == '"') {
		TRY(quoted_text(d, '"', &raw));
		auto_free char *plain = unescape(raw);
		return expand_value(d, plain, ret);
	}
	n = strcspn(d->p, "\n");
	for (size_t i = 0; i < n; i++) /* a comment needs a space before it */
		if (i && d->p[i] == '#' && strchr(" \t", d->p[i - 1]))
			n = i;
	size_t end = n;

	while (end > 0 && strchr(" \t\r", d->p[end - 1]))
		end--;
	raw = mem_strndup(d->p, end);
	d->p += n;
	return expand_value(d, raw, ret);
}

static struct err *read_statement(struct dotenv *d)
{
	auto_free char *key = NULL, *value = NULL;

	TRY(read_key(d, &key));
	if (*d->p != '=' && *d->p != ':') { /* a name alone: from the environment */
		const char *outer = d->outer->fn(d->outer->ctx, key);

		value = mem_strdup(outer);
	} else {
		d->p++;
		TRY(read_value(d, &value));
		d->p += strspn(d->p, " \t\r");
		if (*d->p && *d->p != '\n' && *d->p != '#')
			return error_here(d, "unexpected text behind the closing quote");
	}
	if (value) {
		auto_free char *assignment = mem_printf("%s=%s", key, value);
		env_set(d->env, assignment);
	}
	skip_line(d);
	return NULL;
}

struct err *dotenv_parse(const char *file, const char *text, const struct lookup *l, char ***env)
{
	struct dotenv d = { .file = file, .p = text, .line = 1, .outer = l, .env = env };

	if (str_starts(text, "\xef\xbb\xbf"))
		d.p += 3;
	for (;;) {
		skip_space(&d);
		if (!*d.p)
			return NULL;
		if (*d.p == '#')
			skip_line(&d);
		else
			TRY(read_statement(&d));
	}
}
