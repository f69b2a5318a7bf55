/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod/config.c - how slipway behaves on this host: files, above them the environment, above that options.
 *
 * The files are slipway.yaml, and all .yaml of conf.d by name, in /etc/slipway or
 * SLIPWAY_CONFIG_DIR. One table says what can be set; where each value came from
 * is kept, for messages and for 'slipway info'.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

enum { CONF_FILES_MAX = 1000 };

struct pod_config {
	char *value[POD_SETTINGS], *source[POD_SETTINGS]; /* NULL: the default */
};

/* ---- what values are ---- */

static struct err *check_path(const char *value)
{
	return *value == '/' ? NULL : err_new(EINVAL, "'%s' is not an absolute path", value);
}

static struct err *check_group(const char *value)
{
	return strstr(value, "..") ? err_new(EINVAL, "'%s' must not contain ..", value) : NULL;
}

static struct err *check_level(const char *value)
{
	enum log_level level;

	return log_level_parse(value, &level);
}

static struct err *check_format(const char *value)
{
	enum log_format format;

	return log_format_parse(value, &format);
}

static struct err *check_driver(const char *value)
{
	return resolve_log_driver_check(value);
}

static struct err *check_size(const char *value)
{
	int64_t n = 0;

	return strcmp(value, "-1") == 0 ? NULL : compose_parse_bytes(value, &n);
}

static struct err *check_files(const char *value)
{
	int64_t n = 0;

	return str_number(value, 1, 1000, &n);
}

/* Seconds, or with a unit. */
static struct err *parse_time(const char *value, int64_t *ret_ms)
{
	if (value[strspn(value, "0123456789")])
		return compose_parse_duration(value, ret_ms);
	TRY(str_number(value, 0, INT32_MAX / 1000, ret_ms));
	*ret_ms *= 1000;
	return NULL;
}

static struct err *check_time(const char *value)
{
	int64_t ms = 0;
	struct err *e = parse_time(value, &ms);

	return !e && ms < 0 ? err_new(EINVAL, "'%s' is negative", value) : e;
}

static struct err *check_pull(const char *value)
{
	static const char *const known[] = { "always", "missing", "never", NULL };

	return str_one_of(value, known)
		       ? NULL
		       : err_new(EINVAL,
				 "'%s' is not a pull policy; there are always, missing and never",
				 value);
}

static struct err *check_progress(const char *value)
{
	static const char *const known[] = { "auto", "tty", "plain", "quiet", NULL };

	return str_one_of(value, known)
		       ? NULL
		       : err_new(EINVAL,
				 "'%s' is not a progress; there are auto, tty, plain and quiet",
				 value);
}

/* clang-format off */
const struct pod_setting pod_settings[POD_SETTINGS] = {
	[POD_SETTING_ROOT]         = { "root",          "SLIPWAY_ROOT",          check_path,     "/var/lib/slipway", "images, volumes, logs and what containers write" },
	[POD_SETTING_RUN]          = { "run",           "SLIPWAY_RUN",           check_path,     "/run/slipway",     "state of pods, gone at reboot" },
	[POD_SETTING_CGROUP_PARENT] = { "cgroup_parent", "SLIPWAY_CGROUP_PARENT", check_group,   "slipway",          "the control group that pods are made in" },
	[POD_SETTING_LOG_LEVEL]    = { "log_level",     "SLIPWAY_LOG_LEVEL",     check_level,    "info",             "slipway's own messages: debug, info, warning or error" },
	[POD_SETTING_LOG_FORMAT]   = { "log_format",    "SLIPWAY_LOG_FORMAT",    check_format,   "text",             "slipway's own messages: text, keys or json" },
	[POD_SETTING_LOG_DRIVER]   = { "log_driver",    "SLIPWAY_LOG_DRIVER",    check_driver,   "json-file",        "of services that name none: json-file, local, journald or none" },
	[POD_SETTING_LOG_MAX_SIZE] = { "log_max_size",  "SLIPWAY_LOG_MAX_SIZE",  check_size,     "",                 "max-size of services that name no driver, or this one" },
	[POD_SETTING_LOG_MAX_FILE] = { "log_max_file",  "SLIPWAY_LOG_MAX_FILE",  check_files,    "",                 "max-file likewise" },
	[POD_SETTING_JOURNAL]      = { "journal",       "SLIPWAY_JOURNAL",       check_path,     "/run/systemd/journal/socket", "the socket of the driver journald" },
	[POD_SETTING_STOP_TIMEOUT] = { "stop_timeout",  "SLIPWAY_STOP_TIMEOUT",  check_time,     "10s",              "stop_grace_period of services that name none" },
	[POD_SETTING_PULL]         = { "pull",          "SLIPWAY_PULL",          check_pull,     "missing",          "pull_policy of services that name none: always, missing or never" },
	[POD_SETTING_PROGRESS]     = { "progress",      "SLIPWAY_PROGRESS",      check_progress, "auto",             "what is told of what goes on: auto, tty, plain or quiet" },
	[POD_SETTING_CERTS]        = { "certs",         "SLIPWAY_CERTS_D",       check_path,     "", "certificates of registries, a directory HOST[:PORT] for each; looked at before /etc/slipway/certs.d and docker's" },
};
/* clang-format on */

static struct err *find_setting(const char *key, size_t *ret)
{
	auto_strv char **known = NULL;

	for (size_t i = 0; i < POD_SETTINGS; i++) {
		strv_add(&known, mem_strdup(pod_settings[i].name));
		if (strcmp(pod_settings[i].name, key) == 0) {
			*ret = i;
			return NULL;
		}
	}
	auto_free char *list = strv_join(known, ", ");

	return err_new(EINVAL, "there is no setting '%s'; there are %s", key, list);
}

