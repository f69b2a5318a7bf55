/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netns/nft.c - the pod's nftables table, by libnftnl.
 *
 * The table has the owner flag: it belongs to the netlink socket that made it,
 * others can neither change nor flush it, and it goes when the last holder of
 * the socket does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "netns/internal.h"

#ifndef NFT_TABLE_F_OWNER
#define NFT_TABLE_F_OWNER 0x2
#endif

enum {
	RULE_ROOM = 2048,
	ACK_ROOM = 1024,
	IP_SOURCE = 12,
	IP_DESTINATION = 16,
	LOCAL = 2 /* RTN_LOCAL */
};

char *netns_table_name(const char *name)
{
	return mem_printf(TABLE_PREFIX "%s", name);
}

/* One transaction: all of the table, or nothing. */
struct batch {
	char *buffer;
	size_t used, size;
	uint32_t seq;
	unsigned acks;
	const char *table;
};

static char *room(struct batch *b)
{
	if (b->used + RULE_ROOM > b->size) {
		b->size = (b->size + RULE_ROOM) * 2;
		b->buffer = mem_grow(b->buffer, b->size, 1);
	}
	return b->buffer + b->used;
}

static struct nlmsghdr *message(struct batch *b, uint16_t type, uint16_t flags)
{
	b->acks++;
	return nftnl_nlmsg_build_hdr(room(b), type, NFPROTO_IPV4, flags | NLM_F_ACK, b->seq++);
}

static void done(struct batch *b, const struct nlmsghdr *m)
{
	b->used += NLMSG_ALIGN(m->nlmsg_len);
}

static void begin(struct batch *b)
{
	nftnl_batch_begin(room(b), b->seq++);
	b->used += NLMSG_ALIGN(((const struct nlmsghdr *)(const void *)b->buffer)->nlmsg_len);
}

static void put_table(struct batch *b)
{
	struct nftnl_table *t = nftnl_table_alloc();

	nftnl_table_set_str(t, NFTNL_TABLE_NAME, b->table);
	nftnl_table_set_u32(t, NFTNL_TABLE_FLAGS, NFT_TABLE_F_OWNER);
	struct nlmsghdr *m = message(b, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);

	nftnl_table_nlmsg_build_payload(m, t);
	nftnl_table_free(t);
	done(b, m);
}

static void put_chain(struct batch *b, const char *name, const char *type, uint32_t hook,
		      int32_t priority)
{
	struct nftnl_chain *c = nftnl_chain_alloc();

	nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, b->table);
	nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, name);
	nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, type);
	nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, hook);
	nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, priority);
	struct nlmsghdr *m = message(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL);

	nftnl_chain_nlmsg_build_payload(m, c);
	nftnl_chain_free(c);
	done(b, m);
}

static struct nftnl_rule *rule(const struct batch *b, const char *chain)
{
	struct nftnl_rule *r = nftnl_rule_alloc();

	nftnl_rule_set_str(r, NFTNL_RULE_TABLE, b->table);
	nftnl_rule_set_str(r, NFTNL_RULE_CHAIN, chain);
	return r;
}

static void put_rule(struct batch *b, struct nftnl_rule *take_r)
{
	struct nlmsghdr *m = message(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);

	nftnl_rule_nlmsg_build_payload(m, take_r);
	nftnl_rule_free(take_r);
	done(b, m);
}

/* ---- what rules are made of; each works on register 1 ---- */

static struct nftnl_expr *expression(struct nftnl_rule *r, const char *kind)
{
	struct nftnl_expr *e = nftnl_expr_alloc(kind);

	nftnl_rule_add_expr(r, e);
	return e;
}

static void compare(struct nftnl_rule *r, uint32_t op, const void *data, uint32_t len)
{
	struct nftnl_expr *e = expression(r, "cmp");

	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, len);
}

static void load_payload(struct nftnl_rule *r, uint32_t base, uint32_t offset, uint32_t len)
{
	struct nftnl_expr *e = expression(r, "payload");

	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
}

static void load_meta(struct nftnl_rule *r, uint32_t key)
{
	struct nftnl_expr *e = expression(r, "meta");

	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
}

static void match_address(struct nftnl_rule *r, uint32_t offset, uint32_t op, uint32_t address,
			  uint32_t mask)
{
	uint32_t value = htonl(address), bits = htonl(mask), none = 0;

	load_payload(r, NFT_PAYLOAD_NETWORK_HEADER, offset, 4);
	if (mask != UINT32_MAX) {
		struct nftnl_expr *e = expression(r, "bitwise");

		nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, 4);
		nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, &bits, 4);
		nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, &none, 4);
	}
	compare(r, op, &value, 4);
}

