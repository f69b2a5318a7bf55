/* SPDX-License-Identifier: Apache-2.0 */
/* mesos/launch_pull.c - the images of a launch: which are wanted, and pulling them, several times where that helps. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "mesos/launch.h"

/* ---- pulling ---- */

/* The images that must be asked for: by policy, or because they are not here. @always: those by policy. */
static struct err *wanted_images(const struct launch *l, bool always, char ***ret)
{
	auto_image_store struct image_store *store = NULL;
	json_t *services = json_at(l->model, "services"), *service;
	const char *name;

	TRY(image_store_open(l->s->host->root, &store));
	json_object_foreach(services, name, service)
	{
		const char *image = wire_text(service, "image"),
			   *policy = wire_text(service, "pull_policy");
		bool by_policy = l->source.pull || strcmp(policy, "always") == 0;
		auto_image struct image *found = NULL;

		if (!*image || strv_has(*ret, image) || strcmp(policy, "never") == 0 ||
		    by_policy != always)
			continue;
		auto_err struct err *e =
			by_policy ? NULL
				  : image_find(store, image,
					       *wire_text(service, "platform")
						       ? wire_text(service, "platform")
						       : NULL,
					       &found);

		if (by_policy || e)
			strv_add(ret, mem_strdup(image));
	}
	return NULL;
}

static void on_retry(void *arg)
{
	struct launch *l = arg;

	watch_free(l->on_retry);
	l->on_retry = NULL;
	launch_pull(l);
}

/* What the registry has decided: asking again gets the same answer. */
static bool is_final(int code)
{
	static const int codes[] = { ENOENT, EACCES, EPERM, EBADMSG, EINVAL, ENOTSUP };

	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (code == codes[i])
			return true;
	return false;
}

static void on_pulled(void *arg)
{
	struct launch *l = arg;

	watch_free(l->on_pull);
	l->on_pull = NULL;
	struct err *e = image_pull_finish(steal(&l->fetch));

	if (!e) {
		l->source.pull = false; /* that was asked for and is done */
		launch_pulled(l);
		return;
	}
	l->tries++;
	if (l->tries >= l->set.pull_tries || is_final(err_code(e))) {
		launch_fail(l, "REASON_CONTAINER_LAUNCH_FAILED", err_wrap(e, "pull"));
		return;
	}
	log_warn("pull, try %lld of %lld: %s", (long long)l->tries, (long long)l->set.pull_tries,
		 err_text(e));
	err_free(e);
	l->on_retry =
		loop_timer(l->s->loop, (uint64_t)(l->tries * l->set.retry_interval), on_retry, l);
}

static struct err *start_pull(struct launch *l)
{
	auto_image_store struct image_store *store = NULL;
	auto_strv char **always = NULL, **missing = NULL;

	TRY(wanted_images(l, true, &always));
	TRY(wanted_images(l, false, &missing));
	bool ask = always != NULL;

	/* one program for both: asking once more for what was missing costs a request */
	for (char **m = missing; m && *m; m++)
		if (!strv_has(always, *m))
			strv_add(&always, mem_strdup(*m));
	if (!always || l->set.skip_pull)
		return NULL;
	const struct image_pull pull = { .references = always,
					 .progress = IMAGE_PROGRESS_PLAIN,
					 .always = ask };

	TRY(image_store_open(l->s->host->root, &store));
	TRY(image_pull_start(store, &pull, &l->fetch));
	l->on_pull = loop_readable(l->s->loop, image_pull_fd(l->fetch), on_pulled, l);
	return NULL;
}

void launch_pull(struct launch *l)
{
	struct err *e;

	l->stage = STAGE_PULL;
	e = start_pull(l);
	if (e)
		launch_fail(l, "REASON_CONTAINER_LAUNCH_FAILED", err_wrap(e, "pull"));
	else if (!l->fetch)
		launch_pulled(l);
}
