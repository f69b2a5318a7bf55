/* SPDX-License-Identifier: Apache-2.0 */
/* compose/kind_map.c - the kinds of mappings: variables, options, and what tables describe. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "compose/kinds.h"

/* ---- KEY=value ---- */

/* "KEY=value" or "KEY"; the key must not end with a blank. */
static bool is_pair(const struct node *item)
{
	size_t length = item->type == NODE_STR ? strcspn(item->text, "=") : 0;

	return item->type == NODE_STR &&
	       (length == 0 || !isspace((unsigned char)item->text[length - 1]));
}

/* A list of "KEY=value", and KEYs alone, becomes a mapping; when all of them are that. */
static void widen_env(const struct attr *a, struct node **n)
{
	(void)a;
	if ((*n)->type != NODE_LIST)
		return;
	for (size_t i = 0; i < (*n)->n; i++)
		if (!is_pair((*n)->items[i]))
			return;
	struct node *map = node_new(NODE_MAP, *n);

	for (size_t i = 0; i < (*n)->n; i++) {
		const struct node *item = (*n)->items[i];
		size_t length = strcspn(item->text, "=");
		auto_free char *key = mem_strndup(item->text, length);
		bool value = item->text[length] != '\0';

		node_set(map, key,
			 node_scalar(value ? NODE_STR : NODE_NULL,
				     value ? item->text + length + 1 : "", item));
	}
	kind_become(n, map);
}

static struct err *norm_env(const struct loader *l, const struct attr *a, struct node **n)
{
	(void)l;
	(void)a;
	for (size_t i = 0; (*n)->type == NODE_LIST && i < (*n)->n; i++) {
		const struct node *item = (*n)->items[i]; /* why it could not be widened */

		if (item->type != NODE_STR)
			return kind_want(item, "a string KEY=value");
		if (!is_pair(item))
			return node_err(item, "the name in '%s' ends with a blank", item->text);
	}
	if ((*n)->type != NODE_MAP)
		return kind_want(*n, "a mapping or a list of KEY=value");
	for (size_t i = 0; i < (*n)->n; i++) {
		struct node *item = (*n)->items[i];

		if (!*(*n)->keys[i])
			return node_err(item, "a variable without a name");
		if (!node_is_scalar(item))
			return kind_want(item, "a string");
		if (item->type != NODE_NULL)
			item->type = NODE_STR;
	}
	return NULL;
}

static struct err *norm_labels(const struct loader *l, const struct attr *a, struct node **n)
{
	TRY(norm_env(l, a, n));
	for (size_t i = 0; i < (*n)->n; i++)
		(*n)->items[i]->type = NODE_STR;
	return NULL;
}

/* A name alone is left out: nobody had a value for it. */
static struct err *read_env(struct loader *l, const struct attr *a, const struct node *n,
			    void *field)
{
	bool environment = strcmp(a->name, "environment") == 0 || strcmp(a->name, "args") == 0;
	char **v = n->n ? mem_alloc((n->n + 1) * sizeof(char *)) : NULL;
	size_t used = 0;

	for (size_t i = 0; i < n->n; i++)
		if (n->items[i]->type != NODE_NULL || !environment)
			v[used++] = mem_printf("%s=%s", n->keys[i], n->items[i]->text);
	*(char ***)field = keep_strv(l, v);
	return NULL;
}

/* Options of a driver: strings and numbers. */
static struct err *norm_opts(const struct loader *l, const struct attr *a, struct node **n)
{
	(void)l;
	if ((*n)->type != NODE_MAP)
		return kind_want(*n, "a mapping");
	for (size_t i = 0; i < (*n)->n; i++) {
		struct node *item = (*n)->items[i];
		bool logging = item->type == NODE_NULL && strcmp(a->name, "options") == 0;

		if (item->type == NODE_INT || item->type == NODE_FLOAT || logging)
			item->type = NODE_STR;
		if (item->type != NODE_STR)
			return kind_want(item, "a string or a number");
	}
	return NULL;
}

static struct err *norm_strings(const struct loader *l, const struct attr *a, struct node **n)
{
	(void)l;
	(void)a;
	if ((*n)->type != NODE_MAP)
		return kind_want(*n, "a mapping");
	for (size_t i = 0; i < (*n)->n; i++)
		if ((*n)->items[i]->type != NODE_STR)
			return kind_want((*n)->items[i], "a string");
	return NULL;
}

