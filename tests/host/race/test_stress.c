/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many threads do everything to two address spaces at once.
 *
 * Each thread owns a strip of pages in its space and knows what every page of it must show and allow;
 * nobody else touches the strip, but strips are neighbours, so entries are merged and cut across
 * their borders, and all share the map, the page tables, the objects behind copies, and memory.  What
 * an operation answers and what the pages hold afterwards is checked at once.
 *
 * Some of a thread's allocations fail, and now and then a thread is told to die and survives it: then
 * an operation may end with RESOURCE_SHORTAGE or ABORTED, and must have changed nothing.
 *
 *	SEED=n	the same choices again (not the same interleaving)	SECONDS=n	how long
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "model/pthreads.h"
#include "kernel/base/sched.h"
#include "model/kernel.h"
#include "model/mmu.h"
#include "model/space.h"
#include "model/thread.h"
#include "model/vm_fixture.h"
#include "race/cpu.h"
#include "race/sched.h"
#include "vm/pmap.h"
#include "vm/vm_fault.h"
#include "vm/vm_kern.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_pager.h"
#include "vm/vmspace.h"
#include <machine/pmap.h>

#define SPACES	    2
#define THREADS	    6 /* in all */
#define STRIP	    24
#define STRIPS	    0x1000000ul
#define SHARED	    0x2000000ul /* the same object in both spaces; a byte of each page is a thread's */
#define SHARED_SIZE 32
#define STACK	    0x3000000ul
#define STACK_PAGES 512
#define MOVES	    0x6000000ul /* where ranges move about: so much for each thread */
#define MOVES_APART 0x100000ul
#define WATCH	    20 /* seconds */

/* What a page of a strip must be. */
struct expected {
	bool mapped, wired;
	vm_prot_t prot;
	vm_inherit_t inherit;
	uint64_t value;
};

struct racer {
	unsigned id;
	uint64_t random;
	struct proc *proc;
	vm_offset_t base;
	struct expected page[STRIP];
	uint8_t shared[SHARED_SIZE];
	uint8_t stack[STACK_PAGES];
	uint64_t counter, done;
	struct thread *thread;
};

static struct racer racers[THREADS];
static uint64_t seed;
static struct model_event all_there;
static bool time_is_up; /* atomic */

/* Who forks copies wired memory as it is at that moment; a program that stores there meanwhile gets
 * what it asked for, so it does not. */
static pthread_rwlock_t wired_stores = PTHREAD_RWLOCK_INITIALIZER;

static uint64_t
random_below(struct racer *r, uint64_t n)
{
	r->random ^= r->random >> 12;
	r->random ^= r->random << 25;
	r->random ^= r->random >> 27;
	return (r->random * 0x2545f4914f6cdd1dull >> 11) % n;
}

static bool
one_in(struct racer *r, uint64_t n)
{
	return random_below(r, n) == 0;
}

#define FAIL(r, fmt, ...) \
	model_die("SEED=%lu thread %u, operation %lu: " fmt, seed, (r)->id, (r)->done, __VA_ARGS__)

static vm_map_t
map_of(const struct racer *r)
{
	return model_proc_map(r->proc);
}

static vm_offset_t
page_at(const struct racer *r, unsigned i)
{
	return r->base + ptoa(i);
}

/* ---- disturbances ---- */

/* disturb: some of the next allocations fail, sometimes. */
static void
disturb(struct racer *r)
{
	struct debug_allocs *a = &curthread()->debug_allocs;

	*a = (struct debug_allocs){0};
	if (one_in(r, 6))
		*a = (struct debug_allocs){.skip = (uint32_t)random_below(r, 12),
					   .fail = 1 + (uint32_t)random_below(r, 3)};
}

/* excused: an operation is over: has it an excuse for one of two failures?  The disturbance is. */
static bool
excused(kern_return_t kr, kern_return_t or)
{
	struct thread *t = curthread();
	bool starved = t->debug_allocs.failed != 0;
	bool killed = __atomic_exchange_n(&t->killed, false, __ATOMIC_SEQ_CST);

	t->debug_allocs = (struct debug_allocs){0};
	return (starved && (kr == KERN_RESOURCE_SHORTAGE || or == KERN_RESOURCE_SHORTAGE)) ||
	       (killed && (kr == KERN_ABORTED || or == KERN_ABORTED));
}

