/*
 * mm_context: one address space. Locks: (40) mm_lock, (a) atomic, (c) constant.
 */
#ifndef MM_CONTEXT_H
#define MM_CONTEXT_H

#include "lib/list.h"
#include "lib/rbtree.h"
#include "mm/pmap.h"
#include "sync/rwlock.h"

struct vmap;

/* Where areas are placed below unless exec says otherwise: room for a stack above. */
#define MM_MMAP_TOP (USER_MAX - (64ul << 20) - PAGE_SIZE)

struct mm_context {
	uint32_t refs;		/* (a) users: the last one unmaps everything */
	uint32_t holds;		/* (a) who needs the struct to stay: all users count as one */
	struct rwlock mm_lock;	/* rank 40; read: faults; write: edits */
	struct rb_tree vmaps;	/* (40) by address, augmented with the largest gap */
	struct list vmap_order; /* (40) the same, as a list */
	struct vmap *vmap_hint; /* (40) where the last edit was; NULL: nowhere */
	struct pmap pmap;
	uint64_t nvmaps;				/* (40) */
	uint64_t total_pages;				/* (40) pages inside vmaps (VmSize) */
	uint64_t locked_pages, data_pages, stack_pages; /* (40) */
	uint64_t peak_pages;				/* (40) largest total_pages (VmPeak) */
	uint64_t peak_rss;	/* (a) largest that anybody counted (VmHWM) */
	uint64_t pins;		/* (a) private pages pinned by mdls */
	bool dying;		/* (40) its memory was taken: no fault succeeds any more (oom.h) */
	bool gone;		/* (a) the last user left, and all memory went */
	vaddr_t mmap_top;	/* (c after exec) areas are placed below, going down */
	vaddr_t brk_start, brk; /* (40) */
	vaddr_t stack_top;	/* (c after exec) */
	uint64_t limit_as, limit_data, limit_stack,
		limit_memlock; /* bytes; copies of the process's limits (40) */
	vm_flags_t def_flags;  /* (40) VM_LOCKED after mlockall(MCL_FUTURE) */
	/* for /proc/PID: set by exec, (40) */
	vaddr_t code_start, code_end, data_start, data_end, arg_start, arg_end, env_start, env_end;
	vaddr_t auxv[44];
	unsigned auxv_len; /* words used */
	void *exe;	   /* (40) struct file of the running program, owned by the process layer */
};

void mm_init(void); /* slab caches of the whole memory system */
/* ERR_PTR(-ENOMEM). One reference. */
struct mm_context *mm_create_context(void);
struct mm_context *mm_get_context(struct mm_context *ctx);
/* The last put unmaps everything and frees the page table. => nothing of rank 33 or above held; may
 * sleep */
void mm_put_context(struct mm_context *ctx);
/*
 * Keep the struct, not the memory: for who met ctx through an object's list of mappings, under the
 * object's lock. Any locks; the last drop frees the struct.
 */
void mm_hold_context(struct mm_context *ctx);
void mm_drop_context(struct mm_context *ctx);

/*
 * Resident pages, counted on demand: private ones from the amaps, the others from the translations.
 */
struct mm_rss {
	uint64_t anon, file, shmem;
};
/* Takes mm_lock (read). => nothing of rank 40 or above */
void mm_context_rss(struct mm_context *ctx, struct mm_rss *rss);

/* Unmap all user memory now (exec's old image, exit). => as mm_put_context */
void mm_clear_context(struct mm_context *ctx);
/*
 * fork: a copy of src, complete or not at all. Holds both locks to the end; one shoot-down of src,
 * acknowledged before any fault is let in again. ERR_PTR(-ENOMEM).
 */
struct mm_context *mm_fork_context(struct mm_context *src);

#endif
