/* SPDX-License-Identifier: Apache-2.0 */
/* cli/containers.c - removing containers of their own, one-offs and pods that have ended; and create. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

static const char *text_at(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_at(j, key));

	return s ? s : "";
}

/* ---- rm ---- */

struct rm_values {
	bool force, stop, volumes;
};
#define V(f) offsetof(struct rm_values, f)
const struct opt rm_options[] = {
	{ 'f', "force", OPT_FLAG, NULL, V(force), "kill what runs, and do not ask" },
	{ 's', "stop", OPT_FLAG, NULL, V(stop), "stop what runs before" },
	{ 'v', "volumes", OPT_FLAG, NULL, V(volumes), "and anonymous volumes" },
	{ 0 },
};
#undef V

static struct err *remove_pod(const struct cli *c, const char *pod, const struct rm_values *v)
{
	pod_record_remove(c->host, pod);
	TRY(pod_down(c->host, pod, v->force ? 0 : -1));
	return v->volumes ? pod_remove_volumes(c->host, pod, true, NULL) : NULL;
}

struct err *cli_remove_services(struct cli *c, const struct pod_state *s, char *const *services,
				int64_t timeout, bool volumes)
{
	auto_strv char **keys = NULL;

	for (size_t i = 0; i < s->n_services; i++)
		if (strv_has(services, s->services[i].service) ||
		    strv_has(services, s->services[i].key))
			strv_add(&keys, mem_strdup(s->services[i].key));
	if (!keys)
		return NULL;
	TRY(pod_remove_services(c->host, s->name, keys, timeout, volumes));
	TRY(pod_record_drop(c->host, s->name, services));
	for (size_t i = 0; i < s->n_services; i++)
		if (strv_has(keys, s->services[i].key))
			cli_say(c, " Container %s  Removed", s->services[i].container);
	return NULL;
}

bool cli_service_runs(const struct pod_service_state *s)
{
	return !str_one_of(s->state, (const char *const[]) { "exited", "created", "dead", NULL });
}

/* One of the services of a pod; *ret_done: others are left. */
static struct err *remove_service(struct cli *c, const struct pod_state *s, const char *service,
				  const struct rm_values *v, bool *ret_done)
{
	char *const one[] = { (char *)(uintptr_t)service, NULL };
	bool runs = false, others = false;

	for (size_t i = 0; i < s->n_services; i++) {
		bool is_it = strcmp(s->services[i].service, service) == 0 ||
			     strcmp(s->services[i].key, service) == 0;

		others |= !is_it;
		runs |= is_it && cli_service_runs(&s->services[i]);
	}
	if (runs && !v->force && !v->stop)
		return err_new(EBUSY, "%s is running; stop it before, or use -f", service);
	*ret_done = others;
	return others ? cli_remove_services(c, s, one, v->force ? 0 : -1, v->volumes) : NULL;
}

static struct err *remove_one(struct cli *c, const char *operand, const struct rm_values *v)
{
	auto_free char *pod = NULL, *service = NULL;
	auto_pod_state struct pod_state *s = NULL;
	bool done = false;

	TRY(cli_find(c, operand, &pod, &service));
	TRY(pod_state_read(c->host, pod, &s));
	TRY(remove_service(c, s, service, v, &done));
	if (done)
		return NULL;
	if (s->alive && !v->force && !v->stop)
		return err_new(EBUSY, "%s is running; stop it before, or use -f", operand);
	TRY(remove_pod(c, pod, v));
	puts(operand);
	return NULL;
}

/* The pods that are one-offs of @project, or in its network. */
struct err *cli_remove_oneoffs(struct cli *c, const char *project, bool running, int64_t timeout)
{
	struct pod_state **pods = NULL;
	struct err *errors = NULL;
	size_t n = 0;

	TRY(pod_state_list(c->host, &pods, &n));
	for (size_t i = 0; i < n; i++) {
		const struct pod_state *s = pods[i];

		if ((strcmp(text_at(s->json, "project"), project) == 0 ||
		     (s->alive && strcmp(text_at(s->json, "joins"), project) == 0)) &&
		    (running || !s->alive)) {
			struct err *e = pod_down(c->host, s->name, timeout);

			if (err_code(e) == ENOENT) /* it was just going */
				err_free(steal(&e));
			errors = err_join(errors, e);
			errors = err_join(errors, pod_remove_volumes(c->host, s->name, true, NULL));
			cli_say(c, " Pod %s  Removed", s->name);
		}
		pod_state_free(pods[i]);
	}
	free(pods);
	return errors;
}

static bool is_sure(const char *what)
{
	char answer[8] = "";

	if (!isatty(STDIN_FILENO))
		return true;
	fprintf(stderr, "? Going to remove %s. Continue? [yN] ", what);
	return fgets(answer, sizeof(answer), stdin) && (*answer == 'y' || *answer == 'Y');
}

static struct err *remove_project(struct cli *c, const struct rm_values *v)
{
	auto_pod_state struct pod_state *s = NULL;
	const char *name = NULL;

