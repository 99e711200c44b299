/*
 * A spinlock in one 32-bit word, for descriptors that have no room for struct spinlock (the lock of
 * a page-table page lies in its struct page). Its rank and name are given by a class, one per kind
 * of lock, that only debug builds keep.
 */
#ifndef SYNC_WORDLOCK_H
#define SYNC_WORDLOCK_H

#include "cpu.h"
#include "sync/rank.h"

#ifdef QUIRE_DEBUG
#define WORDLOCK_CLASS(id, lock_rank, lock_name) \
	static const struct lock_debug id = {.rank = (lock_rank), .name = (lock_name)}
#define wordlock_acquire(word, class)         \
	do {                                  \
		rank_acquire(word, &(class)); \
		wordlock_spin(word);          \
	} while (0)
#define wordlock_release(word)                               \
	do {                                                 \
		rank_release(word);                          \
		__atomic_store_n(word, 0, __ATOMIC_RELEASE); \
	} while (0)
#else
#define WORDLOCK_CLASS(id, lock_rank, lock_name) _Static_assert((lock_rank) >= 60, lock_name)
#define wordlock_acquire(word, class)		 wordlock_spin(word)
#define wordlock_release(word)			 __atomic_store_n(word, 0, __ATOMIC_RELEASE)
#endif

static inline void wordlock_spin(uint32_t *word)
{
	while (unlikely(__atomic_exchange_n(word, 1, __ATOMIC_ACQUIRE))) {
		while (READ_ONCE(*word))
			cpu_relax();
	}
}

#endif
