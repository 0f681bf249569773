/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One vm_page for each physical frame.
 *
 *	free	in vm_phys: a buddy block, a per-CPU cache or the pool of zeroed pages
 *	noobj	owned by a kernel structure: a slab, a kernel stack, a page table (which says whose it is
 *		in the fields for the reverse map: arch/x86_64/pmap_private.h)
 *	object	resident in one vm_object at one index; found through the object's radix tree
 *
 * Busy pages: a page that is being filled or copied is `busy`; who finds one releases every lock,
 * waits with vm_page_sleep() and starts again.
 */
#ifndef VM_VM_PAGE_H
#define VM_VM_PAGE_H

#include "kernel/base/list.h"
#include "vm/vm_types.h"

struct pv_entry;
struct vm_object;

struct vm_page {
	union {
		struct list_link link; /* (f) free lists; (o) the owner's use otherwise */
		void *parent;	       /* (o) a page table: the entry that leads to it */
	};
	struct vm_object *object; /* (o) NULL if in none */
	vm_pindex_t pindex;	  /* (o) */
	struct pmap *pv_pmap;	  /* (v) first mapping: which pmap, NULL if unmapped */
	vm_offset_t pv_va;	  /* (v) first mapping: where */
	union {
		struct pv_entry *pv_more; /* (v) further mappings */
		void *table;		  /* (o) a page table: its entries */
	};
	uint16_t wire_count; /* (o) wirings; of a page-table page: entries in use */
	uint8_t flags;	     /* (o) VM_PAGE_* below */
	uint8_t aflags;	     /* (a) VM_PAGE_DIRTY, VM_PAGE_REFERENCED: moved here from PTEs */
	uint8_t order;	     /* (f) of the free block it heads */
	uint8_t state;	     /* (f) enum vm_page_state */
	uint16_t holds;	     /* (a) vm_page_hold()s; VM_PAGE_HOLDS_FREED: freed meanwhile */
}; /* (f) vm_phys  (o) the object's lock, or the owner if in none  (v) pv lock of the page
	   (a) atomic */

_Static_assert(sizeof(struct vm_page) == 64, "a vm_page is one cache line");

enum vm_page_state {
	VM_PAGE_STATE_UNKNOWN, /* never allocated since boot: the rest of the structure is not set */
	VM_PAGE_STATE_FREE,
	VM_PAGE_STATE_USED,
};

#define VM_PAGE_BUSY	  0x01 /* being filled or copied */
#define VM_PAGE_WANTED	  0x02 /* somebody sleeps until it is not busy */
#define VM_PAGE_VALID	  0x04 /* contents are good; an invalid page is never mapped */
#define VM_PAGE_UNMANAGED 0x08 /* kernel memory: mappings are not tracked */
#define VM_PAGE_FIXED	  0x10 /* not from the allocator (boot module): never freed to it */

#define VM_PAGE_DIRTY	   0x01
#define VM_PAGE_REFERENCED 0x02

/* Requests of the allocators. */
#define VM_ALLOC_ZERO	 0x1 /* contents must be zero */
#define VM_ALLOC_WIRED	 0x2 /* wire_count 1 */
#define VM_ALLOC_RESERVE 0x4 /* may use the last VM_PAGE_RESERVE frames: to free memory with */
#define VM_ALLOC_NOBUSY	 0x8 /* in an object: not busy; its lock is kept until it is filled */

/* vm_page_array[pfn]: the page of each frame below vm_page_max_pfn (holes included). */
extern struct vm_page *vm_page_array;
extern uint64_t vm_page_max_pfn;

static inline vm_paddr_t
vm_page_to_phys(const struct vm_page *m)
{
	return (vm_paddr_t)(m - vm_page_array) << PAGE_SHIFT;
}

static inline struct vm_page *
vm_page_from_phys(vm_paddr_t pa)
{
	return &vm_page_array[pa >> PAGE_SHIFT];
}

/*
 * vm_page_alloc_noobj: a frame in no object; NULL at once when there is none.  Never sleeps; any
 * lock below LOCK_RANK_PHYS may be held.
 */
struct vm_page *vm_page_alloc_noobj(int req);

/* vm_page_free_noobj: give back a frame that is in no object, unmapped; a wire count is dropped. */
void vm_page_free_noobj(struct vm_page *m);
/* vm_page_free_zeroed: likewise, of a frame that is all zero (a page table without entries). */
void vm_page_free_zeroed(struct vm_page *m);

