/*
 * The kernel's command line: words separated by blanks, a word may be in double quotes or have a
 * quoted value; "--" ends the kernel's part. Read-only, so no locks.
 */
#include "boot_info.h"
#include "lib/string.h"

#define WORD_MAX 256 /* longer words are cut: no name that the kernel knows is so long */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool cmdline_word(const char **s, char *buf, size_t size)
{
	const char *p = *s;
	bool quoted = false;
	size_t n = 0;

	while (is_blank(*p))
		p++;
	if (!*p)
		return false;
	for (; *p && (quoted || !is_blank(*p)); p++) {
		if (*p == '"')
			quoted = !quoted;
		else if (n + 1 < size)
			buf[n++] = *p;
	}
	buf[n] = '\0';
	*s = p;
	return true;
}

/* The value in `word` if its name is `name`: behind '=', or "" for the bare word; else NULL. */
static const char *value_of(const char *word, const char *name)
{
	size_t n = strlen(name);

	if (strncmp(word, name, n) != 0)
		return NULL;
	if (word[n] == '=')
		return word + n + 1;
	return word[n] == '\0' ? word + n : NULL;
}

bool cmdline_get(const char *name, char *buf, size_t size)
{
	const char *s = boot_info.cmdline, *value;
	char word[WORD_MAX];
	bool found = false;

	while (cmdline_word(&s, word, sizeof(word)) && strcmp(word, "--") != 0) {
		value = value_of(word, name);
		if (!value)
			continue;
		str_copy(buf, value, size);
		found = true;
	}
	return found;
}

bool cmdline_has(const char *name)
{
	char value[2];

	return cmdline_get(name, value, sizeof(value));
}
