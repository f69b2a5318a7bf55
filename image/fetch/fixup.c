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
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "image/fetch/fetch.h"

#define OPAQUE "user.overlay.opaque"
#define ASIDE ".wh..wh.slipway" /* no entry of a tar gets such a name */

/* The layer that is being fixed comes first, the ones below it follow, the nearest first. */
struct fixer {
	const struct unpack_notes *notes;
	const int *stack;
	size_t n;
	int fs; /* stack[0] */
};

/* ---- directories ---- */

/* A directory whose times are to be as they were, whatever is made or removed in it. */
struct kept {
	int fd;
	struct timespec times[2];
};

static struct err *keep(int fs, const char *path, struct kept *ret)
{
	struct stat st;

	TRY(fd_open_in_root(fs, *path ? path : "/", O_RDONLY | O_DIRECTORY, 0, &ret->fd));
	if (fstat(ret->fd, &st) < 0)
		return err_errno("stat %s", path);
	ret->times[0] = st.st_atim;
	ret->times[1] = st.st_mtim;
	return NULL;
}

static void kept_cleanup(struct kept *k)
{
	if (k->fd >= 0)
		(void)futimens(k->fd, k->times); /* the owner can */
	fd_cleanup(&k->fd);
}
#define auto_kept cleanup_with(kept_cleanup)

/* "a/b" to "a" and "b". */
static char *parent_of(const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');

	*ret_name = slash ? slash + 1 : path;
	return mem_strndup(path, slash ? (size_t)(slash - path) : 0);
}

static struct err *copy_xattrs(const char *from, const char *to)
{
	auto_free char *names = mem_alloc(XATTR_LIST_MAX), *value = mem_alloc(XATTR_SIZE_MAX);
	ssize_t n = listxattr(from, names, XATTR_LIST_MAX);

	for (const char *name = names; n > 0 && name < names + n; name += strlen(name) + 1) {
		ssize_t len = getxattr(from, name, value, XATTR_SIZE_MAX);

		if (len >= 0 && !str_starts(name, "user.overlay.") &&
		    !str_starts(name, "trusted.") &&
		    setxattr(to, name, value, (size_t)len, 0) < 0 && errno != ENOTSUP &&
		    errno != EPERM)
			return err_errno("xattr %s", name);
	}
	return NULL;
}

/* Owner, mode, attributes and times of what @from is, whose stat is @st. */
static struct err *copy_look(int from, int to, const struct stat *st)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };
	auto_free char *from_path = mem_printf("/proc/self/fd/%d", from);
	auto_free char *to_path = mem_printf("/proc/self/fd/%d", to);

	if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0)
		return err_errno("owner and mode");
	TRY(copy_xattrs(from_path, to_path));
	return futimens(to, times) < 0 ? err_errno("times") : NULL;
}

/* Makes the directory @path look like the one below, which may not be there: @root is -1 then. */
static struct err *look_like(const struct fixer *f, const char *path, int root,
			     const struct stat *st)
{
	static const struct timespec never[2] = { { 0, 0 }, { 0, 0 } };
	auto_fd int from = -1, to = -1;

	TRY(fd_open_in_root(f->fs, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &to));
	if (root < 0)
		return futimens(to, never) < 0 ? err_errno("times of %s", path) : NULL;
	TRY(fd_open_in_root(root, path, O_PATH | O_NOFOLLOW, 0, &from));
	return copy_look(from, to, st);
}

/* What is at @path below this layer, seen through it; -1 for nothing. */
static struct err *find_below(const struct fixer *f, const char *path, struct stat *ret_st,
			      int *ret_root)
{
	const char *name;
	auto_free char *parent = parent_of(path, &name);
	auto_free char *beside = mem_printf("%s%s.wh..wh.", parent, *parent ? "/" : "");
	enum stack_found found = STACK_ABSENT;

	/* a name that is not there tells whether names are looked for below */
	TRY(stack_look(f->fs, beside, ret_st, &found));
	*ret_root = -1;
	return found == STACK_ABSENT ? stack_find(f->stack + 1, f->n - 1, path, ret_st, ret_root)
				     : NULL;
}

/* Makes @path, a resolved one, in this layer; each new directory looks like the one below. */
static struct err *make_like(const struct fixer *f, const char *path)
{
	auto_free char *copy = mem_strdup(path);

