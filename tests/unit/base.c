/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/base.c - errors, strings, descriptors, JSON, log lines, signals. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/launch.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/trace.h"
#include "tests/check.h"

/* ---- err ---- */

TEST(an_error_reads_from_the_outside_in)
{
	errno = EROFS;
	auto_err struct err *e = err_errno("mount %s", "/data");

	e = err_wrap(err_wrap(e, "service %s", "db"), "pod web");
	CHECK_STR(err_text(e), "pod web: service db: mount /data: Read-only file system");
	CHECK_INT(err_code(e), EROFS);
}

TEST(success_stays_success)
{
	CHECK(!err_wrap(NULL, "context"));
	CHECK(!err_join(NULL, NULL));
	CHECK_STR(err_text(NULL), "success");
	CHECK_INT(err_code(NULL), 0);
	err_free(NULL);
	err_ignore(NULL);
}

TEST(joined_errors_stand_on_lines_of_their_own)
{
	struct err *e = err_join(NULL, err_new(EINVAL, "first"));

	e = err_join(e, NULL);
	e = err_join(e, err_new(ENOENT, "second"));
	CHECK_STR(err_text(e), "first\nsecond");
	CHECK_INT(err_code(e), EINVAL);
	err_free(e);
}

TEST(an_error_survives_the_way_through_a_pipe)
{
	char message[100] = { 0 };
	int ends[2];

	CHECK(pipe2(ends, O_CLOEXEC) == 0);
	err_send(ends[1], err_new(ENOENT, "exec %s", "/bin/x"));
	CHECK(read(ends[0], message, sizeof(message) - 1) > 0);
	auto_err struct err *e = err_parse(message);

	CHECK_STR(err_text(e), "exec /bin/x");
	CHECK_INT(err_code(e), ENOENT);
	auto_err struct err *bad = err_parse("Killed");

	CHECK_STR(err_text(bad), "malformed report from child: 'Killed'");
	CHECK_INT(err_code(bad), EPROTO);
}

/* ---- str ---- */

static const struct {
	const char *why, *text, *want;
	int64_t min, max;
} numbers[] = {
	{ "a number", "42", "42", 0, 100 },
	{ "the limits belong to it", "-5", "-5", -5, 5 },
	{ "the smallest", "-9223372036854775808", "-9223372036854775808", INT64_MIN, INT64_MAX },
	{ "nothing", "", "'' is not a number", 0, 1 },
	{ "a sign alone", "-", "'-' is not a number", -1, 1 },
	{ "a plus", "+1", "'+1' is not a number", 0, 1 },
	{ "a space before", " 1", "' 1' is not a number", 0, 1 },
	{ "letters behind", "1k", "'1k' is not a number", 0, 1 },
	{ "a minus where none can be", "-1", "'-1' is not a number", 0, 1 },
	{ "too large", "101", "'101' is not between 0 and 100", 0, 100 },
	{ "beyond 64 bits", "99999999999999999999", "'99999999999999999999' is not between 0 and 9",
	  0, 9 },
};

TEST(numbers_are_decimal_and_within_their_limits)
{
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		int64_t n = 0;
		auto_err struct err *e =
			str_number(numbers[i].text, numbers[i].min, numbers[i].max, &n);
		auto_free char *got =
			e ? mem_strdup(err_text(e)) : mem_printf("%lld", (long long)n);

		check_why(numbers[i].why);
		CHECK_STR(got, numbers[i].want);
	}
}

TEST(string_lists_grow_split_and_join)
{
	auto_strv char **v = str_split(",a,,b c,d", ", ");
	auto_free char *text = strv_join(v, "+"), *empty = strv_join(NULL, "+");

	CHECK_INT(strv_len(v), 4);
	CHECK_STR(text, "a+b+c+d");
	CHECK_STR(empty, "");
	CHECK(strv_has(v, "c") && !strv_has(v, "x") && !strv_has(NULL, "x"));
	strv_insert(&v, 0, mem_strdup("first"));
	strv_insert(&v, 5, mem_strdup("last"));
	for (int i = 0; i < 1000; i++)
		strv_add(&v, mem_strdup("x"));
	auto_strv char **copy = strv_dup(v);

	CHECK_INT(strv_len(copy), 1006);
	CHECK_STR(copy[0], "first");
	CHECK_STR(copy[5], "last");
}

