/* SPDX-License-Identifier: Apache-2.0 */
/* cli/config.c - the command config: the project as it was read, or one kind of names in it. */
#include <errno.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

struct config_values {
	const char *format, *output, *hash;
	bool quiet, services, volumes, networks, models, images, profiles, environment, variables;
	bool no_interpolate, no_normalise, no_paths, no_consistency, no_env;
	bool digests, lock;
	bool reference;
};
#define V(f) offsetof(struct config_values, f)
/* clang-format off */
const struct opt config_options[] = {
	{ 0, "format", OPT_TEXT, "FORMAT", V(format), "yaml or json" },
	{ 'q', "quiet", OPT_FLAG, NULL, V(quiet), "only check" },
	{ 'o', "output", OPT_TEXT, "FILE", V(output), "write to a file" },
	{ 0, "services", OPT_FLAG, NULL, V(services), "names of the services" },
	{ 0, "volumes", OPT_FLAG, NULL, V(volumes), "names of the volumes" },
	{ 0, "networks", OPT_FLAG, NULL, V(networks), "names of the networks" },
	{ 0, "models", OPT_FLAG, NULL, V(models), "names of the models" },
	{ 0, "images", OPT_FLAG, NULL, V(images), "references of the images" },
	{ 0, "profiles", OPT_FLAG, NULL, V(profiles), "names of the profiles" },
	{ 0, "hash", OPT_TEXT, "SERVICE", V(hash), "what changes when a service does; * for all" },
	{ 0, "environment", OPT_FLAG, NULL, V(environment), "what ${VARIABLES} are looked up in" },
	{ 0, "variables", OPT_FLAG, NULL, V(variables), "${VARIABLES} and their defaults" },
	{ 0, "no-interpolate", OPT_FLAG, NULL, V(no_interpolate), "leave ${VARIABLES}" },
	{ 0, "no-normalize", OPT_FLAG, NULL, V(no_normalise), "leave out what is only implied" },
	{ 0, "no-path-resolution", OPT_FLAG, NULL, V(no_paths), "leave relative paths" },
	{ 0, "no-consistency", OPT_FLAG, NULL, V(no_consistency), "do not look for what is named" },
	{ 0, "no-env-resolution", OPT_FLAG, NULL, V(no_env), "leave env_file and label_file" },
	{ 0, "resolve-image-digests", OPT_FLAG, NULL, V(digests), "images by the digest that their tag names now" },
	{ 0, "lock-image-digests", OPT_FLAG, NULL, V(lock), "an override file with nothing but those digests" },
	{ 0, "reference", OPT_FLAG, NULL, V(reference), "the attributes slipway knows, as Markdown" },
	{ 0 },
};
/* clang-format on */
#undef V

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void print_sorted(char **v, FILE *out)
{
	if (v)
		qsort(v, strv_len(v), sizeof(*v), by_text);
	for (; v && *v; v++)
		fprintf(out, "%s\n", *v);
}

static void print_profiles(const struct compose_project *p, FILE *out)
{
	auto_strv char **all = NULL;

	for (size_t i = 0; i < p->n_services; i++)
		for (char **n = p->services[i].profiles; n && *n; n++)
			if (!strv_has(all, *n))
				strv_add(&all, mem_strdup(*n));
	print_sorted(all, out);
}

/* As docker compose prints it: columns of twenty. */
static void print_variables(const struct compose_project *p, FILE *out)
{
	struct compose_variable *variables = NULL;
	size_t n = 0;

	compose_variables(p, &variables, &n);
	fprintf(out, "%-20s%-20s%-20s%s\n", "NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE");
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%-20s%-20s%-20s%s\n", variables[i].name,
			variables[i].required ? "true" : "false", variables[i].fallback,
			variables[i].alternate);
	compose_variables_free(variables, n);
}

static struct err *print_hash(const struct compose_project *p, const char *which, FILE *out)
{
	bool all = strcmp(which, "*") == 0;
	auto_strv char **names = str_split(which, ",");

	for (char **n = names; !all && n && *n; n++)
		if (!compose_find(p, *n))
			return err_new(ENOENT, "no such service: %s", *n);
	for (size_t i = 0; i < p->n_services; i++) {
		auto_free char *text = compose_text(p, &p->services[i]);
		char hex[SHA256_DIGEST_STRING_LENGTH];

		if (!all && !strv_has(names, p->services[i].name))
			continue;
		SHA256Data((const uint8_t *)text, strlen(text), hex);
		fprintf(out, "%s %s\n", p->services[i].name, hex);
	}
	return NULL;
}

