/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/program.c - slipway-init in sealed memory (R5). */
#include <errno.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/internal.h"

/* runtime/init, built static: carried here, so that it cannot be missing. */
__asm__(".section .rodata\n"
	".global slipway_init_start, slipway_init_end\n"
	"slipway_init_start: .incbin \"" SLIPWAY_INIT "\"\n"
	"slipway_init_end:\n"
	".previous\n");
extern const char slipway_init_start[], slipway_init_end[];

static int shared = -1;

/* *ret_closed: not even its mode can be changed, by whoever comes to see it. */
static struct err *make(int *ret, bool *ret_closed)
{
	auto_fd int fd = fd_memory("slipway-init");

	if (fd < 0)
		return err_errno("memfd");
	TRY(fd_write_all(fd, slipway_init_start, (size_t)(slipway_init_end - slipway_init_start)));
	TRY(fd_seal(fd, ret_closed));
	*ret = fd_steal(&fd);
	return NULL;
}

/*
 * One for all that this process has made, where a container could not change it (where
 * F_SEAL_EXEC is not known, its mode could be taken away); else one for each batch.
 */
struct err *program_open(int *ret)
{
	bool closed = false;

	*ret = shared;
	if (shared >= 0)
		return NULL;
	TRY(make(ret, &closed));
	if (closed)
		shared = *ret;
	return NULL;
}

void program_close(int program)
{
	if (program != shared)
		close(program);
}
