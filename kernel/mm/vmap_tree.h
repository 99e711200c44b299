/* The ordered set of a context's vmaps, with the largest gap of each subtree: look-up and placement
 * in O(log n). => mm_lock: read to look, write to change */
#ifndef MM_VMAP_TREE_H
#define MM_VMAP_TREE_H

#include "lib/rbtree.h"
#include "mm/types.h"

struct mm_context;
struct vmap;

/* Pages kept free below a vmap that grows down (stack clash, CVE-2017-1000364). */
#define STACK_GUARD_PAGES 256

void vmap_tree_init(struct mm_context *ctx);
void vmap_tree_insert(struct mm_context *ctx, struct vmap *vm);
void vmap_tree_remove(struct vmap *vm);
/* vm's start, end or VM_GROWSDOWN changed; its place in the order did not. */
void vmap_tree_update(struct vmap *vm);

/* vmap_find and vmap_find_after (vmap.h) when the hint does not hold va. */
struct vmap *vmap_search(struct mm_context *ctx, vaddr_t va);
struct vmap *vmap_search_after(struct mm_context *ctx, vaddr_t va);
/* All vmaps that touch [start, end), in order. */
#define vmap_for_each_in(vm, ctx, start, end) \
	for (vm = vmap_find_after(ctx, start); vm && vm->vaddr < (end); vm = vmap_next(vm))

/* Is [start, end) free? */
bool vmap_range_is_free(struct mm_context *ctx, vaddr_t start, vaddr_t end);

/* The same, with the guard gap of a stack above kept free. */
bool vmap_gap_holds(struct mm_context *ctx, vaddr_t start, vaddr_t end);

/*
 * Where a new vmap may go: the whole range inside [low, high). An address = phase modulo align (a
 * power of two) is preferred: without a hole that fits such a one wherever it starts, any will do.
 */
struct vmap_place {
	uint64_t len;
	uint64_t align, phase;
	vaddr_t low, high;
};
/* The highest, the lowest such address; 0: none. Stack gaps are kept free. */
vaddr_t vmap_place_down(struct mm_context *ctx, const struct vmap_place *pl);
vaddr_t vmap_place_up(struct mm_context *ctx, const struct vmap_place *pl);

#endif
