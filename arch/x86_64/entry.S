/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The doors of the kernel: exceptions, interrupts and system calls in; IRETQ and SYSRET out.
 *
 * Every way in leaves a struct trapframe at rsp and calls C with its address in rdi.  From user
 * mode the frame lies at the very top of the thread's kernel stack (thread->user_frame).
 *
 *	vector stub ---> trap_common -----> trap_dispatch(tf) ---> trap_return
 *	             \-> trap_paranoid ---> trap_dispatch_paranoid(tf), back as it came
 *	syscall_entry ---------------------> syscall_table[n](tf) -> SYSRET, or trap_return
 *
 * GS.  While the kernel runs, the GS base is this processor's struct percpu and the other one
 * (KERNEL_GS_BASE) the user's; `swapgs` exchanges them.  A trap from user mode swaps on entry, a
 * trap from the kernel does not.  The privilege level in the frame tells which, but for a few
 * instructions at the doors, which run in the kernel with the user's GS.  Interrupts are off there,
 * but four exceptions can still strike: NMI, machine check, double fault, and debug.  Those go
 * through trap_paranoid: each has a stack of its own, at whose top the percpu pointer lies
 * (segments.c), and the GS base is set from there and put back afterwards, whatever it was.  This
 * holds even if a user program has set its own GS base to a kernel address with WRGSBASE.
 *
 * Nothing else can fault at the doors.  In particular IRETQ to user mode never does: the selectors
 * in user frames are always USER_CS and USER_SS, NT is clear, and the return address is checked to
 * be canonical before.  SYSRET needs that check even more: with a non-canonical address it would
 * fault in kernel mode on the user's stack.
 *
 * On the way out to user mode, with interrupts off and so without a window, the thread's
 * preempt_pending and killed are tested; if one is set, trap_return_slow() is called first.
 */
#include <machine/asmdefs.h>
#include <machine/asmmacros.h>

	.text

/*
 * One stub a vector, 16 bytes apart.  On entry the processor has pushed ss, rsp, rflags, cs, rip
 * and, for some, an error code; the stub brings all to the same form.
 */
	.balign	16
	.globl	trap_stubs
trap_stubs:
	.set	vector, 0
	.rept	256
	.set	has_error_code, (vector == 8) || ((vector >= 10) && (vector <= 14))
	.set	has_error_code, has_error_code || (vector == 17) || (vector == 21)
	.set	has_error_code, has_error_code || (vector == 29) || (vector == 30)
	.balign	16
	.cfi_startproc simple
	.cfi_signal_frame
	.cfi_def_cfa rsp, 40
	.cfi_offset rip, -40
	.cfi_offset CFI_RFLAGS, -24
	.cfi_offset rsp, -16
	.if	has_error_code
	.cfi_adjust_cfa_offset 8
	.else
	pushq	$0
	.cfi_adjust_cfa_offset 8
	.endif
	pushq	$vector
	.cfi_adjust_cfa_offset 8
	.if	(vector == 1) || (vector == 2) || (vector == 8) || (vector == 18)
	jmp	trap_paranoid
	.else
	jmp	trap_common
	.endif
	.cfi_endproc
	.set	vector, vector + 1
	.endr

/* trap_common: rsp points at the vector number in a frame that lacks the general registers. */
	.balign	16
	.type	trap_common, @function
trap_common:
	.cfi_startproc simple
	.cfi_signal_frame
	.cfi_def_cfa rsp, TF_SIZE - TF_REGS_END
	.cfi_offset rip, -40
	.cfi_offset CFI_RFLAGS, -24
	.cfi_offset rsp, -16
	PUSH_REGS
	CLAC
	cld
	testb	$3, TF_CS(%rsp)
	jz	trap_from_kernel
	swapgs
trap_from_user:
	movq	%rsp, %rdi
	call	trap_dispatch

/*
 * trap_return: leave for user mode with the frame at rsp.  Interrupts off.
 */
trap_return:
	movq	%gs:PERCPU_CURTHREAD, %rcx
	movq	TF_RIP(%rsp), %rax
	testl	$THREAD_PENDING_MASK, THREAD_PENDING(%rcx)
	jne	trap_return_pending
	shrq	$USER_ADDRESS_BITS, %rax
	jnz	trap_return_pending
	.cfi_remember_state
	POP_REGS
	addq	$16, %rsp
	.cfi_adjust_cfa_offset -16
	swapgs
	iretq
	.cfi_restore_state

trap_return_pending:
	movq	%rsp, %rdi
	call	trap_return_slow
	jmp	trap_return

trap_from_kernel:
	movq	%rsp, %rdi
	call	trap_dispatch
	POP_REGS
	addq	$16, %rsp
	.cfi_adjust_cfa_offset -16
	iretq
	.cfi_endproc
	.size	trap_common, . - trap_common

/*
 * trap_paranoid: as trap_common, on an exception stack, with a GS base that may be anybody's.
 *	rbx	the interrupted GS base
 */
	.balign	16
	.type	trap_paranoid, @function
trap_paranoid:
	.cfi_startproc simple
	.cfi_signal_frame
	.cfi_def_cfa rsp, TF_SIZE - TF_REGS_END
	.cfi_offset rip, -40
	.cfi_offset CFI_RFLAGS, -24
	.cfi_offset rsp, -16
	PUSH_REGS
	CLAC
	cld
	cmpq	$VECTOR_DEBUG, TF_VECTOR(%rsp)
	jne	1f
	testb	$3, TF_CS(%rsp)
	jnz	trap_debug_from_user
