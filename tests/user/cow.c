/* Copy-on-write over fork, and shared anonymous memory. */
#include "tap.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define COUNT 32

static unsigned char *map(int flags)
{
	unsigned char *p =
		mmap(NULL, COUNT * PAGE, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static void fill(unsigned char *p, int value)
{
	for (size_t i = 0; i < COUNT; i++)
		memset(p + i * PAGE, value + (int)i, PAGE);
}

static void check(const unsigned char *p, int value)
{
	for (size_t i = 0; i < COUNT * PAGE; i++)
		CHECK_EQ(p[i], (unsigned char)(value + (int)(i / PAGE)));
}

/* Lets one process go on when the other says so. */
struct gate {
	int in[2], out[2];
};

static void gate_open(struct gate *g)
{
	CHECK(pipe(g->in) == 0 && pipe(g->out) == 0);
}

static void tell(int fds[2])
{
	CHECK_EQ(write(fds[1], "x", 1), 1);
}

static void hear(int fds[2])
{
	char c;

	CHECK_EQ(read(fds[0], &c, 1), 1);
}

static void finish(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

TEST(the_parent_writes_first)
{
	unsigned char *p = map(MAP_PRIVATE);
	struct gate g;
	pid_t pid;

	fill(p, 1);
	gate_open(&g);
	pid = fork();
	if (pid == 0) {
		hear(g.in);
		check(p, 1);
		fill(p, 50);
		check(p, 50);
		_exit(0);
	}
	fill(p, 100);
	tell(g.in);
	finish(pid);
	check(p, 100);
}

TEST(the_child_writes_first)
{
	unsigned char *p = map(MAP_PRIVATE);
	struct gate g;
	pid_t pid;

	fill(p, 1);
	gate_open(&g);
	pid = fork();
	if (pid == 0) {
		fill(p, 50);
		tell(g.out);
		hear(g.in);
		check(p, 50);
		_exit(0);
	}
	hear(g.out);
	check(p, 1);
	fill(p, 100);
	tell(g.in);
	finish(pid);
	check(p, 100);
}

static int generations(void *arg)
{
	unsigned char *p = arg;

	for (int i = 0; i < 12; i++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (pid > 0) {
			/* Writes after the child has a copy of its own of half of them. */
			fill(p, 200);
			finish(pid);
			check(p, 200);
			_exit(0);
		}
		check(p, i);
		fill(p, i + 1);
	}
	return 0;
}

TEST(twelve_generations)
{
	unsigned char *p = map(MAP_PRIVATE);

	fill(p, 0);
	CHECK_EQ(tap_child(generations, p), 0);
	check(p, 0);
}

TEST(many_children_of_one_page_set)
{
	unsigned char *p = map(MAP_PRIVATE);
	pid_t pids[10];

	fill(p, 3);
	for (int i = 0; i < 10; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			check(p, 3 + i);
			fill(p, 60 + i);
			check(p, 60 + i);
			_exit(0);
		}
		fill(p, 4 + i);
	}
	for (int i = 0; i < 10; i++)
		finish(pids[i]);
	check(p, 13);
}

TEST(pages_first_touched_after_fork_are_zero_and_apart)
{
	unsigned char *p = map(MAP_PRIVATE);
	pid_t pid = fork();

	if (pid == 0) {
		CHECK_EQ(p[5 * PAGE], 0);
		fill(p, 9);
		_exit(0);
	}
	finish(pid);
	for (size_t i = 0; i < COUNT; i++)
		CHECK_EQ(p[i * PAGE], 0);
}

TEST(the_stack_and_data_are_copied)
{
	static int data = 1;
	volatile int stack = 1;
	pid_t pid = fork();

	if (pid == 0) {
		data = 2;
		stack = 2;
		_exit(0);
	}
	finish(pid);
	CHECK(data == 1 && stack == 1);
}

TEST(the_kernel_writes_into_copied_pages)
{
	unsigned char *p = map(MAP_PRIVATE);
	int fds[2];
	pid_t pid;

	fill(p, 1);
	CHECK(pipe(fds) == 0);
	pid = fork();
	if (pid == 0) {
		CHECK_EQ(write(fds[1], "hello", 5), 5);
		CHECK_EQ(read(fds[0], p + PAGE - 2, 5), 5);
		CHECK(!memcmp(p + PAGE - 2, "hello", 5));
		_exit(0);
	}
	finish(pid);
	check(p, 1);
}

TEST(shared_memory_touched_before_fork_is_common)
{
	unsigned char *p = map(MAP_SHARED);
	struct gate g;
	pid_t pid;

	fill(p, 1);
	gate_open(&g);
	pid = fork();
	if (pid == 0) {
		check(p, 1);
		fill(p, 20);
		tell(g.out);
		hear(g.in);
		check(p, 40);
		_exit(0);
	}
	hear(g.out);
	check(p, 20);
	fill(p, 40);
	tell(g.in);
	finish(pid);
}

TEST(shared_memory_touched_after_fork_is_common)
{
	unsigned char *p = map(MAP_SHARED);
	pid_t pid = fork();

	if (pid == 0) {
		fill(p, 20);
		_exit(0);
	}
	finish(pid);
	check(p, 20);
}

TEST(shared_memory_reaches_grandchildren)
{
	int *counter = (int *)map(MAP_SHARED);

	for (int i = 0; i < 3; i++)
		CHECK(fork() >= 0);
	__atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
	while (wait(NULL) > 0)
		;
	/* Eight processes; each waits for its children before it ends, so the first sees all. */
	if (counter[1] == 0 && getpgrp() == getpid())
		CHECK_EQ(*counter, 8);
}

TEST(protections_are_each_ones_own)
{
	unsigned char *p = map(MAP_PRIVATE);
	pid_t pid;

	fill(p, 1);
	pid = fork();
	if (pid == 0) {
		CHECK(mprotect(p, COUNT * PAGE, PROT_NONE) == 0);
		CHECK_EQ(tap_signal_of(tap_peek, p), SIGSEGV);
		_exit(0);
	}
	finish(pid);
	check(p, 1);
	fill(p, 2);
}

TEST(a_read_only_page_stays_read_only_in_the_child)
{
	unsigned char *p = map(MAP_PRIVATE);

	fill(p, 1);
	CHECK(mprotect(p, PAGE, PROT_READ) == 0);
	CHECK_EQ(tap_signal_of(tap_poke, p), SIGSEGV);
	CHECK_EQ(tap_signal_of(tap_poke, p + PAGE), 0);
	CHECK(mprotect(p, PAGE, PROT_READ | PROT_WRITE) == 0);
	check(p, 1);
	fill(p, 5);
}

TEST(dontfork_ranges_are_not_in_the_child)
{
	unsigned char *p = map(MAP_PRIVATE);

	fill(p, 1);
	CHECK_EQ(madvise(p + PAGE, PAGE, MADV_DONTFORK), 0);
	CHECK_EQ(tap_signal_of(tap_peek, p), 0);
	CHECK_EQ(tap_signal_of(tap_peek, p + PAGE), SIGSEGV);
	CHECK_EQ(madvise(p + PAGE, PAGE, MADV_DOFORK), 0);
	CHECK_EQ(tap_signal_of(tap_peek, p + PAGE), 0);
}

TEST(wipeonfork_ranges_are_zero_in_the_child)
{
	unsigned char *p = map(MAP_PRIVATE);
	pid_t pid;

	fill(p, 1);
	CHECK_EQ(madvise(p, PAGE, MADV_WIPEONFORK), 0);
	pid = fork();
	if (pid == 0)
		_exit(p[0] != 0 || p[PAGE] != 2);
	finish(pid);
	check(p, 1);
}

static unsigned long frame_of(const unsigned char *p)
{
	unsigned long entry;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	CHECK_EQ(pread(fd, &entry, 8, (off_t)((unsigned long)p / PAGE * 8)), 8);
	close(fd);
	/* Present; who may not know the frame is told 0. */
	CHECK(entry >> 63);
	if (!(entry << 9))
		tap_skip("frame numbers are not told");
	return entry << 9 >> 9;
}

TEST(a_sole_owner_writes_without_a_copy)
{
	unsigned char *p = map(MAP_PRIVATE);
	unsigned long frames[COUNT];
	struct gate g;
	pid_t pid;

	fill(p, 1);
	for (size_t i = 0; i < COUNT; i++)
		frames[i] = frame_of(p + i * PAGE);
	gate_open(&g);
	pid = fork();
	if (pid == 0) {
		/* The child takes copies of the first half and leaves. */
		for (size_t i = 0; i < COUNT / 2; i++)
			p[i * PAGE] = 77;
		_exit(0);
	}
	finish(pid);
	fill(p, 2);
	for (size_t i = 0; i < COUNT; i++)
		CHECK_EQ(frame_of(p + i * PAGE), frames[i]);
	check(p, 2);
}

TEST(a_writer_with_relatives_gets_a_copy)
{
	unsigned char *p = map(MAP_PRIVATE);
	unsigned long frame;
	struct gate g;
	pid_t pid;

	fill(p, 1);
	frame = frame_of(p);
	gate_open(&g);
	pid = fork();
	if (pid == 0) {
		hear(g.in);
		_exit(p[0] != 1);
	}
	p[0] = 9;
	CHECK(frame_of(p) != frame);
	tell(g.in);
	finish(pid);
}

/* A chain of five; who sleeps how long decides in which order they end. */
static void chain(unsigned char *p, int depth, unsigned order)
{
	pid_t pid = depth < 5 ? fork() : -1;

	if (pid == 0) {
		fill(p, depth);
		chain(p, depth + 1, order / 5);
		_exit(0);
	}
	if (depth & 1)
		fill(p, 100 + depth);
	usleep(order % 5 * 2000);
	if (depth == 0)
		finish(pid);
}

TEST(ends_in_any_order_give_every_frame_back)
{
	unsigned char *p = map(MAP_PRIVATE);
	unsigned order = 1;
	long before = 0;

	/* Orphans come to us. */
	CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	fill(p, 50);
	for (int round = 0; round < 40; round++) {
		chain(p, 0, order);
		while (wait(NULL) > 0)
			;
		order = order * 1103515245 + 12345;
		if (round == 3) {
			tap_free_kib();
			before = tap_free_kib();
		}
	}
	CHECK_EQ(tap_free_kib(), before);
}

static int dirty_much(void *arg)
{
	unsigned char *p =
		mmap(NULL, 256 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memset(p, 0xa5, 256 * PAGE);
	return arg != NULL;
}

TEST(memory_of_a_dead_process_comes_again_as_zero)
{
	for (int round = 0; round < 5; round++) {
		unsigned char *p = mmap(NULL, 256 * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		CHECK_EQ(tap_child(dirty_much, NULL), 0);
		for (size_t i = 0; i < 256 * PAGE; i += 8)
			CHECK_EQ(*(unsigned long *)(p + i), 0);
		CHECK_EQ(munmap(p, 256 * PAGE), 0);
	}
}
