/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages of objects; the objects here are bare structures. */
#include <string.h>
#include "model/kernel.h"
#include "model/memory.h"
#include "model/memory_fixture.h"
#include "model/mmu.h"
#include "model/thread.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"

#define PAGES 200
#define STEPS 20000

static struct vm_object first, second;

static struct vm_object *
object_make(struct vm_object *object)
{
	memset(object, 0, sizeof(*object));
	rwlock_init(&object->lock, "object", LOCK_RANK_OBJECT);
	object->size = PAGES;
	rwlock_write(&object->lock);
	return object;
}

static void
object_unmake(struct vm_object *object)
{
	struct vm_page *m;

	while ((m = vm_radix_lookup_ge(&object->pages, 0)) != NULL)
		vm_page_free(m);
	check_u64(0, object->resident);
	rwlock_write_unlock(&object->lock);
}

static void
alloc(void **state)
{
	struct vm_object *object = object_make(&first);
	struct vm_page *m = vm_page_alloc(object, 5, 0), *z;

	(void)state;
	assert_ptr_equal(m->object, object);
	check_u64(5, m->pindex);
	check_u64(VM_PAGE_BUSY, m->flags);
	z = vm_page_alloc(object, 6, VM_ALLOC_ZERO | VM_ALLOC_WIRED);
	check_u64(VM_PAGE_BUSY | VM_PAGE_VALID, z->flags);
	check_u64(1, z->wire_count);
	check_u64(2, object->resident);
	assert_ptr_equal(vm_radix_lookup(&object->pages, 6), z);
	vm_page_unwire(z);
	object_unmake(object);
}

static void
alloc_no_memory(void **state)
{
	struct vm_object *object = object_make(&first);
	uint64_t before;

	(void)state;
	assert_non_null(vm_page_alloc(object, 5, 0));
	before = memory_free();
	for (uint64_t k = 1; k <= 2; k++) { /* the frame; the tree's node */
		model_fail_after(k);
		assert_null(vm_page_alloc(object, 6, 0));
		check_u64(1, model_fail_count());
		check_u64(1, object->resident);
		check_u64(before, memory_free());
		assert_null(vm_radix_lookup(&object->pages, 6));
	}
	object_unmake(object);
}

/* Random allocations, removals and moves between two objects; one array knows who has what. */
static void
fuzz_step(struct vm_object *object[2], struct vm_page *has[2][PAGES])
{
	size_t from = host_random_below(2), i = host_random_below(PAGES);
	size_t to = 1 - from, j = host_random_below(PAGES);
	struct vm_page *m = has[from][i];

	if (m == NULL) {
		has[from][i] = vm_page_alloc(object[from], i, 0);
		assert_non_null(has[from][i]);
	} else if (has[to][j] == NULL) {
		check_kr(KERN_SUCCESS, vm_page_rename(m, object[to], j));
		has[from][i] = NULL;
		has[to][j] = m;
	} else {
		vm_page_free(m);
		has[from][i] = NULL;
	}
}

static void
fuzz(void **state)
{
	static struct vm_page *has[2][PAGES];
	struct vm_object *object[2];

	(void)state;
	object[0] = object_make(&first);
	object[1] = object_make(&second);
	for (int step = 0; step < STEPS; step++) {
		fuzz_step(object, has);
		for (size_t k = 0; k < 2; k++) {
			size_t i = host_random_below(PAGES);
			struct vm_page *m = vm_radix_lookup(&object[k]->pages, i);

			assert_ptr_equal(m, has[k][i]);
			assert_true(m == NULL || (m->object == object[k] && m->pindex == i));
		}
	}
	object_unmake(object[1]);
	object_unmake(object[0]);
}

static void
rename_no_memory(void **state)
{
	struct vm_object *from = object_make(&first), *to = object_make(&second);
	struct vm_page *m = vm_page_alloc(from, 5, 0);

	(void)state;
	assert_non_null(vm_page_alloc(to, 1, 0));
	model_fail_after(1);
	check_kr(KERN_RESOURCE_SHORTAGE, vm_page_rename(m, to, 2));
	assert_ptr_equal(m->object, from);
	check_u64(5, m->pindex);
	assert_ptr_equal(vm_radix_lookup(&from->pages, 5), m);
	check_u64(1, from->resident);
	check_u64(1, to->resident);
	object_unmake(to);
	object_unmake(from);
}

