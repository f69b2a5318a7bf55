/* SPDX-License-Identifier: Apache-2.0 */
/* cli/up_run.c - running the pod: attached, or with a supervisor that outlives the command. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/leave.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/prefault.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/trace.h"
#include "cli/outlet.h"
#include "cli/up.h"

bool up_waits(const struct cli *c, const struct up_values *v)
{
	return v->wait || str_eq(c->project->policy.ready, "healthy");
}

/* What the options say, and below them the file's x-slipway. */
static struct pod_run_options run_options(const struct cli *c, const struct up_values *v)
{
	const struct compose_policy *policy = &c->project->policy;
	bool kill = str_eq(policy->on_failure, "kill");

	return (struct pod_run_options) {
		.early = c->early,
		.wait = up_waits(c, v),
		.wait_timeout = v->wait_timeout,
		.quit_signals = true,
		.stop_timeout = v->timeout,
		.abort = v->abort_on_exit || v->exit_from ? POD_ABORT_ON_EXIT
			 : v->abort_on_failure || kill	  ? POD_ABORT_ON_FAILURE
							  : POD_ABORT_NEVER,
		.resting = v->resting,
		.anew = v->anew,
		.exit_from = v->exit_from ? v->exit_from : policy->main,
		.main = policy->main,
	};
}

/* ---- up, attached ---- */

enum {
	WAITING_MAX = 1 << 20, /* bytes that are still to be written when containers are held... */
	PATIENCE = 1000,       /* ...so long, milliseconds, when nothing at all is read */
};

/*
 * Who reads slowly makes the containers wait, as a pipe does. Who has stopped reading
 * does not: then lines are left out, and told of when it goes on. Neither keeps us
 * from looking after the pod.
 */
struct screen {
	const struct up_values *v;
	const struct pod_plan *plan;
	struct image **images;
	size_t width; /* of the longest prefix */
	bool colour;
	bool ends_unread, quiet;
	const struct compose_project *project;
	struct loop *loop;
	struct pod *pod; /* NULL until it is begun */
	struct outlet out, err;
	struct watch *on_stalled;
	bool stalled;
	size_t left_out; /* lines */
};

static size_t waiting(const struct screen *s)
{
	return outlet_waiting(&s->out) + outlet_waiting(&s->err);
}

static void tell_left_out(struct screen *s)
{
	auto_free char *text =
		mem_printf("slipway: %zu lines were not shown, as nothing was read; 'slipway logs' "
			   "has them\n",
			   s->left_out);

	if (s->left_out)
		outlet_put(&s->err, text, strlen(text));
	s->left_out = 0;
}

static void on_stalled(void *arg);

/* Something was read, or nothing will be any more. */
static void on_change(void *arg)
{
	struct screen *s = arg;

	if (s->out.error == EPIPE && s->ends_unread) {
		s->ends_unread = false;
		(void)kill(getpid(), SIGTERM); /* as SIGPIPE would, but in order */
	}
	watch_free(s->on_stalled);
	s->on_stalled = NULL;
	if (waiting(s) >= WAITING_MAX / 2) {
		if (!s->stalled && s->pod)
			s->on_stalled = loop_timer(s->loop, PATIENCE, on_stalled, s);
		return;
	}
	s->stalled = false;
	tell_left_out(s);
	if (s->pod)
		pod_hold(s->pod, false);
}

/* Nothing was read; unless it was this process that has slept. */
static void on_stalled(void *arg)
{
	struct screen *s = arg;
	bool out = outlet_flush(&s->out), err = outlet_flush(&s->err);

	watch_free(s->on_stalled);
	s->on_stalled = NULL;
	if (out || err) {
		on_change(s);
		return;
	}
	s->stalled = true;
	pod_hold(s->pod, false);
}

static void press(struct screen *s)
{
	if (s->stalled || s->on_stalled || !s->pod || waiting(s) < WAITING_MAX)
		return;
	pod_hold(s->pod, true);
	s->on_stalled = loop_timer(s->loop, PATIENCE, on_stalled, s);
}

static void put_line(struct screen *s, enum pod_stream stream, const char *text, size_t len)
{
	if (s->stalled && waiting(s) >= WAITING_MAX) {
		s->left_out++;
		return;
	}
	outlet_put(stream == POD_STDERR ? &s->err : &s->out, text, len);
	press(s);
}

