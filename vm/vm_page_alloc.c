/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Single frames, quickly: the layer between those who need a page and the buddies.
 *
 *	vm_page_alloc_noobj(0)  ---> this processor's cache <--- CACHE_MOVE at a time ---> buddies
 *	vm_page_alloc_noobj(ZERO) -> pool of zeroed frames  <--- vm_page_zero_idle() <---- buddies
 *
 * Page tables that come back are zero already and go to the pool.  Each falls back on the other when
 * it is empty.  A frame in a cache or in the pool is free: it
 * counts as such and its vm_page says so.
 *
 * While memory is short, freed frames bypass the caches, so that whoever waits for one finds it, on
 * whatever processor it runs.  Who must wait also calls the idle processors, which give back what is in
 * their caches; a busy one keeps its few.
 */
#include <machine/cpu.h>
#include "kernel/base/clock.h"
#include "kernel/base/compiler.h"
#include "kernel/base/debug.h"
#include "kernel/base/lockorder.h"
#include "kernel/base/panic.h"
#include "kernel/base/preempt.h"
#include "kernel/base/sleepq.h"
#include "kernel/base/spinlock.h"
#include "vm/pmap.h"
#include "vm/vm_page.h"
#include "vm/vm_page_poison.h"
#include "vm/vm_phys.h"

#define CACHE_SIZE    64 /* frames in a cache */
#define CACHE_LIMIT   debug_limit(CACHE_SIZE, 1)
#define CACHE_MOVE    debug_limit(CACHE_SIZE / 2, 1) /* frames moved to or from a cache at once */
#define POOL_SIZE     64			     /* zeroed frames kept */
#define POOL_LIMIT    debug_limit(POOL_SIZE, 1)
#define SHORT_FRAMES  (4 * VM_PAGE_RESERVE) /* fewer frames in the buddies: memory is short */
#define WAIT_NS	      (100 * NS_PER_MS)
/* With so many frames in the buddies whatever one attempt needs is there: a page, the tables above
 * it, a slab or two.  With fewer, who failed would fail again. */
#define ENOUGH_FRAMES (VM_PAGE_RESERVE + 16)

struct frame_cache {
	struct vm_page *chain;		     /* (p) */
	uint32_t count;			     /* (p) */
} __attribute__((aligned(CACHE_LINE_SIZE))); /* (p) its processor, preemption off */

static struct frame_cache caches[MACHINE_MAX_CPUS];

static struct { /* (z) guarded by lock */
	struct spinlock lock;
	uint32_t count;			  /* (z) */
	uint32_t being_zeroed;		  /* (z) frames on their way in: free as well */
	struct vm_page *frame[POOL_SIZE]; /* (z) */
} pool = {
    .lock = SPINLOCK_INITIALIZER("zeroed pages", LOCK_RANK_PHYS),
};

/* Threads in vm_page_wait(); its address is what they wait for.  Atomic. */
static uint32_t waiters;

static bool
memory_is_short(void)
{
	return vm_phys_free_frames() < SHORT_FRAMES ||
	       __atomic_load_n(&waiters, __ATOMIC_RELAXED) != 0;
}

/* cache_refill: a few frames from the buddies; of the reserve only the one that is asked for. */
static SLOWPATH void
cache_refill(struct frame_cache *c, int req)
{
	unsigned n = vm_phys_take_frames(&c->chain, CACHE_MOVE, req & ~VM_ALLOC_RESERVE);

	if (n == 0 && (req & VM_ALLOC_RESERVE) != 0)
		n = vm_phys_take_frames(&c->chain, 1, req);
	__atomic_store_n(&c->count, n, __ATOMIC_RELAXED);
}

/* cache_pop: a frame of c, or NULL.  Preemption off. */
static inline struct vm_page *
cache_pop(struct frame_cache *c)
{
	struct vm_page *m = c->chain;

	if (m != NULL) {
		c->chain = vm_page_chain_next(m);
		COUNT_ADD(c->count, -1);
	}
	return m;
}

