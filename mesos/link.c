/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mesos/link.c - the link to the agent: a subscription that is renewed when it breaks, and updates
 * that are sent until they are acknowledged.
 *
 * An update is written to SANDBOX/slipway/state.json before it is sent, and sent
 * again, with the same uuid, until its acknowledgement has come: on a new
 * subscription as a part of it, else after one second, two, four, up to ten.
 * Updates are sent in their order, one at a time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "mesos/internal.h"

enum {
	FIRST_LIMIT =
		60000, /* until we must have been heard the first time; then agents give up too */
	CALL_LIMIT = 30000, /* of one update's request */
	RESEND_FIRST = 1000,
	RESEND_MAX = 10000,
	TICK = 500,
	UNKNOWN_MAX = 5, /* how often an agent may say that it does not know us */
	RETRY_LEAST = 50,
	KEEP_LATER = 100
};

struct update {
	struct update *next;
	json_t *status;
	const char *uuid; /* in status */
	bool sent;	  /* on this subscription, and taken */
	uint64_t sent_at, pause;
};

struct link {
	struct loop *loop;
	struct http *http;
	const struct mesos_env *env;
	struct link_owner owner;
	struct http_call *subscription, *call;
	struct wire_records *records;
	struct watch *on_retry, *on_tick, *on_events, *on_keep;
	json_t *events; /* that have come and are to be handled */
	struct update *updates, *in_call;
	json_t *tasks; /* launched, and nothing of them acknowledged: TaskInfo */
	bool subscribed, ever, given_up;
	bool unkept; /* an update or a task is not on disk yet */
	uint64_t lost_since;
	unsigned unknown;
};

static void subscribe(void *arg);
static void send_next(struct link *k);

/* ---- what is kept on disk ---- */

static json_t *unacknowledged(const struct link *k)
{
	json_t *list = json_array();

	for (const struct update *u = k->updates; u; u = u->next)
		json_array_append_new(list, json_pack("{s:O}", "status", u->status));
	return list;
}

static void keep(struct link *k)
{
	auto_json json_t *j = json_object();

	watch_free(k->on_keep);
	k->on_keep = NULL;
	k->unkept = false;
	json_object_set_new(j, "updates", unacknowledged(k));
	json_object_set(j, "tasks", k->tasks);
	auto_free char *text = json_text(j, 2);
	auto_err struct err *e = sandbox_write(k->env->sandbox, "state.json", text);

	if (e)
		log_warn("%s", err_text(e));
}

static void on_keep_time(void *arg)
{
	keep(arg);
}

/*
 * What is new is there before anything is sent. What is gone may stay a moment, for
 * an update that comes twice is known by its uuid: a group of hundreds writes once.
 */
static void keep_later(struct link *k, bool is_new)
{
	k->unkept |= is_new;
	if (!k->on_keep)
		k->on_keep = loop_timer(k->loop, KEEP_LATER, on_keep_time, k);
}

/* ---- calls ---- */

static json_t *call_of(const struct link *k, const char *type)
{
	return json_pack("{s:s, s:{s:s}, s:{s:s}}", "type", type, "executor_id", "value",
			 k->env->executor, "framework_id", "value", k->env->framework);
}

static struct err *send_call(struct link *k, const json_t *call, struct http_request *r,
			     struct http_call **ret)
{
	auto_free char *body = json_text(call, 0);

	r->url = k->env->url;
	r->unix_socket = k->env->socket;
	r->token = k->env->token;
	r->tls = k->env->tls ? &k->env->tls_files : NULL;
	r->body = body;
	r->netns = -1;
	r->ctx = k;
	return http_send(k->http, r, ret);
}

/* ---- updates ---- */

static void drop(struct link *k, struct update *u)
{
	struct update **p = &k->updates;

	while (*p != u)
		p = &(*p)->next;
	*p = u->next;
	if (k->in_call == u)
		k->in_call = NULL;
	json_decref(u->status);
	free(u);
	keep_later(k, false);
	if (!k->updates)
		k->owner.on_quiet(k->owner.ctx);
}

static void on_sent(void *ctx, long status, const char *text)
{
	struct link *k = ctx;
	struct update *u = k->in_call;

	k->call = NULL;
	k->in_call = NULL;
	if (!u) { /* its acknowledgement was faster than the answer */
		send_next(k);
		return;
	}
	u->sent_at = proc_now_ms();
	if (status == 202 || status == 200) {
		u->sent = true;
		send_next(k);
		return;
	}
	log_warn("update %s of task %s: %s%ld %s", wire_text(u->status, "state"),
		 wire_text(u->status, "task_id.value"), status ? "the agent says " : "", status,
		 text);
	/* what the agent does not understand it will not understand next time either */
	if (status == 400 && !strstr(text, "cannot be found"))
		drop(k, u);
}

