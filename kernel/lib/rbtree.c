/*
 * Red-black tree with embedded nodes. Pure, no locks.
 *
 * The rules: the root is black, a red node has black children, and every path from a node down to
 * its leaves passes the same number of black nodes. An insertion or removal repairs them with at
 * most two or three rotations. The augmented value of a node depends on the node and its two
 * children, so that it is recomputed from the deepest node whose children changed upwards, as far
 * as it changes, and then for the two nodes of each rotation.
 *
 * Source: Cormen, Leiserson, Rivest, Stein, "Introduction to Algorithms", chapters 13 and 14.
 */
#include "lib/rbtree.h"

static inline bool is_red(const struct rb_node *n)
{
	return n && n->red;
}

static inline void augment_one(struct rb_tree *t, struct rb_node *n)
{
	if (t->augment)
		t->augment(n);
}

/* Put `n` (may be NULL) where `old` hangs below its parent. */
static void replace_child(struct rb_tree *t, struct rb_node *old, struct rb_node *n)
{
	struct rb_node *parent = old->parent;

	if (!parent)
		t->root = n;
	else if (parent->left == old)
		parent->left = n;
	else
		parent->right = n;
	if (n)
		n->parent = parent;
}

static void rotate_left(struct rb_tree *t, struct rb_node *x)
{
	struct rb_node *y = x->right;

	replace_child(t, x, y);
	x->right = y->left;
	if (y->left)
		y->left->parent = x;
	y->left = x;
	x->parent = y;
	augment_one(t, x);
	augment_one(t, y);
}

static void rotate_right(struct rb_tree *t, struct rb_node *x)
{
	struct rb_node *y = x->left;

	replace_child(t, x, y);
	x->left = y->right;
	if (y->right)
		y->right->parent = x;
	y->right = x;
	x->parent = y;
	augment_one(t, x);
	augment_one(t, y);
}

/* n and its parent are red: bring the parent to the outer side, then rotate the grandparent. */
static void insert_rotate(struct rb_tree *t, struct rb_node *n)
{
	struct rb_node *parent = n->parent, *grand = parent->parent;

	if (parent == grand->left) {
		if (n == parent->right) {
			rotate_left(t, parent);
			parent = n;
		}
		parent->red = false;
		grand->red = true;
		rotate_right(t, grand);
	} else {
		if (n == parent->left) {
			rotate_right(t, parent);
			parent = n;
		}
		parent->red = false;
		grand->red = true;
		rotate_left(t, grand);
	}
}

static inline void insert_balance(struct rb_tree *t, struct rb_node *n)
{
	while (is_red(n->parent)) {
		struct rb_node *grand = n->parent->parent;
		struct rb_node *uncle = n->parent == grand->left ? grand->right : grand->left;

		if (!is_red(uncle)) {
			insert_rotate(t, n);
			break;
		}
		n->parent->red = uncle->red = false;
		grand->red = true;
		n = grand;
	}
	t->root->red = false;
}

void rb_insert_balance(struct rb_tree *t, struct rb_node *n)
{
	insert_balance(t, n);
}

void rb_insert(struct rb_tree *t, struct rb_node *n, struct rb_node *parent, struct rb_node **link)
{
	rb_link(n, parent, link);
	if (t->augment)
		rb_augment_up(parent, NULL, t->augment);
	insert_balance(t, n);
}

/*
 * The paths through `n` (a child of parent, may be NULL) are short of one black node, and its
 * sibling has a red child: one or two rotations mend it.
 */
static void remove_rotate(struct rb_tree *t, struct rb_node *parent, struct rb_node *sibling)
{
	if (sibling == parent->right) {
		if (!is_red(sibling->right)) {
			sibling->left->red = false;
			sibling->red = true;
			rotate_right(t, sibling);
			sibling = parent->right;
		}
		sibling->red = parent->red;
		parent->red = sibling->right->red = false;
		rotate_left(t, parent);
	} else {
		if (!is_red(sibling->left)) {
			sibling->right->red = false;
			sibling->red = true;
			rotate_left(t, sibling);
			sibling = parent->left;
		}
		sibling->red = parent->red;
		parent->red = sibling->left->red = false;
		rotate_right(t, parent);
	}
}

