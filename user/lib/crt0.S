/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a program starts.
 *
 * Entry: rsp points at argc, and above it lie argv, envp and auxv as the System V ABI orders them;
 * rsp is 16-byte aligned; all other registers are meaningless.  There is no caller.
 */
	.section .text._start, "ax", @progbits
	.globl	_start
	.type	_start, @function
_start:
	.cfi_startproc
	.cfi_undefined rip
	xorl	%ebp, %ebp
	movq	%rsp, %rdi
	leaq	_DYNAMIC(%rip), %rsi		/* 0 in a program that is not position independent */
	andq	$-16, %rsp
	call	program_start
	ud2
	.cfi_endproc
	.size	_start, . - _start

	.weak	_DYNAMIC
	.hidden	_DYNAMIC

	.section .note.GNU-stack, "", @progbits
