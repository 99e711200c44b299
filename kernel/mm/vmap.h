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
	/* Place a new segment of npages at or after start (exact with VALLOC_EXACT). => mm_lock
	 * write */
	struct vmap *(*vm_alloc)(
		struct mm_context *ctx, vaddr_t start, size_t npages, vm_flags_t flags);
	/* The same over a contiguous physical range that starts at pa. => mm_lock write */
	struct vmap *(*vm_alloc_at)(
		struct mm_context *ctx, paddr_t pa, size_t npages, vm_flags_t flags);
	/* Drop what the kind keeps for the segment; called from vmap_release with no lock held. */
	void (*vm_free)(struct vmap *vm);
	/* Grow or shrink in place; -ENOMEM: the next range is taken; npages 0 = free. => mm_lock
	 * write */
	int (*vm_resize)(struct vmap *vm, size_t npages);
	/* Find the page for a fault. => vmap locked (read), upper slot known */
	enum vm_fault_result (*vm_fault)(struct fault *f);
};
extern const struct vm_segment_driver driver_anon, driver_file, driver_phys, driver_callback;

struct vmap {
	struct rb_node node; /* (40) */
	uint64_t gap_before,
		gap_max;	/* (40) bytes: hole in front of it; largest such in the subtree */
	struct mm_context *ctx; /* (c) */
	struct rwlock
		lock;  /* rank 45; read: faults; write: what must keep faults out of this vmap */
	vaddr_t vaddr; /* (40)(60) */
	size_t npages; /* (40)(60) */
	vm_flags_t vmflags;	/* (40 and 45 to write, either to read) what was asked for */
	vmap_type_t type;	/* (c) */
	vmap_content_t content; /* (c) */
	const struct vm_segment_driver *driver; /* (c) */
	struct amap *amap;	  /* (45) upper layer; NULL until the first private page */
	pgidx_t amap_off;	  /* (c) slot of the first page: congruent to vaddr modulo 2 MiB */
	struct vm_object *object; /* (40)(60) lower layer, holds a reference; NULL: zeros */
	uint64_t offset;	  /* (40)(60) byte offset of the first page, page aligned */
	uint64_t file_len; /* (c) images: bytes from offset that come from the file; UINT64_MAX: all
			    */
	struct list object_link; /* (60) in object->vo_mappings */
	uint64_t charged;	 /* (40) pages charged to the commit limit */
	void *file;    /* (c) struct file that the mapping keeps open, for /proc/PID/maps; owned
			  through vmap_file_ops */
	void *cookie;  /* (c) callback kinds */
	char name[16]; /* (c) for maps: "[heap]", "[stack]", ... empty: none */
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

/* The vmap that holds va, or NULL. => mm_lock */
struct vmap *vmap_find(struct mm_context *ctx, vaddr_t va);
/* The first vmap that ends after va, or NULL. => mm_lock */
struct vmap *vmap_find_after(struct mm_context *ctx, vaddr_t va);
struct vmap *vmap_next(const struct vmap *vm);
struct vmap *vmap_prev(const struct vmap *vm);
/* All vmaps that touch [start, end), in order. */
#define vmap_for_each_in(vm, ctx, start, end) \
	for (vm = vmap_find_after(ctx, start); vm && vm->vaddr < (end); vm = vmap_next(vm))

#endif
