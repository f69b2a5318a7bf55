/* SPDX-License-Identifier: Apache-2.0 */
/* pod/output.c - what containers write: to their logs, to who watches, to who is attached. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "pod/internal.h"

enum { READ = 64 << 10 };

/* Whole lines go to who watches; what is left over waits for its end. */
static void tell_lines(struct output *o, const char *data, size_t len, bool end)
{
	const struct pod_watcher *w = &o->c->pod->options->watcher;

	if (!w->on_output)
		return;
	for (;;) {
		const char *newline = memchr(data, '\n', len);
		size_t n = newline ? (size_t)(newline - data) + 1 : len;

		o->partial = mem_grow(o->partial, o->len + n + 1, 1);
		memcpy(o->partial + o->len, data, n);
		o->len += n;
		data += n;
		len -= n;
		if (!newline && !(end && o->len) && o->len < READ)
			return;
		if (o->len)
			w->on_output(w->ctx, o->c->plan->key, o->stream, o->partial, o->len);
		o->len = 0;
		if (!newline)
			return;
	}
}

void container_hear_end(struct output *o)
{
	if (o->fd < 0)
		return;
	watch_free(o->watch);
	o->watch = NULL;
	fd_close(&o->fd);
	tell_lines(o, "", 0, true);
	if (o->c->log)
		log_put(o->c->log, o->stream, "", 0, true);
	free(o->partial);
	o->partial = NULL;
	o->len = 0;
}

static void take_output(struct output *o, const char *data, size_t len)
{
	if (o->c->log)
		log_put(o->c->log, o->stream, data, len, false);
	tell_lines(o, data, len, false);
	if (o->c->attachments)
		attach_output(o->c, o->stream, data, len);
}

static void on_output_event(void *arg)
{
	struct output *o = arg;
	char data[READ];
	ssize_t n = read(o->fd, data, sizeof(data));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) { /* EIO: the other end of a terminal is gone */
		container_hear_end(o);
		return;
	}
	take_output(o, data, (size_t)n);
}

/* What was written before the end is read before the end is told. */
void container_drain(struct container *c)
{
	for (size_t i = 0; i < ARRAY_LEN(c->output); i++) {
		struct output *o = &c->output[i];

		while (o->fd >= 0) {
			char data[READ];
			ssize_t n = read(o->fd, data, sizeof(data));

			if (n <= 0)
				break;
			take_output(o, data, (size_t)n);
		}
		container_hear_end(o);
	}
}

void container_hear(struct container *c, struct output *o, enum pod_stream stream, int take_fd)
{
	container_hear_end(o); /* of a start that came to nothing */
	(void)fcntl(take_fd, F_SETFL, O_NONBLOCK);
	*o = (struct output) { .c = c, .stream = stream, .fd = take_fd };
	if (!c->held && !c->pod->held)
		o->watch = loop_readable(c->pod->loop, take_fd, on_output_event, o);
}

/* One that is held fills its pipes, and then waits. */
void container_hold(struct container *c, bool held)
{
	c->held = held;
	container_listen(c);
}

void container_listen(struct container *c)
{
	bool held = c->held || c->pod->held;

	struct output *const all[] = { &c->output[0], &c->output[1], &c->hook_output };

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct output *o = all[i];

		if (held || o->fd < 0) {
			watch_free(o->watch);
			o->watch = NULL;
		} else if (!o->watch) {
			o->watch = loop_readable(c->pod->loop, o->fd, on_output_event, o);
		}
	}
}
