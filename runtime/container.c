/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/container.c - having containers made: their first processes, and further ones. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "runtime/birth.h"
#include "runtime/internal.h"

enum { MESSAGE_MAX = 8192, CAP_RESOURCE = 24 /* CAP_SYS_RESOURCE */ };

static const struct {
	const char *name;
	int resource;
} rlimits[] = {
	{ "as", RLIMIT_AS },
	{ "core", RLIMIT_CORE },
	{ "cpu", RLIMIT_CPU },
	{ "data", RLIMIT_DATA },
	{ "fsize", RLIMIT_FSIZE },
	{ "locks", RLIMIT_LOCKS },
	{ "memlock", RLIMIT_MEMLOCK },
	{ "msgqueue", RLIMIT_MSGQUEUE },
	{ "nice", RLIMIT_NICE },
	{ "nofile", RLIMIT_NOFILE },
	{ "nproc", RLIMIT_NPROC },
	{ "rss", RLIMIT_RSS },
	{ "rtprio", RLIMIT_RTPRIO },
	{ "rttime", RLIMIT_RTTIME },
	{ "sigpending", RLIMIT_SIGPENDING },
	{ "stack", RLIMIT_STACK },
};

struct err *runtime_rlimit_parse(const char *name, int *ret)
{
	const char *bare = strncasecmp(name, "RLIMIT_", 7) == 0 ? name + 7 : name;

	for (size_t i = 0; i < ARRAY_LEN(rlimits); i++)
		if (strcasecmp(bare, rlimits[i].name) == 0) {
			*ret = rlimits[i].resource;
			return NULL;
		}
	return err_new(EINVAL, "'%s' is not a resource limit", name);
}

static const char *rlimit_name(int resource)
{
	size_t i = 0;

	while (i + 1 < ARRAY_LEN(rlimits) && rlimits[i].resource != resource)
		i++;
	return rlimits[i].name;
}

/* What the child would not be allowed to do is left out, with a warning: a host that gives less still serves. */
struct allowed {
	uint64_t have;	      /* capabilities that could be passed on */
	enum log_level level; /* of what is told about it */
	struct runtime_process p;
	struct runtime_rlimit limits[ARRAY_LEN(rlimits)];
};

static void clamp_rlimits(const struct runtime_process *p, struct allowed *a)
{
	bool may_raise = a->have >> CAP_RESOURCE & 1;

	a->p.rlimits = a->limits;
	a->p.n_rlimits = p->n_rlimits < ARRAY_LEN(a->limits) ? p->n_rlimits : ARRAY_LEN(a->limits);
	for (size_t i = 0; i < a->p.n_rlimits; i++) {
		struct runtime_rlimit *l = &a->limits[i];
		struct rlimit now = { RLIM_INFINITY, RLIM_INFINITY };

		*l = p->rlimits[i];
		(void)getrlimit((__rlimit_resource_t)l->resource, &now);
		if (may_raise || l->limit.rlim_max <= now.rlim_max)
			continue;
		log_write(a->level,
			  "resource limit %s: %llu is more than this host allows; it is %llu",
			  rlimit_name(l->resource), (unsigned long long)l->limit.rlim_max,
			  (unsigned long long)now.rlim_max);
		l->limit.rlim_max = now.rlim_max;
		if (l->limit.rlim_cur > now.rlim_max)
			l->limit.rlim_cur = now.rlim_max;
	}
}

static void clamp_caps(const struct runtime_process *p, struct allowed *a)
{
	struct runtime_caps *c = &a->p.caps;
	uint64_t have = a->have, missing = p->caps.bounding & ~have;

	if (missing)
		log_write(a->level, "this host cannot give capabilities %#llx",
			  (unsigned long long)missing);
	c->bounding &= have;
	c->permitted &= have;
	c->effective &= have;
	c->inheritable &= have;
	c->ambient &= have;
}

static struct err *clamp_oom_score(struct allowed *a)
{
	auto_free char *text = NULL;

	if (!a->p.set_oom_score_adj || a->have >> CAP_RESOURCE & 1)
		return NULL;
	TRY(fd_read_file(AT_FDCWD, "/proc/self/oom_score_adj", 16, &text));
	int now = (int)strtol(text, NULL, 10);

	if (a->p.oom_score_adj < now) {
		log_write(a->level, "oom_score_adj: %d is less than this host allows; it is %d",
			  a->p.oom_score_adj, now);
		a->p.oom_score_adj = now;
	}
	return NULL;
}

static struct err *clamp(const struct runtime_process *p, uint64_t have, enum log_level level,
			 struct allowed *ret)
{
	ret->have = have;
	ret->level = level;
	ret->p = *p;
	clamp_rlimits(p, ret);
	clamp_caps(p, ret);
	return clamp_oom_score(ret);
}

