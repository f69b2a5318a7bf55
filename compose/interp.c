/* SPDX-License-Identifier: Apache-2.0 */
/* compose/interp.c - $NAME and ${NAME:-word} in values. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "compose/internal.h"

enum { NESTING_MAX = 100 };

struct output {
	char *text;
	size_t n, room;
};

static struct err *expand(const char *s, size_t len, const struct lookup *l, unsigned depth,
			  struct output *o);

static struct err *put(struct output *o, const char *s, size_t n)
{
	if (o->n + n > INTERPOLATED_MAX)
		return err_new(EFBIG, "a value grows beyond %d bytes", INTERPOLATED_MAX);
	if (o->n + n + 1 > o->room) {
		o->room = (o->n + n + 1) * 2;
		o->text = mem_grow(o->text, o->room, 1);
	}
	memcpy(o->text + o->n, s, n);
	o->n += n;
	o->text[o->n] = '\0';
	return NULL;
}

static size_t name_length(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && (s[n] == '_' || (s[n] >= 'a' && s[n] <= 'z') ||
			   (s[n] >= 'A' && s[n] <= 'Z') || (n && s[n] >= '0' && s[n] <= '9')))
		n++;
	return n;
}

static struct err *invalid(void)
{
	return err_new(EINVAL, "invalid interpolation format; a literal $ is written $$");
}

/*
 * The length of what stands before the brace that closes "${", or -1. Without
 * one that balances it is the last of the line: "${A:-{}" has the default "{".
 */
static ssize_t braced_length(const char *s, size_t len)
{
	ssize_t last = -1;
	int depth = 1;

	for (size_t i = 0; i < len && s[i] != '\n'; i++) {
		if (s[i] == '{')
			depth++;
		if (s[i] != '}')
			continue;
		last = (ssize_t)i;
		if (--depth == 0)
			break;
	}
	return last;
}

static struct err *unset(const struct lookup *l, const char *name)
{
	if (l->missing && !strv_has(*l->missing, name))
		strv_add(l->missing, mem_strdup(name));
	return NULL;
}

/* NAME, or NAME with an operator and a word. */
static struct err *substitute(const char *s, size_t len, const struct lookup *l, unsigned depth,
			      struct output *o)
{
	size_t n = name_length(s, len);
	auto_free char *name = mem_strndup(s, n);
	const char *value = l->fn(l->ctx, name);

	if (n == 0)
		return invalid();
	if (l->seen) {
		size_t skip = n < len && s[n] == ':';
		char operator= n + skip<len ? s[n + skip] : 0;
		auto_free char *text = operator? mem_strndup(s + n + skip + 1, len - n - skip - 1)
					       : NULL;

		l->seen(l->seen_ctx, name, operator, text ? text : "");
	}
	if (n == len)
		return value ? put(o, value, strlen(value)) : unset(l, name);

	bool colon = s[n] == ':';
	size_t word = n + colon + 1;
	bool empty = !value || (colon && !*value);

	if (word > len)
		return invalid();
	switch (s[n + colon]) {
	case '-':
		return empty ? expand(s + word, len - word, l, depth + 1, o)
			     : put(o, value, strlen(value));
	case '+':
		return empty ? NULL : expand(s + word, len - word, l, depth + 1, o);
	case '?':
		break;
	default:
		return invalid();
	}
	if (!empty)
		return put(o, value, strlen(value));

	if (l->seen) /* who only looks goes on */
		return expand(s + word, len - word, l, depth + 1, o);

	struct output why = { 0 };
	struct err *e = expand(s + word, len - word, l, depth + 1, &why);

	if (!e)
		e = err_new(EINVAL, "required variable %s is missing a value%s%s", name,
			    why.n ? ": " : "", why.n ? why.text : "");
	free(why.text);
	return e;
}

static struct err *expand(const char *s, size_t len, const struct lookup *l, unsigned depth,
			  struct output *o)
{
	if (depth > NESTING_MAX)
		return err_new(E2BIG, "interpolation nested too deep");
	for (size_t i = 0; i < len;) {
		const char *dollar = memchr(s + i, '$', len - i);
		size_t literal = dollar ? (size_t)(dollar - s) - i : len - i;

		TRY(put(o, s + i, literal));
		i += literal;
		if (!dollar)
			break;
		if (i + 1 < len && s[i + 1] == '$') {
			TRY(put(o, "$", 1));
			i += 2;
		} else if (i + 1 < len && s[i + 1] == '{') {
			ssize_t inner = braced_length(s + i + 2, len - i - 2);

			if (inner < 0)
				return invalid();
			TRY(substitute(s + i + 2, (size_t)inner, l, depth, o));
			i += (size_t)inner + 3;
		} else {
			size_t n = name_length(s + i + 1, len - i - 1);

			/* "$1", "$(cmd)" and a last "$" stand for themselves */
			TRY(n ? substitute(s + i + 1, n, l, depth, o) : put(o, "$", 1));
			i += n + 1;
		}
	}
	return NULL;
}

struct err *interpolate(const char *text, const struct lookup *l, char **ret)
{
	struct output o = { 0 };
	struct err *e = expand(text, strlen(text), l, 0, &o);

	if (e)
		free(o.text);
	else
		*ret = o.text ? o.text : mem_strdup("");
	return e;
}
