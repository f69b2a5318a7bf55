/* SPDX-License-Identifier: Apache-2.0 */
/* cli/images.c - images and rmi. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

enum { ID_LEAST = 4 /* digits that an id is known by */ };

/* ---- images ---- */

struct images_values {
	bool quiet;
	const char *format;
};
#define V(f) offsetof(struct images_values, f)
const struct opt images_options[] = {
	{ 'q', "quiet", OPT_FLAG, NULL, V(quiet), "only ids" },
	{ 0, "format", OPT_TEXT, "FORMAT", V(format), FORMAT_HELP },
	{ 0 },
};
#undef V

/* A reference cut into what docker calls repository and tag. */
static void split_name(const char *name, char **ret_repository, char **ret_tag)
{
	const char *at = strchr(name, '@');
	auto_free char *plain = mem_strndup(name, strcspn(name, "@"));
	const char *slash = strrchr(plain, '/'), *colon = strrchr(slash ? slash : plain, ':');

	*ret_repository = mem_strndup(plain, colon ? (size_t)(colon - plain) : strlen(plain));
	*ret_tag = mem_strdup(at ? "<none>" : colon ? colon + 1 : "latest");
}

static char *short_id(const struct image *i)
{
	const char *colon = strchr(i->id, ':');

	return mem_printf("%.12s", colon ? colon + 1 : i->id);
}

static json_t *image_json(const struct image *i, const char *repository, const char *tag,
			  const char *created)
{
	json_t *j = json_object();

	json_put_str(j, "ID", i->id);
	json_put_str(j, "Repository", repository);
	json_put_str(j, "Tag", tag);
	json_put_str(j, "Digest", i->manifest ? i->manifest : "");
	json_put_str(j, "Platform", i->platform ? i->platform : "");
	json_put_str(j, "Created", i->created ? i->created : "");
	json_put_str(j, "CreatedSince", created);
	json_put_int(j, "Size", i->size);
	json_put_int(j, "Layers", (int64_t)strv_len(i->layers));
	return j;
}

static struct err *add_image(struct listing *l, const struct image *i, bool quiet)
{
	auto_free char *repository = NULL, *tag = NULL, *age = text_since(i->created);
	auto_free char *created = mem_printf("%s ago", age);
	auto_free char *size = text_bytes(i->size), *id = short_id(i);

	split_name(i->name, &repository, &tag);
	if (quiet)
		puts(id);
	return quiet ? NULL
		     : listing_add(l, image_json(i, repository, tag, created),
				   (const char *const[]) { repository, tag, i->platform, id,
							   size });
}

static struct err *host_images(struct cli *c, const struct images_values *v)
{
	static const char *const headings[] = { "REPOSITORY", "TAG",  "PLATFORM",
						"IMAGE ID",   "SIZE", NULL };
	auto_image_store struct image_store *store = NULL;
	auto_listing struct listing *l = NULL;
	struct image **images = NULL;
	struct err *e = NULL;
	size_t n = 0;

	TRY(listing_new(v->format, headings, LISTING_ARRAY, &l));
	TRY(cli_host(c));
	TRY(image_store_open(c->host->root, &store));
	TRY(image_list(store, &images, &n));
	for (size_t i = 0; i < n; i++) {
		if (!e)
			e = add_image(l, images[i], v->quiet);
		image_free(images[i]);
	}
	free(images);
	return e || v->quiet ? e : listing_print(l, stdout);
}

