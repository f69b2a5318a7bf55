/* SPDX-License-Identifier: Apache-2.0 */
/* compose/attr.c - what can be done with any table of attributes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "compose/kinds.h"

enum { SUGGEST_DISTANCE = 2, NAME_MAX_LENGTH = 40 };

static const struct attr *lookup(const struct attr *table, const char *name)
{
	for (; table->name; table++)
		if (strcmp(table->name, name) == 0)
			return table;
	return NULL;
}

/* Levenshtein's distance, for names of at most NAME_MAX_LENGTH characters. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[NAME_MAX_LENGTH + 1];
	size_t n = strlen(b);

	for (size_t j = 0; j <= n; j++)
		row[j] = (unsigned)j;
	for (size_t i = 0; a[i]; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i + 1;
		for (size_t j = 0; j < n; j++) {
			unsigned change = diagonal + (a[i] != b[j]);
			unsigned gap = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;

			diagonal = row[j + 1];
			row[j + 1] = change < gap ? change : gap;
		}
	}
	return row[n];
}

static const char *suggestion(const struct attr *table, const char *name)
{
	const char *best = NULL;
	unsigned least = SUGGEST_DISTANCE + 1;

	if (strlen(name) > NAME_MAX_LENGTH)
		return NULL;
	for (; table->name; table++) {
		unsigned d = strlen(table->name) <= NAME_MAX_LENGTH ? distance(name, table->name)
								    : least;

		if (d < least) {
			least = d;
			best = table->name;
		}
	}
	return best;
}

static bool is_extension(const char *name)
{
	return str_starts(name, "x-");
}

static struct err *unknown(const struct attr *table, const struct node *at, const char *name)
{
	const char *near = suggestion(table, name);

	return node_err(at, "unknown attribute '%s'%s%s%s", name, near ? "; did you mean '" : "",
			near ? near : "", near ? "'?" : "");
}

static struct err *normalise_one(const struct loader *l, const struct attr *table, struct node *map,
				 size_t i)
{
	const struct attr *a = lookup(table, map->keys[i]);
	struct node **value = &map->items[i];

	if (!a)
		return unknown(table, *value, map->keys[i]);
	if (a->support == REFUSED)
		return node_err(*value, "not supported: %s", a->doc);
	/* nothing written is nothing said; only a command can be taken back */
	if ((*value)->type == NODE_NULL && a->kind != &kind_table)
		return NULL;
	return a->kind->normalise ? a->kind->normalise(l, a, value) : NULL;
}

struct err *attr_normalise(const struct loader *l, const struct attr *table, struct node *map)
{
	struct err *errors = NULL;

	if (map->type != NODE_MAP)
		return node_err(map, "must be a mapping");
	for (size_t i = 0; i < map->n; i++)
		if (!is_extension(map->keys[i]))
			errors = err_join(errors, normalise_one(l, table, map, i));
	return errors;
}

/* Where @item belongs: the place of its equal, or @next, which is remembered in @seen. */
static size_t position(struct node *seen, const struct attr *a, const struct node *item,
		       size_t next)
{
	if (a->merge != UNIQUE)
		return next;
	auto_free char *identity = a->kind->identity(item);
	const struct node *known = node_get(seen, identity);

	if (known)
		return strtoul(known->text, NULL, 10);
	auto_free char *text = mem_printf("%zu", next);

	node_set(seen, identity, node_scalar(NODE_INT, text, NULL));
	return next;
}

static void merge_list(const struct attr *a, struct node *base, struct node *over)
{
	auto_node struct node *seen = node_new(NODE_MAP, NULL);

	for (size_t i = 0; i < base->n; i++)
		(void)position(seen, a, base->items[i], i);
	for (size_t k = 0; k < over->n; k++) {
		struct node *item = steal(&over->items[k]);
		size_t i = position(seen, a, item, base->n);

		if (i < base->n)
			node_replace_item(base, i, item);
		else
			node_append(base, item);
	}
}

static void merge_map(struct node *base, struct node *over)
{
	for (size_t i = 0; i < over->n; i++)
		node_set(base, over->keys[i], steal(&over->items[i]));
}

static struct err *merge_one(const struct attr *a, struct node *base, struct node *take_new)
{
	auto_node struct node *new = take_new;
	struct node *old = node_get(base, new->key);

	if (new->type == NODE_NULL && (!a || a->kind != &kind_words))
		return NULL;
	if (!a || a->merge == REPLACE) {
		node_set(base, new->key, new);
		new = NULL;
		return NULL;
	}
	if (!old) { /* joined with an empty one: the entries of one file may be equal, too */
		old = node_new(new->type, new);
		node_set(base, new->key, old);
	}
	if (old->type != new->type)
		return node_err(new, "has another form in %s:%u", old->file, old->line);
	if (a->merge == BY_TABLE)
		return attr_merge(a->table, old, steal(&new));
	if (new->type == NODE_LIST)
		merge_list(a, old, new);
	else
		merge_map(old, new);
	return NULL;
}

struct err *attr_merge(const struct attr *table, struct node *base, struct node *take_over)
{
	auto_node struct node *over = take_over;

	for (size_t i = 0; i < over->n; i++) {
		auto_free char *key = mem_strdup(over->keys[i]);
		struct node *value = steal(&over->items[i]);

		value->key = key;
		TRY(merge_one(lookup(table, key), base, value));
	}
	return NULL;
}

struct err *attr_read(struct loader *l, const struct attr *table, const struct node *map,
		      void *object)
{
	struct err *errors = NULL;

	for (size_t i = 0; i < map->n; i++) {
		const struct attr *a = lookup(table, map->keys[i]);
		const struct node *value = map->items[i];

		if (!a || value->type == NODE_NULL)
			continue;
		if (a->support == IGNORED)
			keep_warning(l, value, "ignored: %s", a->doc);
		else if (a->kind->read && a->offset != (size_t)-1)
			errors = err_join(errors,
					  a->kind->read(l, a, value, (char *)object + a->offset));
	}
	return errors;
}

void attr_print_reference(const struct attr *table, FILE *out)
{
	static const char *const support[] = { "yes", "partly", "ignored", "refused" };
	static const char *const merge[] = { "replaced", "appended", "appended, unique",
					     "joined by key", "joined" };

	fputs("| attribute | value | supported | in a later file | |\n|---|---|---|---|---|\n",
	      out);
	for (; table->name; table++) {
		bool refused = table->support == REFUSED;

		fprintf(out, "| `%s` | %s | %s | %s | %s |\n", table->name,
			refused ? "" : table->kind->label, support[table->support],
			refused ? "" : merge[table->merge], table->doc);
	}
}
