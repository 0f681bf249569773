/* SPDX-License-Identifier: BSD-2-Clause */
/* vm_map_discard: rows DSC-01 and DSC-02. */
#include "model/charges.h"
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

#define A     0x100000ul
#define P     PAGE_SIZE
#define PAGES 8
#define END   (A + PAGES * P)

#define STACK	  0x10000000ul
#define STACK_MAX 0x100000ul
#define STACK_TOP (STACK + STACK_MAX)

static void
discard(struct proc *p, vm_offset_t start, vm_offset_t end)
{
	check_kr(KERN_SUCCESS, vm_map_discard(model_proc_map(p), start, end));
}

static void
filled(struct vm_fixture *f)
{
	space_map(f->map, A, PAGES * P, VM_PROT_RW, VM_PROT_ALL, 0);
	space_fill(f->proc, A, PAGES, 1);
}

/* charge_object: for its whole size, as that of a handle is. */
static void
charge_object(struct vm_object *object)
{
	assert_true(vm_charge(ptoa(object->size)));
	vm_object_set_charge(object, ptoa(object->size));
}

/* DSC-01 */

static void
own(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_usage before;

	filled(f);
	before = vm_usage_read();
	discard(f->proc, A + P, A + 4 * P);
	check_u64(before.frames + 3, vm_usage_read().frames);
	check_u64(before.charge, vm_usage_read().charge);
	check_entry(f->map, A, END, VM_PROT_RW, VM_PROT_ALL);
	check_fill(f->proc, A, 1, 1);
	check_zero(f->proc, A + P, 3);
	check_fill(f->proc, A + 4 * P, 4, 5);
	space_fill(f->proc, A + P, 3, 60);
	check_fill(f->proc, A + P, 3, 60);
}

/* Data in the own shadow object, in the object behind it, in both: all of it is zero afterwards. */
static void
chain(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child, *grandchild;

	filled(f);
	child = model_proc_fork(f->proc);
	space_fill(child, A, 2, 20);
	grandchild = model_proc_fork(child);
	space_fill(child, A + P, 2, 40);
	check_u64(3, space_chain(model_proc_map(child), A));
	discard(child, A, END - P);
	check_zero(child, A, PAGES - 1);
	check_fill(child, END - P, 1, PAGES);
	check_fill(f->proc, A, PAGES, 1);
	check_fill(grandchild, A, 2, 20);
	check_fill(grandchild, A + 2 * P, PAGES - 2, 3);
	space_fill(child, A, PAGES, 80);
	check_fill(child, A, PAGES, 80);
	check_fill(f->proc, A, PAGES, 1);
	check_u64(3 * PAGES * P, vm_charge_used());
	model_proc_destroy(child);
	check_fill(grandchild, A, 2, 20);
	model_proc_destroy(grandchild);
	check_fill(f->proc, A, PAGES, 1);
}

/* One part of a shadow object is given up: its pages are free at once, the other part has its own. */
static void
part_of_a_chain(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;
	vm_map_t map;
	uint64_t frames;

	filled(f);
	child = model_proc_fork(f->proc);
	map = model_proc_map(child);
	space_fill(child, A, PAGES - 1, 20);
	check_kr(KERN_SUCCESS, vm_map_protect(map, A, A + 4 * P, VM_PROT_READ, FALSE));
	frames = vm_usage_read().frames;
	discard(child, A + 4 * P, END);
	check_u64(frames + 3, vm_usage_read().frames);
	check_u64(VM_ENTRY_CHARGED, space_entry(map, A + 4 * P)->eflags);
	check_fill(child, A, 4, 20);
	check_zero(child, A + 4 * P, 4);
	check_fill(f->proc, A, PAGES, 1);
	model_proc_destroy(child);
}

/* A copy that was never made needs none any more; the parent's pages are its own again. */
static void
before_the_copy(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	filled(f);
	child = model_proc_fork(f->proc);
	discard(child, A, END);
	check_u64(0, space_chain(model_proc_map(child), A));
	check_zero(child, A, PAGES);
	check_fill(f->proc, A, PAGES, 1);
	discard(f->proc, A, A + 4 * P);
	check_zero(f->proc, A, 4);
	check_fill(f->proc, A + 4 * P, 4, 5);
	model_proc_destroy(child);
	check_u64(PAGES * P, vm_charge_used());
}

