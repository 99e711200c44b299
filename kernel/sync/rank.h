/*
 * Lock ranks: the one order in which locks are taken; docs/vm.md says what those of memory guard. A
 * thread takes locks of growing rank only; debug builds check each acquisition and panic with both
 * names. Two locks of one rank are taken in address order through spin_lock_pair /
 * rw_write_lock_pair.
 */
#ifndef SYNC_RANK_H
#define SYNC_RANK_H

#include "lib/base.h"

enum lock_rank {
	RANK_NONE = 0, /* never checked: only for the checker's own use */
	/* sleeping locks: processes and files */
	RANK_PROCESS_TREE = 10,
	RANK_TTY = 15,
	RANK_IPC = 18, /* keys and ids of shared memory are given out */
	RANK_MOUNT = 20,
	RANK_INODE_DIR = 21, /* directory inodes, parents first */
	RANK_FILE_OFFSET = 25,
	RANK_INODE = 30,     /* write, truncate */
	RANK_PAGE_BUSY = 33, /* BUSY or WRITING of a file page: a state that ranks like a lock */
	RANK_FS_META = 35,   /* block map, bitmaps */
	RANK_DEV_PAGE_BUSY = 37,
	/* sleeping locks: memory */
	RANK_CONTEXT = 40,
	RANK_VMAP = 45,
	RANK_AMAP = 50,
	RANK_RECLAIM = 55,
	RANK_OBJECT = 60,
	/* spinning */
	RANK_SPINNING = 62, /* the first of them */
	RANK_AMAP_LEAF = 62,
	RANK_LRU = 65,
	RANK_FUTEX = 70,
	RANK_PAGE_TABLE = 75, /* upper level first: equal ranks allowed downwards */
	RANK_FILES = 78,      /* descriptor tables, small leaf tables of fs and proc */
	RANK_SLAB = 80,
	RANK_BUDDY = 85,
	/* spinning, with interrupts off */
	RANK_IRQ = 90, /* the first of them */
	RANK_WAITQUEUE = 90,
	RANK_DEVICE = 91,    /* a device's registers and rings */
	RANK_PIDS = 92,	     /* process ids, groups, sessions: tty interrupts signal a group */
	RANK_SIGNAL = 93,    /* pending signals of one process */
	RANK_SIGACTION = 94, /* a table of signal actions */
	RANK_RUNQUEUE = 95,
	RANK_TIMER = 97,
	RANK_LOG = 99,
};

#ifdef QUIRE_DEBUG
struct lock_debug {
	enum lock_rank rank;
	const char *name;
};
/* Check the order, then note the lock as held by this thread (below RANK_SPINNING) or CPU. */
void rank_acquire(const void *lock, const struct lock_debug *dbg);
/* The same for a lock that was got without waiting: nothing to check, it cannot deadlock. */
void rank_acquire_try(const void *lock, const struct lock_debug *dbg);
void rank_release(const void *lock);
bool rank_holds(const void *lock);
/* Panics when the thread holds any lock of that rank or above (before a wait, on the way to user
 * space). */
void rank_assert_none_from(enum lock_rank rank);
#else
static inline void rank_assert_none_from(enum lock_rank rank)
{
	(void)rank;
}
#endif

#endif
