/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image/fetch/fixup.c - what a layer means only together with the ones below it.
 *
 * A directory without an entry of its own ("tmp/x" and no "tmp/") looks like the
 * one below; where a symbolic link stands below, the files belong behind it; a
 * hard link may name a file of a lower layer. Overlayfs would show a new
 * directory, mode 0755, hiding what is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "image/fetch/fetch.h"

enum { LINK_FOLLOW_MAX = 40 };

/*
 * The nearest lower layer that says what @path is: its stat and a descriptor of
 * that layer's root. ENOENT when it is nowhere, or hidden by a whiteout.
 */
static struct err *find_below(const int *lower, size_t n, const char *path, struct stat *ret_st,
			      int *ret_root)
{
	for (size_t i = 0; i < n; i++) {
		auto_fd int fd = -1;
		struct err *e = fd_open_in_root(lower[i], path, O_PATH | O_NOFOLLOW, 0, &fd);

		if (err_code(e) == ENOENT) {
			err_free(e);
			continue;
		}
		if (err_code(e) == ENOTDIR || err_code(e) == ELOOP) {
			err_free(e);
			break;
		}
		TRY(e);
		if (fstat(fd, ret_st) < 0)
			return err_errno("stat %s", path);
		if (S_ISCHR(ret_st->st_mode) && ret_st->st_rdev == 0)
			break;
		*ret_root = lower[i];
		return NULL;
	}
	return err_new(ENOENT, "%s is in no layer below", path);
}

static struct err *copy_xattrs(const char *from, const char *to)
{
	char names[4096], value[4096];
	ssize_t n = listxattr(from, names, sizeof(names));

	for (const char *name = names; n > 0 && name < names + n; name += strlen(name) + 1) {
		ssize_t len = getxattr(from, name, value, sizeof(value));

		if (len >= 0 && !str_starts(name, "user.overlay.") &&
		    !str_starts(name, "trusted.") &&
		    setxattr(to, name, value, (size_t)len, 0) < 0 && errno != ENOTSUP &&
		    errno != EPERM)
			return err_errno("xattr %s", name);
	}
	return NULL;
}

static struct err *copy_look(int from_root, int to_root, const char *path, const struct stat *st)
{
	auto_fd int from = -1, to = -1;
	struct timespec times[2] = { st->st_atim, st->st_mtim };

	TRY(fd_open_in_root(from_root, path, O_PATH, 0, &from));
	TRY(fd_open_in_root(to_root, path, O_RDONLY | O_DIRECTORY, 0, &to));
	auto_free char *from_path = mem_printf("/proc/self/fd/%d", from);
	auto_free char *to_path = mem_printf("/proc/self/fd/%d", to);

	if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0)
		return err_errno("metadata of %s", path);
	TRY(copy_xattrs(from_path, to_path));
	if (futimens(to, times) < 0)
		return err_errno("times of %s", path);
	return NULL;
}

/* Where the link @path of a lower layer leads, as a path from the root. */
static struct err *link_target(int root, const char *path, char **ret)
{
	char text[4096];
	auto_fd int fd = -1;

	TRY(fd_open_in_root(root, path, O_PATH | O_NOFOLLOW, 0, &fd));
	ssize_t n = readlinkat(fd, "", text, sizeof(text) - 1);

	if (n < 0)
		return err_errno("read link %s", path);
	text[n] = '\0';
	const char *slash = strrchr(path, '/');

	*ret = *text == '/' || !slash ? mem_strdup(text + (*text == '/'))
				      : mem_printf("%.*s/%s", (int)(slash - path), path, text);
	return NULL;
}

/* Moves the entries of directory @from (below @fs) into @to, and removes it. */
static struct err *move_entries(int fs, const char *from, const char *to)
{
	auto_fd int source = -1, target = -1, above = -1;
	const char *slash = strrchr(from, '/');
	auto_free char *dir = mem_strndup(from, slash ? (size_t)(slash - from) : 0);
	const char *name = slash ? slash + 1 : from;
	auto_free char *aside = mem_printf(".slipway-%s", name);

