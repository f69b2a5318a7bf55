/* SPDX-License-Identifier: Apache-2.0 */
/* compose/check.c - whether what is written agrees with the rest of it, and with itself. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "compose/kinds.h"

/* ---- each resource alone ---- */

static bool is_true(const struct node *map, const char *key)
{
	return str_eq(kind_member(map, key), "true");
}

/* What is somebody else's has a name and nothing more. */
static struct err *check_external(const struct node *n)
{
	for (size_t i = 0; i < n->n; i++)
		if (!str_one_of(n->keys[i], (const char *const[]) { "external", "name", NULL }) &&
		    !str_starts(n->keys[i], "x-"))
			return node_err(n->items[i], "what is external has only a name");
	return NULL;
}

static struct err *check_source(const struct node *n, const char *const *keys, bool secret)
{
	auto_strv char **found = NULL;
	auto_strv char **all = NULL;

	for (; *keys; keys++) {
		strv_add(&all, mem_strdup(*keys));
		if (kind_member(n, *keys) || (!secret && node_get(n, *keys)))
			strv_add(&found, mem_strdup(*keys));
	}
	if (is_true(n, "external"))
		return NULL;
	auto_free char *names = strv_join(all, ", ");
	auto_free char *given = strv_join(found, " and ");

	if (strv_len(found) > 1)
		return node_err(n, "%s exclude each other", given);
	if (!found && (secret || !kind_member(n, "driver")))
		return node_err(n, "needs one of %s, or external: true", names);
	return NULL;
}

struct err *check_values(const struct node *root)
{
	static const char *const config_sources[] = { "file", "environment", "content", NULL };
	static const char *const secret_sources[] = { "file", "environment", NULL };
	const struct node *volumes = node_get(root, "volumes");
	const struct node *configs = node_get(root, "configs");
	const struct node *secrets = node_get(root, "secrets");
	struct err *errors = NULL;

	for (size_t i = 0; volumes && i < volumes->n; i++)
		if (is_true(volumes->items[i], "external"))
			errors = err_join(errors, check_external(volumes->items[i]));
	for (size_t i = 0; configs && i < configs->n; i++)
		errors = err_join(errors, check_source(configs->items[i], config_sources, false));
	for (size_t i = 0; secrets && i < secrets->n; i++)
		errors = err_join(errors, check_source(secrets->items[i], secret_sources, true));
	return errors;
}

/* ---- references ---- */

struct check {
	const struct node *root, *services, *off;
	struct err *errors;
	struct node *names; /* of containers */
};

static void add(struct check *c, struct err *e)
{
	c->errors = err_join(c->errors, e);
}

static bool declared(const struct check *c, const char *group, const char *key)
{
	return node_get(node_get(c->root, group), key) != NULL;
}

static void check_declared(struct check *c, const struct node *at, const char *group,
			   const char *key)
{
	if (!declared(c, group, key ? key : ""))
		add(c, node_err(at, "'%s' is not declared under '%s'", key ? key : "", group));
}

static void check_files(struct check *c, const struct node *service, const char *group)
{
	const struct node *list = node_get(service, group);

	for (size_t i = 0; list && i < list->n; i++)
		check_declared(c, list->items[i], group, kind_member(list->items[i], "source"));
}

static void check_resources(struct check *c, const struct node *service)
{
	const struct node *networks = node_get(service, "networks");
	const struct node *volumes = node_get(service, "volumes");
	const struct node *models = node_get(service, "models");

	if (kind_member(service, "network_mode") && networks && networks->n)
		add(c, node_err(networks, "network_mode and networks exclude each other"));
	for (size_t i = 0; networks && networks->type == NODE_MAP && i < networks->n; i++)
		check_declared(c, networks->items[i], "networks", networks->keys[i]);
	for (size_t i = 0; volumes && i < volumes->n; i++) {
		const struct node *v = volumes->items[i];

		if (str_eq(kind_member(v, "type"), "volume") && kind_member(v, "source"))
			check_declared(c, v, "volumes", kind_member(v, "source"));
	}
	for (size_t i = 0; models && models->type == NODE_MAP && i < models->n; i++)
		check_declared(c, models->items[i], "models", models->keys[i]);
	check_files(c, service, "configs");
	check_files(c, service, "secrets");
	check_files(c, node_get(service, "build"), "secrets");
}

