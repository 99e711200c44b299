/*
 * vm_object: creation, references, the pages by index, translations through the list of mappings.
 *
 *	kind		pages come from			when the last reference goes
 *	ZERO		zeroed at first touch		they are freed
 *	FILE		cache.c (fill)			the owner wrote or discarded them before
 *	PHYS		never resident: base + offset	nothing
 *	CALLBACK	the mapping's handler		nothing
 *
 * The object holds one share of each page in its tree. DIRTY and the tree's mark change together
 * under mark_lock, which also covers each change of the tree's structure, so that a page can be
 * marked dirty with or without the object's lock held.
 *
 * Two lists of file objects, under lists_lock (65): all of them, and those with dirty pages. Both
 * are circles: who works on them takes the first, moves it to the end and holds a reference.
 */
#include "mm/commit.h"
#include "mm/object_pages.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/physmap.h"
#include "mm/slab.h"
#include "mm/vmap.h"

static struct slab_cache *object_cache, *radix_cache;
static struct spinlock lists_lock = SPINLOCK_INIT(RANK_LRU, "object lists");
static struct list all_objects = LIST_INIT(all_objects);
static struct list dirty_objects = LIST_INIT(dirty_objects);
static uint64_t n_all, n_dirty;			/* (lists_lock) */
static uint64_t pages_by_class[OBJECT_CLASSES]; /* (a) */
static uint64_t dirty_pages;			/* (a) */

/*
 * Asked for with the object locked, where nobody waits for memory: the reserve has the node, and
 * who finds it empty tries again after buddy_refill_reserve.
 */
static void *radix_node_alloc(void)
{
	return slab_alloc(radix_cache, ALLOC_NORECLAIM | ALLOC_RESERVE | ALLOC_ZERO);
}

static void radix_node_free(void *node)
{
	slab_free(radix_cache, node);
}

void vm_object_init(void)
{
	object_cache = slab_cache_create("vm_object", sizeof(struct vm_object), 16, NULL);
	radix_cache = slab_cache_create("radix_node", radix_node_size(), 16, NULL);
	radix_set_allocator(radix_node_alloc, radix_node_free);
	cache_wait_init();
}

/* --- life ------------------------------------------------------------------------------------ */

static struct vm_object *object_create(
	const char *name, uint64_t len, enum vm_object_kind kind, vm_flags_t prot)
{
	struct vm_object *vo = slab_alloc(object_cache, ALLOC_ZERO);

	if (!vo)
		return ERR_PTR(-ENOMEM);
	vo->refs = 1;
	vo->kind = kind;
	vo->vo_prot = prot;
	rw_init(&vo->lock, RANK_OBJECT, "vm_object");
	spin_init(&vo->mark_lock, RANK_LRU, "object marks");
	str_copy(vo->vo_name, name, sizeof(vo->vo_name));
	vo->vo_size = len;
	radix_init(&vo->vo_pages);
	list_init(&vo->vo_mappings);
	list_init(&vo->dirty_link);
	list_init(&vo->all_link);
	return vo;
}

struct vm_object *vm_object_create(const char *name, uint64_t len, vm_flags_t prot)
{
	return object_create(name, len, VMO_ZERO, prot);
}

int vm_object_charge(struct vm_object *vo)
{
	int err = commit_charge(page_count(vo->vo_size));

	if (!err)
		vo->charged = page_count(vo->vo_size);
	return err;
}

void vm_object_set_owner(struct vm_object *vo, const struct vm_object_ops *ops, void *owner)
{
	assert(vo->kind == VMO_ZERO && !vo->ops);
	vo->ops = ops;
	vo->owner = owner;
}

struct vm_object *vm_object_create_in_place(
	const char *name, paddr_t base, uint64_t len, vm_flags_t prot)
{
	struct vm_object *vo = object_create(name, len, VMO_PHYS, prot);

	assert(IS_ALIGNED(base, PAGE_SIZE));
	if (!IS_ERR(vo)) {
		vo->vo_flags = VMO_IN_PLACE;
		vo->base = base;
	}
	return vo;
}

struct vm_object *vm_object_create_file(
	const char *name, uint64_t len, const struct vm_object_ops *ops, void *owner)
{
	struct vm_object *vo = object_create(name, len, VMO_FILE, VM_RIGHTS);

	if (IS_ERR(vo))
		return vo;
	vo->ops = ops;
	vo->owner = owner;
	spin_lock(&lists_lock);
	list_add_tail(&all_objects, &vo->all_link);
	n_all++;
	spin_unlock(&lists_lock);
	return vo;
}

