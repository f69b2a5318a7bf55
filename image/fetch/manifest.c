/* SPDX-License-Identifier: Apache-2.0 */
/* image/fetch/manifest.c - from a reference to a manifest, a configuration and a list of layers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "image/fetch/fetch.h"

static const char accept_all[] =
	"application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
	"application/vnd.docker.distribution.manifest.list.v2+json, "
	"application/vnd.docker.distribution.manifest.v2+json";

static const char *const index_types[] = {
	"application/vnd.oci.image.index.v1+json",
	"application/vnd.docker.distribution.manifest.list.v2+json", NULL
};
static const char *const schema1_types[] = {
	"application/vnd.docker.distribution.manifest.v1+json",
	"application/vnd.docker.distribution.manifest.v1+prettyjws", NULL
};
static const char *const config_types[] = { "application/vnd.oci.image.config.v1+json",
					    "application/vnd.docker.container.image.v1+json",
					    NULL };

static const int64_t blob_max = (int64_t)1 << 40; /* bytes */

struct descriptor {
	const char *digest, *type;
	int64_t size;
};

static struct err *read_descriptor(const json_t *j, struct descriptor *ret)
{
	*ret = (struct descriptor) { .size = -1 };
	TRY(json_get_str(j, "digest", &ret->digest));
	TRY(json_get_str(j, "mediaType", &ret->type));
	TRY(json_get_int(j, "size", &ret->size));
	if (!ret->digest || !image_is_digest(ret->digest))
		return err_new(EBADMSG, "a descriptor without a valid digest");
	if (ret->size < 0 || ret->size > blob_max)
		return err_new(EBADMSG, "%s: a descriptor without a sensible size", ret->digest);
	return NULL;
}

/* A document by tag or digest, its digest checked when it is known before. */
static struct err *get_manifest(struct pull *p, const char *which, json_t **ret, char **ret_text,
				char **ret_digest)
{
	auto_free char *path = mem_printf("/manifests/%s", which);
	struct response r = { 0 };
	struct err *e = p->get(p->repo, path, accept_all, MANIFEST_MAX, &r);
	auto_free char *type = steal(&r.type), *text = steal(&r.body);
	auto_json json_t *j = NULL;
	const char *said = NULL;
	int64_t version = 0;

	size_t len = r.len;
	response_clear(&r);
	TRY(e);
	auto_free char *digest = digest_of(image_is_digest(which) ? which : "sha256:", text, len);

	if (image_is_digest(which) && strcmp(which, digest) != 0)
		return err_new(EBADMSG, "digest mismatch: the manifest %s is %s", which, digest);
	TRY(err_wrap(json_parse(text, len, MANIFEST_MAX, &j), "manifest"));
	TRY(json_get_str(j, "mediaType", &said));
	TRY(json_get_int(j, "schemaVersion", &version));
	if (version == 1 || (type && str_one_of(type, schema1_types)))
		return err_new(EBADMSG,
			       "the registry has only a schema 1 manifest, which is no longer "
			       "supported; push the image again with a current tool");
	/* one document must not be read as two things (CVE-2021-41190) */
	if (said && type && strcmp(type, "application/json") != 0 && strcmp(said, type) != 0)
		return err_new(EBADMSG, "the manifest says it is %s, the registry %s", said, type);
	if (json_at(j, "manifests") && (json_at(j, "layers") || json_at(j, "config")))
		return err_new(EBADMSG, "the manifest is an index and an image at the same time");
	*ret = steal(&j);
	*ret_text = steal(&text);
	*ret_digest = steal(&digest);
	return NULL;
}

static struct err *read_platform(const json_t *j, struct image_platform *ret)
{
	const char *os = "linux", *arch = "", *variant = "";

	TRY(json_get_str(j, "os", &os));
	TRY(json_get_str(j, "architecture", &arch));
	TRY(json_get_str(j, "variant", &variant));
	*ret = (struct image_platform) { 0 };
	snprintf(ret->os, sizeof(ret->os), "%s", os);
	snprintf(ret->arch, sizeof(ret->arch), "%s", arch);
	snprintf(ret->variant, sizeof(ret->variant), "%s", variant);
	return NULL;
}

/* The entry of an index that fits @want best. */
static struct err *choose(const json_t *index, const struct image_platform *want,
			  struct descriptor *ret)
{
	json_t *entries = json_at(index, "manifests");
	auto_strv char **offered = NULL;
	int best = 0;

	for (size_t i = 0; i < json_array_size(entries); i++) {
		const json_t *entry = json_array_get(entries, i),
			     *where = json_at(entry, "platform");
		struct image_platform have;
		struct descriptor d;

		TRY(read_descriptor(entry, &d));
		TRY(read_platform(where, &have));
		int score = where ? image_platform_match(want, &have) : 1;

		if (strcmp(have.arch, "unknown") == 0) /* an attestation about another entry */
			continue;
		strv_add(&offered, mem_printf("%s/%s%s%s", have.os, have.arch,
					      *have.variant ? "/" : "", have.variant));
		if (score > best) {
			best = score;
			*ret = d;
		}
	}
	auto_free char *list = strv_join(offered, ", ");

	return best ? NULL
		    : err_new(ENOENT, "no image for %s/%s; there are: %s", want->os, want->arch,
			      *list ? list : "none");
}

static struct err *find_image(struct pull *p, const struct image_platform *want, json_t **ret)
{
	auto_free char *which = mem_strdup(p->ref.digest ? p->ref.digest : p->ref.tag);

