/* date [-u] [+FORMAT]: the time now (there is only UTC). */
#include "tool.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

int main(int argc, char **argv)
{
	const char *format = "%a %b %e %H:%M:%S UTC %Y";
	time_t now = time(NULL);
	char text[256];
	int i = 1;

	tool_begin(argv[0]);
	if (i < argc && !strcmp(argv[i], "-u"))
		i++;
	if (i < argc && argv[i][0] == '+')
		format = argv[i++] + 1;
	if (i < argc)
		tool_usage("[-u] [+FORMAT]");
	if (!strftime(text, sizeof(text), format, gmtime(&now)) && *format)
		tool_complain("the result is too long");
	else
		printf("%s\n", *format ? text : "");
	return tool_end();
}
