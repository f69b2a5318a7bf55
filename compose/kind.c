/* SPDX-License-Identifier: Apache-2.0 */
/* compose/kind.c - how each shape of value is checked, made canonical and read. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "compose/kinds.h"

typedef struct err *parse_int_fn(const char *text, int64_t *ret);

struct err *node_want(const struct node *n, const char *what)
{
	static const char *const names[] = { "nothing",	 "true or false", "a number", "a number",
					     "a string", "a list",	  "a mapping" };

	return node_err(n, "must be %s, not %s", what, names[n->type]);
}

static struct err *at_node(const struct node *n, struct err *take_e)
{
	auto_err struct err *e = take_e;

	return e ? node_err(n, "%s", err_text(e)) : NULL;
}

/* Puts @take_new where *n was. */
void node_become(struct node **n, struct node *take_new)
{
	take_new->parent = (*n)->parent;
	take_new->key = (*n)->key;
	node_free(*n);
	*n = take_new;
}

/* ---- scalars ---- */

static struct err *norm_str(const struct loader *l, const struct attr *a, struct node **n)
{
	(void)l;
	(void)a;
	return (*n)->type == NODE_STR || (*n)->type == NODE_NULL ? NULL : node_want(*n, "a string");
}

static struct err *norm_text(const struct loader *l, const struct attr *a, struct node **n)
{
	(void)l;
	(void)a;
	if ((*n)->type == NODE_INT || (*n)->type == NODE_FLOAT)
		(*n)->type = NODE_STR;
	return norm_str(l, a, n);
}

static struct err *read_str(struct loader *l, const struct attr *a, const struct node *n,
			    void *field)
{
	(void)l;
	(void)a;
	*(const char **)field = n->text;
	return NULL;
}

static struct err *norm_signal(const struct loader *l, const struct attr *a, struct node **n)
{
	int number;

	TRY(norm_str(l, a, n));
	return at_node(*n, proc_signal_parse((*n)->text, &number));
}

static struct err *norm_restart(const struct loader *l, const struct attr *a, struct node **n)
{
	static const char *const words[] = { "no", "always", "unless-stopped", "on-failure", NULL };
	int64_t retries;

	if ((*n)->type == NODE_BOOL && strcmp((*n)->text, "false") == 0)
		node_become(n, node_scalar(NODE_STR, "no", *n));
	TRY(norm_str(l, a, n));
	if (str_one_of((*n)->text, words))
		return NULL;
	if (str_starts((*n)->text, "on-failure:"))
		return at_node(*n, str_number((*n)->text + strlen("on-failure:"), 0, INT32_MAX,
					      &retries));
	return node_err(*n,
			"'%s' is not a restart policy; there are no, always, unless-stopped and "
			"on-failure[:N]",
			(*n)->text);
}

static struct err *norm_flag(const struct loader *l, const struct attr *a, struct node **n)
{
	bool value = false;

	(void)l;
	(void)a;
	if ((*n)->type == NODE_BOOL)
		return NULL;
	if ((*n)->type != NODE_STR)
		return node_want(*n, "true or false");
	TRY(at_node(*n, scalar_bool((*n)->text, &value)));
	node_become(n, node_scalar(NODE_BOOL, value ? "true" : "false", *n));
	return NULL;
}

static struct err *read_flag(struct loader *l, const struct attr *a, const struct node *n,
			     void *field)
{
	(void)l;
	(void)a;
	*(bool *)field = strcmp(n->text, "true") == 0;
	return NULL;
}

static struct err *parse_int(const char *text, int64_t *ret)
{
	return str_number(text, INT64_MIN, INT64_MAX, ret);
}

static struct err *norm_number(struct node *n, const char *what, bool word, parse_int_fn *parse)
{
	int64_t value;

	if (n->type == NODE_LIST || n->type == NODE_MAP || n->type == NODE_BOOL)
		return node_want(n, what);
	if (word && n->type != NODE_STR)
		return node_err(n, "must be a string with a unit, \"%ss\" for seconds", n->text);
	return at_node(n, parse(n->text, &value));
}

static struct err *norm_int(const struct loader *l, const struct attr *a, struct node **n)
{
	(void)l;
	(void)a;
	int64_t value = 0;

	TRY(norm_number(*n, "a number", false, parse_int));
	TRY(at_node(*n, parse_int((*n)->text, &value)));
	auto_free char *text = mem_printf("%lld", (long long)value);

	node_become(n, node_scalar(NODE_INT, text, *n)); /* "010" is ten, and no JSON */
	return NULL;
}

static struct err *norm_nano(const struct loader *l, const struct attr *a, struct node **n)
{
	(void)l;
	(void)a;
	return norm_number(*n, "a number", false, scalar_nano);
}

