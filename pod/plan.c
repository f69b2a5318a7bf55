/* SPDX-License-Identifier: Apache-2.0 */
/* pod/plan.c - a project as a list of small steps. Pure: no I/O, the same input gives the same plan. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

/* ---- which network ---- */

enum pod_network pod_network_of(const struct compose_service *s)
{
	const char *mode = s->network_mode ? s->network_mode : "bridge";

	/* "service:x" is what a pod is anyway */
	return strcmp(mode, "host") == 0   ? POD_NETWORK_HOST
	       : strcmp(mode, "none") == 0 ? POD_NETWORK_NONE
	       : str_starts(mode, "pod:")  ? POD_NETWORK_JOIN
					   : POD_NETWORK_POD;
}

/* The pod has a network when any service wants it; else loopback alone, when any is without. */
static void choose_network(struct pod_plan *plan)
{
	bool wanted[] = { false, false, false, false };

	for (size_t i = 0; i < plan->n_containers; i++) {
		plan->containers[i].network = pod_network_of(plan->containers[i].service);
		wanted[plan->containers[i].network] = true;
		if (plan->containers[i].network == POD_NETWORK_JOIN)
			plan->join = plan->containers[i].service->network_mode + strlen("pod:");
	}
	plan->network = plan->join		   ? POD_NETWORK_JOIN
			: wanted[POD_NETWORK_POD]  ? POD_NETWORK_POD
			: wanted[POD_NETWORK_NONE] ? POD_NETWORK_NONE
						   : POD_NETWORK_HOST;
}

static void add_peer(struct plan_container *c, const char *name)
{
	if (!strv_has(c->peers, name))
		strv_add(&c->peers, mem_strdup(name));
}

/* The names a service has in its networks, and those that the container's own links give it. */
static void add_aliases(struct plan_container *c, const struct compose_service *other)
{
	for (size_t i = 0; i < other->networks.n; i++)
		for (char *const *a = other->networks.items[i].aliases; a && *a; a++)
			add_peer(c, *a);
	for (char *const *link = c->service->links; link && *link; link++) {
		const char *colon = strchr(*link, ':');

		if (colon && (size_t)(colon - *link) == strlen(other->name) &&
		    str_starts(*link, other->name))
			add_peer(c, colon + 1);
	}
}

/* Every service is known to all by its name, its container's name and its host name. */
static void name_peers(struct pod_plan *plan)
{
	for (size_t i = 0; i < plan->n_containers; i++)
		for (size_t k = 0; k < plan->n_containers; k++) {
			struct plan_container *c = &plan->containers[i];
			const struct plan_container *other = &plan->containers[k];

			add_peer(c, other->service->name);
			if (other->service->container_name || other->number > 1)
				add_peer(c, other->name);
			if (k != i && strcmp(other->hostname, other->service->name) != 0)
				add_peer(c, other->hostname);
			add_aliases(c, other->service);
		}
}

/* ---- the steps ---- */

static size_t add_step(struct pod_plan *plan, struct pod_step s)
{
	plan->steps = mem_grow(plan->steps, plan->n_steps + 1, sizeof(*plan->steps));
	plan->steps[plan->n_steps] = s;
	return plan->n_steps++;
}

static void comes_after(struct pod_plan *plan, size_t step, size_t other)
{
	struct pod_step *s = &plan->steps[step];

	s->after = mem_grow(s->after, s->n_after + 1, sizeof(*s->after));
	s->after[s->n_after++] = other;
}

static bool has_volume_step(const struct pod_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->n_steps; i++)
		if (plan->steps[i].kind == STEP_VOLUME && strcmp(plan->steps[i].volume, name) == 0)
			return true;
	return false;
}

static void add_volume_steps(struct pod_plan *plan)
{
	for (size_t i = 0; i < plan->n_containers; i++)
		for (size_t k = 0; k < plan->containers[i].n_mounts; k++) {
			const struct plan_mount *m = &plan->containers[i].mounts[k];

			if (m->type == COMPOSE_VOLUME && !has_volume_step(plan, m->source))
				add_step(plan,
					 (struct pod_step) {
						 .kind = STEP_VOLUME,
						 .volume = m->source,
						 .labels = m->labels,
						 .external = m->external,
						 .place = &plan->containers[i].service->place });
		}
}

