/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lookup that a fault makes: which object and page an address shows, and what is allowed.
 *
 *	read-lock the map
 *	find the entry		the thread's hint, else the tree
 *	judge the access	an ordinary entry in one step, any other one with all the questions
 *	mend the entry		a submap: go on there; a copy or an object to be made: make it, under the
 *				exclusive lock, and judge again; a wiring under way: wait for its end
 *
 * It leaves the map read-locked, so what was found stays true until vm_map_lookup_done().
 */
#include "kernel/base/compiler.h"
#include "kernel/base/sched.h"
#include "vm/vm_map.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"

/* find_entry: vm_map_lookup_entry for readers, who leave a hint to themselves. */
static bool
find_entry(struct vm_lookup *l)
{
	struct thread *t = curthread();

	if (vm_map_lookup_hinted(l))
		return true;
	if (!vm_map_lookup_entry(l->map, l->vaddr, &l->entry))
		return false;
	t->vm_hint.serial = l->map->serial;
	t->vm_hint.timestamp = l->map->timestamp;
	t->vm_hint.entry = l->entry;
	return true;
}

/* judge_other: judge for what is not ordinary, or not allowed; vm_map_lookup_allowed has been asked. */
static SLOWPATH kern_return_t
judge_other(struct vm_lookup *l)
{
	const struct vm_map_entry *e = l->entry;
	vm_prot_t wanted = l->fault_type & VM_PROT_ALL;

	if (e->eflags & VM_ENTRY_IS_SUB_MAP) {
		l->need = VM_LOOKUP_SUBMAP;
		return KERN_SUCCESS;
	}
	/* A stack's gap counts as unmapped: growth may change that (contracts D18). */
	if (e->eflags & VM_ENTRY_STACK_GAP)
		return KERN_INVALID_ADDRESS;
	if ((wanted & ~l->prot) != 0 || l->prot == VM_PROT_NONE)
		return KERN_PROTECTION_FAILURE;
	if ((l->fault_type & VM_PROT_COPY) && !(e->max_protection & VM_PROT_WRITE) &&
	    !(e->eflags & VM_ENTRY_COW))
		return KERN_PROTECTION_FAILURE;

	/* A wired page is entered with all the rights it will ever need. */
	l->wired = e->wired_count != 0;
	if (l->wired)
		wanted = l->prot;
	if (e->eflags & VM_ENTRY_NEEDS_COPY) {
		if ((wanted & VM_PROT_WRITE) || (l->fault_type & VM_PROT_COPY))
			l->need = VM_LOOKUP_SHADOW;
		else
			l->prot &= ~VM_PROT_WRITE;
	}
	if (e->object == NULL && !(e->eflags & VM_ENTRY_NOFAULT))
		l->need = VM_LOOKUP_OBJECT;
	if ((e->eflags & VM_ENTRY_IN_TRANSITION) && e->wiring_thread != curthread())
		l->need = VM_LOOKUP_WIRING;
	return KERN_SUCCESS;
}

/* judge: find the entry and say whether the access is allowed, and in l->need what is left to do.
 * Map read-locked, and still so in every case. */
static kern_return_t
judge(struct vm_lookup *l)
{
	if (!find_entry(l))
		return KERN_INVALID_ADDRESS;
	l->need = VM_LOOKUP_NOTHING;
	return vm_map_lookup_allowed(l) ? KERN_SUCCESS : judge_other(l);
}

/*
 * enter_submap: go from the read-locked parent into the submap, read-locked.  The two locks are
 * never held together, so a reference keeps the submap alive in between; should that be the last
 * one by then, the range is gone.  Once we hold the lock the reference is not needed: who drops the
 * last one waits for the lock before the map goes (vm_map_fini).
 */
static SLOWPATH kern_return_t
enter_submap(struct vm_lookup *l)
{
	vm_map_t submap = l->entry->sub_map;

	vm_map_reference(submap);
	vm_map_unlock_read(l->map);
	vm_map_lock_read(submap);
	l->map = submap;
	if (!vm_map_drop_reference(submap))
		return KERN_SUCCESS;
	vm_map_unlock_read(submap);
	vm_map_destroy(submap);
	return KERN_INVALID_ADDRESS;
}

/* make_object: make what the entry needs under the exclusive lock, and go back to the shared one.
 * On an error the map is unlocked. */
