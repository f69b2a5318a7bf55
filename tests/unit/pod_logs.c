/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/pod_logs.c - what services have written comes back: whole, in order, and no more than is kept. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"
#include "tests/check.h"

enum { PIECE = 16 << 10, LINES_MAX = 300000, LOG_SIZE_MAX = 10 << 20, LOG_FILES = 3 };

/* A host below this test's directory with one pod, shop, of services web and db. */
static struct pod_host *make_host(void)
{
	static const char state[] = "{\"name\":\"shop\",\"status\":\"running\",\"services\":["
				    "{\"service\":\"web\",\"state\":\"exited\"},"
				    "{\"service\":\"db\",\"state\":\"exited\"}]}";
	struct pod_host *h = mem_alloc(sizeof(*h));
	auto_free char *file = mem_printf("%s/run/pods/shop/state.json", check_dir());

	h->root = mem_printf("%s/root", check_dir());
	h->run = mem_printf("%s/run", check_dir());
	CHECK(mkdir(h->root, 0700) == 0);
	auto_free char *pods = mem_printf("%s/pods/shop", h->root);
	auto_err struct err *e = fd_mkdirs(AT_FDCWD, pods, 0700);

	CHECK_STR(err_text(e), "success");
	check_file(file, state);
	return h;
}

/* A service whose log is @log; it and its files stay to the end of the test. */
static struct plan_container *make_service(const char *name, struct plan_log log)
{
	struct compose_service *s = mem_alloc(sizeof(*s));
	struct plan_container *c = mem_alloc(sizeof(*c));

	s->name = name;
	s->place = (struct compose_place) { "a.yml", 1, 1, "services.web" };
	c->service = s;
	c->log = log;
	c->key = mem_strdup(name);
	return c;
}

static struct log_writer *open_log_as(const struct pod_host *h, const char *service,
				      struct plan_log log)
{
	struct log_writer *w = NULL;
	auto_err struct err *e = log_open(h, "shop", make_service(service, log), NULL, NULL, &w);

	CHECK_STR(err_text(e), "success");
	return w;
}

static struct log_writer *open_log(const struct pod_host *h, const char *service)
{
	return open_log_as(h, service,
			   (struct plan_log) { .size_max = LOG_SIZE_MAX, .files = LOG_FILES });
}

static void put(struct log_writer *w, const char *text)
{
	log_put(w, POD_STDOUT, text, strlen(text), false);
}

/* ---- reading ---- */

struct line {
	char *service, *time, *text;
	size_t len;
	enum pod_stream stream;
};
struct lines {
	struct line *v;
	size_t n, stop_after; /* 0: never */
};

static bool on_line(void *ctx, const char *service, enum pod_stream stream, const char *time,
		    const char *text, size_t len)
{
	struct lines *l = ctx;
	struct line *one = &l->v[l->n++];

	CHECK(l->n < LINES_MAX);
	*one = (struct line) { mem_strdup(service), mem_strdup(time), mem_dup(text, len + 1), len,
			       stream };
	return l->n != l->stop_after;
}

static struct lines read_logs(const struct pod_host *h, int64_t tail, char *const *services)
{
	struct lines l = { .v = mem_alloc(LINES_MAX * sizeof(struct line)) };
	const struct pod_logs how = {
		.services = services, .tail = tail, .ctx = &l, .on_line = on_line
	};
	auto_err struct err *e = pod_logs(h, "shop", &how);

	CHECK_STR(err_text(e), "success");
	return l;
}

/* All texts one after the other. */
static char *text_of(const struct lines *l, size_t *ret_len)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	for (size_t i = 0; i < l->n; i++)
		fwrite(l->v[i].text, 1, l->v[i].len, f);
	fclose(f);
	if (ret_len)
		*ret_len = len;
	return text;
}

static void check_text(const struct pod_host *h, int64_t tail, const char *want)
{
	struct lines l = read_logs(h, tail, NULL);
	auto_free char *got = text_of(&l, NULL);

	CHECK_STR(got, want);
}

static off_t size_of(const struct pod_host *h, const char *file)
{
	auto_free char *path = mem_printf("%s/pods/shop/logs/%s", h->root, file);
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : -1;
}

/* ---- tests ---- */

