/* SPDX-License-Identifier: Apache-2.0 */
/* cli/show.c - plan, pull, gc, check, doctor and version. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

enum { LEAK_WAIT = 1500 /* milliseconds */ };

/* ---- plan ---- */

struct plan_values {
	const char *format, *pull;
};
#define V(f) offsetof(struct plan_values, f)
const struct opt plan_options[] = {
	{ 0, "format", OPT_TEXT, "FORMAT", V(format), "text or json" },
	{ 0, "pull", OPT_TEXT, "POLICY", V(pull), "always, missing or never" },
	{ 0 },
};
#undef V

struct err *cmd_plan(struct cli *c, const void *values, char **operands, int *ret_code)
{
	const struct plan_values *v = values;
	auto_pod_plan struct pod_plan *plan = NULL;
	auto_strv char **warnings = NULL;
	struct image **images = NULL;

	(void)ret_code;
	if (v->format && strcmp(v->format, "text") != 0 && strcmp(v->format, "json") != 0)
		return err_new(EINVAL, "--format: '%s' is not text or json", v->format);
	TRY(cli_project(c, operands, true));
	TRY(cli_images(c, v->pull, false, &images));
	struct err *e = pod_plan(c->project, images, c->host, &plan, &warnings);

	for (char **w = warnings; w && *w; w++)
		log_warn("%s", *w);
	if (!e && str_eq(v->format, "json")) {
		auto_json json_t *j = pod_plan_json(plan);
		auto_free char *text = json_text(j, 2);

		puts(text);
	} else if (!e) {
		pod_plan_print(plan, stdout);
	}
	pod_plan_free(steal(&plan));
	cli_images_free(c, images);
	return e;
}

/* ---- pull, gc, check ---- */

struct pull_values {
	bool quiet, ignore_failures, deps, nothing;
	const char *policy;
};
const struct opt pull_options[] = {
	{ 'q', "quiet", OPT_FLAG, NULL, offsetof(struct pull_values, quiet), "no progress" },
	{ 0, "policy", OPT_TEXT, "POLICY", offsetof(struct pull_values, policy),
	  "always or missing; always" },
	{ 0, "ignore-pull-failures", OPT_FLAG, NULL, offsetof(struct pull_values, ignore_failures),
	  "go on with the others, and tell" },
	{ 0, "include-deps", OPT_FLAG, NULL, offsetof(struct pull_values, deps),
	  "also those of services that the named ones depend on" },
	{ 0, "ignore-buildable", OPT_FLAG, NULL, offsetof(struct pull_values, nothing),
	  "slipway builds none" },
	{ 0 },
};

struct err *cmd_pull(struct cli *c, const void *values, char **operands, int *ret_code)
{
	const struct pull_values *v = values;
	struct image **images = NULL;

	(void)ret_code;
	c->leave.no_deps = !v->deps;
	TRY(cli_project(c, operands, true));
	const char *policy = v->policy ? v->policy : "always";

	if (!v->ignore_failures) {
		TRY(cli_images(c, policy, v->quiet, &images));
		cli_images_free(c, images);
		return NULL;
	}
	auto_err struct err *failed = cli_pull_each(c, policy, v->quiet);

	if (failed)
		log_warn("%s", err_text(failed));
	return NULL;
}

struct gc_values {
	bool dry_run;
};
const struct opt gc_options[] = {
	{ 'n', "dry-run", OPT_FLAG, NULL, offsetof(struct gc_values, dry_run),
	  "only tell what would be removed" },
	{ 0 },
};

struct err *cmd_gc(struct cli *c, const void *values, char **operands, int *ret_code)
{
	const struct gc_values *v = values;
	auto_strv char **removed = NULL;

	(void)operands;
	(void)ret_code;
	TRY(cli_host(c));
	TRY(pod_gc(c->host, v->dry_run, &removed));
	for (char **r = removed; r && *r; r++)
		printf("%s %s\n", v->dry_run ? "would remove" : "removed", *r);
	return NULL;
}

struct check_values {
	bool leaks;
	const char *format;
};
const struct opt check_options[] = {
	{ 0, "leaks", OPT_FLAG, NULL, offsetof(struct check_values, leaks),
	  "processes, mounts, links, rules, groups and files without a living pod" },
	{ 0, "format", OPT_TEXT, "FORMAT", offsetof(struct check_values, format), "table or json" },
	{ 0 },
};

/* Whether the project could be a pod; needs no images and changes nothing. */
static struct err *check_project(struct cli *c, char **operands)
{
	auto_strv char **warnings = NULL;

