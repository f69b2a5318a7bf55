/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/compose_load.c - a whole Compose file; what is printed must read back as the same. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/str.h"
#include "compose/compose.h"
#include "tests/fuzz/fuzz.h"

static const char *const environment[] = { "SET=set", "EMPTY=", "HOME=/home/u", NULL };
static const char *const profiles[] = { "*", NULL };

static char *printed(const struct compose_project *p, enum compose_format format)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	auto_err struct err *e = compose_print(p, format, out);

	FUZZ_CHECK(!e);
	fclose(out);
	return text;
}

/* The canonical form, or NULL when the file is refused. */
static char *canonical(int fd, const void *data, size_t size)
{
	auto_free char *path = mem_printf("/proc/self/fd/%d", fd);
	char *const files[] = { path, NULL };
	struct compose_options o = {
		.files = files,
		.project_dir = "/nonexistent",
		.name = "fuzz",
		.environ = (char *const *)environment,
		.profiles = (char *const *)profiles,
	};
	auto_compose struct compose_project *p = NULL;

	if (ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
		return NULL;
	auto_err struct err *e = compose_load(&o, &p);

	if (e)
		return NULL;
	free(printed(p, COMPOSE_JSON)); /* need not be YAML: only must not crash */

	return printed(p, COMPOSE_YAML);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("compose.yml", MFD_CLOEXEC);
	auto_free char *first = canonical(fd, data, size);

	if (!first)
		return 0;
	auto_free char *second = canonical(fd, first, strlen(first));

	FUZZ_CHECK(str_eq(first, second));
	return 0;
}
