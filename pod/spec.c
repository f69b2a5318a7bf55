/* SPDX-License-Identifier: Apache-2.0 */
/* pod/spec.c - from a planned container to what the runtime takes, and the files it is given. */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

enum { BASE_MOUNTS = 10, PROFILE_MAX = 4 << 20, GIVEN_MAX = 16 << 20 };
#define SAFE (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/* Everything runtime_spec borrows. */
struct container_spec {
	struct runtime_spec spec;
	struct runtime_filter filter;
	struct runtime_mount *mounts;
	char **lowers;
	char **kept; /* texts */
	char **env;
	char *shm_options[3];
	struct device_set devices;
	char *dir; /* of its upper directory */
	int claim; /* of that */
};

static char *keep(struct container_spec *s, char *take)
{
	strv_add(&s->kept, take);
	return take;
}

/* What every container has, as Docker makes it. */
static void base_mounts(struct container_spec *s, bool host_network)
{
	static char *const dev[] = { (char *)(uintptr_t) "mode=755",
				     (char *)(uintptr_t) "size=65536k", NULL };
	static char *const pts[] = { (char *)(uintptr_t) "newinstance",
				     (char *)(uintptr_t) "ptmxmode=0666",
				     (char *)(uintptr_t) "mode=0620", (char *)(uintptr_t) "gid=5",
				     NULL };
	const struct runtime_mount base[] = {
		{ .type = "proc", .target = "/proc", .attributes = SAFE },
		{ .type = "tmpfs",
		  .target = "/dev",
		  .options = dev,
		  .attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME },
		{ .type = "devpts",
		  .target = "/dev/pts",
		  .options = pts,
		  .attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC },
		{ .type = "mqueue", .target = "/dev/mqueue", .attributes = SAFE, .optional = true },
		{ .type = "tmpfs",
		  .target = "/dev/shm",
		  .options = s->shm_options,
		  .attributes = SAFE },
		{ .type = "sysfs",
		  .target = "/sys",
		  .attributes = SAFE | MOUNT_ATTR_RDONLY,
		  .optional = host_network },
		{ .type = "cgroup",
		  .target = "/sys/fs/cgroup",
		  .attributes = SAFE | MOUNT_ATTR_RDONLY,
		  .optional = true },
	};

	memcpy(s->mounts, base, sizeof(base));
	s->spec.n_mounts = ARRAY_LEN(base);
}

static void bind_file(struct container_spec *s, const char *source, const char *target)
{
	s->mounts[s->spec.n_mounts++] = (struct runtime_mount) { .kind = RUNTIME_MOUNT_BIND,
								 .source = source,
								 .target = target };
}

struct err *spec_refresh(const struct pod_plan *plan, const struct plan_container *c,
			 const struct pod_host *h, struct in_addr address)
{
	const struct netns_names names = { .hostname = c->hostname,
					   .domain = c->service->domainname,
					   .address = address,
					   .peers = c->peers,
					   .extra = c->service->extra_hosts };
	auto_free char *file = mem_printf("files/%s/hosts", c->key);
	auto_free char *path = state_path(h, plan->name, file), *text = NULL;
	auto_fd int fd = -1;

	TRY(netns_hosts(&names, &text));
	/* the same file, as that is what is bound into the container */
	TRY(fd_openat(AT_FDCWD, path, O_WRONLY | O_TRUNC, &fd));
	return err_wrap(fd_write_all(fd, text, strlen(text)), "%s", path);
}

/* /etc/hosts, /etc/hostname and /etc/resolv.conf: plain files below RUN, bound into the container. */
static struct err *give_files(const struct pod_plan *plan, const struct plan_container *c,
			      const struct pod_host *h, const struct spec_place *place,
			      struct container_spec *s)
{
	const struct compose_service *v = c->service;
	auto_strv char **peers = strv_dup(c->peers);
	struct netns_names names = { .hostname = c->hostname,
				     .domain = v->domainname,
				     .address = place->address,
				     .peers = NULL,
				     .extra = v->extra_hosts,
				     .dns = v->dns,
				     .search = v->dns_search,
				     .options = v->dns_opt };
	auto_free char *folder = mem_printf("files/%s", c->key);
	auto_free char *dir_path = state_path(h, plan->name, folder);
	auto_free char *hosts = NULL, *resolv = NULL, *hostname = mem_printf("%s\n", c->hostname);
	auto_fd int dir = -1;

