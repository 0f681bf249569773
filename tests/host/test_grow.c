/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm_map_growstack: where it grows, how far, and what it leaves alone.  Limits are in
 * test_grow_limits.c, forks and changed attributes in test_grow_life.c, threads in test_grow_race.c.
 */
#include "model/memory.h"
#include "model/snapshot.h"
#include "model/stacks.h"
#include "vm/pmap.h"
#include "vm/vm_charge.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vmspace.h"

#define PAGE  PAGE_SIZE
#define A     STACK_BOTTOM
#define SIZE  STACK_SIZE
#define TOP   STACK_TOP
#define START (TOP - vm_sgrowsiz) /* of a new stack */

/* grows: growstack takes the stack of the usual place down to `start`, and accounts for it. */
static void
grows(struct vm_fixture *f, vm_offset_t addr, vm_offset_t start)
{
	vm_size_t more = stack_start(f->map, TOP) - start, size = f->map->size;
	uint64_t charge = vm_charge_used(), pages = f->vmspace->vm_ssize;
	uint32_t entries = f->map->nentries;

	check_kr(KERN_SUCCESS, vm_map_growstack(f->proc, addr));
	check_stack(f->map, A, start, TOP, VM_PROT_RW, VM_PROT_ALL);
	check_u64(size + more, f->map->size);
	check_u64(charge + more, vm_charge_used());
	check_u64(f->vmspace->vm_stacktop != 0 ? pages + atop(more) : 0, f->vmspace->vm_ssize);
	check_u64(entries, f->map->nentries);
	vm_fixture_audit(f);
}

static void
grw_01(void **state)
{
	struct vm_fixture *f = *state;

	stack_make_main(f, SIZE);
	model_user_store(f->proc, TOP - 1, 1);
	check_no_growth(f, KERN_SUCCESS, START);
	check_no_growth(f, KERN_SUCCESS, TOP - 1);
	check_no_growth(f, KERN_SUCCESS, TOP - PAGE);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, START, START + PAGE, VM_PROT_NONE, FALSE));
	check_no_growth(f, KERN_SUCCESS, START);
}

static void
grw_02(void **state)
{
	struct vm_fixture *f = *state;

	stack_make_main(f, SIZE);
	map_pages(f->map, TOP, PAGE, VM_PROT_RW);
	map_pages(f->map, A - PAGE, PAGE, VM_PROT_READ);
	map_pages(f->map, A - 4 * PAGE, PAGE, VM_PROT_NONE);
	check_no_growth(f, KERN_SUCCESS, TOP);
	check_no_growth(f, KERN_SUCCESS, A - 1);
	check_no_growth(f, KERN_SUCCESS, A - 4 * PAGE);
}

static void
grw_03(void **state)
{
	struct vm_fixture *f = *state;

	check_no_growth(f, KERN_SUCCESS, A); /* an empty map */
	stack_make_main(f, SIZE);
	map_guard(f->map, A - PAGE, PAGE);
	check_no_growth(f, KERN_SUCCESS, A - 1);	/* a plain guard */
	check_no_growth(f, KERN_SUCCESS, A - PAGE - 1); /* holes */
	check_no_growth(f, KERN_SUCCESS, TOP);
	check_no_growth(f, KERN_SUCCESS, 0); /* below the map */
	check_no_growth(f, KERN_SUCCESS, MODEL_USER_MIN - 1);
	check_no_growth(f, KERN_SUCCESS, MODEL_USER_MAX); /* above it */
	check_no_growth(f, KERN_SUCCESS, UINT64_MAX);
}

/* Its last thread has ended, and the space is gone. */
static void
no_space(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;

	stack_make_main(f, SIZE);
	before = map_snapshot_take(f->map);
	proc_set_vmspace(f->proc, NULL);
	check_kr(KERN_SUCCESS, vm_map_growstack(f->proc, START - 1));
	assert_false(model_proc_is_locked(f->proc));
	proc_set_vmspace(f->proc, f->vmspace);
	check_unchanged(before, f->map);
}

