/* SPDX-License-Identifier: Apache-2.0 */
/* compose/load.c - from files to a project, in docker compose's order. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "compose/kinds.h"

/* ---- paths and variables ---- */

/* "C:\\data", "c:/data", "\\\\.\\pipe": nobody has them here, but nobody makes paths below @dir of them. */
static bool is_windows_path(const char *path)
{
	return str_starts(path, "\\\\") || (isalpha((unsigned char)*path) && path[1] == ':' &&
					    (path[2] == '/' || path[2] == '\\'));
}

char *load_path_from(const struct loader *l, const char *dir, const char *path)
{
	const char *home = *path == '~' ? env_get(l->scope->env, "HOME") : NULL;

	if (*path == '/' || is_windows_path(path))
		return mem_strdup(path);
	auto_free char *whole =
		home ? mem_printf("%s/%s", home, path + 1) : mem_printf("%s/%s", dir, path);

	return str_clean_path(whole);
}

/*
 * Without resolution what another directory's file says becomes relative to the
 * project's. Once it is, it no longer begins with a dot.
 */
static char *relative_path(const struct loader *l, const struct node *n, const char *path)
{
	const char *dir = n->source->dir, *base = l->owner->p.dir;
	size_t length = strlen(base);

	if (*path != '.' || !str_starts(dir, base) || dir[length] != '/')
		return mem_strdup(path);
	auto_free char *whole = mem_printf("%s/%s", dir + length, path);
	auto_free char *clean = str_clean_path(whole);

	return mem_strdup(clean + 1);
}

char *load_path(const struct loader *l, const struct node *n, const char *path)
{
	return l->options->no_paths ? relative_path(l, n, path)
				    : load_path_from(l, n->source->dir, path);
}

const char *load_lookup(const void *loader, const char *name)
{
	const struct loader *l = loader;

	return env_get(l->scope->env, name);
}

struct err *load_interpolate(struct loader *l, struct node *n)
{
	struct lookup vars = { .fn = load_lookup, .ctx = l, .missing = &l->missing };
	struct err *errors = NULL;
	char *text = NULL;

	if (l->options->no_interpolate)
		return NULL;
	if (n->type == NODE_STR && strchr(n->text, '$')) {
		auto_err struct err *e = interpolate(n->text, &vars, &text);

		if (e) {
			n->broken = true;
			return node_err(n, "%s", err_text(e));
		}
		free(n->text);
		n->text = text;
	}
	for (size_t i = 0; i < n->n; i++)
		errors = err_join(errors, load_interpolate(l, n->items[i]));
	return errors;
}

struct err *load_env(struct loader *l, struct scope *scope, char *const *paths, bool required)
{
	struct scope *reader = l->scope;
	auto_strv char **own = NULL;
	struct err *e = NULL;

	l->scope = scope;
	for (; paths && *paths && !e; paths++) {
		auto_free char *text = NULL;
		struct lookup outer = { .fn = load_lookup, .ctx = l, .missing = &l->missing };

		e = fd_read_file(AT_FDCWD, *paths, FILE_SIZE_MAX, &text);
		if (e && !required && (err_code(e) == ENOENT || err_code(e) == EISDIR)) {
			err_free(steal(&e));
			continue;
		}
		e = e ? err_wrap(e, "env file") : dotenv_parse(*paths, text, &outer, &own);
	}
	l->scope = reader;
	for (char **p = own; p && *p && !e; p++) {
		auto_free char *key = mem_strndup(*p, strcspn(*p, "="));

		if (!env_get(scope->env, key))
			env_set(&scope->env, *p);
	}
	return e;
}

/* ---- files ---- */

static struct err *read_text(const char *path, char **ret, size_t *ret_len)
{
	auto_fd int fd = -1;

	if (strcmp(path, "-") == 0)
		return err_wrap(fd_read_all(STDIN_FILENO, FILE_SIZE_MAX, ret, ret_len),
				"standard input");
	TRY(fd_openat(AT_FDCWD, path, O_RDONLY | O_NOCTTY, &fd));
	return err_wrap(fd_read_all(fd, FILE_SIZE_MAX, ret, ret_len), "%s", path);
}

