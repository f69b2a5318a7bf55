/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compose/extends.c - services that begin with what another one has.
 *
 * The other one is of the same file, not of files merged before, or of another
 * file, of which nothing else is used: neither what it includes nor its checks.
 * Paths in it stay relative to its directory, because every node knows its file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "compose/kinds.h"

enum { CHAIN_MAX = 100 };

/* One step of a chain of services that extend each other. */
struct link {
	const struct link *before;
	const char *file, *service;
	unsigned depth;
};

static struct err *extend(struct loader *l, struct node *services, const char *name,
			  const struct link *before);

static struct err *circle(const struct node *at, const struct link *last)
{
	auto_free char *chain = mem_strdup("");

	for (; last; last = last->before) {
		auto_free char *tail = chain;

		chain = mem_printf("%s in %s%s%s", last->service, last->file, *tail ? " -> " : "",
				   tail);
	}
	return node_err(at, "circular reference: %s", chain);
}

static struct err *check_chain(const struct node *at, const struct link *last)
{
	for (const struct link *p = last->before; p; p = p->before)
		if (strcmp(p->file, last->file) == 0 && strcmp(p->service, last->service) == 0)
			return circle(at, last);
	return last->depth > CHAIN_MAX ? node_err(at, "a chain of more than %d services", CHAIN_MAX)
				       : NULL;
}

/* The services of another file; the documents must outlive them. */
static struct err *services_of(struct loader *l, const struct node *at, const char *path,
			       struct document_list *documents, struct node **ret)
{
	auto_free char *dir = mem_strdup(path);
	struct err *errors = NULL;

	*strrchr(dir, '/') = '\0';
	TRY(kind_at(at, load_parse(l, path, *dir ? dir : "/", documents)));
	for (size_t i = 0; i < documents->n; i++) {
		struct node *root = documents->items[i];

		errors = err_join(errors, load_interpolate(l, root));
		if (i == 0)
			continue;
		if (!errors && documents->items[0]->type == NODE_MAP && root->type == NODE_MAP)
			errors = attr_merge(project_attrs, documents->items[0], node_copy(root));
	}
	TRY(errors);
	*ret = documents->n ? node_get(documents->items[0], "services") : NULL;
	if (!*ret || (*ret)->type != NODE_MAP)
		return node_err(at, "there are no services in %s", path);
	return NULL;
}

/* Puts what @base has below what the service has itself. */
static struct err *merge_base(struct node *services, const char *name, const struct node *base)
{
	auto_node struct node *all = node_new(NODE_MAP, services);
	auto_node struct node *own = node_new(NODE_MAP, services);
	struct node *copy = node_copy(base), *service = node_take(services, name);

	node_free(node_take(copy, "extends"));
	tags_strip(copy);
	tags_apply(copy, service);
	node_set(all, name, copy);
	node_set(own, name, service);
	/* as if they were the services of two files */
	const struct attr *table = project_attrs;

	while (strcmp(table->name, "services") != 0)
		table++;
	const struct attr rows[] = { *table, { 0 } };
	auto_node struct node *root = node_new(NODE_MAP, services);

	node_set(root, "services", steal(&all));
	struct node *over = node_new(NODE_MAP, services);

	node_set(over, "services", steal(&own));
	struct err *e = attr_merge(rows, root, over);

	node_set(services, name, node_take(node_get(root, "services"), name));
	return e;
}

/* There is nothing to begin with: docker compose goes on showing who that was. */
static void keep_reference(struct node *service, const struct node *at, const char *ref,
			   const char *path)
{
	struct node *extends = node_new(NODE_MAP, at);

	kind_set(extends, "service", NODE_STR, ref);
	if (path)
		kind_set(extends, "file", NODE_STR, path);
	node_set(service, "extends", extends);
}

static struct err *extend_from(struct loader *l, struct node *services, const struct node *at,
			       const char *name, const char *ref, const char *path,
			       const struct link *chain)
{
	struct document_list documents = { 0 };
	struct node *others = services;
	struct err *e = NULL;

	if (path)
		e = services_of(l, at, path, &documents, &others);
	const struct node *base = e ? NULL : node_get(others, ref);

	if (!e && !base)
		e = node_err(at, "there is no service '%s' in %s", ref,
			     path ? path : at->source->name);
	if (!e)
		e = extend(l, others, ref, chain);
	base = e ? NULL : node_get(others, ref); /* maybe a new one */
	if (base && base->type == NODE_MAP)
		e = merge_base(services, name, base);
	else if (base)
		keep_reference(node_get(services, name), at, ref, path);
	load_clear(&documents);
	return e;
}

static struct err *extend(struct loader *l, struct node *services, const char *name,
			  const struct link *before)
{
	struct node *service = node_get(services, name);
	auto_node struct node *extends = NULL;
	struct link here = { before, service->source->name, name, before ? before->depth + 1 : 0 };

	TRY(check_chain(service, &here));
	if (service->type != NODE_MAP || !node_get(service, "extends"))
		return NULL;
	extends = node_copy(node_get(service, "extends"));
	extends->parent = service;
	extends->key = "extends";
	node_free(node_take(service, "extends"));
	if (extends->tag && strcmp(extends->tag, "!reset") == 0)
		return NULL;
	const struct node *named =
		extends->type == NODE_STR ? extends : node_get(extends, "service");
	const char *ref = named && named->type == NODE_STR && *named->text ? named->text : NULL;
	const struct node *file = node_get(extends, "file");

	if (!ref)
		return node_err(extends, "must be the name of a service, or {service, file}");
	for (size_t i = 0; i < extends->n; i++)
		if (!str_one_of(extends->keys[i],
				(const char *const[]) { "service", "file", NULL }))
			return node_err(extends->items[i],
					"unknown attribute '%s'; there are service and file",
					extends->keys[i]);
	auto_free char *path = file && file->type == NODE_STR && *file->text
				       ? load_path_from(l, file->source->dir, file->text)
				       : NULL;

	return extend_from(l, services, extends, name, ref, path, &here);
}

struct err *extends_apply(struct loader *l, struct node *root)
{
	struct node *services = node_get(root, "services");
	auto_strv char **names = NULL;
	struct err *errors = NULL;

	if (!services || services->type != NODE_MAP)
		return NULL;
	for (size_t i = 0; i < services->n; i++)
		if (node_get(services->items[i], "extends"))
			strv_add(&names, mem_strdup(services->keys[i]));
	for (char **name = names; name && *name; name++)
		errors = err_join(errors, extend(l, services, *name, NULL));
	return errors;
}
