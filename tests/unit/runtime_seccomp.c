/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/runtime_seccomp.c - Docker's default profile, profiles in JSON, and the cache of filters. */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
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

#define ADMIN (RUNTIME_CAPS_DEFAULT | 1ULL << CAP_SYS_ADMIN)
#define ALL (UINT64_MAX >> 23)
#define X32 0x40000000U

/* "allow", "errno N", "kill", ... */
static char *verdict_text(uint32_t v)
{
	switch (v & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
		return mem_strdup("allow");
	case SECCOMP_RET_ERRNO:
		return mem_printf("errno %u", v & SECCOMP_RET_DATA);
	case SECCOMP_RET_TRACE:
		return mem_printf("trace %u", v & SECCOMP_RET_DATA);
	case SECCOMP_RET_KILL_PROCESS:
		return mem_strdup("kill process");
	case SECCOMP_RET_KILL_THREAD:
		return mem_strdup("kill thread");
	case SECCOMP_RET_TRAP:
		return mem_strdup("trap");
	default:
		return mem_strdup(v == SECCOMP_RET_LOG ? "log" : "?");
	}
}

static struct runtime_filter default_filter(uint64_t caps, int cache)
{
	struct runtime_filter f = { 0 };
	auto_err struct err *e = runtime_seccomp_default(caps, cache, &f);

	CHECK_STR(err_text(e), "success");
	return f;
}

/* ---- Docker's profile ---- */

