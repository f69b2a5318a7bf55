/* SPDX-License-Identifier: Apache-2.0 */
/* base/template_call.c - the functions of templates: Go's own, and those that docker adds. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/template_tree.h"

#define bad(c, ...) template_err((c)->template, (c)->at, __VA_ARGS__)

/* ---- values as text ---- */

bool template_truth(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return json_object_size(v) > 0;
	case JSON_ARRAY:
		return json_array_size(v) > 0;
	case JSON_STRING:
		return json_string_length(v) > 0;
	case JSON_INTEGER:
		return json_integer_value(v) != 0;
	case JSON_REAL:
		return json_real_value(v) != 0;
	case JSON_TRUE:
		return true;
	default:
		return false;
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void print_value(const json_t *v, FILE *out);

static void print_object(const json_t *v, FILE *out)
{
	auto_strv char **keys = NULL;
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)v, key, value) strv_add(&keys, mem_strdup(key));
	if (keys)
		qsort(keys, strv_len(keys), sizeof(*keys), by_text);
	fputs("map[", out);
	for (char **k = keys; k && *k; k++) {
		fprintf(out, "%s%s:", k == keys ? "" : " ", *k);
		print_value(json_object_get(v, *k), out);
	}
	fputc(']', out);
}

/* As Go's %v. */
static void print_value(const json_t *v, FILE *out)
{
	char real[32];

	switch (json_typeof(v)) {
	case JSON_OBJECT:
		print_object(v, out);
		break;
	case JSON_ARRAY:
		fputc('[', out);
		for (size_t i = 0; i < json_array_size(v); i++) {
			fputs(i ? " " : "", out);
			print_value(json_array_get(v, i), out);
		}
		fputc(']', out);
		break;
	case JSON_STRING:
		fwrite(json_string_value(v), 1, json_string_length(v), out);
		break;
	case JSON_INTEGER:
		fprintf(out, "%lld", (long long)json_integer_value(v));
		break;
	case JSON_REAL: /* the shorter text that reads back as the same */
		snprintf(real, sizeof(real), "%.15g", json_real_value(v));
		if (strtod(real, NULL) != json_real_value(v))
			snprintf(real, sizeof(real), "%.17g", json_real_value(v));
		fputs(real, out);
		break;
	case JSON_NULL:
		fputs("<nil>", out);
		break;
	default:
		fputs(json_is_true(v) ? "true" : "false", out);
	}
}

char *template_text(const json_t *v)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	print_value(v, f);
	fclose(f);
	return text;
}

/* @take_text as a value; bounded, so that no function makes more and more of it. */
static struct err *give(const struct template_call *c, char *take_text, json_t **ret)
{
	auto_free char *text = take_text;

	if (strlen(text) > TEMPLATE_TEXT_MAX)
		return bad(c, "a text of more than %d bytes", TEMPLATE_TEXT_MAX);
	*ret = json_string(text);
	return *ret ? NULL : bad(c, "a text is not UTF-8");
}

static struct err *want_string(const struct template_call *c, size_t i, const char **ret)
{
	*ret = json_string_value(c->args[i]);
	return *ret ? NULL : bad(c, "argument %zu is no text", i + 1);
}

static struct err *want_number(const struct template_call *c, size_t i, int64_t max, int64_t *ret)
{
	*ret = json_integer_value(c->args[i]);
	if (!json_is_integer(c->args[i]) || *ret < 0 || *ret > max)
		return bad(c, "argument %zu is no number from 0 to %lld", i + 1, (long long)max);
	return NULL;
}

/* ---- texts ---- */

static struct err *call_json(const struct template_call *c, json_t **ret)
{
	return give(c, json_text(c->args[0], 0), ret);
}

static struct err *change_case(const struct template_call *c, int (*first)(int), int (*rest)(int),
			       json_t **ret)
{
	const char *text = NULL;

	TRY(want_string(c, 0, &text));
	char *copy = mem_strdup(text);

	for (size_t i = 0; copy[i]; i++) {
		bool begins = i == 0 || isspace((unsigned char)copy[i - 1]);

		if (begins || rest)
			copy[i] = (char)(begins ? first : rest)((unsigned char)copy[i]);
	}
	return give(c, copy, ret);
}

static struct err *call_upper(const struct template_call *c, json_t **ret)
{
	return change_case(c, toupper, toupper, ret);
}

