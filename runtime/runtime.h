/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/runtime.h - one container: from a specification to a process.
 *
 * The caller says everything in a struct runtime_spec and gets a child process
 * that has made its own world (namespaces, mounts, identity, seccomp) and waits
 * at a gate until runtime_go(). What a container is called, which image it has
 * or when it starts again is not known here.
 *
 * Needs Linux 5.12 (clone3, openat2, fsopen, move_mount, mount_setattr).
 * The rules R1-R8 that keep a hostile root file system from reaching the host
 * are written down in HACKING.md.
 */
#pragma once

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/proc.h"
#include "cgroupfs/cgroupfs.h"

/* ---- capabilities: bit n is CAP_n ---- */

/* Docker's fourteen without CAP_MKNOD: no device control group holds a node back yet. */
#define RUNTIME_CAPS_DEFAULT 0xa00425fbULL
#define RUNTIME_CAP_MKNOD (1ULL << 27)
uint64_t runtime_caps_all(void); /* what this process could pass on */
struct err *runtime_cap_parse(const char *name, uint64_t *ret) must_check; /* "CAP_CHOWN"; "ALL" */

struct runtime_caps {
	uint64_t bounding, permitted, effective, inheritable, ambient;
};

/* ---- seccomp ---- */

/* A program for seccomp(2), ready to load. */
struct runtime_filter {
	struct sock_filter *code;
	unsigned short n;
};
/*
 * Docker's default profile for a container that holds @caps. Compiled once and
 * kept in @cache (a directory, or -1), as a tree over ranges of system calls.
 */
struct err *runtime_seccomp_default(uint64_t caps, int cache,
				    struct runtime_filter *ret) must_check;
/* A profile in JSON, as the OCI runtime specification (linux.seccomp) or docker's file has it. */
struct err *runtime_seccomp_json(const char *json, size_t len, uint64_t caps, int cache,
				 struct runtime_filter *ret) must_check;
void runtime_filter_clear(struct runtime_filter *f);

/* ---- the specification; everything in it is borrowed ---- */

struct runtime_rlimit {
	int resource;
	struct rlimit limit;
};
/* "nofile" or "RLIMIT_NOFILE" to a number. */
struct err *runtime_rlimit_parse(const char *name, int *ret) must_check;

struct runtime_process {
	char *const *argv; /* argv[0] is looked up in PATH of @env */
	char *const *env;
	const char *cwd; /* made when missing */
	const char
		*user; /* "", "UID", "NAME", each with ":GROUP"; names are the root file system's */
	char *const *groups; /* supplementary, beside those the user has */
	struct runtime_caps caps;
	const struct runtime_rlimit *rlimits;
	size_t n_rlimits;
	const struct runtime_filter *filter; /* NULL: none */
	bool no_new_privs;
	bool tty; /* a terminal of the container's own devpts; see runtime_event */
	bool set_oom_score_adj;
	int oom_score_adj;
	int umask;    /* -1: 022 */
	int stdio[3]; /* without tty: become 0, 1 and 2; -1: /dev/null */
};

enum runtime_mount_kind { RUNTIME_MOUNT_FS, RUNTIME_MOUNT_BIND };
struct runtime_mount {
	enum runtime_mount_kind kind;
	const char *type;     /* FS: "tmpfs" */
	const char *source;   /* BIND: path on the host */
	const char *target;   /* path in the container */
	char *const *options; /* FS: the file system's own, "size=1m", "mode=755" */
	uint64_t attributes;  /* MOUNT_ATTR_RDONLY, _NOSUID, ... */
	uint64_t propagation; /* MS_PRIVATE, MS_SHARED, MS_SLAVE, or 0: private */
	bool recursive;	      /* BIND with what is mounted below; attributes apply there too */
	bool copy_up;	      /* an empty source directory is filled from the target first */
	bool optional;	      /* go on without it when the host has no such file system */
	const char *subpath;  /* BIND: below source, never out of it; NULL: all */
};

/* A node to be made; one that is there and is the same stays. */
struct runtime_device {
	const char *path; /* absolute, in the container */
	char type;	  /* 'c', 'b', or 'p': a FIFO */
	unsigned major, minor;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	bool optional; /* whatever is there stays */
	/* The host's node, for places where one that is made cannot be opened, or NULL. */
	const char *source;
};

/* ---- programs at stages of a container's life (OCI runtime specification, "POSIX-platform Hooks") ---- */

struct runtime_hook {
	const char *path;
	char *const *argv, *const *env; /* complete: nothing is inherited */
	int timeout;			/* seconds; 0: none */
};
struct runtime_hooks {
	const char *stage; /* "createContainer", for errors */
	const struct runtime_hook *items;
	size_t n;
};
/*
 * Runs them one after the other, with @state on standard input: a JSON object without
 * "status" and "pid", and no space before its first member, to which those given are
 * added; pid 0: none. The first that fails or takes too long is the error; it is
 * killed, and the rest is not run.
 */
struct err *runtime_hooks_run(const struct runtime_hooks *h, const char *state, const char *status,
			      pid_t pid) must_check;

