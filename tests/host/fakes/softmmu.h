/*
 * The soft MMU: walks the real page tables as the CPU would, takes the AND of the levels, and
 * caches, per fake CPU, leaf translations and upper entries until it is told to forget them (or
 * forgets by itself: it may at any time). So a missing flush, a table or frame freed too early or a
 * write through a stale right shows as wrong data or as a panic that names it.
 */
#ifndef SOFTMMU_H
#define SOFTMMU_H

#include "mm/pmap.h"

/* What an access met. */
enum mmu_result {
	MMU_OK,
	MMU_NOT_PRESENT, /* #PF with P = 0 */
	MMU_PROTECTION,	 /* #PF with P = 1 */
};

/* One access of user mode by the calling CPU to bytes of one page; buf is read or written in the
 * frame. access: VM_READ, VM_WRITE or VM_EXEC. */
enum mmu_result softmmu_access(vaddr_t va, void *buf, size_t n, vm_flags_t access);
/* The same for kernel mode (the upper half). */
enum mmu_result softmmu_access_kernel(vaddr_t va, void *buf, size_t n, vm_flags_t access);

/* Drop random cached entries of the calling CPU from time to time (1 of `one_in` accesses; 0:
 * never). */
void softmmu_set_forget(unsigned one_in, uint64_t seed);
/* Walk without an access, as a CPU may by speculation: upper entries are cached, nothing faults. */
void softmmu_walk_only(vaddr_t va);
/* Drop everything that the calling CPU caches. */
void softmmu_flush_all(void);
/* Check that all that the CPUs cache is allowed by the tables of the pmap now: every cached leaf is
 * present with at least these rights. Panics with the address. For after a finished tlb_batch. */
void softmmu_verify(const struct pmap *pm);

/* Counters: shoot-downs asked for, pages and whole flushes done. */
struct softmmu_stat {
	uint64_t shootdowns, page_flushes, whole_flushes, walks, hits;
};
extern struct softmmu_stat softmmu_stat;

#endif
