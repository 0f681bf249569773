/* SPDX-License-Identifier: BSD-2-Clause */
/* vmspace_fork: copies, their chains of objects, and what is left when it fails. */
#include "kernel/base/sched.h"
#include "model/kernel.h"
#include "model/memory.h"
#include "model/mmu.h"
#include "model/snapshot.h"
#include "model/space.h"
#include "model/thread.h"
#include "model/vm_fixture.h"
#include "vm/vm_charge.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vmspace.h"
#include <machine/cpu.h>

#define A	  0x100000ul
#define P	  PAGE_SIZE
#define FORKS	  1000
/* A chain longer than this is one that grows: what is written to, what it was copied from, and one
 * that could not be removed at once. */
#define CHAIN_MAX 3

static void
map_filled(struct proc *p, size_t pages)
{
	space_map(model_proc_map(p), A, ptoa(pages), VM_PROT_RW, VM_PROT_ALL, 0);
	space_fill(p, A, pages, 1);
}

/* FRK-01 */

static bool
can_access(pmap_t pmap, uint32_t cpu, vm_offset_t va, vm_prot_t type)
{
	uint8_t byte = 99;
	bool can;

	model_cpu_switch(cpu);
	can = model_access(pmap, va, type, &byte);
	model_cpu_switch(0);
	return can;
}

static void
write_protected(void **state)
{
	struct vm_fixture *f = *state;
	struct pmap_mapping m;
	struct proc *child;

	map_filled(f->proc, 4);
	for (uint32_t cpu = 0; cpu < 4; cpu++)
		for (vm_offset_t va = A; va < A + 4 * P; va += P)
			assert_true(can_access(f->pmap, cpu, va + 8, VM_PROT_WRITE));
	child = model_proc_fork(f->proc);
	for (uint32_t cpu = 0; cpu < 4; cpu++) {
		for (vm_offset_t va = A; va < A + 4 * P; va += P) {
			assert_false(can_access(f->pmap, cpu, va, VM_PROT_WRITE));
			assert_true(can_access(f->pmap, cpu, va, VM_PROT_READ));
			assert_true(pmap_query(f->pmap, va, &m));
			check_u64(VM_PROT_READ, m.prot);
		}
	}
	check_fill(child, A, 4, 1);
	model_proc_destroy(child);
}

/* A parent that stores all the time, on its own processor, while it is forked. */
struct storer {
	struct proc *proc;
	bool stop;
};

static void
store_on(void *arg)
{
	struct storer *s = arg;

	for (uint8_t value = 0; !__atomic_load_n(&s->stop, __ATOMIC_SEQ_CST); value++) {
		for (vm_offset_t va = A; va < A + 4 * P; va += P)
			model_user_store(s->proc, va, value);
		model_yield(); /* the host may have one processor for both */
	}
}

