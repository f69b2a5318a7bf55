/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/netns_link.c - leases, ports, links and rules, in a network namespace of each test's own. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "netns/internal.h"
#include "tests/check.h"

enum { LEASES = 300, WAIT_MS = 5000, ANSWER_MS = 3000, TCP_PORT = 8080, UDP_PORT = 5353 };

static struct netns *lease(const char *name)
{
	struct netns *n = NULL;
	auto_err struct err *e = netns_new(check_dir(), name, &n);

	CHECK_STR(err_text(e), "success");
	return n;
}

static uint32_t address_of(const struct netns *n)
{
	return ntohl(netns_address(n).s_addr);
}

/* ---- leases: need no root ---- */

TEST(an_address_follows_from_the_name)
{
	struct netns *first = lease("shop");
	uint32_t address = address_of(first);
	auto_free char *link = mem_strdup(netns_link(first));

	CHECK(address >> 16 == 0x0ad5 && (address & 0xffff) >= 2 && (address & 0xffff) <= 65534);
	auto_free char *want = mem_printf("slip%u", address & 0xffff);

	CHECK_STR(link, want);
	netns_free(first);
	auto_netns struct netns *again = lease("shop");

	CHECK(address_of(again) == address);
	auto_netns struct netns *other = lease("shop2");

	CHECK(address_of(other) != address);
}

TEST(no_two_pods_have_one_address)
{
	static bool taken[65536];
	struct netns *n[LEASES];

	for (int i = 0; i < LEASES; i++) { /* they all begin to look at the same place */
		n[i] = lease("shop");
		CHECK(!taken[address_of(n[i]) & 0xffff]);
		taken[address_of(n[i]) & 0xffff] = true;
	}
	uint32_t freed = address_of(n[0]);

	netns_free(n[0]);
	auto_netns struct netns *next = lease("shop");

	CHECK(address_of(next) == freed);
	for (int i = 1; i < LEASES; i++)
		netns_free(n[i]);
}

TEST(a_lease_ends_with_its_holder_however_that_dies)
{
	int ends[2];
	char ready;

	CHECK(pipe(ends) == 0);
	uint32_t first =
		address_of(lease("other")); /* and is kept, to show that it is not disturbed */
	pid_t holder = fork();

	if (holder == 0) {
		struct netns *n = NULL;
		auto_err struct err *e = netns_new(check_dir(), "shop", &n);

		(void)!write(ends[1], "x", !e);
		for (;;)
			pause();
	}
	CHECK(read(ends[0], &ready, 1) == 1);
	struct netns *second = lease("shop");
	uint32_t evaded = address_of(second);

	netns_free(second);
	CHECK(kill(holder, SIGKILL) == 0 && waitpid(holder, NULL, 0) == holder);
	auto_netns struct netns *third = lease("shop");

	CHECK(address_of(third) == (evaded == 0x0ad50002 ? 0x0ad5fffe : evaded - 1));
	CHECK(address_of(third) != first);
}

TEST(a_lease_lasts_as_long_as_an_heir_holds_its_descriptor)
{
	struct netns *n = lease("shop");
	uint32_t address = address_of(n);
	int fds[2] = { -1, -1 };

	CHECK_INT((int64_t)netns_fds(n, fds, 2), 1);
	int heir = dup(fds[0]);

	netns_free(n);
	auto_netns struct netns *other = lease("shop");

	CHECK(address_of(other) != address);
	close(heir);
	auto_netns struct netns *again = lease("shop");

	CHECK(address_of(again) == address);
}

TEST(a_directory_that_is_not_there_is_named)
{
	struct netns *n = NULL;
	auto_err struct err *e = netns_new("/nonexistent", "shop", &n);

	CHECK_STR(err_text(e), "open /nonexistent/leases: No such file or directory");
	CHECK(!n);
}

/* ---- a host of our own ---- */

static void own_network(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0)
		SKIP("needs root");
	auto_err struct err *e = netns_loopback();

	CHECK_STR(err_text(e), "success");
}

static struct netns_port port(const char *ip, unsigned first, unsigned last, unsigned target,
			      uint8_t protocol)
{
	struct netns_port p = { .first = (uint16_t)first,
				.last = (uint16_t)last,
				.target = (uint16_t)target,
				.protocol = protocol };

	CHECK(inet_pton(AF_INET, ip, &p.host_ip) == 1);
	return p;
}

static char *publish(struct netns *n, struct netns_port *ports, size_t n_ports)
{
	auto_err struct err *e = netns_publish(n, ports, n_ports);

	return mem_strdup(err_text(e));
}

