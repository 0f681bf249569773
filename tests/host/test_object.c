/* SPDX-License-Identifier: BSD-2-Clause */
/* Objects: shadow chains and how they are shortened, coalescing, references, teardown. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include "kernel/base/sched.h"
#include "model/kernel.h"
#include "model/memory.h"
#include "model/mmu.h"
#include "model/objects.h"
#include "model/space.h"
#include "model/thread.h"
#include "model/vm_fixture.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"

#define A 0x100000ul
#define P PAGE_SIZE

/* check_seen: what a process that maps all of object reads from it, NO_PAGE: it is beyond an end. */
#define NO_PAGE 0x100
static void
check_seen(struct vm_fixture *f, struct vm_object *object, const uint16_t *values)
{
	size_t pages = object->size;

	space_map_object(f->map, object, A, VM_PROT_READ, VM_PROT_ALL, 0);
	for (size_t i = 0; i < pages; i++) {
		uint8_t byte;

		if (values[i] == NO_PAGE)
			check_u64(BUS_OBJERR, model_user_read(f->proc, A + ptoa(i), &byte, 1));
		else
			check_u64(values[i], model_user_load(f->proc, A + ptoa(i)));
	}
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + ptoa(pages)));
}

/* OBJ-01 */

static void
collapse_keeps_the_top(void **state)
{
	struct vm_object *below = space_object(8, 10), *top = object_over(below, 2, 4);
	uint64_t frames = vm_usage_read().frames, objects = vm_object_count();

	(void)state;
	object_put_page(top, 1, 99);
	vm_object_deallocate(below);
	assert_null(top->backing);
	check_u64(4, top->resident);
	check_page(top, 0, 12);
	check_page(top, 1, 99);
	check_page(top, 2, 14);
	check_page(top, 3, 15);
	check_u64(objects - 1, vm_object_count());
	/* Two pages before the window, two behind it and the hidden one are free, one is new. */
	check_u64(frames + 4, vm_usage_read().frames);
	vm_object_deallocate(top);
}

/* The window of top in the bottom object is the sum of both offsets. */
static void
three_levels(void **state)
{
	static const uint16_t seen[] = {16, 51, 18, 61};
	struct vm_fixture *f = *state;
	struct vm_object *bottom = space_object(16, 10), *middle = object_over(bottom, 4, 8),
			 *top = object_over(middle, 2, 4);

	object_put_page(middle, 3, 51); /* shown by top at 1 */
	object_put_page(middle, 0, 52); /* before its window */
	object_put_page(middle, 7, 53); /* behind it */
	object_put_page(top, 3, 61);
	check_seen(f, top, seen);
	vm_object_deallocate(middle);
	assert_ptr_equal(top->backing, bottom);
	check_u64(ptoa(6), top->backing_offset);
	check_u64(2, top->resident);
	check_u64(2, bottom->ref_count);
	check_u64(1, bottom->shadow_count);
	check_seen(f, top, seen);
	vm_object_deallocate(bottom);
	assert_null(top->backing);
	check_u64(4, top->resident);
	check_seen(f, top, seen);
	vm_object_deallocate(top);
}

/* The other order: the lower two become one first. */
static void
three_levels_from_below(void **state)
{
	static const uint16_t seen[] = {16, 51, 18, 61};
	struct vm_fixture *f = *state;
	struct vm_object *bottom = space_object(16, 10), *middle = object_over(bottom, 4, 8),
			 *top = object_over(middle, 2, 4);

	object_put_page(middle, 3, 51);
	object_put_page(top, 3, 61);
	vm_object_deallocate(bottom);
	assert_null(middle->backing);
	check_u64(8, middle->resident);
	check_u64(1, middle->shadow_count);
	check_seen(f, top, seen);
	vm_object_deallocate(middle);
	check_u64(4, top->resident);
	check_seen(f, top, seen);
	vm_object_deallocate(top);
}

