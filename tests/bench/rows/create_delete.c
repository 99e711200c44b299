/* Create 1,000 empty files in a directory of the ext2 disk, then delete them; per file. */
#include "../bench.h"

static long run(long n)
{
	char name[64];

	CHECK(mkdir("/work/dir", 0755) == 0);
	for (long i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "/work/dir/file%ld", i);
		int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);

		CHECK(fd >= 0);
		close(fd);
	}
	for (long i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "/work/dir/file%ld", i);
		CHECK(unlink(name) == 0);
		bench_check++;
	}
	CHECK(rmdir("/work/dir") == 0);
	return n;
}

BENCH("create_delete", "file", 1000, NULL, run)
