/* SPDX-License-Identifier: Apache-2.0 */
/* image/store.c - finding, listing and collecting what slipway-fetch put into the store. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "image/internal.h"

enum { REF_MAX = 1 << 20 };

static const char *const folders[] = { STORE_BLOBS, STORE_LAYERS, STORE_KNOWN,
				       STORE_REFS,  STORE_INGEST, STORE_LOCKS };

struct err *image_store_open(const char *root, struct image_store **ret)
{
	auto_image_store struct image_store *s = mem_alloc(sizeof(*s));
	auto_free char *path = mem_printf("%s/store", root);

	s->dir = -1;
	TRY(err_wrap(fd_mkdirs(AT_FDCWD, path, 0700), "image store"));
	s->path = realpath(path, NULL);
	if (!s->path)
		return err_errno("image store: %s", path);
	TRY(err_wrap(fd_openat(AT_FDCWD, s->path, O_RDONLY | O_DIRECTORY, &s->dir), "image store"));
	for (size_t i = 0; i < ARRAY_LEN(folders); i++)
		if (mkdirat(s->dir, folders[i], 0700) < 0 && errno != EEXIST)
			return err_errno("image store: mkdir %s/%s", path, folders[i]);
	*ret = steal(&s);
	return NULL;
}

void image_store_free(struct image_store *s)
{
	if (!s)
		return;
	fd_cleanup(&s->dir);
	free(s->path);
	free(s);
}

void image_store_cleanup(struct image_store **s)
{
	image_store_free(*s);
}

/* The names in one of the store's folders. */
static struct err *names_in(int dir, const char *folder, char ***ret)
{
	auto_fd int fd = -1;

	TRY(fd_openat(dir, folder, O_RDONLY | O_DIRECTORY, &fd));
	return err_wrap(fd_list(fd, ret), "%s", folder);
}

/* ---- reading an image ---- */

static char **keys_of(const json_t *object)
{
	char **v = NULL;
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value) strv_add(&v, mem_strdup(key));
	return v;
}

static char **pairs_of(const json_t *object)
{
	char **v = NULL;
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value) if (json_is_string(value))
		strv_add(&v, mem_printf("%s=%s", key, json_string_value(value)));
	return v;
}

static struct err *copy_str(const json_t *j, const char *path, char **ret)
{
	const char *s = NULL;

	TRY(json_get_str(j, path, &s));
	*ret = s && *s ? mem_strdup(s) : NULL;
	return NULL;
}

static struct err *read_health(const json_t *config, struct image_health *h)
{
	static const struct {
		const char *path;
		size_t offset;
	} times[] = {
		{ "config.Healthcheck.Interval", offsetof(struct image_health, interval) },
		{ "config.Healthcheck.Timeout", offsetof(struct image_health, timeout) },
		{ "config.Healthcheck.StartPeriod", offsetof(struct image_health, start_period) },
		{ "config.Healthcheck.StartInterval",
		  offsetof(struct image_health, start_interval) },
	};

	TRY(json_get_strv(config, "config.Healthcheck.Test", &h->test));
	TRY(json_get_int(config, "config.Healthcheck.Retries", &h->retries));
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		int64_t ns = 0;

		TRY(json_get_int(config, times[i].path, &ns));
		*(int64_t *)((char *)h + times[i].offset) = ns / 1000000;
	}
	return NULL;
}

static struct err *read_config(const struct image_store *s, struct image *i)
{
	auto_free char *key = store_key(i->id);
	auto_free char *path = mem_printf(STORE_BLOBS "/%s", key);
	auto_json json_t *config = NULL;

	TRY(json_read_file(s->dir, path, CONFIG_MAX, &config));
	TRY(copy_str(config, "created", &i->created));
	TRY(copy_str(config, "config.User", &i->user));
	TRY(copy_str(config, "config.WorkingDir", &i->working_dir));
	TRY(copy_str(config, "config.StopSignal", &i->stop_signal));
	TRY(json_get_strv(config, "config.Env", &i->env));
	TRY(json_get_strv(config, "config.Entrypoint", &i->entrypoint));
	TRY(json_get_strv(config, "config.Cmd", &i->cmd));
	i->volumes = keys_of(json_at(config, "config.Volumes"));
	i->exposed = keys_of(json_at(config, "config.ExposedPorts"));
	i->labels = pairs_of(json_at(config, "config.Labels"));
	return read_health(config, &i->health);
}

static struct err *read_layers(const struct image_store *s, const json_t *ref, struct image *i)
{
	auto_strv char **keys = NULL;

	TRY(json_get_strv(ref, "layers", &keys));
	for (char **k = keys; k && *k; k++) {
		char *path = mem_printf("%s/" STORE_LAYERS "/%s/fs", s->path, *k);

		strv_add(&i->layers, path);
		if (strchr(*k, '/') || access(path, F_OK) < 0)
			return err_new(ENOENT, "the layer %s is missing from the store", *k);
	}
	return i->layers ? NULL : err_new(EINVAL, "no layers");
}

