/* SPDX-License-Identifier: Apache-2.0 */
/* pod/exec.c - one more process in a running container, and its terminal. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

enum { BUFFER = 32 << 10 };

/* Bytes from one descriptor to another; the reading end is closed at its end. */
struct relay {
	struct session *session;
	int from, to;
	bool close_to; /* the far end wants to see the end of the input */
	struct watch *watch;
};

struct session {
	struct loop *loop;
	struct runtime_container process;
	struct relay relays[3];
	size_t n_relays;
	struct watch *on_exit, *on_news;
	struct terminal terminal;
	struct runtime_maker *maker;
	int tty, report;
	struct err *failure;
	int code;
	bool done;
};

/* ---- terminal ---- */

static void fit_window(void *arg)
{
	const struct session *s = arg;
	struct winsize size;

	if (s->tty >= 0 && terminal_size(&size))
		(void)ioctl(s->tty, TIOCSWINSZ, &size);
}

/* ---- relays ---- */

static void end_relay(struct relay *r)
{
	watch_free(r->watch);
	r->watch = NULL;
	if (r->close_to)
		fd_close(&r->to);
}

static void on_readable(void *arg)
{
	struct relay *r = arg;
	char data[BUFFER];
	ssize_t n = read(r->from, data, sizeof(data));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end_relay(r);
		return;
	}
	struct err *e = fd_write_all(r->to, data, (size_t)n);

	if (e) { /* nobody reads any more */
		err_ignore(e);
		end_relay(r);
	}
}

static void add_relay(struct session *s, int from, int to, bool close_to)
{
	struct relay *r = &s->relays[s->n_relays++];

	*r = (struct relay) { .session = s, .from = from, .to = to, .close_to = close_to };
	/* epoll refuses plain files: they are read as they come, by the process itself */
	r->watch = loop_readable(s->loop, from, on_readable, r);
}

static void drain(struct session *s)
{
	for (size_t i = 0; i < s->n_relays; i++) {
		struct relay *r = &s->relays[i];

		if (!r->watch || r->close_to)
			continue;
		(void)fcntl(r->from, F_SETFL, O_NONBLOCK);
		for (;;) {
			char data[BUFFER];
			ssize_t n = read(r->from, data, sizeof(data));

			if (n <= 0)
				break;
			err_ignore(fd_write_all(r->to, data, (size_t)n));
		}
		end_relay(r);
	}
}

/* ---- events ---- */

static void on_news(void *arg)
{
	struct session *s = arg;
	enum runtime_news news = RUNTIME_READY;
	struct err *e = runtime_event(&s->process, &news, &s->tty);

	if (!e && news == RUNTIME_READY) {
		if (s->tty >= 0) {
			fit_window(s);
			add_relay(s, s->tty, STDOUT_FILENO, false);
			add_relay(s, STDIN_FILENO, s->tty, false);
		}
		return;
	}
	watch_free(s->on_news);
	s->on_news = NULL;
	s->failure = e;
}

static void on_exit_event(void *arg)
{
	struct session *s = arg;
	struct proc_exit how = { 0 };
	bool done = false;

	runtime_kept_end(s->report, &done, &how);
	if (!done)
		return;
	while (s->on_news)
		on_news(s);
	s->code = proc_exit_code(how);
	drain(s);
	loop_stop(s->loop);
}

static void pass_signal(void *arg, int signal)
{
	const struct session *s = arg;

	err_ignore(proc_kill(s->process.pidfd, signal));
}

/* ---- who and where ---- */

struct err *exec_open_init(const struct pod_service_state *v, int *ret_pidfd)
{
	uint64_t start = 0;

	TRY(proc_open((pid_t)v->pid, ret_pidfd));
	/* the number may belong to another process by now: its birth tells */
	TRY(proc_start_time((pid_t)v->pid, &start));
	if (start != (uint64_t)json_integer_value(json_at(v->json, "start_time")))
		return err_new(ESRCH, "service %s is not running", v->service);
	return NULL;
}

struct err *exec_open_process(const struct pod_state *state, const char *service,
			      const struct pod_service_state **ret_service, int *ret_pidfd)
{
	const struct pod_service_state *v = pod_state_find(state, service);

	if (!v)
		return pod_no_service(service);
	if (!state->alive || strcmp(v->state, "running") != 0)
		return err_new(ESRCH, "service %s is not running", service);
	*ret_service = v;
	return exec_open_init(v, ret_pidfd);
}

struct identity_of {
	char **env, **groups;
	struct runtime_rlimit *rlimits;
	struct runtime_filter filter;
};

static struct err *read_rlimits(const json_t *process, struct identity_of *own, size_t *ret_n)
{
	json_t *list = NULL;

	TRY(json_get_list(process, "rlimits", &list));
	*ret_n = json_array_size(list);
	own->rlimits = mem_alloc(*ret_n * sizeof(*own->rlimits));
	for (size_t i = 0; i < *ret_n; i++) {
		const json_t *one = json_array_get(list, i);
		struct runtime_rlimit *l = &own->rlimits[i];

		l->resource = (int)json_integer_value(json_array_get(one, 0));
		l->limit.rlim_cur = (rlim_t)json_integer_value(json_array_get(one, 1));
		l->limit.rlim_max = (rlim_t)json_integer_value(json_array_get(one, 2));
	}
	return NULL;
}

static struct err *describe(const struct pod_host *h, const struct pod_service_state *v,
			    const struct pod_exec *e, struct identity_of *own,
			    struct runtime_process *ret)
{
	const json_t *j = json_at(v->json, "process");
	const char *cwd = NULL, *user = NULL, *seccomp = NULL;
	bool no_new_privs = false;
	int64_t caps = 0;
	size_t n_rlimits = 0;

