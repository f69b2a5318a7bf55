/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod/remove.c - one service out of a pod: its files, its logs and its place in the pod's state.
 *
 * In a pod that runs the container stays where plan and steps count on it, but is
 * told to nobody any more; 'up' puts a new one in its place.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

static void warn(struct err *take_e)
{
	if (take_e)
		log_warn("%s", err_text(take_e));
	err_free(take_e);
}

/* ---- in the supervisor ---- */

static struct err *forget_rootfs(const struct pod_host *h, const char *name, const char *key,
				 const char *id)
{
	auto_free char *from = state_rootfs(h, name, key, id);

	return trash_put(h, from, name);
}

void container_forget_files(const struct container *c)
{
	warn(forget_rootfs(c->pod->host, c->pod->plan->name, c->plan->key, c->id));
}

void container_forget_volumes(const struct container *c)
{
	for (size_t i = 0; i < c->plan->n_mounts; i++) {
		const struct plan_mount *m = &c->plan->mounts[i];

		if (m->type == COMPOSE_VOLUME && strv_has(m->labels, IMAGE_VOLUME_ANONYMOUS))
			warn(image_volume_remove(c->pod->host->root, m->source));
	}
}

/* The file, and those that were rotated: KEY.log, KEY.log.1 and so on. */
static struct err *forget_logs(const struct pod_host *h, const char *name, const char *key)
{
	auto_free char *path = state_data(h, name, "logs");
	auto_free char *first = mem_printf("%s.log", key), *next = mem_printf("%s.log.", key);
	auto_strv char **files = NULL;
	auto_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return NULL;
	TRY(fd_list(dir, &files));
	for (char **f = files; f && *f; f++)
		if (strcmp(*f, first) == 0 || str_starts(*f, next))
			(void)unlinkat(dir, *f, 0);
	return NULL;
}

void container_forget_logs(const struct container *c)
{
	warn(forget_logs(c->pod->host, c->pod->plan->name, c->plan->key));
}

void container_remove(struct container *c)
{
	struct pod *p = c->pod;

	if (c->removed)
		return;
	pod_event(p, c, "destroy", "Removed");
	c->removed = true;
	c->again = 0;
	for (size_t i = 0; i < p->plan->n_containers; i++)
		if (p->containers[i] == c)
			steps_give_up(p, i);
	c->state = CONTAINER_PLANNED;
	err_ignore(cgroupfs_destroy(steal(&c->group), CGROUP_WAIT));
	log_free(steal(&c->log));
	container_forget_files(c);
	if (c->renewed)
		container_forget_volumes(c);
	container_forget_logs(c);
}

/* ---- of a pod that has ended ---- */

/* By name, which resolve_mounts.c makes of project, service and number. */
static struct err *forget_volumes_of(const struct pod_host *h, const char *name, const char *key)
{
	auto_free char *service = mem_strdup(key);
	struct image_volume *volumes = NULL;
	struct err *errors = NULL;
	size_t n = 0;

	for (char *at = service; *at; at++)
		*at = *at == '@' ? '-' : *at;
	auto_free char *prefix = mem_printf("%s_%s_anon-", name, service);

	TRY(image_volume_list(h->root, &volumes, &n));
	for (size_t i = 0; i < n; i++) {
		if (str_starts(volumes[i].name, prefix) &&
		    strv_has(volumes[i].labels, IMAGE_VOLUME_ANONYMOUS))
			errors = err_join(errors, image_volume_remove(h->root, volumes[i].name));
		image_volume_clear(&volumes[i]);
	}
	free(volumes);
	return errors;
}

static bool is_one_of(const json_t *service, char *const *keys)
{
	const char *key = json_string_value(json_at(service, "key"));
	const char *name = json_string_value(json_at(service, "service"));

	return (key && strv_has(keys, key)) || (name && strv_has(keys, name));
}

static struct err *edit_state(const struct pod_host *h, const char *name, char *const *keys,
			      bool volumes)
{
	auto_free char *path = state_path(h, name, "state.json");
	auto_json json_t *j = NULL;
	struct err *errors = NULL;

	TRY(json_read_file(AT_FDCWD, path, STATE_MAX, &j));
	json_t *services = json_object_get(j, "services");

	for (size_t i = json_array_size(services); i-- > 0;) {
		const json_t *one = json_array_get(services, i);

		if (!is_one_of(one, keys))
			continue;
		const char *key = json_string_value(json_at(one, "key"));
		const char *id = json_string_value(json_at(one, "id"));

		if (key && volumes)
			errors = err_join(errors, forget_volumes_of(h, name, key));
		if (key) {
			errors = err_join(errors, forget_logs(h, name, key));
			errors = err_join(errors, forget_rootfs(h, name, key, id ? id : ""));
		}
		(void)json_array_remove(services, i);
	}
	auto_free char *text = json_text(j, 0);

	return err_join(errors, fd_replace_file(AT_FDCWD, path, text, 0600));
}

/* Who only looks has the lock for a moment. */
static struct err *lock_ended(const struct pod_host *h, const char *name, int *ret)
{
	auto_free char *lock = state_path(h, name, "lock");

	for (int tries = 0; tries < LOCK_WAIT / LOCK_POLL; tries++) {
		struct err *e = fd_lock(AT_FDCWD, lock, LOCK_EX | LOCK_NB, ret);

		if (err_code(e) != EWOULDBLOCK)
			return e;
		err_free(e);
		if (pod_supervised(h, name))
			break;
		usleep(LOCK_POLL * 1000);
	}
	return err_new(EBUSY, "pod %s is just starting", name);
}

struct err *pod_remove_services(const struct pod_host *h, const char *name, char *const *keys,
				int64_t timeout, bool volumes)
{
	auto_free char *ms = timeout >= 0 ? mem_printf("%lld", (long long)timeout) : NULL;
	auto_fd int held = -1;
	struct err *e = pod_ask(h, name, volumes ? "remove-volumes" : "remove", keys, ms);

	if (err_code(e) != ENOENT && err_code(e) != EPIPE)
		return e;
	err_free(e); /* it does not run, or has just ended */
	TRY(state_check_name(name));
	TRY(lock_ended(h, name, &held));
	e = edit_state(h, name, keys, volumes);
	pod_tidy_trash_aside(h); /* what was large is not to stay */
	return e;
}