static void match_link(struct nftnl_rule *r, uint32_t key, uint32_t op, const char *link)
{
	char name[16] = { 0 };

	strncpy(name, link, sizeof(name) - 1);
	load_meta(r, key);
	compare(r, op, name, sizeof(name));
}

/* Addressed to the host itself. */
static void match_local(struct nftnl_rule *r)
{
	struct nftnl_expr *e = expression(r, "fib");
	uint32_t local = LOCAL;

	nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR);
	compare(r, NFT_CMP_EQ, &local, sizeof(local));
}

static void immediate(struct nftnl_rule *r, uint32_t reg, const void *data, uint32_t len)
{
	struct nftnl_expr *e = expression(r, "immediate");

	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, reg);
	nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, data, len);
}

static void drop(struct nftnl_rule *r)
{
	struct nftnl_expr *e = expression(r, "immediate");

	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, NF_DROP);
}

/* ---- the rules ---- */

static void put_port(struct batch *b, const char *chain, const struct netns *n,
		     const struct netns_port *p)
{
	struct nftnl_rule *r = rule(b, chain);
	uint16_t host = htons(p->host_port), target = htons(p->target);
	struct in_addr to = netns_address(n);

	if (p->host_ip.s_addr == INADDR_ANY)
		match_local(r);
	else
		match_address(r, IP_DESTINATION, NFT_CMP_EQ, ntohl(p->host_ip.s_addr), UINT32_MAX);
	load_meta(r, NFT_META_L4PROTO);
	compare(r, NFT_CMP_EQ, &p->protocol, 1);
	load_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
	compare(r, NFT_CMP_EQ, &host, 2);
	immediate(r, NFT_REG_1, &to, 4);
	immediate(r, NFT_REG_2, &target, 2);

	struct nftnl_expr *e = expression(r, "nat");

	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FAMILY, NFPROTO_IPV4);
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_PROTO_MIN, NFT_REG_2);
	put_rule(b, r);
}

static void put_masquerades(struct batch *b, const struct netns *n)
{
	uint32_t pod = SUBNET_BASE + n->lease;
	struct nftnl_rule *r = rule(b, "postrouting"); /* out of the pod, to the world */

	match_address(r, IP_SOURCE, NFT_CMP_EQ, pod, UINT32_MAX);
	match_address(r, IP_DESTINATION, NFT_CMP_NEQ, SUBNET_BASE, SUBNET_MASK);
	match_link(r, NFT_META_OIFNAME, NFT_CMP_NEQ, n->link);
	expression(r, "masq");
	put_rule(b, r);

	r = rule(b, "postrouting"); /* from the pod to its own published port */
	match_address(r, IP_SOURCE, NFT_CMP_EQ, pod, UINT32_MAX);
	match_address(r, IP_DESTINATION, NFT_CMP_EQ, pod, UINT32_MAX);
	expression(r, "masq");
	put_rule(b, r);

	r = rule(b, "postrouting"); /* from the host's 127.0.0.1 */
	match_address(r, IP_SOURCE, NFT_CMP_EQ, 0x7f000000, 0xff000000);
	match_link(r, NFT_META_OIFNAME, NFT_CMP_EQ, n->link);
	expression(r, "masq");
	put_rule(b, r);
}

/* route_localnet would let the pod reach what listens only on the host's 127.0.0.1 (CVE-2020-8558). */
static void put_guard(struct batch *b, const struct netns *n)
{
	struct nftnl_rule *r = rule(b, "guard"); /* nobody but the pod speaks from its link */

	match_link(r, NFT_META_IIFNAME, NFT_CMP_EQ, n->link);
	match_address(r, IP_SOURCE, NFT_CMP_NEQ, SUBNET_BASE + n->lease, UINT32_MAX);
	drop(r);
	put_rule(b, r);
	r = rule(b, "guard");

	match_link(r, NFT_META_IIFNAME, NFT_CMP_EQ, n->link);
	match_address(r, IP_DESTINATION, NFT_CMP_EQ, 0x7f000000, 0xff000000);
	drop(r);
	put_rule(b, r);
}

