/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an address space must be, said in the simplest way: an array of pages.
 *
 * Each page knows what it is, its rights, its inheritance, whether it is wired, and its cell: a
 * byte of memory.  Pages that show the same memory have the same cell.  There are no entries,
 * objects or chains here, so this model and vm/ have little to be wrong about together.
 */
#ifndef MODEL_REFERENCE_H
#define MODEL_REFERENCE_H

#include "model/proc.h"
#include "vm/vm_map.h"

#define REF_BASE  0x200000ul
#define REF_PAGES 160ul
#define REF_BYTE  17 /* of each page: the one that is the cell */

/* The tunables of stacks, in pages, that a test sets for vm/, too. */
#define REF_GUARD 2ul
#define REF_STEP  4ul

enum ref_kind {
	REF_FREE,
	REF_MEMORY,
	REF_GUARD_PAGE,
	REF_GAP, /* of a stack: rights and inheritance are those of what grows into it */
};

struct ref_page {
	enum ref_kind kind;
	vm_prot_t prot, max;
	vm_inherit_t inherit;
	bool stack;    /* memory of a stack: what a gap below it grows from */
	bool wired;    /* by the user */
	bool shared;   /* with others: it must stay so, see ref_inherit */
	unsigned gap;  /* number of the reservation whose gap this is */
	uint8_t *cell; /* memory only */
};

struct ref_space {
	struct ref_page page[REF_PAGES];
};

/* A range of pages. */
struct ref_range {
	size_t first, end;
};

static inline vm_offset_t
ref_address(size_t page)
{
	return REF_BASE + ptoa(page);
}

/* ref_cell: a new byte of memory.  Cells are never freed: a test is a process of its own. */
uint8_t *ref_cell(uint8_t value);

/* ref_is_free: is nothing of the range mapped?  ref_first_fit: the lowest place at or above *first
 * for n pages; false if there is none. */
bool ref_is_free(const struct ref_space *s, struct ref_range r);
bool ref_first_fit(const struct ref_space *s, size_t n, size_t *first);

/* What the calls of vm/ do when they succeed.  ref_map: private zeroes. */
void ref_unmap(struct ref_space *s, struct ref_range r);
void ref_map(struct ref_space *s, struct ref_range r, vm_prot_t prot, vm_prot_t max);
void ref_guard(struct ref_space *s, struct ref_range r);
void ref_protect(struct ref_space *s, struct ref_range r, vm_prot_t prot, bool set_max);
void ref_inherit(struct ref_space *s, struct ref_range r, vm_inherit_t inherit);
void ref_wire(struct ref_space *s, struct ref_range r);
void ref_unwire(struct ref_space *s, struct ref_range r);
void ref_fork(struct ref_space *parent, struct ref_space *child);

/* ref_protect_result: KERN_INVALID_ADDRESS also where another error may be named with it. */
kern_return_t ref_protect_result(const struct ref_space *s, struct ref_range r, vm_prot_t prot);

/* ref_stack: vm_map_stack.  On KERN_SUCCESS the pages are there. */
kern_return_t ref_stack(struct ref_space *s, struct ref_range r, vm_prot_t prot, vm_prot_t max);

/* ref_touch: an access to a page: stacks grow.  Returns how it ends. */
enum model_signal ref_touch(struct ref_space *s, size_t page, vm_prot_t type);

/* ref_check: size, account of wired memory, rights and wirings of map are what s says. */
void ref_check(const struct ref_space *s, vm_map_t map);

#endif