TEST(a_variable_is_found_by_its_whole_name)
{
	auto_strv char **env = NULL;

	env_set(&env, "AB=1");
	env_set(&env, "A=2");
	env_set(&env, "A=3=4");
	CHECK_INT(strv_len(env), 2);
	CHECK_STR(env_get(env, "A"), "3=4");
	CHECK_STR(env_get(env, "AB"), "1");
	CHECK_STR(env_get(env, "B"), NULL);
	CHECK_STR(env_get(NULL, "A"), NULL);
}

TEST(strings_compare_by_their_ends_and_null_equals_null)
{
	CHECK(str_eq(NULL, NULL) && str_eq("a", "a") && !str_eq("a", NULL) && !str_eq("a", "b"));
	CHECK(str_starts("abc", "ab") && str_starts("abc", "") && !str_starts("ab", "abc"));
	CHECK(str_ends("abc", "bc") && str_ends("abc", "") && !str_ends("bc", "abc"));
}

/* ---- fd ---- */

static int open_dir(void)
{
	int fd = open(check_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

static char *try_read(int dir, const char *path, size_t max)
{
	char *text = NULL;
	auto_err struct err *e = fd_read_file(dir, path, max, &text);

	return e ? mem_strdup(err_text(e)) : text;
}

TEST(a_file_is_read_whole_or_refused)
{
	auto_fd int dir = open_dir();
	auto_free char *large = mem_alloc(10001);

	CHECK(fchdir(dir) == 0);
	check_file("small", "text");
	check_file("large", memset(large, 'x', 10000));
	auto_free char *small = try_read(dir, "small", 4), *whole = try_read(dir, "large", 10000);
	auto_free char *beyond = try_read(dir, "small", 3), *none = try_read(dir, "no", 3);

	CHECK_STR(small, "text");
	CHECK_STR(whole, large);
	CHECK_STR(beyond, "small: larger than 3 bytes");
	CHECK_STR(none, "open no: No such file or directory");
}

TEST(a_replaced_file_has_its_mode_and_leaves_nothing_beside_it)
{
	auto_fd int dir = open_dir();
	struct stat st;
	auto_err struct err *e = fd_replace_file(dir, "state", "old", 0600);

	CHECK_STR(err_text(e), "success");
	e = fd_replace_file(dir, "state", "new", 0640);
	CHECK_STR(err_text(e), "success");
	auto_free char *text = try_read(dir, "state", 10);

	CHECK_STR(text, "new");
	CHECK(fstatat(dir, "state", &st, 0) == 0);
	CHECK_INT(st.st_mode & 07777, 0640);
	CHECK(unlinkat(dir, "state", 0) == 0);
	CHECK(unlinkat(AT_FDCWD, check_dir(), AT_REMOVEDIR) == 0);
}

/* As root one replaced /dev/null. */
TEST(a_trace_is_written_to_what_is_there_and_does_not_replace_it)
{
	auto_fd int dir = open_dir();
	auto_free char *link = mem_printf("%s/link", check_dir());
	struct stat st;

	CHECK(symlinkat("target", dir, "link") == 0);
	auto_err struct err *e = trace_open(link);

	CHECK_STR(err_text(e), "success");
	trace_end("track", trace_begin(), "a span");
	e = trace_close();
	CHECK_STR(err_text(e), "success");
	CHECK(fstatat(dir, "link", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode));
	auto_free char *text = try_read(dir, "target", 1000);

	CHECK(strstr(text, "\"a span\""));
}

TEST(a_text_is_cut_between_characters)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "", "" },
		{ "1234", "1234" },
		{ "12345", "123…" },
		{ "ääää", "ääää" },
		{ "äääää", "äää…" },
		{ "日本語日本", "日本語…" },
		{ "a\x80\x80\x80\x80", "a\x80\x80\x80\x80" }, /* nothing that begins a character */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *got = str_brief(rows[i].text, 4);

		CHECK_STR(got, rows[i].want);
	}
}

