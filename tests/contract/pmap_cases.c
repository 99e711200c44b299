/* The cases of contract.h: one behaviour of mm/pmap.h each. */
#include "contract.h"
#include "lib/string.h"
#include "mm/buddy.h"

#define RW   (VM_READ | VM_WRITE | VM_USER)
#define RO   (VM_READ | VM_USER)
#define BASE 0x40000000ul /* start of a 1 GiB entry */
#define MIB2 (2ul << 20)

static struct pmap pm;
static struct page *frames[4];

static bool setup(void)
{
	if (pmap_create(&pm))
		return false;
	for (unsigned i = 0; i < ARRAY_SIZE(frames); i++) {
		frames[i] = page_alloc(0, 0);
		if (!frames[i])
			return false;
		memset(page_virt(frames[i]), (int)(0x10 + i), PAGE_SIZE);
	}
	pmap_load(&pm);
	return true;
}

static void teardown(void)
{
	struct tlb_batch tb;

	tlb_batch_init(&tb, &pm);
	pmap_remove_all(&pm, &tb);
	tlb_batch_finish(&tb);
	pmap_load(NULL);
	pmap_destroy(&pm);
	for (unsigned i = 0; i < ARRAY_SIZE(frames); i++)
		page_free(frames[i], 0);
}

/* Open for the flags, with tables from a fresh stock when they are lacking. */
static int cursor_open(struct pmap_cursor *c, vaddr_t va, unsigned flags)
{
	struct pmap_stock st = {0};
	int err = pmap_open(c, &pm, va, flags, &st);

	if (err == -ENOMEM) {
		err = pmap_stock_fill(&st);
		if (!err)
			err = pmap_open(c, &pm, va, flags, &st);
	}
	pmap_stock_drop(&st);
	return err;
}

static void enter(vaddr_t va, unsigned frame, vm_flags_t rights)
{
	struct pmap_cursor c;
	unsigned flags = PMAP_OPEN_ALLOC | (rights & VM_WRITE ? PMAP_OPEN_WRITE : 0);

	if (cursor_open(&c, va, flags))
		return;
	pmap_set(&c, va, page_pfn(frames[frame]), rights);
	pmap_close(&c);
}

static void lower(vaddr_t start, vaddr_t end)
{
	struct tlb_batch tb;

	tlb_batch_init(&tb, &pm);
	pmap_lower(&pm, start, end, &tb);
	tlb_batch_finish(&tb);
}

static uint64_t remove_range(vaddr_t start, vaddr_t end)
{
	struct tlb_batch tb;
	uint64_t n;

	tlb_batch_init(&tb, &pm);
	n = pmap_remove(&pm, start, end, &tb);
	tlb_batch_finish(&tb);
	return n;
}

static bool reads(vaddr_t va, uint8_t want)
{
	uint8_t v = 0;

	return contract_read(va, &v) && v == want;
}

static void enter_then_access(void)
{
	uint8_t v;

	CONTRACT_ASSERT(!contract_read(BASE, &v));
	enter(BASE, 0, RW);
	CONTRACT_ASSERT(reads(BASE, 0x10));
	CONTRACT_ASSERT(contract_write(BASE, 0x77));
	CONTRACT_ASSERT(*(uint8_t *)page_virt(frames[0]) == 0x77);
	CONTRACT_ASSERT(!contract_read(BASE + PAGE_SIZE, &v));
	CONTRACT_ASSERT(pmap_query(&pm, BASE).rights == RW);
}

static void read_only_refuses_writes(void)
{
	enter(BASE, 0, RO);
	CONTRACT_ASSERT(reads(BASE, 0x10));
	CONTRACT_ASSERT(!contract_write(BASE, 1));
	enter(BASE, 0, RW);
	CONTRACT_ASSERT(contract_write(BASE, 1));
}

static void every_user_entry_is_the_users(void)
{
	enter(BASE, 0, VM_READ);
	CONTRACT_ASSERT(pmap_query(&pm, BASE).rights == RO);
	CONTRACT_ASSERT(reads(BASE, 0x10));
}

static void removal_is_seen_after_the_batch(void)
{
	uint8_t v;

	enter(BASE, 0, RW);
	enter(BASE + PAGE_SIZE, 1, RW);
	CONTRACT_ASSERT(reads(BASE, 0x10) && reads(BASE + PAGE_SIZE, 0x11));
	CONTRACT_ASSERT(remove_range(BASE, BASE + PAGE_SIZE) == 1);
	CONTRACT_ASSERT(!contract_read(BASE, &v));
	CONTRACT_ASSERT(reads(BASE + PAGE_SIZE, 0x11));
	enter(BASE, 2, RW);
	CONTRACT_ASSERT(reads(BASE, 0x12));
}