/* With the rules, which the pod's init makes otherwise. */
static char *publish_now(struct netns *n, struct netns_port *ports, size_t n_ports)
{
	struct err *e = netns_publish(n, ports, n_ports);
	auto_err struct err *table = e ? e : nft_table(n);

	return mem_strdup(err_text(table));
}

static char *tables(void)
{
	auto_strv char **v = NULL;
	auto_err struct err *e = netns_list_tables(&v);

	CHECK_STR(err_text(e), "success");
	return strv_join(v, " ");
}

static char *links(void)
{
	auto_strv char **v = NULL;
	auto_err struct err *e = netns_list_links(&v);

	CHECK_STR(err_text(e), "success");
	return strv_join(v, " ");
}

TEST(loopback_alone_is_brought_up)
{
	own_network();
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons(9) };
	auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 && errno == ECONNREFUSED);
}

TEST(what_publishing_needs_is_there)
{
	own_network();
	auto_err struct err *e = netns_probe();
	auto_free char *left = tables();

	CHECK_STR(err_text(e), "success");
	CHECK_STR(left, "");
}

TEST(a_port_in_use_is_named)
{
	own_network();
	auto_netns struct netns *one = lease("one"), *two = lease("two");
	struct netns_port first = port("0.0.0.0", 8080, 8080, 80, IPPROTO_TCP);
	auto_free char *ok = publish(one, &first, 1);

	CHECK_STR(ok, "success");
	CHECK_INT(first.host_port, 8080);
	static const struct {
		const char *why, *ip;
		unsigned first, last;
		uint8_t protocol;
		const char *want;
	} rows[] = {
		{ "the same", "0.0.0.0", 8080, 8080, IPPROTO_TCP,
		  "port 0.0.0.0:8080/tcp is already in use on this host" },
		{ "one address of all", "127.0.0.1", 8080, 8080, IPPROTO_TCP,
		  "port 127.0.0.1:8080/tcp is already in use on this host" },
		{ "an address of somebody else", "192.0.2.1", 8080, 8080, IPPROTO_TCP,
		  "bind 192.0.2.1:8080/tcp: Cannot assign requested address" },
		{ "another protocol", "0.0.0.0", 8080, 8080, IPPROTO_UDP, "success" },
		{ "a range to choose from", "0.0.0.0", 8080, 8081, IPPROTO_TCP, "success" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_netns struct netns *n = lease("next");
		struct netns_port p =
			port(rows[i].ip, rows[i].first, rows[i].last, 80, rows[i].protocol);
		auto_free char *got = publish(n, &p, 1);

		check_why(rows[i].why);
		CHECK_STR(got, rows[i].want);
		if (strcmp(got, "success") == 0)
			CHECK_INT(p.host_port, rows[i].last);
	}
	check_why("two of one pod");
	struct netns_port twice[] = { port("0.0.0.0", 9000, 9000, 80, IPPROTO_TCP),
				      port("0.0.0.0", 9000, 9000, 81, IPPROTO_TCP) };
	auto_free char *got = publish(two, twice, 2);

	CHECK_STR(got, "port 0.0.0.0:9000/tcp is already in use on this host");
}

TEST(any_free_port_is_chosen_by_the_kernel)
{
	own_network();
	auto_netns struct netns *n = lease("any");
	struct netns_port p[] = { port("127.0.0.1", 0, 0, 80, IPPROTO_TCP),
				  port("0.0.0.0", 0, 0, 53, IPPROTO_UDP) };
	auto_free char *got = publish(n, p, 2);
	int fds[8];

	CHECK_STR(got, "success");
	CHECK(p[0].host_port && p[1].host_port);
	check_why("the lease, the table and two ports");
	CHECK_INT((int64_t)netns_fds(n, fds, 8), 4);
	CHECK_INT((int64_t)netns_fds(n, fds, 3), 3);
}

TEST(a_port_is_held_also_against_those_that_would_share_it)
{
	own_network();
	auto_netns struct netns *n = lease("held");
	struct netns_port p = port("127.0.0.1", 8080, 8080, 80, IPPROTO_TCP);
	auto_free char *got = publish(n, &p, 1);
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons(8080) };
	auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int yes = 1;

	CHECK_STR(got, "success");
	CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0);
	CHECK(bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 && errno == EADDRINUSE);
}

