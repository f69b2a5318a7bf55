/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/compose_dotenv.c - a .env file. */
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
	const char *const outer[] = { "S=set", "E=", NULL };
	struct lookup l = { .fn = look, .ctx = outer, .missing = NULL };
	auto_strv char **env = NULL;
	auto_free char *text = fuzz_text(data, size);
	auto_err struct err *e = dotenv_parse(".env", text, &l, &env);

	if (e)
		FUZZ_CHECK(str_starts(err_text(e), ".env:"));
	for (char **p = env; p && *p; p++)
		FUZZ_CHECK(strchr(*p, '=') > *p);
	return 0;
}