/* Private memory that shows an object: zero too, and charged if it can be written. */
static void
private_object(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(PAGES, 70);
	uint64_t charge;

	space_map_object(f->map, object, A, VM_PROT_READ, VM_PROT_ALL, MAP_COPY_ON_WRITE);
	charge = vm_charge_used();
	check_fill(f->proc, A, PAGES, 70);
	discard(f->proc, A + 2 * P, A + 4 * P);
	check_u64(charge, vm_charge_used());
	check_fill(f->proc, A, 2, 70);
	check_zero(f->proc, A + 2 * P, 2);
	check_fill(f->proc, A + 4 * P, 4, 74);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, END, VM_PROT_RW, FALSE));
	check_u64(charge + PAGES * P, vm_charge_used());
	space_fill(f->proc, A, PAGES, 30);
	check_fill(f->proc, A, PAGES, 30);
	check_u64(72, space_object_byte(object, 2));
	vm_object_deallocate(object);
}

/* A private view that reaches beyond the end of its object: there, too, it is zero afterwards, whatever
 * has become of its shadow chain. */
static void
beyond_the_end(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(1, 10);
	uint8_t byte;

	for (unsigned stores = 0; stores < 2; stores++) {
		vm_object_reference(object);
		check_kr(KERN_SUCCESS, space_insert(f->map, object, 0, A, A + 3 * P, VM_PROT_RW,
						    VM_PROT_ALL, MAP_COPY_ON_WRITE));
		/* The second time the whole of the object is copied up, and left behind. */
		if (stores != 0)
			model_user_store(f->proc, A, 20);
		check_u64(BUS_OBJERR, model_user_read(f->proc, A + P, &byte, 1));
		discard(f->proc, A + P, A + 2 * P);
		check_zero(f->proc, A + P, 1);
		check_u64(stores != 0 ? 20 : 10, model_user_load(f->proc, A));
		check_u64(BUS_OBJERR, model_user_read(f->proc, A + 2 * P, &byte, 1));
		check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 3 * P));
	}
	vm_object_deallocate(object);
}

/* Shared memory reads as its object: nobody loses anything. */
static void
shared_object(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(PAGES, 70);
	uint64_t frames;

	charge_object(object);
	space_map_object(f->map, object, A, VM_PROT_RW, VM_PROT_ALL, MAP_INHERIT_SHARE);
	model_user_store(f->proc, A, 5);
	check_fill(f->proc, A + P, PAGES - 1, 71);
	frames = vm_usage_read().frames;
	discard(f->proc, A, END);
	check_u64(0, pmap_resident_count(f->pmap));
	check_u64(frames, vm_usage_read().frames);
	check_u64(5, space_object_byte(object, 0));
	check_u64(5, model_user_load(f->proc, A));
	check_fill(f->proc, A + P, PAGES - 1, 71);
	/* Also if a fork would not pass it on. */
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A, END, VM_INHERIT_NONE));
	discard(f->proc, A, END);
	check_u64(5, model_user_load(f->proc, A));
	/* And if nobody else has it any more. */
	vm_object_deallocate(object);
	discard(f->proc, A, END);
	check_fill(f->proc, A + P, PAGES - 1, 71);
}

static void
shared_by_fork(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	filled(f);
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A, END, VM_INHERIT_SHARE));
	child = model_proc_fork(f->proc);
	discard(child, A, END);
	check_fill(child, A, PAGES, 1);
	discard(f->proc, A, END);
	check_fill(f->proc, A, PAGES, 1);
	model_user_store(child, A, 9);
	check_u64(9, model_user_load(f->proc, A));
	model_proc_destroy(child);
}