	TRY(cli_name(c, &name));
	TRY(cli_host(c));
	auto_err struct err *none = pod_state_read(c->host, name, &s);

	if (none && err_code(none) != ENOENT)
		return steal(&none);
	if (!v->force && !is_sure(name))
		return NULL;
	TRY(cli_remove_oneoffs(c, name, false, 0));
	if (none || (s->alive && !v->stop)) {
		log_warn("%s", none ? "no stopped containers" : "the pod runs: it is not removed");
		return NULL;
	}
	TRY(remove_pod(c, name, v));
	cli_say(c, " Pod %s  Removed", name);
	return NULL;
}

struct err *cmd_rm(struct cli *c, const void *values, char **operands, int *ret_code)
{
	const struct rm_values *v = values;
	struct err *errors = NULL;

	(void)ret_code;
	if (!*operands)
		return remove_project(c, v);
	for (char **o = operands; *o; o++)
		errors = err_join(errors, remove_one(c, *o, v));
	return errors;
}

/* ---- create ---- */

struct create_values {
	bool quiet, build, force, keep, nothing;
	const char *pull;
	char **scale;
};
#define V(f) offsetof(struct create_values, f)
const struct opt create_options[] = {
	{ 0, "pull", OPT_TEXT, "POLICY", V(pull), "always, missing or never" },
	{ 0, "quiet-pull", OPT_FLAG, NULL, V(quiet), "no progress of pulls" },
	{ 0, "force-recreate", OPT_FLAG, NULL, V(force), "end a pod that runs" },
	{ 0, "no-recreate", OPT_FLAG, NULL, V(keep), "leave a pod that is there as it is" },
	{ 0, "scale", OPT_TEXTS, "SERVICE=N", V(scale), "so many instances of a service" },
	{ 0, "remove-orphans", OPT_FLAG, NULL, V(nothing), "a pod has none" },
	{ 0, "build", OPT_FLAG, NULL, V(build),
	  "refused where a service is to be built: slipway does not build" },
	{ 0, "no-build", OPT_FLAG, NULL, V(nothing), "slipway never builds" },
	{ 0 },
};
#undef V

/* What is missing or has changed, into a pod that runs; @wanted: of these services. */
static struct err *create_in(const struct cli *c, char *const *wanted)
{
	const struct pod_update update = { .timeout = -1, .services = wanted, .create_only = true };
	struct err *e = pod_apply(c->host, c->project, &update);

	if (err_code(e) != ENOTSUP)
		return e;
	err_free(e);
	return err_new(EBUSY,
		       "pod %s runs, and its network, its ports or its policy are to be others: "
		       "'slipway up' starts it anew",
		       c->project->name);
}

/* Where a pod has ended, containers that have not changed stay what they are; @there: NULL, or its state. */
static struct err *create(struct cli *c, struct image **images, bool force,
			  const struct pod_state *there, char *const *wanted)
{
	auto_pod_plan struct pod_plan *plan = NULL;
	auto_strv char **warnings = NULL;
	struct err *e = pod_plan(c->project, images, c->host, &plan, &warnings);

	for (char **w = warnings; w && *w; w++)
		log_warn("%s", *w);
	TRY(e);
	if (there && there->alive && !force)
		return create_in(c, wanted);
	if (there && there->alive)
		TRY(pod_halt(c->host, there->name, -1));
	auto_strv char **anew = !force	 ? NULL
				: wanted ? strv_dup(wanted)
					 : cli_services_of(c->project);

	TRY(pod_create(plan, c->host, anew));
	cli_say(c, " Pod %s  Created", c->project->name);
	return NULL;
}

struct err *cli_create(struct cli *c, const char *policy, bool quiet, bool force, bool keep,
		       char **operands)
{
	auto_pod_state struct pod_state *s = NULL;
	struct image **images = NULL;

	TRY(cli_project(c, operands, true));
	TRY(cli_host(c));
	auto_strv char **wanted = *operands ? cli_services_of(c->project) : NULL;
	auto_err struct err *none = pod_state_read(c->host, c->project->name, &s);

	if (none && err_code(none) != ENOENT)
		return steal(&none);
	if (s && keep) {
		log_info("pod %s is there already", s->name);
		return NULL;
	}
	if (s)
		TRY(cli_widen_project(c, s, operands));
	TRY(cli_images(c, policy, quiet, &images));
	struct err *e = create(c, images, force, s, wanted);

	cli_images_free(c, images);
	return e;
}

struct err *cmd_create(struct cli *c, const void *values, char **operands, int *ret_code)
{
	const struct create_values *v = values;

	(void)ret_code;
	if (v->force && v->keep)
		return err_new(EINVAL, "--force-recreate and --no-recreate exclude each other");
	c->scale = v->scale;
	TRY(cli_project(c, operands, true));
	if (v->build)
		TRY(cli_check_built(c));
	return cli_create(c, v->pull, v->quiet, v->force, v->keep, operands);
}
