/* SPDX-License-Identifier: Apache-2.0 */
/* cli/watch.c - looking at what runs: top, stats, events, wait, port and inspect. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "cli/cli.h"

/* The state of the project's pod; every operand is one of its services. */
static struct err *read_state(struct cli *c, char **operands, struct pod_state **ret)
{
	const char *name = NULL;

	TRY(cli_aim(c, operands, SIZE_MAX));
	TRY(cli_name(c, &name));
	TRY(cli_host(c));
	TRY(pod_state_read(c->host, name, ret));
	for (char **o = operands; *o; o++)
		if (!pod_state_find(*ret, *o))
			return err_new(ENOENT, "no such service: %s", *o);
	return NULL;
}

/* Of a project that has no pod, nothing, and that is no mistake. */
static struct err *read_what_is_there(struct cli *c, char **operands, struct pod_state **ret)
{
	struct err *e = read_state(c, operands, ret);

	if (err_code(e) != ENOENT || *operands)
		return e;
	log_warn("%s", err_text(e));
	err_free(e);
	*ret = mem_alloc(sizeof(**ret));
	return NULL;
}

static bool is_alive(const struct pod_service_state *s)
{
	return str_one_of(s->state, (const char *const[]) { "running", "paused", NULL });
}

static bool is_named(char **operands, const struct pod_service_state *s)
{
	return !*operands || strv_has(operands, s->service) || strv_has(operands, s->key);
}

static bool is_wanted(char **operands, const struct pod_service_state *s)
{
	return is_alive(s) && is_named(operands, s);
}

/* ---- top ---- */

/* What ps(1) tells of a process, of proc(5). */
struct process {
	int parent, tty;
	unsigned long used; /* clock ticks */
	unsigned long long start;
};

/* A process has gone when its files have: false. */
static bool read_process(const char *dir, struct process *p)
{
	auto_free char *path = mem_printf("%s/stat", dir), *text = NULL;
	auto_err struct err *e = fd_read_file(AT_FDCWD, path, 4096, &text);
	const char *rest = e ? NULL : strrchr(text, ')');
	unsigned long user = 0, system = 0;

	if (!rest || sscanf(rest,
			    ") %*c %d %*d %*d %d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d "
			    "%*d %*d %llu",
			    &p->parent, &p->tty, &user, &system, &p->start) != 5)
		return false;
	p->used = user + system;
	return true;
}

static char *command_line(const char *dir)
{
	auto_free char *path = mem_printf("%s/cmdline", dir);
	char *line = NULL;
	auto_fd int fd = -1;
	size_t len = 0;
	auto_err struct err *e = fd_openat(AT_FDCWD, path, O_RDONLY, &fd);

	if (!e)
		e = fd_read_all(fd, 1 << 20, &line, &len);
	for (size_t i = 0; !e && i + 1 < len; i++)
		if (line[i] == '\0')
			line[i] = ' ';
	return line;
}

/* As docker's, which are those of the host; one without a name is a number. */
static char *user_name(uid_t uid)
{
	const struct passwd *user = getpwuid(uid);

	return user ? mem_strdup(user->pw_name) : mem_printf("%u", uid);
}

static char *terminal_name(int device)
{
	unsigned line = minor((dev_t)device), kind = major((dev_t)device);

	return kind >= 136 && kind <= 143 ? mem_printf("pts/%u", (kind - 136) * 256 + line)
					  : mem_strdup("?");
}

/* The hour, or of another day the day. */
static char *start_text(time_t start)
{
	time_t now = time(NULL);
	struct tm today, then;
	char text[16];

	localtime_r(&now, &today);
	localtime_r(&start, &then);
	bool same = today.tm_yday == then.tm_yday && today.tm_year == then.tm_year;

	strftime(text, sizeof(text), same ? "%H:%M" : "%b%d", &then);
	return mem_strdup(text);
}

