/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/compose_merge.c - every attribute of a service, in two files, by its own rule. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "compose/internal.h"
#include "tests/check.h"

enum { TEXT_MAX = 1 << 20 };

/* clang-format off */
static const struct {
	const char *attribute, *first, *second, *want;
} rows[] = {
	{ "annotations", "{a: 1, b: }", "[b=2, c]",
	  "{\"a\":\"1\",\"b\":\"2\",\"c\":\"\"}" },
	{ "attach", "true", "false",
	  "false" },
	{ "blkio_config", "{weight: 10, device_read_bps: [{path: /dev/a, rate: 1m}]}", "{weight: 20, device_read_bps: [{path: /dev/b, rate: 2}]}",
	  "{\"weight\":20,\"device_read_bps\":[{\"Path\":\"/dev/a\",\"Rate\":\"1048576\"},{\"Path\":\"/dev/b\",\"Rate\":\"2\"}]}" },
	{ "build", "./dir", "{args: {A: 1}, target: t}",
	  "{\"context\":\"/p/dir\",\"args\":{\"A\":\"1\"},\"target\":\"t\"}" },
	{ "cap_add", "[A, B]", "[B, C]",
	  "[\"A\",\"B\",\"C\"]" },
	{ "cap_drop", "[A]", "[A, ALL]",
	  "[\"A\",\"ALL\"]" },
	{ "cgroup", "host", "private",
	  "\"private\"" },
	{ "cgroup_parent", "a", "b",
	  "\"b\"" },
	{ "command", "a b", "[c]",
	  "[\"c\"]" },
	{ "configs", "[x]", "[{source: y, target: /x, mode: 0440}, x]",
	  "[{\"source\":\"x\"}]" },
	{ "container_name", "one", "two",
	  "\"two\"" },
	{ "cpu_count", "1", "2",
	  "2" },
	{ "cpu_percent", "10", "20",
	  "20" },
	{ "cpu_period", "1", "2",
	  "2" },
	{ "cpu_quota", "1", "2",
	  "2" },
	{ "cpu_rt_period", "1", "2",
	  "2" },
	{ "cpu_rt_runtime", "1", "2",
	  "2" },
	{ "cpu_shares", "1", "2.5",
	  "2" },
	{ "cpus", "1", "'0.5'",
	  "0.5" },
	{ "cpuset", "'0'", "'1'",
	  "\"1\"" },
	{ "credential_spec", "{file: a}", "{registry: b}",
	  "{\"file\":\"a\",\"registry\":\"b\"}" },
	{ "depends_on", "{t: {condition: service_healthy, restart: true}}", "[t, u]",
	  "{\"t\":{\"condition\":\"service_started\",\"restart\":true,\"required\":true},\"u\":{\"condition\":\"service_started\",\"required\":true}}" },
	{ "deploy", "{replicas: 1, labels: {a: 1}, resources: {limits: {cpus: '1'}}}", "{labels: [a=2], resources: {limits: {memory: 1m}, reservations: {memory: 2k}}}",
	  "{\"replicas\":1,\"labels\":{\"a\":\"2\"},\"resources\":{\"limits\":{\"cpus\":1,\"memory\":\"1048576\"},\"reservations\":{\"memory\":\"2048\"}}}" },
	{ "develop", "{watch: [{path: /a, action: rebuild}]}", "{watch: [{path: /b, action: restart}]}",
	  "{\"watch\":[{\"path\":\"/a\",\"action\":\"rebuild\"},{\"path\":\"/b\",\"action\":\"restart\"}]}" },
	{ "device_cgroup_rules", "['c 1:3 r']", "['c 1:5 w']",
	  "[\"c 1:3 r\",\"c 1:5 w\"]" },
	{ "devices", "[/dev/a, /dev/b:/dev/c:r]", "[/dev/d:/dev/a]",
	  "[{\"source\":\"/dev/d\",\"target\":\"/dev/a\",\"permissions\":\"rwm\"},{\"source\":\"/dev/b\",\"target\":\"/dev/c\",\"permissions\":\"r\"}]" },
	{ "dns", "1.1.1.1", "[8.8.8.8, 1.1.1.1]",
	  "[\"1.1.1.1\",\"8.8.8.8\"]" },
	{ "dns_opt", "[a]", "[a, b]",
	  "[\"a\",\"b\"]" },
	{ "dns_search", "a", "b",
	  "[\"a\",\"b\"]" },
	{ "domainname", "a", "b",
	  "\"b\"" },
	{ "entrypoint", "a", "[b, c]",
	  "[\"b\",\"c\"]" },
	{ "env_file", "/dev/null", "[{path: /nowhere, required: false, format: raw}]",
	  "[{\"path\":\"/dev/null\",\"required\":true},{\"path\":\"/nowhere\",\"required\":false,\"format\":\"raw\"}]" },
	{ "environment", "{A: 1, B: 2}", "[B=3, C]",
	  "{\"A\":\"1\",\"B\":\"3\",\"C\":null}" },
	{ "expose", "[80, 81]", "['80', 82/udp]",
	  "[\"80\",\"81\",\"82/udp\"]" },
	{ "extends", "t", "t",
	  "nothing" },
	{ "external_links", "[a]", "[b:c]",
	  "[\"a\",\"b:c\"]" },
	{ "extra_hosts", "{a: 1.1.1.1}", "['b:2.2.2.2', 'a=1.1.1.1', 'c=[::1]']",
	  "[\"a=1.1.1.1\",\"b=2.2.2.2\",\"c=::1\"]" },
	{ "gpus", "all", "[{driver: d, device_ids: ['1']}]",
	  "[{\"count\":-1},{\"driver\":\"d\",\"device_ids\":[\"1\"]}]" },
	{ "group_add", "[a, 1]", "[b]",
	  "[\"a\",\"1\",\"b\"]" },
	{ "healthcheck", "{test: a, retries: 3}", "{test: [CMD, b], interval: 1m}",
	  "{\"test\":[\"CMD\",\"b\"],\"retries\":3,\"interval\":\"1m0s\"}" },
	{ "hostname", "a", "b",
	  "\"b\"" },
	{ "image", "i", "j",
	  "\"j\"" },
	{ "init", "true", "false",
	  "false" },
	{ "ipc", "host", "private",
	  "\"private\"" },
	{ "isolation", "a", "b",
	  "\"b\"" },
	{ "label_file", "/dev/null", "/dev/null",
	  "[\"/dev/null\"]" },
	{ "labels", "[a=1]", "{a: 2, b: 3}",
	  "{\"a\":\"2\",\"b\":\"3\"}" },
	{ "links", "[t]", "['t:x', t]",
	  "[\"t\",\"t:x\"]" },
	{ "logging", "{driver: local, options: {a: 1}}", "{options: {b: 2}}",
	  "{\"driver\":\"local\",\"options\":{\"a\":\"1\",\"b\":\"2\"}}" },
	{ "mac_address", "'02:00:00:00:00:01'", "'02:00:00:00:00:02'",
	  "\"02:00:00:00:00:02\"" },
	{ "mem_limit", "1m", "2m",
	  "\"2097152\"" },
	{ "mem_reservation", "1m", "2m",
	  "\"2097152\"" },
	{ "mem_swappiness", "1", "2",
	  "2" },
	{ "memswap_limit", "1m", "-1",
	  "-1" },
	{ "models", "[m]", "{m: {endpoint_var: E}}",
	  "{\"m\":{\"endpoint_var\":\"E\"}}" },
	{ "network_mode", "bridge", "none",
	  "\"none\"" },
	{ "networks", "[n]", "{n: {aliases: [a]}, default: }",
	  "{\"n\":{\"aliases\":[\"a\"]},\"default\":null}" },
	{ "oom_kill_disable", "true", "false",
	  "nothing" },
	{ "oom_score_adj", "1", "-1000",
	  "-1000" },
	{ "pid", "host", "'service:t'",
	  "\"service:t\"" },
	{ "pids_limit", "1", "-1",
	  "-1" },
	{ "platform", "linux/amd64", "linux/arm64",
	  "\"linux/arm64\"" },
	{ "ports", "[80, '1:81']", "['2:81', '1:81/udp', 80]",
	  "[{\"mode\":\"ingress\",\"target\":80,\"protocol\":\"tcp\"},{\"mode\":\"ingress\",\"target\":81,\"published\":\"1\",\"protocol\":\"tcp\"},{\"mode\":\"ingress\",\"target\":81,\"published\":\"2\",\"protocol\":\"tcp\"},{\"mode\":\"ingress\",\"target\":81,\"published\":\"1\",\"protocol\":\"udp\"}]" },
	{ "post_start", "[{command: a}]", "[{command: [b], user: u}]",
	  "[{\"command\":[\"a\"]},{\"command\":[\"b\"],\"user\":\"u\"}]" },
	{ "pre_start", "[{command: a}]", "[{command: [b], image: j}]",
	  "[{\"command\":[\"a\"]},{\"command\":[\"b\"],\"image\":\"j\"}]" },
	{ "pre_stop", "[{command: a}]", "[{command: [b], privileged: true}]",
	  "[{\"command\":[\"a\"]},{\"command\":[\"b\"],\"privileged\":true}]" },
	{ "privileged", "true", "false",
	  "nothing" },
	{ "profiles", "[]", "[]",
	  "nothing" },
	{ "provider", "{type: t, options: {a: 1}}", "{options: {b: [2, x]}}",
	  "{\"type\":\"t\",\"options\":{\"a\":[\"1\"],\"b\":[\"2\",\"x\"]}}" },
	{ "pull_policy", "always", "every_1d12h",
	  "\"every_1d12h\"" },
	{ "pull_refresh_after", "1h", "2h",
	  "\"2h\"" },
	{ "read_only", "true", "false",
	  "nothing" },
	{ "restart", "always", "on-failure:3",
	  "\"on-failure:3\"" },
	{ "runtime", "a", "b",
	  "\"b\"" },
	{ "scale", "1", "1",
	  "1" },
	{ "secrets", "[x]", "[{source: x, target: t, uid: '1', gid: '2', mode: '0400'}]",
	  "[{\"source\":\"x\",\"target\":\"/run/secrets/x\"},{\"source\":\"x\",\"target\":\"t\",\"uid\":\"1\",\"gid\":\"2\",\"mode\":\"0400\"}]" },
	{ "security_opt", "[a]", "[b]",
	  "[\"a\",\"b\"]" },
	{ "shm_size", "1m", "2m",
	  "\"2097152\"" },
	{ "stdin_open", "true", "false",
	  "nothing" },
	{ "stop_grace_period", "1s", "1m30s",
	  "\"1m30s\"" },
	{ "stop_signal", "SIGINT", "SIGTERM",
	  "\"SIGTERM\"" },
	{ "storage_opt", "{size: 1g}", "{size: 2g}",
	  "{\"size\":\"2g\"}" },
	{ "sysctls", "[a=1]", "{a: 2}",
	  "{\"a\":\"2\"}" },
	{ "tmpfs", "/a", "['/b:size=1m', /a]",
	  "[\"/a\",\"/b:size=1m\"]" },
	{ "tty", "true", "yes",
	  "true" },
	{ "ulimits", "{nofile: {soft: 1, hard: 2}, core: 0}", "{nofile: 5}",
	  "{\"nofile\":5,\"core\":0}" },
	{ "use_api_socket", "true", "false",
	  "nothing" },
	{ "user", "'1'", "u",
	  "\"u\"" },
	{ "userns_mode", "host", "host",
	  "\"host\"" },
	{ "uts", "host", "host",
	  "\"host\"" },
	{ "volumes", "[vv:/a, /x:/b:ro]", "[{type: tmpfs, target: /b, tmpfs: {size: 1k}}, '/c']",
	  "[{\"type\":\"volume\",\"source\":\"vv\",\"target\":\"/a\",\"volume\":{}},{\"type\":\"tmpfs\",\"target\":\"/b\",\"tmpfs\":{\"size\":\"1024\"}},{\"type\":\"volume\",\"target\":\"/c\",\"volume\":{}}]" },
	{ "volumes_from", "[t]", "['t:ro']",
	  "[\"t\",\"t:ro\"]" },
	{ "working_dir", "/a", "/b",
	  "\"/b\"" },
};
/* clang-format on */

