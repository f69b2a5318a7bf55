/* SPDX-License-Identifier: Apache-2.0 */
/* compose/settings.c - a file of settings: one flat mapping, read as Compose files are. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "compose/internal.h"

enum { SETTINGS_SIZE_MAX = 1 << 20 };

static void clear_documents(struct node **documents, size_t n)
{
	for (size_t i = 0; i < n; i++)
		node_free(documents[i]);
	free(documents);
}

static struct err *read_mapping(const struct node *map, struct compose_settings *ret)
{
	if (map->type == NODE_NULL) /* comments alone */
		return NULL;
	if (map->type != NODE_MAP)
		return node_err(map, "must be a mapping of settings");
	ret->items = mem_alloc((map->n + 1) * sizeof(*ret->items));
	for (size_t i = 0; i < map->n; i++) {
		const struct node *n = map->items[i];
		struct compose_setting *s = &ret->items[ret->n];

		if (!node_is_scalar(n) || n->type == NODE_NULL)
			return node_err(n, "must be a single value");
		ret->n++;
		s->key = mem_strdup(map->keys[i]);
		s->value = mem_strdup(n->text);
		s->place = (struct compose_place) { ret->file, n->line, n->column, s->key };
	}
	return NULL;
}

struct err *compose_settings_read(const char *path, struct compose_settings *ret)
{
	const struct source source = { .name = path, .dir = "/" };
	struct compose_settings settings = { .file = mem_strdup(path) };
	auto_free char *text = NULL;
	auto_fd int fd = -1;
	struct node **documents = NULL;
	size_t n = 0, len = 0;
	struct err *e = fd_openat(AT_FDCWD, path, O_RDONLY, &fd);

	if (!e)
		e = err_wrap(fd_read_all(fd, SETTINGS_SIZE_MAX, &text, &len), "%s", path);
	if (!e)
		e = yaml_read(&source, text, len, &documents, &n);
	if (!e && n > 1)
		e = node_err(documents[1], "there must be one document");
	if (!e && n)
		e = read_mapping(documents[0], &settings);
	clear_documents(documents, n);
	if (e)
		compose_settings_clear(&settings);
	else
		*ret = settings;
	return e;
}

void compose_settings_clear(struct compose_settings *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->items[i].key);
		free(s->items[i].value);
	}
	free(s->items);
	free(s->file);
	*s = (struct compose_settings) { 0 };
}
