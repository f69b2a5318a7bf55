/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/limit_child.c - the limit, from the first instruction after clone to exec.
 *
 * The mounts, nodes, masked and read-only paths, capabilities and the shape of the seccomp filter
 * are those Docker gives a container by default.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "limit.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

enum { MNT_DETACH_FLAG = 2, LAST_CAP = 40 };
static const uint64_t docker_caps = 0xa80425fb;
static const unsigned long none = MS_NOSUID | MS_NODEV | MS_NOEXEC;

/*
 * <sys/mount.h> and <linux/mount.h> exclude each other with some C libraries, and musl has no
 * names for the new calls; so by number.
 */
static int do_mount(const char *from, const char *to, const char *type, unsigned long flags,
		    const char *options)
{
	return (int)syscall(SYS_mount, from, to, type, flags, options);
}

static void must_mount(const char *from, const char *to, const char *type, unsigned long flags,
		       const char *options)
{
	if (do_mount(from, to, type, flags, options) < 0)
		limit_die("mount %s", to);
}

/* ---- root ------------------------------------------------------------------------------------ */

static int set(int fs, unsigned int command, const char *key, const char *value)
{
	return (int)syscall(SYS_fsconfig, fs, command, key, value, 0);
}

static void mount_overlay(const struct limit_job *job, const char *dir, const char *root)
{
	char upper[PATH_MAX + 8], work[PATH_MAX + 8];
	int fs = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);

	snprintf(upper, sizeof(upper), "%s/upper", dir);
	snprintf(work, sizeof(work), "%s/work", dir);
	if (fs < 0)
		limit_die("fsopen overlay");
	/* "lowerdir+" is of 6.5, and has no limit of 4096 bytes for all layers together. */
	if (set(fs, FSCONFIG_SET_STRING, "lowerdir+", job->rootfs) < 0 &&
	    set(fs, FSCONFIG_SET_STRING, "lowerdir", job->rootfs) < 0)
		limit_die("overlay: lowerdir %s", job->rootfs);
	if (set(fs, FSCONFIG_SET_STRING, "upperdir", upper) < 0 ||
	    set(fs, FSCONFIG_SET_STRING, "workdir", work) < 0 ||
	    set(fs, FSCONFIG_SET_FLAG, "volatile", NULL) < 0 ||
	    set(fs, FSCONFIG_CMD_CREATE, NULL, NULL) < 0)
		limit_die("overlay on %s", dir);

	int tree = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);

	if (tree < 0 ||
	    syscall(SYS_move_mount, tree, "", AT_FDCWD, root, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		limit_die("attach overlay to %s", root);
	close(tree);
	close(fs);
}

static void enter_root(const struct limit_job *job, const char *dir)
{
	char root[PATH_MAX + 8];

	snprintf(root, sizeof(root), "%s/root", dir);
	must_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	if (job->plain)
		must_mount(job->rootfs, root, NULL, MS_BIND, NULL);
	else
		mount_overlay(job, dir, root);
	if (chdir(root) < 0)
		limit_die("enter %s", root);
}

/* ---- what is mounted in it; paths are relative to the new root ------------------------------- */

static void make_dev(void)
{
	/* clang-format off */
	static const struct {
		const char *path;
		unsigned int major, minor;
	} nodes[] = {
		{ "dev/null", 1, 3 }, { "dev/zero", 1, 5 }, { "dev/full", 1, 7 },
		{ "dev/random", 1, 8 }, { "dev/urandom", 1, 9 }, { "dev/tty", 5, 0 },
	};
	static const char *const links[][2] = {
		{ "/proc/self/fd", "dev/fd" }, { "/proc/self/fd/0", "dev/stdin" },
		{ "/proc/self/fd/1", "dev/stdout" }, { "/proc/self/fd/2", "dev/stderr" },
		{ "pts/ptmx", "dev/ptmx" },
	};
	static const char *const dirs[] = { "dev/pts", "dev/shm", "dev/mqueue" };
	/* clang-format on */

	must_mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
	umask(0);
	for (size_t i = 0; i < ARRAY_LEN(nodes); i++)
		if (mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) <
		    0)
			limit_die("mknod %s", nodes[i].path);
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		if (symlink(links[i][0], links[i][1]) < 0)
			limit_die("symlink %s", links[i][1]);
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if (mkdir(dirs[i], 0755) < 0)
			limit_die("mkdir %s", dirs[i]);
	umask(022);
}

