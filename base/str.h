/* SPDX-License-Identifier: Apache-2.0 */
/* base/str.h - small helpers for strings and NULL-terminated lists of strings. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

bool str_eq(const char *a, const char *b); /* NULL equals only NULL */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
bool str_one_of(const char *s, const char *const *list); /* @list ends with NULL */

/* @s, of which at most @max characters of UTF-8 are shown: the last is "…" for those left out. The caller's. */
char *str_brief(const char *s, size_t max) must_check;

/* A decimal number in [@min, @max] and nothing else. */
struct err *str_number(const char *s, int64_t min, int64_t max, int64_t *ret) must_check;

/* @path from the root: "/a/c" for "a//./b/../c". ".." stops at the root. Nothing is looked at. */
char *str_clean_path(const char *path) must_check;

/* FNV-1a: for spreading, never for trust. */
uint64_t str_hash(const void *data, size_t len);

/* NULL-terminated lists; NULL is the empty list. */
size_t strv_len(char *const *v);
void strv_add(char ***v, char *take_s);
void strv_insert(char ***v, size_t at, char *take_s);
bool strv_has(char *const *v, const char *s);
char **strv_dup(char *const *v) must_check;
void strv_free(char **v);
char *strv_join(char *const *v, const char *between) must_check;
/* The pieces of @s between any of @separators, empty ones left out. */
char **str_split(const char *s, const char *separators) must_check;

/* "KEY=value" lists: the value of @key, or NULL; and the later one wins. */
const char *env_get(char *const *env, const char *key);
void env_set(char ***env, const char *assignment);

void strv_cleanup(char ***v);
#define auto_strv cleanup_with(strv_cleanup)
