/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/runtime_user.c - who a process is, by the passwd and group of a hostile image. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/internal.h"
#include "tests/check.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
			     "daemon:x:1:1::/usr/sbin:/usr/sbin/nologin\n"
			     "app:x:1000:1000:,,,:/home/app:/bin/sh\n"
			     "other:x:1000:2000::/home/other:/bin/sh\n"
			     "1001:x:0:0::/root:/bin/sh\n"
			     "\n"
			     "# a comment\n"
			     "nouid:x\n"
			     "empty:x:::/:\n"
			     "negative:x:-1:0::/:/bin/sh\n"
			     "huge:x:4294967296:0::/:/bin/sh\n"
			     "max:x:4294967295:0::/:/bin/sh\n"
			     "badgid:x:7:4294967296::/:/bin/sh\n"
			     "wordgid:x:8:staff::/:/bin/sh\n"
			     "hex:x:0x0:0::/:/bin/sh\n"
			     "relative:x:9:9::home:/bin/sh\n"
			     "+nis::::::\n"
			     "nohome:x:10:10\n"
			     "last:x:11:11::/last:/bin/sh"; /* and no newline */

static const char group[] = "root:x:0:\n"
			    "daemon:x:1:app\n"
			    "staff:x:50:app,daemon,root\n"
			    "app:x:1000:\n"
			    "1234:x:0:\n"
			    "wide:x:4294967296:app\n"
			    "minus:x:-1:app\n"
			    "short:x\n"
			    "prefix:x:60:application\n"
			    "again:x:50:app\n"
			    "video:x:44:";

static int open_root(void)
{
	int root = open(check_dir(), O_PATH | O_DIRECTORY | O_CLOEXEC);

	CHECK(root >= 0 && chdir(check_dir()) == 0);
	return root;
}

/* "uid:gid home groups", or the error. */
static char *find(int root, const char *user, char *const *groups)
{
	auto_free struct identity *id = mem_alloc(sizeof(*id));
	auto_err struct err *e = user_find(root, user, groups, id);
	auto_strv char **list = NULL;

	if (e)
		return mem_strdup(err_text(e));
	for (size_t i = 0; i < id->n_groups; i++)
		strv_add(&list, mem_printf("%u", id->groups[i]));
	auto_free char *text = strv_join(list, ",");

	return mem_printf("%u:%u %s %s", id->uid, id->gid, id->home, text);
}

