/* SPDX-License-Identifier: BSD-2-Clause */
/* vm_map_protect: rows PRT-01 to PRT-19. */
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

#define P PAGE_SIZE
#define A 0x100000ul

#define R   VM_PROT_READ
#define W   VM_PROT_WRITE
#define X   VM_PROT_EXECUTE
#define RW  VM_PROT_RW
#define RX  (R | X)
#define ALL VM_PROT_ALL

static enum model_signal
load(struct vm_fixture *f, vm_offset_t va)
{
	uint8_t byte;

	return model_user_read(f->proc, va, &byte, 1);
}

static enum model_signal
store(struct vm_fixture *f, vm_offset_t va, uint8_t byte)
{
	return model_user_write(f->proc, va, &byte, 1);
}

/* refused: protect returns kr and leaves no trace. */
static void
refused(struct vm_fixture *f, kern_return_t kr, vm_offset_t start, vm_offset_t end, vm_prot_t prot,
	bool set_max)
{
	struct map_snapshot *before = map_snapshot_take(f->map);

	check_kr(kr, vm_map_protect(f->map, start, end, prot, set_max));
	check_unchanged(before, f->map);
}

static void
prt_01(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 4 * P, RW, ALL, 0);
	space_fill(f->proc, A, 4, 10);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 4 * P, R, FALSE));
	check_entry(f->map, A, A + 4 * P, R, ALL);
	check_u64(SEGV_ACCERR, store(f, A, 1));
	check_u64(SEGV_ACCERR, store(f, A + 4 * P - 1, 1));
	check_fill(f->proc, A, 4, 10);
}

static void
prt_01_execute(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, P, ALL, ALL, 0);
	check_u64(MODEL_OK, model_user_fetch(f->proc, A));
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + P, RW, FALSE));
	check_u64(SEGV_ACCERR, model_user_fetch(f->proc, A));
	check_u64(MODEL_OK, store(f, A, 1));
}

static void
prt_02(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, P, RX, ALL, 0);
	space_map(f->map, A + P, P, RW, ALL, 0);
	space_map(f->map, A + 2 * P, P, VM_PROT_NONE, ALL, 0);
	check_u64(MODEL_OK, store(f, A + P, 1));
	check_u64(MODEL_OK, load(f, A));
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 3 * P, RX, TRUE));
	check_entry(f->map, A, A + P, RX, RX);
	check_entry(f->map, A + P, A + 2 * P, R, RX);
	check_entry(f->map, A + 2 * P, A + 3 * P, VM_PROT_NONE, RX);
	check_u64(SEGV_ACCERR, store(f, A + P, 2));
	check_u64(1, model_user_load(f->proc, A + P));
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 2 * P, X, TRUE));
	check_entry(f->map, A, A + P, X, X);
	check_entry(f->map, A + P, A + 2 * P, VM_PROT_NONE, X);
	check_u64(SEGV_ACCERR, load(f, A + P));
}

static void
prt_03(void **state)
{
	struct vm_fixture *f = *state;
	static const vm_prot_t prots[] = {R, RW, RX, W, X, VM_PROT_NONE, ALL};

	space_map(f->map, A, 4 * P, RW, ALL, 0);
	for (size_t i = 0; i < ARRAY_SIZE(prots); i++) {
		check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 4 * P, prots[i], FALSE));
		check_entry(f->map, A, A + 4 * P, prots[i], ALL);
	}
}

/* Three entries of which the one in `place` may not be written. */
static void
prt_04_place(struct vm_fixture *f, int place)
{
	for (int i = 0; i < 3; i++)
		space_map(f->map, A + (vm_size_t)i * 4 * P, 4 * P, R, i == place ? RX : ALL, 0);
	check_u64(MODEL_OK, load(f, A));
	refused(f, KERN_PROTECTION_FAILURE, A, A + 12 * P, RW, false);
	/* Ends that would have to be cut are not cut. */
	refused(f, KERN_PROTECTION_FAILURE, A + P, A + 11 * P, RW, false);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 12 * P));
}

static void
prt_04(void **state)
{
	for (int place = 0; place < 3; place++)
		prt_04_place(*state, place);
}

