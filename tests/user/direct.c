/* O_DIRECT: between a file's disk and the caller's memory, and what others see of it. */
#include "tap.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>

#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

#ifndef BLKGETSIZE64
#define BLKGETSIZE64 0x80081272u
#endif

static unsigned char *map(size_t pages)
{
	unsigned char *p = mmap(NULL, pages * PAGE, RW, ANON, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* Where a file system with a disk is: TAP_DISK, or the root. */
static const char *disk(void)
{
	const char *folder = getenv("TAP_DISK");

	return folder ? folder : "";
}

/* A file of pattern there (/tmp has no disk), and the same as O_DIRECT. The name goes
 * at once. */
static int plain_and_direct(size_t size, int *plain)
{
	unsigned char *p = map(size / PAGE + 1);
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "%s/direct.%d", disk(), (int)getpid());
	*plain = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	CHECK(*plain >= 0);
	for (size_t i = 0; i < size; i++)
		p[i] = tap_byte(i);
	CHECK_EQ(write(*plain, p, size), size);
	fd = open(name, O_RDWR | O_DIRECT);
	CHECK_EQ(unlink(name), 0);
	if (fd < 0 && errno == EINVAL)
		tap_skip("no O_DIRECT here");
	CHECK(fd >= 0);
	return fd;
}

static int direct_file(size_t size)
{
	int plain, fd = plain_and_direct(size, &plain);

	close(plain);
	return fd;
}

static void fill(unsigned char *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)(i * 11 + i / PAGE * 3 + seed);
}

static void check_filled(const unsigned char *p, size_t n, size_t from, unsigned seed)
{
	for (size_t i = from; i < from + n; i++, p++)
		CHECK_EQ(*p, (unsigned char)(i * 11 + i / PAGE * 3 + seed));
}

static void check_pattern(const unsigned char *p, size_t n, size_t from)
{
	for (size_t i = 0; i < n; i++)
		CHECK_EQ(p[i], tap_byte(from + i));
}

TEST(reads_what_the_file_has)
{
	int plain, fd = plain_and_direct(40 * PAGE, &plain);
	unsigned char *p = map(64);

	/* Nobody called fsync: the pages are still dirty. */
	CHECK_EQ(read(fd, p, 40 * PAGE), 40 * PAGE);
	check_pattern(p, 40 * PAGE, 0);
	CHECK_EQ(read(fd, p, PAGE), 0);
	CHECK_EQ(pread(fd, p, PAGE, 7 * PAGE), PAGE);
	check_pattern(p, PAGE, 7 * PAGE);
	CHECK_EQ(lseek(fd, PAGE, SEEK_SET), PAGE);
	CHECK_EQ(read(fd, p, PAGE), PAGE);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 2 * PAGE);
	close(plain);
}

TEST(short_at_the_end_of_the_file)
{
	unsigned char *p = map(4);
	int fd;

	fd = direct_file(2 * PAGE + 100);
	CHECK_EQ(read(fd, p, 4 * PAGE), 2 * PAGE + 100);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 2 * PAGE + 100);
	check_pattern(p, 2 * PAGE + 100, 0);
	CHECK_EQ(pread(fd, p, PAGE, 2 * PAGE), 100);
	CHECK_EQ(pread(fd, p, PAGE, 4 * PAGE), 0);
}

TEST(writes_over_what_is_there)
{
	int plain, fd = plain_and_direct(400 * PAGE, &plain);
	unsigned char *p = map(400), *q = map(400);

	fill(p, 400 * PAGE, 5);
	CHECK_EQ(pwrite(fd, p, 300 * PAGE, 20 * PAGE), 300 * PAGE);
	CHECK_EQ(pread(plain, q, 400 * PAGE, 0), 400 * PAGE);
	check_pattern(q, 20 * PAGE, 0);
	check_filled(q + 20 * PAGE, 300 * PAGE, 0, 5);
	check_pattern(q + 320 * PAGE, 80 * PAGE, 320 * PAGE);
	CHECK_EQ(pread(fd, q, 400 * PAGE, 0), 400 * PAGE);
	check_pattern(q, 20 * PAGE, 0);
	check_filled(q + 20 * PAGE, 300 * PAGE, 0, 5);
	CHECK_EQ(lseek(plain, 0, SEEK_END), 400 * PAGE);
}

