/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image/fetch/fetch.h - the inside of slipway-fetch.
 *
 * The only program that parses what registries send. It gives up every
 * privilege it can before the first byte arrives; see confine.c.
 */
#pragma once

#include <curl/curl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/str.h"
#include "image/internal.h"

#define HASH_FUNCTION(key, len, ret) ((ret) = (unsigned)str_hash(key, len))
#include <uthash.h>

enum {
	WORKERS = 4,		/* layers at a time */
	TRIES = 5,		/* of one request, with growing pauses */
	BLOCK = 256 * 1024,	/* bytes handed from stage to stage */
	INDEX_DEPTH = 4,	/* of indexes naming indexes */
	LAYER_MAX_RATIO = 1100, /* unpacked to packed; gzip cannot exceed 1032 */
	PATH_LIMIT = 4096,	/* bytes of a name in a tar */
};

/* ---- digests: digest.c ---- */

struct digest {
	EVP_MD_CTX *ctx;
	const char *algorithm;
};
struct err *digest_start(const char *like, struct digest *ret) must_check; /* like "sha256:..." */
void digest_add(struct digest *d, const void *data, size_t len);
char *digest_end(struct digest *d) must_check; /* "sha256:..."; the caller's */
char *digest_of(const char *like, const void *data, size_t len) must_check;

/* ---- talking to one registry: http.c, auth.c ---- */

struct auth; /* credentials of this machine, read before confinement */
struct err *auth_load(struct auth **ret) must_check;
void auth_free(struct auth *a);
/* "user:password" for @domain, or NULL. Borrowed. */
const char *auth_find(const struct auth *a, const char *domain);

/* A repository: where it is and how to be let in. Shared by threads. */
struct repo {
	const struct image_ref *ref;
	const struct auth *auth;
	char *base;  /* "https://host/v2/name" */
	char *certs; /* directory of ca.crt and client certificates, or NULL */
	pthread_mutex_t lock;
	char *token; /* bearer token, after a challenge; under lock */
	bool basic;  /* send user and password; under lock */
};
struct err *repo_open(const struct image_ref *ref, const struct auth *auth,
		      struct repo **ret) must_check;
void repo_free(struct repo *r);

struct response {
	long status;
	char *body;
	size_t len;
	char *type;   /* Content-Type without parameters */
	char *digest; /* Docker-Content-Digest, a hint */
};
void response_clear(struct response *r);
/* GET of a small document; errors of the registry are told in its words. */
struct err *repo_get(struct repo *r, const char *path, const char *accept, size_t max,
		     struct response *ret) must_check;
/* A curl handle set up for @url: certificates, credentials, time-outs. */
struct err *repo_handle(struct repo *r, const char *url, struct curl_slist **headers,
			CURL **ret) must_check;
/* Waits before the next try: for the seconds the server asked for, or longer each time. */
void repo_pause(curl_off_t asked, unsigned tries);
/* Deals with a 401: fetches a token or turns Basic on. EACCES when there is nothing more to try. */
struct err *repo_challenge(struct repo *r, const char *www_authenticate, bool tried) must_check;
/* The error in a registry's answer. */
struct err *repo_refusal(const struct repo *r, const char *what, long status,
			 const char *body) must_check never_null;

/* ---- a blob as a stream: source.c ---- */

struct progress_item;
struct source;
struct err *source_open(struct repo *r, const char *digest, int64_t size,
			struct progress_item *item, struct source **ret) must_check;
/* The next bytes; *ret_len 0 at the end, after size and digest were found right. */
struct err *source_read(struct source *s, const void **ret_data, size_t *ret_len) must_check;
void source_free(struct source *s);

/* ---- decompression: decode.c ---- */

typedef struct err *decode_read_fn(void *ctx, const void **ret_data, size_t *ret_len);
struct decoder;
/* gzip, zstd or plain, told by the first bytes. */
struct err *decoder_open(decode_read_fn *read, void *ctx, struct decoder **ret) must_check;
struct err *decoder_read(struct decoder *d, const void **ret_data, size_t *ret_len) must_check;
void decoder_free(struct decoder *d);

/* ---- a layer's tar onto disk: unpack.c, notes.c, stack.c, fixup.c ---- */

/* By path, relative to the layer; in the order of the tar. */
struct unpack_note {
	char *path;
	char *target; /* of a hard link */
	UT_hash_handle hh;
};
void note_add(struct unpack_note **notes, const char *path, const char *target);
void note_remove(struct unpack_note **notes, const char *path);
bool note_has(struct unpack_note *const *notes, const char *path);

/* What cannot be known without the layers below. */
struct unpack_notes {
	struct unpack_note *implied; /* directories no entry was seen for */
	struct unpack_note *links;   /* hard links to files of lower layers */
	bool opaque_root;	     /* nothing of the layers below is left */
};
void unpack_notes_clear(struct unpack_notes *n);
/* Reads a tar to its end, and what stands behind it, into the empty directory @fs. */
struct err *unpack(decode_read_fn *read, void *ctx, int fs, struct unpack_notes *ret) must_check;
/* Makes the notes good, given the layers below, the nearest first. */
struct err *unpack_fixup(int fs, const struct unpack_notes *notes, const int *lower,
			 size_t n_lower) must_check;

