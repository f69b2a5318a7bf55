/* SPDX-License-Identifier: Apache-2.0 */
/* cli/up.c - up and scale: what is to be started, replaced or left as it is. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/trace.h"
#include "cli/up.h"

enum { DOWN_WAIT = 2000, DOWN_POLL = 5 /* milliseconds */ };

#define V(f) offsetof(struct up_values, f)
/* clang-format off */
const struct opt up_options[] = {
	{ 'f', "file", OPT_TEXTS, "FILE", V(files), "as the global option" },
	{ 'd', "detach", OPT_FLAG, NULL, V(detach), "leave the pod running in the background" },
	{ 0, "wait", OPT_FLAG, NULL, V(wait), "return when every service is running and healthy; implies -d" },
	{ 0, "wait-timeout", OPT_SECONDS, "SECONDS", V(wait_timeout), "with --wait: give up after that time" },
	{ 0, "pull", OPT_TEXT, "POLICY", V(pull), "always, missing or never" },
	{ 0, "quiet-pull", OPT_FLAG, NULL, V(quiet_pull), "no progress of pulls" },
	{ 0, "no-deps", OPT_FLAG, NULL, V(no_deps), "only the services that are named" },
	{ 0, "no-start", OPT_FLAG, NULL, V(no_start), "as 'create'; 'start' starts it" },
	{ 0, "force-recreate", OPT_FLAG, NULL, V(force), "start a running pod, or the services that are named, anew, also when nothing has changed" },
	{ 0, "no-recreate", OPT_FLAG, NULL, V(keep), "leave a running pod as it is, also when the file has changed" },
	{ 'V', "renew-anon-volumes", OPT_FLAG, NULL, V(renew_volumes), "the same, with new anonymous volumes" },
	{ 0, "abort-on-container-exit", OPT_FLAG, NULL, V(abort_on_exit), "stop the pod when any container exits" },
	{ 0, "abort-on-container-failure", OPT_FLAG, NULL, V(abort_on_failure), "stop the pod when any container fails" },
	{ 0, "exit-code-from", OPT_TEXT, "SERVICE", V(exit_from), "exit with the code of this service; stops the pod when any container exits" },
	{ 0, "attach", OPT_TEXTS, "SERVICE", V(attach), "show the output of this service only" },
	{ 0, "no-attach", OPT_TEXTS, "SERVICE", V(no_attach), "do not show the output of this service" },
	{ 0, "no-log-prefix", OPT_FLAG, NULL, V(no_prefix), "show output without the service's name" },
	{ 0, "no-color", OPT_FLAG, NULL, V(no_colour), "no colours" },
	{ 0, "timestamps", OPT_FLAG, NULL, V(timestamps), "show when each line was written" },
	{ 't', "timeout", OPT_SECONDS, "SECONDS", V(timeout), "wait so long for services to stop" },
	{ 0, "scale", OPT_TEXTS, "SERVICE=N", V(scale), "so many instances of a service" },
	{ 0, "remove-orphans", OPT_FLAG, NULL, V(nothing), "a pod has none: what is not in the file is not in the pod" },
	{ 0, "trace", OPT_TEXT, "FILE", V(trace), "write where the time went, for Perfetto" },
	{ 0, "always-recreate-deps", OPT_FLAG, NULL, V(force_deps), "with services: replace also what they depend on" },
	{ 0, "build", OPT_FLAG, NULL, V(build), "refused where a service is to be built: slipway does not build" },
	{ 0, "no-build", OPT_FLAG, NULL, V(nothing), "slipway never builds" },
	{ 0, "quiet-build", OPT_FLAG, NULL, V(nothing), "the same" },
	{ 'y', "yes", OPT_FLAG, NULL, V(nothing), "slipway never asks" },
	{ 0 },
};
/* clang-format on */
#undef V

