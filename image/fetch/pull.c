/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image/fetch/pull.c - several images at once: resolve, fetch layers in parallel, publish.
 *
 * A layer is unpacked in ingest/ under a lock of its own, so that two processes
 * never fetch the same one. What was verified is flushed with one syncfs and
 * renamed; the reference is written last, and only then is the image there.
 * Nobody waits for a lock while holding one: whoever finds a layer busy publishes
 * what it has, lets go, and looks again.
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
	struct layer **queue; /* to be fetched; each chainID once */
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

static void discard(const struct session *s, struct layer *l)
{
	auto_free char *key = store_key(l->diff);
	auto_free char *ingest = mem_printf(STORE_INGEST "/%s", key);

	err_ignore(fd_remove_tree(s->store, ingest));
	unpack_notes_clear(&l->notes);
	l->ready = false;
	fd_close(&l->lock);
}

static struct err *fetch_layer(const struct session *s, struct layer *l)
{
	auto_free char *key = store_key(l->diff);
	auto_free char *lock = mem_printf(STORE_LOCKS "/%s", key);
	auto_free char *ingest = mem_printf(STORE_INGEST "/%s", key);
	auto_free char *fs_path = mem_printf("%s/fs", ingest);
	auto_fd int fs = -1;
	struct err *e = fd_lock(s->store, lock, LOCK_EX | LOCK_NB, &l->lock);

	if (err_code(e) == EWOULDBLOCK) { /* another process has it, or another image of ours */
		err_free(e);
		atomic_store(&l->item->state, "waiting");
		return NULL;
	}
	TRY(e);
	l->key = stored_key(s->store, l);
	if (l->key) { /* the other one was quicker */
		atomic_store(&l->item->state, "already here");
		fd_close(&l->lock);
		return NULL;
	}
	atomic_store(&l->item->state, "downloading");
	atomic_store(&l->item->done, 0);
	TRY(fd_remove_tree(s->store, ingest)); /* what an interrupted pull left */
	TRY(fd_mkdirs(s->store, fs_path, 0755));
	TRY(fd_openat(s->store, fs_path, O_RDONLY | O_DIRECTORY, &fs));
	TRY(fetch_into(l, fs));
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

		if (l->key)
			continue;
		l->error = err_wrap(fetch_layer(s, l), "layer %.19s", l->blob);
		if (l->error) {
			discard(s, l);
			atomic_store(&s->failed, true);
			atomic_store(&l->item->state, "failed");
		}
	}
	atomic_fetch_sub(&s->busy, 1);
	return NULL;
}

/* Goes through the queue once. */
static struct err *fetch_round(struct session *s)
{
	pthread_t threads[WORKERS];
	size_t want = s->n_queue < WORKERS ? s->n_queue : WORKERS, n = 0;
	struct timespec pause = { 0, 20000000 };
	struct err *errors = NULL;

	atomic_store(&s->next, 0);
	atomic_store(&s->busy, (int)want);
	while (n < want && pthread_create(&threads[n], NULL, worker, s) == 0)
		n++;
	atomic_fetch_sub(&s->busy, (int)(want - n));
	if (n < want && n == 0)
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
	return !l->notes.opaque_root && (l->notes.implied || l->notes.links);
}

static struct err *is_opaque(const struct session *s, const char *key, bool *ret)
{
	auto_free char *path = mem_printf(STORE_LAYERS "/%s/meta", key);
	auto_json json_t *meta = NULL;

	TRY(json_read_file(s->store, path, MANIFEST_MAX, &meta));
	return json_get_bool(meta, "opaque_root", ret);
}

