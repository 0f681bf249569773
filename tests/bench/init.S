/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * init: the first process of the comparison.  Its first instruction reads the time-stamp counter:
 * the time since the machine was switched on.  It prints that, and becomes /bench with its own
 * arguments.
 */
#include <sys/syscall.h>

	.globl	_start
_start:
	rdtsc
	shlq	$32, %rdx
	orq	%rdx, %rax

	/* The digits, from the last to the first, up to `unit`. */
	leaq	unit(%rip), %rdi
	movl	$10, %ecx
1:	xorl	%edx, %edx
	divq	%rcx
	addb	$'0', %dl
	decq	%rdi
	movb	%dl, (%rdi)
	testq	%rax, %rax
	jnz	1b
	movq	%rdi, %r12

	movl	$1, %edi
	leaq	name(%rip), %rsi
	movl	$name_length, %edx
	movl	$SYS_write, %eax
	syscall
	movl	$1, %edi
	movq	%r12, %rsi
	leaq	end(%rip), %rdx
	subq	%r12, %rdx
	movl	$SYS_write, %eax
	syscall

	movq	(%rsp), %rax		/* argc */
	leaq	8(%rsp), %rsi		/* argv */
	leaq	8(%rsi, %rax, 8), %rdx	/* envp */
	leaq	bench(%rip), %rdi
	movl	$SYS_execve, %eax
	syscall
	movl	$1, %edi
	movl	$SYS_exit_group, %eax
	syscall

	.data
name:	.ascii	"\nfirst_user_insn "
	.set	name_length, . - name
	.fill	24, 1, ' '
unit:	.ascii	" ns\n"
end:
bench:	.asciz	"/bench"

	.section .note.GNU-stack, "", @progbits
