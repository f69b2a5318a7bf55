/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mesos/launch.c - one pod on its way: project, hooks, pull, start, life, end, and what is told of it.
 *
 * A launch is in one stage at a time; each has something that ends it (a hook, a
 * pull, the pod), and a kill ends each of them at once. The last status of a task
 * is told when nothing of the pod is left, for then its resources are offered to
 * others.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "mesos/launch.h"

enum { KILL_DEFAULT = 3000 /* milliseconds */ };

struct launch *launch_next(const struct launch *l)
{
	return l->next;
}

bool launch_is_over(const struct launch *l)
{
	return l->stage == STAGE_OVER && !l->status_hooks;
}

bool launch_is_ending(const struct launch *l)
{
	return l->killed || l->failed || l->finishing || l->stage >= STAGE_PRE_KILL;
}

/* A hook's failure after the fact changes nothing any more. */
void launch_complain(struct err *take_e)
{
	auto_err struct err *e = take_e;

	if (e)
		log_warn("%s", err_text(e));
}

/* ---- the end ---- */

static void free_plan(struct launch *l)
{
	pod_plan_free(steal(&l->plan));
	for (size_t i = 0; l->images && i < l->project->n_services; i++)
		image_free(l->images[i]);
	free(steal(&l->images));
}

static void over(struct launch *l)
{
	l->stage = STAGE_OVER;
	free_plan(l);
	session_check_end(l->s);
}

static void clean_up(struct launch *l)
{
	bool keep = l->failed && l->set.keep_failed;
	auto_image_store struct image_store *store = NULL;

	if (l->set.remove_volumes && !keep)
		launch_complain(pod_discard_volumes(l->s->host, l->name));
	if (!l->set.remove_images || keep || !l->project)
		return;
	auto_err struct err *e = image_store_open(l->s->host->root, &store);

	for (size_t i = 0; !e && i < l->project->n_services; i++)
		launch_complain(image_remove(store, l->project->services[i].image));
}

static void on_ended(void *ctx, struct err *take_e)
{
	struct launch *l = ctx;

	l->hooks = NULL;
	launch_complain(take_e);
	for (size_t i = 0; i < l->n; i++)
		tell_end(l, &l->tasks[i]);
	over(l);
}

void launch_end(struct launch *l)
{
	struct pod_result result = { 0 };
	bool ran = l->pod != NULL;
	struct err *e;

	l->stage = STAGE_END;
	watch_free(l->on_limit);
	watch_free(l->on_completion);
	l->on_limit = l->on_completion = NULL;
	for (size_t i = 0; i < l->n; i++)
		checks_stop(&l->tasks[i]);
	e = l->pod ? pod_finish(steal(&l->pod), &result) : NULL;
	if (e && !l->killed && !l->failed && !l->finishing) {
		l->failed = true;
		l->reason = l->up ? NULL : "REASON_CONTAINER_LAUNCH_FAILED";
		free(l->why);
		l->why = mem_strdup(err_text(e));
	}
	err_free(e);
	clean_up(l);
	auto_json json_t *input = tell_describe(l);

	l->hooks =
		hooks_run(l->s, &l->set, ran ? "post-kill" : "shutdown", input, NULL, on_ended, l);
}

/* Ends whatever is under way. Of the pod's end we are told. */
static void cut_short(struct launch *l, int64_t grace)
{
	hooks_cancel(steal(&l->hooks));
	image_pull_cancel(steal(&l->fetch));
	watch_free(l->on_pull);
	watch_free(l->on_retry);
	l->on_pull = l->on_retry = NULL;
	if (l->pod)
		pod_end(l->pod, grace);
	else
		launch_end(l);
}

void launch_fail(struct launch *l, const char *reason, struct err *take_e)
{
	auto_err struct err *e = take_e;

	log_error("%s", err_text(e));
	if (l->failed || l->killed || l->stage >= STAGE_END)
		return;
	l->failed = true;
	l->reason = reason;
	free(l->why);
	l->why = mem_strdup(err_text(e));
	cut_short(l, l->set.stop_timeout);
}

/* ---- killing ---- */

static void on_pre_kill(void *ctx, struct err *take_e)
{
	struct launch *l = ctx;

	l->hooks = NULL;
	launch_complain(take_e);
	l->stage = STAGE_RUN;
	if (l->pod)
		pod_end(l->pod, l->grace);
	else
		launch_end(l);
}

int64_t launch_grace(const struct launch *l)
{
	int64_t grace = -1;

	for (size_t i = 0; i < l->n && grace < 0; i++)
		grace = task_grace(l->tasks[i].info, NULL);
	return grace;
}

