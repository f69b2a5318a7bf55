/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod/journal.c - output of services into the systemd journal, by its own protocol.
 *
 * One datagram is one message: "NAME=value\n" for each field, or for values
 * with newlines "NAME\n", the length in eight bytes, the value and "\n". No
 * datagram is waited for: what the journal does not take at once is queued up to
 * a limit, and what does not fit is counted and told when there is room again.
 */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "pod/internal.h"

enum {
	PRIORITY_WARNING = 4,
	PRIORITY_ERROR = 3,
	PRIORITY_INFO = 6,
	AGAIN = 1000,	 /* milliseconds until a journal that was away is looked for again */
	LAST_WAIT = 500, /* milliseconds that the end of a container waits for the journal */
};

struct datagram {
	struct datagram *next;
	size_t len;
	char data[];
};

struct journal {
	char *path;
	struct loop *loop;
	struct watch *watch; /* while something is queued: for room, or for another try */
	int socket;
	char *fields; /* of every message, as they are sent */
	size_t fields_len;
	struct datagram *first, **end;
	size_t queued, queue_max; /* bytes */
	uint64_t lost;
	uint64_t partial_id;
	unsigned partial[2]; /* pieces of the present line, by stream */
};

/* ---- messages ---- */

static void put_field(FILE *f, const char *name, const char *value, size_t len)
{
	uint64_t size = htole64(len);

	if (!memchr(value, '\n', len)) {
		fprintf(f, "%s=", name);
	} else {
		fprintf(f, "%s\n", name);
		fwrite(&size, sizeof(size), 1, f);
	}
	fwrite(value, 1, len, f);
	fputc('\n', f);
}

/* The member of docker's names that says which pieces are one line. */
static void put_partial(struct journal *j, const struct log_piece *p, FILE *f)
{
	unsigned *pieces = &j->partial[p->stream];

	if (!p->more && !*pieces)
		return;
	if (++*pieces == 1)
		j->partial_id += 2; /* even for one stream, odd for the other: both may be open */
	fprintf(f,
		"CONTAINER_PARTIAL_MESSAGE=true\nCONTAINER_PARTIAL_ID=%llx-%llx\n"
		"CONTAINER_PARTIAL_ORDINAL=%u\nCONTAINER_PARTIAL_LAST=%s\n",
		(unsigned long long)getpid(),
		(unsigned long long)(j->partial_id + (p->stream == POD_STDERR)), *pieces,
		p->more ? "false" : "true");
	if (!p->more)
		*pieces = 0;
}

static struct datagram *datagram_new(const char *data, size_t len)
{
	struct datagram *d = mem_alloc(sizeof(*d) + len);

	d->len = len;
	memcpy(d->data, data, len);
	return d;
}

static struct datagram *message(const struct journal *j, int priority, const char *rest,
				const char *text, size_t len)
{
	char *data = NULL;
	size_t size;
	FILE *f = open_memstream(&data, &size);

	fwrite(j->fields, 1, j->fields_len, f);
	fprintf(f, "PRIORITY=%d\n%s", priority, rest);
	put_field(f, "MESSAGE", text, len);
	fclose(f);
	struct datagram *d = datagram_new(data, size);

	free(data);
	return d;
}

/* ---- sending ---- */

static struct err *connect_to(struct journal *j)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (strlen(j->path) >= sizeof(a.sun_path))
		return err_new(ENAMETOOLONG, "the journal's socket %s has too long a name",
			       j->path);
	strcpy(a.sun_path, j->path); /* its length was looked at */
	j->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (j->socket < 0)
		return err_errno("socket");
	if (connect(j->socket, (const struct sockaddr *)&a, sizeof(a)) == 0)
		return NULL;
	struct err *e = err_errno("no journal listens at %s", j->path);

	fd_close(&j->socket);
	return e;
}

