/* SPDX-License-Identifier: Apache-2.0 */
/* cli/lifecycle.c - down, stop, start, restart and kill. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

/* ---- down ---- */

struct down_values {
	bool volumes, nothing;
	const char *images;
	int64_t timeout;
};
#define V(f) offsetof(struct down_values, f)
const struct opt down_options[] = {
	{ 'v', "volumes", OPT_FLAG, NULL, V(volumes),
	  "remove the project's volumes too; external ones stay" },
	{ 0, "rmi", OPT_TEXT, "WHICH", V(images),
	  "remove images of services: all, or local: those without a name of their own, of which "
	  "there are none" },
	{ 0, "remove-orphans", OPT_FLAG, NULL, V(nothing), "a pod has none" },
	{ 't', "timeout", OPT_SECONDS, "SECONDS", V(timeout), "wait so long for services to stop" },
	{ 0 },
};
#undef V

static struct err *remove_volumes(const struct cli *c, const char *name)
{
	auto_strv char **removed = NULL;
	struct err *e = pod_remove_volumes(c->host, name, false, &removed);

	for (char **v = removed; v && *v; v++)
		cli_say(c, " Volume %s  Removed", *v);
	return e;
}

/* Of the pod as it ran, and of the project where there is a file. */
static char **images_of(struct cli *c, const char *name)
{
	auto_pod_state struct pod_state *s = NULL;
	char **images = NULL;

	auto_err struct err *no_pod = pod_state_read(c->host, name, &s);
	auto_err struct err *no_file = cli_project(c, NULL, false);

	for (size_t i = 0; !no_pod && i < s->n_services; i++)
		if (!strv_has(images, s->services[i].image))
			strv_add(&images, mem_strdup(s->services[i].image));
	for (size_t i = 0; !no_file && i < c->project->n_services; i++)
		if (c->project->services[i].image &&
		    !strv_has(images, c->project->services[i].image))
			strv_add(&images, mem_strdup(c->project->services[i].image));
	return images;
}

/* The name of a pod that has a container of this image; the caller's, or NULL. */
static char *user_of(const struct cli *c, const char *image)
{
	struct pod_state **pods = NULL;
	char *user = NULL;
	size_t n = 0;

	err_ignore(pod_state_list(c->host, &pods, &n)); /* what cannot be read uses no image */
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; !user && k < pods[i]->n_services; k++)
			if (strcmp(pods[i]->services[k].image, image) == 0)
				user = mem_strdup(pods[i]->name);
		pod_state_free(pods[i]);
	}
	free(pods);
	return user;
}

static struct err *remove_images(const struct cli *c, char *const *images)
{
	auto_image_store struct image_store *store = NULL;
	struct err *errors = NULL;

	TRY(image_store_open(c->host->root, &store));
	for (; images && *images; images++) {
		auto_free char *user = user_of(c, *images);

		if (user) {
			log_warn("image %s stays: pod %s uses it", *images, user);
			continue;
		}
		struct err *e = image_remove(store, *images);

		if (!e)
			cli_say(c, " Image %s  Removed", *images);
		if (err_code(e) == ENOENT) /* as with docker compose, that is none */
			err_free(steal(&e));
		errors = err_join(errors, e);
	}
	return errors;
}

/* Unless those that are named are all that there are: then the pod goes. */
static struct err *remove_some(struct cli *c, const char *name, const struct down_values *v,
			       char **operands, bool *ret_done)
{
	auto_pod_state struct pod_state *s = NULL;
	auto_strv char **images = NULL;
	bool all = true;

	if (!*operands)
		return NULL;
	TRY(cli_aim(c, operands, SIZE_MAX));
	auto_err struct err *none = pod_state_read(c->host, name, &s);

	for (size_t i = 0; !none && i < s->n_services; i++)
		all &= strv_has(operands, s->services[i].service);
	if (none || all)
		return NULL;
	*ret_done = true;
	TRY(cli_remove_services(c, s, operands, v->timeout, v->volumes));
	for (size_t i = 0; i < s->n_services && str_eq(v->images, "all"); i++)
		if (strv_has(operands, s->services[i].service) &&
		    !strv_has(images, s->services[i].image))
			strv_add(&images, mem_strdup(s->services[i].image));
	return images ? remove_images(c, images) : NULL;
}

struct err *cmd_down(struct cli *c, const void *values, char **operands, int *ret_code)
{
	const struct down_values *v = values;
	const char *name = NULL;

