/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

/* jansson recurses to 2048 levels; how deep a text goes is known before it is asked. */
static struct err *check_depth(const char *text, size_t len)
{
	bool string = false;
	int depth = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (string && c == '\\')
			i++;
		else if (c == '"')
			string = !string;
		else if (!string && (c == '{' || c == '['))
			depth++;
		else if (!string && (c == '}' || c == ']'))
			depth--;
		if (depth > JSON_DEPTH_LIMIT)
			return err_new(E2BIG, "JSON nested deeper than %d levels",
				       JSON_DEPTH_LIMIT);
	}
	return NULL;
}

enum { INT64_DIGITS = 19 };

/* The same text with whole numbers from 2^63 to 2^64 - 1 as the int64 of the same bits; the caller's. */
static char *unsigned_as_signed(const char *text, size_t len)
{
	char *out = mem_alloc(len + len / INT64_DIGITS + 2), *to = out;
	bool string = false;

	for (size_t i = 0; i < len;) {
		size_t digits = string || (i && strchr("+-.eE0123456789", text[i - 1]))
					? 0
					: strspn(text + i, "0123456789");
		unsigned long long n = 0;

		errno = 0;
		if (digits >= INT64_DIGITS && !strchr(".eE", text[i + digits]))
			n = strtoull(text + i, NULL, 10);
		if (n > INT64_MAX && !errno) {
			to += sprintf(to, "%lld", (long long)n);
			i += digits;
			continue;
		}
		if (text[i] == '\\' && string && i + 1 < len)
			*to++ = text[i++];
		else if (text[i] == '"')
			string = !string;
		*to++ = text[i++];
	}
	*to = '\0';
	return out;
}

struct err *json_parse(const char *text, size_t len, size_t max, json_t **ret)
{
	json_error_t error;

	if (len > max)
		return err_new(EFBIG, "JSON larger than %zu bytes", max);
	TRY(check_depth(text, len));
	json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);

	if (!j && json_error_code(&error) == json_error_numeric_overflow) {
		auto_free char *copy = mem_strndup(text, len); /* which ends with a NUL */
		auto_free char *fits = unsigned_as_signed(copy, strlen(copy));

		j = json_loads(fits, JSON_REJECT_DUPLICATES, &error);
	}
	if (!j)
		return err_new(EINVAL, "JSON line %d column %d: %s", error.line, error.column,
			       error.text);
	*ret = j;
	return NULL;
}

struct err *json_read_file(int dir, const char *path, size_t max, json_t **ret)
{
	auto_free char *text = NULL;

	TRY(fd_read_file(dir, path, max, &text));
	return err_wrap(json_parse(text, strlen(text), max, ret), "%s", path);
}

char *json_text(const json_t *j, int indent)
{
	char *text = json_dumps(j, (indent ? JSON_INDENT((size_t)indent) : JSON_COMPACT) |
					   JSON_ENCODE_ANY);

	return text ? text : mem_strdup("null");
}

json_t *json_at(const json_t *object, const char *path)
{
	json_t *j = (json_t *)(uintptr_t)object;

	while (j && *path) {
		size_t n = strcspn(path, ".");
		auto_free char *name = mem_strndup(path, n);

		j = json_object_get(j, name);
		path += n + (path[n] == '.');
	}
	return j && !json_is_null(j) ? j : NULL;
}

static struct err *wrong(const char *path, const char *want)
{
	return err_new(EINVAL, "%s: must be %s", path, want);
}

struct err *json_get_str(const json_t *object, const char *path, const char **ret)
{
	const json_t *j = json_at(object, path);

	if (j && !json_is_string(j))
		return wrong(path, "a string");
	if (j)
		*ret = json_string_value(j);
	return NULL;
}

struct err *json_get_int(const json_t *object, const char *path, int64_t *ret)
{
	const json_t *j = json_at(object, path);

	if (j && !json_is_integer(j))
		return wrong(path, "an integer");
	if (j)
		*ret = json_integer_value(j);
	return NULL;
}

struct err *json_get_bool(const json_t *object, const char *path, bool *ret)
{
	const json_t *j = json_at(object, path);

	if (j && !json_is_boolean(j))
		return wrong(path, "true or false");
	if (j)
		*ret = json_is_true(j);
	return NULL;
}

struct err *json_get_list(const json_t *object, const char *path, json_t **ret)
{
	json_t *j = json_at(object, path);

	if (j && !json_is_array(j))
		return wrong(path, "a list");
	if (j)
		*ret = j;
	return NULL;
}

struct err *json_get_strv(const json_t *object, const char *path, char ***ret)
{
	auto_strv char **v = NULL;
	json_t *list = NULL;

	TRY(json_get_list(object, path, &list));
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);

		if (!json_is_string(item))
			return wrong(path, "a list of strings");
		strv_add(&v, mem_strdup(json_string_value(item)));
	}
	*ret = steal(&v);
	return NULL;
}

void json_put_str(json_t *object, const char *key, const char *value)
{
	if (!value)
		return;
	json_t *s = json_string(value);

	/* bytes that are not UTF-8 are shown, not lost */
	if (!s) {
		auto_free char *safe = mem_strdup(value);

		for (char *p = safe; *p; p++)
			if ((unsigned char)*p >= 0x80)
				*p = '?';
		s = json_string(safe);
	}
	json_object_set_new(object, key, s);
}

void json_put_strv(json_t *object, const char *key, char *const *value)
{
	if (!value)
		return;
	json_t *list = json_array();

	for (; *value; value++)
		json_array_append_new(list, json_string(*value));
	json_object_set_new(object, key, list);
}

void json_put_int(json_t *object, const char *key, int64_t value)
{
	json_object_set_new(object, key, json_integer(value));
}

void json_put_bool(json_t *object, const char *key, bool value)
{
	json_object_set_new(object, key, json_boolean(value));
}

void json_cleanup(json_t **j)
{
	json_decref(*j);
}
