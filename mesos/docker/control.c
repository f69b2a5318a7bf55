/* SPDX-License-Identifier: Apache-2.0 */
/* mesos/docker/control.c - stop, kill, rm, wait, exec and logs of containers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "mesos/docker/docker.h"

enum { GRACE = 10000 /* milliseconds, as Docker */ };

/* The same for each operand; what one says does not keep the others from it. */
static struct err *each(struct docker *d, const void *values, char **operands,
			struct err *(*fn)(struct docker *d, const void *values,
					  const struct pod_state *s,
					  const struct pod_service_state *v))
{
	struct err *errors = NULL;

	if (!*operands)
		return err_new(EINVAL, "a container is needed");
	for (char **o = operands; *o; o++) {
		auto_pod_state struct pod_state *s = NULL;
		const struct pod_service_state *v = NULL;
		struct err *e = docker_find(d, *o, &s, &v);

		if (!e)
			e = fn(d, values, s, v);
		if (!e)
			puts(*o);
		errors = err_join(errors, e);
	}
	return errors;
}

static struct err *ask(const struct docker *d, const struct pod_state *s,
		       const struct pod_service_state *v, const char *what, const char *argument)
{
	char *services[] = { v->key, NULL };
	bool stop = strcmp(what, "stop") == 0;

	/* with its only service the pod ends: that is waited for, too */
	return pod_ask(d->host, s->name, what, stop && s->n_services == 1 ? NULL : services,
		       argument);
}

/* ---- stop, kill, rm, wait ---- */

struct stop_values {
	int64_t timeout;
	const char *signal;
};
const struct opt stop_options[] = {
	{ 't', "time", OPT_SECONDS, "SECONDS", offsetof(struct stop_values, timeout),
	  "wait so long, then SIGKILL; 10" },
	{ 0, "timeout", OPT_SECONDS, "SECONDS", offsetof(struct stop_values, timeout), "the same" },
	{ 0 },
};

static struct err *stop(struct docker *d, const void *values, const struct pod_state *s,
			const struct pod_service_state *v)
{
	const struct stop_values *o = values;
	auto_free char *timeout =
		mem_printf("%lld", (long long)(o->timeout >= 0 ? o->timeout : GRACE));
	struct err *e = ask(d, s, v, "stop", o->timeout >= 0 ? timeout : NULL);

	if (err_code(e) != ENOENT) /* what does not run is stopped already */
		return e;
	err_free(e);
	return NULL;
}

struct err *docker_stop(struct docker *d, const void *values, char **operands, int *ret_code)
{
	(void)ret_code;
	return each(d, values, operands, stop);
}

struct kill_values {
	const char *signal;
};
const struct opt kill_options[] = {
	{ 's', "signal", OPT_TEXT, "SIGNAL", offsetof(struct kill_values, signal),
	  "SIGTERM, TERM or 15; SIGKILL" },
	{ 0 },
};

static struct err *kill_one(struct docker *d, const void *values, const struct pod_state *s,
			    const struct pod_service_state *v)
{
	const struct kill_values *o = values;

	if (!docker_is_running(v))
		return err_new(ESRCH, "container %s is not running", v->container);
	return ask(d, s, v, "kill", o->signal);
}

struct err *docker_kill(struct docker *d, const void *values, char **operands, int *ret_code)
{
	(void)ret_code;
	return each(d, values, operands, kill_one);
}

struct rm_values {
	bool force, volumes;
};
const struct opt rm_options[] = {
	{ 'f', "force", OPT_FLAG, NULL, offsetof(struct rm_values, force), "kill what runs" },
	{ 'v', "volumes", OPT_FLAG, NULL, offsetof(struct rm_values, volumes),
	  "and anonymous volumes" },
	{ 0 },
};

static struct err *remove_one(struct docker *d, const void *values, const struct pod_state *s,
			      const struct pod_service_state *v)
{
	const struct rm_values *o = values;

	if (!str_eq(json_string_value(json_at(s->json, "kind")), "container"))
		return err_new(ENOTSUP, "%s is of a project: 'slipway down' removes it",
			       v->container);
	if (docker_is_running(v) && !o->force)
		return err_new(EBUSY, "container %s is running: stop it before, or use -f",
			       v->container);
	pod_record_remove(d->host, s->name);
	TRY(pod_down(d->host, s->name, o->force ? 0 : -1));
	return o->volumes ? pod_remove_volumes(d->host, s->name, true, NULL) : NULL;
}

struct err *docker_rm(struct docker *d, const void *values, char **operands, int *ret_code)
{
	(void)ret_code;
	return each(d, values, operands, remove_one);
}

