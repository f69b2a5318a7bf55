/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image/fetch/tarball.c - tar streams into and out of a directory of a running container.
 *
 * Processes of the container may change everything meanwhile: names are resolved
 * by openat2 within the directory and never leave it, and what is opened is looked
 * at once more by its descriptor. The calling process is confined to the directory.
 */
#include <archive.h>
#include <archive_entry.h>
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
#include "image/fetch/fetch.h"

enum { ENTRIES_MAX = 10000000, DEPTH_MAX = 200 };

/* ---- from a stream into the directory ---- */

struct reader {
	struct decoder *decoder;
	struct err *error; /* libarchive cannot carry it */
};

static la_ssize_t on_read(struct archive *a, void *arg, const void **block)
{
	struct reader *r = arg;
	size_t len = 0;

	r->error = decoder_read(r->decoder, block, &len);
	if (r->error)
		archive_set_error(a, EIO, "read");
	return r->error ? -1 : (la_ssize_t)len;
}

/* "./a//../b/" to "b", without a way out; NULL when it is too long. */
static char *clean(const char *path)
{
	if (!path || strlen(path) > PATH_LIMIT)
		return NULL;
	auto_free char *whole = str_clean_path(path);

	return mem_strdup(whole + 1);
}

/* The directory that holds @path, and the last name of that. */
static struct err *open_parent(int root, const char *path, bool make, int *ret,
			       const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	auto_free char *dir = mem_strndup(path, slash ? (size_t)(slash - path) : 0);

	*ret_name = slash ? slash + 1 : path;
	return make ? fd_mkdirs_in_root(root, dir, 0755, ret)
		    : fd_open_in_root(root, *dir ? dir : "/", O_PATH | O_DIRECTORY, 0, ret);
}

static struct err *put_metadata(int fd, struct archive_entry *entry)
{
	const struct timespec times[] = { entry_mtime(entry), entry_mtime(entry) };

	TRY(entry_check_owner(entry));
	if (fchown(fd, (uid_t)archive_entry_uid(entry), (gid_t)archive_entry_gid(entry)) < 0)
		return err_errno("owner");
	if (fchmod(fd, archive_entry_perm(entry)) < 0) /* after it: owners take set-id bits away */
		return err_errno("mode");
	TRY(entry_put_xattrs(fd, entry));
	return futimens(fd, times) < 0 ? err_errno("times") : NULL;
}

static struct err *put_directory(int parent, const char *name, struct archive_entry *entry)
{
	auto_fd int fd = -1;

	if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
		return err_errno("mkdir");
	TRY(fd_openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, &fd));
	return put_metadata(fd, entry);
}

/* In the place of what was there; a file that is mounted cannot be replaced and is written into. */
static struct err *put_file(int parent, const char *name, struct archive *a,
			    struct archive_entry *entry)
{
	auto_fd int fd = -1;
	struct stat st;

	(void)unlinkat(parent, name, 0);
	TRY(fd_create(parent, name, O_NOFOLLOW | O_NONBLOCK, &fd));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_new(EEXIST, "something else than a file is there");
	if (ftruncate(fd, 0) < 0)
		return err_errno("truncate");
	TRY(entry_put_data(fd, a));
	return put_metadata(fd, entry);
}

static struct err *put_link(int root, int parent, const char *name, const char *path,
			    const char *target)
{
	auto_free char *cleaned = clean(target);
	const char *target_name = NULL;
	auto_fd int dir = -1;

	if (!cleaned || !*cleaned)
		return err_new(EBADMSG, "a hard link to nothing");
	if (strcmp(cleaned, path) == 0)
		return NULL;
	TRY(open_parent(root, cleaned, false, &dir, &target_name));
	(void)unlinkat(parent, name, 0);
	return linkat(dir, target_name, parent, name, 0) < 0 ? err_errno("link to %s", target)
							     : NULL;
}