/* Each value is a list of words. */
static struct err *norm_multi(const struct loader *l, const struct attr *a, struct node **n)
{
	(void)l;
	(void)a;
	if ((*n)->type != NODE_MAP)
		return kind_want(*n, "a mapping");
	for (size_t i = 0; i < (*n)->n; i++) {
		struct node **item = &(*n)->items[i];

		if (node_is_scalar(*item))
			kind_alone(item);
		for (size_t k = 0; (*item)->type == NODE_LIST && k < (*item)->n; k++)
			if (!node_is_scalar((*item)->items[k]))
				return kind_want((*item)->items[k], "a string");
			else
				(*item)->items[k]->type = NODE_STR;
		if ((*item)->type != NODE_LIST)
			return kind_want(*item, "a string or a list of strings");
	}
	return NULL;
}

/* Values of any type; a list gives its key several times. */
static struct err *read_opts(struct loader *l, const struct attr *a, const struct node *n,
			     void *field)
{
	char **v = NULL;

	(void)a;
	for (size_t i = 0; i < n->n; i++) {
		const struct node *item = n->items[i];

		for (size_t k = 0; k < (item->type == NODE_LIST ? item->n : 1); k++) {
			const struct node *one = item->type == NODE_LIST ? item->items[k] : item;

			if (one->text)
				strv_add(&v, mem_printf("%s=%s", n->keys[i], one->text));
		}
	}
	*(char ***)field = keep_strv(l, v);
	return NULL;
}

/* "o: bind" makes a path of the device. */
static struct err *norm_volume_opts(const struct loader *l, const struct attr *a, struct node **n)
{
	TRY(norm_opts(l, a, n));
	struct node *device = node_get(*n, "device");
	const char *o = kind_member(*n, "o");
	const char *driver = kind_member((*n)->parent, "driver");
	auto_strv char **options = o ? str_split(o, ",") : NULL;

	if (!device || !str_eq(driver, "local") || !strv_has(options, "bind"))
		return NULL;
	char *path = load_path(l, device, device->text);

	free(device->text);
	device->text = path;
	return NULL;
}

/* Contexts of a build: paths, unless they name something else. */
static struct err *norm_contexts(const struct loader *l, const struct attr *a, struct node **n)
{
	TRY(norm_env(l, a, n));
	for (size_t i = 0; i < (*n)->n; i++) {
		struct node *item = (*n)->items[i];

		if (item->type == NODE_NULL || strchr(item->text, ':'))
			continue;
		char *path = load_path(l, item, item->text);

		free(item->text);
		item->text = path;
	}
	return NULL;
}

/* ---- members by a table ---- */

struct err *kind_norm_table(const struct loader *l, const struct attr *a, struct node **n)
{
	return (*n)->type == NODE_MAP ? attr_normalise(l, a->table, *n)
				      : kind_want(*n, "a mapping");
}

static struct err *norm_part(const struct loader *l, const struct attr *a, struct node **n)
{
	return (*n)->type == NODE_NULL ? NULL : kind_norm_table(l, a, n);
}

static struct err *read_table(struct loader *l, const struct attr *a, const struct node *n,
			      void *field)
{
	return n->type == NODE_NULL ? NULL : attr_read(l, a->table, n, field);
}

static bool is_resource_name(const char *s)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	return *s && strspn(s, allowed) == strlen(s);
}

/* Any keys, values by the table. */
static struct err *norm_map(const struct loader *l, const struct attr *a, struct node **n)
{
	struct err *errors = NULL;

	if ((*n)->type != NODE_MAP)
		return kind_want(*n, "a mapping");
	for (size_t i = 0; i < (*n)->n; i++) {
		struct node **item = &(*n)->items[i];

		if ((*item)->type == NODE_NULL && a->kind->names)
			(*item)->type = NODE_MAP; /* a name is enough */
		if ((*item)->broken)
			continue;
		struct err *e =
			is_resource_name((*n)->keys[i])
				? kind_norm_table(l, a, item)
				: node_err(*item, "'%s' is not a name: letters, digits, _ . and -",
					   (*n)->keys[i]);

		(*item)->broken = e && (*item)->type != NODE_MAP;
		errors = err_join(errors, e);
	}
	return errors;
}

/* The first item that cannot be one of a set of names, or NULL. */
static const struct node *no_name(const struct node *list)
{
	auto_node struct node *seen = node_new(NODE_MAP, NULL);

	for (size_t i = 0; i < list->n; i++) {
		const struct node *item = list->items[i];

		if (item->type != NODE_STR || node_get(seen, item->text))
			return item;
		node_set(seen, item->text, node_new(NODE_NULL, NULL));
	}
	return NULL;
}

