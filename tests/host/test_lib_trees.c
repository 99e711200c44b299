/* Red-black and radix trees against models, invariants after each step. */
#include "cmocka_host.h"
#include "lib/radix.h"
#include "lib/rbtree.h"

/* --- red-black tree with the largest key and the number of nodes of each subtree -------------- */

struct item {
	struct rb_node node;
	unsigned key, max;
	size_t count;
	bool in;
};
#define ITEM(n) rb_entry(n, struct item, node)

static bool item_augment(struct rb_node *n)
{
	struct item *it = ITEM(n), old = *it;

	it->max = it->key;
	it->count = 1;
	for (unsigned side = 0; side < 2; side++) {
		struct rb_node *c = side ? n->right : n->left;

		if (!c)
			continue;
		it->max = MAX(it->max, ITEM(c)->max);
		it->count += ITEM(c)->count;
	}
	return it->max != old.max || it->count != old.count;
}

static void item_insert(struct rb_tree *t, struct item *it)
{
	struct rb_node **link = &t->root, *parent = NULL;

	while (*link) {
		parent = *link;
		link = it->key < ITEM(parent)->key ? &parent->left : &parent->right;
	}
	it->max = it->key;
	it->count = 1;
	rb_insert(t, &it->node, parent, link);
}

/* Black height; checks order, colours, links and the augmented values on the way. */
static unsigned check_node(const struct rb_node *n, const struct rb_node *parent)
{
	struct item copy;
	unsigned l, r;

	if (!n)
		return 1;
	assert_ptr_equal(n->parent, parent);
	assert_false(n->red && parent && parent->red);
	if (n->left)
		assert_true(ITEM(n->left)->key <= ITEM(n)->key);
	if (n->right)
		assert_true(ITEM(n->right)->key >= ITEM(n)->key);
	l = check_node(n->left, n);
	r = check_node(n->right, n);
	assert_int_equal(l, r);
	copy = *ITEM(n);
	item_augment(&copy.node);
	assert_int_equal(copy.max, ITEM(n)->max);
	assert_int_equal(copy.count, ITEM(n)->count);
	return l + !n->red;
}

static void check_tree(const struct rb_tree *t, size_t count)
{
	struct rb_node *n, *prev = NULL;
	size_t seen = 0;

	assert_false(t->root && t->root->red);
	check_node(t->root, NULL);
	rb_for_each (n, t) {
		assert_ptr_equal(rb_prev(n), prev);
		if (prev)
			assert_true(ITEM(prev)->key <= ITEM(n)->key);
		prev = n;
		seen++;
	}
	assert_ptr_equal(rb_last(t), prev);
	assert_int_equal(seen, count);
	if (t->root)
		assert_int_equal(ITEM(t->root)->count, count);
}

static void rbtree_keeps_order_balance_and_augmentation(void **state)
{
	static struct item items[200];

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct rb_tree t = {NULL, item_augment};
		struct host_rng rng = {seed};
		size_t count = 0, range = seed % 2 ? 200 : 20; /* also trees that stay small */

		memset(items, 0, sizeof(items));
		for (unsigned step = 0; step < 2000; step++) {
			struct item *it = &items[host_rand(&rng) % range];

			if (it->in) {
				rb_remove(&t, &it->node);
				count--;
			} else {
				it->key = (unsigned)(host_rand(&rng) % 100);
				item_insert(&t, it);
				count++;
			}
			it->in = !it->in;
			if (step % 8 == 0 || range == 20)
				check_tree(&t, count);
		}
	}
}

/*
 * Each knows the gap in front of it: what is put into a gap, or taken out, changes that of another
 * one above, too.
 */
struct gap_item {
	struct rb_node node;
	unsigned at, gap, max;
	bool in;
};
#define GAP_ITEM(n) rb_entry(n, struct gap_item, node)
#define GAP_ITEMS   64

static bool gap_item_augment(struct rb_node *n)
{
	struct gap_item *it = GAP_ITEM(n);
	unsigned old = it->max;

	it->max = it->gap;
	if (n->left)
		it->max = MAX(it->max, GAP_ITEM(n->left)->max);
	if (n->right)
		it->max = MAX(it->max, GAP_ITEM(n->right)->max);
	return it->max != old;
}

