/* SPDX-License-Identifier: Apache-2.0 */
/* mesos/launch_tell.c - what is told of a launch: statuses, addresses and ports, hooks of a change of status. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "mesos/launch.h"

enum { MESSAGE_MAX = 2048 };

/* ---- telling ---- */

/* Members that every status has from now on: the agent remembers none. */
void tell_from_now_on(struct task *t, const char *key, json_t *take_value)
{
	if (!t->more)
		t->more = json_object();
	json_object_set_new(t->more, key, take_value);
}

/* What hooks and people see of a launch. */
json_t *tell_describe(const struct launch *l)
{
	json_t *j = json_pack("{s:s, s:s, s:s, s:s}", "pod", l->name, "sandbox", l->s->env.sandbox,
			      "executor", l->s->env.executor, "framework", l->s->env.framework);
	json_t *tasks = json_array();

	for (size_t i = 0; i < l->n; i++)
		json_array_append(tasks, l->tasks[i].info);
	json_object_set_new(j, "tasks", tasks);
	json_put_str(j, "service", l->culprit);
	json_put_str(j, "message", l->why);
	return j;
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
	launch_complain(take_e);
	run_status_hooks(l);
	if (launch_is_over(l))
		session_check_end(l->s);
}

void tell_task(struct launch *l, struct task *t, const char *state, const char *reason,
	       const char *message)
{
	const struct status st = {
		.task = t->id, .state = state, .reason = reason, .message = message, .more = t->more
	};
	json_t *input;

	if (t->ended)
		return;
	session_tell(l->s, &st);
	input = tell_describe(l);
	json_put_str(input, "task_id", t->id);
	json_put_str(input, "state", state);
	json_put_str(input, "message", message);
	json_array_append_new(l->untold, input);
	run_status_hooks(l);
}

void tell_all(struct launch *l, const char *state, const char *reason, const char *message)
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

void tell_network(struct launch *l)
{
	struct in_addr address = pod_address(l->pod);
	struct pod_published *list = NULL;
	size_t n = pod_published(l->pod, &list);
	auto_json json_t *ports = ports_by_service(list, n);
	auto_json json_t *pod = tell_describe(l);
	auto_free char *text = json_text(ports, 0), *data = wire_base64(text, strlen(text));
	char ip[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &address, ip, sizeof(ip));
	for (size_t i = 0; i < l->n; i++) {
		struct task *t = &l->tasks[i];

		/* of a pod in the host's network the agent tells its own address */
		if (address.s_addr != INADDR_ANY)
			tell_from_now_on(t, "container_status",
					 network_info(ip, port_mappings(list, n, t->service)));
		tell_from_now_on(t, "data", json_string(data));
	}
	json_object_set(pod, "ports", ports);
	json_object_set_new(pod, "address", json_string(ip));
	auto_free char *whole = json_text(pod, 2);

	launch_complain(sandbox_write(l->s->env.sandbox, "pod.json", whole));
	free(list);
}

/* ---- how it ended ---- */

static const char *signal_text(int signal, char *buffer, size_t size)
{
	snprintf(buffer, size, "%s", strsignal(signal));
	return buffer;
}

/* "service web: exited with status 3", "... terminated with signal Killed"; with its last lines. */
char *tell_how_ended(struct launch *l, const char *service, const struct pod_news *n)
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
void tell_end(struct launch *l, struct task *t)
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
		tell_from_now_on(t, "limitation", memory_limitation(t));
	tell_task(l, t, state, reason, message ? message : "");
	t->ended = true;
}