static void add_process(struct table *t, const struct pod_service_state *s, pid_t pid)
{
	long ticks = sysconf(_SC_CLK_TCK);
	auto_free char *dir = mem_printf("/proc/%d", pid), *line = command_line(dir);
	struct timespec up;
	struct process p;
	struct stat st;

	if (!line || stat(dir, &st) < 0 || !read_process(dir, &p))
		return;
	clock_gettime(CLOCK_BOOTTIME, &up);
	time_t age = up.tv_sec - (time_t)(p.start / (unsigned long long)ticks);
	unsigned long seconds = p.used / (unsigned long)ticks;
	unsigned long percent = age > 0 ? seconds * 100 / (unsigned long)age : 0;
	auto_free char *number =
		mem_printf("%lld", (long long)json_integer_value(json_at(s->json, "number")));
	auto_free char *user = user_name(st.st_uid), *pid_text = mem_printf("%d", pid);
	auto_free char *ppid = mem_printf("%d", p.parent), *part = mem_printf("%lu", percent);
	auto_free char *start = start_text(time(NULL) - age), *tty = terminal_name(p.tty);
	auto_free char *used =
		mem_printf("%02lu:%02lu:%02lu", seconds / 3600, seconds / 60 % 60, seconds % 60);

	table_row(t, (const char *const[]) { s->service, number, user, pid_text, ppid, part, start,
					     tty, used, line });
}

struct err *cmd_top(struct cli *c, const void *values, char **operands, int *ret_code)
{
	static const char *const headings[] = { "SERVICE", "#",	  "UID",  "PID", "PPID", "C",
						"STIME",   "TTY", "TIME", "CMD", NULL };
	auto_pod_state struct pod_state *s = NULL;
	struct err *e = NULL;

	(void)values;
	(void)ret_code;
	TRY(read_what_is_there(c, operands, &s));
	struct table *t = s->n_services ? table_new(headings) : NULL;

	for (size_t i = 0; i < s->n_services && !e; i++) {
		auto_free pid_t *pids = NULL;
		size_t n = 0;

		if (!is_wanted(operands, &s->services[i]))
			continue;
		e = pod_processes(&s->services[i], &pids, &n);
		for (size_t k = 0; k < n; k++)
			add_process(t, &s->services[i], pids[k]);
	}
	if (t)
		table_print(t, stdout);
	return e;
}

/* ---- stats ---- */

struct stats_values {
	bool once, all;
	const char *format;
};
const struct opt stats_options[] = {
	{ 'a', "all", OPT_FLAG, NULL, offsetof(struct stats_values, all),
	  "those that do not run, too" },
	{ 0, "no-stream", OPT_FLAG, NULL, offsetof(struct stats_values, once), "only once" },
	{ 0, "format", OPT_TEXT, "FORMAT", offsetof(struct stats_values, format), FORMAT_HELP },
	{ 0 },
};

enum { SAMPLE_FIRST = 500, SAMPLE = 1000 /* milliseconds */ };

struct sample {
	uint64_t ms, cpu_us;
};

static char *in_and_out(uint64_t in, uint64_t out)
{
	auto_free char *a = text_bytes((int64_t)in), *b = text_bytes((int64_t)out);

	return mem_printf("%s / %s", a, b);
}

static struct err *show_usage(const struct pod_service_state *s, const struct pod_usage *u,
			      const struct sample *before, uint64_t now, struct listing *l)
{
	uint64_t ms = now > before->ms ? now - before->ms : 1;
	double cpu = (double)(u->cpu_us - before->cpu_us) / 10.0 / (double)ms;
	double part = u->memory_limit ? 100.0 * (double)u->memory / (double)u->memory_limit : 0;
	auto_free char *memory = text_binary((int64_t)u->memory);
	auto_free char *limit = text_binary((int64_t)u->memory_limit);
	auto_free char *net = in_and_out(u->received, u->sent);
	auto_free char *blocks = in_and_out(u->read, u->written);
	auto_free char *cpu_text = mem_printf("%.2f%%", cpu);
	auto_free char *usage = mem_printf("%s / %s", memory, limit);
	auto_free char *part_text = mem_printf("%.2f%%", part);
	auto_free char *pids = mem_printf("%llu", (unsigned long long)u->pids);
	auto_free char *id = mem_printf("%.12s", s->id);
	json_t *j = json_object();

	json_put_str(j, "ID", id);
	json_put_str(j, "Container", s->container);
	json_put_str(j, "Name", s->container);
	json_put_str(j, "Service", s->service);
	json_put_str(j, "CPUPerc", cpu_text);
	json_put_str(j, "MemUsage", usage);
	json_put_str(j, "MemPerc", part_text);
	json_put_str(j, "NetIO", net);
	json_put_str(j, "BlockIO", blocks);
	json_put_str(j, "PIDs", pids);
	return listing_add(l, j,
			   (const char *const[]) { id, s->container, cpu_text, usage, part_text,
						   net, blocks, pids });
}

