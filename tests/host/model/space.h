/* SPDX-License-Identifier: BSD-2-Clause */
/* Ranges of a map, made and looked at in few words. */
#ifndef MODEL_SPACE_H
#define MODEL_SPACE_H

#include <stdbool.h>
#include "vm/vm_map.h"

struct proc;
struct vm_object;
struct vm_page;
struct vm_pager_ops;

/* space_insert: vm_map_insert under the map's lock.  space_map: anonymous memory at start, which
 * must succeed. */
kern_return_t space_insert(vm_map_t map, struct vm_object *object, vm_ooffset_t offset,
			   vm_offset_t start, vm_offset_t end, vm_prot_t prot, vm_prot_t max,
			   int cow);
void space_map(vm_map_t map, vm_offset_t start, vm_size_t size, vm_prot_t prot, vm_prot_t max,
	       int cow);
/* space_map_object: map all of object at start, with a reference of its own; must succeed. */
void space_map_object(vm_map_t map, struct vm_object *object, vm_offset_t start, vm_prot_t prot,
		      vm_prot_t max, int cow);

/* space_move: vm_map_move, which must succeed; where the range is now.  Lengths in pages. */
vm_offset_t space_move(struct proc *p, vm_offset_t start, size_t old, size_t new, vm_offset_t to,
		       int flags);

/* space_entry: the entry that contains va, NULL if none does.  Takes the lock. */
vm_map_entry_t space_entry(vm_map_t map, vm_offset_t va);

/* space_chain: how many objects stand one behind the other at va; 0: none yet. */
unsigned space_chain(vm_map_t map, vm_offset_t va);

/* space_mapped: the page that the page tables have at va; NULL: none. */
struct vm_page *space_mapped(vm_map_t map, vm_offset_t va);

/* check_entry: exactly [start, end) is one entry with these rights.  check_rights: all of
 * [start, end), by any number of entries, has them.  check_hole: nothing of it is mapped. */
#define check_entry(map, start, end, prot, max) \
	space_check_entry((map), (start), (end), (prot), (max), __FILE__, __LINE__)
#define check_rights(map, start, end, prot, max) \
	space_check_rights((map), (start), (end), (prot), (max), __FILE__, __LINE__)
#define check_hole(map, start, end) space_check_hole((map), (start), (end), __FILE__, __LINE__)
void space_check_entry(vm_map_t map, vm_offset_t start, vm_offset_t end, vm_prot_t prot,
		       vm_prot_t max, const char *file, int line);
void space_check_rights(vm_map_t map, vm_offset_t start, vm_offset_t end, vm_prot_t prot,
			vm_prot_t max, const char *file, int line);
void space_check_hole(vm_map_t map, vm_offset_t start, vm_offset_t end, const char *file, int line);

/* space_fill: the program of p stores first, first + 1, … into `pages` pages from start on.
 * check_fill: it loads these values. */
void space_fill(struct proc *p, vm_offset_t start, size_t pages, uint8_t first);
#define check_fill(p, start, pages, first) \
	space_check_fill((p), (start), (pages), (first), __FILE__, __LINE__)
void space_check_fill(struct proc *p, vm_offset_t start, size_t pages, uint8_t first,
		      const char *file, int line);
/* check_zero: it loads zeroes from `pages` pages. */
#define check_zero(p, start, pages) space_check_zero((p), (start), (pages), __FILE__, __LINE__)
void space_check_zero(struct proc *p, vm_offset_t start, size_t pages, const char *file, int line);

/* space_object: an anonymous object as a handle names it, one reference, of `pages` pages that are
 * resident and full of first, first + 1, …  space_object_byte: what a byte of a resident page is. */
struct vm_object *space_object(size_t pages, uint8_t first);
uint8_t space_object_byte(struct vm_object *object, vm_pindex_t pindex);
/* space_object_becomes: an object just made is one of this pager. */
void space_object_becomes(struct vm_object *object, const struct vm_pager_ops *pager);
/* space_object_resident: is the page there? */
bool space_object_resident(struct vm_object *object, vm_pindex_t pindex);

/* space_object_stall: a page of object (absent so far) is being filled: who needs it sleeps.
 * space_object_go_on: it is zero and ready. */
void space_object_stall(struct vm_object *object, vm_pindex_t pindex);
void space_object_go_on(struct vm_object *object, vm_pindex_t pindex);

/* space_system_map: a map like kernel_map of `pages` pages, somewhere in kernel_map's range.
 * space_system_map_free: it must be empty. */
vm_map_t space_system_map(size_t pages);
void space_system_map_free(vm_map_t map);

#endif