/* A copy that is shared is a shared object like any other, though it is copy-on-write. */
static void
shared_copy(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *copy, *child;

	filled(f);
	copy = model_proc_fork(f->proc);
	space_fill(f->proc, A, 2, 50);
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A, END, VM_INHERIT_SHARE));
	child = model_proc_fork(f->proc);
	discard(f->proc, A, END);
	check_fill(f->proc, A, 2, 50);
	check_fill(f->proc, A + 2 * P, PAGES - 2, 3);
	model_user_store(f->proc, A, 9);
	check_u64(9, model_user_load(child, A));
	model_proc_destroy(child);
	model_proc_destroy(copy);
}

/* Many entries of all kinds in one call, with attributes that stay. */
static void
mixed(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(2, 70);
	struct proc *child;

	charge_object(object);
	filled(f);
	space_map_object(f->map, object, END, VM_PROT_RW, VM_PROT_ALL, MAP_INHERIT_SHARE);
	space_map(f->map, END + 2 * P, 2 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A + 2 * P, A + 4 * P, VM_PROT_READ, FALSE));
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A + 6 * P, END, VM_INHERIT_ZERO));
	child = model_proc_fork(f->proc);
	space_fill(f->proc, A, 2, 50);
	check_fill(f->proc, END, 2, 70);
	discard(f->proc, A + P, END + 4 * P);
	check_u64(50, model_user_load(f->proc, A));
	check_zero(f->proc, A + P, PAGES - 1);
	check_fill(f->proc, END, 2, 70);
	check_zero(f->proc, END + 2 * P, 2);
	check_rights(f->map, A, A + 2 * P, VM_PROT_RW, VM_PROT_ALL);
	check_rights(f->map, A + 2 * P, A + 4 * P, VM_PROT_READ, VM_PROT_ALL);
	check_rights(f->map, A + 4 * P, END + 4 * P, VM_PROT_RW, VM_PROT_ALL);
	check_u64(VM_INHERIT_ZERO, space_entry(f->map, A + 6 * P)->inheritance);
	check_fill(child, A, 6, 1);
	model_proc_destroy(child);
	vm_object_deallocate(object);
}

/* A stack goes on growing in one piece. */
static void
stack(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	check_kr(KERN_SUCCESS, vm_map_stack(f->map, STACK, STACK_MAX, VM_PROT_RW, VM_PROT_ALL, 0));
	space_fill(f->proc, STACK_TOP - 4 * P, 4, 1);
	child = model_proc_fork(f->proc);
	discard(f->proc, STACK_TOP - vm_sgrowsiz, STACK_TOP);
	check_zero(f->proc, STACK_TOP - 4 * P, 4);
	check_fill(child, STACK_TOP - 4 * P, 4, 1);
	model_user_store(f->proc, STACK_TOP - 3 * vm_sgrowsiz, 7);
	check_u64(7, model_user_load(f->proc, STACK_TOP - 3 * vm_sgrowsiz));
	check_zero(f->proc, STACK_TOP - 4 * P, 4);
	check_entry(f->map, STACK_TOP - 3 * vm_sgrowsiz, STACK_TOP, VM_PROT_RW, VM_PROT_ALL);
	model_proc_destroy(child);
}

/* No processor reads on through an old translation. */
static void
all_processors(void **state)
{
	struct vm_fixture *f = *state;

	filled(f);
	model_cpu_switch(1);
	check_fill(f->proc, A, PAGES, 1);
	model_cpu_switch(0);
	discard(f->proc, A, END);
	model_cpu_switch(1);
	check_zero(f->proc, A, PAGES);
	model_cpu_switch(0);
}

/* Those who shared it are gone, and no fork will share it: it is private, with or without something
 * behind it. */
static void
shared_once(void **state)
{
	struct vm_fixture *f = *state;

	for (int behind = 0; behind <= 1; behind++) {
		struct proc *copy = NULL, *sharer;

		filled(f);
		if (behind)
			copy = model_proc_fork(f->proc);
		check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A, END, VM_INHERIT_SHARE));
		sharer = model_proc_fork(f->proc);
		check_u64(behind ? 2 : 1, space_chain(f->map, A));
		check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A, END, VM_INHERIT_COPY));
		discard(f->proc, A, END);
		check_fill(f->proc, A, PAGES, 1);
		model_proc_destroy(sharer);
		discard(f->proc, A + P, A + 3 * P);
		check_zero(f->proc, A + P, 2);
		check_fill(f->proc, A + 3 * P, PAGES - 3, 4);
		charges_check();
		check_u64((behind ? 2 : 1) * PAGES * P, vm_charge_used());
		if (behind)
			model_proc_destroy(copy);
		check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, END));
	}
}

