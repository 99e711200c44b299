/*
 * The contended side of the mutex.
 *
 * The owner word is changed without the queue's lock only to take a free mutex and to give back
 * one that nobody waits for. Flags are changed under the queue's lock; while somebody owns the
 * mutex, its queue's lock therefore freezes the word.
 *
 *	0            free                          T            owned, nobody waits
 *	W            free, the first waiter was    T|W          owned, unlock wakes the first waiter
 *	             woken and tries to take it    T|W|H        owned, unlock makes the first waiter
 *	                                                        the owner
 *
 * A waiter stays in the queue until it owns the mutex (or gives up), and leaves it under the
 * queue's lock: who wakes it under that lock can never meet a thread that is gone.
 */
#include "sync/mutex.h"
#include "lib/assert.h"
#include "sched/sched.h"
#include "sync/spin_wait.h"

void mutex_init(struct mutex *m, enum lock_rank rank, const char *name)
{
	m->owner = 0;
	waitqueue_init(&m->waiters);
	m->rank = rank;
#ifdef QUIRE_DEBUG
	m->dbg.rank = rank;
	m->dbg.name = name;
#else
	(void)name;
#endif
}

static bool cas(struct mutex *m, uintptr_t *old, uintptr_t new)
{
	return __atomic_compare_exchange_n(
		&m->owner, old, new, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* Wait a little for an owner that is running: it will soon be done. */
static bool spin_for(struct mutex *m, uintptr_t me)
{
	struct spin_wait sw = SPIN_WAIT_INIT;

	for (;;) {
		uintptr_t w = READ_ONCE(m->owner);
		struct thread *owner = (struct thread *)(w & ~MUTEX_FLAGS);

		if (w & MUTEX_HANDOFF)
			return false;
		if (!owner) {
			if (cas(m, &w, me | w))
				return true;
		} else if (!spin_wait_on_thread(&sw, owner)) {
			return false;
		}
	}
}

/*
 * Under the queue's lock, we in the queue: take the mutex if it is free or was handed to us; else
 * leave word that we wait, and, after we were woken for nothing, that we want it handed over.
 */
static bool take_queued(struct mutex *m, uintptr_t me, bool woken)
{
	bool alone = m->waiters.waiters.next->next == &m->waiters.waiters;
	uintptr_t w = READ_ONCE(m->owner), new;

	do {
		if ((w & ~MUTEX_FLAGS) == me)
			return true;
		if (!(w & ~MUTEX_FLAGS))
			new = me | (alone ? 0 : MUTEX_WAITERS);
		else
			new = w | MUTEX_WAITERS | (woken ? MUTEX_HANDOFF : 0);
	} while (!cas(m, &w, new));
	return !(w & ~MUTEX_FLAGS);
}

static struct thread *first_waiter(struct mutex *m)
{
	if (list_empty(&m->waiters.waiters))
		return NULL;
	return list_first_entry(&m->waiters.waiters, struct wait_entry, link)->thread;
}

/* Killed while queued, and out of the queue now. A wake-up meant for us goes to the next one. */
static void give_up(struct mutex *m)
{
	struct thread *next = first_waiter(m);
	uintptr_t w = READ_ONCE(m->owner), new;

	do {
		new = w & ~(next ? MUTEX_HANDOFF : MUTEX_FLAGS);
	} while (!cas(m, &w, new));
	if (next && !(w & ~MUTEX_FLAGS))
		sched_wake(next);
}

static int lock_contended(struct mutex *m, enum wait_mode mode)
{
	uintptr_t me = (uintptr_t)thread_current();
	struct wait_entry we;
	irqflags_t flags;
	bool owned, woken = false;

	assert(!mutex_held(m));
	sync_count_wait(m->rank);
	if (spin_for(m, me))
		return 0;

	wait_entry_init(&we);
	flags = spin_lock_irqsave(&m->waiters.lock);
	list_add_tail(&m->waiters.waiters, &we.link);
	for (;;) {
		owned = take_queued(m, me, woken);
		if (owned || sched_wait_interrupted(mode))
			break;
		sched_set_blocked(mode);
		spin_unlock_irqrestore(&m->waiters.lock, flags);
		schedule();
		woken = true;
		flags = spin_lock_irqsave(&m->waiters.lock);
	}
	sched_set_running();
	list_remove(&we.link);
	if (!owned)
		give_up(m);
	else if (list_empty(&m->waiters.waiters))
		__atomic_fetch_and(&m->owner, ~MUTEX_FLAGS, __ATOMIC_RELAXED);
	spin_unlock_irqrestore(&m->waiters.lock, flags);
	return owned ? 0 : -EINTR;
}

void mutex_lock_contended(struct mutex *m)
{
	(void)lock_contended(m, WAIT_UNINTERRUPTIBLE);
}

int mutex_lock_killable(struct mutex *m)
{
	int err = 0;

#ifdef QUIRE_DEBUG
	rank_acquire(m, &m->dbg);
#endif
	if (!mutex_try_acquire(m))
		err = lock_contended(m, WAIT_KILLABLE);
#ifdef QUIRE_DEBUG
	if (err)
		rank_release(m);
#endif
	return err;
}

void mutex_unlock_contended(struct mutex *m)
{
	irqflags_t flags = spin_lock_irqsave(&m->waiters.lock);
	uintptr_t w = READ_ONCE(m->owner), new = 0;
	struct thread *next = first_waiter(m);

	assert((w & ~MUTEX_FLAGS) == (uintptr_t)thread_current());
	if (next)
		new = w &MUTEX_HANDOFF ? (uintptr_t)next | MUTEX_WAITERS : MUTEX_WAITERS;
	STORE_RELEASE(m->owner, new);
	if (next)
		sched_wake(next);
	spin_unlock_irqrestore(&m->waiters.lock, flags);
}