TEST(lines_come_back_as_they_were_written)
{
	struct pod_host *h = make_host();
	struct log_writer *w = open_log(h, "web");

	put(w, "one\ntwo\n\n");
	put(w, "thr");
	put(w, "ee\nfo");
	log_put(w, POD_STDOUT, "ur", 2, true);
	log_free(w);
	struct lines l = read_logs(h, -1, NULL);

	CHECK_INT((int64_t)l.n, 5);
	CHECK_STR(l.v[0].text, "one\n");
	CHECK_STR(l.v[1].text, "two\n");
	CHECK_STR(l.v[2].text, "\n");
	CHECK_STR(l.v[3].text, "three\n");
	check_why("what has no newline gets none");
	CHECK_STR(l.v[4].text, "four");
	CHECK_STR(l.v[0].service, "web");
	check_why("a time is RFC 3339, of now");
	struct tm tm = { 0 };
	const char *rest = strptime(l.v[0].time, "%Y-%m-%dT%H:%M:%S", &tm);

	CHECK(rest && strlen(rest) == 11 && *rest == '.' && rest[10] == 'Z');
	CHECK(labs(timegm(&tm) - time(NULL)) < 100);
}

TEST(the_file_is_dockers_json)
{
	struct pod_host *h = make_host();
	struct log_writer *w = open_log(h, "web");
	auto_free char *path = mem_printf("%s/pods/shop/logs/web.log", h->root), *text = NULL;
	struct stat st;

	put(w, "a \"b\" \\ \t\r\x01\x7f\n");
	log_free(w);
	CHECK(stat(path, &st) == 0);
	auto_err struct err *e = fd_read_file(AT_FDCWD, path, 10000, &text);

	CHECK_STR(err_text(e), "success");
	static const char want[] = "{\"log\":\"a \\\"b\\\" \\\\ "
				   "\\t\\r\\u0001\\u007f\\n\",\"stream\":\"stdout\",\"time\":\"";

	text[strlen(want)] = '\0';
	CHECK_STR(text, want);
}

TEST(streams_are_kept_apart_also_within_lines)
{
	struct pod_host *h = make_host();
	struct log_writer *w = open_log(h, "web");

	log_put(w, POD_STDOUT, "out ", 4, false);
	log_put(w, POD_STDERR, "err ", 4, false);
	log_put(w, POD_STDOUT, "put\n", 4, false);
	log_put(w, POD_STDERR, "or\n", 3, false);
	log_free(w);
	struct lines l = read_logs(h, -1, NULL);

	CHECK_INT((int64_t)l.n, 2);
	CHECK_STR(l.v[0].text, "out put\n");
	CHECK_INT(l.v[0].stream, POD_STDOUT);
	CHECK_STR(l.v[1].text, "err or\n");
	CHECK_INT(l.v[1].stream, POD_STDERR);
}

TEST(services_are_read_in_the_files_order_or_chosen)
{
	struct pod_host *h = make_host();
	struct log_writer *db = open_log(h, "db"), *web = open_log(h, "web");
	const char *const only[] = { "db", NULL }, *const unknown[] = { "web", "cache", NULL };
	const struct pod_logs how = { .services = (char *const *)unknown, .on_line = on_line };

	put(db, "d\n");
	put(web, "w\n");
	log_free(db);
	log_free(web);
	struct lines all = read_logs(h, -1, NULL), one = read_logs(h, -1, (char *const *)only);
	auto_free char *both = text_of(&all, NULL), *chosen = text_of(&one, NULL);

	CHECK_STR(both, "w\nd\n");
	CHECK_STR(chosen, "d\n");
	auto_err struct err *e = pod_logs(h, "shop", &how);

	CHECK_STR(err_text(e), "no such service: cache");
	auto_err struct err *pod = pod_logs(h, "nothing", &how);

	CHECK_STR(err_text(pod), "no such pod: nothing");
}

TEST(long_lines_are_split_and_only_their_end_has_a_newline)
{
	static const size_t lengths[] = { PIECE - 1, PIECE,	    PIECE + 1, 2 * PIECE - 1,
					  2 * PIECE, 2 * PIECE + 1, 100000 };

	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		for (size_t step = 1000; step <= 200000; step *= 200) {
			auto_free char *service = mem_printf("web"),
				       *line = mem_alloc(lengths[i] + 2);
			auto_free char *rm = mem_printf("rm -rf %s/*", check_dir());

			CHECK(system(rm) == 0);
			struct pod_host *h = make_host();
			struct log_writer *w = open_log(h, service);

			for (size_t k = 0; k < lengths[i]; k++)
				line[k] = (char)('a' + k % 23);
			line[lengths[i]] = '\n';
			for (size_t k = 0; k <= lengths[i]; k += step)
				log_put(w, POD_STDOUT, line + k,
					lengths[i] + 1 - k < step ? lengths[i] + 1 - k : step,
					false);
			put(w, "next\n");
			log_free(w);
			struct lines l = read_logs(h, -1, NULL);
			auto_free char *got = text_of(&l, NULL);
			auto_free char *want = mem_printf("%snext\n", line);

			CHECK(strcmp(got, want) == 0);
			for (size_t k = 0; k + 2 < l.n; k++)
				CHECK(l.v[k].len == PIECE && !strchr(l.v[k].text, '\n'));
			free(l.v);
		}
	}
}

