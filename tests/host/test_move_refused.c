/* SPDX-License-Identifier: BSD-2-Clause */
/* vm_map_move: what it refuses; row MOV-04, limits, and those who come in between. */
#include "model/mmu.h"
#include "model/snapshot.h"
#include "model/space.h"
#include "model/thread.h"
#include "model/vm_fixture.h"
#include "vm/vm_charge.h"
#include "vm/vm_kern.h"
#include "vm/vm_object.h"

#define A     0x100000ul
#define B     0x800000ul
#define P     PAGE_SIZE
#define PAGES 8ul
#define SIZE  (PAGES * P)
#define END   (A + SIZE)
#define RW    VM_PROT_RW
#define ALL   VM_PROT_ALL
#define MAY   VM_MAP_MOVE_MAY
#define FIXED VM_MAP_MOVE_FIXED

#define STACK	  0x10000000ul
#define STACK_MAX 0x100000ul
#define STACK_TOP (STACK + STACK_MAX)

static void
filled(struct vm_fixture *f)
{
	space_map(f->map, A, SIZE, RW, ALL, 0);
	space_fill(f->proc, A, PAGES, 1);
}

/* refuse: with this code, and nothing has changed, the address neither. */
#define refuse(f, kr, start, old, new, to, flags) \
	refuse_at((f), (kr), (start), (old), (new), (to), (flags), __LINE__)

static void
refuse_at(struct vm_fixture *f, kern_return_t kr, vm_offset_t start, vm_size_t old, vm_size_t new,
	  vm_offset_t to, int flags, int line)
{
	struct map_snapshot *before = map_snapshot_take(f->map);
	vm_offset_t addr = to;

	host_check_kr(kr, vm_map_move(f->map, start, old, new, &addr, flags), "vm_map_move",
		      __FILE__, line);
	host_check_u64(to, addr, "*addr", __FILE__, line);
	map_snapshot_check(before, f->map, __FILE__, line);
}

static void
arguments(void **state)
{
	struct vm_fixture *f = *state;
	const kern_return_t bad = KERN_INVALID_ARGUMENT;

	filled(f);
	refuse(f, bad, A + 1, SIZE, SIZE, B, FIXED);
	refuse(f, bad, A, SIZE + 1, SIZE, B, FIXED);
	refuse(f, bad, A, SIZE, SIZE - 1, B, FIXED);
	refuse(f, bad, A, SIZE, SIZE, B + 8, FIXED);
	refuse(f, bad, A, SIZE, 2 * SIZE, B + 8, MAY);
	refuse(f, bad, A, 0, SIZE, B, FIXED);
	refuse(f, bad, A, SIZE, 0, B, 0);
	refuse(f, bad, A, SIZE, SIZE, B, 4);
	refuse(f, bad, A, SIZE, SIZE, B, -1);
	check_fill(f->proc, A, PAGES, 1);
}

static void
bounds(void **state)
{
	struct vm_fixture *f = *state;
	const kern_return_t bad = KERN_INVALID_ADDRESS;

	filled(f);
	refuse(f, bad, 0, P, P, B, FIXED);
	refuse(f, bad, MODEL_USER_MAX, P, P, B, FIXED);
	refuse(f, bad, A, -P, P, B, FIXED);
	refuse(f, bad, A, -A, P, B, FIXED);
	refuse(f, bad, A, SIZE, SIZE, 0, FIXED);
	refuse(f, bad, A, SIZE, SIZE, MODEL_USER_MAX - SIZE + P, FIXED);
	refuse(f, bad, A, SIZE, SIZE, -P, FIXED);
	refuse(f, bad, A, SIZE, -P, B, FIXED);
	refuse(f, KERN_NO_SPACE, A, SIZE, -P, B, MAY);
	refuse(f, KERN_NO_SPACE, A, SIZE, -P, B, 0);
}

static void
holes(void **state)
{
	struct vm_fixture *f = *state;
	const kern_return_t hole = KERN_INVALID_ADDRESS;

	filled(f);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A + 2 * P, A + 3 * P));
	refuse(f, hole, A, SIZE, SIZE, B, FIXED);
	refuse(f, hole, A, SIZE, P, B, 0);
	refuse(f, hole, A, SIZE, 2 * SIZE, B, MAY);
	refuse(f, hole, A - P, P, P, B, FIXED);
	refuse(f, hole, END, P, 2 * P, B, 0);
	refuse(f, hole, END - P, 2 * P, P, B, 0);
	refuse(f, hole, A + 2 * P, P, P, B, FIXED);
	space_map(f->map, A + 2 * P, P, VM_PROT_NONE, VM_PROT_NONE, MAP_CREATE_GUARD);
	refuse(f, hole, A, SIZE, SIZE, B, FIXED);
	refuse(f, hole, A + 2 * P, P, P, B, FIXED);
	check_fill(f->proc, A, 2, 1);
}

