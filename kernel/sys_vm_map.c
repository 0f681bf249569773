/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SYS_vm_map.
 *
 * The arguments are taken apart and judged as a whole first (parse, check); then the object is looked
 * up and what its handle allows is applied; then one of the vm_map_* functions does the work; then
 * comes what was asked for on top: wiring, and pages at once.
 *
 * Two conventions of mmap are kept.  What a handle does not allow and was not asked for now is taken
 * off the maximum instead of being refused.  Populating is a service: a page that cannot be had now
 * is no error, it will be faulted in or not when it is touched.
 */
#include <pagoda/abi.h>
#include <pagoda/errno.h>
#include "kernel/errors.h"
#include "kernel/memobj.h"
#include "kernel/proc.h"
#include "kernel/syscall.h"
#include "kernel/target.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"
#include "vm/vmspace.h"

#define FLAGS_PLACE \
	(VM_MAP_FLAG_FIXED | VM_MAP_FLAG_EXCL | VM_MAP_FLAG_ALIGN2M | VM_MAP_FLAG_NOCORE)
#define FLAGS_GUARD (FLAGS_PLACE | VM_MAP_FLAG_GUARD)
#define FLAGS_STACK (FLAGS_PLACE | VM_MAP_FLAG_STACK | VM_MAP_FLAG_POPULATE)
#define FLAGS_OTHER (FLAGS_PLACE | VM_MAP_FLAG_SHARED | VM_MAP_FLAG_POPULATE | VM_MAP_FLAG_OBJECT)

struct request {
	uint64_t addr, length, offset; /* bytes */
	uint64_t handle, flags;
	vm_prot_t prot, max;
	struct vm_object *object; /* NULL: anonymous; has a reference for the entry */
};

static void
parse(const struct trapframe *tf, struct request *r)
{
	uint64_t packed = ARG3(tf);

	*r = (struct request){
	    .addr = ARG1(tf),
	    .length = ARG2(tf),
	    .prot = packed & 0xff,
	    .max = packed >> 8 & 0xff,
	    .flags = packed >> 16,
	    .handle = ARG4(tf),
	    .offset = ARG5(tf),
	};
}

/* check_flags: is this a combination that means something? */
static bool
check_flags(const struct request *r)
{
	uint64_t allowed = FLAGS_OTHER;

	if ((r->flags & VM_MAP_FLAG_GUARD) != 0)
		allowed = FLAGS_GUARD;
	else if ((r->flags & VM_MAP_FLAG_STACK) != 0)
		allowed = FLAGS_STACK;
	if ((r->flags & ~allowed) != 0)
		return false;
	if ((r->flags & VM_MAP_FLAG_FIXED) == 0)
		return (r->flags & VM_MAP_FLAG_EXCL) == 0;
	return (r->flags & VM_MAP_FLAG_ALIGN2M) == 0;
}

/* check: everything that can be judged from the arguments alone.  0, EINVAL or EOVERFLOW. */
static int
check(const struct request *r)
{
	if (!check_flags(r) || ((r->prot | r->max) & ~VM_PROT_ALL) != 0 || (r->prot & ~r->max) != 0)
		return EINVAL;
	if ((r->flags & VM_MAP_FLAG_GUARD) != 0 && r->max != VM_PROT_NONE)
		return EINVAL;
	if ((r->flags & VM_MAP_FLAG_OBJECT) == 0 && (r->handle != 0 || r->offset != 0))
		return EINVAL;
	if (r->length == 0 || !page_aligned(r->addr | r->length | r->offset))
		return EINVAL;
	if ((r->flags & VM_MAP_FLAG_FIXED) != 0 && r->addr < vm_min_user_map)
		return EINVAL;
	return r->offset + r->length < r->offset ? EOVERFLOW : 0;
}

/* apply_rights: what may be done with an object through a handle with these rights.  Reading is
 * RIGHT_READ, which the caller has.  0 or EACCES. */
static int
apply_rights(struct request *r, uint32_t rights)
{
	vm_prot_t allowed = VM_PROT_READ;

	/* Stores to a private mapping never reach the object. */
	if ((rights & RIGHT_WRITE) != 0 || (r->flags & VM_MAP_FLAG_SHARED) == 0)
		allowed |= VM_PROT_WRITE;
	if ((rights & RIGHT_EXECUTE) != 0)
		allowed |= VM_PROT_EXECUTE;
	if ((r->prot & ~allowed) != 0)
		return EACCES;
	r->max &= allowed;
	return 0;
}

/* find_object: the object to map, if one was named.  0 or an error. */
static int
find_object(struct request *r)
{
	struct memobj *m;
	uint32_t rights;
	int error;

	if ((r->flags & VM_MAP_FLAG_OBJECT) == 0)
		return 0;
	error = target_memobj(r->handle, RIGHT_READ, &m, &rights);
	if (error != 0)
		return error;
	error = apply_rights(r, rights);
	if (error == 0) {
		r->object = m->vm_object;
		vm_object_reference(r->object);
	}
	kobject_unref(&m->object);
	return error;
}