/* Where the layer is now: published, or unpacked by us. EAGAIN while another process has it. */
static struct err *locate(const struct session *s, const struct layer *l, char **ret_path,
			  bool *ret_opaque)
{
	auto_free char *key = stored_key(s->store, l);

	if (key) {
		*ret_path = mem_printf(STORE_LAYERS "/%s/fs", key);
		return is_opaque(s, key, ret_opaque);
	}
	for (size_t i = 0; i < s->n_queue; i++) {
		const struct layer *q = s->queue[i];

		if (!q->ready || strcmp(q->diff, l->diff) != 0 ||
		    (leans_on_lower(q) && strcmp(q->chain, l->chain) != 0))
			continue;
		auto_free char *ingest = store_key(l->diff);

		*ret_path = mem_printf(STORE_INGEST "/%s/fs", ingest);
		*ret_opaque = q->notes.opaque_root;
		return NULL;
	}
	return err_new(EAGAIN, "the layer below, %.19s, is not here yet", l->diff);
}

/* Descriptors of the layers below @index, the nearest first, down to one that hides the rest. */
static struct err *open_lower(const struct session *s, const struct pull *p, size_t index, int *fds,
			      size_t *ret_n)
{
	bool opaque = false;

	for (; index > 0 && !opaque; (*ret_n)++) {
		auto_free char *path = NULL;

		TRY(locate(s, &p->layers[--index], &path, &opaque));
		TRY(fd_openat(s->store, path, O_PATH | O_DIRECTORY, &fds[*ret_n]));
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
	size_t n = 0;

	memset(fds, -1, (index + 1) * sizeof(int));
	struct err *e = fd_openat(s->store, path, O_RDONLY | O_DIRECTORY, &fs);

	if (!e && !l->notes.opaque_root)
		e = open_lower(s, p, index, fds, &n);
	if (!e)
		e = unpack_fixup(fs, &l->notes, fds, n);
	for (size_t i = 0; i < n; i++)
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

	TRY(fd_replace_file(s->store, known, l->diff, 0600));
	atomic_store(&l->item->state, "done");
	return NULL;
}

static struct err *sync_folder(const struct session *s, const char *folder)
{
	auto_fd int fd = -1;

	TRY(fd_openat(s->store, folder, O_RDONLY | O_DIRECTORY, &fd));
	return fsync(fd) < 0 ? err_errno("fsync %s", folder) : NULL;
}

/* Readies for publishing; a layer that leans on one another process still has is given up. */
static struct err *finish_layer(const struct session *s, const struct pull *p, size_t index)
{
	struct layer *l = &p->layers[index];
	struct err *e = NULL;

	if (!l->ready)
		return NULL;
	if (l->notes.implied || l->notes.links)
		e = fix_layer(s, p, index);
	if (!e)
		e = write_meta(s, l);
	if (!e)
		return NULL;
	discard(s, l);
	if (err_code(e) != EAGAIN)
		return err_wrap(e, "layer %.19s", l->blob);
	err_ignore(e);
	return NULL;
}

/* All that is verified goes to disk with one flush, and only then gets its name. */
static struct err *publish_layers(const struct session *s)
{
	struct err *errors = NULL;
	bool any = false;

	for (size_t i = 0; i < s->n_pulls; i++)
		for (size_t k = 0; k < s->pulls[i].n_layers; k++) {
			errors = err_join(errors, finish_layer(s, &s->pulls[i], k));
			any = any || s->pulls[i].layers[k].ready;
		}
	if (!any)
		return errors;
	if (syncfs(s->store) < 0)
		return err_join(errors, err_errno("flush the store to disk"));
	for (size_t i = 0; i < s->n_queue; i++)
		if (s->queue[i]->ready)
			errors = err_join(errors, rename_layer(s, s->queue[i]));
	errors = err_join(errors, sync_folder(s, STORE_LAYERS));
	for (size_t i = 0; i < s->n_queue; i++)
		fd_close(&s->queue[i]->lock);
	return errors;
}

static struct err *fetch_queue(struct session *s)
{
	struct timespec pause = { 0, 50000000 };

	for (;;) {
		bool missing = false;
		struct err *errors = fetch_round(s);

		/* what was fetched is kept, also when something failed: the next try goes on from there */
		errors = err_join(errors, publish_layers(s));
		for (size_t i = 0; i < s->n_queue; i++)
			missing = missing || !s->queue[i]->key;
		if (errors || !missing)
			return errors;
		nanosleep(&pause, NULL);
	}
}

/* ---- images ---- */

static struct err *write_blob(const struct session *s, const char *digest, const char *text)
{
	auto_free char *key = store_key(digest);
	auto_free char *path = mem_printf(STORE_BLOBS "/%s", key);

	return fd_replace_file(s->store, path, text, 0600);
}

static void drop(json_t *list, const char *key)
{
	for (size_t i = json_array_size(list); i > 0; i--)
		if (strcmp(json_string_value(json_array_get(list, i - 1)), key) == 0)
			json_array_remove(list, i - 1);
}

/*
 * The layers of the image, without those that an opaque root hides, and each
 * once (overlayfs wants it so): of the same layer twice the upper one covers all of the lower.
 */
static struct err *layer_keys(const struct session *s, struct pull *p, json_t *list)
{
	for (size_t i = 0; i < p->n_layers; i++) {
		struct layer *l = &p->layers[i];
		bool opaque = false;

		if (!l->key)
			l->key = stored_key(s->store, l);
		if (!l->key)
			return err_new(ENOENT, "layer %s has vanished from the store", l->diff);
		TRY(is_opaque(s, l->key, &opaque));
		if (opaque)
			json_array_clear(list);
		drop(list, l->key);
		json_array_append_new(list, json_string(l->key));
	}
	return NULL;
}

static struct err *publish_image(const struct session *s, struct pull *p)
{
	auto_free char *familiar = image_ref_familiar(&p->ref);
	auto_free char *key = store_ref_key(&p->ref);
	auto_free char *path = mem_printf(STORE_REFS "/%s", key);
	auto_free char *aside = mem_printf(STORE_INGEST "/ref-%d", getpid());
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
	auto_free char *text = json_text(ref, 2);

	TRY(fd_replace_file(s->store, aside, text, 0600));
	/* the reference, and whatever it names, is on disk before it has its name */
	if (syncfs(s->store) < 0)
		return err_errno("flush the store to disk");
	if (renameat(s->store, aside, s->store, path) < 0)
		return err_errno("rename to %s", path);
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
	const char *platform = NULL, *config = NULL;
	auto_err struct err *e = json_read_file(s->store, path, MANIFEST_MAX, &ref);

	if (!e)
		e = json_get_strv(ref, "layers", &layers);
	if (!e)
		e = json_get_str(ref, "platform", &platform);
	if (!e)
		e = json_get_str(ref, "config", &config);
	if (!e)
		e = image_platform_parse(o->platform, &want);
	if (!e)
		e = image_platform_parse(platform, &have);
	auto_free char *blob = config ? store_key(config) : NULL;

	if (e || !blob || !layers || !exists(s->store, STORE_BLOBS, blob) ||
	    !image_platform_match(&want, &have))
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
		if (strcmp(s->queue[i]->chain, l->chain) == 0)
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
	p->get = repo_get;
	TRY(pull_resolve(p, &want));
	for (size_t i = 0; i < p->n_layers; i++)
		enqueue(s, &p->layers[i]);
	return NULL;
}

static bool complete(const struct session *s, const struct pull *p)
{
	for (size_t i = 0; i < p->n_layers; i++) {
		auto_free char *key = stored_key(s->store, &p->layers[i]);

		if (!key)
			return false;
	}
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
	if (s->n_queue)
		errors = fetch_queue(s);
	progress_show(s->progress, true);
	for (size_t i = 0; i < s->n_pulls; i++) {
		struct pull *p = &s->pulls[i];

		if (!p->done && complete(s, p))
			errors = err_join(errors, err_wrap(publish_image(s, p), "%s", p->name));
	}
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
