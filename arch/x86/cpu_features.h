/* What this machine's CPUs can do: asked once on the boot CPU; the others are taken to be alike. */
#ifndef X86_FEATURES_H
#define X86_FEATURES_H

#include "lib/base.h"

struct cpu_features {
	bool pages_1g, pge, pat;
	bool smep, smap, umip, fsgsbase;
	bool xsave, xsaveopt, erms;
	bool rdrand, rdseed;
	uint64_t xcr0;	     /* state components that are switched on, 0 without XSAVE */
	uint32_t fpu_size;   /* bytes of the save area */
	uint32_t mxcsr_mask; /* bits of MXCSR that may be set */
	unsigned phys_bits;
	char vendor[13], brand[49];
	unsigned family, model, stepping;
};
extern struct cpu_features cpu_features;

void features_detect(void);

#endif
