/* Waiting on a word: the one primitive under every lock of this library. */
#ifndef LIBC_FUTEX_H
#define LIBC_FUTEX_H

#include "syscall.h"
#include <limits.h>
#include <time.h>

#define FUTEX_WAIT	     0
#define FUTEX_WAKE	     1
#define FUTEX_WAIT_BITSET    9
#define FUTEX_PRIVATE	     128
#define FUTEX_CLOCK_REALTIME 256

/* => 0 or -errno: -EAGAIN if *word was not expect, -EINTR, -ETIMEDOUT (deadline is absolute, NULL
 * waits for ever). */
static inline int futex_wait(
	void *word, int expect, int shared, clockid_t clock, const struct timespec *deadline)
{
	int op = FUTEX_WAIT_BITSET | (shared ? 0 : FUTEX_PRIVATE) |
		 (clock == CLOCK_REALTIME ? FUTEX_CLOCK_REALTIME : 0);

	return (int)RAW(futex, word, op, expect, deadline, 0, -1);
}

static inline void futex_wake(void *word, int count, int shared)
{
	RAW(futex, word, FUTEX_WAKE | (shared ? 0 : FUTEX_PRIVATE), count);
}

#endif
