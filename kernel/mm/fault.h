/*
 * The page fault: a short driver over named stages with one context struct, restarted from the top
 * after any wait.
 */
#ifndef MM_FAULT_H
#define MM_FAULT_H

#include "mm/vmap.h"

/*
 * Resolve an access of `access` (VM_READ, VM_WRITE, VM_EXEC; one of them) at va. 0: try the access
 * again. -EFAULT: nothing mapped there (SEGV_MAPERR); -EACCES: rights (SEGV_ACCERR); -ENXIO: past
 * the end of the file (SIGBUS, BUS_ADRERR); -EIO: the page cannot be read (SIGBUS); -ENOMEM: no
 * memory after reclaim; -EINTR: a fatal signal came. May sleep. => no mm lock held, nothing of rank
 * 33 or above
 */
int __must_check mm_handle_fault(struct mm_context *ctx, vaddr_t va, vm_flags_t access);

#endif
