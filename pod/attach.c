/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod/attach.c - who is attached to a container: its output goes to them, its input comes from them.
 *
 * One message is a letter and what follows it. From the container: 'o' and 'r',
 * output and error output; 'k', all input has been taken; 'u', the pod is up; 'x'
 * and a number, it has ended. To it: 'i', input; 'c', the end of the input; 'w',
 * the terminal's size; 's', a signal; 'd', go on without me.
 *
 * The owner, who has started the pod, loses nothing: a container that writes
 * faster than it reads waits. Who comes later may be slow, and then misses some.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

enum {
	OWNER_MAX = 256 << 10, /* bytes that wait for an owner before its container does */
	OTHER_MAX = 1 << 20,   /* and for others, before they miss some */
	INPUT_MAX = 1 << 20,
	LAST_WAIT = 2000 /* milliseconds until an owner must have read the end */
};

struct message {
	struct message *next;
	size_t len;
	char data[];
};

struct attachment {
	struct attachment *next;
	struct container *c;
	int socket; /* the owner's is its own */
	struct watch *readable, *writable;
	struct message *first, **end;
	size_t queued; /* bytes */
	bool owner;
	bool kept; /* the pod goes on without it */
	bool told; /* of the container's end */
	bool owes; /* an answer to input */
	bool deaf; /* it does not read any more */
};

static void forget_queue(struct attachment *a)
{
	while (a->first) {
		struct message *m = a->first;

		a->first = m->next;
		free(m);
	}
	a->end = &a->first;
	a->queued = 0;
}

static void drop(struct attachment *a)
{
	struct attachment **p = &a->c->attachments;

	while (*p != a)
		p = &(*p)->next;
	*p = a->next;
	watch_free(a->readable);
	watch_free(a->writable);
	if (!a->owner)
		fd_close(&a->socket);
	forget_queue(a);
	free(a);
}

/* ---- to those who are attached ---- */

/*
 * What the socket takes now. When nobody reads there any more, what was said
 * before is still to be read: that the pod is to go on, say.
 */
static void flush(struct attachment *a)
{
	while (a->first) {
		struct message *m = a->first;
		auto_err struct err *e = fd_send(a->socket, m->data, m->len, -1);

		if (err_code(e) == EAGAIN)
			return;
		if (e) {
			a->deaf = true;
			forget_queue(a);
			return;
		}
		a->queued -= m->len;
		a->first = m->next;
		if (!a->first)
			a->end = &a->first;
		free(m);
	}
}

/* An owner that has caught up lets its container go on writing. */
static void settle(struct attachment *a)
{
	struct container *c = a->c;
	bool done = !a->first;

	if (!done)
		return;
	watch_free(a->writable);
	a->writable = NULL;
	if (a->owner)
		container_hold(c, false);
	else if (a->told)
		drop(a);
}

static void on_writable(void *arg)
{
	struct attachment *a = arg;
	struct pod *p = a->c->pod;

	flush(a);
	settle(a);
	pod_advance(p);
}

static void put(struct attachment *a, char type, const char *data, size_t len)
{
	bool full = !a->owner && a->queued > OTHER_MAX && (type == 'o' || type == 'r');

	if (a->deaf || full)
		return;
	struct message *m = mem_alloc(sizeof(*m) + len + 1);

	m->len = len + 1;
	m->data[0] = type;
	if (len)
		memcpy(m->data + 1, data, len);
	*a->end = m;
	a->end = &m->next;
	a->queued += m->len;
	if (!a->writable)
		flush(a);
	if (a->first && !a->writable)
		a->writable = loop_writable(a->c->pod->loop, a->socket, on_writable, a);
	if (a->owner && a->queued > OWNER_MAX)
		container_hold(a->c, true);
}

void attach_output(struct container *c, enum pod_stream stream, const char *data, size_t len)
{
	for (struct attachment *a = c->attachments; a; a = a->next)
		put(a, stream == POD_STDERR ? 'r' : 'o', data, len);
}

static void tell_end(struct attachment *a)
{
	auto_free char *code = mem_printf("%d", a->c->exit_code);

	a->told = true;
	put(a, 'x', code, strlen(code));
}

void attach_advance(struct pod *p)
{
	for (size_t i = 0; i < p->plan->n_containers; i++) {
		struct container *c = p->containers[i];
		struct attachment *next;

		for (struct attachment *a = c->attachments; a; a = next) {
			next = a->next;
			if (c->state != CONTAINER_EXITED || a->told)
				continue;
			tell_end(a);
			settle(a);
		}
	}
}

void attach_up(struct pod *p)
{
	for (size_t i = 0; i < p->plan->n_containers; i++)
		for (struct attachment *a = p->containers[i]->attachments; a; a = a->next)
			if (a->owner)
				put(a, 'u', NULL, 0);
}

bool attach_pending(const struct pod *p)
{
	for (size_t i = 0; i < p->plan->n_containers; i++)
		for (struct attachment *a = p->containers[i]->attachments; a; a = a->next)
			if (a->owner && a->first)
				return true;
	return false;
}

/* ---- from them ---- */

static void answer_input(struct container *c)
{
	for (struct attachment *a = c->attachments; a; a = a->next) {
		if (a->owes)
			put(a, 'k', NULL, 0);
		a->owes = false;
	}
}

