/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/compose_interp.c - ${VARIABLES} in a value. */
#include <string.h>

#include "base/str.h"
#include "compose/internal.h"
#include "tests/fuzz/fuzz.h"

static const char *look(const void *ctx, const char *name)
{
	return env_get((char *const *)ctx, name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *const env[] = { "S=set", "E=", "D=$S", NULL };
	auto_strv char **missing = NULL;
	struct lookup l = { .fn = look, .ctx = env, .missing = &missing };
	auto_free char *text = fuzz_text(data, size), *got = NULL;
	auto_err struct err *e = interpolate(text, &l, &got);

	FUZZ_CHECK(!e == (got != NULL));
	if (got && !strchr(text, '$'))
		FUZZ_CHECK(str_eq(text, got));
	return 0;
}
