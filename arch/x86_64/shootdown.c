/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shootdown: other processors forget translations that are not valid any more.
 *
 * Each processor has one request at a time, in a slot of its own.  It fills the slot, sets its bit in
 * the `requests` of each processor that is meant, interrupts those, and waits until all have taken
 * their bit out of `waiting`.
 *
 *	initiator		slot filled --> requests |= me --> interrupt --> waiting == 0
 *	target				requests = 0 --> forget --> waiting &= ~me
 *
 * Meanwhile, as whenever it spins, the initiator serves others' requests (cpu_spin_poll), so two that
 * shoot at each other do not wait for ever, nor does one whose target spins for a lock that it holds.
 * It holds the lock of the table that it changed, so that stays as it is until all have forgotten.
 *
 * A processor keeps the space of a thread that left it loaded until another one comes.  When it is asked
 * to forget something of such a space it leaves it for good, so it is asked only once.
 */
#include "arch/x86_64/pmap_private.h"
#include "kernel/base/lockhold.h"
#include "kernel/base/panic.h"
#include "kernel/base/sched.h"
#include "kernel/base/spinlock.h"
#include <machine/apic.h>
#include <machine/cpu.h>
#include <machine/percpu.h>
#include <machine/shootdown.h>
#include <machine/smp.h>
#include <machine/trap.h>

struct slot {
	const struct pmap *pmap;	     /* (i) */
	vm_offset_t start, end;		     /* (i) */
	uint32_t waiting;		     /* (a) those that have yet to forget */
} __attribute__((aligned(CACHE_LINE_SIZE))); /* (i) its processor, while nobody waits  (a) atomic */

static struct slot slots[MACHINE_MAX_CPUS];

/* forget: what a request asks of this processor.  Interrupts off. */
static void
forget(const struct slot *s)
{
	const struct percpu *c = curcpu();

	if (s->pmap == kernel_pmap)
		tlb_flush_range(s->pmap, s->start, s->end);
	else if (s->pmap != c->loaded_pmap)
		; /* left meanwhile: forgotten, or marked stale */
	else if (s->pmap != c->curthread->pmap)
		pmap_activate(kernel_pmap);
	else
		tlb_flush_range(s->pmap, s->start, s->end);
}

void
tlb_serve(void)
{
	bool irqs = cpu_irq_save();
	uint32_t me = 1u << cpu_id();
	uint32_t from = __atomic_exchange_n(&curcpu()->requests, 0, __ATOMIC_ACQUIRE);

	for (; from != 0; from &= from - 1) {
		struct slot *s = &slots[__builtin_ctz(from)];

		forget(s);
		__atomic_fetch_and(&s->waiting, ~me, __ATOMIC_RELEASE);
	}
	cpu_irq_restore(irqs);
}

static void
shootdown_interrupt(void *arg)
{
	(void)arg;
	tlb_serve();
}

void
shootdown_init(void)
{
	irq_register(VECTOR_SHOOTDOWN, shootdown_interrupt, NULL);
}

/* ask: have the processors of `targets` forget, and wait until they have.  Interrupts off. */
static void
ask(const struct pmap *pmap, vm_offset_t start, vm_offset_t end, uint32_t targets)
{
	uint32_t self = cpu_id(), left;
	struct slot *s = &slots[self];
	struct lockhold_wait w = {0};

	s->pmap = pmap;
	s->start = start;
	s->end = end;
	__atomic_store_n(&s->waiting, targets, __ATOMIC_SEQ_CST);
	for (; targets != 0; targets &= targets - 1) {
		struct percpu *c = &percpu_area[__builtin_ctz(targets)];

		if (__atomic_fetch_or(&c->requests, 1u << self, __ATOMIC_SEQ_CST) == 0)
			lapic_send(c->apic_id, VECTOR_SHOOTDOWN);
	}
	for (unsigned turns = 1; (left = __atomic_load_n(&s->waiting, __ATOMIC_ACQUIRE)) != 0;
	     turns++) {
		if (lockhold_waits_too_long(&w))
			panic("processor %u does not answer a shootdown of %#lx-%#lx",
			      (unsigned)__builtin_ctz(left), start, end);
		cpu_spin_poll(turns);
	}
}

/* others: the other processors that may know translations of pmap: those where it is loaded, or all,
 * as the kernel's half is in every space. */
static uint32_t
others(const struct pmap *pmap)
{
	uint32_t set =
	    pmap == kernel_pmap ? smp_online() : __atomic_load_n(&pmap->active, __ATOMIC_SEQ_CST);

	return set & ~(1u << cpu_id());
}

void
pmap_shootdown(const struct pmap *pmap, vm_offset_t start, vm_offset_t end)
{
	uint32_t targets = others(pmap);

	if (targets != 0)
		ask(pmap, start, end, targets);
}

void
shootdown_leave(const struct pmap *pmap)
{
	uint32_t targets;

	spin_enter();
	while ((targets = others(pmap)) != 0)
		ask(pmap, 0, VM_MAX_USER_ADDRESS, targets);
	spin_exit();
}
