/*
 * amap: a persistent radix tree from slot index to private page.
 *
 *	handle (context P)      handle (context C, after fork)
 *	      \                  /
 *	       root  refs 2            a node with more than one parent is immutable;
 *	      /    \                   a writer copies the path from the first such node
 *	   node    node  refs 1        to its slot and shares everything beside it
 *	   /  \
 *	leaf  leaf -> 32 pages, each with its count of slots ("shares")
 *
 * Sole ownership. A page may be written in place iff every node from the root to its slot has one
 * parent and the page has one share. The test reads the counts from the root downwards; a copy
 * raises all children first and drops the node last:
 *
 *	owner A copies node N                   owner B tests
 *	  stale = 1 (leaves)
 *	  child.refs++ for all children
 *	  N.refs-- (release)                      N.refs == 1 (acquire) => sees the children raised
 *
 * The drop is a full put: two owners may copy N at the same time, and the second one frees it.
 * Once a context finds the path to a slot exclusive it stays so until the context itself clones
 * the tree, which only fork does under mm_lock (write).
 *
 * Locking. Handles belong to one context. Faults hold the lock for reading to walk, to fill an
 * empty slot by compare-and-swap and to test exclusivity; for writing to copy a path, to grow the
 * root and to replace a page. Edits hold mm_lock (write), which keeps all faults of the context
 * out, and need no lock of the handle beside it; those that let faults in elsewhere (edit.c) take
 * it for writing where they empty slots. Other contexts meet only in shared nodes and only
 * through their counts.
 *
 * The index of a slot is chosen so that 2 MiB of addresses, one leaf page table, are one node of
 * level 1. The root is as small as the pages so far allow and grows upwards as needed; it covers
 * the indices [prefix << span, ...), so that it may also grow towards lower ones.
 *
 * Ranges of slots (visits, the purity rule, wipes) are in amap_range.c.
 */
#include "mm/amap_nodes.h"

#include "lib/assert.h"
#include "lib/string.h"
#include "mm/slab.h"
#include "mm/stats.h"

static struct slab_cache *node_caches[AMAP_CLASSES];
static struct slab_cache *amap_cache;

static inline unsigned slot_of(const struct amap_node *n, pgidx_t idx)
{
	static const uint8_t last_slot[AMAP_LEVELS] = {31, 15, 63, 63, 63, 63, 63};

	return (unsigned)(idx >> amap_shift(n->level)) & last_slot[n->level];
}

static bool root_covers(const struct amap *am, const struct amap_node *root, pgidx_t idx)
{
	return idx >> amap_shift(root->level + 1) == am->prefix;
}

static void amap_ctor(void *obj)
{
	struct amap *am = obj;

	rw_init(&am->lock, RANK_AMAP, "amap");
}

void amap_init(void)
{
	static const char *const names[AMAP_CLASSES] = {"amap_leaf", "amap_mid", "amap_node"};

	for (unsigned i = 0; i < AMAP_CLASSES; i++) {
		size_t size = sizeof(struct amap_node) + amap_node_slots(i) * sizeof(void *);

		node_caches[i] = slab_cache_create(names[i], size, 16, NULL);
	}
	amap_cache = slab_cache_create("amap", sizeof(struct amap), 16, amap_ctor);
}

/*
 * Stock
 */

int amap_stock_reserve(struct amap_stock *st, const unsigned need[AMAP_CLASSES], unsigned flags)
{
	for (unsigned i = 0; i < AMAP_CLASSES; i++) {
		unsigned have = 0;

		for (const struct amap_node *n = st->nodes[i]; n; n = n->next)
			have++;
		for (; have < need[i]; have++) {
			struct amap_node *n = slab_alloc(node_caches[i], flags);

			if (!n)
				return -ENOMEM;
			n->next = st->nodes[i];
			st->nodes[i] = n;
		}
	}
	return 0;
}

int amap_stock_fill(struct amap_stock *st, unsigned flags)
{
	static const unsigned one_each[AMAP_CLASSES] = {1, 1, AMAP_LEVELS - 2};

	if (!st->handle)
		st->handle = slab_alloc(amap_cache, flags);
	if (!st->handle)
		return -ENOMEM;
	return amap_stock_reserve(st, one_each, flags);
}

void amap_stock_free(struct amap_stock *st)
{
	for (unsigned i = 0; i < AMAP_CLASSES; i++) {
		struct amap_node *n;

		while ((n = st->nodes[i]) != NULL) {
			st->nodes[i] = n->next;
			slab_free(node_caches[i], n);
		}
	}
	if (st->handle)
		slab_free(amap_cache, st->handle);
	st->handle = NULL;
}

