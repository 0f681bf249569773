/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every allocation of every operation fails once, in turn.
 *
 * Each case is: prepare, then the operation with the k-th allocation failing, for every k until
 * none fails any more.  The operation succeeds or says what it lacked; the memory it works on keeps
 * its contents; and when that is unmapped nothing is missing.  Once with a single failure, once with
 * all allocations from the k-th on failing.
 */
#include "model/memory.h"
#include "model/mmu.h"
#include "model/snapshot.h"
#include "model/space.h"
#include "model/vm_fixture.h"
#include "vm/vm_charge.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vmspace.h"

#define A     0x100000ul
#define P     PAGE_SIZE
#define PAGES 8
#define END   (A + PAGES * P)

#define STACK	  0x10000000ul
#define STACK_MAX 0x100000ul
#define STACK_TOP (STACK + STACK_MAX)

struct operation {
	void (*prepare)(struct vm_fixture *f);
	kern_return_t (*run)(struct vm_fixture *f);
	/* After a failure or a success, the injection being over. */
	void (*check)(struct vm_fixture *f, kern_return_t kr);
};

static struct proc *other; /* a relative of the process, as far as the case has one */

static void
clean_up(struct vm_fixture *f)
{
	if (other != NULL)
		model_proc_destroy(other);
	other = NULL;
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, MODEL_USER_MIN, MODEL_USER_MAX));
	map_drop_spares(f->map);
}

/* attempt: one run with the k-th allocation failing; false: none failed. */
static bool
attempt(struct vm_fixture *f, const struct operation *op, void (*inject)(uint64_t k), uint64_t k)
{
	struct vm_usage before = vm_usage_read();
	kern_return_t kr;
	bool failed;

	op->prepare(f);
	map_drop_spares(f->map);
	inject(k);
	kr = op->run(f);
	failed = model_fail_count() != 0;
	model_fail_off();
	if (kr != KERN_SUCCESS)
		check_kr(KERN_RESOURCE_SHORTAGE, kr);
	assert_true(kr == KERN_SUCCESS || failed);
	op->check(f, kr);
	vm_fixture_audit(f);
	clean_up(f);
	vm_usage_check(&before);
	return failed;
}

static void
sweep(void **state, const struct operation *op)
{
	uint64_t k;

	clean_up(*state);
	for (k = 1; attempt(*state, op, model_fail_after, k); k++)
		continue;
	/* It did allocate. */
	assert_true(k > 1);
	for (k = 1; attempt(*state, op, model_fail_from, k); k++)
		continue;
}

/* Preparations. */

static void
fresh(struct vm_fixture *f)
{
	space_map(f->map, A, PAGES * P, VM_PROT_RW, VM_PROT_ALL, 0);
}

static void
filled(struct vm_fixture *f)
{
	fresh(f);
	space_fill(f->proc, A, PAGES, 1);
}

static void
forked(struct vm_fixture *f)
{
	filled(f);
	other = model_proc_fork(f->proc);
}

static void
wired_read_only(struct vm_fixture *f)
{
	filled(f);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, END, VM_PROT_READ, FALSE));
	other = model_proc_fork(f->proc);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, END, VM_MAP_WIRE_USER));
}

static void
stack(struct vm_fixture *f)
{
	check_kr(KERN_SUCCESS, vm_map_stack(f->map, STACK, STACK_MAX, VM_PROT_RW, VM_PROT_ALL, 0));
	model_user_store(f->proc, STACK_TOP - 1, 9);
}

static void
stack_changed(struct vm_fixture *f)
{
	stack(f);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, STACK_TOP - vm_sgrowsiz,
					      STACK_TOP - vm_sgrowsiz + P, VM_PROT_READ, FALSE));
}

static void
wired(struct vm_fixture *f)
{
	filled(f);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, END, VM_MAP_WIRE_USER));
}

/* text: read-only pages of an object, which nobody is charged for. */
static struct vm_object *source;

static void
text(struct vm_fixture *f)
{
	source = space_object(PAGES, 1);
	space_map_object(f->map, source, A, VM_PROT_READ, VM_PROT_ALL, MAP_COPY_ON_WRITE);
	check_u64(0, vm_charge_used());
}

