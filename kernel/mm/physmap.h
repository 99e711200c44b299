/*
 * The direct map: every frame of RAM has a kernel address. Filled by arch/x86 at boot with the
 * largest pages there are.
 */
#ifndef MM_PHYSMAP_H
#define MM_PHYSMAP_H

#include "mm/types.h"

#ifdef QUIRE_HOST
void *phys_to_virt(paddr_t pa); /* the host fake's arena */
paddr_t virt_to_phys(const void *va);
#else
static inline void *phys_to_virt(paddr_t pa)
{
	return (void *)(PHYSMAP_BASE + pa);
}

/* Only for addresses inside the direct map. */
static inline paddr_t virt_to_phys(const void *va)
{
	return (paddr_t)va - PHYSMAP_BASE;
}
#endif

/* Whole frames; arch/x86 uses `rep stosq` / `rep movsq`. */
void frame_zero(void *frame);
void frame_copy(void *dst, const void *src);

/* arch, at boot: build the kernel half (direct map of all RAM, image with exact rights, empty
 * tables for the 256 top entries). */
struct boot_info;
void physmap_init(const struct boot_info *bi);

#endif
