/* SPDX-License-Identifier: Apache-2.0 */
/* pod/health.c - probes: a command run in the container, first at once, then in intervals. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "pod/internal.h"

enum { PAUSE_FIRST = 50 /* milliseconds */ };

static void on_probe_time(void *arg);

const char *health_name(enum health_state s)
{
	static const char *const names[] = { "none", "starting", "healthy", "unhealthy" };

	return names[s];
}

/*
 * Docker's first probe comes after an interval; a dependant would wait for it.
 * Ours begin at once and come ever more slowly, and until Docker's first, or the
 * end of the start period, their failures do not count.
 */
static bool failures_count(const struct container *c)
{
	const struct plan_health *h = &c->plan->health;
	int64_t grace = h->start_period > h->interval ? h->start_period : h->interval;

	return c->health != HEALTH_STARTING || proc_now_ms() - c->started_ms >= (uint64_t)grace;
}

static int64_t next_probe(struct container *c)
{
	const struct plan_health *h = &c->plan->health;
	int64_t most = h->start_interval < h->interval ? h->start_interval : h->interval;

	if (c->health != HEALTH_STARTING || failures_count(c))
		return h->interval;
	c->probe_pause = c->probe_pause ? c->probe_pause * 2 : PAUSE_FIRST;
	if (c->probe_pause > most)
		c->probe_pause = most;
	return c->probe_pause;
}

static void schedule(struct container *c, int64_t after)
{
	watch_free(c->on_probe_time);
	c->on_probe_time =
		loop_timer(c->pod->loop, (uint64_t)(after > 0 ? after : 0), on_probe_time, c);
}

static void judge(struct container *c, bool ok)
{
	enum health_state before = c->health;
	const struct plan_health *h = &c->plan->health;

	if (ok) {
		c->failures = 0;
		c->health = HEALTH_HEALTHY;
	} else if (failures_count(c) && ++c->failures >= h->retries) {
		c->health = HEALTH_UNHEALTHY;
	}
	if (c->health != before) {
		if (c->health == HEALTH_UNHEALTHY)
			pod_event(c->pod, c, "health_status: unhealthy", "Unhealthy: %.*s",
				  (int)strcspn(c->probe_text, "\n"), c->probe_text);
		else
			pod_event(c->pod, c, "health_status: healthy", "Healthy");
		pod_tell(c->pod, c, c->health == HEALTH_HEALTHY ? POD_HEALTHY : POD_UNHEALTHY);
	}
	schedule(c, next_probe(c));
	if (c->health != before)
		pod_advance(c->pod);
}

static void on_probe_end(void *arg, int exit_code, const char *output)
{
	struct container *c = arg;

	c->probe = NULL;
	snprintf(c->probe_text, sizeof(c->probe_text), "%s", output);
	judge(c, exit_code == 0);
}

static void on_probe_time(void *arg)
{
	struct container *c = arg;

	watch_free(c->on_probe_time);
	c->on_probe_time = NULL;
	if (c->state != CONTAINER_RUNNING)
		return;
	if (c->paused) {
		schedule(c, c->plan->health.interval);
		return;
	}
	const struct pod_command_options probe = { .argv = c->plan->health.test,
						   .timeout = c->plan->health.timeout,
						   .fn = on_probe_end,
						   .arg = c };
	auto_err struct err *e = command_start(c, &probe, &c->probe);

	if (e) {
		snprintf(c->probe_text, sizeof(c->probe_text), "%s", err_text(e));
		judge(c, false);
	}
}

void health_start(struct container *c)
{
	c->health = c->plan->health.test ? HEALTH_STARTING : HEALTH_NONE;
	c->failures = c->probe_pause = 0;
	if (c->health == HEALTH_STARTING)
		schedule(c, 0);
}

void health_stop(struct container *c)
{
	watch_free(c->on_probe_time);
	c->on_probe_time = NULL;
	pod_command_cancel(steal(&c->probe));
}