static struct err *norm_size(const struct loader *l, const struct attr *a, struct node **n)
{
	int64_t value = 0;

	(void)l;
	(void)a;
	TRY(norm_number(*n, "a size", false, compose_parse_bytes));
	TRY(compose_parse_bytes((*n)->text, &value));
	auto_free char *text = mem_printf("%lld", (long long)value);

	node_become(n, node_scalar(NODE_STR, text, *n)); /* bytes, as docker compose prints them */
	return NULL;
}

static struct err *norm_time(const struct loader *l, const struct attr *a, struct node **n)
{
	(void)l;
	(void)a;
	return norm_number(*n, "a duration", true, compose_parse_duration);
}

static struct err *read_number(const struct node *n, void *field, parse_int_fn *parse)
{
	struct compose_int *v = field;

	v->set = true;
	return at_node(n, parse(n->text, &v->value));
}

#define READ_NUMBER(name, parse)                                                              \
	static struct err *name(struct loader *l, const struct attr *a, const struct node *n, \
				void *f)                                                      \
	{                                                                                     \
		(void)l;                                                                      \
		(void)a;                                                                      \
		return read_number(n, f, parse);                                              \
	}
READ_NUMBER(read_int, parse_int)
READ_NUMBER(read_nano, scalar_nano)
READ_NUMBER(read_size, compose_parse_bytes)
READ_NUMBER(read_time, compose_parse_duration)

const struct kind kind_str = { "string", norm_str, NULL, read_str };
const struct kind kind_text = { "string or number", norm_text, NULL, read_str };
const struct kind kind_signal = { "signal", norm_signal, NULL, read_str };
const struct kind kind_restart = { "restart policy", norm_restart, NULL, read_str };
const struct kind kind_flag = { "true or false", norm_flag, NULL, read_flag };
const struct kind kind_int = { "number", norm_int, NULL, read_int };
const struct kind kind_nano = { "number with a fraction", norm_nano, NULL, read_nano };
const struct kind kind_size = { "size (64m, 1.5g)", norm_size, NULL, read_size };
const struct kind kind_time = { "duration (1m30s)", norm_time, NULL, read_time };

/* ---- lists of strings ---- */

struct err *node_scalars(struct node *list)
{
	for (size_t i = 0; i < list->n; i++) {
		if (list->items[i]->type == NODE_INT || list->items[i]->type == NODE_FLOAT)
			list->items[i]->type = NODE_STR;
		if (list->items[i]->type != NODE_STR)
			return node_want(list->items[i], "a string");
	}
	return NULL;
}

static struct err *norm_list(const struct loader *l, const struct attr *a, struct node **n)
{
	(void)l;
	(void)a;
	return (*n)->type == NODE_LIST ? node_scalars(*n) : node_want(*n, "a list of strings");
}

static struct err *norm_strv(const struct loader *l, const struct attr *a, struct node **n)
{
	(void)l;
	(void)a;
	if ((*n)->type == NODE_STR) {
		struct node *list = node_new(NODE_LIST, *n);

		node_append(list, node_scalar(NODE_STR, (*n)->text, *n));
		node_become(n, list);
	}
	return (*n)->type == NODE_LIST ? node_scalars(*n)
				       : node_want(*n, "a string or a list of strings");
}

static struct err *norm_caps(const struct loader *l, const struct attr *a, struct node **n)
{
	TRY(norm_list(l, a, n));
	for (size_t i = 0; i < (*n)->n; i++) {
		char *text = (*n)->items[i]->text;
		bool whole = strncasecmp(text, "CAP_", 4) == 0 || strcasecmp(text, "ALL") == 0;

		for (char *p = text; *p; p++)
			*p = (char)toupper((unsigned char)*p);
		if (whole)
			continue;
		(*n)->items[i]->text = mem_printf("CAP_%s", text);
		free(text);
	}
	return NULL;
}

static char *identity_text(const struct node *item)
{
	return mem_strdup(item->text);
}

/* A list with room for all of @n: the loader's, NULL when that is none. */
static char **strv_for(struct loader *l, const struct node *n)
{
	return keep_strv(l, n->n ? mem_alloc((n->n + 1) * sizeof(char *)) : NULL);
}

static char **list_strv(struct loader *l, const struct node *n)
{
	char **v = strv_for(l, n);

	for (size_t i = 0; i < n->n; i++)
		v[i] = mem_strdup(n->items[i]->text);
	return v;
}

static struct err *read_strv(struct loader *l, const struct attr *a, const struct node *n,
			     void *field)
{
	(void)a;
	*(char ***)field = list_strv(l, n);
	return NULL;
}

const struct kind kind_list = { "list of strings", norm_list, identity_text, read_strv };
const struct kind kind_strv = { "string or list", norm_strv, identity_text, read_strv };
const struct kind kind_caps = { "list of capabilities", norm_caps, identity_text, read_strv };

