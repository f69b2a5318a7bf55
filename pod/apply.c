/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod/apply.c - a running pod becomes what another version of its project says: what has not changed runs on.
 *
 * 'up' writes the project to RUN/pods/NAME/next.yml and asks the supervisor, which
 * plans it. Services whose configuration is another, or that are gone, are
 * stopped and forgotten; then the steps of the new plan run as at a start, with
 * everything done that is there already. What goes wrong is the answer and ends
 * nothing else. Changes of what the pod holds as a whole, its network and its
 * published ports, are not for this: ENOTSUP, and the pod is started anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

enum { NEXT_MAX = 64 << 20 };

/*
 * A plan of our own, and what it borrows. A container that was not replaced goes on
 * using the one that it was born with.
 */
struct generation {
	struct generation *next;
	struct compose_project *project;
	struct image **images;
	struct pod_plan *plan;
};

static void generation_free(struct generation *g)
{
	if (!g)
		return;
	pod_plan_free(g->plan);
	for (size_t i = 0; g->images && i < g->project->n_services; i++)
		image_free(g->images[i]);
	free(g->images);
	compose_free(g->project);
	free(g);
}

/* ---- the new plan ---- */

static struct err *load(const struct pod *p, const char *dir, struct compose_project **ret)
{
	static char *const profiles[] = { (char *)(uintptr_t) "*", NULL };
	static char *const none[] = { (char *)(uintptr_t) "/dev/null", NULL };
	auto_free char *path = state_path(p->host, p->plan->name, "next.yml");
	auto_free char *text = NULL;

	TRY(fd_read_file(AT_FDCWD, path, NEXT_MAX, &text));
	const struct compose_options o = { .files = p->plan->project->files,
					   .project_dir = dir,
					   .text = text,
					   .name = p->plan->name,
					   .profiles = profiles,
					   .env_files = none,
					   .environ = environ };

	return compose_load(&o, ret);
}

static struct err *find_images(const struct pod *p, struct generation *g)
{
	auto_image_store struct image_store *store = NULL;

	TRY(image_store_open(p->host->root, &store));
	g->images = mem_alloc((g->project->n_services + 1) * sizeof(struct image *));
	for (size_t i = 0; i < g->project->n_services; i++) {
		const struct compose_service *s = &g->project->services[i];

		TRY(err_wrap(image_find(store, s->image, s->platform, &g->images[i]), "service %s",
			     s->name));
	}
	return NULL;
}

static struct err *make_generation(const struct pod *p, const char *dir, struct generation *g)
{
	auto_strv char **warnings = NULL;

	TRY(load(p, dir, &g->project));
	TRY(find_images(p, g));
	TRY(pod_plan(g->project, g->images, p->host, &g->plan, &warnings));
	for (char **w = warnings; w && *w; w++)
		log_debug("%s", *w); /* 'up' has told them */
	return NULL;
}

/* The port of the running pod that is @port of @plan; n_ports: there is none. */
static size_t same_port(const struct pod *p, const struct pod_plan *plan, size_t index)
{
	const struct netns_port *a = &plan->ports[index];
	const char *service = plan->containers[plan->port_owners[index].container].service->name;
	size_t i = 0;

	for (; i < p->plan->n_ports; i++) {
		const struct netns_port *b = &p->plan->ports[i];
		size_t owner = p->plan->port_owners[i].container;

		if (a->host_ip.s_addr == b->host_ip.s_addr && a->first == b->first &&
		    a->last == b->last && a->target == b->target && a->protocol == b->protocol &&
		    strcmp(service, p->plan->containers[owner].service->name) == 0)
			break;
	}
	return i;
}

/* What the pod has as a whole can only be had anew; *ret_ports: its ports in the new plan's order. */
static struct err *check_whole(const struct pod *p, const struct pod_plan *plan,
			       struct netns_port **ret_ports)
{
	const struct compose_policy *a = &plan->project->policy, *b = &p->plan->project->policy;
	auto_free struct netns_port *ports = mem_alloc((plan->n_ports + 1) * sizeof(*ports));
	bool same = plan->network == p->plan->network && plan->n_ports == p->plan->n_ports &&
		    str_eq(a->main, b->main) && str_eq(a->on_failure, b->on_failure) &&
		    str_eq(a->ready, b->ready) && !p->options->owner && !p->plan->join;