static void close_input(struct input *in)
{
	watch_free(in->watch);
	in->watch = NULL;
	fd_close(&in->pipe);
	free(in->data);
	*in = (struct input) { .pipe = -1, .once = in->once };
}

/* What came before it waits for it. */
void attach_input_open(struct container *c, int take_pipe)
{
	fd_close(&c->input.pipe);
	c->input.pipe = take_pipe;
	(void)fcntl(take_pipe, F_SETFL, O_NONBLOCK);
}

void attach_input_close(struct container *c)
{
	close_input(&c->input);
	answer_input(c);
}

static void on_input_room(void *arg);

/* Where input goes: the pipe, or the terminal, which is its output as well. */
static int input_fd(const struct container *c)
{
	const struct compose_service *s = c->plan->service;

	return !s->stdin_open ? -1 : s->tty ? c->output[POD_STDOUT].fd : c->input.pipe;
}

static void pour(struct container *c)
{
	struct input *in = &c->input;
	int fd = input_fd(c);
	ssize_t n = 0;

	if (c->plan->service->stdin_open && c->state <= CONTAINER_STARTING)
		return; /* it is not there yet: attach_ready() */
	while (in->at < in->len) {
		n = fd >= 0 ? write(fd, in->data + in->at, in->len - in->at) : -1;
		if (n < 0 && (fd < 0 || errno != EAGAIN))
			n = (ssize_t)(in->len - in->at); /* nobody reads: it is lost */
		if (n < 0)
			break;
		in->at += (size_t)n;
	}
	if (in->at < in->len) {
		if (!in->watch)
			in->watch = loop_writable(c->pod->loop, fd, on_input_room, c);
		return;
	}
	watch_free(in->watch);
	in->watch = NULL;
	in->at = in->len = 0;
	answer_input(c);
	if (in->ended && in->once)
		close_input(in);
}

static void on_input_room(void *arg)
{
	pour(arg);
}

static bool take_input(struct attachment *a, const char *data, size_t len)
{
	struct input *in = &a->c->input;

	if (in->len + len > INPUT_MAX)
		return false;
	in->data = mem_grow(in->data, in->len + len + 1, 1);
	memcpy(in->data + in->len, data, len);
	in->len += len;
	a->owes = true;
	pour(a->c);
	return true;
}

/* A terminal that is not there yet gets it when it is. */
static void resize(struct container *c)
{
	int fd = c->plan->service->tty ? c->output[POD_STDOUT].fd : -1;

	if (fd >= 0 && c->size.ws_row)
		(void)ioctl(fd, TIOCSWINSZ, &c->size);
}

static bool take_size(struct container *c, const char *text)
{
	if (sscanf(text, "%hux%hu", &c->size.ws_row, &c->size.ws_col) != 2)
		return false;
	resize(c);
	return true;
}

/* False: what it says is not understood, and it is dropped. */
static bool obey(struct attachment *a, char *text, size_t len)
{
	int64_t number = 0;

	text[len] = '\0';
	switch (*text) {
	case 'i':
		return take_input(a, text + 1, len - 1);
	case 'c':
		a->c->input.ended = true;
		pour(a->c);
		return true;
	case 'w':
		return take_size(a->c, text + 1);
	case 'd':
		a->kept = true;
		return true;
	case 's': {
		auto_err struct err *e = str_number(text + 1, 1, SIGRTMAX, &number);

		if (!e)
			container_kill(a->c, (int)number);
		return !e;
	}
	default:
		return false;
	}
}

void attach_ready(struct container *c)
{
	resize(c);
	pour(c);
}

/* The owner's end, unless it has said otherwise, is the pod's: at once, nobody is there to wait. */
static void gone(struct attachment *a)
{
	struct container *c = a->c;
	struct pod *p = c->pod;
	bool ends = a->owner && !a->kept;

	drop(a);
	container_hold(c, false);
	if (!ends)
		return;
	p->killing = true;
	pod_stop(p);
}

static void on_readable(void *arg)
{
	struct attachment *a = arg;
	char text[ATTACH_MESSAGE + 2];
	ssize_t n = fd_recv(a->socket, text, ATTACH_MESSAGE + 1, NULL);

	/* one that has closed with something unread is told of first, and what it has said comes after */
	if (n < 0 && (errno == EAGAIN || errno == ECONNRESET))
		return;
	if (n <= 0 || !obey(a, text, (size_t)n))
		gone(a);
}

void attach_add(struct container *c, int take_socket, bool owner)
{
	struct attachment *a = mem_alloc(sizeof(*a));

	(void)fcntl(take_socket, F_SETFL, O_NONBLOCK);
	*a = (struct attachment) {
		.next = c->attachments, .c = c, .socket = take_socket, .owner = owner
	};
	a->end = &a->first;
	c->attachments = a;
	a->readable = loop_readable(c->pod->loop, take_socket, on_readable, a);
}

void attach_close(struct container *c)
{
	while (c->attachments) {
		struct attachment *a = c->attachments;
		struct pollfd room = { .fd = a->socket, .events = POLLOUT };

		if (!a->told && c->started)
			tell_end(a);
		while (a->owner && a->first && poll(&room, 1, LAST_WAIT) > 0)
			flush(a);
		drop(a);
	}
	close_input(&c->input);
}
