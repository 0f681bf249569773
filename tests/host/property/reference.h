/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an address space must be, said in the simplest way: an array of pages.
 *
 * Each page knows what it is, its rights, its inheritance, its wirings and its cell (cell.h).  There
 * are no entries, objects or chains here, so this model and vm/ have little to be wrong about
 * together.  Nothing here calls vm/.
 *
 * What a call may answer is a set of codes: where a range has several faults any of them may be named.
 */
#ifndef PROPERTY_REFERENCE_H
#define PROPERTY_REFERENCE_H

#include "model/proc.h"
#include "property/cell.h"
#include "vm/vm_map.h"

#define REF_PAGES 160ul

/* The tunables of stacks, in pages; vm/ is told the same. */
#define REF_GUARD 2ul
#define REF_STEP  4ul

#define REF_UNLIMITED (SIZE_MAX / 2)

/* Objects that can be mapped; the last pages of an object's numbers may lie beyond its end. */
#define PROPERTY_OBJECTS      5
#define PROPERTY_OBJECT_PAGES 12

enum ref_kind {
	REF_FREE,
	REF_MEMORY,
	REF_GUARD_PAGE,
	REF_GAP,	 /* of a stack: rights and inheritance are those of what grows into it */
	REF_PLACEHOLDER, /* for a submap */
	REF_SUBMAP,
};

/* What a range was advised of. */
#define REF_NOCORE     0x1
#define REF_NOSYNC     0x2
#define REF_RANDOM     0x4
#define REF_SEQUENTIAL 0x8

struct ref_page {
	uint8_t kind;
	vm_prot_t prot, max;
	vm_inherit_t inherit;
	uint8_t advice; /* REF_NOCORE … */
	bool stack;	/* memory of a stack: what a gap below it grows from */
	bool user_wired;
	bool beyond;	   /* the end of the object: an access has nothing to show */
	bool shared;	   /* with others, now or once */
	bool device;	   /* a device's registers: never copied, never held */
	bool touched;	   /* a placeholder: something was done to it */
	uint8_t wirings;   /* by the system */
	unsigned number;   /* of the reservation whose gap this is; of the placeholder */
	struct cell *cell; /* memory only */
};

struct ref_space {
	struct ref_page page[REF_PAGES];
	size_t base;		   /* page number of the first one, for alignment */
	size_t limit[VM_LIMITS];   /* pages */
	size_t main_low, main_top; /* pages: the main stack's range */
	size_t main_size;	   /* pages */
	bool wxorx, wirefuture;
};

/* A range of pages. */
struct ref_range {
	size_t first, end;
};

/* Sets of codes. */
#define KR(code)	  (1u << (code))
#define KR_HAS(set, code) (((set) >> (code)) & 1)

void ref_init(struct ref_space *s, size_t base);

/* ref_is_free: is nothing of the range mapped?  ref_first_fit: the lowest place at or above *first, a
 * multiple of `align` pages as an address, with room for n pages; false if there is none. */
bool ref_is_free(const struct ref_space *s, struct ref_range r);
bool ref_first_fit(const struct ref_space *s, size_t n, size_t align, size_t *first);
/* ref_any: is a page of the range of this kind? */
bool ref_any(const struct ref_space *s, struct ref_range r, enum ref_kind kind);

/* Pages in memory, and wired by the user. */
size_t ref_size(const struct ref_space *s);
size_t ref_user_wired(const struct ref_space *s);

/*
 * What each call may answer.  For a stack and a growth, which ask for room, rights and limits
 * alike, there is one answer.
 */
unsigned ref_insert_result(const struct ref_space *s, struct ref_range r, vm_prot_t prot);
unsigned ref_stack_result(const struct ref_space *s, struct ref_range r, vm_prot_t prot);
unsigned ref_protect_result(const struct ref_space *s, struct ref_range r, vm_prot_t prot,
			    bool set_max);
unsigned ref_inherit_result(const struct ref_space *s, struct ref_range r, vm_inherit_t inherit);
unsigned ref_wire_result(const struct ref_space *s, struct ref_range r, int flags);
unsigned ref_unwire_result(const struct ref_space *s, struct ref_range r, int flags);
/* ref_pages_result: vm_map_discard, vm_map_residency, vm_map_sync: all of it must be there, nothing a
 * submap's, and, if asked for, nothing wired. */
unsigned ref_pages_result(const struct ref_space *s, struct ref_range r, bool wired_is_bad);
unsigned ref_advise_result(const struct ref_space *s, struct ref_range r, int advice);
bool ref_check_protection(const struct ref_space *s, struct ref_range r, vm_prot_t prot);
/* ref_submap_result: placeholders side by side may have become one. */
unsigned ref_submap_result(const struct ref_space *s, struct ref_range r);

/* What the calls do when they succeed.  ref_map: private zeroes. */
void ref_unmap(struct ref_space *s, struct ref_range r);
void ref_map(struct ref_space *s, struct ref_range r, vm_prot_t prot, vm_prot_t max,
	     uint8_t advice);
void ref_guard(struct ref_space *s, struct ref_range r);
void ref_place(struct ref_space *s, struct ref_range r, vm_prot_t prot);
void ref_submap(struct ref_space *s, struct ref_range r);
void ref_stack(struct ref_space *s, struct ref_range r, vm_prot_t prot, vm_prot_t max,
	       uint8_t advice);
void ref_protect(struct ref_space *s, struct ref_range r, vm_prot_t prot, bool set_max);
void ref_inherit(struct ref_space *s, struct ref_range r, vm_inherit_t inherit);
/* ref_advise: what stays with the range; nothing for advice about pages. */
void ref_advise(struct ref_space *s, struct ref_range r, int advice);
void ref_wire(struct ref_space *s, struct ref_range r, int flags);
void ref_unwire(struct ref_space *s, struct ref_range r, int flags);
/* ref_discard_page: a private page is zero from now on. */
void ref_discard_page(struct ref_page *page);
void ref_touch_range(struct ref_space *s, struct ref_range r);
void ref_fork(struct ref_space *parent, struct ref_space *child);
/* ref_fork_failed: nothing has changed, but that memory may count as shared. */
void ref_fork_failed(struct ref_space *parent);

/* ref_grow: vm_map_growstack to a page: its answer; *grown gets the range that was added. */
kern_return_t ref_grow(struct ref_space *s, size_t page, struct ref_range *grown);

/* ref_access: how an access of a program to a page that needs no growth may end: a set of enum
 * model_signal, as bits.  VM_PROT_COPY: a debugger's store; without the right to it only what is copied on
 * write may be stored into: is_copy says that. */
#define SIGNAL(s) (1u << (s))
unsigned ref_access(const struct ref_page *page, vm_prot_t type, bool is_copy);

#endif
