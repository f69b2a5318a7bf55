/* SPDX-License-Identifier: Apache-2.0 */
/* compose/print.c - the canonical form of a project, and the reference page. */
#include <ctype.h>
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

/* As docker compose's JSON has it: "Path", "Rate" and "Weight". */
static void capitalise(struct node *blkio)
{
	for (size_t i = 0; blkio && blkio->type == NODE_MAP && i < blkio->n; i++)
		for (size_t k = 0; k < blkio->items[i]->n; k++) {
			struct node *item = blkio->items[i]->items[k];

			for (size_t m = 0; item->type == NODE_MAP && m < item->n; m++)
				item->keys[m][0] = (char)toupper((unsigned char)item->keys[m][0]);
		}
}

/* What docker compose's JSON does not show: extensions of services and others, and models. */
static void prepare(struct node *root, bool json)
{
	struct node *services = node_get(root, "services");
	const struct node *networks = node_get(root, "networks");

	attr_prune(project_attrs, root, json);
	for (size_t i = 0; networks && networks->type == NODE_MAP && i < networks->n; i++)
		node_free(node_take(node_get(networks->items[i], "ipam"), "options"));
	for (size_t i = 0; json && services && i < services->n; i++)
		capitalise(node_get(services->items[i], "blkio_config"));
	if (json)
		node_free(node_take(root, "models"));
}

struct err *compose_print(const struct compose_project *p, enum compose_format format, FILE *out)
{
	const struct project *owner = (const struct project *)p;
	auto_node struct node *copy = node_copy(owner->root);
	auto_node struct node *sorted = node_new(NODE_MAP, NULL);

	if (!owner->raw)
		TRY(escape(copy));
	prepare(copy, format == COMPOSE_JSON);
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
		return emit_yaml(sorted, out);
	emit_json(sorted, out);
	return NULL;
}

struct err *compose_print_text(const struct compose_project *p, enum compose_format format,
			       char **ret)
{
	size_t len;
	FILE *out = open_memstream(ret, &len);

	if (!out)
		return err_errno("print project %s", p->name);
	struct err *e = compose_print(p, format, out);

	fclose(out);
	return e;
}

void compose_set_image(struct compose_project *p, const char *service, const char *image)
{
	const struct project *owner = (const struct project *)p;
	struct node *n = node_get(node_get(owner->root, "services"), service);

	kind_set(n, "image", NODE_STR, image);
}

void compose_keep_images(struct compose_project *p)
{
	const struct project *owner = (const struct project *)p;
	const struct node *services = node_get(owner->root, "services");

	for (size_t i = owner->root->n; i > 0; i--)
		if (strcmp(owner->root->keys[i - 1], "services") != 0)
			node_remove_item(owner->root, i - 1);
	for (size_t i = 0; services && i < services->n; i++) {
		struct node *n = services->items[i];

		for (size_t k = n->n; k > 0; k--)
			if (strcmp(n->keys[k - 1], "image") != 0)
				node_remove_item(n, k - 1);
	}
}

/* What the service's configs and secrets are made of; not what is in their files. */
static void emit_used(const struct project *owner, const struct node *service, const char *kind,
		      FILE *out)
{
	const struct node *used = node_get(service, kind);

	for (size_t i = 0; used && i < used->n; i++) {
		const struct node *name = node_get(used->items[i], "source");
		const struct node *what =
			name ? node_get(node_get(owner->root, kind), name->text) : NULL;

		if (what)
			emit_json(what, out);
	}
}

char *compose_text(const struct compose_project *p, const struct compose_service *s)
{
	static const char *const unimportant[] = { "build", "pull_policy", "scale", "profiles",
						   "depends_on" };
	const struct project *owner = (const struct project *)p;
	auto_node struct node *copy =
		node_copy(node_get(node_get(owner->root, "services"), s->name));
	struct node *deploy = node_get(copy, "deploy");
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	for (size_t i = 0; i < ARRAY_LEN(unimportant); i++)
		node_free(node_take(copy, unimportant[i]));
	if (deploy)
		node_free(node_take(deploy, "replicas"));
	attr_prune(service_attrs, copy, true); /* said or not, it is the same */
	emit_json(copy, out);
	emit_used(owner, copy, "configs", out);
	emit_used(owner, copy, "secrets", out);
	fclose(out);
	return text;
}

