/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory calls that act on ranges of a process's space: arguments in, one vm_map_* call. */
#include <machine/copy.h>
#include <pagoda/abi.h>
#include <pagoda/errno.h>
#include "kernel/errors.h"
#include "kernel/proc.h"
#include "kernel/syscall.h"
#include "kernel/target.h"
#include "kernel/vm_access.h"
#include "vm/vm_fault.h"
#include "vm/vmspace.h"

/* A call on [start, end) of a map. */
typedef kern_return_t range_fn(vm_map_t map, vm_offset_t start, vm_offset_t end, uint64_t arg);

/* on_range: check range and handle (first three arguments), then fn with arg. */
static int64_t
on_range(const struct trapframe *tf, range_fn *fn, uint64_t arg)
{
	uint64_t addr = ARG1(tf), length = ARG2(tf);
	struct target t;
	kern_return_t kr;
	int error;

	if (!target_range_ok(addr, length))
		return -EINVAL;
	error = target_get(ARG0(tf), RIGHT_WRITE, &t);
	if (error != 0)
		return -error;
	kr = fn(t.map, addr, addr + length, arg);
	target_put(&t);
	return -errno_of(kr);
}

static kern_return_t
unmap(vm_map_t map, vm_offset_t start, vm_offset_t end, uint64_t arg)
{
	(void)arg;
	return vm_map_remove(map, start, end);
}

int64_t
sys_vm_unmap(const struct trapframe *tf)
{
	return ARG2(tf) == 0 ? -EINVAL : on_range(tf, unmap, 0);
}

/* What protect needs besides the range, in one word. */
#define PROTECT_SET_MAX 0x100

static kern_return_t
protect(vm_map_t map, vm_offset_t start, vm_offset_t end, uint64_t arg)
{
	return vm_map_protect(map, start, end, arg & VM_PROT_ALL, (arg & PROTECT_SET_MAX) != 0);
}

int64_t
sys_vm_protect(const struct trapframe *tf)
{
	uint64_t prot = ARG3(tf), set_max = ARG4(tf);

	if ((prot & ~(uint64_t)VM_PROT_ALL) != 0 || set_max > 1)
		return -EINVAL;
	return on_range(tf, protect, prot | (set_max != 0 ? PROTECT_SET_MAX : 0));
}

static kern_return_t
inherit(vm_map_t map, vm_offset_t start, vm_offset_t end, uint64_t arg)
{
	return vm_map_inherit(map, start, end, (vm_inherit_t)arg);
}

int64_t
sys_vm_inherit(const struct trapframe *tf)
{
	return ARG3(tf) > INHERIT_ZERO ? -EINVAL : on_range(tf, inherit, ARG3(tf));
}

static kern_return_t
wire(vm_map_t map, vm_offset_t start, vm_offset_t end, uint64_t arg)
{
	(void)arg;
	return vm_map_wire(map, start, end, VM_MAP_WIRE_USER | VM_MAP_WIRE_NOHOLES);
}

int64_t
sys_vm_wire(const struct trapframe *tf)
{
	return on_range(tf, wire, 0);
}

static kern_return_t
unwire(vm_map_t map, vm_offset_t start, vm_offset_t end, uint64_t arg)
{
	(void)arg;
	return vm_map_unwire(map, start, end, VM_MAP_WIRE_USER | VM_MAP_WIRE_NOHOLES);
}

int64_t
sys_vm_unwire(const struct trapframe *tf)
{
	return on_range(tf, unwire, 0);
}

_Static_assert(VM_ADVICE_NORMAL == ADVICE_NORMAL && VM_ADVICE_RANDOM == ADVICE_RANDOM &&
		   VM_ADVICE_SEQUENTIAL == ADVICE_SEQUENTIAL &&
		   VM_ADVICE_WILLNEED == ADVICE_WILLNEED && VM_ADVICE_DONTNEED == ADVICE_DONTNEED &&
		   VM_ADVICE_FREE == ADVICE_FREE && VM_ADVICE_NOSYNC == ADVICE_NOSYNC &&
		   VM_ADVICE_AUTOSYNC == ADVICE_AUTOSYNC && VM_ADVICE_NOCORE == ADVICE_NOCORE &&
		   VM_ADVICE_CORE == ADVICE_CORE,
	       "vm/ has the numbers of the ABI");

