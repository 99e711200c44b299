/*
 * Condition variables: a sequence number that each signal and broadcast moves on, and a count of
 * waiters that saves the wake-up when there is none.
 *
 *	waiter (holds the mutex)		signaller
 *	waiters += 1
 *	seq0 = seq
 *	unlock mutex
 *						seq += 1
 *						if waiters: wake one
 *	sleep if seq == seq0
 *
 * If the signal comes before the sleep, seq differs and the waiter does not sleep; if it comes
 * after, the wake finds it. A waiter that saw seq0 before the signal is counted by then, since both
 * are sequentially consistent.
 */
#include "../futex.h"
#include <errno.h>
#include <pthread.h>
#include <string.h>

int pthread_condattr_init(pthread_condattr_t *attr)
{
	memset(attr, 0, sizeof(*attr));
	return 0;
}

int pthread_condattr_destroy(pthread_condattr_t *attr)
{
	(void)attr;
	return 0;
}

int pthread_condattr_setclock(pthread_condattr_t *attr, clockid_t clock)
{
	if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)
		return EINVAL;
	attr->clock = clock;
	return 0;
}

int pthread_condattr_setpshared(pthread_condattr_t *attr, int shared)
{
	attr->shared = shared;
	return 0;
}

int pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr)
{
	memset(cond, 0, sizeof(*cond));
	if (attr) {
		cond->clock = attr->clock;
		cond->shared = attr->shared;
	}
	return 0;
}

int pthread_cond_destroy(pthread_cond_t *cond)
{
	return __atomic_load_n(&cond->waiters, __ATOMIC_SEQ_CST) ? EBUSY : 0;
}

/* deadline: absolute, by the condition's clock; NULL waits for ever. => 0 or ETIMEDOUT, the mutex
 * held again. */
int pthread_cond_timedwait(
	pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *deadline)
{
	unsigned int seq;
	int err;

	__atomic_add_fetch(&cond->waiters, 1, __ATOMIC_SEQ_CST);
	seq = __atomic_load_n(&cond->seq, __ATOMIC_SEQ_CST);
	err = pthread_mutex_unlock(mutex);
	if (!err)
		err = -futex_wait(&cond->seq, (int)seq, cond->shared, cond->clock, deadline);
	__atomic_sub_fetch(&cond->waiters, 1, __ATOMIC_SEQ_CST);
	if (err == EPERM)
		return err;
	pthread_mutex_lock(mutex);
	return err == ETIMEDOUT || err == EINVAL ? err : 0;
}

int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	return pthread_cond_timedwait(cond, mutex, NULL);
}

static void wake(pthread_cond_t *cond, int count)
{
	__atomic_add_fetch(&cond->seq, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&cond->waiters, __ATOMIC_SEQ_CST))
		futex_wake(&cond->seq, count, cond->shared);
}

int pthread_cond_signal(pthread_cond_t *cond)
{
	wake(cond, 1);
	return 0;
}

int pthread_cond_broadcast(pthread_cond_t *cond)
{
	wake(cond, INT_MAX);
	return 0;
}
