/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/json.h - JSON from strangers, by jansson, within limits.
 *
 * Path arguments are member names joined by dots ("process.cwd"). Getters
 * borrow from the object; a missing member and a null are the same.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

enum { JSON_DEPTH_LIMIT = 64 };

/*
 * Parses @len bytes. Errors: too large, too deep, or the parser's, with line and
 * column. Whole numbers from 2^63 to 2^64 - 1, which Go programs write for
 * "unlimited", become the int64 of the same bits: -1.
 */
struct err *json_parse(const char *text, size_t len, size_t max, json_t **ret) must_check;
struct err *json_read_file(int dir, const char *path, size_t max, json_t **ret) must_check;
/* Pretty with @indent spaces, or compact with 0; members in the order they were set. The caller's. */
char *json_text(const json_t *j, int indent) must_check;

json_t *json_at(const json_t *object, const char *path);
/* The member, or @fallback when it is missing; EINVAL naming @path when it has another type. */
struct err *json_get_str(const json_t *object, const char *path, const char **ret) must_check;
struct err *json_get_int(const json_t *object, const char *path, int64_t *ret) must_check;
struct err *json_get_bool(const json_t *object, const char *path, bool *ret) must_check;
struct err *json_get_list(const json_t *object, const char *path, json_t **ret) must_check;
/* A list of strings, copied; missing gives NULL. */
struct err *json_get_strv(const json_t *object, const char *path, char ***ret) must_check;

/* Sets @key to a copy; a NULL string or list is left out. */
void json_put_str(json_t *object, const char *key, const char *value);
void json_put_strv(json_t *object, const char *key, char *const *value);
void json_put_int(json_t *object, const char *key, int64_t value);
void json_put_bool(json_t *object, const char *key, bool value);

void json_cleanup(json_t **j);
#define auto_json cleanup_with(json_cleanup)
