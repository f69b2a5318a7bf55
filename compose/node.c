/* SPDX-License-Identifier: Apache-2.0 */
/* compose/node.c - the untyped tree. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "compose/internal.h"

enum { INDEX_FROM = 16 }; /* entries: below, a linear search is quicker */

struct node *node_new(enum node_type type, const struct node *at)
{
	struct node *n = mem_alloc(sizeof(*n));

	n->type = type;
	if (at) {
		n->source = at->source;
		n->line = at->line;
		n->column = at->column;
		n->parent = at->parent;
		n->key = at->key;
	}
	return n;
}

struct node *node_scalar(enum node_type type, const char *text, const struct node *at)
{
	struct node *n = node_new(type, at);

	n->text = mem_strdup(text);
	return n;
}

struct node *node_copy(const struct node *n)
{
	struct node *copy = node_new(n->type, n);

	copy->text = mem_strdup(n->text);
	copy->tag = mem_strdup(n->tag);
	copy->broken = n->broken;
	for (size_t i = 0; i < n->n; i++)
		if (n->type == NODE_MAP)
			node_set(copy, n->keys[i], node_copy(n->items[i]));
		else
			node_append(copy, node_copy(n->items[i]));
	return copy;
}

void node_free(struct node *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->n; i++) {
		node_free(n->items[i]);
		if (n->keys)
			free(n->keys[i]);
	}
	free(n->keys);
	free(n->items);
	free(n->slots);
	free(n->text);
	free(n->tag);
	free(n);
}

void node_cleanup(struct node **n)
{
	node_free(*n);
}

bool node_is_scalar(const struct node *n)
{
	return n->type != NODE_LIST && n->type != NODE_MAP;
}

/* Slots hold index + 1; 0 is free. At most half of them are taken. */
static void index_add(struct node *map, size_t i)
{
	size_t s = str_hash(map->keys[i], strlen(map->keys[i])) & (map->n_slots - 1);

	while (map->slots[s])
		s = (s + 1) & (map->n_slots - 1);
	map->slots[s] = (unsigned)i + 1;
}

static void index_build(struct node *map)
{
	free(map->slots);
	map->n_slots = INDEX_FROM;
	while (map->n_slots < map->n * 4)
		map->n_slots *= 2;
	map->slots = mem_alloc(map->n_slots * sizeof(*map->slots));
	for (size_t i = 0; i < map->n; i++)
		index_add(map, i);
}

static void index_drop(struct node *map)
{
	free(map->slots);
	map->slots = NULL;
}

static size_t find(const struct node *map, const char *key)
{
	if (!map->slots) {
		size_t i = 0;

		while (i < map->n && strcmp(map->keys[i], key) != 0)
			i++;
		return i;
	}
	size_t s = str_hash(key, strlen(key)) & (map->n_slots - 1);

	for (; map->slots[s]; s = (s + 1) & (map->n_slots - 1))
		if (strcmp(map->keys[map->slots[s] - 1], key) == 0)
			return map->slots[s] - 1;
	return map->n;
}

struct node *node_get(const struct node *map, const char *key)
{
	if (!map || map->type != NODE_MAP)
		return NULL;
	size_t i = find(map, key);
	return i < map->n ? map->items[i] : NULL;
}

struct node **node_slot(const struct node *map, const char *key)
{
	size_t i = find(map, key);

	return i < map->n ? &map->items[i] : NULL;
}

static void adopt(struct node *parent, const char *key, struct node *child)
{
	child->parent = parent;
	child->key = key;
}

void node_append(struct node *list, struct node *take_value)
{
	if (list->n == list->room) {
		list->room = list->room ? list->room * 2 : 4;
		list->items = mem_grow(list->items, list->room, sizeof(*list->items));
		if (list->type == NODE_MAP)
			list->keys = mem_grow(list->keys, list->room, sizeof(*list->keys));
	}
	list->items[list->n++] = take_value;
	adopt(list, NULL, take_value);
}

void node_set(struct node *map, const char *key, struct node *take_value)
{
	size_t i = find(map, key);

	if (i < map->n) {
		node_free(map->items[i]);
		map->items[i] = take_value;
		adopt(map, map->keys[i], take_value);
		return;
	}
	char *copy = mem_strdup(key); /* @key may be the one of the value's old place */

	node_append(map, take_value);
	map->keys[i] = copy;
	take_value->key = copy;
	if (map->slots && map->n * 2 <= map->n_slots)
		index_add(map, i);
	else if (map->n >= INDEX_FROM)
		index_build(map);
}

void node_replace_item(struct node *parent, size_t i, struct node *take_value)
{
	adopt(parent, parent->type == NODE_MAP ? parent->keys[i] : NULL, take_value);
	node_free(parent->items[i]);
	parent->items[i] = take_value;
}

static struct node *take_item(struct node *parent, size_t i)
{
	struct node *value = parent->items[i];

	parent->n--;
	memmove(parent->items + i, parent->items + i + 1, (parent->n - i) * sizeof(*parent->items));
	if (parent->type == NODE_MAP) {
		free(parent->keys[i]);
		memmove(parent->keys + i, parent->keys + i + 1,
			(parent->n - i) * sizeof(*parent->keys));
		index_drop(parent);
	}
	return value;
}

struct node *node_take(struct node *map, const char *key)
{
	size_t i = map && map->type == NODE_MAP ? find(map, key) : 0;

	if (!map || map->type != NODE_MAP || i == map->n)
		return NULL;
	struct node *value = take_item(map, i);

	value->parent = NULL;
	value->key = NULL;
	return value;
}

void node_remove_item(struct node *list, size_t i)
{
	node_free(take_item(list, i));
}

char *node_path(const struct node *n)
{
	char *path = mem_strdup("");

	for (; n && n->parent; n = n->parent) {
		auto_free char *tail = path;
		const char *dot = *tail && *tail != '[' ? "." : "";
		size_t i = 0;

		if (n->key) {
			path = mem_printf("%s%s%s", n->key, dot, tail);
			continue;
		}
		while (i < n->parent->n && n->parent->items[i] != n)
			i++;
		path = mem_printf("[%zu]%s%s", i, dot, tail);
	}
	return path;
}

struct err *node_err(const struct node *n, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	auto_free char *what = mem_vprintf(fmt, ap);
	va_end(ap);
	auto_free char *path = node_path(n);
	return err_new(EINVAL, "%s:%u:%u: %s%s%s", n->source ? n->source->name : "?", n->line,
		       n->column, path, *path ? ": " : "", what);
}
