/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod/control.c - telling a running pod what to do: a socket beside its state, one message each way.
 *
 * The question is {"do": "stop", "services": [...], "argument": "..."}, the
 * answer "" or an error's text, sent when it has been done.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

enum { BACKLOG = 16 };

struct client {
	struct client *next;
	struct pod *pod;
	int socket;
	struct watch *watch;
	char **services; /* that it is about; NULL: the whole pod */
	char **gone;	 /* keys of those that have ended since it asked */
	/* what it waits for: an end where nothing else is said */
	bool waiting, starting, healthy, applied;
	bool running_out; /* of what is still to be started, too */
	bool removing;	  /* what has ended is taken out of the pod */
	bool forgetting;  /* the pod is to leave nothing */
	bool listening, attached;
	bool lost; /* it is to be dropped when nobody is at work with the list */
};

static void drop_client(struct client *c)
{
	struct client **p = &c->pod->clients;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	watch_free(c->watch);
	fd_close(&c->socket);
	strv_free(c->services);
	strv_free(c->gone);
	free(c);
}

/* Who is answered may look at what has become of it. */
static void answer(struct client *c, struct err *take_e)
{
	if (c->pod->dirty && c->pod->up)
		state_write(c->pod);
	if (take_e)
		err_send(c->socket, take_e);
	else
		err_ignore(fd_send(c->socket, "ok", 2, -1));
	drop_client(c);
}

static bool chosen(const struct client *c, const struct container *k)
{
	return !k->removed && (!c->services || strv_has(c->services, k->plan->service->name) ||
			       strv_has(c->services, k->plan->key));
}

static bool is_to_start(const struct container *k)
{
	return k->to_start || (k->state <= CONTAINER_CREATED && !k->given_up);
}

/* One that 'up' has not come to yet is not started at all: else it would run although it was stopped. */
static void keep_down(struct pod *p, size_t index)
{
	struct container *k = p->containers[index];

	if (is_to_start(k))
		steps_give_up(p, index);
	k->stop_asked = true;
	k->again = 0;
}

static struct err *kill_services(struct pod *p, const struct client *c, const char *signal_name)
{
	int signal = SIGKILL;

	if (signal_name)
		TRY(proc_signal_parse(signal_name, &signal));
	for (size_t i = 0; i < p->plan->n_containers; i++) {
		struct container *k = p->containers[i];

		if (!chosen(c, k))
			continue;
		if (signal == SIGKILL)
			keep_down(p, i);
		if (!container_is_dead(k))
			control_tell(p, k, "kill", signal);
		if (signal == SIGKILL)
			container_end(k);
		else
			container_kill(k, signal);
	}
	for (size_t i = 0; i < p->n_retired && signal == SIGKILL; i++)
		if (chosen(c, p->retired[i]))
			container_end(p->retired[i]);
	return NULL;
}

/* Of several requests to end the pod the least patient one holds. */
static void stop_pod(struct pod *p, int64_t timeout)
{
	if (timeout >= 0 && (p->asked_timeout < 0 || timeout < p->asked_timeout))
		p->asked_timeout = timeout;
	pod_stop(p);
}

static struct err *stop_services(struct pod *p, struct client *c, const char *timeout)
{
	int64_t ms = -1;

	if (timeout)
		TRY(str_number(timeout, -1, INT32_MAX, &ms));
	c->waiting = true;
	if (!c->services) {
		stop_pod(p, ms);
		return NULL;
	}
	for (size_t i = 0; i < p->plan->n_containers; i++)
		if (chosen(c, p->containers[i])) {
			keep_down(p, i);
			container_stop(p->containers[i], ms);
		}
	for (size_t i = 0; i < p->n_retired; i++)
		if (chosen(c, p->retired[i]))
			container_stop(p->retired[i], ms);
	return NULL;
}

static struct err *remove_services(struct pod *p, struct client *c, const char *timeout,
				   bool volumes)
{
	if (!c->services)
		return err_new(EINVAL, "remove: a service is needed");
	if (pod_is_ending(p))
		return err_new(EBUSY, "pod %s is being stopped", p->plan->name);
	TRY(stop_services(p, c, timeout));
	c->removing = true;
	for (size_t i = 0; i < p->plan->n_containers; i++)
		if (chosen(c, p->containers[i]))
			p->containers[i]->renewed = volumes;
	return NULL;
}

/* By a person's wish: what it did before does not count. What goes wrong is told by start_errors(). */
static void start_one(struct pod *p, size_t index)
{
	struct container *k = p->containers[index];

	k->again = 0;
	k->restarts = k->backoff = 0;
	k->reason = START_BY_REQUEST;
	err_free(steal(&k->start_error));
	steps_begin_again(p, index);
}

