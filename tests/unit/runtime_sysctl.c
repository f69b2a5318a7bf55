/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/runtime_sysctl.c - kernel parameters: which a container may set, and where they are written. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/internal.h"
#include "tests/check.h"

#define NOT_NAME(a) "sysctl '" a "' is not NAME=VALUE"
#define HOSTS(n)                                                              \
	"sysctl " n " belongs to the whole host; a container can set net.*, " \
	"fs.mqueue.* and the IPC parameters of kernel.*"
/* clang-format off */
static const struct {
	const char *why, *assignment, *want;
} rows[] = {
	{ "of the network", "net.ipv4.ip_forward=1", "success" },
	{ "with a minus", "net.ipv4.conf.br-lan.rp_filter=2", "success" },
	{ "several numbers", "net.ipv4.ip_local_port_range=1024 65000", "success" },
	{ "tabs", "kernel.sem=250\t32000\t32\t128", "success" },
	{ "another =", "net.core.x=a=b", "success" },
	{ "message queues", "fs.mqueue.msg_max=100", "success" },
	{ "System V messages", "kernel.msgmax=8192", "success" },
	{ "their bytes", "kernel.msgmnb=8192", "success" },
	{ "their number", "kernel.msgmni=10", "success" },
	{ "shared memory", "kernel.shmall=1", "success" },
	{ "its largest", "kernel.shmmax=1", "success" },
	{ "its number", "kernel.shmmni=1", "success" },
	{ "and its end", "kernel.shm_rmid_forced=1", "success" },
	{ "no value", "net.ipv4.ip_forward", NOT_NAME("net.ipv4.ip_forward") },
	{ "nothing", "", NOT_NAME("") },
	{ "up and away", "net.ipv4/../../kernel/core_pattern=x", NOT_NAME("net.ipv4/../../kernel/core_pattern=x") },
	{ "up, in dots", "net...kernel.core_pattern=x", NOT_NAME("net...kernel.core_pattern=x") },
	{ "a space", "net.ipv4.ip forward=1", NOT_NAME("net.ipv4.ip forward=1") },
	{ "a glob", "net.ipv4.conf.*.rp_filter=1", NOT_NAME("net.ipv4.conf.*.rp_filter=1") },
	{ "a letter of the world", "net.\u00e9=1", NOT_NAME("net.\u00e9=1") },
	{ "two lines", "net.ipv4.ip_forward=1\n0", "sysctl net.ipv4.ip_forward: the value has more than one line" },
	{ "a newline at the end", "net.ipv4.ip_forward=1\n", "sysctl net.ipv4.ip_forward: the value has more than one line" },
	{ "no name", "=1", NOT_NAME("=1") },
	{ "what a core dump runs", "kernel.core_pattern=|/x", HOSTS("kernel.core_pattern") },
	{ "the module loader", "kernel.modprobe=/x", HOSTS("kernel.modprobe") },
	{ "the host's name is set otherwise", "kernel.hostname=x", HOSTS("kernel.hostname") },
	{ "the dmesg", "kernel.dmesg_restrict=0", HOSTS("kernel.dmesg_restrict") },
	{ "an allowed name and more", "kernel.shmmaxx=1", HOSTS("kernel.shmmaxx") },
	{ "an allowed name as a folder", "kernel.shmmax.x=1", HOSTS("kernel.shmmax.x") },
	{ "memory", "vm.overcommit_memory=1", HOSTS("vm.overcommit_memory") },
	{ "files", "fs.file-max=1", HOSTS("fs.file-max") },
	{ "nearly message queues", "fs.mqueues.x=1", HOSTS("fs.mqueues.x") },
	{ "nearly the network", "network.x=1", HOSTS("network.x") },
	{ "users", "user.max_user_namespaces=0", HOSTS("user.max_user_namespaces") },
	{ "an absolute path", "/net/ipv4/ip_forward=1", HOSTS("/net/ipv4/ip_forward") },
	{ "case matters", "Net.ipv4.ip_forward=1", HOSTS("Net.ipv4.ip_forward") },
};
/* clang-format on */

TEST(only_parameters_of_namespaces_can_be_set)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_err struct err *e = sysctl_check(rows[i].assignment);

		check_why(rows[i].why);
		CHECK_STR(err_text(e), rows[i].want);
	}
}

/* ---- writing: a directory stands in for procfs ---- */

static int open_here(void)
{
	CHECK(chdir(check_dir()) == 0);
	int dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK(dir >= 0);
	return dir;
}

