/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compose/yaml.c - trees from libyaml's events.
 *
 * libyaml scans and parses; composing is ours: positions on every node, anchors
 * that may be defined again, merge keys, duplicate keys refused, and limits, so
 * that an alias bomb costs no more than its budget.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/mem.h"
#include "base/str.h"
#include "compose/internal.h"

struct anchor {
	char *name;
	struct node *node; /* NULL while it is being read */
};

struct reader {
	yaml_parser_t parser;
	yaml_event_t event;
	bool has_event;
	const struct source *source;
	const char *text;
	size_t len;
	struct anchor *anchors;
	size_t n_anchors;
	size_t copied; /* nodes made by aliases */
	unsigned depth;
};

static struct err *compose(struct reader *r, struct node **ret);

static struct err *error_at(const struct reader *r, yaml_mark_t mark, const char *what)
{
	return err_new(EINVAL, "%s:%zu:%zu: %s", r->source->name, mark.line + 1, mark.column + 1,
		       what);
}

/* Errors of libyaml's reader (bad UTF-8, control characters) have only an offset. */
static struct err *parser_error(const struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	yaml_mark_t at = p->problem_mark;

	if (p->error == YAML_READER_ERROR) {
		at = (yaml_mark_t) { 0 };
		for (size_t i = 0; i < p->problem_offset && i < r->len; i++) {
			at.column = r->text[i] == '\n' ? 0 : at.column + 1;
			at.line += r->text[i] == '\n';
		}
	}
	auto_free char *what =
		mem_printf("invalid YAML: %s%s%s", p->problem ? p->problem : "unreadable",
			   p->context ? " " : "", p->context ? p->context : "");
	return error_at(r, at, what);
}

static struct err *next(struct reader *r)
{
	if (r->has_event)
		yaml_event_delete(&r->event);
	r->has_event = yaml_parser_parse(&r->parser, &r->event) != 0;
	return r->has_event ? NULL : parser_error(r);
}

static struct node *node_here(const struct reader *r, enum node_type type)
{
	struct node *n = node_new(type, NULL);

	n->source = r->source;
	n->line = (unsigned)r->event.start_mark.line + 1;
	n->column = (unsigned)r->event.start_mark.column + 1;
	return n;
}

static struct anchor *anchor_find(struct reader *r, const char *name)
{
	for (size_t i = r->n_anchors; i > 0; i--)
		if (strcmp(r->anchors[i - 1].name, name) == 0)
			return &r->anchors[i - 1];
	return NULL;
}

/* Reserves a place, so that an alias inside its own anchor is told from an unknown one. */
static size_t anchor_open(struct reader *r, const char *name)
{
	r->anchors = mem_grow(r->anchors, r->n_anchors + 1, sizeof(*r->anchors));
	r->anchors[r->n_anchors] = (struct anchor) { mem_strdup(name), NULL };
	return r->n_anchors++;
}

static size_t count(const struct node *n, size_t budget)
{
	size_t sum = 1;

	for (size_t i = 0; i < n->n && sum <= budget; i++)
		sum += count(n->items[i], budget - sum);
	return sum;
}

/* Pays for a copy of @n. */
static struct err *spend(struct reader *r, const struct node *n)
{
	r->copied += count(n, ALIAS_NODES_MAX);
	if (r->copied <= ALIAS_NODES_MAX)
		return NULL;
	auto_free char *what =
		mem_printf("anchors and aliases hold more than %d nodes", ALIAS_NODES_MAX);

	return error_at(r, r->event.start_mark, what);
}

static struct err *compose_alias(struct reader *r, struct node **ret)
{
	const char *name = (const char *)r->event.data.alias.anchor;
	const struct anchor *a = anchor_find(r, name);

	if (!a || !a->node) {
		auto_free char *what = mem_printf(a ? "alias '*%s' stands inside what it names"
						    : "alias '*%s' names nothing",
						  name);
		return error_at(r, r->event.start_mark, what);
	}
	TRY(spend(r, a->node));
	*ret = node_copy(a->node);
	return NULL;
}

