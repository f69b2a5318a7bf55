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

static void add_v2(struct cgroupfs_host *h, int take_dir)
{
	auto_free char *list = NULL;

	err_ignore(fd_read_file(take_dir, "cgroup.controllers", 4096, &list));
	if (list) {
		list[strcspn(list, "\n")] = '\0';
		for (char *p = list; *p; p++)
			*p = *p == ' ' ? ',' : *p;
	}
	add(h, true, list ? list : "", take_dir);
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

void cgroupfs_host_free(struct cgroupfs_host *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < h->n; i++)
		close(h->h[i].dir);
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
