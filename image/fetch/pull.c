/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image/fetch/pull.c - several images at once: resolve, fetch layers in parallel, publish.
 *
 * A layer is unpacked in ingest/ under a lock of its own, so that two processes
 * never fetch the same one. What was verified is flushed with one syncfs and
 * renamed; the reference is written last, and only then is the image there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "image/fetch/fetch.h"

struct session {
	int store;
	struct progress *progress;
	struct pull *pulls;
	size_t n_pulls;
	struct layer **queue; /* to be fetched; each diffID once */
	size_t n_queue;
	_Atomic size_t next;
	_Atomic int busy; /* workers */
	_Atomic bool failed;
};

static bool exists(int store, const char *folder, const char *key)
{
	auto_free char *path = mem_printf("%s/%s", folder, key);

	return faccessat(store, path, F_OK, 0) == 0;
}

/* ---- one layer ---- */

/* The key under which the store has the layer, or NULL. */
static char *stored_key(int store, const struct layer *l)
{
	const char *const ids[] = { l->diff, l->chain };

	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		auto_free char *key = store_key(ids[i]);

		if (exists(store, STORE_LAYERS, key))
			return steal(&key);
	}
	return NULL;
}

struct stream {
	struct source *source;
};

static struct err *read_source(void *ctx, const void **data, size_t *len)
{
	return source_read(((struct stream *)ctx)->source, data, len);
}

/* The decoder, with the tar's digest taken on the way. */
struct hashed {
	struct decoder *inner;
	struct digest hash;
};

static struct err *read_hashed(void *ctx, const void **data, size_t *len)
{
	struct hashed *h = ctx;

	TRY(decoder_read(h->inner, data, len));
	digest_add(&h->hash, *data, *len);
	return NULL;
}

/* Through: registry, blob digest, inflate, diffID, tar, disk. */
static struct err *fetch_into(struct layer *l, int fs)
{
	struct stream stream = { NULL };
	struct hashed hashed = { .inner = NULL };
	struct err *e = source_open(l->repo, l->blob, l->size, l->item, &stream.source);

	if (!e)
		e = decoder_open(read_source, &stream, &hashed.inner);
	if (!e)
		e = digest_start(l->diff, &hashed.hash);
	if (!e)
		e = unpack(read_hashed, &hashed, fs, &l->notes);
	if (!e) { /* what stands behind the last compressed member belongs to the blob's digest */
		const void *rest;
		size_t len = 1;

		while (!e && len)
			e = source_read(stream.source, &rest, &len);
	}
	if (!e) {
		auto_free char *actual = digest_end(&hashed.hash);

		if (strcmp(actual, l->diff) != 0)
			e = err_new(EBADMSG,
				    "digest mismatch: unpacked it is %s, the configuration says %s",
				    actual, l->diff);
	}
	EVP_MD_CTX_free(hashed.hash.ctx);
	decoder_free(hashed.inner);
	source_free(stream.source);
	return e;
}

static struct err *fetch_layer(const struct session *s, struct layer *l)
{
	auto_free char *key = store_key(l->diff);
	auto_free char *lock = mem_printf(STORE_LOCKS "/%s", key);
	auto_free char *ingest = mem_printf(STORE_INGEST "/%s", key);
	auto_free char *fs_path = mem_printf("%s/fs", ingest);
	auto_fd int fs = -1;

	atomic_store(&l->item->state, "waiting");
	TRY(fd_lock(s->store, lock, LOCK_EX, &l->lock));
	l->key = stored_key(s->store, l);
	if (l->key) { /* another process was quicker */
		atomic_store(&l->item->state, "already here");
		return NULL;
	}
	atomic_store(&l->item->state, "downloading");
	TRY(fd_remove_tree(s->store, ingest)); /* what an interrupted pull left */
	TRY(fd_mkdirs(s->store, fs_path, 0755));
	TRY(fd_openat(s->store, fs_path, O_RDONLY | O_DIRECTORY, &fs));
	struct err *e = fetch_into(l, fs);

	if (e) {
		err_ignore(fd_remove_tree(s->store, ingest));
		return e;
	}
	l->ready = true;
	atomic_store(&l->item->state, "unpacked");
	return NULL;
}

