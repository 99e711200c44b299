/*
 * vmap: a mapped range of one address space: rights, type, content, driver; an optional upper layer
 * (amap: private pages) over an optional lower layer (vm_object). Locks: (40) the context's
 * mm_lock, (60) its object's lock: start, end, offset and object change only under both, either is
 * enough to read; (c) constant.
 */
#ifndef MM_VMAP_H
#define MM_VMAP_H

#include "lib/list.h"
#include "lib/rbtree.h"
#include "mm/context.h"
#include "mm/object.h"

struct amap;
struct fault;
struct page;
struct vmap;
struct vmap_edit;

typedef enum { VMAP_TYPE_PRIVATE, VMAP_TYPE_SHARED } vmap_type_t;
typedef enum {
	VMAP_UNKNOWN,
	VMAP_STACK,
	VMAP_HEAP, /* brk */
	VMAP_FILE,
	VMAP_IMAGE, /* part of a program: a file with a length, zero after it */
	VMAP_MMAP,  /* anonymous */
	VMAP_DMA,
	VMAP_VDSO,
	VMAP_VVAR,
	VMAP_DEVICE,
	VMAP_RESERVE,
} vmap_content_t;

/* What a driver's find stage says about the page of a fault; fault.c alone maps, copies, counts and
 * flushes. */
enum vm_fault_result {
	VMF_MAP_RO, /* enter f->page without W */
	VMF_MAP,    /* enter f->page with the vmap's rights */
	VMF_COPY,   /* copy f->page (NULL: zeros) into a private page */
	VMF_DONE,   /* nothing left to do */
	VMF_WAIT,   /* drop everything, do f->wait, begin again */
	VMF_FAIL,   /* f->error: -EFAULT segment fault, -ENXIO or -EIO bus error, -ENOMEM */
};

/*
 * One kind of memory. What a kind cannot do is absent (NULL) and the caller says so.
 */
struct vm_segment_driver {
	const char *name;
	/*
	 * The backing of a new segment of len bytes, for a request that brings none: an object with
	 * one reference, its memory promised; NULL: none is needed; ERR_PTR(-ENOMEM). => no mm lock
	 */
	struct vm_object *(*vm_alloc)(uint64_t len, vmap_type_t type, vm_flags_t flags);
	/* The same over the physical range that starts at pa, page aligned. */
	struct vm_object *(*vm_alloc_at)(const char *name, paddr_t pa, uint64_t len);
	/*
	 * Drop the backing of a dead segment: its object, the file that it keeps open. => no lock
	 * held
	 */
	void (*vm_free)(struct vmap *vm);
	/* Grow or shrink in place; -ENOMEM: the next range is taken; npages 0 = free. What it cuts
	 * off is released by the end of the edit. => mm_lock write */
	int (*vm_resize)(struct vmap_edit *e, struct vmap *vm, size_t npages);
	/*
	 * Find the page for a fault that the upper layer has no page for. => vmap locked (read),
	 * its object too
	 */
	enum vm_fault_result (*vm_fault)(struct fault *f);
};
extern const struct vm_segment_driver driver_anon, driver_file, driver_phys, driver_callback;

/*
 * A callback area's handler: *out is a page that stays as long as the area. 0 or a fault's error.
 * Does not sleep. => mm_lock and the vmap's lock (read)
 */
typedef int (*vm_callback_fn)(
	void *cookie, struct vmap *vm, vaddr_t va, bool write, struct page **out);

