/* ls [-la1dFi] [FILE]...: names, sorted, one a line; -l with type, mode, links, owner, size and
 * time. */
#include "tool.h"
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

static struct {
	int detailed, all, directory, classify, inode;
} show;

static char type_letter(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return 'd';
	case S_IFLNK:
		return 'l';
	case S_IFCHR:
		return 'c';
	case S_IFBLK:
		return 'b';
	case S_IFIFO:
		return 'p';
	case S_IFSOCK:
		return 's';
	}
	return '-';
}

static void print_mode(mode_t mode)
{
	char text[11] = "-rwxrwxrwx";

	text[0] = type_letter(mode);
	for (int i = 0; i < 9; i++)
		if (!(mode >> (8 - i) & 1))
			text[i + 1] = '-';
	if (mode & S_ISUID)
		text[3] = mode & S_IXUSR ? 's' : 'S';
	if (mode & S_ISGID)
		text[6] = mode & S_IXGRP ? 's' : 'S';
	if (mode & S_ISVTX)
		text[9] = mode & S_IXOTH ? 't' : 'T';
	printf("%s ", text);
}

static void print_owner(const struct stat *st)
{
	const struct passwd *pw = getpwuid(st->st_uid);
	const struct group *gr = getgrgid(st->st_gid);

	if (pw)
		printf("%-8s ", pw->pw_name);
	else
		printf("%-8u ", st->st_uid);
	if (gr)
		printf("%-8s ", gr->gr_name);
	else
		printf("%-8u ", st->st_gid);
}

static void print_details(const struct stat *st)
{
	char when[20];
	struct tm tm;

	print_mode(st->st_mode);
	printf("%3lu ", (unsigned long)st->st_nlink);
	print_owner(st);
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		printf("%3u, %3u ", major(st->st_rdev), minor(st->st_rdev));
	else
		printf("%8ld ", (long)st->st_size);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M", localtime_r(&st->st_mtime, &tm));
	printf("%s ", when);
}

static void print_entry(const char *path, const char *name)
{
	char text[PATH_MAX];
	struct stat st;
	ssize_t n;

	if ((show.detailed || show.classify || show.inode) && lstat(path, &st) < 0) {
		tool_error("%s", path);
		return;
	}
	if (show.inode)
		printf("%6lu ", (unsigned long)st.st_ino);
	if (show.detailed)
		print_details(&st);
	fputs(name, stdout);
	if (show.classify && S_ISDIR(st.st_mode))
		putchar('/');
	else if (show.classify && S_ISREG(st.st_mode) && st.st_mode & 0111)
		putchar('*');
	if (show.detailed && S_ISLNK(st.st_mode) && (n = readlink(path, text, sizeof(text))) >= 0)
		printf(" -> %.*s", (int)n, text);
	putchar('\n');
}

static int wanted(const struct dirent *entry)
{
	return show.all || entry->d_name[0] != '.';
}

static void list_directory(const char *path, int title)
{
	static int listed;
	struct dirent **entries;
	char child[PATH_MAX];
	int count = scandir(path, &entries, wanted, alphasort);

	if (count < 0) {
		tool_error("%s", path);
		return;
	}
	if (title)
		printf("%s%s:\n", listed ? "\n" : "", path);
	listed = 1;
	for (int i = 0; i < count; i++) {
		print_entry(path_join(child, path, entries[i]->d_name), entries[i]->d_name);
		free(entries[i]);
	}
	if (count)
		free(entries);
}

static int is_directory(const char *path)
{
	struct stat st;

	/* A symbolic link to a directory is listed as a link only with -l. */
	if (show.directory || (show.detailed ? lstat(path, &st) : stat(path, &st)) < 0)
		return 0;
	return S_ISDIR(st.st_mode);
}

int main(int argc, char **argv)
{
	static char *here[] = {".", NULL};
	char **paths;
	int opt, many;

	tool_begin(argv[0]);
	while ((opt = getopt(argc, argv, "la1dFi")) != -1) {
		if (opt == '?')
			tool_usage("[-la1dFi] [FILE]...");
		show.detailed |= opt == 'l';
		show.all |= opt == 'a';
		show.directory |= opt == 'd';
		show.classify |= opt == 'F';
		show.inode |= opt == 'i';
	}
	paths = optind < argc ? argv + optind : here;
	many = argc - optind > 1;
	/* Files first, then directories: POSIX. */
	for (char **p = paths; *p; p++) {
		struct stat st;

		if (lstat(*p, &st) < 0)
			tool_error("%s", *p);
		else if (!is_directory(*p))
			print_entry(*p, *p);
	}
	for (char **p = paths; *p; p++)
		if (is_directory(*p))
			list_directory(*p, many);
	return tool_end();
}
