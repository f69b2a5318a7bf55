/* SPDX-License-Identifier: Apache-2.0 */
/* cli/lifecycle.c - down, stop, start, restart and kill. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

/* ---- down ---- */

struct down_values {
	bool volumes;
	int64_t timeout;
};
#define V(f) offsetof(struct down_values, f)
const struct opt down_options[] = {
	{ 'v', "volumes", OPT_FLAG, NULL, V(volumes),
	  "remove the project's volumes too; external ones stay" },
	{ 't', "timeout", OPT_SECONDS, "SECONDS", V(timeout), "wait so long for services to stop" },
	{ 0 },
};

static struct err *remove_volumes(const struct cli *c, const char *name)
{
	auto_strv char **removed = NULL;
	struct err *e = pod_remove_volumes(c->host, name, false, &removed);

	for (char **v = removed; v && *v; v++)
		cli_say(c, " Volume %s  Removed", *v);
	return e;
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
	pod_record_remove(c->host, name);
	TRY(cli_remove_oneoffs(c, name, true, v->timeout));
	struct err *e = pod_down(c->host, name, v->timeout);

	if (err_code(e) == ENOENT) { /* nothing to do is no failure, as with docker compose */
		log_warn("%s", err_text(e));
		err_free(e);
		e = NULL;
	} else if (!e) {
		cli_say(c, " Pod %s  Removed", name);
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

static struct err *ask_pod(struct cli *c, const char *pod, const char *what, char **services,
			   const char *argument)
{
	auto_pod_state struct pod_state *s = NULL;
	auto_err struct err *none = pod_state_read(c->host, pod, &s);
	bool stop = strcmp(what, "stop") == 0, single = !none && s->n_services == 1;
	/* with its only service the pod ends: that is waited for, too */
	struct err *e = pod_ask(c->host, pod, what, stop && single ? NULL : services, argument);

	if (err_code(e) != ENOENT || !stop)
		return e;
	if (*services && (none || !pod_state_find(s, *services)))
		return e;
	log_warn("%s", err_text(e)); /* what does not run is stopped already */
	err_free(e);
	return NULL;
}

/* Those of the project are asked for together, so that their order is kept; others one by one. */
static struct err *ask(struct cli *c, const char *what, char **operands, const char *argument)
{
	auto_strv char **own = NULL;
	const char *name = NULL;
	struct err *errors = NULL;

	TRY(cli_host(c));
	for (char **o = operands; *o; o++) {
		auto_free char *pod = NULL, *service = NULL;

		TRY(cli_find(c, *o, &pod, &service));
		auto_err struct err *none = cli_name(c, &name);
		char *one[] = { service, NULL };

		if (!none && strcmp(name, pod) == 0)
			strv_add(&own, steal(&service));
		else
			errors = err_join(errors, ask_pod(c, pod, what, one, argument));
	}
	if (*operands && !own)
		return errors;
	char *all[] = { NULL };

	TRY(cli_name(c, &name));
	return err_join(errors, ask_pod(c, name, what, own ? own : all, argument));
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

/* What runs is asked to; a pod that has ended, or was only created, is started as it was. */
static struct err *start_pod(struct cli *c, const char *pod, char **services)
{
	auto_pod_state struct pod_state *s = NULL;

	TRY(pod_state_read(c->host, pod, &s));
	if (cli_is_running(c->host, pod))
		return pod_ask(c->host, pod, "start", services, NULL);
	if (json_at(s->json, "kind"))
		return cli_start_kept(c, pod);
	return cli_up_detached(c, services, false);
}

struct err *cmd_start(struct cli *c, const void *values, char **operands, int *ret_code)
{
	auto_strv char **own = NULL;
	const char *name = NULL;
	char *all[] = { NULL };

	(void)values;
	(void)ret_code;
	TRY(cli_host(c));
	for (char **o = operands; *o; o++) {
		auto_free char *pod = NULL, *service = NULL;

		TRY(cli_find(c, *o, &pod, &service));
		auto_err struct err *none = cli_name(c, &name);
		char *one[] = { service, NULL };

		if (!none && strcmp(name, pod) == 0)
			strv_add(&own, steal(&service));
		else
			TRY(start_pod(c, pod, one));
	}
	if (*operands && !own)
		return NULL;
	TRY(cli_name(c, &name));
	return start_pod(c, name, own ? own : all);
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

struct err *cmd_pause(struct cli *c, const void *values, char **operands, int *ret_code)
{
	(void)values;
	(void)ret_code;
	return ask(c, "pause", operands, NULL);
}

struct err *cmd_unpause(struct cli *c, const void *values, char **operands, int *ret_code)
{
	(void)values;
	(void)ret_code;
	return ask(c, "unpause", operands, NULL);
}
