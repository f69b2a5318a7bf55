/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image/fetch/confine.c - giving up what is not needed, before the first byte of a stranger.
 *
 * Left are: reading the system's certificates and resolver files, writing the
 * store (landlock, Linux 5.13, where the kernel has it), the capabilities that
 * unpacking needs, and no way to execute a program or to change the machine.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "image/fetch/fetch.h"

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_ALL_V1 ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14) /* ABI 3 */
#endif

/* owners, modes, devices and file capabilities of other people's files; nothing else */
static const cap_value_t kept[] = { CAP_CHOWN,	CAP_DAC_OVERRIDE, CAP_FOWNER,
				    CAP_FSETID, CAP_MKNOD,	  CAP_SETFCAP };

static const char *const readable[] = { "/etc", "/usr",		"/lib",	     "/lib64",
					"/run", "/dev/urandom", "/proc/self" };

static const char *const forbidden[] = {
	"execve",
	"execveat",
	"ptrace",
	"process_vm_readv",
	"process_vm_writev",
	"mount",
	"umount2",
	"pivot_root",
	"chroot",
	"setns",
	"unshare",
	"bpf",
	"kexec_load",
	"kexec_file_load",
	"init_module",
	"finit_module",
	"delete_module",
	"reboot",
	"swapon",
	"swapoff",
	"perf_event_open",
	"keyctl",
	"add_key",
	"request_key",
	"userfaultfd",
	"fsopen",
	"fsmount",
	"move_mount",
	"open_tree",
	"mount_setattr",
	"settimeofday",
	"clock_settime",
	"sethostname",
	"setdomainname",
	"acct",
	"quotactl",
	"io_uring_setup",
	"open_by_handle_at",
};

static struct err *allow(int rules, int fd, uint64_t access)
{
	struct landlock_path_beneath_attr beneath = { .allowed_access = access, .parent_fd = fd };

	if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0)
		return err_errno("landlock rule");
	return NULL;
}

static struct err *allow_reading(int rules, const char *path)
{
	auto_fd int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL; /* what is not there needs no rule */
	return allow(rules, fd, S_ISDIR(st.st_mode) ? FS_READ : LANDLOCK_ACCESS_FS_READ_FILE);
}

static struct err *restrict_files(int store)
{
	const char *certs = getenv("SLIPWAY_CERTS_D");
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	uint64_t all = FS_ALL_V1 | (abi >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0) |
		       (abi >= 3 ? LANDLOCK_ACCESS_FS_TRUNCATE : 0);
	struct landlock_ruleset_attr attr = { .handled_access_fs = all };

	if (abi < 2) { /* without REFER no file could be renamed into its place */
		log_debug("landlock is not available; files are not restricted");
		return NULL;
	}
	auto_fd int rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

	if (rules < 0)
		return err_errno("landlock");
	TRY(allow(rules, store, all & ~LANDLOCK_ACCESS_FS_EXECUTE));
	for (size_t i = 0; i < ARRAY_LEN(readable); i++)
		TRY(allow_reading(rules, readable[i]));
	if (certs)
		TRY(allow_reading(rules, certs));
	if (syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		return err_errno("landlock");
	return NULL;
}

static struct err *drop_capabilities(void)
{
	cap_t have = cap_get_proc(), want = cap_init();
	struct err *e = NULL;

	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		cap_flag_value_t set = CAP_CLEAR;

		(void)cap_get_flag(have, kept[i], CAP_PERMITTED, &set);
		if (set == CAP_SET) {
			(void)cap_set_flag(want, CAP_PERMITTED, 1, &kept[i], CAP_SET);
			(void)cap_set_flag(want, CAP_EFFECTIVE, 1, &kept[i], CAP_SET);
		}
	}
	for (cap_value_t c = 0; c <= cap_max_bits(); c++)
		(void)cap_drop_bound(c); /* EPERM as an ordinary user: there is nothing to drop */
	if (cap_set_proc(want) < 0)
		e = err_errno("drop capabilities");
	cap_free(have);
	cap_free(want);
	return e;
}

static struct err *forbid_calls(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int rc = ctx ? 0 : -ENOMEM;

	for (size_t i = 0; i < ARRAY_LEN(forbidden) && rc == 0; i++) {
		int nr = seccomp_syscall_resolve_name(forbidden[i]);

		if (nr != __NR_SCMP_ERROR)
			rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), nr, 0);
	}
	if (rc == 0)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	errno = -rc;
	return rc ? err_errno("seccomp") : NULL;
}

struct err *confine(int store)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno("no_new_privs");
	TRY(restrict_files(store));
	TRY(drop_capabilities());
	return forbid_calls();
}
