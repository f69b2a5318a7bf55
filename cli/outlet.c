/* SPDX-License-Identifier: Apache-2.0 */
/* cli/outlet.c - writing without ever waiting, to who may have stopped reading. */
#include "cli/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"

static void on_room(void *arg);

/* The same pipe or terminal opened once more has flags of its own. A file needs none: it always takes. */
static int reopen(int stream)
{
	auto_free char *path = mem_printf("/proc/self/fd/%d", stream);
	struct stat st;

	if (fstat(stream, &st) < 0 || !(S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
		return -1;
	return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void outlet_open(struct outlet *o, int stream, struct loop *loop, void (*on_change)(void *arg),
		 void *arg)
{
	int type = 0;
	socklen_t size = sizeof(type);
	int fd = reopen(stream);

	*o = (struct outlet) { .loop = loop,
			       .fd = fd < 0 ? stream : fd,
			       .own = fd >= 0,
			       .socket = getsockopt(stream, SOL_SOCKET, SO_TYPE, &type, &size) == 0,
			       .on_change = on_change,
			       .arg = arg };
}

size_t outlet_waiting(const struct outlet *o)
{
	return o->len - o->at;
}

static ssize_t write_some(const struct outlet *o)
{
	const char *data = o->data + o->at;

	return o->socket ? send(o->fd, data, outlet_waiting(o), MSG_DONTWAIT | MSG_NOSIGNAL)
			 : write(o->fd, data, outlet_waiting(o));
}

static void flush(struct outlet *o)
{
	ssize_t n = 0;

	while (outlet_waiting(o)) {
		n = write_some(o);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		o->at += (size_t)n;
	}
	bool full = n < 0 && errno == EAGAIN;

	if (n < 0 && !full)
		o->error = errno;
	if (!outlet_waiting(o) || o->error)
		o->at = o->len = 0;
	if (full && !o->on_room)
		o->on_room = loop_writable(o->loop, o->fd, on_room, o);
	if (!full) {
		watch_free(o->on_room);
		o->on_room = NULL;
	}
}

bool outlet_flush(struct outlet *o)
{
	size_t before = outlet_waiting(o);

	flush(o);
	return outlet_waiting(o) < before;
}

static void on_room(void *arg)
{
	struct outlet *o = arg;

	if (outlet_flush(o))
		o->on_change(o->arg);
}

void outlet_put(struct outlet *o, const char *data, size_t len)
{
	if (o->error)
		return;
	if (o->at > o->len / 2) { /* rarely: all of it is moved */
		memmove(o->data, o->data + o->at, outlet_waiting(o));
		o->len -= o->at;
		o->at = 0;
	}
	if (o->len + len > o->room) {
		o->room = 2 * (o->len + len);
		o->data = mem_grow(o->data, o->room, 1);
	}
	memcpy(o->data + o->len, data, len);
	o->len += len;
	if (!o->on_room)
		flush(o);
	if (o->error)
		o->on_change(o->arg);
}

void outlet_close(struct outlet *o)
{
	watch_free(o->on_room);
	if (outlet_waiting(o))
		err_ignore(fd_write_all(o->fd, o->data + o->at, outlet_waiting(o)));
	free(o->data);
	if (o->own)
		close(o->fd);
	*o = (struct outlet) { .fd = -1 };
}
