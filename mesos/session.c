/* SPDX-License-Identifier: Apache-2.0 */
/* mesos/session.c - what the agent asks for, and when there is nothing more to do. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "mesos/internal.h"

enum {
	LAST_WORDS = 60000, /* milliseconds that an agent has to acknowledge the last status */
	REAP_TIME =
		1000, /* of a shutdown's time that is kept for the kernel, and for the last status */
	TASKS_MAX = 256 /* of a group */
};

struct ends {
	struct session *s;
	bool lost;
	struct watch *on_last, *on_deadline, *on_term, *on_int, *on_collect;
};

/* ---- telling ---- */

void session_tell(struct session *s, const struct status *st)
{
	json_t *j = json_pack("{s:{s:s}, s:s}", "task_id", "value", st->task, "state", st->state);

	log_info("task %s: %s%s%s%s%s", st->task, st->state, st->reason ? " " : "",
		 st->reason ? st->reason : "", *st->message ? ": " : "", st->message);
	json_put_str(j, "reason", st->reason);
	if (*st->message) /* with what services wrote, which may be anything */
		json_put_str(j, "message", st->message);
	if (st->more)
		json_object_update(j, st->more);
	link_add_update(s->link, j);
}

/* ---- the end ---- */

static void on_last(void *arg)
{
	struct ends *ends = arg;

	log_warn("the agent has not acknowledged the last status");
	loop_stop(ends->s->loop);
}

void session_check_end(struct session *s)
{
	struct ends *ends = s->ends;

	if (!s->launches && !s->shutting_down)
		return; /* nothing was asked for yet */
	for (const struct launch *l = s->launches; l; l = launch_next(l))
		if (!launch_is_over(l))
			return;
	if (ends->lost || link_is_quiet(s->link))
		loop_stop(s->loop);
	else if (!ends->on_last)
		ends->on_last = loop_timer(s->loop, LAST_WORDS, on_last, ends);
}

/* Time is over: the agent is about to kill us, and our end is the pods' end. */
static void on_deadline(void *arg)
{
	struct ends *ends = arg;

	log_error("the pods did not end within the agent's time");
	ends->s->exit_code = EXIT_FAILURE;
	loop_stop(ends->s->loop);
}

static void shut_down(struct session *s, const char *why)
{
	uint64_t grace = s->env.shutdown_grace;
	int64_t left =
		grace > 2 * REAP_TIME ? (int64_t)(grace - 2 * REAP_TIME) : (int64_t)grace / 2;

	if (s->shutting_down)
		return;
	log_info("shutting down: %s", why);
	s->shutting_down = true;
	s->ends->on_deadline =
		loop_timer(s->loop, grace > REAP_TIME ? grace - REAP_TIME / 2 : grace, on_deadline,
			   s->ends);
	for (struct launch *l = s->launches; l; l = launch_next(l)) {
		int64_t own = launch_grace(l);

		launch_kill(l, why, own >= 0 && own < left ? own : left);
	}
	session_check_end(s);
}

static void on_lost(void *ctx, const char *why)
{
	struct session *s = ctx;

	s->ends->lost = true;
	s->exit_code = EXIT_FAILURE;
	shut_down(s, why);
	session_check_end(s);
}

static void on_quiet(void *ctx)
{
	session_check_end(ctx);
}

static void on_term(void *arg)
{
	shut_down(arg, "the executor was asked to end");
}

/* ---- events ---- */

static bool has_capability(const json_t *framework, const char *name)
{
	const json_t *list = json_at(framework, "capabilities");

	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(wire_text(json_array_get(list, i), "type"), name) == 0)
			return true;
	return false;
}

static void on_subscribed(struct session *s, const json_t *event)
{
	json_decref(s->executor_info);
	json_decref(s->framework_info);
	s->executor_info = json_incref(json_at(event, "subscribed.executor_info"));
	s->framework_info = json_incref(json_at(event, "subscribed.framework_info"));
	s->can_tell_killing = has_capability(s->framework_info, "TASK_KILLING_STATE");
}

/* A task that is here already was sent again, by an agent that is not sure. */
static bool is_known(const struct session *s, const json_t *task)
{
	const char *id = wire_text(task, "task_id.value");

	if (*id && !launch_of(s, id))
		return false;
	log_warn("task '%s' was launched before, or has no id: passed over", id);
	return true;
}

/* Also while we shut down: a task of which nothing is told would be waited for. */
static void launch(struct session *s, json_t *const *tasks, size_t n, bool group,
		   struct err *take_refusal)
{
	launch_begin(s, tasks, n, group, take_refusal);
	if (s->shutting_down)
		launch_kill(launch_of(s, wire_text(tasks[0], "task_id.value")),
			    "the executor is shutting down", 0);
}

static void on_launch(struct session *s, const json_t *event)
{
	json_t *task = json_at(event, "launch.task");

	if (!is_known(s, task))
		launch(s, &task, 1, false, NULL);
}

/* Those of a group that have an id, each once, and are not here yet. */
static size_t new_tasks(const struct session *s, const json_t *list, json_t **ret,
			const char **ret_twice)
{
	auto_json json_t *seen = json_object();
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *task = json_array_get(list, i);
		const char *id = wire_text(task, "task_id.value");

		if (json_object_get(seen, id))
			*ret_twice = id;
		else if (!is_known(s, task))
			ret[n++] = task;
		json_object_set_new(seen, id, json_true());
	}
	return n;
}

