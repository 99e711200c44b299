/*
 * Red-black tree with embedded nodes and an optional augmented value per subtree. Pure, no locks.
 * The caller descends by itself (it knows the key) and links with rb_insert a node that brings its
 * own value; the tree rebalances and calls `augment` bottom-up for the nodes above whose subtrees
 * changed. Source: Cormen et al., "Introduction to Algorithms", red-black trees and augmentation.
 */
#ifndef LIB_RBTREE_H
#define LIB_RBTREE_H

#include "lib/base.h"

struct rb_node {
	struct rb_node *parent, *left, *right;
	bool red;
};

/*
 * Recompute the value that n keeps about its subtree from n itself and its two children. False: it
 * is what it was, so the ancestors' are too.
 */
typedef bool (*rb_augment_fn)(struct rb_node *n);

struct rb_tree {
	struct rb_node *root;
	rb_augment_fn augment; /* may be NULL */
};

/*
 * Augment n and its ancestors, as far as values change, but not ending below `through` (NULL:
 * none): what that node contributes changed, too. In line, for those who know their function.
 */
static inline void rb_augment_up(
	struct rb_node *n, const struct rb_node *through, rb_augment_fn augment)
{
	for (; n; n = n->parent) {
		bool changed = augment(n);

		if (n == through)
			through = NULL;
		if (!changed && !through)
			return;
	}
}

/*
 * An insertion in its steps: link n at *link below parent (NULL: n becomes the root), with the
 * augmented value of a node that has no children; rb_augment_up from the parent; balance.
 */
static inline void rb_link(struct rb_node *n, struct rb_node *parent, struct rb_node **link)
{
	n->parent = parent;
	n->left = n->right = NULL;
	n->red = true;
	*link = n;
}
void rb_insert_balance(struct rb_tree *t, struct rb_node *n);

/* All steps at once. */
void rb_insert(struct rb_tree *t, struct rb_node *n, struct rb_node *parent, struct rb_node **link);

/* The other way: unlink n; rb_augment_up from parent, through the root if `whole`; balance. */
struct rb_removal {
	struct rb_node *parent, *child; /* where the tree lost a node, and what hangs there now */
	bool was_red, whole;
};
void rb_unlink(struct rb_tree *t, struct rb_node *n, struct rb_removal *r);
void rb_remove_balance(struct rb_tree *t, const struct rb_removal *r);

void rb_remove(struct rb_tree *t, struct rb_node *n);

/* What n contributes changed: recompute n and its ancestors. */
void rb_update(struct rb_tree *t, struct rb_node *n);
struct rb_node *rb_first(const struct rb_tree *t);
struct rb_node *rb_last(const struct rb_tree *t);
struct rb_node *rb_next(const struct rb_node *n);
struct rb_node *rb_prev(const struct rb_node *n);

#define rb_entry(ptr, type, member) container_of(ptr, type, member)
#define rb_for_each(n, t)	    for (n = rb_first(t); n; n = rb_next(n))

#endif
