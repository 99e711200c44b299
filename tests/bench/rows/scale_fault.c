/* First touch of anonymous memory by threads, each in a mapping of its own. */
#include "scale_common.h"

static void work(int worker, long n)
{
	char *p = map_anon((size_t)n * PAGE, MAP_PRIVATE);

	(void)worker;
	touch_write(p, (size_t)n * PAGE, PAGE);
	CHECK(munmap(p, (size_t)n * PAGE) == 0);
}

int main(int argc, char **argv)
{
	return scale_main("fault_threads", "page", 8192, run_threads, argc, argv);
}
