/* SPDX-License-Identifier: BSD-2-Clause */
/* Device objects: physical addresses that are no RAM, mapped by faults, shared and never copied. */
#include <string.h>
#include "model/memory.h"
#include "model/space.h"
#include "model/toucher.h"
#include "model/vm_fixture.h"
#include "vm/vm_charge.h"
#include "vm/vm_device.h"
#include "vm/vm_fault.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_phys.h"

#define A     0x100000ul
#define B     0x200000ul
#define P     PAGE_SIZE
#define PAGES 4ul
#define END   (A + PAGES * P)

static uint8_t *
device_byte(size_t offset)
{
	return (uint8_t *)model_phys_address(MODEL_DEVICE + offset);
}

static kern_return_t
allocate(vm_paddr_t start, vm_size_t size, enum pmap_cache cache)
{
	struct vm_object *object = NULL;
	kern_return_t kr = vm_device_allocate(start, size, cache, &object);

	if (kr == KERN_SUCCESS)
		vm_object_deallocate(object);
	return kr;
}

static struct vm_object *
device(size_t first, size_t pages, enum pmap_cache cache)
{
	struct vm_object *object = NULL;

	check_kr(KERN_SUCCESS,
		 vm_device_allocate(MODEL_DEVICE + ptoa(first), ptoa(pages), cache, &object));
	return object;
}

/* mapped: the first pages of the device at A, readable and writable; page i begins with 10 + i. */
static void
mapped(struct vm_fixture *f)
{
	struct vm_object *object = device(0, PAGES, PMAP_UNCACHED);

	for (size_t i = 0; i < PAGES; i++)
		*device_byte(ptoa(i)) = (uint8_t)(10 + i);
	space_map_object(f->map, object, A, VM_PROT_RW, VM_PROT_RW, MAP_INHERIT_SHARE);
	vm_object_deallocate(object);
}

/* check_frame: va is mapped to this page of the device so; false if not mapped. */
static void
check_frame(struct vm_fixture *f, vm_offset_t va, size_t page, vm_prot_t prot, bool wired)
{
	struct pmap_mapping m;
	vm_paddr_t pa;

	assert_true(pmap_query(f->pmap, va, &m) && pmap_extract(f->pmap, va, &pa));
	check_u64(MODEL_DEVICE + ptoa(page), pa);
	check_u64(prot, m.prot);
	check_u64(wired, m.wired);
	check_u64(PMAP_UNCACHED, m.cache);
	assert_null(m.page);
}

/* ---- which ranges ---- */

static void
bad_arguments(void **state)
{
	(void)state;
	check_kr(KERN_INVALID_ARGUMENT, allocate(MODEL_DEVICE, 0, PMAP_UNCACHED));
	check_kr(KERN_INVALID_ARGUMENT, allocate(MODEL_DEVICE + 1, P, PMAP_UNCACHED));
	check_kr(KERN_INVALID_ARGUMENT, allocate(MODEL_DEVICE, P + 1, PMAP_UNCACHED));
	check_kr(KERN_INVALID_ARGUMENT, allocate(-P, 2 * P, PMAP_UNCACHED));
	check_kr(KERN_INVALID_ARGUMENT, allocate(-P, P, PMAP_UNCACHED));
	check_kr(KERN_INVALID_ARGUMENT, allocate(MODEL_PHYSICAL_END - P, 2 * P, PMAP_UNCACHED));
	check_kr(KERN_SUCCESS, allocate(MODEL_PHYSICAL_END - P, P, PMAP_UNCACHED));
	check_kr(KERN_INVALID_ARGUMENT, allocate(MODEL_DEVICE, P, PMAP_CACHED));
	check_kr(KERN_INVALID_ARGUMENT, allocate(MODEL_DEVICE, P, (enum pmap_cache)77));
	check_kr(KERN_SUCCESS, allocate(MODEL_DEVICE, P, PMAP_WRITE_COMBINING));
}

