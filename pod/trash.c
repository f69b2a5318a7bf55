/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod/trash.c - trees that nobody needs any more: put aside at once, removed when nobody waits.
 *
 * A tree may have any number of files. And directories just emptied make the next
 * creations on ext4 slow.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

char *trash_path(const struct pod_host *h, const char *label)
{
	auto_free char *trash = mem_printf("%s/trash", h->root);

	err_ignore(fd_mkdirs(AT_FDCWD, trash, 0700));
	return mem_printf("%s/%s-%d-%llu", trash, label, getpid(),
			  (unsigned long long)proc_now_ms());
}

struct err *trash_put(const struct pod_host *h, const char *tree, const char *label)
{
	if (access(tree, F_OK) < 0)
		return NULL;
	auto_free char *to = trash_path(h, label);

	if (rename(tree, to) == 0 || errno == ENOENT)
		return NULL;
	return errno == EXDEV ? fd_remove_tree(AT_FDCWD, tree) : err_errno("put %s aside", tree);
}

struct err *pod_empty_trash(const struct pod_host *h)
{
	auto_free char *path = mem_printf("%s/trash", h->root);
	auto_free char *lock_path = mem_printf("%s/trash.lock", h->root);
	auto_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), lock = -1;
	auto_strv char **names = NULL;
	struct err *errors = NULL;

	if (dir < 0)
		return NULL;
	auto_err struct err *busy = fd_lock(AT_FDCWD, lock_path, LOCK_EX | LOCK_NB, &lock);

	if (err_code(busy) == EWOULDBLOCK)
		return NULL; /* somebody is at it */
	TRY(steal(&busy));
	TRY(fd_list(dir, &names));
	/* the folder itself stays: at any moment somebody may put something there */
	for (char **n = names; n && *n; n++)
		errors = err_join(errors, fd_remove_tree(dir, *n));
	return err_wrap(errors, "%s", path);
}