static void *worker(void *arg)
{
	struct session *s = arg;

	for (;;) {
		size_t i = atomic_fetch_add(&s->next, 1);

		if (i >= s->n_queue || atomic_load(&s->failed))
			break;
		struct layer *l = s->queue[i];

		l->error = err_wrap(fetch_layer(s, l), "layer %.19s", l->blob);
		if (l->error) {
			atomic_store(&s->failed, true);
			atomic_store(&l->item->state, "failed");
		}
	}
	atomic_fetch_sub(&s->busy, 1);
	return NULL;
}

static struct err *fetch_queue(struct session *s)
{
	pthread_t threads[WORKERS];
	size_t n = s->n_queue < WORKERS ? s->n_queue : WORKERS;
	struct timespec pause = { 0, 20000000 };
	struct err *errors = NULL;

	atomic_store(&s->busy, (int)n);
	for (size_t i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, worker, s) != 0)
			return err_new(EAGAIN, "cannot start a thread");
	while (atomic_load(&s->busy) > 0) {
		progress_show(s->progress, false);
		nanosleep(&pause, NULL);
	}
	for (size_t i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < s->n_queue; i++)
		errors = err_join(errors, steal(&s->queue[i]->error));
	return errors;
}

/* ---- publishing ---- */

static bool leans_on_lower(const struct layer *l)
{
	return l->notes.implied || l->notes.links;
}

/* Descriptors of the layers below @index, the nearest first. */
static struct err *open_lower(const struct session *s, const struct pull *p, size_t index, int *fds)
{
	for (size_t i = 0; i < index; i++) {
		const struct layer *l = &p->layers[index - 1 - i];
		auto_free char *ingest = store_key(l->diff);
		auto_free char *path = l->key ? mem_printf(STORE_LAYERS "/%s/fs", l->key)
					      : mem_printf(STORE_INGEST "/%s/fs", ingest);

		TRY(fd_openat(s->store, path, O_PATH | O_DIRECTORY, &fds[i]));
	}
	return NULL;
}

static struct err *fix_layer(const struct session *s, const struct pull *p, size_t index)
{
	const struct layer *l = &p->layers[index];
	auto_free char *key = store_key(l->diff);
	auto_free char *path = mem_printf(STORE_INGEST "/%s/fs", key);
	auto_free int *fds = mem_alloc((index + 1) * sizeof(int));
	auto_fd int fs = -1;

	memset(fds, -1, (index + 1) * sizeof(int));
	struct err *e = fd_openat(s->store, path, O_RDONLY | O_DIRECTORY, &fs);

	if (!e)
		e = open_lower(s, p, index, fds);
	if (!e)
		e = unpack_fixup(fs, &l->notes, fds, index);
	for (size_t i = 0; i < index; i++)
		fd_cleanup(&fds[i]);
	return e;
}

static struct err *write_meta(const struct session *s, const struct layer *l)
{
	auto_free char *key = store_key(l->diff);
	auto_free char *path = mem_printf(STORE_INGEST "/%s/meta", key);
	auto_json json_t *meta = json_object();

	json_put_str(meta, "diff", l->diff);
	json_put_str(meta, "blob", l->blob);
	json_put_int(meta, "size", l->size);
	json_put_bool(meta, "opaque_root", l->notes.opaque_root);
	auto_free char *text = json_text(meta, 2);

	return fd_replace_file(s->store, path, text, 0600);
}

static struct err *rename_layer(const struct session *s, struct layer *l)
{
	auto_free char *ingest = store_key(l->diff);
	auto_free char *from = mem_printf(STORE_INGEST "/%s", ingest);
	auto_free char *key = store_key(leans_on_lower(l) ? l->chain : l->diff);
	auto_free char *to = mem_printf(STORE_LAYERS "/%s", key);

	if (renameat(s->store, from, s->store, to) < 0)
		return err_errno("publish layer %.19s", l->diff);
	l->key = steal(&key);
	l->ready = false;
	auto_free char *blob = store_key(l->blob);
	auto_free char *known = mem_printf(STORE_KNOWN "/%s", blob);