/* A list of names becomes a mapping of names to nothing. */
static void widen_names(const struct attr *a, struct node **n)
{
	(void)a;
	if ((*n)->type != NODE_LIST || no_name(*n))
		return;
	struct node *map = node_new(NODE_MAP, *n);

	for (size_t i = 0; i < (*n)->n; i++)
		node_set(map, (*n)->items[i]->text, node_scalar(NODE_NULL, "", (*n)->items[i]));
	kind_become(n, map);
}

static struct err *want_names(const struct node *n)
{
	const struct node *item = n->type == NODE_LIST ? no_name(n) : NULL;

	if (!item)
		return kind_want(n, "a mapping or a list of names");
	return item->type == NODE_STR ? node_err(item, "'%s' is given twice", item->text)
				      : kind_want(item, "a name");
}

static struct err *norm_names(const struct loader *l, const struct attr *a, struct node **n)
{
	if ((*n)->type != NODE_MAP)
		return want_names(*n);
	for (size_t i = 0; i < (*n)->n; i++)
		if ((*n)->items[i]->type != NODE_NULL)
			TRY(kind_norm_table(l, a, &(*n)->items[i]));
	return NULL;
}

/* ---- depends_on ---- */

static void widen_depends(const struct attr *a, struct node **n)
{
	bool list = (*n)->type == NODE_LIST;

	widen_names(a, n);
	for (size_t i = 0; list && (*n)->type == NODE_MAP && i < (*n)->n; i++) {
		struct node *item = (*n)->items[i];

		item->type = NODE_MAP;
		kind_set(item, "condition", NODE_STR, "service_started");
		kind_set(item, "required", NODE_BOOL, "true");
	}
}

static struct err *norm_depends(const struct loader *l, const struct attr *a, struct node **n)
{
	if ((*n)->type != NODE_MAP)
		return want_names(*n);
	for (size_t i = 0; i < (*n)->n; i++) {
		struct node **item = &(*n)->items[i];

		TRY(kind_norm_table(l, a, item));
		if (!kind_member(*item, "condition"))
			return node_err(*item, "the condition is missing");
		if (!kind_member(*item, "required"))
			kind_set(*item, "required", NODE_BOOL, "true");
	}
	return NULL;
}

/* ---- ulimits ---- */

static struct err *norm_ulimits(const struct loader *l, const struct attr *a, struct node **n)
{
	if ((*n)->type != NODE_MAP)
		return kind_want(*n, "a mapping");
	for (size_t i = 0; i < (*n)->n; i++) {
		struct node **item = &(*n)->items[i];

		if ((*item)->type != NODE_MAP) {
			TRY(kind_int.normalise(l, a, item));
			continue;
		}
		TRY(kind_norm_table(l, a, item));
		if (!node_get(*item, "soft") || !node_get(*item, "hard"))
			return node_err(*item, "both soft and hard are needed");
	}
	return NULL;
}

static struct err *read_ulimits(struct loader *l, const struct attr *a, const struct node *n,
				void *field)
{
	TRY(kind_read_records(l, a, n, field));
	struct compose_ulimit *items =
		*(struct compose_ulimit **)field; /* the list's first member */

	for (size_t i = 0; i < n->n; i++) {
		if (n->items[i]->type == NODE_MAP)
			continue;
		TRY(kind_int.read(l, a, n->items[i], &items[i].soft));
		items[i].hard = items[i].soft;
	}
	return NULL;
}

/* ---- forms of their own ---- */

/* "external: {name: x}" is the old way to write "external: true" and "name: x". */
static struct err *norm_external(const struct loader *l, const struct attr *a, struct node **n)
{
	struct node *outer = (struct node *)(*n)->parent;
	const struct node *name;

	if ((*n)->type != NODE_MAP)
		return kind_flag.normalise(l, a, n);
	name = node_get(*n, "name");
	if ((*n)->n > (name != NULL))
		return node_err(*n, "takes true, false or {name: NAME}");
	if (name && name->type != NODE_STR)
		return kind_want(name, "a string");
	if (name && outer && node_get(outer, "name"))
		return node_err(name, "is given twice: there is a name beside external, too");
	if (name && outer)
		node_set(outer, "name", node_scalar(NODE_STR, name->text, name));
	/* the mapping may have moved its items */
	n = outer ? node_slot(outer, "external") : n;
	kind_become(n, node_scalar(NODE_BOOL, "true", *n));
	return NULL;
}

