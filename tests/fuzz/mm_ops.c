/* The operations: each is done by the kernel's code and by the model. */
#include "mm_fuzz.h"

#include "abi/mman.h"
#include "mm/access.h"
#include "mm/buddy.h"
#include "mm/cache.h"
#include "mm/mmap.h"
#include "mm/object_pages.h"

static uint32_t next_pin_id;

struct range {
	unsigned first, n;
	vaddr_t va;
	uint64_t len;
};

static struct range choose_range(unsigned max)
{
	static const unsigned sizes[] = {1, 6, 40, 600, WINDOW};
	struct range r;

	if (fuzz_calm && chance(3) && max >= WINDOW) {
		r = (struct range){.first = 0, .n = WINDOW};
	} else {
		r.n = 1 + choose(sizes[choose(fuzz_sparse && max < WINDOW ? 3 : 5)]);
		r.n = r.n > max ? max : r.n;
		r.first = choose(WINDOW - r.n + 1);
	}
	r.va = WINDOW_BASE + r.first * PAGE_SIZE;
	r.len = r.n * PAGE_SIZE;
	return r;
}

static unsigned choose_context(void)
{
	unsigned c;

	do
		c = choose(CONTEXTS);
	while (!contexts[c].ctx);
	return c;
}

static vm_flags_t choose_prot(void)
{
	static const vm_flags_t prots[] = {VM_READ | VM_WRITE, VM_READ | VM_WRITE,
		VM_READ | VM_WRITE, VM_READ, VM_READ | VM_EXEC, 0, VM_RIGHTS};

	return prots[choose(fuzz_calm ? 3 : 7)];
}

/* Does the next operation run out of memory? Then -ENOMEM is an answer, and nothing has changed. */
static bool arm_failure_one_in(unsigned one_in)
{
	bool fail = chance(fuzz_calm ? 25 * one_in : one_in);
	unsigned nth = 1 + choose(chance(2) ? 3 : 20);

	if (fail && chance(2))
		alloc_fail_from_nth(nth);
	else if (fail)
		alloc_fail_nth(nth);
	return fail;
}

static bool arm_failure(void)
{
	return arm_failure_one_in(8);
}

static bool disarm(int err, bool armed)
{
	alloc_fail_nth(0);
	return armed && err == -ENOMEM;
}

/* The page forgets what it was. */
static void page_clear(struct mpage *p)
{
	memset(p, 0, sizeof(*p));
}

static void page_forget_own(struct mpage *p)
{
	p->own = false;
	p->pin_id = 0;
}

static void op_map(void)
{
	struct mcontext *mc = &contexts[choose_context()];
	enum kind kind = 1 + choose(3);
	unsigned o = kind == ANON ? 0 : choose(OBJECTS);
	struct range r = choose_range(kind == ANON && !fuzz_sparse ? WINDOW : OBJECT_PAGES);
	unsigned index = kind == ANON ? 0 : choose(OBJECT_PAGES - r.n + 1);
	bool exact = chance(8), taken = false, armed;
	struct mm_map_request rq = {
		.kind = kind == ANON ? MM_AREA_NORMAL : MM_AREA_FILE,
		.vaddr = r.va,
		.len = r.len - choose(2),
		.vmflags = choose_prot(),
		.map_flags = (exact ? MM_MAP_EXACT : MM_MAP_FIXED) |
			     (kind == SHARED ? MM_MAP_SHARED : 0),
		.content = VMAP_MMAP,
		.object = kind == ANON ? NULL : objects[o].vo,
		.offset = index * PAGE_SIZE,
	};
	vaddr_t out = 0;
	int err;

	for (unsigned i = 0; i < r.n; i++)
		taken |= mc->page[r.first + i].kind != NONE;
	armed = arm_failure();
	err = mm_map(mc->ctx, &rq, &out);
	if (disarm(err, armed))
		return;
	if (exact && taken) {
		must_be(err == -EEXIST, "exact map over something: %d", err);
		return;
	}
	must_be(!err && out == r.va, "map %x of %u pages: %d", kind, r.n, err);
	for (unsigned i = 0; i < r.n; i++) {
		struct mpage *p = &mc->page[r.first + i];

		page_clear(p);
		p->kind = kind;
		p->prot = rq.vmflags;
		p->object = o;
		p->index = index + i;
	}
}