/* One name a line, when names were asked for. */
static bool print_names(const struct compose_project *p, const struct config_values *v, FILE *out)
{
	for (size_t i = 0; v->services && i < p->n_services; i++)
		fprintf(out, "%s\n", p->services[i].name);
	for (size_t i = 0; v->volumes && i < p->volumes.n; i++)
		fprintf(out, "%s\n", p->volumes.items[i].key);
	for (size_t i = 0; v->networks && i < p->networks.n; i++)
		fprintf(out, "%s\n", p->networks.items[i].key);
	for (size_t i = 0; v->models && i < p->models.n; i++)
		fprintf(out, "%s\n", p->models.items[i].key);
	for (size_t i = 0; v->images && i < p->n_services; i++)
		if (p->services[i].image)
			fprintf(out, "%s\n", p->services[i].image);
		else
			fprintf(out, "%s-%s\n", p->name, p->services[i].name);
	if (v->profiles)
		print_profiles(p, out);
	if (v->environment)
		print_sorted(p->environment, out);
	if (v->variables && !v->format)
		print_variables(p, out);
	return v->services || v->volumes || v->networks || v->models || v->images || v->profiles ||
	       v->environment || v->variables;
}

/* Asks the registries, once for all services. */
static struct err *pin_images(struct cli *c, bool alone)
{
	auto_image_store struct image_store *store = NULL;
	auto_strv char **names = NULL, **digests = NULL;
	struct compose_project *p = c->project;

	for (size_t i = 0; i < p->n_services; i++)
		if (p->services[i].image)
			strv_add(&names, mem_strdup(p->services[i].image));
	if (!names)
		return NULL;
	TRY(cli_host(c));
	TRY(image_store_open(c->host->root, &store));
	TRY(image_resolve(store, names, &digests));
	for (size_t i = 0, k = 0; i < p->n_services; i++) {
		struct image_ref ref = { 0 };

		if (!p->services[i].image)
			continue;
		TRY(image_ref_parse(p->services[i].image, &ref));
		free(ref.digest);
		ref.digest = mem_strdup(digests[k++]);
		auto_free char *text = image_ref_familiar(&ref);

		image_ref_clear(&ref);
		compose_set_image(p, p->services[i].name, text);
	}
	if (alone)
		compose_keep_images(p);
	return NULL;
}

static struct err *print_config(const struct compose_project *p, const struct config_values *v,
				FILE *out)
{
	if (v->hash)
		return print_hash(p, v->hash, out);
	enum compose_format format = str_eq(v->format, "json") ? COMPOSE_JSON : COMPOSE_YAML;

	if (v->variables && v->format)
		return compose_print_variables(p, format, out);
	if (print_names(p, v, out) || v->quiet)
		return NULL;
	return compose_print(p, format, out);
}

struct err *cmd_config(struct cli *c, const void *values, char **operands, int *ret_code)
{
	const struct config_values *v = values;

	(void)ret_code;
	if (v->reference) {
		compose_print_reference(stdout);
		return NULL;
	}
	if (v->format && strcmp(v->format, "json") != 0 && strcmp(v->format, "yaml") != 0)
		return err_new(EINVAL, "--format: '%s' is not yaml or json", v->format);
	if (v->profiles && !c->profiles) /* which there are does not depend on which are on */
		strv_add(&c->profiles, mem_strdup("*"));
	c->leave = (struct compose_options) {
		.no_interpolate = v->no_interpolate || v->variables,
		.no_normalise = v->no_normalise,
		.no_paths = v->no_paths,
		.no_consistency = v->no_consistency || v->variables || v->no_interpolate,
		.no_env = v->no_env || v->variables || v->no_interpolate
	};
	TRY(cli_project(c, operands, !v->quiet));
	if (v->digests || v->lock)
		TRY(pin_images(c, v->lock));
	FILE *out = v->output ? fopen(v->output, "we") : stdout;

	if (!out)
		return err_errno("write %s", v->output);
	struct err *e = print_config(c->project, v, out);

	if (v->output && fclose(out) != 0 && !e)
		e = err_errno("write %s", v->output);
	return e;
}

/* ---- convert ---- */

struct err *cmd_convert(struct cli *c, const void *values, char **operands, int *ret_code)
{
	(void)values;
	(void)ret_code;
	if (!operands[0] || strcmp(operands[0], "marathon") != 0)
		return err_new(EINVAL, "convert: what is converted is missing: marathon FILE");
	if (!operands[1] || operands[2])
		return err_new(EINVAL, "convert: one file is needed");
	strv_add(&c->files, mem_strdup(operands[1]));
	TRY(cli_project(c, NULL, true));
	if (!c->project->marathon)
		return err_new(EINVAL,
			       "%s: not a Marathon app definition: it has no id, or "
			       "neither container, cmd nor args",
			       operands[1]);
	return compose_print(c->project, COMPOSE_YAML, stdout);
}
