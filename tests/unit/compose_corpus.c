/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/compose_corpus.c - the small grammars and the lint of pods against recorded answers.
 *
 * The answers lie beside the checkout (../shared/corpus/compose) where they are
 * there at all; without them these tests are skipped.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "compose/internal.h"
#include "pod/pod.h"
#include "tests/check.h"

enum { FILE_MAX = 64 << 20 };
static const char folder[] = "../shared/corpus/compose/visible";

/* ---- rows of "in" and "out" or "error" ---- */

static char **environment;

static const char *look(const void *ctx, const char *name)
{
	(void)ctx;
	return env_get(environment, name);
}

static const struct lookup variables = { .fn = look };

static json_t *read_rows(const char *name)
{
	auto_free char *path = mem_printf("%s/_units/%s.json", folder, name);
	json_t *root = NULL, *value;
	const char *key;

	if (access(path, R_OK) < 0)
		SKIP("needs ../shared/corpus/compose beside the checkout");
	auto_err struct err *e = json_read_file(AT_FDCWD, path, FILE_MAX, &root);

	CHECK_STR(err_text(e), "success");
	json_object_foreach(json_object_get(root, "env"), key, value)
		strv_add(&environment, mem_printf("%s=%s", key, json_string_value(value)));
	return root;
}

/* What we make of @in, in the form of "out"; NULL: an error. */
typedef json_t *answer_fn(const char *in);

/* Compares all rows; one with a quirk may have either answer. */
static void check_rows(const char *name, size_t least, answer_fn *answer)
{
	auto_json json_t *root = read_rows(name);
	json_t *row;
	size_t i;

	CHECK(json_array_size(json_object_get(root, "cases")) >= least);
	json_array_foreach(json_object_get(root, "cases"), i, row)
	{
		const char *in = json_string_value(json_object_get(row, "in"));
		json_t *want = json_object_get(row, "out");
		auto_json json_t *got = answer(in);
		auto_free char *row_text = json_text(row, 0);
		auto_free char *got_text =
			got ? json_dumps(got, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS)
			    : mem_strdup("an error");
		auto_free char *want_text =
			want ? json_dumps(want, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS)
			     : mem_strdup("an error");

		check_why(row_text);
		if (!json_object_get(row, "quirk"))
			CHECK_STR(got_text, want_text);
	}
}

static json_t *bytes(const char *in)
{
	int64_t value = 0;
	auto_err struct err *e = compose_parse_bytes(in, &value);

	return e ? NULL : json_integer(value);
}

TEST(recorded_sizes)
{
	check_rows("bytes", 30, bytes);
}

static json_t *duration(const char *in)
{
	int64_t ns = 0;
	auto_err struct err *e = scalar_duration(in, &ns);
	auto_free char *text = e ? NULL : scalar_duration_text(ns);

	return e ? NULL : json_string(text);
}

TEST(recorded_durations)
{
	check_rows("duration", 30, duration);
}

static json_t *template(const char *in)
{
	auto_free char *text = NULL;
	auto_err struct err *e = interpolate(in, &variables, &text);

	return e ? NULL : json_string(text);
}

TEST(recorded_templates)
{
	check_rows("template", 400, template);
}

static json_t *words(const char *in)
{
	auto_strv char **v = NULL;
	const char *rest;
	auto_err struct err *e = scalar_words(in, &v, &rest);
	json_t *list = e ? NULL : json_array();

	for (char **w = v; list && w && *w; w++)
		json_array_append_new(list, json_string(*w));
	return list;
}

TEST(recorded_command_lines)
{
	check_rows("shellwords", 40, words);
}

static json_t *dotenv(const char *in)
{
	auto_strv char **env = NULL;
	auto_err struct err *e = dotenv_parse("f", in, &variables, &env);
	json_t *map = e ? NULL : json_object();

	for (char **p = env; map && p && *p; p++) {
		auto_free char *key = mem_strndup(*p, strcspn(*p, "="));

		json_object_set_new(map, key, json_string(*p + strlen(key) + 1));
	}
	return map;
}

TEST(recorded_files_of_variables)
{
	check_rows("dotenv", 80, dotenv);
}

/* ---- values of a whole file ---- */

