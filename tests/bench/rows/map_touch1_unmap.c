/* mmap + touch of one page + munmap. */
#include "../bench.h"

static long run(long n)
{
	for (long i = 0; i < n; i++) {
		char *p = map_anon(PAGE, MAP_PRIVATE);

		*(volatile char *)p = 1;
		bench_check += (uint64_t)*p;
		CHECK(munmap(p, PAGE) == 0);
	}
	return n;
}

BENCH("map_touch1_unmap", "triple", 3000, NULL, run)
