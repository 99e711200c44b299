/*
 * Device memory: a block of the buddy, seen through the direct map, or, when another cache policy
 * is asked for, through a window of its own in the kernel ranges.
 */
#include "mm/dmabuf.h"

#include "lib/assert.h"
#include "lib/string.h"
#include "mm/buddy.h"
#include "mm/kva.h"
#include "mm/physmap.h"

static unsigned order_for(size_t size)
{
	unsigned order = 0;

	while ((PAGE_SIZE << order) < size)
		order++;
	return order;
}

void *dmabuf_allocate(size_t size, vm_flags_t cache, paddr_t *pa)
{
	unsigned order;
	struct page *pg;
	void *va;

	if (!size || size > PAGE_SIZE << BUDDY_MAX_ORDER)
		return NULL;
	order = order_for(size);
	pg = page_alloc(order, ALLOC_ZERO);
	if (!pg)
		return NULL;
	*pa = page_phys(pg);
	if (!(cache & VM_CACHE_MASK))
		return page_virt(pg);
	va = kva_map_device(*pa, PAGE_SIZE << order, cache & VM_CACHE_MASK);
	if (!va)
		page_free(pg, order);
	return va;
}

void dmabuf_free(void *va, size_t size, vm_flags_t cache, paddr_t pa)
{
	unsigned order = order_for(size);

	if (!va)
		return;
	assert(IS_ALIGNED(pa, PAGE_SIZE));
	if (cache & VM_CACHE_MASK)
		kva_unmap_device(va, PAGE_SIZE << order);
	page_free(page_from_pfn(pa >> PAGE_SHIFT), order);
}
