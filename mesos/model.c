/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mesos/model.c - what the cluster adds to a project: host ports of the offer, variables, labels, patches of hooks.
 *
 * The project is loaded, printed in its canonical form as JSON, changed, and
 * loaded again: whatever is changed goes through the same checks as a file.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "mesos/internal.h"

enum {
	MODEL_MAX = 64 << 20,
	PORTS_MAX = 65535,
	TOLD_MAX = 1024, /* a program's environment, and one variable of it, have an end */
	SHOWN_MAX = 20
};

/* ---- in and out ---- */

struct err *model_read(const struct source *src, const char *name, char *const *environ,
		       json_t **ret, char ***ret_warnings)
{
	auto_compose struct compose_project *p = NULL;
	char *const given[] = { (char *)(uintptr_t) "task", NULL };
	const struct compose_options o = { .files = src->text ? given : src->files,
					   .text = src->text,
					   .project_dir = src->text ? src->dir : NULL,
					   .name = name,
					   .environ = environ };
	auto_free char *text = NULL;

	TRY(compose_load(&o, &p));
	for (char **w = p->warnings; w && *w; w++)
		strv_add(ret_warnings, mem_strdup(*w));
	TRY(pod_lint(p, ret_warnings)); /* while errors still name the user's own lines */
	TRY(compose_print_text(p, COMPOSE_JSON, &text));
	return json_parse(text, strlen(text), MODEL_MAX, ret);
}

static struct err *load_whole(const char *text, const char *name, const char *dir,
			      char *const *environ, struct compose_project **ret)
{
	static char *const files[] = { (char *)(uintptr_t) "slipway/compose.yml", NULL };
	/* what its profiles turn off is no longer in it */
	static char *const profiles[] = { (char *)(uintptr_t) "*", NULL };
	const struct compose_options o = { .files = files,
					   .text = text,
					   .project_dir = dir,
					   .name = name,
					   .profiles = profiles,
					   .environ = environ };

	return compose_load(&o, ret);
}

struct err *model_load(const json_t *model, const char *name, const char *dir, char *const *environ,
		       struct compose_project **ret)
{
	auto_compose struct compose_project *as_json = NULL;
	auto_free char *text = json_text(model, 2), *yaml = NULL;

	TRY(load_whole(text, name, dir, environ, &as_json));
	TRY(compose_print_text(as_json, COMPOSE_YAML, &yaml));
	TRY(sandbox_write(dir, "compose.yml", yaml));
	/* once more, so that errors name lines of what can be read */
	return load_whole(yaml, name, dir, environ, ret);
}

void model_patch(json_t **target, const json_t *patch)
{
	const char *key;
	json_t *value;

	if (!json_is_object(patch)) {
		json_decref(*target);
		*target = json_deep_copy(patch);
		return;
	}
	if (!json_is_object(*target)) {
		json_decref(*target);
		*target = json_object();
	}
	json_object_foreach((json_t *)(uintptr_t)patch, key, value)
	{
		json_t *old = json_incref(json_object_get(*target, key));

		if (json_is_null(value)) {
			json_object_del(*target, key);
			json_decref(old);
			continue;
		}
		if (!old)
			old = json_null();
		model_patch(&old, value);
		json_object_set_new(*target, key, old);
	}
}

/* ---- the offer ---- */

/* 1 + its index; 0: it is not among them. */
static uint32_t place_of(const struct offer *o, double number)
{
	return o->places && number >= 1 && number <= PORTS_MAX ? o->places[(uint16_t)number] : 0;
}

