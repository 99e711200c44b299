/*
 * How often a lock had to be waited for: the number that says whether threads meet where they
 * should not. Counted by kind of lock where the short way of taking it fails, so that it costs
 * nothing where nobody waits; shown by /proc/vmstat.
 */
#ifndef SYNC_WAITS_H
#define SYNC_WAITS_H

#include "sync/rank.h"

/* Locks that are counted together, in order of rank. */
enum wait_class {
	WAITS_PROCESS, /* process tree, terminals */
	WAITS_FILE,    /* mounts, directories, offsets, inodes, metadata */
	WAITS_CONTEXT,
	WAITS_VMAP,
	WAITS_AMAP,
	WAITS_OBJECT,
	WAITS_MARKS, /* page bits, dirty marks, lists of objects */
	WAITS_FUTEX,
	WAITS_PAGE_TABLE,
	WAITS_TABLE, /* descriptor tables and other leaf tables */
	WAITS_SLAB,
	WAITS_BUDDY,
	WAITS_SCHED, /* taken with interrupts off: queues, run queues, timers, devices */
	WAITS_COUNT
};

/* This CPU has to wait for a lock of that rank. Any context. */
void sync_count_wait(enum lock_rank rank);
/* Over all CPUs since boot: of one class; of all. */
uint64_t sync_waits(enum wait_class class);
uint64_t sync_waits_total(void);
/* As in /proc/vmstat, behind "lock_wait_". */
const char *sync_waits_name(enum wait_class class);

#endif
