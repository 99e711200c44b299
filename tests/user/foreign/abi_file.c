/* Files by the Linux ABI: flags, positions and errors that programs built for Linux count on. */
#include "tap.h"
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>

#ifndef RWF_APPEND
#define RWF_APPEND 0x10
#define RWF_DSYNC  0x2
#define RWF_HIPRI  0x1
#define RWF_NOWAIT 0x8
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4
#endif

/* Not a user address, on any machine. */
#define KERNEL_ADDRESS ((void *)0xffff800000000000ul)

static int text_file(const char *name, const char *text)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void check_text(int fd, const char *text)
{
	char buf[256];

	CHECK_EQ(pread(fd, buf, sizeof(buf), 0), strlen(text));
	CHECK(memcmp(buf, text, strlen(text)) == 0);
}

TEST(close_range_marks_for_exec)
{
	int fd = text_file("f", ""), other;

	CHECK_EQ(dup2(fd, 30), 30);
	other = fcntl(fd, F_DUPFD_CLOEXEC, 31);
	CHECK_EQ(other, 31);
	CHECK_EQ(dup2(fd, 40), 40);
	CHECK_EQ(syscall(SYS_close_range, 30, 39, CLOSE_RANGE_CLOEXEC), 0);
	CHECK_EQ(fcntl(30, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(31, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(40, F_GETFD), 0);
	CHECK_EQ(syscall(SYS_close_range, 30, ~0u, 0), 0);
	CHECK_ERR(fcntl(31, F_GETFD), EBADF);
	CHECK_ERR(fcntl(40, F_GETFD), EBADF);
}

TEST(unknown_open_flags_are_forgotten)
{
	int fd = text_file("f", "x");

	close(fd);
	fd = syscall(SYS_open, "f", O_RDONLY | 0x80000004, 0);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFL) & ~O_LARGEFILE & ~0100000, O_RDONLY);
}

TEST(a_buffer_past_user_memory_is_a_fault)
{
	int fd = text_file("f", "0123456789");
	char buf[16];

	CHECK_ERR(syscall(SYS_read, fd, buf, -1ul), EFAULT);
	CHECK_ERR(syscall(SYS_write, fd, buf, -1ul), EFAULT);
	CHECK_ERR(syscall(SYS_pread64, fd, KERNEL_ADDRESS, 1, 0), EFAULT);
	check_text(fd, "0123456789");
}

TEST(positions_do_not_wrap)
{
	int fd = text_file("f", "0123456789");
	char buf[16];
	struct iovec iov = {buf, 10};

	CHECK_ERR(pread(fd, buf, 10, INT64_MAX), EINVAL);
	CHECK_ERR(pwrite(fd, buf, 10, INT64_MAX - 5), EINVAL);
	CHECK_ERR(preadv(fd, &iov, 1, INT64_MAX), EINVAL);
	CHECK_EQ(pread(fd, buf, 10, INT64_MAX - 10), 0);
}

TEST(pwritev2_appends_and_syncs)
{
	int fd = text_file("f", "0123456789");
	struct iovec iov = {"ab", 2};

	CHECK_EQ(syscall(SYS_pwritev2, fd, &iov, 1, 0ul, 0ul, RWF_APPEND | RWF_HIPRI), 2);
	check_text(fd, "0123456789ab");
	CHECK_EQ(syscall(SYS_pwritev2, fd, &iov, 1, 0ul, 0ul, RWF_DSYNC), 2);
	check_text(fd, "ab23456789ab");
	CHECK_EQ(syscall(SYS_pwritev2, fd, &iov, 1, -1ul, -1ul, RWF_APPEND), 2);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 14);
	CHECK_ERR(syscall(SYS_pwritev2, fd, &iov, 1, 0ul, 0ul, RWF_NOWAIT), EOPNOTSUPP);
	CHECK_ERR(syscall(SYS_pwritev2, fd, &iov, 1, 0ul, 0ul, 0x8000), EOPNOTSUPP);
}

