/*
 * Files larger than memory. Only on a small machine, which tests/boot/test_memory.py starts;
 * elsewhere the tests are left out. BIG_DIR is a folder with room for the file, BIG_MIB its size if
 * it is not to be once and a half of memory.
 */
#include "tap.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define RW	  (PROT_READ | PROT_WRITE)
#define SMALL_KIB (128 << 10)

static size_t total_pages(void)
{
	size_t kib = tap_number("/proc/meminfo", "MemTotal");

	if (kib > SMALL_KIB)
		tap_skip("only on a machine with less than 128 MiB");
	return kib / 4;
}

static char big_name[256];

static size_t big_file_pages(void)
{
	const char *dir = getenv("BIG_DIR"), *mib = getenv("BIG_MIB");
	size_t pages = total_pages();

	if (!dir)
		tap_skip("BIG_DIR is not set");
	snprintf(big_name, sizeof(big_name), "%s/big", dir);
	return mib && atoi(mib) ? (size_t)atoi(mib) << 8 : pages + pages / 2;
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
	CHECK(tap_number("/proc/meminfo", "Dirty") <= tap_number("/proc/meminfo", "MemTotal") / 4);
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(unlink(big_name), 0);
}