static bool is_shown(const struct screen *s, const struct compose_service *v)
{
	if (!v || strv_has(s->v->no_attach, v->name))
		return false;
	return s->v->attach ? strv_has(s->v->attach, v->name) : !v->no_attach;
}

static void show_output(void *ctx, const char *service, enum pod_stream stream, const char *line,
			size_t len)
{
	static const int colours[] = { 36, 33, 32, 35, 34, 96, 93, 92, 95, 94 };
	struct screen *s = ctx;
	auto_free char *plain = mem_strndup(service, strcspn(service, "@"));
	const struct compose_service *v = compose_find(s->project, plain);
	size_t index = v ? (size_t)(v - s->project->services) : 0;
	auto_free char *name = text_prefix(s->project->name, service, v ? v->container_name : NULL);
	auto_free char *now = s->v->timestamps ? proc_now_text() : NULL;

	if (!is_shown(s, v))
		return;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return;
	if (!s->v->no_prefix && s->colour)
		fprintf(out, "\033[%dm%-*s  | \033[0m", colours[index % ARRAY_LEN(colours)],
			(int)s->width, name);
	else if (!s->v->no_prefix)
		fprintf(out, "%-*s  | ", (int)s->width, name);
	if (now)
		fprintf(out, "%s ", now);
	fwrite(line, 1, len, out);
	if (len == 0 || line[len - 1] != '\n')
		fputc('\n', out);
	fclose(out);
	put_line(s, stream, text, size);
	free(text);
}

void up_finish_trace(void)
{
	auto_err struct err *e = trace_close();

	if (e)
		log_warn("--trace: %s", err_text(e));
}

static void release_images(void *ctx)
{
	const struct screen *s = ctx;

	up_finish_trace();

	for (size_t i = 0; i < s->project->n_services; i++)
		image_release(s->images[i]);
}

static void show_event(void *ctx, const char *container, const char *what)
{
	struct screen *s = ctx;
	auto_free char *text = mem_printf(" Container %s  %s\n", container, what);

	if (!s->quiet)
		put_line(s, POD_STDERR, text, strlen(text));
}

static void tell_up(void *ctx)
{
	release_images(ctx);
	notify("READY=1\nSTATUS=the pod is up");
}

/* A service manager may have less patience than services that stop one after the other. */
static void tell_stopping(void *ctx)
{
	enum { AFTERWARDS = 15000 /* milliseconds */ };
	const struct screen *s = ctx;
	int64_t ms = pod_stop_time(s->plan, s->v->timeout) + AFTERWARDS;

	notify("STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld\nSTATUS=the pod is being stopped",
	       (long long)ms * 1000);
}

/* Service managers start theirs with the signal ignored: who reads their output may come again. */
static bool ends_by_sigpipe(void)
{
	struct sigaction now;

	return sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler != SIG_IGN;
}

static void stop_loop(void *arg)
{
	loop_stop(arg);
}

static struct err *run_on_screen(struct screen *s, const struct pod_host *h,
				 struct pod_run_options *o, struct pod_result *ret)
{
	struct pod *p = NULL;

	o->on_end = stop_loop;
	o->end_arg = s->loop;
	TRY(pod_start(s->plan, h, o, s->loop, &p));
	s->pod = p;
	struct err *e = loop_run(s->loop);

	s->pod = NULL;
	watch_free(s->on_stalled);
	s->on_stalled = NULL;
	return err_join(e, pod_finish(p, ret));
}

/* What waits is written at the end, when there is nothing else to do. */
static struct err *run_with_outlets(struct screen *s, const struct pod_host *h,
				    struct pod_run_options *o, struct pod_result *ret)
{
	auto_loop struct loop *loop = NULL;

	TRY(loop_new(&loop));
	s->loop = loop;
	fflush(NULL);
	outlet_open(&s->out, STDOUT_FILENO, loop, on_change, s);
	outlet_open(&s->err, STDERR_FILENO, loop, on_change, s);
	log_to(s->err.fd);
	struct err *e = run_on_screen(s, h, o, ret);

	int lost = s->out.error;

