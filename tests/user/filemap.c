/* Files in memory, and that every way to a file sees the same bytes. */
#include "tap.h"
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define RW (PROT_READ | PROT_WRITE)

static unsigned char *map(int fd, size_t pages, int prot, int flags, size_t first)
{
	unsigned char *p = mmap(NULL, pages * PAGE, prot, flags, fd, (off_t)(first * PAGE));

	CHECK(p != MAP_FAILED);
	return p;
}

TEST(offset_k_shows_page_k)
{
	int fd = tap_file("file", 10 * PAGE);
	unsigned char *p = map(fd, 10, PROT_READ, MAP_PRIVATE, 0);

	for (size_t k = 0; k < 10; k++) {
		unsigned char *q = map(fd, 1, PROT_READ, MAP_SHARED, k);

		for (size_t i = 0; i < PAGE; i++)
			CHECK_EQ(q[i], tap_byte(k * PAGE + i));
		CHECK(!memcmp(q, p + k * PAGE, PAGE));
	}
}

TEST(shared_writes_show_in_read)
{
	int fd = tap_file("file", 3 * PAGE);
	unsigned char *p = map(fd, 3, RW, MAP_SHARED, 0), c;

	p[PAGE + 5] = 0xee;
	CHECK(pread(fd, &c, 1, PAGE + 5) == 1 && c == 0xee);
}

TEST(write_shows_in_shared_and_untouched_private_maps)
{
	int fd = tap_file("file", 3 * PAGE);
	unsigned char *shared = map(fd, 3, PROT_READ, MAP_SHARED, 0),
		      *private = map(fd, 3, RW, MAP_PRIVATE, 0);

	CHECK_EQ(shared[7], tap_byte(7));
	private[PAGE] = 1;
	CHECK_EQ(pwrite(fd, "zz", 2, PAGE + 1), 2);
	CHECK_EQ(pwrite(fd, "yy", 2, 7), 2);
	CHECK(shared[PAGE + 1] == 'z' && shared[7] == 'y');
	CHECK_EQ(private[PAGE + 1], tap_byte(PAGE + 1));
	CHECK_EQ(private[7], 'y');
}

TEST(private_writes_stay_private)
{
	int fd = tap_file("file", PAGE);
	unsigned char *p = map(fd, 1, RW, MAP_PRIVATE, 0), c;

	p[0] = 0xaa;
	CHECK(pread(fd, &c, 1, 0) == 1 && c == tap_byte(0));
	CHECK_EQ(map(fd, 1, PROT_READ, MAP_SHARED, 0)[0], tap_byte(0));
	CHECK_EQ(madvise(p, PAGE, MADV_DONTNEED), 0);
	CHECK_EQ(p[0], tap_byte(0));
}

TEST(the_rest_of_the_last_page_is_zero)
{
	int fd = tap_file("file", PAGE + 100);
	unsigned char *p = map(fd, 2, PROT_READ, MAP_SHARED, 0);

	CHECK_EQ(p[PAGE + 99], tap_byte(PAGE + 99));
	for (size_t i = PAGE + 100; i < 2 * PAGE; i++)
		CHECK_EQ(p[i], 0);
}

TEST(past_the_end_is_sigbus)
{
	int fd = tap_file("file", PAGE + 1);
	unsigned char *p = map(fd, 4, RW, MAP_SHARED, 0);

	CHECK_EQ(tap_signal_of(tap_peek, p + PAGE), 0);
	CHECK_EQ(tap_signal_of(tap_peek, p + 2 * PAGE), SIGBUS);
	CHECK_EQ(tap_signal_of(tap_poke, p + 3 * PAGE), SIGBUS);
}

TEST(truncate_takes_pages_out_of_maps)
{
	int fd = tap_file("file", 4 * PAGE);
	unsigned char *shared = map(fd, 4, RW, MAP_SHARED, 0),
		      *private = map(fd, 4, RW, MAP_PRIVATE, 0);

	shared[3 * PAGE] = 1;
	private[3 * PAGE] = 2;
	CHECK_EQ(ftruncate(fd, (off_t)PAGE + 10), 0);
	CHECK_EQ(tap_signal_of(tap_peek, shared + 2 * PAGE), SIGBUS);
	CHECK_EQ(tap_signal_of(tap_peek, private + 3 * PAGE), SIGBUS);
	CHECK_EQ(shared[PAGE + 9], tap_byte(PAGE + 9));
	CHECK_EQ(shared[PAGE + 10], 0);
	CHECK_EQ(ftruncate(fd, 4 * (off_t)PAGE), 0);
	CHECK(shared[PAGE + 10] == 0 && shared[3 * PAGE] == 0 && private[3 * PAGE] == 0);
}

TEST(a_file_that_grows_shows_in_its_map)
{
	int fd = tap_file("file", 10);
	unsigned char *p = map(fd, 3, PROT_READ, MAP_SHARED, 0);

	CHECK_EQ(tap_signal_of(tap_peek, p + 2 * PAGE), SIGBUS);
	CHECK_EQ(pwrite(fd, "end", 3, 2 * (off_t)PAGE), 3);
	CHECK(!memcmp(p + 2 * PAGE, "end", 3));
}

