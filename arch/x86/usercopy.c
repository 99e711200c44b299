/*
 * usercopy.h: the range check, and the instructions of usercopy_asm.S behind it. Single words are
 * moved here, between STAC and CLAC, so that they are atomic.
 */
#include "usercopy.h"
#include "extable.h"
#include "patch.h"

size_t user_copy_nofault(void *dst, const void *src, size_t n);
size_t user_clear(void *dst, size_t n);
ssize_t user_string(char *dst, const char *src, size_t n);

size_t copy_from_user_partial(void *dst, uaddr_t src, size_t n)
{
	return user_range_ok(src, n) ? user_copy_faulting(dst, (const void *)src, n) : n;
}

size_t copy_to_user_partial(uaddr_t dst, const void *src, size_t n)
{
	return user_range_ok(dst, n) ? user_copy_faulting((void *)dst, src, n) : n;
}

size_t copy_from_user_nofault(void *dst, uaddr_t src, size_t n)
{
	return user_range_ok(src, n) ? user_copy_nofault(dst, (const void *)src, n) : n;
}

size_t copy_to_user_nofault(uaddr_t dst, const void *src, size_t n)
{
	return user_range_ok(dst, n) ? user_copy_nofault((void *)dst, src, n) : n;
}

int clear_user(uaddr_t dst, size_t n)
{
	return !user_range_ok(dst, n) || user_clear((void *)dst, n) ? -EFAULT : 0;
}

ssize_t strncpy_from_user(char *dst, uaddr_t src, size_t size)
{
	size_t max;
	ssize_t len;

	if (src >= USER_MAX)
		return -EFAULT;
	if (size == 0)
		return -ENAMETOOLONG;
	max = MIN(size, USER_MAX - src);
	len = user_string(dst, (const char *)src, max);
	if (len < 0)
		return -EFAULT;
	if ((size_t)len == max)
		return max < size ? -EFAULT : -ENAMETOOLONG;
	return len;
}

/* One instruction on user memory at label 1, with `err` made -EFAULT if it faults. */
#define USER_INSN(insn, kind)                   \
	PATCH_SITE(STAC_CODE)                   \
	"1: " insn "\n\t"                       \
	"2:\n\t"                                \
	".pushsection .text.unlikely, \"ax\"\n" \
	"3: movl %[fault], %[err]\n\t"          \
	"jmp 2b\n\t"                            \
	".popsection\n\t" PATCH_SITE(CLAC_CODE) EXTABLE("1b", "3b", kind)

static bool word_ok(uaddr_t addr)
{
	return addr % 4 == 0 && user_range_ok(addr, 4);
}

int user_load_u32(uaddr_t addr, uint32_t *out)
{
	uint32_t v = 0;
	int err = 0;

	if (!word_ok(addr))
		return -EFAULT;
	__asm__ volatile(USER_INSN("movl (%[p]), %[v]", 0)
			 : [err] "+r"(err), [v] "+r"(v)
			 : [p] "r"(addr), [fault] "i"(-EFAULT)
			 : "memory");
	*out = v;
	return err;
}

int user_load_u32_nofault(uaddr_t addr, uint32_t *out)
{
	uint32_t v = 0;
	int err = 0;

	if (!word_ok(addr))
		return -EFAULT;
	__asm__ volatile(USER_INSN("movl (%[p]), %[v]", 1)
			 : [err] "+r"(err), [v] "+r"(v)
			 : [p] "r"(addr), [fault] "i"(-EFAULT)
			 : "memory");
	*out = v;
	return err;
}

int user_store_u32(uaddr_t addr, uint32_t v)
{
	int err = 0;

	if (!word_ok(addr))
		return -EFAULT;
	__asm__ volatile(USER_INSN("movl %[v], (%[p])", 0)
			 : [err] "+r"(err)
			 : [p] "r"(addr), [v] "r"(v), [fault] "i"(-EFAULT)
			 : "memory");
	return err;
}

int user_cmpxchg_u32_nofault(uaddr_t addr, uint32_t expected, uint32_t desired, uint32_t *seen)
{
	int err = 0;

	if (!word_ok(addr))
		return -EFAULT;
	__asm__ volatile(USER_INSN("lock cmpxchgl %[v], (%[p])", 1)
			 : [err] "+r"(err), "+a"(expected)
			 : [p] "r"(addr), [v] "r"(desired), [fault] "i"(-EFAULT)
			 : "memory", "cc");
	*seen = expected;
	return err;
}

int user_fault_in(uaddr_t addr, bool write)
{
	uint32_t v = 0;
	int err = 0;

	if (!user_range_ok(addr, 1))
		return -EFAULT;
	if (write)
		/* Adds nothing, but is a write, and loses no write of another thread. */
		__asm__ volatile(USER_INSN("lock addb $0, (%[p])", 0)
				 : [err] "+r"(err)
				 : [p] "r"(addr), [fault] "i"(-EFAULT)
				 : "memory", "cc");
	else
		__asm__ volatile(USER_INSN("movzbl (%[p]), %[v]", 0)
				 : [err] "+r"(err), [v] "+r"(v)
				 : [p] "r"(addr), [fault] "i"(-EFAULT)
				 : "memory");
	return err;
}
