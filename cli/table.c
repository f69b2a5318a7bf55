/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/table.c - tables on the terminal, by libsmartcols.
 *
 * The library is loaded when the first table is made: a shared object more costs
 * every start of every command 50 to 100 us, and most print no table.
 */
#include <dlfcn.h>
#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

#define FUNCTIONS(X)                  \
	X(init_debug)                 \
	X(new_table)                  \
	X(unref_table)                \
	X(table_enable_nowrap)        \
	X(table_set_column_separator) \
	X(table_new_column)           \
	X(table_new_line)             \
	X(line_set_data)              \
	X(table_set_stream)           \
	X(table_enable_maxout)        \
	X(table_set_termforce)        \
	X(print_table)

#define POINTER(name) __typeof__(scols_##name) *name;
static struct {
	FUNCTIONS(POINTER)
} scols;

struct table {
	struct libscols_table *t;
	const char *const *headings;
	size_t columns, rows;
};

static const char separator[] = "   ";

/* A program that was linked with it would not have started without it either. */
static _Noreturn void no_library(void)
{
	fprintf(stderr,
		"slipway: %s; install libsmartcols (Debian: libsmartcols1), or use --format json\n",
		dlerror());
	exit(EXIT_FAILURE);
}

static void load_library(void)
{
	void *library = dlopen("libsmartcols.so.1", RTLD_NOW | RTLD_LOCAL);

	if (!library)
		no_library();
#define LOAD(name)                                                                      \
	scols.name = (__typeof__(scols.name))(uintptr_t)dlsym(library, "scols_" #name); \
	if (!scols.name)                                                                \
		no_library();
	FUNCTIONS(LOAD)
	scols.init_debug(0);
}

struct table *table_new(const char *const *headings)
{
	struct table *t = mem_alloc(sizeof(*t));

	/* or the library would show what is not ASCII as \\x.. */
	(void)setlocale(LC_CTYPE, "C.UTF-8");
	if (!scols.new_table)
		load_library();
	t->headings = headings;
	t->t = scols.new_table();
	if (!t->t)
		abort();
	scols.table_enable_nowrap(t->t, 1);
	scols.table_set_column_separator(t->t, separator);
	for (; headings[t->columns]; t->columns++)
		scols.table_new_column(t->t, headings[t->columns], 0, SCOLS_FL_NOEXTREMES);
	return t;
}

void table_row(struct table *t, const char *const *cells)
{
	struct libscols_line *line = scols.table_new_line(t->t, NULL);

	for (size_t i = 0; i < t->columns; i++)
		scols.line_set_data(line, i, cells[i]);
	t->rows++;
}

void table_print(struct table *take_t, FILE *out)
{
	scols.table_set_stream(take_t->t, out);
	scols.table_enable_maxout(take_t->t, 0);
	if (!isatty(fileno(out)))
		scols.table_set_termforce(take_t->t, SCOLS_TERMFORCE_NEVER);
	if (take_t->rows ==
	    0) { /* the library prints nothing then; a heading says what is missing */
		for (size_t i = 0; i < take_t->columns; i++)
			fprintf(out, "%s%s", i ? separator : "", take_t->headings[i]);
		fputc('\n', out);
	} else {
		scols.print_table(take_t->t);
	}
	table_free(take_t);
}

void table_free(struct table *t)
{
	scols.unref_table(t->t);
	free(t);
}

/* In docker's words (its units package). */
static char *duration_text(long seconds)
{
	long minutes = seconds / 60, hours = (seconds + 1800) / 3600;

	if (seconds < 1)
		return mem_strdup("Less than a second");
	if (seconds == 1)
		return mem_strdup("1 second");
	if (seconds < 60)
		return mem_printf("%ld seconds", seconds);
	if (minutes == 1)
		return mem_strdup("About a minute");
	if (minutes < 60)
		return mem_printf("%ld minutes", minutes);
	if (hours == 1)
		return mem_strdup("About an hour");
	if (hours < 48)
		return mem_printf("%ld hours", hours);
	if (hours < 24 * 7 * 2)
		return mem_printf("%ld days", hours / 24);
	if (hours < 24 * 30 * 2)
		return mem_printf("%ld weeks", hours / 24 / 7);
	if (hours < 24 * 365 * 2)
		return mem_printf("%ld months", hours / 24 / 30);
	return mem_printf("%ld years", seconds / 3600 / 24 / 365);
}

char *text_since(const char *time_text)
{
	struct tm tm = { 0 };

	if (!time_text || !strptime(time_text, "%Y-%m-%dT%H:%M:%S", &tm))
		return mem_strdup("unknown");
	return duration_text((long)(time(NULL) - timegm(&tm)));
}

char *text_time(const char *time_text)
{
	struct tm tm = { 0 };
	char text[64];

	if (!time_text || !strptime(time_text, "%Y-%m-%dT%H:%M:%S", &tm))
		return mem_strdup("");
	time_t then = timegm(&tm);

	localtime_r(&then, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z %Z", &tm);
	return mem_strdup(text);
}

static char *scaled(int64_t bytes, double step, int digits, const char *const *units)
{
	double value = (double)bytes;

	for (; value >= (step > 1000 ? step : 999.5) && units[1];
	     units++) /* "%.3g" makes 1e+03 of it */
		value /= step;
	return mem_printf("%.*g%s", digits, value, *units);
}

char *text_bytes(int64_t bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", NULL };

	return scaled(bytes, 1000, 3, units);
}

char *text_binary(int64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", NULL };

	return scaled(bytes, 1024, 4, units);
}

bool use_colour(FILE *out)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM"), *ansi = getenv("COMPOSE_ANSI");

	if (ansi && strcmp(ansi, "auto") != 0 && *ansi) /* main() has checked it */
		return strcmp(ansi, "always") == 0;
	return isatty(fileno(out)) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
}

char *text_instance(const char *key)
{
	const char *at = strchr(key, '@');

	return at ? mem_printf("%.*s-%s", (int)(at - key), key, at + 1) : mem_printf("%s-1", key);
}

char *text_prefix(const char *project, const char *key, const char *container)
{
	auto_free char *instance = text_instance(key);
	auto_free char *usual = mem_printf("%s-%s", project, instance);

	return mem_strdup(container && strcmp(container, usual) != 0 ? container : instance);
}

struct err *text_index(const char *service, const char *index, char **ret)
{
	int64_t n = 1;

	if (index)
		TRY(err_wrap(str_number(index, 1, INT32_MAX, &n), "--index"));
	*ret = pod_key(service, n);
	return NULL;
}
