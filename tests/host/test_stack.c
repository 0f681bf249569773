/* SPDX-License-Identifier: BSD-2-Clause */
/* vm_map_stack: what it makes.  What it refuses is in test_stack_refused.c. */
#include "model/memory_fixture.h"
#include "model/snapshot.h"
#include "model/stacks.h"
#include "model/thread.h"
#include "vm/pmap.h"
#include "vm/vm_charge.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"
#include "vm/vmspace.h"

#define PAGE PAGE_SIZE
#define A    STACK_BOTTOM
#define SIZE STACK_SIZE
#define TOP  STACK_TOP

static kern_return_t
make(struct vm_fixture *f, vm_offset_t addr, vm_size_t size)
{
	return vm_map_stack(f->map, addr, size, VM_PROT_RW, VM_PROT_ALL, 0);
}

static void
unmap(struct vm_fixture *f, vm_offset_t addr, vm_size_t size)
{
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, addr, addr + size));
}

static void
stk_01(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t start = TOP - stack_init(SIZE);
	vm_map_entry_t e;

	check_kr(KERN_SUCCESS, make(f, A, SIZE));
	check_u64(2, f->map->nentries);
	check_u64(vm_sgrowsiz, f->map->size);
	check_u64(vm_sgrowsiz, vm_charge_used());
	check_stack(f->map, A, start, TOP, VM_PROT_RW, VM_PROT_ALL);
	e = map_at(f->map, start);
	check_u64(TOP, e->end);
	check_u64(VM_ENTRY_GROWS_DOWN | VM_ENTRY_CHARGED, e->eflags);
	check_u64(VM_INHERIT_COPY, e->inheritance);
	check_u64(0, e->wired_count);
	for (vm_offset_t va = A; va < TOP; va += PAGE)
		check_kr(va < start ? KERN_INVALID_ADDRESS : KERN_SUCCESS,
			 vm_fault(f->map, va, VM_PROT_WRITE, VM_FAULT_NOGROW));
	check_kr(KERN_INVALID_ADDRESS, vm_fault(f->map, TOP, VM_PROT_READ, VM_FAULT_NOGROW));
	check_kr(KERN_INVALID_ADDRESS, vm_fault(f->map, A - 1, VM_PROT_READ, VM_FAULT_NOGROW));
	vm_fixture_audit(f);
}

static void
stk_02(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *filled = map_snapshot_take(f->map); /* the spare entries are there */
	uint64_t frames = memory_free(), objects = vm_object_count();

	(void)filled;
	check_kr(KERN_SUCCESS, make(f, A, SIZE));
	check_u64(frames, memory_free());
	check_u64(objects, vm_object_count());
	check_u64(0, pmap_resident_count(f->pmap));
	assert_null(map_at(f->map, TOP - 1)->object);
	check_u64(0, model_user_load(f->proc, TOP - 1));
	check_u64(0, model_user_load(f->proc, TOP - PAGE));
	model_user_store(f->proc, TOP - 8, 9);
	check_u64(9, model_user_load(f->proc, TOP - 8));
	check_u64(1, pmap_resident_count(f->pmap));
}

static void
stk_03(void **state)
{
	struct vm_fixture *f = *state;

	map_pages(f->map, A - 4 * PAGE, 4 * PAGE, VM_PROT_RW);
	model_proc_set_limit(f->proc, VM_LIMIT_VMEM, f->map->size + stack_init(SIZE));
	check_kr(KERN_SUCCESS, make(f, A, SIZE));
	check_u64(4 * PAGE + stack_init(SIZE), f->map->size);
}

static void
stk_05(void **state)
{
	struct vm_fixture *f = *state;

	model_proc_set_limit(f->proc, VM_LIMIT_VMEM, vm_sgrowsiz);
	check_kr(KERN_SUCCESS, make(f, A, 1024 * vm_sgrowsiz));
	check_u64(vm_sgrowsiz, f->map->size);
}