	for (char *p = copy; p && *copy;) {
		p = strchr(p, '/');
		if (p)
			*p = '\0';
		struct stat st, below;
		enum stack_found found = STACK_ABSENT;
		const char *name;
		auto_free char *parent = parent_of(copy, &name);
		int root = -1;

		TRY(stack_look(f->fs, copy, &st, &found));
		if (found == STACK_FOUND && !S_ISDIR(st.st_mode))
			return err_new(ENOTDIR, "%s is no directory", copy);
		if (found != STACK_FOUND) {
			auto_kept struct kept up = { .fd = -1 };

			TRY(find_below(f, copy, &below, &root));
			TRY(keep(f->fs, parent, &up));
			if (mkdirat(up.fd, name, 0755) < 0)
				return err_errno("mkdir %s", copy);
			TRY(look_like(f, copy, root >= 0 && S_ISDIR(below.st_mode) ? root : -1,
				      &below));
		}
		if (p)
			*p++ = '/';
	}
	return NULL;
}

/* ---- directories nobody described ---- */

/* Moves what is in @from into @to; directories that are in both become one. */
static struct err *move_entries(int from, int to)
{
	auto_strv char **names = NULL;

	TRY(fd_list(from, &names));
	for (char **name = names; name && *name; name++) {
		auto_fd int sub_from = -1, sub_to = -1;

		if (renameat(from, *name, to, *name) == 0)
			continue;
		if (errno != ENOTEMPTY && errno != EEXIST)
			return err_errno("move %s behind the link", *name);
		TRY(fd_openat(from, *name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, &sub_from));
		TRY(fd_openat(to, *name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, &sub_to));
		TRY(move_entries(sub_from, sub_to));
		if (unlinkat(from, *name, AT_REMOVEDIR) < 0)
			return err_errno("remove %s", *name);
	}
	return NULL;
}

/* Below @path is a symbolic link: what is in it belongs where that leads. */
static struct err *move_behind_link(const struct fixer *f, const char *path)
{
	const char *name;
	auto_free char *parent = parent_of(path, &name), *target = NULL;
	auto_kept struct kept up = { .fd = -1 }, to = { .fd = -1 };
	auto_fd int from = -1;

	TRY(keep(f->fs, parent, &up));
	/* out of the way, or it would hide the link */
	if (renameat(up.fd, name, up.fd, ASIDE) < 0)
		return err_errno("rename");
	TRY(stack_resolve(f->stack, f->n, path, &target));
	TRY(make_like(f, target));
	TRY(keep(f->fs, target, &to));
	TRY(fd_openat(up.fd, ASIDE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, &from));
	if (fgetxattr(from, OPAQUE, NULL, 0) > 0 && fsetxattr(to.fd, OPAQUE, "y", 1, 0) < 0)
		return err_errno("mark %s opaque", target);
	TRY(move_entries(from, to.fd));
	return unlinkat(up.fd, ASIDE, AT_REMOVEDIR) < 0 ? err_errno("remove") : NULL;
}

/* A new directory in which there is nothing but whiteouts of nothing, or others like it, goes. */
static struct err *prune(const struct fixer *f, const char *path, bool *ret_gone)
{
	const char *name;
	auto_free char *parent = parent_of(path, &name);
	auto_kept struct kept up = { .fd = -1 };
	auto_strv char **names = NULL;
	auto_fd int dir = -1;
	struct stat st;

