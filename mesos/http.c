/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mesos/http.c - libcurl's multi interface on our event loop.
 *
 * Addresses are numeric and redirects are not followed, so libcurl starts no
 * thread to resolve names (the process that clones has one thread). A request may connect from another
 * network namespace: the socket is made there, and stays there.
 */
#include "mesos/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"

enum { TEXT_MAX = 64 << 10, CONNECT_MS = 10000, KEEPALIVE_S = 30 };

struct http {
	CURLM *multi;
	struct loop *loop;
	struct watch *on_timer;
	struct socket_watch *sockets;
	struct http_call *calls;
	int own_netns; /* -1: not needed yet */
};

struct socket_watch {
	struct socket_watch *next;
	struct http *http;
	curl_socket_t fd;
	struct watch *readable, *writable;
};

struct http_call {
	struct http_call *next;
	struct http *http;
	CURL *easy;
	struct curl_slist *headers;
	char *text, *body;
	size_t len;
	bool stream;
	int netns;
	bool (*on_data)(void *ctx, long status, const char *data, size_t len);
	void (*on_done)(void *ctx, long status, const char *text);
	void *ctx;
	char error[CURL_ERROR_SIZE];
};

/* ---- ends ---- */

static void release(struct http_call *c)
{
	struct http_call **p = &c->http->calls;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	curl_multi_remove_handle(c->http->multi, c->easy);
	curl_easy_cleanup(c->easy);
	curl_slist_free_all(c->headers);
	free(c->text);
	free(c->body);
	free(c);
}

void http_cancel(struct http_call *take_c)
{
	if (take_c)
		release(take_c);
}

/* Tells of every request that has ended. Whoever is told may send and cancel others. */
static void tell_ended(struct http *h)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(h->multi, &left)) != NULL) {
		struct http_call *c = NULL;
		long status = 0;
		CURLcode rc = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&c);
		curl_easy_getinfo(m->easy_handle, CURLINFO_RESPONSE_CODE, &status);
		void (*on_done)(void *, long, const char *) = c->on_done;
		void *ctx = c->ctx;
		auto_free char *text = NULL;

		if (rc != CURLE_OK) {
			text = mem_strdup(*c->error ? c->error : curl_easy_strerror(rc));
			status = 0;
		} else {
			text = c->text ? steal(&c->text) : mem_strdup("");
		}
		release(c);
		on_done(ctx, status, text);
	}
}

/* ---- libcurl's wishes, in the loop ---- */

static void act(struct http *h, curl_socket_t fd, int what)
{
	int running;

	(void)curl_multi_socket_action(h->multi, fd, what, &running);
	tell_ended(h);
}

static void on_readable(void *arg)
{
	const struct socket_watch *s = arg;

	act(s->http, s->fd, CURL_CSELECT_IN);
}

static void on_writable(void *arg)
{
	const struct socket_watch *s = arg;

	act(s->http, s->fd, CURL_CSELECT_OUT);
}

static void on_timer(void *arg)
{
	struct http *h = arg;

	watch_free(h->on_timer);
	h->on_timer = NULL;
	act(h, CURL_SOCKET_TIMEOUT, 0);
}

static int set_timer(CURLM *multi, long ms, void *arg)
{
	struct http *h = arg;

	(void)multi;
	watch_free(h->on_timer);
	h->on_timer = ms < 0 ? NULL : loop_timer(h->loop, (uint64_t)ms, on_timer, h);
	return 0;
}

static void forget_socket(struct http *h, struct socket_watch *s)
{
	struct socket_watch **p = &h->sockets;

	while (*p != s)
		p = &(*p)->next;
	*p = s->next;
	watch_free(s->readable);
	watch_free(s->writable);
	free(s);
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct http *h = arg;
	struct socket_watch *s = known;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s)
			forget_socket(h, s);
		return 0;
	}
	if (!s) {
		s = mem_alloc(sizeof(*s));
		*s = (struct socket_watch) { .next = h->sockets, .http = h, .fd = fd };
		h->sockets = s;
		curl_multi_assign(h->multi, fd, s);
	}
	watch_free(s->readable);
	watch_free(s->writable);
	s->readable = what & CURL_POLL_IN ? loop_readable(h->loop, fd, on_readable, s) : NULL;
	s->writable = what & CURL_POLL_OUT ? loop_writable(h->loop, fd, on_writable, s) : NULL;
	return 0;
}

/* ---- the answer ---- */

static size_t take_data(char *data, size_t size, size_t n, void *arg)
{
	struct http_call *c = arg;
	size_t len = size * n, room = TEXT_MAX - c->len;
	long status = 0;

	if (c->stream) {
		curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
		if (status == 200)
			return c->on_data(c->ctx, status, data, len) ? len : 0;
	}
	room = room < len ? room : len;
	c->text = mem_grow(c->text, c->len + room + 1, 1);
	memcpy(c->text + c->len, data, room);
	c->len += room;
	c->text[c->len] = '\0';
	return len;
}

/* A socket of another network namespace; the thread comes back to its own at once. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	const struct http_call *c = arg;
	int fd;

	(void)purpose;
	if (c->netns < 0)
		return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
	if (setns(c->netns, CLONE_NEWNET) < 0)
		return CURL_SOCKET_BAD;
	fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
	if (setns(c->http->own_netns, CLONE_NEWNET) < 0)
		abort(); /* everything that follows would be in the wrong place */
	return fd;
}

/* ---- sending ---- */

static void add_header(struct http_call *c, const char *text)
{
	c->headers = curl_slist_append(c->headers, text);
}

static void set_up_body(struct http_call *c, const struct http_request *r)
{
	if (!r->body)
		return;
	c->body = mem_strdup(r->body);
	curl_easy_setopt(c->easy, CURLOPT_POST, 1L);
	curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, c->body);
	curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(c->body));
	add_header(c, "Content-Type: application/json");
	add_header(c, "Accept: application/json");
	add_header(c, "Expect:"); /* agents do not answer it, and curl would wait a second */
}

static void set_up_tls(struct http_call *c, const struct http_tls *tls)
{
	bool verify = tls && tls->verify;

	curl_easy_setopt(c->easy, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
	curl_easy_setopt(c->easy, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
	if (!tls)
		return;
	if (tls->ca)
		curl_easy_setopt(c->easy, CURLOPT_CAINFO, tls->ca);
	if (tls->cert)
		curl_easy_setopt(c->easy, CURLOPT_SSLCERT, tls->cert);
	if (tls->key)
		curl_easy_setopt(c->easy, CURLOPT_SSLKEY, tls->key);
}

static void set_up_connection(struct http_call *c, const struct http_request *r)
{
	curl_easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(c->easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(c->easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_S);
	curl_easy_setopt(c->easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_S);
	curl_easy_setopt(c->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, (long)r->timeout);
	curl_easy_setopt(c->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	if (r->unix_socket)
		curl_easy_setopt(c->easy, CURLOPT_UNIX_SOCKET_PATH, r->unix_socket);
	curl_easy_setopt(c->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(c->easy, CURLOPT_OPENSOCKETDATA, c);
	if (r->netns >= 0) /* a connection of one namespace is no use in another */
		curl_easy_setopt(c->easy, CURLOPT_FORBID_REUSE, 1L);
	if (r->netns >= 0)
		curl_easy_setopt(c->easy, CURLOPT_FRESH_CONNECT, 1L);
}

struct err *http_send(struct http *h, const struct http_request *r, struct http_call **ret)
{
	struct http_call *c;

	if (r->netns >= 0 && h->own_netns < 0)
		TRY(fd_openat(AT_FDCWD, "/proc/self/ns/net", O_RDONLY, &h->own_netns));
	c = mem_alloc(sizeof(*c));
	*c = (struct http_call) { .next = h->calls,
				  .http = h,
				  .easy = curl_easy_init(),
				  .stream = r->stream,
				  .netns = r->netns,
				  .on_data = r->on_data,
				  .on_done = r->on_done,
				  .ctx = r->ctx };
	h->calls = c;
	curl_easy_setopt(c->easy, CURLOPT_URL, r->url);
	curl_easy_setopt(c->easy, CURLOPT_PRIVATE, c);
	curl_easy_setopt(c->easy, CURLOPT_ERRORBUFFER, c->error);
	curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, take_data);
	curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, c);
	set_up_body(c, r);
	set_up_tls(c, r->tls);
	set_up_connection(c, r);
	for (const char *const *p = r->headers; p && *p; p++)
		add_header(c, *p);
	if (r->token) {
		auto_free char *line = mem_printf("Authorization: Bearer %s", r->token);

		add_header(c, line);
	}
	if (c->headers)
		curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->headers);
	if (curl_multi_add_handle(h->multi, c->easy) != CURLM_OK) {
		release(c);
		return err_new(ENOMEM, "cannot send to %s", r->url);
	}
	*ret = c;
	return NULL;
}

struct err *http_new(struct loop *l, struct http **ret)
{
	struct http *h;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_new(ENOMEM, "cannot set up libcurl");
	h = mem_alloc(sizeof(*h));
	*h = (struct http) { .multi = curl_multi_init(), .loop = l, .own_netns = -1 };
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	*ret = h;
	return NULL;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	while (h->calls)
		release(h->calls);
	curl_multi_cleanup(h->multi);
	while (h->sockets)
		forget_socket(h, h->sockets);
	watch_free(h->on_timer);
	fd_cleanup(&h->own_netns);
	free(h);
}