	TRY(cli_project(c, operands, true));
	struct err *e = pod_lint(c->project, &warnings);

	for (char **w = warnings; w && *w; w++)
		log_warn("%s", *w);
	return e;
}

struct err *cmd_check(struct cli *c, const void *values, char **operands, int *ret_code)
{
	const struct check_values *v = values;
	auto_listing struct listing *l = NULL;
	auto_strv char **leaks = NULL;

	TRY(listing_new(v->format, NULL, LISTING_ARRAY, &l));
	if (listing_format(l) > LIST_JSON)
		return err_new(EINVAL, "--format: check has table and json");
	if (!v->leaks)
		return check_project(c, operands);
	TRY(cli_host(c));
	TRY(pod_leaks(c->host, LEAK_WAIT, &leaks));
	if (listing_format(l) == LIST_JSON) {
		auto_json json_t *j = json_object();
		json_t *list = json_array();

		for (char **leak = leaks; leak && *leak; leak++)
			json_array_append_new(list, json_string(*leak));
		json_object_set_new(j, "leaks", list);
		auto_free char *text = json_text(j, 0);

		puts(text);
	} else {
		for (char **leak = leaks; leak && *leak; leak++)
			printf("leak: %s\n", *leak);
		if (!leaks)
			puts("no leaks");
	}
	*ret_code = leaks ? 1 : 0;
	return NULL;
}

/* ---- doctor ---- */

struct doctor_values {
	const char *format;
};
const struct opt doctor_options[] = {
	{ 0, "format", OPT_TEXT, "FORMAT", offsetof(struct doctor_values, format), FORMAT_HELP },
	{ 0 },
};

struct err *cmd_doctor(struct cli *c, const void *values, char **operands, int *ret_code)
{
	static const char *const headings[] = { "CHECK", "RESULT", "DETAIL", NULL };
	auto_listing struct listing *l = NULL;
	struct pod_finding *findings = NULL;
	struct err *e = NULL;
	size_t n = 0;

	(void)c;
	(void)operands;
	(void)ret_code;
	TRY(listing_new(((const struct doctor_values *)values)->format, headings, LISTING_ARRAY,
			&l));
	pod_doctor(&findings, &n); /* needs no directories: who may not make them is told more */
	for (size_t i = 0; i < n; i++) {
		const struct pod_finding *f = &findings[i];
		json_t *j = json_object();

		json_put_str(j, "check", f->what);
		json_object_set_new(j, "good", f->untried ? json_null() : json_boolean(f->good));
		json_put_str(j, "detail", f->detail);
		e = err_join(e, listing_add(l, j,
					    (const char *const[]) { f->what,
								    f->untried ? "unknown"
								    : f->good  ? "ok"
									       : "lacking",
								    f->detail }));
		free(f->detail);
	}
	free(findings);
	return e ? e : listing_print(l, stdout);
}

/* ---- version ---- */

struct version_values {
	bool brief;
	const char *format;
};
const struct opt version_options[] = {
	{ 0, "short", OPT_FLAG, NULL, offsetof(struct version_values, brief), "only the number" },
	{ 'f', "format", OPT_TEXT, "FORMAT", offsetof(struct version_values, format),
	  "pretty, json, or a template: '{{.Version}}'" },
	{ 0 },
};

/* As docker and docker compose call it. */
static json_t *version_json(void)
{
	return json_pack("{s:s, s:s, s:{s:s}, s:{s:s}}", "version", SLIPWAY_VERSION, "Version",
			 SLIPWAY_VERSION, "Client", "Version", SLIPWAY_VERSION, "Server", "Version",
			 SLIPWAY_VERSION);
}

struct err *cmd_version(struct cli *c, const void *values, char **operands, int *ret_code)
{
	const struct version_values *v = values;
	auto_listing struct listing *l = NULL;

	(void)c;
	(void)operands;
	(void)ret_code;
	if (v->brief || !v->format || strcmp(v->format, "pretty") == 0) {
		printf("%s%s\n", v->brief ? "" : "slipway version ", SLIPWAY_VERSION);
		return NULL;
	}
	if (strcmp(v->format, "json") == 0) {
		puts("{\"version\":\"" SLIPWAY_VERSION "\"}");
		return NULL;
	}
	if (!strstr(v->format, "{{"))
		return err_new(EINVAL, "--format: '%s' is not pretty, json or a template",
			       v->format);
	TRY(listing_new(v->format, NULL, LISTING_LINES, &l));
	TRY(listing_add(l, version_json(), NULL));
	return listing_print(l, stdout);
}