/* Only the mappings of the range go. */
static void
unmaps_its_part(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(PAGES, 70);

	space_map_object(f->map, object, A, VM_PROT_RW, VM_PROT_ALL, MAP_INHERIT_SHARE);
	check_fill(f->proc, A, PAGES, 70);
	discard(f->proc, A + 2 * P, A + 5 * P);
	for (size_t i = 0; i < PAGES; i++)
		check_u64(i < 2 || i >= 5, space_mapped(f->map, A + i * P) != NULL);
	vm_object_deallocate(object);
}

/* What was given up in two calls is one range again. */
static void
merges(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	filled(f);
	child = model_proc_fork(f->proc);
	discard(f->proc, A, A + 2 * P);
	check_entry(f->map, A, A + 2 * P, VM_PROT_RW, VM_PROT_ALL);
	discard(f->proc, A + 2 * P, A + 4 * P);
	check_entry(f->map, A, A + 4 * P, VM_PROT_RW, VM_PROT_ALL);
	model_proc_destroy(child);
}

/* An offset that the memory has no more is not in the way of what it becomes. */
static void
forgets_its_offset(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = vm_object_allocate(&vm_pager_boot, 1);
	vm_offset_t addr = A;

	check_kr(KERN_SUCCESS, space_insert(f->map, object, -4 * P, A, A + 2 * P, VM_PROT_RW,
					    VM_PROT_ALL, MAP_COPY_ON_WRITE));
	discard(f->proc, A, A + 2 * P);
	check_kr(KERN_SUCCESS, vm_map_move(f->map, A, 2 * P, 8 * P, &addr, 0));
	space_fill(f->proc, A, 8, 1);
	check_fill(f->proc, A, 8, 1);
}

/* Memory of its own is emptied without any more memory. */
static void
needs_no_memory(void **state)
{
	struct vm_fixture *f = *state;

	filled(f);
	map_drop_spares(f->map);
	model_fail_from(1);
	discard(f->proc, A + 2 * P, A + 4 * P);
	check_u64(0, model_fail_count());
	model_fail_off();
	check_zero(f->proc, A + 2 * P, 2);
	check_fill(f->proc, A + 4 * P, 4, 5);
}

/* DSC-02 */

static void
refuse(struct vm_fixture *f, kern_return_t kr, vm_offset_t start, vm_offset_t end)
{
	struct map_snapshot *before = map_snapshot_take(f->map);

	check_kr(kr, vm_map_discard(f->map, start, end));
	check_unchanged(before, f->map);
}

static void
refused(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	filled(f);
	refuse(f, KERN_INVALID_ARGUMENT, A + 1, END);
	refuse(f, KERN_INVALID_ARGUMENT, A, END + 1);
	refuse(f, KERN_INVALID_ARGUMENT, END, A);
	refuse(f, KERN_SUCCESS, A + P, A + P);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, END, VM_MAP_WIRE_USER));
	refuse(f, KERN_SUCCESS, A + P, A + P);
	check_kr(KERN_SUCCESS, vm_map_unwire(f->map, A, END, VM_MAP_WIRE_USER));
	/* A copy to be made, so that something would have to be cut and replaced. */
	child = model_proc_fork(f->proc);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A + 4 * P, A + 5 * P, VM_MAP_WIRE_USER));
	refuse(f, KERN_INVALID_ARGUMENT, A, END);
	refuse(f, KERN_INVALID_ARGUMENT, A + 4 * P, A + 5 * P);
	check_fill(f->proc, A, PAGES, 1);
	check_u64(1, pmap_wired_count(f->pmap));
	discard(f->proc, A + P, A + 4 * P);
	check_fill(f->proc, A + 4 * P, 4, 5);
	model_proc_destroy(child);
}

