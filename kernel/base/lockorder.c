/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lock-order checker: finds a possible deadlock the first time two locks are taken in the wrong
 * order, not the one time in a million when two processors do so at once.
 *
 * Each thread has a list of the locks it holds (struct lockorder), in the order they were taken:
 *
 *	held[0] "proc"   rank 1   proc_exit+0x31
 *	held[1] "map"    rank 2   vm_map_remove+0x18
 *	held[2] "object" rank 4   vm_object_collapse+0x5c	<- count
 *
 * A lock about to be waited for must rank above all of them (an equal rank will do where the rank
 * allows several).  Locks may be released in any order.  A lock that was tried for, not waited for,
 * cannot close a circle, so its own place is free; but what is waited for while it is held is
 * checked against it.
 *
 * An interrupt takes its locks on the list of the thread it interrupts and has released them when
 * it returns.  The list is therefore changed with interrupts off.  Before the first thread is
 * adopted there is no list and nothing is checked.
 *
 * This file is also compiled into the host tests: it may use only kernel/base and <machine/cpu.h>.
 */
#include "kernel/base/lockorder.h"

#ifdef CONFIG_DEBUG

#include "kernel/base/clock.h"
#include "kernel/base/lockhold.h"
#include "kernel/base/panic.h"
#include "kernel/base/print.h"
#include "kernel/base/sched.h"
#include "kernel/base/trace.h"
#include <machine/cpu.h>

/* A place in the kernel's text, to be printed by "%s+0x%zx". */
struct place {
	const char *name;
	size_t offset;
};

static struct place
place_of(uintptr_t pc)
{
	struct place p = {.offset = 0};

	p.name = ksym_lookup(pc, &p.offset);
	if (p.name == NULL)
		p = (struct place){.name = "?", .offset = pc};
	return p;
}

/* lockorder_mine: the current thread's list, NULL where there is nothing to check. */
static struct lockorder *
lockorder_mine(void)
{
	struct thread *t = curthread();

	if (t == NULL || panic_active())
		return NULL;
	return &t->lockorder;
}

/* rank_allows_several: may one thread hold several locks of this rank at once? */
static bool
rank_allows_several(enum lock_rank rank)
{
	return rank == LOCK_RANK_OBJECT || rank == LOCK_RANK_MAP_USER;
}

static _Noreturn void
report_order(const struct lockorder_held *h, const char *name, enum lock_rank rank, uintptr_t pc,
	     bool again)
{
	struct place here = place_of(pc), there = place_of(h->pc);

	if (again)
		panic("deadlock: \"%s\" wanted at %s+0x%zx is held by this thread, taken at "
		      "%s+0x%zx",
		      name, here.name, here.offset, there.name, there.offset);
	panic("lock order: \"%s\" (rank %d) wanted at %s+0x%zx while \"%s\" (rank %d) is held, "
	      "taken at %s+0x%zx",
	      name, rank, here.name, here.offset, h->name, h->rank, there.name, there.offset);
}

static _Noreturn void
report_held(const struct lockorder_held *h, const char *what)
{
	struct place there = place_of(h->pc);

	panic("%s with \"%s\" (rank %d) held, taken at %s+0x%zx", what, h->name, h->rank,
	      there.name, there.offset);
}

static void
check_order(const struct lockorder *lo, const void *lock, const char *name, enum lock_rank rank,
	    uintptr_t pc)
{
	for (uint32_t i = 0; i < lo->count; i++) {
		const struct lockorder_held *h = &lo->held[i];

		if (h->lock == lock || h->rank > rank ||
		    (h->rank == rank && !rank_allows_several(rank)))
			report_order(h, name, rank, pc, h->lock == lock);
	}
}

static void
push(struct lockorder *lo, const void *lock, const char *name, enum lock_rank rank, uintptr_t pc)
{
	VERIFY(lo->count < LOCKORDER_MAX_HELD, "\"%s\" would be lock %u of one thread", name,
	       lo->count + 1);
	lo->held[lo->count++] = (struct lockorder_held){
	    .lock = lock,
	    .name = name,
	    .pc = pc,
	    .since = rank >= LOCK_RANK_SPIN ? clock_now() : 0,
	    .rank = rank,
	};
}

