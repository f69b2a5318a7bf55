/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/compose_print.c - the canonical form of a project, as YAML and as JSON. */
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "compose/compose.h"
#include "tests/check.h"

/* What compose_print() makes of @text, or its error. */
static char *print(const char *text, enum compose_format format, const char *service)
{
	const char *const files[] = { "a.yml", NULL }, *const services[] = { service, NULL };
	const char *const env[] = { "BAD=\xff", NULL };
	struct compose_options o = {
		.files = (char *const *)files,
		.project_dir = "/p",
		.name = "p",
		.environ = (char *const *)env,
		.services = (char *const *)services,
	};
	auto_compose struct compose_project *p = NULL;
	char *printed = NULL;
	size_t len;

	CHECK(chdir(check_dir()) == 0);
	check_file("a.yml", text);
	auto_err struct err *e = compose_load(&o, &p);

	CHECK_STR(err_text(e), "success");
	FILE *out = open_memstream(&printed, &len);

	e = compose_print(p, format, out);
	fclose(out);
	auto_free char *whole = printed;

	return mem_strdup(e ? err_text(e) : whole);
}

static const struct {
	const char *why, *values, *yaml, *json;
} rows[] = {
	{ "types stay", "{s: x, i: 010, f: 1.50, b: TRUE, n: ~, l: [], m: {}}",
	  "x-v:\n  s: x\n  i: 8\n  f: 1.5\n  b: true\n  \"n\": null\n  l: []\n  m: {}\n",
	  "{\"s\":\"x\",\"i\":8,\"f\":1.5,\"b\":true,\"n\":null,\"l\":[],\"m\":{}}" },
	{ "strings that look like something else are quoted",
	  "['1', 'true', 'null', '', 'yes', 'no way']",
	  "x-v:\n  - \"1\"\n  - \"true\"\n  - \"null\"\n  - \"\"\n  - \"yes\"\n  - no way\n",
	  "[\"1\",\"true\",\"null\",\"\",\"yes\",\"no way\"]" },
	{ "a dollar is doubled, so that it reads back", "['$$A', '$$$$', 'a$']",
	  "x-v:\n  - $$A\n  - $$$$\n  - a$$\n", "[\"$$A\",\"$$$$\",\"a$$\"]" },
	{ "lines", "[\"a\\nb\\n\", \"a\\n b\"]",
	  "x-v:\n  - |\n    a\n    b\n  - |-\n    a\n     b\n", "[\"a\\nb\\n\",\"a\\n b\"]" },
	{ "control characters", "[\"a\\tb\\e\"]", "x-v:\n  - \"a\\tb\\x1b\"\n",
	  "[\"a\\tb\\u001B\"]" },
	{ "what a reader of YAML would refuse", "[\"\u00e9 \\u009e \\ufeff\"]",
	  "x-v:\n  - \"\u00e9 \\x9e \\ufeff\"\n", "[\"\u00e9 \xc2\x9e \xef\xbb\xbf\"]" },
	{ "other ends of lines", "[\"a\\N\\L\\Pb\"]", "x-v:\n  - \"a\\x85\\u2028\\u2029b\"\n",
	  "[\"a\xc2\x85\xe2\x80\xa8\xe2\x80\xa9"
	  "b\"]" },
	{ "quotes and backslashes", "['\"\\']", "x-v:\n  - '\"\\'\n", "[\"\\\"\\\\\"]" },
	{ "letters of the world", "[\u00e9\u65e5]", "x-v:\n  - \u00e9\u65e5\n",
	  "[\"\u00e9\u65e5\"]" },
	{ "what would begin, end or separate something",
	  "['- a', 'a: b', 'a #b', '#a', '&a', 'a:', ' a', \"it's: so\", '?', '---']",
	  "x-v:\n  - '- a'\n  - 'a: b'\n  - 'a #b'\n  - '#a'\n  - '&a'\n  - 'a:'\n  - ' a'\n  - "
	  "'it''s: so'\n  - '?'\n  - '---'\n",
	  "[\"- a\",\"a: b\",\"a #b\",\"#a\",\"&a\",\"a:\",\" a\",\"it's: so\",\"?\",\"---\"]" },
	{ "lists in lists", "[[1, [2]], [{a: 1, b: [3]}], []]",
	  "x-v:\n  - - 1\n    - - 2\n  - - a: 1\n      b:\n        - 3\n  - []\n",
	  "[[1,[2]],[{\"a\":1,\"b\":[3]}],[]]" },
	{ "what JSON has no number for", "[.inf, -.inf, .nan]",
	  "x-v:\n  - .inf\n  - -.inf\n  - .nan\n", "[\"+Inf\",\"-Inf\",\"NaN\"]" },
};

