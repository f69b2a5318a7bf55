/* SPDX-License-Identifier: Apache-2.0 */
/* cli/list.c - ps, ls, images and rmi. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

/* ---- ps ---- */

struct ps_values {
	bool all, quiet, services, no_trunc, orphans;
	const char *format;
	char **status, **filter;
};
#define V(f) offsetof(struct ps_values, f)
const struct opt ps_options[] = {
	{ 'a', "all", OPT_FLAG, NULL, V(all), "stopped containers too" },
	{ 'q', "quiet", OPT_FLAG, NULL, V(quiet), "only the containers' names" },
	{ 0, "services", OPT_FLAG, NULL, V(services), "only the services' names" },
	{ 0, "no-trunc", OPT_FLAG, NULL, V(no_trunc), "whole commands" },
	{ 0, "status", OPT_TEXTS, "STATUS", V(status),
	  "only those: created, running, paused, restarting, exited or dead" },
	{ 0, "filter", OPT_TEXTS, "status=STATUS", V(filter), "the same" },
	{ 0, "orphans", OPT_FLAG, NULL, V(orphans), "a pod has none" },
	{ 0, "format", OPT_TEXT, "FORMAT", V(format), "table or json (one object a line)" },
	{ 0 },
};
#undef V

/* The states that are wanted, of --status and --filter. */
static struct err *wanted_states(const struct ps_values *v, char ***ret)
{
	static const char *const known[] = { "created", "running", "paused",   "restarting",
					     "exited",	"dead",	   "starting", NULL };

	*ret = strv_dup(v->status);
	for (char **f = v->filter; f && *f; f++) {
		if (!str_starts(*f, "status="))
			return err_new(EINVAL, "--filter: '%s' is not status=STATUS", *f);
		strv_add(ret, mem_strdup(*f + strlen("status=")));
	}
	for (char **s = *ret; s && *s; s++)
		if (!str_one_of(*s, known))
			return err_new(EINVAL,
				       "'%s' is not a status; there are created, running, paused, "
				       "restarting, exited and dead",
				       *s);
	return NULL;
}

static bool is_running(const struct pod_service_state *s)
{
	return strcmp(s->state, "exited") != 0 && strcmp(s->state, "dead") != 0;
}

static char *status_text(const struct pod_service_state *s)
{
	bool running = strcmp(s->state, "running") == 0;
	auto_free char *age = text_since(running ? s->started : s->finished);

	if (running)
		return mem_printf("Up %s%s%s%s", age, *s->health ? " (" : "", s->health,
				  *s->health ? ")" : "");
	if (strcmp(s->state, "paused") == 0) {
		auto_free char *up = text_since(s->started);

		return mem_printf("Up %s (Paused)", up);
	}
	if (strcmp(s->state, "exited") == 0)
		return mem_printf("Exited (%lld) %s ago", (long long)s->exit_code, age);
	if (strcmp(s->state, "dead") == 0)
		return mem_strdup("Dead (the supervisor was killed)");
	if (strcmp(s->state, "restarting") == 0)
		return mem_printf("Restarting (%lld)", (long long)s->exit_code);
	return mem_strdup("Created");
}

/* Docker compose's member names, so that scripts go on working. */
static void print_service_json(const struct pod_state *pod, const struct pod_service_state *s)
{
	auto_free char *status = status_text(s);
	auto_json json_t *j = json_object();
	json_t *publishers = json_at(s->json, "publishers");
	auto_strv char **labels = NULL;

	err_ignore(json_get_strv(s->json, "labels", &labels));
	auto_free char *label_text = strv_join(labels, ",");

	json_put_str(j, "ID", s->container);
	json_put_str(j, "Name", s->container);
	json_put_str(j, "Names", s->container);
	json_put_str(j, "Service", s->service);
	json_put_str(j, "Project", pod->name);
	json_put_str(j, "Image", s->image);
	json_put_str(j, "Command", s->command);
	json_put_str(j, "CreatedAt", s->started);
	json_put_str(j, "State", s->state);
	json_put_str(j, "Status", status);
	json_put_str(j, "Health", s->health);
	json_put_int(j, "ExitCode", s->exit_code);
	json_put_int(j, "Restarts", s->restarts);
	json_put_int(j, "Pid", s->pid);
	json_put_str(j, "Ports", s->ports);
	json_put_str(j, "Labels", label_text);
	json_object_set(j, "Publishers", publishers);
	auto_free char *text = json_text(j, 0);

	puts(text);
}

