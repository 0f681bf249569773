/* SPDX-License-Identifier: BSD-2-Clause */
/* The states of memory in which operations are tried. */
#include "model/memory.h"
#include "model/space.h"
#include "sweep/sweep.h"
#include "vm/vm_device.h"
#include "vm/vm_object.h"

static void
nothing(void)
{
}

static void
fresh(void)
{
	space_map(scene.f->map, A, PAGES * P, VM_PROT_RW, VM_PROT_ALL, 0);
}

static void
filled(void)
{
	fresh();
	space_fill(scene.f->proc, A, PAGES, 1);
}

static void
half_filled(void)
{
	fresh();
	space_fill(scene.f->proc, A, PAGES / 2, 1);
}

static void
protect(vm_offset_t from, vm_offset_t to, vm_prot_t prot)
{
	check_kr(KERN_SUCCESS, vm_map_protect(scene.f->map, from, to, prot, FALSE));
}

static void
read_only(void)
{
	filled();
	protect(A, END, VM_PROT_READ);
}

static void
forked(void)
{
	filled();
	scene.relatives[0] = model_proc_fork(scene.f->proc);
}

static void
forked_fresh(void)
{
	fresh();
	scene.relatives[0] = model_proc_fork(scene.f->proc);
}

/* A chain of two for both, and one for the youngest. */
static void
generations(void)
{
	forked();
	model_user_store(scene.f->proc, A + 3 * P, 50);
	scene.relatives[1] = model_proc_fork(scene.f->proc);
	model_user_store(scene.f->proc, A + 4 * P, 60);
	model_user_store(scene.relatives[1], A + 5 * P, 70);
	scene.relatives[2] = model_proc_fork(scene.relatives[1]);
}

/* The relative is gone, but the entry does not know that it need not be copied. */
static void
alone_again(void)
{
	forked();
	model_proc_destroy(scene.relatives[0]);
	scene.relatives[0] = NULL;
}

static void
shared(void)
{
	filled();
	check_kr(KERN_SUCCESS, vm_map_inherit(scene.f->map, A, END, VM_INHERIT_SHARE));
	scene.relatives[0] = model_proc_fork(scene.f->proc);
}

/* Not shared yet, but with the next fork. */
static void
to_share(void)
{
	filled();
	check_kr(KERN_SUCCESS, vm_map_inherit(scene.f->map, A, END, VM_INHERIT_SHARE));
}

static void
to_share_untouched(void)
{
	fresh();
	check_kr(KERN_SUCCESS, vm_map_inherit(scene.f->map, A, END, VM_INHERIT_SHARE));
}

/* Both: it must be copied before it is shared. */
static void
forked_to_share(void)
{
	forked();
	check_kr(KERN_SUCCESS, vm_map_inherit(scene.f->map, FROM, TO, VM_INHERIT_SHARE));
}

static void
to_zero(void)
{
	filled();
	check_kr(KERN_SUCCESS, vm_map_inherit(scene.f->map, FROM, TO, VM_INHERIT_ZERO));
}

static void
wired(void)
{
	filled();
	check_kr(KERN_SUCCESS, vm_map_wire(scene.f->map, A, END, VM_MAP_WIRE_USER));
}

static void
wired_by_system(void)
{
	filled();
	check_kr(KERN_SUCCESS, vm_map_wire(scene.f->map, A, END, VM_MAP_WIRE_SYSTEM));
}

/* Wired, and still to be copied, as it is read-only. */
static void
wired_read_only(void)
{
	read_only();
	check_kr(KERN_SUCCESS, vm_map_wire(scene.f->map, A, END, VM_MAP_WIRE_USER));
	scene.relatives[0] = model_proc_fork(scene.f->proc);
}

static void
many_entries(void)
{
	filled();
	for (vm_offset_t va = A; va < END; va += 2 * P)
		protect(va, va + P, VM_PROT_READ);
}

static void
a_hole(void)
{
	filled();
	check_kr(KERN_SUCCESS, vm_map_remove(scene.f->map, A + 3 * P, A + 4 * P));
}

static void
a_guard(void)
{
	a_hole();
	check_kr(KERN_SUCCESS, space_insert(scene.f->map, NULL, 0, A + 3 * P, A + 4 * P,
					    VM_PROT_NONE, VM_PROT_NONE, MAP_CREATE_GUARD));
}

/* Private pages of an object that somebody else has, too, as text and data of a program are. */
static void
private_object(void)
{
	scene.source = space_object(PAGES, 1);
	space_map_object(scene.f->map, scene.source, A, VM_PROT_READ, VM_PROT_ALL,
			 MAP_COPY_ON_WRITE);
}

