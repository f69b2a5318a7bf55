/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/pod_keys.c - keys that leave a container: found in what is typed, and nothing else is lost. */
#include <string.h>

#include "base/mem.h"
#include "pod/internal.h"
#include "tests/check.h"

TEST(keys_are_written_as_docker_has_them)
{
	static const struct {
		const char *text;
		size_t n;
		unsigned char first;
	} cases[] = {
		{ NULL, 2, 16 },      { "ctrl-a", 1, 1 },    { "ctrl-@", 1, 0 },
		{ "ctrl-[", 1, 27 },  { "ctrl-_,q", 2, 31 }, { "a,b,c", 3, 'a' },
		{ "ctrl-\\", 1, 28 }, { "", 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct keys k;
		auto_err struct err *e = keys_parse(cases[i].text, &k);

		CHECK_STR(err_text(e), "success");
		CHECK(k.n == cases[i].n);
		CHECK(k.key[0] == cases[i].first);
	}
}

TEST(other_keys_are_refused)
{
	static const char *const bad[] = { "ctrl-1", "ctrl-", "ab", "ctrl-A",
					   "a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct keys k;
		auto_err struct err *e = keys_parse(bad[i], &k);

		CHECK(e);
	}
}

/* What comes out of what is typed, "<" where it leaves. */
static char *typed(const char *const *pieces)
{
	struct keys k;
	auto_err struct err *e = keys_parse(NULL, &k);
	char *all = mem_strdup("");

	CHECK(!e);
	for (; *pieces; pieces++) {
		char out[64];
		size_t len = 0;
		bool leaves = keys_filter(&k, *pieces, strlen(*pieces), out, &len);
		auto_free char *before = all;

		all = mem_printf("%s%.*s%s", before, (int)len, out, leaves ? "<" : "");
	}
	return all;
}

TEST(only_the_whole_sequence_leaves)
{
	static const struct {
		const char *pieces[4];
		const char *want;
	} cases[] = {
		{ { "hello" }, "hello" },
		{ { "ab\x10\x11" }, "ab<" },
		{ { "ab\x10", "\x11" }, "ab<" },
		{ { "\x10", "x" }, "\x10x" },
		{ { "\x10\x10\x11" }, "\x10<" },
		{ { "\x11\x10" }, "\x11" },
		{ { "\x10", "\x10", "\x11" }, "\x10<" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *got = typed(cases[i].pieces);

		CHECK_STR(got, cases[i].want);
	}
}