/* The hole is no stack's, so the fault is the program's: after one attempt to grow. */
static void
grw_04(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;
	uint64_t locks, faults;
	uint8_t byte;

	stack_make_main(f, SIZE);
	before = map_snapshot_take(f->map);
	locks = model_proc_lock_count(f->proc);
	faults = model_fault_count();
	check_u64(SEGV_MAPERR, model_user_read(f->proc, A - 1, &byte, 1));
	check_u64(1, model_proc_lock_count(f->proc) - locks);
	check_u64(1, model_fault_count() - faults);
	check_u64(SEGV_MAPERR, model_user_write(f->proc, TOP, "", 1));
	check_u64(2, model_proc_lock_count(f->proc) - locks);
	check_u64(SEGV_MAPERR, model_user_fetch(f->proc, TOP));
	check_unchanged(before, f->map);
}

/* One fault is enough for growth and page. */
static void
grw_04_grown(void **state)
{
	struct vm_fixture *f = *state;
	uint64_t locks, faults;

	stack_make_main(f, SIZE);
	locks = model_proc_lock_count(f->proc);
	faults = model_fault_count();
	model_user_store(f->proc, START - 1, 1);
	check_u64(1, model_proc_lock_count(f->proc) - locks);
	check_u64(1, model_fault_count() - faults);
	model_user_store(f->proc, START - 2 * PAGE, 1); /* grown already */
	check_u64(1, model_proc_lock_count(f->proc) - locks);
}

static void
grw_05(void **state)
{
	struct vm_fixture *f = *state;

	stack_make_main(f, SIZE);
	grows(f, START - 1, START - vm_sgrowsiz);
	check_u64(0, pmap_resident_count(f->pmap));
	check_u64(0, model_user_load(f->proc, START - 1));
	model_user_store(f->proc, START - vm_sgrowsiz, 1);
	grows(f, START - vm_sgrowsiz - PAGE, START - 2 * vm_sgrowsiz);
	check_u64(1, model_user_load(f->proc, START - vm_sgrowsiz));
}

static void
grw_06(void **state)
{
	struct vm_fixture *f = *state;

	stack_make_main(f, SIZE);
	grows(f, START - vm_sgrowsiz - 1, START - 2 * vm_sgrowsiz);
}

/* Exactly one step is no more than one step. */
static void
grw_06_exact(void **state)
{
	struct vm_fixture *f = *state;

	stack_make_main(f, SIZE);
	grows(f, START - vm_sgrowsiz, START - vm_sgrowsiz);
	grows(f, START - 3 * vm_sgrowsiz + PAGE - 1, START - 3 * vm_sgrowsiz);
}

static void
grw_07(void **state)
{
	struct vm_fixture *f = *state;
	vm_size_t guard = stack_guard();
	uint8_t byte;

	stack_make_main(f, SIZE);
	for (vm_offset_t va = A; va < A + guard; va += PAGE)
		check_no_growth(f, KERN_NO_SPACE, va);
	check_no_growth(f, KERN_NO_SPACE, A + guard - 1);
	check_u64(SEGV_MAPERR, model_user_read(f->proc, A + guard - 1, &byte, 1));
	/* Nor when the gap is nothing but the guard. */
	check_kr(KERN_SUCCESS, vm_map_growstack(f->proc, A + guard));
	check_no_growth(f, KERN_NO_SPACE, A + guard - 1);
	check_no_growth(f, KERN_NO_SPACE, A);
}

static void
grw_08(void **state)
{
	struct vm_fixture *f = *state;

	stack_make_main(f, SIZE);
	grows(f, A + stack_guard(), A + stack_guard());
	check_u64(stack_guard(), map_at(f->map, A)->end - A);
	model_user_store(f->proc, A + stack_guard(), 1);
}

static void
grw_09(void **state)
{
	struct vm_fixture *f = *state;

	stack_make_main(f, stack_guard() + vm_sgrowsiz + PAGE);
	check_u64(PAGE + stack_guard(), map_at(f->map, A)->end - A);
	check_kr(KERN_SUCCESS, vm_map_growstack(f->proc, A + stack_guard() + PAGE - 1));
	check_stack(f->map, A, A + stack_guard(), A + stack_guard() + vm_sgrowsiz + PAGE,
		    VM_PROT_RW, VM_PROT_ALL);
	check_u64(vm_sgrowsiz + PAGE, f->map->size);
	check_u64(vm_sgrowsiz + PAGE, vm_charge_used());
}

