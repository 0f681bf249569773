/* SPDX-License-Identifier: BSD-2-Clause */
/* vm_map_stack: what it refuses, with which code, and that it leaves nothing behind. */
#include "model/memory.h"
#include "model/snapshot.h"
#include "model/stacks.h"
#include "vm/vm_charge.h"

#define PAGE PAGE_SIZE
#define A    STACK_BOTTOM
#define SIZE STACK_SIZE
#define TOP  STACK_TOP

static kern_return_t
make(struct vm_fixture *f, vm_offset_t addr, vm_size_t size)
{
	return vm_map_stack(f->map, addr, size, VM_PROT_RW, VM_PROT_ALL, 0);
}

/* refuse: the stack is refused with this code, and nothing has changed. */
static void
refuse(struct vm_fixture *f, kern_return_t expected, vm_offset_t addr, vm_size_t size)
{
	struct map_snapshot *before = map_snapshot_take(f->map);

	check_kr(expected, make(f, addr, size));
	check_unchanged(before, f->map);
}

static void
unmap(struct vm_fixture *f, vm_offset_t addr, vm_size_t size)
{
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, addr, addr + size));
}

static void
stk_04(void **state)
{
	struct vm_fixture *f = *state;

	map_pages(f->map, A - 4 * PAGE, 4 * PAGE, VM_PROT_RW);
	model_proc_set_limit(f->proc, VM_LIMIT_VMEM, f->map->size + stack_init(SIZE) - PAGE);
	refuse(f, KERN_NO_SPACE, A, SIZE);
	model_proc_set_limit(f->proc, VM_LIMIT_VMEM, 0);
	refuse(f, KERN_NO_SPACE, A, SIZE);
}

static void
stk_06(void **state)
{
	struct vm_fixture *f = *state;

	refuse(f, KERN_NO_SPACE, 0, SIZE);
	refuse(f, KERN_NO_SPACE, MODEL_USER_MIN - PAGE, SIZE);
	check_kr(KERN_SUCCESS, make(f, MODEL_USER_MIN, SIZE));
}

static void
stk_07(void **state)
{
	struct vm_fixture *f = *state;

	refuse(f, KERN_NO_SPACE, MODEL_USER_MAX, SIZE);
	refuse(f, KERN_NO_SPACE, MODEL_USER_MAX + SIZE, SIZE);
	refuse(f, KERN_NO_SPACE, trunc_page(UINT64_MAX), PAGE);
	refuse(f, KERN_NO_SPACE, -A, 2 * A + SIZE); /* and ends in the map */
}

static void
stk_08(void **state)
{
	struct vm_fixture *f = *state;

	refuse(f, KERN_NO_SPACE, A, -A);		     /* ends at 2^64 */
	refuse(f, KERN_NO_SPACE, A, -A + SIZE);		     /* ends in the map, below A */
	refuse(f, KERN_NO_SPACE, A, trunc_page(UINT64_MAX)); /* ends right below A */
}

static void
stk_09(void **state)
{
	struct vm_fixture *f = *state;

	refuse(f, KERN_NO_SPACE, MODEL_USER_MAX - SIZE + PAGE, SIZE);
	refuse(f, KERN_NO_SPACE, A, MODEL_USER_MAX);
	check_kr(KERN_SUCCESS, make(f, MODEL_USER_MAX - SIZE, SIZE));
}

static void
stk_10(void **state)
{
	struct vm_fixture *f = *state;

	map_pages(f->map, A, PAGE, VM_PROT_RW);
	refuse(f, KERN_NO_SPACE, A, SIZE);
	unmap(f, A, PAGE);
	map_guard(f->map, A, PAGE);
	refuse(f, KERN_NO_SPACE, A, SIZE);
	unmap(f, A, PAGE);
	map_pages(f->map, A - PAGE, 2 * PAGE, VM_PROT_NONE);
	refuse(f, KERN_NO_SPACE, A, SIZE);
	unmap(f, A - PAGE, 2 * PAGE);
	check_kr(KERN_SUCCESS, make(f, A - SIZE + PAGE, SIZE)); /* another stack's top page */
	refuse(f, KERN_NO_SPACE, A, SIZE);
	unmap(f, A - SIZE + PAGE, SIZE);
	check_kr(KERN_SUCCESS, make(f, A, SIZE)); /* another stack's gap */
	refuse(f, KERN_NO_SPACE, A, SIZE);
}