/* clang-format off */
static const struct {
	const char *why;
	uint32_t nr;
	uint64_t a, b;
	const char *plain, *admin; /* with the default capabilities, and with CAP_SYS_ADMIN too */
} defaults[] = {
	{ "reading", SYS_read, 0, 0, "allow", "allow" },
	{ "mount", SYS_mount, 0, 0, "errno 1", "allow" },
	{ "umount", SYS_umount2, 0, 0, "errno 1", "allow" },
	{ "fsopen", 430, 0, 0, "errno 1", "allow" },
	{ "open_tree", 428, 0, 0, "errno 1", "allow" },
	{ "move_mount", 429, 0, 0, "errno 1", "allow" },
	{ "mount_setattr", 442, 0, 0, "errno 1", "allow" },
	{ "pivot_root, which nobody needs", SYS_pivot_root, 0, 0, "errno 1", "errno 1" },
	{ "fork by clone", SYS_clone, 0x01200011, 0, "allow", "allow" },
	{ "a thread", SYS_clone, 0x003d0f00, 0, "allow", "allow" },
	{ "clone of a user namespace", SYS_clone, 0x10000000, 0, "errno 1", "allow" },
	{ "clone of a mount namespace", SYS_clone, 0x00020000, 0, "errno 1", "allow" },
	{ "clone of a cgroup namespace", SYS_clone, 0x02000000, 0, "errno 1", "allow" },
	{ "clone of a UTS namespace", SYS_clone, 0x04000000, 0, "errno 1", "allow" },
	{ "clone of an IPC namespace", SYS_clone, 0x08000000, 0, "errno 1", "allow" },
	{ "clone of a PID namespace", SYS_clone, 0x20000000, 0, "errno 1", "allow" },
	{ "clone of a network namespace", SYS_clone, 0x40000000, 0, "errno 1", "allow" },
	{ "flags beyond the 32 bits of the call are no namespaces", SYS_clone, 0x1000000000, 0, "allow", "allow" },
	{ "a namespace beside other flags", SYS_clone, 0x10000011, 0, "errno 1", "allow" },
	{ "the flags are the first argument", SYS_clone, 0, 0x10000000, "allow", "allow" },
	{ "clone3: libc falls back to clone", 435, 0, 0, "errno 38", "allow" },
	{ "unshare", SYS_unshare, 0x10000000, 0, "errno 1", "allow" },
	{ "unshare of nothing", SYS_unshare, 0, 0, "errno 1", "allow" },
	{ "setns", SYS_setns, 0, 0, "errno 1", "allow" },
	{ "bpf", 321, 0, 0, "errno 1", "allow" },
	{ "perf_event_open", SYS_perf_event_open, 0, 0, "errno 1", "allow" },
	{ "keyctl", SYS_keyctl, 0, 0, "errno 1", "errno 1" },
	{ "add_key", SYS_add_key, 0, 0, "errno 1", "errno 1" },
	{ "request_key", SYS_request_key, 0, 0, "errno 1", "errno 1" },
	{ "io_uring_setup", 425, 0, 0, "errno 1", "errno 1" },
	{ "io_uring_enter", 426, 0, 0, "errno 1", "errno 1" },
	{ "userfaultfd", 323, 0, 0, "errno 1", "errno 1" },
	{ "kexec_load", SYS_kexec_load, 0, 0, "errno 1", "errno 1" },
	{ "a module", SYS_init_module, 0, 0, "errno 1", "errno 1" },
	{ "open_by_handle_at", SYS_open_by_handle_at, 0, 0, "errno 1", "errno 1" },
	{ "setting the clock", SYS_settimeofday, 0, 0, "errno 1", "errno 1" },
	{ "swapping", SYS_swapon, 0, 0, "errno 1", "errno 1" },
	{ "chroot: the capability is Docker's", SYS_chroot, 0, 0, "allow", "allow" },
	{ "ptrace, since Linux 4.8", SYS_ptrace, 0, 0, "allow", "allow" },
	{ "process_vm_readv, since Linux 4.8", SYS_process_vm_readv, 0, 0, "allow", "allow" },
	{ "kcmp", SYS_kcmp, 0, 0, "errno 1", "errno 1" },
	{ "a unix socket", SYS_socket, 1, 0, "allow", "allow" },
	{ "AF_INET6", SYS_socket, 10, 0, "allow", "allow" },
	{ "AF_ROSE, below the first gap", SYS_socket, 11, 0, "allow", "allow" },
	{ "DECnet", SYS_socket, 12, 0, "errno 1", "errno 1" },
	{ "AF_NETLINK", SYS_socket, 16, 0, "allow", "allow" },
	{ "AF_PACKET", SYS_socket, 17, 0, "allow", "allow" },
	{ "AF_ALG", SYS_socket, 38, 0, "errno 1", "errno 1" },
	{ "AF_NFC", SYS_socket, 39, 0, "allow", "allow" },
	{ "AF_VSOCK", SYS_socket, 40, 0, "errno 1", "errno 1" },
	{ "the last that is known", SYS_socket, 45, 0, "allow", "allow" },
	{ "a family of the future", SYS_socket, 46, 0, "errno 1", "errno 1" },
	{ "AF_UNIX with high bits: the kernel would not see them, we do", SYS_socket, 0x100000001, 0, "errno 1", "errno 1" },
	{ "AF_ALG with high bits", SYS_socket, 0x100000026, 0, "errno 1", "errno 1" },
	{ "AF_VSOCK with high bits that look like AF_UNIX", SYS_socket, 0x100000028, 0, "errno 1", "errno 1" },
	{ "a negative family", SYS_socket, UINT64_MAX, 0, "errno 1", "errno 1" },
	{ "the type does not matter", SYS_socket, 2, 38, "allow", "allow" },
	{ "a socket pair", SYS_socketpair, 1, 0, "allow", "allow" },
	{ "PER_LINUX", SYS_personality, 0, 0, "allow", "allow" },
	{ "PER_LINUX32", SYS_personality, 8, 0, "allow", "allow" },
	{ "UNAME26", SYS_personality, 0x20000, 0, "allow", "allow" },
	{ "both", SYS_personality, 0x20008, 0, "allow", "allow" },
	{ "asking", SYS_personality, 0xffffffff, 0, "allow", "allow" },
	{ "asking, with a sign", SYS_personality, UINT64_MAX, 0, "errno 1", "errno 1" },
	{ "ADDR_NO_RANDOMIZE", SYS_personality, 0x40000, 0, "errno 1", "errno 1" },
	{ "READ_IMPLIES_EXEC", SYS_personality, 0x400000, 0, "errno 1", "errno 1" },
	{ "PER_LINUX with high bits", SYS_personality, 0x100000000, 0, "errno 1", "errno 1" },
	{ "newer than libseccomp", 467, 0, 0, "errno 38", "errno 38" },
	{ "not yet a system call", 600, 0, 0, "errno 38", "errno 38" },
	{ "-1", UINT32_MAX, 0, 0, "errno 38", "errno 38" },
};
/* clang-format on */

