/* SPDX-License-Identifier: Apache-2.0 */
/* netns/talk.c - batches of netlink messages over libmnl. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "netns/internal.h"

struct err *talk_open(int bus, struct mnl_socket **ret)
{
	struct mnl_socket *s = mnl_socket_open2(bus, SOCK_CLOEXEC);

	if (!s)
		return err_errno("open a netlink socket");
	if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0) {
		struct err *e = err_errno("bind a netlink socket");

		mnl_socket_close(s);
		return e;
	}
	*ret = s;
	return NULL;
}

struct nlmsghdr *talk_message(struct talk *t, const char *what, int type, int flags)
{
	struct nlmsghdr *m = mnl_nlmsg_put_header(t->buffer + t->used);

	m->nlmsg_type = (uint16_t)type;
	m->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	m->nlmsg_seq = t->seq + t->acks;
	t->what[t->acks++] = what;
	return m;
}

void talk_done(struct talk *t, const struct nlmsghdr *message)
{
	t->used += NLMSG_ALIGN(message->nlmsg_len);
}

static struct err *read_acks(struct talk *t, const char *buffer, int len, unsigned *left)
{
	struct err *e = NULL;

	for (const struct nlmsghdr *m = (const void *)buffer; mnl_nlmsg_ok(m, len);
	     m = mnl_nlmsg_next(m, &len)) {
		if (m->nlmsg_type != NLMSG_ERROR)
			continue;
		const struct nlmsgerr *answer = mnl_nlmsg_get_payload(m);
		unsigned which = answer->msg.nlmsg_seq - t->seq;

		(*left)--;
		errno = -answer->error;
		if (answer->error && !e)
			e = err_errno("%s", which < t->acks ? t->what[which] : "netlink");
	}
	return e;
}

/* What follows from a failure is not told. */
static struct err *err_first(struct err *take_first, struct err *take_second)
{
	if (!take_first)
		return take_second;
	err_free(take_second);
	return take_first;
}

struct err *talk_send(struct talk *t)
{
	char buffer[16384];
	struct err *e = NULL;
	unsigned left = t->acks;

	if (mnl_socket_sendto(t->socket, t->buffer, t->used) < 0)
		return err_errno("send to netlink");
	while (left > 0) { /* all of them: the next conversation must not find old answers */
		ssize_t n = mnl_socket_recvfrom(t->socket, buffer, sizeof(buffer));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_first(e, err_errno("receive from netlink"));
		e = err_first(e, read_acks(t, buffer, (int)n, &left));
	}
	t->seq += t->acks;
	t->used = t->acks = 0;
	return e;
}
