/* The vDSO of new programs; arch makes it. */
#ifndef VDSO_H
#define VDSO_H

#include "mm/context.h"

/* Once, when frames can be had. */
void vdso_init(void);
/* What the clock code tells it, under the page's sequence count. Any context. */
void vdso_set_clock(bool use_tsc, uint64_t tsc_base, uint64_t tsc_mult);
void vdso_set_realtime(uint64_t offset_ns);
/*
 * Map it, with its clock page in front, as high as areas are placed in ctx, which nobody else uses
 * yet. 0 and *ehdr = its ELF header (AT_SYSINFO_EHDR), or -ENOMEM. May sleep.
 */
int __must_check vdso_map(struct mm_context *ctx, vaddr_t *ehdr);

#endif