	log_to(STDERR_FILENO);
	tell_left_out(s);
	outlet_close(&s->err);
	outlet_close(&s->out);
	if (!lost || lost == EPIPE)
		return e;
	return err_join(e, err_new(lost, "standard output: %s", strerror(lost)));
}

struct err *up_attached(const struct cli *c, const struct pod_plan *plan, struct image **images,
			const struct up_values *v, int *ret_code)
{
	struct screen screen = { .v = v,
				 .plan = plan,
				 .images = images,
				 .colour = !v->no_colour && use_colour(stdout),
				 .ends_unread = ends_by_sigpipe(),
				 .quiet = cli_is_quiet(c),
				 .project = c->project };
	struct pod_run_options o = run_options(c, v);

	o.watcher = (struct pod_watcher) { .ctx = &screen,
					   .on_up = tell_up,
					   .on_stopping = tell_stopping,
					   .on_event = show_event,
					   .on_output = show_output };
	struct pod_result result = { 0 };

	for (size_t i = 0; i < c->project->n_services; i++) {
		const struct compose_service *s = &c->project->services[i];
		auto_free char *prefix = text_prefix(c->project->name, s->name, s->container_name);

		if (strlen(prefix) > screen.width)
			screen.width = strlen(prefix);
	}
	struct err *e = run_with_outlets(&screen, c->host, &o, &result);

	pod_tidy_trash_aside(c->host);
	TRY(e);
	/* docker compose's code; but a service manager, which sends SIGTERM, wants to hear of no failure */
	*ret_code = result.by_sigint ? EXIT_INTERRUPTED : result.interrupted ? 0 : result.exit_code;
	return NULL;
}

/* ---- up -d: the supervisor is a child that outlives us ---- */

/*
 * What the supervisor tells until the pod is up: 'E' an event, 'U' it is up; or an error's
 * message. Where nobody is left to understand that, the text of the event, and NUL.
 */
struct reporter {
	int pipe;
	bool plain, quiet;
	bool up;
	struct image **images; /* the pod's state names their layers by then */
	size_t n_images;
	const struct pod_host *host;
	const struct compose_project *project;
};

static void report_event(void *ctx, const char *container, const char *what)
{
	const struct reporter *r = ctx;
	auto_free char *line =
		mem_printf("%s Container %s  %s\n", r->plain ? "" : "E", container, what);

	if (!r->up && !r->quiet)
		(void)!write(r->pipe, line, strlen(line));
}

static void report_up(void *ctx)
{
	struct reporter *r = ctx;

	r->up = true;
	up_finish_trace();
	for (size_t i = 0; i < r->n_images; i++)
		image_release(r->images[i]);
	(void)prctl(PR_SET_PDEATHSIG, 0); /* from now on the pod stands on its own */
	auto_err struct err *e = pod_record(r->host, r->project);

	if (e)
		log_warn("%s; the pod will not come back after a reboot", err_text(e));
	(void)!write(r->pipe, r->plain ? "" : "U\n", r->plain ? 1 : 2);
	fd_close(&r->pipe);
	auto_err struct err *stays = pod_settle(r->host); /* milliseconds that nobody waits for */

	if (stays)
		log_warn("%s; the pod ends with the session it was started in", err_text(stays));
}

static void forget_record(void *ctx)
{
	const struct reporter *r = ctx;

	pod_record_remove(r->host, r->project->name);
}

/* Runs the pod in the background; returns when it has not come up, else not at all. */
static struct err *supervise(const struct cli *c, const struct pod_plan *plan,
			     struct image **images, const struct up_values *v, struct reporter *r,
			     pid_t parent)
{
	struct pod_run_options o = run_options(c, v);
	struct pod_result result = { 0 };

	r->images = images;
	r->n_images = c->project->n_services;
	r->host = c->host;
	r->project = c->project;
	o.watcher = (struct pod_watcher) {
		.ctx = r, .on_event = report_event, .on_up = report_up, .on_ended = forget_record
	};
	o.last_words = true;
	/* killed before the pod is up, 'up -d' leaves none behind */
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXIT_INTERRUPTED);
	pod_go_background(c->host, c->project->name, c->inherited);
	struct err *e = pod_run(plan, c->host, &o, &result);

	up_finish_trace();
	if (e && r->up)
		log_error("%s", err_text(e));
	auto_err struct err *stays = pod_tidy_trash(c->host, POD_TRASH_AGE);

	if (stays)
		log_warn("%s", err_text(stays));
	if (r->up)
		_exit(e ? EXIT_USAGE : result.exit_code);
	return e;
}

