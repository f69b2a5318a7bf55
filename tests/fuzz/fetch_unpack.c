/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/fetch_unpack.c - layers on layers: whatever the tars say, nothing outside changes.
 *
 * The input is a tar, cut in two at the first zero block: the lower layer and the
 * upper one. They go onto a tmpfs in a mount namespace of our own (as root), or
 * into a directory in /tmp, where owners and devices just fail.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "image/fetch/fetch.h"
#include "tests/fuzz/fuzz.h"

enum { TAR_BLOCK = 512 };

static char base[] = "/tmp/slipway-fuzz.XXXXXX";
static const char secret[] = "outside";

static void clean_up(void)
{
	(void)umount2(base, MNT_DETACH);
	(void)rmdir(base);
}

static void set_up(void)
{
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

static int layer(int dir, const char *name, const uint8_t *data, size_t size, const int *lower,
		 size_t n)
{
	struct feed f = { data, size };
	struct unpack_notes notes = { 0 };

	FUZZ_CHECK(mkdirat(dir, name, 0755) == 0);
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	FUZZ_CHECK(fd >= 0);
	auto_err struct err *e = unpack(feed, &f, fd, &notes);

	if (!e)
		e = unpack_fixup(fd, &notes, lower, n);
	unpack_notes_clear(&notes);
	return fd;
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

static size_t first_zeros(const uint8_t *data, size_t size)
{
	static const uint8_t zeros[TAR_BLOCK];

	for (size_t i = 0; i + TAR_BLOCK <= size; i += TAR_BLOCK)
		if (memcmp(data + i, zeros, TAR_BLOCK) == 0)
			return i;
	return size;
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
	FUZZ_CHECK(!e && strv_len(names) == 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	auto_free uint8_t *data = mem_dup(input, size);
	static const char *const all[] = { "secret", "0", "1" };

	mend(data, size);
	size_t cut = first_zeros(data, size);
	size_t rest = cut + TAR_BLOCK < size ? cut + TAR_BLOCK : size;

	if (base[strlen(base) - 1] == 'X')
		set_up();
	auto_fd int dir = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_err struct err *e = fd_replace_file(dir, "secret", secret, 0600);

	FUZZ_CHECK(!e);
	auto_fd int below = layer(dir, "0", data, cut, NULL, 0);
	auto_fd int upper = layer(dir, "1", data + rest, size - rest, &below, 1);

	FUZZ_CHECK(below >= 0 && upper >= 0);
	check_outside(dir);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		e = fd_remove_tree(dir, all[i]);
		FUZZ_CHECK(!e);
	}
	return 0;
}
