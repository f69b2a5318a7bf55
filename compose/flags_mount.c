/* SPDX-License-Identifier: Apache-2.0 */
/* compose/flags_mount.c - docker run's -v and --mount as mounts of a service. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "compose/internal.h"

enum { MODE_MAX = 07777 };

/* What is mounted on the same path gives way, as with docker compose. */
static void add_mount(struct writing *w, json_t *take_mount)
{
	json_t *list = flags_member(w->service, "volumes", true);
	const char *target = json_string_value(json_at(take_mount, "target"));

	for (size_t i = json_array_size(list); target && i > 0; i--) {
		const char *other =
			json_string_value(json_at(json_array_get(list, i - 1), "target"));

		if (str_eq(other, target))
			json_array_remove(list, i - 1);
	}
	json_array_append_new(list, take_mount);
}

/* Named volumes of these options are the host's: the same for every container that names them. */
static void declare_volume(struct writing *w, const char *name)
{
	json_t *one = json_object();

	json_object_set_new(one, "name", flags_text(name));
	json_object_set_new(flags_member(w->project, "volumes", false), name, one);
}

static struct err *put_source(struct writing *w, json_t *mount, const char *source)
{
	bool path = *source == '/' || *source == '.' || *source == '~';
	auto_free char *whole = path ? flags_absolute(source) : mem_strdup(source);

	if (!path && strchr(source, '/'))
		return err_new(EINVAL,
			       "--%s: '%s' is neither the name of a volume nor a path; a path "
			       "begins with / or .",
			       w->option, source);
	json_put_str(mount, "type", path ? "bind" : "volume");
	json_object_set_new(mount, "source", flags_text(whole));
	if (!path)
		declare_volume(w, source);
	return NULL;
}

static struct err *put_mount_option(struct writing *w, json_t *mount, const char *word)
{
	static const char *const propagations[] = { "private", "rprivate", "shared", "rshared",
						    "slave",   "rslave",   NULL };
	bool bind = str_eq(json_string_value(json_at(mount, "type")), "bind");

	if (strcmp(word, "ro") == 0)
		json_put_bool(mount, "read_only", true);
	else if (strcmp(word, "nocopy") == 0 && !bind)
		flags_set(mount, "volume.nocopy", json_true());
	else if (str_one_of(word, propagations) && bind)
		flags_set(mount, "bind.propagation", json_string(word));
	else if ((strcmp(word, "z") == 0 || strcmp(word, "Z") == 0) && bind)
		flags_set(mount, "bind.selinux", json_string(word));
	else if (strcmp(word, "rw") != 0 && strcmp(word, "z") != 0 && strcmp(word, "Z") != 0)
		return err_new(EINVAL, "--%s: '%s' is not an option of a mount", w->option, word);
	return NULL;
}

/* [SOURCE:]TARGET[:OPTION,...] */
struct err *flags_add_volume(struct writing *w, const char *attr, const char *value)
{
	auto_free char *copy = mem_strdup(value);
	char *first = copy, *second = strchr(first, ':'), *third = NULL;
	json_t *mount = json_object();

	(void)attr;
	if (second) {
		*second++ = '\0';
		third = strchr(second, ':');
	}
	if (third)
		*third++ = '\0';
	auto_strv char **words = third ? str_split(third, ",") : NULL;
	const char *target = second ? second : first;
	struct err *e =
		*target == '/' ? NULL
			       : err_new(EINVAL, "--%s: '%s' has no absolute path in the container",
					 w->option, value);

	json_put_str(mount, "type", "volume");
	json_object_set_new(mount, "target", flags_text(target));
	if (!e && second)
		e = put_source(w, mount, first);
	if (!e && str_eq(json_string_value(json_at(mount, "type")), "bind"))
		flags_set(mount, "bind.create_host_path", json_true());
	for (char **word = words; word && *word && !e; word++)
		e = put_mount_option(w, mount, *word);
	add_mount(w, mount);
	return e;
}