static void
prt_05(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 2 * P, R, RW, 0);
	space_map(f->map, A + 2 * P, 2 * P, R, ALL, 0);
	refused(f, KERN_PROTECTION_FAILURE, A, A + 2 * P, ALL, true);
	refused(f, KERN_PROTECTION_FAILURE, A + P, A + 2 * P, RX, true);
	refused(f, KERN_PROTECTION_FAILURE, A, A + 4 * P, ALL, true);
	/* What has been given up is gone. */
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 2 * P, R, TRUE));
	refused(f, KERN_PROTECTION_FAILURE, A, A + 2 * P, RW, true);
	refused(f, KERN_PROTECTION_FAILURE, A, A + 2 * P, RW, false);
}

static void
prt_06(void **state)
{
	vm_map_t map = space_system_map(16), submap;
	vm_offset_t min = vm_map_min(map), at = min + 4 * P;
	struct map_snapshot *before;

	(void)state;
	space_map(map, min, 4 * P, RW, ALL, 0);
	vm_object_reference(vm_submap_object);
	check_kr(KERN_SUCCESS,
		 vm_map_find(map, vm_submap_object, 0, &at, 4 * P, 0, VMFS_NO_SPACE, ALL, ALL, 0));
	submap = vm_map_create(kernel_pmap, at, at + 4 * P);
	check_kr(KERN_SUCCESS, vm_map_submap(map, at, at + 4 * P, submap));
	space_map(map, at + 4 * P, 4 * P, RW, ALL, 0);

	before = map_snapshot_take(map);
	check_kr(KERN_INVALID_ARGUMENT, vm_map_protect(map, min, min + 12 * P, R, FALSE));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_protect(map, min + P, at + P, R, FALSE));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_protect(map, at, at + 4 * P, R, TRUE));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_protect(map, at + P, at + 8 * P, R, FALSE));
	check_unchanged(before, map);

	check_kr(KERN_SUCCESS, vm_map_remove(map, min, vm_map_max(map)));
	vm_map_deallocate(submap);
	space_system_map_free(map);
}

static void
prt_07(void **state)
{
	struct vm_fixture *f = *state;
	vm_map_entry_t e[3];

	space_map(f->map, A, 9 * P, RW, ALL, 0);
	space_fill(f->proc, A, 9, 20);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A + 3 * P, A + 6 * P, R, FALSE));
	check_u64(3, f->map->nentries);
	check_u64(9 * P, f->map->size);
	check_entry(f->map, A, A + 3 * P, RW, ALL);
	check_entry(f->map, A + 3 * P, A + 6 * P, R, ALL);
	check_entry(f->map, A + 6 * P, A + 9 * P, RW, ALL);
	for (size_t i = 0; i < 3; i++) {
		e[i] = space_entry(f->map, A + i * 3 * P);
		assert_ptr_equal(e[0]->object, e[i]->object);
		check_u64(e[0]->offset + i * 3 * P, e[i]->offset);
	}
	check_u64(3, e[0]->object->ref_count);
	check_u64(9 * P, vm_charge_used());
	check_fill(f->proc, A, 9, 20);
	pmap_drop(f->pmap);
	check_fill(f->proc, A, 9, 20);
	check_u64(MODEL_OK, store(f, A + 3 * P - 1, 1));
	check_u64(SEGV_ACCERR, store(f, A + 3 * P, 1));
	check_u64(SEGV_ACCERR, store(f, A + 6 * P - 1, 1));
	check_u64(MODEL_OK, store(f, A + 6 * P, 1));
}

/* The middle of memory that nobody has touched: the parts still share one object. */
static void
prt_07_untouched(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 3 * P, RW, ALL, 0);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A + P, A + 2 * P, R, FALSE));
	check_u64(3, f->map->nentries);
	check_fill(f->proc, A, 1, 0);
	check_fill(f->proc, A + P, 1, 0);
	space_fill(f->proc, A + 2 * P, 1, 5);
	check_fill(f->proc, A, 1, 0);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 3 * P, RW, FALSE));
	space_fill(f->proc, A, 2, 3);
	check_fill(f->proc, A, 3, 3);
}

static void
prt_08(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 9 * P, RW, ALL, 0);
	space_fill(f->proc, A, 9, 20);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A + 3 * P, A + 6 * P, R, FALSE));
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A + 3 * P, A + 6 * P, RW, FALSE));
	check_rights(f->map, A, A + 9 * P, RW, ALL);
	assert_in_range(f->map->nentries, 1, 3);
	check_u64(9 * P, f->map->size);
	check_fill(f->proc, A, 9, 20);
	space_fill(f->proc, A, 9, 50);
	check_fill(f->proc, A, 9, 50);
}

