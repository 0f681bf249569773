/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Making, stopping and ending threads.
 *
 * References on a struct uthread: one of its own, given back when the scheduler and the stack are
 * done with it (thread_reap), and one for each handle.  A user thread holds one on its process.
 *
 * Stopping.  thread.stop_pending, which entry.S looks at on each way back to user mode, is a wish;
 * `stopped` says that it came true.  Both change under thread_lock, and a stopped thread needs that
 * lock to go on, so whoever holds it may look at the registers of a stopped thread.  A thread that
 * sleeps inside a call while the wish stands counts as stopped too: it runs no user code.
 */
#include <pagoda/errno.h>
#include <machine/cpu.h>
#include <machine/fpu.h>
#include <machine/trapframe.h>
#include "kernel/base/clock.h"
#include "kernel/base/panic.h"
#include "kernel/base/sleepq.h"
#include "kernel/base/spinlock.h"
#include "kernel/base/string.h"
#include "kernel/proc.h"
#include "kernel/thread.h"
#include "vm/pmap.h"
#include "vm/vm_kern.h"
#include "vm/vm_malloc.h"
#include "vm/vm_zone.h"

#define STOP_POLL_NS NS_PER_MS
#define STILL_RUNS   (-1) /* no errno */

static struct spinlock thread_lock = SPINLOCK_INITIALIZER("threads", LOCK_RANK_PROC_LIST);
static struct vm_zone thread_zone;
static uint64_t last_id = SCHED_FIRST_FREE_ID - 1; /* (a) */
static uint64_t count;				   /* (a) user threads */

static uint64_t thread_object_id(const struct kobject *o);
static void thread_object_destroy(struct kobject *o);

static const struct kobject_ops thread_ops = {
    .type = HANDLE_TYPE_THREAD,
    .id = thread_object_id,
    .destroy = thread_object_destroy,
};

void
thread_init(void)
{
	vm_zone_init(&thread_zone, "thread", sizeof(struct uthread), NULL);
}

uint64_t
thread_count(void)
{
	return __atomic_load_n(&count, __ATOMIC_RELAXED);
}

/* ---- Life ---- */

static uint64_t
thread_object_id(const struct kobject *o)
{
	return ((const struct uthread *)o)->thread.id;
}

static void
thread_object_destroy(struct kobject *o)
{
	struct uthread *ut = thread_from_object(o);

	if (ut->thread.proc != NULL) {
		__atomic_fetch_sub(&count, 1, __ATOMIC_RELAXED);
		proc_unref(ut->thread.proc);
	}
	vm_zone_free(&thread_zone, ut);
}

/* The FPU state is aligned within a block that is larger by the alignment; what is before it holds
 * the block's address. */
static void *
fpu_alloc(void)
{
	size_t size = fpu_state_size() + FPU_STATE_ALIGN;
	char *block = kmalloc(size, 0), *state;

	if (block == NULL)
		return NULL;
	state = block + FPU_STATE_ALIGN - (uintptr_t)block % FPU_STATE_ALIGN;
	((void **)state)[-1] = block;
	fpu_state_init(state);
	return state;
}

static void
fpu_free(void *state)
{
	if (state != NULL)
		kfree(((void **)state)[-1], fpu_state_size() + FPU_STATE_ALIGN);
}

/* thread_alloc: a thread with a stack and no more; NULL without memory. */
static struct uthread *
thread_alloc(const char *name, uint8_t priority)
{
	struct uthread *ut = vm_zone_alloc(&thread_zone, VM_ZONE_ZERO);
	struct thread *t;

	if (ut == NULL)
		return NULL;
	t = &ut->thread;
	t->kstack_base = kstack_alloc();
	if (t->kstack_base == 0) {
		vm_zone_free(&thread_zone, ut);
		return NULL;
	}
	kobject_init(&ut->object, &thread_ops);
	t->kstack_top = t->kstack_base + KERNEL_STACK_SIZE;
	t->state = THREAD_EMBRYO;
	t->priority = priority;
	t->upper = ut;
	t->id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
	strlcpy(t->name, name, sizeof(t->name));
	return ut;
}

