/* Pipes, poll and select. */
#include "tap.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/select.h>

static int fds[2];
static char buf[100000];

static void make(int flags)
{
	CHECK_EQ(pipe2(fds, flags), 0);
}

TEST(bytes_come_in_order)
{
	make(0);
	CHECK_EQ(write(fds[1], "hello", 5), 5);
	CHECK_EQ(write(fds[1], " you", 4), 4);
	CHECK_EQ(read(fds[0], buf, 3), 3);
	CHECK_EQ(read(fds[0], buf + 3, 100), 6);
	CHECK(!memcmp(buf, "hello you", 9));
}

TEST(read_without_writers_is_the_end)
{
	make(0);
	CHECK_EQ(write(fds[1], "x", 1), 1);
	close(fds[1]);
	CHECK_EQ(read(fds[0], buf, 10), 1);
	CHECK_EQ(read(fds[0], buf, 10), 0);
}

TEST(nonblocking_ends_give_eagain)
{
	ssize_t n, total = 0;

	make(O_NONBLOCK);
	CHECK_ERR(read(fds[0], buf, 1), EAGAIN);
	while ((n = write(fds[1], buf, 4096)) > 0)
		total += n;
	CHECK_EQ(errno, EAGAIN);
	CHECK_EQ(total, 65536);
	CHECK_EQ(read(fds[0], buf, 4096), 4096);
	CHECK_EQ(write(fds[1], buf, 4096), 4096);
}

TEST(the_ends_have_one_direction)
{
	make(0);
	CHECK_ERR(write(fds[0], "x", 1), EBADF);
	CHECK_ERR(read(fds[1], buf, 1), EBADF);
	CHECK_ERR(lseek(fds[0], 0, SEEK_SET), ESPIPE);
	CHECK_ERR(pread(fds[0], buf, 1, 0), ESPIPE);
	CHECK_ERR(ftruncate(fds[1], 0), EINVAL);
}

