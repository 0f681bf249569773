/* SPDX-License-Identifier: BSD-2-Clause */
/* What is done to ranges that are there; and processes. */
#include "model/memory.h"
#include "property/world.h"
#include "vm/pmap.h"
#include "vm/vm_charge.h"
#include "vm/vmspace.h"

/* ---- failures ---- */

static bool failing, starving;

void
call_begin(const struct op *op)
{
	world.pager.failures = 0;
	failing = op->fail != 0 && op->fail < OP_STARVE;
	starving = op->fail >= OP_STARVE;
	if (failing)
		model_fail_after(op->fail);
	if (starving)
		vm_charge_set_limit(vm_charge_used() + ptoa(op->fail - OP_STARVE));
}

static bool injected;

void
call_end(void)
{
	injected = starving || (failing && model_fail_count() != 0);
	failing = starving = false;
	model_fail_off();
	vm_charge_set_limit(VM_CHARGE_UNLIMITED);
}

bool
call_injected(void)
{
	return injected;
}

bool
call_pager_failed(void)
{
	return injected && world.pager.failures != 0;
}

bool
call_short(kern_return_t kr)
{
	if (call_pager_failed() && (kr == KERN_OUT_OF_BOUNDS || kr == KERN_FAILURE))
		return true;
	return kr == KERN_RESOURCE_SHORTAGE && injected;
}

static enum call_outcome outcome;

void
call_clear(void)
{
	outcome = CALL_DONE;
	injected = false;
}

void
call_note(enum call_outcome o)
{
	outcome = o;
}

enum call_outcome
call_outcome(void)
{
	return outcome;
}

bool
call_expect(unsigned set, kern_return_t kr)
{
	outcome = kr == KERN_SUCCESS ? CALL_DONE : CALL_REFUSED;
	if (KR_HAS(set, kr))
		return true;
	outcome = CALL_STARVED;
	if (!call_short(kr))
		world_failed("the call: expected one of the codes %#x, got %d", set, kr);
	return false;
}

/* ---- attributes ---- */

void
do_protect(const struct op *op)
{
	struct ref_space *ref = &world.ref[op->space];
	struct ref_range r = op_range(op);
	bool set_max = (op->flags & OPF_SET_MAX) != 0;
	vm_prot_t prot = op->prot;
	kern_return_t kr;

	if (op->space >= SPACE_PARENT && (prot & VM_PROT_WRITE) && !set_max)
		prot &= (vm_prot_t)~VM_PROT_EXECUTE;
	call_begin(op);
	kr = vm_map_protect(world_map(op->space), world_address(op->space, r.first),
			    world_address(op->space, r.end), prot, set_max);
	call_end();
	if (call_expect(ref_protect_result(ref, r, prot, set_max), kr) && kr == KERN_SUCCESS)
		ref_protect(ref, r, prot, set_max);
}

void
do_inherit(const struct op *op)
{
	struct ref_space *ref = &world.ref[op->space];
	struct ref_range r = op_range(op);
	kern_return_t kr;

	call_begin(op);
	kr = vm_map_inherit(world_map(op->space), world_address(op->space, r.first),
			    world_address(op->space, r.end), op->arg);
	call_end();
	if (call_expect(ref_inherit_result(ref, r, op->arg), kr) && kr == KERN_SUCCESS)
		ref_inherit(ref, r, op->arg);
}

void
do_check(const struct op *op)
{
	vm_map_t map = world_map(op->space);
	struct ref_range r = op_range(op);
	bool expected = ref_check_protection(&world.ref[op->space], r, op->prot), got;

	vm_map_lock_read(map);
	got = vm_map_check_protection(map, world_address(op->space, r.first),
				      world_address(op->space, r.end), op->prot);
	vm_map_unlock_read(map);
	if (expected != got)
		world_failed("rights %u in pages %zu to %zu: expected %d, got %d", op->prot,
			     r.first, r.end, expected, got);
}

/* ---- wiring ---- */

#define MAX_WIRINGS 3

static int
wire_flags(const struct op *op)
{
	int flags = 0;

	flags |= op->flags & OPF_USER ? VM_MAP_WIRE_USER : VM_MAP_WIRE_SYSTEM;
	flags |= op->flags & OPF_HOLESOK ? VM_MAP_WIRE_HOLESOK : VM_MAP_WIRE_NOHOLES;
	flags |= op->flags & OPF_WRITE ? VM_MAP_WIRE_WRITE : 0;
	return flags;
}

void
do_wire(const struct op *op)
{
	struct ref_space *ref = &world.ref[op->space];
	struct ref_range r = op_range(op);
	int flags = wire_flags(op);
	kern_return_t kr;

	for (size_t i = r.first; i < r.end; i++)
		if (ref->page[i].wirings == MAX_WIRINGS)
			return;
	call_begin(op);
	kr = vm_map_wire(world_map(op->space), world_address(op->space, r.first),
			 world_address(op->space, r.end), flags);
	call_end();
	if (call_expect(ref_wire_result(ref, r, flags), kr) && kr == KERN_SUCCESS)
		ref_wire(ref, r, flags);
	else
		world_read_touched(op->space);
}

