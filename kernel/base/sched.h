/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler, and the thread as far as the ground storey knows it.
 *
 * Run queues and sleep queues need to know what a thread is, not how one is made: kernel/thread.c
 * makes and destroys them.  Scheduling is preemptive priority round-robin: the highest non-empty
 * priority runs, threads of equal priority take turns of SCHED_QUANTUM_NS.
 *
 *	embryo --sched_start--> ready <--> running --sleepq_wait--> sleeping --wake--> ready
 *	                                   running --sched_exit---> zombie
 */
#ifndef KERNEL_BASE_SCHED_H
#define KERNEL_BASE_SCHED_H

#include <stdbool.h>
#include <stdint.h>
#include "kernel/base/debug.h"
#include "kernel/base/list.h"
#include "kernel/base/lockorder.h"
#include <machine/context.h>
#include <machine/percpu.h>

struct pmap;
struct proc;
struct trapframe;
struct vm_map;
struct vm_map_entry;

enum thread_state {
	THREAD_EMBRYO,
	THREAD_READY,
	THREAD_RUNNING,
	THREAD_SLEEPING,
	THREAD_ZOMBIE,
};

/* Priorities: 0 is the highest.  The idle thread's is below all that others can have. */
#define SCHED_PRIORITIES   64
#define SCHED_PRIO_KERNEL  8
#define SCHED_PRIO_DEFAULT 32
#define SCHED_PRIO_LOWEST  (SCHED_PRIORITIES - 1)
#define SCHED_PRIO_IDLE	   SCHED_PRIORITIES
#define SCHED_QUANTUM_NS   10000000ull

#define THREAD_NAME_MAX 24

/* Thread ids below this are for thread0 (0) and the threads that the scheduler makes itself. */
#define SCHED_FIRST_FREE_ID 16

struct thread {
	struct context context; /* (s) where it goes on; arch/x86_64/context.S knows it is first */
	struct pmap *pmap; /* (t) space to have loaded while it runs; NULL: any (kernel threads) */
	void *fpu;	   /* (t) saved FPU state; NULL for kernel threads */
	struct trapframe *user_frame; /* (t) user registers, at the top of the kernel stack */
	uintptr_t kstack_base;	      /* (c) lowest usable byte of the kernel stack */
	uintptr_t kstack_top;	      /* (c) end of the kernel stack */

	enum thread_state state; /* (s) */
	uint8_t priority;	 /* (s) */
	bool preempt_pending;	 /* (s) quantum used up, or a better thread is ready */
	bool killed;		 /* (a) is to die: every killable wait ends, no return to user
				      * mode */
	bool stop_pending;	 /* (a) is to stop before it returns to user mode; entry.S tests
				      * this and the two above at once */
	uint64_t quantum_left;	 /* (s) ns */
	uint64_t cpu_time;	 /* (s) ns run so far */
	uint8_t queued_priority; /* (s) on which list of its run queue it is */
	uint32_t cpu;		 /* (s) processor whose run queue it is on, or where it ran last */
	uint32_t
	    affinity; /* (s) processors where it may run, a bit each; none that there is: all */
	struct list_link run_link; /* (s) on a run queue while ready, to be reaped when a zombie */
	struct list_link all_link; /* on the list of sched_for_each */
	void (*reap)(struct thread *t); /* (s) of a zombie, see sched_exit */

	const void *wait_channel;      /* (q) what it waits for, NULL if nothing */
	const char *wait_why;	       /* (q) */
	struct list_link wait_link;    /* (q) on its channel's bucket */
	struct list_link timeout_link; /* (q) on the list of timed waits */
	uint64_t wait_deadline;	       /* (q) ns, SLEEPQ_FOREVER if none */
	uint8_t wait_result;	       /* (q) enum sleepq_result */
	uint8_t wait_state;	       /* (q) see sleepq.c */
	uint8_t wait_flags;	       /* (q) SLEEPQ_KILLABLE */

	uint32_t nopreempt; /* (t) preempt_enter()s: no switch until they are undone */
	bool nofaulting;    /* (t) faults are errors, not served (atomic context) */
	uintptr_t onfault;  /* (t) where copyin and friends go on after an unresolved fault */

