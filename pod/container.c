/* SPDX-License-Identifier: Apache-2.0 */
/* pod/container.c - one container of a running pod: created, started, watched, stopped, started again. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/trace.h"
#include "pod/internal.h"

enum {
	BACKOFF_FIRST = 100,
	BACKOFF_MAX = 60000,
	GOOD_RUN = 10000 /* milliseconds, as Docker */,
};

static void on_exit_event(void *arg);

bool container_is_dead(const struct container *c)
{
	return c->state == CONTAINER_EXITED || c->state == CONTAINER_PLANNED;
}

bool container_settled(const struct container *c)
{
	return container_is_dead(c) ||
	       (c->state == CONTAINER_RUNNING && c->health != HEALTH_STARTING);
}

struct err *container_is_up(const struct container *c)
{
	const char *name = c->plan->service->name;

	if (c->given_up) /* nobody has asked for it */
		return NULL;
	if (c->health == HEALTH_UNHEALTHY)
		return err_new(EIO, "service %s is unhealthy", name);
	if (c->state == CONTAINER_EXITED && c->exit_code)
		return err_new(EIO, "service %s exited (%d)", name, c->exit_code);
	return NULL;
}

/* Made up, as docker's are: whoever looks for a container by its id finds this one. */
static void give_identity(struct container *c)
{
	unsigned char bytes[(sizeof(c->id) - 1) / 2] = { 0 };

	(void)!getrandom(bytes, sizeof(bytes), 0);
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(c->id + 2 * i, 3, "%02x", bytes[i]);
	c->created = proc_now_text();
}

struct container *container_new(struct pod *p, const struct plan_container *plan)
{
	struct container *c = mem_alloc(sizeof(*c));

	*c = (struct container) { .pod = p,
				  .plan = plan,
				  .hook_process = { 0, -1, -1 },
				  .hook_output = { .fd = -1 },
				  .input = { .pipe = -1 },
				  .process = { 0, -1, -1 },
				  .output = { { .fd = -1 }, { .fd = -1 } },
				  .ends = { -1, -1, -1 } };
	give_identity(c);
	return c;
}

void container_free(struct container *c)
{
	if (!c)
		return;
	container_release(c);
	cgroupfs_free(c->group);
	free(c);
}

/* ---- birth ---- */

static void watch_output(struct container *c, enum pod_stream stream, int take_fd)
{
	container_hear(c, &c->output[stream], stream, take_fd);
}

static void on_news_event(void *arg)
{
	struct container *c = arg;
	struct pod *p = c->pod;
	enum runtime_news news = RUNTIME_READY;
	int tty = -1;
	struct err *e = runtime_event(&c->process, &news, &tty);

	if (tty >= 0)
		watch_output(c, POD_STDOUT, tty);
	if (!e && news == RUNTIME_READY) {
		trace_end(c->plan->service->name, c->traced, "make its world, to the gate");
		c->traced = trace_begin();
		return;
	}
	trace_end(c->plan->service->name, c->traced, "from the gate to its program");
	watch_free(c->on_news);
	c->on_news = NULL;
	fd_close(&c->process.socket);
	if (e) {
		e = err_wrap(e, "service %s", c->plan->service->name);
		if (c->reason == START_BY_CHANGE && c->pod->applying && !c->started) {
			p->apply_error = err_join(p->apply_error, e);
			c->given_up = true;
		} else if (!c->started && c->reason == START_OF_POD) {
			pod_fail(p, e); /* what never ran is a mistake in the file, not bad luck */
		} else {
			log_warn("%s", err_text(e));
			err_free(c->start_error);
			c->start_error = e; /* for who has asked for it */
			c->given_up = c->reason == START_BY_REQUEST && c->restarts == 0;
		}
		return;
	}
	if (c->state != CONTAINER_STARTING || c->killed)
		return; /* it died on the way; its exit tells */
	c->state = CONTAINER_RUNNING;
	c->started_ms = proc_now_ms();
	err_ignore(proc_start_time(c->process.pid, &c->start_time));
	free(c->started);
	c->started = proc_now_text();
	attach_ready(c);
	pod_event(p, c, "start", "Started");
	if (c->restarting)
		control_tell(p, c, "restart", 0);
	c->restarting = false;
	pod_tell(p, c, POD_STARTED);
	health_start(c);
	hooks_post_start(c);
	pod_advance(p);
}

static struct err *make_group(struct pod *p, struct container *c)
{
	auto_free char *path = pod_group(p, c->plan->key);
	struct cgroupfs_limits limits = c->plan->limits;

	spec_limit_devices(c->spec, &limits);
	/* a group that was killed by cgroup.kill takes in nobody again: always a new one */
	if (c->group)
		TRY(cgroupfs_destroy(steal(&c->group), CGROUP_WAIT));
	return cgroupfs_create_in(p->group, path, &limits, &c->group);
}