TEST(sectors_of_512_bytes)
{
	int plain, fd = plain_and_direct(4 * PAGE, &plain);
	unsigned char *p = map(2), *q = map(4);

	fill(p, 512, 1);
	if (pwrite(fd, p, 512, 3 * 512) < 0 && errno == EINVAL)
		tap_skip("larger sectors here");
	fill(p + 512, 1024, 2);
	CHECK_EQ(pwrite(fd, p + 512, 1024, PAGE + 512), 1024);
	CHECK_EQ(pread(plain, q, 4 * PAGE, 0), 4 * PAGE);
	check_pattern(q, 3 * 512, 0);
	check_filled(q + 3 * 512, 512, 0, 1);
	check_pattern(q + 4 * 512, PAGE + 512 - 4 * 512, 4 * 512);
	check_filled(q + PAGE + 512, 1024, 0, 2);
	check_pattern(q + PAGE + 1536, 2 * PAGE, PAGE + 1536);
	CHECK_EQ(pread(fd, q + 512, 512, 4 * 512), 512);
	check_pattern(q + 512, 512, 4 * 512);
}

TEST(what_is_not_aligned_is_refused)
{
	unsigned char *p = map(4);
	struct iovec v[2] = {{p, 512}, {p + 512, 100}};
	int fd;

	fd = direct_file(4 * PAGE);
	CHECK_ERR(pread(fd, p + 1, PAGE, 0), EINVAL);
	CHECK_ERR(pread(fd, p, PAGE, 100), EINVAL);
	CHECK_ERR(pread(fd, p, 100, 0), EINVAL);
	CHECK_ERR(pwrite(fd, p + 8, PAGE, 0), EINVAL);
	CHECK_ERR(pwrite(fd, p, PAGE, 1), EINVAL);
	CHECK_ERR(pwrite(fd, p, PAGE - 1, 0), EINVAL);
	CHECK_ERR(preadv(fd, v, 2, 0), EINVAL);
	CHECK_ERR(pwritev(fd, v, 2, 0), EINVAL);
	CHECK_EQ(pread(fd, p, 0, 0), 0);
	CHECK_EQ(pwrite(fd, p, 0, 0), 0);
	CHECK_EQ(pread(fd, p, 4 * PAGE, 0), 4 * PAGE);
	check_pattern(p, 4 * PAGE, 0);
}

TEST(vectors)
{
	unsigned char *p = map(8), *q = map(8);
	struct iovec v[4] = {
		{p, PAGE}, {p + 3 * PAGE, 0}, {p + 2 * PAGE, 2 * PAGE}, {p + 6 * PAGE, PAGE}};
	int plain, fd = plain_and_direct(8 * PAGE, &plain);

	CHECK_EQ(preadv(fd, v, 4, PAGE), 4 * PAGE);
	check_pattern(p, PAGE, PAGE);
	check_pattern(p + 2 * PAGE, 2 * PAGE, 2 * PAGE);
	check_pattern(p + 6 * PAGE, PAGE, 4 * PAGE);
	fill(p, 8 * PAGE, 3);
	CHECK_EQ(pwritev(fd, v, 4, 0), 4 * PAGE);
	CHECK_EQ(pread(plain, q, 4 * PAGE, 0), 4 * PAGE);
	CHECK(!memcmp(q, p, PAGE));
	CHECK(!memcmp(q + PAGE, p + 2 * PAGE, 2 * PAGE));
	CHECK(!memcmp(q + 3 * PAGE, p + 6 * PAGE, PAGE));
}

