/* SPDX-License-Identifier: Apache-2.0 */
/* mesos/task.c - what a task asks for besides its project: kill policy and settings. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "mesos/internal.h"

enum { MS_PER_NS = 1000000 };
static const int64_t TIME_MAX = 1000000000000; /* milliseconds: what is multiplied still fits */

int64_t task_grace(const json_t *info, const json_t *kill)
{
	const json_t *sources[] = { json_at(kill, "kill.kill_policy"),
				    json_at(info, "kill_policy") };

	for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
		double ns = wire_number(sources[i], "grace_period.nanoseconds", -1);

		if (ns >= 0 && ns < 9e18)
			return (int64_t)ns / MS_PER_NS;
	}
	return -1;
}

/* ---- settings ---- */

enum kind { FLAG, NOT_FLAG, TIME, COUNT, TEXT, WORD };

struct setting {
	const char *key, *env; /* label, and the operator's default in our environment */
	enum kind kind;
	size_t offset;
	const char *word; /* WORD: the one that sets the flag; "" is any other that is allowed */
	const char *other;
};

/* dce-go's keys, as labels "config.KEY"; then our own, as labels "slipway.KEY". */
#define S(f) offsetof(struct settings, f)
/* clang-format off */
static const struct setting settings[] = {
	{ "config.launchtask.timeout",  NULL,       TIME,     S(launch_timeout), NULL, NULL },
	{ "config.launchtask.pullretry",  NULL,     COUNT,    S(pull_tries),     NULL, NULL },
	{ "config.launchtask.retryinterval",  NULL, TIME,     S(retry_interval), NULL, NULL },
	{ "config.launchtask.skippull",  NULL,      FLAG,     S(skip_pull),      NULL, NULL },
	{ "config.launchtask.composetrace",  NULL,  FLAG,     S(trace),          NULL, NULL },
	{ "config.cleanpod.timeout",  NULL,         TIME,     S(stop_timeout),   NULL, NULL },
	{ "config.cleanpod.cleanfailtask",  NULL,   NOT_FLAG, S(keep_failed),    NULL, NULL },
	{ "config.cleanpod.cleanvolumeandcontaineronmesoskill",  NULL, FLAG, S(remove_volumes), NULL, NULL },
	{ "config.cleanpod.cleanimageonmesoskill",  NULL, FLAG, S(remove_images), NULL, NULL },
	{ "config.cleanpod.unhealthy",  NULL,       FLAG,     S(kill_unhealthy), NULL, NULL },
	{ "slipway.hooks.timeout",  "SLIPWAY_HOOKS_TIMEOUT",           TIME,     S(hook_timeout),   NULL, NULL },
	{ "slipway.check.service",  NULL,           TEXT,     S(check_service),  NULL, NULL },
	{ "slipway.ports",  "SLIPWAY_PORTS",                   WORD,     S(host_ports),     "host", "offered" },
	{ "slipway.ready",  "SLIPWAY_READY",                   WORD,     S(ready_started),  "started", "healthy" },
	{ "pluginorder",  "SLIPWAY_HOOKS",                     TEXT,     S(hooks),          NULL, NULL },
	{ 0 },
};
/* clang-format on */
#undef S

/* What dce-go did by polling, or with its engine: accepted, because there is nothing left to set. */
static const char *const without_meaning[] = {
	"config.launchtask.podmonitorinterval", "config.launchtask.composehttptimeout",
	"config.launchtask.maxretry",		"config.launchtask.debug",
	"config.launchtask.httptimeout",	"config.foldername",
	"config.dockercomposeverbose",		NULL
};

/* "500s", "1.5secs"; a bare number is milliseconds, as dce-go has it. */
static struct err *parse_time(const char *text, int64_t *ret)
{
	uint64_t ms = 0;
	auto_err struct err *not_mesos = wire_duration(text, &ms);
	auto_err struct err *not_number = str_number(text, 0, INT64_MAX / 2, ret);

	if (!not_mesos)
		*ret = (int64_t)ms;
	if (not_mesos && not_number)
		TRY(compose_parse_duration(text, ret));
	if (*ret < 0 || *ret > TIME_MAX)
		return err_new(ERANGE, "'%s' is not a time from 0 to %lld seconds", text,
			       (long long)TIME_MAX / 1000);
	return NULL;
}

static struct err *parse_flag(const char *text, bool *ret)
{
	static const char *const yes[] = { "true", "1", "yes", NULL }, *const no[] = { "false", "0",
										       "no", NULL };

	*ret = str_one_of(text, yes);
	return *ret || str_one_of(text, no)
		       ? NULL
		       : err_new(EINVAL, "'%s' is neither true nor false", text);
}

static struct err *parse(const struct setting *row, const char *text, struct settings *ret)
{
	char *field = (char *)ret + row->offset;
	bool flag = false;

	switch (row->kind) {
	case FLAG:
	case NOT_FLAG:
		TRY(parse_flag(text, &flag));
		*(bool *)field = flag == (row->kind == FLAG);
		return NULL;
	case TIME:
		return parse_time(text, (int64_t *)(void *)field);
	case COUNT:
		return str_number(text, 0, 1000, (int64_t *)(void *)field);
	case TEXT:
		free(*(char **)(void *)field);
		*(char **)(void *)field = mem_strdup(text);
		return NULL;
	case WORD:
		*(bool *)field = strcmp(text, row->word) == 0;
		return *(bool *)field || strcmp(text, row->other) == 0
			       ? NULL
			       : err_new(EINVAL, "'%s' is neither %s nor %s", text, row->word,
					 row->other);
	}
	return NULL;
}

/* The part of a label's name that dce-go looks at: any prefix may stand before "config.". */
static const char *config_key(const char *label)
{
	const char *at = strstr(label, "config.");

	return at && (at == label || at[-1] == '.') ? at : NULL;
}

static void warn_of_unknown(const json_t *task)
{
	const json_t *labels = json_at(task, "labels.labels");

	for (size_t i = 0; i < json_array_size(labels); i++) {
		const char *key = config_key(wire_text(json_array_get(labels, i), "key"));
		const struct setting *row = settings;

		while (key && row->key && strcmp(row->key, key) != 0)
			row++;
		if (key && !row->key && !str_one_of(key, without_meaning))
			log_warn("label %s: there is no such setting", key);
	}
}

struct err *settings_read(const json_t *task, char *const *environ, struct settings *ret)
{
	*ret = (struct settings) { .launch_timeout = 500000,
				   .pull_tries = 3,
				   .retry_interval = 10000,
				   .stop_timeout = -1,
				   .remove_volumes = true,
				   .kill_unhealthy = true,
				   .hook_timeout = 10000 };
	for (const struct setting *row = settings; row->key; row++) {
		const char *preset = row->env ? env_get(environ, row->env) : NULL;
		const char *label = wire_label(task, row->key);

		if (preset && *preset)
			TRY(err_wrap(parse(row, preset, ret), "%s", row->env));
		if (label)
			TRY(err_wrap(parse(row, label, ret), "label %s", row->key));
	}
	warn_of_unknown(task);
	return NULL;
}

void settings_clear(struct settings *s)
{
	free(s->hooks);
	free(s->check_service);
}
