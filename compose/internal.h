/* SPDX-License-Identifier: Apache-2.0 */
/* compose/internal.h - the untyped tree, the small grammars and the attribute tables. */
#pragma once

#include "base/json.h"
#include "compose/compose.h"

enum {
	FILE_SIZE_MAX = 16 << 20,   /* bytes of one file */
	DEPTH_MAX = 2500,	    /* levels of nesting */
	ALIAS_NODES_MAX = 200000,   /* nodes that anchors and aliases copy, in one file */
	ANCHORS_MAX = 1000,	    /* in one document */
	PORTS_MAX = 100000,	    /* of all services and files: a few words make 65535 */
	INTERPOLATED_MAX = 1 << 20, /* bytes of one value after interpolation */
	FILES_MAX = 1000,	    /* read for one project, with included and extended ones */
	SCOPES_MAX = 50,	    /* includes within includes */
};

/* ---- tree: node.c ---- */

enum node_type {
	NODE_NULL,
	NODE_BOOL,
	NODE_INT,
	NODE_FLOAT,
	NODE_STR,
	NODE_LIST,
	NODE_MAP,
	NODE_TIME, /* a date, or a date and time of day */
};

/* A file, and the directory that relative paths in it are relative to. */
struct source {
	const char *name; /* as it is shown */
	const char *dir;  /* absolute */
	char *const *env; /* of an included project; NULL: the project's own */
};