static void print_row(struct table *t, const struct pod_service_state *s, bool whole)
{
	auto_free char *status = status_text(s), *age = text_since(s->started);
	auto_free char *created = mem_printf("%s ago", age);
	auto_free char *command = strlen(s->command) > 20 && !whole
					  ? mem_printf("\"%.18s…\"", s->command)
					  : mem_printf("\"%s\"", s->command);

	table_row(t, (const char *const[]) { s->container, s->image, command, s->service,
					     *s->started ? created : "-", status, s->ports });
}

struct err *cmd_ps(struct cli *c, const void *values, char **operands, int *ret_code)
{
	static const char *const headings[] = { "NAME",	   "IMAGE",  "COMMAND", "SERVICE",
						"CREATED", "STATUS", "PORTS",	NULL };
	const struct ps_values *v = values;
	auto_pod_state struct pod_state *s = NULL;
	enum list_format format = LIST_TABLE;
	const char *name = NULL;
	auto_strv char **states = NULL;

	(void)ret_code;
	TRY(list_format_parse(v->format, &format));
	TRY(wanted_states(v, &states));
	TRY(cli_name(c, &name));
	TRY(cli_host(c));
	struct err *e = pod_state_read(c->host, name, &s);

	if (err_code(e) == ENOENT) { /* no containers is a list too */
		err_free(e);
		s = mem_alloc(sizeof(*s));
	} else if (e) {
		return e;
	}
	for (char **o = operands; *o; o++)
		if (!pod_state_find(s, *o))
			return err_new(ENOENT, "no such service: %s", *o);
	struct table *t =
		format == LIST_TABLE && !v->quiet && !v->services ? table_new(headings) : NULL;

	for (size_t i = 0; i < s->n_services; i++) {
		const struct pod_service_state *one = &s->services[i];

		if (states ? !strv_has(states, one->state) : !v->all && !is_running(one))
			continue;
		if (*operands && !strv_has(operands, one->service))
			continue;
		if (v->quiet || v->services)
			puts(v->quiet ? one->container : one->service);
		else if (t)
			print_row(t, one, v->no_trunc);
		else
			print_service_json(s, one);
	}
	if (t)
		table_print(t, stdout);
	return NULL;
}

/* Prints the table, or else the list, when there is one. */
static void finish_list(struct table *take_t, const json_t *list)
{
	auto_free char *text = take_t || !list ? NULL : json_text(list, 0);

	if (take_t)
		table_print(take_t, stdout);
	if (text)
		puts(text);
}

/* ---- ls ---- */

struct ls_values {
	bool all, quiet;
	const char *format;
};
#define V(f) offsetof(struct ls_values, f)
const struct opt ls_options[] = {
	{ 'a', "all", OPT_FLAG, NULL, V(all), "stopped pods too" },
	{ 'q', "quiet", OPT_FLAG, NULL, V(quiet), "only names" },
	{ 0, "format", OPT_TEXT, "FORMAT", V(format), "table or json" },
	{ 0 },
};
#undef V

static json_t *pod_json(const struct pod_state *s, const char *status, const char *files)
{
	json_t *j = json_object();

	json_put_str(j, "Name", s->name);
	json_put_str(j, "Status", status);
	json_put_str(j, "ConfigFiles", files);
	return j;
}

struct err *cmd_ls(struct cli *c, const void *values, char **operands, int *ret_code)
{
	static const char *const headings[] = { "NAME", "STATUS", "CONFIG FILES", NULL };
	const struct ls_values *v = values;
	enum list_format format = LIST_TABLE;
	struct pod_state **pods = NULL;
	size_t n = 0;

