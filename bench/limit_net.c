/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/limit_net.c - the limit's network: raw rtnetlink and nf_tables messages.
 */
#include <endian.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "limit.h"

enum { HOST_ADDRESS = 0x0ad50001, POD_ADDRESS = 0x0ad50002, PREFIX = 16 }; /* 10.213.0.1, .2 */
enum { HOST_PORT = 18080, POD_PORT = 80 };

/* Messages to be sent in one system call. */
struct batch {
	size_t used;
	struct nlmsghdr *msg; /* the one being written */
	_Alignas(NLMSG_ALIGNTO) char data[4096];
};

int limit_net_socket(int protocol)
{
	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	if (s < 0)
		limit_die("netlink socket");
	return s;
}

static void begin(struct batch *b, uint16_t type, uint16_t flags, const void *header, size_t len)
{
	b->msg = (struct nlmsghdr *)(b->data + b->used);
	b->msg->nlmsg_type = type;
	b->msg->nlmsg_flags = NLM_F_REQUEST | flags;
	b->msg->nlmsg_len = NLMSG_LENGTH(len);
	memcpy(NLMSG_DATA(b->msg), header, len);
	b->used += NLMSG_SPACE(len);
}

static struct nlattr *put(struct batch *b, uint16_t type, const void *value, size_t len)
{
	struct nlattr *a = (struct nlattr *)(b->data + b->used);

	a->nla_type = type;
	a->nla_len = (uint16_t)(NLA_HDRLEN + len);
	if (len)
		memcpy((char *)a + NLA_HDRLEN, value, len);
	b->used += NLA_ALIGN(a->nla_len);
	b->msg->nlmsg_len = (uint32_t)(b->data + b->used - (char *)b->msg);
	return a;
}

static struct nlattr *nest(struct batch *b, uint16_t type)
{
	return put(b, type | NLA_F_NESTED, NULL, 0);
}

static void end(struct batch *b, struct nlattr *a)
{
	a->nla_len = (uint16_t)(b->data + b->used - (char *)a);
}

static void put_str(struct batch *b, uint16_t type, const char *s)
{
	put(b, type, s, strlen(s) + 1);
}

static void put_be32(struct batch *b, uint16_t type, uint32_t value)
{
	put(b, type, &(uint32_t) { htobe32(value) }, sizeof(value));
}

/* Sends, and waits for @acks answers. Returns 0, or the errno of the first that is an error. */
static int exchange(int s, const struct batch *b, int acks)
{
	_Alignas(NLMSG_ALIGNTO) char answer[8192];

	if (send(s, b->data, b->used, 0) < 0)
		return errno;
	while (acks > 0) {
		ssize_t got = recv(s, answer, sizeof(answer), 0);

		if (got < 0)
			return errno;
		size_t left = (size_t)got;

		for (struct nlmsghdr *h = (void *)answer; NLMSG_OK(h, left);
		     h = NLMSG_NEXT(h, left)) {
			const struct nlmsgerr *e = NLMSG_DATA(h);

			if (h->nlmsg_type == NLMSG_ERROR && e->error)
				return -e->error;
			acks -= h->nlmsg_type == NLMSG_ERROR;
		}
	}
	return 0;
}

static void must(int error, const char *what)
{
	errno = error;
	if (error)
		limit_die("%s", what);
}

static void put_up(struct batch *b, int index)
{
	struct ifinfomsg link = { .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };

	begin(b, RTM_NEWLINK, NLM_F_ACK, &link, sizeof(link));
}

static void put_address(struct batch *b, int index, uint32_t address)
{
	struct ifaddrmsg m = { .ifa_family = AF_INET,
			       .ifa_prefixlen = PREFIX,
			       .ifa_index = (uint32_t)index };

	begin(b, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE, &m, sizeof(m));
	put_be32(b, IFA_LOCAL, address);
	put_be32(b, IFA_ADDRESS, address);
}

void limit_net_lo_up(int route)
{
	struct batch b = { 0 };

	put_up(&b, 1); /* the loopback device is always the first */
	must(exchange(route, &b, 1), "lo up");
}

static int index_of(int s, const char *name)
{
	struct ifreq request = { 0 };

	memcpy(request.ifr_name, name, strlen(name));
	if (ioctl(s, SIOCGIFINDEX, &request) < 0)
		limit_die("index of %s", name);
	return request.ifr_ifindex;
}

void limit_net_connect(int host, int inner, pid_t pid)
{
	struct batch pair = { 0 }, outside = { 0 }, inside = { 0 };
	struct ifinfomsg up = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct rtmsg route = { .rtm_family = AF_INET,
			       .rtm_table = RT_TABLE_MAIN,
			       .rtm_protocol = RTPROT_STATIC,
			       .rtm_scope = RT_SCOPE_UNIVERSE,
			       .rtm_type = RTN_UNICAST };
	char name[IFNAMSIZ];

	/* The far end is born in the pod's namespace, but cannot be up before this one is. */
	snprintf(name, sizeof(name), "limit%d", pid);
	begin(&pair, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &up, sizeof(up));
	put_str(&pair, IFLA_IFNAME, name);
	struct nlattr *info = nest(&pair, IFLA_LINKINFO);
	put_str(&pair, IFLA_INFO_KIND, "veth");
	struct nlattr *data = nest(&pair, IFLA_INFO_DATA);
	struct nlattr *peer = put(&pair, VETH_INFO_PEER, &(struct ifinfomsg) { 0 }, sizeof(up));
	put_str(&pair, IFLA_IFNAME, "eth0");
	put(&pair, IFLA_NET_NS_PID, &pid, sizeof(pid));
	end(&pair, peer);
	end(&pair, data);
	end(&pair, info);
	must(exchange(host, &pair, 1), "veth");

	put_address(&outside, index_of(host, name), HOST_ADDRESS);
	must(exchange(host, &outside, 1), "host address");

	int eth0 = index_of(inner, "eth0");

	put_up(&inside, 1);
	put_address(&inside, eth0, POD_ADDRESS);
	put_up(&inside, eth0);
	begin(&inside, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE, &route, sizeof(route));
	put_be32(&inside, RTA_GATEWAY, HOST_ADDRESS);
	must(exchange(inner, &inside, 4), "pod network");
}