/* What a smaller object in the middle does not show stays out of sight when it goes. */
static void
small_middle(void **state)
{
	static const uint16_t seen[] = {12, 13, NO_PAGE, NO_PAGE};
	struct vm_fixture *f = *state;
	struct vm_object *bottom = space_object(8, 10), *middle = object_over(bottom, 2, 2),
			 *top = object_over(middle, 0, 4);

	check_seen(f, top, seen);
	vm_object_deallocate(middle);
	assert_ptr_equal(top->backing, bottom);
	check_seen(f, top, seen);
	vm_object_deallocate(bottom);
	check_seen(f, top, seen);
	vm_object_deallocate(top);
}

static void
not_now(void **state)
{
	static const uint16_t seen[] = {10, 11, 12, 13};
	struct vm_fixture *f = *state;
	struct vm_object *below = space_object(4, 10), *top = object_over(below, 0, 4);
	struct vm_page *m;

	rwlock_write(&below->lock);
	vm_object_paging_begin(below);
	rwlock_write_unlock(&below->lock);
	vm_object_deallocate(below);
	assert_ptr_equal(top->backing, below);
	rwlock_write(&below->lock);
	vm_object_paging_end(below);
	m = vm_radix_lookup(&below->pages, 2);
	vm_page_busy(m);
	rwlock_write_unlock(&below->lock);

	/* A busy page stays where it is, and so does its object. */
	object_collapse(top);
	assert_ptr_equal(top->backing, below);
	check_page(below, 2, 12);
	rwlock_write(&below->lock);
	vm_page_unbusy(m);
	rwlock_write_unlock(&below->lock);
	check_seen(f, top, seen);
	object_collapse(top);
	assert_null(top->backing);
	check_u64(4, top->resident);
	check_seen(f, top, seen);
	vm_object_deallocate(top);
}

/* Moving a page may need a node of the radix tree. */
static void
collapse_without_memory(void **state)
{
	static const vm_pindex_t at[] = {0, 70, 5000, 300000};
	struct vm_object *below, *top;
	bool failed;

	(void)state;
	for (uint64_t k = 1;; k++) {
		below = vm_object_allocate_anon(1ul << 20);
		for (size_t i = 0; i < ARRAY_SIZE(at); i++)
			object_put_page(below, at[i], (uint8_t)i);
		top = object_over(below, 0, 1ul << 20);
		model_fail_from(k);
		vm_object_deallocate(below);
		failed = model_fail_count() != 0;
		model_fail_off();
		assert_true(failed == (top->backing != NULL));
		object_collapse(top);
		assert_null(top->backing);
		for (size_t i = 0; i < ARRAY_SIZE(at); i++)
			check_page(top, at[i], (uint8_t)i);
		check_u64(ARRAY_SIZE(at), top->resident);
		vm_object_deallocate(top);
		if (!failed)
			break;
	}
}

/* A page that is mapped moves with its mapping. */
static void
collapse_under_a_mapping(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *below = space_object(4, 10), *top = object_over(below, 0, 4);
	struct vm_page *m;
	uint64_t faults;

	space_map_object(f->map, top, A, VM_PROT_RW, VM_PROT_ALL, 0);
	check_fill(f->proc, A, 4, 10);
	m = space_mapped(f->map, A);
	vm_object_deallocate(below);
	assert_null(top->backing);
	assert_ptr_equal(m, space_mapped(f->map, A));
	assert_ptr_equal(m->object, top);
	faults = model_fault_count();
	check_fill(f->proc, A, 4, 10);
	check_u64(faults, model_fault_count());
	space_fill(f->proc, A, 4, 20);
	check_u64(4, top->resident);
	vm_object_deallocate(top);
}

/* OBJ-02 */

