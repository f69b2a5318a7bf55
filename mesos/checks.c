/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mesos/checks.c - Mesos health checks and checks: HTTP, TCP and COMMAND, in the pod.
 *
 * An interval is counted from the end of the check before. HTTP and TCP connect
 * from the pod's network namespace to 127.0.0.1; a redirect is an answer and is
 * not followed, for the names in it would have to be resolved. A health check's failures do not
 * count in the grace period while it has never succeeded.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "mesos/internal.h"

enum check_kind { CHECK_HTTP, CHECK_TCP, CHECK_COMMAND };
enum { OK_FIRST = 200, OK_LAST = 399, INTERVAL_LEAST = 10 /* milliseconds */ };

struct check {
	struct session *session;
	struct pod *pod;
	struct task *task;
	struct check_owner owner;
	bool is_health;
	enum check_kind kind;
	const json_t *info;			    /* HealthCheck or CheckInfo, the task's */
	uint64_t interval, timeout, grace, started; /* milliseconds; timeout 0: none */
	int64_t failures, failures_max;
	bool ever, healthy; /* of a health check */
	json_t *last;	    /* CheckStatusInfo that was told; of a check */
	char *url;
	uint16_t port;
	bool ipv6;
	char **argv, **env;
	char *service;
	struct watch *on_time, *on_connect, *on_limit;
	struct http_call *call;
	struct pod_command *command;
	int socket, own_netns;
};

static const char *const kinds[] = { "HTTP", "TCP", "COMMAND" };
static const char *const members[] = { "http", "tcp", "command" };

static void run(void *arg);

/* ---- results ---- */

static void schedule(struct check *c, uint64_t after)
{
	watch_free(c->on_time);
	c->on_time = loop_timer(c->session->loop, after, run, c);
}

static void end_attempt(struct check *c)
{
	watch_free(c->on_connect);
	watch_free(c->on_limit);
	c->on_connect = c->on_limit = NULL;
	http_cancel(steal(&c->call));
	pod_command_cancel(steal(&c->command));
	fd_close(&c->socket);
}

static void judge_health(struct check *c, bool ok, const char *why)
{
	bool in_grace = !c->ever && proc_now_ms() - c->started <= c->grace;
	bool changed = ok && !(c->ever && c->healthy);

	if (!ok && in_grace) {
		log_debug("health check of %s in its grace period: %s", c->task->id, why);
		return;
	}
	c->failures = ok ? 0 : c->failures + 1;
	c->healthy = ok;
	c->ever |= ok;
	if (changed || !ok)
		c->owner.on_health(c->owner.ctx, c->task, ok, !ok && c->failures >= c->failures_max,
				   why);
}

/* {"type":"HTTP","http":{"status_code":200}}; without a result: {"type":"HTTP","http":{}}. */
static json_t *status_of(enum check_kind kind, const char *key, json_t *take_value)
{
	json_t *j = json_pack("{s:s, s:{}}", "type", kinds[kind], members[kind]);

	if (take_value)
		json_object_set_new(json_object_get(j, members[kind]), key, take_value);
	return j;
}

static void judge_check(struct check *c, const char *key, json_t *take_value)
{
	auto_json json_t *now = status_of(c->kind, key, take_value);

	if (json_equal(now, c->last))
		return;
	json_decref(c->last);
	c->last = json_incref(now);
	c->owner.on_check(c->owner.ctx, c->task, now);
}

/*
 * @value: what a check tells, taken; NULL: it could not be found out. The owner may
 * stop the check in the call, so the next attempt is scheduled before it.
 */
static void finish(struct check *c, bool ok, const char *why, const char *key, json_t *take_value)
{
	end_attempt(c);
	/* what fails at once must not keep us from everything else */
	schedule(c, c->interval < INTERVAL_LEAST ? INTERVAL_LEAST : c->interval);
	if (c->is_health) {
		json_decref(take_value);
		judge_health(c, ok, why);
	} else {
		judge_check(c, key, take_value);
	}
}

/* ---- HTTP ---- */

static bool status_is_good(const json_t *info, long status)
{
	const json_t *list = json_at(info, "http.statuses");

	for (size_t i = 0; i < json_array_size(list); i++)
		if (json_integer_value(json_array_get(list, i)) == status)
			return true;
	return !json_array_size(list) && status >= OK_FIRST && status <= OK_LAST;
}

static void on_answer(void *ctx, long status, const char *text)
{
	struct check *c = ctx;
	auto_free char *why =
		status ? mem_printf("HTTP status %ld", status) : mem_printf("no answer: %s", text);

	c->call = NULL;
	finish(c, status && status_is_good(c->info, status), why, "status_code",
	       status ? json_integer(status) : NULL);
}

static struct err *run_http(struct check *c)
{
	const struct http_request r = { .url = c->url,
					.timeout = c->timeout,
					.netns = pod_netns(c->pod),
					.on_done = on_answer,
					.ctx = c };

	return http_send(c->session->http, &r, &c->call);
}

/* ---- TCP ---- */