static struct err *call_lower(const struct template_call *c, json_t **ret)
{
	return change_case(c, tolower, tolower, ret);
}

static struct err *call_title(const struct template_call *c, json_t **ret)
{
	return change_case(c, toupper, NULL, ret);
}

static struct err *call_join(const struct template_call *c, json_t **ret)
{
	const char *between = NULL;
	char *text = NULL;
	size_t len;

	TRY(want_string(c, 1, &between));
	if (!json_is_array(c->args[0]))
		return bad(c, "argument 1 is no list");
	FILE *f = open_memstream(&text, &len);

	/* more than give() takes is not made */
	for (size_t i = 0; i < json_array_size(c->args[0]) && ftello(f) <= TEMPLATE_TEXT_MAX; i++) {
		fputs(i ? between : "", f);
		print_value(json_array_get(c->args[0], i), f);
	}
	fclose(f);
	return give(c, text, ret);
}

static struct err *call_split(const struct template_call *c, json_t **ret)
{
	const char *text = NULL, *between = NULL, *end;

	TRY(want_string(c, 0, &text));
	TRY(want_string(c, 1, &between));
	if (!*between)
		return bad(c, "argument 2 is empty");
	*ret = json_array();
	for (; (end = strstr(text, between)) != NULL; text = end + strlen(between))
		json_array_append_new(*ret, json_stringn(text, (size_t)(end - text)));
	json_array_append_new(*ret, json_string(text));
	return NULL;
}

/* How many bytes the first @n characters of UTF-8 take. */
static size_t bytes_of(const char *s, size_t n)
{
	size_t i = 0;

	while (s[i] && n) {
		i++;
		while (((unsigned char)s[i] & 0xc0) == 0x80)
			i++;
		n--;
	}
	return i;
}

static size_t characters(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static struct err *call_truncate(const struct template_call *c, json_t **ret)
{
	const char *text = NULL;
	int64_t n = 0;

	TRY(want_string(c, 0, &text));
	TRY(want_number(c, 1, TEMPLATE_TEXT_MAX, &n));
	return give(c, mem_strndup(text, bytes_of(text, (size_t)n)), ret);
}

static struct err *call_pad(const struct template_call *c, json_t **ret)
{
	const char *text = NULL;
	int64_t before = 0, after = 0;

	TRY(want_string(c, 0, &text));
	TRY(want_number(c, 1, TEMPLATE_WIDTH_MAX, &before));
	TRY(want_number(c, 2, TEMPLATE_WIDTH_MAX, &after));
	return give(c,
		    *text ? mem_printf("%*s%s%*s", (int)before, "", text, (int)after, "")
			  : mem_strdup(""),
		    ret);
}

/* ---- print and its kin ---- */

/* Go's Print puts blanks where neither side is a text, Println everywhere. */
static struct err *print_all(const struct template_call *c, bool line, json_t **ret)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	for (size_t i = 0; i < c->n; i++) {
		if (i && (line || (!json_is_string(c->args[i]) && !json_is_string(c->args[i - 1]))))
			fputc(' ', f);
		print_value(c->args[i], f);
	}
	fputs(line ? "\n" : "", f);
	fclose(f);
	return give(c, text, ret);
}

static struct err *call_print(const struct template_call *c, json_t **ret)
{
	return print_all(c, false, ret);
}

static struct err *call_println(const struct template_call *c, json_t **ret)
{
	return print_all(c, true, ret);
}

struct verb {
	char flags[8];
	int64_t width, precision; /* -1: none */
	char letter;
	size_t len; /* of all of it */
};

/* Behind the %. */
static struct err *read_verb(const struct template_call *c, const char *s, struct verb *ret)
{
	const char *from = s;
	char *end;