static void
stk_12(void **state)
{
	struct vm_fixture *f = *state;
	const struct vm_map_entry *below, *above;

	map_pages(f->map, A - PAGE, PAGE, VM_PROT_RW);
	map_pages(f->map, TOP, PAGE, VM_PROT_RW);
	model_user_store(f->proc, A - 1, 1);
	model_user_store(f->proc, TOP, 2);
	check_kr(KERN_SUCCESS, make(f, A, SIZE));
	check_stack(f->map, A, TOP - stack_init(SIZE), TOP, VM_PROT_RW, VM_PROT_ALL);
	below = map_at(f->map, A - 1);
	above = map_at(f->map, TOP);
	check_u64(A, below->end);
	check_u64(TOP, above->start);
	check_u64(0, (below->eflags | above->eflags) & VM_ENTRY_GROWS_DOWN);
	model_user_store(f->proc, TOP - 1, 3);
	check_u64(1, model_user_load(f->proc, A - 1));
	check_u64(2, model_user_load(f->proc, TOP));
	check_u64(2 * PAGE + stack_init(SIZE), f->map->size);
	check_u64(f->map->size, vm_charge_used());
}

static void
stk_15(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t start = A + stack_guard();
	struct map_snapshot *before;

	check_kr(KERN_SUCCESS, make(f, A, stack_guard() + PAGE));
	check_stack(f->map, A, start, start + PAGE, VM_PROT_RW, VM_PROT_ALL);
	check_u64(PAGE, f->map->size);
	model_user_store(f->proc, start, 1);
	before = map_snapshot_take(f->map);
	check_u64(SEGV_MAPERR, model_user_write(f->proc, start - 1, "", 1));
	check_kr(KERN_NO_SPACE, vm_map_growstack(f->proc, start - 1));
	check_unchanged(before, f->map);
}

static void
stk_16(void **state)
{
	struct vm_fixture *f = *state;
	vm_size_t size = vm_sgrowsiz - PAGE;

	check_kr(KERN_SUCCESS, make(f, A, size));
	check_u64(size - stack_guard(), f->map->size);
	check_stack(f->map, A, A + stack_guard(), A + size, VM_PROT_RW, VM_PROT_ALL);
	/* As much as one step and the guard: all of it at once, and not a page of the guard. */
	unmap(f, A, size);
	check_kr(KERN_SUCCESS, make(f, A, vm_sgrowsiz + stack_guard()));
	check_u64(vm_sgrowsiz, f->map->size);
}

static void
stk_18(void **state)
{
	struct vm_fixture *f = *state;
	int cow =
	    MAP_DISABLE_COREDUMP | MAP_DISABLE_SYNCER | MAP_COPY_ON_WRITE | MAP_STACK_GROWS_DOWN;
	const uint32_t passed_on = VM_ENTRY_NOCOREDUMP | VM_ENTRY_NOSYNC;
	vm_offset_t start = TOP - stack_init(SIZE);

	check_kr(KERN_SUCCESS, vm_map_stack(f->map, A, SIZE, VM_PROT_RW, VM_PROT_ALL, cow));
	check_u64(VM_ENTRY_GROWS_DOWN | VM_ENTRY_CHARGED | VM_ENTRY_COW | VM_ENTRY_NEEDS_COPY |
		      passed_on,
		  map_at(f->map, TOP - 1)->eflags);
	model_user_store(f->proc, TOP - 1, 1);
	model_user_store(f->proc, start - 1, 2);
	check_u64(1, stack_entries(f->map, TOP));
	/* What is inserted for want of an equal neighbour carries the flags, too. */
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, start - vm_sgrowsiz, start, VM_PROT_READ, 0));
	model_user_store(f->proc, start - vm_sgrowsiz - 1, 3);
	check_u64(passed_on, map_at(f->map, start - vm_sgrowsiz - 1)->eflags & passed_on);
	check_u64(1, model_user_load(f->proc, TOP - 1));
	check_u64(2, model_user_load(f->proc, start - 1));
	check_u64(3, model_user_load(f->proc, start - vm_sgrowsiz - 1));
}

