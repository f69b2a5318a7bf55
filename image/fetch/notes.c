/* SPDX-License-Identifier: Apache-2.0 */
/* image/fetch/notes.c - what unpacking a layer leaves to be dealt with, by path. */
#include <stdlib.h>

#include "base/mem.h"
#include "image/fetch/fetch.h"

/* NOLINTBEGIN(readability-function-size): what uthash's macros become */

void note_remove(struct unpack_note **notes, const char *path)
{
	struct unpack_note *n = NULL;

	HASH_FIND_STR(*notes, path, n);
	if (!n)
		return;
	HASH_DEL(*notes, n);
	free(n->path);
	free(n->target);
	free(n);
}

void note_add(struct unpack_note **notes, const char *path, const char *target)
{
	struct unpack_note *n = mem_alloc(sizeof(*n));

	note_remove(notes, path); /* the later one counts */
	n->path = mem_strdup(path);
	n->target = mem_strdup(target);
	HASH_ADD_KEYPTR(hh, *notes, n->path, strlen(n->path), n);
}

bool note_has(struct unpack_note *const *notes, const char *path)
{
	const struct unpack_note *n = NULL;

	HASH_FIND_STR(*notes, path, n);
	return n != NULL;
}

static void clear(struct unpack_note **notes)
{
	struct unpack_note *n, *next;

	HASH_ITER(hh, *notes, n, next)
	{
		HASH_DEL(*notes, n);
		free(n->path);
		free(n->target);
		free(n);
	}
}

void unpack_notes_clear(struct unpack_notes *n)
{
	clear(&n->implied);
	clear(&n->links);
	*n = (struct unpack_notes) { 0 };
}

/* NOLINTEND(readability-function-size) */
