/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod/state.c - what other commands know of a pod: RUN/pods/NAME/state.json.
 *
 * The file is advice, written by the supervisor and replaced as a whole. Whether
 * the pod lives is the lock beside it, which its pause process holds to its end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

char *state_path(const struct pod_host *h, const char *name, const char *file)
{
	return mem_printf("%s/pods/%s%s%s", h->run, name, file ? "/" : "", file ? file : "");
}

char *state_data(const struct pod_host *h, const char *name, const char *file)
{
	return mem_printf("%s/pods/%s%s%s", h->root, name, file ? "/" : "", file ? file : "");
}

char *state_rootfs(const struct pod_host *h, const char *name, const char *key, const char *id)
{
	auto_free char *folder = mem_printf("rootfs/%s.%.12s", key, id);

	return state_data(h, name, folder);
}

/* Shared: two who look at once do not take each other for the pod. */
bool state_alive(const struct pod_host *h, const char *name)
{
	auto_free char *path = state_path(h, name, "lock");
	auto_fd int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

/* ---- writing ---- */

static const char *const state_names[] = { "created", "created",    "starting",
					   "running", "restarting", "exited" };

static json_t *publishers(const struct pod *p, size_t container)
{
	json_t *list = json_array();

	for (size_t i = 0; p->ports && i < p->plan->n_ports; i++) {
		const struct netns_port *port = &p->ports[i];
		json_t *one = json_object();
		char ip[INET_ADDRSTRLEN];

		if (p->plan->port_owners[i].container == container) {
			inet_ntop(AF_INET, &port->host_ip, ip, sizeof(ip));
			json_put_str(one, "URL", ip);
			json_put_int(one, "TargetPort", port->target);
			json_put_int(one, "PublishedPort", port->host_port);
			json_put_str(one, "Protocol",
				     port->protocol == IPPROTO_TCP ? "tcp" : "udp");
			json_array_append_new(list, json_incref(one));
		}
		json_decref(one);
	}
	return list;
}

/* What 'exec' needs to make a process like the container's own. */
static json_t *process_json(const struct plan_container *c)
{
	json_t *j = json_object(), *limits = json_array();

	for (size_t i = 0; i < c->n_rlimits; i++)
		json_array_append_new(limits, json_pack("[i,I,I]", c->rlimits[i].resource,
							(json_int_t)c->rlimits[i].limit.rlim_cur,
							(json_int_t)c->rlimits[i].limit.rlim_max));
	json_object_set_new(j, "rlimits", limits);
	json_put_strv(j, "env", c->env);
	json_put_strv(j, "groups", c->groups);
	json_put_str(j, "cwd", c->cwd);
	json_put_str(j, "user", c->user);
	json_put_int(j, "caps", (int64_t)c->caps);
	json_put_bool(j, "no_new_privs", c->no_new_privs);
	json_put_str(j, "seccomp", c->seccomp);
	return j;
}

/* As docker lists it: what has a space stands in quotes. */
static char *command_text(char *const *argv)
{
	auto_strv char **words = NULL;

	for (size_t i = 0; argv && argv[i]; i++)
		strv_add(&words, i && strchr(argv[i], ' ') ? mem_printf("'%s'", argv[i])
							   : mem_strdup(argv[i]));
	return strv_join(words, " ");
}

/* Where volumes and files of the host are in it, for who looks into it when it has ended. */
static void put_places(json_t *j, const struct pod_host *h, const struct plan_container *c)
{
	json_t *places = json_array();

	for (size_t i = 0; i < c->n_mounts; i++) {
		const struct plan_mount *m = &c->mounts[i];
		json_t *one;

		if (m->given || !m->source)
			continue;
		one = json_object();
		auto_free char *volume = mem_printf("%s/volumes/%s/_data", h->root, m->source);

		json_put_str(one, "source", m->type == COMPOSE_VOLUME ? volume : m->source);
		json_put_str(one, "target", m->target);
		json_put_str(one, "subpath", m->subpath);
		json_put_bool(one, "read_only", m->attributes & MOUNT_ATTR_RDONLY);
		json_array_append_new(places, one);
	}
	json_object_set_new(j, "places", places);
}

/* Names of volumes and sources of binds. */
static void put_mounts(json_t *j, const struct plan_container *c)
{
	json_t *mounts = json_array();
	int64_t volumes = 0;

	for (size_t i = 0; i < c->n_mounts; i++) {
		const struct plan_mount *m = &c->mounts[i];

		if (m->given || !m->source)
			continue;
		volumes += m->type == COMPOSE_VOLUME;
		json_array_append_new(mounts, json_string(m->source));
	}
	json_object_set_new(j, "mounts", mounts);
	json_put_int(j, "volumes", volumes);
}

static json_t *container_json(const struct pod *p, size_t index)
{
	const struct container *c = p->containers[index];
	auto_free char *command = command_text(c->plan->argv);
	json_t *j = json_object();

	json_put_str(j, "service", c->plan->service->name);
	json_put_str(j, "key", c->plan->key);
	json_put_int(j, "number", c->plan->number);
	json_put_str(j, "container", c->plan->name);
	json_put_str(j, "image", c->plan->service->image);
	json_put_str(j, "image_id", c->plan->image->id);
	json_put_str(j, "config_hash", c->plan->hash);
	json_put_str(j, "command", command);
	json_put_str(j, "state", c->paused ? "paused" : state_names[c->state]);
	json_put_str(j, "health", c->health == HEALTH_NONE ? "" : health_name(c->health));
	json_put_str(j, "started", c->started);
	json_put_str(j, "finished", c->finished);
	json_put_int(j, "exit_code", c->exit_code);
	json_put_int(j, "restarts", c->restarts);
	json_put_bool(j, "oom", c->oom);
	json_put_bool(j, "resting", c->given_up);
	json_put_int(j, "pid", c->state == CONTAINER_RUNNING ? c->process.pid : 0);
	json_put_int(j, "start_time", (int64_t)c->start_time);
	json_put_str(j, "id", c->id);
	json_put_str(j, "created", c->created);
	json_put_str(j, "network_mode", c->plan->service->network_mode);
	json_put_bool(j, "tty", c->plan->service->tty);
	json_put_bool(j, "stdin_open", c->plan->service->stdin_open);
	json_object_set_new(j, "publishers", publishers(p, index));
	json_put_str(j, "log_driver", c->plan->log.driver);
	json_put_strv(j, "labels", c->plan->labels);
	json_put_strv(j, "layers", c->plan->image->layers);
	json_object_set_new(j, "process", process_json(c->plan));
	auto_free char *group = pod_group(p, c->plan->key);

	put_mounts(j, c->plan);
	put_places(j, p->host, c->plan);
	json_put_int(j, "memory_limit", c->plan->limits.memory_max);
	json_put_str(j, "cgroup", group);
	if (p->host->cgroup_task) {
		json_put_str(j, "cgroup_task", p->host->cgroup_task);
		json_put_int(j, "supervisor", getpid());
	}
	return j;
}

static const char *pod_status(const struct pod *p)
{
	return p->only_created ? "created"
	       : p->finished   ? "stopped"
	       : p->up	       ? "running"
			       : "starting";
}

static void put_address(const struct pod *p, json_t *j)
{
	struct in_addr address = pod_address(p);
	char text[INET_ADDRSTRLEN];

	if (address.s_addr != INADDR_ANY)
		json_put_str(j, "address", inet_ntop(AF_INET, &address, text, sizeof(text)));
}

struct err *state_store(const struct pod *p)
{
	auto_free char *path = state_path(p->host, p->plan->name, "state.json");
	auto_json json_t *j = json_object();
	json_t *services = json_array();

	json_put_str(j, "name", p->plan->name);
	json_put_str(j, "status", pod_status(p));
	json_put_str(j, "dir", p->plan->project->dir);
	json_put_strv(j, "files", p->plan->project->files);
	json_put_int(j, "supervisor", getpid());
	json_put_int(j, "pause", p->pause.pid);
	json_put_str(j, "cgroup", p->cgroup_path);
	json_put_str(j, "boot", p->boot);
	json_put_bool(j, "transient", p->options->transient);
	if (p->net && !p->plan->join)
		json_put_str(j, "link", netns_link(p->net));
	json_put_str(j, "joins", p->plan->join);
	json_put_strv(j, "names", p->containers[0]->plan->peers);
	json_put_str(j, "kind", p->plan->project->policy.kind);
	json_put_str(j, "project", p->plan->project->policy.project);
	put_address(p, j);
	for (size_t i = 0; i < p->plan->n_containers; i++)
		if (!p->containers[i]->removed)
			json_array_append_new(services, container_json(p, i));
	json_object_set_new(j, "services", services);
	auto_free char *text = json_text(j, 0);

	return fd_replace_file(AT_FDCWD, path, text, 0600);
}

/* What could not be written stays dirty: it is tried again, and told once. */
void state_write(struct pod *p)
{
	auto_err struct err *e = state_store(p);

	if (e && !p->stale)
		log_warn("%s; others see an earlier state of pod %s meanwhile", err_text(e),
			 p->plan->name);
	p->dirty = p->stale = e != NULL;
}

void state_keep(const struct pod *p)
{
	auto_err struct err *e = p->options->transient ? NULL : pod_keep(p->host, p->plan->project);

	if (e)
		log_warn("%s; when pod %s has ended, 'start' needs its files", err_text(e),
			 p->plan->name);
}

struct err *state_forget(const struct pod_host *h, const char *name)
{
	auto_free char *path = state_path(h, name, NULL);
	auto_strv char **files = NULL;
	auto_fd int dir = -1;
	struct err *gone = fd_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, &dir);

	if (err_code(gone) == ENOENT) {
		err_free(gone);
		return NULL;
	}
	TRY(gone);
	TRY(fd_list(dir, &files));
	for (char **f = files; f && *f; f++)
		if (strcmp(*f, "lock") != 0)
			TRY(err_wrap(fd_remove_tree(dir, *f), "remove %s", path));
	if (unlinkat(dir, "lock", 0) < 0 && errno != ENOENT)
		return err_errno("remove %s/lock", path);
	/* from here on it may be the next one's, who has put another lock into it */
	if (rmdir(path) < 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST)
		return err_errno("remove %s", path);
	return NULL;
}

