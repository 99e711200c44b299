/* rm [-rf] FILE...: -r removes directories with what is in them, -f says nothing about files that
 * are not there. */
#include "tool.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int recursive, force;

static void remove_path(const char *path);

/* A directory may be read while its entries go, but not every file system likes it: hence from the
 * start again. */
static int remove_some(const char *path)
{
	char child[PATH_MAX];
	struct dirent *entry;
	int removed = 0;
	DIR *dir = opendir(path);

	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		struct stat st;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		remove_path(path_join(child, path, entry->d_name));
		if (lstat(child, &st) < 0)
			removed++;
	}
	closedir(dir);
	return removed;
}

static void remove_path(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		if (!force || errno != ENOENT)
			tool_error("%s", path);
		return;
	}
	if (!S_ISDIR(st.st_mode)) {
		if (unlink(path) < 0)
			tool_error("%s", path);
		return;
	}
	if (!recursive) {
		tool_complain("%s: is a directory (-r removes it)", path);
		return;
	}
	while (rmdir(path) < 0) {
		if ((errno == ENOTEMPTY || errno == EEXIST) && remove_some(path))
			continue;
		tool_error("%s", path);
		return;
	}
}

int main(int argc, char **argv)
{
	int opt;

	tool_begin(argv[0]);
	while ((opt = getopt(argc, argv, "rRf")) != -1) {
		if (opt == 'r' || opt == 'R')
			recursive = 1;
		else if (opt == 'f')
			force = 1;
		else
			tool_usage("[-rf] FILE...");
	}
	if (optind == argc && !force)
		tool_usage("[-rf] FILE...");
	for (int i = optind; i < argc; i++)
		remove_path(argv[i]);
	return tool_end();
}
