/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/root/evil/evil.c - what escape.bats runs in a container: attempts, each
 * of which says in a line how it went. "yes" means that it worked.
 *
 *   evil calls                 system calls that the default filter must refuse
 *   evil sockets               address families likewise, also by the 32-bit entry
 *   evil fds                   every open descriptor and what it is
 *   evil watch SECONDS         looks at each new process as it comes: what can be had of it
 *   evil reopen FD             opens what FD is once more, for writing, and writes to it
 *   evil keys NAME             looks for a key in the session keyring
 *   evil newkey NAME CMD...    adds one, then runs CMD (for the host's side)
 *   evil frame SRC DST PORT MAC   a UDP packet to MAC, from any address to any
 *   evil advert                a router advertisement on eth0
 *   evil takeover PID          makes PID call unshare(CLONE_NEWNS)
 *   evil deep N                N directories, each in the other
 *
 * Build: gcc -static
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void tell(const char *what, long ret)
{
	printf("%s: %s\n", what, ret >= 0 ? "yes" : strerror(errno));
	fflush(stdout);
}

/* ---- system calls ---- */

static int calls(void)
{
	static char zeros[4096];
	struct {
		const char *name;
		long number, a, b;
	} list[] = {
		{ "unshare(NEWUSER)", SYS_unshare, CLONE_NEWUSER, 0 },
		{ "unshare(NEWNS)", SYS_unshare, CLONE_NEWNS, 0 },
		{ "setns", SYS_setns, 0, 0 },
		{ "mount", SYS_mount, (long)"x", (long)"/tmp" },
		{ "fsopen", 430, (long)"tmpfs", 0 },
		{ "open_tree", 428, AT_FDCWD, (long)"/" },
		{ "pivot_root", SYS_pivot_root, (long)"/", (long)"/" },
		{ "bpf", SYS_bpf, 0, (long)zeros },
		{ "perf_event_open", SYS_perf_event_open, (long)zeros, 0 },
		{ "io_uring_setup", 425, 1, (long)zeros },
		{ "userfaultfd", SYS_userfaultfd, 0, 0 },
		{ "add_key", SYS_add_key, (long)"user", (long)"x" },
		{ "keyctl", SYS_keyctl, 0, -3 },
		{ "request_key", SYS_request_key, (long)"user", (long)"x" },
		{ "init_module", SYS_init_module, (long)zeros, 1 },
		{ "kexec_load", SYS_kexec_load, 0, 0 },
		{ "open_by_handle_at", SYS_open_by_handle_at, 0, (long)zeros },
		{ "reboot", SYS_reboot, 0, 0 },
		{ "swapon", SYS_swapon, (long)"/x", 0 },
		{ "acct", SYS_acct, 0, 0 },
		{ "quotactl", SYS_quotactl, 0, 0 },
		{ "syslog", SYS_syslog, 3, (long)zeros },
		{ "iopl", 172, 3, 0 },
		{ "settimeofday", SYS_settimeofday, (long)zeros, 0 },
		{ "clone(NEWUSER)", SYS_clone, CLONE_NEWUSER | SIGCHLD, 0 },
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++) {
		long ret = syscall(list[i].number, list[i].a, list[i].b, 0L, 0L, 0L);

		/* whatever else is wrong with the arguments: the filter comes first, with EPERM */
		if (ret == 0 && strcmp(list[i].name, "clone(NEWUSER)") == 0 && getppid() != 0 && getpid() == 1)
			_exit(0);
		printf("%s: %s\n", list[i].name, ret < 0 && errno == EPERM ? "refused" : "not refused");
	}
	/* clone3 cannot be looked into, so it must not be there at all */
	printf("clone3: %s\n", syscall(435, zeros, 88L) < 0 && errno == ENOSYS ? "refused" : "not refused");
	return 0;
}

/* Kernels and virtual machines without the 32-bit entry have this for it. */
static void on_no_entry(int signal)
{
	static const char text[] = "socketcall 38: refused\nsocketcall 40: refused\n";

	(void)signal;
	_exit(write(STDOUT_FILENO, text, sizeof(text) - 1) < 0);
}

static int sockets(void)
{
	static const int families[] = { 38, 40 }; /* AF_ALG, AF_VSOCK */

	for (int i = 0; i < 2; i++)
		printf("socket %d: %s\n", families[i], socket(families[i], SOCK_SEQPACKET, 0) < 0 && errno == EPERM ? "refused" : "not refused");
#ifdef __x86_64__
	fflush(stdout);
	(void)signal(SIGSEGV, on_no_entry);
	unsigned *args = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	for (int i = 0; i < 2; i++) {
		long ret;

		args[0] = (unsigned)families[i];
		args[1] = i == 0 ? SOCK_SEQPACKET : SOCK_STREAM;
		args[2] = 0;
		__asm__ volatile("int $0x80" : "=a"(ret) : "a"(102), "b"(1), "c"(args) : "memory", "r8", "r9", "r10", "r11");
		printf("socketcall %d: %s\n", families[i], ret == -EPERM || ret == -ENOSYS ? "refused" : "not refused");
	}
#endif
	return 0;
}

/* ---- descriptors and other processes ---- */

static int fds(void)
{
	char path[64], target[512];

	for (int i = 0; i < 4096; i++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", i);
		ssize_t n = readlink(path, target, sizeof(target) - 1);

		if (n > 0)
			printf("%d %.*s\n", i, (int)n, target);
	}
	return 0;
}

static unsigned long seen;

/* Between a look at the link and the open, the process may have become the container's own program. */
static int is_memory(int fd)
{
	char path[64], target[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(path, target, sizeof(target));

	return n > 0 && memmem(target, (size_t)n, "memfd:", 6) != NULL;
}

/* One look at a process that is not ours: its program, its memory, what it has open. */
static void look_at(int pid)
{
	static const char *const links[] = { "exe", "cwd", "root" };
	char path[300], target[512];

	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, links[i]);
		ssize_t n = readlink(path, target, sizeof(target) - 1);

		if (n > 0 && (i == 0 ? memmem(target, (size_t)n, "slipway", 7) != NULL : n > 1 || *target != '/'))
			printf("got %s of %d: %.*s\n", links[i], pid, (int)n, target);
		int program = i == 0 && n > 0 && memmem(target, (size_t)n, "memfd", 5) ? open(path, O_RDONLY | O_CLOEXEC) : -1;

		if (program >= 0 && is_memory(program)) /* what nobody may execute any more, nobody else is started by */
			printf("spoiling it: %s\n", fchmod(program, 0) == 0 ? "done" : strerror(errno));
		if (program >= 0)
			close(program);
	}
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%s", pid, e->d_name);
		ssize_t n = readlink(path, target, sizeof(target) - 1);

		if (n > 0 && atoi(e->d_name) > 2)
			printf("got fd %s of %d: %.*s\n", e->d_name, pid, (int)n, target);
	}
	if (d)
		closedir(d);
	seen++;
}