TEST(dockers_profile_decides_as_dockers)
{
	struct runtime_filter plain = default_filter(RUNTIME_CAPS_DEFAULT, -1);
	struct runtime_filter admin = default_filter(ADMIN, -1);

	for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
		const uint64_t args[6] = { defaults[i].a, defaults[i].b };
		auto_free char *one =
			verdict_text(bpf_run(&plain, AUDIT_ARCH_X86_64, defaults[i].nr, args));
		auto_free char *two =
			verdict_text(bpf_run(&admin, AUDIT_ARCH_X86_64, defaults[i].nr, args));

		check_why(defaults[i].why);
		CHECK_STR(one, defaults[i].plain);
		CHECK_STR(two, defaults[i].admin);
	}
}

/* clang-format off */
static const struct {
	const char *why;
	uint32_t arch, nr;
	uint64_t a;
	const char *want;
} others[] = {
	{ "i386: write", AUDIT_ARCH_I386, 4, 0, "allow" },
	{ "i386: mount", AUDIT_ARCH_I386, 21, 0, "errno 1" },
	{ "i386: clone", AUDIT_ARCH_I386, 120, 0x11, "allow" },
	{ "i386: clone of a user namespace", AUDIT_ARCH_I386, 120, 0x10000000, "errno 1" },
	{ "i386: clone3", AUDIT_ARCH_I386, 435, 0, "errno 38" },
	{ "i386: unshare", AUDIT_ARCH_I386, 310, 0, "errno 1" },
	{ "i386: AF_UNIX", AUDIT_ARCH_I386, 359, 1, "allow" },
	{ "i386: AF_ALG", AUDIT_ARCH_I386, 359, 38, "errno 1" },
	{ "i386: AF_VSOCK", AUDIT_ARCH_I386, 359, 40, "errno 1" },
	{ "i386: keyctl", AUDIT_ARCH_I386, 288, 0, "errno 1" },
	{ "x32: read", AUDIT_ARCH_X86_64, X32, 0, "errno 38" },
	{ "x32: mount", AUDIT_ARCH_X86_64, X32 + 165, 0, "errno 38" },
	{ "x32: clone", AUDIT_ARCH_X86_64, X32 + 56, 0x11, "errno 38" },
	{ "x32: execve of its own", AUDIT_ARCH_X86_64, X32 + 520, 0, "errno 38" },
	{ "x32: an unknown one", AUDIT_ARCH_X86_64, X32 + 600, 0, "errno 38" },
	{ "another machine", AUDIT_ARCH_AARCH64, 63, 0, "errno 38" },
};
/* clang-format on */

TEST(the_other_system_call_tables_are_no_way_around)
{
	struct runtime_filter f = default_filter(RUNTIME_CAPS_DEFAULT, -1);

	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		const uint64_t args[6] = { others[i].a };
		auto_free char *got = verdict_text(bpf_run(&f, others[i].arch, others[i].nr, args));

		check_why(others[i].why);
		CHECK_STR(got, others[i].want);
	}
}

/* clang-format off */
static const struct {
	const char *why;
	int cap;
	uint32_t nr;
} by_capability[] = {
	{ "bpf by CAP_BPF", CAP_BPF, 321 },
	{ "perf_event_open by CAP_PERFMON", CAP_PERFMON, SYS_perf_event_open },
	{ "syslog by CAP_SYSLOG", CAP_SYSLOG, SYS_syslog },
	{ "reboot", CAP_SYS_BOOT, SYS_reboot },
	{ "modules", CAP_SYS_MODULE, SYS_init_module },
	{ "accounting", CAP_SYS_PACCT, SYS_acct },
	{ "kcmp", CAP_SYS_PTRACE, SYS_kcmp },
	{ "iopl", CAP_SYS_RAWIO, SYS_iopl },
	{ "the clock", CAP_SYS_TIME, SYS_settimeofday },
	{ "vhangup", CAP_SYS_TTY_CONFIG, SYS_vhangup },
	{ "mbind", CAP_SYS_NICE, SYS_mbind },
	{ "open_by_handle_at", CAP_DAC_READ_SEARCH, SYS_open_by_handle_at },
};
/* clang-format on */

