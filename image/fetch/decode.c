/* SPDX-License-Identifier: Apache-2.0 */
/* image/fetch/decode.c - gzip (ISA-L), zstd and plain streams. */
#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/mem.h"
#include "image/fetch/fetch.h"

enum format { PLAIN, GZIP, ZSTD };

struct decoder {
	decode_read_fn *read;
	void *ctx;
	enum format format;
	const uint8_t *in; /* what the reader gave and was not used yet */
	size_t in_len;
	bool in_end;
	uint8_t head[4];     /* what told the format, when it came in pieces */
	const uint8_t *rest; /* what came with it */
	size_t rest_len;
	uint8_t *out;
	uint64_t packed, unpacked;
	struct inflate_state *inflate;
	bool member; /* inside a gzip member or zstd frame */
	bool behind; /* the last gzip member: what follows is padding */
	ZSTD_DStream *zstd;
};

static const uint8_t gzip_magic[] = { 0x1f, 0x8b };
static const uint8_t zstd_magic[] = { 0x28, 0xb5, 0x2f, 0xfd };
static const uint8_t zstd_skip[] = { 0x50, 0x2a, 0x4d, 0x18 };

static struct err *fill(struct decoder *d)
{
	const void *data = NULL;
	size_t len = 0;

	if (d->in_len || d->in_end)
		return NULL;
	if (d->rest_len) {
		d->in = d->rest;
		d->in_len = d->rest_len;
		d->rest_len = 0;
		return NULL;
	}
	TRY(d->read(d->ctx, &data, &len));
	d->in = data;
	d->in_len = len;
	d->packed += len;
	d->in_end = len == 0;
	return NULL;
}

/* The first bytes may come one by one; four are enough to tell. */
static struct err *fill_head(struct decoder *d)
{
	size_t have = 0;

	TRY(fill(d));
	if (d->in_len >= sizeof(d->head))
		return NULL;
	while (have < sizeof(d->head)) {
		size_t n = sizeof(d->head) - have;

		TRY(fill(d));
		if (d->in_end)
			break;
		n = n < d->in_len ? n : d->in_len;
		memcpy(d->head + have, d->in, n);
		have += n;
		d->in += n;
		d->in_len -= n;
	}
	d->rest = d->in;
	d->rest_len = d->in_len;
	d->in = d->head;
	d->in_len = have;
	return NULL;
}

static enum format format_of(const uint8_t *p, size_t len)
{
	if (len >= 2 && p[0] == gzip_magic[0] && p[1] == gzip_magic[1])
		return GZIP;
	/* a frame, or one to be skipped: 0x184D2A50 to 5F, little-endian */
	if (len >= 4 && (memcmp(p, zstd_magic, 4) == 0 ||
			 ((p[0] & 0xf0) == 0x50 && memcmp(p + 1, zstd_skip + 1, 3) == 0)))
		return ZSTD;
	return PLAIN;
}

struct err *decoder_open(decode_read_fn *read, void *ctx, struct decoder **ret)
{
	struct decoder *d = mem_alloc(sizeof(*d));
	struct err *e;

	d->read = read;
	d->ctx = ctx;
	d->out = mem_alloc(BLOCK);
	e = fill_head(d);
	if (e) {
		decoder_free(d);
		return e;
	}
	d->format = format_of(d->in, d->in_len);
	if (d->format == GZIP)
		d->inflate = mem_alloc(sizeof(*d->inflate));
	if (d->format == ZSTD) {
		d->zstd = ZSTD_createDStream();
		/* a frame may ask for as much window memory as it likes; zstd -d's own limit is 128 MiB */
		ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, 27);
	}
	*ret = d;
	return NULL;
}

void decoder_free(struct decoder *d)
{
	if (!d)
		return;
	free(d->inflate);
	ZSTD_freeDStream(d->zstd);
	free(d->out);
	free(d);
}

static struct err *gunzip(struct decoder *d, size_t *ret_len)
{
	struct inflate_state *z = d->inflate;

	for (;;) {
		TRY(fill(d));
		if (d->in_end && !d->member) {
			*ret_len = 0;
			return NULL;
		}
		if (!d->member) { /* the next of several members; padding behind the last is skipped */
			d->behind = d->behind || *d->in != gzip_magic[0];
			if (d->behind) {
				d->in_len = 0;
				continue;
			}
			isal_inflate_init(z);
			z->crc_flag = ISAL_GZIP;
			d->member = true;
		}
		z->next_in = (uint8_t *)(uintptr_t)d->in;
		z->avail_in = (uint32_t)d->in_len;
		z->next_out = d->out;
		z->avail_out = BLOCK;
		int rc = isal_inflate(z);

		d->in = z->next_in;
		d->in_len = z->avail_in;
		if (rc != ISAL_DECOMP_OK && rc != ISAL_END_INPUT)
			return err_new(EBADMSG, "the gzip stream is damaged (%d)", rc);
		if (z->block_state == ISAL_BLOCK_FINISH)
			d->member = false;
		*ret_len = BLOCK - z->avail_out;
		if (*ret_len)
			return NULL;
		if (d->in_end && d->member)
			return err_new(EBADMSG, "the gzip stream ends too early");
	}
}

static struct err *unzstd(struct decoder *d, size_t *ret_len)
{
	for (;;) {
		TRY(fill(d));
		if (d->in_end && !d->member) {
			*ret_len = 0;
			return NULL;
		}
		ZSTD_inBuffer in = { d->in, d->in_len, 0 };
		ZSTD_outBuffer out = { d->out, BLOCK, 0 };
		size_t rc = ZSTD_decompressStream(d->zstd, &out, &in);

		if (ZSTD_isError(rc))
			return err_new(EBADMSG, "the zstd stream is damaged: %s",
				       ZSTD_getErrorName(rc));
		d->in += in.pos;
		d->in_len -= in.pos;
		d->member = rc != 0;
		*ret_len = out.pos;
		if (out.pos)
			return NULL;
		if (d->in_end && d->member)
			return err_new(EBADMSG, "the zstd stream ends too early");
	}
}

struct err *decoder_read(struct decoder *d, const void **ret_data, size_t *ret_len)
{
	*ret_data = d->out;
	if (d->format == GZIP) {
		TRY(gunzip(d, ret_len));
	} else if (d->format == ZSTD) {
		TRY(unzstd(d, ret_len));
	} else {
		TRY(fill(d));
		*ret_data = d->in;
		*ret_len = d->in_len;
		d->in_len = 0;
	}
	d->unpacked += *ret_len;
	/* zstd has no upper bound of its own; real layers stay far below this */
	if (d->unpacked > (64 << 20) && d->unpacked / LAYER_MAX_RATIO > d->packed)
		return err_new(EFBIG, "unpacks to more than %d times its size", LAYER_MAX_RATIO);
	return NULL;
}
