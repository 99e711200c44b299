/*
 * Where a further CPU starts: real mode, at a page below 1 MiB that smp.c copies this code to. It
 * goes to long mode in one step with tables that smp.c made (identity map of the first 2 MiB plus
 * the kernel half), then takes the kernel's own table, its stack, and calls its C function.
 * Source: SDM vol. 3A, 8.4 (start-up), 9.8.5 (entering long mode).
 */
#define TRAMPOLINE 0x8000
#define AT(symbol) (TRAMPOLINE + (symbol) - trampoline_start)

	.section .rodata
	.balign 16
	.globl trampoline_start, trampoline_end, trampoline_block
	.code16
trampoline_start:
	cli
	cld
	xorw	%ax, %ax
	movw	%ax, %ds
	movl	AT(block_cr4), %eax
	movl	%eax, %cr4
	movl	AT(block_start_cr3), %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx	/* EFER */
	movl	AT(block_efer), %eax
	xorl	%edx, %edx
	wrmsr
	lgdtl	AT(gdt_pointer)
	movl	AT(block_cr0), %eax
	movl	%eax, %cr0
	ljmpl	$8, $AT(long_mode)

	.code64
long_mode:
	movl	$16, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	xorl	%eax, %eax
	movl	%eax, %fs
	movl	%eax, %gs
	movq	AT(block_stack), %rsp
	movq	AT(block_arg), %rdi
	movq	AT(block_entry), %rax
	movq	AT(block_cr3), %rcx
	jmpq	*AT(block_high)

	.balign 8
gdt:
	.quad	0
	.quad	0x00af9b000000ffff	/* 64-bit code */
	.quad	0x00cf93000000ffff	/* data */
gdt_pointer:
	.word	gdt_pointer - gdt - 1
	.long	AT(gdt)

	.balign 8
trampoline_block:			/* struct trampoline_block of smp.c */
block_cr0:	 .long 0
block_cr4:	 .long 0
block_efer:	 .long 0
block_start_cr3: .long 0
block_cr3:	 .quad 0
block_stack:	 .quad 0
block_entry:	 .quad 0
block_arg:	 .quad 0
block_high:	 .quad 0
trampoline_end:

/* In the kernel image: the identity map may go now. %rcx table, %rax function, %rdi argument. */
	.text
	.globl	trampoline_high
trampoline_high:
	movq	%rcx, %cr3
	xorl	%ebp, %ebp
	pushq	$0
	jmpq	*%rax
	.section .note.GNU-stack, "", @progbits
