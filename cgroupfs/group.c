/* SPDX-License-Identifier: Apache-2.0 */
/* cgroupfs/group.c - one group: made, joined, killed, removed. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "cgroupfs/internal.h"

enum { KNOB_MAX = 1 << 20, POLL_US = 500 };

static const char *const v2_wanted[] = { "memory", "cpu", "pids", "cpuset", "io" };

/* ---- making ---- */

/* Whether this process is in the cgroup2 group itself, not below it. */
static bool is_own_group(int dir)
{
	auto_free char *text = NULL, *self = mem_printf("%d", getpid());
	auto_err struct err *e = fd_read_file(dir, "cgroup.procs", KNOB_MAX, &text);
	auto_strv char **pids = e ? NULL : str_split(text, "\n");

	return strv_has(pids, self);
}

static struct err *enter_below(int dir, const char *name)
{
	auto_free char *file = mem_printf("%s/cgroup.procs", name);

	if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
		return err_errno("mkdir %s", name);
	return fd_write_knob(dir, file, "0");
}

/*
 * The controllers must be on in every ancestor. One write each: a missing one must
 * not stop the others. A group that has processes refuses (EBUSY). Where that is
 * this one, as in a group that systemd delegates to whom it starts, it steps aside.
 */
static struct err *enable_controllers(const struct hierarchy *h, int dir)
{
	for (size_t i = 0; i < ARRAY_LEN(v2_wanted); i++) {
		auto_free char *word = mem_printf("+%s", v2_wanted[i]);
		struct err *e = NULL;

		if (!hierarchy_has(h, v2_wanted[i]))
			continue;
		e = fd_write_knob(dir, "cgroup.subtree_control", word);
		if (err_code(e) == EBUSY && is_own_group(dir)) {
			err_free(e);
			TRY(enter_below(dir, CGROUPFS_ASIDE));
			e = fd_write_knob(dir, "cgroup.subtree_control", word);
		}
		TRY(e);
	}
	return NULL;
}

static struct err *inherit_cpuset(int parent, int dir)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		auto_free char *have = NULL, *text = NULL;

		TRY(fd_read_file(dir, files[i], KNOB_MAX, &have));
		if (*have && *have != '\n')
			continue;
		TRY(fd_read_file(parent, files[i], KNOB_MAX, &text));
		TRY(fd_write_knob(dir, files[i], text));
	}
	return NULL;
}

/* mkdir -p of the path below @from in one hierarchy, with what each level needs. */
static struct err *make_path(const struct hierarchy *h, int from, const char *path, int *ret)
{
	auto_strv char **parts = str_split(path, "/");
	auto_fd int dir = -1;

	for (char **p = parts; p && *p; p++) {
		auto_fd int next = -1;
		int above = dir >= 0 ? dir : from;

		if (strcmp(*p, ".") == 0)
			continue;
		if (h->v2 && *h->controllers)
			TRY(err_wrap(enable_controllers(h, above), "above %s", *p));
		if (mkdirat(above, *p, 0755) < 0 && errno != EEXIST)
			return err_errno("mkdir %s", *p);
		TRY(fd_openat(above, *p, O_RDONLY | O_DIRECTORY, &next));
		if (!h->v2 && hierarchy_has(h, "cpuset"))
			TRY(inherit_cpuset(above, next));
		fd_cleanup(&dir);
		dir = fd_steal(&next);
	}
	if (dir < 0)
		TRY(fd_openat(from, ".", O_RDONLY | O_DIRECTORY, &dir));
	*ret = fd_steal(&dir);
	return NULL;
}

