/* Write every page again after the child has gone: the pages are ours alone. */
#include "cow_common.h"

static void setup(void)
{
	area_len = 4096 * PAGE;
	area = map_anon(area_len, MAP_PRIVATE);
	touch_write(area, area_len, PAGE);
}

static void before(void)
{
	cow_fork();
	cow_end();
}

static long run(long n)
{
	return cow_write(n, PAGE);
}

BENCH("cow_reuse", "page", 4096, setup, run, before, NULL)
