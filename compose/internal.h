/* SPDX-License-Identifier: Apache-2.0 */
/* compose/internal.h - the untyped tree, the small grammars and the attribute tables. */
#pragma once

#include "compose/compose.h"

enum {
	FILE_SIZE_MAX = 16 << 20,   /* bytes of one file */
	DEPTH_MAX = 200,	    /* levels of nesting */
	ALIAS_NODES_MAX = 200000,   /* nodes that anchors and aliases copy, in one file */
	ANCHORS_MAX = 1000,	    /* in one document */
	PORTS_MAX = 100000,	    /* of all services and files: a few words make 65535 */
	INTERPOLATED_MAX = 1 << 20, /* bytes of one value after interpolation */
};

/* ---- tree: node.c ---- */

enum node_type { NODE_NULL, NODE_BOOL, NODE_INT, NODE_FLOAT, NODE_STR, NODE_LIST, NODE_MAP };

/* A YAML node. Where it was written travels with it into every message. */
struct node {
	enum node_type type;
	char *text;	     /* scalar: canonical for its type */
	char *tag;	     /* "!reset", "!override" or NULL */
	struct node **items; /* list and map, in file order */
	char **keys;	     /* map */
	size_t n, room;
	unsigned *slots; /* map: hash index, made when it grows; see find() */
	size_t n_slots;
	const char *file; /* kept by the loader */
	unsigned line, column;
	const char *key; /* in @parent; NULL for list items and the root */
	const struct node *parent;
};

struct node *node_new(enum node_type type, const struct node *at) must_check;
struct node *node_scalar(enum node_type type, const char *text, const struct node *at) must_check;
struct node *node_copy(const struct node *n) must_check;
void node_free(struct node *n);
bool node_is_scalar(const struct node *n);
struct node *node_get(const struct node *map, const char *key);
struct node *node_take(struct node *map, const char *key);
void node_set(struct node *map, const char *key, struct node *take_value);
void node_append(struct node *list, struct node *take_value);
void node_replace_item(struct node *parent, size_t i, struct node *take_value);
void node_remove_item(struct node *list, size_t i);
char *node_path(const struct node *n) must_check;
struct err *node_err(const struct node *n, const char *fmt, ...) must_check never_null
	printf_like(2, 3);
void node_cleanup(struct node **n);
#define auto_node cleanup_with(node_cleanup)

/* ---- bytes to trees: yaml.c ---- */

/* All documents of @text (@len bytes). @file must outlive them. */
struct err *yaml_read(const char *file, const char *text, size_t len, struct node ***ret,
		      size_t *ret_n) must_check;
struct err *yaml_print(const struct node *n, FILE *out) must_check;
void node_print_json(const struct node *n, FILE *out);

/* ---- small grammars: scalar.c, interp.c, dotenv.c, short.c ---- */

/* The type of a plain scalar by YAML's core schema as docker compose reads it; *ret_text canonical. */
enum node_type scalar_resolve(const char *text, char **ret_text) must_check;
struct err *scalar_bool(const char *text, bool *ret) must_check;
struct err *scalar_nano(const char *text, int64_t *ret) must_check; /* "0.5" to 500000000 */
/* POSIX-like words without expansion. */
struct err *scalar_words(const char *text, char ***ret) must_check;

/* What a name stands for, or NULL. */
typedef const char *lookup_fn(const void *ctx, const char *name);
struct lookup {
	lookup_fn *fn;
	const void *ctx;
	char ***missing; /* names that were unset and had no default; NULL: not wanted */
};
struct err *interpolate(const char *text, const struct lookup *l, char **ret) must_check;

/* Adds the assignments of @text to @env ("K=v"); errors start with "FILE:LINE: ". */
struct err *dotenv_parse(const char *file, const char *text, const struct lookup *l,
			 char ***env) must_check;

struct loader;
/* Short forms to long forms; the new nodes stand where @n stood. */
struct err *short_port(const struct node *n,
		       struct node *list) must_check; /* appends: ranges give several */
