/*
 * Floating-point state. With XSAVE the area has the standard format (not the compacted one), since
 * signal frames show it to user space; without it is the 512 bytes of FXSAVE. The kernel itself
 * uses no such registers (-mgeneral-regs-only), so user state stays in the CPU until a switch.
 * Source: SDM vol. 1, 13.
 */
#include "fpu.h"
#include "extable.h"
#include "cpu_features.h"
#include "insn.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/slab.h"
#include "patch.h"

#define FPU_ALIGN     64u
#define FCW_INITIAL   0x037fu
#define MXCSR_INITIAL 0x1f80u
#define FCW_OFFSET    0u
#define MXCSR_OFFSET  24u
#define MASK_OFFSET   28u

static struct slab_cache *area_cache;
/* What a program starts with; large enough for all of AVX-512. */
static uint8_t initial[4096] __aligned(FPU_ALIGN);

static void xsave(void *area)
{
	uint32_t lo = (uint32_t)cpu_features.xcr0, hi = (uint32_t)(cpu_features.xcr0 >> 32);

	__asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(lo), "d"(hi) : "memory");
}

static void xsaveopt(void *area)
{
	uint32_t lo = (uint32_t)cpu_features.xcr0, hi = (uint32_t)(cpu_features.xcr0 >> 32);

	__asm__ volatile("xsaveopt64 (%0)" : : "r"(area), "a"(lo), "d"(hi) : "memory");
}

void fpu_save(void *area)
{
	if (!cpu_features.xsave)
		__asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
	else if (cpu_features.xsaveopt)
		xsaveopt(area);
	else
		xsave(area);
}

void fpu_save_full(void *area)
{
	if (cpu_features.xsave)
		xsave(area);
	else
		fpu_save(area);
}

bool fpu_load_checked(const void *area)
{
	uint32_t lo = (uint32_t)cpu_features.xcr0, hi = (uint32_t)(cpu_features.xcr0 >> 32);
	int bad = 0;

	if (cpu_features.xsave)
		__asm__ volatile("1: xrstor64 (%1)\n\t"
				 "jmp 3f\n"
				 "2: movl $1, %0\n"
				 "3:\n\t" EXTABLE("1b", "2b", 1)
				 : "+r"(bad)
				 : "r"(area), "a"(lo), "d"(hi)
				 : "memory");
	else
		__asm__ volatile("1: fxrstor64 (%1)\n\t"
				 "jmp 3f\n"
				 "2: movl $1, %0\n"
				 "3:\n\t" EXTABLE("1b", "2b", 1)
				 : "+r"(bad)
				 : "r"(area)
				 : "memory");
	return !bad;
}

void fpu_load(const void *area)
{
	bool ok = fpu_load_checked(area);

	assert(ok);
}

/* `insn` on the user memory at p; err becomes 1 when it faults. */
#define FPU_USER_INSN(insn)                     \
	PATCH_SITE(STAC_CODE)                   \
	"1: " insn "\n"                         \
	"2:\n\t"                                \
	".pushsection .text.unlikely, \"ax\"\n" \
	"3: movl $1, %[err]\n\t"                \
	"jmp 2b\n\t"                            \
	".popsection\n\t" PATCH_SITE(CLAC_CODE) EXTABLE("1b", "3b", 0)

int fpu_save_user(uaddr_t at)
{
	uint32_t lo = (uint32_t)cpu_features.xcr0, hi = (uint32_t)(cpu_features.xcr0 >> 32);
	int err = 0;

	if (at > USER_MAX - cpu_features.fpu_size)
		return -EFAULT;
	if (!cpu_features.xsave)
		__asm__ volatile(FPU_USER_INSN("fxsave64 (%[p])")
				 : [err] "+r"(err)
				 : [p] "r"(at)
				 : "memory");
	else
		__asm__ volatile(FPU_USER_INSN("xsave64 (%[p])\n\t"
					       "4: orb $3, 512(%[p])") EXTABLE("4b", "3b", 0)
				 : [err] "+r"(err)
				 : [p] "r"(at), "a"(lo), "d"(hi)
				 : "memory", "cc");
	return err ? -EFAULT : 0;
}

int fpu_load_user(uaddr_t at)
{
	uint32_t lo = (uint32_t)cpu_features.xcr0, hi = (uint32_t)(cpu_features.xcr0 >> 32);
	int err = 0;

	if (at > USER_MAX - cpu_features.fpu_size)
		return -EFAULT;
	if (!cpu_features.xsave)
		__asm__ volatile(FPU_USER_INSN("fxrstor64 (%[p])")
				 : [err] "+r"(err)
				 : [p] "r"(at)
				 : "memory");
	else
		__asm__ volatile(FPU_USER_INSN("xrstor64 (%[p])")
				 : [err] "+r"(err)
				 : [p] "r"(at), "a"(lo), "d"(hi)
				 : "memory");
	return err ? -EFAULT : 0;
}

void fpu_reset(void)
{
	fpu_load(initial);
}

void fpu_setup_cpu(void)
{
	uint32_t mask;

	if (cpu_features.xsave)
		__asm__ volatile("xsetbv"
				 :
				 : "c"(0), "a"((uint32_t)cpu_features.xcr0),
				 "d"((uint32_t)(cpu_features.xcr0 >> 32)));
	assert(cpu_features.fpu_size <= sizeof(initial));
	if (!cpu_features.mxcsr_mask) {
		__asm__ volatile("fxsave64 (%0)" : : "r"(initial) : "memory");
		memcpy(&mask, initial + MASK_OFFSET, sizeof(mask));
		cpu_features.mxcsr_mask = mask ? mask : 0xffbf; /* SDM vol. 1, 11.6.6 */
		memset(initial, 0, sizeof(initial));
		*(uint16_t *)(initial + FCW_OFFSET) = FCW_INITIAL;
		*(uint32_t *)(initial + MXCSR_OFFSET) = MXCSR_INITIAL;
	}
	fpu_reset();
}

void fpu_init(void)
{
	area_cache = slab_cache_create("fpu", cpu_features.fpu_size, FPU_ALIGN, NULL);
	assert(area_cache);
}

void *fpu_alloc(void)
{
	void *area = slab_alloc(area_cache, 0);

	if (area)
		memcpy(area, initial, cpu_features.fpu_size);
	return area;
}

void fpu_free(void *area)
{
	slab_free(area_cache, area);
}
