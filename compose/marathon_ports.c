/* SPDX-License-Identifier: Apache-2.0 */
/* compose/marathon_ports.c - an app's ports, and the health check that looks at one of them. */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "compose/marathon.h"

/* ---- ports ---- */

/* Of mapping or definition @i: the port in the container, and the host's, 0 when any will do. */
static int64_t port_of(const struct app *a, size_t i, int64_t *ret_host)
{
	const json_t *one = json_array_get(a->ports, i);
	int64_t inside = json_integer_value(json_at(one, "containerPort"));

	*ret_host = json_is_integer(one)   ? json_integer_value(one)
		    : json_at(one, "port") ? json_integer_value(json_at(one, "port"))
					   : json_integer_value(json_at(one, "hostPort"));
	return inside ? inside : *ret_host;
}

void app_port(struct app *a, size_t i)
{
	const char *protocol = app_text(json_array_get(a->ports, i), "protocol");
	auto_strv char **protocols = str_split(protocol ? protocol : "tcp", ",");
	auto_free char *key = mem_printf("PORT%zu", i);
	int64_t host = 0, inside = port_of(a, i, &host);
	auto_free char *number = mem_printf("%lld", (long long)host);

	if (inside < 1 || inside > 65535 || host < 0 || host > 65535) {
		app_refuse(a, "container.portMappings",
			   "a containerPort, or a fixed port of the host, is needed");
		return;
	}
	if (host) {
		app_environment(a, key, number);
		if (i == 0)
			app_environment(a, "PORT", number);
	}
	for (char **p = protocols; p && *p && !a->host; p++) {
		auto_free char *given = host ? mem_printf("publish=%lld:%lld/%s", (long long)host,
							  (long long)inside, *p)
					     : mem_printf("publish=%lld/%s", (long long)inside, *p);
		char *const list[] = { given, NULL };

		a->errors = err_join(a->errors, flags_apply(list, a->project, a->service));
	}
}

/* ---- health ---- */

enum { NUMBER_MAX = INT32_MAX, PORT_MAX = 65535 };

/* A member of the health check, from 0 to @max. */
static int64_t number_at(struct app *a, const json_t *check, const char *key, int64_t fallback,
			 int64_t max)
{
	const json_t *n = json_at(check, key);
	auto_free char *where = mem_printf("healthChecks[0].%s", key);
	double value = json_number_value(n);

	if (!n)
		return fallback;
	if (!json_is_number(n)) {
		app_refuse(a, where, "must be a number");
		return fallback;
	}
	if (!(value >= 0 && value <= (double)max)) {
		auto_free char *why =
			mem_printf("%g is not a number from 0 to %lld", value, (long long)max);

		app_refuse(a, where, why);
		return fallback;
	}
	return (int64_t)value;
}

/*
 * In the container there may be neither curl nor wget: then that somebody listens
 * is all that can be seen, in the kernel's list of sockets.
 */
static char *probe(const char *scheme, int64_t port, const char *path)
{
	auto_free char *listens =
		mem_printf("grep -qi ': [0-9a-f]*:%04llX [0-9a-f]*:0000 0A' /proc/net/tcp* ",
			   (unsigned long long)port);

	if (!scheme)
		return mem_strdup(listens);
	auto_free char *url = mem_printf("%s://127.0.0.1:%lld%s%s", scheme, (long long)port,
					 *path == '/' ? "" : "/", path);

	return mem_printf("if command -v curl >/dev/null; then curl -kfsS -o /dev/null '%s'; "
			  "elif command -v wget >/dev/null; then wget -q -O /dev/null '%s'; "
			  "else %s; fi",
			  url, url, listens);
}

static void put_times(struct app *a, const json_t *check)
{
	static const struct {
		const char *key, *attr;
		int64_t fallback;
	} times[] = {
		{ "gracePeriodSeconds", "healthcheck.start_period", 300 },
		{ "intervalSeconds", "healthcheck.interval", 60 },
		{ "timeoutSeconds", "healthcheck.timeout", 20 },
	};
	int64_t failures = number_at(a, check, "maxConsecutiveFailures", 3, NUMBER_MAX);

	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		int64_t seconds = number_at(a, check, times[i].key, times[i].fallback, NUMBER_MAX);
		auto_free char *text = mem_printf("%llds", (long long)seconds);

		flags_put(a->service, times[i].attr, text);
	}
	/* 0: failures never kill the task */
	json_put_int(json_at(a->service, "healthcheck"), "retries",
		     failures ? failures : NUMBER_MAX);
}

void app_health(struct app *a, const json_t *check)
{
	const char *protocol = app_text(check, "protocol"), *path = app_text(check, "path");
	const char *bare = protocol && str_starts(protocol, "MESOS_") ? protocol + 6 : protocol;
	const char *command = app_text(check, "command.value");
	size_t index = (size_t)number_at(a, check, "portIndex", 0, PORT_MAX);
	int64_t host = 0, port = port_of(a, index, &host);
	auto_free char *test = NULL;

	bare = bare ? bare : "HTTP";
	path = path ? path : "/";
	if (json_at(check, "port"))
		port = number_at(a, check, "port", 1, PORT_MAX);
	if (strcmp(bare, "COMMAND") == 0 && command)
		test = mem_strdup(command);
	else if (strchr(path, '\''))
		app_refuse(a, "healthChecks[0].path", "must not have quotes");
	else if (port < 1 || port > 65535)
		app_refuse(a, "healthChecks[0]", "there is no port to look at");
	else if (strcmp(bare, "HTTP") == 0)
		test = probe("http", port, path);
	else if (strcmp(bare, "HTTPS") == 0)
		test = probe("https", port, path);
	else if (strcmp(bare, "TCP") == 0)
		test = probe(NULL, port, path);
	else
		app_refuse(
			a, "healthChecks[0].protocol",
			"is not supported; there are HTTP, HTTPS, TCP and COMMAND, with or without "
			"MESOS_");
	if (!test)
		return;
	auto_free char *given = mem_printf("health-cmd=%s", test);
	char *const list[] = { given, NULL };

	a->errors = err_join(a->errors, flags_apply(list, a->project, a->service));
	put_times(a, check);
}