static void
bypass(void **state)
{
	static const uint16_t seen[] = {40, 41, 18, 43};
	struct vm_fixture *f = *state;
	struct vm_object *bottom = space_object(16, 10), *middle = object_over(bottom, 4, 8),
			 *top = object_over(middle, 2, 4);

	object_put_page(middle, 2, 50);
	object_put_page(middle, 3, 51);
	object_put_page(middle, 7, 52); /* top does not show it */
	object_put_page(top, 0, 40);
	object_collapse(top);
	assert_ptr_equal(top->backing, middle); /* it needs middle's page 3 */
	object_put_page(top, 1, 41);
	object_put_page(top, 3, 43);
	object_collapse(top);
	assert_ptr_equal(top->backing, bottom);
	check_u64(ptoa(6), top->backing_offset);
	check_u64(1, middle->ref_count);
	check_u64(0, middle->shadow_count);
	check_u64(3, bottom->ref_count);
	check_u64(2, bottom->shadow_count);
	check_u64(3, middle->resident);
	check_seen(f, top, seen);
	vm_object_deallocate(middle);
	check_u64(2, bottom->ref_count);
	vm_object_deallocate(bottom);
	assert_null(top->backing);
	check_seen(f, top, seen);
	vm_object_deallocate(top);
}

/* An object that has nothing of its own stands in nobody's way. */
static void
bypass_empty(void **state)
{
	static const uint16_t seen[] = {12, 13};
	struct vm_fixture *f = *state;
	struct vm_object *bottom = space_object(8, 10), *middle = object_over(bottom, 1, 6),
			 *top = object_over(middle, 1, 2);

	object_collapse(top);
	assert_ptr_equal(top->backing, bottom);
	check_seen(f, top, seen);
	vm_object_deallocate(top);
	vm_object_deallocate(middle);
	vm_object_deallocate(bottom);
}

/* To the very bottom: zeroes behind it. */
static void
bypass_last(void **state)
{
	static const uint16_t seen[] = {1, 0};
	struct vm_fixture *f = *state;
	struct vm_object *below = vm_object_allocate_anon(2), *top;

	object_put_page(below, 0, 9);
	top = object_over(below, 0, 2);
	object_put_page(top, 0, 1);
	object_collapse(top);
	assert_null(top->backing);
	check_u64(1, below->ref_count);
	check_seen(f, top, seen);
	vm_object_deallocate(below);
	vm_object_deallocate(top);
}

/* What is no anonymous memory keeps its pages to itself. */
static void
never_into_a_boot_object(void **state)
{
	struct vm_object *module = space_object(2, 10), *top;

	(void)state;
	space_object_becomes(module, &vm_pager_boot);
	top = object_over(module, 0, 2);
	object_put_page(top, 0, 1);
	object_put_page(top, 1, 2);
	object_collapse(top);
	assert_ptr_equal(top->backing, module);
	vm_object_deallocate(module);
	assert_ptr_equal(top->backing, module);
	vm_object_deallocate(top);
}

/* OBJ-03 */

static void
shadow_of_private(void **state)
{
	struct vm_object *object = space_object(2, 1), *same = object;
	vm_ooffset_t offset = P;

	(void)state;
	check_kr(KERN_SUCCESS, vm_object_shadow(&same, &offset, P));
	assert_ptr_equal(object, same);
	check_u64(P, offset);
	check_kr(KERN_SUCCESS, vm_object_shadow_at(&same, 0, 2 * P));
	assert_ptr_equal(object, same);
	check_u64(1, object->ref_count);
	vm_object_deallocate(object);
}

static void
shadow_of_shared(void **state)
{
	struct vm_object *object = vm_object_allocate_anon(4), *top = object;
	vm_ooffset_t offset = P;

	(void)state;
	vm_object_reference(object);
	check_kr(KERN_SUCCESS, vm_object_shadow(&top, &offset, 2 * P));
	assert_ptr_not_equal(object, top);
	check_u64(0, offset);
	check_u64(2, top->size);
	check_u64(P, top->backing_offset);
	check_u64(2, object->ref_count);
	check_u64(1, object->shadow_count);
	check_u64(VM_OBJECT_ONEMAPPING, top->flags);
	check_u64(0, object->flags);
	vm_object_deallocate(top);
	check_u64(1, object->ref_count);
	check_u64(0, object->shadow_count);
	vm_object_deallocate(object);
}