static int64_t kill_grace(const struct launch *l, int64_t asked)
{
	int64_t grace = asked < 0 ? launch_grace(l) : asked;

	if (grace < 0)
		grace = l->set.stop_timeout;
	return grace < 0 ? KILL_DEFAULT : grace;
}

void launch_kill(struct launch *l, const char *why, int64_t grace)
{
	int64_t ms = kill_grace(l, grace);
	auto_json json_t *input = NULL;

	if (l->stage >= STAGE_END)
		return;
	for (size_t i = 0; i < l->n; i++)
		checks_stop(&l->tasks[i]);
	if (launch_is_ending(l)) { /* again: only sooner */
		l->grace = ms < l->grace ? ms : l->grace;
		if (l->pod && l->stage != STAGE_PRE_KILL)
			pod_end(l->pod, l->grace);
		return;
	}
	l->killed = true;
	l->grace = ms;
	free(l->why);
	l->why = mem_strdup(why);
	if (l->s->can_tell_killing)
		tell_all(l, "TASK_KILLING", NULL, why);
	if (!l->pod) {
		cut_short(l, 0);
		return;
	}
	hooks_cancel(steal(&l->hooks));
	l->stage = STAGE_PRE_KILL;
	input = tell_describe(l);
	l->hooks = hooks_run(l->s, &l->set, "pre-kill", input, NULL, on_pre_kill, l);
}

void launch_kill_task(struct launch *l, const char *task, const json_t *kill)
{
	int64_t grace = -1;

	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->tasks[i].id, task) == 0)
			grace = task_grace(l->tasks[i].info, kill);
	launch_kill(l, "killed on the framework's request", grace);
}

struct launch *launch_of(const struct session *s, const char *task)
{
	for (struct launch *l = s->launches; l; l = l->next)
		for (size_t i = 0; i < l->n; i++)
			if (strcmp(l->tasks[i].id, task) == 0)
				return l;
	return NULL;
}

static void on_launch_limit(void *arg)
{
	struct launch *l = arg;

	watch_free(l->on_limit);
	l->on_limit = NULL;
	if (!l->up)
		launch_fail(l, "REASON_CONTAINER_LAUNCH_FAILED",
			    err_new(ETIMEDOUT, "the pod is not up after %lld s",
				    (long long)l->set.launch_timeout / 1000));
}

static void on_completion_time(void *arg)
{
	struct launch *l = arg;

	watch_free(l->on_completion);
	l->on_completion = NULL;
	if (launch_is_ending(l))
		return;
	l->completion = true;
	l->failed = true;
	free(l->why);
	l->why = mem_strdup("the task's maximal time to complete is over");
	cut_short(l, 0);
}

/* ---- hooks and the trace of what they change ---- */

static void trace(const struct launch *l, const char *stage)
{
	auto_free char *name = mem_printf("trace-%s.json", stage), *text = NULL;

	if (!l->set.trace)
		return;
	text = json_text(l->model, 2);
	launch_complain(sandbox_write(l->s->env.sandbox, name, text));
}

static void on_pre_launch(void *ctx, struct err *take_e)
{
	struct launch *l = ctx;

	l->hooks = NULL;
	trace(l, "pre-launch");
	if (take_e)
		launch_fail(l, "REASON_CONTAINER_LAUNCH_FAILED", take_e);
	else
		launch_start_pod(l);
}

static void on_post_pull(void *ctx, struct err *take_e)
{
	struct launch *l = ctx;
	auto_json json_t *input = tell_describe(l);

	l->hooks = NULL;
	trace(l, "post-pull");
	if (take_e)
		launch_fail(l, "REASON_CONTAINER_LAUNCH_FAILED", take_e);
	else
		l->hooks =
			hooks_run(l->s, &l->set, "pre-launch", input, &l->model, on_pre_launch, l);
}

void launch_pulled(struct launch *l)
{
	auto_json json_t *input = tell_describe(l);

	l->stage = STAGE_PREPARED;
	l->hooks = hooks_run(l->s, &l->set, "post-pull", input, &l->model, on_post_pull, l);
}

static void on_pre_pull(void *ctx, struct err *take_e)
{
	struct launch *l = ctx;

	l->hooks = NULL;
	trace(l, "pre-pull");
	if (take_e)
		launch_fail(l, "REASON_CONTAINER_LAUNCH_FAILED", take_e);
	else
		launch_pull(l);
}

/* ---- beginning ---- */

static struct err *find_project(struct launch *l)
{
	auto_strv char **warnings = NULL;
	struct offer offer = { 0 };
	struct err *e;