	TRY(fd_open_in_root(fs, *dir ? dir : "/", O_PATH | O_DIRECTORY, 0, &above));
	/* the name must be free before the target can be made through it */
	if (renameat(above, name, above, aside) < 0)
		return err_errno("rename %s", from);
	TRY(fd_mkdirs_in_root(fs, to, 0755, &target));
	TRY(fd_openat(above, aside, O_RDONLY | O_DIRECTORY, &source));

	auto_strv char **names = NULL;

	TRY(fd_list(source, &names));
	for (char **entry = names; entry && *entry; entry++)
		if (renameat(source, *entry, target, *entry) < 0)
			return err_errno("move %s/%s behind the link", from, *entry);
	if (unlinkat(above, aside, AT_REMOVEDIR) < 0)
		return err_errno("remove %s", from);
	return NULL;
}

static struct err *fix_implied(int fs, const char *path, const int *lower, size_t n)
{
	struct stat st;
	int root = -1;
	auto_free char *at = mem_strdup(path);
	struct err *e = find_below(lower, n, at, &st, &root);

	for (int i = 0; !e && S_ISLNK(st.st_mode) && i < LINK_FOLLOW_MAX; i++) {
		auto_free char *to = NULL;

		TRY(link_target(root, at, &to));
		TRY(move_entries(fs, at, to));
		free(at);
		at = steal(&to);
		e = find_below(lower, n, at, &st, &root);
	}
	if (err_code(e) == ENOENT) {
		err_free(e);
		return NULL; /* new after all */
	}
	TRY(e);
	return S_ISDIR(st.st_mode) ? copy_look(root, fs, at, &st) : NULL;
}

static struct err *copy_content(int from, int to)
{
	for (;;) {
		ssize_t n = copy_file_range(from, NULL, to, NULL, 1 << 30, 0);

		if (n == 0)
			return NULL;
		if (n < 0)
			return err_errno("copy");
	}
}

/* A hard link into a lower layer becomes a copy: layers do not share inodes. */
static struct err *fix_link(int fs, const char *path, const char *target, const int *lower,
			    size_t n)
{
	auto_fd int from = -1, to = -1, dir = -1;
	const char *slash = strrchr(path, '/');
	auto_free char *above = mem_strndup(path, slash ? (size_t)(slash - path) : 0);
	struct stat st;
	int root = -1;

	TRY(find_below(lower, n, target, &st, &root));
	if (!S_ISREG(st.st_mode))
		return err_new(EBADMSG, "a hard link to %s, which is no file", target);
	TRY(fd_open_in_root(root, target, O_RDONLY | O_NOFOLLOW, 0, &from));
	TRY(fd_open_in_root(fs, *above ? above : "/", O_PATH | O_DIRECTORY, 0, &dir));
	TRY(fd_openat(dir, slash ? slash + 1 : path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
		      &to));
	TRY(copy_content(from, to));
	struct timespec times[2] = { st.st_atim, st.st_mtim };
	auto_free char *from_path = mem_printf("/proc/self/fd/%d", from);
	auto_free char *to_path = mem_printf("/proc/self/fd/%d", to);

	if (fchown(to, st.st_uid, st.st_gid) < 0 || fchmod(to, st.st_mode & 07777) < 0)
		return err_errno("metadata of %s", path);
	TRY(copy_xattrs(from_path, to_path));
	return futimens(to, times) < 0 ? err_errno("times of %s", path) : NULL;
}

struct err *unpack_fixup(int fs, const struct unpack_notes *notes, const int *lower, size_t n_lower)
{
	for (char **p = notes->implied; p && *p; p++)
		TRY(err_wrap(fix_implied(fs, *p, lower, n_lower), "/%s", *p));
	for (char **p = notes->links; p && *p; p++) {
		auto_free char *path = mem_strndup(*p, strcspn(*p, "\t"));

		TRY(err_wrap(fix_link(fs, path, strchr(*p, '\t') + 1, lower, n_lower), "/%s",
			     path));
	}
	return NULL;
}
