/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/run.c - run: one more container of a service, or a container of its own from an image.
 *
 * Both become a project of one service, and that a pod of its own. A service's
 * joins the network of the project's pod; what the service depends on is started
 * before.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

enum { EXIT_ENGINE = 125, TEXT_MAX = 64 << 20 };

/* "busybox" of "127.0.0.1:5000/busybox:1.36". */
static char *image_name(const char *image)
{
	const char *slash = strrchr(image, '/'), *base = slash ? slash + 1 : image;
	auto_free char *word = mem_strndup(base, strcspn(base, ":@"));

	return pod_name_new(word);
}

/* ---- the pod ---- */

/* The codes of docker run, why there is none of the program; of a service, docker compose's. */
static int code_of(const struct err *e, bool service)
{
	bool exec = strstr(err_text(e), "exec: ") != NULL;

	if (service)
		return EXIT_USAGE;
	return exec && err_code(e) == ENOENT   ? EXIT_NOT_FOUND
	       : exec && err_code(e) == EACCES ? EXIT_NOT_EXECUTABLE
					       : EXIT_ENGINE;
}

/* A container that is left running is known by its id. */
static struct err *tell_name(const struct cli *c, const struct compose_run *r)
{
	auto_pod_state struct pod_state *s = NULL;

	TRY(pod_state_read(c->host, c->project->name, &s));
	const char *id = s->services[0].id;

	if (r->cidfile) {
		auto_fd int fd = -1;

		TRY(fd_openat(AT_FDCWD, r->cidfile, O_WRONLY | O_CREAT | O_EXCL, &fd));
		TRY(fd_write_all(fd, id, strlen(id)));
	}
	if (r->detach)
		puts(id);
	return NULL;
}

/* Runs the project at hand, whose only service this is. */
static struct err *run_pod(struct cli *c, const struct compose_run *r, struct image **images,
			   int *ret_code)
{
	auto_pod_plan struct pod_plan *plan = NULL;
	auto_strv char **warnings = NULL;
	struct pod_session_end end = { 0 };
	struct err *e = pod_plan(c->project, images, c->host, &plan, &warnings);

	for (char **w = warnings; w && *w; w++)
		log_warn("%s", *w);
	TRY(e);
	TRY(pod_single(c->host, plan, images, r, c->inherited, &end));
	*ret_code = end.code;
	return r->detach && end.detached ? tell_name(c, r) : NULL;
}

/* The project at hand becomes the one of this text. */
static struct err *load_text(struct cli *c, const struct compose_run *r, const char *text,
			     const char *name, const char *dir)
{
	struct compose_project *p = NULL;

	TRY(compose_run_load(text, name, dir, r->given, environ, &p));
	compose_free(c->project);
	c->project = p;
	for (char **w = p->warnings; w && *w; w++)
		log_warn("%s", *w);
	return NULL;
}

/* ---- a container of its own ---- */

/* "container:NAME" is the pod it is in. */
static struct err *find_network(struct cli *c, struct compose_run *r, char **ret)
{
	auto_free char *pod = NULL, *service = NULL;
	const char *name = r->network;

	if (!name || !str_starts(name, "container:"))
		return NULL;
	TRY(pod_lookup(c->host, name + strlen("container:"), NULL, &pod, &service));
	*ret = mem_printf("pod:%s", pod);
	r->network = *ret;
	return NULL;
}

static void publish_exposed(struct compose_run *r, const struct image *image)
{
	for (char *const *port = image->exposed; port && *port; port++)
		strv_add(&r->given, mem_printf("publish=%s", *port));
}

static struct err *run_image(struct cli *c, struct compose_run *r, char **operands, int *ret_code)
{
	auto_free char *own = r->name ? mem_strdup(r->name) : image_name(operands[0]);
	auto_free char *pod = pod_name_of(own), *network = NULL, *text = NULL;
	auto_free char *cwd = getcwd(NULL, 0);
	struct image **images = NULL;