	for (char *const *n = place->names; n && *n; n++)
		if (!strv_has(peers, *n))
			strv_add(&peers, mem_strdup(*n));
	names.peers = peers;
	TRY(netns_hosts(&names, &hosts));
	TRY(netns_resolv(&names, &resolv));
	TRY(fd_mkdirs(AT_FDCWD, dir_path, 0711));
	TRY(fd_openat(AT_FDCWD, dir_path, O_RDONLY | O_DIRECTORY, &dir));
	const struct {
		const char *name, *text, *target;
	} files[] = { { "hosts", hosts, "/etc/hosts" },
		      { "resolv.conf", resolv, "/etc/resolv.conf" },
		      { "hostname", hostname, "/etc/hostname" } };

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		size_t k = 0;

		while (k < c->n_mounts && strcmp(c->mounts[k].target, files[i].target) != 0)
			k++;
		if (k < c->n_mounts)
			continue; /* the user brings one */
		auto_fd int fd = -1;

		TRY(fd_openat(dir, files[i].name, O_WRONLY | O_CREAT | O_TRUNC, &fd));
		TRY(err_wrap(fd_write_all(fd, files[i].text, strlen(files[i].text)), "%s/%s",
			     dir_path, files[i].name));
		bind_file(s, keep(s, mem_printf("%s/%s", dir_path, files[i].name)),
			  files[i].target);
	}
	return NULL;
}

/* A config or a secret, written for this container alone. */
static struct err *give_file(const char *dir_path, const struct plan_mount *m,
			     struct container_spec *s)
{
	char *path = keep(s, mem_printf("%s/given-%u", dir_path, (unsigned)s->spec.n_mounts));
	auto_free char *copied = NULL;
	size_t len = m->text ? strlen(m->text) : 0;
	auto_fd int fd = -1, from = -1;

	if (!m->text) {
		TRY(fd_openat(AT_FDCWD, m->source, O_RDONLY | O_NOCTTY, &from));
		TRY(err_wrap(fd_read_all(from, GIVEN_MAX, &copied, &len), "%s", m->source));
	}
	TRY(fd_create(AT_FDCWD, path, O_TRUNC | O_NOFOLLOW, &fd));
	TRY(err_wrap(fd_write_all(fd, m->text ? m->text : copied, len), "%s", path));
	if (fchown(fd, m->uid, m->gid) < 0 || fchmod(fd, m->mode) < 0)
		return err_errno("owner and mode of %s", path);
	s->mounts[s->spec.n_mounts++] = (struct runtime_mount) { .kind = RUNTIME_MOUNT_BIND,
								 .source = path,
								 .target = m->target,
								 .attributes = m->attributes };
	return NULL;
}

static struct err *add_mount(const struct pod_host *h, const struct plan_mount *m,
			     const char *files, struct container_spec *s)
{
	if (m->given)
		return err_wrap(give_file(files, m, s), "%s", m->target);

	struct runtime_mount *out = &s->mounts[s->spec.n_mounts++];

	*out = (struct runtime_mount) { .target = m->target,
					.attributes = m->attributes,
					.propagation = m->propagation,
					.subpath = m->subpath };
	if (m->type == COMPOSE_TMPFS) {
		out->type = "tmpfs";
		out->options = m->options;
		return NULL;
	}
	out->kind = RUNTIME_MOUNT_BIND;
	out->recursive = true;
	if (!s->devices.n_rules) /* which say what may be opened wherever it is */
		out->attributes |= MOUNT_ATTR_NODEV;
	if (m->type == COMPOSE_VOLUME) {
		out->source = keep(s, mem_printf("%s/volumes/%s/_data", h->root, m->source));
		out->copy_up = m->copy_up;
		return NULL;
	}
	out->source = m->source;
	if (access(m->source, F_OK) < 0) {
		if (!m->create_source)
			return err_new(ENOENT, "the bind source %s does not exist", m->source);
		TRY(err_wrap(fd_mkdirs(AT_FDCWD, m->source, 0755), "bind source"));
	}
	return NULL;
}

