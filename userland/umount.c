/*
 * umount [-l] DIR...: -l takes the directory out of the tree now and unmounts when nobody uses it.
 */
#include "tool.h"
#include <sys/mount.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int flags = 0, opt;

	tool_begin(argv[0]);
	while ((opt = getopt(argc, argv, "l")) != -1) {
		if (opt != 'l')
			tool_usage("[-l] DIR...");
		flags = MNT_DETACH;
	}
	if (optind == argc)
		tool_usage("[-l] DIR...");
	for (int i = optind; i < argc; i++)
		if (umount2(argv[i], flags) < 0)
			tool_error("%s", argv[i]);
	return tool_end();
}
