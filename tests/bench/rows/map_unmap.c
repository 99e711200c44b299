/* mmap + munmap of 1 MiB, untouched. */
#include "../bench.h"

static long run(long n)
{
	for (long i = 0; i < n; i++) {
		void *p = map_anon(MIB, MAP_PRIVATE);

		bench_check += munmap(p, MIB) == 0;
	}
	return n;
}

BENCH("map_unmap", "pair", 5000, NULL, run)
