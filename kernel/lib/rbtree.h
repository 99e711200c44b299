/*
 * Red-black tree with embedded nodes and an optional augmented value per subtree. Pure, no locks.
 * The caller descends by itself (it knows the key) and links with rb_insert; the tree rebalances
 * and calls `augment` bottom-up for every node whose subtree changed. Source: Cormen et al.,
 * "Introduction to Algorithms", red-black trees and augmentation.
 */
#ifndef LIB_RBTREE_H
#define LIB_RBTREE_H

#include "lib/base.h"

struct rb_node {
	struct rb_node *parent, *left, *right;
	bool red;
};

/* Recompute the value that n keeps about its subtree from n itself and its two children. False: it is
 * what it was, so the ancestors' are too. */
typedef bool (*rb_augment_fn)(struct rb_node *n);

struct rb_tree {
	struct rb_node *root;
	rb_augment_fn augment; /* may be NULL */
};

/*
 * Link n at *link below parent (NULL: n becomes the root), then rebalance; and the other way. n comes with
 * the augmented value of a node that has no children. What `through` contributes, a node above (NULL:
 * none), changed with it: one way up the tree does for both.
 */
void rb_insert_through(struct rb_tree *t, struct rb_node *n, struct rb_node *parent,
	struct rb_node **link, const struct rb_node *through);
void rb_remove_through(struct rb_tree *t, struct rb_node *n, const struct rb_node *through);

static inline void rb_insert(
	struct rb_tree *t, struct rb_node *n, struct rb_node *parent, struct rb_node **link)
{
	rb_insert_through(t, n, parent, link, NULL);
}

static inline void rb_remove(struct rb_tree *t, struct rb_node *n)
{
	rb_remove_through(t, n, NULL);
}

/* What n contributes changed: recompute n and its ancestors. */
void rb_update(struct rb_tree *t, struct rb_node *n);
struct rb_node *rb_first(const struct rb_tree *t);
struct rb_node *rb_last(const struct rb_tree *t);
struct rb_node *rb_next(const struct rb_node *n);
struct rb_node *rb_prev(const struct rb_node *n);

#define rb_entry(ptr, type, member) container_of(ptr, type, member)
#define rb_for_each(n, t)	    for (n = rb_first(t); n; n = rb_next(n))

#endif