	return fd_replace_file(s->store, known, l->diff, 0600);
}

static struct err *sync_folder(const struct session *s, const char *folder)
{
	auto_fd int fd = -1;

	TRY(fd_openat(s->store, folder, O_RDONLY | O_DIRECTORY, &fd));
	return fsync(fd) < 0 ? err_errno("fsync %s", folder) : NULL;
}

/* All that is verified goes to disk with one flush, and only then gets its name. */
static struct err *publish_layers(const struct session *s)
{
	bool any = false;

	for (size_t i = 0; i < s->n_pulls; i++)
		for (size_t k = 0; k < s->pulls[i].n_layers; k++) {
			const struct layer *l = &s->pulls[i].layers[k];

			if (!l->ready)
				continue;
			if (leans_on_lower(l))
				TRY(err_wrap(fix_layer(s, &s->pulls[i], k), "layer %.19s",
					     l->blob));
			TRY(write_meta(s, l));
			any = true;
		}
	if (!any)
		return NULL;
	if (syncfs(s->store) < 0)
		return err_errno("flush the store to disk");
	for (size_t i = 0; i < s->n_pulls; i++)
		for (size_t k = 0; k < s->pulls[i].n_layers; k++)
			if (s->pulls[i].layers[k].ready)
				TRY(rename_layer(s, &s->pulls[i].layers[k]));
	return sync_folder(s, STORE_LAYERS);
}

static struct err *write_blob(const struct session *s, const char *digest, const char *text)
{
	auto_free char *key = store_key(digest);
	auto_free char *path = mem_printf(STORE_BLOBS "/%s", key);

	return fd_replace_file(s->store, path, text, 0600);
}

/* The layers of the image, without those that an opaque root hides. */
static struct err *layer_keys(const struct session *s, struct pull *p, json_t *list)
{
	for (size_t i = 0; i < p->n_layers; i++) {
		struct layer *l = &p->layers[i];
		auto_json json_t *meta = NULL;
		bool opaque = false;

		if (!l->key)
			l->key = stored_key(s->store, l);
		if (!l->key)
			return err_new(ENOENT, "layer %s has vanished from the store", l->diff);
		auto_free char *path = mem_printf(STORE_LAYERS "/%s/meta", l->key);

		TRY(json_read_file(s->store, path, MANIFEST_MAX, &meta));
		TRY(json_get_bool(meta, "opaque_root", &opaque));
		if (opaque)
			json_array_clear(list);
		json_array_append_new(list, json_string(l->key));
	}
	return NULL;
}

static struct err *publish_image(const struct session *s, struct pull *p)
{
	auto_free char *familiar = image_ref_familiar(&p->ref);
	auto_free char *key = store_ref_key(&p->ref);
	auto_free char *path = mem_printf(STORE_REFS "/%s", key);
	auto_json json_t *ref = json_object();
	json_t *layers = json_array();
	int64_t size = 0;

	for (size_t i = 0; i < p->n_layers; i++)
		size += p->layers[i].size;
	json_put_str(ref, "name", familiar);
	json_put_str(ref, "manifest", p->manifest);
	json_put_str(ref, "config", p->config);
	json_put_str(ref, "platform", p->platform);
	json_put_int(ref, "size", size);
	json_put_int(ref, "pulled", time(NULL));
	json_object_set_new(ref, "layers", layers);
	TRY(layer_keys(s, p, layers));
	TRY(write_blob(s, p->manifest, p->manifest_text));
	TRY(write_blob(s, p->config, p->config_text));
	/* whatever the reference names is on disk before the reference is */
	if (syncfs(s->store) < 0)
		return err_errno("flush the store to disk");
	auto_free char *text = json_text(ref, 2);

	TRY(fd_replace_file(s->store, path, text, 0600));
	TRY(sync_folder(s, STORE_REFS));
	progress_message(s->progress, "%s: pulled %s", p->name, p->manifest);
	return NULL;
}

/* ---- the whole ---- */