/* services.s of a file that gives @in to @attribute, or NULL. */
static json_t *service_with(const char *attribute, const char *in, bool quoted)
{
	auto_json json_t *text = json_string(in);
	auto_free char *json = json_dumps(text, JSON_ENCODE_ANY);
	auto_free char *yaml = mem_printf("services: {s: {image: i, %s: [%s]}}\nvolumes: {}\n",
					  attribute, quoted ? json : in);
	const char *const files[] = { "a.yml", NULL }, *const env[] = { "HOME=/home/u", NULL };
	struct compose_options o = { .files = (char *const *)files,
				     .project_dir = "/p",
				     .name = "p",
				     .environ = (char *const *)env,
				     .no_interpolate = true,
				     .no_consistency = true,
				     .no_paths = true };
	auto_compose struct compose_project *p = NULL;
	auto_json json_t *root = NULL;
	char *printed = NULL;
	size_t len = 0;

	check_file("a.yml", yaml);
	auto_err struct err *e = compose_load(&o, &p);

	if (e)
		return NULL;
	FILE *out = open_memstream(&printed, &len);

	e = compose_print(p, COMPOSE_JSON, out);
	fclose(out);
	auto_free char *whole = printed;

	CHECK(!e);
	e = json_parse(whole, len, FILE_MAX, &root);
	CHECK(!e);
	return json_incref(json_object_get(json_at(root, "services.s"), attribute));
}

static json_t *hosts(const char *in)
{
	return service_with("extra_hosts", in, true);
}

TEST(recorded_hosts)
{
	auto_json json_t *first = read_rows("extra_host"); /* before the directory changes */
	auto_free char *here = getcwd(NULL, 0);
	json_t *row;
	size_t i;

	CHECK(chdir(check_dir()) == 0);
	json_array_foreach(json_object_get(first, "cases"), i, row)
	{
		auto_json json_t *got = hosts(json_string_value(json_object_get(row, "in")));
		auto_free char *text = json_text(row, 0);

		check_why(text);
		CHECK(json_equal(got, json_object_get(row, "out")) ||
		      (!got && json_object_get(row, "error")));
	}
}

/* Without what every one of them has. */
static void drop_defaults(json_t *list)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		const char *target = json_string_value(json_object_get(item, "target"));
		auto_free char *clean = target && *target == '/' ? str_clean_path(target) : NULL;

		if (clean) /* which the function of the recording leaves to its caller */
			json_object_set_new(item, "target", json_string(clean));
		json_object_del(json_object_get(item, "bind"), "create_host_path");
		if (json_object_size(json_object_get(item, "bind")) == 0)
			json_object_del(item, "bind");
		if (json_object_size(json_object_get(item, "volume")) == 0)
			json_object_del(item, "volume");
	}
}

static void check_list(const char *name, const char *attribute)
{
	auto_json json_t *rows = read_rows(name);
	json_t *row;
	size_t i;

	CHECK(chdir(check_dir()) == 0);
	json_array_foreach(json_object_get(rows, "cases"), i, row)
	{
		const char *in = json_string_value(json_object_get(row, "in"));
		json_t *out = json_object_get(row, "out");
		auto_json json_t *got = service_with(attribute, in, true);
		auto_json json_t *want =
			json_is_object(out) ? json_pack("[O]", out) : json_incref(out);
		auto_free char *text = json_text(row, 0);

		check_why(text);
		if (json_object_get(row, "quirk"))
			continue;
		if (json_object_get(row, "out_count")) {
			CHECK_INT((int64_t)json_array_size(got),
				  json_integer_value(json_object_get(row, "out_count")));
			continue;
		}
		if (!out) {
			CHECK(!got);
			continue;
		}
		drop_defaults(got);
		drop_defaults(want);
		auto_free char *a = got ? json_dumps(got, JSON_SORT_KEYS) : mem_strdup("an error");
		auto_free char *b = json_dumps(want, JSON_SORT_KEYS);

		CHECK_STR(a, b);
	}
}

TEST(recorded_ports)
{
	check_list("port", "ports");
}

TEST(recorded_volumes)
{
	check_list("volume", "volumes");
}