	TRY(cli_host(c));
	TRY(pod_name_check(c->host, own));
	TRY(find_network(c, r, &network));
	TRY(compose_run_image(r, pod, operands[0], operands + 1, &text));
	TRY(load_text(c, r, text, pod, cwd));
	TRY(cli_images(c, r->pull, r->quiet, &images));
	if (r->publish_all) {
		auto_free char *more = NULL;

		publish_exposed(r, images[0]);
		struct err *e = compose_run_image(r, pod, operands[0], operands + 1, &more);

		if (!e)
			e = load_text(c, r, more, pod, cwd);
		if (e) {
			cli_images_free(c, images);
			return e;
		}
	}
	struct err *e = run_pod(c, r, images, ret_code);

	cli_images_free(c, images);
	return e;
}

/* ---- one more container of a service ---- */

static struct err *start_dependencies(struct cli *c, const struct compose_service *s)
{
	auto_strv char **names = NULL;
	const struct compose_project *before = c->project;
	bool wait = false;

	for (size_t i = 0; i < s->depends_on.n; i++) {
		if (!compose_find(before, s->depends_on.items[i].service))
			continue;
		strv_add(&names, mem_strdup(s->depends_on.items[i].service));
		wait |= s->depends_on.items[i].condition != COMPOSE_STARTED;
	}
	return names ? cli_up_detached(c, names, NULL, NULL, wait) : NULL;
}

static struct err *check_dependency(const struct pod_service_state *v,
				    const struct compose_depend *d)
{
	bool good = d->condition == COMPOSE_HEALTHY ? strcmp(v->health, "healthy") == 0
						    : v->exit_code == 0;

	if (good || d->condition == COMPOSE_STARTED)
		return NULL;
	struct err *e = d->condition == COMPOSE_HEALTHY
				? compose_err(&d->place, "service %s is not healthy", d->service)
				: compose_err(&d->place,
					      "service %s did not complete successfully: exit %lld",
					      d->service, (long long)v->exit_code);

	if (d->required)
		return e;
	log_warn("%s; it is not required", err_text(e));
	err_free(e);
	return NULL;
}

/* In a pod that runs, what the service waits for may still be on its way. */
static struct err *await_dependency(struct cli *c, const char *pod, const struct compose_depend *d)
{
	char *services[] = { (char *)(uintptr_t)d->service, NULL };
	const char *what = d->condition == COMPOSE_HEALTHY ? "healthy" : "wait";
	auto_pod_state struct pod_state *s = NULL;

	TRY(pod_state_read(c->host, pod, &s));
	if (!pod_state_find(s, d->service)) {
		log_warn("service %s is not part of the pod that runs", d->service);
		return NULL;
	}
	if (s->alive && d->condition != COMPOSE_STARTED)
		err_ignore(pod_ask(c->host, pod, what, services, NULL)); /* its state tells */
	pod_state_free(steal(&s));
	TRY(pod_state_read(c->host, pod, &s));
	return check_dependency(pod_state_find(s, d->service), d);
}

/* In a pod that runs: what is not part of it becomes so, and what was stopped is started. */
static struct err *complete_pod(struct cli *c, const struct compose_service *s,
				const struct pod_state *pod)
{
	auto_strv char **stopped = NULL;
	bool whole = true;

	for (size_t i = 0; i < s->depends_on.n; i++) {
		const struct compose_depend *d = &s->depends_on.items[i];
		const struct pod_service_state *v = pod_state_find(pod, d->service);

		whole &= v || !compose_find(c->project, d->service);
		if (v && d->condition != COMPOSE_COMPLETED && strcmp(v->state, "exited") == 0)
			strv_add(&stopped, mem_strdup(d->service));
	}
	if (stopped)
		TRY(pod_ask(c->host, pod->name, "start", stopped, NULL));
	return whole ? NULL : start_dependencies(c, s);
}

/* The project's pod is there, with what @s depends on; *ret_joins: there is one to join. */
static struct err *prepare_pod(struct cli *c, const struct compose_service *s, bool *ret_joins)
{
	const char *pod = c->project->name;
	auto_pod_state struct pod_state *before = NULL, *after = NULL;
	auto_err struct err *none = pod_state_read(c->host, pod, &before);

	TRY(none || !before->alive ? start_dependencies(c, s) : complete_pod(c, s, before));
	for (size_t i = 0; i < s->depends_on.n; i++) {
		auto_pod_state struct pod_state *now = NULL;
		auto_err struct err *e = pod_state_read(c->host, pod, &now);

		if (!e)
			TRY(await_dependency(c, pod, &s->depends_on.items[i]));
	}
	auto_err struct err *e = pod_state_read(c->host, pod, &after);

