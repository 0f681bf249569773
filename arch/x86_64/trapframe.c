/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trapframes: making, checking and showing them.
 *
 * A user frame's selectors are always USER_CS and USER_SS and its flags only those a program may
 * have: IRETQ and SYSRET rely on it (entry.S).  trapframe_sanitize() makes it so for frames whose
 * registers came from a program.
 */
#include <machine/asmdefs.h>
#include <machine/cpu.h>
#include <machine/registers.h>
#include <machine/trap.h>
#include <machine/trapframe.h>
#include "kernel/base/print.h"
#include "kernel/base/sched.h"
#include "kernel/base/string.h"
#include "kernel/base/trace.h"

#define RFLAGS_USER                                                                          \
	(RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_TF | RFLAGS_DF | \
	 RFLAGS_OF | RFLAGS_RF | RFLAGS_AC | RFLAGS_ID)

_Noreturn void trap_enter_user(struct trapframe *tf);

void
trapframe_sanitize(struct trapframe *tf)
{
	tf->cs = USER_CS;
	tf->ss = USER_SS;
	tf->rflags = (tf->rflags & RFLAGS_USER) | RFLAGS_IF | RFLAGS_1;
}

void
trapframe_init_user(struct trapframe *tf, uint64_t rip, uint64_t rsp)
{
	memset(tf, 0, sizeof(*tf));
	tf->rip = rip;
	tf->rsp = rsp;
	trapframe_sanitize(tf);
}

void
trapframe_enter_user(void)
{
	trap_enter_user(curthread()->user_frame);
}

void
cpu_print_registers(void)
{
	kprintf("cr0 %016lx cr2 %016lx cr3 %016lx cr4 %016lx\n", cr0_read(), cr2_read(), cr3_read(),
		cr4_read());
}

/* print_page_fault: an error code in words. */
static void
print_page_fault(uint64_t error)
{
	kprintf(" (%s %s, %s%s)", (error & 4) != 0 ? "user" : "kernel",
		(error & 16) != 0  ? "fetch"
		: (error & 2) != 0 ? "write"
				   : "read",
		(error & 1) != 0 ? "protection" : "not present",
		(error & 8) != 0 ? ", reserved bit set" : "");
}

void
trapframe_print(const struct trapframe *tf)
{
	size_t offset;
	const char *name = ksym_lookup(tf->rip, &offset);

	kprintf("trap %lu: %s, error %#lx", tf->vector, trap_name(tf->vector), tf->error);
	if (tf->vector == TRAP_PAGE_FAULT)
		print_page_fault(tf->error);
	kprintf("\nrip 0x%016lx", tf->rip);
	if (name != NULL)
		kprintf(" <%s+%#zx>", name, offset);
	kprintf(" cs %#lx rflags %#lx\nrsp 0x%016lx ss %#lx\n", tf->cs, tf->rflags, tf->rsp,
		tf->ss);
	kprintf("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", tf->rax, tf->rbx, tf->rcx,
		tf->rdx);
	kprintf("rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", tf->rsi, tf->rdi, tf->rbp, tf->r8);
	kprintf("r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", tf->r9, tf->r10, tf->r11, tf->r12);
	kprintf("r13 %016lx r14 %016lx r15 %016lx\n", tf->r13, tf->r14, tf->r15);
	cpu_print_registers();
}
