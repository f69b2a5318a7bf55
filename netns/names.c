/* SPDX-License-Identifier: Apache-2.0 */
/* netns/names.c - /etc/hosts and /etc/resolv.conf of a container. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "netns/netns.h"

enum { RESOLV_MAX = 64 << 10 };

static const char *const resolv_files[] = { "/etc/resolv.conf",
					    "/run/systemd/resolve/resolv.conf" };

static struct err *put_extra(FILE *f, const char *entry)
{
	const char *address = strchr(entry, '=') + 1;
	int name = (int)(address - entry) - 1;
	struct in6_addr parsed;
	char text[INET_ADDRSTRLEN];
	struct in_addr gateway = netns_gateway();

	if (strcmp(address, "host-gateway") == 0)
		address = inet_ntop(AF_INET, &gateway, text, sizeof(text));
	else if (inet_pton(AF_INET, address, &parsed) != 1 &&
		 inet_pton(AF_INET6, address, &parsed) != 1)
		return err_new(EINVAL, "extra_hosts: '%s' is not an address", address);
	if (strcspn(entry, " \t\n") < (size_t)name)
		return err_new(EINVAL, "extra_hosts: '%.*s' is not a name", name, entry);
	fprintf(f, "%s\t%.*s\n", address, name, entry);
	return NULL;
}

struct err *netns_hosts(const struct netns_names *names, char **ret)
{
	char *text = NULL, address[INET_ADDRSTRLEN];
	size_t len;
	FILE *f = open_memstream(&text, &len);
	struct err *e = NULL;

	fputs("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n", f);
	if (names->hostname) {
		inet_ntop(AF_INET, &names->address, address, sizeof(address));
		fprintf(f, "%s\t", names->address.s_addr == INADDR_ANY ? "127.0.0.1" : address);
		if (names->domain)
			fprintf(f, "%s.%s ", names->hostname, names->domain);
		fprintf(f, "%s\n", names->hostname);
	}
	for (char *const *p = names->peers; p && *p; p++)
		fprintf(f, "127.0.0.1\t%s\n", *p);
	for (char *const *p = names->extra; p && *p && !e; p++)
		e = put_extra(f, *p);
	fclose(f);
	if (e)
		free(text);
	else
		*ret = text;
	return e;
}

static bool only_loopback(char *const *servers)
{
	for (; servers && *servers; servers++)
		if (!str_starts(*servers, "127.") && strcmp(*servers, "::1") != 0)
			return false;
	return true;
}

/* The words behind @key of all lines. */
static char **values_of(const char *text, const char *key)
{
	auto_strv char **lines = str_split(text, "\n");
	char **values = NULL;

	for (char **l = lines; l && *l; l++) {
		auto_strv char **words = str_split(*l, " \t\r");

		for (char **w = words && strcmp(words[0], key) == 0 ? words + 1 : NULL; w && *w;
		     w++)
			strv_add(&values, mem_strdup(*w));
	}
	return values;
}

static void put_lines(FILE *f, const char *key, char *const *values)
{
	for (; values && *values; values++)
		fprintf(f, "%s %s\n", key, *values);
}

static void put_line(FILE *f, const char *key, char *const *values)
{
	auto_free char *words = strv_join(values, " ");

	if (*words)
		fprintf(f, "%s %s\n", key, words);
}

/*
 * A name server on the host's loopback cannot be reached from the pod; where the
 * host has nothing else, systemd-resolved's own servers are asked.
 */
struct err *netns_resolv(const struct netns_names *names, char **ret)
{
	auto_free char *host = NULL;
	auto_strv char **servers = NULL, **search = NULL, **options = NULL;
	char *text = NULL;
	size_t len;

	for (size_t i = 0; i < ARRAY_LEN(resolv_files) && only_loopback(servers); i++) {
		auto_free char *file = NULL;
		auto_err struct err *e = fd_read_file(AT_FDCWD, resolv_files[i], RESOLV_MAX, &file);

		if (e)
			continue;
		strv_free(servers);
		servers = values_of(file, "nameserver");
		free(host);
		host = steal(&file);
	}
	search = host ? values_of(host, "search") : NULL;
	options = host ? values_of(host, "options") : NULL;

	FILE *f = open_memstream(&text, &len);

	put_lines(f, "nameserver", names->dns ? names->dns : servers);
	put_line(f, "search", names->search ? names->search : search);
	put_line(f, "options", names->options ? names->options : options);
	fclose(f);
	*ret = text;
	return NULL;
}
