/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/limit.h - what the files of the `limit` program share.
 *
 * Nothing of slipway's is used here: the figure is worth something only as long as it does not get
 * slower together with what it is compared to.
 */
#pragma once
#include <limits.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { BINDS_MAX = 8, CONTAINERS_MAX = 64, FILTER_MAX = 512, GROUP_MAX = PATH_MAX + 32 };

/* What is to be started; from the command line, then left alone. */
struct limit_job {
	const char *rootfs;
	const char *tmp;    /* where upper directories and mount points are made */
	const char *cgroup; /* a cgroup2 directory, or NULL */
	const char *socket; /* where a pod listens; NULL: no pod */
	bool keep;	    /* leave the directories in tmp */
	bool plain;	    /* the rootfs as it is, without an overlay */
	char *binds[BINDS_MAX][2];
	size_t n_binds;
	char **argv;
	struct sock_fprog filter;
	struct sock_filter code[FILTER_MAX];
};

struct limit_container {
	char dir[PATH_MAX];
	char group[GROUP_MAX]; /* "" without one */
	int group_fd;
	int pidfd;
	int output; /* becomes its standard output */
	int gate;   /* read one byte here before exec; -1: do not wait */
	bool own_net;
};

/* Prints and exits: this program measures, and a failed measurement is none. */
_Noreturn void limit_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* CLOCK_MONOTONIC in nanoseconds; what is between two of them in microseconds. */
int64_t limit_now(void);
double limit_us(int64_t from, int64_t to);

void limit_pipe(int fds[2]);

/* What each container has for itself; the network is the pod's, or its own. */
extern const uint64_t limit_namespaces;

/* clone3 without a stack, so as fork does it: returns twice. @group_fd may be -1. */
pid_t limit_clone(uint64_t flags, int group_fd, int *pidfd);

int limit_make_group(const char *path);
/* Waits until its last process has left it. */
void limit_remove_group(const char *path);
/* What a container has on disk, made and removed; @group is what its cgroup is called. */
void limit_prepare(const struct limit_job *job, const char *group, int number,
		   struct limit_container *c);
void limit_remove(const struct limit_job *job, const struct limit_container *c);
/* Reads @n lines of stamp's and returns the last time; fewer, if all writers are gone: 0. */
int64_t limit_read_stamps(int fd, size_t n);

/* limit_pod.c: both return the exit status. */
int limit_pod(const struct limit_job *job, size_t n, int64_t start);
int limit_down(const struct limit_job *job, int64_t start);

/* limit_child.c: the container's side, up to and including exec. */
_Noreturn void limit_child(const struct limit_job *job, const struct limit_container *c);
void limit_filter(struct limit_job *job);
/* Bounding set, seccomp filter, capabilities; then the program. Also what `exec` ends with. */
_Noreturn void limit_confine_and_exec(const struct limit_job *job);

/* limit_net.c: links, addresses and one published port, by raw netlink. */
int limit_net_socket(int protocol);
void limit_net_lo_up(int route);
/* A veth between here (@host) and the network namespace of @pid (@inner, a socket in it). */
void limit_net_connect(int host, int inner, pid_t pid);
/* One DNAT rule in a table that lives as long as @nft does. False: not with this kernel. */
bool limit_net_publish(int nft);
