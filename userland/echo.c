/* echo [-n] [WORD]...: the words, a blank between, and a new line unless -n. */
#include "tool.h"
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	int first = 1, newline = 1;

	tool_begin(argv[0]);
	if (argc > 1 && !strcmp(argv[1], "-n")) {
		newline = 0;
		first = 2;
	}
	for (int i = first; i < argc; i++)
		printf("%s%s", i > first ? " " : "", argv[i]);
	if (newline)
		putchar('\n');
	return tool_end();
}
