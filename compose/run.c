/* SPDX-License-Identifier: Apache-2.0 */
/* compose/run.c - projects of one container: an image with docker run's options, or a service once more. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "compose/internal.h"

enum { PROJECT_MAX = 64 << 20, HOST_NAME_LIMIT = 63 };

static bool is_network(const char *mode)
{
	return str_one_of(mode,
			  (const char *const[]) { "bridge", "default", "host", "none", NULL }) ||
	       str_starts(mode, "pod:");
}

/* What both have. */
static struct err *put_run(const struct compose_run *r, json_t *project, json_t *service,
			   char *const *argv)
{
	if (r->network && !is_network(r->network))
		return err_new(ENOTSUP,
			       "--network: '%s' is not supported; there are bridge, host, none, "
			       "pod:NAME and container:NAME",
			       r->network);
	if (r->network)
		flags_put(service, "network_mode", r->network);
	TRY(flags_apply(r->given, project, service));
	TRY(flags_check("argument", argv));
	flags_command(service, argv);
	json_put_bool(service, "tty", r->tty);
	json_put_bool(service, "stdin_open", r->interactive);
	return NULL;
}

struct err *compose_run_image(const struct compose_run *r, const char *project, const char *image,
			      char *const *argv, char **ret)
{
	auto_json json_t *root = json_object();
	json_t *services = json_object(), *service = json_object();

	json_put_str(root, "name", project);
	json_object_set_new(root, "services", services);
	json_object_set_new(services, project, service);
	flags_put(root, "x-slipway.kind", "container");
	flags_put(service, "image", image);
	flags_put(service, "container_name", r->name ? r->name : project);
	if (strlen(project) > HOST_NAME_LIMIT) { /* else it is what the service is called */
		auto_free char *hostname = mem_strndup(project, HOST_NAME_LIMIT);

		flags_put(service, "hostname", hostname);
	}
	TRY(put_run(r, root, service, argv));
	*ret = json_text(root, 0);
	return NULL;
}

/* ---- a service once more ---- */

static struct err *print_json(const struct compose_project *p, json_t **ret)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return err_errno("print project");
	struct err *e = compose_print(p, COMPOSE_JSON, out);

	fclose(out);
	if (!e)
		e = json_parse(text, len, PROJECT_MAX, ret);
	free(text);
	return e;
}

/* The mounts of services that do not come along. */
static void copy_volumes(const struct compose_service *s, const json_t *services, json_t *service)
{
	json_t *own = json_object_get(service, "volumes");

	json_object_del(service, "volumes_from");
	for (char *const *v = s->volumes_from; v && *v; v++) {
		auto_free char *name = mem_strndup(*v, strcspn(*v, ":"));
		const json_t *other = json_object_get(json_object_get(services, name), "volumes");

		for (size_t i = 0; i < json_array_size(other); i++) {
			auto_json json_t *mount = json_deep_copy(json_array_get(other, i));

			if (!own) {
				own = json_array();
				json_object_set_new(service, "volumes", own);
			}
			if (str_ends(*v, ":ro"))
				json_put_bool(mount, "read_only", true);
			json_array_append(own, mount);
		}
	}
}

/* What belongs to the service, and not to one more container of it. */
static void strip_service(const struct compose_run *r, const struct compose_service *s,
			  json_t *service)
{
	static const char *const own[] = { "depends_on",     "networks", "links",
					   "container_name", "restart",	 "profiles",
					   "scale",	     "build",	 "expose",
					   "external_links", NULL };
	json_t *deploy = json_object_get(service, "deploy");

	for (const char *const *key = own; *key; key++)
		json_object_del(service, *key);
	if (!r->publish_all)
		json_object_del(service, "ports");
	if (s->network_mode && str_starts(s->network_mode, "service:"))
		json_object_del(service, "network_mode");
	json_object_del(deploy, "restart_policy");
	json_object_del(deploy, "replicas");
}

/* docker compose run splits it as a shell would, docker run does not. */
static void split_entrypoint(const struct compose_run *r, json_t *service)
{
	for (char *const *g = r->given; g && *g; g++)
		if (str_starts(*g, "entrypoint=") && (*g)[strlen("entrypoint=")])
			flags_set(service, "entrypoint", flags_text(*g + strlen("entrypoint=")));
}

struct err *compose_run_service(const struct compose_run *r, const struct compose_project *p,
				const char *service, const char *name, char *const *argv,
				char **ret)
{
	const struct compose_service *s = compose_find(p, service);
	auto_json json_t *root = NULL;

	if (!s)
		return err_new(ENOENT, "no such service: %s", service);
	TRY(print_json(p, &root));
	auto_json json_t *services = json_incref(json_object_get(root, "services"));
	json_t *only = json_object(), *one = json_object_get(services, service);

	strip_service(r, s, one);
	copy_volumes(s, services, one);
	json_object_set(only, service, one);
	json_object_set_new(root, "services", only);
	json_object_del(root, "networks");
	json_object_del(root, "x-slipway");
	json_put_str(root, "name", name);
	flags_put(root, "x-slipway.kind", "oneoff");
	flags_put(root, "x-slipway.project", p->name);
	flags_put(one, "container_name", r->name ? r->name : name);
	TRY(put_run(r, root, one, argv));
	split_entrypoint(r, one);
	*ret = json_text(root, 0);
	return NULL;
}

struct err *compose_run_load(const char *text, const char *name, const char *dir,
			     char *const *given, char *const *environ, struct compose_project **ret)
{
	char *files[] = { (char *)(uintptr_t) "run", NULL };
	char *no_files[] = { (char *)(uintptr_t) "/dev/null", NULL };
	const struct compose_options o = { .files = files,
					   .text = text,
					   .project_dir = dir,
					   .name = name,
					   .environ = environ,
					   .env_files = no_files };

	return flags_explain(given, compose_load(&o, ret));
}
