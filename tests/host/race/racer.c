/* SPDX-License-Identifier: BSD-2-Clause */
/* What racers have in common: choices, disturbances, accesses. */
#include "kernel/base/sched.h"
#include "race/racer.h"

pthread_rwlock_t wired_stores = PTHREAD_RWLOCK_INITIALIZER;

uint64_t
racer_random(struct racer *r, uint64_t n)
{
	r->random ^= r->random >> 12;
	r->random ^= r->random << 25;
	r->random ^= r->random >> 27;
	return (r->random * 0x2545f4914f6cdd1dull >> 11) % n;
}

bool
racer_one_in(struct racer *r, uint64_t n)
{
	return racer_random(r, n) == 0;
}

vm_map_t
racer_map(const struct racer *r)
{
	return model_proc_map(r->proc);
}

vm_offset_t
racer_page(const struct racer *r, unsigned i)
{
	return r->base + ptoa(i);
}

/* ---- disturbances ---- */

void
racer_disturb(struct racer *r)
{
	struct debug_allocs *a = &curthread()->debug_allocs;

	*a = (struct debug_allocs){0};
	if (racer_one_in(r, 6))
		*a = (struct debug_allocs){.skip = (uint32_t)racer_random(r, 12),
					   .fail = 1 + (uint32_t)racer_random(r, 3)};
}

bool
racer_excused(kern_return_t kr, kern_return_t or)
{
	struct thread *t = curthread();
	bool starved = t->debug_allocs.failed != 0;
	bool killed = __atomic_exchange_n(&t->killed, false, __ATOMIC_SEQ_CST);

	t->debug_allocs = (struct debug_allocs){0};
	return (starved && (kr == KERN_RESOURCE_SHORTAGE || or == KERN_RESOURCE_SHORTAGE)) ||
	       (killed && (kr == KERN_ABORTED || or == KERN_ABORTED));
}

bool
racer_calm(kern_return_t kr)
{
	return racer_excused(kr, kr);
}

bool
racer_must(struct racer *r, const char *what, kern_return_t expected, kern_return_t kr)
{
	if (racer_calm(kr))
		return false;
	if (kr != expected)
		FAIL(r, "%s: expected %d, got %d", what, expected, kr);
	return kr == KERN_SUCCESS;
}

/* ---- accesses ---- */

enum model_signal
racer_access(struct proc *p, vm_offset_t va, vm_prot_t type, void *buffer, size_t size)
{
	enum model_signal s;

	do {
		s = type == VM_PROT_WRITE ? model_user_write(p, va, buffer, size)
					  : model_user_read(p, va, buffer, size);
	} while (s == MODEL_KILLED && racer_calm(KERN_ABORTED));
	return s;
}

enum model_signal
racer_allowed(const struct expected *e, vm_prot_t type)
{
	if (!e->mapped)
		return SEGV_MAPERR;
	return (e->prot & type) != 0 ? MODEL_OK : SEGV_ACCERR;
}

void
racer_check_signal(struct racer *r, const char *what, vm_offset_t va, enum model_signal expected,
		   enum model_signal got)
{
	if (expected != got)
		FAIL(r, "%s at %#lx: expected %s, got %s", what, va, model_signal_name(expected),
		     model_signal_name(got));
}

void
racer_check_page(struct racer *r, struct proc *p, unsigned i, const struct expected *e)
{
	uint64_t value = 0;
	enum model_signal s =
	    racer_access(p, racer_page(r, i), VM_PROT_READ, &value, sizeof(value));

	racer_check_signal(r, p == r->proc ? "load" : "load in a child", racer_page(r, i),
			   racer_allowed(e, VM_PROT_READ), s);
	if (s == MODEL_OK && value != e->value)
		FAIL(r, "page %u%s: expected %#lx, got %#lx", i, p == r->proc ? "" : " in a child",
		     e->value, value);
}

void
racer_check_strip(struct racer *r)
{
	for (unsigned i = 0; i < STRIP; i++)
		racer_check_page(r, r->proc, i, &r->page[i]);
}

void
racer_store(struct racer *r, struct proc *p, unsigned i, struct expected *e)
{
	uint64_t value = (uint64_t)r->id << 56 | ++r->counter;
	enum model_signal s;

	pthread_rwlock_rdlock(&wired_stores);
	s = racer_access(p, racer_page(r, i), VM_PROT_WRITE, &value, sizeof(value));
	pthread_rwlock_unlock(&wired_stores);
	racer_check_signal(r, "store", racer_page(r, i), racer_allowed(e, VM_PROT_WRITE), s);
	if (s == MODEL_OK)
		e->value = value;
}