/* calm: likewise for the one failure that there was, if it was one. */
static bool
calm(kern_return_t kr)
{
	return excused(kr, kr);
}

/* must: the operation answered kr; it should have been `expected`.  True if it was done. */
static bool
must(struct racer *r, const char *what, kern_return_t expected, kern_return_t kr)
{
	if (calm(kr))
		return false;
	if (kr != expected)
		FAIL(r, "%s: expected %d, got %d", what, expected, kr);
	return kr == KERN_SUCCESS;
}

static void
op_kill(struct racer *r)
{
	/* All threads live until the last has stopped. */
	model_thread_kill(racers[random_below(r, THREADS)].thread);
}

/* ---- accesses ---- */

/* access: by the program; a thread that was told to die tries again. */
static enum model_signal
access(struct racer *r, struct proc *p, vm_offset_t va, vm_prot_t type, void *buffer, size_t size)
{
	enum model_signal s;

	do {
		s = type == VM_PROT_WRITE ? model_user_write(p, va, buffer, size)
					  : model_user_read(p, va, buffer, size);
	} while (s == MODEL_KILLED && calm(KERN_ABORTED));
	(void)r;
	return s;
}

static enum model_signal
allowed(const struct expected *e, vm_prot_t type)
{
	if (!e->mapped)
		return SEGV_MAPERR;
	return (e->prot & type) != 0 ? MODEL_OK : SEGV_ACCERR;
}

static void
check_signal(struct racer *r, const char *what, vm_offset_t va, enum model_signal expected,
	     enum model_signal got)
{
	if (expected != got)
		FAIL(r, "%s at %#lx: expected %s, got %s", what, va, model_signal_name(expected),
		     model_signal_name(got));
}

static void
check_page(struct racer *r, struct proc *p, unsigned i, const struct expected *e)
{
	uint64_t value = 0;
	enum model_signal s = access(r, p, page_at(r, i), VM_PROT_READ, &value, sizeof(value));

	check_signal(r, p == r->proc ? "load" : "load in a child", page_at(r, i),
		     allowed(e, VM_PROT_READ), s);
	if (s == MODEL_OK && value != e->value)
		FAIL(r, "page %u%s: expected %#lx, got %#lx", i, p == r->proc ? "" : " in a child",
		     e->value, value);
}

static void
check_strip(struct racer *r)
{
	for (unsigned i = 0; i < STRIP; i++)
		check_page(r, r->proc, i, &r->page[i]);
}

static void
store(struct racer *r, struct proc *p, unsigned i, struct expected *e)
{
	uint64_t value = (uint64_t)r->id << 56 | ++r->counter;
	enum model_signal s;

	pthread_rwlock_rdlock(&wired_stores);
	s = access(r, p, page_at(r, i), VM_PROT_WRITE, &value, sizeof(value));
	pthread_rwlock_unlock(&wired_stores);
	check_signal(r, "store", page_at(r, i), allowed(e, VM_PROT_WRITE), s);
	if (s == MODEL_OK)
		e->value = value;
}

static void
op_store(struct racer *r)
{
	unsigned i = (unsigned)random_below(r, STRIP);

	store(r, r->proc, i, &r->page[i]);
	check_page(r, r->proc, i, &r->page[i]);
}

static void
op_check(struct racer *r)
{
	check_strip(r);
}

/* op_wired_access: a wired page needs no fault.  (A processor that remembers fewer rights may take
 * one that finds nothing to do.) */
static void
op_wired_access(struct racer *r)
{
	unsigned i = (unsigned)random_below(r, STRIP);
	uint64_t value;

	if (!r->page[i].wired || !(r->page[i].prot & VM_PROT_READ))
		return;
	if (!model_access_range(map_of(r)->pmap, page_at(r, i), VM_PROT_READ, &value,
				sizeof(value)) &&
	    !model_access_range(map_of(r)->pmap, page_at(r, i), VM_PROT_READ, &value,
				sizeof(value)))
		FAIL(r, "page %u is wired and faults", i);
	if (value != r->page[i].value)
		FAIL(r, "wired page %u: expected %#lx, got %#lx", i, r->page[i].value, value);
}

