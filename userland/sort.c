/* sort [-nru] [FILE]...: lines in order of their bytes, or with -n of the numbers that they begin
 * with. */
#include "tool.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int numeric, reverse, unique;
static char **lines;
static size_t count, room;

static int compare(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;
	int order = 0;

	if (numeric) {
		double dx = strtod(x, NULL), dy = strtod(y, NULL);

		order = (dx > dy) - (dx < dy);
	}
	if (order == 0 && !(numeric && unique))
		order = strcmp(x, y);
	return reverse ? -order : order;
}

static void read_lines(FILE *in)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	while ((len = getline(&line, &size, in)) > 0) {
		if (line[len - 1] == '\n')
			line[len - 1] = 0;
		if (count == room) {
			room = room ? 2 * room : 256;
			lines = realloc(lines, room * sizeof(*lines));
			if (!lines)
				tool_die("%zu lines", room);
		}
		lines[count] = strdup(line);
		if (!lines[count++])
			tool_die("%zu lines", count);
	}
	free(line);
}

int main(int argc, char **argv)
{
	int opt;

	tool_begin(argv[0]);
	while ((opt = getopt(argc, argv, "nru")) != -1) {
		if (opt == '?')
			tool_usage("[-nru] [FILE]...");
		numeric |= opt == 'n';
		reverse |= opt == 'r';
		unique |= opt == 'u';
	}
	if (optind == argc)
		read_lines(stdin);
	for (int i = optind; i < argc; i++) {
		FILE *in = fopen(argv[i], "r");

		if (!in)
			tool_die("%s", argv[i]);
		read_lines(in);
		fclose(in);
	}
	if (count)
		qsort(lines, count, sizeof(*lines), compare);
	for (size_t i = 0; i < count; i++)
		if (!unique || i == 0 || compare(&lines[i - 1], &lines[i]) != 0)
			puts(lines[i]);
	return tool_end();
}
