/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/compose_yaml.c - from bytes to trees. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "compose/internal.h"
#include "tests/check.h"

/* The tree in one line; each scalar with the letter of its type. */
static void show(const struct node *n, FILE *out)
{
	bool map = n->type == NODE_MAP;

	if (n->tag)
		fprintf(out, "%s ", n->tag);
	if (node_is_scalar(n)) {
		fprintf(out, "%c:%s", "nbifs"[n->type], n -> text);
		return;
	}
	putc(map ? '{' : '[', out);
	for (size_t i = 0; i < n->n; i++) {
		fputs(i ? ", " : "", out);
		if (map)
			fprintf(out, "%s=", n->keys[i]);
		show(n->items[i], out);
	}
	putc(map ? '}' : ']', out);
}

/* All documents, one a line, or the error. */
static char *read_text(const char *text, size_t len)
{
	struct node **documents = NULL;
	size_t n = 0, size;
	char *shown = NULL;
	auto_err struct err *e =
		yaml_read(&(struct source) { .name = "f", .dir = "/" }, text, len, &documents, &n);

	if (e)
		return mem_strdup(err_text(e));
	FILE *out = open_memstream(&shown, &size);

	for (size_t i = 0; i < n; i++) {
		fputs(i ? "\n" : "", out);
		show(documents[i], out);
		node_free(documents[i]);
	}
	free(documents);
	fclose(out);
	return shown;
}

static const struct {
	const char *why, *text, *want;
} rows[] = {
	{ "types of plain scalars", "{a: 1, b: 1.50, c: yes, d: true, e: ~, f: x}",
	  "{a=i:1, b=f:1.5, c=s:yes, d=b:true, e=n:, f=s:x}" },
	{ "quoted ones are strings", "['1', \"true\", '']", "[s:1, s:true, s:]" },
	{ "tags of YAML's own", "[!!str 1, !!int \"2\", !!null x, !!binary YQ==]",
	  "[s:1, i:2, s:x, s:YQ==]" },
	{ "other tags are passed over", "[!foo x, !foo [1]]", "[s:x, [i:1]]" },
	{ "our own stay", "{a: !reset null, b: !override [1]}",
	  "{a=!reset n:, b=!override [i:1]}" },
	{ "block scalars", "a: |\n  x\n  y\nb: >-\n  x\n  y\n", "{a=s:x\ny\n, b=s:x y}" },
	{ "several documents", "a: 1\n---\nb: 2\n...\n", "{a=i:1}\n{b=i:2}" },
	{ "nothing", "", "" },
	{ "only a comment", "# x\n", "" },
	{ "JSON", "{\"a\": [1, \"\\u00e9\"]}", "{a=[i:1, s:\u00e9]}" },
	{ "a byte order mark, lines of Windows",
	  "\xef\xbb\xbf"
	  "a: 1\r\nb: 2\r\n",
	  "{a=i:1, b=i:2}" },
	{ "an alias is a copy", "a: &x {k: 1}\nb: *x\n", "{a={k=i:1}, b={k=i:1}}" },
	{ "an anchor can be defined again", "[&x 1, *x, &x 2, *x]", "[i:1, i:1, i:2, i:2]" },
	{ "also inside its own", "[&x [&x 1, *x], *x]", "[[i:1, i:1], i:1]" },
	{ "anchors outlive their document", "a: &x 1\n---\nb: *x\n", "{a=i:1}\n{b=i:1}" },
	{ "an unknown alias", "a: *x", "f:1:4: alias '*x' names nothing" },
	{ "an alias in itself", "a: &x [1, *x]", "f:1:11: alias '*x' stands inside what it names" },
	{ "merge: explicit keys win wherever they stand", "[&x {a: 1, b: 2}, {a: 3, <<: *x}]",
	  "[{a=i:1, b=i:2}, {a=i:3, b=i:2}]" },
	{ "merge: of a list the earlier wins", "[&x {a: 1}, &y {a: 2, b: 2}, {<<: [*x, *y]}]",
	  "[{a=i:1}, {a=i:2, b=i:2}, {a=i:1, b=i:2}]" },
	{ "merge: an anchor inside stays known", "[{<<: &x {a: 1}}, *x]", "[{a=i:1}, {a=i:1}]" },
	{ "merge: twice", "{<<: {a: 1}, <<: {b: 2}}", "f:1:14: the key '<<' is given twice" },
	{ "merge: of a scalar", "{<<: 1}", "f:1:6: '<<' takes a mapping or a list of mappings" },
	{ "merge: of a list of scalars", "{<<: [{}, 1]}",
	  "f:1:11: [1]: '<<' takes a mapping or a list of mappings" },
	{ "a key twice", "a: 1\nb: 2\na: 3\n",
	  "f:3:1: the key 'a' is given twice; first in line 1" },
	{ "a number as key", "a:\n  1: x\n",
	  "f:2:3: the key '1' must be a string; put it in quotes" },
	{ "null as key", "~: x", "f:1:1: the key '~' must be a string; put it in quotes" },
	{ "a quoted number as key", "'1': x", "{1=s:x}" },
	{ "a list as key", "? [a]\n: x\n", "f:1:3: a key must be a string" },
	{ "a tab", "a:\n\tb: 1\n",
	  "f:2:1: invalid YAML: found character that cannot start any token while scanning for the "
	  "next token" },
	{ "an open bracket", "a: [1\n",
	  "f:2:1: invalid YAML: did not find expected ',' or ']' while parsing a flow sequence" },
	{ "bad UTF-8 has a place, too", "a: 1\nb: \xff\n",
	  "f:2:4: invalid YAML: invalid leading UTF-8 octet" },
	{ "a control character", "a: \x01\n",
	  "f:1:4: invalid YAML: control characters are not allowed" },
	{ "NUL, escaped, in a value", "a: \"x\\0y\"", "f:1:4: a NUL byte in a value" },
	{ "NUL, escaped, in a key", "\"x\\0y\": 1", "f:1:1: a NUL byte in a key" },
};

