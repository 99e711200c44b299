/* mmap + touch + munmap of 50 to 1500 pages; per page. */
#include "../bench.h"

static long run(long n)
{
	long pages = 0;

	for (long i = 0; i < n; i++) {
		size_t count = 50 + (size_t)(i * 611) % 1451;
		char *p = map_anon(count * PAGE, MAP_PRIVATE);

		touch_write(p, count * PAGE, PAGE);
		bench_check += (unsigned char)p[(count - 1) * PAGE];
		CHECK(munmap(p, count * PAGE) == 0);
		pages += (long)count;
	}
	return pages;
}

BENCH("map_touch_unmap", "page", 12, NULL, run)
