/* SPDX-License-Identifier: Apache-2.0 */
/* netns/netns.c - lease, ports, link: what a pod's network is made of. */
#include "netns/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "netns/internal.h"

enum { LEASE_FIRST = 2, LEASE_LAST = 65534, BACKLOG = 1, ETH0 = 2 /* index */ };

/* ---- the lease ---- */

static bool lock_byte(int fd, unsigned number)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = number, .l_len = 1 };

	return fcntl(fd, F_OFD_SETLK, &l) == 0;
}

/* Which lease is free is what the kernel says of byte n of one file; a dead pod's lock is gone. */
static struct err *take_lease(const char *run_dir, struct netns *n)
{
	auto_free char *path = mem_printf("%s/leases", run_dir);
	unsigned span = LEASE_LAST - LEASE_FIRST + 1;
	unsigned start = (unsigned)(str_hash(n->name, strlen(n->name)) % span);

	TRY(fd_openat(AT_FDCWD, path, O_RDWR | O_CREAT, &n->lease_fd));
	for (unsigned i = 0; i < span; i++) {
		n->lease = LEASE_FIRST + (start + i) % span;
		if (lock_byte(n->lease_fd, n->lease))
			return NULL;
		if (errno != EAGAIN && errno != EACCES)
			return err_errno("lock %s", path);
	}
	return err_new(EADDRNOTAVAIL, "all %u addresses of the pod network are in use", span);
}

struct err *netns_new(const char *run_dir, const char *name, struct netns **ret)
{
	auto_netns struct netns *n = mem_alloc(sizeof(*n));

	n->lease_fd = -1;
	n->name = mem_strdup(name);
	TRY(take_lease(run_dir, n));
	snprintf(n->link, sizeof(n->link), LINK_PREFIX "%u", n->lease);
	*ret = steal(&n);
	return NULL;
}

struct err *netns_borrow(const char *name, struct in_addr address, struct netns **ret)
{
	uint32_t number = ntohl(address.s_addr);
	auto_netns struct netns *n = mem_alloc(sizeof(*n));

	n->lease_fd = -1;
	n->name = mem_strdup(name);
	if ((number & SUBNET_MASK) != SUBNET_BASE)
		return err_new(EINVAL, "the other pod's address is not one of ours");
	n->lease = number - SUBNET_BASE;
	snprintf(n->link, sizeof(n->link), LINK_PREFIX "%u", n->lease);
	*ret = steal(&n);
	return NULL;
}

static void close_sockets(struct netns *n)
{
	for (size_t i = 0; i < n->n_sockets; i++)
		close(n->sockets[i]);
	n->n_sockets = 0;
	fd_close(&n->lease_fd);
}

void netns_withdraw(struct netns *n)
{
	if (!n)
		return;
	if (n->nft)
		err_ignore(nft_remove(n)); /* perhaps there was none yet */
	close_sockets(n);
}

void netns_free(struct netns *n)
{
	if (!n)
		return;
	close_sockets(n);
	if (n->nft)
		mnl_socket_close(n->nft);
	if (n->route)
		mnl_socket_close(n->route);
	free(n->sockets);
	free(n->name);
	free(n);
}

void netns_cleanup(struct netns **n)
{
	netns_free(*n);
}

size_t netns_fds(const struct netns *n, int *fds, size_t max)
{
	size_t count = 0;

	if (n->lease_fd >= 0 && count < max)
		fds[count++] = n->lease_fd;
	if (n->nft && count < max)
		fds[count++] = mnl_socket_get_fd(n->nft);
	for (size_t i = 0; i < n->n_sockets && count < max; i++)
		fds[count++] = n->sockets[i];
	return count;
}

struct in_addr netns_address(const struct netns *n)
{
	return (struct in_addr) { htonl(SUBNET_BASE + n->lease) };
}

struct in_addr netns_gateway(void)
{
	return (struct in_addr) { htonl(GATEWAY) };
}

const char *netns_link(const struct netns *n)
{
	return n->link;
}

/* ---- ports ---- */

static const char *protocol_name(uint8_t protocol)
{
	return protocol == IPPROTO_TCP ? "tcp" : "udp";
}

