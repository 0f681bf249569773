/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads as the activity storey makes them: what the scheduler runs (struct thread), a kernel
 * stack, and for user threads a process, FPU state and a handle's object.
 *
 *	created --thread_start--> running <--> stopped
 *	                          running --killed, exit--> ended --no references--> gone
 */
#ifndef KERNEL_THREAD_H
#define KERNEL_THREAD_H

#include <stdbool.h>
#include <stdint.h>
#include <pagoda/abi.h>
#include "kernel/base/list.h"
#include "kernel/base/sched.h"
#include "kernel/kobject.h"

struct proc;
struct trapframe;

struct uthread {
	struct kobject object;	    /* first: a struct kobject * is a struct uthread * */
	struct thread thread;	    /* thread.upper points back */
	bool stopped;		    /* (t) waits to be resumed; its registers are in its frame */
	bool leaving;		    /* (t) on its way out: cannot be killed or stopped any more */
	bool ended;		    /* (t) its stack is free */
	struct list_link proc_link; /* proc->threads, guarded by the process lock */
}; /* (t) thread_lock in thread.c; thread.stop_pending is guarded by it too */

/* thread_init: boot, once zones work. */
void thread_init(void);

/*
 * thread_create: a thread of p that will start in user mode with these registers, whose values
 * thread_regs_valid() has accepted.  One reference, the caller's.  It is a member of p but does not
 * run yet; stopped: nor will it after thread_start, until it is resumed.
 * 0; ENOMEM; ESRCH: p ends; EBUSY: p is being loaded.  No lock held; may sleep.
 */
int thread_create(struct proc *p, const struct thread_regs *regs, bool stopped,
		  struct uthread **out);
/* thread_start: let a created thread run. */
void thread_start(struct uthread *ut);

/* kthread_create: run fn(arg) in a kernel thread; it ends when fn returns.  False without memory. */
bool kthread_create(const char *name, uint8_t priority, void (*fn)(void *), void *arg);

static inline struct uthread *
thread_from_object(struct kobject *o)
{
	return (struct uthread *)o;
}

static inline void
thread_unref(struct uthread *ut)
{
	kobject_unref(&ut->object);
}

/* thread_exit: end the current thread, with all that hangs on it.  No lock held. */
_Noreturn void thread_exit(void);

/* thread_kill: ut ends at its next return to user mode or killable wait. */
void thread_kill(struct uthread *ut);

/* thread_wait: until ut has ended.  0, ETIMEDOUT, EINTR. */
int thread_wait(struct uthread *ut, uint64_t deadline);

/*
 * thread_stop: have ut stop at its next return to user mode, and wait until it has, or until it waits
 * for something inside a call: there it stays, and the call's result comes when it is resumed.
 * 0; ESRCH: it ends; EINTR: the caller is killed.  Not for the caller's own thread.
 * thread_resume: undo it; nothing happens if it is not stopped.
 */
int thread_stop(struct uthread *ut);
void thread_resume(struct uthread *ut);

/* thread_stop_here: the current thread was asked to stop: wait until resumed or killed. */
void thread_stop_here(void);

/* thread_count: user-thread structures alive. */
uint64_t thread_count(void);

/* ---- thread_regs.c ---- */

/* thread_regs_valid: may a user thread have these? */
bool thread_regs_valid(const struct thread_regs *regs);
/* thread_regs_load: give ut valid registers; it is new or stopped.  thread_regs_store: the reverse. */
void thread_regs_load(struct uthread *ut, const struct thread_regs *regs);
void thread_regs_store(const struct uthread *ut, struct thread_regs *regs);

/*
 * thread_look: call fn(ut, arg), if ut is stopped, also if it waits inside a call.
 * thread_change: likewise, but only if it has stopped on its way to user mode: its state is what it
 * will go on with.
 * ut stays so meanwhile.  The result of fn, which may not sleep, or EBUSY.
 */
typedef int thread_fn(struct uthread *ut, void *arg);
int thread_look(struct uthread *ut, thread_fn *fn, void *arg);
int thread_change(struct uthread *ut, thread_fn *fn, void *arg);

#endif
