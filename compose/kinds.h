/* SPDX-License-Identifier: Apache-2.0 */
/* compose/kinds.h - the shapes a value can have: one kind each. */
#pragma once

#include "compose/internal.h"

/* scalars: kind.c */
extern const struct kind kind_str, kind_maybe, kind_title, kind_name, kind_path, kind_choice,
	kind_policy, kind_either, kind_flag, kind_switch, kind_off, kind_int, kind_whole,
	kind_digits, kind_amount, kind_natural, kind_percent, kind_adjustment, kind_number,
	kind_nano, kind_size, kind_room, kind_memory, kind_time, kind_delay, kind_count, kind_any;
/* lists of strings: kind_list.c */
extern const struct kind kind_list, kind_distinct, kind_texts, kind_different, kind_strv,
	kind_words, kind_test, kind_caps, kind_hosts, kind_paths, kind_ssh;
/* mappings: kind_map.c */
extern const struct kind kind_env, kind_labels, kind_opts, kind_volume_opts, kind_plain,
	kind_any_opts, kind_multi, kind_table, kind_part, kind_map, kind_services, kind_names,
	kind_depends, kind_ulimits, kind_external, kind_build, kind_provider, kind_models,
	kind_contexts, kind_extends;
/* lists of mappings: kind_record.c */
extern const struct kind kind_records, kind_watches, kind_requests, kind_ports, kind_mounts,
	kind_type, kind_mode, kind_files, kind_devices, kind_gpus, kind_envfile, kind_hooks,
	kind_subnets, kind_include, kind_condition;

/* The C type a kind stores into; checked against the field at compile time. */
#define TYPE_str const char *
#define TYPE_path const char *
#define TYPE_maybe const char *
#define TYPE_title const char *
#define TYPE_name const char *
#define TYPE_digits const char *
#define TYPE_choice const char *
#define TYPE_count const char *
#define TYPE_policy const char *
#define TYPE_number const char *
#define TYPE_either const char *
#define TYPE_flag bool
#define TYPE_switch bool
#define TYPE_off bool
#define TYPE_external bool
#define TYPE_int struct compose_int
#define TYPE_whole struct compose_int
#define TYPE_amount struct compose_int
#define TYPE_natural struct compose_int
#define TYPE_percent struct compose_int
#define TYPE_adjustment struct compose_int
#define TYPE_mode struct compose_int
#define TYPE_nano struct compose_int
#define TYPE_size struct compose_int
#define TYPE_room struct compose_int
#define TYPE_memory struct compose_int
#define TYPE_time struct compose_int
#define TYPE_delay struct compose_int
#define TYPE_list char **
#define TYPE_different char **
#define TYPE_distinct char **
#define TYPE_path const char *
#define TYPE_texts char **
#define TYPE_strv char **
#define TYPE_paths char **
#define TYPE_env char **
#define TYPE_labels char **
#define TYPE_plain char **
#define TYPE_multi char **
#define TYPE_ssh char **
#define TYPE_volume_opts char **
#define TYPE_opts char **
#define TYPE_contexts char **
#define TYPE_caps char **
#define TYPE_hosts char **
#define TYPE_words struct compose_words
#define TYPE_test struct compose_words
#define TYPE_type enum compose_mount_type
#define TYPE_condition enum compose_condition

#define FIELD(s, f, k)                                                                          \
	(offsetof(struct s, f) +                                                                \
	 0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((struct s *)0)->f), TYPE_##k) \
				 ? 1                                                            \
				 : -1]))

/* ---- what kinds are made of ---- */

/* "must be @what, not ...". */
struct err *kind_want(const struct node *n, const char *what) must_check never_null;
/* @take_e at @n; NULL stays NULL. */
struct err *kind_at(const struct node *n, struct err *take_e) must_check;
/* Puts @take_new where *n was. */
void kind_become(struct node **n, struct node *take_new);
/* The text of a member that says something, or NULL; the map's. */
const char *kind_member(const struct node *map, const char *key);
/* Sets a member, written where @map is. */
void kind_set(struct node *map, const char *key, enum node_type type, const char *text);
/* A list with @text alone, or with a copy of *n, in the place of *n. */
void kind_alone(struct node **n);
/* The strings of a list, kept; NULL when there is none. */
char **kind_strings(struct loader *l, const struct node *list);
/* The widening of "string or list" to a list. */
void kind_widen_list(const struct attr *a, struct node **n);
/* The checks of a table, and of a list of strings. */
struct err *kind_norm_table(const struct loader *l, const struct attr *a,
			    struct node **n) must_check;
struct err *kind_norm_list(const struct loader *l, const struct attr *a,
			   struct node **n) must_check;
/* Reads a record: its place, its name when it stands in a mapping, its members by a->table. */
struct err *kind_read_record(struct loader *l, const struct attr *a, const struct node *n,
			     void *record) must_check;
/* All records of a list or a mapping. */
struct err *kind_read_records(struct loader *l, const struct attr *a, const struct node *n,
			      void *field) must_check;
struct err *kind_read_flag(struct loader *l, const struct attr *a, const struct node *n,
			   void *field) must_check;
char *kind_identity_text(const struct node *item);