static struct err *commit(struct mnl_socket *s, struct batch *b)
{
	nftnl_batch_end(room(b), b->seq++);
	b->used += NLMSG_ALIGN(
		((const struct nlmsghdr *)(const void *)(b->buffer + b->used))->nlmsg_len);
	/* hundreds of ports are one message, and many answers */
	int room = (int)b->used * 2 + ACK_ROOM * (int)b->acks;
	int fd = mnl_socket_get_fd(s);

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (mnl_socket_sendto(s, b->buffer, b->used) < 0)
		return err_errno("send to nf_tables");
	char answer[16384];

	while (b->acks > 0) {
		ssize_t n = mnl_socket_recvfrom(s, answer, sizeof(answer));
		int len = (int)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno("receive from nf_tables");
		for (const struct nlmsghdr *m = (const void *)answer; mnl_nlmsg_ok(m, len);
		     m = mnl_nlmsg_next(m, &len)) {
			const struct nlmsgerr *e = mnl_nlmsg_get_payload(m);

			if (m->nlmsg_type != NLMSG_ERROR)
				continue;
			errno = -e->error;
			if (e->error)
				return err_errno("nftables table %s", b->table);
			b->acks--;
		}
	}
	return NULL;
}

struct err *nft_table(const struct netns *n)
{
	auto_free char *name = netns_table_name(n->name);
	struct batch b = { .seq = 1, .table = name };

	begin(&b);
	put_table(&b);
	put_chain(&b, "guard", "filter", NF_INET_PRE_ROUTING, -300);
	put_chain(&b, "prerouting", "nat", NF_INET_PRE_ROUTING, -100);
	put_chain(&b, "output", "nat", NF_INET_LOCAL_OUT, -100);
	put_chain(&b, "postrouting", "nat", NF_INET_POST_ROUTING, 100);
	put_guard(&b, n);
	for (size_t i = 0; i < n->n_ports; i++) {
		put_port(&b, "prerouting", n, &n->ports[i]);
		put_port(&b, "output", n, &n->ports[i]);
	}
	put_masquerades(&b, n);
	struct err *e = commit(n->nft, &b);

	free(b.buffer);
	return e;
}

struct err *nft_remove(const struct netns *n)
{
	auto_free char *name = netns_table_name(n->name);
	struct batch b = { .seq = 1, .table = name };
	struct nftnl_table *t = nftnl_table_alloc();

	begin(&b);
	nftnl_table_set_str(t, NFTNL_TABLE_NAME, name);
	struct nlmsghdr *m = message(&b, NFT_MSG_DELTABLE, 0);

	nftnl_table_nlmsg_build_payload(m, t);
	nftnl_table_free(t);
	done(&b, m);
	struct err *e = commit(n->nft, &b);

	free(b.buffer);
	return e;
}

/* ---- listing ---- */

static int on_table(const struct nlmsghdr *m, void *arg)
{
	struct nftnl_table *t = nftnl_table_alloc();

	if (nftnl_table_nlmsg_parse(m, t) == 0) {
		const char *name = nftnl_table_get_str(t, NFTNL_TABLE_NAME);

		if (name && str_starts(name, TABLE_PREFIX))
			strv_add(arg, mem_strdup(name));
	}
	nftnl_table_free(t);
	return MNL_CB_OK;
}

struct err *netns_list_tables(char ***ret)
{
	struct mnl_socket *s = NULL;
	char buffer[16384];
	ssize_t n = 1;
	int rc = 1;

	TRY(talk_open(NETLINK_NETFILTER, &s));
	struct nlmsghdr *m =
		nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETTABLE, NFPROTO_IPV4, NLM_F_DUMP, 1);

	if (mnl_socket_sendto(s, m, m->nlmsg_len) < 0)
		n = -1;
	while (n > 0 && rc > 0) {
		n = mnl_socket_recvfrom(s, buffer, sizeof(buffer));
		if (n > 0)
			rc = mnl_cb_run(buffer, (size_t)n, 1, mnl_socket_get_portid(s), on_table,
					ret);
	}
	struct err *e = n < 0 || rc < 0 ? err_errno("list nftables tables") : NULL;

	mnl_socket_close(s);
	return e;
}

struct err *netns_probe(void)
{
	struct netns n = { .name = mem_printf("probe-%d", getpid()), .link = "lo" };
	struct err *e = talk_open(NETLINK_NETFILTER, &n.nft);

	if (!e)
		e = nft_table(&n);

	if (n.nft)
		mnl_socket_close(n.nft);
	free(n.name);
	return e;
}
