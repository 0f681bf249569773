/* SPDX-License-Identifier: BSD-2-Clause */
/* vm_map_delete and vm_map_remove: rows DEL-01 to DEL-06. */
#include "model/memory.h"
#include "model/memory_fixture.h"
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
#define RW  VM_PROT_RW
#define ALL VM_PROT_ALL

static void
remove_pages(struct vm_fixture *f, size_t first, size_t end)
{
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A + first * P, A + end * P));
}

static enum model_signal
load(struct vm_fixture *f, vm_offset_t va)
{
	uint8_t byte;

	return model_user_read(f->proc, va, &byte, 1);
}

static void
del_01(void **state)
{
	struct vm_fixture *f = *state;
	vm_map_entry_t low, high;
	uint64_t frames;

	space_map(f->map, A, 9 * P, RW, ALL, 0);
	space_fill(f->proc, A, 9, 1);
	memory_settle();
	frames = memory_free();
	remove_pages(f, 3, 6);
	memory_settle();
	check_u64(frames + 3, memory_free());
	check_u64(2, f->map->nentries);
	check_u64(6 * P, f->map->size);
	check_u64(6 * P, vm_charge_used());
	check_entry(f->map, A, A + 3 * P, RW, ALL);
	check_hole(f->map, A + 3 * P, A + 6 * P);
	check_entry(f->map, A + 6 * P, A + 9 * P, RW, ALL);
	low = space_entry(f->map, A);
	high = space_entry(f->map, A + 6 * P);
	assert_ptr_equal(low->object, high->object);
	check_u64(low->offset + 6 * P, high->offset);
	check_u64(2, low->object->ref_count);
	check_u64(6, low->object->resident);
	check_fill(f->proc, A, 3, 1);
	check_fill(f->proc, A + 6 * P, 3, 7);
	check_u64(SEGV_MAPERR, load(f, A + 3 * P));
	check_u64(SEGV_MAPERR, load(f, A + 6 * P - 1));
}

static void
del_02(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;

	space_map(f->map, A + 2 * P, 2 * P, RW, ALL, 0);
	space_map(f->map, A + 6 * P, 2 * P, R, ALL, 0);
	space_fill(f->proc, A + 2 * P, 2, 1);
	before = map_snapshot_take(f->map);
	remove_pages(f, 2, 2);
	remove_pages(f, 3, 3);
	remove_pages(f, 3, 2);
	remove_pages(f, 0, 2);
	remove_pages(f, 4, 6);
	remove_pages(f, 20, 40);
	check_unchanged(before, f->map);
	remove_pages(f, 0, 7);
	check_u64(1, f->map->nentries);
	check_u64(P, f->map->size);
	check_entry(f->map, A + 7 * P, A + 8 * P, R, ALL);
	/* Bounds are clamped by vm_map_remove. */
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, 0, -P));
	check_u64(0, f->map->nentries);
	check_u64(0, f->map->size);
	check_u64(0, vm_charge_used());
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, 0, -P));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_remove(f->map, A + 1, A + P));
}

/* DEL-03 */

static void
del_03(void **state)
{
	struct vm_fixture *f = *state;
	uint8_t byte = 9;

	space_map(f->map, A, 2 * P, RW, ALL, 0);
	for (uint32_t cpu = 0; cpu < 4; cpu++) {
		model_cpu_switch(cpu);
		space_fill(f->proc, A, 2, 1);
	}
	model_cpu_switch(0);
	remove_pages(f, 0, 1);
	for (uint32_t cpu = 0; cpu < 4; cpu++) {
		model_cpu_switch(cpu);
		assert_false(model_access(f->pmap, A, R, &byte));
		assert_false(model_access(f->pmap, A, VM_PROT_WRITE, &byte));
		assert_true(model_access(f->pmap, A + P, R, &byte));
		check_u64(SEGV_MAPERR, load(f, A));
	}
	model_cpu_switch(0);
}

struct writer {
	struct vm_fixture *f;
	uint32_t stores; /* atomic */
};

/* write_until_fault: what a program on another processor does; without a fault handler. */
static void
write_until_fault(void *arg)
{
	struct writer *w = arg;
	uint8_t value = 0x77;

	model_user_store(w->f->proc, A, value);
	do {
		__atomic_add_fetch(&w->stores, 1, __ATOMIC_SEQ_CST);
	} while (model_access(w->f->pmap, A, VM_PROT_WRITE, &value));
}

#define STORES_BEFORE 1000

