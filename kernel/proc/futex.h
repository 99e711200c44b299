/* futex(2) and robust lists. */
#ifndef PROC_FUTEX_H
#define PROC_FUTEX_H

#include "mm/types.h"

struct task;

struct futex_key;

void futex_init(void);
/* The bucket of a key, below 256. */
unsigned futex_hash(const struct futex_key *key);
/* While *uaddr is `expected`, sleep until a wake whose bits meet ours. 0, -EAGAIN (another value),
 * -ETIMEDOUT, -ERESTARTSYS, -EFAULT, -EINVAL. */
long futex_wait(
	uaddr_t uaddr, bool shared, uint32_t expected, uint32_t bitset, uint64_t deadline_ns);
/* Number woken, -EFAULT, -EINVAL. */
long futex_wake(uaddr_t uaddr, bool shared, int n, uint32_t bitset);
/* Wake nwake, move nmove of the others to uaddr2. expected: NULL or what *uaddr must be (-EAGAIN).
 * Number woken and moved (REQUEUE: woken and moved too, as Linux counts). */
long futex_requeue(
	uaddr_t uaddr, uaddr_t uaddr2, bool shared, int nwake, int nmove, const uint32_t *expected);
/* FUTEX_WAKE_OP. */
long futex_wake_op(uaddr_t uaddr, uaddr_t uaddr2, bool shared, int nwake, int nwake2, uint32_t op);
/* A thread ends: mark and wake the robust futexes that it holds. => its context is loaded */
void futex_release_robust(struct task *task);

#endif
