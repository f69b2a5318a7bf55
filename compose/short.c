/* SPDX-License-Identifier: Apache-2.0 */
/* compose/short.c - the short forms of ports and volumes, turned into the long ones. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "compose/internal.h"

enum { PORT_MAX = 65535 };

struct range {
	int64_t first, last;
};

static struct err *parse_range(const struct node *n, const char *text, const char *what,
			       struct range *ret)
{
	auto_free char *copy = mem_strdup(text);
	char *dash = strchr(copy, '-');

	if (dash)
		*dash = '\0';
	auto_err struct err *e = str_number(copy, 0, PORT_MAX, &ret->first);

	ret->last = ret->first;
	if (!e && dash)
		e = str_number(dash + 1, 0, PORT_MAX, &ret->last);
	if (e)
		return node_err(n, "%s port: %s", what, err_text(e));
	if (ret->last < ret->first)
		return node_err(n, "%s port range '%s' runs backwards", what, text);
	return NULL;
}

static void set_str(struct node *map, const char *key, const char *text)
{
	node_set(map, key, node_scalar(NODE_STR, text, map));
}

static void add_port(struct node *list, const struct node *at, const char *host_ip,
		     const char *published, int64_t target, const char *protocol)
{
	struct node *port = node_new(NODE_MAP, at);
	auto_free char *number = mem_printf("%lld", (long long)target);

	set_str(port, "mode", "ingress");
	if (host_ip && *host_ip)
		set_str(port, "host_ip", host_ip);
	node_set(port, "target", node_scalar(NODE_INT, number, port));
	if (published && *published)
		set_str(port, "published", published);
	set_str(port, "protocol", protocol);
	node_append(list, port);
}

static struct err *add_ports(const struct node *n, struct node *list, const char *host_ip,
			     const char *host, const char *container, const char *protocol)
{
	struct range outer = { 0, 0 }, inner = { 0, 0 };

	TRY(parse_range(n, container, "container", &inner));
	if (inner.first == 0)
		return node_err(n, "container port 0 cannot be published");
	if (*host)
		TRY(parse_range(n, host, "host", &outer));

	int64_t count = inner.last - inner.first;

	if (*host && outer.last - outer.first != count && count != 0)
		return node_err(n, "the ranges '%s' and '%s' differ in length", host, container);
	for (int64_t i = 0; i <= count; i++) {
		bool choice =
			count == 0 && outer.last != outer.first; /* any port of the range will do */
		auto_free char *published =
			!*host	 ? NULL
			: choice ? mem_strdup(host)
				 : mem_printf("%lld", (long long)(outer.first + i));

		add_port(list, n, host_ip, published, inner.first + i, protocol);
	}
	return NULL;
}

static struct err *check_address(const struct node *n, const char *text)
{
	struct in6_addr address; /* has room for either */

	if (inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1)
		return NULL;
	return node_err(n, "'%s' is not an IP address", text);
}

static struct err *check_protocol(const struct node *n, const char *text)
{
	if (str_one_of(text, (const char *const[]) { "tcp", "udp", "sctp", NULL }))
		return NULL;
	return node_err(n, "'%s' is not a protocol; there are tcp, udp and sctp", text);
}

/* [[IP:][HOST[-HOST]]:]CONTAINER[-CONTAINER][/PROTOCOL] */
struct err *short_port(const struct node *n, struct node *list)
{
	auto_free char *text = mem_strdup(n->text);
	const char *protocol = "tcp", *host = "", *host_ip = "";
	char *slash = strchr(text, '/'), *rest = text;

	if (slash) {
		*slash = '\0';
		for (char *p = slash + 1; *p; p++)
			*p = (char)tolower((unsigned char)*p);
		protocol = slash[1] ? slash + 1 : protocol;
		TRY(check_protocol(n, protocol));
	}
	if (*rest == '[') {
		char *end = strstr(rest, "]:");

		if (!end)
			return node_err(n, "'%s': the address in [ ] must be followed by ':'",
					n->text);
		*end = '\0';
		host_ip = rest + 1;
		rest = end + 2;
	}
	char *colon = strrchr(rest, ':');
	const char *container = colon ? colon + 1 : rest;

	if (colon) {
		*colon = '\0';
		char *second = *host_ip ? NULL : strrchr(rest, ':');

		host = second ? second + 1 : rest;
		if (second) {
			*second = '\0';
			host_ip = rest;
		}
	}
	if (strchr(host_ip, ':') && n->text[0] != '[')
		return node_err(n, "'%s' has too many colons; an IPv6 address is written in [ ]",
				n->text);
	if (*host_ip)
		TRY(check_address(n, host_ip));
	if (!*container)
		return node_err(n, "no container port in '%s'", n->text);
	return add_ports(n, list, host_ip, host, container, protocol);
}

