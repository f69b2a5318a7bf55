/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/mount.c - mounts by descriptor (fsopen and friends, Linux 5.2; mount_setattr, 5.12). */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/internal.h"

/* <sys/mount.h> and <linux/mount.h> cannot both be included; these are the few calls, by number. */
static int sys_fsopen(const char *type)
{
	return (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
}

static int sys_fsconfig(int fs, unsigned command, const char *key, const void *value)
{
	return (int)syscall(SYS_fsconfig, fs, command, key, value, 0);
}

/* The kernel's own words about what it did not like, when it has some. */
static struct err *explain(int fs, const char *what)
{
	int code = errno;
	char text[512];
	ssize_t n = read(fs, text, sizeof(text) - 1);

	errno = code;
	if (n <= 2)
		return err_errno("%s", what);
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return err_new(code, "%s: %s (%s)", what, text + 2, strerror(code));
}

static struct err *set_option(int fs, const char *option)
{
	auto_free char *key = mem_strdup(option);
	char *value = strchr(key, '=');

	if (value)
		*value++ = '\0';
	if (sys_fsconfig(fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value) < 0)
		return explain(fs, option);
	return NULL;
}

struct err *mount_new(const char *type, char *const *options, uint64_t attributes, int *ret)
{
	auto_fd int fs = sys_fsopen(type);

	if (fs < 0)
		return err_errno("file system %s", type);
	if (sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", type) < 0)
		return explain(fs, "source");
	for (; options && *options; options++)
		TRY(set_option(fs, *options));
	if (sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL) < 0)
		return explain(fs, type);
	int mount = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes);

	if (mount < 0)
		return explain(fs, type);
	*ret = mount;
	return NULL;
}

struct err *mount_copy(int fd, bool recursive, int *ret)
{
	int mount = (int)syscall(SYS_open_tree, fd, "",
				 AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
					 (recursive ? AT_RECURSIVE : 0));

	if (mount < 0)
		return err_errno("copy a mount");
	*ret = mount;
	return NULL;
}

struct err *mount_set(int mount, uint64_t attributes, uint64_t propagation, bool recursive)
{
	struct mount_attr attr = { .attr_set = attributes, .propagation = propagation };

	if (syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0),
		    &attr, sizeof(attr)) < 0)
		return err_errno("change a mount");
	return NULL;
}

struct err *mount_attach(int mount, int target)
{
	if (syscall(SYS_move_mount, mount, "", target, "",
		    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_errno("attach a mount");
	return NULL;
}