static void op_unmap(void)
{
	struct mcontext *mc = &contexts[choose_context()];
	struct range r = choose_range(WINDOW);
	bool armed = arm_failure();
	int err = munmap(mc->ctx, r.va, r.len - choose(2));

	if (disarm(err, armed))
		return;
	must_be(!err, "munmap: %d", err);
	for (unsigned i = 0; i < r.n; i++)
		page_clear(&mc->page[r.first + i]);
}

static void op_protect(void)
{
	struct mcontext *mc = &contexts[choose_context()];
	struct range r = choose_range(WINDOW);
	vm_flags_t prot = choose_prot();
	bool armed = arm_failure();
	int err = vm_protect(mc->ctx, r.va, r.len, prot, false), want = 0;

	if (disarm(err, armed) && mc->page[r.first].kind != NONE) {
		/* A hole says the same; what lies before it is changed then. */
		for (unsigned i = 0; i < r.n && !want; i++)
			want = mc->page[r.first + i].kind == NONE;
		if (!want)
			return;
		err = vm_protect(mc->ctx, r.va, r.len, prot, false);
		want = 0;
	}
	for (unsigned i = 0; i < r.n && !want; i++) {
		struct mpage *p = &mc->page[r.first + i];

		if (p->kind == NONE)
			want = -ENOMEM;
		else
			p->prot = prot;
	}
	must_be(err == want, "mprotect: %d, not %d", err, want);
}

static void op_fork(void)
{
	unsigned c = choose_context(), d = choose(CONTEXTS);
	struct mm_context *ctx;
	bool armed;

	if (c == d)
		return;
	if (contexts[d].ctx)
		context_destroy(d);
	context_run_on(c, choose(CPUS));
	armed = arm_failure();
	ctx = mm_fork_context(contexts[c].ctx);
	if (disarm(IS_ERR(ctx) ? PTR_ERR(ctx) : 0, armed))
		return;
	must_be(!IS_ERR(ctx), "fork: %ld", PTR_ERR(ctx));
	contexts[d].ctx = ctx;
	for (unsigned i = 0; i < WINDOW; i++) {
		struct mpage *p = &contexts[d].page[i];

		*p = contexts[c].page[i];
		p->pin_id = 0;
		if (p->dontfork)
			page_clear(p);
		else if (p->wipe)
			p->own = false;
	}
}

static void op_exit(void)
{
	unsigned c = choose_context(), left = 0;

	for (unsigned i = 0; i < CONTEXTS; i++)
		left += contexts[i].ctx != NULL;
	if (left > 1)
		context_destroy(c);
}

/* Most often something is mapped there: the next page that is. */
static unsigned choose_page(unsigned c)
{
	unsigned page = chance(4) ? others_recent(choose(64)) : choose(WINDOW);

	if (chance(4))
		return page;
	for (unsigned i = 0; i < WINDOW && contexts[c].page[page].kind == NONE; i++)
		page = (page + 1) % WINDOW;
	return page;
}

static void op_access(void)
{
	unsigned c = choose_context(), n = 1 + choose(fuzz_calm ? 120 : 24);
	unsigned page = choose_page(c);
	unsigned cpu = choose(CPUS), step = choose(4);
	vm_flags_t access = chance(6) ? VM_EXEC : chance(2) ? VM_WRITE : VM_READ;

	for (; n--; page = (page + step) % WINDOW) {
		if (chance(10))
			cpu = choose(CPUS);
		if (chance(4))
			access = chance(2) ? VM_WRITE : VM_READ;
		model_access(c, page, access, cpu);
	}
}

