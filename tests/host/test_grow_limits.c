/* SPDX-License-Identifier: BSD-2-Clause */
/* vm_map_growstack and the limits of the process: STACK, VMEM, MEMLOCK, the commit charge. */
#include "model/memory.h"
#include "model/snapshot.h"
#include "model/stacks.h"
#include "vm/pmap.h"
#include "vm/vm_charge.h"
#include "vm/vm_page.h"
#include "vm/vmspace.h"

#define PAGE  PAGE_SIZE
#define A     STACK_BOTTOM
#define SIZE  STACK_SIZE
#define TOP   STACK_TOP
#define STEP  vm_sgrowsiz
#define START (TOP - STEP) /* of a new stack */

/* grows: the main stack now begins at `start`, and every account knows. */
static void
grows(struct vm_fixture *f, vm_offset_t addr, vm_offset_t start)
{
	vm_size_t other = f->map->size - ptoa(f->vmspace->vm_ssize);

	check_kr(KERN_SUCCESS, vm_map_growstack(f->proc, addr));
	check_stack(f->map, A, start, TOP, VM_PROT_RW, VM_PROT_ALL);
	check_u64(atop(TOP - start), f->vmspace->vm_ssize);
	check_u64(other + (TOP - start), f->map->size);
	check_u64(f->map->size, vm_charge_used());
}

/* ---- STACK ---- */

static void
grw_10(void **state)
{
	struct vm_fixture *f = *state;

	stack_make_main(f, SIZE);
	model_proc_set_limit(f->proc, VM_LIMIT_STACK, STEP + 3 * PAGE);
	check_no_growth(f, KERN_NO_SPACE, START - 3 * PAGE - 1);
	check_u64(SEGV_MAPERR, model_user_write(f->proc, START - 3 * PAGE - 1, "", 1));
	grows(f, START - 3 * PAGE, START - 3 * PAGE);
	check_no_growth(f, KERN_NO_SPACE, START - 3 * PAGE - 1);
}

/* The rounding to a step gives way to the limit, and pages that are not whole do not count. */
static void
grw_10_clamped(void **state)
{
	struct vm_fixture *f = *state;

	stack_make_main(f, SIZE);
	model_proc_set_limit(f->proc, VM_LIMIT_STACK, STEP + 3 * PAGE + PAGE - 1);
	grows(f, START - 1, START - 3 * PAGE);
	model_proc_set_limit(f->proc, VM_LIMIT_STACK, STEP + 3 * PAGE + STEP);
	grows(f, START - 3 * PAGE - 1, START - 3 * PAGE - STEP);
	model_proc_set_limit(f->proc, VM_LIMIT_STACK, VM_LIMIT_INFINITY);
	grows(f, START - 3 * PAGE - STEP - 1, START - 3 * PAGE - 2 * STEP);
	model_proc_set_limit(f->proc, VM_LIMIT_STACK, VM_LIMIT_INFINITY - 1);
	grows(f, START - 3 * PAGE - 2 * STEP - 1, START - 3 * PAGE - 3 * STEP);
}

static void
grw_11(void **state)
{
	struct vm_fixture *f = *state;

	stack_make_main(f, SIZE);
	for (vm_offset_t va = TOP - PAGE; va >= START - STEP; va -= PAGE)
		model_user_store(f->proc, va, (uint8_t)atop(va));
	model_proc_set_limit(f->proc, VM_LIMIT_STACK, STEP);
	check_no_growth(f, KERN_NO_SPACE, START - STEP - 1);
	model_proc_set_limit(f->proc, VM_LIMIT_STACK, 0);
	check_no_growth(f, KERN_NO_SPACE, START - STEP - 1);
	check_u64(SEGV_MAPERR, model_user_write(f->proc, START - STEP - 1, "", 1));
	pmap_drop(f->pmap);
	for (vm_offset_t va = TOP - PAGE; va >= START - STEP; va -= PAGE) {
		check_u64((uint8_t)atop(va), model_user_load(f->proc, va));
		model_user_store(f->proc, va, 1);
	}
}

