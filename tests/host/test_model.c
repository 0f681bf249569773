/* SPDX-License-Identifier: BSD-2-Clause */
/* The model itself: tests rest on it, so it has some of its own. */
#include <string.h>
#include "kernel/base/clock.h"
#include "kernel/base/mutex.h"
#include "kernel/base/preempt.h"
#include "kernel/base/rwlock.h"
#include "kernel/base/sleepq.h"
#include "kernel/base/spinlock.h"
#include "model/kernel.h"
#include "model/memory.h"
#include "model/memory_fixture.h"
#include "model/mmu.h"
#include "model/thread.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"

#define VA 0x40000ul

static struct vm_object object;

/* page_make: a managed page of an object that stays locked. */
static struct vm_page *
page_make(vm_pindex_t pindex)
{
	struct vm_page *m;

	if (object.size == 0) {
		rwlock_init(&object.lock, "object", LOCK_RANK_OBJECT);
		object.size = 16;
		rwlock_write(&object.lock);
	}
	m = vm_page_alloc(&object, pindex, VM_ALLOC_ZERO);
	vm_page_unbusy(m);
	return m;
}

static void
pages_unmake(void)
{
	struct vm_page *m;

	while ((m = vm_radix_lookup_ge(&object.pages, 0)) != NULL)
		vm_page_free(m);
	rwlock_write_unlock(&object.lock);
}

static bool
load(struct pmap *pmap, vm_offset_t va, uint8_t *value)
{
	return model_access(pmap, va, VM_PROT_READ, value);
}

static bool
store(struct pmap *pmap, vm_offset_t va, uint8_t value)
{
	return model_access(pmap, va, VM_PROT_WRITE, &value);
}

static void
access_bits(void **state)
{
	struct pmap *pmap = pmap_create();
	struct vm_page *m = page_make(0);
	struct pmap_mapping q;
	uint8_t value;

	(void)state;
	assert_false(load(pmap, VA, &value));
	check_kr(KERN_SUCCESS, pmap_enter(pmap, VA, m, VM_PROT_RW, 0));
	assert_true(pmap_query(pmap, VA, &q));
	assert_false(q.accessed || q.dirty);
	assert_true(load(pmap, VA + 5, &value));
	assert_true(pmap_query(pmap, VA, &q));
	assert_true(q.accessed && !q.dirty);
	assert_true(store(pmap, VA + 5, 9));
	assert_true(pmap_is_modified(m));
	assert_true(load(pmap, VA + 5, &value));
	check_u64(9, value);
	pmap_clear_modify(m);
	assert_false(pmap_is_modified(m));
	assert_true(store(pmap, VA + 5, 10));
	pmap_remove(pmap, VA, VA + PAGE_SIZE);
	check_u64(VM_PAGE_DIRTY | VM_PAGE_REFERENCED, m->aflags);
	assert_false(load(pmap, VA, &value));
	pmap_destroy(pmap);
	pages_unmake();
}

static void
rights(void **state)
{
	struct pmap *pmap = pmap_create();
	struct vm_page *m = page_make(0);
	uint8_t value;

	(void)state;
	check_kr(KERN_SUCCESS, pmap_enter(pmap, VA, m, VM_PROT_READ, 0));
	assert_true(load(pmap, VA, &value));
	assert_false(store(pmap, VA, 1));
	assert_false(model_access(pmap, VA, VM_PROT_EXECUTE, &value));
	check_kr(KERN_SUCCESS, pmap_enter(pmap, VA, m, VM_PROT_RW, 0));
	assert_true(store(pmap, VA, 1));
	pmap_protect(pmap, VA, VA + PAGE_SIZE, VM_PROT_READ);
	assert_false(store(pmap, VA, 2));
	pmap_destroy(pmap);
	pages_unmake();
}