void
do_unwire(const struct op *op)
{
	struct ref_space *ref = &world.ref[op->space];
	struct ref_range r = op_range(op);
	int flags = wire_flags(op);
	kern_return_t kr;

	call_begin(op);
	kr = vm_map_unwire(world_map(op->space), world_address(op->space, r.first),
			   world_address(op->space, r.end), flags);
	call_end();
	if (call_expect(ref_unwire_result(ref, r, flags), kr) && kr == KERN_SUCCESS)
		ref_unwire(ref, r, flags);
}

/* ---- what is refused whatever the map is, or does nothing ---- */

static kern_return_t
bad_call(const struct op *op, vm_map_t map, vm_offset_t start, vm_offset_t end)
{
	const vm_offset_t max = vm_map_max(map);

	switch (op->arg) {
	case 0:
		return vm_map_protect(map, start + 1, end, op->prot, false);
	case 1:
		return vm_map_protect(map, end, start, op->prot, false);
	case 2:
		return vm_map_protect(map, start, end, op->prot | VM_PROT_COPY, false);
	case 3:
		return vm_map_inherit(map, end, start, VM_INHERIT_SHARE);
	case 4:
		return vm_map_wire(map, start, end - 1, VM_MAP_WIRE_HOLESOK);
	case 5:
		return vm_map_unwire(map, end, start, VM_MAP_WIRE_HOLESOK);
	case 6:
		return vm_map_remove(map, start, end + 1);
	case 7:
		return vm_map_fixed(map, NULL, 0, start, 0, op->prot, VM_PROT_ALL, 0);
	case 8:
		return vm_map_fixed(map, NULL, 0, max - PAGE_SIZE, end - start + PAGE_SIZE,
				    op->prot, VM_PROT_ALL, 0);
	case 9:
		return vm_map_fixed(map, NULL, 0, start, (vm_size_t)0 - start, op->prot,
				    VM_PROT_ALL, 0);
	case 10:
		return vm_map_protect(map, start, start, op->prot, false);
	default:
		return vm_map_remove(map, end, start);
	}
}

void
do_bad(const struct op *op)
{
	vm_offset_t start = world_address(op->space, op->first);
	vm_offset_t end = world_address(op->space, (size_t)op->first + op->pages);
	kern_return_t expected = KERN_INVALID_ARGUMENT, kr;

	kr = bad_call(op, world_map(op->space), start, end);
	if (op->arg >= 7)
		expected = op->arg >= 10 ? KERN_SUCCESS : KERN_INVALID_ADDRESS;
	if (kr != expected)
		world_failed("bad call %u: expected %d, got %d", op->arg, expected, kr);
}

/* ---- processes ---- */

void
do_drop(const struct op *op)
{
	pmap_drop(vm_map_pmap(world_map(op->space)));
}

/* do_fork: the child takes the place of another process. */
void
do_fork(const struct op *op)
{
	unsigned child = (op->space + 1u + op->arg) % PROCESSES;
	struct vmspace *vm;
	kern_return_t kr;

	if (world.proc[child] != NULL)
		world_process_end(child);
	call_begin(op);
	kr = vmspace_fork(proc_vmspace(world.proc[op->space]), &vm);
	call_end();
	if (!call_expect(KR(KERN_SUCCESS), kr)) {
		ref_fork_failed(&world.ref[op->space]);
		return;
	}
	world.proc[child] = model_proc_adopt(vm);
	ref_fork(&world.ref[op->space], &world.ref[child]);
	check_space(child);
	check_contents(child);
}

void
do_exit(const struct op *op)
{
	world_process_end(op->space);
}

void
do_exec(const struct op *op)
{
	struct ref_space *ref = &world.ref[op->space];
	const struct ref_range all = {0, REF_PAGES};
	vm_map_t map = world_map(op->space);
	struct vmspace *old;
	kern_return_t kr;

	world_prepare_delete(op->space, all);
	call_begin(op);
	kr = vmspace_exec(world.proc[op->space], vm_map_min(map), vm_map_max(map), &old);
	call_end();
	if (!call_expect(KR(KERN_SUCCESS), kr))
		return;
	vmspace_free(old);
	ref_unmap(ref, all);
	ref->main_low = ref->main_top = ref->main_size = 0;
	ref->wxorx = ref->wirefuture = false;
}

void
do_limit(const struct op *op)
{
	static const size_t pages[VM_LIMITS] = {2, 8, 8};
	unsigned which = op->arg % VM_LIMITS;
	bool none = op->arg >= VM_LIMITS;
	size_t limit = op->pages * pages[which];

	world.ref[op->space].limit[which] = none ? REF_UNLIMITED : limit;
	model_proc_set_limit(world.proc[op->space], which, none ? VM_LIMIT_INFINITY : ptoa(limit));
}

void
do_flag(const struct op *op)
{
	struct ref_space *ref = &world.ref[op->space];
	vm_map_t map = world_map(op->space);
	uint32_t flag = op->arg & 1 ? VM_MAP_WXORX : VM_MAP_WIREFUTURE;
	bool on = (op->arg & 2) != 0;

	vm_map_lock(map);
	map->flags = on ? map->flags | flag : map->flags & ~flag;
	vm_map_unlock(map);
	if (flag == VM_MAP_WXORX)
		ref->wxorx = on;
	else
		ref->wirefuture = on;
}
