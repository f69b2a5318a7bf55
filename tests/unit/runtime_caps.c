/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/runtime_caps.c - capabilities by name, and what a process has after they were set. */
#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/internal.h"
#include "tests/check.h"

#define BIT(c) (1ULL << (c))

/* clang-format off */
static const struct {
	const char *why, *name, *want; /* bits, or the error */
} names[] = {
	{ "the first", "CAP_CHOWN", "1" },
	{ "one of the middle", "CAP_SYS_ADMIN", "200000" },
	{ "the last", "CAP_CHECKPOINT_RESTORE", "10000000000" },
	{ "in any case", "cap_Net_Raw", "2000" },
	{ "all of them", "ALL", "1ffffffffff" },
	{ "all, in any case", "all", "1ffffffffff" },
	{ "no prefix", "CHOWN", "'CHOWN' is not a capability" },
	{ "nothing", "", "'' is not a capability" },
	{ "the prefix alone", "CAP_", "'CAP_' is not a capability" },
	{ "unknown", "CAP_FLY", "'CAP_FLY' is not a capability" },
	{ "a number", "21", "'21' is not a capability" },
	{ "a number in hexadecimal", "0x15", "'0x15' is not a capability" },
	{ "a number that has no name", "63", "'63' is not a capability" },
	{ "something behind it", "CAP_CHOWN2", "'CAP_CHOWN2' is not a capability" },
	{ "a space behind it", "CAP_CHOWN ", "'CAP_CHOWN ' is not a capability" },
	{ "a space before it", " CAP_CHOWN", "' CAP_CHOWN' is not a capability" },
	{ "two in one word", "CAP_SYS_ADMIN,CAP_CHOWN", "'CAP_SYS_ADMIN,CAP_CHOWN' is not a capability" },
	{ "a clause of setcap", "CAP_CHOWN=ep", "'CAP_CHOWN=ep' is not a capability" },
	{ "all, and more", "ALL ", "'ALL ' is not a capability" },
};
/* clang-format on */

TEST(capabilities_are_found_by_their_whole_names)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		uint64_t bits = 0;
		auto_err struct err *e = runtime_cap_parse(names[i].name, &bits);
		auto_free char *got = e ? mem_strdup(err_text(e)) : mem_printf("%" PRIx64, bits);

		check_why(names[i].why);
		CHECK_STR(got, names[i].want);
	}
}

TEST(the_default_set_is_dockers_without_mknod)
{
	static const char *const wanted[] = {
		"CAP_AUDIT_WRITE", "CAP_CHOWN",	 "CAP_DAC_OVERRIDE",	 "CAP_FOWNER",
		"CAP_FSETID",	   "CAP_KILL",	 "CAP_NET_BIND_SERVICE", "CAP_NET_RAW",
		"CAP_SETFCAP",	   "CAP_SETGID", "CAP_SETPCAP",		 "CAP_SETUID",
		"CAP_SYS_CHROOT",
	};
	uint64_t all = 0, bit = 0;

	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		auto_err struct err *e = runtime_cap_parse(wanted[i], &bit);

		CHECK_STR(err_text(e), "success");
		all |= bit;
	}
	CHECK(all == RUNTIME_CAPS_DEFAULT);
}

/* A set as /proc/self/status has it: "CapBnd". */
static uint64_t status(const char *key)
{
	auto_free char *text = NULL;
	auto_err struct err *e = fd_read_file(-1, "/proc/self/status", 1 << 16, &text);

	CHECK_STR(err_text(e), "success");
	const char *line = strstr(text, key);

	CHECK(line && line[strlen(key)] == ':');
	return strtoull(line + strlen(key) + 1, NULL, 16);
}

TEST(what_can_be_passed_on_is_the_bounding_set)
{
	CHECK(runtime_caps_all() == status("CapBnd"));
}

static void need_root(void)
{
	if (geteuid() != 0)
		SKIP("needs root");
}

TEST(the_bounding_set_keeps_what_is_named_and_no_more)
{
	need_root();
	uint64_t had = status("CapBnd");
	auto_err struct err *e = caps_drop_bounding(RUNTIME_CAPS_DEFAULT);

	CHECK_STR(err_text(e), "success");
	CHECK(status("CapBnd") == (had & RUNTIME_CAPS_DEFAULT));
	check_why("once more is fine, and what is gone stays gone");
	auto_err struct err *again = caps_drop_bounding(UINT64_MAX);

	CHECK_STR(err_text(again), "success");
	CHECK(status("CapBnd") == (had & RUNTIME_CAPS_DEFAULT));
	CHECK(runtime_caps_all() == (had & RUNTIME_CAPS_DEFAULT));
}

TEST(every_set_is_what_was_asked_for)
{
	const struct runtime_caps c = {
		.permitted = BIT(CAP_CHOWN) | BIT(CAP_KILL) | BIT(CAP_NET_RAW),
		.effective = BIT(CAP_CHOWN) | BIT(CAP_KILL),
		.inheritable = BIT(CAP_KILL) | BIT(CAP_NET_RAW),
		.ambient = BIT(CAP_NET_RAW),
	};

	need_root();
	auto_err struct err *e = caps_apply(&c);

	CHECK_STR(err_text(e), "success");
	CHECK(status("CapPrm") == c.permitted);
	CHECK(status("CapEff") == c.effective);
	CHECK(status("CapInh") == c.inheritable);
	CHECK(status("CapAmb") == c.ambient);
}

TEST(nothing_at_all_can_be_asked_for)
{
	const struct runtime_caps none = { 0 };

	need_root();
	auto_err struct err *e = caps_apply(&none);

	CHECK_STR(err_text(e), "success");
	CHECK(!status("CapPrm") && !status("CapEff") && !status("CapInh") && !status("CapAmb"));
	check_why("and nothing comes back");
	const struct runtime_caps one = { .permitted = BIT(CAP_CHOWN) };
	auto_err struct err *denied = caps_apply(&one);

	CHECK_STR(err_text(denied), "set capabilities: Operation not permitted");
}

TEST(what_is_not_permitted_cannot_be_ambient)
{
	const struct runtime_caps c = { .permitted = BIT(CAP_CHOWN), .ambient = BIT(CAP_CHOWN) };

	need_root();
	auto_err struct err *e = caps_apply(&c);

	CHECK_STR(err_text(e), "set ambient capability 0: Operation not permitted");
}

TEST(capabilities_survive_becoming_somebody_else)
{
	const struct runtime_caps c = { .permitted = BIT(CAP_NET_BIND_SERVICE),
					.effective = BIT(CAP_NET_BIND_SERVICE),
					.inheritable = BIT(CAP_NET_BIND_SERVICE),
					.ambient = BIT(CAP_NET_BIND_SERVICE) };

	need_root();
	CHECK(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0);
	CHECK(setresuid(1000, 1000, 1000) == 0);
	auto_err struct err *e = caps_apply(&c);

	CHECK_STR(err_text(e), "success");
	CHECK(status("CapPrm") == c.permitted && status("CapEff") == c.effective);
	CHECK(status("CapAmb") == c.ambient);
}