static void op_remap(void)
{
	struct mcontext *mc = &contexts[choose_context()];
	struct range from = choose_range(WINDOW), to = choose_range(WINDOW);
	static struct mpage moved[WINDOW];
	unsigned flags = MREMAP_MAYMOVE | MREMAP_FIXED | (chance(6) ? MREMAP_DONTUNMAP : 0);
	struct vmap *vm = vmap_find(mc->ctx, from.va);
	unsigned limit;
	vaddr_t out;
	bool armed;
	int err;

	if (!vm)
		return;
	from.n = MIN(from.n, (vmap_end(vm) - from.va) >> PAGE_SHIFT);
	if (chance(2) || flags & MREMAP_DONTUNMAP)
		to.n = from.n;
	limit = mc->page[from.first].kind == ANON ? WINDOW
						  : OBJECT_PAGES - mc->page[from.first].index;
	to.n = MIN(to.n, limit);
	to.n = MIN(to.n, WINDOW - to.first);
	if (flags & MREMAP_DONTUNMAP && to.n != from.n)
		return;
	if (to.first < from.first + from.n && from.first < to.first + to.n)
		return;
	armed = arm_failure_one_in(2);
	err = mm_remap(mc->ctx, from.va, from.n * PAGE_SIZE, to.n * PAGE_SIZE, flags, to.va, &out);
	if (disarm(err, armed)) {
		/* A tail that was cut first stays cut. */
		for (unsigned i = to.n; i < from.n; i++) {
			if (!vmap_find(mc->ctx, from.va + i * PAGE_SIZE))
				page_clear(&mc->page[from.first + i]);
		}
		return;
	}
	must_be(!err && out == to.va, "mremap %u to %u pages: %d", from.n, to.n, err);
	for (unsigned i = 0; i < to.n; i++) {
		unsigned src = i < from.n ? i : from.n - 1;

		moved[i] = mc->page[from.first + src];
		if (i >= from.n) {
			page_forget_own(&moved[i]);
			moved[i].index += i - src;
		}
	}
	for (unsigned i = 0; i < from.n; i++) {
		if (flags & MREMAP_DONTUNMAP)
			page_forget_own(&mc->page[from.first + i]);
		else
			page_clear(&mc->page[from.first + i]);
	}
	memcpy(&mc->page[to.first], moved, to.n * sizeof(*moved));
}

/* Grow or shrink in place. */
static void op_resize(void)
{
	struct mcontext *mc = &contexts[choose_context()];
	struct range r = choose_range(WINDOW);
	struct vmap *vm = vmap_find(mc->ctx, r.va);
	struct mpage *first = &mc->page[r.first];
	unsigned n, to;
	vaddr_t out;
	int err;

	if (!vm)
		return;
	n = (vmap_end(vm) - r.va) >> PAGE_SHIFT;
	to = 1 + choose(2 * n);
	if (first->kind != ANON)
		to = MIN(to, OBJECT_PAGES - (unsigned)first->index);
	if (r.first + to > WINDOW)
		return;
	err = mm_remap(mc->ctx, r.va, n * PAGE_SIZE, to * PAGE_SIZE, 0, 0, &out);
	if (err == -ENOMEM && to > n)
		return;
	must_be(!err && out == r.va, "mremap in place: %d", err);
	for (unsigned i = n; i < to; i++) {
		struct mpage *p = &first[i];

		must_be(p->kind == NONE, "mremap grew over page %u", r.first + i);
		*p = first[n - 1];
		page_forget_own(p);
		p->index += i - (n - 1);
	}
	for (unsigned i = to; i < n; i++)
		page_clear(&first[i]);
}

static int want_of_range(const struct mcontext *mc, struct range r, bool anon_only)
{
	int want = 0;

	for (unsigned i = 0; i < r.n; i++) {
		const struct mpage *p = &mc->page[r.first + i];

		if (anon_only && p->kind != ANON && p->kind != NONE)
			return -EINVAL;
		if (p->kind == NONE)
			want = -ENOMEM;
	}
	return want;
}

