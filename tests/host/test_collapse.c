/* SPDX-License-Identifier: BSD-2-Clause */
/* Splitting and collapsing, on objects made by hand: trees, windows, want of memory, busy pages. */
#include <string.h>
#include "model/memory.h"
#include "model/objects.h"
#include "model/space.h"
#include "model/thread.h"
#include "model/vm_fixture.h"
#include "vm/pmap.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"

#define P   PAGE_SIZE
#define FAR (1ul << 20) /* pages: so few of them take many nodes */

static void
trim(struct vm_object *object, vm_pindex_t first, vm_pindex_t end)
{
	rwlock_write(&object->lock);
	vm_object_trim(object, first, end);
	rwlock_write_unlock(&object->lock);
	check_u64(first, object->first);
	check_u64(end, object->size);
}

/* ---- collapse: few pages over many ---- */

/* Each allocation that the few need in the tree of the many fails in turn. */
static void
adopt_without_memory(void **state)
{
	static const vm_pindex_t many[] = {3, 70, 5000, 300000, 300001},
				 few[] = {70, 71, 5001, 300001};
	struct vm_usage before = vm_usage_read();
	struct vm_object *below, *top;
	bool failed = true;
	uint64_t k;

	(void)state;
	for (k = 1; failed; k++) {
		below = vm_object_allocate_anon(FAR);
		for (size_t i = 0; i < ARRAY_SIZE(many); i++)
			object_put_page(below, many[i], (uint8_t)(i + 1));
		top = object_over(below, 0, FAR);
		for (size_t i = 0; i < ARRAY_SIZE(few); i++)
			object_put_page(top, few[i], (uint8_t)(i + 101));
		model_fail_from(k);
		vm_object_deallocate(below);
		failed = model_fail_count() != 0;
		model_fail_off();
		assert_true(failed == (top->backing != NULL));
		for (size_t i = 0; i < ARRAY_SIZE(few); i++)
			check_page(top, few[i], (uint8_t)(i + 101));
		check_u64(failed ? ARRAY_SIZE(few) : 7, top->resident);
		object_collapse(top);
		assert_null(top->backing);
		check_u64(7, top->resident);
		check_page(top, 3, 1);
		check_page(top, 70, 101);
		check_page(top, 71, 102);
		check_page(top, 5000, 3);
		check_page(top, 300000, 4);
		check_page(top, 300001, 104);
		vm_object_deallocate(top);
		vm_usage_check(&before);
	}
	assert_true(k > 3); /* both that need a node came to have none */
}

/* The window is cut to what the upper object shows. */
static void
adopt_a_window(void **state)
{
	struct vm_object *below = space_object(8, 10), *top = object_over(below, 0, 8);

	(void)state;
	trim(top, 2, 6);
	object_put_page(top, 3, 99);
	vm_object_deallocate(below);
	assert_null(top->backing);
	check_u64(4, top->resident);
	check_page(top, 2, 12);
	check_page(top, 3, 99);
	check_page(top, 5, 15);
	assert_false(space_object_resident(top, 1));
	vm_object_deallocate(top);
}

/* Likewise where the pages go one by one. */
static void
take_a_window(void **state)
{
	struct vm_object *below = vm_object_allocate_anon(8), *top = object_over(below, 0, 8);

	(void)state;
	trim(top, 2, 6);
	object_put_page(below, 1, 11);
	object_put_page(below, 2, 12);
	object_put_page(below, 6, 16);
	for (vm_pindex_t i = 3; i < 6; i++)
		object_put_page(top, i, 50);
	vm_object_deallocate(below);
	assert_null(top->backing);
	check_u64(4, top->resident);
	check_page(top, 2, 12);
	vm_object_deallocate(top);
}

/* Who looks after the upper object just now puts it off: the order of locks is from above. */
struct holder {
	struct vm_object *object;
	struct model_event held, release;
};