struct amap_node *amap_node_take(struct amap_stock *st, unsigned level)
{
	unsigned class = amap_level_class(level);
	struct amap_node *n = st->nodes[class];

	if (n)
		st->nodes[class] = n->next;
	else
		n = slab_alloc(node_caches[class], ALLOC_NORECLAIM);
	if (!n)
		return NULL;
	n->refs = 1;
	n->count = 0;
	n->level = level;
	n->stale = 0;
	return n;
}

static struct amap_node *node_create(struct amap_stock *st, unsigned level)
{
	struct amap_node *n = amap_node_take(st, level);

	if (n)
		memset(n->slots, 0, amap_node_slots(level) * sizeof(void *));
	return n;
}

static void node_free(struct amap_node *n)
{
	slab_free(node_caches[amap_level_class(n->level)], n);
}

struct amap *amap_create(struct amap_stock *st)
{
	struct amap *am = st->handle;

	st->handle = NULL;
	if (!am)
		am = slab_alloc(amap_cache, ALLOC_NORECLAIM);
	if (!am)
		return NULL;
	am->root = NULL;
	am->prefix = 0;
	am->refs = 1;
	am->scattered = false;
	am->clone = NULL;
	am->next = NULL;
	return am;
}

/*
 * Life of nodes
 */

static void node_get(struct amap_node *n)
{
	__atomic_fetch_add(&n->refs, 1, __ATOMIC_RELAXED);
}

