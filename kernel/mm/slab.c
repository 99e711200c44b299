/*
 * slab: kernel objects of one size.
 *
 * A slab is a run of frames cut into objects. Its state lies in the descriptor of its first frame:
 * shares = 1 + index of the first free object (0: none), pins = id of the cache, aux = objects that
 * are out. A free object holds the number of the next one in its link word: at its start, or, where
 * a constructor made a state that must stay, behind it.
 *
 *	partial: some objects are free, in a list
 *	full:    none is, in no list
 *	empty:   all are; a few such slabs are kept
 *
 * In front of the slabs each CPU has a magazine of free objects per cache, made when it is first
 * needed, used with interrupts off and emptied by cpu_call (slab_reap).
 *
 * Locks: cache->lock (80, interrupts off): lists, counts, slab state. Caches are never unlinked
 * from the table, only marked unused.
 */
#include "mm/slab_internal.h"
#include "cpu.h"
#include "lib/assert.h"
#include "sync/spinlock.h"
#include "lib/list.h"
#include "lib/string.h"
#include "mm/physmap.h"
#include "mm/slab_debug.h"
#include "panic.h"

#define CACHES_MAX    128
#define MAGAZINE_MOVE 15
#define ORDER_MAX     3
#define EMPTY_KEPT    2

static struct slab_cache cache_of_caches, cache_of_magazines;
static struct slab_cache *caches[CACHES_MAX];
static unsigned ncaches;
static struct spinlock table_lock = SPINLOCK_INIT(RANK_FILES, "slab table");

/* --- slabs ----------------------------------------------------------------------------------- */

static void *slab_object(const struct slab_cache *c, const struct page *pg, unsigned i)
{
	return (char *)page_virt(pg) + i * c->stride;
}

static uint64_t *link_of(const struct slab_cache *c, void *obj)
{
	return (uint64_t *)((char *)obj + c->link_off);
}

static unsigned order_of(const struct slab_cache *c, const struct page *pg)
{
	return page_is(pg, PG_SMALL) ? 0 : c->order;
}

static unsigned objects_of(const struct slab_cache *c, const struct page *pg)
{
	return page_is(pg, PG_SMALL) ? c->per_frame : c->per_slab;
}

/*
 * Frames for a slab, marked as such. Several in a row may be out of reach although there are
 * frames: nothing waits for them, a single one does as well if it has room for an object.
 */
static struct page *slab_frames(const struct slab_cache *c, unsigned flags)
{
	struct page *pg = NULL;
	bool small = false;

	flags &= ~ALLOC_ZERO;
	if (c->order && c->per_frame) {
		pg = page_alloc(c->order, flags | ALLOC_NORECLAIM);
		small = !pg;
	}
	if (!pg)
		pg = page_alloc(small ? 0 : c->order, flags);
	if (pg)
		WRITE_ONCE(pg->flags, PG_SLAB | (small ? PG_SMALL : 0));
	return pg;
}

/* A new slab with all objects constructed and free; in no list yet. */
static struct page *slab_make(struct slab_cache *c, unsigned flags)
{
	struct page *pg = slab_frames(c, flags);
	unsigned n;

	if (!pg)
		return NULL;
	for (unsigned i = 1; i < 1u << order_of(c, pg); i++) {
		WRITE_ONCE(pg[i].flags, PG_SLAB | PG_TAIL);
		pg[i].owner = (struct vm_object *)pg;
	}
	pg->pins = c->id;
	pg->shares = 1;
	pg->aux = 0;
	n = objects_of(c, pg);
	for (unsigned i = 0; i < n; i++) {
		void *obj = slab_object(c, pg, i);

		if (c->ctor)
			c->ctor(obj);
		debug_mark_free(c, obj);
		*link_of(c, obj) = i + 1 < n ? i + 2 : 0;
	}
	return pg;
}

static void slab_unmake_locked(struct slab_cache *c, struct page *pg)
{
	unsigned order = order_of(c, pg);

	assert(pg->aux == 0);
	WRITE_ONCE(c->nslabs, c->nslabs - 1);
	WRITE_ONCE(c->nframes, c->nframes - (1u << order));
	WRITE_ONCE(c->nobjects, c->nobjects - objects_of(c, pg));
	pg->counts = 0;
	page_free(pg, order);
}