/* clang-format off */
static const struct {
	const char *why, *put;
	size_t len;
	const char *want;
	size_t want_len;
} bytes[] = {
#define B(s, w) s, sizeof(s) - 1, w, sizeof(w) - 1
	{ "letters of the world", B("\u00e9 \u65e5 \U0001f600\n", "\u00e9 \u65e5 \U0001f600\n") },
	{ "all control characters but NUL", B("\x01\x02\x08\x0b\x0c\x0e\x1b\x1f\x7f\n", "\x01\x02\x08\x0b\x0c\x0e\x1b\x1f\x7f\n") },
	{ "quotes", B("\"'\\/\n", "\"'\\/\n") },
	{ "NUL", B("a\0b\n", "a\0b\n") },
	{ "a lone continuation", B("a\x80z\n", "a\ufffdz\n") },
	{ "bytes that never are UTF-8", B("\xff\xfe\xc0\xc1\xf5\n", "\ufffd\ufffd\ufffd\ufffd\ufffd\n") },
	{ "a letter cut short", B("\xe6\x97\n", "\ufffd\ufffd\n") },
	{ "cut short by another", B("\xe6\x97\xc3\xa9\n", "\ufffd\ufffd\u00e9\n") },
	{ "a surrogate", B("a\xed\xa0\x80z\n", "a\ufffd\ufffd\ufffdz\n") },
	{ "an overlong slash", B("a\xe0\x80\xafz\n", "a\ufffd\ufffd\ufffdz\n") },
	{ "an overlong letter of four bytes", B("a\xf0\x80\x80\xafz\n", "a\ufffd\ufffd\ufffd\ufffdz\n") },
	{ "beyond Unicode", B("a\xf4\x90\x80\x80z\n", "a\ufffd\ufffd\ufffd\ufffdz\n") },
	{ "the last of Unicode", B("\xf4\x8f\xbf\xbf\n", "\xf4\x8f\xbf\xbf\n") },
	{ "the first of three bytes", B("\xe0\xa0\x80\n", "\xe0\xa0\x80\n") },
	{ "around the surrogates", B("\xed\x9f\xbf\xee\x80\x80\n", "\xed\x9f\xbf\xee\x80\x80\n") },
#undef B
};
/* clang-format on */

TEST(any_bytes_are_kept_as_text)
{
	struct pod_host *h = make_host();
	struct log_writer *w = open_log(h, "web");

	for (size_t i = 0; i < ARRAY_LEN(bytes); i++)
		log_put(w, POD_STDOUT, bytes[i].put, bytes[i].len, false);
	log_free(w);
	struct lines l = read_logs(h, -1, NULL);

	for (size_t i = 0; i < ARRAY_LEN(bytes) && i < l.n; i++) {
		check_why(bytes[i].why);
		CHECK(l.v[i].len == bytes[i].want_len &&
		      memcmp(l.v[i].text, bytes[i].want, bytes[i].want_len) == 0);
	}
	CHECK_INT((int64_t)l.n, ARRAY_LEN(bytes));
}

TEST(a_line_of_each_byte_is_shown)
{
	struct pod_host *h = make_host();
	struct log_writer *w = open_log(h, "web");

	for (int c = 0; c < 256; c++) {
		const char line[] = { 'x', (char)c, '\n' };

		log_put(w, POD_STDOUT, line, c == '\n' ? 2 : 3, false);
	}
	log_free(w);
	struct lines l = read_logs(h, -1, NULL);

	CHECK_INT((int64_t)l.n, 256);
}

