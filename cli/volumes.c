/* SPDX-License-Identifier: Apache-2.0 */
/* cli/volumes.c - volumes: those that a project has made on this host. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

struct volumes_values {
	bool quiet;
	const char *format;
};
#define V(f) offsetof(struct volumes_values, f)
const struct opt volumes_options[] = {
	{ 'q', "quiet", OPT_FLAG, NULL, V(quiet), "only names" },
	{ 0, "format", OPT_TEXT, "FORMAT", V(format), FORMAT_HELP },
	{ 0 },
};
#undef V

/* The names on this host of the volumes that these services mount; the caller's. */
static struct err *used_by(struct cli *c, char *const *services, char ***ret)
{
	const struct compose_project *p = NULL;

	TRY(cli_project(c, NULL, false));
	p = c->project;
	for (; *services; services++) {
		const struct compose_service *s = compose_find(p, *services);

		if (!s)
			return err_new(ENOENT, "no such service: %s", *services);
		for (size_t i = 0; i < s->volumes.n; i++)
			for (size_t k = 0; k < p->volumes.n; k++)
				if (s->volumes.items[i].type == COMPOSE_VOLUME &&
				    str_eq(s->volumes.items[i].source, p->volumes.items[k].key))
					strv_add(ret, mem_strdup(p->volumes.items[k].name));
	}
	return NULL;
}

static json_t *volume_json(const struct image_volume *v)
{
	auto_free char *labels = strv_join(v->labels, ",");
	json_t *j = json_object();

	json_put_str(j, "Driver", "local");
	json_put_str(j, "Labels", labels);
	json_put_str(j, "Mountpoint", v->path);
	json_put_str(j, "Name", v->name);
	json_put_str(j, "Scope", "local");
	return j;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct image_volume *)a)->name,
		      ((const struct image_volume *)b)->name);
}

static struct err *add_volume(struct listing *l, const struct image_volume *v, bool quiet)
{
	if (!quiet)
		return listing_add(l, volume_json(v), (const char *const[]) { "local", v->name });
	puts(v->name);
	return NULL;
}

struct err *cmd_volumes(struct cli *c, const void *values, char **operands, int *ret_code)
{
	static const char *const headings[] = { "DRIVER", "VOLUME NAME", NULL };
	const struct volumes_values *v = values;
	auto_listing struct listing *l = NULL;
	auto_strv char **used = NULL;
	struct image_volume *volumes = NULL;
	const char *name = NULL;
	struct err *e = NULL;
	size_t n = 0;

	(void)ret_code;
	TRY(listing_new(v->format, headings, LISTING_LINES, &l));
	if (*operands)
		TRY(used_by(c, operands, &used));
	TRY(cli_name(c, &name));
	TRY(cli_host(c));
	TRY(image_volume_list(c->host->root, &volumes, &n));
	auto_free char *label = mem_printf("com.docker.compose.project=%s", name);

	if (n)
		qsort(volumes, n, sizeof(*volumes), by_name);
	for (size_t i = 0; i < n; i++) {
		bool wanted = strv_has(volumes[i].labels, label) &&
			      (!*operands || strv_has(used, volumes[i].name));

		if (!e && wanted)
			e = add_volume(l, &volumes[i], v->quiet);
		image_volume_clear(&volumes[i]);
	}
	free(volumes);
	return e || v->quiet ? e : listing_print(l, stdout);
}