TEST(copy_file_range_copies)
{
	int in = text_file("in", "0123456789"), out = text_file("out", "abc");
	loff_t from = 2, to = 5;
	char buf[16];

	CHECK_EQ(syscall(SYS_copy_file_range, in, &from, out, &to, 3, 0), 3);
	CHECK_EQ(from, 5);
	CHECK_EQ(to, 8);
	CHECK_EQ(pread(out, buf, sizeof(buf), 0), 8);
	CHECK(memcmp(buf,
		      "abc\0\0"
		      "234",
		      8) == 0);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 0);
	/* The files' own positions, to the end of the source. */
	CHECK_EQ(syscall(SYS_copy_file_range, in, NULL, out, NULL, 100, 0), 10);
	CHECK_EQ(syscall(SYS_copy_file_range, in, NULL, out, NULL, 100, 0), 0);
	CHECK_EQ(lseek(out, 0, SEEK_CUR), 10);
	check_text(out, "0123456789");
	/* Within one file, beside each other. */
	from = 0, to = 4;
	CHECK_EQ(syscall(SYS_copy_file_range, in, &from, in, &to, 4, 0), 4);
	check_text(in, "0123012389");
}

TEST(copy_file_range_checks_its_arguments)
{
	int in = text_file("in", "0123456789"), out = text_file("out", ""), fds[2];
	int only_append = open("out", O_WRONLY | O_APPEND), only_read = open("out", O_RDONLY);
	int dir = open(".", O_RDONLY);
	loff_t from = 0, to = 3;

	CHECK_EQ(pipe(fds), 0);
	CHECK_ERR(syscall(SYS_copy_file_range, in, NULL, out, NULL, 5, 1), EINVAL);
	CHECK_ERR(syscall(SYS_copy_file_range, in, &from, in, &to, 8, 0), EINVAL);
	CHECK_ERR(syscall(SYS_copy_file_range, in, NULL, only_append, NULL, 5, 0), EBADF);
	CHECK_ERR(syscall(SYS_copy_file_range, in, NULL, only_read, NULL, 5, 0), EBADF);
	CHECK_ERR(syscall(SYS_copy_file_range, -1, NULL, out, NULL, 5, 0), EBADF);
	CHECK_ERR(syscall(SYS_copy_file_range, dir, NULL, out, NULL, 5, 0), EISDIR);
	CHECK_ERR(syscall(SYS_copy_file_range, in, NULL, fds[1], NULL, 5, 0), EINVAL);
	CHECK_ERR(syscall(SYS_copy_file_range, in, (void *)16, out, NULL, 5, 0), EFAULT);
	from = -1;
	CHECK_ERR(syscall(SYS_copy_file_range, in, &from, out, NULL, 5, 0), EOVERFLOW);
	CHECK_EQ(syscall(SYS_copy_file_range, in, NULL, out, NULL, 0, 0), 0);
}

TEST(sendfile_refuses_folders)
{
	int out = text_file("out", ""), dir = open(".", O_RDONLY);
	off_t pos = 0;

	CHECK_ERR(sendfile(out, dir, &pos, 1), EINVAL);
}

TEST(there_are_no_extended_attributes)
{
	int fd = text_file("f", "x");
	char buf[64], name[300];

	if (syscall(SYS_fsetxattr, fd, "user.x", "v", 1, 0) == 0)
		tap_skip("the file system keeps attributes");
	CHECK_EQ(errno, EOPNOTSUPP);
	CHECK_ERR(getxattr("f", "user.x", buf, sizeof(buf)), EOPNOTSUPP);
	CHECK_ERR(setxattr("f", "user.x", "v", 1, 0), EOPNOTSUPP);
	CHECK_ERR(removexattr("f", "user.x"), EOPNOTSUPP);
	CHECK_EQ(listxattr("f", buf, sizeof(buf)), 0);
	CHECK_EQ(flistxattr(fd, buf, sizeof(buf)), 0);
	CHECK_ERR(listxattr("nothing", buf, sizeof(buf)), ENOENT);
	CHECK_ERR(fgetxattr(-1, "user.x", buf, sizeof(buf)), EBADF);
	memset(name, 'a', sizeof(name));
	name[299] = '\0';
	CHECK_ERR(getxattr("f", name, buf, sizeof(buf)), ERANGE);
	CHECK_ERR(setxattr("f", "user.x", "v", 1, 99), EINVAL);
	CHECK_ERR(syscall(SYS_setxattr, "f", "user.x", "v", 1 << 20, 0), E2BIG);
}

