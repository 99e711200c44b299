/*
 * Page-table cases that must come out the same on the soft MMU of the host and on the real one in
 * the kernel. The harness of each side provides the three functions below and runs every case.
 */
#ifndef CONTRACT_H
#define CONTRACT_H

#include "mm/pmap.h"

struct contract_case {
	const char *name;
	void (*fn)(void);
};
extern const struct contract_case contract_cases[];
extern const unsigned contract_count;

/* Access one byte of the loaded pmap as user memory: true if the MMU let it through. */
bool contract_read(vaddr_t va, uint8_t *value);
bool contract_write(vaddr_t va, uint8_t value);
void contract_fail(const char *expr, const char *file, int line);

#define CONTRACT_ASSERT(expr)                                     \
	do {                                                      \
		if (!(expr)) {                                    \
			contract_fail(#expr, __FILE__, __LINE__); \
			return;                                   \
		}                                                 \
	} while (0)

#endif