/* From @parent on if it is below that, or all the way from the hierarchy's root. */
static struct err *make_group(const struct cgroupfs_host *h, size_t i,
			      const struct cgroupfs *parent, const char *path, int *ret)
{
	auto_free char *full = hierarchy_path(&h->h[i], path);
	size_t n = parent ? strlen(parent->path) : 0;
	bool below = n && parent->dirs[i] >= 0 && str_starts(path, parent->path) && path[n] == '/';
	struct err *e = below ? make_path(&h->h[i], parent->dirs[i], path + n + 1, ret)
			      : make_path(&h->h[i], h->h[i].dir, full, ret);

	return err_wrap(e, "cgroup %s", full);
}

char *hierarchy_path(const struct hierarchy *h, const char *path)
{
	if (h->prefix)
		return mem_printf("%s%s%s", h->prefix, *path ? "/" : "", path);
	return mem_strdup(*path ? path : ".");
}

static struct err *create(const struct cgroupfs_host *h, const struct cgroupfs *parent,
			  const char *path, const struct cgroupfs_limits *limits,
			  struct cgroupfs **ret)
{
	auto_cgroupfs struct cgroupfs *g = mem_alloc(sizeof(*g));

	g->host = h;
	g->path = mem_strdup(path);
	memset(g->dirs, -1, sizeof(g->dirs));
	for (size_t i = 0; i < h->n; i++) {
		bool counted = parent && parent->dirs[i] >= 0 && !h->h[i].task;

		if (h->h[i].v2 || counted || limits_want(&h->h[i], limits) ||
		    devices_want(h, &h->h[i], limits))
			TRY(make_group(h, i, parent, path, &g->dirs[i]));
	}
	TRY(err_wrap(limits_write(g, limits), "cgroup %s", path));
	TRY(err_wrap(devices_write(g, limits), "cgroup %s", path));
	*ret = steal(&g);
	return NULL;
}

struct err *cgroupfs_create(const struct cgroupfs_host *h, const char *path,
			    const struct cgroupfs_limits *limits, struct cgroupfs **ret)
{
	return create(h, NULL, path, limits, ret);
}

struct err *cgroupfs_create_in(const struct cgroupfs *parent, const char *path,
			       const struct cgroupfs_limits *limits, struct cgroupfs **ret)
{
	return create(parent->host, parent, path, limits, ret);
}

struct err *cgroupfs_step_aside(const struct cgroupfs_host *h, const char *path)
{
	for (size_t i = 0; i < h->n; i++) {
		auto_free char *full = hierarchy_path(&h->h[i], path);
		auto_fd int dir = -1;

		if (!h->h[i].v2)
			continue;
		TRY(fd_openat(h->h[i].dir, full, O_RDONLY | O_DIRECTORY, &dir));
		TRY(err_wrap(enter_below(dir, CGROUPFS_ASIDE), "cgroup %s", full));
	}
	return NULL;
}

struct err *cgroupfs_find(const struct cgroupfs_host *h, const char *path, struct cgroupfs **ret)
{
	struct cgroupfs *g = mem_alloc(sizeof(*g));
	bool found = false;

	g->host = h;
	g->path = mem_strdup(path);
	memset(g->dirs, -1, sizeof(g->dirs));
	for (size_t i = 0; i < h->n; i++) {
		auto_free char *full = hierarchy_path(&h->h[i], path);

		g->dirs[i] = openat(h->h[i].dir, full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		found |= g->dirs[i] >= 0;
	}
	if (!found && h->n) {
		cgroupfs_free(g);
		return err_new(ENOENT, "cgroup %s is gone", path);
	}
	*ret = g;
	return NULL;
}

/* ---- using ---- */

int cgroupfs_clone_fd(const struct cgroupfs *g)
{
	for (size_t i = 0; i < g->host->n; i++)
		if (g->host->h[i].v2)
			return g->dirs[i];
	return -1;
}

bool cgroupfs_needs_attach(const struct cgroupfs *g)
{
	for (size_t i = 0; i < g->host->n; i++)
		if (!g->host->h[i].v2 && g->dirs[i] >= 0)
			return true;
	return false;
}

size_t cgroupfs_attach_dirs(const struct cgroupfs *g, int *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < g->host->n; i++)
		if (!g->host->h[i].v2 && g->dirs[i] >= 0)
			ret[n++] = g->dirs[i];
	return n;
}

