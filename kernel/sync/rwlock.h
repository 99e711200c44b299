/*
 * Sleeping reader-writer lock. Readers share; a waiting writer holds back readers that would share
 * with others, so that it gets in; readers that waited for a writer get in together when it leaves.
 * One atomic each way when nobody waits. Not recursive. Never in interrupts.
 *
 * A writer that has done all that needs the others kept out, but is not through, opens the lock: it
 * is a reader from then on, and until it leaves other readers come in past waiting writers, who
 * could not have the lock meanwhile anyway.
 */
#ifndef SYNC_RWLOCK_H
#define SYNC_RWLOCK_H

#include "sync/waitqueue.h"

struct thread;

#define RW_WRITER  (1ull << 63) /* held for writing */
#define RW_WAITERS (1ull << 62) /* somebody is queued: the short ways are closed, unlock looks */
#define RW_HANDOFF (1ull << 61) /* the first of the queue is next, nobody may overtake it */
#define RW_OPEN	   (1ull << 60) /* one of the readers opened it: new readers need not queue */
#define RW_READERS (RW_OPEN - 1)

struct rwlock {
	uint64_t state;	       /* atomic: number of readers and RW_* */
	struct thread *writer; /* who holds it for writing; written by itself */
	struct waitqueue waiters;
	uint8_t rank; /* constant: enum lock_rank, for the count of waits */
#ifdef QUIRE_DEBUG
	struct lock_debug dbg;
#endif
};

void rw_init(struct rwlock *l, enum lock_rank rank, const char *name);
/*
 * Held for writing: become a reader without giving the lock up in between, and let all readers in,
 * also those behind a waiting writer, until rw_open_unlock, the only way to give it up from here.
 */
void rw_open(struct rwlock *l);
/* Two locks of one rank for writing, in address order; a may equal b. */
void rw_write_lock_pair(struct rwlock *a, struct rwlock *b);
void rw_write_unlock_pair(struct rwlock *a, struct rwlock *b);
/* The ways taken when somebody else holds it, or waits for it. */
void rw_read_lock_contended(struct rwlock *l);
void rw_write_lock_contended(struct rwlock *l);
void rw_unlock_contended(struct rwlock *l);

static inline bool rw_read_try_acquire(struct rwlock *l)
{
	uint64_t s = READ_ONCE(l->state);

	while (likely(!(s & (RW_WRITER | RW_WAITERS))))
		if (likely(__atomic_compare_exchange_n(
			    &l->state, &s, s + 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))
			return true;
	return false;
}

static inline bool rw_write_try_acquire(struct rwlock *l)
{
	uint64_t expected = 0;

	if (unlikely(!__atomic_compare_exchange_n(
		    &l->state, &expected, RW_WRITER, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))
		return false;
	WRITE_ONCE(l->writer, cpu_field(current));
	return true;
}

static inline void rw_read_lock(struct rwlock *l)
{
#ifdef QUIRE_DEBUG
	rank_acquire(l, &l->dbg);
#endif
	if (unlikely(!rw_read_try_acquire(l)))
		rw_read_lock_contended(l);
}

static inline bool rw_read_trylock(struct rwlock *l)
{
	if (!rw_read_try_acquire(l))
		return false;
#ifdef QUIRE_DEBUG
	rank_acquire_try(l, &l->dbg);
#endif
	return true;
}

static inline void rw_read_unlock(struct rwlock *l)
{
	uint64_t s;

#ifdef QUIRE_DEBUG
	rank_release(l);
#endif
	s = __atomic_sub_fetch(&l->state, 1, __ATOMIC_RELEASE);
	if (unlikely((s & RW_WAITERS) && !(s & RW_READERS)))
		rw_unlock_contended(l);
}

static inline void rw_write_lock(struct rwlock *l)
{
#ifdef QUIRE_DEBUG
	rank_acquire(l, &l->dbg);
#endif
	if (unlikely(!rw_write_try_acquire(l)))
		rw_write_lock_contended(l);
}

static inline bool rw_write_trylock(struct rwlock *l)
{
	if (!rw_write_try_acquire(l))
		return false;
#ifdef QUIRE_DEBUG
	rank_acquire_try(l, &l->dbg);
#endif
	return true;
}

static inline void rw_write_unlock(struct rwlock *l)
{
#ifdef QUIRE_DEBUG
	rank_release(l);
#endif
	WRITE_ONCE(l->writer, NULL);
	if (unlikely(__atomic_sub_fetch(&l->state, RW_WRITER, __ATOMIC_RELEASE)))
		rw_unlock_contended(l);
}

static inline void rw_open_unlock(struct rwlock *l)
{
	uint64_t s;

#ifdef QUIRE_DEBUG
	rank_release(l);
#endif
	s = __atomic_sub_fetch(&l->state, RW_OPEN + 1, __ATOMIC_RELEASE);
	if (unlikely((s & RW_WAITERS) && !(s & RW_READERS)))
		rw_unlock_contended(l);
}

/* For assertions: held for writing by this thread; held by anybody in either way. */
static inline bool rw_write_held(const struct rwlock *l)
{
	return READ_ONCE(l->writer) == cpu_field(current);
}

static inline bool rw_held(const struct rwlock *l)
{
	return READ_ONCE(l->state) & (RW_WRITER | RW_READERS);
}

#endif