/* --mount's keys; what compose has no place for is refused. */
static const struct {
	const char *key, *path;
	enum { MOUNT_TEXT, MOUNT_TRUE, MOUNT_OCTAL } kind;
} mount_keys[] = {
	{ "type", "type", MOUNT_TEXT },
	{ "target", "target", MOUNT_TEXT },
	{ "dst", "target", MOUNT_TEXT },
	{ "destination", "target", MOUNT_TEXT },
	{ "readonly", "read_only", MOUNT_TRUE },
	{ "ro", "read_only", MOUNT_TRUE },
	{ "bind-propagation", "bind.propagation", MOUNT_TEXT },
	{ "bind-recursive", "bind.recursive", MOUNT_TEXT },
	{ "volume-nocopy", "volume.nocopy", MOUNT_TRUE },
	{ "volume-subpath", "volume.subpath", MOUNT_TEXT },
	{ "tmpfs-size", "tmpfs.size", MOUNT_TEXT },
	{ "tmpfs-mode", "tmpfs.mode", MOUNT_OCTAL },
};

static struct err *put_octal(struct writing *w, json_t *mount, const char *path, const char *key,
			     const char *value)
{
	char *end = NULL;
	long mode = strtol(value, &end, 8);

	if (!isdigit((unsigned char)*value) || *end || mode > MODE_MAX)
		return err_new(EINVAL, "--%s: %s '%s' is not a mode; write 1777", w->option, key,
			       value);
	flags_set(mount, path, json_integer(mode));
	return NULL;
}

static struct err *put_mount_key(struct writing *w, json_t *mount, const char *word,
				 char **ret_source)
{
	auto_free char *key = mem_strndup(word, strcspn(word, "="));
	const char *value = word[strlen(key)] ? word + strlen(key) + 1 : "true";
	size_t i = 0;

	if (str_one_of(key, (const char *const[]) { "source", "src", NULL })) {
		free(*ret_source);
		*ret_source = mem_strdup(value);
		return NULL;
	}
	while (i < ARRAY_LEN(mount_keys) && strcmp(mount_keys[i].key, key) != 0)
		i++;
	if (i == ARRAY_LEN(mount_keys))
		return err_new(ENOTSUP, "--%s: '%s' is not supported", w->option, key);
	if (mount_keys[i].kind == MOUNT_TEXT)
		flags_set(mount, mount_keys[i].path, flags_text(value));
	else if (mount_keys[i].kind == MOUNT_OCTAL)
		return put_octal(w, mount, mount_keys[i].path, key, value);
	else if (str_one_of(value, (const char *const[]) { "true", "1", NULL }))
		flags_set(mount, mount_keys[i].path, json_true());
	else if (!str_one_of(value, (const char *const[]) { "false", "0", NULL }))
		return err_new(EINVAL, "--%s: %s '%s' is neither true nor false", w->option, key,
			       value);
	return NULL;
}

struct err *flags_add_long_mount(struct writing *w, const char *attr, const char *value)
{
	auto_strv char **words = str_split(value, ",");
	auto_free char *source = NULL;
	json_t *mount = json_object();
	struct err *e = NULL;

	(void)attr;
	json_put_str(mount, "type", "volume");
	for (char **word = words; word && *word && !e; word++)
		e = put_mount_key(w, mount, *word, &source);
	const char *type = json_string_value(json_at(mount, "type"));

	if (!e && source && str_eq(type, "volume"))
		declare_volume(w, source);
	if (source) {
		auto_free char *whole = str_eq(type, "bind") ? flags_absolute(source) : NULL;

		json_object_set_new(mount, "source", flags_text(whole ? whole : source));
	}
	if (!e && str_eq(type, "bind")) /* other than with -v, it must be there */
		flags_set(mount, "bind.create_host_path", json_false());
	add_mount(w, mount);
	return e;
}
