/*
 * Ways into the kernel and back: traps and interrupts, system calls, the first run of a new thread.
 * Each builds a struct user_regs (regs.h) on the stack that it uses.
 *
 * Segment base: in the kernel GS is the CPU's struct cpu, in user mode the user's; entries from
 * user mode exchange them with SWAPGS, with interrupts off on both ways. NMI, double fault and
 * machine check can come in between; they read struct cpu from the top of their own stack, set it,
 * and put back what was there.
 *
 * SMAP: user space may have set AC, so every entry clears it. The three bytes of CLAC are a NOP
 * until patch.c finds that the CPU has the instruction.
 */
#include "regs.h"

#define CLAC_SITE				\
	771:	.byte 0x0f, 0x1f, 0x00;		\
	.pushsection .patch_sites, "a";		\
	.quad	771b, 0xca010f;			\
	.popsection

	.macro push_general
	pushq	%r9
	pushq	%r8
	pushq	%r10
	pushq	%rdx
	pushq	%rsi
	pushq	%rdi
	pushq	%rcx
	pushq	%rax
	pushq	%r11
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	.endm

	.macro pop_general
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	popq	%r11
	popq	%rax
	popq	%rcx
	popq	%rdi
	popq	%rsi
	popq	%rdx
	popq	%r10
	popq	%r8
	popq	%r9
	.endm

	.section .text.entry, "ax"

/* 256 stubs of 16 bytes: vectors 8, 10-14, 17, 21, 29, 30 come with an error code. */
	.balign 16
	.globl	trap_stubs
trap_stubs:
	.set	vector, 0
	.rept	256
	.balign	16
	.if	!(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
	pushq	$0
	.endif
	pushq	$vector
	jmp	trap_common
	.set	vector, vector + 1
	.endr

	.balign 16
	.type	trap_common, @function
trap_common:
	cld
	CLAC_SITE
	testb	$3, 24(%rsp)
	jz	trap_from_kernel
	swapgs
	push_general
	xorl	%ebp, %ebp		/* a backtrace ends here */
	movq	%rsp, %rdi
	call	trap_dispatch
	cli

/* rsp: struct user_regs of user mode, complete; interrupts off. */
	.globl	return_to_user
return_to_user:
	movq	%gs:CPU_CURRENT, %rax
	testb	$3, THREAD_FLAGS(%rax)	/* SIGPENDING, KILLED */
	jnz	return_work
	cmpb	$0, %gs:CPU_NEED_RESCHED
	jne	return_work
return_now:
	pop_general
	swapgs
	addq	$16, %rsp
	iretq
return_work:
	sti
	movq	%rsp, %rdi
	call	return_to_user_work
	cli
	jmp	return_to_user

trap_from_kernel:
	push_general
	movq	%rsp, %rdi
	call	trap_dispatch
	pop_general
	addq	$16, %rsp
	iretq

/* Exceptions on their own stacks. Above the frame lies the address of struct cpu. */
	.macro	paranoid_stub name, vector, has_error
	.balign 16
	.globl	\name
	.type	\name, @function
\name:
	.if	!\has_error
	pushq	$0
	.endif
	pushq	$\vector
	jmp	paranoid_common
	.endm

	paranoid_stub stub_nmi, 2, 0
	paranoid_stub stub_double_fault, 8, 1
	paranoid_stub stub_machine_check, 18, 0

	.type	paranoid_common, @function
paranoid_common:
	cld
	CLAC_SITE
	push_general
	movl	$0xc0000101, %ecx	/* GS base */
	rdmsr
	movl	%eax, %ebx
	movl	%edx, %r12d
	movl	REGS_SIZE(%rsp), %eax
	movl	REGS_SIZE + 4(%rsp), %edx
	wrmsr
	movq	%rsp, %rdi
	call	trap_paranoid
	movl	$0xc0000101, %ecx
	movl	%ebx, %eax
	movl	%r12d, %edx
	wrmsr
	pop_general
	addq	$16, %rsp
	iretq

/*
 * SYSCALL: rcx = user rip, r11 = user rflags; interrupts, AC and DF were cleared by SFMASK. All
 * registers but rax, rcx, r11 are kept (Linux's rule). As long as nobody touched the saved
 * registers (vector is VECTOR_SYSCALL), rbx and r12 to r15 still hold the user's values, because C
 * preserves them, and SYSRET is safe: rip is where user code ran, hence canonical.
 */
	.balign 16
	.globl	syscall_entry
	.type	syscall_entry, @function
syscall_entry:
	swapgs
	movq	%rsp, %gs:CPU_USER_SP
	movq	%gs:CPU_KERNEL_SP, %rsp
	pushq	$SEL_USER_DATA
	pushq	%gs:CPU_USER_SP
	pushq	%r11
	pushq	$SEL_USER_CODE
	pushq	%rcx
	pushq	%rax			/* error: the number */
	pushq	$VECTOR_SYSCALL
	push_general
	sti
	xorl	%ebp, %ebp
	movq	%rax, %rdi		/* the number */
	leaq	REGS_RDI(%rsp), %rsi	/* its six arguments lie in order */
	call	syscall_dispatch
	movq	%rax, REGS_RAX(%rsp)
	cli
	movq	%gs:CPU_CURRENT, %rax
	testb	$3, THREAD_FLAGS(%rax)
	jnz	return_work
	cmpb	$0, %gs:CPU_NEED_RESCHED
	jne	return_work
	cmpl	$VECTOR_SYSCALL, REGS_VECTOR(%rsp)
	jne	return_now
	movq	REGS_RBP(%rsp), %rbp
	movq	REGS_R10(%rsp), %r10
	movq	REGS_R9(%rsp), %r9
	movq	REGS_R8(%rsp), %r8
	movq	REGS_RAX(%rsp), %rax
	movq	REGS_RDX(%rsp), %rdx
	movq	REGS_RSI(%rsp), %rsi
	movq	REGS_RDI(%rsp), %rdi
	movq	REGS_RIP(%rsp), %rcx
	movq	REGS_RFLAGS(%rsp), %r11
	movq	REGS_RSP(%rsp), %rsp
	swapgs
	sysretq

/*
 * context_switch_stack(uint64_t *save_sp, uint64_t new_sp): the callee-saved registers go on the
 * old stack, the others come from the new one.
 */
	.balign 16
	.globl	context_switch_stack
	.type	context_switch_stack, @function
context_switch_stack:
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	ret

/* The first run of a kernel thread: r12 = function, r13 = argument. */
	.globl	context_start_kernel
	.type	context_start_kernel, @function
context_start_kernel:
	call	sched_switch_done
	movq	%r13, %rdi
	call	*%r12
	call	thread_exit
	ud2

/* The first run of a user thread: its registers lie on the stack. */
	.globl	context_start_user
	.type	context_start_user, @function
context_start_user:
	call	sched_switch_done
	cli
	jmp	return_to_user

/* context_enter_user_regs(struct user_regs *regs): leave the kernel for good; regs is the frame at
 * the top of the stack. */
	.globl	context_enter_user_regs
	.type	context_enter_user_regs, @function
context_enter_user_regs:
	cli
	movq	%rdi, %rsp
	xorl	%ebp, %ebp
	jmp	return_to_user

	.section .note.GNU-stack, "", @progbits
