/*
 * Radix tree from a 64-bit index to a pointer. Pure, no locks: the owner's lock orders all calls.
 *
 * A tree of height h covers the indices below 64^h; a node of level l (1 = bottom) picks its slot
 * by six bits of the index. Each node knows its used slots and its marked slots as two 64-bit
 * words: a mark in an upper node says that something below is marked, so that searches skip whole
 * subtrees by counting zero bits. A node is freed when its last slot empties, and the tree loses
 * its root while only slot 0 of it is used.
 */
#include "lib/radix.h"
#include "lib/assert.h"
#include "lib/string.h"

#define BITS	   6
#define FANOUT	   64
#define HEIGHT_MAX 11 /* 11 * 6 >= 64 */

struct radix_node {
	uint64_t used, marked; /* bit i: slot i holds something; something marked */
	void *slots[FANOUT];
};

static void *(*node_alloc)(void);
static void (*node_free)(void *);

void radix_set_allocator(void *(*alloc)(void), void (*free)(void *))
{
	node_alloc = alloc;
	node_free = free;
}

size_t radix_node_size(void)
{
	return sizeof(struct radix_node);
}

void radix_init(struct radix *r)
{
	r->root = NULL;
	r->height = 0;
}

/* The slot of idx in a node of that level. */
static inline unsigned slot_of(uint64_t idx, unsigned level)
{
	return idx >> (BITS * (level - 1)) & (FANOUT - 1);
}

/* Is idx beyond what a tree of that height covers? */
static inline bool beyond(uint64_t idx, unsigned height)
{
	return height < HEIGHT_MAX && idx >> (BITS * height);
}

/* The bottom node of idx, or NULL. */
static inline const struct radix_node *bottom(const struct radix *r, uint64_t idx)
{
	const struct radix_node *n = r->root;

	if (beyond(idx, r->height))
		return NULL;
	for (unsigned level = r->height; n && level > 1; level--)
		n = n->slots[slot_of(idx, level)];
	return n;
}

void *radix_get(const struct radix *r, uint64_t idx)
{
	const struct radix_node *n = bottom(r, idx);

	return n ? n->slots[slot_of(idx, 1)] : NULL;
}

void *const *radix_slots(const struct radix *r, uint64_t idx, unsigned *n)
{
	const struct radix_node *node = bottom(r, idx);
	unsigned first = slot_of(idx, 1);

	*n = node ? MIN(*n, FANOUT - first) : 0;
	return node ? &node->slots[first] : NULL;
}

/* How many nodes an insertion of idx has to make, and what the height becomes. */
static unsigned nodes_missing(const struct radix *r, uint64_t idx, unsigned *height)
{
	const struct radix_node *n = r->root;
	unsigned level;

	*height = MAX(r->height, 1u);
	while (beyond(idx, *height))
		(*height)++;
	if (!n)
		return *height;
	if (*height > r->height) /* new roots, and a new path down from the topmost of them */
		return *height - r->height + *height - 1;
	for (level = r->height; level > 1; level--) {
		n = n->slots[slot_of(idx, level)];
		if (!n)
			return level - 1;
	}
	return 0;
}

struct node_stock {
	unsigned n;
	struct radix_node *nodes[2 * HEIGHT_MAX];
};

static bool stock_fill(struct node_stock *st, unsigned need)
{
	for (st->n = 0; st->n < need; st->n++) {
		struct radix_node *n = node_alloc();

		if (!n) {
			while (st->n)
				node_free(st->nodes[--st->n]);
			return false;
		}
		memset(n, 0, sizeof(*n));
		st->nodes[st->n] = n;
	}
	return true;
}

/* Put new roots on top until the tree has that height. */
static void grow(struct radix *r, unsigned height, struct node_stock *st)
{
	while (r->root && r->height < height) {
		struct radix_node *n = st->nodes[--st->n];

		n->slots[0] = r->root;
		n->used = 1;
		n->marked = r->root->marked ? 1 : 0;
		r->root = n;
		r->height++;
	}
	if (!r->root) {
		r->root = st->nodes[--st->n];
		r->height = height;
	}
}