static void
stk_11(void **state)
{
	struct vm_fixture *f = *state;
	vm_size_t init = stack_init(SIZE);
	const vm_size_t at[] = {PAGE,	    stack_guard() - PAGE, stack_guard(),
				SIZE / 2,   SIZE - init - PAGE,	  SIZE - init,
				SIZE - PAGE};

	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		map_pages(f->map, A + at[i], PAGE, VM_PROT_READ);
		refuse(f, KERN_NO_SPACE, A, SIZE);
		unmap(f, A + at[i], PAGE);
		map_guard(f->map, A + at[i], PAGE);
		refuse(f, KERN_NO_SPACE, A, SIZE);
		unmap(f, A + at[i], PAGE);
	}
	map_pages(f->map, TOP - PAGE, 2 * PAGE, VM_PROT_RW); /* reaches beyond */
	refuse(f, KERN_NO_SPACE, A, SIZE);
	unmap(f, TOP - PAGE, 2 * PAGE);
	map_pages(f->map, A - PAGE, SIZE + 2 * PAGE, VM_PROT_RW); /* contains it */
	refuse(f, KERN_NO_SPACE, A, SIZE);
}

static void
stk_13(void **state)
{
	refuse(*state, KERN_INVALID_ADDRESS, A, 0);
}

static void
stk_14(void **state)
{
	struct vm_fixture *f = *state;

	refuse(f, KERN_NO_SPACE, A, PAGE);
	refuse(f, KERN_NO_SPACE, A, stack_guard() - PAGE);
	refuse(f, KERN_NO_SPACE, A, stack_guard());
	vm_stack_guard_pages = 1;
	refuse(f, KERN_NO_SPACE, A, PAGE);
	check_kr(KERN_SUCCESS, make(f, A, 2 * PAGE));
	check_u64(PAGE, f->map->size);
}

static void
stk_17(void **state)
{
	struct vm_fixture *f = *state;

	vm_charge_set_limit(vm_charge_used() + stack_init(SIZE) - PAGE);
	refuse(f, KERN_RESOURCE_SHORTAGE, A, SIZE);
	vm_charge_set_limit(vm_charge_used() + stack_init(SIZE));
	check_kr(KERN_SUCCESS, make(f, A, SIZE));
}

/* Every allocation of the call fails once: the entry of the stack, that of the gap. */
static void
stk_17_memory(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before = map_snapshot_take(f->map);
	unsigned failures = 0;
	kern_return_t kr;

	for (uint64_t k = 1;; k++) {
		map_drop_spares(f->map);
		model_fail_after(k);
		kr = make(f, A, SIZE);
		model_fail_off();
		if (model_fail_count() == 0)
			break;
		check_kr(KERN_RESOURCE_SHORTAGE, kr);
		check_unchanged(before, f->map);
		failures++;
	}
	check_kr(KERN_SUCCESS, kr);
	check_u64(2, failures);
}

static void
unaligned(void **state)
{
	struct vm_fixture *f = *state;

	refuse(f, KERN_INVALID_ARGUMENT, A + 1, SIZE);
	refuse(f, KERN_INVALID_ARGUMENT, A, SIZE - 1);
	refuse(f, KERN_INVALID_ARGUMENT, A + PAGE / 2, SIZE - PAGE / 2);
	/* Whatever else there is to say: it cannot hold the guard; something lies there. */
	refuse(f, KERN_INVALID_ARGUMENT, A, PAGE + 1);
	map_pages(f->map, A, PAGE, VM_PROT_RW);
	refuse(f, KERN_INVALID_ARGUMENT, A + 1, SIZE);
}

static void
rights(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before = map_snapshot_take(f->map);

	check_kr(KERN_INVALID_ARGUMENT, vm_map_stack(f->map, A, SIZE, VM_PROT_RW, VM_PROT_READ, 0));
	check_unchanged(before, f->map);
	f->map->flags |= VM_MAP_WXORX;
	before = map_snapshot_take(f->map);
	check_kr(KERN_PROTECTION_FAILURE,
		 vm_map_stack(f->map, A, SIZE, VM_PROT_ALL, VM_PROT_ALL, 0));
	check_unchanged(before, f->map);
	check_kr(KERN_SUCCESS, make(f, A, SIZE));
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"STK-04: over the VMEM limit a stack is refused", stk_04},
	    {"STK-06: a bottom below the map is refused", stk_06},
	    {"STK-07: a bottom at or above the map's end is refused", stk_07},
	    {"STK-08: a reservation that wraps around is refused", stk_08},
	    {"STK-09: a reservation that ends beyond the map is refused, not cut", stk_09},
	    {"STK-10: a mapping, a guard or a gap at the bottom forbids the stack", stk_10},
	    {"STK-11: a page anywhere in the reservation forbids the stack", stk_11},
	    {"STK-13: a size of 0 is an invalid address", stk_13},
	    {"STK-14: a reservation that cannot hold more than the guard is refused", stk_14},
	    {"STK-17: a refused charge leaves nothing behind", stk_17},
	    {"STK-17: whichever allocation fails, nothing is left behind", stk_17_memory},
	    {"STK: unaligned arguments are refused", unaligned},
	    {"STK: prot beyond max, and write with execute under W^X, are refused", rights},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
