/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of the road.
 *
 * The first processor that panics has the word; others that panic meanwhile stop where they are,
 * and so do not mix their reports into its.  The report goes from what is safest to what is least:
 * message, thread, registers, locks, backtrace, then the hooks of the upper storeys, which read structures
 * that may be the ones that broke.  If a step panics or faults in its turn, the report ends there
 * and the machine with it: panic_owner says that it is our second time.
 *
 * Nothing here takes a lock, and interrupts stay off.
 */
#include "kernel/base/panic.h"
#include "kernel/base/lockorder.h"
#include "kernel/base/print.h"
#include "kernel/base/sched.h"
#include "kernel/base/trace.h"
#include <machine/cpu.h>
#include <machine/percpu.h>
#include <stdarg.h>
#include <stdint.h>

#define PANIC_NOBODY 0u

static uint32_t panic_owner; /* processor id + 1 of the first that panicked; set once, atomically */
static struct list panic_hooks = LIST_INITIALIZER(panic_hooks); /* changed during boot only */

void
panic_hook_register(struct panic_hook *h)
{
	list_push_back(&panic_hooks, &h->link);
}

bool
panic_active(void)
{
	return __atomic_load_n(&panic_owner, __ATOMIC_RELAXED) != PANIC_NOBODY;
}

/* panic_begin: become the processor that reports.  Returns only if this is its first panic. */
static void
panic_begin(void)
{
	uint32_t owner = PANIC_NOBODY, self;

	cpu_irq_disable();
	self = curcpu()->id + 1;
	if (__atomic_compare_exchange_n(&panic_owner, &owner, self, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		return;
	if (owner == self) {
		kprintf("\npanic: again, while reporting the first; giving up\n");
		cpu_exit(CPU_EXIT_PANIC);
	}
	for (;;)
		cpu_spin_poll();
}

static void
panic_print_thread(void)
{
	const struct thread *t = curthread();

	kprintf("  processor %u, interrupts %u deep, spinlocks %u deep\n", curcpu()->id,
		curcpu()->irq_depth, curcpu()->spin_depth);
	if (t != NULL)
		kprintf("  thread %llu \"%s\", kernel stack %#lx-%#lx\n", (unsigned long long)t->id,
			t->name, (unsigned long)t->kstack_base, (unsigned long)t->kstack_top);
	cpu_print_registers();
}

/* panic_end: the rest of a panic, its message being printed; pc and fp say where to trace from. */
static _Noreturn void
panic_end(uintptr_t pc, uintptr_t fp)
{
	struct panic_hook *h;

	kprintf("\n");
	panic_print_thread();
	lockorder_print();
	backtrace_print(pc, fp);
	list_for_each_entry (h, &panic_hooks, link)
		h->report();
	cpu_exit(CPU_EXIT_PANIC);
}

/* The call of the function this is used in: what is behind it may be another function. */
#define CALLER_PC ((uintptr_t)__builtin_return_address(0) - 1)
#define CALLER_FP (*(uintptr_t *)__builtin_frame_address(0))

void
panic(const char *fmt, ...)
{
	va_list ap;

	panic_begin();
	print_panic_mode();
	kprintf("\npanic: ");
	va_start(ap, fmt);
	kvprintf(fmt, ap);
	va_end(ap);
	panic_end(CALLER_PC, CALLER_FP);
}

void
panic_assert(const char *file, int line, const char *cond, const char *fmt, ...)
{
	va_list ap;

	panic_begin();
	print_panic_mode();
	kprintf("\npanic: %s:%d: %s: ", file, line, cond);
	va_start(ap, fmt);
	kvprintf(fmt, ap);
	va_end(ap);
	panic_end(CALLER_PC, CALLER_FP);
}
