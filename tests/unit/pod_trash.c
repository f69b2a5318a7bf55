/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/pod_trash.c - what of ended pods is removed, and when. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"
#include "tests/check.h"

static void put(const char *name, off_t bytes)
{
	auto_free char *dir = mem_printf("%s/trash/%s/upper", check_dir(), name);
	auto_free char *path = mem_printf("%s/file", dir);
	auto_err struct err *e = fd_mkdirs(AT_FDCWD, dir, 0700);
	auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	CHECK_STR(err_text(e), "success");
	CHECK(fd >= 0 && (!bytes || posix_fallocate(fd, 0, bytes) == 0));
}

static char *left(void)
{
	auto_free char *path = mem_printf("%s/trash", check_dir());
	auto_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_strv char **names = NULL;
	auto_err struct err *e = fd_list(dir, &names);

	CHECK_STR(err_text(e), "success");
	return strv_join(names, " ");
}

TEST(what_is_large_goes_at_once_and_what_is_small_when_it_is_old)
{
	struct pod_host h = { .root = mem_strdup(check_dir()) };

	put("small", 0);
	put("large", 20 << 20);
	auto_err struct err *e = pod_tidy_trash(&h, POD_TRASH_AGE);
	auto_free char *young = left();

	CHECK_STR(err_text(e), "success");
	CHECK_STR(young, "small");
	e = pod_tidy_trash(&h, 0);
	auto_free char *old = left();

	CHECK_STR(err_text(e), "success");
	CHECK_STR(old, "");
	free(h.root);
}

TEST(no_trash_is_no_error)
{
	struct pod_host h = { .root = mem_printf("%s/nothing", check_dir()) };
	auto_err struct err *e = pod_tidy_trash(&h, 0);

	CHECK_STR(err_text(e), "success");
	free(h.root);
}

TEST(two_of_one_name_at_once_are_both_put_aside)
{
	struct pod_host h = { .root = mem_strdup(check_dir()) };
	auto_free char *tree = mem_printf("%s/tree", check_dir());
	auto_free char *inner = mem_printf("%s/inner", tree);

	for (int i = 0; i < 2; i++) {
		auto_err struct err *made = fd_mkdirs(AT_FDCWD, inner, 0700);
		auto_err struct err *e = trash_put(&h, tree, "twin");

		CHECK_STR(err_text(made), "success");
		CHECK_STR(err_text(e), "success");
		CHECK(access(tree, F_OK) < 0);
	}
	auto_free char *there = left();
	auto_strv char **names = str_split(there, " ");

	CHECK(strv_len(names) == 2);
	free(h.root);
}

TEST(what_cannot_be_put_aside_is_removed)
{
	struct pod_host h = { .root = mem_strdup(check_dir()) };
	auto_free char *tree = mem_printf("%s/tree", check_dir());
	auto_free char *inner = mem_printf("%s/inner", tree);
	auto_free char *trash = mem_printf("%s/trash", check_dir());
	auto_fd int file = open(trash, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	auto_err struct err *made = fd_mkdirs(AT_FDCWD, inner, 0700);
	auto_err struct err *e = trash_put(&h, tree, "tree");

	CHECK(file >= 0);
	CHECK_STR(err_text(made), "success");
	CHECK_STR(err_text(e), "success");
	CHECK(access(tree, F_OK) < 0);
	free(h.root);
}