struct vmap {
	struct rb_node node;	/* (40) */
	struct list order;	/* (40) the neighbours by address */
	uint64_t gap_before;	/* (40) bytes: the hole in front of it */
	uint64_t gap_max;	/* (40) bytes: the largest such hole in the subtree */
	struct mm_context *ctx; /* (c) */
	/*
	 * Rank 45, under mm_lock. Read: faults; write: who keeps them out of this vmap alone
	 * (edit.c)
	 */
	struct rwlock lock;
	vaddr_t vaddr;		/* (40)(60) */
	size_t npages;		/* (40)(60) */
	vm_flags_t vmflags;	/* (40 and 45 to write, either to read) what was asked for */
	vmap_type_t type;	/* (c) */
	vmap_content_t content; /* (c) */
	const struct vm_segment_driver *driver; /* (c) */
	struct amap *amap; /* upper layer, atomic: NULL until a fault sets it once for the first
			    * private page, or fork; released under (40) */
	pgidx_t amap_off; /* (40) slot of the first page: congruent to vaddr modulo 2 MiB, but after
			    * a move to an address that is not */
	struct vm_object *object; /* (40)(60) lower layer, holds a reference; NULL: zeros */
	uint64_t offset;	  /* (40)(60) byte offset of the first page, page aligned */
	uint64_t file_len; /* (c) images: bytes from offset that come from the file; UINT64_MAX: all
			    */
	struct list object_link; /* (60) in object->vo_mappings */
	uint64_t charged;	 /* (40) pages charged to the commit limit */
	void *file; /* (c) struct file that the mapping keeps open, for /proc/PID/maps; owned
			  through vmap_file_ops */
	vm_callback_fn handler; /* (c) callback kinds, with their cookie */
	void *cookie;
	uint64_t
		truncate_seen; /* (40, read for the visit that sets it) vo_truncations of the object
				   when its private pages were last looked at */
	struct vmap *next;     /* chain of a stock or of the dead: nobody else knows the vmap */
	char name[16];	       /* (c) for maps: "[heap]", "[stack]", ... empty: none */
};

static inline vaddr_t vmap_end(const struct vmap *vm)
{
	return vm->vaddr + ((uint64_t)vm->npages << PAGE_SHIFT);
}

static inline bool vmap_holds(const struct vmap *vm, vaddr_t va)
{
	return va >= vm->vaddr && va < vmap_end(vm);
}

/* The mapped file behind vmap.file: registered by fs. All may be called with the context's lock
 * held, none sleeps for long. */
struct vmap_file_ops {
	void (*get)(void *file);
	void (*put)(void *file); /* => nothing held */
};
void vmap_set_file_ops(const struct vmap_file_ops *ops);

/* The slot of va in the upper layer; also of an address in front of the vmap. */
static inline pgidx_t vmap_slot(const struct vmap *vm, vaddr_t va)
{
	return vm->amap_off + (va >> PAGE_SHIFT) - (vm->vaddr >> PAGE_SHIFT);
}

/* The index of va's page in the lower layer. */
static inline pgidx_t vmap_index(const struct vmap *vm, vaddr_t va)
{
	return (vm->offset + (va - vm->vaddr)) >> PAGE_SHIFT;
}

static inline bool vmap_is_private(const struct vmap *vm)
{
	return vm->type == VMAP_TYPE_PRIVATE;
}

/*
 * Life. A vmap from vmap_create is a blank private range that nobody knows; the caller fills it in.
 */
void vmap_init(void);
/* flags: ALLOC_*. NULL: no memory. */
struct vmap *vmap_create(struct mm_context *ctx, unsigned flags);
/* Free the struct alone: it holds no reference. */
void vmap_free(struct vmap *vm);
/*
 * A second vmap with the same attributes and references to file and object, not in the object's
 * list, without upper layer and uncharged.
 */
void vmap_copy(struct vmap *dst, const struct vmap *src);
/* Give vm its lower layer (a reference is taken) and enter it in the object's list; leave it again.
 * => mm_lock (write); to leave: or nobody finds vm in the tree any more */
void vmap_attach(struct vmap *vm, struct vm_object *vo, uint64_t offset);
void vmap_detach(struct vmap *vm);
/* Enter vm, which names an object already, in that object's list. => mm_lock (write) */
void vmap_relink(struct vmap *vm);
/*
 * Wait until those have their acknowledgements who found vm through its object's list and took
 * translations of it away, or rights (truncate, write-back, reclaim): they hold the object's lock
 * to that end. For who came after them, met nothing in the page table, and so has nothing to flush.
 * => nothing of rank 60 or above
 */