/* Whether the pod runs. One whose services have all ended, or whose supervisor has, is waited for: it goes. */
bool cli_is_running(const struct pod_host *h, const char *name)
{
	for (int tries = 0; tries < DOWN_WAIT / DOWN_POLL; tries++) {
		auto_pod_state struct pod_state *s = NULL;
		auto_err struct err *none = pod_state_read(h, name, &s);
		bool any = false;

		if (none || !s->alive)
			return false;
		any = strcmp(s->status, "starting") == 0;
		for (size_t i = 0; i < s->n_services; i++)
			any |= !str_one_of(s->services[i].state,
					   (const char *const[]) { "exited", "dead", NULL });
		if (any && pod_supervised(h, name))
			return true;
		usleep(DOWN_POLL * 1000);
	}
	return true;
}

/* Services that options name must be there before anything is pulled or started. */
static struct err *check_named(const struct cli *c, const struct up_values *v)
{
	auto_strv char **names =
		v->exit_from ? strv_dup((char *[]) { (char *)(uintptr_t)v->exit_from, NULL })
			     : NULL;
	char *const *const lists[] = { names, v->attach, v->no_attach };

	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		for (char *const *n = lists[i]; n && *n; n++)
			if (!compose_find(c->project, *n))
				return err_new(ENOENT, "no such service: %s", *n);
	return NULL;
}

static bool detached(const struct up_values *v)
{
	return v->detach || v->wait;
}

static struct err *check_values(const struct up_values *v)
{
	bool aborts = v->abort_on_exit || v->abort_on_failure || v->exit_from;

	if (v->no_start && v->trace)
		return err_new(EINVAL,
			       "--trace is of what comes up, and with --no-start nothing does");
	if (v->no_start && (v->detach || v->wait || aborts || v->renew_volumes || v->force_deps))
		return err_new(EINVAL, "--no-start goes with no option about what is running");
	if (aborts && v->detach)
		return err_new(EINVAL, "--detach goes neither with --abort-on-container-exit nor "
				       "with --exit-code-from");
	if (v->force_deps && v->keep)
		return err_new(EINVAL,
			       "--always-recreate-deps and --no-recreate exclude each other");
	if (v->force && v->keep)
		return err_new(EINVAL, "--force-recreate and --no-recreate exclude each other");
	return NULL;
}

char **cli_scale_of(const struct pod_state *s)
{
	char **scale = NULL;

	for (size_t i = 0; i < s->n_services; i++) {
		const char *service = s->services[i].service;
		size_t n = 0;

		for (size_t k = 0; k < s->n_services; k++)
			n += strcmp(s->services[k].service, service) == 0;
		auto_free char *text = mem_printf("%s=%zu", service, n);

		if (n > 1 && !strv_has(scale, text))
			strv_add(&scale, steal(&text));
	}
	return scale;
}

/* Instances that there are stay, unless their number is given. */
static void keep_scale(struct cli *c, const struct pod_state *s)
{
	auto_strv char **now = cli_scale_of(s);
	char **before = c->own_scale;

	c->own_scale = strv_dup(c->scale);
	strv_free(before); /* the scale until now may have been that */
	for (char **n = now; n && *n; n++) {
		auto_free char *name = mem_strndup(*n, strcspn(*n, "=") + 1);
		bool given = false;

		for (char **o = c->scale; o && *o; o++)
			given |= str_starts(*o, name);
		if (!given)
			strv_add(&c->own_scale, mem_strdup(*n));
	}
	c->scale = c->own_scale;
}

/* Services that the file has no more are left out. */
static struct err *load_known(struct cli *c, char **names, char *const *operands)
{
	auto_strv char **known = NULL;

	compose_free(steal(&c->project));
	struct err *e = cli_project(c, names, false);

	if (err_code(e) != ENOENT)
		return e;
	err_free(e);
	TRY(cli_project(c, NULL, false));
	for (char **n = names; *n; n++)
		if (strv_has(operands, *n) || compose_find(c->project, *n))
			strv_add(&known, mem_strdup(*n));
	compose_free(steal(&c->project));
	return cli_project(c, known, false);
}

