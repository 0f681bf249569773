/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes of a test, and what their programs do to memory. */
#ifndef MODEL_PROC_H
#define MODEL_PROC_H

#include <stddef.h>
#include <stdint.h>
#include "vm/vm_proc.h"
#include "vm/vm_types.h"

#define MODEL_USER_MIN 0x1000ul
#define MODEL_USER_MAX 0x80000000ul

/* model_proc_create: a process with an empty address space from MODEL_USER_MIN to MODEL_USER_MAX,
 * no limits.  model_proc_adopt: one that takes over the caller's reference on vm (a forked space).
 * model_proc_fork: a child, by vmspace_fork(), which must succeed.  model_proc_destroy: the reverse
 * of each. */
struct proc *model_proc_create(void);
struct proc *model_proc_adopt(struct vmspace *vm);
struct proc *model_proc_fork(struct proc *p);
void model_proc_destroy(struct proc *p);

vm_map_t model_proc_map(struct proc *p);

/* model_proc_set_limit: takes the process lock, as setrlimit does. */
void model_proc_set_limit(struct proc *p, enum vm_limit which, uint64_t bytes);

/* model_proc_is_locked: by whomever, at this moment. */
bool model_proc_is_locked(struct proc *p);

/* model_proc_lock_count: how often the process lock was taken; no other thread may do so. */
uint64_t model_proc_lock_count(struct proc *p);

/* How an access of a program ends: the signals of the contracts. */
enum model_signal {
	MODEL_OK,
	SEGV_MAPERR,
	SEGV_ACCERR,
	BUS_OBJERR,
	BUS_OOMERR,
	MODEL_KILLED,
};
const char *model_signal_name(enum model_signal s);

/* model_signal_of: the signal for what vm_fault() returned. */
enum model_signal model_signal_of(kern_return_t kr);

/*
 * model_user_read, _write: the program of p loads or stores bytes at va, on the current thread's
 * processor; faults are served by vm_fault().  Ends at the first byte that cannot be reached.
 * model_user_fetch: likewise executes the byte at va.
 */
enum model_signal model_user_read(struct proc *p, vm_offset_t va, void *buffer, size_t size);
enum model_signal model_user_write(struct proc *p, vm_offset_t va, const void *buffer, size_t size);
enum model_signal model_user_fetch(struct proc *p, vm_offset_t va);

/* model_user_load, _store: one byte, where the access must succeed. */
uint8_t model_user_load(struct proc *p, vm_offset_t va);
void model_user_store(struct proc *p, vm_offset_t va, uint8_t value);

/* model_fault_count: faults served since the start of the test. */
uint64_t model_fault_count(void);

#endif
