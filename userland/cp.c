/*
 * cp [-r] [-p] FROM... TO: copies files, or with -r trees; into TO if it is a directory. A symbolic
 * link inside a tree is copied as a link. -p keeps mode and times.
 */
#include "tool.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int recursive, preserve;

static void copy_path(const char *from, const char *to, int inside);

static void keep_attributes(const char *to, const struct stat *st)
{
	const struct timespec times[2] = {st->st_atim, st->st_mtim};

	if (!preserve)
		return;
	if (chmod(to, st->st_mode & 07777) < 0 || utimensat(AT_FDCWD, to, times, 0) < 0)
		tool_error("%s", to);
}

static void copy_file(const char *from, const char *to, const struct stat *st)
{
	struct stat old;
	int in, out;

	if (stat(to, &old) == 0 && old.st_dev == st->st_dev && old.st_ino == st->st_ino) {
		tool_complain("%s and %s are the same file", from, to);
		return;
	}
	in = open(from, O_RDONLY);
	if (in < 0) {
		tool_error("%s", from);
		return;
	}
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC, st->st_mode & 0777);
	if (out < 0) {
		tool_error("%s", to);
		close(in);
		return;
	}
	switch (copy_fd(in, out)) {
	case -1:
		tool_error("%s", from);
		break;
	case -2:
		tool_error("%s", to);
		break;
	}
	close(in);
	if (close(out) < 0)
		tool_error("%s", to);
}

static void copy_link(const char *from, const char *to)
{
	char text[PATH_MAX];
	ssize_t n = readlink(from, text, sizeof(text) - 1);

	if (n < 0) {
		tool_error("%s", from);
		return;
	}
	text[n] = 0;
	if (symlink(text, to) < 0)
		tool_error("%s", to);
}

static void copy_tree(const char *from, const char *to, const struct stat *st)
{
	char child_from[PATH_MAX], child_to[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	if (!recursive) {
		tool_complain("%s: is a directory (-r copies it)", from);
		return;
	}
	if (mkdir(to, (st->st_mode & 0777) | 0700) < 0 && errno != EEXIST) {
		tool_error("%s", to);
		return;
	}
	dir = opendir(from);
	if (!dir) {
		tool_error("%s", from);
		return;
	}
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		copy_path(path_join(child_from, from, entry->d_name),
			path_join(child_to, to, entry->d_name), 1);
	}
	closedir(dir);
}

static void copy_path(const char *from, const char *to, int inside)
{
	struct stat st;

	if ((inside && recursive ? lstat(from, &st) : stat(from, &st)) < 0) {
		tool_error("%s", from);
		return;
	}
	if (S_ISLNK(st.st_mode)) {
		copy_link(from, to);
		return;
	}
	if (S_ISDIR(st.st_mode))
		copy_tree(from, to, &st);
	else
		copy_file(from, to, &st);
	keep_attributes(to, &st);
}

int main(int argc, char **argv)
{
	static const char usage[] = "[-rp] FROM... TO";
	char target[PATH_MAX], last[PATH_MAX];
	struct stat st;
	int opt, into;

	tool_begin(argv[0]);
	while ((opt = getopt(argc, argv, "rRap")) != -1) {
		if (opt == '?')
			tool_usage(usage);
		recursive |= opt != 'p';
		preserve |= opt == 'p' || opt == 'a';
	}
	if (argc - optind < 2)
		tool_usage(usage);
	into = stat(argv[argc - 1], &st) == 0 && S_ISDIR(st.st_mode);
	if (argc - optind > 2 && !into)
		tool_die("%s", argv[argc - 1]);
	for (int i = optind; i < argc - 1; i++) {
		if (into)
			path_join(target, argv[argc - 1], path_last(last, argv[i]));
		copy_path(argv[i], into ? target : argv[argc - 1], 0);
	}
	return tool_end();
}