static void
prt_09(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 2 * P, RW, ALL, 0);
	space_map(f->map, A + 4 * P, 2 * P, RW, ALL, 0);
	space_fill(f->proc, A, 2, 1);
	refused(f, KERN_INVALID_ADDRESS, A, A + 6 * P, R, false);
	refused(f, KERN_INVALID_ADDRESS, A + P, A + 3 * P, R, false);
	refused(f, KERN_INVALID_ADDRESS, A + 3 * P, A + 5 * P, R, false);
	refused(f, KERN_INVALID_ADDRESS, A - P, A + P, R, false);
	refused(f, KERN_INVALID_ADDRESS, A + 5 * P, A + 7 * P, R, true);
	refused(f, KERN_INVALID_ADDRESS, A + 2 * P, A + 4 * P, R, false);
	refused(f, KERN_INVALID_ADDRESS, 0, MODEL_USER_MIN, R, false);
	refused(f, KERN_INVALID_ADDRESS, MODEL_USER_MAX, MODEL_USER_MAX + P, R, false);
}

static void
prt_10(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 4 * P, R, RX, 0);
	check_u64(MODEL_OK, load(f, A));
	refused(f, KERN_SUCCESS, A, A, RW, false);
	refused(f, KERN_SUCCESS, A + P, A + P, RW, true);
	refused(f, KERN_SUCCESS, A + 100 * P, A + 100 * P, RW, false);
}

static void
prt_10_bad_ranges(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 4 * P, RW, ALL, 0);
	refused(f, KERN_INVALID_ARGUMENT, A + 1, A + P, R, false);
	refused(f, KERN_INVALID_ARGUMENT, A, A + P - 1, R, false);
	refused(f, KERN_INVALID_ARGUMENT, A + P, A, R, false);
	refused(f, KERN_INVALID_ARGUMENT, A, A + P, VM_PROT_COPY, false);
}

/* PRT-11 */

static void
prt_11(void **state)
{
	struct vm_fixture *f = *state;
	uint8_t value = 7;

	space_map(f->map, A, P, RW, ALL, 0);
	for (uint32_t cpu = 1; cpu < 4; cpu++) {
		model_cpu_switch(cpu);
		model_user_store(f->proc, A, value);
		assert_true(model_access(f->pmap, A, VM_PROT_WRITE, &value));
	}
	model_cpu_switch(0);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + P, R, FALSE));
	value = 9;
	for (uint32_t cpu = 1; cpu < 4; cpu++) {
		model_cpu_switch(cpu);
		assert_false(model_access(f->pmap, A, VM_PROT_WRITE, &value));
		check_u64(7, model_user_load(f->proc, A));
	}
	model_cpu_switch(0);
}

struct writer {
	struct vm_fixture *f;
	uint32_t stores; /* atomic */
	bool stopped;	 /* atomic: an access has faulted */
};

/* write_until_fault: what a program on another processor does; without a fault handler. */
static void
write_until_fault(void *arg)
{
	struct writer *w = arg;
	uint8_t value = 0;

	model_user_store(w->f->proc, A, 0);
	do {
		value++;
		__atomic_add_fetch(&w->stores, 1, __ATOMIC_SEQ_CST);
	} while (model_access(w->f->pmap, A, VM_PROT_WRITE, &value));
	__atomic_store_n(&w->stopped, true, __ATOMIC_SEQ_CST);
}

#define STORES_BEFORE 1000 /* by which time it certainly writes through its TLB */

static void
prt_11_race(void **state)
{
	struct vm_fixture *f = *state;
	struct writer w = {.f = f};
	struct thread *t;
	uint8_t after;

	space_map(f->map, A, P, RW, ALL, 0);
	t = model_thread_start("writer", write_until_fault, &w);
	while (__atomic_load_n(&w.stores, __ATOMIC_SEQ_CST) < STORES_BEFORE)
		model_yield();
	assert_false(__atomic_load_n(&w.stopped, __ATOMIC_SEQ_CST));
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + P, R, FALSE));
	after = model_user_load(f->proc, A);
	model_thread_join(t);
	check_u64(after, model_user_load(f->proc, A));
}