struct err *load_parse(struct loader *l, const char *path, const char *dir,
		       struct document_list *ret)
{
	struct source *source = keep_alloc(l, sizeof(*source));
	auto_free char *text = NULL;
	size_t len = 0;

	if (++l->owner->n_files > FILES_MAX)
		return err_new(E2BIG, "%s: more than %d files make this project", path, FILES_MAX);
	source->name = keep_str(l, strcmp(path, "-") == 0 ? "<stdin>" : path);
	source->dir = keep_str(l, dir);
	if (l->scope->parent)
		source->env = keep_strv(l, strv_dup(l->scope->env));
	if (l->options->text && path == l->owner->p.files[0]) {
		len = strlen(l->options->text);
		return yaml_read(source, l->options->text, len, &ret->items, &ret->n);
	}
	auto_free char *converted = NULL;

	TRY(read_text(path, &text, &len));
	TRY(marathon_read(source->name, text, len, &l->owner->p.warnings, &converted));
	l->owner->p.marathon |= converted != NULL;
	return converted ? yaml_read(source, converted, strlen(converted), &ret->items, &ret->n)
			 : yaml_read(source, text, len, &ret->items, &ret->n);
}

void load_clear(struct document_list *documents)
{
	for (size_t i = 0; i < documents->n; i++)
		node_free(documents->items[i]);
	free(documents->items);
}

/* The version says nothing any more. */
static struct err *drop_version(struct loader *l, struct node *root)
{
	auto_node struct node *version = node_take(root, "version");

	if (!version)
		return NULL;
	version->parent = root;
	version->key = "version";
	if (version->type != NODE_STR)
		return node_err(version,
				"must be a string: write \"%s\" in quotes, or leave it out",
				node_is_scalar(version) && version->text ? version->text : "3");
	keep_warning(l, version, "the attribute is obsolete and ignored");
	return NULL;
}

static struct err *merge_document(struct loader *l, struct node *take_root)
{
	auto_node struct node *root = take_root;
	struct node *base = l->scope->root;
	struct err *errors;

	if (root->type == NODE_NULL && l->scope->parent == NULL)
		return node_err(root, "a Compose file is a mapping with 'services', not nothing");
	if (root->type != NODE_MAP)
		return node_err(root, "a Compose file is a mapping with 'services'");
	TRY(include_apply(l, root));
	TRY(extends_apply(l, root));
	tags_apply(base, root);
	tags_strip(root);
	errors = drop_version(l, root);
	base->source = root->source;
	errors = err_join(errors, attr_merge(project_attrs, base, steal(&root)));
	return err_join(errors, attr_normalise(l, project_attrs, base));
}

struct err *load_merge(struct loader *l, struct document_list *documents)
{
	for (size_t i = 0; i < documents->n; i++)
		TRY(merge_document(l, steal(&documents->items[i])));
	return NULL;
}

struct err *load_complete(struct loader *l)
{
	TRY(check_values(l->scope->root));
	finish_environment(l, l->scope->root);
	return NULL;
}

/* ---- the name ---- */

struct err *compose_name_check(const char *name)
{
	const char *allowed = "abcdefghijklmnopqrstuvwxyz0123456789_-";

	if (*name && *name != '_' && *name != '-' && strspn(name, allowed) == strlen(name))
		return NULL;
	return err_new(EINVAL,
		       "project name '%s' must be lower-case letters, digits, _ "
		       "and -, and begin with a letter or digit",
		       name);
}

/* Lower case, without what a name may not have. */
static char *make_name(const char *s)
{
	char *name = mem_alloc(strlen(s) + 1);
	size_t n = 0;

	for (; *s; s++) {
		char c = *s >= 'A' && *s <= 'Z' ? (char)(*s - 'A' + 'a') : *s;
		bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			    (n && (c == '_' || c == '-'));

		if (fits)
			name[n++] = c;
	}
	return name;
}