/* RAM is the kernel's, whether it is in use or not: its first page, its last, all of it. */
static void
never_ram(void **state)
{
	vm_paddr_t end = vm_phys_early_max();
	struct vm_page *m = vm_page_alloc_noobj(0);

	(void)state;
	check_kr(KERN_NO_ACCESS, allocate(vm_page_to_phys(m), P, PMAP_UNCACHED));
	check_kr(KERN_NO_ACCESS, allocate(end - P, P, PMAP_UNCACHED));
	check_kr(KERN_NO_ACCESS, allocate(end - P, 2 * P, PMAP_UNCACHED));
	check_kr(KERN_SUCCESS, allocate(end, P, PMAP_UNCACHED));
	check_kr(KERN_SUCCESS, allocate(MODEL_MEMORY - P, P, PMAP_UNCACHED));
	check_kr(KERN_NO_ACCESS, allocate(MODEL_MEMORY - P, 2 * P, PMAP_UNCACHED));
	check_kr(KERN_NO_ACCESS, allocate(0, MODEL_PHYSICAL_END, PMAP_UNCACHED));
	vm_page_free_noobj(m);
}

static void
never_the_kernels(void **state)
{
	const vm_paddr_t own = MODEL_DEVICE + MODEL_DEVICE_OWN;

	(void)state;
	check_kr(KERN_NO_ACCESS, allocate(own, P, PMAP_UNCACHED));
	check_kr(KERN_NO_ACCESS, allocate(own - P, 3 * P, PMAP_UNCACHED));
	check_kr(KERN_SUCCESS, allocate(own - P, P, PMAP_UNCACHED));
	check_kr(KERN_SUCCESS, allocate(own + P, P, PMAP_UNCACHED));
}

/* All who show a place agree on its memory type; when they are gone it is free again. */
static void
one_type(void **state)
{
	struct vm_object *first = device(1, 2, PMAP_UNCACHED), *second;
	vm_paddr_t at = MODEL_DEVICE + P;

	(void)state;
	check_kr(KERN_SUCCESS, allocate(at, 2 * P, PMAP_UNCACHED));
	check_kr(KERN_NO_ACCESS, allocate(at, 2 * P, PMAP_WRITE_COMBINING));
	check_kr(KERN_NO_ACCESS, allocate(at - P, 2 * P, PMAP_WRITE_COMBINING));
	check_kr(KERN_NO_ACCESS, allocate(at + P, 2 * P, PMAP_WRITE_COMBINING));
	check_kr(KERN_NO_ACCESS, allocate(at - P, 4 * P, PMAP_WRITE_COMBINING));
	check_kr(KERN_SUCCESS, allocate(at - P, P, PMAP_WRITE_COMBINING));
	check_kr(KERN_SUCCESS, allocate(at + 2 * P, P, PMAP_WRITE_COMBINING));
	second = device(2, 2, PMAP_UNCACHED);
	vm_object_deallocate(first);
	check_kr(KERN_SUCCESS, allocate(at, P, PMAP_WRITE_COMBINING));
	check_kr(KERN_NO_ACCESS, allocate(at, 2 * P, PMAP_WRITE_COMBINING));
	vm_object_deallocate(second);
	first = device(1, 2, PMAP_WRITE_COMBINING);
	check_kr(KERN_SUCCESS, allocate(at, 2 * P, PMAP_WRITE_COMBINING));
	check_kr(KERN_NO_ACCESS, allocate(at + P, 2 * P, PMAP_UNCACHED));
	vm_object_deallocate(first);
}

static void
without_memory(void **state)
{
	(void)state;
	model_fail_from(1);
	check_kr(KERN_RESOURCE_SHORTAGE, allocate(MODEL_DEVICE, P, PMAP_UNCACHED));
	model_fail_off();
	check_kr(KERN_SUCCESS, allocate(MODEL_DEVICE, P, PMAP_WRITE_COMBINING));
}

/* ---- mapped ---- */

static void
by_faults(void **state)
{
	struct vm_fixture *f = *state;
	uint64_t charge = vm_usage_read().charge, frames;

	mapped(f);
	frames = vm_usage_read().frames;
	check_u64(0, pmap_resident_count(f->pmap));
	check_fill(f->proc, A, PAGES, 10);
	for (size_t i = 0; i < PAGES; i++)
		check_frame(f, A + ptoa(i), i, VM_PROT_RW, false);
	model_user_store(f->proc, A + P + 7, 99);
	check_u64(99, *device_byte(P + 7));
	*device_byte(2 * P) = 55; /* the device itself changes */
	check_u64(55, model_user_load(f->proc, A + 2 * P));
	check_u64(0, space_entry(f->map, A)->object->resident);
	check_u64(frames, vm_usage_read().frames);
	check_u64(charge, vm_usage_read().charge);
	check_u64(VM_ENTRY_NOCOREDUMP, space_entry(f->map, A)->eflags & VM_ENTRY_NOCOREDUMP);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A + P, A + 2 * P));
	check_u64(SEGV_MAPERR, try_load(f->proc, A + P));
	check_u64(55, model_user_load(f->proc, A + 2 * P));
}

