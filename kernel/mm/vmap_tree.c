/*
 * The ordered set of a context's vmaps: a red-black tree by address. Every vmap knows the hole in
 * front of it (gap_before) and the largest such hole in its subtree (gap_max), so that placement
 * finds a hole that is large enough in O(log n), from above or from below. A list through the vmaps
 * gives each its neighbours, and the context remembers the vmap that was edited last, where the
 * next look-up often ends.
 *
 * The hole in front of a vmap that grows down is shorter by the stack guard gap: nothing is placed
 * there by itself. The hole behind the last vmap belongs to nobody and is looked at by itself.
 *
 * Locking: the context's mm_lock.
 */
#include "mm/vmap_tree.h"

#include "lib/assert.h"
#include "mm/vmap.h"

#define node_vmap(n) rb_entry(n, struct vmap, node)

static bool gap_augment(struct rb_node *n)
{
	struct vmap *vm = node_vmap(n);
	uint64_t gap = vm->gap_before, old = vm->gap_max;

	if (n->left)
		gap = MAX(gap, node_vmap(n->left)->gap_max);
	if (n->right)
		gap = MAX(gap, node_vmap(n->right)->gap_max);
	vm->gap_max = gap;
	return gap != old;
}

void vmap_tree_init(struct mm_context *ctx)
{
	ctx->vmaps.root = NULL;
	ctx->vmaps.augment = gap_augment;
	list_init(&ctx->vmap_order);
	ctx->vmap_hint = NULL;
}

struct vmap *vmap_search(struct mm_context *ctx, vaddr_t va)
{
	struct rb_node *n = ctx->vmaps.root;

	while (n) {
		struct vmap *vm = node_vmap(n);

		if (va < vm->vaddr)
			n = n->left;
		else if (va >= vmap_end(vm))
			n = n->right;
		else
			return vm;
	}
	return NULL;
}

/* Is va in the hole on one side of the hint? *found: the vmap behind the hole. */
static bool hole_by_hint(struct mm_context *ctx, vaddr_t va, struct vmap **found)
{
	struct vmap *hint = ctx->vmap_hint, *beside;

	if (!hint)
		return false;
	if (va < hint->vaddr) {
		beside = vmap_prev(hint);
		*found = hint;
		return !beside || vmap_end(beside) <= va;
	}
	beside = vmap_next(hint);
	*found = beside;
	return va >= vmap_end(hint) && (!beside || va < vmap_end(beside));
}

struct vmap *vmap_search_after(struct mm_context *ctx, vaddr_t va)
{
	struct rb_node *n = ctx->vmaps.root;
	struct vmap *found = NULL;

