/* SPDX-License-Identifier: BSD-2-Clause */
/* Switching between kernel stacks. */
#ifndef MACHINE_CONTEXT_H
#define MACHINE_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

struct thread;

/* Callee-saved registers are on the stack; only the stack pointer is kept here. */
struct context {
	uintptr_t sp;
};

/* A thread's user segment bases, saved while it does not run (only threads with FPU state). */
struct machine_thread {
	uint64_t fs_base, gs_base;
};

/* context_init: prepare t, whose kernel stack is set, to start at entry(arg) on its first switch,
 * with interrupts on. */
void context_init(struct thread *t, void (*entry)(void *), void *arg);

/*
 * context_switch: save the current thread in `from` and go on with `to`: stack, curthread, kernel
 * stack for traps, FPU state, address space (if to->pmap is not NULL and not loaded).
 * Interrupts off, scheduler lock held; returns, on from's stack, when somebody switches back.
 * Returns the thread that was switched away from.
 */
struct thread *context_switch(struct thread *from, struct thread *to);

/*
 * The user segment bases of t, which is the current thread or does not run meanwhile.  Setting
 * refuses an address outside user space: false, and nothing has changed.  Preemption may happen in
 * between: the registers travel with the thread.
 */
bool context_set_user_bases(struct thread *t, uint64_t fs_base, uint64_t gs_base);
void context_get_user_bases(const struct thread *t, uint64_t *fs_base, uint64_t *gs_base);

#endif