/* Listening matters for TCP: a socket that is only bound gives way to SO_REUSEADDR. */
static struct err *bind_port(const struct netns_port *p, uint16_t port, int *ret)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr = p->host_ip,
				       .sin_port = htons(port) };
	bool tcp = p->protocol == IPPROTO_TCP;
	auto_fd int fd = socket(AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
	char ip[INET_ADDRSTRLEN];
	int yes = 1;

	if (fd < 0)
		return err_errno("socket");
	/* connections of a former pod may still fade away; who listens is refused all the same */
	if (tcp)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    (tcp && listen(fd, BACKLOG) < 0)) {
		if (errno == EADDRINUSE)
			return err_new(EADDRINUSE, "port %s:%u/%s is already in use on this host",
				       inet_ntop(AF_INET, &p->host_ip, ip, sizeof(ip)), port,
				       protocol_name(p->protocol));
		return err_errno("bind %s:%u/%s", inet_ntop(AF_INET, &p->host_ip, ip, sizeof(ip)),
				 port, protocol_name(p->protocol));
	}
	*ret = fd_steal(&fd);
	return NULL;
}

static struct err *reserve(struct netns *n, struct netns_port *p)
{
	struct sockaddr_in got = { 0 };
	socklen_t len = sizeof(got);
	struct err *e = NULL;
	int fd = -1;

	for (unsigned port = p->first; port <= p->last; port++) {
		err_free(e);
		e = bind_port(p, (uint16_t)port, &fd);
		if (!e || err_code(e) != EADDRINUSE)
			break;
	}
	TRY(e);
	n->sockets = mem_grow(n->sockets, n->n_sockets + 1, sizeof(int));
	n->sockets[n->n_sockets++] = fd;
	if (getsockname(fd, (struct sockaddr *)&got, &len) < 0)
		return err_errno("getsockname");
	p->host_port = ntohs(got.sin_port);
	return NULL;
}

struct err *netns_publish(struct netns *n, struct netns_port *ports, size_t n_ports)
{
	for (size_t i = 0; i < n_ports; i++)
		TRY(reserve(n, &ports[i]));
	n->ports = ports;
	n->n_ports = n_ports;
	TRY(talk_open(NETLINK_ROUTE, &n->route));
	return talk_open(NETLINK_NETFILTER, &n->nft);
}

/* ---- the link ---- */

static void put_link_up(struct talk *t, const char *what, unsigned index)
{
	struct nlmsghdr *m = talk_message(t, what, RTM_NEWLINK, 0);
	struct ifinfomsg *i = mnl_nlmsg_put_extra_header(m, sizeof(*i));

	i->ifi_index = (int)index;
	i->ifi_flags = i->ifi_change = IFF_UP;
	talk_done(t, m);
}

