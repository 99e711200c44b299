/*
 * The recursive lock inside newlib (sys/lock.h): three states on a futex, 0 free, 1 held, 2 held
 * with waiters. A waiter always leaves 2 behind, since it cannot know whether it was the last; the
 * price is at most one wake that finds nobody. owner is written only by the holder, and a thread
 * compares it only with itself, so a stale value read by another thread can never equal that
 * thread.
 */
#include "futex.h"
#include "thread.h"
#include <sys/lock.h>

static int take(struct __libc_lock *lock)
{
	int zero = 0;

	return __atomic_compare_exchange_n(
		&lock->word, &zero, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static void own(struct __libc_lock *lock, void *self)
{
	__atomic_store_n(&lock->owner, self, __ATOMIC_RELAXED);
	lock->depth = 1;
}

/* => 0 if the lock was taken, -1 if another thread holds it. */
int __libc_lock_try_acquire(struct __libc_lock *lock)
{
	void *self = thread_self();

	if (__atomic_load_n(&lock->owner, __ATOMIC_RELAXED) == self) {
		lock->depth++;
		return 0;
	}
	if (!take(lock))
		return -1;
	own(lock, self);
	return 0;
}

void __libc_lock_acquire(struct __libc_lock *lock)
{
	if (__libc_lock_try_acquire(lock) == 0)
		return;
	while (__atomic_exchange_n(&lock->word, 2, __ATOMIC_ACQUIRE) != 0)
		futex_wait(&lock->word, 2, 0, CLOCK_MONOTONIC, NULL);
	own(lock, thread_self());
}

void __libc_lock_release(struct __libc_lock *lock)
{
	if (--lock->depth > 0)
		return;
	__atomic_store_n(&lock->owner, NULL, __ATOMIC_RELAXED);
	if (__atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE) == 2)
		futex_wake(&lock->word, 1, 0);
}
