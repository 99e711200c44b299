/* dmesg [-c]: the kernel's log; -c empties it afterwards. */
#include "tool.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/klog.h>
#include <unistd.h>

/* A line begins with its level in angle brackets: leave that out. */
static void print_log(const char *text, int len)
{
	int line_start = 1;

	for (int i = 0; i < len; i++) {
		if (line_start && text[i] == '<') {
			int j = i + 1;

			while (j < len && isdigit((unsigned char)text[j]))
				j++;
			if (j < len && text[j] == '>') {
				i = j;
				line_start = 0;
				continue;
			}
		}
		putchar(text[i]);
		line_start = text[i] == '\n';
	}
	if (!line_start)
		putchar('\n');
}

int main(int argc, char **argv)
{
	int action = SYSLOG_ACTION_READ_ALL, opt, size, len;
	char *text;

	tool_begin(argv[0]);
	while ((opt = getopt(argc, argv, "c")) != -1) {
		if (opt != 'c')
			tool_usage("[-c]");
		action = SYSLOG_ACTION_READ_CLEAR;
	}
	size = klogctl(SYSLOG_ACTION_SIZE_BUFFER, NULL, 0);
	if (size < 0)
		tool_die("the log");
	text = malloc((size_t)size + 1);
	if (!text)
		tool_die("%d bytes", size);
	len = klogctl(action, text, size);
	if (len < 0)
		tool_die("the log");
	print_log(text, len);
	return tool_end();
}