void amap_node_put(struct amap_node *n)
{
	/* A sole parent needs no atomic: nobody else can raise the count. */
	if (!amap_node_is_sole(n) && __atomic_sub_fetch(&n->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	for (unsigned i = 0, left = n->count; left; i++) {
		dassert(i < amap_node_slots(n->level));
		if (!n->slots[i])
			continue;
		if (n->level == 0)
			page_unshare(n->slots[i]);
		else
			amap_node_put(n->slots[i]);
		left--;
	}
	node_free(n);
}

/* Slots [from, to): each child gains a parent. */
static inline __attribute__((always_inline)) void copy_slots(
	struct amap_node *copy, const struct amap_node *n, unsigned from, unsigned to, bool leaf)
{
#pragma GCC unroll 4
	for (unsigned i = from; i < to; i++) {
		void *child = n->slots[i];

		copy->slots[i] = child;
		if (!child)
			continue;
		if (leaf)
			page_share(child);
		else
			node_get(child);
	}
}

void amap_node_copy_but(struct amap_node *copy, struct amap_node *n, unsigned from, unsigned to)
{
	unsigned count = n->count;

	for (unsigned i = from; i < to; i++) {
		copy->slots[i] = NULL;
		count -= n->slots[i] != NULL;
	}
	copy->count = (uint16_t)count;
	if (n->level == 0) {
		copy_slots(copy, n, 0, from, true);
		copy_slots(copy, n, to, AMAP_LEAF_SLOTS, true);
		/* Before the drop of n, which publishes it to n's other owners. */
		WRITE_ONCE(n->stale, 1);
		copy->stale = 1;
	} else {
		copy_slots(copy, n, 0, from, false);
		copy_slots(copy, n, to, amap_node_slots(n->level), false);
	}
	mm_stat_inc(STAT_AMAP_NODE_COPY);
}

/*
 * Walks
 */

void amap_find(const struct amap *am, pgidx_t idx, struct amap_walk *w)
{
	struct amap_node *n = am->root;

	w->leaf = NULL;
	w->page = NULL;
	w->exclusive = true;
	if (!n || !root_covers(am, n, idx))
		return;
	for (;;) {
		void *child = LOAD_ACQUIRE(n->slots[slot_of(n, idx)]);

		if (!amap_node_is_sole(n))
			w->exclusive = false;
		if (n->level == 0) {
			w->leaf = n;
			w->page = child;
			return;
		}
		if (!child)
			return;
		n = child;
	}
}

int amap_extend(struct amap *am, pgidx_t idx, struct amap_stock *st, struct amap_walk *w)
{
	struct amap_node *n = am->root;

	if (!n || !root_covers(am, n, idx))
		return -EAGAIN;
	while (n->level > 0) {
		void **slot = &n->slots[slot_of(n, idx)];
		struct amap_node *child = LOAD_ACQUIRE(*slot), *fresh;

		if (!child) {
			fresh = node_create(st, n->level - 1);
			if (!fresh)
				return -ENOMEM;
			/* Another fault of this context may link its node at the same time. */
			if (__atomic_compare_exchange_n(slot, (void **)&child, fresh, false,
				    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
				__atomic_fetch_add(&n->count, 1, __ATOMIC_RELAXED);
				child = fresh;
			} else {
				node_free(fresh);
			}
		}
		n = child;
	}
	w->leaf = n;
	w->page = amap_leaf_page(n, idx);
	w->exclusive = true;
	return 0;
}

/* Make the root cover idx: new roots above the old one, or a first leaf. */
static int root_grow(struct amap *am, pgidx_t idx, struct amap_stock *st)
{
	while (!am->root || !root_covers(am, am->root, idx)) {
		struct amap_node *old = am->root;
		unsigned level = old ? old->level + 1u : 0;
		struct amap_node *n = node_create(st, level);

		if (!n)
			return -ENOMEM;
		assert(level < AMAP_LEVELS);
		if (old) {
			pgidx_t first = am->prefix << amap_shift(level);

			/* The handle's reference to the old root becomes the slot's. */
			n->slots[slot_of(n, first)] = old;
			n->count = 1;
			am->prefix = first >> amap_shift(level + 1);
		} else {
			am->prefix = idx >> amap_shift(1);
		}
		am->root = n;
	}
	return 0;
}

int amap_own(struct amap *am, pgidx_t idx, struct amap_stock *st, struct amap_walk *w)
{
	void **link = (void **)&am->root;
	struct amap_node *n, *copy;
	int err = root_grow(am, idx, st);

	if (err)
		return err;
	for (unsigned level = am->root->level;; level--) {
		n = *link;
		if (!n) {
			n = node_create(st, level);
			if (!n)
				return -ENOMEM;
			/* The slot's node is the one that holds link. */
			__atomic_fetch_add(&w->leaf->count, 1, __ATOMIC_RELAXED);
			STORE_RELEASE(*link, (void *)n);
		} else if (!amap_node_is_sole(n)) {
			copy = amap_node_take(st, level);
			if (!copy)
				return -ENOMEM;
			amap_node_copy_but(copy, n, 0, 0);
			STORE_RELEASE(*link, (void *)copy);
			amap_node_put(n);
			n = copy;
		}
		w->leaf = n;
		if (level == 0)
			break;
		link = &n->slots[slot_of(n, idx)];
	}
	w->page = amap_leaf_page(n, idx);
	w->exclusive = true;
	return 0;
}

bool amap_fill(struct amap_walk *w, pgidx_t idx, struct page *pg)
{
	void *empty = NULL;

	page_share(pg);
	if (!__atomic_compare_exchange_n(&w->leaf->slots[idx % AMAP_LEAF_SLOTS], &empty, pg, false,
		    __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
		__atomic_fetch_sub(&pg->shares, 1, __ATOMIC_RELAXED);
		return false;
	}
	__atomic_fetch_add(&w->leaf->count, 1, __ATOMIC_RELAXED);
	w->page = pg;
	return true;
}

struct page *amap_replace(struct amap_walk *w, pgidx_t idx, struct page *pg)
{
	struct page *old = w->page;

	page_share(pg);
	STORE_RELEASE(w->leaf->slots[idx % AMAP_LEAF_SLOTS], (void *)pg);
	w->page = pg;
	return old;
}

struct amap *amap_clone(struct amap *am, struct amap_stock *st)
{
	struct amap *copy = amap_create(st);

	if (!copy)
		return NULL;
	copy->root = am->root;
	copy->prefix = am->prefix;
	copy->scattered = am->scattered;
	if (copy->root)
		node_get(copy->root);
	return copy;
}

/*
 * Ends
 */

bool amap_put(struct amap *am, struct amap_dead *dead)
{
	if (--am->refs)
		return false;
	am->next = dead->handles;
	dead->handles = am;
	return true;
}

void amap_destroy(struct amap *am)
{
	if (am->root)
		amap_node_put(am->root);
	slab_free(amap_cache, am);
}

void amap_dead_release(struct amap_dead *dead)
{
	struct amap_node *n;
	struct amap *am;

	while ((n = dead->nodes) != NULL) {
		dead->nodes = n->next;
		amap_node_put(n);
	}
	while ((am = dead->handles) != NULL) {
		dead->handles = am->next;
		amap_destroy(am);
	}
}