static void
grw_12(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;

	map_pages(f->map, A - 4 * PAGE, 4 * PAGE, VM_PROT_READ);
	stack_make_main(f, SIZE);
	model_proc_set_limit(f->proc, VM_LIMIT_STACK, SIZE / 2);
	check_u64(SEGV_MAPERR, model_user_write(f->proc, A + stack_guard(), "", 1));
	before = map_snapshot_take(f->map);
	model_proc_set_limit(f->proc, VM_LIMIT_STACK, 64 * SIZE);
	check_unchanged(before, f->map);
	model_user_store(f->proc, A + stack_guard(), 1);
	check_no_growth(f, KERN_NO_SPACE, A + stack_guard() - 1);
	check_no_growth(f, KERN_NO_SPACE, A);
	check_no_growth(f, KERN_SUCCESS, A - 1);
	check_u64(SEGV_MAPERR, model_user_write(f->proc, A, "", 1));
	check_u64(SEGV_ACCERR, model_user_write(f->proc, A - 1, "", 1));
	check_u64(VM_PROT_READ, map_at(f->map, A - 1)->protection);
	check_u64(A, map_at(f->map, A - 1)->end);
}

static void
grw_28(void **state)
{
	struct vm_fixture *f = *state;

	stack_make_main(f, SIZE);
	model_proc_set_limit(f->proc, VM_LIMIT_STACK, 2 * STEP);
	grows(f, START - STEP, START - STEP);
	check_no_growth(f, KERN_NO_SPACE, START - STEP - 1);
	model_proc_set_limit(f->proc, VM_LIMIT_STACK, 3 * STEP);
	grows(f, START - STEP - 1, START - 2 * STEP);
	check_no_growth(f, KERN_NO_SPACE, START - 2 * STEP - 1);
}

static void
grw_24(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t low, high;
	vm_size_t ssize;

	stack_make_main(f, SIZE);
	model_proc_set_limit(f->proc, VM_LIMIT_STACK, STEP);
	ssize = f->vmspace->vm_ssize;
	/* One below the main stack, one above it. */
	low = MODEL_USER_MIN;
	check_kr(KERN_SUCCESS, vm_map_find(f->map, NULL, 0, &low, SIZE, 0, VMFS_ANY_SPACE,
					   VM_PROT_RW, VM_PROT_ALL, MAP_STACK_AREA));
	high = TOP;
	check_kr(KERN_SUCCESS, vm_map_find(f->map, NULL, 0, &high, SIZE, 0, VMFS_ANY_SPACE,
					   VM_PROT_RW, VM_PROT_ALL, MAP_STACK_AREA));
	check_u64(MODEL_USER_MIN, low);
	check_u64(TOP, high);
	for (vm_size_t at = SIZE - PAGE; at >= stack_guard(); at -= PAGE) {
		model_user_store(f->proc, low + at, 1);
		model_user_store(f->proc, high + at, 2);
	}
	check_u64(ssize, f->vmspace->vm_ssize);
	check_stack(f->map, low, low + stack_guard(), low + SIZE, VM_PROT_RW, VM_PROT_ALL);
	check_stack(f->map, high, high + stack_guard(), high + SIZE, VM_PROT_RW, VM_PROT_ALL);
	check_no_growth(f, KERN_NO_SPACE, START - 1); /* the main stack's limit stands */
}

static void
grw_24_vmem(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t stack = TOP;

	check_kr(KERN_SUCCESS, vm_map_find(f->map, NULL, 0, &stack, SIZE, 0, VMFS_ANY_SPACE,
					   VM_PROT_RW, VM_PROT_ALL, MAP_STACK_AREA));
	model_proc_set_limit(f->proc, VM_LIMIT_VMEM, STEP);
	check_no_growth(f, KERN_NO_SPACE, stack + SIZE - STEP - 1);
	check_u64(SEGV_MAPERR, model_user_write(f->proc, stack + SIZE - STEP - 1, "", 1));
	model_proc_set_limit(f->proc, VM_LIMIT_VMEM, STEP + PAGE);
	check_kr(KERN_SUCCESS, vm_map_growstack(f->proc, stack + SIZE - STEP - 1));
	check_u64(STEP + PAGE, f->map->size);
}

/* ---- VMEM ---- */

