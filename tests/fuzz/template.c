/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/template.c - templates: refused or run, within bounds, and twice the same. */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/template.h"
#include "tests/fuzz/fuzz.h"

static char *heading(const char *field)
{
	return mem_strdup(field);
}

static struct err *render(const struct template *t, json_t *data, char **ret, size_t *ret_len)
{
	FILE *f = open_memstream(ret, ret_len);
	struct err *e = template_run(t, data, f);

	fclose(f);
	return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char text[] =
		"{\"A\":\"text\",\"B\":{\"C\":1.5,\"D\":null},\"E\":[1,\"x\",[true]],"
		"\"F\":{\"k\":\"v\",\"l\":[]}}";
	auto_json json_t *j = json_loads(text, 0, NULL);
	auto_free char *input = fuzz_text(data, size), *first = NULL, *second = NULL, *head = NULL;
	auto_template struct template *t = NULL;
	size_t first_len = 0, second_len = 0, head_len = 0;
	auto_err struct err *e = template_parse(input, &t);

	FUZZ_CHECK(!e == (t != NULL));
	if (e)
		return 0;
	auto_err struct err *one = render(t, j, &first, &first_len);
	auto_err struct err *two = render(t, j, &second, &second_len);

	FUZZ_CHECK(!one == !two && first_len == second_len && !memcmp(first, second, first_len));
	FILE *f = open_memstream(&head, &head_len);

	template_headings(t, heading, f);
	fclose(f);
	return 0;
}
