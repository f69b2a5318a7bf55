/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compose/flags.c - docker run's options, and what each of them is in a Compose file.
 *
 * Whoever takes them (a command line, a cluster's agent) hands on what was given;
 * here it becomes attributes of one service, so that there is one way on from
 * there. An option without a row is refused by its name.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/str.h"
#include "compose/internal.h"

/* clang-format off */
#define V(f) offsetof(struct compose_run, f)
#define GIVEN(letter, name, arg, help) { letter, name, OPT_GIVEN, arg, V(given), help }
const struct opt compose_run_options[] = {
	{ 'd', "detach", OPT_FLAG, NULL, V(detach), "leave it running in the background, and print its name" },
	{ 0, "rm", OPT_FLAG, NULL, V(remove), "remove it when it has ended" },
	{ 'i', "interactive", OPT_FLAG, NULL, V(interactive), "pass standard input on" },
	{ 't', "tty", OPT_FLAG, NULL, V(tty), "give it a terminal" },
	{ 'T', "no-TTY", OPT_FLAG, NULL, V(no_tty), "of a service: no terminal" },
	{ 0, "no-tty", OPT_FLAG, NULL, V(no_tty), "the same" },
	{ 0, "name", OPT_TEXT, "NAME", V(name), "its name" },
	{ 0, "network", OPT_TEXT, "MODE", V(network), "host, none, bridge, pod:NAME or container:NAME" },
	{ 0, "net", OPT_TEXT, "MODE", V(network), "the same" },
	{ 'P', "publish-all", OPT_FLAG, NULL, V(publish_all), "publish the service's ports, or what the image exposes" },
	{ 0, "service-ports", OPT_FLAG, NULL, V(publish_all), "the same" },
	{ 0, "no-deps", OPT_FLAG, NULL, V(no_deps), "of a service: do not start what it depends on" },
	{ 0, "use-aliases", OPT_FLAG, NULL, V(nothing), "a pod has one network: its names are known there" },
	{ 0, "remove-orphans", OPT_FLAG, NULL, V(nothing), "a pod has none" },
	{ 0, "build", OPT_FLAG, NULL, V(build), "refused: slipway does not build" },
	{ 0, "pull", OPT_TEXT, "POLICY", V(pull), "always, missing or never" },
	{ 0, "quiet-pull", OPT_FLAG, NULL, V(quiet), "no progress of pulls" },
	{ 'q', "quiet", OPT_FLAG, NULL, V(quiet), "the same" },
	{ 0, "detach-keys", OPT_TEXT, "KEYS", V(detach_keys), "leave it running; ctrl-p,ctrl-q" },
	{ 0, "sig-proxy", OPT_TEXT, "BOOL", V(sig_proxy), "signals are the container's; true" },
	{ 0, "cidfile", OPT_TEXT, "FILE", V(cidfile), "write its id to a new file" },
	GIVEN('e', "env", "NAME[=VALUE]", "set a variable; without a value, to what it is here"),
	GIVEN(0, "env-file", "FILE", "set variables from a file"),
	GIVEN(0, "env-from-file", "FILE", "the same"),
	GIVEN('v', "volume", "[FROM:]TO[:OPTIONS]", "mount a volume or a directory"),
	GIVEN(0, "mount", "KEY=VALUE,...", "mount a volume, a directory or a tmpfs"),
	GIVEN(0, "volume-driver", "DRIVER", "local"),
	GIVEN(0, "tmpfs", "PATH[:OPTIONS]", "mount a tmpfs"),
	GIVEN('p', "publish", "[IP:][HOST:]PORT[/PROTOCOL]", "publish a port"),
	GIVEN(0, "expose", "PORT", "a port that it listens on; nothing is published"),
	GIVEN('u', "user", "USER[:GROUP]", "run as another user"),
	GIVEN('w', "workdir", "DIR", "run in another directory"),
	GIVEN('h', "hostname", "NAME", "the host's name inside"),
	GIVEN(0, "domainname", "NAME", "the domain's name inside"),
	GIVEN(0, "entrypoint", "PROGRAM", "instead of the image's"),
	GIVEN(0, "restart", "POLICY", "no, always, unless-stopped or on-failure[:N]"),
	GIVEN('m', "memory", "SIZE", "limit of memory"),
	GIVEN(0, "memory-reservation", "SIZE", "what it is to have when memory is short"),
	GIVEN(0, "memory-swap", "SIZE", "limit of memory and swap together"),
	GIVEN(0, "memory-swappiness", "N", "0 to 100"),
	GIVEN(0, "cpus", "N", "limit of processors; 0.5"),
	GIVEN('c', "cpu-shares", "N", "weight beside others; 1024"),
	GIVEN(0, "cpu-quota", "US", "processor time in each period"),
	GIVEN(0, "cpu-period", "US", "the period; 100000"),
	GIVEN(0, "cpuset-cpus", "LIST", "processors that may be used; 0-3"),
	GIVEN(0, "pids-limit", "N", "limit of processes"),
	GIVEN(0, "ulimit", "NAME=SOFT[:HARD]", "a resource limit"),
	GIVEN(0, "blkio-weight", "N", "refused: there is no control of block devices"),
	GIVEN(0, "oom-score-adj", "N", "who is killed first when memory is gone"),
	GIVEN(0, "oom-kill-disable", NULL, "refused"),
	GIVEN(0, "cap-add", "CAPABILITY", "a capability more than usual"),
	GIVEN(0, "cap-drop", "CAPABILITY", "a capability less than usual"),
	GIVEN(0, "security-opt", "OPTION", "no-new-privileges, seccomp=FILE, ..."),
	GIVEN(0, "privileged", NULL, "refused; name the capabilities"),
	GIVEN(0, "device", "SOURCE[:TARGET][:rwm]", "a device of the host, or a directory of them"),
	GIVEN(0, "device-cgroup-rule", "RULE", "devices that may be used, as in 'c 189:* rwm'"),
	GIVEN(0, "read-only", NULL, "the root file system cannot be written"),
	GIVEN(0, "shm-size", "SIZE", "size of /dev/shm"),
	GIVEN(0, "init", NULL, "a first process that reaps"),
	GIVEN(0, "dns", "ADDRESS", "a name server"),
	GIVEN(0, "dns-search", "DOMAIN", "a domain to search"),
	GIVEN(0, "dns-option", "OPTION", "of the resolver"),
	GIVEN(0, "dns-opt", "OPTION", "the same"),
	GIVEN(0, "add-host", "NAME:ADDRESS", "a name for /etc/hosts"),
	GIVEN('l', "label", "KEY[=VALUE]", "a label"),
	GIVEN(0, "label-file", "FILE", "labels from a file"),
	GIVEN(0, "annotation", "KEY=VALUE", "ignored"),
	GIVEN(0, "stop-signal", "SIGNAL", "what asks it to end; SIGTERM"),
	GIVEN(0, "stop-timeout", "SECONDS", "and how long it may take"),
	GIVEN(0, "health-cmd", "COMMAND", "says whether it is well"),
	GIVEN(0, "health-interval", "TIME", "how often; 30s"),
	GIVEN(0, "health-timeout", "TIME", "how long one may take; 30s"),
	GIVEN(0, "health-retries", "N", "failures until it is unhealthy; 3"),
	GIVEN(0, "health-start-period", "TIME", "in which failures do not count"),
	GIVEN(0, "health-start-interval", "TIME", "how often then"),
	GIVEN(0, "no-healthcheck", NULL, "not even the image's"),
	GIVEN(0, "log-driver", "DRIVER", "where output is kept"),
	GIVEN(0, "log-opt", "KEY=VALUE", "of the driver"),
	GIVEN(0, "sysctl", "KEY=VALUE", "a parameter of the kernel"),
	GIVEN(0, "group-add", "GROUP", "a further group"),
	GIVEN(0, "platform", "OS/ARCH", "which of the image's platforms"),
	GIVEN(0, "ipc", "MODE", "private"),
	GIVEN(0, "pid", "MODE", "refused"),
	GIVEN(0, "uts", "MODE", "refused"),
	GIVEN(0, "userns", "MODE", "host"),
	GIVEN(0, "cgroupns", "MODE", "private"),
	GIVEN(0, "cgroup-parent", "GROUP", "refused"),
	GIVEN(0, "runtime", "NAME", "refused: there is one"),
	GIVEN(0, "mac-address", "ADDRESS", "ignored"),
	{ 0 },
};
#undef V
/* clang-format on */

/* ---- the project that is being written ---- */

/* What ${VARIABLES} are looked for in says each $ twice. */
json_t *flags_text(const char *text)
{
	size_t n = 0;
	auto_free char *copy = mem_alloc(2 * strlen(text) + 1);

	for (; *text; text++) {
		copy[n++] = *text;
		if (*text == '$')
			copy[n++] = '$';
	}
	return json_string(copy);
}

/* The member by its path, made where it is missing, or was something else. */
json_t *flags_member(json_t *object, const char *path, bool list)
{
	auto_strv char **keys = str_split(path, ".");

	for (char **k = keys; k && *k; k++) {
		json_t *next = json_object_get(object, *k);
		bool wants_list = list && !k[1];

		if (!next || (wants_list ? !json_is_array(next) : !json_is_object(next))) {
			json_t *made = wants_list ? json_array() : json_object();

			if (wants_list && json_is_string(next))
				json_array_append(made, next);
			json_object_set_new(object, *k, made);
			next = made;
		}
		object = next;
	}
	return object;
}

void flags_set(json_t *service, const char *path, json_t *take_value)
{
	const char *dot = strrchr(path, '.');
	auto_free char *above = dot ? mem_strndup(path, (size_t)(dot - path)) : NULL;

	json_object_set_new(above ? flags_member(service, above, false) : service,
			    dot ? dot + 1 : path, take_value);
}

/* ---- kinds of options ---- */

static struct err *put_text(struct writing *w, const char *attr, const char *value)
{
	flags_set(w->service, attr, flags_text(value));
	return NULL;
}

static struct err *put_directory(struct writing *w, const char *attr, const char *value)
{
	if (*value && *value != '/')
		return err_new(EINVAL, "--%s: '%s' is not an absolute path", w->option, value);
	return put_text(w, attr, value);
}

/* No limit is a number; a text cannot be negative. */
static struct err *put_size(struct writing *w, const char *attr, const char *value)
{
	flags_set(w->service, attr,
		  strcmp(value, "-1") == 0 ? json_integer(-1) : flags_text(value));
	return NULL;
}

static struct err *put_true(struct writing *w, const char *attr, const char *value)
{
	(void)value;
	flags_set(w->service, attr, json_true());
	return NULL;
}

static struct err *add_text(struct writing *w, const char *attr, const char *value)
{
	json_array_append_new(flags_member(w->service, attr, true), flags_text(value));
	return NULL;
}

/* KEY=VALUE; of variables, a KEY alone is what it is in our own environment. */
static struct err *add_pair(struct writing *w, const char *attr, const char *value)
{
	auto_free char *key = mem_strndup(value, strcspn(value, "="));
	const char *rest = value + strlen(key);
	bool inherits = strcmp(attr, "environment") == 0 && !*rest;

	if (!*key)
		return err_new(EINVAL, "--%s: '%s' has no name", w->option, value);
	json_object_set_new(flags_member(w->service, attr, false), key,
			    inherits ? json_null() : flags_text(*rest ? rest + 1 : ""));
	return NULL;
}

char *flags_absolute(const char *path)
{
	auto_free char *cwd = *path == '/' ? NULL : getcwd(NULL, 0);

	return cwd ? mem_printf("%s/%s", cwd, path) : mem_strdup(path);
}

/* Docker reads them as they are: no quotes, no ${VARIABLES}. */
static struct err *add_env_file(struct writing *w, const char *attr, const char *value)
{
	auto_free char *path = flags_absolute(value);
	json_t *one = json_object();

	json_object_set_new(one, "path", flags_text(path));
	json_put_str(one, "format", "raw");
	json_array_append_new(flags_member(w->service, attr, true), one);
	return NULL;
}

static struct err *add_file(struct writing *w, const char *attr, const char *value)
{
	auto_free char *path = flags_absolute(value);

	return add_text(w, attr, path);
}

static struct err *put_words(struct writing *w, const char *attr, const char *value)
{
	json_t *words = json_array();

	if (*value)
		json_array_append_new(words, flags_text(value));
	flags_set(w->service, attr, words);
	json_object_del(w->service, "command");
	return NULL;
}

static struct err *put_seconds(struct writing *w, const char *attr, const char *value)
{
	int64_t seconds = 0;

	TRY(err_wrap(str_number(value, 0, INT32_MAX / 1000, &seconds), "--%s", w->option));
	auto_free char *text = mem_printf("%llds", (long long)seconds);

	return put_text(w, attr, text);
}

static struct err *put_shell(struct writing *w, const char *attr, const char *value)
{
	json_t *test = json_array();

	json_array_append_new(test, json_string("CMD-SHELL"));
	json_array_append_new(test, flags_text(value));
	flags_set(w->service, attr, test);
	return NULL;
}

static struct err *add_ulimit(struct writing *w, const char *attr, const char *value)
{
	auto_free char *name = mem_strndup(value, strcspn(value, "="));
	const char *text = value[strlen(name)] ? value + strlen(name) + 1 : "";
	auto_free char *soft = mem_strndup(text, strcspn(text, ":"));
	const char *hard = text[strlen(soft)] ? text + strlen(soft) + 1 : soft;
	int64_t low = 0, high = 0;
	json_t *one = json_object();

	json_object_set_new(flags_member(w->service, attr, false), name, one);
	TRY(err_wrap(str_number(soft, -1, INT64_MAX, &low), "--%s %s", w->option, value));
	TRY(err_wrap(str_number(hard, -1, INT64_MAX, &high), "--%s %s", w->option, value));
	json_put_int(one, "soft", low);
	json_put_int(one, "hard", high);
	return NULL;
}

/* Here, other than in a file, the second of two parts may be the permissions. */
static struct err *add_device(struct writing *w, const char *attr, const char *value)
{
	const char *colon = strchr(value, ':');
	bool access = colon && colon[1] && strspn(colon + 1, "rwm") == strlen(colon + 1);
	auto_free char *whole = access ? mem_printf("%.*s:%s", (int)(colon - value), value, value)
				       : mem_strdup(value);

	return add_text(w, attr, whole);
}

static struct err *check_driver(struct writing *w, const char *attr, const char *value)
{
	(void)attr;
	return strcmp(value, "local") == 0
		       ? NULL
		       : err_new(ENOTSUP, "--%s %s: there is only local", w->option, value);
}

/* ---- which option is what ---- */

static const struct {
	const char *option;
	flag_fn *fn;
	const char *attr;
} flags[] = {
	{ "env", add_pair, "environment" },
	{ "env-file", add_env_file, "env_file" },
	{ "env-from-file", add_env_file, "env_file" },
	{ "volume", flags_add_volume, NULL },
	{ "mount", flags_add_long_mount, NULL },
	{ "volume-driver", check_driver, NULL },
	{ "tmpfs", add_text, "tmpfs" },
	{ "publish", add_text, "ports" },
	{ "expose", add_text, "expose" },
	{ "user", put_text, "user" },
	{ "workdir", put_directory, "working_dir" },
	{ "hostname", put_text, "hostname" },
	{ "domainname", put_text, "domainname" },
	{ "entrypoint", put_words, "entrypoint" },
	{ "restart", put_text, "restart" },
	{ "memory", put_size, "mem_limit" },
	{ "memory-reservation", put_size, "mem_reservation" },
	{ "memory-swap", put_size, "memswap_limit" },
	{ "memory-swappiness", put_text, "mem_swappiness" },
	{ "cpus", put_text, "cpus" },
	{ "cpu-shares", put_text, "cpu_shares" },
	{ "cpu-quota", put_text, "cpu_quota" },
	{ "cpu-period", put_text, "cpu_period" },
	{ "cpuset-cpus", put_text, "cpuset" },
	{ "pids-limit", put_text, "pids_limit" },
	{ "ulimit", add_ulimit, "ulimits" },
	{ "blkio-weight", put_text, "blkio_config.weight" },
	{ "oom-score-adj", put_text, "oom_score_adj" },
	{ "oom-kill-disable", put_true, "oom_kill_disable" },
	{ "cap-add", add_text, "cap_add" },
	{ "cap-drop", add_text, "cap_drop" },
	{ "security-opt", add_text, "security_opt" },
	{ "privileged", put_true, "privileged" },
	{ "device", add_device, "devices" },
	{ "device-cgroup-rule", add_text, "device_cgroup_rules" },
	{ "read-only", put_true, "read_only" },
	{ "shm-size", put_text, "shm_size" },
	{ "init", put_true, "init" },
	{ "dns", add_text, "dns" },
	{ "dns-search", add_text, "dns_search" },
	{ "dns-option", add_text, "dns_opt" },
	{ "dns-opt", add_text, "dns_opt" },
	{ "add-host", add_text, "extra_hosts" },
	{ "label", add_pair, "labels" },
	{ "label-file", add_file, "label_file" },
	{ "annotation", add_pair, "annotations" },
	{ "stop-signal", put_text, "stop_signal" },
	{ "stop-timeout", put_seconds, "stop_grace_period" },
	{ "health-cmd", put_shell, "healthcheck.test" },
	{ "health-interval", put_text, "healthcheck.interval" },
	{ "health-timeout", put_text, "healthcheck.timeout" },
	{ "health-retries", put_text, "healthcheck.retries" },
	{ "health-start-period", put_text, "healthcheck.start_period" },
	{ "health-start-interval", put_text, "healthcheck.start_interval" },
	{ "no-healthcheck", put_true, "healthcheck.disable" },
	{ "log-driver", put_text, "logging.driver" },
	{ "log-opt", add_pair, "logging.options" },
	{ "sysctl", add_pair, "sysctls" },
	{ "group-add", add_text, "group_add" },
	{ "platform", put_text, "platform" },
	{ "ipc", put_text, "ipc" },
	{ "pid", put_text, "pid" },
	{ "uts", put_text, "uts" },
	{ "userns", put_text, "userns_mode" },
	{ "cgroupns", put_text, "cgroup" },
	{ "cgroup-parent", put_text, "cgroup_parent" },
	{ "runtime", put_text, "runtime" },
	{ "mac-address", put_text, "mac_address" },
};

/* A project is UTF-8: what is not would be missing in it, and nobody told. */
struct err *flags_check(const char *what, char *const *texts)
{
	for (; texts && *texts; texts++) {
		auto_json json_t *text = json_string(*texts);

		if (!text)
			return err_new(EILSEQ, "%s '%s' is not UTF-8", what, *texts);
	}
	return NULL;
}

/* "NAME=VALUE", as OPT_GIVEN notes it. */
struct err *flags_apply(char *const *given, json_t *project, json_t *service)
{
	TRY(flags_check("option", given));
	for (; given && *given; given++) {
		auto_free char *option = mem_strndup(*given, strcspn(*given, "="));
		struct writing w = { project, service, option };
		size_t i = 0;

		while (i < ARRAY_LEN(flags) && strcmp(flags[i].option, option) != 0)
			i++;
		if (i == ARRAY_LEN(flags))
			return err_new(ENOTSUP, "--%s is not supported", option);
		TRY(flags[i].fn(&w, flags[i].attr, *given + strlen(option) + 1));
	}
	return NULL;
}

/* The option that has set the attribute at the beginning of @text; NULL: none of these. */
static const char *option_of(char *const *given, const char *text)
{
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		const char *attr = flags[i].attr ? flags[i].attr : "volumes";
		size_t n = strlen(attr), len = strlen(flags[i].option);

		if (strncmp(text, attr, n) != 0 || !strchr(".[:", text[n]))
			continue;
		for (char *const *g = given; g && *g; g++)
			if (strncmp(*g, flags[i].option, len) == 0 && (*g)[len] == '=')
				return flags[i].option;
	}
	return NULL;
}

