/* SPDX-License-Identifier: BSD-2-Clause */
/* vm_map_wire and vm_map_unwire: what stays, what is counted, what a failure leaves. */
#include "kernel/base/sched.h"
#include "model/kernel.h"
#include "model/memory.h"
#include "model/mmu.h"
#include "model/snapshot.h"
#include "model/space.h"
#include "model/thread.h"
#include "model/vm_fixture.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vmspace.h"

#define A 0x100000ul
#define P PAGE_SIZE

#define USER   (VM_MAP_WIRE_USER | VM_MAP_WIRE_NOHOLES)
#define SYSTEM (VM_MAP_WIRE_SYSTEM | VM_MAP_WIRE_NOHOLES)

static void
wire(vm_map_t map, vm_offset_t start, size_t pages, int flags)
{
	check_kr(KERN_SUCCESS, vm_map_wire(map, start, start + ptoa(pages), flags));
}

static void
unwire(vm_map_t map, vm_offset_t start, size_t pages, int flags)
{
	check_kr(KERN_SUCCESS, vm_map_unwire(map, start, start + ptoa(pages), flags));
}

/* wirings_of: of the page that is mapped at va; 0 if there is none. */
static unsigned
wirings_of(vm_map_t map, vm_offset_t va)
{
	const struct vm_page *m = space_mapped(map, va);

	return m != NULL ? m->wire_count : 0;
}

/* check_wired: the entries and the pages of the range have just these wirings. */
static void
check_wired(vm_map_t map, vm_offset_t start, size_t pages, unsigned entry, unsigned page)
{
	struct pmap_mapping m;

	for (vm_offset_t va = start; va < start + ptoa(pages); va += P) {
		check_u64(entry, space_entry(map, va)->wired_count);
		check_u64(page, wirings_of(map, va));
		if (pmap_query(vm_map_pmap(map), va, &m))
			check_u64(page != 0, m.wired);
		else
			check_u64(0, page);
	}
}

/* check_no_fault: the program of p loads and stores all of the range without one. */
static void
check_no_fault(struct proc *p, vm_offset_t start, size_t pages)
{
	uint64_t faults = model_fault_count();

	for (vm_offset_t va = start; va < start + ptoa(pages); va += P)
		model_user_store(p, va + 9, model_user_load(p, va + 9));
	check_u64(faults, model_fault_count());
}

/* WIR-01 */

static void
resident(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 8 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	model_user_store(f->proc, A + 2 * P, 5);
	wire(f->map, A, 8, USER);
	check_wired(f->map, A, 8, 1, 1);
	check_u64(8, pmap_wired_count(f->pmap));
	check_u64(8 * P, f->map->user_wired);
	check_no_fault(f->proc, A, 8);
	pmap_drop(f->pmap);
	check_no_fault(f->proc, A, 8);
	check_u64(5, model_user_load(f->proc, A + 2 * P));
	unwire(f->map, A, 8, USER);
	check_wired(f->map, A, 8, 0, 0);
	check_u64(0, pmap_wired_count(f->pmap));
	check_u64(0, f->map->user_wired);
	check_u64(5, model_user_load(f->proc, A + 2 * P));
}

static void
user_counts_once(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 4 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	wire(f->map, A, 4, USER);
	wire(f->map, A, 4, USER);
	wire(f->map, A + P, 2, USER);
	check_wired(f->map, A, 4, 1, 1);
	check_u64(4 * P, f->map->user_wired);
	unwire(f->map, A, 4, USER);
	check_wired(f->map, A, 4, 0, 0);
	unwire(f->map, A, 4, USER);
	check_wired(f->map, A, 4, 0, 0);
}