	for (size_t i = 0; same && i < plan->n_ports; i++) {
		size_t old = same_port(p, plan, i);

		same = old < p->plan->n_ports;
		if (same)
			ports[i] = p->ports[old];
	}
	if (!same)
		return err_new(ENOTSUP, "what the pod has as a whole has changed");
	*ret_ports = steal(&ports);
	return NULL;
}

/* ---- from the old to the new ---- */

static bool restarts_with(const struct compose_service *s, char *const *replaced)
{
	for (size_t i = 0; i < s->depends_on.n; i++)
		if (s->depends_on.items[i].restart &&
		    strv_has(replaced, s->depends_on.items[i].service))
			return true;
	return false;
}

/* What pod_apply() asks for. */
struct request {
	char *dir;
	char **services, **anew;
	int64_t timeout;
	bool renew_volumes, create_only;
};

static struct err *read_request(const char *text, struct request *ret)
{
	auto_json json_t *j = NULL;
	const char *dir = NULL;

	TRY(json_parse(text, strlen(text), NEXT_MAX, &j));
	TRY(json_get_str(j, "dir", &dir));
	TRY(json_get_int(j, "timeout", &ret->timeout));
	TRY(json_get_strv(j, "services", &ret->services));
	TRY(json_get_strv(j, "anew", &ret->anew));
	TRY(json_get_bool(j, "renew_volumes", &ret->renew_volumes));
	TRY(json_get_bool(j, "create_only", &ret->create_only));
	ret->dir = mem_strdup(dir ? dir : "/");
	return NULL;
}

static void forget_request(struct request *r)
{
	free(r->dir);
	strv_free(r->services);
	strv_free(r->anew);
}

static bool is_asked_for(const struct request *r, const struct plan_container *c)
{
	return !r->services || strv_has(r->services, c->service->name);
}

static bool is_replaced(const struct container *old, const struct plan_container *c,
			const struct request *r)
{
	bool over = container_is_dead(old) || old->stopping;

	return (over && (old->removed || !r->create_only)) || !str_eq(old->plan->hash, c->hash) ||
	       strv_has(r->anew, c->service->name);
}

/* It does not run on, but is started again, as what it was. */
static bool comes_back(const struct container *old, const struct plan_container *c,
		       const struct request *r)
{
	return old && !old->removed && str_eq(old->plan->hash, c->hash) &&
	       !strv_has(r->anew, c->service->name);
}

/* The services that do not run on as they are: changed, ended, or to be restarted with one of them. */
static char **find_replaced(const struct pod *p, const struct pod_plan *plan,
			    const struct request *r)
{
	char **replaced = NULL;
	bool more = true;

	for (size_t i = 0; i < plan->n_containers; i++) {
		const struct plan_container *c = &plan->containers[i];
		const struct container *old = pod_find(p, c->key);

		if (!old || (is_asked_for(r, c) && is_replaced(old, c, r)))
			strv_add(&replaced, mem_strdup(c->key));
	}
	while (more) {
		more = false;
		for (size_t i = 0; i < plan->n_containers; i++) {
			const struct plan_container *c = &plan->containers[i];

			if (strv_has(replaced, c->key) || !restarts_with(c->service, replaced))
				continue;
			strv_add(&replaced, mem_strdup(c->key));
			more = true;
		}
	}
	return replaced;
}

static void retire(struct pod *p, struct container *c)
{
	p->retired = mem_grow(p->retired, p->n_retired + 1, sizeof(struct container *));
	p->retired[p->n_retired++] = c;
	c->stop_asked = true;
	c->again = 0;
	c->renewed = p->renew_volumes && pod_find(p, c->plan->key);
	container_stop(c, p->apply_timeout);
}

/*
 * One for each of @plan's: those that run on, and new ones. The others are retired.
 * One that was not asked for stays what it is, and its plan the old one.
 */
static struct container **choose(struct pod *p, const struct pod_plan *plan, char *const *replaced,
				 const struct request *r)
{
	struct container **chosen = mem_alloc(plan->n_containers * sizeof(struct container *));

	for (size_t i = 0; i < plan->n_containers; i++) {
		const struct plan_container *c = &plan->containers[i];

		if (!strv_has(replaced, c->key)) {
			chosen[i] = pod_find(p, c->key);
			if (!is_asked_for(r, c))
				continue;
			chosen[i]->plan = c;
			chosen[i]->planned = plan;
			continue;
		}
		struct container *old = pod_find(p, c->key);

		chosen[i] = container_new(p, c);
		if (comes_back(old, c, r))
			adopt_running(chosen[i], old);
		chosen[i]->born = chosen[i]->planned = plan;
		chosen[i]->reason = START_BY_CHANGE;
	}
	return chosen;
}

