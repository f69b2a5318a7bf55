/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compose/marathon.c - a Marathon app definition, read as a project of one service.
 *
 * Both shapes are: the old one with container.docker.network and portMappings,
 * and the one with networks. What tells a scheduler where and how often is
 * passed over; what the container would lack is refused.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "compose/marathon.h"

enum { GRACE_MAX = 1000000 /* seconds */ };

void app_refuse(struct app *a, const char *path, const char *why)
{
	a->errors = err_join(a->errors, err_new(EINVAL, "%s: %s: %s", a->file, path, why));
}

void app_warn(struct app *a, const char *path, const char *why)
{
	strv_add(a->warnings, mem_printf("%s: %s: %s", a->file, path, why));
}

/* ---- members, and what they become ---- */

const char *app_text(const json_t *j, const char *path)
{
	return json_string_value(json_at(j, path));
}

static bool is_empty(const json_t *j)
{
	return !j || json_is_null(j) || json_is_false(j) ||
	       (json_is_array(j) && !json_array_size(j)) ||
	       (json_is_object(j) && !json_object_size(j)) ||
	       (json_is_string(j) && !*json_string_value(j)) ||
	       (json_is_number(j) && json_number_value(j) == 0);
}

typedef void take_fn(struct app *a, const char *path, json_t *value);

static void take_nothing(struct app *a, const char *path, json_t *value)
{
	(void)a;
	(void)path;
	(void)value;
}

void app_environment(struct app *a, const char *key, const char *value)
{
	auto_free char *path = mem_printf("%s=%s", key, value);
	auto_free char *given = mem_printf("env=%s", path);
	char *const one[] = { given, NULL };

	a->errors = err_join(a->errors, flags_apply(one, a->project, a->service));
}

static void take_cpus(struct app *a, const char *path, json_t *value)
{
	double shares = json_number_value(value) * 1024;

	if (!json_is_number(value) || shares < 0 || shares > 262144) {
		app_refuse(a, path, "must be a number of processors");
		return;
	}
	/* a weight, not a limit: what is free is everybody's */
	json_put_int(a->service, "cpu_shares", shares < 2 ? 2 : (int64_t)shares);
	auto_free char *text = mem_printf("%g", json_number_value(value));

	app_environment(a, "MARATHON_APP_RESOURCE_CPUS", text);
}

static void take_mem(struct app *a, const char *path, json_t *value)
{
	double bytes = json_number_value(value) * (1 << 20);

	if (!json_is_number(value) || bytes < 0 || bytes > (double)(1LL << 50)) {
		app_refuse(a, path, "must be a number of megabytes");
		return;
	}
	if (bytes >= 1)
		json_put_int(a->service, "mem_limit", (int64_t)bytes);
	auto_free char *text = mem_printf("%g", json_number_value(value));

	app_environment(a, "MARATHON_APP_RESOURCE_MEM", text);
}

static void take_instances(struct app *a, const char *path, json_t *value)
{
	if (json_integer_value(value) != 1)
		app_warn(a, path, "one instance is run here");
}

/* As Mesos runs it: by the shell, whatever the image's entrypoint is. */
static void take_cmd(struct app *a, const char *path, json_t *value)
{
	char *words[] = { (char *)(uintptr_t) "-c", (char *)(uintptr_t)json_string_value(value),
			  NULL };

	if (!json_is_string(value)) {
		app_refuse(a, path, "must be a string");
		return;
	}
	json_object_set_new(a->service, "entrypoint", json_pack("[s]", "/bin/sh"));
	flags_command(a->service, words);
}

static void take_args(struct app *a, const char *path, json_t *value)
{
	auto_strv char **words = NULL;

	for (size_t i = 0; i < json_array_size(value); i++) {
		const char *word = json_string_value(json_array_get(value, i));

		if (!word)
			app_refuse(a, path, "must be strings");
		else
			strv_add(&words, mem_strdup(word));
	}
	flags_command(a->service, words);
}

static void take_user(struct app *a, const char *path, json_t *value)
{
	if (json_is_string(value))
		flags_put(a->service, "user", json_string_value(value));
	else
		app_refuse(a, path, "must be a string");
}

static void take_tty(struct app *a, const char *path, json_t *value)
{
	(void)path;
	json_put_bool(a->service, "tty", json_is_true(value));
}