/* The last file that has a name gives it. */
static const char *name_in(struct loader *l, struct document_list *files, size_t n)
{
	const char *name = NULL;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < files[i].n; k++) {
			struct node *found = node_get(files[i].items[k], "name");

			if (!found || found->type != NODE_STR)
				continue;
			auto_node struct node *copy = node_copy(found);
			auto_err struct err *e = load_interpolate(l, copy); /* said again later */

			if (!e && *copy->text)
				name = keep_str(l, copy->text);
		}
	return name;
}

static struct err *choose_name(struct loader *l, struct document_list *files, size_t n)
{
	struct scope *s = l->scope;
	const char *given =
		l->options->name ? l->options->name : env_get(s->env, "COMPOSE_PROJECT_NAME");
	const char *in_file = name_in(l, files, n);
	auto_free char *name = NULL;

	if (given && *given) {
		TRY(compose_name_check(given));
		name = mem_strdup(given);
	} else {
		name = in_file ? make_name(in_file) : mem_strdup("");
		if (!*name) {
			free(name);
			name = make_name(strrchr(s->dir, '/') + 1);
		}
		if (!*name)
			return err_new(EINVAL,
				       "no project name can be made of '%s'; give one with -p",
				       in_file ? in_file : s->dir);
	}
	auto_free char *assignment = mem_printf("COMPOSE_PROJECT_NAME=%s", name);

	env_set(&s->env, assignment);
	l->owner->p.name = keep_str(l, name);
	return NULL;
}

/* ---- where the files are ---- */

static bool is_true(const char *text)
{
	return text && str_one_of(text, (const char *const[]) { "1", "t", "T", "true", "TRUE",
								"True", NULL });
}

/* .env of a directory, unless other files are named. */
static struct err *read_dotenv(struct loader *l, const char *dir)
{
	char *const *files = l->options->env_files;
	auto_free char *path = mem_printf("%s/.env", strcmp(dir, "/") == 0 ? "" : dir);
	char *own[] = { path, NULL };
	const char *named = env_get(l->options->environ, "COMPOSE_ENV_FILES");
	auto_strv char **from_env = named ? str_split(named, ",") : NULL;

	if (files && *files)
		return load_env(l, l->scope, files, true);
	if (from_env)
		return load_env(l, l->scope, from_env, true);
	if (is_true(env_get(l->options->environ, "COMPOSE_DISABLE_ENV_FILE")))
		return NULL;
	return load_env(l, l->scope, own, false);
}

static char *directory_of(const char *path)
{
	char *dir = mem_strdup(path);
	char *slash = strrchr(dir, '/');

	slash[slash == dir] = '\0';
	return dir;
}

static struct err *find_files(struct loader *l, const char *start, char ***ret)
{
	const char *separator = env_get(l->scope->env, "COMPOSE_PATH_SEPARATOR");
	const char *named = env_get(l->scope->env, "COMPOSE_FILE");

	if (l->options->files && *l->options->files)
		*ret = strv_dup(l->options->files);
	else if (named && *named)
		*ret = str_split(named, separator && *separator ? separator : ":");
	else
		TRY(err_wrap(project_find_files(start, ret), "project"));
	return NULL;
}

/*
 * The files as they are shown, the project directory and the environment. .env
 * may name the files, and the files' directory may have another .env.
 */
static struct err *choose_files(struct loader *l)
{
	const struct compose_options *o = l->options;
	struct compose_project *p = &l->owner->p;
	struct scope *s = l->scope;
	auto_free char *cwd = getcwd(NULL, 0);
	const char *first = o->files && *o->files && strcmp(*o->files, "-") != 0 ? *o->files : NULL;

	if (!cwd)
		return err_errno("current directory");
	auto_free char *start =
		o->project_dir ? load_path_from(l, cwd, o->project_dir) : mem_strdup(cwd);
	auto_free char *file = first ? load_path_from(l, cwd, first) : NULL;
	auto_free char *before = o->project_dir || !first ? mem_strdup(start) : directory_of(file);

	TRY(read_dotenv(l, before));
	TRY(find_files(l, start, &p->files));
	if (o->project_dir || strcmp(p->files[0], "-") == 0) {
		s->dir = keep_str(l, start);
	} else {
		auto_free char *absolute = load_path_from(l, cwd, p->files[0]);
		auto_free char *dir = directory_of(absolute);

		s->dir = keep_str(l, dir);
	}
	p->dir = s->dir;
	auto_free char *main_file = load_path_from(l, cwd, p->files[0]);