/* Container @index waits for every instance of what it depends on; none: that is not enabled, and not required. */
static void add_waits(struct pod_plan *plan, size_t index, const size_t *starts,
		      const struct compose_depend *d)
{
	for (size_t on = 0; on < plan->n_containers; on++) {
		if (strcmp(plan->containers[on].service->name, d->service) != 0)
			continue;
		size_t wait = add_step(plan, (struct pod_step) { .kind = STEP_WAIT,
								 .container = index,
								 .on = on,
								 .condition = d->condition,
								 .required = d->required,
								 .place = &d->place });

		comes_after(plan, wait, starts[on]);
		comes_after(plan, starts[index], wait);
	}
}

/* The order of START steps: what a service waits for is there before. */
static void add_start_steps(struct pod_plan *plan, const size_t *creates, size_t network)
{
	auto_free size_t *starts = mem_alloc((plan->n_containers + 1) * sizeof(*starts));

	for (size_t i = 0; i < plan->n_containers; i++)
		starts[i] =
			add_step(plan, (struct pod_step) { .kind = STEP_START, .container = i });
	for (size_t i = 0; i < plan->n_containers; i++) {
		const struct compose_service *s = plan->containers[i].service;

		comes_after(plan, starts[i], creates[i]);
		comes_after(plan, starts[i], network);
		for (size_t k = 0; k < s->depends_on.n; k++)
			add_waits(plan, i, starts, &s->depends_on.items[k]);
	}
}

static void make_steps(struct pod_plan *plan)
{
	auto_free size_t *creates = mem_alloc((plan->n_containers + 1) * sizeof(*creates));
	bool pod = plan->network == POD_NETWORK_POD, join = plan->network == POD_NETWORK_JOIN;

	add_volume_steps(plan);
	if (pod || join)
		add_step(plan, (struct pod_step) { .kind = STEP_LEASE });
	if (pod || (join && plan->n_ports))
		add_step(plan, (struct pod_step) { .kind = STEP_PUBLISH });
	add_step(plan, (struct pod_step) { .kind = STEP_CGROUP });
	size_t pause = add_step(plan, (struct pod_step) { .kind = STEP_PAUSE });

	/* containers make their mounts while the network is made here */
	for (size_t i = 0; i < plan->n_containers; i++) {
		creates[i] =
			add_step(plan, (struct pod_step) { .kind = STEP_CREATE, .container = i });
		comes_after(plan, creates[i], pause);
	}
	size_t network = plan->network == POD_NETWORK_HOST
				 ? pause
				 : add_step(plan, (struct pod_step) { .kind = STEP_NETWORK });

	if (network != pause)
		comes_after(plan, network, pause);
	add_start_steps(plan, creates, network);
}

/* One container for each instance of the service. */
static struct err *add_instances(struct pod_plan *plan, const struct compose_service *s,
				 const struct image *image, const struct pod_host *h)
{
	int64_t n = compose_scale(s);
	struct err *errors = NULL;

	plan->containers = mem_grow(plan->containers, plan->n_containers + (size_t)n + 1,
				    sizeof(*plan->containers));
	for (int64_t number = 1; number <= n && !errors; number++) {
		struct plan_container *c = &plan->containers[plan->n_containers++];

		errors = resolve_container(plan->project, s, image, number, c);
		if (!errors)
			errors = resolve_log(h, c, NULL, &c->log);
		if (!s->stop_grace_period.set)
			c->grace = config_stop_timeout(h ? h->config : NULL);
	}
	return errors;
}

struct err *pod_plan(const struct compose_project *p, struct image *const *images,
		     const struct pod_host *h, struct pod_plan **ret, char ***ret_warnings)
{
	auto_pod_plan struct pod_plan *plan = mem_alloc(sizeof(*plan));
	struct err *errors = NULL;

	plan->project = p;
	plan->name = p->name;
	TRY(lint_project(p, h, ret_warnings));
	for (size_t i = 0; i < p->n_services; i++)
		errors = err_join(errors, add_instances(plan, &p->services[i], images[i], h));
	TRY(errors);
	if (plan->n_containers == 0)
		return err_new(EINVAL, "%s: no service is enabled", p->files[0]);
	choose_network(plan);
	for (size_t i = 0; i < plan->n_containers; i++)
		if (plan->containers[i].network == POD_NETWORK_POD ||
		    plan->containers[i].network == POD_NETWORK_JOIN)
			TRY(resolve_ports(plan, i));
	name_peers(plan);
	make_steps(plan);
	TRY(lint_plan(plan));
	*ret = steal(&plan);
	return NULL;
}

int64_t pod_stop_time(const struct pod_plan *plan, int64_t timeout)
{
	int64_t sum = 0;

	for (size_t i = 0; i < plan->n_containers; i++)
		sum += timeout >= 0 ? timeout : plan->containers[i].grace;
	return sum;
}

