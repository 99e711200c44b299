/*
 * Assertions. assert() is cheap and always on; dassert() only in debug builds. A failed one is a
 * broken invariant and ends in panic(): user input never reaches one, and none becomes an error
 * code. QUIRE_NO_ASSERT compiles both away (coverage builds).
 */
#ifndef LIB_ASSERT_H
#define LIB_ASSERT_H

#include "lib/base.h"

__noreturn __cold void assert_fail(const char *expr, const char *file, int line, const char *func);

#ifdef QUIRE_NO_ASSERT
#define assert(expr) ((void)sizeof(!(expr)))
#else
#define assert(expr) (likely(expr) ? (void)0 : assert_fail(#expr, __FILE__, __LINE__, __func__))
#endif

#if defined(QUIRE_DEBUG) && !defined(QUIRE_NO_ASSERT)
#define dassert(expr) assert(expr)
#else
#define dassert(expr) ((void)sizeof(!(expr)))
#endif

#endif