static void
system_nests(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;

	space_map(f->map, A, 4 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	wire(f->map, A, 4, SYSTEM);
	wire(f->map, A, 4, USER);
	wire(f->map, A, 4, SYSTEM);
	check_wired(f->map, A, 4, 3, 1);
	unwire(f->map, A, 4, SYSTEM);
	unwire(f->map, A, 4, USER);
	check_wired(f->map, A, 4, 1, 1);
	check_u64(0, f->map->user_wired);
	unwire(f->map, A, 4, USER); /* the user has none, and the system keeps its own */
	check_wired(f->map, A, 4, 1, 1);
	unwire(f->map, A, 4, SYSTEM);
	check_wired(f->map, A, 4, 0, 0);
	wire(f->map, A, 4, USER);
	before = map_snapshot_take(f->map);
	check_kr(KERN_INVALID_ARGUMENT, vm_map_unwire(f->map, A, A + 4 * P, SYSTEM));
	check_unchanged(before, f->map);
}

static void
part_of_an_entry(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 8 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	space_fill(f->proc, A, 8, 1);
	wire(f->map, A + 2 * P, 3, USER);
	check_wired(f->map, A, 2, 0, 0);
	check_wired(f->map, A + 2 * P, 3, 1, 1);
	check_wired(f->map, A + 5 * P, 3, 0, 0);
	unwire(f->map, A + 3 * P, 1, USER);
	check_wired(f->map, A + 2 * P, 1, 1, 1);
	check_wired(f->map, A + 3 * P, 1, 0, 0);
	check_wired(f->map, A + 4 * P, 1, 1, 1);
	check_u64(2 * P, f->map->user_wired);
	unwire(f->map, A, 8, USER);
	check_entry(f->map, A, A + 8 * P, VM_PROT_RW, VM_PROT_ALL);
	check_fill(f->proc, A, 8, 1);
}

/* Wiring writable memory that is still to be copied makes the copies: no later store faults. */
static void
copies_at_once(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	space_map(f->map, A, 4 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	space_fill(f->proc, A, 3, 1);
	child = model_proc_fork(f->proc);
	wire(f->map, A, 4, USER);
	check_no_fault(f->proc, A, 4);
	check_wired(f->map, A, 4, 1, 1);
	space_fill(f->proc, A, 4, 60);
	check_fill(child, A, 3, 1);
	check_wired(model_proc_map(child), A, 4, 0, 0);
	model_proc_destroy(child);
	check_fill(f->proc, A, 4, 60);
	unwire(f->map, A, 4, USER);
	check_wired(f->map, A, 4, 0, 0);
}

static void
bad_ranges(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;

	space_map(f->map, A, 4 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	before = map_snapshot_take(f->map);
	check_kr(KERN_INVALID_ARGUMENT, vm_map_wire(f->map, A + 1, A + P, USER));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_wire(f->map, A, A + P - 1, USER));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_wire(f->map, A + P, A, USER));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_unwire(f->map, A + P, A, USER));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_unwire(f->map, A, A + 1, USER));
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A + P, A + P, USER));
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A - P, A - P, USER));
	check_kr(KERN_SUCCESS, vm_map_unwire(f->map, A + P, A + P, SYSTEM));
	check_unchanged(before, f->map);
}

/* WIR-02 */

static void
refused(struct vm_fixture *f, kern_return_t expected, vm_offset_t start, vm_offset_t end, int flags)
{
	struct map_snapshot *before = map_snapshot_take(f->map);

	check_kr(expected, vm_map_wire(f->map, start, end, flags));
	check_unchanged(before, f->map);
}

