/* SPDX-License-Identifier: BSD-2-Clause */
/* vmspace_exec, vmspace_unshare: a process gets a new space; contracts 1.10. */
#include "model/memory.h"
#include "model/mmu.h"
#include "model/vm_fixture.h"
#include "model/charges.h"
#include "model/snapshot.h"
#include "model/space.h"
#include "model/thread.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"
#include "vm/vm_proc.h"
#include "vm/vmspace.h"

#define A 0x100000ul
#define B 0x200000ul

/* end: what the end of a process does to it, as far as vm/ sees.  revive: the contrary. */
static void
revive(struct proc *p, struct vmspace *vm)
{
	proc_lock(p);
	proc_set_vmspace(p, vm);
	proc_unlock(p);
}

static void
end(struct proc *p)
{
	revive(p, NULL);
}

static void
insert_page(vm_map_t map)
{
	vm_offset_t addr = A;

	check_kr(KERN_SUCCESS, vm_map_find(map, NULL, 0, &addr, PAGE_SIZE, 0, VMFS_NO_SPACE,
					   VM_PROT_RW, VM_PROT_ALL, 0));
}

static void
new_space(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *p = model_proc_create();
	struct vmspace *before = proc_vmspace(p), *old = NULL;
	vm_map_t map;

	(void)f;
	insert_page(&before->vm_map);
	model_user_store(p, A, 7);
	check_kr(KERN_SUCCESS, vmspace_exec(p, 0x20000, 0x70000000, &old));
	assert_ptr_equal(before, old);
	assert_ptr_not_equal(before, proc_vmspace(p));
	map = model_proc_map(p);
	check_u64(0, map->nentries);
	check_u64(0x20000, vm_map_min(map));
	check_u64(0x70000000, vm_map_max(map));
	assert_ptr_equal(p, map->owner);
	/* The old one is whole, but nobody's. */
	assert_null(old->vm_map.owner);
	check_u64(1, old->vm_map.nentries);
	vmspace_free(old);
	insert_page(map);
	check_u64(0, model_user_load(p, A));
	model_proc_destroy(p);
}

static void
no_memory(void **state)
{
	struct vm_fixture *f = *state;
	struct vmspace *before = proc_vmspace(f->proc), *old = NULL;

	insert_page(f->map);
	model_user_store(f->proc, A, 7);
	for (unsigned k = 1; k <= 2; k++) { /* the space, its page tables */
		model_fail_after(k);
		check_kr(KERN_RESOURCE_SHORTAGE, vmspace_exec(f->proc, 0x20000, 0x70000000, &old));
		check_u64(1, model_fail_count());
		model_fail_off();
	}
	assert_ptr_equal(before, proc_vmspace(f->proc));
	assert_ptr_equal(f->proc, f->map->owner);
	check_u64(7, model_user_load(f->proc, A));
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + PAGE_SIZE));
}

static void
exec_of_the_dead(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_usage before = vm_usage_read();
	struct vmspace *old = NULL;

	end(f->proc);
	check_kr(KERN_FAILURE, vmspace_exec(f->proc, 0x20000, 0x70000000, &old));
	assert_null(proc_vmspace(f->proc));
	assert_false(model_proc_is_locked(f->proc));
	vm_usage_check(&before);
	revive(f->proc, f->vmspace);
}

/* Whatever was there before: no stack, no owner, nothing. */
static void
new_space_is_empty(void **state)
{
	struct vmspace *vm;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		vm = vmspace_alloc(MODEL_USER_MIN, MODEL_USER_MAX);
		assert_non_null(vm);
		check_u64(0, vm->vm_ssize);
		check_u64(0, vm->vm_maxsaddr);
		check_u64(0, vm->vm_stacktop);
		assert_null(vm->vm_map.owner);
		check_u64(0, vm->vm_map.nentries);
		vm->vm_ssize = vm->vm_maxsaddr = vm->vm_stacktop = A;
		vmspace_free(vm);
	}
}

/* ---- unshare ---- */

/* A wiring keeps the fork waiting; meanwhile the process gets another space. */
struct meanwhile {
	struct vm_fixture *f;
	struct proc *p;
	kern_return_t kr;
};

static void
wire(void *arg)
{
	struct meanwhile *m = arg;

	m->kr = vm_map_wire(m->f->map, B, B + PAGE_SIZE, VM_MAP_WIRE_USER);
}

static void
unshare(void *arg)
{
	struct meanwhile *m = arg;

	m->kr = vmspace_unshare(m->p);
}

