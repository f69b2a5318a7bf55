/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod/view.c - the root of a service's container, as the host's processes can use it.
 *
 * Of one that runs it is its own. One that has ended has left an upper directory: it
 * is mounted once more, with its volumes and binds, where only this process sees it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

static struct err *open_running(const struct pod_service_state *v, int *ret)
{
	auto_fd int pidfd = -1;

	TRY(exec_open_init(v, &pidfd));
	auto_free char *path = mem_printf("/proc/%lld/root", (long long)v->pid);

	TRY(fd_openat(AT_FDCWD, path, O_PATH | O_DIRECTORY, ret));
	/* it lives: so the number had not changed hands when the root was opened */
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	return poll(&end, 1, 0) == 0 ? NULL
				     : err_new(ESRCH, "service %s is not running", v->service);
}

/* The texts stay the state's. What is no longer there on the host is left out. */
static size_t find_places(const struct pod_service_state *v, struct runtime_mount **ret)
{
	const json_t *places = json_at(v->json, "places");
	size_t n = 0;

	*ret = mem_alloc((json_array_size(places) + 1) * sizeof(**ret));
	for (size_t i = 0; i < json_array_size(places); i++) {
		const json_t *one = json_array_get(places, i);
		const char *source = json_string_value(json_at(one, "source"));
		const char *target = json_string_value(json_at(one, "target"));
		bool read_only = json_is_true(json_at(one, "read_only"));

		if (!source || !target || access(source, F_OK) < 0)
			continue;
		(*ret)[n++] = (struct runtime_mount) {
			.kind = RUNTIME_MOUNT_BIND,
			.source = source,
			.target = target,
			.subpath = json_string_value(json_at(one, "subpath")),
			.recursive = true,
			.attributes = MOUNT_ATTR_NODEV | (read_only ? MOUNT_ATTR_RDONLY : 0),
		};
	}
	return n;
}

static struct err *open_ended(const struct pod_host *h, const struct pod_state *state,
			      const struct pod_service_state *v, int *ret_root)
{
	auto_free char *boot = adopt_boot(), *dir = state_rootfs(h, state->name, v->key, v->id);
	auto_free char *upper = mem_printf("%s/upper", dir), *work = mem_printf("%s/work", dir);
	auto_free struct runtime_mount *places = NULL;
	auto_strv char **layers = NULL, **lowers = NULL;
	int claim = -1; /* until this process ends, as the mounts are there so long */

	if (access(work, F_OK) < 0 ||
	    !str_eq(boot, json_string_value(json_at(state->json, "boot"))))
		return err_new(ESRCH, "service %s does not run, and has no files of its own",
			       v->service);
	TRY(err_wrap(spec_claim(dir, &claim), "service %s", v->service));
	TRY(spec_allow_again(work));
	TRY(json_get_strv(v->json, "layers", &layers));
	TRY(spec_lowers(h, layers, &lowers));
	struct runtime_spec spec = { .lowers = lowers, .upper = upper, .work = work };

	spec.n_mounts = find_places(v, &places);
	spec.mounts = places;
	return err_wrap(runtime_view(&spec, ret_root), "service %s", v->service);
}

struct err *view_open(const struct pod_host *h, const struct pod_state *state, const char *service,
		      int *ret_root)
{
	const struct pod_service_state *v = pod_state_find(state, service);

	if (!v)
		return pod_no_service(service);
	if (state->alive && (strcmp(v->state, "running") == 0 || strcmp(v->state, "paused") == 0))
		return open_running(v, ret_root);
	return open_ended(h, state, v, ret_root);
}