struct err *cli_widen_project(struct cli *c, const struct pod_state *s, char **operands)
{
	auto_strv char **names = strv_dup(operands);

	if (!*operands)
		return NULL;
	for (size_t i = 0; i < s->n_services; i++)
		if (!strv_has(names, s->services[i].service))
			strv_add(&names, mem_strdup(s->services[i].service));
	keep_scale(c, s);
	return load_known(c, names, operands);
}

/* What is asked for: by name (or none: all), and with what that depends on. */
struct asked {
	char **names, **wanted;
};

/* Services that get new containers also where they have not changed. */
static char **find_anew(const struct up_values *v, const struct asked *a)
{
	char **anew = NULL;

	for (char **w = a->wanted; w && *w; w++) {
		bool named = !*a->names || strv_has(a->names, *w);

		if (named ? v->force || v->renew_volumes : v->force_deps)
			strv_add(&anew, mem_strdup(*w));
	}
	return anew;
}

/* Replaces the services that have changed; *ret_done: that was all. */
static struct err *apply(const struct cli *c, const struct up_values *v, const struct asked *a,
			 bool *ret_done)
{
	const struct pod_update update = { .timeout = v->timeout,
					   .services = *a->names ? a->wanted : NULL,
					   .anew = v->anew,
					   .renew_volumes = v->renew_volumes };
	struct err *e = pod_apply(c->host, c->project, &update);

	if (err_code(e) == ENOTSUP) { /* the pod itself is another */
		err_free(e);
		return NULL;
	}
	TRY(e);
	cli_say(c, " Pod %s  Updated", c->project->name);
	pod_record_remove(c->host, c->project->name);
	TRY(pod_record(c->host, c->project));
	*ret_done = true;
	return NULL;
}

/* Another 'up' is still at it, and to be waited for; or it has not started all, and that is done now. */
static bool is_unfinished(const struct pod_state *running, const struct asked *a)
{
	for (size_t i = 0; i < running->n_services; i++) {
		const struct pod_service_state *s = &running->services[i];

		if (strv_has(a->wanted, s->service) &&
		    (strcmp(s->state, "created") == 0 || json_is_true(json_at(s->json, "resting"))))
			return true;
	}
	return false;
}

/* What had ended while others ran on runs again, as with docker compose. */
static struct err *start_ended(const struct cli *c, const struct asked *a)
{
	auto_pod_state struct pod_state *s = NULL;
	auto_strv char **ended = NULL;

	TRY(pod_state_read(c->host, c->project->name, &s));
	for (size_t i = 0; i < s->n_services; i++)
		if (strcmp(s->services[i].state, "exited") == 0 &&
		    strv_has(a->wanted, s->services[i].service))
			strv_add(&ended, mem_strdup(s->services[i].key));
	return ended ? pod_ask(c->host, c->project->name, "start", ended, NULL) : NULL;
}

/* *ret_go_on: the pod is to be started; else it stays as it is. */
static struct err *replace_running(const struct cli *c, const struct pod_plan *plan,
				   const struct pod_state *running, const struct up_values *v,
				   const struct asked *a, bool *ret_go_on)
{
	bool named = *a->names != NULL, done = false;
	bool changed = pod_changed(plan, running, named ? a->wanted : NULL);
	bool anew = v->force || v->renew_volumes;
	bool wanted = anew || (v->force_deps && named) ||
		      (changed ? !v->keep : is_unfinished(running, a));

	if (wanted && detached(v) && (named || !anew))
		TRY(apply(c, v, a, &done));
	*ret_go_on = !done && (anew || (changed && !v->keep));
	if (done)
		return NULL;
	if (*ret_go_on) {
		log_info("pod %s %s: it is started anew", c->project->name,
			 changed ? "has changed" : "runs");
		return pod_halt(c->host, c->project->name, v->timeout);
	}
	if (!detached(v))
		return err_new(EBUSY,
			       "pod %s is already running; 'slipway logs -f' follows it, "
			       "'slipway down' ends it",
			       c->project->name);
	log_info("pod %s is already running", c->project->name);
	return start_ended(c, a);
}

