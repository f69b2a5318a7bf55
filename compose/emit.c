/* SPDX-License-Identifier: Apache-2.0 */
/* compose/emit.c - trees as YAML and as JSON. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "compose/internal.h"

/* ---- YAML ---- */

enum { KEY_MAX = 200 /* bytes, which escapes may make four times as many */ };

/* Whether a reader, maybe one of YAML 1.1, would take this string for something else. */
static bool resolves(const char *text)
{
	auto_free char *canonical = NULL;
	bool b;

	if (scalar_resolve(text, &canonical) != NODE_STR)
		return true;
	auto_err struct err *e = scalar_bool(text, &b);

	return !e || strcmp(text, "<<") == 0 || strcmp(text, "=") == 0;
}

/* The character that @s begins with, which is UTF-8, and its length. */
static unsigned character(const char *s, size_t *ret_length)
{
	unsigned char first = (unsigned char)*s;
	size_t n = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	unsigned c = n == 1 ? first : first & (0x7fU >> n);

	for (size_t i = 1; i < n && s[i]; i++)
		c = c << 6 | ((unsigned char)s[i] & 0x3f);
	*ret_length = n;
	return c;
}

/*
 * What YAML readers take as it is: not control characters, a mark of byte order,
 * no characters, or what they take for the end of a line: U+0085, U+2028, U+2029.
 */
static bool is_printable(unsigned c)
{
	return c == '\n' || c == '\t' || (c >= 0x20 && c < 0x7f) ||
	       (c >= 0xa0 && c < 0xfffe && c != 0x2028 && c != 0x2029 && c != 0xfeff) ||
	       c >= 0x10000;
}

static bool has_control(const char *s)
{
	for (size_t n = 1; *s; s += n)
		if (!is_printable(character(s, &n)))
			return true;
	return false;
}

/* What cannot stand without quotes: it would begin, end or separate something. */
static bool needs_quotes(const char *s)
{
	size_t n = strlen(s);

	if (strchr("#,[]{}&*!|>'\"%@` ", *s) || s[n - 1] == ' ' || s[n - 1] == ':' ||
	    strpbrk(s, "\t"))
		return true;
	if (strchr("-?:", *s) && (s[1] == ' ' || !s[1]))
		return true;
	return str_starts(s, "---") || str_starts(s, "...") || strstr(s, ": ") || strstr(s, " #");
}

static void write_double(const char *s, FILE *out)
{
	putc('"', out);
	for (size_t n = 1; *s; s += n) {
		unsigned c = character(s, &n);

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", *s);
		else if (c == '\n')
			fputs("\\n", out);
		else if (c == '\t')
			fputs("\\t", out);
		else if (!is_printable(c))
			fprintf(out, c < 0x100 ? "\\x%02x" : "\\u%04x", c);
		else
			fwrite(s, 1, n, out);
	}
	putc('"', out);
}

static void write_single(const char *s, FILE *out)
{
	putc('\'', out);
	for (; *s; s++)
		fprintf(out, *s == '\'' ? "''" : "%c", *s);
	putc('\'', out);
}

/* Lines as they are; "-" and "+" say how many ends of line the last one has. */
static void write_block(const char *s, int indent, FILE *out)
{
	size_t n = strlen(s);
	const char *end = s[n - 1] != '\n' ? "-" : n > 1 && s[n - 2] == '\n' ? "+" : "";

	fprintf(out, "|%s\n", end);
	while (*s) {
		size_t line = strcspn(s, "\n");

		fprintf(out, "%*s%.*s\n", line ? indent : 0, "", (int)line, s);
		s += line + (s[line] == '\n');
	}
}

/* With the end of its line. */
static void write_string(const char *s, int indent, FILE *out)
{
	bool block = strchr(s, '\n') && !has_control(s) && !strchr(" \n\t", *s);

	if (block) {
		write_block(s, indent, out);
		return;
	}
	if (!*s || has_control(s) || strchr(s, '\n') || resolves(s))
		write_double(s, out);
	else if (needs_quotes(s))
		write_single(s, out);
	else
		fputs(s, out);
	putc('\n', out);
}

