/* SPDX-License-Identifier: BSD-2-Clause */
/* tiny: the smallest program, for measures of exec: exit(0). */
#include <sys/syscall.h>

	.globl	_start
_start:
	movl	$SYS_exit_group, %eax
	xorl	%edi, %edi
	syscall

	.section .note.GNU-stack, "", @progbits
