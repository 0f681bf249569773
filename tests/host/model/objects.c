/* SPDX-License-Identifier: BSD-2-Clause */
/* Objects and their chains, made and looked at by hand. */
#include <string.h>
#include "model/harness.h"
#include "model/objects.h"
#include "model/space.h"
#include "vm/pmap.h"
#include "vm/vm_page.h"

void
object_put_page(struct vm_object *object, vm_pindex_t pindex, uint8_t value)
{
	struct vm_page *m;

	rwlock_write(&object->lock);
	m = vm_page_alloc(object, pindex, 0);
	assert_non_null(m);
	memset(pmap_page_address(m), value, PAGE_SIZE);
	m->flags |= VM_PAGE_VALID;
	vm_page_unbusy(m);
	rwlock_write_unlock(&object->lock);
}

void
object_remove_pages(struct vm_object *object, vm_pindex_t first, vm_pindex_t end)
{
	rwlock_write(&object->lock);
	vm_object_page_remove(object, first, end);
	rwlock_write_unlock(&object->lock);
}

struct vm_object *
object_over(struct vm_object *backing, vm_pindex_t first, size_t pages)
{
	struct vm_object *object = backing;
	vm_ooffset_t offset = ptoa(first);

	vm_object_reference(backing);
	check_kr(KERN_SUCCESS, vm_object_shadow(&object, &offset, ptoa(pages)));
	assert_ptr_not_equal(object, backing);
	check_u64(0, offset);
	return object;
}

void
object_collapse(struct vm_object *object)
{
	rwlock_write(&object->lock);
	vm_object_collapse(object);
	rwlock_write_unlock(&object->lock);
}

void
object_check_page(struct vm_object *object, vm_pindex_t pindex, uint8_t value, const char *file,
		  int line)
{
	if (!space_object_resident(object, pindex)) {
		print_error("page %#zx is not in the object\n", (size_t)pindex);
		_fail(file, line);
	}
	host_check_u64(value, space_object_byte(object, pindex), "contents of a page", file, line);
}
