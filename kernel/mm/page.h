/*
 * Frame descriptors: one struct page of 32 bytes for each frame of physical memory.
 *
 *	shares  number of slots (amap leaves, object indices) that hold the frame
 *	pins    I/O, or a fault or copy in progress, that needs the frame to stay
 *	owner   the vm_object whose page it is (with index); NULL: private page of one or more amaps
 *
 * A frame goes back to the buddy when shares and pins are both zero; who drops the last of them
 * frees it.
 *
 * What the words mean by state is in the table of page.c.
 */
#ifndef MM_PAGE_H
#define MM_PAGE_H

#include "lib/list.h"
#include "mm/physmap.h"
#include "mm/types.h"

struct vm_object;

struct page {
	union {
		struct list link; /* free (buddy), slab, page-table and stock pages */
		struct {
			struct vm_object *owner; /* (60 for file pages) */
			pgidx_t index;
		};
		struct {		     /* a page table */
			uint32_t table_lock; /* wordlock, rank 75: guards the entries */
			uint32_t next_table; /* frame number, in a batch of unlinked tables */
			/* (75) bit i: some of the words 8i .. 8i+7 may not be zero */
			uint64_t live;
		};
	};
	union {
		struct {
			uint32_t shares; /* atomic */
			uint32_t pins;	 /* atomic */
		};
		uint64_t counts; /* both at once: whoever makes it zero frees the frame */
	};
	uint32_t flags; /* atomic: PG_* */
	uint32_t aux;	/* by type: see page.c */
};
_Static_assert(sizeof(struct page) == 32, "struct page");

#define PAGE_ONE_SHARE ((uint64_t)1)
#define PAGE_ONE_PIN   ((uint64_t)1 << 32)

/* Type (low bits of flags), set at allocation by the one that takes the frame. */
#define PG_TYPE_MASK 0x0fu
#define PG_FREE	     0x01u /* in the buddy */
#define PG_RESERVED  0x02u /* never RAM for us: firmware, holes, kernel image */
#define PG_KERNEL    0x03u /* kernel data */
#define PG_SLAB	     0x04u
#define PG_TABLE     0x05u /* page table */
#define PG_ANON	     0x06u /* private page (amap) */
#define PG_OBJECT    0x07u /* page of a vm_object */
#define PG_PCPU	     0x08u /* in a per-CPU list */
/* State bits of object pages (atomic). */
#define PG_BUSY	      0x0010u /* being filled: wait for it */
#define PG_DIRTY      0x0020u
#define PG_WRITING    0x0040u /* write-back under way */
#define PG_VALID      0x0080u /* content is there */
#define PG_ERROR      0x0100u /* the fill failed */
#define PG_REFERENCED 0x0200u
#define PG_SMALL      0x0400u  /* slab: a single frame, of a cache whose slabs have more */
#define PG_WAITERS    0x0800u  /* somebody sleeps on BUSY or WRITING */
#define PG_ZEROED     0x1000u  /* free and known to be zero */
#define PG_FOREIGN    0x2000u  /* in-place: never freed */
#define PG_POISONED   0x4000u  /* free and filled with the poison pattern (debug builds) */
#define PG_LOCKED     0x10000u /* the page bit (rank 62): guards owner and index of object pages */
#define PG_TAIL	      0x8000u  /* slab: not the first frame of its slab; owner is that first page */

extern struct page *page_array;
extern pfn_t page_array_count; /* frames 0 .. count - 1 have a descriptor */

static inline pfn_t page_pfn(const struct page *pg)
{
	return (pfn_t)(pg - page_array);
}

static inline struct page *page_from_pfn(pfn_t pfn)
{
	return &page_array[pfn];
}

static inline paddr_t page_phys(const struct page *pg)
{
	return page_pfn(pg) << PAGE_SHIFT;
}

/* Kernel address of the frame. */
static inline void *page_virt(const struct page *pg)
{
	return phys_to_virt(page_phys(pg));
}
struct page *page_from_virt(const void *va);
/* Does the pfn have a descriptor of RAM (not RESERVED)? */
bool page_is_ram(pfn_t pfn);

/* Shares and pins. The puts of one page return true when they freed the frame. */
static inline void page_share(struct page *pg)
{
	/* The low half of counts; it never overflows into the pins. */
	__atomic_fetch_add(&pg->counts, PAGE_ONE_SHARE, __ATOMIC_RELAXED);
}
bool page_unshare(struct page *pg);
static inline void page_pin(struct page *pg)
{
	__atomic_fetch_add(&pg->counts, PAGE_ONE_PIN, __ATOMIC_RELAXED);
}
bool page_unpin(struct page *pg);
void page_unpin_all(struct page *const *pages, unsigned n);
static inline uint32_t page_shares(const struct page *pg)
{
	return LOAD_ACQUIRE(pg->shares);
}
static inline uint32_t page_pins(const struct page *pg)
{
	return LOAD_ACQUIRE(pg->pins);
}

static inline uint32_t page_flags(const struct page *pg)
{
	return LOAD_ACQUIRE(pg->flags);
}
static inline bool page_is(const struct page *pg, uint32_t bits)
{
	return page_flags(pg) & bits;
}
/* Set or clear bits atomically; return the old flags. */
uint32_t page_set_flags(struct page *pg, uint32_t bits);
uint32_t page_clear_flags(struct page *pg, uint32_t bits);
static inline uint32_t page_type(const struct page *pg)
{
	return page_flags(pg) & PG_TYPE_MASK;
}

/*
 * The page bit: while it is held the page stays in its object (owner, index), and so the object
 * stays too. From a pinned page to its owner there is no other safe way for one that holds neither
 * the object's lock nor a reference. Spins; rank 62.
 */
void page_lock(struct page *pg);
void page_unlock(struct page *pg);

/* A zeroed frame for a page table: type PG_TABLE, lock free, no live entries. NULL: no memory.
 * Locks as page_alloc. */
struct page *page_table_alloc(unsigned flags);
/* A table with few live words is cleaned and kept as a zeroed frame: so pg->live must be true. */
void page_table_free(struct page *pg);

/* Boot: take over the memory map; makes page_array and gives all usable frames to the buddy. */
struct boot_info;
void page_init(const struct boot_info *bi);
/* Give the frames of [pa, pa + len) that were reserved at boot to the buddy (init sections, boot
 * tables). */
void page_release_reserved(paddr_t pa, uint64_t len);
/*
 * Boot allocator (bootmem.c), before page_init: physically contiguous, page aligned, never freed,
 * zeroed. Small pieces come from the lowest RAM above 1 MiB, which the boot page tables map; pieces
 * of 64 KiB and more from the top of the largest range. Panics when none is left.
 */
void *boot_alloc(size_t bytes);
/* page.c only: the usable ranges that boot_alloc left over, in whole frames. */
struct boot_mem_range {
	paddr_t base, end;
};
unsigned boot_mem_ranges(const struct boot_info *bi, const struct boot_mem_range **ranges);

#endif
