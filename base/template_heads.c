/* SPDX-License-Identifier: Apache-2.0 */
/* base/template_heads.c - the heading of a table, from the template of its lines. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/template_tree.h"

/* The last name of the first field in a pipeline; NULL: there is none. */
static const char *first_field(const struct template_pipe *pipe)
{
	for (size_t i = 0; i < pipe->n; i++)
		for (size_t k = 0; k < pipe->commands[i].n; k++) {
			const struct template_operand *o = &pipe->commands[i].operands[k];
			const char **path = o->path;
			const char *inner = o->pipe ? first_field(o->pipe) : NULL;

			while (path && *path && path[1])
				path++;
			if (path && *path)
				return *path;
			if (inner)
				return inner;
		}
	return NULL;
}

static void list_headings(const struct template_list *list, char *(*heading)(const char *field),
			  FILE *out)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct template_node *node = &list->nodes[i];

		if (node->kind == TEMPLATE_TEXT) {
			fwrite(node->text, 1, node->len, out);
		} else if (node->kind == TEMPLATE_ACTION || node->kind == TEMPLATE_RANGE) {
			const char *field = first_field(node->pipe);
			auto_free char *text = heading(field ? field : "");

			fputs(text, out);
		} else {
			list_headings(&node->body, heading, out);
		}
	}
}

void template_headings(const struct template *t, char *(*heading)(const char *field), FILE *out)
{
	list_headings(&t->root, heading, out);
}
