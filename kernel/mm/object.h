/*
 * vm_object: shared backing of mappings, pages by index. Kinds: zero (shared anonymous, memfd,
 * tmpfs), file (the page cache of an inode or block device), in-place (a physical range), callback.
 * Fields carry the lock that guards them: (60) the object's rwlock, (a) atomic, (c) constant after
 * creation.
 */
#ifndef MM_OBJECT_H
#define MM_OBJECT_H

#include "lib/list.h"
#include "lib/radix.h"
#include "mm/page.h"
#include "sync/rwlock.h"

#define VM_OBJECT_NAME_MAX 64

enum vm_object_kind { VMO_ZERO, VMO_FILE, VMO_PHYS, VMO_CALLBACK };
enum vm_object_flags {
	VMO_IN_PLACE = 0x1,    /* the frames were never ours: not allocated, not freed */
	VMO_DEVICE_META = 0x2, /* metadata cache of a block device: BUSY ranks 37 */
	VMO_UNLINKED = 0x4,    /* do not write back any more */
	VMO_NO_WRITE = 0x8,    /* no shared mapping may write, now or later */
	VMO_NO_HOLES = 0x10,   /* cache_punch is refused */
};

struct vm_object;

/* How many pages some objects may have together (tmpfs). */
struct vm_quota {
	uint64_t used;	/* (a) */
	uint64_t limit; /* (c) */
};

/* What the owner of an object provides: file objects need the first two, others may have what suits
 * them. Called with no mm lock held and may sleep, where nothing else is said. */
struct vm_object_ops {
	/* Fill the pages first .. first + n - 1 (BUSY, pinned, consecutive) from backing store. 0
	 * or -errno. */
	int (*fill)(struct vm_object *vo, struct page **pages, unsigned n);
	/* Write them out (WRITING, pinned, DIRTY already clear). Bytes past the size are not
	 * written. 0 or -errno. */
	int (*write)(struct vm_object *vo, struct page **pages, unsigned n);
	/* A shared mapping or write(2) is about to make page idx dirty: reserve its blocks. Called
	 * each time a clean page becomes dirty, before that. 0, -ENOSPC, -EFBIG, -EIO, -ENOMEM.
	 * NULL: nothing to do. => no lock of rank 33 or above */
	int (*make_writable)(struct vm_object *vo, pgidx_t idx);
	/*
	 * A vmap begins, or has ceased, to map the object: vo_nmaps is what it is now. Such vmaps
	 * are never merged, so that they can be counted. Both or neither. => object locked (write)
	 */
	void (*mapped)(struct vm_object *vo);
	void (*unmapped)(struct vm_object *vo);
	/* The last reference went: the object has no pages any more. */
	void (*release)(struct vm_object *vo);
};

struct vm_object {
	uint32_t refs;		  /* (a) */
	enum vm_object_kind kind; /* (c) */
	unsigned vo_flags;	  /* (60) enum vm_object_flags */
	vm_flags_t vo_prot;	  /* (c) ceiling of the rights of every mapping */
	struct rwlock lock; /* rank 60: read = look up, enter; write = insert, remove, truncate */
	char vo_name[VM_OBJECT_NAME_MAX]; /* (c) */
	uint64_t vo_size;		  /* (60) bytes; also read without the lock as a hint */
	/* struct page * by index, marked: dirty. Structure (60 write and mark_lock), marks
	 * (mark_lock). */
	struct radix vo_pages;
	struct spinlock mark_lock; /* rank 65 */
	uint64_t npages;	   /* (60) resident */
	struct vm_quota *quota;	   /* (60) its pages count here, too; or NULL */
	uint64_t charged;	   /* (c) pages charged to the commit limit until the end */
	uint64_t ndirty;	   /* (a) dirty pages; changed under mark_lock */
	uint64_t nwriting;	   /* (a) pages under write-back */
	struct list vo_mappings;   /* (60) struct vmap.object_link of all vmaps that map it */
	uint64_t vo_nmaps;	   /* (60) how many they are */
	uint64_t vo_truncations;   /* (60) visits to the private pages of the mappings so far */
	uint32_t writable_maps;	   /* (60) shared mappings that may write (seals, ETXTBSY) */
	struct list dirty_link;	   /* (65) in the list of objects with dirty pages */
	struct list all_link; /* (65) in the list of file objects; reclaim's hand is at the first */
	uint64_t hand;	      /* (60 write) the index where it goes on here */
	paddr_t base;	      /* (c) VMO_PHYS: first byte */
	const struct vm_object_ops *ops; /* (c) VMO_FILE; VMO_ZERO may have some */
	void *owner; /* (c) of ops: inode, block device, segment; VMO_CALLBACK: cookie */
};

