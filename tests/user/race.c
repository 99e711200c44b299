/*
 * Races in virtual memory that other kernels lost: the lines of docs/testing.md, "Holes and races".
 * Each test lets threads and processes meet on purpose for a while and checks what they see.
 */
#include "tap.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define RW	(PROT_READ | PROT_WRITE)
#define ANON	(MAP_PRIVATE | MAP_ANONYMOUS)
#define RACE_MS 300
/* Where nothing is placed that has not asked for it: what is unmapped here stays a hole. */
#define FAR ((unsigned char *)0x200000000000)

static volatile int stop;
static long race_end;

static void race_begin(void)
{
	stop = 0;
	race_end = tap_ms() + RACE_MS;
}

static int racing(void)
{
	return tap_ms() < race_end;
}

static unsigned char *map(size_t pages, int flags)
{
	unsigned char *p = mmap(NULL, pages * PAGE, RW, flags | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static unsigned char *map_far(size_t pages, int flags)
{
	CHECK(mmap(FAR, pages * PAGE, RW, ANON | MAP_FIXED | flags, -1, 0) == FAR);
	return FAR;
}

static pthread_t start(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, fn, arg), 0);
	return thread;
}

static void finish(pthread_t thread)
{
	void *result;

	CHECK_EQ(pthread_join(thread, &result), 0);
	CHECK(result == NULL);
}

/*
 * Forced writes (CVE-2016-5195, CVE-2017-1000405)
 */

struct forced {
	unsigned char *p;
	int fd;
};

static void *drop_for_ever(void *arg)
{
	struct forced *f = arg;

	while (!stop)
		madvise(f->p, PAGE, MADV_DONTNEED);
	return NULL;
}

static void *write_mem_for_ever(void *arg)
{
	struct forced *f = arg;
	static const char text[] = "overwritten";

	while (!stop)
		if (pwrite(f->fd, text, sizeof(text), (off_t)(unsigned long)f->p) !=
			(long)sizeof(text))
			return "short";
	return NULL;
}

static void force_writes(unsigned char *p)
{
	struct forced f = {p, open("/proc/self/mem", O_RDWR)};
	pthread_t threads[3];

	CHECK(f.fd >= 0);
	race_begin();
	threads[0] = start(drop_for_ever, &f);
	threads[1] = start(write_mem_for_ever, &f);
	threads[2] = start(write_mem_for_ever, &f);
	while (racing())
		sched_yield();
	stop = 1;
	for (int i = 0; i < 3; i++)
		finish(threads[i]);
	close(f.fd);
}

TEST(a_forced_write_never_reaches_the_file)
{
	unsigned char *p, was[PAGE];
	int fd;

	close(tap_file("file", PAGE));
	CHECK_EQ(chmod("file", 0444), 0);
	fd = open("file", O_RDONLY);
	p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED);
	force_writes(p);
	CHECK_EQ(pread(fd, was, PAGE, 0), PAGE);
	for (size_t i = 0; i < PAGE; i++)
		CHECK_EQ(was[i], tap_byte(i));
}

TEST(a_forced_write_never_reaches_the_zero_page)
{
	unsigned char *p = mmap(NULL, PAGE, PROT_READ, ANON, -1, 0), *other;

	CHECK(p != MAP_FAILED);
	force_writes(p);
	other = map(16, MAP_PRIVATE);
	for (size_t i = 0; i < 16 * PAGE; i++)
		CHECK_EQ(other[i], 0);
}

/*
 * Stale translations (CVE-2018-18281)
 */

static __thread sigjmp_buf on_fault;

static void fault(int sig)
{
	siglongjmp(on_fault, sig);
}

static void catch_faults(void)
{
	struct sigaction act = {.sa_handler = fault, .sa_flags = SA_NODEFER};

	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGBUS, &act, NULL);
}

static unsigned char *volatile window;