/* ---- a batch of births ---- */

struct batch {
	struct births births;
	struct allowed *allowed; /* one for each */
};

static void batch_alloc(struct batch *b, size_t n)
{
	*b = (struct batch) { .births.items = mem_alloc(n * sizeof(struct birth)),
			      .allowed = mem_alloc(n * sizeof(struct allowed)) };
}

static void batch_clear(struct batch *b)
{
	for (size_t i = 0; i < b->births.n; i++)
		free((void *)(uintptr_t)b->births.items[i].views);
	free(b->births.items);
	free(b->allowed);
}

static void set_group(struct birth *b, const struct cgroupfs *group)
{
	const char *views[CGROUPFS_DIRS_MAX];
	size_t n = group ? cgroupfs_views(group, views) : 0;
	const char **list = mem_alloc((n + 1) * sizeof(char *));

	memcpy(list, views, n * sizeof(char *));
	b->views = (char *const *)(uintptr_t)list;
	b->group = group ? cgroupfs_clone_fd(group) : -1;
	b->n_attach = group ? (int)cgroupfs_attach_dirs(group, b->attach) : 0;
}

/* The next of @all; it counts when there is no error. */
static struct err *add(struct batch *all, const struct runtime_process *p,
		       const struct cgroupfs *group, uint64_t have, enum log_level level)
{
	struct birth *b = &all->births.items[all->births.n];
	struct allowed *a = &all->allowed[all->births.n];

	TRY(clamp(p, have, level, a));
	b->spec.process = a->p;
	b->gate = b->container = -1;
	b->limits_files = proc_files_before(&b->files);
	set_group(b, group);
	all->births.n++;
	return NULL;
}

static struct err *add_container(struct batch *all, const struct runtime_order *o, uint64_t have)
{
	struct birth *b = &all->births.items[all->births.n];

	for (char *const *p = o->spec->sysctls; p && *p; p++)
		TRY(sysctl_check(*p));
	b->spec = *o->spec;
	TRY(add(all, &o->spec->process, o->where.group, have, LOG_LEVEL_WARN));
	b->gate = o->where.gate;
	b->flags = (uint64_t)(o->spec->namespaces & ~CLONE_NEWCGROUP);
	return NULL;
}

/* The pid as this process sees it: of a nested child, clone3 told the pod's number. */
static struct err *pid_of(int pidfd, pid_t *ret)
{
	auto_free char *path = mem_printf("/proc/self/fdinfo/%d", pidfd);
	auto_free char *text = NULL;

	TRY(fd_read_file(AT_FDCWD, path, 4096, &text));
	const char *line = strstr(text, "Pid:");

	*ret = line ? (pid_t)strtol(line + 4, NULL, 10) : -1;
	return *ret > 0 ? NULL : err_new(ESRCH, "the container's process is gone");
}

/* Nobody will know of it: it is not left to run, nor as a zombie. */
static void discard(int pidfd)
{
	struct proc_exit status;

	err_ignore(proc_kill(pidfd, SIGKILL));
	err_ignore(proc_wait(pidfd, &status));
}

/* Who keeps it may have reaped it already; then it has no number any more. */
static struct err *take_one(struct runtime_maker *m, struct runtime_container *ret)
{
	auto_fd int pidfd = -1, socket = -1;
	pid_t pid = -1;
	struct err *e = maker_hear(m, &pidfd, &socket);

	if (!e && !m->keeps)
		e = pid_of(pidfd, &pid);
	if (e && pidfd >= 0 && !m->keeps)
		discard(pidfd);
	TRY(e);
	*ret = (struct runtime_container) { .pid = pid,
					    .pidfd = fd_steal(&pidfd),
					    .socket = fd_steal(&socket) };
	return NULL;
}

void runtime_create_all(struct runtime_order *orders, size_t n)
{
	struct batch all;
	struct runtime_maker *maker = n ? orders->where.maker : NULL;
	auto_free size_t *order_of = mem_alloc(n * sizeof(size_t));
	uint64_t have = runtime_caps_all();

	batch_alloc(&all, n);
	for (size_t i = 0; i < n; i++) {
		orders[i].error = add_container(&all, &orders[i], have);
		if (!orders[i].error)
			order_of[all.births.n - 1] = i;
	}
	auto_err struct err *e = NULL;

	if (all.births.n && !maker)
		e = runtime_maker_start(&orders->where, false, &maker);
	if (all.births.n && !e)
		e = maker_order(maker, &all.births);
	for (size_t i = 0; i < all.births.n; i++) {
		struct runtime_order *o = &orders[order_of[i]];

		o->error =
			e ? err_new(err_code(e), "%s", err_text(e)) : take_one(maker, o->container);
	}
	runtime_maker_free(maker);
	batch_clear(&all);
}

