/* touch [-c] FILE...: sets the times to now; makes the file unless -c. */
#include "tool.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int create = 1, opt;

	tool_begin(argv[0]);
	while ((opt = getopt(argc, argv, "c")) != -1) {
		if (opt != 'c')
			tool_usage("[-c] FILE...");
		create = 0;
	}
	if (optind == argc)
		tool_usage("[-c] FILE...");
	for (int i = optind; i < argc; i++) {
		int fd;

		if (utimensat(AT_FDCWD, argv[i], NULL, 0) == 0)
			continue;
		if (errno != ENOENT) {
			tool_error("%s", argv[i]);
			continue;
		}
		if (!create)
			continue;
		fd = open(argv[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
		if (fd < 0)
			tool_error("%s", argv[i]);
		else
			close(fd);
	}
	return tool_end();
}
