/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address spaces: allocated, exchanged by exec, copied by fork, freed.
 *
 * Fork walks the entries of the parent and does for each what its inheritance says:
 *
 *	NONE	nothing: the child has a hole
 *	SHARE	both show the same object; what NEEDS_COPY is shadowed first, so that the view is
 *		shared and not what lies behind it
 *	COPY	both show the same object, both NEED a COPY, and the parent's pages are
 *		write-protected; the first write of either makes a shadow.  Wired writable memory is
 *		copied at once, since the parent's must not fault later
 *	ZERO	the child gets fresh zeroes
 *
 * The parent's entries are made to NEED their COPY last, when nothing can fail any more: memory that
 * others share with it stays shared if the fork fails.  Then the parent is as before, and the
 * unfinished child is freed like any other space.
 */
#include "kernel/base/panic.h"
#include "vm/pmap.h"
#include "vm/vm_charge.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_proc.h"
#include "vm/vm_wire.h"
#include "vm/vm_zone.h"
#include "vm/vmspace.h"

static struct vm_zone vmspace_zone;

void
vmspace_init(void)
{
	vm_zone_init(&vmspace_zone, "vmspace", sizeof(struct vmspace), &vm_zone_direct);
}

struct vmspace *
vmspace_alloc(vm_offset_t min, vm_offset_t max)
{
	struct vmspace *vm = vm_zone_alloc(&vmspace_zone, VM_ZONE_ZERO);
	struct pmap *pmap;

	if (vm == NULL)
		return NULL;
	pmap = pmap_create();
	if (pmap == NULL) {
		vm_zone_free(&vmspace_zone, vm);
		return NULL;
	}
	vm_map_init(&vm->vm_map, pmap, min, max);
	vm->refcnt = 1;
	return vm;
}

bool
vmspace_acquire(struct vmspace *vm)
{
	uint32_t n = __atomic_load_n(&vm->refcnt, __ATOMIC_RELAXED);

	do {
		if (n == 0)
			return false;
	} while (!__atomic_compare_exchange_n(&vm->refcnt, &n, n + 1, true, __ATOMIC_ACQUIRE,
					      __ATOMIC_RELAXED));
	return true;
}

