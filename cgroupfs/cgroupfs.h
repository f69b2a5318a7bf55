/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroupfs/cgroupfs.h - control groups v1, v2 and hybrid behind one interface.
 *
 * A group is a path ("slipway/shop/web") that is made in every hierarchy it is
 * needed in: always in cgroup2 where that is mounted (it costs nothing to be
 * born there, see CLONE_INTO_CGROUP, Linux 5.7), and in a v1 hierarchy only when
 * a limit asks for it: moving a process into a v1 group waits for an RCU grace
 * period, milliseconds on a quiet machine.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum cgroupfs_layout { CGROUPFS_NONE, CGROUPFS_V1, CGROUPFS_V2, CGROUPFS_HYBRID };

/* What this host has. */
struct cgroupfs_host;
struct err *cgroupfs_open(struct cgroupfs_host **ret) must_check;
/*
 * The same for one that was put into a group of its own by a cluster's agent:
 * process @pid (0: the caller) is in .../@id, or in .../@id/leaf of cgroup2, in
 * some hierarchies. There, paths are relative to that group, which is never
 * limited or removed; the path "" is the group itself. In the other v1
 * hierarchies they are below @prefix, and another cgroup2 is not used, so that
 * whoever removes the agent's groups removes all. ENOENT when @pid is in no such
 * group.
 */
struct err *cgroupfs_open_task(pid_t pid, const char *id, const char *prefix,
			       struct cgroupfs_host **ret) must_check;
/* Whether the agent has put us into a group of @controller's, so that its limits are the agent's. */
bool cgroupfs_in_task(const struct cgroupfs_host *h, const char *controller);
void cgroupfs_host_free(struct cgroupfs_host *h);
enum cgroupfs_layout cgroupfs_layout(const struct cgroupfs_host *h);
const char *cgroupfs_layout_name(enum cgroupfs_layout l);
/* Whether @controller ("memory") can be used, in v1 or v2. */
bool cgroupfs_has(const struct cgroupfs_host *h, const char *controller);

/* A rule about device nodes; the numbers of access are those of <linux/bpf.h>. */
enum {
	CGROUPFS_DEVICE_MKNOD = 1,
	CGROUPFS_DEVICE_READ = 2,
	CGROUPFS_DEVICE_WRITE = 4,
	CGROUPFS_DEVICE_ALL = 7
};
struct cgroupfs_device {
	char type; /* 'c', 'b', or 'a': both */
	bool allow;
	unsigned access;
	int64_t major, minor; /* -1: any */
};
/* Letters of r, w and m as bits; false when there is another. */
bool cgroupfs_device_access(const char *letters, unsigned *ret);
/* What Docker lets every container use. */
extern const struct cgroupfs_device cgroupfs_devices_default[];
extern const size_t cgroupfs_n_devices_default;
/* Whether rules can be kept here; else cgroupfs_create() refuses them (ENOTSUP). */
bool cgroupfs_controls_devices(const struct cgroupfs_host *h);

/* 0 means: leave what the kernel chose; -1: no limit. */
struct cgroupfs_limits {
	int64_t memory_max;	    /* bytes */
	int64_t memory_reservation; /* bytes; memory.low, or v1's soft limit */
	int64_t memory_swap;	    /* bytes of memory and swap together */
	int64_t cpu_shares;	    /* 2..262144, 1024 is what everybody has */
	int64_t cpu_quota;	    /* microseconds in each period */
	int64_t cpu_period;	    /* microseconds; 0 with a quota: 100000 */
	int64_t pids_max;
	const char *cpuset; /* "0-3,5", borrowed */
	/*
	 * Rules for device nodes, borrowed; none: not controlled. With one, nothing is
	 * allowed but what they say, the later before the earlier; one that takes back
	 * a part of a wider one is refused (EINVAL).
	 */
	const struct cgroupfs_device *devices;
	size_t n_devices;
};

struct cgroupfs; /* one group */

/*
 * Makes the group and its missing parents and sets the limits. A limit whose
 * controller this host lacks is reported by a warning in the log; one that the
 * kernel refuses is an error. What was made is removed again on error.
 */
struct err *cgroupfs_create(const struct cgroupfs_host *h, const char *path,
			    const struct cgroupfs_limits *limits, struct cgroupfs **ret) must_check;