static struct err *put_symlink(int parent, const char *name, struct archive_entry *entry)
{
	TRY(entry_check_owner(entry));
	(void)unlinkat(parent, name, 0);
	TRY(entry_put_symlink(parent, name, entry));
	if (fchownat(parent, name, (uid_t)archive_entry_uid(entry), (gid_t)archive_entry_gid(entry),
		     AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno("owner");
	return NULL;
}

static struct err *put_entry(int root, const char *path, struct archive *a,
			     struct archive_entry *entry)
{
	const char *link = archive_entry_hardlink(entry), *name = NULL;
	auto_fd int parent = -1;

	TRY(open_parent(root, path, true, &parent, &name));
	if (link)
		return put_link(root, parent, name, path, link);
	switch (archive_entry_filetype(entry)) {
	case AE_IFDIR:
		return put_directory(parent, name, entry);
	case AE_IFREG:
		return put_file(parent, name, a, entry);
	case AE_IFLNK:
		return put_symlink(parent, name, entry);
	case AE_IFSOCK:
		return NULL; /* worth nothing without who listens */
	default:
		return err_new(EINVAL, "neither a file, a directory nor a link: it is not copied");
	}
}

static struct err *archive_failure(struct reader *r, struct archive *a)
{
	return r->error ? steal(&r->error)
			: err_new(EBADMSG, "not a valid tar: %s", archive_error_string(a));
}

static struct err *read_entries(int root, struct reader *r, struct archive *a)
{
	struct archive_entry *entry;

	for (size_t n = 0;; n++) {
		int rc = archive_read_next_header(a, &entry);

		if (rc == ARCHIVE_EOF)
			return NULL;
		if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
			return archive_failure(r, a);
		if (n == ENTRIES_MAX)
			return err_new(E2BIG, "more than %d entries", ENTRIES_MAX);
		auto_free char *path = clean(archive_entry_pathname(entry));

		if (!path)
			return err_new(EBADMSG,
				       "an entry with a name that is too long or unreadable");
		if (!*path) /* the directory itself stays as it is */
			continue;
		struct err *e = put_entry(root, path, a, entry);

		if (e && r->error) { /* the cause: the stream broke in the middle of a file */
			err_free(e);
			return steal(&r->error);
		}
		TRY(err_wrap(e, "%s", path));
	}
}

struct err *tarball_in(decode_read_fn *read, void *ctx, int dir)
{
	struct archive *a = archive_read_new();
	struct reader r = { 0 };
	struct err *e = decoder_open(read, ctx, &r.decoder);

	archive_read_support_format_tar(a);
	archive_read_support_format_empty(a);
	if (!e && archive_read_open(a, &r, NULL, on_read, NULL) != ARCHIVE_OK)
		e = archive_failure(&r, a);
	if (!e)
		e = read_entries(dir, &r, a);
	archive_read_free(a);
	decoder_free(r.decoder);
	err_free(r.error);
	return e;
}

/* ---- from the directory into a stream ---- */

static struct err *write_failure(struct archive *a)
{
	return err_new(archive_errno(a), "write the tar: %s", archive_error_string(a));
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct err *write_header(struct archive *a, const char *path, const struct stat *st,
				const char *link)
{
	struct archive_entry *entry = archive_entry_new();

	archive_entry_set_pathname(entry, path);
	archive_entry_copy_stat(entry, st);
	archive_entry_set_nlink(entry, 1);
	if (!S_ISREG(st->st_mode))
		archive_entry_set_size(entry, 0);
	if (link)
		archive_entry_set_symlink(entry, link);
	int rc = archive_write_header(a, entry);

	archive_entry_free(entry);
	return rc < ARCHIVE_WARN ? write_failure(a) : NULL;
}

/* As many bytes as the header has: what grows meanwhile is cut, what shrinks filled with zeros. */
static struct err *write_file(struct archive *a, int dir, const char *name, const char *path)
{
	auto_free char *buffer = mem_alloc(BLOCK);
	auto_fd int fd = -1;
	struct stat st;

	TRY(fd_openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, &fd));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_new(ESTALE, "it has changed while it was read");
	TRY(write_header(a, path, &st, NULL));
	for (int64_t left = st.st_size; left > 0;) {
		ssize_t n = read(fd, buffer, left < BLOCK ? (size_t)left : BLOCK);

		if (n < 0)
			return err_errno("read");
		if (n == 0)
			break;
		if (archive_write_data(a, buffer, (size_t)n) < 0)
			return write_failure(a);
		left -= n;
	}
	return NULL;
}

static struct err *write_tree(struct archive *a, int dir, const char *name, const char *path,
			      unsigned depth);

static struct err *write_directory(struct archive *a, int dir, const char *name, const char *path,
				   unsigned depth)
{
	auto_strv char **names = NULL;
	auto_fd int fd = -1;
	struct stat st;

	if (depth > DEPTH_MAX)
		return err_new(ELOOP, "directories nested deeper than %d", DEPTH_MAX);
	TRY(fd_openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, &fd));
	if (fstat(fd, &st) < 0)
		return err_errno("stat");
	auto_free char *with_slash = mem_printf("%s/", path);

	TRY(write_header(a, with_slash, &st, NULL));
	TRY(fd_list(fd, &names));
	if (names)
		qsort(names, strv_len(names), sizeof(*names), by_text);
	for (char **n = names; n && *n; n++) {
		auto_free char *below = mem_printf("%s/%s", path, *n);

		TRY(write_tree(a, fd, *n, below, depth + 1));
	}
	return NULL;
}

static struct err *write_tree(struct archive *a, int dir, const char *name, const char *path,
			      unsigned depth)
{
	char target[PATH_MAX];
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT && depth ? NULL : err_errno("%s", path);
	if (S_ISREG(st.st_mode))
		return err_wrap(write_file(a, dir, name, path), "%s", path);
	if (S_ISDIR(st.st_mode))
		return write_directory(a, dir, name, path, depth);
	if (S_ISSOCK(st.st_mode))
		return NULL;
	if (!S_ISLNK(st.st_mode)) /* devices and pipes by what they are; nothing is read */
		return write_header(a, path, &st, NULL);
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return err_errno("read the link %s", path);
	target[n] = '\0';
	return write_header(a, path, &st, target);
}

struct err *tarball_out(int dir, const char *name, int out)
{
	struct archive *a = archive_write_new();
	struct err *e = NULL;

	archive_write_set_format_pax_restricted(a);
	if (archive_write_open_fd(a, out) != ARCHIVE_OK)
		e = write_failure(a);
	if (!e)
		e = write_tree(a, dir, name, name, 0);
	if (e)
		archive_write_fail(a); /* no end: what reads it sees that it is not whole */
	else if (archive_write_close(a) != ARCHIVE_OK)
		e = write_failure(a);
	archive_write_free(a);
	return e;
}