	struct { /* (t) this thread's vm_map_lookup hint, valid while timestamps agree */
		uint64_t serial; /* of the map */
		uint64_t timestamp;
		struct vm_map_entry *entry;
	} vm_hint;

	struct machine_thread machine;	  /* (t) registers that only context.c knows */
	struct lockorder lockorder;	  /* (t) */
	struct debug_allocs debug_allocs; /* (t) */
	struct proc *proc;		  /* (c) NULL for kernel threads */
	void *upper;			  /* (c) what kernel/thread.c keeps about it */
	uint64_t id;			  /* (c) unique */
	char name[THREAD_NAME_MAX];	  /* (c) */
}; /* (s) lock of the run queue of `cpu`  (q) sleep queue lock  (t) the thread itself  (c) constant  (a) atomic */

/* sched_init: adopt the running boot stack as the first thread (thread0: name, priority and stack
 * bounds set, the rest zero), make the idle thread and the reaper.  Boot processor, interrupts
 * off. */
void sched_init(struct thread *thread0);

/* sched_idle_init: make t, which is zero, the idle thread of a processor, with this kernel stack.
 * sched_idle: that thread's life, on its stack, as the first thing that its processor does after
 * sched_cpu_online(): interrupts off on entry. */
void sched_idle_init(struct thread *t, uint32_t cpu, uintptr_t stack);
_Noreturn void sched_idle(void);

/* sched_start: make a new thread (EMBRYO, priority set, context set up by context_init, the rest
 * zero) ready. */
void sched_start(struct thread *t);

/* sched_yield: let another thread of the same or a better priority run.  No spinlock held. */
void sched_yield(void);

/* sched_exit: stop the current thread for ever; `reap(t)` is called later, on another stack, with
 * no lock held, when the thread no longer uses its own stack. */
_Noreturn void sched_exit(void (*reap)(struct thread *t));

/* sched_set_priority: change t's priority.  sched_set_affinity: change where it may run (a bit a
 * processor; 0: everywhere); it goes there at once. */
void sched_set_priority(struct thread *t, uint8_t priority);
void sched_set_affinity(struct thread *t, uint32_t affinity);

/* sched_hold: what t does, and it does not change until sched_release(); unless that is to run, its
 * stack is left and its registers are saved.  Takes and releases the lock of a run queue. */
enum thread_state sched_hold(const struct thread *t);
void sched_release(const struct thread *t);

/* sched_poke: if t runs in user mode, it enters the kernel soon, and so looks at its pending flags. */
void sched_poke(const struct thread *t);

/* sched_look: another processor asks this one to look at its run queue; interrupts off. */
void sched_look(void);

/* sched_tick: account the time up to now (ns) to the current thread and ask for the next tick if
 * one is needed; called by the timer interrupt, interrupts off. */
void sched_tick(uint64_t now);

/* sched_preempt: switch if preempt_pending; called on the way out of an interrupt or trap with
 * interrupts off and no lock held. */
void sched_preempt(void);

/* sched_wakeup: make t ready, which sleeps or is just going to (sleepq.c only). */
void sched_wakeup(struct thread *t);

/* sched_block: sleep until sched_wakeup, if commit(the current thread), called with the run queue
 * locked, says yes (sleepq.c only).  No spinlock held. */
void sched_block(bool (*commit)(struct thread *t));

/* sched_begin: where a new thread's first turn starts, on its own stack: interrupts off, the
 * run queue locked.  Gives the lock back, turns interrupts on and calls entry(arg), which must
 * not return.  Called by context_init's trampoline only. */
_Noreturn void sched_begin(void (*entry)(void *), void *arg);

/* sched_kill: mark t as killed and end its killable wait. */
void sched_kill(struct thread *t);

/* sched_idle_hook: called by the idle thread, preemptible, when there is nothing to run; returns
 * true if it did some work (zeroing pages) and wants to be called again. */
extern bool (*sched_idle_hook)(void);

/* sched_for_each: call fn, with the list of threads locked, for each thread that was started and not
 * reaped (for ps and panic). */
void sched_for_each(void (*fn)(struct thread *t, void *arg), void *arg);

#endif
