/*
 * More memory than there is: family 6 of docs/testing.md for a whole machine. Whoever asks for it
 * is ended, by whatever road it asks, and nobody else: a bystander with memory of its own looks on.
 * A large machine is filled up only when FILL is set (tests/boot/test_memory.py does); elsewhere
 * the tests are left out. Everything that may be ended is called "hog": the boot test reads the
 * names that the kernel tells.
 */
#include "tap.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define RW	  (PROT_READ | PROT_WRITE)
#define SMALL_KIB (128 << 10)

static size_t total_pages(void)
{
	size_t kib = tap_number("/proc/meminfo", "MemTotal");

	if (kib > SMALL_KIB && !getenv("FILL"))
		tap_skip("FILL is not set");
	return kib / 4;
}

/*
 * The bystander
 */

struct bystander {
	pid_t pid;
	int fd; /* closed when it may end */
};

/* A process with some memory that must not notice anything. */
static void bystander_start(struct bystander *by)
{
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	by->pid = fork();
	CHECK(by->pid >= 0);
	if (by->pid == 0) {
		static unsigned char mine[64 * 4096];
		char c;

		prctl(PR_SET_NAME, "bystander");
		close(fds[1]);
		for (size_t i = 0; i < sizeof(mine); i++)
			mine[i] = tap_byte(i);
		if (read(fds[0], &c, 1) < 0)
			_exit(2);
		for (size_t i = 0; i < sizeof(mine); i++)
			if (mine[i] != tap_byte(i))
				_exit(3);
		_exit(7);
	}
	close(fds[0]);
	by->fd = fds[1];
}

static void bystander_end(struct bystander *by)
{
	int status;

	close(by->fd);
	CHECK_EQ(waitpid(by->pid, &status, 0), by->pid);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 7);
}

/*
 * Hogs
 */

typedef void hog_fn(size_t pages);

static char *map(size_t pages, int prot, int flags)
{
	char *p = mmap(NULL, pages * PAGE, prot, MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);

	if (p == MAP_FAILED)
		_exit(99);
	return p;
}

static void touch(char *p, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		p[i * PAGE] = 1;
}

static pid_t hog_start(hog_fn *fn, size_t pages)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_NAME, "hog");
		fn(pages);
		_exit(0);
	}
	return pid;
}

static void expect_killed(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGKILL);
}

/* The machine is usable: a process is made, and a little memory is had. */
static int small_work(void *arg)
{
	(void)arg;
	touch(map(64, RW, MAP_PRIVATE), 64);
	return 0;
}

/*
 * `count` hogs at once, `rounds` times, each for twice the memory: all are ended, and nobody else.
 */
static void check_hogs(hog_fn *fn, int rounds, int count)
{
	size_t pages = total_pages() * 2;
	struct bystander by;
	pid_t hogs[8];

	bystander_start(&by);
	for (int round = 0; round < rounds; round++) {
		for (int i = 0; i < count; i++)
			hogs[i] = hog_start(fn, pages);
		for (int i = 0; i < count; i++)
			expect_killed(hogs[i]);
		CHECK_EQ(tap_child(small_work, NULL), 0);
	}
	bystander_end(&by);
}

static void touch_private(size_t pages)
{
	touch(map(pages, RW, MAP_PRIVATE), pages);
}

TEST(who_touches_more_than_there_is_is_ended_and_nobody_else)
{
	check_hogs(touch_private, 3, 1);
}

TEST(four_at_a_time_are_ended)
{
	check_hogs(touch_private, 1, 4);
}

static void touch_shared(size_t pages)
{
	touch(map(pages, RW, MAP_SHARED), pages);
}

TEST(shared_memory_counts_too)
{
	check_hogs(touch_shared, 3, 1);
}

static void read_zeros(size_t pages)
{
	char *p = map(pages, RW, MAP_PRIVATE);
	int fd = open("/dev/zero", O_RDONLY);

	for (size_t i = 0; i < pages; i += 16)
		if (read(fd, p + i * PAGE, 16 * PAGE) < 0)
			_exit(1);
}

TEST(memory_that_the_kernel_fills_counts_too)
{
	check_hogs(read_zeros, 3, 1);
}

static void populate(size_t pages)
{
	map(pages, RW, MAP_PRIVATE | MAP_POPULATE);
}

TEST(memory_that_mmap_populates_counts_too)
{
	check_hogs(populate, 1, 1);
}

