/*
 * Wait queues: the way to sleep until something happens. No wake-up is lost:
 *
 *	waiter (CPU 0)                             waker (CPU 1)
 *	wait_prepare: queue, state = BLOCKED       condition = true
 *	full barrier                               full barrier
 *	test the condition                         wake: queue empty? else take its lock,
 *	   true: wait_finish                             make each waiter runnable, unlink it
 *	   false: schedule(), which returns at
 *	          once if the state is no longer BLOCKED
 *
 * Either the waiter sees the condition or the waker sees the waiter. wait_event() is that loop. A
 * wait in mode INTERRUPTIBLE ends with -ERESTARTSYS when a signal is pending, in mode KILLABLE with
 * -EINTR when a fatal one is. Deadlines are clock_monotonic_ns() times; -ETIMEDOUT. A wait may end
 * for no reason, so that every caller tests its condition again.
 */
#ifndef SYNC_WAITQUEUE_H
#define SYNC_WAITQUEUE_H

#include "lib/list.h"
#include "sync/spinlock.h"

struct thread;

struct waitqueue {
	struct spinlock lock; /* rank 90, interrupts off */
	struct list waiters;  /* struct wait_entry, in order of arrival */
	unsigned nwaiters;    /* their number; read without the lock by wakers */
};

enum wait_mode { WAIT_UNINTERRUPTIBLE, WAIT_KILLABLE, WAIT_INTERRUPTIBLE };

struct wait_entry {
	struct list link;
	struct thread *thread;
	/* NULL: wake the thread. Else called instead, under the queue's lock (poll). */
	void (*wake)(struct wait_entry *we, void *key);
	void *cookie;
	bool queued; /* atomic; cleared by the waker as the last thing it does to the entry */
};

#define WAIT_FOREVER UINT64_MAX

void waitqueue_init(struct waitqueue *wq);
void wait_entry_init(struct wait_entry *we); /* for the current thread */
/* Queue the entry (if it is not) and mark the thread blocked; then test the condition. */
void wait_prepare(struct waitqueue *wq, struct wait_entry *we, enum wait_mode mode);
/* => after wait_prepare. Sleep until woken, deadline or signal: 0, -ETIMEDOUT, -ERESTARTSYS,
 * -EINTR. */
int wait_sleep(enum wait_mode mode, uint64_t deadline_ns);
/* Leave the queue; true if a waker had taken the entry out (a wake_one was spent on it). */
bool wait_finish(struct waitqueue *wq, struct wait_entry *we);
/* Queue an entry with its own wake function, before all threads, without blocking (poll); remove
 * with wait_finish. */
void wait_add(struct waitqueue *wq, struct wait_entry *we);

/* Wake up to n waiters in order of arrival; returns how many. Any context. */
unsigned wake_n(struct waitqueue *wq, unsigned n, void *key);

static inline unsigned wake_one(struct waitqueue *wq)
{
	return wake_n(wq, 1, NULL);
}

static inline unsigned wake_all(struct waitqueue *wq)
{
	return wake_n(wq, UINT_MAX, NULL);
}

/*
 * Wait until cond holds. Evaluates to 0, -ETIMEDOUT, -ERESTARTSYS or -EINTR. After a wake-up cond
 * is tested before the thread queues itself again, so that the next wake_one reaches somebody else;
 * a wait that fails hands on a wake-up that came too late for it.
 */
#define wait_event_mode(wq, cond, mode, deadline_ns)                 \
	({                                                           \
		int _we_ret = 0;                                     \
		if (!(cond)) {                                       \
			uint64_t _we_end = (deadline_ns);            \
			struct wait_entry _we;                       \
			wait_entry_init(&_we);                       \
			for (;;) {                                   \
				wait_prepare(wq, &_we, mode);        \
				if (cond)                            \
					break;                       \
				_we_ret = wait_sleep(mode, _we_end); \
				if (cond) {                          \
					_we_ret = 0;                 \
					break;                       \
				}                                    \
				if (_we_ret)                         \
					break;                       \
			}                                            \
			if (wait_finish(wq, &_we) && _we_ret)        \
				wake_one(wq);                        \
		}                                                    \
		_we_ret;                                             \
	})
/*
 * The same for at most `looks` looks at cond, a tenth of a second apart: not for as long, or a
 * machine that stood still for that time would take it for what is waited for. Who uses it includes
 * sched/clock.h.
 */
#define wait_event_looks(wq, cond, mode, looks)                                            \
	({                                                                                 \
		int _wl_ret = -ETIMEDOUT;                                                  \
		for (unsigned _wl = (looks); _wl && _wl_ret == -ETIMEDOUT; _wl--)          \
			_wl_ret = wait_event_mode(                                         \
				wq, cond, mode, clock_monotonic_ns() + NSEC_PER_SEC / 10); \
		_wl_ret;                                                                   \
	})
#define wait_event(wq, cond) ((void)wait_event_mode(wq, cond, WAIT_UNINTERRUPTIBLE, WAIT_FOREVER))
#define wait_event_interruptible(wq, cond) \
	wait_event_mode(wq, cond, WAIT_INTERRUPTIBLE, WAIT_FOREVER)
#define wait_event_killable(wq, cond) wait_event_mode(wq, cond, WAIT_KILLABLE, WAIT_FOREVER)

#endif