/* Take one object out of a slab; NULL: no slab has a free one. */
static void *object_take_locked(struct slab_cache *c)
{
	struct page *pg;
	void *obj;

	if (list_empty(&c->partial)) {
		if (list_empty(&c->empty))
			return NULL;
		pg = list_first_entry(&c->empty, struct page, link);
		list_remove(&pg->link);
		WRITE_ONCE(c->nempty, c->nempty - 1);
		list_add(&c->partial, &pg->link);
	}
	pg = list_first_entry(&c->partial, struct page, link);
	obj = slab_object(c, pg, pg->shares - 1);
	pg->shares = (uint32_t)*link_of(c, obj);
	if (SLAB_DEBUG && c->link_off == 0)
		memset(link_of(c, obj), POISON_BYTE, sizeof(uint64_t));
	pg->aux++;
	WRITE_ONCE(c->nout, c->nout + 1);
	if (pg->shares == 0)
		list_remove(&pg->link);
	return obj;
}

static void object_return_locked(struct slab_cache *c, void *obj)
{
	struct page *pg = slab_of(obj);
	size_t off = (size_t)((char *)obj - (char *)page_virt(pg));

	*link_of(c, obj) = pg->shares;
	if (pg->shares == 0)
		list_add(&c->partial, &pg->link);
	pg->shares = (uint32_t)(off / c->stride) + 1;
	WRITE_ONCE(c->nout, c->nout - 1);
	if (--pg->aux > 0)
		return;
	list_remove(&pg->link);
	if (c->nempty < EMPTY_KEPT) {
		list_add(&c->empty, &pg->link);
		WRITE_ONCE(c->nempty, c->nempty + 1);
	} else {
		slab_unmake_locked(c, pg);
	}
}

/* --- magazines ------------------------------------------------------------------------------- */

static void magazine_push(struct magazine *m, void *obj)
{
	m->obj[m->n] = obj;
	WRITE_ONCE(m->n, m->n + 1);
}

static void *magazine_pop(struct magazine *m)
{
	uint64_t n = m->n - 1;

	WRITE_ONCE(m->n, n);
	return m->obj[n];
}

/* This CPU's magazine of the cache, made if there is none; NULL: do without. => interrupts off */
static struct magazine *magazine_make(struct slab_cache *c)
{
	struct magazine *m;

	if (!c->magazines)
		return NULL;
	spin_lock(&cache_of_magazines.lock);
	m = object_take_locked(&cache_of_magazines);
	spin_unlock(&cache_of_magazines.lock);
	if (!m)
		return NULL;
	debug_on_alloc(&cache_of_magazines, m);
	m->n = 0;
	STORE_RELEASE(c->mag[cpu_id()], m);
	return m;
}

/* One object from the slabs; more of them go into the magazine. => interrupts off */
static void *alloc_from_slabs(struct slab_cache *c)
{
	struct magazine *m = c->mag[cpu_id()];
	void *obj;

	if (!m)
		m = magazine_make(c);
	spin_lock(&c->lock);
	obj = object_take_locked(c);
	while (obj && m && m->n < MAGAZINE_MOVE) {
		void *more = object_take_locked(c);

		if (!more)
			break;
		magazine_push(m, more);
	}
	spin_unlock(&c->lock);
	return obj;
}

/* A slab for the cache, made with nothing locked. */
static bool cache_grow(struct slab_cache *c, unsigned flags)
{
	struct page *pg = slab_make(c, flags);
	irqflags_t irq;

	if (!pg)
		return false;
	irq = spin_lock_irqsave(&c->lock);
	list_add(&c->empty, &pg->link);
	WRITE_ONCE(c->nempty, c->nempty + 1);
	WRITE_ONCE(c->nslabs, c->nslabs + 1);
	WRITE_ONCE(c->nframes, c->nframes + (1u << order_of(c, pg)));
	WRITE_ONCE(c->nobjects, c->nobjects + objects_of(c, pg));
	spin_unlock_irqrestore(&c->lock, irq);
	return true;
}

/* Let there be a slab with a free magazine, if there is memory for one. */
static void magazines_reserve(unsigned flags)
{
	struct slab_cache *c = &cache_of_magazines;

	if (READ_ONCE(c->nout) == READ_ONCE(c->nobjects))
		(void)cache_grow(c, flags | ALLOC_NORECLAIM);
}

