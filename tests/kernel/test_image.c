/* The kernel image, its log, command line and symbols. */
#include "boot.h"
#include "klog.h"
#include "ktest.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "main.h"
#include "mm/physmap.h"
#include "panic.h"
#include "pte.h"

/* The leaf entry of a kernel address, whatever its level; 0: none. */
static uint64_t leaf_entry(vaddr_t va)
{
	uint64_t entry = pmap_kernel_root;

	for (unsigned level = 4; level > 0; level--) {
		entry = ((uint64_t *)phys_to_virt(entry & PTE_ADDR))[pt_index(va, level)];
		if (!(entry & PTE_P))
			return 0;
		if (level < 4 && entry & PTE_PS)
			break;
	}
	return entry;
}

static bool has_rights(const char *start, const char *end, uint64_t want)
{
	for (const char *p = start; p < end; p += PAGE_SIZE) {
		if ((leaf_entry((vaddr_t)p) & (PTE_P | PTE_W | PTE_U | PTE_NX)) != want)
			return false;
	}
	return start < end;
}

KTEST(image_sections_have_exact_rights)
{
	KTEST_ASSERT(has_rights(text_start, text_end, PTE_P));
	KTEST_ASSERT(has_rights(rodata_start, rodata_end, PTE_P | PTE_NX));
	KTEST_ASSERT(has_rights(data_start, boot_stack_guard, PTE_P | PTE_W | PTE_NX));
	KTEST_ASSERT(leaf_entry((vaddr_t)boot_stack_guard) == 0);
	KTEST_ASSERT(has_rights(boot_stack, data_end, PTE_P | PTE_W | PTE_NX));
	KTEST_ASSERT(leaf_entry(KERNEL_VMA) == 0 && leaf_entry((vaddr_t)data_end) == 0);
}

KTEST(direct_map_is_never_executable)
{
	for (paddr_t pa = 0; pa < boot_info.kernel_end; pa += PAGE_SIZE)
		KTEST_ASSERT(leaf_entry(PHYSMAP_BASE + pa) & PTE_NX);
}

KTEST(all_tables_of_the_kernel_half_are_there_from_the_start)
{
	const uint64_t *root = phys_to_virt(pmap_kernel_root);

	for (unsigned i = 0; i < PT_ENTRIES; i++)
		KTEST_ASSERT((root[i] & PTE_P) == (i >= PT_ENTRIES / 2));
}

KTEST(symbols_are_found_by_address)
{
	uintptr_t offset;
	const char *name = symbol_lookup((uintptr_t)kmain + 1, &offset);

	KTEST_ASSERT(name && strcmp(name, "kmain") == 0 && offset == 1);
	KTEST_ASSERT(symbol_lookup((uintptr_t)rodata_start, &offset) == NULL);
	KTEST_ASSERT(symbol_lookup(0, &offset) == NULL);
}

KTEST(backtrace_names_the_callers)
{
	uintptr_t pc[16], offset;
	unsigned n = backtrace_collect(NULL, pc, 16);
	bool found = false;

	for (unsigned i = 0; i < n; i++) {
		const char *name = symbol_lookup(pc[i], &offset);

		found |= name && strcmp(name, "ktest_run") == 0;
	}
	KTEST_ASSERT(found);
}

KTEST(log_keeps_records_with_level_and_time)
{
	uint64_t seq = klog_next_seq();
	char buf[256], small[8];
	size_t n;

	klog_debug("number %d", 42);
	KTEST_ASSERT(klog_read(&seq, small, sizeof(small)) == 0);
	n = klog_read(&seq, buf, sizeof(buf) - 1);
	buf[n] = '\0';
	KTEST_ASSERT(n > 10 && strncmp(buf, "<7>[", 4) == 0);
	KTEST_ASSERT(strcmp(buf + n - 11, " number 42\n") == 0);
	KTEST_ASSERT(klog_read(&seq, buf, sizeof(buf)) == 0);
}

KTEST(log_drops_the_oldest_when_it_is_full)
{
	uint64_t seq, last = 0;
	char buf[600];

	for (unsigned i = 0; i < 2000; i++)
		klog_debug("filling the ring of the log, record %u of many", i);
	seq = klog_first_seq();
	KTEST_ASSERT(seq > 0);
	while (klog_read(&seq, buf, sizeof(buf)))
		last = seq;
	KTEST_ASSERT(last == klog_next_seq());
}

KTEST(command_line_is_cut_into_words)
{
	const char *s = "  a=1 \"b c\" d=\"e f\"\tend";
	char word[8];

	KTEST_ASSERT(cmdline_word(&s, word, sizeof(word)) && strcmp(word, "a=1") == 0);
	KTEST_ASSERT(cmdline_word(&s, word, sizeof(word)) && strcmp(word, "b c") == 0);
	KTEST_ASSERT(cmdline_word(&s, word, sizeof(word)) && strcmp(word, "d=e f") == 0);
	KTEST_ASSERT(cmdline_word(&s, word, 3) && strcmp(word, "en") == 0);
	KTEST_ASSERT(!cmdline_word(&s, word, sizeof(word)));
	KTEST_ASSERT(cmdline_has("ktest") && !cmdline_has("ktes"));
}
