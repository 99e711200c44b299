/* Maps, their edits at heads, tails and middles, rights; brk and mremap. */
#include "tap.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define RW (PROT_READ | PROT_WRITE)

static unsigned char *map(size_t pages)
{
	unsigned char *p = mmap(NULL, pages * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static void fill(unsigned char *p, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		p[i * PAGE] = (unsigned char)(i + 1);
}

/* text has one letter a page: '-' unmapped or without rights, 'r' readable only, 'w' writable. */
static void check_rights(unsigned char *p, const char *text)
{
	for (size_t i = 0; text[i]; i++) {
		CHECK_EQ(tap_signal_of(tap_peek, p + i * PAGE), text[i] == '-' ? SIGSEGV : 0);
		CHECK_EQ(tap_signal_of(tap_poke, p + i * PAGE), text[i] == 'w' ? 0 : SIGSEGV);
	}
}

static int count_maps(unsigned char *p, size_t pages)
{
	unsigned long start, end;
	char line[512];
	int count = 0;
	FILE *f = fopen("/proc/self/maps", "r");

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 &&
			start < (unsigned long)(p + pages * PAGE) && end > (unsigned long)p)
			count++;
	fclose(f);
	return count;
}

TEST(anonymous_memory_is_zero)
{
	unsigned char *p = map(8);

	for (size_t i = 0; i < 8 * PAGE; i++)
		CHECK_EQ(p[i], 0);
}

TEST(mmap_checks_its_arguments)
{
	int fd = tap_file("file", 100);

	CHECK_ERR(mmap(NULL, 0, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), EINVAL);
	CHECK_ERR(mmap(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0), EINVAL);
	CHECK_ERR(mmap(NULL, PAGE, RW, MAP_PRIVATE, -1, 0), EBADF);
	CHECK_ERR(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 1), EINVAL);
	CHECK_ERR(
		mmap((void *)1, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), EINVAL);
	CHECK_ERR(mmap(NULL, (size_t)-PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
	CHECK_ERR(
		mmap((void *)(1UL << 47), PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
		ENOMEM);
}

TEST(mmap_takes_a_free_hint)
{
	unsigned char *p = map(4);

	CHECK(munmap(p, 4 * PAGE) == 0);
	CHECK(mmap(p, 4 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == p);
	CHECK(mmap(p, 4 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != p);
	CHECK_ERR(mmap(p, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
		EEXIST);
}

TEST(map_fixed_replaces)
{
	unsigned char *p = map(4);

	fill(p, 4);
	CHECK(mmap(p + PAGE, 2 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		p + PAGE);
	CHECK(p[0] == 1 && p[PAGE] == 0 && p[2 * PAGE] == 0 && p[3 * PAGE] == 4);
}

TEST(munmap_of_the_head)
{
	unsigned char *p = map(4);

	fill(p, 4);
	CHECK_EQ(munmap(p, PAGE), 0);
	check_rights(p, "-www");
	CHECK_EQ(p[PAGE], 2);
}

TEST(munmap_of_the_tail)
{
	unsigned char *p = map(4);

	fill(p, 4);
	CHECK_EQ(munmap(p + 3 * PAGE, PAGE), 0);
	check_rights(p, "www-");
}

TEST(munmap_of_the_middle)
{
	unsigned char *p = map(5);

	fill(p, 5);
	CHECK_EQ(munmap(p + 2 * PAGE, PAGE), 0);
	check_rights(p, "ww-ww");
	CHECK(p[PAGE] == 2 && p[3 * PAGE] == 4);
}

TEST(munmap_over_several_maps_and_holes)
{
	unsigned char *p = map(9);

	fill(p, 9);
	CHECK(munmap(p + PAGE, PAGE) == 0 && munmap(p + 4 * PAGE, 2 * PAGE) == 0);
	CHECK_EQ(munmap(p + PAGE, 7 * PAGE), 0);
	check_rights(p, "w-------w");
	CHECK_EQ(munmap(p + PAGE, 7 * PAGE), 0);
}

TEST(munmap_checks_its_arguments)
{
	unsigned char *p = map(2);

	CHECK_ERR(munmap(p + 1, PAGE), EINVAL);
	CHECK_ERR(munmap(p, 0), EINVAL);
	CHECK_ERR(munmap(p, (size_t)-1), EINVAL);
	/* The length is rounded up. */
	CHECK_EQ(munmap(p, PAGE + 1), 0);
	check_rights(p, "--");
}

TEST(mprotect_of_head_middle_and_tail)
{
	unsigned char *p = map(5);

	fill(p, 5);
	CHECK_EQ(mprotect(p, PAGE, PROT_READ), 0);
	check_rights(p, "rwwww");
	CHECK_EQ(mprotect(p + 2 * PAGE, PAGE, PROT_NONE), 0);
	check_rights(p, "rw-ww");
	CHECK_EQ(mprotect(p + 4 * PAGE, PAGE, PROT_READ), 0);
	check_rights(p, "rw-wr");
	CHECK_EQ(mprotect(p, 5 * PAGE, RW), 0);
	for (size_t i = 0; i < 5; i++)
		CHECK_EQ(p[i * PAGE], i + 1);
}

TEST(mprotect_none_and_back_keeps_the_contents)
{
	unsigned char *p = map(8);

	fill(p, 8);
	CHECK(mprotect(p, 8 * PAGE, PROT_NONE) == 0);
	CHECK_EQ(tap_signal_of(tap_peek, p), SIGSEGV);
	CHECK(mprotect(p, 8 * PAGE, PROT_READ) == 0);
	for (size_t i = 0; i < 8; i++)
		CHECK_EQ(p[i * PAGE], i + 1);
	CHECK_EQ(tap_signal_of(tap_poke, p), SIGSEGV);
}

TEST(mprotect_errors)
{
	unsigned char *p = map(3);
	int fd;

	CHECK_ERR(mprotect(p + 1, PAGE, PROT_READ), EINVAL);
	CHECK_ERR(mprotect(p, PAGE, 0x1000), EINVAL);
	CHECK(munmap(p + PAGE, PAGE) == 0);
	CHECK_ERR(mprotect(p, 3 * PAGE, PROT_READ), ENOMEM);
	CHECK_EQ(mprotect(p, 0, PROT_READ), 0);
	close(tap_file("file", 100));
	fd = open("file", O_RDONLY);
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK_ERR(mprotect(p, PAGE, RW), EACCES);
}

TEST(neighbours_with_the_same_rights_merge)
{
	unsigned char *p = map(6);

	fill(p, 6);
	CHECK(mprotect(p, 6 * PAGE, PROT_READ) == 0);
	int before = count_maps(p, 6);

	CHECK(mprotect(p + 2 * PAGE, PAGE, PROT_NONE) == 0);
	CHECK_EQ(count_maps(p, 6), before + 2);
	CHECK(mprotect(p + 2 * PAGE, PAGE, PROT_READ) == 0);
	CHECK_EQ(count_maps(p, 6), before);
	for (size_t i = 0; i < 6; i++)
		CHECK_EQ(p[i * PAGE], i + 1);
}

static int run_code(void *arg)
{
	return ((int (*)(void))arg)();
}

TEST(code_runs_only_with_the_right_to)
{
	static const unsigned char code[] = {0xb8, 0x2a, 0, 0, 0, 0xc3}; /* mov $42, %eax; ret */
	unsigned char *p = map(1);

	memcpy(p, code, sizeof(code));
	CHECK_EQ(tap_signal_of(run_code, p), SIGSEGV);
	CHECK(mprotect(p, PAGE, PROT_READ | PROT_EXEC) == 0);
	CHECK_EQ(tap_child(run_code, p), 42 << 8);
}

TEST(madvise_dontneed_gives_zeros)
{
	unsigned char *p = map(4);

	fill(p, 4);
	CHECK_EQ(madvise(p + PAGE, 2 * PAGE, MADV_DONTNEED), 0);
	CHECK(p[0] == 1 && p[PAGE] == 0 && p[2 * PAGE] == 0 && p[3 * PAGE] == 4);
	CHECK_ERR(madvise(p + 1, PAGE, MADV_DONTNEED), EINVAL);
	CHECK_ERR(madvise(p, PAGE, 12345), EINVAL);
	CHECK(munmap(p + PAGE, PAGE) == 0);
	CHECK_ERR(madvise(p, 3 * PAGE, MADV_DONTNEED), ENOMEM);
}

TEST(mincore_tells_what_is_resident)
{
	unsigned char *p = map(4), vec[4];

	p[PAGE] = 1;
	CHECK_EQ(mincore(p, 4 * PAGE, vec), 0);
	CHECK((vec[0] & 1) == 0 && (vec[1] & 1) == 1);
	CHECK_ERR(mincore(p + 1, PAGE, vec), EINVAL);
	CHECK(munmap(p, PAGE) == 0);
	CHECK_ERR(mincore(p, 4 * PAGE, vec), ENOMEM);
}

TEST(mremap_shrinks_grows_and_moves)
{
	unsigned char *p = map(8), *q;

	fill(p, 8);
	CHECK(mremap(p, 8 * PAGE, 4 * PAGE, 0) == p);
	check_rights(p, "wwww----");
	CHECK(mremap(p, 4 * PAGE, 6 * PAGE, 0) == p);
	CHECK(p[3 * PAGE] == 4 && p[4 * PAGE] == 0);
	CHECK(mmap(p + 6 * PAGE, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
		MAP_FAILED);
	CHECK_ERR(mremap(p, 6 * PAGE, 20 * PAGE, 0), ENOMEM);
	q = mremap(p, 6 * PAGE, 20 * PAGE, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED && q != p);
	for (size_t i = 0; i < 4; i++)
		CHECK_EQ(q[i * PAGE], i + 1);
	CHECK_EQ(q[19 * PAGE], 0);
	CHECK_EQ(tap_signal_of(tap_peek, p), SIGSEGV);
	CHECK_ERR(mremap(p, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);
	CHECK_ERR(mremap(q + 1, PAGE, PAGE, 0), EINVAL);
	CHECK_ERR(mremap(q, PAGE, 0, 0), EINVAL);
}

TEST(the_break_grows_and_shrinks)
{
	char *start = sbrk(0), *p = sbrk(5 * (long)PAGE);

	CHECK(p == start);
	memset(p, 1, 5 * PAGE);
	CHECK(sbrk(-5 * (long)PAGE) == start + 5 * PAGE);
	CHECK(sbrk(0) == start);
	p = sbrk(5 * (long)PAGE);
	/* Whole pages that were given back are zero when they come again. */
	p = (char *)(((unsigned long)p + PAGE - 1) & -PAGE);
	for (size_t i = 0; i < 4 * PAGE; i++)
		CHECK_EQ(p[i], 0);
}

TEST(address_space_limit_is_enomem)
{
	struct rlimit limit = {64 << 20, 64 << 20};

	CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
	CHECK_ERR(mmap(NULL, 128 << 20, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
	CHECK(mmap(NULL, 16 << 20, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	CHECK_ERR(sbrk(128 << 20), ENOMEM);
}

TEST(ten_thousand_maps)
{
	unsigned char *p = map(20000);

	for (size_t i = 0; i < 20000; i += 2)
		CHECK_EQ(mprotect(p + i * PAGE, PAGE, PROT_READ), 0);
	for (size_t i = 1; i < 20000; i += 200)
		p[i * PAGE] = (unsigned char)i;
	for (size_t i = 1; i < 20000; i += 200)
		CHECK_EQ(p[i * PAGE], (unsigned char)i);
	CHECK_EQ(munmap(p, 20000 * PAGE), 0);
}

static int recurse(void *arg)
{
	volatile char frame[4096];
	long depth = (long)arg;

	frame[0] = (char)depth;
	return depth == 0 ? 0 : recurse((void *)(depth - 1)) + (frame[0] != (char)depth);
}

TEST(the_stack_grows_to_its_limit_and_not_further)
{
	struct rlimit limit;

	CHECK_EQ(tap_child(recurse, (void *)500), 0);
	CHECK_EQ(getrlimit(RLIMIT_STACK, &limit), 0);
	if (limit.rlim_cur == RLIM_INFINITY)
		tap_skip("the stack has no limit");
	CHECK_EQ(tap_signal_of(recurse, (void *)(limit.rlim_cur / 4096 + 100)), SIGSEGV);
}

TEST(page_zero_faults)
{
	CHECK_EQ(tap_signal_of(tap_peek, NULL), SIGSEGV);
	CHECK_EQ(tap_signal_of(tap_poke, (void *)8), SIGSEGV);
	CHECK_EQ(tap_signal_of(tap_peek, (void *)0xffff800000000000UL), SIGSEGV);
	CHECK_EQ(tap_signal_of(tap_peek, (void *)0xffffffff80000000UL), SIGSEGV);
	CHECK_EQ(tap_signal_of(tap_peek, (void *)0x8000000000000000UL), SIGSEGV);
}

TEST(memory_given_back_comes_again_as_zero)
{
	for (int round = 0; round < 20; round++) {
		unsigned char *p = map(64);

		for (size_t i = 0; i < 64; i++)
			CHECK_EQ(p[i * PAGE + 123], 0);
		memset(p, 0xa5, 64 * PAGE);
		CHECK_EQ(munmap(p, 64 * PAGE), 0);
	}
}

TEST(mlock_faults_the_pages_in)
{
	unsigned char *p = map(4), vec[4];

	CHECK_EQ(mlock(p, 4 * PAGE), 0);
	CHECK_EQ(mincore(p, 4 * PAGE, vec), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(vec[i] & 1, 1);
	CHECK_EQ(munlock(p, 4 * PAGE), 0);
	CHECK(munmap(p, PAGE) == 0);
	CHECK_ERR(mlock(p, 4 * PAGE), ENOMEM);
}

TEST(map_populate_makes_pages_resident)
{
	unsigned char vec[8],
		*p = mmap(NULL, 8 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	CHECK(p != MAP_FAILED);
	CHECK_EQ(mincore(p, 8 * PAGE, vec), 0);
	for (int i = 0; i < 8; i++)
		CHECK_EQ(vec[i] & 1, 1);
}

TEST(fixed_noreplace_overwrites_nothing)
{
	unsigned char *p = map(6);

	fill(p, 6);
	CHECK(munmap(p + 2 * PAGE, 2 * PAGE) == 0);
	/* Over the head, the tail, all and the inside of what is there; then into the hole. */
	CHECK_ERR(mmap(p + 3 * PAGE, 2 * PAGE, RW,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
		EEXIST);
	CHECK_ERR(mmap(p + PAGE, 2 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			  -1, 0),
		EEXIST);
	CHECK_ERR(mmap(p, 6 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
		EEXIST);
	CHECK(p[PAGE] == 2 && p[4 * PAGE] == 5);
	CHECK(mmap(p + 2 * PAGE, 2 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		      -1, 0) == p + 2 * PAGE);
}

TEST(flags_that_are_not_known_are_refused_by_shared_validate)
{
	int fd = tap_file("file", PAGE);

	CHECK_ERR(mmap(NULL, PAGE, PROT_READ, 3 | 0x80000000, fd, 0), EOPNOTSUPP);
	CHECK(mmap(NULL, PAGE, PROT_READ, 3, fd, 0) != MAP_FAILED);
	CHECK(mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | 0x40000, -1, 0) == MAP_FAILED);
}

TEST(madvise_free_may_drop_and_keeps_what_is_written_after)
{
	unsigned char *p = map(4);

	fill(p, 4);
	CHECK_EQ(madvise(p, 4 * PAGE, 8 /* MADV_FREE */), 0);
	for (size_t i = 0; i < 4; i++)
		CHECK(p[i * PAGE] == 0 || p[i * PAGE] == i + 1);
	fill(p, 4);
	for (size_t i = 0; i < 4; i++)
		CHECK_EQ(p[i * PAGE], i + 1);
	CHECK_ERR(madvise(p, PAGE, 9999), EINVAL);
}

/* CVE-2019-9213: a stack at the bottom of user space does not grow into page 0. */
TEST(no_stack_grows_into_page_0)
{
	unsigned char *low = mmap((void *)(64 << 10), PAGE, RW,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_GROWSDOWN, -1, 0);

	CHECK(low == (void *)(64 << 10));
	CHECK_EQ(tap_signal_of(tap_poke, low), 0);
	CHECK_EQ(tap_signal_of(tap_poke, (void *)8), SIGSEGV);
	CHECK_EQ(tap_signal_of(tap_peek, (void *)(PAGE - 1)), SIGSEGV);
	CHECK_EQ(tap_signal_of(tap_poke, low - PAGE), SIGSEGV);
}
