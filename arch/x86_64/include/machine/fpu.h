/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FPU, SSE and AVX registers of user threads.  The kernel itself uses none of them, so they are
 * saved and restored only when threads change.
 *
 * A state lies in memory as the XSAVE instruction's standard form, or FXSAVE's on a processor
 * without it; its alignment is FPU_STATE_ALIGN.
 */
#ifndef MACHINE_FPU_H
#define MACHINE_FPU_H

#include <stdbool.h>
#include <stddef.h>

#define FPU_STATE_ALIGN 64

struct thread;

/* fpu_init: learn the size of a state, and fpu_cpu_init().  After features_init.
 * fpu_cpu_init: switch this processor's units on. */
void fpu_init(void);
void fpu_cpu_init(void);

/* fpu_state_size: bytes of a state; constant after boot. */
size_t fpu_state_size(void);

/* fpu_state_init: make *state the one a program starts with. */
void fpu_state_init(void *state);

/* fpu_save, fpu_restore: between this processor's registers and *state.  Preemption off. */
void fpu_save(void *state);
void fpu_restore(const void *state);

/*
 * fpu_state_get: copy t's state to buf (fpu_state_size() bytes).  t is the current thread or does
 * not run until this returns; t->fpu is not NULL.
 */
void fpu_state_get(struct thread *t, void *buf);

/*
 * fpu_state_set: give t, under the same conditions, the state in buf, which comes from a user:
 * false, and nothing changed, if the processor would not take it.
 */
bool fpu_state_set(struct thread *t, const void *buf, size_t size);

#endif