	(void)ret_code;
	if (v->images && !str_one_of(v->images, (const char *const[]) { "all", "local", NULL }))
		return err_new(EINVAL, "--rmi: '%s' is not all or local", v->images);
	TRY(cli_name(c, &name));
	TRY(cli_host(c));
	bool done = false;

	TRY(remove_some(c, name, v, operands, &done));
	if (done)
		return NULL;
	auto_strv char **images = str_eq(v->images, "all") ? images_of(c, name) : NULL;

	pod_record_remove(c->host, name);
	TRY(cli_remove_oneoffs(c, name, true, v->timeout));
	struct err *e = pod_down(c->host, name, v->timeout);

	if (err_code(e) == ENOENT) { /* nothing to do is no failure, as with docker compose */
		log_warn("%s", err_text(e));
		err_free(e);
		e = NULL;
	} else if (!e) {
		cli_say(c, " Pod %s  Removed", name);
	}
	e = err_join(e, v->volumes ? remove_volumes(c, name) : NULL);
	return err_join(e, !e && images ? remove_images(c, images) : NULL);
}

/* ---- stop, start, restart, kill ---- */

struct stop_values {
	int64_t timeout;
	bool no_deps; /* of restart */
};
const struct opt stop_options[] = {
	{ 't', "timeout", OPT_SECONDS, "SECONDS", offsetof(struct stop_values, timeout),
	  "wait so long, then SIGKILL" },
	{ 0 },
};

const struct opt restart_options[] = {
	{ 't', "timeout", OPT_SECONDS, "SECONDS", offsetof(struct stop_values, timeout),
	  "wait so long, then SIGKILL" },
	{ 0, "no-deps", OPT_FLAG, NULL, offsetof(struct stop_values, no_deps),
	  "not those that are to be restarted with them" },
	{ 0 },
};

static struct err *start_pod(struct cli *c, const char *pod, char **services);

static bool is_service(const struct cli *c, const char *name)
{
	return c->project && compose_find(c->project, name);
}

static struct err *ask_pod(struct cli *c, const char *pod, const char *what, char **services,
			   const char *argument)
{
	auto_pod_state struct pod_state *s = NULL;
	auto_err struct err *none = pod_state_read(c->host, pod, &s);
	bool stop = strcmp(what, "stop") == 0, single = !none && s->n_services == 1;
	/* with its only service the pod ends: that is waited for, too */
	struct err *e = pod_ask(c->host, pod, what, stop && single ? NULL : services, argument);

	if (err_code(e) == ENOENT && !none && str_starts(what, "restart") &&
	    !pod_supervised(c->host, pod)) {
		err_free(e); /* nothing of it runs: that is started */
		return start_pod(c, pod, services);
	}
	/* where nothing runs there is nothing to stop, kill or freeze; but a name must be one */
	if (err_code(e) != ENOENT || pod_supervised(c->host, pod) ||
	    (*services && !none && !pod_state_find(s, *services)) ||
	    (*services && none && !is_service(c, *services)))
		return e;
	log_warn("%s", err_text(e));
	err_free(e);
	return NULL;
}

/* Those of the project are asked for together, so that their order is kept; others one by one. */
static struct err *ask(struct cli *c, const char *what, char **operands, const char *argument)
{
	auto_strv char **own = NULL;
	const char *name = NULL;
	struct err *errors = NULL;

	TRY(cli_host(c));
	for (char **o = operands; *o; o++) {
		auto_free char *pod = NULL, *service = NULL;

		TRY(cli_find(c, *o, &pod, &service));
		auto_err struct err *none = cli_name(c, &name);
		char *one[] = { service, NULL };

		if (!none && strcmp(name, pod) == 0)
			strv_add(&own, steal(&service));
		else
			errors = err_join(errors, ask_pod(c, pod, what, one, argument));
	}
	if (*operands && !own)
		return errors;
	char *all[] = { NULL };

	TRY(cli_name(c, &name));
	return err_join(errors, ask_pod(c, name, what, own ? own : all, argument));
}

static char *milliseconds(const struct stop_values *v)
{
	return v->timeout >= 0 ? mem_printf("%lld", (long long)v->timeout) : NULL;
}

struct err *cmd_stop(struct cli *c, const void *values, char **operands, int *ret_code)
{
	auto_free char *timeout = milliseconds(values);

	(void)ret_code;
	return ask(c, "stop", operands, timeout);
}

struct err *cmd_restart(struct cli *c, const void *values, char **operands, int *ret_code)
{
	auto_free char *timeout = milliseconds(values);