TEST(a_change_of_owner_takes_set_id_bits)
{
	struct stat st;

	close(text_file("f", "x"));
	CHECK_EQ(chmod("f", 06755), 0);
	CHECK_EQ(chown("f", -1, 5), 0);
	CHECK_EQ(stat("f", &st), 0);
	CHECK_EQ(st.st_mode & 07777, 0755);
	/* A set-group-id bit without the right to execute means something else. */
	CHECK_EQ(chmod("f", 06644), 0);
	CHECK_EQ(chown("f", 0, 0), 0);
	CHECK_EQ(stat("f", &st), 0);
	CHECK_EQ(st.st_mode & 07777, 02644);
}

TEST(small_answers)
{
	int fd = text_file("f", "0123456789"), fds[2], n;
	char buf[8];

	CHECK_EQ(pipe(fds), 0);
	CHECK_ERR(syscall(SYS_readlink, "", buf, sizeof(buf)), ENOENT);
	CHECK_ERR(syscall(SYS_sync_file_range, fds[0], 0, 0, 1), ESPIPE);
	CHECK_ERR(fcntl(fd, F_GETPIPE_SZ), EBADF);
	CHECK_EQ(lseek(fd, 4, SEEK_SET), 4);
	CHECK_EQ(ioctl(fd, FIONREAD, &n), 0);
	CHECK_EQ(n, 6);
}

static void on_alarm(int sig)
{
	(void)sig;
}

TEST(exec_does_not_open_what_is_no_program)
{
	struct sigaction act = {.sa_handler = on_alarm};
	char *argv[] = {"x", NULL};

	CHECK_EQ(mkfifo("fifo", 0755), 0);
	sigaction(SIGALRM, &act, NULL);
	alarm(5);
	CHECK_ERR(execve("fifo", argv, NULL), EACCES);
	CHECK_ERR(execve("/dev/null", argv, NULL), EACCES);
	CHECK_ERR(execve(".", argv, NULL), EACCES);
	alarm(0);
}

/* What bash's <(...) and scripts that read /dev/stdin do. */
TEST(a_pipe_is_opened_again_by_its_link)
{
	char name[64], link[64] = "", buf[16];
	struct stat st;
	int fds[2], again;

	CHECK_EQ(pipe(fds), 0);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fds[0]);
	CHECK_EQ(stat(name, &st), 0);
	CHECK(S_ISFIFO(st.st_mode));
	again = open(name, O_RDONLY);
	CHECK(again >= 0);
	CHECK_EQ(write(fds[1], "abc", 3), 3);
	CHECK_EQ(read(again, buf, sizeof(buf)), 3);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", again);
	CHECK(readlink(name, link, sizeof(link) - 1) > 0);
	CHECK(strncmp(link, "pipe:[", 6) == 0);
	/* Another end for writing: the pipe ends when both are closed. */
	again = open(name, O_WRONLY);
	CHECK(again >= 0);
	close(fds[1]);
	CHECK_EQ(write(again, "d", 1), 1);
	CHECK_EQ(read(fds[0], buf, sizeof(buf)), 1);
	close(again);
	CHECK_EQ(read(fds[0], buf, sizeof(buf)), 0);
	/* Without a writer it is opened at once. */
	CHECK(open(name, O_RDONLY) >= 0);
	for (int i = 0; i < 100; i++) {
		again = open(name, O_RDONLY);
		CHECK(again >= 0);
		close(again);
	}
}

TEST(a_memfd_is_opened_again_by_its_link)
{
	int fd = syscall(SYS_memfd_create, "m", 0), again;
	char name[64], buf[8];

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "text", 4), 4);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	again = open(name, O_RDONLY);
	CHECK(again >= 0);
	CHECK_EQ(read(again, buf, sizeof(buf)), 4);
	CHECK_ERR(write(again, "x", 1), EBADF);
	close(fd);
	CHECK_EQ(pread(again, buf, sizeof(buf), 1), 3);
}

static int lines_of(const char *name, char *first, size_t size)
{
	FILE *f = fopen(name, "r");
	char line[512];
	int n = 0;

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		if (n++ == 0)
			snprintf(first, size, "%s", line);
	}
	fclose(f);
	return n;
}

TEST(mountinfo_reads_as_programs_read_it)
{
	char line[512], root[256], point[256], type[64];
	unsigned id, parent, major, minor;

	CHECK(lines_of("/proc/self/mountinfo", line, sizeof(line)) >= 1);
	CHECK_EQ(sscanf(line, "%u %u %u:%u %255s %255s", &id, &parent, &major, &minor, root, point),
		6);
	CHECK(root[0] == '/' && point[0] == '/');
	CHECK(strstr(line, " - "));
	CHECK_EQ(sscanf(strstr(line, " - "), " - %63s", type), 1);
}

