/*
 * In-kernel tests, run by the command-line word ktest[=PATTERN] after initialisation, reported as
 * KTAP, after which the machine is left through isa-debug-exit with a status.
 *
 *	KTEST(buddy_splits_and_merges)
 *	{
 *		KTEST_ASSERT(page_alloc(0, 0) != NULL);
 *	}
 */
#ifndef KTEST_H
#define KTEST_H

#include "lib/base.h"

/*
 * What goes to isa-debug-exit; QEMU ends with status 2 * code + 1, so scripts see 33, 35 and 37.
 * ktest=PATTERN runs the tests whose name contains it, ktest=none runs none and passes,
 * ktest=panic:NAME does something that must end in a panic (ktest_panic.c).
 */
#define KTEST_EXIT_PASS	 16
#define KTEST_EXIT_PANIC 17
#define KTEST_EXIT_FAIL	 18

struct ktest {
	const char *name;
	void (*fn)(void);
};

#define KTEST(id)                                                                             \
	static void ktest_fn_##id(void);                                                      \
	static const struct ktest ktest_##id                                                  \
		__attribute__((used, section(".ktests"), aligned(8))) = {#id, ktest_fn_##id}; \
	static void ktest_fn_##id(void)

/* Record a failure with the place and leave the test function. */
#define KTEST_ASSERT(expr)                                     \
	do {                                                   \
		if (!(expr)) {                                 \
			ktest_fail(#expr, __FILE__, __LINE__); \
			return;                                \
		}                                              \
	} while (0)

void ktest_fail(const char *expr, const char *file, int line);
/* Run all tests whose name contains pattern ("" = all); returns the number that failed. */
int ktest_run(const char *pattern);
/* ktest=panic:NAME: does not return if NAME is known. */
void ktest_panic(const char *name);

#endif