/* Whoever has the window sees what was put there, zeros, or a fault: nothing of anybody else. */
static void *read_window(void *arg)
{
	(void)arg;
	while (!stop) {
		if (sigsetjmp(on_fault, 0) == 0) {
			unsigned char c = *(volatile unsigned char *)window;

			if (c != 0 && c != 0x11)
				return "somebody else's memory";
		}
	}
	return NULL;
}

/* Dirties frames as fast as they come. */
static void *dirty_frames(void *arg)
{
	(void)arg;
	while (!stop) {
		unsigned char *p = map(8, MAP_PRIVATE);

		for (size_t i = 0; i < 8; i++) {
			if (p[i * PAGE])
				return "dirty memory";
			memset(p + i * PAGE, 0xee, PAGE);
		}
		munmap(p, 8 * PAGE);
	}
	return NULL;
}

TEST(munmap_while_other_threads_read)
{
	pthread_t threads[3];

	catch_faults();
	window = map_far(1, 0);
	race_begin();
	for (int i = 0; i < 3; i++)
		threads[i] = start(i < 2 ? read_window : dirty_frames, NULL);
	while (racing()) {
		*window = 0x11;
		CHECK_EQ(munmap(window, PAGE), 0);
		CHECK(mmap(window, PAGE, RW, ANON | MAP_FIXED, -1, 0) == window);
	}
	stop = 1;
	for (int i = 0; i < 3; i++)
		finish(threads[i]);
}

static void *write_window(void *arg)
{
	(void)arg;
	while (!stop)
		if (sigsetjmp(on_fault, 0) == 0)
			*(volatile unsigned char *)window = 0x11;
	return NULL;
}

TEST(mremap_while_other_threads_write)
{
	unsigned char *away = FAR + 16 * PAGE;
	pthread_t threads[2];

	catch_faults();
	window = map_far(1, 0);
	race_begin();
	threads[0] = start(write_window, NULL);
	threads[1] = start(dirty_frames, NULL);
	while (racing()) {
		CHECK(mremap(window, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, away) == away);
		/* Moved: nobody writes it any more. */
		*away = 0x22;
		for (int i = 0; i < 50; i++)
			CHECK_EQ(*(volatile unsigned char *)away, 0x22);
		CHECK(mremap(away, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, window) == window);
	}
	stop = 1;
	finish(threads[0]);
	finish(threads[1]);
}

TEST(mprotect_stops_writers_at_once)
{
	pthread_t thread;
	unsigned char seen;

	catch_faults();
	window = map_far(1, 0);
	race_begin();
	thread = start(write_window, NULL);
	while (racing()) {
		*window = 0x22;
		CHECK_EQ(mprotect(window, PAGE, PROT_READ), 0);
		seen = *(volatile unsigned char *)window;
		for (int i = 0; i < 50; i++)
			CHECK_EQ(*(volatile unsigned char *)window, seen);
		CHECK_EQ(mprotect(window, PAGE, RW), 0);
	}
	stop = 1;
	finish(thread);
}

/*
 * Copies with threads about
 */

static volatile unsigned long *words;

/* Counts up in words[0], then tells in words[512]: the second never runs ahead of the first. */
static void *count_in_order(void *arg)
{
	(void)arg;
	for (unsigned long n = 1; !stop; n++) {
		words[0] = n;
		words[512] = n;
	}
	return NULL;
}

/* Sees the two counters through whatever copies are made meanwhile. */
static void *watch_order(void *arg)
{
	(void)arg;
	while (!stop) {
		unsigned long second = words[512], first = words[0];

		if (first < second)
			return "an old page was seen";
	}
	return NULL;
}

TEST(a_copy_shows_to_all_threads_at_once)
{
	pthread_t threads[3];
	int status;

	words = (unsigned long *)map(2, MAP_PRIVATE);
	race_begin();
	threads[0] = start(count_in_order, NULL);
	threads[1] = start(watch_order, NULL);
	threads[2] = start(watch_order, NULL);
	while (racing()) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (pid == 0) {
			unsigned long first = words[0], second = words[512];

			/* A snapshot: in order, and nobody writes it here. */
			for (int i = 0; i < 100; i++)
				if (words[0] != first || words[512] != second)
					_exit(2);
			_exit(first < second);
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 0);
	}
	stop = 1;
	for (int i = 0; i < 3; i++)
		finish(threads[i]);
}

