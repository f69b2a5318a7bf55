/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/mesos_wire.c - an agent's stream, however it is cut, and the JSON in it. */
#include <string.h>

#include "mesos/wire.h"
#include "tests/fuzz/fuzz.h"

struct seen {
	size_t n, bytes;
	uint64_t sum;
};

static struct err *on_record(void *ctx, const char *data, size_t len)
{
	struct seen *s = ctx;
	auto_json json_t *j = NULL, *again = NULL;
	auto_err struct err *e = wire_parse(data, len, &j);

	s->n++;
	s->bytes += len;
	for (size_t i = 0; i < len; i++)
		s->sum = s->sum * 31 + (unsigned char)data[i];
	FUZZ_CHECK(!e == (j != NULL));
	if (e)
		return NULL;
	(void)wire_number(j, "limits.cpus.value", 0);
	(void)wire_label(j, "fileName");
	/* what is echoed must be understood */
	auto_free char *text = json_text(j, 0);

	e = wire_parse(text, strlen(text), &again);
	FUZZ_CHECK(!e || strlen(text) > WIRE_RECORD_MAX);
	return NULL;
}

static struct seen feed(const uint8_t *data, size_t size, size_t piece)
{
	struct wire_records *r = wire_records_new();
	struct seen s = { 0 };
	auto_err struct err *e = NULL;

	for (size_t at = 0; at < size && !e; at += piece)
		e = wire_records_feed(r, (const char *)data + at,
				      size - at < piece ? size - at : piece, on_record, &s);
	wire_records_free(r);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole = feed(data, size, size ? size : 1), pieces = feed(data, size, 3);

	FUZZ_CHECK(whole.n == pieces.n && whole.bytes == pieces.bytes && whole.sum == pieces.sum);
	return 0;
}
