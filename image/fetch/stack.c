/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image/fetch/stack.c - paths in a stack of layers, as overlayfs will show them.
 *
 * Nothing can be mounted here; so names are looked up layer by layer, with
 * whiteouts, opaque directories and symbolic links that cross layers.
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
#include "image/fetch/fetch.h"

enum { LINKS_FOLLOWED = 40 };

bool stack_is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

static bool is_opaque(int fd)
{
	auto_free char *self = mem_printf("/proc/self/fd/%d", fd);
	char value = 0;

	return getxattr(self, "user.overlay.opaque", &value, 1) == 1 && value == 'y';
}

struct err *stack_look(int root, const char *path, struct stat *ret_st, enum stack_found *ret)
{
	auto_free char *copy = mem_strdup(path);
	auto_fd int dir = -1;
	bool opaque = false;

	TRY(fd_openat(root, ".", O_PATH | O_DIRECTORY, &dir));
	if (fstat(dir, ret_st) < 0)
		return err_errno("stat the layer");
	*ret = STACK_FOUND;
	for (char *p = copy; *p;) {
		const char *name = p;

		p += strcspn(p, "/");
		if (*p)
			*p++ = '\0';
		if (!S_ISDIR(ret_st->st_mode)) {
			*ret = STACK_HIDDEN;
			return NULL;
		}
		opaque = opaque || (name != copy && is_opaque(dir));
		auto_fd int next = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

		if (next < 0 && errno == ENOENT) {
			*ret = opaque ? STACK_HIDDEN : STACK_ABSENT;
			return NULL;
		}
		if (next < 0 || fstat(next, ret_st) < 0)
			return err_errno("look at %s", path);
		if (stack_is_whiteout(ret_st)) {
			*ret = STACK_HIDDEN;
			return NULL;
		}
		fd_close(&dir);
		dir = fd_steal(&next);
	}
	return NULL;
}

struct err *stack_find(const int *roots, size_t n, const char *path, struct stat *ret_st,
		       int *ret_root)
{
	enum stack_found found = STACK_ABSENT;

	*ret_root = -1;
	for (size_t i = 0; i < n && found == STACK_ABSENT; i++) {
		TRY(stack_look(roots[i], path, ret_st, &found));
		if (found == STACK_FOUND)
			*ret_root = roots[i];
	}
	return NULL;
}

/* The link @path, and behind it what was to come after it. */
static struct err *follow(int root, const char *path, const char *rest, char **ret)
{
	char text[PATH_LIMIT + 1];
	auto_fd int fd = -1;

	TRY(fd_open_in_root(root, path, O_PATH | O_NOFOLLOW, 0, &fd));
	ssize_t n = readlinkat(fd, "", text, sizeof(text) - 1);

	if (n < 0)
		return err_errno("read link %s", path);
	text[n] = '\0';
	if (strlen(text) + strlen(rest) > PATH_LIMIT)
		return err_new(ENAMETOOLONG, "%s: leads to a path that is too long", path);
	*ret = mem_printf("%s/%s", text, rest);
	return NULL;
}

struct err *stack_resolve(const int *roots, size_t n, const char *path, char **ret)
{
	auto_free char *at = mem_strdup(""), *text = mem_strdup(path);
	int links = 0;

	for (char *p = text; *(p += strspn(p, "/"));) {
		size_t len = strcspn(p, "/");
		auto_free char *name = mem_strndup(p, len);
		struct stat st;
		int root = -1;

		p += len;
		if (strcmp(name, ".") == 0)
			continue;
		if (strcmp(name, "..") == 0) {
			char *slash = strrchr(at, '/');

			*(slash ? slash : at) = '\0';
			continue;
		}
		auto_free char *next = mem_printf("%s%s%s", at, *at ? "/" : "", name);

		TRY(stack_find(roots, n, next, &st, &root));
		if (root < 0 || !S_ISLNK(st.st_mode)) {
			free(at);
			at = steal(&next);
			continue;
		}
		if (++links > LINKS_FOLLOWED)
			return err_new(ELOOP, "%s: too many symbolic links", path);
		auto_free char *rest = NULL;

		TRY(follow(root, next, p, &rest));
		if (*rest == '/') /* NOLINT: set on success */
			*at = '\0';
		free(text);
		p = text = steal(&rest);
	}
	*ret = steal(&at);
	return NULL;
}
