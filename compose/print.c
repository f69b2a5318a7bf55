/* SPDX-License-Identifier: Apache-2.0 */
/* compose/print.c - the canonical form of a project, and the reference page. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "compose/kinds.h"

/* Docker compose's order: the name, then services, networks, volumes and what is left. */
static const char *const order[] = { "name", "services", "networks", "volumes" };

/* What is printed reads back as what it was: "$" is written "$$". */
static struct err *escape(struct node *n)
{
	if (n->type == NODE_STR && strchr(n->text, '$')) {
		char *text = mem_alloc(2 * strlen(n->text) + 1);
		size_t k = 0;

		for (const char *s = n->text; *s; s++) {
			if (*s == '$')
				text[k++] = '$';
			text[k++] = *s;
		}
		free(n->text);
		n->text = text;
	}
	json_t *probe = n->type == NODE_STR ? json_string(n->text) : NULL;

	if (n->type == NODE_STR && !probe)
		return node_err(n, "the value is not UTF-8");
	json_decref(probe);
	for (size_t i = 0; i < n->n; i++)
		TRY(escape(n->items[i]));
	return NULL;
}

struct err *compose_print(const struct compose_project *p, enum compose_format format, FILE *out)
{
	const struct project *owner = (const struct project *)p;
	auto_node struct node *copy = node_copy(owner->root);
	auto_node struct node *sorted = node_new(NODE_MAP, NULL);
	struct node *services = node_get(copy, "services");

	TRY(escape(copy));

	/* only what is enabled and chosen */
	for (size_t i = services ? services->n : 0; i > 0; i--)
		if (!compose_find(p, services->keys[i - 1]))
			node_free(node_take(services, services->keys[i - 1]));
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		struct node *n = node_take(copy, order[i]);

		if (n)
			node_set(sorted, order[i], n);
	}
	while (copy->n) {
		auto_free char *key = mem_strdup(copy->keys[0]);

		node_set(sorted, key, node_take(copy, key));
	}
	if (format == COMPOSE_YAML)
		return yaml_print(sorted, out);
	node_print_json(sorted, out);
	return NULL;
}

void compose_print_reference(FILE *out)
{
	static const struct {
		const char *title;
		const struct attr *table;
	} pages[] = {
		{ "Top level", project_attrs },
		{ "services.*", service_attrs },
		{ "services.*.ports[]", port_attrs },
		{ "services.*.volumes[]", mount_attrs },
		{ "services.*.volumes[].bind", bind_attrs },
		{ "services.*.volumes[].volume", mount_volume_attrs },
		{ "services.*.volumes[].tmpfs", tmpfs_attrs },
		{ "services.*.depends_on.*", depend_attrs },
		{ "services.*.healthcheck", health_attrs },
		{ "volumes.*", volume_attrs },
		{ "networks.*", network_attrs },
	};

	fputs("# Compose attributes\n\nMade by `make docs` from the tables in compose/tables.c.\n"
	      "`x-` keys are accepted everywhere and kept. Any other key is refused.\n",
	      out);
	for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
		fprintf(out, "\n## %s\n\n", pages[i].title);
		attr_print_reference(pages[i].table, out);
	}
}
