/* chmod MODE FILE...: MODE in octal, or [ugoa]*[+-=][rwxst]* clauses with commas between. */
#include "tool.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static mode_t who_bits(const char **p)
{
	mode_t who = 0;

	for (; **p && strchr("ugoa", **p); (*p)++)
		who |= **p == 'u' ? 04700 : **p == 'g' ? 02070 : **p == 'o' ? 01007 : 07777;
	return who;
}

static mode_t permission_bits(const char **p, mode_t old)
{
	mode_t perm = 0;

	for (; **p && strchr("rwxXst", **p); (*p)++) {
		switch (**p) {
		case 'r':
			perm |= 0444;
			break;
		case 'w':
			perm |= 0222;
			break;
		case 'x':
			perm |= 0111;
			break;
		case 'X':
			perm |= S_ISDIR(old) || old & 0111 ? 0111 : 0;
			break;
		case 's':
			perm |= 06000;
			break;
		case 't':
			perm |= 01000;
			break;
		}
	}
	return perm;
}

/* => the new mode; exits if the text is no mode. */
static mode_t apply(const char *text, mode_t old)
{
	mode_t mode = old & 07777;
	const char *p = text;
	char *end;
	long octal = strtol(text, &end, 8);

	if (end != text && !*end && octal >= 0 && octal <= 07777)
		return (mode_t)octal;
	do {
		mode_t who = who_bits(&p), mask, perm;
		char op = *p;

		/* Without a who the umask decides (POSIX). */
		mask = umask(0);
		umask(mask);
		who = who ? who : 07777 & ~mask;
		if (!op || !strchr("+-=", op))
			tool_usage("MODE FILE...");
		p++;
		perm = permission_bits(&p, old) & who;
		mode = op == '+' ? mode | perm : op == '-' ? mode & ~perm : (mode & ~who) | perm;
	} while (*p == ',' && *++p);
	if (*p)
		tool_usage("MODE FILE...");
	return mode;
}

int main(int argc, char **argv)
{
	tool_begin(argv[0]);
	if (argc < 3)
		tool_usage("MODE FILE...");
	for (int i = 2; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st) < 0 || chmod(argv[i], apply(argv[1], st.st_mode)) < 0)
			tool_error("%s", argv[i]);
	}
	return tool_end();
}
