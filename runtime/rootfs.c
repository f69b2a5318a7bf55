/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/rootfs.c - the container's file system.
 *
 * The root file system is a stranger's: no path in it is used as a string once
 * it can be seen (R1). Targets are resolved with openat2 below the root, mounts
 * are made detached and attached to the descriptor that came out.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/internal.h"

/* of <sys/mount.h>, which clashes with <linux/mount.h> */
int mount(const char *source, const char *target, const char *type, unsigned long flags,
	  const void *data);
int umount2(const char *target, int flags);
enum { MNT_DETACH_ = 2, MS_BIND_ = 4096, MS_REC_ = 16384, MS_NODEV_ = 4, MS_PRIVATE_ = 1 << 18 };

const char *const runtime_masked_default[] = {
	"/proc/acpi",
	"/proc/asound",
	"/proc/interrupts",
	"/proc/kcore",
	"/proc/keys",
	"/proc/latency_stats",
	"/proc/sched_debug",
	"/proc/scsi",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/sys/devices/virtual/powercap",
	"/sys/firmware",
	NULL,
};
const char *const runtime_readonly_default[] = { "/proc/bus",		"/proc/fs",
						 "/proc/irq",		"/proc/sys",
						 "/proc/sysrq-trigger", NULL };

/* ---- the root ---- */

/* Before Linux 6.5 layers are one string, which must fit a page: /proc/self/fd/N is short. */
static struct err *overlay_by_string(const struct runtime_spec *s, const char *target)
{
	size_t n = strv_len(s->lowers);
	auto_strv char **parts = NULL;

	for (size_t i = n; i > 0; i--) {
		int fd = -1;

		TRY(fd_openat(AT_FDCWD, s->lowers[i - 1], O_PATH | O_DIRECTORY, &fd));
		strv_add(&parts, mem_printf("/proc/self/fd/%d", fd)); /* closed by exec */
	}
	auto_free char *lower = strv_join(parts, ":");
	auto_free char *options =
		mem_printf("lowerdir=%s,upperdir=%s,workdir=%s,userxattr,volatile", lower, s->upper,
			   s->work);

	/* device nodes of images are only names */
	if (mount("overlay", target, "overlay", MS_NODEV_, options) < 0)
		return err_errno("mount the overlay of %zu layers", n);
	return NULL;
}

static struct err *overlay(const struct runtime_spec *s, int *ret)
{
	auto_strv char **options = NULL;

	for (size_t i = strv_len(s->lowers); i > 0; i--)
		strv_add(&options, mem_printf("lowerdir+=%s", s->lowers[i - 1]));
	strv_add(&options, mem_printf("upperdir=%s", s->upper));
	strv_add(&options, mem_printf("workdir=%s", s->work));
	strv_add(&options, mem_strdup("userxattr"));
	/* nothing in it is worth more than the power that is on: no flush at the end (10 to 100 ms) */
	strv_add(&options, mem_strdup("volatile"));
	/* device nodes of images are only names */
	return mount_new("overlay", options, MOUNT_ATTR_NODEV, ret);
}

/*
 * In the container's own mount namespace the host's mounts are only on the way
 * out: the new root goes on top of "/", where this process, whose root lies below,
 * does not see it. Hooks look for it where its directory is.
 */
static struct err *make_root(const struct runtime_spec *s, int *ret)
{
	const char *place = s->hook_state && s->rootfs ? s->rootfs : "/";
	unsigned long propagation =
		s->root_propagation ? s->root_propagation : MS_PRIVATE_ | MS_REC_;
	auto_fd int made = -1, target = -1;

	/* slave at the least, or what is mounted here would appear on the host */
	if (mount(NULL, "/", NULL, propagation, NULL) < 0)
		return err_errno("make the mounts private");
	if (s->rootfs) {
		auto_fd int dir = -1;

		TRY(fd_openat(AT_FDCWD, s->rootfs, O_PATH | O_DIRECTORY, &dir));
		TRY(err_wrap(mount_copy(dir, true, &made), "%s", s->rootfs));
	} else {
		auto_err struct err *e = overlay(s, &made);

		if (err_code(e) == EINVAL) {
			TRY(overlay_by_string(s, place));
			/* "/" is our root, below what was mounted on it; the way up from it ends above */
			return fd_openat(AT_FDCWD, "/..", O_PATH | O_DIRECTORY, ret);
		}
		TRY(err_wrap(steal(&e), "root file system"));
	}
	TRY(fd_openat(AT_FDCWD, place, O_PATH | O_DIRECTORY, &target));
	TRY(mount_attach(made, target));
	*ret = fd_steal(&made);
	return NULL;
}

