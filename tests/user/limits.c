/*
 * What a program may have: resource limits of memory, the commit limit, the stack's gap, and where
 * things are placed. Settings of the whole machine are changed on Quire only.
 */
#include "tap.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define RW		  (PROT_READ | PROT_WRITE)
#define ANON		  (MAP_PRIVATE | MAP_ANONYMOUS)
#define MIB		  ((size_t)1 << 20)
#define ADDR_NO_RANDOMIZE 0x0040000L

static void set(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), (long)strlen(text));
	close(fd);
}

static void refuses(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	CHECK(fd >= 0);
	CHECK_ERR(write(fd, text, strlen(text)), EINVAL);
	close(fd);
}

static void limit(int what, size_t bytes)
{
	struct rlimit rl;

	CHECK_EQ(getrlimit(what, &rl), 0);
	rl.rlim_cur = bytes;
	CHECK_EQ(setrlimit(what, &rl), 0);
}

static size_t vm_size(void)
{
	return tap_number("/proc/self/status", "VmSize") << 10;
}

static char *map(size_t len, int prot, int flags)
{
	return mmap(NULL, len, prot, flags, -1, 0);
}

/* ---- resource limits ---- */

TEST(rlimit_as_bounds_every_way_to_grow)
{
	char *p = map(MIB, RW, ANON), *brk0;

	CHECK(p != MAP_FAILED);
	limit(RLIMIT_AS, vm_size() + 2 * MIB);
	brk0 = sbrk(0);
	CHECK(map(MIB, PROT_NONE, ANON) != MAP_FAILED);
	CHECK_ERR(map(2 * MIB, RW, ANON), ENOMEM);
	CHECK_ERR(map(2 * MIB, PROT_READ, MAP_SHARED | MAP_ANONYMOUS), ENOMEM);
	CHECK_ERR(mremap(p, MIB, 4 * MIB, MREMAP_MAYMOVE), ENOMEM);
	CHECK(sbrk(4 * MIB) == (void *)-1);
	CHECK_EQ(errno, ENOMEM);
	CHECK(sbrk(0) == brk0);
	CHECK_EQ(munmap(p, MIB), 0);
	CHECK(map(MIB, RW, ANON) != MAP_FAILED);
}

TEST(rlimit_as_counts_a_fixed_map_once)
{
	char *p = map(MIB, RW, ANON);

	limit(RLIMIT_AS, vm_size());
	CHECK(mmap(p, MIB, RW, ANON | MAP_FIXED, -1, 0) == p);
}

TEST(rlimit_data_bounds_private_writable_memory)
{
	char *ro = map(8 * MIB, PROT_READ, ANON);

	CHECK(ro != MAP_FAILED);
	limit(RLIMIT_DATA, (tap_number("/proc/self/status", "VmData") << 10) + 2 * MIB);
	CHECK_ERR(map(4 * MIB, RW, ANON), ENOMEM);
	CHECK(map(4 * MIB, PROT_READ, ANON) != MAP_FAILED);
	CHECK(map(4 * MIB, RW, MAP_SHARED | MAP_ANONYMOUS) != MAP_FAILED);
	CHECK_ERR(mprotect(ro, 8 * MIB, RW), ENOMEM);
	CHECK_EQ(mprotect(ro, MIB, RW), 0);
	CHECK(sbrk(8 * MIB) == (void *)-1);
	CHECK_EQ(errno, ENOMEM);
}

static int __attribute__((__noinline__)) deep(volatile char *above, size_t left)
{
	volatile char page[4096];

	page[0] = above ? above[0] : 1;
	page[4095] = (char)left;
	if (left > sizeof(page))
		return deep(page, left - sizeof(page)) + page[4095];
	return page[0];
}

static int go_deep(void *arg)
{
	return deep(NULL, *(size_t *)arg) == -1;
}

TEST(rlimit_stack_bounds_the_stack)
{
	size_t some = 300 << 10, more = 3 * MIB;

	limit(RLIMIT_STACK, MIB);
	CHECK_EQ(tap_signal_of(go_deep, &some), 0);
	CHECK_EQ(tap_signal_of(go_deep, &more), SIGSEGV);
	limit(RLIMIT_STACK, 8 * MIB);
	CHECK_EQ(tap_signal_of(go_deep, &more), 0);
}

static int poke_below(void *arg)
{
	char *top = arg;

	for (size_t i = 1; i <= 64; i++)
		top[-(long)(i * PAGE)] = 1;
	return 0;
}