/* ---- reading ---- */

static char *ports_text(const json_t *publishers)
{
	auto_strv char **parts = NULL;

	for (size_t i = 0; i < json_array_size(publishers); i++) {
		const json_t *p = json_array_get(publishers, i);

		strv_add(&parts,
			 mem_printf("%s:%lld->%lld/%s", json_string_value(json_at(p, "URL")),
				    json_integer_value(json_at(p, "PublishedPort")),
				    json_integer_value(json_at(p, "TargetPort")),
				    json_string_value(json_at(p, "Protocol"))));
	}
	return strv_join(parts, ", ");
}

static char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_at(j, key));

	return mem_strdup(s ? s : "");
}

static void read_service(const json_t *j, bool alive, struct pod_service_state *s)
{
	struct {
		const char *key;
		char **field;
	} texts[] = { { "key", &s->key },	  { "id", &s->id },
		      { "service", &s->service }, { "container", &s->container },
		      { "image", &s->image },	  { "command", &s->command },
		      { "state", &s->state },	  { "health", &s->health },
		      { "started", &s->started }, { "finished", &s->finished },
		      { "cgroup", &s->cgroup } };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		*texts[i].field = text_of(j, texts[i].key);
	if (!*s->key) { /* of a version that had one instance of each */
		free(s->key);
		s->key = mem_strdup(s->service);
	}
	s->exit_code = json_integer_value(json_at(j, "exit_code"));
	s->restarts = json_integer_value(json_at(j, "restarts"));
	s->pid = json_integer_value(json_at(j, "pid"));
	s->ports = ports_text(json_at(j, "publishers"));
	s->json = json_incref((json_t *)(uintptr_t)j);
	if (!alive && strcmp(s->state, "exited") != 0) { /* its supervisor had no time to say so */
		free(s->state);
		s->state = mem_strdup("dead");
		s->exit_code = 137;
		s->pid = 0;
	}
}