static inline void vmap_wait_for_unmap(struct vmap *vm)
{
	if (!vm->object)
		return;
	rw_read_lock(&vm->object->lock);
	rw_read_unlock(&vm->object->lock);
}
/* Keep file (may be NULL) open as long as vm lives. */
void vmap_set_file(struct vmap *vm, void *file);
/* vm_free of the kinds that have an object, or a file that they keep open. */
void vmap_free_backing(struct vmap *vm);
/* Drop what a dead vmap holds, by vm_free of its kind; then free it. => nothing held */
void vmap_release(struct vmap *vm);

/* Into and out of the context's tree and its counters. => mm_lock (write) */
void vmap_insert(struct mm_context *ctx, struct vmap *vm);
void vmap_remove(struct vmap *vm);
/* Cut vm at va; upper, a blank vmap, becomes [va, end). => mm_lock (write) */
void vmap_split(struct vmap *vm, vaddr_t va, struct vmap *upper);
/* Join vm with its neighbours where attributes and backing continue; returns the vmap that holds
 * vm's range then. What is left over goes to the edit's dead. => mm_lock (write) */
struct vmap *vmap_merge(struct vmap_edit *e, struct vmap *vm);
/* Change the flags, with the context's counters. => mm_lock (write) */
void vmap_set_flags(struct vmap *vm, vm_flags_t flags);
/*
 * Move the end (start): the pages that come or go have no slot and no translation. => mm_lock
 * (write)
 */
void vmap_set_end(struct vmap *vm, vaddr_t end);
void vmap_set_start(struct vmap *vm, vaddr_t start);

/* Another place and length for a vmap that is out of the tree, with no translation left. => mm_lock
 * (write) */
void vmap_move(struct vmap *vm, vaddr_t va, size_t npages);

/*
 * Truncate's visit to the private pages of an object: drop the slots of page index first and beyond
 * in every vmap. The object has its new size and no translations past it. => no mm lock held; the
 * inode's lock may be
 */
void vmap_drop_private_past(struct vm_object *vo, pgidx_t first);

#include "mm/vmap_tree.h"

/*
 * Look-up. => mm_lock
 */

/* The vmap that holds va, or NULL. */
static inline struct vmap *vmap_find(struct mm_context *ctx, vaddr_t va)
{
	struct vmap *hint = ctx->vmap_hint;

	return hint && vmap_holds(hint, va) ? hint : vmap_search(ctx, va);
}

/* The first vmap that ends after va, or NULL. */
static inline struct vmap *vmap_find_after(struct mm_context *ctx, vaddr_t va)
{
	struct vmap *hint = ctx->vmap_hint;

	return hint && vmap_holds(hint, va) ? hint : vmap_search_after(ctx, va);
}

/* vmap_find_after at the begin of an edit, which will look there again. => mm_lock (write) */
static inline struct vmap *vmap_focus_after(struct mm_context *ctx, vaddr_t va)
{
	struct vmap *vm = vmap_find_after(ctx, va);

	ctx->vmap_hint = vm;
	return vm;
}

/* The vmap that has va inside it, beginning before; or NULL. */
static inline struct vmap *vmap_find_across(struct mm_context *ctx, vaddr_t va)
{
	struct vmap *vm = vmap_find_after(ctx, va);

	return vm && vm->vaddr < va ? vm : NULL;
}

static inline struct vmap *vmap_from_order(const struct mm_context *ctx, struct list *l)
{
	return l == &ctx->vmap_order ? NULL : list_entry(l, struct vmap, order);
}

static inline struct vmap *vmap_first(const struct mm_context *ctx)
{
	return vmap_from_order(ctx, ctx->vmap_order.next);
}

static inline struct vmap *vmap_last(const struct mm_context *ctx)
{
	return vmap_from_order(ctx, ctx->vmap_order.prev);
}

static inline struct vmap *vmap_next(const struct vmap *vm)
{
	return vmap_from_order(vm->ctx, vm->order.next);
}

static inline struct vmap *vmap_prev(const struct vmap *vm)
{
	return vmap_from_order(vm->ctx, vm->order.prev);
}

#endif
