/* SPDX-License-Identifier: Apache-2.0 */
/* compose/kind_record.c - the kinds that hold records: ports, volumes, depends_on, ulimits. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "compose/kinds.h"

/* ---- ports and volumes ---- */

static struct err *norm_ports(const struct loader *l, const struct attr *a, struct node **n)
{
	auto_node struct node *list = node_new(NODE_LIST, *n);

	if ((*n)->type != NODE_LIST)
		return node_want(*n, "a list");
	for (size_t i = 0; i < (*n)->n; i++) {
		const struct node *item = (*n)->items[i];

		if (item->type == NODE_MAP) {
			node_append(list, node_copy(item));
			TRY(attr_normalise(l, a->table, list->items[list->n - 1]));
			TRY(short_complete_port(list->items[list->n - 1]));
		} else if (item->type == NODE_STR || item->type == NODE_INT) {
			size_t before = list->n;

			TRY(short_port(item, list));
			l->owner->n_ports += list->n - before;
			if (l->owner->n_ports > PORTS_MAX)
				return node_err(item, "more than %d ports", PORTS_MAX);
		} else {
			return node_want(item, "a port: \"8080:80\" or a mapping with a target");
		}
	}
	node_become(n, steal(&list));
	return NULL;
}

static char *identity_port(const struct node *item)
{
	const char *ip = node_member(item, "host_ip"), *published = node_member(item, "published");

	return mem_printf("%s:%s:%s/%s", ip ? ip : "", published ? published : "",
			  node_member(item, "target"), node_member(item, "protocol"));
}

static struct err *read_ports(struct loader *l, const struct attr *a, const struct node *n,
			      void *field)
{
	struct compose_ports *ports = field;

	ports->items = keep_alloc(l, n->n * sizeof(*ports->items));
	for (size_t i = 0; i < n->n; i++) {
		struct compose_port *p = &ports->items[ports->n++];
		struct compose_int target = { 0 };

		TRY(attr_read(l, a->table, n->items[i], p));
		keep_place(l, n->items[i], &p->place);
		TRY(kind_int.read(l, a, node_get(n->items[i], "target"), &target));
		p->target = target.value;
	}
	return NULL;
}

const struct kind kind_ports = { "list of \"[[IP:]HOST:]CONTAINER[/PROTOCOL]\" or mappings",
				 norm_ports, identity_port, read_ports };

static struct err *long_mount(const struct loader *l, struct node *item)
{
	const char *type = node_member(item, "type"), *source = node_member(item, "source");
	const struct node *at = node_get(item, "type");

	if (!type || !str_one_of(type, (const char *const[]) { "bind", "volume", "tmpfs", NULL }))
		return node_err(at ? at : item, "the type must be bind, volume or tmpfs");
	if (!node_member(item, "target"))
		return node_err(item, "the target (the path in the container) is missing");
	if (strcmp(type, "bind") != 0)
		return NULL;
	if (!source)
		return node_err(item, "a bind mount needs a source");
	auto_free char *path = load_path(l, source);

	node_set(item, "source", node_scalar(NODE_STR, path, node_get(item, "source")));
	return NULL;
}

static struct err *clean_target(const struct loader *l, struct node *item)
{
	const struct node *target = node_get(item, "target");

	if (*target->text != '/')
		return node_err(target, "the target '%s' must be an absolute path", target->text);
	auto_free char *clean = load_path(l, target->text);

	if (strcmp(clean, "/") == 0)
		return node_err(target, "the root of the container cannot be a mount target");
	node_set(item, "target", node_scalar(NODE_STR, clean, target));
	return NULL;
}

static struct err *norm_mounts(const struct loader *l, const struct attr *a, struct node **n)
{
	auto_node struct node *list = node_new(NODE_LIST, *n);

	if ((*n)->type != NODE_LIST)
		return node_want(*n, "a list");
	for (size_t i = 0; i < (*n)->n; i++) {
		struct node *item = (*n)->items[i], *v = NULL;

		if (item->type == NODE_STR) {
			TRY(short_volume(l, item, &v));
			node_append(list, v);
		} else if (item->type == NODE_MAP) {
			node_append(list, node_copy(item));
			v = list->items[list->n - 1];
			TRY(attr_normalise(l, a->table, v));
			TRY(long_mount(l, v));
		} else {
			return node_want(item, "a volume: \"SOURCE:TARGET\" or a mapping");
		}
		TRY(clean_target(l, v));
	}
	node_become(n, steal(&list));
	return NULL;
}

static char *identity_target(const struct node *item)
{
	return mem_strdup(node_member(item, "target"));
}

