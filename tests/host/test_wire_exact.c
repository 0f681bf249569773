/* SPDX-License-Identifier: BSD-2-Clause */
/* Wiring: what comes and goes meanwhile; copies, moves and new parts of what is wired, page by page. */
#include "model/memory.h"
#include "model/mmu.h"
#include "model/snapshot.h"
#include "model/space.h"
#include "model/thread.h"
#include "model/vm_fixture.h"
#include "vm/pmap.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_radix.h"
#include "vm/vmspace.h"

#define A   0x100000ul
#define B   0x800000ul
#define P   PAGE_SIZE
#define R   VM_PROT_READ
#define RW  VM_PROT_RW
#define ALL VM_PROT_ALL

#define USER   VM_MAP_WIRE_USER
#define SYSTEM VM_MAP_WIRE_SYSTEM
#define HOLES  VM_MAP_WIRE_HOLESOK

static void
wire(struct vm_fixture *f, vm_offset_t start, size_t pages, int flags)
{
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, start, start + ptoa(pages), flags));
}

static void
unwire(struct vm_fixture *f, vm_offset_t start, size_t pages, int flags)
{
	check_kr(KERN_SUCCESS, vm_map_unwire(f->map, start, start + ptoa(pages), flags));
}

static void
protect(struct vm_fixture *f, vm_offset_t start, size_t pages, vm_prot_t prot)
{
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, start, start + ptoa(pages), prot, FALSE));
}

/* check_no_fault: the program loads and stores all of the range without one. */
static void
check_no_fault(struct vm_fixture *f, vm_offset_t start, size_t pages)
{
	uint64_t faults = model_fault_count();

	for (vm_offset_t va = start; va < start + ptoa(pages); va += P)
		model_user_store(f->proc, va, model_user_load(f->proc, va));
	check_u64(faults, model_fault_count());
}

/* ---- meanwhile ---- */

struct request {
	struct vm_fixture *f;
	kern_return_t kr;
};

static void
wire_four(void *arg)
{
	struct request *r = arg;

	r->kr = vm_map_wire(r->f->map, A, A + 4 * P, USER | HOLES);
}

/* While the first page is awaited, another thread maps and wires the second: one wiring each. */
static void
wired_meanwhile(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = vm_object_allocate_anon(1);
	struct request r = {f, -1};
	struct thread *t;

	space_map_object(f->map, object, A, RW, ALL, 0);
	space_object_stall(object, 0);
	t = model_thread_start("wirer", wire_four, &r);
	model_thread_await_sleep(t);
	space_map(f->map, A + P, P, RW, ALL, 0);
	wire(f, A + P, 1, USER);
	space_object_go_on(object, 0);
	model_thread_join(t);
	check_kr(KERN_SUCCESS, r.kr);
	check_u64(1, space_mapped(f->map, A + P)->wire_count);
	unwire(f, A, 2, USER);
	check_u64(0, space_mapped(f->map, A + P)->wire_count);
	vm_object_deallocate(object);
}

static void
remove_two(void *arg)
{
	struct request *r = arg;

	r->kr = vm_map_remove(r->f->map, A + P, A + 3 * P);
}

/* Somebody waited for the unwiring, and was killed: what is unwired is like its neighbours all the same. */
static void
merges_after_a_waiter(void **state)
{
	struct vm_fixture *f = *state;
	struct request r = {f, -1};
	struct thread *t;

	space_map(f->map, A, 4 * P, RW, ALL, 0);
	space_fill(f->proc, A, 4, 1);
	wire(f, A + P, 2, SYSTEM);
	t = model_thread_start("remover", remove_two, &r);
	model_thread_await_sleep(t);
	model_thread_kill(t);
	model_thread_join(t);
	check_kr(KERN_ABORTED, r.kr);
	unwire(f, A + P, 2, SYSTEM);
	check_entry(f->map, A, A + 4 * P, RW, ALL);
	check_fill(f->proc, A, 4, 1);
}

/* ---- copies ---- */

/* A child shares what is wired here, to be copied; then it may be written to: copied at once. */
static void
copied_for_a_store(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	space_map(f->map, A, 2 * P, R, ALL, 0);
	wire(f, A, 2, USER);
	child = model_proc_fork(f->proc);
	protect(f, A, 2, RW);
	check_u64(2, space_entry(f->map, A)->object->size);
	check_u64(2, space_entry(f->map, A)->object->resident);
	check_no_fault(f, A, 2);
	model_proc_destroy(child);
}

/* Without any right there is no mapping; with the rights there is one at once. */
static void
copied_from_nothing(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	space_map(f->map, A, 2 * P, R, ALL, 0);
	wire(f, A, 2, USER);
	child = model_proc_fork(f->proc);
	protect(f, A, 2, VM_PROT_NONE);
	check_u64(0, pmap_resident_count(f->pmap));
	protect(f, A, 2, RW);
	check_u64(2, pmap_wired_count(f->pmap));
	check_no_fault(f, A, 2);
	model_proc_destroy(child);
}

/* ---- moves ---- */

