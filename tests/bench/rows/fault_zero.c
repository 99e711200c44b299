/* First read of anonymous memory: the zero page, per page. */
#include "../bench.h"

static char *p;

static void before(void)
{
	p = map_anon(8192 * PAGE, MAP_PRIVATE);
}

static void after(void)
{
	munmap(p, 8192 * PAGE);
}

static long run(long n)
{
	for (long i = 0; i < n; i++)
		bench_check += (uint64_t)((volatile char *)p)[i * (long)PAGE];
	return n;
}

BENCH("fault_zero", "page", 8192, NULL, run, before, after)
