/* SPDX-License-Identifier: Apache-2.0 */
/* compose/kind.c - the kinds of single values. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "compose/kinds.h"

typedef struct err *parse_int_fn(const char *text, int64_t *ret);

struct err *kind_want(const struct node *n, const char *what)
{
	static const char *const names[] = { "nothing",	 "true or false", "a number",  "a number",
					     "a string", "a list",	  "a mapping", "a date" };

	return node_err(n, "must be %s, not %s", what, names[n->type]);
}

struct err *kind_at(const struct node *n, struct err *take_e)
{
	auto_err struct err *e = take_e;

	return e ? node_err(n, "%s", err_text(e)) : NULL;
}

void kind_become(struct node **n, struct node *take_new)
{
	take_new->parent = (*n)->parent;
	take_new->key = (*n)->key;
	node_free(*n);
	*n = take_new;
}

const char *kind_member(const struct node *map, const char *key)
{
	const struct node *n = node_get(map, key);

	return n && n->type != NODE_NULL && *n->text ? n->text : NULL;
}

void kind_set(struct node *map, const char *key, enum node_type type, const char *text)
{
	node_set(map, key, node_scalar(type, text, map));
}

/* ---- text ---- */

static struct err *norm_str(const struct loader *l, const struct attr *a, struct node **n)
{
	(void)l;
	(void)a;
	return (*n)->type == NODE_STR ? NULL : kind_want(*n, "a string");
}

static bool is_number(const struct node *n)
{
	return n->type == NODE_INT || n->type == NODE_FLOAT;
}

static struct err *norm_maybe(const struct loader *l, const struct attr *a, struct node **n)
{
	return (*n)->type == NODE_NULL ? NULL : norm_str(l, a, n);
}

static struct err *norm_digits(const struct loader *l, const struct attr *a, struct node **n)
{
	(void)l;
	(void)a;
	if ((*n)->type == NODE_INT)
		(*n)->type = NODE_STR;
	return (*n)->type == NODE_STR ? NULL : kind_want(*n, "a string or a whole number");
}

/* A path on this host, made absolute. */
static struct err *norm_path(const struct loader *l, const struct attr *a, struct node **n)
{
	TRY(norm_str(l, a, n));
	char *path = load_path(l, *n, (*n)->text);

	free((*n)->text);
	(*n)->text = path;
	return NULL;
}

static struct err *read_str(struct loader *l, const struct attr *a, const struct node *n,
			    void *field)
{
	(void)l;
	(void)a;
	*(const char **)field = *n->text ? n->text : NULL;
	return NULL;
}

static struct err *norm_choice(const struct loader *l, const struct attr *a, struct node **n)
{
	auto_strv char **words = str_split(a->choices, "|");

	TRY(norm_str(l, a, n));
	if (strv_has(words, (*n)->text))
		return NULL;
	auto_free char *all = strv_join(words, ", ");

	return node_err(*n, "'%s' is not one of %s", (*n)->text, all);
}

/* "every_12h", "every_1d12h" */
static bool is_interval(const char *s)
{
	size_t digits = 1;

	for (; *s && digits; s += digits + (digits != 0)) {
		digits = strspn(s, "0123456789");
		if (!s[digits] || !strchr("wdhms", s[digits]))
			digits = 0;
	}
	return digits != 0;
}

static struct err *norm_policy(const struct loader *l, const struct attr *a, struct node **n)
{
	static const char *const words[] = { "always",	       "never",	  "build",
					     "if_not_present", "missing", "refresh",
					     "daily",	       "weekly",  NULL };
	const char *text = (*n)->text;

	TRY(norm_str(l, a, n));
	if (str_one_of(text, words) ||
	    (str_starts(text, "every_") && text[6] && is_interval(text + 6)))
		return NULL;
	return node_err(
		*n,
		"'%s' is not a pull policy; there are always, never, missing, build, daily, "
		"weekly, refresh and every_12h",
		text);
}

/* ---- true and false ---- */

static struct err *norm_flag(const struct loader *l, const struct attr *a, struct node **n)
{
	bool value = false;

	(void)l;
	(void)a;
	if ((*n)->type == NODE_BOOL)
		return NULL;
	if ((*n)->type != NODE_STR)
		return kind_want(*n, "true or false");
	TRY(kind_at(*n, scalar_bool((*n)->text, &value)));
	kind_become(n, node_scalar(NODE_BOOL, value ? "true" : "false", *n));
	return NULL;
}

struct err *kind_read_flag(struct loader *l, const struct attr *a, const struct node *n,
			   void *field)
{
	(void)l;
	(void)a;
	*(bool *)field = strcmp(n->text, "true") == 0;
	return NULL;
}

static struct err *read_off(struct loader *l, const struct attr *a, const struct node *n,
			    void *field)
{
	(void)l;
	(void)a;
	*(bool *)field = strcmp(n->text, "true") != 0;
	return NULL;
}

/* A word, or true or false, kept as the word. */
static struct err *norm_either(const struct loader *l, const struct attr *a, struct node **n)
{
	(void)l;
	(void)a;
	if ((*n)->type == NODE_BOOL)
		(*n)->type = NODE_STR;
	return (*n)->type == NODE_STR ? NULL : kind_want(*n, "a string, or true or false");
}

