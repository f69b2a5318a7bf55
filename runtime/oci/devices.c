/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/oci/devices.c - linux.devices, and the rules of linux.resources.devices. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "runtime/oci/oci.h"

enum { NUMBER_MAX = 0xfffff /* of minor numbers; major ones end at 4095 */, MODE_MAX = 07777 };

static struct err *get_number(const json_t *j, const char *name, int64_t most, int64_t missing,
			      int64_t *ret)
{
	*ret = missing;
	TRY(json_get_int(j, name, ret));
	if (*ret == missing)
		return NULL;
	return *ret < 0 || *ret > most
		       ? err_new(ERANGE, "%s: %lld is out of range", name, (long long)*ret)
		       : NULL;
}

static struct err *read_device(const json_t *j, struct runtime_device *d)
{
	const char *type = NULL;
	int64_t mode, uid, gid, major, minor;

	TRY(json_get_str(j, "path", &d->path));
	TRY(json_get_str(j, "type", &type));
	if (!d->path || *d->path != '/')
		return err_new(EINVAL, "path must be an absolute path");
	if (!type || !str_one_of(type, (const char *const[]) { "c", "b", "u", "p", NULL }))
		return err_new(EINVAL, "%s: type must be c, b, u or p", d->path);
	TRY(get_number(j, "major", NUMBER_MAX, -1, &major));
	TRY(get_number(j, "minor", NUMBER_MAX, -1, &minor));
	TRY(get_number(j, "fileMode", MODE_MAX, 0666, &mode));
	TRY(get_number(j, "uid", UINT32_MAX - 1, 0, &uid));
	TRY(get_number(j, "gid", UINT32_MAX - 1, 0, &gid));
	if (*type != 'p' && (major < 0 || minor < 0))
		return err_new(EINVAL, "%s: major and minor are missing", d->path);
	d->type = *type == 'u' ? 'c' : *type; /* unbuffered: once there was a difference */
	d->major = *type == 'p' ? 0 : (unsigned)major;
	d->minor = *type == 'p' ? 0 : (unsigned)minor;
	d->mode = (mode_t)mode;
	d->uid = (uid_t)uid;
	d->gid = (gid_t)gid;
	return NULL;
}

static struct err *read_rule(const json_t *j, struct cgroupfs_device *d)
{
	const char *type = "a", *access = "rwm";

	TRY(json_get_bool(j, "allow", &d->allow));
	TRY(json_get_str(j, "type", &type));
	TRY(json_get_str(j, "access", &access));
	TRY(get_number(j, "major", NUMBER_MAX, -1, &d->major));
	TRY(get_number(j, "minor", NUMBER_MAX, -1, &d->minor));
	if (!str_one_of(type, (const char *const[]) { "a", "c", "b", NULL }))
		return err_new(EINVAL, "type must be a, c or b");
	d->type = *type;
	if (!cgroupfs_device_access(access, &d->access))
		return err_new(EINVAL, "access must be of r, w and m");
	return NULL;
}

static struct err *read_devices(const json_t *config, struct bundle *b)
{
	json_t *list = NULL;

	TRY(json_get_list(config, "linux.devices", &list));
	size_t n = json_array_size(list);

	b->devices = mem_alloc((n + 1) * sizeof(*b->devices));
	for (size_t i = 0; i < n; i++) {
		struct runtime_device *d = &b->devices[b->spec.n_devices];

		TRY(err_wrap(read_device(json_array_get(list, i), d), "linux.devices[%zu]", i));
		/* that is the container's own, of its devpts; engines pass all that the host has */
		if (strcmp(d->path, "/dev/ptmx") != 0)
			b->spec.n_devices++;
	}
	b->spec.devices = b->devices;
	return NULL;
}

/* After the bundle's own come those that every container needs, as runc has it. */
static struct err *read_rules(const json_t *config, struct bundle *b)
{
	json_t *list = NULL;
	size_t n_default = cgroupfs_n_devices_default;

	TRY(json_get_list(config, "linux.resources.devices", &list));
	size_t n = json_array_size(list);

	b->rules = mem_alloc((n + n_default) * sizeof(*b->rules));
	for (size_t i = 0; i < n; i++)
		TRY(err_wrap(read_rule(json_array_get(list, i), &b->rules[i]),
			     "linux.resources.devices[%zu]", i));
	memcpy(b->rules + n, cgroupfs_devices_default, n_default * sizeof(*b->rules));
	b->limits.devices = b->rules;
	b->limits.n_devices = n + n_default;
	b->has_rules = n > 0;
	return NULL;
}

struct err *bundle_devices(struct bundle *b)
{
	TRY(read_devices(b->config, b));
	return read_rules(b->config, b);
}

/* Without rules there is nothing that keeps a node which was made from being opened. */
static void drop_mknod(struct runtime_caps *c)
{
	uint64_t *sets[] = { &c->bounding, &c->permitted, &c->effective, &c->inheritable,
			     &c->ambient };

	for (size_t i = 0; i < ARRAY_LEN(sets); i++)
		*sets[i] &= ~RUNTIME_CAP_MKNOD;
}

void bundle_suit(struct bundle *b, const struct cgroupfs_host *host)
{
	if (cgroupfs_controls_devices(host))
		return;
	drop_mknod(&b->spec.process.caps);
	if (!b->has_rules) /* those of the bundle are refused by cgroupfs_create() */
		b->limits.n_devices = 0;
}