	TRY(keep(f->fs, parent, &up));
	TRY(fd_openat(up.fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, &dir));
	TRY(fd_list(dir, &names));
	for (char **n = names; n && *n; n++) {
		auto_free char *below = mem_printf("%s/%s", path, *n);
		bool gone = false;

		if (fstatat(dir, *n, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return err_errno("stat %s", below);
		if (stack_is_whiteout(&st))
			(void)unlinkat(dir, *n, 0);
		else if (S_ISDIR(st.st_mode) && note_has(&f->notes->implied, below))
			TRY(prune(f, below, &gone));
	}
	*ret_gone = unlinkat(up.fd, name, AT_REMOVEDIR) == 0;
	return NULL;
}

/* Its parents have been dealt with. */
static struct err *fix_implied(const struct fixer *f, const char *path)
{
	const char *name;
	auto_free char *parent = parent_of(path, &name), *real = NULL;
	struct stat st, below;
	enum stack_found found = STACK_ABSENT;
	bool gone = false;
	int root = -1;

	TRY(stack_resolve(f->stack, f->n, parent, &real));
	auto_free char *at = mem_printf("%s%s%s", real, *real ? "/" : "", name);

	TRY(stack_look(f->fs, at, &st, &found));
	if (found != STACK_FOUND || !S_ISDIR(st.st_mode))
		return NULL; /* a later entry has replaced it, or one above it */
	TRY(find_below(f, at, &below, &root));
	if (root >= 0 && S_ISLNK(below.st_mode))
		return move_behind_link(f, at);
	if (root >= 0 && S_ISDIR(below.st_mode))
		return look_like(f, at, root, &below);
	TRY(prune(f, at, &gone));
	return gone ? NULL : look_like(f, at, -1, NULL);
}

/* ---- hard links into lower layers ---- */

static struct err *copy_file(int root, const char *path, const struct stat *st, int dir,
			     const char *name)
{
	auto_fd int from = -1, to = -1;
	ssize_t n;

	TRY(fd_open_in_root(root, path, O_RDONLY | O_NOFOLLOW, 0, &from));
	TRY(fd_openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, &to));
	do
		n = copy_file_range(from, NULL, to, NULL, 1 << 30, 0);
	while (n > 0);
	return n < 0 ? err_errno("copy") : copy_look(from, to, st);
}

/* @path, a resolved one, as another name of @name in @dir; its directory is made. */
static struct err *add_name(const struct fixer *f, int dir, const char *name, const char *path)
{
	const char *other;
	auto_free char *parent = parent_of(path, &other);
	auto_kept struct kept up = { .fd = -1 };

	TRY(make_like(f, parent));
	TRY(keep(f->fs, parent, &up));
	return linkat(dir, name, up.fd, other, 0) < 0 ? err_errno("link %s", path) : NULL;
}

/* @path in the stack, with the links on the way to it resolved. */
static struct err *resolve_parent(const struct fixer *f, const char *path, char **ret)
{
	const char *name;
	auto_free char *parent = parent_of(path, &name), *real = NULL;

	TRY(stack_resolve(f->stack, f->n, parent, &real));
	*ret = mem_printf("%s%s%s", real, *real ? "/" : "", name);
	return NULL;
}

/* Room for @name in @dir: false when a later entry has taken it. */
static bool is_free(int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return true;
	return stack_is_whiteout(&st) && unlinkat(dir, name, 0) == 0;
}

/* The file is copied, for layers do not share inodes; and its old name is put beside the new one. */
static struct err *fix_link(const struct fixer *f, const char *link, const char *target)
{
	auto_free char *to = NULL, *from = NULL;
	auto_kept struct kept up = { .fd = -1 };
	struct stat st, old;
	enum stack_found found = STACK_ABSENT;
	const char *name;
	int root = -1;

	TRY(resolve_parent(f, link, &to));
	TRY(resolve_parent(f, target, &from));
	auto_free char *parent = parent_of(to, &name);

	TRY(stack_find(f->stack, f->n, from, &st, &root));
	if (root < 0)
		return err_new(EBADMSG, "a hard link to %s, which is nowhere", target);
	if (!S_ISREG(st.st_mode))
		return err_new(EBADMSG, "a hard link to %s, which is no file", target);
	struct err *e = make_like(f, parent);

	if (err_code(e) == ENOTDIR) {
		err_free(e); /* a later entry has replaced the directory */
		return NULL;
	}
	TRY(e);
	TRY(keep(f->fs, parent, &up));
	if (!is_free(up.fd, name))
		return NULL;
	if (root == f->fs)
		return linkat(f->fs, from, up.fd, name, 0) < 0 ? err_errno("link to %s", from)
							       : NULL;
	TRY(copy_file(root, from, &st, up.fd, name));
	TRY(stack_look(f->fs, from, &old, &found));
	return found == STACK_ABSENT ? add_name(f, up.fd, name, from) : NULL;
}

struct err *unpack_fixup(int fs, const struct unpack_notes *notes, const int *lower, size_t n_lower)
{
	auto_free int *stack = mem_alloc((n_lower + 1) * sizeof(int));
	struct fixer f = { .notes = notes, .stack = stack, .n = n_lower + 1, .fs = fs };

	stack[0] = fs;
	if (n_lower)
		memcpy(stack + 1, lower, n_lower * sizeof(int));
	for (const struct unpack_note *n = notes->implied; n; n = n->hh.next)
		TRY(err_wrap(fix_implied(&f, n->path), "/%s", n->path));
	for (const struct unpack_note *n = notes->links; n; n = n->hh.next)
		TRY(err_wrap(fix_link(&f, n->path, n->target), "/%s", n->path));
	return NULL;
}