/* ---- one mount ---- */

static bool is_directory(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Where a mount goes: found, or made, as directory or empty file, in the root. */
static struct err *open_target(int root, const char *path, bool directory, int *ret)
{
	auto_fd int dir = -1, file = -1;
	const char *slash = strrchr(path, '/');
	auto_free char *above = mem_strndup(path, slash ? (size_t)(slash - path) : 0);

	TRY(fd_find_in_root(root, path, O_PATH, ret));
	if (*ret >= 0)
		return NULL;
	if (directory)
		return fd_mkdirs_in_root(root, path, 0755, ret);
	TRY(fd_mkdirs_in_root(root, above, 0755, &dir));
	TRY(fd_open_in_root(root, path, O_RDONLY | O_CREAT, 0644, &file));
	return fd_open_in_root(root, path, O_PATH, 0, ret);
}

/* /proc, /sys and /dev must be directories of the root file system, not links to elsewhere (R1, R2). */
static struct err *open_strict(int root, const char *path, int *ret)
{
	struct err *e = fd_find_in_root(root, path, O_PATH | O_DIRECTORY | O_NOFOLLOW, ret);

	if (!e && *ret < 0)
		return fd_mkdirs_in_root(root, path, 0755, ret);
	if (err_code(e) == ENOTDIR || err_code(e) == ELOOP) {
		err_free(e);
		return err_new(EINVAL, "%s in the image is not a directory", path);
	}
	return e;
}

static struct err *copy_entry(int from, int to, const char *name);

struct err *rootfs_copy_up(int from, int to)
{
	auto_strv char **names = NULL;
	struct stat st;

	TRY(fd_list(from, &names));
	for (char **n = names; n && *n; n++)
		TRY(copy_entry(from, to, *n));
	if (fstat(from, &st) < 0 || fchown(to, st.st_uid, st.st_gid) < 0 ||
	    fchmod(to, st.st_mode & 07777) < 0)
		return err_errno("copy the owner");
	return NULL;
}

static struct err *copy_file(int from, int to, const char *name, const struct stat *st)
{
	auto_fd int in = -1, out = -1;
	struct timespec times[2] = { st->st_atim, st->st_mtim };

	TRY(fd_openat(from, name, O_RDONLY | O_NOFOLLOW, &in));
	TRY(fd_openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, &out));
	TRY(err_wrap(fd_copy_all(in, out), "%s", name));
	if (fchown(out, st->st_uid, st->st_gid) < 0 || fchmod(out, st->st_mode & 07777) < 0 ||
	    futimens(out, times) < 0)
		return err_errno("copy %s", name);
	return NULL;
}

static struct err *copy_entry(int from, int to, const char *name)
{
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno("copy %s", name);
	if (S_ISREG(st.st_mode))
		return copy_file(from, to, name, &st);
	if (S_ISDIR(st.st_mode)) {
		auto_fd int in = -1, out = -1;

		if (mkdirat(to, name, 0700) < 0)
			return err_errno("copy %s", name);
		TRY(fd_openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, &in));
		TRY(fd_openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, &out));
		return err_wrap(rootfs_copy_up(in, out), "%s", name);
	}
	if (S_ISLNK(st.st_mode)) {
		char text[4096];
		ssize_t n = readlinkat(from, name, text, sizeof(text) - 1);

		if (n < 0)
			return err_errno("copy %s", name);
		text[n] = '\0';
		if (symlinkat(text, to, name) < 0)
			return err_errno("copy %s", name);
	} else if (S_ISFIFO(st.st_mode) && mkfifoat(to, name, st.st_mode & 07777) < 0) {
		return err_errno("copy %s", name);
	} else if (!S_ISFIFO(st.st_mode)) {
		return NULL; /* sockets and devices are not a volume's content */
	}
	return fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0
		       ? err_errno("copy %s", name)
		       : NULL;
}

static struct err *empty_directory(int dir)
{
	auto_strv char **names = NULL;

	TRY(fd_list(dir, &names));
	for (char **n = names; n && *n; n++)
		TRY(fd_remove_tree(dir, *n));
	return NULL;
}

