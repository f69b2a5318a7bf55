/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netns/netns.h - the pod's network: an address, a routed link, published ports, names.
 *
 * What the pod holds on the host is a descriptor: the lease of its address (a
 * byte-range lock), its published ports (bound sockets) and its nftables table
 * (owner flag, Linux 5.12). The pod's init inherits them, and the kernel takes
 * all of it back when that dies. Links and rules go through netlink; no program
 * is run.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* A port of the host that leads to one of the pod. */
struct netns_port {
	struct in_addr host_ip; /* INADDR_ANY: every address of the host */
	uint16_t first, last;	/* host ports to choose from; 0: any free one */
	uint16_t target;	/* port in the pod */
	uint8_t protocol;	/* IPPROTO_TCP or IPPROTO_UDP */
	uint16_t host_port;	/* the one that was chosen; set by netns_publish() */
};

struct netns;

/*
 * Leases an address for @name; @run_dir is where leases are kept. Nothing is
 * seen on the host yet. The first candidate depends on @name alone.
 */
struct err *netns_new(const char *run_dir, const char *name, struct netns **ret) must_check;
/* The address of another pod, to publish more ports of it: netns_publish(), then netns_forward(). */
struct err *netns_borrow(const char *name, struct in_addr address, struct netns **ret) must_check;
struct err *netns_forward(struct netns *n) must_check;
/*
 * Takes the pod's rules away, and gives up its ports and its address. Closing the
 * last descriptor does that too, but waits for an RCU grace period, 5 to 15 ms, and
 * still does after this: so netns_free() is for later, when nobody waits. NULL does
 * nothing.
 */
void netns_withdraw(struct netns *n);
void netns_free(struct netns *n); /* closes its descriptors: gone, unless an heir holds them */
void netns_cleanup(struct netns **n);
#define auto_netns cleanup_with(netns_cleanup)

/*
 * Binds every port, so that nobody else gets it, and opens what will own the
 * nftables table: both are to be inherited by the pod's init. EADDRINUSE names
 * the port. @ports is borrowed until netns_connect().
 */
struct err *netns_publish(struct netns *n, struct netns_port *ports, size_t n_ports) must_check;

/*
 * Called in the pod's new network namespace, of which @inside is a descriptor:
 * loopback up, a veth pair with the leased address, a default route; NAT to the
 * published ports and masquerading of what leaves the pod. What happens on the
 * host's side goes through sockets that netns_publish() opened there.
 */
struct err *netns_connect(const struct netns *n, int inside) must_check;
/* Loopback alone, in the caller's namespace. */
struct err *netns_loopback(void) must_check;
/* Called on the host when netns_connect() is done: forwarding, and 127.0.0.1 through the link. */
struct err *netns_settle(struct netns *n) must_check;

/* The descriptors that keep the lease, the ports and the table. Borrowed; @max is enough for all ports + 2. */
size_t netns_fds(const struct netns *n, int *fds, size_t max);
struct in_addr netns_address(const struct netns *n);
const char *netns_link(const struct netns *n); /* the host's end, "slip1234" */
/* The host as the pod sees it. */
struct in_addr netns_gateway(void);

/* ---- names ---- */

struct netns_names {
	const char *hostname;	/* of one container */
	const char *domain;	/* or NULL */
	struct in_addr address; /* the pod's; INADDR_ANY: it has none */
	char *const *peers;	/* names that are the pod itself */
	char *const *extra;	/* "name=address"; the address host-gateway is the host */
	char *const *dns, *const *search, *const *options; /* resolv.conf; NULL: the host's */
};
/* /etc/hosts and /etc/resolv.conf; the caller's. */
struct err *netns_hosts(const struct netns_names *names, char **ret) must_check;
struct err *netns_resolv(const struct netns_names *names, char **ret) must_check;

/* ---- looking for leftovers ---- */

/* Links and nftables tables of slipway on this host. */
struct err *netns_list_links(char ***ret) must_check;
struct err *netns_list_tables(char ***ret) must_check;
/* "slipway-NAME", the table of pod @name. */
char *netns_table_name(const char *name) must_check;
/* What the kernel lacks for publishing, or NULL; tried in the caller's namespace. */
struct err *netns_probe(void) must_check;
