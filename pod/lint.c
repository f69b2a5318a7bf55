/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod/lint.c - where one shared network and one supervisor cannot honour what a file says.
 *
 * Refused before anything is pulled or started when the pod would not work;
 * warned about when it works otherwise than the file's author may think.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

struct lint {
	const struct compose_project *p;
	struct err *errors;
	char ***warnings;
};

static void add(struct lint *l, struct err *take_e)
{
	l->errors = err_join(l->errors, take_e);
}

static void warn(struct lint *l, struct err *take_e)
{
	strv_add(l->warnings, mem_strdup(err_text(take_e)));
	err_free(take_e);
}

/* ---- attributes that are ignored or refused as a whole ---- */

static void lint_notes(struct lint *l, const struct compose_notes *notes)
{
	for (size_t i = 0; i < notes->n; i++) {
		const struct compose_note *n = &notes->items[i];

		if (n->refused)
			add(l, compose_err(&n->place, "not supported: %s", n->why));
		else
			warn(l, compose_err(&n->place, "ignored: %s", n->why));
	}
}

/* ---- ports ---- */

static bool in_pod(const struct compose_service *s)
{
	enum pod_network n = pod_network_of(s);

	return n == POD_NETWORK_POD || n == POD_NETWORK_JOIN;
}

/* The host ports of @p; false when any free one will do. */
static bool host_range(const struct compose_port *p, int64_t *first, int64_t *last)
{
	char *end;

	if (!p->published)
		return false;
	*first = strtoll(p->published, &end, 10);
	*last = *end == '-' ? strtoll(end + 1, NULL, 10) : *first;
	return *first != 0;
}

static bool any_address(const char *a)
{
	return !a || strcmp(a, "0.0.0.0") == 0 || strcmp(a, "::") == 0;
}

static bool same_address(const char *a, const char *b)
{
	return any_address(a) || any_address(b) || strcmp(a, b) == 0;
}

struct owned_port {
	const struct compose_service *service;
	const struct compose_port *port;
};

/* Two services cannot listen on one port of one network. */
static void lint_target(struct lint *l, const struct owned_port *a, const struct owned_port *b)
{
	if (a->service == b->service || !in_pod(a->service) || !in_pod(b->service) ||
	    a->port->target.value != b->port->target.value ||
	    !str_eq(a->port->protocol, b->port->protocol))
		return;
	add(l, compose_err(&a->port->place,
			   "container port %lld/%s is already used by service %s (%s:%u); all "
			   "services of a pod share one network: change one of them",
			   (long long)a->port->target.value, a->port->protocol, b->service->name,
			   b->port->place.file, b->port->place.line));
}

/* A range to choose from may overlap. */
static void lint_published(struct lint *l, const struct owned_port *a, const struct owned_port *b)
{
	int64_t first, last, other_first, other_last;

	if (!host_range(a->port, &first, &last) ||
	    !host_range(b->port, &other_first, &other_last) || first != last ||
	    first != other_first || last != other_last ||
	    !str_eq(a->port->protocol, b->port->protocol) ||
	    !same_address(a->port->host_ip, b->port->host_ip))
		return;
	add(l, compose_err(&a->port->place, "host port %lld/%s is published twice; first in %s:%u",
			   (long long)first, a->port->protocol, b->port->place.file,
			   b->port->place.line));
}

static void lint_ports(struct lint *l)
{
	auto_free struct owned_port *ports = NULL;
	size_t n = 0;

	for (size_t i = 0; i < l->p->n_services; i++) {
		const struct compose_service *s = &l->p->services[i];

		ports = mem_grow(ports, n + s->ports.n + 1, sizeof(*ports));
		for (size_t k = 0; k < s->ports.n; k++)
			ports[n++] = (struct owned_port) { s, &s->ports.items[k] };
	}
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++) {
			lint_target(l, &ports[i], &ports[k]);
			lint_published(l, &ports[i], &ports[k]);
		}
}

/* Only documentation: so it is only a hint that two may want the same port. */
static void lint_expose(struct lint *l)
{
	auto_strv char **seen = NULL;

	for (size_t i = 0; i < l->p->n_services; i++)
		for (char **e = l->p->services[i].expose; e && *e; e++) {
			const char *other = env_get(seen, *e);
			auto_free char *assignment =
				mem_printf("%s=%s", *e, l->p->services[i].name);

			if (other && strcmp(other, l->p->services[i].name) != 0)
				warn(l, compose_err(&l->p->services[i].place,
						    "expose: service %s exposes %s, too; only one "
						    "of a pod can listen on it",
						    other, *e));
			env_set(&seen, assignment);
		}
}

/* ---- the network ---- */