/* Readers look no further than 1024 bytes for the end of a key, unless it is said that it is one. */
static void write_key(const char *s, int indent, FILE *out)
{
	bool long_key = strlen(s) > KEY_MAX;

	if (long_key)
		fputs("? ", out);
	if (!*s || has_control(s) || strchr(s, '\n') || resolves(s))
		write_double(s, out);
	else if (needs_quotes(s))
		write_single(s, out);
	else
		fputs(s, out);
	if (long_key)
		fprintf(out, "\n%*s", indent, "");
	putc(':', out);
}

static void write_scalar(const struct node *n, int indent, FILE *out)
{
	const char *text = n->type == NODE_NULL		  ? "null"
			   : strcmp(n->text, "NaN") == 0  ? ".nan"
			   : strcmp(n->text, "+Inf") == 0 ? ".inf"
			   : strcmp(n->text, "-Inf") == 0 ? "-.inf"
							  : n->text;

	if (n->type == NODE_STR || n->type == NODE_TIME)
		write_string(n->text, indent, out);
	else
		fprintf(out, "%s\n", text);
}

/* @inside: behind "- ", where the first key has its place already. */
static void write_node(const struct node *n, int indent, bool inside, FILE *out)
{
	bool map = n->type == NODE_MAP;

	for (size_t i = 0; i < n->n; i++) {
		const struct node *item = n->items[i];
		bool scalar = node_is_scalar(item);

		fprintf(out, "%*s", i || !inside ? indent : 0, "");
		if (map)
			write_key(n->keys[i], indent, out);
		else
			putc('-', out);
		if (scalar || item->n == 0)
			putc(' ', out);
		if (scalar)
			write_scalar(item, indent + 2, out);
		else if (item->n == 0)
			fputs(item->type == NODE_MAP ? "{}\n" : "[]\n", out);
		else
			fputs(map ? "\n" : " ", out);
		if (!scalar && item->n)
			write_node(item, indent + 2, !map, out);
	}
}

/* Two columns a level, lists too, as docker compose writes it; libyaml has no such form. */
struct err *emit_yaml(const struct node *n, FILE *out)
{
	if (n->n == 0)
		fputs("{}\n", out);
	write_node(n, 0, false, out);
	return ferror(out) ? err_new(EIO, "cannot write YAML") : NULL;
}

/* ---- JSON ---- */

static void json_quote(const char *s, FILE *out)
{
	putc('"', out);
	for (; *s; s++)
		if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if (*s == '\n')
			fputs("\\n", out);
		else if (*s == '\t')
			fputs("\\t", out);
		else if ((unsigned char)*s < 0x20)
			fprintf(out, "\\u%04x", *s);
		else
			putc(*s, out);
	putc('"', out);
}

/* What JSON has no number for. */
static bool is_odd(const struct node *n)
{
	return n->type == NODE_FLOAT && strpbrk(n->text, "IN");
}

static void print_json(const struct node *n, int indent, FILE *out)
{
	bool map = n->type == NODE_MAP;

	if (n->type == NODE_STR || n->type == NODE_TIME || is_odd(n)) {
		json_quote(n->text, out);
	} else if (node_is_scalar(n)) {
		fputs(n->type == NODE_NULL ? "null" : n->text, out);
	} else if (n->n == 0) {
		fputs(map ? "{}" : "[]", out);
	} else {
		fputs(map ? "{" : "[", out);
		for (size_t i = 0; i < n->n; i++) {
			fprintf(out, "%s\n%*s", i ? "," : "", indent + 2, "");
			if (map) {
				json_quote(n->keys[i], out);
				fputs(": ", out);
			}
			print_json(n->items[i], indent + 2, out);
		}
		fprintf(out, "\n%*s%s", indent, "", map ? "}" : "]");
	}
}

void emit_json(const struct node *n, FILE *out)
{
	print_json(n, 0, out);
	putc('\n', out);
}