static void add_port(struct offer *o, const char *name, double number)
{
	uint32_t place = place_of(o, number);

	if (!(number >= 1 && number <= PORTS_MAX))
		return;
	if (place) {
		if (name && *name && !o->ports[place - 1].name)
			o->ports[place - 1].name = mem_strdup(name);
		return;
	}
	if (!o->places)
		o->places = mem_alloc((PORTS_MAX + 1) * sizeof(*o->places));
	if ((o->n & (o->n - 1)) == 0)
		o->ports = mem_grow(o->ports, o->n ? 2 * o->n : 1, sizeof(*o->ports));
	o->ports[o->n++] =
		(struct wire_port) { name && *name ? mem_strdup(name) : NULL, (uint16_t)number };
	o->places[(uint16_t)number] = (uint32_t)o->n;
}

static struct err *add_ranges(struct offer *o, const json_t *task)
{
	const json_t *resources = json_at(task, "resources");

	for (size_t i = 0; i < json_array_size(resources); i++) {
		const json_t *r = json_array_get(resources, i),
			     *ranges = json_at(r, "ranges.range");

		for (size_t k = 0;
		     strcmp(wire_text(r, "name"), "ports") == 0 && k < json_array_size(ranges);
		     k++) {
			double first = wire_number(json_array_get(ranges, k), "begin", 0);
			double last = wire_number(json_array_get(ranges, k), "end", 0);

			if (!(first >= 1 && last <= PORTS_MAX && last >= first))
				return err_new(EINVAL,
					       "resources: %.0f to %.0f is no range of ports",
					       first, last);
			for (double p = first; p <= last; p++)
				add_port(o, NULL, p);
		}
	}
	return NULL;
}

/* The order that Marathon gives its ports is that of PORT0, PORT1, ...; the ranges have lost it. */
static void order_by_environment(struct offer *o, const struct offer *all, char *const *environ)
{
	for (int i = 0;; i++) {
		auto_free char *name = mem_printf("PORT%d", i);
		const char *value = env_get(environ, name);
		int64_t number = 0;

		if (!value)
			return;
		auto_err struct err *e = str_number(value, 1, PORTS_MAX, &number);

		if (!e && place_of(all, (double)number))
			add_port(o, NULL, (double)number);
	}
}

/* PORT_HTTP=31005: a port with a name. */
static void name_by_environment(struct offer *o, char *const *environ)
{
	for (char *const *e = environ; e && *e; e++) {
		size_t n = strcspn(*e, "=");
		int64_t number = 0;

		if (!str_starts(*e, "PORT_") || !(*e)[n])
			continue;
		auto_free char *name = mem_strndup(*e + strlen("PORT_"), n - strlen("PORT_"));
		auto_err struct err *no = str_number(*e + n + 1, 1, PORTS_MAX, &number);

		for (char *p = name; *p; p++)
			*p = (char)tolower((unsigned char)*p);
		if (!no && place_of(o, (double)number))
			add_port(o, name, (double)number);
	}
}

struct err *offer_read(const struct session *s, struct task *tasks, size_t n,
		       const struct wire_aurora *aurora, struct offer *ret)
{
	struct offer all = { 0 };
	struct err *e = NULL;

	*ret = (struct offer) { 0 };
	for (size_t i = 0; i < n && !e; i++)
		e = add_ranges(&all, tasks[i].info);
	order_by_environment(ret, &all, s->env.environ);
	for (size_t i = 0; i < n && !e; i++) {
		const json_t *list = json_at(tasks[i].info, "discovery.ports.ports");

		for (size_t k = 0; k < json_array_size(list); k++) {
			const json_t *p = json_array_get(list, k);
			double number = wire_number(p, "number", 0);

			if (place_of(&all, number))
				add_port(ret, wire_text(p, "name"), number);
		}
	}
	for (size_t i = 0; i < aurora->n_ports; i++)
		if (place_of(&all, aurora->ports[i].number))
			add_port(ret, aurora->ports[i].name, aurora->ports[i].number);
	for (size_t i = 0; i < all.n; i++)
		add_port(ret, NULL, all.ports[i].number);
	name_by_environment(ret, s->env.environ);
	offer_clear(&all);
	return e;
}

