/* SPDX-License-Identifier: Apache-2.0 */
/* pod/usage.c - what the processes of a service use, and which they are, by its control group. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

enum { DEV_MAX = 1 << 20 };

static uint64_t host_memory(void)
{
	struct sysinfo info;

	return sysinfo(&info) == 0 ? (uint64_t)info.totalram * info.mem_unit : 0;
}

/* /proc/PID/net/dev, proc(5): two lines of headings, then "NAME: " and sixteen numbers. */
static void count_network(const struct pod_service_state *s, struct pod_usage *ret)
{
	const char *mode = json_string_value(json_at(s->json, "network_mode"));
	auto_free char *path = mem_printf("/proc/%lld/net/dev", (long long)s->pid), *text = NULL;

	if (s->pid <= 0 || (mode && strcmp(mode, "host") == 0))
		return;
	auto_err struct err *gone = fd_read_file(AT_FDCWD, path, DEV_MAX, &text);
	auto_strv char **lines = gone ? NULL : str_split(text, "\n");

	for (char **l = lines; l && *l; l++) {
		unsigned long long received, sent;
		char name[17];

		if (sscanf(*l, " %16[^: ]: %llu %*u %*u %*u %*u %*u %*u %*u %llu", name, &received,
			   &sent) != 3 ||
		    strcmp(name, "lo") == 0)
			continue;
		ret->received += received;
		ret->sent += sent;
	}
}

struct err *pod_usage(const struct pod_service_state *s, struct pod_usage *ret)
{
	auto_cgroupfs_host struct cgroupfs_host *host = NULL;
	struct cgroupfs *group = NULL;
	struct cgroupfs_stats stats = { 0 };

	TRY(state_cgroups(s, &host));
	TRY(cgroupfs_find(host, s->cgroup, &group));
	struct err *e = cgroupfs_read_stats(group, &stats);

	cgroupfs_read_details(group, &stats);
	cgroupfs_free(group);
	TRY(e);
	if (stats.pids == 0) { /* v1 counts only where a limit asked for it */
		auto_free pid_t *pids = NULL;
		size_t n = 0;

		TRY(pod_processes(s, &pids, &n));
		stats.pids = n;
	}
	*ret = (struct pod_usage) {
		.memory = stats.memory - (stats.idle_files < stats.memory ? stats.idle_files : 0),
		.memory_limit = (uint64_t)json_integer_value(json_at(s->json, "memory_limit")),
		.cpu_us = stats.cpu_us,
		.pids = stats.pids,
		.read = stats.read,
		.written = stats.written,
	};
	if (!ret->memory_limit)
		ret->memory_limit = host_memory();
	count_network(s, ret);
	return NULL;
}

struct err *pod_processes(const struct pod_service_state *s, pid_t **ret, size_t *ret_n)
{
	auto_cgroupfs_host struct cgroupfs_host *host = NULL;

	TRY(state_cgroups(s, &host));
	return cgroupfs_processes(host, s->cgroup, ret, ret_n);
}