void pod_plan_free(struct pod_plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < plan->n_containers; i++)
		resolve_clear(&plan->containers[i]);
	for (size_t i = 0; i < plan->n_steps; i++)
		free(plan->steps[i].after);
	free(plan->containers);
	free(plan->steps);
	free(plan->ports);
	free(plan->port_owners);
	free(plan);
}

void pod_plan_cleanup(struct pod_plan **plan)
{
	pod_plan_free(*plan);
}

/* ---- printing ---- */

static const char *const conditions[] = { "started", "healthy", "completed" };

const char *step_describe(const struct pod_plan *plan, const struct pod_step *s, char *buffer,
			  size_t size)
{
	const char *service = plan->n_containers ? plan->containers[s->container].key : "";

	switch (s->kind) {
	case STEP_VOLUME:
		snprintf(buffer, size, "volume %s%s", s->volume, s->external ? " (external)" : "");
		break;
	case STEP_LEASE:
		snprintf(buffer, size, "%s%s",
			 plan->join ? "join the network of pod " : "lease an address",
			 plan->join ? plan->join : "");
		break;
	case STEP_PUBLISH:
		snprintf(buffer, size, "publish %zu port%s", plan->n_ports,
			 plan->n_ports == 1 ? "" : "s");
		break;
	case STEP_CGROUP:
		snprintf(buffer, size, "cgroup of the pod");
		break;
	case STEP_PAUSE:
		snprintf(buffer, size, "start the pod's init");
		break;
	case STEP_NETWORK:
		snprintf(buffer, size, "%s",
			 plan->network == POD_NETWORK_POD    ? "connect the network"
			 : plan->network == POD_NETWORK_JOIN ? "forward published ports"
							     : "bring loopback up");
		break;
	case STEP_CREATE:
		snprintf(buffer, size, "create %s from %s", service,
			 plan->containers[s->container].image->name);
		break;
	case STEP_WAIT:
		snprintf(buffer, size, "%s waits until %s is %s%s", service,
			 plan->containers[s->on].key, conditions[s->condition],
			 s->required ? "" : " (not required)");
		break;
	case STEP_START:
		snprintf(buffer, size, "start %s", service);
		break;
	}
	return buffer;
}

void pod_plan_print(const struct pod_plan *plan, FILE *out)
{
	char text[512];

	fprintf(out, "pod %s\n", plan->name);
	for (size_t i = 0; i < plan->n_steps; i++) {
		const struct pod_step *s = &plan->steps[i];

		fprintf(out, "%3zu  %s", i + 1, step_describe(plan, s, text, sizeof(text)));
		for (size_t k = 0; k < s->n_after; k++)
			fprintf(out, "%s%zu", k ? ", " : "  [after ", s->after[k] + 1);
		fputs(s->n_after ? "]\n" : "\n", out);
		for (size_t k = 0; s->kind == STEP_PUBLISH && k < plan->n_ports; k++) {
			const struct compose_port *p = plan->port_owners[k].port;

			fprintf(out, "       %s:%s -> %lld/%s\n",
				p->host_ip ? p->host_ip : "0.0.0.0",
				p->published ? p->published : "any", (long long)p->target.value,
				p->protocol);
		}
		if (s->kind == STEP_CREATE) {
			auto_free char *argv = strv_join(plan->containers[s->container].argv, " ");

			fprintf(out, "       runs: %s\n", argv);
			for (size_t k = 0; k < plan->containers[s->container].n_mounts; k++) {
				const struct plan_mount *m =
					&plan->containers[s->container].mounts[k];

				fprintf(out, "       mount: %s%s%s\n",
					m->source  ? m->source
					: m->given ? "a file"
						   : "tmpfs",
					" on ", m->target);
			}
		}
	}
}

json_t *pod_plan_json(const struct pod_plan *plan)
{
	json_t *root = json_object(), *steps = json_array();
	char text[512];

	json_put_str(root, "pod", plan->name);
	for (size_t i = 0; i < plan->n_steps; i++) {
		json_t *step = json_object(), *after = json_array();

		json_put_int(step, "step", (int64_t)i + 1);
		json_put_str(step, "what",
			     step_describe(plan, &plan->steps[i], text, sizeof(text)));
		for (size_t k = 0; k < plan->steps[i].n_after; k++)
			json_array_append_new(after,
					      json_integer((json_int_t)plan->steps[i].after[k] +
							   1));
		json_object_set_new(step, "after", after);
		json_array_append_new(steps, step);
	}
	json_object_set_new(root, "steps", steps);
	return root;
}
