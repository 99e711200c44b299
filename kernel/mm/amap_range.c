/*
 * Ranges of slots of an amap: visits, counts, the purity rule, wipes. A range is cut to the root's
 * indices and made relative to them; each node then splits it among its slots.
 *
 * A wipe of a tree that is shared copies at most the two paths to its ends, and of the nodes on
 * them only the slots that stay; whole subtrees between are let go by one reference each.
 */
#include "mm/amap_nodes.h"

#include "lib/assert.h"

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

static uint64_t node_exclusive(const struct amap_node *n, struct span sp)
{
	unsigned to = span_to(sp, n->level);
	uint64_t pages = 0;

	if (!amap_node_is_sole(n))
		return 0;
	for (unsigned i = span_from(sp, n->level); i < to; i++) {
		void *child = LOAD_ACQUIRE(n->slots[i]);

		if (!child)
			continue;
		if (n->level)
			pages += node_exclusive(child, span_of_slot(sp, n->level, i));
		else
			pages += page_shares(child) == 1;
	}
	return pages;
}

uint64_t amap_exclusive(const struct amap *am, pgidx_t first, pgidx_t last)
{
	struct span sp;

	return span_of_root(am, first, last, &sp) ? node_exclusive(am->root, sp) : 0;
}

/*
 * Down to the node of level 1 or 0 that has the span, which lies below one page table; the span
 * becomes relative to it. NULL: there is none. *sole: all nodes on the way have one parent.
 */
static inline struct amap_node *table_node(const struct amap *am, struct span *sp, bool *sole)
{
	struct amap_node *n = am->root;

	*sole = amap_node_is_sole(n);
	while (n && n->level > 1) {
		unsigned shift = amap_shift(n->level);
		pgidx_t mask = ((pgidx_t)1 << shift) - 1;

		n = LOAD_ACQUIRE(n->slots[sp->first >> shift]);
		sp->first &= mask;
		sp->last &= mask;
		*sole = *sole && (!n || amap_node_is_sole(n));
	}
	return n;
}

bool amap_is_pure(const struct amap *am, pgidx_t first, pgidx_t last)
{
	struct amap_node *n;
	struct span sp;
	bool sole;

	if (!span_of_root(am, first, last, &sp))
		return true;
	n = table_node(am, &sp, &sole);
	if (!n || !sole)
		return sole;
	if (n->level == 0)
		return !READ_ONCE(n->stale);
	for (unsigned i = span_from(sp, 1); i < span_to(sp, 1); i++) {
		const struct amap_node *leaf = LOAD_ACQUIRE(n->slots[i]);

		if (leaf && (READ_ONCE(leaf->stale) || !amap_node_is_sole(leaf)))
			return false;
	}
	return true;
}

static inline void leaf_clear_stale(struct amap_node *leaf)
{
	if (READ_ONCE(leaf->stale) && amap_node_is_sole(leaf))
		WRITE_ONCE(leaf->stale, 0);
}

void amap_clear_stale(struct amap *am, pgidx_t first, pgidx_t last)
{
	struct amap_node *n;
	struct span sp;
	bool sole;

	if (!span_of_root(am, first, last, &sp))
		return;
	n = table_node(am, &sp, &sole);
	if (!n || !sole)
		return;
	if (n->level == 0) {
		leaf_clear_stale(n);
		return;
	}
	for (unsigned i = span_from(sp, 1), to = span_to(sp, 1); i < to; i++) {
		struct amap_node *leaf = LOAD_ACQUIRE(n->slots[i]);

		if (leaf)
			leaf_clear_stale(leaf);
	}
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
	const struct amap_node *child;

	if (span_is_whole(sp, n->level))
		return;
	shared = shared || !amap_node_is_sole(n);
	if (shared)
		need[amap_level_class(n->level)]++;
	if (n->level == 0)
		return;
	/* Faults may link a node at the same time (amap_extend). */
	child = LOAD_ACQUIRE(n->slots[from]);
	if (child)
		node_wipe_need(child, span_of_slot(sp, n->level, from), shared, need);
	child = last != from ? LOAD_ACQUIRE(n->slots[last]) : NULL;
	if (child)
		node_wipe_need(child, span_of_slot(sp, n->level, last), shared, need);
}

void amap_wipe_need(const struct amap *am, pgidx_t first, pgidx_t last, unsigned need[AMAP_CLASSES])
{
	struct span sp;

	if (span_of_root(am, first, last, &sp))
		node_wipe_need(am->root, sp, false, need);
}

/* Let go of a subtree that was just unlinked: what is ours alone waits in dead for its release. */
static void node_discard(struct amap_node *n, struct amap_dead *dead)
{
	if (!amap_node_is_sole(n)) {
		amap_node_put(n);
		return;
	}
	n->next = dead->nodes;
	dead->nodes = n;
}

/*
 * Empty sp below *link, whose node is made our own first. The node goes too when nothing is left.
 */
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
	if (!amap_node_is_sole(n)) {
		/* Only the slots that stay are copied. */
		copy = amap_node_take(st, level);
		assert(copy);
		amap_node_copy_but(copy, n, from, to);
		*link = copy;
		amap_node_put(n);
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
