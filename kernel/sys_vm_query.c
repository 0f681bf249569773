/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SYS_vm_query: one region of a space, as vmmap prints it.  SYS_vm_residency: the pages of a range.
 *
 * The entry is described under the map's read lock, its objects under theirs, shadow before backing;
 * the result is copied to the caller when all are released.
 */
#include <machine/copy.h>
#include <pagoda/abi.h>
#include <pagoda/errno.h>
#include "kernel/errors.h"
#include "kernel/memobj.h"
#include "kernel/proc.h"
#include "kernel/syscall.h"
#include "kernel/target.h"
#include "vm/pmap.h"
#include "vm/vm_object.h"
#include "vm/vmspace.h"

/* region_flags: entry flags in the words of the ABI. */
static uint32_t
region_flags(uint32_t eflags)
{
	static const struct {
		uint32_t entry, region;
	} table[] = {
	    {VM_ENTRY_COW, VM_REGION_COW},
	    {VM_ENTRY_NEEDS_COPY, VM_REGION_NEEDS_COPY},
	    {VM_ENTRY_GUARD, VM_REGION_GUARD},
	    {VM_ENTRY_STACK_GAP, VM_REGION_STACK_GAP},
	    {VM_ENTRY_GROWS_DOWN, VM_REGION_STACK},
	    {VM_ENTRY_USER_WIRED, VM_REGION_WIRED},
	    {VM_ENTRY_NOCOREDUMP, VM_REGION_NOCORE},
	    {VM_ENTRY_BEHAV_SEQUENTIAL, VM_REGION_SEQUENTIAL},
	    {VM_ENTRY_BEHAV_RANDOM, VM_REGION_RANDOM},
	    {VM_ENTRY_NOSYNC, VM_REGION_NOSYNC},
	};
	uint32_t flags = 0;

	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if ((eflags & table[i].entry) != 0)
			flags |= table[i].region;
	}
	return flags;
}

/* count_resident: pages mapped in the entry. */
static uint64_t
count_resident(struct pmap *pmap, const struct vm_map_entry *e)
{
	vm_offset_t va = e->start;
	uint64_t pages = 0;

	for (; pmap_next(pmap, va, e->end, &va); va += PAGE_SIZE)
		pages++;
	return pages;
}

/* describe_objects: the chain that starts at the entry's object. */
static void
describe_objects(struct vm_object *object, struct vm_region *r)
{
	struct vm_object *below;

	r->object = memobj_identity(object);
	rwlock_read(&object->lock);
	r->object_resident = object->resident;
	r->object_refs = object->ref_count;
	for (r->chain = 1; (below = object->backing) != NULL; r->chain++) {
		rwlock_read(&below->lock);
		rwlock_read_unlock(&object->lock);
		object = below;
	}
	rwlock_read_unlock(&object->lock);
}

/* describe_entry: map locked. */
static void
describe_entry(vm_map_t map, const struct vm_map_entry *e, struct vm_region *r)
{
	*r = (struct vm_region){
	    .start = e->start,
	    .end = e->end,
	    .flags = region_flags(e->eflags),
	    .wired = e->wired_count,
	    .prot = e->protection,
	    .max_prot = e->max_protection,
	    .inherit = e->inheritance,
	};
	if ((e->eflags & VM_ENTRY_GUARD) != 0)
		return;
	r->offset = e->offset;
	r->resident = count_resident(map->pmap, e);
	if (e->object != NULL)
		describe_objects(e->object, r);
}

int64_t
sys_vm_query(const struct trapframe *tf)
{
	uint64_t addr = ARG1(tf);
	vm_map_entry_t e;
	struct vm_region r;
	struct target t;
	int error = target_get(ARG0(tf), RIGHT_READ, &t);

	if (error != 0)
		return -error;
	vm_map_lock_read(t.map);
	if (!vm_map_lookup_entry(t.map, addr, &e))
		e = e->next;
	if (e == &t.map->header)
		error = ENOENT;
	else
		describe_entry(t.map, e, &r);
	vm_map_unlock_read(t.map);
	target_put(&t);
	if (error != 0)
		return -error;
	return copyout(&r, (void *)ARG2(tf), sizeof(r)) ? 0 : -EFAULT;
}

/* ---- Residency ---- */

_Static_assert(VM_RESIDENT == PAGE_RESIDENT && VM_RESIDENT_MAPPED == PAGE_MAPPED &&
		   VM_RESIDENT_MODIFIED == PAGE_MODIFIED && VM_RESIDENT_BEHIND == PAGE_BEHIND &&
		   VM_RESIDENT_WIRED == PAGE_WIRED,
	       "vm/ has the numbers of the ABI");

#define PIECE 512 /* pages that are asked about at once: bytes on the kernel stack */

/* all_mapped: is there neither a hole nor a guard?  So that what is refused has told nothing. */
static bool
all_mapped(vm_map_t map, uint64_t addr, uint64_t length)
{
	bool mapped;

	vm_map_lock_read(map);
	mapped = length == 0 || vm_map_check_protection(map, addr, addr + length, VM_PROT_NONE);
	vm_map_unlock_read(map);
	return mapped;
}

/* tell_pages: piece by piece, since the answer goes to memory that may have to be faulted in. */
static int
tell_pages(vm_map_t map, uint64_t addr, uint64_t length, uint8_t *out)
{
	uint8_t pages[PIECE];
	uint64_t done, now;
	kern_return_t kr;

	for (done = 0; done < length; done += now) {
		now = length - done < ptoa(PIECE) ? length - done : ptoa(PIECE);
		kr = vm_map_residency(map, addr + done, addr + done + now, pages);
		if (kr != KERN_SUCCESS)
			return errno_of(kr);
		if (curthread()->killed)
			return EINTR;
		if (!copyout(pages, out + atop(done), atop(now)))
			return EFAULT;
	}
	return 0;
}

int64_t
sys_vm_residency(const struct trapframe *tf)
{
	uint64_t addr = ARG1(tf), length = ARG2(tf);
	uint8_t *out = (uint8_t *)ARG3(tf);
	struct target t;
	int error;

	if (!target_range_ok(addr, length))
		return -EINVAL;
	if (!user_range_ok(out, atop(length)))
		return -EFAULT;
	error = target_get(ARG0(tf), RIGHT_READ, &t);
	if (error != 0)
		return -error;
	error = all_mapped(t.map, addr, length) ? tell_pages(t.map, addr, length, out) : ENOMEM;
	target_put(&t);
	return -error;
}