static void
prt_12(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(4, 40);
	vm_offset_t b = A + 0x100000;

	space_map_object(f->map, object, A, R, ALL, MAP_COPY_ON_WRITE);
	space_map_object(f->map, object, b, R, ALL, MAP_COPY_ON_WRITE);
	check_fill(f->proc, A, 4, 40);
	check_fill(f->proc, b, 4, 40);
	check_u64(0, vm_charge_used());
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 4 * P, RW, FALSE));
	check_u64(4 * P, vm_charge_used());
	space_fill(f->proc, A, 3, 90);
	check_fill(f->proc, A, 3, 90);
	check_fill(f->proc, A + 3 * P, 1, 43);
	check_fill(f->proc, b, 4, 40);
	check_u64(40, space_object_byte(object, 0));
	check_u64(SEGV_ACCERR, store(f, b, 1));
	vm_fixture_audit(f);
	vm_object_deallocate(object);
}

static void
prt_12_after_fork(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	space_map(f->map, A, 2 * P, RW, ALL, 0);
	space_fill(f->proc, A, 2, 1);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 2 * P, R, FALSE));
	child = model_proc_fork(f->proc);
	check_fill(child, A, 2, 1);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 2 * P, RW, FALSE));
	space_fill(f->proc, A, 2, 60);
	check_fill(child, A, 2, 1);
	check_fill(f->proc, A, 2, 60);
	model_proc_destroy(child);
}

static void
prt_13(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 4 * P, RW, ALL, 0);
	space_fill(f->proc, A, 4, 5);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 4 * P, VM_PROT_NONE, FALSE));
	for (size_t i = 0; i < 4; i++) {
		check_u64(SEGV_ACCERR, load(f, A + i * P));
		check_u64(SEGV_ACCERR, store(f, A + i * P, 1));
		check_u64(SEGV_ACCERR, model_user_fetch(f->proc, A + i * P));
	}
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 4 * P, RW, FALSE));
	check_fill(f->proc, A, 4, 5);
	space_fill(f->proc, A, 4, 6);
	check_fill(f->proc, A, 4, 6);
}

static void
prt_14(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(4, 1);

	space_map(f->map, A, 4 * P, R, R, 0);
	space_map_object(f->map, object, A + 4 * P, R, R, 0);
	vm_object_deallocate(object);
	check_u64(MODEL_OK, load(f, A));
	for (vm_offset_t at = A; at < A + 8 * P; at += 4 * P) {
		refused(f, KERN_PROTECTION_FAILURE, at, at + 4 * P, W, false);
		refused(f, KERN_PROTECTION_FAILURE, at, at + 4 * P, RW, false);
		refused(f, KERN_PROTECTION_FAILURE, at, at + 4 * P, RX, false);
		refused(f, KERN_PROTECTION_FAILURE, at + P, at + 2 * P, ALL, true);
		check_kr(KERN_SUCCESS, vm_map_protect(f->map, at, at + 4 * P, VM_PROT_NONE, FALSE));
		check_kr(KERN_SUCCESS, vm_map_protect(f->map, at, at + 4 * P, R, FALSE));
	}
}

/* PRT-15: [A, A + 4P) is wired and readable, and becomes writable. */

static void
writable_without_a_fault(struct vm_fixture *f)
{
	uint64_t faults;

	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 4 * P, RW, FALSE));
	faults = model_fault_count();
	space_fill(f->proc, A, 4, 70);
	check_fill(f->proc, A, 4, 70);
	check_u64(faults, model_fault_count());
	check_u64(4, pmap_wired_count(f->pmap));
	for (size_t i = 0; i < 4; i++) {
		struct pmap_mapping m;

		assert_true(pmap_query(f->pmap, A + i * P, &m));
		check_u64(1, m.page->wire_count);
	}
	vm_fixture_audit(f);
}

static void
prt_15(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(4, 40);

	space_map_object(f->map, object, A, R, ALL, MAP_COPY_ON_WRITE);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + 4 * P, VM_MAP_WIRE_USER));
	writable_without_a_fault(f);
	check_u64(40, space_object_byte(object, 0));
	check_kr(KERN_SUCCESS, vm_map_unwire(f->map, A, A + 4 * P, VM_MAP_WIRE_USER));
	check_fill(f->proc, A, 4, 70);
	vm_object_deallocate(object);
}

static void
prt_15_anonymous(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 4 * P, R, ALL, 0);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + 4 * P, VM_MAP_WIRE_USER));
	writable_without_a_fault(f);
}

