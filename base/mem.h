/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/mem.h - allocation that does not fail, and ownership helpers.
 *
 * Small allocations abort the process when memory is gone. Anything whose size
 * comes from outside (a layer, a manifest, a compose file) is bounded first.
 */
#pragma once
#include <stdarg.h>
#include <stddef.h>

#include "base/attr.h"

void *mem_alloc(size_t size) must_check; /* zeroed; never NULL */
void *mem_grow(void *p, size_t n, size_t size) must_check;
void *mem_dup(const void *p, size_t size) must_check;
char *mem_strdup(const char *s) must_check; /* NULL gives NULL */
char *mem_strndup(const char *s, size_t n) must_check;
char *mem_printf(const char *fmt, ...) must_check printf_like(1, 2);
char *mem_vprintf(const char *fmt, va_list ap) must_check printf_like(1, 0);

void mem_cleanup(void *p);
#define auto_free cleanup_with(mem_cleanup)

/* Moves a pointer out of its variable, which becomes NULL. */
#define steal(p)                       \
	({                             \
		__auto_type s_ = *(p); \
		*(p) = NULL;           \
		s_;                    \
	})
