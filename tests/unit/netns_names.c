/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/netns_names.c - /etc/hosts and /etc/resolv.conf of a container, as text. */
#include <arpa/inet.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "netns/netns.h"
#include "tests/check.h"

#define TOP "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
/* clang-format off */
static const struct {
	const char *why, *hostname, *domain, *address, *peers, *extra, *want;
} hosts[] = {
	{ "nobody", NULL, NULL, NULL, NULL, NULL, TOP },
	{ "one that has an address", "web", NULL, "10.213.0.2", NULL, NULL, TOP "10.213.0.2\tweb\n" },
	{ "one that has none", "web", NULL, NULL, NULL, NULL, TOP "127.0.0.1\tweb\n" },
	{ "a domain comes first", "web", "example.org", "10.213.0.2", NULL, NULL, TOP "10.213.0.2\tweb.example.org web\n" },
	{ "the others are the pod itself", "web", NULL, "10.213.0.2", "web db cache", NULL,
	  TOP "10.213.0.2\tweb\n127.0.0.1\tweb\n127.0.0.1\tdb\n127.0.0.1\tcache\n" },
	{ "further hosts, in their order", "web", NULL, "10.213.0.2", "db", "a=1.2.3.4 b=::1 c=fe80::1 a=5.6.7.8",
	  TOP "10.213.0.2\tweb\n127.0.0.1\tdb\n1.2.3.4\ta\n::1\tb\nfe80::1\tc\n5.6.7.8\ta\n" },
	{ "the host", NULL, NULL, NULL, NULL, "host.docker.internal=host-gateway", TOP "169.254.1.1\thost.docker.internal\n" },
	{ "an empty list", "web", NULL, NULL, "", "", TOP "127.0.0.1\tweb\n" },

	{ "no address", NULL, NULL, NULL, NULL, "a=", "extra_hosts: '' is not an address" },
	{ "half an address", NULL, NULL, NULL, NULL, "a=1.2.3", "extra_hosts: '1.2.3' is not an address" },
	{ "a number too large", NULL, NULL, NULL, NULL, "a=1.2.3.256", "extra_hosts: '1.2.3.256' is not an address" },
	{ "brackets", NULL, NULL, NULL, NULL, "a=[::1]", "extra_hosts: '[::1]' is not an address" },
	{ "a name for an address", NULL, NULL, NULL, NULL, "a=example.org", "extra_hosts: 'example.org' is not an address" },
	{ "nearly the host", NULL, NULL, NULL, NULL, "a=host-gateways", "extra_hosts: 'host-gateways' is not an address" },
	{ "another line", NULL, NULL, NULL, NULL, "a=1.2.3.4\n5.6.7.8", "extra_hosts: '1.2.3.4\n5.6.7.8' is not an address" },
	{ "another line in the name", NULL, NULL, NULL, NULL, "a\nb=1.2.3.4", "extra_hosts: 'a\nb' is not a name" },
	{ "a tab in the name", NULL, NULL, NULL, NULL, "a\tb=1.2.3.4", "extra_hosts: 'a\tb' is not a name" },
	{ "the second is wrong", NULL, NULL, NULL, NULL, "a=1.2.3.4 b=x", "extra_hosts: 'x' is not an address" },
};
/* clang-format on */

static char *hosts_text(const struct netns_names *names)
{
	char *text = NULL;
	auto_err struct err *e = netns_hosts(names, &text);

	return e ? mem_strdup(err_text(e)) : text;
}

TEST(the_hosts_file_names_the_pod_and_its_services)
{
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		auto_strv char **peers = hosts[i].peers ? str_split(hosts[i].peers, " ") : NULL;
		auto_strv char **extra = hosts[i].extra ? str_split(hosts[i].extra, " ") : NULL;
		struct netns_names names = { .hostname = hosts[i].hostname,
					     .domain = hosts[i].domain,
					     .peers = peers,
					     .extra = extra };

		check_why(hosts[i].why);
		if (hosts[i].address)
			CHECK(inet_pton(AF_INET, hosts[i].address, &names.address) == 1);
		auto_free char *got = hosts_text(&names);

		CHECK_STR(got, hosts[i].want);
	}
}

TEST(a_space_in_a_name_is_refused)
{
	const char *const extra[] = { "a b=1.2.3.4", NULL };
	const struct netns_names names = { .extra = (char *const *)extra };
	auto_free char *got = hosts_text(&names);

	CHECK_STR(got, "extra_hosts: 'a b' is not a name");
}

/* ---- resolv.conf: with an /etc and a /run of this test's own ---- */

static void own_etc(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("etc", "/etc", "tmpfs", 0, NULL) < 0 ||
	    mount("run", "/run", "tmpfs", 0, NULL) < 0)
		SKIP("needs root");
}