static void
several(void **state)
{
	struct vm_fixture *f = *state;
	const kern_return_t bad = KERN_INVALID_ARGUMENT;

	filled(f);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A + 4 * P, END, VM_PROT_READ, FALSE));
	refuse(f, bad, A, SIZE, SIZE, B, FIXED);
	refuse(f, bad, A, SIZE, SIZE + P, B, MAY);
	refuse(f, bad, A + 3 * P, 2 * P, P, B, 0);
	refuse(f, KERN_NO_SPACE, A, 4 * P, 5 * P, B, 0);
	/* They are one again. */
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A + 4 * P, END, RW, FALSE));
	check_kr(KERN_SUCCESS, vm_map_move(f->map, A, SIZE, SIZE, &(vm_offset_t){B}, FIXED));
	check_fill(f->proc, B, PAGES, 1);
}

static void
overlaps(void **state)
{
	struct vm_fixture *f = *state;
	const kern_return_t bad = KERN_INVALID_ARGUMENT;

	filled(f);
	refuse(f, bad, A, SIZE, SIZE, A, FIXED);
	refuse(f, bad, A, SIZE, SIZE, A + P, FIXED);
	refuse(f, bad, A, SIZE, SIZE, A - P, FIXED);
	refuse(f, bad, A, SIZE, SIZE, END - P, FIXED);
	refuse(f, bad, A, SIZE, SIZE, A - SIZE + P, FIXED);
	refuse(f, bad, A, SIZE, 2 * SIZE, A - SIZE, FIXED);
	refuse(f, bad, A + 2 * P, P, P, A + 2 * P, FIXED);
	/* The rest of the entry is in the way, but not part of the range. */
	refuse(f, KERN_NO_SPACE, A + 2 * P, P, P, A + P, FIXED);
	refuse(f, KERN_NO_SPACE, A + 2 * P, P, P, A + 3 * P, FIXED);
	/* To touch is not to overlap. */
	check_kr(KERN_SUCCESS, vm_map_move(f->map, A, SIZE, SIZE, &(vm_offset_t){END}, FIXED));
	check_kr(KERN_SUCCESS, vm_map_move(f->map, END, SIZE, SIZE, &(vm_offset_t){A}, FIXED));
	check_fill(f->proc, A, PAGES, 1);
}

static void
stacks(void **state)
{
	struct vm_fixture *f = *state;

	check_kr(KERN_SUCCESS, vm_map_stack(f->map, STACK, STACK_MAX, RW, ALL, 0));
	model_user_store(f->proc, STACK_TOP - 1, 1);
	refuse(f, KERN_INVALID_ARGUMENT, STACK_TOP - P, P, P, B, FIXED);
	refuse(f, KERN_INVALID_ARGUMENT, STACK_TOP - P, P, 2 * P, B, 0);
	refuse(f, KERN_INVALID_ADDRESS, STACK, P, P, B, FIXED);
	refuse(f, KERN_INVALID_ADDRESS, STACK, STACK_MAX, STACK_MAX, B, FIXED);
	/* What lies below a stack does not grow into its reservation. */
	space_map(f->map, STACK - P, P, RW, ALL, 0);
	refuse(f, KERN_NO_SPACE, STACK - P, P, 2 * P, B, 0);
}

static void
system_maps(void **state)
{
	vm_offset_t at = kmem_alloc_wait(exec_map, P), to = 0;

	(void)state;
	assert_int_not_equal(0, at);
	check_kr(KERN_INVALID_ARGUMENT, vm_map_move(exec_map, at, P, 2 * P, &to, MAY));
	kmem_free_wakeup(exec_map, at, P);
}

static void
offsets(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = vm_object_allocate(&vm_pager_boot, 1);

	vm_object_reference(object);
	check_kr(KERN_SUCCESS, space_insert(f->map, object, -2 * P, A, A + P, RW, ALL, 0));
	refuse(f, KERN_INVALID_ARGUMENT, A, P, 3 * P, B, 0);
	refuse(f, KERN_INVALID_ARGUMENT, A, P, 3 * P, B, FIXED);
	vm_object_deallocate(object);
}

/* Limits and charge. */

static void
vmem(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t addr = B;

	filled(f);
	model_proc_set_limit(f->proc, VM_LIMIT_VMEM, SIZE + 2 * P);
	refuse(f, KERN_RESOURCE_SHORTAGE, A, SIZE, SIZE + 3 * P, B, 0);
	refuse(f, KERN_RESOURCE_SHORTAGE, A, SIZE, SIZE + 3 * P, B, FIXED);
	refuse(f, KERN_RESOURCE_SHORTAGE, A, P, 4 * P, B, MAY);
	check_kr(KERN_SUCCESS, vm_map_move(f->map, A, SIZE, SIZE + 2 * P, &addr, 0));
	/* A move alone needs no room, even over the limit. */
	model_proc_set_limit(f->proc, VM_LIMIT_VMEM, P);
	addr = B;
	check_kr(KERN_SUCCESS, vm_map_move(f->map, A, SIZE, SIZE, &addr, FIXED));
	check_fill(f->proc, B, PAGES, 1);
}

