/* SPDX-License-Identifier: Apache-2.0 */
/* compose/check.c - whether a project hangs together, and which of its services are wanted. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "compose/internal.h"

const struct compose_service *compose_find(const struct compose_project *p, const char *service)
{
	for (size_t i = 0; i < p->n_services; i++)
		if (strcmp(p->services[i].name, service) == 0)
			return &p->services[i];
	return NULL;
}

static struct err *check_references(const struct compose_project *p, const struct node *networks,
				    const struct compose_service *s)
{
	struct err *errors = NULL;

	for (size_t i = 0; i < s->volumes.n; i++) {
		const struct compose_mount *m = &s->volumes.items[i];
		size_t k = 0;

		if (m->type != COMPOSE_VOLUME || !m->source)
			continue;
		while (k < p->n_volumes && strcmp(p->volumes[k].key, m->source) != 0)
			k++;
		if (k == p->n_volumes)
			errors = err_join(
				errors,
				compose_err(&m->place,
					    "the volume '%s' is not declared under 'volumes'",
					    m->source));
	}
	for (char **n = s->networks; n && *n; n++)
		if (strcmp(*n, "default") != 0 && !node_get(networks, *n))
			errors = err_join(
				errors,
				compose_err(&s->place,
					    "the network '%s' is not declared under 'networks'",
					    *n));
	for (size_t i = 0; i < s->depends_on.n; i++) {
		const struct compose_depend *d = &s->depends_on.items[i];

		if (!compose_find(p, d->service) && d->required)
			errors = err_join(errors,
					  compose_err(&d->place, "there is no enabled service '%s'",
						      d->service));
	}
	return errors;
}

enum { WHITE, GREY, BLACK, CHAIN_MAX = 1000 };

/* Depth first; a grey service met again closes a cycle, which the error names. */
static struct err *find_cycle(const struct compose_project *p, size_t i, unsigned char *colour,
			      char ***chain)
{
	const struct compose_service *s = &p->services[i];

	if (strv_len(*chain) == CHAIN_MAX)
		return compose_err(&s->place, "a chain of more than %d dependencies", CHAIN_MAX);
	strv_add(chain, mem_strdup(s->name));
	if (colour[i] == GREY) {
		auto_free char *text = strv_join(*chain, " -> ");
		return compose_err(&s->place, "the dependencies go in a circle: %s", text);
	}
	if (colour[i] == WHITE) {
		colour[i] = GREY;
		for (size_t k = 0; k < s->depends_on.n; k++) {
			const struct compose_service *d =
				compose_find(p, s->depends_on.items[k].service);

			if (d)
				TRY(find_cycle(p, (size_t)(d - p->services), colour, chain));
		}
		colour[i] = BLACK;
	}
	size_t last = strv_len(*chain) - 1;

	free((*chain)[last]);
	(*chain)[last] = NULL;
	return NULL;
}

struct err *project_check(const struct compose_project *p, const struct node *root,
			  char *const *names)
{
	const struct node *networks = node_get(root, "networks");
	auto_free unsigned char *colour = mem_alloc(p->n_services);
	struct err *errors = NULL;

	for (size_t i = 0; i < p->n_services; i++)
		errors = err_join(errors, check_references(p, networks, &p->services[i]));
	for (size_t i = 0; i < p->n_services && !errors; i++) {
		auto_strv char **chain = NULL;

		errors = find_cycle(p, i, colour, &chain);
	}
	for (char *const *name = names; name && *name; name++)
		if (!compose_find(p, *name))
			errors = err_join(errors, err_new(ENOENT, "no such service: %s", *name));
	return errors;
}

void project_select(struct compose_project *p, char *const *names)
{
	auto_free bool *chosen = mem_alloc(p->n_services * sizeof(*chosen));
	bool more = true;
	size_t n = 0;

	if (!names || !*names)
		return;
	for (size_t i = 0; i < p->n_services; i++)
		chosen[i] = strv_has(names, p->services[i].name);
	while (more) {
		more = false;
		for (size_t i = 0; i < p->n_services; i++)
			for (size_t k = 0; chosen[i] && k < p->services[i].depends_on.n; k++) {
				const struct compose_service *d =
					compose_find(p, p->services[i].depends_on.items[k].service);

				more |= d && !chosen[d - p->services];
				if (d)
					chosen[d - p->services] = true;
			}
	}
	for (size_t i = 0; i < p->n_services; i++)
		if (chosen[i])
			p->services[n++] = p->services[i];
	p->n_services = n;
}
