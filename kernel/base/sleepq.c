/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleep queues.
 *
 * A channel is hashed to a bucket: a list of waiting threads, first come first, under a spinlock.
 * Threads with a deadline are also on one list ordered by it, under timeouts_lock.
 *
 *	buckets[hash(chan)] --> thread --> thread --> thread	(wait_link, wait_channel)
 *	timeouts --> thread --> thread				(timeout_link, wait_deadline)
 *
 * A thread's wait is a small machine; wait_state is its only truth and changes by compare-and-swap:
 *
 *	NONE --prepare--> PREPARED --wait--> SLEEPING or SLEEPING_KILLABLE
 *	                      |                  |                |
 *	                      +--------+---------+-------+--------+------- kill --> KILLED
 *	                               |                 |
 *	                             wake              expire
 *	                               v                 v
 *	                             WOKEN           TIMED_OUT
 *
 * Whoever moves it to one of the three ends, wake, expire or kill, has ended the wait, alone; the
 * others see that and look for somebody else.  So a wake-up meant for one thread is never spent on
 * one that has timed out.  If the wait was ended while SLEEPING, the same one calls sched_wakeup(),
 * and until then the thread stays where it is.  If it was ended while PREPARED, nobody touches the
 * thread any more: it finds out by itself when it gets to sleepq_wait.
 *
 * The step from PREPARED to SLEEPING is made under the scheduler lock, by sched_block(), in one
 * piece with the thread's leaving the processor; sched_wakeup() takes that lock too, and so never
 * meets a thread half asleep.
 *
 * Killing sets t->killed first and looks at wait_state then; a killable wait sets wait_state first
 * and looks at t->killed then.  Both are sequentially consistent, so one of them sees the other.
 *
 * A waker takes the thread off its bucket; a thread whose wait ended otherwise does that itself,
 * and it always takes itself off the timeouts.  Before it has, it cannot go on and disappear: a
 * thread found on a list is there.
 */
#include "kernel/base/sleepq.h"
#include "kernel/base/clock.h"
#include "kernel/base/debug.h"
#include "kernel/base/panic.h"
#include "kernel/base/sched.h"
#include "kernel/base/spinlock.h"

#define SLEEPQ_BUCKET_BITS 8
#define SLEEPQ_BUCKETS	   (1u << SLEEPQ_BUCKET_BITS)
#define SLEEPQ_HASH	   0x9e3779b97f4a7c15ull /* 2^64 divided by the golden ratio */

enum wait_state {
	WAIT_NONE,
	WAIT_PREPARED,
	WAIT_SLEEPING,
	WAIT_SLEEPING_KILLABLE,
	WAIT_WOKEN,
	WAIT_TIMED_OUT,
	WAIT_KILLED,
};

struct bucket {
	struct spinlock lock;
	struct list waiters; /* lock; head.next is NULL until the bucket is first used */
};

static struct bucket buckets[SLEEPQ_BUCKETS] = {
    [0 ... SLEEPQ_BUCKETS - 1] = {.lock = SPINLOCK_INITIALIZER("sleepq", LOCK_RANK_SLEEPQ)},
};

static struct spinlock timeouts_lock = SPINLOCK_INITIALIZER("timeouts", LOCK_RANK_TIMEOUT);
static struct list timeouts = LIST_INITIALIZER(timeouts); /* timeouts_lock */

/* bucket_lock: find and lock the bucket of chan. */
static struct bucket *
bucket_lock(const void *chan)
{
	uint64_t hash = (uint64_t)(uintptr_t)chan * SLEEPQ_HASH;
	uint64_t index = hash >> (64 - SLEEPQ_BUCKET_BITS);
	struct bucket *b = &buckets[index % debug_limit(SLEEPQ_BUCKETS, 2)];

	spinlock_lock(&b->lock);
	if (b->waiters.head.next == NULL)
		list_init(&b->waiters);
	return b;
}

static uint8_t
wait_state(const struct thread *t)
{
	return __atomic_load_n(&t->wait_state, __ATOMIC_ACQUIRE);
}

