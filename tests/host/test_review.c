/* SPDX-License-Identifier: BSD-2-Clause */
/* What a reading of vm/ with two threads in mind has found: one test for each mistake there was. */
#include "kernel/base/sched.h"
#include "model/kernel.h"
#include "model/memory.h"
#include "model/memory_fixture.h"
#include "model/mmu.h"
#include "model/snapshot.h"
#include "model/space.h"
#include "model/stacks.h"
#include "model/thread.h"
#include "model/vm_fixture.h"
#include "vm/vm_charge.h"
#include "vm/vm_fault.h"
#include "vm/vm_kern.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_zone.h"
#include "vm/vmspace.h"

#define A 0x100000ul
#define B 0x200000ul
#define P PAGE_SIZE

#define USER (VM_MAP_WIRE_USER | VM_MAP_WIRE_NOHOLES)

/* ---- zones ---- */

#define FREED_MEANWHILE 12
#define SLABS_AT_MOST	4

static struct vm_zone zone;
static void *freed_meanwhile[FREED_MEANWHILE];
static unsigned slabs_got;

/* get_slowly: while it is waited for, somebody else frees objects to this processor's cache. */
static void *
get_slowly(int flags)
{
	if (slabs_got++ == 1)
		for (int i = 0; i < FREED_MEANWHILE; i++)
			vm_zone_free(&zone, freed_meanwhile[i]);
	return slabs_got > SLABS_AT_MOST ? NULL : vm_zone_direct.get(flags);
}

static void
put(void *slab)
{
	vm_zone_direct.put(slab);
}

static void
cache_filled_meanwhile(void **state)
{
	static const struct vm_zone_supplier slow = {
	    .name = "slow", .get = get_slowly, .put = put, .direct = true};
	void *p[FREED_MEANWHILE + 1];
	unsigned n;

	(void)state;
	vm_zone_init(&zone, "zone", (P - 64) / FREED_MEANWHILE / 16 * 16, &slow);
	n = zone.per_slab;
	assert_int_equal(n, FREED_MEANWHILE);
	for (unsigned i = 0; i < n; i++)
		freed_meanwhile[i] = vm_zone_alloc(&zone, 0);
	p[0] = vm_zone_alloc(&zone, 0);
	assert_non_null(p[0]);
	check_u64(2, slabs_got);
	check_u64(1, vm_zone_in_use(&zone));
	vm_zone_free(&zone, p[0]);
	vm_zone_drain(&zone);
	check_u64(0, zone.slabs);
}

/* ---- wiring ---- */

struct wirer {
	vm_map_t map;
	vm_offset_t start;
	vm_size_t size;
	kern_return_t kr;
};

static void
wire_it(void *arg)
{
	struct wirer *w = arg;

	w->kr = vm_map_wire(w->map, w->start, w->start + w->size, USER);
}

/* slow_object: four pages, of which the first is being filled, mapped at A. */
static struct vm_object *
slow_object(struct vm_fixture *f)
{
	struct vm_object *object = vm_object_allocate(&vm_pager_anonymous, 4);

	assert_non_null(object);
	space_object_stall(object, 0);
	space_map_object(f->map, object, A, VM_PROT_RW, VM_PROT_ALL, 0);
	return object;
}

static void
limit_counts_what_is_under_way(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = slow_object(f);
	struct wirer w = {.map = f->map, .start = A, .size = 4 * P};
	struct thread *t;

	space_map(f->map, B, 4 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	model_proc_set_limit(f->proc, VM_LIMIT_MEMLOCK, 6 * P);
	t = model_thread_start("wires", wire_it, &w);
	model_thread_await_sleep(t);
	check_kr(KERN_RESOURCE_SHORTAGE, vm_map_wire(f->map, B, B + 4 * P, USER));
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, B, B + 2 * P, USER));
	space_object_go_on(object, 0);
	model_thread_join(t);
	check_kr(KERN_SUCCESS, w.kr);
	check_u64(6 * P, f->map->user_wired);
	vm_object_deallocate(object);
}

static void
limit_after_a_failure(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = slow_object(f);
	struct wirer w = {.map = f->map, .start = A, .size = 4 * P};
	struct thread *t = model_thread_start("wires", wire_it, &w);

	model_thread_await_sleep(t);
	model_thread_kill(t);
	model_thread_join(t);
	check_kr(KERN_ABORTED, w.kr);
	check_u64(0, f->map->user_wired);
	space_object_go_on(object, 0);
	vm_object_deallocate(object);
}

