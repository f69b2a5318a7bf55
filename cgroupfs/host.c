/* SPDX-License-Identifier: Apache-2.0 */
/* cgroupfs/host.c - which hierarchies there are and where. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cgroupfs/internal.h"

enum { MOUNTINFO_MAX = 16 << 20 };

static const char root[] = "/sys/fs/cgroup";
static const char *const v1_folders[] = { "memory", "cpu",     "cpu,cpuacct", "cpuacct", "pids",
					  "cpuset", "freezer", "devices",     "blkio" };

static long type_of(int fd)
{
	struct statfs st;

	return fd >= 0 && fstatfs(fd, &st) == 0 ? (long)st.f_type : 0;
}

static void add(struct cgroupfs_host *h, bool v2, const char *controllers, int take_dir)
{
	if (h->n == HIERARCHIES_MAX) {
		close(take_dir);
		return;
	}
	struct hierarchy *one = &h->h[h->n++];

	one->v2 = v2;
	one->dir = take_dir;
	strncpy(one->controllers, controllers, sizeof(one->controllers) - 1);
}

/* What the cgroup2 group @dir can give to those below it, between commas; "" when it does not say. The caller's. */
static char *controllers_of(int dir)
{
	char *list = NULL;

	err_ignore(fd_read_file(dir, "cgroup.controllers", 4096, &list));
	if (!list)
		return mem_strdup("");
	list[strcspn(list, "\n")] = '\0';
	for (char *p = list; *p; p++)
		*p = *p == ' ' ? ',' : *p;
	return list;
}

static void add_v2(struct cgroupfs_host *h, int take_dir)
{
	auto_free char *list = controllers_of(take_dir);

	add(h, true, list, take_dir);
}