static void op_advise(void)
{
	static const int advices[] = {MADV_DONTNEED, MADV_DONTNEED, MADV_FREE, MADV_DONTFORK,
		MADV_DOFORK, MADV_WIPEONFORK, MADV_KEEPONFORK};
	struct mcontext *mc = &contexts[choose_context()];
	struct range r = choose_range(WINDOW);
	int advice = advices[choose(7)];
	int want = want_of_range(mc, r, advice == MADV_FREE || advice == MADV_WIPEONFORK);
	int err = mm_advise(mc->ctx, r.va, r.len, advice);

	must_be(err == want, "madvise %d: %d, not %d", advice, err, want);
	for (unsigned i = 0; i < r.n && want != -EINVAL; i++) {
		struct mpage *p = &mc->page[r.first + i];

		if (p->kind == NONE)
			continue;
		if (advice == MADV_DONTNEED || advice == MADV_FREE)
			page_forget_own(p);
		else if (advice == MADV_DONTFORK || advice == MADV_DOFORK)
			p->dontfork = advice == MADV_DONTFORK;
		else
			p->wipe = advice == MADV_WIPEONFORK;
	}
}

static void truncate_to(struct mobject *mo, uint64_t pages)
{
	cache_truncate(mo->vo, pages * PAGE_SIZE);
	for (uint64_t i = pages; i < OBJECT_PAGES; i++) {
		memset(&mo->cell[i], 0, sizeof(mo->cell[i]));
		memset(mo->disk[i], 0, sizeof(mo->disk[i]));
		mo->pin_id[i] = 0;
	}
	for (unsigned c = 0; c < CONTEXTS && pages < mo->pages; c++) {
		for (unsigned i = 0; i < WINDOW && contexts[c].ctx; i++) {
			struct mpage *p = &contexts[c].page[i];

			if (p->kind == FILE_PRIVATE && &objects[p->object] == mo &&
				p->index >= pages)
				page_forget_own(p);
		}
	}
	mo->pages = pages;
}

/* Often there and back, so that what was past the end would show. */
static void op_truncate(void)
{
	struct mobject *mo = &objects[choose(OBJECTS)];
	uint64_t old = mo->pages;

	truncate_to(mo, choose(OBJECT_PAGES + 1));
	if (mo->pages < old && chance(2)) {
		truncate_to(mo, old);
		model_check_all();
	}
}

/* "Page tables are a cache": forget one. */
static void op_drop_translations(void)
{
	struct mm_context *ctx = contexts[choose_context()].ctx;
	struct tlb_batch tb;

	rw_write_lock(&ctx->mm_lock);
	tlb_batch_init(&tb, &ctx->pmap);
	pmap_remove_all(&ctx->pmap, &tb);
	tlb_batch_finish(&tb);
	rw_write_unlock(&ctx->mm_lock);
}

static void op_cache(void)
{
	struct mobject *mo = &objects[OBJECTS / 2 + choose(OBJECTS / 2)];
	uint64_t some = choose(8);
	struct page *pg;
	unsigned idx, k;
	int err;

	if (chance(2)) {
		err = cache_write_back(mo->vo, 0, UINT64_MAX);
		must_be(!err || err == -EIO, "write-back: %d", err);
		for (unsigned i = 0; !err && i < mo->pages; i++)
			must_be(!memcmp(mo->disk[i], mo->cell[i].b, SAMPLES),
				"page %u was not written back", i);
	}
	if (chance(3))
		cache_drop_clean(mo->vo);
	if (chance(3))
		(void)cache_sweep(mo->vo, &some, chance(2));
	if (chance(2) || !mo->pages)
		return;
	/* As write(2) would. */
	idx = choose(mo->pages);
	k = choose(SAMPLES);
	if (cache_get(mo->vo, idx, 0, &pg) != 0)
		return;
	mo->cell[idx].b[k] = choose(256);
	((uint8_t *)page_virt(pg))[sample_offset(k)] = mo->cell[idx].b[k];
	cache_mark_dirty(pg);
	cache_put(pg);
}