/* A guard of another size is kept for the stacks made with it. */
static void
guard_is_the_stacks(void **state)
{
	struct vm_fixture *f = *state;

	vm_stack_guard_pages = 1;
	stack_make_main(f, SIZE);
	vm_stack_guard_pages = 16;
	check_kr(KERN_SUCCESS, vm_map_growstack(f->proc, A + PAGE));
	check_u64(PAGE, map_at(f->map, A)->end - A);
	check_no_growth(f, KERN_NO_SPACE, A + PAGE - 1);
}

static void
grw_19(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;

	stack_make_main(f, SIZE);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, START, TOP));
	before = map_snapshot_take(f->map);
	for (vm_offset_t va = A; va < START; va += PAGE)
		check_u64(SEGV_MAPERR, model_user_write(f->proc, va, "", 1));
	check_kr(KERN_SUCCESS, vm_map_growstack(f->proc, START - 1));
	check_unchanged(before, f->map);
}

/* The stack's lowest page is unmapped, or something else is there: the gap is an orphan. */
static void
grw_19_replaced(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;

	stack_make_main(f, SIZE);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, START, START + PAGE));
	before = map_snapshot_take(f->map);
	check_u64(SEGV_MAPERR, model_user_write(f->proc, START - 1, "", 1));
	check_kr(KERN_SUCCESS, vm_map_growstack(f->proc, START - 1));
	check_unchanged(before, f->map);
	map_pages(f->map, START, PAGE, VM_PROT_RW);
	before = map_snapshot_take(f->map);
	check_u64(SEGV_MAPERR, model_user_write(f->proc, START - 1, "", 1));
	check_kr(KERN_SUCCESS, vm_map_growstack(f->proc, START - 1));
	check_unchanged(before, f->map);
}

/* ---- something mapped over the gap ---- */

#define INTRUDER (A + SIZE / 2)

static void
intrude(struct vm_fixture *f, vm_offset_t addr, vm_prot_t prot, int cow)
{
	check_kr(KERN_SUCCESS, vm_map_fixed(f->map, NULL, 0, addr, PAGE, prot,
					    cow & MAP_CREATE_GUARD ? prot : VM_PROT_ALL, cow));
}

static void
grw_20(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t lowest = INTRUDER + PAGE + stack_guard(), va;
	struct map_snapshot *before;
	const struct vm_map_entry *e;

	stack_make_main(f, SIZE);
	intrude(f, INTRUDER, VM_PROT_RW, 0);
	model_user_store(f->proc, INTRUDER, 7);
	model_user_store(f->proc, INTRUDER + PAGE - 1, 8);
	check_kr(KERN_SUCCESS,
		 vm_map_protect(f->map, INTRUDER, INTRUDER + PAGE, VM_PROT_READ, FALSE));
	for (va = TOP - PAGE; va >= lowest; va -= PAGE)
		model_user_store(f->proc, va, 1);
	before = map_snapshot_take(f->map);
	for (; va > INTRUDER; va -= PAGE)
		check_u64(SEGV_MAPERR, model_user_write(f->proc, va, "", 1));
	check_kr(KERN_NO_SPACE, vm_map_growstack(f->proc, lowest - 1));
	check_kr(KERN_NO_SPACE, vm_map_growstack(f->proc, INTRUDER + PAGE));
	check_u64(SEGV_ACCERR, model_user_write(f->proc, INTRUDER, "", 1));
	/* The gap below it is nobody's. */
	for (va = A; va < INTRUDER; va += PAGE) {
		check_kr(KERN_SUCCESS, vm_map_growstack(f->proc, va));
		check_u64(SEGV_MAPERR, model_user_write(f->proc, va, "", 1));
	}
	check_unchanged(before, f->map);
	check_u64(lowest, stack_start(f->map, TOP));
	check_u64(7, model_user_load(f->proc, INTRUDER));
	check_u64(8, model_user_load(f->proc, INTRUDER + PAGE - 1));
	e = map_at(f->map, lowest - 1);
	check_u64(INTRUDER + PAGE, e->start);
	check_u64(lowest, e->end);
	check_u64(stack_guard(), e->gap_guard);
}

/* Closer to the stack than the guard is wide: not a page of growth. */
static void
grw_20_close(void **state)
{
	struct vm_fixture *f = *state;

	stack_make_main(f, SIZE);
	intrude(f, START - stack_guard(), VM_PROT_RW, 0);
	check_no_growth(f, KERN_NO_SPACE, START - 1);
	intrude(f, START - PAGE, VM_PROT_RW, 0);
	check_no_growth(f, KERN_SUCCESS, START - 1);	    /* mapped */
	check_no_growth(f, KERN_SUCCESS, START - PAGE - 1); /* the gap ends at no stack */
}