TEST(directories_are_made_with_their_parents)
{
	auto_fd int dir = open_dir();
	struct stat st;
	auto_err struct err *e = fd_mkdirs(dir, "a/b//c/", 0700);

	CHECK_STR(err_text(e), "success");
	CHECK(fstatat(dir, "a/b/c", &st, 0) == 0 && S_ISDIR(st.st_mode));
	e = fd_mkdirs(dir, "a/b/c", 0700);
	CHECK_STR(err_text(e), "success");
	CHECK(fchdir(dir) == 0);
	check_file("f", "");
	e = fd_mkdirs(dir, "f/x", 0700);
	CHECK_STR(err_text(e), "mkdir f/x: Not a directory");
}

TEST(a_symbolic_link_does_not_lead_out_of_a_root)
{
	auto_fd int dir = open_dir();
	auto_fd int root = -1, fd = -1;
	struct stat st;
	auto_err struct err *e = fd_mkdirs(dir, "root/etc", 0755);

	CHECK(!e);
	CHECK(fchdir(dir) == 0);
	check_file("outside/secret", "no");
	check_file("root/outside/secret", "yes");
	CHECK(symlinkat("/outside", dir, "root/absolute") == 0);
	CHECK(symlinkat("../../../outside", dir, "root/etc/relative") == 0);
	root = open("root", O_PATH | O_DIRECTORY | O_CLOEXEC);

	static const char *const paths[] = { "absolute/secret", "/etc/relative/secret",
					     "../outside/secret", "etc/../../outside/secret" };
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		auto_fd int file = -1;
		auto_free char *text = NULL;

		check_why(paths[i]);
		e = fd_open_in_root(root, paths[i], O_RDONLY, 0, &file);
		CHECK_STR(err_text(e), "success");
		e = fd_read_all(file, 10, &text, NULL);
		CHECK_STR(text, "yes");
	}
	e = fd_mkdirs_in_root(root, "/etc/relative/new/dir", 0755, &fd);
	CHECK_STR(err_text(e), "success");
	CHECK(fstatat(dir, "root/outside/new/dir", &st, 0) == 0);
	CHECK(fstatat(dir, "outside/new", &st, 0) < 0);
	fd_close(&fd);
	e = fd_mkdirs_in_root(root, "many//slashes///here//", 0755, &fd);
	CHECK_STR(err_text(e), "success");
	CHECK(fstatat(dir, "root/many/slashes/here", &st, 0) == 0);
	fd_close(&fd);
	e = fd_mkdirs_in_root(root, "/", 0755, &fd);
	CHECK_STR(err_text(e), "success");
	fd_close(&fd);
	e = fd_mkdirs_in_root(root, "missing/../up", 0755, &fd);
	CHECK_STR(err_text(e), "open missing/..: No such file or directory");
}

TEST(a_dangling_link_in_a_root_is_an_error_and_makes_nothing_outside)
{
	auto_fd int root = open_dir();
	auto_fd int fd = -1;

	CHECK(symlinkat("/nowhere", root, "link") == 0);
	auto_err struct err *e = fd_mkdirs_in_root(root, "link/x", 0755, &fd);

	CHECK_STR(err_text(e), "open link: No such file or directory");
	CHECK_INT(fd, -1);
	CHECK(faccessat(AT_FDCWD, "/nowhere", F_OK, 0) < 0);
}

TEST(what_is_looked_for_in_a_root_is_there_or_not_or_cannot_be_told)
{
	auto_fd int root = open_dir();
	auto_fd int found = -1, none = 7, bad = -1;

	CHECK(fchdir(root) == 0);
	check_file("dir/file", "text");
	auto_err struct err *e = fd_find_in_root(root, "/dir/file", O_PATH, &found);

	CHECK_STR(err_text(e), "success");
	CHECK(found >= 0);
	e = fd_find_in_root(root, "/dir/none/file", O_PATH, &none);
	CHECK_STR(err_text(e), "success");
	CHECK_INT(none, -1);
	e = fd_find_in_root(root, "/dir/file/below", O_PATH, &bad);
	CHECK_STR(err_text(e), "open /dir/file/below: Not a directory");
	CHECK_INT(bad, -1);
}

