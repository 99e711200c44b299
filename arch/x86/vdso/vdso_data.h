/*
 * The clock page: what the clock code tells the vDSO. Written by one CPU at a time under a sequence
 * count: odd while it changes; a reader takes a copy that was made between two equal even counts.
 */
#ifndef X86_VDSO_DATA_H
#define X86_VDSO_DATA_H

struct vdso_data {
	unsigned int seq;
	unsigned int use_tsc;		  /* 0: only the kernel can read the clock */
	unsigned long tsc_base, tsc_mult; /* ns since boot = (tsc - base) * mult >> 32 */
	unsigned long realtime_offset_ns;
};

#endif
