/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory objects: what an address range contains, page by page.
 *
 * An anonymous object holds pages that began as zeroes.  Copy-on-write is Mach's: an object may
 * shadow a backing object; a page it lacks is looked for there, and a write copies it up.
 *
 *	entry ---> object 3 ---> object 1 ---> (zero)		reads of a page: the first object of
 *	           [..p.]         [pq..]			the chain that has it
 *	entry ---> object 2 ------^
 *
 * Who can see an object's pages: each reference is an entry's, a handle's or a shadow's.  Nothing
 * outside of [first, size) can be seen by any of them.  Private memory, which one mapping and its
 * cut parts show, is ONEMAPPING: what is unmapped is freed.  That ends when a fork or a shadow gives
 * somebody else a view, and begins again when only one reference is left.
 *
 * Invariants: a shadowed page (present further up in every chain through it) is never mapped; an
 * object's pages have pindex < size; ref_count counts entries, handles and shadows.
 */
#ifndef VM_VM_OBJECT_H
#define VM_VM_OBJECT_H

#include "kernel/base/list.h"
#include "kernel/base/rwlock.h"
#include "vm/vm_pager.h"
#include "vm/vm_radix.h"
#include "vm/vm_types.h"

struct vm_page;

struct vm_object {
	struct rwlock lock;
	struct vm_radix pages;	   /* (o) resident pages by index */
	uint64_t resident;	   /* (o) how many */
	vm_pindex_t first, size;   /* (o) pages below first are never shown, nor any from size on */
	uint32_t ref_count;	   /* (o) */
	uint32_t shadow_count;	   /* (o) objects that shadow this one */
	uint32_t paging;	   /* (o) operations under way that forbid collapse and teardown */
	uint32_t traits;	   /* (c) VM_PAGER_*: the pager's, here to be read at once */
	uint32_t flags;		   /* (o) VM_OBJECT_* below */
	struct vm_object *backing; /* (o) what this one shadows; the reference is counted there */
	vm_ooffset_t backing_offset;  /* (o) where in it our offset 0 lies, bytes */
	vm_pindex_t unshadowed;	      /* (o) a page of it that we lacked when last asked; a hint */
	struct list shadows;	      /* (o) objects that shadow this one */
	struct list_link shadow_link; /* (b) on backing->shadows */
	vm_size_t charge;	      /* (o) SHARED: bytes of commit that the object stands for */
	uint64_t identity; /* (c) of the memory: unique, but the parts of a split share it */
	const struct vm_pager_ops *pager; /* (c) where absent pages come from */
	union {				  /* (c) the pager's own */
		void *pager_data;
		struct {
			vm_paddr_t start;      /* of page 0 */
			enum pmap_cache cache; /* of every mapping */
		} device;		       /* vm_device.c */
	};
	struct list_link pager_link; /* on a list of the pager's, by its own lock */
#ifdef CONFIG_DEBUG
	struct list_link all; /* (d) list of all objects */
#endif
}; /* (o) lock, exclusively to change, shared to read  (b) the backing object's lock
	   (c) constant after creation
	   (d) the list's own lock */

/* Every reference comes from one mapping (and its clipped parts), so a page of a range that is
 * unmapped can be freed. */
#define VM_OBJECT_ONEMAPPING	0x1
/* Torn down: no new reference may be taken. */
#define VM_OBJECT_DEAD		0x2
/* Somebody sleeps until `paging` is 0. */
#define VM_OBJECT_PAGING_WANTED 0x4
/* Charged as a whole, and not through entries: `charge` bytes, as soon as somebody may write.  CHARGED:
 * that is so (vm_charge.h). */
#define VM_OBJECT_SHARED	0x8
#define VM_OBJECT_CHARGED	0x10
/* SHARED, and it was somebody's before it was mapped: it stays whole, whoever shows how much of it. */
#define VM_OBJECT_NAMED		0x40

/* ONEMAPPING, but a part of the mapping was moved: what lies behind a part in the object need not lie
 * behind it in the map, so that it may be shown elsewhere. */