TEST(values_are_printed_so_that_they_read_back)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *text =
			mem_printf("services: {s: {image: i}}\nx-v: %s\n", rows[i].values);
		auto_free char *yaml = print(text, COMPOSE_YAML, NULL);
		auto_free char *again = print(yaml, COMPOSE_YAML, NULL);
		auto_free char *json = print(text, COMPOSE_JSON, NULL);
		auto_json json_t *j = NULL;
		auto_err struct err *e = json_parse(json, strlen(json), 10000, &j);

		check_why(rows[i].why);
		CHECK_STR(strstr(yaml, "x-v"), rows[i].yaml);
		CHECK_STR(again, yaml);
		CHECK_STR(err_text(e), "success");
		auto_free char *compact = json_text(json_at(j, "x-v"), 0);

		CHECK_STR(compact, rows[i].json);
	}
}

TEST(a_long_key_is_read_back)
{
	char key[2000];

	memset(key, 'k', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	auto_free char *text = mem_printf("services: {s: {image: i, labels: {? %s : v}}}\n", key);
	auto_free char *once = print(text, COMPOSE_YAML, NULL);
	auto_free char *twice = print(once, COMPOSE_YAML, NULL);

	CHECK(strstr(once, key));
	CHECK_STR(twice, once);
}

TEST(the_order_is_name_services_networks_volumes_and_the_rest)
{
	auto_free char *got =
		print("x-a: 1\nvolumes: {vv: }\nnetworks: {n: }\n"
		      "services: {s: {tty: yes, image: i, networks: [n], volumes: [vv:/v]}}\n",
		      COMPOSE_YAML, NULL);

	CHECK_STR(got,
		  "name: p\nservices:\n  s:\n    tty: true\n    image: i\n    networks:\n"
		  "      \"n\": null\n    volumes:\n      - type: volume\n        source: vv\n"
		  "        target: /v\n        volume: {}\nnetworks:\n  \"n\":\n    name: p_n\n"
		  "volumes:\n  vv:\n    name: p_vv\nx-a: 1\n");
}

TEST(json_is_indented_by_two)
{
	auto_free char *got = print("services: {s: {image: i, dns: [d], network_mode: none}}\n",
				    COMPOSE_JSON, NULL);

	CHECK_STR(got, "{\n  \"name\": \"p\",\n  \"services\": {\n    \"s\": {\n"
		       "      \"image\": \"i\",\n      \"dns\": [\n        \"d\"\n      ],\n"
		       "      \"network_mode\": \"none\"\n    }\n  }\n}\n");
}

TEST(only_chosen_services_are_printed)
{
	auto_free char *got = print("services: {s: {image: i}, t: {image: j, network_mode: host}, "
				    "u: {image: k, profiles: [x]}}\n",
				    COMPOSE_YAML, "t");

	CHECK_STR(got, "name: p\nservices:\n  t:\n    image: j\n    network_mode: host\n");
}

TEST(a_value_that_is_not_utf8_is_named)
{
	auto_free char *got =
		print("services: {s: {image: i, labels: {a: $BAD}}}\n", COMPOSE_YAML, NULL);

	CHECK_STR(got, "a.yml:1:38: services.s.labels.a: the value is not UTF-8");
}

TEST(the_reference_has_a_line_for_each_attribute)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	compose_print_reference(out);
	fclose(out);
	CHECK(strstr(text, "\n## services.*\n\n| attribute |"));
	CHECK(strstr(text,
		     "\n| `mem_limit` | bytes (64m, 1.5g) | yes | replaced | memory limit |\n"));
	CHECK(strstr(text, "\n| `privileged` | true or false | refused | replaced | name the"));
	CHECK(strstr(text, "\n## services.*.deploy.resources.limits\n"));
	free(text);
}
