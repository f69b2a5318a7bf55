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
		if (*table->name == *name && strcmp(table->name, name) == 0)
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

static bool is_list_of(const struct attr *a, const struct node *n, enum merge merge)
{
	return a->merge == merge && n->type == NODE_LIST && a->kind->identity;
}

/* Equal entries of a list become one, in the place of the first. */
static struct err *join_equal(const struct attr *a, struct node *list)
{
	auto_node struct node *seen = node_new(NODE_MAP, NULL);
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++) {
		struct node *item = steal(&list->items[i]);
		auto_free char *identity = a->kind->identity(item);
		const struct node *known = node_get(seen, identity);

		if (known && a->merge == BY_ID) {
			TRY(attr_merge(a->table, list->items[strtoul(known->text, NULL, 10)],
				       item));
			continue;
		}
		if (known) {
			node_replace_item(list, strtoul(known->text, NULL, 10), item);
			continue;
		}
		auto_free char *place = mem_printf("%zu", n);

		node_set(seen, identity, node_scalar(NODE_INT, place, NULL));
		list->items[n++] = item;
	}
	list->n = n;
	return NULL;
}

/* Whether somebody else will fill a variable in here. */
static bool has_variable(const struct node *n)
{
	bool found = n->type == NODE_STR && strchr(n->text, '$');

	for (size_t i = 0; i < n->n && !found; i++)
		found = has_variable(n->items[i]);
	return found;
}

static struct err *normalise_value(const struct loader *l, const struct attr *a,
				   struct node **value)
{
	if ((*value)->type == NODE_NULL)
		return a->kind->null ? NULL : node_err(*value, "must not be empty; leave it out");
	if (a->kind->widen)
		a->kind->widen(a, value);
	if (a->kind->normalise)
		TRY(a->kind->normalise(l, a, value));
	if (is_list_of(a, *value, UNIQUE) || is_list_of(a, *value, BY_ID))
		TRY(join_equal(a, *value));
	return NULL;
}

/* What makes no sense before its variables have values stays as it is written. */
static struct err *normalise_open(const struct loader *l, const struct attr *a, struct node **value)
{
	struct node *try = node_copy(*value);
	struct err *e = normalise_value(l, a, &try);

	if (e)
		node_free(try);
	else
		kind_become(value, try);
	err_ignore(e);
	return NULL;
}

/* An error is given once, also when further files are merged over it. */
static struct err *normalise_one(const struct loader *l, const struct attr *table, struct node *map,
				 size_t i)
{
	const struct attr *a = lookup(table, map->keys[i]);
	struct err *e;

	if (map->items[i]->broken)
		return NULL;
	if (!a)
		e = unknown(table, map->items[i], map->keys[i]);
	else if (l->options->no_interpolate && !a->kind->map && has_variable(map->items[i]))
		e = normalise_open(l, a, &map->items[i]);
	else
		e = normalise_value(l, a, &map->items[i]);
	if (e && (!a || !a->kind->map))
		map->items[i]->broken = true;
	return e;
}

struct err *attr_normalise(const struct loader *l, const struct attr *table, struct node *map)
{
	struct err *errors = NULL;

	if (map->type != NODE_MAP)
		return node_err(map, "must be a mapping");
	for (size_t i = 0; i < map->n; i++)
		if (!is_extension(map->keys[i]) || lookup(table, map->keys[i]))
			errors = err_join(errors, normalise_one(l, table, map, i));
	return errors;
}

/* ---- merging ---- */

/* What describes the member @key of a value that @a describes; NULL: nothing does. */
static const struct attr *member_attr(const struct attr *a, const char *key, struct attr *room)
{
	if (!a || !a->table)
		return NULL;
	if (!a->kind->map)
		return lookup(a->table, key);
	*room = (struct attr) { key, &kind_table, DEEP, FULL, SIZE_MAX, a->table, 0, NULL, NULL };
	return room;
}

static struct err *merge_value(const struct attr *a, struct node *base, struct node *take_new);

static struct err *merge_members(const struct attr *a, struct node *base, struct node *over)
{
	struct err *errors = NULL;
	struct attr room;

	for (size_t i = 0; i < over->n; i++) {
		struct node *value = steal(&over->items[i]);

		value->key = over->keys[i];
		if (a && a->merge == BY_KEY)
			node_set(base, over->keys[i], value);
		else
			errors = err_join(errors, merge_value(member_attr(a, over->keys[i], &room),
							      base, value));
	}
	return errors;
}

static void append_all(struct node *list, struct node *over)
{
	for (size_t i = 0; i < over->n; i++)
		node_append(list, steal(&over->items[i]));
}

static bool same_driver(const struct node *old, const struct node *new)
{
	const struct node *a = node_get(old, "driver"), *b = node_get(new, "driver");

	return !a || !b || str_eq(a->text, b->text);
}

/* Joins @take_new with the value that @base has for its key. */
static struct err *merge_value(const struct attr *a, struct node *base, struct node *take_new)
{
	auto_node struct node *new = take_new;
	struct node *old = node_get(base, new->key);
	bool joins = old && old->type != NODE_NULL;

	if (a && a->kind->widen) {
		a->kind->widen(a, &new);
		if (joins)
			a->kind->widen(a, node_slot(base, new->key));
		old = node_get(base, new->key);
	}
	if (old && new->type == NODE_NULL && !(a && a->kind == &kind_words))
		return NULL;
	if (joins && a && a->merge == REPLACE)
		joins = false;
	if (joins && a && a->merge == BY_DRIVER && new->type == NODE_MAP)
		joins = same_driver(old, new);
	if (!joins || (node_is_scalar(old) && node_is_scalar(new))) {
		const char *key = new->key;

		node_set(base, key, steal(&new));
		return NULL;
	}
	if (old->type != new->type)
		return node_err(new, "cannot override what has another form in %s:%u",
				old->source->name, old->line);
	if (new->type == NODE_MAP)
		return merge_members(a, old, new);
	append_all(old, new);
	return NULL;
}

