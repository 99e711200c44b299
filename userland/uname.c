/* uname [-asnrvm]: the system and the machine. */
#include "tool.h"
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static const char letters[] = "snrvm";
	char asked[sizeof(letters)] = "";
	const char *gap = "";
	struct utsname u;
	int opt;

	tool_begin(argv[0]);
	while ((opt = getopt(argc, argv, "asnrvm")) != -1) {
		if (opt == '?')
			tool_usage("[-asnrvm]");
		if (opt == 'a')
			strcpy(asked, letters);
		else if (!strchr(asked, opt))
			asked[strlen(asked)] = (char)opt;
	}
	if (uname(&u) < 0)
		tool_die("uname");
	if (!asked[0])
		strcpy(asked, "s");

	const char *values[] = {u.sysname, u.nodename, u.release, u.version, u.machine};

	for (int i = 0; letters[i]; i++) {
		if (!strchr(asked, letters[i]))
			continue;
		printf("%s%s", gap, values[i]);
		gap = " ";
	}
	putchar('\n');
	return tool_end();
}
