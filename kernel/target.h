/* SPDX-License-Identifier: BSD-2-Clause */
/* What the handles in a call's arguments name, with the rights checked. */
#ifndef KERNEL_TARGET_H
#define KERNEL_TARGET_H

#include <stdint.h>
#include "kernel/base/sched.h"
#include "vm/vm_types.h"

struct memobj;
struct proc;
struct uthread;
struct vmspace;

/* curproc: the process that made the call. */
static inline struct proc *
curproc(void)
{
	return curthread()->proc;
}

/* target_proc, target_thread: with a reference for the caller (kobject_unref); HANDLE_SELF is the
 * caller's process or thread, with all rights.  target_memobj: has no HANDLE_SELF; *rights, unless
 * NULL, is what the handle allows.  target_physmem: likewise, without a reference, as it never goes.
 * 0, EBADF or EACCES. */
int target_proc(uint64_t handle, uint32_t needed, struct proc **out);
int target_thread(uint64_t handle, uint32_t needed, struct uthread **out);
int target_memobj(uint64_t handle, uint32_t needed, struct memobj **out, uint32_t *rights);
int target_physmem(uint64_t handle, uint32_t needed, uint32_t *rights);

/* The address space that a call acts on. */
struct target {
	struct proc *proc;
	struct vmspace *vm;
	vm_map_t map;
	bool own; /* the caller's, which cannot end meanwhile: no references were taken */
};

/* target_get: the process behind a handle and its space, for as long as the call needs them;
 * target_put: let go.  0, EBADF, EACCES, or ESRCH: it has ended. */
int target_get(uint64_t handle, uint32_t needed, struct target *t);
void target_put(struct target *t);

/* Where mappings go that nobody gave a place: above images, below stacks. */
#define TARGET_MAP_BASE 0x0000001000000000ul

/* target_range_ok: is [addr, addr + length) a range of pages in user space?  It may be empty. */
bool target_range_ok(uint64_t addr, uint64_t length);

#endif
