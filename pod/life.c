/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod/life.c - a pod from its start to its end: what is opened before the first
 * step and closed after the last. What happens in between is supervise.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

static void on_signal(void *arg)
{
	struct pod *p = arg;

	p->interrupted = true;
	if (p->signals++ > 0)
		p->killing = true;
	pod_stop(p);
}

static void on_sigint(void *arg)
{
	struct pod *p = arg;

	p->by_sigint |= !p->interrupted;
	on_signal(p);
}

static void on_wait_limit(void *arg)
{
	struct pod *p = arg;

	if (!p->up)
		pod_fail(p, err_new(ETIMEDOUT, "the pod is not up after %lld s",
				    (long long)p->options->wait_timeout / 1000));
}

static void on_hangup(void *arg)
{
	(void)arg; /* a terminal that goes away does not take the pod along */
}

/* Whoever cleaned up has removed the file that we have waited for. */
static bool is_removed(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_nlink == 0;
}

/* Who holds the lock for a pod that has no supervisor is about to let go: see pod_supervised(). */
static struct err *lock_pod(struct pod *p)
{
	auto_free char *dir = state_path(p->host, p->plan->name, NULL);
	auto_free char *path = state_path(p->host, p->plan->name, "lock");

	for (int tries = 0; tries < LOCK_WAIT / LOCK_POLL; tries++) {
		TRY(fd_mkdirs(AT_FDCWD, dir, 0700));
		struct err *e = fd_lock(AT_FDCWD, path, LOCK_EX | LOCK_NB, &p->lock);

		if (!e && !is_removed(p->lock))
			return NULL;
		fd_close(&p->lock);
		if (e && err_code(e) != EWOULDBLOCK && err_code(e) != ENOENT)
			return e;
		err_free(e);
		if (pod_supervised(p->host, p->plan->name))
			break;
		usleep(LOCK_POLL * 1000);
	}
	return err_new(EBUSY, "pod %s is already running", p->plan->name);
}

static void free_containers(struct pod *p)
{
	for (size_t i = 0; p->containers && i < p->plan->n_containers; i++)
		container_free(p->containers[i]);
	free(p->containers);
}

static void make_containers(struct pod *p)
{
	p->containers = mem_alloc(p->plan->n_containers * sizeof(struct container *));
	for (size_t i = 0; i < p->plan->n_containers; i++)
		p->containers[i] = container_new(p, &p->plan->containers[i]);
}

/*
 * In a cluster's task all groups are direct children of the task's own: an agent
 * that comes back looks at every group below it, and takes deeper ones for
 * containers that it has lost.
 */
static struct err *open_groups(struct pod *p)
{
	const char *task = p->host->cgroup_task;

	p->cgroup_path = mem_printf("%s/%s", p->host->cgroup_parent, p->plan->name);
	if (!task)
		return cgroupfs_open(&p->cgroups);
	TRY(cgroupfs_open_task(0, task, p->cgroup_path, &p->cgroups));
	*p->cgroup_path = '\0';
	return NULL;
}

char *pod_group(const struct pod *p, const char *part)
{
	return *p->cgroup_path ? mem_printf("%s/%s", p->cgroup_path, part)
			       : mem_printf("slipway.%s", part);
}

static void add_owner(struct pod *p)
{
	const struct pod_owner *o = p->options->owner;

	for (size_t i = 0; o && i < p->plan->n_containers; i++) {
		struct container *c = p->containers[i];

		if (strcmp(c->plan->service->name, o->service) != 0)
			continue;
		c->input.once = o->once;
		attach_add(c, o->socket, true);
	}
}

/*
 * Where a top directory's subdirectories go, ext4 has few others. Elsewhere the
 * search for a free inode passes over every one that was freed in the last
 * minutes, on a host that removes much for longer than all the rest takes. An
 * overlay makes eight and frees three when it is mounted. Other file systems refuse.
 */