static void
no_store_reaches_the_child(void **state)
{
	struct vm_fixture *f = *state;
	struct storer s = {.proc = f->proc};
	struct thread *t;

	space_map(f->map, A, 4 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	for (size_t k = 0; k < 4; k++)
		model_user_store(f->proc, A + ptoa(k), 0);
	t = model_thread_start("storer", store_on, &s);
	for (int i = 0; i < 200; i++) {
		struct proc *child = model_proc_fork(f->proc);
		uint8_t at_fork[4];

		for (size_t k = 0; k < 4; k++)
			at_fork[k] = model_user_load(child, A + ptoa(k));
		model_yield();
		/* The storer goes round, so what was stored later is one behind at most. */
		for (size_t k = 1; k < 4; k++)
			assert_true((uint8_t)(at_fork[0] - at_fork[k]) <= 1);
		for (size_t k = 0; k < 4; k++)
			check_u64(at_fork[k], model_user_load(child, A + ptoa(k)));
		model_proc_destroy(child);
	}
	__atomic_store_n(&s.stop, true, __ATOMIC_SEQ_CST);
	model_thread_join(t);
	assert_in_range(space_chain(f->map, A), 1, CHAIN_MAX);
}

/* FRK-02 */

static void
a_thousand_children(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_usage before;

	map_filled(f->proc, 8);
	before = vm_usage_read();
	for (int i = 0; i < FORKS; i++) {
		struct proc *child = model_proc_fork(f->proc);

		model_user_store(child, A + ptoa(i % 8), 100);
		assert_in_range(space_chain(model_proc_map(child), A), 1, CHAIN_MAX);
		model_proc_destroy(child);
		assert_in_range(space_chain(f->map, A), 1, CHAIN_MAX);
	}
	check_fill(f->proc, A, 8, 1);
	check_u64(before.frames, vm_usage_read().frames);
	check_u64(before.objects, vm_usage_read().objects);
	check_u64(before.charge, vm_usage_read().charge);
}

/* The parent writes between the forks, so each child is left with another shadow. */
static void
parent_writes_too(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_usage before;

	map_filled(f->proc, 8);
	before = vm_usage_read();
	for (int i = 0; i < FORKS; i++) {
		struct proc *child = model_proc_fork(f->proc);

		model_user_store(f->proc, A, (uint8_t)i);
		model_user_store(child, A + P, 100);
		check_u64(i == 0 ? 1 : (uint8_t)(i - 1), model_user_load(child, A));
		model_proc_destroy(child);
		assert_in_range(space_chain(f->map, A), 1, CHAIN_MAX);
	}
	check_fill(f->proc, A + P, 7, 2);
	check_u64(before.frames, vm_usage_read().frames);
	check_u64(before.objects, vm_usage_read().objects);
}

/* A thousand generations: the child forks, then its parent goes. */
static void
generations(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_usage before;
	struct proc *now, *next;

	map_filled(f->proc, 8);
	now = model_proc_fork(f->proc);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 8 * P));
	space_fill(now, A, 8, 1);
	before = vm_usage_read();
	for (int i = 0; i < FORKS; i++) {
		next = model_proc_fork(now);
		model_user_store(next, A, (uint8_t)i);
		model_proc_destroy(now);
		now = next;
		assert_in_range(space_chain(model_proc_map(now), A), 1, CHAIN_MAX);
	}
	check_u64((FORKS - 1) & 0xff, model_user_load(now, A));
	check_fill(now, A + P, 7, 2);
	check_u64(before.charge, vm_usage_read().charge);
	assert_true(vm_usage_read().objects <= before.objects + 1);
	model_proc_destroy(now);
}

/* Two live side by side all the time and write everything: the object in between must go. */
static void
siblings(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	map_filled(f->proc, 4);
	for (int i = 0; i < 100; i++) {
		child = model_proc_fork(f->proc);
		space_fill(child, A, 4, 20);
		space_fill(f->proc, A, 4, 1);
		/* Nobody can see the pages from before the fork any more. */
		check_u64(1, space_chain(f->map, A));
		check_u64(1, space_chain(model_proc_map(child), A));
		check_fill(child, A, 4, 20);
		check_fill(f->proc, A, 4, 1);
		model_proc_destroy(child);
	}
}

/* A collapse can be put off, when a page is on its way: the next fork makes up for it. */
static void
put_off(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *below;
	struct proc *child;

	map_filled(f->proc, 4);
	child = model_proc_fork(f->proc);
	model_user_store(f->proc, A, 50);
	below = space_entry(f->map, A)->object->backing;
	below->paging++;
	model_proc_destroy(child);
	check_u64(2, space_chain(f->map, A));
	below->paging--;
	child = model_proc_fork(f->proc);
	check_u64(1, space_chain(f->map, A));
	check_u64(50, model_user_load(child, A));
	check_fill(child, A + P, 3, 2);
	model_proc_destroy(child);
}

/* FRK-03 */

static void
parent_goes(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;
	uint64_t frames;

	map_filled(f->proc, 4);
	frames = vm_usage_read().frames;
	child = model_proc_fork(f->proc);
	model_user_store(f->proc, A, 50);
	model_user_store(f->proc, A + P, 51);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 4 * P));
	check_fill(child, A, 4, 1);
	model_user_store(child, A, 60);
	check_u64(1, space_chain(model_proc_map(child), A));
	check_fill(child, A + P, 3, 2);
	model_proc_destroy(child);
	assert_true(vm_usage_read().frames >= frames + 4);
}

/* The child wrote first, then the parent goes: the child's page hides the parent's. */
static void
parent_goes_later(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_usage before;
	struct proc *child;

	before = vm_usage_read();
	map_filled(f->proc, 4);
	child = model_proc_fork(f->proc);
	model_user_store(child, A + 2 * P, 60);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 4 * P));
	check_u64(1, space_chain(model_proc_map(child), A));
	check_fill(child, A, 2, 1);
	check_u64(60, model_user_load(child, A + 2 * P));
	check_u64(4, model_user_load(child, A + 3 * P));
	model_proc_destroy(child);
	vm_usage_check(&before);
}