	(void)operands;
	(void)ret_code;
	TRY(list_format_parse(v->format, &format));
	TRY(cli_host(c));
	TRY(pod_state_list(c->host, &pods, &n));
	struct table *t = format == LIST_TABLE && !v->quiet ? table_new(headings) : NULL;
	auto_json json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		auto_pod_state struct pod_state *s = pods[i];
		auto_strv char **files = NULL;

		if (!s->alive && !v->all)
			continue;
		err_ignore(json_get_strv(s->json, "files", &files));
		auto_free char *joined = strv_join(files, ",");
		auto_free char *status = mem_printf("%s(%zu)", s->status, s->n_services);

		if (v->quiet)
			puts(s->name);
		else if (t)
			table_row(t, (const char *const[]) { s->name, status, joined });
		else
			json_array_append_new(list, pod_json(s, status, joined));
	}
	free(pods);
	finish_list(t, v->quiet ? NULL : list);
	return NULL;
}

/* ---- images ---- */

struct images_values {
	bool quiet;
	const char *format;
};
#define V(f) offsetof(struct images_values, f)
const struct opt images_options[] = {
	{ 'q', "quiet", OPT_FLAG, NULL, V(quiet), "only ids" },
	{ 0, "format", OPT_TEXT, "FORMAT", V(format), "table or json" },
	{ 0 },
};
#undef V

static json_t *image_json(const struct image *i, const char *repository, const char *tag)
{
	json_t *j = json_object();

	json_put_str(j, "ID", i->id);
	json_put_str(j, "Repository", repository);
	json_put_str(j, "Tag", tag);
	json_put_str(j, "Digest", i->manifest);
	json_put_str(j, "Platform", i->platform);
	json_put_str(j, "Created", i->created);
	json_put_int(j, "Size", i->size);
	json_put_int(j, "Layers", (int64_t)strv_len(i->layers));
	return j;
}

static void show_image(const struct image *i, bool quiet, struct table *t, json_t *list)
{
	const char *slash = strrchr(i->name, '/'), *colon = strrchr(slash ? slash : i->name, ':');
	const char *at = strchr(i->name, '@');
	size_t length = at	? (size_t)(at - i->name)
			: colon ? (size_t)(colon - i->name)
				: strlen(i->name);
	auto_free char *repository = mem_strndup(i->name, length);
	auto_free char *size = text_bytes(i->size);
	auto_free char *id = mem_printf("%.12s", strchr(i->id, ':') + 1);
	const char *tag = at ? "<none>" : colon ? colon + 1 : "latest";

	if (quiet)
		puts(id);
	else if (t)
		table_row(t, (const char *const[]) { repository, tag, i->platform, id, size });
	else
		json_array_append_new(list, image_json(i, repository, tag));
}

struct err *cmd_images(struct cli *c, const void *values, char **operands, int *ret_code)
{
	static const char *const headings[] = { "REPOSITORY", "TAG",  "PLATFORM",
						"IMAGE ID",   "SIZE", NULL };
	const struct images_values *v = values;
	auto_image_store struct image_store *store = NULL;
	enum list_format format = LIST_TABLE;
	struct image **images = NULL;
	size_t n = 0;

	(void)operands;
	(void)ret_code;
	TRY(list_format_parse(v->format, &format));
	TRY(cli_host(c));
	TRY(image_store_open(c->host->root, &store));
	TRY(image_list(store, &images, &n));
	struct table *t = format == LIST_TABLE && !v->quiet ? table_new(headings) : NULL;
	auto_json json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		show_image(images[i], v->quiet, t, list);
		image_free(images[i]);
	}
	free(images);
	finish_list(t, v->quiet ? NULL : list);
	return NULL;
}

struct err *cmd_rmi(struct cli *c, const void *values, char **operands, int *ret_code)
{
	auto_image_store struct image_store *store = NULL;
	struct err *errors = NULL;

	(void)values;
	(void)ret_code;
	if (!*operands)
		return err_new(EINVAL, "rmi: no image is named");
	TRY(cli_host(c));
	TRY(image_store_open(c->host->root, &store));
	for (char **o = operands; *o; o++)
		errors = err_join(errors, image_remove(store, *o));
	return errors;
}