static bool is_among(struct container *const *list, size_t n, const struct container *c)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == c)
			return true;
	return false;
}

/* What is there already is done: all that is the pod's, and what belongs to a service that runs on. */
static enum step_state *mark_steps(const struct pod_plan *plan, char *const *replaced)
{
	enum step_state *steps = mem_alloc(plan->n_steps * sizeof(*steps));

	for (size_t i = 0; i < plan->n_steps; i++) {
		const struct pod_step *s = &plan->steps[i];
		bool of_service =
			s->kind == STEP_CREATE || s->kind == STEP_WAIT || s->kind == STEP_START;
		const char *name = plan->containers[s->container].key;

		steps[i] = s->kind == STEP_VOLUME		    ? STEP_PENDING
			   : of_service && strv_has(replaced, name) ? STEP_PENDING
								    : STEP_DONE;
	}
	return steps;
}

static void refresh_names(const struct pod *p, char *const *replaced)
{
	for (size_t i = 0; i < p->plan->n_containers; i++)
		if (!strv_has(replaced, p->plan->containers[i].key))
			err_ignore(spec_refresh(p->plan, p->containers[i]->plan, p->host,
						pod_address(p)));
}

static struct err *change(struct pod *p, const struct request *r)
{
	struct generation *g = mem_alloc(sizeof(*g));
	struct netns_port *ports = NULL;
	struct err *e = p->applying ? err_new(EBUSY, "pod %s is being changed", p->plan->name)
			: !p->up || pod_is_ending(p)
				? err_new(EBUSY, "pod %s is not up", p->plan->name)
				: make_generation(p, r->dir, g);

	if (!e)
		e = check_whole(p, g->plan, &ports);
	if (e) {
		generation_free(g);
		return e;
	}
	auto_strv char **replaced = find_replaced(p, g->plan, r);
	struct container **old = p->containers;
	size_t n_old = p->plan->n_containers;

	p->apply_timeout = r->timeout;
	p->renew_volumes = r->renew_volumes;
	err_free(steal(&p->apply_error)); /* of one that nobody waited for */
	p->containers = choose(p, g->plan, replaced, r);
	free(p->steps);
	free(p->ports);
	p->steps = mark_steps(g->plan, replaced);
	p->ports = ports;
	p->plan = g->plan;
	for (size_t i = 0; i < g->plan->n_containers;
	     i++) /* one at its gate, or about to come to it */
		if (p->containers[i]->to_start || p->containers[i]->state == CONTAINER_CREATED)
			steps_mark(p, i, STEP_PENDING);
	g->next = p->generations;
	p->generations = g;
	p->applying = p->dirty = true;
	for (size_t i = 0; i < n_old; i++)
		if (!is_among(p->containers, g->plan->n_containers, old[i]))
			retire(p, old[i]);
	free(old);
	for (size_t i = 0; i < g->plan->n_containers && r->create_only; i++)
		if (strv_has(replaced, g->plan->containers[i].key))
			steps_give_up(p, i);
	refresh_names(p, replaced);
	return NULL;
}

struct err *apply_begin(struct pod *p, const char *how)
{
	struct request r = { .timeout = -1 };
	struct err *e = read_request(how, &r);

	if (!e)
		e = change(p, &r);
	forget_request(&r);
	return e;
}

/* ---- on the way ---- */

static bool has_volume(const struct plan_container *c, const char *name)
{
	for (size_t i = 0; i < c->n_mounts; i++)
		if (c->mounts[i].type == COMPOSE_VOLUME && strcmp(c->mounts[i].source, name) == 0)
			return true;
	return false;
}

void apply_failed(struct pod *p, size_t index, struct err *take_e)
{
	const struct pod_step *step = &p->plan->steps[index];

	p->apply_error = err_join(p->apply_error, take_e);
	p->steps[index] = STEP_DONE;
	if (step->kind >= STEP_CREATE) {
		steps_give_up(p, step->container);
		return;
	}
	/* a volume: of those containers that have it, and are still to be made */
	for (size_t i = 0; i < p->plan->n_containers; i++)
		if (p->containers[i]->state == CONTAINER_PLANNED &&
		    has_volume(&p->plan->containers[i], step->volume))
			steps_give_up(p, i);
}