/* FRK-04 */

/* Every kind of entry: written, untouched, shared, zeroed, still to be copied, wired, a guard, a
 * stack, not passed on. */
#define WRITTEN	  A
#define UNTOUCHED (A + 0x10 * P)
#define SHARED	  (A + 0x20 * P)
#define ZEROED	  (A + 0x30 * P)
#define WIRED	  (A + 0x40 * P)
#define GUARD	  (A + 0x50 * P)
#define NOT_TAKEN (A + 0x60 * P)
#define STACK	  (A + 0x100 * P)
#define STACK_MAX (0x80 * P)
#define STACK_TOP (STACK + STACK_MAX)

static void
map_everything(struct vm_fixture *f)
{
	static const vm_offset_t at[] = {WRITTEN, UNTOUCHED, SHARED, ZEROED, WIRED, NOT_TAKEN};

	for (size_t i = 0; i < ARRAY_SIZE(at); i++)
		space_map(f->map, at[i], 4 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	space_fill(f->proc, WRITTEN, 4, 1);
	space_fill(f->proc, SHARED, 2, 10);
	space_fill(f->proc, ZEROED, 4, 20);
	space_fill(f->proc, WIRED, 4, 30);
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, SHARED, SHARED + 4 * P, VM_INHERIT_SHARE));
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, ZEROED, ZEROED + 4 * P, VM_INHERIT_ZERO));
	check_kr(KERN_SUCCESS,
		 vm_map_inherit(f->map, NOT_TAKEN, NOT_TAKEN + 4 * P, VM_INHERIT_NONE));
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, WIRED, WIRED + 4 * P, VM_MAP_WIRE_USER));
	check_kr(KERN_SUCCESS, space_insert(f->map, NULL, 0, GUARD, GUARD + P, VM_PROT_NONE,
					    VM_PROT_NONE, MAP_CREATE_GUARD));
	check_kr(KERN_SUCCESS, vm_map_stack(f->map, STACK, STACK_MAX, VM_PROT_RW, VM_PROT_ALL, 0));
	model_user_store(f->proc, STACK_TOP - 1, 40);
}

/* check_everything: the parent is fully usable. */
static void
check_everything(struct vm_fixture *f)
{
	check_fill(f->proc, WRITTEN, 4, 1);
	check_u64(0, model_user_load(f->proc, UNTOUCHED));
	check_fill(f->proc, SHARED, 2, 10);
	check_fill(f->proc, ZEROED, 4, 20);
	check_fill(f->proc, WIRED, 4, 30);
	check_u64(40, model_user_load(f->proc, STACK_TOP - 1));
	space_fill(f->proc, WRITTEN, 4, 1);
	space_fill(f->proc, SHARED, 2, 10);
	check_u64(4, pmap_wired_count(f->pmap));
	check_u64(VM_ENTRY_USER_WIRED, space_entry(f->map, WIRED)->eflags & VM_ENTRY_USER_WIRED);
	vm_fixture_audit(f);
}

static void
check_child(struct proc *child)
{
	vm_map_t map = model_proc_map(child);

	check_fill(child, WRITTEN, 4, 1);
	check_u64(0, model_user_load(child, UNTOUCHED));
	check_fill(child, SHARED, 2, 10);
	check_u64(0, model_user_load(child, ZEROED));
	check_fill(child, WIRED, 4, 30);
	check_hole(map, NOT_TAKEN, NOT_TAKEN + 4 * P);
	check_u64(40, model_user_load(child, STACK_TOP - 1));
	/* The stack grows in the child as well. */
	model_user_store(child, STACK_TOP - vm_sgrowsiz - 1, 41);
	check_u64(0, pmap_wired_count(map->pmap));
	check_u64(0, map->user_wired);
}