/* For a stack: offsets stay, and what lies below it is not shown. */
static void
shadow_in_place(void **state)
{
	struct vm_object *object = space_object(8, 10), *top = object;

	(void)state;
	vm_object_reference(object);
	check_kr(KERN_SUCCESS, vm_object_shadow_at(&top, 3 * P, 2 * P));
	assert_ptr_equal(object, top->backing);
	check_u64(0, top->backing_offset);
	check_u64(3, top->first);
	check_u64(5, top->size);
	vm_object_deallocate(object);
	object_collapse(top);
	assert_null(top->backing);
	check_u64(2, top->resident);
	check_page(top, 3, 13);
	check_page(top, 4, 14);
	vm_object_deallocate(top);
}

static void
shadow_of_boot(void **state)
{
	struct vm_object *module = vm_object_allocate(&vm_pager_boot, 1), *top = module;
	vm_ooffset_t offset = 0;

	(void)state;
	check_kr(KERN_SUCCESS, vm_object_shadow(&top, &offset, P));
	assert_ptr_not_equal(module, top);
	vm_object_deallocate(top);
}

static void
shadow_without_memory(void **state)
{
	struct vm_object *object = space_object(2, 1), *top = object;
	vm_ooffset_t offset = P;

	(void)state;
	vm_object_reference(object);
	model_fail_from(1);
	check_kr(KERN_RESOURCE_SHORTAGE, vm_object_shadow(&top, &offset, P));
	check_kr(KERN_RESOURCE_SHORTAGE, vm_object_shadow_at(&top, 0, P));
	model_fail_off();
	assert_ptr_equal(object, top);
	check_u64(P, offset);
	check_u64(2, object->ref_count);
	check_u64(0, object->shadow_count);
	vm_object_deallocate(object);
	vm_object_deallocate(object);
}

/* OBJ-04 */

#define DEPTH	   10000
#define STACK_ROOM (256ul << 10)

/* limit_stack: the host ends the test if it needs this much more stack than now. */
static void
limit_stack(void)
{
	char here;
	uintptr_t used = 0;
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	struct rlimit limit;

	while (fgets(line, sizeof(line), maps) != NULL) {
		uintptr_t start, end;

		if (strstr(line, "[stack]") != NULL && sscanf(line, "%lx-%lx", &start, &end) == 2)
			used = end - (uintptr_t)&here;
	}
	fclose(maps);
	assert_int_not_equal(used, 0);
	assert_int_equal(getrlimit(RLIMIT_STACK, &limit), 0);
	limit.rlim_cur = used + STACK_ROOM;
	assert_int_equal(setrlimit(RLIMIT_STACK, &limit), 0);
}

static void
deep_chain(void **state)
{
	static struct vm_object *level[DEPTH];
	uint64_t objects = vm_object_count();

	(void)state;
	for (size_t i = 0; i < DEPTH; i++)
		level[i] = i == 0 ? vm_object_allocate_anon(1) : object_over(level[i - 1], 0, 1);
	/* Paging keeps the chain from being shortened while the references go. */
	for (size_t i = 0; i < DEPTH; i++)
		level[i]->paging++;
	for (size_t i = 0; i < DEPTH - 1; i++)
		vm_object_deallocate(level[i]);
	check_u64(objects + DEPTH, vm_object_count());
	for (size_t i = 0; i < DEPTH; i++)
		level[i]->paging--;
	limit_stack();
	vm_object_deallocate(level[DEPTH - 1]);
	check_u64(objects, vm_object_count());
}

/* A deep chain that may be shortened is, in one go. */
static void
deep_collapse(void **state)
{
	static struct vm_object *level[DEPTH];
	uint64_t objects = vm_object_count();

	(void)state;
	for (size_t i = 0; i < DEPTH; i++)
		level[i] = i == 0 ? space_object(1, 7) : object_over(level[i - 1], 0, 1);
	for (size_t i = 0; i < DEPTH; i++)
		level[i]->paging++;
	for (size_t i = 0; i < DEPTH - 1; i++)
		vm_object_deallocate(level[i]);
	for (size_t i = 0; i < DEPTH; i++)
		level[i]->paging--;
	limit_stack();
	object_collapse(level[DEPTH - 1]);
	assert_null(level[DEPTH - 1]->backing);
	check_page(level[DEPTH - 1], 0, 7);
	check_u64(objects + 1, vm_object_count());
	vm_object_deallocate(level[DEPTH - 1]);
}

