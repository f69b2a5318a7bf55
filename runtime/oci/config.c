/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/oci/config.c - config.json (OCI runtime specification 1.0 to 1.2) to a runtime specification. */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/oci/oci.h"

static char *keep(struct bundle *b, char *take)
{
	strv_add(&b->kept, take);
	return take;
}

/* ---- process ---- */

static struct err *read_caps(const json_t *process, struct runtime_caps *c)
{
	struct {
		const char *path;
		uint64_t *set;
	} sets[] = {
		{ "capabilities.bounding", &c->bounding },
		{ "capabilities.permitted", &c->permitted },
		{ "capabilities.effective", &c->effective },
		{ "capabilities.ambient", &c->ambient },
		{ "capabilities.inheritable", &c->inheritable },
	};

	for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
		auto_strv char **names = NULL;

		TRY(json_get_strv(process, sets[i].path, &names));
		for (char **n = names; n && *n; n++) {
			uint64_t bit = 0;

			TRY(runtime_cap_parse(*n, &bit));
			*sets[i].set |= bit;
		}
	}
	return NULL;
}

static struct err *read_rlimits(const json_t *process, struct bundle *b)
{
	json_t *list = NULL;

	TRY(json_get_list(process, "rlimits", &list));
	b->rlimits = mem_alloc(json_array_size(list) * sizeof(*b->rlimits));
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);
		struct runtime_rlimit *l = &b->rlimits[i];
		const char *type = "";
		int64_t soft = 0, hard = 0;

		TRY(json_get_str(one, "type", &type));
		TRY(json_get_int(one, "soft", &soft));
		TRY(json_get_int(one, "hard", &hard));
		TRY(runtime_rlimit_parse(type, &l->resource));
		for (size_t k = 0; k < i; k++)
			if (b->rlimits[k].resource == l->resource)
				return err_new(EINVAL, "process.rlimits: %s is given twice", type);
		l->limit = (struct rlimit) { (rlim_t)soft, (rlim_t)hard };
	}
	b->spec.process.rlimits = b->rlimits;
	b->spec.process.n_rlimits = json_array_size(list);
	return NULL;
}

static struct err *read_user(const json_t *process, struct bundle *b)
{
	json_t *groups = NULL;
	int64_t uid = 0, gid = 0, mask = -1;

	TRY(json_get_int(process, "user.uid", &uid));
	TRY(json_get_int(process, "user.gid", &gid));
	TRY(json_get_int(process, "user.umask", &mask));
	TRY(json_get_list(process, "user.additionalGids", &groups));
	for (size_t i = 0; i < json_array_size(groups); i++) {
		const json_t *one = json_array_get(groups, i);

		if (!json_is_integer(one))
			return err_new(EINVAL, "user.additionalGids: must be a list of integers");
		strv_add(&b->groups, mem_printf("%lld", json_integer_value(one)));
	}
	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return err_new(EINVAL, "process.user: %lld:%lld is out of range", (long long)uid,
			       (long long)gid);
	b->spec.process.user = keep(b, mem_printf("%lld:%lld", (long long)uid, (long long)gid));
	b->spec.process.groups = b->groups;
	b->spec.process.umask = (int)mask;
	return NULL;
}

struct err *bundle_process(const json_t *process, struct bundle *b)
{
	struct runtime_process *p = &b->spec.process;
	int64_t score = 0;

	*p = (struct runtime_process) { .stdio = { 0, 1, 2 }, .umask = -1 };
	if (!process)
		return err_new(EINVAL, "config.json: no process");
	TRY(json_get_strv(process, "args", &b->args));
	TRY(json_get_strv(process, "env", &b->env));
	TRY(json_get_str(process, "cwd", &p->cwd));
	TRY(json_get_bool(process, "terminal", &p->tty));
	TRY(json_get_bool(process, "noNewPrivileges", &p->no_new_privs));
	TRY(json_get_int(process, "oomScoreAdj", &score));
	if (!b->args)
		return err_new(EINVAL, "process.args is missing");
	if (!p->cwd || *p->cwd != '/')
		return err_new(EINVAL, "process.cwd must be an absolute path");
	p->argv = b->args;
	p->env = b->env;
	p->set_oom_score_adj = json_at(process, "oomScoreAdj") != NULL;
	p->oom_score_adj = (int)score;
	TRY(read_user(process, b));
	TRY(err_wrap(read_caps(process, &p->caps), "process.capabilities"));
	return read_rlimits(process, b);
}

