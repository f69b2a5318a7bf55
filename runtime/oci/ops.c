/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/oci/ops.c - what is done to containers that are there: delete, kill, state and list. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "runtime/oci/oci.h"

struct err *op_delete(const struct options *o, const char *id, bool force)
{
	auto_fd int dir = -1, pidfd = -1;
	auto_cgroupfs_host struct cgroupfs_host *cgroups = NULL;
	struct state s = { 0 };
	struct err *e = state_open(o->root, id, &dir);

	if (force && err_code(e) == ENOENT) { /* engines delete twice */
		err_free(e);
		return NULL;
	}
	TRY(e);
	e = state_load(dir, id, &s);
	if (!e)
		e = state_process(&s, &pidfd);
	if (!e && pidfd >= 0 && !force)
		e = err_new(EBUSY,
			    "container %s is %s, not stopped; kill it first, or delete --force", id,
			    state_status(dir, &s));
	if (!e && pidfd >= 0)
		e = proc_kill(pidfd, SIGKILL);
	if (!e)
		e = cgroupfs_open(&cgroups);
	if (!e)
		/* what is left of one that has stopped has no PID namespace to end it */
		e = cgroupfs_remove(cgroups, s.cgroup, true, OCI_CGROUP_WAIT);
	if (!e)
		e = state_remove(o->root, id);
	if (!e)
		state_hooks_poststop(&s);
	state_clear(&s);
	return e;
}

struct err *op_kill(const struct options *o, const char *id, const char *signal_name)
{
	auto_fd int dir = -1, pidfd = -1;
	struct state s = { 0 };
	int signal = SIGTERM;

	if (signal_name)
		TRY(proc_signal_parse(signal_name, &signal));
	if (o->all)
		return op_kill_all(o, id, signal);
	TRY(state_open(o->root, id, &dir));
	struct err *e = state_load(dir, id, &s);

	if (!e)
		e = state_process(&s, &pidfd);
	if (!e && pidfd < 0)
		e = err_new(ESRCH, "container %s is not running", id);
	if (!e)
		e = proc_kill(pidfd, signal);
	state_clear(&s);
	return e;
}

static bool is_paused(const struct state *s)
{
	auto_cgroupfs_host struct cgroupfs_host *host = NULL;
	struct cgroupfs *group = NULL;
	auto_err struct err *e = cgroupfs_open(&host);

	if (!e)
		e = cgroupfs_find(host, s->cgroup, &group);
	bool paused = !e && cgroupfs_is_frozen(group);

	cgroupfs_free(group);
	return paused;
}

struct err *op_state(const struct options *o, const char *id)
{
	auto_fd int dir = -1;
	struct state s = { 0 };

	TRY(state_open(o->root, id, &dir));
	TRY(state_load(dir, id, &s));
	const char *status = state_status(dir, &s);
	auto_json json_t *j = state_json(&s);

	if (strcmp(status, "running") == 0 && is_paused(&s))
		status = "paused";
	json_put_str(j, "status", status);
	if (strcmp(status, "stopped") != 0)
		json_put_int(j, "pid", s.pid);
	auto_free char *text = json_text(j, 2);

	puts(text);
	state_clear(&s);
	return NULL;
}

struct err *op_list(const struct options *o)
{
	auto_fd int root = -1;
	auto_strv char **ids = NULL;
	struct err *e = fd_openat(AT_FDCWD, o->root, O_RDONLY | O_DIRECTORY, &root);

	if (err_code(e) == ENOENT) {
		err_free(e);
		return NULL;
	}
	TRY(e);
	TRY(fd_list(root, &ids));
	if (!o->quiet)
		printf("%-20s %-8s %-8s %s\n", "ID", "PID", "STATUS", "BUNDLE");
	for (char **id = ids; id && *id; id++) {
		auto_fd int dir = -1;
		struct state s = { 0 };
		auto_err struct err *bad = state_open(o->root, *id, &dir);

		if (!bad)
			bad = state_load(dir, *id, &s);
		if (!bad && o->quiet)
			puts(*id);
		else if (!bad)
			printf("%-20s %-8lld %-8s %s\n", *id, (long long)s.pid,
			       state_status(dir, &s), s.bundle);
		state_clear(&s);
	}
	return NULL;
}