/* map_flags: the flags of vm_map_insert and its kin. */
static int
map_flags(const struct request *r)
{
	int cow = 0;

	if ((r->flags & VM_MAP_FLAG_SHARED) != 0)
		cow |= MAP_INHERIT_SHARE;
	else if (r->object != NULL)
		cow |= MAP_COPY_ON_WRITE;
	if ((r->flags & VM_MAP_FLAG_GUARD) != 0)
		cow |= MAP_CREATE_GUARD;
	else if ((r->flags & VM_MAP_FLAG_STACK) == 0)
		cow |=
		    MAP_OWNER_LIMIT; /* a guard costs nothing, a stack is judged by vm_map_stack */
	if ((r->flags & VM_MAP_FLAG_STACK) != 0)
		cow |= MAP_STACK_AREA;
	if ((r->flags & VM_MAP_FLAG_EXCL) != 0)
		cow |= MAP_CHECK_EXCL;
	if ((r->flags & VM_MAP_FLAG_NOCORE) != 0)
		cow |= MAP_DISABLE_COREDUMP;
	return cow;
}

/* place: enter the mapping; r->addr becomes where it is. */
static kern_return_t
place(vm_map_t map, struct request *r)
{
	int cow = map_flags(r);
	int space = (r->flags & VM_MAP_FLAG_ALIGN2M) != 0 ? VMFS_SUPER_SPACE : VMFS_ANY_SPACE;

	if ((r->flags & VM_MAP_FLAG_FIXED) != 0)
		return vm_map_fixed(map, r->object, r->offset, r->addr, r->length, r->prot, r->max,
				    cow);
	if (r->addr != 0)
		return vm_map_find(map, r->object, r->offset, &r->addr, r->length, 0, space,
				   r->prot, r->max, cow);
	r->addr = TARGET_MAP_BASE;
	return vm_map_find_min(map, r->object, r->offset, &r->addr, r->length, vm_map_min(map), 0,
			       space, r->prot, r->max, cow);
}

/* wire_new: on a map that wires what comes: wire [addr, addr + length), or unmap it again.  The map was
 * locked for the insertion: who asked for wiring before that is seen. */
static kern_return_t
wire_new(vm_map_t map, const struct request *r)
{
	kern_return_t kr;

	if ((__atomic_load_n(&map->flags, __ATOMIC_RELAXED) & VM_MAP_WIREFUTURE) == 0)
		return KERN_SUCCESS;
	kr = vm_map_wire(map, r->addr, r->addr + r->length, VM_MAP_WIRE_USER | VM_MAP_WIRE_HOLESOK);
	if (kr != KERN_SUCCESS)
		vm_map_remove(map, r->addr, r->addr + r->length);
	return kr;
}

/* populate: fault the pages in, as far as that goes. */
static void
populate(vm_map_t map, const struct request *r)
{
	vm_prot_t access = r->prot & VM_PROT_WRITE  ? VM_PROT_WRITE
			   : r->prot & VM_PROT_READ ? VM_PROT_READ
						    : r->prot;

	if (access == VM_PROT_NONE)
		return;
	for (uint64_t at = r->length; at > 0; at -= PAGE_SIZE) {
		/* From the top: of a stack only the top is there. */
		if (vm_fault(map, r->addr + at - PAGE_SIZE, access, VM_FAULT_NOGROW) !=
		    KERN_SUCCESS)
			return;
	}
}

static int64_t
map_request(struct target *t, struct request *r)
{
	int error = find_object(r);
	kern_return_t kr;

	if (error != 0)
		return -error;
	kr = place(t->map, r);
	if (kr != KERN_SUCCESS) {
		if (r->object != NULL)
			vm_object_deallocate(r->object);
		if (kr == KERN_NO_SPACE && (r->flags & VM_MAP_FLAG_EXCL) != 0)
			return -EEXIST;
		return -errno_of(kr);
	}
	kr = wire_new(t->map, r);
	if (kr != KERN_SUCCESS)
		return -errno_of(kr);
	if ((r->flags & VM_MAP_FLAG_POPULATE) != 0)
		populate(t->map, r);
	return (int64_t)r->addr;
}

int64_t
sys_vm_map(const struct trapframe *tf)
{
	struct request r;
	struct target t;
	int64_t result;
	int error;

	parse(tf, &r);
	error = check(&r);
	if (error == 0)
		error = target_get(ARG0(tf), RIGHT_WRITE, &t);
	if (error != 0)
		return -error;
	result = map_request(&t, &r);
	target_put(&t);
	return result;
}