static struct err *start_pod(struct cli *c, const struct pod_plan *plan, struct image **images,
			     const struct up_values *v, int *ret_code)
{
	if (v->renew_volumes)
		TRY(pod_renew_volumes(c->host, plan, v->resting));
	return detached(v) ? up_detached(c, plan, images, v, ret_code)
			   : up_attached(c, plan, images, v, ret_code);
}

/* Whoever has just begun has written nothing yet. */
static bool is_starting(const struct pod_host *h, const char *name)
{
	for (int tries = 0; tries < DOWN_WAIT / DOWN_POLL; tries++) {
		if (cli_is_running(h, name))
			return true;
		if (!pod_supervised(h, name))
			return false;
		usleep(DOWN_POLL * 1000);
	}
	return false;
}

static struct err *start_or_replace(struct cli *c, const struct pod_plan *plan,
				    struct image **images, const struct pod_state *running,
				    const struct up_values *v, const struct asked *a, int *ret_code)
{
	bool go_on = true;

	if (running)
		TRY(replace_running(c, plan, running, v, a, &go_on));
	if (go_on)
		return start_pod(c, plan, images, v, ret_code);
	return up_waits(c, v) ? pod_wait_up(c->host, c->project->name, a->names, v->wait_timeout)
			      : NULL;
}

/* Who else starts the whole pod at this moment may be faster: then it is a pod that runs. */
static struct err *bring_up(struct cli *c, const struct pod_plan *plan, struct image **images,
			    const struct pod_state *running, const struct up_values *v,
			    const struct asked *a, int *ret_code)
{
	auto_pod_state struct pod_state *faster = NULL;
	struct err *e = start_or_replace(c, plan, images, running, v, a, ret_code);

	if (err_code(e) != EBUSY || *a->names || !is_starting(c->host, c->project->name))
		return e;
	err_free(e);
	TRY(pod_state_read(c->host, c->project->name, &faster));
	return start_or_replace(c, plan, images, faster, v, a, ret_code);
}

static uint64_t trace_next(uint64_t since, const char *what)
{
	trace_end("supervisor", since, "%s", what);
	return trace_begin();
}

struct err *cli_check_built(const struct cli *c)
{
	for (size_t i = 0; i < c->project->n_services; i++)
		if (c->project->services[i].build.context)
			return compose_err(&c->project->services[i].place,
					   "--build: slipway does not build images; push what "
					   "another tool has built, and name it with image");
	return NULL;
}

char **cli_services_of(const struct compose_project *p)
{
	char **names = NULL;

	for (size_t i = 0; i < p->n_services; i++)
		strv_add(&names, mem_strdup(p->services[i].name));
	return names;
}

/* Who starts one service of a pod that has ended, or was only created, leaves the others as they are. */
static struct err *find_resting(struct cli *c, char *const *wanted, char **operands, char ***ret)
{
	auto_pod_state struct pod_state *s = NULL;

	if (*operands)
		err_ignore(pod_state_read(c->host, c->project->name, &s)); /* there may be none */
	if (!s)
		return NULL;
	TRY(cli_widen_project(c, s, operands));
	for (size_t i = 0; i < c->project->n_services; i++)
		if (!strv_has(wanted, c->project->services[i].name))
			strv_add(ret, mem_strdup(c->project->services[i].name));
	return NULL;
}