static void check_order(struct check *c, const struct node *service)
{
	static const char *const namespaces[] = { "network_mode", "ipc", "pid", "uts", "cgroup" };
	const struct node *depends = node_get(service, "depends_on");

	for (size_t i = 0; depends && depends->type == NODE_MAP && i < depends->n; i++) {
		const char *other = depends->keys[i];
		bool off = node_get(c->off, other) != NULL;
		bool optional = str_eq(kind_member(depends->items[i], "required"), "false");

		if (!node_get(c->services, other) && !(off && optional))
			add(c, node_err(depends->items[i],
					off ? "service '%s' is not enabled: its profiles are off"
					    : "there is no service '%s'",
					other));
	}
	for (size_t i = 0; i < ARRAY_LEN(namespaces); i++) {
		const char *text = kind_member(service, namespaces[i]);

		if (text && str_starts(text, "service:") && !node_get(depends, text + 8) &&
		    !node_get(c->services, text + 8))
			add(c, node_err(node_get(service, namespaces[i]),
					"there is no service '%s'", text + 8));
	}
}

static void check_build(struct check *c, const struct node *service)
{
	const struct node *build = node_get(service, "build");
	const struct node *platforms = node_get(build, "platforms");
	const struct node *contexts = node_get(build, "additional_contexts");
	const char *platform = kind_member(service, "platform");
	bool found = !platform || !platforms || platforms->n == 0;

	if (kind_member(build, "dockerfile") && kind_member(build, "dockerfile_inline"))
		add(c, node_err(build, "dockerfile and dockerfile_inline exclude each other"));
	for (size_t i = 0; !found && i < platforms->n; i++)
		found = strcmp(platforms->items[i]->text, platform) == 0;
	if (!found)
		add(c,
		    node_err(platforms, "the service's platform %s is not among them", platform));
	for (size_t i = 0; contexts && contexts->type == NODE_MAP && i < contexts->n; i++) {
		const char *text = contexts->items[i]->text;
		const struct node *other =
			str_starts(text, "service:") ? node_get(c->services, text + 8) : service;

		if (!other || !node_get(other, "build"))
			add(c, node_err(contexts->items[i], "there is no service '%s' to build",
					text + 8));
	}
}

/* ---- said twice ---- */

/* The old and the new way to say the same, of which @parse makes a number. */
static void check_twin(struct check *c, const struct node *service, const char *key,
		       const char *group, const char *member,
		       struct err *(*parse)(const char *text, int64_t *ret))
{
	const struct node *old = node_get(service, key);
	const struct node *deploy = node_get(service, "deploy");
	const struct node *holder = group ? node_get(node_get(deploy, "resources"), group) : deploy;
	const char *text = kind_member(holder, member);
	int64_t a = 0, b = 0;

	if (!old || !holder || (!text && !group))
		return;
	text = text ? text : "0"; /* a block of limits says something about all of them */
	auto_err struct err *e = parse(old->text, &a);

	if (!e && group && a == 0)
		return;

	if (!e)
		e = parse(text, &b);
	if (!e && a != b)
		add(c, node_err(old, "is not the same as deploy.%s%s%s%s: %s and %s",
				group ? "resources." : "", group ? group : "", group ? "." : "",
				member, old->text, text));
}

static struct err *parse_count(const char *text, int64_t *ret)
{
	return str_number(text, INT64_MIN, INT64_MAX, ret);
}

static int64_t scale_of(const struct node *service)
{
	const char *scale = kind_member(service, "scale");
	int64_t n = 1;

	if (!scale)
		scale = kind_member(node_get(service, "deploy"), "replicas");
	if (scale)
		err_ignore(parse_count(scale, &n));
	return n;
}

static void check_scale(struct check *c, const struct node *service)
{
	const struct node *name = node_get(service, "container_name");
	const char *text = kind_member(service, "container_name");
	const struct node *other = text ? node_get(c->names, text) : NULL;

	if (scale_of(service) < 0)
		add(c, node_err(service, "scale: must not be negative"));
	if (!text)
		return;
	if (scale_of(service) > 1)
		add(c, node_err(name, "'%s' can be the name of one container only", text));
	if (other)
		add(c, node_err(name, "'%s' is also the name of service %s", text, other->text));
	else
		node_set(c->names, text, node_scalar(NODE_STR, service->key, name));
}