/* ---- variables ---- */

struct seen {
	struct compose_variable *items;
	size_t n;
};

static const char *nothing(const void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
	return NULL;
}

/* The last that says something about a variable is believed. */
static void see(void *ctx, const char *name, char operator, const char * word)
{
	struct seen *seen = ctx;
	size_t i = 0;

	while (i < seen->n && strcmp(seen->items[i].name, name) != 0)
		i++;
	if (i == seen->n) {
		seen->items = mem_grow(seen->items, ++seen->n, sizeof(*seen->items));
		seen->items[i] = (struct compose_variable) { mem_strdup(name), mem_strdup(""),
							     mem_strdup(""), false };
	}
	char **field = operator== '-' ? &seen->items[i].fallback :
		       operator== '+' ? &seen->items[i].alternate
				      : NULL;

	seen->items[i].required |= operator== '?';
	if (!field)
		return;
	free(*field);
	*field = mem_strdup(word);
}

static void find_in_text(const char *text, struct seen *seen)
{
	struct lookup l = { .fn = nothing, .seen = see, .seen_ctx = seen };
	char *value = NULL;

	if (strchr(text, '$'))
		err_ignore(interpolate(text, &l, &value));
	free(value);
}

/* Also in keys: "${NAME}=value" of a list has become one. */
static void find_variables(const struct node *n, struct seen *seen)
{
	if (n->type == NODE_STR)
		find_in_text(n->text, seen);
	for (size_t i = 0; i < n->n; i++) {
		if (n->type == NODE_MAP)
			find_in_text(n->keys[i], seen);
		find_variables(n->items[i], seen);
	}
}

static int by_name(const void *a, const void *b)
{
	const struct compose_variable *x = a, *y = b;

	return strcmp(x->name, y->name);
}

void compose_variables(const struct compose_project *p, struct compose_variable **ret,
		       size_t *ret_n)
{
	const struct project *owner = (const struct project *)p;
	struct seen seen = { NULL, 0 };

	find_variables(owner->root, &seen);
	if (seen.n)
		qsort(seen.items, seen.n, sizeof(*seen.items), by_name);
	*ret = seen.items;
	*ret_n = seen.n;
}

void compose_variables_free(struct compose_variable *take_v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(take_v[i].name);
		free(take_v[i].fallback);
		free(take_v[i].alternate);
	}
	free(take_v);
}

static struct node *variable_node(const struct compose_variable *v, bool json)
{
	struct node *n = node_new(NODE_MAP, NULL);
	const char *required = v->required ? "true" : "false";

	node_set(n, json ? "Name" : "name", node_scalar(NODE_STR, v->name, NULL));
	node_set(n, json ? "DefaultValue" : "defaultvalue",
		 node_scalar(NODE_STR, v->fallback, NULL));
	node_set(n, json ? "PresenceValue" : "presencevalue",
		 node_scalar(NODE_STR, v->alternate, NULL));
	node_set(n, json ? "Required" : "required", node_scalar(NODE_BOOL, required, NULL));
	return n;
}

struct err *compose_print_variables(const struct compose_project *p, enum compose_format format,
				    FILE *out)
{
	auto_node struct node *all = node_new(NODE_MAP, NULL);
	struct compose_variable *variables = NULL;
	size_t n = 0;

	compose_variables(p, &variables, &n);
	for (size_t i = 0; i < n; i++)
		node_set(all, variables[i].name,
			 variable_node(&variables[i], format == COMPOSE_JSON));
	compose_variables_free(variables, n);
	if (format == COMPOSE_YAML)
		return emit_yaml(all, out);
	emit_json(all, out);
	return NULL;
}

/* ---- the reference ---- */

void compose_print_reference(FILE *out)
{
	fputs("# Compose attributes\n\nMade by `make docs` from the tables in compose/tables*.c.\n"
	      "`x-` keys are accepted everywhere and kept. Any other key is refused.\n",
	      out);
	attr_print_reference(out);
}