struct err *attr_merge(const struct attr *table, struct node *base, struct node *take_over)
{
	auto_node struct node *over = take_over;
	const struct attr whole = { .kind = &kind_table, .merge = DEEP, .table = table };

	return merge_members(&whole, base, over);
}

/* ---- what says nothing ---- */

static bool is_zero(const struct kind *k, const struct node *n)
{
	if (!k->zero)
		return false;
	return node_is_scalar(n) ? n->type == NODE_NULL || strcmp(n->text, k->zero) == 0
				 : n->n == 0;
}

static void prune_value(const struct attr *a, struct node *n, bool extensions)
{
	bool each = a->kind->map || n->type == NODE_LIST;

	if (!each && n->type == NODE_MAP)
		attr_prune(a->table, n, extensions);
	for (size_t i = 0; each && i < n->n; i++)
		if (n->items[i]->type == NODE_MAP)
			attr_prune(a->table, n->items[i], extensions);
}

void attr_prune(const struct attr *table, struct node *map, bool extensions)
{
	for (size_t i = map->n; i > 0; i--) {
		struct node *n = map->items[i - 1];
		const struct attr *a = lookup(table, map->keys[i - 1]);

		if (a && a->table)
			prune_value(a, n, extensions);
		bool extension = is_extension(map->keys[i - 1]) && table != project_attrs;

		if ((a && is_zero(a->kind, n)) || (extensions && extension))
			node_remove_item(map, i - 1);
	}
}

/* ---- into the model ---- */

/* Nothing more than what everything is without it. */
static bool is_empty(const struct node *n)
{
	switch (n->type) {
	case NODE_NULL:
		return true;
	case NODE_LIST:
	case NODE_MAP:
		return n->n == 0;
	case NODE_BOOL:
		return strcmp(n->text, "false") == 0;
	default:
		return !*n->text;
	}
}

static void note(struct loader *l, const struct attr *a, const struct node *n)
{
	struct compose_notes *notes = l->service ? &l->service->notes : &l->owner->p.notes;
	/* few have any: a list that grows by one is good enough */
	struct compose_note *items = keep_alloc(l, (notes->n + 1) * sizeof(*items));

	if (notes->n)
		memcpy(items, notes->items, notes->n * sizeof(*items));
	notes->items = items;
	keep_place(l, n, &items[notes->n].place);
	items[notes->n].refused = a->support == REFUSED;
	items[notes->n++].why = a->doc;
}

/* What makes no sense before its variables have values is not in the model. */
static struct err *read_value(struct loader *l, const struct attr *a, const struct node *value,
			      void *object)
{
	struct err *e = a->kind->read(l, a, value, (char *)object + a->offset);

	if (!e || !l->options->no_interpolate || a->kind->map || !has_variable(value))
		return e;
	err_ignore(e);
	return NULL;
}

struct err *attr_read(struct loader *l, const struct attr *table, const struct node *map,
		      void *object)
{
	struct err *errors = NULL;

	for (size_t i = 0; map->type == NODE_MAP && i < map->n; i++) {
		const struct attr *a = lookup(table, map->keys[i]);
		const struct node *value = map->items[i];

		if (!a || (value->type == NODE_NULL && !a->kind->null))
			continue;
		bool outermost = !l->noted && a->support >= IGNORED && !is_empty(value);

		if (outermost)
			note(l, a, value);
		l->noted |= outermost;
		if (a->kind->read && a->offset != SIZE_MAX)
			errors = err_join(errors, read_value(l, a, value, object));
		l->noted &= !outermost;
	}
	return errors;
}

/* ---- the reference ---- */

static void print_table(const char *title, const struct attr *table, FILE *out)
{
	static const char *const support[] = { "yes", "with limits", "ignored", "refused" };
	static const char *const merge[] = {
		"replaced",	 "appended", "appended, equal ones once",	"by key, replaced",
		"by id, joined", "joined",   "joined if the driver is the same"
	};

	fprintf(out, "\n## %s\n\n", title);
	fputs("| attribute | value | supported | in a later file | |\n|---|---|---|---|---|\n",
	      out);
	for (const struct attr *a = table; a->name; a++) {
		bool choice = a->choices != NULL;
		auto_strv char **words = choice ? str_split(a->choices, "|") : NULL;
		auto_free char *choices = choice ? strv_join(words, ", ") : NULL;

		fprintf(out, "| `%s` | %s | %s | %s | %s |\n", a->name,
			choice ? choices : a->kind->label, support[a->support], merge[a->merge],
			a->doc);
	}
}

/* Whether @table was printed before the row @last of @parent. */
static void print_below(const char *title, const struct attr *table, FILE *out, char ***seen)
{
	print_table(title, table, out);
	for (const struct attr *a = table; a->name; a++) {
		auto_free char *name = mem_printf("%s%s%s%s", title, *title ? "." : "", a->name,
						  a->kind->map		     ? ".*"
						  : a->size && !a->kind->map ? "[]"
									     : "");
		auto_free char *key = mem_printf("%p", (const void *)a->table);

		if (!a->table || strv_has(*seen, key))
			continue;
		strv_add(seen, steal(&key));
		print_below(name, a->table, out, seen);
	}
}

void attr_print_reference(FILE *out)
{
	auto_strv char **seen = NULL;

	print_below("", project_attrs, out, &seen);
}