static void mount_systems(const struct limit_job *job)
{
	must_mount("proc", "proc", "proc", none, NULL);
	make_dev();
	must_mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
		   "newinstance,ptmxmode=0666,mode=0620,gid=5");
	must_mount("shm", "dev/shm", "tmpfs", none, "mode=1777,size=65536k");
	must_mount("mqueue", "dev/mqueue", "mqueue", none, NULL);
	must_mount("sysfs", "sys", "sysfs", none | MS_RDONLY, NULL);
	if (job->cgroup)
		must_mount("cgroup", "sys/fs/cgroup", "cgroup2", none | MS_RDONLY, NULL);
}

static void mount_binds(const struct limit_job *job)
{
	/* The real ones are written for each container; these stand in for them. */
	static const char *const files[] = { "etc/resolv.conf", "etc/hostname", "etc/hosts" };
	char from[PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(from, sizeof(from), "%s/%s", job->rootfs, files[i]);
		must_mount(from, files[i], NULL, MS_BIND, NULL);
	}
	for (size_t i = 0; i < job->n_binds; i++)
		must_mount(job->binds[i][0], job->binds[i][1], NULL, MS_BIND | MS_REC, NULL);
}

static void protect_paths(void)
{
	static const char *const read_only[] = { "proc/bus", "proc/fs", "proc/irq", "proc/sys",
						 "proc/sysrq-trigger" };
	static const char *const masked_dirs[] = { "proc/acpi", "proc/asound", "proc/scsi",
						   "sys/firmware", "sys/devices/virtual/powercap" };
	static const char *const masked_files[] = { "proc/kcore",	  "proc/keys",
						    "proc/latency_stats", "proc/timer_list",
						    "proc/timer_stats",	  "proc/sched_debug" };

	for (size_t i = 0; i < ARRAY_LEN(read_only); i++) {
		if (do_mount(read_only[i], read_only[i], NULL, MS_BIND, NULL) < 0 &&
		    errno == ENOENT)
			continue;
		must_mount(NULL, read_only[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | none, NULL);
	}
	/*
	 * Two lists, for trying is dear: a bind mount that fails because one side is a directory
	 * has to wait for RCU on its way out, milliseconds when containers start side by side.
	 */
	for (size_t i = 0; i < ARRAY_LEN(masked_dirs); i++)
		if (do_mount("tmpfs", masked_dirs[i], "tmpfs", MS_RDONLY, NULL) < 0 &&
		    errno != ENOENT)
			limit_die("mask %s", masked_dirs[i]);
	for (size_t i = 0; i < ARRAY_LEN(masked_files); i++)
		if (do_mount("dev/null", masked_files[i], NULL, MS_BIND, NULL) < 0 &&
		    errno != ENOENT)
			limit_die("mask %s", masked_files[i]);
}

/* ---- confinement ----------------------------------------------------------------------------- */

/*
 * What Docker's profile denies a container with the default capabilities. Rules that look at
 * arguments (clone, personality, socket) are left out: a few instructions.
 */
static const unsigned int denied[] = {
#ifdef __x86_64__
	SYS_uselib,	     SYS_ustat,
	SYS_sysfs,	     SYS__sysctl,
	SYS_ioperm,	     SYS_iopl,
	SYS_create_module,   SYS_get_kernel_syms,
	SYS_query_module,    SYS_epoll_ctl_old,
	SYS_epoll_wait_old,  SYS_vserver,
#endif
	SYS_personality,     SYS_vhangup,
	SYS_pivot_root,	     SYS_acct,
	SYS_settimeofday,    SYS_mount,
	SYS_umount2,	     SYS_swapon,
	SYS_swapoff,	     SYS_reboot,
	SYS_sethostname,     SYS_setdomainname,
	SYS_init_module,     SYS_delete_module,
	SYS_quotactl,	     SYS_nfsservctl,
	SYS_lookup_dcookie,  SYS_clock_settime,
	SYS_mbind,	     SYS_set_mempolicy,
	SYS_get_mempolicy,   SYS_kexec_load,
	SYS_add_key,	     SYS_request_key,
	SYS_keyctl,	     SYS_migrate_pages,
	SYS_unshare,	     SYS_move_pages,
	SYS_perf_event_open, SYS_clock_adjtime,
	SYS_setns,	     SYS_open_by_handle_at,
	SYS_finit_module,    SYS_bpf,
	SYS_userfaultfd,     SYS_io_uring_setup,
	SYS_io_uring_enter,  SYS_open_tree,
	SYS_move_mount,	     SYS_fsopen,
	SYS_fsconfig,	     SYS_fsmount,
	SYS_fspick,	     SYS_kexec_file_load,
	SYS_mount_setattr,   SYS_io_uring_register
};

#ifdef __x86_64__
static const uint32_t native_arch = AUDIT_ARCH_X86_64;
#else
static const uint32_t native_arch = AUDIT_ARCH_AARCH64;
#endif

/* System calls from @from up to the next range's are allowed, or not. */
struct range {
	uint32_t from;
	bool allowed;
};

static int by_number(const void *a, const void *b)
{
	unsigned int x = *(const unsigned int *)a, y = *(const unsigned int *)b;

	return (x > y) - (x < y);
}

/* A balanced tree of comparisons: some seven steps for a call, where a list takes hundreds. */
static void emit_tree(struct limit_job *job, const struct range *r, size_t n)
{
	unsigned short *len = &job->filter.len;

	if (*len + 2 > FILTER_MAX)
		limit_die("filter too long");
	if (n == 1) {
		uint32_t verdict = r->allowed ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | EPERM;

		job->code[(*len)++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, verdict);
		return;
	}

	size_t at = (*len)++, half = n / 2;

	emit_tree(job, r, half);
	job->code[at] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, r[half].from,
						     (uint8_t)(*len - at - 1), 0);
	emit_tree(job, r + half, n - half);
}

