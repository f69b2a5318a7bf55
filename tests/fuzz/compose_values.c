/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/compose_values.c - sizes, durations, words and plain scalars. */
#include "base/str.h"
#include "compose/internal.h"
#include "tests/fuzz/fuzz.h"

static void plain(const char *text)
{
	auto_free char *once = NULL, *twice = NULL;
	enum node_type type = scalar_resolve(text, &once);

	FUZZ_CHECK(once);
	if (type != NODE_FLOAT || str_ends(once, "Inf") || str_ends(once, "NaN"))
		return;
	/* a canonical number is the same number; a float may have lost its fraction */
	(void)!scalar_resolve(once, &twice);
	FUZZ_CHECK(str_eq(once, twice));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = fuzz_text(data, size);
	auto_strv char **words = NULL;
	const char *rest;
	int64_t value;
	bool flag;

	plain(text);
	err_free(compose_parse_bytes(text, &value));
	err_free(compose_parse_duration(text, &value));
	err_free(scalar_nano(text, &value));
	err_free(scalar_bool(text, &flag));
	err_free(scalar_words(text, &words, &rest));
	return 0;
}
