/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_die(void *p)
{
	if (p)
		return p;
	fputs("slipway: out of memory\n", stderr);
	abort();
}

void *mem_alloc(size_t size)
{
	return or_die(calloc(1, size ? size : 1));
}

void *mem_grow(void *p, size_t n, size_t size)
{
	return or_die(reallocarray(p, n ? n : 1, size));
}

void *mem_dup(const void *p, size_t size)
{
	return memcpy(mem_alloc(size), p, size);
}

char *mem_strdup(const char *s)
{
	return s ? or_die(strdup(s)) : NULL;
}

char *mem_strndup(const char *s, size_t n)
{
	return or_die(strndup(s, n));
}

char *mem_vprintf(const char *fmt, va_list ap)
{
	char *s;

	return vasprintf(&s, fmt, ap) < 0 ? or_die(NULL) : s;
}

char *mem_printf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *s = mem_vprintf(fmt, ap);
	va_end(ap);
	return s;
}

void mem_cleanup(void *p)
{
	free(*(void **)p);
}