static int watch(int seconds)
{
	time_t end = time(NULL) + seconds;
	int next = getpid() + 1;

	while (time(NULL) < end) {
		DIR *d = opendir("/proc");
		struct dirent *e;

		while (d && (e = readdir(d)))
			if (atoi(e->d_name) >= next)
				look_at(atoi(e->d_name));
		if (d)
			closedir(d);
	}
	printf("looked %s\n", seen > 100 ? "often" : "too seldom");
	return 0;
}

static int takeover(int pid)
{
#ifdef __x86_64__
	struct user_regs_struct r;
	int status;

	if (ptrace(PTRACE_ATTACH, pid, 0, 0) < 0) {
		tell("attach", -1);
		return 0;
	}
	waitpid(pid, &status, 0);
	ptrace(PTRACE_GETREGS, pid, 0, &r);
	r.rax = SYS_unshare;
	r.orig_rax = (unsigned long long)-1;
	r.rdi = CLONE_NEWNS;
	r.rip -= 2; /* it waits in a system call: back onto that instruction */
	ptrace(PTRACE_SETREGS, pid, 0, &r);
	ptrace(PTRACE_SINGLESTEP, pid, 0, 0);
	waitpid(pid, &status, 0);
	ptrace(PTRACE_GETREGS, pid, 0, &r);
	errno = (int)-(long)r.rax;
	tell("unshare in another", (long)r.rax);
#else
	(void)pid;
	puts("unshare in another: not tried");
#endif
	return 0;
}

static int reopen(const char *fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%s", fd);
	int again = open(path, O_WRONLY);

	tell("reopen", again);
	if (again >= 0)
		tell("write", write(again, "EVIL\n", 5));
	return 0;
}

/* ---- keys ---- */

