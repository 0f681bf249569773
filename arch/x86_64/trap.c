/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions: what entry.S calls with a trapframe, sorted by vector.
 *
 *	vector 0-31	page fault, others	policy: kernel/exception.c; interrupts as they were
 *	vector 32-255	interrupts		irq.c
 *	paranoid ones	NMI, double fault, machine check: the end; debug in the kernel: noted
 *
 * An NMI is a panic's, or the machine's end's, that stops this processor, a broken machine's, or somebody's who wants to know
 * where a hanging kernel is: a button, or the host when a run's time is over.
 */
#include <stddef.h>
#include <machine/cpu.h>
#include <machine/irq.h>
#include <machine/registers.h>
#include <machine/trap.h>
#include <machine/upcalls.h>
#include "kernel/base/panic.h"
#include "kernel/base/print.h"
#include "kernel/base/sched.h"

#define MSR_MCG_STATUS 0x17a
#define DR6_CLEAR      0xffff0ff0

/* A place in the function that this is used in. */
#define HERE                                                     \
	({                                                       \
		uintptr_t pc;                                    \
		__asm__ volatile("lea 0(%%rip), %0" : "=r"(pc)); \
		pc;                                              \
	})

/* Called by entry.S only. */
void trap_dispatch(struct trapframe *tf);
void trap_dispatch_paranoid(struct trapframe *tf);
void trap_return_slow(struct trapframe *tf);

/* How often it happened, for a debugger to see. */
static uint64_t kernel_debug_count;

struct ex_entry {
	uint64_t faulting, recovery;
};

extern const struct ex_entry __ex_table_start[], __ex_table_end[];

bool
trap_fixup(struct trapframe *tf)
{
	for (const struct ex_entry *e = __ex_table_start; e < __ex_table_end; e++) {
		if (e->faulting == tf->rip) {
			tf->rip = e->recovery;
			return true;
		}
	}
	return false;
}

const char *
trap_name(uint64_t vector)
{
	static const char *const names[VECTOR_EXCEPTIONS] = {
	    [0] = "divide error",
	    [1] = "debug exception",
	    [2] = "non-maskable interrupt",
	    [3] = "breakpoint",
	    [4] = "overflow",
	    [5] = "bound range exceeded",
	    [6] = "invalid opcode",
	    [7] = "device not available",
	    [8] = "double fault",
	    [10] = "invalid TSS",
	    [11] = "segment not present",
	    [12] = "stack-segment fault",
	    [13] = "general protection fault",
	    [14] = "page fault",
	    [16] = "x87 floating-point error",
	    [17] = "alignment check",
	    [18] = "machine check",
	    [19] = "SIMD floating-point error",
	    [20] = "virtualization exception",
	    [21] = "control protection fault",
	};

	if (vector == TRAP_SYSCALL)
		return "system call";
	if (vector >= VECTOR_EXCEPTIONS)
		return "interrupt";
	return names[vector] != NULL ? names[vector] : "reserved exception";
}

/* take_debug_status: what a debug exception was for; cleared, as the processor only sets bits. */
static uint64_t
take_debug_status(void)
{
	uint64_t status = dr6_read();

	dr6_write(DR6_CLEAR);
	return status;
}

static inline void
irqs_as_before(const struct trapframe *tf)
{
	if ((tf->rflags & RFLAGS_IF) != 0)
		cpu_irq_enable();
}

/*
 * trap_dispatch: any trap but the paranoid ones.  Interrupts are off on entry and return.  CR2 is
 * read before anything else could fault.
 */
void
trap_dispatch(struct trapframe *tf)
{
	if (tf->vector == TRAP_PAGE_FAULT) {
		uintptr_t addr = cr2_read();

		irqs_as_before(tf);
		exception_page_fault(tf, addr);
	} else if (tf->vector >= VECTOR_EXCEPTIONS) {
		irq_dispatch(tf);
	} else {
		if (tf->vector == TRAP_DEBUG)
			tf->error = take_debug_status();
		irqs_as_before(tf);
		exception_trap(tf);
	}
	cpu_irq_disable();
}

/* report_double_fault: the usual reason is a kernel stack that ran into its guard. */
static _Noreturn void
report_double_fault(struct trapframe *tf)
{
	const struct thread *t = curthread();
	uintptr_t addr = cr2_read();

	panic_prepare();
	trapframe_print(tf);
	if (addr < t->kstack_base && addr >= t->kstack_base - KERNEL_STACK_SIZE)
		panic("kernel stack overflow: thread %lu (%s) touched %#lx, %lu bytes below its "
		      "stack %#lx-%#lx",
		      t->id, t->name, addr, t->kstack_base - addr, t->kstack_base, t->kstack_top);
	panic("double fault: a fault could not be delivered (last page fault at %#lx)", addr);
}

/*
 * trap_dispatch_paranoid: exceptions on stacks of their own.  Nothing here may fault, sleep or
 * take a lock, unless the machine is at its end.
 */
void
trap_dispatch_paranoid(struct trapframe *tf)
{
	switch (tf->vector) {
	case TRAP_DEBUG:
		/* The kernel sets no breakpoints: it is what a user program left behind. */
		kernel_debug_count++;
		take_debug_status();
		tf->rflags &= ~(uint64_t)RFLAGS_TF;
		return;
	case TRAP_DOUBLE_FAULT:
		report_double_fault(tf);
	case TRAP_NMI:
		if (panic_stops_me())
			panic_stand_still(HERE, (uintptr_t)__builtin_frame_address(0));
		if (panic_active())
			return; /* this one reports already */
		panic_prepare();
		trapframe_print(tf);
		panic("%s: the host asks, or the machine is broken", trap_name(tf->vector));
	default:
		panic_prepare();
		trapframe_print(tf);
		panic("%s, status %#lx", trap_name(tf->vector), msr_read(MSR_MCG_STATUS));
	}
}

/*
 * trap_return_slow: the frame cannot go to user mode as it is: the thread's turn is over, it is to
 * die, or its rip is not canonical (IRETQ would fault in the kernel).  Interrupts off on entry and
 * on return; entry.S then looks again.
 */
void
trap_return_slow(struct trapframe *tf)
{
	cpu_irq_enable();
	if (tf->rip >> USER_ADDRESS_BITS != 0) {
		tf->vector = TRAP_PROTECTION;
		tf->error = 0;
		exception_trap(tf);
	}
	trap_return_hook(tf);
	cpu_irq_disable();
	if (curthread()->preempt_pending)
		sched_preempt();
}
