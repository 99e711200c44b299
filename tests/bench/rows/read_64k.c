/* pread of a cached file, 65536 bytes. */
#include "file_common.h"

static char buf[65536];

static long run(long n)
{
	for (long i = 0; i < n; i++) {
		off_t off = (off_t)(65536 * ((i * 7) % (FILE_PAGES * 4096L / 65536)));

		CHECK(pread(file_fd, buf, sizeof(buf), off) == (ssize_t)sizeof(buf));
		bench_check += (unsigned char)buf[0] + (unsigned char)buf[sizeof(buf) - 1];
	}
	return n;
}

BENCH("read_64k", "call", 400, file_setup, run)