static void lower_single_pages(void)
{
	enter(BASE, 0, RW);
	enter(BASE + PAGE_SIZE, 1, RW);
	CONTRACT_ASSERT(contract_write(BASE, 5) && contract_write(BASE + PAGE_SIZE, 6));
	lower(BASE, BASE + PAGE_SIZE);
	CONTRACT_ASSERT(!contract_write(BASE, 7));
	CONTRACT_ASSERT(contract_write(BASE + PAGE_SIZE, 8));
	CONTRACT_ASSERT(reads(BASE, 5));
}

static void lower_at_an_upper_level(void)
{
	enter(BASE, 0, RW);
	enter(BASE + MIB2, 1, RW);
	CONTRACT_ASSERT(contract_write(BASE, 5) && contract_write(BASE + MIB2, 6));
	lower(BASE, BASE + MIB2);
	CONTRACT_ASSERT(!contract_write(BASE, 7));
	CONTRACT_ASSERT(contract_write(BASE + MIB2, 8));
	CONTRACT_ASSERT(pmap_query(&pm, BASE).leaf_write);
	CONTRACT_ASSERT(!(pmap_query(&pm, BASE).rights & VM_WRITE));
}

static void lower_a_whole_gib(void)
{
	enter(BASE, 0, RW);
	enter(BASE + 100 * MIB2, 1, RW);
	CONTRACT_ASSERT(contract_write(BASE, 5) && contract_write(BASE + 100 * MIB2, 6));
	lower(BASE, BASE + (1ul << 30));
	CONTRACT_ASSERT(!contract_write(BASE, 7) && !contract_write(BASE + 100 * MIB2, 8));
	CONTRACT_ASSERT(reads(BASE, 5) && reads(BASE + 100 * MIB2, 6));
}

static void push_down_raises_one_page_only(void)
{
	struct pmap_cursor c;

	enter(BASE, 0, RW);
	enter(BASE + PAGE_SIZE, 1, RW);
	enter(BASE + MIB2, 2, RW);
	CONTRACT_ASSERT(contract_write(BASE, 5) && contract_write(BASE + PAGE_SIZE, 6));
	lower(BASE, BASE + (1ul << 30));
	CONTRACT_ASSERT(!contract_write(BASE, 7));
	CONTRACT_ASSERT(!cursor_open(&c, BASE, PMAP_OPEN_WRITE));
	CONTRACT_ASSERT(c.pushed_down && !c.restored);
	pmap_set(&c, BASE, page_pfn(frames[0]), RW);
	pmap_close(&c);
	CONTRACT_ASSERT(contract_write(BASE, 9));
	CONTRACT_ASSERT(!contract_write(BASE + PAGE_SIZE, 9));
	CONTRACT_ASSERT(!contract_write(BASE + MIB2, 9));
	CONTRACT_ASSERT(reads(BASE, 9));
}

static void restore_brings_all_of_a_table_back(void)
{
	struct pmap_cursor c;

	enter(BASE, 0, RW);
	enter(BASE + PAGE_SIZE, 1, RW);
	lower(BASE, BASE + (1ul << 30));
	CONTRACT_ASSERT(!contract_write(BASE, 7) && !contract_write(BASE + PAGE_SIZE, 7));
	CONTRACT_ASSERT(!cursor_open(&c, BASE, PMAP_OPEN_WRITE | PMAP_OPEN_RESTORE));
	CONTRACT_ASSERT(c.restored && !c.pushed_down);
	pmap_close(&c);
	CONTRACT_ASSERT(contract_write(BASE, 8) && contract_write(BASE + PAGE_SIZE, 8));
}

static void lowering_twice_is_lowering_once(void)
{
	struct tlb_batch tb;

	enter(BASE, 0, RW);
	lower(BASE, BASE + MIB2);
	tlb_batch_init(&tb, &pm);
	pmap_lower(&pm, BASE, BASE + MIB2, &tb);
	CONTRACT_ASSERT(tb.n == 0 && !tb.whole);
	tlb_batch_finish(&tb);
	CONTRACT_ASSERT(!contract_write(BASE, 1));
}

static void protect_takes_rights(void)
{
	struct tlb_batch tb;
	uint8_t v;

	enter(BASE, 0, RW | VM_EXEC);
	CONTRACT_ASSERT(contract_write(BASE, 5));
	tlb_batch_init(&tb, &pm);
	pmap_protect(&pm, BASE, BASE + PAGE_SIZE, VM_READ, &tb);
	tlb_batch_finish(&tb);
	CONTRACT_ASSERT(!contract_write(BASE, 6) && reads(BASE, 5));
	CONTRACT_ASSERT(pmap_query(&pm, BASE).rights == RO);
	tlb_batch_init(&tb, &pm);
	pmap_protect(&pm, BASE, BASE + PAGE_SIZE, 0, &tb);
	tlb_batch_finish(&tb);
	CONTRACT_ASSERT(!contract_read(BASE, &v));
}

