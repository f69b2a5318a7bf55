/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image/fetch/unpack.c - one layer's tar onto disk, as an overlayfs lower directory.
 *
 * libarchive reads the tar; what reaches the disk goes through descriptors that
 * cannot leave the layer (openat2, RESOLVE_IN_ROOT). Whiteouts become overlayfs's
 * own: a character device 0:0, or user.overlay.opaque on a directory (the mount
 * uses "userxattr", so no privilege over trusted.* is needed here).
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "image/fetch/fetch.h"

enum {
	ENTRIES_MAX = 10000000,
	DEPTH_MAX = 512, /* directories in each other: whoever removes them has one open for each */
	NAMES_MAX = 256 << 20, /* bytes of paths kept until the end */
};

#define AUFS_LINKS ".wh..wh.plnk"

/* Directories get their times last: every entry made in them changes them. */
struct dir_time {
	char *path;
	struct timespec times[2];
};

struct unpacker {
	decode_read_fn *read;
	void *ctx;
	struct err *read_error; /* libarchive cannot carry it */
	int root;
	char *parent; /* path of the directory that `parent_fd` is */
	int parent_fd;
	struct unpack_notes *notes;
	struct dir_time *dirs;
	size_t n_dirs;
	size_t names; /* bytes of the paths in dirs and notes */
};

static la_ssize_t on_read(struct archive *a, void *arg, const void **block)
{
	struct unpacker *u = arg;
	size_t len = 0;

	u->read_error = u->read(u->ctx, block, &len);
	if (u->read_error)
		archive_set_error(a, EIO, "read");
	return u->read_error ? -1 : (la_ssize_t)len;
}

/* ---- paths ---- */

/* "./a//b/" to "a/b"; "" for the root; NULL when it is too long. */
static char *clean(const char *path)
{
	if (strlen(path) > PATH_LIMIT)
		return NULL;
	auto_free char *whole = str_clean_path(path); /* ".." stops at the root, as chroot has it */

	return mem_strdup(whole + 1);
}

/* A path that is kept until the end. */
static struct err *keep_name(struct unpacker *u, const char *path)
{
	u->names += strlen(path) + sizeof(struct unpack_note);
	return u->names > NAMES_MAX ? err_new(E2BIG, "too many directories and links") : NULL;
}

static struct err *check_depth(int dir)
{
	auto_free char *self = mem_printf("/proc/self/fd/%d", dir);
	char path[PATH_LIMIT];
	ssize_t n = readlink(self, path, sizeof(path));
	int depth = 0;

	for (ssize_t i = 0; i < n; i++)
		depth += path[i] == '/';
	return n < 0 || n == sizeof(path) || depth > DEPTH_MAX
		       ? err_new(E2BIG, "directories nested deeper than %d", DEPTH_MAX)
		       : NULL;
}

static struct err *set_opaque(int parent, const char *name)
{
	auto_fd int fd = -1;

	TRY(fd_openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, &fd));
	if (fsetxattr(fd, "user.overlay.opaque", "y", 1, 0) < 0)
		return err_errno("mark %s opaque", name);
	return NULL;
}

static struct err *add_dir(struct unpacker *u, const char *path, const struct timespec *mtime)
{
	TRY(keep_name(u, path));
	if ((u->n_dirs & (u->n_dirs + 1)) == 0)
		u->dirs = mem_grow(u->dirs, (u->n_dirs + 1) * 2, sizeof(*u->dirs));
	u->dirs[u->n_dirs++] =
		(struct dir_time) { mem_strdup(path), { { 0, UTIME_OMIT }, *mtime } };
	return NULL;
}

/* The directory @name that no entry has spoken of so far, in @up. */
static struct err *make_implied(struct unpacker *u, const char *path, int up, const char *name)
{
	struct timespec never = { 0, 0 };
	struct stat st;

