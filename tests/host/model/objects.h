/* SPDX-License-Identifier: BSD-2-Clause */
/* Objects and their chains, made and looked at by hand, without a map. */
#ifndef MODEL_OBJECTS_H
#define MODEL_OBJECTS_H

#include "vm/vm_object.h"

/* object_put_page: object gets a page of its own, full of value.  object_remove_pages: it loses the
 * pages [first, end). */
void object_put_page(struct vm_object *object, vm_pindex_t pindex, uint8_t value);
void object_remove_pages(struct vm_object *object, vm_pindex_t first, vm_pindex_t end);

/* object_over: a shadow of `pages` pages over backing, from its page `first` on; backing keeps the
 * caller's reference. */
struct vm_object *object_over(struct vm_object *backing, vm_pindex_t first, size_t pages);

/* object_collapse: vm_object_collapse, with the lock. */
void object_collapse(struct vm_object *object);

/* check_page: the page is in the object itself and full of value. */
#define check_page(object, pindex, value) \
	object_check_page((object), (pindex), (value), __FILE__, __LINE__)
void object_check_page(struct vm_object *object, vm_pindex_t pindex, uint8_t value,
		       const char *file, int line);

#endif