struct err *cgroupfs_attach(const struct cgroupfs *g, pid_t pid)
{
	auto_free char *text = mem_printf("%d", pid);
	int dirs[CGROUPFS_DIRS_MAX];
	size_t n = cgroupfs_attach_dirs(g, dirs);

	for (size_t i = 0; i < n; i++)
		TRY(err_wrap(fd_write_knob(dirs[i], "cgroup.procs", text), "cgroup %s", g->path));
	return NULL;
}

size_t cgroupfs_views(const struct cgroupfs *g, const char **ret)
{
	size_t n = 0;

	for (size_t i = 0; i < g->host->n; i++)
		if (g->dirs[i] >= 0)
			ret[n++] = g->host->h[i].v2 ? "" : g->host->h[i].controllers;
	return n;
}

struct err *cgroupfs_freeze(const struct cgroupfs *g, bool frozen)
{
	int dir = cgroupfs_clone_fd(g);

	if (dir < 0)
		return err_new(ENOTSUP, "pausing needs a cgroup2 mount");
	return fd_write_knob(dir, "cgroup.freeze", frozen ? "1" : "0");
}

bool cgroupfs_is_frozen(const struct cgroupfs *g)
{
	auto_free char *text = NULL;
	int dir = cgroupfs_clone_fd(g);
	auto_err struct err *e =
		dir < 0 ? NULL : fd_read_file(dir, "cgroup.freeze", KNOB_MAX, &text);

	return !e && text && *text == '1';
}

struct err *cgroupfs_kill(const struct cgroupfs *g)
{
	int dir = cgroupfs_clone_fd(g);
	struct err *e = dir >= 0 ? fd_write_knob(dir, "cgroup.kill", "1") : NULL;

	if (err_code(e) != ENOENT)
		return e;
	err_free(e);
	return NULL;
}

/* ---- figures ---- */

static uint64_t read_number(int dir, const char *file)
{
	auto_free char *text = NULL;
	auto_err struct err *e = fd_read_file(dir, file, KNOB_MAX, &text);

	return e ? 0 : strtoull(text, NULL, 10);
}

