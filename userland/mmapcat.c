/* mmapcat FILE...: like cat, but reads the files through mmap. Boot tests compare the two. */
#include "tool.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int cat_mapped(int fd)
{
	struct stat st;
	void *map;
	int err;

	if (fstat(fd, &st) < 0)
		return -1;
	if (st.st_size == 0)
		return 0;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -1;
	err = write_all(1, map, (size_t)st.st_size);
	munmap(map, (size_t)st.st_size);
	return err;
}

int main(int argc, char **argv)
{
	tool_begin(argv[0]);
	if (argc < 2)
		tool_usage("FILE...");
	for (int i = 1; i < argc; i++) {
		int fd = open(argv[i], O_RDONLY);

		if (fd < 0 || cat_mapped(fd) < 0)
			tool_error("%s", argv[i]);
		if (fd >= 0)
			close(fd);
	}
	return tool_end();
}