TEST(the_table_lives_as_long_as_a_descriptor_of_it)
{
	own_network();
	struct netns *one = lease("one");
	auto_netns struct netns *two = lease("two");
	auto_free char *got = publish_now(one, NULL, 0), *other = publish_now(two, NULL, 0);
	auto_free char *both = tables();
	int fds[8];

	CHECK_STR(got, "success");
	CHECK_STR(other, "success");
	CHECK_STR(both, "slipway-one slipway-two");
	CHECK_INT((int64_t)netns_fds(one, fds, 8), 2);
	int heir = dup(fds[1]);

	netns_free(one);
	auto_free char *inherited = tables();

	CHECK_STR(inherited, "slipway-one slipway-two");
	close(heir);
	auto_free char *left = tables();

	CHECK_STR(left, "slipway-two");
}

TEST(a_pod_of_the_same_name_is_an_error_not_a_mixture)
{
	own_network();
	auto_netns struct netns *one = lease("one"), *two = lease("one");
	auto_free char *got = publish_now(one, NULL, 0), *again = publish_now(two, NULL, 0);

	CHECK_STR(got, "success");
	CHECK_STR(again, "nftables table slipway-one: Operation not permitted");
	auto_free char *left = tables();

	CHECK_STR(left, "slipway-one");
}

TEST(many_ports_are_one_transaction)
{
	enum { MANY = 500 };
	struct netns_port *p = mem_alloc(MANY * sizeof(*p));

	own_network();
	auto_netns struct netns *n = lease("many");

	for (unsigned i = 0; i < MANY; i++)
		p[i] = port("0.0.0.0", 20000 + i, 20000 + i, 1000 + i, IPPROTO_TCP);
	auto_free char *got = publish_now(n, p, MANY);
	auto_free char *all = tables();

	CHECK_STR(got, "success");
	CHECK_STR(all, "slipway-many");
}

/* ---- a pod: a process with a network of its own ---- */

struct pod {
	struct netns *n;
	pid_t pid;
	int orders[2]; /* a line of "CONNECT ADDRESS PORT" and its answer */
};

static int listen_on(int type, unsigned number)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)number) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), yes = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 16) < 0))
		_exit(10);
	return fd;
}

/* What who listens there says within three seconds: the client's address; or the errno. */
static void ask(const char *ip, unsigned number, bool udp, char *answer, size_t size)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)number) };
	struct timeval limit = { ANSWER_MS / 1000, 0 };
	auto_fd int fd = socket(AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	ssize_t n = -1;

	inet_pton(AF_INET, ip, &a.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	memset(answer, 0, size);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
	    (!udp || send(fd, "?", 1, 0) == 1))
		n = recv(fd, answer, size - 1, 0);
	if (n < 0)
		snprintf(answer, size, "%s", strerror(errno == EINPROGRESS ? EAGAIN : errno));
}

/* Answers every client with the address it comes from. */
static void serve(int tcp, int udp)
{
	for (;;) {
		fd_set set;
		struct sockaddr_in from;
		socklen_t len = sizeof(from);
		char text[64];

		FD_ZERO(&set);
		FD_SET(tcp, &set);
		FD_SET(udp, &set);
		if (select((tcp > udp ? tcp : udp) + 1, &set, NULL, NULL, NULL) < 0)
			_exit(11);
		if (FD_ISSET(tcp, &set)) {
			int fd = accept(tcp, (struct sockaddr *)&from, &len);

			snprintf(text, sizeof(text), "tcp from %s", inet_ntoa(from.sin_addr));
			(void)!write(fd, text, strlen(text));
			close(fd);
		} else {
			(void)!recvfrom(udp, text, sizeof(text), 0, (struct sockaddr *)&from, &len);
			snprintf(text, sizeof(text), "udp from %s", inet_ntoa(from.sin_addr));
			(void)!sendto(udp, text, strlen(text), 0, (struct sockaddr *)&from, len);
		}
	}
}

/* The first process of the pod, and one that connects from there when it is told to. */
static void live(const struct netns *n, int orders)
{
	if (unshare(CLONE_NEWNET) < 0)
		_exit(12);
	auto_fd int inside = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	auto_err struct err *e = netns_connect(n, inside);

	if (e) {
		(void)!write(orders, err_text(e), strlen(err_text(e)));
		_exit(14);
	}
	int tcp = listen_on(SOCK_STREAM, TCP_PORT), udp = listen_on(SOCK_DGRAM, UDP_PORT);
	char order[100], answer[100];

	(void)!write(orders, "up", 2);
	pid_t server = fork();

	if (server == 0)
		serve(tcp, udp);
	for (;;) {
		char ip[40] = "";
		unsigned number = 0, is_udp = 0;
		ssize_t len = read(orders, order, sizeof(order) - 1);

		if (len <= 0) {
			kill(server, SIGKILL);
			waitpid(server, NULL, 0); /* it holds the ports too */
			_exit(0);
		}
		order[len] = '\0';
		if (sscanf(order, "%39s %u %u", ip, &number, &is_udp) != 3)
			_exit(13);
		ask(ip, number, is_udp, answer, sizeof(answer));
		(void)!write(orders, answer, strlen(answer));
	}
}

