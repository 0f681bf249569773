/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults on purpose: what a kernel must never do, to see what it says of it.
 *
 * debug.fault=NAME on the command line of a debug kernel does it on the first kernel thread, just
 * before the first process would start; bin/crash NAME in a system call.  debug.cpu=N says on which processor (0).
 * tests/qemu/failures.t provokes each and reads the report.
 */
#include "kernel/debug.h"
#include "kernel/debug_faults.h"

#ifdef CONFIG_DEBUG

#include <stddef.h>
#include <stdint.h>
#include <machine/cpu.h>
#include <machine/smp.h>
#include "boot/boot_info.h"
#include "kernel/base/mutex.h"
#include "kernel/base/panic.h"
#include "kernel/base/print.h"
#include "kernel/base/sleepq.h"
#include "kernel/base/spinlock.h"
#include "kernel/base/string.h"
#include "vm/pmap.h"
#include "vm/vm_kern.h"
#include "vm/vm_malloc.h"
#include "vm/vm_page.h"

#define WILD_OFFSET   0x12345678ul /* into kernel_map, far beyond what is in use */
#define NOT_CANONICAL 0x8000000000000000ul
#define FREED_SIZE    64  /* bytes */
#define FREED_WORD    100 /* of a page */
#define LEDGER_SLOTS  16

/* In assembly, so that the compiler neither sees nor checks what is done. */
static void
store(uintptr_t addr)
{
	__asm__ volatile("movl $1, (%0)" : : "r"(addr) : "memory");
}

static void
fault_null(void)
{
	store(0);
}

static void
fault_wild(void)
{
	store(VM_MAX_KERNEL_ADDRESS - WILD_OFFSET);
}

static void
fault_text(void)
{
	store((uintptr_t)debug_fault);
}

static void
fault_exec(void)
{
	static uint8_t data[] = {0xc3}; /* ret */

	__asm__ volatile("call *%0" : : "r"(data) : "memory");
}

static void
fault_canonical(void)
{
	store(NOT_CANONICAL);
}

static __attribute__((noinline)) int
recurse(int depth)
{
	volatile char frame[512];

	frame[0] = (char)depth;
	return depth < 0 ? 0 : recurse(depth + 1) + frame[0];
}

static void
fault_stack(void)
{
	recurse(0);
}

static void
fault_assert(void)
{
	volatile int two = 2;

	ASSERT(two + two == 5, "two and two are %d", two + two);
}

static void
fault_ubsan(void)
{
	volatile int most = INT32_MAX;

	/* cppcheck-suppress integerOverflow */
	most = most + 1;
}

static void
fault_relock(void)
{
	static struct mutex m = MUTEX_INITIALIZER("twice", LOCK_RANK_PROC);

	mutex_lock(&m);
	mutex_lock(&m);
}

static void
fault_order(void)
{
	static struct spinlock first = SPINLOCK_INITIALIZER("first", LOCK_RANK_PMAP);
	static struct spinlock second = SPINLOCK_INITIALIZER("second", LOCK_RANK_ZONE);

	spinlock_lock(&second);
	spinlock_lock(&first);
}

static void
fault_sleep(void)
{
	static struct spinlock l = SPINLOCK_INITIALIZER("held asleep", LOCK_RANK_PMAP);

	spinlock_lock(&l);
	sleepq_prepare(&l, "nothing");
	sleepq_wait(SLEEPQ_FOREVER, 0);
}

static void
fault_freed(void)
{
	uint64_t *p = kmalloc(FREED_SIZE, 0);

	kfree(p, FREED_SIZE);
	p[1] = 1;
	kfree(kmalloc(FREED_SIZE, 0), FREED_SIZE); /* finds the store when it allocates */
}

/* In the middle, where only debug.poison looks. */
static void
fault_freed_frame(void)
{
	struct vm_page *m = vm_page_alloc_noobj(0);
	uint64_t *p = pmap_page_address(m);

	vm_page_free_noobj(m);
	p[FREED_WORD] = 1;
	vm_page_alloc_noobj(0);
}

