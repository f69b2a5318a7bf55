/* SPDX-License-Identifier: Apache-2.0 */
/* mesos/docker/inspect.c - what docker inspect tells, with the members that an agent reads. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "mesos/docker/docker.h"

static const char never[] = "0001-01-01T00:00:00Z";

struct inspect_values {
	const char *type;
	bool size;
};
const struct opt inspect_options[] = {
	{ 0, "type", OPT_TEXT, "TYPE", offsetof(struct inspect_values, type),
	  "container or image" },
	{ 's', "size", OPT_FLAG, NULL, offsetof(struct inspect_values, size), "not told" },
	{ 0 },
};

static json_t *or_null(json_t *take)
{
	return take ? take : json_null();
}

static json_t *list_or_null(char *const *v)
{
	json_t *list = v && *v ? json_array() : json_null();

	for (; v && *v; v++)
		json_array_append_new(list, json_string(*v));
	return list;
}

static json_t *map_of(const json_t *assignments)
{
	json_t *map = json_object();

	for (size_t i = 0; i < json_array_size(assignments); i++) {
		const char *text = json_string_value(json_array_get(assignments, i));
		auto_free char *key = mem_strndup(text, strcspn(text, "="));
		const char *rest = text + strlen(key);

		json_put_str(map, key, *rest ? rest + 1 : "");
	}
	return map;
}

/* ---- a container ---- */

static const char *or_never(const char *time)
{
	return *time ? time : never;
}

static json_t *state_json(const struct pod_service_state *s)
{
	json_t *j = json_object();
	bool running = docker_is_running(s);

	json_put_str(j, "Status", s->state);
	json_put_bool(j, "Running", running);
	json_put_bool(j, "Paused", strcmp(s->state, "paused") == 0);
	json_put_bool(j, "Restarting", strcmp(s->state, "restarting") == 0);
	json_put_bool(j, "OOMKilled", json_is_true(json_at(s->json, "oom")));
	json_put_bool(j, "Dead", strcmp(s->state, "dead") == 0);
	json_put_int(j, "Pid", running ? s->pid : 0);
	json_put_int(j, "ExitCode", s->exit_code);
	json_put_str(j, "Error", "");
	json_put_str(j, "StartedAt", or_never(s->started));
	json_put_str(j, "FinishedAt", or_never(s->finished));
	if (*s->health)
		json_object_set_new(j, "Health", json_pack("{s:s}", "Status", s->health));
	return j;
}

static json_t *ports_json(const json_t *publishers)
{
	json_t *ports = json_object();

	for (size_t i = 0; i < json_array_size(publishers); i++) {
		const json_t *p = json_array_get(publishers, i);
		auto_free char *key =
			mem_printf("%lld/%s", json_integer_value(json_at(p, "TargetPort")),
				   json_string_value(json_at(p, "Protocol")));
		auto_free char *host =
			mem_printf("%lld", json_integer_value(json_at(p, "PublishedPort")));
		json_t *list = json_object_get(ports, key);

		if (!list) {
			list = json_array();
			json_object_set_new(ports, key, list);
		}
		json_array_append_new(list, json_pack("{s:s, s:s}", "HostIp",
						      json_string_value(json_at(p, "URL")),
						      "HostPort", host));
	}
	return ports;
}

static const char *mode_of(const struct pod_service_state *s)
{
	const char *mode = json_string_value(json_at(s->json, "network_mode"));

	return mode ? mode : "bridge";
}

static json_t *network_json(const struct pod_state *pod, const struct pod_service_state *s)
{
	const char *own = json_string_value(json_at(pod->json, "address"));
	const char *address = own && pod->alive ? own : "";
	json_t *network = json_pack("{s:s, s:s, s:s}", "IPAddress", address, "GlobalIPv6Address",
				    "", "Gateway", *address ? "169.254.1.1" : "");

	return json_pack("{s:s, s:s, s:o, s:{s:o}}", "IPAddress", address, "GlobalIPv6Address", "",
			 "Ports", ports_json(json_at(s->json, "publishers")), "Networks",
			 mode_of(s), network);
}

static json_t *host_config(const struct pod_service_state *s)
{
	return json_pack("{s:s, s:I, s:[], s:[], s:[], s:[]}", "NetworkMode", mode_of(s), "Memory",
			 (json_int_t)json_integer_value(json_at(s->json, "memory_limit")),
			 "Devices", "Dns", "DnsOptions", "DnsSearch");
}