TEST(a_capability_opens_its_system_calls)
{
	const uint64_t none[6] = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(by_capability); i++) {
		struct runtime_filter without = default_filter(0, -1);
		struct runtime_filter with = default_filter(1ULL << by_capability[i].cap, -1);
		uint32_t nr = by_capability[i].nr;

		check_why(by_capability[i].why);
		CHECK_INT(bpf_run(&without, AUDIT_ARCH_X86_64, nr, none),
			  SECCOMP_RET_ERRNO | EPERM);
		CHECK_INT(bpf_run(&with, AUDIT_ARCH_X86_64, nr, none), SECCOMP_RET_ALLOW);
		runtime_filter_clear(&without);
		runtime_filter_clear(&with);
	}
}

/* ---- the cache ---- */

static int open_cache(void)
{
	int fd = open(check_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

static bool same(const struct runtime_filter *a, const struct runtime_filter *b)
{
	return a->n == b->n && memcmp(a->code, b->code, a->n * sizeof(*a->code)) == 0;
}

/* The path of the only file in the cache. */
static char *cached(int cache)
{
	auto_strv char **names = NULL;
	auto_err struct err *e = fd_list(cache, &names);

	CHECK_STR(err_text(e), "success");
	CHECK_INT(strv_len(names), 1);
	CHECK(str_starts(names[0], "seccomp-"));
	return mem_printf("%s/%s", check_dir(), names[0]);
}

static char *read_bytes(const char *path, size_t *len)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *data = NULL;
	auto_err struct err *e = fd_read_all(fd, 1 << 20, &data, len);

	CHECK_STR(err_text(e), "success");
	return data;
}

static void write_bytes(const char *path, const void *data, size_t len)
{
	auto_fd int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0600);
	auto_err struct err *e = fd_write_all(fd, data, len);

	CHECK_STR(err_text(e), "success");
}

TEST(the_second_call_is_answered_from_the_cache)
{
	auto_fd int cache = open_cache();
	struct runtime_filter first = default_filter(RUNTIME_CAPS_DEFAULT, cache);
	auto_free char *path = cached(cache);
	struct stat before, after;

	CHECK(stat(path, &before) == 0);
	CHECK_INT(before.st_mode & 07777, 0600);
	struct runtime_filter second = default_filter(RUNTIME_CAPS_DEFAULT, cache);

	CHECK(stat(path, &after) == 0);
	CHECK(before.st_ino == after.st_ino);
	CHECK(same(&first, &second));
	runtime_filter_clear(&second);
	second = default_filter(RUNTIME_CAPS_DEFAULT, -1);
	CHECK(same(&first, &second));
}

TEST(each_set_of_capabilities_has_a_filter_of_its_own)
{
	auto_fd int cache = open_cache();
	auto_strv char **names = NULL;
	struct runtime_filter one = default_filter(RUNTIME_CAPS_DEFAULT, cache);
	struct runtime_filter two = default_filter(ADMIN, cache);
	struct runtime_filter again = default_filter(RUNTIME_CAPS_DEFAULT, cache);
	auto_err struct err *e = fd_list(cache, &names);

	CHECK_STR(err_text(e), "success");
	CHECK_INT(strv_len(names), 2);
	CHECK(!same(&one, &two) && same(&one, &again));
}

enum damage { EMPTY, SHORT, ODD, NO_CODE, HALF_CODE, KEY, CODE, ZEROES, FOREIGN, LONG };
static const struct {
	const char *why;
	enum damage how;
} damages[] = {
	{ "an empty file", EMPTY },
	{ "the first bytes of it", SHORT },
	{ "cut within an instruction", ODD },
	{ "the key alone", NO_CODE },
	{ "half of the instructions: the disk was full", HALF_CODE },
	{ "another key of the same length", KEY },
	{ "one bit of an instruction", CODE },
	{ "zeroes for instructions: the power went", ZEROES },
	{ "text", FOREIGN },
	{ "more instructions than the kernel takes", LONG },
};

/* Where the instructions begin: the key is a line of text. */
static size_t code_at(const char *data, size_t len)
{
	size_t n = 0;

	while (n < len && data[n] != '\n')
		n++;
	CHECK(n < len);
	return n + 1;
}