static void keep_apart(const char *dir)
{
	auto_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int flags = 0;

	if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0 || flags & FS_TOPDIR_FL)
		return;
	flags |= FS_TOPDIR_FL;
	(void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

static struct err *make_data(const struct pod *p)
{
	auto_free char *dir = state_data(p->host, p->plan->name, NULL);

	TRY(fd_mkdirs(AT_FDCWD, dir, 0700));
	keep_apart(dir);
	return NULL;
}

/* As the last state of the pod tells it; whether it is the same container is adopt.c's to say. */
static void recall(struct container *c, const struct pod_service_state *old)
{
	if (!old || strcmp(old->state, "created") == 0)
		return;
	c->state = CONTAINER_EXITED;
	/* of one whose supervisor died the state says that it runs, or is about to */
	c->exit_code = strcmp(old->state, "exited") == 0 ? (int)old->exit_code : 128 + SIGKILL;
	c->started = mem_strdup(old->started);
	c->finished = mem_strdup(old->finished);
}

static void lay_to_rest(struct pod *p)
{
	auto_pod_state struct pod_state *s = NULL;
	auto_err struct err *none = pod_state_read(p->host, p->plan->name, &s);

	for (size_t i = 0; i < p->plan->n_containers; i++) {
		struct container *c = p->containers[i];

		if (!strv_has(p->options->resting, c->plan->service->name))
			continue;
		steps_give_up(p, i);
		recall(c, none ? NULL : pod_state_find(s, c->plan->key));
	}
}

static struct err *open_pod(struct pod *p)
{
	TRY(lock_pod(p));
	proc_raise_files();
	TRY(open_groups(p));
	TRY(fd_openat(AT_FDCWD, "/proc/self/ns/pid", O_RDONLY, &p->own_pidns));
	p->steps = mem_alloc(p->plan->n_steps * sizeof(*p->steps));
	make_containers(p);
	adopt_past(p);
	if (p->options->resting)
		lay_to_rest(p);
	if (p->options->quit_signals) {
		p->on_int = loop_signal(p->loop, SIGINT, on_sigint, p);
		p->on_term = loop_signal(p->loop, SIGTERM, on_signal, p);
		p->on_hup = loop_signal(p->loop, SIGHUP, on_hangup, p);
	}
	if (p->options->wait_timeout > 0)
		p->on_wait_limit =
			loop_timer(p->loop, (uint64_t)p->options->wait_timeout, on_wait_limit, p);
	(void)signal(SIGPIPE, SIG_IGN);
	add_owner(p);
	TRY(control_open(p));
	return make_data(p);
}

static void close_pod(struct pod *p)
{
	control_close(p);
	apply_end(p);
	free_containers(p);
	watch_free(p->on_int);
	watch_free(p->on_term);
	watch_free(p->on_hup);
	watch_free(p->on_wait_limit);
	watch_free(p->on_end_limit);
	watch_free(p->on_over);
	watch_free(p->on_soon);
	watch_free(p->on_write_time);
	cgroupfs_host_free(p->cgroups);
	free(p->cgroup_path);
	free(p->boot);
	free(p->steps);
	free(p->ports);
	apply_forget(p);
	fd_cleanup(&p->own_pidns);
	fd_cleanup(&p->lock);
	netns_free(p->old_net);
	err_free(p->forget_error);
	free(p);
}

/*
 * A pod that never came up leaves nothing, not even a directory; nor does one
 * that is down. From then on the next one of this name may begin.
 */
static struct err *forget_pod(const struct pod *p)
{
	auto_free char *data = state_data(p->host, p->plan->name, NULL);

	TRY(trash_put(p->host, data, p->plan->name));
	return state_forget(p->host, p->plan->name);
}

static void leave_state(struct pod *p)
{
	if (p->to_forget)
		p->forget_error = forget_pod(p);
	else if (p->up && !p->options->transient)
		state_write(p);
	else if (p->has_past && !p->options->transient)
		adopt_give_back(p);
	else
		err_ignore(forget_pod(p));
	p->dirty = false;
}

struct err *pod_start(const struct pod_plan *plan, const struct pod_host *h,
		      const struct pod_run_options *o, struct loop *loop, struct pod **ret)
{
	struct pod *p = mem_alloc(sizeof(*p));

	*p = (struct pod) { .plan = plan,
			    .host = h,
			    .options = o,
			    .loop = loop,
			    .lock = -1,
			    .own_pidns = -1,
			    .control = -1,
			    .asked_timeout = -1,
			    .join = { .pidfd = -1, .netns = -1 },
			    .netns = -1,
			    .pause = { 0, -1, -1, -1, NULL } };
	struct err *e = open_pod(p);

	if (e) {
		close_pod(p);
		return e;
	}
	pod_advance(p);
	*ret = p;
	return NULL;
}

static void on_end_limit(void *arg)
{
	struct pod *p = arg;

	watch_free(p->on_end_limit);
	p->on_end_limit = NULL;
	p->killing = true;
	pod_stop(p);
}

void pod_end(struct pod *p, int64_t timeout)
{
	uint64_t now = proc_now_ms(), deadline;

	if (!p->end_asked)
		p->end_asked = now;
	deadline = p->end_asked + (uint64_t)timeout;
	if (timeout >= 0 && (!p->end_deadline || deadline < p->end_deadline)) {
		p->end_deadline = deadline;
		watch_free(p->on_end_limit);
		p->on_end_limit = NULL;
		if (deadline > now)
			p->on_end_limit = loop_timer(p->loop, deadline - now, on_end_limit, p);
		else
			p->killing = true;
	}
	pod_stop(p);
}

static int exit_code_of(const struct pod *p)
{
	for (size_t i = 0; p->options->exit_from && i < p->plan->n_containers; i++)
		if (strcmp(p->plan->containers[i].service->name, p->options->exit_from) == 0)
			return p->containers[i]->exit_code;
	return p->aborted_by ? p->aborted_by->exit_code : p->exit_code;
}

/* The log goes with the pod that never came up: what it says of the reason is told now. */
static struct err *add_last_words(const struct pod *p, struct err *take_e)
{
	auto_free char *words =
		take_e && p->culprit && p->options->last_words
			? log_last_words(p->host, p->plan->name, p->culprit->plan->key)
			: NULL;

	return words ? err_join(take_e, err_new(err_code(take_e), "%s", words)) : take_e;
}

struct err *pod_finish(struct pod *take_p, struct pod_result *ret)
{
	struct pod *p = take_p;
	struct err *e = steal(&p->failure);

	p->finished = true;
	steps_undo(p);
	e = add_last_words(p, e);
	if (!e && !p->interrupted && p->options->watcher.on_ended)
		p->options->watcher.on_ended(p->options->watcher.ctx);
	leave_state(p);
	control_advance(p);
	*ret = (struct pod_result) { .exit_code = exit_code_of(p),
				     .interrupted = p->interrupted,
				     .by_sigint = p->by_sigint };
	close_pod(p);
	return e;
}

/* ---- a pod that only is to be ---- */

/* What was there before and has not changed stays what it is. */
static void recall_adopted(struct pod *p)
{
	auto_pod_state struct pod_state *s = NULL;

	adopt_past(p);
	if (p->has_past)
		err_ignore(pod_state_read(p->host, p->plan->name, &s));
	for (size_t i = 0; s && i < p->plan->n_containers; i++) {
		struct container *c = p->containers[i];

		adopt_nothing(c);
		if (c->adopted)
			recall(c, pod_state_find(s, c->plan->key));
	}
}

struct err *pod_create(const struct pod_plan *plan, const struct pod_host *h, char *const *anew)
{
	const struct pod_run_options none = { .stop_timeout = -1, .anew = anew };
	struct pod p = { .plan = plan,
			 .host = h,
			 .options = &none,
			 .lock = -1,
			 .join = { .pidfd = -1, .netns = -1 },
			 .netns = -1,
			 .pause = { 0, -1, -1, -1, NULL },
			 .only_created = true };
	struct err *e = lock_pod(&p);

	if (!e) {
		p.cgroup_path = mem_printf("%s/%s", h->cgroup_parent, plan->name);
		make_containers(&p);
		recall_adopted(&p);
		if (!p.boot)
			p.boot = adopt_boot();
		auto_free char *state = state_path(h, plan->name, "state.json");

		e = state_store(&p);
		if (!e)
			state_keep(&p);
		if (e && access(state, F_OK) < 0) /* nor was there one before */
			err_ignore(forget_pod(&p));
	}
	free_containers(&p);
	free(p.cgroup_path);
	free(p.boot);
	fd_cleanup(&p.lock);
	return e;
}

/* ---- in a loop of its own ---- */

static void stop_loop(void *arg)
{
	loop_stop(arg);
}

struct err *pod_run(const struct pod_plan *plan, const struct pod_host *h,
		    const struct pod_run_options *o, struct pod_result *ret)
{
	auto_loop struct loop *loop = NULL;
	struct pod_run_options own = *o;
	struct pod *p = NULL;

	TRY(loop_new(&loop));
	own.on_end = stop_loop;
	own.end_arg = loop;
	TRY(pod_start(plan, h, &own, loop, &p));
	struct err *e = loop_run(loop);

	if (e)
		pod_fail(p, e);
	return pod_finish(p, ret);
}
