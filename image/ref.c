/* SPDX-License-Identifier: Apache-2.0 */
/* image/ref.c - references by the grammar and defaults of distribution/reference. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/mem.h"
#include "base/str.h"
#include "image/internal.h"

enum { NAME_LIMIT = 255, TAG_LIMIT = 128, KEY_LIMIT = 200 };

static const char lower[] = "abcdefghijklmnopqrstuvwxyz0123456789";

static bool is_hex(const char *s, size_t n)
{
	return strspn(s, "0123456789abcdef") == n && s[n] == '\0';
}

bool image_is_digest(const char *text)
{
	return (str_starts(text, "sha256:") && is_hex(text + 7, 64)) ||
	       (str_starts(text, "sha512:") && is_hex(text + 7, 128));
}

/* [a-z0-9]+((.|_|__|-+)[a-z0-9]+)* */
static bool is_component(const char *s)
{
	for (;;) {
		size_t n = strspn(s, lower);

		if (n == 0)
			return false;
		s += n;
		if (!*s)
			return true;
		size_t dashes = strspn(s, "-");

		s += dashes ? dashes : str_starts(s, "__") ? 2 : *s == '.' || *s == '_' ? 1 : 0;
		if (!*s)
			return false;
	}
}

static bool is_path(const char *path)
{
	auto_strv char **parts = str_split(path, "/");
	size_t length = 0;

	for (char **p = parts; p && *p; p++) {
		if (!is_component(*p))
			return false;
		length += strlen(*p) + 1;
	}
	/* str_split() swallows empty parts: "a//b", "/a", "a/" */
	return length == strlen(path) + 1;
}

static bool is_tag(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > TAG_LIMIT || *s == '.' || *s == '-')
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("_.-", *s))
			return false;
	return true;
}

/* What stands behind a host's name, or NULL: each part between dots begins and ends with a letter or digit. */
static const char *skip_host(const char *s)
{
	for (;; s++) {
		size_t n = 0;

		while (isalnum((unsigned char)s[n]) || s[n] == '-')
			n++;
		if (n == 0 || *s == '-' || s[n - 1] == '-')
			return NULL;
		s += n;
		if (*s != '.')
			return s;
	}
}

/* HOST[:PORT] or [IPV6][:PORT] */
static bool is_domain(const char *s)
{
	const char *port = NULL;

	if (*s == '[') {
		size_t n = strspn(s + 1, "0123456789abcdefABCDEF:");

		if (n == 0 || s[n + 1] != ']')
			return false;
		port = s + n + 2;
	} else {
		port = skip_host(s);
		if (!port)
			return false;
	}
	return !*port ||
	       (*port == ':' && port[1] && strspn(port + 1, "0123456789") == strlen(port + 1));
}

/* The first component names a registry when it cannot be part of a path. */
static bool looks_like_domain(const char *s)
{
	if (strpbrk(s, ".:") || strcmp(s, "localhost") == 0)
		return true;
	for (; *s; s++)
		if (isupper((unsigned char)*s))
			return true;
	return false;
}

static struct err *invalid(const char *text, const char *why)
{
	return err_new(EINVAL, "'%s' is not an image reference: %s", text, why);
}

static struct err *split(char *rest, const char *text, struct image_ref *r)
{
	char *at = strchr(rest, '@');

	if (at) {
		*at = '\0';
		if (!image_is_digest(at + 1))
			return invalid(text, "the digest must be sha256: and 64 hex digits");
		r->digest = mem_strdup(at + 1);
	}
	char *slash = strrchr(rest, '/'), *colon = strrchr(slash ? slash : rest, ':');

	if (colon) {
		*colon = '\0';
		if (!is_tag(colon + 1))
			return invalid(text, "the tag is malformed");
		r->tag = mem_strdup(colon + 1);
	} else if (!at) {
		r->tag = mem_strdup("latest");
	}

	slash = strchr(rest, '/');
	if (slash)
		*slash = '\0';
	bool domain = slash && looks_like_domain(rest);

	r->domain = mem_strdup(domain ? rest : "docker.io");
	if (slash)
		*slash = '/';
	r->path = mem_strdup(domain ? slash + 1 : rest);
	return NULL;
}

struct err *image_ref_parse(const char *text, struct image_ref *ret)
{
	auto_image_ref struct image_ref r = { 0 };
	auto_free char *copy = mem_strdup(text);

	if (strlen(text) == 64 && is_hex(text, 64))
		return invalid(text, "64 hex digits are an image's id, not a name");
	if (strstr(text, "://"))
		return invalid(text, "leave the URL's scheme out");
	TRY(split(copy, text, &r));
	if (strcmp(r.domain, "index.docker.io") == 0) {
		free(r.domain);
		r.domain = mem_strdup("docker.io");
	}
	if (!is_domain(r.domain))
		return invalid(text, "the registry's name is malformed");
	if (!is_path(r.path))
		return invalid(text, "the name must be lower-case letters, digits and separators");
	if (strcmp(r.domain, "docker.io") == 0 && !strchr(r.path, '/')) {
		auto_free char *path = r.path;
		r.path = mem_printf("library/%s", path);
	}
	if (strlen(r.domain) + strlen(r.path) + 1 > NAME_LIMIT)
		return invalid(text, "the name is longer than 255 characters");
	*ret = r;
	r = (struct image_ref) { 0 };
	return NULL;
}

