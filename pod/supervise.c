/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod/supervise.c - the supervisor: runs the steps as they become possible, then keeps the pod.
 *
 * Everything happens in pod_advance(), which is called after each event: steps
 * whose predecessors are done are done; a stopping pod's services are stopped
 * once nothing that depends on them is left. There is no other order anywhere.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/trace.h"
#include "pod/internal.h"

enum { WRITE_DELAY = 20, WRITE_AGAIN = 2000 }; /* milliseconds */

void pod_event(struct pod *p, const struct container *c, const char *action, const char *fmt, ...)
{
	const struct pod_watcher *w = &p->options->watcher;
	va_list ap;

	va_start(ap, fmt);
	auto_free char *what = mem_vprintf(fmt, ap);
	va_end(ap);
	p->dirty = true;
	log_debug("%s: %s", c->plan->name, what);
	if (w->on_event)
		w->on_event(w->ctx, c->plan->name, what);
	if (action)
		control_tell(p, c, action, 0);
}

void pod_tell(const struct pod *p, const struct container *c, enum pod_change what)
{
	const struct pod_watcher *w = &p->options->watcher;
	const struct pod_news news = { .service = c->plan->service->name,
				       .what = what,
				       .exit_code = c->exit_code,
				       .signal = c->signal,
				       .oom = c->oom,
				       .returns = c->state == CONTAINER_RESTARTING,
				       .detail = c->probe_text };

	if (w->on_news)
		w->on_news(w->ctx, &news);
}

struct container *pod_find(const struct pod *p, const char *key)
{
	for (size_t i = 0; i < p->plan->n_containers; i++)
		if (strcmp(p->plan->containers[i].key, key) == 0)
			return p->containers[i];
	return NULL;
}

struct in_addr pod_address(const struct pod *p)
{
	struct in_addr none = { INADDR_ANY };

	return p->plan->join ? p->join.address : p->net ? netns_address(p->net) : none;
}

int pod_netns(const struct pod *p)
{
	return p->netns;
}

size_t pod_published(const struct pod *p, struct pod_published **ret)
{
	size_t n = p->ports ? p->plan->n_ports : 0;

	*ret = mem_alloc((n + 1) * sizeof(**ret));
	for (size_t i = 0; i < n; i++)
		(*ret)[i] = (struct pod_published) {
			.service = p->plan->containers[p->plan->port_owners[i].container]
					   .service->name,
			.host_port = p->ports[i].host_port,
			.target = p->ports[i].target,
			.udp = p->ports[i].protocol == IPPROTO_UDP,
		};
	return n;
}

void pod_hold(struct pod *p, bool held)
{
	p->held = held;
	for (size_t i = 0; i < p->plan->n_containers; i++)
		container_listen(p->containers[i]);
	for (size_t i = 0; i < p->n_retired; i++)
		container_listen(p->retired[i]);
}

static void on_soon(void *arg)
{
	struct pod *p = arg;

	watch_free(p->on_soon);
	p->on_soon = NULL;
	pod_advance(p);
}

void pod_soon(struct pod *p)
{
	if (!p->on_soon)
		p->on_soon = loop_timer(p->loop, 0, on_soon, p);
}

bool pod_is_ending(const struct pod *p)
{
	return p->stopping || p->over || p->finished;
}

static void pod_over(struct pod *p);

void pod_fail(struct pod *p, struct err *take_e)
{
	if (p->failure) {
		log_debug("after the first failure: %s", err_text(take_e));
		err_free(take_e);
	} else {
		p->failure = take_e;
	}
	p->stopping = true;
	pod_over(p);
}

static void on_over_event(void *arg)
{
	struct pod *p = arg;

	watch_free(p->on_over);
	p->on_over = NULL;
	p->options->on_end(p->options->end_arg);
}

/* Told from the loop itself: whoever hears it may free the pod, and nothing of it is on the stack then. */
static void pod_over(struct pod *p)
{
	if (p->over)
		return;
	p->over = true;
	p->on_over = loop_timer(p->loop, 0, on_over_event, p);
}

