/* The shared object that the kernel puts into every program: found as vdso(7) says, then called. */
#include "tap.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#define AT_SYSINFO_EHDR 33

/* ELF, as far as it takes (System V ABI, chapters 4 and 5). */
struct header {
	unsigned char ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum;
};
struct segment {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
struct dynamic {
	int64_t tag;
	uint64_t value;
};
struct symbol {
	uint32_t name;
	unsigned char info, other;
	uint16_t shndx;
	uint64_t value, size;
};

enum { LOAD = 1, DYNAMIC = 2, HASH = 4, STRTAB = 5, SYMTAB = 6 };

static unsigned long auxv(unsigned long what)
{
	unsigned long pair[2], value = 0;
	int fd = open("/proc/self/auxv", O_RDONLY);

	CHECK(fd >= 0);
	while (read(fd, pair, sizeof(pair)) == sizeof(pair) && pair[0])
		if (pair[0] == what)
			value = pair[1];
	close(fd);
	return value;
}

static const char *image(void)
{
	const char *p = (const char *)auxv(AT_SYSINFO_EHDR);

	if (!p)
		tap_skip("there is no vDSO");
	CHECK_EQ(memcmp(p, "\177ELF\2\1", 6), 0);
	return p;
}

static void *find(const char *name)
{
	const char *base = image();
	const struct header *h = (const void *)base;
	const struct segment *s = (const void *)(base + h->phoff);
	const struct dynamic *d = NULL;
	const struct symbol *symbols = NULL;
	const char *strings = NULL, *bias = base;
	const uint32_t *hash = NULL;

	for (int i = 0; i < h->phnum; i++) {
		if (s[i].type == LOAD)
			bias = base + s[i].offset - s[i].vaddr;
		else if (s[i].type == DYNAMIC)
			d = (const void *)(base + s[i].offset);
	}
	for (; d && d->tag; d++) {
		if (d->tag == STRTAB)
			strings = bias + d->value;
		else if (d->tag == SYMTAB)
			symbols = (const void *)(bias + d->value);
		else if (d->tag == HASH)
			hash = (const void *)(bias + d->value);
	}
	if (!hash)
		tap_skip("the vDSO has no DT_HASH");
	CHECK(strings && symbols);
	for (uint32_t i = 0; i < hash[1]; i++)
		if (symbols[i].shndx && !strcmp(strings + symbols[i].name, name))
			return (void *)(bias + symbols[i].value);
	tap_fail(__FILE__, __LINE__, "the vDSO has no %s", name);
}

static int64_t ns_of(const struct timespec *ts)
{
	return (int64_t)ts->tv_sec * 1000000000 + ts->tv_nsec;
}

TEST(clocks_agree_with_the_system_call)
{
	static const int clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, 7 /* BOOTTIME */};
	int (*get)(int, struct timespec *) = find("__vdso_clock_gettime");

	for (unsigned c = 0; c < sizeof(clocks) / sizeof(clocks[0]); c++) {
		for (int i = 0; i < 1000; i++) {
			struct timespec a, b, d;

			CHECK_EQ(syscall(SYS_clock_gettime, clocks[c], &a), 0);
			CHECK_EQ(get(clocks[c], &b), 0);
			CHECK_EQ(syscall(SYS_clock_gettime, clocks[c], &d), 0);
			CHECK(ns_of(&a) <= ns_of(&b));
			CHECK(ns_of(&b) <= ns_of(&d));
			CHECK(b.tv_nsec >= 0 && b.tv_nsec < 1000000000);
		}
	}
}

TEST(other_clocks_go_to_the_kernel)
{
	int (*get)(int, struct timespec *) = find("__vdso_clock_gettime");
	struct timespec ts;

	CHECK_EQ(get(CLOCK_PROCESS_CPUTIME_ID, &ts), 0);
	CHECK_EQ(get(12345, &ts), -EINVAL);
}

