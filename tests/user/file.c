/* open, read, write, lseek and what else works on a descriptor. */
#include "tap.h"
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static char buf[8192];

TEST(open_missing_file_is_enoent)
{
	CHECK_ERR(open("nosuch", O_RDONLY), ENOENT);
	CHECK_ERR(open("", O_RDONLY), ENOENT);
	CHECK_ERR(open("nosuch/file", O_CREAT | O_WRONLY, 0644), ENOENT);
}

TEST(open_through_a_file_is_enotdir)
{
	close(tap_file("file", 1));
	CHECK_ERR(open("file/x", O_RDONLY), ENOTDIR);
	CHECK_ERR(open("file", O_RDONLY | O_DIRECTORY), ENOTDIR);
}

TEST(open_existing_with_excl_is_eexist)
{
	close(tap_file("file", 1));
	CHECK_ERR(open("file", O_CREAT | O_EXCL | O_RDWR, 0644), EEXIST);
}

TEST(open_directory_for_writing_is_eisdir)
{
	CHECK_ERR(open(".", O_WRONLY), EISDIR);
	CHECK_ERR(open(".", O_RDWR), EISDIR);
}

TEST(open_name_too_long_is_enametoolong)
{
	memset(buf, 'a', PATH_MAX);
	buf[300] = 0;
	CHECK_ERR(open(buf, O_RDONLY), ENAMETOOLONG);
}

TEST(open_gives_the_lowest_free_descriptor)
{
	int a = tap_file("a", 1), b = tap_file("b", 1);

	CHECK_EQ(b, a + 1);
	close(a);
	CHECK_EQ(open("b", O_RDONLY), a);
}

TEST(open_with_trunc_empties_the_file)
{
	struct stat st;

	close(tap_file("file", 5000));
	CHECK(open("file", O_WRONLY | O_TRUNC) >= 0);
	CHECK(stat("file", &st) == 0);
	CHECK_EQ(st.st_size, 0);
}

TEST(open_makes_the_mode_with_the_umask)
{
	struct stat st;

	umask(027);
	CHECK(open("file", O_CREAT | O_WRONLY, 0666) >= 0);
	CHECK(stat("file", &st) == 0);
	CHECK_EQ(st.st_mode & 07777, 0640);
}

TEST(openat_resolves_from_the_directory)
{
	int dir, fd;

	CHECK(mkdir("d", 0755) == 0);
	close(tap_file("d/file", 3));
	dir = open("d", O_RDONLY | O_DIRECTORY);
	fd = openat(dir, "file", O_RDONLY);
	CHECK_EQ(read(fd, buf, 10), 3);
	CHECK_ERR(openat(-1, "file", O_RDONLY), EBADF);
	CHECK_ERR(openat(fd, "file", O_RDONLY), ENOTDIR);
}

TEST(close_twice_is_ebadf)
{
	int fd = tap_file("file", 1);

	CHECK_EQ(close(fd), 0);
	CHECK_ERR(close(fd), EBADF);
	CHECK_ERR(close(-1), EBADF);
	CHECK_ERR(close(1000000), EBADF);
}

TEST(read_gives_what_is_there_and_0_at_the_end)
{
	int fd = tap_file("file", 5000);

	CHECK_EQ(read(fd, buf, 4000), 4000);
	CHECK_EQ(read(fd, buf, 4000), 1000);
	for (size_t i = 0; i < 1000; i++)
		CHECK_EQ((unsigned char)buf[i], tap_byte(4000 + i));
	CHECK_EQ(read(fd, buf, 4000), 0);
	CHECK_EQ(read(fd, buf, 0), 0);
}

TEST(long_reads_go_over_holes_and_parts_of_memory_up_to_the_end)
{
	static unsigned char a[40 * PAGE], b[40 * PAGE];
	const size_t size = 30 * PAGE + 77;
	int fd = tap_file("file", size);

	CHECK_EQ(ftruncate(fd, 20 * (off_t)PAGE + 5), 0);
	CHECK_EQ(ftruncate(fd, (off_t)size), 0);
	for (size_t from = 0; from < size; from += 3 * PAGE + 1001) {
		struct iovec parts[3] = {{a, 5000}, {a, 0}, {b + 1, 22 * PAGE}};
		size_t want = size - from < 5000 + 22 * PAGE ? size - from : 5000 + 22 * PAGE;

		CHECK_EQ(lseek(fd, (off_t)from, SEEK_SET), from);
		CHECK_EQ(readv(fd, parts, 3), want);
		CHECK_EQ(lseek(fd, 0, SEEK_CUR), from + want);
		for (size_t i = 0; i < want; i++) {
			size_t at = from + i;

			CHECK_EQ(i < 5000 ? a[i] : b[1 + i - 5000],
				at < 20 * PAGE + 5 ? tap_byte(at) : 0);
		}
	}
}

