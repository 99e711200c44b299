/*
 * amap: the upper layer of a mapping, a persistent radix tree of private pages. amap.c has the
 * idea, the rules of sharing and the locking.
 */
#ifndef MM_AMAP_H
#define MM_AMAP_H

#include "mm/page.h"
#include "sync/rwlock.h"

/* Levels: a leaf (0) has 32 pages; a node of level 1 has 16 leaves, 2 MiB; above them 64 slots. */
#define AMAP_LEVELS	 7
#define AMAP_LEAF_SLOTS	 32
#define AMAP_CLASSES	 3   /* sizes of nodes: leaf, level 1, above */
#define AMAP_TABLE_SLOTS 512 /* pages below one leaf page table: a node of level 1 */

struct amap_node {
	uint32_t refs;	/* atomic: slots and handles that name it; more than one: immutable */
	uint16_t count; /* atomic: occupied slots */
	uint8_t level;	/* (c) */
	uint8_t stale;	/* atomic, leaves: page tables may hold W bits that sharing made wrong */
	struct amap_node *next; /* chain of a stock or of the dead: nobody else knows the node */
	void *slots[];		/* struct page * in leaves, struct amap_node * above; NULL: empty */
};

/*
 * The handle: one a context and origin; halves of a split vmap share it with disjoint ranges.
 * (40) the context's mm_lock, (50) its own lock.
 */
struct amap {
	struct rwlock lock; /* rank 50 */
	/* (50) the smallest node that covers the pages so far; may be NULL */
	struct amap_node *root;
	pgidx_t prefix; /* (50) slot indices of the root start at prefix << its span */
	uint32_t refs;	/* (40) vmaps that name the handle */
	bool scattered; /* (40) a part of its range was moved away from the rest: its leaves may lie
			 * below several page tables, so stale bits say nothing */
	struct amap *clone; /* (40 write) during fork: the child's handle */
	struct amap *next;  /* chain of the dead */
};

/* Nodes (and a handle) that an operation may need: by class. Filled with nothing held. */
struct amap_stock {
	struct amap_node *nodes[AMAP_CLASSES];
	struct amap *handle;
};
/* What a wipe cut off: released with nothing held. */
struct amap_dead {
	struct amap_node *nodes;
	struct amap *handles;
};

void amap_init(void);

/* One node of every level, and a handle: enough for one fault. flags: ALLOC_*. 0 or -ENOMEM. */
int __must_check amap_stock_fill(struct amap_stock *st, unsigned flags);
/* Have at least need[class] nodes. 0 or -ENOMEM (what was got stays in the stock). */
int __must_check amap_stock_reserve(
	struct amap_stock *st, const unsigned need[AMAP_CLASSES], unsigned flags);
void amap_stock_free(struct amap_stock *st);
/* Give back what was not used: mostly nothing is there. */
static inline void amap_stock_drop(struct amap_stock *st)
{
	if (st->handle || st->nodes[0] || st->nodes[1] || st->nodes[2])
		amap_stock_free(st);
}

/*
 * A handle with one reference and no root; from the stock, or the slab without reclaim. NULL: none.
 */
struct amap *amap_create(struct amap_stock *st);

/* What one walk from the root towards a slot found. */
struct amap_walk {
	struct amap_node *leaf; /* NULL: there is none yet */
	struct page *page;	/* NULL: the slot is empty */
	bool exclusive;		/* every node met has one parent */
};
/* => amap locked (read) */
void amap_find(const struct amap *am, pgidx_t idx, struct amap_walk *w);
/*
 * Make the missing nodes down to idx, whose path is exclusive; w is brought up to date. 0; -ENOMEM:
 * fill the stock; -EAGAIN: amap_own has to do it. => amap locked (read)
 */
int __must_check amap_extend(
	struct amap *am, pgidx_t idx, struct amap_stock *st, struct amap_walk *w);
/*
 * Make the path to idx our own: grow the root, copy shared nodes, make missing ones. 0; -ENOMEM:
 * fill the stock and begin again (what was copied stays, it means the same).
 * => amap locked (write)
 */
