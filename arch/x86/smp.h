/*
 * CPUs: the per-CPU blocks and the start of all but the first.
 */
#ifndef X86_SMP_H
#define X86_SMP_H

/*
 * The page tables and code of the start-up lie here, below 1 MiB: [base, base + len) is kept out of
 * the free frames.
 */
#define SMP_LOW_BASE 0x8000ul
#define SMP_LOW_LEN  0x4000ul

#endif
