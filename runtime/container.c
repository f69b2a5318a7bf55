/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/container.c - cloning: a container's first process, and further ones. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "runtime/internal.h"

enum { STACK = 256 << 10, MESSAGE_MAX = 8192, CAP_RESOURCE = 24 /* CAP_SYS_RESOURCE */ };

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

/* ---- cloning ---- */

struct birth {
	struct clone_args args;
	struct allowed allowed;
	struct runtime_spec spec; /* with what is allowed */
	const struct runtime_place *where;
	bool exec; /* of allowed.p, instead of spec */
	int pidfd_to_join;
	const struct cgroupfs *exec_group;
	int sockets[2];
	int pidfd;
	const char *failed; /* what could not be done, errno in error */
	int error;
};

/* Cloned one after the other by the same process. */
struct batch {
	struct birth *births;
	size_t n;
	sigset_t handled; /* or ignored by us; asked once, it is 62 calls */
};

static bool is_stdio_of(const struct birth *b, int fd)
{
	for (int i = 0; i < 3; i++)
		if (b->allowed.p.stdio[i] == fd)
			return true;
	return false;
}

/* The pipes of those that are born beside it are not to be held open by who waits at its gate. */
static void close_siblings(const struct batch *all, const struct birth *b)
{
	for (size_t i = 0; i < all->n; i++) {
		const int *fds = all->births[i].allowed.p.stdio;

		for (int k = 0; k < 3; k++)
			if (fds[k] > STDERR_FILENO && !is_stdio_of(b, fds[k]))
				close(fds[k]);
	}
}

static sigset_t handled_signals(void)
{
	struct sigaction now;
	sigset_t set;

	sigemptyset(&set);
	for (int i = 1; i < NSIG; i++)
		if (sigaction(i, NULL, &now) == 0 && now.sa_handler != SIG_DFL)
			sigaddset(&set, i);
	return set;
}

static _Noreturn void child(const struct batch *all, const struct birth *b)
{
	close(b->sockets[0]);
	if (b->exec)
		init_exec(&b->allowed.p, b->pidfd_to_join, b->sockets[1], &all->handled);
	close_siblings(all, b);
	init_run(&b->spec, b->where, b->sockets[1], &all->handled);
}

static void give_up(struct birth *b, const char *what)
{
	b->error = errno;
	b->failed = what;
}

/* The sockets are made just before: who was cloned earlier does not hold them. */
static void clone_one(const struct batch *all, struct birth *b)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, b->sockets) < 0) {
		give_up(b, "socketpair");
		return;
	}
	pid_t pid = proc_clone(&b->args);

	if (pid == 0)
		child(all, b);
	if (pid < 0)
		give_up(b, "clone a container");
	close(b->sockets[1]);
}

/* The v1 groups first: seen from inside they are out of reach, and a child is born in ours. */
static void join_container(struct birth *b)
{
	static const int all =
		CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET;

	if (b->exec_group) {
		auto_err struct err *e = cgroupfs_attach(b->exec_group, 0);

		errno = err_code(e);
		if (e)
			give_up(b, "enter the container's control groups");
	}
	if (!b->failed && setns(b->pidfd_to_join, all) < 0)
		give_up(b, "enter the container");
}

/*
 * Runs between the caller, which is stopped meanwhile and whose memory this is,
 * and the containers: a process in the pod's PID namespace can clone one nested
 * in it, which its caller cannot (clone(2), EINVAL after setns). CLONE_PARENT
 * makes the container the caller's child.
 */
static int between(void *arg)
{
	struct batch *all = arg;

	for (size_t i = 0; i < all->n; i++) {
		struct birth *b = &all->births[i];

		if (b->exec)
			join_container(b);
		if (!b->failed)
			clone_one(all, b);
	}
	return 0;
}

/* With CLONE_VM and CLONE_FILES the descriptors of the grandchildren are ours at once. */
static struct err *clone_between(struct batch *all)
{
	void *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	int status = 0;

	if (stack == MAP_FAILED)
		return err_errno("stack for clone");
	for (size_t i = 0; i < all->n; i++) {
		all->births[i].args.flags |= CLONE_PARENT;
		all->births[i].args.exit_signal = 0; /* of the one between (clone3(2)) */
	}
	int pid = clone(between, (char *)stack + STACK,
			CLONE_VM | CLONE_FILES | CLONE_VFORK | SIGCHLD, all);
	struct err *e = pid < 0 ? err_errno("clone") : NULL;

	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	munmap(stack, STACK);
	return e;
}

static struct err *nested(struct batch *all)
{
	const struct runtime_place *where = all->births->where;

	if (setns(where->pidns, CLONE_NEWPID) < 0)
		return err_errno("enter the pod's PID namespace");
	struct err *e = clone_between(all);