/* One look at all services; @before is what the look before has seen. */
static struct err *look(struct cli *c, char **operands, struct listing *l, struct sample *before,
			const struct stats_values *v, bool show, bool *ret_any)
{
	auto_pod_state struct pod_state *s = NULL;

	TRY(read_what_is_there(c, operands, &s));
	*ret_any = false;
	for (size_t i = 0; i < s->n_services; i++) {
		struct pod_usage u = { 0 };
		uint64_t now = proc_now_ms();

		if (!is_named(operands, &s->services[i]) || (!v->all && !is_alive(&s->services[i])))
			continue;
		auto_err struct err *gone = pod_usage(&s->services[i], &u);

		if (gone && !v->all)
			continue;
		if (gone)
			u = (struct pod_usage) { .cpu_us = before[i].cpu_us };
		*ret_any = true;
		if (show)
			TRY(show_usage(&s->services[i], &u, &before[i], now, l));
		before[i] = (struct sample) { now, u.cpu_us };
	}
	return show ? listing_print(l, stdout) : NULL;
}

struct err *cmd_stats(struct cli *c, const void *values, char **operands, int *ret_code)
{
	static const char *const headings[] = { "CONTAINER ID",	     "NAME",  "CPU %",
						"MEM USAGE / LIMIT", "MEM %", "NET I/O",
						"BLOCK I/O",	     "PIDS",  NULL };
	const struct stats_values *v = values;
	auto_pod_state struct pod_state *s = NULL;
	auto_listing struct listing *l = NULL;
	bool any = false;

	(void)ret_code;
	TRY(listing_new(v->format, headings, LISTING_LINES, &l));
	TRY(read_what_is_there(c, operands, &s));
	if (!s->n_services)
		return listing_print(l, stdout);
	auto_free struct sample *before = mem_alloc((s->n_services + 1) * sizeof(*before));

	TRY(look(c, operands, l, before, v, false, &any));
	usleep(SAMPLE_FIRST * 1000);
	do {
		if (!v->once && listing_format(l) != LIST_JSON && isatty(STDOUT_FILENO))
			fputs("\033[H\033[2J", stdout);
		TRY(look(c, operands, l, before, v, true, &any));
		if (!v->once && any)
			usleep(SAMPLE * 1000);
	} while (!v->once && any);
	return NULL;
}

/* ---- events ---- */

struct events_values {
	bool json;
	const char *format;
};
#define V(f) offsetof(struct events_values, f)
const struct opt events_options[] = {
	{ 0, "json", OPT_FLAG, NULL, V(json), "one object a line" },
	{ 0, "format", OPT_TEXT, "FORMAT", V(format),
	  "json, or a template: '{{.Action}} {{.Actor.Attributes.name}}'" },
	{ 0 },
};
#undef V

/* Docker's members of an event, beside docker compose's, which are what --json prints. */
static json_t *event_json(const json_t *event)
{
	static const char *const names[][2] = { { "ID", "id" },		  { "Type", "type" },
						{ "Action", "action" },	  { "Status", "action" },
						{ "Service", "service" }, { "Time", "time" } };
	json_t *j = json_object(), *attributes = json_at(event, "attributes");

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		json_put_str(j, names[i][0], json_string_value(json_at(event, names[i][1])));
	json_put_str(j, "From", json_string_value(json_at(attributes, "image")));
	json_object_set_new(j, "Actor",
			    json_pack("{s:O?, s:O?}", "ID", json_at(event, "id"), "Attributes",
				      attributes));
	return j;
}

struct event_screen {
	bool json;
	struct listing *l;
	struct err *error;
};

static bool show_event(void *ctx, const json_t *event)
{
	struct event_screen *s = ctx;
	const json_t *attributes = json_at(event, "attributes");
	auto_free char *text = json_text(event, 0);

	if (s->json) {
		puts(text);
	} else if (listing_format(s->l) == LIST_TEMPLATE) {
		s->error = listing_add(s->l, event_json(event), NULL);
		if (!s->error)
			s->error = listing_print(s->l, stdout);
	} else {
		printf("%s container %s %s (image=%s, name=%s)\n",
		       json_string_value(json_at(event, "time")),
		       json_string_value(json_at(event, "action")),
		       json_string_value(json_at(event, "id")),
		       json_string_value(json_at(attributes, "image")),
		       json_string_value(json_at(attributes, "name")));
	}
	return !s->error && fflush(stdout) == 0;
}