	if (l->group)
		TRY(source_of_group(l->s, l->tasks, l->n, &l->source));
	else
		TRY(source_find(l->s, l->tasks[0].info, &l->source));
	l->set.is_service = l->source.aurora.is_service;
	TRY(model_read(&l->source, l->name, l->s->env.environ, &l->model, &warnings));
	for (char **w = warnings; w && *w; w++)
		log_warn("%s", *w);
	e = offer_read(l->s, l->tasks, l->n, &l->source.aurora, &offer);
	if (!e)
		e = model_ports(l->model, &offer, l->set.host_ports);
	if (!e)
		e = model_decorate(l->model, l->s, l->tasks, l->n, &offer);
	offer_clear(&offer);
	return e;
}

static struct err *check_tasks(struct launch *l)
{
	for (size_t i = 0; i < l->n; i++)
		TRY(err_wrap(checks_validate(l->tasks[i].info), "task %s", l->tasks[i].id));
	return NULL;
}

static void set_timers(struct launch *l)
{
	double shortest = -1;

	for (size_t i = 0; i < l->n; i++) {
		double ns = wire_number(l->tasks[i].info, "max_completion_time.nanoseconds", -1);

		if (ns >= 0 && (shortest < 0 || ns < shortest))
			shortest = ns;
	}
	if (shortest >= 0 && shortest < 9e18)
		l->on_completion =
			loop_timer(l->s->loop, (uint64_t)(shortest / 1e6), on_completion_time, l);
	if (l->set.launch_timeout > 0)
		l->on_limit =
			loop_timer(l->s->loop, (uint64_t)l->set.launch_timeout, on_launch_limit, l);
}

static void add_tasks(struct launch *l, json_t *const *tasks)
{
	for (size_t i = 0; i < l->n; i++) {
		struct task *t = &l->tasks[i];
		json_t *status;

		*t = (struct task) { .id = mem_strdup(wire_text(tasks[i], "task_id.value")),
				     .info = json_incref(tasks[i]) };
		status = check_status_empty(t->info);
		if (status)
			tell_from_now_on(t, "check_status", status);
		link_add_task(l->s->link, t->info);
	}
}

void launch_begin(struct session *s, json_t *const *tasks, size_t n, bool group,
		  struct err *take_refusal)
{
	struct launch *l = mem_alloc(sizeof(*l)), **last = &s->launches;
	struct err *e = take_refusal;

	*l = (struct launch) {
		.s = s, .n = n, .group = group, .grace = INT64_MAX, .untold = json_array()
	};
	while (*last)
		last = &(*last)->next;
	*last = l;
	s->n_launches++;
	l->name = s->n_launches > 1 ? mem_printf("mesos-%s-%u", s->env.container, s->n_launches)
				    : mem_printf("mesos-%s", s->env.container);
	for (char *p = l->name; *p; p++)
		*p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p == '.' ? '-' : *p;
	l->tasks = mem_alloc(n * sizeof(*l->tasks));
	add_tasks(l, tasks);
	l->sandbox = sandbox_new(s->env.sandbox, true);
	struct err *bad = settings_read(tasks[0], s->env.environ, &l->set);

	if (e)
		err_free(bad);
	else
		e = bad;
	tell_all(l, "TASK_STARTING", NULL, "");
	if (!e)
		e = check_tasks(l);
	if (!e)
		e = find_project(l);
	if (e) {
		launch_fail(l, "REASON_TASK_INVALID", e);
		return;
	}
	set_timers(l);
	auto_json json_t *input = tell_describe(l);

	l->hooks = hooks_run(s, &l->set, "pre-pull", input, &l->model, on_pre_pull, l);
}

void launch_free(struct launch *l)
{
	for (size_t i = 0; i < l->n; i++) {
		checks_stop(&l->tasks[i]);
		json_decref(l->tasks[i].info);
		json_decref(l->tasks[i].more);
		free(l->tasks[i].service);
		free(l->tasks[i].id);
	}
	hooks_cancel(l->hooks);
	hooks_cancel(l->status_hooks);
	json_decref(l->untold);
	image_pull_cancel(l->fetch);
	watch_free(l->on_pull);
	watch_free(l->on_retry);
	watch_free(l->on_limit);
	watch_free(l->on_completion);
	if (l->pod) { /* time was over before it had ended: it is killed */
		struct pod_result result = { 0 };

		err_ignore(pod_finish(steal(&l->pod), &result));
	}
	free_plan(l);
	compose_free(l->project);
	json_decref(l->model);
	source_clear(&l->source);
	settings_clear(&l->set);
	sandbox_free(l->sandbox);
	free(l->tasks);
	free(l->culprit);
	free(l->why);
	free(l->name);
	free(l);
}
