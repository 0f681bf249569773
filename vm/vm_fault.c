/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page faults: from an address to a page that is mapped.
 *
 *	vm_fault --> fault_lookup	the entry, its top object, the rights; grows a stack once
 *	         --> fault_resolve	one of four cases, with the map read-locked throughout
 *
 *	case 1	top [..p.]			the page is in the top object: map it
 *	case 2	top [....] -> nothing		no object has it: a page of zeroes in the top object
 *	case 3	top [....] -> A [..p.]  read	map A's page, without the right to write
 *	case 4	top [....] -> A [..p.]  write	copy A's page up into the top object and map the copy
 *
 * Where the last object of the chain has a pager, an absent page is not zero but asked for
 * (vm_pager.c): with everything let go, and then the fault begins again, in case 1, 3 or 4.
 *
 * Locks in a resolution: the map, shared; the top object, exclusively; the backing objects hand over
 * hand.  Nothing sleeps with them: who must wait (a busy page, memory, a pager) lets go of
 * everything, waits, and starts again at the lookup.
 *
 * Rejected: taking the object's lock shared for case 1.  The critical section is shorter than the
 * bookkeeping of a second path; the long part of it, clearing a page, is done outside when somebody else
 * has the lock (fault_await_object).
 */
#include "kernel/base/compiler.h"
#include "kernel/base/panic.h"
#include "kernel/base/sched.h"
#include "vm/pmap.h"
#include "vm/vm_device.h"
#include "vm/vm_fault.h"
#include "vm/vm_map.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_pager.h"

/* How often a fault waits for memory before it gives up; one wait is a tenth of a second. */
#define MEMORY_WAITS 20

/* An attempt's result, besides KERN_*: a page must be brought in first.  This one and those from
 * KERN_RESTART on say that everything has been let go. */
#define FAULT_PAGE_IN (KERN_ABORTED + 1)

/* What a fault has been told and what it has learnt so far. */
struct fault {
	struct vm_lookup l;    /* the address, the access; the entry, its top object, the rights */
	vm_map_t top_map;      /* the map asked about; l.map is the one that holds the entry */
	int flags;	       /* VM_FAULT_*; NOGROW, too, when a stack was grown for it */
	uint8_t waits;	       /* for memory, so far */
	struct vm_page **hold; /* where to return a held page, or NULL */
	struct vm_page *spare; /* of zeroes, made while the top object was another's; or NULL */

	struct vm_object
	    *asked; /* with FAULT_PAGE_IN: its pager has the page; a reference is ours */
	vm_pindex_t asked_pindex;
};

static void
fault_unlock(struct fault *f)
{
	vm_map_lookup_done(f->l.map, f->l.entry);
}

/* ---- entering the page ---- */

/* enter_flags: how what was found is entered: PMAP_ENTER_*. */
static inline int
enter_flags(const struct fault *f)
{
	int how = 0;

	if (f->l.wired)
		how |= PMAP_ENTER_WIRED;
	/* Then the rights have it, too: the lookup grants what was asked for. */
	if (f->l.fault_type & VM_PROT_WRITE)
		how |= PMAP_ENTER_WRITE;
	return how;
}

/* fault_enter: map m, whose object is write-locked, with the rights found. */
static kern_return_t
fault_enter(struct fault *f, struct vm_page *m, vm_prot_t prot)
{
	kern_return_t kr;

	ASSERT(m->flags & VM_PAGE_VALID, "page %p at %#lx is not valid", (void *)m, f->l.vaddr);
	kr = pmap_enter(f->l.map->pmap, f->l.vaddr, m, prot, enter_flags(f));
	if (kr != KERN_SUCCESS)
		return kr;
	if (f->flags & VM_FAULT_WIRE)
		vm_page_wire(m);
	if (f->hold != NULL) {
		vm_page_hold(m);
		*f->hold = m;
	}
	return KERN_SUCCESS;
}

/*
 * ---- the four cases ----
 *
 * The top object is write-locked, and fault_resolve unlocks it; but with KERN_RESTART and what is above
 * everything was let go of.
 */

/* fault_use_spare: the page of zeroes that is at hand becomes the one of the top object; NULL: no memory
 * for that. */
static SLOWPATH struct vm_page *
fault_use_spare(struct fault *f)
{
	struct vm_page *m = f->spare;

	if (vm_page_insert(m, f->l.object, f->l.pindex) != KERN_SUCCESS)
		return NULL;
	m->flags = VM_PAGE_VALID;
	f->spare = NULL;
	return m;
}

