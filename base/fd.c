/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

void fd_cleanup(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

void fd_close(int *fd)
{
	fd_cleanup(fd);
	*fd = -1;
}

int fd_steal(int *fd)
{
	int moved = *fd;

	*fd = -1;
	return moved;
}

struct err *fd_open_standard(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		/* the lowest that is free: this one */
		if (open("/dev/null", O_RDONLY) != fd)
			return err_errno("open /dev/null");
	}
	return NULL;
}

struct err *fd_openat(int dir, const char *path, int flags, int *ret_fd)
{
	int fd = openat(dir, path, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		return err_errno("open %s", path);
	*ret_fd = fd;
	return NULL;
}

struct err *fd_create(int dir, const char *path, int flags, int *ret_fd)
{
	int fd = openat(dir, path, flags | O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_errno("create %s", path);
	*ret_fd = fd;
	return NULL;
}

struct err *fd_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd room = { .fd = fd, .events = POLLOUT };

			(void)poll(&room, 1, -1);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno("write");
		p += n;
		len -= (size_t)n;
	}
	return NULL;
}

struct err *fd_copy_all(int from, int to)
{
	char buffer[64 << 10];
	ssize_t n;

	do
		n = copy_file_range(from, NULL, to, NULL, 1 << 30, 0);
	while (n > 0);
	if (n == 0)
		return NULL;
	if (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP)
		return err_errno("copy");
	while ((n = read(from, buffer, sizeof(buffer))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno("read");
		TRY(fd_write_all(to, buffer, (size_t)n));
	}
	return NULL;
}

struct err *fd_read_all(int fd, size_t max, char **ret_text, size_t *ret_len)
{
	size_t size = 4096, len = 0;
	auto_free char *text = mem_alloc(size);

	for (;;) {
		ssize_t n = read(fd, text + len, size - len - 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno("read");
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max)
			return err_new(EFBIG, "larger than %zu bytes", max);
		if (len == size - 1) {
			size *= 2;
			text = mem_grow(text, size, 1);
		}
	}
	text[len] = '\0';
	*ret_text = steal(&text);
	if (ret_len)
		*ret_len = len;
	return NULL;
}

struct err *fd_read_file(int dir, const char *path, size_t max, char **ret_text)
{
	auto_fd int fd = -1;

	TRY(fd_openat(dir, path, O_RDONLY, &fd));
	return err_wrap(fd_read_all(fd, max, ret_text, NULL), "%s", path);
}

struct err *fd_write_knob(int dir, const char *path, const char *text)
{
	auto_fd int fd = -1;

	TRY(fd_openat(dir, path, O_WRONLY, &fd));
	return err_wrap(fd_write_all(fd, text, strlen(text)), "'%s' to %s", text, path);
}

struct err *fd_replace_file(int dir, const char *path, const char *text, mode_t mode)
{
	auto_free char *aside = mem_printf("%s.%d~", path, getpid());
	auto_fd int fd = -1;

	TRY(fd_create(dir, aside, O_TRUNC, &fd));
	struct err *e = fd_write_all(fd, text, strlen(text));

