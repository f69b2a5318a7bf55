/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/pod_logs.c - what services write, and log files as a crash left them. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "pod/internal.h"
#include "tests/fuzz/fuzz.h"

static char dir[] = "/dev/shm/slipway-fuzz.XXXXXX";
static struct pod_host host;
static int here = -1;

static void put(const char *path, const void *data, size_t size)
{
	int fd = openat(here, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
}

static void remove_dir(void)
{
	err_ignore(fd_remove_tree(AT_FDCWD, dir));
}

static void make_host(void)
{
	static const char state[] = "{\"services\":[{\"service\":\"web\",\"state\":\"exited\"}]}";

	FUZZ_CHECK(mkdtemp(dir));
	atexit(remove_dir);
	here = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_err struct err *e = fd_mkdirs(here, "pods/p/logs", 0700);

	FUZZ_CHECK(here >= 0 && !e);
	put("pods/p/state.json", state, strlen(state));
	host = (struct pod_host) { .root = dir, .run = dir };
}

struct seen {
	size_t lines, newlines, bytes;
};

static bool on_line(void *ctx, const char *service, enum pod_stream stream, const char *time,
		    const char *line, size_t len)
{
	struct seen *s = ctx;

	FUZZ_CHECK(str_eq(service, "web") && time && line && line[len] == '\0');
	FUZZ_CHECK(stream == POD_STDOUT || stream == POD_STDERR);
	s->lines++;
	s->bytes += len;
	for (size_t i = 0; i < len; i++)
		s->newlines += line[i] == '\n';
	return true;
}

static struct seen read_logs(int64_t tail)
{
	struct seen s = { 0 };
	const struct pod_logs how = { .tail = tail, .ctx = &s, .on_line = on_line };
	auto_err struct err *e = pod_logs(&host, "p", &how);

	FUZZ_CHECK(!e);
	return s;
}

/* The first byte says how the rest is used: written by services in pieces of that size, or as the file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char attrs[] = "\"attrs\":{\"tag\":\"[t]\"},";
	struct log_writer *w = NULL;
	size_t newlines = 0;

	if (here < 0)
		make_host();
	if (!size)
		return 0;
	size_t piece = data[0] & 0x7f;
	const char *text = (const char *)data + 1;

	(void)unlinkat(here, "pods/p/logs/web.log", 0);
	if (!piece) {
		put("pods/p/logs/web.log", text, size - 1);
		struct seen all = read_logs(-1), some = read_logs(data[0] >> 7);

		FUZZ_CHECK(some.lines <= all.lines);
		return 0;
	}
	const struct compose_service service = { .name = "web" };
	const struct plan_container c = { .service = &service,
					  .key = (char *)(uintptr_t) "web",
					  .log = { .attrs = data[0] >> 7 ? attrs : NULL,
						   .files = 1 } };
	auto_err struct err *e = log_open(&host, "p", &c, NULL, NULL, &w);

	FUZZ_CHECK(!e);
	for (size_t i = 0; i < size - 1; i += piece)
		log_put(w, data[0] >> 7, text + i, size - 1 - i < piece ? size - 1 - i : piece,
			size - 1 - i <= piece);
	log_free(w);
	for (size_t i = 0; i < size - 1; i++)
		newlines += text[i] == '\n';
	struct seen s = read_logs(-1);

	FUZZ_CHECK(s.newlines == newlines && s.bytes >= size - 1);
	return 0;
}
