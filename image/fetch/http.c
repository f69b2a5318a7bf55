/* SPDX-License-Identifier: Apache-2.0 */
/* image/fetch/http.c - requests to one repository of a registry (distribution API v2). */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "image/fetch/fetch.h"

enum { TOKEN_MAX = 64 << 10, CONNECT_SECONDS = 30, STALL_SECONDS = 60, PAUSE_SECONDS = 60 };

static const char *const cert_roots[] = { "/etc/slipway/certs.d", "/etc/docker/certs.d",
					  "/etc/containers/certs.d" };

/* certs.d/HOST of slipway, docker or podman; SLIPWAY_CERTS_D names another. */
static char *find_certs(const char *host)
{
	const char *named = getenv("SLIPWAY_CERTS_D");

	for (size_t i = 0; i <= ARRAY_LEN(cert_roots); i++) {
		const char *root = i ? cert_roots[i - 1] : named;
		auto_free char *path = root ? mem_printf("%s/%s", root, host) : NULL;

		if (path && access(path, F_OK) == 0)
			return steal(&path);
	}
	return NULL;
}

/* @host may have a port and a path behind it, but nothing else: "localhost:x@evil" is at evil. */
static bool is_loopback(const char *host)
{
	size_t n = str_starts(host, "127.")	   ? strspn(host, "0123456789.")
		   : str_starts(host, "localhost") ? strlen("localhost")
		   : str_starts(host, "[::1]")	   ? strlen("[::1]")
						   : 0;
	const char *rest = host + n;

	if (n && *rest == ':')
		rest += 1 + strspn(rest + 1, "0123456789");
	return n && (!*rest || *rest == '/');
}

/* Loopback registries may speak plain HTTP, as Docker has it; whether this one does is asked once. */
static bool speaks_tls(const char *host)
{
	CURL *c = curl_easy_init();
	auto_free char *url = mem_printf("https://%s/v2/", host);

	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER,
			 0L); /* nothing is sent: only the handshake counts */
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	CURLcode code = curl_easy_perform(c);

	curl_easy_cleanup(c);
	return code == CURLE_OK;
}

struct err *repo_open(const struct image_ref *ref, const struct auth *auth, struct repo **ret)
{
	const char *host = image_ref_host(ref);
	struct repo *r = mem_alloc(sizeof(*r));
	bool plain = is_loopback(host) && !speaks_tls(host);

	r->ref = ref;
	r->auth = auth;
	r->base = mem_printf("%s://%s/v2/%s", plain ? "http" : "https", host, ref->path);
	r->certs = find_certs(host);
	pthread_mutex_init(&r->lock, NULL);
	*ret = r;
	return NULL;
}

void repo_free(struct repo *r)
{
	if (!r)
		return;
	pthread_mutex_destroy(&r->lock);
	free(r->base);
	free(r->certs);
	free(r->token);
	free(r);
}

void response_clear(struct response *r)
{
	free(r->body);
	free(r->type);
	free(r->digest);
	*r = (struct response) { 0 };
}

static void use_file(CURL *c, CURLoption option, const char *dir, const char *name)
{
	auto_free char *path = mem_printf("%s/%s", dir, name);

	if (access(path, R_OK) == 0)
		curl_easy_setopt(c, option, path);
}

static bool same_host(const struct repo *r, const char *url)
{
	const char *host = strstr(r->base, "://") + 3;
	size_t n = (size_t)(host - r->base) + strcspn(host, "/");

	return strncmp(r->base, url, n) == 0 && (url[n] == '/' || !url[n]);
}

struct err *repo_handle(struct repo *r, const char *url, struct curl_slist **headers, CURL **ret)
{
	CURL *c = curl_easy_init();

	if (!c)
		return err_new(ENOMEM, "cannot make an HTTP handle");
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(c, CURLOPT_MAXREDIRS, 10L);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	/* a redirect must not leave TLS, and never takes the credentials to another host (curl's default) */
	curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR,
			 str_starts(url, "https:") ? "https" : "http,https");
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 100L);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)STALL_SECONDS);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "slipway/" SLIPWAY_VERSION);
	curl_easy_setopt(c, CURLOPT_BUFFERSIZE, (long)BLOCK);
	if (r->certs) {
		use_file(c, CURLOPT_CAINFO, r->certs, "ca.crt");
		use_file(c, CURLOPT_SSLCERT, r->certs, "client.cert");
		use_file(c, CURLOPT_SSLKEY, r->certs, "client.key");
	}
	pthread_mutex_lock(&r->lock);
	if (r->token && same_host(r, url)) {
		auto_free char *header = mem_printf("Authorization: Bearer %s", r->token);
		*headers = curl_slist_append(*headers, header);
	} else if (r->basic && same_host(r, url)) {
		curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(c, CURLOPT_USERPWD, auth_find(r->auth, r->ref->domain));
	}
	pthread_mutex_unlock(&r->lock);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, *headers);
	*ret = c;
	return NULL;
}