struct err *runtime_create(const struct runtime_spec *s, const struct runtime_place *where,
			   struct runtime_container *ret)
{
	struct runtime_order o = { .spec = s, .where = *where, .container = ret };

	runtime_create_all(&o, 1);
	return o.error;
}

/* ---- one more process ---- */

/* Runs what is in @all, where the process is to be kept with a report of its end. */
static struct err *exec_batch(struct batch *all, struct runtime_maker *m, int *ret_report,
			      struct runtime_container *ret)
{
	all->births.kept = m->keeps;
	TRY(maker_order(m, &all->births));
	TRY(take_one(m, ret));
	if (m->keeps)
		*ret_report = fd_steal(&m->socket);
	return NULL;
}

static struct err *exec_in(int pidfd, const struct runtime_process *p, const struct cgroupfs *group,
			   struct runtime_maker *m, struct runtime_container *ret, int *ret_report)
{
	struct batch all;
	auto_fd int null = -1;

	TRY(fd_openat(AT_FDCWD, "/dev/null", O_RDWR | O_NOCTTY, &null));
	batch_alloc(&all, 1);
	/* what is not allowed was told when the container was made */
	struct err *e = add(&all, p, group, runtime_caps_all(), LOG_LEVEL_DEBUG);

	if (!e) {
		struct birth *b = all.births.items;

		b->container = pidfd;
		for (int i = 0; i < 3; i++)
			if (b->spec.process.stdio[i] < 0)
				b->spec.process.stdio[i] = null;
		e = exec_batch(&all, m, ret_report, ret);
	}
	batch_clear(&all);
	return e;
}

struct err *runtime_exec(int pidfd, const struct runtime_process *p, const struct cgroupfs *group,
			 struct runtime_container *ret)
{
	struct runtime_maker *m = NULL;

	TRY(runtime_maker_start(NULL, false, &m));
	struct err *e = exec_in(pidfd, p, group, m, ret, NULL);

	runtime_maker_free(m);
	return e;
}

struct err *runtime_exec_kept(int pidfd, const struct runtime_process *p,
			      const struct cgroupfs *group, struct runtime_maker *take_maker,
			      struct runtime_container *ret, int *ret_report)
{
	struct err *e = exec_in(pidfd, p, group, take_maker, ret, ret_report);

	runtime_maker_free(take_maker);
	return e;
}

void runtime_kept_end(int report, bool *ret_done, struct proc_exit *ret)
{
	struct proc_exit how = { .signaled = true, .code = SIGKILL }; /* who kept it was killed */
	ssize_t n = recv(report, &how, sizeof(how), MSG_DONTWAIT);

	*ret_done = n >= 0 || errno != EAGAIN;
	*ret = how;
}

/* ---- talking to the child ---- */

struct err *runtime_view(const struct runtime_spec *s, int *ret)
{
	auto_fd int root = -1;

	if (unshare(CLONE_NEWNS) < 0)
		return err_errno("unshare the mount namespace");
	TRY(rootfs_make(s, NULL, &root));
	*ret = fd_steal(&root);
	return NULL;
}

struct err *runtime_go(const struct runtime_container *c)
{
	struct err *e = fd_send(c->socket, "G", 1, -1);

	if (err_code(e) != EPIPE && err_code(e) != ECONNRESET)
		return e;
	err_free(e); /* it has failed before it came to the gate: runtime_event() tells why */
	return NULL;
}

struct err *runtime_event(struct runtime_container *c, enum runtime_news *ret, int *ret_tty)
{
	char message[MESSAGE_MAX];
	int fd = -1;
	ssize_t n = fd_recv(c->socket, message, sizeof(message) - 1, &fd);

	if (n == 1 && (*message == 'R' || *message == 'M')) {
		*ret = *message == 'M' ? RUNTIME_MADE : RUNTIME_READY;
		if (ret_tty)
			*ret_tty = fd;
		else
			fd_cleanup(&fd);
		return NULL;
	}
	fd_cleanup(&fd);
	if (n < 0 && errno != ECONNRESET)
		return err_errno("hear from the container");
	if (n <= 0) { /* closed by exec - or by a death on the way, which its exit tells */
		*ret = RUNTIME_RUNNING;
		return NULL;
	}
	message[n] = '\0';
	return err_parse(message);
}

void runtime_container_clear(struct runtime_container *c)
{
	fd_close(&c->pidfd);
	fd_close(&c->socket);
	c->pid = 0;
}
