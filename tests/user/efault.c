/*
 * Bad user pointers give EFAULT, from every system call that takes one, never a fault of the
 * kernel: NULL's page, an unmapped page, a kernel address, a non-canonical one, and a range that
 * ends in a hole.
 */
#include "tap.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>

static void *bad[5];
static int file, fds[2];
static char *edge; /* the last byte before a hole */

#define BAD_COUNT 5

static void set_up(void)
{
	char *p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED && munmap(p + PAGE, PAGE) == 0);
	edge = p + PAGE - 1;
	bad[0] = (void *)16;
	bad[1] = p + PAGE;
	bad[2] = (void *)0xffffffff80000000UL;
	bad[3] = (void *)0x8000000000000000UL;
	bad[4] = (void *)0x00007ffffffff000UL;
	file = tap_file("file", 2 * PAGE);
	CHECK(pipe(fds) == 0);
}

#define CHECK_FAULTS(...)                                        \
	do {                                                     \
		set_up();                                        \
		for (int i_ = 0; i_ < BAD_COUNT; i_++) {         \
			void *p = bad[i_];                       \
			CHECK_ERR(syscall(__VA_ARGS__), EFAULT); \
		}                                                \
	} while (0)

TEST(read_of_a_file)
{
	CHECK_FAULTS(SYS_pread64, file, p, 100, 0);
}

TEST(read_of_a_pipe)
{
	set_up();
	CHECK_EQ(write(fds[1], "hello", 5), 5);
	for (int i = 0; i < BAD_COUNT; i++)
		CHECK_ERR(syscall(SYS_read, fds[0], bad[i], 5), EFAULT);
}

TEST(write_to_a_file)
{
	CHECK_FAULTS(SYS_pwrite64, file, p, 100, 0);
}

TEST(write_to_a_pipe)
{
	CHECK_FAULTS(SYS_write, fds[1], p, 10);
}

TEST(read_up_to_a_hole_is_short)
{
	set_up();
	CHECK_EQ(syscall(SYS_pread64, file, edge, 100, 0), 1);
	CHECK_EQ((unsigned char)*edge, tap_byte(0));
}

TEST(a_long_read_up_to_a_hole_is_short)
{
	size_t room = 5 * PAGE + 17;
	int fd = tap_file("long", 20 * PAGE);
	unsigned char *p =
		mmap(NULL, 7 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED && munmap(p + 6 * PAGE, PAGE) == 0);
	p += 6 * PAGE - room;
	CHECK_EQ(lseek(fd, 3, SEEK_SET), 3);
	CHECK_EQ(syscall(SYS_read, fd, p, 16 * PAGE), room);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 3 + room);
	for (size_t i = 0; i < room; i++)
		CHECK_EQ(p[i], tap_byte(3 + i));
	CHECK_ERR(syscall(SYS_read, fd, p + room, 16 * PAGE), EFAULT);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 3 + room);
}

TEST(write_from_the_edge_of_a_hole_is_short)
{
	unsigned char c;

	set_up();
	*edge = 'E';
	CHECK_EQ(syscall(SYS_pwrite64, file, edge, 100, 0), 1);
	CHECK(pread(file, &c, 1, 0) == 1 && c == 'E');
}

TEST(readv_and_writev)
{
	CHECK_FAULTS(SYS_readv, file, p, 1);
	CHECK_FAULTS(SYS_writev, file, p, 1);
	for (int i = 0; i < BAD_COUNT; i++) {
		struct iovec iov = {bad[i], 10};

		CHECK(lseek(file, 0, SEEK_SET) == 0);
		CHECK_ERR(syscall(SYS_readv, file, &iov, 1), EFAULT);
		CHECK_ERR(syscall(SYS_writev, file, &iov, 1), EFAULT);
	}
}

TEST(names)
{
	static const int calls[] = {SYS_open, SYS_access, SYS_chdir, SYS_mkdir, SYS_rmdir,
		SYS_unlink, SYS_truncate, SYS_chmod, SYS_chown, SYS_mknod, SYS_chroot};

	set_up();
	for (size_t c = 0; c < sizeof(calls) / sizeof(calls[0]); c++)
		for (int i = 0; i < BAD_COUNT; i++)
			CHECK_ERR(syscall(calls[c], bad[i], 0, 0), EFAULT);
	CHECK_FAULTS(SYS_openat, AT_FDCWD, p, O_RDONLY, 0);
	CHECK_FAULTS(SYS_rename, p, "x");
	CHECK_FAULTS(SYS_rename, "file", p);
	CHECK_FAULTS(SYS_link, "file", p);
	CHECK_FAULTS(SYS_symlink, p, "x");
	CHECK_FAULTS(SYS_symlink, "x", p);
	CHECK_FAULTS(SYS_readlink, p, "x", 1);
}

