/* SPDX-License-Identifier: Apache-2.0 */
/* compose/kind_record.c - the kinds that hold records: ports, volumes, devices, files and others. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "compose/kinds.h"

/* What every COMPOSE_LIST looks like. */
struct list {
	void *items;
	size_t n;
};

/* How every record of a mapping begins. */
struct named {
	struct compose_place place;
	const char *name;
};

struct err *kind_read_record(struct loader *l, const struct attr *a, const struct node *n,
			     void *record)
{
	struct named *head = record;

	keep_place(l, n, &head->place);
	if (n->key)
		head->name = n->key;
	return attr_read(l, a->table, n, record);
}

struct err *kind_read_records(struct loader *l, const struct attr *a, const struct node *n,
			      void *field)
{
	struct list list = { keep_alloc(l, n->n * a->size), n->n };
	struct err *errors = NULL;

	for (size_t i = 0; i < n->n; i++)
		errors = err_join(errors, kind_read_record(l, a, n->items[i],
							   (char *)list.items + i * a->size));
	memcpy(field, &list, sizeof(list));
	return errors;
}

/* A name alone becomes {@key: name}. */
static void name_to_map(struct node **n, const char *key)
{
	if ((*n)->type != NODE_STR)
		return;
	struct node *map = node_new(NODE_MAP, *n);

	kind_set(map, key, NODE_STR, (*n)->text);
	kind_become(n, map);
}

static struct err *norm_records(const struct loader *l, const struct attr *a, struct node **n)
{
	struct err *errors = NULL;

	if ((*n)->type != NODE_LIST)
		return kind_want(*n, "a list of mappings");
	for (size_t i = 0; i < (*n)->n; i++)
		errors = err_join(errors, kind_norm_table(l, a, &(*n)->items[i]));
	return errors;
}

/* ---- ports ---- */

static struct err *norm_ports(const struct loader *l, const struct attr *a, struct node **n)
{
	auto_node struct node *list = node_new(NODE_LIST, *n);

	if ((*n)->type != NODE_LIST)
		return kind_want(*n, "a list");
	for (size_t i = 0; i < (*n)->n; i++) {
		struct node **item = &(*n)->items[i];
		size_t before = list->n;

		if ((*item)->type == NODE_MAP) {
			TRY(attr_normalise(l, a->table, *item));
			TRY(short_complete_port(*item));
			node_append(list, node_copy(*item));
		} else if ((*item)->type == NODE_STR || (*item)->type == NODE_INT) {
			TRY(short_port(*item, list));
			l->owner->n_ports += list->n - before;
			if (l->owner->n_ports > PORTS_MAX)
				return node_err(*item, "more than %d ports", PORTS_MAX);
		} else {
			return kind_want(*item, "a port: \"8080:80\" or a mapping with a target");
		}
	}
	kind_become(n, steal(&list));
	return NULL;
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

static char *identity_port(const struct node *item)
{
	if (item->type != NODE_MAP)
		return mem_strdup(item->text);
	const char *ip = kind_member(item, "host_ip");

	return mem_printf("%s:%s:%s/%s", ip ? ip : "0.0.0.0",
			  or_empty(kind_member(item, "published")), kind_member(item, "target"),
			  or_empty(kind_member(item, "protocol")));
}

/* ---- volumes ---- */

/* What a mount of some type must not have, and must. */
static struct err *check_mount(const struct node *item)
{
	const char *type = kind_member(item, "type");

