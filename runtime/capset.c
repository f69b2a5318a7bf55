/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/capset.c - the capabilities of this process, by system calls: slipway-init,
 * which this is part of, is built without glibc, and libcap is built for that.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/internal.h"

enum { CAPS_MAX = 64 };

/* Those that this kernel does not know are no capabilities (EINVAL, prctl(2)). */
struct err *caps_drop_bounding(uint64_t keep)
{
	for (unsigned long c = 0; c < CAPS_MAX; c++)
		if (!(keep >> c & 1) && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
			return errno == EINVAL ? NULL : err_errno("drop capability %lu", c);
	return NULL;
}

struct err *caps_apply(const struct runtime_caps *c)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		data[i] = (struct __user_cap_data_struct) {
			.effective = (uint32_t)(c->effective >> (32 * i)),
			.permitted = (uint32_t)(c->permitted >> (32 * i)),
			.inheritable = (uint32_t)(c->inheritable >> (32 * i)),
		};
	if (syscall(SYS_capset, &header, data) < 0)
		return err_errno("set capabilities");
	for (unsigned long v = 0; v < CAPS_MAX; v++)
		if (c->ambient >> v & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, v, 0, 0) < 0)
			return err_errno("set ambient capability %lu", v);
	return NULL;
}