TEST(read_of_a_directory_is_eisdir)
{
	int fd = open(".", O_RDONLY);

	CHECK_ERR(read(fd, buf, 10), EISDIR);
}

TEST(read_and_write_need_the_right_open_mode)
{
	int fd;

	close(tap_file("file", 10));
	fd = open("file", O_WRONLY);
	CHECK_ERR(read(fd, buf, 1), EBADF);
	fd = open("file", O_RDONLY);
	CHECK_ERR(write(fd, buf, 1), EBADF);
	CHECK_ERR(read(-1, buf, 1), EBADF);
}

TEST(write_past_the_end_leaves_zeros_between)
{
	int fd = tap_file("file", 10);
	struct stat st;

	CHECK_EQ(lseek(fd, 9000, SEEK_SET), 9000);
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK(fstat(fd, &st) == 0);
	CHECK_EQ(st.st_size, 9001);
	CHECK_EQ(pread(fd, buf, sizeof(buf), 10), 8192);
	for (size_t i = 0; i < sizeof(buf); i++)
		CHECK_EQ(buf[i], 0);
}

TEST(append_writes_at_the_end_whatever_the_offset)
{
	int fd = tap_file("file", 10), app = open("file", O_RDWR | O_APPEND);

	CHECK_EQ(lseek(app, 0, SEEK_SET), 0);
	CHECK_EQ(write(app, "zz", 2), 2);
	CHECK_EQ(lseek(app, 0, SEEK_CUR), 12);
	CHECK_EQ(pread(fd, buf, 10, 10), 2);
	CHECK(!memcmp(buf, "zz", 2));
}

TEST(lseek_counts_from_start_here_and_end)
{
	int fd = tap_file("file", 100);

	CHECK_EQ(lseek(fd, 10, SEEK_SET), 10);
	CHECK_EQ(lseek(fd, 5, SEEK_CUR), 15);
	CHECK_EQ(lseek(fd, -1, SEEK_END), 99);
	CHECK_EQ(lseek(fd, 1000, SEEK_END), 1100);
	CHECK_EQ(read(fd, buf, 1), 0);
	CHECK_ERR(lseek(fd, -1, SEEK_SET), EINVAL);
	CHECK_ERR(lseek(fd, 0, 99), EINVAL);
	CHECK_ERR(lseek(-1, 0, SEEK_SET), EBADF);
}

TEST(pread_and_pwrite_leave_the_offset)
{
	int fd = tap_file("file", 100);

	CHECK_EQ(pwrite(fd, "ab", 2, 50), 2);
	CHECK_EQ(pread(fd, buf, 2, 50), 2);
	CHECK(!memcmp(buf, "ab", 2));
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
	CHECK_ERR(pread(fd, buf, 1, -1), EINVAL);
	CHECK_ERR(pwrite(fd, buf, 1, -1), EINVAL);
}

TEST(readv_and_writev_take_all_parts)
{
	char a[3], b[5];
	struct iovec out[2] = {{"hello ", 6}, {"world", 5}}, in[2] = {{a, 3}, {b, 5}};
	int fd = tap_file("file", 0);

	CHECK_EQ(writev(fd, out, 2), 11);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	CHECK_EQ(readv(fd, in, 2), 8);
	CHECK(!memcmp(a, "hel", 3) && !memcmp(b, "lo wo", 5));
	CHECK_EQ(writev(fd, out, 0), 0);
	CHECK_ERR(writev(fd, out, -1), EINVAL);
	CHECK_ERR(writev(fd, out, 1025), EINVAL);
}

TEST(dup_shares_the_offset)
{
	int fd = tap_file("file", 100), copy = dup(fd);

	CHECK(copy > fd);
	CHECK_EQ(read(fd, buf, 10), 10);
	CHECK_EQ(lseek(copy, 0, SEEK_CUR), 10);
	CHECK_ERR(dup(-1), EBADF);
}

