/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/sysctl.c - kernel parameters that belong to a namespace of the container, and no others. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/internal.h"

static const char *const allowed[] = { "kernel.msgmax", "kernel.msgmnb",	  "kernel.msgmni",
				       "kernel.sem",	"kernel.shmall",	  "kernel.shmmax",
				       "kernel.shmmni", "kernel.shm_rmid_forced", NULL };

struct err *sysctl_check(const char *assignment)
{
	const char *value = strchr(assignment, '=');
	auto_free char *name =
		mem_strndup(assignment, value ? (size_t)(value - assignment) : strlen(assignment));
	static const char characters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./";

	if (!value || !*name || strspn(name, characters) != strlen(name) || strstr(name, ".."))
		return err_new(EINVAL, "sysctl '%s' is not NAME=VALUE", assignment);
	if (!value[1])
		return err_new(EINVAL, "sysctl '%s' has no value", assignment);
	if (strpbrk(value, "\n"))
		return err_new(EINVAL, "sysctl %s: the value has more than one line", name);
	if (!str_one_of(name, allowed) && !str_starts(name, "net.") &&
	    !str_starts(name, "fs.mqueue."))
		return err_new(EPERM,
			       "sysctl %s belongs to the whole host; a container can set net.*, "
			       "fs.mqueue.* and the IPC parameters of kernel.*",
			       name);
	return NULL;
}

/* @proc is our own procfs, not what the container's file system calls one (R2). */
static struct err *write_one(int proc, const char *assignment)
{
	struct open_how how = { .flags = O_WRONLY | O_CLOEXEC,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
					   RESOLVE_NO_MAGICLINKS };
	const char *value = strchr(assignment, '=') + 1;
	auto_free char *path = mem_printf("sys/%.*s", (int)(value - assignment - 1), assignment);

	for (char *p = path; *p; p++)
		*p = *p == '.' ? '/' : *p;
	auto_fd int fd = (int)syscall(SYS_openat2, proc, path, &how, sizeof(how));

	if (fd < 0)
		return err_errno("open %s", path);
	return fd_write_all(fd, value, strlen(value));
}

struct err *sysctl_write(int proc, char *const *assignments)
{
	for (; assignments && *assignments; assignments++) {
		TRY(sysctl_check(*assignments));
		TRY(err_wrap(write_one(proc, *assignments), "sysctl %s", *assignments));
	}
	return NULL;
}
