/* fork of 256 MiB, the child reads every page and ends; per page. */
#include "../bench.h"

#define LEN (256 * MIB)

static char *area;

static void setup(void)
{
	area = map_anon(LEN, MAP_PRIVATE);
	touch_write(area, LEN, PAGE);
}

static long run(long n)
{
	for (long i = 0; i < n; i++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (pid == 0) {
			unsigned sum = 0;

			for (size_t k = 0; k < LEN; k += PAGE)
				sum += (unsigned char)((volatile char *)area)[k] ==
				       (unsigned char)((k >> 12) + 1);
			_exit(sum == LEN / PAGE ? 9 : 8);
		}
		wait_for_status(pid, 9);
		bench_check++;
	}
	return n * (long)(LEN / PAGE);
}

BENCH("fork_child_reads", "page", 1, setup, run)