	*ret_joins = !e && after->alive;
	return NULL;
}

static struct err *run_service(struct cli *c, struct compose_run *r, char **operands, int *ret_code)
{
	const struct compose_service *s = compose_find(c->project, operands[0]);
	auto_free char *before = mem_printf("%s-%s-run", c->project->name, s->name);
	auto_free char *pod = pod_name_new(before), *text = NULL, *network = NULL;
	auto_free char *dir = mem_strdup(c->project->dir);
	struct image **images = NULL;
	bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO), joins = false;

	r->interactive = !r->detach || r->interactive;
	r->tty = r->tty || (terminal && !r->no_tty && !r->detach);
	TRY(cli_host(c));
	if (r->name)
		TRY(pod_name_check(c->host, r->name));
	if (!r->no_deps)
		TRY(prepare_pod(c, s, &joins));
	if (joins && !r->network && (!s->network_mode || str_starts(s->network_mode, "service:"))) {
		network = mem_printf("pod:%s", c->project->name);
		r->network = network;
	}
	TRY(compose_run_service(r, c->project, s->name, pod, operands + 1, &text));
	TRY(load_text(c, r, text, pod, dir));
	TRY(cli_images(c, r->pull, r->quiet, &images));
	struct err *e = run_pod(c, r, images, ret_code);

	cli_images_free(c, images);
	return e;
}

/* ---- again ---- */

struct err *cli_start_kept(struct cli *c, const char *pod)
{
	const struct compose_run r = { .detach = true };
	struct compose_project *before = steal(&c->project);
	auto_free char *text = NULL;
	struct image **images = NULL;
	int code = 0;
	struct err *e = pod_kept(c->host, pod, &text);

	if (!e)
		e = load_text(c, &r, text, pod, "/");
	if (!e)
		e = cli_images(c, NULL, true, &images);
	if (!e)
		e = run_pod(c, &r, images, &code);
	if (images)
		cli_images_free(c, images);
	compose_free(c->project);
	c->project = before;
	return e;
}

/* ---- which of both ---- */

/* A service of the project at hand, also of a profile that is off; else it is an image. */
static struct err *find_service(struct cli *c, char *name, bool *ret)
{
	char *names[] = { name, NULL };
	auto_err struct err *e = cli_project(c, names, false);

	*ret = !e;
	if (!e)
		return NULL;
	auto_err struct err *whole = cli_project(c, NULL, false);

	if (!whole) { /* it has no such service */
		compose_free(steal(&c->project));
		return c->files ? steal(&e) : NULL;
	}
	return err_code(whole) == ENOENT && !c->files && !c->name ? NULL : steal(&whole);
}

static struct err *check_values(const struct compose_run *r, char **operands)
{
	if (!operands[0])
		return err_new(EINVAL, "a service or an image is needed");
	if (r->build)
		return err_new(EINVAL, "--build: slipway does not build images; push what another "
				       "tool has built, and name it with image");
	if (r->cidfile && !r->detach)
		return err_new(ENOTSUP, "--cidfile is offered with -d only");
	if (r->sig_proxy &&
	    !str_one_of(r->sig_proxy, (const char *const[]) { "true", "false", NULL }))
		return err_new(EINVAL, "--sig-proxy: '%s' is not true or false", r->sig_proxy);
	if (r->tty && r->interactive && !r->detach && !isatty(STDIN_FILENO))
		return err_new(ENOTTY, "-t: standard input is not a terminal");
	return NULL;
}

struct err *cmd_run(struct cli *c, const void *values, char **operands, int *ret_code)
{
	struct compose_run r = *(const struct compose_run *)values;
	bool service = false;
	struct err *e = check_values(&r, operands);

	r.given = strv_dup(r.given); /* there may be more of them */
	if (!e)
		e = find_service(c, operands[0], &service);
	if (!e)
		e = service ? run_service(c, &r, operands, ret_code)
			    : run_image(c, &r, operands, ret_code);
	strv_free(r.given);
	if (e)
		*ret_code = code_of(e, service);
	return e;
}