	if (!type)
		return node_err(item, "the type is missing: bind, volume or tmpfs");
	if (!kind_member(item, "target"))
		return node_err(item, "the target (the path in the container) is missing");
	if (strcmp(type, "bind") == 0 && !kind_member(item, "source"))
		return node_err(item, "a bind mount needs a source");
	return NULL;
}

static void complete_mount(const struct loader *l, struct node *item)
{
	const struct node *target = node_get(item, "target"), *source = node_get(item, "source");
	auto_free char *clean = str_clean_path(target->text);

	if (*target->text == '/')
		node_set(item, "target", node_scalar(NODE_STR, clean, target));
	if (strcmp(kind_member(item, "type"), "bind") != 0)
		return;
	auto_free char *path = load_path(l, source, source->text);

	node_set(item, "source", node_scalar(NODE_STR, path, source));
	if (!node_get(item, "bind") || node_get(item, "bind")->type != NODE_MAP)
		node_set(item, "bind", node_new(NODE_MAP, item));
	struct node *bind = node_get(item, "bind");

	if (!node_get(bind, "create_host_path"))
		kind_set(bind, "create_host_path", NODE_BOOL, "true");
}

static struct err *norm_mounts(const struct loader *l, const struct attr *a, struct node **n)
{
	if ((*n)->type != NODE_LIST)
		return kind_want(*n, "a list");
	for (size_t i = 0; i < (*n)->n; i++) {
		struct node **item = &(*n)->items[i], *v = NULL;

		if ((*item)->type == NODE_STR) {
			TRY(short_volume(l, *item, &v));
			kind_become(item, v);
		}
		if ((*item)->type != NODE_MAP)
			return kind_want(*item, "a volume: \"SOURCE:TARGET\" or a mapping");
		TRY(attr_normalise(l, a->table, *item));
		TRY(check_mount(*item));
		complete_mount(l, *item);
	}
	return NULL;
}

static char *identity_target(const struct node *item)
{
	return mem_strdup(item->type == NODE_MAP ? or_empty(kind_member(item, "target"))
						 : item->text);
}

static struct err *norm_type(const struct loader *l, const struct attr *a, struct node **n)
{
	return kind_choice.normalise(l, a, n);
}

static struct err *read_type(struct loader *l, const struct attr *a, const struct node *n,
			     void *field)
{
	static const char *const names[] = { "bind", "volume", "tmpfs" };
	enum compose_mount_type *type = field;
	struct compose_mount *m = (void *)((char *)field - offsetof(struct compose_mount, type));

	(void)l;
	(void)a;
	*type = COMPOSE_BIND;
	while (*type != COMPOSE_OTHER_MOUNT && strcmp(n->text, names[*type]) != 0)
		(*type)++;
	m->type_name = n->text;
	return NULL;
}

/* ---- configs and secrets of a service ---- */

/* Octal in "0440", 0440 and 0o440; 288 is what YAML makes of the latter two. */
static struct err *norm_mode(const struct loader *l, const struct attr *a, struct node **n)
{
	(void)l;
	(void)a;
	if ((*n)->type == NODE_STR) {
		char *end;
		unsigned long value = strtoul((*n)->text, &end, 8);

		auto_free char *octal = mem_printf("0%lo", value);

		if (!*(*n)->text || *end || value > 07777)
			return node_err(*n, "'%s' is not a mode; write \"0444\"", (*n)->text);
		kind_become(n, node_scalar(NODE_STR, octal, *n));
	} else if ((*n)->type == NODE_INT) {
		long value = strtol((*n)->text, NULL, 10);
		auto_free char *text = mem_printf("0%lo", (unsigned long)value);

		if (value < 0 || value > 07777)
			return node_err(*n, "'%s' is not a mode; write \"0444\"", (*n)->text);
		kind_become(n, node_scalar(NODE_STR, text, *n));
	} else {
		return kind_want(*n, "a mode such as \"0444\"");
	}
	return NULL;
}

static struct err *read_mode(struct loader *l, const struct attr *a, const struct node *n,
			     void *field)
{
	struct compose_int *mode = field;

	(void)l;
	(void)a;
	mode->set = true;
	mode->value = strtol(n->text, NULL, 8);
	return NULL;
}

/* A name alone becomes {source}; secrets stand in /run/secrets, configs in the root. */
static struct err *norm_files(const struct loader *l, const struct attr *a, struct node **n)
{
	bool secrets = a->merge == UNIQUE && a->offset == offsetof(struct compose_service, secrets);

	if ((*n)->type != NODE_LIST)
		return kind_want(*n, "a list");
	for (size_t i = 0; i < (*n)->n; i++) {
		struct node **item = &(*n)->items[i];

		name_to_map(item, "source");
		TRY(kind_norm_table(l, a, item));
		const char *source = kind_member(*item, "source");
		const char *target = kind_member(*item, "target");

		if (!secrets || target || !source)
			continue;
		auto_free char *path = mem_printf("/run/secrets/%s", source);

		kind_set(*item, "target", NODE_STR, path);
	}
	return NULL;
}

static char *identity_file(const struct node *item)
{
	const char *target = kind_member(item, "target");

	return target ? mem_strdup(target)
		      : mem_printf("/%s", or_empty(kind_member(item, "source")));
}

/* ---- devices ---- */

/* "SOURCE[:TARGET[:rwm]]", or the name of a CDI device, which has a "=". */
static struct err *short_device(struct node **n)
{
	auto_free char *text = mem_strdup((*n)->text);
	struct node *map = node_new(NODE_MAP, *n);
	char *rest = text, *part[3] = { NULL };
	size_t count = 0;

