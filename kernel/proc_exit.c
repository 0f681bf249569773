/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How processes end.
 *
 * proc_end() says that and why; it marks all threads and returns.  The rest happens on the threads'
 * own stacks (proc_thread_leave, from thread_exit), and on the reaper's (proc_thread_reaped):
 *
 *	proc_end:	state = ending, every thread is marked killed
 *	leave:		off the list; the last one takes the space and the handles down
 *	reaped:		the stack is free; after the last one the process is dead
 *
 * A process may be killed at any point of this and the marking is done once, so nothing is freed
 * twice; a thread that is about to be added finds the state and is refused.
 */
#include <pagoda/errno.h>
#include "kernel/base/panic.h"
#include "kernel/base/sched.h"
#include "kernel/base/sleepq.h"
#include "kernel/proc.h"
#include "kernel/thread.h"
#include "vm/vmspace.h"

/* become_dead: wake who waits for p.  p locked. */
static void
become_dead(struct proc *p)
{
	p->state = PROC_DEAD;
	proc_list_remove(p);
	sleepq_wake_all(&p->state);
}

void
proc_take_down(struct proc *p)
{
	struct vmspace *vm;

	mutex_lock(&p->lock);
	vm = p->vmspace;
	p->vmspace = NULL;
	mutex_unlock(&p->lock);
	vm_map_lock(&vm->vm_map);
	vm->vm_map.owner = NULL;
	vm_map_unlock(&vm->vm_map);
	vmspace_free(vm);
	handle_table_close(&p->handles);
}

/* begin_end: the first to say why p ends is right; mark its threads.  Returns the state before.
 * p locked. */
static enum proc_state
begin_end(struct proc *p, uint32_t how, int32_t value, uint64_t address)
{
	enum proc_state before = p->state;
	struct uthread *ut;

	if (before == PROC_ENDING || before == PROC_DEAD)
		return before;
	p->state = PROC_ENDING;
	p->status = (struct proc_status){.how = how, .value = value, .address = address};
	list_for_each_entry (ut, &p->threads, proc_link)
		sched_kill(&ut->thread);
	return before;
}

void
proc_end(struct proc *p, uint32_t how, int32_t value, uint64_t address)
{
	enum proc_state before;

	mutex_lock(&p->lock);
	before = begin_end(p, how, value, address);
	mutex_unlock(&p->lock);
	if (before != PROC_EMBRYO)
		return;
	proc_take_down(p);
	mutex_lock(&p->lock);
	become_dead(p);
	mutex_unlock(&p->lock);
}

int
proc_wait(struct proc *p, uint64_t deadline, struct proc_status *status)
{
	enum sleepq_result result = SLEEPQ_WOKEN;

	mutex_lock(&p->lock);
	while (p->state != PROC_DEAD && result == SLEEPQ_WOKEN) {
		sleepq_prepare(&p->state, "process");
		mutex_unlock(&p->lock);
		result = sleepq_wait(deadline, SLEEPQ_KILLABLE);
		mutex_lock(&p->lock);
	}
	if (p->state == PROC_DEAD) {
		*status = p->status;
		result = SLEEPQ_WOKEN;
	}
	mutex_unlock(&p->lock);
	if (result == SLEEPQ_WOKEN)
		return 0;
	return result == SLEEPQ_TIMEOUT ? ETIMEDOUT : EINTR;
}

int
proc_thread_add(struct uthread *ut)
{
	struct proc *p = ut->thread.proc;
	int error = ESRCH;

	mutex_lock(&p->lock);
	if (p->loading) {
		error = EBUSY; /* the space that it would run in may be exchanged for another one */
	} else if (p->state == PROC_EMBRYO || p->state == PROC_ALIVE) {
		p->state = PROC_ALIVE;
		p->live++;
		p->unreaped++;
		ut->thread.pmap = p->vmspace->vm_map.pmap;
		list_push_back(&p->threads, &ut->proc_link);
		error = 0;
	}
	mutex_unlock(&p->lock);
	return error;
}

void
proc_thread_leave(struct uthread *ut)
{
	struct proc *p = ut->thread.proc;
	bool last;

	mutex_lock(&p->lock);
	list_remove(&ut->proc_link);
	last = --p->live == 0;
	if (last)
		begin_end(p, PROC_EXITED, 0, 0);
	mutex_unlock(&p->lock);
	if (last)
		proc_take_down(p);
}

void
proc_thread_reaped(struct uthread *ut)
{
	struct proc *p = ut->thread.proc;

	mutex_lock(&p->lock);
	p->cpu_time += ut->thread.cpu_time;
	ASSERT(p->unreaped > p->live, "process %lu: %u stacks, %u threads", p->id, p->unreaped,
	       p->live);
	if (--p->unreaped == 0 && p->state == PROC_ENDING)
		become_dead(p);
	mutex_unlock(&p->lock);
}