static void remove_fixup(struct rb_tree *t, struct rb_node *n, struct rb_node *parent)
{
	while (parent && !is_red(n)) {
		struct rb_node *sibling = n == parent->left ? parent->right : parent->left;

		if (sibling->red) {
			sibling->red = false;
			parent->red = true;
			if (sibling == parent->right)
				rotate_left(t, parent);
			else
				rotate_right(t, parent);
			continue;
		}
		if (is_red(sibling->left) || is_red(sibling->right)) {
			remove_rotate(t, parent, sibling);
			return;
		}
		sibling->red = true;
		n = parent;
		parent = n->parent;
	}
	if (n)
		n->red = false;
}

/* n has two children: its successor takes its place. Returns the parent of the hole it left. */
static struct rb_node *replace_by_successor(
	struct rb_tree *t, struct rb_node *n, struct rb_node **child, bool *was_red)
{
	struct rb_node *succ = n->right, *hole_parent;

	while (succ->left)
		succ = succ->left;
	*was_red = succ->red;
	*child = succ->right;
	hole_parent = succ->parent;
	if (hole_parent == n) {
		hole_parent = succ;
	} else {
		replace_child(t, succ, succ->right);
		succ->right = n->right;
		succ->right->parent = succ;
	}
	replace_child(t, n, succ);
	succ->left = n->left;
	succ->left->parent = succ;
	succ->red = n->red;
	return hole_parent;
}

static inline void unlink_node(struct rb_tree *t, struct rb_node *n, struct rb_removal *r)
{
	r->was_red = n->red;
	/* The successor's value is of its old place: nothing below it tells when to stop. */
	r->whole = n->left && n->right;
	if (r->whole) {
		r->parent = replace_by_successor(t, n, &r->child, &r->was_red);
	} else {
		r->child = n->left ? n->left : n->right;
		r->parent = n->parent;
		replace_child(t, n, r->child);
	}
	n->parent = n->left = n->right = NULL;
}

void rb_unlink(struct rb_tree *t, struct rb_node *n, struct rb_removal *r)
{
	unlink_node(t, n, r);
}

void rb_remove_balance(struct rb_tree *t, const struct rb_removal *r)
{
	if (!r->was_red)
		remove_fixup(t, r->child, r->parent);
}

void rb_remove(struct rb_tree *t, struct rb_node *n)
{
	struct rb_removal r;

	unlink_node(t, n, &r);
	if (t->augment)
		rb_augment_up(r.parent, r.whole ? t->root : NULL, t->augment);
	/* Of the only node nothing is left to mend. */
	if (!r.was_red && t->root)
		remove_fixup(t, r.child, r.parent);
}

void rb_update(struct rb_tree *t, struct rb_node *n)
{
	if (t->augment)
		rb_augment_up(n, NULL, t->augment);
}

struct rb_node *rb_first(const struct rb_tree *t)
{
	struct rb_node *n = t->root;

	while (n && n->left)
		n = n->left;
	return n;
}

struct rb_node *rb_last(const struct rb_tree *t)
{
	struct rb_node *n = t->root;

	while (n && n->right)
		n = n->right;
	return n;
}

struct rb_node *rb_next(const struct rb_node *n)
{
	if (n->right) {
		n = n->right;
		while (n->left)
			n = n->left;
		return (struct rb_node *)n;
	}
	while (n->parent && n == n->parent->right)
		n = n->parent;
	return n->parent;
}

struct rb_node *rb_prev(const struct rb_node *n)
{
	if (n->left) {
		n = n->left;
		while (n->right)
			n = n->right;
		return (struct rb_node *)n;
	}
	while (n->parent && n == n->parent->left)
		n = n->parent;
	return n->parent;
}
