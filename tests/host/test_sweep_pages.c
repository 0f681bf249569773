/* SPDX-License-Identifier: BSD-2-Clause */
/* The sweep over what is done to pages: wired, faulted in, advised about, discarded, written back. */
#include "sweep/sweep.h"
#include "vm/pmap.h"
#include "vm/vm_fault.h"
#include "vm/vm_map_impl.h"

static kern_return_t
op_wire(void)
{
	return vm_map_wire(scene.f->map, FROM, TO, VM_MAP_WIRE_USER);
}

static kern_return_t
op_wire_system(void)
{
	return vm_map_wire(scene.f->map, FROM, TO, VM_MAP_WIRE_SYSTEM);
}

static kern_return_t
op_wire_around_holes(void)
{
	return vm_map_wire(scene.f->map, FROM, TO, VM_MAP_WIRE_USER | VM_MAP_WIRE_HOLESOK);
}

static kern_return_t
op_unwire(void)
{
	return vm_map_unwire(scene.f->map, FROM, TO, VM_MAP_WIRE_USER | VM_MAP_WIRE_HOLESOK);
}

static kern_return_t
op_unwire_system(void)
{
	return vm_map_unwire(scene.f->map, FROM, TO, VM_MAP_WIRE_SYSTEM);
}

static kern_return_t
op_lookup(void)
{
	vm_map_t map = scene.f->map;
	struct vm_object *object;
	vm_pindex_t pindex;
	vm_map_entry_t e;
	boolean_t wired;
	vm_prot_t prot;
	kern_return_t kr;

	kr = vm_map_lookup(&map, FROM, VM_PROT_WRITE, &e, &object, &pindex, &prot, &wired);
	if (kr == KERN_SUCCESS)
		vm_map_lookup_done(map, e);
	return kr;
}

static kern_return_t
op_load(void)
{
	return vm_fault(scene.f->map, FROM, VM_PROT_READ, VM_FAULT_NORMAL);
}

static kern_return_t
op_store(void)
{
	return vm_fault(scene.f->map, FROM, VM_PROT_WRITE, VM_FAULT_NORMAL);
}

static kern_return_t
op_store_last(void)
{
	return vm_fault(scene.f->map, END - P, VM_PROT_WRITE, VM_FAULT_NORMAL);
}

static kern_return_t
op_debugger(void)
{
	return vm_fault(scene.f->map, FROM, VM_PROT_READ | VM_PROT_COPY, VM_FAULT_NOGROW);
}

static kern_return_t
op_fault_stack(void)
{
	return vm_fault(scene.f->map, STACK_TOP - 2 * vm_sgrowsiz, VM_PROT_WRITE, VM_FAULT_NORMAL);
}

static kern_return_t
op_hold(void)
{
	struct vm_page *m;
	kern_return_t kr = vm_fault_hold(scene.f->map, FROM, VM_PROT_WRITE, VM_FAULT_NOGROW, &m);

	if (kr == KERN_SUCCESS)
		vm_fault_release(m, VM_PROT_WRITE);
	return kr;
}

static kern_return_t
advise(int advice)
{
	return vm_map_madvise(scene.f->map, FROM, TO, advice);
}

static kern_return_t
op_advise_random(void)
{
	return advise(VM_ADVICE_RANDOM);
}

static kern_return_t
op_advise_willneed(void)
{
	return advise(VM_ADVICE_WILLNEED);
}

static kern_return_t
op_advise_dontneed(void)
{
	return advise(VM_ADVICE_DONTNEED);
}

static kern_return_t
op_advise_free(void)
{
	return advise(VM_ADVICE_FREE);
}

static kern_return_t
op_discard(void)
{
	return vm_map_discard(scene.f->map, FROM, TO);
}

static kern_return_t
op_sync(void)
{
	return vm_map_sync(scene.f->map, FROM, TO, TRUE, FALSE);
}

static kern_return_t
op_invalidate(void)
{
	return vm_map_sync(scene.f->map, FROM, TO, TRUE, TRUE);
}

static kern_return_t
op_residency(void)
{
	uint8_t pages[PAGES];

	return vm_map_residency(scene.f->map, FROM, TO, pages);
}

/* Of what the entry shows of its object, if other entries show more of it. */
static kern_return_t
op_split(void)
{
	kern_return_t kr = KERN_INVALID_ADDRESS;
	vm_map_entry_t e;

	vm_map_lock(scene.f->map);
	if (vm_map_lookup_entry(scene.f->map, FROM, &e) && e->object != NULL)
		kr = vm_map_entry_split(e);
	vm_map_unlock(scene.f->map);
	return kr;
}

/* Each is a test. */
#define OPERATIONS(X)                                                                \
	X(op_wire, "vm_map_wire", SAME_MEANING, 0)                                   \
	X(op_wire_system, "vm_map_wire by the system", SAME_MEANING, 0)              \
	X(op_wire_around_holes, "vm_map_wire around holes", SAME_MEANING, 0)         \
	X(op_unwire, "vm_map_unwire", UNCHANGED, 0)                                  \
	X(op_unwire_system, "vm_map_unwire by the system", UNCHANGED, 0)             \
	X(op_lookup, "vm_map_lookup to write", SAME_MEANING, 0)                      \
	X(op_load, "vm_fault: load", SAME_MEANING, 0)                                \
	X(op_store, "vm_fault: store", SAME_MEANING, 0)                              \
	X(op_store_last, "vm_fault: store to the last page", SAME_MEANING, 0)        \
	X(op_debugger, "vm_fault: a debugger's store", SAME_CONTENTS, 0)             \
	X(op_fault_stack, "vm_fault: below a stack", SAME_CONTENTS, OR_LESS | GROWS) \
	X(op_hold, "vm_fault_hold", SAME_MEANING, 0)                                 \
	X(op_advise_random, "vm_map_madvise that is noted", UNCHANGED, 0)            \
	X(op_advise_willneed, "vm_map_madvise: will need", SAME_MEANING, 0)          \
	X(op_advise_dontneed, "vm_map_madvise: do not need", SAME_MEANING, 0)        \
	X(op_advise_free, "vm_map_madvise: free", SAME_MEANING, 0)                   \
	X(op_discard, "vm_map_discard", UNCHANGED, 0)                                \
	X(op_sync, "vm_map_sync", SAME_MEANING, 0)                                   \
	X(op_invalidate, "vm_map_sync that invalidates", SAME_MEANING, 0)            \
	X(op_residency, "vm_map_residency", UNCHANGED, 0)                            \
	X(op_split, "vm_object_split", UNCHANGED, 0)

SWEEP_MAIN(OPERATIONS)
