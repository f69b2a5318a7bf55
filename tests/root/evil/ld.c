/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/root/evil/ld.c - an image's /lib64/ld-linux-x86-64.so.2.
 *
 * Where an image can make the runtime execute a program of the host (its own,
 * by "/proc/self/exe", or one below a descriptor that is still open, by
 * "/proc/self/fd/N/..."), the kernel still takes the dynamic linker from the
 * image: this one. It holds the host's file as /proc/self/exe, and from there
 * can write to it (CVE-2019-5736, CVE-2024-21626). All it does here is tell.
 *
 * No libc: what a libc would find in the auxiliary vector is the program's, not ours.
 * Build: gcc -O1 -nostdlib -ffreestanding -fno-stack-protector -static-pie -fPIE
 */
static long call(long n, long a, long b, long c, long d)
{
	long ret;
	register long r10 __asm__("r10") = d;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
	return ret;
}

enum { READ = 0, WRITE = 1, OPEN = 2, EXIT = 231, READLINK = 89 };

static void say(const char *s, long n)
{
	call(WRITE, 1, (long)s, n, 0);
}

void start_here(void)
{
	static char target[4096];
	long n;

	say("host program: ", 14);
	n = call(READLINK, (long)"/proc/self/exe", (long)target, sizeof(target), 0);
	say(target, n > 0 ? n : 0);
	n = call(OPEN, (long)"/proc/self/exe", 0, 0, 0);
	say(n >= 0 ? " is held\n" : " is hidden\n", n >= 0 ? 9 : 11);
	call(EXIT, 66, 0, 0, 0);
}

__asm__(".global _start\n_start: andq $-16, %rsp\ncall start_here\n");