/* What the others refer to. */
static const char rest[] = "\n  t: {image: i}\n  u: {image: i}\nnetworks: {n: }\nvolumes: {vv: }\n"
			   "models: {m: {model: m}}\nconfigs: {x: {content: x}, y: {content: y}}\n"
			   "secrets: {x: {environment: X}}\n";

/* services.s of the two files, or their error. */
static char *merged(const char *attribute, const char *first, const char *second)
{
	const char *const files[] = { "a.yml", "b.yml", NULL };
	struct compose_options o = { .files = (char *const *)files,
				     .project_dir = "/p",
				     .name = "p",
				     .all_resources = true,
				     .no_normalise = true,
				     .no_consistency = true,
				     .no_env = true };
	auto_free char *a = mem_printf("services:\n  s: {%s%s: %s}%s",
				       strcmp(attribute, "image") == 0 ? "" : "image: i, ",
				       attribute, first, rest);
	/* only services of the same file can be extended */
	auto_free char *b =
		mem_printf("services:\n  s: {%s: %s}\n%s", attribute, second,
			   strcmp(attribute, "extends") == 0 ? "  t: {image: i}\n" : "");
	auto_compose struct compose_project *p = NULL;
	auto_json json_t *root = NULL;
	char *printed = NULL;
	size_t len = 0;

	check_file("a.yml", a);
	check_file("b.yml", b);
	auto_err struct err *e = compose_load(&o, &p);

	if (e)
		return mem_strdup(err_text(e));
	FILE *out = open_memstream(&printed, &len);

	e = compose_print(p, COMPOSE_JSON, out);
	fclose(out);
	auto_free char *whole = printed;

	CHECK(!e);
	e = json_parse(whole, len, TEXT_MAX, &root);
	CHECK(!e);
	json_t *value = json_object_get(json_at(root, "services.s"), attribute);

	return value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : mem_strdup("nothing");
}

TEST(every_attribute_is_merged_by_its_rule)
{
	CHECK(chdir(check_dir()) == 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *got = merged(rows[i].attribute, rows[i].first, rows[i].second);

		check_why(rows[i].attribute);
		CHECK_STR(got, rows[i].want);
	}
}

TEST(every_attribute_has_a_row_here)
{
	for (const struct attr *a = service_attrs; a->name; a++) {
		size_t i = 0;

		check_why(a->name);
		while (i < ARRAY_LEN(rows) && strcmp(rows[i].attribute, a->name) != 0)
			i++;
		CHECK(i < ARRAY_LEN(rows));
	}
}

/* A mapping fits no attribute but those that are one, and 17 no attribute of text. */
TEST(every_attribute_has_a_type)
{
	static const char *const odd = "{x-: {y: [z, [1]]}, 7seven: {a: {b: c}}}";

	CHECK(chdir(check_dir()) == 0);
	for (const struct attr *a = service_attrs; a->name; a++) {
		auto_free char *got = merged(a->name, odd, odd);

		check_why(a->name);
		CHECK(str_starts(got, "a.yml:2:") || strcmp(a->name, "extends") == 0);
	}
}