/* Coalescing. */

static void
coalesce(void **state)
{
	struct vm_object *object = vm_object_allocate_anon(4), *top;

	(void)state;
	assert_true(vm_object_coalesce(NULL, 0, P, P));
	for (vm_pindex_t i = 0; i < 4; i++)
		object_put_page(object, i, (uint8_t)i);
	/* The mapping ends at page 2: what an earlier one left behind it goes. */
	assert_true(vm_object_coalesce(object, 0, 2 * P, P));
	check_u64(3, object->resident);
	assert_false(space_object_resident(object, 2));
	check_page(object, 3, 3);
	check_u64(4, object->size);
	assert_true(vm_object_coalesce(object, P, 2 * P, 5 * P));
	check_u64(8, object->size);
	check_u64(2, object->resident);

	top = object_over(object, 0, 4);
	assert_false(vm_object_coalesce(top, 0, 4 * P, P)); /* it has something behind it */
	check_u64(4, top->size);
	vm_object_deallocate(top);
	vm_object_deallocate(object);
}

/* The parts of one mapping: a hole between them belongs to nobody; if they were moved about, only the
 * end of the object does. */
static void
coalesce_parts(void **state)
{
	struct vm_object *object = vm_object_allocate_anon(8);

	(void)state;
	vm_object_reference(object);
	object_put_page(object, 2, 9);
	assert_true(vm_object_coalesce(object, 0, 2 * P, P));
	check_u64(0, object->resident);
	check_u64(8, object->size);
	object->flags |= VM_OBJECT_SCATTERED;
	assert_false(vm_object_coalesce(object, 0, 2 * P, P));
	assert_true(vm_object_coalesce(object, 0, 8 * P, P));
	check_u64(9, object->size);
	vm_object_deallocate(object);
	vm_object_deallocate(object);
}

/* What stood behind could not be taken over when its other users went; now it is. */
static void
coalesce_after_collapse(void **state)
{
	struct vm_object *below = space_object(4, 10), *top = object_over(below, 0, 4);
	struct vm_page *m = vm_radix_lookup(&below->pages, 1);

	(void)state;
	rwlock_write(&below->lock);
	vm_page_busy(m);
	rwlock_write_unlock(&below->lock);
	vm_object_deallocate(below);
	assert_false(vm_object_coalesce(top, 0, 4 * P, P));
	rwlock_write(&below->lock);
	vm_page_unbusy(m);
	rwlock_write_unlock(&below->lock);
	assert_true(vm_object_coalesce(top, 0, 4 * P, P));
	check_u64(5, top->size);
	check_page(top, 3, 13);
	vm_object_deallocate(top);
}

/* What shows an object alone and goes on in it under other rights: the first part's pages are nobody
 * else's. */
static void
coalesce_makes_one_mapping(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(4, 10);

	check_kr(KERN_SUCCESS,
		 space_insert(f->map, object, 0, A, A + 4 * P, VM_PROT_RW, VM_PROT_ALL, 0));
	space_map(f->map, A + 4 * P, 2 * P, VM_PROT_RW, VM_PROT_RW, 0);
	assert_ptr_equal(object, space_entry(f->map, A + 4 * P)->object);
	model_user_store(f->proc, A + 4 * P, 1);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 4 * P));
	check_u64(1, object->resident);
	check_u64(1, model_user_load(f->proc, A + 4 * P));
}

static void
coalesce_refused(void **state)
{
	struct vm_object *named = space_object(4, 1), *boot = space_object(1, 1);
	struct vm_object *busy = vm_object_allocate_anon(4);

	(void)state;
	space_object_becomes(boot, &vm_pager_boot);
	assert_false(vm_object_coalesce(boot, 0, P, P));
	/* Somebody else may have pages 2 and 3 mapped. */
	vm_object_reference(named);
	assert_false(vm_object_coalesce(named, 0, 2 * P, P));
	check_u64(4, named->resident);
	space_object_stall(busy, 2);
	assert_false(vm_object_coalesce(busy, 0, 2 * P, P));
	space_object_go_on(busy, 2);
	assert_true(vm_object_coalesce(busy, 0, 2 * P, P));
	vm_object_deallocate(busy);
	vm_object_deallocate(boot);
	vm_object_deallocate(named);
	vm_object_deallocate(named);
}

