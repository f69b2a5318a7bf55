/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod/gc.c - what the kernel cannot take back: directories in cgroupfs, on disk and below RUN.
 *
 * Also the proof that there is nothing else: everything on this host that looks
 * like slipway's is matched against the pods that live.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

enum {
	MOUNTINFO_MAX = 64 << 20,
	POLL_MS = 10,
	DOWN_WAIT = 10000, /* milliseconds */
	POLL_FIRST = 100,
	POLL_MOST = 5000 /* microseconds */
};

static struct err *pod_names(const struct pod_host *h, char ***ret)
{
	auto_free char *pods = mem_printf("%s/pods", h->run);
	auto_fd int dir = -1;

	TRY(fd_openat(AT_FDCWD, pods, O_RDONLY | O_DIRECTORY, &dir));
	return fd_list(dir, ret);
}

/* ---- collecting ---- */

static bool is_transient(const char *state)
{
	auto_json json_t *j = NULL;
	auto_err struct err *e = json_read_file(AT_FDCWD, state, STATE_MAX, &j);

	return !e && json_is_true(json_at(j, "transient"));
}

/*
 * A dead pod's groups; its state stays and says that it died, and what its containers have
 * written stays, too: see adopt.c.
 */
static struct err *collect_dead(const struct pod_host *h, const struct cgroupfs_host *cgroups,
				const char *name)
{
	auto_free char *group = mem_printf("%s/%s", h->cgroup_parent, name);
	auto_free char *path = state_path(h, name, "state.json");
	auto_free char *data = state_data(h, name, NULL);

	TRY(cgroupfs_remove(cgroups, group, true, CGROUP_WAIT));
	if (access(path, F_OK) == 0 && !is_transient(path))
		return NULL;
	/* it never came up: no trace of it is of use */
	TRY(fd_remove_tree(AT_FDCWD, data));
	return state_forget(h, name);
}

static bool needs_collecting(const struct pod_host *h, const struct cgroupfs_host *cgroups,
			     const char *name)
{
	auto_free char *path = state_path(h, name, "state.json");
	auto_free char *group = mem_printf("%s/%s", h->cgroup_parent, name);
	auto_strv char **below = NULL;

	if (access(path, F_OK) < 0 || is_transient(path))
		return true;
	err_ignore(cgroupfs_list(cgroups, group, &below));
	return below != NULL;
}

/* One dead pod that cannot be cleaned up must not keep anybody from working with the others. */
static void complain(struct err *take_e, const char *name)
{
	auto_err struct err *e = take_e;

	if (e)
		log_warn("clean up after pod %s: %s", name, err_text(e));
}

struct err *pod_collect(const struct pod_host *h)
{
	auto_cgroupfs_host struct cgroupfs_host *cgroups = NULL;
	auto_strv char **names = NULL;

	TRY(pod_names(h, &names));
	for (char **name = names; name && *name; name++) {
		auto_free char *lock = state_path(h, *name, "lock");
		auto_fd int held = -1;

		/*
		 * Who holds the lock while it is collected cannot be starting at the same time.
		 * To look a shared one will do: others look, too, and would take us for the pod.
		 */
		auto_err struct err *e = fd_lock(AT_FDCWD, lock, LOCK_SH | LOCK_NB, &held);

		if (e)
			continue;
		if (!cgroups)
			TRY(cgroupfs_open(&cgroups));
		if (needs_collecting(h, cgroups, *name) && flock(held, LOCK_EX | LOCK_NB) == 0)
			complain(collect_dead(h, cgroups, *name), *name);
	}
	return NULL;
}

/*
 * Asks until nobody has the lock any more (*@ret_lock), or, where the pod is to be forgotten,
 * the supervisor has done that: who has it may not hear yet, because it is starting, or not
 * any more, because it or the kernel is still ending it.
 */