TEST(the_map_outlives_close_and_unlink)
{
	int fd = tap_file("file", 2 * PAGE);
	unsigned char *p = map(fd, 2, RW, MAP_SHARED, 0);

	close(fd);
	CHECK_EQ(unlink("file"), 0);
	CHECK_EQ(p[PAGE + 1], tap_byte(PAGE + 1));
	p[PAGE] = 5;
	CHECK_EQ(p[PAGE], 5);
}

TEST(the_open_mode_limits_the_rights)
{
	int fd;

	close(tap_file("file", 10));
	fd = open("file", O_RDONLY);
	CHECK_ERR(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0), EACCES);
	CHECK(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0) != MAP_FAILED);
	fd = open("file", O_WRONLY);
	CHECK_ERR(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0), EACCES);
	CHECK_ERR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0), EACCES);
}

TEST(what_cannot_be_mapped_is_enodev)
{
	int fds[2];

	CHECK(pipe(fds) == 0);
	CHECK_ERR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fds[0], 0), ENODEV);
	CHECK_ERR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, open(".", O_RDONLY), 0), ENODEV);
}

TEST(write_from_a_map_of_the_same_page)
{
	int fd = tap_file("file", 2 * PAGE);
	unsigned char *p = map(fd, 2, RW, MAP_SHARED, 0), want[100];

	memcpy(want, p + 50, 100);
	CHECK(madvise(p, 2 * PAGE, MADV_DONTNEED) == 0);
	CHECK_EQ(pwrite(fd, p + 50, 100, 3000), 100);
	CHECK(!memcmp(p + 3000, want, 100));
}

TEST(read_into_a_map_of_the_same_file)
{
	int fd = tap_file("file", 2 * PAGE);
	unsigned char *p = map(fd, 2, RW, MAP_SHARED, 0);

	CHECK_EQ(pread(fd, p + PAGE, 1000, 0), 1000);
	for (size_t i = 0; i < 1000; i++)
		CHECK_EQ(p[PAGE + i], tap_byte(i));
}

TEST(a_child_writes_through_an_inherited_map)
{
	int fd = tap_file("file", PAGE);
	unsigned char *p = map(fd, 1, RW, MAP_SHARED, 0), c;

	CHECK_EQ(tap_child(tap_poke, p + 9), 0);
	CHECK_EQ(p[9], 1);
	CHECK(pread(fd, &c, 1, 9) == 1 && c == 1);
}

TEST(msync_checks_its_arguments)
{
	int fd = tap_file("file", 2 * PAGE);
	unsigned char *p = map(fd, 2, RW, MAP_SHARED, 0);

	p[0] = 1;
	CHECK_EQ(msync(p, 2 * PAGE, MS_SYNC), 0);
	CHECK_EQ(msync(p, PAGE, MS_ASYNC), 0);
	CHECK_ERR(msync(p + 1, PAGE, MS_SYNC), EINVAL);
	CHECK_ERR(msync(p, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
	CHECK(munmap(p, PAGE) == 0);
	CHECK_ERR(msync(p, 2 * PAGE, MS_SYNC), ENOMEM);
}

TEST(program_text_is_shared_with_its_file)
{
	int fd = open("/bin/sh", O_RDONLY);
	unsigned char *p, head[64];
	struct stat st;

	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	p = map(fd, ((size_t)st.st_size + PAGE - 1) / PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, 0);
	CHECK_EQ(pread(fd, head, sizeof(head), 0), sizeof(head));
	CHECK(!memcmp(head, p, sizeof(head)) && !memcmp(p, "\177ELF", 4));
	/* Every byte of a real program, by both ways. */
	for (off_t at = 0; at < st.st_size; at += 4096) {
		unsigned char buf[4096];
		ssize_t n = pread(fd, buf, sizeof(buf), at);

		CHECK(n > 0 && !memcmp(buf, p + at, (size_t)n));
	}
}

TEST(a_program_that_runs_cannot_be_written)
{
	CHECK_ERR(open("/proc/self/exe", O_WRONLY), ETXTBSY);
}

TEST(memfd_is_a_file_without_a_name)
{
	int fd = memfd_create("name", 0);
	unsigned char *p, c;

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, 2 * (off_t)PAGE), 0);
	p = map(fd, 2, RW, MAP_SHARED, 0);
	p[PAGE] = 7;
	CHECK(pread(fd, &c, 1, (off_t)PAGE) == 1 && c == 7);
	CHECK_ERR(memfd_create("name", 0x80000000), EINVAL);
}

TEST(a_mapped_hole_is_zero_and_can_be_written)
{
	int fd = tap_file("file", 0);
	unsigned char *p, c;

	CHECK_EQ(ftruncate(fd, 8 * (off_t)PAGE), 0);
	p = map(fd, 8, RW, MAP_SHARED, 0);
	for (size_t i = 0; i < 8 * PAGE; i += 100)
		CHECK_EQ(p[i], 0);
	p[5 * PAGE + 1] = 9;
	CHECK(pread(fd, &c, 1, 5 * (off_t)PAGE + 1) == 1 && c == 9);
	CHECK_EQ(fsync(fd), 0);
}