/* Memory that was inaccessible for a while keeps its wiring, and is as good as before. */
static void
prt_15_inaccessible(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 4 * P, RW, ALL, 0);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + 4 * P, VM_MAP_WIRE_USER));
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 4 * P, VM_PROT_NONE, FALSE));
	check_u64(SEGV_ACCERR, load(f, A));
	writable_without_a_fault(f);
}

static void
prt_15_system(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(4, 40);

	space_map_object(f->map, object, A, R, ALL, MAP_COPY_ON_WRITE);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + 4 * P, VM_MAP_WIRE_SYSTEM));
	writable_without_a_fault(f);
	check_u64(40, space_object_byte(object, 0));
	check_kr(KERN_SUCCESS, vm_map_unwire(f->map, A, A + 4 * P, VM_MAP_WIRE_SYSTEM));
	vm_object_deallocate(object);
}

/* The copies cannot be made: nothing has changed, whichever allocation failed. */
static void
prt_15_no_memory(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(4, 40);
	struct map_snapshot *before;
	kern_return_t kr;

	space_map_object(f->map, object, A, R, ALL, MAP_COPY_ON_WRITE);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + 4 * P, VM_MAP_WIRE_USER));
	for (uint64_t k = 1;; k++) {
		before = map_snapshot_take(f->map);
		map_drop_spares(f->map);
		model_fail_after(k);
		kr = vm_map_protect(f->map, A, A + 4 * P, RW, FALSE);
		model_fail_off();
		if (kr == KERN_SUCCESS)
			break;
		check_kr(KERN_RESOURCE_SHORTAGE, kr);
		check_unchanged(before, f->map);
		vm_fixture_audit(f);
	}
	check_u64(4 * P, vm_charge_used());
	check_fill(f->proc, A, 4, 40);
	vm_object_deallocate(object);
}

static void
prt_16(void **state)
{
	struct vm_fixture *f = *state;

	f->map->flags |= VM_MAP_WXORX;
	space_map(f->map, A, 4 * P, RW, ALL, 0);
	space_fill(f->proc, A, 4, 1);
	refused(f, KERN_PROTECTION_FAILURE, A, A + 4 * P, ALL, false);
	refused(f, KERN_PROTECTION_FAILURE, A + P, A + 2 * P, W | X, false);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 4 * P, RX, FALSE));
	check_u64(MODEL_OK, model_user_fetch(f->proc, A));
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 4 * P, RW, FALSE));
	/* A maximum gives nobody both at once. */
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 4 * P, ALL, TRUE));
	/* Without the flag vm_map_protect(9) alone decides. */
	f->map->flags &= ~VM_MAP_WXORX;
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 4 * P, ALL, FALSE));
}

/* PRT-17: at A a private view of an object, at A + 4P (or the other way round) plain memory. */
static void
prt_17_order(struct vm_fixture *f, bool cow_first)
{
	vm_offset_t cow = cow_first ? A : A + 4 * P, plain = cow_first ? A + 4 * P : A;
	struct vm_object *object = space_object(4, 40);
	struct pmap_mapping m;
	uint64_t faults;

	space_map(f->map, plain, 4 * P, ALL, ALL, 0);
	space_map_object(f->map, object, cow, ALL, ALL, MAP_COPY_ON_WRITE);
	space_fill(f->proc, plain, 4, 80);
	check_fill(f->proc, cow, 4, 40);

	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 8 * P, RW, FALSE));
	faults = model_fault_count();
	space_fill(f->proc, plain, 4, 90);
	check_u64(faults, model_fault_count());
	assert_true(!pmap_query(f->pmap, cow, &m) || !(m.prot & W));
	vm_fixture_audit(f);
	space_fill(f->proc, cow, 4, 10);
	for (size_t i = 0; i < 4; i++)
		check_u64(40 + i, space_object_byte(object, i));

	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 8 * P, R, FALSE));
	check_u64(SEGV_ACCERR, store(f, cow, 1));
	check_u64(SEGV_ACCERR, store(f, plain, 1));
	check_fill(f->proc, plain, 4, 90);
	check_fill(f->proc, cow, 4, 10);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 8 * P));
	vm_object_deallocate(object);
}

static void
prt_17(void **state)
{
	prt_17_order(*state, true);
	prt_17_order(*state, false);
}

/* PRT-18 */

#define ROUNDS 300

struct protector {
	struct vm_fixture *f;
	vm_offset_t start, end;
	vm_prot_t prot;
	unsigned rounds;
	kern_return_t kr; /* the first that was no success */
};

