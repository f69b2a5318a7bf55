/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/compose_flags.c - options of docker run as attributes, and Marathon's apps as projects. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "compose/compose.h"
#include "tests/check.h"

static char *const environment[] = { (char *)(uintptr_t) "HERE=yes", NULL };

static char *print(const struct compose_project *p)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	auto_err struct err *e = compose_print(p, COMPOSE_JSON, out);

	fclose(out);
	CHECK_STR(err_text(e), "success");
	return text;
}

/* The service that these words make of "busybox", or the error. */
static struct err *make(const char *words, json_t **ret)
{
	auto_strv char **argv = str_split(words, " ");
	struct compose_run r = { 0 };
	auto_compose struct compose_project *p = NULL;
	auto_free char *text = NULL;
	int first = 0;

	strv_insert(&argv, 0, mem_strdup("run"));
	opt_defaults(compose_run_options, &r);
	struct err *e = opt_parse(compose_run_options, (int)strv_len(argv), argv, true, &r, &first);

	if (!e)
		e = compose_run_image(&r, "box", argv[first], argv + first + 1, &text);
	if (!e)
		e = compose_run_load(text, "box", "/somewhere", r.given, environment, &p);
	opt_clear(compose_run_options, &r);
	TRY(e);
	auto_free char *printed = print(p);
	auto_json json_t *root = json_loads(printed, 0, NULL);

	*ret = json_incref(json_at(root, "services.box"));
	return NULL;
}

