/*
 * The contended side of the reader-writer lock.
 *
 * All who wait are in one queue in order of arrival. RW_WAITERS is set while the queue is not
 * empty; it sends new readers and every unlock here. Who unlocks passes the lock on
 * under the queue's lock:
 *
 *	first is a reader    all readers up to the next writer are counted in and leave the queue
 *	first is a writer    it is woken and takes the lock itself. Until it runs, others that run may
 *	                     have the lock, one after the other; if it finds it taken then, it waits a
 *	                     little, sets RW_HANDOFF and is made the owner next time
 *
 * Handing over from the start would leave the lock idle for a context switch each time that
 * somebody slept, and more would have to sleep meanwhile.
 *
 * Unlocking and passing on are two steps, and in between somebody who runs may have got in: then
 * there is nothing to pass on, and that one's unlock does it.
 *
 * While a reader that opened the lock holds it (RW_OPEN), readers do not queue, and those that had
 * are let in at once. A waiting writer is so kept back by readers that came while it could not have
 * had the lock, and by none that come later.
 */
#include "sync/rwlock.h"
#include "lib/assert.h"
#include "sched/sched.h"
#include "sync/spin_wait.h"

struct rw_waiter {
	struct wait_entry we;
	bool write;
	bool granted; /* the lock is ours; we are out of the queue (queue's lock) */
};

void rw_init(struct rwlock *l, enum lock_rank rank, const char *name)
{
	l->state = 0;
	l->writer = NULL;
	waitqueue_init(&l->waiters);
	l->rank = rank;
#ifdef QUIRE_DEBUG
	l->dbg.rank = rank;
	l->dbg.name = name;
#else
	(void)name;
#endif
}