static void
protect_rounds(void *arg)
{
	struct protector *p = arg;

	for (unsigned i = 0; i < p->rounds && p->kr == KERN_SUCCESS; i++)
		p->kr = vm_map_protect(p->f->map, p->start, p->end, p->prot, FALSE);
}

/* uniform: have all pages of the range the same protection, in one look? */
static bool
uniform(vm_map_t map, vm_offset_t start, vm_offset_t end)
{
	vm_map_entry_t e;
	vm_prot_t first;
	bool same = true;

	vm_map_lock_read(map);
	assert_true(vm_map_lookup_entry(map, start, &e));
	first = e->protection;
	for (; e->end < end; e = e->next)
		same = same && e->next->protection == first;
	vm_map_unlock_read(map);
	return same;
}

static void
prt_18(void **state)
{
	struct vm_fixture *f = *state;
	struct protector low = {f, A, A + 6 * P, R, ROUNDS, KERN_SUCCESS};
	struct protector high = {f, A + 3 * P, A + 9 * P, RX, ROUNDS, KERN_SUCCESS};
	struct thread *t[2];

	space_map(f->map, A, 9 * P, RW, ALL, 0);
	space_fill(f->proc, A, 9, 1);
	/* Both change several entries where they overlap. */
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A + 4 * P, A + 5 * P, VM_INHERIT_NONE));
	t[0] = model_thread_start("low", protect_rounds, &low);
	t[1] = model_thread_start("high", protect_rounds, &high);
	for (int i = 0; i < ROUNDS; i++)
		assert_true(uniform(f->map, A + 3 * P, A + 6 * P));
	model_thread_join(t[0]);
	model_thread_join(t[1]);
	check_kr(KERN_SUCCESS, low.kr);
	check_kr(KERN_SUCCESS, high.kr);
	check_rights(f->map, A, A + 3 * P, R, ALL);
	assert_true(uniform(f->map, A + 3 * P, A + 6 * P));
	check_rights(f->map, A + 6 * P, A + 9 * P, RX, ALL);
	check_fill(f->proc, A, 9, 1);
}

/* While somebody looks, nothing changes; while it is being changed, nobody can look. */
static void
prt_18_lock(void **state)
{
	struct vm_fixture *f = *state;
	struct protector p = {f, A, A + 2 * P, R, 1, KERN_SUCCESS};
	struct thread *t;

	space_map(f->map, A, 2 * P, RW, ALL, 0);
	vm_map_lock_read(f->map);
	t = model_thread_start("protector", protect_rounds, &p);
	model_thread_await_sleep(t);
	check_u64(RW, f->map->header.next->protection);
	vm_map_unlock_read(f->map);
	model_thread_join(t);
	check_entry(f->map, A, A + 2 * P, R, ALL);
}

/* The timestamp counts the exclusive locks: one is taken, however many entries there are. */
static void
prt_18_once(void **state)
{
	struct vm_fixture *f = *state;
	uint64_t before;

	space_map(f->map, A, 9 * P, RW, ALL, 0);
	space_fill(f->proc, A, 9, 1);
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A + 4 * P, A + 5 * P, VM_INHERIT_NONE));
	before = f->map->timestamp;
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A + P, A + 8 * P, R, FALSE));
	check_u64(before + 1, f->map->timestamp);
}

static void
prt_19(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 2 * P, RW, ALL, 0);
	space_map(f->map, A + 2 * P, 2 * P, VM_PROT_NONE, VM_PROT_NONE, MAP_CREATE_GUARD);
	space_map(f->map, A + 4 * P, 2 * P, RW, ALL, 0);
	space_fill(f->proc, A, 2, 1);
	refused(f, KERN_PROTECTION_FAILURE, A, A + 6 * P, R, false);
	refused(f, KERN_PROTECTION_FAILURE, A + 2 * P, A + 4 * P, R, false);
	refused(f, KERN_PROTECTION_FAILURE, A + 3 * P, A + 5 * P, X, false);
	refused(f, KERN_PROTECTION_FAILURE, A, A + 6 * P, R, true);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 6 * P, VM_PROT_NONE, FALSE));
	check_entry(f->map, A, A + 2 * P, VM_PROT_NONE, ALL);
	check_rights(f->map, A + 2 * P, A + 4 * P, VM_PROT_NONE, VM_PROT_NONE);
	check_u64(4 * P, f->map->size);
	check_u64(SEGV_ACCERR, load(f, A));
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 2 * P, RW, FALSE));
	check_fill(f->proc, A, 2, 1);
}

