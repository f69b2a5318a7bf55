/* SPDX-License-Identifier: Apache-2.0 */
/* compose/kind_list.c - the kinds of lists of strings: commands, hosts, capabilities, paths. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "compose/kinds.h"

/* ---- strings ---- */

struct err *kind_norm_list(const struct loader *l, const struct attr *a, struct node **n)
{
	(void)l;
	(void)a;
	if ((*n)->type != NODE_LIST)
		return kind_want(*n, "a list of strings");
	for (size_t i = 0; i < (*n)->n; i++)
		if ((*n)->items[i]->type != NODE_STR)
			return kind_want((*n)->items[i], "a string");
	return NULL;
}

/* No entry twice, not even in two files. */
static struct err *norm_distinct(const struct loader *l, const struct attr *a, struct node **n)
{
	auto_node struct node *seen = node_new(NODE_MAP, NULL);

	TRY(kind_norm_list(l, a, n));
	for (size_t i = 0; i < (*n)->n; i++) {
		const struct node *item = (*n)->items[i];

		if (node_get(seen, item->text))
			return node_err(item, "'%s' is given twice", item->text);
		node_set(seen, item->text, node_new(NODE_NULL, NULL));
	}
	return NULL;
}

static struct err *norm_different(const struct loader *l, const struct attr *a, struct node **n)
{
	for (size_t i = 0; (*n)->type == NODE_LIST && i < (*n)->n; i++)
		if ((*n)->items[i]->type == NODE_INT)
			(*n)->items[i]->type = NODE_STR;
	return norm_distinct(l, a, n);
}

static struct err *norm_texts(const struct loader *l, const struct attr *a, struct node **n)
{
	for (size_t i = 0; (*n)->type == NODE_LIST && i < (*n)->n; i++)
		if ((*n)->items[i]->type == NODE_INT)
			(*n)->items[i]->type = NODE_STR;
	return kind_norm_list(l, a, n);
}

void kind_alone(struct node **n)
{
	struct node *list = node_new(NODE_LIST, *n);

	node_append(list, node_copy(*n));
	kind_become(n, list);
}

void kind_widen_list(const struct attr *a, struct node **n)
{
	(void)a;
	if ((*n)->type == NODE_STR && *(*n)->text)
		kind_alone(n);
	else if ((*n)->type == NODE_STR) /* an unset variable, say */
		kind_become(n, node_new(NODE_LIST, *n));
}

/* Keys of agents, "ID" or "ID=PATH". */
static void widen_ssh(const struct attr *a, struct node **n)
{
	struct node *list = node_new(NODE_LIST, *n);

	(void)a;
	for (size_t i = 0; (*n)->type == NODE_MAP && i < (*n)->n; i++) {
		const struct node *item = (*n)->items[i];
		auto_free char *text = item->type == NODE_NULL || !node_is_scalar(item)
					       ? mem_strdup((*n)->keys[i])
					       : mem_printf("%s=%s", (*n)->keys[i], item->text);

		node_append(list, node_scalar(NODE_STR, text, item));
	}
	if ((*n)->type == NODE_MAP)
		kind_become(n, list);
	else
		node_free(list);
}

static struct err *norm_strv(const struct loader *l, const struct attr *a, struct node **n)
{
	if ((*n)->type != NODE_LIST)
		return kind_want(*n, "a string or a list of strings");
	return kind_norm_list(l, a, n);
}

static struct err *norm_paths(const struct loader *l, const struct attr *a, struct node **n)
{
	TRY(norm_strv(l, a, n));
	for (size_t i = 0; i < (*n)->n; i++) {
		struct node *item = (*n)->items[i];
		char *path = load_path(l, item, item->text);

		free(item->text);
		item->text = path;
	}
	return NULL;
}

char *kind_identity_text(const struct node *item)
{
	return mem_strdup(node_is_scalar(item) ? item->text : "");
}

char **kind_strings(struct loader *l, const struct node *list)
{
	char **v = list->n ? mem_alloc((list->n + 1) * sizeof(*v)) : NULL;

	for (size_t i = 0; i < list->n; i++)
		v[i] = mem_strdup(list->items[i]->text);
	return keep_strv(l, v);
}

static struct err *read_strv(struct loader *l, const struct attr *a, const struct node *n,
			     void *field)
{
	(void)a;
	*(char ***)field = kind_strings(l, n);
	return NULL;
}

/* Upper case with CAP_, or ALL. */
static struct err *read_caps(struct loader *l, const struct attr *a, const struct node *n,
			     void *field)
{
	char **v = kind_strings(l, n);

	(void)a;
	for (char **p = v; p && *p; p++) {
		auto_free char *text = *p;
		bool whole = strncasecmp(text, "CAP_", 4) == 0 || strcasecmp(text, "ALL") == 0;

		*p = whole ? mem_strdup(text) : mem_printf("CAP_%s", text);
		for (char *c = *p; *c; c++)
			*c = (char)toupper((unsigned char)*c);
	}
	*(char ***)field = v;
	return NULL;
}

/* ---- commands ---- */

static struct err *norm_words(const struct loader *l, const struct attr *a, struct node **n)
{
	auto_strv char **words = NULL;

	if ((*n)->type == NODE_NULL)
		return NULL;
	if ((*n)->type != NODE_STR)
		return (*n)->type == NODE_LIST ? kind_norm_list(l, a, n)
					       : kind_want(*n, "a string or a list of strings");
	const char *rest = "";