TEST(the_last_lines_alone_are_read)
{
	static const struct {
		int64_t tail;
		const char *want;
	} rows[] = {
		{ 0, "" },
		{ 1, "5\n" },
		{ 2, "4\n5\n" },
		{ 5, "1\n2\n3\n4\n5\n" },
		{ 6, "1\n2\n3\n4\n5\n" },
		{ 1000000, "1\n2\n3\n4\n5\n" },
		{ -1, "1\n2\n3\n4\n5\n" },
	};
	struct pod_host *h = make_host();
	struct log_writer *w = open_log(h, "web");

	put(w, "1\n2\n3\n4\n5\n");
	log_free(w);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_text(h, rows[i].tail, rows[i].want);
}

TEST(the_last_lines_are_found_in_large_files_too)
{
	struct pod_host *h = make_host();
	struct log_writer *w = open_log(h, "web");

	for (int i = 0; i < 5000; i++) {
		auto_free char *line = mem_printf("line %d\n", i);

		put(w, line);
	}
	log_free(w);
	check_text(h, 2, "line 4998\nline 4999\n");
	struct lines l = read_logs(h, 1234, NULL);

	CHECK_INT((int64_t)l.n, 1234);
	CHECK_STR(l.v[0].text, "line 3766\n");
}

TEST(without_a_file_there_are_no_lines)
{
	struct pod_host *h = make_host();

	check_text(h, -1, "");
	check_text(h, 3, "");
}

/* ---- rotation ---- */

/* Numbered lines until @files files are full. Returns how many. */
static int fill(const struct pod_host *h, struct log_writer *w, const char *file)
{
	static char pad[1000];
	int n = 0;

	memset(pad, '.', sizeof(pad) - 1);
	for (; size_of(h, file) < 0; n++) {
		auto_free char *line = mem_printf("%d%s\n", n, pad);

		put(w, line);
	}
	return n;
}

TEST(logs_are_rotated_and_three_files_are_kept)
{
	struct pod_host *h = make_host();
	struct log_writer *w = open_log(h, "web");
	int n = fill(h, w, "web.log.2");

	CHECK(size_of(h, "web.log") < 10000);
	CHECK(size_of(h, "web.log.1") <= LOG_SIZE_MAX &&
	      size_of(h, "web.log.1") > LOG_SIZE_MAX - 2000);
	CHECK(size_of(h, "web.log.2") <= LOG_SIZE_MAX &&
	      size_of(h, "web.log.2") > LOG_SIZE_MAX - 2000);
	check_why("all that is kept is read, the oldest first");
	struct lines l = read_logs(h, -1, NULL);

	CHECK_INT((int64_t)l.n, n);
	for (int i = 0; i < n; i++)
		CHECK(strtol(l.v[i].text, NULL, 10) == i);
	check_why("and the oldest goes");
	for (int i = 0; i < 11 << 10; i++)
		put(w, l.v[0].text);
	CHECK(size_of(h, "web.log.3") < 0);
	struct lines later = read_logs(h, -1, NULL);

	CHECK((int)later.n < n + (11 << 10) && strtol(later.v[0].text, NULL, 10) > 0);
	log_free(w);
}

TEST(the_last_lines_are_found_across_a_rotation)
{
	struct pod_host *h = make_host();
	struct log_writer *w = open_log(h, "web");
	int n = fill(h, w, "web.log.1"); /* the newest file has one line */

	log_free(w);
	struct lines l = read_logs(h, 10, NULL);

	CHECK_INT((int64_t)l.n, 10);
	CHECK(strtol(l.v[0].text, NULL, 10) == n - 10);
}

TEST(a_writer_goes_on_where_the_last_one_was)
{
	struct pod_host *h = make_host();
	struct log_writer *w = open_log(h, "web");

	put(w, "first\n");
	log_free(w);
	w = open_log(h, "web");
	put(w, "second\n");
	log_free(w);
	check_text(h, -1, "first\nsecond\n");
}

/* ---- what a crash leaves, and a full disk ---- */

TEST(half_a_line_and_foreign_lines_are_passed_over)
{
	struct pod_host *h = make_host();
	auto_free char *path = mem_printf("%s/pods/shop/logs/web.log", h->root);

	check_file(path, "{\"log\":\"one\\n\",\"stream\":\"stdout\",\"time\":\"t\"}\n"
			 "{\"log\":\"half\n"
			 "\n"
			 "not json\n"
			 "[]\n"
			 "{\"log\":5,\"stream\":\"stdout\",\"time\":\"t\"}\n"
			 "{\"log\":\"no time\\n\",\"stream\":\"stdout\"}\n"
			 "{\"log\":\"two\\n\",\"stream\":\"stderr\",\"time\":\"t\"}\n"
			 "{\"log\":\"cut\\n\",\"stream\":\"std");
	check_text(h, -1, "one\ntwo\n");
}

