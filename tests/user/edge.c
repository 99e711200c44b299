/*
 * Ranges that wrap, reach the kernel or end just short of it, for every call about memory: the most
 * common bug of young kernels (CVE-2003-0961 and many after it). Each is refused with the error of
 * its man page, and a canary stays as it was; lengths are rounded up to pages and no further.
 */
#include "tap.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define RW    (PROT_READ | PROT_WRITE)
#define ANON  (MAP_PRIVATE | MAP_ANONYMOUS)
#define TOP   (1UL << 47) /* the first address that no program has */
#define COUNT 8

static unsigned char *canary;

/*
 * Ranges that are not all user space, whatever they begin with. (What lies before a hole may be
 * changed by some calls: they are tried with what changes nothing.)
 */
static struct {
	unsigned long start, len;
} wild[] = {
	{0, 0},				   /* the canary's page to the end of everything */
	{0, 0},				   /* ... and round to the page before it */
	{0, 0},				   /* ... and to the end of user space and a page */
	{TOP - PAGE, 2 * PAGE},		   /* over the edge */
	{TOP, PAGE},			   /* behind it */
	{1UL << 63, PAGE},		   /* no address at all */
	{0xffff800000000000UL, PAGE},	   /* the kernel's */
	{0xffffffff80000000UL, 1UL << 20}, /* its image */
	{-PAGE, PAGE},			   /* the last page there is */
	{-PAGE, 2 * PAGE},		   /* wraps to page 0 */
	{PAGE * 16, -(PAGE * 16)},	   /* everything above */
	{TOP - PAGE, -(TOP - 2 * PAGE)},   /* wraps to low memory */
};

#define WILD (sizeof(wild) / sizeof(wild[0]))

static void set_up(void)
{
	canary = mmap(NULL, (COUNT + 1) * PAGE, RW, ANON, -1, 0);
	CHECK(canary != MAP_FAILED);
	/* A hole behind it: no call gets further. */
	CHECK_EQ(munmap(canary + COUNT * PAGE, PAGE), 0);
	for (size_t i = 0; i < COUNT; i++)
		memset(canary + i * PAGE, (int)i + 1, PAGE);
	wild[0].start = wild[1].start = wild[2].start = (unsigned long)canary;
	wild[0].len = -(unsigned long)canary;
	wild[1].len = -PAGE;
	wild[2].len = TOP - (unsigned long)canary + PAGE;
}

static void check_canary(void)
{
	for (size_t i = 0; i < COUNT * PAGE; i++)
		CHECK_EQ(canary[i], i / PAGE + 1);
	canary[0] = 1;
}

static void refused(const char *call, size_t which, long result, int a, int b)
{
	if (result != -1 || (errno != a && errno != b))
		tap_fail(__FILE__, __LINE__, "%s of range %zu (%#lx + %#lx) gives %ld, errno %d",
			call, which, wild[which].start, wild[which].len, result, errno);
	check_canary();
}