TEST(a_growing_area_stays_256_pages_away_from_its_neighbour)
{
	char *p = map(1024 * PAGE, RW, ANON), *stack = p + 600 * PAGE;

	CHECK_EQ(munmap(p + PAGE, 1023 * PAGE), 0);
	CHECK(mmap(stack, PAGE, RW, ANON | MAP_FIXED | MAP_GROWSDOWN, -1, 0) == stack);
	/* 599 pages lie between: it may grow to 256 pages above the neighbour. */
	CHECK_EQ(tap_signal_of(poke_below, stack), 0);
	CHECK_EQ(tap_signal_of(tap_poke, p + 258 * PAGE), 0);
	CHECK_EQ(tap_signal_of(tap_poke, p + 250 * PAGE), SIGSEGV);
	CHECK_EQ(tap_signal_of(tap_poke, p + 2 * PAGE), SIGSEGV);
}

/* ---- the commit limit ---- */

TEST(more_than_any_machine_has_is_refused)
{
	char mode = '?';
	int fd = open("/proc/sys/vm/overcommit_memory", O_RDONLY);

	CHECK_EQ(read(fd, &mode, 1), 1);
	if (mode != '0')
		tap_skip("overcommit_memory is not 0");
	CHECK_ERR(map((size_t)32 << 40, RW, ANON), ENOMEM);
	CHECK_ERR(map((size_t)32 << 40, RW, MAP_SHARED | MAP_ANONYMOUS), ENOMEM);
	CHECK(map((size_t)32 << 40, RW, ANON | MAP_NORESERVE) != MAP_FAILED);
	CHECK(map((size_t)32 << 40, PROT_NONE, ANON) != MAP_FAILED);
}

static size_t committed(void)
{
	return tap_number("/proc/meminfo", "Committed_AS") >> 2;
}

TEST(committed_as_follows_every_edit)
{
	size_t base;
	char *p;

	tap_only_on_quire("changes a setting of the machine");
	base = committed();
	p = map(64 * PAGE, RW, ANON);
	CHECK_EQ(committed(), base + 64);
	CHECK_EQ(munmap(p + 16 * PAGE, 16 * PAGE), 0);
	CHECK_EQ(committed(), base + 48);
	CHECK_EQ(mprotect(p, 8 * PAGE, PROT_READ), 0);
	CHECK_EQ(committed(), base + 48);
	CHECK(mmap(p + 16 * PAGE, 16 * PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0) != MAP_FAILED);
	CHECK_EQ(committed(), base + 48);
	CHECK_EQ(mprotect(p, 64 * PAGE, RW), 0);
	CHECK_EQ(committed(), base + 64);
	p = mremap(p, 64 * PAGE, 128 * PAGE, MREMAP_MAYMOVE);
	CHECK(p != MAP_FAILED);
	CHECK_EQ(committed(), base + 128);
	CHECK_EQ(munmap(p, 128 * PAGE), 0);
	CHECK_EQ(committed(), base);
	p = map(64 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS);
	CHECK_EQ(committed(), base + 64);
	CHECK_EQ(munmap(p, 32 * PAGE), 0);
	CHECK_EQ(committed(), base + 64);
	CHECK_EQ(munmap(p + 32 * PAGE, 32 * PAGE), 0);
	CHECK_EQ(committed(), base);
	CHECK(map(64 * PAGE, RW, ANON | MAP_NORESERVE) != MAP_FAILED);
	CHECK_EQ(committed(), base);
}

static int strict_part(void *arg)
{
	size_t left = (tap_number("/proc/meminfo", "CommitLimit") -
			      tap_number("/proc/meminfo", "Committed_AS"))
		      << 10;
	size_t half = left / 5 * 3 / PAGE * PAGE;
	char *p, *ro;

	(void)arg;
	CHECK_ERR(map(left + MIB, RW, ANON), ENOMEM);
	CHECK_ERR(map(left + MIB, RW, ANON | MAP_NORESERVE), ENOMEM);
	CHECK_ERR(map(left + MIB, RW, MAP_SHARED | MAP_ANONYMOUS), ENOMEM);
	p = map(half, RW, ANON);
	CHECK(p != MAP_FAILED);
	CHECK_ERR(fork(), ENOMEM);
	CHECK_ERR(mremap(p, half, 2 * half, MREMAP_MAYMOVE), ENOMEM);
	ro = map(half, PROT_READ, ANON);
	CHECK(ro != MAP_FAILED);
	CHECK_ERR(mprotect(ro, half, RW), ENOMEM);
	CHECK(sbrk((long)half) == (void *)-1);
	CHECK_EQ(munmap(p, half), 0);
	CHECK_EQ(mprotect(ro, half, RW), 0);
	return 0;
}