static pthread_barrier_t barrier;
static unsigned char *common;

static void *write_copies(void *arg)
{
	long id = (long)arg;

	pthread_barrier_wait(&barrier);
	for (size_t i = 0; i < 32; i++)
		common[i * PAGE + (size_t)id] = (unsigned char)(id + 1);
	return NULL;
}

TEST(threads_copy_the_same_shared_page)
{
	for (int round = 0; round < 10; round++) {
		int fds[2];
		pthread_t threads[4];
		pid_t pid;
		char c;

		common = map(32, MAP_PRIVATE);
		memset(common, 0x55, 32 * PAGE);
		CHECK_EQ(pipe(fds), 0);
		pid = fork();
		CHECK(pid >= 0);
		if (pid == 0) {
			close(fds[1]);
			CHECK_EQ(read(fds[0], &c, 1), 0);
			for (size_t i = 0; i < 32 * PAGE; i++)
				CHECK_EQ(common[i], 0x55);
			_exit(0);
		}
		pthread_barrier_init(&barrier, NULL, 4);
		for (long i = 0; i < 4; i++)
			threads[i] = start(write_copies, (void *)i);
		for (int i = 0; i < 4; i++)
			finish(threads[i]);
		for (size_t i = 0; i < 32 * PAGE; i++)
			CHECK_EQ(common[i], i % PAGE < 4 ? i % PAGE + 1 : 0x55);
		close(fds[0]);
		close(fds[1]);
		int status;

		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 0);
		munmap(common, 32 * PAGE);
	}
}

#define AREA 64

static void *edit_for_ever(void *arg)
{
	unsigned seed = (unsigned)(long)arg;
	unsigned char *p = map(AREA, MAP_PRIVATE);

	while (!stop) {
		size_t first = (seed = seed * 1103515245 + 12345) / 65536 % AREA,
		       count = 1 + seed / 7 % 8;

		if (first + count > AREA)
			count = AREA - first;
		if (seed / 64 % 3 == 0)
			mprotect(p + first * PAGE, count * PAGE, PROT_READ);
		else if (seed / 64 % 3 == 1)
			mprotect(p + first * PAGE, count * PAGE, RW);
		else {
			munmap(p + first * PAGE, count * PAGE);
			if (mmap(p + first * PAGE, count * PAGE, RW, ANON | MAP_FIXED, -1, 0) ==
				MAP_FAILED)
				return "mmap";
			p[first * PAGE] = 1;
		}
	}
	munmap(p, AREA * PAGE);
	return NULL;
}

static unsigned long sum(const unsigned char *p, size_t n)
{
	unsigned long s = 5381;

	for (size_t i = 0; i < n; i += 61)
		s = s * 33 + p[i];
	return s;
}

/* What only the forking thread writes is in the child as it was, whatever other threads edit. */
TEST(fork_of_a_process_whose_threads_edit_its_memory)
{
	unsigned char *mine = map(32, MAP_PRIVATE);
	pthread_t threads[3];
	int status;

	race_begin();
	for (long i = 0; i < 3; i++)
		threads[i] = start(edit_for_ever, (void *)(i + 1));
	for (unsigned round = 0; racing(); round++) {
		unsigned long want;
		pid_t pid;

		for (size_t i = 0; i < 32 * PAGE; i += 61)
			mine[i] = (unsigned char)(i + round);
		want = sum(mine, 32 * PAGE);
		pid = fork();
		CHECK(pid >= 0);
		if (pid == 0)
			_exit(sum(mine, 32 * PAGE) != want);
		mine[0]++;
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 0);
	}
	stop = 1;
	for (int i = 0; i < 3; i++)
		finish(threads[i]);
}

/*
 * Files
 */

