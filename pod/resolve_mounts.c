/* SPDX-License-Identifier: Apache-2.0 */
/* pod/resolve_mounts.c - what is mounted into a container: volumes, directories, files, tmpfs. */
#include <errno.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

enum { TMPFS_SAFE = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC };

static struct plan_mount *add_mount(struct plan_container *c, enum compose_mount_type type,
				    const char *target)
{
	/* the later one on the same path wins, as in docker compose */
	for (size_t i = 0; i < c->n_mounts; i++)
		if (strcmp(c->mounts[i].target, target) == 0)
			return NULL;
	c->mounts = mem_grow(c->mounts, c->n_mounts + 1, sizeof(*c->mounts));
	c->mounts[c->n_mounts] = (struct plan_mount) { .type = type, .target = mem_strdup(target) };
	return &c->mounts[c->n_mounts++];
}

static const struct {
	const char *name;
	uint64_t flags;
} propagations[] = {
	{ "private", 1 << 18 }, { "rprivate", 1 << 18 }, { "shared", 1 << 20 },
	{ "rshared", 1 << 20 }, { "slave", 1 << 19 },	 { "rslave", 1 << 19 },
}; /* MS_PRIVATE, MS_SHARED, MS_SLAVE: <sys/mount.h> clashes with <linux/mount.h> */

static struct err *resolve_propagation(const struct compose_mount *m, uint64_t *ret)
{
	for (size_t i = 0; m->propagation && i < ARRAY_LEN(propagations); i++)
		if (strcmp(m->propagation, propagations[i].name) == 0) {
			*ret = propagations[i].flags;
			return NULL;
		}
	return m->propagation ? compose_err(&m->place, "'%s' is not a propagation", m->propagation)
			      : NULL;
}

/* "/path:size=1m,mode=1777,exec": mount flags are attributes, the rest is the file system's. */
static void resolve_tmpfs(struct plan_mount *m, const char *options)
{
	static const struct {
		const char *name;
		uint64_t set, clear;
	} flags[] = {
		{ "ro", MOUNT_ATTR_RDONLY, 0 },	  { "rw", 0, MOUNT_ATTR_RDONLY },
		{ "exec", 0, MOUNT_ATTR_NOEXEC }, { "noexec", MOUNT_ATTR_NOEXEC, 0 },
		{ "suid", 0, MOUNT_ATTR_NOSUID }, { "nosuid", MOUNT_ATTR_NOSUID, 0 },
		{ "dev", 0, MOUNT_ATTR_NODEV },	  { "nodev", MOUNT_ATTR_NODEV, 0 },
	};
	auto_strv char **words = str_split(options, ",");

	m->attributes = TMPFS_SAFE;
	for (char **w = words; w && *w; w++) {
		size_t i = 0;

		while (i < ARRAY_LEN(flags) && strcmp(*w, flags[i].name) != 0)
			i++;
		if (i < ARRAY_LEN(flags))
			m->attributes = (m->attributes | flags[i].set) & ~flags[i].clear;
		else
			strv_add(&m->options, mem_strdup(*w));
	}
}

static const struct compose_volume *find_volume(const struct compose_project *p, const char *key)
{
	for (size_t i = 0; i < p->volumes.n; i++)
		if (strcmp(p->volumes.items[i].key, key) == 0)
			return &p->volumes.items[i];
	return NULL;
}

static void resolve_volume(const struct compose_project *p, const struct compose_service *s,
			   int64_t number, const struct compose_mount *m, struct plan_mount *out)
{
	const struct compose_volume *v = m->source ? find_volume(p, m->source) : NULL;
	auto_free char *flat = mem_strdup(m->target);

	for (char *t = flat; *t; t++)
		*t = *t == '/' ? '-' : *t;
	/* an anonymous volume belongs to its container and path, and goes with 'down -v' */
	out->source = v		   ? mem_strdup(v->name)
		      : number > 1 ? mem_printf("%s_%s-%lld_anon%s", p->name, s->name,
						(long long)number, flat)
				   : mem_printf("%s_%s_anon%s", p->name, s->name, flat);
	out->external = v && v->external;
	for (char *const *label = v ? v->labels : NULL; label && *label; label++)
		strv_add(&out->labels, mem_strdup(*label));
	strv_add(&out->labels, mem_printf("com.docker.compose.project=%s",
					  v && p->policy.project ? p->policy.project : p->name));
	strv_add(&out->labels, v ? mem_printf("com.docker.compose.volume=%s", v->key)
				 : mem_strdup(IMAGE_VOLUME_ANONYMOUS));
	out->copy_up = !m->nocopy && !m->subpath;
	out->subpath = m->subpath;
}

/* The value of a driver's option. */
static const char *option(const struct compose_volume *v, const char *key)
{
	return v ? env_get(v->driver_opts, key) : NULL;
}

/* Of local's options there is "type: none", "o: bind" and a device: a directory of the host. */
static struct err *resolve_device(const struct compose_project *p, const struct compose_mount *m,
				  struct plan_mount *out)
{
	const struct compose_volume *v = m->source ? find_volume(p, m->source) : NULL;
	const char *o = option(v, "o"), *type = option(v, "type"), *device = option(v, "device");
	auto_strv char **options = o ? str_split(o, ",") : NULL;
	bool bind = strv_has(options, "bind") || strv_has(options, "rbind");

	if (!v || !v->driver_opts)
		return NULL;
	if (!bind || !device || (type && strcmp(type, "none") != 0 && strcmp(type, "bind") != 0))
		return compose_err(&v->place,
				   "driver_opts: there is only type: none, o: bind and a device, "
				   "which bind a directory of the host");
	free(out->source);
	out->source = mem_strdup(device);
	out->type = COMPOSE_BIND;
	out->create_source = false;
	if (strv_has(options, "ro"))
		out->attributes |= MOUNT_ATTR_RDONLY;
	return NULL;
}

static struct err *resolve_mount(const struct compose_project *p, const struct compose_service *s,
				 const struct compose_mount *m, struct plan_container *c)
{
	struct plan_mount *out = add_mount(c, m->type, m->target);

	if (!out)
		return compose_err(&m->place, "the target %s is mounted twice", m->target);
	if (m->type == COMPOSE_TMPFS) {
		resolve_tmpfs(out, "");
		if (m->tmpfs_size.set)
			strv_add(&out->options,
				 mem_printf("size=%lld", (long long)m->tmpfs_size.value));
		if (m->tmpfs_mode.set)
			strv_add(&out->options,
				 mem_printf("mode=%llo", (unsigned long long)m->tmpfs_mode.value));
	} else if (m->type == COMPOSE_BIND) {
		out->source = mem_strdup(m->source);
		out->create_source = m->create_host_path;
		TRY(resolve_propagation(m, &out->propagation));
	} else {
		resolve_volume(p, s, s == c->service ? c->number : 1, m, out);
		TRY(resolve_device(p, m, out));
	}
	if (m->read_only)
		out->attributes |= MOUNT_ATTR_RDONLY;
	return NULL;
}

/* ---- configs and secrets ---- */

static const struct compose_file *find_file(const struct compose_project *p, bool secret,
					    const char *key)
{
	const struct compose_file *items = secret ? p->secrets.items : p->configs.items;
	size_t n = secret ? p->secrets.n : p->configs.n;

	for (size_t i = 0; i < n; i++)
		if (str_eq(items[i].key, key))
			return &items[i];
	return NULL;
}

static struct err *parse_id(const struct compose_file_ref *ref, const char *text, int64_t *ret)
{
	return text ? compose_wrap(&ref->place, str_number(text, 0, INT32_MAX, ret)) : NULL;
}