static void
holes(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 2 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	space_map(f->map, A + 4 * P, 2 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	refused(f, KERN_INVALID_ADDRESS, A, A + 6 * P, USER);
	refused(f, KERN_INVALID_ADDRESS, A - P, A + P, USER);
	refused(f, KERN_INVALID_ADDRESS, A + 5 * P, A + 7 * P, USER);
	refused(f, KERN_INVALID_ADDRESS, A + 2 * P, A + 4 * P, SYSTEM);
	wire(f->map, A - P, 8, VM_MAP_WIRE_USER | VM_MAP_WIRE_HOLESOK);
	check_wired(f->map, A, 2, 1, 1);
	check_wired(f->map, A + 4 * P, 2, 1, 1);
	wire(f->map, A + 2 * P, 2, VM_MAP_WIRE_USER | VM_MAP_WIRE_HOLESOK);
	check_kr(KERN_INVALID_ADDRESS, vm_map_unwire(f->map, A, A + 6 * P, USER));
	check_wired(f->map, A, 2, 1, 1);
	unwire(f->map, A - P, 8, VM_MAP_WIRE_USER | VM_MAP_WIRE_HOLESOK);
	check_wired(f->map, A, 2, 0, 0);
	check_wired(f->map, A + 4 * P, 2, 0, 0);
}

static void
no_access(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, P, VM_PROT_RW, VM_PROT_ALL, 0);
	space_map(f->map, A + P, P, VM_PROT_NONE, VM_PROT_ALL, 0);
	space_map(f->map, A + 2 * P, P, VM_PROT_READ, VM_PROT_ALL, 0);
	space_map(f->map, A + 3 * P, P, VM_PROT_WRITE, VM_PROT_ALL, 0);
	check_kr(KERN_SUCCESS, space_insert(f->map, NULL, 0, A + 4 * P, A + 5 * P, VM_PROT_NONE,
					    VM_PROT_NONE, MAP_CREATE_GUARD));
	refused(f, KERN_INVALID_ADDRESS, A, A + 2 * P, USER);
	refused(f, KERN_INVALID_ADDRESS, A + 2 * P, A + 4 * P, USER);
	refused(f, KERN_INVALID_ADDRESS, A + 4 * P, A + 5 * P, USER);
	refused(f, KERN_INVALID_ADDRESS, A + 2 * P, A + 3 * P, USER | VM_MAP_WIRE_WRITE);
	wire(f->map, A, 5, VM_MAP_WIRE_USER | VM_MAP_WIRE_HOLESOK | VM_MAP_WIRE_WRITE);
	check_wired(f->map, A, 1, 1, 1);
	check_wired(f->map, A + P, 4, 0, 0);
	wire(f->map, A, 5, VM_MAP_WIRE_USER | VM_MAP_WIRE_HOLESOK);
	check_wired(f->map, A + P, 1, 0, 0);
	check_wired(f->map, A + 2 * P, 1, 1, 1);
	check_wired(f->map, A + 3 * P, 2, 0, 0);
	check_u64(2 * P, f->map->user_wired);
}

/* WIR-03 */

/* The last two of these pages lie beyond their object: no fault can bring them in. */
static void
failure_in_the_middle(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(3, 40);

	space_map(f->map, A, 2 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	wire(f->map, A, 1, SYSTEM);
	vm_object_reference(object);
	check_kr(KERN_SUCCESS,
		 space_insert(f->map, object, 0, A + 2 * P, A + 7 * P, VM_PROT_RW, VM_PROT_ALL, 0));
	space_map(f->map, A + 7 * P, 2 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	check_kr(KERN_OUT_OF_BOUNDS, vm_map_wire(f->map, A, A + 9 * P, USER));
	check_wired(f->map, A, 1, 1, 1); /* the wiring from before */
	check_wired(f->map, A + P, 8, 0, 0);
	check_u64(1, pmap_wired_count(f->pmap));
	check_u64(0, f->map->user_wired);
	for (vm_pindex_t i = 0; i < 3; i++)
		check_u64(40 + i, model_user_load(f->proc, A + ptoa(2 + i)));
	vm_fixture_audit(f);
	unwire(f->map, A, 1, SYSTEM);
	vm_object_deallocate(object);
}

static void
out_of_memory(void **state)
{
	struct vm_fixture *f = *state;
	kern_return_t kr;

	for (uint64_t k = 1;; k++) {
		struct vm_usage before = vm_usage_read();

		space_map(f->map, A, 4 * P, VM_PROT_RW, VM_PROT_ALL, 0);
		space_map(f->map, A + 4 * P, 4 * P, VM_PROT_READ, VM_PROT_ALL, 0);
		map_drop_spares(f->map);
		model_fail_from(k);
		kr = vm_map_wire(f->map, A + P, A + 7 * P, USER);
		model_fail_off();
		if (kr == KERN_SUCCESS)
			break;
		check_kr(KERN_RESOURCE_SHORTAGE, kr);
		check_u64(0, pmap_wired_count(f->pmap));
		check_u64(0, f->map->user_wired);
		for (vm_offset_t va = A; va < A + 8 * P; va += P)
			check_wired(f->map, va, 1, 0, 0);
		vm_fixture_audit(f);
		check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 8 * P));
		vm_usage_check(&before);
	}
	check_wired(f->map, A + P, 6, 1, 1);
}

/* WIR-04 */