static json_t *container_json(const struct pod_state *pod, const struct pod_service_state *s)
{
	const json_t *process = json_at(s->json, "process");
	const char *id = json_string_value(json_at(s->json, "id"));
	auto_free char *name = mem_printf("/%s", s->container);
	json_t *j = json_object();

	json_put_str(j, "Id", id ? id : s->container);
	json_put_str(j, "Created", json_string_value(json_at(s->json, "created")));
	json_put_str(j, "Path", s->command);
	json_object_set_new(j, "Args", json_array());
	json_object_set_new(j, "State", state_json(s));
	json_object_set(j, "Image", json_at(s->json, "image_id"));
	json_put_str(j, "Name", name);
	json_put_int(j, "RestartCount", s->restarts);
	json_put_str(j, "Driver", "overlay2");
	json_object_set_new(j, "HostConfig", host_config(s));
	json_object_set_new(j, "Config",
			    json_pack("{s:s, s:O?, s:O?, s:O?, s:o, s:b, s:b}", "Image", s->image,
				      "Env", json_at(process, "env"), "User",
				      json_at(process, "user"), "WorkingDir",
				      json_at(process, "cwd"), "Labels",
				      map_of(json_at(s->json, "labels")), "Tty",
				      json_is_true(json_at(s->json, "tty")), "OpenStdin",
				      json_is_true(json_at(s->json, "stdin_open"))));
	json_object_set_new(j, "NetworkSettings", network_json(pod, s));
	return j;
}

/* ---- an image ---- */

static json_t *image_config(const struct image *i)
{
	json_t *labels = list_or_null(i->labels), *exposed = json_object();
	json_t *j = json_object();

	for (char *const *port = i->exposed; port && *port; port++)
		json_object_set_new(exposed, *port, json_object());
	json_object_set_new(j, "Entrypoint", list_or_null(i->entrypoint));
	json_object_set_new(j, "Env", list_or_null(i->env));
	json_object_set_new(j, "Cmd", list_or_null(i->cmd));
	json_object_set_new(j, "ExposedPorts", exposed);
	json_object_set_new(j, "Labels", map_of(labels));
	json_put_str(j, "User", i->user ? i->user : "");
	json_put_str(j, "WorkingDir", i->working_dir ? i->working_dir : "");
	json_decref(labels);
	return j;
}

static json_t *image_json(const struct image *i)
{
	json_t *j = json_object(), *config = image_config(i);
	const char *slash = i->platform ? strchr(i->platform, '/') : NULL;

	json_put_str(j, "Id", i->id);
	json_object_set_new(j, "RepoTags", json_pack("[s]", i->name));
	json_put_str(j, "Created", i->created ? i->created : never);
	json_put_str(j, "Os", "linux");
	json_put_str(j, "Architecture", slash ? slash + 1 : "");
	json_put_int(j, "Size", i->size);
	json_object_set(j, "ContainerConfig", config); /* where agents look */
	json_object_set_new(j, "Config", config);
	return j;
}

static struct err *inspect_image(const struct docker *d, const char *name, json_t **ret)
{
	auto_image_store struct image_store *store = NULL;
	auto_image struct image *image = NULL;

	TRY(image_store_open(d->host->root, &store));
	TRY(image_find(store, name, NULL, &image));
	*ret = image_json(image);
	return NULL;
}

static struct err *inspect(const struct docker *d, const char *type, const char *name, json_t **ret)
{
	auto_pod_state struct pod_state *s = NULL;
	const struct pod_service_state *container = NULL;
	struct err *e = str_eq(type, "image") ? err_new(ENOENT, "no such object: %s", name)
					      : docker_find(d, name, &s, &container);

	if (!e) {
		*ret = container_json(s, container);
		return NULL;
	}
	if (err_code(e) != ENOENT || str_eq(type, "container"))
		return e;
	err_free(e);
	auto_err struct err *none = inspect_image(d, name, ret);

	if (err_code(none) == ENOENT || err_code(none) == EINVAL)
		return err_new(ENOENT, "no such object: %s", name);
	return steal(&none);
}

struct err *docker_inspect(struct docker *d, const void *values, char **operands, int *ret_code)
{
	const struct inspect_values *v = values;
	auto_json json_t *list = json_array();
	struct err *errors = NULL;

	(void)ret_code;
	if (v->type && !str_one_of(v->type, (const char *const[]) { "container", "image", NULL }))
		return err_new(EINVAL, "--type: '%s' is not container or image", v->type);
	if (!*operands)
		return err_new(EINVAL, "a container or an image is needed");
	for (char **o = operands; *o; o++) {
		json_t *one = NULL;

		errors = err_join(errors, inspect(d, v->type, *o, &one));
		if (one)
			json_array_append_new(list, or_null(one));
	}
	auto_free char *text = json_text(list, 4);

	puts(text);
	return errors;
}