/* ---- numbers ---- */

static struct err *parse_int(const char *text, int64_t *ret)
{
	return str_number(*text == '+' && text[1] != '-' ? text + 1 : text, INT64_MIN, INT64_MAX,
			  ret);
}

static struct err *norm_int(const struct loader *l, const struct attr *a, struct node **n)
{
	int64_t value = 0;

	(void)l;
	(void)a;
	if (!is_number(*n) && (*n)->type != NODE_STR)
		return kind_want(*n, "a whole number");
	TRY(kind_at(*n, parse_int((*n)->text, &value)));
	auto_free char *text = mem_printf("%lld", (long long)value);

	kind_become(n, node_scalar(NODE_INT, text, *n)); /* "010" is ten, and no JSON */
	return NULL;
}

/* What is behind the point is left out, as in docker compose. */
static struct err *norm_amount(const struct loader *l, const struct attr *a, struct node **n)
{
	if ((*n)->type == NODE_FLOAT) {
		double value = strtod((*n)->text, NULL);
		auto_free char *text = mem_printf("%.0f", trunc(value));

		if (!(value > -1e15 && value < 1e15))
			return node_err(*n, "'%s' is out of range", (*n)->text);
		kind_become(n, node_scalar(NODE_INT, text, *n));
	}
	return norm_int(l, a, n);
}

static struct err *norm_natural(const struct loader *l, const struct attr *a, struct node **n)
{
	TRY(norm_amount(l, a, n));
	return *(*n)->text == '-' ? node_err(*n, "must not be negative") : NULL;
}

/* From 0 to 100. */
static struct err *norm_percent(const struct loader *l, const struct attr *a, struct node **n)
{
	TRY(norm_int(l, a, n));
	return *(*n)->text == '-' || strtoll((*n)->text, NULL, 10) > 100
		       ? node_err(*n, "'%s' is not between 0 and 100", (*n)->text)
		       : NULL;
}

static struct err *norm_adjustment(const struct loader *l, const struct attr *a, struct node **n)
{
	TRY(norm_int(l, a, n));
	return llabs(strtoll((*n)->text, NULL, 10)) > 1000
		       ? node_err(*n, "'%s' is not between -1000 and 1000", (*n)->text)
		       : NULL;
}

static struct err *norm_nano(const struct loader *l, const struct attr *a, struct node **n)
{
	int64_t value;
	auto_free char *text = NULL;

	(void)l;
	(void)a;
	if (!is_number(*n) && (*n)->type != NODE_STR)
		return kind_want(*n, "a number");
	TRY(kind_at(*n, scalar_nano((*n)->text, &value)));
	if ((*n)->type == NODE_STR) {
		enum node_type type = scalar_resolve((*n)->text, &text);

		kind_become(n, node_scalar(type, text, *n));
	}
	return NULL;
}

/* Any number, kept as it is written. */
static struct err *norm_number(const struct loader *l, const struct attr *a, struct node **n)
{
	char *end;

	(void)l;
	(void)a;
	if (is_number(*n))
		return NULL;
	if ((*n)->type != NODE_STR)
		return kind_want(*n, "a number");
	(void)strtod((*n)->text, &end);
	if (end == (*n)->text || *end)
		return node_err(*n, "'%s' is not a number", (*n)->text);
	auto_free char *text = NULL;
	enum node_type type = scalar_resolve((*n)->text, &text);

	if (type == NODE_INT || type == NODE_FLOAT)
		kind_become(n, node_scalar(type, text, *n));
	return NULL;
}

/* Bytes: a string, as docker compose prints them; but -1, which is "no limit", is a number. */
static struct err *norm_size(const struct loader *l, const struct attr *a, struct node **n)
{
	int64_t value = 0;

	(void)l;
	(void)a;
	if (!is_number(*n) && (*n)->type != NODE_STR)
		return kind_want(*n, "a size");
	if ((*n)->type == NODE_STR && *(*n)->text == '-')
		return node_err(*n,
				"'%s': a size cannot be negative; no limit is -1 without quotes",
				(*n)->text);
	TRY(kind_at(*n, compose_parse_bytes((*n)->text, &value)));
	auto_free char *text = mem_printf("%lld", (long long)value);

	kind_become(n, node_scalar(value < 0 ? NODE_INT : NODE_STR, text, *n));
	return NULL;
}

/* A size that must be a string. */
static struct err *norm_memory(const struct loader *l, const struct attr *a, struct node **n)
{
	TRY(norm_str(l, a, n));
	return norm_size(l, a, n);
}

static struct err *norm_room(const struct loader *l, const struct attr *a, struct node **n)
{
	TRY(norm_size(l, a, n));
	return *(*n)->text == '-' ? node_err(*n, "must not be negative") : NULL;
}

static struct err *norm_time(const struct loader *l, const struct attr *a, struct node **n)
{
	int64_t ns = 0;

