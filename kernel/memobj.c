/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory objects as handles name them: a vm_object with one reference that belongs to the handles.
 *
 * Such an object is seen by others than its one mapping, so it is never VM_OBJECT_ONEMAPPING; its
 * whole size is charged to it when it is made, so mapping it shared costs nothing more.
 */
#include <machine/param.h>
#include <pagoda/abi.h>
#include <pagoda/errno.h>
#include "kernel/base/panic.h"
#include "kernel/base/string.h"
#include "kernel/errors.h"
#include "kernel/memobj.h"
#include "vm/pmap.h"
#include "vm/vm_charge.h"
#include "vm/vm_device.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_zone.h"

/* Objects that users see lie in the direct map, aligned at least so. */
#define IDENTITY_UNIT 16

static struct vm_zone memobj_zone;

static uint64_t memobj_object_id(const struct kobject *o);
static void memobj_object_destroy(struct kobject *o);

static const struct kobject_ops memobj_ops = {
    .type = HANDLE_TYPE_OBJECT,
    .id = memobj_object_id,
    .destroy = memobj_object_destroy,
};

void
memobj_init(void)
{
	vm_zone_init(&memobj_zone, "memory object", sizeof(struct memobj), NULL);
}

uint64_t
memobj_identity(const struct vm_object *object)
{
	return object == NULL ? 0 : ((uintptr_t)object - DIRECT_MAP_BASE) / IDENTITY_UNIT;
}

static uint64_t
memobj_object_id(const struct kobject *o)
{
	return memobj_identity(((const struct memobj *)o)->vm_object);
}

static void
memobj_object_destroy(struct kobject *o)
{
	struct memobj *m = memobj_from_object(o);

	vm_object_deallocate(m->vm_object);
	vm_zone_free(&memobj_zone, m);
}

/* memobj_wrap: a handle's object around vm_object, NULL included, whose reference passes to it; NULL
 * without memory, and then the reference is gone. */
static struct memobj *
memobj_wrap(struct vm_object *vm_object, uint64_t bytes)
{
	struct memobj *m = NULL;

	if (vm_object != NULL)
		m = vm_zone_alloc(&memobj_zone, VM_ZONE_ZERO);
	if (m == NULL) {
		vm_object_deallocate(vm_object);
		return NULL;
	}
	m->vm_object = vm_object;
	m->bytes = bytes;
	kobject_init(&m->object, &memobj_ops);
	return m;
}

/* memobj_alloc: a handle's object of this kind and size; NULL without memory. */
static struct memobj *
memobj_alloc(const struct vm_pager_ops *pager, uint64_t bytes)
{
	return memobj_wrap(vm_object_allocate(pager, atop(round_page(bytes))), bytes);
}

int
memobj_create(uint64_t bytes, struct memobj **out)
{
	vm_size_t charge;

	if (bytes > VM_MAX_USER_ADDRESS)
		return EINVAL;
	charge = round_page(bytes);
	if (!vm_charge(charge))
		return ENOMEM;
	*out = memobj_alloc(&vm_pager_anonymous, bytes);
	if (*out == NULL) {
		vm_uncharge(charge);
		return ENOMEM;
	}
	vm_object_set_charge((*out)->vm_object, charge);
	return 0;
}

int
memobj_create_device(uint64_t pa, uint64_t bytes, enum pmap_cache cache, struct memobj **out)
{
	struct vm_object *object;
	kern_return_t kr = vm_device_allocate(pa, bytes, cache, &object);

	if (kr != KERN_SUCCESS)
		return errno_of(kr);
	*out = memobj_wrap(object, bytes);
	return *out == NULL ? ENOMEM : 0;
}

/* insert_frame: the frame at pa becomes page `index` of object, for good. */
static bool
insert_frame(struct vm_object *object, vm_paddr_t pa, vm_pindex_t index)
{
	struct vm_page *m = vm_page_from_phys(pa);
	kern_return_t kr;

	*m = (struct vm_page){
	    .flags = VM_PAGE_VALID | VM_PAGE_FIXED,
	    .state = VM_PAGE_STATE_USED,
	};
	rwlock_write(&object->lock);
	kr = vm_page_insert(m, object, index);
	rwlock_write_unlock(&object->lock);
	return kr == KERN_SUCCESS;
}

struct memobj *
memobj_create_boot(uint64_t pa, uint64_t bytes)
{
	struct memobj *m = memobj_alloc(&vm_pager_boot, bytes);
	uint64_t end = round_page(bytes);

	if (m == NULL)
		return NULL;
	ASSERT(page_aligned(pa), "boot module at %#lx", pa);
	memset((char *)pmap_phys_address(pa) + bytes, 0, end - bytes);
	for (uint64_t at = 0; at < end; at += PAGE_SIZE) {
		if (!insert_frame(m->vm_object, pa + at, atop(at))) {
			kobject_unref(&m->object);
			return NULL;
		}
	}
	return m;
}
