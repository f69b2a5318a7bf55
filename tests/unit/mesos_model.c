/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/mesos_model.c - merge patches, ports of an offer, settings, kill policies. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "mesos/internal.h"
#include "tests/check.h"

static json_t *parse(const char *text)
{
	return json_loads(text, JSON_DECODE_ANY, NULL);
}

TEST(merge_patches_as_rfc_7396_has_them)
{
	static const struct {
		const char *target, *patch, *want;
	} rows[] = {
		{ "{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
		{ "{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}" },
		{ "{\"a\":\"b\"}", "{\"a\":null}", "{}" },
		{ "{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}" },
		{ "{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
		{ "{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}" },
		{ "{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}",
		  "{\"a\":{\"b\":\"d\"}}" },
		{ "{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}" },
		{ "[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]" },
		{ "{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]" },
		{ "{\"a\":\"foo\"}", "null", "null" },
		{ "{\"a\":\"foo\"}", "\"bar\"", "\"bar\"" },
		{ "{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}" },
		{ "[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}" },
		{ "{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *target = parse(rows[i].target), *patch = parse(rows[i].patch);

		check_why(rows[i].patch);
		model_patch(&target, patch);
		auto_free char *got = json_text(target, 0);

		CHECK_STR(got, rows[i].want);
		json_decref(target);
		json_decref(patch);
	}
}

/* ---- ports ---- */

static char *published(const json_t *model)
{
	auto_strv char **all = NULL;
	const char *name;
	json_t *service;

	json_object_foreach(json_at(model, "services"), name, service)
	{
		const json_t *ports = json_at(service, "ports");

		for (size_t i = 0; i < json_array_size(ports); i++)
			strv_add(&all,
				 mem_printf("%s:%s", name,
					    wire_text(json_array_get(ports, i), "published")));
	}
	return strv_join(all, " ");
}

TEST(ports_are_given_out_in_order_and_first_to_who_asks_for_one)
{
	static const char project[] = "{\"services\":{\"b\":{\"ports\":[{\"target\":80},{"
				      "\"target\":81,\"published\":\"31002\"}]},"
				      "\"a\":{\"ports\":[{\"target\":82,\"name\":\"HTTP\"},{"
				      "\"target\":83,\"published\":\"9\"}]}}}";
	static uint32_t places[65536];
	struct wire_port ports[] = { { NULL, 31001 },
				     { NULL, 31002 },
				     { (char *)(uintptr_t) "http", 31003 },
				     { NULL, 31004 } };
	static const struct {
		const char *why;
		size_t n;
		bool host_ports;
		const char *want;
	} rows[] = {
		{ "by number, by name, then in order", 4, false,
		  "b:31001 b:31002 a:31003 a:31004" },
		{ "none is left", 3, false,
		  "services.a.ports[1]: no host port is left for 83: offered were 31001, 31002, "
		  "31003; "
		  "ask for more, or set the label slipway.ports=host" },
		{ "none was offered", 0, false,
		  "services.b.ports[0]: no host port is left for 80: offered were none; ask for "
		  "more, "
		  "or set the label slipway.ports=host" },
		{ "the host's are allowed", 0, true, "b: b:31002 a: a:9" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct offer offer = { ports, rows[i].n, places };
		auto_json json_t *model = parse(project);

		for (uint32_t k = 0; k < 4; k++)
			places[ports[k].number] = k < rows[i].n ? k + 1 : 0;
		auto_err struct err *e = model_ports(model, &offer, rows[i].host_ports);
		auto_free char *got = e ? mem_strdup(err_text(e)) : published(model);

		check_why(rows[i].why);
		CHECK_STR(got, rows[i].want);
	}
}

TEST(an_offer_has_the_order_of_the_environment)
{
	static char *environ[] = { (char *)(uintptr_t) "PORT0=31003",
				   (char *)(uintptr_t) "PORT1=31001",
				   (char *)(uintptr_t) "PORT2=99",
				   (char *)(uintptr_t) "PORT_WEB=31002", NULL };
	struct session s = { .env = { .environ = environ } };
	struct task task = { .info = parse(
				     "{\"resources\":[{\"name\":\"ports\",\"ranges\":{\"range\":["
				     "{\"begin\":31001,\"end\":31003}]}}]}") };
	struct wire_aurora none = { 0 };
	struct offer offer = { 0 };
	auto_err struct err *e = offer_read(&s, &task, 1, &none, &offer);

	CHECK_STR(err_text(e), "success");
	CHECK_INT(offer.n, 3);
	CHECK_INT(offer.ports[0].number, 31003);
	CHECK_INT(offer.ports[1].number, 31001);
	CHECK_INT(offer.ports[2].number, 31002);
	CHECK_STR(offer.ports[2].name, "web");
	offer_clear(&offer);
	json_decref(task.info);
}

TEST(an_offer_of_all_ports_takes_no_time_and_not_all_of_the_environment)
{
	static char *none_set[] = { NULL };
	struct session s = { .env = { .environ = none_set,
				      .executor = (char *)(uintptr_t) "e",
				      .framework = (char *)(uintptr_t) "f" } };
	struct task task = { .id = (char *)(uintptr_t) "t",
			     .info = parse(
				     "{\"resources\":[{\"name\":\"ports\",\"ranges\":{\"range\":["
				     "{\"begin\":2,\"end\":65535},{\"begin\":1,\"end\":1}]}}]}") };
	auto_json json_t *model = parse("{\"services\":{\"a\":{\"ports\":[{\"target\":80,"
					"\"published\":\"1\"}]}}}");
	auto_json json_t *more = parse("{\"services\":{\"a\":{\"ports\":[{\"target\":80}]}}}");
	struct wire_aurora none = { 0 };
	struct offer offer = { 0 };
	uint64_t start = proc_now_ms();
	auto_err struct err *e = offer_read(&s, &task, 1, &none, &offer);

	CHECK_STR(err_text(e), "success");
	CHECK_INT(offer.n, 65535);
	CHECK_INT(offer.ports[65534].number, 1);
	e = model_ports(model, &offer, false);
	CHECK_STR(err_text(e), "success");
	e = model_decorate(model, &s, &task, 1, &offer);
	CHECK_STR(err_text(e), "success");
	CHECK(proc_now_ms() - start < 1000);
	const json_t *env = json_at(model, "services.a.environment");

	CHECK_STR(wire_text(env, "PORT1023"), "1025");
	CHECK_STR(wire_text(env, "SLIPWAY_PORT_A_80"), "1");
	CHECK(!json_at(env, "PORT1024"));
	CHECK(json_object_size(env) < 1100);
	CHECK(strlen(wire_text(env, "PORTS")) < 6 * 1024);
	/* who gets none is told of some */
	offer.n = 30;
	for (size_t i = 0; i < 30; i++)
		json_array_append_new(json_at(more, "services.a.ports"),
				      json_pack("{s:i}", "target", 81));
	e = model_ports(more, &offer, false);
	CHECK_STR(err_text(e), "services.a.ports[30]: no host port is left for 81: offered were 2, "
			       "3, 4, 5, 6, 7, 8, "
			       "9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21 and 10 more; ask "
			       "for more, or set "
			       "the label slipway.ports=host");
	offer.n = 65535;
	offer_clear(&offer);
	json_decref(task.info);
}

TEST(a_variable_that_is_not_utf_8_is_named_and_not_dropped)
{
	static char *bad[] = { (char *)(uintptr_t) "MARATHON_APP_LABEL_TEAM=caf\xe9", NULL };
	struct session s = { .env = { .environ = bad,
				      .executor = (char *)(uintptr_t) "e",
				      .framework = (char *)(uintptr_t) "f" } };
	struct task task = { .id = (char *)(uintptr_t) "t", .info = parse("{}") };
	auto_json json_t *model = parse("{\"services\":{\"a\":{}}}");
	struct offer none = { 0 };
	auto_err struct err *e = model_decorate(model, &s, &task, 1, &none);

	CHECK_STR(err_text(e), "variable MARATHON_APP_LABEL_TEAM: the value is not UTF-8");
	json_decref(task.info);
}

/* ---- settings and kill policies ---- */

TEST(settings_come_from_labels_and_below_them_from_the_operator)
{
	static char *operators[] = { (char *)(uintptr_t) "SLIPWAY_PORTS=host",
				     (char *)(uintptr_t) "SLIPWAY_READY=started", NULL };
	auto_json json_t *task =
		parse("{\"labels\":{\"labels\":[{\"key\":\"org.x.config.launchtask.timeout\","
		      "\"value\":\"90s\"},"
		      "{\"key\":\"config.launchtask.retryinterval\",\"value\":\"1500\"},"
		      "{\"key\":\"config.cleanpod.cleanfailtask\",\"value\":\"false\"},"
		      "{\"key\":\"slipway.ready\",\"value\":\"healthy\"}]}}");
	struct settings set;
	auto_err struct err *e = settings_read(task, operators, &set);

	CHECK_STR(err_text(e), "success");
	CHECK_INT(set.launch_timeout, 90000);
	CHECK_INT(set.retry_interval, 1500);
	CHECK(set.keep_failed && set.host_ports && !set.ready_started);
	settings_clear(&set);
}

TEST(a_setting_that_is_wrong_is_named)
{
	static const char *const rows[][3] = {
		{ "slipway.ports", "some",
		  "label slipway.ports: 'some' is neither host nor offered" },
		{ "config.launchtask.skippull", "maybe",
		  "label config.launchtask.skippull: 'maybe' is neither true nor false" },
		{ "config.launchtask.pullretry", "-1",
		  "label config.launchtask.pullretry: '-1' is not a number" },
		{ "config.launchtask.retryinterval", "-5s",
		  "label config.launchtask.retryinterval: '-5s' is not a time from 0 to 1000000000 "
		  "seconds" },
		{ "config.launchtask.timeout", "9000000000000000",
		  "label config.launchtask.timeout: '9000000000000000' is not a time from 0 to "
		  "1000000000 seconds" },
		{ "slipway.hooks.timeout", "99999999999secs",
		  "label slipway.hooks.timeout: '99999999999secs' is not a time from 0 to "
		  "1000000000 seconds" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_json json_t *task = json_pack("{s:{s:[{s:s, s:s}]}}", "labels", "labels",
						   "key", rows[i][0], "value", rows[i][1]);
		struct settings set;
		auto_err struct err *e = settings_read(task, NULL, &set);

		CHECK_STR(err_text(e), rows[i][2]);
		settings_clear(&set);
	}
}

TEST(the_kills_policy_wins_over_the_tasks)
{
	auto_json json_t *task =
		parse("{\"kill_policy\":{\"grace_period\":{\"nanoseconds\":10000000000}}}");
	auto_json json_t *kill = parse(
		"{\"kill\":{\"kill_policy\":{\"grace_period\":{\"nanoseconds\":500000000}}}}");
	auto_json json_t *plain = parse("{}");

	CHECK_INT(task_grace(task, NULL), 10000);
	CHECK_INT(task_grace(task, kill), 500);
	CHECK_INT(task_grace(plain, NULL), -1);
}

/* ---- health checks and checks ---- */

TEST(a_check_that_makes_no_sense_is_named)
{
	static const struct {
		const char *check, *want;
	} rows[] = {
		{ "{\"type\":\"TCP\",\"tcp\":{\"port\":80}}", "success" },
		{ "{\"type\":\"TCP\",\"tcp\":{\"port\":80},\"delay_seconds\":1e308}",
		  "delay_seconds: 1e+308 is not a time" },
		{ "{\"type\":\"TCP\",\"tcp\":{\"port\":80},\"interval_seconds\":-1}",
		  "interval_seconds: -1 is not a time" },
		{ "{\"type\":\"TCP\",\"tcp\":{\"port\":80},\"timeout_seconds\":\"NaN\"}",
		  "timeout_seconds: nan is not a time" },
		{ "{\"type\":\"TCP\",\"tcp\":{\"port\":\"NaN\"}}", "tcp.port: nan is no port" },
		{ "{\"type\":\"TCP\",\"tcp\":{\"port\":80},\"consecutive_failures\":\"NaN\"}",
		  "consecutive_failures: nan is not a number from 0 to 4294967295" },
		{ "{\"type\":\"TCP\",\"tcp\":{\"port\":80},\"consecutive_failures\":-1}",
		  "consecutive_failures: -1 is not a number from 0 to 4294967295" },
		{ "{\"type\":\"TCP\",\"tcp\":{\"port\":80},\"consecutive_failures\":1e308}",
		  "consecutive_failures: 1e+308 is not a number from 0 to 4294967295" },
		{ "{\"type\":\"COMMAND\",\"command\":{\"value\":\"true\"}}", "success" },
		{ "{\"type\":\"COMMAND\",\"command\":{\"value\":\"\"}}", "there is no command" },
		{ "{\"type\":\"COMMAND\",\"command\":{\"shell\":true,\"arguments\":[\"x\"]}}",
		  "there is no command" },
		{ "{\"type\":\"COMMAND\",\"command\":{\"shell\":false,\"value\":\"/x\"}}",
		  "success" },
		{ "{\"type\":\"COMMAND\",\"command\":{\"shell\":false,\"arguments\":[]}}",
		  "there is no command" },
		{ "{\"type\":\"COMMAND\",\"command\":{\"shell\":false,\"arguments\":[\"/x\"]}}",
		  "success" },
		{ "{\"type\":\"COMMAND\",\"command\":{\"command\":{\"shell\":false,"
		  "\"arguments\":[7]}}}",
		  "there is no command" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_json json_t *task = json_pack("{s:o}", "health_check", parse(rows[i].check));
		auto_free char *want = strcmp(rows[i].want, "success") == 0
					       ? mem_strdup(rows[i].want)
					       : mem_printf("health_check: %s", rows[i].want);

		check_why(rows[i].check);
		auto_err struct err *e = checks_validate(task);

		CHECK_STR(err_text(e), want);
	}
}
