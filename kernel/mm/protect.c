/*
 * mprotect: rights are lowered now, for all CPUs, and raised by the faults to come. The range is
 * changed from below until something forbids it; what lies before stays changed, as on Linux.
 * Memory that becomes writable is charged; it stays so when it is made read-only again.
 */
#include "mm/commit.h"
#include "mm/edit.h"
#include "mm/mmap.h"

#define may_bits(rights) ((vm_flags_t)(rights) << 16)
_Static_assert(may_bits(VM_READ) == VM_MAYREAD && may_bits(VM_WRITE) == VM_MAYWRITE &&
		       may_bits(VM_EXEC) == VM_MAYEXEC,
	"ceilings follow the rights");

/* Pages of vm's part of n pages that become counted by these rights and are not charged yet. */
static uint64_t charge_of(const struct vmap *vm, uint64_t n, vm_flags_t rights)
{
	vm_flags_t flags = (vm->vmflags & ~VM_RIGHTS) | rights;

	if (!commit_counts(flags, vmap_is_private(vm)))
		return 0;
	return n - MIN(n, vm->charged * n / vm->npages);
}

/* How far the change may go: *stop, and why not to the end. */
static int protect_check(
	struct vmap_edit *e, vaddr_t start, vaddr_t end, vm_flags_t rights, vaddr_t *stop)
{
	vaddr_t pos = start;
	uint64_t more = 0, charge = 0;
	struct vmap *vm;

	*stop = start;
	vmap_for_each_in (vm, e->ctx, start, end) {
		if (vm->vmflags & VM_SEALED)
			return -EPERM;
	}
	vmap_for_each_in (vm, e->ctx, start, end) {
		uint64_t pages = (MIN(end, vmap_end(vm)) - pos) >> PAGE_SHIFT;

		if (vm->vaddr > pos)
			return -ENOMEM;
		if (may_bits(rights) & ~vm->vmflags)
			return -EACCES;
		if (vmap_is_private(vm) && rights & ~vm->vmflags & VM_WRITE)
			more += pages;
		if (!edit_within_limits(e, more, more, rights, true))
			return -ENOMEM;
		charge += charge_of(vm, pages, rights);
		if (edit_charge(e, charge) != 0)
			return -ENOMEM;
		pos = MIN(end, vmap_end(vm));
		*stop = pos;
	}
	return pos < end ? -ENOMEM : 0;
}

static void protect_commit(struct vmap_edit *e, vaddr_t start, vaddr_t stop, vm_flags_t rights)
{
	/* What may be written or executed can be read. */
	vm_flags_t granted = rights ? rights | VM_READ : 0;
	struct tlb_batch tb;
	struct vmap *vm;

	edit_cut(e, start);
	edit_cut(e, stop);
	tlb_batch_init(&tb, &e->ctx->pmap);
	vmap_for_each_in (vm, e->ctx, start, stop) {
		vm_flags_t old = vm->vmflags;

		edit_give_charge(e, vm, charge_of(vm, vm->npages, rights));
		vmap_set_flags(vm, (old & ~VM_RIGHTS) | rights);
		if (!(old & ~granted & VM_RIGHTS))
			continue;
		pmap_protect(&e->ctx->pmap, vm->vaddr, vmap_end(vm), granted, &tb);
		vmap_wait_for_unmap(vm);
	}
	edit_merge(e, start, stop);
	if (tlb_batch_asks_others(&tb)) {
		vm = vmap_find(e->ctx, start);
		if (vmap_end(vm) >= stop)
			edit_open(e, vm);
	}
	tlb_batch_finish(&tb);
}

/* The start of the range when PROT_GROWSDOWN asks for the whole stack. */
static int protect_start(struct vmap_edit *e, vaddr_t *start, bool grows_down)
{
	struct vmap *vm = vmap_focus_after(e->ctx, *start);

	if (!vm || vm->vaddr > *start)
		return -ENOMEM;
	if (!grows_down)
		return 0;
	if (!(vm->vmflags & VM_GROWSDOWN))
		return -EINVAL;
	*start = vm->vaddr;
	return 0;
}

int vm_protect(struct mm_context *ctx, vaddr_t va, uint64_t len, vm_flags_t rights, bool grows_down)
{
	vaddr_t start = va, end, stop = va;
	struct vmap_edit e;
	int err, taken;

	if (va & PAGE_MASK || rights & ~VM_RIGHTS)
		return -EINVAL;
	if (len == 0)
		return 0;
	if (len > USER_MAX || va > USER_MAX - len)
		return -ENOMEM;
	end = ALIGN_UP(va + len, PAGE_SIZE);
	edit_begin(&e, ctx);
	do {
		start = va;
		stop = va;
		err = protect_start(&e, &start, grows_down);
		if (!err)
			err = protect_check(&e, start, end, rights, &stop);
		taken = stop > start
				? edit_take(&e, edit_cut_need(&e, start) + edit_cut_need(&e, stop),
					  NULL)
				: 0;
	} while (edit_again(&e, &taken));
	if (!taken && stop > start)
		protect_commit(&e, start, stop, rights);
	edit_end(&e);
	return taken ? taken : err;
}