/* ---- operations on a part of the strip ---- */

struct part {
	unsigned first, end;
	vm_offset_t from, to;
	bool holes, readable; /* is something not mapped; is all of it readable? */
};

static struct part
choose_part(struct racer *r)
{
	unsigned first = (unsigned)random_below(r, STRIP);
	unsigned n = 1 + (unsigned)random_below(r, STRIP - first);
	struct part p = {.first = first, .end = first + n, .readable = true};

	p.from = page_at(r, p.first);
	p.to = page_at(r, p.end);
	for (unsigned i = p.first; i < p.end; i++) {
		p.holes |= !r->page[i].mapped;
		p.readable = p.readable && (r->page[i].prot & VM_PROT_READ) != 0;
	}
	return p;
}

static void
op_map(struct racer *r)
{
	struct part p = choose_part(r);
	vm_inherit_t inherit = one_in(r, 4) ? VM_INHERIT_SHARE : VM_INHERIT_COPY;
	kern_return_t kr, expected = KERN_SUCCESS;

	for (unsigned i = p.first; i < p.end; i++)
		if (r->page[i].mapped)
			expected = KERN_NO_SPACE;
	disturb(r);
	kr = vm_map_fixed(map_of(r), NULL, 0, p.from, p.to - p.from, VM_PROT_RW, VM_PROT_ALL,
			  MAP_CHECK_EXCL | (inherit == VM_INHERIT_SHARE ? MAP_INHERIT_SHARE : 0));
	if (!must(r, "map", expected, kr))
		return;
	for (unsigned i = p.first; i < p.end; i++)
		r->page[i] =
		    (struct expected){.mapped = true, .prot = VM_PROT_RW, .inherit = inherit};
}

static void
op_remove(struct racer *r)
{
	struct part p = choose_part(r);

	disturb(r);
	if (!must(r, "remove", KERN_SUCCESS, vm_map_remove(map_of(r), p.from, p.to)))
		return;
	memset(&r->page[p.first], 0, (p.end - p.first) * sizeof(r->page[0]));
}

static void
op_protect(struct racer *r)
{
	static const vm_prot_t prots[] = {VM_PROT_NONE, VM_PROT_READ, VM_PROT_RW, VM_PROT_RW};
	vm_prot_t prot = prots[random_below(r, 4)];
	struct part p = choose_part(r);

	disturb(r);
	if (!must(r, "protect", p.holes ? KERN_INVALID_ADDRESS : KERN_SUCCESS,
		  vm_map_protect(map_of(r), p.from, p.to, prot, FALSE)))
		return;
	for (unsigned i = p.first; i < p.end; i++)
		r->page[i].prot = prot;
}

static void
op_inherit(struct racer *r)
{
	vm_inherit_t inherit = (vm_inherit_t)random_below(r, 4);
	struct part p = choose_part(r);

	disturb(r);
	if (!must(r, "inherit", KERN_SUCCESS, vm_map_inherit(map_of(r), p.from, p.to, inherit)))
		return;
	for (unsigned i = p.first; i < p.end; i++)
		r->page[i].inherit = inherit;
}

static void
op_wire(struct racer *r)
{
	struct part p = choose_part(r);

	disturb(r);
	if (!must(r, "wire", p.holes || !p.readable ? KERN_INVALID_ADDRESS : KERN_SUCCESS,
		  vm_map_wire(map_of(r), p.from, p.to, VM_MAP_WIRE_USER)))
		return;
	for (unsigned i = p.first; i < p.end; i++)
		r->page[i].wired = true;
}

static void
op_unwire(struct racer *r)
{
	struct part p = choose_part(r);

	disturb(r);
	if (!must(r, "unwire", p.holes ? KERN_INVALID_ADDRESS : KERN_SUCCESS,
		  vm_map_unwire(map_of(r), p.from, p.to, VM_MAP_WIRE_USER)))
		return;
	for (unsigned i = p.first; i < p.end; i++)
		r->page[i].wired = false;
}