TEST(dup2_closes_the_target)
{
	int fd = tap_file("a", 3), other = tap_file("b", 5);

	CHECK_EQ(dup2(fd, other), other);
	CHECK_EQ(read(other, buf, 10), 3);
	CHECK_EQ(dup2(fd, fd), fd);
	CHECK_ERR(dup2(fd, -1), EBADF);
	CHECK_ERR(dup2(77, fd), EBADF);
	CHECK_ERR(dup3(fd, fd, 0), EINVAL);
}

TEST(close_on_exec_is_a_flag_of_the_descriptor)
{
	int fd = tap_file("file", 1), copy;

	CHECK_EQ(fcntl(fd, F_GETFD), 0);
	CHECK_EQ(fcntl(fd, F_SETFD, FD_CLOEXEC), 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	copy = dup(fd);
	CHECK_EQ(fcntl(copy, F_GETFD), 0);
	copy = dup3(fd, 20, O_CLOEXEC);
	CHECK_EQ(copy, 20);
	CHECK_EQ(fcntl(copy, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(fd, F_DUPFD, 30), 30);
	CHECK_EQ(fcntl(fd, F_DUPFD_CLOEXEC, 30), 31);
	CHECK_EQ(fcntl(31, F_GETFD), FD_CLOEXEC);
	CHECK_ERR(fcntl(fd, F_DUPFD, -1), EINVAL);
	CHECK_ERR(fcntl(-1, F_GETFD), EBADF);
	CHECK_ERR(fcntl(fd, 9999), EINVAL);
}

TEST(fcntl_setfl_changes_append_and_nonblock)
{
	int fd = tap_file("file", 10);

	CHECK_EQ(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND), O_RDWR);
	CHECK_EQ(fcntl(fd, F_SETFL, O_APPEND), 0);
	CHECK(fcntl(fd, F_GETFL) & O_APPEND);
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 11);
}

TEST(ftruncate_shortens_and_extends_with_zeros)
{
	int fd = tap_file("file", 5000);
	struct stat st;

	CHECK_EQ(ftruncate(fd, 100), 0);
	CHECK_EQ(ftruncate(fd, 5000), 0);
	CHECK_EQ(pread(fd, buf, 8192, 0), 5000);
	CHECK_EQ((unsigned char)buf[99], tap_byte(99));
	for (int i = 100; i < 5000; i++)
		CHECK_EQ(buf[i], 0);
	CHECK_EQ(truncate("file", 7), 0);
	CHECK(fstat(fd, &st) == 0 && st.st_size == 7);
	CHECK_ERR(ftruncate(fd, -1), EINVAL);
	CHECK_ERR(ftruncate(-1, 0), EBADF);
	CHECK_ERR(truncate("nosuch", 0), ENOENT);
	CHECK_ERR(truncate(".", 0), EISDIR);
}

TEST(fsync_works_on_files_only)
{
	int fd = tap_file("file", 5000), fds[2];

	CHECK_EQ(fsync(fd), 0);
	CHECK_EQ(fdatasync(fd), 0);
	CHECK(pipe(fds) == 0);
	CHECK_ERR(fsync(fds[0]), EINVAL);
	CHECK_ERR(fsync(-1), EBADF);
}

TEST(stat_tells_type_size_and_links)
{
	struct stat a, b;

	close(tap_file("file", 1234));
	CHECK(link("file", "other") == 0);
	CHECK(stat("file", &a) == 0 && stat("other", &b) == 0);
	CHECK(S_ISREG(a.st_mode));
	CHECK_EQ(a.st_size, 1234);
	CHECK_EQ(a.st_nlink, 2);
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK(stat(".", &a) == 0 && S_ISDIR(a.st_mode));
	CHECK_ERR(stat("nosuch", &a), ENOENT);
	CHECK_ERR(fstat(-1, &a), EBADF);
}

TEST(an_unlinked_open_file_lives_on)
{
	int fd = tap_file("file", 3000);
	struct stat st;

	CHECK_EQ(unlink("file"), 0);
	CHECK_ERR(open("file", O_RDONLY), ENOENT);
	CHECK_EQ(pread(fd, buf, 8192, 0), 3000);
	CHECK(fstat(fd, &st) == 0);
	CHECK_EQ(st.st_nlink, 0);
}