/* 0, or an errno. A journal that was started anew is connected to again. */
static int try_send(struct journal *j, const struct datagram *d)
{
	for (int attempt = 0; attempt < 2; attempt++) {
		if (j->socket < 0) {
			auto_err struct err *e = connect_to(j);

			if (e)
				return ECONNREFUSED;
		}
		if (send(j->socket, d->data, d->len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno != ECONNREFUSED && errno != ENOTCONN && errno != ECONNRESET)
			return errno;
		watch_free(j->watch); /* it looks at that socket */
		j->watch = NULL;
		fd_close(&j->socket);
	}
	return ECONNREFUSED;
}

static bool is_later(int error)
{
	return error == EAGAIN || error == ENOBUFS || error == ECONNREFUSED;
}

static void drop_first(struct journal *j)
{
	struct datagram *d = j->first;

	j->first = d->next;
	if (!j->first)
		j->end = &j->first;
	j->queued -= d->len;
	free(d);
}

static void tell_lost(struct journal *j)
{
	auto_free char *text = mem_printf("%llu lines were lost: the journal did not take them",
					  (unsigned long long)j->lost);
	auto_free struct datagram *d = message(j, PRIORITY_WARNING, "", text, strlen(text));

	if (j->lost && try_send(j, d) == 0)
		j->lost = 0;
}

/* What waits, as far as the journal takes it. */
static void flush(struct journal *j)
{
	while (j->first) {
		int error = try_send(j, j->first);

		if (is_later(error))
			return;
		if (error)
			j->lost++; /* this one it will never take */
		drop_first(j);
	}
	if (j->lost)
		tell_lost(j);
	watch_free(j->watch);
	j->watch = NULL;
}

static void on_room(void *arg);
static void on_again(void *arg);

/* What waits is sent when there is room, or, as long as nobody listens, tried again and again. */
static void arm(struct journal *j)
{
	if (!j->loop || j->watch || !j->first)
		return;
	j->watch = j->socket >= 0 ? loop_writable(j->loop, j->socket, on_room, j)
				  : loop_timer(j->loop, AGAIN, on_again, j);
}

static void on_room(void *arg)
{
	flush(arg);
	arm(arg);
}

static void on_again(void *arg)
{
	struct journal *j = arg;

	watch_free(j->watch);
	j->watch = NULL;
	flush(j);
	arm(j);
}

static void enqueue(struct journal *j, struct datagram *take_d)
{
	if (j->queued + take_d->len > j->queue_max) {
		j->lost++;
		free(take_d);
		return;
	}
	*j->end = take_d;
	j->end = &take_d->next;
	j->queued += take_d->len;
	arm(j);
}

void journal_put(struct journal *j, const struct log_piece *p)
{
	char *rest = NULL;
	size_t size;
	FILE *f = open_memstream(&rest, &size);
	bool cr = !p->more && p->len && p->data[p->len - 1] == '\r'; /* of a terminal */

	put_partial(j, p, f);
	fclose(f);
	struct datagram *d = message(j, p->stream == POD_STDERR ? PRIORITY_ERROR : PRIORITY_INFO,
				     rest, p->data, p->len - cr);

	free(rest);
	if (j->first)
		flush(j);
	int error = j->first ? EAGAIN : try_send(j, d);

	if (is_later(error)) {
		enqueue(j, d);
		return;
	}
	if (error)
		j->lost++;
	free(d);
}

/* ---- the whole ---- */

struct err *journal_open(const char *path, struct loop *loop, const struct plan_log *log,
			 struct journal **ret)
{
	struct journal *j = mem_alloc(sizeof(*j));
	FILE *f = open_memstream(&j->fields, &j->fields_len);

	for (char *const *field = log->fields; field && *field; field++) {
		size_t n = strcspn(*field, "=");
		auto_free char *name = mem_strndup(*field, n);

		put_field(f, name, *field + n + 1, strlen(*field + n + 1));
	}
	fclose(f);
	j->path = mem_strdup(path);
	j->loop = loop;
	j->socket = -1;
	j->end = &j->first;
	j->queue_max = (size_t)log->buffer;
	struct err *e = connect_to(j);

	if (e)
		journal_free(j);
	else
		*ret = j;
	return e;
}

void journal_free(struct journal *j)
{
	if (!j)
		return;
	uint64_t end = proc_now_ms() + LAST_WAIT;

	for (flush(j); j->first && j->socket >= 0 && proc_now_ms() < end; flush(j)) {
		struct pollfd wait = { j->socket, POLLOUT, 0 };

		(void)poll(&wait, 1, (int)(end - proc_now_ms()) + 1);
	}
	while (j->first)
		drop_first(j);
	watch_free(j->watch);
	fd_cleanup(&j->socket);
	free(j->fields);
	free(j->path);
	free(j);
}