static void other_access(unsigned c, unsigned page)
{
	unsigned k = choose(SAMPLES);
	struct mpage *p = &contexts[c].page[page];
	vaddr_t va = WINDOW_BASE + page * PAGE_SIZE + sample_offset(k);
	bool write = chance(2);
	uint8_t b = choose(256);

	if (p->kind == NONE || mm_access(contexts[c].ctx, va, &b, 1, write, chance(3)) != 1)
		return;
	if (!write) {
		must_be(b == model_cell(p)->b[k], "mm_access read %02x, not %02x", b,
			model_cell(p)->b[k]);
		return;
	}
	must_be(p->kind != SHARED || p->prot & VM_WRITE, "shared page written by force");
	if (p->kind != SHARED && !p->own) {
		p->cell = *model_cell(p);
		p->own = true;
	}
	model_cell(p)->b[k] = b;
}

/* The kernel's use of another context's memory, also by force (ptrace). */
static void op_other_access(void)
{
	unsigned c = choose_context();

	for (unsigned n = 1 + choose(8); n--;)
		other_access(c, choose_page(c));
}

static void protect_area(struct mcontext *mc, struct range r, vm_flags_t prot)
{
	int err = vm_protect(mc->ctx, r.va, r.len, prot, false);

	must_be(!err, "mprotect of an area: %d", err);
	for (unsigned i = 0; i < r.n; i++)
		mc->page[r.first + i].prot = prot;
}

/* As a debugger sets a breakpoint: an area that is read-only for a while is written by force. */
static void op_debug(void)
{
	unsigned c = choose_context(), page = choose_page(c), left;
	struct mcontext *mc = &contexts[c];
	struct vmap *vm = vmap_find(mc->ctx, WINDOW_BASE + page * PAGE_SIZE);
	struct range r = {.first = page, .n = 1};

	if (!vm || !(vm->vmflags & VM_WRITE))
		return;
	r.va = vm->vaddr;
	r.first = (vm->vaddr - WINDOW_BASE) >> PAGE_SHIFT;
	r.n = vm->npages;
	r.len = r.n * PAGE_SIZE;
	left = r.n - (page - r.first);
	protect_area(mc, r, VM_READ);
	other_access(c, page);
	protect_area(mc, r, VM_READ | VM_WRITE);
	model_access(c, page + choose(MIN(left, 4u)), VM_WRITE, choose(CPUS));
}

/*
 * Pins
 */

static struct mpin *pin_slot(bool used)
{
	unsigned start = choose(PINS);

	for (unsigned i = 0; i < PINS; i++) {
		if (!!pins[(start + i) % PINS].id == used)
			return &pins[(start + i) % PINS];
	}
	return NULL;
}

static void op_pin(void)
{
	unsigned c = choose_context();
	unsigned page = choose_page(c);
	struct mpage *p = &contexts[c].page[page];
	struct mpin *pin = pin_slot(false);
	uint32_t *name = p->kind == SHARED ? &objects[p->object].pin_id[p->index] : &p->pin_id;
	vm_flags_t access = chance(2) ? VM_WRITE : VM_READ;

	if (!pin || p->kind == NONE || *name)
		return;
	if (mm_pin_page(contexts[c].ctx, WINDOW_BASE + page * PAGE_SIZE, access, &pin->page) != 0)
		return;
	others_note(page);
	if (access == VM_READ && p->kind != SHARED && !p->own) {
		/*
		 * A page below, which the first write leaves: it shows the same now, that is all.
		 */
		for (unsigned k = 0; k < SAMPLES; k++)
			must_be(((uint8_t *)page_virt(pin->page))[sample_offset(k)] ==
					model_cell(p)->b[k],
				"a pin for reading shows another page");
		mm_unpin_page(contexts[c].ctx, pin->page);
		return;
	}
	pin->ctx = contexts[c].ctx;
	pin->id = *name = ++next_pin_id;
	if (p->kind != SHARED && !p->own) {
		p->cell = *model_cell(p);
		p->own = true;
	}
}