/* A line as "run:1:20: services.NAME.ports[0]: what is wrong". */
static char *explain_line(char *const *given, const char *line)
{
	static const char services[] = ": services.";
	const char *at = str_starts(line, "run:") ? strstr(line, services) : NULL;
	const char *attr = at ? strchr(at + strlen(services), '.') : NULL;
	const char *option = attr ? option_of(given, attr + 1) : NULL;
	const char *what = option ? strstr(attr, ": ") : NULL;

	return what ? mem_printf("--%s%s", option, what) : mem_strdup(line);
}

struct err *flags_explain(char *const *given, struct err *take_e)
{
	auto_err struct err *e = take_e;
	auto_strv char **lines = NULL, **explained = NULL;

	if (!e)
		return NULL;
	lines = str_split(err_text(e), "\n");
	for (char **line = lines; line && *line; line++)
		strv_add(&explained, explain_line(given, *line));
	auto_free char *text = strv_join(explained, "\n");

	return err_new(err_code(e), "%s", text);
}

void flags_command(json_t *service, char *const *argv)
{
	json_t *words = json_array();

	for (; argv && *argv; argv++)
		json_array_append_new(words, flags_text(*argv));
	if (json_array_size(words))
		json_object_set(service, "command", words);
	json_decref(words);
}

void flags_put(json_t *object, const char *path, const char *value)
{
	flags_set(object, path, flags_text(value));
}