static struct pod start_pod(const char *name, struct netns_port *ports, size_t n_ports)
{
	struct pod p = { .n = lease(name) };
	auto_free char *got = publish(p.n, ports, n_ports);
	char ready[200] = "";

	CHECK_STR(got, "success");
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p.orders) == 0);
	p.pid = fork();
	if (p.pid == 0) {
		close(p.orders[0]);
		live(p.n, p.orders[1]);
	}
	close(p.orders[1]);
	CHECK(read(p.orders[0], ready, sizeof(ready) - 1) > 0);
	CHECK_STR(ready, "up");
	auto_err struct err *e = netns_settle(p.n);

	CHECK_STR(err_text(e), "success");
	return p;
}

static void kill_pod(struct pod *p)
{
	CHECK(write(p->orders[0], "", 0) ==
	      0); /* an empty order; others may hold a copy of the socket */
	close(p->orders[0]);
	CHECK(waitpid(p->pid, NULL, 0) == p->pid);
}

static void check_from_pod(const struct pod *p, const char *ip, unsigned number, bool udp,
			   const char *want)
{
	auto_free char *order = mem_printf("%s %u %u", ip, number, udp);
	char answer[100] = "";

	CHECK(write(p->orders[0], order, strlen(order)) > 0);
	CHECK(read(p->orders[0], answer, sizeof(answer) - 1) > 0);
	CHECK_STR(answer, want);
}

static void check_from_host(const char *ip, unsigned number, bool udp, const char *want)
{
	char answer[100];

	ask(ip, number, udp, answer, sizeof(answer));
	CHECK_STR(answer, want);
}

TEST(a_published_port_leads_to_the_pod_from_everywhere)
{
	own_network();
	struct netns_port ports[] = { port("0.0.0.0", 8000, 8000, TCP_PORT, IPPROTO_TCP),
				      port("127.0.0.1", 8001, 8001, TCP_PORT, IPPROTO_TCP),
				      port("0.0.0.0", 8002, 8002, UDP_PORT, IPPROTO_UDP) };
	struct pod p = start_pod("shop", ports, ARRAY_LEN(ports));
	char own[INET_ADDRSTRLEN], gateway[INET_ADDRSTRLEN];
	struct in_addr address = netns_address(p.n), host = netns_gateway();

	inet_ntop(AF_INET, &address, own, sizeof(own));
	inet_ntop(AF_INET, &host, gateway, sizeof(gateway));
	auto_free char *tcp = mem_printf("tcp from %s", own), *udp = mem_printf("udp from %s", own);

	check_why("from the host's 127.0.0.1");
	check_from_host("127.0.0.1", 8000, false, "tcp from 169.254.1.1");
	check_from_host("127.0.0.1", 8001, false, "tcp from 169.254.1.1");
	check_from_host("127.0.0.1", 8002, true, "udp from 169.254.1.1");
	check_why("from another address of 127/8");
	check_from_host("127.9.9.9", 8000, false, "tcp from 169.254.1.1");
	check_from_host("127.9.9.9", 8001, false, "Connection refused");
	check_why("from the host's other address");
	check_from_host(gateway, 8000, false, "tcp from 169.254.1.1");
	check_from_host(gateway, 8002, true, "udp from 169.254.1.1");
	check_why("what is published on 127.0.0.1 is nowhere else");
	check_from_host(gateway, 8001, false, "Connection refused");
	check_from_pod(&p, gateway, 8001, false, "Connection refused");
	check_why("from the host, at the pod's address");
	check_from_host(own, TCP_PORT, false, "tcp from 169.254.1.1");
	check_from_host(own, UDP_PORT, true, "udp from 169.254.1.1");
	check_from_host(own, 8000, false, "Connection refused");
	check_why("from the pod itself, by the published port");
	check_from_pod(&p, gateway, 8000, false, "tcp from 169.254.1.1");
	check_from_pod(&p, gateway, 8002, true, "udp from 169.254.1.1");
	check_why("from the pod itself, by its own address and by 127.0.0.1");
	check_from_pod(&p, own, TCP_PORT, false, tcp);
	check_from_pod(&p, own, UDP_PORT, true, udp);
	check_from_pod(&p, "127.0.0.1", TCP_PORT, false, "tcp from 127.0.0.1");
	kill_pod(&p);
	netns_free(p.n);
}

