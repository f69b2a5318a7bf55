/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/oci_config.c - config.json of a bundle that somebody else has written. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "runtime/oci/oci.h"
#include "tests/fuzz/fuzz.h"

static char dir[] = "/dev/shm/slipway-fuzz.XXXXXX";

static void remove_dir(void)
{
	err_ignore(fd_remove_tree(AT_FDCWD, dir));
}

/* What the rest of the program relies on. */
static void check_spec(const struct runtime_spec *s, const struct bundle *b)
{
	FUZZ_CHECK(s->process.argv && s->process.argv[0]);
	FUZZ_CHECK(s->process.cwd && *s->process.cwd == '/');
	FUZZ_CHECK(s->rootfs && *s->rootfs == '/');
	FUZZ_CHECK(b->cgroup && *b->cgroup && *b->cgroup != '/' && !strstr(b->cgroup, ".."));
	for (size_t i = 0; i < s->n_mounts; i++) {
		FUZZ_CHECK(*s->mounts[i].target == '/');
		FUZZ_CHECK(s->mounts[i].kind != RUNTIME_MOUNT_BIND || *s->mounts[i].source == '/');
		FUZZ_CHECK(s->mounts[i].kind != RUNTIME_MOUNT_FS || s->mounts[i].type);
	}
	for (char *const *v = s->sysctls; v && *v; v++)
		FUZZ_CHECK(strchr(*v, '=') && !str_ends(*v, "=(null)"));
	for (size_t i = 0; i < HOOK_STAGES; i++)
		for (size_t k = 0; k < b->hooks.of[i].n; k++) {
			const struct runtime_hook *h = &b->hooks.of[i].items[k];

			FUZZ_CHECK(*h->path == '/' && h->argv && h->argv[0] && h->env &&
				   h->timeout >= 0);
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int here = -1;
	struct bundle *b = NULL;

	if (here < 0) {
		FUZZ_CHECK(mkdtemp(dir));
		here = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		atexit(remove_dir);
	}
	if (memmem(data, size, "/proc", 5) || memmem(data, size, "/dev", 4))
		return 0; /* paths of namespaces are opened: nothing here is to wait for */
	int fd = openat(here, "config.json", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
	auto_err struct err *e = bundle_load(dir, "fuzz", &b);

	FUZZ_CHECK(!e == (b != NULL));
	if (b)
		check_spec(&b->spec, b);
	bundle_free(b);
	return 0;
}
