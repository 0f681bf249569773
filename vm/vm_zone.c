/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Slab allocation.
 *
 * A slab is one page: a header, then objects of one size.  The header has a bit for each object;
 * a slab of which some object is free is on its zone's list `partial`, others on `full`.
 *
 *	      per-CPU caches		      slabs
 *	      +-------------+   CACHE_MOVE    +--------+---------+---------+---------+
 *	alloc | o o o o . . | <------------>  | header | object  | (free)  | object  | ...
 *	free  +-------------+   at a time     +--------+---------+---------+---------+
 *	      preemption off    zone lock      ^ supplier: get, put; no lock held
 *
 * An object in a cache counts as taken in its slab.  The slab of an object is the page it lies in.
 * One empty slab is kept, so that a zone that goes up and down by one object does not bother its
 * supplier each time; further ones are given back.
 *
 * Debug builds fill free objects with a pattern, so a store to a freed object is found when it is
 * allocated again, a second free when the object reaches its slab or is still in this processor's
 * cache, and a free of something else by its place in the slab.
 */
#include <machine/cpu.h>
#include "kernel/base/compiler.h"
#include "kernel/base/debug.h"
#include "kernel/base/lockorder.h"
#include "kernel/base/panic.h"
#include "kernel/base/preempt.h"
#include "kernel/base/string.h"
#include "vm/pmap.h"
#include "vm/vm_page.h"
#include "vm/vm_zone.h"

#define CACHE_SIZE   debug_limit(VM_ZONE_CACHE, 1)
#define CACHE_MOVE   debug_limit(VM_ZONE_CACHE / 2, 1) /* objects moved to or from a cache at once */
#define OBJECT_ALIGN 16
#define BITS	     64
#define MAP_WORDS    4 /* 256 bits: enough for objects of OBJECT_ALIGN bytes */

struct slab {
	struct list_link link;	  /* (z) on its zone's list */
	struct vm_zone *zone;	  /* (c) */
	uint32_t in_use;	  /* (z) objects taken */
	uint32_t pfn;		  /* (c) which frame this is, if from the direct supplier */
	uint64_t free[MAP_WORDS]; /* (z) bit i: object i is free */
};				  /* (z) the zone's lock  (c) constant */

_Static_assert(sizeof(struct slab) == 64, "an object of two cache lines does not straddle three");

static struct spinlock zones_lock = SPINLOCK_INITIALIZER("zones", LOCK_RANK_ZONE);
static struct list zones = LIST_INITIALIZER(zones); /* only ever appended to, under zones_lock */

static const struct vm_zone_supplier *kmem_supplier;

/* The direct supplier: frames, where the direct map shows them. */

static void *
direct_get(int flags)
{
	struct vm_page *m = vm_page_alloc_noobj(0);
	struct slab *s;

	(void)flags;
	if (m == NULL)
		return NULL;
	m->flags = VM_PAGE_UNMANAGED;
	s = pmap_page_address(m);
	s->pfn = (uint32_t)atop(vm_page_to_phys(m));
	return s;
}

static void
direct_put(void *p)
{
	struct slab *s = p;

	vm_page_free_noobj(vm_page_from_phys(ptoa(s->pfn)));
}

const struct vm_zone_supplier vm_zone_direct = {
    .name = "direct map",
    .get = direct_get,
    .put = direct_put,
    .direct = true,
};

void
vm_zone_register_kmem(const struct vm_zone_supplier *s)
{
	kmem_supplier = s;
}

static const struct vm_zone_supplier *
zone_supplier(const struct vm_zone *z)
{
	const struct vm_zone_supplier *s = z->supplier != NULL ? z->supplier : kmem_supplier;

	VERIFY(s != NULL, "zone %s is used before kmem_map exists", z->name);
	return s;
}

/* assert_allowed: a zone that is fed from kmem_map may not be used with VM locks held. */
static void
assert_allowed(const struct vm_zone *z)
{
	if (z->supplier == NULL || !z->supplier->direct)
		assert_may_kmem(z->name);
}

/* Poison. */

#ifdef CONFIG_DEBUG

#define POISON_WORD 0xdeadf4eedeadf4eeull
#ifdef CONFIG_POISON
#define POISON_MAX PAGE_SIZE
#else
#define POISON_MAX (debug_switches.poison ? PAGE_SIZE : 64) /* 64 finds most, and costs little */
#endif

static size_t
poison_words(const struct vm_zone *z)
{
	return (z->size < POISON_MAX ? z->size : POISON_MAX) / sizeof(uint64_t);
}

static void
poison(const struct vm_zone *z, void *p)
{
	uint64_t *w = p;

	for (size_t i = 0; i < poison_words(z); i++)
		w[i] = POISON_WORD;
}