#define NO_USER(u) "no user '" u "' in /etc/passwd of the image"
#define NO_GROUP(g) "no group '" g "' in /etc/group of the image"
#define RANGE(what, n) what " '" n "' is not between 0 and 2147483647"
static const struct row {
	const char *why, *user, *group_add, *want;
} rows[] = {
	{ "nobody is asked for: root", "", NULL, "0:0 /root 0,50" },
	{ "none at all", NULL, NULL, "0:0 /root 0,50" },
	{ "root", "root", NULL, "0:0 /root 0,50" },
	{ "a name, with its groups", "app", NULL, "1000:1000 /home/app 1000,1,50" },
	{ "a number: the first line that has it", "1000", NULL, "1000:1000 /home/app 1000,1,50" },
	{ "another name of that number", "other", NULL, "1000:2000 /home/other 2000" },
	{ "a number nobody has", "4321", NULL, "4321:0 / 0" },
	{ "leading zeroes are the number", "01000", NULL, "1000:0 / 0" },
	{ "the largest", "2147483647", NULL, "2147483647:0 / 0" },
	{ "the last line has no newline", "last", NULL, "11:11 /last 11" },
	{ "a name that is a number is not looked up", "1001", NULL, "1001:0 / 0" },
	{ "a group by number", "app:7", NULL, "1000:7 /home/app 7" },
	{ "a group by name", "app:video", NULL, "1000:44 /home/app 44" },
	{ "both numbers", "5:6", NULL, "5:6 / 6" },
	{ "root, in another group", "0:100", NULL, "0:100 /root 100" },
	{ "a group whose name is a number is not looked up", "5:1234", NULL, "5:1234 / 1234" },
	{ "an empty file name for home", "nohome", NULL, "10:10 / 10" },
	{ "a home that is no absolute path", "relative", NULL, "9:9 / 9" },
	{ "a group that is no number: root's, as for docker", "wordgid", NULL, "8:0 / 0" },
	{ "more groups, by name and by number", "app", "video 7 app 7",
	  "1000:1000 /home/app 1000,1,50,44,7" },
	{ "more groups beside a given one", "app:video", "staff", "1000:44 /home/app 44,50" },
	{ "more groups for a number", "4321", "staff", "4321:0 / 0,50" },

	{ "more than 32 bits", "4294967296", NULL, RANGE("user", "4294967296") },
	{ "-1 in 32 bits", "4294967295", NULL, RANGE("user", "4294967295") },
	{ "more than 64 bits", "18446744073709551616", NULL,
	  RANGE("user", "18446744073709551616") },
	{ "-1 is a name", "-1", NULL, NO_USER("-1") },
	{ "+1 is a name", "+1", NULL, NO_USER("+1") },
	{ "a number with letters is a name", "1x", NULL, NO_USER("1x") },
	{ "hexadecimal is a name", "0x0", NULL, NO_USER("0x0") },
	{ "a space is part of a name", " 0", NULL, NO_USER(" 0") },
	{ "no such user", "nobody", NULL, NO_USER("nobody") },
	{ "the beginning of one", "ap", NULL, NO_USER("ap") },
	{ "case matters", "Root", NULL, NO_USER("Root") },
	{ "a comment is no user", "# a comment", NULL, NO_USER("# a comment") },
	{ "a line without number", "nouid", NULL, NO_USER("nouid") },
	{ "an empty number", "empty", NULL, NO_USER("empty") },
	{ "a negative one", "negative", NULL, NO_USER("negative") },
	{ "one in hexadecimal", "hex", NULL, NO_USER("hex") },
	{ "NIS", "+nis", NULL, NO_USER("+nis") },
	{ "one too large", "huge", NULL, RANGE("user", "4294967296") },
	{ "one that means -1", "max", NULL, RANGE("user", "4294967295") },
	{ "a group too large", "badgid", NULL, RANGE("group", "4294967296") },
	{ "no group behind the colon", "1:", NULL, "user '1:' is not USER[:GROUP]" },
	{ "no user before it", ":1", NULL, "user ':1' names no user" },
	{ "nothing at all around it", ":", NULL, "user ':' is not USER[:GROUP]" },
	{ "two colons", "1:2:3", NULL, "user '1:2:3' is not USER[:GROUP]" },
	{ "a group nobody has", "1:nogroup", NULL, NO_GROUP("nogroup") },
	{ "a group with letters", "1:1x", NULL, NO_GROUP("1x") },
	{ "a group -1", "1:-1", NULL, NO_GROUP("-1") },
	{ "a given group too large", "1:4294967296", NULL, RANGE("group", "4294967296") },
	{ "a group of the file too large", "1:wide", NULL, RANGE("group", "4294967296") },
	{ "a negative group of the file", "1:minus", NULL, NO_GROUP("minus") },
	{ "a line of groups cut short", "1:short", NULL, NO_GROUP("short") },
	{ "one of the further groups", "app", "nogroup", NO_GROUP("nogroup") },
	{ "one of them too large", "app", "4294967296", RANGE("group", "4294967296") },
	{ "one of them negative", "app", "-1", NO_GROUP("-1") },
};

TEST(users_and_groups_are_found_in_the_images_files)
{
	auto_fd int root = open_root();

	check_file("etc/passwd", passwd);
	check_file("etc/group", group);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_strv char **more =
			rows[i].group_add ? str_split(rows[i].group_add, " ") : NULL;
		auto_free char *got = find(root, rows[i].user, more);

		check_why(rows[i].why);
		CHECK_STR(got, rows[i].want);
	}
}