static struct err *set(struct pod_config *c, size_t i, const char *value, char *take_source)
{
	struct err *e = *value ? pod_settings[i].check(value) : NULL;

	if (e) {
		free(take_source);
		return e;
	}
	free(c->value[i]);
	free(c->source[i]);
	c->value[i] = *value ? mem_strdup(value) : NULL; /* nothing is the default */
	c->source[i] = take_source;
	if (!*value)
		free(steal(&c->source[i]));
	return NULL;
}

/* ---- from where ---- */

static struct err *apply_file(struct pod_config *c, const char *path)
{
	struct compose_settings s = { 0 };
	struct err *errors = NULL;

	TRY(compose_settings_read(path, &s));
	for (size_t k = 0; k < s.n; k++) {
		const struct compose_setting *from = &s.items[k];
		size_t i = 0;
		struct err *e = find_setting(from->key, &i);

		if (!e)
			e = set(c, i, from->value, mem_printf("%s:%u", path, from->place.line));
		errors = err_join(errors, compose_wrap(&from->place, e));
	}
	compose_settings_clear(&s);
	return errors;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct err *apply_conf_d(struct pod_config *c, const char *dir)
{
	auto_free char *conf_d = mem_printf("%s/conf.d", dir);
	auto_fd int fd = open(conf_d, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_strv char **names = NULL;
	struct err *errors = NULL;

	if (fd < 0)
		return errno == ENOENT ? NULL : err_errno("open %s", conf_d);
	TRY(err_wrap(fd_list(fd, &names), "%s", conf_d));
	if (strv_len(names) > CONF_FILES_MAX)
		return err_new(E2BIG, "%s: more than %d files", conf_d, CONF_FILES_MAX);
	if (names)
		qsort(names, strv_len(names), sizeof(*names), by_text);
	for (char **n = names; n && *n; n++) {
		auto_free char *path = mem_printf("%s/%s", conf_d, *n);

		if (**n != '.' && str_ends(*n, ".yaml"))
			errors = err_join(errors, apply_file(c, path));
	}
	return errors;
}

/* The directory is looked for first: most hosts have none, and that costs one system call. */
static struct err *apply_files(struct pod_config *c)
{
	const char *named = getenv("SLIPWAY_CONFIG_DIR");
	const char *dir = named && *named ? named : "/etc/slipway";
	auto_free char *path = mem_printf("%s/slipway.yaml", dir);

	if (access(dir, F_OK) < 0)
		return NULL;
	struct err *e = access(path, F_OK) == 0 ? apply_file(c, path) : NULL;

	return err_join(e, apply_conf_d(c, dir));
}

/* Another default, where systemd runs slipway.service on cgroup2: see POD_HOME. */
static struct err *apply_systemd(struct pod_config *c)
{
	if (access("/sys/fs/cgroup/" POD_HOME "/cgroup.procs", F_OK) < 0)
		return NULL;
	return set(c, POD_SETTING_CGROUP_PARENT, POD_HOME "/pods", mem_strdup(POD_HOME_SOURCE));
}

static struct err *apply_environment(struct pod_config *c)
{
	const char *docker = getenv("COMPOSE_PROGRESS"); /* for those who come from there */

	if (docker && *docker)
		TRY(err_wrap(set(c, POD_SETTING_PROGRESS, docker, mem_strdup("COMPOSE_PROGRESS")),
			     "COMPOSE_PROGRESS"));
	for (size_t i = 0; i < POD_SETTINGS; i++) {
		const char *value = getenv(pod_settings[i].variable);

		if (value && *value)
			TRY(err_wrap(set(c, i, value, mem_strdup(pod_settings[i].variable)), "%s",
				     pod_settings[i].variable));
	}
	return NULL;
}

struct err *pod_config_set(struct pod_config *c, const char *assignment)
{
	size_t n = strcspn(assignment, "="), i = 0;
	auto_free char *key = mem_strndup(assignment, n);

	if (!assignment[n])
		return err_new(EINVAL, "'%s' is not KEY=VALUE", assignment);
	TRY(find_setting(key, &i));
	return err_wrap(set(c, i, assignment + n + 1, mem_strdup("--set")), "%s", key);
}

struct err *pod_config_option(struct pod_config *c, enum pod_setting_key key, const char *option,
			      const char *value)
{
	return err_wrap(set(c, key, value, mem_strdup(option)), "%s", option);
}

struct err *pod_config_load(struct pod_config **ret)
{
	auto_pod_config struct pod_config *c = mem_alloc(sizeof(*c));

	TRY(apply_systemd(c));
	TRY(apply_files(c));
	TRY(apply_environment(c));
	*ret = steal(&c);
	return NULL;
}

/* ---- asking ---- */

const char *pod_config_get(const struct pod_config *c, enum pod_setting_key key)
{
	return c && c->value[key] ? c->value[key] : pod_settings[key].fallback;
}

const char *pod_config_source(const struct pod_config *c, enum pod_setting_key key)
{
	return c && c->source[key] ? c->source[key] : "default";
}

int64_t config_stop_timeout(const struct pod_config *c)
{
	int64_t ms = 0;

	err_ignore(parse_time(pod_config_get(c, POD_SETTING_STOP_TIMEOUT), &ms)); /* was checked */
	return ms;
}

/* What programs that we start take from their environment. */
void pod_config_export(const struct pod_config *c)
{
	if (c->value[POD_SETTING_CERTS])
		(void)setenv(pod_settings[POD_SETTING_CERTS].variable, c->value[POD_SETTING_CERTS],
			     1);
}

void pod_config_free(struct pod_config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < POD_SETTINGS; i++) {
		free(c->value[i]);
		free(c->source[i]);
	}
	free(c);
}

void pod_config_cleanup(struct pod_config **c)
{
	pod_config_free(*c);
}
