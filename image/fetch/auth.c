/* SPDX-License-Identifier: Apache-2.0 */
/* image/fetch/auth.c - the credentials of docker login and podman login. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "image/fetch/fetch.h"

struct auth {
	char **entries; /* "DOMAIN=USER:PASSWORD" */
};

static char *decode_base64(const char *text)
{
	size_t n = strlen(text);
	auto_free char *out = mem_alloc(n + 4);
	int len = n % 4 == 0 ? EVP_DecodeBlock((unsigned char *)out, (const unsigned char *)text,
					       (int)n)
			     : -1;

	return len < 0 ? NULL : mem_strdup(out); /* the padding was decoded to NULs */
}

/* "https://index.docker.io/v1/" is how docker login writes Docker Hub. */
static char *domain_of(const char *key)
{
	const char *p = strstr(key, "://");

	p = p ? p + 3 : key;
	if (str_starts(p, "index.docker.io") || str_starts(p, "registry-1.docker.io"))
		return mem_strdup("docker.io");
	return mem_strndup(p, strcspn(p, "/"));
}

static struct err *read_entry(const char *key, const json_t *value, struct auth *a)
{
	const char *encoded = NULL, *user = NULL, *password = NULL;
	auto_free char *domain = domain_of(key);
	auto_free char *pair = NULL;

	TRY(json_get_str(value, "auth", &encoded));
	TRY(json_get_str(value, "username", &user));
	TRY(json_get_str(value, "password", &password));
	if (encoded && *encoded)
		pair = decode_base64(encoded);
	else if (user && password)
		pair = mem_printf("%s:%s", user, password);
	else
		return NULL; /* an empty entry points at a credential helper */
	if (!pair || !strchr(pair, ':'))
		return err_new(EINVAL, "auths.%s: the 'auth' value is not base64 of USER:PASSWORD",
			       key);
	strv_add(&a->entries, mem_printf("%s=%s", domain, pair));
	return NULL;
}

static struct err *read_config(const char *path, struct auth *a)
{
	auto_json json_t *config = NULL;
	const char *key;
	json_t *value;
	struct err *e = json_read_file(AT_FDCWD, path, CONFIG_MAX, &config);

	if (err_code(e) == ENOENT) {
		err_free(e);
		return NULL;
	}
	TRY(err_wrap(e, "credentials"));
	if (json_at(config, "credsStore") || json_at(config, "credHelpers"))
		log_warn("%s: credential helpers are not run; only 'auths' is read", path);
	json_object_foreach(json_at(config, "auths"), key, value)
		TRY(err_wrap(read_entry(key, value, a), "%s", path));
	return NULL;
}

struct err *auth_load(struct auth **ret)
{
	const char *file = getenv("REGISTRY_AUTH_FILE"), *docker = getenv("DOCKER_CONFIG");
	const char *home = getenv("HOME"), *runtime = getenv("XDG_RUNTIME_DIR");
	auto_free char *docker_path =
		docker ? mem_printf("%s/config.json", docker)
		       : mem_printf("%s/.docker/config.json", home ? home : "/root");
	auto_free char *podman_path =
		mem_printf("%s/containers/auth.json", runtime ? runtime : "/run/user/0");
	struct auth *a = mem_alloc(sizeof(*a));
	struct err *e = file ? read_config(file, a) : read_config(docker_path, a);

	if (!e && !file)
		e = read_config(podman_path, a);
	if (e) {
		auth_free(a);
		return e;
	}
	*ret = a;
	return NULL;
}

void auth_free(struct auth *a)
{
	if (!a)
		return;
	strv_free(a->entries);
	free(a);
}

const char *auth_find(const struct auth *a, const char *domain)
{
	return env_get(a->entries, domain);
}
