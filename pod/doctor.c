/* SPDX-License-Identifier: Apache-2.0 */
/* pod/doctor.c - what this kernel and this user can do, tried rather than guessed from version numbers. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

typedef char *check_fn(bool *good);

static char *check_root(bool *good)
{
	*good = geteuid() == 0;
	return mem_strdup(*good ? "running as root"
				: "not root: pods cannot be started; run slipway as root");
}

static char *check_capabilities(bool *good)
{
	uint64_t all = 0, have = runtime_caps_all();
	bool resource = have >> 24 & 1;

	err_ignore(runtime_cap_parse("ALL", &all));
	*good = have == all;
	return *good ? mem_strdup("all capabilities are there")
		     : mem_printf("missing: %#llx%s", (unsigned long long)(all & ~have),
				  resource ? "; containers do not get them"
					   : "; without CAP_SYS_RESOURCE resource limits above the "
					     "present ones are clamped, with a warning");
}

static char *check_cgroups(bool *good)
{
	auto_cgroupfs_host struct cgroupfs_host *c = NULL;
	auto_err struct err *e = cgroupfs_open(&c);
	static const char *const wanted[] = { "memory", "cpu", "pids", "cpuset", NULL };
	auto_strv char **missing = NULL;

	for (const char *const *w = wanted; !e && *w; w++)
		if (!cgroupfs_has(c, *w))
			strv_add(&missing, mem_strdup(*w));
	*good = !e && !missing && cgroupfs_layout(c) != CGROUPFS_NONE;
	auto_free char *list = strv_join(missing, ", ");

	return e	 ? mem_strdup(err_text(e))
	       : missing ? mem_printf("layout %s; missing controllers: %s (limits that need them "
				      "are not set, with a warning)",
				      cgroupfs_layout_name(cgroupfs_layout(c)), list)
			 : mem_printf("layout %s, with memory, cpu, pids and cpuset",
				      cgroupfs_layout_name(cgroupfs_layout(c)));
}

/* Runs @fn in a child that may unshare what it likes; 0 is good, else an errno. */
static int in_child(int (*fn)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn());
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return EIO;
	return WEXITSTATUS(status);
}

static int try_overlay(void)
{
	char dir[] = "/tmp/slipway-doctor.XXXXXX";
	int code = 0;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0)
		return errno;
	if (!mkdtemp(dir))
		return errno;
	if (mount("tmpfs", dir, "tmpfs", 0, NULL) < 0 || chdir(dir) < 0)
		return errno;
	(void)mkdir("l", 0755);
	(void)mkdir("u", 0755);
	(void)mkdir("w", 0755);
	(void)mkdir("m", 0755);
	if (mount("overlay", "m", "overlay", 0,
		  "lowerdir=l,upperdir=u,workdir=w,userxattr,volatile") < 0)
		code = errno;
	(void)!chdir("/");
	(void)umount2(dir, MNT_DETACH);
	(void)rmdir(dir);
	return code;
}

static char *check_overlay(bool *good)
{
	int code = in_child(try_overlay);

	*good = code == 0;
	return code ? mem_printf("overlay cannot be mounted with userxattr and volatile: %s; needs "
				 "Linux 5.11 with CONFIG_OVERLAY_FS",
				 strerror(code))
		    : mem_strdup("overlay with userxattr and volatile works");
}

static int try_calls(void)
{
	struct clone_args args = { .flags = ~0ULL };
	struct open_how how = { .flags = O_PATH, .resolve = RESOLVE_IN_ROOT };
	int fd;

	if (syscall(SYS_clone3, &args, sizeof(args)) < 0 && errno == ENOSYS)
		return ENOSYS;
	fd = (int)syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof(how));
	if (fd < 0)
		return errno;
	if (syscall(SYS_mount_setattr, -1, "", 0, NULL, 0) < 0 && errno == ENOSYS)
		return ENOSYS;
	return syscall(SYS_close_range, 1000000, 1000000, 4) < 0 ? errno : 0;
}

static char *check_calls(bool *good)
{
	int code = in_child(try_calls);

	*good = code == 0;
	return mem_strdup(*good ? "clone3, openat2, mount_setattr and close_range are there"
				: "clone3, openat2, mount_setattr or close_range is missing or "
				  "forbidden; needs Linux 5.12");
}

static int try_network(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		return errno;
	auto_err struct err *e = netns_probe();

	return err_code(e);
}

static char *check_network(bool *good)
{
	int code = in_child(try_network);

	*good = code == 0;
	return code ? mem_printf("ports cannot be published: %s; needs nf_tables with NAT and the "
				 "table owner flag (Linux 5.12)",
				 strerror(code))
		    : mem_strdup("network namespaces and nftables tables with an owner work");
}

static char *check_landlock(bool *good)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	*good = abi >= 2;
	return *good ? mem_printf("landlock ABI %ld confines slipway-fetch", abi)
		     : mem_strdup("no landlock ABI 2: slipway-fetch is confined by capabilities "
				  "and seccomp alone");
}

static char *check_files(bool *good)
{
	struct rlimit files = { 0, 0 };

	(void)getrlimit(RLIMIT_NOFILE, &files);
	*good = files.rlim_max >= 1024; /* the soft limit is raised */
	return mem_printf("%llu open files per process%s", (unsigned long long)files.rlim_max,
			  *good ? "" : ": pods with many ports or services will not fit");
}

static const struct {
	const char *what;
	check_fn *check;
	bool as_root; /* nobody else can try it */
} checks[] = {
	{ "user", check_root, false },		{ "capabilities", check_capabilities, true },
	{ "system calls", check_calls, false }, { "cgroups", check_cgroups, false },
	{ "overlay", check_overlay, true },	{ "network", check_network, true },
	{ "landlock", check_landlock, false },	{ "open files", check_files, false },
};

void pod_doctor(struct pod_finding **ret, size_t *ret_n)
{
	struct pod_finding *list = mem_alloc(ARRAY_LEN(checks) * sizeof(*list));

	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		list[i].what = checks[i].what;
		list[i].untried = checks[i].as_root && geteuid() != 0;
		list[i].detail = list[i].untried ? mem_strdup("only root can tell")
						 : checks[i].check(&list[i].good);
	}
	*ret = list;
	*ret_n = ARRAY_LEN(checks);
}
