/*
 * sum [FILE]...: a checksum of 64 bits (FNV-1a) and the size, for comparing files across machines.
 */
#include "tool.h"
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

static void sum(int fd, const char *name)
{
	static unsigned char buf[32768];
	uint64_t hash = 0xcbf29ce484222325;
	long size = 0;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			hash = (hash ^ buf[i]) * 0x100000001b3;
		size += n;
	}
	if (n < 0)
		tool_error("%s", name);
	else
		printf("%016llx %ld %s\n", (unsigned long long)hash, size, name);
}

int main(int argc, char **argv)
{
	tool_begin(argv[0]);
	if (argc == 1)
		sum(0, "-");
	for (int i = 1; i < argc; i++) {
		int fd = open(argv[i], O_RDONLY);

		if (fd < 0) {
			tool_error("%s", argv[i]);
			continue;
		}
		sum(fd, argv[i]);
		close(fd);
	}
	return tool_end();
}
