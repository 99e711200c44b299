/*
 * Sleeping reader-writer lock. Readers share; a waiting writer holds new readers back, so that it
 * gets in. One atomic each way when nobody waits. Not recursive. Never in interrupts.
 */
#ifndef SYNC_RWLOCK_H
#define SYNC_RWLOCK_H

#include "sync/waitqueue.h"

struct thread;

struct rwlock {
	uint64_t state; /* atomic: bit 63 writer, bit 62 somebody waits, below: number of readers */
	struct thread *writer; /* for assertions */
	struct waitqueue waiters;
#ifdef QUIRE_DEBUG
	struct lock_debug dbg;
#endif
};

void rw_init(struct rwlock *l, enum lock_rank rank, const char *name);
void rw_read_lock(struct rwlock *l);
bool rw_read_trylock(struct rwlock *l);
void rw_read_unlock(struct rwlock *l);
void rw_write_lock(struct rwlock *l);
bool rw_write_trylock(struct rwlock *l);
void rw_write_unlock(struct rwlock *l);
void rw_downgrade(struct rwlock *l);
/* Two locks of one rank for writing, in address order; a may equal b. */
void rw_write_lock_pair(struct rwlock *a, struct rwlock *b);
void rw_write_unlock_pair(struct rwlock *a, struct rwlock *b);
/* For assertions: held for writing by this thread; held by anybody in either way. */
bool rw_write_held(const struct rwlock *l);
bool rw_held(const struct rwlock *l);

#endif