/* Standard input is a pipe whose end the supervisor holds, whoever is attached. */
static struct err *open_input(struct container *c, int *ret_end)
{
	int in[2];

	if (pipe2(in, O_CLOEXEC) < 0)
		return err_errno("pipe");
	*ret_end = in[0];
	attach_input_open(c, in[1]);
	return NULL;
}

static struct err *open_pipes(struct container *c)
{
	int out[2], err[2];

	if (c->plan->service->stdin_open)
		TRY(open_input(c, &c->ends[0]));
	if (pipe2(out, O_CLOEXEC) < 0)
		return err_errno("pipe");
	c->ends[1] = out[1];
	watch_output(c, POD_STDOUT, out[0]);
	if (pipe2(err, O_CLOEXEC) < 0)
		return err_errno("pipe");
	c->ends[2] = err[1];
	watch_output(c, POD_STDERR, err[0]);
	return NULL;
}

static void close_ends(struct container *c)
{
	for (size_t i = 0; i < ARRAY_LEN(c->ends); i++)
		fd_close(&c->ends[i]);
}

/* What another container of the pod has loaded serves this one too; files may have changed since. */
static const struct container_spec *same_filter(const struct pod *p, const struct plan_container *c)
{
	for (size_t i = 0; i < p->plan->n_containers; i++) {
		const struct container *o = p->containers[i];

		if (o->spec && o->plan->caps == c->caps && !o->plan->seccomp && !c->seccomp)
			return o->spec;
	}
	return NULL;
}

static struct err *prepare(struct pod *p, struct container *c)
{
	const struct spec_place place = { .cgroups = p->cgroups,
					  .netns = p->netns,
					  .address = pod_address(p),
					  .id = c->id,
					  .names = p->join.names };

	if (!c->log && !c->spec)
		adopt_nothing(c);
	if (!c->log)
		TRY(log_open(p->host, p->plan->name, c->plan, c->id, p->loop, &c->log));
	if (c->spec)
		TRY(spec_renew(c->plan, p->cgroups, c->spec));
	else
		TRY(spec_make(p->plan, c->plan, p->host, &place, same_filter(p, c->plan),
			      &c->spec));
	TRY(make_group(p, c));
	return c->plan->service->tty ? NULL : open_pipes(c);
}

static void born(struct pod *p, struct container *c)
{
	c->traced = trace_begin();
	if (c->state == CONTAINER_PLANNED && !c->adopted)
		control_tell(p, c, "create", 0);
	watch_free(c->on_kill_time); /* of the run before */
	c->on_kill_time = NULL;
	c->state = CONTAINER_CREATED;
	c->stopping = c->killed = c->to_start = false;
	c->started_ms = 0;
	c->on_exit = loop_readable(p->loop, c->process.pidfd, on_exit_event, c);
	c->on_news = loop_readable(p->loop, c->process.socket, on_news_event, c);
}

struct err *container_prepare(struct pod *p, struct container *c)
{
	struct err *e = prepare(p, c);

	if (e)
		close_ends(c);
	return err_wrap(e, "service %s", c->plan->service->name);
}

void containers_create(struct pod *p, struct container *const *list, size_t n)
{
	auto_free struct runtime_order *orders = mem_alloc(n * sizeof(*orders));
	uint64_t since = trace_begin();

	for (size_t i = 0; i < n; i++) {
		struct runtime_spec *spec = spec_runtime(list[i]->spec);

		memcpy(spec->process.stdio, list[i]->ends, sizeof(list[i]->ends));
		orders[i] = (struct runtime_order) { .spec = spec,
						     .where = { .pidns = p->pause.pidns,
								.own_pidns = p->own_pidns,
								.group = list[i]->group,
								.gate = -1,
								.maker = p->maker },
						     .container = &list[i]->process };
	}
	p->maker = NULL;
	runtime_create_all(orders, n);
	for (size_t i = 0; i < n; i++) {
		struct container *c = list[i];

		close_ends(c);
		c->birth_error = err_wrap(orders[i].error, "service %s", c->plan->service->name);
		if (!c->birth_error)
			born(p, c);
	}
	trace_end("supervisor", since, "clone %zu", n);
}

struct err *container_create(struct pod *p, struct container *c)
{
	TRY(container_prepare(p, c));
	containers_create(p, &c, 1);
	return steal(&c->birth_error);
}

struct err *container_start(struct container *c)
{
	c->stopping = c->stop_asked = c->given_up = false;
	c->state = CONTAINER_STARTING;
	err_free(steal(&c->start_error));
	return err_wrap(runtime_go(&c->process), "service %s", c->plan->service->name);
}

/* ---- death ---- */