struct err *state_check_name(const char *name)
{
	if (*name && *name != '.' && !strchr(name, '/'))
		return NULL;
	return err_new(EINVAL, "'%s' is not a project name", name);
}

struct err *pod_state_read(const struct pod_host *h, const char *name, struct pod_state **ret)
{
	auto_pod_state struct pod_state *s = mem_alloc(sizeof(*s));
	auto_free char *path = state_path(h, name, "state.json");

	TRY(state_check_name(name));
	s->alive = state_alive(h, name);
	struct err *e = json_read_file(AT_FDCWD, path, STATE_MAX, &s->json);

	if (err_code(e) == ENOENT) {
		err_free(e);
		return err_new(ENOENT, "no such pod: %s", name);
	}
	TRY(e);
	s->name = mem_strdup(name);
	s->status = text_of(s->json, "status");
	if (!s->alive && strcmp(s->status, "created") != 0) {
		free(s->status);
		s->status = mem_strdup("stopped");
	}
	s->dir = text_of(s->json, "dir");
	s->supervisor = json_integer_value(json_at(s->json, "supervisor"));
	s->pause = json_integer_value(json_at(s->json, "pause"));
	const json_t *services = json_at(s->json, "services");

	s->services = mem_alloc((json_array_size(services) + 1) * sizeof(*s->services));
	for (size_t i = 0; i < json_array_size(services); i++) {
		read_service(json_array_get(services, i),
			     s->alive || strcmp(s->status, "created") == 0,
			     &s->services[s->n_services++]);
		if (strcmp(s->services[i].state, "dead") == 0)
			memcpy(s->status, "dead", 5); /* shorter than "stopped" */
	}
	*ret = steal(&s);
	return NULL;
}

