/*
 * Instructions that may fault on user memory (or on values from it) and where to go on then. Each
 * row is three quads in the section .extable.
 */
#ifndef X86_EXTABLE_H
#define X86_EXTABLE_H

#define EXTABLE_FAULTING 0 /* page faults are handled first; the fix-up is for those that fail */
#define EXTABLE_NOFAULT	 1 /* straight to the fix-up */

#ifdef __ASSEMBLER__
/* clang-format off */
#define EXTABLE(insn, fixup, kind) \
	.pushsection .extable, "a"; \
	.balign 8; \
	.quad insn, fixup, kind; \
	.popsection
/* clang-format on */
#else
#include "regs.h"

#define EXTABLE(insn, fixup, kind)                 \
	".pushsection .extable, \"a\"\n\t"         \
	".balign 8\n\t"                            \
	".quad " insn ", " fixup ", " #kind "\n\t" \
	".popsection\n\t"

struct extable_row {
	uint64_t insn, fixup, kind;
};

/* The row of a kernel instruction, or NULL. */
const struct extable_row *extable_find(uint64_t rip);
#endif

#endif
