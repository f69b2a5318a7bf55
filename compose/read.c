/* SPDX-License-Identifier: Apache-2.0 */
/* compose/read.c - from the finished tree to the model; files of variables and labels. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "compose/kinds.h"

const struct compose_service *compose_find(const struct compose_project *p, const char *service)
{
	for (size_t i = 0; i < p->n_services; i++)
		if (strcmp(p->services[i].name, service) == 0)
			return &p->services[i];
	return NULL;
}

int64_t compose_scale(const struct compose_service *s)
{
	return s->scale.set		? s->scale.value
	       : s->deploy.replicas.set ? s->deploy.replicas.value
					: 1;
}

/* ---- env_file and label_file ---- */

/* "KEY=value" lines as they stand. */
static void read_raw(const char *text, char ***env)
{
	auto_strv char **lines = str_split(text, "\r\n");

	for (char **line = lines; line && *line; line++)
		if (**line != '#' && strchr(*line, '='))
			env_set(env, *line);
}

struct place {
	const struct loader *l;
	const struct node *path;
};

/* An included project has variables of its own. */
static const char *look(const void *ctx, const char *name)
{
	const struct place *at = ctx;

	return at->path->source->env ? env_get(at->path->source->env, name)
				     : load_lookup(at->l, name);
}

static struct err *read_assignments(struct loader *l, const struct node *path, bool raw,
				    bool required, char ***env)
{
	const struct place at = { l, path };
	struct lookup outer = { .fn = look, .ctx = &at, .missing = &l->missing };
	auto_free char *text = NULL;
	auto_free char *absolute = load_path_from(l, l->scope->dir, path->text);
	auto_err struct err *e = fd_read_file(AT_FDCWD, absolute, FILE_SIZE_MAX, &text);

	if (err_code(e) == ENOENT && !required)
		return NULL;
	if (e)
		return node_err(path, "%s", err_text(e));
	if (raw)
		read_raw(text, env);
	else
		TRY(kind_at(path, dotenv_parse(path->text, text, &outer, env)));
	return NULL;
}

/* Below what the service says itself, which wins. */
static void put_below(struct node *service, const char *key, char *const *env)
{
	auto_node struct node *own = node_take(service, key);
	struct node *all = node_new(NODE_MAP, service);

	for (; env && *env; env++) {
		size_t n = strcspn(*env, "=");
		auto_free char *name = mem_strndup(*env, n);

		node_set(all, name, node_scalar(NODE_STR, *env + n + 1, service));
	}
	for (size_t i = 0; own && own->type == NODE_MAP && i < own->n; i++)
		node_set(all, own->keys[i], node_copy(own->items[i]));
	if (all->n || own)
		node_set(service, key, all);
	else
		node_free(all);
}

static struct err *read_env_files(struct loader *l, struct node *service)
{
	const struct node *files = node_get(service, "env_file");
	auto_strv char **env = NULL;

	for (size_t i = 0; files && i < files->n; i++) {
		const struct node *item = files->items[i];
		const char *format = kind_member(item, "format");

		if (format && strcmp(format, "raw") != 0)
			return node_err(node_get(item, "format"),
					"'%s' is not a format; there is raw, and none is the .env "
					"format",
					format);
		TRY(read_assignments(l, node_get(item, "path"), format != NULL,
				     !str_eq(kind_member(item, "required"), "false"), &env));
	}
	if (files)
		put_below(service, "environment", env);
	node_free(node_take(service, "env_file"));
	return NULL;
}

static struct err *read_label_files(struct loader *l, struct node *service)
{
	const struct node *files = node_get(service, "label_file");
	auto_strv char **labels = NULL;

	for (size_t i = 0; files && i < files->n; i++)
		TRY(read_assignments(l, files->items[i], false, true, &labels));
	if (files)
		put_below(service, "labels", labels);
	node_free(node_take(service, "label_file"));
	return NULL;
}

/* ---- services ---- */

/* It becomes the name of files and groups. */
static bool is_service_name(const char *s)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	return *s && strlen(s) <= 200 && strspn(s, allowed) == strlen(s) &&
	       strspn(s, ".") != strlen(s);
}

static struct err *read_service(struct loader *l, struct node *n, struct compose_service *s)
{
	if (!is_service_name(n->key))
		return node_err(
			n, "'%s' is not a service name: letters, digits, _ . and -, not only dots",
			n->key);
	const struct attr row = { .kind = &kind_table, .table = service_attrs };

	l->service = s;
	struct err *e = kind_read_record(l, &row, n, s);

	l->service = NULL;
	return e;
}

static struct err *read_services(struct loader *l, struct node *root)
{
	struct node *services = node_get(root, "services");
	struct compose_project *p = &l->owner->p;
	struct err *errors = NULL;

	if (!services || services->type != NODE_MAP)
		return NULL;
	p->services = keep_alloc(l, services->n * sizeof(*p->services));
	for (size_t i = 0; i < services->n; i++)
		errors = err_join(errors, read_service(l, services->items[i],
						       &p->services[p->n_services++]));
	return errors;
}

struct err *read_files(struct loader *l, struct node *root)
{
	struct node *services = node_get(root, "services");
	struct err *errors = NULL;

	for (size_t i = 0; !l->options->no_env && services && i < services->n; i++) {
		errors = err_join(errors, read_env_files(l, services->items[i]));
		errors = err_join(errors, read_label_files(l, services->items[i]));
	}
	return errors;
}

struct err *read_project(struct loader *l, struct node *root)
{
	struct err *errors = read_services(l, root);

	/* unread variables make no sense of anything else than the tree itself */
	return l->options->no_interpolate
		       ? errors
		       : err_join(errors, attr_read(l, project_attrs, root, &l->owner->p));
}