/* release_stack: everything but the structure. */
static void
release_stack(struct uthread *ut)
{
	struct thread *t = &ut->thread;

	kstack_free(t->kstack_base);
	fpu_free(t->fpu);
	t->kstack_base = t->kstack_top = 0;
	t->user_frame = NULL;
	t->fpu = NULL;
}

/* user_thread_entry: the first turn of a user thread. */
static void
user_thread_entry(void *arg)
{
	(void)arg;
	trapframe_enter_user();
}

/* prepare_user: what a user thread has beyond a stack; 0 or ENOMEM. */
static int
prepare_user(struct uthread *ut, struct proc *p, const struct thread_regs *regs)
{
	struct thread *t = &ut->thread;

	t->fpu = fpu_alloc();
	if (t->fpu == NULL)
		return ENOMEM;
	t->user_frame = (struct trapframe *)t->kstack_top - 1;
	trapframe_init_user(t->user_frame, regs->rip, regs->rsp);
	thread_regs_load(ut, regs);
	context_init(t, user_thread_entry, NULL);
	kobject_ref(&p->object);
	t->proc = p;
	__atomic_fetch_add(&count, 1, __ATOMIC_RELAXED);
	return 0;
}

int
thread_create(struct proc *p, const struct thread_regs *regs, bool stopped, struct uthread **out)
{
	struct uthread *ut = thread_alloc(p->name, SCHED_PRIO_DEFAULT);
	int error;

	if (ut == NULL)
		return ENOMEM;
	error = prepare_user(ut, p, regs);
	if (error == 0) {
		ut->stopped = ut->thread.stop_pending = stopped;
		error = proc_thread_add(ut);
	}
	if (error != 0) {
		release_stack(ut);
		thread_unref(ut);
		return error;
	}
	*out = ut;
	return 0;
}

void
thread_start(struct uthread *ut)
{
	kobject_ref(&ut->object);
	sched_start(&ut->thread);
}

/* What a kernel thread runs. */
struct kthread_start {
	void (*fn)(void *);
	void *arg;
};

static void
kthread_entry(void *arg)
{
	struct kthread_start start = *(struct kthread_start *)arg;

	kfree(arg, sizeof(start));
	start.fn(start.arg);
	thread_exit();
}

bool
kthread_create(const char *name, uint8_t priority, void (*fn)(void *), void *arg)
{
	struct kthread_start *start = kmalloc(sizeof(*start), 0);
	struct uthread *ut = start == NULL ? NULL : thread_alloc(name, priority);

	if (ut == NULL) {
		kfree(start, sizeof(*start));
		return false;
	}
	*start = (struct kthread_start){fn, arg};
	context_init(&ut->thread, kthread_entry, start);
	sched_start(&ut->thread);
	return true;
}

/* ---- End ---- */

/* thread_reap: the scheduler has left t's stack for ever; called by the reaper. */
static void
thread_reap(struct thread *t)
{
	struct uthread *ut = t->upper;

	release_stack(ut);
	spinlock_lock(&thread_lock);
	ut->ended = true;
	sleepq_wake_all(&ut->ended);
	spinlock_unlock(&thread_lock);
	if (t->proc != NULL)
		proc_thread_reaped(ut);
	thread_unref(ut);
}

/* leave_space: no user space is loaded for the current thread from here on. */
static void
leave_space(struct thread *t)
{
	bool irqs = cpu_irq_save();

	t->pmap = NULL;
	pmap_activate(kernel_pmap);
	cpu_irq_restore(irqs);
}

_Noreturn void
thread_exit(void)
{
	struct thread *t = curthread();
	struct uthread *ut = t->upper;

	assert_may_fault("the end of a thread");
	spinlock_lock(&thread_lock);
	ut->leaving = true;
	sleepq_wake_all(&ut->stopped);
	spinlock_unlock(&thread_lock);
	if (t->proc != NULL) {
		leave_space(t);
		proc_thread_leave(ut);
	}
	sched_exit(thread_reap);
}

void
thread_kill(struct uthread *ut)
{
	spinlock_lock(&thread_lock);
	if (!ut->leaving)
		sched_kill(&ut->thread);
	spinlock_unlock(&thread_lock);
}

