/* First write to anonymous memory, 4 KiB pages, per page; mapping and unmapping are not counted. */
#include "../bench.h"

static char *p;
static long pages;

static void before(void)
{
	p = map_anon((size_t)pages * PAGE, MAP_PRIVATE);
}

static void after(void)
{
	for (long i = 0; i < pages; i += 97)
		bench_check += (unsigned char)p[i * (long)PAGE];
	munmap(p, (size_t)pages * PAGE);
}

static long run(long n)
{
	touch_write(p, (size_t)n * PAGE, PAGE);
	return n;
}

int main(int argc, char **argv)
{
	static struct bench b = {"fault_anon", "page", 8192, NULL, run, before, after};

	pages = b.n;
	return bench_main(&b, argc, argv);
}