static struct gap_item *gap_neighbour(struct gap_item *items, unsigned i, int step)
{
	for (i += (unsigned)step; i < GAP_ITEMS; i += (unsigned)step) {
		if (items[i].in)
			return &items[i];
	}
	return NULL;
}

static void gap_put(
	struct rb_tree *t, struct gap_item *it, struct gap_item *prev, struct gap_item *next)
{
	struct rb_node **link = &t->root, *parent = NULL;

	if (next)
		next->gap = next->at - it->at;
	it->gap = it->at - (prev ? prev->at : 0);
	it->max = it->gap;
	if (next && !next->node.left) {
		parent = &next->node;
		link = &parent->left;
	} else if (prev) {
		parent = &prev->node;
		link = &parent->right;
	}
	rb_link(&it->node, parent, link);
	rb_augment_up(parent, next ? &next->node : NULL, gap_item_augment);
	rb_insert_balance(t, &it->node);
}

static void gap_take(
	struct rb_tree *t, struct gap_item *it, struct gap_item *prev, struct gap_item *next)
{
	struct rb_removal r;

	if (next)
		next->gap = next->at - (prev ? prev->at : 0);
	if (next && it->node.right && !it->node.left)
		rb_update(t, &next->node);
	rb_unlink(t, &it->node, &r);
	rb_augment_up(r.parent, r.whole ? t->root : next ? &next->node : NULL, gap_item_augment);
	rb_remove_balance(t, &r);
}

static void one_way_up_serves_two_nodes(void **state)
{
	static struct gap_item items[GAP_ITEMS];

	(void)state;
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct rb_tree t = {NULL, gap_item_augment};
		struct host_rng rng = {seed};

		memset(items, 0, sizeof(items));
		for (unsigned i = 0, at = 1; i < GAP_ITEMS; i++, at += 1 + host_rand(&rng) % 100)
			items[i].at = at;
		for (unsigned step = 0; step < 2000; step++) {
			unsigned i = (unsigned)(host_rand(&rng) % GAP_ITEMS);
			struct gap_item *prev = gap_neighbour(items, i, -1);
			struct gap_item *next = gap_neighbour(items, i, 1);
			struct rb_node *n;

			if (items[i].in)
				gap_take(&t, &items[i], prev, next);
			else
				gap_put(&t, &items[i], prev, next);
			items[i].in = !items[i].in;
			rb_for_each (n, &t)
				assert_false(gap_item_augment(n));
		}
	}
}

static void rb_update_reaches_the_root(void **state)
{
	static struct item items[64];
	struct rb_tree t = {NULL, item_augment};

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		items[i].key = i;
		item_insert(&t, &items[i]);
	}
	items[63].key = 1000;
	rb_update(&t, &items[63].node);
	assert_int_equal(ITEM(t.root)->max, 1000);
	check_tree(&t, 64);
}

/*
 * --- radix tree --------------------------------------------------------------------------------
 */

static long nodes_out, fail_after = -1;

static void *node_alloc(void)
{
	if (fail_after == 0)
		return NULL;
	if (fail_after > 0)
		fail_after--;
	nodes_out++;
	return malloc(radix_node_size());
}

static void node_free(void *p)
{
	nodes_out--;
	free(p);
}

#define SLOTS 96

struct radix_model {
	uint64_t idx[SLOTS];
	void *item[SLOTS]; /* NULL: not in the tree */
	bool marked[SLOTS];
};

/* Indices that share levels, that are far apart, and the last one. */
static void model_init(struct radix_model *m, struct host_rng *rng)
{
	memset(m, 0, sizeof(*m));
	for (unsigned i = 0; i < SLOTS; i++) {
		unsigned shift = (unsigned)(host_rand(rng) % 11) * 6;
		unsigned k;

		m->idx[i] = i == 0 ? UINT64_MAX : host_rand(rng) % 80 << shift;
		for (k = 0; k < i && m->idx[k] != m->idx[i]; k++)
			;
		if (k < i)
			m->idx[i] = (1ull << 50) + i; /* no other one looks like this */
	}
}

/* The first item at or after `from`, as radix_next should find it. */
static void *model_next(const struct radix_model *m, uint64_t *from, bool marked)
{
	unsigned best = SLOTS;

	for (unsigned i = 0; i < SLOTS; i++)
		if (m->item[i] && m->idx[i] >= *from && (!marked || m->marked[i]) &&
			(best == SLOTS || m->idx[i] < m->idx[best]))
			best = i;
	if (best == SLOTS)
		return NULL;
	*from = m->idx[best];
	return m->item[best];
}

