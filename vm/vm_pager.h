/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pagers: where the pages of an object come from, and where changed ones go.
 *
 * Each kind of object is a table of operations; what is common to all is in vm_pager.c.  An operation
 * that is NULL does not exist for this kind.
 *
 *	table			a page that is absent is	changed pages go
 *	vm_pager_anonymous	zeroes				nowhere
 *	vm_pager_boot		an error			nowhere
 *	vm_pager_device		a frame without a vm_page	to the device at once
 *	one with `get`		asked for			to `put`
 *	vm_pager_kernel, vm_pager_submap: not faulted at all
 */
#ifndef VM_VM_PAGER_H
#define VM_VM_PAGER_H

#include "vm/pmap.h"
#include "vm/vm_types.h"

struct vm_object;
struct vm_page;

/* What a pager says of a page. */
enum vm_pager_result {
	VM_PAGER_OK,	  /* the page is good; the contents were taken */
	VM_PAGER_FAIL,	  /* it has no such page: it reads as zeroes */
	VM_PAGER_BAD,	  /* the page is out of its range */
	VM_PAGER_ERROR,	  /* it could not: input or output failed, it is too slow, it is dead */
	VM_PAGER_ABORTED, /* the calling thread was killed while it waited */
};

/* Traits: what the rest of vm/ has to know of a kind.  Each object has a copy of its table's. */
#define VM_PAGER_ANONYMOUS \
	0x1		   /* pages begin as zeroes and are the object's alone: it is charged for
				* them, may be shadow, be collapsed, bypassed, extended */
#define VM_PAGER_PAGED 0x2 /* absent pages are asked for (get, has_page) */
#define VM_PAGER_FRAMES \
	0x4 /* frames without a vm_page: never resident, never copied, so it is only
				* mapped shared, and in no core dump */
#define VM_PAGER_NO_FAULT 0x8 /* nothing is found by a fault: KERN_INVALID_ADDRESS */

struct vm_pager_ops {
	const char *name;
	uint32_t traits; /* VM_PAGER_* */

	/* has_page: is there a page, as far as is known without waiting?  If not, get is not asked.
	 * Object write-locked; never sleeps. */
	bool (*has_page)(struct vm_object *object, vm_pindex_t pindex);

	/*
	 * get: fill m, which is busy, not valid and mapped nowhere; its place is m->pindex.  Once it
	 * has returned it does not touch m any more.
	 * put: take the contents of m, which is busy and write-protected everywhere.
	 *
	 * No lock held, and the object stays for the call.  May sleep, but must return
	 * VM_PAGER_ABORTED when the calling thread is killed (SLEEPQ_KILLABLE).
	 */
	enum vm_pager_result (*get)(struct vm_object *object, struct vm_page *m);
	enum vm_pager_result (*put)(struct vm_object *object, struct vm_page *m);

	/* terminate: the object is gone but for its storage; nobody refers to it.  No lock held; may
	 * sleep. */
	void (*terminate)(struct vm_object *object);
};

extern const struct vm_pager_ops vm_pager_anonymous; /* memory of programs */
extern const struct vm_pager_ops vm_pager_kernel;    /* kernel_object: wired, indexed by address */
extern const struct vm_pager_ops vm_pager_boot;	     /* the pages of a boot module */
extern const struct vm_pager_ops vm_pager_submap;    /* the placeholder vm_submap_object */
extern const struct vm_pager_ops vm_pager_device;    /* vm_device.c */

/* vm_pager_has_page: would get be asked for the page?  Object write-locked. */
bool vm_pager_has_page(struct vm_object *object, vm_pindex_t pindex);

/*
 * vm_pager_page_in: have the page brought in, if it is still absent.
 *
 * Locks:   none held; the caller has a reference on the object.  Sleeps as long as the pager does
 * Returns: KERN_SUCCESS             look again: it is there, or the question has changed
 *          KERN_OUT_OF_BOUNDS       the pager does not have it, failed, or is dead
 *          KERN_RESOURCE_SHORTAGE   no frame
 *          KERN_ABORTED             the thread was killed meanwhile
 *          On failure the page is absent, and who waited for it asks for himself.
 * Source:  contracts 1.11 and 1.13; FLT-06, FLT-07, FLT-11
 */
kern_return_t vm_pager_page_in(struct vm_object *object, vm_pindex_t pindex);

/*
 * vm_pager_put_page: write m back if it has changed since it was last.
 *
 * Locks:   the object write-locked, and so again on return, but unlocked meanwhile; the caller has a
 *          reference on it.  m is valid and not busy, and so again on return: nobody frees it
 *          meanwhile, as it is busy then
 * Returns: KERN_SUCCESS   it was written, was clean, or this kind of object keeps nothing elsewhere
 *          KERN_FAILURE   the pager failed: the page is as dirty as it was
 *          KERN_ABORTED   the thread was killed meanwhile; likewise
 * Source:  contracts 1.13, SYN-01
 */
kern_return_t vm_pager_put_page(struct vm_object *object, struct vm_page *m);

/* vm_pager_clean: write every changed page back once, before the object goes; what fails is lost.
 * Object write-locked, and so again on return, but unlocked meanwhile; the one reference is the
 * caller's. */
void vm_pager_clean(struct vm_object *object);

#endif