	(void)ret_code;
	return ask(c, ((const struct stop_values *)values)->no_deps ? "restart-alone" : "restart",
		   operands, timeout);
}

/* Those that are there, where they are fewer than the project at hand has; else none, which means all. */
static char **services_there(const struct cli *c, const struct pod_state *s)
{
	char **names = NULL;
	bool all = true;

	for (size_t i = 0; i < s->n_services; i++)
		if (!strv_has(names, s->services[i].service))
			strv_add(&names, mem_strdup(s->services[i].service));
	for (size_t i = 0; i < c->project->n_services; i++)
		all &= strv_has(names, c->project->services[i].name);
	if (!all)
		return names;
	strv_free(names);
	return NULL;
}

/* As docker does it: containers are started as they were made, whatever the files say by now. */
static struct err *start_kept_project(struct cli *c, const struct pod_state *s, const char *text,
				      char **services)
{
	static char *profiles[] = { (char *)(uintptr_t) "*", NULL };
	static char *no_env[] = { (char *)(uintptr_t) "/dev/null", NULL };
	static char *none[] = { NULL };
	auto_strv char **scale = cli_scale_of(s), **there = NULL, **files = NULL;
	const struct cli before = *c;

	TRY(json_get_strv(s->json, "files", &files));
	c->files = files;
	c->leave.text = text;
	c->name = s->name;
	c->project_dir = s->dir;
	c->profiles = profiles;
	c->env_files = no_env;
	c->project = NULL;
	struct err *e = *services ? NULL : cli_project(c, NULL, false);

	if (c->project)
		there = services_there(c, s);
	compose_free(c->project);
	c->project = before.project;
	if (!e)
		e = cli_up_detached(c,
				    *services ? services
				    : there   ? there
					      : none,
				    scale, "missing", false);

	c->files = before.files;
	c->leave.text = before.leave.text;
	c->name = before.name;
	c->project_dir = before.project_dir;
	c->profiles = before.profiles;
	c->env_files = before.env_files;
	return e;
}

/* What runs is asked to; a pod that has ended, or was only created, is started as it was. */
static struct err *start_pod(struct cli *c, const char *pod, char **services)
{
	auto_pod_state struct pod_state *s = NULL;

	TRY(pod_state_read(c->host, pod, &s));
	if (cli_is_running(c->host, pod))
		return pod_ask(c->host, pod, "start", services, NULL);
	if (json_at(s->json, "kind"))
		return cli_start_kept(c, pod);
	auto_free char *text = NULL;
	struct err *e = pod_kept(c->host, pod, &text);

	if (err_code(e) != ENOENT)
		return e ? e : start_kept_project(c, s, text, services);
	err_free(e);
	auto_strv char **scale = cli_scale_of(s);

	return cli_up_detached(c, services, scale, NULL, false);
}

struct err *cmd_start(struct cli *c, const void *values, char **operands, int *ret_code)
{
	auto_strv char **own = NULL;
	const char *name = NULL;
	char *all[] = { NULL };

	(void)values;
	(void)ret_code;
	TRY(cli_host(c));
	for (char **o = operands; *o; o++) {
		auto_free char *pod = NULL, *service = NULL;

		TRY(cli_find(c, *o, &pod, &service));
		auto_err struct err *none = cli_name(c, &name);
		char *one[] = { service, NULL };

		if (!none && strcmp(name, pod) == 0)
			strv_add(&own, steal(&service));
		else
			TRY(start_pod(c, pod, one));
	}
	if (*operands && !own)
		return NULL;
	TRY(cli_name(c, &name));
	return start_pod(c, name, own ? own : all);
}

struct kill_values {
	const char *signal;
};
const struct opt kill_options[] = {
	{ 's', "signal", OPT_TEXT, "SIGNAL", offsetof(struct kill_values, signal),
	  "SIGTERM, TERM or 15" },
	{ 0 },
};

struct err *cmd_kill(struct cli *c, const void *values, char **operands, int *ret_code)
{
	(void)ret_code;
	return ask(c, "kill", operands, ((const struct kill_values *)values)->signal);
}

struct err *cmd_pause(struct cli *c, const void *values, char **operands, int *ret_code)
{
	(void)values;
	(void)ret_code;
	return ask(c, "pause", operands, NULL);
}

struct err *cmd_unpause(struct cli *c, const void *values, char **operands, int *ret_code)
{
	(void)values;
	(void)ret_code;
	return ask(c, "unpause", operands, NULL);
}
