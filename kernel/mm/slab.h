/*
 * Kernel objects of one size in slabs of a page or a few, with constructors; kmalloc on top.
 * Source: Bonwick, "The Slab Allocator", USENIX 1994; magazines from Bonwick and Adams, 2001.
 */
#ifndef MM_SLAB_H
#define MM_SLAB_H

#include "lib/base.h"
#include "mm/buddy.h"

struct slab_cache;

/* The constructor runs once per object when its slab is made: free objects keep constructed state.
 * ctor may be NULL. */
struct slab_cache *slab_cache_create(
	const char *name, size_t size, size_t align, void (*ctor)(void *obj));
/* All objects are free. */
void slab_cache_destroy(struct slab_cache *c);
/* flags: ALLOC_ZERO (not with a constructor), ALLOC_NORECLAIM. NULL: no memory. Locks as
 * page_alloc. */
void *slab_alloc(struct slab_cache *c, unsigned flags);
void slab_free(struct slab_cache *c, void *obj);

/* 16-byte aligned; power-of-two sizes up to a page are naturally aligned; larger than a page: whole
 * frames. */
void *kmalloc(size_t size, unsigned flags);
void *kzalloc(size_t size, unsigned flags);
void kfree(const void *p); /* NULL is harmless */
char *kstrdup(const char *s, unsigned flags);

/*
 * Give the pages of empty slabs and per-CPU magazines back; returns frames freed. => nothing held
 */
uint64_t slab_reap(void);
void slab_init(void);
/* One cache after another, for /proc/slabinfo. */
struct slab_stat {
	const char *name;
	size_t object_size;
	uint64_t objects, in_use, slabs, pages;
	unsigned objects_per_slab, pages_per_slab;
};
bool slab_stat_nth(unsigned n, struct slab_stat *st);

#endif
