/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/seccomp_table.h - Docker's default profile as data; only seccomp.c includes it. */
#pragma once

#include <errno.h>
#include <linux/capability.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Default syscall profile (data from moby/profiles seccomp/default.json, commit 02e898b137ae).
 *
 * Default action: errno EPERM (1). Every rule below means "allow", but for errno_rules.
 * Order of the tests: a syscall is allowed when any group or any arg rule that applies names it.
 * "cap held" is tested on the container's bounding set, "arch" on the host's architecture only.
 *
 * Host arch -> also filtered with the same rules, any other ABI is killed:
 *   x86_64: x86 x32          aarch64: arm           s390x: s390
 *   mips64: mips mips64n32   mips64n32: mips mips64
 *   mipsel64: mipsel mipsel64n32                    mipsel64n32: mipsel mipsel64
 *   riscv64, loongarch64, and every host not in this list (x86 arm ppc64le ...): itself only
 *
 * ENOSYS instead of EPERM, added by the OCI runtime, not by the profile: per architecture every
 * number above the highest one among the rules in force (and 0 on s390x). With every name below
 * known that is nr > 466: 467 open_tree_attr, 468 file_getattr, 469 file_setattr, 470 listns...
 *
 * Unknown to Debian's libseccomp 2.5.4-1+deb12u1 (numbers: mips adds its base, alpha differs):
 *   457 statmount 458 listmount 459 lsm_get_self_attr 460 lsm_set_self_attr
 *   461 lsm_list_modules 462 mseal 463 setxattrat 464 getxattrat 465 listxattrat
 *   466 removexattrat; x86_64 only: 335 uretprobe; riscv only: 258 riscv_hwprobe
 * Unknown to upstream's 2.5.4 too:
 *   451 cachestat 452 fchmodat2 453 map_shadow_stack 454 futex_wake 455 futex_wait
 *   456 futex_requeue
 *
 */

/* names: separated by single spaces, sorted (strcmp) */
struct profile_group {
	int cap;	    /* -1: always; else the CAP_* that must be held */
	const char *arch;   /* host architecture, NULL: any */
	unsigned minkernel; /* 0, or major << 8 | minor */
	const char *names;
};