/* ---- steps ---- */

static bool possible(const struct pod *p, size_t i)
{
	const struct pod_step *s = &p->plan->steps[i];

	if (p->n_retired) /* who comes takes the place of who goes */
		return false;
	for (size_t k = 0; k < s->n_after; k++)
		if (p->steps[s->after[k]] != STEP_DONE)
			return false;
	return true;
}

static struct err *do_step(struct pod *p, const struct pod_step *s, bool *ret_done)
{
	uint64_t since = trace_begin();
	char text[256];
	struct err *e = step_do(p, s, ret_done);

	if (since && (*ret_done || e))
		trace_end("supervisor", since, "%s", step_describe(p->plan, s, text, sizeof(text)));
	return e;
}

/* Of a pod that is up: who has asked for the change, or for the start, is told. */
static void step_failed(struct pod *p, size_t index, struct err *take_e)
{
	const struct pod_step *s = &p->plan->steps[index];

	if (s->kind >= STEP_CREATE && p->containers[s->container]->reason == START_BY_REQUEST)
		steps_failed(p, s, take_e);
	else
		apply_failed(p, index, take_e);
}

/* Goes over the steps until nothing more becomes possible; false when one failed. */
static bool run_steps(struct pod *p, bool *ret_all)
{
	bool more = true;

	while (more) {
		more = false;
		*ret_all = true;
		for (size_t i = 0; i < p->plan->n_steps; i++) {
			bool done = false;

			if (p->steps[i] == STEP_DONE)
				continue;
			if (!possible(p, i)) {
				*ret_all = false;
				continue;
			}
			if (p->plan->steps[i].kind != STEP_CREATE)
				more |= steps_clone(p);
			struct err *e = do_step(p, &p->plan->steps[i], &done);

			if (e && p->up) {
				step_failed(p, i, e);
				more = true;
				continue;
			}
			if (e) {
				pod_fail(p, e);
				return false;
			}
			p->steps[i] = done ? STEP_DONE : STEP_ACTIVE;
			more |= done;
			*ret_all &= done;
		}
		more |= steps_clone(p);
	}
	return true;
}

/* Whether 'up --wait' may return: healthy where that is known, done where that was the point. */
static bool settled(const struct pod *p)
{
	for (size_t i = 0; i < p->plan->n_containers && p->options->wait; i++)
		if (!container_settled(p->containers[i]))
			return false;
	return true;
}

static struct err *unsettled(struct pod *p)
{
	struct err *e = NULL;

	for (size_t i = 0; i < p->plan->n_containers && p->options->wait && !e; i++) {
		e = container_is_up(p->containers[i]);
		if (e)
			p->culprit = p->containers[i];
	}
	return e;
}

static void check_up(struct pod *p, bool all)
{
	struct err *e;

	if (p->up || !all || !settled(p))
		return;
	e = unsettled(p);
	if (e) {
		pod_fail(p, e);
		return;
	}
	p->up = true;
	if (!p->boot) /* not before: no start waits for it */
		p->boot = adopt_boot();
	e = state_store(p);
	if (e) { /* nobody could find it */
		p->up = false;
		pod_fail(p, e);
		return;
	}
	p->dirty = false;
	if (p->options->watcher.on_up)
		p->options->watcher.on_up(p->options->watcher.ctx);
	attach_up(p);
	state_keep(p); /* nobody waits for it */
}

/* ---- stopping ---- */

/* Whether somebody who is still there depends on @index. */
static bool needed(const struct pod *p, size_t index)
{
	const char *name = p->plan->containers[index].service->name;

	for (size_t i = 0; i < p->plan->n_containers; i++) {
		const struct compose_service *s = p->plan->containers[i].service;

		if (container_is_dead(p->containers[i]))
			continue;
		for (size_t k = 0; k < s->depends_on.n; k++)
			if (strcmp(s->depends_on.items[k].service, name) == 0)
				return true;
	}
	return false;
}