/* The number behind @key in a file of "key number" lines. */
static uint64_t read_key(int dir, const char *file, const char *key)
{
	auto_free char *text = NULL;
	auto_err struct err *e = fd_read_file(dir, file, KNOB_MAX, &text);
	size_t n = strlen(key);

	for (const char *p = e ? NULL : text; p && *p;
	     p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (strncmp(p, key, n) == 0 && p[n] == ' ')
			return strtoull(p + n, NULL, 10);
	return 0;
}

static int dir_of(const struct cgroupfs *g, const char *controller, bool *ret_v2)
{
	const struct hierarchy *h = host_find(g->host, controller);

	*ret_v2 = h && h->v2;
	return h ? g->dirs[h - g->host->h] : -1;
}

/* ---- what takes the kernel longer to count ---- */

/* Lines of version 2 are "8:0 rbytes=1 wbytes=2 ...", of version 1 "8:0 Read 1"; all devices together. */
static void read_blocks(int dir, bool v2, struct cgroupfs_stats *ret)
{
	const char *file = v2 ? "io.stat" : "blkio.throttle.io_service_bytes";
	auto_free char *text = NULL;
	auto_err struct err *e = fd_read_file(dir, file, KNOB_MAX, &text);
	auto_strv char **words = e ? NULL : str_split(text, " \n");

	for (char **w = words; w && *w; w++) {
		if (str_starts(*w, "rbytes="))
			ret->read += strtoull(*w + strlen("rbytes="), NULL, 10);
		else if (str_starts(*w, "wbytes="))
			ret->written += strtoull(*w + strlen("wbytes="), NULL, 10);
		else if (strcmp(*w, "Read") == 0 && w[1])
			ret->read += strtoull(w[1], NULL, 10);
		else if (strcmp(*w, "Write") == 0 && w[1])
			ret->written += strtoull(w[1], NULL, 10);
	}
}

void cgroupfs_read_details(const struct cgroupfs *g, struct cgroupfs_stats *ret)
{
	bool v2 = false;
	int dir = dir_of(g, "memory", &v2);

	if (dir >= 0)
		ret->idle_files =
			read_key(dir, "memory.stat", v2 ? "inactive_file" : "total_inactive_file");
	dir = dir_of(g, "io", &v2);
	if (dir < 0)
		dir = dir_of(g, "blkio", &v2);
	if (dir >= 0)
		read_blocks(dir, v2, ret);
}

/* ---- and what it has at hand ---- */

struct err *cgroupfs_read_stats(const struct cgroupfs *g, struct cgroupfs_stats *ret)
{
	bool v2 = false;
	int dir = dir_of(g, "memory", &v2);

	*ret = (struct cgroupfs_stats) { 0 };
	if (dir >= 0) {
		ret->memory = read_number(dir, v2 ? "memory.current" : "memory.usage_in_bytes");
		ret->memory_peak =
			read_number(dir, v2 ? "memory.peak" : "memory.max_usage_in_bytes");
		ret->oom_kills =
			read_key(dir, v2 ? "memory.events" : "memory.oom_control", "oom_kill");
	}
	dir = dir_of(g, "pids", &v2);
	if (dir >= 0)
		ret->pids = read_number(dir, "pids.current");
	dir = cgroupfs_clone_fd(g);
	if (dir >= 0)
		ret->cpu_us = read_key(dir, "cpu.stat", "usage_usec");
	return NULL;
}

/* ---- removing ---- */

static void pause_a_little(void)
{
	struct timespec t = { 0, POLL_US * 1000L };

	nanosleep(&t, NULL);
}

static struct err *remove_dir(int dir, const char *path, uint64_t deadline)
{
	while (unlinkat(dir, path, AT_REMOVEDIR) < 0) {
		if (errno == ENOENT)
			return NULL;
		/* the last process may be dying still, and the kernel counts it a little longer */
		if (errno != EBUSY || proc_now_ms() >= deadline)
			return err_errno("remove cgroup %s", path);
		pause_a_little();
	}
	return NULL;
}

/* The directories below @path, the deepest last. A group has some twenty files, and mostly no groups. */
static void collect(int dir, const char *path, char ***ret)
{
	auto_fd int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_strv char **names = NULL;
	struct stat st;

	if (fd < 0 || (fstat(fd, &st) == 0 && st.st_nlink == 2)) /* that is itself and "." */
		return;
	err_ignore(fd_list_directories(fd, &names));
	for (char **n = names; n && *n; n++) {
		auto_free char *below = mem_printf("%s/%s", path, *n);

		if (!strv_has(*ret, below))
			strv_add(ret, mem_strdup(below));
		collect(dir, below, ret);
	}
}

static struct err *remove_tree(const struct hierarchy *h, const char *path, uint64_t deadline)
{
	auto_strv char **below = NULL;

	auto_free char *full = hierarchy_path(h, path);

	collect(h->dir, full, &below);
	for (size_t i = strv_len(below); i > 0; i--)
		TRY(remove_dir(h->dir, below[i - 1], deadline));
	return remove_dir(h->dir, full, deadline);
}

/* The agent's group, which is not ours to kill or to remove. */
static bool is_tasks_own(const struct hierarchy *h, const char *path)
{
	return h->task && !*path;
}

static struct err *remove_group(const struct hierarchy *h, const char *path, uint64_t deadline)
{
	auto_free char *full = hierarchy_path(h, path);

	return is_tasks_own(h, path) ? NULL : remove_dir(h->dir, full, deadline);
}

void cgroupfs_free(struct cgroupfs *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < HIERARCHIES_MAX; i++)
		fd_cleanup(&g->dirs[i]);
	free(g->path);
	free(g);
}