TEST(a_tree_is_removed_without_following_links)
{
	auto_fd int dir = open_dir();
	struct stat st;

	CHECK(fchdir(dir) == 0);
	check_file("tree/a/b/file", "");
	check_file("kept/file", "");
	CHECK(symlinkat("../kept", dir, "tree/link") == 0);
	auto_err struct err *e = fd_remove_tree(dir, "tree");

	CHECK_STR(err_text(e), "success");
	CHECK(fstatat(dir, "tree", &st, AT_SYMLINK_NOFOLLOW) < 0);
	CHECK(fstatat(dir, "kept/file", &st, 0) == 0);
	e = fd_remove_tree(dir, "tree");
	CHECK_STR(err_text(e), "success");
}

TEST(a_lock_is_held_by_its_descriptor)
{
	auto_fd int dir = open_dir();
	auto_fd int first = -1, second = -1;
	auto_err struct err *e = fd_lock(dir, "lock", LOCK_EX | LOCK_NB, &first);

	CHECK_STR(err_text(e), "success");
	e = fd_lock(dir, "lock", LOCK_EX | LOCK_NB, &second);
	CHECK_INT(err_code(e), EWOULDBLOCK);
	err_free(e);
	fd_close(&first);
	e = fd_lock(dir, "lock", LOCK_EX | LOCK_NB, &second);
	CHECK_STR(err_text(e), "success");
}

TEST(a_lock_on_a_file_that_was_removed_is_none)
{
	auto_fd int dir = open_dir();
	auto_fd int first = -1, second = -1;
	auto_err struct err *e = fd_lock(dir, "lock", LOCK_EX | LOCK_NB, &first);
	pid_t pid = fork();

	if (pid == 0) { /* waits for it, and finds that there is nothing to hold */
		close(first);
		auto_err struct err *late = fd_lock(dir, "lock", LOCK_EX, &second);

		_exit(err_code(late) == ENOENT ? 0 : 1);
	}
	usleep(200000);
	CHECK(unlinkat(dir, "lock", 0) == 0);
	fd_close(&first);
	int status = 0;

	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
}

/* ---- json ---- */

static const struct {
	const char *why, *text, *want;
	size_t max;
} jsons[] = {
	{ "members keep their order", "{\"b\": 1, \"a\": [true, null]}",
	  "{\"b\":1,\"a\":[true,null]}", 100 },
	{ "too large", "[1, 2]", "JSON larger than 5 bytes", 5 },
	{ "a member twice", "{\"a\":1,\"a\":2}",
	  "JSON line 1 column 10: duplicate object key near '\"a\"'", 100 },
	{ "text behind it", "[] x", "JSON line 1 column 4: end of file expected near 'x'", 100 },
	{ "brackets in a string are not depth", "[\"[[\\\"[[\"]", "[\"[[\\\"[[\"]", 100 },
};

TEST(json_is_read_within_limits)
{
	char deep[200] = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(jsons); i++) {
		auto_json json_t *j = NULL;
		auto_err struct err *e =
			json_parse(jsons[i].text, strlen(jsons[i].text), jsons[i].max, &j);
		auto_free char *got = e ? mem_strdup(err_text(e)) : json_text(j, 0);

		check_why(jsons[i].why);
		CHECK_STR(got, jsons[i].want);
	}
	static const char unsigned_ones[] =
		"[18446744073709551615, "
		"9223372036854775808,-9223372036854775808,{\"9999999999999999999\": "
		"\"\\\"18446744073709551615\"}, 9223372036854775807]";
	auto_json json_t *ones = NULL;
	auto_err struct err *big = json_parse(unsigned_ones, strlen(unsigned_ones), 1000, &ones);
	auto_free char *same_bits = big ? mem_strdup(err_text(big)) : json_text(ones, 0);

	CHECK_STR(same_bits,
		  "[-1,-9223372036854775808,-9223372036854775808,{\"9999999999999999999\":"
		  "\"\\\"18446744073709551615\"},9223372036854775807]");
	memset(deep, '[', JSON_DEPTH_LIMIT);
	memset(deep + JSON_DEPTH_LIMIT, ']', JSON_DEPTH_LIMIT);
	auto_json json_t *fits = NULL, *none = NULL;
	auto_err struct err *e = json_parse(deep, strlen(deep), 200, &fits);

	CHECK_STR(err_text(e), "success");
	memset(deep, '[', JSON_DEPTH_LIMIT + 1);
	e = json_parse(deep, strlen(deep), 200, &none);
	CHECK_STR(err_text(e), "JSON nested deeper than 64 levels");
	CHECK(!none);
}

