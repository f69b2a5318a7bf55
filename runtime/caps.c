/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/caps.c - which capabilities there are, over libcap. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>

#include "base/mem.h"
#include "base/str.h"
#include "runtime/internal.h"

uint64_t runtime_caps_all(void)
{
	uint64_t all = 0;

	for (cap_value_t c = 0; c < cap_max_bits() && c < 64; c++)
		if (cap_get_bound(c) == 1)
			all |= 1ULL << c;
	return all;
}

struct err *runtime_cap_parse(const char *name, uint64_t *ret)
{
	auto_free char *low = mem_strdup(name);
	cap_value_t c;

	for (char *p = low; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	if (strcmp(low, "all") == 0) {
		*ret = UINT64_MAX >> (63 - (cap_max_bits() - 1));
		return NULL;
	}
	/* cap_from_name() takes numbers, and whatever stands behind a name */
	char *known = cap_from_name(low, &c) == 0 ? cap_to_name(c) : NULL;
	bool whole = known && strcmp(known, low) == 0 && str_starts(low, "cap_");

	cap_free(known);
	if (!whole)
		return err_new(EINVAL, "'%s' is not a capability", name);
	*ret = 1ULL << c;
	return NULL;
}