void offer_clear(struct offer *o)
{
	for (size_t i = 0; i < o->n; i++)
		free(o->ports[i].name);
	free(o->ports);
	free(o->places);
	*o = (struct offer) { 0 };
}

/* ---- giving ports out ---- */

/* A published port that wants one of the host's. */
struct request {
	json_t *port;
	const char *service;
	size_t index;
	bool given;
};

struct requests {
	const struct offer *offer;
	bool *taken; /* parallel to its ports */
	struct request *items;
	size_t n;
};

/* In the order of the file. */
static void collect(const json_t *services, struct requests *r)
{
	const char *name;
	json_t *service;

	json_object_foreach((json_t *)(uintptr_t)services, name, service)
	{
		const json_t *ports = json_at(service, "ports");

		for (size_t i = 0; i < json_array_size(ports); i++) {
			r->items = mem_grow(r->items, r->n + 1, sizeof(*r->items));
			r->items[r->n++] = (struct request) { .port = json_array_get(ports, i),
							      .service = name,
							      .index = i };
		}
	}
}

/* The port that is asked for by its number or its name; n: there is none. */
static size_t find_wanted(const struct requests *r, const json_t *port)
{
	const char *published = wire_text(port, "published"), *name = wire_text(port, "name");
	int64_t number = 0;
	size_t i = 0;

	err_ignore(str_number(published, 1, PORTS_MAX, &number));
	uint32_t place = place_of(r->offer, (double)number);

	if (place && !r->taken[place - 1])
		return place - 1;
	for (; i < r->offer->n && *name; i++)
		if (!r->taken[i] && r->offer->ports[i].name &&
		    strcasecmp(name, r->offer->ports[i].name) == 0)
			return i;
	return r->offer->n;
}

static size_t find_free(const struct requests *r)
{
	size_t i = 0;

	while (i < r->offer->n && r->taken[i])
		i++;
	return i;
}

static bool give(struct requests *r, struct request *to, size_t index)
{
	if (index == r->offer->n)
		return false;
	auto_free char *number = mem_printf("%u", r->offer->ports[index].number);

	r->taken[index] = to->given = true;
	json_object_set_new(to->port, "published", json_string(number));
	return true;
}

static struct err *no_port_left(const struct requests *r, const struct request *to)
{
	auto_strv char **numbers = NULL;

	for (size_t i = 0; i < r->offer->n && i < SHOWN_MAX; i++)
		strv_add(&numbers, mem_printf("%u", r->offer->ports[i].number));
	auto_free char *some = numbers ? strv_join(numbers, ", ") : mem_strdup("none");
	auto_free char *rest = r->offer->n > SHOWN_MAX
				       ? mem_printf(" and %zu more", r->offer->n - SHOWN_MAX)
				       : mem_strdup("");

	return err_new(
		EINVAL,
		"services.%s.ports[%zu]: no host port is left for %.0f: offered were %s%s; ask for "
		"more, or set the label slipway.ports=host",
		to->service, to->index, wire_number(to->port, "target", 0), some, rest);
}

struct err *model_ports(json_t *model, const struct offer *o, bool host_ports)
{
	auto_free bool *taken = mem_alloc(o->n + 1);
	struct requests r = { .offer = o, .taken = taken };
	struct err *e = NULL;

	collect(json_at(model, "services"), &r);
	for (size_t i = 0; i < r.n; i++) /* first, so that nobody else gets it */
		(void)give(&r, &r.items[i], find_wanted(&r, r.items[i].port));
	for (size_t i = 0; i < r.n && !e && !host_ports; i++)
		if (!r.items[i].given && !give(&r, &r.items[i], find_free(&r)))
			e = no_port_left(&r, &r.items[i]);
	free(r.items);
	return e;
}

/* ---- variables and labels ---- */