TEST(a_big_file_with_holes_reads_as_zero)
{
	int fd = tap_file("file", 0);

	/*
	 * Beyond the first indirect blocks of 1 KiB: 12 + 256 + some of the double indirect ones.
	 */
	for (long at = 0; at < 600 * 1024; at += 50 * 1024)
		CHECK_EQ(pwrite(fd, &at, sizeof(at), at), sizeof(at));
	for (long at = 0; at < 600 * 1024; at += 50 * 1024) {
		long got[2];
		ssize_t n = pread(fd, got, sizeof(got), at);

		CHECK(n >= (ssize_t)sizeof(long) && got[0] == at);
		CHECK(n < 16 || got[1] == 0);
	}
}

TEST(ioctl_that_is_unknown_is_enotty)
{
	int fd = tap_file("file", 1);

	CHECK_ERR(ioctl(fd, TCGETS, buf), ENOTTY);
	CHECK_ERR(ioctl(-1, TCGETS, buf), EBADF);
}

TEST(dev_null_and_zero)
{
	int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR);

	CHECK(null >= 0 && zero >= 0);
	CHECK_EQ(write(null, buf, 100), 100);
	CHECK_EQ(read(null, buf, 100), 0);
	memset(buf, 1, 100);
	CHECK_EQ(read(zero, buf, 100), 100);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(buf[i], 0);
}

static volatile sig_atomic_t too_big;

static void note_too_big(int sig)
{
	too_big = sig;
}

TEST(files_do_not_grow_past_the_limit)
{
	struct rlimit limit = {10000, RLIM_INFINITY};
	const size_t half = 6000;
	int fd = tap_file("f", 0);

	signal(SIGXFSZ, note_too_big);
	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
	CHECK_EQ(write(fd, buf, half), half);
	CHECK_EQ(write(fd, buf, half), 4000);
	CHECK_EQ(too_big, 0);
	CHECK_ERR(write(fd, buf, 1), EFBIG);
	CHECK_EQ(too_big, SIGXFSZ);
	too_big = 0;
	CHECK_ERR(pwrite(fd, buf, 1, 20000), EFBIG);
	CHECK_EQ(too_big, SIGXFSZ);
	too_big = 0;
	CHECK_ERR(ftruncate(fd, 10001), EFBIG);
	CHECK_EQ(too_big, SIGXFSZ);
	CHECK_EQ(ftruncate(fd, 9999), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 9999);
}

static int want_it_alone(int ready, int go)
{
	int fd = open("f", O_RDWR);
	char c;

	if (flock(fd, LOCK_SH) || write(ready, "r", 1) != 1 || read(go, &c, 1) != 1)
		return 1;
	if (flock(fd, LOCK_EX))
		return 2;
	usleep(1000);
	return 0;
}

/* Two that share a lock and both want it alone: each gives its share up first (flock(2)). */
TEST(flock_goes_from_shared_to_exclusive)
{
	int ready[2], go[2], status;
	char c[2];

	close(tap_file("f", 0));
	CHECK(pipe(ready) == 0 && pipe(go) == 0);
	for (int i = 0; i < 2; i++)
		if (fork() == 0)
			_exit(want_it_alone(ready[1], go[0]));
	for (int i = 0; i < 2; i++)
		CHECK_EQ(read(ready[0], c, 1), 1);
	CHECK_EQ(write(go[1], "gg", 2), 2);
	for (int i = 0; i < 2; i++) {
		CHECK(wait(&status) > 0);
		CHECK_EQ(status, 0);
	}
}

TEST(positions_do_not_wrap)
{
	const char *const names[] = {"/proc/self/stat", "/proc", "f", "/tmp", "/"};

	close(tap_file("f", 100));
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int fd = open(names[i], O_RDONLY);

		CHECK(fd >= 0);
		for (int k = 0; k < 3; k++) {
			off_t at = lseek(fd, k == 1 ? (off_t)0x80000101 : LONG_MAX - 10, SEEK_SET);

			if (at < 0)
				continue;
			CHECK_EQ(lseek(fd, LONG_MAX, SEEK_CUR), -1);
			CHECK(read(fd, buf, 512) <= 0);
			(void)!syscall(SYS_getdents64, fd, buf, 512);
			CHECK_ERR(lseek(fd, -LONG_MAX, SEEK_SET), EINVAL);
		}
		close(fd);
	}
}