/* As docker compose has it: of one container. An image that was removed has no more than its name. */
static struct err *add_used(struct listing *l, const struct image_store *store,
			    const struct pod_service_state *s, char ***ids)
{
	auto_free char *repository = NULL, *tag = NULL;
	auto_image struct image *i = NULL;
	auto_err struct err *gone = image_find(store, s->image, NULL, &i);
	const char *id = json_string_value(json_at(s->json, "image_id"));
	bool same = !gone && str_eq(i->id, id); /* else the tag has moved on */
	auto_free char *age = text_since(same ? i->created : NULL);
	auto_free char *created = same ? mem_printf("%s ago", age) : mem_strdup("-");
	auto_free char *size = same ? text_bytes(i->size) : mem_strdup("-");
	const char *colon = id ? strchr(id, ':') : NULL;
	const char *digits = colon ? colon + 1 : id ? id : "";
	auto_free char *brief = mem_printf("%.12s", digits);
	json_t *j = json_object();

	split_name(s->image, &repository, &tag);
	if (!strv_has(*ids, digits))
		strv_add(ids, mem_strdup(digits));
	json_put_str(j, "ID", id ? id : "");
	json_put_str(j, "ContainerName", s->container);
	json_put_str(j, "Repository", repository);
	json_put_str(j, "Tag", tag);
	json_put_str(j, "Platform", same ? i->platform : "");
	json_put_int(j, "Size", same ? i->size : 0);
	json_put_str(j, "Created", same ? i->created : "");
	json_put_str(j, "CreatedSince", created);
	return listing_add(l, j,
			   (const char *const[]) { s->container, repository, tag,
						   same ? i->platform : "-", brief, size,
						   created });
}

/* "slipway compose images": those of the project's containers. */
static struct err *project_images(struct cli *c, const struct images_values *v, char **operands)
{
	static const char *const headings[] = { "CONTAINER", "REPOSITORY", "TAG",     "PLATFORM",
						"IMAGE ID",  "SIZE",	   "CREATED", NULL };
	auto_image_store struct image_store *store = NULL;
	auto_listing struct listing *l = NULL;
	auto_pod_state struct pod_state *s = NULL;
	auto_strv char **ids = NULL;

	TRY(listing_new(v->format, headings, LISTING_ARRAY, &l));
	TRY(cli_read_pod(c, operands, &s));
	TRY(image_store_open(c->host->root, &store));
	for (size_t i = 0; i < s->n_services; i++)
		if (!*operands || strv_has(operands, s->services[i].service))
			TRY(add_used(l, store, &s->services[i], &ids));
	for (char **id = ids; v->quiet && id && *id; id++)
		puts(*id);
	return v->quiet ? NULL : listing_print(l, stdout);
}

struct err *cmd_images(struct cli *c, const void *values, char **operands, int *ret_code)
{
	(void)ret_code;
	if (c->compose)
		return project_images(c, values, operands);
	if (*operands)
		return err_new(EINVAL, "images lists those of this host and takes no services; "
				       "'slipway compose images' does");
	return host_images(c, values);
}

static bool is_id(const char *text)
{
	return strlen(text) >= ID_LEAST && strspn(text, "0123456789abcdef") == strlen(text);
}

/* The name of the only image whose id begins like this; NULL: there is none. */
static struct err *name_of_id(const struct image_store *store, const char *text, char **ret)
{
	const char *colon = strchr(text, ':'), *digits = colon ? colon + 1 : text;
	struct image **images = NULL;
	auto_free char *name = NULL;
	bool several = false;
	size_t n = 0;

	if (!is_id(digits) || (colon && !str_starts(text, "sha256:")))
		return NULL;
	TRY(image_list(store, &images, &n));
	for (size_t i = 0; i < n; i++) {
		const char *own = strchr(images[i]->id, ':');

		if (own && str_starts(own + 1, digits)) {
			several |= name != NULL;
			if (!name)
				name = mem_strdup(images[i]->name);
		}
		image_free(images[i]);
	}
	free(images);
	if (several)
		return err_new(ENOTUNIQ, "%s: several images have such an id: name the one", text);
	*ret = steal(&name);
	return NULL;
}

static struct err *remove_named(const struct image_store *store, const char *text)
{
	struct err *e = image_remove(store, text);
	auto_free char *name = NULL;

	if (err_code(e) != ENOENT && err_code(e) != EINVAL)
		return e;
	struct err *other = name_of_id(store, text, &name);

	if (!other && !name)
		return e;
	err_free(e);
	return other ? other : image_remove(store, name);
}

struct err *cmd_rmi(struct cli *c, const void *values, char **operands, int *ret_code)
{
	auto_image_store struct image_store *store = NULL;
	struct err *errors = NULL;

	(void)values;
	(void)ret_code;
	if (!*operands)
		return err_new(EINVAL, "rmi: no image is named");
	TRY(cli_host(c));
	TRY(image_store_open(c->host->root, &store));
	for (char **o = operands; *o; o++)
		errors = err_join(errors, remove_named(store, *o));
	return errors;
}