struct err *cgroupfs_destroy(struct cgroupfs *take_g, unsigned ms)
{
	uint64_t deadline = proc_now_ms() + ms;
	struct err *errors = NULL;

	if (!take_g)
		return NULL;
	for (size_t i = 0; i < take_g->host->n; i++)
		if (take_g->dirs[i] >= 0)
			errors = err_join(errors, remove_group(&take_g->host->h[i], take_g->path,
							       deadline));
	cgroupfs_free(take_g);
	return errors;
}

void cgroupfs_cleanup(struct cgroupfs **g)
{
	err_ignore(cgroupfs_destroy(*g, 0));
}

/* A process is in a group of each hierarchy. */
static void add_process(pid_t **list, size_t *n, pid_t pid)
{
	for (size_t i = 0; i < *n; i++)
		if ((*list)[i] == pid)
			return;
	*list = mem_grow(*list, *n + 1, sizeof(pid_t));
	(*list)[(*n)++] = pid;
}

struct err *cgroupfs_processes(const struct cgroupfs_host *h, const char *path, pid_t **ret,
			       size_t *ret_n)
{
	for (size_t i = 0; i < h->n; i++) {
		auto_strv char **groups = NULL;

		strv_add(&groups, hierarchy_path(&h->h[i], path));
		collect(h->h[i].dir, groups[0], &groups);
		for (char **g = groups; *g; g++) {
			auto_free char *file = mem_printf("%s/cgroup.procs", *g);
			auto_free char *text = NULL;
			auto_err struct err *e = fd_read_file(h->h[i].dir, file, KNOB_MAX, &text);
			auto_strv char **pids = e ? NULL : str_split(text, "\n");

			for (char **p = pids; p && *p; p++)
				add_process(ret, ret_n, (pid_t)strtol(*p, NULL, 10));
		}
	}
	return NULL;
}

/* Without cgroup.kill: one by one, by descriptors, so that no number is used twice. */
static void kill_each(const struct cgroupfs_host *h, const char *path)
{
	auto_free pid_t *pids = NULL;
	size_t n = 0;

	for (size_t i = 0; i < h->n; i++)
		if (is_tasks_own(&h->h[i], path))
			return;
	err_ignore(cgroupfs_processes(h, path, &pids, &n));
	for (size_t i = 0; i < n; i++) {
		auto_fd int pidfd = -1;

		err_ignore(proc_open(pids[i], &pidfd));
		if (pidfd >= 0)
			err_ignore(proc_kill(pidfd, SIGKILL));
	}
}

struct err *cgroupfs_remove(const struct cgroupfs_host *h, const char *path, bool kill, unsigned ms)
{
	uint64_t deadline = proc_now_ms() + ms;
	struct err *errors = NULL;

	if (kill) {
		for (size_t i = 0; i < h->n; i++) {
			auto_free char *full = hierarchy_path(&h->h[i], path);
			auto_free char *knob = mem_printf("%s/cgroup.kill", full);

			if (h->h[i].v2 && !is_tasks_own(&h->h[i], path))
				err_ignore(fd_write_knob(h->h[i].dir, knob, "1"));
		}
		kill_each(h, path);
	}
	for (size_t i = 0; i < h->n; i++)
		if (!is_tasks_own(&h->h[i], path))
			errors = err_join(errors, remove_tree(&h->h[i], path, deadline));
	return errors;
}

struct err *cgroupfs_list(const struct cgroupfs_host *h, const char *path, char ***ret)
{
	for (size_t i = 0; i < h->n; i++) {
		auto_free char *full = hierarchy_path(&h->h[i], path);

		collect(h->h[i].dir, full, ret);
	}
	return NULL;
}