struct err *spec_claim(const char *dir, int *ret)
{
	auto_fd int fd = -1;

	TRY(fd_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, &fd));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			       ? err_new(EBUSY, "its files are in use: it runs, or somebody copies "
						"from or to it; try again")
			       : err_errno("lock %s", dir);
	*ret = fd_steal(&fd);
	return NULL;
}

struct err *spec_allow_again(const char *work)
{
	auto_free char *mark = mem_printf("%s/%s", work, "work/incompat");

	return fd_remove_tree(AT_FDCWD, mark);
}

struct err *spec_lowers(const struct pod_host *h, char *const *layers, char ***ret)
{
	auto_free char *base = NULL;

	TRY(image_base(h->root, &base));
	strv_add(ret, steal(&base));
	for (char *const *l = layers; l && *l; l++)
		strv_add(ret, mem_strdup(*l));
	return NULL;
}

/* Of a container that was there before there may be an upper directory: see adopt.c. */
static struct err *give_overlay(const struct pod_plan *plan, const struct plan_container *c,
				const struct pod_host *h, const char *id, struct container_spec *s)
{
	char *dir = s->dir = keep(s, state_rootfs(h, plan->name, c->key, id));
	char *upper = keep(s, mem_printf("%s/upper", dir)),
	     *work = keep(s, mem_printf("%s/work", dir));

	TRY(fd_mkdirs(AT_FDCWD, dir, 0711));
	TRY(spec_claim(dir, &s->claim));
	if (mkdir(upper, 0755) < 0 && errno != EEXIST)
		return err_errno("mkdir %s", upper);
	if (mkdir(work, 0700) < 0) {
		if (errno != EEXIST)
			return err_errno("mkdir %s", work);
		TRY(spec_allow_again(work));
	}
	s->spec.upper = upper;
	s->spec.work = work;
	TRY(spec_lowers(h, c->image->layers, &s->lowers));
	s->spec.lowers = s->lowers;
	return NULL;
}

struct err *spec_filter(const char *seccomp, uint64_t caps, const struct pod_host *h,
			struct runtime_filter *ret)
{
	auto_free char *path = mem_printf("%s/cache", h->root);
	auto_free char *text = NULL;
	auto_fd int cache = -1;

	if (seccomp && strcmp(seccomp, "unconfined") == 0)
		return NULL;
	cache = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cache < 0) {
		TRY(fd_mkdirs(AT_FDCWD, path, 0700));
		TRY(fd_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, &cache));
	}
	if (!seccomp)
		return runtime_seccomp_default(caps, cache, ret);
	TRY(err_wrap(fd_read_file(AT_FDCWD, seccomp, PROFILE_MAX, &text), "seccomp profile"));
	return err_wrap(runtime_seccomp_json(text, strlen(text), caps, cache, ret),
			"seccomp profile %s", seccomp);
}

static void give_process(const struct plan_container *c, struct container_spec *s)
{
	const struct compose_service *v = c->service;
	struct runtime_process *p = &s->spec.process;

	*p = (struct runtime_process) {
		.argv = c->argv,
		.env = c->env,
		.cwd = c->cwd,
		.user = c->user,
		.groups = c->groups,
		.caps = { .bounding = c->caps, .permitted = c->caps, .effective = c->caps },
		.rlimits = c->rlimits,
		.n_rlimits = c->n_rlimits,
		.filter = s->filter.n ? &s->filter : NULL,
		.no_new_privs = c->no_new_privs,
		.tty = v->tty,
		.set_oom_score_adj = v->oom_score_adj.set,
		.oom_score_adj = (int)v->oom_score_adj.value,
		.umask = -1,
		.stdio = { -1, -1, -1 },
	};
}

