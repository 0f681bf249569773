/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address spaces: allocated, exchanged by exec, copied by fork, unshared, freed.
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

/* A fork under way. */
struct forking {
	vm_map_t old_map, new_map;
	vm_size_t owed; /* bytes charged for copies that the parent will make: need_copies() */
};

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

/* charge_copy: e, or a copy of it, is private from now on. */
static bool
charge_copy(vm_map_entry_t e)
{
	if (!vm_charge(e->end - e->start))
		return false;
	e->eflags |= VM_ENTRY_CHARGED;
	return true;
}

static kern_return_t
fork_share(vm_map_t old_map, vm_map_entry_t old, vm_map_entry_t e)
{
	kern_return_t kr = vm_map_entry_share(old_map, old);

	if (kr != KERN_SUCCESS)
		return kr;
	e->object = old->object;
	e->offset = old->offset;
	e->eflags &= ~(VM_ENTRY_COW | VM_ENTRY_NEEDS_COPY);
	return KERN_SUCCESS;
}

/* copied_at_once: wired memory must not fault later, so a lazy copy is not for it.  What is wired has
 * an object, and, if it can be written to, the copy that it needed. */
static bool
copied_at_once(const struct vm_map_entry *old)
{
	return old->wired_count != 0 && (old->protection & VM_PROT_WRITE);
}

/* copy_now: the child's entry gets copies of the parent's wired pages.  On failure e has those made so
 * far; who disposes of it lets go of them. */
static kern_return_t
copy_now(vm_map_t old_map, vm_map_entry_t old, vm_map_entry_t e)
{
	ASSERT(old->object != NULL && !(old->eflags & VM_ENTRY_NEEDS_COPY),
	       "wired entry %#lx-%#lx flags %#x object %p", old->start, old->end, old->eflags,
	       (void *)old->object);
	if (vm_map_chargeable(e->eflags, NULL, e->protection) && !charge_copy(e))
		return KERN_RESOURCE_SHORTAGE;
	e->object = vm_object_allocate_anon(atop(e->offset + (e->end - e->start)));
	if (e->object == NULL)
		return KERN_RESOURCE_SHORTAGE;
	return vm_map_copy_pages(old_map, old, e->object);
}

/* owes_copy: is old, whose object is passed on, to be charged for its own copy of it?  So far it was
 * what it shares with others that was charged. */
static bool
owes_copy(const struct vm_map_entry *old)
{
	return !(old->eflags & VM_ENTRY_CHARGED) &&
	       vm_map_chargeable(old->eflags | VM_ENTRY_NEEDS_COPY, old->object, old->protection);
}

/* charge_copies: both entries will have a copy each.  The parent's gets its charge at the end of the
 * fork. */
