/* mkdir [-p] [-m MODE] DIR...: -p makes the parents too and accepts those that are there. */
#include "tool.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_one(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return 0;
	if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	return -1;
}

static int make_with_parents(char *path, mode_t mode)
{
	for (char *p = path + strspn(path, "/"); *p; p += strspn(p, "/")) {
		char saved;

		p += strcspn(p, "/");
		saved = *p;
		*p = 0;
		if (make_one(path, saved ? 0777 : mode) < 0)
			return -1;
		*p = saved;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int parents = 0, opt;
	mode_t mode = 0777;

	tool_begin(argv[0]);
	while ((opt = getopt(argc, argv, "pm:")) != -1) {
		if (opt == 'p')
			parents = 1;
		else if (opt == 'm')
			mode = (mode_t)strtol(optarg, NULL, 8);
		else
			tool_usage("[-p] [-m OCTAL] DIR...");
	}
	if (optind == argc)
		tool_usage("[-p] [-m OCTAL] DIR...");
	for (int i = optind; i < argc; i++)
		if ((parents ? make_with_parents(argv[i], mode) : mkdir(argv[i], mode)) < 0)
			tool_error("%s", argv[i]);
	return tool_end();
}