TEST(a_full_tmpfs_is_enospc_to_write_and_sigbus_to_a_map)
{
	static char block[16 * 4096];
	unsigned char *p;
	int fd;

	CHECK_EQ(mkdir("small", 0755), 0);
	if (mount("tmpfs", "small", "tmpfs", 0, "size=64k") != 0)
		tap_skip("mount(2) is refused here");
	fd = open("small/file", O_RDWR | O_CREAT, 0600);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, block, 12 * PAGE), 12 * PAGE);
	CHECK_EQ(ftruncate(fd, 32 * (off_t)PAGE), 0);
	p = map(fd, 32, RW, MAP_SHARED, 0);
	memset(p + 12 * PAGE, 1, 4 * PAGE);
	CHECK_EQ(tap_signal_of(tap_poke, p + 16 * PAGE), SIGBUS);
	CHECK_ERR(pwrite(fd, block, PAGE, 20 * (off_t)PAGE), ENOSPC);
	/* What is there stays usable; what is given back can be had again. */
	p[0] = 5;
	CHECK_EQ(ftruncate(fd, 8 * (off_t)PAGE), 0);
	CHECK_EQ(ftruncate(fd, 32 * (off_t)PAGE), 0);
	CHECK_EQ(p[0], 5);
	p[16 * PAGE] = 6;
	close(fd);
	CHECK_EQ(munmap(p, 32 * PAGE), 0);
	CHECK_EQ(umount("small"), 0);
}

TEST(code_runs_from_the_map_of_a_file)
{
	static const unsigned char code[] = {0xb8, 0x2a, 0, 0, 0, 0xc3}; /* mov $42, %eax; ret */
	int fd = open("code", O_RDWR | O_CREAT, 0755);
	unsigned char *p;

	CHECK_EQ(write(fd, code, sizeof(code)), sizeof(code));
	p = map(fd, 1, PROT_READ | PROT_EXEC, MAP_PRIVATE, 0);
	CHECK_EQ(((int (*)(void))p)(), 42);
	/* The cache is what runs: a write shows, on every CPU that fetches it anew. */
	CHECK_EQ(pwrite(fd, "\x2b", 1, 1), 1);
	CHECK_EQ(((int (*)(void))p)(), 43);
}

static void copy_file(const char *from, const char *to)
{
	static char block[65536];
	int in = open(from, O_RDONLY), out = open(to, O_RDWR | O_CREAT | O_TRUNC, 0755);
	ssize_t n;

	CHECK(in >= 0 && out >= 0);
	while ((n = read(in, block, sizeof(block))) > 0)
		CHECK_EQ(write(out, block, (size_t)n), n);
	CHECK_EQ(n, 0);
	close(in);
	close(out);
}

static unsigned long sum_of(const char *name)
{
	static unsigned char block[65536];
	unsigned long sum = 5381;
	int fd = open(name, O_RDONLY);
	ssize_t n;

	CHECK(fd >= 0);
	while ((n = read(fd, block, sizeof(block))) > 0)
		for (ssize_t i = 0; i < n; i++)
			sum = sum * 33 + block[i];
	close(fd);
	return sum;
}

/* The zeros behind the data of a program are not those of its file's last page. */
TEST(a_program_that_ran_left_its_file_alone)
{
	unsigned long before;

	copy_file("/bin/sh", "shell");
	before = sum_of("shell");
	CHECK_EQ(system("./shell -c 'x=1; y=$(echo $x); exit 0'"), 0);
	CHECK_EQ(sum_of("shell"), before);
}

/* CVE-2022-0847: what goes from a file into a pipe is the pipe's own from then on. */
TEST(writes_to_a_pipe_do_not_reach_the_file_that_was_sent)
{
	int fd = tap_file("file", PAGE), fds[2];
	unsigned char buf[PAGE];

	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(syscall(SYS_sendfile, fds[1], fd, NULL, 1), 1);
	CHECK_EQ(write(fds[1], "evil", 4), 4);
	CHECK_EQ(pread(fd, buf, PAGE, 0), PAGE);
	for (size_t i = 0; i < PAGE; i++)
		CHECK_EQ(buf[i], tap_byte(i));
	CHECK_EQ(read(fds[0], buf, 10), 5);
	CHECK(buf[0] == tap_byte(0) && !memcmp(buf + 1, "evil", 4));
}

TEST(what_is_stored_behind_the_end_is_not_kept)
{
	int fd = tap_file("file", 100);
	unsigned char *p = map(fd, 1, RW, MAP_SHARED, 0), c;

	memset(p + 100, 0xee, PAGE - 100);
	CHECK_EQ(msync(p, PAGE, MS_SYNC), 0);
	CHECK_EQ(ftruncate(fd, (off_t)PAGE), 0);
	for (size_t i = 100; i < PAGE; i++) {
		CHECK(pread(fd, &c, 1, (off_t)i) == 1);
		CHECK_EQ(c, 0);
		CHECK_EQ(p[i], 0);
	}
}