static void
limit(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 8 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	model_proc_set_limit(f->proc, VM_LIMIT_MEMLOCK, 4 * P);
	refused(f, KERN_RESOURCE_SHORTAGE, A, A + 5 * P, USER);
	wire(f->map, A, 3, USER);
	refused(f, KERN_RESOURCE_SHORTAGE, A + 4 * P, A + 6 * P, USER);
	/* Only what is new counts, and the limit itself is allowed. */
	wire(f->map, A, 4, USER);
	wire(f->map, A, 4, USER);
	refused(f, KERN_RESOURCE_SHORTAGE, A + 4 * P, A + 5 * P, USER);
	wire(f->map, A + 4 * P, 4, SYSTEM);
	refused(f, KERN_RESOURCE_SHORTAGE, A, A + 8 * P, USER);
	unwire(f->map, A, 1, USER);
	wire(f->map, A + 4 * P, 1, USER);
	unwire(f->map, A + 4 * P, 4, SYSTEM);
	check_u64(4 * P, f->map->user_wired);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 8 * P));
	check_u64(0, f->map->user_wired);
	model_proc_set_limit(f->proc, VM_LIMIT_MEMLOCK, 0);
	space_map(f->map, A, P, VM_PROT_RW, VM_PROT_ALL, 0);
	refused(f, KERN_RESOURCE_SHORTAGE, A, A + P, USER);
}

/* WIR-05 */

static void
fork_copies(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_page *mine[4];
	struct proc *child;
	vm_map_t map;

	space_map(f->map, A, 4 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	space_fill(f->proc, A, 4, 1);
	wire(f->map, A, 4, USER);
	for (size_t i = 0; i < 4; i++)
		mine[i] = space_mapped(f->map, A + ptoa(i));
	child = model_proc_fork(f->proc);
	map = model_proc_map(child);
	check_no_fault(f->proc, A, 4);
	check_wired(f->map, A, 4, 1, 1);
	check_u64(0, map->user_wired);
	check_u64(0, space_entry(map, A)->wired_count);
	check_u64(0, space_entry(map, A)->eflags & (VM_ENTRY_USER_WIRED | VM_ENTRY_NEEDS_COPY));
	space_fill(f->proc, A, 4, 50);
	check_fill(child, A, 4, 1);
	space_fill(child, A, 4, 90);
	check_fill(f->proc, A, 4, 50);
	for (size_t i = 0; i < 4; i++)
		assert_ptr_equal(mine[i], space_mapped(f->map, A + ptoa(i)));
	model_proc_destroy(child);
	unwire(f->map, A, 4, USER);
}

/* An entry that begins somewhere in its object. */
static void
fork_copies_a_part(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	space_map(f->map, A, 8 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	space_fill(f->proc, A, 8, 1);
	wire(f->map, A + 3 * P, 2, USER);
	child = model_proc_fork(f->proc);
	space_fill(f->proc, A, 8, 50);
	check_fill(child, A, 8, 1);
	space_fill(child, A, 8, 90);
	check_fill(f->proc, A, 8, 50);
	model_proc_destroy(child);
}

/* What the parent cannot write to need not be copied. */
static void
fork_of_read_only(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	space_map(f->map, A, 4 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	space_fill(f->proc, A, 4, 1);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 4 * P, VM_PROT_READ, FALSE));
	wire(f->map, A, 4, USER);
	child = model_proc_fork(f->proc);
	check_kr(KERN_SUCCESS,
		 vm_map_protect(model_proc_map(child), A, A + 4 * P, VM_PROT_RW, FALSE));
	space_fill(child, A, 4, 50);
	check_fill(f->proc, A, 4, 1);
	check_wired(f->map, A, 4, 1, 1);
	model_proc_destroy(child);
	unwire(f->map, A, 4, USER);
	check_wired(f->map, A, 4, 0, 0);
}

/* WIR-06 */

/* debugger_write: as a debugger does, whatever the program itself may do. */
static void
debugger_write(vm_map_t map, vm_offset_t va, uint8_t value)
{
	struct vm_page *m;

	check_kr(KERN_SUCCESS,
		 vm_fault_hold(map, va, VM_PROT_READ | VM_PROT_COPY, VM_FAULT_NOGROW, &m));
	*((uint8_t *)pmap_page_address(m) + (va & PAGE_MASK)) = value;
	vm_fault_release(m, VM_PROT_READ | VM_PROT_COPY);
}

static void
debugger(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *text = space_object(4, 1);
	struct proc *child;

	space_map_object(f->map, text, A, VM_PROT_READ, VM_PROT_ALL, MAP_COPY_ON_WRITE);
	wire(f->map, A, 4, USER);
	debugger_write(f->map, A + P, 77);
	check_u64(77, model_user_load(f->proc, A + P));
	check_u64(2, space_object_byte(text, 1));
	check_wired(f->map, A, 4, 1, 1);
	pmap_drop(f->pmap);
	check_wired(f->map, A, 4, 1, 1);
	child = model_proc_fork(f->proc);
	debugger_write(f->map, A + 2 * P, 78);
	check_u64(3, model_user_load(child, A + 2 * P));
	check_u64(77, model_user_load(child, A + P));
	check_wired(f->map, A, 4, 1, 1);
	model_proc_destroy(child);
	unwire(f->map, A, 4, USER);
	check_wired(f->map, A, 4, 0, 0);
	check_u64(77, model_user_load(f->proc, A + P));
	vm_object_deallocate(text);
}

/* The copy is wired and the page it was made of is not any more, so it can be freed. */
static void
debugger_and_exit(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_usage before = vm_usage_read();
	struct proc *child;

	space_map(f->map, A, 4 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	space_fill(f->proc, A, 4, 1);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 4 * P, VM_PROT_READ, FALSE));
	wire(f->map, A, 4, USER);
	child = model_proc_fork(f->proc);
	debugger_write(f->map, A, 70);
	model_proc_destroy(child);
	debugger_write(f->map, A + P, 71);
	check_wired(f->map, A, 4, 1, 1);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 4 * P));
	vm_usage_check(&before);
}

