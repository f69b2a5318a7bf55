/* SPDX-License-Identifier: Apache-2.0 */
/* compose/load.c - from files to a project. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "compose/kinds.h"

/* ---- memory that lives as long as the project ---- */

struct keep {
	struct keep *next;
	char **strv; /* freed with its strings */
	max_align_t data[];
};

void *keep_alloc(struct loader *l, size_t size)
{
	struct keep *k = mem_alloc(sizeof(*k) + size);

	k->next = l->owner->keep;
	l->owner->keep = k;
	return k->data;
}

char *keep_str(struct loader *l, const char *s)
{
	return strcpy(keep_alloc(l, strlen(s) + 1), s); /* NOLINT: the room was made for it */
}

char *keep_printf(struct loader *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	auto_free char *s = mem_vprintf(fmt, ap);
	va_end(ap);
	return keep_str(l, s);
}

char **keep_strv(struct loader *l, char **take_v)
{
	keep_alloc(l, 0);
	l->owner->keep->strv = take_v;
	return take_v;
}

void keep_free(struct keep *k)
{
	while (k) {
		struct keep *next = k->next;

		strv_free(k->strv);
		free(k);
		k = next;
	}
}

void keep_warning(struct loader *l, const struct node *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	auto_free char *what = mem_vprintf(fmt, ap);
	va_end(ap);
	auto_err struct err *e = node_err(at, "%s", what);

	strv_add(&l->owner->p.warnings, mem_strdup(err_text(e)));
}

void keep_place(struct loader *l, const struct node *at, struct compose_place *ret)
{
	auto_free char *path = node_path(at);

	*ret = (struct compose_place) { at->file, at->line, at->column, keep_str(l, path) };
}

struct err *compose_err(const struct compose_place *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	auto_free char *what = mem_vprintf(fmt, ap);
	va_end(ap);
	return err_new(EINVAL, "%s:%u:%u: %s: %s", at->file, at->line, at->column, at->path, what);
}

/* ---- paths and variables ---- */

/* "." and ".." and doubled slashes taken out, without asking the file system. */
static char *clean_path(const char *path)
{
	auto_strv char **parts = str_split(path, "/");
	auto_strv char **kept = NULL;

	for (char **p = parts; p && *p; p++) {
		size_t n = strv_len(kept);

		if (strcmp(*p, ".") == 0)
			continue;
		if (strcmp(*p, "..") != 0) {
			strv_add(&kept, mem_strdup(*p));
		} else if (n) {
			free(kept[n - 1]);
			kept[n - 1] = NULL;
		}
	}
	auto_free char *joined = strv_join(kept, "/");
	return mem_printf("/%s", joined);
}

char *load_path(const struct loader *l, const char *path)
{
	const char *home =
		*path == '~' && (!path[1] || path[1] == '/') ? env_get(l->env, "HOME") : NULL;
	auto_free char *whole = home	       ? mem_printf("%s/%s", home, path + 1)
				: *path == '/' ? mem_strdup(path)
					       : mem_printf("%s/%s", l->dir, path);

	return clean_path(whole);
}

static const char *look(const void *ctx, const char *name)
{
	const struct loader *l = ctx;

	return env_get(l->env, name);
}

static struct err *interpolate_tree(const struct lookup *l, struct node *n)
{
	char *text = NULL;
	struct err *errors = NULL;

	if (n->type == NODE_STR && strchr(n->text, '$')) {
		auto_err struct err *e = interpolate(n->text, l, &text);

		if (e)
			return node_err(n, "%s", err_text(e));
		free(n->text);
		n->text = text;
	}
	for (size_t i = 0; i < n->n; i++)
		errors = err_join(errors, interpolate_tree(l, n->items[i]));
	return errors;
}

static struct err *read_env_file(struct loader *l, const char *path, bool required)
{
	auto_free char *text = NULL;
	struct lookup outer = { look, l, &l->missing };
	auto_strv char **env = NULL;
	auto_err struct err *e = fd_read_file(AT_FDCWD, path, FILE_SIZE_MAX, &text);

	if (e && !required && (err_code(e) == ENOENT || err_code(e) == EISDIR))
		return NULL;
	if (e)
		return err_new(err_code(e), "env file: %s", err_text(e));
	TRY(dotenv_parse(path, text, &outer, &env));
	for (char **p = env; p && *p; p++) {
		auto_free char *key = mem_strndup(*p, strcspn(*p, "="));

		/* the process's own environment wins; of several files the later one */
		if (!env_get(l->options->environ, key))
			env_set(&l->env, *p);
	}
	return NULL;
}

