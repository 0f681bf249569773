/* SPDX-License-Identifier: BSD-2-Clause */
/* Stacks that live: changed attributes and forks. */
#include "model/memory.h"
#include "model/stacks.h"
#include "vm/pmap.h"
#include "vm/vm_charge.h"
#include "vm/vm_object.h"
#include "vm/vmspace.h"

#define PAGE  PAGE_SIZE
#define A     STACK_BOTTOM
#define SIZE  STACK_SIZE
#define TOP   STACK_TOP
#define STEP  vm_sgrowsiz
#define START (TOP - STEP) /* of a new stack */

#define VM_PROT_RX (VM_PROT_READ | VM_PROT_EXECUTE)

static void
protect(struct vm_fixture *f, vm_offset_t start, vm_offset_t end, vm_prot_t prot)
{
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, start, end, prot, FALSE));
}

/* ---- attributes ---- */

static void
grw_16(void **state)
{
	struct vm_fixture *f = *state;
	const struct vm_map_entry *new;

	stack_make_main(f, SIZE);
	model_user_store(f->proc, START, 1);
	protect(f, START, START + PAGE, VM_PROT_NONE);
	model_user_store(f->proc, START - 1, 2);
	check_stack(f->map, A, START - STEP, TOP, VM_PROT_RW, VM_PROT_ALL);
	new = map_at(f->map, START - 1);
	check_u64(START, new->end);
	check_u64(VM_ENTRY_GROWS_DOWN | VM_ENTRY_CHARGED, new->eflags);
	check_u64(VM_INHERIT_COPY, new->inheritance);
	check_u64(VM_PROT_NONE, map_at(f->map, START)->protection);
	check_u64(START + PAGE, map_at(f->map, START)->end);
	check_u64(SEGV_ACCERR, model_user_write(f->proc, START, "", 1));
	protect(f, START, START + PAGE, VM_PROT_READ);
	check_u64(1, model_user_load(f->proc, START));
	check_u64(2, model_user_load(f->proc, START - 1));
	/* The new entry is the stack now: growth goes on in it. */
	model_user_store(f->proc, START - STEP - 1, 3);
	check_u64(START - 2 * STEP, map_at(f->map, START - 1)->start);
	check_u64(3 * STEP, f->map->size);
	check_u64(3 * STEP, vm_charge_used());
	check_u64(atop(3 * STEP), f->vmspace->vm_ssize);
}

/* Whatever else the lowest part was given: what grows has the creation values. */
static void
grw_16_other(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t low = START;

	stack_make_main(f, SIZE);
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, low, low + PAGE, VM_INHERIT_NONE));
	model_user_store(f->proc, low - 1, 1);
	check_u64(VM_INHERIT_COPY, map_at(f->map, low - 1)->inheritance);
	low -= STEP;
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, low, low + PAGE, VM_PROT_RW, TRUE));
	model_user_store(f->proc, low - 1, 2);
	check_u64(VM_PROT_ALL, map_at(f->map, low - 1)->max_protection);
	low -= STEP;
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, low, low + PAGE, VM_MAP_WIRE_USER));
	model_user_store(f->proc, low - 1, 3);
	check_u64(0, map_at(f->map, low - 1)->wired_count);
	check_u64(PAGE, f->map->user_wired);
	low -= STEP;
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, low, low + PAGE, VM_MAP_WIRE_SYSTEM));
	model_user_store(f->proc, low - 1, 4);
	check_u64(0, map_at(f->map, low - 1)->wired_count);
	check_kr(KERN_SUCCESS, vm_map_unwire(f->map, low, low + PAGE, VM_MAP_WIRE_SYSTEM));
	check_stack(f->map, A, low - STEP, TOP, VM_PROT_RW, VM_PROT_ALL);
	check_u64(TOP - low + STEP, vm_charge_used());
}

static void
grw_17(void **state)
{
	struct vm_fixture *f = *state;

	stack_make_main(f, SIZE);
	protect(f, A, TOP, VM_PROT_ALL);
	model_user_store(f->proc, START - 1, 1);
	check_stack(f->map, A, START - STEP, TOP, VM_PROT_ALL, VM_PROT_ALL);
	check_u64(1, stack_entries(f->map, TOP));
	check_u64(MODEL_OK, model_user_fetch(f->proc, START - STEP));
	model_user_store(f->proc, START - 2 * STEP, 1);
	check_u64(MODEL_OK, model_user_fetch(f->proc, START - 2 * STEP));
	protect(f, A, TOP, VM_PROT_READ);
	check_u64(SEGV_ACCERR, model_user_write(f->proc, START - 2 * STEP - 1, "", 1));
	check_stack(f->map, A, START - 3 * STEP, TOP, VM_PROT_READ, VM_PROT_ALL);
	check_u64(SEGV_ACCERR, model_user_fetch(f->proc, START - 2 * STEP - 1));
}