/* A new volume takes over what the image has at its place, as Docker's do. */
static struct err *fill_volume(int root, const struct runtime_mount *m, int source)
{
	auto_fd int from = -1, to = -1;
	auto_strv char **names = NULL;
	struct err *e = fd_open_in_root(root, m->target, O_RDONLY | O_DIRECTORY, 0, &from);

	if (e) { /* nothing there, or no directory: nothing to take over */
		err_free(e);
		return NULL;
	}
	TRY(fd_openat(source, ".", O_RDONLY | O_DIRECTORY, &to));
	/* two services may start with the same new volume */
	if (flock(to, LOCK_EX) < 0)
		return err_errno("lock the volume");
	TRY(fd_list(to, &names));
	if (names)
		return NULL;
	struct err *copied = rootfs_copy_up(from, to);

	if (copied) /* half of it would be taken for a volume in use the next time */
		err_ignore(empty_directory(to));
	return copied;
}

/* @host: a copy of what is mounted, or -1. */
static struct err *bind_mount(int root, const struct runtime_mount *m, int host)
{
	auto_fd int source = -1, made = -1, target = -1;

	TRY(fd_openat(AT_FDCWD, m->source, O_PATH, &source));
	if (m->copy_up && is_directory(source))
		TRY(fill_volume(root, m, source));
	if (m->subpath) {
		auto_fd int below = -1;

		TRY(fd_open_in_root(source, m->subpath, O_PATH, 0, &below));
		fd_close(&source);
		source = fd_steal(&below);
	}
	TRY(open_target(root, m->target, is_directory(source), &target));
	made = host;
	if (made < 0)
		TRY(err_wrap(mount_copy(source, m->recursive, &made), "%s", m->source));
	TRY(mount_set(made, m->attributes, m->propagation ? m->propagation : MS_PRIVATE_,
		      m->recursive));
	if (is_directory(target) != is_directory(source))
		return err_new(EINVAL, "%s is %s, its place in the container is %s", m->source,
			       is_directory(source) ? "a directory" : "no directory",
			       is_directory(target) ? "a directory" : "none");
	return mount_attach(made, target);
}

/* A container is shown its own group in the hierarchies it was put in, and nothing of others. */
static struct err *cgroup_mount(int root, const struct runtime_mount *m, char *const *views)
{
	size_t n = strv_len(views);
	auto_fd int target = -1, base = -1, dir = -1;

	TRY(open_target(root, m->target, true, &target));
	if (n == 0)
		return NULL;
	if (n == 1 && !*views[0]) {
		TRY(mount_new("cgroup2", NULL, m->attributes, &base));
		return mount_attach(base, target);
	}
	TRY(mount_new("tmpfs", (char *const[]) { (char *)(uintptr_t) "mode=755", NULL },
		      m->attributes & ~(uint64_t)MOUNT_ATTR_RDONLY, &base));
	TRY(mount_attach(base, target));
	TRY(fd_openat(base, ".", O_RDONLY | O_DIRECTORY, &dir));
	for (size_t i = 0; i < n; i++) {
		const char *name = *views[i] ? views[i] : "unified";
		auto_strv char **options = str_split(views[i], ",");
		auto_fd int view = -1, place = -1;

		if (mkdirat(dir, name, 0755) < 0)
			return err_errno("mkdir %s", name);
		TRY(fd_openat(dir, name, O_PATH | O_DIRECTORY, &place));
		TRY(mount_new(*views[i] ? "cgroup" : "cgroup2", options, m->attributes, &view));
		TRY(mount_attach(view, place));
	}
	return mount_set(base, m->attributes, 0, false);
}

static struct err *fs_mount(int root, const struct runtime_mount *m, char *const *views)
{
	static const char *const strict[] = { "/proc", "/sys", "/dev", NULL };
	auto_fd int made = -1, target = -1;

	if (strcmp(m->type, "cgroup") == 0)
		return cgroup_mount(root, m, views);
	if (str_one_of(m->target, strict))
		TRY(open_strict(root, m->target, &target));
	else
		TRY(open_target(root, m->target, true, &target));
	struct err *e = mount_new(m->type, m->options, m->attributes, &made);

	if (m->optional && (err_code(e) == ENODEV || err_code(e) == EPERM)) {
		err_free(e);
		return NULL;
	}
	TRY(e);
	if (m->copy_up) {
		auto_fd int from = -1, to = -1;

		TRY(fd_open_in_root(root, m->target, O_RDONLY | O_DIRECTORY, 0, &from));
		TRY(fd_openat(made, ".", O_RDONLY | O_DIRECTORY, &to));
		TRY(rootfs_copy_up(from, to));
	}
	return mount_attach(made, target);
}

