/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/fetch_decode.c - compressed streams: the same result however they are cut. */
#include <string.h>

#include "base/str.h"
#include "image/fetch/fetch.h"
#include "tests/fuzz/fuzz.h"

enum { OUT_MAX = 8 << 20 };

struct feed {
	const uint8_t *data;
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

/* A number that stands for what came out, and whether it ended well. */
static uint64_t decoded(const uint8_t *data, size_t size, size_t piece, bool *ret_good)
{
	struct feed f = { data, size, piece };
	struct decoder *d = NULL;
	auto_err struct err *e = decoder_open(feed, &f, &d);
	const void *got = NULL;
	uint64_t sum = 0;
	size_t n = 1, all = 0;

	while (!e && n && all < OUT_MAX) {
		e = decoder_read(d, &got, &n);
		for (size_t i = 0; !e && i < n; i++)
			sum = sum * 31 + ((const uint8_t *)got)[i];
		all += e ? 0 : n;
	}
	*ret_good = !e && all < OUT_MAX;
	decoder_free(d);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool whole = false, pieces = false;
	uint64_t a = decoded(data, size, size + 1, &whole);
	uint64_t b = decoded(data, size, 3, &pieces);

	FUZZ_CHECK(whole == pieces && (!whole || a == b));
	return 0;
}