/* A long form: checked, its defaults filled in. */
struct err *short_complete_port(struct node *port) must_check;
struct err *short_volume(const struct loader *l, const struct node *n,
			 struct node **ret) must_check;

/* ---- attributes: attr.c, kind.c, tables.c ---- */

enum merge {
	REPLACE,  /* the later file wins */
	APPEND,	  /* lists are joined */
	UNIQUE,	  /* joined; an equal entry replaces the earlier one */
	BY_KEY,	  /* mappings are joined, the later value of a key wins */
	BY_TABLE, /* joined attribute by attribute */
};

enum support { FULL, PARTIAL, IGNORED, REFUSED };

struct attr {
	const char *name;
	const struct kind *kind; /* NULL: REFUSED */
	enum merge merge;
	enum support support;
	size_t offset;
	const struct attr *table; /* of the members, for kinds that have some */
	const char *doc;	  /* what it does, or why it is not here */
};

struct kind {
	const char *label; /* the forms it takes, for the reference */
	/* Turns what the file says into the canonical form; checks it. NULL: as it stands. */
	struct err *(*normalise)(const struct loader *l, const struct attr *a, struct node **n);
	/* What makes two entries of a UNIQUE list equal; the caller's. */
	char *(*identity)(const struct node *item);
	/* From the canonical form into the model. */
	struct err *(*read)(struct loader *l, const struct attr *a, const struct node *n,
			    void *field);
};

extern const struct attr service_attrs[], volume_attrs[], network_attrs[], project_attrs[];
extern const struct attr port_attrs[], mount_attrs[], depend_attrs[], health_attrs[],
	ulimit_attrs[];
extern const struct attr env_file_attrs[], bind_attrs[], mount_volume_attrs[], tmpfs_attrs[];

struct err *attr_normalise(const struct loader *l, const struct attr *table,
			   struct node *map) must_check;
struct err *attr_merge(const struct attr *table, struct node *base,
		       struct node *take_over) must_check;
struct err *attr_read(struct loader *l, const struct attr *table, const struct node *map,
		      void *object) must_check;
void attr_print_reference(const struct attr *table, FILE *out);

/* ---- the load itself: load.c ---- */

struct keep; /* memory that lives as long as the project */

struct loader {
	const struct compose_options *options;
	char *dir;	   /* project directory, absolute */
	char **env;	   /* environment, then .env files below it */
	struct node *root; /* what has been merged so far */
	struct project *owner;
	char **missing; /* variables that were not set */
};

/* The project with what it stands on. */
struct project {
	struct compose_project p; /* first: what callers see */
	struct keep *keep;
	struct node *root;
	size_t n_ports; /* made of short forms, see PORTS_MAX */
};

void *keep_alloc(struct loader *l, size_t size);
char *keep_str(struct loader *l, const char *s);
char *keep_printf(struct loader *l, const char *fmt, ...) printf_like(2, 3);
char **keep_strv(struct loader *l, char **take_v);
void keep_warning(struct loader *l, const struct node *at, const char *fmt, ...) printf_like(3, 4);
void keep_place(struct loader *l, const struct node *at, struct compose_place *ret);
void keep_free(struct keep *k);

/* @path as seen from the project directory: absolute, cleaned; "~" is HOME. */
char *load_path(const struct loader *l, const char *path) must_check;

/* ---- the project as a whole: find.c, check.c ---- */

/* The main file, and the one that overrides it, of @start or the nearest directory above. */
struct err *project_find_files(const char *start, char ***ret) must_check;

/*
 * All that is named but not there: volumes, networks (of @root, the merged tree), services, also
 * those of @names; and circles of dependencies.
 */
struct err *project_check(const struct compose_project *p, const struct node *root,
			  char *const *names) must_check;
/* Leaves only the services of @names and what they depend on; all when it is NULL or empty. */
void project_select(struct compose_project *p, char *const *names);
