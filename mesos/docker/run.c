/* SPDX-License-Identifier: Apache-2.0 */
/* mesos/docker/run.c - run and pull. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "mesos/docker/docker.h"

struct pull_values {
	bool quiet, nothing;
	const char *platform;
};
#define V(f) offsetof(struct pull_values, f)
const struct opt pull_options[] = {
	{ 'q', "quiet", OPT_FLAG, NULL, V(quiet), "no progress" },
	{ 0, "platform", OPT_TEXT, "OS/ARCH", V(platform), "which of the image's platforms" },
	{ 0, "disable-content-trust", OPT_FLAG, NULL, V(nothing), "digests are always checked" },
	{ 0 },
};
#undef V

static struct err *pull(const struct image_store *store, const char *image, const char *platform,
			bool quiet, bool always)
{
	char *const references[] = { (char *)(uintptr_t)image, NULL };
	const struct image_pull p = { .references = references,
				      .platform = platform,
				      .progress =
					      quiet ? IMAGE_PROGRESS_QUIET : IMAGE_PROGRESS_PLAIN,
				      .always = always };

	return image_pull(store, &p);
}

struct err *docker_pull(struct docker *d, const void *values, char **operands, int *ret_code)
{
	const struct pull_values *v = values;
	auto_image_store struct image_store *store = NULL;

	(void)ret_code;
	if (!operands[0] || operands[1])
		return err_new(EINVAL, "one image is needed");
	TRY(image_store_open(d->host->root, &store));
	TRY(pull(store, operands[0], v->platform, v->quiet, true));
	puts(operands[0]);
	return NULL;
}

/* ---- run ---- */

static bool is_given(const struct compose_run *r, const char *option)
{
	for (char *const *g = r->given; g && *g; g++)
		if (str_starts(*g, option) && (*g)[strlen(option)] == '=')
			return true;
	return false;
}

/*
 * The agent looks for the groups of the first process in /proc/PID/cgroup and
 * writes limits there: it must be in groups of its own for both, also where
 * nothing is limited yet.
 */
static void want_groups(struct compose_run *r)
{
	if (!is_given(r, "cpu-shares"))
		strv_add(&r->given, mem_strdup("cpu-shares=1024"));
	if (!is_given(r, "memory"))
		strv_add(&r->given, mem_strdup("memory=-1"));
}

static struct err *check_values(const struct compose_run *r, char **operands)
{
	if (!operands[0])
		return err_new(EINVAL, "an image is needed");
	if (r->build || r->no_deps || r->no_tty)
		return err_new(ENOTSUP, "--build, --no-deps and --no-TTY are docker compose's");
	if (r->cidfile && !r->detach)
		return err_new(ENOTSUP, "--cidfile is offered with -d only");
	if (r->tty && r->interactive && !r->detach && !isatty(STDIN_FILENO))
		return err_new(ENOTTY, "-t: standard input is not a terminal");
	return NULL;
}

static struct err *have_image(const struct docker *d, const struct compose_run *r,
			      const struct compose_service *s, struct image **ret)
{
	auto_image_store struct image_store *store = NULL;
	bool always = str_eq(r->pull, "always"), never = str_eq(r->pull, "never");

	if (r->pull && !always && !never && strcmp(r->pull, "missing") != 0)
		return err_new(EINVAL, "--pull: '%s' is not always, missing or never", r->pull);
	TRY(image_store_open(d->host->root, &store));
	struct err *e = always ? NULL : image_find(store, s->image, s->platform, ret);

	if (!always && (!e || err_code(e) != ENOENT || never))
		return e;
	err_free(e);
	TRY(pull(store, s->image, s->platform, r->quiet, always));
	return image_find(store, s->image, s->platform, ret);
}

static struct err *load(const struct compose_run *r, const char *pod, char **operands,
			struct compose_project **ret)
{
	auto_free char *text = NULL, *cwd = getcwd(NULL, 0);

	TRY(compose_run_image(r, pod, operands[0], operands + 1, &text));
	return compose_run_load(text, pod, cwd ? cwd : "/", r->given, environ, ret);
}

static struct err *tell_id(const struct docker *d, const struct compose_run *r, const char *pod)
{
	auto_pod_state struct pod_state *s = NULL;

	TRY(pod_state_read(d->host, pod, &s));
	const char *id = json_string_value(json_at(s->services[0].json, "id"));

	if (r->cidfile) {
		auto_fd int fd = -1;

		TRY(fd_openat(AT_FDCWD, r->cidfile, O_WRONLY | O_CREAT | O_EXCL, &fd));
		TRY(fd_write_all(fd, id, strlen(id)));
	}
	puts(id);
	return NULL;
}

static struct err *run_project(const struct docker *d, const struct compose_run *r,
			       const struct compose_project *p, struct image *image, int *ret_code)
{
	auto_pod_plan struct pod_plan *plan = NULL;
	auto_strv char **warnings = NULL;
	struct pod_session_end end = { 0 };
	struct image *images[] = { image };
	struct err *e = pod_plan(p, images, d->host, &plan, &warnings);

	for (char **w = warnings; w && *w; w++)
		log_warn("%s", *w);
	TRY(e);
	TRY(pod_single(d->host, plan, images, r, d->inherited, &end));
	*ret_code = end.code;
	return r->detach && end.detached ? tell_id(d, r, p->name) : NULL;
}

static struct err *run(struct docker *d, struct compose_run *r, char **operands, int *ret_code)
{
	auto_free char *name = r->name ? mem_strdup(r->name) : pod_name_new("docker");
	auto_free char *pod = pod_name_of(name);
	struct compose_project *p = NULL;
	auto_image struct image *image = NULL;

	TRY(check_values(r, operands));
	TRY(pod_name_check(d->host, name));
	r->name = name;
	want_groups(r);
	TRY(load(r, pod, operands, &p));
	struct err *e = have_image(d, r, &p->services[0], &image);

	if (!e && r->publish_all) {
		for (char *const *port = image->exposed; port && *port; port++)
			strv_add(&r->given, mem_printf("publish=%s", *port));
		compose_free(steal(&p));
		e = load(r, pod, operands, &p);
	}
	if (!e)
		e = run_project(d, r, p, image, ret_code);
	compose_free(p);
	return e;
}

struct err *docker_run(struct docker *d, const void *values, char **operands, int *ret_code)
{
	struct compose_run r = *(const struct compose_run *)values;

	r.given = strv_dup(r.given); /* there will be more of them */
	struct err *e = run(d, &r, operands, ret_code);
	bool exec = e && strstr(err_text(e), "exec: ");

	strv_free(r.given);
	if (e)
		*ret_code = exec && err_code(e) == ENOENT   ? EXIT_NOT_FOUND
			    : exec && err_code(e) == EACCES ? EXIT_NOT_EXECUTABLE
							    : EXIT_ENGINE;
	return e;
}