TEST(recorded_scalars)
{
	static const char *const types[] = { "<nil>",
					     "bool",
					     "int",
					     "float64",
					     "string",
					     "[]interface {}",
					     "map[string]interface {}",
					     "time.Time" };
	static const struct source source = { .name = "f", .dir = "/" };
	auto_json json_t *rows = read_rows("yaml_scalar");
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(rows, "cases"), i, row)
	{
		const char *in = json_string_value(json_object_get(row, "in"));
		const char *type = json_string_value(json_object_get(row, "type"));
		const char *as_env = json_string_value(json_object_get(row, "as_env"));
		auto_free char *text = mem_printf("K: %s\n", in), *why = json_text(row, 0);
		struct node **documents = NULL;
		size_t n = 0;
		auto_err struct err *e = yaml_read(&source, text, strlen(text), &documents, &n);
		const struct node *k = e ? NULL : node_get(documents[0], "K");

		check_why(why);
		if (!as_env || !strcmp(in, "<<"))
			continue;
		CHECK(k);
		if (*in != '!') /* a tag changes the text, not always our type */
			CHECK_STR(types[k->type],
				  str_starts(type, "int") || str_starts(type, "uint") ? "int"
										      : type);
		if (node_is_scalar(k))
			CHECK_STR(k->text, as_env);
	}
}

static json_t *name(const char *in)
{
	const char *const files[] = { "a.yml", NULL };
	auto_free char *dir = mem_printf("/%s", in);
	struct compose_options o = { .files = (char *const *)files, .project_dir = dir };
	auto_compose struct compose_project *p = NULL;
	auto_err struct err *e =
		strchr(in, '/') || !*in ? err_new(0, "no directory") : compose_load(&o, &p);

	return e ? NULL : json_string(p->name);
}

TEST(recorded_project_names)
{
	auto_json json_t *rows = read_rows("project_name");
	json_t *row;
	size_t i;

	CHECK(chdir(check_dir()) == 0);
	check_file("a.yml", "services: {s: {image: i}}");
	json_array_foreach(json_object_get(rows, "cases"), i, row)
	{
		const char *in = json_string_value(json_object_get(row, "in"));
		const char *out = json_string_value(json_object_get(row, "out"));
		auto_json json_t *got = name(in);

		check_why(in);
		if (!strchr(in, '/') && *in)
			CHECK_STR(json_string_value(got), out && *out ? out : NULL);
	}
}

/* ---- what a pod has to say ---- */

/* The errors and the warnings about a case; *ret_error tells whether there are errors. */
static char *lint(const char *dir, bool *ret_error)
{
	auto_free char *file = mem_printf("%s/input/compose.yaml", dir);
	const char *const files[] = { file, NULL };
	struct compose_options o = { .files = (char *const *)files, .project_dir = "/p" };
	auto_compose struct compose_project *p = NULL;
	auto_strv char **warnings = NULL;
	auto_err struct err *e = compose_load(&o, &p);

	CHECK_STR(err_text(e), "success");
	e = pod_lint(p, &warnings);
	*ret_error = e != NULL;
	if (e)
		strv_add(&warnings, mem_strdup(err_text(e)));
	return strv_join(warnings, "\n");
}

static void check_lint(const char *dir)
{
	auto_free char *path = mem_printf("%s/case.json", dir);
	auto_json json_t *j = NULL;
	auto_err struct err *e = json_read_file(AT_FDCWD, path, FILE_MAX, &j);
	bool error = false;
	json_t *word;
	size_t i;

	CHECK_STR(err_text(e), "success");
	auto_free char *got = lint(dir, &error);
	const char *want = json_string_value(json_object_get(j, "level"));

	CHECK_STR(error ? "error" : *got ? "warning" : "none", want);
	json_array_foreach(json_object_get(j, "mention_all"), i, word)
		CHECK(strstr(got, json_string_value(word)));
}

TEST(recorded_advice_about_pods)
{
	auto_free char *path = mem_printf("%s/_podlint", folder);
	auto_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_strv char **names = NULL;

	if (dir < 0)
		SKIP("needs ../shared/corpus/compose beside the checkout");
	auto_err struct err *e = fd_list(dir, &names);

	CHECK_STR(err_text(e), "success");
	CHECK(strv_len(names) >= 20);
	for (char **n = names; *n; n++) {
		auto_free char *one = mem_printf("%s/%s", path, *n);

		check_why(*n);
		check_lint(one);
	}
}
