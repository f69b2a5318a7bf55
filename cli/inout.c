/* SPDX-License-Identifier: Apache-2.0 */
/* cli/inout.c - logs, exec, attach and cp. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

/* ---- logs ---- */

struct logs_values {
	bool follow, timestamps, no_prefix, no_colour;
	const char *tail, *since, *until, *index;
};
#define V(f) offsetof(struct logs_values, f)
const struct opt logs_options[] = {
	{ 'f', "follow", OPT_FLAG, NULL, V(follow), "go on until the pod ends" },
	{ 'n', "tail", OPT_TEXT, "LINES", V(tail), "only the last lines of each service; all" },
	{ 0, "since", OPT_TEXT, "TIME", V(since),
	  "from this time on: 2026-01-02T15:04:05Z, or 10m ago" },
	{ 0, "until", OPT_TEXT, "TIME", V(until), "before this time: as --since" },
	{ 't', "timestamps", OPT_FLAG, NULL, V(timestamps), "when each line was written" },
	{ 0, "no-log-prefix", OPT_FLAG, NULL, V(no_prefix), "without the service's name" },
	{ 0, "index", OPT_TEXT, "N", V(index), "of one service: which of its instances, from 1" },
	{ 0, "no-color", OPT_FLAG, NULL, V(no_colour), "no colours" },
	{ 0 },
};
#undef V

struct log_screen {
	const struct logs_values *v;
	size_t width;
	bool colour;
	const char *since,
		*until; /* as the times of lines are written, so that texts compare; or NULL */
	const struct pod_state *state;
	bool apart; /* what was said on standard error goes there, as with docker logs; else all is one */
};

/* "10m", "2026-01-02", "2026-01-02T15:04", with seconds, with a zone: in UTC, as logs have it. */
static struct err *parse_time(const char *option, const char *text, char **ret)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d" };
	struct tm tm = { 0 };
	const char *rest = NULL;
	int64_t ago = 0;
	time_t t = time(NULL);
	auto_err struct err *no_duration = compose_parse_duration(text, &ago);

	for (size_t i = 0; no_duration && !rest && i < ARRAY_LEN(forms); i++) {
		tm = (struct tm) { 0 };
		rest = strptime(text, forms[i], &tm);
	}
	if (no_duration && !rest)
		return err_new(EINVAL, "%s: '%s' is no time; write 2026-01-02T15:04:05Z or 10m",
			       option, text);
	if (!no_duration)
		t -= (time_t)(ago / 1000);
	else if (*rest == 'Z' || *rest == '.')
		t = timegm(&tm);
	else if (!*rest)
		t = mktime(&tm);
	else
		return err_new(EINVAL, "%s: '%s' ends oddly; zones other than Z are not read",
			       option, text);
	char buffer[32];

	gmtime_r(&t, &tm);
	strftime(buffer, sizeof(buffer), "%Y-%m-%dT%H:%M:%S", &tm);
	*ret = mem_printf("%s%s", buffer, no_duration && *rest == '.' ? rest : "");
	return NULL;
}

/* A container of its own, without a project. */
static bool is_single(const struct pod_state *s)
{
	return json_at(s->json, "kind") != NULL;
}

/* A container of its own has no project whose names could be left out. */
static char *prefix_of(const struct pod_state *s, const char *key)
{
	const struct pod_service_state *v = pod_state_find(s, key);

	return !v || is_single(s) ? text_instance(key) : text_prefix(s->name, key, v->container);
}

static bool show_line(void *ctx, const char *service, enum pod_stream stream, const char *time,
		      const char *line, size_t len)
{
	static const int colours[] = { 36, 33, 32, 35, 34, 96, 93, 92, 95, 94 };
	const struct log_screen *s = ctx;
	FILE *out = s->apart && stream == POD_STDERR ? stderr : stdout;
	const struct pod_service_state *v = pod_state_find(s->state, service);
	auto_free char *name = prefix_of(s->state, service);

	if (s->since && strcmp(time, s->since) < 0)
		return true;
	if (s->until && strcmp(time, s->until) >= 0)
		return true;
	if (!s->v->no_prefix && s->colour)
		fprintf(out, "\033[%dm%-*s  | \033[0m",
			colours[v ? (size_t)(v - s->state->services) % ARRAY_LEN(colours) : 0],
			(int)s->width, name);
	else if (!s->v->no_prefix)
		fprintf(out, "%-*s  | ", (int)s->width, name);
	if (s->v->timestamps)
		fprintf(out, "%s ", time);
	fwrite(line, 1, len, out);
	if (len == 0 || line[len - 1] != '\n')
		fputc('\n', out);
	return fflush(out) == 0;
}