static void
charge(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t addr = B;

	filled(f);
	vm_charge_set_limit(vm_charge_used() + 2 * P);
	refuse(f, KERN_RESOURCE_SHORTAGE, A, SIZE, SIZE + 3 * P, B, 0);
	refuse(f, KERN_RESOURCE_SHORTAGE, A, SIZE, SIZE + 3 * P, B, FIXED);
	check_kr(KERN_SUCCESS, vm_map_move(f->map, A, SIZE, SIZE + 2 * P, &addr, FIXED));
	check_u64(SIZE + 2 * P, vm_charge_used());
	check_kr(KERN_SUCCESS, vm_map_move(f->map, B, SIZE + 2 * P, P, &addr, 0));
	check_u64(P, vm_charge_used());
	vm_charge_set_limit(VM_CHARGE_UNLIMITED);
}

/* Others. */

struct call {
	struct vm_fixture *f;
	vm_offset_t addr;
	kern_return_t kr;
};

static void
wire(void *arg)
{
	struct call *c = arg;

	c->kr = vm_map_wire(c->f->map, A, A + 2 * P, VM_MAP_WIRE_USER);
}

static void
move_away(void *arg)
{
	struct call *c = arg;

	c->addr = B;
	c->kr = vm_map_move(c->f->map, A, 2 * P, 3 * P, &c->addr, FIXED);
}

/* A wiring under way is waited for, and goes along; a killed thread waits no longer. */
static void
during_wiring(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = vm_object_allocate_anon(2);
	struct call c[3] = {{f, 0, -1}, {f, 0, -1}, {f, 0, -1}};
	struct thread *t[3];

	check_kr(KERN_SUCCESS, space_insert(f->map, object, 0, A, A + 2 * P, RW, ALL, 0));
	space_object_stall(object, 1);
	for (size_t i = 0; i < 3; i++) {
		t[i] = model_thread_start("caller", i == 0 ? wire : move_away, &c[i]);
		model_thread_await_sleep(t[i]);
	}
	model_thread_kill(t[1]);
	model_thread_join(t[1]);
	check_kr(KERN_ABORTED, c[1].kr);
	check_u64(B, c[1].addr);
	check_rights(f->map, A, A + 2 * P, RW, ALL);
	space_object_go_on(object, 1);
	model_thread_join(t[0]);
	model_thread_join(t[2]);
	check_kr(KERN_SUCCESS, c[0].kr);
	check_kr(KERN_SUCCESS, c[2].kr);
	check_hole(f->map, A, A + 2 * P);
	check_u64(3, pmap_wired_count(f->pmap));
	check_u64(3 * P, f->map->user_wired);
}

/* What the system has wired stays where it is until it is unwired. */
static void
during_system_wiring(void **state)
{
	struct vm_fixture *f = *state;
	struct call c = {f, 0, -1};
	struct thread *t;

	space_map(f->map, A, 2 * P, RW, ALL, 0);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A + P, A + 2 * P, VM_MAP_WIRE_SYSTEM));
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + P, VM_MAP_WIRE_SYSTEM));
	t = model_thread_start("caller", move_away, &c);
	model_thread_await_sleep(t);
	check_rights(f->map, A, A + 2 * P, RW, ALL);
	check_kr(KERN_SUCCESS, vm_map_unwire(f->map, A, A + 2 * P, VM_MAP_WIRE_SYSTEM));
	model_thread_join(t);
	check_kr(KERN_SUCCESS, c.kr);
	check_hole(f->map, A, A + 2 * P);
	check_rights(f->map, B, B + 3 * P, RW, ALL);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"MOV-04: bad arguments are refused, nothing changed", arguments},
	    {"MOV-04: what is outside the map is refused, nothing changed", bounds},
	    {"MOV-04: a hole or a guard is refused, nothing changed", holes},
	    {"MOV-04: several entries are refused, nothing changed", several},
	    {"MOV-04: a place that overlaps the range is refused, nothing changed", overlaps},
	    {"MOV-04: stacks and their gaps stay, and stay whole", stacks},
	    {"MOV-04: maps of the kernel are refused", system_maps},
	    {"MOV-04: an offset that wraps is refused, nothing changed", offsets},
	    {"MOV-01: LIMIT_VMEM may be reached, not exceeded, nothing changed", vmem},
	    {"MOV-01: the charge may refuse it, nothing changed", charge},
	    {"MOV-02: a wiring under way is waited for, and goes along", during_wiring},
	    {"MOV-02: what the system has wired is waited for", during_system_wiring},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
