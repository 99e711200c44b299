/*
 * The words that every file uses: fixed-width types, small macros, ERR_PTR. Pure, no locks.
 *
 * READ_ONCE and WRITE_ONCE are relaxed atomics, so that the sanitizers of the host tests agree
 * that a plain shared field is meant to be read while another CPU writes it.
 */
#ifndef LIB_BASE_H
#define LIB_BASE_H

#ifndef QUIRE_HOST
#define _LIBC_LIMITS_H_ /* the compiler's own limits.h, without looking for a C library's */
#endif
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/errno.h"

#define likely(x)      __builtin_expect(!!(x), 1)
#define unlikely(x)    __builtin_expect(!!(x), 0)
#define __must_check   __attribute__((warn_unused_result))
#define __noreturn     __attribute__((noreturn))
#define __packed       __attribute__((packed))
#define __aligned(n)   __attribute__((aligned(n)))
#define __printf(f, a) __attribute__((format(printf, f, a)))
#define __cold	       __attribute__((cold))
#define __noinline     __attribute__((noinline))
#define __maybe_unused __attribute__((unused))

#define ARRAY_SIZE(a)	   (sizeof(a) / sizeof((a)[0]))
#define ALIGN_DOWN(x, a)   ((x) & ~((__typeof__(x))(a)-1))
#define ALIGN_UP(x, a)	   ALIGN_DOWN((x) + ((__typeof__(x))(a)-1), a)
#define IS_ALIGNED(x, a)   (((x) & ((__typeof__(x))(a)-1)) == 0)
#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))

#define MIN(a, b)                                  \
	({                                         \
		__typeof__(a) _min_a = (a);        \
		__typeof__(b) _min_b = (b);        \
		_min_a < _min_b ? _min_a : _min_b; \
	})
#define MAX(a, b)                                  \
	({                                         \
		__typeof__(a) _max_a = (a);        \
		__typeof__(b) _max_b = (b);        \
		_max_a > _max_b ? _max_a : _max_b; \
	})

#define container_of(ptr, type, member) \
	((type *)((char *)(1 ? (ptr) : &((type *)0)->member) - offsetof(type, member)))

#define READ_ONCE(x)	    __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)    __atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
#define LOAD_ACQUIRE(x)	    __atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define STORE_RELEASE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELEASE)

/* An error code travels in a pointer: the top 4095 values are no address of anything. */
#define ERRNO_MAX 4095

static inline void *ERR_PTR(long err)
{
	return (void *)err;
}

/* The error of one pointer as another type of pointer. */
static inline void *ERR_CAST(const void *p)
{
	return (void *)p;
}

static inline long PTR_ERR(const void *p)
{
	return (long)p;
}

static inline bool IS_ERR(const void *p)
{
	return unlikely((uintptr_t)p >= (uintptr_t)-ERRNO_MAX);
}

static inline bool IS_ERR_OR_NULL(const void *p)
{
	return p == NULL || IS_ERR(p);
}

#if !defined(__ssize_t_defined) && !defined(_SSIZE_T_DEFINED) && !defined(QUIRE_HOST)
typedef long ssize_t;
typedef long off_t;
#else
#include <sys/types.h>
#endif

/* Rights of an access or of a mapping live in mm/types.h; addresses too. */

#endif