/* The frame is somebody else's after the return: no store of the writer may reach it. */
static void
del_03_race(void **state)
{
	struct vm_fixture *f = *state;
	struct writer w = {.f = f};
	struct thread *t;

	space_map(f->map, A, P, RW, ALL, 0);
	t = model_thread_start("writer", write_until_fault, &w);
	while (__atomic_load_n(&w.stores, __ATOMIC_SEQ_CST) < STORES_BEFORE)
		model_yield();
	remove_pages(f, 0, 1);
	space_map(f->map, 2 * A, 64 * P, RW, ALL, 0);
	for (size_t i = 0; i < 64; i++)
		check_fill(f->proc, 2 * A + i * P, 1, 0);
	model_thread_join(t);
	for (size_t i = 0; i < 64; i++)
		check_fill(f->proc, 2 * A + i * P, 1, 0);
}

/* DEL-04 */

static void
del_04(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(8, 1);

	space_map_object(f->map, object, A, RW, ALL, 0);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + 8 * P, VM_MAP_WIRE_USER));
	check_u64(8 * P, f->map->user_wired);
	check_u64(8, pmap_wired_count(f->pmap));
	remove_pages(f, 2, 5);
	check_u64(5 * P, f->map->user_wired);
	check_u64(5, pmap_wired_count(f->pmap));
	rwlock_read(&object->lock);
	for (size_t i = 0; i < 8; i++)
		check_u64(i < 2 || i >= 5, vm_radix_lookup(&object->pages, i)->wire_count);
	rwlock_read_unlock(&object->lock);
	remove_pages(f, 0, 8);
	check_u64(0, f->map->user_wired);
	check_u64(0, pmap_wired_count(f->pmap));
	rwlock_read(&object->lock);
	for (size_t i = 0; i < 8; i++)
		check_u64(0, vm_radix_lookup(&object->pages, i)->wire_count);
	rwlock_read_unlock(&object->lock);
	vm_object_deallocate(object);
}

static void
del_04_private(void **state)
{
	struct vm_fixture *f = *state;
	uint64_t frames;

	memory_settle();
	frames = memory_free();
	space_map(f->map, A, 8 * P, RW, ALL, 0);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + 8 * P, VM_MAP_WIRE_USER));
	remove_pages(f, 0, 8);
	check_u64(0, f->map->user_wired);
	map_drop_spares(f->map);
	memory_settle();
	check_u64(frames, memory_free());
}

/* DEL-05: the page at A + P is not there yet: who wires it sleeps. */

struct request {
	struct vm_fixture *f;
	vm_offset_t start, end;
	kern_return_t kr;
	bool done; /* atomic */
};

static void
wire(void *arg)
{
	struct request *r = arg;

	r->kr = vm_map_wire(r->f->map, r->start, r->end, VM_MAP_WIRE_USER);
	__atomic_store_n(&r->done, true, __ATOMIC_SEQ_CST);
}

static void delete (void *arg)
{
	struct request *r = arg;

	r->kr = vm_map_remove(r->f->map, r->start, r->end);
	__atomic_store_n(&r->done, true, __ATOMIC_SEQ_CST);
}

static void
del_05(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = vm_object_allocate_anon(4);
	struct request wiring = {f, A, A + 4 * P, -1, false};
	struct request deleting = {f, A + P, A + 3 * P, -1, false};
	struct thread *t[2];

	space_map_object(f->map, object, A, RW, ALL, 0);
	space_object_stall(object, 1);
	t[0] = model_thread_start("wirer", wire, &wiring);
	model_thread_await_sleep(t[0]);
	t[1] = model_thread_start("deleter", delete, &deleting);
	model_thread_await_sleep(t[1]);
	check_rights(f->map, A, A + 4 * P, RW, ALL);
	assert_false(deleting.done);
	space_object_go_on(object, 1);
	model_thread_join(t[0]);
	model_thread_join(t[1]);
	check_kr(KERN_SUCCESS, wiring.kr);
	check_kr(KERN_SUCCESS, deleting.kr);
	check_hole(f->map, A + P, A + 3 * P);
	check_u64(2 * P, f->map->user_wired);
	check_u64(2, pmap_wired_count(f->pmap));
	check_u64(0, f->map->busy);
	vm_object_deallocate(object);
}

/* Neighbours of the wiring can be deleted meanwhile. */
static void
del_05_elsewhere(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = vm_object_allocate_anon(4);
	struct request wiring = {f, A, A + 4 * P, -1, false};
	struct thread *t;

	space_map_object(f->map, object, A, RW, ALL, 0);
	space_map(f->map, A + 4 * P, 4 * P, RW, ALL, 0);
	space_object_stall(object, 1);
	t = model_thread_start("wirer", wire, &wiring);
	model_thread_await_sleep(t);
	remove_pages(f, 4, 6);
	check_hole(f->map, A + 4 * P, A + 6 * P);
	assert_false(wiring.done);
	space_object_go_on(object, 1);
	model_thread_join(t);
	check_kr(KERN_SUCCESS, wiring.kr);
	vm_object_deallocate(object);
}

