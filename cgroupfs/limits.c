/* SPDX-License-Identifier: Apache-2.0 */
/* cgroupfs/limits.c - limits as rows: which controller, which file in v1 and v2, and in which words. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "cgroupfs/internal.h"

enum { PERIOD_DEFAULT = 100000, WEIGHT_MAX = 10000, SHARES_MIN = 2, SHARES_MAX = 262144 };

typedef char *format_fn(const struct cgroupfs_limits *l, int64_t value, bool v2);

static char *plain(const struct cgroupfs_limits *l, int64_t value, bool v2)
{
	(void)l;
	return value < 0 ? mem_strdup(v2 ? "max" : "-1") : mem_printf("%" PRId64, value);
}

static char *or_max(const struct cgroupfs_limits *l, int64_t value, bool v2)
{
	(void)l;
	(void)v2;
	return value < 0 ? mem_strdup("max") : mem_printf("%" PRId64, value);
}

/* log2 of 1 and more, one bit after the other: linking libm for it would cost every start 50 us. */
static double binary_log(double x)
{
	double log = 0;

	for (; x >= 2; x /= 2)
		log++;
	for (double bit = 0.5; bit > 0x1p-48; bit /= 2) {
		x *= x;
		if (x < 2)
			continue;
		x /= 2;
		log += bit;
	}
	return log;
}

int64_t limits_weight(int64_t shares)
{
	double l = binary_log((double)(shares < SHARES_MIN   ? SHARES_MIN
				       : shares > SHARES_MAX ? SHARES_MAX
							     : shares));
	/* 2 -> 1, 1024 -> 100, 262144 -> 10000: the quadratic that runc and crun use today, of log10 */
	double wanted = ((l * l + 125 * l) / 612.0 - 7.0 / 34.0) * binary_log(10);
	int64_t low = 1, high = WEIGHT_MAX;

	while (low < high) { /* the first weight that is no less */
		int64_t middle = (low + high) / 2;

		if (binary_log((double)middle) + 1e-12 < wanted)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static char *shares(const struct cgroupfs_limits *l, int64_t value, bool v2)
{
	return plain(l, v2 ? limits_weight(value) : value, v2);
}

static char *quota(const struct cgroupfs_limits *l, int64_t value, bool v2)
{
	int64_t period = l->cpu_period > 0 ? l->cpu_period : PERIOD_DEFAULT;

	if (!v2)
		return plain(l, value, v2);
	return value < 0 ? mem_printf("max %" PRId64, period)
			 : mem_printf("%" PRId64 " %" PRId64, value, period);
}

/* v2 counts swap alone, v1 memory and swap together. */
static char *swap(const struct cgroupfs_limits *l, int64_t value, bool v2)
{
	if (!v2 || value < 0)
		return plain(l, value, v2);
	return mem_printf("%" PRId64, value > l->memory_max ? value - l->memory_max : 0);
}

static const struct {
	const char *controller, *v1_file, *v2_file;
	size_t offset;
	format_fn *format;
	bool optional; /* a kernel may be built without the file */
} knobs[] = {
#define L(f) offsetof(struct cgroupfs_limits, f)
	{ "memory", "memory.limit_in_bytes", "memory.max", L(memory_max), plain, false },
	{ "memory", "memory.soft_limit_in_bytes", "memory.low", L(memory_reservation), plain,
	  false },
	{ "memory", "memory.memsw.limit_in_bytes", "memory.swap.max", L(memory_swap), swap, true },
	{ "cpu", "cpu.shares", "cpu.weight", L(cpu_shares), shares, false },
	{ "cpu", "cpu.cfs_period_us", NULL, L(cpu_period), plain, false },
	{ "cpu", "cpu.cfs_quota_us", "cpu.max", L(cpu_quota), quota, false },
	{ "pids", "pids.max", "pids.max", L(pids_max), or_max, false },
#undef L
};

bool limits_want(const struct hierarchy *h, const struct cgroupfs_limits *limits)
{
	for (size_t i = 0; i < ARRAY_LEN(knobs); i++)
		if (*(const int64_t *)((const char *)limits + knobs[i].offset) &&
		    hierarchy_has(h, knobs[i].controller))
			return true;
	return limits->cpuset && hierarchy_has(h, "cpuset");
}

static struct err *write_one(const struct cgroupfs *g, size_t i,
			     const struct cgroupfs_limits *limits)
{
	int64_t value = *(const int64_t *)((const char *)limits + knobs[i].offset);
	const struct hierarchy *h = host_find(g->host, knobs[i].controller);

	if (!value)
		return NULL;
	if (!h) {
		log_warn("cgroup %s: this host has no %s controller: %s is not limited", g->path,
			 knobs[i].controller,
			 knobs[i].v2_file ? knobs[i].v2_file : knobs[i].v1_file);
		return NULL;
	}
	const char *file = h->v2 ? knobs[i].v2_file : knobs[i].v1_file;

	if (!file || (h->task && !*g->path)) /* of the task itself: the agent's to set */
		return NULL;
	if (g->dirs[h - g->host->h] < 0)
		return err_new(ENOTSUP, "%s: the group was made without a limit of %s", file,
			       knobs[i].controller);
	auto_free char *text = knobs[i].format(limits, value, h->v2);
	struct err *e = fd_write_knob(g->dirs[h - g->host->h], file, text);

	if (knobs[i].optional && err_code(e) == ENOENT) {
		log_warn("cgroup %s: this kernel has no %s: swap is not limited", g->path, file);
		err_free(e);
		return NULL;
	}
	return e;
}

/* A new v1 cpuset has neither processors nor memory nodes: nothing could run in it. */
static struct err *write_cpuset(const struct cgroupfs *g, const char *cpus)
{
	const struct hierarchy *h = host_find(g->host, "cpuset");

	if (!cpus)
		return NULL;
	if (!h) {
		log_warn("cgroup %s: this host has no cpuset controller: any processor is used",
			 g->path);
		return NULL;
	}
	if (h->task && !*g->path)
		return NULL;
	return fd_write_knob(g->dirs[h - g->host->h], "cpuset.cpus", cpus);
}

struct err *limits_write(const struct cgroupfs *g, const struct cgroupfs_limits *limits)
{
	if (limits->memory_swap > 0 && limits->memory_max <= 0)
		return err_new(EINVAL, "a limit of swap needs a limit of memory");
	if (limits->memory_swap > 0 && limits->memory_swap < limits->memory_max)
		return err_new(EINVAL,
			       "the limit of memory and swap (%" PRId64
			       ") is below that of memory (%" PRId64 ")",
			       limits->memory_swap, limits->memory_max);
	for (size_t i = 0; i < ARRAY_LEN(knobs); i++)
		TRY(write_one(g, i, limits));
	return write_cpuset(g, limits->cpuset);
}

/* v1 keeps the limit of memory below that of memory and swap: which of them goes first depends on what they were. */
struct err *cgroupfs_update(const struct cgroupfs *g, const struct cgroupfs_limits *limits)
{
	const struct cgroupfs_limits swap_only = { .memory_max = limits->memory_max,
						   .memory_swap = limits->memory_swap };
	struct err *e = limits_write(g, limits);

	if (err_code(e) != EINVAL || limits->memory_swap <= 0)
		return e;
	for (size_t i = 0; i < ARRAY_LEN(knobs); i++)
		if (knobs[i].offset == offsetof(struct cgroupfs_limits, memory_swap)) {
			auto_err struct err *first = write_one(g, i, &swap_only);

			if (first)
				return e;
		}
	err_free(e);
	return limits_write(g, limits);
}
