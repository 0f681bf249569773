/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instructions that touch user memory, each with a place to go on if it cannot (__ex_table).
 *
 * All return 0 in eax if they succeeded, 1 after a fault that could not be resolved.  Addresses and
 * lengths were checked by copy.c.  AC is set (user pages open) only between STAC and CLAC; a fault
 * in between saves and restores it with the flags.
 */
#include <machine/asmmacros.h>

.macro FUNCTION name
	.balign	16
	.globl	\name
	.type	\name, @function
\name:
	.cfi_startproc
.endm

.macro END_FUNCTION name
	.cfi_endproc
	.size	\name, . - \name
.endm

	.text

/* copy_user: rdi to, rsi from, rdx bytes; one of the two is a user address. */
FUNCTION copy_user
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
	EX_TABLE 1b, user_fault
	EX_TABLE 2b, user_fault
END_FUNCTION copy_user

/* Where all of them end after a fault. */
FUNCTION user_fault
	CLAC
	movl	$1, %eax
	ret
END_FUNCTION user_fault

/*
 * copy_user_string: rdi to, rsi from (user), rdx most bytes to copy, not 0; rcx where to store how
 * many were copied before the terminating zero, or rdx if there was none.
 */
FUNCTION copy_user_string
	STAC
	xorl	%r8d, %r8d
1:	movb	(%rsi, %r8), %al
	movb	%al, (%rdi, %r8)
	testb	%al, %al
	jz	2f
	incq	%r8
	cmpq	%rdx, %r8
	jb	1b
2:	CLAC
	movq	%r8, (%rcx)
	xorl	%eax, %eax
	ret
	EX_TABLE 1b, user_fault
END_FUNCTION copy_user_string

/* fetch_user32, fetch_user64: from rdi (user) to rsi. */
FUNCTION fetch_user32
	STAC
1:	movl	(%rdi), %eax
	CLAC
	movl	%eax, (%rsi)
	xorl	%eax, %eax
	ret
	EX_TABLE 1b, user_fault
END_FUNCTION fetch_user32

FUNCTION fetch_user64
	STAC
1:	movq	(%rdi), %rax
	CLAC
	movq	%rax, (%rsi)
	xorl	%eax, %eax
	ret
	EX_TABLE 1b, user_fault
END_FUNCTION fetch_user64

/* store_user32, store_user64: rsi to the user address rdi. */
FUNCTION store_user32
	STAC
1:	movl	%esi, (%rdi)
	CLAC
	xorl	%eax, %eax
	ret
	EX_TABLE 1b, user_fault
END_FUNCTION store_user32

FUNCTION store_user64
	STAC
1:	movq	%rsi, (%rdi)
	CLAC
	xorl	%eax, %eax
	ret
	EX_TABLE 1b, user_fault
END_FUNCTION store_user64

/* cas_user32: if the word at rdi (user) is esi, make it edx; what was there goes to rcx. */
FUNCTION cas_user32
	STAC
	movl	%esi, %eax
1:	lock cmpxchgl %edx, (%rdi)
	CLAC
	movl	%eax, (%rcx)
	xorl	%eax, %eax
	ret
	EX_TABLE 1b, user_fault
END_FUNCTION cas_user32

	.section .note.GNU-stack, "", @progbits