static void lint_mode(struct lint *l, const struct compose_service *s)
{
	const char *mode = s->network_mode ? s->network_mode : "bridge";
	static const char *const known[] = { "bridge", "default", "host", "none", NULL };

	if (str_starts(mode, "container:"))
		add(l, compose_err(&s->place, "network_mode: there is no engine to find '%s' in",
				   mode));
	else if (!str_one_of(mode, known) && !str_starts(mode, "service:") &&
		 !str_starts(mode, "pod:"))
		add(l, compose_err(&s->place,
				   "network_mode: '%s' is not supported; there are bridge, host, "
				   "none, service:NAME and pod:NAME",
				   mode));
	if (strcmp(mode, "none") == 0 && s->ports.n)
		add(l,
		    compose_err(&s->ports.items[0].place, "network_mode none publishes no ports"));
	for (size_t i = 0; strcmp(mode, "host") == 0 && i < s->ports.n; i++)
		warn(l, compose_err(&s->ports.items[i].place,
				    "network_mode host publishes no ports: the service listens on "
				    "the host itself"));
	for (char *const *a = s->sysctls; strcmp(mode, "host") == 0 && a && *a; a++)
		if (str_starts(*a, "net."))
			add(l, compose_err(&s->place,
					   "sysctls: %.*s would be the host's, whose network this "
					   "is",
					   (int)strcspn(*a, "="), *a));
}

/* One pod has one network: its own, or another's. */
static void lint_join(struct lint *l)
{
	const struct compose_service *first = NULL;

	for (size_t i = 0; i < l->p->n_services; i++) {
		const struct compose_service *s = &l->p->services[i];

		if (!in_pod(s))
			continue;
		if (first && !str_eq(s->network_mode, first->network_mode) &&
		    (pod_network_of(s) == POD_NETWORK_JOIN ||
		     pod_network_of(first) == POD_NETWORK_JOIN))
			add(l, compose_err(&s->place,
					   "network_mode: all services of a pod share one network, "
					   "and %s has another one",
					   first->name));
		first = first ? first : s;
	}
}

/* A kernel parameter of the shared network has one value. */
static void lint_sysctls(struct lint *l)
{
	auto_strv char **seen = NULL;

	for (size_t i = 0; i < l->p->n_services; i++) {
		const struct compose_service *s = &l->p->services[i];

		for (char *const *a = s->sysctls; in_pod(s) && a && *a; a++) {
			auto_free char *key = mem_strndup(*a, strcspn(*a, "="));
			const char *other = str_starts(key, "net.") ? env_get(seen, key) : NULL;

			if (other && strcmp(other, *a + strlen(key) + 1) != 0)
				add(l, compose_err(&s->place,
						   "sysctls: %s has two values in this pod; the "
						   "network is shared",
						   key));
			env_set(&seen, *a);
		}
	}
}

static bool share_network(const struct compose_service *a, const struct compose_service *b)
{
	for (size_t i = 0; i < a->networks.n; i++)
		for (size_t k = 0; k < b->networks.n; k++)
			if (strcmp(a->networks.items[i].network, b->networks.items[k].network) == 0)
				return true;
	return a->networks.n == 0 || b->networks.n == 0;
}

/* Services that share no network in the file reach each other all the same. */
static void lint_isolation(struct lint *l)
{
	for (size_t i = 0; i < l->p->n_services; i++)
		for (size_t k = 0; k < i; k++) {
			const struct compose_service *a = &l->p->services[i],
						     *b = &l->p->services[k];

			if (share_network(a, b))
				continue;
			warn(l,
			     compose_err(
				     &a->place,
				     "networks are collapsed into the pod's one: %s can reach %s",
				     a->name, b->name));
			return;
		}
}

static void lint_drivers(struct lint *l)
{
	static const char *const known[] = { "bridge", "default", "host", "none", NULL };

	for (size_t i = 0; i < l->p->networks.n; i++) {
		const struct compose_network *n = &l->p->networks.items[i];

		if (n->driver && !str_one_of(n->driver, known))
			add(l, compose_err(&n->place,
					   "the driver '%s' is not supported: a pod has one routed "
					   "network",
					   n->driver));
	}
	for (size_t i = 0; i < l->p->volumes.n; i++) {
		const struct compose_volume *v = &l->p->volumes.items[i];

		if (v->driver && strcmp(v->driver, "local") != 0)
			add(l, compose_err(&v->place,
					   "the driver '%s' needs a plugin of Docker; only local "
					   "is built in",
					   v->driver));
	}
}

/* ---- one service ---- */

static void lint_image(struct lint *l, const struct compose_service *s)
{
	if (s->build.context && !s->image)
		add(l,
		    compose_err(&s->place,
				"build: service %s has no image, and slipway does not build: push "
				"what another tool has built, and name it with image",
				s->name));
}

enum { SCALE_MAX = 100 };

