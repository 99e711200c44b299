/* vfork + exit + wait. */
#include "../bench.h"

static long run(long n)
{
	for (volatile long i = 0; i < n; i++) {
		pid_t pid = vfork();

		if (pid == 0)
			_exit(7);
		CHECK(pid > 0);
		wait_for_status(pid, 7);
		bench_check++;
	}
	return n;
}

BENCH("vfork", "vfork", 500, NULL, run)