	if (hole_by_hint(ctx, va, &found))
		return found;
	found = NULL;
	while (n) {
		struct vmap *vm = node_vmap(n);

		if (va < vmap_end(vm)) {
			found = vm;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	return found;
}

bool vmap_range_is_free(struct mm_context *ctx, vaddr_t start, vaddr_t end)
{
	struct vmap *vm = vmap_find_after(ctx, start);

	return !vm || vm->vaddr >= end;
}

/* The hole between the end of prev (or 0) and vm that placement may use. */
static uint64_t gap_in_front(const struct vmap *vm, const struct vmap *prev)
{
	uint64_t hole = vm->vaddr - (prev ? vmap_end(prev) : 0);
	uint64_t guard = vm->vmflags & VM_GROWSDOWN ? STACK_GUARD_PAGES << PAGE_SHIFT : 0;

	return hole > guard ? hole - guard : 0;
}

/* The end of that hole. */
static vaddr_t gap_end(const struct vmap *vm)
{
	uint64_t guard = vm->vmflags & VM_GROWSDOWN ? STACK_GUARD_PAGES << PAGE_SHIFT : 0;

	return vm->vaddr > guard ? vm->vaddr - guard : 0;
}

static void gap_refresh(struct mm_context *ctx, struct vmap *vm, const struct vmap *prev)
{
	uint64_t gap = gap_in_front(vm, prev);

	if (gap == vm->gap_before)
		return;
	vm->gap_before = gap;
	rb_update(&ctx->vmaps, &vm->node);
}

bool vmap_gap_holds(struct mm_context *ctx, vaddr_t start, vaddr_t end)
{
	struct vmap *vm = vmap_find_after(ctx, start);

	return end <= USER_MAX && (!vm || gap_end(vm) >= end);
}

/*
 * Of two neighbours in the order one is below the other in the tree, with nothing on the side of
 * the other one: there vm is linked, below both. So the way up from it meets the vmap behind the
 * hole, whose part of the hole changes, too.
 */
void vmap_tree_insert(struct mm_context *ctx, struct vmap *vm)
{
	struct vmap *next = vmap_find_after(ctx, vm->vaddr);
	struct vmap *prev = next ? vmap_prev(next) : vmap_last(ctx);
	struct rb_node **link = &ctx->vmaps.root, *parent = NULL, *above = NULL;

	assert(!prev || vmap_end(prev) <= vm->vaddr);
	assert(!next || vmap_end(vm) <= next->vaddr);
	if (next) {
		next->gap_before = gap_in_front(next, vm);
		above = &next->node;
	}
	if (next && !above->left) {
		parent = above;
		link = &parent->left;
	} else if (prev) {
		parent = &prev->node;
		link = &parent->right;
	}
	vm->gap_before = vm->gap_max = gap_in_front(vm, prev);
	rb_link(&vm->node, parent, link);
	rb_augment_up(parent, above, gap_augment);
	rb_insert_balance(&ctx->vmaps, &vm->node);
	list_add(prev ? &prev->order : &ctx->vmap_order, &vm->order);
	ctx->vmap_hint = vm;
}

void vmap_tree_remove(struct vmap *vm)
{
	struct mm_context *ctx = vm->ctx;
	struct vmap *prev = vmap_prev(vm), *next = vmap_next(vm);
	const struct rb_node *above = NULL;
	struct rb_removal r;

	if (next) {
		next->gap_before = gap_in_front(next, prev);
		above = &next->node;
		/* Not above vm but its one child, which only moves up. */
		if (vm->node.right && !vm->node.left)
			rb_update(&ctx->vmaps, &next->node);
	}
	rb_unlink(&ctx->vmaps, &vm->node, &r);
	rb_augment_up(r.parent, r.whole ? ctx->vmaps.root : above, gap_augment);
	rb_remove_balance(&ctx->vmaps, &r);
	list_remove(&vm->order);
	ctx->vmap_hint = prev ? prev : next;
}

void vmap_tree_update(struct vmap *vm)
{
	struct vmap *next = vmap_next(vm);

	gap_refresh(vm->ctx, vm, vmap_prev(vm));
	if (next)
		gap_refresh(vm->ctx, next, vm);
}

/*
 * Placement
 */

/* The highest address for pl inside the hole [start, end), or 0. */
static vaddr_t fit_down(const struct vmap_place *pl, vaddr_t start, vaddr_t end)
{
	vaddr_t va;

	start = MAX(start, pl->low);
	end = MIN(end, pl->high);
	if (end < start || end - start < pl->len || end - pl->len < pl->phase)
		return 0;
	va = ALIGN_DOWN(end - pl->len - pl->phase, pl->align) + pl->phase;
	return va >= start ? va : 0;
}

/* The lowest one, or 0. */
static vaddr_t fit_up(const struct vmap_place *pl, vaddr_t start, vaddr_t end)
{
	vaddr_t va;

	start = MAX(start, pl->low);
	end = MIN(end, pl->high);
	va = start <= pl->phase ? pl->phase : ALIGN_UP(start - pl->phase, pl->align) + pl->phase;
	return va < end && end - va >= pl->len ? va : 0;
}

/* A hole of this size fits wherever it starts. */
static uint64_t sure_size(const struct vmap_place *pl)
{
	return pl->len + pl->align - PAGE_SIZE;
}

/* Has n's subtree (NULL: none) a hole of this size? */
static bool has_gap(const struct rb_node *n, uint64_t size)
{
	return n && node_vmap(n)->gap_max >= size;
}

/*
 * The search goes over the vmaps whose hole may do, from above or from below: subtrees without a
 * hole of the sure size are not entered; besides the paths to the borders, each one entered has the
 * answer.
 */

/* The last vmap of n's subtree that may do. */
static struct rb_node *last_fit(struct rb_node *n, const struct vmap_place *pl, uint64_t size)
{
	while (node_vmap(n)->vaddr < pl->high && has_gap(n->right, size))
		n = n->right;
	return n;
}

static struct rb_node *first_fit(struct rb_node *n, const struct vmap_place *pl, uint64_t size)
{
	while (node_vmap(n)->vaddr > pl->low && has_gap(n->left, size))
		n = n->left;
	return n;
}

/* The next one below n that may do, or NULL. */
static struct rb_node *fit_before(struct rb_node *n, const struct vmap_place *pl, uint64_t size)
{
	struct rb_node *child;

	if (has_gap(n->left, size))
		return last_fit(n->left, pl, size);
	do {
		child = n;
		n = n->parent;
	} while (n && n->left == child);
	return n;
}

static struct rb_node *fit_after(struct rb_node *n, const struct vmap_place *pl, uint64_t size)
{
	struct rb_node *child;

	if (has_gap(n->right, size))
		return first_fit(n->right, pl, size);
	do {
		child = n;
		n = n->parent;
	} while (n && n->right == child);
	return n;
}

static vaddr_t search_down(struct mm_context *ctx, const struct vmap_place *pl)
{
	uint64_t size = sure_size(pl);
	struct rb_node *n = ctx->vmaps.root;
	struct vmap *vm;

	if (!has_gap(n, size))
		return 0;
	for (n = last_fit(n, pl, size); n; n = fit_before(n, pl, size)) {
		vaddr_t va = 0;

		vm = node_vmap(n);
		if (vm->gap_before >= size)
			va = fit_down(pl, gap_end(vm) - vm->gap_before, gap_end(vm));
		if (va) {
			ctx->vmap_hint = vm;
			return va;
		}
		if (vm->vaddr <= pl->low)
			break;
	}
	return 0;
}

static vaddr_t search_up(struct mm_context *ctx, const struct vmap_place *pl)
{
	uint64_t size = sure_size(pl);
	struct rb_node *n = ctx->vmaps.root;
	struct vmap *vm;

	if (!has_gap(n, size))
		return 0;
	for (n = first_fit(n, pl, size); n; n = fit_after(n, pl, size)) {
		vaddr_t va = 0;

		vm = node_vmap(n);
		if (vm->gap_before >= size)
			va = fit_up(pl, gap_end(vm) - vm->gap_before, gap_end(vm));
		if (va) {
			ctx->vmap_hint = vm;
			return va;
		}
		if (vm->vaddr >= pl->high)
			break;
	}
	return 0;
}

/* Where the hole behind the last vmap starts. */
static vaddr_t tail_start(struct mm_context *ctx)
{
	struct vmap *last = vmap_last(ctx);

	return last ? vmap_end(last) : 0;
}

/* The same, wherever it starts. */
static struct vmap_place unaligned(const struct vmap_place *pl)
{
	return (struct vmap_place){
		.len = pl->len, .align = PAGE_SIZE, .low = pl->low, .high = pl->high};
}

vaddr_t vmap_place_down(struct mm_context *ctx, const struct vmap_place *pl)
{
	vaddr_t tail = tail_start(ctx), va = 0;
	struct vmap_place any;

	if (tail < pl->high)
		va = fit_down(pl, tail, USER_MAX);
	if (!va)
		va = search_down(ctx, pl);
	if (va || pl->align == PAGE_SIZE)
		return va;
	any = unaligned(pl);
	return vmap_place_down(ctx, &any);
}

vaddr_t vmap_place_up(struct mm_context *ctx, const struct vmap_place *pl)
{
	struct vmap_place any;
	vaddr_t va = search_up(ctx, pl);

	if (!va)
		va = fit_up(pl, tail_start(ctx), USER_MAX);
	if (va || pl->align == PAGE_SIZE)
		return va;
	any = unaligned(pl);
	return vmap_place_up(ctx, &any);
}