static void tables_go_after_the_flush(void)
{
	uint64_t tables = pm.tables;
	struct tlb_batch tb;
	uint8_t v;

	enter(BASE, 0, RW);
	enter(BASE + MIB2, 1, RW);
	CONTRACT_ASSERT(reads(BASE, 0x10) && reads(BASE + MIB2, 0x11));
	CONTRACT_ASSERT(pm.tables == tables + 4);
	tlb_batch_init(&tb, &pm);
	CONTRACT_ASSERT(pmap_remove(&pm, BASE, BASE + MIB2, &tb) == 1);
	pmap_free_tables(&pm, 0, BASE + MIB2, &tb);
	CONTRACT_ASSERT(pm.tables == tables + 3);
	tlb_batch_finish(&tb);
	CONTRACT_ASSERT(!contract_read(BASE, &v) && reads(BASE + MIB2, 0x11));
	enter(BASE, 2, RW);
	CONTRACT_ASSERT(reads(BASE, 0x12));
}

static void dropping_everything_is_safe(void)
{
	struct tlb_batch tb;
	uint8_t v;

	enter(BASE, 0, RW);
	enter(0x7fffffffe000ul, 1, RW);
	CONTRACT_ASSERT(reads(BASE, 0x10) && reads(0x7fffffffe000ul, 0x11));
	tlb_batch_init(&tb, &pm);
	pmap_remove_all(&pm, &tb);
	tlb_batch_finish(&tb);
	CONTRACT_ASSERT(pm.tables == 1);
	CONTRACT_ASSERT(!contract_read(BASE, &v) && !contract_read(0x7fffffffe000ul, &v));
	enter(BASE, 2, RW);
	CONTRACT_ASSERT(reads(BASE, 0x12));
}

static void another_table_shows_other_memory(void)
{
	struct pmap other;
	uint8_t v;

	enter(BASE, 0, RW);
	CONTRACT_ASSERT(reads(BASE, 0x10));
	CONTRACT_ASSERT(!pmap_create(&other));
	pmap_load(&other);
	CONTRACT_ASSERT(!contract_read(BASE, &v));
	pmap_load(&pm);
	pmap_destroy(&other);
	CONTRACT_ASSERT(reads(BASE, 0x10));
}

static void cursor_without_alloc_finds_nothing(void)
{
	struct pmap_cursor c;
	struct pmap_stock st = {0};

	CONTRACT_ASSERT(pmap_open(&c, &pm, BASE, 0, NULL) == -ENOENT);
	CONTRACT_ASSERT(pmap_open(&c, &pm, BASE, PMAP_OPEN_ALLOC, &st) == -ENOMEM);
	CONTRACT_ASSERT(st.want == 3);
	enter(BASE, 0, RW);
	CONTRACT_ASSERT(pmap_open(&c, &pm, BASE + MIB2, PMAP_OPEN_ALLOC, &st) == -ENOMEM);
	CONTRACT_ASSERT(st.want == 1);
}

#define CASE(id)                          \
	static void case_##id(void)       \
	{                                 \
		CONTRACT_ASSERT(setup()); \
		id();                     \
		teardown();               \
	}

CASE(enter_then_access)
CASE(read_only_refuses_writes)
CASE(every_user_entry_is_the_users)
CASE(removal_is_seen_after_the_batch)
CASE(lower_single_pages)
CASE(lower_at_an_upper_level)
CASE(lower_a_whole_gib)
CASE(push_down_raises_one_page_only)
CASE(restore_brings_all_of_a_table_back)
CASE(lowering_twice_is_lowering_once)
CASE(protect_takes_rights)
CASE(tables_go_after_the_flush)
CASE(dropping_everything_is_safe)
CASE(another_table_shows_other_memory)
CASE(cursor_without_alloc_finds_nothing)

#define ENTRY(id)              \
	{                      \
#id, case_##id \
	}
const struct contract_case contract_cases[] = {
	ENTRY(enter_then_access),
	ENTRY(read_only_refuses_writes),
	ENTRY(every_user_entry_is_the_users),
	ENTRY(removal_is_seen_after_the_batch),
	ENTRY(lower_single_pages),
	ENTRY(lower_at_an_upper_level),
	ENTRY(lower_a_whole_gib),
	ENTRY(push_down_raises_one_page_only),
	ENTRY(restore_brings_all_of_a_table_back),
	ENTRY(lowering_twice_is_lowering_once),
	ENTRY(protect_takes_rights),
	ENTRY(tables_go_after_the_flush),
	ENTRY(dropping_everything_is_safe),
	ENTRY(another_table_shows_other_memory),
	ENTRY(cursor_without_alloc_finds_nothing),
};
const unsigned contract_count = ARRAY_SIZE(contract_cases);
