/* pread of a cached file, 4096 bytes. */
#include "file_common.h"

static char buf[4096];

static long run(long n)
{
	for (long i = 0; i < n; i++) {
		off_t off = (off_t)(4096 * ((i * 7) % (FILE_PAGES * 4096L / 4096)));

		CHECK(pread(file_fd, buf, sizeof(buf), off) == (ssize_t)sizeof(buf));
		bench_check += (unsigned char)buf[0] + (unsigned char)buf[sizeof(buf) - 1];
	}
	return n;
}

BENCH("read_4k", "call", 4000, file_setup, run)