static struct err *open_in_pod(struct check *c)
{
	int family = c->ipv6 ? AF_INET6 : AF_INET, netns = pod_netns(c->pod);

	if (netns >= 0 && c->own_netns < 0)
		TRY(fd_openat(AT_FDCWD, "/proc/self/ns/net", O_RDONLY, &c->own_netns));
	if (netns >= 0 && setns(netns, CLONE_NEWNET) < 0)
		return err_errno("the pod's network");
	c->socket = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int saved = errno;

	if (netns >= 0 && setns(c->own_netns, CLONE_NEWNET) < 0)
		abort(); /* everything that follows would be in the wrong place */
	errno = saved;
	return c->socket < 0 ? err_errno("socket") : NULL;
}

static void tell_connected(struct check *c, int error)
{
	auto_free char *why = mem_printf("port %u: %s", c->port, error ? strerror(error) : "open");

	finish(c, error == 0, why, "succeeded", json_boolean(error == 0));
}

static void on_connect(void *arg)
{
	struct check *c = arg;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)getsockopt(c->socket, SOL_SOCKET, SO_ERROR, &error, &len);
	tell_connected(c, error);
}

static void on_tcp_limit(void *arg)
{
	tell_connected(arg, ETIMEDOUT);
}

static struct err *run_tcp(struct check *c)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_port = htons(c->port),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons(c->port),
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT };

	TRY(open_in_pod(c));
	int rc = c->ipv6 ? connect(c->socket, (struct sockaddr *)&v6, sizeof(v6))
			 : connect(c->socket, (struct sockaddr *)&v4, sizeof(v4));

	if (rc < 0 && errno != EINPROGRESS) {
		tell_connected(c, errno);
		return NULL;
	}
	c->on_connect = loop_writable(c->session->loop, c->socket, on_connect, c);
	if (c->timeout)
		c->on_limit = loop_timer(c->session->loop, c->timeout, on_tcp_limit, c);
	return NULL;
}

/* ---- COMMAND ---- */

static void on_command(void *arg, int exit_code, const char *output)
{
	struct check *c = arg;
	auto_free char *why =
		exit_code == POD_COMMAND_LATE
			? mem_printf("the command took longer than %llu ms",
				     (unsigned long long)c->timeout)
			: mem_printf("the command exited with %d: %.200s", exit_code, output);

	c->command = NULL;
	finish(c, exit_code == 0, why, "exit_code",
	       exit_code == POD_COMMAND_LATE ? NULL : json_integer(exit_code));
}

static struct err *run_command(struct check *c)
{
	const struct pod_command_options o = { .argv = c->argv,
					       .env = c->env,
					       .timeout = (int64_t)c->timeout,
					       .fn = on_command,
					       .arg = c };

	return pod_command_start(c->pod, c->service, &o, &c->command);
}

static void run(void *arg)
{
	static struct err *(*const runners[])(struct check *) = { run_http, run_tcp, run_command };
	struct check *c = arg;

	watch_free(c->on_time);
	c->on_time = NULL;
	auto_err struct err *e = runners[c->kind](c);

	if (e)
		finish(c, false, err_text(e), "", NULL);
}

/* ---- what is asked for ---- */

static struct err *kind_of(const json_t *info, enum check_kind *ret)
{
	const char *type = wire_text(info, "type");

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		/* before there were types, the member told */
		if (strcmp(type, kinds[i]) == 0 ||
		    ((!*type || strcmp(type, "UNKNOWN") == 0) && json_at(info, members[i]))) {
			*ret = (enum check_kind)i;
			return NULL;
		}
	return err_new(EINVAL, "'%s' is not a type; there are HTTP, TCP and COMMAND", type);
}

/* A health check's is one level up. */
static const json_t *command_of(const json_t *info)
{
	const json_t *command = json_at(info, "command.command");

	return command ? command : json_at(info, "command");
}

/* NULL: there is nothing to run. The caller's. */
static char **command_argv(const json_t *command)
{
	const char *value = wire_text(command, "value");
	const json_t *list = json_at(command, "arguments");
	auto_strv char **argv = NULL;
	bool shell = wire_bool(command, "shell", true);

	if (shell) {
		strv_add(&argv, mem_strdup("/bin/sh"));
		strv_add(&argv, mem_strdup("-c"));
	}
	if (shell || *value)
		strv_add(&argv, mem_strdup(value));
	/* the first is argv[0], where value says what is run */
	for (size_t i = *value ? 1 : 0; !shell && i < json_array_size(list); i++) {
		const char *word = json_string_value(json_array_get(list, i));

		strv_add(&argv, mem_strdup(word ? word : ""));
	}
	return (shell ? *value : argv && **argv) ? steal(&argv) : NULL;
}

static struct err *validate(const json_t *info)
{
	static const char *const ports[] = { "http.port", "tcp.port" };
	static const char *const times[] = { "delay_seconds", "interval_seconds", "timeout_seconds",
					     "grace_period_seconds" };
	const char *scheme = wire_text(info, "http.scheme");
	enum check_kind kind = CHECK_HTTP;

	TRY(kind_of(info, &kind));
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		double s = wire_number(info, times[i], 0);

