/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/compose_short.c - the short forms of ports and volumes. */
#include <string.h>

#include "base/str.h"
#include "compose/internal.h"
#include "tests/fuzz/fuzz.h"

static void port(const struct node *n)
{
	auto_node struct node *list = node_new(NODE_LIST, n);
	auto_err struct err *e = short_port(n, list);

	FUZZ_CHECK(!e == (list->n > 0));
	for (size_t i = 0; i < list->n && i < 100; i++) {
		/* what comes out is a long form that holds */
		e = short_complete_port(list->items[i]);
		FUZZ_CHECK(!e);
	}
}

static void volume(const struct node *n)
{
	struct compose_options o = { 0 };
	struct scope scope = { .dir = (char *)(uintptr_t) "/project" };
	struct loader l = { .options = &o, .scope = &scope };
	auto_node struct node *v = NULL;
	auto_err struct err *e = short_volume(&l, n, &v);

	FUZZ_CHECK(!e == (v != NULL));
	if (!v)
		return;
	FUZZ_CHECK(*node_get(v, "target")->text);
	if (strcmp(node_get(v, "type")->text, "bind") == 0)
		FUZZ_CHECK(*node_get(v, "source")->text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = fuzz_text(data, size);
	auto_node struct node *n = node_scalar(NODE_STR, text, NULL);

	static const struct source source = { .name = "f", .dir = "/project" };

	n->source = &source;
	port(n);
	volume(n);
	return 0;
}