/* CVE-2020-8558: route_localnet must not open the host's 127.0.0.1. */
TEST(a_pod_does_not_reach_what_listens_on_the_hosts_loopback)
{
	own_network();
	struct pod p = start_pod("shop", NULL, 0);
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons(7777) };
	auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 5) == 0);
	check_from_pod(&p, "127.0.0.1", 7777, false, "Connection refused");
	check_why("by a route through the link: the packet must not arrive");
	auto_free char *command = mem_printf(
		"nsenter -t %d -n sh -c 'ip route del local 127.0.0.0/8 dev lo table local; "
		"ip addr flush dev lo; ip route del local 127.0.0.1 dev lo table local; "
		"ip route add 127.0.0.0/8 via 169.254.1.1 dev eth0; "
		"echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet' 2>/dev/null",
		p.pid);

	if (system(command) != 0)
		SKIP("needs nsenter and ip");
	check_from_pod(&p, "127.0.0.1", 7777, false, "Resource temporarily unavailable");
	kill_pod(&p);
	netns_free(p.n);
}

TEST(two_pods_have_the_same_port_inside_and_reach_each_other_by_what_is_published)
{
	own_network();
	struct netns_port a = port("0.0.0.0", 8000, 8000, TCP_PORT, IPPROTO_TCP);
	struct netns_port b = port("0.0.0.0", 8001, 8001, TCP_PORT, IPPROTO_TCP);
	struct pod one = start_pod("one", &a, 1), two = start_pod("two", &b, 1);
	char ip[INET_ADDRSTRLEN];
	struct in_addr address = netns_address(one.n);

	inet_ntop(AF_INET, &address, ip, sizeof(ip));
	auto_free char *want = mem_printf("tcp from %s", ip);

	check_from_host("127.0.0.1", 8000, false, "tcp from 169.254.1.1");
	check_from_host("127.0.0.1", 8001, false, "tcp from 169.254.1.1");
	check_why("the address of a pod is kept on the way to another");
	check_from_pod(&one, "169.254.1.1", 8001, false, want);
	kill_pod(&one);
	kill_pod(&two);
	netns_free(one.n);
	netns_free(two.n);
}

static void wait_until_gone(char *(*list)(void))
{
	for (uint64_t end = proc_now_ms() + WAIT_MS; proc_now_ms() < end;) {
		auto_free char *text = list();
		struct timespec t = { 0, 10 * 1000 * 1000 };

		if (!*text)
			return;
		nanosleep(&t, NULL);
	}
	auto_free char *text = list();

	CHECK_STR(text, "");
}

TEST(nothing_is_left_when_a_pod_has_died)
{
	own_network();
	struct netns_port ports = port("0.0.0.0", 8000, 8000, TCP_PORT, IPPROTO_TCP);
	struct pod p = start_pod("shop", &ports, 1);
	auto_free char *table = tables(), *link = links(), *want = mem_strdup(netns_link(p.n));

	CHECK_STR(table, "slipway-shop");
	CHECK_STR(link, want);
	kill_pod(&p);
	netns_free(p.n);
	wait_until_gone(tables);
	wait_until_gone(links);
	check_from_host("127.0.0.1", 8000, false, "Connection refused");
}

TEST(a_pod_starts_again_at_once_with_the_same_address)
{
	own_network();
	struct netns_port ports = port("0.0.0.0", 8000, 8000, TCP_PORT, IPPROTO_TCP);

	for (int i = 0; i < 5; i++) {
		struct pod p = start_pod("shop", &ports, 1);

		check_from_host("127.0.0.1", 8000, false, "tcp from 169.254.1.1");
		kill_pod(&p);
		netns_free(p.n);
	}
}

/* A link of that name can only be a dead pod's: the lease is ours. */
static void check_stale_link(bool same_index)
{
	struct netns *n = lease("shop");
	auto_free char *index =
		same_index ? mem_printf("index %u", LINK_INDEX + n->lease) : mem_strdup("");
	auto_free char *command =
		mem_printf("ip link add %s %s type veth peer name other", netns_link(n), index);

	netns_free(n);
	if (system(command) != 0)
		SKIP("needs ip");
	struct netns_port ports = port("0.0.0.0", 8000, 8000, TCP_PORT, IPPROTO_TCP);
	struct pod p = start_pod("shop", &ports, 1);

	check_from_host("127.0.0.1", 8000, false, "tcp from 169.254.1.1");
	kill_pod(&p);
	netns_free(p.n);
}

TEST(a_dead_pods_link_is_in_nobodys_way)
{
	own_network();
	check_stale_link(true);
}

TEST(nor_is_one_that_somebody_else_has_made)
{
	own_network();
	check_stale_link(false);
}
