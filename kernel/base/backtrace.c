/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Backtraces by frame pointers.
 *
 *	fp ->	| caller's fp	| --> | its caller's fp | --> ... a value that is no stack address
 *		| return address|     | return address  |
 *
 * A backtrace is printed when something is broken, perhaps the stack itself; so a frame is read
 * only where a kernel stack may be: the current thread's own, this processor's for exceptions, or one
 * of the static ones (boot, idle) in the kernel's data.  All are always mapped.  Anything else ends
 * the walk.
 *
 * Where a frame returns to the doors (entry.S), a trapframe lies right above it.  The walk goes
 * through it, to the instruction that was interrupted, which no return address names.
 */
#include "kernel/base/trace.h"
#include "kernel/base/print.h"
#include "kernel/base/sched.h"
#include <machine/percpu.h>
#include <machine/segments.h>
#include <machine/trap.h>
#include <stdbool.h>

#define BACKTRACE_MAX 48
#define PUSH_RBP      0x55 /* how a function begins that makes a frame */

/* What a function's prologue leaves. */
struct frame {
	uintptr_t caller_fp;
	uintptr_t return_pc;
};

extern const char __data_start[], __kernel_end[]; /* linker.ld: data and bss */
extern const char trap_stubs[], trap_doors_end[]; /* entry.S */

static bool
within(uintptr_t addr, size_t size, uintptr_t start, uintptr_t end)
{
	return addr >= start && addr < end && end - addr >= size;
}

/* readable: may size bytes at addr be on a kernel stack? */
static bool
readable(uintptr_t addr, size_t size)
{
	const struct thread *t = curthread();

	if (addr % sizeof(uintptr_t) != 0)
		return false;
	if (t != NULL && within(addr, size, t->kstack_base, t->kstack_top))
		return true;
	if (segments_on_exception_stack(addr, size))
		return true;
	return within(addr, size, (uintptr_t)__data_start, (uintptr_t)__kernel_end);
}

/* print_frame: one line; false if pc is not in the kernel. */
static bool
print_frame(unsigned int n, uintptr_t pc)
{
	size_t offset = 0;
	const char *name = ksym_lookup(pc, &offset);

	if (name == NULL)
		return false;
	kprintf("  #%-2u %#018lx %s+0x%zx\n", n, (unsigned long)pc, name, offset);
	return true;
}

/* trapframe_above: the frame that the doors left above f; NULL if f does not return to them. */
static const struct trapframe *
trapframe_above(const struct frame *f)
{
	const struct trapframe *tf = (const struct trapframe *)(f + 1);

	if (f->return_pc < (uintptr_t)trap_stubs || f->return_pc >= (uintptr_t)trap_doors_end)
		return NULL;
	return readable((uintptr_t)tf, sizeof(*tf)) ? tf : NULL;
}

/*
 * caller_on_stack: who called the function that a trap in the kernel interrupted, if that is only
 * to be found at the stack pointer: the function makes no frame, as small ones do, or is none at
 * all (a jump by a bad pointer).  0 if the function's frame says it.
 */
static uintptr_t
caller_on_stack(const struct trapframe *tf)
{
	size_t offset;
	uintptr_t pc;

	if (ksym_lookup(tf->rip, &offset) != NULL && offset != 0 &&
	    *(const uint8_t *)(tf->rip - offset) == PUSH_RBP)
		return 0;
	if (!readable(tf->rsp, sizeof(uintptr_t)))
		return 0;
	pc = *(const uintptr_t *)tf->rsp - 1;
	return ksym_lookup(pc, &offset) != NULL ? pc : 0;
}

static void
print_trap(const struct trapframe *tf)
{
	kprintf("  --- %s", trap_name(tf->vector));
	if (tf->vector == TRAP_SYSCALL)
		kprintf(" %#lx(%#lx, %#lx, %#lx, ...)", tf->rax, tf->rdi, tf->rsi, tf->rdx);
	kprintf(" at %s rip %#lx, rsp %#lx\n", trapframe_from_user(tf) ? "user" : "kernel", tf->rip,
		tf->rsp);
}

void
backtrace_print(uintptr_t pc, uintptr_t fp)
{
	const struct trapframe *tf;
	const struct frame *f;
	uintptr_t caller;

	for (unsigned int n = 0; n < BACKTRACE_MAX; n++) {
		if (!print_frame(n, pc) || !readable(fp, sizeof(*f)))
			return;
		f = (const struct frame *)fp;
		pc = f->return_pc - 1; /* in the call: behind it may be the next function */
		fp = f->caller_fp;
		tf = trapframe_above(f);
		if (tf == NULL)
			continue;
		print_trap(tf);
		if (trapframe_from_user(tf))
			return;
		pc = tf->rip;
		fp = tf->rbp;
		caller = caller_on_stack(tf);
		if (caller != 0) {
			n += print_frame(n + 1, pc);
			pc = caller;
		}
	}
}