static bool is_here(const struct session *s, const struct fetch_options *o, const struct pull *p)
{
	auto_free char *key = store_ref_key(&p->ref);

	if (o->always || !exists(s->store, STORE_REFS, key))
		return false;
	auto_free char *path = mem_printf(STORE_REFS "/%s", key);
	auto_json json_t *ref = NULL;
	auto_strv char **layers = NULL;
	struct image_platform want, have;
	const char *platform = NULL;
	auto_err struct err *e = json_read_file(s->store, path, MANIFEST_MAX, &ref);

	if (!e)
		e = json_get_strv(ref, "layers", &layers);
	if (!e)
		e = json_get_str(ref, "platform", &platform);
	if (!e)
		e = image_platform_parse(o->platform, &want);
	if (!e)
		e = image_platform_parse(platform, &have);
	if (e || !image_platform_match(&want, &have))
		return false;
	for (char **l = layers; l && *l; l++)
		if (!exists(s->store, STORE_LAYERS, *l))
			return false;
	return true;
}

static void enqueue(struct session *s, struct layer *l)
{
	l->key = stored_key(s->store, l);
	if (l->key)
		return;
	for (size_t i = 0; i < s->n_queue; i++)
		if (strcmp(s->queue[i]->diff, l->diff) == 0)
			return;
	s->queue = mem_grow(s->queue, s->n_queue + 1, sizeof(*s->queue));
	s->queue[s->n_queue++] = l;
	auto_free char *label = mem_printf("%.12s", strchr(l->blob, ':') + 1);

	l->item = progress_add(s->progress, label, l->size);
}

static struct err *resolve(struct session *s, const struct fetch_options *o,
			   const struct auth *auth, struct pull *p)
{
	struct image_platform want;

	TRY(image_platform_parse(o->platform, &want));
	TRY(image_ref_parse(p->name, &p->ref));
	p->done = is_here(s, o, p);
	if (p->done) {
		progress_message(s->progress, "%s: already here", p->name);
		return NULL;
	}
	progress_message(s->progress, "%s: pulling", p->name);
	TRY(repo_open(&p->ref, auth, &p->repo));
	TRY(pull_resolve(p, &want));
	for (size_t i = 0; i < p->n_layers; i++)
		enqueue(s, &p->layers[i]);
	return NULL;
}

static bool complete(const struct pull *p)
{
	for (size_t i = 0; i < p->n_layers; i++)
		if (p->layers[i].error)
			return false;
	return true;
}

static struct err *run(struct session *s, const struct fetch_options *o, const struct auth *auth)
{
	struct err *errors = NULL;

	for (size_t i = 0; i < s->n_pulls; i++) {
		struct err *e = resolve(s, o, auth, &s->pulls[i]);

		if (e) {
			s->pulls[i].done = true;
			errors = err_join(errors, err_wrap(e, "%s", s->pulls[i].name));
		}
	}
	TRY(errors);
	errors = fetch_queue(s);
	progress_show(s->progress, true);
	/* what has been fetched is kept, also when something else failed: the next try goes on from there */
	errors = err_join(errors, publish_layers(s));
	for (size_t i = 0; i < s->n_pulls && !errors; i++)
		if (!s->pulls[i].done && complete(&s->pulls[i]))
			errors = err_wrap(publish_image(s, &s->pulls[i]), "%s", s->pulls[i].name);
	return errors;
}

struct err *fetch_pull(const struct fetch_options *o, int store, const struct auth *auth)
{
	struct session s = { .store = store, .n_pulls = strv_len(o->references) };
	auto_fd int lease = -1;

	TRY(fd_lock(store, STORE_GC_LOCK, LOCK_SH,
		    &lease)); /* no gc takes away what is being put in */
	s.progress = progress_new(o->progress);
	s.pulls = mem_alloc(s.n_pulls * sizeof(*s.pulls));
	for (size_t i = 0; i < s.n_pulls; i++)
		s.pulls[i].name = mem_strdup(o->references[i]);
	struct err *e = run(&s, o, auth);

	for (size_t i = 0; i < s.n_pulls; i++)
		pull_clear(&s.pulls[i]);
	free(s.pulls);
	free(s.queue);
	progress_free(s.progress);
	return e;
}
