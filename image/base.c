/* SPDX-License-Identifier: Apache-2.0 */
/* image/base.c - the lowest layer of every container: what others mount on, where an image has nothing there. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "image/internal.h"

/* The last one tells that all are there. */
static const char *const files[] = { "hosts", "hostname", "resolv.conf" };

static struct err *fill(const char *path)
{
	static const char *const dirs[] = { "dev", "etc", "proc", "sys" };
	auto_fd int dir = -1, etc = -1;

	TRY(fd_mkdirs(AT_FDCWD, path, 0755));
	TRY(fd_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, &dir));
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if (mkdirat(dir, dirs[i], 0755) < 0 && errno != EEXIST)
			return err_errno("mkdir %s", dirs[i]);
	TRY(fd_openat(dir, "etc", O_RDONLY | O_DIRECTORY, &etc));
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		auto_fd int fd = -1;

		TRY(fd_openat(etc, files[i], O_WRONLY | O_CREAT, &fd));
	}
	return NULL;
}

struct err *image_base(const char *root, char **ret_path)
{
	auto_free char *path = mem_printf("%s/base", root);
	auto_free char *last = mem_printf("%s/etc/%s", path, files[ARRAY_LEN(files) - 1]);

	if (access(last, F_OK) < 0)
		TRY(err_wrap(fill(path), "%s", path));
	*ret_path = steal(&path);
	return NULL;
}