struct shrinking {
	int fd;
	unsigned char *p;
};

/* Sees what was written, zeros of a page that came back, or a bus error. */
static void *touch_shrinking(void *arg)
{
	struct shrinking *s = arg;
	volatile unsigned char *p = s->p;

	while (!stop) {
		for (size_t i = 0; i < 4; i++) {
			if (sigsetjmp(on_fault, 0) == 0) {
				unsigned char c = p[i * PAGE + 7];

				if (c != 0 && c != 0x33)
					return "strange contents";
				p[i * PAGE + 7] = 0x33;
			}
		}
	}
	return NULL;
}

static void shrink(int flags)
{
	struct shrinking s = {tap_file("file", 0), NULL};
	pthread_t threads[2];

	CHECK_EQ(ftruncate(s.fd, 4 * (off_t)PAGE), 0);
	s.p = mmap(NULL, 4 * PAGE, RW, flags, s.fd, 0);
	CHECK(s.p != MAP_FAILED);
	catch_faults();
	race_begin();
	threads[0] = start(touch_shrinking, &s);
	threads[1] = start(touch_shrinking, &s);
	for (unsigned i = 0; racing(); i++) {
		CHECK_EQ(ftruncate(s.fd, (off_t)(i % 4 * PAGE + i % 7)), 0);
		CHECK_EQ(ftruncate(s.fd, 4 * (off_t)PAGE), 0);
	}
	CHECK_EQ(ftruncate(s.fd, 0), 0);
	stop = 1;
	finish(threads[0]);
	finish(threads[1]);
	signal(SIGBUS, SIG_DFL);
	CHECK_EQ(tap_signal_of(tap_peek, s.p), SIGBUS);
	CHECK_EQ(ftruncate(s.fd, 4 * (off_t)PAGE), 0);
	for (size_t i = 0; i < 4 * PAGE; i++)
		CHECK_EQ(s.p[i], 0);
}

TEST(truncate_beside_faults_of_shared_maps)
{
	shrink(MAP_SHARED);
}

TEST(truncate_beside_faults_of_private_maps)
{
	shrink(MAP_PRIVATE);
}

#define READ_PAGES 20

/* Reads what was written or zeros, and not more than the file ever had. */
static void *read_shrinking(void *arg)
{
	int fd = ((struct shrinking *)arg)->fd;
	unsigned char *buf = map(READ_PAGES + 1, MAP_PRIVATE);

	while (!stop) {
		ssize_t n = pread(fd, buf, (READ_PAGES + 1) * PAGE, 100);

		if (n < 0 || n > (ssize_t)(READ_PAGES * PAGE - 100))
			return "strange length";
		for (ssize_t i = 0; i < n; i++)
			if (buf[i] != 0 && buf[i] != 0x33)
				return "strange contents";
	}
	return NULL;
}