static void
hold(void *arg)
{
	struct holder *h = arg;

	rwlock_write(&h->object->lock);
	model_event_set(&h->held);
	model_event_wait(&h->release);
	rwlock_write_unlock(&h->object->lock);
}

static void
held_from_above(void **state)
{
	struct vm_object *below = space_object(4, 10), *top = object_over(below, 0, 4);
	struct holder h = {.object = top};
	struct thread *t = model_thread_start("holder", hold, &h);

	(void)state;
	model_event_wait(&h.held);
	vm_object_deallocate(below);
	assert_ptr_equal(below, top->backing);
	model_event_set(&h.release);
	model_thread_join(t);
	object_collapse(top);
	assert_null(top->backing);
	check_page(top, 3, 13);
	vm_object_deallocate(top);
}

static void
busy_page_by_page(void **state)
{
	struct vm_object *below = space_object(4, 10), *top = object_over(below, 1, 3);
	struct vm_page *m;

	(void)state;
	rwlock_write(&below->lock);
	m = vm_radix_lookup(&below->pages, 2);
	vm_page_busy(m);
	rwlock_write_unlock(&below->lock);
	vm_object_deallocate(below);
	assert_ptr_equal(below, top->backing);
	check_page(below, 2, 12);
	rwlock_write(&below->lock);
	vm_page_unbusy(m);
	rwlock_write_unlock(&below->lock);
	object_collapse(top);
	assert_null(top->backing);
	check_u64(3, top->resident);
	check_page(top, 1, 12);
	vm_object_deallocate(top);
}

/* ---- bypass ---- */

/* A page that was there when it was looked for may be gone when the last one comes. */
static void
shadowed_no_more(void **state)
{
	struct vm_object *below = space_object(4, 10), *top = object_over(below, 0, 20);

	(void)state;
	for (vm_pindex_t i = 0; i < 3; i++)
		object_put_page(top, i, 50);
	for (vm_pindex_t i = 10; i < 14; i++)
		object_put_page(top, i, 60);
	object_collapse(top); /* page 3 is missing */
	object_remove_pages(top, 0, 1);
	object_put_page(top, 3, 50);
	object_collapse(top);
	assert_ptr_equal(below, top->backing);
	object_put_page(top, 0, 50);
	object_collapse(top);
	assert_null(top->backing);
	vm_object_deallocate(top);
	vm_object_deallocate(below);
}

/* What lies just outside of the window keeps nobody. */
static void
beside_the_window(void **state)
{
	struct vm_object *below = vm_object_allocate_anon(8), *top = object_over(below, 2, 4);

	(void)state;
	object_put_page(below, 1, 1);
	object_put_page(below, 6, 2);
	object_put_page(below, 2, 3);
	object_put_page(below, 5, 4);
	object_put_page(top, 0, 5);
	object_collapse(top);
	assert_ptr_equal(below, top->backing);
	object_put_page(top, 3, 6);
	object_collapse(top);
	assert_null(top->backing);
	vm_object_deallocate(top);
	vm_object_deallocate(below);
}

/* ---- split ---- */

/* parts: an object of one mapping with two references, over below. */
static struct vm_object *
parts(struct vm_object *below)
{
	struct vm_object *object = object_over(below, 0, 8);

	vm_object_reference(object);
	return object;
}

static void
split_shows_its_part(void **state)
{
	struct vm_object *below = vm_object_allocate_anon(8), *whole, *part;

	(void)state;
	object_put_page(below, 1, 11);
	object_put_page(below, 5, 15);
	object_put_page(below, 6, 16);
	whole = part = parts(below);
	object_put_page(whole, 0, 20);
	object_put_page(whole, 4, 24);
	object_put_page(whole, 7, 27);
	check_kr(KERN_SUCCESS, vm_object_split(&part, 4, 8));
	assert_ptr_not_equal(whole, part);
	check_u64(4, part->first);
	check_u64(8, part->size);
	check_u64(2, part->resident);
	check_u64(1, whole->resident);
	check_u64(1, whole->ref_count);
	check_u64(whole->identity, part->identity); /* of one memory */
	assert_true(whole->identity != below->identity);
	check_u64(3, below->ref_count);
	check_u64(2, below->shadow_count);
	check_page(part, 4, 24);
	check_page(part, 7, 27);
	check_page(whole, 0, 20);
	/* What is behind goes to where it is shown: by moving, as there are more pages above. */
	vm_object_deallocate(whole);
	object_put_page(part, 6, 26);
	vm_object_deallocate(below);
	assert_null(part->backing);
	check_u64(4, part->resident);
	check_page(part, 5, 15);
	check_page(part, 6, 26);
	assert_false(space_object_resident(part, 1));
	vm_object_deallocate(part);
}

