/* SPDX-License-Identifier: Apache-2.0 */
/* cli/lifecycle.c - up, down, stop, start, restart and kill. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

enum { DOWN_WAIT = 2000, DOWN_POLL = 5 /* milliseconds */ };

struct up_values {
	bool detach, wait, quiet_pull, no_prefix, timestamps;
	const char *pull;
	int64_t timeout;
};

#define V(f) offsetof(struct up_values, f)
const struct opt up_options[] = {
	{ 'd', "detach", OPT_FLAG, NULL, V(detach), "leave the pod running in the background" },
	{ 0, "wait", OPT_FLAG, NULL, V(wait),
	  "return when every service is running and healthy; implies -d" },
	{ 0, "pull", OPT_TEXT, "POLICY", V(pull), "always, missing or never" },
	{ 0, "quiet-pull", OPT_FLAG, NULL, V(quiet_pull), "no progress of pulls" },
	{ 0, "no-log-prefix", OPT_FLAG, NULL, V(no_prefix),
	  "show output without the service's name" },
	{ 't', "timeout", OPT_SECONDS, "SECONDS", V(timeout), "wait so long for services to stop" },
	{ 0 },
};

/* ---- images ---- */

static const char *policy_of(const struct compose_service *s, const char *from_option)
{
	return from_option ? from_option : s->pull_policy ? s->pull_policy : "missing";
}

static struct err *check_policy(const char *policy)
{
	static const char *const known[] = { "always", "missing", "if_not_present", "never", NULL };

	return str_one_of(policy, known)
		       ? NULL
		       : err_new(EINVAL,
				 "'%s' is not a pull policy; there are always, missing and never",
				 policy);
}

/* What must be asked for: always by policy, or because it is not here. */
static struct err *missing_images(const struct cli *c, const struct image_store *store,
				  const char *policy, bool always, char ***ret)
{
	for (size_t i = 0; i < c->project->n_services; i++) {
		const struct compose_service *s = &c->project->services[i];
		const char *p = policy_of(s, policy);
		auto_image struct image *image = NULL;

		TRY(err_wrap(check_policy(p), "service %s", s->name));
		if (strv_has(*ret, s->image) || (strcmp(p, "always") == 0) != always)
			continue;
		if (!always) {
			auto_err struct err *e = image_find(store, s->image, s->platform, &image);

			if (!e)
				continue;
			if (err_code(e) != ENOENT || strcmp(p, "never") == 0)
				return err_wrap(steal(&e), "service %s", s->name);
		}
		strv_add(ret, mem_strdup(s->image));
	}
	return NULL;
}

static struct err *pull_missing(const struct cli *c, const struct image_store *store,
				const char *policy, bool quiet)
{
	enum image_progress progress = quiet || str_eq(c->progress, "quiet") ? IMAGE_PROGRESS_QUIET
				       : str_eq(c->progress, "plain")	     ? IMAGE_PROGRESS_PLAIN
									     : IMAGE_PROGRESS_AUTO;

	for (int always = 0; always < 2; always++) {
		auto_strv char **references = NULL;

		TRY(missing_images(c, store, policy, always, &references));
		auto_strv char **rest = NULL;

		/* services may name platforms of their own: those are asked for one by one */
		for (size_t i = 0; i < c->project->n_services; i++) {
			const struct compose_service *s = &c->project->services[i];
			char *const one[] = { (char *)(uintptr_t)s->image, NULL };
			struct image_pull p = { .references = one,
						.platform = s->platform,
						.progress = progress,
						.always = always };

			if (!strv_has(references, s->image))
				continue;
			if (s->platform)
				TRY(image_pull(store, &p));
			else if (!strv_has(rest, s->image))
				strv_add(&rest, mem_strdup(s->image));
		}
		struct image_pull all = { .references = rest,
					  .progress = progress,
					  .always = always };

		if (rest)
			TRY(image_pull(store, &all));
	}
	return NULL;
}

struct err *cli_images(struct cli *c, const char *policy, bool quiet, struct image ***ret)
{
	auto_image_store struct image_store *store = NULL;
	const struct compose_project *p = c->project;

	TRY(cli_host(c));
	TRY(image_store_open(c->host->root, &store));
	TRY(pull_missing(c, store, policy, quiet));
	struct image **images = mem_alloc((p->n_services + 1) * sizeof(struct image *));
	struct err *e = NULL;

