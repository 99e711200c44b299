/*
 * Radix tree from a 64-bit index to a pointer, 64 slots a node, with one mark per slot. Pure, no
 * locks. Used for the pages of an object. Readers and writers are ordered by the owner's lock.
 */
#ifndef LIB_RADIX_H
#define LIB_RADIX_H

#include "lib/base.h"

struct radix_node;

struct radix {
	struct radix_node *root;
	unsigned height;
};

/* Where nodes come from (a slab cache in the kernel, malloc on the host): set once at boot. */
void radix_set_allocator(void *(*alloc)(void), void (*free)(void *));
size_t radix_node_size(void);

void radix_init(struct radix *r);
void *radix_get(const struct radix *r, uint64_t idx);
/*
 * The slots of idx and of the indices behind it, *n of them at most and as far as one node holds
 * them (then *n says how many). An empty slot is NULL.
 */
void *const *radix_slots(const struct radix *r, uint64_t idx, unsigned *n);
/* 0, -EEXIST or -ENOMEM (nothing changed). */
int __must_check radix_insert(struct radix *r, uint64_t idx, void *item);
/* Returns the item that was there, or NULL. Frees nodes that became empty. */
void *radix_remove(struct radix *r, uint64_t idx);
/* The first item at or after *idx; sets *idx. NULL: none. */
void *radix_next(const struct radix *r, uint64_t *idx);
/* Marks (dirty pages). radix_next_marked as radix_next over marked items. */
void radix_mark(struct radix *r, uint64_t idx);
void radix_unmark(struct radix *r, uint64_t idx);
void *radix_next_marked(const struct radix *r, uint64_t *idx);

#endif