	TRY(check_depth(up));
	if (mkdirat(up, name, 0755) == 0) {
		TRY(keep_name(u, path));
		note_add(&u->notes->implied, path, NULL);
		return NULL;
	}
	if (errno != EEXIST || fstatat(up, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno("mkdir %s", path);
	if (S_ISDIR(st.st_mode))
		return NULL;
	/* a file or a whiteout of an earlier entry gives way; it has hidden what is below */
	if (unlinkat(up, name, 0) < 0 || mkdirat(up, name, 0755) < 0)
		return err_errno("mkdir %s", path);
	TRY(set_opaque(up, name));
	return add_dir(u, path, &never);
}

/* Opens directory @dir; makes it and its parents where they are missing, behind links too. */
static struct err *open_dir(struct unpacker *u, const char *dir, int *ret)
{
	struct err *e = fd_open_in_root(u->root, *dir ? dir : "/", O_PATH | O_DIRECTORY, 0, ret);
	auto_free char *real = NULL;

	if (err_code(e) != ENOENT && err_code(e) != ENOTDIR)
		return e;
	err_free(e);
	TRY(stack_resolve(&u->root, 1, dir, &real));
	auto_fd int up = -1;

	TRY(fd_openat(u->root, ".", O_PATH | O_DIRECTORY, &up));
	for (char *p = real, *name = real; p; name = p) {
		auto_fd int next = -1;

		p = strchr(p, '/');
		if (p)
			*p = '\0';
		TRY(make_implied(u, real, up, name));
		TRY(fd_openat(up, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, &next));
		fd_close(&up);
		up = fd_steal(&next);
		if (p)
			*p++ = '/';
	}
	*ret = fd_steal(&up);
	return NULL;
}

/* The directory that holds @path, and the last component. Consecutive entries share it. */
static struct err *open_parent(struct unpacker *u, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	auto_free char *dir = mem_strndup(path, slash ? (size_t)(slash - path) : 0);

	*ret_name = slash ? slash + 1 : path;
	if (u->parent && strcmp(u->parent, dir) == 0)
		return NULL;
	fd_close(&u->parent_fd);
	free(u->parent);
	u->parent = NULL;
	TRY(open_dir(u, dir, &u->parent_fd));
	u->parent = steal(&dir);
	return NULL;
}

static void forget_parent(struct unpacker *u)
{
	fd_close(&u->parent_fd);
	free(u->parent);
	u->parent = NULL;
}

/* ---- whiteouts ---- */

/* An implied directory with nothing in it but whiteouts and others like it goes. */
static struct err *prune(const struct unpacker *u, int up, const char *path, const char *name)
{
	auto_strv char **names = NULL;
	auto_fd int dir = -1;
	struct stat st;

	TRY(fd_openat(up, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, &dir));
	TRY(fd_list(dir, &names));
	for (char **n = names; n && *n; n++) {
		auto_free char *below = mem_printf("%s/%s", path, *n);

		if (fstatat(dir, *n, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return err_errno("stat %s", below);
		if (stack_is_whiteout(&st))
			(void)unlinkat(dir, *n, 0);
		else if (S_ISDIR(st.st_mode) && note_has(&u->notes->implied, below))
			TRY(prune(u, dir, below, *n));
	}
	if (unlinkat(up, name, AT_REMOVEDIR) == 0)
		note_remove(&u->notes->implied, path);
	return NULL;
}

/* ".wh.NAME": hides NAME of the layers below, not what this layer has there. */
static struct err *put_whiteout(struct unpacker *u, const char *hidden)
{
	auto_free char *path = mem_printf("%s%s%s", u->parent, *u->parent ? "/" : "", hidden);
	struct timespec never = { 0, 0 };
	struct stat st;

	if (!*hidden || strcmp(hidden, ".") == 0 || strcmp(hidden, "..") == 0)
		return err_new(EBADMSG, "a whiteout of nothing");
	bool there = fstatat(u->parent_fd, hidden, &st, AT_SYMLINK_NOFOLLOW) == 0;

	if (there && S_ISDIR(st.st_mode) && note_has(&u->notes->implied, path)) {
		TRY(prune(u, u->parent_fd, path, hidden));
		there = note_has(&u->notes->implied, path);
		note_remove(&u->notes->implied, path); /* it is not the one below */
		if (there)
			TRY(add_dir(u, path, &never));
	}
	if (there)
		return S_ISDIR(st.st_mode) ? set_opaque(u->parent_fd, hidden) : NULL;
	if (mknodat(u->parent_fd, hidden, S_IFCHR, 0) < 0)
		return err_errno("whiteout");
	return NULL;
}

/* Nothing can be seen there from below, so that there is nothing to hide. */
static struct err *hides_nothing(const struct unpacker *u, const char *dir, bool *ret)
{
	auto_free char *real = NULL;
	enum stack_found found = STACK_ABSENT;
	struct stat st;

	TRY(stack_resolve(&u->root, 1, dir, &real));
	TRY(stack_look(u->root, real, &st, &found));
	*ret = found == STACK_HIDDEN || (found == STACK_FOUND && !S_ISDIR(st.st_mode));
	return NULL;
}

static struct err *put_marker(struct unpacker *u, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	auto_free char *dir = mem_strndup(path, slash ? (size_t)(slash - path) : 0);
	bool nothing = false, opaque = strcmp(name, ".wh..wh..opq") == 0;
	auto_fd int fd = -1;

	if (opaque && !slash) {
		u->notes->opaque_root = true;
		return NULL;
	}
	if (!opaque && str_starts(name, ".wh..wh.")) /* AUFS's own files */
		return NULL;
	TRY(hides_nothing(u, dir, &nothing));
	if (nothing)
		return NULL;
	TRY(open_parent(u, path, &name));
	if (!opaque)
		return put_whiteout(u, name + strlen(".wh."));
	TRY(fd_open_in_root(u->root, u->parent, O_RDONLY | O_DIRECTORY, 0, &fd));
	if (fsetxattr(fd, "user.overlay.opaque", "y", 1, 0) < 0)
		return err_errno("mark %s opaque", u->parent);
	return NULL;
}

/* ---- entries ---- */

static struct err *put_file(struct archive *a, int parent, const char *name)
{
	auto_fd int fd =
		openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? err_errno("create") : entry_put_data(fd, a);
}

static struct err *put_link(struct unpacker *u, const char *path, const char *name,
			    const char *target)
{
	auto_free char *cleaned = clean(target);
	auto_fd int dir = -1;
	const char *slash = cleaned ? strrchr(cleaned, '/') : NULL;

	if (!cleaned || !*cleaned)
		return err_new(EBADMSG, "a hard link to nothing");
	auto_free char *above = mem_strndup(cleaned, slash ? (size_t)(slash - cleaned) : 0);
	const char *last = slash ? slash + 1 : cleaned;
	struct stat st;
	struct err *e =
		fd_open_in_root(u->root, *above ? above : "/", O_PATH | O_DIRECTORY, 0, &dir);

	if (!e && fstatat(dir, last, &st, AT_SYMLINK_NOFOLLOW) < 0)
		e = err_errno("hard link to %s", target);
	if (err_code(e) == ENOENT) { /* to a file of a layer below, perhaps */
		err_free(e);
		note_add(&u->notes->links, path, cleaned);
		return keep_name(u, path);
	}
	TRY(e);
	if (S_ISDIR(st.st_mode) || stack_is_whiteout(&st))
		return err_new(EBADMSG, "a hard link to %s, which is no file", target);
	if (linkat(dir, last, u->parent_fd, name, 0) < 0)
		return err_errno("hard link to %s", target);
	return NULL;
}

/* Owner, then mode (chown clears set-user-ID), then attributes (chown clears capabilities), then times. */
static struct err *put_metadata(struct unpacker *u, const char *path, const char *name,
				struct archive_entry *entry)
{
	struct timespec times[2] = { { 0, UTIME_OMIT }, entry_mtime(entry) };
	bool link = archive_entry_filetype(entry) == AE_IFLNK,
	     dir = archive_entry_filetype(entry) == AE_IFDIR;
	auto_fd int fd = -1;

	TRY(entry_check_owner(entry));
	if (fchownat(u->parent_fd, name, (uid_t)archive_entry_uid(entry),
		     (gid_t)archive_entry_gid(entry), AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno("chown");
	TRY(fd_openat(u->parent_fd, name, O_PATH | O_NOFOLLOW, &fd));
	auto_free char *self = mem_printf("/proc/self/fd/%d", fd);

	if (!link && chmod(self, archive_entry_perm(entry)) < 0)
		return err_errno("chmod");
	if (!link)
		TRY(entry_put_xattrs(fd, entry));
	if (dir)
		return add_dir(u, path, &times[1]);
	if (archive_entry_mtime_is_set(entry) &&
	    utimensat(u->parent_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno("set times");
	return NULL;
}

/* What stands in the way of a new entry goes; a directory stays a directory. */
static struct err *make_room(struct unpacker *u, const char *path, const char *name, bool dir,
			     bool *ret_opaque)
{
	struct stat st;

	*ret_opaque = false;
	note_remove(&u->notes->implied, path);
	note_remove(&u->notes->links, path);
	if (fstatat(u->parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? NULL : err_errno("stat");
	if (dir && S_ISDIR(st.st_mode))
		return NULL;
	*ret_opaque = dir; /* what a file or a whiteout has hidden stays hidden */
	if (!S_ISDIR(st.st_mode))
		return unlinkat(u->parent_fd, name, 0) < 0 ? err_errno("replace") : NULL;
	return fd_remove_tree(u->parent_fd, name);
}

static struct err *put_directory(struct unpacker *u, const char *path, const char *name)
{
	bool opaque = false;

	TRY(make_room(u, path, name, true, &opaque));
	TRY(check_depth(u->parent_fd));
	if (mkdirat(u->parent_fd, name, 0700) < 0 && errno != EEXIST)
		return err_errno("mkdir");
	if (opaque)
		TRY(set_opaque(u->parent_fd, name));
	return NULL;
}

static struct err *put_entry(struct unpacker *u, struct archive *a, struct archive_entry *entry,
			     const char *path)
{
	const char *link = archive_entry_hardlink(entry), *name = NULL;
	const char *slash = strrchr(path, '/');
	mode_t type = archive_entry_filetype(entry);
	bool opaque = false;

	if (str_starts(slash ? slash + 1 : path, ".wh."))
		return put_marker(u, path);
	TRY(open_parent(u, path, &name));
	if (type == AE_IFDIR && !link) {
		TRY(put_directory(u, path, name));
		return put_metadata(u, path, name, entry);
	}
	TRY(make_room(u, path, name, false, &opaque));
	if (link)
		return put_link(u, path, name, link);
	if (type == AE_IFREG)
		TRY(put_file(a, u->parent_fd, name));
	else if (type == AE_IFLNK)
		TRY(entry_put_symlink(u->parent_fd, name, entry));
	else if (type == AE_IFSOCK)
		return NULL; /* worth nothing without who listens */
	else
		TRY(entry_put_node(u->parent_fd, name, entry));
	return put_metadata(u, path, name, entry);
}

/* The root's own entry: only what it looks like. */
static struct err *put_root(struct unpacker *u, struct archive_entry *entry)
{
	struct timespec mtime = entry_mtime(entry);

	if (archive_entry_filetype(entry) != AE_IFDIR)
		return err_new(EBADMSG, "the root must be a directory");
	TRY(entry_check_owner(entry));
	if (fchown(u->root, (uid_t)archive_entry_uid(entry), (gid_t)archive_entry_gid(entry)) < 0 ||
	    fchmod(u->root, archive_entry_perm(entry)) < 0)
		return err_errno("root directory");
	TRY(entry_put_xattrs(u->root, entry));
	return add_dir(u, ".", &mtime);
}

static struct err *put_times(const struct unpacker *u)
{
	for (size_t i = 0; i < u->n_dirs; i++) {
		const struct dir_time *d = &u->dirs[i];
		auto_fd int fd = -1;
		struct err *e = fd_open_in_root(u->root, d->path,
						O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &fd);

		if (err_code(e) == ENOENT || err_code(e) == ENOTDIR || err_code(e) == ELOOP) {
			err_free(e); /* replaced by a later entry */
			continue;
		}
		TRY(e);
		if (futimens(fd, d->times) < 0)
			return err_errno("times of %s", d->path);
	}
	return NULL;
}

static struct err *archive_failure(struct unpacker *u, struct archive *a)
{
	if (u->read_error)
		return steal(&u->read_error);
	return err_new(EBADMSG, "not a valid tar: %s", archive_error_string(a));
}

/* What AUFS keeps in the root is none of the image; but files have their second names there. */
static bool is_aufs(const char *path)
{
	bool links = str_starts(path, AUFS_LINKS "/");

	return str_starts(path, ".wh..wh.") && !links && strcmp(path, ".wh..wh..opq") != 0;
}

static struct err *read_entries(struct unpacker *u, struct archive *a)
{
	struct archive_entry *entry;
	size_t count = 0;

	for (;;) {
		int rc = archive_read_next_header(a, &entry);

		if (rc == ARCHIVE_EOF)
			break;
		if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
			return archive_failure(u, a);
		if (++count > ENTRIES_MAX)
			return err_new(E2BIG, "more than %d entries", ENTRIES_MAX);
		const char *raw = archive_entry_pathname(entry);
		auto_free char *path = raw ? clean(raw) : NULL;

		if (!path)
			return err_new(EBADMSG,
				       "an entry with a name that is too long or unreadable");
		if (is_aufs(path))
			continue;
		struct err *e = *path ? put_entry(u, a, entry, path) : put_root(u, entry);

		if (e && u->read_error) { /* the cause: the stream broke in the middle of a file */
			err_free(e);
			return steal(&u->read_error);
		}
		TRY(err_wrap(e, "/%s", path));
		if (archive_entry_filetype(entry) != AE_IFREG)
			forget_parent(u);
	}
	TRY(fd_remove_tree(u->root, AUFS_LINKS));
	note_remove(&u->notes->implied, AUFS_LINKS);
	return put_times(u);
}

/* libarchive stops at the end marker; the digest covers what stands behind it too. */
static struct err *drain(const struct unpacker *u)
{
	const void *data;
	size_t len;

	do
		TRY(u->read(u->ctx, &data, &len));
	while (len);
	return NULL;
}

struct err *unpack(decode_read_fn *read, void *ctx, int fs, struct unpack_notes *ret)
{
	struct unpacker u = { .read = read, .ctx = ctx, .root = fs, .parent_fd = -1, .notes = ret };
	struct archive *a = archive_read_new();
	struct err *e = NULL;

	archive_read_support_format_tar(a);
	archive_read_support_format_empty(a);
	if (archive_read_open(a, &u, NULL, on_read, NULL) != ARCHIVE_OK)
		e = archive_failure(&u, a);
	if (!e)
		e = read_entries(&u, a);
	archive_read_free(a);
	if (!e)
		e = drain(&u);
	forget_parent(&u);
	for (size_t i = 0; i < u.n_dirs; i++)
		free(u.dirs[i].path);
	free(u.dirs);
	err_free(u.read_error);
	return e;
}