static void take_grace(struct app *a, const char *path, json_t *value)
{
	double seconds = json_number_value(value);
	auto_free char *text = mem_printf("%.3fs", seconds);

	if (!json_is_number(value) || seconds < 0 || seconds > GRACE_MAX) {
		app_refuse(a, path, "must be a number of seconds");
		return;
	}
	flags_put(a->service, "stop_grace_period", text);
}

static void take_env(struct app *a, const char *path, json_t *value)
{
	const char *key;
	json_t *one;

	json_object_foreach(value, key, one)
	{
		auto_free char *where = mem_printf("%s.%s", path, key);

		if (json_is_string(one))
			app_environment(a, key, json_string_value(one));
		else
			app_refuse(a, where, "must be a string: there are no secrets here");
	}
}

static void take_labels(struct app *a, const char *path, json_t *value)
{
	const char *key;
	json_t *one;

	json_object_foreach(value, key, one)
	{
		auto_free char *given =
			mem_printf("label=%s=%s", key,
				   json_is_string(one) ? json_string_value(one) : "");
		char *const list[] = { given, NULL };

		(void)path;
		a->errors = err_join(a->errors, flags_apply(list, a->project, a->service));
	}
}

/* ---- the container ---- */

static void take_image(struct app *a, const char *path, json_t *value)
{
	if (!json_is_string(value)) {
		app_refuse(a, path, "must be a string");
		return;
	}
	flags_put(a->service, "image", json_string_value(value));
	app_environment(a, "MARATHON_APP_DOCKER_IMAGE", json_string_value(value));
}

static void take_force_pull(struct app *a, const char *path, json_t *value)
{
	(void)path;
	if (json_is_true(value))
		json_put_str(a->service, "pull_policy", "always");
}

static void take_privileged(struct app *a, const char *path, json_t *value)
{
	(void)path;
	if (json_is_true(value))
		json_put_bool(a->service, "privileged", true);
}

/* Options of docker run: they are attributes like those of a command line. */
static void take_parameters(struct app *a, const char *path, json_t *value)
{
	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *one = json_array_get(value, i);
		const char *key = app_text(one, "key"), *text = app_text(one, "value");
		auto_free char *where = mem_printf("%s[%zu]", path, i);

		if (!key || !text || strchr(key, '=')) {
			app_refuse(a, where, "must have key and value");
			continue;
		}
		auto_free char *given = mem_printf("%s=%s", key, text);
		char *const list[] = { given, NULL };

		a->errors = err_join(a->errors, err_wrap(flags_apply(list, a->project, a->service),
							 "%s: %s", a->file, where));
	}
}

static void set_network(struct app *a, const char *path, const char *mode)
{
	static const struct {
		const char *mode, *is;
	} modes[] = {
		{ "BRIDGE", NULL },  { "container/bridge", NULL }, { "HOST", "host" },
		{ "host", "host" },  { "NONE", "none" },	   { "USER", "" },
		{ "container", "" },
	};
	size_t i = 0;

	while (i < ARRAY_LEN(modes) && !str_eq(modes[i].mode, mode))
		i++;
	if (i == ARRAY_LEN(modes)) {
		app_refuse(a, path, "is not a network; there are BRIDGE, HOST and NONE");
		return;
	}
	if (modes[i].is && !*modes[i].is)
		app_warn(a, path, "the named network is the pod's own here");
	else if (modes[i].is)
		json_put_str(a->service, "network_mode", modes[i].is);
	a->host = str_eq(modes[i].is, "host");
}

static void take_network(struct app *a, const char *path, json_t *value)
{
	set_network(a, path, json_string_value(value));
}

static void take_networks(struct app *a, const char *path, json_t *value)
{
	if (json_array_size(value) > 1)
		app_refuse(a, path, "more than one network is not supported");
	else if (json_array_size(value) == 1)
		set_network(a, path, app_text(json_array_get(value, 0), "mode"));
}

static void take_ports(struct app *a, const char *path, json_t *value)
{
	(void)path;
	if (!is_empty(value))
		a->ports = value;
}

