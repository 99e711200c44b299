/*
 * CPUID: the features that the kernel uses if they are there, and the text of /proc/cpuinfo.
 * Source: SDM vol. 2, CPUID; AMD APM vol. 3, appendix E.
 */
#include "cpu_features.h"
#include "cpu.h"
#include "insn.h"
#include "lib/fmt.h"
#include "lib/string.h"

/* x87, SSE, AVX and the three parts of AVX-512, which go together. */
#define XCR0_X87    0x01ull
#define XCR0_SSE    0x02ull
#define XCR0_AVX    0x04ull
#define XCR0_AVX512 0xe0ull

#define FXSAVE_SIZE 512u

struct cpu_features cpu_features;

static bool bit(uint32_t word, unsigned n)
{
	return word >> n & 1;
}

static uint32_t leaf_max(uint32_t base)
{
	return cpuid(base, 0).eax;
}

static void detect_xstate(struct cpu_features *f)
{
	struct cpuid_regs r;

	f->fpu_size = FXSAVE_SIZE;
	if (!f->xsave)
		return;
	r = cpuid(0xd, 0);
	f->xcr0 = r.eax & (XCR0_X87 | XCR0_SSE | XCR0_AVX);
	if ((r.eax & XCR0_AVX512) == XCR0_AVX512 && f->xcr0 & XCR0_AVX)
		f->xcr0 |= XCR0_AVX512;
	f->xsaveopt = bit(cpuid(0xd, 1).eax, 0);
	/* The size for these components: the furthest end of any of them; 64 is the header. */
	f->fpu_size = FXSAVE_SIZE + 64;
	for (unsigned i = 2; i < 63; i++) {
		if (!(f->xcr0 >> i & 1))
			continue;
		r = cpuid(0xd, i);
		f->fpu_size = MAX(f->fpu_size, r.ebx + r.eax);
	}
}

static void detect_name(struct cpu_features *f, uint32_t max_ext)
{
	struct cpuid_regs r = cpuid(0, 0);
	uint32_t *brand = (uint32_t *)f->brand;

	memcpy(f->vendor, &r.ebx, 4);
	memcpy(f->vendor + 4, &r.edx, 4);
	memcpy(f->vendor + 8, &r.ecx, 4);
	r = cpuid(1, 0);
	f->stepping = r.eax & 0xf;
	f->model = (r.eax >> 4 & 0xf) | (r.eax >> 12 & 0xf0);
	f->family = r.eax >> 8 & 0xf;
	if (f->family == 0xf)
		f->family += r.eax >> 20 & 0xff;
	if (max_ext < 0x80000004)
		return;
	for (unsigned i = 0; i < 3; i++) {
		r = cpuid(0x80000002 + i, 0);
		*brand++ = r.eax;
		*brand++ = r.ebx;
		*brand++ = r.ecx;
		*brand++ = r.edx;
	}
}

void features_detect(void)
{
	struct cpu_features *f = &cpu_features;
	uint32_t max = leaf_max(0), max_ext = leaf_max(0x80000000);
	struct cpuid_regs r = cpuid(1, 0);

	f->pge = bit(r.edx, 13);
	f->pat = bit(r.edx, 16);
	f->xsave = bit(r.ecx, 26) && max >= 0xd;
	f->rdrand = bit(r.ecx, 30);
	if (max >= 7) {
		r = cpuid(7, 0);
		f->fsgsbase = bit(r.ebx, 0);
		f->smep = bit(r.ebx, 7);
		f->erms = bit(r.ebx, 9);
		f->rdseed = bit(r.ebx, 18);
		f->smap = bit(r.ebx, 20);
		f->umip = bit(r.ecx, 2);
	}
	f->pages_1g = bit(cpuid(0x80000001, 0).edx, 26);
	f->phys_bits = max_ext >= 0x80000008 ? cpuid(0x80000008, 0).eax & 0xff : 36;
	detect_xstate(f);
	detect_name(f, max_ext);
}

/* Names as in Linux's /proc/cpuinfo, by word and bit; the order there is the order here. */
struct feature_name {
	uint32_t leaf;
	uint8_t reg, bit; /* reg: 0 eax, 1 ebx, 2 ecx, 3 edx */
	char name[13];
};

