/* SPDX-License-Identifier: Apache-2.0 */
/* pod/steps.c - what each step of a plan does, and how all of them are undone. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "pod/internal.h"

typedef struct err *do_fn(struct pod *p, const struct pod_step *s, bool *ret_done);

static struct err *do_volume(struct pod *p, const struct pod_step *s, bool *ret_done)
{
	auto_free char *path = NULL;

	*ret_done = true;
	if (s->external && !image_volume_exists(p->host->root, s->volume))
		return compose_err(s->place,
				   "the external volume '%s' does not exist in %s/volumes",
				   s->volume, p->host->root);
	return image_volume_ensure(p->host->root, s->volume, s->labels, &path);
}

static struct err *do_lease(struct pod *p, const struct pod_step *s, bool *ret_done)
{
	(void)s;
	*ret_done = true;
	if (p->plan->join)
		return join_open(p);
	return netns_new(p->host->run, p->plan->name, &p->net);
}

static struct err *do_publish(struct pod *p, const struct pod_step *s, bool *ret_done)
{
	size_t size = p->plan->n_ports * sizeof(*p->ports);

	(void)s;
	*ret_done = true;
	p->ports = mem_alloc(size);
	if (size)
		memcpy(p->ports, p->plan->ports, size);
	return netns_publish(p->net, p->ports, p->plan->n_ports);
}

static struct err *do_cgroup(struct pod *p, const struct pod_step *s, bool *ret_done)
{
	static const struct cgroupfs_limits none;
	const struct pod_limits *l = &p->options->limits;
	const struct cgroupfs_limits limits = { .memory_max = l->memory_max,
						.cpu_shares = l->cpu_shares,
						.cpu_quota = l->cpu_quota };
	auto_free char *pause = pod_group(p, "slipway-pause");

	(void)s;
	*ret_done = true;
	TRY(cgroupfs_create(p->cgroups, p->cgroup_path, &limits, &p->group));
	return cgroupfs_create(p->cgroups, pause, &none, &p->pause_group);
}

static void on_pause_event(void *arg)
{
	struct pod *p = arg;

	watch_free(p->on_pause);
	p->on_pause = NULL;
	if (!p->finished)
		pod_fail(p, err_new(EPIPE, "the pod's init was killed, and the pod with it"));
}

/* Where the pod's init has failed, nothing can be started beside it: that is the reason then. */
static struct err *start_maker(struct pod *p)
{
	const struct runtime_place place = { .pidns = p->pause.pidns, .own_pidns = p->own_pidns };
	struct err *e = runtime_maker_start(&place, false, &p->maker);
	/* a host's network is there: no later step asks for the init */
	struct err *reason =
		e || p->plan->network == POD_NETWORK_HOST ? pause_ready(&p->pause) : NULL;

	if (!reason)
		return e;
	err_free(e);
	return reason;
}

static struct err *do_pause(struct pod *p, const struct pod_step *s, bool *ret_done)
{
	size_t max = p->plan->n_ports + 4, n = 0;
	auto_free int *keep = mem_alloc(max * sizeof(int));

	(void)s;
	*ret_done = true;
	keep[n++] = p->lock;
	if (p->net)
		n += netns_fds(p->net, keep + n, max - n);
	if (p->plan->network == POD_NETWORK_POD || p->plan->network == POD_NETWORK_NONE) {
		TRY(early_take(p->options->early, &p->netns));
		TRY(network_start(p->netns, p->net, &p->network));
	} else {
		pod_early_end(p->options->early);
		p->netns = fd_steal(&p->join.netns);
	}
	const struct pause_birth birth = { .group = p->pause_group,
					   .network = p->plan->join ? -1 : p->netns,
					   .keep = keep,
					   .n_keep = n };

	TRY(pause_start(&birth, &p->pause));
	p->on_pause = loop_readable(p->loop, p->pause.pidfd, on_pause_event, p);
	return start_maker(p);
}

static void on_network_event(void *arg)
{
	pod_advance(arg);
}

static struct err *do_network(struct pod *p, const struct pod_step *s, bool *ret_done)
{
	(void)s;
	watch_free(p->on_network);
	p->on_network = NULL;
	TRY(pause_ready(&p->pause));
	TRY(network_ready(&p->network, 0, ret_done));
	if (!*ret_done) {
		p->on_network = loop_readable(p->loop, network_fd(p->network), on_network_event, p);
		return NULL;
	}
	if (p->plan->join)
		return p->net ? netns_forward(p->net) : NULL;
	return p->net ? netns_settle(p->net) : NULL;
}

