/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod/copy.c - files into containers and out of them.
 *
 * Names in a container are resolved as its processes would, never out of its
 * root. Below the first directory everything goes by descriptor, and no link is
 * followed: a process in the container may change what it likes meanwhile.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

enum { DEPTH_MAX = 200 };

/* One side of a copy: a container's root, or -1 for the host, where paths are as usual. */
struct side {
	int root;
};

static struct err *open_on(const struct side *s, const char *path, int flags, int *ret)
{
	return s->root >= 0 ? fd_open_in_root(s->root, path, flags | O_CLOEXEC, 0, ret)
			    : fd_openat(AT_FDCWD, path, flags, ret);
}

/* "a/b/" to the directory "a" and the name "b"; "." for both where there is nothing. */
static void split(const char *path, char **ret_dir, char **ret_name)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	auto_free char *whole = mem_strndup(path, n);
	char *slash = strrchr(whole, '/');

	*ret_name = mem_strdup(slash ? slash + 1 : whole);
	if (slash)
		slash[slash == whole] = '\0';
	*ret_dir = mem_strdup(slash ? whole : ".");
}

static struct err *copy_metadata(int fd, const struct stat *st, bool archive)
{
	if (archive && fchown(fd, st->st_uid, st->st_gid) < 0)
		return err_errno("owner");
	return fchmod(fd, st->st_mode & 07777) < 0 ? err_errno("mode") : NULL;
}

/* A pipe that nobody reads from would keep us; what is written to a device is not a copy. */
static struct err *open_target(int dir, const char *name, int *ret)
{
	auto_fd int fd = -1;
	struct err *e = fd_create(dir, name, O_NOFOLLOW | O_NONBLOCK, &fd);
	struct stat there;

	if (err_code(e) == ENXIO || (!e && fstat(fd, &there) == 0 && !S_ISREG(there.st_mode))) {
		err_free(e);
		return err_new(EINVAL, "%s is there and no file: nothing is copied to it", name);
	}
	TRY(e);
	if (ftruncate(fd, 0) < 0)
		return err_errno("truncate %s", name);
	*ret = fd_steal(&fd);
	return NULL;
}

static struct err *copy_file(int from_dir, const char *from, int to_dir, const char *to,
			     const struct stat *st, bool archive)
{
	auto_fd int in = -1, out = -1;

	TRY(fd_openat(from_dir, from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, &in));
	/* into what is there, as docker does: a file that is mounted cannot be replaced */
	TRY(open_target(to_dir, to, &out));
	TRY(fd_copy_all(in, out));
	return copy_metadata(out, st, archive);
}

static struct err *copy_link(int from_dir, const char *from, int to_dir, const char *to)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from_dir, from, target, sizeof(target) - 1);

	if (n < 0)
		return err_errno("read the link %s", from);
	target[n] = '\0';
	(void)unlinkat(to_dir, to, 0); /* a directory stays, and is the error */
	return symlinkat(target, to_dir, to) < 0 ? err_errno("link %s", to) : NULL;
}

static struct err *copy_tree(int from_dir, const char *from, int to_dir, const char *to,
			     bool archive, unsigned depth);

/* What is in the directory @in, into @out. */
static struct err *copy_contents(int in, int out, bool archive, unsigned depth)
{
	auto_strv char **names = NULL;

	if (depth > DEPTH_MAX)
		return err_new(ELOOP, "directories nested deeper than %d", DEPTH_MAX);
	TRY(fd_list(in, &names));
	for (char **n = names; n && *n; n++)
		TRY(err_wrap(copy_tree(in, *n, out, *n, archive, depth + 1), "%s", *n));
	return NULL;
}

static struct err *copy_dir(int from_dir, const char *from, int to_dir, const char *to,
			    const struct stat *st, bool archive, unsigned depth)
{
	auto_fd int in = -1, out = -1;

	TRY(fd_openat(from_dir, from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, &in));
	if (mkdirat(to_dir, to, 0700) < 0 && errno != EEXIST)
		return err_errno("mkdir %s", to);
	TRY(fd_openat(to_dir, to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, &out));
	TRY(copy_contents(in, out, archive, depth));
	return copy_metadata(out, st, archive);
}