static void grow_heap(size_t pages)
{
	for (size_t i = 0; i < pages; i += 64) {
		char *p = sbrk(64 * PAGE);

		if (p == (void *)-1)
			_exit(98);
		touch(p, 64);
	}
}

TEST(the_heap_counts_too)
{
	check_hogs(grow_heap, 1, 1);
}

static void write_memfd(size_t pages)
{
	static char block[16 * 4096];
	int fd = memfd_create("hog", 0);

	for (size_t i = 0; i < pages; i += 16)
		if (write(fd, block, sizeof(block)) < 0)
			_exit(1);
}

TEST(a_file_without_a_name_counts_for_who_has_it_open)
{
	check_hogs(write_memfd, 2, 1);
}

/* Read-only memory has one frame of zeros; what it takes is page tables. */
static void touch_sparsely(size_t pages)
{
	volatile char *p;
	char sum = 0;

	for (size_t i = 0; i < pages; i += 512) {
		p = map(512ul * 512, PROT_READ, MAP_PRIVATE);
		for (size_t j = 0; j < 512; j++)
			sum += p[j * 512 * PAGE];
	}
	_exit(sum + 1);
}

TEST(page_tables_count_too)
{
	check_hogs(touch_sparsely, 1, 1);
}

static void fill_pipes(size_t pages)
{
	static char block[16 * 4096];
	struct rlimit many = {1 << 16, 1 << 16};
	int fds[2];

	setrlimit(RLIMIT_NOFILE, &many);
	for (size_t i = 0; i < pages; i += 16) {
		if (pipe2(fds, O_NONBLOCK) != 0)
			_exit(96);
		if (write(fds[1], block, sizeof(block)) != (long)sizeof(block))
			_exit(97);
	}
}

TEST(what_pipes_hold_counts_for_who_has_them_open)
{
	check_hogs(fill_pipes, 1, 1);
}

static void *sleep_for_ever(void *arg)
{
	pause();
	return arg;
}

static void start_threads(size_t pages)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 16384);
	for (size_t i = 0; i < pages; i++)
		if (pthread_create(&thread, &attr, sleep_for_ever, NULL) != 0)
			raise(SIGKILL); /* refused: as good as ended */
}

TEST(threads_count_too)
{
	check_hogs(start_threads, 1, 1);
}

/*
 * Families: any of them may go first; enough of them go for the rest to live.
 */

static void check_family(hog_fn *fn, size_t pages)
{
	struct bystander by;
	pid_t family;
	int status;

	bystander_start(&by);
	family = fork();
	CHECK(family >= 0);
	if (family == 0) {
		setpgid(0, 0);
		prctl(PR_SET_NAME, "hog");
		fn(pages);
		while (wait(NULL) > 0)
			;
		_exit(0);
	}
	CHECK_EQ(waitpid(family, &status, 0), family);
	kill(-family, SIGKILL);
	CHECK_EQ(tap_child(small_work, NULL), 0);
	bystander_end(&by);
}

static void copy_after_fork(size_t pages)
{
	size_t third = pages / 3;
	char *p = map(third, RW, MAP_PRIVATE);

	touch(p, third);
	for (int n = 0; n < 4; n++) {
		if (fork() == 0) {
			touch(p, third);
			_exit(0);
		}
	}
}

TEST(copies_after_fork_end_those_who_made_them)
{
	check_family(copy_after_fork, total_pages());
}

/* What two share is freed when both are gone. */
static void share_with_children(size_t pages)
{
	char *p = map(pages, RW, MAP_SHARED);

	for (int n = 0; n < 3; n++) {
		if (fork() == 0) {
			touch(p, pages);
			_exit(0);
		}
	}
	touch(p, pages);
}

TEST(memory_shared_by_a_family_ends_the_family)
{
	check_family(share_with_children, total_pages() * 2);
}

/* None of them is large: together they are. */
static void many_small_ones(size_t pages)
{
	size_t each = 48;

	for (size_t n = 0; n < 2 * pages / each; n++) {
		pid_t pid = fork();

		if (pid < 0)
			break;
		if (pid == 0) {
			touch(map(each, RW, MAP_PRIVATE), each);
			sleep(3);
			_exit(0);
		}
	}
}

TEST(a_fork_bomb_ends_its_own_processes)
{
	check_family(many_small_ones, total_pages());
}