void limit_filter(struct limit_job *job)
{
	static const struct sock_filter head[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, native_arch, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	unsigned int sorted[ARRAY_LEN(denied)];
	struct range ranges[2 * ARRAY_LEN(denied) + 1] = { { 0, true } };
	size_t n = 1;

	memcpy(sorted, denied, sizeof(sorted));
	qsort(sorted, ARRAY_LEN(sorted), sizeof(sorted[0]), by_number);
	for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
		if (ranges[n - 1].from == sorted[i])
			n--; /* next to the one before: the same range */
		else
			ranges[n++] = (struct range) { sorted[i], false };
		ranges[n++] = (struct range) { sorted[i] + 1, true };
	}

	memcpy(job->code, head, sizeof(head));
	job->filter.len = ARRAY_LEN(head);
	job->filter.filter = job->code;
	emit_tree(job, ranges, n);
}

_Noreturn void limit_confine_and_exec(const struct limit_job *job)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct sets[2] = {
		{ (uint32_t)docker_caps, (uint32_t)docker_caps, 0 },
		{ (uint32_t)(docker_caps >> 32), (uint32_t)(docker_caps >> 32), 0 },
	};
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *const environment[] = { path, NULL };

	for (unsigned long cap = 0; cap <= LAST_CAP; cap++)
		if (!(docker_caps >> cap & 1))
			(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); /* EINVAL: not known here */
	/* As in Docker no_new_privs is off, so the filter goes in while CAP_SYS_ADMIN is there. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &job->filter) < 0)
		limit_die("seccomp");
	if (syscall(SYS_capset, &header, sets) < 0)
		limit_die("capset");
	execve(job->argv[0], job->argv, environment);
	limit_die("exec %s", job->argv[0]);
}

_Noreturn void limit_child(const struct limit_job *job, const struct limit_container *c)
{
	char byte;

	if (c->own_net) {
		int route = limit_net_socket(NETLINK_ROUTE);

		limit_net_lo_up(route);
		close(route);
	}
	enter_root(job, c->dir);
	mount_systems(job);
	mount_binds(job);
	protect_paths();
	if (syscall(SYS_pivot_root, ".", ".") < 0 ||
	    syscall(SYS_umount2, ".", MNT_DETACH_FLAG) < 0 || chdir("/") < 0)
		limit_die("pivot_root");
	if (sethostname("limit", 5) < 0)
		limit_die("sethostname");
	if (c->gate >= 0 && read(c->gate, &byte, 1) != 1)
		limit_die("nobody opened the gate");
	dup2(c->output, STDOUT_FILENO);
	limit_confine_and_exec(job);
}
