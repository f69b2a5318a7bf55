/* SPDX-License-Identifier: Apache-2.0 */
/* pod/usage.c - what the processes of a service use, and which they are, by its control group. */
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "pod/internal.h"

struct err *pod_usage(const struct pod_service_state *s, struct pod_usage *ret)
{
	auto_cgroupfs_host struct cgroupfs_host *host = NULL;
	struct cgroupfs *group = NULL;
	struct cgroupfs_stats stats = { 0 };

	TRY(state_cgroups(s, &host));
	TRY(cgroupfs_find(host, s->cgroup, &group));
	struct err *e = cgroupfs_read_stats(group, &stats);

	cgroupfs_free(group);
	TRY(e);
	if (stats.pids == 0) { /* v1 counts only where a limit asked for it */
		auto_free pid_t *pids = NULL;
		size_t n = 0;

		TRY(pod_processes(s, &pids, &n));
		stats.pids = n;
	}
	*ret = (struct pod_usage) {
		.memory = stats.memory,
		.memory_limit = (uint64_t)json_integer_value(json_at(s->json, "memory_limit")),
		.cpu_us = stats.cpu_us,
		.pids = stats.pids,
	};
	return NULL;
}

struct err *pod_processes(const struct pod_service_state *s, pid_t **ret, size_t *ret_n)
{
	auto_cgroupfs_host struct cgroupfs_host *host = NULL;

	TRY(state_cgroups(s, &host));
	return cgroupfs_processes(host, s->cgroup, ret, ret_n);
}