static void
charge_refused(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 8 * P, R, ALL, 0);
	vm_charge_set_limit(vm_charge_used() + 4 * P);
	refused(f, KERN_RESOURCE_SHORTAGE, A, A + 8 * P, RW, false);
	refused(f, KERN_RESOURCE_SHORTAGE, A + P, A + 6 * P, RW, false);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A + 2 * P, A + 6 * P, RW, FALSE));
	check_u64(4 * P, vm_charge_used());
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 8 * P, R, FALSE));
	/* What has been charged once is charged no second time. */
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A + 2 * P, A + 6 * P, RW, FALSE));
	check_u64(4 * P, vm_charge_used());
	vm_charge_set_limit(VM_CHARGE_UNLIMITED);
}

static void
no_memory(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;
	kern_return_t kr;

	space_map(f->map, A, 6 * P, RW, ALL, 0);
	space_fill(f->proc, A, 6, 30);
	for (uint64_t k = 1;; k++) {
		before = map_snapshot_take(f->map);
		map_drop_spares(f->map);
		model_fail_after(k);
		kr = vm_map_protect(f->map, A + P, A + 5 * P, R, FALSE);
		model_fail_off();
		if (kr == KERN_SUCCESS)
			break;
		check_kr(KERN_RESOURCE_SHORTAGE, kr);
		check_unchanged(before, f->map);
	}
	check_entry(f->map, A + P, A + 5 * P, R, ALL);
	check_fill(f->proc, A, 6, 30);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"PRT-01: what loses WRITE can be read, and a store ends in SEGV_ACCERR", prt_01},
	    {"PRT-01: what loses EXECUTE cannot be fetched", prt_01_execute},
	    {"PRT-02: set_max sets the maximum and cuts the protection to fit", prt_02},
	    {"PRT-03: without set_max the maximum stays", prt_03},
	    {"PRT-04: one entry beyond its max refuses all and changes none", prt_04},
	    {"PRT-05: a maximum never grows", prt_05},
	    {"PRT-06: a submap in the range is an invalid argument, nothing changed", prt_06},
	    {"PRT-07: the middle of an entry becomes one of three, contents kept", prt_07},
	    {"PRT-07: the middle of untouched memory becomes one of three", prt_07_untouched},
	    {"PRT-08: restored, the middle is as before", prt_08},
	    {"PRT-09: a hole in the range is an invalid address, nothing changed", prt_09},
	    {"PRT-10: an empty range is a success and no operation", prt_10},
	    {"PRT-10: unaligned and reversed ranges are invalid arguments", prt_10_bad_ranges},
	    {"PRT-11: no stale translation of any processor allows a store", prt_11},
	    {"PRT-11: after the return no store of a running writer becomes visible", prt_11_race},
	    {"PRT-12: WRITE granted on a copy-on-write entry: the sibling keeps its data", prt_12},
	    {"PRT-12: WRITE granted after a fork: the child keeps its data", prt_12_after_fork},
	    {"PRT-13: NONE and back: the data is there", prt_13},
	    {"PRT-14: read-only at most stays read-only", prt_14},
	    {"PRT-15: user-wired private memory is copied at once, later stores do not fault",
	     prt_15},
	    {"PRT-15: wired anonymous memory becomes writable without a later fault",
	     prt_15_anonymous},
	    {"PRT-15: wired memory that was inaccessible comes back without a fault",
	     prt_15_inaccessible},
	    {"PRT-15: memory wired by the system is copied at once, too", prt_15_system},
	    {"PRT-15: without memory for the copies nothing has changed", prt_15_no_memory},
	    {"PRT-16: write and execute together are refused on a W^X map only", prt_16},
	    {"PRT-17: each entry keeps or loses WRITE by its own copy-on-write flag", prt_17},
	    {"PRT-18: concurrent changes of overlapping ranges never mix", prt_18},
	    {"PRT-18: the map lock is held for the whole call", prt_18_lock},
	    {"PRT-18: and is taken once", prt_18_once},
	    {"PRT-19: a plain guard allows nothing but NONE", prt_19},
	    {"PRT: a refused charge changes nothing", charge_refused},
	    {"PRT: without memory for a cut nothing has changed", no_memory},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
