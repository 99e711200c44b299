/* POSIX's names for what newlib has under its own. */
#include <stdio.h>

ssize_t getdelim(char **line, size_t *size, int delimiter, FILE *file)
{
	return __getdelim(line, size, delimiter, file);
}

ssize_t getline(char **line, size_t *size, FILE *file)
{
	return __getline(line, size, file);
}
