/*
 * Mutexes: three states on a futex word, 0 free, 1 held, 2 held and somebody may wait. The owner is
 * kept only for the kinds that ask for it.
 */
#include "../futex.h"
#include "../thread.h"
#include <errno.h>
#include <pthread.h>
#include <string.h>

int pthread_mutexattr_init(pthread_mutexattr_t *attr)
{
	memset(attr, 0, sizeof(*attr));
	return 0;
}

int pthread_mutexattr_destroy(pthread_mutexattr_t *attr)
{
	(void)attr;
	return 0;
}

int pthread_mutexattr_settype(pthread_mutexattr_t *attr, int type)
{
	if (type < PTHREAD_MUTEX_NORMAL || type > PTHREAD_MUTEX_ERRORCHECK)
		return EINVAL;
	attr->type = type;
	return 0;
}

int pthread_mutexattr_setpshared(pthread_mutexattr_t *attr, int shared)
{
	attr->shared = shared;
	return 0;
}

int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr)
{
	memset(mutex, 0, sizeof(*mutex));
	if (attr) {
		mutex->type = attr->type;
		mutex->shared = attr->shared;
	}
	return 0;
}

int pthread_mutex_destroy(pthread_mutex_t *mutex)
{
	return __atomic_load_n(&mutex->word, __ATOMIC_RELAXED) ? EBUSY : 0;
}

static int holds(pthread_mutex_t *mutex)
{
	return mutex->type != PTHREAD_MUTEX_NORMAL &&
	       __atomic_load_n(&mutex->owner, __ATOMIC_RELAXED) == thread_self()->tid;
}

static void own(pthread_mutex_t *mutex)
{
	if (mutex->type == PTHREAD_MUTEX_NORMAL)
		return;
	__atomic_store_n(&mutex->owner, thread_self()->tid, __ATOMIC_RELAXED);
	mutex->depth = 1;
}

int pthread_mutex_trylock(pthread_mutex_t *mutex)
{
	int zero = 0;

	if (holds(mutex)) {
		if (mutex->type != PTHREAD_MUTEX_RECURSIVE)
			return EBUSY;
		mutex->depth++;
		return 0;
	}
	if (!__atomic_compare_exchange_n(
		    &mutex->word, &zero, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return EBUSY;
	own(mutex);
	return 0;
}

/* deadline: absolute, CLOCK_REALTIME; NULL waits for ever. */
int pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *deadline)
{
	if (pthread_mutex_trylock(mutex) == 0)
		return 0;
	if (holds(mutex))
		return EDEADLK;
	while (__atomic_exchange_n(&mutex->word, 2, __ATOMIC_ACQUIRE) != 0) {
		int err = futex_wait(&mutex->word, 2, mutex->shared, CLOCK_REALTIME, deadline);

		if (err == -ETIMEDOUT || err == -EINVAL)
			return -err;
	}
	own(mutex);
	return 0;
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	return pthread_mutex_timedlock(mutex, NULL);
}

int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	int shared = mutex->shared;

	if (mutex->type != PTHREAD_MUTEX_NORMAL) {
		if (!holds(mutex))
			return EPERM;
		if (--mutex->depth > 0)
			return 0;
		__atomic_store_n(&mutex->owner, 0, __ATOMIC_RELAXED);
	}
	/* Once the word is 0 another thread may free the mutex: only its address is used after
	 * that. */
	if (__atomic_exchange_n(&mutex->word, 0, __ATOMIC_RELEASE) == 2)
		futex_wake(&mutex->word, 1, shared);
	return 0;
}