static void
op_advise(struct racer *r)
{
	static const int advices[] = {VM_ADVICE_NORMAL,	  VM_ADVICE_RANDOM, VM_ADVICE_WILLNEED,
				      VM_ADVICE_DONTNEED, VM_ADVICE_NOCORE, VM_ADVICE_CORE};
	struct part p = choose_part(r);

	disturb(r);
	must(
	    r, "advise", KERN_SUCCESS,
	    vm_map_madvise(map_of(r), p.from, p.to, advices[random_below(r, ARRAY_SIZE(advices))]));
}

/* forget_part: what was private in the part is zero now, what was shared (which depends on who forked
 * when) may be as before. */
static void
forget_part(struct racer *r, const struct part *p)
{
	for (unsigned i = p->first; i < p->end; i++) {
		struct expected *e = &r->page[i];
		uint64_t value = e->value;

		if (allowed(e, VM_PROT_READ) == MODEL_OK &&
		    access(r, r->proc, page_at(r, i), VM_PROT_READ, &value, sizeof(value)) !=
			MODEL_OK)
			FAIL(r, "page %u cannot be read after its contents were dropped", i);
		if (value != 0 && value != e->value)
			FAIL(r, "page %u: expected %#lx or zeroes, got %#lx", i, e->value, value);
		e->value = value;
	}
}

/* only_readable: what cannot be read cannot be looked at afterwards. */
static bool
only_readable(struct racer *r, const struct part *p)
{
	for (unsigned i = p->first; i < p->end; i++)
		if (r->page[i].mapped && !(r->page[i].prot & VM_PROT_READ))
			return false;
	return true;
}

static void
op_free(struct racer *r)
{
	struct part p = choose_part(r);

	if (!only_readable(r, &p))
		return;
	disturb(r);
	must(r, "advise that it is free", KERN_SUCCESS,
	     vm_map_madvise(map_of(r), p.from, p.to, VM_ADVICE_FREE));
	forget_part(r, &p);
}

static void
op_discard(struct racer *r)
{
	struct part p = choose_part(r);
	kern_return_t expected = KERN_SUCCESS;

	for (unsigned i = p.first; i < p.end; i++)
		if (r->page[i].wired)
			expected = KERN_INVALID_ARGUMENT;
	if (!only_readable(r, &p) || (p.holes && expected != KERN_SUCCESS))
		return;
	if (p.holes)
		expected = KERN_INVALID_ADDRESS;
	disturb(r);
	if (must(r, "discard", expected, vm_map_discard(map_of(r), p.from, p.to)))
		forget_part(r, &p);
}

static void
op_sync(struct racer *r)
{
	struct part p = choose_part(r);

	disturb(r);
	must(r, "sync", p.holes ? KERN_INVALID_ADDRESS : KERN_SUCCESS,
	     vm_map_sync(map_of(r), p.from, p.to, TRUE, FALSE));
}

static void
op_residency(struct racer *r)
{
	struct part p = choose_part(r);
	uint8_t pages[STRIP];

	if (!must(r, "residency", p.holes ? KERN_INVALID_ADDRESS : KERN_SUCCESS,
		  vm_map_residency(map_of(r), p.from, p.to, pages)))
		return;
	for (unsigned i = p.first; i < p.end; i++)
		if (r->page[i].wired && (pages[i - p.first] & (VM_RESIDENT | VM_RESIDENT_WIRED)) !=
					    (VM_RESIDENT | VM_RESIDENT_WIRED))
			FAIL(r, "page %u is wired, residency says %#x", i, pages[i - p.first]);
}