static bool cas(struct rwlock *l, uint64_t *old, uint64_t new)
{
	return __atomic_compare_exchange_n(
		&l->state, old, new, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static struct rw_waiter *first_waiter(const struct rwlock *l)
{
	struct list *head = (struct list *)&l->waiters.waiters;

	return list_empty(head) ? NULL : list_first_entry(head, struct rw_waiter, we.link);
}

/* Take the waiter out of the queue as an owner. Its stack may go as soon as granted is seen, which
 * is under the queue's lock. */
static void grant(struct rw_waiter *w)
{
	list_remove(&w->we.link);
	w->granted = true;
	sched_wake(w->we.thread);
}

/* The queue lost entries: its flags follow. */
static void settle_flags(struct rwlock *l)
{
	if (list_empty(&l->waiters.waiters))
		__atomic_fetch_and(&l->state, ~(RW_WAITERS | RW_HANDOFF), __ATOMIC_RELAXED);
}

/* Let the readers up to the next writer in. => queue locked; the lock is not held for writing */
static void grant_readers(struct rwlock *l)
{
	struct rw_waiter *w;

	/* A writer that overtook is seen by the failing exchange, and the rest is its business. */
	while ((w = first_waiter(l)) && !w->write) {
		uint64_t s = READ_ONCE(l->state);

		do {
			if (s & RW_WRITER)
				return;
		} while (!cas(l, &s, s + 1));
		grant(w);
	}
	settle_flags(l);
}

/* => queue locked. Nobody held the lock a moment ago. */
static void pass_on(struct rwlock *l)
{
	struct rw_waiter *w = first_waiter(l);
	uint64_t s = READ_ONCE(l->state);

	if (!w) {
		settle_flags(l);
		return;
	}
	if (!w->write) {
		grant_readers(l);
		return;
	}
	do {
		if (s & (RW_WRITER | RW_READERS))
			return;
		if (!(s & RW_HANDOFF)) {
			sched_wake(w->we.thread);
			return;
		}
	} while (!cas(l, &s, (s | RW_WRITER) & ~RW_HANDOFF));
	grant(w);
	settle_flags(l);
}

void rw_unlock_contended(struct rwlock *l)
{
	irqflags_t flags;

	if (!(READ_ONCE(l->state) & RW_WAITERS))
		return;
	flags = spin_lock_irqsave(&l->waiters.lock);
	pass_on(l);
	spin_unlock_irqrestore(&l->waiters.lock, flags);
}

/* Let all waiting readers in. => queue locked; the lock is open, and held by who opened it */
static void grant_all_readers(struct rwlock *l)
{
	struct rw_waiter *w, *tmp;

	list_for_each_entry_safe (w, tmp, &l->waiters.waiters, we.link) {
		if (w->write)
			continue;
		__atomic_fetch_add(&l->state, 1, __ATOMIC_ACQ_REL);
		grant(w);
	}
	settle_flags(l);
}

void rw_open(struct rwlock *l)
{
	irqflags_t flags;

	assert(rw_write_held(l));
	WRITE_ONCE(l->writer, NULL);
	if (!(__atomic_sub_fetch(&l->state, RW_WRITER - RW_OPEN - 1, __ATOMIC_RELEASE) &
		    RW_WAITERS))
		return;
	flags = spin_lock_irqsave(&l->waiters.lock);
	grant_all_readers(l);
	spin_unlock_irqrestore(&l->waiters.lock, flags);
}

/*
 * Take it if it can be had at once. Those who sleep are passed where the lock is open; else only
 * where nobody holds it: readers that overlap would keep them out for ever.
 */
static bool take_read(struct rwlock *l)
{
	uint64_t s = READ_ONCE(l->state);

	for (;;) {
		uint64_t bar = RW_WRITER | RW_HANDOFF | (s & RW_WAITERS ? RW_READERS : 0);

		if (s & bar && !(s & RW_OPEN))
			return false;
		if (cas(l, &s, s + 1))
			return true;
	}
}

static bool take_write(struct rwlock *l)
{
	uint64_t s = READ_ONCE(l->state);

	while (!(s & (RW_WRITER | RW_READERS | RW_HANDOFF))) {
		if (cas(l, &s, s | RW_WRITER))
			return true;
	}
	return false;
}

/* One round of waiting for a holder that is running; false: long enough. */
static bool spin_round(struct rwlock *l, struct spin_wait *sw)
{
	const struct thread *writer = READ_ONCE(l->writer);

	return writer ? spin_wait_on_thread(sw, writer) : spin_wait_round(sw);
}

/* Wait a little for who holds it and runs. */
static bool spin_for(struct rwlock *l, bool (*take)(struct rwlock *l))
{
	struct spin_wait sw = SPIN_WAIT_INIT;

	while (!(READ_ONCE(l->state) & RW_HANDOFF) && spin_round(l, &sw)) {
		if (take(l))
			return true;
	}
	return false;
}

static void enqueue(struct rwlock *l, struct rw_waiter *w, bool write)
{
	wait_entry_init(&w->we);
	w->write = write;
	w->granted = false;
	list_add_tail(&l->waiters.waiters, &w->we.link);
}

/* Sleep once. => queue locked, and again on return */
static void sleep_once(struct rwlock *l, irqflags_t *flags)
{
	sched_set_blocked(WAIT_UNINTERRUPTIBLE);
	spin_unlock_irqrestore(&l->waiters.lock, *flags);
	schedule();
	*flags = spin_lock_irqsave(&l->waiters.lock);
	sched_set_running();
}

/* => queue locked and empty: take it, or announce that a reader will be queued. */
static bool read_or_announce(struct rwlock *l)
{
	uint64_t s = READ_ONCE(l->state);

	for (;;) {
		if (s & RW_WRITER) {
			if (cas(l, &s, s | RW_WAITERS))
				return false;
		} else if (cas(l, &s, s + 1)) {
			return true;
		}
	}
}

void rw_read_lock_contended(struct rwlock *l)
{
	struct rw_waiter w;
	irqflags_t flags;

	assert(!rw_write_held(l));
	if (take_read(l))
		return;
	sync_count_wait(l->rank);
	if (spin_for(l, take_read))
		return;

	flags = spin_lock_irqsave(&l->waiters.lock);
	if (!take_read(l) && (!list_empty(&l->waiters.waiters) || !read_or_announce(l))) {
		enqueue(l, &w, false);
		while (!w.granted)
			sleep_once(l, &flags);
	}
	spin_unlock_irqrestore(&l->waiters.lock, flags);
}

/* Woken, and somebody was faster: it will soon be through, too. */
static void spin_until_free(struct rwlock *l)
{
	struct spin_wait sw = SPIN_WAIT_INIT;

	while (READ_ONCE(l->state) & (RW_WRITER | RW_READERS) && spin_round(l, &sw))
		;
}

/*
 * => queue locked, w queued and not granted. Take the lock if it is free and w the first; else
 * leave word, and after a wake-up for nothing ask to have it handed over. Leaves the queue on
 * success.
 */
static bool write_or_announce(struct rwlock *l, struct rw_waiter *w, bool woken)
{
	bool first = first_waiter(l) == w;
	uint64_t s = READ_ONCE(l->state), new;
	bool take;

	do {
		take = first && !(s & (RW_WRITER | RW_READERS));
		if (take)
			new = (s | RW_WRITER | RW_WAITERS) & ~RW_HANDOFF;
		else
			new = s | RW_WAITERS | (first && woken ? RW_HANDOFF : 0);
	} while (!cas(l, &s, new));
	if (take) {
		list_remove(&w->we.link);
		settle_flags(l);
	}
	return take;
}

static void write_lock_queued(struct rwlock *l)
{
	irqflags_t flags = spin_lock_irqsave(&l->waiters.lock);
	struct rw_waiter w;
	bool woken = false;

	enqueue(l, &w, true);
	while (!w.granted && !write_or_announce(l, &w, woken)) {
		sleep_once(l, &flags);
		woken = true;
		if (w.granted)
			break;
		spin_unlock_irqrestore(&l->waiters.lock, flags);
		spin_until_free(l);
		flags = spin_lock_irqsave(&l->waiters.lock);
	}
	spin_unlock_irqrestore(&l->waiters.lock, flags);
}

void rw_write_lock_contended(struct rwlock *l)
{
	assert(!rw_write_held(l));
	if (!take_write(l)) {
		sync_count_wait(l->rank);
		if (!spin_for(l, take_write))
			write_lock_queued(l);
	}
	WRITE_ONCE(l->writer, thread_current());
}

void rw_write_lock_pair(struct rwlock *a, struct rwlock *b)
{
	rw_write_lock(a < b ? a : b);
	if (a != b)
		rw_write_lock(a < b ? b : a);
}

void rw_write_unlock_pair(struct rwlock *a, struct rwlock *b)
{
	rw_write_unlock(a);
	if (a != b)
		rw_write_unlock(b);
}