/* ---- mounts ---- */

static const struct {
	const char *name;
	uint64_t set, clear, propagation;
	bool bind, recursive;
} mount_options[] = {
	{ "ro", MOUNT_ATTR_RDONLY, 0, 0, false, false },
	{ "rw", 0, MOUNT_ATTR_RDONLY, 0, false, false },
	{ "rro", MOUNT_ATTR_RDONLY, 0, 0, false, true },
	{ "nosuid", MOUNT_ATTR_NOSUID, 0, 0, false, false },
	{ "suid", 0, MOUNT_ATTR_NOSUID, 0, false, false },
	{ "nodev", MOUNT_ATTR_NODEV, 0, 0, false, false },
	{ "dev", 0, MOUNT_ATTR_NODEV, 0, false, false },
	{ "noexec", MOUNT_ATTR_NOEXEC, 0, 0, false, false },
	{ "exec", 0, MOUNT_ATTR_NOEXEC, 0, false, false },
	{ "noatime", MOUNT_ATTR_NOATIME, 0, 0, false, false },
	{ "relatime", 0, MOUNT_ATTR__ATIME, 0, false, false },
	{ "strictatime", MOUNT_ATTR_STRICTATIME, 0, 0, false, false },
	{ "nodiratime", MOUNT_ATTR_NODIRATIME, 0, 0, false, false },
	{ "bind", 0, 0, 0, true, false },
	{ "rbind", 0, 0, 0, true, true },
	{ "private", 0, 0, 1 << 18, false, false },
	{ "rprivate", 0, 0, 1 << 18, false, false },
	{ "slave", 0, 0, 1 << 19, false, false },
	{ "rslave", 0, 0, 1 << 19, false, false },
	{ "shared", 0, 0, 1 << 20, false, false },
	{ "rshared", 0, 0, 1 << 20, false, false },
	{ "defaults", 0, 0, 0, false, false },
};

static void apply_option(struct runtime_mount *m, const char *option, char ***rest)
{
	size_t i = 0;

	while (i < ARRAY_LEN(mount_options) && strcmp(option, mount_options[i].name) != 0)
		i++;
	if (i == ARRAY_LEN(mount_options)) {
		if (strcmp(option, "tmpcopyup") == 0)
			m->copy_up = true;
		else
			strv_add(rest, mem_strdup(option));
		return;
	}
	m->attributes = (m->attributes | mount_options[i].set) & ~mount_options[i].clear;
	if (mount_options[i].propagation)
		m->propagation = mount_options[i].propagation;
	if (mount_options[i].bind)
		m->kind = RUNTIME_MOUNT_BIND;
	m->recursive |= mount_options[i].recursive;
}

static struct err *read_mount(const json_t *j, struct bundle *b, struct runtime_mount *m)
{
	auto_strv char **options = NULL;
	char **rest = NULL;