static const struct row without_files[] = {
	{ "root needs none", "", NULL, "0:0 / 0" },
	{ "numbers need none", "1000:1000", "5", "1000:1000 / 1000,5" },
	{ "a name does", "root", NULL, NO_USER("root") },
	{ "a group does", "0:root", NULL, NO_GROUP("root") },
	{ "a further group does", "0", "video", NO_GROUP("video") },
};

TEST(without_the_files_there_are_only_numbers)
{
	auto_fd int root = open_root();

	for (size_t k = 0; k < 2; k++) {
		for (size_t i = 0; i < ARRAY_LEN(without_files); i++) {
			const char *add = without_files[i].group_add;
			auto_strv char **more = add ? str_split(add, " ") : NULL;
			auto_free char *got = find(root, without_files[i].user, more);

			check_why(without_files[i].why);
			CHECK_STR(got, without_files[i].want);
		}
		if (k == 0) {
			check_why("/etc is no directory");
			check_file("etc", "");
		}
	}
}

/* ---- what an image may put in their place ---- */

static void put(const char *how)
{
	if (strcmp(how, "fifo") == 0)
		CHECK(mkfifo("etc/passwd", 0644) == 0);
	else if (strcmp(how, "directory") == 0)
		CHECK(mkdir("etc/passwd", 0755) == 0);
	else if (strcmp(how, "socket") == 0)
		CHECK(mknod("etc/passwd", S_IFSOCK | 0644, 0) == 0);
	else if (strcmp(how, "null") == 0)
		CHECK(symlink("/dev/null", "etc/passwd") == 0);
	else
		CHECK(symlink(how, "etc/passwd") == 0);
}

static const struct {
	const char *why, *how, *want; /* for user app */
} traps[] = {
	{ "a pipe would block for ever", "fifo", "/etc/passwd in the image is not a file" },
	{ "a directory", "directory", "/etc/passwd in the image is not a file" },
	{ "a socket", "socket", "open /etc/passwd: No such device or address" },
	{ "a link out of the root stays in it", "../../../../../../outside", NO_USER("app") },
	{ "an absolute link too", "/outside", NO_USER("app") },
	{ "a device of the host is not there", "null", NO_USER("app") },
	{ "a link to itself", "passwd", "open /etc/passwd: Too many levels of symbolic links" },
	{ "a link within the root is fine", "../usr/share/passwd", "1000:1000 /home/app 1000" },
	{ "an absolute link within the root", "/usr/share/passwd", "1000:1000 /home/app 1000" },
};

TEST(a_hostile_passwd_neither_blocks_nor_leads_out)
{
	auto_free char *outside = mem_printf("%s/outside", check_dir());
	auto_free char *inside = mem_printf("%s/root", check_dir());

	check_file(outside, "app:x:0:0::/root:/bin/sh\n");
	CHECK(mkdir(inside, 0755) == 0);
	CHECK(chdir(inside) == 0);
	check_file("etc/group", "app:x:1000:\n");
	check_file("usr/share/passwd", "app:x:1000:1000::/home/app:/bin/sh\n");
	for (size_t i = 0; i < ARRAY_LEN(traps); i++) {
		auto_fd int root = open(inside, O_PATH | O_DIRECTORY | O_CLOEXEC);

		(void)remove("etc/passwd");
		put(traps[i].how);
		auto_free char *got = find(root, "app", NULL);

		check_why(traps[i].why);
		CHECK_STR(got, traps[i].want);
	}
}

TEST(magic_links_are_not_followed)
{
	auto_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd int file = -1;
	auto_free char *path = mem_printf("/proc/%d/root/etc/passwd", getpid());
	auto_err struct err *e = fd_open_in_root(root, path, O_RDONLY, 0, &file);
	auto_free char *want = mem_printf("open %s: Too many levels of symbolic links", path);

	CHECK_STR(err_text(e), want);
}