/* A thread that is killed while it waits deletes nothing. */
static void
del_05_killed(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = vm_object_allocate_anon(4);
	struct request wiring = {f, A + P, A + 4 * P, -1, false};
	struct request deleting = {f, A, A + 4 * P, -1, false};
	struct thread *t[2];

	space_map_object(f->map, object, A, RW, ALL, 0);
	space_fill(f->proc, A, 1, 5);
	space_object_stall(object, 1);
	t[0] = model_thread_start("wirer", wire, &wiring);
	model_thread_await_sleep(t[0]);
	t[1] = model_thread_start("deleter", delete, &deleting);
	model_thread_await_sleep(t[1]);
	model_thread_kill(t[1]);
	model_thread_join(t[1]);
	check_kr(KERN_ABORTED, deleting.kr);
	check_fill(f->proc, A, 1, 5);
	check_rights(f->map, A, A + 4 * P, RW, ALL);
	space_object_go_on(object, 1);
	model_thread_join(t[0]);
	check_kr(KERN_SUCCESS, wiring.kr);
	check_u64(3 * P, f->map->user_wired);
	vm_object_deallocate(object);
}

/* What the kernel has wired for a while is not taken away under it. */
static void
del_05_system(void **state)
{
	struct vm_fixture *f = *state;
	struct request deleting = {f, A, A + 4 * P, -1, false};
	struct thread *t;

	space_map(f->map, A, 4 * P, RW, ALL, 0);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A + P, A + 2 * P, VM_MAP_WIRE_SYSTEM));
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A + P, A + 2 * P, VM_MAP_WIRE_SYSTEM));
	t = model_thread_start("deleter", delete, &deleting);
	model_thread_await_sleep(t);
	check_rights(f->map, A, A + 4 * P, RW, ALL);
	check_kr(KERN_SUCCESS, vm_map_unwire(f->map, A + P, A + 2 * P, VM_MAP_WIRE_SYSTEM));
	model_thread_await_sleep(t); /* one wiring is left */
	check_rights(f->map, A, A + 4 * P, RW, ALL);
	check_kr(KERN_SUCCESS, vm_map_unwire(f->map, A + P, A + 2 * P, VM_MAP_WIRE_SYSTEM));
	model_thread_join(t);
	check_kr(KERN_SUCCESS, deleting.kr);
	check_u64(0, f->map->nentries);
}

static void
del_06(void **state)
{
	struct vm_fixture *f = *state;
	uint64_t objects = vm_object_count(), frames;

	memory_settle();
	frames = memory_free();
	space_map(f->map, A, 6 * P, RW, ALL, 0);
	space_fill(f->proc, A, 6, 1);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A + 2 * P, A + 4 * P, R, FALSE));
	remove_pages(f, 2, 4);
	remove_pages(f, 0, 2);
	check_u64(objects + 1, vm_object_count());
	remove_pages(f, 4, 6);
	check_u64(objects, vm_object_count());
	map_drop_spares(f->map);
	memory_settle();
	check_u64(frames, memory_free());
	check_u64(0, model_pmap_mappings() - pmap_resident_count(kernel_pmap));
}

/* An object with another reference stays, with its pages. */
static void
del_06_referenced(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(4, 30);

	space_map_object(f->map, object, A, RW, ALL, 0);
	space_fill(f->proc, A, 4, 60);
	remove_pages(f, 0, 4);
	check_u64(1, object->ref_count);
	check_u64(4, object->resident);
	for (size_t i = 0; i < 4; i++)
		check_u64(60 + i, space_object_byte(object, i));
	vm_object_deallocate(object);
}

/* Two mappings of one object: what one of them gives up, the other still shows. */
static void
del_06_mapped_twice(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = vm_object_allocate_anon(4);

	space_map_object(f->map, object, A, RW, ALL, 0);
	space_map_object(f->map, object, 2 * A, RW, ALL, 0);
	vm_object_deallocate(object);
	space_fill(f->proc, A, 4, 60);
	check_fill(f->proc, 2 * A, 4, 60);
	remove_pages(f, 1, 3);
	check_fill(f->proc, 2 * A, 4, 60);
	remove_pages(f, 0, 4);
	check_fill(f->proc, 2 * A, 4, 60);
}

static void
del_06_shared(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	space_map(f->map, A, 4 * P, RW, ALL, MAP_INHERIT_SHARE);
	space_fill(f->proc, A, 4, 10);
	child = model_proc_fork(f->proc);
	remove_pages(f, 1, 3);
	check_fill(child, A, 4, 10);
	remove_pages(f, 0, 4);
	check_fill(child, A, 4, 10);
	space_fill(child, A, 4, 20);
	check_fill(child, A, 4, 20);
	model_proc_destroy(child);
	check_u64(0, vm_charge_used());
}