TEST(gettimeofday_and_time)
{
	int (*day)(struct timeval *, void *) = find("__vdso_gettimeofday");
	long (*now)(long *) = find("__vdso_time");
	struct timeval tv;
	struct timespec before, ts;
	long t = 0;

	CHECK_EQ(syscall(SYS_clock_gettime, CLOCK_REALTIME, &before), 0);
	CHECK_EQ(day(&tv, NULL), 0);
	CHECK_EQ(now(&t), t);
	CHECK_EQ(syscall(SYS_clock_gettime, CLOCK_REALTIME, &ts), 0);
	CHECK((int64_t)tv.tv_sec * 1000000 + tv.tv_usec >= ns_of(&before) / 1000);
	CHECK((int64_t)tv.tv_sec * 1000000 + tv.tv_usec <= ns_of(&ts) / 1000);
	CHECK(t >= before.tv_sec - 1 && t <= ts.tv_sec);
	CHECK(now(NULL) >= t);
}

TEST(getcpu_knows_the_cpu)
{
	long (*get)(unsigned *, unsigned *, void *) = find("__vdso_getcpu");
	unsigned long all = 0, one;
	unsigned cpu = 99, node = 99, moved = 0;

	CHECK(syscall(SYS_sched_getaffinity, 0, sizeof(all), &all) > 0);
	for (unsigned i = 0; i < 64; i++) {
		one = 1ul << i;
		if (!(all & one))
			continue;
		CHECK_EQ(syscall(SYS_sched_setaffinity, 0, sizeof(one), &one), 0);
		CHECK_EQ(get(&cpu, &node, NULL), 0);
		CHECK_EQ(cpu, i);
		CHECK_EQ(node, 0);
		moved++;
	}
	CHECK(moved > 0);
}

TEST(it_works_in_the_child_of_a_fork)
{
	int (*get)(int, struct timespec *) = find("__vdso_clock_gettime");
	struct timespec ts;
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (pid == 0)
		_exit(get(CLOCK_MONOTONIC, &ts) == 0 && ts.tv_sec >= 0 ? 7 : 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static int line_of(const char *name, char *line, size_t size)
{
	FILE *f = fopen("/proc/self/maps", "r");
	int found = 0;

	CHECK(f);
	while (!found && fgets(line, (int)size, f))
		found = strstr(line, name) != NULL;
	fclose(f);
	return found;
}

TEST(maps_shows_code_and_clock_page)
{
	char line[512], rights[5];
	unsigned long start, end;
	char *code = (char *)image();

	CHECK(line_of("[vdso]", line, sizeof(line)));
	CHECK_EQ(sscanf(line, "%lx-%lx %4s", &start, &end, rights), 3);
	CHECK_EQ(start, (unsigned long)code);
	CHECK(!strcmp(rights, "r-xp"));
	CHECK(line_of("[vvar]", line, sizeof(line)));
	CHECK_EQ(sscanf(line, "%lx-%lx %4s", &start, &end, rights), 3);
	CHECK(!strncmp(rights, "r--", 3));
	CHECK_EQ(tap_signal_of(tap_poke, code), SIGSEGV);
	CHECK_EQ(tap_signal_of(tap_poke, (char *)start), SIGSEGV);
	CHECK_ERR(mprotect((char *)start, PAGE, PROT_READ | PROT_WRITE), EACCES);
}

TEST(a_program_may_unmap_it)
{
	int (*get)(int, struct timespec *) = find("__vdso_clock_gettime");
	void *page = (void *)((unsigned long)get & ~(PAGE - 1));
	struct timespec ts;

	if (munmap(page, PAGE) != 0)
		tap_skip("the vDSO is sealed here");
	CHECK_EQ(tap_signal_of(tap_peek, page), SIGSEGV);
	CHECK_EQ(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts), 0);
}

TEST(setting_the_clock_shows_at_once)
{
	int (*get)(int, struct timespec *) = find("__vdso_clock_gettime");
	struct timespec was, set, now;

	if (access("/proc/sys/vm/verify", F_OK) != 0)
		tap_skip("sets the clock of the machine");
	CHECK_EQ(get(CLOCK_REALTIME, &was), 0);
	set = was;
	set.tv_sec += 1000000;
	CHECK_EQ(syscall(SYS_clock_settime, CLOCK_REALTIME, &set), 0);
	CHECK_EQ(get(CLOCK_REALTIME, &now), 0);
	CHECK(now.tv_sec >= was.tv_sec + 1000000);
	set.tv_sec -= 1000000;
	CHECK_EQ(syscall(SYS_clock_settime, CLOCK_REALTIME, &set), 0);
	CHECK_EQ(get(CLOCK_REALTIME, &now), 0);
	CHECK(now.tv_sec < was.tv_sec + 500000);
}
