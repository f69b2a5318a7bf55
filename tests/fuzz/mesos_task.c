/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/mesos_task.c - what comes with a task: Aurora's data, base64, durations. */
#include <string.h>

#include "mesos/wire.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = fuzz_text(data, size), *raw = NULL;
	struct wire_aurora a;
	size_t len = 0;
	uint64_t ms = 0;
	auto_err struct err *no_aurora = wire_aurora(data, size, &a);
	auto_err struct err *no_base64 = wire_unbase64(text, &raw, &len);

	err_ignore(wire_duration(text, &ms));
	if (!no_aurora)
		wire_aurora_clear(&a);
	if (!no_base64) {
		auto_free char *again = wire_base64(raw, len), *back = NULL;
		size_t n = 0;
		auto_err struct err *e = wire_unbase64(again, &back, &n);

		FUZZ_CHECK(!e && n == len && memcmp(back, raw, len) == 0);
	}
	return 0;
}