/* References. */

static void
drop(void *arg)
{
	vm_object_deallocate(arg);
}

static void
teardown_waits_for_paging(void **state)
{
	struct vm_usage before = vm_usage_read();
	struct vm_object *object = space_object(2, 1);
	struct thread *t;

	(void)state;
	rwlock_write(&object->lock);
	vm_object_paging_begin(object);
	rwlock_write_unlock(&object->lock);
	t = model_thread_start("drops", drop, object);
	model_thread_await_sleep(t);
	check_page(object, 1, 2);
	rwlock_write(&object->lock);
	vm_object_paging_end(object);
	rwlock_write_unlock(&object->lock);
	model_thread_join(t);
	vm_usage_check(&before);
}

static void
page_remove(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(6, 1);

	space_map_object(f->map, object, A, VM_PROT_RW, VM_PROT_ALL, 0);
	check_fill(f->proc, A, 6, 1);
	rwlock_write(&object->lock);
	vm_page_wire(vm_radix_lookup(&object->pages, 3));
	vm_object_page_remove(object, 2, 4);
	rwlock_write_unlock(&object->lock);
	check_u64(5, object->resident);
	check_u64(4, pmap_resident_count(f->pmap));
	check_page(object, 3, 0);
	check_page(object, 4, 5);
	rwlock_write(&object->lock);
	vm_page_unwire(vm_radix_lookup(&object->pages, 3));
	vm_object_page_remove(object, 1, 0);
	rwlock_write_unlock(&object->lock);
	check_u64(1, object->resident);
	check_u64(1, model_user_load(f->proc, A));
	check_u64(0, model_user_load(f->proc, A + 5 * P));
	vm_object_deallocate(object);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"OBJ-01: collapse keeps the upper of two pages and frees what is out of sight",
	     collapse_keeps_the_top},
	    {"OBJ-01: three levels: windows add up", three_levels},
	    {"OBJ-01: three levels: likewise from below", three_levels_from_below},
	    {"OBJ-01: what a small object in the middle hides stays hidden", small_middle},
	    {"OBJ-01: paging and busy pages put a collapse off and lose nothing", not_now},
	    {"OBJ-01: so does want of memory", collapse_without_memory},
	    {"OBJ-01: mapped pages move with their mappings", collapse_under_a_mapping},
	    {"OBJ-02: an object that is fully shadowed but used by others is bypassed", bypass},
	    {"OBJ-02: so is one without pages", bypass_empty},
	    {"OBJ-02: so is the last one of a chain", bypass_last},
	    {"OBJ-02: a boot object is neither collapsed nor bypassed", never_into_a_boot_object},
	    {"OBJ-03: a shadow of an object with one reference is no operation", shadow_of_private},
	    {"OBJ-03: a shadow of a shared object, and what it takes from it", shadow_of_shared},
	    {"OBJ-03: a boot object is shadowed, however few use it", shadow_of_boot},
	    {"OBJ-03: without memory nothing changes", shadow_without_memory},
	    {"OBJ-04: a chain of 10,000 objects is freed on a small stack", deep_chain},
	    {"OBJ-04: and collapsed on one", deep_collapse},
	    {"OBJ: coalescing frees stale pages and sizes the object", coalesce},
	    {"OBJ: coalescing is refused where others may look", coalesce_refused},
	    {"OBJ: teardown waits for the end of paging", teardown_waits_for_paging},
	    {"OBJ: removed pages are unmapped, wired ones stay as zeroes", page_remove},
	    {"OBJ-03: a shadow for a stack keeps the offsets and shows its part", shadow_in_place},
	    {"OBJ: holes between parts of a mapping are filled, unless they were moved about",
	     coalesce_parts},
	    {"OBJ: what can be collapsed now is, to be continued", coalesce_after_collapse},
	    {"OBJ: an object of one entry that is continued is one mapping's",
	     coalesce_makes_one_mapping},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
