/* Copies between kernel and user memory: exact counts at the edge of what is mapped. */
#include "ktest.h"
#include "lib/string.h"
#include "mm/slab.h"
#include "user_space.h"
#include "usercopy.h"

#define PAGES 2u

static struct user_space us;

/* Copies of n bytes that begin `room` bytes before the end of the mapping. */
static void check_edge(char *buf, size_t n, size_t room)
{
	uaddr_t at = us.base + PAGES * PAGE_SIZE - room;
	size_t left = n > room ? n - room : 0;

	KTEST_ASSERT(copy_to_user_partial(at, buf, n) == left);
	KTEST_ASSERT(copy_from_user_partial(buf, at, n) == left);
	KTEST_ASSERT(copy_from_user_nofault(buf, at, n) == left);
	KTEST_ASSERT(copy_to_user_nofault(at, buf, n) == left);
	KTEST_ASSERT(clear_user(at, n) == (left ? -EFAULT : 0));
}

KTEST(user_copies_stop_at_the_first_byte_that_is_not_there)
{
	char *buf = kzalloc(128, 0);

	KTEST_ASSERT(buf && user_space_enter(&us, PAGES));
	for (size_t n = 0; n <= 40; n++) {
		for (size_t room = 0; room <= 40; room++)
			check_edge(buf, n, room);
	}
	user_space_leave(&us);
	kfree(buf);
}

KTEST(user_copies_carry_the_bytes)
{
	char out[100], in[100];

	KTEST_ASSERT(user_space_enter(&us, PAGES));
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 7 + 1);
	/* Unaligned, over a page border, into memory that is not resident yet. */
	KTEST_ASSERT(copy_to_user(us.base + PAGE_SIZE - 51, out, sizeof(out)) == 0);
	KTEST_ASSERT(copy_from_user(in, us.base + PAGE_SIZE - 51, sizeof(in)) == 0);
	KTEST_ASSERT(memcmp(in, out, sizeof(in)) == 0);
	KTEST_ASSERT(clear_user(us.base + PAGE_SIZE - 51, 50) == 0);
	KTEST_ASSERT(copy_from_user(in, us.base + PAGE_SIZE - 51, sizeof(in)) == 0);
	KTEST_ASSERT(in[0] == 0 && in[49] == 0 && in[50] == out[50]);
	user_space_leave(&us);
}

KTEST(user_copies_refuse_addresses_of_the_kernel)
{
	char buf[16] = "unchanged";
	static const uaddr_t bad[] = {USER_MAX, USER_MAX - 8, PHYSMAP_BASE, KERNEL_VMA, UINT64_MAX,
		UINT64_MAX - 7, 0x0000800000000000ul};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		KTEST_ASSERT(copy_from_user_partial(buf, bad[i], 16) == 16);
		KTEST_ASSERT(copy_to_user_partial(bad[i], buf, 16) == 16);
		KTEST_ASSERT(clear_user(bad[i], 16) == -EFAULT);
		KTEST_ASSERT(copy_to_user_partial(bad[i], buf, SIZE_MAX) == SIZE_MAX);
	}
	KTEST_ASSERT(strcmp(buf, "unchanged") == 0);
	KTEST_ASSERT(strncpy_from_user(buf, KERNEL_VMA, 16) == -EFAULT);
	KTEST_ASSERT(user_fault_in(KERNEL_VMA, true) == -EFAULT);
}

KTEST(nofault_copies_do_not_fault_pages_in)
{
	char c = 0;

	KTEST_ASSERT(user_space_enter(&us, PAGES));
	KTEST_ASSERT(copy_to_user_nofault(us.base, &c, 1) == 1);
	KTEST_ASSERT(user_fault_in(us.base, true) == 0);
	KTEST_ASSERT(copy_to_user_nofault(us.base, &c, 1) == 0);
	user_space_leave(&us);
}

KTEST(user_strings_end_at_nul_size_or_fault)
{
	char buf[16];
	uaddr_t end;

	KTEST_ASSERT(user_space_enter(&us, PAGES));
	end = us.base + PAGES * PAGE_SIZE;
	KTEST_ASSERT(copy_to_user(end - 6, "hello", 6) == 0);
	KTEST_ASSERT(strncpy_from_user(buf, end - 6, sizeof(buf)) == 5);
	KTEST_ASSERT(strcmp(buf, "hello") == 0);
	KTEST_ASSERT(strncpy_from_user(buf, end - 6, 5) == -ENAMETOOLONG);
	KTEST_ASSERT(strncpy_from_user(buf, end - 6, 6) == 5);
	KTEST_ASSERT(copy_to_user(end - 1, "x", 1) == 0);
	KTEST_ASSERT(strncpy_from_user(buf, end - 6, sizeof(buf)) == -EFAULT);
	user_space_leave(&us);
}

KTEST(user_words_are_exchanged_atomically)
{
	uint32_t v = 0;

	KTEST_ASSERT(user_space_enter(&us, PAGES));
	KTEST_ASSERT(user_load_u32_nofault(us.base, &v) == -EFAULT);
	KTEST_ASSERT(user_store_u32(us.base, 7) == 0);
	KTEST_ASSERT(user_load_u32(us.base, &v) == 0 && v == 7);
	KTEST_ASSERT(user_cmpxchg_u32_nofault(us.base, 8, 9, &v) == 0 && v == 7);
	KTEST_ASSERT(user_cmpxchg_u32_nofault(us.base, 7, 9, &v) == 0 && v == 7);
	KTEST_ASSERT(user_load_u32_nofault(us.base, &v) == 0 && v == 9);
	KTEST_ASSERT(user_load_u32(us.base + 2, &v) == -EFAULT);
	user_space_leave(&us);
}