static void
holes(void **state)
{
	struct vm_fixture *f = *state;

	filled(f);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A + 2 * P, A + 3 * P));
	refuse(f, KERN_INVALID_ADDRESS, A, END);
	refuse(f, KERN_INVALID_ADDRESS, A - P, A + P);
	refuse(f, KERN_INVALID_ADDRESS, END - P, END + P);
	refuse(f, KERN_INVALID_ADDRESS, A + 2 * P, A + 3 * P);
	refuse(f, KERN_INVALID_ADDRESS, 0, P);
	space_map(f->map, A + 2 * P, P, VM_PROT_NONE, VM_PROT_NONE, MAP_CREATE_GUARD);
	refuse(f, KERN_INVALID_ADDRESS, A, END);
	check_kr(KERN_SUCCESS, vm_map_stack(f->map, STACK, STACK_MAX, VM_PROT_RW, VM_PROT_ALL, 0));
	refuse(f, KERN_INVALID_ADDRESS, STACK, STACK_TOP);
	check_fill(f->proc, A, 2, 1);
}

struct call {
	struct vm_fixture *f;
	kern_return_t kr;
};

static void
wire(void *arg)
{
	struct call *c = arg;

	c->kr = vm_map_wire(c->f->map, A, A + 2 * P, VM_MAP_WIRE_USER);
}

static void
call(void *arg)
{
	struct call *c = arg;

	c->kr = vm_map_discard(c->f->map, A, A + 2 * P);
}

/* A wiring under way is waited for, and then refuses; a killed thread waits no longer. */
static void
during_wiring(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = vm_object_allocate_anon(2);
	struct call c[3] = {{f, -1}, {f, -1}, {f, -1}};
	struct thread *t[3];

	space_map_object(f->map, object, A, VM_PROT_RW, VM_PROT_ALL, 0);
	space_object_stall(object, 1);
	for (size_t i = 0; i < 3; i++) {
		t[i] = model_thread_start("caller", i == 0 ? wire : call, &c[i]);
		model_thread_await_sleep(t[i]);
	}
	model_thread_kill(t[1]);
	model_thread_join(t[1]);
	check_kr(KERN_ABORTED, c[1].kr);
	space_object_go_on(object, 1);
	model_thread_join(t[0]);
	model_thread_join(t[2]);
	check_kr(KERN_SUCCESS, c[0].kr);
	check_kr(KERN_INVALID_ARGUMENT, c[2].kr);
	vm_object_deallocate(object);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"DSC-01: private memory is zero, its frames are free, the rest is as it was", own},
	    {"DSC-01: zero, whatever a shadow chain holds; relatives keep theirs", chain},
	    {"DSC-01: a part of a shadow object is free at once", part_of_a_chain},
	    {"DSC-01: memory that is still to be copied is zero", before_the_copy},
	    {"DSC-01: a private view of an object is zero, the object as it was", private_object},
	    {"DSC-01: a private view is zero beyond the end of its object, too", beyond_the_end},
	    {"DSC-01: a shared object is read again", shared_object},
	    {"DSC-01: memory shared by fork is read again", shared_by_fork},
	    {"DSC-01: a shared copy stays shared", shared_copy},
	    {"DSC-01: entries of all kinds in one call, attributes stay", mixed},
	    {"DSC-01: a stack goes on growing in one piece", stack},
	    {"DSC-01: no processor reads the old contents", all_processors},
	    {"DSC-02: bad ranges and wired memory are refused, nothing changed", refused},
	    {"DSC-02: holes and guards are refused, nothing changed", holes},
	    {"DSC-02: a wiring under way is waited for, and refuses", during_wiring},
	    {"DSC-01: mappings beside the range stay", unmaps_its_part},
	    {"DSC-01: neighbours that are given up become one", merges},
	    {"DSC-01: what is zero has no offset any more", forgets_its_offset},
	    {"DSC-01: memory of its own is emptied without a page or an entry", needs_no_memory},
	    {"DSC-01: memory whose sharers are gone is private", shared_once},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
