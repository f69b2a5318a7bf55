/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mesos/launch.c - one pod on its way: project, hooks, pull, start, life, end, and what is told of it.
 *
 * A launch is in one stage at a time; each has something that ends it (a hook, a
 * pull, the pod), and a kill ends each of them at once. The last status of a task
 * is told when nothing of the pod is left, for then its resources are offered to
 * others.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "mesos/internal.h"

enum stage {
	STAGE_PREPARE,	/* hooks before the pull */
	STAGE_PULL,	/* and pauses between its tries */
	STAGE_PREPARED, /* hooks after the pull, and before the launch */
	STAGE_RUN,	/* the pod lives */
	STAGE_PRE_KILL, /* it lives, and hooks run before it is asked to end */
	STAGE_END,	/* hooks after its end */
	STAGE_OVER
};
enum { KILL_DEFAULT = 3000, MESSAGE_MAX = 2048, SHARES_PER_CPU = 1024, PERIOD = 100000 };

struct launch {
	struct launch *next;
	struct session *s;
	char *name; /* of the pod */
	struct task *tasks;
	size_t n;
	bool group;
	enum stage stage;
	struct settings set;
	struct source source;
	json_t *model;
	struct compose_project *project;
	struct image **images;
	struct pod_plan *plan;
	struct pod *pod;
	struct pod_run_options options;
	struct sandbox *sandbox;
	bool up;
	/* what is under way */
	struct hooks *hooks;
	struct image_fetch *fetch;
	int64_t tries;
	struct watch *on_pull, *on_retry, *on_limit, *on_completion;
	/* why it ends */
	bool killed; /* by the framework, or for its health check */
	int64_t grace;
	char *why; /* message of the last status */
	const char *reason;
	char *culprit; /* the service whose end was the pod's */
	bool oom, failed, completion;
	bool finishing; /* its main service has done its work */
	json_t *untold; /* inputs of status hooks that are still to be run */
	struct hooks *status_hooks;
};

static void go_pull(struct launch *l);
static void go_start(struct launch *l);
static void go_end(struct launch *l);
static void fail(struct launch *l, const char *reason, struct err *take_e);

struct launch *launch_next(const struct launch *l)
{
	return l->next;
}

bool launch_is_over(const struct launch *l)
{
	return l->stage == STAGE_OVER && !l->status_hooks;
}

static bool ending(const struct launch *l)
{
	return l->killed || l->failed || l->finishing || l->stage >= STAGE_PRE_KILL;
}

/* ---- telling ---- */

/* Members that every status has from now on: the agent remembers none. */
static void remember(struct task *t, const char *key, json_t *take_value)
{
	if (!t->more)
		t->more = json_object();
	json_object_set_new(t->more, key, take_value);
}

/* What hooks and people see of a launch. */
static json_t *describe(const struct launch *l)
{
	json_t *j = json_pack("{s:s, s:s, s:s, s:s}", "pod", l->name, "sandbox", l->s->env.sandbox,
			      "executor", l->s->env.executor, "framework", l->s->env.framework);
	json_t *tasks = json_array();

	for (size_t i = 0; i < l->n; i++)
		json_array_append(tasks, l->tasks[i].info);
	json_object_set_new(j, "tasks", tasks);
	if (l->culprit)
		json_object_set_new(j, "service", json_string(l->culprit));
	if (l->why)
		json_object_set_new(j, "message", json_string(l->why));
	return j;
}

/* A hook's failure after the fact changes nothing any more. */
static void complain(struct err *take_e)
{
	auto_err struct err *e = take_e;

	if (e)
		log_warn("%s", err_text(e));
}

/* Hooks of a change of status run one change after the other, and hold nothing up. */
static void on_told(void *ctx, struct err *take_e);

static void run_status_hooks(struct launch *l)
{
	const json_t *first = json_array_get(l->untold, 0);

	if (!first || l->status_hooks)
		return;
	l->status_hooks = hooks_run(l->s, &l->set, "status", first, NULL, on_told, l);
	json_array_remove(l->untold, 0);
}

static void on_told(void *ctx, struct err *take_e)
{
	struct launch *l = ctx;

	l->status_hooks = NULL;
	complain(take_e);
	run_status_hooks(l);
	if (launch_is_over(l))
		session_check_end(l->s);
}