	s->file = keep_str(l, main_file);
	return strcmp(before, s->dir) == 0 ? NULL : read_dotenv(l, s->dir);
}

/* ---- the load ---- */

static struct err *merge_files(struct loader *l, struct document_list *files, size_t n)
{
	struct err *errors = NULL;

	TRY(choose_name(l, files, n));
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < files[i].n; k++)
			errors = err_join(errors, load_interpolate(l, files[i].items[k]));
		errors = err_join(errors, load_merge(l, &files[i]));
	}
	TRY(errors);
	return load_complete(l);
}

/* A file may be empty, or hold nothing but comments, when another one is not. */
static struct err *check_content(const struct loader *l, const struct document_list *files,
				 size_t n)
{
	size_t documents = 0;

	for (size_t i = 0; i < n; i++)
		documents += files[i].n;
	return documents ? NULL : err_new(EINVAL, "%s: the file is empty", l->owner->p.files[0]);
}

static struct err *read_sources(struct loader *l)
{
	char **paths = l->owner->p.files;
	size_t n = l->options->text ? 1 : strv_len(paths);
	auto_free struct document_list *files = mem_alloc(n * sizeof(*files));
	struct err *errors = NULL;

	for (size_t i = 0; i < n; i++)
		errors = err_join(errors, load_parse(l, paths[i], l->scope->dir, &files[i]));
	if (!errors)
		errors = check_content(l, files, n);
	if (!errors)
		errors = merge_files(l, files, n);
	for (size_t i = 0; i < n; i++)
		load_clear(&files[i]);
	return errors;
}

/* Who lists them later is in another directory. Messages have the names that were given. */
static struct err *make_absolute(const struct loader *l)
{
	auto_free char *cwd = getcwd(NULL, 0);

	if (!cwd)
		return err_errno("current directory");
	for (char **f = l->owner->p.files; *f && !l->options->text; f++) {
		char *given = *f;

		if (strcmp(given, "-") == 0)
			continue;
		*f = load_path_from(l, cwd, given);
		free(given);
	}
	return NULL;
}

static struct err *load(struct loader *l)
{
	const struct compose_options *o = l->options;
	struct node *root = l->scope->root;
	auto_node struct node *off = NULL;

	TRY(choose_files(l));
	TRY(read_sources(l));
	TRY(make_absolute(l));
	TRY(finish_project(l, root));
	select_profiles(l, root, &off);
	if (!o->no_consistency)
		TRY(check_project(root, off));
	TRY(read_files(l, root));
	TRY(select_services(l, root, off));
	if (!o->all_resources && !o->no_interpolate) /* whose names may be variables */
		select_resources(root);
	TRY(read_project(l, root));
	for (char **m = l->missing; m && *m; m++)
		strv_add(&l->owner->p.warnings,
			 mem_printf("the variable %s is not set; it becomes an empty string", *m));
	return NULL;
}

struct err *compose_load(const struct compose_options *o, struct compose_project **ret)
{
	struct project *owner = mem_alloc(sizeof(*owner));
	struct scope scope = { .env = strv_dup(o->environ) };
	struct loader l = { .options = o, .owner = owner, .scope = &scope };

	owner->raw = o->no_interpolate;
	scope.root = owner->root = node_new(NODE_MAP, NULL);
	struct err *e = load(&l);

	owner->p.environment = scope.env;
	strv_free(l.missing);
	if (e) {
		compose_free(&owner->p);
		return e;
	}
	*ret = &owner->p;
	return NULL;
}

void compose_free(struct compose_project *p)
{
	struct project *owner = (struct project *)p;

	if (!p)
		return;
	strv_free(p->files);
	strv_free(p->warnings);
	strv_free(p->environment);
	node_free(owner->root);
	keep_free(owner->keep);
	free(owner);
}

void compose_cleanup(struct compose_project **p)
{
	compose_free(*p);
}