/* Those that the pod has; one that is only in the file has written nothing. */
static struct err *choose_shown(const struct pod_state *s, char **operands, const char *index,
				char ***ret)
{
	auto_free char *key = NULL;

	if (index && (!operands[0] || operands[1]))
		return err_new(EINVAL, "--index is of one service");
	if (index)
		TRY(text_index(operands[0], index, &key));
	for (char **o = operands; *o; o++) {
		const char *name = key ? key : *o;

		if (pod_state_find(s, name))
			strv_add(ret, mem_strdup(name));
		else if (key)
			return pod_no_service(key);
	}
	return NULL;
}

struct err *cmd_logs(struct cli *c, const void *values, char **operands, int *ret_code)
{
	const struct logs_values *v = values;
	auto_pod_state struct pod_state *state = NULL;
	struct log_screen screen = { .v = v, .colour = !v->no_colour && use_colour(stdout) };
	struct pod_logs l = { .services = operands,
			      .follow = v->follow,
			      .tail = -1,
			      .ctx = &screen,
			      .on_line = show_line };
	const char *name = NULL;

	(void)ret_code;
	if (v->tail && strcmp(v->tail, "all") != 0)
		TRY(err_wrap(str_number(v->tail, 0, INT32_MAX, &l.tail), "--tail"));
	auto_free char *since = NULL, *until = NULL;

	if (v->since)
		TRY(parse_time("--since", v->since, &since));
	if (v->until)
		TRY(parse_time("--until", v->until, &until));
	screen.since = since;
	screen.until = until;
	TRY(cli_aim(c, operands, SIZE_MAX));
	TRY(cli_name(c, &name));
	TRY(cli_host(c));
	struct err *none = pod_state_read(c->host, name, &state);

	if (err_code(none) == ENOENT) { /* as with docker compose: nothing to show */
		log_warn("%s", err_text(none));
		err_free(none);
		return NULL;
	}
	TRY(none);
	screen.state = state;
	screen.apart = is_single(state);
	auto_strv char **shown = NULL;

	TRY(choose_shown(state, operands, v->index, &shown));
	if (*operands && !shown)
		return NULL;
	l.services = shown ? shown : operands;
	for (size_t i = 0; i < state->n_services; i++) {
		auto_free char *prefix = prefix_of(state, state->services[i].key);

		if (strlen(prefix) > screen.width)
			screen.width = strlen(prefix);
	}
	return pod_logs(c->host, name, &l);
}

/* ---- exec ---- */

struct exec_values {
	bool privileged;
	bool no_tty, tty, interactive, detach;
	char **env;
	const char *user, *cwd, *index;
};
#define V(f) offsetof(struct exec_values, f)
const struct opt exec_options[] = {
	{ 'T', "no-TTY", OPT_FLAG, NULL, V(no_tty), "no terminal" },
	{ 't', "tty", OPT_FLAG, NULL, V(tty),
	  "a terminal; the default where standard input is one" },
	{ 'i', "interactive", OPT_FLAG, NULL, V(interactive),
	  "standard input is passed on; always on" },
	{ 'd', "detach", OPT_FLAG, NULL, V(detach), "do not wait for the command" },
	{ 'e', "env", OPT_TEXTS, "NAME[=VALUE]", V(env), "set a variable, or pass ours on" },
	{ 'u', "user", OPT_TEXT, "USER[:GROUP]", V(user), "run as another user" },
	{ 0, "privileged", OPT_FLAG, NULL, V(privileged),
	  "with all capabilities that this host gives, and without the filter of system calls" },
	{ 'w', "workdir", OPT_TEXT, "DIR", V(cwd), "run in another directory" },
	{ 0, "index", OPT_TEXT, "N", V(index), "which instance of the service, from 1" },
	{ 0 },
};
#undef V