void image_ref_clear(struct image_ref *r)
{
	free(r->domain);
	free(r->path);
	free(r->tag);
	free(r->digest);
	*r = (struct image_ref) { 0 };
}

static char *suffix(const struct image_ref *r)
{
	return mem_printf("%s%s%s%s", r->tag ? ":" : "", r->tag ? r->tag : "", r->digest ? "@" : "",
			  r->digest ? r->digest : "");
}

char *image_ref_text(const struct image_ref *r)
{
	auto_free char *end = suffix(r);

	return mem_printf("%s/%s%s", r->domain, r->path, end);
}

char *image_ref_familiar(const struct image_ref *r)
{
	auto_free char *end = suffix(r);
	bool hub = strcmp(r->domain, "docker.io") == 0;
	bool official = hub && str_starts(r->path, "library/") && !strchr(r->path + 8, '/');
	auto_free char *first = mem_strndup(r->path, strcspn(r->path, "/"));
	/* "docker.io/a.b/c" without its registry would be c at a.b */
	bool brief = hub && !looks_like_domain(first);

	return mem_printf("%s%s%s%s", brief ? "" : r->domain, brief ? "" : "/",
			  r->path + (official ? 8 : 0), end);
}

const char *image_ref_host(const struct image_ref *r)
{
	return strcmp(r->domain, "docker.io") == 0 ? "registry-1.docker.io" : r->domain;
}

char *store_key(const char *digest)
{
	char *key = mem_strdup(digest);
	char *colon = strchr(key, ':');

	if (colon)
		*colon = '-';
	return key;
}

char *store_ref_key(const struct image_ref *r)
{
	char *key = image_ref_text(r);

	for (char *p = key; *p; p++)
		if (*p == '/')
			*p = '%';
	if (strlen(key) <= KEY_LIMIT)
		return key;
	/* longer than a file may be called; the file says whose it is */
	auto_free char *text = key;

	return mem_printf("%.*s%%%016" PRIx64, KEY_LIMIT, text, str_hash(text, strlen(text)));
}

/* ---- platforms ---- */

static const struct {
	const char *name, *arch, *variant;
} machines[] = {
	{ "x86_64", "amd64", "" },  { "x86-64", "amd64", "" }, { "aarch64", "arm64", "v8" },
	{ "arm64", "arm64", "v8" }, { "armhf", "arm", "v7" },  { "armel", "arm", "v6" },
	{ "armv7l", "arm", "v7" },  { "armv6l", "arm", "v6" }, { "arm", "arm", "v7" },
	{ "i386", "386", "" },	    { "i686", "386", "" },
};

static void set(char *field, size_t size, const char *text)
{
	strncpy(field, text, size - 1);
	field[size - 1] = '\0';
}

static void set_arch(struct image_platform *p, const char *arch, const char *variant)
{
	for (size_t i = 0; i < ARRAY_LEN(machines); i++)
		if (strcmp(arch, machines[i].name) == 0) {
			arch = machines[i].arch;
			variant = variant && *variant ? variant : machines[i].variant;
			break;
		}
	set(p->arch, sizeof(p->arch), arch);
	set(p->variant, sizeof(p->variant), variant ? variant : "");
}

struct err *image_platform_parse(const char *text, struct image_platform *ret)
{
	auto_strv char **parts = str_split(text ? text : "", "/");
	size_t n = strv_len(parts);
	struct utsname host;

	*ret = (struct image_platform) { .os = "linux" };
	uname(&host);
	if (!text) {
		set_arch(ret, host.machine, NULL);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		if (strlen(parts[i]) >= sizeof(ret->os) ||
		    strspn(parts[i], "abcdefghijklmnopqrstuvwxyz0123456789_-.") != strlen(parts[i]))
			n = 0;
	if (n == 0 || n > 3 || (n > 1 && strcmp(parts[0], "linux") != 0))
		return err_new(EINVAL, "'%s' is not a platform; write linux/amd64 or linux/arm/v7",
			       text);
	if (n == 1 && strcmp(parts[0], "linux") == 0)
		set_arch(ret, host.machine, NULL);
	else
		set_arch(ret, n == 1 ? parts[0] : parts[1], n == 3 ? parts[2] : NULL);
	return NULL;
}

int image_platform_match(const struct image_platform *want, const struct image_platform *have)
{
	struct image_platform h = *have;

	set_arch(&h, have->arch, have->variant);
	if (strcmp(want->os, h.os) != 0)
		return 0;
	if (strcmp(want->arch, "amd64") == 0 && strcmp(h.arch, "386") == 0)
		return 1;
	if (strcmp(want->arch, h.arch) != 0)
		return 0;
	/* v7 runs v6, never the other way; no variant is the lowest */
	int wanted = *want->variant ? atoi(want->variant + 1) : 1; /* NOLINT: "" and junk are 0 */
	int offered = *h.variant ? atoi(h.variant + 1) : 1;	   /* NOLINT */

	return offered > wanted ? 0 : 10 + offered;
}