/* Lazy zero-filled object of len bytes: no frame until mapped and touched. ERR_PTR(-ENOMEM). One
 * reference. */
struct vm_object *vm_object_create(const char *name, uint64_t len, vm_flags_t prot);
/* Promise its memory (shared anonymous memory, SysV shm); once, before others know the object. 0 or
 * -ENOMEM. */
int __must_check vm_object_charge(struct vm_object *vo);
/*
 * Count its pages, those that it has too, in q and no more where they counted; NULL: nowhere. Its
 * owner does so before q goes. => no lock of rank 60 or above
 */
void vm_object_set_quota(struct vm_object *vo, struct vm_quota *q);
/*
 * Sealing against writes. deny: no shared mapping may write it from here on; 0, or -EBUSY: one
 * does, or a page is pinned for I/O. claim: the right to make one, until it is given up; 0 or
 * -EPERM: denied.
 * => no lock of rank 60 or above
 */
int __must_check vm_object_deny_write(struct vm_object *vo);
int __must_check vm_object_claim_write(struct vm_object *vo);
void vm_object_unclaim_write(struct vm_object *vo);
/* No holes are made in it from here on. => no lock of rank 60 or above */
void vm_object_deny_holes(struct vm_object *vo);
/* Would one more page be too many? => lock held */
bool vm_object_is_full(const struct vm_object *vo);
/* Who is told what becomes of the zero object; once, before others know it. */
void vm_object_set_owner(struct vm_object *vo, const struct vm_object_ops *ops, void *owner);
/* Over a physical range that is never allocated or freed here. base page aligned. */
struct vm_object *vm_object_create_in_place(
	const char *name, paddr_t base, uint64_t len, vm_flags_t prot);
struct vm_object *vm_object_create_file(
	const char *name, uint64_t len, const struct vm_object_ops *ops, void *owner);
/* Slab caches; before the first object is made. */
void vm_object_init(void);
struct vm_object *vm_object_get(struct vm_object *vo);
void vm_object_put(struct vm_object *vo);

/*
 * Resident page at byte offset off, or NULL. No count changes: stable while the lock is held.
 * => lock held (read)
 */
struct page *vm_object_get_page(struct vm_object *vo, uint64_t off);
/*
 * Allocate and insert 2^order zeroed frames at off (order 0 today; another order is NULL);
 * idempotent: a page that is there already is returned. NULL: no memory, or outside the object. =>
 * lock held for writing; never reclaims
 */
struct page *vm_object_alloc_page(struct vm_object *vo, uint64_t off, unsigned order);
/*
 * The same with a frame of the caller's stock, which is consumed when used (*stock = NULL). NULL
 * also when the object is full.
 */
struct page *vm_object_insert_page_locked(struct vm_object *vo, pgidx_t idx, struct page **stock);

/*
 * Remove translations of pages [first, last] in every vmap of vo_mappings, or (lower) only clear W
 * in the shared ones; flushed on return. Were there any? The object's lock keeps the vmaps where
 * they are, and so the tables over them. => lock held for writing, nothing above it
 */
bool vm_object_unmap_locked(struct vm_object *vo, pgidx_t first, pgidx_t last, bool lower);

#endif