static void tell_task(struct launch *l, struct task *t, const char *state, const char *reason,
		      const char *message)
{
	const struct status st = {
		.task = t->id, .state = state, .reason = reason, .message = message, .more = t->more
	};
	json_t *input;

	if (t->ended)
		return;
	session_tell(l->s, &st);
	input = describe(l);
	json_object_set_new(input, "task_id", json_string(t->id));
	json_object_set_new(input, "state", json_string(state));
	json_object_set_new(input, "message", json_string(message));
	json_array_append_new(l->untold, input);
	run_status_hooks(l);
}

static void tell_all(struct launch *l, const char *state, const char *reason, const char *message)
{
	for (size_t i = 0; i < l->n; i++)
		tell_task(l, &l->tasks[i], state, reason, message);
}

/* ---- ports and addresses, as frameworks read them ---- */

static json_t *port_mappings(const struct pod_published *list, size_t n, const char *service)
{
	json_t *mappings = json_array();

	for (size_t i = 0; i < n; i++)
		if (!service || strcmp(service, list[i].service) == 0)
			json_array_append_new(mappings,
					      json_pack("{s:i, s:i, s:s}", "host_port",
							list[i].host_port, "container_port",
							list[i].target, "protocol",
							list[i].udp ? "udp" : "tcp"));
	return mappings;
}

/* {"web": [{"port": 80, "host_port": 31005, "protocol": "tcp"}]}, base64: the status's data. */
static json_t *ports_by_service(const struct pod_published *list, size_t n)
{
	json_t *all = json_object();

	for (size_t i = 0; i < n; i++) {
		json_t *own = json_object_get(all, list[i].service);

		if (!own) {
			json_object_set_new(all, list[i].service, json_array());
			own = json_object_get(all, list[i].service);
		}
		json_array_append_new(own, json_pack("{s:i, s:i, s:s}", "port", list[i].target,
						     "host_port", list[i].host_port, "protocol",
						     list[i].udp ? "udp" : "tcp"));
	}
	return all;
}

static json_t *network_info(const char *address, json_t *take_mappings)
{
	return json_pack("{s:[{s:[{s:s, s:s}], s:o}]}", "network_infos", "ip_addresses", "protocol",
			 "IPv4", "ip_address", address, "port_mappings", take_mappings);
}

static void remember_network(struct launch *l)
{
	struct in_addr address = pod_address(l->pod);
	struct pod_published *list = NULL;
	size_t n = pod_published(l->pod, &list);
	auto_json json_t *ports = ports_by_service(list, n);
	auto_json json_t *pod = describe(l);
	auto_free char *text = json_text(ports, 0), *data = wire_base64(text, strlen(text));
	char ip[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &address, ip, sizeof(ip));
	for (size_t i = 0; i < l->n; i++) {
		struct task *t = &l->tasks[i];

		/* of a pod in the host's network the agent tells its own address */
		if (address.s_addr != INADDR_ANY)
			remember(t, "container_status",
				 network_info(ip, port_mappings(list, n, t->service)));
		remember(t, "data", json_string(data));
	}
	json_object_set(pod, "ports", ports);
	json_object_set_new(pod, "address", json_string(ip));
	auto_free char *whole = json_text(pod, 2);

	complain(sandbox_write(l->s->env.sandbox, "pod.json", whole));
	free(list);
}

/* ---- the end ---- */

static void over(struct launch *l)
{
	l->stage = STAGE_OVER;
	pod_plan_free(steal(&l->plan));
	for (size_t i = 0; l->images && i < l->project->n_services; i++)
		image_free(l->images[i]);
	free(steal(&l->images));
	session_check_end(l->s);
}

static const char *signal_text(int signal, char *buffer, size_t size)
{
	snprintf(buffer, size, "%s", strsignal(signal));
	return buffer;
}

/* "service web: exited with status 3", "... terminated with signal Killed"; with its last lines. */
static char *describe_end(struct launch *l, const char *service, const struct pod_news *n)
{
	const char *tail = sandbox_tail(l->sandbox, service);
	char name[64];
	auto_free char *how = n->oom ? mem_strdup("was killed by the kernel: it is out of memory")
			      : n->signal ? mem_printf("terminated with signal %s",
						       signal_text(n->signal, name, sizeof(name)))
					  : mem_printf("exited with status %d", n->exit_code);

	return mem_printf("service %s: %s%s%.*s", service, how, *tail ? ":\n" : "", MESSAGE_MAX,
			  tail);
}