TEST(holes_read_as_zeros_and_can_be_written)
{
	int plain, fd = plain_and_direct(0, &plain);
	unsigned char *p = map(64), *q = map(64);

	CHECK_EQ(ftruncate(plain, 64 * PAGE), 0);
	CHECK_EQ(pwrite(plain, "x", 1, 10 * PAGE + 5), 1);
	CHECK_EQ(pwrite(plain, "y", 1, 50 * PAGE), 1);
	memset(p, 9, 64 * PAGE);
	CHECK_EQ(pread(fd, p, 64 * PAGE, 0), 64 * PAGE);
	for (size_t i = 0; i < 64 * PAGE; i++)
		CHECK_EQ(p[i], i == 10 * PAGE + 5 ? 'x' : i == 50 * PAGE ? 'y' : 0);
	fill(p, 64 * PAGE, 7);
	CHECK_EQ(pwrite(fd, p, 45 * PAGE, 8 * PAGE), 45 * PAGE);
	for (int round = 0; round < 2; round++) {
		CHECK_EQ(pread(round ? fd : plain, q, 64 * PAGE, 0), 64 * PAGE);
		for (size_t i = 0; i < 8 * PAGE; i++)
			CHECK_EQ(q[i], 0);
		check_filled(q + 8 * PAGE, 45 * PAGE, 0, 7);
		for (size_t i = 53 * PAGE; i < 64 * PAGE; i++)
			CHECK_EQ(q[i], 0);
	}
}

TEST(writes_grow_the_file)
{
	int plain, fd = plain_and_direct(2 * PAGE + 100, &plain);
	unsigned char *p = map(40), *q = map(40);

	fill(p, 40 * PAGE, 4);
	CHECK_EQ(pwrite(fd, p, 3 * PAGE, PAGE), 3 * PAGE);
	CHECK_EQ(lseek(plain, 0, SEEK_END), 4 * PAGE);
	CHECK_EQ(pwrite(fd, p, 2 * PAGE, 30 * PAGE), 2 * PAGE);
	CHECK_EQ(pread(plain, q, 40 * PAGE, 0), 32 * PAGE);
	check_pattern(q, PAGE, 0);
	check_filled(q + PAGE, 3 * PAGE, 0, 4);
	for (size_t i = 4 * PAGE; i < 30 * PAGE; i++)
		CHECK_EQ(q[i], 0);
	check_filled(q + 30 * PAGE, 2 * PAGE, 0, 4);
	/* O_APPEND goes to the end, wherever that is. */
	CHECK_EQ(fcntl(fd, F_SETFL, O_DIRECT | O_APPEND), 0);
	CHECK_EQ(write(fd, p, PAGE), PAGE);
	CHECK_EQ(lseek(plain, 0, SEEK_END), 33 * PAGE);
	CHECK_EQ(ftruncate(plain, 33 * PAGE + 1), 0);
	CHECK_ERR(write(fd, p, PAGE), EINVAL);
}

TEST(maps_and_plain_io_agree_with_it)
{
	int plain, fd = plain_and_direct(16 * PAGE, &plain);
	unsigned char *m = mmap(NULL, 16 * PAGE, RW, MAP_SHARED, plain, 0), *p = map(16);

	CHECK(m != MAP_FAILED);
	check_pattern(m, 16 * PAGE, 0); /* all of it is entered */
	m[3 * PAGE + 1] = 0xab;		/* and dirty */
	CHECK_EQ(pread(fd, p, 16 * PAGE, 0), 16 * PAGE);
	CHECK_EQ(p[3 * PAGE + 1], 0xab);
	fill(p, 8 * PAGE, 6);
	m[2 * PAGE] = 0xcd;
	CHECK_EQ(pwrite(fd, p, 4 * PAGE, 4 * PAGE), 4 * PAGE);
	check_filled(m + 4 * PAGE, 4 * PAGE, 0, 6);
	CHECK_EQ(m[2 * PAGE], 0xcd);
	m[5 * PAGE] = 0xef;
	CHECK_EQ(pread(fd, p, PAGE, 5 * PAGE), PAGE);
	CHECK_EQ(p[0], 0xef);
	CHECK_EQ(pread(plain, p, PAGE, 2 * PAGE), PAGE);
	CHECK_EQ(p[0], 0xcd);
}

