/* SPDX-License-Identifier: Apache-2.0 */
/* compose/keep.c - memory that lives as long as the project, and messages about places in it. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "compose/internal.h"

struct keep {
	struct keep *next;
	char **strv; /* freed with its strings */
	max_align_t data[];
};

void *keep_alloc(struct loader *l, size_t size)
{
	struct keep *k = mem_alloc(sizeof(*k) + size);

	k->next = l->owner->keep;
	l->owner->keep = k;
	return k->data;
}

char *keep_str(struct loader *l, const char *s)
{
	return strcpy(keep_alloc(l, strlen(s) + 1), s); /* NOLINT: the room was made for it */
}

char **keep_strv(struct loader *l, char **take_v)
{
	keep_alloc(l, 0);
	l->owner->keep->strv = take_v;
	return take_v;
}

void keep_free(struct keep *k)
{
	while (k) {
		struct keep *next = k->next;

		strv_free(k->strv);
		free(k);
		k = next;
	}
}

void keep_warning(struct loader *l, const struct node *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	auto_free char *what = mem_vprintf(fmt, ap);
	va_end(ap);
	auto_err struct err *e = node_err(at, "%s", what);

	strv_add(&l->owner->p.warnings, mem_strdup(err_text(e)));
}

void keep_place(struct loader *l, const struct node *at, struct compose_place *ret)
{
	auto_free char *path = node_path(at);

	*ret = (struct compose_place) { at->source->name, at->line, at->column, keep_str(l, path) };
}

struct err *compose_err(const struct compose_place *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	auto_free char *what = mem_vprintf(fmt, ap);
	va_end(ap);
	return err_new(EINVAL, "%s:%u:%u: %s: %s", at->file, at->line, at->column, at->path, what);
}

struct err *compose_wrap(const struct compose_place *at, struct err *take_e)
{
	auto_err struct err *e = take_e;

	return e ? compose_err(at, "%s", err_text(e)) : NULL;
}