static kern_return_t
charge_copies(struct forking *f, vm_map_entry_t old, vm_map_entry_t e)
{
	vm_size_t length = old->end - old->start;
	bool owes = owes_copy(old);

	if (!owes && !(old->eflags & VM_ENTRY_CHARGED))
		return KERN_SUCCESS;
	if (owes && !vm_charge(length))
		return KERN_RESOURCE_SHORTAGE;
	if (owes)
		f->owed += length;
	return charge_copy(e) ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
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
need_copies(struct forking *f)
{
	vm_map_t old_map = f->old_map;
	vm_map_entry_t old;

	vm_map_for_each (old, old_map) {
		if (old->inheritance != VM_INHERIT_COPY || (old->eflags & VM_ENTRY_GUARD) ||
		    old->object == NULL || copied_at_once(old))
			continue;
		if ((old->protection & VM_PROT_WRITE) && !(old->eflags & VM_ENTRY_NEEDS_COPY))
			pmap_protect(old_map->pmap, old->start, old->end,
				     old->protection & ~VM_PROT_WRITE);
		if (owes_copy(old)) {
			old->eflags |= VM_ENTRY_CHARGED;
			f->owed -= old->end - old->start;
		}
		old->eflags |= VM_ENTRY_COW | VM_ENTRY_NEEDS_COPY;
	}
}

/* fork_copy: vm_map_copy_entry of the old books. */
static kern_return_t
fork_copy(struct forking *f, vm_map_entry_t old, vm_map_entry_t e)
{
	kern_return_t kr = KERN_SUCCESS;

	if (copied_at_once(old))
		return copy_now(f->old_map, old, e);
	if (old->object != NULL)
		kr = vm_map_entry_split(old);
	if (kr == KERN_SUCCESS)
		kr = charge_copies(f, old, e);
	if (kr == KERN_SUCCESS && old->object != NULL)
		copy_lazily(old, e);
	return kr;
}

static kern_return_t
fork_zero(vm_map_entry_t e)
{
	e->eflags &= ~(VM_ENTRY_COW | VM_ENTRY_NEEDS_COPY);
	if (!(e->eflags & VM_ENTRY_GROWS_DOWN))
		e->offset = 0;
	if (vm_map_chargeable(e->eflags, NULL, e->protection) && !charge_copy(e))
		return KERN_RESOURCE_SHORTAGE;
	return KERN_SUCCESS;
}

/* fork_contents: give the child's entry what its inheritance says. */
static kern_return_t
fork_contents(struct forking *f, vm_map_entry_t old, vm_map_entry_t e)
{
	if (old->eflags & VM_ENTRY_GUARD)
		return KERN_SUCCESS;
	switch (old->inheritance) {
	case VM_INHERIT_SHARE:
		return fork_share(f->old_map, old, e);
	case VM_INHERIT_ZERO:
		return fork_zero(e);
	default:
		return fork_copy(f, old, e);
	}
}

/* fork_entry: the child's version of one entry. */
static kern_return_t
fork_entry(struct forking *f, vm_map_entry_t old)
{
	vm_map_t new_map = f->new_map;
	vm_map_entry_t e;
	kern_return_t kr;

	if (old->eflags & VM_ENTRY_IS_SUB_MAP)
		return KERN_INVALID_ARGUMENT;
	if (old->inheritance == VM_INHERIT_NONE)
		return KERN_SUCCESS;
	e = fork_clone(new_map, old);
	if (e == NULL)
		return KERN_RESOURCE_SHORTAGE;
	kr = fork_contents(f, old, e);
	if (kr != KERN_SUCCESS) {
		vm_map_entry_abandon(f->old_map, e);
		return kr;
	}
	if (!(e->eflags & VM_ENTRY_GUARD))
		new_map->size += e->end - e->start;
	vm_map_tree_link(new_map, new_map->header.prev, e);
	return KERN_SUCCESS;
}

/* fork_entries: both maps write-locked. */
static kern_return_t
fork_entries(struct forking *f)
{
	kern_return_t kr = KERN_SUCCESS;
	vm_map_entry_t old;

	for (old = f->old_map->header.next; old != &f->old_map->header && kr == KERN_SUCCESS;
	     old = old->next)
		kr = fork_entry(f, old);
	if (kr == KERN_SUCCESS)
		need_copies(f);
	vm_uncharge(f->owed);
	return kr;
}

/* fork_space: vm2, which is empty, becomes a copy of vm1, or is left unfinished. */
static kern_return_t
fork_space(struct vmspace *vm1, struct vmspace *vm2)
{
	struct forking f = {.old_map = &vm1->vm_map, .new_map = &vm2->vm_map};
	kern_return_t kr;

	vm_map_lock(f.old_map);
	kr = vm_map_wait_busy(f.old_map);
	if (kr != KERN_SUCCESS)
		return kr;
	vm_map_lock(f.new_map);
	kr = fork_entries(&f);
	vm2->vm_ssize = vm1->vm_ssize;
	vm2->vm_maxsaddr = vm1->vm_maxsaddr;
	vm2->vm_stacktop = vm1->vm_stacktop;
	f.new_map->flags |= f.old_map->flags & VM_MAP_WXORX;
	vm_map_unlock(f.new_map);
	vm_map_unlock(f.old_map);
	return kr;
}

kern_return_t
vmspace_fork(struct vmspace *vm1, struct vmspace **vm2)
{
	struct vmspace *vm = vmspace_alloc(vm_map_min(&vm1->vm_map), vm_map_max(&vm1->vm_map));
	kern_return_t kr;

	if (vm == NULL)
		return KERN_RESOURCE_SHORTAGE;
	kr = fork_space(vm1, vm);
	if (kr == KERN_SUCCESS)
		*vm2 = vm;
	else
		vmspace_free(vm);
	return kr;
}

/* ---- unshare ---- */

/* shared_space: p's space, with a reference for the caller, if others use it too: NULL: nobody does.
 * KERN_FAILURE: p has ended. */
static kern_return_t
shared_space(struct proc *p, struct vmspace **vm)
{
	kern_return_t kr = KERN_SUCCESS;

	proc_lock(p);
	*vm = proc_vmspace(p);
	if (*vm == NULL)
		kr = KERN_FAILURE;
	else if (__atomic_load_n(&(*vm)->refcnt, __ATOMIC_RELAXED) == 1)
		*vm = NULL;
	else
		vmspace_acquire(*vm);
	proc_unlock(p);
	return kr;
}

/* exchange: p leaves old, if that is still its space, for vm.  False: it is not. */
static bool
exchange(struct proc *p, struct vmspace *old, struct vmspace *vm)
{
	bool ok;

	proc_lock(p);
	ok = proc_vmspace(p) == old;
	if (ok) {
		if (old->vm_map.owner == p)
			set_owner(old, NULL);
		set_owner(vm, p);
		proc_set_vmspace(p, vm);
	}
	proc_unlock(p);
	return ok;
}

/* The copy is made with no process lock, as it may wait for a wiring. */
kern_return_t
vmspace_unshare(struct proc *p)
{
	struct vmspace *old, *vm;
	kern_return_t kr = shared_space(p, &old);

	if (old == NULL)
		return kr;
	kr = vmspace_fork(old, &vm);
	if (kr != KERN_SUCCESS) {
		vmspace_free(old);
		return kr;
	}
	if (exchange(p, old, vm)) {
		vmspace_free(old); /* p's */
	} else {
		vmspace_free(vm);
		kr = KERN_FAILURE;
	}
	vmspace_free(old);
	return kr;
}
