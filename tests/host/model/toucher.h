/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread of a program that stores one byte, and meets something on the way. */
#ifndef MODEL_TOUCHER_H
#define MODEL_TOUCHER_H

#include "model/proc.h"

#define TOUCHER_VALUE 5 /* what it stores */

struct thread;

struct toucher {
	struct proc *proc;
	vm_offset_t va;
	enum model_signal signal;
	struct thread *thread;
};

/* toucher_start: a thread of p stores to va, and sleeps by now.  toucher_end: it must end; how the
 * access did. */
void toucher_start(struct toucher *t, struct proc *p, vm_offset_t va);
enum model_signal toucher_end(struct toucher *t);

/* toucher_kill: end it while it sleeps. */
enum model_signal toucher_kill(struct toucher *t);

/* try_load, try_store: the caller's program accesses one byte; how that did.  The value stored is
 * TOUCHER_VALUE. */
enum model_signal try_load(struct proc *p, vm_offset_t va);
enum model_signal try_store(struct proc *p, vm_offset_t va);

#endif
