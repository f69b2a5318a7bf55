/* SPDX-License-Identifier: Apache-2.0 */
/* image/volume.c - named volumes: directories below ROOT/volumes, as Docker's local driver keeps them. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "image/internal.h"

static struct err *check_name(const char *name)
{
	size_t n = strlen(name);

	if (n < 2 || n > 200 || !isalnum((unsigned char)*name))
		return err_new(
			EINVAL,
			"'%s' is not a volume name: two or more of letters, digits, _ . and -",
			name);
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("_.-", *p))
			return err_new(EINVAL,
				       "'%s' is not a volume name: only letters, digits, _ . and -",
				       name);
	return NULL;
}

struct err *image_volume_ensure(const char *root, const char *name, char *const *labels,
				char **ret_path)
{
	auto_free char *path = mem_printf("%s/volumes/%s/_data", root, name);
	auto_fd int dir = -1;

	TRY(check_name(name));
	if (access(path, F_OK) < 0) {
		auto_free char *parent = mem_printf("%s/volumes/%s", root, name);
		auto_json json_t *meta = json_object();

		TRY(err_wrap(fd_mkdirs(AT_FDCWD, parent, 0701), "volume %s", name));
		json_put_str(meta, "name", name);
		json_put_strv(meta, "labels", labels);
		auto_free char *text = json_text(meta, 2);

		TRY(fd_openat(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY, &dir));
		TRY(err_wrap(fd_replace_file(dir, "volume.json", text, 0600), "volume %s", name));
		if (mkdirat(dir, "_data", 0755) < 0 && errno != EEXIST)
			return err_errno("volume %s: mkdir _data", name);
	}
	*ret_path = steal(&path);
	return NULL;
}

bool image_volume_exists(const char *root, const char *name)
{
	auto_free char *path = mem_printf("%s/volumes/%s/_data", root, name);
	auto_err struct err *e = check_name(name);

	return !e && access(path, F_OK) == 0;
}

static void read_volume(const char *root, const char *name, struct image_volume *v)
{
	auto_free char *meta = mem_printf("%s/volumes/%s/volume.json", root, name);
	auto_json json_t *j = NULL;

	v->name = mem_strdup(name);
	v->path = mem_printf("%s/volumes/%s/_data", root, name);
	err_ignore(json_read_file(AT_FDCWD, meta, MANIFEST_MAX, &j));
	if (j)
		err_ignore(json_get_strv(j, "labels", &v->labels));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct image_volume *)a)->name,
		      ((const struct image_volume *)b)->name);
}

struct err *image_volume_list(const char *root, struct image_volume **ret, size_t *ret_n)
{
	auto_free char *path = mem_printf("%s/volumes", root);
	DIR *d = opendir(path);
	const struct dirent *entry;

	*ret = NULL;
	*ret_n = 0;
	if (!d)
		return errno == ENOENT ? NULL : err_errno("list %s", path);
	while ((entry = readdir(d)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		*ret = mem_grow(*ret, *ret_n + 1, sizeof(**ret));
		(*ret)[*ret_n] = (struct image_volume) { 0 };
		read_volume(root, entry->d_name, &(*ret)[(*ret_n)++]);
	}
	closedir(d);
	if (*ret)
		qsort(*ret, *ret_n, sizeof(**ret), by_name);
	return NULL;
}

void image_volume_clear(struct image_volume *v)
{
	free(v->name);
	free(v->path);
	strv_free(v->labels);
}

struct err *image_volume_remove(const char *root, const char *name)
{
	auto_free char *path = mem_printf("%s/volumes/%s", root, name);

	TRY(check_name(name));
	return err_wrap(fd_remove_tree(AT_FDCWD, path), "volume %s", name);
}

struct err *image_volume_move(const char *root, const char *name, const char *to)
{
	auto_free char *path = mem_printf("%s/volumes/%s", root, name);

	TRY(check_name(name));
	return rename(path, to) < 0 ? err_errno("volume %s: put it aside", name) : NULL;
}