void pod_state_free(struct pod_state *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_services; i++) {
		struct pod_service_state *v = &s->services[i];
		char *texts[] = { v->key,     v->id,	   v->service, v->container,
				  v->image,   v->command,  v->state,   v->health,
				  v->started, v->finished, v->ports,   v->cgroup };

		for (size_t k = 0; k < ARRAY_LEN(texts); k++)
			free(texts[k]);
		json_decref(v->json);
	}
	free(s->services);
	free(s->name);
	free(s->status);
	free(s->dir);
	json_decref(s->json);
	free(s);
}

void pod_state_cleanup(struct pod_state **s)
{
	pod_state_free(*s);
}

struct err *pod_no_service(const char *key)
{
	const char *at = strchr(key, '@');

	if (!at)
		return err_new(ENOENT, "no such service: %s", key);
	return err_new(ENOENT, "service %.*s has no instance %s", (int)(at - key), key, at + 1);
}

const struct pod_service_state *pod_state_find(const struct pod_state *s, const char *key)
{
	for (size_t i = 0; i < s->n_services; i++)
		if (strcmp(s->services[i].key, key) == 0)
			return &s->services[i];
	return NULL;
}

bool pod_changed(const struct pod_plan *plan, const struct pod_state *s, char *const *services)
{
	for (size_t i = 0; i < plan->n_containers; i++) {
		const struct plan_container *c = &plan->containers[i];
		const struct pod_service_state *old = pod_state_find(s, c->key);

		if (!old)
			return true;
		if (services && !strv_has(services, c->service->name))
			continue;
		if (!str_eq(json_string_value(json_at(old->json, "config_hash")), c->hash))
			return true;
	}
	return plan->n_containers != s->n_services;
}

struct err *state_cgroups(const struct pod_service_state *s, struct cgroupfs_host **ret)
{
	const char *task = json_string_value(json_at(s->json, "cgroup_task"));
	int64_t supervisor = json_integer_value(json_at(s->json, "supervisor"));

	if (!task)
		return cgroupfs_open(ret);
	return cgroupfs_open_task((pid_t)supervisor, task, "", ret);
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct pod_state *const *)a)->name, (*(struct pod_state *const *)b)->name);
}

struct err *pod_state_list(const struct pod_host *h, struct pod_state ***ret, size_t *ret_n)
{
	auto_free char *pods = mem_printf("%s/pods", h->run);
	auto_fd int dir = -1;
	auto_strv char **names = NULL;
	size_t n = 0;

	TRY(fd_openat(AT_FDCWD, pods, O_RDONLY | O_DIRECTORY, &dir));
	TRY(fd_list(dir, &names));
	struct pod_state **list = mem_alloc((strv_len(names) + 1) * sizeof(struct pod_state *));

	for (char **name = names; name && *name; name++) {
		auto_err struct err *e = pod_state_read(h, *name, &list[n]);

		n += !e;
	}
	qsort(list, n, sizeof(struct pod_state *), by_name);
	*ret = list;
	*ret_n = n;
	return NULL;
}
