/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/internal.h - what happens between clone and exec, mostly in slipway-init. */
#pragma once

#include "runtime/runtime.h"

enum { PASSWD_MAX = 4 << 20, GROUPS_LIMIT = 1024 };

/* ---- mount.c: every path below @root is resolved there, every mount goes to a descriptor ---- */

/* A new file system instance, mounted nowhere yet. */
struct err *mount_new(const char *type, char *const *options, uint64_t attributes,
		      int *ret) must_check;
/* A copy of the mount at @fd, mounted nowhere yet. */
struct err *mount_copy(int fd, bool recursive, int *ret) must_check;
struct err *mount_set(int mount, uint64_t attributes, uint64_t propagation,
		      bool recursive) must_check;
/* Attaches @mount over the file or directory @target. */
struct err *mount_attach(int mount, int target) must_check;

/* ---- rootfs.c ---- */

/*
 * The container's root, with the specification's mounts in it, as a mount of the caller's mount
 * namespace; *ret is its descriptor. @views: cgroupfs_views() of the container's group.
 */
struct err *rootfs_make(const struct runtime_spec *s, char *const *views, int *ret) must_check;
struct err *rootfs_dev(int root) must_check;
struct err *rootfs_device(int root, const struct runtime_device *d) must_check;
struct err *rootfs_mask(int root, const struct runtime_spec *s, int null) must_check;
struct err *rootfs_enter(int root, const struct runtime_spec *s) must_check;
/* Fills the empty directory @to with what directory @from holds. */
struct err *rootfs_copy_up(int from, int to) must_check;

/* ---- user.c ---- */

struct identity {
	uid_t uid;
	gid_t gid;
	gid_t groups[GROUPS_LIMIT];
	size_t n_groups;
	char home[256];
};
/* Looks names up in the files of @root. */
struct err *user_find(int root, const char *user, char *const *groups,
		      struct identity *ret) must_check;

/* ---- capset.c ---- */

struct err *caps_drop_bounding(uint64_t keep) must_check;
struct err *caps_apply(const struct runtime_caps *c) must_check;

/* ---- sysctl.c ---- */
struct err *sysctl_check(const char *assignment) must_check;
struct err *sysctl_write(int proc, char *const *assignments) must_check;

/* ---- program.c ---- */

/* The program slipway-init, in memory; ends with program_close(). */
struct err *program_open(int *ret) must_check;
void program_close(int program);

/* ---- maker.c ---- */

struct runtime_maker {
	pid_t pid;
	int socket;
	bool keeps;
	struct launched *launched;
};
struct births;
/* Has them made: then it is heard of each. Once. */
struct err *maker_order(struct runtime_maker *m, const struct births *births) must_check;
/* What it says of the next; an error is its own, too. */
struct err *maker_hear(struct runtime_maker *m, int *ret_pidfd, int *ret_socket) must_check;

/* ---- bpf.c ---- */

/* Rewrites a filter as a tree over ranges of system calls; the result decides alike. */
struct err *bpf_range_tree(const struct runtime_filter *linear, bool enosys_beyond,
			   struct runtime_filter *ret) must_check;
/* What @f decides for one call, by the rules of seccomp(2). */
uint32_t bpf_run(const struct runtime_filter *f, uint32_t arch, uint32_t nr, const uint64_t *args);