/* WIR-07 */

static void
truncated(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(4, 1);

	space_map_object(f->map, object, A, VM_PROT_RW, VM_PROT_ALL, 0);
	wire(f->map, A, 4, USER);
	rwlock_write(&object->lock);
	vm_object_page_remove(object, 0, 0);
	rwlock_write_unlock(&object->lock);
	check_u64(4, object->resident);
	for (vm_offset_t va = A; va < A + 4 * P; va += P)
		check_u64(0, model_user_load(f->proc, va));
	check_wired(f->map, A, 4, 1, 1);
	unwire(f->map, A, 4, USER);
	check_wired(f->map, A, 4, 0, 0);
	check_u64(0, pmap_wired_count(f->pmap));
	vm_object_deallocate(object);
}

/* With other threads. */

struct worker {
	struct vm_fixture *f;
	vm_offset_t va;
	size_t pages;
	int flags;
	kern_return_t kr;
	enum model_signal signal;
};

static void
wire_it(void *arg)
{
	struct worker *w = arg;

	w->kr = vm_map_wire(w->f->map, w->va, w->va + ptoa(w->pages), w->flags);
}

static void
touch_it(void *arg)
{
	struct worker *w = arg;
	uint8_t byte = 5;

	w->signal = model_user_write(w->f->proc, w->va, &byte, 1);
}

/* slow_object: 4 pages at A; the first is being filled, so who wires them waits for it. */
static struct vm_object *
slow_object(struct vm_fixture *f)
{
	struct vm_object *object = vm_object_allocate(&vm_pager_anonymous, 4);

	assert_non_null(object);
	space_object_stall(object, 0);
	space_map_object(f->map, object, A, VM_PROT_RW, VM_PROT_ALL, 0);
	return object;
}

static void
others_wait(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = slow_object(f);
	struct worker first = {.f = f, .va = A, .pages = 4, .flags = USER};
	struct worker second = {.f = f, .va = A + 2 * P, .pages = 2, .flags = SYSTEM};
	struct worker third = {.f = f, .va = A + P};
	struct thread *t[3];

	t[0] = model_thread_start("wires", wire_it, &first);
	model_thread_await_sleep(t[0]);
	t[1] = model_thread_start("wires too", wire_it, &second);
	t[2] = model_thread_start("faults", touch_it, &third);
	model_thread_await_sleep(t[1]);
	model_thread_await_sleep(t[2]);
	/* The map itself is free: elsewhere life goes on. */
	space_map(f->map, A + 8 * P, P, VM_PROT_RW, VM_PROT_ALL, 0);
	model_user_store(f->proc, A + 8 * P, 1);
	space_object_go_on(object, 0);
	for (size_t i = 0; i < 3; i++)
		model_thread_join(t[i]);
	check_kr(KERN_SUCCESS, first.kr);
	check_kr(KERN_SUCCESS, second.kr);
	check_u64(MODEL_OK, third.signal);
	check_wired(f->map, A, 2, 1, 1);
	check_wired(f->map, A + 2 * P, 2, 2, 1);
	check_u64(5, model_user_load(f->proc, A + P));
	unwire(f->map, A + 2 * P, 2, SYSTEM);
	vm_object_deallocate(object);
}

