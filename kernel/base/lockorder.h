/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lock-order checker of debug builds.
 *
 * Every lock has a rank; a thread may take a lock only if its rank is above all ranks it holds, or
 * equal where the rank allows several (objects: shadow before backing; user maps: parent before
 * child in fork).  A violation panics and names both places: where the held lock was taken, and
 * where the new one is.  The list of held locks lives in the thread; a spinlock keeps interrupts
 * off, so an interrupt's locks nest above the thread's.
 *
 *	sleeping locks		proc -> user map -> kernel_map or a submap -> object ->
 *	spinlocks		page queue -> page table -> pv -> pmap -> zone -> vm_phys -> sleepq -> sched -> print
 */
#ifndef KERNEL_BASE_LOCKORDER_H
#define KERNEL_BASE_LOCKORDER_H

#include <stdbool.h>
#include <stdint.h>

struct thread;

enum lock_rank {
	LOCK_RANK_PROC = 1,
	LOCK_RANK_MAP_USER,   /* several at once: fork */
	LOCK_RANK_MAP_KERNEL, /* kernel_map or one submap of it, never two */
	LOCK_RANK_OBJECT,     /* several at once: shadow before backing */
	/* Below this line: spinlocks. */
	LOCK_RANK_SPIN,
	LOCK_RANK_PROC_LIST = LOCK_RANK_SPIN, /* list of all processes, handle object states */
	LOCK_RANK_INPUT,		      /* what the terminal has sent */
	LOCK_RANK_CHARGE,
	LOCK_RANK_PAGE_QUEUE,
	LOCK_RANK_PAGE_TABLE, /* of level 1, never two */
	LOCK_RANK_PV,
	LOCK_RANK_PMAP,
	LOCK_RANK_ZONE,
	LOCK_RANK_PHYS,
	LOCK_RANK_THREADS, /* the list of all threads */
	LOCK_RANK_SLEEPQ,
	LOCK_RANK_TIMEOUT, /* the list of timed waits */
	LOCK_RANK_SCHED,   /* a run queue, never two */
	LOCK_RANK_TIMER,
	LOCK_RANK_TRACE,
	LOCK_RANK_PRINT,
};

#define LOCKORDER_MAX_HELD 16

/* What a thread holds: part of struct thread. */
struct lockorder {
	uint32_t count;
	struct lockorder_held {
		const void *lock;
		const char *name;
		uintptr_t pc;	 /* where it was taken */
		uint64_t since;	 /* of a spinlock: ns, when */
		bool waited_for; /* a spinlock that is not held yet */
		enum lock_rank rank;
	} held[LOCKORDER_MAX_HELD];
};

#ifdef CONFIG_DEBUG
/* lockorder_acquire: note a lock about to be waited for (call before waiting, so that a deadlock is
 * reported and not suffered).  pc is the place to name. */
void lockorder_acquire(const void *lock, const char *name, enum lock_rank rank, uintptr_t pc);
/* lockorder_taken: the spinlock last passed to lockorder_acquire() has been taken. */
void lockorder_taken(void);
/* lockorder_note: note a lock that was taken without waiting (trylock), so its order is free. */
void lockorder_note(const void *lock, const char *name, enum lock_rank rank, uintptr_t pc);
/* lockorder_release: forget a lock, in any order of release.  lockorder_unlocked: likewise a spinlock
 * that pc releases, and see how long it was held. */
void lockorder_release(const void *lock);
void lockorder_unlocked(const void *lock, uintptr_t pc);
/* lockorder_assert_none: panic if the current thread holds a lock of rank <= max; `what` names the
 * operation that must not be tried with it. */
void lockorder_assert_none(enum lock_rank max, const char *what);
/* lockorder_assert_sleepable: panic unless the current thread may sleep here. */
void lockorder_assert_sleepable(const char *what);
/* lockorder_print: what t, which does not go on, holds, for panic reports. */
void lockorder_print(const struct thread *t);
#else
static inline void
lockorder_acquire(const void *l, const char *n, enum lock_rank r, uintptr_t pc)
{
	(void)l, (void)n, (void)r, (void)pc;
}
static inline void
lockorder_note(const void *l, const char *n, enum lock_rank r, uintptr_t pc)
{
	(void)l, (void)n, (void)r, (void)pc;
}
static inline void
lockorder_taken(void)
{
}
static inline void
lockorder_release(const void *l)
{
	(void)l;
}
static inline void
lockorder_assert_none(enum lock_rank max, const char *what)
{
	(void)max, (void)what;
}
static inline void
lockorder_assert_sleepable(const char *what)
{
	(void)what;
}
static inline void
lockorder_print(const struct thread *t)
{
	(void)t;
}
#endif

#define LOCK_CALLER ((uintptr_t)__builtin_return_address(0))

/*
 * assert_may_fault: stands in copyin, copyout, pager calls and waits for memory or pages: no proc,
 * map, object or spin lock may be held there.
 */
#define assert_may_fault(what) lockorder_assert_none(LOCK_RANK_PRINT, (what))

/*
 * assert_may_kmem: stands in kmem_malloc and in zones fed from kmem_map: no map or object lock and
 * no spinlock may be held there (a proc lock may).
 */
#define assert_may_kmem(what) lockorder_assert_kmem(what)

#ifdef CONFIG_DEBUG
void lockorder_assert_kmem(const char *what);
#else
static inline void
lockorder_assert_kmem(const char *what)
{
	(void)what;
}
#endif

#endif