int __must_check amap_own(struct amap *am, pgidx_t idx, struct amap_stock *st, struct amap_walk *w);
/* Put pg into the empty slot: the slot takes a share. False: somebody was faster.
 * => path exclusive, amap locked (read) */
bool amap_fill(struct amap_walk *w, pgidx_t idx, struct page *pg);
/*
 * Put pg in the place of w->page, which is returned with the slot's share: the caller drops it
 * after the flush. => path exclusive, amap locked (write)
 */
struct page *amap_replace(struct amap_walk *w, pgidx_t idx, struct page *pg);

/* fork: a handle for the child that shares the whole tree. NULL: no memory.
 * => context locked (write), which keeps faults out */
struct amap *amap_clone(struct amap *am, struct amap_stock *st);

/*
 * Empty the slots [first, last]. Nodes that would be cut through and are shared are copied from the
 * stock, which has what amap_wipe_need asked for. Subtrees go to dead; single pages at the ragged
 * ends are freed at once: their translations are gone and flushed. => context locked (write), or
 * amap (write) and faults kept out of the range
 */
void amap_wipe(struct amap *am, pgidx_t first, pgidx_t last, struct amap_stock *st,
	struct amap_dead *dead);
/*
 * Adds to need[] the nodes that amap_wipe of that range may have to copy. => context locked
 * (write), or amap (read)
 */
void amap_wipe_need(
	const struct amap *am, pgidx_t first, pgidx_t last, unsigned need[AMAP_CLASSES]);
/* Drop one vmap's reference: the handle goes to dead with the last one. True: it was the last.
 * => context locked (write) */
bool amap_put(struct amap *am, struct amap_dead *dead);
/* => nothing held: frees pages */
void amap_dead_release(struct amap_dead *dead);
/* Free the pages of a handle that nobody names any more. */
void amap_destroy(struct amap *am);

/* The purity rule's part (docs/vm.md): is every leaf of [first, last] reached through nodes of
 * one parent only, and not stale? => amap locked (read) */
bool amap_is_pure(const struct amap *am, pgidx_t first, pgidx_t last);
/*
 * No page table holds a wrong W bit for the leaves of ours in [first, last] any more. => amap
 * locked (read), the page table's lock held
 */
void amap_clear_stale(struct amap *am, pgidx_t first, pgidx_t last);

/* Visit the pages of [first, last] in order until fn says false. => amap locked (read), or the
 * context (write) */
typedef bool (*amap_visit_fn)(void *cookie, pgidx_t idx, struct page *pg);
bool amap_visit(const struct amap *am, pgidx_t first, pgidx_t last, amap_visit_fn fn, void *cookie);
uint64_t amap_resident(const struct amap *am, pgidx_t first, pgidx_t last);
/* Pages of [first, last] that only this handle keeps: what wiping the range would free. => as
 * amap_visit */
uint64_t amap_exclusive(const struct amap *am, pgidx_t first, pgidx_t last);

/*
 * May a vmap of the handle grow, or take in a neighbour without handle? Its new slots are those of
 * addresses that were free, so no other vmap of the handle has them; but one that was moved may.
 */
static inline bool amap_may_grow(const struct amap *am)
{
	return !am || am->refs == 1 || !am->scattered;
}

/* The page in slot idx of a leaf; another CPU may fill the slot at any time. */
static inline struct page *amap_leaf_page(const struct amap_node *leaf, pgidx_t idx)
{
	return LOAD_ACQUIRE(leaf->slots[idx % AMAP_LEAF_SLOTS]);
}

/* First slot index and number of slots of a node of that level. */
static inline unsigned amap_shift(unsigned level)
{
	static const uint8_t shift[AMAP_LEVELS + 1] = {0, 5, 9, 15, 21, 27, 33, 39};

	return shift[level];
}

static inline unsigned amap_node_slots(unsigned level)
{
	return 1u << (amap_shift(level + 1) - amap_shift(level));
}

#endif