TEST(a_name_that_runs_into_a_hole)
{
	set_up();
	*edge = 'f';
	CHECK_ERR(syscall(SYS_open, edge, O_RDONLY, 0), EFAULT);
	*edge = 0;
	CHECK_ERR(syscall(SYS_open, edge, O_RDONLY, 0), ENOENT);
}

TEST(stat_and_statfs)
{
	CHECK_FAULTS(SYS_stat, "file", p);
	CHECK_FAULTS(SYS_stat, p, p);
	CHECK_FAULTS(SYS_lstat, "file", p);
	CHECK_FAULTS(SYS_fstat, file, p);
	CHECK_FAULTS(SYS_newfstatat, AT_FDCWD, "file", p, 0);
	CHECK_FAULTS(SYS_statfs, "file", p);
	CHECK_FAULTS(SYS_fstatfs, file, p);
}

TEST(directories_and_links)
{
	int dir = open(".", O_RDONLY);

	CHECK(symlink("text", "link") == 0);
	CHECK_FAULTS(SYS_getdents64, dir, p, 1000);
	CHECK_FAULTS(SYS_readlink, "link", p, 10);
	CHECK_FAULTS(SYS_getcwd, p, 1000);
}

TEST(pipes)
{
	CHECK_FAULTS(SYS_pipe, p);
	CHECK_FAULTS(SYS_pipe2, p, 0);
}

TEST(processes)
{
	char *argv[] = {"x", NULL};

	CHECK_FAULTS(SYS_execve, p, argv, argv);
	CHECK_FAULTS(SYS_execve, "/bin/sh", p, argv);
	CHECK_FAULTS(SYS_execve, "/bin/sh", argv, p);
	for (int i = 0; i < BAD_COUNT; i++) {
		char *args[] = {"x", bad[i], NULL};

		CHECK_ERR(syscall(SYS_execve, "/bin/sh", args, argv), EFAULT);
	}
	if (fork() == 0)
		_exit(0);
	siginfo_t info;

	CHECK_EQ(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
	for (int i = 1; i < 4; i++) {
		CHECK_ERR(syscall(SYS_wait4, -1, bad[i], 0, NULL), EFAULT);
		if (fork() == 0)
			_exit(0);
		CHECK_EQ(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
	}
}

TEST(signals)
{
	CHECK_FAULTS(SYS_rt_sigaction, SIGUSR1, p, NULL, 8);
	CHECK_FAULTS(SYS_rt_sigaction, SIGUSR1, NULL, p, 8);
	CHECK_FAULTS(SYS_rt_sigprocmask, SIG_BLOCK, p, NULL, 8);
	CHECK_FAULTS(SYS_rt_sigprocmask, SIG_BLOCK, NULL, p, 8);
	CHECK_FAULTS(SYS_rt_sigpending, p, 8);
	CHECK_FAULTS(SYS_rt_sigsuspend, p, 8);
	CHECK_FAULTS(SYS_sigaltstack, p, NULL);
	CHECK_FAULTS(SYS_sigaltstack, NULL, p);
}

TEST(times)
{
	CHECK_FAULTS(SYS_clock_gettime, CLOCK_MONOTONIC, p);
	CHECK_FAULTS(SYS_clock_getres, CLOCK_MONOTONIC, p);
	CHECK_FAULTS(SYS_gettimeofday, p, NULL);
	CHECK_FAULTS(SYS_nanosleep, p, NULL);
	CHECK_FAULTS(SYS_times, p);
	CHECK_FAULTS(SYS_getitimer, 0, p);
	CHECK_FAULTS(SYS_setitimer, 0, p, NULL);
	CHECK_FAULTS(SYS_utimensat, AT_FDCWD, "file", p, 0);
}

TEST(system_information)
{
	CHECK_FAULTS(SYS_uname, p);
	CHECK_FAULTS(SYS_sysinfo, p);
	CHECK_FAULTS(SYS_getrusage, 0, p);
	CHECK_FAULTS(SYS_getrlimit, RLIMIT_NOFILE, p);
	CHECK_FAULTS(SYS_setrlimit, RLIMIT_NOFILE, p);
	CHECK_FAULTS(SYS_prlimit64, 0, RLIMIT_NOFILE, p, NULL);
	CHECK_FAULTS(SYS_getrandom, p, 10, 0);
}

TEST(waiting)
{
	CHECK_FAULTS(SYS_poll, p, 1, 0);
	CHECK_FAULTS(SYS_select, 10, p, NULL, NULL, NULL);
	CHECK_FAULTS(SYS_futex, p, 0, 0, NULL, NULL, 0);
}

TEST(mincore)
{
	void *map = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK_FAULTS(SYS_mincore, map, PAGE, p);
}

TEST(read_into_read_only_memory)
{
	void *map = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	set_up();
	CHECK_ERR(syscall(SYS_pread64, file, map, 10, 0), EFAULT);
	CHECK(mprotect(map, PAGE, PROT_NONE) == 0);
	CHECK_ERR(syscall(SYS_pwrite64, file, map, 10, 0), EFAULT);
}
