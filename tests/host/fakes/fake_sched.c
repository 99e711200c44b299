/*
 * Fake scheduler below the real locks and wait queues of kernel/sync: a thread that waits polls its
 * state, a waker changes it. Timers fire in the polling of the thread that started them.
 */
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include "host.h"
#include "panic.h"
#include "sched/clock.h"
#include "sched/sched.h"
#include "sched/timer.h"

static __thread struct timer *armed; /* at most one: that of a timed wait */

static void timer_poll(void)
{
	struct timer *t = armed;

	if (!t || clock_monotonic_ns() < t->deadline_ns)
		return;
	armed = NULL;
	t->pending = false;
	t->fn(t);
}

void schedule(void)
{
	struct thread *t = thread_current();
	unsigned rounds = 0;

	rank_assert_none_from(RANK_SPINNING);
	while (__atomic_load_n(&t->state, __ATOMIC_ACQUIRE) == THREAD_BLOCKED) {
		if (sched_wait_interrupted(t->wait_mode))
			break;
		timer_poll();
		if (rounds++ < 100) {
			sched_yield();
		} else {
			struct timespec ts = {.tv_nsec = 50000};

			nanosleep(&ts, NULL);
		}
	}
	__atomic_store_n(&t->state, THREAD_RUNNING, __ATOMIC_RELEASE);
}

bool sched_wake(struct thread *t)
{
	enum thread_state blocked = THREAD_BLOCKED;

	return __atomic_compare_exchange_n(
		&t->state, &blocked, THREAD_RUNNING, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

bool host_sleeps(unsigned cpu)
{
	return __atomic_load_n(&cpus[cpu]->current->state, __ATOMIC_ACQUIRE) == THREAD_BLOCKED;
}

void sched_preempt(void)
{
	sched_yield();
}

void sched_yield_current(void)
{
	sched_yield();
}

void timer_init(struct timer *t, void (*fn)(struct timer *t))
{
	*t = (struct timer){.fn = fn};
}

void timer_start(struct timer *t, uint64_t deadline_ns)
{
	if (armed && armed != t)
		panic("fake timers: one a thread");
	t->deadline_ns = deadline_ns;
	t->pending = true;
	armed = t;
}

bool timer_cancel(struct timer *t)
{
	bool was = t->pending;

	t->pending = false;
	if (armed == t)
		armed = NULL;
	return was;
}

int sched_wait_interrupted(enum wait_mode mode)
{
	uint32_t flags = __atomic_load_n(&thread_current()->flags, __ATOMIC_SEQ_CST);

	if (mode != WAIT_UNINTERRUPTIBLE && (flags & THREAD_KILLED))
		return -EINTR;
	if (mode == WAIT_INTERRUPTIBLE && (flags & THREAD_SIGPENDING))
		return -ERESTARTSYS;
	return 0;
}

/*
 * --- kernel threads: pthreads on CPUs of their own; they never end -----------------------------
 */

struct host_kthread {
	void (*fn)(void *arg);
	void *arg;
	unsigned cpu;
};

static void *kthread_main(void *p)
{
	struct host_kthread *k = p;

	host_enter_cpu(k->cpu);
	k->fn(k->arg);
	return NULL;
}

struct thread *thread_create_kernel(const char *name, void (*fn)(void *arg), void *arg)
{
	static struct host_kthread threads[16];
	static unsigned n;
	struct host_kthread *k = &threads[n];
	pthread_t t;

	(void)name;
	*k = (struct host_kthread){fn, arg, HOST_KTHREAD_CPU + n++};
	if (pthread_create(&t, NULL, kthread_main, k))
		return ERR_PTR(-ENOMEM);
	pthread_detach(t);
	while (!READ_ONCE(cpus[k->cpu]->online))
		sched_yield();
	return cpus[k->cpu]->current;
}