TEST(locked_maps_see_it_too)
{
	int plain, fd = plain_and_direct(4 * PAGE, &plain);
	unsigned char *m = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, plain, 0), *p = map(4);

	CHECK(m != MAP_FAILED);
	CHECK_EQ(mlock(m, 4 * PAGE), 0);
	fill(p, 4 * PAGE, 8);
	CHECK_EQ(pwrite(fd, p, 2 * PAGE, PAGE), 2 * PAGE);
	check_filled(m + PAGE, 2 * PAGE, 0, 8);
	check_pattern(m, PAGE, 0);
	CHECK_EQ(fsync(plain), 0);
	CHECK_EQ(pread(fd, p, 4 * PAGE, 0), 4 * PAGE);
	check_filled(p + PAGE, 2 * PAGE, 0, 8);
}

TEST(the_buffer_may_be_a_map_of_the_file)
{
	int plain, fd = plain_and_direct(8 * PAGE, &plain);
	unsigned char *m = mmap(NULL, 8 * PAGE, RW, MAP_SHARED, plain, 0), *p = map(8);
	unsigned char want[PAGE];

	CHECK(m != MAP_FAILED);
	memcpy(want, m + 5 * PAGE, PAGE);
	/* From one part to another, both ways; and a part onto itself. */
	CHECK_EQ(pwrite(fd, m + 5 * PAGE, PAGE, PAGE), PAGE);
	CHECK(!memcmp(m + PAGE, want, PAGE));
	CHECK_EQ(pread(fd, m + 2 * PAGE, PAGE, 5 * PAGE), PAGE);
	CHECK(!memcmp(m + 2 * PAGE, want, PAGE));
	CHECK_EQ(pwrite(fd, m + 5 * PAGE, PAGE, 5 * PAGE), PAGE);
	CHECK_EQ(pread(fd, m + 5 * PAGE, PAGE, 5 * PAGE), PAGE);
	CHECK(!memcmp(m + 5 * PAGE, want, PAGE));
	CHECK_EQ(fsync(plain), 0);
	CHECK_EQ(pread(fd, p, 8 * PAGE, 0), 8 * PAGE);
	CHECK(!memcmp(p + PAGE, want, PAGE));
	CHECK(!memcmp(p + 2 * PAGE, want, PAGE));
	check_pattern(p + 3 * PAGE, PAGE, 3 * PAGE);
}

TEST(bad_buffers)
{
	unsigned char *p = map(8), *ro;
	int plain, fd = plain_and_direct(8 * PAGE, &plain);
	unsigned char got[PAGE];

	CHECK_EQ(munmap(p + 3 * PAGE, PAGE), 0);
	CHECK_ERR(pread(fd, p + 3 * PAGE, PAGE, 0), EFAULT);
	CHECK_ERR(pwrite(fd, p + 3 * PAGE, PAGE, 0), EFAULT);
	CHECK_ERR(pread(fd, (void *)0x7ffffffff000, PAGE, 0), EFAULT);
	CHECK_ERR(pwrite(fd, (void *)0xffff800000000000, PAGE, 0), EFAULT);
	ro = mmap(NULL, PAGE, PROT_READ, ANON, -1, 0);
	CHECK(ro != MAP_FAILED);
	CHECK_ERR(pread(fd, ro, PAGE, 0), EFAULT);
	/* A write of memory that nobody touched is one of zeros. */
	CHECK_EQ(pwrite(fd, ro, PAGE, PAGE), PAGE);
	CHECK_EQ(pread(plain, got, PAGE, PAGE), PAGE);
	for (size_t i = 0; i < PAGE; i++)
		CHECK_EQ(got[i], 0);
	CHECK_EQ(pread(plain, got, PAGE, 0), PAGE);
	check_pattern(got, PAGE, 0);
}