TEST(what_is_written_behind_half_a_line_is_not_lost_with_it)
{
	struct pod_host *h = make_host();
	auto_free char *path = mem_printf("%s/pods/shop/logs/web.log", h->root);

	check_why("the last supervisor was killed while it wrote");
	check_file(path, "{\"log\":\"cut\\n\",\"stre");
	struct log_writer *w = open_log(h, "web");

	put(w, "one\n");
	check_text(h, -1, "one\n");

	check_why("the disk was full for a while");
	struct rlimit full = { (rlim_t)size_of(h, "web.log") + 10, RLIM_INFINITY },
		      more = { RLIM_INFINITY, RLIM_INFINITY };

	(void)signal(SIGXFSZ, SIG_IGN);
	CHECK(setrlimit(RLIMIT_FSIZE, &full) == 0);
	put(w, "two\n");
	put(w, "three\n");
	CHECK(setrlimit(RLIMIT_FSIZE, &more) == 0);
	auto_fd int said = memfd_create("log", MFD_CLOEXEC);

	log_to(said);
	put(w, "four\n");
	log_free(w);
	check_text(h, -1, "one\nfour\n");
	char text[500] = { 0 };

	CHECK(pread(said, text, sizeof(text) - 1, 0) > 0);
	CHECK(strstr(text, "/web.log: 2 lines were lost: the disk did not take them\n"));
}

TEST(reading_ends_when_it_is_told_to)
{
	struct pod_host *h = make_host();
	struct log_writer *w = open_log(h, "web"), *db = open_log(h, "db");

	put(w, "1\n2\n3\n");
	put(db, "4\n");
	log_free(w);
	log_free(db);
	struct lines l = { .v = mem_alloc(LINES_MAX * sizeof(struct line)), .stop_after = 2 };
	const struct pod_logs how = { .tail = -1, .follow = true, .ctx = &l, .on_line = on_line };
	auto_err struct err *e = pod_logs(h, "shop", &how);

	CHECK_STR(err_text(e), "success");
	CHECK_INT((int64_t)l.n, 2);
}

TEST(following_ends_with_the_pod)
{
	struct pod_host *h = make_host();
	auto_free char *path = mem_printf("%s/run/pods/shop/lock", check_dir());
	int ends[2];
	char ready;

	check_file(path, "");
	CHECK(pipe(ends) == 0);
	pid_t writer = fork();

	if (writer == 0) {
		struct log_writer *w = NULL;
		auto_fd int lock = open(path, O_RDWR | O_CLOEXEC);
		struct timespec t = { 0, 100 * 1000 * 1000 };
		auto_err struct err *e =
			log_open(h, "shop",
				 make_service("web", (struct plan_log) { .size_max = LOG_SIZE_MAX,
									 .files = LOG_FILES }),
				 NULL, NULL, &w);

		(void)flock(lock, LOCK_EX);
		(void)!write(ends[1], "x", !e);
		for (int i = 0; i < 3; i++) {
			nanosleep(&t, NULL);
			put(w, "tick\n");
		}
		auto_free char *rest = mem_alloc(1000);

		memset(rest, '.', 999);
		for (int i = 0; i < 12000; i++) { /* with a rotation while somebody reads */
			put(w, rest);
			put(w, "\n");
		}
		put(w, "last\n");
		_exit(0);
	}
	CHECK(read(ends[0], &ready, 1) == 1);
	struct lines l = { .v = mem_alloc(LINES_MAX * sizeof(struct line)) };
	const struct pod_logs how = { .tail = -1, .follow = true, .ctx = &l, .on_line = on_line };
	auto_err struct err *e = pod_logs(h, "shop", &how);

	CHECK_STR(err_text(e), "success");
	CHECK_STR(l.v[0].text, "tick\n");
	CHECK_STR(l.v[l.n - 1].text, "last\n");
	CHECK_INT((int64_t)l.n, 12004);
}

/* Who is slow: while it shows the first line, what it follows is rotated several times. */
struct slow_reader {
	struct log_writer *w;
	int64_t next;
	bool ordered;
};