/* The member, or NULL after taking out one that says nothing. */
static const struct node *said(struct node *map, const char *key)
{
	const struct node *n = node_get(map, key);

	if (n && n->type != NODE_NULL && *n->text)
		return n;
	node_free(node_take(map, key));
	return NULL;
}

struct err *short_complete_port(struct node *port)
{
	const struct node *target = said(port, "target"), *host_ip;

	if (!target)
		return node_err(port, "the target (the port in the container) is missing");
	(void)said(port, "published");
	host_ip = said(port, "host_ip");
	if (host_ip)
		TRY(check_address(host_ip, host_ip->text));
	if (!said(port, "protocol"))
		set_str(port, "protocol", "tcp");
	if (!said(port, "mode"))
		set_str(port, "mode", "ingress");
	return NULL;
}

static void set_flag(struct node *map, const char *key)
{
	node_set(map, key, node_scalar(NODE_BOOL, "true", map));
}

static struct node *sub_map(struct node *map, const char *key)
{
	if (!node_get(map, key))
		node_set(map, key, node_new(NODE_MAP, map));
	return node_get(map, key);
}

static void volume_option(struct node *v, const char *option)
{
	static const char *const propagations[] = { "rprivate", "private", "rshared", "shared",
						    "rslave",	"slave",   NULL };

	if (strcmp(option, "ro") == 0)
		set_flag(v, "read_only");
	else if (strcmp(option, "rw") == 0)
		node_free(node_take(v, "read_only"));
	else if (strcmp(option, "nocopy") == 0)
		set_flag(sub_map(v, "volume"), "nocopy");
	else if (strcasecmp(option, "z") == 0)
		set_str(sub_map(v, "bind"), "selinux", option);
	else if (str_one_of(option, propagations))
		set_str(sub_map(v, "bind"), "propagation", option);
	/* cached and delegated are the default here; docker compose ignores what it does not know */
}

/* The length of the letter that @s begins with; what is beyond ASCII is taken for one. */
static size_t letter_length(const char *s)
{
	size_t n = 1;

	if (isalpha((unsigned char)*s))
		return 1;
	if ((unsigned char)*s < 0xc0)
		return 0;
	while (((unsigned char)s[n] & 0xc0) == 0x80)
		n++;
	return n;
}

/* "C:" of a path that has a drive, at the beginning of a part. */
static bool is_drive(const char *part, const char *p)
{
	size_t n = letter_length(part);

	return n && p == part + n;
}

/* Whether a source is a path on the host, not the name of a volume. */
static bool is_path(const char *source)
{
	return strchr("./~", *source) || str_starts(source, "\\\\") ||
	       (letter_length(source) && source[letter_length(source)] == ':');
}

/* Cut at colons, but not at those of drives and ${VARIABLES}. */
static struct err *split_volume(const struct node *n, char *text, char **parts, size_t *ret_n)
{
	char *part = text;
	int braces = 0;
	size_t count = 0;

	for (char *p = text;; p++) {
		bool end = !*p;

		braces += p[0] == '$' && p[1] == '{';
		braces -= *p == '}' && braces;
		if (!end && (*p != ':' || braces || is_drive(part, p)))
			continue;
		if (p == part)
			return node_err(n, "'%s' has an empty part", n->text);
		if (count == 3)
			return node_err(n, "'%s' has too many colons", n->text);
		*p = '\0';
		parts[count++] = part;
		part = p + 1;
		if (end)
			break;
	}
	*ret_n = count;
	return NULL;
}

/* [SOURCE:]TARGET[:OPTION,...] */
struct err *short_volume(const struct loader *l, const struct node *n, struct node **ret)
{
	auto_free char *text = mem_strdup(n->text);
	auto_node struct node *v = node_new(NODE_MAP, n);
	char *parts[3] = { text };
	size_t count = 1;

	if (!*text)
		return node_err(n, "must not be empty");
	if (strlen(text) > 2)
		TRY(split_volume(n, text, parts, &count));

	const char *source = count > 1 ? parts[0] : NULL;
	bool bind = source && is_path(source);

	set_str(v, "type", bind ? "bind" : "volume");
	if (bind) {
		auto_free char *path = load_path(l, n, source);
		set_str(v, "source", path);
	} else if (source) {
		set_str(v, "source", source);
	}
	set_str(v, "target", parts[count > 1]);
	(void)sub_map(v, bind ? "bind" : "volume");
	if (count == 3) {
		auto_strv char **options = str_split(parts[2], ",");

		for (char **o = options; o && *o; o++)
			volume_option(v, *o);
	}
	if (bind)
		set_flag(sub_map(v, "bind"), "create_host_path");
	*ret = steal(&v);
	return NULL;
}
