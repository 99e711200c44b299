/*
 * The registers of whoever was interrupted, as entry.S pushes them; selectors; vectors. User
 * registers lie at the top of the thread's kernel stack. Included by assembly too (the numbers).
 */
#ifndef X86_REGS_H
#define X86_REGS_H

/* As on Linux: gdb and a few programs know the user ones. */
#define SEL_KERNEL_CODE 0x10
#define SEL_KERNEL_DATA 0x18
#define SEL_USER_CODE32 0x23
#define SEL_USER_DATA	0x2b
#define SEL_USER_CODE	0x33
#define SEL_TSS		0x40
#define SEL_CPU_NUMBER	0x7b /* its limit is the CPU's number, for the vDSO */

/* user_regs.vector besides 0 .. 255: in a system call whose registers nobody has changed (sysretq
 * may be used); returning with registers that were set as a whole (iretq). */
#define VECTOR_SYSCALL 0x100
#define VECTOR_NONE    0x101

#define VEC_DE	0
#define VEC_DB	1
#define VEC_NMI 2
#define VEC_BP	3
#define VEC_OF	4
#define VEC_BR	5
#define VEC_UD	6
#define VEC_NM	7
#define VEC_DF	8
#define VEC_TS	10
#define VEC_NP	11
#define VEC_SS	12
#define VEC_GP	13
#define VEC_PF	14
#define VEC_MF	16
#define VEC_AC	17
#define VEC_MC	18
#define VEC_XM	19

/* Offsets in struct user_regs (regs.c asserts them). */
#define REGS_RBP    32
#define REGS_RAX    56
#define REGS_RDI    72
#define REGS_RSI    80
#define REGS_RDX    88
#define REGS_R10    96
#define REGS_R8	    104
#define REGS_R9	    112
#define REGS_VECTOR 120
#define REGS_RIP    136
#define REGS_CS	    144
#define REGS_RFLAGS 152
#define REGS_RSP    160
#define REGS_SIZE   176

/* Offsets in struct cpu and struct thread. */
#define CPU_KERNEL_SP	 8
#define CPU_USER_SP	 16
#define CPU_CURRENT	 24
#define CPU_NEED_RESCHED 41
#define THREAD_FLAGS	 4

#ifndef __ASSEMBLER__
#include "lib/base.h"

struct user_regs {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, rax, rcx;
	uint64_t rdi, rsi, rdx, r10, r8, r9; /* arguments of system calls, in their order */
	uint64_t vector;
	uint64_t error; /* error code of the CPU; in a system call its number */
	uint64_t rip, cs, rflags, rsp, ss;
};

static inline bool regs_from_user(const struct user_regs *regs)
{
	return (regs->cs & 3) == 3;
}
#endif

#endif