/* cache_take: a free frame that is not known to be zero, or NULL. */
static inline struct vm_page *
cache_take(int req)
{
	struct frame_cache *c;
	struct vm_page *m;

	preempt_enter();
	c = &caches[cpu_id()];
	if (__builtin_expect(c->chain == NULL, 0))
		cache_refill(c, req);
	m = cache_pop(c);
	preempt_exit();
	if (m != NULL)
		vm_page_check_poison(m);
	return m;
}

/* cache_drain: all but `keep` frames go back to the buddies. */
static void
cache_drain(struct frame_cache *c, uint32_t keep)
{
	struct vm_page *surplus = NULL;

	while (c->count > keep)
		vm_page_chain_push(&surplus, cache_pop(c));
	vm_phys_return_frames(surplus);
}

static void
cache_put(struct vm_page *m)
{
	struct frame_cache *c;

	preempt_enter();
	c = &caches[cpu_id()];
	if (c->count == CACHE_LIMIT)
		cache_drain(c, CACHE_LIMIT - CACHE_MOVE);
	vm_page_chain_push(&c->chain, m);
	COUNT_ADD(c->count, 1);
	if (memory_is_short())
		cache_drain(c, 0);
	preempt_exit();
	vm_page_wake_waiters();
}

/* pool_take: a zeroed frame, or NULL. */
static __attribute__((noinline)) struct vm_page *
pool_take(void)
{
	struct vm_page *m = NULL;

	spinlock_lock(&pool.lock);
	if (pool.count != 0) {
		COUNT_ADD(pool.count, -1);
		m = pool.frame[pool.count];
	}
	spinlock_unlock(&pool.lock);
	if (m != NULL)
		vm_page_check_zero(m);
	return m;
}

static bool
pool_has_some(void)
{
	return __atomic_load_n(&pool.count, __ATOMIC_RELAXED) != 0;
}

static inline struct vm_page *
alloc_zeroed(int req)
{
	struct vm_page *m = pool_has_some() ? pool_take() : NULL;

	if (m != NULL)
		return m;
	m = cache_take(req);
	if (m != NULL)
		pmap_zero_page(m);
	return m;
}

static inline struct vm_page *
alloc_any(int req)
{
	struct vm_page *m = cache_take(req);

	return m != NULL ? m : pool_take();
}

struct vm_page *
vm_page_alloc_noobj(int req)
{
	struct vm_page *m;

	if (debug_alloc_fails())
		return NULL;
	m = (req & VM_ALLOC_ZERO) != 0 ? alloc_zeroed(req) : alloc_any(req);
	if (m != NULL)
		vm_page_init(m, req);
	return m;
}

/* end_use: m, which is free from now on, is used no more. */
static inline void
end_use(struct vm_page *m)
{
	ASSERT(m->state == VM_PAGE_STATE_USED, "frame %#zx is freed twice (state %u)",
	       (size_t)vm_page_to_phys(m), m->state);
	ASSERT(m->object == NULL && m->pv_pmap == NULL, "freed frame %#zx: object %p pmap %p",
	       (size_t)vm_page_to_phys(m), (void *)m->object, (void *)m->pv_pmap);
	ASSERT((m->flags & VM_PAGE_FIXED) == 0, "frame %#zx belongs to the boot",
	       (size_t)vm_page_to_phys(m));
	m->state = VM_PAGE_STATE_FREE;
}

void
vm_page_free_noobj(struct vm_page *m)
{
	end_use(m);
	vm_page_poison(m);
	cache_put(m);
}

/* pool_room: may one more frame be zeroed?  Lock held. */
static bool
pool_room(void)
{
	return pool.count + pool.being_zeroed < POOL_LIMIT;
}

/* pool_put: m, which is zero, goes to where there is room.  Lock held. */
static void
pool_put(struct vm_page *m)
{
	pool.frame[pool.count] = m;
	COUNT_ADD(pool.count, 1);
}

