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
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/fd.h"
#include "base/mem.h"
#include "pod/internal.h"

struct network {
	pthread_t thread;
	int inside;
	const struct netns *net;
	struct err *error;
};

/* Docker's defaults for a new network: ping and low ports for everybody in it. */
static void set_defaults(void)
{
	err_ignore(fd_write_knob(AT_FDCWD, "/proc/sys/net/ipv4/ping_group_range", "0 2147483647"));
	err_ignore(fd_write_knob(AT_FDCWD, "/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"));
}

static struct err *make(const struct network *n)
{
	if (setns(n->inside, CLONE_NEWNET) < 0)
		return err_errno("enter the pod's network namespace");
	set_defaults();
	return n->net ? netns_connect(n->net, n->inside) : netns_loopback();
}

static void *in_thread(void *arg)
{
	enum { FIRST = -20 /* it sleeps most of the time, and all wait for it */ };
	struct network *n = arg;

	(void)setpriority(PRIO_PROCESS, 0, FIRST);
	n->error = make(n);
	return NULL;
}

struct err *network_start(int inside, const struct netns *net, struct network **ret)
{
	struct network *n = mem_alloc(sizeof(*n));
	pthread_attr_t attributes;
	sigset_t all;

	*n = (struct network) { .inside = inside, .net = net };
	sigfillset(&all);
	pthread_attr_init(&attributes);
	pthread_attr_setsigmask_np(&attributes, &all);
	(void)mallopt(M_ARENA_MAX, 1); /* it takes little: not 64 MiB of addresses for that */
	errno = pthread_create(&n->thread, &attributes, in_thread, n);
	pthread_attr_destroy(&attributes);
	if (!errno) {
		*ret = n;
		return NULL;
	}
	free(n);
	return err_errno("start a thread");
}

struct err *network_ready(struct network **take_n)
{
	auto_free struct network *n = steal(take_n);

	if (!n)
		return NULL;
	(void)pthread_join(n->thread, NULL);
	return n->error;
}