static const struct {
	const char *tag;
	enum node_type type;
} tags[] = {
	{ YAML_STR_TAG, NODE_STR },   { YAML_INT_TAG, NODE_INT },   { YAML_FLOAT_TAG, NODE_FLOAT },
	{ YAML_BOOL_TAG, NODE_BOOL }, { YAML_NULL_TAG, NODE_NULL },
};

static bool is_own_tag(const char *tag)
{
	return tag && (strcmp(tag, "!reset") == 0 || strcmp(tag, "!override") == 0);
}

static struct err *compose_scalar(const struct reader *r, struct node **ret)
{
	const char *text = (const char *)r->event.data.scalar.value;
	const char *tag = (const char *)r->event.data.scalar.tag;
	auto_node struct node *n = node_here(r, NODE_STR);
	bool plain = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
		     (r->event.data.scalar.plain_implicit || is_own_tag(tag));

	if (strlen(text) != r->event.data.scalar.length)
		return node_err(n, "a NUL byte in a value");
	for (size_t i = 0; tag && i < ARRAY_LEN(tags); i++)
		if (strcmp(tag, tags[i].tag) == 0 && tags[i].type != NODE_STR)
			plain = true;
	if (plain)
		n->type = scalar_resolve(text, &n->text);
	else
		n->text = mem_strdup(text);
	*ret = steal(&n);
	return NULL;
}

static struct err *compose_list(struct reader *r, struct node **ret)
{
	auto_node struct node *list = node_here(r, NODE_LIST);

	for (;;) {
		TRY(next(r));
		if (r->event.type == YAML_SEQUENCE_END_EVENT)
			break;
		struct node *item = NULL;

		TRY(compose(r, &item));
		node_append(list, item);
	}
	*ret = steal(&list);
	return NULL;
}

/* What "<<" names fills the gaps: explicit keys win wherever they stand, earlier maps over later ones. */
static struct err *merge_key(struct node *map, const struct node *source)
{
	if (source->type == NODE_LIST) {
		for (size_t i = 0; i < source->n; i++) {
			if (source->items[i]->type != NODE_MAP)
				return node_err(source->items[i],
						"'<<' takes a mapping or a list of mappings");
			TRY(merge_key(map, source->items[i]));
		}
		return NULL;
	}
	if (source->type != NODE_MAP)
		return node_err(source, "'<<' takes a mapping or a list of mappings");
	for (size_t i = 0; i < source->n; i++)
		if (!node_get(map, source->keys[i]))
			node_set(map, source->keys[i], node_copy(source->items[i]));
	return NULL;
}

static struct err *compose_key(const struct reader *r, const struct node *map, char **ret)
{
	auto_node struct node *at = node_here(r, NODE_STR);
	auto_free char *text = NULL;

	if (r->event.type != YAML_SCALAR_EVENT)
		return node_err(at, "a key must be a string");
	const char *key = (const char *)r->event.data.scalar.value;

	if (strlen(key) != r->event.data.scalar.length)
		return node_err(at, "a NUL byte in a key");
	if (r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !r->event.data.scalar.tag &&
	    scalar_resolve(key, &text) != NODE_STR)
		return node_err(at, "the key '%s' must be a string; put it in quotes", key);
	const struct node *old = node_get(map, key);

	if (old)
		return node_err(at, "the key '%s' is given twice; first in line %u", key,
				old->line);
	*ret = mem_strdup(key);
	return NULL;
}

static struct err *compose_map(struct reader *r, struct node **ret)
{
	auto_node struct node *map = node_here(r, NODE_MAP);
	auto_node struct node *merge = NULL;

	for (;;) {
		auto_free char *key = NULL;
		struct node *value = NULL;

		TRY(next(r));
		if (r->event.type == YAML_MAPPING_END_EVENT)
			break;
		auto_node struct node *at = node_here(r, NODE_NULL);

		TRY(compose_key(r, map, &key));
		bool is_merge = strcmp(key, "<<") == 0 &&
				r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

		TRY(next(r));
		TRY(compose(r, &value));
		/* messages point at the key: that is where a reader looks */
		value->line = node_is_scalar(value) ? value->line : at->line;
		value->column = node_is_scalar(value) ? value->column : at->column;
		if (!is_merge) {
			node_set(map, key, value);
		} else if (merge) {
			node_free(value);
			return node_err(at, "the key '<<' is given twice");
		} else {
			merge = value;
		}
	}
	if (merge)
		TRY(merge_key(map, merge));
	*ret = steal(&map);
	return NULL;
}