static struct err *mount_one(int root, const struct runtime_mount *m, char *const *views,
			     int take_host)
{
	struct err *e = m->kind == RUNTIME_MOUNT_BIND ? bind_mount(root, m, take_host)
						      : fs_mount(root, m, views);

	return err_wrap(e, "mount %s", m->target);
}

/* The host's root, for mounts of it: once the container's is on top of it, a copy would show that. */
static struct err *copy_host_root(const struct runtime_mount *m, int *ret)
{
	auto_fd int root = -1;

	*ret = -1;
	if (m->kind != RUNTIME_MOUNT_BIND || m->subpath || strcmp(m->source, "/") != 0)
		return NULL;
	TRY(fd_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY, &root));
	return mount_copy(root, m->recursive, ret);
}

struct err *rootfs_make(const struct runtime_spec *s, char *const *views, int *ret)
{
	auto_free int *host = mem_alloc((s->n_mounts + 1) * sizeof(*host));

	/* a descriptor that is left over by an error is closed with the process, which has no other use */
	for (size_t i = 0; i < s->n_mounts; i++)
		TRY(copy_host_root(&s->mounts[i], &host[i]));
	TRY(make_root(s, ret));
	for (size_t i = 0; i < s->n_mounts; i++)
		TRY(mount_one(*ret, &s->mounts[i], views, host[i]));
	return NULL;
}

/* ---- /dev ---- */

static const struct {
	const char *name;
	unsigned major, minor;
} nodes[] = {
	{ "null", 1, 3 },   { "zero", 1, 5 },	 { "full", 1, 7 },
	{ "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
};
static const struct {
	const char *name, *to;
} links[] = {
	{ "fd", "/proc/self/fd" },	 { "stdin", "/proc/self/fd/0" },
	{ "stdout", "/proc/self/fd/1" }, { "stderr", "/proc/self/fd/2" },
	{ "ptmx", "pts/ptmx" },		 { "core", "/proc/kcore" },
};

/* Where nodes cannot be made (a user namespace), the host's are bound. */
static struct err *bind_node(int dev, const char *name)
{
	auto_free char *host = mem_printf("/dev/%s", name);
	auto_fd int source = -1, made = -1, target = -1;

	TRY(fd_openat(AT_FDCWD, host, O_PATH | O_NOFOLLOW, &source));
	TRY(fd_openat(dev, name, O_RDONLY | O_CREAT | O_NOFOLLOW, &target));
	TRY(mount_copy(source, false, &made));
	return mount_attach(made, target);
}

struct err *rootfs_dev(int root)
{
	auto_fd int dev = -1;
	mode_t saved = umask(0);

	/* the image may hold a link here: what is made must not land on the host */
	TRY(fd_open_in_root(root, "/dev", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &dev));
	for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
		if (mknodat(dev, nodes[i].name, S_IFCHR | 0666,
			    makedev(nodes[i].major, nodes[i].minor)) == 0 ||
		    errno == EEXIST)
			continue;
		if (errno != EPERM)
			return err_errno("/dev/%s", nodes[i].name);
		TRY(err_wrap(bind_node(dev, nodes[i].name), "/dev/%s", nodes[i].name));
	}
	umask(saved);
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		if (symlinkat(links[i].to, dev, links[i].name) < 0 && errno != EEXIST)
			return err_errno("/dev/%s", links[i].name);
	return NULL;
}

/* ---- further devices ---- */

static mode_t format_of(const struct runtime_device *d)
{
	return d->type == 'b' ? S_IFBLK : d->type == 'p' ? S_IFIFO : S_IFCHR;
}

static bool is_device(const struct stat *st, const struct runtime_device *d)
{
	return (st->st_mode & S_IFMT) == format_of(d) &&
	       (d->type == 'p' || st->st_rdev == makedev(d->major, d->minor));
}

/* Where nodes cannot be made, or be opened when they are made: the host's is bound, if it is that. */
static struct err *bind_device(int root, const struct runtime_device *d, const char *source)
{
	auto_fd int from = -1, made = -1, target = -1;
	struct stat st;

	TRY(fd_openat(AT_FDCWD, source, O_PATH | O_NOFOLLOW, &from));
	if (fstat(from, &st) < 0 || !is_device(&st, d))
		return err_new(ENODEV, "the host's %s is another device", source);
	TRY(open_target(root, d->path, false, &target));
	TRY(mount_copy(from, false, &made));
	return mount_attach(made, target);
}

