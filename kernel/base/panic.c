/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of the road.
 *
 * The first processor that panics has the word.  It stops all others, by an interrupt that cannot be
 * masked, so that they neither go on nor mix their reports into its; one that does not answer is named.
 * The report goes from what is safest to what is least: message, thread, registers, locks, backtrace,
 * then each of the others tells where it was stopped, then the hooks of the upper storeys, which read
 * structures that may be the ones that broke.  If a step panics or faults in its turn, the report ends
 * there and the machine with it: panic_owner says that it is our second time.
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
#define PATIENCE     5000000000ul /* ticks of the time-stamp counter: a second or two */

/* The call of the function this is used in: what is behind it may be another function. */
#define CALLER_PC ((uintptr_t)__builtin_return_address(0) - 1)
#define CALLER_FP (*(uintptr_t *)__builtin_frame_address(0))

static uint32_t panic_owner; /* processor id + 1 of the first that panicked; set once, atomically */
static bool prepared;	     /* by panic_prepare(); the owner's */
static uint32_t stopped;     /* (a) processors that stand still, a bit each */
static uint32_t turn;	     /* (a) id + 1 of the one that is to report, 0: none */
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

/* processor_report: what this one runs, and where. */
static void
processor_report(uintptr_t pc, uintptr_t fp)
{
	panic_print_thread();
	lockorder_print();
	backtrace_print(pc, fp);
}

void
panic_stand_still(uintptr_t pc, uintptr_t fp)
{
	uint32_t self = curcpu()->id + 1;

	cpu_irq_disable();
	if (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != self) {
		__atomic_fetch_or(&stopped, 1u << (self - 1), __ATOMIC_SEQ_CST);
		while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != self)
			cpu_pause();
		processor_report(pc, fp);
	}
	/* Here at once if the report itself has failed. */
	__atomic_store_n(&turn, 0, __ATOMIC_RELEASE);
	for (;;)
		cpu_pause();
}

/* await: until *word has all of `bits` set or, with 0, is 0; false if that takes too long. */
static bool
await(const uint32_t *word, uint32_t bits)
{
	uint64_t start = cpu_timestamp();

	do {
		uint32_t now = __atomic_load_n(word, __ATOMIC_ACQUIRE);

		if (bits != 0 ? (now & bits) == bits : now == 0)
			return true;
		cpu_pause();
	} while (cpu_timestamp() - start < PATIENCE);
	return false;
}

/* stop_others: all other processors stand still on return, but those that do not answer. */
static void
stop_others(void)
{
	uint32_t asked = cpu_stop_others();

	if (asked != 0)
		(void)await(&stopped, asked);
	asked &= ~__atomic_load_n(&stopped, __ATOMIC_ACQUIRE);
	for (; asked != 0; asked &= asked - 1)
		kprintf("\npanic: processor %u does not answer\n", (unsigned)__builtin_ctz(asked));
}

/* report_others: each in its turn. */
static void
report_others(void)
{
	uint32_t left = __atomic_load_n(&stopped, __ATOMIC_ACQUIRE);

	for (; left != 0; left &= left - 1) {
		__atomic_store_n(&turn, (uint32_t)__builtin_ctz(left) + 1, __ATOMIC_RELEASE);
		(void)await(&turn, 0);
	}
}

/* panic_claim: become the processor that reports, with the others stopped; true if this is its first
 * panic.  Where another one reports already, it stands still. */
static bool
panic_claim(void)
{
	uint32_t owner = PANIC_NOBODY, self;

	cpu_irq_disable();
	self = curcpu()->id + 1;
	if (__atomic_compare_exchange_n(&panic_owner, &owner, self, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE)) {
		print_panic_mode();
		stop_others();
		return true;
	}
	if (owner != self)
		panic_stand_still(CALLER_PC, CALLER_FP);
	return false;
}

void
panic_prepare(void)
{
	prepared = panic_claim();
}

/* panic_begin: what comes first.  Returns only if this is the first panic. */
static void
panic_begin(void)
{
	if (!panic_claim() && !prepared) {
		kprintf("\npanic: again, while reporting the first; giving up\n");
		cpu_exit(CPU_EXIT_PANIC);
	}
	prepared = false;
}

/* panic_end: the rest of a panic, its message being printed; pc and fp say where to trace from. */
static _Noreturn void
panic_end(uintptr_t pc, uintptr_t fp)
{
	struct panic_hook *h;

	kprintf("\n");
	processor_report(pc, fp);
	report_others();
	list_for_each_entry (h, &panic_hooks, link)
		h->report();
	cpu_exit(CPU_EXIT_PANIC);
}

void
panic(const char *fmt, ...)
{
	va_list ap;

	panic_begin();
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
	kprintf("\npanic: %s:%d: %s: ", file, line, cond);
	va_start(ap, fmt);
	kvprintf(fmt, ap);
	va_end(ap);
	panic_end(CALLER_PC, CALLER_FP);
}
