/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod/hooks.c - commands run in a container after it has started, and before it is stopped.
 *
 * One after the other. Who waits for the service waits for its post_start hooks;
 * one that fails is the service's failure. A pre_stop hook that fails is told,
 * and the service is stopped all the same: its grace period bounds all of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

static const char *const phases[] = { "", "post_start", "pre_stop" };

static void run_next(struct container *c);

static void end_hook(struct container *c)
{
	struct proc_exit how;

	watch_free(c->on_hook_exit);
	c->on_hook_exit = NULL;
	if (c->hook_process.pidfd >= 0) {
		err_ignore(proc_kill(c->hook_process.pidfd, SIGKILL));
		if (!proc_wait_for(c->hook_process.pidfd, DEATH_WAIT, &how))
			log_warn("service %s: a hook's process, %d, does not die",
				 c->plan->service->name, c->hook_process.pid);
	}
	runtime_container_clear(&c->hook_process);
	container_hear_end(&c->hook_output);
}

void hooks_end(struct container *c)
{
	if (c->hook_phase != HOOK_NONE)
		end_hook(c);
	watch_free(c->on_hook_limit);
	c->on_hook_limit = NULL;
	c->hook_phase = HOOK_NONE;
}

/* All are done, or one has failed. */
static void finish(struct container *c, struct err *take_e)
{
	enum hook_phase phase = c->hook_phase;
	auto_err struct err *e = take_e;

	hooks_end(c);
	if (phase == HOOK_PRE_STOP) {
		if (e)
			log_warn("%s; it is stopped all the same", err_text(e));
		container_signal_stop(c);
	} else if (e && !c->pod->up) {
		pod_fail(c->pod, steal(&e));
	} else if (e) {
		log_warn("%s; the service is stopped", err_text(e));
		c->stop_asked = true;
		container_stop(c, -1);
	}
	pod_soon(c->pod); /* who stops the container, or has just started it, is still at work */
}

static void on_hook_exit(void *arg)
{
	struct container *c = arg;
	struct proc_exit how = { 0 };
	bool done = false;

	err_ignore(proc_poll(c->hook_process.pidfd, &done, &how));
	if (!done)
		return;
	watch_free(c->on_hook_exit); /* before its descriptor goes, as in pod/command.c */
	c->on_hook_exit = NULL;
	fd_close(&c->hook_process.pidfd); /* it is reaped */
	end_hook(c);
	if (proc_exit_code(how) == 0) {
		run_next(c);
		return;
	}
	finish(c, err_new(EIO, "service %s: %s[%zu] exited with %d", c->plan->service->name,
			  phases[c->hook_phase], c->hook - 1, proc_exit_code(how)));
}

static void on_hook_limit(void *arg)
{
	struct container *c = arg;

	finish(c, err_new(ETIMEDOUT, "service %s: %s[%zu] did not end in time",
			  c->plan->service->name, phases[c->hook_phase], c->hook - 1));
}

static struct err *run(struct container *c, const struct compose_hook *h)
{
	struct runtime_process process = spec_runtime(c->spec)->process;
	auto_strv char **env = strv_dup(process.env);
	int ends[2];

	for (char *const *e = h->environment; e && *e; e++)
		env_set(&env, *e);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno("pipe");
	process.argv = h->command.v;
	process.env = env;
	process.tty = false;
	process.cwd = h->working_dir ? h->working_dir : process.cwd;
	process.user = h->user ? h->user : process.user;
	if (h->privileged) {
		uint64_t all = runtime_caps_all();

		process.caps = (struct runtime_caps) { .bounding = all,
						       .permitted = all,
						       .effective = all };
		process.filter = NULL;
	}
	process.stdio[0] = -1;
	process.stdio[1] = process.stdio[2] = ends[1];
	struct err *e = runtime_exec(c->process.pidfd, &process, c->group, &c->hook_process);

	close(ends[1]);
	container_hear(c, &c->hook_output, POD_STDOUT, ends[0]);
	TRY(e);
	c->on_hook_exit = loop_readable(c->pod->loop, c->hook_process.pidfd, on_hook_exit, c);
	return NULL;
}

static void run_next(struct container *c)
{
	const struct compose_service *s = c->plan->service;
	bool start = c->hook_phase == HOOK_POST_START;
	const struct compose_hook *list = start ? s->post_start.items : s->pre_stop.items;
	size_t n = start ? s->post_start.n : s->pre_stop.n;

	if (c->hook == n) {
		finish(c, NULL);
		return;
	}
	struct err *e = run(c, &list[c->hook++]);

	if (e)
		finish(c, err_wrap(e, "service %s: %s[%zu]", s->name, phases[c->hook_phase],
				   c->hook - 1));
}

static bool begin(struct container *c, enum hook_phase phase, size_t n)
{
	hooks_end(c);
	if (n == 0)
		return false;
	c->hook_phase = phase;
	c->hook = 0;
	run_next(c);
	return true;
}

void hooks_post_start(struct container *c)
{
	(void)begin(c, HOOK_POST_START, c->plan->service->post_start.n);
}

void hooks_limit(struct container *c, int64_t limit)
{
	watch_free(c->on_hook_limit);
	c->on_hook_limit = loop_timer(c->pod->loop, (uint64_t)limit, on_hook_limit, c);
}

bool hooks_pre_stop(struct container *c, int64_t limit)
{
	if (!begin(c, HOOK_PRE_STOP, c->plan->service->pre_stop.n))
		return false;
	if (c->hook_phase == HOOK_PRE_STOP)
		hooks_limit(c, limit);
	return true;
}