static void
nothing(struct vm_fixture *f)
{
	(void)f;
}

/* Checks. */

static void
readable(struct vm_fixture *f, kern_return_t kr)
{
	(void)kr;
	for (vm_offset_t va = A; va < END; va += P)
		check_u64(0, model_user_load(f->proc, va));
}

static void
first_stored(struct vm_fixture *f, kern_return_t kr)
{
	check_u64(kr == KERN_SUCCESS ? 100 : 0, model_user_load(f->proc, A));
	check_u64(0, model_user_load(f->proc, A + P));
}

static void
first_copied(struct vm_fixture *f, kern_return_t kr)
{
	check_u64(kr == KERN_SUCCESS ? 100 : 1, model_user_load(f->proc, A));
	check_fill(f->proc, A + P, PAGES - 1, 2);
	check_fill(other, A, PAGES, 1);
}

static void
inserted(struct vm_fixture *f, kern_return_t kr)
{
	check_u64(kr == KERN_SUCCESS ? PAGES * P : 0, f->map->size);
	check_u64(f->map->size, vm_charge_used());
	if (kr == KERN_SUCCESS)
		readable(f, kr);
	else
		check_hole(f->map, A, END);
}

/* The copy is charged if it was made, or at least begun. */
static void
debugged(struct vm_fixture *f, kern_return_t kr)
{
	bool shadowed = space_entry(f->map, A)->object != source;

	check_fill(f->proc, A, PAGES, 1);
	assert_true(shadowed || kr != KERN_SUCCESS);
	check_u64(shadowed ? PAGES * P : 0, vm_charge_used());
	vm_object_deallocate(source);
}

/* middle_has: the middle has these rights after a success, the rest as before. */
static void
middle_has(struct vm_fixture *f, kern_return_t kr, vm_prot_t before, vm_prot_t after)
{
	check_rights(f->map, A, A + P, before, VM_PROT_ALL);
	check_rights(f->map, A + P, END - P, kr == KERN_SUCCESS ? after : before, VM_PROT_ALL);
	check_rights(f->map, END - P, END, before, VM_PROT_ALL);
	check_fill(f->proc, A, PAGES, 1);
}

static void
middle_read_only(struct vm_fixture *f, kern_return_t kr)
{
	middle_has(f, kr, VM_PROT_RW, VM_PROT_READ);
}

/* What is wired still is, and its pages are the process's own once it may write. */
static void
middle_writable(struct vm_fixture *f, kern_return_t kr)
{
	middle_has(f, kr, VM_PROT_READ, VM_PROT_RW);
	check_u64(PAGES * P, f->map->user_wired);
	for (vm_offset_t va = A; va < END; va += P)
		check_u64(1, space_mapped(f->map, va)->wire_count);
	if (kr == KERN_SUCCESS)
		space_fill(f->proc, A + P, PAGES - 2, 70);
	check_fill(other, A, PAGES, 1);
}

static void
middle_shared(struct vm_fixture *f, kern_return_t kr)
{
	vm_inherit_t inheritance = kr == KERN_SUCCESS ? VM_INHERIT_SHARE : VM_INHERIT_COPY;

	check_u64(VM_INHERIT_COPY, space_entry(f->map, A)->inheritance);
	check_u64(inheritance, space_entry(f->map, A + P)->inheritance);
	check_u64(inheritance, space_entry(f->map, END - P - 1)->inheritance);
	check_u64(VM_INHERIT_COPY, space_entry(f->map, END - P)->inheritance);
	check_fill(f->proc, A, PAGES, 1);
}

/* check_wirings: so many of the 8 pages are wired by the user. */
static void
check_wirings(struct vm_fixture *f, size_t pages)
{
	size_t n = 0;

	for (vm_offset_t va = A; va < END; va += P)
		n += space_mapped(f->map, va) != NULL ? space_mapped(f->map, va)->wire_count : 0;
	check_u64(pages, n);
	check_u64(ptoa(pages), f->map->user_wired);
	check_u64(pages, pmap_wired_count(f->pmap));
	check_fill(f->proc, A, PAGES, 1);
}