/* ---- ...and who waits, a process that does nothing else ---- */

/* What a command that has left goes on with: its own door is open until the pod is up. */
static struct {
	int door;
	pid_t parent;
} left = { .door = -1 };

/* It has more to say, to who has started it. */
static struct err *come_back(const struct cli *c)
{
	(void)dup2(left.door, STDERR_FILENO);
	log_pod(NULL);
	log_to(STDERR_FILENO);
	return cli_set_up_logging(c);
}

static struct err *up_left(const struct cli *c, const struct pod_plan *plan, struct image **images,
			   const struct up_values *v, int *ret_code)
{
	if (left.door < 0) {
		fflush(NULL);
		TRY(leave(&left.door, &left.parent));
	}
	struct reporter r = { .pipe = left.door, .plain = true, .quiet = cli_is_quiet(c) };
	struct err *e = supervise(c, plan, images, v, &r, left.parent);

	if (!e)
		*ret_code = EXIT_INTERRUPTED;
	return err_join(come_back(c), e);
}

/* ---- ...or a command that has more to do ---- */

static volatile sig_atomic_t supervisor_pid;

static void pass_to_supervisor(int signal)
{
	if (supervisor_pid > 0)
		(void)kill((pid_t)supervisor_pid, signal);
}

/* Shows what the supervisor tells; true when the pod is up. */
static struct err *hear(const struct cli *c, int pipe, bool *ret_up)
{
	char buffer[16384];
	size_t len = 0;
	ssize_t n;

	while ((n = read(pipe, buffer + len, sizeof(buffer) - len - 1)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno("hear from the supervisor");
		len += (size_t)n;
		buffer[len] = '\0';
		char *line = buffer, *end;

		while ((end = strchr(line, '\n')) != NULL && (*line == 'E' || *line == 'U')) {
			*end = '\0';
			if (*line == 'E')
				cli_say(c, "%s", line + 1);
			*ret_up |= *line == 'U';
			line = end + 1;
		}
		len -= (size_t)(line - buffer);
		memmove(buffer, line, len + 1);
		if (len == sizeof(buffer) - 1)
			break;
	}
	if (*ret_up || len == 0)
		return NULL;
	struct err *e = err_parse(buffer);
	auto_free char *text =
		mem_strdup(str_starts(err_text(e), "!: ") ? err_text(e) + 3 : err_text(e));
	int code = err_code(e);

	err_free(e);
	return err_new(code, "%s", text);
}

static _Noreturn void be_supervisor(const struct cli *c, const struct pod_plan *plan,
				    struct image **images, const struct up_values *v, int pipe,
				    pid_t parent)
{
	struct reporter r = { .pipe = pipe };

	prefault();
	struct err *e = supervise(c, plan, images, v, &r, parent);

	if (e)
		err_send(r.pipe, err_wrap(e, "%s", "!")); /* '!' tells it from an event */
	_exit(EXIT_USAGE);
}

static struct err *up_forked(const struct cli *c, const struct pod_plan *plan,
			     struct image **images, const struct up_values *v, int *ret_code)
{
	struct sigaction pass = { .sa_handler = pass_to_supervisor };
	pid_t parent = getpid(), pid;
	int ends[2];
	bool up = false;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno("pipe");
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		be_supervisor(c, plan, images, v, ends[1], parent);
	}
	trace_drop(); /* it is the supervisor's now */
	pod_early_given(c->early);
	close(ends[1]);
	auto_fd int pipe = ends[0];

	if (pid < 0)
		return err_errno("start the supervisor");
	supervisor_pid = pid;
	(void)sigaction(SIGINT, &pass, NULL);
	(void)sigaction(SIGTERM, &pass, NULL);
	TRY(hear(c, pipe, &up));
	*ret_code = up ? 0 : EXIT_INTERRUPTED;
	return NULL;
}

struct err *up_detached(const struct cli *c, const struct pod_plan *plan, struct image **images,
			const struct up_values *v, int *ret_code)
{
	return v->goes_on ? up_forked(c, plan, images, v, ret_code)
			  : up_left(c, plan, images, v, ret_code);
}