/* op_move: a range of its own, elsewhere, gets longer and another place, and keeps its contents. */
static void
op_move(struct racer *r)
{
	vm_offset_t from = MOVES + r->id * MOVES_APART, to = from;
	unsigned pages = 1 + (unsigned)random_below(r, 8), more = (unsigned)random_below(r, 4);
	uint64_t value = (uint64_t)r->id << 56 | ++r->counter, got = 0;
	vm_offset_t last = ptoa(pages - 1);

	if (!must(r, "map to move", KERN_SUCCESS,
		  vm_map_fixed(map_of(r), NULL, 0, from, ptoa(pages), VM_PROT_RW, VM_PROT_ALL, 0)))
		return;
	check_signal(r, "store to move", from + last, MODEL_OK,
		     access(r, r->proc, from + last, VM_PROT_WRITE, &value, sizeof(value)));
	if (one_in(r, 2))
		to = from + MOVES_APART / 2;
	disturb(r);
	if (!must(r, "move", KERN_SUCCESS,
		  vm_map_move(map_of(r), from, ptoa(pages), ptoa(pages + more), &to,
			      to == from ? 0 : VM_MAP_MOVE_FIXED)))
		to = from;
	check_signal(r, "load of what moved", to + last, MODEL_OK,
		     access(r, r->proc, to + last, VM_PROT_READ, &got, sizeof(got)));
	if (got != value)
		FAIL(r, "moved to %#lx: expected %#lx, got %#lx", to, value, got);
	if (to != from)
		check_signal(r, "load of the old place", from + last, SEGV_MAPERR,
			     access(r, r->proc, from + last, VM_PROT_READ, &got, sizeof(got)));
	while (!must(r, "remove what moved", KERN_SUCCESS,
		     vm_map_remove(map_of(r), from, from + MOVES_APART)))
		continue;
}

/* ---- the whole space ---- */

static void
op_drop(struct racer *r)
{
	pmap_drop(map_of(r)->pmap);
}

/* inherited: what a child must see of a page. */
static struct expected
inherited(const struct expected *e)
{
	struct expected c = *e;

	if (e->inherit == VM_INHERIT_NONE)
		c.mapped = false;
	if (e->inherit == VM_INHERIT_ZERO)
		c.value = 0;
	return c;
}

/* live_as_child: the child's strip is what it must be; stores there reach what is shared only. */
static void
live_as_child(struct racer *r, struct proc *child)
{
	struct expected e[STRIP];

	for (unsigned i = 0; i < STRIP; i++) {
		e[i] = inherited(&r->page[i]);
		check_page(r, child, i, &e[i]);
	}
	for (unsigned n = random_below(r, STRIP); n > 0; n--) {
		unsigned i = (unsigned)random_below(r, STRIP);

		store(r, child, i, &e[i]);
		if (e[i].mapped && e[i].inherit == VM_INHERIT_SHARE)
			r->page[i].value = e[i].value;
		if (one_in(r, 2))
			op_store(r);
		if (r->page[i].mapped && r->page[i].inherit == VM_INHERIT_SHARE)
			e[i].value = r->page[i].value;
	}
	for (unsigned i = 0; i < STRIP; i++) {
		if (r->page[i].mapped && r->page[i].inherit == VM_INHERIT_SHARE)
			e[i].value = r->page[i].value;
		check_page(r, child, i, &e[i]);
	}
}

static void
op_fork(struct racer *r)
{
	struct vmspace *vm;
	struct proc *child;
	kern_return_t kr;

	disturb(r);
	pthread_rwlock_wrlock(&wired_stores);
	kr = vmspace_fork(proc_vmspace(r->proc), &vm);
	pthread_rwlock_unlock(&wired_stores);
	if (kr != KERN_SUCCESS) {
		if (!calm(kr))
			FAIL(r, "a fork failed: %d", kr);
		return;
	}
	calm(KERN_SUCCESS);
	child = model_proc_adopt(vm);
	live_as_child(r, child);
	model_proc_destroy(child);
	check_strip(r);
}

/* op_shared: this thread's byte of a page that both spaces show. */
static void
op_shared(struct racer *r)
{
	unsigned i = (unsigned)random_below(r, SHARED_SIZE);
	vm_offset_t va = SHARED + ptoa(i) + 8 * r->id;
	uint8_t value;

	check_signal(r, "shared load", va, MODEL_OK,
		     access(r, r->proc, va, VM_PROT_READ, &value, 1));
	if (value != r->shared[i])
		FAIL(r, "shared page %u: expected %u, got %u", i, r->shared[i], value);
	value++;
	check_signal(r, "shared store", va, MODEL_OK,
		     access(r, r->proc, va, VM_PROT_WRITE, &value, 1));
	r->shared[i] = value;
}

