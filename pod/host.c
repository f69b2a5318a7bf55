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

static struct err *open_host(struct pod_host *h)
{
	h->root = mem_strdup(pod_config_get(h->config, POD_SETTING_ROOT));
	h->run = mem_strdup(pod_config_get(h->config, POD_SETTING_RUN));
	h->cgroup_parent = mem_strdup(pod_config_get(h->config, POD_SETTING_CGROUP_PARENT));
	h->at_home =
		str_eq(pod_config_source(h->config, POD_SETTING_CGROUP_PARENT), POD_HOME_SOURCE);
	auto_free char *pods = mem_printf("%s/pods", h->run);

	TRY(fd_mkdirs(AT_FDCWD, h->root, 0711));
	return fd_mkdirs(AT_FDCWD, pods, 0700);
}

struct err *pod_host_open_with(const struct pod_config *config, struct pod_host **ret)
{
	auto_pod_host struct pod_host *h = mem_alloc(sizeof(*h));

	h->config = config;
	if (!config) {
		TRY(pod_config_load(&h->own));
		h->config = h->own;
	}
	TRY(open_host(h));
	*ret = steal(&h);
	return NULL;
}

struct err *pod_settle(const struct pod_host *h)
{
	auto_cgroupfs_host struct cgroupfs_host *cgroups = NULL;

	if (!h->at_home)
		return NULL;
	TRY(cgroupfs_open(&cgroups));
	return cgroupfs_step_aside(cgroups, POD_HOME);
}

void pod_host_in_task(struct pod_host *h, const char *id)
{
	auto_cgroupfs_host struct cgroupfs_host *cgroups = NULL;
	auto_err struct err *none = cgroupfs_open_task(0, id, "", &cgroups);

	free(h->cgroup_task);
	h->cgroup_task = none ? NULL : mem_strdup(id);
}

struct err *pod_host_open(struct pod_host **ret)
{
	return pod_host_open_with(NULL, ret);
}

void pod_host_free(struct pod_host *h)
{
	if (!h)
		return;
	free(h->root);
	free(h->run);
	free(h->cgroup_parent);
	free(h->cgroup_task);
	pod_config_free(h->own);
	free(h);
}

void pod_host_cleanup(struct pod_host **h)
{
	pod_host_free(*h);
}