/* ---- merging files into one tree ---- */

/*
 * "!reset" takes a key out of @over and of what was merged before, "!override"
 * out of the latter only. On an item of a list they mean nothing.
 */
static void apply_tags(struct node *base, struct node *over)
{
	for (size_t i = over->n; i > 0; i--) {
		struct node *item = over->items[i - 1];
		const char *key = over->type == NODE_MAP ? over->keys[i - 1] : NULL;
		struct node *old = key ? node_get(base, key) : NULL;

		if (key && item->tag && old) {
			node_free(node_take(base, key));
			old = NULL;
		}
		if (key && item->tag && strcmp(item->tag, "!reset") == 0)
			node_remove_item(over, i - 1);
		else
			apply_tags(old, item);
	}
}

static struct err *merge_group(const struct loader *l, const char *group, const struct attr *table,
			       struct node *over)
{
	struct node *base = node_get(l->root, group);
	struct err *errors = NULL;

	if (over->type == NODE_NULL && strcmp(group, "services") != 0)
		return NULL;
	if (over->type != NODE_MAP)
		return node_err(over, "must be a mapping");
	if (!base) {
		base = node_new(NODE_MAP, over);
		node_set(l->root, group, base);
	}
	for (size_t i = 0; i < over->n; i++) {
		struct node **item = &over->items[i];

		if ((*item)->type == NODE_NULL && table != service_attrs)
			(*item)->type = NODE_MAP;
		struct err *e = attr_normalise(l, table, *item);

		if (e) {
			errors = err_join(errors, e);
			continue;
		}
		struct node *old = node_get(base, over->keys[i]);

		if (!old) {
			old = node_new(NODE_MAP, *item);
			node_set(base, over->keys[i], old);
		}
		errors = err_join(errors, attr_merge(table, old, steal(item)));
	}
	return errors;
}

static struct err *merge_root(struct loader *l, struct node *root)
{
	struct err *errors = NULL;

	if (root->type != NODE_MAP)
		return node_err(root, "a Compose file is a mapping with 'services'");
	apply_tags(l->root, root);
	TRY(attr_normalise(l, project_attrs, root));
	for (size_t i = 0; i < root->n; i++) {
		const char *key = root->keys[i];
		struct node **value = &root->items[i];

		if (strcmp(key, "services") == 0)
			errors = err_join(errors, merge_group(l, key, service_attrs, *value));
		else if (strcmp(key, "volumes") == 0)
			errors = err_join(errors, merge_group(l, key, volume_attrs, *value));
		else if (strcmp(key, "networks") == 0)
			errors = err_join(errors, merge_group(l, key, network_attrs, *value));
		else if (strcmp(key, "version") == 0)
			keep_warning(l, *value, "the attribute is obsolete and ignored");
		else if ((*value)->type != NODE_NULL)
			node_set(l->root, key, steal(value));
	}
	return errors;
}

static struct err *read_text(const char *path, char **ret, size_t *ret_len)
{
	auto_fd int fd = -1;

	if (strcmp(path, "-") == 0)
		return err_wrap(fd_read_all(STDIN_FILENO, FILE_SIZE_MAX, ret, ret_len),
				"standard input");
	TRY(fd_openat(AT_FDCWD, path, O_RDONLY | O_NOCTTY, &fd));
	return err_wrap(fd_read_all(fd, FILE_SIZE_MAX, ret, ret_len), "%s", path);
}

static struct err *merge_file(struct loader *l, const char *path)
{
	const char *name = keep_str(l, strcmp(path, "-") == 0 ? "<stdin>" : path);
	struct lookup vars = { look, l, &l->missing };
	auto_free char *text = NULL;
	struct node **documents = NULL;
	struct err *errors = NULL;
	size_t len = 0, n = 0;

	TRY(read_text(path, &text, &len));
	TRY(yaml_read(name, text, len, &documents, &n));
	if (n == 0)
		errors = err_new(EINVAL, "%s: the file is empty", name);
	for (size_t i = 0; i < n; i++) {
		if (!errors)
			errors = interpolate_tree(&vars, documents[i]);
		if (!errors)
			errors = merge_root(l, documents[i]);
		node_free(documents[i]);
	}
	free(documents);
	return errors;
}