struct err *container_pause(struct container *c, bool paused)
{
	if (c->state != CONTAINER_RUNNING)
		return err_new(ESRCH, "service %s is not running", c->plan->service->name);
	if (c->paused == paused)
		return NULL;
	TRY(err_wrap(cgroupfs_freeze(c->group, paused), "service %s", c->plan->service->name));
	c->paused = paused;
	if (c->probe)
		command_pause(c->probe, paused);
	pod_event(c->pod, c, paused ? "pause" : "unpause", paused ? "Paused" : "Unpaused");
	return NULL;
}

void container_kill(struct container *c, int signal)
{
	if (c->process.pidfd < 0 || container_is_dead(c))
		return;
	if (c->paused && signal == SIGKILL) /* v1 delivers it only to who is thawed */
		err_ignore(container_pause(c, false));
	err_ignore(proc_kill(c->process.pidfd, signal));
}

static void cancel_restart(struct container *c)
{
	watch_free(c->on_timer);
	c->on_timer = NULL;
	if (c->state != CONTAINER_RESTARTING)
		return;
	c->state = CONTAINER_EXITED;
	c->pod->dirty = true;
}

static void on_stuck(void *arg);

void container_end(struct container *c)
{
	cancel_restart(c);
	if (container_is_dead(c))
		return;
	container_kill(c, SIGKILL);
	if (c->killed && c->on_kill_time)
		return;
	c->killed = true;
	watch_free(c->on_kill_time);
	c->on_kill_time = loop_timer(c->pod->loop, DEATH_WAIT, on_stuck, c);
}

static void on_kill_time(void *arg)
{
	struct container *c = arg;

	watch_free(c->on_kill_time);
	c->on_kill_time = NULL;
	log_debug("service %s: did not end in time, SIGKILL", c->plan->service->name);
	control_tell(c->pod, c, "kill", SIGKILL);
	container_end(c);
}

static void await_death(struct container *c)
{
	watch_free(c->on_kill_time);
	c->on_kill_time = loop_timer(c->pod->loop, (uint64_t)c->stop_timeout, on_kill_time, c);
}

/* Who asks again may have less patience. */
static void hasten(struct container *c, int64_t timeout)
{
	uint64_t by = proc_now_ms() + (uint64_t)(timeout < 0 ? c->plan->grace : timeout);

	if (c->killed || !c->stop_by || by >= c->stop_by)
		return;
	c->stop_by = by;
	c->hurried = true;
	c->stop_timeout = timeout < 0 ? c->plan->grace : timeout;
	if (c->hook_phase == HOOK_PRE_STOP)
		hooks_limit(c, c->stop_timeout);
	else
		await_death(c);
}

void container_stop(struct container *c, int64_t timeout)
{
	health_stop(c);
	cancel_restart(c);
	if (container_is_dead(c))
		return;
	if (c->stopping) {
		hasten(c, timeout);
		return;
	}
	c->stopping = true;
	c->hurried = false;
	c->stop_by = 0;
	if (c->paused) /* a frozen process hears no signal */
		err_ignore(container_pause(c, false));
	if (c->state != CONTAINER_RUNNING) { /* still at its gate: nothing of the user's runs */
		container_end(c);
		return;
	}
	c->stop_timeout = timeout < 0 ? c->plan->grace : timeout;
	c->stop_by = proc_now_ms() + (uint64_t)c->stop_timeout;
	pod_event(c->pod, c, NULL, "Stopping");
	if (!hooks_pre_stop(c, c->stop_timeout))
		container_signal_stop(c);
}

void container_signal_stop(struct container *c)
{
	uint64_t now = proc_now_ms();

	if (container_is_dead(c))
		return;
	if (c->hurried)
		c->stop_timeout = c->stop_by > now ? (int64_t)(c->stop_by - now) : 0;
	control_tell(c->pod, c, "kill", c->plan->stop_signal);
	container_kill(c, c->plan->stop_signal);
	container_kill(c, SIGCONT);
	await_death(c);
}

static void on_restart_time(void *arg);

static bool wants_restart(const struct container *c)
{
	if (c->pod->stopping || c->stop_asked || !c->started)
		return false;
	if (c->plan->restart == RESTART_ON_FAILURE)
		return c->exit_code != 0 &&
		       (!c->plan->restart_max || c->restarts < c->plan->restart_max);
	return c->plan->restart == RESTART_ALWAYS;
}

static void schedule_restart(struct container *c)
{
	bool good = c->started_ms && proc_now_ms() - c->started_ms >= GOOD_RUN;

	if (good || !c->backoff)
		c->backoff = BACKOFF_FIRST;
	else
		c->backoff = c->backoff * 2 < BACKOFF_MAX ? c->backoff * 2 : BACKOFF_MAX;
	c->state = CONTAINER_RESTARTING;
	c->given_up = false;
	if (c->health != HEALTH_NONE) /* what was known is of a run that is over */
		c->health = HEALTH_STARTING;
	c->on_timer = loop_timer(c->pod->loop, (uint64_t)c->backoff, on_restart_time, c);
}

