/* SPDX-License-Identifier: Apache-2.0 */
/* mesos/source_image.c - a project made of the images that tasks name: TaskInfo.container. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "mesos/internal.h"

enum {
	PROJECT_MAX = 16 << 20,
	BEYOND = 65536, /* no port any more: it is refused as that */
};
static const double AMOUNT_MAX = 1e9; /* of megabytes, of processors: more is as good as none */

/* ---- an image ---- */

/* A text that Compose does not interpolate. */
static json_t *literal(const char *text)
{
	auto_free char *out = mem_alloc(2 * strlen(text) + 1);
	char *p = out;

	for (; *text; text++) {
		if (*text == '$')
			*p++ = '$';
		*p++ = *text;
	}
	return json_string(out);
}

static json_t *literals(const json_t *list, size_t from)
{
	json_t *out = json_array();

	for (size_t i = from; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));

		json_array_append_new(out, literal(text ? text : ""));
	}
	return out;
}

/* The member, made when it is not there: @take_new is that, or freed. Borrowed. */
static json_t *member(json_t *service, const char *key, json_t *take_new)
{
	if (!json_object_get(service, key))
		json_object_set(service, key, take_new);
	json_decref(take_new);
	return json_object_get(service, key);
}

/* Docker appends value and arguments to the image's entrypoint; Mesos' own containerizer runs value. */
static void set_command(json_t *service, const json_t *command, bool docker)
{
	const char *value = wire_text(command, "value");
	const json_t *arguments = json_at(command, "arguments");

	if (*wire_text(command, "user"))
		json_object_set_new(service, "user", literal(wire_text(command, "user")));
	if (wire_bool(command, "shell", true) && *value) {
		json_object_set_new(service, "entrypoint",
				    json_pack("[s, s, o]", "/bin/sh", "-c", literal(value)));
		return;
	}
	if (docker || !*value) {
		json_t *words = literals(arguments, 0);

		if (*value)
			json_array_insert_new(words, 0, literal(value));
		if (json_array_size(words))
			json_object_set(service, "command", words);
		json_decref(words);
		return;
	}
	json_object_set_new(service, "entrypoint", json_pack("[o]", literal(value)));
	json_object_set_new(service, "command", literals(arguments, 1)); /* the first is argv[0] */
}

static void set_environment(json_t *service, const json_t *command)
{
	const json_t *list = json_at(command, "environment.variables");
	json_t *env = member(service, "environment", json_object());

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *v = json_array_get(list, i);

		json_object_set_new(env, wire_text(v, "name"), literal(wire_text(v, "value")));
	}
	json_object_set_new(env, "MESOS_SANDBOX", json_string("/mnt/mesos/sandbox"));
}

static json_t *bind_mount(const char *source, const char *target, bool read_only)
{
	return json_pack("{s:s, s:o, s:o, s:b}", "type", "bind", "source", literal(source),
			 "target", literal(target), "read_only", read_only);
}

/* @path below @dir of the sandbox, the executor's or a task's own; the caller's. */
static struct err *below(const struct session *s, const char *dir, const char *path, char **ret)
{
	auto_strv char **parts = str_split(path, "/");

	if (*path == '/')
		return err_new(EINVAL, "'%s' is not relative to the sandbox", path);
	if (strv_has(parts, ".."))
		return err_new(EINVAL, "'%s' leads out of the sandbox", path);
	*ret = mem_printf("%s%s%s/%s", s->env.sandbox, dir ? "/" : "", dir ? dir : "", path);
	return NULL;
}

/* As an agent does it, what is not there is made. */
static struct err *of_sandbox(const struct session *s, const char *own, const json_t *v, char **ret)
{
	const char *type = wire_text(v, "source.sandbox_path.type");
	const char *path = wire_text(v, "source.sandbox_path.path");
	bool parent = strcmp(type, "PARENT") == 0;
	auto_fd int root = -1, dir = -1;

