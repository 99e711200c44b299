/* kmalloc: memory of any size, from slab caches of a few sizes, and whole frames beyond them. */
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/physmap.h"
#include "mm/slab_internal.h"
#include "panic.h"

static const uint16_t kmalloc_sizes[] = {16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048};
static struct slab_cache *kmalloc_caches[ARRAY_SIZE(kmalloc_sizes)];
#define KMALLOC_MAX 2048u

void kmalloc_init(void)
{
	static const char *const names[] = {"kmalloc-16", "kmalloc-32", "kmalloc-64", "kmalloc-96",
		"kmalloc-128", "kmalloc-192", "kmalloc-256", "kmalloc-512", "kmalloc-1024",
		"kmalloc-2048"};

	for (unsigned i = 0; i < ARRAY_SIZE(kmalloc_sizes); i++) {
		size_t size = kmalloc_sizes[i];

		kmalloc_caches[i] = slab_cache_create(
			names[i], size, (size & (size - 1)) == 0 ? size : 16, NULL);
	}
}

static struct slab_cache *kmalloc_cache(size_t size)
{
	unsigned i = 0;

	while (kmalloc_sizes[i] < size)
		i++;
	return kmalloc_caches[i];
}

static void *kmalloc_frames(size_t size, unsigned flags)
{
	unsigned order = 0;
	struct page *pg;

	while ((PAGE_SIZE << order) < size)
		order++;
	pg = page_alloc(order, flags);
	if (!pg)
		return NULL;
	pg->aux = order;
	return page_virt(pg);
}

void *kmalloc(size_t size, unsigned flags)
{
	if (unlikely(size > KMALLOC_MAX)) {
		if (size > PAGE_SIZE << BUDDY_MAX_ORDER)
			return NULL;
		return kmalloc_frames(size, flags);
	}
	return slab_alloc(kmalloc_cache(size), flags);
}

void *kzalloc(size_t size, unsigned flags)
{
	return kmalloc(size, flags | ALLOC_ZERO);
}

void kfree(const void *p)
{
	struct page *pg;

	if (!p)
		return;
	pg = slab_of(p);
	switch (page_type(pg)) {
	case PG_SLAB:
		slab_free(slab_cache_of(pg), (void *)p);
		break;
	case PG_KERNEL:
		page_free(pg, pg->aux);
		break;
	case PG_FREE:
	case PG_PCPU:
		panic("kfree of %p: double free, its frame is free", p);
	default:
		panic("kfree of %p, which is no kmalloc memory", p);
	}
}

char *kstrdup(const char *s, unsigned flags)
{
	size_t n = strlen(s) + 1;
	char *p = kmalloc(n, flags);

	if (p)
		memcpy(p, s, n);
	return p;
}
