/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/fetch_decode.c - compressed streams, whole, in pieces and broken. */
#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/mem.h"
#include "image/fetch/fetch.h"
#include "tests/check.h"

enum { ROOM = 1 << 20, BOMB = 256 << 20 };

struct bytes {
	char *data;
	size_t len;
};

static void add(struct bytes *b, const void *data, size_t len)
{
	b->data = mem_grow(b->data, b->len + len + 1, 1);
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

static void add_gzip(struct bytes *b, const void *data, size_t len)
{
	size_t room = len / 50 + ROOM; /* what is large here is zeros */
	auto_free unsigned char *out = mem_alloc(room);
	auto_free unsigned char *level = mem_alloc(ISAL_DEF_LVL1_DEFAULT);
	struct isal_zstream z;

	isal_deflate_init(&z);
	z.gzip_flag = IGZIP_GZIP;
	z.end_of_stream = 1;
	z.level = 1;
	z.level_buf = level;
	z.level_buf_size = ISAL_DEF_LVL1_DEFAULT;
	z.next_in = (uint8_t *)(uintptr_t)data;
	z.avail_in = (uint32_t)len;
	z.next_out = out;
	z.avail_out = (uint32_t)room;
	CHECK(isal_deflate(&z) == COMP_OK && z.avail_in == 0);
	add(b, out, z.total_out);
}

static void add_zstd(struct bytes *b, const void *data, size_t len)
{
	size_t room = ZSTD_compressBound(len);
	auto_free char *out = mem_alloc(room);
	size_t n = ZSTD_compress(out, room, data, len, 3);

	CHECK(!ZSTD_isError(n));
	add(b, out, n);
}

/* "g:" and what follows becomes a gzip member, "z:" a zstd frame, "s:" one to be skipped, "=" is itself. */
static struct bytes made(const char *recipe)
{
	struct bytes b = { 0 };

	while (*recipe) {
		size_t n = strcspn(recipe, "|");
		const char *text = recipe + 2;
		uint32_t skip[2] = { 0x184d2a50, (uint32_t)n - 2 };

		if (*recipe == 'g')
			add_gzip(&b, text, n - 2);
		else if (*recipe == 'z')
			add_zstd(&b, text, n - 2);
		else if (*recipe == 's')
			add(&b, skip, sizeof(skip));
		if (*recipe == 's' || *recipe == '=')
			add(&b, text, n - 2);
		if (*recipe == '0')
			add(&b, (char[512]) { 0 }, 512);
		recipe += n + (recipe[n] == '|');
	}
	return b;
}

struct feed {
	const char *data;
	size_t len, piece;
};

static struct err *feed(void *ctx, const void **data, size_t *len)
{
	struct feed *f = ctx;

	*data = f->data;
	*len = f->piece < f->len ? f->piece : f->len;
	f->data += *len;
	f->len -= *len;
	return NULL;
}

/* What comes out, or the error; *@ret_len is how much came out before it. The caller's. */
static char *decoded(const void *data, size_t len, size_t piece, size_t *ret_len)
{
	struct feed f = { data, len, piece };
	struct decoder *d = NULL;
	struct bytes out = { mem_strdup(""), 0 };
	auto_err struct err *e = decoder_open(feed, &f, &d);
	const void *got = NULL;
	size_t n = 1;

	*ret_len = 0;
	while (!e && n) {
		e = decoder_read(d, &got, &n);
		if (!e && n && *ret_len < ROOM)
			add(&out, got, n);
		*ret_len += e ? 0 : n;
	}
	decoder_free(d);
	if (!e) {
		out.data[out.len] = '\0';
		return out.data;
	}
	free(out.data);
	return mem_strdup(err_text(e));
}

static const struct {
	const char *why, *recipe, *want;
} rows[] = {
	{ "nothing", "", "" },
	{ "plain", "=:hello", "hello" },
	{ "plain and short", "=:h", "h" },
	{ "nearly a magic number", "=:\x1f", "\x1f" },
	{ "nearly the other", "=:\x28\xb5\x2f", "\x28\xb5\x2f" },
	{ "gzip", "g:hello", "hello" },
	{ "gzip of nothing", "g:", "" },
	{ "several members", "g:a|g:|g:b|g:c", "abc" },
	{ "zeros behind", "g:hello|0:|0:", "hello" },
	{ "junk behind", "g:hello|=:junk", "hello" },
	{ "what looks like a member behind junk", "g:hello|=:x|g:more", "hello" },
	{ "half a member behind", "g:hello|=:\x1f\x8b", "the gzip stream ends too early" },
	{ "zstd", "z:hello", "hello" },
	{ "zstd of nothing", "z:", "" },
	{ "several frames", "z:a|z:|z:b", "ab" },
	{ "frames to be skipped", "s:x|z:a|s:yy|z:b|s:", "ab" },
	{ "nothing but those", "s:x", "" },
	{ "junk behind zstd", "z:a|=:junk junk",
	  "the zstd stream is damaged: Unknown frame descriptor" },
};

TEST(streams_are_told_apart_and_read_to_the_end)
{
	static const size_t pieces[] = { 1, 2, 3, 5, 4096 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t k = 0; k < ARRAY_LEN(pieces); k++) {
			struct bytes b = made(rows[i].recipe);
			size_t len = 0;

			check_why(rows[i].why);
			auto_free char *got = decoded(b.data, b.len, pieces[k], &len);

			CHECK_STR(got, rows[i].want);
			free(b.data);
		}
}

TEST(a_stream_that_ends_early_says_so)
{
	static const char *const recipes[] = { "g:hello hello hello", "z:hello hello hello" };

	for (size_t r = 0; r < ARRAY_LEN(recipes); r++) {
		struct bytes b = made(recipes[r]);

		check_why(recipes[r]);
		for (size_t len = 4; len < b.len; len++) {
			size_t n = 0;
			auto_free char *got = decoded(b.data, len, 7, &n);

			CHECK_STR(got, r ? "the zstd stream ends too early"
					 : "the gzip stream ends too early");
		}
		free(b.data);
	}
}

TEST(a_changed_bit_never_goes_unnoticed_where_there_is_a_sum)
{
	struct bytes b = made("g:hello hello hello");

	/* behind the header, whose time and the like mean nothing */
	for (size_t i = 10; i < b.len - 4; i++) {
		size_t n = 0;

		b.data[i] ^= 4;
		auto_free char *got = decoded(b.data, b.len, 7, &n);

		CHECK(strstr(got, "the gzip stream "));
		b.data[i] ^= 4;
	}
	free(b.data);
}

TEST(a_bomb_is_stopped_and_what_only_compresses_well_is_not)
{
	auto_free char *zeros = mem_alloc(BOMB);
	struct bytes gzip = { 0 }, zstd = { 0 };
	size_t n = 0;

	add_gzip(&gzip, zeros, BOMB);
	add_zstd(&zstd, zeros, BOMB);
	/* deflate has a limit of its own: 1032 */
	auto_free char *from_gzip = decoded(gzip.data, gzip.len, 1 << 16, &n);

	CHECK_INT(n, BOMB);
	auto_free char *from_zstd = decoded(zstd.data, zstd.len, 1 << 16, &n);

	CHECK_STR(from_zstd, "unpacks to more than 1100 times its size");
	CHECK(n < 80 << 20);
	free(gzip.data);
	free(zstd.data);
}

TEST(a_window_larger_than_zstds_own_limit_is_refused)
{
	/* magic; no single segment, no sum; a window of 2^31 bytes; a raw block of one byte */
	static const unsigned char frame[] = {
		0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x09, 0, 0, 'a'
	};
	size_t n = 0;
	auto_free char *got = decoded(frame, sizeof(frame), 100, &n);

	CHECK_STR(got, "the zstd stream is damaged: Frame requires too much memory for decoding");
}