/* A file of @size bytes: lines of users, the one that is looked for the last. */
static void put_large(size_t size)
{
	static const char line[] = "someone:x:5:5::/:/bin/sh\n", last[] = "app:x:1:1::/:\n";
	FILE *f = fopen("etc/passwd", "we");
	size_t n = 0;

	CHECK(f);
	for (; n + strlen(line) + strlen(last) <= size; n += strlen(line))
		fputs(line, f);
	for (; n + strlen(last) < size; n++)
		putc('\n', f);
	fputs(last, f);
	CHECK(fclose(f) == 0);
}

TEST(files_are_read_up_to_a_limit)
{
	auto_fd int root = open_root();

	check_file("etc/passwd", "");
	put_large(PASSWD_MAX);
	auto_free char *fits = find(root, "app", NULL);

	CHECK_STR(fits, "1:1 / 1");
	put_large(PASSWD_MAX + 1);
	auto_free char *above = find(root, "app", NULL);

	CHECK_STR(above, "/etc/passwd: larger than 4194304 bytes");
	CHECK(truncate("etc/passwd", 1LL << 40) == 0);
	auto_free char *sparse = find(root, "app", NULL);

	CHECK_STR(sparse, "/etc/passwd: larger than 4194304 bytes");
}

/* Two million of them; a quadratic reader would need half an hour. */
TEST(many_lines_are_read_in_a_moment)
{
	auto_free char *text = mem_alloc(PASSWD_MAX + 1);
	auto_fd int root = open_root();

	for (size_t i = 0; i < PASSWD_MAX; i += 2)
		memcpy(text + i, "a\n", 2);
	memcpy(text, "app:x:1:1::/:\n", 14);
	check_file("etc/passwd", text);
	check_file("etc/group", text);
	auto_free char *got = find(root, "app", NULL);

	CHECK_STR(got, "1:1 / 1");
}

TEST(what_follows_a_nul_byte_is_not_seen)
{
	static const char text[] = "a:x:1:1::/:\n\0evil:x:0:0::/:\n";
	auto_fd int root = open_root();

	check_file("etc/passwd", "");
	auto_fd int fd = open("etc/passwd", O_WRONLY | O_CLOEXEC);

	CHECK(write(fd, text, sizeof(text)) == sizeof(text));
	auto_free char *got = find(root, "evil", NULL), *seen = find(root, "a", NULL);

	CHECK_STR(got, NO_USER("evil"));
	CHECK_STR(seen, "1:1 / 1");
}

TEST(a_line_without_end_is_one_line)
{
	auto_free char *text = mem_alloc((1 << 20) + 1);
	auto_fd int root = open_root();

	memset(text, ':', 1 << 20);
	memcpy(text, "app:x:3:4", 9);
	check_file("etc/passwd", text);
	auto_free char *got = find(root, "app", NULL);

	CHECK_STR(got, "3:4 / 4");
}

TEST(a_home_that_is_too_long_is_not_cut)
{
	auto_free char *text = mem_alloc(400), *got = NULL;
	auto_fd int root = open_root();

	memset(text, 'h', 399);
	memcpy(text, "app:x:3:4::/", 12);
	check_file("etc/passwd", text);
	got = find(root, "app", NULL);
	CHECK_STR(got, "3:4 / 4");
}

TEST(groups_beyond_the_limit_are_an_error)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	auto_fd int root = open_root();
	auto_free struct identity *id = mem_alloc(sizeof(*id));

	for (int i = 1; i < 3 * GROUPS_LIMIT; i++)
		fprintf(f, "g%d:x:%d:app\n", i, i);
	fclose(f);
	check_file("etc/passwd", "app:x:0:0::/:\n");
	check_file("etc/group", text);
	free(text);
	auto_err struct err *e = user_find(root, "app", NULL, id);

	CHECK_STR(err_text(e), "user 'app' is in more than 1024 groups");
}
