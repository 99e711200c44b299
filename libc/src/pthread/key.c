/* Thread-specific data: a table of keys, and a value for each in the thread's block. */
#include "../thread.h"
#include <errno.h>
#include <pthread.h>

static struct {
	int used;
	void (*destructor)(void *);
} keys[PTHREAD_KEYS_MAX];

static pthread_mutex_t keys_lock = PTHREAD_MUTEX_INITIALIZER;

/* => 0, or EAGAIN when all keys are taken. A new key's value is NULL in every thread. */
int pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
	int err = EAGAIN;

	pthread_mutex_lock(&keys_lock);
	for (pthread_key_t i = 0; i < PTHREAD_KEYS_MAX && err; i++) {
		if (keys[i].used)
			continue;
		keys[i].used = 1;
		keys[i].destructor = destructor;
		*key = i;
		err = 0;
	}
	pthread_mutex_unlock(&keys_lock);
	return err;
}

int pthread_key_delete(pthread_key_t key)
{
	if (key >= PTHREAD_KEYS_MAX || !keys[key].used)
		return EINVAL;
	pthread_mutex_lock(&keys_lock);
	keys[key].used = 0;
	keys[key].destructor = NULL;
	pthread_mutex_unlock(&keys_lock);
	return 0;
}

void *pthread_getspecific(pthread_key_t key)
{
	return key < PTHREAD_KEYS_MAX ? (void *)thread_self()->specific[key] : NULL;
}

int pthread_setspecific(pthread_key_t key, const void *value)
{
	if (key >= PTHREAD_KEYS_MAX)
		return EINVAL;
	thread_self()->specific[key] = value;
	return 0;
}

/* A destructor may set values again: POSIX wants some rounds, not a loop for ever. */
void __pthread_run_destructors(struct __pthread *self)
{
	for (int round = 0, again = 1; again && round < PTHREAD_DESTRUCTOR_ITERATIONS; round++) {
		again = 0;
		for (int i = 0; i < PTHREAD_KEYS_MAX; i++) {
			const void *value = self->specific[i];

			if (!value || !keys[i].destructor)
				continue;
			self->specific[i] = NULL;
			again = 1;
			keys[i].destructor((void *)value);
		}
	}
}