	TRY(kind_at(*n, scalar_words((*n)->text, &words, &rest)));
	if (*rest)
		keep_warning((struct loader *)l, *n,
			     "'%s' is left out: no shell is run. For one write "
			     "[\"sh\", \"-c\", \"...\"]",
			     rest);
	struct node *list = node_new(NODE_LIST, *n);

	for (char **w = words; w && *w; w++)
		node_append(list, node_scalar(NODE_STR, *w, *n));
	kind_become(n, list);
	return NULL;
}

static struct err *read_words(struct loader *l, const struct attr *a, const struct node *n,
			      void *field)
{
	struct compose_words *w = field;

	(void)a;
	w->set = n->type != NODE_NULL;
	if (w->set)
		w->v = kind_strings(l, n);
	return NULL;
}

static void widen_test(const struct attr *a, struct node **n)
{
	(void)a;
	if ((*n)->type != NODE_STR)
		return;
	struct node *list = node_new(NODE_LIST, *n);

	node_append(list, node_scalar(NODE_STR, "CMD-SHELL", *n));
	node_append(list, node_scalar(NODE_STR, (*n)->text, *n));
	kind_become(n, list);
}

static struct err *norm_test(const struct loader *l, const struct attr *a, struct node **n)
{
	static const char *const kinds[] = { "NONE", "CMD", "CMD-SHELL", NULL };

	TRY(norm_strv(l, a, n));
	if ((*n)->n && !str_one_of((*n)->items[0]->text, kinds))
		return node_err((*n)->items[0], "must be NONE, CMD or CMD-SHELL");
	return NULL;
}

/* ---- hosts ---- */

/* "HOST=ADDRESS"; @address may be in brackets. */
static void add_host(struct node *list, const struct node *at, const char *host, size_t host_length,
		     const char *address)
{
	size_t n = strlen(address);
	bool bracket = n > 2 && *address == '[' && address[n - 1] == ']';
	auto_free char *text = mem_printf("%.*s=%.*s", (int)host_length, host,
					  (int)(bracket ? n - 2 : n), address + bracket);

	node_append(list, node_scalar(NODE_STR, text, at));
}

/* A mapping of hosts to one or more addresses becomes a list. */
static void widen_hosts(const struct attr *a, struct node **n)
{
	(void)a;
	if ((*n)->type != NODE_MAP)
		return;
	struct node *list = node_new(NODE_LIST, *n);

	for (size_t i = 0; i < (*n)->n; i++) {
		const struct node *item = (*n)->items[i];
		const char *host = (*n)->keys[i];

		for (size_t k = 0; k < (item->type == NODE_LIST ? item->n : 1); k++) {
			const struct node *one = item->type == NODE_LIST ? item->items[k] : item;

			if (one->type == NODE_STR && *host)
				add_host(list, one, host, strlen(host), one->text);
			else
				node_append(list, node_copy(one)); /* to be refused */
		}
	}
	kind_become(n, list);
}

static struct err *norm_hosts(const struct loader *l, const struct attr *a, struct node **n)
{
	auto_node struct node *list = node_new(NODE_LIST, *n);

	(void)l;
	(void)a;
	if ((*n)->type != NODE_LIST)
		return kind_want(*n, "a mapping or a list of HOST=ADDRESS");
	for (size_t i = 0; i < (*n)->n; i++) {
		const struct node *one = (*n)->items[i];

		if (one->type != NODE_STR)
			return kind_want(one, "a string HOST=ADDRESS");
		const char *text = one->text;
		size_t length = strcspn(text, strchr(text, '=') ? "=" : ":");

		if (!length || !text[length])
			return node_err(one, "'%s' is not HOST=ADDRESS", text);
		auto_strv char **addresses = str_split(text + length + 1, ",");

		if (!addresses)
			add_host(list, one, text, length, "");
		for (char **p = addresses; p && *p; p++)
			add_host(list, one, text, length, *p);
	}
	kind_become(n, steal(&list));
	return NULL;
}

/* clang-format off */
const struct kind kind_list  = { .label = "list of strings", .zero = "", .normalise = kind_norm_list, .identity = kind_identity_text, .read = read_strv };
const struct kind kind_distinct = { .label = "list of different strings", .zero = "", .normalise = norm_distinct, .read = read_strv };
const struct kind kind_texts = { .label = "list of strings or numbers", .zero = "", .normalise = norm_texts, .identity = kind_identity_text, .read = read_strv };
const struct kind kind_different = { .label = "list of different strings or numbers", .zero = "", .normalise = norm_different, .read = read_strv };
const struct kind kind_strv  = { .label = "string or list", .zero = "", .widen = kind_widen_list, .normalise = norm_strv, .identity = kind_identity_text, .read = read_strv };
const struct kind kind_paths = { .label = "path or list of paths", .zero = "", .widen = kind_widen_list, .normalise = norm_paths, .identity = kind_identity_text, .read = read_strv };
const struct kind kind_ssh   = { .label = "list of ID[=PATH], or mapping", .zero = "", .widen = widen_ssh, .normalise = kind_norm_list, .identity = kind_identity_text, .read = read_strv };
const struct kind kind_caps  = { .label = "list of capabilities", .zero = "", .normalise = kind_norm_list, .identity = kind_identity_text, .read = read_caps };
const struct kind kind_words = { .label = "string or list", .null = true, .normalise = norm_words, .read = read_words };
const struct kind kind_test  = { .label = "string or list", .zero = "", .widen = widen_test, .normalise = norm_test, .read = read_words };
const struct kind kind_hosts = { .label = "list of HOST=ADDRESS, or mapping", .zero = "", .widen = widen_hosts, .normalise = norm_hosts, .identity = kind_identity_text, .read = read_strv };
/* clang-format on */
