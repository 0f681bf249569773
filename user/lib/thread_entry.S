/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a thread of thread_start begins.
 *
 * Entry: rdi = function, rsi = its argument, rsp = end of the thread's stack, 16-byte aligned.
 * There is no caller; when the function returns, the thread ends.
 */
#define SYS_thread_exit 0x1021		/* pagoda/abi.h is for C only */

	.section .text.thread_entry, "ax", @progbits
	.globl	thread_entry
	.type	thread_entry, @function
thread_entry:
	.cfi_startproc
	.cfi_undefined rip
	xorl	%ebp, %ebp
	movq	%rdi, %rax
	movq	%rsi, %rdi
	call	*%rax
	movl	$SYS_thread_exit, %eax
	syscall
	ud2
	.cfi_endproc
	.size	thread_entry, . - thread_entry

	.section .note.GNU-stack, "", @progbits