/* A fork with this failure injected; the parent is as good as before and nothing is lost. */
static bool
fork_failing(struct vm_fixture *f, void (*inject)(uint64_t k), uint64_t k)
{
	struct vm_usage before = vm_usage_read();
	struct vmspace *vm;
	kern_return_t kr;
	bool failed;

	inject(k);
	kr = vmspace_fork(f->vmspace, &vm);
	failed = model_fail_count() != 0;
	model_fail_off();
	check_kr(kr == KERN_SUCCESS || !failed ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE, kr);
	if (kr != KERN_SUCCESS) {
		check_u64(before.charge, vm_usage_read().charge);
	} else {
		struct proc *child = model_proc_adopt(vm);

		check_child(child);
		model_proc_destroy(child);
	}
	check_everything(f);
	return failed;
}

static void
no_memory(void **state, void (*inject)(uint64_t k))
{
	struct vm_fixture *f = *state;
	struct vm_usage before, now;
	uint64_t k;

	map_everything(f);
	check_u64(0, fork_failing(f, inject, UINT64_MAX)); /* shares what is to be shared */
	before = vm_usage_read();
	for (k = 1; fork_failing(f, inject, k); k++) {
		now = vm_usage_read();
		check_u64(before.charge, now.charge);
		check_u64(before.objects, now.objects);
		check_u64(before.frames, now.frames);
	}
	/* A space, its page table, an entry for each range, copies of the wired pages. */
	assert_true(k > 12);
}

static void
one_allocation_fails(void **state)
{
	no_memory(state, model_fail_after);
}

static void
memory_is_gone(void **state)
{
	no_memory(state, model_fail_from);
}

/* What a parent shares with an elder child, and means to copy for the next one, stays shared when that
 * fork fails. */
static void
shared_stays_shared(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *elder;
	struct vmspace *vm = NULL;

	space_map(f->map, A, P, VM_PROT_RW, VM_PROT_ALL, MAP_INHERIT_SHARE);
	elder = model_proc_fork(f->proc);
	/* The shared memory comes first, so that what fails comes after it. */
	space_map(f->map, A + 2 * P, P, VM_PROT_RW, VM_PROT_ALL, 0);
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A, A + P, VM_INHERIT_COPY));
	for (uint8_t k = 1; vm == NULL; k++) {
		model_fail_after(k);
		vmspace_fork(f->vmspace, &vm);
		model_fail_off();
		if (vm == NULL) {
			model_user_store(f->proc, A, k);
			check_u64(k, model_user_load(elder, A));
		}
		assert_true(vm == NULL || k > 3);
	}
	vmspace_free(vm);
	model_proc_destroy(elder);
}

/* The first fork of all fails: no sweep before it has made the objects that SHARE needs. */
static void
first_fork_fails(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_usage before = vm_usage_read();

	for (uint64_t k = 1;; k++) {
		bool failed;

		map_everything(f);
		failed = fork_failing(f, model_fail_after, k);
		check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, STACK_TOP));
		vm_usage_check(&before);
		if (!failed)
			break;
	}
}