struct vm_object *vm_object_get(struct vm_object *vo)
{
	uint32_t old = __atomic_fetch_add(&vo->refs, 1, __ATOMIC_RELAXED);

	assert(old > 0);
	return vo;
}

/* Does somebody work on a page of it? => object locked */
static bool has_pins(struct vm_object *vo)
{
	struct page *pg;

	for (pgidx_t idx = 0; (pg = object_next_locked(vo, &idx)); idx++) {
		if (page_pins(pg))
			return true;
	}
	return false;
}

int vm_object_deny_write(struct vm_object *vo)
{
	int err = 0;

	rw_write_lock(&vo->lock);
	/* I/O may go on into a page although the mapping through which it was asked for is gone. */
	if (vo->writable_maps || has_pins(vo))
		err = -EBUSY;
	else
		vo->vo_flags |= VMO_NO_WRITE;
	rw_write_unlock(&vo->lock);
	return err;
}

int vm_object_claim_write(struct vm_object *vo)
{
	int err = -EPERM;

	rw_write_lock(&vo->lock);
	if (!(vo->vo_flags & VMO_NO_WRITE)) {
		vo->writable_maps++;
		err = 0;
	}
	rw_write_unlock(&vo->lock);
	return err;
}

void vm_object_unclaim_write(struct vm_object *vo)
{
	rw_write_lock(&vo->lock);
	vo->writable_maps--;
	rw_write_unlock(&vo->lock);
}

void vm_object_deny_holes(struct vm_object *vo)
{
	rw_write_lock(&vo->lock);
	vo->vo_flags |= VMO_NO_HOLES;
	rw_write_unlock(&vo->lock);
}