TEST(a_big_write_waits_for_the_reader)
{
	size_t total = 0;
	ssize_t n;
	pid_t pid;
	int status;

	make(0);
	pid = fork();
	if (pid == 0) {
		for (size_t i = 0; i < sizeof(buf); i++)
			buf[i] = (char)tap_byte(i);
		_exit(write(fds[1], buf, sizeof(buf)) != sizeof(buf));
	}
	close(fds[1]);
	while ((n = read(fds[0], buf, 1000)) > 0)
		for (ssize_t i = 0; i < n; i++, total++)
			CHECK_EQ((unsigned char)buf[i], tap_byte(total));
	CHECK_EQ(total, sizeof(buf));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

TEST(small_writes_are_not_mixed)
{
	int seen[4] = {0};

	make(0);
	for (int w = 0; w < 4; w++)
		if (fork() == 0) {
			memset(buf, 'a' + w, 1000);
			for (int i = 0; i < 50; i++)
				if (write(fds[1], buf, 1000) != 1000)
					_exit(1);
			_exit(0);
		}
	close(fds[1]);
	for (int i = 0; i < 200; i++) {
		size_t got = 0;

		while (got < 1000) {
			ssize_t n = read(fds[0], buf + got, 1000 - got);

			CHECK(n > 0);
			got += (size_t)n;
		}
		for (int j = 1; j < 1000; j++)
			CHECK_EQ(buf[j], buf[0]);
		seen[buf[0] - 'a']++;
	}
	for (int w = 0; w < 4; w++)
		CHECK_EQ(seen[w], 50);
	CHECK_EQ(read(fds[0], buf, 1), 0);
}

TEST(fionread_tells_how_much_there_is)
{
	int n = -1;

	make(0);
	CHECK_EQ(write(fds[1], "hello", 5), 5);
	CHECK_EQ(ioctl(fds[0], FIONREAD, &n), 0);
	CHECK_EQ(n, 5);
}

TEST(poll_tells_what_is_ready)
{
	struct pollfd p[2];

	make(0);
	p[0] = (struct pollfd){fds[0], POLLIN, 0};
	p[1] = (struct pollfd){fds[1], POLLOUT, 0};
	CHECK_EQ(poll(p, 2, 0), 1);
	CHECK(p[0].revents == 0 && p[1].revents == POLLOUT);
	CHECK_EQ(write(fds[1], "x", 1), 1);
	CHECK_EQ(poll(p, 2, 1000), 2);
	CHECK_EQ(p[0].revents, POLLIN);
	close(fds[1]);
	p[1].fd = 999;
	CHECK_EQ(poll(p, 2, 0), 2);
	CHECK(p[0].revents == (POLLIN | POLLHUP) && p[1].revents == POLLNVAL);
	p[0].fd = p[1].fd = -1;
	CHECK_EQ(poll(p, 2, 0), 0);
}

TEST(poll_waits_for_the_time_or_the_event)
{
	struct pollfd p;
	long start = tap_ms();

	make(0);
	p = (struct pollfd){fds[0], POLLIN, 0};
	CHECK_EQ(poll(&p, 1, 30), 0);
	CHECK(tap_ms() - start >= 29);
	if (fork() == 0) {
		usleep(10000);
		_exit(write(fds[1], "x", 1) != 1);
	}
	CHECK_EQ(poll(&p, 1, -1), 1);
	CHECK_EQ(p.revents, POLLIN);
}

TEST(select_tells_what_is_ready)
{
	struct timeval zero = {0, 0};
	fd_set rd, wr;

	make(0);
	FD_ZERO(&rd);
	FD_ZERO(&wr);
	FD_SET(fds[0], &rd);
	FD_SET(fds[1], &wr);
	CHECK_EQ(select(fds[1] + 1, &rd, &wr, NULL, &zero), 1);
	CHECK(!FD_ISSET(fds[0], &rd) && FD_ISSET(fds[1], &wr));
	CHECK_EQ(write(fds[1], "x", 1), 1);
	FD_SET(fds[0], &rd);
	CHECK_EQ(select(fds[1] + 1, &rd, NULL, NULL, NULL), 1);
	CHECK(FD_ISSET(fds[0], &rd));
	FD_SET(200, &rd);
	CHECK_ERR(select(201, &rd, NULL, NULL, &zero), EBADF);
	CHECK_ERR(select(-1, NULL, NULL, NULL, &zero), EINVAL);
}

TEST(select_answers_what_is_ready_and_clears_the_rest)
{
	int a[2], b[2];
	fd_set r, w;
	struct timeval zero = {0, 0};

	CHECK_EQ(pipe(a), 0);
	CHECK_EQ(pipe(b), 0);
	CHECK_EQ(write(b[1], "x", 1), 1);
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(a[0], &r);
	FD_SET(b[0], &r);
	FD_SET(a[1], &w);
	FD_SET(b[1] + 1, &r); /* beyond the number given: not looked at, and not in the answer */
	CHECK_EQ(select(b[1] + 1, &r, &w, NULL, &zero), 2);
	CHECK(!FD_ISSET(a[0], &r) && FD_ISSET(b[0], &r) && FD_ISSET(a[1], &w));
	CHECK(!FD_ISSET(b[1] + 1, &r));
	FD_ZERO(&r);
	FD_SET(a[0], &r);
	CHECK_EQ(select(b[1] + 1, &r, NULL, NULL, &zero), 0);
	CHECK(!FD_ISSET(a[0], &r));
	close(a[1]);
	FD_SET(a[0], &r);
	CHECK_EQ(select(b[1] + 1, &r, NULL, NULL, NULL), 1); /* the end of the file is readable */
	close(a[0]);
	CHECK_ERR(select(b[1] + 1, &r, NULL, NULL, &zero), EBADF);
}

static int write_late(void *arg)
{
	usleep(50000);
	return write(*(int *)arg, "x", 1) != 1;
}

TEST(select_waits_until_something_is_ready)
{
	int p[2], q[2], high;
	struct timeval tv = {0, 30000};
	fd_set r;
	long start;
	pid_t pid;

	CHECK_EQ(pipe(p), 0);
	CHECK_EQ(pipe(q), 0);
	high = dup2(p[0], 200);
	CHECK_EQ(high, 200);
	FD_ZERO(&r);
	FD_SET(high, &r);
	FD_SET(q[0], &r);
	start = tap_ms();
	CHECK_EQ(select(high + 1, &r, NULL, NULL, &tv), 0);
	CHECK(tap_ms() - start >= 29);
	CHECK(!FD_ISSET(high, &r));
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		_exit(write_late(&p[1]));
	FD_SET(high, &r);
	FD_SET(q[0], &r);
	CHECK_EQ(select(high + 1, &r, NULL, NULL, NULL), 1);
	CHECK(FD_ISSET(high, &r) && !FD_ISSET(q[0], &r));
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
}