/* Not yet taken, or taken and for a long time not acknowledged. */
static bool is_due(const struct update *u)
{
	return !u->sent_at || proc_now_ms() - u->sent_at >= u->pause;
}

static void send_next(struct link *k)
{
	struct http_request r = { .timeout = CALL_LIMIT, .on_done = on_sent };
	auto_json json_t *call = NULL;
	struct update *u = k->updates;

	while (u && (u->sent || !is_due(u))) {
		if (!u->sent) /* those behind it wait for it */
			return;
		u = u->next;
	}
	if (!u || !k->subscribed || k->call)
		return;
	u->pause = u->pause ? u->pause * 2 : RESEND_FIRST;
	u->pause = u->pause < RESEND_MAX ? u->pause : RESEND_MAX;
	call = call_of(k, "UPDATE");
	json_object_set_new(call, "update", json_pack("{s:O}", "status", u->status));
	k->in_call = u;
	if (k->unkept)
		keep(k);
	auto_err struct err *e = send_call(k, call, &r, &k->call);

	if (e)
		log_warn("%s", err_text(e));
}

static void on_tick(void *arg)
{
	struct link *k = arg;

	watch_free(k->on_tick);
	k->on_tick = loop_timer(k->loop, TICK, on_tick, k);
	for (struct update *u = k->updates; u; u = u->next)
		u->sent &= !is_due(u);
	send_next(k);
}

void link_add_update(struct link *k, json_t *take_status)
{
	struct update *u = mem_alloc(sizeof(*u)), **p = &k->updates;
	auto_free char *uuid = wire_uuid();
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	json_object_set_new(take_status, "source", json_string("SOURCE_EXECUTOR"));
	json_object_set_new(take_status, "executor_id",
			    json_pack("{s:s}", "value", k->env->executor));
	json_object_set_new(take_status, "uuid", json_string(uuid));
	json_object_set_new(take_status, "timestamp",
			    json_real((double)now.tv_sec + (double)now.tv_nsec / 1e9));
	*u = (struct update) { .status = take_status, .uuid = wire_text(take_status, "uuid") };
	while (*p)
		p = &(*p)->next;
	*p = u;
	keep_later(k, true);
	send_next(k);
}

static void forget_task(struct link *k, const char *id)
{
	for (size_t i = json_array_size(k->tasks); i > 0; i--)
		if (str_eq(wire_text(json_array_get(k->tasks, i - 1), "task_id.value"), id))
			json_array_remove(k->tasks, i - 1);
}

void link_add_task(struct link *k, const json_t *task)
{
	json_array_append_new(k->tasks, json_deep_copy(task));
	keep_later(k, true);
}

static void on_acknowledged(struct link *k, const json_t *event)
{
	const char *uuid = wire_text(event, "acknowledged.uuid");

	forget_task(k, wire_text(event, "acknowledged.task_id.value"));
	for (struct update *u = k->updates; u; u = u->next)
		if (strcmp(u->uuid, uuid) == 0) {
			drop(k, u);
			break;
		}
	send_next(k);
}

bool link_is_quiet(const struct link *k)
{
	return k->updates == NULL;
}

/* ---- the subscription ---- */

static void handle(struct link *k, const json_t *event)
{
	const char *type = wire_text(event, "type");

	if (strcmp(type, "SUBSCRIBED") == 0) {
		k->subscribed = k->ever = true;
		k->lost_since = 0;
		k->unknown = 0;
		/* what the subscription brought is the agent's now, until it fails to say so */
		for (struct update *u = k->updates; u; u = u->next) {
			u->sent = true;
			u->sent_at = proc_now_ms();
			u->pause = RESEND_FIRST;
		}
	}
	if (strcmp(type, "ACKNOWLEDGED") == 0)
		on_acknowledged(k, event);
	else if (strcmp(type, "HEARTBEAT") != 0)
		k->owner.on_event(k->owner.ctx, event);
	send_next(k);
}

/* Events are handled from the loop, not from within libcurl. */
static void on_events(void *arg)
{
	struct link *k = arg;
	auto_json json_t *events = steal(&k->events);

	watch_free(k->on_events);
	k->on_events = NULL;
	for (size_t i = 0; i < json_array_size(events) && !k->given_up; i++)
		handle(k, json_array_get(events, i));
}

