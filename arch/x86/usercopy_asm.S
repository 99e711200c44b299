/*
 * The copies between kernel and user memory. Each returns in rax the bytes that were not done. A
 * fault in the middle of the words (they may be unaligned and cross into a bad page) goes on byte by
 * byte, so that the copy stops exactly at the first byte that cannot be had.
 */
#include "extable.h"

	.macro	user_access code
771:	.byte	0x0f, 0x1f, 0x00
	.pushsection .patch_sites, "a"
	.quad	771b, \code
	.popsection
	.endm
#define STAC user_access 0xcb010f
#define CLAC user_access 0xca010f

	.text

/* size_t NAME(void *dst, const void *src, size_t n) */
	.macro	copy_function name, kind
	.balign 16
	.globl	\name
	.type	\name, @function
\name:
	STAC
	movq	%rdx, %rcx
	shrq	$3, %rcx
1:	rep movsq
	movl	%edx, %ecx
	andl	$7, %ecx
2:	rep movsb
	CLAC
	xorl	%eax, %eax
	ret
3:	andl	$7, %edx
	leaq	(%rdx, %rcx, 8), %rcx
4:	rep movsb
5:	CLAC
	movq	%rcx, %rax
	ret
	EXTABLE(1b, 3b, \kind)
	EXTABLE(2b, 5b, \kind)
	EXTABLE(4b, 5b, \kind)
	.endm

	copy_function user_copy_faulting, EXTABLE_FAULTING
	copy_function user_copy_nofault, EXTABLE_NOFAULT

/* size_t user_clear(void *dst, size_t n) */
	.balign 16
	.globl	user_clear
	.type	user_clear, @function
user_clear:
	STAC
	xorl	%eax, %eax
	movq	%rsi, %rcx
	shrq	$3, %rcx
1:	rep stosq
	movl	%esi, %ecx
	andl	$7, %ecx
2:	rep stosb
	CLAC
	ret
3:	andl	$7, %esi
	leaq	(%rsi, %rcx, 8), %rcx
4:	rep stosb
5:	CLAC
	movq	%rcx, %rax
	ret
	EXTABLE(1b, 3b, EXTABLE_FAULTING)
	EXTABLE(2b, 5b, EXTABLE_FAULTING)
	EXTABLE(4b, 5b, EXTABLE_FAULTING)

/*
 * ssize_t user_string(char *dst, const char *src, size_t n), n > 0: length without NUL, n when
 * there is none among them, -1 for a fault. Words first, as long as n has room for whole ones: a
 * word has a zero byte where (w - 01..01) & ~w has the top bit of a byte, and the lowest such byte
 * is right. A word may reach into a page that the string does not: one that faults is not waited
 * for, the bytes decide.
 */
	.balign 16
	.globl	user_string
	.type	user_string, @function
user_string:
	STAC
	xorl	%eax, %eax
	movabsq	$0x0101010101010101, %r8
	leaq	-8(%rdx), %r9
	cmpq	$8, %rdx
	jb	6f
	movq	%r8, %r10
	shlq	$7, %r10
5:	movq	(%rsi, %rax), %rcx
	movq	%rcx, (%rdi, %rax)
	movq	%rcx, %r11
	subq	%r8, %rcx
	notq	%r11
	andq	%r11, %rcx
	andq	%r10, %rcx
	jnz	7f
	addq	$8, %rax
	cmpq	%r9, %rax
	jbe	5b
6:	cmpq	%rdx, %rax
	je	2f
1:	movb	(%rsi, %rax), %cl
	movb	%cl, (%rdi, %rax)
	testb	%cl, %cl
	jz	2f
	incq	%rax
	cmpq	%rdx, %rax
	jne	1b
2:	CLAC
	ret
7:	CLAC
	bsfq	%rcx, %rcx
	shrl	$3, %ecx
	addq	%rcx, %rax
	ret
3:	CLAC
	movq	$-1, %rax
	ret
	EXTABLE(1b, 3b, EXTABLE_FAULTING)
	EXTABLE(5b, 6b, EXTABLE_NOFAULT)

	.section .note.GNU-stack, "", @progbits