static void
moved_without_rights(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t addr = B;

	space_map(f->map, A, 2 * P, RW, ALL, 0);
	space_fill(f->proc, A, 2, 1);
	wire(f, A, 2, USER);
	protect(f, A, 2, VM_PROT_NONE);
	check_kr(KERN_SUCCESS, vm_map_move(f->map, A, 2 * P, 2 * P, &addr, VM_MAP_MOVE_FIXED));
	check_u64(0, pmap_resident_count(f->pmap));
	protect(f, B, 2, RW);
	check_no_fault(f, B, 2);
	check_fill(f->proc, B, 2, 1);
}

static void
extended_without_rights(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t addr = 0;

	space_map(f->map, A, P, RW, ALL, 0);
	wire(f, A, 1, USER);
	protect(f, A, 1, VM_PROT_NONE);
	check_kr(KERN_SUCCESS, vm_map_move(f->map, A, P, 3 * P, &addr, 0));
	check_u64(0, pmap_resident_count(f->pmap));
	check_u64(3 * P, f->map->user_wired);
	protect(f, A, 3, RW);
	check_no_fault(f, A, 3);
	check_zero(f->proc, A + P, 2);
}

/* A move that finds no memory takes back what it has mapped, and that alone. */
static void
move_fails_beside(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;
	unsigned failures = 0;
	vm_offset_t addr;
	kern_return_t kr;

	space_map(f->map, A, 2 * P, RW, ALL, 0);
	space_map(f->map, B - P, P, RW, ALL, 0);
	space_map(f->map, B + 2 * P, P, RW, ALL, 0);
	wire(f, A, 2, USER);
	wire(f, B - P, 1, USER);
	wire(f, B + 2 * P, 1, USER);
	for (uint64_t k = 1;; k++) {
		before = map_snapshot_take(f->map);
		addr = B;
		model_fail_after(k);
		kr = vm_map_move(f->map, A, 2 * P, 2 * P, &addr, VM_MAP_MOVE_FIXED);
		model_fail_off();
		if (kr == KERN_SUCCESS)
			break;
		check_kr(KERN_RESOURCE_SHORTAGE, kr);
		check_unchanged(before, f->map);
		check_no_fault(f, A, 2);
		check_no_fault(f, B - P, 1);
		check_no_fault(f, B + 2 * P, 1);
		failures++;
	}
	assert_true(failures >= 2);
	check_no_fault(f, B - P, 4);
}

/* set_flags: of a resident page, which nobody sees in between. */
static void
set_flags(struct vm_object *object, vm_pindex_t pindex, uint8_t set, uint8_t clear)
{
	struct vm_page *m;

	rwlock_write(&object->lock);
	m = vm_radix_lookup(&object->pages, pindex);
	m->flags = (uint8_t)((m->flags | set) & ~clear);
	rwlock_write_unlock(&object->lock);
}

/* Pages of shared memory must be ready to be wired where they are: not being written back, and valid.
 * What else there is to say of them does not matter. */
static void
extended_over_pages(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(2, 70);
	struct map_snapshot *before;
	vm_offset_t addr = 0;

	vm_object_reference(object);
	check_kr(KERN_SUCCESS, space_insert(f->map, object, 0, A, A + P, R, R, MAP_INHERIT_SHARE));
	wire(f, A, 1, USER);
	before = map_snapshot_take(f->map);
	set_flags(object, 1, VM_PAGE_BUSY, 0);
	check_kr(KERN_INVALID_ARGUMENT, vm_map_move(f->map, A, P, 2 * P, &addr, 0));
	set_flags(object, 1, 0, VM_PAGE_BUSY | VM_PAGE_VALID);
	check_kr(KERN_INVALID_ARGUMENT, vm_map_move(f->map, A, P, 2 * P, &addr, 0));
	check_unchanged(before, f->map);
	set_flags(object, 1, VM_PAGE_VALID | VM_PAGE_FIXED, 0);
	check_kr(KERN_SUCCESS, vm_map_move(f->map, A, P, 2 * P, &addr, 0));
	check_u64(2, pmap_wired_count(f->pmap));
	check_fill(f->proc, A, 2, 70);
	set_flags(object, 1, 0, VM_PAGE_FIXED);
	vm_object_deallocate(object);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"WIR-02: what comes into a hole and is wired meanwhile is not wired twice",
	     wired_meanwhile},
	    {"WIR: what somebody waited for in vain merges again when it is unwired",
	     merges_after_a_waiter},
	    {"PRT-15: the copy of wired memory has its size and all of its pages",
	     copied_for_a_store},
	    {"PRT-15: wired memory without rights, to be copied, comes back without a fault",
	     copied_from_nothing},
	    {"MOV-02: wired memory without rights moves, and comes back without a fault",
	     moved_without_rights},
	    {"MOV-02: ... and is extended", extended_without_rights},
	    {"MOV-02: a move of wired memory that fails leaves its neighbours' pages mapped",
	     move_fails_beside},
	    {"MOV-02: wired shared memory grows by pages that are ready, whatever they are",
	     extended_over_pages},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
