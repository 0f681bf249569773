/* SPDX-License-Identifier: BSD-2-Clause */
/* Ranges of a map, made and looked at. */
#include <string.h>
#include "model/harness.h"
#include "model/proc.h"
#include "model/space.h"
#include "vm/pmap.h"
#include "vm/vm_kern.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"

kern_return_t
space_insert(vm_map_t map, struct vm_object *object, vm_ooffset_t offset, vm_offset_t start,
	     vm_offset_t end, vm_prot_t prot, vm_prot_t max, int cow)
{
	kern_return_t kr;

	vm_map_lock(map);
	kr = vm_map_insert(map, object, offset, start, end, prot, max, cow);
	vm_map_unlock(map);
	return kr;
}

void
space_map(vm_map_t map, vm_offset_t start, vm_size_t size, vm_prot_t prot, vm_prot_t max, int cow)
{
	check_kr(KERN_SUCCESS, space_insert(map, NULL, 0, start, start + size, prot, max, cow));
}

void
space_map_object(vm_map_t map, struct vm_object *object, vm_offset_t start, vm_prot_t prot,
		 vm_prot_t max, int cow)
{
	vm_object_reference(object);
	check_kr(KERN_SUCCESS,
		 space_insert(map, object, 0, start, start + ptoa(object->size), prot, max, cow));
}

vm_offset_t
space_move(struct proc *p, vm_offset_t start, size_t old, size_t new, vm_offset_t to, int flags)
{
	vm_offset_t addr = to;

	check_kr(KERN_SUCCESS,
		 vm_map_move(model_proc_map(p), start, ptoa(old), ptoa(new), &addr, flags));
	return addr;
}

vm_map_entry_t
space_entry(vm_map_t map, vm_offset_t va)
{
	vm_map_entry_t e;
	boolean_t found;

	vm_map_lock_read(map);
	found = vm_map_lookup_entry(map, va, &e);
	vm_map_unlock_read(map);
	return found ? e : NULL;
}

unsigned
space_chain(vm_map_t map, vm_offset_t va)
{
	const struct vm_object *object;
	vm_map_entry_t e;
	unsigned n = 0;

	vm_map_lock_read(map);
	assert_true(vm_map_lookup_entry(map, va, &e));
	for (object = e->object; object != NULL; object = object->backing)
		n++;
	vm_map_unlock_read(map);
	return n;
}

struct vm_page *
space_mapped(vm_map_t map, vm_offset_t va)
{
	struct pmap_mapping m;

	return pmap_query(vm_map_pmap(map), va, &m) ? m.page : NULL;
}

void
space_check_entry(vm_map_t map, vm_offset_t start, vm_offset_t end, vm_prot_t prot, vm_prot_t max,
		  const char *file, int line)
{
	vm_map_entry_t e = space_entry(map, start);

	if (e == NULL) {
		print_error("nothing is mapped at %#lx\n", start);
		_fail(file, line);
	}
	host_check_u64(start, e->start, "start of the entry", file, line);
	host_check_u64(end, e->end, "end of the entry", file, line);
	host_check_u64(prot, e->protection, "protection", file, line);
	host_check_u64(max, e->max_protection, "max_protection", file, line);
}

void
space_check_rights(vm_map_t map, vm_offset_t start, vm_offset_t end, vm_prot_t prot, vm_prot_t max,
		   const char *file, int line)
{
	while (start < end) {
		vm_map_entry_t e = space_entry(map, start);

		if (e == NULL) {
			print_error("nothing is mapped at %#lx\n", start);
			_fail(file, line);
		}
		host_check_u64(prot, e->protection, "protection", file, line);
		host_check_u64(max, e->max_protection, "max_protection", file, line);
		start = e->end;
	}
}

void
space_check_hole(vm_map_t map, vm_offset_t start, vm_offset_t end, const char *file, int line)
{
	vm_map_entry_t e;
	bool hole;

	vm_map_lock_read(map);
	hole = !vm_map_lookup_entry(map, start, &e) &&
	       (e->next == &map->header || e->next->start >= end);
	vm_map_unlock_read(map);
	if (!hole) {
		print_error("something is mapped in %#lx-%#lx\n", start, end);
		_fail(file, line);
	}
}

void
space_fill(struct proc *p, vm_offset_t start, size_t pages, uint8_t first)
{
	for (size_t i = 0; i < pages; i++)
		model_user_store(p, start + ptoa(i), (uint8_t)(first + i));
}

void
space_check_fill(struct proc *p, vm_offset_t start, size_t pages, uint8_t first, const char *file,
		 int line)
{
	for (size_t i = 0; i < pages; i++)
		host_check_u64((uint8_t)(first + i), model_user_load(p, start + ptoa(i)),
			       "contents of a page", file, line);
}

void
space_check_zero(struct proc *p, vm_offset_t start, size_t pages, const char *file, int line)
{
	for (size_t i = 0; i < pages; i++)
		host_check_u64(0, model_user_load(p, start + ptoa(i)), "contents of a page", file,
			       line);
}

struct vm_object *
space_object(size_t pages, uint8_t first)
{
	struct vm_object *object = vm_object_allocate(&vm_pager_anonymous, pages);

	assert_non_null(object);
	rwlock_write(&object->lock);
	for (size_t i = 0; i < pages; i++) {
		struct vm_page *m = vm_page_alloc(object, i, 0);

		assert_non_null(m);
		memset(pmap_page_address(m), (uint8_t)(first + i), PAGE_SIZE);
		m->flags |= VM_PAGE_VALID;
		vm_page_unbusy(m);
	}
	rwlock_write_unlock(&object->lock);
	return object;
}

void
space_object_becomes(struct vm_object *object, const struct vm_pager_ops *pager)
{
	object->pager = pager;
	object->traits = pager->traits;
}

bool
space_object_resident(struct vm_object *object, vm_pindex_t pindex)
{
	bool resident;

	rwlock_read(&object->lock);
	resident = vm_radix_lookup(&object->pages, pindex) != NULL;
	rwlock_read_unlock(&object->lock);
	return resident;
}

uint8_t
space_object_byte(struct vm_object *object, vm_pindex_t pindex)
{
	struct vm_page *m;
	uint8_t byte;

	rwlock_read(&object->lock);
	m = vm_radix_lookup(&object->pages, pindex);
	assert_non_null(m);
	byte = *(uint8_t *)pmap_page_address(m);
	rwlock_read_unlock(&object->lock);
	return byte;
}

void
space_object_stall(struct vm_object *object, vm_pindex_t pindex)
{
	rwlock_write(&object->lock);
	assert_non_null(vm_page_alloc(object, pindex, VM_ALLOC_ZERO));
	rwlock_write_unlock(&object->lock);
}

void
space_object_go_on(struct vm_object *object, vm_pindex_t pindex)
{
	rwlock_write(&object->lock);
	vm_page_unbusy(vm_radix_lookup(&object->pages, pindex));
	rwlock_write_unlock(&object->lock);
}

vm_map_t
space_system_map(size_t pages)
{
	vm_offset_t min = kmem_alloc_nofault(kernel_map, ptoa(pages));
	vm_map_t map;

	assert_int_not_equal(min, 0);
	map = vm_map_create(kernel_pmap, min, min + ptoa(pages));
	assert_non_null(map);
	return map;
}

void
space_system_map_free(vm_map_t map)
{
	vm_offset_t min = vm_map_min(map), max = vm_map_max(map);

	vm_map_deallocate(map);
	check_kr(KERN_SUCCESS, vm_map_remove(kernel_map, min, max));
}