/* Prepared here, cloned by steps_clone() with its neighbours; then it is asked again. */
static struct err *do_create(struct pod *p, const struct pod_step *s, bool *ret_done)
{
	struct container *c = p->containers[s->container];

	if (c->birth_error)
		return steal(&c->birth_error);
	*ret_done = c->state != CONTAINER_PLANNED && !c->to_start;
	if (*ret_done || c->queued)
		return NULL;
	TRY(container_prepare(p, c));
	c->queued = true;
	p->n_queued++;
	return NULL;
}

bool steps_clone(struct pod *p)
{
	auto_free struct container **list = NULL;
	size_t n = 0;

	if (!p->n_queued)
		return false;
	list = mem_alloc(p->n_queued * sizeof(*list));
	for (size_t i = 0; i < p->plan->n_containers; i++)
		if (p->containers[i]->queued) {
			p->containers[i]->queued = false;
			list[n++] = p->containers[i];
		}
	p->n_queued = 0;
	containers_create(p, list, n);
	return true;
}

/* A dependency that can no longer come true ends the waiting, with an error or, when it was optional, a warning. */
static struct err *hopeless(struct pod *p, const struct pod_step *s, bool *ret_done,
			    struct err *take_e)
{
	if (s->required) {
		if (!p->up) /* else it is this container's affair, which may be gone when the pod ends */
			p->culprit = p->containers[s->on];
		return take_e;
	}
	log_warn("%s; it is not required", err_text(take_e));
	err_free(take_e);
	*ret_done = true;
	return NULL;
}

static struct err *do_wait(struct pod *p, const struct pod_step *s, bool *ret_done)
{
	const struct container *on = p->containers[s->on];
	const char *name = on->plan->service->name;
	bool over = on->state == CONTAINER_EXITED;

	if (s->condition == COMPOSE_STARTED)
		*ret_done =
			on->state == CONTAINER_RUNNING || on->state == CONTAINER_RESTARTING || over;
	else if (s->condition == COMPOSE_HEALTHY)
		*ret_done = on->health == HEALTH_HEALTHY;
	else
		*ret_done = over && on->exit_code == 0;
	if (on->given_up && s->required && !p->up) { /* a person has stopped it, and that alone */
		log_warn("service %s is not started, as %s is not",
			 p->containers[s->container]->plan->service->name, name);
		steps_give_up(p, s->container);
		*ret_done = true;
		return NULL;
	}
	if (on->given_up)
		return hopeless(
			p, s, ret_done,
			compose_err(s->place,
				    "dependency failed to start: service %s was not started",
				    name));
	if (*ret_done)
		return NULL;
	if (s->condition == COMPOSE_HEALTHY && on->health == HEALTH_UNHEALTHY)
		return hopeless(p, s, ret_done,
				compose_err(s->place,
					    "dependency failed to start: service %s is unhealthy",
					    name));
	if (over && s->condition == COMPOSE_HEALTHY)
		return hopeless(p, s, ret_done,
				compose_err(s->place,
					    "dependency failed to start: service %s exited (%d)",
					    name, on->exit_code));
	if (over)
		return hopeless(p, s, ret_done,
				compose_err(s->place,
					    "service %s did not complete successfully: exit %d",
					    name, on->exit_code));
	return NULL;
}

static struct err *do_start(struct pod *p, const struct pod_step *s, bool *ret_done)
{
	struct container *c = p->containers[s->container];

	if (c->state == CONTAINER_CREATED)
		TRY(container_start(c));
	*ret_done = c->state > CONTAINER_STARTING && c->hook_phase != HOOK_POST_START;
	return NULL;
}

static do_fn *const doers[] = {
	[STEP_VOLUME] = do_volume, [STEP_LEASE] = do_lease, [STEP_PUBLISH] = do_publish,
	[STEP_CGROUP] = do_cgroup, [STEP_PAUSE] = do_pause, [STEP_NETWORK] = do_network,
	[STEP_CREATE] = do_create, [STEP_WAIT] = do_wait,   [STEP_START] = do_start,
};

struct err *step_do(struct pod *p, const struct pod_step *s, bool *ret_done)
{
	return doers[s->kind](p, s, ret_done);
}

