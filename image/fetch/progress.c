/* SPDX-License-Identifier: Apache-2.0 */
/* image/fetch/progress.c - what a person sees of a pull: bars on a terminal, lines elsewhere. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/mem.h"
#include "image/fetch/fetch.h"

enum { BAR = 30, SHOW_EVERY_MS = 80 };

struct progress {
	enum progress_mode mode;
	struct progress_item **items;
	size_t n;
	size_t drawn; /* lines on the terminal that are ours to overwrite */
	uint64_t last;
};

struct progress *progress_new(enum progress_mode mode)
{
	struct progress *p = mem_alloc(sizeof(*p));

	p->mode = mode;
	return p;
}

struct progress_item *progress_add(struct progress *p, const char *label, int64_t total)
{
	struct progress_item *i = mem_alloc(sizeof(*i));

	snprintf(i->label, sizeof(i->label), "%s", label);
	i->total = total;
	atomic_store(&i->state, "queued");
	p->items = mem_grow(p->items, p->n + 1, sizeof(struct progress_item *));
	p->items[p->n++] = i;
	return i;
}

static void human(int64_t bytes, char *out, size_t size)
{
	static const char units[] = "BkMGT";
	double value = (double)bytes;
	size_t u = 0;

	while (value >= 1000 && units[u + 1]) {
		value /= 1000;
		u++;
	}
	snprintf(out, size, u ? "%.1f%c%s" : "%.0f%c%s", value, units[u], u ? "B" : "");
}

static void draw(const struct progress_item *i)
{
	int64_t done = atomic_load(&i->done);
	int filled = i->total > 0 ? (int)(done * BAR / i->total) : BAR;
	char have[16], all[16], bar[BAR + 1];

	human(done, have, sizeof(have));
	human(i->total, all, sizeof(all));
	for (int k = 0; k < BAR; k++)
		bar[k] = k < filled ? '=' : k == filled ? '>' : ' ';
	bar[BAR] = '\0';
	fprintf(stderr, "\033[2K%s [%s] %7s/%-7s %s\n", i->label, bar, have, all,
		atomic_load(&i->state));
}

static void show_lines(struct progress *p)
{
	for (size_t k = 0; k < p->n; k++) {
		struct progress_item *i = p->items[k];
		const char *state = atomic_load(&i->state);

		if (state != i->shown && strcmp(state, "queued") != 0 &&
		    strcmp(state, "waiting") != 0)
			fprintf(stderr, "%s: %s\n", i->label, state);
		i->shown = state;
	}
}

void progress_show(struct progress *p, bool last)
{
	struct timespec t;

	if (p->mode == PROGRESS_QUIET)
		return;
	if (p->mode == PROGRESS_PLAIN) {
		show_lines(p);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &t);
	uint64_t now = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;

	if (!last && now - p->last < SHOW_EVERY_MS)
		return;
	p->last = now;
	if (p->drawn)
		fprintf(stderr, "\033[%zuA", p->drawn);
	for (size_t k = 0; k < p->n; k++)
		draw(p->items[k]);
	p->drawn = last ? 0 : p->n;
	fflush(stderr);
}

void progress_message(struct progress *p, const char *fmt, ...)
{
	va_list ap;

	if (p->mode == PROGRESS_QUIET)
		return;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void progress_free(struct progress *p)
{
	for (size_t k = 0; k < p->n; k++)
		free(p->items[k]);
	free(p->items);
	free(p);
}