TEST(what_can_be_direct)
{
	int fd, direct = plain_and_direct(PAGE, &fd);

	CHECK(fcntl(direct, F_GETFL) & O_DIRECT);
	CHECK_EQ(fcntl(fd, F_SETFL, O_DIRECT), 0);
	CHECK(fcntl(fd, F_GETFL) & O_DIRECT);
	CHECK_ERR(pread(fd, map(2) + 1, PAGE, 0), EINVAL);
	CHECK_EQ(fcntl(fd, F_SETFL, 0), 0);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_DIRECT, 0);
	CHECK_EQ(pread(fd, map(2) + 1, PAGE, 0), PAGE);
	CHECK_ERR(open("/dev/null", O_RDWR | O_DIRECT), EINVAL);
	CHECK_ERR(open("/proc/self/status", O_RDONLY | O_DIRECT), EINVAL);
	fd = open("/dev/null", O_RDWR);
	CHECK(fd >= 0);
	CHECK_ERR(fcntl(fd, F_SETFL, O_DIRECT), EINVAL);
}

/* Memory that others fork, unmap and write beside. */

static int beside_fd;
static unsigned char *beside;
static volatile int beside_stop;

static void *read_over_and_over(void *arg)
{
	(void)arg;
	while (!beside_stop) {
		CHECK_EQ(pread(beside_fd, beside, 16 * PAGE, 0), 16 * PAGE);
		CHECK_EQ(memcmp(beside, beside + 16 * PAGE, 16 * PAGE), 0);
		memset(beside, 0, 16 * PAGE);
	}
	return NULL;
}

TEST(fork_beside_reads_and_writes)
{
	pthread_t t;

	beside_fd = direct_file(16 * PAGE);
	beside = map(32);
	CHECK_EQ(pread(beside_fd, beside + 16 * PAGE, 16 * PAGE, 0), 16 * PAGE);
	CHECK_EQ(pthread_create(&t, NULL, read_over_and_over, NULL), 0);
	for (int i = 0; i < 40; i++) {
		pid_t pid = fork();
		int status;

		CHECK(pid >= 0);
		if (!pid) {
			/* What the parent reads goes on in the parent. */
			unsigned char *copy = beside;

			memset(copy, 0x5a, 16 * PAGE);
			usleep(500);
			for (size_t k = 0; k < 16 * PAGE; k++)
				if (copy[k] != 0x5a)
					_exit(1);
			_exit(0);
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 0);
	}
	beside_stop = 1;
	CHECK_EQ(pthread_join(t, NULL), 0);
}

static void *read_into_what_goes(void *arg)
{
	(void)arg;
	while (!beside_stop) {
		ssize_t n = pread(beside_fd, beside, 16 * PAGE, 0);

		CHECK(n == 16 * PAGE || (n >= 0 && n % 512 == 0) || errno == EFAULT);
	}
	return NULL;
}

TEST(munmap_beside_reads)
{
	pthread_t t;

	beside_fd = direct_file(16 * PAGE);
	beside = map(16);
	CHECK_EQ(pthread_create(&t, NULL, read_into_what_goes, NULL), 0);
	for (int i = 0; i < 400; i++) {
		unsigned char *mine;

		CHECK_EQ(munmap(beside, 16 * PAGE), 0);
		/* Frames that were given back are not read into any more. */
		mine = map(16);
		if (mine == beside)
			continue;
		for (size_t k = 0; k < 16 * PAGE; k += 64)
			mine[k] = 0x77;
		CHECK(mmap(beside, 16 * PAGE, RW, ANON | MAP_FIXED, -1, 0) == beside);
		for (size_t k = 0; k < 16 * PAGE; k += 64)
			CHECK_EQ(mine[k], 0x77);
		CHECK_EQ(munmap(mine, 16 * PAGE), 0);
	}
	beside_stop = 1;
	CHECK_EQ(pthread_join(t, NULL), 0);
}

/*
 * A map that reads while the file is written directly: old bytes or new ones, and new ones at the
 * end.
 */