/* Where every distribution mounts them; mountinfo, which costs milliseconds on busy hosts, is not read. */
static void look_in_usual_places(struct cgroupfs_host *h, int top)
{
	int unified = openat(top, "unified", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (type_of(unified) == CGROUP2_SUPER_MAGIC)
		add_v2(h, unified);
	else if (unified >= 0)
		close(unified);
	for (size_t i = 0; i < ARRAY_LEN(v1_folders); i++) {
		int dir =
			openat(top, v1_folders[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (type_of(dir) == CGROUP_SUPER_MAGIC)
			add(h, false, v1_folders[i], dir);
		else if (dir >= 0)
			close(dir);
	}
}

/* One line of mountinfo (proc(5)): "... MOUNTPOINT OPTIONS ... - TYPE SOURCE SUPEROPTIONS". */
static void look_in_line(struct cgroupfs_host *h, const char *line)
{
	auto_strv char **words = str_split(line, " ");
	size_t n = strv_len(words), dash = 0;

	while (dash < n && strcmp(words[dash], "-") != 0)
		dash++;
	if (n < 5 || dash + 3 >= n || !str_starts(words[dash + 1], "cgroup"))
		return;
	bool v2 = strcmp(words[dash + 1], "cgroup2") == 0;
	int dir = open(words[4], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return;
	const char *options = words[dash + 3]; /* "rw,memory" */

	if (v2)
		add_v2(h, dir);
	else
		add(h, false,
		    str_starts(options, "rw,") || str_starts(options, "ro,") ? options + 3
									     : options,
		    dir);
}

static struct err *look_in_mountinfo(struct cgroupfs_host *h)
{
	auto_free char *text = NULL;

	TRY(fd_read_file(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text));
	auto_strv char **lines = str_split(text, "\n");

	for (char **l = lines; l && *l; l++)
		if (strstr(*l, " - cgroup"))
			look_in_line(h, *l);
	return NULL;
}

struct err *cgroupfs_open(struct cgroupfs_host **ret)
{
	auto_cgroupfs_host struct cgroupfs_host *h = mem_alloc(sizeof(*h));
	auto_fd int top = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t v2 = 0;

	if (type_of(top) == CGROUP2_SUPER_MAGIC)
		add_v2(h, fd_steal(&top));
	else if (top >= 0)
		look_in_usual_places(h, top);
	if (h->n == 0)
		TRY(look_in_mountinfo(h));
	for (size_t i = 0; i < h->n; i++)
		v2 += h->h[i].v2;
	h->layout = h->n == 0	? CGROUPFS_NONE
		    : v2 == 0	? CGROUPFS_V1
		    : v2 < h->n ? CGROUPFS_HYBRID
				: CGROUPFS_V2;
	*ret = steal(&h);
	return NULL;
}

/* ---- inside a cluster's task ---- */

/* Where proc(5) cgroup says that the process is in @h: "4:memory:/mesos/1", "0::/mesos/1/leaf"; or NULL. */
static const char *place_in(const struct hierarchy *h, char *const *lines)
{
	for (; lines && *lines; lines++) {
		const char *names = strchr(*lines, ':'),
			   *path = names ? strchr(names + 1, ':') : NULL;
		size_t len;

		if (!path)
			continue;
		len = (size_t)(path - ++names);
		if (h->v2 ? len == 0
			  : len == strlen(h->controllers) &&
				    strncmp(names, h->controllers, len) == 0)
			return path + 1;
	}
	return NULL;
}

/* The directory of the group ".../@id", when @place is it or, in cgroup2, its leaf. */
static int open_task(const struct hierarchy *h, const char *place, const char *id)
{
	auto_free char *path = mem_printf(".%s", place ? place : "/");
	char *last = strrchr(path, '/');

	if (h->v2 && strcmp(last, "/leaf") == 0) {
		*last = '\0';
		last = strrchr(path, '/');
	}
	if (!last || strcmp(last + 1, id) != 0)
		return -1;
	int dir = openat(h->dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* a container with a root of its own has the group itself mounted there */
	return dir >= 0 ? dir : openat(h->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

struct err *cgroupfs_open_task(pid_t pid, const char *id, const char *prefix,
			       struct cgroupfs_host **ret)
{
	auto_cgroupfs_host struct cgroupfs_host *h = NULL;
	auto_free char *path =
		pid ? mem_printf("/proc/%d/cgroup", pid) : mem_strdup("/proc/self/cgroup");
	auto_free char *text = NULL;
	size_t n = 0, tasks = 0;

	TRY(cgroupfs_open(&h));
	TRY(fd_read_file(AT_FDCWD, path, MOUNTINFO_MAX, &text));
	auto_strv char **lines = str_split(text, "\n");

	for (size_t i = 0; i < h->n; i++) {
		struct hierarchy one = h->h[i];
		int dir = open_task(&one, place_in(&one, lines), id);

		if (dir >= 0 || one.v2)
			close(one.dir);
		if (dir < 0 && one.v2)
			continue;
		if (one.v2) { /* whoever made the group may have given it less than there is */
			auto_free char *list = controllers_of(dir);

			memset(one.controllers, 0, sizeof(one.controllers));
			strncpy(one.controllers, list, sizeof(one.controllers) - 1);
		}
		one.task = dir >= 0;
		one.dir = one.task ? dir : one.dir;
		one.prefix = one.task ? NULL : mem_strdup(prefix);
		tasks += one.task;
		h->h[n++] = one;
	}
	h->n = n;
	if (tasks == 0)
		return err_new(ENOENT, "process %d is in no control group named %s", pid, id);
	*ret = steal(&h);
	return NULL;
}

bool cgroupfs_in_task(const struct cgroupfs_host *h, const char *controller)
{
	const struct hierarchy *one = host_find(h, controller);

	return one && one->task;
}

void cgroupfs_host_free(struct cgroupfs_host *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < h->n; i++) {
		close(h->h[i].dir);
		free(h->h[i].prefix);
	}
	free(h);
}

void cgroupfs_host_cleanup(struct cgroupfs_host **h)
{
	cgroupfs_host_free(*h);
}

enum cgroupfs_layout cgroupfs_layout(const struct cgroupfs_host *h)
{
	return h->layout;
}

const char *cgroupfs_layout_name(enum cgroupfs_layout l)
{
	static const char *const names[] = { "none", "v1", "v2", "hybrid" };

	return names[l];
}

bool hierarchy_has(const struct hierarchy *h, const char *controller)
{
	size_t n = strlen(controller);

	for (const char *p = h->controllers; *p; p += strcspn(p, ","), p += *p == ',')
		if (strncmp(p, controller, n) == 0 && (p[n] == ',' || !p[n]))
			return true;
	return false;
}

const struct hierarchy *host_find(const struct cgroupfs_host *h, const char *controller)
{
	for (size_t i = 0; i < h->n; i++)
		if (hierarchy_has(&h->h[i], controller))
			return &h->h[i];
	return NULL;
}

bool cgroupfs_has(const struct cgroupfs_host *h, const char *controller)
{
	return host_find(h, controller) != NULL;
}
