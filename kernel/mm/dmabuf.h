/* Contiguous memory for devices, with the cache policy asked for. */
#ifndef MM_DMABUF_H
#define MM_DMABUF_H

#include "mm/types.h"

/*
 * size bytes (rounded up to pages, at most 4 MiB) of zeroed, physically contiguous memory. cache:
 * 0 (cached, through the direct map) or one of VM_CACHE_DISABLED, VM_WRITE_COMBINE,
 * VM_WRITE_THROUGH (a window of its own). *pa: what the device is told. NULL: no memory. May sleep.
 */
void *dmabuf_allocate(size_t size, vm_flags_t cache, paddr_t *pa);
/* The same size and cache as at allocation. */
void dmabuf_free(void *va, size_t size, vm_flags_t cache, paddr_t pa);

#endif