struct err *cmd_events(struct cli *c, const void *values, char **operands, int *ret_code)
{
	const struct events_values *v = values;
	auto_listing struct listing *l = NULL;
	const char *name = NULL;

	(void)ret_code;
	TRY(listing_new(v->format, NULL, LISTING_LINES, &l));
	if (listing_format(l) == LIST_TEMPLATE_TABLE || str_eq(v->format, "table"))
		return err_new(EINVAL, "--format: events have no table");
	struct event_screen screen = { v->json || listing_format(l) == LIST_JSON, l, NULL };

	TRY(cli_aim(c, operands, SIZE_MAX));
	TRY(cli_name(c, &name));
	TRY(cli_host(c));
	struct err *e = pod_events(c->host, name, operands, show_event, &screen);

	return err_join(screen.error, e);
}

/* ---- wait ---- */

struct wait_values {
	bool down;
};
const struct opt wait_options[] = {
	{ 0, "down-project", OPT_FLAG, NULL, offsetof(struct wait_values, down),
	  "end the pod then" },
	{ 0 },
};

struct err *cmd_wait(struct cli *c, const void *values, char **operands, int *ret_code)
{
	auto_pod_state struct pod_state *before = NULL, *s = NULL;
	const char *name = NULL;

	TRY(read_state(c, operands, &before));
	TRY(cli_name(c, &name));
	struct err *e = pod_ask(c->host, name, "wait", operands, NULL);

	if (e && err_code(e) != ENOENT && err_code(e) != EPIPE) /* it ended, or had ended */
		return e;
	err_free(e);
	TRY(read_state(c, operands, &s));
	for (size_t i = 0; i < s->n_services; i++) {
		const struct pod_service_state *one = &s->services[i];

		if (*operands && !strv_has(operands, one->service) && !strv_has(operands, one->key))
			continue;
		printf("container \"%s\" exited with status code %lld\n", one->container,
		       (long long)one->exit_code);
		*ret_code = (int)one->exit_code;
	}
	return ((const struct wait_values *)values)->down ? pod_down(c->host, name, -1) : NULL;
}

/* ---- port ---- */

struct port_values {
	const char *protocol;
};
const struct opt port_options[] = {
	{ 0, "protocol", OPT_TEXT, "PROTOCOL", offsetof(struct port_values, protocol),
	  "tcp or udp" },
	{ 0 },
};

struct err *cmd_port(struct cli *c, const void *values, char **operands, int *ret_code)
{
	const char *protocol = ((const struct port_values *)values)->protocol;
	auto_pod_state struct pod_state *s = NULL;
	char *one[] = { operands[0], NULL };
	int64_t port = 0;

	(void)ret_code;
	if (!operands[0] || !operands[1] || operands[2])
		return err_new(EINVAL, "port: wants a service and the port in its container");
	TRY(err_wrap(str_number(operands[1], 1, 65535, &port), "port"));
	TRY(read_state(c, one, &s));
	const json_t *list = json_at(pod_state_find(s, operands[0])->json, "publishers");

	protocol = protocol ? protocol : "tcp";
	for (size_t i = 0; s->alive && i < json_array_size(list); i++) {
		const json_t *p = json_array_get(list, i);

		if (json_integer_value(json_at(p, "TargetPort")) != port ||
		    !str_eq(json_string_value(json_at(p, "Protocol")), protocol))
			continue;
		printf("%s:%lld\n", json_string_value(json_at(p, "URL")),
		       json_integer_value(json_at(p, "PublishedPort")));
		return NULL;
	}
	return err_new(ENOENT, "no port %lld/%s of service %s is published", (long long)port,
		       protocol, operands[0]);
}

/* ---- inspect ---- */