#define CHECK_REFUSED(call, a, b)                               \
	do {                                                    \
		set_up();                                       \
		for (size_t i_ = 0; i_ < WILD; i_++) {          \
			unsigned long at = wild[i_].start;      \
			unsigned long len = wild[i_].len;       \
			errno = 0;                              \
			refused(#call, i_, (long)(call), a, b); \
		}                                               \
	} while (0)

TEST(munmap_of_wild_ranges)
{
	CHECK_REFUSED(syscall(SYS_munmap, at, len), EINVAL, EINVAL);
}

TEST(mmap_fixed_of_wild_ranges)
{
	CHECK_REFUSED(syscall(SYS_mmap, at, len, RW, ANON | MAP_FIXED | MAP_NORESERVE, -1, 0),
		ENOMEM, EINVAL);
	CHECK_REFUSED(
		syscall(SYS_mmap, at, len, RW, ANON | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0),
		ENOMEM, EINVAL);
}

TEST(mprotect_of_wild_ranges)
{
	CHECK_REFUSED(syscall(SYS_mprotect, at, len, RW), ENOMEM, EINVAL);
}

TEST(madvise_of_wild_ranges)
{
	CHECK_REFUSED(syscall(SYS_madvise, at, len, MADV_WILLNEED), ENOMEM, EINVAL);
	CHECK_REFUSED(syscall(SYS_madvise, at, len, MADV_DONTFORK), ENOMEM, EINVAL);
}

TEST(msync_of_wild_ranges)
{
	CHECK_REFUSED(syscall(SYS_msync, at, len, MS_SYNC), ENOMEM, EINVAL);
}

TEST(mlock_of_wild_ranges)
{
	CHECK_REFUSED(syscall(SYS_mlock, at, len), ENOMEM, EINVAL);
	CHECK_REFUSED(syscall(SYS_mlock2, at, len, 1), ENOMEM, EINVAL);
	CHECK_REFUSED(syscall(SYS_munlock, at, len), ENOMEM, EINVAL);
}

TEST(mincore_of_wild_ranges)
{
	static unsigned char vec[1 << 16];

	CHECK_REFUSED(syscall(SYS_mincore, at, len, vec), ENOMEM, EINVAL);
}

TEST(mremap_of_wild_ranges)
{
	CHECK_REFUSED(syscall(SYS_mremap, at, len, PAGE, 0), EFAULT, EINVAL);
	CHECK_REFUSED(syscall(SYS_mremap, at, len, 2 * PAGE, MREMAP_MAYMOVE), EFAULT, EINVAL);
	CHECK_REFUSED(
		syscall(SYS_mremap, canary, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at | 1, len),
		EINVAL, EINVAL);
}

TEST(mremap_to_wild_places_and_lengths)
{
	static const unsigned long places[] = {
		TOP - PAGE, TOP, 1UL << 63, 0xffffffff80000000UL, -PAGE};
	static const unsigned long lengths[] = {
		TOP, TOP - PAGE, 1UL << 63, -PAGE, -(2 * PAGE), -1UL};

	set_up();
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		CHECK_ERR(syscall(SYS_mremap, canary, PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
				  places[i]),
			EINVAL);
		check_canary();
	}
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		for (int flags = 0; flags <= MREMAP_MAYMOVE; flags++) {
			errno = 0;
			CHECK_EQ(syscall(SYS_mremap, canary, PAGE, lengths[i], flags), -1);
			CHECK(errno == EINVAL || errno == ENOMEM || errno == EFAULT);
			check_canary();
		}
	}
}

TEST(mmap_of_wild_lengths)
{
	static const unsigned long lengths[] = {
		TOP, TOP - PAGE, TOP + PAGE, 1UL << 63, (1UL << 63) - 1, -PAGE, -(PAGE - 1), -1UL};
	int fd = tap_file("file", PAGE);

	set_up();
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		CHECK_ERR(syscall(SYS_mmap, 0, lengths[i], PROT_NONE, ANON | MAP_NORESERVE, -1, 0),
			ENOMEM);
		CHECK_ERR(syscall(SYS_mmap, canary, lengths[i], PROT_NONE, ANON | MAP_NORESERVE, -1,
				  0),
			ENOMEM);
		errno = 0;
		CHECK_EQ(syscall(SYS_mmap, 0, lengths[i], PROT_READ, MAP_SHARED, fd, 0), -1);
		CHECK(errno == ENOMEM || errno == EOVERFLOW);
		check_canary();
	}
}

TEST(mmap_of_wild_offsets)
{
	int fd = tap_file("file", PAGE);

	CHECK_ERR(syscall(SYS_mmap, 0, PAGE, PROT_READ, MAP_SHARED, fd, PAGE - 1), EINVAL);
	CHECK_ERR(syscall(SYS_mmap, 0, PAGE, PROT_READ, MAP_SHARED, fd, -PAGE), EOVERFLOW);
	CHECK_ERR(syscall(SYS_mmap, 0, 2 * PAGE, PROT_READ, MAP_SHARED, fd, -PAGE), EOVERFLOW);
	CHECK_ERR(syscall(SYS_mmap, 0, PAGE, PROT_READ, MAP_SHARED, fd, 1UL << 63), EOVERFLOW);
}

/*
 * CVE-2011-2496: a map of a file's far end that grows. There is nothing to see, and nothing breaks.
 */
TEST(a_map_of_the_far_end_of_a_file_grows_into_nothing)
{
	int fd = tap_file("file", PAGE);
	char *p = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0x7ffffffe000);

	CHECK(p != MAP_FAILED);
	CHECK_EQ(tap_signal_of(tap_peek, p), SIGBUS);
	p = mremap(p, PAGE, 1UL << 40, MREMAP_MAYMOVE);
	CHECK(p != MAP_FAILED);
	CHECK_EQ(tap_signal_of(tap_peek, p), SIGBUS);
	CHECK_EQ(tap_signal_of(tap_poke, p + (1UL << 40) - PAGE), SIGBUS);
	CHECK_EQ(munmap(p, 1UL << 40), 0);
}

TEST(brk_of_wild_places)
{
	static const unsigned long places[] = {
		1, PAGE, TOP - 1, TOP, 1UL << 63, 0xffff800000000000UL, -PAGE, -1UL};
	unsigned long now = (unsigned long)syscall(SYS_brk, 0);

	set_up();
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		CHECK_EQ(syscall(SYS_brk, places[i]), now);
		check_canary();
	}
	CHECK_EQ(syscall(SYS_brk, 0), now);
}