/* Somebody else works on the map of a process that is busy with itself; then it has ended. */
static void
owner_is_busy(void **state)
{
	struct vm_fixture *f = *state;
	struct wirer w = {.map = f->map, .start = A, .size = 2 * P};
	struct thread *t;

	space_map(f->map, A, 2 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	model_proc_set_limit(f->proc, VM_LIMIT_MEMLOCK, P);
	proc_lock(f->proc);
	t = model_thread_start("wires", wire_it, &w);
	model_thread_join(t);
	proc_unlock(f->proc);
	check_kr(KERN_RESOURCE_SHORTAGE, w.kr);
	f->map->owner = NULL;
	wire_it(&w);
	check_kr(KERN_SUCCESS, w.kr);
	f->map->owner = f->proc;
}

struct fixer {
	struct vm_fixture *f;
	kern_return_t kr;
};

static void
fix_stack(void *arg)
{
	struct fixer *x = arg;

	x->kr =
	    vm_map_fixed(x->f->map, NULL, 0, A, 0x100000, VM_PROT_RW, VM_PROT_ALL, MAP_STACK_AREA);
}

static void
no_wait_with_proc_lock(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = slow_object(f);
	struct wirer w = {.map = f->map, .start = A, .size = 4 * P};
	struct fixer x = {.f = f};
	struct thread *t[2];
	bool locked;

	t[0] = model_thread_start("wires", wire_it, &w);
	model_thread_await_sleep(t[0]);
	t[1] = model_thread_start("replaces", fix_stack, &x);
	model_thread_await_sleep(t[1]);
	locked = model_proc_is_locked(f->proc);
	space_object_go_on(object, 0);
	model_thread_join(t[0]);
	model_thread_join(t[1]);
	assert_false(locked);
	check_kr(KERN_SUCCESS, w.kr);
	check_kr(KERN_SUCCESS, x.kr);
	check_u64(0, f->map->user_wired);
	check_u64(1, object->ref_count);
	vm_object_deallocate(object);
}

/* A debugger's write to wired text copies it: the text itself is let go of at once, not when the
 * map is next written to, by whoever that is and whatever he holds. */
static void
copied_text_is_let_go(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *text = space_object(2, 7);

	space_map_object(f->map, text, A, VM_PROT_READ | VM_PROT_EXECUTE, VM_PROT_ALL,
			 MAP_COPY_ON_WRITE);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + 2 * P, USER));
	check_u64(2, text->ref_count);
	check_kr(KERN_SUCCESS, vm_fault(f->map, A, VM_PROT_READ | VM_PROT_COPY, VM_FAULT_NORMAL));
	check_u64(1, text->ref_count);
	vm_object_deallocate(text);
}

/* ---- charges ---- */

/* What was shared is charged to its object.  A later fork gives the child wired memory's copies. */
static void
copies_of_wired_are_charged(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *sharer, *child;
	uint64_t before;

	space_map(f->map, A, 4 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A, A + 4 * P, VM_INHERIT_SHARE));
	sharer = model_proc_fork(f->proc);
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A, A + 4 * P, VM_INHERIT_COPY));
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + 4 * P, USER));
	before = vm_charge_used();
	child = model_proc_fork(f->proc);
	check_u64(before + 4 * P, vm_charge_used());
	model_proc_destroy(child);
	check_u64(before, vm_charge_used());
	model_proc_destroy(sharer);
}

struct protector {
	vm_map_t map;
	kern_return_t kr;
};

static void
protect_it(void *arg)
{
	struct protector *p = arg;

	p->kr = vm_map_protect(p->map, A, A + P, VM_PROT_RW, FALSE);
}

/* A process that shares the object forks while another makes its mapping writable. */
static void
charge_moves_meanwhile(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(2, 1);
	struct protector p = {.map = f->map};
	struct thread *t;

	space_map_object(f->map, object, A, VM_PROT_READ, VM_PROT_ALL, 0);
	rwlock_write(&object->lock);
	t = model_thread_start("protects", protect_it, &p);
	model_thread_await_sleep(t); /* in the clip: the range is judged and charged */
	assert_true(vm_charge(2 * P));
	object->flags |= VM_OBJECT_CHARGED;
	rwlock_write_unlock(&object->lock);
	model_thread_join(t);
	check_kr(KERN_SUCCESS, p.kr);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 2 * P));
	vm_object_deallocate(object);
	check_u64(0, vm_charge_used());
}

/* ---- offsets ---- */