int
thread_wait(struct uthread *ut, uint64_t deadline)
{
	enum sleepq_result result = SLEEPQ_WOKEN;

	spinlock_lock(&thread_lock);
	while (!ut->ended && result == SLEEPQ_WOKEN) {
		sleepq_prepare(&ut->ended, "thread");
		spinlock_unlock(&thread_lock);
		result = sleepq_wait(deadline, SLEEPQ_KILLABLE);
		spinlock_lock(&thread_lock);
	}
	if (ut->ended)
		result = SLEEPQ_WOKEN;
	spinlock_unlock(&thread_lock);
	if (result == SLEEPQ_WOKEN)
		return 0;
	return result == SLEEPQ_TIMEOUT ? ETIMEDOUT : EINTR;
}

/* ---- Stop and resume ---- */

/* is_stopped: will ut run no user code until it is resumed?  thread_lock held. */
static bool
is_stopped(const struct uthread *ut)
{
	return ut->stopped || (ut->thread.stop_pending && sleepq_waits_killably(&ut->thread));
}

int
thread_stop(struct uthread *ut)
{
	enum sleepq_result result = SLEEPQ_WOKEN;
	bool stopped;
	int error = 0;

	spinlock_lock(&thread_lock);
	for (;;) {
		ut->thread.stop_pending = true;
		sched_poke(&ut->thread);
		/* Asked once: who sleeps in a call may wake at any time, and stops when that returns. */
		stopped = is_stopped(ut);
		if (ut->leaving || stopped || result == SLEEPQ_KILLED)
			break;
		/* Who falls asleep inside a call tells nobody: look again after a while. */
		sleepq_prepare(&ut->stopped, "stop");
		spinlock_unlock(&thread_lock);
		result = sleepq_wait(clock_now() + STOP_POLL_NS, SLEEPQ_KILLABLE);
		spinlock_lock(&thread_lock);
	}
	if (ut->leaving)
		error = ESRCH;
	else if (!stopped)
		error = EINTR;
	spinlock_unlock(&thread_lock);
	return error;
}

void
thread_resume(struct uthread *ut)
{
	spinlock_lock(&thread_lock);
	ut->thread.stop_pending = false;
	ut->stopped = false;
	sleepq_wake_all(&ut->stopped);
	spinlock_unlock(&thread_lock);
}

void
thread_stop_here(void)
{
	struct uthread *ut = curthread()->upper;

	spinlock_lock(&thread_lock);
	while (ut->thread.stop_pending && !ut->thread.killed) {
		ut->stopped = true;
		sleepq_wake_all(&ut->stopped);
		sleepq_prepare(&ut->stopped, "stopped");
		spinlock_unlock(&thread_lock);
		sleepq_wait(SLEEPQ_FOREVER, SLEEPQ_KILLABLE);
		spinlock_lock(&thread_lock);
	}
	ut->stopped = false;
	spinlock_unlock(&thread_lock);
}

/* is_halted: likewise, and it is not inside a call that would go on with other registers. */
static bool
is_halted(const struct uthread *ut)
{
	return ut->stopped;
}

/* try_registers: fn, if ut is stopped and has left its processor, so that its registers are saved;
 * STILL_RUNS if it is only on its way, EBUSY if it is not. */
static int
try_registers(struct uthread *ut, bool (*stopped)(const struct uthread *), thread_fn *fn, void *arg)
{
	int error = EBUSY;

	spinlock_lock(&thread_lock);
	if (stopped(ut)) {
		error = STILL_RUNS;
		if (sched_hold(&ut->thread) != THREAD_RUNNING)
			error = fn(ut, arg);
		sched_release(&ut->thread);
	}
	spinlock_unlock(&thread_lock);
	return error;
}

static int
with_registers(struct uthread *ut, bool (*stopped)(const struct uthread *), thread_fn *fn,
	       void *arg)
{
	int error;

	while ((error = try_registers(ut, stopped, fn, arg)) == STILL_RUNS)
		cpu_spin_poll(0);
	return error;
}

int
thread_look(struct uthread *ut, thread_fn *fn, void *arg)
{
	return with_registers(ut, is_stopped, fn, arg);
}

int
thread_change(struct uthread *ut, thread_fn *fn, void *arg)
{
	return with_registers(ut, is_halted, fn, arg);
}
