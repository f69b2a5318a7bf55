/* SPDX-License-Identifier: Apache-2.0 */
/* mesos/docker/list.c - ps and images, in docker's columns: a name is the last word of its line. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/str.h"
#include "mesos/docker/docker.h"

struct err *docker_find(const struct docker *d, const char *name, struct pod_state **ret,
			const struct pod_service_state **ret_container)
{
	auto_free char *pod = NULL, *service = NULL;
	auto_pod_state struct pod_state *s = NULL;

	TRY(pod_lookup(d->host, *name == '/' ? name + 1 : name, NULL, &pod, &service));
	TRY(pod_state_read(d->host, pod, &s));
	*ret_container = pod_state_find(s, service);
	if (!*ret_container)
		return err_new(ENOENT, "no such container: %s", name);
	*ret = steal(&s);
	return NULL;
}

bool docker_is_running(const struct pod_service_state *s)
{
	return str_one_of(s->state,
			  (const char *const[]) { "running", "paused", "restarting", NULL });
}

/* "3 minutes", since an RFC 3339 time in UTC. */
static char *since(const char *text)
{
	static const struct {
		int64_t seconds;
		const char *one;
	} units[] = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1, "second" } };
	struct tm tm = { 0 };
	int64_t age =
		text && strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) ? time(NULL) - timegm(&tm) : 0;
	size_t i = 0;

	while (i + 1 < ARRAY_LEN(units) && age < units[i].seconds)
		i++;
	int64_t n = age > 0 ? age / units[i].seconds : 0;

	return mem_printf("%lld %s%s", (long long)n, units[i].one, n == 1 ? "" : "s");
}

char *docker_status(const struct pod_service_state *s)
{
	bool up = docker_is_running(s);
	bool unsure = strcmp(s->health, "starting") == 0;
	const char *health = !*s->health ? "" : unsure ? " (health: " : " (";
	auto_free char *age = since(up ? s->started : s->finished);

	if (up)
		return mem_printf("Up %s%s%s%s", age, health, s->health, *s->health ? ")" : "");
	if (strcmp(s->state, "exited") == 0)
		return mem_printf("Exited (%lld) %s ago", (long long)s->exit_code, age);
	return mem_strdup(strcmp(s->state, "dead") == 0 ? "Dead" : "Created");
}

/* ---- ps ---- */

struct ps_values {
	bool all, quiet, no_trunc;
	char **filters;
};
#define V(f) offsetof(struct ps_values, f)
const struct opt ps_options[] = {
	{ 'a', "all", OPT_FLAG, NULL, V(all), "also those that have ended" },
	{ 'q', "quiet", OPT_FLAG, NULL, V(quiet), "ids alone" },
	{ 0, "no-trunc", OPT_FLAG, NULL, V(no_trunc), "whole ids and commands" },
	{ 'f', "filter", OPT_TEXTS, "name=TEXT|label=KEY[=VALUE]", V(filters), "only those" },
	{ 0 },
};
#undef V

static bool has_label(const struct pod_service_state *s, const char *wanted)
{
	const json_t *labels = json_at(s->json, "labels");
	size_t n = strlen(wanted);

	for (size_t i = 0; i < json_array_size(labels); i++) {
		const char *label = json_string_value(json_array_get(labels, i));

		if (strncmp(label, wanted, n) == 0 && (!label[n] || label[n] == '='))
			return true;
	}
	return false;
}

static bool is_wanted(const struct ps_values *v, const struct pod_service_state *s)
{
	if (!v->all && !docker_is_running(s))
		return false;
	for (char **f = v->filters; f && *f; f++) {
		bool name = str_starts(*f, "name=");

		if (name ? !strstr(s->container, *f + strlen("name="))
			 : !has_label(s, *f + strlen("label=")))
			return false;
	}
	return true;
}

static void print_container(const struct ps_values *v, const struct pod_service_state *s)
{
	const char *id = json_string_value(json_at(s->json, "id"));
	auto_free char *created = since(json_string_value(json_at(s->json, "created")));
	auto_free char *brief = v->no_trunc ? mem_strdup(s->command) : str_brief(s->command, 20);
	auto_free char *command = mem_printf("\"%s\"", brief);
	auto_free char *status = docker_status(s);

	if (v->quiet)
		printf("%.*s\n", v->no_trunc ? 64 : 12, id);
	else
		printf("%-*.*s   %s   %s   %s ago   %s   %s   %s\n", 12, v->no_trunc ? 64 : 12, id,
		       s->image, command, created, status, s->ports, s->container);
}

struct err *docker_ps(struct docker *d, const void *values, char **operands, int *ret_code)
{
	const struct ps_values *v = values;
	struct pod_state **pods = NULL;
	size_t n = 0;

	(void)ret_code;
	if (*operands)
		return err_new(EINVAL, "'%s' is too much", *operands);
	for (char **f = v->filters; f && *f; f++)
		if (!str_starts(*f, "name=") && !str_starts(*f, "label="))
			return err_new(ENOTSUP,
				       "--filter: '%s' is not supported; there are name= "
				       "and label=",
				       *f);
	TRY(pod_state_list(d->host, &pods, &n));
	if (!v->quiet)
		puts("CONTAINER ID   IMAGE   COMMAND   CREATED   STATUS   PORTS   NAMES");
	for (size_t i = 0; i < n; i++) {
		const char *kind = json_string_value(json_at(pods[i]->json, "kind"));

		if (str_eq(kind, "container") && pods[i]->n_services == 1 &&
		    is_wanted(v, &pods[i]->services[0]))
			print_container(v, &pods[i]->services[0]);
		pod_state_free(pods[i]);
	}
	free(pods);
	return NULL;
}

/* ---- images ---- */

struct images_values {
	bool quiet, all;
};
const struct opt images_options[] = {
	{ 'q', "quiet", OPT_FLAG, NULL, offsetof(struct images_values, quiet), "ids alone" },
	{ 'a', "all", OPT_FLAG, NULL, offsetof(struct images_values, all),
	  "all of them; always on" },
	{ 0 },
};

struct err *docker_images(struct docker *d, const void *values, char **operands, int *ret_code)
{
	const struct images_values *v = values;
	auto_image_store struct image_store *store = NULL;
	struct image **images = NULL;
	size_t n = 0;

	(void)operands;
	(void)ret_code;
	TRY(image_store_open(d->host->root, &store));
	TRY(image_list(store, &images, &n));
	if (!v->quiet)
		puts("REPOSITORY   TAG   IMAGE ID   CREATED   SIZE");
	for (size_t i = 0; i < n; i++) {
		const char *name = images[i]->name, *slash = strrchr(name, '/');
		const char *colon = strrchr(slash ? slash : name, ':');
		int length = colon ? (int)(colon - name) : (int)strcspn(name, "@");
		auto_free char *age = since(images[i]->created);

		if (v->quiet)
			printf("%.12s\n", strchr(images[i]->id, ':') + 1);
		else
			printf("%.*s   %s   %.12s   %s ago   %.1fMB\n", length, name,
			       colon ? colon + 1 : "latest", strchr(images[i]->id, ':') + 1, age,
			       (double)images[i]->size / 1e6);
		image_free(images[i]);
	}
	free(images);
	return NULL;
}