/* op_stack: this thread's byte of a page of the space's stack, which may have to grow. */
static void
op_stack(struct racer *r)
{
	unsigned depth = 1 + (unsigned)random_below(r, STACK_PAGES - vm_stack_guard_pages);
	vm_offset_t va = STACK + ptoa(STACK_PAGES - depth) + 8 * r->id;
	uint8_t value;

	depth--;
	check_signal(r, "stack load", va, MODEL_OK,
		     access(r, r->proc, va, VM_PROT_READ, &value, 1));
	if (value != r->stack[depth])
		FAIL(r, "stack page %u: expected %u, got %u", depth, r->stack[depth], value);
	value++;
	check_signal(r, "stack store", va, MODEL_OK,
		     access(r, r->proc, va, VM_PROT_WRITE, &value, 1));
	r->stack[depth] = value;
}

/* ---- the kernel's own maps ---- */

/* kernel_access: the kernel touches pageable memory of its own. */
static void
kernel_access(struct racer *r, vm_offset_t va, vm_prot_t type, uint64_t *value)
{
	while (!model_access_range(kernel_pmap, va, type, value, sizeof(*value))) {
		kern_return_t kr = vm_fault(kernel_map, trunc_page(va), type, VM_FAULT_NORMAL);

		if (kr != KERN_SUCCESS && !calm(kr))
			FAIL(r, "fault in exec_map at %#lx: %d", va, kr);
	}
}

static void
op_exec_map(struct racer *r)
{
	vm_size_t size = ptoa(1 + random_below(r, 8));
	uint64_t mine = (uint64_t)r->id << 56 | ++r->counter, value;
	vm_offset_t at = kmem_alloc_wait(exec_map, size);

	if (at == 0) {
		if (!calm(KERN_ABORTED))
			FAIL(r, "no room in exec_map for %#zx", size);
		return;
	}
	for (vm_offset_t va = at; va < at + size; va += PAGE_SIZE) {
		kernel_access(r, va, VM_PROT_READ, &value);
		if (value != 0)
			FAIL(r, "exec_map at %#lx: expected zeroes, got %#lx", va, value);
		kernel_access(r, va, VM_PROT_WRITE, &mine);
	}
	kernel_access(r, at + size - PAGE_SIZE, VM_PROT_READ, &value);
	if (value != mine)
		FAIL(r, "exec_map at %#lx: expected %#lx, got %#lx", at, mine, value);
	kmem_free_wakeup(exec_map, at, size);
}

static void
op_kmem(struct racer *r)
{
	vm_size_t size = ptoa(1 + random_below(r, 4));
	vm_offset_t at;

	disturb(r);
	at = one_in(r, 2) ? kmem_malloc(kmem_map, size, KMEM_NOWAIT | KMEM_ZERO)
			  : kmem_alloc(kernel_map, size);
	if (at == 0) {
		if (!excused(KERN_RESOURCE_SHORTAGE, KERN_ABORTED))
			FAIL(r, "no kernel memory for %#zx", size);
		return;
	}
	calm(KERN_SUCCESS);
	if (at >= vm_map_min(kmem_map) && at < vm_map_max(kmem_map)) {
		memset((void *)at, (int)r->id, size);
		kmem_free(kmem_map, at, size);
	} else {
		kmem_free_wakeup(kernel_map, at, size);
	}
}

static void
op_kstack(struct racer *r)
{
	vm_offset_t at;

	disturb(r);
	at = kstack_alloc();
	if (at == 0) {
		if (!calm(KERN_RESOURCE_SHORTAGE))
			FAIL(r, "no kernel stack%s", "");
		return;
	}
	calm(KERN_SUCCESS);
	memset((void *)at, (int)r->id, KERNEL_STACK_SIZE);
	kstack_free(at);
}

/* ---- running ---- */