static void
offsets(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(2, 1);
	struct map_snapshot *before = map_snapshot_take(f->map);

	check_kr(KERN_INVALID_ARGUMENT,
		 space_insert(f->map, object, 1, A, A + P, VM_PROT_READ, VM_PROT_ALL, 0));
	check_kr(KERN_INVALID_ARGUMENT,
		 space_insert(f->map, object, -P, A, A + 2 * P, VM_PROT_READ, VM_PROT_ALL, 0));
	check_unchanged(before, f->map);
	vm_object_deallocate(object);
}

/* ---- stacks ---- */

/* What grows after a fork belongs to one process, also on a stack that is shared. */
static void
growth_is_not_shared(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t below;
	struct proc *child;

	check_kr(KERN_SUCCESS,
		 vm_map_stack(f->map, STACK_BOTTOM, STACK_SIZE, VM_PROT_READ, VM_PROT_ALL, 0));
	below = stack_start(f->map, STACK_TOP) - P;
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, STACK_BOTTOM, STACK_TOP, VM_INHERIT_SHARE));
	child = model_proc_fork(f->proc);
	check_u64(0, model_user_load(f->proc, below));
	check_u64(0, model_user_load(child, below));
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, below, below + P, VM_PROT_RW, FALSE));
	model_user_store(f->proc, below, 5);
	check_u64(0, model_user_load(child, below));
	model_proc_destroy(child);
}

/* ---- kernel memory ---- */

static void
scratch_is_freed_without_memory(void **state)
{
	vm_offset_t before = kmem_alloc_wait(exec_map, 4 * P);
	vm_offset_t addr = kmem_alloc_wait(exec_map, 4 * P);
	vm_offset_t behind = kmem_alloc_wait(exec_map, 4 * P);

	(void)state;
	check_u64(before + 4 * P, addr);
	check_u64(addr + 4 * P, behind);
	map_drop_spares(exec_map);
	model_fail_after(1);
	kmem_free_wakeup(exec_map, addr, 4 * P);
	check_u64(1, model_fail_count());
	model_fail_off();
	check_hole(exec_map, addr, addr + 4 * P);
	kmem_free_wakeup(exec_map, before, 4 * P);
	kmem_free_wakeup(exec_map, behind, 4 * P);
}

static void
frees_suffice(void **state)
{
	struct vm_usage before = vm_usage_read();
	vm_offset_t addr = kmem_malloc(kmem_map, 3 * P, 0);

	(void)state;
	map_drop_spares(kmem_map);
	memory_settle();
	model_memory_take_all();
	/* It may not wait: nobody would end that. */
	kmem_free(kmem_map, addr + P, P);
	model_memory_give_back();
	check_u64(2 * P, kmem_map->size);
	kmem_free(kmem_map, addr, P);
	kmem_free(kmem_map, addr + 2 * P, P);
	vm_usage_check(&before);
}

/* The addresses that were found lie between two allocations that the new one could merge with. */
static void
nowait_does_not_wait(void **state)
{
	struct vm_usage before = vm_usage_read();
	vm_offset_t addr = kmem_malloc(kmem_map, 3 * P, 0);

	(void)state;
	kmem_free(kmem_map, addr + P, P);
	map_drop_spares(kmem_map);
	model_fail_from(2);
	check_u64(0, kmem_malloc(kmem_map, P, KMEM_NOWAIT));
	assert_true(model_fail_count() != 0);
	model_fail_off();
	check_u64(2 * P, kmem_map->size);
	check_u64(addr + P, kmem_malloc(kmem_map, P, KMEM_NOWAIT));
	kmem_free(kmem_map, addr, 3 * P);
	vm_usage_check(&before);
}

static void
waits_for_an_entry(void **state)
{
	vm_offset_t addr;

	(void)state;
	map_drop_spares(kmem_map);
	model_fail_after(1);
	addr = kmem_malloc(kmem_map, P, 0);
	check_u64(1, model_fail_count());
	model_fail_off();
	assert_int_not_equal(addr, 0);
	kmem_free(kmem_map, addr, P);
}

/* Whole entries need no cut, so they need no memory for one. */
static void
whole_entries_need_no_memory(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 4 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	space_fill(f->proc, A, 4, 1);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + 2 * P, USER));
	map_drop_spares(f->map);
	model_fail_from(1);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + 4 * P, USER));
	check_kr(KERN_SUCCESS, vm_map_unwire(f->map, A, A + 4 * P, USER));
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A, A + 4 * P, VM_INHERIT_SHARE));
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 4 * P, VM_PROT_READ, FALSE));
	check_kr(KERN_RESOURCE_SHORTAGE,
		 vm_map_protect(f->map, A + P, A + 4 * P, VM_PROT_RW, FALSE));
	check_kr(KERN_RESOURCE_SHORTAGE, vm_map_inherit(f->map, A, A + 3 * P, VM_INHERIT_COPY));
	model_fail_off();
	check_fill(f->proc, A, 4, 1);
}