static void
private_object_written(void)
{
	private_object();
	protect(A, END, VM_PROT_RW);
	model_user_store(scene.f->proc, FROM + P, 90);
}

static void
a_stack(void)
{
	check_kr(KERN_SUCCESS,
		 vm_map_stack(scene.f->map, STACK, STACK_MAX, VM_PROT_RW, VM_PROT_ALL, 0));
	model_user_store(scene.f->proc, STACK_TOP - 1, 9);
}

static void
a_stack_changed(void)
{
	a_stack();
	protect(STACK_TOP - vm_sgrowsiz, STACK_TOP - vm_sgrowsiz + P, VM_PROT_READ);
}

static void
a_stack_forked(void)
{
	a_stack();
	scene.relatives[0] = model_proc_fork(scene.f->proc);
}

/* ---- a device ---- */

#define DEVICE_PAGES (MODEL_DEVICE_OWN / P)

/* The rest of the range is a hole. */
static void
a_device(void)
{
	check_kr(KERN_SUCCESS,
		 vm_device_allocate(MODEL_DEVICE, DEVICE_PAGES * P, PMAP_UNCACHED, &scene.source));
	space_map_object(scene.f->map, scene.source, A, VM_PROT_RW, VM_PROT_RW, MAP_INHERIT_SHARE);
}

static void
a_device_touched(void)
{
	a_device();
	for (vm_offset_t va = A; va < A + DEVICE_PAGES * P; va += P)
		check_u64(0, model_user_load(scene.f->proc, va));
}

static void
a_device_wired(void)
{
	a_device();
	check_kr(KERN_SUCCESS,
		 vm_map_wire(scene.f->map, A, A + DEVICE_PAGES * P, VM_MAP_WIRE_USER));
}

/* ---- an object with a pager ---- */

static void
paged(void)
{
	scene.source = model_pager_object(&scene.pager, PAGES, 100);
	scene.pager.may_fail = true;
	space_map_object(scene.f->map, scene.source, A, VM_PROT_RW, VM_PROT_ALL, MAP_INHERIT_SHARE);
}

static void
paged_in(void)
{
	paged();
	check_fill(scene.f->proc, A, PAGES, 100);
}

static void
paged_changed(void)
{
	paged_in();
	space_fill(scene.f->proc, A + P, PAGES - 2, 50);
}

static void
paged_private(void)
{
	scene.source = model_pager_object(&scene.pager, PAGES, 100);
	scene.pager.may_fail = true;
	space_map_object(scene.f->map, scene.source, A, VM_PROT_RW, VM_PROT_ALL, MAP_COPY_ON_WRITE);
}

static void
paged_private_written(void)
{
	paged_private();
	model_user_store(scene.f->proc, FROM, 90);
	model_user_store(scene.f->proc, FROM + P, 91);
}

static void
paged_forked(void)
{
	paged_private_written();
	scene.relatives[0] = model_proc_fork(scene.f->proc);
}

const struct state states[] = {
    {"nothing there", nothing, false},
    {"untouched", fresh, false},
    {"filled", filled, false},
    {"half filled", half_filled, false},
    {"read-only", read_only, false},
    {"forked", forked, false},
    {"forked untouched", forked_fresh, false},
    {"generations", generations, false},
    {"forked, the child gone", alone_again, false},
    {"shared", shared, false},
    {"to be shared", to_share, false},
    {"to be shared, untouched", to_share_untouched, false},
    {"forked and to be shared", forked_to_share, false},
    {"to be zero in a child", to_zero, false},
    {"wired", wired, false},
    {"wired by the system", wired_by_system, true},
    {"wired, to be copied", wired_read_only, false},
    {"many entries", many_entries, false},
    {"a hole", a_hole, false},
    {"a guard", a_guard, false},
    {"an object's, private", private_object, false},
    {"an object's, written to", private_object_written, false},
    {"a stack", a_stack, false},
    {"a stack, changed below", a_stack_changed, false},
    {"a stack, forked", a_stack_forked, false},
    {"a device", a_device, false},
    {"a device, touched", a_device_touched, false},
    {"a device, wired", a_device_wired, false},
    {"a pager's", paged, false},
    {"a pager's, all in", paged_in, false},
    {"a pager's, changed", paged_changed, false},
    {"a pager's, private", paged_private, false},
    {"a pager's, private, written to", paged_private_written, false},
    {"a pager's, private, forked", paged_forked, false},
};

const size_t state_count = ARRAY_SIZE(states);