static struct err *start_services(struct pod *p, struct client *c)
{
	if (pod_is_ending(p))
		return err_new(EBUSY, "pod %s is being stopped", p->plan->name);
	c->waiting = c->starting = true;
	for (size_t i = 0; i < p->plan->n_containers; i++) {
		struct container *k = p->containers[i];

		if (!chosen(c, k))
			continue;
		err_free(steal(&k->start_error)); /* of a start that somebody else has asked for */
		if (k->state == CONTAINER_EXITED || (k->state == CONTAINER_PLANNED && k->given_up))
			start_one(p, i);
		else if (k->given_up) /* at its gate still: when it has ended */
			k->again = ++p->restarts_asked;
	}
	return NULL;
}

/* They start when all of the same request have ended, whether or not who has asked is still there. */
static struct err *restart_services(struct pod *p, struct client *c, const char *timeout)
{
	uint64_t serial = ++p->restarts_asked;
	int64_t ms = -1;

	if (timeout)
		TRY(str_number(timeout, -1, INT32_MAX, &ms));
	if (pod_is_ending(p))
		return err_new(EBUSY, "pod %s is being stopped", p->plan->name);
	c->waiting = c->starting = true;
	for (size_t i = 0; i < p->plan->n_containers; i++) {
		struct container *k = p->containers[i];

		if (!chosen(c, k) || is_to_start(k))
			continue; /* anyway */
		k->stop_asked = true;
		k->again = serial;
		container_stop(k, ms);
	}
	return NULL;
}

static bool ends_first(const struct pod *p, uint64_t serial)
{
	for (size_t i = 0; i < p->plan->n_containers; i++)
		if (p->containers[i]->again == serial && !container_is_dead(p->containers[i]))
			return true;
	return false;
}

static void start_again(struct pod *p)
{
	for (size_t i = 0; i < p->plan->n_containers && !pod_is_ending(p); i++) {
		struct container *k = p->containers[i];

		if (!k->again || k->removed || ends_first(p, k->again))
			continue;
		start_one(p, i);
		k->restarting = true;
	}
}

/* Of one by name it is an error where it is so already, as with docker. */
static struct err *pause_services(struct pod *p, const struct client *c, bool paused)
{
	struct err *errors = NULL;

	for (size_t i = 0; i < p->plan->n_containers; i++) {
		struct container *k = p->containers[i];

		/* of all services those that run; of one by name it must be true */
		if (!chosen(c, k) || (!c->services && k->state != CONTAINER_RUNNING))
			continue;
		if (c->services && k->state == CONTAINER_RUNNING && k->paused == paused)
			errors =
				err_join(errors, err_new(EALREADY, "service %s is %s",
							 k->plan->service->name,
							 paused ? "already paused" : "not paused"));
		else
			errors = err_join(errors, container_pause(k, paused));
	}
	return errors;
}

void control_tell(struct pod *p, const struct container *c, const char *action, int signal)
{
	for (struct client *k = p->clients; k; k = k->next) {
		auto_json json_t *j = NULL;
		auto_free char *now = proc_now_text();

		if (!k->listening || k->lost || !chosen(k, c))
			continue;
		j = json_pack("{s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s}}", "time", now, "type",
			      "container", "action", action, "id", c->id, "service",
			      c->plan->service->name, "attributes", "name", c->plan->name, "image",
			      c->plan->service->image);
		if (strcmp(action, "die") == 0)
			json_put_int(json_at(j, "attributes"), "exitCode", c->exit_code);
		if (signal)
			json_put_int(json_at(j, "attributes"), "signal", signal);
		auto_free char *text = json_text(j, 0);
		auto_err struct err *e = fd_send(k->socket, text, strlen(text), -1);

		if (e) { /* it does not read: the pod does not wait for it */
			k->lost = true;
			pod_soon(p);
		}
	}
}

static void drop_lost(struct pod *p)
{
	struct client *next;

	for (struct client *k = p->clients; k; k = next) {
		next = k->next;
		if (k->lost)
			drop_client(k);
	}
}

/* Who depends on one that is restarted, and asks for it, is restarted, too. */
static void add_dependants(const struct pod *p, struct client *c)
{
	bool more = c->services != NULL;

	while (more) {
		more = false;
		for (size_t i = 0; i < p->plan->n_containers; i++) {
			const struct compose_service *s = p->plan->containers[i].service;

			for (size_t k = 0; k < s->depends_on.n; k++) {
				const struct compose_depend *d = &s->depends_on.items[k];

				if (!d->restart || !strv_has(c->services, d->service) ||
				    strv_has(c->services, s->name))
					continue;
				strv_add(&c->services, mem_strdup(s->name));
				more = true;
			}
		}
	}
}

