/*
 * Bits of the control registers, RFLAGS and the model-specific registers that the kernel sets up
 * (SDM vol. 3, 2.5, 2.1; vol. 4). The accessors are in insn.h.
 */
#ifndef X86_CPU_BITS_H
#define X86_CPU_BITS_H

#define MSR_STAR	   0xc0000081u
#define MSR_LSTAR	   0xc0000082u
#define MSR_CSTAR	   0xc0000083u
#define MSR_SFMASK	   0xc0000084u
#define MSR_FS_BASE	   0xc0000100u
#define MSR_GS_BASE	   0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u

#define EFER_SCE 0x001ull
#define EFER_LME 0x100ull
#define EFER_NXE 0x800ull

#define CR0_MP 0x00000002ull
#define CR0_EM 0x00000004ull
#define CR0_TS 0x00000008ull
#define CR0_NE 0x00000020ull
#define CR0_WP 0x00010000ull

#define CR4_OSFXSR     0x000200ull
#define CR4_OSXMMEXCPT 0x000400ull
#define CR4_UMIP       0x000800ull
#define CR4_FSGSBASE   0x010000ull
#define CR4_OSXSAVE    0x040000ull
#define CR4_SMEP       0x100000ull
#define CR4_SMAP       0x200000ull

#define RFLAGS_FIXED 0x000002ull
#define RFLAGS_TF    0x000100ull
#define RFLAGS_IF    0x000200ull
#define RFLAGS_DF    0x000400ull
#define RFLAGS_IOPL  0x003000ull
#define RFLAGS_NT    0x004000ull
#define RFLAGS_RF    0x010000ull
#define RFLAGS_AC    0x040000ull
#define RFLAGS_ID    0x200000ull
/* CF PF AF ZF SF TF DF OF AC: what user space may set by sigreturn. */
#define RFLAGS_USER 0x040dd5ull

#endif
