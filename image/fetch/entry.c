/* SPDX-License-Identifier: Apache-2.0 */
/* image/fetch/entry.c - one entry of a tar onto disk: what needs to know of no other. */
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

enum { XATTR_LIMIT = 64 << 10 /* bytes of one */ };

struct err *entry_put_symlink(int parent, const char *name, struct archive_entry *entry)
{
	const char *target = archive_entry_symlink(entry);

	if (!target || !*target)
		return err_new(EBADMSG, "a symbolic link to nothing");
	return symlinkat(target, parent, name) < 0 ? err_errno("symlink") : NULL;
}

struct err *entry_put_node(int parent, const char *name, struct archive_entry *entry)
{
	mode_t type = archive_entry_filetype(entry);
	dev_t device = type == AE_IFIFO ? 0
					: makedev(archive_entry_rdevmajor(entry),
						  archive_entry_rdevminor(entry));

	if (type == AE_IFCHR && device == 0)
		return err_new(
			EBADMSG,
			"a character device 0:0 cannot be kept: overlayfs takes it for a whiteout");
	if (mknodat(parent, name, type | 0600, device) < 0)
		return err_errno("mknod");
	return NULL;
}

struct err *entry_put_data(int fd, struct archive *a)
{
	const void *data;
	size_t len;
	la_int64_t offset = 0, end = 0;
	int rc;

	while ((rc = archive_read_data_block(a, &data, &len, &offset)) == ARCHIVE_OK) {
		if (offset != end && lseek(fd, offset, SEEK_SET) < 0)
			return err_errno("seek");
		TRY(fd_write_all(fd, data, len));
		end = offset + (la_int64_t)len;
	}
	if (rc != ARCHIVE_EOF)
		return err_new(EBADMSG, "%s", archive_error_string(a));
	/* a hole at the end */
	if (offset > end && ftruncate(fd, offset) < 0)
		return err_errno("truncate");
	return NULL;
}

static bool keep_xattr(const char *name)
{
	return strcmp(name, "security.capability") == 0 || str_starts(name, "system.posix_acl_") ||
	       (str_starts(name, "user.") && !str_starts(name, "user.overlay."));
}

struct err *entry_put_xattrs(int fd, struct archive_entry *entry)
{
	const char *name;
	const void *value;
	size_t len;
	auto_free char *self = mem_printf("/proc/self/fd/%d", fd);

	archive_entry_xattr_reset(entry);
	while (archive_entry_xattr_next(entry, &name, &value, &len) == ARCHIVE_OK) {
		if (!name || !keep_xattr(name) || len > XATTR_LIMIT)
			continue;
		/* fd is O_PATH: only through /proc can an attribute be set */
		if (setxattr(self, name, value, len, 0) < 0 && errno != ENOTSUP && errno != EPERM)
			return err_errno("xattr %s", name);
	}
	return NULL;
}

/* -1 would be nobody in particular (chown(2)), and what is larger would wrap. */
struct err *entry_check_owner(struct archive_entry *entry)
{
	int64_t uid = archive_entry_uid(entry), gid = archive_entry_gid(entry);

	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return err_new(EBADMSG, "the owner %lld:%lld is out of range", (long long)uid,
			       (long long)gid);
	return NULL;
}

/* libarchive (3.6) reads "-1.25" as one second before 1970 and a quarter after that. */
struct timespec entry_mtime(struct archive_entry *entry)
{
	time_t s = archive_entry_mtime(entry);
	long ns = archive_entry_mtime_nsec(entry);

	if (s < 0 && ns > 0)
		return (struct timespec) { s - 1, 1000000000 - ns };
	return (struct timespec) { s, ns };
}