/* ---- names ---- */

static bool is_name(const char *s)
{
	const char *allowed = "abcdefghijklmnopqrstuvwxyz0123456789_-";

	return *s && *s != '_' && *s != '-' && strspn(s, allowed) == strlen(s);
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

static struct err *choose_name(struct loader *l)
{
	const char *given =
		l->options->name ? l->options->name : env_get(l->env, "COMPOSE_PROJECT_NAME");
	const struct node *in_file = node_get(l->root, "name");
	const char *from = in_file ? in_file->text : strrchr(l->dir, '/') + 1;

	if (given && *given) {
		if (!is_name(given))
			return err_new(EINVAL,
				       "project name '%s' must be lower-case letters, digits, _ "
				       "and -, and begin with a letter or digit",
				       given);
		l->owner->p.name = keep_str(l, given);
		return NULL;
	}
	auto_free char *name = make_name(from);

	if (!*name)
		return err_new(EINVAL, "no project name can be made of '%s'; give one with -p",
			       from);
	l->owner->p.name = keep_str(l, name);
	return NULL;
}

/* ---- from the tree to the model ---- */

static struct err *read_service_env(struct loader *l, const struct node *n,
				    struct compose_service *s)
{
	const struct node *files = node_get(n, "env_file");
	struct lookup outer = { look, l, &l->missing };
	char **env = NULL;

	for (size_t i = 0; files && i < files->n; i++) {
		const struct node *path = node_get(files->items[i], "path");
		const struct node *required = node_get(files->items[i], "required");
		auto_free char *text = NULL;
		auto_err struct err *e = fd_read_file(AT_FDCWD, path->text, FILE_SIZE_MAX, &text);

		if (err_code(e) == ENOENT && required && strcmp(required->text, "false") == 0)
			continue;
		if (!e)
			e = dotenv_parse(path->text, text, &outer, &env);
		if (e) {
			strv_free(env);
			return node_err(path, "%s", err_text(e));
		}
	}
	for (char **p = s->environment; p && *p; p++)
		env_set(&env, *p);
	s->environment = keep_strv(l, env);
	return NULL;
}

/* It becomes the name of files and groups. */
static bool is_service_name(const char *s)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	return strlen(s) <= 200 && strspn(s, allowed) == strlen(s) && strspn(s, ".") != strlen(s);
}

static struct err *read_service(struct loader *l, const struct node *n, struct compose_service *s)
{
	s->name = n->key;
	keep_place(l, n, &s->place);
	if (!is_service_name(s->name))
		return node_err(
			n, "'%s' is not a service name: letters, digits, _ . and -, not only dots",
			s->name);
	TRY(attr_read(l, service_attrs, n, s));
	if (!s->image)
		return node_err(n, "the image is missing");
	return read_service_env(l, n, s);
}

static bool wanted(const struct loader *l, const struct compose_service *s)
{
	if (!s->profiles || strv_has(l->options->services, s->name) ||
	    strv_has(l->options->profiles, "*"))
		return true;
	for (char **p = s->profiles; *p; p++)
		if (strv_has(l->options->profiles, *p))
			return true;
	return false;
}

static bool service_enabled(struct loader *l, const struct node *n)
{
	struct compose_service probe = { .name = n->key };
	const struct node *profiles = node_get(n, "profiles");

	if (profiles && profiles->n)
		err_ignore(kind_list.read(l, service_attrs, profiles, &probe.profiles));
	return wanted(l, &probe);
}

static struct err *read_services(struct loader *l)
{
	const struct node *services = node_get(l->root, "services");
	struct compose_project *p = &l->owner->p;
	struct err *errors = NULL;

	if (!services)
		return err_new(EINVAL, "%s: no 'services'", p->files[0]);
	p->services = keep_alloc(l, services->n * sizeof(*p->services));
	for (size_t i = 0; i < services->n; i++)
		if (service_enabled(l, services->items[i]))
			errors = err_join(errors, read_service(l, services->items[i],
							       &p->services[p->n_services++]));
	return errors;
}

static struct err *read_volume(struct loader *l, const struct node *n, struct compose_volume *v)
{
	const struct node *name = node_get(n, "name"), *external = node_get(n, "external");
	const struct node *driver = node_get(n, "driver");

