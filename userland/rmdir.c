/* rmdir DIR...: removes empty directories. */
#include "tool.h"
#include <unistd.h>

int main(int argc, char **argv)
{
	tool_begin(argv[0]);
	if (argc < 2)
		tool_usage("DIR...");
	for (int i = 1; i < argc; i++)
		if (rmdir(argv[i]) < 0)
			tool_error("%s", argv[i]);
	return tool_end();
}
