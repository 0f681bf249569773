/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fork_giving, and where the child comes out of it.
 *
 * The registers a called function must keep are pushed, and the address of that is handed to C,
 * which copies the process and starts the copy's thread at fork_child with rsp pointing there.
 * Both then pop the registers and return: the parent with the handle, the child with 0.
 *
 * Entry of fork_giving: rdi = handles to give, rsi = how many; a C function.
 */
	.section .text.fork_giving, "ax", @progbits
	.globl	fork_giving
	.type	fork_giving, @function
fork_giving:
	.cfi_startproc
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r15, 0
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	stmxcsr	(%rsp)				/* rounding and masks are the callee's to keep, too */
	fnstcw	4(%rsp)
	movq	%rsp, %rdx
	call	fork_process
.Lreturn:
	ldmxcsr	(%rsp)
	fldcw	4(%rsp)
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbp
	ret
	.cfi_endproc
	.size	fork_giving, . - fork_giving

	/* Entry: rsp as fork_process was given it; nothing else. */
	.section .text.fork_child, "ax", @progbits
	.globl	fork_child
	.type	fork_child, @function
fork_child:
	.cfi_startproc
	.cfi_def_cfa rsp, 64
	.cfi_offset rip, -8
	.cfi_offset rbp, -16
	.cfi_offset rbx, -24
	.cfi_offset r12, -32
	.cfi_offset r13, -40
	.cfi_offset r14, -48
	.cfi_offset r15, -56
	call	fork_child_start
	xorl	%eax, %eax
	jmp	.Lreturn
	.cfi_endproc
	.size	fork_child, . - fork_child

	.section .note.GNU-stack, "", @progbits