	TRY(json_get_str(j, "destination", &m->target));
	TRY(json_get_str(j, "type", &m->type));
	TRY(json_get_str(j, "source", &m->source));
	TRY(json_get_strv(j, "options", &options));
	if (!m->target)
		return err_new(EINVAL, "the destination is missing");
	if (*m->target != '/')
		m->target = keep(b, mem_printf("/%s", m->target));
	if (m->type && (strcmp(m->type, "bind") == 0 || strcmp(m->type, "rbind") == 0))
		m->kind = RUNTIME_MOUNT_BIND;
	for (char **o = options; o && *o; o++)
		apply_option(m, *o, &rest);
	b->options = mem_grow(b->options, b->n_options + 1, sizeof(*b->options));
	b->options[b->n_options++] = rest;
	if (m->kind == RUNTIME_MOUNT_FS) {
		m->options = rest;
		return m->type ? NULL : err_new(EINVAL, "the type is missing");
	}
	if (!m->source)
		return err_new(EINVAL, "a bind mount needs a source");
	if (*m->source != '/')
		m->source = keep(b, mem_printf("%s/%s", b->dir, m->source));
	return NULL;
}

static struct err *read_mounts(struct bundle *b)
{
	json_t *list = NULL;

	TRY(json_get_list(b->config, "mounts", &list));
	b->mounts = mem_alloc((json_array_size(list) + 1) * sizeof(*b->mounts));
	for (size_t i = 0; i < json_array_size(list); i++)
		TRY(err_wrap(read_mount(json_array_get(list, i), b, &b->mounts[i]), "mounts[%zu]",
			     i));
	b->spec.mounts = b->mounts;
	b->spec.n_mounts = json_array_size(list);
	return NULL;
}

/* ---- linux ---- */

static const struct {
	const char *name;
	int flag;
} namespaces[] = {
	{ "pid", CLONE_NEWPID }, { "network", CLONE_NEWNET }, { "mount", CLONE_NEWNS },
	{ "ipc", CLONE_NEWIPC }, { "uts", CLONE_NEWUTS },     { "cgroup", CLONE_NEWCGROUP },
};

static struct err *read_namespaces(struct bundle *b)
{
	json_t *list = NULL;
	size_t joined = 0;

	for (size_t i = 0; i < ARRAY_LEN(b->spec.join); i++)
		b->spec.join[i] = -1;
	TRY(json_get_list(b->config, "linux.namespaces", &list));
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *type = "", *path = NULL;
		size_t k = 0;

		TRY(json_get_str(json_array_get(list, i), "type", &type));
		TRY(json_get_str(json_array_get(list, i), "path", &path));
		while (k < ARRAY_LEN(namespaces) && strcmp(type, namespaces[k].name) != 0)
			k++;
		if (k == ARRAY_LEN(namespaces))
			return err_new(ENOTSUP,
				       "linux.namespaces: '%s' namespaces are not supported", type);
		b->new_network |= strcmp(type, "network") == 0;
		if (!path || !*path) {
			b->spec.namespaces |= namespaces[k].flag;
			continue;
		}
		if (strcmp(type, "mount") == 0 || strcmp(type, "pid") == 0 ||
		    joined == ARRAY_LEN(b->spec.join))
			return err_new(ENOTSUP,
				       "linux.namespaces: joining a %s namespace is not supported",
				       type);
		TRY(err_wrap(fd_openat(AT_FDCWD, path, O_RDONLY, &b->spec.join[joined]),
			     "linux.namespaces"));
		b->spec.join_types[joined++] = namespaces[k].flag;
	}
	if (!(b->spec.namespaces & CLONE_NEWNS))
		return err_new(EINVAL, "linux.namespaces: a mount namespace is needed");
	return NULL;
}

/* Engines write members that say nothing: null, 0, false, "", or lists and objects of those. */
static bool says_nothing(const json_t *j)
{
	const char *key;
	json_t *value;

	if (json_is_object(j)) {
		json_object_foreach((json_t *)(uintptr_t)j, key, value)
		{
			if (!says_nothing(value))
				return false;
		}
		return true;
	}
	for (size_t i = 0; json_is_array(j) && i < json_array_size(j); i++)
		if (!says_nothing(json_array_get(j, i)))
			return false;
	return !j || json_is_null(j) || json_is_false(j) || json_is_array(j) ||
	       (json_is_integer(j) && !json_integer_value(j)) ||
	       (json_is_string(j) && !*json_string_value(j));
}