static void
with_offset(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = device(1, 3, PMAP_UNCACHED);

	*device_byte(2 * P) = 21;
	*device_byte(3 * P) = 22;
	check_kr(KERN_SUCCESS, space_insert(f->map, object, P, A, A + 4 * P, VM_PROT_READ,
					    VM_PROT_RW, MAP_INHERIT_SHARE));
	check_u64(21, model_user_load(f->proc, A));
	check_u64(22, model_user_load(f->proc, A + P));
	check_u64(BUS_OBJERR, try_load(f->proc, A + 2 * P));
	check_u64(BUS_OBJERR, try_load(f->proc, A + 3 * P));
}

static void
rights(void **state)
{
	struct vm_fixture *f = *state;

	mapped(f);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A + P, A + 2 * P, VM_PROT_READ, FALSE));
	check_u64(MODEL_OK, try_load(f->proc, A + P));
	check_frame(f, A + P, 1, VM_PROT_READ, false);
	check_u64(SEGV_ACCERR, try_store(f->proc, A + P));
	check_u64(MODEL_OK, try_store(f->proc, A));
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, END, VM_PROT_NONE, FALSE));
	check_u64(SEGV_ACCERR, try_load(f->proc, A));
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, END, VM_PROT_RW, FALSE));
	check_u64(MODEL_OK, try_store(f->proc, A + P));
	check_u64(5, *device_byte(P));
	check_u64(SEGV_ACCERR, model_user_fetch(f->proc, A));
}

/* The mappings are a cache like any other. */
static void
dropped(void **state)
{
	struct vm_fixture *f = *state;

	mapped(f);
	check_fill(f->proc, A, PAGES, 10);
	pmap_drop(f->pmap);
	check_u64(0, pmap_resident_count(f->pmap));
	check_fill(f->proc, A, PAGES, 10);
}

static void
replaced(void **state)
{
	struct vm_fixture *f = *state;

	mapped(f);
	check_fill(f->proc, A, PAGES, 10);
	check_kr(KERN_SUCCESS, vm_map_fixed(f->map, NULL, 0, A, P, VM_PROT_RW, VM_PROT_ALL, 0));
	check_u64(0, model_user_load(f->proc, A));
	model_user_store(f->proc, A, 77);
	check_u64(10, *device_byte(0));
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, END));
	space_map(f->map, A, PAGES * P, VM_PROT_RW, VM_PROT_ALL, 0);
	space_fill(f->proc, A, PAGES, 50);
	check_u64(11, *device_byte(P));
}

/* Nobody reaches the device through the space of another: not a debugger, not the kernel. */
static void
not_held(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_page *m;

	mapped(f);
	check_kr(KERN_PROTECTION_FAILURE,
		 vm_fault_hold(f->map, A, VM_PROT_READ, VM_FAULT_NOGROW, &m));
	check_fill(f->proc, A, PAGES, 10);
	check_kr(KERN_PROTECTION_FAILURE,
		 vm_fault_hold(f->map, A, VM_PROT_WRITE, VM_FAULT_NOGROW, &m));
}

/* Without a page for a table the fault waits, and gives up with the signal for that. */
static void
no_tables(void **state)
{
	struct vm_fixture *f = *state;

	mapped(f);
	model_fail_from(1);
	check_u64(BUS_OOMERR, try_load(f->proc, A));
	model_fail_off();
	check_fill(f->proc, A, PAGES, 10);
}

/* ---- never copied ---- */