static const struct operation {
	const char *name;
	void (*run)(struct racer *r);
	unsigned weight;
} operations[] = {
    {"store", op_store, 12},
    {"check", op_check, 3},
    {"map", op_map, 10},
    {"remove", op_remove, 4},
    {"protect", op_protect, 6},
    {"inherit", op_inherit, 3},
    {"wire", op_wire, 3},
    {"unwire", op_unwire, 3},
    {"wired access", op_wired_access, 3},
    {"drop", op_drop, 1},
    {"fork", op_fork, 3},
    {"shared", op_shared, 6},
    {"stack", op_stack, 6},
    {"exec_map", op_exec_map, 2},
    {"kmem", op_kmem, 2},
    {"kernel stack", op_kstack, 1},
    {"advise", op_advise, 3},
    {"free", op_free, 2},
    {"discard", op_discard, 2},
    {"sync", op_sync, 1},
    {"residency", op_residency, 2},
    {"move", op_move, 3},

    {"kill", op_kill, 1},
};

static const struct operation *
choose_operation(struct racer *r)
{
	unsigned all = 0, n;
	size_t i = 0;

	for (size_t k = 0; k < ARRAY_SIZE(operations); k++)
		all += operations[k].weight;
	for (n = (unsigned)random_below(r, all); n >= operations[i].weight; i++)
		n -= operations[i].weight;
	return &operations[i];
}

static void
race(void *arg)
{
	struct racer *r = arg;

	model_event_wait(&all_there);
	while (!__atomic_load_n(&time_is_up, __ATOMIC_RELAXED)) {
		const struct operation *op = choose_operation(r);

		race_alive(op->name);
		op->run(r);
		r->done++;
		/* A death that found nothing to end is forgotten. */
		calm(KERN_SUCCESS);
	}
	race_alive("at the end");
}

static void
start(struct vm_fixture *f, struct proc *const *procs)
{
	(void)f;
	for (unsigned i = 0; i < THREADS; i++) {
		struct racer *r = &racers[i];

		*r = (struct racer){
		    .id = i,
		    .random = (seed * 0x9e3779b97f4a7c15ull + i) * 0xbf58476d1ce4e5b9ull | 1,
		    .proc = procs[i % SPACES],
		    .base = STRIPS + i / SPACES * ptoa(STRIP),
		};
	}
	for (unsigned i = 0; i < THREADS; i++)
		racers[i].thread = race_start("racer", race, &racers[i]);
	model_event_set(&all_there);
}

static unsigned
number(const char *name, unsigned usual)
{
	const char *text = getenv(name);

	return text != NULL && *text != '\0' ? (unsigned)strtoul(text, NULL, 0) : usual;
}

static void
audit(struct vm_fixture *f, struct proc *const *procs)
{
	vm_fixture_audit(f);
	for (unsigned i = 0; i < SPACES; i++)
		pmap_audit(vm_map_pmap(model_proc_map(procs[i])));
	pmap_audit(kernel_pmap);
}

static void
everything(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = vm_object_allocate(&vm_pager_anonymous, SHARED_SIZE);
	struct proc *procs[SPACES] = {f->proc, model_proc_create()};
	struct timespec length = {.tv_sec = number("SECONDS", 8)};
	uint64_t done = 0;

	seed = number("SEED", (unsigned)time(NULL));
	for (unsigned i = 0; i < SPACES; i++) {
		space_map_object(model_proc_map(procs[i]), object, SHARED, VM_PROT_RW, VM_PROT_ALL,
				 MAP_INHERIT_SHARE);
		check_kr(KERN_SUCCESS, vm_map_stack(model_proc_map(procs[i]), STACK,
						    ptoa(STACK_PAGES), VM_PROT_RW, VM_PROT_ALL, 0));
	}
	vm_object_deallocate(object);
	race_timer_start();
	race_watch(WATCH);
	start(f, procs);
	nanosleep(&length, NULL);
	__atomic_store_n(&time_is_up, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < THREADS; i++) {
		race_join(racers[i].thread);
		done += racers[i].done;
	}
	race_unwatch();
	race_timer_stop();
	audit(f, procs);
	for (unsigned i = 0; i < THREADS; i++)
		check_strip(&racers[i]);
	print_message("SEED=%lu: %lu operations\n", seed, done);
	for (unsigned i = 1; i < SPACES; i++)
		model_proc_destroy(procs[i]);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"RACE: many threads, two spaces, everything at once", everything},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
