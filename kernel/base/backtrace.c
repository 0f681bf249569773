/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Backtraces by frame pointers.
 *
 *	fp ->	| caller's fp	| --> | its caller's fp | --> ... a value that is no stack address
 *		| return address|     | return address  |
 *
 * A backtrace is printed when something is broken, perhaps the stack itself; so a frame is read
 * only where a kernel stack may be: the current thread's own, or one of the static ones (boot,
 * idle, double fault, NMI) in the kernel's data.  Both are always mapped.  Anything else, such as
 * the frame pointer of the user program below a trap, ends the walk.
 */
#include "kernel/base/trace.h"
#include "kernel/base/print.h"
#include "kernel/base/sched.h"
#include <machine/percpu.h>
#include <stdbool.h>

#define BACKTRACE_MAX 48

/* What a function's prologue leaves. */
struct frame {
	uintptr_t caller_fp;
	uintptr_t return_pc;
};

extern const char __data_start[], __kernel_end[]; /* linker.ld: data and bss */

static bool
frame_within(uintptr_t fp, uintptr_t start, uintptr_t end)
{
	return fp >= start && fp < end && end - fp >= sizeof(struct frame);
}

static bool
frame_readable(uintptr_t fp)
{
	const struct thread *t = curthread();

	if (fp % sizeof(uintptr_t) != 0)
		return false;
	if (t != NULL && frame_within(fp, t->kstack_base, t->kstack_top))
		return true;
	return frame_within(fp, (uintptr_t)__data_start, (uintptr_t)__kernel_end);
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

void
backtrace_print(uintptr_t pc, uintptr_t fp)
{
	for (unsigned int n = 0; n < BACKTRACE_MAX; n++) {
		const struct frame *f = (const struct frame *)fp;

		if (!print_frame(n, pc) || !frame_readable(fp))
			return;
		pc = f->return_pc - 1; /* in the call: behind it may be the next function */
		fp = f->caller_fp;
	}
}
