/* madvise(MADV_DONTNEED) of one page and its next touch. */
#include "../bench.h"

static char *p;

static void setup(void)
{
	p = map_anon(16 * PAGE, MAP_PRIVATE);
}

static long run(long n)
{
	for (long i = 0; i < n; i++) {
		bench_check += (uint64_t)p[3 * PAGE];
		*(volatile char *)(p + 3 * PAGE) = 1;
		CHECK(madvise(p + 3 * PAGE, PAGE, MADV_DONTNEED) == 0);
	}
	return n;
}

BENCH("dontneed", "pair", 4000, setup, run)
