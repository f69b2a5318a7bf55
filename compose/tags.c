/* SPDX-License-Identifier: Apache-2.0 */
/* compose/tags.c - "!reset" and "!override": what a later file takes back. */
#include <string.h>

#include "compose/internal.h"

static bool is_reset(const struct node *n)
{
	return n->tag && strcmp(n->tag, "!reset") == 0;
}

/* On an item of a list they mean nothing. */
void tags_apply(struct node *base, const struct node *over)
{
	if (!base || base->type != NODE_MAP || over->type != NODE_MAP)
		return;
	for (size_t i = 0; i < over->n; i++) {
		struct node *old = node_get(base, over->keys[i]);

		if (old && over->items[i]->tag)
			node_free(node_take(base, over->keys[i]));
		else if (old)
			tags_apply(old, over->items[i]);
	}
}

void tags_strip(struct node *n)
{
	for (size_t i = n->n; i > 0; i--)
		if (is_reset(n->items[i - 1]) && n->type == NODE_MAP)
			node_remove_item(n, i - 1);
		else
			tags_strip(n->items[i - 1]);
}
