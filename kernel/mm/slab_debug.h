/*
 * Debug builds fill free objects with a pattern and check it when they are handed out, keep a guard
 * word behind each object, and tell a double free. Objects of naturally aligned caches (kmalloc's
 * powers of two) have no room for the guard; there a second free is told by the pattern.
 */
#ifndef MM_SLAB_DEBUG_H
#define MM_SLAB_DEBUG_H

#include "lib/string.h"
#include "mm/slab_internal.h"
#include "panic.h"

#ifdef QUIRE_DEBUG
#define SLAB_DEBUG 1
#else
#define SLAB_DEBUG 0
#endif

#define GUARD_ALLOCATED 0xa110ca7edba11ad5ull
#define GUARD_FREE	0xf4eef4eeba11ad50ull
#define POISON_BYTE	0x6b

static inline uint64_t *guard_of(const struct slab_cache *c, void *obj)
{
	return (uint64_t *)((char *)obj + c->guard_off);
}

/* The bytes that hold the pattern while the object is free; the link word may lie before them. */
static inline size_t poison_start(const struct slab_cache *c)
{
	return c->link_off == 0 ? sizeof(uint64_t) : 0;
}

static inline bool is_poisoned(const struct slab_cache *c, const void *obj)
{
	const unsigned char *p = obj;

	for (size_t i = poison_start(c); i < c->size; i++) {
		if (p[i] != POISON_BYTE)
			return false;
	}
	return c->size > poison_start(c);
}

static inline void debug_mark_free(struct slab_cache *c, void *obj)
{
	if (!SLAB_DEBUG)
		return;
	if (!c->ctor && c->size > poison_start(c))
		memset((char *)obj + poison_start(c), POISON_BYTE, c->size - poison_start(c));
	if (c->guard_off)
		*guard_of(c, obj) = GUARD_FREE;
}

static inline void debug_on_alloc(struct slab_cache *c, void *obj)
{
	if (!SLAB_DEBUG)
		return;
	if (c->guard_off) {
		if (*guard_of(c, obj) != GUARD_FREE)
			panic("slab %s: free object %p was written behind its end", c->name, obj);
		*guard_of(c, obj) = GUARD_ALLOCATED;
	}
	if (!c->ctor && c->size > poison_start(c)) {
		if (!is_poisoned(c, obj))
			panic("slab %s: object %p was written after it was freed", c->name, obj);
		memset(obj, 0xa5, c->size);
	}
}

static inline void debug_on_free(struct slab_cache *c, void *obj)
{
	if (!SLAB_DEBUG)
		return;
	if (c->guard_off) {
		if (*guard_of(c, obj) == GUARD_FREE)
			panic("slab %s: double free of object %p", c->name, obj);
		if (*guard_of(c, obj) != GUARD_ALLOCATED)
			panic("slab %s: object %p was written behind its end", c->name, obj);
	} else if (!c->ctor && is_poisoned(c, obj)) {
		panic("slab %s: double free of object %p", c->name, obj);
	}
	debug_mark_free(c, obj);
}

#endif