TEST(strict_mode_promises_only_what_there_is)
{
	int status;

	tap_only_on_quire("changes a setting of the machine");
	set("/proc/sys/vm/overcommit_memory", "2");
	status = tap_child(strict_part, NULL);
	set("/proc/sys/vm/overcommit_memory", "0");
	CHECK_EQ(status, 0);
	CHECK_EQ(tap_number("/proc/meminfo", "CommitLimit"),
		tap_number("/proc/meminfo", "MemTotal") / 4 / 2 * 4);
}

TEST(always_mode_promises_anything)
{
	char *p;

	tap_only_on_quire("changes a setting of the machine");
	set("/proc/sys/vm/overcommit_memory", "1");
	p = map((size_t)32 << 40, RW, ANON);
	set("/proc/sys/vm/overcommit_memory", "0");
	CHECK(p != MAP_FAILED);
}

TEST(max_map_count_is_kept)
{
	char *p = NULL;
	int i;

	tap_only_on_quire("changes a setting of the machine");
	set("/proc/sys/vm/max_map_count", "100");
	for (i = 0; i < 200; i++) {
		/* Not to be joined with a neighbour. */
		p = map(PAGE, i % 2 ? PROT_READ : RW, ANON);
		if (p == MAP_FAILED)
			break;
	}
	set("/proc/sys/vm/max_map_count", "65530");
	CHECK_EQ(p == MAP_FAILED ? errno : 0, ENOMEM);
	CHECK(i > 10 && i < 100);
}

/* 0 turns the flusher's clock off: what is dirty is written by sync all the same. */
TEST(dirty_writeback_centisecs_is_a_delay)
{
	static const char path[] = "/proc/sys/vm/dirty_writeback_centisecs";
	char text[16] = "";
	int fd;

	tap_only_on_quire("changes a setting of the machine");
	set(path, "1");
	refuses(path, "2147483648");
	refuses(path, "-1");
	fd = open(path, O_RDONLY);
	CHECK_EQ(read(fd, text, sizeof(text) - 1), 2);
	close(fd);
	CHECK_EQ(strcmp(text, "1\n"), 0);
	set(path, "0");
	fd = open("/dirty", O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, sizeof(text)), (ssize_t)sizeof(text));
	CHECK_EQ(fsync(fd), 0);
	CHECK_EQ(unlink("/dirty"), 0);
	close(fd);
	set(path, "500");
}

/* ---- places ---- */

struct places {
	unsigned long heap, stack, areas;
};

static void get_places(struct places *at)
{
	unsigned long start, end;
	char line[512];
	FILE *f = popen("cat /proc/self/maps", "r");

	CHECK(f);
	memset(at, 0, sizeof(*at));
	while (fgets(line, sizeof(line), f)) {
		CHECK_EQ(sscanf(line, "%lx-%lx", &start, &end), 2);
		if (strstr(line, "[heap]"))
			at->heap = start;
		else if (strstr(line, "[stack]"))
			at->stack = end;
		else if (strstr(line, "[vvar]") || strstr(line, "[vdso]"))
			at->areas = start;
	}
	pclose(f);
	CHECK(at->stack);
}

TEST(places_are_random)
{
	struct places first, next;
	int stack = 0, areas = 0;

	get_places(&first);
	for (int i = 0; i < 4; i++) {
		get_places(&next);
		stack += next.stack != first.stack;
		areas += next.areas != first.areas;
	}
	CHECK(stack > 0);
	CHECK(areas > 0);
}

static int same_places(void *arg)
{
	struct places first, next;

	(void)arg;
	if (syscall(SYS_personality, ADDR_NO_RANDOMIZE) < 0)
		return 77;
	get_places(&first);
	for (int i = 0; i < 3; i++) {
		get_places(&next);
		if (memcmp(&first, &next, sizeof(first)) != 0)
			return 1;
	}
	return 0;
}

TEST(personality_switches_randomness_off)
{
	int status = tap_child(same_places, NULL);

	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		tap_skip("personality(2) is refused here");
	CHECK_EQ(status, 0);
}

TEST(randomize_va_space_switches_randomness_off)
{
	struct places first, next;

	tap_only_on_quire("changes a setting of the machine");
	set("/proc/sys/kernel/randomize_va_space", "0");
	get_places(&first);
	get_places(&next);
	set("/proc/sys/kernel/randomize_va_space", "2");
	CHECK_EQ(memcmp(&first, &next, sizeof(first)), 0);
}