	for (size_t i = 0; i < p->n_services && !e; i++)
		e = err_wrap(image_find(store, p->services[i].image, p->services[i].platform,
					&images[i]),
			     "service %s", p->services[i].name);
	if (e) {
		cli_images_free(c, images);
		return e;
	}
	*ret = images;
	return NULL;
}

void cli_images_free(const struct cli *c, struct image **images)
{
	for (size_t i = 0; images && i < c->project->n_services; i++)
		image_free(images[i]);
	free(images);
}

/* ---- up, attached ---- */

struct screen {
	struct image **images;
	size_t width; /* of the longest service's name */
	bool colour, prefix;
	const struct compose_project *project;
};

static void show_output(void *ctx, const char *service, enum pod_stream stream, const char *line,
			size_t len)
{
	static const int colours[] = { 36, 33, 32, 35, 34, 96, 93, 92, 95, 94 };
	const struct screen *s = ctx;
	FILE *out = stream == POD_STDERR ? stderr : stdout;
	const struct compose_service *v = compose_find(s->project, service);
	size_t index = v ? (size_t)(v - s->project->services) : 0;
	auto_free char *name = mem_printf("%s-1", service);

	if (s->prefix && s->colour)
		fprintf(out, "\033[%dm%-*s  | \033[0m", colours[index % ARRAY_LEN(colours)],
			(int)s->width + 2, name);
	else if (s->prefix)
		fprintf(out, "%-*s  | ", (int)s->width + 2, name);
	fwrite(line, 1, len, out);
	if (len == 0 || line[len - 1] != '\n')
		fputc('\n', out);
	fflush(out);
}

static void release_images(void *ctx)
{
	const struct screen *s = ctx;

	for (size_t i = 0; i < s->project->n_services; i++)
		image_release(s->images[i]);
}

static void show_event(void *ctx, const char *container, const char *what)
{
	(void)ctx;
	fprintf(stderr, " Container %s  %s\n", container, what);
}

static struct err *up_attached(const struct cli *c, const struct pod_plan *plan,
			       struct image **images, const struct up_values *v, int *ret_code)
{
	struct screen screen = { .images = images,
				 .colour = use_colour(stdout),
				 .prefix = !v->no_prefix,
				 .project = c->project };
	struct pod_run_options o = { .watcher = { .ctx = &screen,
						  .on_up = release_images,
						  .on_event = show_event,
						  .on_output = show_output },
				     .quit_signals = true,
				     .stop_timeout = v->timeout };
	struct pod_result result = { 0 };

	for (size_t i = 0; i < c->project->n_services; i++)
		if (strlen(c->project->services[i].name) > screen.width)
			screen.width = strlen(c->project->services[i].name);
	TRY(pod_run(plan, c->host, &o, &result));
	*ret_code = result.interrupted ? 0 : result.exit_code;
	return NULL;
}

/* ---- up -d: the supervisor is a child that outlives us ---- */

/* What the supervisor tells until the pod is up: 'E' an event, 'U' it is up; or an error's message. */
struct reporter {
	int pipe;
	bool up;
	struct image **images; /* the pod's state names their layers by then */
	size_t n_images;
};

static void report_event(void *ctx, const char *container, const char *what)
{
	const struct reporter *r = ctx;
	auto_free char *line = mem_printf("E Container %s  %s\n", container, what);

	if (!r->up)
		(void)!write(r->pipe, line, strlen(line));
}

static void report_up(void *ctx)
{
	struct reporter *r = ctx;

	r->up = true;
	for (size_t i = 0; i < r->n_images; i++)
		image_release(r->images[i]);
	(void)prctl(PR_SET_PDEATHSIG, 0); /* from now on the pod stands on its own */
	(void)!write(r->pipe, "U\n", 2);
	fd_close(&r->pipe);
}

/* Standard streams to where a background process has them; what it logs goes to a file beside the pod's logs. */
static void go_background(const struct cli *c)
{
	auto_free char *path = mem_printf("%s/supervisor.log", c->host->root);
	auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	(void)setsid();
	/* whoever reads from a pipe we were given would wait for its end as long as the pod lives */
	for (int fd = 3; fd < 64; fd++)
		if (c->inherited >> fd & 1)
			(void)close(fd);
	for (int i = 0; i < 3; i++)
		(void)dup2(null, i);
	(void)!chdir("/");
	log_setup("slipway", LOG_LEVEL_WARN, LOG_KEYS);
	log_pod(c->project->name);
	log_to(log);
}