static void widen_build(const struct attr *a, struct node **n)
{
	(void)a;
	if ((*n)->type != NODE_STR)
		return;
	struct node *map = node_new(NODE_MAP, *n);

	kind_set(map, "context", NODE_STR, (*n)->text);
	kind_become(n, map);
}

static struct err *norm_provider(const struct loader *l, const struct attr *a, struct node **n)
{
	TRY(kind_norm_table(l, a, n));
	return kind_member(*n, "type") ? NULL : node_err(*n, "the type is missing");
}

static struct err *norm_models(const struct loader *l, const struct attr *a, struct node **n)
{
	TRY(norm_map(l, a, n));
	for (size_t i = 0; i < (*n)->n; i++)
		if (!kind_member((*n)->items[i], "model"))
			return node_err((*n)->items[i], "the model is missing");
	return NULL;
}

/* Whether docker would fetch it. */
static bool is_remote(const char *context)
{
	static const char *const prefixes[] = { "http://",  "https://",	       "git://",
						"ssh://",   "github.com/",     "git@",
						"service:", "docker-image://", "oci-layout://",
						NULL };

	for (const char *const *p = prefixes; *p; p++)
		if (str_starts(context, *p))
			return true;
	return false;
}

static struct err *norm_build(const struct loader *l, const struct attr *a, struct node **n)
{
	TRY(kind_norm_table(l, a, n));
	struct node *context = node_get(*n, "context");

	if (!context) {
		kind_set(*n, "context", NODE_STR, ".");
		context = node_get(*n, "context");
	}
	if (context->type == NODE_STR && !is_remote(context->text)) {
		auto_free char *path = load_path(l, context, context->text);

		node_set(*n, "context", node_scalar(NODE_STR, path, context));
	}
	return NULL;
}

/* clang-format off */
const struct kind kind_env      = { .label = "mapping, or list of KEY=value", .widen = widen_env, .normalise = norm_env, .read = read_env };
const struct kind kind_labels   = { .label = "mapping, or list of KEY=value", .widen = widen_env, .normalise = norm_labels, .read = read_env };
const struct kind kind_volume_opts = { .label = "mapping of strings and numbers", .normalise = norm_volume_opts, .read = read_opts };
const struct kind kind_plain    = { .label = "mapping of strings", .normalise = norm_strings, .read = read_opts };
const struct kind kind_multi    = { .label = "mapping of strings or lists", .normalise = norm_multi, .read = read_opts };
const struct kind kind_part     = { .label = "mapping, or nothing", .null = true, .normalise = norm_part, .read = read_table };
const struct kind kind_opts     = { .label = "mapping of strings and numbers", .normalise = norm_opts, .read = read_opts };
const struct kind kind_contexts = { .label = "mapping, or list of NAME=PATH", .widen = widen_env, .normalise = norm_contexts, .read = read_env };
const struct kind kind_table    = { .label = "mapping", .normalise = kind_norm_table, .read = read_table };
const struct kind kind_map      = { .label = "mapping of names", .map = true, .names = true, .normalise = norm_map, .read = kind_read_records };
const struct kind kind_services = { .label = "mapping of names", .map = true, .normalise = norm_map };
const struct kind kind_names    = { .label = "list, or mapping of names", .map = true, .widen = widen_names, .normalise = norm_names, .read = kind_read_records };
const struct kind kind_depends  = { .label = "list, or mapping of services to conditions", .map = true, .widen = widen_depends, .normalise = norm_depends, .read = kind_read_records };
const struct kind kind_ulimits  = { .label = "mapping of names to a number or {soft, hard}", .map = true, .normalise = norm_ulimits, .read = read_ulimits };
const struct kind kind_external = { .label = "true or false", .zero = "false", .normalise = norm_external, .read = kind_read_flag };
const struct kind kind_build    = { .label = "context, or mapping", .widen = widen_build, .normalise = norm_build, .read = read_table };
const struct kind kind_provider = { .label = "mapping", .normalise = norm_provider, .read = read_table };
const struct kind kind_models   = { .label = "mapping of names", .map = true, .names = true, .normalise = norm_models, .read = kind_read_records };
const struct kind kind_extends  = { .label = "name of a service, or {service, file}" };
/* clang-format on */
