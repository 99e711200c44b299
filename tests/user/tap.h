/*
 * Tests of system calls, as TAP. A file is a program, a TEST one behaviour:
 *
 *	TEST(read_at_the_end_gives_0)
 *	{
 *		CHECK_EQ(read(empty, buf, 1), 0);
 *		CHECK_ERR(read(-1, buf, 1), EBADF);
 *	}
 *
 * Each test runs in a process of its own, in an empty folder, with four minutes (only a hang takes
 * that long); the first CHECK that fails ends it, and before the next one all its processes are
 * gone. Time decides nothing: a test waits for a state, however long that takes. The programs are
 * built for Quire and run on Linux too: there they prove the tests.
 */
#ifndef TESTS_USER_TAP_H
#define TESTS_USER_TAP_H

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct tap_test {
	const char *name;
	void (*fn)(void);
	struct tap_test *next;
};

void tap_register(struct tap_test *test);
void tap_fail(const char *file, int line, const char *format, ...)
	__attribute__((__format__(__printf__, 3, 4), __noreturn__));

/* Ends the test without a verdict: what it needs is not there. */
void tap_skip(const char *reason) __attribute__((__noreturn__));

/* => the wait status of a child that runs fn(arg) and then exits with what fn returns. */
int tap_child(int (*fn)(void *), void *arg);

/* => the signal that ended a child in which fn(arg) runs, 0 if it exited. */
int tap_signal_of(int (*fn)(void *), void *arg);

/*
 * => the letter of the state in /proc/PID/stat or /proc/PID/task/TID/stat, 0 if there is no such file.
 */
char tap_state(const char *path);

/* => when that process sleeps in a wait that a signal ends. */
void tap_until_asleep(pid_t pid);

/* For tap_signal_of: a read and a write of the byte at arg. */
int tap_peek(void *arg);
int tap_poke(void *arg);

/*
 * => a new file with that much of pattern (byte i is i * 7 + i / 4096), open for reading and writing.
 */
int tap_file(const char *name, size_t size);
unsigned char tap_byte(size_t i);

/* => the number after "key:" in a file of /proc, 0 when there is none. */
size_t tap_number(const char *path, const char *key);

/*
 * => KiB that are free after a write-back and a drop of caches, those of slabs included: the same few
 * objects may lie in one slab or in two. What is still dirty cannot be dropped, hence the
 * write-back. The test is skipped where there is no quiet Quire to count on.
 */
long tap_free_kib(void);

/* Skip the test on any other system, and say why it is for Quire alone. */
void tap_only_on_quire(const char *reason);

/* => the milliseconds of the monotonic clock. */
long tap_ms(void);

#define TEST(test_name)                                                                  \
	static void test_##test_name(void);                                              \
	static struct tap_test test_name##_entry = {#test_name, test_##test_name, NULL}; \
	static void __attribute__((__constructor__)) test_name##_register(void)          \
	{                                                                                \
		tap_register(&test_name##_entry);                                        \
	}                                                                                \
	static void test_##test_name(void)

#define CHECK(cond)                                                                     \
	do {                                                                            \
		if (!(cond))                                                            \
			tap_fail(__FILE__, __LINE__, "%s (errno %d, %s)", #cond, errno, \
				strerror(errno));                                       \
	} while (0)

#define CHECK_EQ(expr, want)                                                                     \
	do {                                                                                     \
		long got_ = (long)(expr), want_ = (long)(want);                                  \
		if (got_ != want_)                                                               \
			tap_fail(__FILE__, __LINE__, "%s is %ld, not %ld (errno %d, %s)", #expr, \
				got_, want_, errno, strerror(errno));                            \
	} while (0)

/* The call must give -1 and this errno. */
#define CHECK_ERR(expr, err)                                                                      \
	do {                                                                                      \
		errno = 0;                                                                        \
		long got_ = (long)(expr);                                                         \
		if (got_ != -1 || errno != (err))                                                 \
			tap_fail(__FILE__, __LINE__, "%s gives %ld with %s, not %s", #expr, got_, \
				strerror(errno), #err);                                           \
	} while (0)

#define PAGE ((size_t)4096)

#endif
