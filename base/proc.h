/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/proc.h - processes by descriptor, and the system calls libc does not wrap.
 *
 * A process is named by its pidfd (Linux 5.3): a number may be another process
 * by the time it is used.
 */
#pragma once

#include <linux/sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/err.h"

/* clone3(2) without a stack of its own, as fork: -1 with errno, 0 in the child, else the pid. */
pid_t proc_clone(struct clone_args *args);

/* How a process ended. */
struct proc_exit {
	bool signaled;
	int code; /* exit code, or the signal's number */
};
int proc_exit_code(struct proc_exit e); /* as a shell tells it: code, or 128 + signal */

/* What a program is started with. */
struct proc_program {
	const char *path;
	char *const *argv, *const *env;
	/* Become its descriptors 0, 1, ...; -1: as ours. None stands at the place of an earlier one. */
	const int *files;
	size_t n_files;
	bool own_group; /* of processes: what it leaves behind can be ended by its pid */
};
/*
 * Starts it as a child. Signals are not blocked, ignored or handled there, and
 * descriptors no more than proc_raise_files() had found.
 */
struct err *proc_spawn(const struct proc_program *p, pid_t *ret_pid, int *ret_pidfd) must_check;

/* Waits for a child and reaps it. */
struct err *proc_wait(int pidfd, struct proc_exit *ret) must_check;
/* As above, at most @ms milliseconds; false when it has not ended by then, or cannot be waited for. */
bool proc_wait_for(int pidfd, int ms, struct proc_exit *ret) must_check;
/* As above without waiting: *ret_done says whether it had ended. */
struct err *proc_poll(int pidfd, bool *ret_done, struct proc_exit *ret) must_check;

/* Whether a child has ended. It is not reaped: its number is still nobody else's. */
bool proc_has_ended(int pidfd);

struct err *proc_open(pid_t pid, int *ret_pidfd) must_check;
struct err *proc_kill(int pidfd, int signal) must_check; /* a process that is gone is fine */
/* When the process started, in clock ticks since boot: with the pid, its identity (proc(5) stat 22). */
struct err *proc_start_time(pid_t pid, uint64_t *ret) must_check;

/* "SIGTERM", "TERM" or "15" to a number; EINVAL otherwise. And its name back, "SIGTERM". */
struct err *proc_signal_parse(const char *text, int *ret) must_check;
const char *proc_signal_name(int signal);

/* The time of day in UTC, RFC 3339 with nanoseconds; the caller's. */
char *proc_now_text(void) must_check;
uint64_t proc_now_ms(void); /* CLOCK_BOOTTIME */

/*
 * A pod of many services needs more descriptors than the 1024 that a process has by
 * custom: the soft limit becomes the hard one, at most a million. Programs that we
 * become or start are not to inherit that (select(2) breaks above 1024).
 */
void proc_raise_files(void);
void proc_restore_files(pid_t pid);	    /* of that child; 0: of this process */
bool proc_files_before(struct rlimit *ret); /* what that restores, if anything was changed */
