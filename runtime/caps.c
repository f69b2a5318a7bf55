/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/caps.c - capabilities, over libcap. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>

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

struct err *caps_drop_bounding(uint64_t keep)
{
	for (cap_value_t c = 0; c < cap_max_bits(); c++)
		if (!(keep >> c & 1) && cap_drop_bound(c) < 0)
			return err_errno("drop capability %d", c);
	return NULL;
}

static void set_flags(cap_t caps, cap_flag_t which, uint64_t mask)
{
	for (cap_value_t c = 0; c < cap_max_bits() && c < 64; c++)
		if (mask >> c & 1)
			(void)cap_set_flag(caps, which, 1, &c, CAP_SET);
}

struct err *caps_apply(const struct runtime_caps *c)
{
	cap_t caps = cap_init();
	struct err *e = NULL;

	set_flags(caps, CAP_PERMITTED, c->permitted);
	set_flags(caps, CAP_EFFECTIVE, c->effective);
	set_flags(caps, CAP_INHERITABLE, c->inheritable);
	if (cap_set_proc(caps) < 0)
		e = err_errno("set capabilities");
	cap_free(caps);
	for (cap_value_t v = 0; !e && v < cap_max_bits(); v++)
		if (c->ambient >> v & 1 && cap_set_ambient(v, CAP_SET) < 0)
			e = err_errno("set ambient capability %d", v);
	return e;
}
