/* The calls that return twice on one stack, or return on another: they cannot be written in C. */
#define SYS_clone 56
#define SYS_vfork 58
#define SYS_exit 60
#define SYS_munmap 11

	.text

/*
 * pid_t vfork(void). The child runs on the parent's stack and returns before the parent, so the
 * return address is kept in a register, where the child's calls cannot overwrite it.
 */
	.globl	vfork
	.type	vfork, @function
vfork:
	popq	%rdx
	movl	$SYS_vfork, %eax
	syscall
	pushq	%rdx
	movq	%rax, %rdi
	jmp	__syscall_result
	.size	vfork, .-vfork

/*
 * long __clone(unsigned long flags, void *stack, int *parent_tid, int *child_tid, void *tls,
 *		int (*fn)(void *), void *arg)
 * => the kernel's result in the parent. The child calls fn(arg) on the new stack and exits with its
 * result.
 */
	.globl	__clone
	.type	__clone, @function
__clone:
	movq	%rcx, %r10		/* the fourth argument of a system call is in r10 */
	movq	8(%rsp), %rax		/* arg and fn go to the child on its stack */
	andq	$-16, %rsi
	subq	$16, %rsi
	movq	%r9, (%rsi)
	movq	%rax, 8(%rsi)
	movl	$SYS_clone, %eax
	syscall
	testq	%rax, %rax
	jz	1f
	ret
1:	xorl	%ebp, %ebp
	popq	%rax
	popq	%rdi
	call	*%rax
	movl	%eax, %edi
	movl	$SYS_exit, %eax
	syscall
	hlt
	.size	__clone, .-__clone

/*
 * void __unmap_and_exit(void *map, size_t size): the end of a detached thread, which runs on what it
 * unmaps.
 */
	.globl	__unmap_and_exit
	.type	__unmap_and_exit, @function
__unmap_and_exit:
	movl	$SYS_munmap, %eax
	syscall
	xorl	%edi, %edi
	movl	$SYS_exit, %eax
	syscall
	hlt
	.size	__unmap_and_exit, .-__unmap_and_exit

/* Where a signal handler returns to (SA_RESTORER): the kernel's frame is on top of the stack. */
	.globl	__sigreturn
	.type	__sigreturn, @function
__sigreturn:
	movl	$15, %eax		/* rt_sigreturn */
	syscall
	hlt
	.size	__sigreturn, .-__sigreturn

	.section .note.GNU-stack,"",@progbits
