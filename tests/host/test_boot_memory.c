/*
 * Memory at boot: from the firmware's list of ranges to the buddy. Each case is a machine of its
 * own, so each runs in a child process; it says by its exit status whether all was as it should be.
 */
#include "cmocka_host.h"

#include <sys/wait.h>
#include <unistd.h>

#include "boot_info.h"
#include "mm/buddy.h"
#include "mm/page.h"
#include "mm/physmap.h"
#include "mm/slab.h"

#define M (1ul << 20)

#define must(cond)                                                                 \
	do {                                                                       \
		if (!(cond)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			exit(1);                                                   \
		}                                                                  \
	} while (0)

static bool in_child(void (*fn)(void))
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		fn();
		exit(0);
	}
	waitpid(pid, &status, 0);
	return status == 0;
}

#define case_of(name)                                \
	static void name(void **state)               \
	{                                            \
		(void)state;                         \
		assert_true(in_child(name##_child)); \
	}

static void add(uint64_t base, uint64_t len, enum boot_range_type type)
{
	boot_info.ranges[boot_info.nranges++] = (struct boot_range){base, len, type};
}

static const struct boot_mem_range *ranges;

static unsigned ranges_now(void)
{
	return boot_mem_ranges(&boot_info, &ranges);
}

static bool range_is(unsigned i, uint64_t base, uint64_t end)
{
	return ranges[i].base == base && ranges[i].end == end;
}

static void start(uint64_t arena)
{
	memset(&boot_info, 0, sizeof(boot_info));
	host_arena_start(arena);
}

/* Reserved memory wins; holes split, trim and remove ranges; the first 64 KiB are kept back. */
static void holes_child(void)
{
	start(64 * M);
	add(0, 640 << 10, BOOT_RAM_USABLE);
	add(M + 100, 31 * M - 100, BOOT_RAM_USABLE);
	add(8 * M, M + 1, BOOT_RAM_RESERVED); /* in the middle */
	add(31 * M, 2 * M, BOOT_RAM_BAD);     /* the end */
	add(40 * M, M, BOOT_RAM_USABLE);
	add(39 * M, 3 * M, BOOT_RAM_ACPI); /* all of it */
	add(50 * M, 5, BOOT_RAM_USABLE);   /* no whole frame */
	boot_info.kernel_base = M;
	boot_info.kernel_end = 3 * M - 17; /* the beginning */
	boot_info.module_base = 20 * M;
	boot_info.module_len = M;
	must(ranges_now() == 4);
	must(range_is(0, 64 << 10, 640 << 10));
	must(range_is(1, 3 * M, 8 * M));
	must(range_is(2, 9 * M + PAGE_SIZE, 20 * M));
	must(range_is(3, 21 * M, 31 * M));
	page_init(&boot_info);
	/* Image and module have descriptors, in case they are given back. */
	must(page_array_count >= 31 * M / PAGE_SIZE);
	must(page_type(page_from_pfn(20 * M / PAGE_SIZE)) == PG_RESERVED);
	page_release_reserved(20 * M + 1, M);
	must(page_type(page_from_pfn(20 * M / PAGE_SIZE)) == PG_RESERVED);
	must(page_type(page_from_pfn(20 * M / PAGE_SIZE + 1)) == PG_FREE);
	page_release_reserved(8 * M + 1, 100); /* no whole frame: nothing */
	must(page_type(page_from_pfn(8 * M / PAGE_SIZE)) == PG_RESERVED);
}
case_of(holes)

	/* Each frame is free memory or a hole, in whatever order the ranges come. */
	static void out_of_order_child(void)
{
	uint64_t nfree = 0;

	start(64 * M);
	add(40 * M, 8 * M, BOOT_RAM_USABLE);
	add(M, 3 * M, BOOT_RAM_USABLE);
	add(20 * M, 2 * M, BOOT_RAM_USABLE);
	add(10 * M, 5 * M, BOOT_RAM_USABLE);
	page_init(&boot_info);
	for (pfn_t pfn = 0; pfn < page_array_count; pfn++) {
		uint64_t at = pfn * PAGE_SIZE;
		bool ram = false;

		for (unsigned i = 0; i < ranges_now(); i++)
			ram |= at >= ranges[i].base && at < ranges[i].end;
		nfree += ram;
		must(page_type(page_from_pfn(pfn)) == (ram ? PG_FREE : PG_RESERVED));
	}
	must(nfree == buddy_free_frames());
}
case_of(out_of_order)

	static void descriptors_reach_over_the_module_child(void)
{
	start(64 * M);
	add(M, 31 * M, BOOT_RAM_USABLE);
	boot_info.module_base = 40 * M;
	boot_info.module_len = M;
	boot_info.kernel_base = 35 * M;
	boot_info.kernel_end = 36 * M;
	page_init(&boot_info);
	must(page_array_count == 41 * M / PAGE_SIZE);
}
case_of(descriptors_reach_over_the_module)

	static const char *mem_word;
static uint64_t mem_bytes;

static void mem_child(void)
{
	start(64 * M);
	host_set_cmdline(mem_word);
	add(M, 63 * M, BOOT_RAM_USABLE);
	must(ranges_now() == (mem_bytes > M));
	must(mem_bytes <= M || range_is(0, M, MIN(mem_bytes, 64 * M)));
}

static void mem_cuts_what_lies_above(void **state)
{
	static const struct {
		const char *word;
		uint64_t bytes;
	} words[] = {{"mem=16M", 16 * M}, {"mem=16m", 16 * M}, {"mem=20480K", 20 * M},
		{"mem=20480k", 20 * M}, {"mem=1G", 1024 * M}, {"mem=1g", 1024 * M},
		{"mem=0x1800000", 24 * M}, {"mem=20000001", 20000001 & ~PAGE_MASK},
		{"mem=many", 64 * M}, {"quiet", 64 * M}, {"mem=512K", 512 << 10}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		mem_word = words[i].word;
		mem_bytes = words[i].bytes;
		assert_true(in_child(mem_child));
	}
}

/* Small pieces come from the lowest range above 1 MiB, large ones from the end of the largest. */
static void pieces_child(void)
{
	uint64_t *small, *large;

	start(64 * M);
	add(0, 640 << 10, BOOT_RAM_USABLE);
	add(8 * M, 20 * M, BOOT_RAM_USABLE);
	add(2 * M, 2 * PAGE_SIZE, BOOT_RAM_USABLE);
	add(40 * M, 4 * M, BOOT_RAM_USABLE);
	small = boot_alloc(1);
	must(virt_to_phys(small) == 2 * M && *small == 0);
	large = boot_alloc(M - 1);
	must(virt_to_phys(large) == 27 * M);
	must(virt_to_phys(boot_alloc(PAGE_SIZE)) == 2 * M + PAGE_SIZE);
	/* That range is used up. */
	must(ranges_now() == 3);
	must(virt_to_phys(boot_alloc(3 * PAGE_SIZE)) == 8 * M);
	must(virt_to_phys(boot_alloc(19 * M - 3 * PAGE_SIZE)) == 8 * M + 3 * PAGE_SIZE);
	must(ranges_now() == 2);
	must(virt_to_phys(boot_alloc(64 << 10)) == 44 * M - (64 << 10));
}
case_of(pieces)

	static void too_little_child(void)
{
	start(64 * M);
	add(M, M, BOOT_RAM_USABLE);
	must(host_panics(boot_alloc(8 * M), "Not enough memory"));
	must(ranges_now() == 1);
}
case_of(too_little)

	/*
	 * The firmware's list may have more entries than there is room for: the rest is not used.
	 */
	static void many_child(void)
{
	start(64 * M);
	for (unsigned i = 0; i < BOOT_RANGES_MAX; i++)
		add(M + i * 3 * PAGE_SIZE, 2 * PAGE_SIZE, BOOT_RAM_USABLE);
	boot_info.nranges = BOOT_RANGES_MAX;
	must(ranges_now() == BOOT_RANGES_MAX);
	/* The hole of a kernel in the middle of a range makes one more. */
}
case_of(many)

	/* Memory above 4 GiB is handed out first, and never to who asks for DMA32. */
	static void high_memory_child(void)
{
	struct page *high, *low, *block;
	uint64_t before;

	start((4ul << 30) + 32 * M);
	add(M, 127 * M, BOOT_RAM_USABLE);
	add(4ul << 30, 32 * M, BOOT_RAM_USABLE);
	page_init(&boot_info);
	slab_init();
	buddy_init_cpu(this_cpu());
	before = buddy_free_frames();
	high = page_alloc(0, 0);
	low = page_alloc(0, ALLOC_DMA32);
	block = page_alloc(3, 0);
	must(page_phys(high) >= 4ul << 30 && page_phys(block) >= 4ul << 30);
	must(page_phys(low) < 4ul << 30);
	page_free(high, 0);
	page_free(low, 0);
	page_free(block, 3);
	must(buddy_free_frames() == before);
	/* Low memory alone, when the high is gone. */
	block = page_alloc(BUDDY_MAX_ORDER, 0);
	while (block && page_phys(block) >= 4ul << 30)
		block = page_alloc(BUDDY_MAX_ORDER, 0);
	must(block);
}
case_of(high_memory)

	/* A CPU works without a list of frames of its own. */
	static void no_list_child(void)
{
	struct page *pg;
	uint64_t before;

	start(64 * M);
	add(M, 63 * M, BOOT_RAM_USABLE);
	page_init(&boot_info);
	slab_init();
	buddy_init_cpu(this_cpu());
	host_enter_cpu(1);
	alloc_fail_nth(1);
	buddy_init_cpu(this_cpu());
	must(!this_cpu()->page_cache);
	before = buddy_free_frames();
	pg = page_alloc(0, ALLOC_ZERO);
	must(pg && ((char *)page_virt(pg))[77] == 0);
	page_free(pg, 0);
	must(buddy_free_frames() == before);
	buddy_drain();
}
case_of(no_list)

	int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holes),
		cmocka_unit_test(out_of_order),
		cmocka_unit_test(descriptors_reach_over_the_module),
		cmocka_unit_test(mem_cuts_what_lies_above),
		cmocka_unit_test(pieces),
		cmocka_unit_test(too_little),
		cmocka_unit_test(many),
		cmocka_unit_test(high_memory),
		cmocka_unit_test(no_list),
	};

	return cmocka_run_group_tests_name("boot memory", tests, NULL, NULL);
}