static void
fault_free_twice(void)
{
	void *p = kmalloc(FREED_SIZE, 0);

	kfree(p, FREED_SIZE);
	kfree(p, FREED_SIZE);
}

/* A table, and behind it what its slots add up to. */
static struct {
	uint64_t slot[LEDGER_SLOTS];
	uint64_t total;
} ledger;

/* Fills a slot too many: this store is what the replay test goes back to. */
static __attribute__((noinline)) void
ledger_fill(volatile uint64_t *slot, unsigned n)
{
	for (unsigned i = 0; i <= n; i++)
		slot[i] = i;
}

static __attribute__((noinline)) void
ledger_check(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < LEDGER_SLOTS; i++)
		sum += ledger.slot[i];
	ASSERT(sum == ledger.total, "the slots add up to %lu, noted is %lu", sum, ledger.total);
}

static void
fault_overrun(void)
{
	ledger.total = LEDGER_SLOTS * (LEDGER_SLOTS - 1) / 2;
	ledger_fill(ledger.slot, LEDGER_SLOTS);
	ledger_check();
}

/* No table of exceptions: the breakpoint cannot be delivered, nor what follows from that. */
static void
fault_triple(void)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) nothing;

	__asm__ volatile("lidt %0; int3" : : "m"(nothing));
}

static void
fault_loop(void)
{
	cpu_irq_disable();
	for (;;)
		cpu_pause();
}

/* The top of a main stack: mapped, if a process asked for this, but not for the kernel. */
static void
fault_user(void)
{
	store(VM_MAX_USER_ADDRESS - sizeof(uint64_t));
}

static const struct {
	const char *name;
	void (*run)(void);
} faults[] = {
    {"null", fault_null},
    {"user", fault_user},	    /* a store to a program's memory, not by copyout */
    {"wild", fault_wild},	    /* a store to where kernel_map has nothing */
    {"text", fault_text},	    /* a store to the kernel's text */
    {"exec", fault_exec},	    /* a call of data */
    {"canonical", fault_canonical}, /* a store to an address that cannot be */
    {"stack", fault_stack},	    /* endless recursion */
    {"assert", fault_assert},
    {"ubsan", fault_ubsan},
    {"relock", fault_relock}, /* a lock taken twice */
    {"order", fault_order},   /* two locks in the wrong order */
    {"cross", fault_cross},   /* the same, while another processor holds one of them */
    {"held", fault_held},     /* a spinlock for a tenth of a second */
    {"stuck", fault_stuck},   /* another processor does not give a spinlock back */
    {"deaf", fault_deaf},     /* another processor does not answer a shootdown */
    {"mute", fault_mute},     /* another one does not take non-maskable interrupts */
    {"sleep", fault_sleep},   /* with a spinlock held */
    {"freed", fault_freed},   /* a store to freed memory */
    {"freed-frame", fault_freed_frame},
    {"free-twice", fault_free_twice},
    {"overrun", fault_overrun}, /* a table's end is overrun; found in another function */
    {"triple", fault_triple},
    {"loop", fault_loop}, /* endless, with interrupts off */
};

#define FAULTS (sizeof(faults) / sizeof(faults[0]))

bool
debug_fault_named(const char *name)
{
	for (size_t i = 0; i < FAULTS; i++) {
		if (strcmp(name, faults[i].name) == 0) {
			faults[i].run();
			panic("fault %s: nothing happened", name);
		}
	}
	return false;
}

void
debug_fault(void)
{
	char name[BOOT_OPTION_MAX];

	if (boot_option("debug.fault", name, sizeof(name)) == NULL)
		return;
	sched_set_affinity(curthread(), 1u << boot_option_number("debug.cpu", 0) % smp_count());
	if (debug_fault_named(name))
		return;
	kprintf("debug.fault=%s is unknown; there are", name);
	for (size_t i = 0; i < FAULTS; i++)
		kprintf(" %s", faults[i].name);
	kprintf("\n");
	boot_fail("debug.fault=%s is unknown", name);
}

#endif