	if (*type && strcmp(type, "SELF") != 0 && !parent)
		return err_new(EINVAL, "%s: there are SELF and PARENT", type);
	if (parent && !own)
		return err_new(EINVAL, "PARENT: only a task of a group has a parent");
	TRY(below(s, parent ? NULL : own, path, ret));
	if (access(*ret, F_OK) == 0)
		return NULL;
	TRY(fd_openat(AT_FDCWD, s->env.sandbox, O_PATH | O_DIRECTORY, &root));
	return fd_mkdirs_in_root(root, *ret + strlen(s->env.sandbox) + 1, 0755, &dir);
}

/* What of the host is mounted; NULL: nothing, it is a volume without a name. The caller's. */
static struct err *volume_source(const struct session *s, const char *own, const json_t *v,
				 char **ret)
{
	const char *type = wire_text(v, "source.type"), *host = wire_text(v, "host_path");

	if (strcmp(type, "SANDBOX_PATH") == 0)
		return of_sandbox(s, own, v, ret);
	if (strcmp(type, "HOST_PATH") == 0)
		host = wire_text(v, "source.host_path.path");
	else if (*type || json_at(v, "image"))
		return err_new(ENOTSUP,
			       "a volume of type %s is not offered; there are host paths and paths "
			       "of the sandbox",
			       *type ? type : "IMAGE");
	if (*host && *host != '/')
		return below(s, own, host, ret);
	*ret = *host ? mem_strdup(host) : NULL;
	return NULL;
}

/* @own: the directory of a group's task in the sandbox; NULL: the task has the whole sandbox. */
static struct err *add_volumes(const struct session *s, const char *own, json_t *mounts,
			       const json_t *container)
{
	const json_t *list = json_at(container, "volumes");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *v = json_array_get(list, i);
		const char *target = wire_text(v, "container_path");
		bool read_only = strcmp(wire_text(v, "mode"), "RO") == 0;
		auto_free char *source = NULL;
		auto_free char *path = *target == '/' ? mem_strdup(target)
						      : mem_printf("/mnt/mesos/sandbox/%s", target);

		TRY(err_wrap(volume_source(s, own, v, &source), "container.volumes[%zu]", i));
		json_array_append_new(mounts, source ? bind_mount(source, path, read_only)
						     : json_pack("{s:s, s:o}", "type", "volume",
								 "target", literal(path)));
	}
	return NULL;
}

static void add_ports(json_t *ports, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *m = json_array_get(list, i);
		int64_t host = wire_count(m, "host_port", 0, BEYOND);
		auto_free char *published = mem_printf("%lld", (long long)host);
		const char *protocol = wire_text(m, "protocol");

		json_array_append_new(ports,
				      json_pack("{s:I, s:s, s:s}", "target",
						(json_int_t)wire_count(m, "container_port", 0,
								       BEYOND),
						"published", published, "protocol",
						strcmp(protocol, "udp") == 0 ? "udp" : "tcp"));
	}
}

/* Who has asked for ports but for no network of its own listens on the ports as they were offered. */
static void add_offered(json_t *ports, const json_t *task)
{
	const json_t *resources = json_at(task, "resources");

	for (size_t i = 0; i < json_array_size(resources); i++) {
		const json_t *r = json_array_get(resources, i),
			     *ranges = json_at(r, "ranges.range");

		if (strcmp(wire_text(r, "name"), "ports") != 0)
			continue;
		for (size_t k = 0; k < json_array_size(ranges); k++) {
			const json_t *range = json_array_get(ranges, k);
			int first = (int)wire_count(range, "begin", 0, BEYOND);
			int last = (int)wire_count(range, "end", 0, BEYOND);

			for (int p = first; p <= last && p > 0 && p < BEYOND; p++) {
				auto_free char *text = mem_printf("%d", p);

				json_array_append_new(ports, json_pack("{s:i, s:s}", "target", p,
								       "published", text));
			}
		}
	}
}