static char *text_of(const char *path)
{
	char *text = NULL;
	auto_err struct err *e = fd_read_file(AT_FDCWD, path, 1000, &text);

	return e ? mem_strdup(err_text(e)) : text;
}

static char *write_all(int proc, const char *one, const char *two)
{
	const char *const list[] = { one, two, NULL };
	auto_err struct err *e = sysctl_write(proc, (char *const *)list);

	return mem_strdup(err_text(e));
}

TEST(values_are_written_below_sys)
{
	auto_fd int proc = open_here();

	check_file("sys/net/ipv4/ip_forward", "");
	check_file("sys/kernel/shmmax", "");
	auto_free char *got = write_all(proc, "net.ipv4.ip_forward=1", "kernel.shmmax=4 096");
	auto_free char *forward = text_of("sys/net/ipv4/ip_forward");
	auto_free char *shmmax = text_of("sys/kernel/shmmax");

	CHECK_STR(got, "success");
	CHECK_STR(forward, "1");
	CHECK_STR(shmmax, "4 096");
	auto_err struct err *e = sysctl_write(proc, NULL);

	CHECK_STR(err_text(e), "success");
}

TEST(the_first_that_is_not_allowed_ends_it)
{
	auto_fd int proc = open_here();

	check_file("sys/kernel/core_pattern", "core");
	check_file("sys/net/ipv4/ip_forward", "0");
	auto_free char *got = write_all(proc, "kernel.core_pattern=|/x", "net.ipv4.ip_forward=1");
	auto_free char *pattern = text_of("sys/kernel/core_pattern");
	auto_free char *forward = text_of("sys/net/ipv4/ip_forward");

	CHECK_STR(got, HOSTS("kernel.core_pattern"));
	CHECK_STR(pattern, "core");
	CHECK_STR(forward, "0");
}

TEST(links_are_not_followed)
{
	auto_fd int proc = open_here();

	check_file("sys/kernel/core_pattern", "core");
	check_file("sys/net/x", "");
	CHECK(symlink("../kernel/core_pattern", "sys/net/link") == 0);
	CHECK(symlink("../kernel", "sys/net/folder") == 0);
	auto_free char *file = write_all(proc, "net.link=x", NULL);
	auto_free char *folder = write_all(proc, "net.folder.core_pattern=x", NULL);
	auto_free char *pattern = text_of("sys/kernel/core_pattern");

	CHECK_STR(file, "sysctl net.link=x: open sys/net/link: Too many levels of symbolic links");
	CHECK_STR(folder, "sysctl net.folder.core_pattern=x: open sys/net/folder/core_pattern: "
			  "Too many levels of symbolic links");
	CHECK_STR(pattern, "core");
}

TEST(a_parameter_that_the_kernel_lacks_is_named)
{
	auto_fd int proc = open_here();

	check_file("sys/net/x", "");
	auto_free char *missing = write_all(proc, "net.nothing=1", NULL);
	auto_free char *folder = write_all(proc, "net.=1", NULL);

	CHECK_STR(missing, "sysctl net.nothing=1: open sys/net/nothing: No such file or directory");
	CHECK_STR(folder, "sysctl net.=1: open sys/net/: Is a directory");
}

/* ---- on the real procfs ---- */

static void own_network(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNET | CLONE_NEWIPC) < 0)
		SKIP("needs root");
}

TEST(the_kernel_takes_what_is_written)
{
	own_network();
	auto_fd int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_free char *got = write_all(proc, "net.ipv4.ip_default_ttl=77", "kernel.shmmax=123456");
	auto_free char *ttl = text_of("/proc/sys/net/ipv4/ip_default_ttl");
	auto_free char *shmmax = text_of("/proc/sys/kernel/shmmax");

	CHECK_STR(got, "success");
	CHECK_STR(ttl, "77\n");
	CHECK_STR(shmmax, "123456\n");
}

TEST(what_the_kernel_refuses_is_an_error)
{
	own_network();
	auto_fd int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_free char *word = write_all(proc, "net.ipv4.ip_default_ttl=many", NULL);
	auto_free char *range = write_all(proc, "net.ipv4.ip_default_ttl=1000", NULL);
	auto_free char *empty = write_all(proc, "net.ipv4.ip_default_ttl=", NULL);

	CHECK_STR(word, "sysctl net.ipv4.ip_default_ttl=many: write: Invalid argument");
	CHECK_STR(range, "sysctl net.ipv4.ip_default_ttl=1000: write: Invalid argument");
	CHECK_STR(empty, "sysctl 'net.ipv4.ip_default_ttl=' has no value");
}