static void
assert_poisoned(const struct vm_zone *z, const void *p)
{
	const uint64_t *w = p;

	for (size_t i = 0; i < poison_words(z); i++)
		VERIFY(w[i] == POISON_WORD, "zone %s: free object %p was written to at +%zu: %#zx",
		       z->name, p, i * sizeof(*w), (size_t)w[i]);
}

#else

static void
poison(const struct vm_zone *z, void *p)
{
	(void)z, (void)p;
}

static void
assert_poisoned(const struct vm_zone *z, const void *p)
{
	(void)z, (void)p;
}

#endif

/* Slabs. */

static struct slab *
slab_of(const void *p)
{
	return (struct slab *)trunc_page((uintptr_t)p);
}

static void *
slab_object(struct slab *s, unsigned i)
{
	return (char *)(s + 1) + i * s->zone->size;
}

/* slab_index: the number of object p; panics unless it is one of z's. */
static unsigned
slab_index(const struct vm_zone *z, const struct slab *s, const void *p)
{
	size_t offset = (size_t)((const char *)p - (const char *)(s + 1));

	ASSERT(s->zone == z && offset % z->size == 0 && offset / z->size < z->per_slab,
	       "%p is no object of zone %s", p, z->name);
	return (unsigned)(offset / z->size);
}

/* slab_create: a page from the supplier, all of whose objects are free; NULL without memory. */
static struct slab *
slab_create(struct vm_zone *z, int flags)
{
	struct slab *s = zone_supplier(z)->get(flags);

	if (s == NULL)
		return NULL;
	s->zone = z;
	s->in_use = 0;
	memset(s->free, 0, sizeof(s->free));
	for (unsigned i = 0; i < z->per_slab; i++) {
		s->free[i / BITS] |= 1ull << (i % BITS);
		poison(z, slab_object(s, i));
	}
	return s;
}

/* slab_take: a free object of s, which has one.  Zone locked. */
static void *
slab_take(struct vm_zone *z, struct slab *s)
{
	unsigned w = 0, bit;

	while (s->free[w] == 0)
		w++;
	bit = (unsigned)__builtin_ctzll(s->free[w]);
	s->free[w] &= ~(1ull << bit);
	if (s->in_use++ == 0)
		z->empty--;
	if (s->in_use == z->per_slab) {
		list_remove(&s->link);
		list_push_back(&z->full, &s->link);
	}
	z->in_use++;
	return slab_object(s, w * BITS + bit);
}

/* slab_put: p is free again.  An empty slab goes to the end of the list, to be used last; one that
 * nobody needs goes to `surplus`.  Zone locked. */
static void
slab_put(struct vm_zone *z, void *p, struct list *surplus)
{
	struct slab *s = slab_of(p);
	unsigned i = slab_index(z, s, p);

	VERIFY((s->free[i / BITS] >> (i % BITS) & 1) == 0, "zone %s: %p is freed twice", z->name,
	       p);
	s->free[i / BITS] |= 1ull << (i % BITS);
	z->in_use--;
	s->in_use--;
	list_remove(&s->link);
	if (s->in_use != 0) {
		list_push_front(&z->partial, &s->link);
	} else if (z->empty == 0) {
		z->empty++;
		list_push_back(&z->partial, &s->link);
	} else {
		z->slabs--;
		list_push_back(surplus, &s->link);
	}
}

/* release: give slabs back to the supplier.  No zone locked. */
static void
release(struct vm_zone *z, struct list *surplus)
{
	struct list_link *e;

	while ((e = list_pop_front(surplus)) != NULL)
		zone_supplier(z)->put(container_of(e, struct slab, link));
}

/* Caches. */

static inline void *
cache_pop(struct vm_zone_cache *c)
{
	COUNT_ADD(c->count, -1);
	return c->object[c->count];
}

static inline void
cache_push(struct vm_zone_cache *c, void *p)
{
	c->object[c->count] = p;
	COUNT_ADD(c->count, 1);
}

/* cache_refill: move some objects from the slabs to this processor's cache and return one more;
 * NULL if no slab has a free object.  The cache may have been filled by others since it was found
 * empty: then one of its objects will do. */
static void *
cache_refill(struct vm_zone *z)
{
	struct vm_zone_cache *c;
	void *p = NULL;

	spinlock_lock(&z->lock);
	c = &z->cache[cpu_id()];
	if (c->count != 0)
		p = cache_pop(c);
	while (c->count < CACHE_MOVE && !list_empty(&z->partial)) {
		if (p != NULL)
			cache_push(c, p);
		p = slab_take(z, list_first_entry(&z->partial, struct slab, link));
	}
	spinlock_unlock(&z->lock);
	return p;
}