static void set_network(json_t *service, const json_t *task, const json_t *container, bool docker)
{
	const char *mode = wire_text(container, "docker.network");
	const json_t *infos = json_at(container, "network_infos");
	json_t *ports = member(service, "ports", json_array());

	if (docker && (!*mode || strcmp(mode, "HOST") == 0)) {
		json_object_set_new(service, "network_mode", json_string("host"));
	} else if (docker && strcmp(mode, "NONE") == 0) {
		json_object_set_new(service, "network_mode", json_string("none"));
	} else {
		add_ports(ports, json_at(container, "docker.port_mappings"));
		for (size_t i = 0; i < json_array_size(infos); i++)
			add_ports(ports, json_at(json_array_get(infos, i), "port_mappings"));
		if (!docker && !json_array_size(infos))
			add_offered(ports, task);
	}
}

/*
 * A service of this image, with what the container's parameters say: options of
 * 'docker run', which go the way that command's options go.
 */
static struct err *begin_service(const json_t *container, const char *image, json_t **ret)
{
	const json_t *list = json_at(container, "docker.parameters");
	struct compose_run run = { 0 };
	auto_free char *text = NULL;
	auto_json json_t *project = NULL;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *p = json_array_get(list, i);

		strv_add(&run.given,
			 mem_printf("%s=%s", wire_text(p, "key"), wire_text(p, "value")));
	}
	struct err *e = compose_run_image(&run, "task", image, NULL, &text);

	strv_free(run.given);
	TRY(err_wrap(e, "container.docker.parameters"));
	TRY(json_parse(text, strlen(text), PROJECT_MAX, &project));
	*ret = json_incref(json_at(project, "services.task"));
	/* the pod has a name of its own, and nobody is at its terminal */
	json_object_del(*ret, "container_name");
	json_object_del(*ret, "tty");
	json_object_del(*ret, "stdin_open");
	return NULL;
}

/*
 * A service of a task that names an image, as a Compose service; NULL: it names
 * none. @own: a group's task's directory in the sandbox.
 */
static struct err *image_service(const struct session *s, const json_t *task, const char *own,
				 json_t **ret, bool *ret_pull)
{
	const json_t *container = json_at(task, "container"), *command = json_at(task, "command");
	bool docker = strcmp(wire_text(container, "type"), "DOCKER") == 0;
	const char *image = docker ? wire_text(container, "docker.image")
				   : wire_text(container, "mesos.image.docker.name");
	auto_json json_t *service = NULL;

	*ret = NULL;
	if (!docker && strcmp(wire_text(container, "mesos.image.type"), "APPC") == 0)
		return err_new(ENOTSUP, "container.mesos.image: APPC images are not offered");
	if (!*image)
		return NULL;
	if (!docker && json_at(container, "linux_info"))
		return err_new(ENOTSUP, "container.linux_info is not offered");
	TRY(begin_service(container, image, &service));
	set_command(service, command, docker);
	set_environment(service, command);
	set_network(service, task, container, docker);
	if (*wire_text(container, "hostname"))
		json_object_set_new(service, "hostname", literal(wire_text(container, "hostname")));
	if (wire_bool(container, "docker.privileged", false))
		json_object_set_new(service, "privileged", json_true());
	TRY(add_volumes(s, own, member(service, "volumes", json_array()), container));
	*ret_pull |= docker ? wire_bool(container, "docker.force_pull_image", false)
			    : !wire_bool(container, "mesos.image.cached", true);
	*ret = steal(&service);
	return NULL;
}

static void mount_sandbox(json_t *service, const char *path)
{
	json_array_append_new(json_at(service, "volumes"),
			      bind_mount(path, "/mnt/mesos/sandbox", false));
}

struct err *source_of_image(const struct session *s, const json_t *task, struct source *ret)
{
	json_t *service = NULL;

	TRY(image_service(s, task, NULL, &service, &ret->pull));
	if (!service)
		return NULL;
	mount_sandbox(service, s->env.sandbox);
	auto_json json_t *project = json_pack("{s:{s:o}}", "services", "task", service);

