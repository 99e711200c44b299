/*
 * The block that %fs points to, one a thread. The thread's TLS variables end where it begins
 * (variant II of the x86-64 TLS ABI); the compiler expects the pointer to itself at 0 and the stack
 * protector's canary at 0x28.
 */
#ifndef LIBC_THREAD_H
#define LIBC_THREAD_H

#include <limits.h>
#include <pthread.h>
#include <reent.h>
#include <stddef.h>

/* Who frees a thread: see pthread/thread.c. */
enum thread_state { THREAD_JOINABLE, THREAD_DETACHED, THREAD_EXITED };

struct __pthread {
	struct __pthread *self;
	void *unused[4];
	unsigned long canary; /* 0x28 */
	struct _reent *reent;
	int tid;   /* the kernel clears it and wakes the joiner when the thread has ended */
	int state; /* enum thread_state; changed by compare-and-swap */
	void *(*fn)(void *);
	void *arg;
	void *result;
	void *map; /* stack, TLS and this block, or NULL for the first thread */
	size_t map_size;
	const void *specific[PTHREAD_KEYS_MAX];
	struct _reent
		reent_store; /* of threads other than the first, which uses newlib's global one */
};

_Static_assert(offsetof(struct __pthread, canary) == 0x28, "the compiler reads %fs:0x28");

static inline struct __pthread *thread_self(void)
{
	struct __pthread *self;

	__asm__("mov %%fs:0, %0" : "=r"(self));
	return self;
}

/* The TLS template of the program, found by __tls_setup. */
size_t __tls_area_size(void);
struct __pthread *__tls_install(void *area);

/* Runs the destructors of the calling thread's keys. */
void __pthread_run_destructors(struct __pthread *self);

/* Called around fork(2): see pthread/atfork.c. */
void __fork_prepare(void);
void __fork_parent(void);
void __fork_child(void);

#endif