/* One expression of a rule: numbers, and for some a value of its own. */
struct expr {
	const char *name;
	struct {
		uint16_t type;
		uint32_t value;
	} number[5];
	uint16_t data_type; /* 0: no data */
	uint8_t data_len;
	uint8_t data[4];
};

static void put_expr(struct batch *b, const struct expr *e)
{
	struct nlattr *element = nest(b, NFTA_LIST_ELEM);
	put_str(b, NFTA_EXPR_NAME, e->name);
	struct nlattr *body = nest(b, NFTA_EXPR_DATA);

	for (size_t i = 0; i < 5 && e->number[i].type; i++)
		put_be32(b, e->number[i].type, e->number[i].value);
	if (e->data_type) {
		struct nlattr *data = nest(b, e->data_type);

		put(b, NFTA_DATA_VALUE, e->data, e->data_len);
		end(b, data);
	}
	end(b, body);
	end(b, element);
}

/* clang-format off */
/* meta l4proto tcp  tcp dport 18080  dnat to 10.213.0.2:80 */
static const struct expr rule[] = {
	{ .name = "meta",
	  .number = { { NFTA_META_KEY, NFT_META_L4PROTO }, { NFTA_META_DREG, NFT_REG_1 } } },
	{ .name = "cmp", .number = { { NFTA_CMP_SREG, NFT_REG_1 }, { NFTA_CMP_OP, NFT_CMP_EQ } },
	  .data_type = NFTA_CMP_DATA, .data_len = 1, .data = { 6 } },
	{ .name = "payload", /* two bytes from the second on: the destination port */
	  .number = { { NFTA_PAYLOAD_DREG, NFT_REG_1 },
		      { NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER },
		      { NFTA_PAYLOAD_OFFSET, 2 }, { NFTA_PAYLOAD_LEN, 2 } } },
	{ .name = "cmp", .number = { { NFTA_CMP_SREG, NFT_REG_1 }, { NFTA_CMP_OP, NFT_CMP_EQ } },
	  .data_type = NFTA_CMP_DATA, .data_len = 2,
	  .data = { HOST_PORT >> 8, HOST_PORT & 255 } },
	{ .name = "immediate", .number = { { NFTA_IMMEDIATE_DREG, NFT_REG_1 } },
	  .data_type = NFTA_IMMEDIATE_DATA, .data_len = 4,
	  .data = { POD_ADDRESS >> 24, POD_ADDRESS >> 16 & 255, POD_ADDRESS >> 8 & 255,
		    POD_ADDRESS & 255 } },
	{ .name = "immediate", .number = { { NFTA_IMMEDIATE_DREG, NFT_REG_2 } },
	  .data_type = NFTA_IMMEDIATE_DATA, .data_len = 2,
	  .data = { POD_PORT >> 8, POD_PORT & 255 } },
	{ .name = "nat",
	  .number = { { NFTA_NAT_TYPE, NFT_NAT_DNAT }, { NFTA_NAT_FAMILY, NFPROTO_IPV4 },
		      { NFTA_NAT_REG_ADDR_MIN, NFT_REG_1 },
		      { NFTA_NAT_REG_PROTO_MIN, NFT_REG_2 } } },
};
/* clang-format on */

static void begin_nft(struct batch *b, uint16_t type, uint16_t flags)
{
	struct nfgenmsg header = { .nfgen_family = NFPROTO_IPV4, .version = NFNETLINK_V0 };

	begin(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, &header, sizeof(header));
}

bool limit_net_publish(int nft)
{
	struct nfgenmsg mark = { .res_id = htobe16(NFNL_SUBSYS_NFTABLES) };
	struct batch b = { 0 };
	char table[32];

	snprintf(table, sizeof(table), "limit%d", getpid());
	begin(&b, NFNL_MSG_BATCH_BEGIN, 0, &mark, sizeof(mark));

	begin_nft(&b, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	put_str(&b, NFTA_TABLE_NAME, table);
	put_be32(&b, NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);

	begin_nft(&b, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	put_str(&b, NFTA_CHAIN_TABLE, table);
	put_str(&b, NFTA_CHAIN_NAME, "in");
	struct nlattr *hook = nest(&b, NFTA_CHAIN_HOOK);
	put_be32(&b, NFTA_HOOK_HOOKNUM, NF_INET_PRE_ROUTING);
	put_be32(&b, NFTA_HOOK_PRIORITY, (uint32_t)-100);
	end(&b, hook);
	put_str(&b, NFTA_CHAIN_TYPE, "nat");

	begin_nft(&b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK);
	put_str(&b, NFTA_RULE_TABLE, table);
	put_str(&b, NFTA_RULE_CHAIN, "in");
	struct nlattr *list = nest(&b, NFTA_RULE_EXPRESSIONS);
	for (size_t i = 0; i < sizeof(rule) / sizeof(rule[0]); i++)
		put_expr(&b, &rule[i]);
	end(&b, list);

	begin(&b, NFNL_MSG_BATCH_END, 0, &mark, sizeof(mark));
	return exchange(nft, &b, 1) == 0;
}