/* lookup_it: vm_map_lookup, of an entry that somebody is wiring. */
struct looker {
	vm_map_t map;
	kern_return_t kr;
	struct vm_object *object;
};

static void
lookup_it(void *arg)
{
	struct looker *l = arg;
	vm_map_t map = l->map;
	vm_map_entry_t e;
	vm_pindex_t pindex;
	vm_prot_t prot;
	boolean_t wired;

	l->kr =
	    vm_map_lookup(&map, A + 4 * P, VM_PROT_WRITE, &e, &l->object, &pindex, &prot, &wired);
	if (l->kr == KERN_SUCCESS)
		vm_map_lookup_done(map, e);
}

static void
lookup_waits_for_wiring(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = slow_object(f);
	struct wirer w = {.map = f->map, .start = A, .size = 8 * P};
	struct looker l = {.map = f->map};
	struct thread *t[2];

	space_map(f->map, A + 4 * P, 4 * P, VM_PROT_RW, VM_PROT_READ | VM_PROT_WRITE, 0);
	t[0] = model_thread_start("wires", wire_it, &w);
	model_thread_await_sleep(t[0]);
	t[1] = model_thread_start("looks", lookup_it, &l);
	model_thread_await_sleep(t[1]);
	space_object_go_on(object, 0);
	model_thread_join(t[0]);
	model_thread_join(t[1]);
	check_kr(KERN_SUCCESS, w.kr);
	check_kr(KERN_SUCCESS, l.kr);
	assert_non_null(l.object);
	vm_object_deallocate(object);
}

#define CHURNERS 3
#define ROUNDS	 400

static void
churn_stacks(void *arg)
{
	const vm_size_t slot = KERNEL_STACK_SIZE + P;
	uint64_t *bad = arg;
	vm_offset_t stack[4];

	for (int round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(stack); i++) {
			stack[i] = kstack_alloc();
			*bad += (stack[i] - P - vm_map_min(stack_map)) % slot != 0;
		}
		for (size_t i = 0; i < ARRAY_SIZE(stack); i++)
			kstack_free(stack[ARRAY_SIZE(stack) - 1 - i]);
	}
}

static void
stack_slots(void **state)
{
	uint64_t bad[CHURNERS] = {0};
	struct thread *t[CHURNERS];

	(void)state;
	for (int i = 0; i < CHURNERS; i++)
		t[i] = model_thread_start("churner", churn_stacks, &bad[i]);
	for (int i = 0; i < CHURNERS; i++) {
		model_thread_join(t[i]);
		check_u64(0, bad[i]);
	}
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"zone: objects freed while a slab is waited for are used", cache_filled_meanwhile},
	    {"WIR-04: the limit counts what is being wired", limit_counts_what_is_under_way},
	    {"WIR-04: what could not be wired is not counted", limit_after_a_failure},
	    {"WIR-04: the limit is asked for without the owner's lock; no owner, no limit",
	     owner_is_busy},
	    {"FND-09: a stack that replaces memory being wired waits without the process lock",
	     no_wait_with_proc_lock},
	    {"WIR-06: what was behind wired text is let go of at the copy", copied_text_is_let_go},
	    {"WIR-05: copies of wired memory are charged, also if the original is charged to its "
	     "object",
	     copies_of_wired_are_charged},
	    {"PRT: a charge that is taken and not needed is given back", charge_moves_meanwhile},
	    {"INS: an offset is a multiple of pages and does not wrap", offsets},
	    {"GRW-22: what grows after a fork is not shared", growth_is_not_shared},
	    {"KM-02: a free that finds no entry waits for one", scratch_is_freed_without_memory},
	    {"KM-03: what is freed suffices for the entry that the free takes", frees_suffice},
	    {"KM-01: NOWAIT gives 0 at once also where what it found had merged",
	     nowait_does_not_wait},
	    {"KM-01: without NOWAIT it waits for an entry, too", waits_for_an_entry},
	    {"1.2: what need not cut an entry needs no memory for it",
	     whole_entries_need_no_memory},
	    {"LKP: the lookup of what somebody wires waits for that", lookup_waits_for_wiring},
	    {"KM: kernel stacks lie in slots, whoever frees one meanwhile", stack_slots},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
