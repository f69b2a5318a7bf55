/* SPDX-License-Identifier: Apache-2.0 */
/* cli/ports.c - ports: where the services of this host's pods are, for people and for proxies. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

struct ports_values {
	const char *format;
	char **filter;
};
#define V(f) offsetof(struct ports_values, f)
const struct opt ports_options[] = {
	{ 0, "filter", OPT_TEXTS, "label=KEY[=VALUE]", V(filter), "only services with this label" },
	{ 0, "format", OPT_TEXT, "FORMAT", V(format), "table, json, a template, or haproxy" },
	{ 0 },
};
#undef V

/* One published port of a running service. */
struct place {
	const struct pod_state *pod;
	const struct pod_service_state *service;
	const char *protocol;
	int64_t port, host_port;
	char *address; /* of this host */
};

struct places {
	struct pod_state **pods;
	size_t n_pods;
	struct place *items;
	size_t n;
};

static void places_clear(struct places *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->items[i].address);
	for (size_t i = 0; i < p->n_pods; i++)
		pod_state_free(p->pods[i]);
	free(p->pods);
	free(p->items);
}
#define auto_places cleanup_with(places_clear)

/* ---- which ---- */

static struct err *check_filters(char *const *filters)
{
	for (; filters && *filters; filters++)
		if (!str_starts(*filters, "label=") || !(*filters)[strlen("label=")])
			return err_new(EINVAL, "--filter: '%s' is not label=KEY or label=KEY=VALUE",
				       *filters);
	return NULL;
}

static bool has_label(char *const *labels, const char *wanted)
{
	size_t n = strlen(wanted);

	for (; labels && *labels; labels++)
		if (strcmp(*labels, wanted) == 0 ||
		    (!strchr(wanted, '=') && strncmp(*labels, wanted, n) == 0 &&
		     (*labels)[n] == '='))
			return true;
	return false;
}

static bool is_wanted(const struct pod_service_state *s, char *const *names, char *const *filters)
{
	auto_strv char **labels = NULL;

	if (strcmp(s->state, "running") != 0 || (names && *names && !strv_has(names, s->service)))
		return false;
	err_ignore(json_get_strv(s->json, "labels", &labels));
	for (; filters && *filters; filters++)
		if (!has_label(labels, *filters + strlen("label=")))
			return false;
	return true;
}

static void add_service(struct places *p, const struct pod_state *pod,
			const struct pod_service_state *s)
{
	const json_t *list = json_at(s->json, "publishers");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);
		const char *address = json_string_value(json_at(one, "URL"));

		p->items = mem_grow(p->items, p->n + 1, sizeof(*p->items));
		p->items[p->n++] = (struct place) {
			.pod = pod,
			.service = s,
			.protocol = json_string_value(json_at(one, "Protocol")),
			.port = json_integer_value(json_at(one, "TargetPort")),
			.host_port = json_integer_value(json_at(one, "PublishedPort")),
			/* published on every address: on this one too */
			.address =
				mem_strdup(!address || strcmp(address, "0.0.0.0") == 0 ? "127.0.0.1"
										       : address),
		};
	}
}

static int by_service(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int service = strcmp(x->service->service, y->service->service);

	if (service)
		return service;
	if (x->port != y->port)
		return x->port < y->port ? -1 : 1;
	return strcmp(x->pod->name, y->pod->name);
}

static struct err *find_places(struct cli *c, const struct ports_values *v, char *const *names,
			       struct places *ret)
{
	TRY(check_filters(v->filter));
	TRY(cli_host(c));
	TRY(pod_state_list(c->host, &ret->pods, &ret->n_pods));
	for (size_t i = 0; i < ret->n_pods; i++) {
		const struct pod_state *pod = ret->pods[i];

		if (!pod->alive || (c->name && strcmp(c->name, pod->name) != 0))
			continue;
		for (size_t k = 0; k < pod->n_services; k++)
			if (is_wanted(&pod->services[k], names, v->filter))
				add_service(ret, pod, &pod->services[k]);
	}
	if (ret->n)
		qsort(ret->items, ret->n, sizeof(*ret->items), by_service);
	return NULL;
}

/* ---- as people read it ---- */

static struct err *print_list(const struct places *p, const char *format)
{
	static const char *const headings[] = {
		"SERVICE", "PORT", "ADDRESS", "HEALTH", "POD", NULL
	};
	auto_listing struct listing *l = NULL;

	TRY(listing_new(format, headings, LISTING_ARRAY, &l));
	for (size_t i = 0; i < p->n; i++) {
		const struct place *one = &p->items[i];
		auto_free char *port = mem_printf("%lld/%s", (long long)one->port, one->protocol);
		auto_free char *address =
			mem_printf("%s:%lld", one->address, (long long)one->host_port);
		json_t *row = json_pack("{s:s, s:I, s:s, s:s, s:I, s:s, s:s}", "Service",
					one->service->service, "Port", (json_int_t)one->port,
					"Protocol", one->protocol, "Address", one->address,
					"PublishedPort", (json_int_t)one->host_port, "Health",
					one->service->health, "Pod", one->pod->name);

		TRY(listing_add(l, row,
				(const char *const[]) { one->service->service, port, address,
							one->service->health, one->pod->name }));
	}
	return listing_print(l, stdout);
}

/* ---- as HAProxy reads it ---- */

/* Names of HAProxy: letters, digits, and - _ . : */
static void print_name(const char *name)
{
	for (; *name; name++)
		putchar(isalnum((unsigned char)*name) || strchr("-_.", *name) ? *name : '_');
}

/* A backend for each service and port, with a server for each pod; what is unhealthy gets no requests. */
static struct err *print_haproxy(const struct places *p)
{
	const struct place *before = NULL;

	puts("# made by 'slipway ports --format haproxy': use_backend SERVICE-PORT");
	for (size_t i = 0; i < p->n; i++) {
		const struct place *one = &p->items[i];

		if (strcmp(one->protocol, "tcp") != 0)
			continue;
		if (!before || before->port != one->port ||
		    strcmp(before->service->service, one->service->service) != 0) {
			fputs("\nbackend ", stdout);
			print_name(one->service->service);
			printf("-%lld\n", (long long)one->port);
		}
		before = one;
		fputs("\tserver ", stdout);
		print_name(one->pod->name);
		printf(" %s:%lld check%s\n", one->address, (long long)one->host_port,
		       strcmp(one->service->health, "unhealthy") == 0 ? " disabled" : "");
	}
	return fflush(stdout) == 0 ? NULL : err_errno("standard output");
}

static bool is_known(const struct cli *c, const struct places *p, const char *name)
{
	for (size_t i = 0; i < p->n_pods; i++) {
		if (c->name && strcmp(c->name, p->pods[i]->name) != 0)
			continue;
		for (size_t k = 0; k < p->pods[i]->n_services; k++)
			if (strcmp(p->pods[i]->services[k].service, name) == 0)
				return true;
	}
	return false;
}

struct err *cmd_ports(struct cli *c, const void *values, char **operands, int *ret_code)
{
	const struct ports_values *v = values;
	auto_places struct places places = { 0 };

	(void)ret_code;
	TRY(find_places(c, v, operands, &places));
	for (char **o = operands; *o; o++)
		if (!is_known(c, &places, *o))
			return err_new(ENOENT, "no such service: %s", *o);
	return str_eq(v->format, "haproxy") ? print_haproxy(&places)
					    : print_list(&places, v->format);
}
