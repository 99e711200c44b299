/* Nodes of the radix tree, for amap.c and amap_range.c only. */
#ifndef MM_AMAP_NODES_H
#define MM_AMAP_NODES_H

#include "mm/amap.h"

static inline unsigned amap_level_class(unsigned level)
{
	return level < AMAP_CLASSES - 1 ? level : AMAP_CLASSES - 1;
}

/* Has the node one parent only? Then nobody else can give it a second one. */
static inline bool amap_node_is_sole(const struct amap_node *n)
{
	return LOAD_ACQUIRE(n->refs) == 1;
}

/* A node with undefined slots, one reference, no occupied slot. NULL: fill the stock. */
struct amap_node *amap_node_take(struct amap_stock *st, unsigned level);
/* Drop one parent; the last one drops all children. Depth: the levels of the tree. */
void amap_node_put(struct amap_node *n);
/*
 * Make copy a second node with the content of n, slots [from, to) left out: all children gain a
 * parent. The caller links the copy and then puts n.
 */
void amap_node_copy_but(struct amap_node *copy, struct amap_node *n, unsigned from, unsigned to);

#endif