static json_t *memory_limitation(const struct task *t)
{
	const json_t *resources = json_at(t->info, "resources");

	for (size_t i = 0; i < json_array_size(resources); i++) {
		const json_t *r = json_array_get(resources, i);

		if (strcmp(wire_text(r, "name"), "mem") == 0)
			return json_pack("{s:[{s:s, s:s, s:{s:f}}]}", "resources", "name", "mem",
					 "type", "SCALAR", "scalar", "value",
					 wire_number(r, "scalar.value", 0));
	}
	return json_object();
}

/* The state that everything amounts to. */
static void tell_end(struct launch *l, struct task *t)
{
	const char *state = "TASK_FINISHED", *reason = NULL, *message = l->why;

	if (l->completion) {
		state = "TASK_FAILED";
		reason = "REASON_MAX_COMPLETION_TIME_REACHED";
	} else if (l->failed) {
		state = "TASK_FAILED";
		reason = l->reason;
	} else if (l->killed) {
		state = "TASK_KILLED";
	} else if (l->set.is_service) {
		state = "TASK_FAILED";
		message = "all services of a service pod have ended";
	}
	/* in a group, those that did not fail end with the one that did */
	if (l->failed && l->group && l->culprit && !str_eq(t->service, l->culprit)) {
		state = "TASK_KILLED";
		reason = NULL;
	}
	if (l->oom && l->failed && reason)
		remember(t, "limitation", memory_limitation(t));
	tell_task(l, t, state, reason, message ? message : "");
	t->ended = true;
}

static void clean_up(struct launch *l)
{
	bool keep = l->failed && l->set.keep_failed;
	auto_image_store struct image_store *store = NULL;

	if (l->set.remove_volumes && !keep)
		complain(pod_remove_volumes(l->s->host, l->name, false, NULL));
	if (!l->set.remove_images || keep || !l->project)
		return;
	auto_err struct err *e = image_store_open(l->s->host->root, &store);

	for (size_t i = 0; !e && i < l->project->n_services; i++)
		complain(image_remove(store, l->project->services[i].image));
}

static void on_ended(void *ctx, struct err *take_e)
{
	struct launch *l = ctx;

	l->hooks = NULL;
	complain(take_e);
	for (size_t i = 0; i < l->n; i++)
		tell_end(l, &l->tasks[i]);
	over(l);
}

static void go_end(struct launch *l)
{
	struct pod_result result = { 0 };
	bool ran = l->pod != NULL;
	struct err *e;

	l->stage = STAGE_END;
	watch_free(l->on_limit);
	watch_free(l->on_completion);
	l->on_limit = l->on_completion = NULL;
	for (size_t i = 0; i < l->n; i++)
		checks_stop(&l->tasks[i]);
	e = l->pod ? pod_finish(steal(&l->pod), &result) : NULL;
	if (e && !l->killed && !l->failed && !l->finishing) {
		l->failed = true;
		l->reason = l->up ? NULL : "REASON_CONTAINER_LAUNCH_FAILED";
		free(l->why);
		l->why = mem_strdup(err_text(e));
	}
	err_free(e);
	clean_up(l);
	auto_json json_t *input = describe(l);

	l->hooks =
		hooks_run(l->s, &l->set, ran ? "post-kill" : "shutdown", input, NULL, on_ended, l);
}

/* Ends whatever is under way. Of the pod's end we are told. */
static void cut_short(struct launch *l, int64_t grace)
{
	hooks_cancel(steal(&l->hooks));
	image_pull_cancel(steal(&l->fetch));
	watch_free(l->on_pull);
	watch_free(l->on_retry);
	l->on_pull = l->on_retry = NULL;
	if (l->pod)
		pod_end(l->pod, grace);
	else
		go_end(l);
}

static void fail(struct launch *l, const char *reason, struct err *take_e)
{
	auto_err struct err *e = take_e;

	log_error("%s", err_text(e));
	if (l->failed || l->killed || l->stage >= STAGE_END)
		return;
	l->failed = true;
	l->reason = reason;
	free(l->why);
	l->why = mem_strdup(err_text(e));
	cut_short(l, l->set.stop_timeout);
}

/* ---- killing ---- */

static void on_pre_kill(void *ctx, struct err *take_e)
{
	struct launch *l = ctx;

	l->hooks = NULL;
	complain(take_e);
	l->stage = STAGE_RUN;
	if (l->pod)
		pod_end(l->pod, l->grace);
	else
		go_end(l);
}