/* Reading and checking the same filter for each container would cost what loading one does. */
static struct err *give_filter(const struct plan_container *c, const struct pod_host *h,
			       const struct container_spec *like, struct container_spec *s)
{
	if (!like)
		return spec_filter(c->seccomp, c->caps, h, &s->filter);
	s->filter.n = like->filter.n;
	if (like->filter.n)
		s->filter.code =
			mem_dup(like->filter.code, like->filter.n * sizeof(*like->filter.code));
	return NULL;
}

static struct err *give_devices(const struct plan_container *c, const struct cgroupfs_host *h,
				struct container_spec *s)
{
	TRY(devices_find(c, h, &s->devices));
	s->spec.devices = s->devices.nodes;
	s->spec.n_devices = s->devices.n;
	return NULL;
}

struct err *spec_make(const struct pod_plan *plan, const struct plan_container *c,
		      const struct pod_host *h, const struct spec_place *place,
		      const struct container_spec *like, struct container_spec **ret)
{
	struct container_spec *s = mem_alloc(sizeof(*s));
	const struct compose_service *v = c->service;

	s->claim = -1;
	/* without a network beside others that have one; alone it is the pod's */
	bool own_network = c->network == POD_NETWORK_NONE && plan->network != POD_NETWORK_NONE;
	struct err *e;

	s->mounts = mem_alloc((BASE_MOUNTS + c->n_mounts + 3) * sizeof(*s->mounts));
	s->shm_options[0] = keep(s, mem_strdup("mode=1777"));
	s->shm_options[1] =
		keep(s, mem_printf("size=%lld",
				   (long long)(v->shm_size.set ? v->shm_size.value : SHM_DEFAULT)));
	s->spec = (struct runtime_spec) {
		.read_only = v->read_only,
		.mounts = s->mounts,
		.masked = c->system_paths ? NULL : (char *const *)(uintptr_t)runtime_masked_default,
		.readonly_paths =
			c->system_paths ? NULL : (char *const *)(uintptr_t)runtime_readonly_default,
		.default_dev = true,
		.init = v->init,
		.hostname = c->hostname,
		.domainname = v->domainname,
		.sysctls = v->sysctls,
		.namespaces = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC |
			      CLONE_NEWCGROUP | (own_network ? CLONE_NEWNET : 0),
		.loopback = own_network,
		.join = { c->network == POD_NETWORK_HOST || own_network ? -1 : place->netns, -1, -1,
			  -1 },
		.join_types = { CLONE_NEWNET },
	};
	base_mounts(s, c->network == POD_NETWORK_HOST);
	auto_free char *folder = mem_printf("files/%s", c->key);
	auto_free char *files = state_path(h, plan->name, folder);

	e = fd_mkdirs(AT_FDCWD, files, 0711);
	if (!e)
		e = give_devices(c, place->cgroups, s);
	for (size_t i = 0; i < c->n_mounts && !e; i++)
		e = add_mount(h, &c->mounts[i], files, s);
	if (!e)
		e = give_files(plan, c, h, place, s);
	if (!e)
		e = give_overlay(plan, c, h, place->id, s);
	if (!e)
		e = give_filter(c, h, like, s);
	if (e) {
		spec_free(s);
		return e;
	}
	give_process(c, s);
	*ret = s;
	return NULL;
}

void spec_limit_devices(const struct container_spec *s, struct cgroupfs_limits *l)
{
	l->devices = s->devices.rules;
	l->n_devices = s->devices.n_rules;
}

struct err *spec_renew(const struct plan_container *c, const struct cgroupfs_host *cgroups,
		       struct container_spec *s)
{
	TRY(give_devices(c, cgroups, s)); /* one that was plugged in again has another number */
	if (s->claim < 0)
		TRY(spec_claim(s->dir, &s->claim));
	return spec_allow_again(s->spec.work);
}

struct runtime_spec *spec_runtime(struct container_spec *s)
{
	return &s->spec;
}

void spec_let_go(struct container_spec *s)
{
	if (s)
		fd_close(&s->claim);
}

void spec_free(struct container_spec *s)
{
	if (!s)
		return;
	spec_let_go(s);
	runtime_filter_clear(&s->filter);
	devices_forget(&s->devices);
	strv_free(s->lowers);
	strv_free(s->kept);
	free(s->mounts);
	free(s);
}
