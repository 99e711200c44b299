/* A child writes through a pipe in pieces of 64 KiB, the parent reads; per 4 KiB. */
#include "../bench.h"

static char buf[65536];

static long run(long n)
{
	int fds[2];
	long total = 0;
	pid_t pid;

	CHECK(pipe(fds) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		close(fds[0]);
		memset(buf, 'x', sizeof(buf));
		for (long i = 0; i < n; i++)
			if (write(fds[1], buf, sizeof(buf)) != (ssize_t)sizeof(buf))
				_exit(1);
		_exit(3);
	}
	close(fds[1]);
	for (;;) {
		ssize_t got = read(fds[0], buf, sizeof(buf));

		CHECK(got >= 0);
		if (got == 0)
			break;
		total += got;
	}
	close(fds[0]);
	wait_for_status(pid, 3);
	CHECK(total == n * (long)sizeof(buf));
	bench_check = (uint64_t)total;
	return total / 4096;
}

BENCH("pipe_bandwidth", "4KiB", 200, NULL, run)