static const struct profile_group groups[] = {
	{ -1, NULL, 0,
	  "_llseek _newselect accept accept4 access adjtimex alarm bind brk cachestat "
	  "capget capset chdir chmod chown chown32 clock_adjtime clock_adjtime64 "
	  "clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep "
	  "clock_nanosleep_time64 close close_range connect copy_file_range creat dup "
	  "dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait "
	  "epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit "
	  "exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark "
	  "fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 "
	  "fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 "
	  "fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue "
	  "futex_time64 futex_wait futex_waitv futex_wake futimesat get_robust_list "
	  "get_thread_area getcpu getcwd getdents getdents64 getegid getegid32 geteuid "
	  "geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername getpgid "
	  "getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid "
	  "getresuid32 getrlimit getrusage getsid getsockname getsockopt gettid "
	  "gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch "
	  "inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents "
	  "io_pgetevents io_pgetevents_time64 io_setup io_submit ioctl ioprio_get "
	  "ioprio_set ipc kill landlock_add_rule landlock_create_ruleset "
	  "landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount "
	  "listxattr listxattrat llistxattr lremovexattr lseek lsetxattr lstat lstat64 "
	  "madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir "
	  "mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect mq_getsetattr "
	  "mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend "
	  "mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync "
	  "munlock munlockall munmap name_to_handle_at nanosleep newfstatat open openat "
	  "openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free "
	  "pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 "
	  "process_mrelease pselect6 pselect6_time64 pwrite64 pwritev pwritev2 read "
	  "readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 "
	  "recvmsg remap_file_pages removexattr removexattrat rename renameat renameat2 "
	  "restart_syscall riscv_hwprobe rmdir rseq rt_sigaction rt_sigpending "
	  "rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait "
	  "rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max "
	  "sched_get_priority_min sched_getaffinity sched_getattr sched_getparam "
	  "sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 "
	  "sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield "
	  "seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile "
	  "sendfile64 sendmmsg sendmsg sendto set_robust_list set_thread_area "
	  "set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 "
	  "setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 "
	  "setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit "
	  "setsid setsockopt setuid setuid32 setxattr setxattrat shmat shmctl shmdt "
	  "shmget shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn "
	  "socketcall socketpair splice stat stat64 statfs statfs64 statmount statx "
	  "symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time "
	  "timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 "
	  "timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 "
	  "timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit "
	  "umask uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes "
	  "vfork vmsplice wait4 waitid waitpid write writev" },
	{ -1, NULL, 0x0408, "process_vm_readv process_vm_writev ptrace" },
	{ -1, "x86_64", 0, "arch_prctl modify_ldt" },
	{ -1, "x86", 0, "modify_ldt" },
	{ -1, "arm", 0,
	  "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls "
	  "sync_file_range2" },
	{ -1, "aarch64", 0,
	  "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls "
	  "sync_file_range2" },
	{ -1, "ppc64le", 0, "swapcontext sync_file_range2" },
	{ -1, "s390", 0, "s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr" },
	{ -1, "s390x", 0, "s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr" },
	{ -1, "riscv64", 0, "riscv_flush_icache" },
	{ CAP_DAC_READ_SEARCH, NULL, 0, "open_by_handle_at" },
	{ CAP_SYS_ADMIN, NULL, 0,
	  "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie "
	  "lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount mount_setattr "
	  "move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname "
	  "sethostname setns syslog umount umount2 unshare" },
	{ CAP_SYS_BOOT, NULL, 0, "reboot" },
	{ CAP_SYS_CHROOT, NULL, 0, "chroot" },
	{ CAP_SYS_MODULE, NULL, 0, "delete_module finit_module init_module" },
	{ CAP_SYS_PACCT, NULL, 0, "acct" },
	{ CAP_SYS_PTRACE, NULL, 0,
	  "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace" },
	{ CAP_SYS_RAWIO, NULL, 0, "ioperm iopl" },
	{ CAP_SYS_TIME, NULL, 0, "clock_settime clock_settime64 settimeofday stime" },
	{ CAP_SYS_TTY_CONFIG, NULL, 0, "vhangup" },
	{ CAP_SYS_NICE, NULL, 0, "get_mempolicy mbind set_mempolicy set_mempolicy_home_node" },
	{ CAP_SYSLOG, NULL, 0, "syslog" },
	{ CAP_BPF, NULL, 0, "bpf" },
	{ CAP_PERFMON, NULL, 0, "perf_event_open" },
};

/*
 * One condition a rule; a syscall's rules are ORed. No rule needs two conditions.
 * Compare all 64 bits of the argument, unsigned. ARG_MASKED_EQ: (arg & mask) == value.
 */
struct profile_arg {
	const char *name;
	int cap_absent; /* -1, or the rule applies only when this CAP_* is NOT held */
	int cap;	/* -1, or the rule applies only when this CAP_* is held */
	unsigned arg;
	enum { ARG_EQ, ARG_NE, ARG_LT, ARG_MASKED_EQ } op;
	uint64_t value;
	uint64_t mask;
	const char *arch; /* host architecture, NULL: any, "!name": any but this one */
};

/*
 * socket: not in the list are 12 DECnet, 19 ECONET, 20 ATMSVC, 23 IRDA, 25 WANPIPE, 34 ISDN,
 * 37 CAIF, 38 ALG, 40 VSOCK and all from 46. clone mask: NEWNS NEWCGROUP NEWUTS NEWIPC NEWUSER
 * NEWPID NEWNET; the flags are the second argument on s390x.
 */
