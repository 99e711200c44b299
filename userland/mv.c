/* mv FROM... TO: renames, into TO if it is a directory; a file on another file system is copied and
 * removed. */
#include "tool.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* => 0, or -1 with what was copied so far removed. */
static int copy_over(const char *from, const char *to)
{
	struct stat st;
	int in, out, err = -1;

	if (stat(from, &st) < 0)
		return -1;
	if (!S_ISREG(st.st_mode)) {
		errno = EXDEV;
		return -1;
	}
	in = open(from, O_RDONLY);
	if (in < 0)
		return -1;
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC, st.st_mode & 0777);
	if (out >= 0) {
		const struct timespec times[2] = {st.st_atim, st.st_mtim};

		err = copy_fd(in, out) < 0 || futimens(out, times) < 0 ? -1 : 0;
		if (close(out) < 0)
			err = -1;
		if (err)
			unlink(to);
	}
	close(in);
	return err;
}

static void move(const char *from, const char *to)
{
	if (rename(from, to) == 0)
		return;
	if (errno != EXDEV || copy_over(from, to) < 0)
		tool_error("%s to %s", from, to);
	else if (unlink(from) < 0)
		tool_error("%s", from);
}

int main(int argc, char **argv)
{
	char target[PATH_MAX], last[PATH_MAX];
	struct stat st;
	int opt, into;

	tool_begin(argv[0]);
	while ((opt = getopt(argc, argv, "f")) != -1)
		if (opt == '?')
			tool_usage("[-f] FROM... TO");
	if (argc - optind < 2)
		tool_usage("[-f] FROM... TO");
	into = stat(argv[argc - 1], &st) == 0 && S_ISDIR(st.st_mode);
	if (argc - optind > 2 && !into)
		tool_die("%s", argv[argc - 1]);
	for (int i = optind; i < argc - 1; i++) {
		if (into)
			path_join(target, argv[argc - 1], path_last(last, argv[i]));
		move(argv[i], into ? target : argv[argc - 1]);
	}
	return tool_end();
}
