/* fstat of an open file. */
#include "../bench.h"

static int fd;

static void setup(void)
{
	fd = open("/tmp/fstat", O_RDWR | O_CREAT | O_TRUNC, 0644);
	CHECK(fd >= 0 && write(fd, "hello", 5) == 5);
}

static long run(long n)
{
	struct stat st;

	for (long i = 0; i < n; i++) {
		CHECK(fstat(fd, &st) == 0);
		bench_check += (uint64_t)st.st_size;
	}
	return n;
}

BENCH("fstat", "call", 10000, setup, run)
