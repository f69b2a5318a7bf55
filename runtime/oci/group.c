/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/oci/group.c - what is done to a container by its control group: pause, resume, ps, update. */
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

/* A container's group, and what is known of it. */
struct place {
	int dir;
	struct state state;
	struct cgroupfs_host *host;
	struct cgroupfs *group;
};

static void place_clear(struct place *p)
{
	cgroupfs_free(p->group);
	cgroupfs_host_free(p->host);
	state_clear(&p->state);
	fd_close(&p->dir);
}

static struct err *place_open(const struct options *o, const char *id, struct place *p)
{
	*p = (struct place) { .dir = -1 };
	TRY(state_open(o->root, id, &p->dir));
	TRY(state_load(p->dir, id, &p->state));
	return cgroupfs_open(&p->host);
}

static struct err *place_of_running(const struct options *o, const char *id, struct place *p)
{
	TRY(place_open(o, id, p));
	if (strcmp(state_status(p->dir, &p->state), "stopped") == 0)
		return err_new(ESRCH, "container %s is not running", id);
	return cgroupfs_find(p->host, p->state.cgroup, &p->group);
}

struct err *op_freeze(const struct options *o, const char *id, bool frozen)
{
	struct place p;
	struct err *e = place_of_running(o, id, &p);

	if (!e && frozen == cgroupfs_is_frozen(p.group))
		e = err_new(EINVAL, "container %s is %s", id,
			    frozen ? "paused already" : "not paused");
	if (!e)
		e = cgroupfs_freeze(p.group, frozen);
	place_clear(&p);
	return e;
}

static void print_process(pid_t pid)
{
	auto_free char *path = mem_printf("/proc/%d/cmdline", pid), *text = NULL;
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	auto_err struct err *gone = fd < 0 ? NULL : fd_read_all(fd, 1 << 20, &text, &len);

	for (size_t i = 0; text && !gone && i + 1 < len; i++)
		if ((unsigned char)text[i] < ' ')
			text[i] = ' ';
	if (text && !gone)
		printf("%-8d %s\n", pid, text);
}

struct err *op_ps(const struct options *o, const char *id)
{
	auto_free pid_t *pids = NULL;
	auto_json json_t *list = json_array();
	size_t n = 0;

	if (o->format && !str_one_of(o->format, (const char *const[]) { "table", "json", NULL }))
		return err_new(EINVAL, "--format: '%s' is neither table nor json", o->format);
	struct place p;
	struct err *e = place_of_running(o, id, &p);

	if (!e)
		e = cgroupfs_processes(p.host, p.state.cgroup, &pids, &n);
	place_clear(&p);
	TRY(e);
	if (!str_eq(o->format, "json")) {
		puts("PID      CMD");
		for (size_t i = 0; i < n; i++)
			print_process(pids[i]);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_integer(pids[i]));
	auto_free char *text = json_text(list, 0);

	puts(text);
	return NULL;
}

/*
 * Also when the first process has ended: without a PID namespace the others go on.
 * Who has gone meanwhile is no error; who came meanwhile is met when it is asked again.
 */
struct err *op_kill_all(const struct options *o, const char *id, int signal)
{
	auto_free pid_t *pids = NULL;
	size_t n = 0;
	struct place p;
	struct err *e = place_open(o, id, &p);

	if (!e)
		e = cgroupfs_processes(p.host, p.state.cgroup, &pids, &n);
	for (size_t i = 0; i < n && !e; i++) {
		auto_fd int pidfd = -1;

		e = proc_open(pids[i], &pidfd);
		if (!e)
			e = proc_kill(pidfd, signal);
		if (err_code(e) == ESRCH)
			err_free(steal(&e));
	}
	place_clear(&p);
	return e;
}

/* The group as it is with a limit of a v1 controller in whose hierarchy it has not been: all move there. */
static struct err *limit_anew(struct place *p, const struct cgroupfs_limits *limits)
{
	auto_free pid_t *pids = NULL;
	struct cgroupfs *group = NULL;
	size_t n = 0;

	TRY(cgroupfs_create(p->host, p->state.cgroup, limits, &group));
	struct err *e = cgroupfs_processes(p->host, p->state.cgroup, &pids, &n);

	for (size_t i = 0; i < n && !e; i++) {
		e = cgroupfs_attach(group, pids[i]);
		if (err_code(e) == ESRCH)
			err_free(steal(&e));
	}
	cgroupfs_free(group);
	return e;
}

static struct err *read_resources(const char *path, json_t **ret)
{
	auto_free char *text = NULL;
	size_t len = 0;

	if (strcmp(path, "-") != 0)
		return json_read_file(AT_FDCWD, path, CONFIG_MAX, ret);
	TRY(fd_read_all(STDIN_FILENO, CONFIG_MAX, &text, &len));
	return json_parse(text, len, CONFIG_MAX, ret);
}

struct err *op_update(const struct options *o, const char *id)
{
	auto_json json_t *resources = NULL;
	auto_json json_t *config = NULL;
	struct cgroupfs_limits limits = { 0 };
	struct place p;

	if (!o->resources)
		return err_new(EINVAL, "update: --resources is missing: a file, or - for standard "
				       "input");
	TRY(err_wrap(read_resources(o->resources, &resources), "--resources"));
	if (!json_is_object(resources))
		return err_new(EINVAL, "--resources: that is no object");
	config = json_pack("{s:{s:O}}", "linux", "resources", resources);
	TRY(bundle_limits(config, &limits));
	struct err *e = place_of_running(o, id, &p);

	if (!e)
		e = cgroupfs_update(p.group, &limits);
	if (err_code(e) == ENOTSUP) {
		err_free(e);
		e = limit_anew(&p, &limits);
	}
	place_clear(&p);
	return err_wrap(e, "container %s", id);
}
