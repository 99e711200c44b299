/* Counters of the memory system for /proc/vmstat and the tests. Per CPU, summed when read. */
#ifndef MM_STATS_H
#define MM_STATS_H

#include "cpu.h"

enum mm_stat {
	STAT_FAULTS,
	STAT_FAULTS_MAJOR,
	STAT_FAULT_ZERO,
	STAT_FAULT_COPY,
	STAT_FAULT_REUSE,
	STAT_FAULT_AROUND,
	STAT_FAULT_RESTART,
	STAT_FAULT_SPURIOUS,
	STAT_PUSH_DOWN,
	STAT_RESTORE,
	STAT_FORK,
	STAT_AMAP_NODE_COPY,
	STAT_TLB_FLUSH_LOCAL,
	STAT_TLB_SHOOTDOWN,
	STAT_TLB_RECEIVED,
	STAT_PAGE_ALLOC,
	STAT_PAGE_FREE,
	STAT_PAGE_IN,
	STAT_PAGE_OUT,
	STAT_RECLAIM,
	STAT_OOM_KILL,
	STAT_COUNT
};

_Static_assert(STAT_COUNT <= CPU_COUNTERS, "counters of struct cpu");

static inline void mm_stat_add(enum mm_stat s, uint64_t n)
{
	uint64_t *c = &this_cpu()->counters[s];

	WRITE_ONCE(*c, READ_ONCE(*c) + n);
}

uint64_t mm_stat_get(enum mm_stat s);
/* Name as in /proc/vmstat. */
const char *mm_stat_name(enum mm_stat s);

static inline void mm_stat_inc(enum mm_stat s)
{
	mm_stat_add(s, 1);
}

#endif
