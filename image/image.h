/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image/image.h - references, the local store of images, and volumes.
 *
 * The store is a directory of one file system, mode 0700. Every process may
 * use it at the same time; nothing in it is visible before it is complete,
 * verified and on disk. Pulling is done by the program slipway-fetch, so that
 * no byte of a stranger is parsed by the process that starts containers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* ---- references ---- */

/* A reference with Docker's defaults filled in: "nginx" is docker.io/library/nginx:latest. */
struct image_ref {
	char *domain; /* "docker.io", "127.0.0.1:5000" */
	char *path;   /* "library/nginx" */
	char *tag;    /* NULL when only a digest was given */
	char *digest; /* "sha256:..." or NULL */
};

struct err *image_ref_parse(const char *text, struct image_ref *ret) must_check;
void image_ref_clear(struct image_ref *r);
/* DOMAIN/PATH[:TAG][@DIGEST], all of it; and as people write it. The caller's. */
char *image_ref_text(const struct image_ref *r) must_check;
char *image_ref_familiar(const struct image_ref *r) must_check;
/* The host to talk to: docker.io is served by another one. */
const char *image_ref_host(const struct image_ref *r);
#define auto_image_ref cleanup_with(image_ref_clear)

/* "sha256:" and 64 lower-case hex digits (or sha512 and 128); nothing else may become a path. */
bool image_is_digest(const char *text);

/* os/arch[/variant]; NULL fields: the host's. */
struct image_platform {
	char os[32], arch[32], variant[32];
};
struct err *image_platform_parse(const char *text, struct image_platform *ret) must_check;
/* How well an image for @have runs where @want is asked for: 0 not at all, more is better. */
int image_platform_match(const struct image_platform *want, const struct image_platform *have);

/* ---- the store ---- */

struct image_store {
	int dir; /* the store's directory */
	char *path;
};

struct image_health {
	char **test;						 /* NULL: none */
	int64_t interval, timeout, start_period, start_interval; /* milliseconds; 0: default */
	int64_t retries;
};

/* An image that is complete in the store. No gc runs until image_free(). */
struct image {
	char *name;	/* familiar reference */
	char *id;	/* digest of the configuration */
	char *manifest; /* digest of the manifest */
	char *platform; /* "linux/amd64" */
	char **layers;	/* absolute directories, the lowest first */
	int64_t size;	/* bytes of the layers as downloaded */
	int64_t pulled; /* seconds since 1970 */
	char *created;	/* RFC 3339, as the image says, or NULL */
	char **env, **entrypoint, **cmd;
	char **volumes; /* paths */
	char **exposed; /* "80/tcp" */
	char **labels;	/* "key=value" */
	char *user, *working_dir, *stop_signal;
	struct image_health health;
	int lease;	 /* shared lock that keeps gc away */
	size_t n_shared; /* how often it was shared: image_free() has to be called once more for each */
};

/* Makes the store below @root when it is missing. */
struct err *image_store_open(const char *root, struct image_store **ret) must_check;
void image_store_free(struct image_store *s);

/* ENOENT when it is not there, or only for another platform (NULL: the host's). */
struct err *image_find(const struct image_store *s, const char *reference, const char *platform,
		       struct image **ret) must_check;
struct err *image_list(const struct image_store *s, struct image ***ret, size_t *ret_n) must_check;
struct image *image_share(struct image *i); /* the same one, for one more who frees it */
void image_free(struct image *i);
/* Lets gc run again: from here on somebody else must know that the layers are in use. */
void image_release(struct image *i);

/*
 * Removes layers and blobs that no image names and no running pod stands on (@in_use: directories
 * as in image.layers), and what interrupted pulls left. Does nothing while somebody pulls or starts.
 */
struct err *image_gc(const struct image_store *s, char *const *in_use, bool dry_run,
		     char ***ret_removed) must_check;
/* Of that only what interrupted pulls left; cheap when there is nothing. */
struct err *image_sweep(const struct image_store *s) must_check;
/* Untags; the layers go with the next gc. */
struct err *image_remove(const struct image_store *s, const char *reference) must_check;

enum image_progress {
	IMAGE_PROGRESS_AUTO,
	IMAGE_PROGRESS_TTY,
	IMAGE_PROGRESS_PLAIN,
	IMAGE_PROGRESS_QUIET
};
struct image_pull {
	char *const *references;
	const char *platform; /* NULL: the host's */
	enum image_progress progress;
	bool always; /* ask the registry also when a tag is here */
};
/* Runs slipway-fetch and waits for it; it writes progress and errors to standard error. */
struct err *image_pull(const struct image_store *s, const struct image_pull *p) must_check;
/*
 * The same for an event loop: the descriptor (borrowed) can be read when it has
 * ended; then image_pull_finish() tells how. image_pull_cancel() ends it before;
 * what was loaded so far is kept for the next time.
 */
struct image_fetch;
struct err *image_pull_start(const struct image_store *s, const struct image_pull *p,
			     struct image_fetch **ret) must_check;
int image_pull_fd(const struct image_fetch *f);
pid_t image_pull_pid(const struct image_fetch *f); /* of the process that pulls */
struct err *image_pull_finish(struct image_fetch *take_f) must_check;
void image_pull_cancel(struct image_fetch *take_f);
/* The digests that the registries have for @references now, in their order; the caller's. */
struct err *image_resolve(const struct image_store *s, char *const *references,
			  char ***ret) must_check;

/*
 * Tar streams between a directory, which somebody may be changing, and standard
 * input or output. slipway-fetch reads and writes them, confined to @dir. @name
 * is one name in @dir, or "." for all of it.
 */
struct err *image_tar_in(int dir) must_check;
struct err *image_tar_out(int dir, const char *name) must_check;

/*
 * A directory with what is mounted on in every container (/dev, /proc, /sys, files
 * of /etc), to be the lowest layer: an image that has something there shows its own,
 * for one that has not nothing need be made at each start. The caller's path.
 */
struct err *image_base(const char *root, char **ret_path) must_check;

/* ---- volumes ---- */

#define IMAGE_VOLUME_ANONYMOUS "slipway.anonymous=true" /* its label */
struct image_volume {
	char *name;
	char *path; /* of its data */
	char **labels;
};

/* Makes it, with @labels, when it is missing. */
struct err *image_volume_ensure(const char *root, const char *name, char *const *labels,
				char **ret_path) must_check;
bool image_volume_exists(const char *root, const char *name);
struct err *image_volume_list(const char *root, struct image_volume **ret,
			      size_t *ret_n) must_check;
void image_volume_clear(struct image_volume *v);
struct err *image_volume_remove(const char *root, const char *name) must_check;
/* Its directory becomes @to, a path on the same file system: it is no volume any more. */
struct err *image_volume_move(const char *root, const char *name, const char *to) must_check;

void image_store_cleanup(struct image_store **s);
void image_cleanup(struct image **i);
#define auto_image_store cleanup_with(image_store_cleanup)
#define auto_image cleanup_with(image_cleanup)