/* A free object becomes the caller's. */
static inline void *object_hand_out(struct slab_cache *c, void *obj, unsigned flags)
{
	debug_on_alloc(c, obj);
	if (flags & ALLOC_ZERO) {
		dassert(!c->ctor);
		memset(obj, 0, c->size);
	}
	return obj;
}

/* The CPU has no free object at hand. */
static __noinline void *slab_alloc_slow(struct slab_cache *c, unsigned flags)
{
	for (;;) {
		irqflags_t irq = irq_save();
		bool has_magazine = c->mag[cpu_id()] != NULL;
		void *obj = alloc_from_slabs(c);

		irq_restore(irq);
		if (obj)
			return object_hand_out(c, obj, flags);
		if (!has_magazine && c->magazines)
			magazines_reserve(flags);
		if (!cache_grow(c, flags))
			return NULL;
	}
}

void *slab_alloc(struct slab_cache *c, unsigned flags)
{
	struct magazine *m;
	irqflags_t irq;
	void *obj;

	if (alloc_should_fail())
		return NULL;
	irq = irq_save();
	m = c->mag[cpu_id()];
	if (unlikely(!m || !m->n)) {
		irq_restore(irq);
		return slab_alloc_slow(c, flags);
	}
	obj = magazine_pop(m);
	irq_restore(irq);
	return object_hand_out(c, obj, flags);
}

/* The magazine is full, or there is none. => interrupts off */
static __noinline void slab_free_slow(struct slab_cache *c, struct magazine *m, void *obj)
{
	spin_lock(&c->lock);
	object_return_locked(c, obj);
	while (m && m->n > MAGAZINE_SIZE - MAGAZINE_MOVE)
		object_return_locked(c, magazine_pop(m));
	spin_unlock(&c->lock);
}

void slab_free(struct slab_cache *c, void *obj)
{
	irqflags_t irq;
	struct magazine *m;

	dassert(page_type(slab_of(obj)) == PG_SLAB && slab_of(obj)->pins == c->id);
	debug_on_free(c, obj);
	irq = irq_save();
	m = c->mag[cpu_id()];
	if (likely(m && m->n < MAGAZINE_SIZE))
		magazine_push(m, obj);
	else
		slab_free_slow(c, m, obj);
	irq_restore(irq);
}

/* --- caches ---------------------------------------------------------------------------------- */

static void choose_order(struct slab_cache *c)
{
	for (c->order = 0; c->order < ORDER_MAX; c->order++) {
		size_t bytes = PAGE_SIZE << c->order;
		size_t n = bytes / c->stride;

		if (n && (bytes - n * c->stride) * 8 <= bytes)
			break;
	}
	c->per_slab = (unsigned)((PAGE_SIZE << c->order) / c->stride);
	c->per_frame = (unsigned)(PAGE_SIZE / c->stride);
	assert(c->per_slab > 0);
}

static void cache_setup(
	struct slab_cache *c, const char *name, size_t size, size_t align, void (*ctor)(void *))
{
	bool natural = align == size && size >= 16;

	memset(c, 0, sizeof(*c));
	spin_init(&c->lock, RANK_SLAB, "slab");
	str_copy(c->name, name, sizeof(c->name));
	c->size = MAX(size, sizeof(uint64_t));
	c->ctor = ctor;
	list_init(&c->partial);
	list_init(&c->empty);
	c->stride = ALIGN_UP(c->size, sizeof(uint64_t));
	if (SLAB_DEBUG && !natural) {
		c->guard_off = c->stride;
		c->stride += sizeof(uint64_t);
	}
	if (ctor || (SLAB_DEBUG && !natural)) {
		c->link_off = c->stride;
		c->stride += sizeof(uint64_t);
	}
	c->stride = ALIGN_UP(c->stride, MAX(align, sizeof(uint64_t)));
	choose_order(c);
	c->live = true;
}

static void cache_register(struct slab_cache *c)
{
	spin_lock(&table_lock);
	assert(ncaches < CACHES_MAX);
	c->id = ncaches;
	STORE_RELEASE(caches[ncaches], c);
	WRITE_ONCE(ncaches, ncaches + 1);
	spin_unlock(&table_lock);
}

/* A struct that slab_cache_destroy left, or NULL. */
static struct slab_cache *cache_recycle(void)
{
	struct slab_cache *found = NULL;

	spin_lock(&table_lock);
	for (unsigned i = 0; i < ncaches && !found; i++) {
		if (!caches[i]->live) {
			found = caches[i];
			found->live = true;
		}
	}
	spin_unlock(&table_lock);
	return found;
}

