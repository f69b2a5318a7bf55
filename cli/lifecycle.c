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