/* fault_zero_fill: case 2.  The object stays locked until the page is mapped, so nobody can find it
 * unfinished and it need not be busy. */
static kern_return_t
fault_zero_fill(struct fault *f)
{
	struct vm_page *m;

	if (__builtin_expect(f->spare != NULL, 0))
		m = fault_use_spare(f);
	else
		m = vm_page_alloc(f->l.object, f->l.pindex, VM_ALLOC_ZERO | VM_ALLOC_NOBUSY);
	return m == NULL ? KERN_RESOURCE_SHORTAGE : fault_enter(f, m, f->l.prot);
}

/* fault_copy_up: case 4; m's object is locked. */
static kern_return_t
fault_copy_up(struct fault *f, struct vm_page *m)
{
	struct vm_page *copy = vm_page_alloc(f->l.object, f->l.pindex, VM_ALLOC_NOBUSY);

	if (copy == NULL)
		return KERN_RESOURCE_SHORTAGE;
	pmap_copy_page(m, copy);
	copy->flags |= VM_PAGE_VALID;
	/* Others that share the top object may have the old page mapped: it is shadowed now.  Who has
	 * it wired has it in his own top object, which is another: his mapping stays. */
	if (f->l.object->ref_count > 1)
		pmap_remove_unwired(m);
	return fault_enter(f, copy, f->l.prot);
}

/*
 * fault_wants_copy: must a page of a backing object be copied up?  A wired page always is, even if it
 * is only read: a page behind the top object changes hands when a sharer of it writes.
 */
static bool
fault_wants_copy(const struct fault *f)
{
	return (f->l.fault_type & (VM_PROT_WRITE | VM_PROT_COPY)) || f->l.wired;
}

/*
 * fault_find_below: the page behind the top object; NULL: no object of the chain has it.  *last is the
 * object that has it, or the last one that was asked, write-locked; *pindex the place in it.
 */
static struct vm_page *
fault_find_below(struct fault *f, struct vm_object **last, vm_pindex_t *pindex)
{
	struct vm_object *object = f->l.object, *below;
	vm_pindex_t i = f->l.pindex;
	struct vm_page *m = NULL;
	bool inside = true;

	while (m == NULL && inside && (below = object->backing) != NULL) {
		rwlock_write(&below->lock);
		i += atop(object->backing_offset);
		if (object != f->l.object)
			rwlock_write_unlock(&object->lock);
		object = below;
		inside = i < object->size;
		if (inside)
			m = vm_radix_lookup(&object->pages, i);
	}
	*last = object;
	*pindex = i;
	return m;
}

/*
 * fault_page_busy: m, found by this fault, is being filled.  Lets go of everything, as its result says,
 * and waits.
 */
static SLOWPATH kern_return_t
fault_page_busy(struct fault *f, struct vm_page *m)
{
	if (m->object != f->l.object)
		rwlock_write_unlock(&f->l.object->lock);
	fault_unlock(f);
	return vm_page_sleep(m, "vmpbusy") == KERN_SUCCESS ? KERN_RESTART : KERN_ABORTED;
}

/* fault_enter_device: the top object, write-locked, is a device: map its frame.  There is no page to be
 * held, so nobody reaches a device through the space of another. */
static SLOWPATH kern_return_t
fault_enter_device(struct fault *f, struct vm_object *object, vm_pindex_t pindex)
{
	ASSERT(object == f->l.object, "device object %p is shadowed by %p", (void *)object,
	       (void *)f->l.object);
	if (f->hold != NULL)
		return KERN_PROTECTION_FAILURE;
	return vm_device_enter(object, pindex, f->l.map->pmap, f->l.vaddr, f->l.prot,
			       enter_flags(f));
}

/* fault_ask: the pager of `object`, write-locked, has the page.  Lets go of everything, as its result
 * says; the reference is for fault_page_in(). */
static SLOWPATH kern_return_t
fault_ask(struct fault *f, struct vm_object *object, vm_pindex_t pindex)
{
	f->asked = object;
	f->asked_pindex = pindex;
	vm_object_reference_locked(object);
	if (object != f->l.object)
		rwlock_write_unlock(&object->lock);
	rwlock_write_unlock(&f->l.object->lock);
	fault_unlock(f);
	return FAULT_PAGE_IN;
}

