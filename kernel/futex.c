/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Futexes.
 *
 * Who waits puts itself on a list that is chosen by the word's identity, then compares the word, then
 * sleeps until somebody has taken it off the list.  As it is on the list before it compares, a store
 * and a wake-up that come after the comparison find it there.
 *
 * The identity of a word is that of the memory: (object, offset) where a mapping is shared, so that
 * processes with different addresses for it meet; else (space, address), which stays the same when a
 * copy-on-write changes the page underneath.  Objects are named by their identity, which a split at a
 * fork leaves alone.
 */
#include <machine/copy.h>
#include <pagoda/errno.h>
#include "kernel/base/debug.h"
#include "kernel/base/list.h"
#include "kernel/base/panic.h"
#include "kernel/base/sleepq.h"
#include "kernel/base/spinlock.h"
#include "kernel/futex.h"
#include "kernel/proc.h"
#include "kernel/target.h"
#include "vm/vm_object.h"
#include "vm/vmspace.h"

#define BUCKETS	    64
#define HASH_FACTOR 0x9e3779b97f4a7c15ull
#define HASH_SHIFT  58		       /* leaves as many bits as BUCKETS has */
#define WAKE_BATCH  debug_limit(16, 2) /* threads woken in one hold of the lock */

_Static_assert(BUCKETS == 1 << (64 - HASH_SHIFT), "the hash is an index");

struct futex_key {
	uint64_t what;	/* identity of the object, or the vmspace's address, which is larger */
	uint64_t where; /* offset or address */
};

struct futex_waiter {
	struct list_link link; /* (b) on its bucket while it waits */
	struct futex_key key;  /* (c) */
	uint64_t number;       /* (b) of those that have come to the bucket */
	bool woken;	       /* (b) taken off by a wake-up */
};			       /* (b) bucket lock  (c) constant */

static struct futex_bucket {
	struct spinlock lock;
	struct list waiters;  /* (b) as they came */
	uint64_t last_number; /* (b) */
} buckets[BUCKETS];

void
futex_init(void)
{
	for (unsigned i = 0; i < BUCKETS; i++) {
		spinlock_init(&buckets[i].lock, "futex", LOCK_RANK_PROC_LIST);
		list_init(&buckets[i].waiters);
	}
}

static struct futex_bucket *
bucket_of(const struct futex_key *key)
{
	uint64_t h = (key->what ^ key->where) * HASH_FACTOR;

	return &buckets[(h >> HASH_SHIFT) % debug_limit(BUCKETS, 2)];
}

static bool
key_equal(const struct futex_key *a, const struct futex_key *b)
{
	return a->what == b->what && a->where == b->where;
}

/* is_shared: do others see stores to this entry? */
static bool
is_shared(const struct vm_map_entry *e)
{
	return e->inheritance == VM_INHERIT_SHARE &&
	       (e->eflags & (VM_ENTRY_NEEDS_COPY | VM_ENTRY_GUARD)) == 0 && e->object != NULL;
}

/* find_key: the identity of the word at uaddr, and its value.  0 or EFAULT.  The read comes first: it
 * gives a shared range its object. */
static int
find_key(const uint32_t *uaddr, struct futex_key *key)
{
	vm_offset_t addr = (vm_offset_t)uaddr;
	struct vmspace *vm = curproc()->vmspace;
	vm_map_entry_t e;
	uint32_t value;

	if (!user_fetch32(uaddr, &value))
		return EFAULT;
	*key = (struct futex_key){(uintptr_t)vm, addr};
	vm_map_lock_read(&vm->vm_map);
	if (vm_map_lookup_entry(&vm->vm_map, addr, &e) && is_shared(e))
		*key = (struct futex_key){e->object->identity, e->offset + (addr - e->start)};
	vm_map_unlock_read(&vm->vm_map);
	return 0;
}

/* leave: w waits no more; true if a wake-up had come. */
static bool
leave(struct futex_bucket *b, struct futex_waiter *w)
{
	bool woken;

	spinlock_lock(&b->lock);
	woken = w->woken;
	if (!woken)
		list_remove(&w->link);
	spinlock_unlock(&b->lock);
	return woken;
}

/* sleep_until_woken: or until the deadline, or killed. */
static enum sleepq_result
sleep_until_woken(struct futex_bucket *b, struct futex_waiter *w, uint64_t deadline)
{
	enum sleepq_result result = SLEEPQ_WOKEN;

	spinlock_lock(&b->lock);
	while (!w->woken && result == SLEEPQ_WOKEN) {
		sleepq_prepare(w, "futex");
		spinlock_unlock(&b->lock);
		result = sleepq_wait(deadline, SLEEPQ_KILLABLE);
		spinlock_lock(&b->lock);
	}
	spinlock_unlock(&b->lock);
	return result;
}

int
futex_wait(const uint32_t *uaddr, uint32_t expected, uint64_t deadline)
{
	struct futex_waiter w = {.woken = false};
	enum sleepq_result result = SLEEPQ_WOKEN;
	struct futex_bucket *b;
	uint32_t value = expected;
	bool readable;
	int error = find_key(uaddr, &w.key);

	if (error != 0)
		return error;
	b = bucket_of(&w.key);
	spinlock_lock(&b->lock);
	w.number = ++b->last_number;
	list_push_back(&b->waiters, &w.link);
	spinlock_unlock(&b->lock);
	readable = user_fetch32(uaddr, &value);
	if (readable && value == expected)
		result = sleep_until_woken(b, &w, deadline);
	if (leave(b, &w))
		return 0;
	if (!readable)
		return EFAULT;
	if (value != expected)
		return EAGAIN;
	return result == SLEEPQ_TIMEOUT ? ETIMEDOUT : EINTR;
}

/* What a wake-up is to do. */
struct wake {
	struct futex_key key;
	uint64_t left;	/* so many more */
	uint64_t woken; /* so many were */
	uint64_t last;	/* number of the last that had come before; 0: not looked yet */
};

/* wake_batch: wake some of them; false if there are no more to wake. */
static bool
wake_batch(struct futex_bucket *b, struct wake *wake)
{
	struct futex_waiter *w, *next;
	unsigned budget = WAKE_BATCH;

	spinlock_lock(&b->lock);
	if (wake->last == 0)
		wake->last = b->last_number;
	list_for_each_entry_safe (w, next, &b->waiters, link) {
		if (wake->left == 0 || w->number > wake->last || budget == 0)
			break;
		if (!key_equal(&w->key, &wake->key))
			continue;
		list_remove(&w->link);
		w->woken = true;
		sleepq_wake_one(w);
		wake->left--;
		wake->woken++;
		budget--;
	}
	spinlock_unlock(&b->lock);
	return budget == 0;
}

int
futex_wake(const uint32_t *uaddr, uint64_t n, int64_t *woken)
{
	struct wake wake = {.left = n};
	struct futex_bucket *b;
	int error = find_key(uaddr, &wake.key);

	*woken = 0;
	if (error != 0)
		return error;
	b = bucket_of(&wake.key);
	while (wake_batch(b, &wake))
		;
	*woken = (int64_t)wake.woken;
	return 0;
}