1:	movl	$MSR_GS_BASE, %ecx
	rdmsr
	movl	%eax, %ebx
	shlq	$32, %rdx
	orq	%rdx, %rbx
	movl	TF_SIZE(%rsp), %eax
	movl	TF_SIZE + 4(%rsp), %edx
	wrmsr
	movq	%rsp, %rdi
	call	trap_dispatch_paranoid
	movl	$MSR_GS_BASE, %ecx
	movl	%ebx, %eax
	movq	%rbx, %rdx
	shrq	$32, %rdx
	wrmsr
	.cfi_remember_state
	POP_REGS
	addq	$16, %rsp
	.cfi_adjust_cfa_offset -16
	iretq
	.cfi_restore_state

/*
 * A debug exception of a user program is an ordinary one, which may sleep: move its frame to the
 * thread's kernel stack and go the ordinary way.
 *	rbx	the frame on the exception stack
 */
trap_debug_from_user:
	swapgs
	movq	%rsp, %rbx
	.cfi_def_cfa_register rbx
	movq	%gs:PERCPU_KERNEL_STACK, %rsp
	subq	$TF_SIZE, %rsp
	movq	%rsp, %rdi
	movq	%rbx, %rsi
	movl	$(TF_SIZE / 8), %ecx
	rep movsq
	.cfi_def_cfa_register rsp
	jmp	trap_from_user
	.cfi_endproc
	.size	trap_paranoid, . - trap_paranoid

/*
 * syscall_entry: from SYSCALL, with
 *	rcx	the user's rip		r11	the user's rflags
 *	rax	number			rdi, rsi, rdx, r10, r8, r9	arguments
 * on the user's stack, interrupts off.  Leaves by SYSRET if the frame still says what SYSRET
 * restores (rip in rcx, rflags in r11), else by IRETQ.  That rip is canonical, as SYSRET demands:
 * user space ends a page before the first address that is not.
 *
 * For two instructions the user's rsp is in no register and not yet in the frame, only in memory at
 * an address relative to GS, which GDB cannot express: there, and only there, it shows a wrong one.
 */
	.balign	64
	.globl	syscall_entry
	.type	syscall_entry, @function
syscall_entry:
	.cfi_startproc simple
	.cfi_signal_frame
	.cfi_def_cfa rsp, 0
	.cfi_register rip, rcx
	.cfi_register CFI_RFLAGS, r11
	swapgs
	movq	%rsp, %gs:PERCPU_USER_RSP
	movq	%gs:PERCPU_KERNEL_STACK, %rsp
	pushq	$USER_SS
	.cfi_adjust_cfa_offset 8
	pushq	%gs:PERCPU_USER_RSP
	.cfi_adjust_cfa_offset 8
	.cfi_offset rsp, -16
	pushq	%r11
	.cfi_adjust_cfa_offset 8
	pushq	$USER_CS
	.cfi_adjust_cfa_offset 8
	pushq	%rcx
	.cfi_adjust_cfa_offset 8
	pushq	$0
	.cfi_adjust_cfa_offset 8
	pushq	$VECTOR_SYSCALL
	.cfi_adjust_cfa_offset 8
	PUSH_REGS
	.cfi_offset rip, -40
	.cfi_offset CFI_RFLAGS, -24
	movq	%rsp, %rdi
	subq	$SYSCALL_FIRST, %rax
	cmpq	$SYSCALL_COUNT, %rax
	jae	syscall_unknown_number
	sti
	call	*syscall_table(, %rax, 8)
syscall_done:
#ifdef CONFIG_DEBUG
	movq	%rax, %rdi
	call	syscall_check
#endif
	cli
	movq	%rax, TF_RAX(%rsp)
	movq	%gs:PERCPU_CURTHREAD, %rax
	movq	TF_RIP(%rsp), %rcx
	movq	TF_RFLAGS(%rsp), %r11
	testl	$THREAD_PENDING_MASK, THREAD_PENDING(%rax)
	jne	trap_return
	cmpq	TF_RCX(%rsp), %rcx
	jne	trap_return
	cmpq	TF_R11(%rsp), %r11
	jne	trap_return
	testl	$(RFLAGS_TF | RFLAGS_RF), %r11d
	jnz	trap_return
	.cfi_remember_state
	POP_REGS
	.cfi_register rip, rcx
	.cfi_register CFI_RFLAGS, r11
	movq	TF_RSP - TF_REGS_END(%rsp), %rsp
	.cfi_def_cfa rsp, 0
	.cfi_restore rsp
	swapgs
	sysretq
	.cfi_restore_state
syscall_unknown_number:
	sti
	call	syscall_unknown
	jmp	syscall_done
	.cfi_endproc
	.size	syscall_entry, . - syscall_entry

/* syscall_entry_compat: SYSCALL from 32-bit code, which there is none of: no segment for it. */
	.globl	syscall_entry_compat
	.type	syscall_entry_compat, @function
syscall_entry_compat:
	.cfi_startproc simple
	.cfi_def_cfa rsp, 0
	.cfi_undefined rip
	ud2
	.cfi_endproc
	.size	syscall_entry_compat, . - syscall_entry_compat

/*
 * trap_enter_user: go to user mode with the frame at rdi, at the top of the thread's kernel stack;
 * what is below it on the stack is forgotten.
 */
	.globl	trap_enter_user
	.type	trap_enter_user, @function
trap_enter_user:
	.cfi_startproc
	.cfi_undefined rip
	cli
	movq	%rdi, %rsp
	jmp	trap_return
	.cfi_endproc
	.size	trap_enter_user, . - trap_enter_user

/* The end of the doors: what C returns to between trap_stubs and here has a trapframe at rsp. */
	.globl	trap_doors_end
trap_doors_end:

	.section .note.GNU-stack, "", @progbits
