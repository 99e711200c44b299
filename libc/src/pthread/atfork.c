/*
 * fork(2) in a program with threads: only the caller lives on in the child, so whatever another
 * thread held stays held there for ever. Hence the library's own locks (stdio's list, malloc, the
 * environment) are taken before and released on both sides after; programs add theirs with
 * pthread_atfork.
 */
#include "../thread.h"
#include <envlock.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>

#define HANDLERS_MAX 16

void __sfp_lock_acquire(void);
void __sfp_lock_release(void);

static struct {
	void (*prepare)(void);
	void (*parent)(void);
	void (*child)(void);
} handlers[HANDLERS_MAX];

static int handler_count;
static pthread_mutex_t handler_lock = PTHREAD_MUTEX_INITIALIZER;

/* => 0 or ENOMEM. */
int pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
	int err = 0;

	pthread_mutex_lock(&handler_lock);
	if (handler_count == HANDLERS_MAX) {
		err = ENOMEM;
	} else {
		handlers[handler_count].prepare = prepare;
		handlers[handler_count].parent = parent;
		handlers[handler_count].child = child;
		handler_count++;
	}
	pthread_mutex_unlock(&handler_lock);
	return err;
}

static void release_locks(void)
{
	__env_unlock(_REENT);
	__malloc_unlock(_REENT);
	__sfp_lock_release();
	pthread_mutex_unlock(&handler_lock);
}

void __fork_prepare(void)
{
	pthread_mutex_lock(&handler_lock);
	for (int i = handler_count - 1; i >= 0; i--)
		if (handlers[i].prepare)
			handlers[i].prepare();
	__sfp_lock_acquire();
	__malloc_lock(_REENT);
	__env_lock(_REENT);
}

void __fork_parent(void)
{
	release_locks();
	for (int i = 0; i < handler_count; i++)
		if (handlers[i].parent)
			handlers[i].parent();
}

void __fork_child(void)
{
	release_locks();
	for (int i = 0; i < handler_count; i++)
		if (handlers[i].child)
			handlers[i].child();
}