int64_t launch_grace(const struct launch *l)
{
	int64_t grace = -1;

	for (size_t i = 0; i < l->n && grace < 0; i++)
		grace = task_grace(l->tasks[i].info, NULL);
	return grace;
}

static int64_t kill_grace(const struct launch *l, int64_t asked)
{
	int64_t grace = asked < 0 ? launch_grace(l) : asked;

	if (grace < 0)
		grace = l->set.stop_timeout;
	return grace < 0 ? KILL_DEFAULT : grace;
}

void launch_kill(struct launch *l, const char *why, int64_t grace)
{
	int64_t ms = kill_grace(l, grace);
	auto_json json_t *input = NULL;

	if (l->stage >= STAGE_END)
		return;
	for (size_t i = 0; i < l->n; i++)
		checks_stop(&l->tasks[i]);
	if (ending(l)) { /* again: only sooner */
		l->grace = ms < l->grace ? ms : l->grace;
		if (l->pod && l->stage != STAGE_PRE_KILL)
			pod_end(l->pod, l->grace);
		return;
	}
	l->killed = true;
	l->grace = ms;
	free(l->why);
	l->why = mem_strdup(why);
	if (l->s->can_tell_killing)
		tell_all(l, "TASK_KILLING", NULL, why);
	if (!l->pod) {
		cut_short(l, 0);
		return;
	}
	hooks_cancel(steal(&l->hooks));
	l->stage = STAGE_PRE_KILL;
	input = describe(l);
	l->hooks = hooks_run(l->s, &l->set, "pre-kill", input, NULL, on_pre_kill, l);
}

void launch_kill_task(struct launch *l, const char *task, const json_t *kill)
{
	int64_t grace = -1;

	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->tasks[i].id, task) == 0)
			grace = task_grace(l->tasks[i].info, kill);
	launch_kill(l, "killed on the framework's request", grace);
}

struct launch *launch_of(const struct session *s, const char *task)
{
	for (struct launch *l = s->launches; l; l = l->next)
		for (size_t i = 0; i < l->n; i++)
			if (strcmp(l->tasks[i].id, task) == 0)
				return l;
	return NULL;
}

static void on_launch_limit(void *arg)
{
	struct launch *l = arg;

	watch_free(l->on_limit);
	l->on_limit = NULL;
	if (!l->up)
		fail(l, "REASON_CONTAINER_LAUNCH_FAILED",
		     err_new(ETIMEDOUT, "the pod is not up after %lld s",
			     (long long)l->set.launch_timeout / 1000));
}

static void on_completion_time(void *arg)
{
	struct launch *l = arg;

	watch_free(l->on_completion);
	l->on_completion = NULL;
	if (ending(l))
		return;
	l->completion = true;
	l->failed = true;
	free(l->why);
	l->why = mem_strdup("the task's maximal time to complete is over");
	cut_short(l, 0);
}

/* ---- checks ---- */

static void on_health(void *ctx, struct task *t, bool healthy, bool fatal, const char *why)
{
	struct launch *l = ctx;

	if (ending(l))
		return;
	remember(t, "healthy", json_boolean(healthy));
	if (!fatal) {
		tell_task(l, t, "TASK_RUNNING", "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED",
			  healthy ? "" : why);
		return;
	}
	auto_free char *message = mem_printf("the health check failed: %s", why);

	tell_task(l, t, "TASK_RUNNING", "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED", why);
	launch_kill(l, message, -1);
}

static void on_check(void *ctx, struct task *t, const json_t *status)
{
	struct launch *l = ctx;

	if (ending(l))
		return;
	remember(t, "check_status", json_deep_copy(status));
	tell_task(l, t, "TASK_RUNNING", "REASON_TASK_CHECK_STATUS_UPDATED", "");
}

static void start_checks(struct launch *l, struct task *t)
{
	const struct check_owner owner = { .ctx = l, .on_health = on_health, .on_check = on_check };
	const char *first = l->project->services[0].name;
	const char *service = t->service		? t->service
			      : l->set.check_service	? l->set.check_service
			      : l->project->policy.main ? l->project->policy.main
							: first;

	checks_start(l->s, l->pod, t, service, &owner);
}

/* ---- the pod's life ---- */

static void on_post_launch(void *ctx, struct err *take_e)
{
	struct launch *l = ctx;

	l->hooks = NULL;
	if (take_e)
		fail(l, "REASON_CONTAINER_LAUNCH_FAILED", take_e);
}