static void do_damage(const char *path, enum damage how)
{
	static const char text[] = "#!/bin/sh\nexit 0\n";
	size_t len = 0;
	auto_free char *data = read_bytes(path, &len);
	size_t code = code_at(data, len);

	switch (how) {
	case EMPTY:
		write_bytes(path, "", 0);
		return;
	case SHORT:
		write_bytes(path, data, 5);
		return;
	case ODD:
		write_bytes(path, data, len - 3);
		return;
	case NO_CODE:
		write_bytes(path, data, code);
		return;
	case HALF_CODE:
		write_bytes(path, data, len - 800);
		return;
	case KEY:
		data[code / 2] ^= 1;
		break;
	case CODE:
		data[code + 8 * 100 + 4] ^= 1;
		break;
	case ZEROES:
		memset(data + code, 0, len - code);
		break;
	case FOREIGN:
		write_bytes(path, text, strlen(text));
		return;
	case LONG:
		data = mem_grow(data, code + 8 * 5000, 1);
		memset(data + code, 6, 8 * 5000);
		len = code + 8 * 5000;
		break;
	}
	write_bytes(path, data, len);
}

TEST(a_damaged_or_foreign_cache_file_is_not_used_but_replaced)
{
	auto_fd int cache = open_cache();
	struct runtime_filter want = default_filter(RUNTIME_CAPS_DEFAULT, cache);
	auto_free char *path = cached(cache);

	for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
		check_why(damages[i].why);
		do_damage(path, damages[i].how);
		struct runtime_filter got = default_filter(RUNTIME_CAPS_DEFAULT, cache);

		CHECK(same(&got, &want));
		runtime_filter_clear(&got);
		got = default_filter(RUNTIME_CAPS_DEFAULT, cache);
		CHECK(same(&got, &want));
		runtime_filter_clear(&got);
	}
}

TEST(a_cache_that_cannot_be_read_or_written_is_done_without)
{
	auto_fd int cache = open_cache();
	struct runtime_filter want = default_filter(RUNTIME_CAPS_DEFAULT, cache), got;
	auto_free char *path = cached(cache);
	static const char *const whys[] = { "a directory in the way",
					    "a symbolic link to nowhere" };

	for (size_t i = 0; i < ARRAY_LEN(whys); i++) {
		CHECK(remove(path) == 0);
		CHECK((i == 0 ? mkdir(path, 0700) : symlink("/nonexistent/x", path)) == 0);
		check_why(whys[i]);
		got = default_filter(RUNTIME_CAPS_DEFAULT, cache);
		CHECK(same(&got, &want));
		runtime_filter_clear(&got);
	}
}

/* ---- JSON ---- */

static struct err *from_json(const char *text, uint64_t caps, int cache, struct runtime_filter *f)
{
	return runtime_seccomp_json(text, strlen(text), caps, cache, f);
}