static void put_address(struct talk *t, const char *what, unsigned index, uint32_t address)
{
	struct nlmsghdr *m = talk_message(t, what, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
	struct ifaddrmsg *a = mnl_nlmsg_put_extra_header(m, sizeof(*a));

	a->ifa_family = AF_INET;
	a->ifa_prefixlen = 32;
	a->ifa_index = index;
	mnl_attr_put_u32(m, IFA_LOCAL, htonl(address));
	mnl_attr_put_u32(m, IFA_ADDRESS, htonl(address));
	talk_done(t, m);
}

/* To @to (0: everywhere), through @via (0: on the link itself), from @source (0: any). */
static void put_route(struct talk *t, const char *what, unsigned index, uint32_t to, uint32_t via)
{
	struct nlmsghdr *m = talk_message(t, what, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
	struct rtmsg *r = mnl_nlmsg_put_extra_header(m, sizeof(*r));

	r->rtm_family = AF_INET;
	r->rtm_table = RT_TABLE_MAIN;
	r->rtm_protocol = RTPROT_STATIC;
	r->rtm_scope = via ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
	r->rtm_type = RTN_UNICAST;
	if (to) {
		r->rtm_dst_len = 32;
		mnl_attr_put_u32(m, RTA_DST, htonl(to));
	}
	if (via)
		mnl_attr_put_u32(m, RTA_GATEWAY, htonl(via));
	mnl_attr_put_u32(m, RTA_OIF, index);
	talk_done(t, m);
}

struct err *netns_loopback(void)
{
	struct talk t = { 0 };

	TRY(talk_open(NETLINK_ROUTE, &t.socket));
	put_link_up(&t, "bring loopback up", 1);
	struct err *e = talk_send(&t);

	mnl_socket_close(t.socket);
	return e;
}

/* Both ends in one message; the peer is born @inside as eth0. */
static void put_veth(struct talk *t, const struct netns *n, int inside)
{
	struct nlmsghdr *m =
		talk_message(t, "make the pod's link", RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct ifinfomsg *i = mnl_nlmsg_put_extra_header(m, sizeof(*i));

	i->ifi_index = (int)(LINK_INDEX + n->lease);
	i->ifi_flags = i->ifi_change = IFF_UP;
	mnl_attr_put_strz(m, IFLA_IFNAME, n->link);
	struct nlattr *info = mnl_attr_nest_start(m, IFLA_LINKINFO);

	mnl_attr_put_strz(m, IFLA_INFO_KIND, "veth");
	struct nlattr *data = mnl_attr_nest_start(m, IFLA_INFO_DATA);
	struct nlattr *peer = mnl_attr_nest_start(m, VETH_INFO_PEER);

	struct ifinfomsg *eth0 = mnl_nlmsg_put_extra_header(m, sizeof(*eth0));

	eth0->ifi_index = ETH0; /* also at the second try, after a stale link */
	mnl_attr_put_strz(m, IFLA_IFNAME, "eth0");
	mnl_attr_put_u32(m, IFLA_NET_NS_FD, (uint32_t)inside);
	mnl_attr_nest_end(m, peer);
	mnl_attr_nest_end(m, data);
	mnl_attr_nest_end(m, info);
	talk_done(t, m);
}

/* A pod that died a moment ago leaves its link until the kernel has torn its namespace down. */
static struct err *delete_stale_link(const struct netns *n, struct talk *t)
{
	struct nlmsghdr *m = talk_message(t, "remove a dead pod's link", RTM_DELLINK, 0);

	mnl_nlmsg_put_extra_header(m, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(m, IFLA_IFNAME, n->link);
	talk_done(t, m);
	auto_err struct err *e = talk_send(t);

	return err_code(e) == ENODEV ? NULL : steal(&e);
}

static struct err *connect_outside(const struct netns *n, int inside)
{
	struct talk t = { .socket = n->route };
	unsigned index = LINK_INDEX + n->lease;

	for (int tries = 0;; tries++) {
		put_veth(&t, n, inside);
		put_address(&t, "give the link an address", index, GATEWAY);
		put_route(&t, "route to the pod", index, SUBNET_BASE + n->lease, 0);
		struct err *e = talk_send(&t);

		if (err_code(e) != EEXIST || tries)
			return e;
		err_free(e);
		TRY(delete_stale_link(n, &t));
	}
}

static struct err *connect_inside(const struct netns *n)
{
	struct talk t = { 0 };
	unsigned eth0 = ETH0;

	TRY(talk_open(NETLINK_ROUTE, &t.socket));
	put_link_up(&t, "bring loopback up", 1);
	put_link_up(&t, "bring eth0 up", eth0);
	put_address(&t, "give eth0 its address", eth0, SUBNET_BASE + n->lease);
	put_route(&t, "route to the gateway", eth0, GATEWAY, 0);
	put_route(&t, "default route", eth0, 0, GATEWAY);
	struct err *e = talk_send(&t);

	mnl_socket_close(t.socket);
	return e;
}

struct err *netns_connect(const struct netns *n, int inside)
{
	struct err *e = connect_outside(n, inside);

	if (!e)
		e = connect_inside(n);
	if (!e)
		e = nft_table(n);
	return err_wrap(e, "pod network");
}

struct err *netns_forward(struct netns *n)
{
	mnl_socket_close(steal(&n->route));
	return err_wrap(nft_table(n), "publish ports");
}

/* Both parameters are of the caller's network namespace: only the host can set them. */
struct err *netns_settle(struct netns *n)
{
	auto_free char *local = mem_printf("/proc/sys/net/ipv4/conf/%s/route_localnet", n->link);
	auto_free char *forward = NULL;

	auto_free char *ipv6 = mem_printf("/proc/sys/net/ipv6/conf/%s/disable_ipv6", n->link);

	mnl_socket_close(steal(&n->route));
	/* the pod has no IPv6; its router advertisements must not reach the host (CVE-2020-13401) */
	err_ignore(fd_write_knob(AT_FDCWD, ipv6, "1"));
	TRY(fd_write_knob(AT_FDCWD, local, "1"));
	TRY(fd_read_file(AT_FDCWD, "/proc/sys/net/ipv4/ip_forward", 16, &forward));
	if (*forward == '1')
		return NULL;
	return fd_write_knob(AT_FDCWD, "/proc/sys/net/ipv4/ip_forward", "1");
}

struct err *netns_list_links(char ***ret)
{
	struct if_nameindex *list = if_nameindex();

	if (!list)
		return err_errno("list links");
	for (const struct if_nameindex *i = list; i->if_index; i++) {
		const char *rest = i->if_name + strlen(LINK_PREFIX);

		if (str_starts(i->if_name, LINK_PREFIX) && *rest &&
		    strspn(rest, "0123456789") == strlen(rest))
			strv_add(ret, mem_strdup(i->if_name));
	}
	if_freenameindex(list);
	return NULL;
}