/* Who comes after it begins with what the image has. */
static void forget_retired(struct pod *p, struct container *c)
{
	if (!c->removed)
		pod_event(p, c, "destroy", "Removed");
	log_free(steal(&c->log));
	container_forget_files(c);
	container_forget_logs(c);
	if (c->renewed)
		container_forget_volumes(c);
}

static void on_retired_event(void *arg)
{
	struct pod *p = arg;
	size_t kept = 0;

	watch_free(p->on_retired);
	p->on_retired = NULL;
	for (size_t i = 0; i < p->n_retired; i++) {
		struct container *c = p->retired[i];

		if (!container_is_dead(c)) {
			p->retired[kept++] = c;
			continue;
		}
		err_ignore(cgroupfs_destroy(steal(&c->group), CGROUP_WAIT));
		if (!c->succeeded)
			forget_retired(p, c);
		container_free(c);
	}
	p->n_retired = kept;
	pod_advance(p);
}

static bool is_used(const struct pod *p, const struct pod_plan *plan)
{
	bool used = plan == p->plan || p->n_retired;

	for (size_t i = 0; i < p->plan->n_containers && !used; i++)
		used = p->containers[i]->born == plan || p->containers[i]->planned == plan;
	return used;
}

static void forget_generations(struct pod *p)
{
	struct generation **at = &p->generations;

	while (*at) {
		struct generation *g = *at;

		if (is_used(p, g->plan)) {
			at = &g->next;
			continue;
		}
		*at = g->next;
		generation_free(g);
	}
}

void apply_advance(struct pod *p, bool all)
{
	bool dead = false;

	for (size_t i = 0; i < p->n_retired; i++)
		dead |= container_is_dead(p->retired[i]);
	/* from the loop: whoever has called us may still be at work with one of them */
	if (dead && !p->on_retired)
		p->on_retired = loop_timer(p->loop, 0, on_retired_event, p);
	if (!p->applying || (!p->stopping && (!all || p->n_retired)))
		return;
	if (p->stopping)
		p->apply_error = err_join(p->apply_error,
					  err_new(EINTR, "pod %s is being stopped", p->plan->name));
	p->applying = false;
	state_write(p);
	state_keep(p);
	for (size_t i = 0; i < p->generations->project->n_services; i++)
		image_release(p->generations->images[i]); /* the state names their layers now */
	forget_generations(p);
}

void apply_kill(struct pod *p)
{
	for (size_t i = 0; i < p->n_retired; i++) {
		struct container *c = p->retired[i];
		struct proc_exit how;

		container_kill(c, SIGKILL);
		if (!container_is_dead(c) && c->process.pidfd >= 0 &&
		    !proc_wait_for(c->process.pidfd, DEATH_WAIT, &how))
			log_warn("service %s: process %d does not die", c->plan->service->name,
				 c->process.pid);
		c->state = CONTAINER_EXITED;
	}
}

void apply_end(struct pod *p)
{
	watch_free(p->on_retired);
	for (size_t i = 0; i < p->n_retired; i++)
		container_free(p->retired[i]);
	free(p->retired);
	err_free(p->apply_error);
	p->n_retired = 0;
}

void apply_forget(struct pod *p)
{
	while (p->generations) {
		struct generation *g = p->generations;

		p->generations = g->next;
		generation_free(g);
	}
}

/* ---- the asking side ---- */

/* What apply_begin() reads. */
static char *request_text(const char *dir, const struct pod_update *u)
{
	auto_json json_t *j = json_object();

	json_put_str(j, "dir", dir);
	json_put_int(j, "timeout", u->timeout);
	json_put_strv(j, "services", u->services);
	json_put_strv(j, "anew", u->anew);
	json_put_bool(j, "renew_volumes", u->renew_volumes);
	json_put_bool(j, "create_only", u->create_only);
	return json_text(j, 0);
}

struct err *pod_apply(const struct pod_host *h, const struct compose_project *p,
		      const struct pod_update *u)
{
	auto_free char *how = request_text(p->dir, u);
	auto_free char *path = state_path(h, p->name, "next.yml");
	auto_free char *turn = state_path(h, p->name, "next.lock");
	auto_fd int lock = -1;
	auto_free char *text = NULL;

	TRY(fd_lock(AT_FDCWD, turn, LOCK_EX, &lock)); /* two at once: one after the other */
	struct err *e = compose_print_text(p, COMPOSE_YAML, &text);

	if (!e)
		e = fd_replace_file(AT_FDCWD, path, text, 0600);
	if (!e)
		e = pod_ask(h, p->name, "apply", NULL, how);
	(void)unlink(path);
	return e;
}
