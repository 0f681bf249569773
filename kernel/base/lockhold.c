/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long spinlocks are held: see lockhold.h.
 *
 * A class is all locks of a name.  Its place in the table is found by the address of the name, and is
 * never given back; the longest hold is read without a lock and changed with one.
 *
 * This file is also compiled into the host tests: it may use only kernel/base and <machine/cpu.h>.
 */
#include "kernel/base/lockhold.h"

#ifdef CONFIG_DEBUG

#include <stddef.h>
#include <machine/cpu.h>
#include "kernel/base/clock.h"
#include "kernel/base/panic.h"
#include "kernel/base/print.h"
#include "kernel/base/trace.h"

#define CLASSES	    64 /* a power of two */
#define HASH_SHIFT  3  /* names are strings, side by side */
#define NS_PER_US   1000
#define WAIT_LIMITS 4	  /* of those: so long one may wait */
#define TURNS	    65536 /* between two looks at the clock */

static struct lock_class {
	const char *name;	   /* (a) NULL: free */
	uint64_t longest;	   /* (a) ns; written with `changing` held */
	uintptr_t taken, released; /* (l) where */
	uint32_t cpu;		   /* (l) */
} lock_classes[CLASSES];	   /* (a) atomic (l) `changing` */

static bool changing; /* (a) a lock of its own kind: the others are what is measured */

static uint64_t limit; /* ns; 0: none; constant after boot */

void
lockhold_set_limit(uint64_t ns)
{
	limit = ns;
}

/* class_of: the place of a name; NULL if the table is full. */
static struct lock_class *
class_of(const char *name)
{
	size_t at = (uintptr_t)name >> HASH_SHIFT;

	for (size_t i = 0; i < CLASSES; i++) {
		struct lock_class *c = &lock_classes[(at + i) % CLASSES];
		const char *there = __atomic_load_n(&c->name, __ATOMIC_RELAXED);

		if (there == NULL)
			__atomic_compare_exchange_n(&c->name, &there, name, false, __ATOMIC_RELAXED,
						    __ATOMIC_RELAXED);
		if (there == NULL || there == name)
			return c;
	}
	return NULL;
}

static void
note_longest(struct lock_class *c, const struct lockorder_held *h, uint64_t held, uintptr_t pc)
{
	while (__atomic_exchange_n(&changing, true, __ATOMIC_ACQUIRE))
		cpu_spin_poll(0);
	if (held > c->longest) {
		__atomic_store_n(&c->longest, held, __ATOMIC_RELAXED);
		c->taken = h->pc;
		c->released = pc;
		c->cpu = cpu_id();
	}
	__atomic_store_n(&changing, false, __ATOMIC_RELEASE);
}

static _Noreturn void
report_too_long(const struct lockorder_held *h, uint64_t held, uintptr_t pc)
{
	size_t taken = 0, released = 0;
	const char *taken_in = ksym_lookup(h->pc, &taken);
	const char *released_in = ksym_lookup(pc, &released);

	panic("spinlock \"%s\" was held for %lu us, taken at %s+0x%zx, released at %s+0x%zx; "
	      "lock.hold_us allows %lu",
	      h->name, held / NS_PER_US, taken_in != NULL ? taken_in : "?", taken,
	      released_in != NULL ? released_in : "?", released, limit / NS_PER_US);
}

void
lockhold_ends(const struct lockorder_held *h, uintptr_t pc)
{
	uint64_t held = clock_now() - h->since;
	struct lock_class *c = class_of(h->name);

	if (c != NULL && held > __atomic_load_n(&c->longest, __ATOMIC_RELAXED))
		note_longest(c, h, held, pc);
	if (limit != 0 && held > limit)
		report_too_long(h, held, pc);
}

bool
lockhold_waits_too_long(struct lockhold_wait *w)
{
	uint64_t now;

	if (limit == 0 || ++w->turns % TURNS != 0)
		return false;
	now = clock_now();
	if (w->since == 0)
		w->since = now;
	return now - w->since > WAIT_LIMITS * limit;
}

/* next_shorter: the class with the longest hold of those that come behind c; NULL: c is the last. */
static const struct lock_class *
next_shorter(const struct lock_class *c)
{
	const struct lock_class *next = NULL;

	for (const struct lock_class *d = lock_classes; d < lock_classes + CLASSES; d++) {
		bool behind =
		    c == NULL || d->longest < c->longest || (d->longest == c->longest && d > c);

		if (d->longest > 0 && behind && (next == NULL || d->longest > next->longest))
			next = d;
	}
	return next;
}

void
lockhold_print(void)
{
	kprintf("locks: the longest hold of each, in ns\n");
	for (const struct lock_class *c = next_shorter(NULL); c != NULL; c = next_shorter(c)) {
		size_t taken = 0, released = 0;
		const char *taken_in = ksym_lookup(c->taken, &taken);
		const char *released_in = ksym_lookup(c->released, &released);

		kprintf("lock: %9lu \"%s\" taken at %s+0x%zx, released at %s+0x%zx, processor %u\n",
			c->longest, c->name, taken_in != NULL ? taken_in : "?", taken,
			released_in != NULL ? released_in : "?", released, c->cpu);
	}
}

#endif