	for (int depth = 0; depth < INDEX_DEPTH; depth++) {
		auto_json json_t *j = NULL;
		struct descriptor d;
		const char *type = NULL;

		free(p->manifest);
		free(p->manifest_text);
		p->manifest = p->manifest_text = NULL;
		TRY(get_manifest(p, which, &j, &p->manifest_text, &p->manifest));
		TRY(json_get_str(j, "mediaType", &type));
		if (!json_at(j, "manifests") && !(type && str_one_of(type, index_types))) {
			*ret = steal(&j);
			return NULL;
		}
		TRY(choose(j, want, &d));
		free(which);
		which = mem_strdup(d.digest);
	}
	return err_new(EBADMSG, "indexes nested too deep");
}

static struct err *read_layers(struct pull *p, const json_t *manifest)
{
	json_t *layers = json_at(manifest, "layers");
	size_t n = json_array_size(layers);

	if (n == 0 || n > LAYERS_MAX)
		return err_new(EBADMSG, "%zu layers: must be 1 to %d", n, LAYERS_MAX);
	p->layers = mem_alloc(n * sizeof(*p->layers));
	for (size_t i = 0; i < n; i++) {
		struct layer *l = &p->layers[i];
		struct descriptor d;

		TRY(read_descriptor(json_array_get(layers, i), &d));
		*l = (struct layer) {
			.blob = mem_strdup(d.digest), .size = d.size, .lock = -1, .repo = p->repo
		};
		p->n_layers++;
		if (d.type && strstr(d.type, "foreign"))
			return err_new(ENOTSUP,
				       "the layer %s is not to be distributed; it must be fetched "
				       "elsewhere",
				       d.digest);
		if (d.type && str_ends(d.type, "+encrypted"))
			return err_new(ENOTSUP, "the layer %s is encrypted", d.digest);
	}
	return NULL;
}

/* diffIDs, and the chainIDs made of them (image-spec, config.md). */
static struct err *read_diffs(struct pull *p, const json_t *config)
{
	json_t *ids = json_at(config, "rootfs.diff_ids");

	if (json_array_size(ids) != p->n_layers)
		return err_new(EBADMSG, "the configuration names %zu layers, the manifest %zu",
			       json_array_size(ids), p->n_layers);
	for (size_t i = 0; i < p->n_layers; i++) {
		const char *diff = json_string_value(json_array_get(ids, i));

		if (!diff || !image_is_digest(diff))
			return err_new(EBADMSG, "rootfs.diff_ids[%zu] is not a digest", i);
		p->layers[i].diff = mem_strdup(diff);
		if (i == 0) {
			p->layers[i].chain = mem_strdup(diff);
		} else {
			auto_free char *both = mem_printf("%s %s", p->layers[i - 1].chain, diff);
			p->layers[i].chain = digest_of("sha256:", both, strlen(both));
		}
	}
	return NULL;
}

static struct err *read_config(struct pull *p, const json_t *manifest,
			       const struct image_platform *want)
{
	auto_json json_t *config = NULL;
	struct descriptor d;
	struct response r = { 0 };
	struct image_platform have;

	TRY(err_wrap(read_descriptor(json_at(manifest, "config"), &d), "config"));
	if (d.type && !str_one_of(d.type, config_types))
		return err_new(EBADMSG, "not an image but an artifact (%s)", d.type);
	auto_free char *path = mem_printf("/blobs/%s", d.digest);
	struct err *e = p->get(p->repo, path, NULL, CONFIG_MAX, &r);
	auto_free char *actual = e ? NULL : digest_of(d.digest, r.body, r.len);

	if (!e && strcmp(actual, d.digest) != 0)
		e = err_new(EBADMSG, "digest mismatch: the configuration %s is %s", d.digest,
			    actual);
	if (!e)
		e = err_wrap(json_parse(r.body, r.len, CONFIG_MAX, &config), "configuration");
	p->config = mem_strdup(d.digest);
	p->config_text = steal(&r.body);
	response_clear(&r);
	TRY(e);
	TRY(read_platform(config, &have));
	if (!image_platform_match(want, &have))
		return err_new(ENOENT, "the image is for %s/%s, not for %s/%s", have.os, have.arch,
			       want->os, want->arch);
	p->platform =
		mem_printf("%s/%s%s%s", have.os, have.arch, *have.variant ? "/" : "", have.variant);
	return read_diffs(p, config);
}

struct err *pull_resolve(struct pull *p, const struct image_platform *want)
{
	auto_json json_t *manifest = NULL;

	TRY(find_image(p, want, &manifest));
	TRY(read_layers(p, manifest));
	return read_config(p, manifest, want);
}

void pull_clear(struct pull *p)
{
	for (size_t i = 0; i < p->n_layers; i++) {
		struct layer *l = &p->layers[i];

		free(l->blob);
		free(l->diff);
		free(l->chain);
		free(l->key);
		unpack_notes_clear(&l->notes);
		fd_cleanup(&l->lock);
		err_free(l->error);
	}
	free(p->layers);
	free(p->name);
	free(p->manifest);
	free(p->manifest_text);
	free(p->config);
	free(p->config_text);
	free(p->platform);
	repo_free(p->repo);
	image_ref_clear(&p->ref);
}

struct err *pull_digest(struct pull *p, char **ret)
{
	auto_json json_t *j = NULL;
	auto_free char *text = NULL;

	if (p->ref.digest) {
		*ret = mem_strdup(p->ref.digest);
		return NULL;
	}
	return get_manifest(p, p->ref.tag, &j, &text, ret);
}
