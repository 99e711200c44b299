/*
 * stats: the memory system's counters. Each CPU counts in a cache line of its own; a sum is read
 * without stopping anybody, so it may be a few events behind. An increment may be lost only when an
 * interrupt on the same CPU counts the same event between load and store; what hangs on it (that
 * pages were written, writeback.c) asks whether a sum has moved at all.
 */
#include "mm/stats.h"
#include "lib/assert.h"

static const char *const names[STAT_COUNT] = {
	[STAT_FAULTS] = "pgfault",
	[STAT_FAULTS_MAJOR] = "pgmajfault",
	[STAT_FAULT_ZERO] = "fault_zero",
	[STAT_FAULT_COPY] = "fault_copy",
	[STAT_FAULT_REUSE] = "fault_reuse",
	[STAT_FAULT_AROUND] = "fault_around",
	[STAT_FAULT_RESTART] = "fault_restart",
	[STAT_FAULT_SPURIOUS] = "fault_spurious",
	[STAT_PUSH_DOWN] = "push_down",
	[STAT_RESTORE] = "restore",
	[STAT_FORK] = "fork",
	[STAT_AMAP_NODE_COPY] = "amap_node_copy",
	[STAT_TLB_FLUSH_LOCAL] = "nr_tlb_local_flush_all",
	[STAT_TLB_SHOOTDOWN] = "nr_tlb_remote_flush",
	[STAT_TLB_RECEIVED] = "nr_tlb_remote_flush_received",
	[STAT_PAGE_ALLOC] = "pgalloc",
	[STAT_PAGE_FREE] = "pgfree",
	[STAT_PAGE_IN] = "pgpgin",
	[STAT_PAGE_OUT] = "pgpgout",
	[STAT_RECLAIM] = "pgsteal",
	[STAT_OOM_KILL] = "oom_kill",
};

uint64_t mm_stat_get(enum mm_stat s)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < CPU_MAX; i++) {
		if (cpus[i])
			sum += READ_ONCE(cpus[i]->counters[s]);
	}
	return sum;
}

const char *mm_stat_name(enum mm_stat s)
{
	assert(s < STAT_COUNT);
	return names[s];
}