#define DENY "\"defaultAction\":\"SCMP_ACT_ERRNO\","
#define RULE(r) "{" DENY "\"syscalls\":[{" r "}]}"
#define ARG(a) RULE("\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[" a "]")
/* clang-format off */
static const struct {
	const char *why, *json;
	uint32_t nr;
	uint64_t a, b;
	const char *want;
} profiles[] = {
	{ "the default action", "{" DENY "\"syscalls\":[]}", 0, 0, 0, "errno 1" },
	{ "of no rules at all", "{\"defaultAction\":\"SCMP_ACT_KILL_PROCESS\"}", 0, 0, 0, "kill process" },
	{ "its errno", "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":13}", 0, 0, 0, "errno 13" },
	{ "a name", RULE("\"names\":[\"read\",\"write\"],\"action\":\"SCMP_ACT_ALLOW\""), SYS_write, 0, 0, "allow" },
	{ "the others", RULE("\"names\":[\"read\",\"write\"],\"action\":\"SCMP_ACT_ALLOW\""), SYS_open, 0, 0, "errno 38" },
	{ "those below the highest", RULE("\"names\":[\"read\",\"unshare\"],\"action\":\"SCMP_ACT_ALLOW\""), SYS_open, 0, 0, "errno 1" },
	{ "the old form", RULE("\"name\":\"read\",\"action\":\"SCMP_ACT_ALLOW\""), SYS_read, 0, 0, "allow" },
	{ "names nobody has", RULE("\"names\":[\"read\",\"frobnicate\"],\"action\":\"SCMP_ACT_ALLOW\""), SYS_read, 0, 0, "allow" },
	{ "an errno of its own", RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":95"), SYS_read, 0, 0, "errno 95" },
	{ "errno 0 is one too", RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":0"), SYS_read, 0, 0, "errno 0" },
	{ "kill", RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_KILL\""), SYS_read, 0, 0, "kill thread" },
	{ "kill thread", RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_KILL_THREAD\""), SYS_read, 0, 0, "kill thread" },
	{ "kill process", RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_KILL_PROCESS\""), SYS_read, 0, 0, "kill process" },
	{ "trap", RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_TRAP\""), SYS_read, 0, 0, "trap" },
	{ "log", RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_LOG\""), SYS_read, 0, 0, "log" },
	{ "trace", RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_TRACE\",\"errnoRet\":7"), SYS_read, 0, 0, "trace 7" },
	{ "the default made explicit", RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":1"), SYS_read, 0, 0, "errno 1" },
	{ "allowed unless named", "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mount\"],\"action\":\"SCMP_ACT_ERRNO\"}]}", SYS_mount, 0, 0, "errno 1" },
	{ "and what is new stays allowed", "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mount\"],\"action\":\"SCMP_ACT_ERRNO\"}]}", 500, 0, 0, "allow" },
	{ "equal", ARG("{\"index\":0,\"value\":5,\"op\":\"SCMP_CMP_EQ\"}"), SYS_socket, 5, 0, "allow" },
	{ "not equal", ARG("{\"index\":0,\"value\":5,\"op\":\"SCMP_CMP_EQ\"}"), SYS_socket, 6, 0, "errno 1" },
	{ "NE", ARG("{\"index\":0,\"value\":5,\"op\":\"SCMP_CMP_NE\"}"), SYS_socket, 6, 0, "allow" },
	{ "LT", ARG("{\"index\":0,\"value\":5,\"op\":\"SCMP_CMP_LT\"}"), SYS_socket, 5, 0, "errno 1" },
	{ "LE", ARG("{\"index\":0,\"value\":5,\"op\":\"SCMP_CMP_LE\"}"), SYS_socket, 5, 0, "allow" },
	{ "GE", ARG("{\"index\":0,\"value\":5,\"op\":\"SCMP_CMP_GE\"}"), SYS_socket, 4, 0, "errno 1" },
	{ "GT", ARG("{\"index\":0,\"value\":5,\"op\":\"SCMP_CMP_GT\"}"), SYS_socket, 6, 0, "allow" },
	{ "all 64 bits", ARG("{\"index\":0,\"value\":4294967296,\"op\":\"SCMP_CMP_GE\"}"), SYS_socket, 0xffffffff, 0, "errno 1" },
	{ "masked: the value is the mask", ARG("{\"index\":1,\"value\":2114060288,\"valueTwo\":0,\"op\":\"SCMP_CMP_MASKED_EQ\"}"), SYS_socket, 0, 0x11, "allow" },
	{ "masked, and not equal", ARG("{\"index\":1,\"value\":2114060288,\"valueTwo\":0,\"op\":\"SCMP_CMP_MASKED_EQ\"}"), SYS_socket, 0, 0x10000000, "errno 1" },
	{ "conditions on two arguments hold both", ARG("{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"},{\"index\":1,\"value\":2,\"op\":\"SCMP_CMP_EQ\"}"), SYS_socket, 1, 3, "errno 1" },
	{ "both do", ARG("{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"},{\"index\":1,\"value\":2,\"op\":\"SCMP_CMP_EQ\"}"), SYS_socket, 1, 2, "allow" },
	{ "two on one argument: either", ARG("{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"},{\"index\":0,\"value\":2,\"op\":\"SCMP_CMP_EQ\"}"), SYS_socket, 2, 0, "allow" },
	{ "nulls are absent", RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":null,\"includes\":null,\"excludes\":null,\"errnoRet\":null"), SYS_read, 0, 0, "allow" },
	{ "for a capability that is held", RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"caps\":[\"CAP_CHOWN\"]}"), SYS_read, 0, 0, "allow" },
	{ "that is not", RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}"), SYS_read, 0, 0, "errno 1" },
	{ "all of them", RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"caps\":[\"CAP_CHOWN\",\"CAP_SYS_ADMIN\"]}"), SYS_read, 0, 0, "errno 1" },
	{ "unless one is held", RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"excludes\":{\"caps\":[\"CAP_CHOWN\"]}"), SYS_read, 0, 0, "errno 1" },
	{ "and it is not", RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"excludes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}"), SYS_read, 0, 0, "allow" },
	{ "unless any of them is held", RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"excludes\":{\"caps\":[\"CAP_SYS_ADMIN\",\"CAP_CHOWN\"]}"), SYS_read, 0, 0, "errno 1" },
	{ "for this machine", RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"arches\":[\"amd64\"]}"), SYS_read, 0, 0, "allow" },
	{ "for another", RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"arches\":[\"s390x\"]}"), SYS_read, 0, 0, "errno 1" },
	{ "since Linux 4.8", RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"minKernel\":\"4.8\"}"), SYS_read, 0, 0, "allow" },
	{ "since Linux 99.1", RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"minKernel\":\"99.1\"}"), SYS_read, 0, 0, "errno 1" },
};
/* clang-format on */

