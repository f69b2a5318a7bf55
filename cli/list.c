/* SPDX-License-Identifier: Apache-2.0 */
/* cli/list.c - ps and ls. */
#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

/* ---- ps ---- */

enum { SHORT_ID = 12 }; /* digits, as docker's */

struct ps_values {
	bool all, quiet, services, no_trunc, orphans;
	const char *format;
	char **status, **filter;
};
#define V(f) offsetof(struct ps_values, f)
const struct opt ps_options[] = {
	{ 'a', "all", OPT_FLAG, NULL, V(all), "stopped containers too" },
	{ 'q', "quiet", OPT_FLAG, NULL, V(quiet), "only the containers' ids" },
	{ 0, "services", OPT_FLAG, NULL, V(services), "only the services' names" },
	{ 0, "no-trunc", OPT_FLAG, NULL, V(no_trunc), "whole commands and ids" },
	{ 0, "status", OPT_TEXTS, "STATUS", V(status),
	  "only those: created, running, paused, restarting, exited or dead" },
	{ 0, "filter", OPT_TEXTS, "status=STATUS", V(filter), "the same" },
	{ 0, "orphans", OPT_FLAG, NULL, V(orphans), "a pod has none" },
	{ 0, "format", OPT_TEXT, "FORMAT", V(format), FORMAT_HELP },
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

/* Only what lives is healthy, or is not. */
static bool is_up(const struct pod_service_state *s)
{
	return strcmp(s->state, "running") == 0 || strcmp(s->state, "paused") == 0;
}

static char *status_text(const struct pod_service_state *s)
{
	bool running = strcmp(s->state, "running") == 0;
	bool unsure = strcmp(s->health, "starting") == 0;
	const char *health = !*s->health ? "" : unsure ? " (health: " : " (";
	auto_free char *age = text_since(running ? s->started : s->finished);

	if (running)
		return mem_printf("Up %s%s%s%s", age, health, s->health, *s->health ? ")" : "");
	if (strcmp(s->state, "paused") == 0) {
		auto_free char *up = text_since(s->started);

		return mem_printf("Up %s (Paused)", up);
	}
	if (strcmp(s->state, "exited") == 0)
		return mem_printf("Exited (%lld) %s ago", (long long)s->exit_code, age);
	if (strcmp(s->state, "dead") == 0)
		return mem_strdup("Dead (the supervisor was killed)");
	if (strcmp(s->state, "restarting") == 0)
		return mem_printf("Restarting (%lld) %s ago", (long long)s->exit_code, age);
	return mem_strdup("Created");
}

/* When the container was made; of one that was not yet, nothing. */
static const char *created_of(const struct pod_service_state *s)
{
	const char *text = json_string_value(json_at(s->json, "created"));

	return text ? text : s->started;
}

/* As Go quotes a string. */
static char *quoted(const char *text)
{
	auto_json json_t *j = json_string(text);

	return j ? json_dumps(j, JSON_ENCODE_ANY) : mem_printf("\"%s\"", text);
}

/* Each cut to 15 characters, as docker does. */
static char *mounts_text(const struct pod_service_state *s, bool whole)
{
	const json_t *mounts = json_at(s->json, "mounts");
	auto_strv char **names = NULL;

	for (size_t i = 0; i < json_array_size(mounts); i++) {
		const char *name = json_string_value(json_array_get(mounts, i));

		strv_add(&names, whole ? mem_strdup(name) : str_brief(name, 15));
	}
	return strv_join(names, ",");
}

/* Docker's name for the network that a project has by itself. */
static char *network_text(const struct pod_state *pod, const struct pod_service_state *s)
{
	const char *mode = json_string_value(json_at(s->json, "network_mode"));

	return mode && *mode ? mem_strdup(mode) : mem_printf("%s_default", pod->name);
}

/* Docker compose's member names, so that scripts go on working. */
static json_t *service_json(const struct pod_state *pod, const struct pod_service_state *s,
			    const char *status, const char *created, const char *command,
			    bool whole)
{
	auto_free char *mounts = mounts_text(s, whole), *network = network_text(pod, s);
	auto_free char *made = text_time(created_of(s));
	int64_t volumes = json_integer_value(json_at(s->json, "volumes"));
	auto_free char *count = mem_printf("%lld", (long long)volumes);
	auto_free char *id = mem_strndup(s->id, whole ? strlen(s->id) : SHORT_ID);
	json_t *j = json_object();
	json_t *publishers = json_at(s->json, "publishers");
	auto_strv char **labels = NULL;

	err_ignore(json_get_strv(s->json, "labels", &labels));
	auto_free char *label_text = strv_join(labels, ",");

	json_put_str(j, "ID", id);
	json_put_str(j, "Name", s->container);
	json_put_str(j, "Names", s->container);
	json_put_str(j, "Service", s->service);
	json_put_str(j, "Project", pod->name);
	json_put_str(j, "Image", s->image);
	json_put_str(j, "Command", command);
	json_put_str(j, "CreatedAt", made);
	json_put_str(j, "RunningFor", created);
	json_put_str(j, "State", s->state);
	json_put_str(j, "Status", status);
	json_put_str(j, "Health", is_up(s) ? s->health : "");
	json_put_int(j, "ExitCode", is_up(s) ? 0 : s->exit_code); /* the last run's is in inspect */
	json_put_str(j, "LocalVolumes", count);
	json_put_str(j, "Mounts", mounts);
	json_put_str(j, "Networks", network);
	json_put_str(j, "Size", "0B"); /* as docker compose, which never asks for it */
	json_put_int(j, "Restarts", s->restarts);
	json_put_int(j, "Pid", s->pid);
	json_put_str(j, "Ports", s->ports);
	json_put_str(j, "Labels", label_text);
	json_object_set_new(j, "Publishers", publishers ? json_incref(publishers) : json_array());
	return j;
}

static struct err *add_service(struct listing *l, const struct pod_state *pod,
			       const struct pod_service_state *s, bool whole)
{
	const char *since = created_of(s);
	auto_free char *status = status_text(s), *age = text_since(since);
	auto_free char *created = *since ? mem_printf("%s ago", age) : mem_strdup("-");
	auto_free char *brief = whole ? mem_strdup(s->command) : str_brief(s->command, 20);
	auto_free char *command = quoted(brief);

	return listing_add(l, service_json(pod, s, status, created, command, whole),
			   (const char *const[]) { s->container, s->image, command, s->service,
						   created, status, s->ports });
}

struct err *cli_read_pod(struct cli *c, char **operands, struct pod_state **ret)
{
	const char *name = NULL;

	TRY(cli_name(c, &name));
	TRY(cli_host(c));
	struct err *e = pod_state_read(c->host, name, ret);

	if (err_code(e) == ENOENT) {
		err_free(e);
		*ret = mem_alloc(sizeof(**ret));
	} else if (e) {
		return e;
	}
	for (char **o = operands; *o; o++)
		if (!pod_state_find(*ret, *o))
			return err_new(ENOENT, "no such service: %s", *o);
	return NULL;
}

struct ps_list {
	const struct ps_values *v;
	char *const *operands, *const *states;
	struct listing *listing;
};

static int by_container(const void *a, const void *b)
{
	return strcmp(((const struct pod_service_state *)a)->container,
		      ((const struct pod_service_state *)b)->container);
}

static struct err *list_pod(const struct ps_list *l, struct pod_state *s)
{
	const struct ps_values *v = l->v;

	if (s->n_services)
		qsort(s->services, s->n_services, sizeof(*s->services), by_container);
	for (size_t i = 0; i < s->n_services; i++) {
		const struct pod_service_state *one = &s->services[i];

		if (l->states ? !strv_has(l->states, one->state)
			      : !v->all && !cli_service_runs(one))
			continue;
		if (*l->operands && !strv_has(l->operands, one->service) &&
		    !strv_has(l->operands, one->key))
			continue;
		if (v->quiet || v->services)
			puts(v->quiet ? one->id : one->service);
		else
			TRY(add_service(l->listing, s, one, v->no_trunc));
	}
	return NULL;
}

/* The one-offs of @project; NULL: all of them, and the containers that are of no project. */
static struct err *list_others(const struct cli *c, const struct ps_list *l, const char *project)
{
	struct pod_state **pods = NULL;
	struct err *e = NULL;
	size_t n = 0;

	TRY(pod_state_list(c->host, &pods, &n));
	for (size_t i = 0; i < n; i++) {
		const json_t *j = pods[i]->json;
		bool wanted = project ? str_eq(json_string_value(json_at(j, "project")), project)
				      : json_at(j, "kind") != NULL;

		if (wanted && !e)
			e = list_pod(l, pods[i]);
		pod_state_free(pods[i]);
	}
	free(pods);
	return e;
}

static struct err *list_project(struct cli *c, const struct ps_list *l, char **operands)
{
	auto_pod_state struct pod_state *s = NULL;
	const char *name = NULL;

	TRY(cli_read_pod(c, operands, &s));
	TRY(list_pod(l, s));
	TRY(cli_name(c, &name));
	return l->v->all ? list_others(c, l, name) : NULL;
}

struct err *cmd_ps(struct cli *c, const void *values, char **operands, int *ret_code)
{
	static const char *const headings[] = { "NAME",	   "IMAGE",  "COMMAND", "SERVICE",
						"CREATED", "STATUS", "PORTS",	NULL };
	const struct ps_values *v = values;
	auto_listing struct listing *l = NULL;
	const char *name = NULL;
	auto_strv char **states = NULL;

	(void)ret_code;
	TRY(listing_new(v->format, headings, LISTING_LINES, &l));
	TRY(wanted_states(v, &states));
	struct err *none = cli_name(c, &name);

	/* without a project at hand: the containers that have none */
	if (err_code(none) == ENOENT && !c->files && !*operands)
		err_free(steal(&none));
	TRY(none);
	TRY(cli_host(c));
	const struct ps_list list = {
		.v = v, .operands = operands, .states = states, .listing = l
	};

	TRY(name ? list_project(c, &list, operands) : list_others(c, &list, NULL));
	return v->quiet || v->services ? NULL : listing_print(l, stdout);
}

/* ---- ls ---- */

struct ls_values {
	bool all, quiet;
	const char *format;
	char **filter;
};
#define V(f) offsetof(struct ls_values, f)
const struct opt ls_options[] = {
	{ 'a', "all", OPT_FLAG, NULL, V(all), "stopped pods too" },
	{ 'q', "quiet", OPT_FLAG, NULL, V(quiet), "only names" },
	{ 0, "filter", OPT_TEXTS, "name=PATTERN", V(filter),
	  "only those with such a name, a regular expression" },
	{ 0, "format", OPT_TEXT, "FORMAT", V(format), FORMAT_HELP },
	{ 0 },
};
#undef V

/* *ret: @name is one of those that are wanted, or all are. */
static struct err *match_filters(char *const *filters, const char *name, bool *ret)
{
	*ret = !filters || !*filters;
	for (char *const *f = filters; f && *f; f++) {
		regex_t pattern;

		if (!str_starts(*f, "name=") ||
		    regcomp(&pattern, *f + strlen("name="), REG_EXTENDED | REG_NOSUB) != 0)
			return err_new(EINVAL, "--filter: '%s' is not name=PATTERN", *f);
		*ret |= regexec(&pattern, name, 0, NULL, 0) == 0;
		regfree(&pattern);
	}
	return NULL;
}

static json_t *pod_json(const struct pod_state *s, const char *status, const char *files)
{
	json_t *j = json_object();

	json_put_str(j, "Name", s->name);
	json_put_str(j, "Status", status);
	json_put_str(j, "ConfigFiles", files);
	return j;
}

/* "exited(1), running(2)", as docker compose counts them; @all: also those that do not run. */
static char *count_states(const struct pod_state *s, bool all)
{
	/* in the order of the alphabet */
	static const char *const states[] = { "created",    "dead",    "exited",   "paused",
					      "restarting", "running", "starting", NULL };
	auto_strv char **parts = NULL;

	for (const char *const *state = states; *state; state++) {
		int n = 0;

		for (size_t i = 0; i < s->n_services; i++)
			n += strcmp(s->services[i].state, *state) == 0 &&
			     (all || cli_service_runs(&s->services[i]));
		if (n)
			strv_add(&parts, mem_printf("%s(%d)", *state, n));
	}
	return parts ? strv_join(parts, ", ") : mem_printf("%s(0)", s->status);
}

struct err *cmd_ls(struct cli *c, const void *values, char **operands, int *ret_code)
{
	static const char *const headings[] = { "NAME", "STATUS", "CONFIG FILES", NULL };
	const struct ls_values *v = values;
	auto_listing struct listing *l = NULL;
	struct pod_state **pods = NULL;
	struct err *e = NULL;
	size_t n = 0;

	(void)operands;
	(void)ret_code;
	bool wanted;

	TRY(match_filters(v->filter, "", &wanted)); /* also where there is no pod */
	TRY(listing_new(v->format, headings, LISTING_ARRAY, &l));
	TRY(cli_host(c));
	TRY(pod_state_list(c->host, &pods, &n));
	for (size_t i = 0; i < n; i++) {
		auto_pod_state struct pod_state *s = pods[i];
		auto_strv char **files = NULL;

		if (!e)
			e = match_filters(v->filter, s->name, &wanted);
		if (e || !wanted || (!s->alive && !v->all))
			continue;
		err_ignore(json_get_strv(s->json, "files", &files));
		auto_free char *joined = strv_join(files, ",");
		auto_free char *status = count_states(s, v->all);

		if (v->quiet)
			puts(s->name);
		else
			e = listing_add(l, pod_json(s, status, joined),
					(const char *const[]) { s->name, status, joined });
	}
	free(pods);
	return e || v->quiet ? e : listing_print(l, stdout);
}
