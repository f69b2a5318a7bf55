/* SPDX-License-Identifier: Apache-2.0 */
/* pod/health.c - probes: a command run in the container, first at once, then in intervals. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
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
	return c->probe_pause < most ? c->probe_pause : most;
}

static void schedule(struct container *c, int64_t after)
{
	watch_free(c->on_probe_time);
	c->on_probe_time =
		loop_timer(c->pod->loop, (uint64_t)(after > 0 ? after : 0), on_probe_time, c);
}

static void end_probe(struct container *c)
{
	watch_free(c->on_probe_exit);
	watch_free(c->on_probe_limit);
	watch_free(c->on_probe_output);
	c->on_probe_exit = c->on_probe_limit = c->on_probe_output = NULL;
	fd_close(&c->probe_output);
	runtime_container_clear(&c->probe);
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
	}
	schedule(c, next_probe(c));
	if (c->health != before)
		pod_advance(c->pod);
}

static void on_probe_output(void *arg)
{
	struct container *c = arg;
	char rest[4096];
	size_t room = sizeof(c->probe_text) - 1 - c->probe_len;
	ssize_t n = read(c->probe_output, room ? c->probe_text + c->probe_len : rest,
			 room ? room : sizeof(rest));

	if (n > 0 && room)
		c->probe_len += (size_t)n;
	c->probe_text[c->probe_len] = '\0';
	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		watch_free(c->on_probe_output);
		c->on_probe_output = NULL;
	}
}

static void on_probe_exit(void *arg)
{
	struct container *c = arg;
	struct proc_exit how = { 0 };
	bool done = false;

	err_ignore(proc_poll(c->probe.pidfd, &done, &how));
	if (!done)
		return;
	if (c->on_probe_output)
		on_probe_output(c);
	end_probe(c);
	judge(c, proc_exit_code(how) == 0);
}

static void on_probe_limit(void *arg)
{
	struct container *c = arg;

	watch_free(c->on_probe_limit);
	c->on_probe_limit = NULL;
	c->probe_len = (size_t)snprintf(c->probe_text, sizeof(c->probe_text),
					"the probe took longer than %lld ms",
					(long long)c->plan->health.timeout);
	err_ignore(proc_kill(c->probe.pidfd, SIGKILL)); /* its exit counts as a failure */
}

static struct err *probe(struct container *c)
{
	struct runtime_process process = spec_runtime(c->spec)->process;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_errno("pipe");
	process.argv = c->plan->health.test;
	process.tty = false;
	process.stdio[0] = -1;
	process.stdio[1] = process.stdio[2] = ends[1];
	c->probe_output = ends[0];
	c->probe_len = 0;
	c->probe_text[0] = '\0';
	struct err *e = runtime_exec(c->process.pidfd, &process, c->group, &c->probe);

	close(ends[1]);
	TRY(e);
	c->on_probe_exit = loop_readable(c->pod->loop, c->probe.pidfd, on_probe_exit, c);
	c->on_probe_output = loop_readable(c->pod->loop, c->probe_output, on_probe_output, c);
	c->on_probe_limit =
		loop_timer(c->pod->loop, (uint64_t)c->plan->health.timeout, on_probe_limit, c);
	return NULL;
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
	auto_err struct err *e = probe(c);

	if (e) {
		end_probe(c);
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
	struct proc_exit how;

	watch_free(c->on_probe_time);
	c->on_probe_time = NULL;
	if (c->probe.pidfd >= 0) {
		err_ignore(proc_kill(c->probe.pidfd, SIGKILL));
		(void)!proc_wait_for(c->probe.pidfd, DEATH_WAIT, &how);
	}
	end_probe(c);
}