static void
killed(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = slow_object(f);
	struct worker w = {.f = f, .va = A, .pages = 4, .flags = USER};
	struct worker toucher = {.f = f, .va = A + P};
	struct thread *t, *waiting;

	t = model_thread_start("wires", wire_it, &w);
	model_thread_await_sleep(t);
	waiting = model_thread_start("faults", touch_it, &toucher);
	model_thread_await_sleep(waiting);
	model_thread_kill(t);
	model_thread_join(t);
	check_kr(KERN_ABORTED, w.kr);
	model_thread_join(waiting);
	check_u64(MODEL_OK, toucher.signal);
	check_u64(0, space_entry(f->map, A)->wired_count);
	check_u64(0, pmap_wired_count(f->pmap));
	space_object_go_on(object, 0);
	check_u64(0, model_user_load(f->proc, A));
	check_u64(5, model_user_load(f->proc, A + P));
	check_wired(f->map, A, 4, 0, 0);
	vm_object_deallocate(object);
}

static void
waiter_killed(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = slow_object(f);
	struct worker first = {.f = f, .va = A, .pages = 4, .flags = USER};
	struct worker second = {.f = f, .va = A, .pages = 1, .flags = SYSTEM};
	struct worker third = {.f = f, .va = A + P};
	struct thread *t[3];

	t[0] = model_thread_start("wires", wire_it, &first);
	model_thread_await_sleep(t[0]);
	t[1] = model_thread_start("wires too", wire_it, &second);
	t[2] = model_thread_start("faults", touch_it, &third);
	for (size_t i = 1; i < 3; i++) {
		model_thread_await_sleep(t[i]);
		model_thread_kill(t[i]);
		model_thread_join(t[i]);
	}
	check_kr(KERN_ABORTED, second.kr);
	check_u64(MODEL_KILLED, third.signal);
	space_object_go_on(object, 0);
	model_thread_join(t[0]);
	check_kr(KERN_SUCCESS, first.kr);
	check_wired(f->map, A, 4, 1, 1);
	vm_object_deallocate(object);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"WIR-01: wired memory is resident and never faults", resident},
	    {"WIR-01: wired twice by the user is wired once", user_counts_once},
	    {"WIR-01: the system's wirings nest and are not the user's to take", system_nests},
	    {"WIR-01: a part of an entry is wired and unwired by itself", part_of_an_entry},
	    {"WIR-01: what is to be copied is copied when it is wired", copies_at_once},
	    {"WIR-01: bad and empty ranges", bad_ranges},
	    {"WIR-02: a hole is an invalid address, or is left out", holes},
	    {"WIR-02: so is what cannot be accessed", no_access},
	    {"WIR-03: a page that cannot be had undoes the whole call, and only that",
	     failure_in_the_middle},
	    {"WIR-03: likewise for want of memory at any point", out_of_memory},
	    {"WIR-04: the user's limit is for what he wires, new and in total", limit},
	    {"WIR-05: a fork copies wired writable memory at once and moves no page of it",
	     fork_copies},
	    {"WIR-05: likewise a part of an entry", fork_copies_a_part},
	    {"WIR-05: wired read-only memory is shared until the child writes", fork_of_read_only},
	    {"WIR-06: a debugger's write to wired text leaves a wired private page", debugger},
	    {"WIR-06: all of it can be freed", debugger_and_exit},
	    {"WIR-07: an object emptied under a wiring shows zeroes and can be unwired", truncated},
	    {"WIR: who meets a wiring under way waits for it, and only there", others_wait},
	    {"WIR: a killed wiring leaves nothing wired", killed},
	    {"WIR: who waits for a wiring can be killed", waiter_killed},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
