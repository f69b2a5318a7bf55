/* SPDX-License-Identifier: Apache-2.0 */
/* cli/listing.c - what commands list, as --format wants it: a table, JSON, or a template for each row. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/template.h"
#include "cli/cli.h"

struct listing {
	enum list_format format;
	enum listing_json json;
	const char *const *headings; /* of the table that is the command's own */
	struct template *template;
	struct table *table;
	json_t *rows;
	char **texts; /* rows by the template */
};

/* What docker writes above its columns, where that is not the member's name. */
static char *heading_of(const char *field)
{
	static const char *const known[][2] = {
		{ "ID", "ID" },
		{ "Names", "NAMES" },
		{ "RunningFor", "CREATED" },
		{ "CreatedSince", "CREATED" },
		{ "CPUPerc", "CPU %" },
		{ "MemPerc", "MEM %" },
		{ "MemUsage", "MEM USAGE / LIMIT" },
		{ "NetIO", "NET I/O" },
		{ "BlockIO", "BLOCK I/O" },
		{ "PIDs", "PIDS" },
		{ "ContainerName", "CONTAINER" },
		{ "", "" },
	};
	char *text = mem_alloc(2 * strlen(field) + 1), *end = text;

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(known[i][0], field) == 0) {
			free(text);
			return mem_strdup(known[i][1]);
		}
	for (const char *c = field; *c; c++) { /* "CreatedAt" becomes "CREATED AT" */
		if (c > field && isupper((unsigned char)*c) && islower((unsigned char)c[-1]))
			*end++ = ' ';
		*end++ = (char)toupper((unsigned char)*c);
	}
	return text;
}

struct err *listing_new(const char *format, const char *const *headings, enum listing_json json,
			struct listing **ret)
{
	static const char table[] = "table ";
	auto_listing struct listing *l = mem_alloc(sizeof(*l));

	l->json = json;
	l->headings = headings;
	l->rows = json_array();
	if (!format || strcmp(format, "table") == 0)
		l->format = LIST_TABLE;
	else if (strcmp(format, "json") == 0)
		l->format = LIST_JSON;
	else if (str_starts(format, table))
		l->format = LIST_TEMPLATE_TABLE;
	else if (strstr(format, "{{"))
		l->format = LIST_TEMPLATE;
	else
		return err_new(EINVAL,
			       "--format: '%s' is not table, json, a template as '{{.Name}}', or "
			       "'table TEMPLATE'",
			       format);
	if (l->format == LIST_TEMPLATE_TABLE)
		format += strlen(table);
	if (l->format == LIST_TEMPLATE || l->format == LIST_TEMPLATE_TABLE)
		TRY(err_wrap(template_parse(format, &l->template), "--format"));
	*ret = steal(&l);
	return NULL;
}

enum list_format listing_format(const struct listing *l)
{
	return l->format;
}

struct err *listing_add(struct listing *l, json_t *take_row, const char *const *cells)
{
	auto_json json_t *row = take_row;
	char *text = NULL;
	size_t len;

	if (l->format == LIST_JSON) {
		json_array_append(l->rows, row);
	} else if (l->format == LIST_TABLE && l->headings) {
		if (!l->table)
			l->table = table_new(l->headings);
		table_row(l->table, cells);
	} else if (l->template) {
		FILE *f = open_memstream(&text, &len);
		struct err *e = err_wrap(template_run(l->template, row, f), "--format");

		fclose(f);
		if (e)
			free(text);
		else
			strv_add(&l->texts, text);
		return e;
	}
	return NULL;
}

/* ---- printing ---- */

/* The pieces of @text between tabs, also empty ones, in @n cells; what is too much stays in the last. */
static char **split_cells(const char *text, size_t n)
{
	char **cells = NULL;

	for (size_t i = 0; i < n; i++) {
		size_t len = i + 1 < n ? strcspn(text, "\t") : strlen(text);

		strv_add(&cells, mem_strndup(text, len));
		text += len + (text[len] == '\t');
	}
	return cells;
}

static void print_template_table(const struct listing *l, FILE *out)
{
	char *line = NULL;
	size_t len, n = 1;
	FILE *f = open_memstream(&line, &len);

	template_headings(l->template, heading_of, f);
	fclose(f);
	for (const char *c = line; *c; c++)
		n += *c == '\t';
	auto_strv char **headings = split_cells(line, n);
	struct table *t = table_new((const char *const *)headings);

	free(line);
	for (char **text = l->texts; text && *text; text++) {
		auto_strv char **cells = split_cells(*text, n);

		table_row(t, (const char *const *)cells);
	}
	table_print(t, out);
}

static void print_json(const struct listing *l, FILE *out)
{
	auto_free char *whole = l->json == LISTING_ARRAY ? json_text(l->rows, 0) : NULL;

	if (whole)
		fprintf(out, "%s\n", whole);
	for (size_t i = 0; i < json_array_size(l->rows) && !whole; i++) {
		auto_free char *text = json_text(json_array_get(l->rows, i), 0);

		fprintf(out, "%s\n", text);
	}
}

struct err *listing_print(struct listing *l, FILE *out)
{
	switch (l->format) {
	case LIST_TABLE:
		if (l->headings)
			table_print(l->table ? l->table : table_new(l->headings), out);
		l->table = NULL;
		break;
	case LIST_JSON:
		print_json(l, out);
		break;
	case LIST_TEMPLATE:
		for (char **text = l->texts; text && *text; text++)
			fprintf(out, "%s\n", *text);
		break;
	case LIST_TEMPLATE_TABLE:
		print_template_table(l, out);
		break;
	}
	json_array_clear(l->rows);
	strv_free(steal(&l->texts));
	return fflush(out) == 0 ? NULL : err_errno("standard output");
}

void listing_cleanup(struct listing **l)
{
	if (!*l)
		return;
	if ((*l)->table)
		table_free((*l)->table);
	template_free((*l)->template);
	json_decref((*l)->rows);
	strv_free((*l)->texts);
	free(*l);
}
