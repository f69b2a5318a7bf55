/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod/record.c - which pods come back after a reboot: ROOT/resume/NAME.yml and NAME.dir.
 *
 * The first is the project as it was started, everything in it resolved; the
 * second the directory it belongs to. A pod has a record from when it is up until
 * somebody ends it, or it has nothing more to do. Supervisors that are killed, or
 * asked to end by the host that goes down, leave theirs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

enum { DIR_MAX = 64 << 10, TEXT_MAX = 64 << 20 };
static const char kept_file[] = "project.yml";

static char *record_path(const struct pod_host *h, const char *name, const char *suffix)
{
	return mem_printf("%s/resume%s%s%s", h->root, name ? "/" : "", name ? name : "", suffix);
}

static bool comes_back(const struct compose_service *s)
{
	static const char *const always[] = { "always", "unless-stopped", "any", NULL };
	const char *policy = s->deploy.restart_policy.condition;

	policy = policy ? policy : s->restart;
	return policy && str_one_of(policy, always);
}

static struct err *write_project(const struct compose_project *p, const char *folder,
				 const char *file, const char *dir)
{
	auto_free char *whole = NULL;
	struct err *e = compose_print_text(p, COMPOSE_YAML, &whole);

	if (!e)
		e = fd_mkdirs(AT_FDCWD, folder, 0700);
	if (!e)
		e = fd_replace_file(AT_FDCWD, dir, p->dir, 0600);
	if (!e) /* the last: with it the record is there */
		e = fd_replace_file(AT_FDCWD, file, whole, 0600);
	return err_wrap(e, "record of %s", p->name);
}

struct err *pod_record(const struct pod_host *h, const struct compose_project *p)
{
	auto_free char *folder = record_path(h, NULL, ""), *file = record_path(h, p->name, ".yml");
	auto_free char *dir = record_path(h, p->name, ".dir");
	size_t i = 0;

	while (i < p->n_services && !comes_back(&p->services[i]))
		i++;
	return i < p->n_services ? write_project(p, folder, file, dir) : NULL;
}

static struct err *load_record(const char *name, const char *file, const char *dir,
			       char *const *services, struct compose_project **ret)
{
	static char *const profiles[] = { (char *)(uintptr_t) "*", NULL };
	static char *const none[] = { (char *)(uintptr_t) "/dev/null", NULL };
	char *files[] = { (char *)(uintptr_t)file, NULL };
	const struct compose_options o = { .files = files,
					   .project_dir = dir,
					   .name = name,
					   .profiles = profiles,
					   .env_files = none,
					   .environ = environ,
					   .services = services,
					   .no_deps = services != NULL };

	return compose_load(&o, ret);
}

struct err *pod_record_drop(const struct pod_host *h, const char *name, char *const *services)
{
	auto_free char *file = record_path(h, name, ".yml"), *path = record_path(h, name, ".dir");
	auto_compose struct compose_project *all = NULL, *rest = NULL;
	auto_strv char **stay = NULL;
	auto_free char *dir = NULL;

	if (access(file, F_OK) < 0)
		return NULL;
	TRY(fd_read_file(AT_FDCWD, path, DIR_MAX, &dir));
	TRY(load_record(name, file, dir, NULL, &all));
	for (size_t i = 0; i < all->n_services; i++)
		if (!strv_has(services, all->services[i].name))
			strv_add(&stay, mem_strdup(all->services[i].name));
	if (stay)
		TRY(load_record(name, file, dir, stay, &rest));
	pod_record_remove(h, name);
	return rest ? pod_record(h, rest) : NULL;
}

/* ---- beside the pod's state ---- */

struct err *pod_keep(const struct pod_host *h, const struct compose_project *p)
{
	auto_free char *file = state_path(h, p->name, kept_file), *text = NULL;

	TRY(compose_print_text(p, COMPOSE_YAML, &text));
	return fd_replace_file(AT_FDCWD, file, text, 0600);
}

struct err *pod_kept(const struct pod_host *h, const char *name, char **ret)
{
	auto_free char *file = state_path(h, name, kept_file);
	struct err *e = fd_read_file(AT_FDCWD, file, TEXT_MAX, ret);

	if (err_code(e) != ENOENT)
		return e;
	err_free(e);
	return err_new(ENOENT, "pod %s cannot be started again: it is not kept how it was made",
		       name);
}

void pod_record_remove(const struct pod_host *h, const char *name)
{
	auto_free char *file = record_path(h, name, ".yml"), *dir = record_path(h, name, ".dir");

	(void)unlink(file);
	(void)unlink(dir);
}

struct err *pod_records(const struct pod_host *h, struct pod_record **ret, size_t *ret_n)
{
	auto_free char *folder = record_path(h, NULL, "");
	auto_strv char **names = NULL;
	auto_fd int dir = -1;
	struct err *none = fd_openat(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY, &dir);

	if (err_code(none) == ENOENT) {
		err_free(none);
		return NULL;
	}
	TRY(none);
	TRY(fd_list(dir, &names));
	*ret = mem_alloc((strv_len(names) + 1) * sizeof(**ret));
	for (char **n = names; n && *n; n++) {
		if (!str_ends(*n, ".yml"))
			continue;
		struct pod_record *r = &(*ret)[*ret_n];

		r->name = mem_strndup(*n, strlen(*n) - strlen(".yml"));
		r->file = record_path(h, r->name, ".yml");
		auto_free char *path = record_path(h, r->name, ".dir");
		auto_err struct err *e = fd_read_file(AT_FDCWD, path, DIR_MAX, &r->dir);

		if (e)
			r->dir = mem_strdup("/");
		r->alive = state_alive(h, r->name);
		(*ret_n)++;
	}
	return NULL;
}

void pod_records_free(struct pod_record *take_r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(take_r[i].name);
		free(take_r[i].file);
		free(take_r[i].dir);
	}
	free(take_r);
}