TEST(options_are_attributes)
{
	static const struct {
		const char *words, *path, *want;
	} cases[] = {
		{ "img", "image", "\"img\"" },
		{ "img a b$c", "command", "[\"a\",\"b$$c\"]" },
		{ "-e A=1 -e HERE -e NOT -e E= img", "environment",
		  "{\"A\":\"1\",\"HERE\":\"yes\",\"NOT\":null,\"E\":\"\"}" },
		{ "-u 1:2 img", "user", "\"1:2\"" },
		{ "-w /x img", "working_dir", "\"/x\"" },
		{ "-h host img", "hostname", "\"host\"" },
		{ "-it img", "tty", "true" },
		{ "-i img", "stdin_open", "true" },
		{ "--entrypoint /x img", "entrypoint", "[\"/x\"]" },
		{ "-m 64m img", "mem_limit", "\"67108864\"" },
		{ "--memory -1 img", "mem_limit", "-1" },
		{ "--cpus 1.5 img", "cpus", "1.5" },
		{ "-c 102 img", "cpu_shares", "102" },
		{ "--pids-limit 5 img", "pids_limit", "5" },
		{ "--ulimit nofile=1:2 img", "ulimits.nofile", "{\"soft\":1,\"hard\":2}" },
		{ "--cap-add NET_ADMIN img", "cap_add", "[\"NET_ADMIN\"]" },
		{ "--device /dev/a img", "devices",
		  "[{\"source\":\"/dev/a\",\"target\":\"/dev/a\",\"permissions\":\"rwm\"}]" },
		{ "--device /dev/a:rw img", "devices",
		  "[{\"source\":\"/dev/a\",\"target\":\"/dev/a\",\"permissions\":\"rw\"}]" },
		{ "--device /dev/a:/r img", "devices",
		  "[{\"source\":\"/dev/a\",\"target\":\"/r\",\"permissions\":\"rwm\"}]" },
		{ "--device-cgroup-rule c*1:3*r img", "device_cgroup_rules", "[\"c*1:3*r\"]" },
		{ "--read-only img", "read_only", "true" },
		{ "--init img", "init", "true" },
		{ "--dns 1.2.3.4 img", "dns", "[\"1.2.3.4\"]" },
		{ "--add-host a:1.2.3.4 img", "extra_hosts", "[\"a=1.2.3.4\"]" },
		{ "-l a=b -l c img", "labels", "{\"a\":\"b\",\"c\":\"\"}" },
		{ "--stop-timeout 3 img", "stop_grace_period", "\"3s\"" },
		{ "--health-cmd true img", "healthcheck.test", "[\"CMD-SHELL\",\"true\"]" },
		{ "--health-retries 4 img", "healthcheck.retries", "4" },
		{ "--sysctl net.x=1 img", "sysctls", "{\"net.x\":\"1\"}" },
		{ "--restart on-failure:3 img", "restart", "\"on-failure:3\"" },
		{ "--net=host img", "network_mode", "\"host\"" },
		{ "--network pod:shop img", "network_mode", "\"pod:shop\"" },
		{ "--log-driver none --log-opt a=b img", "logging.options.a", "\"b\"" },
		{ "--shm-size 1m img", "shm_size", "\"1048576\"" },
		{ "-v vol:/x:ro img", "volumes",
		  "[{\"type\":\"volume\",\"target\":\"/"
		  "x\",\"source\":\"vol\",\"read_only\":true}]" },
		{ "-v v:/x img", "volumes",
		  "[{\"type\":\"volume\",\"target\":\"/x\",\"source\":\"v\"}]" },
		{ "-v /a:/x -v /b:/x:slave img", "volumes",
		  "[{\"type\":\"bind\",\"target\":\"/x\",\"source\":\"/b\",\"bind\":{"
		  "\"create_host_path\":true,\"propagation\":\"slave\"}}]" },
		{ "--mount type=tmpfs,dst=/x,tmpfs-mode=1777 img", "volumes",
		  "[{\"type\":\"tmpfs\",\"target\":\"/x\",\"tmpfs\":{\"mode\":1023}}]" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_json json_t *service = NULL;
		auto_err struct err *e = make(cases[i].words, &service);

		CHECK_STR(err_text(e), "success");
		auto_free char *got =
			json_dumps(json_at(service, cases[i].path), JSON_COMPACT | JSON_ENCODE_ANY);

		check_why(cases[i].words);
		CHECK_STR(got, cases[i].want);
	}
}

TEST(what_has_no_attribute_is_refused_by_name)
{
	static const struct {
		const char *words, *want;
	} cases[] = {
		{ "--gpus all img", "unknown option '--gpus'" },
		{ "--network shop img",
		  "--network: 'shop' is not supported; there are bridge, host, "
		  "none, pod:NAME and container:NAME" },
		{ "-v x img", "--volume: 'x' has no absolute path in the container" },
		{ "-v a/b:/x img", "--volume: 'a/b' is neither the name of a volume nor a path; a "
				   "path begins with / or ." },
		{ "-v a:/x:odd img", "--volume: 'odd' is not an option of a mount" },
		{ "--volume-driver nfs img", "--volume-driver nfs: there is only local" },
		{ "--mount type=bind,odd=1 img", "--mount: 'odd' is not supported" },
		{ "--mount type=tmpfs,dst=/x,readonly=maybe img",
		  "--mount: readonly 'maybe' is neither true nor false" },
		{ "--mount type=tmpfs,dst=/x,tmpfs-mode=0999 img",
		  "--mount: tmpfs-mode '0999' is not a mode; write 1777" },
		{ "-e =x img", "--env: '=x' has no name" },
		{ "-w x img", "--workdir: 'x' is not an absolute path" },
		{ "-p 99999:1 img", "--publish: host port: '99999' is not between 0 and 65535" },
		{ "-p 80:80 -p 99999 img",
		  "--publish: container port: '99999' is not between 0 and 65535" },
		{ "-m 12q img",
		  "--memory: '12q' has an unknown unit; there are b, k, m, g, t and p" },
		{ "--health-cmd true --health-retries x img",
		  "--health-retries: 'x' is not a number" },
		{ "img a\xff", "argument 'a\xff' is not UTF-8" },
		{ "-e A=\xff img", "option 'env=A=\xff' is not UTF-8" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_json json_t *service = NULL;
		auto_err struct err *e = make(cases[i].words, &service);

		CHECK_STR(err_text(e), cases[i].want);
	}
}

/* ---- Marathon ---- */

static struct err *load(const char *text, struct compose_project **ret)
{
	auto_free char *path = mem_printf("%s/app.json", check_dir());
	char *const files[] = { path, NULL };
	const struct compose_options o = { .files = files, .environ = environment };

	check_file(path, text);
	return compose_load(&o, ret);
}

TEST(both_shapes_of_an_app_are_the_same_service)
{
	static const char *const apps[] = {
		"{\"id\":\"/web/nginx\",\"cpus\":0.1,\"mem\":64,\"container\":{\"type\":\"DOCKER\","
		"\"docker\":{\"image\":\"nginx\",\"network\":\"BRIDGE\",\"portMappings\":[{"
		"\"containerPort\":80,\"hostPort\":8080}]}}}",
		"{\"id\":\"/web/nginx\",\"cpus\":0.1,\"mem\":64,\"networks\":[{\"mode\":"
		"\"container/bridge\"}],\"container\":{\"type\":\"DOCKER\",\"docker\":{\"image\":"
		"\"nginx\"},\"portMappings\":[{\"containerPort\":80,\"hostPort\":8080}]}}",
		"{\xe2\x80\x9cid\xe2\x80\x9d:\"/web/nginx\",\"cpus\":0.1,\"mem\":64,\"container\":{"
		"\"docker\":{\"image\":\"nginx\",\"network\":\"BRIDGE\",\"portMappings\":[{"
		"\"containerPort\":80,\"hostPort\":8080}]}}}",
	};

	for (size_t i = 0; i < ARRAY_LEN(apps); i++) {
		auto_compose struct compose_project *p = NULL;
		auto_err struct err *e = load(apps[i], &p);

		CHECK_STR(err_text(e), "success");
		CHECK(p->marathon);
		CHECK_STR(p->name, "web-nginx");
		CHECK_STR(p->services[0].name, "nginx");
		CHECK_STR(p->services[0].image, "nginx");
		CHECK_STR(p->services[0].restart, "always");
		CHECK(p->services[0].cpu_shares.value == 102);
		CHECK(p->services[0].mem_limit.value == 64 << 20);
		CHECK(p->services[0].ports.n == 1);
		CHECK_STR(p->services[0].ports.items[0].published, "8080");
		CHECK_STR(env_get(p->services[0].environment, "PORT0"), "8080");
		CHECK_STR(env_get(p->services[0].environment, "MARATHON_APP_ID"), "/web/nginx");
	}
}

TEST(what_an_app_would_lack_is_refused_with_its_place)
{
	static const struct {
		const char *rest, *want;
	} cases[] = {
		{ "\"fetch\":[{\"uri\":\"x\"}]",
		  "fetch: nothing is fetched here: mount what is needed" },
		{ "\"secrets\":{\"a\":{}}", "secrets: there is no store of secrets" },
		{ "\"env\":{\"A\":{\"secret\":\"a\"}}",
		  "env.A: must be a string: there are no secrets here" },
		{ "\"gpus\":1", "gpus: there is no device control group" },
		{ "\"executor\":\"/x\"", "executor: an executor of its own is not supported" },
		{ "\"mem\":\"64\"", "mem: must be a number of megabytes" },
		{ "\"taskKillGracePeriodSeconds\":\"30\"",
		  "taskKillGracePeriodSeconds: must be a number of seconds" },
		{ "\"networks\":[{\"mode\":\"odd\"}]",
		  "networks: is not a network; there are BRIDGE, HOST and NONE" },
		{ "\"healthChecks\":[{\"protocol\":\"HTTP\"}]",
		  "healthChecks[0]: there is no port to look at" },
		{ "\"healthChecks\":[{\"protocol\":\"ODD\",\"port\":1}]",
		  "healthChecks[0].protocol: is not supported; there are HTTP, HTTPS, TCP and "
		  "COMMAND, with or without MESOS_" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *text = mem_printf("{\"id\":\"a\",\"container\":{\"docker\":{"
						  "\"image\":\"i\"}},%s}",
						  cases[i].rest);
		auto_free char *want = mem_printf("%s/app.json: %s", check_dir(), cases[i].want);
		auto_compose struct compose_project *p = NULL;
		auto_err struct err *e = load(text, &p);

		CHECK_STR(err_text(e), want);
	}
}

TEST(an_app_keeps_its_commands_volumes_and_health)
{
	auto_compose struct compose_project *p = NULL;
	auto_err struct err *e = load(
		"{\"id\":\"a\",\"cmd\":\"echo $X\",\"container\":{\"docker\":{\"image\":\"i\","
		"\"parameters\":[{\"key\":\"cap-add\",\"value\":\"NET_ADMIN\"}]},\"volumes\":[{"
		"\"containerPath\":\"/x\",\"hostPath\":\"/y\",\"mode\":\"RO\"}]},"
		"\"healthChecks\":[{\"protocol\":\"COMMAND\",\"command\":{\"value\":\"true\"},"
		"\"intervalSeconds\":7}],\"upgradeStrategy\":{\"x\":1},\"odd\":1,"
		"\"instances\":3}",
		&p);

	CHECK_STR(err_text(e), "success");
	const struct compose_service *s = &p->services[0];

	CHECK_STR(s->entrypoint.v[0], "/bin/sh");
	CHECK_STR(s->command.v[0], "-c");
	CHECK_STR(s->command.v[1], "echo $X");
	CHECK_STR(s->cap_add[0], "CAP_NET_ADMIN");
	CHECK_STR(s->volumes.items[0].source, "/y");
	CHECK(s->volumes.items[0].read_only);
	CHECK_STR(s->healthcheck.test.v[1], "true");
	CHECK(s->healthcheck.interval.value == 7000);
	CHECK(strv_len(p->warnings) == 2);
}

TEST(numbers_of_an_apps_health_check_have_an_end)
{
	static const struct {
		const char *why, *numbers, *want;
		int64_t retries;
	} cases[] = {
		{ "what Marathon fills in", "", "success", 3 },
		{ "it is asked for", "\"maxConsecutiveFailures\":7,", "success", 7 },
		{ "0: never killed", "\"maxConsecutiveFailures\":0,", "success", INT32_MAX },
		{ "below", "\"maxConsecutiveFailures\":-1,",
		  "healthChecks[0].maxConsecutiveFailures: -1 is not a number from 0 to 2147483647",
		  0 },
		{ "beyond", "\"maxConsecutiveFailures\":1e300,",
		  "healthChecks[0].maxConsecutiveFailures: 1e+300 is not a number from 0 to "
		  "2147483647",
		  0 },
		{ "no number", "\"intervalSeconds\":\"7\",",
		  "healthChecks[0].intervalSeconds: must be a number", 0 },
		{ "times as well", "\"gracePeriodSeconds\":1e30,",
		  "healthChecks[0].gracePeriodSeconds: 1e+30 is not a number from 0 to 2147483647",
		  0 },
		{ "ports", "\"port\":70000,",
		  "healthChecks[0].port: 70000 is not a number from 0 to 65535", 0 },
		{ "which of the ports", "\"portIndex\":-1,",
		  "healthChecks[0].portIndex: -1 is not a number from 0 to 65535", 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *text =
			mem_printf("{\"id\":\"a\",\"container\":{\"docker\":{"
				   "\"image\":\"i\"}},\"healthChecks\":[{%s"
				   "\"protocol\":\"TCP\"%s}]}",
				   cases[i].numbers,
				   strstr(cases[i].numbers, "port\"") ? "" : ",\"port\":1");
		auto_free char *want =
			strcmp(cases[i].want, "success") == 0
				? mem_strdup(cases[i].want)
				: mem_printf("%s/app.json: %s", check_dir(), cases[i].want);
		auto_compose struct compose_project *p = NULL;

		check_why(cases[i].why);
		auto_err struct err *e = load(text, &p);

		CHECK_STR(err_text(e), want);
		if (p)
			CHECK_INT(p->services[0].healthcheck.retries.value, cases[i].retries);
	}
}