	if (!e && fchmod(fd, mode) < 0)
		e = err_errno("chmod");
	if (!e && renameat(dir, aside, dir, path) < 0)
		e = err_errno("rename");
	if (e)
		(void)unlinkat(dir, aside, 0);
	return err_wrap(e, "%s", path);
}

static bool is_wanted(int dir, const struct dirent *entry, bool directories)
{
	struct stat st;

	if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
		return false;
	if (!directories || entry->d_type == DT_DIR)
		return true;
	return entry->d_type == DT_UNKNOWN &&
	       fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static struct err *list(int dir, bool directories, char ***ret)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;

	if (!d) {
		struct err *e = err_errno("list");

		fd_cleanup(&copy);
		return e;
	}
	while ((entry = readdir(d)) != NULL)
		if (is_wanted(dir, entry, directories))
			strv_add(ret, mem_strdup(entry->d_name));
	closedir(d);
	return NULL;
}

struct err *fd_list(int dir, char ***ret)
{
	return list(dir, false, ret);
}

struct err *fd_list_directories(int dir, char ***ret)
{
	return list(dir, true, ret);
}

int *fd_inherited(void)
{
	DIR *d;
	const struct dirent *entry;
	int *fds = mem_alloc(sizeof(int));
	size_t n = 0;

	(void)syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
	d = opendir("/proc/self/fd");
	while (d && (entry = readdir(d)) != NULL) {
		int fd = (int)strtol(entry->d_name, NULL, 10); /* of "." and "..": 0 */

		if (fd <= STDERR_FILENO || fd == dirfd(d))
			continue;
		fds = mem_grow(fds, n + 2, sizeof(*fds));
		fds[n++] = fd;
	}
	if (d)
		closedir(d);
	fds[n] = -1;
	return fds;
}

void fd_close_list(const int *fds)
{
	for (; fds && *fds >= 0; fds++)
		(void)close(*fds);
}

/* Linux 6.3, and so not in every linux/memfd.h and linux/fcntl.h */
#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif

int fd_memory(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	return fd >= 0 || errno != EINVAL ? fd
					  : memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

struct err *fd_seal(int memory, bool *ret_mode)
{
	const int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
	bool mode = fcntl(memory, F_ADD_SEALS, seals | F_SEAL_EXEC) == 0;

	if (ret_mode)
		*ret_mode = mode;
	return mode || fcntl(memory, F_ADD_SEALS, seals) == 0 ? NULL : err_errno("seal");
}

/* From the end: nearly always everything is there but, at most, the last two. */
static struct err *make_all(int dir, char *path, mode_t mode)
{
	if (mkdirat(dir, path, mode) == 0 || errno == EEXIST)
		return NULL;
	char *slash = errno == ENOENT || errno == ENOTDIR ? strrchr(path, '/') : NULL;

	if (!slash || slash == path)
		return err_errno("mkdir %s", path);
	*slash = '\0';
	struct err *e = make_all(dir, path, mode);

	*slash = '/';
	TRY(e);
	return mkdirat(dir, path, mode) == 0 || errno == EEXIST ? NULL
								: err_errno("mkdir %s", path);
}

struct err *fd_mkdirs(int dir, const char *path, mode_t mode)
{
	auto_free char *copy = mem_strdup(path);

	return make_all(dir, copy, mode);
}

/* One descriptor a level: what lies deeper is moved to the top, and removed from there. */
enum { REMOVE_DEPTH = 64 };

struct remover {
	dev_t device;
	int top; /* the tree's root directory, or -1 while that is being opened */
	unsigned depth, moved;
};

static struct err *remove_entries(int dir, struct remover *r);

static struct err *move_up(int dir, const char *name, struct remover *r)
{
	auto_free char *aside = mem_printf(".removed-%u", r->moved++);

	return renameat(dir, name, r->top, aside) < 0 ? err_errno("move %s", name) : NULL;
}

static struct err *remove_directory(int dir, const char *name, struct remover *r)
{
	auto_fd int sub = -1;

	if (r->depth > REMOVE_DEPTH)
		return move_up(dir, name, r);
	TRY(fd_openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, &sub));
	int top = r->top;

	if (top < 0)
		r->top = sub;
	r->depth++;
	for (unsigned before = r->moved + 1; before != r->moved;) {
		before = r->moved;
		TRY(remove_entries(sub, r));
		if (top >= 0)
			break; /* only the root gets new entries while it is emptied */
	}
	r->depth--;
	r->top = top;
	if (unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT &&
	    !(errno == ENOTEMPTY && top >= 0))
		return err_errno("rmdir %s", name);
	return NULL;
}

static struct err *remove_entry(int dir, const char *name, struct remover *r)
{
	struct stat st;

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return NULL;
	if (errno != EISDIR && errno != EPERM)
		return err_errno("remove %s", name);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno("stat %s", name);
	if (!S_ISDIR(st.st_mode) || st.st_dev != r->device)
		return err_new(EBUSY, "remove %s: on another file system, or protected", name);
	return remove_directory(dir, name, r);
}

static struct err *remove_entries(int dir, struct remover *r)
{
	auto_strv char **names = NULL;

	TRY(fd_list(dir, &names));
	for (char **name = names; name && *name; name++)
		TRY(remove_entry(dir, *name, r));
	return NULL;
}

struct err *fd_remove_tree(int dir, const char *path)
{
	struct remover r = { .top = -1 };
	struct stat st;

	if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? NULL : err_errno("stat %s", path);
	r.device = st.st_dev;
	return err_wrap(remove_entry(dir, path, &r), "remove %s", path);
}

static int open_in_root(int root, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (unsigned)flags | O_CLOEXEC,
		.mode = flags & (O_CREAT | O_TMPFILE) ? mode : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	do /* EAGAIN: a rename elsewhere raced with ".." (openat2(2)) */
		fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
	while (fd < 0 && errno == EAGAIN);
	return (int)fd;
}

struct err *fd_open_in_root(int root, const char *path, int flags, mode_t mode, int *ret_fd)
{
	int fd = open_in_root(root, path, flags, mode);