/* A task of a group ends by itself; the others go on. */
static void finish_task(struct launch *l, struct task *t)
{
	checks_stop(t);
	tell_task(l, t, "TASK_FINISHED", NULL, "");
	t->ended = true;
}

static void on_up(void *ctx)
{
	struct launch *l = ctx;
	auto_json json_t *input = NULL;

	l->up = true;
	watch_free(l->on_limit);
	l->on_limit = NULL;
	for (size_t i = 0; i < l->project->n_services; i++)
		image_release(l->images[i]); /* the pod's state names their layers by now */
	if (ending(l))
		return;
	remember_network(l);
	for (size_t i = 0; i < l->n; i++) {
		tell_task(l, &l->tasks[i], "TASK_RUNNING", NULL, "");
		if (l->tasks[i].service_ended)
			finish_task(l, &l->tasks[i]);
		else
			start_checks(l, &l->tasks[i]);
	}
	input = describe(l);
	l->hooks = hooks_run(l->s, &l->set, "post-launch", input, NULL, on_post_launch, l);
}

static struct task *task_of(struct launch *l, const char *service)
{
	for (size_t i = 0; i < l->n; i++)
		if (str_eq(l->tasks[i].service, service))
			return &l->tasks[i];
	return NULL;
}

static void note_culprit(struct launch *l, const struct pod_news *n)
{
	free(l->culprit);
	free(l->why);
	l->culprit = mem_strdup(n->service);
	l->why = describe_end(l, n->service, n);
	l->oom = n->oom;
	l->failed = true;
	l->reason = n->oom ? "REASON_CONTAINER_LIMITATION_MEMORY" : NULL;
}

/* Whether the project says that the pod goes on without a service that has failed. */
static bool keeps(const struct launch *l)
{
	return str_eq(l->project->policy.on_failure, "keep");
}

static void on_exit_news(struct launch *l, const struct pod_news *n)
{
	struct task *t = task_of(l, n->service);
	bool is_main = str_eq(l->project->policy.main, n->service);

	if (n->returns || ending(l))
		return;
	if (n->exit_code && (is_main || l->group || !keeps(l))) {
		note_culprit(l, n);
		pod_end(l->pod, l->set.stop_timeout);
		return;
	}
	if (is_main) { /* its end is the pod's */
		l->finishing = true;
		pod_end(l->pod, l->set.stop_timeout);
		return;
	}
	if (l->group && t) {
		t->service_ended = true;
		if (l->up)
			finish_task(l, t);
	}
}

static void on_unhealthy(struct launch *l, const struct pod_news *n)
{
	if (!l->set.kill_unhealthy || ending(l) || !l->up)
		return;
	fail(l, NULL,
	     err_new(EIO, "service %s is unhealthy: %.*s", n->service, MESSAGE_MAX, n->detail));
}

static void on_news(void *ctx, const struct pod_news *n)
{
	struct launch *l = ctx;

	if (n->what == POD_EXITED)
		on_exit_news(l, n);
	else if (n->what == POD_UNHEALTHY)
		on_unhealthy(l, n);
}

static void on_output(void *ctx, const char *service, enum pod_stream stream, const char *line,
		      size_t len)
{
	struct launch *l = ctx;

	sandbox_put(l->sandbox, service, stream, line, len);
}

static void on_event(void *ctx, const char *container, const char *what)
{
	(void)ctx;
	log_info("%s: %s", container, what);
}

static void on_pod_over(void *arg)
{
	struct launch *l = arg;

	hooks_cancel(steal(&l->hooks));
	go_end(l);
}

/* ---- resources ---- */

static double resource(const struct launch *l, const char *name)
{
	double sum = 0;

	for (size_t i = 0; i < l->n; i++) {
		const json_t *resources = json_at(l->tasks[i].info, "resources");

		for (size_t k = 0; k < json_array_size(resources); k++)
			if (strcmp(wire_text(json_array_get(resources, k), "name"), name) == 0)
				sum += wire_number(json_array_get(resources, k), "scalar.value", 0);
	}
	return sum;
}

/* The task's limit, where it has one: may be infinite. -1: it has none. */
static double limit_of(const struct launch *l, const char *name)
{
	auto_free char *path = mem_printf("limits.%s.value", name);
	double sum = 0;

	for (size_t i = 0; i < l->n; i++) {
		double v = wire_number(l->tasks[i].info, path, -1);

		if (v < 0)
			return -1;
		sum += v;
	}
	return sum;
}