/* A file as it is is mounted; one with another owner or mode, or made of a text, is written. */
static struct err *resolve_file(const struct compose_project *p, const struct compose_file_ref *ref,
				bool secret, struct plan_container *c)
{
	const struct compose_file *file = find_file(p, secret, ref->source);
	const char *name = ref->target ? ref->target : ref->source;
	auto_free char *target = *name == '/'
					 ? mem_strdup(name)
					 : mem_printf(secret ? "/run/secrets/%s" : "/%s", name);
	struct plan_mount *m = add_mount(c, COMPOSE_BIND, target);
	int64_t uid = 0, gid = 0;

	if (!m)
		return compose_err(&ref->place, "the target %s is mounted twice", target);
	if (!file) /* its profile, say, is not consulted: check_project() has seen it */
		return compose_err(&ref->place, "'%s' is not declared", ref->source);
	TRY(parse_id(ref, ref->uid, &uid));
	TRY(parse_id(ref, ref->gid, &gid));
	m->attributes = MOUNT_ATTR_RDONLY;
	m->source = mem_strdup(file->file);
	m->text = file->environment ? env_get(p->environment, file->environment) : file->content;
	m->given = !file->file || ref->uid || ref->gid || ref->mode.set;
	m->uid = (uid_t)uid;
	m->gid = (gid_t)gid;
	m->mode = ref->mode.set ? (mode_t)ref->mode.value : 0444;
	if (file->environment && !m->text)
		return compose_err(&file->place, "the variable %s is not set", file->environment);
	return NULL;
}

static struct err *resolve_files(const struct compose_project *p, const struct compose_service *s,
				 struct plan_container *c)
{
	for (size_t i = 0; i < s->configs.n; i++)
		TRY(resolve_file(p, &s->configs.items[i], false, c));
	for (size_t i = 0; i < s->secrets.n; i++)
		TRY(resolve_file(p, &s->secrets.items[i], true, c));
	return NULL;
}

/* ---- volumes of other services ---- */

/* "SERVICE[:ro|rw]"; what the service mounts itself on the same path wins. */
static struct err *resolve_from(const struct compose_project *p, const char *text,
				struct plan_container *c)
{
	auto_free char *name = mem_strndup(text, strcspn(text, ":"));
	const struct compose_service *other = compose_find(p, name);
	bool read_only = str_ends(text, ":ro");

	for (size_t i = 0; other && i < other->volumes.n; i++) {
		const struct compose_mount *m = &other->volumes.items[i];
		size_t before = c->n_mounts;
		auto_err struct err *e = resolve_mount(p, other, m, c);

		if (c->n_mounts == before)
			continue;
		if (e)
			return steal(&e);
		if (read_only)
			c->mounts[before].attributes |= MOUNT_ATTR_RDONLY;
	}
	return NULL;
}

static size_t depth(const char *path)
{
	size_t n = 0;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

static int by_depth(const void *a, const void *b)
{
	const struct plan_mount *x = a, *y = b;
	size_t dx = depth(x->target), dy = depth(y->target);

	return dx != dy ? (dx < dy ? -1 : 1) : strcmp(x->target, y->target);
}

struct err *resolve_mounts(const struct compose_project *p, const struct compose_service *s,
			   const struct image *i, struct plan_container *c)
{
	for (size_t k = 0; k < s->volumes.n; k++)
		TRY(resolve_mount(p, s, &s->volumes.items[k], c));
	for (char *const *t = s->tmpfs; t && *t; t++) {
		auto_free char *path = mem_strndup(*t, strcspn(*t, ":"));
		struct plan_mount *m = add_mount(c, COMPOSE_TMPFS, path);

		if (!m || *path != '/')
			return compose_err(&s->place,
					   m ? "tmpfs: '%s' is not an absolute path"
					     : "tmpfs: the target %s is mounted twice",
					   path);
		resolve_tmpfs(m, strchr(*t, ':') ? strchr(*t, ':') + 1 : "");
	}
	TRY(resolve_files(p, s, c));
	for (char *const *v = s->volumes_from; v && *v; v++)
		TRY(resolve_from(p, *v, c));
	for (char *const *v = i->volumes; v && *v;
	     v++) { /* what the image declares and nobody mounts */
		const struct compose_mount anonymous = { .type = COMPOSE_VOLUME,
							 .target = *v,
							 .place = s->place };
		struct plan_mount *m =
			**v == '/' && (*v)[1] ? add_mount(c, COMPOSE_VOLUME, *v) : NULL;

		if (m)
			resolve_volume(p, s, c->number, &anonymous, m);
	}
	if (c->n_mounts) /* what lies above comes first */
		qsort(c->mounts, c->n_mounts, sizeof(*c->mounts), by_depth);
	return NULL;
}
