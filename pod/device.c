/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod/device.c - the host's devices that a service is given: what it names, and what the host has.
 *
 * A service that names none has no device control group: it cannot make nodes (no
 * CAP_MKNOD), and what it mounts has no devices in it. One that does is held to
 * Docker's default devices, those it names with their permissions, and its rules.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

enum { DEPTH_MAX = 16, MINOR_MAX = 0xfffff /* the kernel's, and more than its major ones */ };

/* ---- what is named: no I/O ---- */

/* Letters of r, w and m, each once. */
static bool read_access(const char *text, unsigned *ret)
{
	return cgroupfs_device_access(text, ret) && *text &&
	       (int)strlen(text) == __builtin_popcount(*ret);
}

/* A number, or "*". */
static bool read_number(const char *text, int64_t *ret)
{
	auto_err struct err *e = NULL;

	*ret = -1;
	if (strcmp(text, "*") == 0)
		return true;
	e = str_number(text, 0, MINOR_MAX, ret);
	return !e;
}

bool device_rule_read(const char *text, struct cgroupfs_device *ret)
{
	auto_strv char **words = str_split(text, " ");
	auto_strv char **numbers = NULL;

	if (strv_len(words) != 3 || strlen(words[0]) != 1 || !strchr("acb", *words[0]))
		return false;
	numbers = str_split(words[1], ":");
	*ret = (struct cgroupfs_device) { .type = *words[0], .allow = true };
	return strv_len(numbers) == 2 && read_number(numbers[0], &ret->major) &&
	       read_number(numbers[1], &ret->minor) && read_access(words[2], &ret->access);
}

static struct err *resolve_device(const struct compose_device *d, struct plan_device *ret)
{
	*ret = (struct plan_device) { .source = d->source, .target = d->target };
	if (*d->source != '/' && strchr(d->source, '='))
		return compose_err(&d->place,
				   "devices: %s is the name of a CDI device, and no CDI hooks are "
				   "run; name the device nodes",
				   d->source);
	if (*d->source != '/' || *d->target != '/')
		return compose_err(&d->place, "devices: '%s' is not an absolute path",
				   *d->source != '/' ? d->source : d->target);
	if (!read_access(d->permissions ? d->permissions : "rwm", &ret->access))
		return compose_err(&d->place, "devices: '%s' are not permissions of r, w and m",
				   d->permissions);
	return NULL;
}

struct err *resolve_devices(const struct compose_service *s, struct plan_container *c)
{
	c->devices = mem_alloc(s->devices.n * sizeof(*c->devices));
	for (size_t i = 0; i < s->devices.n; i++)
		TRY(resolve_device(&s->devices.items[i], &c->devices[c->n_devices++]));
	c->device_rules = mem_alloc(strv_len(s->device_cgroup_rules) * sizeof(*c->device_rules));
	for (char *const *r = s->device_cgroup_rules; r && *r; r++)
		if (!device_rule_read(*r, &c->device_rules[c->n_device_rules++]))
			return compose_err(&s->place,
					   "device_cgroup_rules: '%s' is not a rule; write "
					   "'TYPE MAJOR:MINOR ACCESS', as in 'c 189:* rwm'",
					   *r);
	return NULL;
}

/* ---- what the host has ---- */

static void add_rule(struct device_set *s, const struct cgroupfs_device *rule)
{
	s->rules = mem_grow(s->rules, s->n_rules + 1, sizeof(*s->rules));
	s->rules[s->n_rules++] = *rule;
}

static void add_node(struct device_set *s, const char *source, const char *target,
		     const struct stat *st, unsigned access, bool optional)
{
	char type = S_ISBLK(st->st_mode) ? 'b' : 'c';
	char *texts[] = { mem_strdup(source), mem_strdup(target) };

	strv_add(&s->texts, texts[0]);
	strv_add(&s->texts, texts[1]);
	s->nodes = mem_grow(s->nodes, s->n + 1, sizeof(*s->nodes));
	s->nodes[s->n++] = (struct runtime_device) { .path = texts[1],
						     .type = type,
						     .major = major(st->st_rdev),
						     .minor = minor(st->st_rdev),
						     .mode = st->st_mode & 07777,
						     .uid = st->st_uid,
						     .gid = st->st_gid,
						     .source = texts[0],
						     .optional = optional };
	add_rule(s, &(struct cgroupfs_device) { type, true, access, major(st->st_rdev),
						minor(st->st_rdev) });
}

static bool is_device(const struct stat *st)
{
	return S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode);
}

/* All devices of a directory, as Docker has it; links and what is neither are passed over. */
static struct err *add_directory(struct device_set *s, const char *source, const char *target,
				 unsigned access, int depth)
{
	auto_strv char **names = NULL;
	auto_fd int dir = -1;

	if (depth > DEPTH_MAX)
		return err_new(ELOOP, "%s: too deep", source);
	TRY(fd_openat(AT_FDCWD, source, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, &dir));
	TRY(fd_list(dir, &names));
	for (char **n = names; n && *n; n++) {
		auto_free char *from = mem_printf("%s/%s", source, *n);
		auto_free char *to = mem_printf("%s/%s", target, *n);
		struct stat st;

		if (fstatat(dir, *n, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (is_device(&st))
			add_node(s, from, to, &st, access, true);
		else if (S_ISDIR(st.st_mode))
			TRY(add_directory(s, from, to, access, depth + 1));
	}
	return NULL;
}

static struct err *add_device(struct device_set *s, const struct plan_device *d)
{
	auto_free char *source = realpath(d->source, NULL);
	size_t before = s->n;
	struct stat st;

	if (!source || stat(source, &st) < 0)
		return err_errno("devices: %s", d->source);
	if (is_device(&st))
		add_node(s, source, d->target, &st, d->access, false);
	else if (S_ISDIR(st.st_mode))
		TRY(add_directory(s, source, d->target, d->access, 0));
	return s->n > before ? NULL
			     : err_new(ENODEV, "devices: %s is no device, nor a directory of any",
				       d->source);
}

/* Without control whoever has a node may do with it what its mode says, and make no other. */
static bool needs_control(const struct plan_container *c)
{
	const unsigned both = CGROUPFS_DEVICE_READ | CGROUPFS_DEVICE_WRITE;

	for (size_t i = 0; i < c->n_devices; i++)
		if ((c->devices[i].access & both) != both)
			return true;
	return c->n_device_rules > 0;
}

struct err *devices_find(const struct plan_container *c, const struct cgroupfs_host *h,
			 struct device_set *ret)
{
	devices_forget(ret);
	if (!c->n_devices && !c->n_device_rules)
		return NULL;
	bool controlled = cgroupfs_controls_devices(h);

	if (!controlled && needs_control(c))
		return err_new(ENOTSUP, "this host does not let devices be controlled: only those "
					"with permissions r and w can be given, and no rules");
	for (size_t i = 0; i < cgroupfs_n_devices_default; i++)
		add_rule(ret, &cgroupfs_devices_default[i]);
	for (size_t i = 0; i < c->n_devices; i++)
		TRY(add_device(ret, &c->devices[i]));
	for (size_t i = 0; i < c->n_device_rules; i++)
		add_rule(ret, &c->device_rules[i]);
	if (!controlled)
		ret->n_rules = 0;
	return NULL;
}

void devices_forget(struct device_set *s)
{
	free(s->nodes);
	free(s->rules);
	strv_free(s->texts);
	*s = (struct device_set) { 0 };
}