	for (char *p; (p = strsep(&rest, ":"));) {
		if (count == ARRAY_LEN(part)) {
			node_free(map);
			return node_err(*n, "'%s' has too many colons", (*n)->text);
		}
		part[count++] = p;
	}
	kind_set(map, "source", NODE_STR, part[0]);
	kind_set(map, "target", NODE_STR, part[1] ? part[1] : part[0]);
	kind_set(map, "permissions", NODE_STR, part[2] ? part[2] : "rwm");
	kind_become(n, map);
	return NULL;
}

static struct err *norm_devices(const struct loader *l, const struct attr *a, struct node **n)
{
	if ((*n)->type != NODE_LIST)
		return kind_want(*n, "a list");
	for (size_t i = 0; i < (*n)->n; i++) {
		struct node **item = &(*n)->items[i];

		if ((*item)->type == NODE_STR)
			TRY(short_device(item));
		TRY(kind_norm_table(l, a, item));
		if (!node_get(*item, "source") || !kind_member(*item, "target"))
			return node_err(*item, "the source and the target are needed");
	}
	return NULL;
}

static char *identity_device(const struct node *item)
{
	const char *target = kind_member(item, "target");

	return mem_strdup(target ? target : or_empty(kind_member(item, "source")));
}

/* "all" is one request for all of them. */
static void widen_gpus(const struct attr *a, struct node **n)
{
	(void)a;
	if ((*n)->type != NODE_STR || strcmp((*n)->text, "all") != 0)
		return;
	struct node *list = node_new(NODE_LIST, *n), *all = node_new(NODE_MAP, *n);

	kind_set(all, "count", NODE_INT, "-1");
	node_append(list, all);
	kind_become(n, list);
}

static struct err *norm_requests(const struct loader *l, const struct attr *a, struct node **n)
{
	bool needs = a->kind == &kind_requests;