static const char *event_anchor(const yaml_event_t *e)
{
	return (const char *)(e->type == YAML_SCALAR_EVENT	     ? e->data.scalar.anchor
			      : e->type == YAML_SEQUENCE_START_EVENT ? e->data.sequence_start.anchor
			      : e->type == YAML_MAPPING_START_EVENT  ? e->data.mapping_start.anchor
								     : NULL);
}

static const char *event_tag(const yaml_event_t *e)
{
	return (const char *)(e->type == YAML_SCALAR_EVENT	     ? e->data.scalar.tag
			      : e->type == YAML_SEQUENCE_START_EVENT ? e->data.sequence_start.tag
			      : e->type == YAML_MAPPING_START_EVENT  ? e->data.mapping_start.tag
								     : NULL);
}

/* The node of the current event. */
static struct err *compose(struct reader *r, struct node **ret)
{
	const char *name = event_anchor(&r->event), *tag = event_tag(&r->event);
	size_t anchor = name ? anchor_open(r, name) : 0;
	auto_free char *own = is_own_tag(tag) ? mem_strdup(tag) : NULL;
	bool anchored = name != NULL;
	auto_node struct node *n = NULL;

	if (r->n_anchors > ANCHORS_MAX)
		return error_at(r, r->event.start_mark, "too many anchors");
	if (++r->depth > DEPTH_MAX)
		return error_at(r, r->event.start_mark, "nested too deep");
	switch (r->event.type) {
	case YAML_ALIAS_EVENT:
		TRY(compose_alias(r, &n));
		break;
	case YAML_SCALAR_EVENT:
		TRY(compose_scalar(r, &n));
		break;
	case YAML_SEQUENCE_START_EVENT:
		TRY(compose_list(r, &n));
		break;
	case YAML_MAPPING_START_EVENT:
		TRY(compose_map(r, &n));
		break;
	default:
		return error_at(r, r->event.start_mark, "unexpected end");
	}
	r->depth--;
	if (own) {
		free(n->tag);
		n->tag = steal(&own);
	}
	if (anchored) { /* a copy: a merge key's mapping does not stay */
		TRY(spend(r, n));
		r->anchors[anchor].node = node_copy(n);
	}
	*ret = steal(&n);
	return NULL;
}

static void forget_anchors(struct reader *r)
{
	for (size_t i = 0; i < r->n_anchors; i++) {
		free(r->anchors[i].name);
		node_free(r->anchors[i].node);
	}
	free(r->anchors);
	r->anchors = NULL;
	r->n_anchors = 0;
}

static struct err *read_documents(struct reader *r, struct node ***ret, size_t *ret_n)
{
	for (;;) {
		TRY(next(r));
		if (r->event.type == YAML_STREAM_END_EVENT)
			return NULL;
		if (r->event.type == YAML_STREAM_START_EVENT ||
		    r->event.type == YAML_DOCUMENT_END_EVENT)
			continue;
		if (r->event.type == YAML_DOCUMENT_START_EVENT)
			continue;
		struct node *n = NULL;

		TRY(compose(r, &n));
		*ret = mem_grow(*ret, *ret_n + 1, sizeof(**ret));
		(*ret)[(*ret_n)++] = n;
	}
}

struct err *yaml_read(const struct source *source, const char *text, size_t len, struct node ***ret,
		      size_t *ret_n)
{
	struct reader r = { .source = source, .text = text, .len = len };

	if (!yaml_parser_initialize(&r.parser))
		return err_new(ENOMEM, "%s: no memory for the YAML parser", source->name);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);

	struct err *e = read_documents(&r, ret, ret_n);

	if (r.has_event)
		yaml_event_delete(&r.event);
	forget_anchors(&r);
	yaml_parser_delete(&r.parser);
	for (size_t i = 0; e && i < *ret_n; i++)
		node_free((*ret)[i]);
	if (e) {
		free(*ret);
		*ret = NULL;
		*ret_n = 0;
	}
	return e;
}
