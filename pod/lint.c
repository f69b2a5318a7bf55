/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod/lint.c - where one shared network and one supervisor cannot honour what a file says.
 *
 * Refused before anything is pulled or started when the pod would not work;
 * warned about when it works otherwise than the file's author may think.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

static void warn(char ***warnings, const struct compose_place *at, const char *what)
{
	auto_err struct err *e = compose_err(at, "%s", what);

	strv_add(warnings, mem_strdup(err_text(e)));
}

static bool same_address(struct in_addr a, struct in_addr b)
{
	return a.s_addr == b.s_addr || a.s_addr == INADDR_ANY || b.s_addr == INADDR_ANY;
}

/* Two services cannot listen on one port of one network. */
static struct err *lint_target(const struct pod_plan *plan, size_t i)
{
	const struct compose_port *port = plan->port_owners[i].port;

	for (size_t k = 0; k < i; k++) {
		const struct compose_port *other = plan->port_owners[k].port;

		if (plan->ports[k].target != plan->ports[i].target ||
		    plan->ports[k].protocol != plan->ports[i].protocol ||
		    plan->port_owners[k].container == plan->port_owners[i].container)
			continue;
		return compose_err(&port->place,
				   "container port %u/%s is already used by service %s (%s:%u); "
				   "all services of a pod share one network: change one of them",
				   plan->ports[i].target, port->protocol,
				   plan->containers[plan->port_owners[k].container].service->name,
				   other->place.file, other->place.line);
	}
	return NULL;
}

static struct err *lint_published(const struct pod_plan *plan, size_t i)
{
	const struct netns_port *p = &plan->ports[i];
	const struct compose_port *port = plan->port_owners[i].port;

	for (size_t k = 0; k < i; k++) {
		const struct netns_port *q = &plan->ports[k];

		if (p->first == 0 || p->first != p->last || q->first != p->first ||
		    q->last != p->last || q->protocol != p->protocol ||
		    !same_address(p->host_ip, q->host_ip))
			continue;
		return compose_err(&port->place,
				   "host port %u/%s is published twice; first in %s:%u", p->first,
				   port->protocol, plan->port_owners[k].port->place.file,
				   plan->port_owners[k].port->place.line);
	}
	return NULL;
}

static struct err *lint_ports(const struct pod_plan *plan)
{
	struct err *errors = NULL;

	for (size_t i = 0; i < plan->n_ports; i++) {
		errors = err_join(errors, lint_target(plan, i));
		errors = err_join(errors, lint_published(plan, i));
	}
	if (plan->n_ports && plan->network == POD_NETWORK_NONE)
		errors = err_join(errors, compose_err(&plan->port_owners[0].port->place,
						      "network_mode none publishes no ports"));
	return errors;
}

/* A kernel parameter of the shared network has one value. */
static struct err *lint_sysctls(const struct pod_plan *plan)
{
	auto_strv char **seen = NULL;

	for (size_t i = 0; i < plan->n_containers; i++) {
		const struct compose_service *s = plan->containers[i].service;

		for (char *const *a = s->sysctls; a && *a; a++) {
			auto_free char *key = mem_strndup(*a, strcspn(*a, "="));
			const char *other = str_starts(key, "net.") ? env_get(seen, key) : NULL;

			if (other && strcmp(other, *a + strlen(key) + 1) != 0)
				return compose_err(&s->place,
						   "sysctls: %s has two values in this pod; the "
						   "network is shared",
						   key);
			env_set(&seen, *a);
		}
	}
	return NULL;
}

/* Where the network is the host's, its parameters are too; and nothing is published. */
static struct err *lint_host(const struct pod_plan *plan, char ***warnings)
{
	for (size_t i = 0; i < plan->n_containers && plan->network == POD_NETWORK_HOST; i++) {
		const struct compose_service *s = plan->containers[i].service;

		for (char *const *a = s->sysctls; a && *a; a++)
			if (str_starts(*a, "net."))
				return compose_err(&s->place,
						   "sysctls: %.*s would be the host's, whose "
						   "network this is",
						   (int)strcspn(*a, "="), *a);
	}
	for (size_t i = 0; i < plan->n_ports && plan->network == POD_NETWORK_HOST; i++)
		warn(warnings, &plan->port_owners[i].port->place,
		     "network_mode host publishes no ports: the service listens on the host "
		     "itself");
	return NULL;
}

/* Services that share no network in the file reach each other all the same. */
static void lint_isolation(const struct pod_plan *plan, char ***warnings)
{
	for (size_t i = 0; i < plan->n_containers; i++)
		for (size_t k = 0; k < i; k++) {
			const struct compose_service *a = plan->containers[i].service,
						     *b = plan->containers[k].service;
			bool shared = !a->networks || !b->networks;

			for (char *const *n = a->networks; n && *n && !shared; n++)
				shared = strv_has(b->networks, *n);
			if (shared)
				continue;
			auto_free char *what = mem_printf(
				"networks are collapsed into the pod's one: %s can reach %s",
				a->name, b->name);

			warn(warnings, &a->place, what);
			return;
		}
}

static struct err *lint_health(const struct pod_plan *plan)
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

static void lint_binds(const struct pod_plan *plan, char ***warnings)
{
	for (size_t i = 0; i < plan->n_containers; i++)
		for (size_t k = 0; k < plan->containers[i].n_mounts; k++) {
			const struct plan_mount *m = &plan->containers[i].mounts[k];

			if (m->source && str_ends(m->source, "/docker.sock"))
				warn(warnings, &plan->containers[i].service->place,
				     "docker.sock is mounted: whoever reaches it owns the host, if "
				     "an engine is there at all");
		}
}

struct err *lint_project(const struct pod_plan *plan, char ***warnings)
{
	struct err *errors = lint_ports(plan);

	errors = err_join(errors, lint_sysctls(plan));
	errors = err_join(errors, lint_health(plan));
	errors = err_join(errors, lint_host(plan, warnings));
	lint_isolation(plan, warnings);
	lint_binds(plan, warnings);
	return errors;
}
