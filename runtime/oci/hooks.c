/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/oci/hooks.c - the hooks of a configuration, and when they are run. */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/oci/oci.h"

enum { TIMEOUT_MAX = 86400 /* seconds */ };

static const char *const stages[HOOK_STAGES] = {
	[HOOK_PRESTART] = "prestart",
	[HOOK_CREATE_RUNTIME] = "createRuntime",
	[HOOK_CREATE_CONTAINER] = "createContainer",
	[HOOK_START_CONTAINER] = "startContainer",
	[HOOK_POSTSTART] = "poststart",
	[HOOK_POSTSTOP] = "poststop",
};

/* Its lists are never NULL: who has no environment inherits none. */
static struct err *read_one(const json_t *j, struct runtime_hook *h)
{
	char **argv = NULL, **env = NULL;
	int64_t timeout = 0;

	TRY(json_get_str(j, "path", &h->path));
	if (!h->path || *h->path != '/')
		return err_new(EINVAL, "path must be an absolute path");
	struct err *e = json_get_strv(j, "args", &argv);

	if (!e && !strv_len(argv))
		strv_add(&argv, mem_strdup(h->path));
	h->argv = argv;
	if (!e)
		e = json_get_strv(j, "env", &env);
	h->env = env ? env : mem_alloc(sizeof(*env));
	TRY(e);
	TRY(json_get_int(j, "timeout", &timeout));
	if (json_at(j, "timeout") && (timeout < 1 || timeout > TIMEOUT_MAX))
		return err_new(EINVAL, "timeout must be from 1 to %d seconds", TIMEOUT_MAX);
	h->timeout = (int)timeout;
	return NULL;
}

static struct err *read_stage(const json_t *hooks, struct runtime_hooks *h)
{
	json_t *list = NULL;

	TRY(err_wrap(json_get_list(hooks, h->stage, &list), "hooks"));
	struct runtime_hook *items = mem_alloc((json_array_size(list) + 1) * sizeof(*items));

	h->items = items;
	h->n = json_array_size(list);
	for (size_t i = 0; i < h->n; i++)
		TRY(err_wrap(read_one(json_array_get(list, i), &items[i]), "hooks.%s[%zu]",
			     h->stage, i));
	return NULL;
}

struct err *hook_set_read(const json_t *hooks, struct hook_set *ret)
{
	*ret = (struct hook_set) { 0 };
	if (hooks && !json_is_object(hooks) && !json_is_null(hooks))
		return err_new(EINVAL, "hooks: must be an object");
	for (size_t i = 0; i < HOOK_STAGES; i++) {
		ret->of[i].stage = stages[i];
		TRY(read_stage(hooks, &ret->of[i]));
	}
	return NULL;
}

void hook_set_clear(struct hook_set *h)
{
	for (size_t i = 0; i < HOOK_STAGES; i++) {
		for (size_t k = 0; k < h->of[i].n; k++) {
			strv_free((char **)(uintptr_t)h->of[i].items[k].argv);
			strv_free((char **)(uintptr_t)h->of[i].items[k].env);
		}
		free((void *)(uintptr_t)h->of[i].items);
	}
	*h = (struct hook_set) { 0 };
}

static char *state_text(const struct state *s)
{
	auto_json json_t *j = state_json(s);

	json_object_del(j, "status"); /* of that moment: runtime_hooks_run() adds them */
	json_object_del(j, "pid");
	return json_text(j, 0);
}

char *state_hooks_text(const struct state *s)
{
	return json_object_size(s->hooks) ? state_text(s) : NULL;
}

struct err *state_hooks_run(const struct state *s, enum hook_stage stage, const char *status,
			    pid_t pid)
{
	auto_free char *text = state_text(s);
	struct hook_set set;
	struct err *e = hook_set_read(s->hooks, &set);

	if (!e)
		e = runtime_hooks_run(&set.of[stage], text, status, pid);
	hook_set_clear(&set);
	return e;
}

void state_hooks_poststop(const struct state *s)
{
	auto_err struct err *e = state_hooks_run(s, HOOK_POSTSTOP, "stopped", 0);

	if (e)
		log_warn("container %s: %s", s->id, err_text(e));
}