TEST(json_members_are_got_by_path_and_type)
{
	const char *text =
		"{\"a\":{\"s\":\"x\",\"n\":7,\"b\":true,\"l\":[\"p\",\"q\"]},\"z\":null}";
	auto_json json_t *j = NULL;
	auto_strv char **list = NULL;
	const char *s = "default", *z = "default";
	int64_t n = 0;
	bool b = false;
	auto_err struct err *e = json_parse(text, strlen(text), 100, &j);

	CHECK(!e);
	CHECK(!json_get_str(j, "a.s", &s) && !json_get_str(j, "z", &z));
	CHECK(!json_get_int(j, "a.n", &n) && !json_get_bool(j, "a.b", &b));
	CHECK(!json_get_strv(j, "a.l", &list));
	CHECK_STR(s, "x");
	CHECK_STR(z, "default");
	CHECK_INT(n, 7);
	CHECK(b);
	CHECK_STR(list[1], "q");
	e = json_get_int(j, "a.s", &n);
	CHECK_STR(err_text(e), "a.s: must be an integer");
}

/* ---- log ---- */

/* The line that one warning makes. */
static char *logged(enum log_format format, const char *message)
{
	char line[300] = { 0 };
	int ends[2];

	CHECK(pipe2(ends, O_CLOEXEC) == 0);
	log_setup("prog", LOG_LEVEL_INFO, format);
	log_to(ends[1]);
	log_debug("not shown");
	log_warn("%s", message);
	CHECK(read(ends[0], line, sizeof(line) - 1) > 0);
	close(ends[0]);
	close(ends[1]);
	return mem_strdup(line);
}

TEST(a_log_line_has_the_chosen_format)
{
	auto_free char *text = logged(LOG_TEXT, "disk full");

	CHECK_STR(text, "prog: warning: disk full\n");
	log_pod("web");
	auto_free char *keys = logged(LOG_KEYS, "a \"b\"\n"), *json = logged(LOG_JSON, "a \"b\"\n");

	log_pod(NULL);
	CHECK(str_starts(keys, "time=20"));
	CHECK_STR(strstr(keys, " level"),
		  " level=warning msg=\"a \\\"b\\\"\\u000a\" pod=\"web\"\n");
	auto_json json_t *j = NULL;
	auto_err struct err *e = json_parse(json, strlen(json), 300, &j);

	CHECK_STR(err_text(e), "success");
	CHECK_STR(json_string_value(json_at(j, "msg")), "a \"b\"\n");
	CHECK_STR(json_string_value(json_at(j, "pod")), "web");
	CHECK_STR(json_string_value(json_at(j, "level")), "warning");
}

TEST(log_levels_and_formats_have_names)
{
	enum log_level level = LOG_LEVEL_DEBUG;
	enum log_format format = LOG_TEXT;
	auto_err struct err *e = log_level_parse("warn", &level);

	CHECK(!e);
	CHECK_INT(level, LOG_LEVEL_WARN);
	e = log_level_parse("loud", &level);
	CHECK_STR(err_text(e), "'loud' is not a log level; there are: debug, info, warning, error");
	err_free(e);
	e = log_format_parse("json", &format);
	CHECK(!e);
	CHECK_INT(format, LOG_JSON);
	e = log_format_parse("xml", &format);
	CHECK_STR(err_text(e), "'xml' is not a log format; there are: text, keys, json");
}

/* ---- proc ---- */

static const struct {
	const char *text;
	int want; /* 0: an error */
} signals[] = {
	{ "SIGTERM", SIGTERM }, { "TERM", SIGTERM },  { "15", 15 }, { "SIGKILL", SIGKILL },
	{ "64", 64 },		{ "SIGRTMIN+3", 37 }, { "0", 0 },   { "65", 0 },
	{ "sigterm", 0 },	{ "SIGSIGTERM", 0 },  { "", 0 },    { "SIG", 0 },
	{ "RTMIN+99", 0 },	{ "RTMINX", 0 },
};