/*
 * fault_absent: no object of the chain has the page.  `object`, the last one, says what that means; it
 * is write-locked, and unlocked unless it is the top object.
 */
static __attribute__((noinline)) kern_return_t
fault_absent(struct fault *f, struct vm_object *object, vm_pindex_t pindex)
{
	uint32_t traits = object->traits;
	bool inside = pindex < object->size;

	if (traits & VM_PAGER_FRAMES)
		return fault_enter_device(f, object, pindex);
	if (inside && vm_pager_has_page(object, pindex))
		return fault_ask(f, object, pindex);
	if (object != f->l.object)
		rwlock_write_unlock(&object->lock);
	if (traits & VM_PAGER_NO_FAULT)
		return KERN_INVALID_ADDRESS;
	return inside && (traits & VM_PAGER_ANONYMOUS) ? fault_zero_fill(f) : KERN_OUT_OF_BOUNDS;
}

/* fault_below: cases 2, 3 and 4. */
static __attribute__((noinline)) kern_return_t
fault_below(struct fault *f)
{
	struct vm_object *owner;
	vm_pindex_t pindex;
	struct vm_page *m = fault_find_below(f, &owner, &pindex);
	kern_return_t kr;

	if (m == NULL)
		return fault_absent(f, owner, pindex);
	if (m->flags & VM_PAGE_BUSY)
		return fault_page_busy(f, m);
	if (!fault_wants_copy(f)) {
		kr = fault_enter(f, m, f->l.prot & ~VM_PROT_WRITE);
		rwlock_write_unlock(&owner->lock);
		return kr;
	}
	kr = fault_copy_up(f, m);
	rwlock_write_unlock(&owner->lock);
	/* A copy made is the moment at which a chain may have become too long. */
	if (kr == KERN_SUCCESS)
		vm_object_collapse(f->l.object);
	return kr;
}

/* fault_page: find or make the page and map it. */
static kern_return_t
fault_page(struct fault *f)
{
	struct vm_object *object = f->l.object;
	struct vm_page *m = vm_radix_lookup(&object->pages, f->l.pindex);

	if (m != NULL && (m->flags & VM_PAGE_BUSY))
		return fault_page_busy(f, m);
	if (m != NULL)
		return fault_enter(f, m, f->l.prot);
	if (f->l.pindex >= object->size)
		return KERN_OUT_OF_BOUNDS;
	if (object->backing != NULL)
		return fault_below(f);
	if (object->traits & VM_PAGER_ANONYMOUS)
		return fault_zero_fill(f);
	return fault_absent(f, object, f->l.pindex);
}

/*
 * fault_await_object: another processor has the top object, likely for a fault like this one.  Where a
 * page of zeroes may be needed it is made meanwhile: clearing it is most of the work, and done outside
 * of the lock it is done by both at once.
 */
static SLOWPATH void
fault_await_object(struct fault *f, struct vm_object *object)
{
	if (f->spare == NULL && (object->traits & VM_PAGER_ANONYMOUS))
		f->spare = vm_page_alloc_noobj(VM_ALLOC_ZERO);
	rwlock_write(&object->lock);
}

/* fault_resolve: the second half of a fault.  Map read-locked on entry, unlocked on return. */
static inline kern_return_t
fault_resolve(struct fault *f)
{
	struct vm_object *object = f->l.object;
	kern_return_t kr;

	if (!rwlock_trywrite(&object->lock))
		fault_await_object(f, object);
	kr = fault_page(f);
	if (__builtin_expect(kr >= KERN_RESTART, 0))
		return kr;
	rwlock_write_unlock(&object->lock);
	fault_unlock(f);
	return kr;
}

/* ---- lookup ---- */

/* fault_wire_grown: a stack grew and the map wants its future wired: wire the new part. */
static kern_return_t
fault_wire_grown(struct fault *f)
{
	vm_offset_t start = 0, end = 0;
	vm_map_entry_t e;

	vm_map_lock_read(f->top_map);
	if ((f->top_map->flags & VM_MAP_WIREFUTURE) &&
	    vm_map_lookup_entry(f->top_map, f->l.vaddr, &e) && !(e->eflags & VM_ENTRY_GUARD)) {
		start = e->start;
		end = e->end;
	}
	vm_map_unlock_read(f->top_map);
	return vm_map_wire(f->top_map, start, end, VM_MAP_WIRE_USER | VM_MAP_WIRE_NOHOLES);
}