static void lint_scale(struct lint *l, const struct compose_service *s)
{
	int64_t n = compose_scale(s);

	if (n > SCALE_MAX)
		add(l, compose_err(&s->place, "scale: %lld instances of %s are more than %d",
				   (long long)n, s->name, SCALE_MAX));
	else if (n > 1 && s->ports.n)
		add(l,
		    compose_err(&s->place,
				"scale: %lld instances of %s cannot all listen on port %lld of "
				"one pod",
				(long long)n, s->name, (long long)s->ports.items[0].target.value));
}

static void lint_namespaces(struct lint *l, const struct compose_service *s)
{
	static const char *const ipc[] = { "", "private", "none", "shareable", NULL };

	if (s->ipc && !str_one_of(s->ipc, ipc))
		add(l, compose_err(&s->place,
				   "ipc: '%s' is not supported: containers always have an IPC "
				   "namespace of their own",
				   s->ipc));
	if (s->cgroup && strcmp(s->cgroup, "host") == 0)
		add(l, compose_err(&s->place, "cgroup: containers always have a cgroup namespace "
					      "of their own"));
	if (s->userns_mode && strcmp(s->userns_mode, "host") != 0)
		add(l, compose_err(&s->place, "userns_mode: user namespaces are not offered yet"));
	for (char *const *v = s->volumes_from; v && *v; v++)
		if (str_starts(*v, "container:"))
			add(l, compose_err(&s->place,
					   "volumes_from: there is no engine to find '%s' in", *v));
}

static void lint_mounts(struct lint *l, const struct compose_service *s)
{
	for (size_t i = 0; i < s->volumes.n; i++) {
		const struct compose_mount *m = &s->volumes.items[i];

		if (m->type == COMPOSE_OTHER_MOUNT)
			add(l, compose_err(&m->place, "mounts of type '%s' are not supported",
					   m->type_name));
		else if (*m->target != '/')
			add(l,
			    compose_err(&m->place, "the target '%s' must be an absolute path%s",
					m->target,
					m->target[0] && m->target[1] == ':'
						? "; the name of a volume has two letters or more"
						: ""));
		else if (strcmp(m->target, "/") == 0)
			add(l, compose_err(&m->place,
					   "the root of the container cannot be a mount target"));
		if (m->source && str_ends(m->source, "/docker.sock"))
			warn(l, compose_err(&m->place,
					    "docker.sock is mounted: whoever reaches it owns the "
					    "host, if an engine is there at all"));
	}
}

static void lint_health(struct lint *l, const struct compose_service *s)
{
	for (size_t i = 0; i < s->depends_on.n; i++) {
		const struct compose_depend *d = &s->depends_on.items[i];
		const struct compose_service *on = compose_find(l->p, d->service);

		if (d->condition == COMPOSE_HEALTHY && on &&
		    (on->healthcheck.disable || !on->healthcheck.test.set))
			warn(l, compose_err(&d->place,
					    "service %s has no healthcheck here: unless its image "
					    "brings one it never gets healthy",
					    d->service));
	}
}

struct err *lint_project(const struct compose_project *p, const struct pod_host *h,
			 char ***warnings)
{
	struct lint l = { .p = p, .warnings = warnings };

	lint_notes(&l, &p->notes);
	for (size_t i = 0; i < p->n_services; i++) {
		const struct compose_service *s = &p->services[i];

		lint_notes(&l, &s->notes);
		lint_image(&l, s);
		lint_scale(&l, s);
		lint_mode(&l, s);
		lint_namespaces(&l, s);
		lint_mounts(&l, s);
		add(&l, resolve_log_check(s, h, warnings));
	}
	if (p->policy.main && !compose_find(p, p->policy.main))
		add(&l, err_new(EINVAL, "%s: x-slipway.main: there is no service '%s'", p->files[0],
				p->policy.main));
	lint_ports(&l);
	lint_expose(&l);
	lint_join(&l);
	lint_sysctls(&l);
	lint_drivers(&l);
	lint_isolation(&l);
	return l.errors;
}

struct err *pod_lint(const struct compose_project *p, char ***ret_warnings)
{
	struct lint l = { .p = p, .warnings = ret_warnings };

	for (size_t i = 0; i < p->n_services; i++)
		lint_health(&l, &p->services[i]);
	return lint_project(p, NULL, ret_warnings);
}

/* What only the images can tell. */
struct err *lint_plan(const struct pod_plan *plan)
{
	struct err *errors = NULL;

	for (size_t i = 0; i < plan->n_steps; i++) {
		const struct pod_step *s = &plan->steps[i];

		if (s->kind == STEP_WAIT && s->condition == COMPOSE_HEALTHY &&
		    !plan->containers[s->on].health.test)
			errors = err_join(errors,
					  compose_err(s->place,
						      "service %s has no healthcheck to wait for",
						      plan->containers[s->on].service->name));
	}
	return errors;
}
