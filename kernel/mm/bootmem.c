/*
 * bootmem: RAM before there are frame descriptors.
 *
 * Owns the list of usable ranges: the firmware's map, rounded inwards to frames, cut at mem=, with
 * the kernel image, the boot module and the first 64 KiB (real-mode start-up code of other CPUs)
 * taken out. boot_alloc takes from it and never gives back; page_init takes over what is left.
 *
 * Runs on the boot CPU alone: no locks.
 */
#include "boot_info.h"
#include "lib/assert.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "mm/page.h"
#include "mm/physmap.h"
#include "panic.h"

#define LOW_MEMORY_END 0x10000ul  /* kept for real-mode code */
#define EARLY_MAPPED   0x100000ul /* small pieces come from above the first megabyte */
#define LARGE_PIECE    0x10000ul

/* Each hole (kernel, module) splits at most one range. */
#define RANGES_MAX (BOOT_RANGES_MAX + 4)

static struct boot_mem_range ranges[RANGES_MAX];
static unsigned nranges;
static bool ready;

static void range_drop(unsigned i)
{
	memmove(&ranges[i], &ranges[i + 1], (nranges - i - 1) * sizeof(ranges[0]));
	nranges--;
}

/* Take [base, end) out of all ranges. */
static void ranges_exclude(paddr_t base, paddr_t end)
{
	base = ALIGN_DOWN(base, PAGE_SIZE);
	end = ALIGN_UP(end, PAGE_SIZE);
	for (unsigned i = 0; i < nranges; i++) {
		struct boot_mem_range *r = &ranges[i];

		if (end <= r->base || base >= r->end)
			continue;
		if (base > r->base && end < r->end) {
			assert(nranges < RANGES_MAX);
			memmove(r + 1, r, (nranges - i) * sizeof(*r));
			nranges++;
			r[0].end = base;
			r[1].base = end;
			return;
		}
		if (base > r->base) {
			r->end = base;
		} else if (end < r->end) {
			r->base = end;
		} else {
			range_drop(i);
			i--;
		}
	}
}

/* mem=SIZE with K, M, G: addresses at and above it are not used. */
static paddr_t mem_limit(void)
{
	char word[32];
	const char *end;
	uint64_t n;

	if (!cmdline_get("mem", word, sizeof(word)) || !fmt_parse_u64(word, &end, 0, &n))
		return UINT64_MAX;
	switch (*end) {
	case 'k':
	case 'K':
		return n << 10;
	case 'm':
	case 'M':
		return n << 20;
	case 'g':
	case 'G':
		return n << 30;
	default:
		return n;
	}
}

static void ranges_init(const struct boot_info *bi)
{
	paddr_t limit = mem_limit();

	for (unsigned i = 0; i < bi->nranges && nranges < BOOT_RANGES_MAX; i++) {
		paddr_t base = ALIGN_UP(bi->ranges[i].base, PAGE_SIZE);
		paddr_t end = bi->ranges[i].base + bi->ranges[i].len;

		if (bi->ranges[i].type != BOOT_RAM_USABLE)
			continue;
		end = ALIGN_DOWN(MIN(end, limit), PAGE_SIZE);
		if (base < end)
			ranges[nranges++] = (struct boot_mem_range){base, end};
	}
	/* What the firmware calls reserved wins over what it calls usable. */
	for (unsigned i = 0; i < bi->nranges; i++) {
		if (bi->ranges[i].type != BOOT_RAM_USABLE)
			ranges_exclude(bi->ranges[i].base, bi->ranges[i].base + bi->ranges[i].len);
	}
	ranges_exclude(0, LOW_MEMORY_END);
	ranges_exclude(bi->kernel_base, bi->kernel_end);
	if (bi->module_len)
		ranges_exclude(bi->module_base, bi->module_base + bi->module_len);
	ready = true;
}

unsigned boot_mem_ranges(const struct boot_info *bi, const struct boot_mem_range **out)
{
	if (!ready)
		ranges_init(bi);
	*out = ranges;
	return nranges;
}

static struct boot_mem_range *range_lowest(size_t bytes)
{
	struct boot_mem_range *best = NULL;

	for (unsigned i = 0; i < nranges; i++) {
		struct boot_mem_range *r = &ranges[i];

		if (r->base >= EARLY_MAPPED && r->end - r->base >= bytes &&
			(!best || r->base < best->base))
			best = r;
	}
	return best;
}

static struct boot_mem_range *range_largest(size_t bytes)
{
	struct boot_mem_range *best = NULL;

	for (unsigned i = 0; i < nranges; i++) {
		struct boot_mem_range *r = &ranges[i];

		if (r->end - r->base >= bytes &&
			(!best || r->end - r->base > best->end - best->base))
			best = r;
	}
	return best;
}

void *boot_alloc(size_t bytes)
{
	struct boot_mem_range *r;
	paddr_t pa;
	void *p;

	if (!ready)
		ranges_init(&boot_info);
	assert(page_array == NULL && bytes > 0);
	bytes = ALIGN_UP(bytes, PAGE_SIZE);
	r = bytes >= LARGE_PIECE ? range_largest(bytes) : range_lowest(bytes);
	if (!r)
		die("Not enough memory: no %zu KiB of RAM in one piece. Quire needs at least 16 "
		    "MiB, and room for the boot module, which has %llu KiB.",
			bytes >> 10, (unsigned long long)(boot_info.module_len >> 10));
	if (bytes >= LARGE_PIECE) {
		r->end -= bytes;
		pa = r->end;
	} else {
		pa = r->base;
		r->base += bytes;
	}
	if (r->base == r->end)
		range_drop((unsigned)(r - ranges));
	p = phys_to_virt(pa);
	memset(p, 0, bytes);
	return p;
}
