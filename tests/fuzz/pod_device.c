/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/pod_device.c - rules for devices: in range, and one that allows nothing is none. */
#include "pod/internal.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = fuzz_text(data, size);
	struct cgroupfs_device d;

	if (!device_rule_read(text, &d))
		return 0;
	FUZZ_CHECK(d.allow && (d.type == 'a' || d.type == 'b' || d.type == 'c'));
	FUZZ_CHECK(d.access && !(d.access & ~(unsigned)CGROUPFS_DEVICE_ALL));
	FUZZ_CHECK(d.major >= -1 && d.major <= 0xfffff && d.minor >= -1 && d.minor <= 0xfffff);
	return 0;
}