	v->key = n->key;
	keep_place(l, n, &v->place);
	v->external = external && strcmp(external->text, "true") == 0;
	v->name = name		? name->text
		  : v->external ? n->key
				: keep_printf(l, "%s_%s", l->owner->p.name, n->key);
	if (driver && strcmp(driver->text, "local") != 0)
		return node_err(driver, "the driver '%s' needs a plugin; only local is built in",
				driver->text);
	return attr_read(l, volume_attrs, n, v);
}

static struct err *read_volumes(struct loader *l)
{
	const struct node *volumes = node_get(l->root, "volumes");
	struct compose_project *p = &l->owner->p;
	struct err *errors = NULL;

	if (!volumes)
		return NULL;
	p->volumes = keep_alloc(l, volumes->n * sizeof(*p->volumes));
	for (size_t i = 0; i < volumes->n; i++)
		errors = err_join(errors,
				  read_volume(l, volumes->items[i], &p->volumes[p->n_volumes++]));
	return errors;
}

static struct err *check_networks(const struct loader *l)
{
	const struct node *networks = node_get(l->root, "networks");
	struct err *errors = NULL;

	for (size_t i = 0; networks && i < networks->n; i++) {
		const struct node *driver = node_get(networks->items[i], "driver");
		bool known =
			!driver || str_one_of(driver->text,
					      (const char *const[]) { "bridge", "default", NULL });

		if (!known)
			errors = err_join(errors, node_err(driver,
							   "the driver '%s' is not supported: a "
							   "pod has one routed network",
							   driver->text));
	}
	return errors;
}

/* ---- where the files are ---- */

/* The files as they are shown, and the project directory. */
static struct err *choose_files(struct loader *l)
{
	const struct compose_options *o = l->options;
	struct compose_project *p = &l->owner->p;
	auto_free char *cwd = getcwd(NULL, 0);

	if (!cwd)
		return err_errno("current directory");
	l->dir = cwd; /* for load_path() below */
	auto_free char *start = o->project_dir ? load_path(l, o->project_dir) : mem_strdup(cwd);
	auto_free char *first = NULL;

	if (o->files && *o->files)
		p->files = strv_dup(o->files);
	else
		TRY(err_wrap(project_find_files(start, &p->files), "project"));
	if (o->project_dir || strcmp(p->files[0], "-") == 0) {
		first = mem_printf("%s/", start);
	} else {
		auto_free char *absolute = load_path(l, p->files[0]);

		first = steal(&absolute);
	}
	first[strrchr(first, '/') == first ? 1 : strrchr(first, '/') - first] = '\0';
	l->dir = keep_str(l, first);
	p->dir = l->dir;
	return NULL;
}

static struct err *read_environment(struct loader *l)
{
	char *const *files = l->options->env_files;

	l->env = strv_dup(l->options->environ);
	if (!files || !*files) {
		auto_free char *path = mem_printf("%s/.env", l->dir);
		return read_env_file(l, path, false);
	}
	for (; *files; files++)
		TRY(read_env_file(l, *files, true));
	return NULL;
}

static struct err *load(struct loader *l)
{
	struct err *errors = NULL;

	l->env = strv_dup(l->options->environ);
	struct err *e = choose_files(l);

	strv_free(l->env);
	l->env = NULL;
	TRY(e);
	TRY(read_environment(l));
	for (char **f = l->owner->p.files; *f; f++)
		errors = err_join(errors, merge_file(l, *f));
	TRY(errors);
	TRY(choose_name(l));
	node_set(l->root, "name", node_scalar(NODE_STR, l->owner->p.name, l->root));
	errors = read_volumes(l);
	errors = err_join(errors, check_networks(l));
	errors = err_join(errors, read_services(l));
	TRY(errors);
	TRY(project_check(&l->owner->p, l->root, l->options->services));
	project_select(&l->owner->p, l->options->services);
	for (char **m = l->missing; m && *m; m++)
		strv_add(&l->owner->p.warnings,
			 mem_printf("the variable %s is not set; it becomes an empty string", *m));
	return NULL;
}

struct err *compose_load(const struct compose_options *o, struct compose_project **ret)
{
	struct project *owner = mem_alloc(sizeof(*owner));
	struct loader l = { .options = o, .owner = owner };

	l.root = owner->root = node_new(NODE_MAP, NULL);
	struct err *e = load(&l);

	strv_free(l.env);
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
	node_free(owner->root);
	keep_free(owner->keep);
	free(owner);
}

void compose_cleanup(struct compose_project **p)
{
	compose_free(*p);
}