static void
middle_wired(struct vm_fixture *f, kern_return_t kr)
{
	check_wirings(f, kr == KERN_SUCCESS ? PAGES - 2 : 0);
}

static void
middle_unwired(struct vm_fixture *f, kern_return_t kr)
{
	check_wirings(f, kr == KERN_SUCCESS ? 2 : PAGES);
}

static void
middle_removed(struct vm_fixture *f, kern_return_t kr)
{
	if (kr != KERN_SUCCESS) {
		check_fill(f->proc, A, PAGES, 1);
		return;
	}
	check_hole(f->map, A + P, END - P);
	check_u64(1, model_user_load(f->proc, A));
	check_u64(PAGES, model_user_load(f->proc, END - P));
	check_u64(2 * P, vm_charge_used());
}

static void
stack_made(struct vm_fixture *f, kern_return_t kr)
{
	if (kr == KERN_SUCCESS)
		model_user_store(f->proc, STACK_TOP - 1, 0);
	else
		check_hole(f->map, STACK, STACK_TOP);
}

static void
stack_grows(struct vm_fixture *f, kern_return_t kr)
{
	check_u64((kr == KERN_SUCCESS ? 3 : 1) * vm_sgrowsiz, f->map->size);
	check_u64(9, model_user_load(f->proc, STACK_TOP - 1));
	model_user_store(f->proc, STACK_TOP - 3 * vm_sgrowsiz, 8);
	check_u64(9, model_user_load(f->proc, STACK_TOP - 1));
}

static void
middle_not_dumped(struct vm_fixture *f, kern_return_t kr)
{
	uint32_t flag = kr == KERN_SUCCESS ? VM_ENTRY_NOCOREDUMP : 0;

	check_u64(0, space_entry(f->map, A)->eflags & VM_ENTRY_NOCOREDUMP);
	check_u64(flag, space_entry(f->map, A + P)->eflags & VM_ENTRY_NOCOREDUMP);
	check_u64(flag, space_entry(f->map, END - P - 1)->eflags & VM_ENTRY_NOCOREDUMP);
	check_u64(0, space_entry(f->map, END - P)->eflags & VM_ENTRY_NOCOREDUMP);
	check_fill(f->proc, A, PAGES, 1);
}

static void
middle_discarded(struct vm_fixture *f, kern_return_t kr)
{
	for (size_t i = 0; i < PAGES; i++)
		check_u64(kr == KERN_SUCCESS && i > 0 && i < PAGES - 1 ? 0 : i + 1,
			  model_user_load(f->proc, A + ptoa(i)));
	check_fill(other, A, PAGES, 1);
}

#define B (END + PAGES * P)

/* moved: four pages from the middle lie at B, and behind them two new ones; or all is where it was. */
static void
moved(struct vm_fixture *f, kern_return_t kr)
{
	vm_offset_t middle = kr == KERN_SUCCESS ? B : A + 2 * P;

	check_fill(f->proc, A, 2, 1);
	check_fill(f->proc, middle, 4, 3);
	check_fill(f->proc, A + 6 * P, 2, 7);
	if (kr == KERN_SUCCESS) {
		check_hole(f->map, A + 2 * P, A + 6 * P);
		check_u64(0, model_user_load(f->proc, B + 5 * P));
	} else {
		check_hole(f->map, B, B + 6 * P);
	}
	if (other != NULL)
		check_fill(other, A, PAGES, 1);
}

static void
moved_wired(struct vm_fixture *f, kern_return_t kr)
{
	uint64_t pages = kr == KERN_SUCCESS ? PAGES + 2 : PAGES;

	check_u64(ptoa(pages), f->map->user_wired);
	check_u64(pages, pmap_wired_count(f->pmap));
	moved(f, kr);
}

static void
grown_wired(struct vm_fixture *f, kern_return_t kr)
{
	uint64_t pages = kr == KERN_SUCCESS ? PAGES + 2 : PAGES;

	check_u64(ptoa(pages), f->map->user_wired);
	check_u64(pages, pmap_wired_count(f->pmap));
	check_fill(f->proc, A, PAGES, 1);
	if (kr == KERN_SUCCESS)
		check_u64(0, model_user_load(f->proc, END + P));
	else
		check_hole(f->map, END, END + 2 * P);
}

