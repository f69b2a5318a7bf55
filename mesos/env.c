/* SPDX-License-Identifier: Apache-2.0 */
/* mesos/env.c - what the agent put into our environment. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "mesos/internal.h"

enum { RECOVERY_DEFAULT = 15 * 60 * 1000, BACKOFF_DEFAULT = 2000, GRACE_DEFAULT = 5000 };

static const char token_name[] = "MESOS_EXECUTOR_AUTHENTICATION_TOKEN";

static struct err *need(const char *name, char **ret)
{
	const char *value = getenv(name);

	if (!value || !*value)
		return err_new(
			EINVAL,
			"%s is not set: slipway-executor is started by a Mesos agent, as the "
			"executor of a framework's task",
			name);
	*ret = mem_strdup(value);
	return NULL;
}

static struct err *duration(const char *name, uint64_t fallback, uint64_t *ret)
{
	const char *value = getenv(name);

	*ret = fallback;
	return value && *value ? err_wrap(wire_duration(value, ret), "%s", name) : NULL;
}

static bool is_on(const char *name)
{
	static const char *const words[] = { "1", "true", "t", NULL };
	const char *value = getenv(name);

	return value && str_one_of(value, words);
}

/* "[::1]:5051" or "127.0.0.1:5051": nothing is resolved, as that would need threads. */
static struct err *check_endpoint(const char *text)
{
	size_t digits = strspn(text, "0123456789abcdefABCDEF.:[]");
	const char *colon = strrchr(text, ':');

	if (text[digits] || !colon || !colon[1])
		return err_new(EINVAL, "MESOS_AGENT_ENDPOINT: '%s' is not ADDRESS:PORT", text);
	return NULL;
}

/* A path may be longer than sun_path: then its directory goes by descriptor, open as long as we live. */
static struct err *find_socket(struct mesos_env *e)
{
	const char *path = getenv("MESOS_DOMAIN_SOCKET");
	const char *slash = path ? strrchr(path, '/') : NULL;

	if (!path || !*path)
		return NULL;
	if (!slash)
		return err_new(EINVAL, "MESOS_DOMAIN_SOCKET: '%s' is not an absolute path", path);
	if (strlen(path) < sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
		e->socket = mem_strdup(path);
		return NULL;
	}
	auto_free char *dir = mem_strndup(path, (size_t)(slash - path) + 1);

	TRY(err_wrap(fd_openat(AT_FDCWD, dir, O_PATH | O_DIRECTORY, &e->socket_dir),
		     "MESOS_DOMAIN_SOCKET"));
	e->socket = mem_printf("/proc/self/fd/%d%s", e->socket_dir, slash);
	return NULL;
}

/* The path's first part is the agent's process id: "slave(1)@127.0.0.1:5051". */
static struct err *make_url(struct mesos_env *e)
{
	auto_free char *endpoint = NULL, *pid = NULL;

	TRY(need("MESOS_AGENT_ENDPOINT", &endpoint));
	TRY(need("MESOS_SLAVE_PID", &pid));
	TRY(check_endpoint(endpoint));
	pid[strcspn(pid, "@")] = '\0';
	if (strpbrk(pid, "/?# ") || !*pid)
		return err_new(EINVAL, "MESOS_SLAVE_PID: '%s' is not NAME@ADDRESS:PORT", pid);
	TRY(find_socket(e));
	e->url = mem_printf("%s://%s/%s/api/v1/executor", e->tls ? "https" : "http", endpoint, pid);
	return NULL;
}

static char *optional(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? mem_strdup(value) : NULL;
}

static void read_tls(struct mesos_env *e)
{
	const char *verify = getenv("LIBPROCESS_SSL_VERIFY_SERVER_CERT");

	e->tls = is_on("LIBPROCESS_SSL_ENABLED") || is_on("SSL_ENABLED");
	e->ca = optional("LIBPROCESS_SSL_CA_FILE");
	e->cert = optional("LIBPROCESS_SSL_CERT_FILE");
	e->key = optional("LIBPROCESS_SSL_KEY_FILE");
	e->tls_files = (struct http_tls) {
		.ca = e->ca,
		.cert = e->cert,
		.key = e->key,
		.verify = verify ? is_on("LIBPROCESS_SSL_VERIFY_SERVER_CERT")
				 : is_on("LIBPROCESS_SSL_VERIFY_CERT"),
	};
}

/* The token must not be seen by anything that we run, also not in /proc/PID/environ. */
static void take_token(struct mesos_env *e)
{
	char *value = getenv(token_name);

	e->token = value && *value ? mem_strdup(value) : NULL;
	if (value)
		explicit_bzero(value, strlen(value));
	unsetenv(token_name);
}

struct err *env_read(struct mesos_env *ret)
{
	struct mesos_env *e = ret;
	auto_free char *directory = NULL;

	*e = (struct mesos_env) { .checkpoint = is_on("MESOS_CHECKPOINT"), .socket_dir = -1 };
	take_token(e);
	e->environ = strv_dup(environ);
	TRY(need("MESOS_FRAMEWORK_ID", &e->framework));
	TRY(need("MESOS_EXECUTOR_ID", &e->executor));
	TRY(need("MESOS_SLAVE_ID", &e->agent));
	TRY(need("MESOS_DIRECTORY", &directory));
	e->sandbox = optional("MESOS_SANDBOX");
	if (!e->sandbox)
		e->sandbox = mem_strdup(directory);
	if (*e->sandbox != '/')
		return err_new(EINVAL, "MESOS_SANDBOX: '%s' is not an absolute path", e->sandbox);
	while (str_ends(directory, "/") && directory[1])
		directory[strlen(directory) - 1] = '\0';
	const char *slash = strrchr(directory, '/');

	if (!slash || !slash[1])
		return err_new(EINVAL, "MESOS_DIRECTORY: '%s' does not end with a container's id",
			       directory);
	e->container = mem_strdup(slash + 1);
	read_tls(e);
	TRY(make_url(e));
	TRY(duration("MESOS_RECOVERY_TIMEOUT", RECOVERY_DEFAULT, &e->recovery_timeout));
	TRY(duration("MESOS_SUBSCRIPTION_BACKOFF_MAX", BACKOFF_DEFAULT, &e->backoff_max));
	return duration("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", GRACE_DEFAULT, &e->shutdown_grace);
}

void env_clear(struct mesos_env *e)
{
	char *texts[] = { e->framework, e->executor, e->agent, e->url,	e->socket, e->sandbox,
			  e->container, e->token,    e->ca,    e->cert, e->key };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free(texts[i]);
	fd_cleanup(&e->socket_dir);
	strv_free(e->environ);
}