static json_t *ports_json(const json_t *publishers)
{
	json_t *ports = json_object();

	for (size_t i = 0; i < json_array_size(publishers); i++) {
		const json_t *p = json_array_get(publishers, i);
		auto_free char *key =
			mem_printf("%lld/%s", json_integer_value(json_at(p, "TargetPort")),
				   json_string_value(json_at(p, "Protocol")));
		auto_free char *host =
			mem_printf("%lld", json_integer_value(json_at(p, "PublishedPort")));

		if (!json_object_get(ports, key))
			json_object_set_new(ports, key, json_array());
		json_array_append_new(json_object_get(ports, key),
				      json_pack("{s:s, s:s}", "HostIp",
						json_string_value(json_at(p, "URL")), "HostPort",
						host));
	}
	return ports;
}

/* Docker's member names, of what a container of a pod has. */
static json_t *inspect_json(const struct pod_state *pod, const struct pod_service_state *s)
{
	json_t *j = json_object(), *state = json_object(), *config = json_object();
	json_t *process = json_at(s->json, "process");
	auto_strv char **labels = NULL;
	json_t *label_map = json_object();

	json_put_str(state, "Status", s->state);
	json_put_bool(state, "Running", is_alive(s));
	json_put_bool(state, "Paused", strcmp(s->state, "paused") == 0);
	json_put_bool(state, "OOMKilled", json_is_true(json_at(s->json, "oom")));
	json_put_bool(state, "Dead", strcmp(s->state, "dead") == 0);
	json_put_int(state, "Pid", s->pid);
	json_put_int(state, "ExitCode", s->exit_code);
	json_put_str(state, "StartedAt", s->started);
	json_put_str(state, "FinishedAt", s->finished);
	/* null without a health check, so that {{if .State.Health}} can be asked */
	json_object_set_new(state, "Health",
			    *s->health ? json_pack("{s:s}", "Status", s->health) : json_null());
	err_ignore(json_get_strv(s->json, "labels", &labels));
	for (char **l = labels; l && *l; l++) {
		auto_free char *key = mem_strndup(*l, strcspn(*l, "="));

		json_object_set_new(label_map, key, json_string(*l + strcspn(*l, "=") + 1));
	}
	json_put_str(config, "Image", s->image);
	json_object_set(config, "Env", json_at(process, "env"));
	json_object_set(config, "User", json_at(process, "user"));
	json_object_set(config, "WorkingDir", json_at(process, "cwd"));
	json_object_set_new(config, "Labels", label_map);

	json_put_str(j, "Id", s->id);
	json_put_str(j, "Name", s->container);
	json_put_str(j, "Project", pod->name);
	json_put_str(j, "Service", s->service);
	json_put_str(j, "Command", s->command);
	json_object_set(j, "Image", json_at(s->json, "image_id"));
	json_put_int(j, "RestartCount", s->restarts);
	json_object_set_new(j, "State", state);
	json_object_set_new(j, "Config", config);
	json_object_set_new(j, "NetworkSettings",
			    json_pack("{s:o}", "Ports",
				      ports_json(json_at(s->json, "publishers"))));
	json_put_str(j, "CgroupPath", s->cgroup);
	json_object_set_new(j, "HostConfig",
			    json_pack("{s:{s:s*}}", "LogConfig", "Type",
				      json_string_value(json_at(s->json, "log_driver"))));
	return j;
}

struct inspect_values {
	const char *format;
};
const struct opt inspect_options[] = {
	{ 'f', "format", OPT_TEXT, "FORMAT", offsetof(struct inspect_values, format),
	  "json, or a template: '{{.State.Status}}'" },
	{ 0 },
};

struct err *cmd_inspect(struct cli *c, const void *values, char **operands, int *ret_code)
{
	const struct inspect_values *v = values;
	auto_pod_state struct pod_state *s = NULL;
	auto_listing struct listing *l = NULL;
	auto_json json_t *list = json_array();

	(void)ret_code;
	TRY(listing_new(v->format, NULL, LISTING_ARRAY, &l));
	if (listing_format(l) == LIST_TEMPLATE_TABLE || str_eq(v->format, "table"))
		return err_new(EINVAL, "--format: inspect has no table");
	TRY(read_state(c, operands, &s));
	for (size_t i = 0; i < s->n_services; i++) {
		if (*operands && !strv_has(operands, s->services[i].service))
			continue;
		json_t *one = inspect_json(s, &s->services[i]);

		json_array_append(list, one);
		TRY(listing_add(l, one, NULL));
	}
	if (listing_format(l) != LIST_TABLE)
		return listing_print(l, stdout);
	auto_free char *text = json_text(list, 2);

	puts(text);
	return NULL;
}