static void
charge_refused(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;
	uint64_t used;
	struct proc *child;

	space_map(f->map, A, 4 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	space_map(f->map, A + 8 * P, 4 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	before = map_snapshot_take(f->map);
	used = vm_charge_used();
	for (vm_size_t room = 0; room < 8 * P; room += P) {
		vm_charge_set_limit(used + room);
		check_kr(KERN_RESOURCE_SHORTAGE,
			 vmspace_fork(f->vmspace, &(struct vmspace *){NULL}));
		check_u64(used, vm_charge_used());
		check_unchanged(before, f->map);
	}
	vm_charge_set_limit(used + 8 * P);
	child = model_proc_fork(f->proc);
	check_u64(used + 8 * P, vm_charge_used());
	model_proc_destroy(child);
	check_u64(used, vm_charge_used());
	vm_charge_set_limit(VM_CHARGE_UNLIMITED);
}

/* Other things a fork does. */

static void
flags(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;
	vm_map_t map;

	f->map->flags |= VM_MAP_WXORX | VM_MAP_WIREFUTURE;
	f->vmspace->vm_ssize = 3;
	f->vmspace->vm_maxsaddr = A;
	f->vmspace->vm_stacktop = A + P;
	child = model_proc_fork(f->proc);
	map = model_proc_map(child);
	check_u64(VM_MAP_WXORX, map->flags & (VM_MAP_WXORX | VM_MAP_WIREFUTURE));
	check_u64(3, proc_vmspace(child)->vm_ssize);
	check_u64(A, proc_vmspace(child)->vm_maxsaddr);
	check_u64(A + P, proc_vmspace(child)->vm_stacktop);
	check_u64(MODEL_USER_MIN, vm_map_min(map));
	check_u64(MODEL_USER_MAX, vm_map_max(map));
	check_u64(1, proc_vmspace(child)->refcnt);
	model_proc_destroy(child);
}

static void
references(void **state)
{
	struct vmspace *vm = vmspace_alloc(MODEL_USER_MIN, MODEL_USER_MAX);

	(void)state;
	assert_non_null(vm);
	space_map(&vm->vm_map, A, P, VM_PROT_RW, VM_PROT_ALL, 0);
	assert_true(vmspace_acquire(vm));
	vmspace_free(vm);
	check_u64(P, vm->vm_map.size);
	vm->refcnt--;
	assert_false(vmspace_acquire(vm));
	vm->refcnt++;
	vmspace_free(vm);
}

/* Taken and given back by many at once, none is lost. */
#define TAKERS 4

struct taker {
	struct vmspace *vm;
	struct model_event *begin;
};

static void
take_and_free(void *arg)
{
	struct taker *t = arg;
	struct vmspace *vm = t->vm;

	model_event_wait(t->begin);
	for (unsigned i = 0; i < 200000; i++) {
		if (!vmspace_acquire(vm))
			model_die("a space that is in use cannot be acquired");
		vmspace_free(vm);
	}
}

static void
references_of_many(void **state)
{
	struct vm_fixture *f = *state;
	struct model_event begin = {0};
	struct taker taker = {f->vmspace, &begin};
	struct thread *t[TAKERS];

	for (size_t i = 0; i < TAKERS; i++) {
		t[i] = model_thread_start("taker", take_and_free, &taker);
		model_thread_await_sleep(t[i]);
	}
	model_event_set(&begin);
	for (size_t i = 0; i < TAKERS; i++)
		model_thread_join(t[i]);
	check_u64(1, f->vmspace->refcnt);
}

/* What has no object yet is zero in both, and neither has anything to copy. */
static void
nothing_to_copy(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;
	struct proc *child;
	uint32_t eflags;

	space_map(f->map, A, 4 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	eflags = space_entry(f->map, A)->eflags;
	before = map_snapshot_take(f->map);
	child = model_proc_fork(f->proc);
	check_u64(eflags, space_entry(model_proc_map(child), A)->eflags);
	model_proc_destroy(child);
	check_unchanged(before, f->map);
}

/* A copy has room for what its entry shows, and for no more. */
static void
copy_of_a_part(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	space_map(f->map, A, 8 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	space_fill(f->proc, A, 8, 1);
	child = model_proc_fork(f->proc);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 3 * P, VM_PROT_READ, FALSE));
	model_user_store(f->proc, A + 4 * P, 50);
	check_u64(5, space_entry(f->map, A + 4 * P)->object->size);
	check_u64(3 * P, space_entry(f->map, A + 4 * P)->object->backing_offset);
	model_proc_destroy(child);
}

/* Wired memory is copied at once; what costs nothing costs nothing in the child. */
static void
wired_uncharged(void **state)
{
	struct vm_fixture *f = *state;
	uint64_t used = vm_charge_used();
	struct proc *child;

	space_map(f->map, A, 4 * P, VM_PROT_RW, VM_PROT_ALL, MAP_ACC_NO_CHARGE);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + 4 * P, VM_MAP_WIRE_USER));
	space_fill(f->proc, A, 4, 1);
	child = model_proc_fork(f->proc);
	check_u64(used, vm_charge_used());
	check_fill(child, A, 4, 1);
	model_proc_destroy(child);
}

/* Zeroes in place of an object's pages: they can go on as far as any. */
static void
zero_has_no_offset(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = vm_object_allocate(&vm_pager_boot, 1);
	vm_offset_t addr = A;
	struct proc *child;

	check_kr(KERN_SUCCESS, space_insert(f->map, object, -4 * P, A, A + 2 * P, VM_PROT_RW,
					    VM_PROT_ALL, MAP_COPY_ON_WRITE));
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A, A + 2 * P, VM_INHERIT_ZERO));
	child = model_proc_fork(f->proc);
	check_kr(KERN_SUCCESS, vm_map_move(model_proc_map(child), A, 2 * P, 8 * P, &addr, 0));
	space_fill(child, A, 8, 1);
	check_fill(child, A, 8, 1);
	model_proc_destroy(child);
}

