/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/fuzz.h - what libFuzzer calls, with the input as a string. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A NUL byte ends it, as it ends what the callers of these functions have. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	return mem_strndup((const char *)data, size);
}

/* A property that must hold for every input. */
#define FUZZ_CHECK(cond) ((cond) ? (void)0 : abort())
