/*
 * System calls from C. SYS(name, args...) makes the call and turns -errno into -1 with errno set;
 * RAW(name, args...) gives the kernel's own result. Both cast their arguments to the register
 * width.
 */
#ifndef LIBC_SYSCALL_H
#define LIBC_SYSCALL_H

#include <sys/syscall.h>

static inline long __syscall6(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline long __syscall3(long n, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(n), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}

/* => ret, or -1 with errno set when it is one of the 4095 error values. */
long __syscall_result(long ret);

#define __RAW0(n)	      __syscall3(n, 0, 0, 0)
#define __RAW1(n, a)	      __syscall3(n, (long)(a), 0, 0)
#define __RAW2(n, a, b)	      __syscall3(n, (long)(a), (long)(b), 0)
#define __RAW3(n, a, b, c)    __syscall3(n, (long)(a), (long)(b), (long)(c))
#define __RAW4(n, a, b, c, d) __syscall6(n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define __RAW5(n, a, b, c, d, e) \
	__syscall6(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define __RAW6(n, a, b, c, d, e, f) \
	__syscall6(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define __RAWN(_0, _1, _2, _3, _4, _5, _6, name, ...) name
#define RAW(name, ...)                                                                   \
	__RAWN(_, ##__VA_ARGS__, __RAW6, __RAW5, __RAW4, __RAW3, __RAW2, __RAW1, __RAW0) \
	(SYS_##name, ##__VA_ARGS__)
#define SYS(name, ...) __syscall_result(RAW(name, ##__VA_ARGS__))

#endif