static struct err *refuse_limits(const json_t *config)
{
	static const char *const refused[] = { "blockIO",
					       "cpu.burst",
					       "cpu.idle",
					       "cpu.mems",
					       "cpu.realtimePeriod",
					       "cpu.realtimeRuntime",
					       "memory.disableOOMKiller",
					       "memory.kernel",
					       "memory.kernelTCP",
					       "memory.swappiness",
					       "network",
					       "rdma",
					       "unified" };
	const json_t *resources = json_at(config, "linux.resources");

	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (!says_nothing(json_at(resources, refused[i])))
			return err_new(
				ENOTSUP,
				"config.json: linux.resources.%s: this limit is not supported",
				refused[i]);
	/* Kubernetes always sends some, of pages that nobody has */
	if (!says_nothing(json_at(resources, "hugepageLimits")))
		log_warn("linux.resources.hugepageLimits: huge pages are not limited");
	return NULL;
}

struct err *bundle_limits(const json_t *config, struct cgroupfs_limits *ret)
{
	struct {
		const char *path;
		int64_t *field;
	} numbers[] = {
		{ "linux.resources.memory.limit", &ret->memory_max },
		{ "linux.resources.memory.reservation", &ret->memory_reservation },
		{ "linux.resources.memory.swap", &ret->memory_swap },
		{ "linux.resources.cpu.shares", &ret->cpu_shares },
		{ "linux.resources.cpu.quota", &ret->cpu_quota },
		{ "linux.resources.cpu.period", &ret->cpu_period },
		{ "linux.resources.pids.limit", &ret->pids_max },
	};

	TRY(refuse_limits(config));
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		TRY(json_get_int(config, numbers[i].path, numbers[i].field));
	return json_get_str(config, "linux.resources.cpu.cpus", &ret->cpuset);
}

static struct err *read_resources(struct bundle *b, const char *id)
{
	const char *path = NULL;

	TRY(bundle_limits(b->config, &b->limits));
	TRY(json_get_str(b->config, "linux.cgroupsPath", &path));
	if (path && strchr(path, ':'))
		return err_new(ENOTSUP,
			       "linux.cgroupsPath: systemd slices are not supported; use a path");
	if (path && strstr(path, ".."))
		return err_new(EINVAL, "linux.cgroupsPath must not contain ..");
	while (path && *path == '/')
		path++;
	b->cgroup = path && *path ? mem_strdup(path) : mem_printf("slipway-oci/%s", id);
	return NULL;
}

static struct err *read_seccomp(struct bundle *b)
{
	const json_t *profile = json_at(b->config, "linux.seccomp");

	if (!profile)
		return NULL;
	auto_free char *text = json_text(profile, 0);

	TRY(err_wrap(runtime_seccomp_json(text, strlen(text), b->spec.process.caps.bounding, -1,
					  &b->filter),
		     "linux.seccomp"));
	b->spec.process.filter = &b->filter;
	return NULL;
}

static struct err *read_linux(struct bundle *b, const char *id)
{
	const json_t *sysctl = json_at(b->config, "linux.sysctl");
	const char *key;
	json_t *value;

	TRY(read_namespaces(b));
	TRY(read_resources(b, id));
	TRY(bundle_devices(b));
	TRY(json_get_strv(b->config, "linux.maskedPaths", &b->masked));
	TRY(json_get_strv(b->config, "linux.readonlyPaths", &b->readonly));
	json_object_foreach((json_t *)(uintptr_t)sysctl, key, value)
	{
		if (!json_is_string(value))
			return err_new(EINVAL, "linux.sysctl: %s: must be a string", key);
		strv_add(&b->sysctls, mem_printf("%s=%s", key, json_string_value(value)));
	}
	for (char **s = b->sysctls; s && *s; s++)
		if (str_starts(*s, "net.") && !b->new_network)
			return err_new(EINVAL,
				       "linux.sysctl: %s would be the host's: there is no network "
				       "namespace",
				       *s);
	b->spec.masked = b->masked;
	b->spec.readonly_paths = b->readonly;
	b->spec.sysctls = b->sysctls;
	return read_seccomp(b);
}

