/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults on purpose between processors: a lock that is not given back, one that does not answer.
 *
 * The thread that does the fault is bound to its processor (debug.cpu=N, 0); what happens elsewhere is
 * done by a thread bound to the next one.
 */
#include "kernel/debug_faults.h"

#ifdef CONFIG_DEBUG

#include <stddef.h>
#include <stdint.h>
#include <machine/cpu.h>
#include <machine/smp.h>
#include <machine/trap.h>
#include "kernel/base/clock.h"
#include "kernel/base/panic.h"
#include "kernel/base/sched.h"
#include "kernel/base/spinlock.h"
#include "kernel/base/string.h"
#include "kernel/thread.h"
#include "vm/vm_kern.h"

#define HELD_NS (100 * NS_PER_MS)

static struct spinlock first = SPINLOCK_INITIALIZER("first", LOCK_RANK_PMAP);
static struct spinlock second = SPINLOCK_INITIALIZER("second", LOCK_RANK_ZONE);

static uint32_t other; /* the processor that elsewhere() means */
static bool there;     /* (a) the other thread is where it is to be */

static void
now_there(void)
{
	__atomic_store_n(&there, true, __ATOMIC_RELEASE);
}

static _Noreturn void
spin(void)
{
	for (;;)
		cpu_pause();
}

/* bound: the next processor's thread. */
static void
bound(void *fn)
{
	sched_set_affinity(curthread(), 1u << other);
	((void (*)(void))fn)();
}

/* elsewhere: have the next processor run fn, and wait until it is there. */
static void
elsewhere(void (*fn)(void))
{
	VERIFY(smp_count() > 1, "this fault takes two processors, there are %u", smp_count());
	other = (cpu_id() + 1) % smp_count();
	VERIFY(kthread_create("elsewhere", SCHED_PRIO_KERNEL, bound, (void *)fn), "no memory");
	while (!__atomic_load_n(&there, __ATOMIC_ACQUIRE))
		sched_yield();
}

/* A lock that is held for longer than lock.hold_us. */
void
fault_held(void)
{
	uint64_t end = clock_now() + HELD_NS;

	spinlock_lock(&first);
	while (clock_now() < end)
		cpu_pause();
	spinlock_unlock(&first);
}

static void
keep_first(void)
{
	spinlock_lock(&first);
	now_there();
	spin();
}

/* A lock that another processor never gives back. */
void
fault_stuck(void)
{
	elsewhere(keep_first);
	spinlock_lock(&first);
}

static void
hold_second(void)
{
	spinlock_lock(&second);
	now_there();
	spin();
}

/* Two locks in the wrong order, while another processor holds one of them. */
void
fault_cross(void)
{
	static struct spinlock third = SPINLOCK_INITIALIZER("third", LOCK_RANK_PHYS);

	elsewhere(hold_second);
	spinlock_lock(&third);
	spinlock_lock(&second);
}

/* Interrupts off, and no look at what others want. */
static void
be_deaf(void)
{
	cpu_irq_disable();
	now_there();
	spin();
}

/* A shootdown that another processor does not see. */
void
fault_deaf(void)
{
	vm_offset_t stack = kstack_alloc();

	VERIFY(stack != 0, "no memory");
	elsewhere(be_deaf);
	kstack_free(stack);
}

/* What a non-maskable interrupt is answered with here: nothing, and no other one comes through. */
__attribute__((naked)) static void
swallow(void)
{
	__asm__ volatile("1: pause; jmp 1b");
}

/* A descriptor of an interrupt table. */
struct gate {
	uint16_t offset_low, selector, flags, offset_mid;
	uint32_t offset_high, reserved;
};

struct gates {
	uint16_t limit;
	struct gate *gate;
} __attribute__((packed));

static void
be_mute(void)
{
	static struct gate own[VECTOR_EXCEPTIONS];
	uintptr_t handler = (uintptr_t)swallow;
	struct gates gates;

	spinlock_lock(&first);
	__asm__ volatile("sidt %0" : "=m"(gates));
	memcpy(own, gates.gate, sizeof(own));
	own[TRAP_NMI].offset_low = handler & 0xffff;
	own[TRAP_NMI].offset_mid = handler >> 16 & 0xffff;
	own[TRAP_NMI].offset_high = handler >> 32;
	gates = (struct gates){sizeof(own) - 1, own};
	__asm__ volatile("lidt %0" : : "m"(gates));
	now_there();
	spin();
}

/* A panic while another processor does not even take a non-maskable interrupt. */
void
fault_mute(void)
{
	elsewhere(be_mute);
	panic("one of us is mute");
}

#endif
