/* stat of a cached file, three directories down. */
#include "../bench.h"

static void setup(void)
{
	int fd;

	mkdir("/tmp/a", 0755);
	mkdir("/tmp/a/b", 0755);
	mkdir("/tmp/a/b/c", 0755);
	fd = open("/tmp/a/b/c/file", O_RDWR | O_CREAT | O_TRUNC, 0644);
	CHECK(fd >= 0 && write(fd, "hello", 5) == 5);
	close(fd);
}

static long run(long n)
{
	struct stat st;

	for (long i = 0; i < n; i++) {
		CHECK(stat("/tmp/a/b/c/file", &st) == 0);
		bench_check += (uint64_t)st.st_size;
	}
	return n;
}

BENCH("stat", "call", 8000, setup, run)
