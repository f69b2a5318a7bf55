/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/image_ref.c - references and platforms: printed, they are read as the same. */
#include <string.h>

#include "image/internal.h"
#include "tests/fuzz/fuzz.h"

static void same(char *take_text, const struct image_ref *r)
{
	auto_image_ref struct image_ref again = { 0 };
	auto_free char *text = take_text;
	auto_err struct err *e = image_ref_parse(text, &again);

	FUZZ_CHECK(!e);
	auto_free char *want = image_ref_text(r), *got = image_ref_text(&again);

	FUZZ_CHECK(strcmp(got, want) == 0);
}

static void reference(const char *text)
{
	auto_image_ref struct image_ref r = { 0 };
	auto_err struct err *e = image_ref_parse(text, &r);

	if (e)
		return;
	same(image_ref_text(&r), &r);
	same(image_ref_familiar(&r), &r);
	auto_free char *key = store_ref_key(&r);

	FUZZ_CHECK(*key != '.' && !strchr(key, '/') && strlen(key) <= 240);
}

static void platform(const char *text)
{
	struct image_platform p;
	auto_err struct err *e = image_platform_parse(text, &p);

	if (!e)
		FUZZ_CHECK(image_platform_match(&p, &p) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = fuzz_text(data, size);

	reference(text);
	platform(text);
	return 0;
}
