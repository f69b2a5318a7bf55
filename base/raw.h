/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/raw.h - system calls without libc: for a process that shares our memory, and so
 * the errno and the locks of its creator, who runs beside it.
 */
#pragma once

/*
 * Of every function of such a process: a check that fails in it would end in our memory, by
 * libc, and with our locks.
 */
#define without_libc __attribute__((no_stack_protector, no_sanitize("address", "undefined")))

/* A negative result is the error's number. */
#if defined(__x86_64__)
static inline long raw_call(long number, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return ret;
}
#elif defined(__aarch64__)
static inline long raw_call(long number, long a, long b, long c, long d, long e)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d, x4 __asm__("x4") = e;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
			 : "memory");
	return x0;
}
#else
#error "make system calls on this machine here"
#endif
