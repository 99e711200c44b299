/*
 * A spinlock in one 32-bit word, for descriptors that have no room for struct spinlock (the lock of
 * a page-table page lies in its struct page). Its rank and name are given by a class, one per kind
 * of lock.
 */
#ifndef SYNC_WORDLOCK_H
#define SYNC_WORDLOCK_H

#include "cpu.h"
#include "sync/waits.h"

#ifdef QUIRE_DEBUG
#define WORDLOCK_CLASS(id, its_rank, its_name) \
	static const struct lock_debug id = {.rank = (its_rank), .name = (its_name)}
#define wordlock_acquire(word, class)              \
	do {                                       \
		rank_acquire(word, &(class));      \
		wordlock_spin(word, (class).rank); \
	} while (0)
#define wordlock_release(word)                               \
	do {                                                 \
		rank_release(word);                          \
		__atomic_store_n(word, 0, __ATOMIC_RELEASE); \
	} while (0)
#else
#define WORDLOCK_CLASS(id, its_rank, its_name) \
	static const enum lock_rank id __maybe_unused = (its_rank)
#define wordlock_acquire(word, class) wordlock_spin(word, class)
#define wordlock_release(word)	      __atomic_store_n(word, 0, __ATOMIC_RELEASE)
#endif

/* The way taken when somebody else holds it: spins until it is ours. */
void wordlock_wait(uint32_t *word, enum lock_rank rank);

static inline void wordlock_spin(uint32_t *word, enum lock_rank rank)
{
	if (unlikely(__atomic_exchange_n(word, 1, __ATOMIC_ACQUIRE)))
		wordlock_wait(word, rank);
}

#endif