static void take_volumes(struct app *a, const char *path, json_t *value)
{
	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *one = json_array_get(value, i);
		const char *to = app_text(one, "containerPath"), *from = app_text(one, "hostPath");
		auto_free char *where = mem_printf("%s[%zu]", path, i);
		bool relative = from && *from != '/';
		bool persistent = !is_empty(json_at(one, "persistent"));

		if (!to || (!from && !persistent) || !is_empty(json_at(one, "external")) ||
		    !is_empty(json_at(one, "secret"))) {
			app_refuse(a, where,
				   "must have containerPath and hostPath; external and secret ones "
				   "are "
				   "not supported");
			continue;
		}
		/* Mesos's sandbox is where relative paths are */
		const char *read_only = str_eq(app_text(one, "mode"), "RO") ? ":ro" : "";
		auto_free char *target =
			*to == '/' ? mem_strdup(to) : mem_printf("/mnt/mesos/sandbox/%s", to);
		auto_free char *given =
			persistent ? mem_printf("volume=%s%s", target, read_only)
				   : mem_printf("volume=%s%s:%s%s", relative ? "./" : "", from,
						target, read_only);
		char *const list[] = { given, NULL };

		a->errors = err_join(a->errors, flags_apply(list, a->project, a->service));
	}
}

/* ---- tables: what may be in an app, and in its parts ---- */

struct key {
	const char *name;
	take_fn *fn;
	const char
		*why; /* without fn: refused when it says anything; NULL: ignored, with a warning */
};

static void take_container(struct app *a, const char *path, json_t *value);
static void take_docker(struct app *a, const char *path, json_t *value);

/* clang-format off */
static const struct key docker_keys[] = {
	{ "image", take_image, NULL },
	{ "network", take_network, NULL },
	{ "portMappings", take_ports, NULL },
	{ "privileged", take_privileged, NULL },
	{ "parameters", take_parameters, NULL },
	{ "forcePullImage", take_force_pull, NULL },
	{ "pullConfig", NULL, "credentials of secrets are not supported" },
	{ "credential", NULL, "credentials of principals are not supported" },
	{ 0 },
};
static const struct key container_keys[] = {
	{ "type", take_nothing, NULL },
	{ "docker", take_docker, NULL },
	{ "portMappings", take_ports, NULL },
	{ "volumes", take_volumes, NULL },
	{ "linuxInfo", NULL, "is not supported" },
	{ 0 },
};
static const struct key app_keys[] = {
	{ "id", take_nothing, NULL },
	{ "container", take_container, NULL },
	{ "networks", take_networks, NULL },
	{ "cmd", take_cmd, NULL },
	{ "args", take_args, NULL },
	{ "cpus", take_cpus, NULL },
	{ "mem", take_mem, NULL },
	{ "env", take_env, NULL },
	{ "labels", take_labels, NULL },
	{ "user", take_user, NULL },
	{ "tty", take_tty, NULL },
	{ "instances", take_instances, NULL },
	{ "taskKillGracePeriodSeconds", take_grace, NULL },
	{ "portDefinitions", take_ports, NULL },
	{ "ports", take_ports, NULL },
	{ "healthChecks", take_nothing, NULL }, /* when the ports are known */
	/* a scheduler's */
	{ "upgradeStrategy", take_nothing, NULL },
	{ "constraints", take_nothing, NULL },
	{ "backoffSeconds", take_nothing, NULL },
	{ "backoffFactor", take_nothing, NULL },
	{ "maxLaunchDelaySeconds", take_nothing, NULL },
	{ "killSelection", take_nothing, NULL },
	{ "unreachableStrategy", take_nothing, NULL },
	{ "requirePorts", take_nothing, NULL },
	{ "acceptedResourceRoles", take_nothing, NULL },
	{ "role", take_nothing, NULL },
	{ "version", take_nothing, NULL },
	{ "versionInfo", take_nothing, NULL },
	{ "tasksStaged", take_nothing, NULL },
	{ "tasksRunning", take_nothing, NULL },
	{ "tasksHealthy", take_nothing, NULL },
	{ "tasksUnhealthy", take_nothing, NULL },
	{ "deployments", take_nothing, NULL },
	{ "lastTaskFailure", take_nothing, NULL },
	{ "executor", NULL, "an executor of its own is not supported" },
	{ "fetch", NULL, "nothing is fetched here: mount what is needed" },
	{ "uris", NULL, "nothing is fetched here: mount what is needed" },
	{ "storeUrls", NULL, "nothing is fetched here: mount what is needed" },
	{ "secrets", NULL, "there is no store of secrets" },
	{ "ipAddress", NULL, "write networks instead" },
	{ "gpus", NULL, "there is no device control group" },
	{ 0 },
};
/* clang-format on */