struct err *docker_wait(struct docker *d, const void *values, char **operands, int *ret_code)
{
	(void)values;
	(void)ret_code;
	if (!*operands)
		return err_new(EINVAL, "a container is needed");
	for (char **o = operands; *o; o++) {
		auto_pod_state struct pod_state *s = NULL, *after = NULL;
		const struct pod_service_state *v = NULL;

		TRY(docker_find(d, *o, &s, &v));
		if (docker_is_running(v))
			err_ignore(
				ask(d, s, v, "wait", NULL)); /* what came of it is in its state */
		struct err *e = pod_state_read(d->host, s->name, &after);

		if (err_code(e) == ENOENT) /* it was to be removed at its end */
			return err_wrap(e, "%s", *o);
		TRY(e);
		v = pod_state_find(after, v->key);
		if (!v) /* its service was changed meanwhile, and has fewer instances */
			return err_new(ENOENT, "no such container: %s", *o);
		printf("%lld\n", (long long)v->exit_code);
	}
	return NULL;
}

/* ---- exec ---- */

struct exec_values {
	bool interactive, tty, detach, privileged;
	char **env;
	const char *user, *cwd;
};
#define V(f) offsetof(struct exec_values, f)
const struct opt exec_options[] = {
	{ 'i', "interactive", OPT_FLAG, NULL, V(interactive), "pass standard input on" },
	{ 't', "tty", OPT_FLAG, NULL, V(tty), "a terminal" },
	{ 'd', "detach", OPT_FLAG, NULL, V(detach), "do not wait for it" },
	{ 'e', "env", OPT_TEXTS, "NAME=VALUE", V(env), "set a variable" },
	{ 'u', "user", OPT_TEXT, "USER[:GROUP]", V(user), "run as another user" },
	{ 'w', "workdir", OPT_TEXT, "DIR", V(cwd), "run in another directory" },
	{ 0, "privileged", OPT_FLAG, NULL, V(privileged), "refused" },
	{ 0 },
};
#undef V

struct err *docker_exec(struct docker *d, const void *values, char **operands, int *ret_code)
{
	const struct exec_values *v = values;
	auto_pod_state struct pod_state *s = NULL;
	const struct pod_service_state *c = NULL;

	if (!operands[0] || !operands[1])
		return err_new(EINVAL, "a container and a command are needed");
	if (v->privileged)
		return err_new(ENOTSUP, "--privileged is not offered");
	if (v->tty && v->interactive && !isatty(STDIN_FILENO))
		return err_new(ENOTTY, "-t: standard input is not a terminal");
	for (char **e = v->env; e && *e; e++)
		if (!strchr(*e, '='))
			return err_new(EINVAL, "-e %s: is not NAME=VALUE", *e);
	TRY(docker_find(d, operands[0], &s, &c));
	const struct pod_exec e = { .service = c->key,
				    .argv = operands + 1,
				    .env = v->env,
				    .cwd = v->cwd,
				    .user = v->user,
				    .tty = v->tty,
				    .interactive = v->interactive,
				    .detach = v->detach };
	struct err *error = pod_exec(d->host, s->name, &e, ret_code);
	bool exec = error && strstr(err_text(error), "exec: ");

	if (error)
		*ret_code = exec && err_code(error) == ENOENT	? EXIT_NOT_FOUND
			    : exec && err_code(error) == EACCES ? EXIT_NOT_EXECUTABLE
								: EXIT_FAILURE;
	return error;
}

/* ---- logs ---- */

struct logs_values {
	bool follow, timestamps;
	const char *tail;
};
#define V(f) offsetof(struct logs_values, f)
const struct opt logs_options[] = {
	{ 'f', "follow", OPT_FLAG, NULL, V(follow), "go on until it ends" },
	{ 't', "timestamps", OPT_FLAG, NULL, V(timestamps), "when each line was written" },
	{ 'n', "tail", OPT_TEXT, "LINES", V(tail), "the last lines; all" },
	{ 0 },
};
#undef V

static bool show_line(void *ctx, const char *service, enum pod_stream stream, const char *time,
		      const char *line, size_t len)
{
	const struct logs_values *v = ctx;
	FILE *out = stream == POD_STDERR ? stderr : stdout;

	(void)service;
	if (v->timestamps)
		fprintf(out, "%s ", time);
	fwrite(line, 1, len, out);
	return fflush(out) == 0;
}

struct err *docker_logs(struct docker *d, const void *values, char **operands, int *ret_code)
{
	struct logs_values v = *(const struct logs_values *)values;
	auto_pod_state struct pod_state *s = NULL;
	const struct pod_service_state *c = NULL;

	(void)ret_code;
	if (!operands[0] || operands[1])
		return err_new(EINVAL, "one container is needed");
	TRY(docker_find(d, operands[0], &s, &c));
	char *services[] = { c->key, NULL };
	struct pod_logs l = { .services = services,
			      .follow = v.follow,
			      .tail = -1,
			      .ctx = &v,
			      .on_line = show_line };

	if (v.tail && strcmp(v.tail, "all") != 0)
		TRY(err_wrap(str_number(v.tail, 0, INT32_MAX, &l.tail), "--tail"));
	return pod_logs(d->host, s->name, &l);
}
