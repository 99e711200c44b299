/*
 * Wait queues over the scheduler's block and wake.
 *
 * An entry lies on its thread's stack. The waker makes the thread runnable first, then unlinks the
 * entry, and clears `queued` last; the thread leaves the wait only when it sees `queued` clear, or
 * unlinks the entry itself under the queue's lock. So neither the entry nor the thread can go while
 * the waker still looks at it.
 */
#include "sync/waitqueue.h"
#include "lib/assert.h"
#include "sched/clock.h"
#include "sched/sched.h"
#include "sched/timer.h"

void waitqueue_init(struct waitqueue *wq)
{
	spin_init(&wq->lock, RANK_WAITQUEUE, "wait queue");
	list_init(&wq->waiters);
	wq->nwaiters = 0;
}

void wait_entry_init(struct wait_entry *we)
{
	we->thread = thread_current();
	we->wake = NULL;
	we->cookie = NULL;
	we->queued = false;
	list_init(&we->link);
}

/*
 * The full barrier of the two columns in waitqueue.h: an atomic that changes nothing. The waiter's
 * and the waker's are ordered by the word they share, whichever comes second sees what was before
 * the first.
 */
static inline void barrier(struct waitqueue *wq)
{
	__atomic_fetch_or(&wq->lock.locked, 0, __ATOMIC_SEQ_CST);
}

static void count_queued(struct waitqueue *wq, struct wait_entry *we)
{
	WRITE_ONCE(we->queued, true);
	WRITE_ONCE(wq->nwaiters, wq->nwaiters + 1);
}

/* The entry is not touched any more once `queued` is clear. */
static void unlink_locked(struct waitqueue *wq, struct wait_entry *we)
{
	list_remove(&we->link);
	WRITE_ONCE(wq->nwaiters, wq->nwaiters - 1);
	STORE_RELEASE(we->queued, false);
}

void wait_prepare(struct waitqueue *wq, struct wait_entry *we, enum wait_mode mode)
{
	irqflags_t flags = spin_lock_irqsave(&wq->lock);

	if (!READ_ONCE(we->queued)) {
		list_add_tail(&wq->waiters, &we->link);
		count_queued(wq, we);
	}
	sched_set_blocked(mode);
	spin_unlock_irqrestore(&wq->lock, flags);
	barrier(wq); /* the caller's test of its condition comes after the queueing */
}

void wait_add(struct waitqueue *wq, struct wait_entry *we)
{
	irqflags_t flags = spin_lock_irqsave(&wq->lock);

	list_add(&wq->waiters, &we->link);
	count_queued(wq, we);
	spin_unlock_irqrestore(&wq->lock, flags);
	barrier(wq);
}

bool wait_finish(struct waitqueue *wq, struct wait_entry *we)
{
	irqflags_t flags;
	bool woken;

	if (!we->wake)
		sched_set_running();
	if (!LOAD_ACQUIRE(we->queued))
		return true;
	flags = spin_lock_irqsave(&wq->lock);
	woken = !we->queued;
	if (!woken)
		unlink_locked(wq, we);
	spin_unlock_irqrestore(&wq->lock, flags);
	return woken;
}

struct sleep_timer {
	struct timer timer;
	struct thread *thread;
	bool fired;
};

static void sleep_timer_fire(struct timer *t)
{
	struct sleep_timer *st = container_of(t, struct sleep_timer, timer);

	WRITE_ONCE(st->fired, true);
	sched_wake(st->thread);
}

static int sleep_until(enum wait_mode mode, uint64_t deadline_ns)
{
	struct sleep_timer st = {.thread = thread_current()};

	if (clock_monotonic_ns() >= deadline_ns)
		return -ETIMEDOUT;
	timer_init(&st.timer, sleep_timer_fire);
	timer_start(&st.timer, deadline_ns);
	schedule();
	timer_cancel(&st.timer);
	return READ_ONCE(st.fired) ? -ETIMEDOUT : sched_wait_interrupted(mode);
}

int wait_sleep(enum wait_mode mode, uint64_t deadline_ns)
{
	if (deadline_ns != WAIT_FOREVER)
		return sleep_until(mode, deadline_ns);
	schedule();
	return sched_wait_interrupted(mode);
}

unsigned wake_n(struct waitqueue *wq, unsigned n, void *key)
{
	struct wait_entry *we, *tmp;
	unsigned woken = 0;
	irqflags_t flags;

	barrier(wq); /* what the caller made true comes before the look at the queue */
	if (!READ_ONCE(wq->nwaiters))
		return 0;

	flags = spin_lock_irqsave(&wq->lock);
	list_for_each_entry_safe (we, tmp, &wq->waiters, link) {
		if (we->wake) {
			we->wake(we, key);
			continue;
		}
		if (woken == n)
			break;
		woken++;
		sched_wake(we->thread);
		unlink_locked(wq, we);
	}
	spin_unlock_irqrestore(&wq->lock, flags);
	return woken;
}