/* What would be weaker isolation, or would not happen, if it were passed over. */
static struct err *refuse(const json_t *config)
{
	static const struct {
		const char *path, *why;
	} refused[] = {
		{ "linux.uidMappings", "user namespaces are not supported" },
		{ "linux.gidMappings", "user namespaces are not supported" },
		{ "linux.intelRdt", "resctrl is not supported" },
		{ "linux.personality", "personalities are not supported" },
		{ "linux.timeOffsets", "time namespaces are not supported" },
		{ "process.apparmorProfile", "AppArmor profiles are not supported" },
		{ "process.selinuxLabel", "SELinux labels are not supported" },
		{ "linux.seccomp.listenerPath", "seccomp listeners are not supported" },
	};

	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (!says_nothing(json_at(config, refused[i].path)))
			return err_new(ENOTSUP, "config.json: %s: %s", refused[i].path,
				       refused[i].why);
	return NULL;
}

static struct err *read_config(struct bundle *b, const char *id)
{
	const char *version = NULL, *root = NULL;

	TRY(json_get_str(b->config, "ociVersion", &version));
	if (!version || !str_starts(version, "1."))
		return err_new(EINVAL, "config.json: ociVersion must be 1.x");
	TRY(refuse(b->config));
	TRY(json_get_str(b->config, "root.path", &root));
	TRY(json_get_bool(b->config, "root.readonly", &b->spec.read_only));
	if (!root)
		return err_new(EINVAL, "config.json: root.path is missing");
	b->spec.rootfs = *root == '/' ? root : keep(b, mem_printf("%s/%s", b->dir, root));
	TRY(json_get_str(b->config, "hostname", &b->spec.hostname));
	TRY(json_get_str(b->config, "domainname", &b->spec.domainname));
	TRY(bundle_process(json_at(b->config, "process"), b));
	TRY(read_mounts(b));
	TRY(hook_set_read(json_at(b->config, "hooks"), &b->hooks));
	b->spec.before_enter = b->hooks.of[HOOK_CREATE_CONTAINER];
	b->spec.before_start = b->hooks.of[HOOK_START_CONTAINER];
	b->spec.default_dev = true;
	return read_linux(b, id);
}

struct err *bundle_load(const char *dir, const char *id, struct bundle **ret)
{
	struct bundle *b = mem_alloc(sizeof(*b));
	struct err *e = NULL;

	b->dir = realpath(dir, NULL);
	if (!b->dir)
		e = err_errno("bundle %s", dir);
	auto_free char *path = e ? NULL : mem_printf("%s/config.json", b->dir);

	if (!e)
		e = json_read_file(AT_FDCWD, path, CONFIG_MAX, &b->config);
	if (!e)
		e = read_config(b, id);
	if (e) {
		bundle_free(b);
		return e;
	}
	*ret = b;
	return NULL;
}

void bundle_free(struct bundle *b)
{
	if (!b)
		return;
	char **lists[] = {
		b->args, b->env, b->groups, b->masked, b->readonly, b->sysctls, b->kept
	};

	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		strv_free(lists[i]);
	for (size_t i = 0; i < b->n_options; i++)
		strv_free(b->options[i]);
	for (size_t i = 0; i < ARRAY_LEN(b->spec.join); i++)
		if (b->spec.join[i] > 2)
			fd_cleanup(&b->spec.join[i]);
	runtime_filter_clear(&b->filter);
	hook_set_clear(&b->hooks);
	json_decref(b->config);
	free(b->options);
	free(b->rlimits);
	free(b->mounts);
	free(b->devices);
	free(b->rules);
	free(b->cgroup);
	free(b->dir);
	free(b);
}