/* Without a limit memory is what was reserved; processor time is shared, and limited only when asked for. */
static struct pod_limits limits_of(const struct launch *l)
{
	double cpus = resource(l, "cpus"), mem = resource(l, "mem");
	double cpu_limit = limit_of(l, "cpus"), mem_limit = limit_of(l, "mem");
	struct pod_limits out = { 0 };

	if (mem_limit >= 0)
		mem = mem_limit;
	if (mem > 0 && mem < 1e12)
		out.memory_max = (int64_t)(mem * (1 << 20));
	if (cpus > 0)
		out.cpu_shares = cpus * SHARES_PER_CPU < 2 ? 2 : (int64_t)(cpus * SHARES_PER_CPU);
	if (cpu_limit > 0 && cpu_limit < 1e6)
		out.cpu_quota = cpu_limit * PERIOD < 1000 ? 1000 : (int64_t)(cpu_limit * PERIOD);
	return out;
}

/* ---- starting ---- */

static struct err *load_project(struct launch *l)
{
	return model_load(l->model, l->name, l->s->env.sandbox, l->s->env.environ, &l->project);
}

static struct err *find_images(struct launch *l)
{
	auto_image_store struct image_store *store = NULL;
	const struct compose_project *p = l->project;

	TRY(image_store_open(l->s->host->root, &store));
	l->images = mem_alloc((p->n_services + 1) * sizeof(struct image *));
	for (size_t i = 0; i < p->n_services; i++)
		TRY(err_wrap(image_find(store, p->services[i].image, p->services[i].platform,
					&l->images[i]),
			     "service %s", p->services[i].name));
	return NULL;
}

static struct err *plan_pod(struct launch *l)
{
	auto_strv char **warnings = NULL;

	TRY(pod_plan(l->project, l->images, l->s->host, &l->plan, &warnings));
	for (char **w = warnings; w && *w; w++)
		log_warn("%s", *w);
	return NULL;
}

static struct err *start_pod(struct launch *l)
{
	const struct compose_policy *policy = &l->project->policy;

	l->options = (struct pod_run_options) {
		.watcher = { .ctx = l,
			     .on_up = on_up,
			     .on_event = on_event,
			     .on_output = on_output,
			     .on_news = on_news },
		.wait = !l->set.ready_started && !str_eq(policy->ready, "started"),
		.stop_timeout = l->set.stop_timeout,
		.wait_timeout = -1,
		.limits = limits_of(l),
		.transient = true,
		.on_end = on_pod_over,
		.end_arg = l,
	};
	return pod_start(l->plan, l->s->host, &l->options, l->s->loop, &l->pod);
}

static void go_start(struct launch *l)
{
	static const struct {
		struct err *(*step)(struct launch *l);
		const char *reason;
	} steps[] = {
		{ load_project, "REASON_TASK_INVALID" },
		{ find_images, "REASON_CONTAINER_LAUNCH_FAILED" },
		{ plan_pod, "REASON_TASK_INVALID" },
		{ start_pod, "REASON_CONTAINER_LAUNCH_FAILED" },
	};

	l->stage = STAGE_RUN;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct err *e = steps[i].step(l);

		if (e) {
			fail(l, steps[i].reason, e);
			return;
		}
	}
}

/* ---- hooks and the trace of what they change ---- */

static void trace(const struct launch *l, const char *stage)
{
	auto_free char *name = mem_printf("trace-%s.json", stage), *text = NULL;

	if (!l->set.trace)
		return;
	text = json_text(l->model, 2);
	complain(sandbox_write(l->s->env.sandbox, name, text));
}

static void on_pre_launch(void *ctx, struct err *take_e)
{
	struct launch *l = ctx;

	l->hooks = NULL;
	trace(l, "pre-launch");
	if (take_e)
		fail(l, "REASON_CONTAINER_LAUNCH_FAILED", take_e);
	else
		go_start(l);
}

static void on_post_pull(void *ctx, struct err *take_e)
{
	struct launch *l = ctx;
	auto_json json_t *input = describe(l);

	l->hooks = NULL;
	trace(l, "post-pull");
	if (take_e)
		fail(l, "REASON_CONTAINER_LAUNCH_FAILED", take_e);
	else
		l->hooks =
			hooks_run(l->s, &l->set, "pre-launch", input, &l->model, on_pre_launch, l);
}