	ret->text = json_text(project, 2);
	return NULL;
}

/* ---- task groups ---- */

static bool is_service_name(const char *name)
{
	return *name && strlen(name) <= 63 && *name != '.' && *name != '-' &&
	       !name[strspn(name,
			    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")];
}

/* The service's directory is in the sandbox, which has files of its own, and the framework's. */
static bool is_free(const struct session *s, const char *name)
{
	static const char *const ours[] = { "stdout", "stderr", "slipway", "tasks", NULL };
	auto_free char *path = source_path(s, name);
	struct stat st;

	/* ("stdout.1": an agent may rotate them) */
	return !str_one_of(name, ours) && !str_starts(name, "stdout.") &&
	       !str_starts(name, "stderr.") && (lstat(path, &st) < 0 || S_ISDIR(st.st_mode));
}

/* The task's name, where that can be a service's and is nobody else's. */
static void name_service(const struct session *s, struct task *tasks, size_t i,
			 const json_t *services)
{
	const char *name = wire_text(tasks[i].info, "name");
	char *service = is_service_name(name) ? mem_strdup(name) : mem_printf("task-%zu", i + 1);

	for (size_t n = 2; json_object_get(services, service) || !is_free(s, service); n++) {
		free(service);
		service = mem_printf("task-%zu-%zu", i + 1, n);
	}
	free(tasks[i].service);
	tasks[i].service = service;
}

static void limit_service(json_t *service, const json_t *task)
{
	const json_t *resources = json_at(task, "resources");

	for (size_t i = 0; i < json_array_size(resources); i++) {
		const json_t *r = json_array_get(resources, i);
		const char *name = wire_text(r, "name");
		double value = wire_number(r, "scalar.value", 0);

		if (strcmp(name, "mem") == 0 && value > 0 && value < AMOUNT_MAX)
			json_object_set_new(service, "mem_limit",
					    json_integer((json_int_t)(value * (1 << 20))));
		if (strcmp(name, "cpus") == 0 && value > 0 && value < AMOUNT_MAX)
			json_object_set_new(service, "cpu_shares",
					    json_integer((json_int_t)(value * 1024)));
	}
}

/* The default executor's convention: SANDBOX/tasks/ID is where the task's files are. */
static struct err *make_task_dir(const struct session *s, const struct task *t)
{
	auto_fd int root = -1, dir = -1, links = -1;
	auto_free char *target = mem_printf("../%s", t->service);

	TRY(fd_openat(AT_FDCWD, s->env.sandbox, O_PATH | O_DIRECTORY, &root));
	TRY(err_wrap(fd_mkdirs_in_root(root, t->service, 0755, &dir), "sandbox of task %s", t->id));
	TRY(fd_mkdirs_in_root(root, "tasks", 0755, &links));
	if (!strchr(t->id, '/'))
		(void)!symlinkat(target, links, t->id);
	return NULL;
}

struct err *source_of_group(const struct session *s, struct task *tasks, size_t n,
			    struct source *ret)
{
	json_t *services = json_object();
	auto_json json_t *project = json_pack("{s:o}", "services", services);

	*ret = (struct source) { .dir = mem_strdup(s->env.sandbox) };
	for (size_t i = 0; i < n; i++) {
		json_t *service = NULL;

		name_service(s, tasks, i, services);
		TRY(err_wrap(image_service(s, tasks[i].info, tasks[i].service, &service,
					   &ret->pull),
			     "task %s", tasks[i].id));
		if (!service)
			return err_new(EINVAL,
				       "task %s: a task of a group needs a container with an image",
				       tasks[i].id);
		json_object_set_new(services, tasks[i].service, service);
		TRY(make_task_dir(s, &tasks[i]));
		auto_free char *dir = mem_printf("%s/%s", s->env.sandbox, tasks[i].service);

		mount_sandbox(service, dir);
		limit_service(service, tasks[i].info);
	}
	ret->text = json_text(project, 2);
	return NULL;
}