	TRY(read_rlimits(j, own, &n_rlimits));
	TRY(json_get_strv(j, "env", &own->env));
	TRY(json_get_strv(j, "groups", &own->groups));
	TRY(json_get_str(j, "cwd", &cwd));
	TRY(json_get_str(j, "user", &user));
	TRY(json_get_str(j, "seccomp", &seccomp));
	TRY(json_get_int(j, "caps", &caps));
	TRY(json_get_bool(j, "no_new_privs", &no_new_privs));
	if (e->privileged)
		caps = (int64_t)runtime_caps_all();
	else
		TRY(spec_filter(seccomp, (uint64_t)caps, h, &own->filter));
	if (e->tty)
		env_set(&own->env, "TERM=xterm");
	for (char *const *assignment = e->env; assignment && *assignment; assignment++)
		env_set(&own->env, *assignment);
	*ret = (struct runtime_process) {
		.argv = e->argv,
		.env = own->env,
		.cwd = e->cwd ? e->cwd : cwd,
		.user = e->user ? e->user : user,
		.groups = own->groups,
		.caps = { .bounding = (uint64_t)caps,
			  .permitted = (uint64_t)caps,
			  .effective = (uint64_t)caps },
		.rlimits = own->rlimits,
		.n_rlimits = n_rlimits,
		.filter = own->filter.n ? &own->filter : NULL,
		.no_new_privs = no_new_privs,
		.tty = e->tty,
		.umask = -1,
		.stdio = { -1, -1, -1 },
	};
	return NULL;
}

/* A terminal of the host is never handed into a container: what goes through a pipe cannot steer it. */
static struct err *connect_stdio(struct session *s, const struct pod_exec *e,
				 struct runtime_process *p, int *take_ends)
{
	for (int i = 0; i < 3; i++) {
		int ends[2];

		if (e->tty || e->detach || (i == 0 && !e->interactive))
			continue;
		if (!isatty(i)) {
			p->stdio[i] = i;
			continue;
		}
		if (pipe2(ends, O_CLOEXEC) < 0)
			return err_errno("pipe");
		p->stdio[i] = take_ends[i] = ends[i == 0 ? 0 : 1];
		add_relay(s, i == 0 ? STDIN_FILENO : ends[0], i == 0 ? ends[1] : i, i == 0);
	}
	return NULL;
}

static struct err *attend(struct session *s)
{
	s->on_exit = loop_readable(s->loop, s->report, on_exit_event, s);
	s->on_news = loop_readable(s->loop, s->process.socket, on_news, s);
	terminal_watch(&s->terminal, s->loop, fit_window, pass_signal, s);
	return loop_run(s->loop);
}

static void close_session(struct session *s)
{
	terminal_restore(&s->terminal);
	for (size_t i = 0; i < s->n_relays; i++)
		if (s->relays[i].watch)
			end_relay(&s->relays[i]);
	terminal_unwatch(&s->terminal);
	runtime_maker_free(s->maker);
	watch_free(s->on_exit);
	watch_free(s->on_news);
	fd_close(&s->tty);
	fd_close(&s->report);
	runtime_container_clear(&s->process);
	loop_free(s->loop);
}

static struct err *run(struct session *s, int pidfd, const struct pod_exec *e,
		       struct runtime_process *p, const struct cgroupfs *group)
{
	int ends[3] = { -1, -1, -1 };
	struct err *error = connect_stdio(s, e, p, ends);

	if (!error)
		error = e->detach ? runtime_exec(pidfd, p, group, &s->process)
				  : runtime_exec_kept(pidfd, p, group, steal(&s->maker),
						      &s->process, &s->report);
	for (int i = 0; i < 3; i++)
		fd_cleanup(&ends[i]);
	TRY(error);
	if (e->tty && isatty(STDIN_FILENO))
		terminal_raw(&s->terminal);
	if (e->detach) {
		enum runtime_news news = RUNTIME_READY;

		while (!error && news != RUNTIME_RUNNING)
			error = runtime_event(&s->process, &news, NULL);
		return error;
	}
	TRY(attend(s));
	return steal(&s->failure);
}

struct err *pod_exec(const struct pod_host *h, const char *name, const struct pod_exec *e, int *ret)
{
	auto_pod_state struct pod_state *state = NULL;
	auto_cgroupfs_host struct cgroupfs_host *cgroups = NULL;
	const struct pod_service_state *v = NULL;
	struct cgroupfs *group = NULL;
	struct identity_of own = { 0 };
	struct runtime_process p;
	struct session s = { .tty = -1, .report = -1, .process = { 0, -1, -1 } };
	auto_fd int pidfd = -1;

	TRY(pod_state_read(h, name, &state));
	TRY(exec_open_process(state, e->service, &v, &pidfd));
	TRY(state_cgroups(v, &cgroups));
	TRY(loop_new(&s.loop));
	(void)signal(SIGPIPE, SIG_IGN);
	/* it comes up while we look for what it is to do */
	struct err *error = e->detach ? NULL : runtime_maker_start(NULL, true, &s.maker);

	if (!error)
		error = describe(h, v, e, &own, &p);
	if (!error)
		error = cgroupfs_find(cgroups, v->cgroup, &group);
	if (!error)
		error = run(&s, pidfd, e, &p, group);
	*ret = s.code;
	close_session(&s);
	cgroupfs_free(group);
	strv_free(own.env);
	strv_free(own.groups);
	free(own.rlimits);
	runtime_filter_clear(&own.filter);
	return error;
}
