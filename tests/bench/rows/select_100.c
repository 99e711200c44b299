/* select on 100 pipes of which the last is readable. */
#include "../bench.h"
#include <sys/select.h>

static int fds[100];

static void setup(void)
{
	int p[2];

	for (int i = 0; i < 100; i++) {
		CHECK(pipe(p) == 0);
		fds[i] = p[0];
	}
	CHECK(write(p[1], "x", 1) == 1);
}

static long run(long n)
{
	for (long i = 0; i < n; i++) {
		fd_set set;

		FD_ZERO(&set);
		for (int k = 0; k < 100; k++)
			FD_SET(fds[k], &set);
		CHECK(select(fds[99] + 1, &set, NULL, NULL, NULL) == 1);
		bench_check += FD_ISSET(fds[99], &set) != 0;
	}
	return n;
}

BENCH("select_100", "call", 1000, setup, run)
