/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/check.h - unit tests: a thin layer over the Check library.
 *
 * Each TEST() registers itself and runs in its own process (Check forks it), so
 * it may unshare, chdir, leak descriptors or crash. A CHECK that does not hold
 * ends the test. main() is here too: it writes TAP, one point for each TEST, and
 * with names as arguments runs only those.
 */
#pragma once

#include <check.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

void check_add(const TTest *t);
/* Helpers of the macros below: false after a comment that shows both. */
bool check_str(const char *got, const char *want);
bool check_int(int64_t got, int64_t want);
_Noreturn void check_skip(const char *why);

#define TEST(id)                                                              \
	static void id(void);                                                 \
	static void run_##id(int i)                                           \
	{                                                                     \
		(void)i;                                                      \
		id();                                                         \
	}                                                                     \
	static const TTest test_##id = { #id, run_##id, __FILE__, __LINE__ }; \
	__attribute__((constructor)) static void add_##id(void)               \
	{                                                                     \
		check_add(&test_##id);                                        \
	}                                                                     \
	static void id(void)

#define CHECK(cond) ck_assert_msg(cond, "%s", #cond)
#define CHECK_STR(got, want) ck_assert_msg(check_str(got, want), "%s", #got)
#define CHECK_INT(got, want) ck_assert_msg(check_int(got, want), "%s", #got)

/* Ends the test as skipped, with the reason in the TAP line. */
#define SKIP(why) check_skip(why)

/* Says what the next checks are about: the why of a row of a table. */
void check_why(const char *why);

/* An empty directory of this test alone, absolute; removed with all in it when the test has ended. */
const char *check_dir(void);
/* Makes @path (from the current directory) with @text, and its parents. */
void check_file(const char *path, const char *text);
