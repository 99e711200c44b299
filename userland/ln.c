/* ln [-sf] TARGET [NAME]: a hard link, or with -s a symbolic one; -f replaces NAME. */
#include "tool.h"
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char joined[PATH_MAX], last[PATH_MAX];
	int symbolic = 0, force = 0, opt;
	const char *target, *name;
	struct stat st;

	tool_begin(argv[0]);
	while ((opt = getopt(argc, argv, "sf")) != -1) {
		if (opt == '?')
			tool_usage("[-sf] TARGET [NAME]");
		symbolic |= opt == 's';
		force |= opt == 'f';
	}
	if (argc - optind < 1 || argc - optind > 2)
		tool_usage("[-sf] TARGET [NAME]");
	target = argv[optind];
	name = argc - optind == 2 ? argv[optind + 1] : ".";
	if (stat(name, &st) == 0 && S_ISDIR(st.st_mode))
		name = path_join(joined, name, path_last(last, target));
	if (force)
		unlink(name);
	if ((symbolic ? symlink(target, name) : link(target, name)) < 0)
		tool_error("%s", name);
	return tool_end();
}