static struct err *read_ref(const struct image_store *s, const char *key, struct image **ret)
{
	auto_image struct image *i = mem_alloc(sizeof(*i));
	auto_free char *path = mem_printf(STORE_REFS "/%s", key);
	auto_json json_t *ref = NULL;

	i->lease = -1;
	TRY(fd_lock(s->dir, STORE_GC_LOCK, LOCK_SH, &i->lease));
	TRY(json_read_file(s->dir, path, REF_MAX, &ref));
	TRY(copy_str(ref, "name", &i->name));
	TRY(copy_str(ref, "config", &i->id));
	TRY(copy_str(ref, "manifest", &i->manifest));
	TRY(copy_str(ref, "platform", &i->platform));
	TRY(json_get_int(ref, "size", &i->size));
	TRY(json_get_int(ref, "pulled", &i->pulled));
	if (!i->name || !i->id || !image_is_digest(i->id))
		return err_new(EINVAL, "%s: not understood; pull the image again", path);
	TRY(err_wrap(read_layers(s, ref, i), "image %s", i->name));
	TRY(err_wrap(read_config(s, i), "image %s", i->name));
	*ret = steal(&i);
	return NULL;
}

struct err *image_find(const struct image_store *s, const char *reference, const char *platform,
		       struct image **ret)
{
	auto_image_ref struct image_ref r = { 0 };
	struct image_platform want, have;
	auto_image struct image *i = NULL;

	TRY(image_ref_parse(reference, &r));
	auto_free char *key = store_ref_key(&r);
	auto_free char *name = image_ref_familiar(&r);
	struct err *e = read_ref(s, key, &i);

	/* damaged is as good as missing: pulling it again mends it */
	if (err_code(e) == EINVAL)
		log_warn("%s", err_text(e));
	else if (err_code(e) != ENOENT)
		TRY(e);
	if (e || strcmp(i->name, name) != 0) {
		err_free(e);
		return err_new(ENOENT, "image %s is not here", reference);
	}
	TRY(image_platform_parse(platform, &want));
	TRY(image_platform_parse(i->platform, &have));
	if (!image_platform_match(&want, &have))
		return err_new(ENOENT, "image %s is here only for %s", reference, i->platform);
	*ret = steal(&i);
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct image *const *)a)->name, (*(struct image *const *)b)->name);
}

struct err *image_list(const struct image_store *s, struct image ***ret, size_t *ret_n)
{
	auto_strv char **names = NULL;
	struct image **list = NULL;
	size_t n = 0;

	TRY(names_in(s->dir, STORE_REFS, &names));
	list = mem_alloc((strv_len(names) + 1) * sizeof(struct image *));
	for (char **k = names; k && *k; k++) {
		auto_err struct err *e = read_ref(s, *k, &list[n]);

		if (!e)
			n++;
		else if (err_code(e) != ENOENT)
			log_warn("%s", err_text(e));
	}
	qsort(list, n, sizeof(struct image *), by_name);
	*ret = list;
	*ret_n = n;
	return NULL;
}

struct image *image_share(struct image *i)
{
	i->n_shared++;
	return i;
}

void image_free(struct image *i)
{
	if (!i || i->n_shared-- > 0)
		return;
	char **lists[] = { i->layers,  i->env,	   i->entrypoint, i->cmd,
			   i->volumes, i->exposed, i->labels,	  i->health.test };
	char *texts[] = { i->name,    i->id,   i->manifest,    i->platform,
			  i->created, i->user, i->working_dir, i->stop_signal };

	for (size_t k = 0; k < ARRAY_LEN(lists); k++)
		strv_free(lists[k]);
	for (size_t k = 0; k < ARRAY_LEN(texts); k++)
		free(texts[k]);
	fd_cleanup(&i->lease);
	free(i);
}

void image_release(struct image *i)
{
	fd_close(&i->lease);
}

void image_cleanup(struct image **i)
{
	image_free(*i);
}

struct err *image_remove(const struct image_store *s, const char *reference)
{
	auto_image_ref struct image_ref r = { 0 };

	TRY(image_ref_parse(reference, &r));
	auto_free char *key = store_ref_key(&r);
	auto_free char *path = mem_printf(STORE_REFS "/%s", key);

	if (unlinkat(s->dir, path, 0) < 0)
		return errno == ENOENT ? err_new(ENOENT, "no such image: %s", reference)
				       : err_errno("remove %s", path);
	return NULL;
}

/* ---- collecting ---- */

/* What the references name: layers by key, blobs by key. */
static struct err *collect_used(const struct image_store *s, char ***used)
{
	auto_strv char **refs = NULL;