static struct err *end(const struct pod_host *h, const char *name, bool forget, int64_t timeout_ms,
		       int *ret_lock)
{
	auto_free char *path = state_path(h, name, "lock");
	auto_free char *timeout =
		timeout_ms >= 0 ? mem_printf("%lld", (long long)timeout_ms) : NULL;

	uint64_t heard = proc_now_ms();

	for (unsigned us = POLL_FIRST; proc_now_ms() - heard < DOWN_WAIT;
	     us = us < POLL_MOST ? 2 * us : us) {
		struct err *e = pod_ask(h, name, forget ? "down" : "stop", NULL, timeout);

		if (forget && err_code(e) == EINVAL) { /* of a version that did not know it */
			forget = false;
			err_free(e);
			continue;
		}
		if (err_code(e) != ENOENT && err_code(e) != EPIPE && (e || forget))
			return e;
		if (err_code(e) != ENOENT)
			heard = proc_now_ms();
		err_free(e);
		e = fd_lock(AT_FDCWD, path, LOCK_EX | LOCK_NB, ret_lock);
		if (err_code(e) != EWOULDBLOCK)
			return e;
		err_free(e);
		usleep(us);
	}
	return err_new(
		EBUSY,
		"pod %s does not end, and its supervisor does not answer; who holds %s runs it",
		name, path);
}

struct err *pod_down(const struct pod_host *h, const char *name, int64_t timeout_ms)
{
	auto_free char *dir = state_path(h, name, NULL);
	auto_free char *data = state_data(h, name, NULL);
	auto_fd int lock = -1;
	auto_cgroupfs_host struct cgroupfs_host *cgroups = NULL;
	struct stat st;

	TRY(state_check_name(name));
	if (access(dir, F_OK) < 0)
		return err_new(ENOENT, "no such pod: %s", name);
	auto_err struct err *e = end(h, name, true, timeout_ms, &lock);

	if (err_code(e) == ENOENT || (!e && lock < 0)) /* somebody else has removed it */
		return NULL;
	if (e)
		return steal(&e);
	TRY(cgroupfs_open(&cgroups));
	TRY(collect_dead(h, cgroups, name));
	if (fstat(lock, &st) == 0 && st.st_nlink == 0)
		return NULL; /* that was all, and what is there now is another's */
	TRY(fd_remove_tree(AT_FDCWD, data));
	return state_forget(h, name);
}

struct err *pod_halt(const struct pod_host *h, const char *name, int64_t timeout_ms)
{
	auto_fd int lock = -1;
	struct err *e = end(h, name, false, timeout_ms, &lock);

	if (err_code(e) != ENOENT)
		return e;
	err_free(e); /* somebody has removed it meanwhile */
	return NULL;
}

/* Of pods of an earlier boot nothing is left in RUN; their directories belong to nobody. */
static struct err *collect_orphans(const struct pod_host *h)
{
	auto_free char *pods = mem_printf("%s/pods", h->root);
	auto_strv char **names = NULL;
	auto_fd int dir = -1;
	auto_err struct err *none = fd_openat(AT_FDCWD, pods, O_RDONLY | O_DIRECTORY, &dir);

	if (none)
		return NULL;
	TRY(fd_list(dir, &names));
	for (char **n = names; n && *n; n++) {
		auto_free char *run = state_path(h, *n, NULL), *path = state_path(h, *n, "lock");
		auto_free char *data = state_data(h, *n, NULL);
		auto_fd int lock = -1;

		if (access(run, F_OK) == 0)
			continue;
		/* whoever starts it at this moment waits, or has it, and we go on */
		TRY(fd_mkdirs(AT_FDCWD, run, 0700));
		auto_err struct err *busy = fd_lock(AT_FDCWD, path, LOCK_EX | LOCK_NB, &lock);

		if (busy)
			continue;
		TRY(fd_remove_tree(AT_FDCWD, data));
		TRY(state_forget(h, *n));
	}
	return NULL;
}

struct err *pod_gc(const struct pod_host *h, bool dry_run, char ***ret_removed)
{
	auto_image_store struct image_store *store = NULL;
	struct pod_state **pods = NULL;
	auto_strv char **in_use = NULL;
	size_t n = 0;

	if (!dry_run) {
		TRY(pod_collect(h));
		TRY(collect_orphans(h));
		TRY(pod_empty_trash(h));
	}
	TRY(image_store_open(h->root, &store));
	TRY(pod_state_list(h, &pods, &n));
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < pods[i]->n_services; k++) { /* also ended: they come back */
			auto_strv char **layers = NULL;

			err_ignore(json_get_strv(pods[i]->services[k].json, "layers", &layers));
			for (char **l = layers; l && *l; l++)
				strv_add(&in_use, mem_strdup(*l));
		}
		pod_state_free(pods[i]);
	}
	free(pods);
	return image_gc(store, in_use, dry_run, ret_removed);
}

