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
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

enum { JUST_NOW = 60 /* seconds */, LARGE_FILES = 1000, LARGE_BYTES = 16 << 20 };

struct weight {
	int64_t files, bytes;
};

static bool is_large(const struct weight *w)
{
	return w->files > LARGE_FILES || w->bytes > LARGE_BYTES;
}

char *trash_path(const struct pod_host *h, const char *label)
{
	auto_free char *trash = mem_printf("%s/trash", h->root);
	static unsigned count; /* two may come within one millisecond */

	err_ignore(fd_mkdirs(AT_FDCWD, trash, 0700));
	return mem_printf("%s/%s-%d-%llu-%u", trash, label, getpid(),
			  (unsigned long long)proc_now_ms(), count++);
}

struct err *trash_put(const struct pod_host *h, const char *tree, const char *label)
{
	if (access(tree, F_OK) < 0)
		return NULL;
	auto_free char *to = trash_path(h, label);

	/* another file system, or one that is full: it cannot wait then */
	return rename(tree, to) == 0 ? NULL : fd_remove_tree(AT_FDCWD, tree);
}

/* Stops as soon as it is clear. */
static void weigh(int dir, const char *name, struct weight *w)
{
	auto_strv char **names = NULL;
	auto_fd int fd = -1;
	struct stat st;

	if (is_large(w) || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	w->files++;
	w->bytes += (int64_t)st.st_blocks * 512;
	if (!S_ISDIR(st.st_mode))
		return;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	err_ignore(fd_list(fd, &names));
	for (char **n = names; n && *n; n++)
		weigh(fd, *n, w);
}

/* ctime is when it was put there. */
static bool is_due(int dir, const char *name, int64_t age)
{
	struct weight w = { 0 };
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	int64_t is = (int64_t)time(NULL) - st.st_ctime;

	if (is >= age || is < 0)
		return true;
	if (is > JUST_NOW) /* whoever put it there has looked */
		return false;
	weigh(dir, name, &w);
	return is_large(&w);
}

/* @wait: for somebody who is at it already, and may have looked before the last came. */
static struct err *empty(const struct pod_host *h, int64_t age, bool wait)
{
	auto_free char *path = mem_printf("%s/trash", h->root);
	auto_free char *lock_path = mem_printf("%s/trash.lock", h->root);
	auto_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), lock = -1;
	auto_strv char **names = NULL;
	struct err *errors = NULL;

	if (dir < 0)
		return NULL;
	auto_err struct err *busy =
		fd_lock(AT_FDCWD, lock_path, LOCK_EX | (wait ? 0 : LOCK_NB), &lock);

	if (err_code(busy) == EWOULDBLOCK)
		return NULL; /* somebody is at it */
	TRY(steal(&busy));
	TRY(fd_list(dir, &names));
	/* the folder itself stays: at any moment somebody may put something there */
	for (char **n = names; n && *n; n++)
		if (is_due(dir, *n, age))
			errors = err_join(errors, fd_remove_tree(dir, *n));
	return err_wrap(errors, "%s", path);
}

struct err *pod_empty_trash(const struct pod_host *h)
{
	return empty(h, 0, false);
}

struct err *pod_tidy_trash(const struct pod_host *h, int64_t age)
{
	(void)setpriority(PRIO_PROCESS, 0, 19);
	(void)syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, 3 << 13 /* idle */);
	return empty(h, age, true);
}

void pod_tidy_trash_aside(const struct pod_host *h)
{
	pid_t pid = fork();

	if (pid != 0)
		return;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)setsid();
	for (int i = 0; i < 3; i++) /* whoever reads from us does not wait for this */
		(void)dup2(null, i);
	(void)syscall(SYS_close_range, 3, ~0U, 0);
	auto_err struct err *e = pod_tidy_trash(h, POD_TRASH_AGE);

	_exit(e != NULL);
}
