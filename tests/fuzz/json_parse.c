/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/json_parse.c - JSON from strangers: within limits, and printed as what it was. */
#include <string.h>

#include "base/json.h"
#include "tests/fuzz/fuzz.h"

enum { SIZE_LIMIT = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_json json_t *first = NULL, *second = NULL;
	auto_err struct err *e = json_parse((const char *)data, size, SIZE_LIMIT, &first);

	FUZZ_CHECK(!e == (first != NULL));
	if (e)
		return 0;
	auto_free char *text = json_text(first, 0);

	e = json_parse(text, strlen(text), 2 * SIZE_LIMIT, &second);
	FUZZ_CHECK(!e && json_equal(first, second));
	return 0;
}