/* ---- commands ---- */

static struct err *norm_words(const struct loader *l, const struct attr *a, struct node **n)
{
	auto_strv char **words = NULL;

	if ((*n)->type == NODE_NULL)
		return NULL;
	if ((*n)->type != NODE_STR)
		return norm_list(l, a, n);
	TRY(at_node(*n, scalar_words((*n)->text, &words)));
	struct node *list = node_new(NODE_LIST, *n);

	for (char **w = words; w && *w; w++)
		node_append(list, node_scalar(NODE_STR, *w, *n));
	node_become(n, list);
	return NULL;
}

static struct err *read_words(struct loader *l, const struct attr *a, const struct node *n,
			      void *field)
{
	struct compose_words *w = field;

	(void)a;
	w->set = true;
	w->v = list_strv(l, n);
	return NULL;
}

static struct err *norm_test(const struct loader *l, const struct attr *a, struct node **n)
{
	static const char *const kinds[] = { "NONE", "CMD", "CMD-SHELL", NULL };

	if ((*n)->type == NODE_STR) {
		struct node *list = node_new(NODE_LIST, *n);

		node_append(list, node_scalar(NODE_STR, "CMD-SHELL", *n));
		node_append(list, node_scalar(NODE_STR, (*n)->text, *n));
		node_become(n, list);
	}
	TRY(norm_list(l, a, n));
	if ((*n)->n && !str_one_of((*n)->items[0]->text, kinds))
		return node_err((*n)->items[0], "must be NONE, CMD or CMD-SHELL");
	return NULL;
}

const struct kind kind_words = { "string or list", norm_words, NULL, read_words };
const struct kind kind_test = { "string or list", norm_test, NULL, read_words };

/* ---- KEY=value ---- */

/* Adds one "KEY=value", or a KEY alone, to @map. */
static struct err *add_pair(const struct node *item, const char *separators, struct node *map)
{
	if (item->type != NODE_STR)
		return node_want(item, "a string KEY=value");
	size_t length = strcspn(item->text, separators);
	auto_free char *key = mem_strndup(item->text, length);
	bool value = item->text[length] != '\0';

	if (!*key)
		return node_err(item, "a variable without a name");
	node_set(map, key,
		 node_scalar(value ? NODE_STR : NODE_NULL, value ? item->text + length + 1 : "",
			     item));
	return NULL;
}

/* A list of "KEY=value" or a mapping becomes a mapping. */
static struct err *norm_pairs(struct node **n, const char *separators)
{
	auto_node struct node *map = node_new(NODE_MAP, *n);

	if ((*n)->type != NODE_LIST && (*n)->type != NODE_MAP)
		return node_want(*n, "a mapping or a list of KEY=value");
	for (size_t i = 0; i < (*n)->n; i++) {
		const struct node *item = (*n)->items[i];

		if ((*n)->type == NODE_LIST) {
			TRY(add_pair(item, separators, map));
			continue;
		}
		if (!*(*n)->keys[i])
			return node_err(item, "a variable without a name");
		if (!node_is_scalar(item))
			return node_want(item, "a string");
		node_set(map, (*n)->keys[i],
			 node_scalar(item->type == NODE_NULL ? NODE_NULL : NODE_STR, item->text,
				     item));
	}
	node_become(n, steal(&map));
	return NULL;
}

static struct err *norm_env(const struct loader *l, const struct attr *a, struct node **n)
{
	(void)l;
	(void)a;
	return norm_pairs(n, "=");
}

static struct err *read_env(struct loader *l, const struct attr *a, const struct node *n,
			    void *field)
{
	bool environment = strcmp(a->name, "environment") == 0;
	char **v = strv_for(l, n);
	size_t used = 0;

	for (size_t i = 0; i < n->n; i++) {
		const char *value = n->items[i]->text;

		if (n->items[i]->type == NODE_NULL) /* a name alone is passed on, when it is set */
			value = environment ? env_get(l->env, n->keys[i]) : "";
		if (value)
			v[used++] = mem_printf("%s=%s", n->keys[i], value);
	}
	*(char ***)field = v;
	return NULL;
}

/* "host:ip", "host=ip", or a mapping of host to one or more addresses: a list of "host=ip". */
static struct err *norm_hosts(const struct loader *l, const struct attr *a, struct node **n)
{
	auto_node struct node *list = node_new(NODE_LIST, *n);