/* Advice is not an order: what could not be mapped comes by a fault. */
static void
all_there(struct vm_fixture *f, kern_return_t kr)
{
	check_kr(KERN_SUCCESS, kr);
	check_fill(f->proc, A, PAGES, 1);
}

/* Operations. */

static kern_return_t
store_first(struct vm_fixture *f)
{
	kern_return_t kr = vm_fault(f->map, A, VM_PROT_WRITE, VM_FAULT_NORMAL);
	uint8_t byte = 100;

	if (kr == KERN_SUCCESS)
		assert_true(model_access(f->pmap, A, VM_PROT_WRITE, &byte));
	return kr;
}

static kern_return_t
load_first(struct vm_fixture *f)
{
	return vm_fault(f->map, A, VM_PROT_READ, VM_FAULT_NORMAL);
}

static kern_return_t
debug_first(struct vm_fixture *f)
{
	return vm_fault(f->map, A, VM_PROT_READ | VM_PROT_COPY, VM_FAULT_NOGROW);
}

static kern_return_t
insert(struct vm_fixture *f)
{
	return space_insert(f->map, NULL, 0, A, END, VM_PROT_RW, VM_PROT_ALL, 0);
}

static kern_return_t
protect_middle(struct vm_fixture *f)
{
	return vm_map_protect(f->map, A + P, END - P, VM_PROT_READ, FALSE);
}

static kern_return_t
protect_wired(struct vm_fixture *f)
{
	return vm_map_protect(f->map, A + P, END - P, VM_PROT_RW, FALSE);
}

static kern_return_t
inherit_middle(struct vm_fixture *f)
{
	return vm_map_inherit(f->map, A + P, END - P, VM_INHERIT_SHARE);
}

static kern_return_t
wire_middle(struct vm_fixture *f)
{
	return vm_map_wire(f->map, A + P, END - P, VM_MAP_WIRE_USER);
}

static kern_return_t
unwire_middle(struct vm_fixture *f)
{
	return vm_map_unwire(f->map, A + P, END - P, VM_MAP_WIRE_USER);
}

static kern_return_t
remove_middle(struct vm_fixture *f)
{
	return vm_map_remove(f->map, A + P, END - P);
}

static kern_return_t
advise_middle(struct vm_fixture *f)
{
	return vm_map_madvise(f->map, A + P, END - P, VM_ADVICE_NOCORE);
}

static kern_return_t
will_need(struct vm_fixture *f)
{
	pmap_drop(f->pmap);
	return vm_map_madvise(f->map, A, END, VM_ADVICE_WILLNEED);
}

static kern_return_t
discard_middle(struct vm_fixture *f)
{
	return vm_map_discard(f->map, A + P, END - P);
}

static kern_return_t
move_middle(struct vm_fixture *f)
{
	vm_offset_t addr = B;

	return vm_map_move(f->map, A + 2 * P, 4 * P, 6 * P, &addr, VM_MAP_MOVE_FIXED);
}

static kern_return_t
grow_in_place(struct vm_fixture *f)
{
	vm_offset_t addr = 0;

	return vm_map_move(f->map, A, END - A, END - A + 2 * P, &addr, 0);
}

static kern_return_t
make_stack(struct vm_fixture *f)
{
	return vm_map_stack(f->map, STACK, STACK_MAX, VM_PROT_RW, VM_PROT_ALL, 0);
}

static kern_return_t
grow(struct vm_fixture *f)
{
	return vm_map_growstack(f->proc, STACK_TOP - 3 * vm_sgrowsiz);
}

/* Tests. */

static void
fault_zero(void **state)
{
	static const struct operation op = {fresh, store_first, first_stored};

	sweep(state, &op);
}

static void
fault_read(void **state)
{
	static const struct operation op = {fresh, load_first, readable};

	sweep(state, &op);
}

static void
fault_copy(void **state)
{
	static const struct operation op = {forked, store_first, first_copied};

	sweep(state, &op);
}

static void
fault_debugger(void **state)
{
	static const struct operation op = {text, debug_first, debugged};

	sweep(state, &op);
}

static void
insertion(void **state)
{
	static const struct operation op = {nothing, insert, inserted};

	sweep(state, &op);
}