static void
grw_13(void **state)
{
	struct vm_fixture *f = *state;

	map_pages(f->map, A - 4 * PAGE, 4 * PAGE, VM_PROT_RW);
	stack_make_main(f, SIZE);
	model_proc_set_limit(f->proc, VM_LIMIT_VMEM, f->map->size + 2 * PAGE);
	grows(f, START - PAGE, START - 2 * PAGE);
	model_proc_set_limit(f->proc, VM_LIMIT_VMEM, f->map->size + PAGE + PAGE - 1);
	grows(f, START - 2 * PAGE - 1, START - 3 * PAGE);
	model_proc_set_limit(f->proc, VM_LIMIT_VMEM, f->map->size + STEP);
	grows(f, START - 3 * PAGE - 1, START - 3 * PAGE - STEP);
}

static void
grw_14(void **state)
{
	struct vm_fixture *f = *state;

	map_pages(f->map, A - 4 * PAGE, 4 * PAGE, VM_PROT_RW);
	stack_make_main(f, SIZE);
	model_proc_set_limit(f->proc, VM_LIMIT_VMEM, f->map->size + 2 * PAGE);
	check_no_growth(f, KERN_NO_SPACE, START - 2 * PAGE - 1);
	model_proc_set_limit(f->proc, VM_LIMIT_VMEM, f->map->size + PAGE - 1);
	check_no_growth(f, KERN_NO_SPACE, START - 1);
	model_proc_set_limit(f->proc, VM_LIMIT_VMEM, f->map->size);
	check_no_growth(f, KERN_NO_SPACE, START - 1);
	model_proc_set_limit(f->proc, VM_LIMIT_VMEM, 0);
	check_no_growth(f, KERN_NO_SPACE, START - 1);
	check_u64(SEGV_MAPERR, model_user_write(f->proc, START - 1, "", 1));
}

/* The least of several limits counts. */
static void
grw_13_several(void **state)
{
	struct vm_fixture *f = *state;

	stack_make_main(f, SIZE);
	model_proc_set_limit(f->proc, VM_LIMIT_STACK, STEP + 5 * PAGE);
	model_proc_set_limit(f->proc, VM_LIMIT_VMEM, STEP + 3 * PAGE);
	grows(f, START - 1, START - 3 * PAGE);
	model_proc_set_limit(f->proc, VM_LIMIT_VMEM, VM_LIMIT_INFINITY);
	check_no_growth(f, KERN_NO_SPACE, START - 5 * PAGE - 1);
	grows(f, START - 3 * PAGE - 1, START - 5 * PAGE);
}

/* ---- MEMLOCK ---- */

static void
wire_future(struct vm_fixture *f)
{
	vm_map_lock(f->map);
	f->map->flags |= VM_MAP_WIREFUTURE;
	vm_map_unlock(f->map);
}

static void
check_wired(struct vm_fixture *f, vm_offset_t start, vm_offset_t end)
{
	struct pmap_mapping m;

	for (vm_offset_t va = start; va < end; va += PAGE) {
		assert_true(pmap_query(f->pmap, va, &m));
		assert_true(m.wired);
		check_u64(1, m.page->wire_count);
		check_u64(VM_PROT_RW, m.prot);
	}
	check_u64(atop(end - start), pmap_wired_count(f->pmap));
	check_u64(end - start, f->map->user_wired);
	check_u64(1, map_at(f->map, start)->wired_count);
	assert_true(map_at(f->map, start)->eflags & VM_ENTRY_USER_WIRED);
}

static void
grw_15(void **state)
{
	struct vm_fixture *f = *state;
	uint64_t faults;

	stack_make_main(f, SIZE);
	wire_future(f);
	model_user_store(f->proc, START - 1, 1);
	check_stack(f->map, A, START - STEP, TOP, VM_PROT_RW, VM_PROT_ALL);
	check_wired(f, START - STEP, START);
	faults = model_fault_count();
	for (vm_offset_t va = START - STEP; va < START; va += PAGE)
		model_user_store(f->proc, va, 2);
	check_u64(faults, model_fault_count());
	model_user_store(f->proc, START - STEP - 1, 3);
	check_wired(f, START - 2 * STEP, START);
	check_u64(3 * STEP, f->map->size);
	vm_fixture_audit(f);
}

