/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Racers: threads that do everything to two address spaces at once (test_stress.c).
 *
 * Each owns a strip of pages in its space and knows what every page of it must show and allow.  FAIL
 * ends the test with the seed.
 */
#ifndef RACE_RACER_H
#define RACE_RACER_H

#include "model/harness.h"
#include "model/kernel.h"
#include "model/pthreads.h"
#include "model/proc.h"
#include "vm/vm_map.h"

#define SPACES	    2
#define THREADS	    6 /* in all */
#define STRIP	    24
#define STRIPS	    0x1000000ul
#define SHARED	    0x2000000ul /* the same object in both spaces; a byte of each page is a thread's */
#define SHARED_SIZE 32
#define STACK	    0x3000000ul
#define STACK_PAGES 512
#define MOVES	    0x6000000ul /* where ranges move about: so much for each thread */
#define MOVES_APART 0x100000ul

/* What a page of a strip must be. */
struct expected {
	bool mapped, wired;
	vm_prot_t prot;
	vm_inherit_t inherit;
	uint64_t value;
};

struct racer {
	unsigned id;
	uint64_t random;
	struct proc *proc;
	vm_offset_t base;
	struct expected page[STRIP];
	uint8_t shared[SHARED_SIZE];
	uint8_t stack[STACK_PAGES];
	uint64_t counter, done;
	struct thread *thread;
};

extern uint64_t race_seed;

/* Who forks copies wired memory as it is at that moment; a program that stores there meanwhile gets
 * what it asked for, so it does not. */
extern pthread_rwlock_t wired_stores;

#define FAIL(r, fmt, ...)                                                                   \
	model_die("SEED=%lu thread %u, operation %lu: " fmt, race_seed, (r)->id, (r)->done, \
		  __VA_ARGS__)

/* ---- racer.c ---- */

/* racer_random: less than n.  racer_one_in: true once in n times. */
uint64_t racer_random(struct racer *r, uint64_t n);
bool racer_one_in(struct racer *r, uint64_t n);

vm_map_t racer_map(const struct racer *r);
vm_offset_t racer_page(const struct racer *r, unsigned i);

/*
 * racer_disturb: some of the next allocations fail, sometimes.  When the operation is over:
 * racer_excused: has it an excuse for one of two failures?  The disturbance is.  racer_calm: likewise
 * for the one failure that there was, if it was one.  racer_must: the operation answered kr; it should
 * have been `expected`: true if it was done.
 */
void racer_disturb(struct racer *r);
bool racer_excused(kern_return_t kr, kern_return_t or);
bool racer_calm(kern_return_t kr);
bool racer_must(struct racer *r, const char *what, kern_return_t expected, kern_return_t kr);

/* racer_access: by the program of p; a thread that was told to die tries again.  racer_allowed: how it
 * must end.  racer_check_signal: it has ended so. */
enum model_signal racer_access(struct proc *p, vm_offset_t va, vm_prot_t type, void *buffer,
			       size_t size);
enum model_signal racer_allowed(const struct expected *e, vm_prot_t type);
void racer_check_signal(struct racer *r, const char *what, vm_offset_t va,
			enum model_signal expected, enum model_signal got);

/* racer_check_page: page i of the strip is in p what e says.  racer_check_strip: all are, in the
 * racer's own space.  racer_store: a new value, which e gets if it can be stored. */
void racer_check_page(struct racer *r, struct proc *p, unsigned i, const struct expected *e);
void racer_check_strip(struct racer *r);
void racer_store(struct racer *r, struct proc *p, unsigned i, struct expected *e);

/* ---- strip.c: to a part of the strip ---- */

void op_store(struct racer *r);
void op_check(struct racer *r);
void op_wired_access(struct racer *r);
void op_map(struct racer *r);
void op_remove(struct racer *r);
void op_protect(struct racer *r);
void op_inherit(struct racer *r);
void op_wire(struct racer *r);
void op_unwire(struct racer *r);
void op_advise(struct racer *r);
void op_free(struct racer *r);
void op_discard(struct racer *r);
void op_sync(struct racer *r);
void op_residency(struct racer *r);
void op_move(struct racer *r);

/* ---- whole.c: to the whole space, to what all share, and to the kernel's own maps ---- */

void op_drop(struct racer *r);
void op_fork(struct racer *r);
void op_shared(struct racer *r);
void op_stack(struct racer *r);
void op_exec_map(struct racer *r);
void op_kmem(struct racer *r);
void op_kstack(struct racer *r);

#endif
