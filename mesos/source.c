/* SPDX-License-Identifier: Apache-2.0 */
/* mesos/source.c - where the Compose project of a task is: files of the sandbox, text, or an image (source_image.c). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "mesos/internal.h"

void source_clear(struct source *s)
{
	strv_free(s->files);
	free(s->text);
	free(s->dir);
	wire_aurora_clear(&s->aurora);
	*s = (struct source) { 0 };
}

/* ---- files ---- */

char *source_path(const struct session *s, const char *path)
{
	return *path == '/' ? mem_strdup(path) : mem_printf("%s/%s", s->env.sandbox, path);
}

/* @list: names between commas; @origin says who named them. */
static struct err *use_files(const struct session *s, const char *origin, const char *list,
			     struct source *ret)
{
	auto_strv char **names = str_split(list, ",");

	for (char **n = names; n && *n; n++) {
		char *trimmed = *n + strspn(*n, " ");

		trimmed[strcspn(trimmed, " ")] = '\0';
		char *path = source_path(s, trimmed);

		strv_add(&ret->files, path);
		if (access(path, R_OK) < 0)
			return err_errno("%s: the Compose file %s", origin, path);
	}
	return names ? NULL : err_new(EINVAL, "%s: no file is named", origin);
}

/* ---- text ---- */

static bool is_text(const char *data, size_t len)
{
	return len && !memchr(data, '\0', len);
}

/* A label's value: the name of a file, YAML, or that in base64. */
static struct err *use_label(const struct session *s, const char *value, struct source *ret)
{
	auto_free char *path = source_path(s, value);
	auto_free char *decoded = NULL;
	size_t len = 0;

	if (!strpbrk(value, "\n{") && access(path, F_OK) == 0)
		return use_files(s, "label slipway.compose", value, ret);
	auto_err struct err *not_base64 = wire_unbase64(value, &decoded, &len);

	if (!not_base64 && is_text(decoded, len))
		ret->text = steal(&decoded);
	else if (strchr(value, ':'))
		ret->text = mem_strdup(value);
	else
		return err_new(EINVAL,
			       "label slipway.compose: '%.60s' is neither a file of the "
			       "sandbox nor a project as YAML or base64",
			       value);
	return NULL;
}

/* TaskInfo.data or ExecutorInfo.data: Aurora's AssignedTask, or a project. */
static struct err *use_data(const char *base64, struct source *ret)
{
	auto_free char *data = NULL;
	size_t len = 0;

	if (!*base64)
		return NULL;
	TRY(err_wrap(wire_unbase64(base64, &data, &len), "data"));
	if (!is_text(data, len)) {
		struct wire_aurora a = { 0 };
		auto_err struct err *e = wire_aurora(data, len, &a);

		if (e) { /* somebody else's: none of our business */
			log_info("the task's data is not read: %s", err_text(e));
			return NULL;
		}
		wire_aurora_clear(&ret->aurora);
		ret->aurora = a;
		ret->has_aurora = true;
		if (a.data && strstr(a.data, "services"))
			ret->text = mem_strdup(a.data);
		return NULL;
	}
	if (strstr(data, "services"))
		ret->text = steal(&data);
	return NULL;
}

/* ---- the only one in the sandbox ---- */

static struct err *look_around(const struct session *s, struct source *ret)
{
	static const char *const names[] = { "compose.yaml", "compose.yml", "docker-compose.yaml",
					     "docker-compose.yml", NULL };
	auto_strv char **all = NULL;
	auto_fd int dir = -1;

	TRY(fd_openat(AT_FDCWD, s->env.sandbox, O_RDONLY | O_DIRECTORY, &dir));
	TRY(fd_list(dir, &all));
	for (char **n = all; n && *n; n++)
		if (str_one_of(*n, names))
			strv_add(&ret->files, source_path(s, *n));
	if (strv_len(ret->files) > 1)
		return err_new(EINVAL,
			       "the sandbox has %zu Compose files; the label fileName says which",
			       strv_len(ret->files));
	if (!ret->files)
		return err_new(
			ENOENT,
			"no Compose project: there is no label fileName or slipway.compose, no "
			"SLIPWAY_COMPOSE_FILE, no argument, no data, no image, and no "
			"docker-compose.yml in the sandbox");
	return NULL;
}

/* ---- the order ---- */

struct err *source_find(const struct session *s, const json_t *task, struct source *ret)
{
	const char *label = wire_label(task, "fileName"),
		   *inline_text = wire_label(task, "slipway.compose");
	const char *variable = env_get(s->env.environ, "SLIPWAY_COMPOSE_FILE");
	auto_free char *operands = strv_join(s->argv, ",");

	*ret = (struct source) { .dir = mem_strdup(s->env.sandbox) };
	TRY(use_data(wire_text(task, "data"), ret)); /* Aurora's is of use also beside files */
	if (label)
		return use_files(s, "label fileName", label, ret);
	if (inline_text)
		return use_label(s, inline_text, ret);
	if (variable && *variable)
		return use_files(s, "SLIPWAY_COMPOSE_FILE", variable, ret);
	if (*operands)
		return use_files(s, "argument", operands, ret);
	if (!ret->text)
		TRY(use_data(wire_text(s->executor_info, "data"), ret));
	if (!ret->text)
		TRY(source_of_image(s, task, ret));
	return ret->text ? NULL : look_around(s, ret);
}