static void compare_walk(const struct radix *r, const struct radix_model *m, bool marked)
{
	uint64_t a = 0, b = 0;

	for (;;) {
		void *x = marked ? radix_next_marked(r, &a) : radix_next(r, &a);
		void *y = model_next(m, &b, marked);

		assert_ptr_equal(x, y);
		if (!x)
			return;
		assert_true(a == b);
		if (a == UINT64_MAX)
			return;
		a++, b++;
	}
}

/* Some slots from idx on say what radix_get says one by one; none of them is left out in a node. */
static void compare_slots(const struct radix *r, uint64_t idx, unsigned want)
{
	unsigned n = want, near = 64 - idx % 64;
	void *const *slots = radix_slots(r, idx, &n);

	if (!slots)
		assert_null(radix_get(r, idx));
	assert_int_equal(n, slots ? MIN(want, near) : 0);
	for (unsigned i = 0; i < n; i++)
		assert_ptr_equal(slots[i], radix_get(r, idx + i));
}

static void radix_step(struct radix *r, struct radix_model *m, struct host_rng *rng)
{
	unsigned i = (unsigned)(host_rand(rng) % SLOTS);

	switch (host_rand(rng) % 6) {
	case 0:
	case 1:
	case 2:
		fail_after = host_rand(rng) % 4 ? -1 : (long)(host_rand(rng) % 6);
		{
			long before = nodes_out;
			int err = radix_insert(r, m->idx[i], &m->idx[i]);

			fail_after = -1;
			if (err == -EEXIST)
				assert_non_null(m->item[i]);
			else if (err == -ENOMEM)
				assert_int_equal(nodes_out, before);
			else
				assert_null(m->item[i]);
			if (!err) {
				m->item[i] = &m->idx[i];
				m->marked[i] = false;
			}
		}
		break;
	case 3:
		assert_ptr_equal(radix_remove(r, m->idx[i]), m->item[i]);
		m->item[i] = NULL;
		break;
	case 4:
		radix_mark(r, m->idx[i]);
		m->marked[i] = m->item[i] != NULL;
		break;
	case 5:
		radix_unmark(r, m->idx[i]);
		m->marked[i] = false;
		break;
	}
	assert_ptr_equal(radix_get(r, m->idx[i]), m->item[i]);
	compare_slots(r, m->idx[i], (unsigned)(host_rand(rng) % 70));
}

static void radix_agrees_with_a_model(void **state)
{
	(void)state;
	radix_set_allocator(node_alloc, node_free);
	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct host_rng rng = {seed};
		struct radix_model m;
		struct radix r;

		radix_init(&r);
		model_init(&m, &rng);
		for (unsigned step = 0; step < 600; step++) {
			radix_step(&r, &m, &rng);
			compare_walk(&r, &m, step % 2);
		}
		for (unsigned i = 0; i < SLOTS; i++)
			radix_remove(&r, m.idx[i]);
		assert_null(r.root);
		assert_int_equal(nodes_out, 0);
	}
}

static void radix_search_starts_in_the_middle(void **state)
{
	struct radix r;
	uint64_t idx = 65;
	int a, b;

	(void)state;
	radix_set_allocator(node_alloc, node_free);
	radix_init(&r);
	assert_null(radix_next(&r, &idx));
	assert_int_equal(radix_insert(&r, 64, &a), 0);
	assert_int_equal(radix_insert(&r, 1ull << 40, &b), 0);
	assert_ptr_equal(radix_next(&r, &idx), &b);
	assert_true(idx == 1ull << 40);
	assert_ptr_equal(radix_remove(&r, 1ull << 40), &b);
	assert_int_equal(r.height, 2);
	assert_ptr_equal(radix_remove(&r, 64), &a);
	assert_int_equal(nodes_out, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rbtree_keeps_order_balance_and_augmentation),
		cmocka_unit_test(one_way_up_serves_two_nodes),
		cmocka_unit_test(rb_update_reaches_the_root),
		cmocka_unit_test(radix_agrees_with_a_model),
		cmocka_unit_test(radix_search_starts_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
