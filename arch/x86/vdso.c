/*
 * The vDSO's pages: the code, one set of frames for all programs, mapped privately so that a
 * debugger's breakpoint is its own; and the clock page, an area whose handler supplies the one page
 * that the clock code writes. Until that page is there the clock code writes to a spare.
 */
#include "vdso.h"

#include "klog.h"
#include "lib/string.h"
#include "mm/buddy.h"
#include "mm/mmap.h"
#include "mm/paging.h"
#include "mm/physmap.h"
#include "panic.h"
#include "sync/spinlock.h"
#include "vdso/vdso_data.h"

extern const char vdso_image_start[], vdso_image_end[];

#define CODE_FLAGS (VM_USER | VM_READ | VM_EXEC | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC)

static struct page *code; /* consecutive frames */
static size_t code_pages;
static struct page *clock_page;
static struct vdso_data early_data, *data = &early_data;
static struct spinlock data_lock = SPINLOCK_INIT(RANK_LOG, "vdso data");

/* Readers look at seq: no lock of theirs. */
static void data_begin(void)
{
	WRITE_ONCE(data->seq, data->seq + 1);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static void data_end(void)
{
	STORE_RELEASE(data->seq, data->seq + 1);
}

void vdso_set_clock(bool use_tsc, uint64_t tsc_base, uint64_t tsc_mult)
{
	irqflags_t flags = spin_lock_irqsave(&data_lock);

	data_begin();
	data->use_tsc = use_tsc;
	data->tsc_base = tsc_base;
	data->tsc_mult = tsc_mult;
	data_end();
	spin_unlock_irqrestore(&data_lock, flags);
}

void vdso_set_realtime(uint64_t offset_ns)
{
	irqflags_t flags = spin_lock_irqsave(&data_lock);

	data_begin();
	data->realtime_offset_ns = offset_ns;
	data_end();
	spin_unlock_irqrestore(&data_lock, flags);
}

void vdso_init(void)
{
	size_t size = (size_t)(vdso_image_end - vdso_image_start);
	unsigned order = 0;
	irqflags_t flags;

	code_pages = page_count(size);
	while (1u << order < code_pages)
		order++;
	code = page_alloc(order, ALLOC_ZERO);
	clock_page = page_alloc(0, ALLOC_ZERO);
	if (!code || !clock_page)
		panic("no memory for the vDSO");
	memcpy(page_virt(code), vdso_image_start, size);
	/* A share of our own each: the frames stay, and nobody counts as their only owner. */
	for (size_t i = 0; i < code_pages; i++)
		page_share(code + i);
	page_pin(clock_page);
	flags = spin_lock_irqsave(&data_lock);
	*(struct vdso_data *)page_virt(clock_page) = early_data;
	data = page_virt(clock_page);
	spin_unlock_irqrestore(&data_lock, flags);
}

static int clock_page_fault(
	void *cookie, struct vmap *vm, vaddr_t va, bool write, struct page **out)
{
	(void)cookie;
	(void)vm;
	(void)va;
	if (write)
		return -EACCES;
	*out = clock_page;
	return 0;
}

int vdso_map(struct mm_context *ctx, vaddr_t *ehdr)
{
	struct mm_map_request clock = {
		.len = PAGE_SIZE,
		.vmflags = VM_USER | VM_READ,
		.max_prot = VM_READ,
		.map_flags = MM_MAP_EXACT,
		.content = VMAP_VVAR,
	};
	struct vmap *vm;
	vaddr_t va;
	int err;

	for (size_t i = 0; i < code_pages; i++)
		page_share(code + i);
	vm = mm_map_user_pages(ctx, 0, page_pfn(code), code_pages, CODE_FLAGS, VALLOC_DEFAULT,
		VMAP_TYPE_PRIVATE, VMAP_VDSO);
	if (IS_ERR(vm)) {
		for (size_t i = 0; i < code_pages; i++)
			page_unshare(code + i);
		return PTR_ERR(vm);
	}
	*ehdr = vm->vaddr;
	clock.vaddr = vm->vaddr - PAGE_SIZE;
	err = mm_map_callback(ctx, &clock, clock_page_fault, NULL, &va);
	/* One without the other is of no use. */
	if (err && mm_free_area(ctx, *ehdr))
		klog_warn("vdso: half of it stays mapped");
	return err;
}
