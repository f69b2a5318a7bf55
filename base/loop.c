/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#include "base/mem.h"

struct loop {
	struct event_base *base;
};

struct watch {
	struct event *event;
	loop_fn *fn;
	void *arg;
};

struct err *loop_new(struct loop **ret)
{
	struct loop *l = mem_alloc(sizeof(*l));

	l->base = event_base_new();
	if (!l->base) {
		free(l);
		return err_new(ENOMEM, "cannot make an event loop");
	}
	*ret = l;
	return NULL;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	event_base_free(l->base);
	free(l);
}

void loop_cleanup(struct loop **l)
{
	loop_free(*l);
}

struct err *loop_run(struct loop *l)
{
	if (event_base_loop(l->base, EVLOOP_NO_EXIT_ON_EMPTY) < 0)
		return err_new(EIO, "the event loop failed");
	return NULL;
}

void loop_stop(struct loop *l)
{
	event_base_loopbreak(l->base);
}

static void call(evutil_socket_t fd, short what, void *arg)
{
	const struct watch *w = arg;

	(void)fd;
	(void)what;
	w->fn(w->arg);
}

static struct watch *add(struct loop *l, int fd, short what, const struct timeval *after,
			 loop_fn *fn, void *arg)
{
	struct watch *w = mem_alloc(sizeof(*w));

	*w = (struct watch) { .fn = fn, .arg = arg };
	w->event = event_new(l->base, fd, what, call, w);
	if (!w->event || event_add(w->event, after) < 0)
		abort(); /* out of memory, or a descriptor epoll cannot watch: our own mistake */
	return w;
}

struct watch *loop_readable(struct loop *l, int fd, loop_fn *fn, void *arg)
{
	return add(l, fd, EV_READ | EV_PERSIST, NULL, fn, arg);
}

struct watch *loop_writable(struct loop *l, int fd, loop_fn *fn, void *arg)
{
	return add(l, fd, EV_WRITE | EV_PERSIST, NULL, fn, arg);
}

struct watch *loop_signal(struct loop *l, int signal, loop_fn *fn, void *arg)
{
	return add(l, signal, EV_SIGNAL | EV_PERSIST, NULL, fn, arg);
}

struct watch *loop_timer(struct loop *l, uint64_t ms, loop_fn *fn, void *arg)
{
	struct timeval after = { (time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000) };

	return add(l, -1, 0, &after, fn, arg);
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	event_free(w->event);
	free(w);
}
