/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes on the host: what vm/ knows of one, and the accesses of its program. */
#include <stdlib.h>
#include "kernel/base/mutex.h"
#include "model/kernel.h"
#include "model/mmu.h"
#include "model/proc.h"
#include "vm/vm_fault.h"
#include "vm/vm_map.h"
#include "vm/vmspace.h"

#define MAX_FAULTS 8 /* for one byte; more means that vm_fault() succeeds but mends nothing */

struct proc {
	struct mutex lock;
	uint64_t lock_count;	   /* lock */
	uint64_t limit[VM_LIMITS]; /* lock */
	struct vmspace *vmspace;
};

static uint64_t faults;

void
proc_lock(struct proc *p)
{
	mutex_lock(&p->lock);
	p->lock_count++;
}

void
proc_unlock(struct proc *p)
{
	mutex_unlock(&p->lock);
}

bool
proc_lock_owned(struct proc *p)
{
	return mutex_owned(&p->lock);
}

uint64_t
proc_limit(struct proc *p, enum vm_limit which)
{
	return __atomic_load_n(&p->limit[which], __ATOMIC_RELAXED);
}

struct vmspace *
proc_vmspace(struct proc *p)
{
	return p->vmspace;
}

void
proc_set_vmspace(struct proc *p, struct vmspace *vm)
{
	p->vmspace = vm;
}

struct proc *
model_proc_adopt(struct vmspace *vm)
{
	struct proc *p = calloc(1, sizeof(*p));

	mutex_init(&p->lock, "proc", LOCK_RANK_PROC);
	for (int i = 0; i < VM_LIMITS; i++)
		p->limit[i] = VM_LIMIT_INFINITY;
	p->vmspace = vm;
	vm->vm_map.owner = p;
	return p;
}

struct proc *
model_proc_create(void)
{
	struct vmspace *vm = vmspace_alloc(MODEL_USER_MIN, MODEL_USER_MAX);

	if (vm == NULL)
		model_die("no address space for a process");
	return model_proc_adopt(vm);
}

struct proc *
model_proc_fork(struct proc *p)
{
	struct vmspace *vm = NULL;
	kern_return_t kr = vmspace_fork(p->vmspace, &vm);

	if (kr != KERN_SUCCESS)
		model_die("a fork failed: %d", kr);
	return model_proc_adopt(vm);
}

void
model_proc_destroy(struct proc *p)
{
	vmspace_free(p->vmspace);
	free(p);
}

vm_map_t
model_proc_map(struct proc *p)
{
	return &p->vmspace->vm_map;
}

void
model_proc_set_limit(struct proc *p, enum vm_limit which, uint64_t bytes)
{
	proc_lock(p);
	__atomic_store_n(&p->limit[which], bytes, __ATOMIC_RELAXED);
	proc_unlock(p);
}

bool
model_proc_is_locked(struct proc *p)
{
	if (!mutex_trylock(&p->lock))
		return true;
	mutex_unlock(&p->lock);
	return false;
}

uint64_t
model_proc_lock_count(struct proc *p)
{
	return p->lock_count;
}

const char *
model_signal_name(enum model_signal s)
{
	static const char *const names[] = {
	    [MODEL_OK] = "success",	   [SEGV_MAPERR] = "SEGV_MAPERR",
	    [SEGV_ACCERR] = "SEGV_ACCERR", [BUS_OBJERR] = "BUS_OBJERR",
	    [BUS_OOMERR] = "BUS_OOMERR",   [MODEL_KILLED] = "killed",
	};

	return names[s];
}

enum model_signal
model_signal_of(kern_return_t kr)
{
	switch (kr) {
	case KERN_SUCCESS:
		return MODEL_OK;
	case KERN_FAILURE:
	case KERN_INVALID_ADDRESS:
		return SEGV_MAPERR;
	case KERN_PROTECTION_FAILURE:
		return SEGV_ACCERR;
	case KERN_RESOURCE_SHORTAGE:
		return BUS_OOMERR;
	case KERN_OUT_OF_BOUNDS:
		return BUS_OBJERR;
	case KERN_ABORTED:
		return MODEL_KILLED;
	default:
		model_die("vm_fault returned %d", kr);
	}
}

/* access_page: an access within one page. */
static enum model_signal
access_page(struct proc *p, vm_offset_t va, vm_prot_t type, void *buffer, size_t size)
{
	vm_map_t map = model_proc_map(p);
	enum model_signal s;

	for (int i = 0; i <= MAX_FAULTS; i++) {
		if (model_access_range(vm_map_pmap(map), va, type, buffer, size))
			return MODEL_OK;
		__atomic_add_fetch(&faults, 1, __ATOMIC_RELAXED);
		s = model_signal_of(vm_fault(map, trunc_page(va), type, VM_FAULT_NORMAL));
		if (s != MODEL_OK)
			return s;
	}
	model_die("access %u to %#lx still faults after %d faults were served", type, va,
		  MAX_FAULTS);
}

static enum model_signal
access_range(struct proc *p, vm_offset_t va, vm_prot_t type, char *buffer, size_t size)
{
	while (size != 0) {
		size_t n = PAGE_SIZE - (va & PAGE_MASK);
		enum model_signal s;

		if (n > size)
			n = size;
		s = access_page(p, va, type, buffer, n);
		if (s != MODEL_OK)
			return s;
		va += n;
		buffer += n;
		size -= n;
	}
	return MODEL_OK;
}

enum model_signal
model_user_read(struct proc *p, vm_offset_t va, void *buffer, size_t size)
{
	return access_range(p, va, VM_PROT_READ, buffer, size);
}

enum model_signal
model_user_write(struct proc *p, vm_offset_t va, const void *buffer, size_t size)
{
	return access_range(p, va, VM_PROT_WRITE, (char *)(uintptr_t)buffer, size);
}

enum model_signal
model_user_fetch(struct proc *p, vm_offset_t va)
{
	char byte;

	return access_range(p, va, VM_PROT_EXECUTE, &byte, 1);
}

uint8_t
model_user_load(struct proc *p, vm_offset_t va)
{
	uint8_t value = 0;
	enum model_signal s = model_user_read(p, va, &value, 1);

	if (s != MODEL_OK)
		model_die("load from %#lx: expected success, got %s", va, model_signal_name(s));
	return value;
}

void
model_user_store(struct proc *p, vm_offset_t va, uint8_t value)
{
	enum model_signal s = model_user_write(p, va, &value, 1);

	if (s != MODEL_OK)
		model_die("store to %#lx: expected success, got %s", va, model_signal_name(s));
}

uint64_t
model_fault_count(void)
{
	return __atomic_load_n(&faults, __ATOMIC_RELAXED);
}
