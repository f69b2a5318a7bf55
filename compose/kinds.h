/* SPDX-License-Identifier: Apache-2.0 */
/* compose/kinds.h - the shapes a value can have: one kind each. */
#pragma once

#include "compose/internal.h"

extern const struct kind kind_str, kind_text, kind_flag, kind_int, kind_nano, kind_size, kind_time;
extern const struct kind kind_strv, kind_list, kind_words, kind_env, kind_caps, kind_hosts;
extern const struct kind kind_envfile, kind_names, kind_ports, kind_mounts, kind_depends;
extern const struct kind kind_table, kind_ulimits, kind_test, kind_signal, kind_restart, kind_any;

/* The C type a kind stores into; checked against the field at compile time. */
#define TYPE_str const char *
#define TYPE_text const char *
#define TYPE_signal const char *
#define TYPE_restart const char *
#define TYPE_flag bool
#define TYPE_int struct compose_int
#define TYPE_nano struct compose_int
#define TYPE_size struct compose_int
#define TYPE_time struct compose_int
#define TYPE_strv char **
#define TYPE_list char **
#define TYPE_env char **
#define TYPE_caps char **
#define TYPE_hosts char **
#define TYPE_names char **
#define TYPE_words struct compose_words
#define TYPE_test struct compose_words
#define TYPE_ports struct compose_ports
#define TYPE_mounts struct compose_mounts
#define TYPE_depends struct compose_depends
#define TYPE_ulimits struct compose_ulimits

#define FIELD(s, f, k)                                                                          \
	(offsetof(struct s, f) +                                                                \
	 0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((struct s *)0)->f), TYPE_##k) \
				 ? 1                                                            \
				 : -1]))

/* ---- what kinds are made of: kind.c ---- */

/* "must be @what, not ...". */
struct err *node_want(const struct node *n, const char *what) must_check never_null;
/* Puts @take_new where *n was. */
void node_become(struct node **n, struct node *take_new);
/* The text of a member that says something, or NULL; the map's. */
const char *node_member(const struct node *map, const char *key);
/* Fails where an item of @list is no string or number; makes strings of all of them. */
struct err *node_scalars(struct node *list) must_check;