void steps_mark(struct pod *p, size_t index, enum step_state state)
{
	for (size_t i = 0; i < p->plan->n_steps; i++) {
		const struct pod_step *s = &p->plan->steps[i];

		if (s->container == index && s->kind >= STEP_CREATE)
			p->steps[i] = state;
	}
}

void steps_give_up(struct pod *p, size_t index)
{
	struct container *c = p->containers[index];

	c->given_up = c->stop_asked = true;
	c->to_start = false;
	container_end(c); /* it may be at its gate */
	if (c->queued)
		p->n_queued--;
	c->queued = false;
	steps_mark(p, index, STEP_DONE);
}

void steps_begin_again(struct pod *p, size_t index)
{
	struct container *c = p->containers[index];

	c->to_start = true;
	c->given_up = c->stop_asked = false;
	p->again = true;
	steps_mark(p, index, STEP_PENDING);
}

void steps_failed(struct pod *p, const struct pod_step *s, struct err *take_e)
{
	struct container *c = p->containers[s->container];

	c->start_error = err_join(c->start_error, take_e);
	steps_give_up(p, s->container);
}

/* ---- undoing, backwards: everything that was done, whether all of it or a part ---- */

void steps_forget_rootfs(const struct pod *p)
{
	auto_free char *from = state_data(p->host, p->plan->name, "rootfs");
	auto_err struct err *e = trash_put(p->host, from, p->plan->name);

	if (e)
		log_warn("%s", err_text(e));
}

/*
 * The kernel does not let the init of a PID namespace go before every process in
 * it has been reaped, and the containers' first ones are our children: they come first.
 */
static void reap_containers(struct pod *p)
{
	apply_kill(p);
	for (size_t i = 0; i < p->plan->n_containers; i++) {
		health_stop(p->containers[i]);
		container_kill(p->containers[i], SIGKILL);
	}
	for (size_t i = 0; i < p->plan->n_containers; i++) {
		struct container *c = p->containers[i];
		struct proc_exit how = { 0 };

		if (container_is_dead(c))
			continue;
		c->state = CONTAINER_EXITED;
		if (c->process.pidfd <
		    0) /* between two runs: what is known is the last one's end */
			continue;
		c->exit_code = 128 + SIGKILL;
		if (proc_wait_for(c->process.pidfd, DEATH_WAIT, &how))
			c->exit_code = proc_exit_code(how);
		else
			log_warn("service %s: process %d does not die; is it waiting for a device?",
				 c->plan->service->name, c->process.pid);
	}
}

static void remove_groups(const struct pod *p)
{
	auto_free char *pause = pod_group(p, "slipway-pause");

	for (size_t i = 0; i < p->plan->n_containers && !*p->cgroup_path; i++) {
		auto_free char *path = pod_group(p, p->plan->containers[i].key);

		err_ignore(cgroupfs_remove(p->cgroups, path, false, CGROUP_WAIT));
	}
	if (!*p->cgroup_path)
		err_ignore(cgroupfs_remove(p->cgroups, pause, false, CGROUP_WAIT));
	err_ignore(cgroupfs_remove(p->cgroups, p->cgroup_path, false, CGROUP_WAIT));
}

/* A thread cannot be killed; one that hangs in the kernel is left to it. */
static void forget_network(struct pod *p)
{
	bool ready;

	watch_free(p->on_network);
	p->on_network = NULL;
	err_ignore(network_ready(&p->network, DEATH_WAIT, &ready));
	if (ready)
		return;
	log_warn("the pod's network is not made, and cannot be given up");
	p->network = NULL; /* with what it uses, until this process ends */
	p->net = NULL;
	p->netns = -1;
}

void steps_undo(struct pod *p)
{
	reap_containers(p);
	watch_free(p->on_pause);
	p->on_pause = NULL;
	containers_reap_stuck(p);
	runtime_maker_free(steal(&p->maker));
	forget_network(p); /* it uses what goes now */
	pause_clear(
		&p->pause); /* what is left of processes, the network, ports, rules, the lease */
	fd_close(&p->netns);
	netns_withdraw(p->net);
	p->old_net = steal(&p->net); /* closed when nobody waits: see netns_withdraw() */
	join_close(p);
	for (size_t i = 0; i < p->plan->n_containers; i++)
		cgroupfs_free(steal(&p->containers[i]->group));
	cgroupfs_free(steal(&p->pause_group));
	if (p->group)
		remove_groups(p);
	cgroupfs_free(steal(&p->group));
}
