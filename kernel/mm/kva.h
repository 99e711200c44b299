/* Ranges of kernel addresses that are mapped page by page: guarded kernel stacks, large buffers,
 * device windows. */
#ifndef MM_KVA_H
#define MM_KVA_H

#include "mm/types.h"

void kva_init(void);
/* npages of zeroed kernel memory at consecutive addresses with an unmapped guard page on each side.
 * NULL: no memory. */
void *kva_alloc(size_t npages);
void kva_free(void *va, size_t npages);
/* A kernel stack (cached per CPU, since fork takes one each time). Lowest address; the page below
 * is a guard. */
void *kva_stack_alloc(void);
void kva_stack_free(void *stack);
/* Which guard page does va lie in? For the message that names a kernel stack overflow. */
bool kva_is_stack_guard(vaddr_t va);
/* Map device memory. flags: VM_CACHE_DISABLED, VM_WRITE_COMBINE, VM_WRITE_THROUGH. NULL: no address
 * space. */
void *kva_map_device(paddr_t pa, size_t len, vm_flags_t flags);
void kva_unmap_device(void *va, size_t len);
/* Frames that the caches of stacks and of page tables give back. */
uint64_t kva_drain(void);

#endif
