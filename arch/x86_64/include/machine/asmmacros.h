/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Macros of the assembly files: pushing and popping with call-frame information, so that a debugger
 * walks from a handler through the entry code into user mode at every instruction; and the places
 * where SMAP's instructions go.
 */
#ifndef MACHINE_ASMMACROS_H
#define MACHINE_ASMMACROS_H

/* DWARF's number of %rflags. */
#define CFI_RFLAGS 49

.macro PUSH_REG reg
	pushq	%\reg
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset \reg, 0
.endm

.macro POP_REG reg
	popq	%\reg
	.cfi_adjust_cfa_offset -8
	.cfi_restore \reg
.endm

/* The general registers of struct trapframe, from its end to its start. */
.macro PUSH_REGS
	PUSH_REG rax
	PUSH_REG rbx
	PUSH_REG rcx
	PUSH_REG rdx
	PUSH_REG rsi
	PUSH_REG rdi
	PUSH_REG rbp
	PUSH_REG r8
	PUSH_REG r9
	PUSH_REG r10
	PUSH_REG r11
	PUSH_REG r12
	PUSH_REG r13
	PUSH_REG r14
	PUSH_REG r15
.endm

.macro POP_REGS
	POP_REG	r15
	POP_REG	r14
	POP_REG	r13
	POP_REG	r12
	POP_REG	r11
	POP_REG	r10
	POP_REG	r9
	POP_REG	r8
	POP_REG	rbp
	POP_REG	rdi
	POP_REG	rsi
	POP_REG	rdx
	POP_REG	rcx
	POP_REG	rbx
	POP_REG	rax
.endm

/* Frame information where rsp points at a whole struct trapframe. */
.macro CFI_TRAPFRAME base=rsp
	.cfi_signal_frame
	.cfi_def_cfa \base, TF_SIZE
	.cfi_offset rip, -40
	.cfi_offset CFI_RFLAGS, -24
	.cfi_offset rsp, -16
	.cfi_offset rax, -64
	.cfi_offset rbx, -72
	.cfi_offset rcx, -80
	.cfi_offset rdx, -88
	.cfi_offset rsi, -96
	.cfi_offset rdi, -104
	.cfi_offset rbp, -112
	.cfi_offset r8, -120
	.cfi_offset r9, -128
	.cfi_offset r10, -136
	.cfi_offset r11, -144
	.cfi_offset r12, -152
	.cfi_offset r13, -160
	.cfi_offset r14, -168
	.cfi_offset r15, -176
.endm

/*
 * A three-byte no-op that features_init turns into an SMAP instruction: CLAC forbids the kernel to
 * touch user pages, STAC allows it.
 */
.macro SMAP_SITE instruction
771:	.byte	0x0f, 0x1f, 0x00
	.pushsection .smap_sites, "a"
	.quad	771b
	.quad	\instruction
	.popsection
.endm
#define CLAC SMAP_SITE 0xca010f
#define STAC SMAP_SITE 0xcb010f

/* If the instruction at `from` faults and the fault cannot be resolved, go on at `to`. */
.macro EX_TABLE from, to
	.pushsection __ex_table, "a"
	.quad	\from
	.quad	\to
	.popsection
.endm

#endif