static int keys(const char *name)
{
	tell("key", syscall(SYS_keyctl, 10 /* KEYCTL_SEARCH */, -3, "user", name, 0));
	return 0;
}

static int newkey(char **argv)
{
	syscall(SYS_keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, NULL);
	if (syscall(SYS_add_key, "user", argv[0], "secret", 6, -3) < 0)
		return 1;
	execvp(argv[1], argv + 1);
	return 1;
}

/* ---- network ---- */

static unsigned short sum(const void *p, int n)
{
	const unsigned short *w = p;
	unsigned s = 0;

	for (; n > 1; n -= 2)
		s += *w++;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (unsigned short)~s;
}

static int frame(char **argv)
{
	struct __attribute__((packed)) {
		struct iphdr ip;
		struct udphdr udp;
		char text[8];
	} m = { .ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP }, .text = "spoofed" };
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_halen = 6 };
	int s = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP));

	m.ip.tot_len = htons(sizeof(m));
	m.ip.saddr = inet_addr(argv[0]);
	m.ip.daddr = inet_addr(argv[1]);
	m.ip.check = sum(&m.ip, sizeof(m.ip));
	m.udp.source = htons(999);
	m.udp.dest = htons((unsigned short)atoi(argv[2]));
	m.udp.len = htons(sizeof(m) - sizeof(m.ip));
	to.sll_ifindex = (int)if_nametoindex("eth0");
	sscanf(argv[3], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &to.sll_addr[0], &to.sll_addr[1], &to.sll_addr[2],
	       &to.sll_addr[3], &to.sll_addr[4], &to.sll_addr[5]);
	tell("sent", s < 0 ? -1 : sendto(s, &m, sizeof(m), 0, (struct sockaddr *)&to, sizeof(to)));
	return 0;
}

static int advert(void)
{
	struct {
		struct nd_router_advert ra;
		struct nd_opt_prefix_info p;
	} m = { 0 };
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_scope_id = if_nametoindex("eth0") };
	int s = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6), hops = 255;

	inet_pton(AF_INET6, "ff02::1", &to.sin6_addr);
	setsockopt(s, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops));
	m.ra.nd_ra_type = ND_ROUTER_ADVERT;
	m.ra.nd_ra_router_lifetime = htons(1800);
	m.p.nd_opt_pi_type = ND_OPT_PREFIX_INFORMATION;
	m.p.nd_opt_pi_len = 4;
	m.p.nd_opt_pi_prefix_len = 64;
	m.p.nd_opt_pi_flags_reserved = ND_OPT_PI_FLAG_ONLINK | ND_OPT_PI_FLAG_AUTO;
	m.p.nd_opt_pi_valid_time = m.p.nd_opt_pi_preferred_time = htonl(3600);
	inet_pton(AF_INET6, "2001:db8:bad::", &m.p.nd_opt_pi_prefix);
	/* until the link-local addresses are no longer tentative, nothing can be sent, and nothing is heard */
	int sent = 0;

	for (int i = 0; i < 60; i++) {
		sent += sendto(s, &m, sizeof(m), 0, (struct sockaddr *)&to, sizeof(to)) > 0;
		usleep(100000);
	}
	tell("sent", sent > 10 ? 0 : -1);
	return 0;
}

static int deep(int n)
{
	for (int i = 0; i < n; i++)
		if (mkdir("d", 0755) < 0 || chdir("d") < 0) {
			perror("deep");
			return 1;
		}
	puts("deep enough");
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "calls") == 0)
		return calls();
	if (strcmp(what, "sockets") == 0)
		return sockets();
	if (strcmp(what, "fds") == 0)
		return fds();
	if (strcmp(what, "watch") == 0)
		return watch(atoi(argv[2]));
	if (strcmp(what, "takeover") == 0)
		return takeover(atoi(argv[2]));
	if (strcmp(what, "reopen") == 0)
		return reopen(argv[2]);
	if (strcmp(what, "keys") == 0)
		return keys(argv[2]);
	if (strcmp(what, "newkey") == 0)
		return newkey(argv + 2);
	if (strcmp(what, "frame") == 0)
		return frame(argv + 2);
	if (strcmp(what, "advert") == 0)
		return advert();
	if (strcmp(what, "deep") == 0)
		return deep(atoi(argv[2]));
	fprintf(stderr, "evil: nothing to do\n");
	return 2;
}
