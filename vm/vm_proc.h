/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What vm/ knows of a process: a lock, its limits, its address space.  Implemented by kernel/proc.c
 * and by the host tests.
 */
#ifndef VM_VM_PROC_H
#define VM_VM_PROC_H

#include <stdbool.h>
#include <stdint.h>

struct proc;
struct vmspace;

/* Numbers are those of the ABI (user/include/pagoda/limits.h). */
enum vm_limit {
	VM_LIMIT_STACK,	  /* bytes of the main stack */
	VM_LIMIT_VMEM,	  /* bytes in the map, guards not counted */
	VM_LIMIT_MEMLOCK, /* bytes wired by the user */
	VM_LIMITS
};

#define VM_LIMIT_INFINITY UINT64_MAX

/* proc_lock, proc_unlock: the sleeping per-process lock, first in the order. */
void proc_lock(struct proc *p);
void proc_unlock(struct proc *p);
/* proc_lock_owned: held by the current thread? */
bool proc_lock_owned(struct proc *p);
/* proc_limit: the current (soft) limit in bytes.  It may change right after, unless p is locked. */
uint64_t proc_limit(struct proc *p, enum vm_limit which);
/* proc_vmspace: p's address space, NULL once p has ended; constant while p is locked. */
struct vmspace *proc_vmspace(struct proc *p);
/* proc_set_vmspace: p shows vm from now on; p locked, and without threads that run in the old one. */
void proc_set_vmspace(struct proc *p, struct vmspace *vm);

#endif