/* set_max over all of it: the stored rights shrink as those of the stack do. */
static void
grw_17_max(void **state)
{
	struct vm_fixture *f = *state;

	stack_make_main(f, SIZE);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, TOP, VM_PROT_RX, TRUE));
	check_kr(KERN_SUCCESS, vm_map_growstack(f->proc, START - 1));
	check_stack(f->map, A, START - STEP, TOP, VM_PROT_READ, VM_PROT_RX);
	check_kr(KERN_PROTECTION_FAILURE, vm_map_protect(f->map, A, TOP, VM_PROT_RW, FALSE));
}

static void
grw_18(void **state)
{
	struct vm_fixture *f = *state;
	vm_size_t size = stack_guard() + 65 * STEP;
	vm_offset_t top = A + size;
	unsigned levels = 0;

	stack_make_main(f, size);
	for (vm_offset_t va = top - PAGE; va >= A + stack_guard(); va -= PAGE) {
		vm_offset_t before = stack_start(f->map, top);

		model_user_store(f->proc, va, (uint8_t)(3 * atop(va)));
		levels += stack_start(f->map, top) != before;
	}
	check_u64(64, levels);
	check_u64(1, stack_entries(f->map, top));
	check_u64(2, f->map->nentries);
	check_u64(1, vm_object_count());
	check_u64(65 * STEP, vm_charge_used());
	pmap_drop(f->pmap);
	for (vm_offset_t va = top - PAGE; va >= A + stack_guard(); va -= PAGE)
		check_u64((uint8_t)(3 * atop(va)), model_user_load(f->proc, va));
}

/* One entry more for each change of the lowest page, not for each step. */
static void
grw_18_changes(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t low = START;

	stack_make_main(f, 8 * SIZE);
	low = A + 8 * SIZE - STEP;
	for (unsigned change = 1; change <= 8; change++) {
		protect(f, low, low + PAGE, VM_PROT_READ);
		protect(f, low, low + PAGE, VM_PROT_RW);
		for (int level = 0; level < 4; level++, low -= STEP)
			model_user_store(f->proc, low - 1, (uint8_t)change);
		check_u64(1 + change, stack_entries(f->map, A + 8 * SIZE));
	}
	for (unsigned change = 8; change >= 1; change--)
		for (int level = 0; level < 4; level++) {
			check_u64(change, model_user_load(f->proc, low + STEP - 1));
			low += STEP;
		}
}

static void
grw_27(void **state)
{
	struct vm_fixture *f = *state;

	stack_make_main(f, SIZE);
	model_user_store(f->proc, TOP - 1, 1);
	protect(f, START - PAGE, TOP, VM_PROT_READ);
	check_u64(A, map_at(f->map, START - 1)->start);
	check_u64(START, map_at(f->map, START - 1)->end);
	check_u64(VM_PROT_READ, map_at(f->map, START)->protection);
	check_u64(SEGV_ACCERR, model_user_write(f->proc, TOP - 1, "", 1));
	model_user_store(f->proc, START - 1, 2);
	check_stack(f->map, A, START - STEP, TOP, VM_PROT_RW, VM_PROT_ALL);
	check_u64(VM_PROT_READ, map_at(f->map, START)->protection);
	check_u64(1, model_user_load(f->proc, TOP - 1));
}

/* Inheritance and max likewise; and a range that ends inside the gap. */
static void
grw_27_others(void **state)
{
	struct vm_fixture *f = *state;

	map_pages(f->map, A - PAGE, PAGE, VM_PROT_RW);
	stack_make_main(f, SIZE);
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, START - PAGE, TOP, VM_INHERIT_SHARE));
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A - PAGE, A + PAGE, VM_PROT_READ, TRUE));
	check_u64(VM_PROT_READ, map_at(f->map, A - PAGE)->max_protection);
	model_user_store(f->proc, START - 1, 2);
	check_stack(f->map, A, START - STEP, TOP, VM_PROT_RW, VM_PROT_ALL);
	check_u64(VM_INHERIT_COPY, map_at(f->map, START - 1)->inheritance);
	check_u64(VM_INHERIT_SHARE, map_at(f->map, START)->inheritance);
}

/* ---- forks ---- */

static struct proc *
fork_child(struct vm_fixture *f)
{
	return model_proc_fork(f->proc);
}

