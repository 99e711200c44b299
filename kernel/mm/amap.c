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
 * out, and need no lock of the handle beside it. Other contexts meet only in shared nodes and only
 * through their counts.
 *
 * The index of a slot is chosen so that 2 MiB of addresses, one leaf page table, are one node of
 * level 1. The root is as small as the pages so far allow and grows upwards as needed; it covers
 * the indices [prefix << span, ...), so that it may also grow towards lower ones.
 */
#include "mm/amap.h"

#include "lib/assert.h"
#include "lib/string.h"
#include "mm/slab.h"
#include "mm/stats.h"

static struct slab_cache *node_caches[AMAP_CLASSES];
static struct slab_cache *amap_cache;

static unsigned level_class(unsigned level)
{
	return level < AMAP_CLASSES - 1 ? level : AMAP_CLASSES - 1;
}

static unsigned slot_of(const struct amap_node *n, pgidx_t idx)
{
	return (idx >> amap_shift(n->level)) & (amap_node_slots(n->level) - 1);
}

static bool root_covers(const struct amap *am, const struct amap_node *root, pgidx_t idx)
{
	return idx >> amap_shift(root->level + 1) == am->prefix;
}

static bool node_is_sole(const struct amap_node *n)
{
	return LOAD_ACQUIRE(n->refs) == 1;
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

void amap_stock_drop(struct amap_stock *st)
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

/* A node with undefined slots, one reference, no occupied slot. NULL: fill the stock. */
static struct amap_node *node_take(struct amap_stock *st, unsigned level)
{
	unsigned class = level_class(level);
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
	struct amap_node *n = node_take(st, level);

	if (n)
		memset(n->slots, 0, amap_node_slots(level) * sizeof(void *));
	return n;
}

static void node_free(struct amap_node *n)
{
	slab_free(node_caches[level_class(n->level)], n);
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

/* Drop one parent; the last one drops all children. Depth: the levels of the tree. */
static void node_put(struct amap_node *n)
{
	unsigned slots;

	/* A sole parent needs no atomic: nobody else can raise the count. */
	if (!node_is_sole(n) && __atomic_sub_fetch(&n->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	slots = amap_node_slots(n->level);
	for (unsigned i = 0; i < slots; i++) {
		if (!n->slots[i])
			continue;
		if (n->level == 0)
			page_unshare(n->slots[i]);
		else
			node_put(n->slots[i]);
	}
	node_free(n);
}

/* Let go of a subtree that was just unlinked: what is ours alone waits in dead for its release. */
static void node_discard(struct amap_node *n, struct amap_dead *dead)
{
	if (!node_is_sole(n)) {
		node_put(n);
		return;
	}
	n->next = dead->nodes;
	dead->nodes = n;
}

/*
 * Make copy a second node with the content of n, slots [from, to) left out: all children gain a
 * parent. The caller links the copy and then puts n.
 */
static void node_copy_but(struct amap_node *copy, struct amap_node *n, unsigned from, unsigned to)
{
	unsigned slots = amap_node_slots(n->level), count = 0;

	for (unsigned i = 0; i < slots; i++) {
		void *child = i >= from && i < to ? NULL : n->slots[i];

		copy->slots[i] = child;
		if (!child)
			continue;
		count++;
		if (n->level == 0)
			page_share(child);
		else
			node_get(child);
	}
	copy->count = count;
	if (n->level == 0) {
		/* Before the drop of n, which publishes it to n's other owners. */
		WRITE_ONCE(n->stale, 1);
		copy->stale = 1;
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

		if (!node_is_sole(n))
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
		} else if (!node_is_sole(n)) {
			copy = node_take(st, level);
			if (!copy)
				return -ENOMEM;
			node_copy_but(copy, n, 0, 0);
			STORE_RELEASE(*link, (void *)copy);
			node_put(n);
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
 * Ranges. A range is cut to the root's indices and made relative to them; a node then splits it
 * among its slots.
 */

struct span {
	pgidx_t first, last; /* relative to the node, both inside it */
};

static bool span_of_root(const struct amap *am, pgidx_t first, pgidx_t last, struct span *sp)
{
	unsigned shift;
	pgidx_t start, end;

	if (!am->root)
		return false;
	shift = amap_shift(am->root->level + 1);
	start = am->prefix << shift;
	end = start + (((pgidx_t)1 << shift) - 1);
	if (last < start || first > end)
		return false;
	sp->first = MAX(first, start) - start;
	sp->last = MIN(last, end) - start;
	return true;
}

static bool span_is_whole(struct span sp, unsigned level)
{
	return sp.first == 0 && sp.last == ((pgidx_t)1 << amap_shift(level + 1)) - 1;
}

/* The part of sp that lies in slot i of a node of that level. */
static struct span span_of_slot(struct span sp, unsigned level, unsigned i)
{
	unsigned shift = amap_shift(level);
	pgidx_t mask = ((pgidx_t)1 << shift) - 1;
	struct span part = {0, mask};

	if (i == sp.first >> shift)
		part.first = sp.first & mask;
	if (i == sp.last >> shift)
		part.last = sp.last & mask;
	return part;
}

/* Slots of a node that a span touches: [from, to). */
static unsigned span_from(struct span sp, unsigned level)
{
	return sp.first >> amap_shift(level);
}

static unsigned span_to(struct span sp, unsigned level)
{
	return (sp.last >> amap_shift(level)) + 1;
}

/* The slots of a node that lie wholly in the span: [from, to), maybe empty. */
static void span_whole_slots(struct span sp, unsigned level, unsigned *from, unsigned *to)
{
	*from = span_from(sp, level);
	*to = span_to(sp, level);
	if (level == 0)
		return;
	if (!span_is_whole(span_of_slot(sp, level, *from), level - 1))
		(*from)++;
	if (*to > *from && !span_is_whole(span_of_slot(sp, level, *to - 1), level - 1))
		(*to)--;
	if (*to < *from)
		*to = *from;
}

static bool node_visit(
	const struct amap_node *n, struct span sp, pgidx_t base, amap_visit_fn fn, void *cookie)
{
	unsigned to = span_to(sp, n->level);

	for (unsigned i = span_from(sp, n->level); i < to; i++) {
		void *child = LOAD_ACQUIRE(n->slots[i]);
		pgidx_t start = base + ((pgidx_t)i << amap_shift(n->level));

		if (!child)
			continue;
		if (n->level == 0) {
			if (!fn(cookie, start, child))
				return false;
		} else if (!node_visit(child, span_of_slot(sp, n->level, i), start, fn, cookie)) {
			return false;
		}
	}
	return true;
}

bool amap_visit(const struct amap *am, pgidx_t first, pgidx_t last, amap_visit_fn fn, void *cookie)
{
	struct span sp;

	if (!span_of_root(am, first, last, &sp))
		return true;
	return node_visit(am->root, sp, am->prefix << amap_shift(am->root->level + 1), fn, cookie);
}

static uint64_t node_resident(const struct amap_node *n, struct span sp)
{
	unsigned to = span_to(sp, n->level);
	uint64_t pages = 0;

	if (n->level == 0 && span_is_whole(sp, 0))
		return READ_ONCE(n->count);
	for (unsigned i = span_from(sp, n->level); i < to; i++) {
		struct amap_node *child = LOAD_ACQUIRE(n->slots[i]);

		if (child)
			pages += n->level ? node_resident(child, span_of_slot(sp, n->level, i)) : 1;
	}
	return pages;
}

uint64_t amap_resident(const struct amap *am, pgidx_t first, pgidx_t last)
{
	struct span sp;

	return span_of_root(am, first, last, &sp) ? node_resident(am->root, sp) : 0;
}

static bool node_is_pure(const struct amap_node *n, struct span sp)
{
	unsigned to = span_to(sp, n->level);

	if (!node_is_sole(n))
		return false;
	if (n->level == 0)
		return !READ_ONCE(n->stale);
	for (unsigned i = span_from(sp, n->level); i < to; i++) {
		const struct amap_node *child = LOAD_ACQUIRE(n->slots[i]);

		if (child && !node_is_pure(child, span_of_slot(sp, n->level, i)))
			return false;
	}
	return true;
}

bool amap_is_pure(const struct amap *am, pgidx_t first, pgidx_t last)
{
	struct span sp;

	return !span_of_root(am, first, last, &sp) || node_is_pure(am->root, sp);
}

static void node_clear_stale(struct amap_node *n, struct span sp)
{
	unsigned to = span_to(sp, n->level);

	if (!node_is_sole(n))
		return;
	if (n->level == 0) {
		WRITE_ONCE(n->stale, 0);
		return;
	}
	for (unsigned i = span_from(sp, n->level); i < to; i++) {
		struct amap_node *child = LOAD_ACQUIRE(n->slots[i]);

		if (child)
			node_clear_stale(child, span_of_slot(sp, n->level, i));
	}
}

void amap_clear_stale(struct amap *am, pgidx_t first, pgidx_t last)
{
	struct span sp;

	if (span_of_root(am, first, last, &sp))
		node_clear_stale(am->root, sp);
}

/*
 * Wipe
 */

/* Count the nodes below n that a wipe of sp cuts through and that are shared, or will be by the
 * copy of one above. */
static void node_wipe_need(
	const struct amap_node *n, struct span sp, bool shared, unsigned need[AMAP_CLASSES])
{
	unsigned from = span_from(sp, n->level), last = span_to(sp, n->level) - 1;

	if (span_is_whole(sp, n->level))
		return;
	shared = shared || !node_is_sole(n);
	if (shared)
		need[level_class(n->level)]++;
	if (n->level == 0)
		return;
	if (n->slots[from])
		node_wipe_need(n->slots[from], span_of_slot(sp, n->level, from), shared, need);
	if (last != from && n->slots[last])
		node_wipe_need(n->slots[last], span_of_slot(sp, n->level, last), shared, need);
}

void amap_wipe_need(const struct amap *am, pgidx_t first, pgidx_t last, unsigned need[AMAP_CLASSES])
{
	struct span sp;

	if (span_of_root(am, first, last, &sp))
		node_wipe_need(am->root, sp, false, need);
}

/* Empty sp below *link, whose node is made our own first. The node goes too when nothing is left. */
static void node_wipe(void **link, struct span sp, struct amap_stock *st, struct amap_dead *dead)
{
	struct amap_node *n = *link, *copy;
	unsigned from, to, level = n->level;

	if (span_is_whole(sp, level)) {
		*link = NULL;
		node_discard(n, dead);
		return;
	}
	span_whole_slots(sp, level, &from, &to);
	if (!node_is_sole(n)) {
		/* Only the slots that stay are copied. */
		copy = node_take(st, level);
		assert(copy);
		node_copy_but(copy, n, from, to);
		*link = copy;
		node_put(n);
		n = copy;
	}
	for (unsigned i = span_from(sp, level); i < span_to(sp, level); i++) {
		void *child = n->slots[i];

		if (!child)
			continue;
		if (level == 0) {
			n->slots[i] = NULL;
			page_unshare(child);
		} else {
			node_wipe(&n->slots[i], span_of_slot(sp, level, i), st, dead);
		}
		if (!n->slots[i])
			n->count--;
	}
	if (n->count == 0) {
		*link = NULL;
		node_discard(n, dead);
	}
}

void amap_wipe(
	struct amap *am, pgidx_t first, pgidx_t last, struct amap_stock *st, struct amap_dead *dead)
{
	struct span sp;

	if (span_of_root(am, first, last, &sp))
		node_wipe((void **)&am->root, sp, st, dead);
}

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
		node_put(am->root);
	slab_free(amap_cache, am);
}

void amap_dead_release(struct amap_dead *dead)
{
	struct amap_node *n;
	struct amap *am;

	while ((n = dead->nodes) != NULL) {
		dead->nodes = n->next;
		node_put(n);
	}
	while ((am = dead->handles) != NULL) {
		dead->handles = am->next;
		amap_destroy(am);
	}
}