/* Whichever allocation of a deletion fails, nothing has changed; a whole entry needs none. */
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
		kr = vm_map_remove(f->map, A + 2 * P, A + 4 * P);
		model_fail_off();
		if (kr == KERN_SUCCESS)
			break;
		check_kr(KERN_RESOURCE_SHORTAGE, kr);
		check_unchanged(before, f->map);
	}
	check_fill(f->proc, A, 2, 30);
	check_fill(f->proc, A + 4 * P, 2, 34);
	map_drop_spares(f->map);
	model_fail_from(1);
	remove_pages(f, 0, 2);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, MODEL_USER_MAX + P, MODEL_USER_MAX + 3 * P));
	remove_pages(f, 0, 6);
	model_fail_off();
	check_u64(0, f->map->nentries);
}

/* What no part shows any more is no part of the object, wherever it was cut off. */
static void
del_06_window(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object;

	space_map(f->map, A, 6 * P, RW, ALL, 0);
	space_fill(f->proc, A, 6, 1);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A + 2 * P, A + 4 * P, R, FALSE));
	object = space_entry(f->map, A)->object;
	check_u64(3, object->ref_count);
	remove_pages(f, 5, 6);
	check_u64(5, object->size);
	remove_pages(f, 0, 1);
	check_u64(1, object->first);
	remove_pages(f, 3, 4);
	check_u64(1, object->first);
	check_u64(5, object->size);
	check_u64(3, object->resident);
	check_fill(f->proc, A + P, 2, 2);
	check_fill(f->proc, A + 4 * P, 1, 5);
}

struct remover {
	struct vm_fixture *f;
	size_t pages;
};

static void
remove_these(void *arg)
{
	struct remover *r = arg;

	remove_pages(r->f, 0, r->pages);
}

/* can_read_while_freed: of so many pages, whose object is another's for the moment. */
static bool
can_read_while_freed(struct vm_fixture *f, size_t pages)
{
	struct remover r = {f, pages};
	struct vm_object *object;
	vm_map_entry_t e;
	struct thread *t;
	bool readable;

	space_map(f->map, A, ptoa(pages), RW, ALL, 0);
	model_user_store(f->proc, A, 1);
	object = space_entry(f->map, A)->object;
	rwlock_write(&object->lock);
	t = model_thread_start("remover", remove_these, &r);
	model_thread_await_sleep(t);
	check_u64(0, vm_map_trylock(f->map));
	readable = vm_map_trylock_read(f->map);
	if (readable) {
		assert_false(vm_map_lookup_entry(f->map, A, &e));
		vm_map_unlock_read(f->map);
	}
	rwlock_write_unlock(&object->lock);
	model_thread_join(t);
	return readable;
}

/* Others can fault while the pages of a range are freed, unless that takes but a moment. */
static void
freed_beside_readers(void **state)
{
	struct vm_fixture *f = *state;

	assert_true(can_read_while_freed(f, 16));
	assert_true(can_read_while_freed(f, 100));
	assert_false(can_read_while_freed(f, 15));
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"DEL-01: the middle of an entry goes, its pages too, its ends stay", del_01},
	    {"DEL-02: holes and empty ranges are no error", del_02},
	    {"DEL-03: no stale translation of any processor allows an access", del_03},
	    {"DEL-03: a running writer never reaches the frame's next owner", del_03_race},
	    {"DEL-04: a wired entry is unwired, the user's account is restored", del_04},
	    {"DEL-04: wired private memory is given back", del_04_private},
	    {"DEL-05: a deletion waits for a wiring, then completes", del_05},
	    {"DEL-05: a deletion beside a wiring does not wait", del_05_elsewhere},
	    {"DEL-05: a waiting deletion that is killed has deleted nothing", del_05_killed},
	    {"DEL-05: a deletion waits until the system's wirings are gone", del_05_system},
	    {"DEL-06: with the last mapping the object and its pages go", del_06},
	    {"DEL-06: an object that a handle names stays", del_06_referenced},
	    {"DEL-06: an object mapped twice keeps what the other mapping shows",
	     del_06_mapped_twice},
	    {"DEL-06: shared memory stays with the other process", del_06_shared},
	    {"DEL-06: the ends of an object that no part shows any more are cut off",
	     del_06_window},
	    {"DEL: 16 pages and more are freed beside those who read the map",
	     freed_beside_readers},
	    {"DEL: whichever allocation fails, nothing has changed; whole entries need none",
	     no_memory},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
