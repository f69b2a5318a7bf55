/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/init/alloc.c - malloc of a program that runs for a moment.
 *
 * libc's gives memory back to the kernel when it is freed, and takes it anew a moment
 * later: a dozen system calls and page faults of every container's start. Here what is
 * freed stays, unless it was the last; what has an end ends with the program, or by exec.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGN = 16, FIRST = 128 << 10, MORE = 1 << 20 };

/* Before each block; it keeps what follows aligned. */
struct head {
	size_t size;
	char pad[ALIGN - sizeof(size_t)];
};

static char first[FIRST] __attribute__((aligned(ALIGN)));
static char *at = first, *end = first + FIRST;

static char *head_of(void *p)
{
	return (char *)p - sizeof(struct head);
}

static size_t size_of(void *p)
{
	return ((struct head *)(void *)head_of(p))->size;
}

static int more(size_t size)
{
	size_t want = size > MORE ? size : MORE;
	char *p = mmap(NULL, want, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -1;
	at = p;
	end = p + want;
	return 0;
}

static void *take(size_t size)
{
	size_t room = (size + sizeof(struct head) + ALIGN - 1) & ~(size_t)(ALIGN - 1);

	if (room < size || (room > (size_t)(end - at) && more(room) < 0)) {
		errno = ENOMEM;
		return NULL;
	}
	struct head *h = (struct head *)(void *)at;

	h->size = room - sizeof(*h);
	at += room;
	return h + 1;
}

static void give(void *p)
{
	if (p && (char *)p + size_of(p) == at)
		at = head_of(p);
}

void *malloc(size_t size)
{
	return take(size);
}

void free(void *p)
{
	give(p);
}

void *calloc(size_t n, size_t size)
{
	size_t all;

	if (__builtin_mul_overflow(n, size, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	void *p = take(all);

	return p ? memset(p, 0, all) : NULL;
}

void *realloc(void *p, size_t size)
{
	size_t before = p ? size_of(p) : 0;
	char *was = at;

	if (p && size <= before)
		return p;
	give(p); /* the last one grows where it is */
	void *q = take(size);

	if (!q)
		at = was;
	else if (p && q != p)
		memmove(q, p, before);
	return q;
}