	*ret = (struct verb) { .precision = -1 };
	for (size_t n = 0; *s && strchr("-+ 0#", *s); s++) {
		if (n + 1 == sizeof(ret->flags))
			return bad(c, "printf: too many flags");
		ret->flags[n++] = *s;
	}
	ret->width = isdigit((unsigned char)*s) ? strtoll(s, &end, 10) : 0;
	if (isdigit((unsigned char)*s))
		s = end;
	if (*s == '.') {
		ret->precision = strtoll(s + 1, &end, 10);
		s = isdigit((unsigned char)s[1]) ? end : s + 1;
	}
	if (ret->width > TEMPLATE_WIDTH_MAX || ret->precision > TEMPLATE_WIDTH_MAX)
		return bad(c, "printf: a width of more than %d", TEMPLATE_WIDTH_MAX);
	ret->letter = *s;
	ret->len = (size_t)(s - from) + 1;
	return *s && strchr("svdqtfgexX", *s)
		       ? NULL
		       : bad(c,
			     "printf: there are %%s, %%v, %%d, %%q, %%t, %%f, %%g, %%e, %%x, %%X "
			     "and %%%%");
}

/* In the field that the verb says. */
static void put_padded(const struct verb *v, const char *text, FILE *out)
{
	size_t len = v->precision >= 0 ? bytes_of(text, (size_t)v->precision) : strlen(text);
	auto_free char *cut = mem_strndup(text, len);
	size_t have = characters(cut);
	int missing = (size_t)v->width > have ? (int)((size_t)v->width - have) : 0;
	bool left = strchr(v->flags, '-') != NULL;

	fprintf(out, "%*s%s%*s", left ? 0 : missing, "", cut, left ? missing : 0, "");
}

static void put_number(const struct verb *v, const json_t *arg, FILE *out)
{
	char format[32];
	bool whole = strchr("dxX", v->letter) != NULL;

	/* flags, width and precision were read by us; the rest of the format is ours */
	snprintf(format, sizeof(format), "%%%s*.*%s%c", v->flags, whole ? "ll" : "", v->letter);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	if (whole)
		fprintf(out, format, (int)v->width, (int)v->precision,
			(long long)json_integer_value(arg));
	else
		fprintf(out, format, (int)v->width, (int)v->precision, json_number_value(arg));
#pragma GCC diagnostic pop
}

static struct err *put_verb(const struct template_call *c, const struct verb *v, const json_t *arg,
			    FILE *out)
{
	bool real = strchr("fge", v->letter) != NULL, whole = strchr("dxX", v->letter) != NULL;

	if ((whole && !json_is_integer(arg)) || (real && !json_is_number(arg)) ||
	    (v->letter == 't' && !json_is_boolean(arg)) ||
	    (v->letter == 'q' && !json_is_string(arg))) {
		auto_free char *text = template_text(arg);

		return bad(c, "printf: %%%c is not for '%.32s'", v->letter, text);
	}
	if (whole || real) {
		put_number(v, arg, out);
		return NULL;
	}
	auto_free char *text = v->letter == 'q' ? json_text(arg, 0) : template_text(arg);

	put_padded(v, text, out);
	return NULL;
}

static struct err *format_all(const struct template_call *c, const char *format, FILE *out)
{
	size_t used = 1;

	for (; *format; format++) {
		struct verb v;

		if (*format != '%' || format[1] == '%') {
			format += *format == '%';
			fputc(*format, out);
			continue;
		}
		TRY(read_verb(c, format + 1, &v));
		if (used == c->n)
			return bad(c, "printf: more verbs than arguments");
		TRY(put_verb(c, &v, c->args[used++], out));
		format += v.len;
	}
	return used == c->n ? NULL : bad(c, "printf: more arguments than verbs");
}

static struct err *call_printf(const struct template_call *c, json_t **ret)
{
	const char *format = NULL;
	char *text = NULL;
	size_t len;

	TRY(want_string(c, 0, &format));
	FILE *f = open_memstream(&text, &len);
	struct err *e = format_all(c, format, f);

	fclose(f);
	if (!e)
		return give(c, text, ret);
	free(text);
	return e;
}

/* ---- lists and mappings ---- */

static struct err *call_len(const struct template_call *c, json_t **ret)
{
	const json_t *v = c->args[0];

	if (!json_is_string(v) && !json_is_array(v) && !json_is_object(v))
		return bad(c, "len is of texts, lists and mappings");
	*ret = json_integer((json_int_t)(json_is_string(v)  ? json_string_length(v)
					 : json_is_array(v) ? json_array_size(v)
							    : json_object_size(v)));
	return NULL;
}

/* What is not in a mapping is nil, as with Go. */
static struct err *call_index(const struct template_call *c, json_t **ret)
{
	json_t *v = c->args[0];

