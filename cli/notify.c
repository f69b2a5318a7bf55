/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/notify.c - telling systemd, or whoever else started us, how far we are.
 *
 * The protocol is one datagram to the socket that NOTIFY_SOCKET names, with a
 * variable on each line (sd_notify(3)): not worth a library.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/cli.h"

/* A path, or, after '@', a name that is in no file system. */
static bool address_of(const char *name, struct sockaddr_un *ret, socklen_t *ret_len)
{
	size_t len = strlen(name);

	*ret = (struct sockaddr_un) { .sun_family = AF_UNIX };
	if ((*name != '/' && *name != '@') || len >= sizeof(ret->sun_path))
		return false;
	memcpy(ret->sun_path, name, len);
	if (*name == '@')
		ret->sun_path[0] = '\0';
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	return true;
}

void notify(const char *fmt, ...)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address;
	socklen_t size = 0;
	va_list ap;

	if (!name || !*name)
		return;
	if (!address_of(name, &address, &size)) {
		log_warn("NOTIFY_SOCKET '%s' is no socket's address", name);
		return;
	}
	va_start(ap, fmt);
	auto_free char *text = mem_vprintf(fmt, ap);
	va_end(ap);
	auto_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 ||
	    sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address, size) < 0)
		log_warn("tell %s that %s: %m", name, text);
}