static int is_mapped(void *at)
{
	unsigned char vec;

	return mincore(at, PAGE, &vec) == 0;
}

TEST(lengths_are_rounded_up_to_pages)
{
	static const size_t lengths[] = {1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE - 1};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		size_t pages = (lengths[i] + PAGE - 1) / PAGE;

		set_up();
		CHECK_EQ(syscall(SYS_mprotect, canary + PAGE, lengths[i], PROT_READ), 0);
		CHECK_EQ(tap_signal_of(tap_poke, canary + pages * PAGE), SIGSEGV);
		CHECK_EQ(tap_signal_of(tap_poke, canary + (pages + 1) * PAGE), 0);
		CHECK_EQ(syscall(SYS_mprotect, canary, COUNT * PAGE, RW), 0);
		CHECK_EQ(syscall(SYS_madvise, canary + PAGE, lengths[i], MADV_DONTNEED), 0);
		CHECK_EQ(canary[pages * PAGE], 0);
		CHECK_EQ(canary[(pages + 1) * PAGE], pages + 2);
		CHECK_EQ(syscall(SYS_munmap, canary + PAGE, lengths[i]), 0);
		CHECK(is_mapped(canary) && is_mapped(canary + (pages + 1) * PAGE));
		CHECK(!is_mapped(canary + PAGE) && !is_mapped(canary + pages * PAGE));
		CHECK_EQ(canary[0], 1);
		CHECK_EQ(canary[(pages + 1) * PAGE], pages + 2);
	}
}

TEST(length_0_is_nothing_or_an_error)
{
	set_up();
	CHECK_ERR(syscall(SYS_munmap, canary, 0), EINVAL);
	CHECK_ERR(syscall(SYS_mmap, canary, 0, RW, ANON | MAP_FIXED, -1, 0), EINVAL);
	CHECK_EQ(syscall(SYS_mprotect, canary, 0, PROT_NONE), 0);
	CHECK_EQ(syscall(SYS_madvise, canary, 0, MADV_DONTNEED), 0);
	CHECK_EQ(syscall(SYS_msync, canary, 0, MS_SYNC), 0);
	CHECK_EQ(syscall(SYS_mlock, canary, 0), 0);
	CHECK_ERR(syscall(SYS_mremap, canary, PAGE, 0, 0), EINVAL);
	/* Of private memory there is no second mapping. */
	CHECK_ERR(syscall(SYS_mremap, canary, 0, PAGE, MREMAP_MAYMOVE), EINVAL);
	check_canary();
}

TEST(the_last_page_of_user_space_is_nobodys)
{
	CHECK_ERR(syscall(SYS_mmap, TOP - PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0), ENOMEM);
	CHECK_EQ(syscall(SYS_mmap, TOP - 2 * PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0),
		TOP - 2 * PAGE);
	CHECK_EQ(tap_signal_of(tap_poke, (void *)(TOP - 2 * PAGE)), 0);
	CHECK_EQ(tap_signal_of(tap_peek, (void *)(TOP - PAGE)), SIGSEGV);
	CHECK_EQ(munmap((void *)(TOP - 2 * PAGE), PAGE), 0);
}

TEST(the_address_space_runs_out_and_comes_back)
{
	const size_t big = 1UL << 44;
	char *got[16];
	int n = 0;

	while (n < 16) {
		got[n] = mmap(NULL, big, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
		if (got[n] == MAP_FAILED)
			break;
		n++;
	}
	CHECK(n >= 6 && n <= 7);
	CHECK_EQ(errno, ENOMEM);
	CHECK(mmap(NULL, PAGE, RW, ANON, -1, 0) != MAP_FAILED);
	CHECK_EQ(munmap(got[0], big), 0);
	CHECK(mmap(NULL, big / 2, PROT_NONE, ANON | MAP_NORESERVE, -1, 0) != MAP_FAILED);
}

TEST(memory_of_others_at_wild_places)
{
	char byte;
	struct iovec local = {&byte, 1}, remote;

	for (size_t i = 3; i < WILD; i++) {
		remote = (struct iovec){(void *)wild[i].start, 1};
		CHECK_ERR(
			syscall(SYS_process_vm_readv, getpid(), &local, 1, &remote, 1, 0), EFAULT);
		CHECK_ERR(
			syscall(SYS_process_vm_writev, getpid(), &local, 1, &remote, 1, 0), EFAULT);
	}
	remote = (struct iovec){&byte, (size_t)-1};
	CHECK_ERR(syscall(SYS_process_vm_readv, getpid(), &local, 1, &remote, 1, 0), EINVAL);
}
