/* What the files of the slab allocator share: a cache, and the slab of an object. */
#ifndef MM_SLAB_INTERNAL_H
#define MM_SLAB_INTERNAL_H

#include "cpu.h"
#include "lib/list.h"
#include "mm/page.h"
#include "mm/slab.h"
#include "sync/spinlock.h"

#define MAGAZINE_SIZE 30

struct magazine {
	uint64_t n;
	void *obj[MAGAZINE_SIZE];
};

struct slab_cache {
	struct spinlock lock;
	char name[32];
	unsigned id;
	size_t size, stride;		     /* of an object; from one to the next */
	size_t link_off, guard_off;	     /* in an object's stride; guard_off 0: none */
	unsigned order, per_slab, per_frame; /* per_frame: objects of a single frame */
	bool live, magazines;
	void (*ctor)(void *obj);
	struct list partial, empty;    /* (80) */
	uint64_t nslabs, nempty;       /* (80) slabs; empty ones */
	uint64_t nframes, nobjects;    /* (80) in all slabs */
	uint64_t nout;		       /* (80) objects out of slabs */
	struct magazine *mag[CPU_MAX]; /* interrupts off on that CPU */
};

/*
 * The descriptor with the state of the slab that the object lies in; of other memory: of its frame.
 */
static inline struct page *slab_of(const void *obj)
{
	struct page *pg = page_from_virt(obj);

	if (page_is(pg, PG_TAIL))
		pg = (struct page *)pg->owner;
	return pg;
}

/* The cache of a slab. */
struct slab_cache *slab_cache_of(const struct page *pg);
/* kmalloc.c: its caches, at start. */
void kmalloc_init(void);

#endif