/* By label, so that it works without the file, and never touches what is external. */
static struct err *each_volume(const struct pod_host *h, const char *name, bool anonymous,
			       char ***ret_removed,
			       struct err *(*remove)(const struct pod_host *h, const char *volume))
{
	auto_free char *label = mem_printf("com.docker.compose.project=%s", name);
	struct image_volume *volumes = NULL;
	struct err *errors = NULL;
	size_t n = 0;

	TRY(image_volume_list(h->root, &volumes, &n));
	for (size_t i = 0; i < n; i++) {
		struct image_volume *v = &volumes[i];

		if (strv_has(v->labels, label) &&
		    (!anonymous || strv_has(v->labels, IMAGE_VOLUME_ANONYMOUS))) {
			struct err *e = remove(h, v->name);

			if (!e && ret_removed)
				strv_add(ret_removed, mem_strdup(v->name));
			errors = err_join(errors, e);
		}
		image_volume_clear(v);
	}
	free(volumes);
	return errors;
}

static struct err *remove_volume(const struct pod_host *h, const char *volume)
{
	return image_volume_remove(h->root, volume);
}

struct err *pod_remove_volumes(const struct pod_host *h, const char *name, bool anonymous,
			       char ***ret_removed)
{
	return each_volume(h, name, anonymous, ret_removed, remove_volume);
}

struct err *pod_renew_volumes(const struct pod_host *h, const struct pod_plan *plan,
			      char *const *resting)
{
	struct err *errors = NULL;

	for (size_t i = 0; i < plan->n_containers; i++) {
		const struct plan_container *c = &plan->containers[i];

		for (size_t k = 0; k < c->n_mounts && !strv_has(resting, c->service->name); k++)
			if (strv_has(c->mounts[k].labels, IMAGE_VOLUME_ANONYMOUS) &&
			    image_volume_exists(h->root, c->mounts[k].source))
				errors = err_join(errors, remove_volume(h, c->mounts[k].source));
	}
	return errors;
}

static struct err *discard_volume(const struct pod_host *h, const char *volume)
{
	auto_free char *to = trash_path(h, volume);
	auto_err struct err *e = image_volume_move(h->root, volume, to);

	return err_code(e) == EXDEV ? image_volume_remove(h->root, volume) : steal(&e);
}

struct err *pod_discard_volumes(const struct pod_host *h, const char *name)
{
	return each_volume(h, name, false, NULL, discard_volume);
}

/* ---- looking for leaks ---- */

/* What living pods own, by the names it goes under. */
struct living {
	char **names, **groups, **links, **tables, **pauses;
};

static void living_clear(struct living *l)
{
	strv_free(l->names);
	strv_free(l->groups);
	strv_free(l->links);
	strv_free(l->tables);
	strv_free(l->pauses);
	*l = (struct living) { 0 };
}

static struct err *find_living(const struct pod_host *h, struct living *l)
{
	auto_strv char **names = NULL;

	TRY(pod_names(h, &names));
	for (char **name = names; name && *name; name++) {
		auto_pod_state struct pod_state *s = NULL;

		if (!state_alive(h, *name))
			continue;
		strv_add(&l->names, mem_strdup(*name));
		strv_add(&l->groups, mem_printf("%s/%s", h->cgroup_parent, *name));
		strv_add(&l->tables, netns_table_name(*name));
		auto_err struct err *e = pod_state_read(h, *name, &s);
		const char *link = e ? NULL : json_string_value(json_at(s->json, "link"));

		if (link)
			strv_add(&l->links, mem_strdup(link));
		if (!e)
			strv_add(&l->pauses, mem_printf("%lld", (long long)s->pause));
	}
	return NULL;
}

static struct err *leaked_groups(const struct pod_host *h, const struct living *l, char ***ret)
{
	auto_cgroupfs_host struct cgroupfs_host *cgroups = NULL;
	auto_strv char **groups = NULL;