/* A YAML node. Where it was written travels with it into every message. */
struct node {
	enum node_type type;
	char *text;	     /* scalar: canonical for its type */
	char *tag;	     /* "!reset", "!override" or NULL */
	bool broken;	     /* an error was given already */
	struct node **items; /* list and map, in file order */
	char **keys;	     /* map */
	size_t n, room;
	unsigned *slots; /* map: hash index, made when it grows; see find() */
	size_t n_slots;
	const struct source *source; /* kept by the loader */
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
/* Where the value of @key stands, or NULL. Valid until the map changes. */
struct node **node_slot(const struct node *map, const char *key);
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

/* All documents of @text (@len bytes). @source must outlive them. */
struct err *yaml_read(const struct source *source, const char *text, size_t len, struct node ***ret,
		      size_t *ret_n) must_check;

/* ---- trees to bytes: emit.c ---- */

struct err *emit_yaml(const struct node *n, FILE *out) must_check;
void emit_json(const struct node *n, FILE *out);

/* ---- small grammars: scalar.c, interp.c, dotenv.c, short.c ---- */

/* The type of a plain scalar by YAML's core schema as docker compose reads it; *ret_text canonical. */
enum node_type scalar_resolve(const char *text, char **ret_text) must_check;
struct err *scalar_bool(const char *text, bool *ret) must_check;
struct err *scalar_nano(const char *text, int64_t *ret) must_check; /* "0.5" to 500000000 */
/* POSIX-like words without expansion. *ret_rest: where it stopped, at an operator or the end. */
struct err *scalar_words(const char *text, char ***ret, const char **ret_rest) must_check;

/* What a name stands for, or NULL. */
typedef const char *lookup_fn(const void *ctx, const char *name);
struct lookup {
	lookup_fn *fn;
	const void *ctx;
	char ***missing; /* names that were unset and had no default; NULL: not wanted */
	/* Told of every variable, with "-", "+", "?" or 0 and the word behind it. NULL: not wanted. */
	void (*seen)(void *ctx, const char *name, char operator, const char * word);
	void *seen_ctx;
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

/* Nanoseconds, by Go's grammar with d and w; and the text that Go gives them. */
struct err *scalar_duration(const char *text, int64_t *ret_ns) must_check;
char *scalar_duration_text(int64_t ns) must_check;

/* ---- attributes: attr.c, kind*.c, tables*.c ---- */

/* What happens to a value when a later file has one, too. Everywhere null says nothing. */
enum merge {
	REPLACE,   /* the later one wins */
	APPEND,	   /* lists are joined */
	UNIQUE,	   /* joined; an equal entry replaces the earlier one */
	BY_KEY,	   /* mappings are joined, the later value of a key wins */
	BY_ID,	   /* lists are joined; equal entries are joined as DEEP */
	DEEP,	   /* mappings are joined at every level, each member by its own rule */
	BY_DRIVER, /* joined as DEEP when their drivers agree, else replaced */
};

enum support { FULL, PARTIAL, IGNORED, REFUSED };

struct attr {
	const char *name; /* in the row behind the last: NULL */
	const struct kind *kind;
	enum merge merge;
	enum support support;
	size_t offset;		  /* in the model; SIZE_MAX when it has no place there */
	const struct attr *table; /* of the members, for kinds that have some */
	size_t size;		  /* of a record, for kinds that make some */
	const char *choices;	  /* "a|b", for kind_choice */
	const char *doc;	  /* what it does, or why it is not here */
};
struct kind {
	const char *label; /* the forms it takes, for the reference */
	bool null;	   /* may be null */
	const char *zero;  /* what everything is without it, not printed; lists: "" for empty */
	bool map;	   /* a mapping whose values the table describes */
	bool names;	   /* ... and may be left out */
	/* Only the outermost form is made the canonical one, so that values can be joined; what does not
	 * fit stays for @normalise to refuse. NULL: it is. */
	void (*widen)(const struct attr *a, struct node **n);
	/* Checks, and makes the canonical form: also what already is one. NULL: as it stands. */
	struct err *(*normalise)(const struct loader *l, const struct attr *a, struct node **n);
	/* What makes two entries of a UNIQUE list equal, in the canonical form; the caller's. */
	char *(*identity)(const struct node *item);
	/* From the canonical form into the model. */
	struct err *(*read)(struct loader *l, const struct attr *a, const struct node *n,
			    void *field);
};

extern const struct attr service_attrs[], volume_attrs[], network_attrs[], config_attrs[],
	secret_attrs[], model_attrs[], project_attrs[], include_attrs[];

/*
 * A mapping by its table. Merging works on any form, also on the canonical one;
 * normalising checks all that is there and joins equal entries of UNIQUE lists.
 */
struct err *attr_normalise(const struct loader *l, const struct attr *table,
			   struct node *map) must_check;
struct err *attr_merge(const struct attr *table, struct node *base,
		       struct node *take_over) must_check;
/* Takes out of the canonical form what says nothing; @extensions: and x- keys. */
void attr_prune(const struct attr *table, struct node *map, bool extensions);
struct err *attr_read(struct loader *l, const struct attr *table, const struct node *map,
		      void *object) must_check;
void attr_print_reference(FILE *out);

/* ---- the load: load.c ---- */

struct keep; /* memory that lives as long as the project */

/* A project being read: the one asked for, or one that is included. */
struct scope {
	const struct scope *parent; /* what includes it */
	const char *file;	    /* that includes others, absolute */
	char *dir;		    /* project directory, absolute */
	char **env;		    /* environment, then .env files below it */
	struct node *root;	    /* what has been merged so far, canonical */
};

struct loader {
	const struct compose_options *options;
	struct scope *scope;
	struct project *owner;
	struct compose_service *service; /* being read into the model */
	bool noted;			 /* reading what was noted as a whole already */
	char **missing;			 /* variables that were not set */
};

/* The project with what it stands on. */
struct project {
	struct compose_project p; /* first: what callers see */
	struct keep *keep;
	struct node *root;
	size_t n_ports; /* made of short forms, see PORTS_MAX */
	size_t n_files; /* read, see FILES_MAX */
	bool raw;	/* variables were left as they stand */
};

/* A file that was parsed. */
struct document_list {
	struct node **items;
	size_t n;
};

/* The documents of a file, as they are written. @dir: what its relative paths are relative to. */
struct err *load_parse(struct loader *l, const char *path, const char *dir,
		       struct document_list *ret) must_check;
void load_clear(struct document_list *documents);
/* Puts values for variables. What fails becomes null, so that the rest can be looked at, too. */
struct err *load_interpolate(struct loader *l, struct node *n) must_check;
/* Merges the documents into l->scope. */
struct err *load_merge(struct loader *l, struct document_list *documents) must_check;
/* What holds for each project, also an included one, when all its files are merged. */
struct err *load_complete(struct loader *l) must_check;
/* Adds the assignments of files to @scope's environment, below what is there; the last file wins. */
struct err *load_env(struct loader *l, struct scope *scope, char *const *paths,
		     bool required) must_check;
/* Looks into the environment of l->scope. */
const char *load_lookup(const void *loader, const char *name);
/* @path as seen from @n's file: absolute, cleaned; "~" is HOME. */
char *load_path(const struct loader *l, const struct node *n, const char *path) must_check;
/* The same from a directory. */
char *load_path_from(const struct loader *l, const char *dir, const char *path) must_check;

/* ---- parts of the load ---- */

/* Projects that @root includes become part of it: include.c */
struct err *include_apply(struct loader *l, struct node *root) must_check;
/* Services of @root that extend others get what those have: extends.c */
struct err *extends_apply(struct loader *l, struct node *root) must_check;
/* "!reset" and "!override": takes out of @base what @over says so about. tags.c */
void tags_apply(struct node *base, const struct node *over);
/* Takes what is to be reset out of @n itself. */
void tags_strip(struct node *n);

/* Variables named without a value get the one of the scope's environment. finish.c */
void finish_environment(const struct loader *l, struct node *root);
/* Names, the default network and what links and namespaces imply. */
struct err *finish_project(struct loader *l, struct node *root) must_check;

/* The main file, and the one that overrides it, of @start or the nearest directory above. find.c */
struct err *project_find_files(const char *start, char ***ret) must_check;

/* Moves the services of @root whose profiles are off to *ret_off, a mapping. select.c */
void select_profiles(const struct loader *l, struct node *root, struct node **ret_off);
/* Leaves the services that were asked for, and what they depend on; @off: may be asked for, too. */
struct err *select_services(struct loader *l, struct node *root, struct node *off) must_check;
/* Takes out networks, volumes, configs, secrets and models that no service uses. */
void select_resources(struct node *root);

/* What must hold for each network, volume, config, secret and device alone. check.c */
struct err *check_values(const struct node *root) must_check;
/* All that is named but not there, said twice differently, or goes in circles. */
struct err *check_project(const struct node *root, const struct node *off) must_check;

/* env_file becomes part of environment, label_file of labels. read.c */
struct err *read_files(struct loader *l, struct node *root) must_check;
/* The tree into the model. */
struct err *read_project(struct loader *l, struct node *root) must_check;

/* ---- memory that lives as long as the project: keep.c ---- */

void *keep_alloc(struct loader *l, size_t size);
char *keep_str(struct loader *l, const char *s);
char **keep_strv(struct loader *l, char **take_v);
void keep_warning(struct loader *l, const struct node *at, const char *fmt, ...) printf_like(3, 4);
void keep_place(struct loader *l, const struct node *at, struct compose_place *ret);
void keep_free(struct keep *k);

/* ---- flags.c: options of docker run as attributes ---- */
/* Puts what was @given into @service of @project, both as JSON that is to be loaded. */
struct err *flags_apply(char *const *given, json_t *project, json_t *service) must_check;
/* Says which of the options @given an error of what was made of them is of; takes the error. */
struct err *flags_explain(char *const *given, struct err *take_e) must_check;
/* EILSEQ when one of them is not UTF-8. */
struct err *flags_check(const char *what, char *const *texts) must_check;
void flags_command(json_t *service, char *const *argv);
void flags_put(json_t *object, const char *path, const char *value);

/* One option that is being written; @attr is the path of what it sets. */
struct writing {
	json_t *project, *service;
	const char *option;
};
typedef struct err *flag_fn(struct writing *w, const char *attr, const char *value);
flag_fn flags_add_volume, flags_add_long_mount; /* flags_mount.c */

/* A string of the text that is to be loaded: what looks like ${VARIABLES} stays. */
json_t *flags_text(const char *text) must_check;
/* The member by its path, made where it is missing, or was something else; borrowed. */
json_t *flags_member(json_t *object, const char *path, bool list);
void flags_set(json_t *object, const char *path, json_t *take_value);
char *flags_absolute(const char *path) must_check; /* from the current directory */

/* ---- marathon.c ---- */
/* When @text is a Marathon app definition: the same as a Compose file, the caller's; else NULL. */
struct err *marathon_read(const char *file, const char *text, size_t len, char ***warnings,
			  char **ret) must_check;
