/* SPDX-License-Identifier: Apache-2.0 */
/* compose/find.c - the files of a project that nobody named. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "compose/internal.h"

static const char *const main_names[] = { "compose.yaml", "compose.yml", "docker-compose.yml",
					  "docker-compose.yaml", NULL };
static const char *const override_names[] = { "compose.override.yml", "compose.override.yaml",
					      "docker-compose.override.yml",
					      "docker-compose.override.yaml", NULL };

static bool add_first(const char *dir, const char *const *names, char ***files)
{
	for (; *names; names++) {
		auto_free char *path =
			mem_printf("%s/%s", strcmp(dir, "/") == 0 ? "" : dir, *names);

		if (access(path, F_OK) < 0)
			continue;
		strv_add(files, steal(&path));
		return true;
	}
	return false;
}

struct err *project_find_files(const char *start, char ***ret)
{
	auto_free char *dir = mem_strdup(start);

	for (;;) {
		if (add_first(dir, main_names, ret)) {
			add_first(dir, override_names, ret);
			return NULL;
		}
		char *slash = strrchr(dir, '/');

		if (!slash || strcmp(dir, "/") == 0)
			return err_new(ENOENT,
				       "no compose.yaml, compose.yml, docker-compose.yml or "
				       "docker-compose.yaml in %s or above; name one with -f",
				       start);
		slash[slash == dir] = '\0';
	}
}
