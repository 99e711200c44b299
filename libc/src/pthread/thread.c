/*
 * Making and ending threads. A thread is one mapping:
 *
 *	| guard page(s) | stack, grows down | TLS variables | struct __pthread |
 *
 * Who unmaps it: the joiner, after the kernel has cleared tid and woken it (CLONE_CHILD_CLEARTID);
 * or, of a detached thread, the thread itself in its last system call but one. The state decides
 * which, by compare-and-swap: JOINABLE goes to DETACHED (pthread_detach) or to EXITED (the thread
 * ends) and not on from there, so a pthread_detach that comes too late sees EXITED and joins
 * instead.
 */
#include "../futex.h"
#include "../thread.h"
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define STACK_DEFAULT (256 * 1024)
#define PAGE	      4096UL
#define THREAD_FLAGS                                                                        \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | \
		CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

long __clone(unsigned long flags, void *stack, int *parent_tid, int *child_tid, void *tls,
	int (*fn)(void *), void *arg);
void __unmap_and_exit(void *map, size_t size) __attribute__((__noreturn__));

static int live_threads = 1;

static size_t page_up(size_t n)
{
	return (n + PAGE - 1) & -PAGE;
}

int pthread_attr_init(pthread_attr_t *attr)
{
	*attr = (pthread_attr_t){.stack_size = STACK_DEFAULT, .guard_size = PAGE};
	return 0;
}

int pthread_attr_destroy(pthread_attr_t *attr)
{
	(void)attr;
	return 0;
}

int pthread_attr_setdetachstate(pthread_attr_t *attr, int state)
{
	if (state != PTHREAD_CREATE_JOINABLE && state != PTHREAD_CREATE_DETACHED)
		return EINVAL;
	attr->detached = state;
	return 0;
}

int pthread_attr_getdetachstate(const pthread_attr_t *attr, int *state)
{
	*state = attr->detached;
	return 0;
}

int pthread_attr_setstacksize(pthread_attr_t *attr, size_t size)
{
	if (size < PTHREAD_STACK_MIN)
		return EINVAL;
	attr->stack_size = page_up(size);
	return 0;
}

int pthread_attr_getstacksize(const pthread_attr_t *attr, size_t *size)
{
	*size = attr->stack_size;
	return 0;
}

/* The caller keeps the stack and frees it after a join; TLS and thread block still get their own
 * mapping. */
int pthread_attr_setstack(pthread_attr_t *attr, void *stack, size_t size)
{
	if (size < PTHREAD_STACK_MIN)
		return EINVAL;
	attr->stack = stack;
	attr->stack_size = size;
	return 0;
}

int pthread_attr_setguardsize(pthread_attr_t *attr, size_t size)
{
	attr->guard_size = page_up(size);
	return 0;
}

pthread_t pthread_self(void)
{
	return thread_self();
}

int pthread_equal(pthread_t a, pthread_t b)
{
	return a == b;
}

void pthread_exit(void *result)
{
	struct __pthread *self = thread_self();
	int joinable = THREAD_JOINABLE;
	sigset_t all;

	self->result = result;
	__pthread_run_destructors(self);
	if (__atomic_sub_fetch(&live_threads, 1, __ATOMIC_ACQ_REL) == 0)
		exit(0);
	/* No handler may run on the stack that is about to go. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	if (self->reent != _GLOBAL_REENT)
		_reclaim_reent(self->reent);
	if (__atomic_compare_exchange_n(&self->state, &joinable, THREAD_EXITED, 0, __ATOMIC_ACQ_REL,
		    __ATOMIC_ACQUIRE) ||
		!self->map)
		for (;;)
			RAW(exit, 0);
	/* The kernel would clear tid in memory that is unmapped by then, or worse, mapped again. */
	RAW(set_tid_address, NULL);
	__unmap_and_exit(self->map, self->map_size);
}

static int thread_start(void *arg)
{
	struct __pthread *self = arg;

	pthread_exit(self->fn(self->arg));
}

/* => a mapping with the thread's block at its end and *stack_top below it, or NULL. */
static struct __pthread *thread_alloc(const pthread_attr_t *attr, void **stack_top)
{
	size_t area = __tls_area_size();
	size_t guard = attr->stack ? 0 : attr->guard_size;
	size_t stack = attr->stack ? 0 : attr->stack_size;
	size_t size = guard + page_up(stack + area);
	struct __pthread *thread;
	char *map;

	map = mmap(
		NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (map == MAP_FAILED)
		return NULL;
	if (guard && mprotect(map, guard, PROT_NONE) < 0) {
		munmap(map, size);
		return NULL;
	}
	*stack_top = attr->stack ? (char *)attr->stack + attr->stack_size : map + size - area;
	thread = __tls_install(map + size - area);
	thread->map = map;
	thread->map_size = size;
	return thread;
}

/* => 0, EAGAIN (no memory or no more threads) or EINVAL. */
int pthread_create(pthread_t *out, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	struct __pthread *thread;
	pthread_attr_t defaults;
	void *stack_top;
	long ret;

	if (!attr) {
		pthread_attr_init(&defaults);
		attr = &defaults;
	}
	thread = thread_alloc(attr, &stack_top);
	if (!thread)
		return EAGAIN;
	thread->canary = thread_self()->canary;
	thread->reent = &thread->reent_store;
	_REENT_INIT_PTR(thread->reent);
	thread->state = attr->detached ? THREAD_DETACHED : THREAD_JOINABLE;
	thread->fn = fn;
	thread->arg = arg;
	__atomic_add_fetch(&live_threads, 1, __ATOMIC_ACQ_REL);
	*out = thread;
	ret = __clone(
		THREAD_FLAGS, stack_top, &thread->tid, &thread->tid, thread, thread_start, thread);
	if (ret < 0) {
		__atomic_sub_fetch(&live_threads, 1, __ATOMIC_ACQ_REL);
		munmap(thread->map, thread->map_size);
		return (int)-ret;
	}
	return 0;
}

/* => 0, EINVAL (detached) or EDEADLK (oneself). */
int pthread_join(pthread_t thread, void **result)
{
	int tid;

	if (thread == thread_self())
		return EDEADLK;
	if (__atomic_load_n(&thread->state, __ATOMIC_ACQUIRE) == THREAD_DETACHED)
		return EINVAL;
	/* The kernel's wake-up at a thread's end is a shared one. */
	while ((tid = __atomic_load_n(&thread->tid, __ATOMIC_ACQUIRE)) != 0)
		futex_wait(&thread->tid, tid, 1, CLOCK_MONOTONIC, NULL);
	if (result)
		*result = thread->result;
	if (thread->map)
		munmap(thread->map, thread->map_size);
	return 0;
}

int pthread_detach(pthread_t thread)
{
	int state = THREAD_JOINABLE;

	if (__atomic_compare_exchange_n(
		    &thread->state, &state, THREAD_DETACHED, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return 0;
	return state == THREAD_EXITED ? pthread_join(thread, NULL) : EINVAL;
}

/* clone(2) for programs: fn(arg) on the given stack; ptid, tls and ctid follow when flags ask for
 * them. */
int clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
	int *ptid, *ctid;
	void *tls;
	va_list ap;
	long ret;

	if (!fn || !stack) {
		errno = EINVAL;
		return -1;
	}
	va_start(ap, arg);
	ptid = va_arg(ap, int *);
	tls = va_arg(ap, void *);
	ctid = va_arg(ap, int *);
	va_end(ap);
	ret = __clone((unsigned int)flags, stack, ptid, ctid, tls, fn, arg);
	return (int)__syscall_result(ret);
}