TEST(profiles_in_json_decide_as_written)
{
	for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
		const uint64_t args[6] = { profiles[i].a, profiles[i].b };
		struct runtime_filter f = { 0 };
		auto_err struct err *e = from_json(profiles[i].json, RUNTIME_CAPS_DEFAULT, -1, &f);

		check_why(profiles[i].why);
		CHECK_STR(err_text(e), "success");
		auto_free char *got =
			verdict_text(bpf_run(&f, AUDIT_ARCH_X86_64, profiles[i].nr, args));

		CHECK_STR(got, profiles[i].want);
		runtime_filter_clear(&f);
	}
}

/* clang-format off */
static const struct {
	const char *why, *json;
	uint32_t arch, nr;
	const char *want;
} arches[] = {
	{ "docker's map means all of this machine", "{" DENY "\"archMap\":[],\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\"}]}", AUDIT_ARCH_I386, 3, "allow" },
	{ "those that are named", "{" DENY "\"architectures\":[\"SCMP_ARCH_X86\",\"SCMP_ARCH_X86_64\"],\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\"}]}", AUDIT_ARCH_I386, 3, "allow" },
	{ "those of other machines are no error", "{" DENY "\"architectures\":[\"SCMP_ARCH_S390X\",\"SCMP_ARCH_X86\"],\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\"}]}", AUDIT_ARCH_I386, 3, "allow" },
	{ "one that is not named is killed", "{" DENY "\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\"}]}", AUDIT_ARCH_I386, 3, "kill thread" },
	{ "x32 too", "{" DENY "\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\"}]}", AUDIT_ARCH_X86_64, X32, "kill thread" },
};
/* clang-format on */

TEST(architectures_are_those_that_are_named)
{
	for (size_t i = 0; i < ARRAY_LEN(arches); i++) {
		const uint64_t none[6] = { 0 };
		struct runtime_filter f = { 0 };
		auto_err struct err *e = from_json(arches[i].json, RUNTIME_CAPS_DEFAULT, -1, &f);

		check_why(arches[i].why);
		CHECK_STR(err_text(e), "success");
		auto_free char *got = verdict_text(bpf_run(&f, arches[i].arch, arches[i].nr, none));

		CHECK_STR(got, arches[i].want);
		runtime_filter_clear(&f);
	}
}