static bool on_slow_line(void *ctx, const char *service, enum pod_stream stream, const char *time,
			 const char *text, size_t len)
{
	enum { BURST = 200 /* four files of 4 KiB and more */ };
	struct slow_reader *r = ctx;

	(void)service;
	(void)stream;
	(void)time;
	(void)len;
	for (int i = 0; i < BURST && r->next == 0; i++) {
		auto_free char *line = mem_printf("%d\n", i + 1);

		put(r->w, line);
	}
	r->ordered &= strtoll(text, NULL, 10) == r->next;
	r->next++;
	return strtoll(text, NULL, 10) < BURST;
}

TEST(who_follows_slowly_misses_no_file)
{
	struct pod_host *h = make_host();
	auto_free char *path = mem_printf("%s/run/pods/shop/lock", check_dir());
	int ready[2], end[2];
	char c;

	check_file(path, "");
	CHECK(pipe(ready) == 0 && pipe(end) == 0);
	pid_t holder = fork();

	if (holder == 0) { /* the pod is alive as long as we read */
		auto_fd int lock = open(path, O_RDWR | O_CLOEXEC);

		close(end[1]);
		(void)flock(lock, LOCK_EX);
		(void)!write(ready[1], "x", 1);
		(void)!read(end[0], &c, 1);
		_exit(0);
	}
	CHECK(read(ready[0], &c, 1) == 1);
	struct slow_reader r = {
		.w = open_log_as(h, "web", (struct plan_log) { .size_max = 4 << 10, .files = 7 }),
		.ordered = true
	};
	const struct pod_logs how = {
		.tail = -1, .follow = true, .ctx = &r, .on_line = on_slow_line
	};

	put(r.w, "0\n");
	auto_err struct err *e = pod_logs(h, "shop", &how);

	close(end[1]);
	CHECK_STR(err_text(e), "success");
	CHECK(size_of(h, "web.log.4") < 0 && size_of(h, "web.log.3") > 0);
	CHECK(r.ordered);
	CHECK_INT(r.next, 201);
}

TEST(a_full_disk_loses_lines_and_nothing_else)
{
	struct pod_host *h = make_host();
	auto_free char *logs = mem_printf("%s/pods/shop/logs", h->root);
	auto_free char *path = mem_printf("%s/web.log", logs);
	auto_err struct err *e = fd_mkdirs(AT_FDCWD, logs, 0700);

	CHECK_STR(err_text(e), "success");
	CHECK(symlink("/dev/full", path) == 0);
	struct log_writer *w = open_log(h, "web");

	for (int i = 0; i < 100; i++)
		put(w, "lost\n");
	log_free(w);
}

/* ---- other drivers ---- */

TEST(one_file_is_emptied_when_it_is_full)
{
	struct pod_host *h = make_host();
	struct log_writer *w =
		open_log_as(h, "web", (struct plan_log) { .size_max = 4 << 10, .files = 1 });

	for (int i = 0; i < 1000; i++)
		put(w, "a line\n");
	log_free(w);
	CHECK(size_of(h, "web.log") <= 4 << 10 && size_of(h, "web.log") > 0);
	CHECK(size_of(h, "web.log.1") < 0);
}

TEST(many_files_are_kept_and_fewer_when_fewer_are_wanted)
{
	struct pod_host *h = make_host();
	struct log_writer *w =
		open_log_as(h, "web", (struct plan_log) { .size_max = 4 << 10, .files = 7 });

	for (int i = 0; i < 1000; i++)
		put(w, "a line\n");
	log_free(w);
	CHECK(size_of(h, "web.log.6") > 0 && size_of(h, "web.log.7") < 0);
	struct lines l = read_logs(h, -1, NULL);

	CHECK(l.n > 250 && l.n < 400);
	w = open_log_as(h, "web", (struct plan_log) { .size_max = 4 << 10, .files = 2 });
	log_free(w);
	CHECK(size_of(h, "web.log.1") > 0 && size_of(h, "web.log.2") < 0);
}

TEST(a_size_of_zero_is_no_limit_and_a_line_larger_than_the_limit_is_kept)
{
	struct pod_host *h = make_host();
	struct log_writer *w = open_log_as(h, "web", (struct plan_log) { .files = 1 });
	char large[8000];

	memset(large, 'x', sizeof(large));
	for (int i = 0; i < 1000; i++)
		put(w, "a line\n");
	log_free(w);
	CHECK(size_of(h, "web.log") > 60000);
	w = open_log_as(h, "db", (struct plan_log) { .size_max = 4 << 10, .files = 2 });
	log_put(w, POD_STDOUT, large, sizeof(large), true);
	CHECK(size_of(h, "db.log") > (int64_t)sizeof(large) && size_of(h, "db.log.1") < 0);
	log_free(w);
}