TEST(a_signal_has_a_name_or_a_number)
{
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		int got = 0;
		auto_err struct err *e = proc_signal_parse(signals[i].text, &got);
		auto_free char *want = mem_printf("'%s' is not a signal", signals[i].text);

		check_why(signals[i].text);
		CHECK_STR(err_text(e), signals[i].want ? "success" : want);
		if (!e)
			CHECK_INT(got, signals[i].want);
	}
	CHECK_STR(proc_signal_name(SIGTERM), "SIGTERM");
	CHECK_STR(proc_signal_name(0), "signal");
	CHECK_STR(proc_signal_name(1000), "signal");
}

/* Its exit is in *ret, also when it has not begun. */
static struct err *launch_script(const char *script, const int *fds, size_t n,
				 struct proc_exit *ret)
{
	auto_fd int shell = open("/bin/sh", O_RDONLY | O_CLOEXEC), pidfd = -1;
	char *const argv[] = { (char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
			       (char *)(uintptr_t)script, NULL };
	const struct launch l = { .program = shell,
				  .argv = argv,
				  .fds = fds,
				  .n_fds = n,
				  .cgroup = -1,
				  .netns = -1,
				  .apart = true };
	struct launched *launched = NULL;
	pid_t pid = -1;

	TRY(launch(&l, &pid, &pidfd, &launched));
	CHECK(pid > 0);
	struct err *e = launch_done(launched);

	CHECK(!proc_wait(pidfd, ret));
	return e;
}

TEST(a_program_is_launched_with_the_descriptors_it_is_given)
{
	struct proc_exit how;
	sigset_t before;
	int ends[2];
	auto_free char *text = NULL;

	CHECK(pipe2(ends, O_CLOEXEC) == 0);
	auto_fd int out = ends[0], in = ends[1], null = open("/dev/null", O_RDONLY);
	const int fds[] = { in, null, in }; /* one twice, one open beyond exec here */
	auto_err struct err *e =
		launch_script("set -- /proc/$$/fd/*; echo $# $(pwd -P) "
			      "$(readlink /proc/$$/fd/1 /proc/$$/fd/4) >&5; exit 7",
			      fds, ARRAY_LEN(fds), &how);

	CHECK_STR(err_text(e), "success");
	CHECK_INT(proc_exit_code(how), 7);
	fd_close(&in);
	CHECK(!fd_read_all(out, 1000, &text, NULL));
	/* 0 to 5, and the directory that the shell reads */
	CHECK_STR(text, "7 / /dev/null /dev/null\n");
	(void)sigprocmask(SIG_BLOCK, NULL, &before);
	CHECK(!sigismember(&before, SIGTERM));
}

/* Launches @program, and has its exit in *ret. */
static struct err *launch_plainly(int program, struct proc_exit *ret)
{
	static char *const argv[] = { (char *)(uintptr_t) "true", NULL };
	const struct launch l = { .program = program, .argv = argv, .cgroup = -1, .netns = -1 };
	struct launched *launched = NULL;
	auto_fd int pidfd = -1;
	pid_t pid = -1;

	TRY(launch(&l, &pid, &pidfd, &launched));
	struct err *e = launch_done(launched);
	/* the next owner of that memory, on whose stack the child must not be any more */
	auto_free char *next = mem_alloc(8300);