/* A guard, or another stack, as the intruder. */
static void
grw_20_guard(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t other = A + SIZE / 4;
	vm_size_t size = stack_guard() + vm_sgrowsiz + PAGE;

	stack_make_main(f, SIZE);
	intrude(f, INTRUDER, VM_PROT_NONE, MAP_CREATE_GUARD);
	check_no_growth(f, KERN_SUCCESS, INTRUDER);
	check_no_growth(f, KERN_SUCCESS, INTRUDER - 1);
	check_kr(KERN_SUCCESS, vm_map_fixed(f->map, NULL, 0, other, size, VM_PROT_RW, VM_PROT_ALL,
					    MAP_STACK_AREA));
	check_stack(f->map, other, other + stack_guard() + PAGE, other + size, VM_PROT_RW,
		    VM_PROT_ALL);
	check_no_growth(f, KERN_SUCCESS, other - 1); /* ours: it ends at the other's gap */
	check_no_growth(f, KERN_NO_SPACE, other);
	check_kr(KERN_SUCCESS, vm_map_growstack(f->proc, other + stack_guard()));
	check_stack(f->map, other, other + stack_guard(), other + size, VM_PROT_RW, VM_PROT_ALL);
	check_no_growth(f, KERN_SUCCESS, other + size); /* between the other's top and the guard */
	intrude(f, START - PAGE, VM_PROT_NONE, MAP_CREATE_GUARD);
	check_no_growth(f, KERN_SUCCESS, START - 1);
}

/* ---- no memory ---- */

/* A stack that would be used up by one more step. */
static void
grw_25(void **state)
{
	struct vm_fixture *f = *state;
	vm_size_t size = stack_guard() + 2 * vm_sgrowsiz;
	vm_offset_t start = A + size - vm_sgrowsiz;

	stack_make_main(f, size);
	vm_charge_set_limit(vm_charge_used());
	check_no_growth(f, KERN_RESOURCE_SHORTAGE, start - vm_sgrowsiz);
	check_u64(SEGV_MAPERR, model_user_write(f->proc, start - 1, "", 1));
	vm_charge_set_limit(vm_charge_used() + vm_sgrowsiz - PAGE);
	check_no_growth(f, KERN_RESOURCE_SHORTAGE, start - vm_sgrowsiz);
	check_stack(f->map, A, start, A + size, VM_PROT_RW, VM_PROT_ALL);
	vm_charge_set_limit(vm_charge_used() + vm_sgrowsiz);
	check_kr(KERN_SUCCESS, vm_map_growstack(f->proc, start - vm_sgrowsiz));
	check_stack(f->map, A, A + stack_guard(), A + size, VM_PROT_RW, VM_PROT_ALL);
	check_u64(2 * vm_sgrowsiz, vm_charge_used());
}

/* Every allocation of a growth that needs an entry of its own fails once. */
static void
grw_25_memory(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;
	unsigned failures = 0;
	kern_return_t kr;

	stack_make_main(f, SIZE);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, START, START + PAGE, VM_PROT_READ, FALSE));
	before = map_snapshot_take(f->map);
	for (uint64_t k = 1;; k++) {
		map_drop_spares(f->map);
		model_fail_after(k);
		kr = vm_map_growstack(f->proc, START - 1);
		model_fail_off();
		if (model_fail_count() == 0)
			break;
		check_kr(KERN_RESOURCE_SHORTAGE, kr);
		check_unchanged(before, f->map);
		failures++;
	}
	check_kr(KERN_SUCCESS, kr);
	check_u64(1, failures);
	/* ... and the charge is refused although there is an entry. */
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, START - vm_sgrowsiz, START, VM_PROT_READ, 0));
	vm_charge_set_limit(vm_charge_used());
	check_no_growth(f, KERN_RESOURCE_SHORTAGE, START - vm_sgrowsiz - 1);
}

/* ---- whose access ---- */

static void
grw_23(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;
	struct vm_page *m;

	stack_make_main(f, SIZE);
	before = map_snapshot_take(f->map);
	check_kr(KERN_INVALID_ADDRESS,
		 vm_fault(f->map, START - PAGE, VM_PROT_READ, VM_FAULT_NOGROW));
	check_kr(
	    KERN_INVALID_ADDRESS,
	    vm_fault_hold(f->map, START - PAGE, VM_PROT_WRITE | VM_PROT_COPY, VM_FAULT_NOGROW, &m));
	check_unchanged(before, f->map);
}