	if (fd < 0)
		return err_errno("open %s", path);
	*ret_fd = fd;
	return NULL;
}

struct err *fd_find_in_root(int root, const char *path, int flags, int *ret_fd)
{
	*ret_fd = open_in_root(root, path, flags, 0);
	return *ret_fd < 0 && errno != ENOENT ? err_errno("open %s", path) : NULL;
}

/*
 * From the end, as mostly one name is missing. Each part is resolved from the
 * root: it may lead through symbolic links.
 */
static struct err *open_or_make(int root, char *path, mode_t mode, int *ret)
{
	auto_fd int above = -1;
	auto_fd int fd = open_in_root(root, *path ? path : "/", O_PATH | O_DIRECTORY, 0);
	char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	if (fd < 0) {
		if (errno != ENOENT || !*name || strcmp(name, "..") == 0)
			return err_errno("open %s", path);
		while (slash && slash > path && slash[-1] == '/')
			slash--;
		if (slash)
			*slash = '\0';
		struct err *e =
			open_or_make(root, slash ? path : name + strlen(name), mode, &above);

		if (slash)
			*slash = '/';
		TRY(e);
		if (mkdirat(above, name, mode) < 0 && errno != EEXIST)
			return err_errno("mkdir %s", path);
		fd = open_in_root(root, path, O_PATH | O_DIRECTORY, 0);
		if (fd < 0)
			return err_errno("open %s", path);
	}
	*ret = fd_steal(&fd);
	return NULL;
}

struct err *fd_mkdirs_in_root(int root, const char *path, mode_t mode, int *ret_fd)
{
	auto_free char *copy = mem_strdup(path);

	for (size_t n = strlen(copy); n > 0 && copy[n - 1] == '/'; n--)
		copy[n - 1] = '\0';
	return open_or_make(root, copy, mode, ret_fd);
}

struct err *fd_lock(int dir, const char *path, int operation, int *ret_fd)
{
	auto_fd int fd = openat(dir, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 && errno == EROFS) /* one that is there can be locked all the same */
		fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno("open %s", path);
	while (flock(fd, operation) < 0)
		if (errno != EINTR)
			return err_errno("lock %s", path);
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_errno("lock %s", path);
	if (st.st_nlink == 0)
		return err_new(ENOENT, "lock %s: it was removed", path);
	*ret_fd = fd_steal(&fd);
	return NULL;
}

union control { /* aligned as cmsg(3) asks */
	char buf[CMSG_SPACE(FD_LIST_MAX * sizeof(int))];
	struct cmsghdr align;
};

struct err *fd_send_list(int socket, const void *data, size_t len, const int *fds, size_t n)
{
	union control u;
	struct iovec iov = { (void *)(uintptr_t)data, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n) {
		m.msg_control = u.buf;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
		memset(u.buf, 0, m.msg_controllen);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	while (sendmsg(socket, &m, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return err_errno("send");
	return NULL;
}

struct err *fd_send(int socket, const void *data, size_t len, int fd)
{
	return fd_send_list(socket, data, len, &fd, fd >= 0);
}

ssize_t fd_recv_list(int socket, void *data, size_t size, int *fds, size_t max, size_t *ret_n)
{
	union control u;
	struct iovec iov = { data, size };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = u.buf,
			    .msg_controllen = sizeof(u.buf) };
	ssize_t len;

	*ret_n = 0;
	do
		len = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
	while (len < 0 && errno == EINTR);

	struct cmsghdr *c = len >= 0 ? CMSG_FIRSTHDR(&m) : NULL;
	bool some = c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS;
	size_t n = some ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
	bool lost = len >= 0 && (m.msg_flags & MSG_CTRUNC);

	for (size_t i = 0; i < n; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
		if (*ret_n < max && !lost)
			fds[(*ret_n)++] = fd;
		else
			fd_cleanup(&fd);
	}
	errno = lost ? EMFILE : errno;
	return lost ? -1 : len;
}

ssize_t fd_recv(int socket, void *data, size_t size, int *ret_fd)
{
	int fd = -1;
	size_t n;
	ssize_t len = fd_recv_list(socket, data, size, &fd, ret_fd != NULL, &n);

	if (ret_fd)
		*ret_fd = fd;
	return len;
}