/* A wiring under way has the map unlocked: a fork must wait for its end. */
struct wirer {
	struct vm_fixture *f;
	vm_size_t size;
	struct vmspace *child;
	kern_return_t kr, fork_kr;
};

static void
wire(void *arg)
{
	struct wirer *w = arg;

	w->kr = vm_map_wire(w->f->map, A, A + w->size, VM_MAP_WIRE_USER);
}

static void
fork_it(void *arg)
{
	struct wirer *w = arg;

	w->fork_kr = vmspace_fork(w->f->vmspace, &w->child);
}

static void
waits_for_a_wiring(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(1, 7);
	struct wirer w = {.f = f, .size = 2 * P};
	struct thread *wirer, *forker;
	struct proc *child;

	object->size = 2;
	space_object_stall(object, 1);
	space_map_object(f->map, object, A, VM_PROT_RW, VM_PROT_ALL, 0);
	wirer = model_thread_start("wirer", wire, &w);
	model_thread_await_sleep(wirer);
	forker = model_thread_start("forker", fork_it, &w);
	model_thread_await_sleep(forker);
	space_object_go_on(object, 1);
	model_thread_join(forker);
	model_thread_join(wirer);
	check_kr(KERN_SUCCESS, w.kr);
	check_kr(KERN_SUCCESS, w.fork_kr);
	child = model_proc_adopt(w.child);
	check_u64(7, model_user_load(child, A));
	check_u64(0, space_entry(model_proc_map(child), A)->wired_count);
	model_proc_destroy(child);
	vm_object_deallocate(object);
}

static void
killed_while_waiting(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(1, 7);
	struct wirer w = {.f = f, .size = 2 * P};
	struct thread *wirer, *forker;

	object->size = 2;
	space_object_stall(object, 1);
	space_map_object(f->map, object, A, VM_PROT_RW, VM_PROT_ALL, 0);
	wirer = model_thread_start("wirer", wire, &w);
	model_thread_await_sleep(wirer);
	forker = model_thread_start("forker", fork_it, &w);
	model_thread_await_sleep(forker);
	model_thread_kill(forker);
	model_thread_join(forker);
	check_kr(KERN_ABORTED, w.fork_kr);
	assert_null(w.child);
	space_object_go_on(object, 1);
	model_thread_join(wirer);
	check_kr(KERN_SUCCESS, w.kr);
	vm_object_deallocate(object);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"FRK-01: the parent's pages are write-protected on all processors", write_protected},
	    {"FRK-01: what a running parent stores after the fork, the child never sees",
	     no_store_reaches_the_child},
	    {"FRK-02: 1000 forks leave a chain of bounded length and no page lost",
	     a_thousand_children},
	    {"FRK-02: likewise when the parent writes, too", parent_writes_too},
	    {"FRK-02: likewise over 1000 generations", generations},
	    {"FRK-02: what both have overwritten is behind neither of them", siblings},
	    {"FRK-02: a fork makes up for a collapse that was put off", put_off},
	    {"FRK-03: the parent goes: the child keeps its data, in one object after a write",
	     parent_goes},
	    {"FRK-03: likewise when the child has written before", parent_goes_later},
	    {"FRK-04: a fork of which any one allocation fails", one_allocation_fails},
	    {"FRK-04: a fork that runs out of memory at any point", memory_is_gone},
	    {"FRK-04: likewise the first one", first_fork_fails},
	    {"FRK-04: what is shared stays shared when a fork fails", shared_stays_shared},
	    {"FRK-04: a refused charge fails the fork and leaves nothing", charge_refused},
	    {"FRK: what of a space the child gets, and what not", flags},
	    {"FRK: the last reference empties a space and no new one can be had", references},
	    {"FRK: a fork waits for a wiring of another thread", waits_for_a_wiring},
	    {"FRK: a fork that waits for a wiring can be killed", killed_while_waiting},
	    {"FRK: a reference taken by many at once", references_of_many},
	    {"FRK: what has no object yet is not marked to be copied", nothing_to_copy},
	    {"FRK: wired memory that is not charged is not in the child either", wired_uncharged},
	    {"FRK: what is zero in the child has no offset any more", zero_has_no_offset},
	    {"FRK: a copy is as large as what it is a copy of", copy_of_a_part},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
