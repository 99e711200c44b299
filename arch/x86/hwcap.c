/*
 * What the auxiliary vector tells programs about the processor. Sources: SDM vol. 2, CPUID;
 * vol. 1, 13.4 (XSAVE area); linux asm/hwcap2.h.
 */
#include "cpu.h"

#define CR4_FSGSBASE	(1u << 16)
#define CPUID1_OSXSAVE	(1u << 27)
#define HWCAP2_FSGSBASE 2u
#define FXSAVE_SIZE	512u
/* Return address, siginfo, ucontext, the red zone, alignment, the trailer of the XSAVE area. */
#define SIGNAL_FRAME_FIX 1600u

static void cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
	__asm__ volatile("cpuid"
			 : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
			 : "a"(leaf), "c"(sub));
}

uint64_t cpu_hwcap(void)
{
	uint32_t r[4];

	cpuid(1, 0, r);
	return r[3];
}

uint64_t cpu_hwcap2(void)
{
	uint64_t cr4;

	__asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
	return cr4 & CR4_FSGSBASE ? HWCAP2_FSGSBASE : 0;
}

size_t cpu_min_signal_stack(void)
{
	uint32_t r[4];

	cpuid(1, 0, r);
	if (!(r[2] & CPUID1_OSXSAVE))
		return SIGNAL_FRAME_FIX + FXSAVE_SIZE;
	cpuid(0xd, 0, r);
	return SIGNAL_FRAME_FIX + r[1];
}