#define STUB "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch lan\n"
/* clang-format off */
static const struct {
	const char *why, *host, *resolved, *dns, *search, *options, *want;
} resolv[] = {
	{ "no file at all", NULL, NULL, NULL, NULL, NULL, "" },
	{ "the host's", "nameserver 10.0.0.1\nsearch a b\noptions ndots:2\n", NULL, NULL, NULL, NULL,
	  "nameserver 10.0.0.1\nsearch a b\noptions ndots:2\n" },
	{ "several servers, IPv6 too", "nameserver 10.0.0.1\nnameserver 2001:db8::1\n", NULL, NULL, NULL, NULL,
	  "nameserver 10.0.0.1\nnameserver 2001:db8::1\n" },
	{ "comments and other lines are left out", "# nameserver 1.1.1.1\n; x\nsortlist 1\n\nnameserver\t10.0.0.1\r\n", NULL, NULL, NULL, NULL,
	  "nameserver 10.0.0.1\n" },
	{ "no newline at the end", "nameserver 10.0.0.1", NULL, NULL, NULL, NULL, "nameserver 10.0.0.1\n" },
	{ "systemd's stub cannot be reached: its servers are", STUB, "nameserver 10.0.0.2\nsearch real\n", NULL, NULL, NULL,
	  "nameserver 10.0.0.2\nsearch real\n" },
	{ "the stub, where there is nothing else", STUB, NULL, NULL, NULL, NULL,
	  "nameserver 127.0.0.53\nsearch lan\noptions edns0 trust-ad\n" },
	{ "::1 is the host too", "nameserver ::1\n", "nameserver 10.0.0.2\n", NULL, NULL, NULL, "nameserver 10.0.0.2\n" },
	{ "one that can be reached is enough", "nameserver 127.0.0.1\nnameserver 10.0.0.1\n", "nameserver 10.0.0.2\n", NULL, NULL, NULL,
	  "nameserver 127.0.0.1\nnameserver 10.0.0.1\n" },
	{ "a file without servers", "search a\n", NULL, NULL, NULL, NULL, "search a\n" },
	{ "servers of the service", "nameserver 10.0.0.1\nsearch a\noptions ndots:2\n", NULL, "8.8.8.8 1.1.1.1", NULL, NULL,
	  "nameserver 8.8.8.8\nnameserver 1.1.1.1\nsearch a\noptions ndots:2\n" },
	{ "domains of the service", "nameserver 10.0.0.1\nsearch a\n", NULL, NULL, "b c", NULL, "nameserver 10.0.0.1\nsearch b c\n" },
	{ "options of the service", "nameserver 10.0.0.1\noptions ndots:2\n", NULL, NULL, NULL, "ndots:1 rotate", "nameserver 10.0.0.1\noptions ndots:1 rotate\n" },
	{ "all of the service", NULL, NULL, "8.8.8.8", "b", "ndots:1", "nameserver 8.8.8.8\nsearch b\noptions ndots:1\n" },
};
/* clang-format on */

static void replace(const char *path, const char *text)
{
	(void)unlink(path);
	if (text)
		check_file(path, text);
}

TEST(the_resolver_asks_whom_the_host_asks_unless_told_otherwise)
{
	own_etc();
	for (size_t i = 0; i < ARRAY_LEN(resolv); i++) {
		auto_strv char **dns = resolv[i].dns ? str_split(resolv[i].dns, " ") : NULL;
		auto_strv char **search =
			resolv[i].search ? str_split(resolv[i].search, " ") : NULL;
		auto_strv char **options =
			resolv[i].options ? str_split(resolv[i].options, " ") : NULL;
		const struct netns_names names = { .dns = dns,
						   .search = search,
						   .options = options };
		auto_free char *got = NULL;

		check_why(resolv[i].why);
		replace("/etc/resolv.conf", resolv[i].host);
		replace("/run/systemd/resolve/resolv.conf", resolv[i].resolved);
		auto_err struct err *e = netns_resolv(&names, &got);

		CHECK_STR(err_text(e), "success");
		CHECK_STR(got, resolv[i].want);
	}
}

TEST(a_huge_resolv_conf_is_passed_over)
{
	auto_free char *text = mem_alloc(100001), *got = NULL;
	const struct netns_names names = { 0 };

	own_etc();
	memset(text, '\n', 100000);
	memcpy(text, "nameserver 10.0.0.1", 19);
	replace("/etc/resolv.conf", text);
	auto_err struct err *e = netns_resolv(&names, &got);

	CHECK_STR(err_text(e), "success");
	CHECK_STR(got, "");
}