/* What Marathon's tasks find in their environment. */
static bool is_told(const char *assignment)
{
	static const char *const prefixes[] = { "PORT=", "PORTS=",	   "PORT_",
						"HOST=", "MESOS_TASK_ID=", "MARATHON_" };
	size_t digits = str_starts(assignment, "PORT") ? strspn(assignment + 4, "0123456789") : 0;

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (str_starts(assignment, prefixes[i]))
			return true;
	return digits && assignment[4 + digits] == '=';
}

/* Sets what is not set. "$" is doubled: the model is interpolated once more. False: it is no text for JSON. */
static bool put(json_t *map, const char *key, const char *value)
{
	auto_free char *escaped = mem_alloc(2 * strlen(value) + 1);
	char *p = escaped;

	for (; *value; value++) {
		if (*value == '$')
			*p++ = '$';
		*p++ = *value;
	}
	return json_object_get(map, key) ||
	       json_object_set_new(map, key, json_string(escaped)) == 0;
}

static json_t *map_of(json_t *service, const char *key)
{
	json_t *map = json_object_get(service, key);

	if (json_is_object(map))
		return map;
	json_object_set_new(service, key, json_object());
	return json_object_get(service, key);
}

/* SLIPWAY_PORT_WEB_80=31005, of every published port of the pod. */
static void put_ports(json_t *env, const json_t *services)
{
	const char *name;
	json_t *service;

	json_object_foreach((json_t *)(uintptr_t)services, name, service)
	{
		const json_t *ports = json_at(service, "ports");

		for (size_t i = 0; i < json_array_size(ports); i++) {
			const json_t *port = json_array_get(ports, i);
			auto_free char *key = mem_printf("SLIPWAY_PORT_%s_%.0f", name,
							 wire_number(port, "target", 0));

			for (char *p = key; *p; p++)
				*p = isalnum((unsigned char)*p) ? (char)toupper((unsigned char)*p)
								: '_';
			if (*wire_text(port, "published"))
				(void)put(env, key, wire_text(port, "published"));
		}
	}
}

/* PORT0, PORT1, ..., PORT and PORTS: Marathon sets them in our environment; others leave that to executors. */
static void put_offer(json_t *env, const struct offer *o)
{
	auto_strv char **all = NULL;

	for (size_t i = 0; i < o->n && i < TOLD_MAX; i++) {
		auto_free char *key = mem_printf("PORT%zu", i);

		strv_add(&all, mem_printf("%u", o->ports[i].number));
		(void)put(env, key, all[i]);
	}
	if (!all)
		return;
	auto_free char *list = strv_join(all, ",");

	(void)put(env, "PORT", all[0]);
	(void)put(env, "PORTS", list);
}

/* What of our own environment a service is told. */
static struct err *put_told(json_t *env, char *const *environ)
{
	for (char *const *e = environ; e && *e; e++) {
		auto_free char *key = mem_strndup(*e, strcspn(*e, "="));

		if (!is_told(*e))
			continue;
		if (!put(env, key, *e + strlen(key) + 1))
			return err_new(EINVAL, "variable %s: the value is not UTF-8", key);
	}
	return NULL;
}

struct err *model_decorate(json_t *model, const struct session *s, const struct task *tasks,
			   size_t n, const struct offer *o)
{
	json_t *services = json_at(model, "services"), *service;
	const char *name;

	json_object_foreach(services, name, service)
	{
		json_t *env = map_of(service, "environment"), *labels = map_of(service, "labels");
		const struct task *own = &tasks[0];

		for (size_t i = 0; i < n; i++)
			own = str_eq(tasks[i].service, name) ? &tasks[i] : own;
		TRY(put_told(env, s->env.environ));
		put_offer(env, o);
		(void)put(env, "MESOS_TASK_ID", own->id);
		put_ports(env, services);
		(void)put(labels, "taskId", own->id);
		if (!put(labels, "executorId", s->env.executor) ||
		    !put(labels, "frameworkId", s->env.framework))
			return err_new(EINVAL, "the executor's or the framework's id is not UTF-8");
	}
	return NULL;
}