static void
grw_22(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;
	struct vmspace *vm;
	vm_offset_t low = START - STEP;

	stack_make_main(f, SIZE);
	model_user_store(f->proc, TOP - 1, 1);
	model_user_store(f->proc, low, 2);
	child = fork_child(f);
	vm = proc_vmspace(child);
	check_u64(f->vmspace->vm_ssize, vm->vm_ssize);
	check_u64(f->vmspace->vm_maxsaddr, vm->vm_maxsaddr);
	check_u64(f->vmspace->vm_stacktop, vm->vm_stacktop);
	check_stack(&vm->vm_map, A, low, TOP, VM_PROT_RW, VM_PROT_ALL);

	model_user_store(child, low - 1, 3);
	check_u64(0, model_user_load(f->proc, low - 1));
	model_user_store(f->proc, low - 2 * STEP, 4);
	model_user_store(child, low - STEP, 5);
	check_stack(&vm->vm_map, A, low - STEP, TOP, VM_PROT_RW, VM_PROT_ALL);
	check_stack(f->map, A, low - 2 * STEP, TOP, VM_PROT_RW, VM_PROT_ALL);
	check_u64(atop(3 * STEP), vm->vm_ssize);
	check_u64(atop(4 * STEP), f->vmspace->vm_ssize);
	check_u64(7 * STEP, vm_charge_used());
	model_user_store(child, TOP - 1, 6);
	check_u64(1, model_user_load(f->proc, TOP - 1));
	check_u64(2, model_user_load(child, low));
	check_u64(3, model_user_load(child, low - 1));
	check_u64(0, model_user_load(f->proc, low - 1));
	check_u64(0, model_user_load(f->proc, low - STEP));
	check_u64(5, model_user_load(child, low - STEP));
	model_proc_destroy(child);
	check_u64(4, model_user_load(f->proc, low - 2 * STEP));
	check_u64(1, stack_entries(f->map, TOP));
}

/* The child's growth keeps the child's limit and the guard. */
static void
grw_22_limits(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	stack_make_main(f, SIZE);
	child = fork_child(f);
	model_proc_set_limit(child, VM_LIMIT_STACK, 2 * STEP);
	check_kr(KERN_NO_SPACE, vm_map_growstack(child, START - STEP - 1));
	check_kr(KERN_SUCCESS, vm_map_growstack(f->proc, START - STEP - 1));
	model_proc_set_limit(child, VM_LIMIT_STACK, VM_LIMIT_INFINITY);
	check_kr(KERN_NO_SPACE, vm_map_growstack(child, A + stack_guard() - 1));
	check_kr(KERN_SUCCESS, vm_map_growstack(child, A + stack_guard()));
	check_stack(model_proc_map(child), A, A + stack_guard(), TOP, VM_PROT_RW, VM_PROT_ALL);
	check_stack(f->map, A, START - 2 * STEP, TOP, VM_PROT_RW, VM_PROT_ALL);
	model_proc_destroy(child);
}

/* first_shown: the page from which on the stack's object can be seen. */
static vm_pindex_t
first_shown(vm_map_t map)
{
	return map_at(map, TOP - 1)->object->first;
}

static vm_pindex_t
page_of(vm_offset_t va)
{
	return atop(va - A);
}

/* fork_and_copy: a child came and went; in between f has made its copy of the stack's top. */
static void
fork_and_copy(struct vm_fixture *f)
{
	struct proc *child = fork_child(f);

	model_user_store(f->proc, TOP - 1, 2);
	model_proc_destroy(child);
	check_u64(page_of(START), first_shown(f->map));
}

/* What the copy shows is known to collapses and to those who free pages. */
static void
grw_22_copied(void **state)
{
	struct vm_fixture *f = *state;

	stack_make_main(f, SIZE);
	model_user_store(f->proc, TOP - 1, 1);
	fork_and_copy(f);
	check_kr(KERN_SUCCESS, vm_map_growstack(f->proc, START - 1));
	check_u64(1, stack_entries(f->map, TOP));
	check_u64(page_of(START - STEP), first_shown(f->map));
}

/* The child has grown by more, and shows the same object there. */
static void
grw_22_further(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	stack_make_main(f, SIZE);
	model_user_store(f->proc, TOP - 1, 1);
	fork_and_copy(f);
	child = fork_child(f);
	check_kr(KERN_SUCCESS, vm_map_growstack(child, START - 3 * STEP));
	check_kr(KERN_SUCCESS, vm_map_growstack(f->proc, START - STEP));
	check_u64(1, stack_entries(model_proc_map(child), TOP));
	check_u64(1, stack_entries(f->map, TOP));
	assert_ptr_equal(map_at(f->map, TOP - 1)->object,
			 map_at(model_proc_map(child), TOP - 1)->object);
	check_u64(page_of(START - 3 * STEP), first_shown(f->map));
	model_proc_destroy(child);
}

