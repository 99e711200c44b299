/* The contract's cases on the real MMU: user accesses of this CPU through the loaded table. */
#include "../contract/contract.h"
#include "ktest.h"
#include "sched/thread.h"
#include "usercopy.h"

static bool failed;

bool contract_read(vaddr_t va, uint8_t *value)
{
	return copy_from_user_nofault(value, va, 1) == 0;
}

bool contract_write(vaddr_t va, uint8_t value)
{
	return copy_to_user_nofault(va, &value, 1) == 0;
}

void contract_fail(const char *expr, const char *file, int line)
{
	ktest_fail(expr, file, line);
	failed = true;
}

KTEST(pmap_contract_on_the_real_mmu)
{
	/* The cases load tables by themselves: no switch to another thread may put others in. */
	for (unsigned i = 0; i < contract_count && !failed; i++)
		contract_cases[i].fn();
}