void
vmspace_free(struct vmspace *vm)
{
	vm_map_t map = &vm->vm_map;
	kern_return_t kr;

	if (__atomic_sub_fetch(&vm->refcnt, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	/* Whole entries only, and nobody is left to wire one: this cannot fail. */
	kr = vm_map_remove(map, vm_map_min(map), vm_map_max(map));
	VERIFY(kr == KERN_SUCCESS, "emptying a dead space: %d", kr);
	vm_map_fini(map);
	pmap_destroy(map->pmap);
	vm_zone_free(&vmspace_zone, vm);
}

/* set_owner: whose limits apply in vm; NULL: nobody's any more. */
static void
set_owner(struct vmspace *vm, struct proc *p)
{
	vm_map_lock(&vm->vm_map);
	vm->vm_map.owner = p;
	vm_map_unlock(&vm->vm_map);
}

kern_return_t
vmspace_exec(struct proc *p, vm_offset_t min, vm_offset_t max, struct vmspace **old)
{
	struct vmspace *vm = vmspace_alloc(min, max);

	if (vm == NULL)
		return KERN_RESOURCE_SHORTAGE;
	proc_lock(p);
	*old = proc_vmspace(p);
	if (*old == NULL) {
		proc_unlock(p);
		vmspace_free(vm);
		return KERN_FAILURE;
	}
	set_owner(*old, NULL);
	set_owner(vm, p);
	proc_set_vmspace(p, vm);
	proc_unlock(p);
	return KERN_SUCCESS;
}

/* ---- fork ---- */

/* Flags that belong to the parent's entry alone. */
#define NOT_INHERITED                                                           \
	(VM_ENTRY_USER_WIRED | VM_ENTRY_IN_TRANSITION | VM_ENTRY_NEEDS_WAKEUP | \
	 VM_ENTRY_WIRE_SKIPPED | VM_ENTRY_CHARGED)

/* fork_clone: an entry for the child like the parent's, without object, wiring and charge. */
static vm_map_entry_t
fork_clone(vm_map_t new_map, const struct vm_map_entry *old)
{
	vm_map_entry_t e = vm_map_entry_create(new_map);

	if (e == NULL)
		return NULL;
	e->start = old->start;
	e->end = old->end;
	e->eflags = old->eflags & ~NOT_INHERITED;
	e->protection = old->protection;
	e->max_protection = old->max_protection;
	e->inheritance = old->inheritance;
	if (e->eflags & VM_ENTRY_STACK_GAP) {
		e->gap_guard = old->gap_guard;
		e->gap_eflags = old->gap_eflags;
		e->gap_protection = old->gap_protection;
		e->gap_max_protection = old->gap_max_protection;
	} else {
		e->offset = old->offset;
	}
	return e;
}

/* fork_charge: the child's private entry is charged like the parent's. */
static bool
fork_charge(vm_map_entry_t e)
{
	if (!vm_charge(e->end - e->start))
		return false;
	e->eflags |= VM_ENTRY_CHARGED;
	return true;
}

/* share_object: make the parent's object one that can be shared: it exists, is no copy to be, and is
 * charged for itself from now on. */
static kern_return_t
share_object(vm_map_t old_map, vm_map_entry_t old)
{
	kern_return_t kr = KERN_SUCCESS;

	if (old->object == NULL)
		kr = vm_map_entry_materialise(old);
	else if (old->eflags & VM_ENTRY_NEEDS_COPY)
		kr = vm_map_entry_shadow(old_map, old);
	if (kr != KERN_SUCCESS)
		return kr;
	rwlock_write(&old->object->lock);
	vm_object_reference_locked(old->object);
	old->object->flags &= ~VM_OBJECT_ONEMAPPING;
	if (old->eflags & VM_ENTRY_CHARGED) {
		old->object->charge += old->end - old->start;
		old->eflags &= ~VM_ENTRY_CHARGED;
	}
	rwlock_write_unlock(&old->object->lock);
	return KERN_SUCCESS;
}

static kern_return_t
fork_share(vm_map_t old_map, vm_map_entry_t old, vm_map_entry_t e)
{
	kern_return_t kr = share_object(old_map, old);

	if (kr != KERN_SUCCESS)
		return kr;
	e->object = old->object;
	e->offset = old->offset;
	e->eflags &= ~VM_ENTRY_NEEDS_COPY;
	return KERN_SUCCESS;
}

/* copied_at_once: wired memory must not fault later, so a lazy copy is not for it. */
static bool
copied_at_once(const struct vm_map_entry *old)
{
	return old->wired_count != 0 && (old->protection & VM_PROT_WRITE);
}

/* copy_lazily: both entries show the object and will copy on write; the parent's from the end of the
 * fork on (need_copies). */
static void
copy_lazily(vm_map_entry_t old, vm_map_entry_t e)
{
	rwlock_write(&old->object->lock);
	vm_object_reference_locked(old->object);
	old->object->flags &= ~VM_OBJECT_ONEMAPPING;
	vm_object_collapse(old->object);
	rwlock_write_unlock(&old->object->lock);
	e->eflags |= VM_ENTRY_COW | VM_ENTRY_NEEDS_COPY;
	e->object = old->object;
}

/* need_copies: the fork has succeeded: what the parent shows lazily copied is copied at its next write,
 * too. */
static void
need_copies(vm_map_t old_map)
{
	vm_map_entry_t old;

	vm_map_for_each (old, old_map) {
		if (old->inheritance != VM_INHERIT_COPY || (old->eflags & VM_ENTRY_GUARD) ||
		    old->object == NULL || copied_at_once(old))
			continue;
		if ((old->protection & VM_PROT_WRITE) && !(old->eflags & VM_ENTRY_NEEDS_COPY))
			pmap_protect(old_map->pmap, old->start, old->end,
				     old->protection & ~VM_PROT_WRITE);
		old->eflags |= VM_ENTRY_COW | VM_ENTRY_NEEDS_COPY;
	}
}

/* fork_copy: vm_map_copy_entry of the old books.  A copy made at once is charged even if the parent's
 * memory is not charged to its entry but, as it was shared, to its object. */
static kern_return_t
fork_copy(vm_map_t old_map, vm_map_entry_t old, vm_map_entry_t e)
{
	bool now = copied_at_once(old);

	if ((now || (old->eflags & VM_ENTRY_CHARGED)) && !fork_charge(e))
		return KERN_RESOURCE_SHORTAGE;
	if (old->object == NULL)
		return KERN_SUCCESS;
	if (now) {
		e->object = vm_map_copy_object(old_map, old);
		if (e->object == NULL)
			return KERN_RESOURCE_SHORTAGE;
		e->eflags &= ~VM_ENTRY_NEEDS_COPY;
		return KERN_SUCCESS;
	}
	copy_lazily(old, e);
	return KERN_SUCCESS;
}

static kern_return_t
fork_zero(vm_map_entry_t e)
{
	e->eflags &= ~(VM_ENTRY_COW | VM_ENTRY_NEEDS_COPY);
	if (!(e->eflags & VM_ENTRY_GROWS_DOWN))
		e->offset = 0;
	if (vm_map_chargeable(e->eflags, NULL, e->protection) && !fork_charge(e))
		return KERN_RESOURCE_SHORTAGE;
	return KERN_SUCCESS;
}

/* fork_contents: give the child's entry what its inheritance says. */
static kern_return_t
fork_contents(vm_map_t old_map, vm_map_entry_t old, vm_map_entry_t e)
{
	if (old->eflags & VM_ENTRY_GUARD)
		return KERN_SUCCESS;
	switch (old->inheritance) {
	case VM_INHERIT_SHARE:
		return fork_share(old_map, old, e);
	case VM_INHERIT_ZERO:
		return fork_zero(e);
	default:
		return fork_copy(old_map, old, e);
	}
}

/* fork_entry: the child's version of one entry. */
static kern_return_t
fork_entry(vm_map_t old_map, vm_map_t new_map, vm_map_entry_t old)
{
	vm_map_entry_t e;
	kern_return_t kr;

	if (old->eflags & VM_ENTRY_IS_SUB_MAP)
		return KERN_INVALID_ARGUMENT;
	if (old->inheritance == VM_INHERIT_NONE)
		return KERN_SUCCESS;
	e = fork_clone(new_map, old);
	if (e == NULL)
		return KERN_RESOURCE_SHORTAGE;
	kr = fork_contents(old_map, old, e);
	if (kr != KERN_SUCCESS) {
		if (e->eflags & VM_ENTRY_CHARGED)
			vm_uncharge(e->end - e->start);
		vm_map_entry_dispose(new_map, e);
		return kr;
	}
	if (!(e->eflags & VM_ENTRY_GUARD))
		new_map->size += e->end - e->start;
	vm_map_tree_link(new_map, new_map->header.prev, e);
	return KERN_SUCCESS;
}

struct vmspace *
vmspace_fork(struct vmspace *vm1)
{
	vm_map_t old_map = &vm1->vm_map, new_map;
	kern_return_t kr = KERN_SUCCESS;
	vm_map_entry_t old;
	struct vmspace *vm2;

	vm2 = vmspace_alloc(vm_map_min(old_map), vm_map_max(old_map));
	if (vm2 == NULL)
		return NULL;
	new_map = &vm2->vm_map;
	vm_map_lock(old_map);
	if (vm_map_wait_busy(old_map) != KERN_SUCCESS) {
		vmspace_free(vm2);
		return NULL;
	}
	vm_map_lock(new_map);
	for (old = old_map->header.next; old != &old_map->header && kr == KERN_SUCCESS;
	     old = old->next)
		kr = fork_entry(old_map, new_map, old);
	if (kr == KERN_SUCCESS)
		need_copies(old_map);
	vm2->vm_ssize = vm1->vm_ssize;
	vm2->vm_maxsaddr = vm1->vm_maxsaddr;
	vm2->vm_stacktop = vm1->vm_stacktop;
	new_map->flags |= old_map->flags & VM_MAP_WXORX;
	vm_map_unlock(new_map);
	vm_map_unlock(old_map);
	if (kr != KERN_SUCCESS) {
		vmspace_free(vm2);
		return NULL;
	}
	return vm2;
}
