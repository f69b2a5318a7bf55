/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod/adopt.c - a container that comes back is the one that it was: its id, its log and what it has written.
 *
 * Whoever stops a pod and starts it again, or has 'up' do it, finds what its
 * containers have written below their roots, as with docker; unless their
 * configuration or their image is another by now, or new ones are asked for. Of
 * those nothing is taken over. Nor is anything after a reboot: the overlays are
 * volatile, and nobody knows what of them the disk has.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

enum { BOOT_ID_MAX = 64 };

char *adopt_boot(void)
{
	char *id = NULL;

	/* without one nothing is taken over */
	err_ignore(fd_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", BOOT_ID_MAX, &id));
	if (id)
		id[strcspn(id, "\n")] = '\0';
	return id;
}

static bool is_same(const struct container *c, const struct pod_service_state *old)
{
	const char *hash = json_string_value(json_at(old->json, "config_hash"));

	return str_eq(hash, c->plan->hash) && strlen(old->id) == sizeof(c->id) - 1 &&
	       !strv_has(c->pod->options->anew, c->plan->service->name);
}

static void take_over(struct container *c, const char *id, const char *created)
{
	memcpy(c->id, id, sizeof(c->id));
	if (created) {
		free(c->created);
		c->created = mem_strdup(created);
	}
	c->adopted = true;
}

void adopt_running(struct container *c, struct container *old)
{
	take_over(c, old->id, old->created);
	old->succeeded = true;
}

void adopt_past(struct pod *p)
{
	auto_free char *path = state_path(p->host, p->plan->name, "state.json");
	auto_pod_state struct pod_state *s = NULL;

	if (access(path, F_OK) == 0) {
		p->boot = adopt_boot();
		err_ignore(pod_state_read(p->host, p->plan->name, &s));
	}
	const char *boot = s ? json_string_value(json_at(s->json, "boot")) : NULL;

	if (!boot || !str_eq(boot, p->boot)) {
		steps_forget_rootfs(p);
		return;
	}
	p->has_past = true;
	for (size_t i = 0; i < p->plan->n_containers; i++) {
		struct container *c = p->containers[i];
		const struct pod_service_state *old = pod_state_find(s, c->plan->key);

		if (old && is_same(c, old))
			take_over(c, old->id, json_string_value(json_at(old->json, "created")));
	}
}

/* "KEY.ID": of the same service, and not this one. */
static bool is_predecessor(const char *folder, const struct container *c)
{
	const char *dot = strrchr(folder, '.');
	size_t len = dot ? (size_t)(dot - folder) : 0;

	return dot && len == strlen(c->plan->key) && strncmp(folder, c->plan->key, len) == 0 &&
	       strncmp(dot + 1, c->id, strlen(dot + 1)) != 0;
}

void adopt_nothing(struct container *c)
{
	const struct pod *p = c->pod;

	if (!p->has_past || c->adopted)
		return;
	auto_free char *path = state_data(p->host, p->plan->name, "rootfs");
	auto_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_strv char **folders = NULL;

	if (dir >= 0)
		err_ignore(fd_list(dir, &folders));
	for (char **f = folders; f && *f; f++) {
		auto_free char *tree = mem_printf("%s/%s", path, *f);

		if (is_predecessor(*f, c))
			err_ignore(trash_put(p->host, tree, p->plan->name));
	}
	container_forget_logs(c);
}

void adopt_give_back(const struct pod *p)
{
	for (size_t i = 0; i < p->plan->n_containers; i++) {
		struct container *c = p->containers[i];

		if (c->adopted || !c->spec)
			continue;
		container_forget_files(c);
		log_free(steal(&c->log));
		container_forget_logs(c);
	}
}