static void
protection(void **state)
{
	static const struct operation op = {filled, protect_middle, middle_read_only};

	sweep(state, &op);
}

static void
protection_wired(void **state)
{
	static const struct operation op = {wired_read_only, protect_wired, middle_writable};

	sweep(state, &op);
}

static void
inheritance(void **state)
{
	static const struct operation op = {filled, inherit_middle, middle_shared};

	sweep(state, &op);
}

static void
wiring(void **state)
{
	static const struct operation op = {filled, wire_middle, middle_wired};

	sweep(state, &op);
}

static void
wiring_copies(void **state)
{
	static const struct operation op = {forked, wire_middle, middle_wired};

	sweep(state, &op);
}

static void
unwiring(void **state)
{
	static const struct operation op = {wired, unwire_middle, middle_unwired};

	sweep(state, &op);
}

static void
removal(void **state)
{
	static const struct operation op = {filled, remove_middle, middle_removed};

	sweep(state, &op);
}

static void
advice(void **state)
{
	static const struct operation op = {filled, advise_middle, middle_not_dumped};

	sweep(state, &op);
}

static void
advice_to_map(void **state)
{
	static const struct operation op = {filled, will_need, all_there};

	sweep(state, &op);
}

static void
discarding(void **state)
{
	static const struct operation op = {forked, discard_middle, middle_discarded};

	sweep(state, &op);
}

static void
moving(void **state)
{
	static const struct operation op = {filled, move_middle, moved};

	sweep(state, &op);
}

static void
moving_copy(void **state)
{
	static const struct operation op = {forked, move_middle, moved};

	sweep(state, &op);
}

static void
moving_wired(void **state)
{
	static const struct operation op = {wired, move_middle, moved_wired};

	sweep(state, &op);
}

static void
growing_wired(void **state)
{
	static const struct operation op = {wired, grow_in_place, grown_wired};

	sweep(state, &op);
}

static void
stack_creation(void **state)
{
	static const struct operation op = {nothing, make_stack, stack_made};

	sweep(state, &op);
}

static void
stack_growth(void **state)
{
	static const struct operation op = {stack_changed, grow, stack_grows};

	sweep(state, &op);
}

/* Whole entries go without any memory. */
static void
removal_of_all(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_usage before = vm_usage_read();

	wired_read_only(f);
	stack(f);
	space_map(f->map, END, P, VM_PROT_RW, VM_PROT_ALL, 0);
	map_drop_spares(f->map);
	model_fail_from(1);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, END + P));
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, STACK, STACK_TOP));
	model_proc_destroy(other);
	check_u64(0, model_fail_count());
	model_fail_off();
	other = NULL;
	vm_usage_check(&before);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"OOM: a store to untouched memory", fault_zero},
	    {"OOM: a load from untouched memory", fault_read},
	    {"OOM: a store to memory that is to be copied", fault_copy},
	    {"OOM: a debugger's store to text", fault_debugger},
	    {"OOM: vm_map_insert", insertion},
	    {"OOM: vm_map_protect", protection},
	    {"OOM: vm_map_protect that copies wired pages", protection_wired},
	    {"OOM: vm_map_inherit", inheritance},
	    {"OOM: vm_map_wire", wiring},
	    {"OOM: vm_map_wire of memory that is to be copied", wiring_copies},
	    {"OOM: vm_map_unwire", unwiring},
	    {"OOM: vm_map_remove that cuts an entry", removal},
	    {"OOM: vm_map_madvise that cuts an entry", advice},
	    {"OOM: vm_map_madvise that maps pages", advice_to_map},
	    {"OOM: vm_map_discard of memory that is to be copied", discarding},
	    {"OOM: vm_map_move of a part, which grows", moving},
	    {"OOM: vm_map_move of memory that is to be copied", moving_copy},
	    {"OOM: vm_map_move of wired memory, which grows", moving_wired},
	    {"OOM: vm_map_move of wired memory that grows in place", growing_wired},
	    {"OOM: vm_map_stack", stack_creation},
	    {"OOM: vm_map_growstack that needs an entry", stack_growth},
	    {"OOM: whole entries are removed without any memory", removal_of_all},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