static void
not_private(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = device(0, PAGES, PMAP_UNCACHED);
	static const int refused[] = {0, MAP_COPY_ON_WRITE, MAP_COPY_ON_WRITE | MAP_INHERIT_SHARE};

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		check_kr(KERN_INVALID_ARGUMENT, space_insert(f->map, object, 0, A, END, VM_PROT_RW,
							     VM_PROT_RW, refused[i]));
		check_hole(f->map, A, END);
	}
	check_u64(1, object->ref_count);
	vm_object_deallocate(object);
}

static void
inherited(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	mapped(f);
	space_map(f->map, END, P, VM_PROT_RW, VM_PROT_ALL, MAP_INHERIT_SHARE);
	check_kr(KERN_INVALID_ARGUMENT, vm_map_inherit(f->map, A + P, END + P, VM_INHERIT_COPY));
	check_entry(f->map, A, END, VM_PROT_RW, VM_PROT_RW);
	check_u64(VM_INHERIT_SHARE, space_entry(f->map, A)->inheritance);
	check_u64(VM_INHERIT_SHARE, space_entry(f->map, END)->inheritance);
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, END, END + P, VM_INHERIT_COPY));

	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A + P, A + 2 * P, VM_INHERIT_NONE));
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A + 2 * P, A + 3 * P, VM_INHERIT_ZERO));
	check_fill(f->proc, A, PAGES, 10);
	child = model_proc_fork(f->proc);
	check_u64(10, model_user_load(child, A));
	check_u64(SEGV_MAPERR, try_load(child, A + P));
	check_u64(0, model_user_load(child, A + 2 * P));
	model_user_store(child, A, 60);
	model_user_store(child, A + 2 * P, 61);
	check_u64(60, model_user_load(f->proc, A));
	check_u64(12, *device_byte(2 * P));
	model_proc_destroy(child);
	check_u64(60, model_user_load(f->proc, A));
}

/* ---- wired ---- */

static void
wired(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;
	uint64_t faults;

	mapped(f);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, END, VM_MAP_WIRE_USER));
	check_u64(PAGES, pmap_wired_count(f->pmap));
	pmap_drop(f->pmap);
	faults = model_fault_count();
	check_fill(f->proc, A, PAGES, 10);
	check_u64(faults, model_fault_count());
	child = model_proc_fork(f->proc);
	check_fill(child, A, PAGES, 10);
	check_u64(0, space_entry(model_proc_map(child), A)->wired_count);
	model_proc_destroy(child);
	check_kr(KERN_SUCCESS, vm_map_unwire(f->map, A, A + P, VM_MAP_WIRE_USER));
	check_u64(PAGES - 1, pmap_wired_count(f->pmap));
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, END));
	check_u64(0, pmap_wired_count(f->pmap));
	check_u64(0, f->map->user_wired);
}

/* Rights that wired memory gains are there at once: no access to it faults. */
static void
wired_gains_rights(void **state)
{
	struct vm_fixture *f = *state;
	uint64_t faults;

	mapped(f);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, END, VM_PROT_READ, FALSE));
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, END, VM_MAP_WIRE_USER));
	check_frame(f, A, 0, VM_PROT_READ, true);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, END, VM_PROT_RW, FALSE));
	faults = model_fault_count();
	space_fill(f->proc, A, PAGES, 80);
	check_u64(faults, model_fault_count());
	check_frame(f, A + P, 1, VM_PROT_RW, true);
	check_u64(83, *device_byte(3 * P));
	check_kr(KERN_SUCCESS, vm_map_unwire(f->map, A, END, VM_MAP_WIRE_USER));
}

/* Beyond the end of the object there is nothing to wire. */
static void
wired_beyond(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = device(0, 2, PMAP_UNCACHED);

	check_kr(KERN_SUCCESS, space_insert(f->map, object, 0, A, A + 3 * P, VM_PROT_RW, VM_PROT_RW,
					    MAP_INHERIT_SHARE));
	check_kr(KERN_OUT_OF_BOUNDS, vm_map_wire(f->map, A, A + 3 * P, VM_MAP_WIRE_USER));
	check_u64(0, pmap_wired_count(f->pmap));
	check_u64(0, space_entry(f->map, A)->wired_count);
}