static const struct feature_name feature_names[] = {
	{1, 3, 0, "fpu"},
	{1, 3, 4, "tsc"},
	{1, 3, 5, "msr"},
	{1, 3, 6, "pae"},
	{1, 3, 8, "cx8"},
	{1, 3, 9, "apic"},
	{1, 3, 11, "sep"},
	{1, 3, 13, "pge"},
	{1, 3, 15, "cmov"},
	{1, 3, 16, "pat"},
	{1, 3, 19, "clflush"},
	{1, 3, 23, "mmx"},
	{1, 3, 24, "fxsr"},
	{1, 3, 25, "sse"},
	{1, 3, 26, "sse2"},
	{0x80000001, 3, 11, "syscall"},
	{0x80000001, 3, 20, "nx"},
	{0x80000001, 3, 26, "pdpe1gb"},
	{0x80000001, 3, 27, "rdtscp"},
	{0x80000001, 3, 29, "lm"},
	{1, 2, 0, "pni"},
	{1, 2, 1, "pclmulqdq"},
	{1, 2, 9, "ssse3"},
	{1, 2, 12, "fma"},
	{1, 2, 13, "cx16"},
	{1, 2, 19, "sse4_1"},
	{1, 2, 20, "sse4_2"},
	{1, 2, 22, "movbe"},
	{1, 2, 23, "popcnt"},
	{1, 2, 25, "aes"},
	{1, 2, 26, "xsave"},
	{1, 2, 28, "avx"},
	{1, 2, 29, "f16c"},
	{1, 2, 30, "rdrand"},
	{1, 2, 31, "hypervisor"},
	{0x80000001, 2, 0, "lahf_lm"},
	{0x80000001, 2, 5, "abm"},
	{7, 1, 0, "fsgsbase"},
	{7, 1, 3, "bmi1"},
	{7, 1, 5, "avx2"},
	{7, 1, 7, "smep"},
	{7, 1, 8, "bmi2"},
	{7, 1, 9, "erms"},
	{7, 1, 18, "rdseed"},
	{7, 1, 19, "adx"},
	{7, 1, 20, "smap"},
	{7, 2, 2, "umip"},
};

static bool feature_present(const struct feature_name *n)
{
	struct cpuid_regs r;
	uint32_t words[4];

	if (n->leaf == 7 && leaf_max(0) < 7)
		return false;
	r = cpuid(n->leaf, 0);
	words[0] = r.eax;
	words[1] = r.ebx;
	words[2] = r.ecx;
	words[3] = r.edx;
	return bit(words[n->reg], n->bit);
}

/* Write text at *len, as far as there is room; *len counts all of it. */
static void append(char *buf, size_t size, size_t *len, const char *text)
{
	*len += str_copy(buf + MIN(*len, size), text, size - MIN(*len, size));
}

unsigned cpu_phys_bits(void)
{
	return cpu_features.phys_bits;
}

size_t cpu_describe(unsigned cpu, char *buf, size_t size)
{
	const struct cpu_features *f = &cpu_features;
	size_t len = (size_t)fmt_snprintf(buf, size,
		"processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\n"
		"model name\t: %s\nstepping\t: %u\nphysical id\t: 0\nsiblings\t: %u\n"
		"core id\t\t: %u\ncpu cores\t: %u\napicid\t\t: %u\nfpu\t\t: yes\n"
		"wp\t\t: yes\nflags\t\t:",
		cpu, f->vendor, f->family, f->model, f->brand, f->stepping, cpu_count(), cpu,
		cpu_count(), cpus[cpu] ? cpus[cpu]->apic_id : cpu);

	for (unsigned i = 0; i < ARRAY_SIZE(feature_names); i++) {
		if (!feature_present(&feature_names[i]))
			continue;
		append(buf, size, &len, " ");
		append(buf, size, &len, feature_names[i].name);
	}
	len += (size_t)fmt_snprintf(buf + MIN(len, size), size - MIN(len, size),
		"\naddress sizes\t: %u bits physical, 48 bits virtual\n\n", f->phys_bits);
	return MIN(len, size ? size - 1 : 0);
}
