/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/fetch_tarball.c - tars into a directory that has things in it: nothing outside changes, and
 * what went in comes out as a tar.
 *
 * They go onto a tmpfs in a mount namespace of our own (as root), or into a
 * directory in /tmp, where owners just fail.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "image/fetch/fetch.h"
#include "tests/fuzz/fuzz.h"

enum { TAR_BLOCK = 512, FILE_MAX = 1 << 20 };

static char base[] = "/tmp/slipway-fuzz.XXXXXX";
static const char secret[] = "outside";

static void clean_up(void)
{
	(void)umount2(base, MNT_DETACH);
	(void)rmdir(base);
}

static void set_up(void)
{
	const struct rlimit size = { FILE_MAX, FILE_MAX };

	/* a tar may say that a file has terabytes, all of them a hole */
	(void)signal(SIGXFSZ, SIG_IGN);
	FUZZ_CHECK(setrlimit(RLIMIT_FSIZE, &size) == 0);
	FUZZ_CHECK(mkdtemp(base) && atexit(clean_up) == 0);
	if (unshare(CLONE_NEWNS) == 0) {
		FUZZ_CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
		FUZZ_CHECK(mount("tmpfs", base, "tmpfs", 0, "size=64m,nr_inodes=20000") == 0);
	}
}

struct feed {
	const uint8_t *data;
	size_t len;
};

static struct err *feed(void *ctx, const void **data, size_t *len)
{
	struct feed *f = ctx;

	*data = f->data;
	*len = f->len < 700 ? f->len : 700;
	f->data += *len;
	f->len -= *len;
	return NULL;
}

/* The sums are made right, or nothing but the check of sums would be tested. */
static void mend(uint8_t *data, size_t size)
{
	for (uint8_t *h = data; size - (size_t)(h - data) >= TAR_BLOCK; h += TAR_BLOCK) {
		unsigned sum = 0;

		if (memcmp(h + 257, "ustar", 5) != 0)
			continue;
		memset(h + 148, ' ', 8);
		for (size_t i = 0; i < TAR_BLOCK; i++)
			sum += h[i];
		snprintf((char *)h + 148, 8, "%06o", sum);
	}
}

/* A directory with what may lead out of it. */
static int make_target(int dir)
{
	FUZZ_CHECK(mkdirat(dir, "in", 0755) == 0);
	int fd = openat(dir, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	FUZZ_CHECK(fd >= 0 && symlinkat("..", fd, "a") == 0 && symlinkat("/", fd, "b") == 0 &&
		   symlinkat("../secret", fd, "c") == 0 && mkdirat(fd, "d", 0755) == 0);
	return fd;
}

static void check_outside(int dir)
{
	auto_free char *text = NULL;
	auto_strv char **names = NULL;
	struct stat st;
	auto_err struct err *e = fd_read_file(dir, "secret", 100, &text);

	FUZZ_CHECK(!e && strcmp(text, secret) == 0);
	FUZZ_CHECK(fstatat(dir, "secret", &st, 0) == 0 && st.st_nlink == 1 &&
		   (st.st_mode & 07777) == 0600);
	e = fd_list(dir, &names);
	FUZZ_CHECK(!e && strv_len(names) == 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	auto_free uint8_t *data = mem_dup(input, size);

	mend(data, size);
	if (base[strlen(base) - 1] == 'X')
		set_up();
	auto_fd int dir = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_err struct err *e = fd_replace_file(dir, "secret", secret, 0600);

	FUZZ_CHECK(!e);
	auto_fd int target = make_target(dir), out = memfd_create("tar", MFD_CLOEXEC);
	struct feed f = { data, size };

	e = tarball_in(feed, &f, target);
	check_outside(dir);
	err_free(steal(&e));
	e = tarball_out(target, ".", out);
	FUZZ_CHECK(!e || size > TAR_BLOCK); /* deeper than we write, say */
	check_outside(dir);
	err_free(steal(&e));
	e = fd_remove_tree(dir, "secret");
	FUZZ_CHECK(!e);
	e = fd_remove_tree(dir, "in");
	FUZZ_CHECK(!e);
	return 0;
}
