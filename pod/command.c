/* SPDX-License-Identifier: Apache-2.0 */
/* pod/command.c - a command in a running container, with a limit of time and the first of its output: a probe. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

enum { OUTPUT_MAX = 4096, REST = 4096 };

struct pod_command {
	struct container *container;
	pod_command_fn *fn;
	void *arg;
	struct runtime_container process;
	struct watch *on_exit, *on_limit, *on_output;
	int output;
	int64_t limit;
	bool late;
	char text[OUTPUT_MAX];
	size_t len;
};

static void release(struct pod_command *c)
{
	watch_free(c->on_exit);
	watch_free(c->on_limit);
	watch_free(c->on_output);
	fd_close(&c->output);
	runtime_container_clear(&c->process);
	free(c);
}

/* What does not fit is read all the same: nobody is to wait for us. */
static void on_output(void *arg)
{
	struct pod_command *c = arg;
	char rest[REST];
	size_t room = sizeof(c->text) - 1 - c->len;
	ssize_t n = read(c->output, room ? c->text + c->len : rest, room ? room : sizeof(rest));

	if (n > 0 && room)
		c->len += (size_t)n;
	c->text[c->len] = '\0';
	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		watch_free(c->on_output);
		c->on_output = NULL;
	}
}

static void on_exit_event(void *arg)
{
	struct pod_command *c = arg;
	struct proc_exit how = { 0 };
	bool done = false;

	err_ignore(proc_poll(c->process.pidfd, &done, &how));
	if (!done)
		return;
	if (c->on_output)
		on_output(c);
	if (c->late)
		snprintf(c->text, sizeof(c->text), "the probe took longer than %lld ms",
			 (long long)c->limit);
	watch_free(
		c->on_exit); /* before its descriptor goes: containers at their gate have copies of it */
	c->on_exit = NULL;
	fd_close(&c->process.pidfd); /* it is reaped */
	c->fn(c->arg, c->late ? POD_COMMAND_LATE : proc_exit_code(how), c->text);
	release(c);
}

static void on_limit(void *arg)
{
	struct pod_command *c = arg;

	watch_free(c->on_limit);
	c->on_limit = NULL;
	c->late = true;
	err_ignore(proc_kill(c->process.pidfd, SIGKILL)); /* its exit tells */
}

void command_pause(struct pod_command *c, bool paused)
{
	watch_free(c->on_limit);
	c->on_limit =
		paused || c->late || c->limit <= 0
			? NULL
			: loop_timer(c->container->pod->loop, (uint64_t)c->limit, on_limit, c);
}

struct err *command_start(struct container *k, const struct pod_command_options *o,
			  struct pod_command **ret)
{
	struct runtime_process process = spec_runtime(k->spec)->process;
	auto_strv char **env = strv_dup(process.env);
	struct pod_command *c;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno("pipe");
	(void)fcntl(ends[0], F_SETFL, O_NONBLOCK); /* ours: the command's own end waits */
	for (char *const *e = o->env; e && *e; e++)
		env_set(&env, *e);
	process.argv = o->argv;
	process.env = env;
	process.tty = false;
	process.stdio[0] = -1;
	process.stdio[1] = process.stdio[2] = ends[1];
	c = mem_alloc(sizeof(*c));
	*c = (struct pod_command) { .container = k,
				    .fn = o->fn,
				    .arg = o->arg,
				    .process = { 0, -1, -1 },
				    .limit = o->timeout,
				    .output = ends[0] };
	struct err *e = runtime_exec(k->process.pidfd, &process, k->group, &c->process);

	close(ends[1]);
	if (e) {
		release(c);
		return e;
	}
	c->on_exit = loop_readable(k->pod->loop, c->process.pidfd, on_exit_event, c);
	c->on_output = loop_readable(k->pod->loop, c->output, on_output, c);
	command_pause(c, false);
	*ret = c;
	return NULL;
}

struct err *pod_command_start(struct pod *p, const char *service,
			      const struct pod_command_options *o, struct pod_command **ret)
{
	struct container *c = pod_find(p, service);

	if (!c)
		return pod_no_service(service);
	if (c->state != CONTAINER_RUNNING || c->paused)
		return err_new(ESRCH, "service %s is not running", service);
	return command_start(c, o, ret);
}

void pod_command_cancel(struct pod_command *take_c)
{
	struct proc_exit how;

	if (!take_c)
		return;
	err_ignore(proc_kill(take_c->process.pidfd, SIGKILL));
	(void)!proc_wait_for(take_c->process.pidfd, DEATH_WAIT, &how);
	release(take_c);
}