TEST(attributes_are_dockers_attrs_and_are_read_over)
{
	static char attrs[] = "\"attrs\":{\"tag\":\"[x]\"},";
	struct pod_host *h = make_host();
	auto_free char *path = mem_printf("%s/pods/shop/logs/web.log", h->root), *text = NULL;
	struct log_writer *w =
		open_log_as(h, "web",
			    (struct plan_log) { .size_max = 1 << 20, .files = 1, .attrs = attrs });

	put(w, "one\n");
	log_free(w);
	auto_err struct err *e = fd_read_file(AT_FDCWD, path, 4096, &text);

	CHECK_STR(err_text(e), "success");
	CHECK(str_starts(text,
			 "{\"log\":\"one\\n\",\"stream\":\"stdout\",\"attrs\":{\"tag\":\"[x]\"},"
			 "\"time\":\""));
	check_text(h, -1, "one\n");
}

TEST(none_keeps_nothing)
{
	struct pod_host *h = make_host();
	struct log_writer *w = NULL;
	struct plan_log none = { .kind = LOG_TO_NOWHERE };
	auto_err struct err *e = log_open(h, "shop", make_service("web", none), NULL, NULL, &w);

	CHECK_STR(err_text(e), "success");
	CHECK(!w && size_of(h, "web.log") < 0);
}

/* ---- the journal ---- */

/* Where this test's journal is. */
static const char *name_journal(struct pod_host *h)
{
	auto_free char *path = mem_printf("%s/journal", check_dir());

	(void)setenv("SLIPWAY_JOURNAL", path, 1);
	pod_config_free(h->own);
	auto_err struct err *e = pod_config_load(&h->own);

	CHECK_STR(err_text(e), "success");
	h->config = h->own;
	return pod_config_get(h->config, POD_SETTING_JOURNAL);
}

/* What plays the journal: a socket of ours, with room for some datagrams. */
static int fake_journal(struct pod_host *h)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	const char *path = name_journal(h);

	CHECK(strlen(path) < sizeof(a.sun_path));
	strcpy(a.sun_path, path);
	(void)unlink(path);
	CHECK(fd >= 0 && bind(fd, (const struct sockaddr *)&a, sizeof(a)) == 0);
	return fd;
}

static struct plan_log journald(int64_t buffer)
{
	char **fields = NULL;

	strv_add(&fields, mem_strdup("CONTAINER_NAME=shop-web-1"));
	strv_add(&fields, mem_strdup("TWO=a\nb"));
	return (struct plan_log) { .kind = LOG_TO_JOURNAL, .fields = fields, .buffer = buffer };
}

/* The next message, its newlines and zeros as they are; NULL: none waits. */
static char *next_message(int fd, size_t *ret_len)
{
	char *text = mem_alloc(256 << 10);
	ssize_t n = recv(fd, text, 256 << 10, 0);

	*ret_len = n > 0 ? (size_t)n : 0;
	return n > 0 ? text : NULL;
}

static void check_message(int fd, const char *want, size_t want_len)
{
	size_t len = 0;
	auto_free char *got = next_message(fd, &len);

	CHECK(got);
	CHECK_STR(got, want);
	CHECK(len == want_len && memcmp(got, want, len) == 0);
}

#define FIELDS "CONTAINER_NAME=shop-web-1\nTWO\n\3\0\0\0\0\0\0\0a\nb\n"
#define CHECK_MESSAGE(fd, rest) check_message(fd, FIELDS rest, sizeof(FIELDS rest) - 1)

TEST(the_journal_gets_a_message_a_line)
{
	struct pod_host *h = make_host();
	auto_fd int fd = fake_journal(h);
	struct log_writer *w = open_log_as(h, "web", journald(1 << 20));

	put(w, "one\n\nthree\r\nno end");
	log_put(w, POD_STDERR, "bad\n", 4, false);
	log_put(w, POD_STDOUT, "", 0, true);
	CHECK_MESSAGE(fd, "PRIORITY=6\nMESSAGE=one\n");
	CHECK_MESSAGE(fd, "PRIORITY=6\nMESSAGE=\n");
	CHECK_MESSAGE(fd, "PRIORITY=6\nMESSAGE=three\n");
	CHECK_MESSAGE(fd, "PRIORITY=3\nMESSAGE=bad\n");
	CHECK_MESSAGE(fd, "PRIORITY=6\nMESSAGE=no end\n");
	log_free(w);
	CHECK(size_of(h, "web.log") < 0);
}

