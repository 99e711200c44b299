/* Write fault on a cached file page, MAP_PRIVATE: a copy each. */
#include "file_common.h"

static void before(void)
{
	file_open_map(MAP_PRIVATE);
}

static long run(long n)
{
	for (long i = 0; i < n; i++) {
		file_map[order[i % FILE_PAGES] * PAGE + 9] = (char)i;
		bench_check += (unsigned char)file_map[order[i % FILE_PAGES] * PAGE];
	}
	return n;
}

BENCH("fault_file_private", "page", FILE_PAGES, file_setup, run, before, file_unmap)