/* In one layer, symbolic links not followed. HIDDEN: it is not there, and not seen from below. */
enum stack_found { STACK_ABSENT, STACK_HIDDEN, STACK_FOUND };
struct err *stack_look(int root, const char *path, struct stat *ret_st,
		       enum stack_found *ret) must_check;
/* In the layers @roots, the nearest first: which has @path? -1: none. No links are followed. */
struct err *stack_find(const int *roots, size_t n, const char *path, struct stat *ret_st,
		       int *ret_root) must_check;
/* @path without symbolic links, "." and ".."; what does not exist stays as it is. The caller's. */
struct err *stack_resolve(const int *roots, size_t n, const char *path, char **ret) must_check;
bool stack_is_whiteout(const struct stat *st);

/* ---- one entry of a tar: entry.c ---- */

struct archive;
struct archive_entry;
/* The content of the present entry of @a, into the empty file @fd. */
struct err *entry_put_data(int fd, struct archive *a) must_check;
/* Below the directory @parent, under a name that is not there yet. */
struct err *entry_put_symlink(int parent, const char *name, struct archive_entry *entry) must_check;
struct err *entry_put_node(int parent, const char *name, struct archive_entry *entry) must_check;
/* Those that a layer may set. */
struct err *entry_put_xattrs(int fd, struct archive_entry *entry) must_check;
/* Whether a kernel has such an owner. */
struct err *entry_check_owner(struct archive_entry *entry) must_check;
struct timespec entry_mtime(struct archive_entry *entry);

/* ---- tar streams of directories that are in use: tarball.c ---- */

/* A tar, also a compressed one, into @dir: over what is there, and never out of it. */
struct err *tarball_in(decode_read_fn *read, void *ctx, int dir) must_check;
/* @name in @dir, with all below it, to @out; "." is @dir itself. */
struct err *tarball_out(int dir, const char *name, int out) must_check;

/* ---- progress: progress.c ---- */

enum progress_mode { PROGRESS_PLAIN, PROGRESS_TTY, PROGRESS_QUIET };
struct progress;
struct progress_item {
	char label[80];
	_Atomic int64_t done;
	int64_t total;
	_Atomic(const char *) state; /* "waiting", "downloading", ...; static text */
	const char *shown;	     /* last state printed in plain mode */
};
struct progress *progress_new(enum progress_mode mode) must_check;
struct progress_item *progress_add(struct progress *p, const char *label, int64_t total) must_check;
void progress_show(struct progress *p, bool last);
void progress_message(struct progress *p, const char *fmt, ...) printf_like(2, 3);
void progress_free(struct progress *p);

/* ---- pulling: pull.c, manifest.c ---- */

struct layer {
	char *blob;  /* digest of what is downloaded */
	char *diff;  /* digest of the tar in it */
	char *chain; /* of this and all layers below */
	char *key;   /* its directory in the store, once it is known */
	int64_t size;
	struct unpack_notes notes;
	bool ready; /* unpacked and verified, in ingest */
	int lock;
	struct progress_item *item;
	struct err *error;
	struct repo *repo;
};

typedef struct err *pull_get_fn(struct repo *r, const char *path, const char *accept, size_t max,
				struct response *ret);

struct pull {
	pull_get_fn *get; /* repo_get() */
	struct image_ref ref;
	struct repo *repo;
	char *name;
	char *manifest, *manifest_text;
	char *config, *config_text;
	char *platform;
	struct layer *layers; /* lowest first */
	size_t n_layers;
	bool done; /* nothing to do */
};
/* Resolves the tag and reads manifest and configuration into @p. */
struct err *pull_resolve(struct pull *p, const struct image_platform *want) must_check;
/* Only asks for the digest that the tag names now; the caller's. */
struct err *pull_digest(struct pull *p, char **ret) must_check;
void pull_clear(struct pull *p);

struct fetch_options {
	const char *store;
	const char *platform;
	enum progress_mode progress;
	bool always;
	bool resolve;	      /* instead of pulling */
	bool tar_in, tar_out; /* likewise: between standard input or output and a directory */
	int64_t dir;	      /* which, a descriptor; -1: none */
	int64_t error_fd;     /* where to tell a failure; -1: standard error */
	char *const *references;
};
struct err *fetch_pull(const struct fetch_options *o, int store,
		       const struct auth *auth) must_check;
/* Writes the digest of each reference to standard output, a line each. resolve.c */
struct err *fetch_resolve(const struct fetch_options *o, const struct auth *auth) must_check;

/* ---- giving up privileges: confine.c ---- */

/* From here on: only @store can be written, nothing executed, no capability that unpacking does not need. */
struct err *confine(int store) must_check;