/* What the host cannot give now it may give later: it is tried as a program that ends at once would be. */
static void on_restart_time(void *arg)
{
	struct container *c = arg;

	watch_free(c->on_timer);
	c->on_timer = NULL;
	if (pod_is_ending(c->pod)) {
		c->state = CONTAINER_EXITED;
		c->pod->dirty = true;
		pod_advance(c->pod);
		return;
	}
	c->restarts++;
	auto_err struct err *e = container_create(c->pod, c);

	if (e) {
		log_warn("%s", err_text(e));
		c->started_ms = 0;
		c->state = CONTAINER_EXITED;
		if (err_code(e) == EBUSY) /* somebody copies: that is no run of its own */
			c->restarts--;
		if (wants_restart(c))
			schedule_restart(c);
	} else {
		e = container_start(c);
		if (e) {
			log_warn("%s", err_text(e));
			container_kill(c, SIGKILL); /* its exit tells */
		}
	}
	c->pod->dirty = true;
	pod_advance(c->pod);
}

static void forget_process(struct container *c)
{
	watch_free(c->on_exit);
	watch_free(c->on_kill_time);
	c->on_exit = c->on_kill_time = NULL;
	if (!c->on_news) /* else the reason is still to be read */
		runtime_container_clear(&c->process);
	else
		fd_close(&c->process.pidfd);
}

static void ended(struct container *c)
{
	while (c->on_news) /* an error on the way to exec stands in the socket */
		on_news_event(c);
	/* of a program that could not be run that error tells, and not the exit of who tried */
	bool told = c->pod->failure && c->state != CONTAINER_RUNNING;

	health_stop(c);
	hooks_end(c);
	container_drain(c);
	attach_input_close(c);
	c->held = false;
	forget_process(c);
	spec_let_go(c->spec);
	c->paused = false;
	control_ended(c->pod, c);
	if (c->given_up && c->state == CONTAINER_CREATED && !c->started) { /* nothing has run */
		c->state = CONTAINER_PLANNED;
		c->exit_code = 0;
		c->pod->dirty = true;
		pod_advance(c->pod);
		return;
	}
	free(c->finished);
	c->finished = proc_now_text();
	c->state = CONTAINER_EXITED;
	if (c->oom)
		control_tell(c->pod, c, "oom", 0);
	pod_event(c->pod, c, "die", "Exited (%d)%s", c->exit_code, c->oom ? ", out of memory" : "");
	if (c->stopping)
		control_tell(c->pod, c, "stop", 0);
	c->stopping = false;
	c->stop_by = 0;
	if (wants_restart(c))
		schedule_restart(c);
	if (!told)
		pod_tell(c->pod, c, POD_EXITED);
	pod_advance(c->pod);
}

static void on_exit_event(void *arg)
{
	struct container *c = arg;
	struct proc_exit how = { 0 };
	bool done = false;
	auto_err struct err *e = proc_poll(c->process.pidfd, &done, &how);
	struct cgroupfs_stats stats = { 0 };

	if (!e && !done)
		return;
	c->exit_code = e ? 255 : proc_exit_code(how);
	c->signal = how.signaled ? how.code : 0;
	err_ignore(cgroupfs_read_stats(c->group, &stats));
	c->oom = stats.oom_kills > 0 && how.signaled;
	ended(c);
}

/* Killed, and not dead after a time: it waits for a device, or for a process of another's that is not reaped. */
static void on_stuck(void *arg)
{
	struct container *c = arg;

	log_warn("service %s: process %d was killed and does not die; it counts as ended",
		 c->plan->service->name, c->process.pid);
	watch_free(c->on_news); /* what it would say has not been said yet */
	c->on_news = NULL;
	container_keep_stuck(c);
	c->exit_code = 128 + SIGKILL;
	c->signal = SIGKILL;
	c->oom = false;
	ended(c);
}

void container_release(struct container *c)
{
	health_stop(c);
	hooks_end(c);
	attach_close(c);
	for (size_t i = 0; i < ARRAY_LEN(c->output); i++)
		container_hear_end(&c->output[i]);
	watch_free(c->on_news);
	watch_free(c->on_timer);
	c->on_news = c->on_timer = NULL;
	forget_process(c);
	close_ends(c);
	err_free(steal(&c->birth_error));
	err_free(steal(&c->start_error));
	spec_free(c->spec);
	log_free(c->log);
	c->spec = NULL;
	c->log = NULL;
	free(c->created);
	free(c->started);
	free(c->finished);
	c->created = c->started = c->finished = NULL;
}