/* It moves like any other range, wired or not. */
static void
moved(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t to = B;
	uint64_t faults;

	mapped(f);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, END, VM_MAP_WIRE_USER));
	check_kr(KERN_SUCCESS, vm_map_move(f->map, A, PAGES * P, 2 * P, &to,
					   VM_MAP_MOVE_MAY | VM_MAP_MOVE_FIXED));
	check_u64(B, to);
	check_hole(f->map, A, END);
	check_u64(2, pmap_wired_count(f->pmap));
	faults = model_fault_count();
	check_fill(f->proc, B, 2, 10);
	check_u64(faults, model_fault_count());
	check_kr(KERN_SUCCESS, vm_map_unwire(f->map, B, B + 2 * P, VM_MAP_WIRE_USER));
	check_kr(KERN_SUCCESS, vm_map_move(f->map, B, 2 * P, 8 * P, &to, VM_MAP_MOVE_MAY));
	check_fill(f->proc, to, PAGES, 10);
	check_u64(BUS_OBJERR, try_load(f->proc, to + PAGES * P));
}

/* ---- what there is to a range besides ---- */

/* There is nothing of a device in memory: nothing to be told of, written, given up. */
static void
nothing_in_memory(void **state)
{
	struct vm_fixture *f = *state;
	uint8_t says[PAGES];

	mapped(f);
	check_fill(f->proc, A, PAGES, 10);
	memset(says, 77, sizeof(says));
	check_kr(KERN_SUCCESS, vm_map_residency(f->map, A, END, says));
	for (size_t i = 0; i < PAGES; i++)
		check_u64(0, says[i]);
	model_user_store(f->proc, A, 20);
	check_kr(KERN_SUCCESS, vm_map_sync(f->map, A, END, TRUE, TRUE));
	check_u64(20, *device_byte(0));
	check_u64(20, model_user_load(f->proc, A));
	for (int advice = VM_ADVICE_NORMAL; advice <= VM_ADVICE_CORE; advice++)
		check_kr(KERN_SUCCESS, vm_map_madvise(f->map, A, END, advice));
	check_u64(20, model_user_load(f->proc, A));
	check_u64(VM_ENTRY_NOCOREDUMP, space_entry(f->map, A)->eflags & VM_ENTRY_NOCOREDUMP);
}

static void
discarded(void **state)
{
	static const vm_inherit_t all[] = {VM_INHERIT_SHARE, VM_INHERIT_NONE, VM_INHERIT_ZERO};
	struct vm_fixture *f = *state;

	mapped(f);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A, END, all[i]));
		check_fill(f->proc, A, PAGES, 10);
		check_kr(KERN_SUCCESS, vm_map_discard(f->map, A + P, END));
		check_u64(1, pmap_resident_count(f->pmap));
		check_fill(f->proc, A, PAGES, 10);
	}
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, END, VM_MAP_WIRE_USER));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_discard(f->map, A, END));
	check_u64(PAGES, pmap_wired_count(f->pmap));
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"DEV-01: empty, unaligned, too far, of no known type", bad_arguments},
	    {"DEV-01: RAM never becomes a device", never_ram},
	    {"DEV-01: what the kernel drives never does", never_the_kernels},
	    {"DEV-01: without memory nothing is made", without_memory},
	    {"DEV-02: one place has one memory type", one_type},
	    {"DEV-03: faults enter the device's frames, with its memory type", by_faults},
	    {"DEV-03: from an offset on, up to the end of the object", with_offset},
	    {"DEV-03: protection is that of any mapping", rights},
	    {"DEV-03: what is dropped is faulted in again", dropped},
	    {"DEV-03: ordinary memory takes its place, and the other way round", replaced},
	    {"DEV-03: without page tables the fault gives up", no_tables},
	    {"DEV-04: a private mapping is refused", not_private},
	    {"DEV-04: a fork shares it, or leaves it out, but never copies", inherited},
	    {"DEV-05: a wiring enters all of it, and nothing faults then", wired},
	    {"DEV-05: wired, it gains rights at once", wired_gains_rights},
	    {"DEV-05: a wiring beyond the object is taken back", wired_beyond},
	    {"DEV-05: it moves, wired or not, and is longer or shorter then", moved},
	    {"DEV-07: nothing of it is in memory: residency, sync, advice", nothing_in_memory},
	    {"DEV-07: what is discarded is found again", discarded},
	    {"DEV-06: it is not reached through the space of another", not_held},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