/* Another thread's copy into the buffer of p's own call: p's limits, whoever runs. */
static void
grw_23_copy(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *server = model_proc_create();
	struct map_snapshot *before;
	struct vm_page *m;

	stack_make_main(f, SIZE);
	model_proc_set_limit(server, VM_LIMIT_STACK, 0);
	model_proc_set_limit(server, VM_LIMIT_VMEM, 0);
	model_proc_set_limit(f->proc, VM_LIMIT_STACK, 2 * vm_sgrowsiz);
	check_kr(KERN_SUCCESS,
		 vm_fault_hold(f->map, START - PAGE, VM_PROT_WRITE, VM_FAULT_NORMAL, &m));
	*(uint8_t *)pmap_page_address(m) = 5;
	vm_fault_release(m, VM_PROT_WRITE);
	check_u64(5, model_user_load(f->proc, START - PAGE));
	check_stack(f->map, A, START - vm_sgrowsiz, TOP, VM_PROT_RW, VM_PROT_ALL);
	before = map_snapshot_take(f->map);
	check_kr(KERN_FAILURE, vm_fault_hold(f->map, START - vm_sgrowsiz - PAGE, VM_PROT_WRITE,
					     VM_FAULT_NORMAL, &m));
	check_unchanged(before, f->map);
	model_proc_destroy(server);
}

/* copyin and copyout fault as the program does: vm_fault grows for a read as for a write. */
static void
grw_26(void **state)
{
	struct vm_fixture *f = *state;

	stack_make_main(f, SIZE);
	check_kr(KERN_SUCCESS, vm_fault(f->map, START - PAGE, VM_PROT_READ, VM_FAULT_NORMAL));
	check_kr(KERN_SUCCESS,
		 vm_fault(f->map, START - vm_sgrowsiz - PAGE, VM_PROT_WRITE, VM_FAULT_NORMAL));
	check_stack(f->map, A, START - 2 * vm_sgrowsiz, TOP, VM_PROT_RW, VM_PROT_ALL);
	check_u64(2, pmap_resident_count(f->pmap));
	check_kr(KERN_FAILURE, vm_fault(f->map, A, VM_PROT_READ, VM_FAULT_NORMAL));
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"GRW-01: an address in the mapped stack: success, nothing done", grw_01},
	    {"GRW-02: an address in another mapping: success, nothing done", grw_02},
	    {"GRW-03: an address outside every stack: success, nothing done", grw_03},
	    {"GRW-03: a process without a space: success, nothing done", no_space},
	    {"GRW-04: a hole is tried once and is then the program's fault", grw_04},
	    {"GRW-04: one fault grows the stack and maps the page", grw_04_grown},
	    {"GRW-05: right below the stack: it grows by a step, with its creation rights", grw_05},
	    {"GRW-06: a little more than a step away: two steps at once", grw_06},
	    {"GRW-06: exactly a step away: one step", grw_06_exact},
	    {"GRW-07: the guard is never given out", grw_07},
	    {"GRW-08: right above the guard: the gap shrinks to the guard", grw_08},
	    {"GRW-09: a page needed and a page left: a page is given", grw_09},
	    {"GRW-09: a stack keeps the guard that it was made with", guard_is_the_stacks},
	    {"GRW-19: the gap of a stack that is gone does not grow", grw_19},
	    {"GRW-19: the gap of a stack whose lowest page was replaced does not grow",
	     grw_19_replaced},
	    {"GRW-20: growth stops a guard's width above a page mapped into the gap", grw_20},
	    {"GRW-20: no growth at all towards a page within the guard's width", grw_20_close},
	    {"GRW-20: neither through a guard nor through another stack", grw_20_guard},
	    {"GRW-23: a debugger's access does not grow a stack", grw_23},
	    {"GRW-23: a copy for p's own call grows p's stack within p's limits", grw_23_copy},
	    {"GRW-25: a refused charge leaves gap, guard and stored rights; later it works",
	     grw_25},
	    {"GRW-25: without memory for an entry nothing changes", grw_25_memory},
	    {"GRW-26: the kernel's own access grows a stack as the program's does", grw_26},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