static void
split_not_now(void **state)
{
	struct vm_object *below = space_object(8, 1), *whole = parts(below), *part = whole;

	(void)state;
	object_put_page(whole, 5, 9);
	rwlock_write(&whole->lock);
	vm_object_paging_begin(whole);
	rwlock_write_unlock(&whole->lock);
	check_kr(KERN_RESOURCE_SHORTAGE, vm_object_split(&part, 4, 8));
	rwlock_write(&whole->lock);
	vm_object_paging_end(whole);
	vm_page_busy(vm_radix_lookup(&whole->pages, 5));
	rwlock_write_unlock(&whole->lock);
	check_kr(KERN_RESOURCE_SHORTAGE, vm_object_split(&part, 4, 8));
	/* A page of another part does not matter; here it is the first part's turn. */
	check_kr(KERN_SUCCESS, vm_object_split(&part, 0, 4));
	space_object_go_on(whole, 5);
	vm_object_deallocate(part);
	part = whole;
	check_u64(1, whole->ref_count);
	check_kr(KERN_FAILURE, vm_object_split(&part, 4, 8));
	assert_ptr_equal(whole, part);
	vm_object_deallocate(whole);
	vm_object_deallocate(below);
}

static void
split_without_memory(void **state)
{
	static const vm_pindex_t at[] = {5, 600, 40000, 900000};
	struct vm_usage before = vm_usage_read();
	struct vm_object *whole, *part;
	kern_return_t kr = KERN_FAILURE;

	(void)state;
	for (uint64_t k = 1; kr != KERN_SUCCESS; k++) {
		whole = part = vm_object_allocate_anon(FAR);
		vm_object_reference(whole);
		for (size_t i = 0; i < ARRAY_SIZE(at); i++)
			object_put_page(whole, at[i], (uint8_t)i);
		model_fail_from(k);
		kr = vm_object_split(&part, 100, FAR);
		model_fail_off();
		if (kr != KERN_SUCCESS) {
			check_kr(KERN_RESOURCE_SHORTAGE, kr);
			assert_ptr_equal(whole, part);
			check_u64(4, whole->resident);
			check_u64(2, whole->ref_count);
		}
		for (size_t i = 0; i < ARRAY_SIZE(at); i++)
			check_page(i == 0 ? whole : part, at[i], (uint8_t)i);
		vm_object_deallocate(part);
		vm_object_deallocate(whole);
		vm_usage_check(&before);
	}
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"OBJ-01: few pages over many: without memory nothing moves, and nothing is lost",
	     adopt_without_memory},
	    {"OBJ-01: few pages over many: what is out of sight is freed", adopt_a_window},
	    {"OBJ-01: page by page: a busy one puts it off", busy_page_by_page},
	    {"OBJ-02: a page that is shadowed no more is seen again", shadowed_no_more},
	    {"OBJ-02: pages beside the window are in nobody's way", beside_the_window},
	    {"SPL-01: a part has its pages and its view of what is behind", split_shows_its_part},
	    {"SPL-01: busy pages, paging and a lack of parts put it off", split_not_now},
	    {"SPL-01: without memory nothing has changed", split_without_memory},
	    {"OBJ-01: page by page: what is out of sight is freed", take_a_window},
	    {"OBJ-01: it is put off while somebody has the upper object locked", held_from_above},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