static void go_prepared(struct launch *l)
{
	auto_json json_t *input = describe(l);

	l->stage = STAGE_PREPARED;
	l->hooks = hooks_run(l->s, &l->set, "post-pull", input, &l->model, on_post_pull, l);
}

/* ---- pulling ---- */

/* The images that must be asked for: by policy, or because they are not here. @always: those by policy. */
static struct err *wanted_images(const struct launch *l, bool always, char ***ret)
{
	auto_image_store struct image_store *store = NULL;
	json_t *services = json_at(l->model, "services"), *service;
	const char *name;

	TRY(image_store_open(l->s->host->root, &store));
	json_object_foreach(services, name, service)
	{
		const char *image = wire_text(service, "image"),
			   *policy = wire_text(service, "pull_policy");
		bool by_policy = l->source.pull || strcmp(policy, "always") == 0;
		auto_image struct image *found = NULL;

		if (!*image || strv_has(*ret, image) || strcmp(policy, "never") == 0 ||
		    by_policy != always)
			continue;
		auto_err struct err *e =
			by_policy ? NULL
				  : image_find(store, image,
					       *wire_text(service, "platform")
						       ? wire_text(service, "platform")
						       : NULL,
					       &found);

		if (by_policy || e)
			strv_add(ret, mem_strdup(image));
	}
	return NULL;
}

static void on_retry(void *arg)
{
	struct launch *l = arg;

	watch_free(l->on_retry);
	l->on_retry = NULL;
	go_pull(l);
}

/* What the registry has decided: asking again gets the same answer. */
static bool is_final(int code)
{
	static const int codes[] = { ENOENT, EACCES, EPERM, EBADMSG, EINVAL, ENOTSUP };

	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (code == codes[i])
			return true;
	return false;
}

static void on_pulled(void *arg)
{
	struct launch *l = arg;

	watch_free(l->on_pull);
	l->on_pull = NULL;
	struct err *e = image_pull_finish(steal(&l->fetch));

	if (!e) {
		l->source.pull = false; /* that was asked for and is done */
		go_prepared(l);
		return;
	}
	l->tries++;
	if (l->tries >= l->set.pull_tries || is_final(err_code(e))) {
		fail(l, "REASON_CONTAINER_LAUNCH_FAILED", err_wrap(e, "pull"));
		return;
	}
	log_warn("pull, try %lld of %lld: %s", (long long)l->tries, (long long)l->set.pull_tries,
		 err_text(e));
	err_free(e);
	l->on_retry =
		loop_timer(l->s->loop, (uint64_t)(l->tries * l->set.retry_interval), on_retry, l);
}

static struct err *start_pull(struct launch *l)
{
	auto_image_store struct image_store *store = NULL;
	auto_strv char **always = NULL, **missing = NULL;

	TRY(wanted_images(l, true, &always));
	TRY(wanted_images(l, false, &missing));
	bool ask = always != NULL;

	/* one program for both: asking once more for what was missing costs a request */
	for (char **m = missing; m && *m; m++)
		if (!strv_has(always, *m))
			strv_add(&always, mem_strdup(*m));
	if (!always || l->set.skip_pull)
		return NULL;
	const struct image_pull pull = { .references = always,
					 .progress = IMAGE_PROGRESS_PLAIN,
					 .always = ask };

	TRY(image_store_open(l->s->host->root, &store));
	TRY(image_pull_start(store, &pull, &l->fetch));
	l->on_pull = loop_readable(l->s->loop, image_pull_fd(l->fetch), on_pulled, l);
	return NULL;
}

static void go_pull(struct launch *l)
{
	struct err *e;

	l->stage = STAGE_PULL;
	e = start_pull(l);
	if (e)
		fail(l, "REASON_CONTAINER_LAUNCH_FAILED", err_wrap(e, "pull"));
	else if (!l->fetch)
		go_prepared(l);
}

static void on_pre_pull(void *ctx, struct err *take_e)
{
	struct launch *l = ctx;

	l->hooks = NULL;
	trace(l, "pre-pull");
	if (take_e)
		fail(l, "REASON_CONTAINER_LAUNCH_FAILED", take_e);
	else
		go_pull(l);
}

/* ---- beginning ---- */

static struct err *find_project(struct launch *l)
{
	auto_strv char **warnings = NULL;
	struct offer offer = { 0 };
	struct err *e;

