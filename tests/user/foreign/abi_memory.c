/* Memory by the Linux ABI: arguments of the mm calls that programs built for Linux come with. */
#include "tap.h"
#include <fcntl.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 3
#endif
#ifndef MADV_COLD
#define MADV_COLD 20
#endif
#ifndef PROT_SEM
#define PROT_SEM 8
#endif
#define MADV_DONTNEED_LOCKED 24
#define PRIVATE_ANON	     (MAP_PRIVATE | MAP_ANONYMOUS)

static char *anon(size_t pages)
{
	char *a = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, PRIVATE_ANON, -1, 0);

	CHECK(a != MAP_FAILED);
	return a;
}

static long map(void *at, int prot, int flags, int fd)
{
	return syscall(SYS_mmap, at, PAGE, prot, flags, fd, 0);
}

TEST(kinds_of_mappings_that_there_are_not)
{
	int fd = tap_file("f", PAGE);

	CHECK_ERR(map(NULL, PROT_READ, MAP_ANONYMOUS | MAP_SHARED | MAP_PRIVATE, -1), EINVAL);
	CHECK_ERR(map(NULL, PROT_READ, MAP_ANONYMOUS | MAP_SHARED_VALIDATE, -1), EINVAL);
	CHECK(map(NULL, PROT_READ, MAP_SHARED_VALIDATE, fd) != -1);
	CHECK_ERR(map(NULL, PROT_READ, MAP_GROWSDOWN | MAP_SHARED | MAP_ANONYMOUS, -1), EINVAL);
	CHECK_ERR(map(NULL, PROT_READ, MAP_GROWSDOWN | MAP_PRIVATE, fd), EINVAL);
	CHECK(map(NULL, PROT_READ, MAP_GROWSDOWN | MAP_PRIVATE | MAP_ANONYMOUS, -1) != -1);
}

TEST(a_hint_inside_a_page_means_the_page)
{
	CHECK_EQ(map((void *)0x20005123, PROT_READ, PRIVATE_ANON, -1), 0x20005000);
}

TEST(mprotect_of_nothing_and_semaphores)
{
	char *a = anon(1);

	CHECK_EQ(syscall(SYS_mprotect, a, 0, 0x1000), 0);
	CHECK_ERR(syscall(SYS_mprotect, a + 1, 0, PROT_READ), EINVAL);
	CHECK_EQ(syscall(SYS_mprotect, a, PAGE, PROT_READ | PROT_WRITE | PROT_SEM), 0);
	CHECK_ERR(syscall(SYS_mprotect, a, PAGE, 0x10), EINVAL);
	a[0] = 1;
}

TEST(mremap_cuts_a_tail_across_mappings)
{
	char *a = anon(8);

	CHECK_EQ(mprotect(a + 2 * PAGE, PAGE, PROT_READ), 0);
	CHECK_EQ(munmap(a + 4 * PAGE, PAGE), 0);
	a[0] = 3;
	CHECK_EQ(syscall(SYS_mremap, a, 8 * PAGE, 8 * PAGE, 0), (long)a);
	CHECK_ERR(syscall(SYS_mremap, a, 8 * PAGE, 9 * PAGE, MREMAP_MAYMOVE), EFAULT);
	CHECK_EQ(syscall(SYS_mremap, a, 8 * PAGE, 3 * PAGE, 0), (long)a);
	CHECK_ERR(msync(a + 3 * PAGE, PAGE, MS_ASYNC), ENOMEM);
	CHECK_ERR(msync(a + 7 * PAGE, PAGE, MS_ASYNC), ENOMEM);
	CHECK_EQ(msync(a, 3 * PAGE, MS_ASYNC), 0);
	CHECK_EQ(a[0], 3);
	/* What grows must be one. */
	CHECK_ERR(syscall(SYS_mremap, a, 3 * PAGE, 4 * PAGE, MREMAP_MAYMOVE), EFAULT);
}

TEST(advice_on_locked_pages)
{
	char *a = anon(2);

	a[0] = 1;
	CHECK_EQ(mlock(a, PAGE), 0);
	CHECK_ERR(madvise(a, PAGE, MADV_DONTNEED), EINVAL);
	CHECK_ERR(madvise(a, PAGE, MADV_COLD), EINVAL);
	CHECK_EQ(madvise(a + PAGE, PAGE, MADV_COLD), 0);
	CHECK_EQ(a[0], 1);
	if (madvise(a + PAGE, PAGE, MADV_DONTNEED_LOCKED) < 0)
		tap_skip("no MADV_DONTNEED_LOCKED");
	CHECK_EQ(madvise(a, PAGE, MADV_DONTNEED_LOCKED), 0);
	CHECK_EQ(a[0], 0);
}

TEST(what_is_beyond_user_memory_is_not_mapped)
{
	void *kernel = (void *)0xffff800000000000ul;

	CHECK_ERR(madvise(kernel, PAGE, MADV_DONTNEED), ENOMEM);
	CHECK_ERR(madvise(kernel, PAGE, 99), EINVAL);
	CHECK_ERR(mlock(kernel, PAGE), ENOMEM);
	CHECK_ERR(munlock(kernel, PAGE), ENOMEM);
}

static sigjmp_buf back;
static volatile siginfo_t seen;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	seen = *info;
	siglongjmp(back, 1);
}

/*
 * A local descriptor table would be read by the CPU itself, with the kernel's rights: there is
 * none, not even one in memory that the program maps.
 */
TEST(there_is_no_local_descriptor_table)
{
	struct sigaction act = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	uint64_t *table = mmap((void *)0x10000, 16 * PAGE, PROT_READ | PROT_WRITE,
		PRIVATE_ANON | MAP_FIXED, -1, 0);
	uint64_t *low =
		mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, PRIVATE_ANON | MAP_FIXED, -1, 0);

	/* Descriptors of data segments that anybody may load, wherever the table should lie. */
	for (size_t i = 0; table != MAP_FAILED && i < 16 * PAGE / 8; i++)
		table[i] = 0x00cff3000000ffff;
	for (size_t i = 0; low != MAP_FAILED && i < 16 * PAGE / 8; i++)
		((volatile uint64_t *)low)[i] = 0x00cff3000000ffff;
	sigaction(SIGSEGV, &act, NULL);
	if (sigsetjmp(back, 1) == 0) {
		__asm__ volatile("mov %0, %%es" : : "r"(0x1237));
		tap_fail(__FILE__, __LINE__, "a selector of the local table was loaded");
	}
	CHECK_EQ(seen.si_code, SI_KERNEL);
}
