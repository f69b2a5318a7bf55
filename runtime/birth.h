/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/birth.h - what slipway-init is asked to make, and how it is told.
 *
 * It is a program of its own, so everything a process is to be goes there as bytes,
 * in a file in memory, and descriptors with a message.
 */
#pragma once

#include "runtime/runtime.h"

/* One process to be: a container's first, or one more in a container. */
struct birth {
	uint64_t flags;				 /* of clone3(2): the namespaces that are new */
	int group;				 /* directory in cgroup2 to be born in, or -1 */
	int attach[CGROUPFS_DIRS_MAX], n_attach; /* directories of v1 groups to move to */
	char *const *views;			 /* cgroupfs_views() of its group */
	int gate;				 /* as in struct runtime_place, or -1 */
	int container;	   /* pidfd of its first process, to run beside it; or -1 */
	bool limits_files; /* to what the caller was given, before it raised that */
	struct rlimit files;
	struct runtime_spec spec; /* beside another process: only spec.process counts */
};
struct births {
	struct birth *items;
	size_t n;
	/* Who makes them stays as their parent, until the first has ended; else they are its caller's children. */
	bool kept;
};

/* As a file in memory; *ret_fds: the descriptors that are named in it, *ret_n of them. The caller's. */
struct err *births_write(const struct births *b, int *ret_memory, int **ret_fds,
			 size_t *ret_n) must_check;
/* What that has written, with descriptors for those; in memory that stays. EPROTO for anything else. */
struct err *births_read(int memory, int *fds, size_t n_fds, struct births *ret) must_check;

/*
 * What slipway-init hears on the socket it is given: the file and then the descriptors, as
 * many with a message as it takes. Each message says how many are still to come.
 */
struct birth_order {
	size_t left;
};
/*
 * What it says there: for each birth, in order, either an error (err_send()), or
 * BIRTH_PIDFD and BIRTH_SOCKET, each with a descriptor. Of one that is kept it tells a
 * struct proc_exit when it has ended.
 */
#define BIRTH_PIDFD "P"
#define BIRTH_SOCKET "S"
