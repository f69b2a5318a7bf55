/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod/network.c - the pod's network, made by a thread.
 *
 * The kernel sleeps over it (links and rules wait for RCU), for longer than everything
 * else of a start takes: so it begins first, and is waited for last. A network namespace
 * is a thread's own, and what it makes goes through descriptors of the whole process.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "pod/internal.h"

struct network {
	pthread_t thread;
	int inside;
	const struct netns *net;
	int done; /* eventfd(2): the thread is at its end */
	struct err *error;
};

static struct err *make(const struct network *n)
{
	if (setns(n->inside, CLONE_NEWNET) < 0)
		return err_errno("enter the pod's network namespace");
	return n->net ? netns_connect(n->net, n->inside) : netns_loopback();
}

static void *in_thread(void *arg)
{
	enum { FIRST = -20 /* it sleeps most of the time, and all wait for it */ };
	struct network *n = arg;

	(void)setpriority(PRIO_PROCESS, 0, FIRST);
	n->error = make(n);
	(void)eventfd_write(n->done, 1);
	return NULL;
}

static int start_thread(struct network *n)
{
	enum { STACK = 256 << 10 }; /* and not what a limit says */
	pthread_attr_t attributes;
	sigset_t all;

	sigfillset(&all);
	pthread_attr_init(&attributes);
	pthread_attr_setsigmask_np(&attributes, &all);
	pthread_attr_setstacksize(&attributes, STACK);
	(void)mallopt(M_ARENA_MAX, 1); /* it takes little: not 64 MiB of addresses for that */
	int error = pthread_create(&n->thread, &attributes, in_thread, n);

	pthread_attr_destroy(&attributes);
	return error;
}

struct err *network_start(int inside, const struct netns *net, struct network **ret)
{
	auto_fd int done = eventfd(0, EFD_CLOEXEC);

	if (done < 0)
		return err_errno("eventfd");
	struct network *n = mem_alloc(sizeof(*n));

	*n = (struct network) { .inside = inside, .net = net, .done = done };
	errno = start_thread(n);
	if (errno) {
		free(n);
		return err_errno("start a thread");
	}
	(void)fd_steal(&done);
	*ret = n;
	return NULL;
}

int network_fd(const struct network *n)
{
	return n->done;
}

static bool is_done(const struct network *n, int ms)
{
	struct pollfd p = { .fd = n->done, .events = POLLIN };
	int rc;

	do
		rc = poll(&p, 1, ms);
	while (rc < 0 && errno == EINTR);
	return rc > 0;
}

struct err *network_ready(struct network **n, int ms, bool *ret_ready)
{
	*ret_ready = !*n || is_done(*n, ms);
	if (!*n || !*ret_ready)
		return NULL;
	auto_free struct network *done = steal(n);

	(void)pthread_join(done->thread, NULL);
	close(done->done);
	return done->error;
}
