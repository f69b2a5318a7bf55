/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/last.c - the last step into a container: the trampoline, from sealed memory (R5). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/internal.h"

/* runtime/trampoline, built static: carried here, so that it cannot be missing. */
__asm__(".section .rodata\n"
	".global slipway_init_start, slipway_init_end\n"
	"slipway_init_start: .incbin \"" SLIPWAY_INIT "\"\n"
	"slipway_init_end:\n"
	".previous\n");
extern const char slipway_init_start[], slipway_init_end[];

enum { REPORT = LAST_REPORT };

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

void last_share(void)
{
	bool closed = false;
	int fd = -1;

	if (shared >= 0)
		return;
	err_ignore(make(&fd, &closed)); /* who needs it tries again, and tells */
	if (closed)
		shared = fd;
	else
		fd_close(&fd);
}

struct err *last_open(int *ret)
{
	bool closed;

	*ret = shared;
	return shared >= 0 ? NULL : make(ret, &closed);
}

/*
 * Descriptor 3 becomes the socket, and nothing else stays open: not until exec,
 * but now, because the kernel resolves the program's path before it closes
 * anything, and /proc/self/fd/N may be part of that path (CVE-2024-21626).
 */
struct err *last_run(int trampoline, int socket, bool init, char *const *argv, char *const *env)
{
	auto_free char **words = mem_alloc((strv_len(argv) + 3) * sizeof(char *));

	words[0] = (char *)(uintptr_t) "slipway-init";
	words[1] = (char *)(uintptr_t)(init ? "init" : "exec");
	memcpy(words + 2, argv, strv_len(argv) * sizeof(char *));
	if (dup2(trampoline, REPORT + 1) < 0 && trampoline != REPORT + 1)
		return err_errno("dup2");
	if (dup2(socket, REPORT) < 0)
		return err_errno("dup2");
	if (fcntl(REPORT + 1, F_SETFD, FD_CLOEXEC) < 0 ||
	    syscall(SYS_close_range, REPORT + 2, ~0U, 0) < 0)
		return err_errno("close what is open");
	(void)syscall(SYS_execveat, REPORT + 1, "", words, env, AT_EMPTY_PATH);
	return err_errno("exec the trampoline");
}