static struct err *read_mounts(struct loader *l, const struct attr *a, const struct node *n,
			       void *field)
{
	struct compose_mounts *mounts = field;

	mounts->items = keep_alloc(l, n->n * sizeof(*mounts->items));
	for (size_t i = 0; i < n->n; i++) {
		struct compose_mount *m = &mounts->items[mounts->n++];
		const char *type = node_member(n->items[i], "type");

		m->create_host_path = true;
		m->type = strcmp(type, "bind") == 0    ? COMPOSE_BIND
			  : strcmp(type, "tmpfs") == 0 ? COMPOSE_TMPFS
						       : COMPOSE_VOLUME;
		keep_place(l, n->items[i], &m->place);
		TRY(attr_read(l, a->table, n->items[i], m));
	}
	return NULL;
}

const struct kind kind_mounts = { "list of \"[SOURCE:]TARGET[:OPTIONS]\" or mappings", norm_mounts,
				  identity_target, read_mounts };

/* ---- depends_on and ulimits ---- */

static const char *const conditions[] = { "service_started", "service_healthy",
					  "service_completed_successfully", NULL };

static struct err *norm_depend(const struct loader *l, const struct attr *a, struct node **n)
{
	const struct node *condition;

	TRY(kind_table.normalise(l, a, n));
	condition = node_get(*n, "condition");
	if (!condition)
		return node_err(*n, "the condition is missing");
	if (!str_one_of(condition->text, conditions))
		return node_err(condition, "'%s' is not a condition; there are %s, %s and %s",
				condition->text, conditions[0], conditions[1], conditions[2]);
	if (!node_member(*n, "required"))
		node_set(*n, "required", node_scalar(NODE_BOOL, "true", *n));
	return NULL;
}

static struct err *norm_depends(const struct loader *l, const struct attr *a, struct node **n)
{
	if ((*n)->type == NODE_LIST) {
		auto_node struct node *map = node_new(NODE_MAP, *n);

		TRY(node_scalars(*n));
		for (size_t i = 0; i < (*n)->n; i++) {
			struct node *d = node_new(NODE_MAP, (*n)->items[i]);

			node_set(d, "condition", node_scalar(NODE_STR, conditions[0], d));
			node_set(map, (*n)->items[i]->text, d);
		}
		node_become(n, steal(&map));
	}
	if ((*n)->type != NODE_MAP)
		return node_want(*n, "a list or a mapping of services");
	for (size_t i = 0; i < (*n)->n; i++)
		TRY(norm_depend(l, a, &(*n)->items[i]));
	return NULL;
}

static struct err *read_depends(struct loader *l, const struct attr *a, const struct node *n,
				void *field)
{
	struct compose_depends *depends = field;

	(void)a;
	depends->items = keep_alloc(l, n->n * sizeof(*depends->items));
	for (size_t i = 0; i < n->n; i++) {
		struct compose_depend *d = &depends->items[depends->n++];
		const char *condition = node_member(n->items[i], "condition");

		keep_place(l, n->items[i], &d->place);
		d->service = n->keys[i];
		while (strcmp(condition, conditions[d->condition]) != 0)
			d->condition++;
		d->restart = str_eq(node_member(n->items[i], "restart"), "true");
		d->required = str_eq(node_member(n->items[i], "required"), "true");
	}
	return NULL;
}

const struct kind kind_depends = { "list, or mapping of services to conditions", norm_depends, NULL,
				   read_depends };

static struct err *norm_ulimits(const struct loader *l, const struct attr *a, struct node **n)
{
	if ((*n)->type != NODE_MAP)
		return node_want(*n, "a mapping");
	for (size_t i = 0; i < (*n)->n; i++) {
		struct node **item = &(*n)->items[i];

		if ((*item)->type == NODE_STR)
			TRY(kind_int.normalise(l, a, item));
		if ((*item)->type == NODE_INT)
			continue;
		TRY(kind_table.normalise(l, a, item));
		if (!node_get(*item, "soft") || !node_get(*item, "hard"))
			return node_err(*item, "both soft and hard are needed");
	}
	return NULL;
}

static struct err *read_ulimits(struct loader *l, const struct attr *a, const struct node *n,
				void *field)
{
	struct compose_ulimits *limits = field;

	limits->items = keep_alloc(l, n->n * sizeof(*limits->items));
	for (size_t i = 0; i < n->n; i++) {
		const struct node *item = n->items[i];
		bool both = item->type == NODE_MAP;
		struct compose_int soft = { 0 }, hard = { 0 };

		TRY(kind_int.read(l, a, both ? node_get(item, "soft") : item, &soft));
		TRY(kind_int.read(l, a, both ? node_get(item, "hard") : item, &hard));
		limits->items[limits->n++] =
			(struct compose_ulimit) { n->keys[i], soft.value, hard.value };
	}
	return NULL;
}

const struct kind kind_ulimits = { "mapping of names to a number or {soft, hard}", norm_ulimits,
				   NULL, read_ulimits };
