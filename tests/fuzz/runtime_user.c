/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/runtime_user.c - the passwd and group of a stranger's image; the user is the first line. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "runtime/internal.h"
#include "tests/fuzz/fuzz.h"

static int root = -1;

static char dir[] = "/dev/shm/slipway-fuzz.XXXXXX";

static void remove_root(void)
{
	err_ignore(fd_remove_tree(AT_FDCWD, dir));
}

static void make_root(void)
{
	FUZZ_CHECK(mkdtemp(dir));
	atexit(remove_root);
	root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	FUZZ_CHECK(root >= 0 && mkdirat(root, "etc", 0755) == 0);
}

static void put(const char *path, const char *data, size_t size)
{
	int fd = openat(root, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
}

/* "USER\nGROUP\nPASSWD\0GROUP" */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct identity id;
	const char *text = (const char *)data;
	const char *first = memchr(text, '\n', size);
	const char *second =
		first ? memchr(first + 1, '\n', size - (size_t)(first + 1 - text)) : NULL;

	if (root < 0)
		make_root();
	if (!second)
		return 0;
	auto_free char *user = fuzz_text(data, (size_t)(first - text));
	auto_free char *group = fuzz_text((const uint8_t *)first + 1, (size_t)(second - first - 1));
	const char *rest = second + 1;
	size_t n = size - (size_t)(rest - text), passwd = strnlen(rest, n);
	char *const groups[] = { *group ? group : NULL, NULL };

	put("etc/passwd", rest, passwd);
	put("etc/group", rest + passwd, n - passwd);
	auto_err struct err *e = user_find(root, user, groups, &id);

	if (e)
		return 0;
	FUZZ_CHECK(id.uid <= INT32_MAX && id.gid <= INT32_MAX);
	FUZZ_CHECK(id.n_groups >= 1 && id.n_groups <= GROUPS_LIMIT && id.groups[0] == id.gid);
	FUZZ_CHECK(*id.home == '/' && strnlen(id.home, sizeof(id.home)) < sizeof(id.home));
	for (size_t i = 0; i < id.n_groups; i++)
		FUZZ_CHECK(id.groups[i] <= INT32_MAX);
	/* a number is itself, whatever the files say */
	size_t digits = strspn(user, "0123456789");

	if (digits && (!user[digits] || user[digits] == ':'))
		FUZZ_CHECK(id.uid == strtoul(user, NULL, 10));
	return 0;
}
