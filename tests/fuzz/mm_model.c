/* The model's side of the fuzzer: contexts, objects with a pager, accesses, comparisons. */
#include "mm_fuzz.h"

#include <stdarg.h>

#include "mm/access.h"
#include "mm/buddy.h"
#include "mm/cache.h"
#include "mm/fault.h"
#include "mm/slab.h"
#include "mm/verify.h"
#include "softmmu.h"

struct mcontext contexts[CONTEXTS];
struct mobject objects[OBJECTS];
struct mpin pins[PINS];
uint64_t fuzz_seed, fuzz_step;
bool fuzz_calm, fuzz_sparse, fuzz_verbose;
static uint64_t frames_before;

void fuzz_fail(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "fuzz_mm: seed %lu step %lu: ", fuzz_seed, fuzz_step);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	abort();
}

size_t sample_offset(unsigned i)
{
	return i * (PAGE_SIZE / SAMPLES) + i * 3;
}

/*
 * Pager
 */

static int pager_fill(struct vm_object *vo, struct page **pages, unsigned n)
{
	struct mobject *mo = vo->owner;

	if (chance(50))
		return -EIO;
	for (unsigned i = 0; i < n; i++) {
		char *to = page_virt(pages[i]);

		memset(to, 0, PAGE_SIZE);
		for (unsigned k = 0; k < SAMPLES; k++)
			to[sample_offset(k)] = mo->disk[pages[i]->index][k];
	}
	return 0;
}

static int pager_write(struct vm_object *vo, struct page **pages, unsigned n)
{
	struct mobject *mo = vo->owner;

	if (chance(20))
		return -EIO;
	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = 0; k < SAMPLES; k++)
			mo->disk[pages[i]->index][k] =
				((uint8_t *)page_virt(pages[i]))[sample_offset(k)];
	}
	return 0;
}

static int pager_make_writable(struct vm_object *vo, pgidx_t idx)
{
	(void)vo;
	(void)idx;
	return chance(40) ? -ENOSPC : 0;
}

static const struct vm_object_ops pager_ops = {
	.fill = pager_fill,
	.write = pager_write,
	.make_writable = pager_make_writable,
};

/*
 * Begin and end
 */

static uint64_t free_frames(void)
{
	pmap_drain();
	slab_reap();
	buddy_drain();
	return buddy_free_frames();
}

void model_begin(void)
{
	memset(contexts, 0, sizeof(contexts));
	memset(objects, 0, sizeof(objects));
	memset(pins, 0, sizeof(pins));
	frames_before = free_frames();
	for (unsigned i = 0; i < OBJECTS; i++) {
		struct mobject *mo = &objects[i];

		mo->file = i >= OBJECTS / 2;
		mo->pages = OBJECT_PAGES / 2 + choose(OBJECT_PAGES / 2);
		if (mo->file) {
			for (unsigned p = 0; p < mo->pages; p++) {
				for (unsigned k = 0; k < SAMPLES; k++)
					mo->disk[p][k] = mo->cell[p].b[k] = choose(256);
			}
			mo->vo = vm_object_create_file(
				"file", mo->pages * PAGE_SIZE, &pager_ops, mo);
		} else {
			mo->vo = vm_object_create("zero", mo->pages * PAGE_SIZE, VM_RIGHTS);
		}
	}
	contexts[0].ctx = mm_create_context();
}

void context_run_on(unsigned c, unsigned cpu)
{
	struct pmap *pm = &contexts[c].ctx->pmap;

	host_enter_cpu(cpu);
	if (this_cpu()->loaded != pm)
		pmap_load(pm);
}

void context_destroy(unsigned c)
{
	struct mcontext *mc = &contexts[c];

	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		host_enter_cpu(cpu);
		if (this_cpu()->loaded == &mc->ctx->pmap)
			pmap_load(NULL);
	}
	for (unsigned i = 0; i < PINS; i++) {
		if (pins[i].id && pins[i].ctx == mc->ctx) {
			mm_unpin_page(pins[i].ctx, pins[i].page);
			pins[i].id = 0;
		}
	}
	mm_put_context(mc->ctx);
	memset(mc, 0, sizeof(*mc));
}

void model_end(void)
{
	for (unsigned c = 0; c < CONTEXTS; c++) {
		if (contexts[c].ctx)
			context_destroy(c);
	}
	host_enter_cpu(0);
	for (unsigned i = 0; i < OBJECTS; i++) {
		cache_discard(objects[i].vo);
		vm_object_put(objects[i].vo);
	}
	must_be(free_frames() == frames_before, "leak: %lu frames free, %lu before", free_frames(),
		frames_before);
}