static kern_return_t
advise(vm_map_t map, vm_offset_t start, vm_offset_t end, uint64_t arg)
{
	return vm_map_madvise(map, start, end, (int)arg);
}

int64_t
sys_vm_advise(const struct trapframe *tf)
{
	return ARG3(tf) > ADVICE_CORE ? -EINVAL : on_range(tf, advise, ARG3(tf));
}

static kern_return_t
sync(vm_map_t map, vm_offset_t start, vm_offset_t end, uint64_t arg)
{
	return vm_map_sync(map, start, end, TRUE, (arg & VM_SYNC_INVALIDATE) != 0);
}

int64_t
sys_vm_sync(const struct trapframe *tf)
{
	int64_t result;

	if ((ARG3(tf) & ~(uint64_t)VM_SYNC_INVALIDATE) != 0)
		return -EINVAL;
	result = on_range(tf, sync, ARG3(tf));
	/* The only failure that has no better name is the pager's. */
	return result == -errno_of(KERN_FAILURE) ? -EIO : result;
}

static kern_return_t
discard(vm_map_t map, vm_offset_t start, vm_offset_t end, uint64_t arg)
{
	(void)arg;
	return vm_map_discard(map, start, end);
}

int64_t
sys_vm_discard(const struct trapframe *tf)
{
	return on_range(tf, discard, 0);
}

int64_t
sys_vm_wire_future(const struct trapframe *tf)
{
	uint64_t on = ARG1(tf);
	struct target t;
	int error;

	if (on > 1)
		return -EINVAL;
	error = target_get(ARG0(tf), RIGHT_WRITE, &t);
	if (error != 0)
		return -error;
	vm_map_lock(t.map);
	if (on != 0)
		t.map->flags |= VM_MAP_WIREFUTURE;
	else
		t.map->flags &= ~(uint32_t)VM_MAP_WIREFUTURE;
	vm_map_unlock(t.map);
	target_put(&t);
	return 0;
}

/* ---- Reading and writing ----
 *
 * The caller's buffer is a number as long as it is computed with: it may be anything, NULL too.
 */

static kern_return_t
copyout_piece(void *bytes, size_t done, size_t n, void *arg)
{
	return copyout(bytes, (void *)((uintptr_t)arg + done), n) ? KERN_SUCCESS : KERN_FAILURE;
}

static kern_return_t
copyin_piece(void *bytes, size_t done, size_t n, void *arg)
{
	return copyin((const void *)((uintptr_t)arg + done), bytes, n) ? KERN_SUCCESS
								       : KERN_FAILURE;
}

/* access_memory: between [addr, addr + length) of the process and the caller's buffer.  What was
 * done counts, if it is anything. */
static int64_t
access_memory(const struct trapframe *tf, uint32_t right, vm_prot_t access, vm_access_fn *fn)
{
	uint64_t addr = ARG1(tf), length = ARG3(tf);
	void *buffer = (void *)ARG2(tf);
	struct target t;
	kern_return_t kr;
	size_t done;
	int error;

	if (!user_range_ok((void *)addr, length) || !user_range_ok(buffer, length))
		return -EFAULT;
	error = target_get(ARG0(tf), right, &t);
	if (error != 0)
		return -error;
	kr = vm_access(t.map, addr, length, access, VM_FAULT_NOGROW, fn, buffer, &done);
	target_put(&t);
	return done > 0 || kr == KERN_SUCCESS ? (int64_t)done : -errno_of_access(kr);
}

int64_t
sys_vm_read(const struct trapframe *tf)
{
	return access_memory(tf, RIGHT_READ, VM_PROT_READ, copyout_piece);
}

int64_t
sys_vm_write(const struct trapframe *tf)
{
	return access_memory(tf, RIGHT_WRITE, VM_PROT_WRITE, copyin_piece);
}