/* clang-format off */
static const struct {
	const char *why, *json, *want;
} errors[] = {
	{ "nothing", "", "JSON line 1 column 0: '[' or '{' expected near end of file" },
	{ "half of it", "{\"defaultAction\":", "JSON line 1 column 17: unexpected token near end of file" },
	{ "a list", "[]", "seccomp: the action '' is not supported" },
	{ "no default action", "{}", "seccomp: the action '' is not supported" },
	{ "an unknown one", "{\"defaultAction\":\"SCMP_ACT_MAYBE\"}", "seccomp: the action 'SCMP_ACT_MAYBE' is not supported" },
	{ "asking somebody", "{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}", "seccomp: the action 'SCMP_ACT_NOTIFY' is not supported" },
	{ "a number for it", "{\"defaultAction\":1}", "defaultAction: must be a string" },
	{ "a word for the errno", "{" DENY "\"defaultErrnoRet\":\"EPERM\"}", "defaultErrnoRet: must be an integer" },
	{ "rules that are no list", "{" DENY "\"syscalls\":{}}", "syscalls: must be a list" },
	{ "names that are no list", RULE("\"names\":\"read\",\"action\":\"SCMP_ACT_ALLOW\""), "syscalls[0]: names: must be a list" },
	{ "a number for a name", RULE("\"names\":[1],\"action\":\"SCMP_ACT_ALLOW\""), "syscalls[0]: names: must be a list of strings" },
	{ "a rule without action", RULE("\"names\":[\"read\"]"), "syscalls[0]: seccomp: the action '' is not supported" },
	{ "which one", "{" DENY "\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\"},{\"names\":[\"write\"],\"action\":\"x\"}]}", "syscalls[1]: seccomp: the action 'x' is not supported" },
	{ "a rule that is no object", "{" DENY "\"syscalls\":[1]}", "syscalls[0]: seccomp: the action '' is not supported" },
	{ "an argument that is not there", ARG("{\"index\":6,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}"), "syscalls[0]: seccomp: an argument's index must be 0 to 5" },
	{ "without index", ARG("{\"value\":1,\"op\":\"SCMP_CMP_EQ\"}"), "syscalls[0]: seccomp: an argument's index must be 0 to 5" },
	{ "an unknown comparison", ARG("{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_LIKE\"}"), "syscalls[0]: seccomp: the comparison 'SCMP_CMP_LIKE' is not known" },
	{ "a value that is a word", ARG("{\"index\":0,\"value\":\"1\",\"op\":\"SCMP_CMP_EQ\"}"), "syscalls[0]: value: must be an integer" },
	{ "seven conditions", ARG("{},{},{},{},{},{},{}"), "syscalls[0]: seccomp: more than 6 argument conditions" },
	{ "an unknown capability", RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"caps\":[\"CAP_X\"]}"), "syscalls[0]: 'CAP_X' is not a capability" },
	{ "too deep", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "JSON nested deeper than 64 levels" },
};
/* clang-format on */

TEST(errors_of_profiles_name_the_rule)
{
	auto_fd int cache = open_cache();
	auto_strv char **names = NULL;

	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		struct runtime_filter f = { 0 };
		auto_err struct err *e = from_json(errors[i].json, RUNTIME_CAPS_DEFAULT, cache, &f);

		check_why(errors[i].why);
		CHECK_STR(err_text(e), errors[i].want);
		CHECK(!f.code);
	}
	auto_err struct err *e = fd_list(cache, &names);

	CHECK_STR(err_text(e), "success");
	check_why("and nothing of it is kept");
	CHECK_INT(strv_len(names), 0);
}

TEST(a_profile_that_is_too_large_is_refused)
{
	size_t len = (4 << 20) + 1;
	auto_free char *text = mem_alloc(len + 1);
	struct runtime_filter f = { 0 };

	memset(text, ' ', len);
	auto_err struct err *e = from_json(text, 0, -1, &f);

	CHECK_STR(err_text(e), "JSON larger than 4194304 bytes");
}

TEST(profiles_are_cached_by_what_they_say)
{
	static const char one[] = RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\"");
	static const char two[] = RULE("\"names\":[\"open\"],\"action\":\"SCMP_ACT_ALLOW\"");
	auto_fd int cache = open_cache();
	struct runtime_filter f[4] = { 0 };
	auto_strv char **names = NULL;

	for (size_t i = 0; i < 4; i++) {
		auto_err struct err *e =
			from_json(i % 2 ? two : one, RUNTIME_CAPS_DEFAULT, cache, &f[i]);

		CHECK_STR(err_text(e), "success");
	}
	CHECK(same(&f[0], &f[2]) && same(&f[1], &f[3]) && !same(&f[0], &f[1]));
	auto_err struct err *e = fd_list(cache, &names);

	CHECK_STR(err_text(e), "success");
	CHECK_INT(strv_len(names), 2);
	check_why("and not by its first bytes");
	struct runtime_filter none = { 0 };
	auto_err struct err *broken =
		runtime_seccomp_json(one, strlen(one) - 1, RUNTIME_CAPS_DEFAULT, cache, &none);

	CHECK_STR(err_text(broken), "JSON line 1 column 91: '}' expected near end of file");
}