/* No name is followed: what it leads to may be changed by another container meanwhile. */
static struct err *make_node(int dir, const char *name, const struct runtime_device *d)
{
	mode_t saved = umask(0);
	int rc = mknodat(dir, name, format_of(d) | d->mode, makedev(d->major, d->minor));
	int code = errno;
	struct stat st;

	umask(saved);
	errno = code;
	if (rc < 0 && errno != EEXIST)
		return err_errno("make the node");
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno("look at the node");
	if (!is_device(&st, d))
		return d->optional ? NULL : err_new(EEXIST, "there is something else");
	return fchownat(dir, name, d->uid, d->gid, AT_SYMLINK_NOFOLLOW) < 0
		       ? err_errno("give the node its owner")
		       : NULL;
}

static struct err *make_device(int root, const struct runtime_device *d)
{
	const char *name = strrchr(d->path, '/') + 1;
	auto_free char *above = mem_strndup(d->path, (size_t)(name - d->path));
	auto_fd int parent = -1, dir = -1;

	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return err_new(EINVAL, "that is the name of a directory");
	if (d->source && !str_starts(d->path, "/dev/"))
		return bind_device(root, d, d->source);
	TRY(fd_mkdirs_in_root(root, above, 0755, &parent));
	TRY(fd_openat(parent, ".", O_RDONLY | O_DIRECTORY, &dir));
	struct err *e = make_node(dir, name, d);

	if (err_code(e) != EPERM)
		return e;
	err_free(e);
	return bind_device(root, d, d->source ? d->source : d->path);
}

struct err *rootfs_device(int root, const struct runtime_device *d)
{
	return err_wrap(make_device(root, d), "device %s", d->path);
}

/* ---- hiding ---- */

/*
 * Directories are covered by an empty read-only tmpfs, one for all, files by the
 * null device. The tmpfs is attached itself before it is copied: closing a mount
 * that was never attached waits for an RCU grace period.
 */
static struct err *mask_directory(int target, int *empty)
{
	static char *const options[] = { (char *)(uintptr_t) "mode=755",
					 (char *)(uintptr_t) "size=0k", NULL };
	const uint64_t attributes =
		MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	auto_fd int made = -1;

	if (*empty < 0) {
		TRY(mount_new("tmpfs", options, attributes, empty));
		return mount_attach(*empty, target);
	}
	TRY(mount_copy(*empty, false, &made));
	return mount_attach(made, target);
}

/* -1 when this kernel has no such file. */
static struct err *find_path(int root, const char *path, int *ret)
{
	struct err *e = fd_find_in_root(root, path, O_PATH, ret);

	if (err_code(e) != ENOTDIR)
		return e;
	err_free(e);
	return NULL;
}

static struct err *mask_one(int root, const char *path, int *empty, int null)
{
	auto_fd int target = -1, made = -1;

	TRY(find_path(root, path, &target));
	if (target < 0)
		return NULL;
	if (is_directory(target))
		return mask_directory(target, empty);
	TRY(mount_copy(null, false, &made));
	return mount_attach(made, target);
}

static struct err *readonly_one(int root, const char *path)
{
	auto_fd int target = -1, made = -1;

	TRY(find_path(root, path, &target));
	if (target < 0)
		return NULL;
	TRY(mount_copy(target, true, &made));
	TRY(mount_set(made,
		      MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
		      0, true));
	return mount_attach(made, target);
}

struct err *rootfs_mask(int root, const struct runtime_spec *s, int null)
{
	auto_fd int empty = -1;

	for (char *const *p = s->readonly_paths; p && *p; p++)
		TRY(err_wrap(readonly_one(root, *p), "make %s read-only", *p));
	for (char *const *p = s->masked; p && *p; p++)
		TRY(err_wrap(mask_one(root, *p, &empty, null), "mask %s", *p));
	return NULL;
}

/* ---- going in ---- */

struct err *rootfs_enter(int root, const struct runtime_spec *s)
{
	if (fchdir(root) < 0)
		return err_errno("enter the root file system");
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return err_errno("pivot_root");
	if (umount2(".", MNT_DETACH_) < 0)
		return err_errno("leave the host's file system");
	if (chdir("/") < 0)
		return err_errno("enter the root file system");
	return s->read_only ? mount_set(root, MOUNT_ATTR_RDONLY, 0, false) : NULL;
}
