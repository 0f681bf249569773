/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleep queues on the host: one mutex, one list of waiters, a condition variable for each processor.
 *
 * Time is virtual.  When every thread sleeps the clock jumps to the earliest deadline; when there
 * is none they would sleep for ever, and the test fails with a list of who waits for what.
 *
 * A waiter is on the list from sleepq_prepare() until somebody ends its wait; a thread that has
 * been prepared but does not sleep yet is only taken off the list.
 */
#include <stdio.h>
#include <string.h>
#include "model/pthreads.h"
#include "kernel/base/clock.h"
#include "kernel/base/lockorder.h"
#include "kernel/base/panic.h"
#include "kernel/base/sched.h"
#include "kernel/base/sleepq.h"
#include "model/kernel.h"
#include "model/thread.h"

enum {
	AWAKE,
	PREPARED,
	ASLEEP,
	ENDED
}; /* thread->wait_state */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t woken[MACHINE_MAX_CPUS] = {
    [0 ... MACHINE_MAX_CPUS - 1] = PTHREAD_COND_INITIALIZER,
};
static struct list waiting = LIST_INITIALIZER(waiting); /* lock; first come first */
static unsigned threads, sleeping; /* lock; how many there are, how many sleep */

/* end_wait: t, which is on the list, is to go on with this result.  Lock held. */
static void
end_wait(struct thread *t, enum sleepq_result result)
{
	list_remove(&t->wait_link);
	t->wait_channel = NULL;
	t->wait_result = result;
	if (t->wait_state == ASLEEP) {
		sleeping--;
		pthread_cond_signal(&woken[t->cpu]);
	}
	t->wait_state = ENDED;
}

static void
report_deadlock(void)
{
	struct thread *t;

	fprintf(stderr, "every thread sleeps, none with a deadline:\n");
	list_for_each_entry (t, &waiting, wait_link) {
		fprintf(stderr, "  %s waits for %p: %s\n", t->name, t->wait_channel, t->wait_why);
	}
	model_die("deadlock");
}

/* pass_time: nobody runs: let the clock jump to the first deadline.  Lock held. */
static void
pass_time(void)
{
	struct thread *t, *first = NULL;

	list_for_each_entry (t, &waiting, wait_link) {
		if (t->wait_deadline != SLEEPQ_FOREVER &&
		    (first == NULL || t->wait_deadline < first->wait_deadline))
			first = t;
	}
	if (first == NULL)
		report_deadlock();
	if (first->wait_deadline > clock_now())
		model_clock_set(first->wait_deadline);
	end_wait(first, SLEEPQ_TIMEOUT);
}

void
model_sleepq_thread_started(void)
{
	pthread_mutex_lock(&lock);
	threads++;
	pthread_mutex_unlock(&lock);
}

void
model_sleepq_thread_ended(void)
{
	pthread_mutex_lock(&lock);
	threads--;
	if (threads != 0 && sleeping == threads)
		pass_time();
	pthread_mutex_unlock(&lock);
}

bool
model_sleepq_is_asleep(struct thread *t)
{
	bool asleep;

	pthread_mutex_lock(&lock);
	asleep = t->wait_state == ASLEEP;
	pthread_mutex_unlock(&lock);
	return asleep;
}

void
sleepq_prepare(const void *chan, const char *why)
{
	struct thread *t = curthread();

	pthread_mutex_lock(&lock);
	VERIFY(t->wait_state == AWAKE, "%s: sleepq_prepare for %s, but it waits already: %s",
	       t->name, why, t->wait_why);
	t->wait_state = PREPARED;
	t->wait_channel = chan;
	t->wait_why = why;
	t->wait_deadline = SLEEPQ_FOREVER;
	t->wait_flags = 0;
	list_push_back(&waiting, &t->wait_link);
	pthread_mutex_unlock(&lock);
}

void
sleepq_cancel(void)
{
	struct thread *t = curthread();

	pthread_mutex_lock(&lock);
	VERIFY(t->wait_state == PREPARED || t->wait_state == ENDED, "%s: nothing to cancel",
	       t->name);
	if (t->wait_state == PREPARED)
		end_wait(t, SLEEPQ_WOKEN);
	t->wait_state = AWAKE;
	pthread_mutex_unlock(&lock);
}

enum sleepq_result
sleepq_wait(uint64_t deadline, int flags)
{
	struct thread *t = curthread();
	enum sleepq_result result;

	lockorder_assert_sleepable("sleepq_wait");
	pthread_mutex_lock(&lock);
	VERIFY(t->wait_state == PREPARED || t->wait_state == ENDED, "%s: wait without prepare",
	       t->name);
	if (t->wait_state == PREPARED) {
		t->wait_deadline = deadline;
		t->wait_flags = (uint8_t)flags;
		if ((flags & SLEEPQ_KILLABLE) != 0 && t->killed)
			end_wait(t, SLEEPQ_KILLED);
		else if (deadline <= clock_now())
			end_wait(t, SLEEPQ_TIMEOUT);
	}
	if (t->wait_state == PREPARED) {
		t->wait_state = ASLEEP;
		if (++sleeping == threads)
			pass_time();
	}
	while (t->wait_state == ASLEEP)
		pthread_cond_wait(&woken[t->cpu], &lock);
	t->wait_state = AWAKE;
	result = t->wait_result;
	pthread_mutex_unlock(&lock);
	return result;
}

/* wake: end the waits of up to `most` waiters of chan; how many there were. */
static int
wake(const void *chan, int most)
{
	struct thread *t, *next;
	int n = 0;

	pthread_mutex_lock(&lock);
	list_for_each_entry_safe (t, next, &waiting, wait_link) {
		if (n < most && t->wait_channel == chan) {
			end_wait(t, SLEEPQ_WOKEN);
			n++;
		}
	}
	pthread_mutex_unlock(&lock);
	return n;
}

int
sleepq_wake_one(const void *chan)
{
	return wake(chan, 1);
}

int
sleepq_wake_all(const void *chan)
{
	return wake(chan, MACHINE_MAX_CPUS);
}

void
sleepq_interrupt(struct thread *t)
{
	pthread_mutex_lock(&lock);
	if (t->wait_state == ASLEEP && (t->wait_flags & SLEEPQ_KILLABLE) != 0)
		end_wait(t, SLEEPQ_KILLED);
	pthread_mutex_unlock(&lock);
}