/* What is left until the pod must have ended, where there is such a time. */
static int64_t stop_timeout(const struct pod *p)
{
	uint64_t now = proc_now_ms();

	if (!p->end_deadline)
		return p->asked_timeout >= 0 ? p->asked_timeout : p->options->stop_timeout;
	return p->end_deadline > now ? (int64_t)(p->end_deadline - now) : 0;
}

static void stop_one(struct pod *p, struct container *c)
{
	if (p->killing)
		container_end(c);
	else
		container_stop(c, stop_timeout(p));
}

static void stop_some(struct pod *p)
{
	for (size_t i = 0; i < p->plan->n_containers; i++)
		if (p->killing || !needed(p, i))
			stop_one(p, p->containers[i]);
	for (size_t i = 0; i < p->n_retired; i++)
		stop_one(p, p->retired[i]);
}

static void tell_stopping(struct pod *p)
{
	const struct pod_watcher *w = &p->options->watcher;

	if (!p->told_stopping && w->on_stopping)
		w->on_stopping(w->ctx);
	p->told_stopping = true;
}

static bool all_dead(const struct pod *p)
{
	for (size_t i = 0; i < p->plan->n_containers; i++)
		if (!container_is_dead(p->containers[i]) ||
		    (p->containers[i]->to_start && !p->stopping))
			return false;
	return true;
}

void pod_stop(struct pod *p)
{
	p->stopping = true;
	pod_advance(p);
}

/* One container's end that is the pod's. */
static void check_abort(struct pod *p)
{
	const struct pod_run_options *o = p->options;

	for (size_t i = 0; i < p->plan->n_containers && !p->aborted_by; i++) {
		const struct container *c = p->containers[i];
		bool is_main = str_eq(c->plan->service->name, o->main);

		if (c->state != CONTAINER_EXITED || c->stop_asked || c->to_start)
			continue;
		if (is_main || o->abort == POD_ABORT_ON_EXIT ||
		    (o->abort == POD_ABORT_ON_FAILURE && c->exit_code))
			p->aborted_by = c;
	}
	if (!p->aborted_by)
		return;
	pod_event(p, p->aborted_by, "abort", "ended, and the pod with it");
	p->stopping = true;
}

static int first_bad_exit(const struct pod *p)
{
	for (size_t i = 0; i < p->plan->n_containers; i++)
		if (p->containers[i]->exit_code && !p->containers[i]->given_up)
			return p->containers[i]->exit_code;
	return 0;
}

static void on_write_time(void *arg)
{
	struct pod *p = arg;

	watch_free(p->on_write_time);
	p->on_write_time = NULL;
	state_write(p);
	if (p->stale)
		p->on_write_time = loop_timer(p->loop, WRITE_AGAIN, on_write_time, p);
}

/* Of a pod that stops, many ends that come together are written once. */
static void write_changes(struct pod *p)
{
	if (!p->dirty || !p->up)
		return;
	if (!p->stopping)
		state_write(p);
	if (p->dirty && !p->on_write_time)
		p->on_write_time =
			loop_timer(p->loop, p->stale ? WRITE_AGAIN : WRITE_DELAY, on_write_time, p);
}

void pod_advance(struct pod *p)
{
	bool all = false;

	if (p->failure || p->finished || p->over)
		return;
	if (!p->stopping) {
		if (!run_steps(p, &all))
			return;
		check_up(p, all);
		if (p->failure)
			return;
		check_abort(p);
	}
	if (p->stopping) {
		tell_stopping(p);
		stop_some(p);
	}
	apply_advance(p, all);
	write_changes(p);
	control_advance(p);
	attach_advance(p);
	if (p->again && !p->stopping) {
		p->again = false;
		pod_advance(p);
		return;
	}
	if (all_dead(p) && !p->n_retired && !p->applying && (p->up || p->stopping)) {
		if (!p->stopping && attach_pending(p))
			return; /* the last of the output is still to be read */
		if (!p->stopping)
			p->exit_code = first_bad_exit(p);
		pod_over(p);
	}
}
