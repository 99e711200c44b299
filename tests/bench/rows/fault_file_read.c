/* Read fault on a cached file page, MAP_SHARED, random order. */
#include "file_common.h"

static void before(void)
{
	file_open_map(MAP_SHARED);
}

static long run(long n)
{
	return file_read_pages(n);
}

BENCH("fault_file_read", "page", FILE_PAGES, file_setup, run, before, file_unmap)
