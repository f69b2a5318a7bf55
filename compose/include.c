/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compose/include.c - other projects that become part of one.
 *
 * Each is loaded on its own, with its own directory and variables, and then
 * becomes what the including file is merged over.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"
#include "compose/kinds.h"

static const char *const groups[] = { "services", "networks", "volumes",
				      "configs",  "secrets",  "models" };

/* Whether @path is being read already; and not too many within each other. */
static struct err *check_nesting(const struct loader *l, const struct node *at, const char *path)
{
	auto_free char *chain = mem_strdup(path);
	unsigned depth = 0;

	for (const struct scope *s = l->scope; s; s = s->parent) {
		auto_free char *tail = chain;

		chain = mem_printf("%s -> %s", s->file, tail);
		if (strcmp(s->file, path) == 0)
			return node_err(at, "the files include each other in a circle: %s", chain);
		if (++depth > SCOPES_MAX)
			return node_err(at, "more than %d files include each other", SCOPES_MAX);
	}
	return NULL;
}

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

/* The parent's variables win over those of the files. */
static struct err *read_variables(struct loader *l, struct scope *scope, const struct node *files)
{
	auto_strv char **paths = NULL;

	for (size_t i = 0; files && i < files->n; i++) {
		auto_free char *path = load_path_from(l, l->scope->dir, files->items[i]->text);

		if (strcmp(path, "/dev/null") == 0)
			continue;
		if (!is_file(path))
			return node_err(files->items[i], "there is no file %s", path);
		strv_add(&paths, steal(&path));
	}
	auto_free char *own = mem_printf("%s/.env", scope->dir);

	if ((!files || files->n == 0) && is_file(own))
		strv_add(&paths, steal(&own));
	return load_env(l, scope, paths, true);
}

static struct err *load_files(struct loader *l, char **paths)
{
	struct err *errors = NULL;

	for (char **p = paths; *p; p++) {
		struct document_list documents = { 0 };
		struct err *e = load_parse(l, *p, l->scope->dir, &documents);

		for (size_t i = 0; !e && i < documents.n; i++)
			e = load_interpolate(l, documents.items[i]);
		if (!e)
			e = load_merge(l, &documents);
		load_clear(&documents);
		errors = err_join(errors, e);
	}
	TRY(errors);
	return load_complete(l);
}

/* One entry of the list, as a project of its own; *ret: its tree. */
static struct err *load_included(struct loader *l, const struct node *entry, struct node **ret)
{
	const struct node *list = node_get(entry, "path");
	const char *dir = kind_member(entry, "project_directory");
	auto_strv char **paths = NULL;

	for (size_t i = 0; i < list->n; i++)
		strv_add(&paths, load_path_from(l, l->scope->dir, list->items[i]->text));
	TRY(check_nesting(l, list, paths[0]));
	auto_free char *own = dir ? load_path_from(l, l->scope->dir, dir) : mem_strdup(paths[0]);

	if (!dir)
		own[strrchr(own, '/') == own ? 1 : strrchr(own, '/') - own] = '\0';
	auto_node struct node *root = node_new(NODE_MAP, list);
	struct scope inner = { .parent = l->scope,
			       .file = paths[0],
			       .dir = keep_str(l, own),
			       .env = strv_dup(l->scope->env),
			       .root = root };
	struct scope *outer = l->scope;
	struct err *e = read_variables(l, &inner, node_get(entry, "env_file"));

	l->scope = &inner;
	if (!e)
		e = load_files(l, paths);
	l->scope = outer;
	strv_free(inner.env);
	TRY(e);
	*ret = steal(&root);
	return NULL;
}

/* What is included comes first; what the file says itself is merged over it. */
static struct err *import(struct node *root, struct node *included)
{
	auto_node struct node *base = node_new(NODE_MAP, root);
	auto_node struct node *over = node_new(NODE_MAP, root);
	struct err *e;

	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		struct node *from = node_take(included, groups[i]);
		struct node *own = node_take(root, groups[i]);

		if (from)
			node_set(base, groups[i], from);
		if (own)
			node_set(over, groups[i], own);
	}
	tags_apply(base, over);
	e = attr_merge(project_attrs, base, steal(&over));
	while (base->n) {
		auto_free char *key = mem_strdup(base->keys[0]);

		node_set(root, key, node_take(base, key));
	}
	return e;
}

struct err *include_apply(struct loader *l, struct node *root)
{
	static const struct attr row = { "include", &kind_include, APPEND,
					 FULL,	    SIZE_MAX,	   include_attrs,
					 1,	    NULL,	   NULL };
	auto_node struct node *list = node_take(root, "include");
	struct err *errors = NULL;

	if (!list || list->type == NODE_NULL)
		return NULL;
	list->parent = root;
	list->key = "include";
	TRY(kind_include.normalise(l, &row, &list));
	for (size_t i = 0; i < list->n; i++) {
		auto_node struct node *included = NULL;
		struct err *e = load_included(l, list->items[i], &included);

		errors = err_join(errors, e ? e : import(root, included));
	}
	return errors;
}
