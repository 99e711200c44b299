/* wc [-lwc] [FILE]...: lines, words, bytes. */
#include "tool.h"
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

struct counts {
	long lines, words, bytes;
};

static int want_lines, want_words, want_bytes;

static int count(int fd, struct counts *c)
{
	static char buf[32768];
	int in_word = 0;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		c->bytes += n;
		for (ssize_t i = 0; i < n; i++) {
			int space = isspace((unsigned char)buf[i]);

			c->lines += buf[i] == '\n';
			c->words += !space && !in_word;
			in_word = !space;
		}
	}
	return (int)n;
}

static void print(const struct counts *c, const char *name)
{
	const char *gap = "";

	if (want_lines)
		gap = " ", printf("%ld", c->lines);
	if (want_words)
		printf("%s%ld", gap, c->words), gap = " ";
	if (want_bytes)
		printf("%s%ld", gap, c->bytes);
	printf("%s%s\n", name ? " " : "", name ? name : "");
}

int main(int argc, char **argv)
{
	struct counts total = {0, 0, 0};
	int opt;

	tool_begin(argv[0]);
	while ((opt = getopt(argc, argv, "lwc")) != -1) {
		if (opt == '?')
			tool_usage("[-lwc] [FILE]...");
		want_lines |= opt == 'l';
		want_words |= opt == 'w';
		want_bytes |= opt == 'c';
	}
	if (!want_lines && !want_words && !want_bytes)
		want_lines = want_words = want_bytes = 1;
	if (optind == argc) {
		if (count(0, &total) < 0)
			tool_error("standard input");
		print(&total, NULL);
	}
	for (int i = optind; i < argc; i++) {
		struct counts c = {0, 0, 0};
		int fd = open(argv[i], O_RDONLY);

		if (fd < 0 || count(fd, &c) < 0)
			tool_error("%s", argv[i]);
		else
			print(&c, argv[i]);
		if (fd >= 0)
			close(fd);
		total.lines += c.lines;
		total.words += c.words;
		total.bytes += c.bytes;
	}
	if (argc - optind > 1)
		print(&total, "total");
	return tool_end();
}