static _Noreturn void supervise(const struct cli *c, const struct pod_plan *plan,
				struct image **images, const struct up_values *v, int pipe,
				pid_t parent)
{
	struct reporter r = { .pipe = pipe, .images = images, .n_images = c->project->n_services };
	struct pod_run_options o = {
		.watcher = { .ctx = &r, .on_event = report_event, .on_up = report_up },
		.wait = v->wait,
		.quit_signals = true,
		.stop_timeout = v->timeout
	};
	struct pod_result result = { 0 };

	/* killed before the pod is up, 'up -d' leaves none behind */
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXIT_INTERRUPTED);
	go_background(c);
	struct err *e = pod_run(plan, c->host, &o, &result);

	if (e && !r.up)
		err_send(r.pipe, err_wrap(e, "%s", "!")); /* '!' tells it from an event */
	else if (e)
		log_error("%s", err_text(e));
	_exit(e ? EXIT_USAGE : result.exit_code);
}

static volatile sig_atomic_t supervisor_pid;

static void pass_to_supervisor(int signal)
{
	if (supervisor_pid > 0)
		(void)kill((pid_t)supervisor_pid, signal);
}

/* Shows what the supervisor tells; true when the pod is up. */
static struct err *hear(int pipe, bool *ret_up)
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
				fprintf(stderr, "%s\n", line + 1);
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

static struct err *up_detached(const struct cli *c, const struct pod_plan *plan,
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
		supervise(c, plan, images, v, ends[1], parent);
	}
	close(ends[1]);
	auto_fd int pipe = ends[0];

	if (pid < 0)
		return err_errno("start the supervisor");
	supervisor_pid = pid;
	(void)sigaction(SIGINT, &pass, NULL);
	(void)sigaction(SIGTERM, &pass, NULL);
	TRY(hear(pipe, &up));
	*ret_code = up ? 0 : EXIT_INTERRUPTED;
	return NULL;
}

/* Whether the pod runs. One whose services have all ended is waited for: it is being taken down. */
static bool is_running(const struct pod_host *h, const char *name)
{
	for (int tries = 0; tries < DOWN_WAIT / DOWN_POLL; tries++) {
		auto_pod_state struct pod_state *s = NULL;
		auto_err struct err *none = pod_state_read(h, name, &s);
		bool any = false;

		if (none || !s->alive)
			return false;
		for (size_t i = 0; i < s->n_services; i++)
			any |= !str_one_of(s->services[i].state,
					   (const char *const[]) { "exited", "dead", NULL });
		if (any || strcmp(s->status, "starting") == 0)
			return true;
		usleep(DOWN_POLL * 1000);
	}
	return true;
}

struct err *cmd_up(struct cli *c, const void *values, char **operands, int *ret_code)
{
	const struct up_values *v = values;
	auto_pod_plan struct pod_plan *plan = NULL;
	auto_strv char **warnings = NULL;
	struct image **images = NULL;

	TRY(cli_project(c, operands, true));
	TRY(cli_host(c));
	if (is_running(c->host, c->project->name)) {
		if (!v->detach && !v->wait)
			return err_new(EBUSY,
				       "pod %s is already running; 'slipway logs -f' follows it, "
				       "'slipway down' ends it",
				       c->project->name);
		log_info("pod %s is already running", c->project->name);
		return NULL;
	}
	TRY(cli_images(c, v->pull, v->quiet_pull, &images));
	struct err *e = pod_plan(c->project, images, c->host, &plan, &warnings);

	for (char **w = warnings; w && *w; w++)
		log_warn("%s", *w);
	if (!e)
		e = v->detach || v->wait ? up_detached(c, plan, images, v, ret_code)
					 : up_attached(c, plan, images, v, ret_code);
	if (err_code(e) == ENOENT && e && strstr(err_text(e), "exec: "))
		*ret_code = EXIT_NOT_FOUND;
	else if (err_code(e) == EACCES && strstr(err_text(e), "exec: "))
		*ret_code = EXIT_NOT_EXECUTABLE;
	pod_plan_free(steal(&plan));
	cli_images_free(c, images);
	return e;
}