/*
 * vm_page_alloc: a frame for object at pindex (absent there), inserted, busy, not valid unless
 * VM_ALLOC_ZERO was asked for.  NULL at once when there is no frame or no radix node.
 * Object write-locked.
 */
struct vm_page *vm_page_alloc(struct vm_object *object, vm_pindex_t pindex, int req);

/* vm_page_free: take m out of its object and free it.  Object write-locked; m unmapped, unwired;
 * busy or not. Wakes those who wait for it. */
void vm_page_free(struct vm_page *m);

/* vm_page_remove: take m out of its object without freeing it.  Object write-locked. */
void vm_page_remove(struct vm_page *m);

/* vm_page_insert: put m into object at pindex; KERN_RESOURCE_SHORTAGE without a radix node.
 * Object write-locked. */
kern_return_t vm_page_insert(struct vm_page *m, struct vm_object *object, vm_pindex_t pindex);

/* vm_page_rename: move m to another object without touching its mappings; both write-locked.
 * KERN_RESOURCE_SHORTAGE (nothing changed) without a radix node. */
kern_return_t vm_page_rename(struct vm_page *m, struct vm_object *object, vm_pindex_t pindex);

/* vm_page_drop: free m, whose place in the tree another page has taken.  Its object write-locked; m
 * unmapped, unwired. */
void vm_page_drop(struct vm_page *m);

/* vm_page_busy, vm_page_unbusy: object write-locked; unbusy wakes the waiters. */
void vm_page_busy(struct vm_page *m);
void vm_page_unbusy(struct vm_page *m);

/*
 * vm_page_sleep: m is busy: become a waiter, release m->object's lock (write), sleep until
 * it is not.  Returns KERN_SUCCESS, or KERN_ABORTED if the thread is killed.  No other lock held;
 * the object is unlocked on return and m may be gone: start again.
 */
kern_return_t vm_page_sleep(struct vm_page *m, const char *why);

/* vm_page_wire, vm_page_unwire: object write-locked. */
void vm_page_wire(struct vm_page *m);
void vm_page_unwire(struct vm_page *m);

/* vm_page_init: m is allocated now; sets the whole structure.  For the allocators. */
static inline void
vm_page_init(struct vm_page *m, int req)
{
	/* One by one: for a structure literal the compiler takes twice as many instructions. */
	m->link.next = m->link.prev = NULL;
	m->object = NULL;
	m->pindex = 0;
	/* Stale pointers to what was a page table are asked whose it is, by the processor's next fault. */
	__atomic_store_n(&m->pv_pmap, NULL, __ATOMIC_RELAXED);
	__atomic_store_n(&m->pv_va, 0, __ATOMIC_RELAXED);
	m->pv_more = NULL;
	m->wire_count = (req & VM_ALLOC_WIRED) != 0;
	m->flags = m->aflags = m->order = 0;
	m->state = VM_PAGE_STATE_USED;
	m->holds = 0;
}

/* vm_page_chain_next, vm_page_chain_push: free frames, one after the other, the last without a next
 * one. */
static inline struct vm_page *
vm_page_chain_next(const struct vm_page *m)
{
	return (struct vm_page *)m->link.next; /* the link is first in its page */
}

static inline void
vm_page_chain_push(struct vm_page **chain, struct vm_page *m)
{
	m->link.next = (struct list_link *)*chain;
	*chain = m;
}

/* vm_page_wake_waiters: frames were freed; wakes those in vm_page_wait().  For the allocators. */
void vm_page_wake_waiters(void);

/*
 * vm_page_hold: keep the frame from being used for anything else until vm_page_release(), whatever
 * becomes of its object; for access through the direct map.  Hold: object write-locked; release:
 * any lock below LOCK_RANK_PHYS may be held.
 */
#define VM_PAGE_HOLDS_FREED 0x8000
void vm_page_hold(struct vm_page *m);
void vm_page_release(struct vm_page *m);

/* vm_page_wait: sleep until frames were freed, or a short time; KERN_ABORTED if killed.
 * assert_may_fault(). */
kern_return_t vm_page_wait(const char *why);
/* vm_page_wait_surely: likewise, for what must not be given up, such as freeing: also a killed thread
 * waits, instead of spinning. */
void vm_page_wait_surely(const char *why);

/* Counts, for tests and vmmap. */
struct vm_page_counts {
	uint64_t total, free, zeroed, reserve;
};
void vm_page_get_counts(struct vm_page_counts *c);

/* vm_page_zero_idle: zero one frame into the pool, or, while memory is short, give back what this
 * processor has in store; true if there is more to do (sched_idle_hook). */
bool vm_page_zero_idle(void);

#endif
