/*
 * What the tools share: messages that begin with the tool's name, and the exit status that a
 * message leaves behind. A tool that goes on after an error (POSIX wants most to) ends with
 * tool_end().
 */
#ifndef USERLAND_TOOL_H
#define USERLAND_TOOL_H

#include <stddef.h>
#include <sys/types.h>

/* Sets the name for messages; every main begins with it. */
void tool_begin(const char *argv0);

/* Prints "NAME: message: strerror(errno)"; tool_end() will give 1. */
void tool_error(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));

/* The same without the error's text. */
void tool_complain(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));

/* Like tool_error, and exits with 1. */
void tool_die(const char *format, ...) __attribute__((__format__(__printf__, 1, 2), __noreturn__));

/* Prints "usage: NAME text" and exits with 2. */
void tool_usage(const char *text) __attribute__((__noreturn__));

/* Flushes standard output; => the exit status: 1 if anything was wrong, that included. */
int tool_end(void);

/* => the number, all of the text being one in range; exits with a message if not. */
long tool_number(const char *text, long min, long max);

/* Writes all of it. => 0 or -1 with errno set. */
int write_all(int fd, const void *buf, size_t len);

/*
 * Copies from one descriptor to the other until the end. => 0; -1 if reading, -2 if writing failed.
 */
int copy_fd(int from, int to);

/* => dir/name with one slash between, in buf of PATH_MAX; exits if it is too long. */
char *path_join(char *buf, const char *dir, const char *name);

/* => what follows the last slash, trailing slashes left out, in buf of PATH_MAX. */
char *path_last(char *buf, const char *path);

#endif