/* two: another process that uses the space of f->proc, in which A holds a 7. */
static struct proc *
two(struct vm_fixture *f)
{
	struct proc *other;

	insert_page(f->map);
	model_user_store(f->proc, A, 7);
	assert_true(vmspace_acquire(f->vmspace));
	other = model_proc_adopt(f->vmspace);
	f->map->owner = f->proc;
	return other;
}

static void
unshared(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *other = two(f);

	check_kr(KERN_SUCCESS, vmspace_unshare(other));
	assert_ptr_not_equal(f->vmspace, proc_vmspace(other));
	assert_ptr_equal(f->vmspace, proc_vmspace(f->proc));
	check_u64(1, f->vmspace->refcnt);
	check_u64(1, proc_vmspace(other)->refcnt);
	assert_ptr_equal(other, model_proc_map(other)->owner);
	assert_ptr_equal(f->proc, f->map->owner);
	model_user_store(other, A, 8);
	check_u64(7, model_user_load(f->proc, A));
	check_u64(8, model_user_load(other, A));
	charges_check();
	model_proc_destroy(other);
}

/* The owner leaves: the space is nobody's then. */
static void
owner_leaves(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *other = two(f);

	f->map->owner = other;
	check_kr(KERN_SUCCESS, vmspace_unshare(other));
	assert_null(f->map->owner);
	assert_ptr_equal(other, model_proc_map(other)->owner);
	model_proc_destroy(other);
	f->map->owner = f->proc;
}

static void
alone(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;

	insert_page(f->map);
	before = map_snapshot_take(f->map);
	check_kr(KERN_SUCCESS, vmspace_unshare(f->proc));
	assert_ptr_equal(f->vmspace, proc_vmspace(f->proc));
	check_u64(1, f->vmspace->refcnt);
	check_unchanged(before, f->map);
}

static void
unshare_without_memory(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *other = two(f);
	kern_return_t kr;

	for (uint64_t k = 1;; k++) {
		model_fail_from(k);
		kr = vmspace_unshare(other);
		model_fail_off();
		if (kr == KERN_SUCCESS)
			break;
		check_kr(KERN_RESOURCE_SHORTAGE, kr);
		assert_ptr_equal(f->vmspace, proc_vmspace(other));
		check_u64(2, f->vmspace->refcnt);
		check_u64(7, model_user_load(other, A));
	}
	check_u64(1, f->vmspace->refcnt);
	model_proc_destroy(other);
}

static void
other_space_meanwhile(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = vm_object_allocate_anon(1);
	struct proc *other = two(f);
	struct meanwhile wiring = {f, NULL, -1}, unsharing = {f, other, -1};
	struct thread *wirer, *unsharer;
	struct vmspace *old, *now;
	uint64_t objects;

	space_map_object(f->map, object, B, VM_PROT_RW, VM_PROT_ALL, 0);
	space_object_stall(object, 0);
	wirer = model_thread_start("wirer", wire, &wiring);
	model_thread_await_sleep(wirer);
	objects = vm_object_count();
	unsharer = model_thread_start("unsharer", unshare, &unsharing);
	model_thread_await_sleep(unsharer);
	check_kr(KERN_SUCCESS, vmspace_exec(other, MODEL_USER_MIN, MODEL_USER_MAX, &old));
	now = proc_vmspace(other);
	vmspace_free(old);
	space_object_go_on(object, 0);
	model_thread_join(wirer);
	model_thread_join(unsharer);
	check_kr(KERN_SUCCESS, wiring.kr);
	check_kr(KERN_FAILURE, unsharing.kr);
	assert_ptr_equal(now, proc_vmspace(other));
	check_u64(1, f->vmspace->refcnt);
	check_u64(objects, vm_object_count());
	f->map->owner = f->proc;
	model_proc_destroy(other);
	vm_object_deallocate(object);
}

static void
unshare_of_the_dead(void **state)
{
	struct vm_fixture *f = *state;

	end(f->proc);
	check_kr(KERN_FAILURE, vmspace_unshare(f->proc));
	revive(f->proc, f->vmspace);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"exec: a process gets an empty space, the old one is whole and has no owner",
	     new_space},
	    {"exec: without memory the process keeps its space", no_memory},
	    {"UNS-01: a process that shares its space gets a copy of it", unshared},
	    {"UNS-01: if it was the owner, what it leaves has none", owner_leaves},
	    {"UNS-02: a space of its own stays as it is", alone},
	    {"UNS-03: without memory nothing has changed", unshare_without_memory},
	    {"UNS-04: a process that has ended has no space", unshare_of_the_dead},
	    {"exec: a process that has ended gets no space", exec_of_the_dead},
	    {"exec: a new space is empty, whatever was in its place", new_space_is_empty},
	    {"UNS-04: who gets another space meanwhile keeps that one", other_space_meanwhile},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
