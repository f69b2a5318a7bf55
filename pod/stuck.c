/* SPDX-License-Identifier: Apache-2.0 */
/* pod/stuck.c - processes that were killed and have not died: they count as ended, and are reaped when they do. */
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "pod/internal.h"

enum { STUCK_WAIT = 1000 /* milliseconds */ };

/* The pod's init cannot end before it is reaped. */
struct stuck {
	struct stuck *next;
	struct pod *pod;
	int pidfd;
	struct watch *on_exit;
};

static void on_stuck_exit(void *arg)
{
	struct stuck *s = arg, **at = &s->pod->stuck;
	struct proc_exit how;
	bool done = true;

	err_ignore(proc_poll(s->pidfd, &done, &how));
	if (!done)
		return;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	watch_free(s->on_exit);
	close(s->pidfd);
	free(s);
}

void containers_reap_stuck(struct pod *p)
{
	struct stuck *next;

	for (struct stuck *s = p->stuck; s; s = next) {
		struct proc_exit how;

		next = s->next;
		(void)!proc_wait_for(s->pidfd, STUCK_WAIT, &how);
		watch_free(s->on_exit);
		close(s->pidfd);
		free(s);
	}
	p->stuck = NULL;
}

void container_keep_stuck(struct container *c)
{
	struct stuck *s = mem_alloc(sizeof(*s));

	watch_free(c->on_exit);
	c->on_exit = NULL;
	*s = (struct stuck) { c->pod->stuck, c->pod, c->process.pidfd, NULL };
	c->process.pidfd = -1;
	c->pod->stuck = s;
	s->on_exit = loop_readable(c->pod->loop, s->pidfd, on_stuck_exit, s);
}
