/* SPDX-License-Identifier: BSD-2-Clause */
/* The registers of a user thread: between its frame and the ABI's structure. */
#include <machine/asmdefs.h>
#include <machine/context.h>
#include <machine/param.h>
#include <machine/trapframe.h>
#include "kernel/thread.h"

/* Flags a program may name; those it cannot have anyway are forced by trapframe_sanitize. */
#define RFLAGS_NAMEABLE                                                                     \
	(RFLAGS_CF | RFLAGS_1 | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_TF | \
	 RFLAGS_IF | RFLAGS_DF | RFLAGS_OF | RFLAGS_RF | RFLAGS_AC | RFLAGS_ID)

bool
thread_regs_valid(const struct thread_regs *regs)
{
	return regs->rip < VM_MAX_USER_ADDRESS && regs->fs_base < VM_MAX_USER_ADDRESS &&
	       regs->gs_base < VM_MAX_USER_ADDRESS &&
	       (regs->rflags & ~(uint64_t)RFLAGS_NAMEABLE) == 0;
}

void
thread_regs_load(struct uthread *ut, const struct thread_regs *regs)
{
	struct trapframe *tf = ut->thread.user_frame;

	tf->rax = regs->rax;
	tf->rbx = regs->rbx;
	tf->rcx = regs->rcx;
	tf->rdx = regs->rdx;
	tf->rsi = regs->rsi;
	tf->rdi = regs->rdi;
	tf->rbp = regs->rbp;
	tf->rsp = regs->rsp;
	tf->r8 = regs->r8;
	tf->r9 = regs->r9;
	tf->r10 = regs->r10;
	tf->r11 = regs->r11;
	tf->r12 = regs->r12;
	tf->r13 = regs->r13;
	tf->r14 = regs->r14;
	tf->r15 = regs->r15;
	tf->rip = regs->rip;
	tf->rflags = regs->rflags;
	trapframe_sanitize(tf);
	context_set_user_bases(&ut->thread, regs->fs_base, regs->gs_base);
}

void
thread_regs_store(const struct uthread *ut, struct thread_regs *regs)
{
	const struct trapframe *tf = ut->thread.user_frame;
	uint64_t fs_base, gs_base;

	context_get_user_bases(&ut->thread, &fs_base, &gs_base);
	*regs = (struct thread_regs){
	    .rax = tf->rax,
	    .rbx = tf->rbx,
	    .rcx = tf->rcx,
	    .rdx = tf->rdx,
	    .rsi = tf->rsi,
	    .rdi = tf->rdi,
	    .rbp = tf->rbp,
	    .rsp = tf->rsp,
	    .r8 = tf->r8,
	    .r9 = tf->r9,
	    .r10 = tf->r10,
	    .r11 = tf->r11,
	    .r12 = tf->r12,
	    .r13 = tf->r13,
	    .r14 = tf->r14,
	    .r15 = tf->r15,
	    .rip = tf->rip,
	    .rflags = tf->rflags,
	    .fs_base = fs_base,
	    .gs_base = gs_base,
	};
}