/* fault_grow: the address is not mapped: grow a stack of p, the map's owner, to it, if it is in a
 * stack's gap. */
static kern_return_t
fault_grow(struct fault *f, struct proc *p)
{
	if (vm_map_growstack(p, f->l.vaddr) != KERN_SUCCESS)
		return KERN_FAILURE;
	return fault_wire_grown(f);
}

/* fault_lookup: find entry, object and rights.  KERN_SUCCESS: the map is read-locked; otherwise nothing
 * is. */
static kern_return_t
fault_lookup(struct fault *f)
{
	kern_return_t kr;

	f->l.map = f->top_map;
	kr = vm_map_lookup_fault(&f->l);
	if (kr == KERN_SUCCESS && f->l.object == NULL)
		panic("fault at %#lx in a no-fault entry %#lx-%#lx", f->l.vaddr, f->l.entry->start,
		      f->l.entry->end);
	return kr;
}

/* fault_once: one attempt; KERN_RESTART: try again; KERN_RESOURCE_SHORTAGE: after a wait. */
static kern_return_t
fault_once(struct fault *f)
{
	kern_return_t kr = fault_lookup(f);

	return kr == KERN_SUCCESS ? fault_resolve(f) : kr;
}

/* fault_grower: whose stack may grow; NULL: none.  Only a space that belongs to a process has stacks,
 * and a debugger grows none.  Asked once: the owner may end meanwhile, in another's fault. */
static struct proc *
fault_grower(const struct fault *f)
{
	if (f->flags & (VM_FAULT_NOGROW | VM_FAULT_WIRE))
		return NULL;
	return __atomic_load_n(&f->top_map->owner, __ATOMIC_RELAXED);
}

/* fault_page_in: wait until the page that fault_ask() found to be its pager's is there. */
static SLOWPATH kern_return_t
fault_page_in(struct fault *f)
{
	kern_return_t kr = vm_pager_page_in(f->asked, f->asked_pindex);

	vm_object_deallocate(f->asked);
	return kr == KERN_SUCCESS ? KERN_RESTART : kr;
}

/* fault_again: an attempt ended with kr: prepare another one (KERN_RESTART), or give up. */
static SLOWPATH kern_return_t
fault_again(struct fault *f, kern_return_t kr)
{
	struct proc *p;

	if (kr == FAULT_PAGE_IN)
		kr = fault_page_in(f);
	if (kr == KERN_INVALID_ADDRESS && (p = fault_grower(f)) != NULL) {
		/* Once: growstack says success where it had nothing to do, too. */
		f->flags |= VM_FAULT_NOGROW;
		kr = fault_grow(f, p);
		return kr == KERN_SUCCESS ? KERN_RESTART : kr;
	}
	if (kr == KERN_RESOURCE_SHORTAGE && f->waits++ < MEMORY_WAITS)
		return vm_page_wait("vmfpage") == KERN_SUCCESS ? KERN_RESTART : KERN_ABORTED;
	return kr;
}

kern_return_t
vm_fault_hold(vm_map_t map, vm_offset_t vaddr, vm_prot_t fault_type, int fault_flags,
	      struct vm_page **hold)
{
	struct fault f;
	kern_return_t kr;

	/* Not an initialiser: most of it is written by the lookup. */
	f.l.vaddr = trunc_page(vaddr);
	f.l.fault_type = fault_type;
	f.top_map = map;
	f.flags = fault_flags;
	f.hold = hold;
	f.spare = NULL;
	f.waits = 0;
	assert_may_fault("vm_fault");
	do {
		kr = fault_once(&f);
		if (kr != KERN_SUCCESS)
			kr = fault_again(&f, kr);
	} while (kr == KERN_RESTART);
	if (__builtin_expect(f.spare != NULL, 0))
		vm_page_free_zeroed(f.spare);
	return kr;
}

kern_return_t
vm_fault(vm_map_t map, vm_offset_t vaddr, vm_prot_t fault_type, int fault_flags)
{
	return vm_fault_hold(map, vaddr, fault_type, fault_flags, NULL);
}

void
vm_fault_release(struct vm_page *m, vm_prot_t fault_type)
{
	/* No page table knows of it, and it may have been written back since it was held. */
	if (fault_type & (VM_PROT_WRITE | VM_PROT_COPY))
		__atomic_fetch_or(&m->aflags, VM_PAGE_DIRTY, __ATOMIC_RELAXED);
	vm_page_release(m);
}