/* ---- down ---- */

struct down_values {
	bool volumes;
	int64_t timeout;
};
#undef V
#define V(f) offsetof(struct down_values, f)
const struct opt down_options[] = {
	{ 'v', "volumes", OPT_FLAG, NULL, V(volumes),
	  "remove the project's volumes too; external ones stay" },
	{ 't', "timeout", OPT_SECONDS, "SECONDS", V(timeout), "wait so long for services to stop" },
	{ 0 },
};

/* By label, so that it works without the file, and never touches what is external. */
static struct err *remove_volumes(const struct cli *c, const char *name)
{
	auto_free char *label = mem_printf("com.docker.compose.project=%s", name);
	struct image_volume *volumes = NULL;
	struct err *errors = NULL;
	size_t n = 0;

	TRY(image_volume_list(c->host->root, &volumes, &n));
	for (size_t i = 0; i < n; i++) {
		if (strv_has(volumes[i].labels, label)) {
			fprintf(stderr, " Volume %s  Removed\n", volumes[i].name);
			errors = err_join(errors,
					  image_volume_remove(c->host->root, volumes[i].name));
		}
		image_volume_clear(&volumes[i]);
	}
	free(volumes);
	return errors;
}

struct err *cmd_down(struct cli *c, const void *values, char **operands, int *ret_code)
{
	const struct down_values *v = values;
	const char *name = NULL;

	(void)ret_code;
	if (*operands)
		return err_new(EINVAL, "down takes no services; 'slipway stop %s' stops one",
			       *operands);
	TRY(cli_name(c, &name));
	TRY(cli_host(c));
	struct err *e = pod_down(c->host, name, v->timeout);

	if (err_code(e) == ENOENT) { /* nothing to do is no failure, as with docker compose */
		log_warn("%s", err_text(e));
		err_free(e);
		e = NULL;
	} else if (!e) {
		fprintf(stderr, " Pod %s  Removed\n", name);
	}
	return err_join(e, v->volumes ? remove_volumes(c, name) : NULL);
}

/* ---- stop, start, restart, kill ---- */

struct stop_values {
	int64_t timeout;
};
const struct opt stop_options[] = {
	{ 't', "timeout", OPT_SECONDS, "SECONDS", offsetof(struct stop_values, timeout),
	  "wait so long, then SIGKILL" },
	{ 0 },
};

static struct err *ask(struct cli *c, const char *what, char **services, const char *argument)
{
	const char *name = NULL;

	TRY(cli_name(c, &name));
	TRY(cli_host(c));
	struct err *e = pod_ask(c->host, name, what, services, argument);

	if (err_code(e) != ENOENT || strcmp(what, "stop") != 0 || *services)
		return e;
	log_warn("%s", err_text(e)); /* what does not run is stopped already */
	err_free(e);
	return NULL;
}

static char *milliseconds(const struct stop_values *v)
{
	return v->timeout >= 0 ? mem_printf("%lld", (long long)v->timeout) : NULL;
}

struct err *cmd_stop(struct cli *c, const void *values, char **operands, int *ret_code)
{
	auto_free char *timeout = milliseconds(values);

	(void)ret_code;
	return ask(c, "stop", operands, timeout);
}

struct err *cmd_restart(struct cli *c, const void *values, char **operands, int *ret_code)
{
	auto_free char *timeout = milliseconds(values);

	(void)ret_code;
	return ask(c, "restart", operands, timeout);
}

struct err *cmd_start(struct cli *c, const void *values, char **operands, int *ret_code)
{
	(void)values;
	(void)ret_code;
	return ask(c, "start", operands, NULL);
}

struct kill_values {
	const char *signal;
};
const struct opt kill_options[] = {
	{ 's', "signal", OPT_TEXT, "SIGNAL", offsetof(struct kill_values, signal),
	  "SIGTERM, TERM or 15" },
	{ 0 },
};

struct err *cmd_kill(struct cli *c, const void *values, char **operands, int *ret_code)
{
	(void)ret_code;
	return ask(c, "kill", operands, ((const struct kill_values *)values)->signal);
}