static void take_keys(struct app *a, const struct key *keys, const char *above, json_t *object)
{
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value)
	{
		auto_free char *path = mem_printf("%s%s%s", above, *above ? "." : "", name);
		const struct key *k = keys;

		while (k->name && strcmp(k->name, name) != 0)
			k++;
		if (!k->name && !is_empty(value))
			app_warn(a, path, "ignored: it means nothing here");
		else if (k->name && k->fn && !json_is_null(value))
			k->fn(a, path, value);
		else if (k->name && !k->fn && !is_empty(value))
			app_refuse(a, path, k->why);
	}
}

static void take_container(struct app *a, const char *path, json_t *value)
{
	take_keys(a, container_keys, path, value);
}

static void take_docker(struct app *a, const char *path, json_t *value)
{
	take_keys(a, docker_keys, path, value);
}

/* ---- the whole ---- */

/* "/group/nginx" is the service nginx of the project group-nginx. */
static void put_names(struct app *a, char **ret_service)
{
	const char *id = app_text(a->root, "id");
	auto_strv char **parts = str_split(id, "/");
	auto_free char *joined = strv_join(parts, "-");
	size_t n = strv_len(parts);

	for (char *c = joined; *c; c++)
		*c = isalnum((unsigned char)*c) ? (char)tolower((unsigned char)*c) : '-';
	json_put_str(a->project, "name", joined);
	*ret_service = mem_strdup(n ? parts[n - 1] : "app");
	for (char *c = *ret_service; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("._-", *c))
			*c = '-';
	app_environment(a, "MARATHON_APP_ID", id);
}

static void convert(struct app *a)
{
	auto_free char *name = NULL;
	json_t *checks = json_at(a->root, "healthChecks");

	put_names(a, &name);
	take_keys(a, app_keys, "", a->root);
	if (!json_at(a->service, "image"))
		app_refuse(a, "container.docker.image", "is missing: only containers are run here");
	for (size_t i = 0; i < json_array_size(a->ports); i++)
		app_port(a, i);
	if (json_array_size(checks))
		app_health(a, json_array_get(checks, 0));
	if (json_array_size(checks) > 1)
		app_warn(a, "healthChecks", "the first one is used");
	json_put_str(a->service, "restart", "always");
	json_t *services = json_object();

	json_object_set(services, name, a->service);
	json_object_set_new(a->project, "services", services);
}

/* Word processors make quotes that JSON does not know. */
static char *straighten(const char *text)
{
	char *plain = mem_strdup(text), *out = plain;

	for (const char *in = text; *in; in++) {
		bool curly =
			strncmp(in, "\xe2\x80\x9c", 3) == 0 || strncmp(in, "\xe2\x80\x9d", 3) == 0;

		*out++ = curly ? '"' : *in;
		in += curly ? 2 : 0;
	}
	*out = '\0';
	return plain;
}

static bool is_app(const json_t *j)
{
	return json_is_string(json_object_get(j, "id")) && !json_object_get(j, "services") &&
	       (json_object_get(j, "container") || json_object_get(j, "cmd") ||
		json_object_get(j, "args"));
}

static json_t *parse(const char *text, size_t len)
{
	json_t *j = NULL;
	auto_err struct err *e = json_parse(text, len, FILE_SIZE_MAX, &j);

	return e ? NULL : j;
}

struct err *marathon_read(const char *file, const char *text, size_t len, char ***warnings,
			  char **ret)
{
	const char *first = text + strspn(text, " \t\r\n");

	if (*first != '{' || strlen(text) != len)
		return NULL;
	auto_json json_t *root = parse(text, len);

	if (!root && strstr(text, "\xe2\x80\x9c")) {
		auto_free char *plain = straighten(text);

		root = parse(plain, strlen(plain));
	}
	if (!is_app(root))
		return NULL;
	auto_json json_t *project = json_object(), *service = json_object();
	struct app a = { .file = file,
			 .root = root,
			 .project = project,
			 .service = service,
			 .warnings = warnings };

	convert(&a);
	TRY(a.errors);
	*ret = json_text(project, 2);
	return NULL;
}
