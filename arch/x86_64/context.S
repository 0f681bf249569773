/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The exchange of two kernel stacks.
 *
 * A thread that does not run has its callee-saved registers on its stack, and its stack pointer in
 * the first word of struct thread:
 *
 *	context.sp -> r15 r14 r13 r12 rbx rbp | return address
 *
 * context_init (context.c) builds the same picture for a new thread, with context_start as the
 * return address.
 */
#include <machine/asmmacros.h>

	.text

/*
 * context_swap: go from one stack to another.
 *	rdi	the thread that runs, whose first word gets the stack pointer
 *	rsi	the thread to go on with
 * Returns, on the other stack, the thread that ran (rax), which lives through the exchange in rdi.
 */
	.balign	16
	.globl	context_swap
	.type	context_swap, @function
context_swap:
	.cfi_startproc
	PUSH_REG rbp
	PUSH_REG rbx
	PUSH_REG r12
	PUSH_REG r13
	PUSH_REG r14
	PUSH_REG r15
	movq	%rsp, (%rdi)
	movq	(%rsi), %rsp
	movq	%rdi, %rax
	POP_REG	r15
	POP_REG	r14
	POP_REG	r13
	POP_REG	r12
	POP_REG	rbx
	POP_REG	rbp
	ret
	.cfi_endproc
	.size	context_swap, . - context_swap

/*
 * context_start: where a new thread comes to from context_swap.
 *	rbx	its entry function
 *	r12	the argument
 */
	.globl	context_start
	.type	context_start, @function
context_start:
	.cfi_startproc
	.cfi_undefined rip
	movq	%rbx, %rdi
	movq	%r12, %rsi
	xorl	%ebp, %ebp
	subq	$8, %rsp		/* so that the call finds the stack aligned */
	call	sched_begin
	ud2
	.cfi_endproc
	.size	context_start, . - context_start

	.section .note.GNU-stack, "", @progbits
