/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/oci/state.c - ROOT/ID: state.json and, until the container is started, its gate. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "runtime/oci/oci.h"

enum { ID_MAX = 200 };

struct err *state_check_id(const char *id)
{
	size_t n = strlen(id);

	if (n == 0 || n > ID_MAX || *id == '.')
		return err_new(EINVAL, "'%s' is not a container id", id);
	for (const char *p = id; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("_+-.", *p))
			return err_new(
				EINVAL,
				"'%s' is not a container id: only letters, digits, _ + - and .",
				id);
	return NULL;
}

struct err *state_make(const char *root, const char *id, int *ret_dir)
{
	auto_free char *path = mem_printf("%s/%s", root, id);

	TRY(fd_mkdirs(AT_FDCWD, root, 0700));
	if (mkdir(path, 0700) < 0)
		return errno == EEXIST ? err_new(EEXIST, "container %s exists already", id)
				       : err_errno("mkdir %s", path);
	return fd_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, ret_dir);
}

struct err *state_open(const char *root, const char *id, int *ret_dir)
{
	auto_free char *path = mem_printf("%s/%s", root, id);

	TRY(state_check_id(id));
	struct err *e = fd_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, ret_dir);

	if (err_code(e) != ENOENT)
		return e;
	err_free(e);
	return err_new(ENOENT, "container %s does not exist", id);
}

void state_of_bundle(struct state *s, const char *id, const struct bundle *b)
{
	*s = (struct state) { .id = mem_strdup(id),
			      .bundle = mem_strdup(b->dir),
			      .cgroup = mem_strdup(b->cgroup),
			      .created = mem_strdup(""),
			      .hooks = json_incref(json_at(b->config, "hooks")),
			      .annotations = json_incref(json_at(b->config, "annotations")) };
}

struct err *state_save(int dir, const struct state *s)
{
	auto_json json_t *j = json_object();

	json_put_str(j, "id", s->id);
	json_put_str(j, "bundle", s->bundle);
	json_put_str(j, "cgroup", s->cgroup);
	json_put_str(j, "created", s->created);
	json_put_int(j, "pid", s->pid);
	json_put_int(j, "start_time", (int64_t)s->start_time);
	if (s->hooks)
		json_object_set(j, "hooks", s->hooks);
	if (s->annotations)
		json_object_set(j, "annotations", s->annotations);
	auto_free char *text = json_text(j, 0);

	return fd_replace_file(dir, "state.json", text, 0600);
}

struct err *state_load(int dir, const char *id, struct state *ret)
{
	auto_json json_t *j = NULL;
	const char *bundle = "", *cgroup = "", *created = "";
	int64_t start = 0;

	TRY(err_wrap(json_read_file(dir, "state.json", CONFIG_MAX, &j), "container %s", id));
	TRY(json_get_str(j, "bundle", &bundle));
	TRY(json_get_str(j, "cgroup", &cgroup));
	TRY(json_get_str(j, "created", &created));
	TRY(json_get_int(j, "pid", &ret->pid));
	TRY(json_get_int(j, "start_time", &start));
	ret->start_time = (uint64_t)start;
	ret->id = mem_strdup(id);
	ret->bundle = mem_strdup(bundle);
	ret->cgroup = mem_strdup(cgroup);
	ret->created = mem_strdup(created);
	ret->hooks = json_incref(json_at(j, "hooks"));
	ret->annotations = json_incref(json_at(j, "annotations"));
	return NULL;
}

void state_clear(struct state *s)
{
	free(s->id);
	free(s->bundle);
	free(s->cgroup);
	free(s->created);
	json_decref(s->hooks);
	json_decref(s->annotations);
	*s = (struct state) { 0 };
}

/* A zombie has ended; whoever is its parent has not looked yet. */
static bool is_zombie(pid_t pid)
{
	auto_free char *path = mem_printf("/proc/%d/stat", pid);
	auto_free char *text = NULL;
	auto_err struct err *e = fd_read_file(AT_FDCWD, path, 4096, &text);
	const char *paren = e ? NULL : strrchr(text, ')');

	return !paren || (paren[1] == ' ' && (paren[2] == 'Z' || paren[2] == 'X'));
}

struct err *state_process(const struct state *s, int *ret_pidfd)
{
	auto_fd int pidfd = -1;
	uint64_t start = 0;
	struct err *e = proc_open((pid_t)s->pid, &pidfd);

	*ret_pidfd = -1;
	if (!e)
		e = proc_start_time((pid_t)s->pid, &start);
	if (e) { /* gone */
		err_free(e);
		return NULL;
	}
	if (start == s->start_time && !is_zombie((pid_t)s->pid))
		*ret_pidfd = fd_steal(&pidfd);
	return NULL;
}

const char *state_status(int dir, const struct state *s)
{
	auto_fd int pidfd = -1;

	err_ignore(state_process(s, &pidfd));
	if (pidfd < 0)
		return "stopped";
	if (!*s->created)
		return "creating";
	return faccessat(dir, START_SOCKET, F_OK, 0) == 0 ? "created" : "running";
}

json_t *state_json(const struct state *s)
{
	json_t *j = json_object();

	json_put_str(j, "ociVersion", "1.2.0");
	json_put_str(j, "id", s->id);
	json_put_str(j, "status", "");
	json_put_str(j, "bundle", s->bundle);
	if (s->annotations)
		json_object_set(j, "annotations", s->annotations);
	if (*s->created)
		json_put_str(j, "created", s->created);
	return j;
}

struct err *state_remove(const char *root, const char *id)
{
	auto_free char *path = mem_printf("%s/%s", root, id);

	return fd_remove_tree(AT_FDCWD, path);
}