static void
stk_18_share(void **state)
{
	struct vm_fixture *f = *state;

	check_kr(KERN_SUCCESS,
		 vm_map_stack(f->map, A, SIZE, VM_PROT_RW, VM_PROT_ALL, MAP_INHERIT_SHARE));
	check_u64(VM_INHERIT_SHARE, map_at(f->map, TOP - 1)->inheritance);
	check_kr(KERN_SUCCESS, vm_map_growstack(f->proc, A + SIZE / 2));
	check_u64(VM_INHERIT_SHARE, map_at(f->map, A + SIZE / 2)->inheritance);
	check_u64(1, stack_entries(f->map, TOP));
}

static void
stk_19(void **state)
{
	struct vm_fixture *f = *state;
	const struct vm_map_entry *e;

	check_kr(KERN_SUCCESS, make(f, A, SIZE));
	e = map_at(f->map, TOP - 1);
	check_u64(VM_PROT_RW, e->protection);
	check_u64(VM_PROT_ALL, e->max_protection);
	check_kr(KERN_SUCCESS,
		 vm_map_protect(f->map, e->start, TOP, VM_PROT_READ | VM_PROT_EXECUTE, FALSE));
	check_u64(MODEL_OK, model_user_fetch(f->proc, TOP - 1));
	check_u64(SEGV_ACCERR, model_user_write(f->proc, TOP - 1, "", 1));
}

static void
stk_19_max(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t start = TOP - stack_init(SIZE);
	struct map_snapshot *before;

	check_kr(KERN_SUCCESS, vm_map_stack(f->map, A, SIZE, VM_PROT_READ, VM_PROT_RW, 0));
	check_stack(f->map, A, start, TOP, VM_PROT_READ, VM_PROT_RW);
	check_u64(0, vm_charge_used());
	before = map_snapshot_take(f->map);
	check_kr(KERN_PROTECTION_FAILURE, vm_map_protect(f->map, start, TOP, VM_PROT_ALL, FALSE));
	check_kr(KERN_PROTECTION_FAILURE,
		 vm_map_protect(f->map, A, TOP, VM_PROT_READ | VM_PROT_EXECUTE, FALSE));
	check_kr(KERN_PROTECTION_FAILURE, vm_map_protect(f->map, A, start, VM_PROT_ALL, FALSE));
	check_unchanged(before, f->map);
}

static void
stk_20(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t low = TOP - stack_init(SIZE), high = low + SIZE;
	struct map_snapshot *before;

	check_kr(KERN_SUCCESS, make(f, TOP, SIZE));
	check_kr(KERN_SUCCESS, make(f, A, SIZE));
	model_user_store(f->proc, high - 1, 1);
	check_stack(f->map, TOP, high - vm_sgrowsiz, TOP + SIZE, VM_PROT_RW, VM_PROT_ALL);
	check_stack(f->map, A, low, TOP, VM_PROT_RW, VM_PROT_ALL);
	model_user_store(f->proc, low - 1, 2);
	check_stack(f->map, A, low - vm_sgrowsiz, TOP, VM_PROT_RW, VM_PROT_ALL);
	check_stack(f->map, TOP, high - vm_sgrowsiz, TOP + SIZE, VM_PROT_RW, VM_PROT_ALL);
	/* The upper one ends above the lower one's top, at its guard. */
	model_user_store(f->proc, TOP + stack_guard(), 3);
	before = map_snapshot_take(f->map);
	check_kr(KERN_NO_SPACE, vm_map_growstack(f->proc, TOP + stack_guard() - 1));
	check_kr(KERN_NO_SPACE, vm_map_growstack(f->proc, TOP));
	check_unchanged(before, f->map);
	check_u64(1, model_user_load(f->proc, high - 1));
	check_u64(2, model_user_load(f->proc, low - 1));
	check_u64(0, model_user_load(f->proc, TOP - 1));
}

