/* SPDX-License-Identifier: Apache-2.0 */
/* compose/select.c - which services are wanted, by profile and by name, and what they need. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "compose/kinds.h"

/* Whether @profiles has one of the service's; a service without any is always on. */
static bool is_on(const struct node *service, char *const *profiles)
{
	const struct node *own = node_get(service, "profiles");

	if (!own || own->n == 0 || strv_has(profiles, "*"))
		return true;
	for (size_t i = 0; i < own->n; i++)
		if (strv_has(profiles, own->items[i]->text))
			return true;
	return false;
}

static char **chosen_profiles(const struct loader *l)
{
	const char *named = env_get(l->scope->env, "COMPOSE_PROFILES");

	return l->options->profiles && *l->options->profiles ? strv_dup(l->options->profiles)
	       : named					     ? str_split(named, ", ")
							     : NULL;
}

/* Moves the services for which @profiles say so from @from to @to. */
static void move(struct node *from, struct node *to, char *const *profiles, bool on)
{
	for (size_t i = 0; from && i < from->n;) {
		if (is_on(from->items[i], profiles) != on) {
			i++;
			continue;
		}
		auto_free char *key = mem_strdup(from->keys[i]);

		node_set(to, key, node_take(from, key));
	}
}

void select_profiles(const struct loader *l, struct node *root, struct node **ret_off)
{
	auto_strv char **profiles = chosen_profiles(l);

	*ret_off = node_new(NODE_MAP, root);
	move(node_get(root, "services"), *ret_off, profiles, false);
}

/* Who is asked for by name is on, and with it all that have one of its profiles. */
static struct err *turn_on(struct node *services, struct node *off, char *const *names)
{
	auto_strv char **profiles = NULL;
	struct err *errors = NULL;

	for (; *names; names++) {
		const struct node *service = node_get(off, *names);
		const struct node *own = service ? node_get(service, "profiles") : NULL;

		if (!service && !node_get(services, *names))
			errors = err_join(errors, err_new(ENOENT, "no such service: %s", *names));
		for (size_t i = 0; own && i < own->n; i++)
			strv_add(&profiles, mem_strdup(own->items[i]->text));
	}
	TRY(errors);
	if (profiles)
		move(off, services, profiles, true);
	return NULL;
}

/* Marks a service and what it depends on. */
static struct err *mark(const struct node *services, const struct node *off, const char *name,
			bool alone, struct node *wanted)
{
	const struct node *service = node_get(services, name);
	const struct node *depends = node_get(service, "depends_on");

	if (!service || node_get(wanted, name))
		return NULL;
	node_set(wanted, name, node_new(NODE_NULL, NULL));
	for (size_t i = 0; depends && depends->type == NODE_MAP && i < depends->n && !alone; i++) {
		const struct node *d = depends->items[i];

		if (node_get(off, depends->keys[i]) && !str_eq(kind_member(d, "required"), "false"))
			return node_err(d, "service '%s' is not enabled: its profiles are off",
					depends->keys[i]);
		TRY(mark(services, off, depends->keys[i], alone, wanted));
	}
	return NULL;
}

/* What stands alone waits for nobody that is not there. */
static void drop_dependencies(struct node *service, const struct node *wanted)
{
	struct node *depends = node_get(service, "depends_on");

	if (!depends || depends->type != NODE_MAP)
		return;
	for (size_t i = depends->n; i > 0; i--)
		if (!node_get(wanted, depends->keys[i - 1]))
			node_remove_item(depends, i - 1);
	if (depends->n == 0)
		node_free(node_take(service, "depends_on"));
}

struct err *select_services(struct loader *l, struct node *root, struct node *off)
{
	char *const *names = l->options->services;
	struct node *services = node_get(root, "services");
	auto_node struct node *wanted = node_new(NODE_MAP, NULL);

	if (!names || !*names)
		return NULL;
	if (!services) {
		node_set(root, "services", node_new(NODE_MAP, root));
		services = node_get(root, "services");
	}
	TRY(turn_on(services, off, names));
	for (; *names; names++)
		TRY(mark(services, off, *names, l->options->no_deps, wanted));
	for (size_t i = services->n; i > 0; i--)
		if (!node_get(wanted, services->keys[i - 1]))
			node_remove_item(services, i - 1);
	for (size_t i = 0; l->options->no_deps && i < services->n; i++)
		drop_dependencies(services->items[i], wanted);
	return NULL;
}

/* ---- resources ---- */

static void use(struct node *used, const char *key)
{
	if (key)
		node_set(used, key, node_new(NODE_NULL, NULL));
}

/* The sources of a list of configs or secrets. */
static void use_files(struct node *used, const struct node *list)
{
	for (size_t i = 0; list && i < list->n; i++)
		use(used, kind_member(list->items[i], "source"));
}

static void use_volumes(struct node *used, const struct node *list)
{
	for (size_t i = 0; list && i < list->n; i++)
		if (str_eq(kind_member(list->items[i], "type"), "volume"))
			use(used, kind_member(list->items[i], "source"));
}

static void use_keys(struct node *used, const struct node *map)
{
	for (size_t i = 0; map && map->type == NODE_MAP && i < map->n; i++)
		use(used, map->keys[i]);
}

static void use_of_service(struct node *used, const char *group, const struct node *service)
{
	if (strcmp(group, "volumes") == 0) {
		use_volumes(used, node_get(service, group));
	} else if (strcmp(group, "configs") == 0 || strcmp(group, "secrets") == 0) {
		use_files(used, node_get(service, group));
		use_files(used, node_get(node_get(service, "build"), group));
	} else {
		use_keys(used, node_get(service, group));
	}
}

void select_resources(struct node *root)
{
	static const char *const groups[] = { "networks", "volumes", "configs", "secrets",
					      "models" };
	const struct node *services = node_get(root, "services");

	for (size_t g = 0; g < ARRAY_LEN(groups); g++) {
		struct node *map = node_get(root, groups[g]);
		auto_node struct node *used = node_new(NODE_MAP, NULL);

		for (size_t i = 0; services && i < services->n; i++)
			use_of_service(used, groups[g], services->items[i]);
		for (size_t i = map && map->type == NODE_MAP ? map->n : 0; i > 0; i--)
			if (!node_get(used, map->keys[i - 1]))
				node_remove_item(map, i - 1);
		if (map && map->n == 0)
			node_free(node_take(root, groups[g]));
	}
}