TEST(fdinfo_tells_position_and_flags)
{
	int fd = text_file("f", "0123456789"), n;
	char name[64], line[512];
	long pos;

	CHECK_EQ(lseek(fd, 7, SEEK_SET), 7);
	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
	n = lines_of(name, line, sizeof(line));
	CHECK(n >= 3);
	CHECK_EQ(sscanf(line, "pos: %ld", &pos), 1);
	CHECK_EQ(pos, 7);
}

TEST(settings_that_programs_ask_for)
{
	char one[128], two[128];

	CHECK_EQ(lines_of("/proc/sys/kernel/random/boot_id", one, sizeof(one)), 1);
	CHECK_EQ(lines_of("/proc/sys/kernel/random/boot_id", two, sizeof(two)), 1);
	CHECK_EQ(strlen(one), 37);
	CHECK(strcmp(one, two) == 0);
	lines_of("/proc/sys/kernel/random/uuid", one, sizeof(one));
	lines_of("/proc/sys/kernel/random/uuid", two, sizeof(two));
	CHECK(strcmp(one, two) != 0);
	CHECK_EQ(lines_of("/proc/sys/fs/pipe-max-size", one, sizeof(one)), 1);
	CHECK_EQ(lines_of("/proc/sys/fs/nr_open", one, sizeof(one)), 1);
	CHECK_EQ(lines_of("/proc/sys/kernel/threads-max", one, sizeof(one)), 1);
	CHECK(atol(one) > 100);
}

static short lock_at(int fd, int cmd, short type, off_t start, off_t len, struct flock *out)
{
	*out = (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
	return fcntl(fd, cmd, out) < 0 ? -errno : out->l_type;
}

TEST(locks_of_open_files)
{
	int one = text_file("f", "0123456789"), two = open("f", O_RDWR), same = dup(one);
	struct flock fl;

	CHECK_EQ(lock_at(one, F_OFD_SETLK, F_WRLCK, 0, 5, &fl), F_WRLCK);
	/* The open file owns it, not the process. */
	CHECK_EQ(lock_at(two, F_OFD_SETLK, F_RDLCK, 4, 1, &fl), -EAGAIN);
	CHECK_EQ(lock_at(two, F_OFD_SETLK, F_RDLCK, 5, 1, &fl), F_RDLCK);
	CHECK_EQ(lock_at(same, F_OFD_SETLK, F_RDLCK, 4, 1, &fl), F_RDLCK);
	CHECK_EQ(lock_at(two, F_OFD_GETLK, F_WRLCK, 0, 0, &fl), F_WRLCK);
	CHECK_EQ(fl.l_pid, -1);
	CHECK_EQ(fl.l_start, 0);
	CHECK_EQ(fl.l_len, 4);
	/* Both kinds see each other. */
	CHECK_EQ(lock_at(one, F_SETLK, F_WRLCK, 0, 1, &fl), -EAGAIN);
	fl = (struct flock){.l_type = F_RDLCK, .l_pid = 1};
	CHECK_ERR(fcntl(one, F_OFD_SETLK, &fl), EINVAL);
	/* They last until the last descriptor is closed. */
	close(one);
	CHECK_EQ(lock_at(two, F_OFD_SETLK, F_WRLCK, 0, 1, &fl), -EAGAIN);
	close(same);
	CHECK_EQ(lock_at(two, F_OFD_SETLK, F_WRLCK, 0, 1, &fl), F_WRLCK);
}

static int sees_one_lock(void *arg)
{
	struct flock fl;

	return !(lock_at(*(int *)arg, F_GETLK, F_WRLCK, 0, 0, &fl) == F_RDLCK && fl.l_start == 10 &&
		 fl.l_len == 30);
}

TEST(neighbouring_locks_are_one)
{
	int fd = text_file("f", "");
	struct flock fl;

	CHECK_EQ(lock_at(fd, F_SETLK, F_RDLCK, 10, 10, &fl), F_RDLCK);
	CHECK_EQ(lock_at(fd, F_SETLK, F_RDLCK, 30, 10, &fl), F_RDLCK);
	CHECK_EQ(lock_at(fd, F_SETLK, F_RDLCK, 20, 10, &fl), F_RDLCK);
	CHECK_EQ(tap_child(sees_one_lock, &fd), 0);
}