	(void)l;
	(void)a;
	if (is_number(*n))
		return node_err(*n, "must be a string with a unit, \"%ss\" for seconds",
				(*n)->text);
	if ((*n)->type != NODE_STR)
		return kind_want(*n, "a duration");
	TRY(kind_at(*n, scalar_duration((*n)->text, &ns)));
	auto_free char *text = scalar_duration_text(ns);

	kind_become(n, node_scalar(NODE_STR, text, *n));
	return NULL;
}

/* A number; all of them is -1. */
static struct err *norm_count(const struct loader *l, const struct attr *a, struct node **n)
{
	if ((*n)->type == NODE_STR && strcmp((*n)->text, "all") == 0)
		kind_become(n, node_scalar(NODE_INT, "-1", *n));
	return norm_int(l, a, n);
}

/* Two characters or more of those that a container's name has, anywhere in it. */
static struct err *norm_name(const struct loader *l, const struct attr *a, struct node **n)
{
	static const char more[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789_.-";

	TRY(norm_str(l, a, n));
	for (const char *p = (*n)->text; *p; p++)
		if (isalnum((unsigned char)*p) && p[1] && strchr(more, p[1]))
			return NULL;
	return node_err(*n, "'%s' is not a container name: two or more letters, digits, _ . and -",
			(*n)->text);
}

static struct err *read_number(const struct node *n, void *field, parse_int_fn *parse)
{
	struct compose_int *v = field;

	v->set = true;
	return kind_at(n, parse(n->text, &v->value));
}

#define READ_NUMBER(name, parse)                                                              \
	static struct err *name(struct loader *l, const struct attr *a, const struct node *n, \
				void *f)                                                      \
	{                                                                                     \
		(void)l;                                                                      \
		(void)a;                                                                      \
		return read_number(n, f, parse);                                              \
	}
READ_NUMBER(read_int, parse_int)
READ_NUMBER(read_nano, scalar_nano)
READ_NUMBER(read_size, compose_parse_bytes)
READ_NUMBER(read_time, compose_parse_duration)

/* clang-format off */
const struct kind kind_str    = { .label = "string", .zero = "", .normalise = norm_str, .read = read_str };
const struct kind kind_maybe  = { .label = "string, or nothing", .null = true, .zero = "", .normalise = norm_maybe, .read = read_str };
const struct kind kind_title  = { .label = "string", .normalise = norm_str, .read = read_str };
const struct kind kind_name   = { .label = "name of a container", .zero = "", .normalise = norm_name, .read = read_str };
const struct kind kind_path   = { .label = "path on this host", .zero = "", .normalise = norm_path, .read = read_str };
const struct kind kind_choice = { .label = "one of", .normalise = norm_choice, .read = read_str };
const struct kind kind_policy = { .label = "pull policy", .zero = "", .normalise = norm_policy, .read = read_str };
const struct kind kind_either = { .label = "string, or true or false", .zero = "", .normalise = norm_either, .read = read_str };
const struct kind kind_flag   = { .label = "true or false", .zero = "false", .normalise = norm_flag, .read = kind_read_flag };
const struct kind kind_switch = { .label = "true or false", .normalise = norm_flag, .read = kind_read_flag };
const struct kind kind_off    = { .label = "true or false", .normalise = norm_flag, .read = read_off };
const struct kind kind_int    = { .label = "whole number", .normalise = norm_int, .read = read_int };
const struct kind kind_whole  = { .label = "whole number", .zero = "0", .normalise = norm_int, .read = read_int };
const struct kind kind_digits = { .label = "string or whole number", .zero = "", .normalise = norm_digits, .read = read_str };
const struct kind kind_amount = { .label = "whole number", .zero = "0", .normalise = norm_amount, .read = read_int };
const struct kind kind_natural = { .label = "whole number from 0", .normalise = norm_natural, .read = read_int };
const struct kind kind_percent = { .label = "0 to 100", .zero = "0", .normalise = norm_percent, .read = read_int };
const struct kind kind_adjustment = { .label = "-1000 to 1000", .zero = "0", .normalise = norm_adjustment, .read = read_int };
const struct kind kind_number = { .label = "number", .zero = "0", .normalise = norm_number, .read = read_str };
const struct kind kind_nano   = { .label = "number with a fraction", .zero = "0", .normalise = norm_nano, .read = read_nano };
const struct kind kind_size   = { .label = "bytes (64m, 1.5g)", .zero = "0", .normalise = norm_size, .read = read_size };
const struct kind kind_room   = { .label = "bytes (64m, 1.5g)", .zero = "0", .normalise = norm_room, .read = read_size };
const struct kind kind_memory = { .label = "bytes, a string (\"64m\")", .zero = "0", .normalise = norm_memory, .read = read_size };
const struct kind kind_time   = { .label = "duration (1m30s)", .normalise = norm_time, .read = read_time };
const struct kind kind_delay  = { .label = "duration (1m30s)", .zero = "0s", .normalise = norm_time, .read = read_time };
const struct kind kind_count  = { .label = "whole number, or all", .normalise = norm_count, .read = read_str };
const struct kind kind_any    = { .label = "anything", .null = true };
/* clang-format on */