static bool object_get_try(struct vm_object *vo)
{
	uint32_t n = READ_ONCE(vo->refs);

	while (n) {
		if (__atomic_compare_exchange_n(
			    &vo->refs, &n, n + 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return true;
	}
	return false;
}

/* Nobody can find the object any more. */
static void object_destroy(struct vm_object *vo)
{
	struct page *pg;
	pgidx_t idx = 0;

	spin_lock(&lists_lock);
	if (!list_empty(&vo->dirty_link)) {
		list_remove(&vo->dirty_link);
		n_dirty--;
	}
	if (!list_empty(&vo->all_link)) {
		list_remove(&vo->all_link);
		n_all--;
	}
	spin_unlock(&lists_lock);
	assert(list_empty(&vo->vo_mappings) && vo->vo_nmaps == 0);
	rw_write_lock(&vo->lock);
	while ((pg = object_next_locked(vo, &idx))) {
		assert(!page_is(pg, PG_BUSY | PG_WRITING));
		object_remove_locked(vo, pg);
	}
	rw_write_unlock(&vo->lock);
	commit_uncharge(vo->charged);
	if (vo->ops && vo->ops->release)
		vo->ops->release(vo);
	slab_free(object_cache, vo);
}

void vm_object_put(struct vm_object *vo)
{
	uint32_t left = __atomic_sub_fetch(&vo->refs, 1, __ATOMIC_ACQ_REL);

	assert(left != UINT32_MAX);
	if (left == 0)
		object_destroy(vo);
}

/* --- lists of objects ------------------------------------------------------------------------ */

static void to_end(struct list *head, struct list *l)
{
	list_remove(l);
	list_add_tail(head, l);
}

struct vm_object *object_next_of_all(bool dirty)
{
	struct list *head = dirty ? &dirty_objects : &all_objects;
	struct vm_object *found = NULL;

	spin_lock(&lists_lock);
	for (uint64_t n = dirty ? n_dirty : n_all; n && !found; n--) {
		struct list *l = head->next;
		struct vm_object *vo = dirty ? list_entry(l, struct vm_object, dirty_link)
					     : list_entry(l, struct vm_object, all_link);

		to_end(head, l);
		if (object_get_try(vo))
			found = vo;
	}
	spin_unlock(&lists_lock);
	return found;
}

struct vm_object *object_at_hand(void)
{
	struct vm_object *found = NULL;

	spin_lock(&lists_lock);
	for (uint64_t n = n_all; n && !found; n--) {
		struct vm_object *vo = list_first_entry(&all_objects, struct vm_object, all_link);

		if (object_get_try(vo))
			found = vo;
		else
			to_end(&all_objects, &vo->all_link);
	}
	spin_unlock(&lists_lock);
	return found;
}

void object_pass_by(struct vm_object *vo)
{
	spin_lock(&lists_lock);
	to_end(&all_objects, &vo->all_link);
	spin_unlock(&lists_lock);
}

uint64_t object_count_all(bool dirty)
{
	uint64_t n;

	spin_lock(&lists_lock);
	n = dirty ? n_dirty : n_all;
	spin_unlock(&lists_lock);
	return n;
}

/* Be in the list of dirty objects exactly when there are dirty pages. */
static void dirty_list_settle(struct vm_object *vo)
{
	bool in, want;

	spin_lock(&lists_lock);
	in = !list_empty(&vo->dirty_link);
	want = READ_ONCE(vo->ndirty) > 0;
	if (want && !in) {
		list_add_tail(&dirty_objects, &vo->dirty_link);
		n_dirty++;
	} else if (in && !want) {
		list_remove(&vo->dirty_link);
		n_dirty--;
	}
	spin_unlock(&lists_lock);
}

uint64_t object_pages_of(enum object_class class)
{
	return READ_ONCE(pages_by_class[class]);
}

uint64_t object_dirty_total(void)
{
	return __atomic_load_n(&dirty_pages, __ATOMIC_SEQ_CST);
}

/* --- pages ----------------------------------------------------------------------------------- */

static uint64_t *class_counter(const struct vm_object *vo)
{
	if (vo->kind == VMO_ZERO)
		return &pages_by_class[OBJECT_SHMEM];
	return &pages_by_class[vo->vo_flags & VMO_DEVICE_META ? OBJECT_DEVICE : OBJECT_FILE];
}

static bool quota_take(struct vm_quota *q)
{
	if (!q || __atomic_add_fetch(&q->used, 1, __ATOMIC_RELAXED) <= q->limit)
		return true;
	__atomic_fetch_sub(&q->used, 1, __ATOMIC_RELAXED);
	return false;
}

static void quota_give_back(struct vm_quota *q, uint64_t pages)
{
	if (q)
		__atomic_fetch_sub(&q->used, pages, __ATOMIC_RELAXED);
}

void vm_object_set_quota(struct vm_object *vo, struct vm_quota *q)
{
	rw_write_lock(&vo->lock);
	quota_give_back(vo->quota, vo->npages);
	if (q)
		__atomic_fetch_add(&q->used, vo->npages, __ATOMIC_RELAXED);
	vo->quota = q;
	rw_write_unlock(&vo->lock);
}

bool vm_object_is_full(const struct vm_object *vo)
{
	const struct vm_quota *q = vo->quota;

	return q && READ_ONCE(q->used) >= q->limit;
}

int object_insert_locked(struct vm_object *vo, pgidx_t idx, struct page *pg, uint32_t state)
{
	int err;

	dassert(rw_write_held(&vo->lock));
	dassert(page_type(pg) == PG_KERNEL && page_shares(pg) == 0);
	if (!quota_take(vo->quota))
		return -ENOSPC;
	pg->owner = vo;
	pg->index = idx;
	pg->aux = 0;
	STORE_RELEASE(pg->flags, PG_OBJECT | state);
	page_share(pg);
	spin_lock(&vo->mark_lock);
	err = radix_insert(&vo->vo_pages, idx, pg);
	spin_unlock(&vo->mark_lock);
	if (err) {
		quota_give_back(vo->quota, 1);
		STORE_RELEASE(pg->flags, PG_KERNEL);
		__atomic_fetch_sub(&pg->shares, 1, __ATOMIC_RELAXED);
		return err;
	}
	vo->npages++;
	__atomic_fetch_add(class_counter(vo), 1, __ATOMIC_RELAXED);
	return 0;
}

void object_remove_locked(struct vm_object *vo, struct page *pg)
{
	struct page *was;

	dassert(rw_write_held(&vo->lock));
	assert(pg->owner == vo && !page_is(pg, PG_BUSY | PG_WRITING));
	/* Under the page bit: afterwards nobody marks it dirty any more. */
	page_lock(pg);
	object_mark_clean(vo, pg);
	spin_lock(&vo->mark_lock);
	was = radix_remove(&vo->vo_pages, pg->index);
	spin_unlock(&vo->mark_lock);
	assert(was == pg);
	pg->owner = NULL;
	page_unlock(pg);
	vo->npages--;
	quota_give_back(vo->quota, 1);
	__atomic_fetch_sub(class_counter(vo), 1, __ATOMIC_RELAXED);
	page_unshare(pg);
}

struct page *object_next_locked(struct vm_object *vo, pgidx_t *idx)
{
	dassert(rw_held(&vo->lock));
	return radix_next(&vo->vo_pages, idx);
}

struct page *object_next_dirty_locked(struct vm_object *vo, pgidx_t *idx)
{
	struct page *pg;

	dassert(rw_held(&vo->lock));
	spin_lock(&vo->mark_lock);
	pg = radix_next_marked(&vo->vo_pages, idx);
	spin_unlock(&vo->mark_lock);
	return pg;
}

bool object_mark_dirty(struct vm_object *vo, struct page *pg)
{
	bool was, first;

	spin_lock(&vo->mark_lock);
	was = page_set_flags(pg, PG_DIRTY) & PG_DIRTY;
	first = !was && vo->ndirty == 0;
	if (!was) {
		radix_mark(&vo->vo_pages, pg->index);
		WRITE_ONCE(vo->ndirty, vo->ndirty + 1);
		__atomic_fetch_add(&dirty_pages, 1, __ATOMIC_SEQ_CST);
	}
	spin_unlock(&vo->mark_lock);
	if (first)
		dirty_list_settle(vo);
	return !was;
}

bool object_mark_clean(struct vm_object *vo, struct page *pg)
{
	bool was, last = false;

	if (!page_is(pg, PG_DIRTY))
		return false;
	spin_lock(&vo->mark_lock);
	was = page_clear_flags(pg, PG_DIRTY) & PG_DIRTY;
	if (was) {
		radix_unmark(&vo->vo_pages, pg->index);
		WRITE_ONCE(vo->ndirty, vo->ndirty - 1);
		last = vo->ndirty == 0;
		__atomic_fetch_sub(&dirty_pages, 1, __ATOMIC_RELAXED);
	}
	spin_unlock(&vo->mark_lock);
	if (last)
		dirty_list_settle(vo);
	return was;
}

struct page *vm_object_get_page(struct vm_object *vo, uint64_t off)
{
	dassert(rw_held(&vo->lock));
	if (vo->kind == VMO_PHYS) {
		pfn_t pfn = (vo->base + off) >> PAGE_SHIFT;

		return off < vo->vo_size && pfn < page_array_count ? page_from_pfn(pfn) : NULL;
	}
	return radix_get(&vo->vo_pages, off >> PAGE_SHIFT);
}

struct page *vm_object_insert_page_locked(struct vm_object *vo, pgidx_t idx, struct page **stock)
{
	struct page *pg = radix_get(&vo->vo_pages, idx);

	if (pg)
		return pg;
	if (vo->kind != VMO_ZERO || idx >= object_end(vo) || !*stock)
		return NULL;
	if (object_insert_locked(vo, idx, *stock, PG_VALID))
		return NULL;
	pg = *stock;
	*stock = NULL;
	return pg;
}

struct page *vm_object_alloc_page(struct vm_object *vo, uint64_t off, unsigned order)
{
	struct page *pg, *stock;

	if (order || vo->kind != VMO_ZERO)
		return NULL;
	pg = vm_object_get_page(vo, off);
	if (pg)
		return pg;
	stock = page_alloc(0, ALLOC_ZERO | ALLOC_NORECLAIM);
	pg = vm_object_insert_page_locked(vo, off >> PAGE_SHIFT, &stock);
	if (stock)
		page_free(stock, 0);
	return pg;
}

/* --- translations ---------------------------------------------------------------------------- */

/* Were there translations? */
static bool unmap_in(struct vmap *vm, pgidx_t first, pgidx_t last, bool lower)
{
	pgidx_t base = vm->offset >> PAGE_SHIFT, end = base + vm->npages;
	struct pmap *pm = &vm->ctx->pmap;
	vaddr_t from, to;
	struct tlb_batch tb;
	bool changed;

	if (last < base || first >= end)
		return false;
	from = vm->vaddr + ((MAX(first, base) - base) << PAGE_SHIFT);
	to = vm->vaddr + ((last < end ? last + 1 - base : vm->npages) << PAGE_SHIFT);
	tlb_batch_init(&tb, pm);
	if (lower)
		pmap_lower(pm, from, to, &tb);
	else
		pmap_remove(pm, from, to, &tb);
	/*
	 * What an edit removed or lowered before us may still be in use until its own flush is
	 * through, and the caller goes on when ours is: it has to cover that.
	 */
	tb.whole |= tlb_batch_has_company(&tb);
	changed = tb.n || tb.whole;
	tlb_batch_finish(&tb);
	return changed;
}

bool vm_object_unmap_locked(struct vm_object *vo, pgidx_t first, pgidx_t last, bool lower)
{
	bool changed = false;
	struct vmap *vm;

	dassert(rw_write_held(&vo->lock));
	list_for_each_entry (vm, &vo->vo_mappings, object_link) {
		/* Pages of the lower layer are never writable in a private mapping. */
		if (!lower || vm->type == VMAP_TYPE_SHARED)
			changed |= unmap_in(vm, first, last, lower);
	}
	return changed;
}