static struct err *copy_tree(int from_dir, const char *from, int to_dir, const char *to,
			     bool archive, unsigned depth)
{
	struct stat st;

	if (fstatat(from_dir, from, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno("%s", from);
	if (S_ISREG(st.st_mode))
		return copy_file(from_dir, from, to_dir, to, &st, archive);
	if (S_ISLNK(st.st_mode))
		return copy_link(from_dir, from, to_dir, to);
	if (S_ISDIR(st.st_mode))
		return copy_dir(from_dir, from, to_dir, to, &st, archive, depth);
	return err_new(EINVAL, "neither a file, a directory nor a link: it is not copied");
}

/* A new directory in one that is there, with the mode of @like. */
static struct err *make_like(int like, const struct side *to, const char *to_path, bool archive,
			     int *ret)
{
	auto_free char *dir = NULL, *name = NULL;
	auto_fd int parent = -1, made = -1;
	struct stat st;

	split(to_path, &dir, &name);
	TRY(open_on(to, dir, O_RDONLY | O_DIRECTORY, &parent));
	if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
		return err_errno("mkdir %s", to_path);
	TRY(fd_openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, &made));
	if (fstat(like, &st) < 0)
		return err_errno("stat");
	TRY(copy_metadata(made, &st, archive));
	*ret = fd_steal(&made);
	return NULL;
}

/*
 * Docker's rules: into a directory that is there under the old name, else under
 * the new one; of "DIR/." only what is in it, also into one that is made for that.
 */
static struct err *copy_between(const struct side *from, const char *from_path,
				const struct side *to, const char *to_path,
				const struct pod_copy *c)
{
	auto_free char *dir = NULL, *name = NULL, *to_dir_path = NULL, *to_name = NULL;
	auto_fd int in = -1, out = -1, exists = -1;
	bool contents = str_ends(from_path, "/.") || strcmp(from_path, ".") == 0;
	auto_free char *followed = NULL;

	if (c->follow) { /* what the link names, under the link's own name */
		auto_fd int target = -1;
		char path[PATH_MAX];

		TRY(open_on(from, from_path, O_PATH, &target));
		auto_free char *self = mem_printf("/proc/self/fd/%d", target);
		ssize_t n = from->root >= 0 ? -1 : readlink(self, path, sizeof(path) - 1);

		if (n > 0)
			followed = mem_strndup(path, (size_t)n);
	}
	split(followed ? followed : from_path, &dir, &name);
	auto_err struct err *absent = open_on(to, to_path, O_RDONLY | O_DIRECTORY, &exists);

	if (contents) {
		TRY(open_on(from, from_path, O_RDONLY | O_DIRECTORY, &in));
		if (err_code(absent) == ENOENT)
			TRY(make_like(in, to, to_path, c->archive, &exists));
		else if (absent)
			return err_new(ENOTDIR, "%s is no directory", to_path);
		return copy_contents(in, exists, c->archive, 0);
	}
	TRY(open_on(from, dir, O_RDONLY | O_DIRECTORY, &in));
	if (!absent)
		return copy_tree(in, name, exists, name, c->archive, 0);
	if (str_ends(to_path, "/"))
		return err_new(ENOENT, "there is no directory %s", to_path);
	split(to_path, &to_dir_path, &to_name);
	TRY(open_on(to, to_dir_path, O_RDONLY | O_DIRECTORY, &out));
	return copy_tree(in, name, out, to_name, c->archive, 0);
}

/* A directory's content goes into one; what comes out begins with the last name of its path. */
static struct err *copy_tar(const struct side *inside, const struct pod_copy *c)
{
	bool contents = str_ends(c->path, "/.") || strcmp(c->path, "/") == 0;
	auto_free char *dir = NULL, *name = NULL;
	auto_fd int fd = -1;

	if (!c->out || contents) {
		TRY(open_on(inside, c->path, O_RDONLY | O_DIRECTORY, &fd));
		return c->out ? image_tar_out(fd, ".") : image_tar_in(fd);
	}
	split(c->path, &dir, &name);
	if (strcmp(name, "..") == 0)
		return err_new(EINVAL, "'%s' ends with no name", c->path);
	TRY(open_on(inside, dir, O_RDONLY | O_DIRECTORY, &fd));
	return image_tar_out(fd, name);
}

struct err *pod_copy(const struct pod_host *h, const char *name, const struct pod_copy *c)
{
	auto_pod_state struct pod_state *state = NULL;
	auto_fd int root = -1;

	TRY(pod_state_read(h, name, &state));
	TRY(view_open(h, state, c->service, &root));
	const struct side host = { -1 }, inside = { root };

	if (c->tar)
		return copy_tar(&inside, c);
	return c->out ? copy_between(&inside, c->path, &host, c->host_path, c)
		      : copy_between(&host, c->host_path, &inside, c->path, c);
}