struct err *repo_refusal(const struct repo *r, const char *what, long status, const char *body)
{
	auto_json json_t *j = NULL;
	auto_err struct err *bad = body ? json_parse(body, strlen(body), TOKEN_MAX, &j) : NULL;
	const json_t *first = bad ? NULL : json_array_get(json_at(j, "errors"), 0);
	const char *code = json_string_value(json_at(first, "code")),
		   *message = json_string_value(json_at(first, "message"));
	int number = status == 404 ? ENOENT : status == 401 || status == 403 ? EACCES : EIO;

	if (status == 401 || status == 403)
		return err_new(number,
			       "%s: the registry refuses access (HTTP %ld)%s%s; is the name right, "
			       "and are there credentials for %s?",
			       what, status, message ? ": " : "", message ? message : "",
			       r->ref->domain);
	return err_new(number, "%s: the registry answered HTTP %ld%s%s%s%s", what, status,
		       code ? " " : "", code ? code : "", message ? ": " : "",
		       message ? message : "");
}

/* ---- small documents ---- */

struct collect {
	struct response *r;
	size_t max;
	bool too_large;
	char *challenge; /* WWW-Authenticate */
	curl_off_t retry_after;
};

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct collect *c = arg;
	size_t len = size * n;

	if (c->r->len + len > c->max) {
		c->too_large = true;
		return 0;
	}
	c->r->body = mem_grow(c->r->body, c->r->len + len + 1, 1);
	memcpy(c->r->body + c->r->len, data, len);
	c->r->len += len;
	c->r->body[c->r->len] = '\0';
	return len;
}

static char *header_value(const char *line, size_t len, const char *name)
{
	size_t n = strlen(name);

	if (len <= n || strncasecmp(line, name, n) != 0)
		return NULL;
	while (n < len && isspace((unsigned char)line[n]))
		n++;
	while (len > n && isspace((unsigned char)line[len - 1]))
		len--;
	return mem_strndup(line + n, len - n);
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
	struct collect *c = arg;
	struct {
		const char *name;
		char **field;
	} wanted[] = { { "Content-Type:", &c->r->type },
		       { "Docker-Content-Digest:", &c->r->digest },
		       { "WWW-Authenticate:", &c->challenge } };

	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		char *value = header_value(data, size * n, wanted[i].name);

		if (!value)
			continue;
		free(*wanted[i].field);
		*wanted[i].field = value;
	}
	return size * n;
}

static bool worth_retrying(const struct err *e, long status)
{
	if (e)
		return err_code(e) == ECONNABORTED;
	return status == 408 || status == 429 || status >= 500;
}

void repo_pause(curl_off_t asked, unsigned tries)
{
	uint64_t ms = asked > 0 ? (uint64_t)asked * 1000 : UINT64_C(100) << tries;
	struct timespec pause = { .tv_sec = PAUSE_SECONDS };

	if (ms < PAUSE_SECONDS * UINT64_C(1000))
		pause = (struct timespec) { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };
	nanosleep(&pause, NULL);
}

/* One request, as it comes. */
static struct err *get_once(struct repo *r, const char *url, const char *accept, struct collect *c)
{
	char message[CURL_ERROR_SIZE] = "";
	auto_free char *header = accept ? mem_printf("Accept: %s", accept) : NULL;
	struct curl_slist *headers = header ? curl_slist_append(NULL, header) : NULL;
	CURL *h = NULL;
	struct err *e = repo_handle(r, url, &headers, &h);

	if (!e) {
		curl_easy_setopt(h, CURLOPT_ERRORBUFFER, message);
		curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
		curl_easy_setopt(h, CURLOPT_WRITEDATA, c);
		curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
		curl_easy_setopt(h, CURLOPT_HEADERDATA, c);
		CURLcode code = curl_easy_perform(h);

		curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &c->r->status);
		if (c->too_large)
			e = err_new(EFBIG, "the answer is larger than %zu bytes", c->max);
		else if (code != CURLE_OK)
			e = err_new(ECONNABORTED, "%s",
				    *message ? message : curl_easy_strerror(code));
		curl_easy_getinfo(h, CURLINFO_RETRY_AFTER, &c->retry_after);
		curl_easy_cleanup(h);
	}
	curl_slist_free_all(headers);
	return e;
}

struct err *repo_get(struct repo *r, const char *path, const char *accept, size_t max,
		     struct response *ret)
{
	auto_free char *url =
		strstr(path, "://") ? mem_strdup(path) : mem_printf("%s%s", r->base, path);
	auto_free char *what = mem_strndup(url, strcspn(url, "?"));
	bool challenged = false;