	TRY(norm_records(l, a, n));
	for (size_t i = 0; i < (*n)->n; i++) {
		struct node *item = (*n)->items[i];

		if (needs && !node_get(item, "capabilities"))
			return node_err(item, "the capabilities are missing: [gpu]");
		if (node_get(item, "count") && node_get(item, "device_ids"))
			return node_err(item, "count and device_ids exclude each other");
		if (!node_get(item, "count") && !node_get(item, "device_ids"))
			kind_set(item, "count", NODE_INT, "-1");
	}
	return NULL;
}

static struct err *norm_gpus(const struct loader *l, const struct attr *a, struct node **n)
{
	return (*n)->type == NODE_LIST ? norm_requests(l, a, n)
				       : kind_want(*n, "all, or a list of mappings");
}

/* ---- files of variables, and what is included ---- */

static void widen_alone(const struct attr *a, struct node **n)
{
	(void)a;
	if ((*n)->type == NODE_STR)
		kind_alone(n);
}

static struct err *norm_envfile(const struct loader *l, const struct attr *a, struct node **n)
{
	if ((*n)->type != NODE_LIST)
		return kind_want(*n, "a path, or a list of them");
	for (size_t i = 0; i < (*n)->n; i++) {
		struct node **item = &(*n)->items[i];

		name_to_map(item, "path");
		TRY(kind_norm_table(l, a, item));
		const struct node *path = node_get(*item, "path");

		if (!path || !*path->text)
			return node_err(*item, "the path is missing");
		auto_free char *absolute = load_path(l, path, path->text);

		node_set(*item, "path", node_scalar(NODE_STR, absolute, path));
		if (!node_get(*item, "required"))
			kind_set(*item, "required", NODE_BOOL, "true");
	}
	return NULL;
}

static char *identity_path(const struct node *item)
{
	return mem_strdup(item->type == NODE_MAP ? or_empty(kind_member(item, "path"))
						 : item->text);
}

static struct err *norm_include(const struct loader *l, const struct attr *a, struct node **n)
{
	if ((*n)->type != NODE_LIST)
		return kind_want(*n, "a list");
	for (size_t i = 0; i < (*n)->n; i++) {
		struct node **item = &(*n)->items[i];

		name_to_map(item, "path");
		TRY(kind_norm_table(l, a, item));
		if (!node_get(*item, "path") || node_get(*item, "path")->n == 0)
			return node_err(*item, "the path is missing");
	}
	return NULL;
}

/* ---- others ---- */

static struct err *norm_hooks(const struct loader *l, const struct attr *a, struct node **n)
{
	TRY(norm_records(l, a, n));
	for (size_t i = 0; i < (*n)->n; i++) {
		const struct node *command = node_get((*n)->items[i], "command");

		if (!command || command->type == NODE_NULL)
			return node_err((*n)->items[i], "the command is missing");
	}
	return NULL;
}

static struct err *norm_watches(const struct loader *l, const struct attr *a, struct node **n)
{
	TRY(norm_records(l, a, n));
	for (size_t i = 0; i < (*n)->n; i++) {
		const struct node *item = (*n)->items[i];

		if (!kind_member(item, "path") || !kind_member(item, "action"))
			return node_err(item, "the path and the action are needed");
	}
	return NULL;
}

static char *identity_subnet(const struct node *item)
{
	return mem_strdup(or_empty(kind_member(item, "subnet")));
}

static const char *const conditions[] = { "service_started", "service_healthy",
					  "service_completed_successfully", NULL };

static struct err *norm_condition(const struct loader *l, const struct attr *a, struct node **n)
{
	TRY(kind_str.normalise(l, a, n));
	if (str_one_of((*n)->text, conditions))
		return NULL;
	return node_err(*n, "'%s' is not a condition; there are %s, %s and %s", (*n)->text,
			conditions[0], conditions[1], conditions[2]);
}

static struct err *read_condition(struct loader *l, const struct attr *a, const struct node *n,
				  void *field)
{
	enum compose_condition *condition = field;

	(void)l;
	(void)a;
	*condition = COMPOSE_STARTED;
	while (strcmp(n->text, conditions[*condition]) != 0)
		(*condition)++;
	return NULL;
}

/* clang-format off */
const struct kind kind_records = { .label = "list of mappings", .normalise = norm_records, .read = kind_read_records };
const struct kind kind_ports   = { .label = "list of \"[[IP:]HOST:]CONTAINER[/PROTOCOL]\", numbers or mappings", .normalise = norm_ports, .identity = identity_port, .read = kind_read_records };
const struct kind kind_mounts  = { .label = "list of \"[SOURCE:]TARGET[:OPTIONS]\" or mappings", .normalise = norm_mounts, .identity = identity_target, .read = kind_read_records };
const struct kind kind_type    = { .label = "type of a mount", .normalise = norm_type, .read = read_type };
const struct kind kind_mode    = { .label = "mode (\"0444\")", .normalise = norm_mode, .read = read_mode };
const struct kind kind_files   = { .label = "list of names or mappings", .normalise = norm_files, .identity = identity_file, .read = kind_read_records };
const struct kind kind_devices = { .label = "list of \"SOURCE[:TARGET[:rwm]]\" or mappings", .normalise = norm_devices, .identity = identity_device, .read = kind_read_records };
const struct kind kind_requests = { .label = "list of mappings", .normalise = norm_requests, .read = kind_read_records };
const struct kind kind_watches = { .label = "list of mappings", .normalise = norm_watches, .read = kind_read_records };
const struct kind kind_gpus    = { .label = "all, or list of mappings", .widen = widen_gpus, .normalise = norm_gpus, .read = kind_read_records };
const struct kind kind_envfile = { .label = "path, list of paths, or list of {path, required, format}", .widen = widen_alone, .normalise = norm_envfile, .identity = identity_path };
const struct kind kind_hooks   = { .label = "list of mappings", .normalise = norm_hooks, .read = kind_read_records };
const struct kind kind_subnets = { .label = "list of mappings", .normalise = norm_records, .identity = identity_subnet, .read = kind_read_records };
const struct kind kind_include = { .label = "list of paths or mappings", .normalise = norm_include };
const struct kind kind_condition = { .label = "condition", .normalise = norm_condition, .read = read_condition };
/* clang-format on */