/* zone_grow: add a slab; false without memory. */
static bool
zone_grow(struct vm_zone *z, int flags)
{
	struct slab *s = slab_create(z, flags);

	if (s == NULL)
		return false;
	spinlock_lock(&z->lock);
	list_push_back(&z->partial, &s->link);
	z->empty++;
	z->slabs++;
	spinlock_unlock(&z->lock);
	return true;
}

static void *
cache_take(struct vm_zone *z)
{
	struct vm_zone_cache *c;
	void *p = NULL;

	preempt_enter();
	c = &z->cache[cpu_id()];
	if (c->count != 0)
		p = cache_pop(c);
	preempt_exit();
	return p;
}

/* cache_drain: move all but the first `keep` objects back to the slabs.  Preemption off. */
static void
cache_drain(struct vm_zone *z, struct vm_zone_cache *c, uint32_t keep, struct list *surplus)
{
	spinlock_lock(&z->lock);
	while (c->count > keep)
		slab_put(z, cache_pop(c), surplus);
	spinlock_unlock(&z->lock);
}

static void
assert_not_cached(const struct vm_zone *z, const struct vm_zone_cache *c, const void *p)
{
	for (uint32_t i = 0; i < c->count; i++)
		ASSERT(c->object[i] != p, "zone %s: %p is freed twice", z->name, p);
	(void)z, (void)p;
}

void
vm_zone_init(struct vm_zone *z, const char *name, size_t size,
	     const struct vm_zone_supplier *supplier)
{
	*z = (struct vm_zone){
	    .name = name,
	    .size = (size + OBJECT_ALIGN - 1) & ~(size_t)(OBJECT_ALIGN - 1),
	    .supplier = supplier,
	};
	VERIFY(size != 0 && z->size <= PAGE_SIZE - sizeof(struct slab), "zone %s: size %zu", name,
	       size);
	z->per_slab = (unsigned)((PAGE_SIZE - sizeof(struct slab)) / z->size);
	spinlock_init(&z->lock, name, LOCK_RANK_ZONE);
	list_init(&z->partial);
	list_init(&z->full);
	spinlock_lock(&zones_lock);
	list_push_back(&zones, &z->all);
	spinlock_unlock(&zones_lock);
}

void *
vm_zone_alloc(struct vm_zone *z, int flags)
{
	void *p;

	assert_allowed(z);
	if (debug_alloc_fails())
		return NULL;
	p = cache_take(z);
	while (p == NULL) {
		p = cache_refill(z);
		if (p == NULL && !zone_grow(z, flags))
			return NULL;
	}
	assert_poisoned(z, p);
	if ((flags & VM_ZONE_ZERO) != 0)
		memset(p, 0, z->size);
	return p;
}

void
vm_zone_free(struct vm_zone *z, void *p)
{
	struct list surplus = LIST_INITIALIZER(surplus);
	struct vm_zone_cache *c;

	assert_allowed(z);
	(void)slab_index(z, slab_of(p), p);
	poison(z, p);
	preempt_enter();
	c = &z->cache[cpu_id()];
	assert_not_cached(z, c, p);
	if (c->count == CACHE_SIZE)
		cache_drain(z, c, CACHE_SIZE - CACHE_MOVE, &surplus);
	cache_push(c, p);
	preempt_exit();
	release(z, &surplus);
}

void
vm_zone_drain(struct vm_zone *z)
{
	struct list surplus = LIST_INITIALIZER(surplus);
	struct slab *s;

	assert_allowed(z);
	preempt_enter();
	cache_drain(z, &z->cache[cpu_id()], 0, &surplus);
	preempt_exit();
	spinlock_lock(&z->lock);
	while (z->empty != 0) {
		s = container_of(z->partial.head.prev, struct slab, link);
		list_remove(&s->link);
		list_push_back(&surplus, &s->link);
		z->empty--;
		z->slabs--;
	}
	spinlock_unlock(&z->lock);
	release(z, &surplus);
}

uint64_t
vm_zone_in_use(struct vm_zone *z)
{
	uint64_t n;

	spinlock_lock(&z->lock);
	n = z->in_use;
	for (unsigned i = 0; i < MACHINE_MAX_CPUS; i++)
		n -= __atomic_load_n(&z->cache[i].count, __ATOMIC_RELAXED);
	spinlock_unlock(&z->lock);
	return n;
}

void
vm_zone_for_each(void (*fn)(struct vm_zone *z, void *arg), void *arg)
{
	struct vm_zone *z;

	list_for_each_entry (z, &zones, all) {
		fn(z, arg);
	}
}