/* make_shared: a stack that a fork shares, and for which nothing is charged. */
static void
make_shared(struct vm_fixture *f, vm_prot_t prot, int cow)
{
	check_kr(KERN_SUCCESS, vm_map_stack(f->map, A, SIZE, prot, VM_PROT_ALL, cow));
	check_u64(0, model_user_load(f->proc, TOP - 1));
}

/* What it grows by is its own, or it would have to be charged to what both show. */
static void
grw_22_shared(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	make_shared(f, VM_PROT_READ, MAP_INHERIT_SHARE);
	child = fork_child(f);
	check_kr(KERN_SUCCESS, vm_map_growstack(f->proc, START - 1));
	check_u64(2, stack_entries(f->map, TOP));
	model_proc_destroy(child);
	check_kr(KERN_SUCCESS, vm_map_growstack(f->proc, START - STEP - 1));
	check_u64(2, stack_entries(f->map, TOP));
	check_u64(0, vm_charge_used());
	protect(f, START - 2 * STEP, TOP, VM_PROT_RW);
	check_u64(3 * STEP, vm_charge_used());
}

/* The others have gone, but its object still counts as shared. */
static void
grw_22_shared_once(void **state)
{
	struct vm_fixture *f = *state;

	make_shared(f, VM_PROT_READ, MAP_INHERIT_SHARE);
	model_proc_destroy(fork_child(f));
	check_kr(KERN_SUCCESS, vm_map_growstack(f->proc, START - 1));
	check_u64(2, stack_entries(f->map, TOP));
	protect(f, START - STEP, TOP, VM_PROT_RW);
	check_u64(2 * STEP, vm_charge_used());
}

/* An object that is not continued is not shown further down either. */
static void
grw_22_not_shown(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	make_shared(f, VM_PROT_RW, MAP_ACC_NO_CHARGE);
	model_user_store(f->proc, TOP - 1, 1);
	fork_and_copy(f);
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A, TOP, VM_INHERIT_SHARE));
	child = fork_child(f);
	check_kr(KERN_SUCCESS, vm_map_growstack(f->proc, START - 1));
	check_u64(2, stack_entries(f->map, TOP));
	check_u64(page_of(START), first_shown(f->map));
	model_proc_destroy(child);
}

/* A fork that failed has left nothing that keeps the stack from growing as before. */
static void
grw_22_failed(void **state)
{
	struct vm_fixture *f = *state;
	struct vmspace *vm = NULL;
	vm_offset_t low = START;
	unsigned failures = 0;
	kern_return_t kr;

	stack_make_main(f, 2 * SIZE);
	low += SIZE;
	model_user_store(f->proc, low, 1);
	map_pages(f->map, A + 2 * SIZE, PAGE, VM_PROT_RW);
	for (uint64_t k = 1;; k++) {
		model_fail_after(k);
		kr = vmspace_fork(f->vmspace, &vm);
		model_fail_off();
		if (kr == KERN_SUCCESS)
			break;
		low -= PAGE;
		check_kr(KERN_SUCCESS, vm_map_growstack(f->proc, low));
		low = stack_start(f->map, A + 2 * SIZE);
		check_u64(1, stack_entries(f->map, A + 2 * SIZE));
		failures++;
	}
	assert_true(failures > 1);
	vmspace_free(vm);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"GRW-16: below a page without access a stack grows with its creation rights", grw_16},
	    {"GRW-16: so it does below other inheritance, lower max, wired pages", grw_16_other},
	    {"GRW-17: protect over all of the reservation counts for what grows", grw_17},
	    {"GRW-17: so does a lowered max", grw_17_max},
	    {"GRW-18: 64 levels deep: every page intact, one entry", grw_18},
	    {"GRW-18: one entry more for each change of the lowest page", grw_18_changes},
	    {"GRW-22: after a fork parent and child grow by themselves", grw_22},
	    {"GRW-22: each within its own limits, both above the guard", grw_22_limits},
	    {"GRW-22: what was copied after a fork grows in its object, shown from there on",
	     grw_22_copied},
	    {"GRW-22: who grows by less hides nothing from who grew by more", grw_22_further},
	    {"GRW-22: what a shared stack grows by is its own, and charged once written to",
	     grw_22_shared},
	    {"GRW-22: likewise when the others have gone", grw_22_shared_once},
	    {"GRW-22: after a fork that failed the stack grows in its entry", grw_22_failed},
	    {"GRW-22: a shared object is not shown further down", grw_22_not_shown},
	    {"GRW-27: protect from inside the gap leaves the gap whole and the stack growing",
	     grw_27},
	    {"GRW-27: so do inherit, set_max, and a range that ends in the gap", grw_27_others},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