static void *look(void *arg)
{
	volatile unsigned char *m = arg;

	while (!beside_stop)
		for (size_t i = 0; i < 16; i++)
			(void)m[i * PAGE];
	return NULL;
}

TEST(readers_of_a_map_do_not_keep_old_pages)
{
	int plain, fd = plain_and_direct(16 * PAGE, &plain);
	unsigned char *m = mmap(NULL, 16 * PAGE, PROT_READ, MAP_SHARED, plain, 0), *p = map(16);
	pthread_t t;

	CHECK(m != MAP_FAILED);
	CHECK_EQ(pthread_create(&t, NULL, look, m), 0);
	for (unsigned round = 0; round < 200; round++) {
		memset(p, (int)round, 16 * PAGE);
		CHECK_EQ(pwrite(fd, p, 16 * PAGE, 0), 16 * PAGE);
		for (size_t i = 0; i < 16; i++) {
			CHECK_EQ(m[i * PAGE], round & 0xff);
			CHECK_EQ(m[i * PAGE + PAGE - 1], round & 0xff);
		}
	}
	beside_stop = 1;
	CHECK_EQ(pthread_join(t, NULL), 0);
	CHECK_EQ(fsync(plain), 0);
	CHECK_EQ(pread(fd, p, 16 * PAGE, 0), 16 * PAGE);
	for (size_t i = 0; i < 16 * PAGE; i++)
		CHECK_EQ(p[i], 199);
}

/* The device below: its node and the file system's pages agree. */
static const char *device(void)
{
	const char *folder = *disk() ? disk() : "/";
	static char name[64];
	char where[64], type[64];
	FILE *f = fopen("/proc/mounts", "r");

	CHECK(f);
	while (fscanf(f, "%63s %63s %63s %*[^\n]", name, where, type) == 3)
		if (!strcmp(where, folder) && !strcmp(type, "ext2")) {
			fclose(f);
			return name;
		}
	fclose(f);
	tap_skip("no ext2 of ours");
}

TEST(block_devices)
{
	const char *name = device();
	int plain = open(name, O_RDWR), fd = open(name, O_RDWR | O_DIRECT);
	unsigned char *p = map(600), *q = map(600);
	uint64_t size;

	CHECK(plain >= 0 && fd >= 0);
	CHECK_EQ(ioctl(fd, BLKGETSIZE64, &size), 0);
	CHECK_EQ(pread(plain, p, 600 * PAGE, 0), 600 * PAGE);
	CHECK_EQ(pread(fd, q, 600 * PAGE, 0), 600 * PAGE);
	CHECK(!memcmp(p + 1024, q + 1024, 1024)); /* the super block */
	CHECK_ERR(pread(fd, q + 4, 512, 0), EINVAL);
	CHECK_ERR(pread(fd, q, 512, 4), EINVAL);
	CHECK_ERR(pread(fd, q, 500, 0), EINVAL);
	CHECK_EQ(pread(fd, q, PAGE, (off_t)size), 0);
	CHECK_EQ(pread(fd, q, PAGE, (off_t)size - 512), 512);
	/* The last sector: what is there is written again, then something else, and seen. */
	CHECK_EQ(pwrite(fd, q, PAGE, (off_t)size - 512), 512);
	CHECK_ERR(pwrite(fd, q, PAGE, (off_t)size), ENOSPC);
	memcpy(p, q, 512);
	memset(p + 512, 0x3c, 512);
	CHECK_EQ(pread(plain, q + PAGE, 512, (off_t)size - 512), 512);
	CHECK_EQ(pwrite(fd, p + 512, 512, (off_t)size - 512), 512);
	CHECK_EQ(pread(plain, q + PAGE, 512, (off_t)size - 512), 512);
	CHECK(!memcmp(q + PAGE, p + 512, 512));
	CHECK_EQ(pwrite(plain, p, 512, (off_t)size - 512), 512);
	CHECK_EQ(pread(fd, q, 512, (off_t)size - 512), 512);
	CHECK(!memcmp(q, p, 512));
}