static struct err *up(struct cli *c, const struct up_values *v, char **operands, int *ret_code)
{
	auto_pod_plan struct pod_plan *plan = NULL;
	auto_pod_state struct pod_state *running = NULL;
	auto_strv char **warnings = NULL, **wanted = NULL;
	struct up_values own = *v;
	struct image **images = NULL;
	uint64_t since = trace_begin();

	TRY(cli_project(c, operands, true));
	TRY(check_named(c, v));
	if (v->build)
		TRY(cli_check_built(c));
	since = trace_next(since, "load the project");
	TRY(cli_host(c));
	wanted = cli_services_of(c->project);
	if (cli_is_running(c->host, c->project->name)) {
		TRY(pod_state_read(c->host, c->project->name, &running));
		TRY(cli_widen_project(c, running, operands));
	} else {
		pod_early_begin(c->early);
		TRY(find_resting(c, wanted, operands, &own.resting));
	}
	since = trace_next(since, "look whether it runs");
	struct err *e = cli_images(c, v->pull, v->quiet_pull, &images);

	since = trace_next(since, "find the images");
	TRY(e);
	e = pod_plan(c->project, images, c->host, &plan, &warnings);
	(void)trace_next(since, "plan");
	for (char **w = warnings; w && *w; w++)
		log_warn("%s", *w);
	const struct asked asked = { operands, wanted };

	own.anew = find_anew(v, &asked);
	if (!e)
		e = bring_up(c, plan, images, running, &own, &asked, ret_code);
	pod_plan_free(steal(&plan));
	cli_images_free(c, images);
	strv_free(own.resting);
	strv_free(own.anew);
	return e;
}

struct err *cmd_up(struct cli *c, const void *values, char **operands, int *ret_code)
{
	const struct up_values *v = values;

	TRY(check_values(v));
	for (char **f = v->files; f && *f; f++)
		strv_add(&c->files, mem_strdup(*f));
	c->leave.no_deps = v->no_deps;
	c->scale = v->scale;
	if (v->no_start && v->build) {
		TRY(cli_project(c, operands, true));
		TRY(cli_check_built(c));
	}
	if (v->no_start)
		return cli_create(c, v->pull, v->quiet_pull, v->force, v->keep, operands);
	if (v->trace)
		TRY(err_wrap(trace_open(v->trace), "--trace"));
	struct pod_early early = POD_EARLY_NONE;

	c->early = &early;
	struct err *e = up(c, v, operands, ret_code);

	pod_early_end(&early);
	c->early = NULL;
	up_finish_trace(); /* of what did not come up */
	return e;
}

struct err *cli_up_detached(struct cli *c, char **services, char **scale, const char *pull,
			    bool wait)
{
	const struct up_values v = { .detach = true,
				     .wait = wait,
				     .timeout = -1,
				     .wait_timeout = -1,
				     .scale = scale,
				     .pull = pull,
				     .goes_on = true };
	struct compose_project *before = steal(&c->project);
	int code = 0;
	struct err *e = cmd_up(c, &v, services, &code);

	compose_free(c->project);
	c->project = before;
	return e || !code ? e : err_new(EINTR, "interrupted");
}

/* ---- scale ---- */

struct scale_values {
	bool no_deps;
};
const struct opt scale_options[] = {
	{ 0, "no-deps", OPT_FLAG, NULL, offsetof(struct scale_values, no_deps),
	  "do not start what they depend on" },
	{ 0 },
};

struct err *cmd_scale(struct cli *c, const void *values, char **operands, int *ret_code)
{
	auto_strv char **services = NULL;
	const struct up_values v = { .detach = true,
				     .no_deps = ((const struct scale_values *)values)->no_deps,
				     .timeout = -1,
				     .wait_timeout = -1,
				     .scale = operands };

	if (!*operands)
		return err_new(EINVAL, "scale: wants SERVICE=N");
	for (char **o = operands; *o; o++)
		strv_add(&services, mem_strndup(*o, strcspn(*o, "=")));
	return cmd_up(c, &v, services, ret_code);
}