static void
grw_15_limit(void **state)
{
	struct vm_fixture *f = *state;

	stack_make_main(f, SIZE);
	wire_future(f);
	model_proc_set_limit(f->proc, VM_LIMIT_MEMLOCK, 2 * PAGE);
	check_no_growth(f, KERN_NO_SPACE, START - 2 * PAGE - 1);
	check_u64(SEGV_MAPERR, model_user_write(f->proc, START - 2 * PAGE - 1, "", 1));
	/* The rounding gives way to this limit as well. */
	model_user_store(f->proc, START - PAGE - 1, 1);
	check_stack(f->map, A, START - 2 * PAGE, TOP, VM_PROT_RW, VM_PROT_ALL);
	check_wired(f, START - 2 * PAGE, START);
	check_no_growth(f, KERN_NO_SPACE, START - 2 * PAGE - 1);
}

/* Without WIREFUTURE the limit is none of growth's business, even beside wired memory. */
static void
grw_15_unwired(void **state)
{
	struct vm_fixture *f = *state;

	stack_make_main(f, SIZE);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, START, TOP, VM_MAP_WIRE_USER));
	model_proc_set_limit(f->proc, VM_LIMIT_MEMLOCK, 0);
	check_kr(KERN_SUCCESS, vm_map_growstack(f->proc, START - 1));
	check_stack(f->map, A, START - STEP, TOP, VM_PROT_RW, VM_PROT_ALL);
	check_u64(STEP, f->map->user_wired);
	check_u64(0, map_at(f->map, START - 1)->wired_count);
}

/* No page for the wiring: the access fails, the growth stays and is as good as any. */
static void
grw_15_memory(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *grown;

	stack_make_main(f, SIZE);
	wire_future(f);
	map_snapshot_take(f->map); /* the entry for the growth is there */
	model_fail_from(3);
	check_u64(BUS_OOMERR, model_user_write(f->proc, START - 1, "", 1));
	model_fail_off();
	check_stack(f->map, A, START - STEP, TOP, VM_PROT_RW, VM_PROT_ALL);
	check_u64(0, f->map->user_wired);
	check_u64(0, pmap_wired_count(f->pmap));
	vm_fixture_audit(f);
	grown = map_snapshot_take(f->map);
	check_kr(KERN_SUCCESS, vm_map_growstack(f->proc, START - 1));
	check_unchanged(grown, f->map);
	model_user_store(f->proc, START - 1, 1);
}

/* ---- the commit charge ---- */

/* The rounding gives way to the charge, too. */
static void
charge_clamps(void **state)
{
	struct vm_fixture *f = *state;

	stack_make_main(f, SIZE);
	vm_charge_set_limit(vm_charge_used() + PAGE);
	check_no_growth(f, KERN_RESOURCE_SHORTAGE, START - PAGE - 1);
	grows(f, START - 1, START - PAGE);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"GRW-10: the main stack may reach its limit, and no page more", grw_10},
	    {"GRW-10: growth is clamped, not refused, at the STACK limit", grw_10_clamped},
	    {"GRW-11: below a lowered limit nothing grows and nothing is taken away", grw_11},
	    {"GRW-12: a raised limit gives nothing beyond the reservation", grw_12},
	    {"GRW-13: growth is clamped, not refused, at the VMEM limit", grw_13},
	    {"GRW-13: of several limits the least counts", grw_13_several},
	    {"GRW-14: what is needed beyond the VMEM limit is refused", grw_14},
	    {"GRW-15: what grows under WIREFUTURE is resident and wired", grw_15},
	    {"GRW-15: wired growth keeps the MEMLOCK limit, and is clamped to it", grw_15_limit},
	    {"GRW-15: without WIREFUTURE growth is not wired and not limited", grw_15_unwired},
	    {"GRW-15: a wiring that fails, fails the access; the growth stays", grw_15_memory},
	    {"GRW-24: other stacks do not count as the main stack", grw_24},
	    {"GRW-24: other stacks count for the VMEM limit", grw_24_vmem},
	    {"GRW-25: growth is clamped, not refused, at the commit limit", charge_clamps},
	    {"GRW-28: a raised limit counts at once, within the reservation", grw_28},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
