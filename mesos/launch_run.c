/* SPDX-License-Identifier: Apache-2.0 */
/* mesos/launch_run.c - the pod of a launch, from its plan to its end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "mesos/launch.h"

enum { MESSAGE_MAX = 2048, SHARES_PER_CPU = 1024, PERIOD = 100000 };

/* ---- checks ---- */

static void on_health(void *ctx, struct task *t, bool healthy, bool fatal, const char *why)
{
	struct launch *l = ctx;

	if (launch_is_ending(l))
		return;
	tell_from_now_on(t, "healthy", json_boolean(healthy));
	if (!fatal) {
		tell_task(l, t, "TASK_RUNNING", "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED",
			  healthy ? "" : why);
		return;
	}
	auto_free char *message = mem_printf("the health check failed: %s", why);

	tell_task(l, t, "TASK_RUNNING", "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED", why);
	launch_kill(l, message, -1);
}

static void on_check(void *ctx, struct task *t, const json_t *status)
{
	struct launch *l = ctx;

	if (launch_is_ending(l))
		return;
	tell_from_now_on(t, "check_status", json_deep_copy(status));
	tell_task(l, t, "TASK_RUNNING", "REASON_TASK_CHECK_STATUS_UPDATED", "");
}

static void start_checks(struct launch *l, struct task *t)
{
	const struct check_owner owner = { .ctx = l, .on_health = on_health, .on_check = on_check };
	const char *first = l->project->services[0].name;
	const char *service = t->service		? t->service
			      : l->set.check_service	? l->set.check_service
			      : l->project->policy.main ? l->project->policy.main
							: first;

	checks_start(l->s, l->pod, t, service, &owner);
}

/* ---- the pod's life ---- */

static void on_post_launch(void *ctx, struct err *take_e)
{
	struct launch *l = ctx;

	l->hooks = NULL;
	if (take_e)
		launch_fail(l, "REASON_CONTAINER_LAUNCH_FAILED", take_e);
}

/* A task of a group ends by itself; the others go on. */
static void finish_task(struct launch *l, struct task *t)
{
	checks_stop(t);
	tell_task(l, t, "TASK_FINISHED", NULL, "");
	t->ended = true;
}

static void on_up(void *ctx)
{
	struct launch *l = ctx;
	auto_json json_t *input = NULL;

	l->up = true;
	watch_free(l->on_limit);
	l->on_limit = NULL;
	for (size_t i = 0; i < l->project->n_services; i++)
		image_release(l->images[i]); /* the pod's state names their layers by now */
	if (launch_is_ending(l))
		return;
	tell_network(l);
	for (size_t i = 0; i < l->n; i++) {
		tell_task(l, &l->tasks[i], "TASK_RUNNING", NULL, "");
		if (l->tasks[i].service_ended)
			finish_task(l, &l->tasks[i]);
		else
			start_checks(l, &l->tasks[i]);
	}
	input = tell_describe(l);
	l->hooks = hooks_run(l->s, &l->set, "post-launch", input, NULL, on_post_launch, l);
}

static struct task *task_of(struct launch *l, const char *service)
{
	for (size_t i = 0; i < l->n; i++)
		if (str_eq(l->tasks[i].service, service))
			return &l->tasks[i];
	return NULL;
}

static void note_culprit(struct launch *l, const struct pod_news *n)
{
	free(l->culprit);
	free(l->why);
	l->culprit = mem_strdup(n->service);
	l->why = tell_how_ended(l, n->service, n);
	l->oom = n->oom;
	l->failed = true;
	l->reason = n->oom ? "REASON_CONTAINER_LIMITATION_MEMORY" : NULL;
}

/* Whether the project says that the pod goes on without a service that has failed. */
static bool keeps(const struct launch *l)
{
	return str_eq(l->project->policy.on_failure, "keep");
}

static void on_exit_news(struct launch *l, const struct pod_news *n)
{
	struct task *t = task_of(l, n->service);
	bool is_main = str_eq(l->project->policy.main, n->service);

	if (n->returns || launch_is_ending(l))
		return;
	if (n->exit_code && (is_main || l->group || !keeps(l))) {
		note_culprit(l, n);
		pod_end(l->pod, l->set.stop_timeout);
		return;
	}
	if (is_main) { /* its end is the pod's */
		l->finishing = true;
		pod_end(l->pod, l->set.stop_timeout);
		return;
	}
	if (l->group && t) {
		t->service_ended = true;
		if (l->up)
			finish_task(l, t);
	}
}

static void on_unhealthy(struct launch *l, const struct pod_news *n)
{
	if (!l->set.kill_unhealthy || launch_is_ending(l) || !l->up)
		return;
	launch_fail(l, NULL,
		    err_new(EIO, "service %s is unhealthy: %.*s", n->service, MESSAGE_MAX,
			    n->detail));
}