#define VM_OBJECT_SCATTERED 0x20

extern struct vm_object vm_submap_object_store, kernel_object_store;
#define vm_submap_object (&vm_submap_object_store)
#define kernel_object	 (&kernel_object_store)

void vm_object_init(void); /* boot */

/* vm_object_allocate: an object of `size` pages with one reference, whose pages come from this pager;
 * NULL without memory.  Never sleeps; any VM lock may be held. */
struct vm_object *vm_object_allocate(const struct vm_pager_ops *pager, vm_pindex_t size);
/* vm_object_allocate_anon: likewise, anonymous and ONEMAPPING. */
struct vm_object *vm_object_allocate_anon(vm_pindex_t size);

/* vm_object_reference: one more; takes the lock.  NULL is ignored.  _locked: write-locked. */
void vm_object_reference(struct vm_object *object);
void vm_object_reference_locked(struct vm_object *object);

/* vm_object_deallocate: drop a reference; the last one frees pages, charge and the reference on the
 * backing object, iteratively.  May sleep for busy pages: no map or object lock held. */
void vm_object_deallocate(struct vm_object *object);

/*
 * vm_object_shadow: make a private copy-on-write view.  *object and *offset (bytes) are replaced by
 * a new object of `length` bytes that shadows them from offset 0 on; the caller's reference moves.
 * No-op for an anonymous object with one reference: nobody else can see it.
 * vm_object_shadow_at: likewise, but offsets stay what they are (stacks): the new object lies over the
 * old one offset for offset, and shows it from `offset` on.
 * KERN_RESOURCE_SHORTAGE: no memory, nothing changed.  No object lock held.
 */
kern_return_t vm_object_shadow(struct vm_object **object, vm_ooffset_t *offset, vm_size_t length);
kern_return_t vm_object_shadow_at(struct vm_object **object, vm_ooffset_t offset, vm_size_t length);

/*
 * vm_object_split: the caller's reference on *object, one of several that one mapping has on it
 * (ONEMAPPING), shows the pages [first, end): they move to an object of their own, at the same
 * offsets and over the same backing object, and *object becomes that.
 * KERN_RESOURCE_SHORTAGE: no memory, or a page is on its way; KERN_FAILURE: it has become the only
 * reference; nothing changed.  No object lock held.
 */
kern_return_t vm_object_split(struct vm_object **object, vm_pindex_t first, vm_pindex_t end);

/* vm_object_trim: nobody looks at pages outside of [first, end): they are freed, and what the backing
 * object has there will not be taken over.  Write-locked; none of them wired or busy. */
void vm_object_trim(struct vm_object *object, vm_pindex_t first, vm_pindex_t end);

/* vm_object_set_charge: the object, which its maker alone refers to, is SHARED and CHARGED with bytes
 * that the caller has got from vm_charge(). */
void vm_object_set_charge(struct vm_object *object, vm_size_t bytes);

/* vm_object_collapse: shorten the chain below object by collapse and bypass.  Object write-locked,
 * and still so on return. */
void vm_object_collapse(struct vm_object *object);

/*
 * vm_object_coalesce: may the range that ends at `offset + size` bytes of object be extended by
 * `more` bytes in the same object?  If so, stale pages there are freed, the object is sized, and
 * TRUE is returned.  A NULL object can always be extended.
 */
bool vm_object_coalesce(struct vm_object *object, vm_ooffset_t offset, vm_size_t size,
			vm_size_t more);

/* vm_object_page_remove: free the pages [start, end) (end 0: to the end), unmapping them first.
 * Wired pages are kept but zeroed.  Object write-locked; no busy page in the range. */
void vm_object_page_remove(struct vm_object *object, vm_pindex_t start, vm_pindex_t end);

/* vm_object_paging_begin, _end: forbid collapse and teardown meanwhile.  Object write-locked. */
void vm_object_paging_begin(struct vm_object *object);
void vm_object_paging_end(struct vm_object *object);

/* vm_object_count: objects alive, for leak tests. */
uint64_t vm_object_count(void);

#endif