TEST(pieces_of_a_long_line_say_so)
{
	struct pod_host *h = make_host();
	auto_fd int fd = fake_journal(h);
	struct log_writer *w = open_log_as(h, "web", journald(1 << 20));
	auto_free char *line = mem_alloc(2 * PIECE + 10);
	size_t len = 0;

	memset(line, 'x', 2 * PIECE + 9);
	log_put(w, POD_STDOUT, line, 2 * PIECE + 9, false);
	put(w, "\nnext\n");
	for (unsigned i = 1; i <= 3; i++) {
		auto_free char *got = next_message(fd, &len);
		auto_free char *want =
			mem_printf("CONTAINER_PARTIAL_ORDINAL=%u\nCONTAINER_PARTIAL_LAST=%s\n", i,
				   i == 3 ? "true" : "false");

		CHECK(got && memmem(got, len, want, strlen(want)));
	}
	CHECK_MESSAGE(fd, "PRIORITY=6\nMESSAGE=next\n");
	log_free(w);
}

/* Takes all messages; how many, and how many of them were lines of put(). */
static size_t take_all(int fd, size_t *ret_told)
{
	size_t n = 0, len = 0;

	for (;; n++) {
		auto_free char *got = next_message(fd, &len);

		if (!got)
			return n;
		*ret_told += memmem(got, len, "lines were lost", 15) != NULL;
	}
}

TEST(a_busy_journal_holds_nobody_up)
{
	struct pod_host *h = make_host();
	auto_fd int fd = fake_journal(h);
	struct log_writer *w = open_log_as(h, "web", journald(64 << 10));
	size_t n = 0, told = 0;
	uint64_t before = proc_now_ms();

	for (int i = 0; i < 10000; i++)
		put(w, "a line\n");
	CHECK(proc_now_ms() - before < 5000);
	check_why("what was queued comes when there is room, and what was lost is told");
	for (int i = 0; i < 100; i++) {
		n += take_all(fd, &told);
		put(w, "another\n");
	}
	n += take_all(fd, &told);
	CHECK(n > 100 && n < 10000 && told == 1);
	log_free(w);
}

TEST(a_journal_that_was_started_anew_is_found_again)
{
	struct pod_host *h = make_host();
	int fd = fake_journal(h);
	struct log_writer *w = open_log_as(h, "web", journald(1 << 20));

	put(w, "one\n");
	CHECK_MESSAGE(fd, "PRIORITY=6\nMESSAGE=one\n");
	close(fd);
	put(w, "two\n");
	(void)unlink(name_journal(h));
	put(w, "three\n");
	fd = fake_journal(h);
	put(w, "four\n");
	CHECK_MESSAGE(fd, "PRIORITY=6\nMESSAGE=two\n");
	CHECK_MESSAGE(fd, "PRIORITY=6\nMESSAGE=three\n");
	CHECK_MESSAGE(fd, "PRIORITY=6\nMESSAGE=four\n");
	log_free(w);
	close(fd);
}

TEST(without_a_journal_the_service_is_refused)
{
	struct pod_host *h = make_host();
	struct log_writer *w = NULL;

	auto_free char *want = mem_printf("a.yml:1:1: services.web: logging: journald: no journal "
					  "listens at %s: No such file or directory",
					  name_journal(h));
	auto_err struct err *e =
		log_open(h, "shop", make_service("web", journald(1 << 20)), NULL, NULL, &w);

	CHECK_STR(err_text(e), want);
	CHECK(!w);
}

TEST(who_looks_for_output_that_is_elsewhere_is_told)
{
	static const char state[] =
		"{\"name\":\"shop\",\"services\":[{\"service\":\"web\",\"container\":\"shop-web-"
		"1\","
		"\"log_driver\":\"journald\"},{\"service\":\"db\",\"log_driver\":\"none\"}]}";
	struct pod_host *h = make_host();
	auto_free char *file = mem_printf("%s/run/pods/shop/state.json", check_dir());
	const struct pod_logs how = { .tail = -1, .on_line = on_line };

	check_file(file, state);
	auto_err struct err *e = pod_logs(h, "shop", &how);

	CHECK_STR(
		err_text(e),
		"service web: its output is in the journal: journalctl CONTAINER_NAME=shop-web-1\n"
		"service db: the logging driver none keeps no output");
}
