/* SPDX-License-Identifier: Apache-2.0 */
#include "base/prefault.h"

#include <link.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"

enum {
	FOR_READING = 22 /* MADV_POPULATE_READ */,
	FOR_WRITING = 23 /* MADV_POPULATE_WRITE */,
	PAGE = 4096, /* on a machine with larger ones some of it is refused, or asked for twice */
	STACK = 16 << 10
};

static void populate(uintptr_t from, uintptr_t to, int how)
{
	from &= ~(uintptr_t)(PAGE - 1);
	if (to > from)
		(void)madvise((void *)from, to - from, how);
}

/* Where an object's variables begin: before are those that its start has made constants. */
static uintptr_t end_of_relro(const struct dl_phdr_info *object)
{
	for (size_t i = 0; i < object->dlpi_phnum; i++)
		if (object->dlpi_phdr[i].p_type == PT_GNU_RELRO)
			return object->dlpi_addr + object->dlpi_phdr[i].p_vaddr +
			       object->dlpi_phdr[i].p_memsz;
	return 0;
}

static int populate_object(struct dl_phdr_info *object, size_t size, void *arg)
{
	uintptr_t variables = end_of_relro(object);

	(void)size;
	(void)arg;
	for (size_t i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &object->dlpi_phdr[i];
		uintptr_t from = object->dlpi_addr + part->p_vaddr, to = from + part->p_memsz;

		if (part->p_type != PT_LOAD)
			continue;
		if (!(part->p_flags & PF_W))
			populate(from, to, FOR_READING);
		else
			populate(variables > from && variables <= to ? variables : from, to,
				 FOR_WRITING);
	}
	return 0;
}

/* All that malloc has taken by brk(2) until now, also if nothing is in it yet. */
static void populate_heap(void)
{
	free(mem_alloc(1));
	uintptr_t end = (uintptr_t)sbrk(0);

	populate(end - mallinfo2().arena, end, FOR_WRITING);
}

void prefault(void)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	populate(here - STACK, here, FOR_WRITING);
	(void)dl_iterate_phdr(populate_object, NULL);
	populate_heap();
}
