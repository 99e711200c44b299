/*
 * kmain: the order in which everything starts, one line a subsystem.
 */
#include "main.h"
#include "boot_info.h"
#include "cpu.h"
#include "klog.h"
#include "ktest.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "mm/buddy.h"
#include "mm/page.h"
#include "mm/physmap.h"
#include "mm/slab.h"
#include "panic.h"

/* Linux's words: quiet shows errors only, loglevel=N what is below N. */
static void set_log_level(void)
{
	const char *end;
	uint64_t level;
	char word[8];

	klog_set_console_level(cmdline_has("quiet") ? KLOG_WARN : KLOG_DEBUG);
	if (cmdline_get("loglevel", word, sizeof(word)) && fmt_parse_u64(word, &end, 10, &level))
		klog_set_console_level((int)MIN(level, (uint64_t)KLOG_DEBUG + 1));
}

static __noreturn void run_tests(const char *pattern)
{
	if (!strncmp(pattern, "panic:", 6))
		ktest_panic(pattern + 6);
	machine_exit(ktest_run(pattern) ? KTEST_EXIT_FAIL : KTEST_EXIT_PASS);
}

void kmain(void)
{
	char pattern[64];

	set_log_level();
	klog(KLOG_NOTICE, "Quire, started by %s: %s", boot_info.loader, boot_info.cmdline);
	physmap_init(&boot_info); /* the kernel's page tables; the boot ones are gone */
	page_init(&boot_info);	  /* a descriptor per frame, free frames to the buddy */
	slab_init();		  /* kernel objects */
	klog_info("%lu of %lu MiB of memory free", buddy_free_frames() >> 8,
		buddy_total_frames() >> 8);
	if (cmdline_get("ktest", pattern, sizeof(pattern)))
		run_tests(pattern);
	die("no init");
}
