/* open + close of a cached file, three directories down. */
#include "../bench.h"

static void setup(void)
{
	int fd;

	mkdir("/tmp/a", 0755);
	mkdir("/tmp/a/b", 0755);
	mkdir("/tmp/a/b/c", 0755);
	fd = open("/tmp/a/b/c/file", O_RDWR | O_CREAT, 0644);
	CHECK(fd >= 0);
	close(fd);
}

static long run(long n)
{
	for (long i = 0; i < n; i++) {
		int fd = open("/tmp/a/b/c/file", O_RDONLY);

		CHECK(fd >= 0);
		bench_check += close(fd) == 0;
	}
	return n;
}

BENCH("open_close", "pair", 5000, setup, run)
