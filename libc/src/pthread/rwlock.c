/*
 * Reader-writer locks: word is the number of readers, or WRITER. waiters counts those that sleep,
 * so that the last reader and the writer know whether to wake; all are woken and compete.
 */
#include "../futex.h"
#include <errno.h>
#include <pthread.h>
#include <string.h>

#define WRITER (-1)

int pthread_rwlockattr_init(pthread_rwlockattr_t *attr)
{
	attr->shared = 0;
	return 0;
}

int pthread_rwlockattr_destroy(pthread_rwlockattr_t *attr)
{
	(void)attr;
	return 0;
}

int pthread_rwlockattr_setpshared(pthread_rwlockattr_t *attr, int shared)
{
	attr->shared = shared;
	return 0;
}

int pthread_rwlock_init(pthread_rwlock_t *lock, const pthread_rwlockattr_t *attr)
{
	memset(lock, 0, sizeof(*lock));
	lock->shared = attr ? attr->shared : 0;
	return 0;
}

int pthread_rwlock_destroy(pthread_rwlock_t *lock)
{
	return __atomic_load_n(&lock->word, __ATOMIC_RELAXED) ? EBUSY : 0;
}

int pthread_rwlock_tryrdlock(pthread_rwlock_t *lock)
{
	int word = __atomic_load_n(&lock->word, __ATOMIC_RELAXED);

	while (word != WRITER)
		if (__atomic_compare_exchange_n(
			    &lock->word, &word, word + 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return 0;
	return EBUSY;
}

int pthread_rwlock_trywrlock(pthread_rwlock_t *lock)
{
	int zero = 0;

	return __atomic_compare_exchange_n(
		       &lock->word, &zero, WRITER, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)
		       ? 0
		       : EBUSY;
}

/*
 * The waiter counts itself, then looks at the word; the releaser changes the word, then looks at
 * the count. With both sequentially consistent at least one sees the other.
 */
static void wait_until(pthread_rwlock_t *lock, int (*try)(pthread_rwlock_t *))
{
	while (try(lock) != 0) {
		int word;

		__atomic_add_fetch(&lock->waiters, 1, __ATOMIC_SEQ_CST);
		word = __atomic_load_n(&lock->word, __ATOMIC_SEQ_CST);
		if (word == WRITER || (word > 0 && try == pthread_rwlock_trywrlock))
			futex_wait(&lock->word, word, lock->shared, CLOCK_MONOTONIC, NULL);
		__atomic_sub_fetch(&lock->waiters, 1, __ATOMIC_SEQ_CST);
	}
}

int pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
	wait_until(lock, pthread_rwlock_tryrdlock);
	return 0;
}

int pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
	wait_until(lock, pthread_rwlock_trywrlock);
	return 0;
}

int pthread_rwlock_unlock(pthread_rwlock_t *lock)
{
	int left = 0;

	if (__atomic_load_n(&lock->word, __ATOMIC_RELAXED) == WRITER)
		__atomic_store_n(&lock->word, 0, __ATOMIC_SEQ_CST);
	else
		left = __atomic_sub_fetch(&lock->word, 1, __ATOMIC_SEQ_CST);
	if (left == 0 && __atomic_load_n(&lock->waiters, __ATOMIC_SEQ_CST))
		futex_wake(&lock->word, INT_MAX, lock->shared);
	return 0;
}
