/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/check.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

enum { SECONDS_MAX = 60 }; /* of one test, also under valgrind */

/* What a test's process tells the one that waits for it. */
struct shared {
	bool skipped;
	char why[200];
};

static const TTest **tests;
static size_t n_tests;
static struct shared *shared;
static char dir[64];

void check_add(const TTest *t)
{
	tests = mem_grow(tests, n_tests + 1, sizeof(*tests));
	tests[n_tests++] = t;
}

/* @text as comment lines; TAP readers show them with prove -v. */
static void comment(const char *label, const char *text)
{
	printf("# %s", label);
	for (; *text; text++) {
		putchar(*text);
		if (*text == '\n' && text[1])
			fputs("#   ", stdout);
	}
	putchar('\n');
}

bool check_str(const char *got, const char *want)
{
	if (str_eq(got, want))
		return true;
	comment("got:  ", got ? got : "(null)");
	comment("want: ", want ? want : "(null)");
	return false;
}

bool check_int(int64_t got, int64_t want)
{
	if (got != want)
		printf("# got %" PRId64 ", want %" PRId64 "\n", got, want);
	return got == want;
}

void check_why(const char *why)
{
	comment("", why);
}

void check_skip(const char *why)
{
	shared->skipped = true;
	snprintf(shared->why, sizeof(shared->why), "%s", why);
	exit(EXIT_SUCCESS);
}

const char *check_dir(void)
{
	return dir;
}

void check_file(const char *path, const char *text)
{
	const char *slash = strrchr(path, '/');
	auto_fd int fd = -1;

	if (slash && slash != path) {
		auto_free char *parent = mem_strndup(path, (size_t)(slash - path));
		auto_err struct err *e = fd_mkdirs(AT_FDCWD, parent, 0755);

		CHECK_STR(err_text(e), "success");
	}
	auto_err struct err *e = fd_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, &fd);

	CHECK_STR(err_text(e), "success");
	e = fd_write_all(fd, text, strlen(text));
	CHECK_STR(err_text(e), "success");
}

/* Runs one test in its own process; true when it passed or skipped itself. */
static bool run(const TTest *t, size_t number)
{
	Suite *suite = suite_create("slipway");
	TCase *tcase = tcase_create(t->name);

	tcase_set_timeout(tcase, SECONDS_MAX);
	tcase_add_test(tcase, t);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);

	memset(shared, 0, sizeof(*shared));
	srunner_set_fork_status(runner, CK_FORK);
	srunner_run_all(runner, CK_SILENT);
	bool ok = srunner_ntests_failed(runner) == 0;

	if (!ok) {
		TestResult **results = srunner_failures(runner);
		auto_free char *where = mem_printf("%s:%d: ", tr_lfile(*results), tr_lno(*results));

		comment(where, tr_msg(*results));
		free(results);
	}
	printf("%sok %zu - %s%s%s\n", ok ? "" : "not ", number, t->name,
	       ok && shared->skipped ? " # SKIP " : "", ok ? shared->why : "");
	srunner_free(runner);
	return ok;
}

static bool wanted(const TTest *t, char *const *names)
{
	return !*names || strv_has(names, t->name);
}

int main(int argc, char **argv)
{
	size_t number = 0, failed = 0;

	(void)argc;
	/* by the line: what a test has said is there even when it crashes */
	setvbuf(stdout, NULL, _IOLBF, 0);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED) {
		puts("Bail out! no shared memory");
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < n_tests; i++) {
		if (!wanted(tests[i], argv + 1))
			continue;
		strcpy(dir, "/tmp/slipway-test.XXXXXX");
		if (!mkdtemp(dir)) {
			puts("Bail out! cannot make a directory in /tmp");
			return EXIT_FAILURE;
		}
		failed += !run(tests[i], ++number);
		err_ignore(fd_remove_tree(AT_FDCWD, dir));
	}
	printf("1..%zu\n", number);
	free(tests);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
