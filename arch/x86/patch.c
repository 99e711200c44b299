/*
 * Patches CLAC and STAC into the entry code and the user copies when the CPU has SMAP. Runs once on
 * the boot CPU while the boot page tables still let text be written.
 */
#include "patch.h"
#include "cpu_features.h"
#include "lib/string.h"

struct patch_site {
	uint64_t addr, code;
};

extern const struct patch_site patch_sites_start[], patch_sites_end[];

void patch_apply(void)
{
	if (!cpu_features.smap)
		return;
	for (const struct patch_site *s = patch_sites_start; s < patch_sites_end; s++)
		memcpy((void *)s->addr, &s->code, 3);
}