static SLOWPATH kern_return_t
make_object(struct vm_lookup *l)
{
	kern_return_t kr;

	if (vm_map_lock_upgrade(l->map) != 0) {
		vm_map_lock_read(l->map); /* somebody wrote meanwhile: look again */
		return KERN_SUCCESS;
	}
	if (l->need == VM_LOOKUP_SHADOW)
		kr = vm_map_entry_shadow(l->map, l->entry);
	else
		kr = vm_map_entry_materialise(l->entry);
	if (kr != KERN_SUCCESS) {
		vm_map_unlock(l->map);
		return kr;
	}
	if (l->map->dead != NULL) {
		/* What a copy of wired memory has replaced: let go of it, and look again. */
		vm_map_unlock(l->map);
		vm_map_lock_read(l->map);
		return KERN_SUCCESS;
	}
	vm_map_lock_downgrade(l->map);
	/* The entry is the same one: nobody could write meanwhile. */
	curthread()->vm_hint.timestamp = l->map->timestamp;
	return KERN_SUCCESS;
}

/* await_wiring: another thread wires the entry, so its pages are on their way: wait for that, with
 * nothing locked, and go back to the map where the lookup began.  The one we wait at, if it is a
 * submap, may go meanwhile, so it is not touched again.  On an error nothing is locked. */
static SLOWPATH kern_return_t
await_wiring(struct vm_lookup *l, vm_map_t top)
{
	if (vm_map_lock_upgrade(l->map) == 0) {
		l->entry->eflags |= VM_ENTRY_NEEDS_WAKEUP;
		if (vm_map_unlock_and_wait(l->map, "vmfwire") != KERN_SUCCESS)
			return KERN_ABORTED;
	}
	l->map = top;
	vm_map_lock_read(top);
	return KERN_SUCCESS;
}

/* mend: do what the entry needs before it can be judged again.  On an error nothing is locked. */
static SLOWPATH kern_return_t
mend(struct vm_lookup *l, vm_map_t top)
{
	switch (l->need) {
	case VM_LOOKUP_SUBMAP:
		return enter_submap(l);
	case VM_LOOKUP_WIRING:
		return await_wiring(l, top);
	default:
		return make_object(l);
	}
}

kern_return_t
vm_map_lookup_slowly(struct vm_lookup *l)
{
	vm_map_t top = l->map;
	kern_return_t kr;

	while ((kr = judge(l)) == KERN_SUCCESS && l->need != VM_LOOKUP_NOTHING) {
		kr = mend(l, top);
		if (kr != KERN_SUCCESS)
			return kr;
	}
	if (kr != KERN_SUCCESS)
		vm_map_unlock_read(l->map);
	else
		vm_map_lookup_set_place(l);
	return kr;
}

/* ---- the documented interface ---- */

static void
give_results(const struct vm_lookup *l, vm_map_entry_t *out_entry, struct vm_object **object,
	     vm_pindex_t *pindex, vm_prot_t *out_prot, boolean_t *wired)
{
	*out_entry = l->entry;
	*object = l->object;
	*pindex = l->pindex;
	*out_prot = l->prot;
	*wired = l->wired;
}

kern_return_t
vm_map_lookup(vm_map_t *var_map, vm_offset_t vaddr, vm_prot_t fault_type, vm_map_entry_t *out_entry,
	      struct vm_object **object, vm_pindex_t *pindex, vm_prot_t *out_prot, boolean_t *wired)
{
	struct vm_lookup l = {.map = *var_map, .vaddr = vaddr, .fault_type = fault_type};
	kern_return_t kr = vm_map_lookup_fault(&l);

	if (kr != KERN_SUCCESS)
		return kr;
	*var_map = l.map;
	give_results(&l, out_entry, object, pindex, out_prot, wired);
	return KERN_SUCCESS;
}

kern_return_t
vm_map_lookup_locked(vm_map_t *var_map, vm_offset_t vaddr, vm_prot_t fault_type,
		     vm_map_entry_t *out_entry, struct vm_object **object, vm_pindex_t *pindex,
		     vm_prot_t *out_prot, boolean_t *wired)
{
	struct vm_lookup l = {.map = *var_map, .vaddr = vaddr, .fault_type = fault_type};
	kern_return_t kr = judge(&l);

	if (kr != KERN_SUCCESS)
		return kr;
	if (l.need != VM_LOOKUP_NOTHING)
		return KERN_FAILURE;
	vm_map_lookup_set_place(&l);
	give_results(&l, out_entry, object, pindex, out_prot, wired);
	return KERN_SUCCESS;
}