/* From now on the socket is the container's; see attach.c. */
static struct err *attach_client(struct pod *p, struct client *c)
{
	struct container *k = c->services && c->services[0] ? pod_find(p, c->services[0]) : NULL;

	if (!k)
		return err_new(EINVAL, "attach: a service is needed");
	if (container_is_dead(k))
		return err_new(ESRCH, "service %s is not running", k->plan->service->name);
	c->attached = true;
	watch_free(c->watch);
	c->watch = NULL;
	attach_add(k, fd_steal(&c->socket), false);
	return NULL;
}

static struct err *obey(struct client *c, const char *text, size_t len)
{
	auto_json json_t *j = NULL;
	const char *what = "", *argument = NULL;
	struct pod *p = c->pod;

	TRY(json_parse(text, len, CONTROL_MAX, &j));
	TRY(json_get_str(j, "do", &what));
	TRY(json_get_str(j, "argument", &argument));
	TRY(json_get_strv(j, "services", &c->services));
	for (char **s = c->services; s && *s; s++) {
		const struct container *k = pod_find(p, *s);

		if (!k || k->removed)
			return pod_no_service(*s);
	}
	if (strcmp(what, "kill") == 0)
		return kill_services(p, c, argument);
	if (strcmp(what, "stop") == 0)
		return stop_services(p, c, argument);
	if (strcmp(what, "remove") == 0 || strcmp(what, "remove-volumes") == 0)
		return remove_services(p, c, argument, what[6] == '-');
	if (strcmp(what, "down") == 0) {
		p->to_forget = c->forgetting = true;
		return stop_services(p, c, argument);
	}
	if (strcmp(what, "suspend") == 0) {
		p->interrupted = true;
		return stop_services(p, c, NULL);
	}
	if (strcmp(what, "start") == 0)
		return start_services(p, c);
	if (strcmp(what, "restart") == 0 || strcmp(what, "restart-alone") == 0) {
		if (!what[7])
			add_dependants(p, c);
		return restart_services(p, c, argument);
	}
	if (strcmp(what, "pause") == 0 || strcmp(what, "unpause") == 0)
		return pause_services(p, c, *what == 'p');
	if (strcmp(what, "apply") == 0) {
		c->waiting = c->applied = true;
		return apply_begin(p, argument ? argument : "");
	}
	if (strcmp(what, "attach") == 0)
		return attach_client(p, c);
	if (strcmp(what, "healthy") == 0) {
		c->waiting = c->healthy = true;
		return NULL;
	}
	if (strcmp(what, "wait") == 0 || strcmp(what, "events") == 0) {
		c->listening = *what == 'e';
		c->waiting = c->running_out = !c->listening;
		return NULL;
	}
	return err_new(EINVAL,
		       "'%s' is not understood; is another version of slipway running this pod?",
		       what);
}

static void on_message(void *arg)
{
	struct client *c = arg;
	struct pod *p = c->pod;
	char text[CONTROL_MAX];
	ssize_t n = fd_recv(c->socket, text, sizeof(text), NULL);

	if (n <= 0) { /* who asked is gone; what was asked for goes on */
		drop_client(c);
		return;
	}
	struct err *e = obey(c, text, (size_t)n);

	if (!e && c->attached)
		drop_client(c);
	else if (e || (!c->waiting && !c->listening))
		answer(c, e);
	pod_advance(p);
}

static void on_connect(void *arg)
{
	struct pod *p = arg;
	struct client *c;
	int fd = accept4(p->control, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	c = mem_alloc(sizeof(*c));
	*c = (struct client) { .next = p->clients, .pod = p, .socket = fd };
	p->clients = c;
	c->watch = loop_readable(p->loop, fd, on_message, c);
}

struct err *control_open(struct pod *p)
{
	auto_fd int dir = -1, fd = -1;
	struct sockaddr_un address;

	TRY(control_address(p->host, p->plan->name, &address, &dir));
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno("control socket");
	(void)unlinkat(dir, "control", 0); /* of a dead pod: we hold the lock */
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0)
		return err_errno("control socket");
	p->control = fd_steal(&fd);
	p->on_control = loop_readable(p->loop, p->control, on_connect, p);
	return NULL;
}

