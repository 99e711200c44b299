/*
 * Commit accounting: what memory has been promised. Counted is what may need a frame of its own
 * that has no other place to go: private writable memory (struct vmap.charged) and shared memory
 * without a file (struct vm_object.charged). Modes are Linux's (proc_sys_vm(5), overcommit_memory).
 */
#ifndef MM_COMMIT_H
#define MM_COMMIT_H

#include "mm/tune.h"
#include "mm/types.h"

/* Promise that many pages more. 0, or -ENOMEM: refused by the mode. Any locks, does not sleep. */
int __must_check commit_charge(uint64_t pages);
void commit_uncharge(uint64_t pages);
/* Pages promised; the most that OVERCOMMIT_NEVER promises. */
uint64_t commit_total(void);
uint64_t commit_limit(void);

/* Is memory with these attributes counted? MAP_NORESERVE is a wish that the strict mode does not
 * grant. */
static inline bool commit_counts(vm_flags_t flags, bool is_private)
{
	if (!is_private || !(flags & VM_WRITE))
		return false;
	return !(flags & VM_NORESERVE) || READ_ONCE(mm_tune.overcommit_memory) == OVERCOMMIT_NEVER;
}

#endif
