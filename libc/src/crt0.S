/*
 * Where a program begins. The kernel leaves argc, argv, envp and the auxiliary vector on the stack;
 * start.c takes them apart.
 */
	.text
	.globl	_start
	.type	_start, @function
_start:
	xorl	%ebp, %ebp		/* the end of the chain of frames */
	movq	%rsp, %rdi
	andq	$-16, %rsp
	call	__libc_start
	hlt				/* __libc_start does not return */
	.size	_start, .-_start
	.section .note.GNU-stack,"",@progbits
