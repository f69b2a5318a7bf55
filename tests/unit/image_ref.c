/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/image_ref.c - references, platforms, and what they are called in the store. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "image/internal.h"
#include "tests/check.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SUM "sha256:" HEX64
#define SUM512 "sha512:" HEX64 HEX64
#define A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A250 A50 A50 A50 A50 A50

static const char bad_name[] = "the name must be lower-case letters, digits and separators";
static const char bad_host[] = "the registry's name is malformed";
static const char bad_tag[] = "the tag is malformed";
static const char bad_sum[] = "the digest must be sha256: and 64 hex digits";
static const char scheme[] = "leave the URL's scheme out";
static const char length[] = "the name is longer than 255 characters";
static const char is_id[] = "64 hex digits are an image's id, not a name";

static const struct {
	const char *text, *full, *familiar; /* NULL: the same as full */
} good[] = {
	/* Docker Hub's defaults */
	{ "nginx", "docker.io/library/nginx:latest", "nginx:latest" },
	{ "nginx:1.25", "docker.io/library/nginx:1.25", "nginx:1.25" },
	{ "library/nginx", "docker.io/library/nginx:latest", "nginx:latest" },
	{ "bitnami/redis:7", "docker.io/bitnami/redis:7", "bitnami/redis:7" },
	{ "a/b/c", "docker.io/a/b/c:latest", "a/b/c:latest" },
	{ "docker.io/nginx", "docker.io/library/nginx:latest", "nginx:latest" },
	{ "docker.io/library/nginx", "docker.io/library/nginx:latest", "nginx:latest" },
	{ "docker.io/a/b", "docker.io/a/b:latest", "a/b:latest" },
	{ "index.docker.io/nginx", "docker.io/library/nginx:latest", "nginx:latest" },
	{ "index.docker.io/library/nginx:1", "docker.io/library/nginx:1", "nginx:1" },
	{ "library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest" },
	{ "docker.io", "docker.io/library/docker.io:latest", "docker.io:latest" },
	{ "library", "docker.io/library/library:latest", "library:latest" },
	{ "docker.io/a.b/c", "docker.io/a.b/c:latest", NULL },
	{ "docker.io/localhost/c", "docker.io/localhost/c:latest", NULL },
	/* is the first part a registry? */
	{ "localhost/a", "localhost/a:latest", NULL },
	{ "localhost:5000/a", "localhost:5000/a:latest", NULL },
	{ "localhost", "docker.io/library/localhost:latest", "localhost:latest" },
	{ "localhost:5000", "docker.io/library/localhost:5000", "localhost:5000" },
	{ "127.0.0.1:5000/a/b:c", "127.0.0.1:5000/a/b:c", NULL },
	{ "127.0.0.1/a", "127.0.0.1/a:latest", NULL },
	{ "registry.example.com/a", "registry.example.com/a:latest", NULL },
	{ "registry.example.com:443/a/b/c/d", "registry.example.com:443/a/b/c/d:latest", NULL },
	{ "registry/a", "docker.io/registry/a:latest", "registry/a:latest" },
	{ "registry:5000/a", "registry:5000/a:latest", NULL },
	{ "Docker/docker", "Docker/docker:latest", NULL },
	{ "LOCALDOMAIN/x", "LOCALDOMAIN/x:latest", NULL },
	{ "Ex.COM/x", "Ex.COM/x:latest", NULL },
	{ "a-b.c-d.e/x", "a-b.c-d.e/x:latest", NULL },
	{ "xn--n3h.com/myimage", "xn--n3h.com/myimage:latest", NULL },
	{ "a.b/docker.io/x", "a.b/docker.io/x:latest", NULL },
	{ "0:5000/x", "0:5000/x:latest", NULL },
	{ "[::1]:5000/x", "[::1]:5000/x:latest", NULL },
	{ "[::1]/x", "[::1]/x:latest", NULL },
	{ "[2001:DB8::1]:80/a/b:c", "[2001:DB8::1]:80/a/b:c", NULL },
	/* separators in names */
	{ "a.b-c_d__e---f", "docker.io/library/a.b-c_d__e---f:latest", "a.b-c_d__e---f:latest" },
	{ "a-----b/c", "docker.io/a-----b/c:latest", "a-----b/c:latest" },
	{ "0/1", "docker.io/0/1:latest", "0/1:latest" },
	{ "aa/asdf$$^/aa", NULL, bad_name },
	{ "foo.com/a__b", "foo.com/a__b:latest", NULL },
	{ "foo/foo_bar.com:8080", "docker.io/foo/foo_bar.com:8080", "foo/foo_bar.com:8080" },
	/* tags */
	{ "a:b", "docker.io/library/a:b", "a:b" },
	{ "a:_", "docker.io/library/a:_", "a:_" },
	{ "a:V1.0_x-Y", "docker.io/library/a:V1.0_x-Y", "a:V1.0_x-Y" },
	{ "a:0123", "docker.io/library/a:0123", "a:0123" },
	{ "a:" A50 A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	  "docker.io/library/a:" A50 A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	  "a:" A50 A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
	{ "a:" A50 A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL, bad_tag },
	/* digests */
	{ "a@" SUM, "docker.io/library/a@" SUM, "a@" SUM },
	{ "a:b@" SUM, "docker.io/library/a:b@" SUM, "a:b@" SUM },
	{ "x.y/a@" SUM, "x.y/a@" SUM, NULL },
	{ "x.y:1/a:b@" SUM, "x.y:1/a:b@" SUM, NULL },
	{ "a@" SUM512, "docker.io/library/a@" SUM512, "a@" SUM512 },
	{ "docker/docker@" SUM, "docker.io/docker/docker@" SUM, "docker/docker@" SUM },
	/* an id is none, but nearly */
	{ HEX64, NULL, is_id },
	{ "0" HEX64, "docker.io/library/0" HEX64 ":latest", "0" HEX64 ":latest" },
	{ "docker.io/" HEX64, "docker.io/library/" HEX64 ":latest", HEX64 ":latest" },
	{ HEX64 ":a", "docker.io/library/" HEX64 ":a", HEX64 ":a" },
	/* lengths */
	{ A250, NULL, length },
	{ "a/" A250, NULL, length },
	{ "a.b/" A250, "a.b/" A250 ":latest", NULL },
	{ "a.b/" A250 "a", "a.b/" A250 "a:latest", NULL },
	{ "a.b/" A250 "aa", NULL, length },
	/* nonsense in names */
	{ "", NULL, bad_name },
	{ "A", NULL, bad_name },
	{ "Uppercase:tag", NULL, bad_name },
	{ "a/B", NULL, bad_name },
	{ "test:5000/Uppercase/lowercase:tag", NULL, bad_name },
	{ "-a", NULL, bad_name },
	{ "a-", NULL, bad_name },
	{ ".a", NULL, bad_name },
	{ "a.", NULL, bad_name },
	{ "_a", NULL, bad_name },
	{ "a_", NULL, bad_name },
	{ "a..b", NULL, bad_name },
	{ "a___b", NULL, bad_name },
	{ "a._b", NULL, bad_name },
	{ "a.-b", NULL, bad_name },
	{ "a-_b", NULL, bad_name },
	{ "a//b", NULL, bad_name },
	{ "a/", NULL, bad_name },
	{ "/a", NULL, bad_name },
	{ "a/../b", NULL, bad_name },
	{ "a/.", NULL, bad_name },
	{ "a b", NULL, bad_name },
	{ " a", NULL, bad_name },
	{ "a\n", NULL, bad_name },
	{ "a%b", NULL, bad_name },
	{ "gr\xc3\xbcn", NULL, bad_name },
	{ "docker///docker", NULL, bad_name },
	{ "docker.io/", NULL, bad_name },
	{ "docker.io/docker///docker", NULL, bad_name },
	{ "x.y/", NULL, bad_name },
	{ "x.y//a", NULL, bad_name },
	/* and in the rest */
	{ "https://registry/a", NULL, scheme },
	{ "https://github.com/docker/docker", NULL, scheme },
	{ "a:", NULL, bad_tag },
	{ "a:-b", NULL, bad_tag },
	{ "a:.b", NULL, bad_tag },
	{ "a:b c", NULL, bad_tag },
	{ "a:b:c", NULL, bad_name },
	{ ":a", NULL, bad_name },
	{ "a@", NULL, bad_sum },
	{ "a@sha256:", NULL, bad_sum },
	{ "a@sha256:" HEX64 "0", NULL, bad_sum },
	{ "a@sha256:../../../../etc/passwd", NULL, bad_sum },
	{ "a@sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", NULL,
	  bad_sum },
	{ "a@md5:0123456789abcdef0123456789abcdef", NULL, bad_sum },
	{ "a@" SUM "@" SUM, NULL, bad_sum },
	{ "a@" SUM ":b", NULL, bad_sum },
	{ "@" SUM, NULL, bad_name },
	{ "x.y:/a", NULL, bad_host },
	{ "x.y:80a/a", NULL, bad_host },
	{ "x..y/a", NULL, bad_host },
	{ ".x/a", NULL, bad_host },
	{ "x./a", NULL, bad_host },
	{ "-x.y/a", NULL, bad_host },
	{ "x-.y/a", NULL, bad_host },
	{ "x.-y/a", NULL, bad_host },
	{ "x_y.z/a", NULL, bad_host },
	{ "user@x.y/a", NULL, bad_sum },
	{ "[::1]", NULL, bad_tag },
	{ "[fe80::1%eth0]:5000/a", NULL, bad_host },
	{ "[::ffff:1.2.3.4]/a", NULL, bad_host },
	{ "[]:5000/a", NULL, bad_host },
	{ "[::1/a", NULL, bad_host },
	{ "[::1]x/a", NULL, bad_host },
	{ "::1/a", NULL, bad_host },
};

TEST(references_are_read_as_docker_reads_them)
{
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		auto_image_ref struct image_ref r = { 0 };

		check_why(good[i].text);
		auto_err struct err *e = image_ref_parse(good[i].text, &r);

		if (!good[i].full) {
			auto_free char *want = mem_printf("'%s' is not an image reference: %s",
							  good[i].text, good[i].familiar);
			CHECK_STR(err_text(e), want);
			continue;
		}
		CHECK_STR(err_text(e), "success");
		auto_free char *full = image_ref_text(&r), *familiar = image_ref_familiar(&r);

		CHECK_STR(full, good[i].full);
		CHECK_STR(familiar, good[i].familiar ? good[i].familiar : good[i].full);
	}
}

TEST(what_is_printed_is_read_as_the_same)
{
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		auto_image_ref struct image_ref r = { 0 };

		if (!good[i].full || !good[i].familiar)
			continue;
		check_why(good[i].familiar);
		auto_err struct err *e = image_ref_parse(good[i].familiar, &r);

		CHECK_STR(err_text(e), "success");
		auto_free char *full = image_ref_text(&r);

		CHECK_STR(full, good[i].full);
	}
}

TEST(docker_hub_is_served_by_another_host)
{
	auto_image_ref struct image_ref hub = { 0 }, own = { 0 };
	auto_err struct err *e = image_ref_parse("nginx", &hub);

	CHECK(!e);
	e = image_ref_parse("x.y:1/a", &own);
	CHECK(!e);
	CHECK_STR(image_ref_host(&hub), "registry-1.docker.io");
	CHECK_STR(image_ref_host(&own), "x.y:1");
}

TEST(a_reference_is_one_file_in_the_store)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "nginx", "docker.io%library%nginx:latest" },
		{ "[::1]:5000/a/b:c@" SUM, "[::1]:5000%a%b:c@" SUM },
		{ "a.b/" A50 A50 A50 A50 ":x",
		  "a.b%" A50 A50 A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_image_ref struct image_ref r = { 0 };
		auto_err struct err *e = image_ref_parse(rows[i].text, &r);

		CHECK(!e);
		auto_free char *key = store_ref_key(&r);

		check_why(rows[i].text);
		CHECK(strlen(key) <= 255 - strlen(".4194304~"));
		key[strlen(rows[i].want)] = '\0'; /* behind it is a sum */
		CHECK_STR(key, rows[i].want);
	}
	auto_free char *key = store_key(SUM);

	CHECK_STR(key, "sha256-" HEX64);
}

/* ---- platforms ---- */

static char *platform_text(const struct image_platform *p)
{
	return mem_printf("%s/%s%s%s", p->os, p->arch, *p->variant ? "/" : "", p->variant);
}

TEST(platforms_have_many_spellings)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "linux/amd64", "linux/amd64" },
		{ "amd64", "linux/amd64" },
		{ "x86_64", "linux/amd64" },
		{ "linux/x86-64", "linux/amd64" },
		{ "aarch64", "linux/arm64/v8" },
		{ "linux/arm64", "linux/arm64/v8" },
		{ "linux/arm64/v8", "linux/arm64/v8" },
		{ "linux/arm", "linux/arm/v7" },
		{ "linux/arm/v6", "linux/arm/v6" },
		{ "armhf", "linux/arm/v7" },
		{ "armel", "linux/arm/v6" },
		{ "linux/armv7l", "linux/arm/v7" },
		{ "i386", "linux/386" },
		{ "linux/s390x", "linux/s390x" },
		{ "linux/amd64/v3", "linux/amd64/v3" },
		{ "windows/amd64",
		  "'windows/amd64' is not a platform; write linux/amd64 or linux/arm/v7" },
		{ "linux/a/b/c",
		  "'linux/a/b/c' is not a platform; write linux/amd64 or linux/arm/v7" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct image_platform p;
		auto_err struct err *e = image_platform_parse(rows[i].text, &p);

		check_why(rows[i].text);
		auto_free char *got = e ? mem_strdup(err_text(e)) : platform_text(&p);

		CHECK_STR(got, rows[i].want);
	}
}

