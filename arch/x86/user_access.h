/*
 * Single words of user memory, for structs that are written or read field by field where a copy
 * by way of kernel memory would do everything twice (signal frames). Between user_access_begin and
 * user_access_end nothing else is done: SMAP is off there. A word that cannot be had makes the code
 * go on at the label. => the caller has checked the range; may fault
 */
#ifndef X86_USER_ACCESS_H
#define X86_USER_ACCESS_H

#include "extable.h"
#include "patch.h"

static inline void user_access_begin(void)
{
	__asm__ volatile(PATCH_SITE(STAC_CODE) : : : "memory");
}

static inline void user_access_end(void)
{
	__asm__ volatile(PATCH_SITE(CLAC_CODE) : : : "memory");
}

/* clang-format off */
#define USER_PUT(suffix, ptr, value, fault)                                   \
	__asm__ goto("1: mov" suffix " %1, %0\n\t" EXTABLE("1b", "%l[" #fault "]", 0) \
		     : : "m"(*(ptr)), "er"(value) : "memory" : fault)
#define USER_GET(suffix, type, ptr, fault)                                    \
	({                                                                    \
		type _ug_v;                                                   \
		__asm__ volatile goto("1: mov" suffix " %1, %0\n\t"           \
				      EXTABLE("1b", "%l[" #fault "]", 0)      \
				      : "=r"(_ug_v) : "m"(*(ptr)) : "memory" : fault); \
		_ug_v;                                                        \
	})
/* clang-format on */

#define user_put64(ptr, value, fault) USER_PUT("q", ptr, (uint64_t)(value), fault)
#define user_put32(ptr, value, fault) USER_PUT("l", ptr, (uint32_t)(value), fault)
#define user_get64(ptr, fault)	      USER_GET("q", uint64_t, ptr, fault)
#define user_get32(ptr, fault)	      USER_GET("l", uint32_t, ptr, fault)

#endif