/* A right gained is not seen by a processor that has the old entry: a spurious fault mends it. */
static void
lazy_gain(void **state)
{
	struct pmap *pmap = pmap_create();
	struct vm_page *m = page_make(0);
	uint8_t value;

	(void)state;
	check_kr(KERN_SUCCESS, pmap_enter(pmap, VA, m, VM_PROT_READ, 0));
	assert_true(load(pmap, VA, &value));
	check_kr(KERN_SUCCESS, pmap_enter(pmap, VA, m, VM_PROT_RW, 0));
	assert_false(store(pmap, VA, 1));
	assert_true(store(pmap, VA, 1));
	pmap_destroy(pmap);
	pages_unmake();
}

/* What a forgotten shootdown looks like. */
static void
stale(void **state)
{
	struct pmap *pmap = pmap_create();
	struct vm_page *m = page_make(0);
	uint8_t value;

	(void)state;
	check_kr(KERN_SUCCESS, pmap_enter(pmap, VA, m, VM_PROT_RW, 0));
	model_cpu_switch(1);
	assert_true(store(pmap, VA, 7));
	model_cpu_switch(0);
	model_tlb_skip_invalidation(true);
	pmap_remove(pmap, VA, VA + PAGE_SIZE);
	model_tlb_skip_invalidation(false);
	assert_false(load(pmap, VA, &value));
	model_cpu_switch(1);
	assert_true(load(pmap, VA, &value));
	check_u64(7, value);
	model_cpu_switch(0);
	pmap_destroy(pmap);
	pages_unmake();
}

static void
reverse_map(void **state)
{
	struct pmap *a = pmap_create(), *b = pmap_create();
	struct vm_page *m = page_make(0);
	uint8_t value;

	(void)state;
	check_kr(KERN_SUCCESS, pmap_enter(a, VA, m, VM_PROT_RW, 0));
	check_kr(KERN_SUCCESS, pmap_enter(b, VA, m, VM_PROT_RW, 0));
	check_kr(KERN_SUCCESS, pmap_enter(b, 2 * VA, m, VM_PROT_RW, PMAP_ENTER_WIRED));
	check_u64(1, pmap_wired_count(b));
	assert_true(store(a, VA, 1) && store(b, VA, 2) && store(b, 2 * VA, 3));
	pmap_remove_write(m);
	assert_false(store(a, VA, 1) || store(b, VA, 2) || store(b, 2 * VA, 3));
	check_u64(3, (uint64_t)pmap_ts_referenced(m));
	check_u64(0, (uint64_t)pmap_ts_referenced(m));
	pmap_drop(b);
	check_u64(1, pmap_resident_count(b));
	pmap_remove_all(m);
	assert_false(pmap_page_is_mapped(m));
	assert_false(load(a, VA, &value) || load(b, VA, &value) || load(b, 2 * VA, &value));
	check_u64(0, model_pmap_mappings());
	pmap_destroy(a);
	pmap_destroy(b);
	pages_unmake();
}

static void
replaced(void **state)
{
	struct pmap *pmap = pmap_create();
	struct vm_page *m = page_make(0), *n = page_make(1);
	uint8_t value;

	(void)state;
	check_kr(KERN_SUCCESS, pmap_enter(pmap, VA, m, VM_PROT_RW, 0));
	assert_true(store(pmap, VA, 1));
	/* The table is there, but n has another mapping already, so its reverse map needs memory. */
	check_kr(KERN_SUCCESS, pmap_enter(pmap, 2 * VA, n, VM_PROT_READ, 0));
	model_fail_after(1);
	check_kr(KERN_RESOURCE_SHORTAGE, pmap_enter(pmap, VA, n, VM_PROT_RW, 0));
	assert_false(load(pmap, VA, &value));
	check_kr(KERN_SUCCESS, pmap_enter(pmap, VA, n, VM_PROT_RW, 0));
	assert_true(load(pmap, VA, &value));
	check_u64(0, value);
	assert_false(pmap_page_is_mapped(m));
	pmap_destroy(pmap);
	pages_unmake();
}

static void
kernel_addresses(void **state)
{
	volatile uint8_t *p = (volatile uint8_t *)VM_MIN_KERNEL_ADDRESS;
	struct vm_page *m = vm_page_alloc_noobj(VM_ALLOC_ZERO);

	(void)state;
	pmap_init();
	m->flags = VM_PAGE_UNMANAGED;
	check_kr(KERN_SUCCESS, pmap_enter(kernel_pmap, (vm_offset_t)p, m, VM_PROT_RW, 0));
	p[100] = 7;
	check_u64(7, ((uint8_t *)pmap_page_address(m))[100]);
	pmap_remove(kernel_pmap, (vm_offset_t)p, (vm_offset_t)p + PAGE_SIZE);
	vm_page_free_noobj(m);
}

