/*
 * The page fault: a short driver over named stages with one context struct, restarted from the top
 * after any wait. fault.c draws the stages.
 */
#ifndef MM_FAULT_H
#define MM_FAULT_H

#include "mm/amap.h"
#include "mm/vmap.h"

/*
 * Resolve an access of `access` (VM_READ, VM_WRITE, VM_EXEC; one of them) at va. 0: try the access
 * again. -EFAULT: nothing mapped there (SEGV_MAPERR); -EACCES: rights (SEGV_ACCERR); -ENXIO: past
 * the end of the file (SIGBUS, BUS_ADRERR); -EIO: the page cannot be read (SIGBUS); -ENOMEM: no
 * memory after reclaim; -EINTR: a fatal signal came. May sleep. => no mm lock held, nothing of rank
 * 33 or above
 */
int __must_check mm_handle_fault(struct mm_context *ctx, vaddr_t va, vm_flags_t access);

/* Variants for the kernel's own use of user memory (access.c). */
/* A page of the upper layer becomes the context's own, for reading too. One of the lower layer (a
 * file's, zeros) is nobody's private page: for reading it stays what it is. */
#define FAULT_UNSHARE 0x1u
#define FAULT_FORCE   0x2u /* private memory: whatever its rights, if it may have them */
/*
 * As mm_handle_fault; *out, if wanted: the page, pinned (and counted in ctx->pins when it is
 * private and the context's own).
 */
int __must_check mm_fault_page(
	struct mm_context *ctx, vaddr_t va, vm_flags_t access, unsigned how, struct page **out);

/* What has to happen with nothing held before a fault begins again. */
enum fault_wait {
	FAULT_WAIT_NONE,
	FAULT_WAIT_MEMORY,   /* fill the stock: frame, nodes */
	FAULT_WAIT_RESERVE,  /* have memory for what is not in the stock */
	FAULT_WAIT_TABLES,   /* fill the stock: page tables */
	FAULT_WAIT_INSERT,   /* have the object's lock for writing: a page goes into it */
	FAULT_WAIT_GROW,     /* the stack grows: needs the context's lock for writing */
	FAULT_WAIT_PAGE,     /* have the object's page read in, and pin it */
	FAULT_WAIT_WRITABLE, /* let the file system prepare the page for a shared write */
};

/* One fault. The stock and the pin survive restarts, the rest is found anew each time. */
struct fault {
	struct mm_context *ctx;
	vaddr_t va; /* of the page */
	vm_flags_t access;
	unsigned how; /* FAULT_UNSHARE, FAULT_FORCE */
	struct page **out;

	struct vmap *vm; /* locked (read) while a stage runs, mm_lock too */
	pgidx_t slot;	 /* of va in the upper layer, index in the lower one */
	pgidx_t index;
	struct amap *amap;   /* the upper layer, locked; NULL: there is none yet */
	bool amap_exclusive; /* it is locked for writing */
	struct amap_walk up;
	bool object_exclusive; /* the lower layer is locked for writing */

	/* What the driver found. */
	struct page *page;    /* NULL with VMF_COPY, VMF_MAP_RO: zeros; with VMF_MAP: see pfn */
	pfn_t pfn;	      /* VMF_MAP without page: a frame that has no descriptor */
	uint32_t copy_len;    /* VMF_COPY: bytes of page that count, zeros after them */
	int error;	      /* VMF_FAIL */
	enum fault_wait wait; /* VMF_WAIT */

	/* What outlives a restart. */
	bool want_amap_exclusive; /* a present translation must be replaced while no fault runs */
	bool want_own;		  /* the page has to become private although it is only read */
	struct vm_object *object; /* of the wait: referenced */
	pgidx_t wait_index;
	struct page *pinned; /* the page that was waited for */
	bool made_writable;  /* the pinned page may be written through shared mappings */
	struct page *fresh;  /* stock: a frame */
	bool fresh_is_zero;
	struct amap_stock nodes;
	struct pmap_stock tables;
};

/* Does the fault end with a page of the context's own? => upper layer looked up */
static inline bool fault_wants_own(const struct fault *f)
{
	return f->access == VM_WRITE || f->want_own || (f->how & FAULT_UNSHARE && f->up.page);
}

/* Bytes of the fault's page that come from its object: an image has a length, zeros follow. */
static inline uint64_t fault_object_bytes(const struct fault *f)
{
	uint64_t start = f->va - f->vm->vaddr;

	if (f->vm->file_len >= start + PAGE_SIZE)
		return PAGE_SIZE;
	return f->vm->file_len > start ? f->vm->file_len - start : 0;
}

/* Results of the stages besides 0 and -errno. */
#define FAULT_AGAIN 1 /* do f->wait with nothing held, then begin again */

/*
 * Have a frame in f->fresh, zeroed if wanted: from the stock, or from free memory without reclaim.
 * 0, or FAULT_AGAIN with FAULT_WAIT_MEMORY. Who uses the frame sets f->fresh to NULL.
 */
int __must_check fault_take_frame(struct fault *f, bool zero);
/* Ask for a restart. */
static inline int fault_again(struct fault *f, enum fault_wait wait)
{
	f->wait = wait;
	return FAULT_AGAIN;
}

#endif
