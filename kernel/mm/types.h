/*
 * Address, frame and rights types of the memory system.
 */
#ifndef MM_TYPES_H
#define MM_TYPES_H

#include "lib/base.h"

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096ul
#define PAGE_MASK  (PAGE_SIZE - 1)

typedef uint64_t vaddr_t; /* any virtual address, as a number */
typedef uint64_t paddr_t; /* physical address */
typedef uint64_t uaddr_t; /* address that came from user space: only usercopy.h and the fault path
			     may use it */
typedef uint64_t pfn_t;	  /* physical frame number */
typedef uint64_t pgidx_t; /* page index inside an object or amap */

#define PFN_NONE ((pfn_t)-1)

/* The user half: [USER_MIN, USER_MAX). Page 0 and the last page below the hole are never handed out
 * by themselves. */
#define USER_MIN      0x0ul
#define USER_MAX      0x00007ffffffff000ul
#define USER_HALF_END 0x0000800000000000ul /* what the user half of a page table covers */

/* The kernel half (one line an area; arch/x86/layout.h has the page-table view). */
#define PHYSMAP_BASE 0xffff800000000000ul /* all physical memory, 64 TiB */
#define KVA_BASE     0xffffc00000000000ul /* kernel ranges: stacks, device windows */
#define KVA_SIZE     0x0000100000000000ul
#define KERNEL_VMA   0xffffffff80000000ul /* the kernel image */

/* Rights and attributes: of an access, of a vmap, of a translation. */
typedef uint32_t vm_flags_t;
#define VM_READ		  0x0001u
#define VM_WRITE	  0x0002u
#define VM_EXEC		  0x0004u
#define VM_USER		  0x0008u
#define VM_WRITE_THROUGH  0x0010u
#define VM_CACHE_DISABLED 0x0020u
#define VM_WRITE_COMBINE  0x0040u
#define VM_GLOBAL	  0x0080u /* kernel half only */
#define VM_RIGHTS	  (VM_READ | VM_WRITE | VM_EXEC)
#define VM_CACHE_MASK	  (VM_WRITE_THROUGH | VM_CACHE_DISABLED | VM_WRITE_COMBINE)
/* What a vmap keeps besides (never in a page table). */
#define VM_LOCKED      0x00000100u /* mlock: translations stay */
#define VM_GROWSDOWN   0x00000200u
#define VM_DONTFORK    0x00000400u
#define VM_WIPEONFORK  0x00000800u
#define VM_NORESERVE   0x00001000u
#define VM_DONTDUMP    0x00002000u
#define VM_RESERVED    0x00004000u /* claims the range, has no backing */
#define VM_SEALED      0x00008000u
#define VM_MAYREAD     0x00010000u /* ceiling for mprotect */
#define VM_MAYWRITE    0x00020000u
#define VM_MAYEXEC     0x00040000u
#define VM_LOCKONFAULT 0x00080000u

static inline uint64_t page_count(uint64_t bytes)
{
	return (bytes + PAGE_MASK) >> PAGE_SHIFT;
}

#endif