/* Two mounts in one place. */
static void check_targets(struct check *c, const struct node *service)
{
	const struct node *tmpfs = node_get(service, "tmpfs");
	const struct node *volumes = node_get(service, "volumes");
	auto_node struct node *seen = node_new(NODE_MAP, NULL);

	for (size_t i = 0; tmpfs && i < tmpfs->n; i++) {
		const char *text = tmpfs->items[i]->text;
		auto_free char *path = mem_strndup(text, strcspn(text, ":"));

		if (node_get(seen, path))
			add(c, node_err(tmpfs->items[i], "the target %s is mounted twice", path));
		node_set(seen, path, node_new(NODE_NULL, NULL));
	}
	for (size_t i = 0; volumes && i < volumes->n; i++) {
		const char *target = kind_member(volumes->items[i], "target");

		if (target && node_get(seen, target))
			add(c,
			    node_err(volumes->items[i], "the target %s is mounted twice", target));
	}
}

static void check_watches(struct check *c, const struct node *service)
{
	const struct node *list = node_get(node_get(service, "develop"), "watch");

	for (size_t i = 0; list && i < list->n; i++) {
		const char *action = kind_member(list->items[i], "action");

		if (!kind_member(list->items[i], "target") && action &&
		    strcmp(action, "rebuild") != 0 && strcmp(action, "restart") != 0)
			add(c, node_err(list->items[i], "the action %s needs a target", action));
	}
}

static void check_service(struct check *c, const struct node *service)
{
	if (!kind_member(service, "image") && !node_get(service, "build") &&
	    !node_get(service, "provider"))
		add(c, node_err(service, "the image is missing"));
	check_resources(c, service);
	check_order(c, service);
	check_build(c, service);
	check_twin(c, service, "scale", NULL, "replicas", parse_count);
	check_twin(c, service, "cpus", "limits", "cpus", scalar_nano);
	check_twin(c, service, "mem_limit", "limits", "memory", compose_parse_bytes);
	check_twin(c, service, "mem_reservation", "reservations", "memory", compose_parse_bytes);
	check_twin(c, service, "pids_limit", "limits", "pids", parse_count);
	check_scale(c, service);
	check_targets(c, service);
	check_watches(c, service);
}

/* ---- circles ---- */

enum { CHAIN_MAX = 1000 };

/* Depth first. @state: names on the way here are open, those that were left are done. */
static struct err *find_circle(const struct node *services, const struct node *service,
			       struct node *state, char ***chain)
{
	const struct node *depends = node_get(service, "depends_on");
	const struct node *known = node_get(state, service->key);

	if (known && strcmp(known->text, "done") == 0)
		return NULL;
	if (strv_len(*chain) == CHAIN_MAX)
		return node_err(service, "a chain of more than %d dependencies", CHAIN_MAX);
	strv_add(chain, mem_strdup(service->key));
	if (known) {
		auto_free char *text = strv_join(*chain, " -> ");
		return node_err(service, "the dependencies go in a circle: %s", text);
	}
	node_set(state, service->key, node_scalar(NODE_STR, "open", NULL));
	for (size_t i = 0; depends && depends->type == NODE_MAP && i < depends->n; i++) {
		const struct node *other = node_get(services, depends->keys[i]);

		if (other)
			TRY(find_circle(services, other, state, chain));
	}
	node_set(state, service->key, node_scalar(NODE_STR, "done", NULL));
	size_t last = strv_len(*chain) - 1;

	free((*chain)[last]);
	(*chain)[last] = NULL;
	return NULL;
}

struct err *check_project(const struct node *root, const struct node *off)
{
	auto_node struct node *names = node_new(NODE_MAP, NULL);
	auto_node struct node *state = node_new(NODE_MAP, NULL);
	struct check c = {
		.root = root, .services = node_get(root, "services"), .off = off, .names = names
	};

	for (size_t i = 0; c.services && i < c.services->n; i++)
		check_service(&c, c.services->items[i]);
	for (size_t i = 0; c.services && i < c.services->n && !c.errors; i++) {
		auto_strv char **chain = NULL;

		c.errors = find_circle(c.services, c.services->items[i], state, &chain);
	}
	return c.errors;
}