void control_close(struct pod *p)
{
	struct stat st;

	while (p->clients)
		drop_client(p->clients);
	watch_free(p->on_control);
	p->on_control = NULL;
	/* a directory that is gone may be made anew already, by a pod of this name that is not we */
	if (p->control >= 0 && fstat(p->lock, &st) == 0 && st.st_nlink > 0) {
		auto_free char *path = state_path(p->host, p->plan->name, "control");

		(void)unlink(path);
	}
	fd_close(&p->control);
}

void control_ended(struct pod *p, const struct container *c)
{
	for (struct client *k = p->clients; k; k = k->next)
		if (k->waiting && chosen(k, c))
			strv_add(&k->gone, mem_strdup(c->plan->key));
}

static bool has_ended(const struct pod *p, const struct client *c, const struct container *k)
{
	bool to_come = is_to_start(k) && !p->stopping;

	return !chosen(c, k) || strv_has(c->gone, k->plan->key) ||
	       (container_is_dead(k) && !(to_come && c->running_out));
}

static bool all_ended(const struct pod *p, const struct client *c)
{
	for (size_t i = 0; i < p->plan->n_containers; i++)
		if (!has_ended(p, c, p->containers[i]))
			return false;
	for (size_t i = 0; i < p->n_retired; i++)
		if (!has_ended(p, c, p->retired[i]))
			return false;
	return true;
}

/* Whether of all it is known if they are up. */
static bool all_settled(const struct pod *p, const struct client *c)
{
	for (size_t i = 0; i < p->plan->n_containers; i++)
		if (chosen(c, p->containers[i]) && !container_settled(p->containers[i]))
			return false;
	return p->up && !p->applying;
}

static struct err *first_not_up(const struct pod *p, const struct client *c)
{
	struct err *e = NULL;

	for (size_t i = 0; i < p->plan->n_containers && !e; i++)
		if (chosen(c, p->containers[i]))
			e = container_is_up(p->containers[i]);
	return e;
}

/* Whether none is between its clone and its program, or in its post_start: who is answered may exec in it. */
static bool all_started(const struct pod *p, const struct client *c)
{
	for (size_t i = 0; i < p->plan->n_containers; i++) {
		const struct container *k = p->containers[i];

		if (chosen(c, k) &&
		    (k->again || k->to_start || k->state == CONTAINER_CREATED ||
		     k->state == CONTAINER_STARTING ||
		     (k->state == CONTAINER_RUNNING && k->hook_phase == HOOK_POST_START)))
			return false;
	}
	return true;
}

/* Of those that were to start: what they failed of, a copy, as two may have asked. */
static struct err *start_errors(const struct pod *p, const struct client *c)
{
	struct err *errors = NULL;

	for (size_t i = 0; i < p->plan->n_containers; i++) {
		const struct err *e = p->containers[i]->start_error;

		if (e && chosen(c, p->containers[i]))
			errors = err_join(errors, err_new(err_code(e), "%s", err_text(e)));
	}
	return errors;
}

static bool has_happened(const struct pod *p, const struct client *c)
{
	if (c->applied)
		return !p->applying;
	if (c->healthy)
		return all_settled(p, c);
	if (c->starting)
		return all_started(p, c) || pod_is_ending(p);
	return c->services ? all_ended(p, c) : p->finished;
}

static struct err *outcome(struct pod *p, const struct client *c)
{
	if (c->applied)
		return steal(&p->apply_error);
	if (c->healthy)
		return first_not_up(p, c);
	if (c->forgetting)
		return steal(&p->forget_error);
	if (c->starting && pod_is_ending(p))
		return err_new(EINTR, "pod %s is being stopped", p->plan->name);
	for (char **s = c->services; c->starting && s && *s; s++) {
		const struct container *k = pod_find(p, *s);

		if (k && k->removed)
			return err_new(ESRCH, "service %s was removed", *s);
	}
	for (size_t i = 0; i < p->plan->n_containers && c->removing && !p->finished; i++)
		if (chosen(c, p->containers[i]) && container_is_dead(p->containers[i]))
			container_remove(p->containers[i]);
	return c->starting ? start_errors(p, c) : NULL;
}

static void answer_all(struct pod *p)
{
	struct client *next;

	for (struct client *c = p->clients; c; c = next) {
		next = c->next;
		if (!c->waiting || !has_happened(p, c))
			continue;
		c->waiting = false;
		answer(c, outcome(p, c));
	}
}

/* Who waited for an end learns of it before the next run begins. */
void control_advance(struct pod *p)
{
	drop_lost(p);
	answer_all(p);
	start_again(p);
	answer_all(p);
	drop_lost(p);
}
