/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of the road: of a kernel that is broken, and of a machine that has done its work.
 *
 * The first processor that panics has the last word.  It stops all others, by an interrupt that cannot be
 * masked, so that they neither go on nor mix their reports into its; one that does not answer is named.
 * The report goes from what is safest to what is least: message, thread, registers, locks, backtrace,
 * then each of the others tells where it was stopped, then the hooks of the upper storeys, which read
 * structures that may be the ones that broke.  If a step panics or faults in its turn, the report ends
 * there and the machine with it: last_word says that it is our second time.
 *
 *	last_word	NOBODY --machine_end()--> self | ENDING --panic()--> self or another
 *			   `----------------panic()----------------------^
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

#define NOBODY	 0u
#define ENDING	 0x80000000u  /* no panic: the machine ends in good order */
#define PATIENCE 5000000000ul /* ticks of the time-stamp counter: a second or two */

/* The call of the function this is used in: what is behind it may be another function. */
#define CALLER_PC ((uintptr_t)__builtin_return_address(0) - 1)
#define CALLER_FP (*(uintptr_t *)__builtin_frame_address(0))

static uint32_t last_word; /* (a) id + 1 of the processor that has it, perhaps ENDING */
static bool prepared;	   /* by panic_prepare(); the owner's */
static uint32_t asked;	   /* processors that were to stop, a bit each; the owner's */
static uint32_t stopped;   /* (a) those of them that stand still */
static uint32_t turn;	   /* (a) id + 1 of the one that is to report, 0: none */
static struct list panic_hooks = LIST_INITIALIZER(panic_hooks); /* changed during boot only */

void
panic_hook_register(struct panic_hook *h)
{
	list_push_back(&panic_hooks, &h->link);
}

bool
panic_active(void)
{
	uint32_t owner = __atomic_load_n(&last_word, __ATOMIC_RELAXED);

	return owner != NOBODY && (owner & ENDING) == 0;
}

bool
panic_stops_me(void)
{
	uint32_t owner = __atomic_load_n(&last_word, __ATOMIC_ACQUIRE);

	return owner != NOBODY && (owner & ~ENDING) != curcpu()->id + 1;
}

static void
print_thread(const struct thread *t)
{
	if (t != NULL)
		kprintf("  thread %llu \"%s\", kernel stack %#lx-%#lx\n", (unsigned long long)t->id,
			t->name, (unsigned long)t->kstack_base, (unsigned long)t->kstack_top);
}

/* processor_report: what this one runs, and where. */
static void
processor_report(uintptr_t pc, uintptr_t fp)
{
	const struct percpu *c = curcpu();

	kprintf("  processor %u, interrupts %u deep, spinlocks %u deep\n", c->id, c->irq_depth,
		c->spin_depth);
	print_thread(c->curthread);
	cpu_print_registers();
	lockorder_print(c->curthread);
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
	uint32_t others = cpu_stop_others();

	if (others != 0)
		(void)await(&stopped, others);
	asked = others; /* now no other owner writes it */
}

/* mute: the processors that were to stop and do not. */
static uint32_t
mute(void)
{
	return asked & ~__atomic_load_n(&stopped, __ATOMIC_ACQUIRE);
}

/* report_others: each in its turn; of the mute ones what their memory says. */
static void
report_others(void)
{
	uint32_t left = asked & ~mute();

	for (; left != 0; left &= left - 1) {
		__atomic_store_n(&turn, (uint32_t)__builtin_ctz(left) + 1, __ATOMIC_RELEASE);
		(void)await(&turn, 0);
	}
	for (left = mute(); left != 0; left &= left - 1) {
		const struct percpu *c = &percpu_area[__builtin_ctz(left)];

		kprintf("  processor %u, of which nothing is heard\n", c->id);
		print_thread(c->curthread);
		lockorder_print(c->curthread);
	}
}

/* claim: have the last word, with these bits; false if this processor has had it.  Where another one has
 * it, this one stands still. */
static bool
claim(uint32_t bits)
{
	uint32_t self = curcpu()->id + 1, owner = NOBODY;

	cpu_irq_disable();
	while (!__atomic_compare_exchange_n(&last_word, &owner, self | bits, false,
					    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		if (owner == self)
			return false;
		if ((owner & ENDING) == 0 || bits != 0)
			panic_stand_still(CALLER_PC, CALLER_FP);
	}
	return true;
}

/* panic_claim: become the processor that reports, with the others stopped; true if this is its first
 * panic. */
static bool
panic_claim(void)
{
	if (!claim(0))
		return false;
	print_panic_mode();
	stop_others();
	for (uint32_t left = mute(); left != 0; left &= left - 1)
		kprintf("\npanic: processor %u does not answer\n", (unsigned)__builtin_ctz(left));
	return true;
}

void
machine_end(uint32_t code)
{
	(void)claim(ENDING);
	stop_others();
	cpu_exit(code);
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
