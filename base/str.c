/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

bool str_eq(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && strcmp(s + n - m, suffix) == 0;
}

bool str_one_of(const char *s, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(s, *list) == 0)
			return true;
	return false;
}

char *str_brief(const char *s, size_t max)
{
	size_t n = 0, kept = 0; /* characters, and the bytes of all but the last of @max */

	for (size_t i = 0; s[i]; i++)
		if (((unsigned char)s[i] & 0xc0) != 0x80 && ++n == max)
			kept = i;
	return n > max ? mem_printf("%.*s…", (int)kept, s) : mem_strdup(s);
}

struct err *str_number(const char *s, int64_t min, int64_t max, int64_t *ret)
{
	char *end;

	errno = 0;
	int64_t n = strtoll(s, &end, 10);
	bool sign = *s == '-' && min < 0;

	if (end == s || *end || strspn(s + sign, "0123456789") != (size_t)(end - s) - sign)
		return err_new(EINVAL, "'%s' is not a number", s);
	if (errno || n < min || n > max)
		return err_new(ERANGE, "'%s' is not between %" PRId64 " and %" PRId64, s, min, max);
	*ret = n;
	return NULL;
}

uint64_t str_hash(const void *data, size_t len)
{
	const unsigned char *p = data;
	uint64_t h = 0xcbf29ce484222325;

	for (; len > 0; len--, p++)
		h = (h ^ *p) * 0x100000001b3;
	return h;
}

size_t strv_len(char *const *v)
{
	size_t n = 0;

	while (v && v[n])
		n++;
	return n;
}

void strv_add(char ***v, char *take_s)
{
	strv_insert(v, strv_len(*v), take_s);
}

void strv_insert(char ***v, size_t at, char *take_s)
{
	size_t n = strv_len(*v);

	/* doubles: a list of n grows in O(n), its length is a power of two or known */
	if (!*v || (n & (n + 1)) == 0)
		*v = mem_grow(*v, (n + 1) * 2, sizeof(char *));
	memmove(*v + at + 1, *v + at, (n - at) * sizeof(char *));
	(*v)[at] = take_s;
	(*v)[n + 1] = NULL;
}

bool strv_has(char *const *v, const char *s)
{
	for (; v && *v; v++)
		if (strcmp(*v, s) == 0)
			return true;
	return false;
}

char **strv_dup(char *const *v)
{
	char **copy = NULL;

	for (; v && *v; v++)
		strv_add(&copy, mem_strdup(*v));
	return copy;
}

void strv_free(char **v)
{
	for (char **p = v; p && *p; p++)
		free(*p);
	free(v);
}

void strv_cleanup(char ***v)
{
	strv_free(*v);
}

char *strv_join(char *const *v, const char *between)
{
	char *s = mem_strdup("");

	for (size_t i = 0; v && v[i]; i++) {
		auto_free char *left = s;
		s = mem_printf("%s%s%s", left, i ? between : "", v[i]);
	}
	return s;
}

char **str_split(const char *s, const char *separators)
{
	size_t n = 0, room = 2;
	char **v = NULL;

	for (s += strspn(s, separators); *s; s += strspn(s, separators)) {
		size_t len = strcspn(s, separators);

		/* as strv_insert() grows, but without counting */
		if (!v || n + 1 == room) {
			room = v ? room * 2 : room;
			v = mem_grow(v, room, sizeof(char *));
		}
		v[n++] = mem_strndup(s, len);
		v[n] = NULL;
		s += len;
	}
	return v;
}

static size_t key_length(const char *assignment)
{
	return strcspn(assignment, "=");
}

const char *env_get(char *const *env, const char *key)
{
	size_t n = strlen(key);
	const char *found = NULL;

	for (; env && *env; env++)
		if (strncmp(*env, key, n) == 0 && (*env)[n] == '=')
			found = *env + n + 1;
	return found;
}

void env_set(char ***env, const char *assignment)
{
	size_t n = key_length(assignment);

	for (char **p = *env; p && *p; p++) {
		if (key_length(*p) != n || strncmp(*p, assignment, n) != 0)
			continue;
		free(*p);
		*p = mem_strdup(assignment);
		return;
	}
	strv_add(env, mem_strdup(assignment));
}

char *str_clean_path(const char *path)
{
	char *clean = mem_alloc(strlen(path) + 2);
	size_t n = 0;

	while (*path) {
		size_t len = strcspn(path, "/");

		if (len == 2 && path[0] == '.' && path[1] == '.') {
			while (n && clean[--n] != '/')
				;
		} else if (len && !(len == 1 && *path == '.')) {
			clean[n++] = '/';
			memcpy(clean + n, path, len);
			n += len;
		}
		path += len + (path[len] == '/');
	}
	if (n == 0)
		clean[n++] = '/';
	clean[n] = '\0';
	return clean;
}