void
vm_page_free_zeroed(struct vm_page *m)
{
	bool room = false;

	vm_page_check_zero(m);
	if (memory_is_short()) {
		vm_page_free_noobj(m);
		return;
	}
	end_use(m);
	spinlock_lock(&pool.lock);
	room = pool_room();
	if (room)
		pool_put(m);
	spinlock_unlock(&pool.lock);
	if (!room) {
		vm_page_poison(m);
		cache_put(m);
	}
}

/* pool_begin: a frame to be zeroed, with a place kept for it; NULL if the pool needs none.
 * Nobody else runs here until it is counted as being zeroed, lest a reader of the counts miss it. */
static struct vm_page *
pool_begin(void)
{
	struct vm_page *m;
	bool room;

	preempt_enter();
	m = cache_take(0);
	spinlock_lock(&pool.lock);
	room = m != NULL && pool_room();
	pool.being_zeroed += room;
	spinlock_unlock(&pool.lock);
	if (m != NULL && !room)
		cache_put(m);
	preempt_exit();
	return room ? m : NULL;
}

/* pool_end: m is zeroed now; true if there is room for another one. */
static bool
pool_end(struct vm_page *m)
{
	bool room;

	spinlock_lock(&pool.lock);
	pool.being_zeroed--;
	pool_put(m);
	room = pool_room();
	spinlock_unlock(&pool.lock);
	return room;
}

/* give_back: what this processor has in store, for others who wait.  If it has nothing they are left
 * asleep: each time they are woken counts. */
static void
give_back(void)
{
	struct frame_cache *c;
	bool some;

	preempt_enter();
	c = &caches[cpu_id()];
	some = c->count != 0;
	if (some)
		cache_drain(c, 0);
	preempt_exit();
	if (some)
		vm_page_wake_waiters();
}

bool
vm_page_zero_idle(void)
{
	struct vm_page *m;

	if (memory_is_short()) {
		give_back();
		return false;
	}
	m = pool_begin();
	if (m == NULL)
		return false;
	pmap_zero_page(m);
	return pool_end(m);
}

void
vm_page_wake_waiters(void)
{
	if (__atomic_load_n(&waiters, __ATOMIC_SEQ_CST) != 0)
		sleepq_wake_all(&waiters);
}

/* call_idle: the other processors look whether they have something to do: those that have not will
 * call vm_page_zero_idle(), and find that memory is short. */
static void
call_idle(void)
{
	bool irqs = cpu_irq_save();

	for (uint32_t id = 0; id < cpu_count(); id++) {
		if (id != cpu_id())
			cpu_reschedule(id);
	}
	cpu_irq_restore(irqs);
}

/* wait_for_frames: until frames were freed, or a short time. */
static enum sleepq_result
wait_for_frames(const char *why, int sleep_flags)
{
	enum sleepq_result result = SLEEPQ_WOKEN;

	assert_may_fault("vm_page_wait");
	__atomic_add_fetch(&waiters, 1, __ATOMIC_SEQ_CST);
	sleepq_prepare(&waiters, why);
	call_idle();
	if (vm_phys_free_frames() >= ENOUGH_FRAMES)
		sleepq_cancel();
	else
		result = sleepq_wait(clock_now() + WAIT_NS, sleep_flags);
	__atomic_sub_fetch(&waiters, 1, __ATOMIC_SEQ_CST);
	return result;
}

kern_return_t
vm_page_wait(const char *why)
{
	return wait_for_frames(why, SLEEPQ_KILLABLE) == SLEEPQ_KILLED ? KERN_ABORTED : KERN_SUCCESS;
}

void
vm_page_wait_surely(const char *why)
{
	(void)wait_for_frames(why, 0);
}

void
vm_page_get_counts(struct vm_page_counts *c)
{
	spinlock_lock(&pool.lock);
	c->zeroed = pool.count;
	c->free = vm_phys_free_frames() + pool.count + pool.being_zeroed;
	spinlock_unlock(&pool.lock);
	for (unsigned i = 0; i < MACHINE_MAX_CPUS; i++)
		c->free += __atomic_load_n(&caches[i].count, __ATOMIC_RELAXED);
	c->total = vm_phys_total_frames();
	c->reserve = VM_PAGE_RESERVE;
}