/* A name alone takes the value that it has here; one that is not set here is not set there. */
static char **own_environment(char *const *given)
{
	char **env = NULL;

	for (char *const *e = given; e && *e; e++) {
		const char *value = strchr(*e, '=') ? NULL : getenv(*e);

		if (strchr(*e, '='))
			strv_add(&env, mem_strdup(*e));
		else if (value)
			strv_add(&env, mem_printf("%s=%s", *e, value));
	}
	return env;
}

struct err *cmd_exec(struct cli *c, const void *values, char **operands, int *ret_code)
{
	const struct exec_values *v = values;
	const char *name = NULL;

	if (!operands[0] || !operands[1])
		return err_new(EINVAL, "exec: a service and a command are needed");
	if (v->tty && !isatty(STDIN_FILENO))
		return err_new(ENOTTY, "exec: -t: standard input is not a terminal");
	if (v->cwd && *v->cwd && *v->cwd != '/')
		return err_new(EINVAL, "exec: --workdir: '%s' is not an absolute path", v->cwd);
	auto_strv char **env = own_environment(v->env);
	TRY(cli_aim(c, operands, 1));
	auto_free char *key = NULL;

	TRY(text_index(operands[0], v->index, &key));
	struct pod_exec e = { .service = key,
			      .argv = operands + 1,
			      .env = env,
			      .cwd = v->cwd,
			      .user = v->user,
			      .tty = !v->no_tty && !v->detach && isatty(STDIN_FILENO) &&
				     isatty(STDOUT_FILENO),
			      .interactive = true,
			      .detach = v->detach,
			      .privileged = v->privileged };

	TRY(cli_name(c, &name));
	TRY(cli_host(c));
	struct err *error = pod_exec(c->host, name, &e, ret_code);

	if (err_code(error) == ENOENT && strstr(err_text(error), "exec: "))
		*ret_code = EXIT_NOT_FOUND;
	else if (err_code(error) == EACCES && strstr(err_text(error), "exec: "))
		*ret_code = EXIT_NOT_EXECUTABLE;
	else if (error)
		*ret_code = EXIT_USAGE;
	return error;
}

/* ---- attach ---- */

struct attach_values {
	bool no_stdin;
	const char *keys, *index, *proxy;
};
#define V(f) offsetof(struct attach_values, f)
const struct opt attach_options[] = {
	{ 0, "detach-keys", OPT_TEXT, "KEYS", V(keys), "leave it running; ctrl-p,ctrl-q" },
	{ 0, "no-stdin", OPT_FLAG, NULL, V(no_stdin), "only see and hear" },
	{ 0, "sig-proxy", OPT_TEXT, "BOOL", V(proxy), "signals are the container's; true" },
	{ 0, "index", OPT_TEXT, "N", V(index), "which instance of the service, from 1" },
	{ 0 },
};
#undef V

struct err *cmd_attach(struct cli *c, const void *values, char **operands, int *ret_code)
{
	const struct attach_values *v = values;
	auto_pod_state struct pod_state *state = NULL;
	struct pod_session_end end = { 0 };
	const char *name = NULL;

	if (!operands[0] || operands[1])
		return err_new(EINVAL, "attach: one service is needed");
	if (v->proxy && !str_one_of(v->proxy, (const char *const[]) { "true", "false", NULL }))
		return err_new(EINVAL, "attach: --sig-proxy %s is not true or false", v->proxy);
	TRY(cli_aim(c, operands, 1));
	TRY(cli_name(c, &name));
	TRY(cli_host(c));
	TRY(pod_state_read(c->host, name, &state));
	auto_free char *key = NULL;

	TRY(text_index(operands[0], v->index, &key));
	const struct pod_service_state *s = pod_state_find(state, key);