TEST(no_platform_is_the_one_of_this_machine)
{
	struct image_platform none, linux_only;
	auto_err struct err *e = image_platform_parse(NULL, &none);

	CHECK(!e);
	e = image_platform_parse("linux", &linux_only);
	CHECK(!e);
	CHECK_STR(none.os, "linux");
	CHECK_STR(none.arch, linux_only.arch);
	CHECK(image_platform_match(&none, &none) > 0);
}

TEST(the_best_of_what_runs_is_taken)
{
	static const struct {
		const char *want, *better, *worse; /* worse NULL: better does not run */
	} rows[] = {
		{ "linux/amd64", "amd64", "386" },
		{ "linux/amd64/v3", "amd64/v3", "amd64/v2" },
		{ "linux/amd64/v3", "amd64/v2", "amd64" },
		{ "linux/arm/v7", "arm/v7", "arm/v6" },
		{ "linux/arm/v7", "arm/v6", "arm/v5" },
		{ "linux/arm64", "arm64/v8", "arm64/v7" },
		{ "linux/amd64", "amd64/v2", NULL },
		{ "linux/arm/v6", "arm/v7", NULL },
		{ "linux/386", "amd64", NULL },
		{ "linux/amd64", "arm64", NULL },
		{ "linux/s390x", "ppc64le", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct image_platform want, better, worse;
		auto_err struct err *e = image_platform_parse(rows[i].want, &want);

		check_why(rows[i].want);
		CHECK(!e);
		auto_free char *first = mem_printf("linux/%s", rows[i].better);

		e = image_platform_parse(first, &better);
		CHECK(!e);
		int score = image_platform_match(&want, &better);

		CHECK((score > 0) == (rows[i].worse != NULL));
		if (!rows[i].worse)
			continue;
		auto_free char *second = mem_printf("linux/%s", rows[i].worse);

		e = image_platform_parse(second, &worse);
		CHECK(!e);
		CHECK(image_platform_match(&want, &worse) > 0);
		CHECK(score > image_platform_match(&want, &worse));
	}
}
