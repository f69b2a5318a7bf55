/* SPDX-License-Identifier: Apache-2.0 */
/* cgroupfs/internal.h - hierarchies, and the knobs of limits. */
#pragma once

#include "cgroupfs/cgroupfs.h"

enum { HIERARCHIES_MAX = CGROUPFS_DIRS_MAX };

/* One mounted hierarchy. */
struct hierarchy {
	bool v2;
	char controllers
		[96]; /* "memory" or "cpu,cpuacct"; of cgroup2: what cgroup.controllers lists */
	int dir;
	bool task;    /* dir is a group that somebody made for us: never made, limited or removed */
	char *prefix; /* groups are below it; NULL: below dir */
};

/* @path as it is from h->dir; the caller's. */
char *hierarchy_path(const struct hierarchy *h, const char *path) must_check;

struct cgroupfs_host {
	enum cgroupfs_layout layout;
	struct hierarchy h[HIERARCHIES_MAX];
	size_t n;
};

struct cgroupfs {
	const struct cgroupfs_host *host;
	char *path;
	int dirs[HIERARCHIES_MAX]; /* -1: not in this hierarchy */
};

const struct hierarchy *host_find(const struct cgroupfs_host *h, const char *controller);
bool hierarchy_has(const struct hierarchy *h, const char *controller);

/* devices.c: all or nothing, and the exceptions from that. */
struct device_rules {
	bool all;
	struct cgroupfs_device *list;
	size_t n;
};
struct err *devices_normalise(const struct cgroupfs_device *rules, size_t n,
			      struct device_rules *ret) must_check;
void devices_clear(struct device_rules *r);
/* Whether @limits ask for v1's devices controller, which is @h's. */
bool devices_want(const struct cgroupfs_host *host, const struct hierarchy *h,
		  const struct cgroupfs_limits *limits);
struct err *devices_write(const struct cgroupfs *g,
			  const struct cgroupfs_limits *limits) must_check;

/* Whether @limits ask for a controller of @h. */
bool limits_want(const struct hierarchy *h, const struct cgroupfs_limits *limits);
struct err *limits_write(const struct cgroupfs *g, const struct cgroupfs_limits *limits) must_check;
/* cpu.weight for cpu.shares: the default of one is the default of the other. */
int64_t limits_weight(int64_t shares);
