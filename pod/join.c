/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod/join.c - a pod in the network of another one.
 *
 * It has processes, groups and a supervisor of its own, and its own published
 * ports; the address and the names are the other's, whose end is its own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

static void on_gone(void *arg)
{
	struct pod *p = arg;

	watch_free(p->join.on_gone);
	p->join.on_gone = NULL;
	p->killing = true; /* there is nobody left to talk to */
	pod_fail(p, err_new(EPIPE, "pod %s has ended, and what had joined it", p->plan->join));
}

static void add_names(struct pod_join *j, const struct pod_state *s)
{
	err_ignore(json_get_strv(s->json, "names", &j->names));
	for (size_t i = 0; i < s->n_services; i++)
		if (!strv_has(j->names, s->services[i].service))
			strv_add(&j->names, mem_strdup(s->services[i].service));
}

struct err *join_open(struct pod *p)
{
	auto_pod_state struct pod_state *s = NULL;
	struct pod_join *j = &p->join;

	TRY(pod_state_read(p->host, p->plan->join, &s));
	if (!s->alive || s->pause <= 0)
		return err_new(ESRCH, "pod %s is not running", s->name);
	struct err *gone = proc_open((pid_t)s->pause, &j->pidfd);

	if (err_code(gone) == ESRCH) {
		err_free(gone);
		return err_new(ESRCH, "pod %s is not running", s->name);
	}
	TRY(gone);
	auto_free char *path = mem_printf("/proc/%lld/ns/net", (long long)s->pause);
	const char *address = json_string_value(json_at(s->json, "address"));

	TRY(fd_openat(AT_FDCWD, path, O_RDONLY, &j->netns));
	/* the lock says that it was that process all the time */
	if (!state_alive(p->host, p->plan->join))
		return err_new(ESRCH, "pod %s is not running", s->name);
	if (address && inet_pton(AF_INET, address, &j->address) != 1)
		return err_new(EINVAL, "pod %s: '%s' is not an address", s->name, address);
	add_names(j, s);
	j->on_gone = loop_readable(p->loop, j->pidfd, on_gone, p);
	if (p->plan->n_ports == 0)
		return NULL;
	if (!address)
		return err_new(EINVAL, "pod %s has no address: no port of it can be published",
			       s->name);
	return netns_borrow(p->plan->name, j->address, &p->net);
}

void join_close(struct pod *p)
{
	watch_free(p->join.on_gone);
	p->join.on_gone = NULL;
	fd_close(&p->join.pidfd);
	fd_close(&p->join.netns);
	strv_free(p->join.names);
	p->join.names = NULL;
}