		if (!(s >= 0 && s < 1e9))
			return err_new(EINVAL, "%s: %g is not a time", times[i], s);
	}
	double failures = wire_number(info, "consecutive_failures", 0);

	if (!(failures >= 0 && failures <= UINT32_MAX))
		return err_new(EINVAL, "consecutive_failures: %g is not a number from 0 to %u",
			       failures, UINT32_MAX);
	if (kind == CHECK_COMMAND) {
		auto_strv char **argv = command_argv(command_of(info));

		return argv ? NULL : err_new(EINVAL, "there is no command");
	}
	double port = wire_number(info, ports[kind], 0);

	if (!(port >= 1 && port <= 65535))
		return err_new(EINVAL, "%s: %g is no port", ports[kind], port);
	if (*scheme && strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
		return err_new(EINVAL, "http.scheme: '%s' is neither http nor https", scheme);
	return NULL;
}

struct err *checks_validate(const json_t *task)
{
	const json_t *health = json_at(task, "health_check"), *check = json_at(task, "check");

	if (health)
		TRY(err_wrap(validate(health), "health_check"));
	return check ? err_wrap(validate(check), "check") : NULL;
}

json_t *check_status_empty(const json_t *task)
{
	const json_t *info = json_at(task, "check");
	enum check_kind kind = CHECK_HTTP;
	auto_err struct err *e = info ? kind_of(info, &kind) : NULL;

	return info && !e ? status_of(kind, "", NULL) : NULL;
}

/* ---- beginning and end ---- */

/* A framework that has asked for host ports knows no others: they lead to the container's. */
static uint16_t translate(const struct check *c, double port)
{
	struct pod_published *list = NULL;
	size_t n = pod_published(c->pod, &list);
	uint16_t found = (uint16_t)port;

	for (size_t i = 0; i < n; i++)
		if (list[i].host_port == (uint16_t)port && !list[i].udp)
			found = list[i].target;
	free(list);
	return found;
}

static uint64_t seconds(const json_t *info, const char *key, double fallback)
{
	return (uint64_t)(wire_number(info, key, fallback) * 1000);
}

static void set_command(struct check *c)
{
	const json_t *command = command_of(c->info);
	const json_t *variables = json_at(command, "environment.variables");

	c->argv = command_argv(command);
	for (size_t i = 0; i < json_array_size(variables); i++) {
		const json_t *v = json_array_get(variables, i);

		strv_add(&c->env, mem_printf("%s=%s", wire_text(v, "name"), wire_text(v, "value")));
	}
}

static void set_target(struct check *c)
{
	const char *member = c->kind == CHECK_HTTP ? "http" : "tcp";
	const json_t *target = json_at(c->info, member);
	const char *scheme = wire_text(target, "scheme"), *path = wire_text(target, "path");

	c->ipv6 = strcmp(wire_text(target, "protocol"), "IPv6") == 0;
	c->port = translate(c, wire_number(target, "port", 0));
	c->url =
		mem_printf("%s://%s:%u%s%s", *scheme ? scheme : "http",
			   c->ipv6 ? "[::1]" : "127.0.0.1", c->port, *path == '/' ? "" : "/", path);
}

static struct check *start(struct session *s, struct pod *pod, struct task *t, const char *service,
			   const struct check_owner *owner, const json_t *info, bool is_health)
{
	struct check *c = mem_alloc(sizeof(*c));

	*c = (struct check) { .session = s,
			      .pod = pod,
			      .task = t,
			      .owner = *owner,
			      .is_health = is_health,
			      .info = info,
			      .interval = seconds(info, "interval_seconds", 10),
			      .timeout = seconds(info, "timeout_seconds", 20),
			      .grace = seconds(info, "grace_period_seconds", 10),
			      .failures_max = (int64_t)wire_number(info, "consecutive_failures", 3),
			      .started = proc_now_ms(),
			      .service = mem_strdup(service),
			      .socket = -1,
			      .own_netns = -1 };
	err_ignore(kind_of(info, &c->kind));
	c->last = is_health ? NULL : status_of(c->kind, "", NULL);
	if (c->kind == CHECK_COMMAND)
		set_command(c);
	else
		set_target(c);
	schedule(c, seconds(info, "delay_seconds", 15));
	return c;
}

void checks_start(struct session *s, struct pod *pod, struct task *t, const char *service,
		  const struct check_owner *owner)
{
	const json_t *health = json_at(t->info, "health_check"), *check = json_at(t->info, "check");

	if (health && !t->health)
		t->health = start(s, pod, t, service, owner, health, true);
	if (check && !t->check)
		t->check = start(s, pod, t, service, owner, check, false);
}

static void stop(struct check *c)
{
	if (!c)
		return;
	end_attempt(c);
	watch_free(c->on_time);
	fd_close(&c->own_netns);
	json_decref(c->last);
	strv_free(c->argv);
	strv_free(c->env);
	free(c->service);
	free(c->url);
	free(c);
}

void checks_stop(struct task *t)
{
	stop(steal(&t->health));
	stop(steal(&t->check));
}