/* The cell that the pin's frame is seen by, or NULL: nobody sees it any more. */
static struct cell *pin_cell(const struct mpin *pin)
{
	for (unsigned o = 0; o < OBJECTS; o++) {
		for (unsigned i = 0; i < OBJECT_PAGES; i++) {
			if (objects[o].pin_id[i] == pin->id)
				return &objects[o].cell[i];
		}
	}
	for (unsigned c = 0; c < CONTEXTS; c++) {
		for (unsigned i = 0; i < WINDOW; i++) {
			if (contexts[c].page[i].pin_id == pin->id)
				return &contexts[c].page[i].cell;
		}
	}
	return NULL;
}

/* A device writes to memory, whichever context is loaded. */
static void op_io(void)
{
	struct mpin *pin = pin_slot(true);
	unsigned k = choose(SAMPLES);
	struct cell *cell;
	uint8_t b = choose(256);

	if (!pin)
		return;
	((uint8_t *)page_virt(pin->page))[sample_offset(k)] = b;
	cache_mark_dirty(pin->page);
	cell = pin_cell(pin);
	if (cell)
		cell->b[k] = b;
}

static void op_unpin(void)
{
	struct mpin *pin = pin_slot(true);

	if (!pin)
		return;
	for (unsigned o = 0; o < OBJECTS; o++) {
		for (unsigned i = 0; i < OBJECT_PAGES; i++) {
			if (objects[o].pin_id[i] == pin->id)
				objects[o].pin_id[i] = 0;
		}
	}
	for (unsigned c = 0; c < CONTEXTS; c++) {
		for (unsigned i = 0; i < WINDOW; i++) {
			if (contexts[c].page[i].pin_id == pin->id)
				contexts[c].page[i].pin_id = 0;
		}
	}
	mm_unpin_page(pin->ctx, pin->page);
	pin->id = 0;
}

struct op {
	void (*fn)(void);
	const char *name;
	unsigned weight, weight_calm;
	enum others others; /* what the other CPUs do meanwhile */
};

static const struct op ops[] = {
	{op_map, "map", 10, 4, OTHERS_STORE},
	{op_unmap, "unmap", 6, 1, OTHERS_STORE},
	{op_protect, "protect", 8, 1, OTHERS_STORE},
	{op_fork, "fork", 8, 8, OTHERS_STORE},
	{op_exit, "exit", 3, 8, OTHERS_WALK},
	{op_access, "access", 40, 60, OTHERS_WALK},
	{op_remap, "remap", 6, 1, OTHERS_STORE},
	{op_resize, "resize", 3, 1, OTHERS_STORE},
	{op_advise, "advise", 5, 1, OTHERS_STORE},
	{op_truncate, "truncate", 2, 1, OTHERS_STORE},
	{op_drop_translations, "drop translations", 2, 1, OTHERS_STORE},
	{op_cache, "cache", 5, 3, OTHERS_STORE},
	{op_other_access, "other access", 4, 2, OTHERS_WALK},
	{op_debug, "debug", 3, 2, OTHERS_WALK},
	{op_pin, "pin", 4, 2, OTHERS_WALK},
	{op_io, "io", 4, 2, OTHERS_REST},
	{op_unpin, "unpin", 3, 2, OTHERS_STORE},
};

void fuzz_one_op(void)
{
	unsigned total = 0, at;

	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++)
		total += fuzz_calm ? ops[i].weight_calm : ops[i].weight;
	at = choose(total);
	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++) {
		unsigned w = fuzz_calm ? ops[i].weight_calm : ops[i].weight;

		if (at < w) {
			if (fuzz_verbose)
				fprintf(stderr, "%lu: %s\n", fuzz_step, ops[i].name);
			host_enter_cpu(choose(CPUS));
			others_do(ops[i].others);
			ops[i].fn();
			others_do(OTHERS_REST);
			return;
		}
		at -= w;
	}
}