	if (setns(where->own_pidns, CLONE_NEWPID) < 0)
		abort(); /* every later child would land in the pod */
	return e;
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

static void prepare(struct birth *b, const struct cgroupfs *group)
{
	int cgroup = group ? cgroupfs_clone_fd(group) : -1;

	b->pidfd = b->sockets[0] = b->sockets[1] = -1;
	b->args.pidfd = (uintptr_t)&b->pidfd;
	b->args.flags |= CLONE_PIDFD;
	b->args.exit_signal = SIGCHLD;
	if (cgroup >= 0) {
		b->args.flags |= CLONE_INTO_CGROUP;
		b->args.cgroup = (uint64_t)cgroup;
	}
}

static struct err *prepare_container(struct birth *b, const struct runtime_order *o, uint64_t have)
{
	b->where = &o->where;
	b->spec = *o->spec;
	prepare(b, o->where.group);
	TRY(clamp(&o->spec->process, have, LOG_LEVEL_WARN, &b->allowed));
	b->spec.process = b->allowed.p;
	for (char *const *p = o->spec->sysctls; p && *p; p++)
		TRY(sysctl_check(*p));
	b->args.flags |= (uint64_t)(o->spec->namespaces & ~CLONE_NEWCGROUP);
	return NULL;
}

/* Nobody will know of it: it is not left to run, nor as a zombie. */
static void discard(struct birth *b)
{
	struct proc_exit status;

	err_ignore(proc_kill(b->pidfd, SIGKILL));
	err_ignore(proc_wait(b->pidfd, &status));
	fd_close(&b->pidfd);
}

/* @kept: by a keeper, which may have reaped it already; then it has no number any more. */
static struct err *finish(struct birth *b, bool kept, struct runtime_container *ret)
{
	auto_fd int socket = b->sockets[0];
	pid_t pid = -1;

	errno = b->error;
	if (b->failed)
		return err_errno("%s", b->failed);
	struct err *e = kept ? NULL : pid_of(b->pidfd, &pid);

	if (e) {
		discard(b);
		return e;
	}
	*ret = (struct runtime_container) { .pid = pid,
					    .pidfd = b->pidfd,
					    .socket = fd_steal(&socket) };
	return NULL;
}

void runtime_create_all(struct runtime_order *orders, size_t n)
{
	struct batch all = { mem_alloc(n * sizeof(struct birth)), 0, handled_signals() };
	auto_free struct birth *births = all.births;
	auto_free size_t *order_of = mem_alloc(n * sizeof(size_t));
	auto_err struct err *e = NULL;
	uint64_t have = runtime_caps_all();

	last_share();
	for (size_t i = 0; i < n; i++) {
		births[all.n] = (struct birth) { 0 };
		orders[i].error = prepare_container(&births[all.n], &orders[i], have);
		if (!orders[i].error)
			order_of[all.n++] = i;
	}
	if (all.n && births->where->pidns >= 0)
		e = nested(&all);
	else
		for (size_t i = 0; i < all.n; i++)
			clone_one(&all, &births[i]);
	for (size_t i = 0; i < all.n; i++) {
		struct runtime_order *o = &orders[order_of[i]];

		o->error = e ? err_new(err_code(e), "%s", err_text(e))
			     : finish(&births[i], false, o->container);
	}
}

struct err *runtime_create(const struct runtime_spec *s, const struct runtime_place *where,
			   struct runtime_container *ret)
{
	struct runtime_order o = { .spec = s, .where = *where, .container = ret };

	runtime_create_all(&o, 1);
	return o.error;
}

struct kept {
	struct batch *all;
	struct err *error;
};

static void clone_kept(void *arg)
{
	struct kept *k = arg;

	k->error = clone_between(k->all);
}

static struct err *clone_with_keeper(struct batch *all, int *ret_report)
{
	struct kept k = { all, NULL };
	auto_fd int report = -1;

	TRY(keep_run(clone_kept, &k, &report));
	TRY(k.error);
	*ret_report = fd_steal(&report);
	return NULL;
}

/* v1 hierarchies are joined before the namespaces are: afterwards they cannot be seen. */
static struct err *exec_in(int pidfd, const struct runtime_process *p, const struct cgroupfs *group,
			   struct runtime_container *ret, int *ret_report)
{
	struct birth b = { .exec = true, .pidfd_to_join = pidfd, .exec_group = group };
	struct batch all = { &b, 1, handled_signals() };
	auto_fd int null = -1;

	/* told when the container was made */
	TRY(clamp(p, runtime_caps_all(), LOG_LEVEL_DEBUG, &b.allowed));
	TRY(fd_openat(AT_FDCWD, "/dev/null", O_RDWR | O_NOCTTY, &null));
	for (int i = 0; i < 3; i++)
		if (b.allowed.p.stdio[i] < 0)
			b.allowed.p.stdio[i] = null;
	prepare(&b, group);
	TRY(ret_report ? clone_with_keeper(&all, ret_report) : clone_between(&all));
	return finish(&b, ret_report != NULL, ret);
}

struct err *runtime_exec(int pidfd, const struct runtime_process *p, const struct cgroupfs *group,
			 struct runtime_container *ret)
{
	return exec_in(pidfd, p, group, ret, NULL);
}

struct err *runtime_exec_kept(int pidfd, const struct runtime_process *p,
			      const struct cgroupfs *group, struct runtime_container *ret,
			      int *ret_report)
{
	return exec_in(pidfd, p, group, ret, ret_report);
}

/* ---- talking to the child ---- */

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