struct runtime_spec {
	struct runtime_process process;
	const char *rootfs;  /* a directory; or NULL, and an overlay is made of: */
	char *const *lowers; /* directories, the lowest first */
	const char *upper, *work;
	bool read_only;
	const struct runtime_mount *mounts; /* in this order */
	size_t n_mounts;
	char *const *masked, *const *readonly_paths;
	bool default_dev;		      /* nodes and links in /dev after the mounts */
	const struct runtime_device *devices; /* after those */
	size_t n_devices;
	bool loopback; /* brings lo up in a network namespace that is made new */
	bool init;     /* PID 1 is a reaper that runs the process as its child */
	const char *hostname, *domainname;
	char *const *sysctls;		/* "net.ipv4.tcp_syncookies=1"; namespaced ones only */
	int namespaces;			/* CLONE_NEW* flags of what is made new */
	int join[4];			/* descriptors of namespaces to enter, -1: none */
	int join_types[4];		/* CLONE_NEW* of each: another kind is refused */
	unsigned long root_propagation; /* MS_SLAVE, MS_PRIVATE, ...; 0: private */
	/*
	 * With a state (see above) there are hooks: the root stands at @rootfs when it is
	 * made, RUNTIME_MADE tells of it, and runtime_go() is awaited before it is entered.
	 */
	const char *hook_state;
	struct runtime_hooks
		before_enter; /* in the container's namespaces, from the host's files */
	struct runtime_hooks before_start; /* in the container, as its process */
};

/* ---- a container ---- */

/*
 * The file system of a container that does not run, for who looks into it: the root
 * and those of its mounts that are of files, in a mount namespace of its own, which
 * the caller and what it starts are in from then on. What the caller sees at its own
 * paths stays as it was. @ret is the root (O_PATH). EBUSY and undefined contents are
 * the caller's to prevent: nobody else may have the upper directory mounted.
 */
struct err *runtime_view(const struct runtime_spec *s, int *ret) must_check;

struct runtime_place {
	int pidns;		      /* descriptor of the PID namespace to nest in, or -1 */
	int own_pidns;		      /* the caller's, to return to; only with pidns */
	const struct cgroupfs *group; /* or NULL */
	int gate; /* a listening socket where the order to start arrives; -1: runtime_go() */
	struct runtime_maker *maker; /* that was run for this place; taken. NULL: none */
};

/*
 * slipway-init, the program that makes containers, may be run before it is known what
 * there is to make: it takes a millisecond or two to be there, on another processor.
 * Of @where the PID namespaces count; NULL: for a process beside others, and @keeps
 * where that is runtime_exec_kept()'s. It ends with what it is passed to.
 */
struct runtime_maker;
struct err *runtime_maker_start(const struct runtime_place *where, bool keeps,
				struct runtime_maker **ret) must_check;
void runtime_maker_free(struct runtime_maker *m); /* that was not used; NULL does nothing */

struct runtime_container {
	pid_t pid; /* as the caller sees it */
	int pidfd;
	int socket; /* readable when runtime_event() has something to say */
};

/*
 * Clones the container's first process, a child of the caller, and returns at
 * once; the child goes on making its world. It is a process of slipway-init, a small
 * program that is run for this and gets the specification handed over: a copy of the
 * caller would cost a millisecond more, and would hold the caller's memory.
 */
struct err *runtime_create(const struct runtime_spec *s, const struct runtime_place *where,
			   struct runtime_container *ret) must_check;

/*
 * As above, several at once, by one run of that program. pidns, own_pidns and maker must
 * be the same for all. @error is what went wrong with that one, the caller's; the others
 * were made all the same.
 */
struct runtime_order {
	const struct runtime_spec *spec;
	struct runtime_place where;
	struct runtime_container *container; /* filled when there is no error */
	struct err *error;
};
void runtime_create_all(struct runtime_order *orders, size_t n);

struct err *runtime_go(const struct runtime_container *c) must_check;

enum runtime_news { RUNTIME_MADE, RUNTIME_READY, RUNTIME_RUNNING };
/*
 * Waits for the next news of the child: its world is made (only with hooks; it goes on
 * with runtime_go()), it is at the gate, or its program runs.
 * What it could not do is the error. With tty, READY brings the master (*ret_tty).
 * The socket stays open: who watches it has to stop that first. Siblings that were
 * cloned meanwhile hold it, too, and epoll would report it until they are gone.
 */
struct err *runtime_event(struct runtime_container *c, enum runtime_news *ret,
			  int *ret_tty) must_check;
void runtime_container_clear(struct runtime_container *c); /* closes; does not kill */

/*
 * Runs @p beside the processes of the container whose first process is @pidfd,
 * in all of its namespaces, and in @group. A child of the caller; news as above.
 */
struct err *runtime_exec(int pidfd, const struct runtime_process *p, const struct cgroupfs *group,
			 struct runtime_container *ret) must_check;

/*
 * As above, but the child of a process that does nothing but wait for it: a caller that
 * is suspended does not keep the container from ending, which it would as the parent of
 * a process that nobody reaps. *ret_report is the caller's, readable when the process
 * has ended; runtime_kept_end() tells how. ret->pid is -1. @take_maker was run for it.
 */
struct err *runtime_exec_kept(int pidfd, const struct runtime_process *p,
			      const struct cgroupfs *group, struct runtime_maker *take_maker,
			      struct runtime_container *ret, int *ret_report) must_check;
void runtime_kept_end(int report, bool *ret_done, struct proc_exit *ret);

/* Docker's lists. */
extern const char *const runtime_masked_default[], *const runtime_readonly_default[];