/* Locks and sleep. */

static void
lock_order(void **state)
{
	static struct spinlock low = SPINLOCK_INITIALIZER("low", LOCK_RANK_PMAP);
	static struct spinlock high = SPINLOCK_INITIALIZER("high", LOCK_RANK_PHYS);

	(void)state;
	spinlock_lock(&high);
	expect_panic("lock order: \"low\"", spinlock_lock(&low));
}

/* A switch that is asked for waits for the end of the outermost preempt_enter(), whatever spinlocks are
 * released before. */
static void
preemption_waits(void **state)
{
	static struct spinlock lock = SPINLOCK_INITIALIZER("lock", LOCK_RANK_PHYS);
	uint32_t before = model_switches;

	(void)state;
	preempt_enter();
	preempt_enter();
	curthread()->preempt_pending = true;
	spinlock_lock(&lock);
	spinlock_unlock(&lock);
	preempt_exit();
	check_u64(before, model_switches);
	spinlock_lock(&lock);
	preempt_exit();
	check_u64(before, model_switches);
	spinlock_unlock(&lock);
	check_u64(before + 1, model_switches);
	preempt_enter();
	curthread()->preempt_pending = true;
	preempt_exit();
	check_u64(before + 2, model_switches);
	assert_true(cpu_irqs_on());
	preempt_enter();
	expect_panic("inside preempt_enter", lockorder_assert_sleepable("a wait"));
}

static struct mutex turn = MUTEX_INITIALIZER("turn", LOCK_RANK_PROC);
static struct rwlock shared;
static uint64_t counter;

static void
count_up(void *arg)
{
	(void)arg;
	for (int i = 0; i < 5000; i++) {
		mutex_lock(&turn);
		rwlock_write(&shared);
		counter++;
		rwlock_downgrade(&shared);
		rwlock_read_unlock(&shared);
		mutex_unlock(&turn);
	}
}

static void
locks_exclude(void **state)
{
	struct thread *t[4];

	(void)state;
	rwlock_init(&shared, "shared", LOCK_RANK_MAP_USER);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		t[i] = model_thread_start("counter", count_up, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		model_thread_join(t[i]);
	check_u64(4 * 5000, counter);
}

static void
timed_wait(void **state)
{
	(void)state;
	sleepq_prepare(&counter, "nothing");
	assert_int_equal(sleepq_wait(5 * NS_PER_SEC, 0), SLEEPQ_TIMEOUT);
	check_u64(5 * NS_PER_SEC, clock_now());
}

static void
early_wake(void **state)
{
	(void)state;
	sleepq_prepare(&counter, "a wake-up that comes before the wait");
	check_u64(1, (uint64_t)sleepq_wake_all(&counter));
	assert_int_equal(sleepq_wait(SLEEPQ_FOREVER, 0), SLEEPQ_WOKEN);
	check_u64(0, clock_now());
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"model: loads and stores set accessed and dirty, which survive in the page",
	     access_bits},
	    {"model: rights taken away are gone at once", rights},
	    {"model: a right gained may need one spurious fault", lazy_gain},
	    {"model: without an invalidation another processor still reaches the old frame", stale},
	    {"model: every mapping of a page is found", reverse_map},
	    {"model: a mapping that cannot be replaced is gone", replaced},
	    {"model: kernel addresses are real memory", kernel_addresses},
	    {"model: a lock taken out of order panics", lock_order},
	    {"model: a switch waits for the end of preempt_enter", preemption_waits},
	    {"model: locks exclude", locks_exclude},
	    {"model: a timed wait ends when the clock says so, at once in real time", timed_wait},
	    {"model: a wake-up before the wait is not lost", early_wake},
	};

	return host_run(&memory_fixture, tests, ARRAY_SIZE(tests));
}
