/* SPDX-License-Identifier: Apache-2.0 */
/* cli/pull.c - the images of a project: which are missing, and pulling them. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

static const char *policy_of(const struct cli *c, const struct compose_service *s,
			     const char *from_option)
{
	return from_option	? from_option
	       : s->pull_policy ? s->pull_policy
				: pod_config_get(c->config, POD_SETTING_PULL);
}

static struct err *check_policy(const char *policy)
{
	static const char *const known[] = { "always", "missing", "if_not_present", "never", NULL };

	return str_one_of(policy, known)
		       ? NULL
		       : err_new(EINVAL,
				 "'%s' is not a pull policy; there are always, missing and never",
				 policy);
}

static bool is_same_image(const struct compose_service *a, const struct compose_service *b)
{
	return str_eq(a->image, b->image) && str_eq(a->platform, b->platform);
}

/* What must be asked for: always by policy, or because it is not here. */
static struct err *missing_images(const struct cli *c, const struct image_store *store,
				  const char *policy, bool always, char ***ret)
{
	const struct compose_service *found =
		NULL; /* the last: many services of one image are common */

	for (size_t i = 0; i < c->project->n_services; i++) {
		const struct compose_service *s = &c->project->services[i];
		const char *p = policy_of(c, s, policy);
		auto_image struct image *image = NULL;

		TRY(err_wrap(check_policy(p), "service %s", s->name));
		if (strv_has(*ret, s->image) || (strcmp(p, "always") == 0) != always)
			continue;
		if (!always && found && is_same_image(s, found))
			continue;
		if (!always) {
			auto_err struct err *e = image_find(store, s->image, s->platform, &image);

			if (!e) {
				found = s;
				continue;
			}
			if (err_code(e) != ENOENT || strcmp(p, "never") == 0)
				return err_wrap(steal(&e), "service %s", s->name);
		}
		strv_add(ret, mem_strdup(s->image));
	}
	return NULL;
}

static volatile sig_atomic_t fetch_pid, caught;

static void on_signal(int signal)
{
	caught = signal;
	if (fetch_pid > 0)
		(void)kill((pid_t)fetch_pid, signal);
}

/* ^C ends it; what is there by half is removed before we die of it, too. */
static struct err *pull(const struct image_store *store, const struct image_pull *p)
{
	static const int signals[] = { SIGINT, SIGTERM };
	const struct sigaction ours = { .sa_handler = on_signal };
	struct sigaction before[ARRAY_LEN(signals)];
	struct image_fetch *f = NULL;

	TRY(image_pull_start(store, p, &f));
	fetch_pid = image_pull_pid(f);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (sigaction(signals[i], NULL, &before[i]) == 0 && before[i].sa_handler == SIG_DFL)
			(void)sigaction(signals[i], &ours, NULL);
	struct err *e = image_pull_finish(f);

	fetch_pid = 0;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		(void)sigaction(signals[i], &before[i], NULL);
	if (!caught)
		return e;
	err_ignore(image_sweep(store));
	(void)raise(caught);
	return e;
}

static enum image_progress progress_of(const struct cli *c, bool quiet)
{
	const char *mode = pod_config_get(c->config, POD_SETTING_PROGRESS);

	return quiet || str_eq(mode, "quiet") ? IMAGE_PROGRESS_QUIET
	       : str_eq(mode, "tty")	      ? IMAGE_PROGRESS_TTY
	       : str_eq(mode, "plain")	      ? IMAGE_PROGRESS_PLAIN
					      : IMAGE_PROGRESS_AUTO;
}

/* Together, but for services that name a platform of their own; @apart: each by itself, after a failure too. */
static struct err *pull_these(const struct cli *c, const struct image_store *store,
			      char *const *references, const struct image_pull *how, bool apart)
{
	auto_strv char **rest = NULL, **done = NULL;
	struct err *errors = NULL;

	for (size_t i = 0; i < c->project->n_services && (apart || !errors); i++) {
		const struct compose_service *s = &c->project->services[i];
		char *const one[] = { (char *)(uintptr_t)s->image, NULL };
		struct image_pull p = *how;

		p.references = one;
		p.platform = s->platform;
		if (!strv_has(references, s->image) || strv_has(done, s->image))
			continue;
		if (!s->platform)
			strv_add(apart ? &done : &rest, mem_strdup(s->image));
		if (s->platform || apart)
			errors = err_join(errors, pull(store, &p));
	}
	struct image_pull all = *how;

	all.references = rest;
	return errors || !rest ? errors : pull(store, &all);
}

static struct err *pull_missing(const struct cli *c, const struct image_store *store,
				const char *policy, bool quiet, bool apart)
{
	struct err *errors = NULL;

	for (int always = 0; always < 2 && (apart || !errors); always++) {
		const struct image_pull how = { .progress = progress_of(c, quiet),
						.always = always };
		auto_strv char **references = NULL;

		errors = err_join(errors, missing_images(c, store, policy, always, &references));
		if (apart || !errors)
			errors = err_join(errors, pull_these(c, store, references, &how, apart));
	}
	return errors;
}

struct err *cli_pull_each(struct cli *c, const char *policy, bool quiet)
{
	auto_image_store struct image_store *store = NULL;

	TRY(cli_host(c));
	TRY(image_store_open(c->host->root, &store));
	return pull_missing(c, store, policy, quiet, true);
}

/* Of the service at @index; several of the same image share it. */
static struct err *find_image(const struct compose_project *p, const struct image_store *store,
			      size_t index, struct image **images)
{
	const struct compose_service *s = &p->services[index];

	for (size_t i = 0; i < index; i++)
		if (is_same_image(s, &p->services[i])) {
			images[index] = image_share(images[i]);
			return NULL;
		}
	return err_wrap(image_find(store, s->image, s->platform, &images[index]), "service %s",
			s->name);
}

struct err *cli_images(struct cli *c, const char *policy, bool quiet, struct image ***ret)
{
	auto_image_store struct image_store *store = NULL;
	const struct compose_project *p = c->project;

	TRY(cli_host(c));
	TRY(image_store_open(c->host->root, &store));
	TRY(pull_missing(c, store, policy, quiet, false));
	struct image **images = mem_alloc((p->n_services + 1) * sizeof(struct image *));
	struct err *e = NULL;

	for (size_t i = 0; i < p->n_services && !e; i++)
		e = find_image(p, store, i, images);
	if (e) {
		cli_images_free(c, images);
		return e;
	}
	*ret = images;
	return NULL;
}

void cli_images_free(const struct cli *c, struct image **images)
{
	for (size_t i = 0; images && i < c->project->n_services; i++)
		image_free(images[i]);
	free(images);
}