/*
 * Accesses
 */

struct cell *model_cell(struct mpage *p)
{
	static struct cell zeros;

	if (p->own)
		return &p->cell;
	if (p->kind == ANON) {
		memset(&zeros, 0, sizeof(zeros));
		return &zeros;
	}
	return &objects[p->object].cell[p->index];
}

/* What the fault should say in the end, or 0. */
static int expected_error(const struct mpage *p, vm_flags_t access)
{
	if (p->kind == NONE)
		return -EFAULT;
	if (!(p->prot & (access == VM_READ ? VM_RIGHTS : access)))
		return -EACCES;
	if (p->kind != ANON && p->index >= objects[p->object].pages)
		return -ENXIO;
	return 0;
}

static bool is_transient(const struct mpage *p, int err, bool may_fail)
{
	if (err == -ENOMEM && may_fail)
		return true;
	/* The pager says so from time to time. */
	return err == -EIO && p->kind != ANON && objects[p->object].file;
}

static int access_byte(
	struct mm_context *ctx, vaddr_t va, uint8_t *b, vm_flags_t access, unsigned *faults)
{
	while (softmmu_access(va, b, 1, access) != MMU_OK) {
		int err = mm_handle_fault(ctx, va, access);

		if (err)
			return err;
		must_be(++*faults < 4, "va %lx: the fault does not help", va);
	}
	return 0;
}

void model_access(unsigned c, unsigned page, vm_flags_t access, unsigned cpu)
{
	struct mcontext *mc = &contexts[c];
	struct mpage *p = &mc->page[page];
	unsigned k = choose(SAMPLES), faults = 0;
	vaddr_t va = WINDOW_BASE + page * PAGE_SIZE + sample_offset(k);
	uint8_t b = choose(256);
	int want = expected_error(p, access), err;
	bool fail = chance(fuzz_calm ? 400 : 25);

	context_run_on(c, cpu);
	if (fail)
		alloc_fail_nth(1 + choose(6));
	err = access_byte(mc->ctx, va, &b, access, &faults);
	alloc_fail_nth(0);
	if (want || err) {
		must_be(err == want || is_transient(p, err, fail),
			"ctx %u page %u access %x: %d, not %d", c, page, access, err, want);
		return;
	}
	if (access == VM_WRITE) {
		others_note(page);
		if (p->kind != SHARED && !p->own) {
			p->cell = *model_cell(p);
			p->own = true;
		}
		model_cell(p)->b[k] = b;
	} else {
		must_be(b == model_cell(p)->b[k], "ctx %u page %u byte %u: %02x, not %02x", c, page,
			k, b, model_cell(p)->b[k]);
	}
}

static void check_page(unsigned c, unsigned page, unsigned cpu)
{
	struct mpage *p = &contexts[c].page[page];
	uint8_t b = 0;
	unsigned faults = 0;

	for (unsigned k = 0; k < SAMPLES; k++) {
		int err = access_byte(contexts[c].ctx,
			WINDOW_BASE + page * PAGE_SIZE + sample_offset(k), &b, VM_READ, &faults);

		if (is_transient(p, err, false))
			return;
		must_be(err == 0, "ctx %u page %u: %d", c, page, err);
		must_be(b == model_cell(p)->b[k], "ctx %u cpu %u page %u byte %u: %02x, not %02x",
			c, cpu, page, k, b, model_cell(p)->b[k]);
	}
}

void model_check_all(void)
{
	enum others others = others_do(OTHERS_REST);

	for (unsigned c = 0; c < CONTEXTS; c++) {
		unsigned cpu = choose(CPUS);

		if (!contexts[c].ctx)
			continue;
		context_run_on(c, cpu);
		for (unsigned i = 0; i < WINDOW; i++) {
			if (!expected_error(&contexts[c].page[i], VM_READ))
				check_page(c, i, cpu);
		}
	}
	others_do(others);
}

void model_verify(bool counts)
{
	struct mm_context *ctxs[CONTEXTS];
	struct vm_object *vos[OBJECTS];
	unsigned n = 0;

	for (unsigned c = 0; c < CONTEXTS; c++) {
		struct mm_context *ctx = contexts[c].ctx;

		if (!ctx)
			continue;
		rw_write_lock(&ctx->mm_lock);
		mm_verify_context(ctx);
		softmmu_verify(&ctx->pmap);
		rw_write_unlock(&ctx->mm_lock);
		ctxs[n++] = ctx;
	}
	for (unsigned i = 0; i < OBJECTS; i++)
		vos[i] = objects[i].vo;
	if (counts)
		mm_verify_counts(ctxs, n, vos, OBJECTS);
}
