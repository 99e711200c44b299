/*
 * The kernel's own symbol table, for backtraces: offsets of all functions, sorted, and their names
 * end to end. build.mk makes it with tools/make-symtab from the first pass of the link and links it
 * in the second; in the first it is empty.
 */
#include "lib/base.h"
#include "mm/types.h"
#include "panic.h"

extern const uint32_t symtab_count;
extern const uint32_t symtab_addresses[]; /* offsets from KERNEL_VMA */
extern const uint32_t symtab_names[];	  /* offsets into symtab_strings */
extern const char symtab_strings[];
extern const char text_start[], text_end[];

unsigned symbol_count(void)
{
	return symtab_count;
}

const char *symbol_name(unsigned number)
{
	return symtab_strings + symtab_names[number];
}

int symbol_number(uintptr_t addr)
{
	uint32_t lo = 0, hi = symtab_count, at;

	if (addr < (uintptr_t)text_start || addr >= (uintptr_t)text_end || hi == 0)
		return -1;
	at = (uint32_t)(addr - KERNEL_VMA);
	/* The last function that begins at or before at. */
	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (symtab_addresses[mid] <= at)
			lo = mid;
		else
			hi = mid;
	}
	return symtab_addresses[lo] > at ? -1 : (int)lo;
}

const char *symbol_lookup(uintptr_t addr, uintptr_t *offset)
{
	int n = symbol_number(addr);

	if (n < 0)
		return NULL;
	*offset = (uint32_t)(addr - KERNEL_VMA) - symtab_addresses[n];
	return symbol_name((unsigned)n);
}