	memset(next, 'x', 8300);
	CHECK(!proc_wait(pidfd, ret));
	return e;
}

TEST(what_cannot_be_launched_is_told)
{
	auto_fd int directory = open("/", O_RDONLY | O_CLOEXEC);

	for (int i = 0; i < 200; i++) {
		struct proc_exit how;
		auto_err struct err *e = launch_plainly(directory, &how);

		CHECK(err_code(e) == EACCES);
		CHECK_STR(err_text(e), "run: Permission denied");
		CHECK_INT(proc_exit_code(how), 127);
	}
	struct launched *launched = NULL;
	const struct launch l = { .program = directory,
				  .cgroup = -1,
				  .netns = -1,
				  .flags = CLONE_FS | CLONE_NEWNS /* not together */ };
	pid_t pid = -1;
	auto_err struct err *e = launch(&l, &pid, NULL, &launched);

	CHECK_STR(err_text(e), "clone: Invalid argument");
	CHECK(!launch_done(NULL));
}

TEST(a_launch_without_room_for_descriptors_is_told)
{
	auto_fd int program = open("/bin/true", O_RDONLY | O_CLOEXEC);
	struct rlimit before, few;
	struct proc_exit how;

	CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
	few = before;
	/* beyond what is open already, so many that at first nothing can be opened, and at last all of it */
	for (rlim_t more = 1; more < 12; more++) {
		few.rlim_cur = (rlim_t)program + more;
		CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
		auto_err struct err *e = launch_plainly(program, &how);

		CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
		CHECK(!e || err_code(e) == EMFILE);
		CHECK(e || proc_exit_code(how) == 0);
		CHECK(e || more > 4);
		CHECK(!e || more < 11);
	}
}

/* ---- many descriptors ---- */

TEST(descriptors_are_sent_in_numbers)
{
	int ends[2], sent[FD_LIST_MAX], got[FD_LIST_MAX];
	size_t n = 0;
	char text[10];
	struct stat null, st;

	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
	for (int i = 0; i < FD_LIST_MAX; i++)
		CHECK((sent[i] = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0);
	CHECK(fstat(sent[0], &null) == 0);
	CHECK(!fd_send_list(ends[0], "all", 3, sent, FD_LIST_MAX));
	CHECK_INT(fd_recv_list(ends[1], text, sizeof(text), got, FD_LIST_MAX, &n), 3);
	CHECK_INT((int64_t)n, FD_LIST_MAX);
	for (size_t i = 0; i < n; i++) {
		CHECK(fstat(got[i], &st) == 0 && st.st_rdev == null.st_rdev);
		CHECK(fcntl(got[i], F_GETFD) == FD_CLOEXEC);
		close(got[i]);
	}
	check_why("more than are wanted are closed");
	CHECK(!fd_send_list(ends[0], "few", 3, sent, 3));
	CHECK_INT(fd_recv_list(ends[1], text, sizeof(text), got, 1, &n), 3);
	CHECK_INT((int64_t)n, 1);
	int next = dup(sent[0]);

	CHECK(next == got[0] + 1);
	close(next);
	close(got[0]);
	check_why("none");
	CHECK(!fd_send_list(ends[0], "none", 4, NULL, 0));
	CHECK_INT(fd_recv_list(ends[1], text, sizeof(text), got, 1, &n), 4);
	CHECK_INT((int64_t)n, 0);
	check_why("more than this process may have: none of them, and that is told");
	struct rlimit before, few;

	CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
	few = (struct rlimit) { (rlim_t)sent[FD_LIST_MAX - 1] + 3, before.rlim_max };
	CHECK(!fd_send_list(ends[0], "lost", 4, sent, 10));
	CHECK(!fd_send(ends[0], "next", 4, -1));
	CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
	CHECK(fd_recv_list(ends[1], text, sizeof(text), got, FD_LIST_MAX, &n) == -1);
	CHECK_INT(errno, EMFILE);
	CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
	CHECK_INT((int64_t)n, 0);
	CHECK_INT(fd_recv(ends[1], text, sizeof(text), NULL), 4);
	for (int i = 0; i < FD_LIST_MAX; i++)
		close(sent[i]);
	close(ends[0]);
	close(ends[1]);
}

TEST(a_child_is_waited_for_by_descriptor)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	struct proc_exit how = { 0 };
	auto_fd int pidfd = -1;
	uint64_t start = 0;
	pid_t pid = proc_clone(&args);

	if (pid == 0)
		for (;;)
			pause();
	CHECK(pid > 0);
	auto_err struct err *e = proc_open(pid, &pidfd);

	CHECK(!e);
	CHECK(!proc_start_time(pid, &start));
	CHECK(start > 0);
	bool done = true;

	CHECK(!proc_poll(pidfd, &done, &how));
	CHECK(!done);
	CHECK(!proc_kill(pidfd, SIGKILL));
	CHECK(!proc_wait(pidfd, &how));
	CHECK_INT(proc_exit_code(how), 128 + SIGKILL);
	CHECK(!proc_kill(pidfd, SIGKILL)); /* gone is fine */
	e = proc_start_time(pid, &start);
	CHECK(e);
}