static struct err *on_record(void *ctx, const char *data, size_t len)
{
	struct link *k = ctx;
	json_t *event = NULL;
	auto_err struct err *e = wire_parse(data, len, &event);

	if (e) {
		log_error("an event of the agent is not understood: %s", err_text(e));
		return NULL;
	}
	log_debug("event %s", wire_text(event, "type"));
	if (!k->events)
		k->events = json_array();
	json_array_append_new(k->events, event);
	if (!k->on_events)
		k->on_events = loop_timer(k->loop, 0, on_events, k);
	return NULL;
}

static bool on_data(void *ctx, long status, const char *data, size_t len)
{
	struct link *k = ctx;
	auto_err struct err *e = wire_records_feed(k->records, data, len, on_record, k);

	(void)status;
	if (e)
		log_error("the agent's stream is broken: %s", err_text(e));
	return !e;
}

static void give_up(struct link *k, const char *why)
{
	k->given_up = true;
	k->owner.on_lost(k->owner.ctx, why);
}

/* Quick, for an agent that comes back waits for its executors only two seconds; not all at once. */
static uint64_t retry_pause(const struct link *k)
{
	uint64_t most = k->env->backoff_max / 2, by_chance = 0;

	(void)!getrandom(&by_chance, sizeof(by_chance), GRND_NONBLOCK);
	return RETRY_LEAST + (most ? by_chance % most : 0);
}

static void on_subscription_end(void *ctx, long status, const char *text)
{
	struct link *k = ctx;
	uint64_t now = proc_now_ms(), limit = k->ever ? k->env->recovery_timeout : FIRST_LIMIT;
	bool was = k->subscribed;

	k->subscription = NULL;
	if (k->events) /* the last words come first */
		on_events(k);
	was |= k->subscribed;
	k->subscribed = false;
	http_cancel(steal(&k->call));
	k->in_call = NULL;
	if (k->given_up)
		return;
	if (was || status == 0 || status == 503)
		log_info("no connection to the agent: %ld %s", status, text);
	else
		log_warn("the agent refuses the subscription: %ld %s", status, text);
	if (!k->lost_since)
		k->lost_since = now;
	/* it has lost our framework or us, and will not find us again */
	k->unknown += status == 400 || status == 401 || status == 403;
	if (k->ever && !k->env->checkpoint)
		give_up(k, "the connection to the agent is lost, and the framework does not "
			   "checkpoint");
	else if (now - k->lost_since >= limit)
		give_up(k, "the agent did not come back in time");
	else if (k->unknown >= UNKNOWN_MAX)
		give_up(k, "the agent refuses us");
	else
		k->on_retry = loop_timer(k->loop, retry_pause(k), subscribe, k);
}

static void subscribe(void *arg)
{
	struct link *k = arg;
	struct http_request r = { .stream = true,
				  .on_data = on_data,
				  .on_done = on_subscription_end };
	auto_json json_t *call = call_of(k, "SUBSCRIBE");

	watch_free(k->on_retry);
	k->on_retry = NULL;
	wire_records_free(k->records);
	k->records = wire_records_new();
	json_object_set_new(call, "subscribe",
			    json_pack("{s:O, s:o}", "unacknowledged_tasks", k->tasks,
				      "unacknowledged_updates", unacknowledged(k)));
	auto_err struct err *e = send_call(k, call, &r, &k->subscription);

	if (e)
		give_up(k, err_text(e));
}

struct err *link_new(struct loop *l, struct http *h, const struct mesos_env *env,
		     const struct link_owner *owner, struct link **ret)
{
	struct link *k = mem_alloc(sizeof(*k));

	*k = (struct link) {
		.loop = l, .http = h, .env = env, .owner = *owner, .tasks = json_array()
	};
	k->on_tick = loop_timer(l, TICK, on_tick, k);
	*ret = k;
	subscribe(k);
	return NULL;
}

void link_free(struct link *k)
{
	if (!k)
		return;
	if (k->on_keep)
		keep(k);
	http_cancel(k->subscription);
	http_cancel(k->call);
	watch_free(k->on_retry);
	watch_free(k->on_tick);
	watch_free(k->on_events);
	wire_records_free(k->records);
	json_decref(k->events);
	json_decref(k->tasks);
	for (struct update *u = k->updates, *next; u; u = next) {
		next = u->next;
		json_decref(u->status);
		free(u);
	}
	free(k);
}