/* wait_change: one step of t's machine; false if it is not in `from`. */
static bool
wait_change(struct thread *t, uint8_t from, uint8_t to)
{
	return __atomic_compare_exchange_n(&t->wait_state, &from, to, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

/* wait_end: end t's wait with WAIT_WOKEN or WAIT_TIMED_OUT, unless it has ended. */
static bool
wait_end(struct thread *t, enum wait_state end)
{
	for (;;) {
		uint8_t s = wait_state(t);

		if (s >= WAIT_WOKEN)
			return false;
		if (!wait_change(t, s, (uint8_t)end))
			continue;
		if (s != WAIT_PREPARED)
			sched_wakeup(t);
		return true;
	}
}

void
sleepq_prepare(const void *chan, const char *why)
{
	struct thread *t = curthread();
	struct bucket *b;

	ASSERT(wait_state(t) == WAIT_NONE, "waits for %p \"%s\" already, now for %p \"%s\"",
	       t->wait_channel, t->wait_why, chan, why);
	b = bucket_lock(chan);
	t->wait_channel = chan;
	t->wait_why = why;
	__atomic_store_n(&t->wait_state, WAIT_PREPARED, __ATOMIC_RELAXED);
	list_push_back(&b->waiters, &t->wait_link);
	spinlock_unlock(&b->lock);
}

/* timeout_add: have t's wait end at deadline, which is set in t. */
static void
timeout_add(struct thread *t)
{
	struct list_link *pos;

	spinlock_lock(&timeouts_lock);
	for (pos = timeouts.head.prev; pos != &timeouts.head; pos = pos->prev) {
		if (container_of(pos, struct thread, timeout_link)->wait_deadline <=
		    t->wait_deadline)
			break;
	}
	list_insert_after(pos, &t->timeout_link);
	if (pos == &timeouts.head)
		clock_set_deadline(t->wait_deadline);
	spinlock_unlock(&timeouts_lock);
}

static void
timeout_remove(struct thread *t)
{
	spinlock_lock(&timeouts_lock);
	if (list_linked(&t->timeout_link))
		list_remove(&t->timeout_link);
	spinlock_unlock(&timeouts_lock);
}

/* wait_finish: leave the bucket if no waker has taken us off it, and be ready for the next wait.
 * Returns how the wait ended; WAIT_PREPARED if it has not. */
static enum wait_state
wait_finish(struct thread *t)
{
	enum wait_state end = wait_state(t);

	if (end != WAIT_WOKEN) {
		struct bucket *b = bucket_lock(t->wait_channel);

		if (list_linked(&t->wait_link))
			list_remove(&t->wait_link);
		spinlock_unlock(&b->lock);
		end = wait_state(t);
	}
	t->wait_channel = NULL;
	t->wait_why = NULL;
	__atomic_store_n(&t->wait_state, WAIT_NONE, __ATOMIC_RELAXED);
	return end;
}

void
sleepq_cancel(void)
{
	struct thread *t = curthread();
	const void *chan = t->wait_channel;

	ASSERT(wait_state(t) != WAIT_NONE, "nothing was prepared");
	if (wait_finish(t) == WAIT_WOKEN)
		sleepq_wake_one(chan);
}

/* wait_commit: go from prepared to sleeping; false if the wait has ended already.  Scheduler lock
 * held. */
static bool
wait_commit(struct thread *t)
{
	if (!(t->wait_flags & SLEEPQ_KILLABLE))
		return wait_change(t, WAIT_PREPARED, WAIT_SLEEPING);
	if (!wait_change(t, WAIT_PREPARED, WAIT_SLEEPING_KILLABLE))
		return false;
	if (!__atomic_load_n(&t->killed, __ATOMIC_SEQ_CST))
		return true;
	/* If this fails, somebody else has ended the wait and is about to call sched_wakeup. */
	return !wait_change(t, WAIT_SLEEPING_KILLABLE, WAIT_KILLED);
}

enum sleepq_result
sleepq_wait(uint64_t deadline, int flags)
{
	struct thread *t = curthread();

	lockorder_assert_sleepable("sleepq_wait");
	ASSERT(wait_state(t) != WAIT_NONE, "nothing was prepared");
	t->wait_flags = (uint8_t)flags;
	t->wait_deadline = deadline;
	if (deadline != SLEEPQ_FOREVER)
		timeout_add(t);
	sched_block(wait_commit);
	if (deadline != SLEEPQ_FOREVER)
		timeout_remove(t);
	switch (wait_finish(t)) {
	case WAIT_KILLED:
		return SLEEPQ_KILLED;
	case WAIT_TIMED_OUT:
		return SLEEPQ_TIMEOUT;
	default:
		return SLEEPQ_WOKEN;
	}
}

/* wake: wake at most max waiters of chan, in the order in which they came. */
static int
wake(const void *chan, int max)
{
	struct bucket *b = bucket_lock(chan);
	struct thread *t, *next;
	int woken = 0;

	list_for_each_entry_safe (t, next, &b->waiters, wait_link) {
		if (woken == max)
			break;
		if (t->wait_channel != chan || wait_state(t) >= WAIT_WOKEN)
			continue;
		list_remove(&t->wait_link);
		if (wait_end(t, WAIT_WOKEN))
			woken++;
	}
	spinlock_unlock(&b->lock);
	return woken;
}

int
sleepq_wake_one(const void *chan)
{
	return wake(chan, 1);
}

int
sleepq_wake_all(const void *chan)
{
	return wake(chan, INT32_MAX);
}

void
sleepq_expire(uint64_t now)
{
	struct thread *t;

	spinlock_lock(&timeouts_lock);
	while (!list_empty(&timeouts)) {
		t = list_first_entry(&timeouts, struct thread, timeout_link);
		if (t->wait_deadline > now)
			break;
		list_remove(&t->timeout_link);
		wait_end(t, WAIT_TIMED_OUT);
	}
	spinlock_unlock(&timeouts_lock);
}

uint64_t
sleepq_next_deadline(void)
{
	uint64_t deadline = SLEEPQ_FOREVER;

	spinlock_lock(&timeouts_lock);
	if (!list_empty(&timeouts))
		deadline = list_first_entry(&timeouts, struct thread, timeout_link)->wait_deadline;
	spinlock_unlock(&timeouts_lock);
	return deadline;
}

bool
sleepq_waits_killably(const struct thread *t)
{
	return __atomic_load_n(&t->wait_state, __ATOMIC_SEQ_CST) == WAIT_SLEEPING_KILLABLE;
}

void
sleepq_interrupt(struct thread *t)
{
	if (wait_change(t, WAIT_SLEEPING_KILLABLE, WAIT_KILLED))
		sched_wakeup(t);
}
