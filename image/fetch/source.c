/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image/fetch/source.c - a blob as a stream that is pulled, not pushed.
 *
 * A broken connection is taken up again where it ended (Range); every byte goes
 * through the digest once, so a resumed download is as safe as a whole one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "image/fetch/fetch.h"

enum {
	QUEUE_MAX = 4 * BLOCK,
	PROGRESS_MIN = 1 << 20 /* bytes between failures, to go on and on */
};

struct source {
	struct repo *repo;
	char *digest, *url;
	int64_t size, got; /* bytes wanted; bytes queued so far */
	struct digest hash;
	struct progress_item *item;
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	char message[CURL_ERROR_SIZE];
	char *queue; /* received and not yet read */
	size_t queued;
	char *block; /* what the reader is looking at */
	bool paused, ended, checked, too_large, challenged;
	bool begun; /* this answer's body */
	char *challenge;
	long status;
	int64_t skip; /* bytes to drop: the server ignored the range */
	unsigned failures;
	int64_t failed_at; /* what had arrived at the last failure */
};

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
	struct source *s = arg;
	size_t len = size * n, drop = 0;

	curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &s->status);
	if (s->status != 200 && s->status != 206)
		return len;		   /* an error's text */
	if (!s->begun && s->status == 200) /* to a request with a range: the whole blob again */
		s->skip = s->got;
	s->begun = true;
	s->challenged = false; /* when a token runs out on the way, there may be another */
	if (s->queued + len > QUEUE_MAX) {
		s->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	if (s->skip) {
		drop = (int64_t)len < s->skip ? len : (size_t)s->skip;
		s->skip -= (int64_t)drop;
	}
	if (s->got + (int64_t)(len - drop) > s->size) {
		s->too_large = true;
		return 0;
	}
	memcpy(s->queue + s->queued, data + drop, len - drop);
	s->queued += len - drop;
	s->got += (int64_t)(len - drop);
	return len;
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
	struct source *s = arg;
	static const char name[] = "WWW-Authenticate: ";

	if (size * n > sizeof(name) && strncasecmp(data, name, sizeof(name) - 1) == 0) {
		free(s->challenge);
		s->challenge = mem_strndup(data + sizeof(name) - 1, size * n - sizeof(name) + 1);
	}
	return size * n;
}

static void close_handle(struct source *s)
{
	if (s->easy) {
		curl_multi_remove_handle(s->multi, s->easy);
		curl_easy_cleanup(s->easy);
		curl_slist_free_all(s->headers);
	}
	s->easy = NULL;
	s->headers = NULL;
}

static struct err *connect_again(struct source *s)
{
	close_handle(s);
	TRY(repo_handle(s->repo, s->url, &s->headers, &s->easy));
	curl_easy_setopt(s->easy, CURLOPT_ERRORBUFFER, s->message);
	curl_easy_setopt(s->easy, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(s->easy, CURLOPT_WRITEDATA, s);
	curl_easy_setopt(s->easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(s->easy, CURLOPT_HEADERDATA, s);
	s->skip = 0;
	s->paused = s->begun = false;
	*s->message = '\0';
	if (s->got) {
		auto_free char *range = mem_printf("%lld-", (long long)s->got);
		curl_easy_setopt(s->easy, CURLOPT_RANGE, range);
	}
	curl_multi_add_handle(s->multi, s->easy);
	return NULL;
}

struct err *source_open(struct repo *r, const char *digest, int64_t size,
			struct progress_item *item, struct source **ret)
{
	struct source *s = mem_alloc(sizeof(*s));
	struct err *e;

	s->repo = r;
	s->digest = mem_strdup(digest);
	s->url = mem_printf("%s/blobs/%s", r->base, digest);
	s->size = size;
	s->item = item;
	s->queue = mem_alloc(QUEUE_MAX);
	s->block = mem_alloc(QUEUE_MAX);
	s->multi = curl_multi_init();
	e = digest_start(digest, &s->hash);
	if (!e)
		e = connect_again(s);
	if (e) {
		source_free(s);
		return e;
	}
	*ret = s;
	return NULL;
}

void source_free(struct source *s)
{
	if (!s)
		return;
	close_handle(s);
	curl_multi_cleanup(s->multi);
	EVP_MD_CTX_free(s->hash.ctx);
	free(s->challenge);
	free(s->digest);
	free(s->url);
	free(s->queue);
	free(s->block);
	free(s);
}

/* The transfer has ended: is it all there, is it worth another try? */
static struct err *on_end(struct source *s, CURLcode code)
{
	curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &s->status);
	if (s->too_large)
		return err_new(EFBIG,
			       "the registry sends more than the %lld bytes the manifest names",
			       (long long)s->size);
	if (s->status == 401) {
		TRY(repo_challenge(s->repo, s->challenge, s->challenged));
		s->challenged = true;
		return connect_again(s);
	}
	curl_off_t asked = 0;
	bool good = s->status == 200 || s->status == 206;
	bool broken = code != CURLE_OK || s->status == 408 || s->status == 429 || s->status >= 500;

	if (good &&
	    s->got == s->size) { /* how it has ended does not matter: the digest is checked */
		s->ended = true;
		return NULL;
	}
	if (!broken && !good)
		return repo_refusal(s->repo, "blob", s->status, NULL);
	if (s->got - s->failed_at >= PROGRESS_MIN)
		s->failures = 0;
	s->failed_at = s->got;
	if (++s->failures >= TRIES)
		return err_new(EIO, "broken off at %lld of %lld bytes after %d tries: %s",
			       (long long)s->got, (long long)s->size, TRIES,
			       *s->message	  ? s->message
			       : s->status >= 400 ? "the registry has an error"
						  : "truncated");
	log_debug("%s: broken off at %lld: %s; again", s->digest, (long long)s->got,
		  curl_easy_strerror(code));
	curl_easy_getinfo(s->easy, CURLINFO_RETRY_AFTER, &asked);
	repo_pause(asked, s->failures);
	return connect_again(s);
}

static struct err *work(struct source *s)
{
	int running = 0, left = 0;
	CURLMcode code = curl_multi_perform(s->multi, &running);
	const CURLMsg *m;

	if (code != CURLM_OK)
		return err_new(EIO, "download: %s", curl_multi_strerror(code));
	while ((m = curl_multi_info_read(s->multi, &left)) != NULL)
		if (m->msg == CURLMSG_DONE)
			return on_end(s, m->data.result);
	if (!s->queued && !s->ended)
		curl_multi_poll(s->multi, NULL, 0, 1000, NULL);
	return NULL;
}

static struct err *check(struct source *s)
{
	auto_free char *actual = digest_end(&s->hash);

	s->checked = true;
	if (strcmp(actual, s->digest) != 0)
		return err_new(EBADMSG,
			       "digest mismatch: what was downloaded is %s; it is not used",
			       actual);
	return NULL;
}

struct err *source_read(struct source *s, const void **ret_data, size_t *ret_len)
{
	while (!s->queued && !s->ended)
		TRY(work(s));
	*ret_len = s->queued;
	*ret_data = s->block;
	if (!s->queued)
		return s->checked ? NULL : check(s);

	char *block = s->block;

	s->block = s->queue;
	s->queue = block;
	*ret_data = s->block;
	s->queued = 0;
	digest_add(&s->hash, s->block, *ret_len);
	if (s->item)
		atomic_fetch_add(&s->item->done, (int64_t)*ret_len);
	if (s->paused) {
		s->paused = false;
		curl_easy_pause(s->easy, CURLPAUSE_CONT);
	}
	return NULL;
}
