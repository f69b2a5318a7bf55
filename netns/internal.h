/* SPDX-License-Identifier: Apache-2.0 */
/* netns/internal.h - netlink conversations, and the pod's network. */
#pragma once

#include <libmnl/libmnl.h>

#include "netns/netns.h"

#define SUBNET_BASE 0x0ad50000U /* 10.213.0.0/16: pods */
#define SUBNET_MASK 0xffff0000U
#define GATEWAY 0xa9fe0101U /* 169.254.1.1, on the host's end of every link */
#define LINK_INDEX 0x10000  /* plus the lease: an index of our choice need not be asked for */
#define LINK_PREFIX "slip"
#define TABLE_PREFIX "slipway-"

struct netns {
	char *name;
	unsigned lease; /* host number in the subnet */
	int lease_fd;
	struct mnl_socket *nft;	  /* owns the table */
	struct mnl_socket *route; /* of the host, until netns_settle() */
	int *sockets;		  /* bound ports */
	size_t n_sockets;
	const struct netns_port *ports; /* borrowed */
	size_t n_ports;
	char link[16];
};

/* A batch of netlink messages, sent at once; every message wants an acknowledgement. */
struct talk {
	struct mnl_socket *socket;
	char buffer[16384];
	size_t used;
	unsigned acks;
	unsigned seq;
	const char *what[32]; /* of each message, for errors */
};

struct err *talk_open(int bus, struct mnl_socket **ret) must_check;
struct nlmsghdr *talk_message(struct talk *t, const char *what, int type, int flags);
void talk_done(struct talk *t, const struct nlmsghdr *message);
/* Sends and reads all acknowledgements; the first refusal is the error. */
struct err *talk_send(struct talk *t) must_check;

/* The pod's table, made through n->nft. */
struct err *nft_table(const struct netns *n) must_check;
struct err *nft_remove(const struct netns *n) must_check;
