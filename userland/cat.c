/* cat [FILE]...: the files one after the other; "-" or none is standard input. */
#include "tool.h"
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void cat_fd(int fd, const char *name)
{
	switch (copy_fd(fd, 1)) {
	case -1:
		tool_error("%s", name);
		break;
	case -2:
		tool_die("standard output");
	}
}

int main(int argc, char **argv)
{
	tool_begin(argv[0]);
	if (argc == 1)
		cat_fd(0, "standard input");
	for (int i = 1; i < argc; i++) {
		int fd = strcmp(argv[i], "-") ? open(argv[i], O_RDONLY) : 0;

		if (fd < 0) {
			tool_error("%s", argv[i]);
			continue;
		}
		cat_fd(fd, argv[i]);
		if (fd)
			close(fd);
	}
	return tool_end();
}
