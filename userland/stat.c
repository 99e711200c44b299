/* stat FILE...: all that the inode says. */
#include "tool.h"
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

static void print_time(const char *label, const struct timespec *ts)
{
	char text[32];
	struct tm tm;

	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", gmtime_r(&ts->tv_sec, &tm));
	printf("%s: %s.%09ld\n", label, text, ts->tv_nsec);
}

int main(int argc, char **argv)
{
	tool_begin(argv[0]);
	if (argc < 2)
		tool_usage("FILE...");
	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (lstat(argv[i], &st) < 0) {
			tool_error("%s", argv[i]);
			continue;
		}
		printf("  File: %s\n", argv[i]);
		printf("  Size: %ld  Blocks: %ld  IO Block: %ld  Mode: %o\n", (long)st.st_size,
			(long)st.st_blocks, (long)st.st_blksize, st.st_mode);
		printf("Device: %u,%u  Inode: %lu  Links: %lu  Uid: %u  Gid: %u\n",
			major(st.st_dev), minor(st.st_dev), (unsigned long)st.st_ino,
			(unsigned long)st.st_nlink, st.st_uid, st.st_gid);
		if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
			printf("Device type: %u,%u\n", major(st.st_rdev), minor(st.st_rdev));
		print_time("Access", &st.st_atim);
		print_time("Modify", &st.st_mtim);
		print_time("Change", &st.st_ctim);
	}
	return tool_end();
}