static void on_news(void *ctx, const struct pod_news *n)
{
	struct launch *l = ctx;

	if (n->what == POD_EXITED)
		on_exit_news(l, n);
	else if (n->what == POD_UNHEALTHY)
		on_unhealthy(l, n);
}

static void on_output(void *ctx, const char *service, enum pod_stream stream, const char *line,
		      size_t len)
{
	struct launch *l = ctx;

	sandbox_put(l->sandbox, service, stream, line, len);
}

static void on_event(void *ctx, const char *container, const char *what)
{
	(void)ctx;
	log_info("%s: %s", container, what);
}

static void on_pod_over(void *arg)
{
	struct launch *l = arg;

	hooks_cancel(steal(&l->hooks));
	launch_end(l);
}

/* ---- resources ---- */

static double resource(const struct launch *l, const char *name)
{
	double sum = 0;

	for (size_t i = 0; i < l->n; i++) {
		const json_t *resources = json_at(l->tasks[i].info, "resources");

		for (size_t k = 0; k < json_array_size(resources); k++)
			if (strcmp(wire_text(json_array_get(resources, k), "name"), name) == 0)
				sum += wire_number(json_array_get(resources, k), "scalar.value", 0);
	}
	return sum;
}

/* The task's limit, where it has one: may be infinite. -1: it has none. */
static double limit_of(const struct launch *l, const char *name)
{
	auto_free char *path = mem_printf("limits.%s.value", name);
	double sum = 0;

	for (size_t i = 0; i < l->n; i++) {
		double v = wire_number(l->tasks[i].info, path, -1);

		if (v < 0)
			return -1;
		sum += v;
	}
	return sum;
}

/* Without a limit memory is what was reserved; processor time is shared, and limited only when asked for. */
static struct pod_limits limits_of(const struct launch *l)
{
	double cpus = resource(l, "cpus"), mem = resource(l, "mem");
	double cpu_limit = limit_of(l, "cpus"), mem_limit = limit_of(l, "mem");
	struct pod_limits out = { 0 };

	if (mem_limit >= 0)
		mem = mem_limit;
	if (mem > 0 && mem < 1e12)
		out.memory_max = (int64_t)(mem * (1 << 20));
	if (cpus > 0 && cpus < 1e6)
		out.cpu_shares = cpus * SHARES_PER_CPU < 2 ? 2 : (int64_t)(cpus * SHARES_PER_CPU);
	if (cpu_limit > 0 && cpu_limit < 1e6)
		out.cpu_quota = cpu_limit * PERIOD < 1000 ? 1000 : (int64_t)(cpu_limit * PERIOD);
	return out;
}

/* ---- starting ---- */

static struct err *load_project(struct launch *l)
{
	return model_load(l->model, l->name, l->s->env.sandbox, l->s->env.environ, &l->project);
}

static struct err *find_images(struct launch *l)
{
	auto_image_store struct image_store *store = NULL;
	const struct compose_project *p = l->project;

	TRY(image_store_open(l->s->host->root, &store));
	l->images = mem_alloc((p->n_services + 1) * sizeof(struct image *));
	for (size_t i = 0; i < p->n_services; i++)
		TRY(err_wrap(image_find(store, p->services[i].image, p->services[i].platform,
					&l->images[i]),
			     "service %s", p->services[i].name));
	return NULL;
}

static struct err *plan_pod(struct launch *l)
{
	auto_strv char **warnings = NULL;

	TRY(pod_plan(l->project, l->images, l->s->host, &l->plan, &warnings));
	for (char **w = warnings; w && *w; w++)
		log_warn("%s", *w);
	return NULL;
}

static struct err *start_pod(struct launch *l)
{
	const struct compose_policy *policy = &l->project->policy;

	l->options = (struct pod_run_options) {
		.watcher = { .ctx = l,
			     .on_up = on_up,
			     .on_event = on_event,
			     .on_output = on_output,
			     .on_news = on_news },
		.wait = !l->set.ready_started && !str_eq(policy->ready, "started"),
		.stop_timeout = l->set.stop_timeout,
		.wait_timeout = -1,
		.limits = limits_of(l),
		.transient = true,
		.on_end = on_pod_over,
		.end_arg = l,
	};
	return pod_start(l->plan, l->s->host, &l->options, l->s->loop, &l->pod);
}

void launch_start_pod(struct launch *l)
{
	static const struct {
		struct err *(*step)(struct launch *l);
		const char *reason;
	} steps[] = {
		{ load_project, "REASON_TASK_INVALID" },
		{ find_images, "REASON_CONTAINER_LAUNCH_FAILED" },
		{ plan_pod, "REASON_TASK_INVALID" },
		{ start_pod, "REASON_CONTAINER_LAUNCH_FAILED" },
	};

	l->stage = STAGE_RUN;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct err *e = steps[i].step(l);

		if (e) {
			launch_fail(l, steps[i].reason, e);
			return;
		}
	}
}
