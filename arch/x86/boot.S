/*
 * From the boot loader to C: 32-bit protected mode without paging, at physical addresses. Checks
 * the CPU (long mode, NX), makes the boot page tables, enters long mode and jumps to the higher
 * half. Two ways in: Multiboot2 (eax = magic, ebx = information) and PVH (ebx = hvm_start_info).
 *
 * Boot page tables: the first 4 GiB by 2 MiB pages, three times: at 0 (we are there), at
 * PHYSMAP_BASE, and the first GiB of them at KERNEL_VMA. physmap_init replaces them.
 */
#define KERNEL_VMA 0xffffffff80000000

#define MB2_MAGIC     0xe85250d6
#define MB2_LOADER    0x36d76289
#define MB2_ARCH_I386 0

	.section .boot.header, "a"
	.balign 8
mb2_header:
	.long	MB2_MAGIC, MB2_ARCH_I386, mb2_header_end - mb2_header
	.long	-(MB2_MAGIC + MB2_ARCH_I386 + (mb2_header_end - mb2_header))
	/* information request: command line, modules, memory map, framebuffer, both RSDPs */
	.balign 8
mb2_request:
	.short	1, 1
	.long	mb2_request_end - mb2_request
	.long	1, 3, 6
mb2_request_end:
	/* console flags: EGA text is supported */
	.balign 8
	.short	4, 1
	.long	12
	.long	2
	/* modules on page boundaries */
	.balign 8
	.short	6, 0
	.long	8
	.balign 8
	.short	0, 0
	.long	8
mb2_header_end:

/* XEN_ELFNOTE_PHYS32_ENTRY: the physical address of the 32-bit entry. */
	.section .note.pvh, "a", @note
	.balign 4
	.long	4, 8, 18
	.asciz	"Xen"
	.quad	pvh_entry

	.section .boot.text, "ax"
	.code32
	.globl	multiboot2_entry
multiboot2_entry:
	cli
	cld
	movl	$0, %edi
	cmpl	$MB2_LOADER, %eax
	je	boot_common
	movl	$msg_loader, %esi
	jmp	boot_stop

	.globl	pvh_entry
pvh_entry:
	cli
	cld
	movl	$1, %edi

/* edi: 0 Multiboot2, 1 PVH; ebx: physical address of what the loader tells. */
boot_common:
	movl	$boot_stack_top - KERNEL_VMA, %esp
	movl	%ebx, %ebp
	rdtsc
	movl	%eax, boot_entry_tsc - KERNEL_VMA
	movl	%edx, boot_entry_tsc - KERNEL_VMA + 4

	/* CPUID is there if the ID flag can be changed. */
	pushfl
	popl	%eax
	movl	%eax, %ecx
	xorl	$0x200000, %eax
	pushl	%eax
	popfl
	pushfl
	popl	%eax
	xorl	%ecx, %eax
	testl	$0x200000, %eax
	jz	no_long_mode
	movl	$0x80000000, %eax
	cpuid
	cmpl	$0x80000001, %eax
	jb	no_long_mode
	movl	$0x80000001, %eax
	cpuid
	testl	$(1 << 29), %edx
	jz	no_long_mode
	testl	$(1 << 20), %edx
	jz	no_nx

	/* Boot page tables; .bss was cleared by the loader. */
	movl	$boot_pml4 - KERNEL_VMA, %eax
	leal	boot_pdpt - KERNEL_VMA + 3, %ecx
	movl	%ecx, (%eax)
	movl	%ecx, 256 * 8(%eax)
	leal	boot_pdpt_high - KERNEL_VMA + 3, %ecx
	movl	%ecx, 511 * 8(%eax)
	movl	$boot_pdpt - KERNEL_VMA, %eax
	leal	boot_pd - KERNEL_VMA + 3, %ecx
	movl	%ecx, boot_pdpt_high - KERNEL_VMA + 510 * 8
	movl	$4, %edx
