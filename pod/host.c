/* SPDX-License-Identifier: Apache-2.0 */
/* pod/host.c - where things are on this host. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

static char *setting(const char *name, const char *fallback)
{
	const char *value = getenv(name);

	return mem_strdup(value && *value ? value : fallback);
}

struct err *pod_host_open(struct pod_host **ret)
{
	auto_pod_host struct pod_host *h = mem_alloc(sizeof(*h));

	h->run_dir = -1;
	h->root = setting("SLIPWAY_ROOT", "/var/lib/slipway");
	h->run = setting("SLIPWAY_RUN", "/run/slipway");
	h->cgroup_parent = setting("SLIPWAY_CGROUP_PARENT", "slipway");
	h->journal = setting("SLIPWAY_JOURNAL", "/run/systemd/journal/socket");
	if (*h->root != '/' || *h->run != '/')
		return err_new(EINVAL, "SLIPWAY_ROOT and SLIPWAY_RUN must be absolute paths");
	if (strstr(h->cgroup_parent, ".."))
		return err_new(EINVAL, "SLIPWAY_CGROUP_PARENT '%s' must not contain ..",
			       h->cgroup_parent);
	auto_free char *pods = mem_printf("%s/pods", h->run);

	TRY(fd_mkdirs(AT_FDCWD, h->root, 0711));
	TRY(fd_mkdirs(AT_FDCWD, pods, 0700));
	TRY(fd_openat(AT_FDCWD, h->run, O_RDONLY | O_DIRECTORY, &h->run_dir));
	*ret = steal(&h);
	return NULL;
}

void pod_host_in_task(struct pod_host *h, const char *id)
{
	auto_cgroupfs_host struct cgroupfs_host *cgroups = NULL;
	auto_err struct err *none = cgroupfs_open_task(0, id, "", &cgroups);

	free(h->cgroup_task);
	h->cgroup_task = none ? NULL : mem_strdup(id);
}

void pod_host_free(struct pod_host *h)
{
	if (!h)
		return;
	free(h->root);
	free(h->run);
	free(h->cgroup_parent);
	free(h->cgroup_task);
	free(h->journal);
	fd_cleanup(&h->run_dir);
	free(h);
}

void pod_host_cleanup(struct pod_host **h)
{
	pod_host_free(*h);
}