static void on_launch_group(struct session *s, const json_t *event)
{
	const json_t *list = json_at(event, "launch_group.task_group.tasks");
	size_t n = json_array_size(list);
	auto_free json_t **tasks = mem_alloc((n + 1) * sizeof(*tasks));
	const char *twice = NULL;
	size_t n_new = new_tasks(s, list, tasks, &twice);
	struct err *e = NULL;

	if (!n_new) {
		log_warn("a task group without a new task: passed over");
		return;
	}
	if (twice)
		e = err_new(EINVAL, "task group: the task '%s' is there twice", twice);
	else if (n > TASKS_MAX)
		e = err_new(E2BIG, "task group: %zu tasks; there may be %d", n, TASKS_MAX);
	else if (n_new < n)
		e = err_new(EINVAL,
			    "task group: some of its tasks were launched before, or have no id");
	launch(s, tasks, n_new, true, e);
}

static void on_kill(struct session *s, const json_t *event)
{
	const char *id = wire_text(event, "kill.task_id.value");
	struct launch *l = launch_of(s, id);

	if (l)
		launch_kill_task(l, id, event);
	else
		log_warn("the agent kills a task that is not here: '%s'", id);
}

static void on_message(struct session *s, const json_t *event)
{
	(void)s;
	log_info("a message of the framework's is passed over: %.200s",
		 wire_text(event, "message.data"));
}

static void on_shutdown(struct session *s, const json_t *event)
{
	(void)event;
	shut_down(s, "the agent shuts the executor down");
}

static void on_error(struct session *s, const json_t *event)
{
	log_error("the agent says: %s", wire_text(event, "error.message"));
	shut_down(s, "the agent has told an error");
}

static const struct {
	const char *type;
	void (*handle)(struct session *s, const json_t *event);
} handlers[] = {
	{ "SUBSCRIBED", on_subscribed },
	{ "LAUNCH", on_launch },
	{ "LAUNCH_GROUP", on_launch_group },
	{ "KILL", on_kill },
	{ "MESSAGE", on_message },
	{ "SHUTDOWN", on_shutdown },
	{ "ERROR", on_error },
};

static void on_event(void *ctx, const json_t *event)
{
	const char *type = wire_text(event, "type");

	for (size_t i = 0; i < ARRAY_LEN(handlers); i++)
		if (strcmp(handlers[i].type, type) == 0) {
			handlers[i].handle(ctx, event);
			return;
		}
	log_info("an event of type '%s' is passed over", type);
}

/* ---- from start to end ---- */

static void sweep(const struct session *s)
{
	auto_image_store struct image_store *store = NULL;
	auto_err struct err *e = image_store_open(s->host->root, &store);

	if (!e)
		e = image_sweep(store);
	if (e)
		log_warn("%s", err_text(e));
}

/* Not against the agent's deadline: the next executor on this host does it. */
static void empty_trash(const struct session *s)
{
	auto_err struct err *e = s->shutting_down ? NULL : pod_empty_trash(s->host);

	if (e)
		log_warn("%s", err_text(e));
}

/* What executors that were killed have left on this host. It is not in the way of our subscription. */
static void on_collect(void *arg)
{
	struct ends *ends = arg;

	watch_free(ends->on_collect);
	ends->on_collect = NULL;
	auto_err struct err *e = pod_collect(ends->s->host);

	if (e)
		log_warn("%s", err_text(e));
	sweep(ends->s);
}

static struct err *set_up(struct session *s)
{
	const struct link_owner owner = {
		.ctx = s, .on_event = on_event, .on_lost = on_lost, .on_quiet = on_quiet
	};

	TRY(pod_host_open(&s->host));
	pod_host_in_task(s->host, s->env.container);
	TRY(loop_new(&s->loop));
	TRY(http_new(s->loop, &s->http));
	s->ends->on_term = loop_signal(s->loop, SIGTERM, on_term, s);
	s->ends->on_int = loop_signal(s->loop, SIGINT, on_term, s);
	s->ends->on_collect = loop_timer(s->loop, 0, on_collect, s->ends);
	return link_new(s->loop, s->http, &s->env, &owner, &s->link);
}

static void tear_down(struct session *s)
{
	struct watch *watches[] = { s->ends->on_last, s->ends->on_deadline, s->ends->on_term,
				    s->ends->on_int, s->ends->on_collect };

	while (s->launches) {
		struct launch *l = s->launches;

		s->launches = launch_next(l);
		launch_free(l);
	}
	if (s->host) { /* after the last word: a pull that was killed, and a pod's volumes, may have much */
		sweep(s);
		empty_trash(s);
	}
	link_free(s->link);
	http_free(s->http);
	for (size_t i = 0; i < ARRAY_LEN(watches); i++)
		watch_free(watches[i]);
	loop_free(s->loop);
	pod_host_free(s->host);
	json_decref(s->executor_info);
	json_decref(s->framework_info);
}

struct err *session_run(struct session *s)
{
	struct ends ends = { .s = s };

	s->ends = &ends;
	struct err *e = set_up(s);

	if (!e)
		e = loop_run(s->loop);
	tear_down(s);
	return e;
}