	if (l->group)
		TRY(source_of_group(l->s, l->tasks, l->n, &l->source));
	else
		TRY(source_find(l->s, l->tasks[0].info, &l->source));
	l->set.is_service = l->source.aurora.is_service;
	TRY(model_read(&l->source, l->name, l->s->env.environ, &l->model, &warnings));
	for (char **w = warnings; w && *w; w++)
		log_warn("%s", *w);
	e = offer_read(l->s, l->tasks, l->n, &l->source.aurora, &offer);
	if (!e)
		e = model_ports(l->model, &offer, l->set.host_ports);
	if (!e)
		model_decorate(l->model, l->s, l->tasks, l->n, &offer);
	offer_clear(&offer);
	return e;
}

static struct err *check_tasks(struct launch *l)
{
	for (size_t i = 0; i < l->n; i++)
		TRY(err_wrap(checks_validate(l->tasks[i].info), "task %s", l->tasks[i].id));
	return NULL;
}

static void set_timers(struct launch *l)
{
	double shortest = -1;

	for (size_t i = 0; i < l->n; i++) {
		double ns = wire_number(l->tasks[i].info, "max_completion_time.nanoseconds", -1);

		if (ns >= 0 && (shortest < 0 || ns < shortest))
			shortest = ns;
	}
	if (shortest >= 0 && shortest < 9e18)
		l->on_completion =
			loop_timer(l->s->loop, (uint64_t)(shortest / 1e6), on_completion_time, l);
	if (l->set.launch_timeout > 0)
		l->on_limit =
			loop_timer(l->s->loop, (uint64_t)l->set.launch_timeout, on_launch_limit, l);
}

static void add_tasks(struct launch *l, json_t *const *tasks)
{
	for (size_t i = 0; i < l->n; i++) {
		struct task *t = &l->tasks[i];
		json_t *status;

		*t = (struct task) { .id = mem_strdup(wire_text(tasks[i], "task_id.value")),
				     .info = json_incref(tasks[i]) };
		status = check_status_empty(t->info);
		if (status)
			remember(t, "check_status", status);
		link_add_task(l->s->link, t->info);
	}
}

void launch_begin(struct session *s, json_t *const *tasks, size_t n, bool group)
{
	struct launch *l = mem_alloc(sizeof(*l)), **last = &s->launches;
	struct err *e;

	*l = (struct launch) { .s = s, .n = n, .group = group, .untold = json_array() };
	while (*last)
		last = &(*last)->next;
	*last = l;
	s->n_launches++;
	l->name = s->n_launches > 1 ? mem_printf("mesos-%s-%u", s->env.container, s->n_launches)
				    : mem_printf("mesos-%s", s->env.container);
	for (char *p = l->name; *p; p++)
		*p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p == '.' ? '-' : *p;
	l->tasks = mem_alloc(n * sizeof(*l->tasks));
	add_tasks(l, tasks);
	l->sandbox = sandbox_new(s->env.sandbox, true);
	e = settings_read(tasks[0], s->env.environ, &l->set);
	tell_all(l, "TASK_STARTING", NULL, "");
	if (!e)
		e = check_tasks(l);
	if (!e)
		e = find_project(l);
	if (e) {
		fail(l, "REASON_TASK_INVALID", e);
		return;
	}
	set_timers(l);
	auto_json json_t *input = describe(l);

	l->hooks = hooks_run(s, &l->set, "pre-pull", input, &l->model, on_pre_pull, l);
}

void launch_free(struct launch *l)
{
	for (size_t i = 0; i < l->n; i++) {
		checks_stop(&l->tasks[i]);
		json_decref(l->tasks[i].info);
		json_decref(l->tasks[i].more);
		free(l->tasks[i].service);
		free(l->tasks[i].id);
	}
	hooks_cancel(l->hooks);
	hooks_cancel(l->status_hooks);
	json_decref(l->untold);
	image_pull_cancel(l->fetch);
	watch_free(l->on_pull);
	watch_free(l->on_retry);
	watch_free(l->on_limit);
	watch_free(l->on_completion);
	compose_free(l->project);
	json_decref(l->model);
	source_clear(&l->source);
	settings_clear(&l->set);
	sandbox_free(l->sandbox);
	free(l->tasks);
	free(l->culprit);
	free(l->why);
	free(l->name);
	free(l);
}