static const struct profile_arg arg_rules[] = {
	{ "personality", -1, -1, 0, ARG_EQ, 0x0, 0, NULL },	   /* PER_LINUX */
	{ "personality", -1, -1, 0, ARG_EQ, 0x8, 0, NULL },	   /* PER_LINUX32 */
	{ "personality", -1, -1, 0, ARG_EQ, 0x20000, 0, NULL },	   /* UNAME26 */
	{ "personality", -1, -1, 0, ARG_EQ, 0x20008, 0, NULL },	   /* UNAME26 | PER_LINUX32 */
	{ "personality", -1, -1, 0, ARG_EQ, 0xffffffff, 0, NULL }, /* query */
	{ "socket", -1, -1, 0, ARG_LT, 12, 0, NULL },		   /* AF_UNSPEC..AF_ROSE */
	{ "socket", -1, -1, 0, ARG_EQ, 13, 0, NULL },		   /* AF_NETBEUI */
	{ "socket", -1, -1, 0, ARG_EQ, 14, 0, NULL },		   /* AF_SECURITY */
	{ "socket", -1, -1, 0, ARG_EQ, 15, 0, NULL },		   /* AF_KEY */
	{ "socket", -1, -1, 0, ARG_EQ, 16, 0, NULL },		   /* AF_NETLINK */
	{ "socket", -1, -1, 0, ARG_EQ, 17, 0, NULL },		   /* AF_PACKET */
	{ "socket", -1, -1, 0, ARG_EQ, 18, 0, NULL },		   /* AF_ASH */
	{ "socket", -1, -1, 0, ARG_EQ, 21, 0, NULL },		   /* AF_RDS */
	{ "socket", -1, -1, 0, ARG_EQ, 22, 0, NULL },		   /* AF_SNA */
	{ "socket", -1, -1, 0, ARG_EQ, 24, 0, NULL },		   /* AF_PPPOX */
	{ "socket", -1, -1, 0, ARG_EQ, 26, 0, NULL },		   /* AF_LLC */
	{ "socket", -1, -1, 0, ARG_EQ, 27, 0, NULL },		   /* AF_IB */
	{ "socket", -1, -1, 0, ARG_EQ, 28, 0, NULL },		   /* AF_MPLS */
	{ "socket", -1, -1, 0, ARG_EQ, 29, 0, NULL },		   /* AF_CAN */
	{ "socket", -1, -1, 0, ARG_EQ, 30, 0, NULL },		   /* AF_TIPC */
	{ "socket", -1, -1, 0, ARG_EQ, 31, 0, NULL },		   /* AF_BLUETOOTH */
	{ "socket", -1, -1, 0, ARG_EQ, 32, 0, NULL },		   /* AF_IUCV */
	{ "socket", -1, -1, 0, ARG_EQ, 33, 0, NULL },		   /* AF_RXRPC */
	{ "socket", -1, -1, 0, ARG_EQ, 35, 0, NULL },		   /* AF_PHONET */
	{ "socket", -1, -1, 0, ARG_EQ, 36, 0, NULL },		   /* AF_IEEE802154 */
	{ "socket", -1, -1, 0, ARG_EQ, 39, 0, NULL },		   /* AF_NFC */
	{ "socket", -1, -1, 0, ARG_EQ, 41, 0, NULL },		   /* AF_KCM */
	{ "socket", -1, -1, 0, ARG_EQ, 42, 0, NULL },		   /* AF_QIPCRTR */
	{ "socket", -1, -1, 0, ARG_EQ, 43, 0, NULL },		   /* AF_SMC */
	{ "socket", -1, -1, 0, ARG_EQ, 44, 0, NULL },		   /* AF_XDP */
	{ "socket", -1, -1, 0, ARG_EQ, 45, 0, NULL },		   /* AF_MCTP */
	{ "clone", CAP_SYS_ADMIN, -1, 0, ARG_MASKED_EQ, 0, 0x7e020000, "!s390x" },
	{ "clone", CAP_SYS_ADMIN, -1, 1, ARG_MASKED_EQ, 0, 0x7e020000, "s390x" },
};

/* another errno than EPERM */
struct profile_errno {
	const char *name;
	int cap_absent; /* -1, or the rule applies only when this CAP_* is NOT held */
	int err;
};

static const struct profile_errno errno_rules[] = {
	{ "clone3", CAP_SYS_ADMIN, ENOSYS },
};