	for (unsigned try = 1;; try++) {
		struct collect c = { .r = ret, .max = max };

		response_clear(ret);
		auto_err struct err *e = get_once(r, url, accept, &c);
		auto_free char *challenge = c.challenge;

		if (!e && ret->status == 401) {
			TRY(err_wrap(repo_challenge(r, challenge, challenged), "%s", what));
			challenged = true;
			continue;
		}
		if (!e && ret->status == 200) {
			if (ret->type)
				ret->type[strcspn(ret->type, "; ")] = '\0';
			if (!ret->body)
				ret->body = mem_strdup("");
			return NULL;
		}
		if (!worth_retrying(e, ret->status) || try == TRIES || (e && try == 2))
			return e ? err_wrap(steal(&e), "%s", what)
				 : repo_refusal(r, what, ret->status, ret->body);
		repo_pause(c.retry_after, try);
	}
}

/* ---- being let in ---- */

/* The value of @key in 'Bearer realm="...",service="..."'. */
static char *parameter(const char *challenge, const char *key)
{
	auto_free char *wanted = mem_printf("%s=\"", key);
	const char *p = strcasestr(challenge, wanted);

	if (!p)
		return NULL;
	p += strlen(wanted);
	return mem_strndup(p, strcspn(p, "\""));
}

static struct err *fetch_token(struct repo *r, const char *challenge, char **ret)
{
	auto_free char *realm = parameter(challenge, "realm"),
		       *service = parameter(challenge, "service");
	auto_free char *scope = parameter(challenge, "scope");
	const char *user = auth_find(r->auth, r->ref->domain);
	struct response answer = { 0 };
	struct collect c = { .r = &answer, .max = TOKEN_MAX };
	auto_json json_t *j = NULL;
	const char *token = NULL;

	if (!realm || (!str_starts(realm, "https://") &&
		       !is_loopback(strstr(realm, "://") ? strstr(realm, "://") + 3 : "")))
		return err_new(EACCES, "the registry names no https realm for tokens");
	CURL *h = curl_easy_init();
	char *service_text = curl_easy_escape(h, service ? service : "", 0);
	char *scope_text = scope ? curl_easy_escape(h, scope, 0) : NULL;
	auto_free char *default_scope = mem_printf("repository:%s:pull", r->ref->path);
	auto_free char *url =
		mem_printf("%s%cservice=%s&scope=%s", realm, strchr(realm, '?') ? '&' : '?',
			   service_text, scope_text ? scope_text : default_scope);

	curl_easy_setopt(h, CURLOPT_URL, url);
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h, CURLOPT_TIMEOUT, (long)STALL_SECONDS);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, &c);
	if (r->certs)
		use_file(h, CURLOPT_CAINFO, r->certs, "ca.crt");
	if (user)
		curl_easy_setopt(h, CURLOPT_USERPWD, user);
	CURLcode code = curl_easy_perform(h);

	curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &answer.status);
	curl_free(service_text);
	curl_free(scope_text);
	curl_easy_cleanup(h);
	struct err *e =
		code != CURLE_OK
			? err_new(EACCES, "token from %s: %s", realm, curl_easy_strerror(code))
		: answer.status != 200
			? repo_refusal(r, "token", answer.status, answer.body)
			: json_parse(answer.body ? answer.body : "", answer.len, TOKEN_MAX, &j);

	response_clear(&answer);
	TRY(e);
	TRY(json_get_str(j, "token", &token));
	if (!token)
		TRY(json_get_str(j, "access_token", &token));
	if (!token || strpbrk(token, "\r\n")) /* it goes into a header */
		return err_new(EACCES, "no token in the answer of %s", realm);
	*ret = mem_strdup(token);
	return NULL;
}

struct err *repo_challenge(struct repo *r, const char *www_authenticate, bool tried)
{
	auto_free char *token = NULL;

	if (tried || !www_authenticate)
		return repo_refusal(r, "login", 401, NULL);
	if (str_starts(www_authenticate, "Basic") || str_starts(www_authenticate, "basic")) {
		if (!auth_find(r->auth, r->ref->domain))
			return err_new(EACCES,
				       "the registry %s wants a user and a password; there are "
				       "none in ~/.docker/config.json (docker login writes it)",
				       r->ref->domain);
		pthread_mutex_lock(&r->lock);
		r->basic = true;
		pthread_mutex_unlock(&r->lock);
		return NULL;
	}
	TRY(fetch_token(r, www_authenticate, &token));
	pthread_mutex_lock(&r->lock);
	free(r->token);
	r->token = steal(&token);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}