	TRY(names_in(s->dir, STORE_REFS, &refs));
	for (char **r = refs; r && *r; r++) {
		auto_free char *path = mem_printf(STORE_REFS "/%s", *r);
		auto_json json_t *ref = NULL;
		auto_strv char **layers = NULL;
		const char *config = NULL, *manifest = NULL;
		auto_err struct err *e = json_read_file(s->dir, path, REF_MAX, &ref);

		if (!e)
			e = json_get_strv(ref, "layers", &layers);
		if (!e)
			e = json_get_str(ref, "config", &config);
		if (!e)
			e = json_get_str(ref, "manifest", &manifest);
		if (e && err_code(e) != EINVAL && err_code(e) != ENOENT)
			return steal(&e);
		if (e) /* damaged: nobody can start from it */
			log_warn("%s", err_text(e));
		for (char **l = layers; l && *l; l++)
			strv_add(used, mem_strdup(*l));
		if (config)
			strv_add(used, store_key(config));
		if (manifest)
			strv_add(used, store_key(manifest));
	}
	return NULL;
}

/* By way of ingest: a layer that is half gone must not be taken for a whole one. */
static struct err *remove_whole(const struct image_store *s, const char *path, const char *name)
{
	auto_free char *aside = mem_printf(STORE_INGEST "/%s", name);

	if (strcmp(path, aside) != 0 && renameat(s->dir, path, s->dir, aside) < 0)
		return err_errno("remove %s", path);
	return fd_remove_tree(s->dir, aside);
}

static struct err *collect_folder(const struct image_store *s, const char *folder,
				  char *const *used, bool dry_run, char ***ret_removed)
{
	auto_strv char **names = NULL;

	TRY(names_in(s->dir, folder, &names));
	for (char **n = names; n && *n; n++) {
		if (strv_has(used, *n))
			continue;
		auto_free char *path = mem_printf("%s/%s", folder, *n);

		if (!dry_run)
			TRY(remove_whole(s, path, *n));
		strv_add(ret_removed, steal(&path));
	}
	return NULL;
}

/* Nobody holds them: whoever pulls holds the gc lock as well. */
static struct err *collect_locks(const struct image_store *s)
{
	auto_strv char **names = NULL;

	TRY(names_in(s->dir, STORE_LOCKS, &names));
	for (char **n = names; n && *n; n++) {
		auto_free char *path = mem_printf(STORE_LOCKS "/%s", *n);

		if (strcmp(path, STORE_GC_LOCK) != 0)
			TRY(fd_remove_tree(s->dir, path));
	}
	return NULL;
}

/* Which compressed blob has which diffID: worth nothing once the layer is gone. */
static struct err *collect_known(const struct image_store *s, char *const *used, bool dry_run)
{
	auto_strv char **names = NULL;

	TRY(names_in(s->dir, STORE_KNOWN, &names));
	for (char **n = names; n && *n && !dry_run; n++) {
		auto_free char *path = mem_printf(STORE_KNOWN "/%s", *n);
		auto_free char *diff = NULL;

		TRY(fd_read_file(s->dir, path, 256, &diff));
		auto_free char *key = store_key(diff);

		if (!strv_has(used, key))
			TRY(fd_remove_tree(s->dir, path));
	}
	return NULL;
}

/* ".../layers/KEY/fs" to KEY. */
static char *layer_key(const char *path)
{
	const char *folder = strstr(path, "/" STORE_LAYERS "/");
	const char *key = folder ? folder + strlen("/" STORE_LAYERS "/") : path;

	return mem_strndup(key, strcspn(key, "/"));
}

struct err *image_sweep(const struct image_store *s)
{
	auto_strv char **removed = NULL;
	auto_fd int lock = -1;
	auto_err struct err *busy = fd_lock(s->dir, STORE_GC_LOCK, LOCK_EX | LOCK_NB, &lock);

	if (err_code(busy) == EWOULDBLOCK)
		return NULL; /* it may be somebody's who is at it */
	TRY(steal(&busy));
	return collect_folder(s, STORE_INGEST, NULL, false, &removed);
}

struct err *image_gc(const struct image_store *s, char *const *in_use, bool dry_run,
		     char ***ret_removed)
{
	auto_strv char **used = NULL;
	auto_fd int lock = -1;
	auto_err struct err *busy = fd_lock(s->dir, STORE_GC_LOCK, LOCK_EX | LOCK_NB, &lock);

	if (err_code(busy) == EWOULDBLOCK)
		return NULL; /* somebody pulls or starts: next time */
	TRY(steal(&busy));
	for (; in_use && *in_use; in_use++)
		strv_add(&used, layer_key(*in_use));
	TRY(collect_used(s, &used));
	TRY(collect_folder(s, STORE_INGEST, NULL, dry_run, ret_removed));
	TRY(collect_folder(s, STORE_LAYERS, used, dry_run, ret_removed));
	TRY(collect_folder(s, STORE_BLOBS, used, dry_run, ret_removed));
	if (!dry_run)
		TRY(collect_locks(s));
	return collect_known(s, used, dry_run);
}