struct slab_cache *slab_cache_create(
	const char *name, size_t size, size_t align, void (*ctor)(void *obj))
{
	struct slab_cache *c = cache_recycle();

	if (c) {
		unsigned id = c->id;

		cache_setup(c, name, size, align, ctor);
		c->id = id;
	} else {
		c = slab_alloc(&cache_of_caches, 0);
		if (!c)
			panic("no memory for the slab cache %s", name);
		cache_setup(c, name, size, align, ctor);
		cache_register(c);
	}
	c->magazines = true;
	return c;
}

/* Objects and magazine of one cache on this CPU go back to their slabs. => interrupts off */
static void magazine_flush(struct slab_cache *c)
{
	struct magazine *m = c->mag[cpu_id()];

	if (!m)
		return;
	c->mag[cpu_id()] = NULL;
	spin_lock(&c->lock);
	while (m->n)
		object_return_locked(c, magazine_pop(m));
	spin_unlock(&c->lock);
	debug_on_free(&cache_of_magazines, m);
	spin_lock(&cache_of_magazines.lock);
	object_return_locked(&cache_of_magazines, m);
	spin_unlock(&cache_of_magazines.lock);
}

static void flush_all_caches(void *arg)
{
	unsigned n = LOAD_ACQUIRE(ncaches);

	(void)arg;
	for (unsigned i = 0; i < n; i++)
		magazine_flush(caches[i]);
}

static uint64_t cache_shrink(struct slab_cache *c)
{
	uint64_t frames = 0;
	irqflags_t irq = spin_lock_irqsave(&c->lock);

	while (!list_empty(&c->empty)) {
		struct page *pg = list_first_entry(&c->empty, struct page, link);

		list_remove(&pg->link);
		WRITE_ONCE(c->nempty, c->nempty - 1);
		frames += (uint64_t)1 << order_of(c, pg);
		slab_unmake_locked(c, pg);
	}
	spin_unlock_irqrestore(&c->lock, irq);
	return frames;
}

uint64_t slab_reap(void)
{
	uint64_t frames = 0, before = buddy_free_frames();
	unsigned n = LOAD_ACQUIRE(ncaches);

	cpu_call(cpu_online_set(), flush_all_caches, NULL);
	for (unsigned i = 0; i < n; i++)
		frames += cache_shrink(caches[i]);
	/* Slabs that ran empty during the flush beyond the few that are kept went back at once. */
	return MAX(frames, buddy_free_frames() - MIN(before, buddy_free_frames()));
}

void slab_cache_destroy(struct slab_cache *c)
{
	(void)slab_reap();
	if (c->nslabs)
		panic("slab %s is destroyed with %llu objects in use", c->name,
			(unsigned long long)c->nout);
	spin_lock(&table_lock);
	c->live = false;
	spin_unlock(&table_lock);
}

struct slab_cache *slab_cache_of(const struct page *pg)
{
	return caches[pg->pins];
}

bool slab_stat_nth(unsigned n, struct slab_stat *st)
{
	struct slab_cache *c = NULL;
	uint64_t held = 0;

	for (unsigned i = 0; i < LOAD_ACQUIRE(ncaches); i++) {
		if (caches[i]->live && n-- == 0) {
			c = caches[i];
			break;
		}
	}
	if (!c)
		return false;
	for (unsigned i = 0; i < CPU_MAX; i++) {
		struct magazine *m = LOAD_ACQUIRE(c->mag[i]);

		held += m ? READ_ONCE(m->n) : 0;
	}
	st->name = c->name;
	st->object_size = c->size;
	st->slabs = READ_ONCE(c->nslabs);
	st->objects = READ_ONCE(c->nobjects);
	st->in_use = READ_ONCE(c->nout) - MIN(held, READ_ONCE(c->nout));
	st->pages = READ_ONCE(c->nframes);
	st->objects_per_slab = c->per_slab;
	st->pages_per_slab = 1u << c->order;
	return true;
}

void slab_init(void)
{
	cache_setup(&cache_of_caches, "slab_cache", sizeof(struct slab_cache), 64, NULL);
	cache_register(&cache_of_caches);
	cache_setup(&cache_of_magazines, "slab_magazine", sizeof(struct magazine), 8, NULL);
	cache_register(&cache_of_magazines);
	kmalloc_init();
}