	for (size_t i = 1; i < c->n; i++) {
		const json_t *key = c->args[i];

		if (json_is_object(v) && json_is_string(key)) {
			v = json_object_get(v, json_string_value(key));
			if (!v)
				v = json_null();
		} else if (json_is_array(v) && json_is_integer(key)) {
			json_int_t at = json_integer_value(key);

			if (at < 0 || (size_t)at >= json_array_size(v))
				return bad(c, "index: there is no item %lld in a list of %zu",
					   (long long)at, json_array_size(v));
			v = json_array_get(v, (size_t)at);
		} else {
			return bad(c, "index is of mappings by text, and of lists by number");
		}
	}
	*ret = json_incref(v);
	return NULL;
}

/* ---- comparing ---- */

static struct err *call_not(const struct template_call *c, json_t **ret)
{
	*ret = json_boolean(!template_truth(c->args[0]));
	return NULL;
}

/* The first equals any of the others. */
static struct err *call_eq(const struct template_call *c, json_t **ret)
{
	bool equal = false;

	for (size_t i = 1; i < c->n && !equal; i++)
		equal = json_is_number(c->args[0]) && json_is_number(c->args[i])
				? json_number_value(c->args[0]) == json_number_value(c->args[i])
				: json_equal(c->args[0], c->args[i]);
	*ret = json_boolean(equal);
	return NULL;
}

static struct err *call_ne(const struct template_call *c, json_t **ret)
{
	json_t *equal = NULL;

	TRY(call_eq(c, &equal));
	*ret = json_boolean(!json_is_true(equal));
	json_decref(equal);
	return NULL;
}

static struct err *compare(const struct template_call *c, int *ret)
{
	const json_t *a = c->args[0], *b = c->args[1];

	if (json_is_string(a) && json_is_string(b)) {
		*ret = strcmp(json_string_value(a), json_string_value(b));
	} else if (json_is_number(a) && json_is_number(b)) {
		double x = json_number_value(a), y = json_number_value(b);

		*ret = (x > y) - (x < y);
	} else {
		return bad(c, "texts and numbers can be compared with their like");
	}
	return NULL;
}

#define COMPARISON(name, sign)                                                      \
	static struct err *call_##name(const struct template_call *c, json_t **ret) \
	{                                                                           \
		int order = 0;                                                      \
                                                                                    \
		TRY(compare(c, &order));                                            \
		*ret = json_boolean(order sign 0);                                  \
		return NULL;                                                        \
	}
COMPARISON(lt, <)
COMPARISON(le, <=)
COMPARISON(gt, >)
COMPARISON(ge, >=)

/* clang-format off */
static const struct template_function functions[] = {
	{ "and",      1, TEMPLATE_ARGUMENTS_MAX, NULL },
	{ "or",       1, TEMPLATE_ARGUMENTS_MAX, NULL },
	{ "not",      1, 1, call_not },
	{ "eq",       2, TEMPLATE_ARGUMENTS_MAX, call_eq },
	{ "ne",       2, 2, call_ne },
	{ "lt",       2, 2, call_lt },
	{ "le",       2, 2, call_le },
	{ "gt",       2, 2, call_gt },
	{ "ge",       2, 2, call_ge },
	{ "index",    1, TEMPLATE_ARGUMENTS_MAX, call_index },
	{ "len",      1, 1, call_len },
	{ "json",     1, 1, call_json },
	{ "join",     2, 2, call_join },
	{ "split",    2, 2, call_split },
	{ "upper",    1, 1, call_upper },
	{ "lower",    1, 1, call_lower },
	{ "title",    1, 1, call_title },
	{ "truncate", 2, 2, call_truncate },
	{ "pad",      3, 3, call_pad },
	{ "print",    0, TEMPLATE_ARGUMENTS_MAX, call_print },
	{ "printf",   1, TEMPLATE_ARGUMENTS_MAX, call_printf },
	{ "println",  0, TEMPLATE_ARGUMENTS_MAX, call_println },
};
/* clang-format on */

const struct template_function *template_function(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(functions); i++)
		if (strcmp(functions[i].name, name) == 0)
			return &functions[i];
	return NULL;
}

char *template_functions(void)
{
	auto_strv char **names = NULL;

	for (size_t i = 0; i < ARRAY_LEN(functions); i++)
		strv_add(&names, mem_strdup(functions[i].name));
	return strv_join(names, " ");
}