1:	movl	%ecx, (%eax)
	addl	$8, %eax
	addl	$4096, %ecx
	decl	%edx
	jnz	1b
	movl	$boot_pd - KERNEL_VMA, %eax
	movl	$0x83, %ecx		/* present, writable, 2 MiB */
	movl	$2048, %edx
2:	movl	%ecx, (%eax)
	addl	$8, %eax
	addl	$0x200000, %ecx
	decl	%edx
	jnz	2b

	movl	$boot_pml4 - KERNEL_VMA, %eax
	movl	%eax, %cr3
	movl	%cr4, %eax
	orl	$0xa0, %eax		/* PAE, PGE */
	movl	%eax, %cr4
	movl	$0xc0000080, %ecx
	rdmsr
	orl	$0x901, %eax		/* EFER: NXE, LME, SCE */
	wrmsr
	movl	%cr0, %eax
	andl	$~0x6000000c, %eax	/* caches on; no EM, TS */
	orl	$0x80010022, %eax	/* PG, WP, NE, MP */
	movl	%eax, %cr0
	lgdtl	boot_gdt_pointer
	ljmpl	$0x10, $boot_long

no_long_mode:
	movl	$msg_long_mode, %esi
	jmp	boot_stop
no_nx:
	movl	$msg_nx, %esi

/* Print the string at esi on the serial port and the screen, and stop. */
boot_stop:
	movl	$0xb8000, %ebx
	movw	$0x3fb, %dx		/* line control: 8N1 */
	movb	$3, %al
	outb	%al, %dx
3:	movb	(%esi), %cl
	testb	%cl, %cl
	jz	5f
	incl	%esi
	movw	$0x3fd, %dx		/* line status: wait for an empty transmitter, not forever */
	movl	$100000, %eax
	movl	%eax, %edi
4:	inb	%dx, %al
	testb	$0x20, %al
	jnz	6f
	decl	%edi
	jnz	4b
6:	movb	%cl, %al
	movw	$0x3f8, %dx
	outb	%al, %dx
	cmpb	$32, %al
	jb	3b
	movb	%al, (%ebx)
	movb	$7, 1(%ebx)
	addl	$2, %ebx
	jmp	3b
5:	cli
	hlt
	jmp	5b

	.code64
boot_long:
	movl	$0x18, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	xorl	%eax, %eax
	movl	%eax, %fs
	movl	%eax, %gs
	movl	%ebp, %esi
	movq	$boot_stack_top, %rsp
	xorl	%ebp, %ebp
	movq	$arch_start, %rax
	call	*%rax
	ud2

	.section .boot.rodata, "a"
	.balign 8
boot_gdt:
	.quad	0, 0
	.quad	0x00af9b000000ffff	/* 0x10: kernel code */
	.quad	0x00cf93000000ffff	/* 0x18: kernel data */
boot_gdt_pointer:
	.short	. - boot_gdt - 1
	.long	boot_gdt
msg_loader:
	.asciz	"Quire: started by an unknown boot loader; use GRUB (multiboot2) or qemu -kernel.\r\n"
msg_long_mode:
	.asciz	"Quire: this CPU has no long mode (64-bit); Quire needs an x86-64 CPU.\r\n"
msg_nx:
	.asciz	"Quire: this CPU has no NX (no-execute pages), or the firmware turned it off; Quire needs it.\r\n"

	.section .bss.boot_entry, "aw", @nobits
	.balign 8
	.globl	boot_entry_tsc
boot_entry_tsc:
	.skip	8

	.section .bss.boot_tables, "aw", @nobits
	.balign 4096
boot_pml4:
	.skip	4096
boot_pdpt:
	.skip	4096
boot_pdpt_high:
	.skip	4096
boot_pd:
	.skip	4 * 4096

	.section .bss.boot_stack, "aw", @nobits
	.balign 4096
	.globl	boot_stack, boot_stack_top
boot_stack:
	.skip	4 * 4096
boot_stack_top:
