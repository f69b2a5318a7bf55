/* SPDX-License-Identifier: Apache-2.0 */
/* mesos/http.h - HTTP requests in an event loop, by libcurl. Nothing here blocks or resolves names. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"

struct http;
struct err *http_new(struct loop *l, struct http **ret) must_check;
void http_free(struct http *h); /* ends what is under way, without calls */

/* TLS as libprocess's environment variables say it. NULL: none. */
struct http_tls {
	const char *ca, *cert, *key; /* files */
	bool verify;
};

struct http_request {
	const char *url;
	const char *unix_socket;    /* path, or NULL */
	const char *body;	    /* POST of JSON; NULL: GET */
	const char *token;	    /* Authorization: Bearer; or NULL */
	const char *const *headers; /* more of them, NULL-terminated; or NULL */
	const struct http_tls *tls;
	uint64_t timeout; /* milliseconds until it must have ended; 0: no limit */
	bool stream;	  /* the answer's body is handed on as it comes */
	int netns;	  /* where to connect from, borrowed; -1: here */
	/* @status: of the answer, once, before its body; stream only. False ends the request. */
	bool (*on_data)(void *ctx, long status, const char *data, size_t len);
	/* @status 0: there was no answer, and @text says why; else @text is the body (no stream), cut at 64 KiB */
	void (*on_done)(void *ctx, long status, const char *text);
	void *ctx;
};

/* A request under way; it is gone when on_done is called, or by http_cancel(). */
struct http_call;
struct err *http_send(struct http *h, const struct http_request *r,
		      struct http_call **ret) must_check;
void http_cancel(struct http_call *take_c); /* NULL is fine; on_done is not called */