static void
stk_21(void **state)
{
	static const int how[] = {VMFS_ANY_SPACE, VMFS_OPTIMAL_SPACE, VMFS_ALIGNED_SPACE(13)};
	struct vm_fixture *f = *state;
	vm_size_t gap = SIZE - stack_init(SIZE);
	vm_offset_t addr;

	check_kr(KERN_SUCCESS, make(f, A, SIZE));
	for (size_t i = 0; i < ARRAY_SIZE(how); i++) {
		addr = A;
		check_kr(KERN_SUCCESS, vm_map_find(f->map, NULL, 0, &addr, gap, 0, how[i],
						   VM_PROT_RW, VM_PROT_ALL, 0));
		check_u64(TOP, addr);
		unmap(f, addr, gap);
	}
	addr = A;
	check_kr(KERN_NO_SPACE, vm_map_find(f->map, NULL, 0, &addr, gap, 0, VMFS_NO_SPACE,
					    VM_PROT_RW, VM_PROT_ALL, 0));
	addr = A;
	check_kr(KERN_NO_SPACE, vm_map_find(f->map, NULL, 0, &addr, PAGE, TOP, VMFS_ANY_SPACE,
					    VM_PROT_RW, VM_PROT_ALL, 0));
	check_stack(f->map, A, TOP - stack_init(SIZE), TOP, VM_PROT_RW, VM_PROT_ALL);
}

/* ---- locks ---- */

struct call {
	struct vm_fixture *f;
	kern_return_t kr;
	bool done;
};

static void
make_in_thread(void *arg)
{
	struct call *c = arg;

	c->kr = make(c->f, A, SIZE);
}

static void
limit_in_thread(void *arg)
{
	struct call *c = arg;

	model_proc_set_limit(c->f->proc, VM_LIMIT_VMEM, 0);
	__atomic_store_n(&c->done, true, __ATOMIC_SEQ_CST);
}

static void
stk_22(void **state)
{
	struct vm_fixture *f = *state;
	struct call stack = {.f = f}, limit = {.f = f};
	struct thread *maker, *setter;

	vm_map_lock_read(f->map); /* so that the call cannot end */
	maker = model_thread_start("stack", make_in_thread, &stack);
	model_thread_await_sleep(maker);
	setter = model_thread_start("setrlimit", limit_in_thread, &limit);
	model_thread_await_sleep(setter);
	assert_false(__atomic_load_n(&limit.done, __ATOMIC_SEQ_CST));
	vm_map_unlock_read(f->map);
	model_thread_join(maker);
	model_thread_join(setter);
	/* The limit came too late for this call, not for the next. */
	check_kr(KERN_SUCCESS, stack.kr);
	check_kr(KERN_NO_SPACE, make(f, TOP, SIZE));
}

/* A map without a process has no limits, and the call takes no process lock. */
static void
no_owner(void **state)
{
	struct vm_fixture *f = *state;
	struct vmspace *vm = vmspace_alloc(MODEL_USER_MIN, MODEL_USER_MAX);

	model_proc_set_limit(f->proc, VM_LIMIT_VMEM, 0);
	check_kr(KERN_SUCCESS, vm_map_stack(&vm->vm_map, A, SIZE, VM_PROT_RW, VM_PROT_ALL, 0));
	check_stack(&vm->vm_map, A, TOP - stack_init(SIZE), TOP, VM_PROT_RW, VM_PROT_ALL);
	vmspace_free(vm);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"STK-01: the top of the reservation is mapped, the rest is inaccessible", stk_01},
	    {"STK-02: making a stack allocates no page; the first touch finds zeroes", stk_02},
	    {"STK-03: the VMEM limit may be reached", stk_03},
	    {"STK-05: only what is mapped at once counts for the VMEM limit", stk_05},
	    {"STK-12: neighbours may touch the reservation and stay what they are", stk_12},
	    {"STK-15: guard and one page: one page of stack that cannot grow", stk_15},
	    {"STK-16: a reservation below a step is mapped at once but for its guard", stk_16},
	    {"STK-18: the map flags apply to the stack and to what it grows by", stk_18},
	    {"STK-18: a stack can be made to be shared", stk_18_share},
	    {"STK-19: prot and max are what was asked for; protect may use max", stk_19},
	    {"STK-19: protect beyond max is refused, gap included", stk_19_max},
	    {"STK-20: of two adjacent stacks each grows in its own gap", stk_20},
	    {"STK-21: the gap is no free space", stk_21},
	    {"STK-22: the process lock is held until the call returns", stk_22},
	    {"STK: a map under construction has no limits", no_owner},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