static void shrink_beside_reads(int fd)
{
	static unsigned char bytes[READ_PAGES * PAGE];
	struct shrinking s = {fd, NULL};
	pthread_t threads[2];

	memset(bytes, 0x33, sizeof(bytes));
	race_begin();
	threads[0] = start(read_shrinking, &s);
	threads[1] = start(read_shrinking, &s);
	for (unsigned i = 0; racing(); i++) {
		size_t cut = i % READ_PAGES * PAGE + i % 7;

		CHECK_EQ(pwrite(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
		CHECK_EQ(ftruncate(fd, (off_t)cut), 0);
		CHECK_EQ(lseek(fd, 0, SEEK_END), cut);
	}
	stop = 1;
	finish(threads[0]);
	finish(threads[1]);
	CHECK_EQ(close(fd), 0);
}

TEST(truncate_beside_reads)
{
	shrink_beside_reads(tap_file("file", 0));
	shrink_beside_reads(memfd_create("file", 0));
}

/*
 * Stacks (CVE-2023-3269)
 */

static unsigned char *volatile stack_top;

static void *grow_stack(void *arg)
{
	volatile unsigned seed = (unsigned)(long)arg;

	while (!stop) {
		size_t down;

		seed = seed * 1103515245 + 12345;
		down = seed / 65536 % 200;
		if (sigsetjmp(on_fault, 0) == 0)
			stack_top[-(long)(down * PAGE) - 1] = 1;
	}
	return NULL;
}

TEST(stacks_grow_under_threads_that_edit)
{
	pthread_t threads[4];

	catch_faults();
	stack_top = FAR + 1000 * PAGE;
	CHECK(mmap(stack_top - PAGE, PAGE, RW, ANON | MAP_FIXED | MAP_GROWSDOWN, -1, 0) !=
		MAP_FAILED);
	race_begin();
	for (long i = 0; i < 4; i++)
		threads[i] = start(i < 3 ? grow_stack : edit_for_ever, (void *)(i + 1));
	while (racing()) {
		munmap(stack_top - 300 * PAGE, 300 * PAGE);
		CHECK(mmap(stack_top - PAGE, PAGE, RW, ANON | MAP_FIXED | MAP_GROWSDOWN, -1, 0) !=
			MAP_FAILED);
		for (int i = 0; i < 20; i++)
			sched_yield();
	}
	stop = 1;
	for (int i = 0; i < 4; i++)
		finish(threads[i]);
}

/*
 * Ends in the middle of everything
 */

static void *touch_and_drop(void *arg)
{
	int fd = open("file", O_RDWR);

	(void)arg;
	for (;;) {
		unsigned char *p = map(16, MAP_PRIVATE), *q;

		for (size_t i = 0; i < 16; i++)
			p[i * PAGE] = 1;
		q = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);
		if (q != MAP_FAILED) {
			q[PAGE] = 2;
			msync(q, 4 * PAGE, MS_ASYNC);
			munmap(q, 4 * PAGE);
		}
		p = mremap(p, 16 * PAGE, 32 * PAGE, MREMAP_MAYMOVE);
		munmap(p, 32 * PAGE);
	}
	return NULL;
}

static int busy_process(void *arg)
{
	(void)arg;
	for (long i = 0; i < 3; i++)
		start(touch_and_drop, NULL);
	for (;;) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
}

static void kill_busy_processes(int count)
{
	unsigned seed = 1;

	for (int i = 0; i < count; i++) {
		pid_t pid = fork();
		int status;

		CHECK(pid >= 0);
		if (pid == 0)
			_exit(busy_process(NULL));
		usleep((seed = seed * 1103515245 + 12345) / 65536 % 20000);
		CHECK_EQ(kill(pid, SIGKILL), 0);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		/* Its children are ours now. */
		while (wait(NULL) > 0)
			;
	}
}

TEST(kill_in_the_middle_of_everything_leaks_nothing)
{
	long before;

	CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	close(tap_file("file", 4 * PAGE));
	kill_busy_processes(3);
	tap_free_kib();
	before = tap_free_kib();
	kill_busy_processes(15);
	CHECK_EQ(tap_free_kib(), before);
}

static int exec_while_busy(void *arg)
{
	char *argv[] = {"sh", "-c", "exit 9", NULL};

	(void)arg;
	for (long i = 0; i < 3; i++)
		start(touch_and_drop, NULL);
	usleep(3000);
	execv("/bin/sh", argv);
	return 1;
}

TEST(exec_while_threads_fault)
{
	close(tap_file("file", 4 * PAGE));
	for (int i = 0; i < 10; i++)
		CHECK_EQ(tap_child(exec_while_busy, NULL), 9 << 8);
}

static int exit_while_busy(void *arg)
{
	for (long i = 0; i < 3; i++)
		start(touch_and_drop, NULL);
	usleep(3000);
	return (int)(long)arg;
}

TEST(exit_while_threads_fault)
{
	close(tap_file("file", 4 * PAGE));
	for (long i = 0; i < 10; i++)
		CHECK_EQ(tap_child(exit_while_busy, (void *)i), i << 8);
}