/* The same for a group that is to be counted to @parent also where no limit of its own asks for that. */
struct err *cgroupfs_create_in(const struct cgroupfs *parent, const char *path,
			       const struct cgroupfs_limits *limits,
			       struct cgroupfs **ret) must_check;

/*
 * Where a process goes that would keep its group from having groups with
 * controllers below it: cgroup2 wants processes in leaves. The dot keeps it apart
 * from pods. cgroupfs_create() moves the caller there by itself when it must.
 */
#define CGROUPFS_ASIDE ".supervisor"
/* Moves the caller into that group below @path, which must be there, in cgroup2. */
struct err *cgroupfs_step_aside(const struct cgroupfs_host *h, const char *path) must_check;

/* A group that is there already, in every hierarchy that has it. cgroupfs_free() forgets it. */
struct err *cgroupfs_find(const struct cgroupfs_host *h, const char *path,
			  struct cgroupfs **ret) must_check;

/* The cgroup2 directory for CLONE_INTO_CGROUP, borrowed; -1 where there is none. */
int cgroupfs_clone_fd(const struct cgroupfs *g);
/* Whether cgroupfs_attach() has anything to do for a process born in cgroupfs_clone_fd(). */
bool cgroupfs_needs_attach(const struct cgroupfs *g);
/* Moves @pid (0: the caller) into the hierarchies it was not born in. */
struct err *cgroupfs_attach(const struct cgroupfs *g, pid_t pid) must_check;
/*
 * The same for who does it elsewhere, by writing "0" to cgroup.procs there: the
 * directories, borrowed, at most CGROUPFS_DIRS_MAX; returns how many.
 */
enum { CGROUPFS_DIRS_MAX = 16 };
size_t cgroupfs_attach_dirs(const struct cgroupfs *g, int *ret);
struct err *cgroupfs_freeze(const struct cgroupfs *g, bool frozen) must_check;
bool cgroupfs_is_frozen(const struct cgroupfs *g);
/*
 * Other limits for a group that is in use; rules for devices stay as they are. In
 * a v1 hierarchy that it was not made in there is nothing to limit (ENOTSUP).
 */
struct err *cgroupfs_update(const struct cgroupfs *g,
			    const struct cgroupfs_limits *limits) must_check;

/* What a container may be shown of its group: "memory" of v1, or "" for cgroup2. Up to 16; borrowed. */
size_t cgroupfs_views(const struct cgroupfs *g, const char **ret);

/* Kills all that is in it, where the kernel offers that (cgroup.kill, Linux 5.14). */
struct err *cgroupfs_kill(const struct cgroupfs *g) must_check;

struct cgroupfs_stats {
	uint64_t memory, memory_peak; /* bytes; 0 where it is not accounted */
	uint64_t cpu_us;	      /* processor time used */
	uint64_t pids;
	uint64_t oom_kills;
	/* of cgroupfs_read_details() */
	uint64_t idle_files;	/* of memory: what of files nobody has looked at lately */
	uint64_t read, written; /* bytes, of and to block devices */
};
struct err *cgroupfs_read_stats(const struct cgroupfs *g, struct cgroupfs_stats *ret) must_check;
/* Adds what takes longer to find out; 0 where it is not counted. */
void cgroupfs_read_details(const struct cgroupfs *g, struct cgroupfs_stats *ret);

/* Forgets the group without removing it. */
void cgroupfs_free(struct cgroupfs *g);
/* Removes the group, waiting at most @ms for its last process to be gone, and frees @take_g. */
struct err *cgroupfs_destroy(struct cgroupfs *take_g, unsigned ms) must_check;
/* Removes a whole tree by path, in every hierarchy; what is not there is fine. Kills with @kill. */
struct err *cgroupfs_remove(const struct cgroupfs_host *h, const char *path, bool kill,
			    unsigned ms) must_check;
/* The groups below @path, in any hierarchy. */
struct err *cgroupfs_list(const struct cgroupfs_host *h, const char *path, char ***ret) must_check;
/* The processes in group @path and below, in any hierarchy, each once. */
struct err *cgroupfs_processes(const struct cgroupfs_host *h, const char *path, pid_t **ret,
			       size_t *ret_n) must_check;

void cgroupfs_host_cleanup(struct cgroupfs_host **h);
void cgroupfs_cleanup(struct cgroupfs **g); /* destroys, ignoring errors */
#define auto_cgroupfs_host cleanup_with(cgroupfs_host_cleanup)
#define auto_cgroupfs cleanup_with(cgroupfs_cleanup)
