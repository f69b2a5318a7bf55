/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/oci/exec.c - run and exec: processes that are waited for, or left alone. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "runtime/oci/oci.h"

struct err *op_run(const struct options *o, const char *id, int *ret_code)
{
	struct runtime_container c = { 0, -1, -1 };
	struct proc_exit how = { 0 };

	TRY(op_create(o, id, &c));
	struct err *e = op_start(o, id);

	if (e) {
		err_ignore(op_delete(o, id, true));
		return e;
	}
	if (o->detach)
		return NULL;
	TRY(proc_wait(c.pidfd, &how));
	*ret_code = proc_exit_code(how);
	return o->keep ? NULL : op_delete(o, id, true);
}

/* The command line's words over what the bundle says, or a whole process object from a file. */
static struct err *exec_process(const struct options *o, const struct state *s, char **words,
				struct bundle *b)
{
	auto_json json_t *file = NULL;
	const json_t *process;

	if (o->process) {
		TRY(json_read_file(AT_FDCWD, o->process, CONFIG_MAX, &file));
		b->config = json_incref(file);
		return bundle_process(file, b);
	}
	auto_free char *path = mem_printf("%s/config.json", s->bundle);

	TRY(json_read_file(AT_FDCWD, path, CONFIG_MAX, &b->config));
	process = json_at(b->config, "process");
	TRY(bundle_process(process, b));
	strv_free(b->args);
	b->args = strv_dup(words);
	b->spec.process.argv = b->args;
	b->spec.process.tty = false;
	for (char **e = o->env; e && *e; e++)
		env_set(&b->env, *e);
	b->spec.process.env = b->env;
	if (o->cwd)
		b->spec.process.cwd = o->cwd;
	if (o->user)
		b->spec.process.user = o->user;
	return b->args ? NULL : err_new(EINVAL, "exec: no command");
}

static struct err *exec_seccomp(struct bundle *b, const struct state *s)
{
	auto_free char *path = mem_printf("%s/config.json", s->bundle);
	auto_json json_t *config = NULL;

	TRY(json_read_file(AT_FDCWD, path, CONFIG_MAX, &config));
	const json_t *profile = json_at(config, "linux.seccomp");

	if (!profile)
		return NULL;
	auto_free char *text = json_text(profile, 0);

	TRY(runtime_seccomp_json(text, strlen(text), b->spec.process.caps.bounding, -1,
				 &b->filter));
	b->spec.process.filter = &b->filter;
	return NULL;
}

static struct err *exec_in(const struct options *o, const struct state *s, int pidfd,
			   struct bundle *b, int *ret_code)
{
	auto_cgroupfs_host struct cgroupfs_host *cgroups = NULL;
	struct runtime_container c = { 0, -1, -1 };
	struct cgroupfs *group = NULL;
	enum runtime_news news = RUNTIME_READY;
	struct proc_exit how = { 0 };
	auto_fd int tty = -1;

	if (b->spec.process.tty && !o->console)
		return err_new(EINVAL, "process.terminal needs --console-socket");
	TRY(cgroupfs_open(&cgroups));
	bundle_suit(b, cgroups);
	TRY(cgroupfs_find(cgroups, s->cgroup, &group));
	struct err *e = runtime_exec(pidfd, &b->spec.process, group, &c);

	cgroupfs_free(group);
	while (!e && news != RUNTIME_RUNNING) {
		e = runtime_event(&c, &news, &tty);
		if (!e && tty >= 0)
			e = op_send_console(o->console, tty);
		fd_close(&tty);
	}
	if (!e)
		e = op_write_pid_file(o->pid_file, c.pid);
	if (!e && !o->detach) {
		e = proc_wait(c.pidfd, &how);
		*ret_code = proc_exit_code(how);
	}
	return e;
}

struct err *op_exec(const struct options *o, const char *id, char **words, int *ret_code)
{
	auto_fd int dir = -1, pidfd = -1;
	struct state s = { 0 };
	struct bundle *b = mem_alloc(sizeof(*b));
	struct err *e = state_open(o->root, id, &dir);

	if (!e)
		e = state_load(dir, id, &s);
	if (!e)
		e = state_process(&s, &pidfd);
	if (!e && pidfd < 0)
		e = err_new(ESRCH, "container %s is not running", id);
	if (!e)
		e = exec_process(o, &s, words, b);
	if (!e)
		e = exec_seccomp(b, &s);
	if (!e)
		e = exec_in(o, &s, pidfd, b, ret_code);
	state_clear(&s);
	bundle_free(b);
	return e;
}