	(void)l;
	(void)a;
	if ((*n)->type != NODE_LIST && (*n)->type != NODE_MAP)
		return node_want(*n, "a mapping or a list of HOST=ADDRESS");
	for (size_t i = 0; i < (*n)->n; i++) {
		const struct node *item = (*n)->items[i];

		for (size_t k = 0; k < (item->type == NODE_LIST ? item->n : 1); k++) {
			const struct node *one = item->type == NODE_LIST ? item->items[k] : item;

			if (one->type != NODE_STR)
				return node_want(one, "a string");
			size_t length =
				strcspn(one->text, one->text[strcspn(one->text, "=")] ? "=" : ":");

			if ((*n)->type == NODE_LIST &&
			    (!length || !one->text[length] || !one->text[length + 1]))
				return node_err(one, "'%s' is not HOST=ADDRESS", one->text);
			const char *address =
				(*n)->type == NODE_MAP ? one->text : one->text + length + 1;
			size_t bare = strlen(address);
			bool bracket = bare > 2 && *address == '[' && address[bare - 1] == ']';
			auto_free char *host = (*n)->type == NODE_MAP
						       ? mem_strdup((*n)->keys[i])
						       : mem_strndup(one->text, length);
			auto_free char *text =
				mem_printf("%s=%.*s", host, (int)(bracket ? bare - 2 : bare),
					   address + bracket);

			node_append(list, node_scalar(NODE_STR, text, one));
		}
	}
	node_become(n, steal(&list));
	return NULL;
}

const struct kind kind_env = { "mapping, or list of KEY=value", norm_env, NULL, read_env };
const struct kind kind_hosts = { "mapping, or list of HOST=ADDRESS", norm_hosts, NULL, read_strv };

/* ---- members by a table ---- */

/* The text of a member that says something, or NULL. */
const char *node_member(const struct node *map, const char *key)
{
	const struct node *n = node_get(map, key);

	return n && n->type != NODE_NULL && *n->text ? n->text : NULL;
}

static struct err *norm_table(const struct loader *l, const struct attr *a, struct node **n)
{
	if ((*n)->type == NODE_NULL)
		node_become(n, node_new(NODE_MAP, *n));
	return (*n)->type == NODE_MAP ? attr_normalise(l, a->table, *n)
				      : node_want(*n, "a mapping");
}

static struct err *read_table(struct loader *l, const struct attr *a, const struct node *n,
			      void *field)
{
	return attr_read(l, a->table, n, field);
}

const struct kind kind_table = { "mapping", norm_table, NULL, read_table };

static struct err *norm_envfile(const struct loader *l, const struct attr *a, struct node **n)
{
	auto_node struct node *list = node_new(NODE_LIST, *n);
	bool alone = (*n)->type != NODE_LIST;

	for (size_t i = 0; i < (alone ? 1 : (*n)->n); i++) {
		const struct node *item = alone ? *n : (*n)->items[i];

		if (item->type == NODE_STR) {
			struct node *map = node_new(NODE_MAP, item);

			node_set(map, "path", node_scalar(NODE_STR, item->text, item));
			node_set(map, "required", node_scalar(NODE_BOOL, "true", item));
			node_append(list, map);
		} else {
			node_append(list, node_copy(item));
		}
		struct node **last = &list->items[list->n - 1];

		TRY(norm_table(l, a, last));
		struct node *path = node_get(*last, "path");

		if (!node_member(*last, "path"))
			return node_err(*last, "the path is missing");
		auto_free char *absolute = load_path(l, path->text);

		node_set(*last, "path", node_scalar(NODE_STR, absolute, path));
	}
	node_become(n, steal(&list));
	return NULL;
}

static char *identity_path(const struct node *item)
{
	return mem_strdup(node_get(item, "path")->text);
}

const struct kind kind_envfile = { "string, list, or list of {path, required}", norm_envfile,
				   identity_path, NULL };

/* A list of names becomes a mapping of names to nothing. */
static struct err *norm_names(const struct loader *l, const struct attr *a, struct node **n)
{
	auto_node struct node *map = node_new(NODE_MAP, *n);

	if ((*n)->type == NODE_MAP) {
		for (size_t i = 0; i < (*n)->n; i++)
			if ((*n)->items[i]->type != NODE_NULL)
				TRY(norm_table(l, a, &(*n)->items[i]));
		return NULL;
	}
	TRY(norm_list(l, a, n));
	for (size_t i = 0; i < (*n)->n; i++)
		node_set(map, (*n)->items[i]->text, node_scalar(NODE_NULL, "", (*n)->items[i]));
	node_become(n, steal(&map));
	return NULL;
}

static struct err *read_names(struct loader *l, const struct attr *a, const struct node *n,
			      void *field)
{
	char **v = strv_for(l, n);

	(void)a;
	for (size_t i = 0; i < n->n; i++)
		v[i] = mem_strdup(n->keys[i]);
	*(char ***)field = v;
	return NULL;
}

const struct kind kind_names = { "list, or mapping of names", norm_names, NULL, read_names };

const struct kind kind_any = { "anything", NULL, NULL, NULL };
