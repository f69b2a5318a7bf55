/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/fetch_manifest.c - what registries answer: manifests, indexes, configurations.
 *
 * The input is documents between lines of "---"; the first is what the tag stands
 * for, and "@1" to "@9" in a document become the digest of the document of that
 * number (counted from 0), so that they can name each other.
 */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "image/fetch/fetch.h"
#include "tests/fuzz/fuzz.h"

enum { DOCS_MAX = 9 };

static struct {
	char *text[DOCS_MAX], *digest[DOCS_MAX];
	size_t n;
} docs;

static char *expand(const char *text, size_t len, size_t number)
{
	char *out = mem_alloc(len * 80 + 1), *p = out;

	for (size_t i = 0; i < len; i++) {
		size_t k = text[i] == '@' && i + 1 < len ? (size_t)(text[i + 1] - '0') : DOCS_MAX;

		if (k > number && k < docs.n) {
			p = stpcpy(p, docs.digest[k]);
			i++;
		} else {
			*p++ = text[i];
		}
	}
	return out;
}

/* From the last to the first, so that each digest is known when it is named. */
static void split(char *text)
{
	char *starts[DOCS_MAX];

	docs.n = 0;
	for (char *p = text; p && docs.n < DOCS_MAX;) {
		starts[docs.n++] = p;
		p = strstr(p, "---\n");
		if (p) {
			*p = '\0';
			p += 4;
		}
	}
	for (size_t i = docs.n; i > 0; i--) {
		docs.text[i - 1] = expand(starts[i - 1], strlen(starts[i - 1]), i - 1);
		docs.digest[i - 1] =
			digest_of("sha256:", docs.text[i - 1], strlen(docs.text[i - 1]));
	}
}

static struct err *get(struct repo *r, const char *path, const char *accept, size_t max,
		       struct response *ret)
{
	const char *name = strrchr(path, '/') + 1;

	(void)r;
	(void)accept;
	for (size_t i = 0; i < docs.n; i++)
		if (strcmp(name, i ? docs.digest[i] : "latest") == 0 &&
		    strlen(docs.text[i]) <= max) {
			*ret = (struct response) { .status = 200,
						   .body = mem_strdup(docs.text[i]),
						   .len = strlen(docs.text[i]) };
			return NULL;
		}
	return err_new(ENOENT, "%s", path);
}

static void check(const struct pull *p)
{
	FUZZ_CHECK(image_is_digest(p->manifest) && image_is_digest(p->config));
	FUZZ_CHECK(p->n_layers > 0 && p->n_layers <= LAYERS_MAX && p->platform);
	for (size_t i = 0; i < p->n_layers; i++) {
		const struct layer *l = &p->layers[i];

		FUZZ_CHECK(image_is_digest(l->blob) && image_is_digest(l->diff) &&
			   image_is_digest(l->chain) && l->size >= 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = fuzz_text(data, size);
	struct pull p = { .get = get };
	struct image_platform want = { "linux", "amd64", "" };
	auto_err struct err *e = image_ref_parse("x", &p.ref);

	FUZZ_CHECK(!e);
	split(text);
	e = pull_resolve(&p, &want);
	if (!e)
		check(&p);
	pull_clear(&p);
	for (size_t i = 0; i < docs.n; i++) {
		free(docs.text[i]);
		free(docs.digest[i]);
	}
	return 0;
}