void
lockorder_acquire(const void *lock, const char *name, enum lock_rank rank, uintptr_t pc)
{
	struct lockorder *lo = lockorder_mine();
	bool irqs;

	if (lo == NULL)
		return;
	irqs = cpu_irq_save();
	check_order(lo, lock, name, rank, pc);
	push(lo, lock, name, rank, pc);
	lo->held[lo->count - 1].waited_for = rank >= LOCK_RANK_SPIN;
	cpu_irq_restore(irqs);
}

void
lockorder_note(const void *lock, const char *name, enum lock_rank rank, uintptr_t pc)
{
	struct lockorder *lo = lockorder_mine();
	bool irqs;

	if (lo == NULL)
		return;
	irqs = cpu_irq_save();
	push(lo, lock, name, rank, pc);
	cpu_irq_restore(irqs);
}

void
lockorder_taken(void)
{
	struct lockorder *lo = lockorder_mine();

	if (lo == NULL)
		return;
	lo->held[lo->count - 1].since = clock_now();
	lo->held[lo->count - 1].waited_for = false;
}

/* forget: take a lock off the list; returns what was noted of it.  Interrupts off. */
static struct lockorder_held
forget(struct lockorder *lo, const void *lock)
{
	struct lockorder_held h;
	uint32_t i;

	for (i = lo->count; i > 0 && lo->held[i - 1].lock != lock; i--)
		;
	VERIFY(i > 0, "lock %p released by a thread that does not hold it", lock);
	h = lo->held[i - 1];
	for (lo->count--; i <= lo->count; i++)
		lo->held[i - 1] = lo->held[i];
	return h;
}

void
lockorder_release(const void *lock)
{
	struct lockorder *lo = lockorder_mine();
	bool irqs;

	if (lo == NULL)
		return;
	irqs = cpu_irq_save();
	(void)forget(lo, lock);
	cpu_irq_restore(irqs);
}

void
lockorder_unlocked(const void *lock, uintptr_t pc)
{
	struct lockorder *lo = lockorder_mine();
	struct lockorder_held h;

	if (lo == NULL)
		return;
	h = forget(lo, lock);
	lockhold_ends(&h, pc);
}

/* assert_none_between: panic if the current thread holds a lock with a rank from min to max. */
static void
assert_none_between(enum lock_rank min, enum lock_rank max, const char *what)
{
	struct lockorder *lo = lockorder_mine();

	if (lo == NULL)
		return;
	for (uint32_t i = 0; i < lo->count; i++) {
		if (lo->held[i].rank >= min && lo->held[i].rank <= max)
			report_held(&lo->held[i], what);
	}
}

void
lockorder_assert_none(enum lock_rank max, const char *what)
{
	assert_none_between(LOCK_RANK_PROC, max, what);
}

void
lockorder_assert_kmem(const char *what)
{
	assert_none_between(LOCK_RANK_MAP_USER, LOCK_RANK_PRINT, what);
}

void
lockorder_assert_sleepable(const char *what)
{
	const struct percpu *c;
	bool irqs;

	if (lockorder_mine() == NULL)
		return;
	assert_none_between(LOCK_RANK_SPIN, LOCK_RANK_PRINT, what);
	irqs = cpu_irq_save();
	c = curcpu();
	VERIFY(c->spin_depth == 0, "%s inside spin_enter (depth %u)", what, c->spin_depth);
	VERIFY(c->irq_depth == 0, "%s inside an interrupt (depth %u)", what, c->irq_depth);
	VERIFY(curthread()->nopreempt == 0, "%s inside preempt_enter (depth %u)", what,
	       curthread()->nopreempt);
	cpu_irq_restore(irqs);
}

void
lockorder_print(const struct thread *t)
{
	if (t == NULL)
		return;
	for (uint32_t i = 0; i < t->lockorder.count; i++) {
		const struct lockorder_held *h = &t->lockorder.held[i];
		struct place p = place_of(h->pc);

		kprintf("  %s \"%s\" %p (rank %d), %s at %s+0x%zx\n",
			h->waited_for ? "waits for" : "holds", h->name, h->lock, h->rank,
			h->waited_for ? "wanted" : "taken", p.name, p.offset);
	}
}

#endif
