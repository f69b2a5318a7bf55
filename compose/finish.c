/* SPDX-License-Identifier: Apache-2.0 */
/* compose/finish.c - what a merged project says without words: names, networks, implied order. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "compose/kinds.h"

/* Values for the names that stand alone in @map. */
static void fill(const struct loader *l, struct node *map)
{
	for (size_t i = 0; map && i < map->n; i++) {
		struct node *item = map->items[i];
		const char *value =
			item->type == NODE_NULL ? env_get(l->scope->env, map->keys[i]) : NULL;

		if (!value)
			continue;
		free(item->text);
		item->text = mem_strdup(value);
		item->type = NODE_STR;
	}
}

static const struct node *get_map(const struct node *n, const char *key)
{
	const struct node *map = node_get(n, key);

	return map && map->type == NODE_MAP ? map : NULL;
}

void finish_environment(const struct loader *l, struct node *root)
{
	const struct node *services = get_map(root, "services");

	for (size_t i = 0; services && i < services->n; i++)
		fill(l, node_get(services->items[i], "environment"));
}

/* ---- order ---- */

/* Without a word about it the other one is started first. */
static void imply(struct node *service, const char *other, bool restart)
{
	struct node *depends = node_get(service, "depends_on");

	if (!depends || depends->type != NODE_MAP) {
		node_set(service, "depends_on", node_new(NODE_MAP, service));
		depends = node_get(service, "depends_on");
	}
	if (node_get(depends, other))
		return;
	struct node *d = node_new(NODE_MAP, service);

	kind_set(d, "condition", NODE_STR, "service_started");
	if (restart)
		kind_set(d, "restart", NODE_BOOL, "true");
	kind_set(d, "required", NODE_BOOL, "true");
	node_set(depends, other, d);
}

static void imply_order(struct node *service)
{
	static const char *const namespaces[] = { "network_mode", "ipc", "pid", "uts", "cgroup" };
	const struct node *links = node_get(service, "links");
	const struct node *from = node_get(service, "volumes_from");

	for (size_t i = 0; links && i < links->n; i++) {
		const char *text = links->items[i]->text, *colon = strchr(text, ':');
		bool alias = colon && !strchr(colon + 1, ':');
		auto_free char *other =
			mem_strndup(text, alias ? (size_t)(colon - text) : strlen(text));

		imply(service, other, true);
	}
	for (size_t i = 0; i < ARRAY_LEN(namespaces); i++) {
		const char *text = kind_member(service, namespaces[i]);

		if (text && str_starts(text, "service:"))
			imply(service, text + strlen("service:"), true);
	}
	for (size_t i = 0; from && i < from->n; i++) {
		auto_strv char **parts = str_split(from->items[i]->text, ":");

		if (parts && strcmp(parts[0], "container") != 0)
			imply(service, parts[0], false);
	}
}

/* ---- networks and names ---- */

/* Whether the service is in the default network; says so where nothing else is said. */
static bool joins_default(struct node *service)
{
	const struct node *networks = node_get(service, "networks");

	if (node_get(service, "provider") || node_get(service, "network_mode"))
		return false;
	if (!networks || networks->n == 0) {
		struct node *map = node_new(NODE_MAP, service);

		node_set(map, "default", node_new(NODE_NULL, service));
		node_set(service, "networks", map);
		return true;
	}
	return node_get(networks, "default") != NULL;
}

static void name_resources(struct node *root, const char *group, const char *project)
{
	const struct node *map = get_map(root, group);

	for (size_t i = 0; map && i < map->n; i++) {
		struct node *item = map->items[i];
		const char *external = kind_member(item, "external");
		auto_free char *name = str_eq(external, "true")
					       ? mem_strdup(map->keys[i])
					       : mem_printf("%s_%s", project, map->keys[i]);

		if (!node_get(item, "name"))
			kind_set(item, "name", NODE_STR, name);
	}
}

static void complete_build(const struct loader *l, struct node *service)
{
	struct node *build = node_get(service, "build");

	if (!build || build->type != NODE_MAP)
		return;
	if (!kind_member(build, "dockerfile") && !kind_member(build, "dockerfile_inline"))
		kind_set(build, "dockerfile", NODE_STR, "Dockerfile");
	struct node *args = node_get(build, "args");

	fill(l, args);
	for (size_t i = args ? args->n : 0; i > 0; i--) /* a name nobody has a value for */
		if (args->items[i - 1]->type == NODE_NULL)
			node_remove_item(args, i - 1);
}

/* What runs before the service runs in its image, unless it has another. */
static void complete_hooks(struct node *service)
{
	const struct node *hooks = node_get(service, "pre_start");
	const char *image = kind_member(service, "image");

	for (size_t i = 0; hooks && image && i < hooks->n; i++)
		if (!kind_member(hooks->items[i], "image"))
			kind_set(hooks->items[i], "image", NODE_STR, image);
}

static void complete_scale(struct node *service)
{
	struct node *deploy = node_get(service, "deploy");
	const char *scale = kind_member(service, "scale");

	if (scale && deploy && deploy->type == NODE_MAP && !node_get(deploy, "replicas"))
		kind_set(deploy, "replicas", NODE_INT, scale);
}

static void finish_service(const struct loader *l, struct node *service)
{
	complete_build(l, service);
	if (str_eq(kind_member(service, "pull_policy"), "if_not_present"))
		kind_set(service, "pull_policy", NODE_STR, "missing");
	complete_hooks(service);
	complete_scale(service);
	imply_order(service);
}

/* @text: "SERVICE=N". */
static struct err *set_scale(const struct node *services, const char *text)
{
	enum { SCALE_MOST = 10000 };
	const char *equals = strrchr(text, '=');
	auto_free char *name = mem_strndup(text, equals ? (size_t)(equals - text) : strlen(text));
	struct node *service = services ? node_get(services, name) : NULL;
	int64_t n = 0;

	if (!equals)
		return err_new(EINVAL, "scale: '%s' is not SERVICE=N", text);
	TRY(err_wrap(str_number(equals + 1, 0, SCALE_MOST, &n), "scale: %s", name));
	if (!service || service->type != NODE_MAP)
		return err_new(ENOENT, "scale: no such service: %s", name);
	struct node *deploy = node_get(service, "deploy");

	if (node_get(deploy, "replicas"))
		kind_set(deploy, "replicas", NODE_INT, equals + 1);
	kind_set(service, "scale", NODE_INT, equals + 1);
	return NULL;
}

struct err *finish_project(struct loader *l, struct node *root)
{
	static const char *const groups[] = { "networks", "volumes", "configs", "secrets" };
	const struct node *services = get_map(root, "services");
	bool uses_default = false;

	node_set(root, "name", node_scalar(NODE_STR, l->owner->p.name, root));
	for (char *const *s = l->options->scale; s && *s; s++)
		TRY(set_scale(services, *s));
	if (l->options->no_normalise)
		return NULL;
	for (size_t i = 0; services && i < services->n; i++)
		if (services->items[i]->type == NODE_MAP) {
			finish_service(l, services->items[i]);
			uses_default |= joins_default(services->items[i]);
		}
	if (uses_default && !get_map(root, "networks"))
		node_set(root, "networks", node_new(NODE_MAP, root));
	if (uses_default && !node_get(node_get(root, "networks"), "default"))
		node_set(node_get(root, "networks"), "default", node_new(NODE_MAP, root));
	for (size_t i = 0; i < ARRAY_LEN(groups); i++)
		name_resources(root, groups[i], l->owner->p.name);
	return NULL;
}