static void
fixed(void **state)
{
	struct vm_object *object = object_make(&first);
	struct vm_page *m = vm_page_alloc_noobj(0);
	uint64_t before = memory_free();

	(void)state;
	m->flags |= VM_PAGE_FIXED;
	check_kr(KERN_SUCCESS, vm_page_insert(m, object, 0));
	vm_page_free(m);
	assert_null(m->object);
	check_u64(before, memory_free());
	m->flags &= (uint8_t)~VM_PAGE_FIXED;
	vm_page_free_noobj(m);
	object_unmake(object);
}

/* Busy pages. */

static kern_return_t sleep_result;

static void
sleeper(void *arg)
{
	rwlock_write(&first.lock);
	sleep_result = vm_page_sleep(arg, "busy page");
}

static struct thread *
start_sleeper(struct vm_page *m)
{
	struct thread *t;

	rwlock_write_unlock(&first.lock);
	t = model_thread_start("sleeper", sleeper, m);
	model_thread_await_sleep(t);
	rwlock_write(&first.lock);
	return t;
}

static void
busy_woken(void **state)
{
	struct vm_object *object = object_make(&first);
	struct vm_page *m = vm_page_alloc(object, 5, 0);
	struct thread *t = start_sleeper(m);

	(void)state;
	check_u64(VM_PAGE_BUSY | VM_PAGE_WANTED, m->flags);
	vm_page_unbusy(m);
	check_u64(0, m->flags);
	model_thread_join(t);
	check_kr(KERN_SUCCESS, sleep_result);
	object_unmake(object);
}

static void
busy_freed(void **state)
{
	struct vm_object *object = object_make(&first);
	struct vm_page *m = vm_page_alloc(object, 5, 0);
	struct thread *t = start_sleeper(m);

	(void)state;
	vm_page_free(m);
	model_thread_join(t);
	check_kr(KERN_SUCCESS, sleep_result);
	object_unmake(object);
}

static void
busy_killed(void **state)
{
	struct vm_object *object = object_make(&first);
	struct vm_page *m = vm_page_alloc(object, 5, 0);
	struct thread *t = start_sleeper(m);

	(void)state;
	model_thread_kill(t);
	model_thread_join(t);
	check_kr(KERN_ABORTED, sleep_result);
	object_unmake(object);
}

static void
free_mapped(void **state)
{
	struct vm_object *object = object_make(&first);
	struct vm_page *m = vm_page_alloc(object, 5, VM_ALLOC_ZERO);
	struct pmap *pmap = pmap_create();

	(void)state;
	check_kr(KERN_SUCCESS, pmap_enter(pmap, 0x10000, m, VM_PROT_RW, 0));
	expect_panic("is mapped", vm_page_free(m));
}

static void
free_unlocked(void **state)
{
	struct vm_object *object = object_make(&first);
	struct vm_page *m = vm_page_alloc(object, 5, 0);

	(void)state;
	rwlock_write_unlock(&object->lock);
	expect_panic("is not write-locked", vm_page_free(m));
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"page: an allocated page is in its object, busy, valid if zeroed", alloc},
	    {"page: an allocation without a frame or a node changes nothing", alloc_no_memory},
	    {"page: random allocations, moves and frees keep objects and pages in step", fuzz},
	    {"page: a move without a node changes nothing", rename_no_memory},
	    {"page: a fixed page leaves its object but is not freed", fixed},
	    {"busy: unbusy wakes who waits", busy_woken},
	    {"busy: freeing wakes who waits", busy_freed},
	    {"busy: a wait ends when the thread is killed", busy_killed},
	    {"page: a mapped page cannot be freed", free_mapped},
	    {"page: the object's lock is needed", free_unlocked},
	};

	return host_run(&memory_fixture, tests, ARRAY_SIZE(tests));
}