int radix_insert(struct radix *r, uint64_t idx, void *item)
{
	struct node_stock st;
	struct radix_node *n;
	unsigned height, need;

	assert(item);
	st.n = 0;
	need = nodes_missing(r, idx, &height);
	if (!need && radix_get(r, idx))
		return -EEXIST;
	if (need && !stock_fill(&st, need))
		return -ENOMEM;
	if (need && height != r->height)
		grow(r, height, &st);

	n = r->root;
	for (unsigned level = r->height; level > 1; level--) {
		unsigned s = slot_of(idx, level);

		if (!n->slots[s]) {
			n->slots[s] = st.nodes[--st.n];
			n->used |= 1ull << s;
		}
		n = n->slots[s];
	}
	n->slots[slot_of(idx, 1)] = item;
	n->used |= 1ull << slot_of(idx, 1);
	assert(!st.n);
	return 0;
}

/* The nodes from the root to the bottom; path[level]. NULL if the index is not in the tree. */
static void *walk(const struct radix *r, uint64_t idx, struct radix_node *path[HEIGHT_MAX + 1])
{
	struct radix_node *n = r->root;

	if (!n || beyond(idx, r->height))
		return NULL;
	for (unsigned level = r->height; level > 1; level--) {
		path[level] = n;
		n = n->slots[slot_of(idx, level)];
		if (!n)
			return NULL;
	}
	path[1] = n;
	return n->slots[slot_of(idx, 1)];
}

static void shrink(struct radix *r)
{
	while (r->height > 1 && r->root->used == 1) {
		struct radix_node *n = r->root;

		r->root = n->slots[0];
		r->height--;
		node_free(n);
	}
}

void *radix_remove(struct radix *r, uint64_t idx)
{
	struct radix_node *path[HEIGHT_MAX + 1];
	void *item = walk(r, idx, path);

	if (!item)
		return NULL;
	radix_unmark(r, idx);
	for (unsigned level = 1; level <= r->height; level++) {
		struct radix_node *n = path[level];
		unsigned s = slot_of(idx, level);

		n->slots[s] = NULL;
		n->used &= ~(1ull << s);
		if (n->used) {
			shrink(r);
			return item;
		}
		node_free(n);
	}
	radix_init(r);
	return item;
}

void radix_mark(struct radix *r, uint64_t idx)
{
	struct radix_node *path[HEIGHT_MAX + 1];

	if (!walk(r, idx, path))
		return;
	for (unsigned level = 1; level <= r->height; level++)
		path[level]->marked |= 1ull << slot_of(idx, level);
}

void radix_unmark(struct radix *r, uint64_t idx)
{
	struct radix_node *path[HEIGHT_MAX + 1];

	if (!walk(r, idx, path))
		return;
	for (unsigned level = 1; level <= r->height; level++) {
		path[level]->marked &= ~(1ull << slot_of(idx, level));
		if (path[level]->marked)
			return;
	}
}

/*
 * The first item at or after *idx among the used or the marked slots. Descends to *idx; where a
 * node has nothing at or after the slot, goes on behind that whole node.
 */
static void *next_item(const struct radix *r, uint64_t *idx, bool marked)
{
	uint64_t i = *idx;

	while (r->root && !beyond(i, r->height)) {
		const struct radix_node *n = r->root;
		unsigned level = r->height;

		for (;; level--) {
			unsigned s = slot_of(i, level);
			uint64_t bits = (marked ? n->marked : n->used) & ~0ull << s;
			unsigned shift = BITS * (level - 1), found;

			if (!bits)
				break;
			found = (unsigned)__builtin_ctzll(bits);
			if (found != s) /* a later slot: its first index */
				i = ((i >> shift & ~(uint64_t)(FANOUT - 1)) | found) << shift;
			if (level == 1) {
				*idx = i;
				return n->slots[found];
			}
			n = n->slots[found];
		}
		/* Nothing left in this node: the first index behind it. */
		if (BITS * level >= 64)
			return NULL;
		i = ((i >> (BITS * level)) + 1) << (BITS * level);
		if (!i)
			return NULL;
	}
	return NULL;
}

void *radix_next(const struct radix *r, uint64_t *idx)
{
	return next_item(r, idx, false);
}

void *radix_next_marked(const struct radix *r, uint64_t *idx)
{
	return next_item(r, idx, true);
}
