/*
 * More memory than there is: family 6 of testing.md for a whole machine. Only a small machine is
 * filled up (tests/boot/test_memory.py starts one); elsewhere the tests are left out. BIG_DIR is a
 * folder with room for a file larger than memory.
 */
#include "tap.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define RW	  (PROT_READ | PROT_WRITE)
#define SMALL_KIB (128 << 10)

static size_t meminfo(const char *name)
{
	char line[128], key[64];
	size_t kib = 0, value;
	FILE *f = fopen("/proc/meminfo", "r");

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%63[^:]: %zu", key, &value) == 2 && !strcmp(key, name))
			kib = value;
	fclose(f);
	return kib;
}

static size_t total_pages(void)
{
	size_t kib = meminfo("MemTotal");

	if (kib > SMALL_KIB)
		tap_skip("only on a machine with less than 128 MiB");
	return kib / 4;
}

static char *map(size_t pages, int flags)
{
	char *p = mmap(NULL, pages * PAGE, RW, MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);

	if (p == MAP_FAILED)
		_exit(99);
	return p;
}

static int touch_private(void *arg)
{
	size_t pages = *(size_t *)arg;
	char *p = map(pages, MAP_PRIVATE);

	for (size_t i = 0; i < pages; i++)
		p[i * PAGE] = 1;
	return 0;
}

static int touch_shared(void *arg)
{
	size_t pages = *(size_t *)arg;
	char *p = map(pages, MAP_SHARED);

	for (size_t i = 0; i < pages; i++)
		p[i * PAGE] = 1;
	return 0;
}

static int touch_by_read(void *arg)
{
	size_t pages = *(size_t *)arg;
	char *p = map(pages, MAP_PRIVATE);
	int fd = open("/dev/zero", O_RDONLY);

	for (size_t i = 0; i < pages; i += 16)
		if (read(fd, p + i * PAGE, 16 * PAGE) < 0)
			return 1;
	return 0;
}

static int touch_after_fork(void *arg)
{
	size_t pages = *(size_t *)arg, half = pages / 3;
	char *p = map(half, MAP_PRIVATE);

	for (size_t i = 0; i < half; i++)
		p[i * PAGE] = 1;
	for (int n = 0; n < 4; n++) {
		if (fork() == 0) {
			for (size_t i = 0; i < half; i++)
				p[i * PAGE] = 2;
			pause();
		}
	}
	pause();
	return 0;
}

/* A process with some memory that must not notice anything. => its number; *pipe_out tells it to end */
static pid_t start_bystander(int *pipe_out)
{
	int fds[2];
	pid_t pid;

	CHECK_EQ(pipe(fds), 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		static unsigned char mine[256 * 4096];
		char c;

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
	*pipe_out = fds[1];
	return pid;
}

static void check_bystander(pid_t pid, int fd)
{
	int status;

	close(fd);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 7);
}

static void check_hog(int (*hog)(void *))
{
	size_t pages = total_pages() * 2;
	int fd;
	pid_t pid = start_bystander(&fd);

	for (int i = 0; i < 3; i++)
		CHECK_EQ(tap_signal_of(hog, &pages), SIGKILL);
	check_bystander(pid, fd);
}

TEST(who_touches_more_than_there_is_is_ended_and_nobody_else)
{
	check_hog(touch_private);
}

TEST(shared_memory_counts_too)
{
	check_hog(touch_shared);
}

TEST(memory_that_the_kernel_fills_counts_too)
{
	check_hog(touch_by_read);
}

TEST(two_at_a_time_are_ended)
{
	size_t pages = total_pages() * 2;
	int fd, status;
	pid_t by = start_bystander(&fd), hog[2];

	for (int i = 0; i < 2; i++) {
		hog[i] = fork();
		CHECK(hog[i] >= 0);
		if (hog[i] == 0)
			_exit(touch_private(&pages));
	}
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(waitpid(hog[i], &status, 0), hog[i]);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
	check_bystander(by, fd);
}

TEST(copies_after_fork_end_those_who_made_them)
{
	size_t pages = total_pages();
	int fd, status;
	pid_t by = start_bystander(&fd), family = fork();

	CHECK(family >= 0);
	if (family == 0) {
		setpgid(0, 0);
		_exit(touch_after_fork(&pages));
	}
	/* Any of the family may go first; enough of them go for the rest to sleep. */
	usleep(5000000);
	CHECK(meminfo("MemFree") > 0);
	kill(-family, SIGKILL);
	CHECK_EQ(waitpid(family, &status, 0), family);
	check_bystander(by, fd);
}

TEST(populate_more_than_there_is)
{
	size_t bytes = total_pages() * 2 * PAGE;
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (pid == 0) {
		mmap(NULL, bytes, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_POPULATE,
			-1, 0);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* ---- files larger than memory ---- */

static char big_name[256];

static size_t big_file_pages(void)
{
	const char *dir = getenv("BIG_DIR");
	size_t pages = total_pages();

	if (!dir)
		tap_skip("BIG_DIR is not set");
	snprintf(big_name, sizeof(big_name), "%s/big", dir);
	return pages + pages / 2;
}

static void fill_page(unsigned long *page, size_t i, unsigned long salt)
{
	for (size_t w = 0; w < PAGE / sizeof(long); w++)
		page[w] = i * 0x9e3779b97f4a7c15UL + w + salt;
}

static void check_page(const unsigned long *page, size_t i, unsigned long salt)
{
	for (size_t w = 0; w < PAGE / sizeof(long); w += 37)
		CHECK_EQ(page[w], i * 0x9e3779b97f4a7c15UL + w + salt);
}

static int make_big_file(size_t pages, unsigned long salt)
{
	static unsigned long page[512];
	int fd = open(big_name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0);
	for (size_t i = 0; i < pages; i++) {
		fill_page(page, i, salt);
		CHECK_EQ(write(fd, page, PAGE), PAGE);
	}
	return fd;
}

TEST(a_file_larger_than_memory_is_written_and_read)
{
	static unsigned long page[512];
	size_t pages = big_file_pages();
	int fd = make_big_file(pages, 1);

	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	for (size_t i = 0; i < pages; i++) {
		CHECK_EQ(read(fd, page, PAGE), PAGE);
		check_page(page, i, 1);
	}
	CHECK_EQ(unlink(big_name), 0);
}

TEST(a_file_larger_than_memory_is_mapped)
{
	size_t pages = big_file_pages();
	int fd = make_big_file(pages, 2);
	unsigned long *p = mmap(NULL, pages * PAGE, RW, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED);
	for (size_t i = 0; i < pages; i++) {
		check_page(p + i * 512, i, 2);
		fill_page(p + i * 512, i, 3);
	}
	for (size_t i = 0; i < pages; i++)
		check_page(p + i * 512, i, 3);
	CHECK_EQ(munmap(p, pages * PAGE), 0);
	CHECK_EQ(unlink(big_name), 0);
}

TEST(writers_wait_when_too_much_is_dirty)
{
	size_t pages = big_file_pages();
	int fd = make_big_file(pages, 4);

	/* dirty_ratio is 20 percent; some pages become dirty while the writer looks. */
	CHECK(meminfo("Dirty") <= meminfo("MemTotal") / 4);
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(unlink(big_name), 0);
}