	TRY(cgroupfs_open(&cgroups));
	TRY(cgroupfs_list(cgroups, h->cgroup_parent, &groups));
	for (char **g = groups; g && *g; g++) {
		bool owned = false;

		for (char **own = l->groups; own && *own; own++)
			owned |= str_starts(*g, *own) &&
				 ((*g)[strlen(*own)] == '/' || !(*g)[strlen(*own)]);
		if (!owned)
			strv_add(ret, mem_printf("cgroup %s", *g));
	}
	return NULL;
}

static struct err *leaked_network(const struct living *l, char ***ret)
{
	auto_strv char **links = NULL, **tables = NULL;

	TRY(netns_list_links(&links));
	for (char **i = links; i && *i; i++)
		if (!strv_has(l->links, *i))
			strv_add(ret, mem_printf("network link %s", *i));
	auto_err struct err *e = netns_list_tables(&tables);

	if (e && err_code(e) != EPERM && err_code(e) != ENOENT)
		return steal(&e);
	for (char **i = tables; i && *i; i++)
		if (!strv_has(l->tables, *i))
			strv_add(ret, mem_printf("nftables table %s", *i));
	return NULL;
}

/* Processes with the name of pause that no living pod claims, in our own network namespace's view of /proc. */
static struct err *leaked_processes(const struct pod_host *h, const struct living *l, char ***ret)
{
	auto_fd int proc = -1;
	auto_strv char **pids = NULL;

	(void)h;
	TRY(fd_openat(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY, &proc));
	TRY(fd_list(proc, &pids));
	for (char **p = pids; p && *p; p++) {
		auto_free char *path = mem_printf("%s/comm", *p);
		auto_free char *comm = NULL;

		if (!isdigit((unsigned char)**p))
			continue;
		auto_err struct err *e = fd_read_file(proc, path, 64, &comm);

		if (!e && strcmp(comm, "slipway-pause\n") == 0 && !strv_has(l->pauses, *p) &&
		    l->names == NULL)
			strv_add(ret, mem_printf("process %s (slipway-pause)", *p));
	}
	return NULL;
}

static struct err *leaked_mounts(const struct pod_host *h, char ***ret)
{
	auto_free char *text = NULL;
	auto_free char *ours = mem_printf("%s/", h->root);

	TRY(fd_read_file(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text));
	auto_strv char **lines = str_split(text, "\n");

	for (char **l = lines; l && *l; l++)
		if (strstr(*l, " - overlay ") && strstr(*l, ours))
			strv_add(ret, mem_printf("mount %s", *l));
	return NULL;
}

static struct err *leaked_files(const struct pod_host *h, const struct living *l, char ***ret)
{
	auto_free char *pods = mem_printf("%s/pods", h->root);
	auto_fd int dir = open(pods, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_strv char **names = NULL;

	if (dir < 0)
		return NULL;
	TRY(fd_list(dir, &names));
	for (char **n = names; n && *n; n++) {
		auto_free char *state = state_path(h, *n, "state.json");

		if (!strv_has(l->names, *n) && access(state, F_OK) < 0)
			strv_add(ret, mem_printf("directory %s/%s", pods, *n));
	}
	return NULL;
}

static struct err *look_for_leaks(const struct pod_host *h, char ***ret)
{
	struct living l = { 0 };
	struct err *e = find_living(h, &l);

	if (!e)
		e = leaked_groups(h, &l, ret);
	if (!e)
		e = leaked_network(&l, ret);
	if (!e)
		e = leaked_processes(h, &l, ret);
	if (!e)
		e = leaked_mounts(h, ret);
	if (!e)
		e = leaked_files(h, &l, ret);
	living_clear(&l);
	return e;
}

struct err *pod_leaks(const struct pod_host *h, unsigned ms, char ***ret)
{
	uint64_t deadline = proc_now_ms() + ms;
	struct timespec pause = { 0, POLL_MS * 1000000L };

	/* the kernel takes a dead pod's network down in the background: tens of milliseconds */
	for (;;) {
		strv_free(*ret);
		*ret = NULL;
		TRY(look_for_leaks(h, ret));
		if (!*ret || proc_now_ms() >= deadline)
			return NULL;
		nanosleep(&pause, NULL);
	}
}