TEST(documents_are_composed)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *got = read_text(rows[i].text, strlen(rows[i].text));

		check_why(rows[i].why);
		CHECK_STR(got, rows[i].want);
	}
}

TEST(a_raw_nul_byte_is_refused)
{
	auto_free char *got = read_text("a: 1\nb: \0x", 10);

	CHECK_STR(got, "f:2:4: invalid YAML: control characters are not allowed");
}

TEST(every_node_knows_where_it_was_written)
{
	const char *text = "a:\n  b: &x {c: [1, 2]}\nd:\n- *x\n";
	struct node **documents = NULL;
	size_t n = 0;
	auto_err struct err *e = yaml_read(&(struct source) { .name = "dir/f.yml", .dir = "/dir" },
					   text, strlen(text), &documents, &n);

	CHECK(!e);
	CHECK_INT(n, 1);
	struct node *root = documents[0], *b = node_get(node_get(root, "a"), "b");
	struct node *list = node_get(b, "c"), *d = node_get(root, "d");
	auto_err struct err *at_item = node_err(list->items[1], "x"),
			    *at_root = node_err(root, "x");
	auto_err struct err *at_list = node_err(list, "x"), *at_copy = node_err(d->items[0], "x");

	CHECK_STR(err_text(at_root), "dir/f.yml:1:1: x");
	CHECK_STR(err_text(at_item), "dir/f.yml:2:17: a.b.c[1]: x");
	CHECK_STR(err_text(at_list), "dir/f.yml:2:10: a.b.c: x"); /* its key */
	CHECK_STR(err_text(at_copy), "dir/f.yml:2:6: d[0]: x");	  /* what the alias names */
	node_free(root);
	free(documents);
}

/* @line @n times; # is its number, @ the one before. */
static char *repeat(const char *start, const char *line, int n, const char *end)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fputs(start, out);
	for (int i = 1; i <= n; i++)
		for (const char *p = line; *p; p++)
			if (*p == '#' || *p == '@')
				fprintf(out, "%d", *p == '#' ? i : i - 1);
			else
				putc(*p, out);
	fputs(end, out);
	fclose(out);
	return text;
}

static const struct {
	const char *why, *start, *line;
	int n;
	const char *end, *want;
} bombs[] = {
	{ "a billion laughs", "a0: &a0 [x, x]\n",
	  "a#: &a# [*a@, *a@, *a@, *a@, *a@, *a@, *a@, *a@, *a@, *a@]\n", 9, "",
	  "f:6:30: anchors and aliases hold more than 200000 nodes" },
	{ "by merge keys", "a0: &a0 {k: {l: x}}\n",
	  "a#: &a# {<<: *a@, k#: *a@, l#: *a@, m#: *a@}\n", 20, "",
	  "f:9:23: anchors and aliases hold more than 200000 nodes" },
	{ "many anchors", "[", "&a# x, ", 5000, "]", "f:1:8895: too many anchors" },
	{ "lists in lists", "", "[", 100000, "", "f:1:2501: nested too deep" },
	{ "mappings in mappings", "", "{a: ", 100000, "", "f:1:10001: nested too deep" },
};

TEST(bombs_are_refused_in_milliseconds)
{
	for (size_t i = 0; i < ARRAY_LEN(bombs); i++) {
		auto_free char *text =
			repeat(bombs[i].start, bombs[i].line, bombs[i].n, bombs[i].end);
		uint64_t before = proc_now_ms();
		auto_free char *got = read_text(text, strlen(text));

		check_why(bombs[i].why);
		CHECK_STR(got, bombs[i].want);
		CHECK(proc_now_ms() - before < 2000); /* valgrind and sanitizers need most of it */
	}
}

TEST(a_large_mapping_is_read_in_linear_time)
{
	auto_free char *text = repeat("", "key#: {image: x, n: #}\n", 20000, "");
	struct node **documents = NULL;
	size_t n = 0;
	auto_err struct err *e = yaml_read(&(struct source) { .name = "f", .dir = "/" }, text,
					   strlen(text), &documents, &n);

	CHECK_STR(err_text(e), "success");
	CHECK_STR(node_get(node_get(documents[0], "key20000"), "n")->text, "20000");
	CHECK(!node_get(documents[0], "key0"));
	node_free(documents[0]);
	free(documents);
}

TEST(a_mapping_keeps_order_when_keys_are_taken_and_set)
{
	auto_node struct node *map = node_new(NODE_MAP, NULL);

	for (int i = 0; i < 50; i++) {
		auto_free char *key = mem_printf("k%d", i);

		node_set(map, key, node_scalar(NODE_STR, key, NULL));
	}
	for (int i = 0; i < 50; i += 2) {
		auto_free char *key = mem_printf("k%d", i);

		node_free(node_take(map, key));
		CHECK(!node_take(map, key));
	}
	node_set(map, "k1", node_scalar(NODE_STR, "new", NULL));
	node_set(map, "last", node_scalar(NODE_STR, "", NULL));
	CHECK_INT(map->n, 26);
	CHECK_STR(map->keys[0], "k1");
	CHECK_STR(map->keys[24], "k49");
	CHECK_STR(node_get(map, "k1")->text, "new");
	CHECK_STR(node_get(map, "k49")->text, "k49");
	CHECK(node_get(map, "last") && !node_get(map, "k2"));
}
