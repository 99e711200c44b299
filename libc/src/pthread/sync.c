/* Barriers, spin locks, once, and POSIX semaphores. */
#include "../futex.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <string.h>

int pthread_barrierattr_init(pthread_barrierattr_t *attr)
{
	attr->shared = 0;
	return 0;
}

int pthread_barrierattr_destroy(pthread_barrierattr_t *attr)
{
	(void)attr;
	return 0;
}

int pthread_barrierattr_setpshared(pthread_barrierattr_t *attr, int shared)
{
	attr->shared = shared;
	return 0;
}

int pthread_barrier_init(
	pthread_barrier_t *barrier, const pthread_barrierattr_t *attr, unsigned int count)
{
	if (count == 0)
		return EINVAL;
	memset(barrier, 0, sizeof(*barrier));
	barrier->limit = count;
	barrier->shared = attr ? attr->shared : 0;
	return 0;
}

/* Waits until everybody of the last round has left, so that the memory may be freed afterwards. */
int pthread_barrier_destroy(pthread_barrier_t *barrier)
{
	unsigned int leaving;

	while ((leaving = __atomic_load_n(&barrier->leaving, __ATOMIC_ACQUIRE)) != 0)
		futex_wait(&barrier->leaving, (int)leaving, barrier->shared, CLOCK_MONOTONIC, NULL);
	return 0;
}

static void barrier_leave(pthread_barrier_t *barrier)
{
	int shared = barrier->shared;

	if (__atomic_sub_fetch(&barrier->leaving, 1, __ATOMIC_ACQ_REL) == 0)
		futex_wake(&barrier->leaving, 1, shared);
}

/* The last to come moves the round on; the others sleep on its number. */
int pthread_barrier_wait(pthread_barrier_t *barrier)
{
	unsigned int round = __atomic_load_n(&barrier->round, __ATOMIC_ACQUIRE);

	__atomic_add_fetch(&barrier->leaving, 1, __ATOMIC_ACQ_REL);
	if (__atomic_add_fetch(&barrier->count, 1, __ATOMIC_ACQ_REL) == barrier->limit) {
		__atomic_store_n(&barrier->count, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&barrier->round, round + 1, __ATOMIC_RELEASE);
		futex_wake(&barrier->round, INT_MAX, barrier->shared);
		barrier_leave(barrier);
		return PTHREAD_BARRIER_SERIAL_THREAD;
	}
	while (__atomic_load_n(&barrier->round, __ATOMIC_ACQUIRE) == round)
		futex_wait(&barrier->round, (int)round, barrier->shared, CLOCK_MONOTONIC, NULL);
	barrier_leave(barrier);
	return 0;
}

int pthread_spin_init(pthread_spinlock_t *lock, int shared)
{
	(void)shared;
	*lock = 0;
	return 0;
}

int pthread_spin_destroy(pthread_spinlock_t *lock)
{
	(void)lock;
	return 0;
}

int pthread_spin_trylock(pthread_spinlock_t *lock)
{
	return __atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE) ? EBUSY : 0;
}

int pthread_spin_lock(pthread_spinlock_t *lock)
{
	while (pthread_spin_trylock(lock) != 0)
		while (__atomic_load_n(lock, __ATOMIC_RELAXED))
			__asm__ volatile("pause");
	return 0;
}

int pthread_spin_unlock(pthread_spinlock_t *lock)
{
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
	return 0;
}

enum { ONCE_NEW, ONCE_RUNNING, ONCE_DONE };

int pthread_once(pthread_once_t *once, void (*fn)(void))
{
	int state = ONCE_NEW;

	if (__atomic_compare_exchange_n(
		    &once->state, &state, ONCE_RUNNING, 0, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
		fn();
		__atomic_store_n(&once->state, ONCE_DONE, __ATOMIC_RELEASE);
		futex_wake(&once->state, INT_MAX, 0);
		return 0;
	}
	while (__atomic_load_n(&once->state, __ATOMIC_ACQUIRE) == ONCE_RUNNING)
		futex_wait(&once->state, ONCE_RUNNING, 0, CLOCK_MONOTONIC, NULL);
	return 0;
}

static int fail(int err)
{
	errno = err;
	return -1;
}

int sem_init(sem_t *sem, int shared, unsigned int value)
{
	if (value > SEM_VALUE_MAX)
		return fail(EINVAL);
	*sem = (sem_t){.value = (int)value, .shared = shared};
	return 0;
}

int sem_destroy(sem_t *sem)
{
	(void)sem;
	return 0;
}

int sem_trywait(sem_t *sem)
{
	int value = __atomic_load_n(&sem->value, __ATOMIC_RELAXED);

	while (value > 0)
		if (__atomic_compare_exchange_n(
			    &sem->value, &value, value - 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return 0;
	return fail(EAGAIN);
}

/* deadline: absolute, CLOCK_REALTIME; NULL waits for ever. A signal ends the wait with EINTR. */
int sem_timedwait(sem_t *sem, const struct timespec *deadline)
{
	int saved = errno;

	while (sem_trywait(sem) < 0) {
		int err;

		__atomic_add_fetch(&sem->waiters, 1, __ATOMIC_SEQ_CST);
		err = futex_wait(&sem->value, 0, sem->shared, CLOCK_REALTIME, deadline);
		__atomic_sub_fetch(&sem->waiters, 1, __ATOMIC_SEQ_CST);
		if (err && err != -EAGAIN)
			return fail(-err);
		errno = saved;
	}
	return 0;
}

int sem_wait(sem_t *sem)
{
	return sem_timedwait(sem, NULL);
}

int sem_post(sem_t *sem)
{
	int shared = sem->shared;

	if (__atomic_load_n(&sem->value, __ATOMIC_RELAXED) == SEM_VALUE_MAX)
		return fail(EOVERFLOW);
	__atomic_add_fetch(&sem->value, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&sem->waiters, __ATOMIC_SEQ_CST))
		futex_wake(&sem->value, 1, shared);
	return 0;
}

int sem_getvalue(sem_t *sem, int *value)
{
	*value = __atomic_load_n(&sem->value, __ATOMIC_RELAXED);
	return 0;
}