	if (!s)
		return pod_no_service(key);
	struct pod_session session = {
		.interactive = !v->no_stdin && json_is_true(json_at(s->json, "stdin_open")),
		.tty = json_is_true(json_at(s->json, "tty")) && isatty(STDIN_FILENO),
		.no_proxy = str_eq(v->proxy, "false"),
		.detach_keys = v->keys,
	};

	TRY(pod_attach(c->host, state->name, s->key, &session, &end));
	*ret_code = end.code;
	return NULL;
}

/* ---- cp ---- */

struct cp_values {
	bool archive, follow;
	const char *index;
};
#define V(f) offsetof(struct cp_values, f)
const struct opt cp_options[] = {
	{ 'a', "archive", OPT_FLAG, NULL, V(archive), "keep owners" },
	{ 'L', "follow-link", OPT_FLAG, NULL, V(follow), "copy what a link names, not the link" },
	{ 0, "index", OPT_TEXT, "N", V(index), "which instance of the service, from 1" },
	{ 0 },
};
#undef V

/* "SERVICE:PATH"; a host's path that has a colon begins with / or . */
static const char *path_in_service(const char *text)
{
	const char *colon = strchr(text, ':');

	return colon && *text != '/' && *text != '.' ? colon + 1 : NULL;
}

/* Into a service of several instances the same goes to each, as with docker compose. */
static struct err *copy_to_all(const struct cli *c, const char *name, struct pod_copy *copy)
{
	auto_pod_state struct pod_state *s = NULL;
	const char *service = copy->service;
	struct err *errors = NULL;
	size_t n = 0;

	TRY(pod_state_read(c->host, name, &s));
	for (size_t i = 0; i < s->n_services; i++)
		n += strcmp(s->services[i].service, service) == 0;
	if (n > 1 && copy->tar)
		return err_new(EINVAL, "a tar is read once, and %s has %zu instances: --index N",
			       service, n);
	for (size_t i = 0; i < s->n_services && n > 1; i++) {
		copy->service = s->services[i].key;
		if (strcmp(s->services[i].service, service) == 0)
			errors = err_join(errors, pod_copy(c->host, name, copy));
	}
	return n > 1 ? errors : pod_copy(c->host, name, copy);
}

struct err *cmd_cp(struct cli *c, const void *values, char **operands, int *ret_code)
{
	const struct cp_values *v = values;
	const char *name = NULL;

	(void)ret_code;
	if (!operands[0] || !operands[1] || operands[2])
		return err_new(EINVAL, "cp: wants what to copy, and where to");
	const char *from = path_in_service(operands[0]), *to = path_in_service(operands[1]);

	if (!from == !to)
		return err_new(EINVAL, "cp: one of both must be SERVICE:PATH");
	const char *host = from ? operands[1] : operands[0];
	bool tar = strcmp(host, "-") == 0;

	if (tar && isatty(from ? STDOUT_FILENO : STDIN_FILENO))
		return err_new(EINVAL, "cp: a tar goes to a file or a pipe, not to a terminal, and "
				       "comes from there");
	const char *path = from ? from : to;
	const char *whole = from ? operands[0] : operands[1];
	auto_free char *given = mem_strndup(whole, (size_t)(path - whole) - 1);
	char *one[] = { given, NULL };

	TRY(cli_aim(c, one, 1));
	auto_free char *service = NULL;

	TRY(text_index(one[0], v->index, &service));
	auto_free char *absolute = mem_printf("%s%s", *path == '/' ? "" : "/", path);
	struct pod_copy copy = { .service = service,
				 .path = absolute,
				 .host_path = host,
				 .tar = tar,
				 .out = from != NULL,
				 .archive = v->archive,
				 .follow = v->follow };

	if (tar && (v->follow || v->archive))
		return err_new(
			EINVAL,
			"cp: a tar has links and owners as they are: -L and -a are not for it");
	if (v->follow && copy.out)
		return err_new(ENOTSUP, "cp: -L is offered for files of the host only");
	TRY(cli_name(c, &name));
	TRY(cli_host(c));
	return err_wrap(copy.out || v->index ? pod_copy(c->host, name, &copy)
					     : copy_to_all(c, name, &copy),
			"cp %s", operands[0]);
}
