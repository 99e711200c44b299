/* mount [-t TYPE] [-o OPTIONS] SOURCE DIR; without arguments what is mounted. */
#include "tool.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static const struct {
	const char *name;
	unsigned long set, clear;
} words[] = {
	{"ro", MS_RDONLY, 0},
	{"rw", 0, MS_RDONLY},
	{"remount", MS_REMOUNT, 0},
	{"bind", MS_BIND, 0},
	{"nosuid", MS_NOSUID, 0},
	{"nodev", MS_NODEV, 0},
	{"noexec", MS_NOEXEC, 0},
	{"noatime", MS_NOATIME, 0},
	{"sync", MS_SYNCHRONOUS, 0},
	{"defaults", 0, 0},
};

/* Takes the words that are flags out of the list; the rest is for the file system. */
static unsigned long parse_options(char *list, char *data, size_t size)
{
	unsigned long flags = 0;
	char *rest = NULL;

	for (char *word = strtok_r(list, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		size_t i = 0, n = sizeof(words) / sizeof(words[0]);

		while (i < n && strcmp(word, words[i].name))
			i++;
		if (i < n) {
			flags = (flags | words[i].set) & ~words[i].clear;
			continue;
		}
		if (data[0])
			strlcat(data, ",", size);
		strlcat(data, word, size);
	}
	return flags;
}

static int list_mounts(void)
{
	int fd = open("/proc/mounts", O_RDONLY);

	if (fd < 0 || copy_fd(fd, 1) < 0)
		tool_error("/proc/mounts");
	return tool_end();
}

int main(int argc, char **argv)
{
	static const char usage[] = "[-t TYPE] [-o OPTIONS] SOURCE DIR";
	const char *type = "ext2";
	unsigned long flags = 0;
	char data[256] = "";
	int opt;

	tool_begin(argv[0]);
	if (argc == 1)
		return list_mounts();
	while ((opt = getopt(argc, argv, "t:o:r")) != -1) {
		if (opt == 't')
			type = optarg;
		else if (opt == 'o')
			flags |= parse_options(optarg, data, sizeof(data));
		else if (opt == 'r')
			flags |= MS_RDONLY;
		else
			tool_usage(usage);
	}
	if (argc - optind != 2)
		tool_usage(usage);
	if (mount(argv[optind], argv[optind + 1], type, flags, data[0] ? data : NULL) < 0)
		tool_error("%s on %s", argv[optind], argv[optind + 1]);
	return tool_end();
}
