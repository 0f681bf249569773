/* SPDX-License-Identifier: BSD-2-Clause */
/* vm_fault: from an address to a page, or to the right signal; alone and with others. */
#include "kernel/base/clock.h"
#include "kernel/base/sched.h"
#include "model/kernel.h"
#include "model/memory.h"
#include "model/mmu.h"
#include "model/space.h"
#include "model/thread.h"
#include "model/toucher.h"
#include "model/vm_fixture.h"
#include "vm/vm_fault.h"
#include "vm/vm_kern.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vmspace.h"
#include <machine/cpu.h>

#define A 0x100000ul
#define P PAGE_SIZE

/* The waits of a fault for memory, before it gives up: the clock of the model shows them. */
#define GIVES_UP_NS (2 * NS_PER_SEC)

/* FLT-01 */

static void
zero_fill(void **state)
{
	struct vm_fixture *f = *state;
	uint8_t page[PAGE_SIZE];
	uint64_t frames;

	space_map(f->map, A, 4 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	check_u64(0, pmap_resident_count(f->pmap));
	check_u64(MODEL_OK, model_user_read(f->proc, A, page, P));
	for (size_t i = 0; i < P; i++)
		check_u64(0, page[i]);
	check_u64(1, pmap_resident_count(f->pmap));
	frames = vm_usage_read().frames;
	model_user_store(f->proc, A + 17, 3);
	check_u64(frames, vm_usage_read().frames);
	check_u64(3, model_user_load(f->proc, A + 17));
	check_u64(0, model_user_load(f->proc, A + P + 17));
	check_u64(VM_PAGE_VALID, space_mapped(f->map, A)->flags);
}

/* FLT-02 */

static void
signals(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, P, VM_PROT_READ, VM_PROT_ALL, 0);
	space_map(f->map, A + P, P, VM_PROT_NONE, VM_PROT_ALL, 0);
	space_map(f->map, A + 2 * P, P, VM_PROT_READ | VM_PROT_EXECUTE, VM_PROT_ALL, 0);
	check_kr(KERN_SUCCESS, space_insert(f->map, NULL, 0, A + 3 * P, A + 4 * P, VM_PROT_NONE,
					    VM_PROT_NONE, MAP_CREATE_GUARD));
	check_u64(SEGV_MAPERR, try_load(f->proc, A - 1));
	check_u64(SEGV_MAPERR, try_store(f->proc, A - 1));
	check_u64(SEGV_MAPERR, try_load(f->proc, A + 4 * P));
	check_u64(MODEL_OK, try_load(f->proc, A));
	check_u64(SEGV_ACCERR, try_store(f->proc, A));
	check_u64(SEGV_ACCERR, model_user_fetch(f->proc, A));
	check_u64(SEGV_ACCERR, try_load(f->proc, A + P));
	check_u64(SEGV_ACCERR, try_store(f->proc, A + P));
	check_u64(MODEL_OK, model_user_fetch(f->proc, A + 2 * P));
	check_u64(SEGV_ACCERR, try_store(f->proc, A + 2 * P));
	check_u64(SEGV_ACCERR, try_load(f->proc, A + 3 * P));
	check_u64(2, pmap_resident_count(f->pmap));
	check_u64(SEGV_MAPERR, try_load(f->proc, 0));
	check_u64(SEGV_MAPERR, try_load(f->proc, MODEL_USER_MAX));
}

static void
after_protect(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, P, VM_PROT_RW, VM_PROT_ALL, 0);
	check_u64(MODEL_OK, try_store(f->proc, A));
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + P, VM_PROT_READ, FALSE));
	check_u64(MODEL_OK, try_load(f->proc, A));
	check_u64(SEGV_ACCERR, try_store(f->proc, A));
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + P, VM_PROT_NONE, FALSE));
	check_u64(SEGV_ACCERR, try_load(f->proc, A));
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + P));
	check_u64(SEGV_MAPERR, try_load(f->proc, A));
}

/* FLT-03 */

static void
beyond_the_object(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *one = space_object(1, 7), *none = space_object(0, 0);

	vm_object_reference(one);
	vm_object_reference(none);
	check_kr(KERN_SUCCESS,
		 space_insert(f->map, one, 0, A, A + 2 * P, VM_PROT_RW, VM_PROT_ALL, 0));
	check_kr(KERN_SUCCESS,
		 space_insert(f->map, none, 0, A + 4 * P, A + 5 * P, VM_PROT_RW, VM_PROT_ALL, 0));
	check_u64(7, model_user_load(f->proc, A));
	check_u64(BUS_OBJERR, try_load(f->proc, A + P));
	check_u64(BUS_OBJERR, try_store(f->proc, A + P));
	check_u64(BUS_OBJERR, try_load(f->proc, A + 4 * P));
	check_u64(BUS_OBJERR, try_store(f->proc, A + 4 * P));
	check_u64(1, one->resident);
	check_u64(0, none->resident);
	vm_object_deallocate(one);
	vm_object_deallocate(none);
}

/* A private mapping ends where its object does, also after a page of it has been copied. */
static void
beyond_the_object_private(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *two = space_object(2, 7);

	vm_object_reference(two);
	check_kr(KERN_SUCCESS, space_insert(f->map, two, 0, A, A + 4 * P, VM_PROT_RW, VM_PROT_ALL,
					    MAP_COPY_ON_WRITE));
	check_u64(BUS_OBJERR, try_load(f->proc, A + 2 * P));
	/* With one copy the shadow needs what is behind it, with both it does not. */
	for (vm_offset_t va = A; va < A + 2 * P; va += P) {
		model_user_store(f->proc, va, 50);
		check_u64(BUS_OBJERR, try_load(f->proc, A + 2 * P));
		check_u64(BUS_OBJERR, try_store(f->proc, A + 3 * P));
	}
	check_u64(1, space_chain(f->map, A));
	check_u64(50, model_user_load(f->proc, A));
	check_u64(7, space_object_byte(two, 0));
	vm_object_deallocate(two);
}

/* A boot module has the pages it has: what is missing is not zero. */
static void
boot_object(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *module = space_object(3, 7);
	struct vm_page *m;

	rwlock_write(&module->lock);
	space_object_becomes(module, &vm_pager_boot);
	m = vm_radix_lookup(&module->pages, 1);
	vm_page_free(m);
	rwlock_write_unlock(&module->lock);
	space_map_object(f->map, module, A, VM_PROT_READ, VM_PROT_ALL, 0);
	space_map_object(f->map, module, A + 8 * P, VM_PROT_RW, VM_PROT_ALL, MAP_COPY_ON_WRITE);
	check_u64(7, model_user_load(f->proc, A));
	check_u64(BUS_OBJERR, try_load(f->proc, A + P));
	model_user_store(f->proc, A + 8 * P, 1);
	check_u64(BUS_OBJERR, try_load(f->proc, A + 9 * P));
	check_u64(BUS_OBJERR, try_store(f->proc, A + 9 * P));
	check_u64(9, model_user_load(f->proc, A + 10 * P));
	check_u64(7, model_user_load(f->proc, A));
	vm_object_deallocate(module);
}

/* FLT-04 */

static void
write_only(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, P, VM_PROT_WRITE, VM_PROT_ALL, 0);
	check_u64(MODEL_OK, try_store(f->proc, A));
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + P, VM_PROT_READ, FALSE));
	check_u64(5, model_user_load(f->proc, A));
}

/* FLT-05 */

#define THREADS	   4
#define RACE_PAGES 64

struct racer {
	struct proc *proc;
	unsigned id;
	bool *go;
};

/* Each stores its byte into each page, at its own place. */
static void
race(void *arg)
{
	struct racer *r = arg;

	while (!__atomic_load_n(r->go, __ATOMIC_SEQ_CST))
		model_yield();
	for (size_t i = 0; i < RACE_PAGES; i++)
		model_user_store(r->proc, A + ptoa(i) + r->id, (uint8_t)(r->id + 1));
}

static void
run_race(struct proc *p)
{
	struct racer racers[THREADS];
	struct thread *t[THREADS];
	bool go = false;

	for (unsigned i = 0; i < THREADS; i++) {
		racers[i] = (struct racer){p, i, &go};
		t[i] = model_thread_start("racer", race, &racers[i]);
	}
	__atomic_store_n(&go, true, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < THREADS; i++)
		model_thread_join(t[i]);
	for (size_t i = 0; i < RACE_PAGES; i++)
		for (unsigned k = 0; k < THREADS; k++)
			check_u64(k + 1, model_user_load(p, A + ptoa(i) + k));
}

static void
one_page_for_all(void **state)
{
	struct vm_fixture *f = *state;

	for (int round = 0; round < 20; round++) {
		space_map(f->map, A, ptoa(RACE_PAGES), VM_PROT_RW, VM_PROT_ALL, 0);
		run_race(f->proc);
		check_u64(RACE_PAGES, space_entry(f->map, A)->object->resident);
		check_u64(1, space_chain(f->map, A));
		check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + ptoa(RACE_PAGES)));
	}
}

static void
one_copy_for_all(void **state)
{
	struct vm_fixture *f = *state;
	uint64_t objects;

	for (int round = 0; round < 20; round++) {
		struct proc *child;

		space_map(f->map, A, ptoa(RACE_PAGES), VM_PROT_RW, VM_PROT_ALL, 0);
		for (size_t i = 0; i < RACE_PAGES; i++)
			model_user_store(f->proc, A + ptoa(i) + 100, (uint8_t)i);
		objects = vm_usage_read().objects;
		child = model_proc_fork(f->proc);
		run_race(f->proc);
		for (size_t i = 0; i < RACE_PAGES; i++) {
			check_u64((uint8_t)i, model_user_load(f->proc, A + ptoa(i) + 100));
			check_u64((uint8_t)i, model_user_load(child, A + ptoa(i) + 100));
			check_u64(0, model_user_load(child, A + ptoa(i)));
		}
		check_u64(objects + 1, vm_usage_read().objects);
		model_proc_destroy(child);
		check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + ptoa(RACE_PAGES)));
	}
}

/* A fault has seen that there is no object and waits to make one; meanwhile another one has. */
static void
one_object_for_all(void **state)
{
	struct vm_fixture *f = *state;
	struct toucher t;
	struct vm_object *object;

	space_map(f->map, A, 4 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	model_hold_off_writers(f->map);
	toucher_start(&t, f->proc, A);
	model_become_writer(f->map);
	check_kr(KERN_SUCCESS, vm_map_entry_materialise(f->map->header.next));
	object = f->map->header.next->object;
	vm_map_unlock(f->map);
	check_u64(MODEL_OK, toucher_end(&t));
	assert_ptr_equal(object, space_entry(f->map, A)->object);
	check_u64(1, object->resident);
	check_u64(5, model_user_load(f->proc, A));
}

/* FLT-06, FLT-07, FLT-11: a page that is being filled stands for one that a pager brings. */

/* stalled: an object of 4 pages, mapped at A, and a thread that waits for its first page. */
static struct vm_object *
stalled(struct vm_fixture *f, struct toucher *t, int cow)
{
	struct vm_object *object = vm_object_allocate(&vm_pager_anonymous, 4);

	assert_non_null(object);
	space_object_stall(object, 0);
	space_map_object(f->map, object, A, VM_PROT_RW, VM_PROT_ALL, cow);
	toucher_start(t, f->proc, A);
	return object;
}

static void
unmapped_meanwhile(void **state)
{
	struct vm_fixture *f = *state;
	struct toucher t;
	struct vm_object *object = stalled(f, &t, 0);

	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 4 * P));
	space_object_go_on(object, 0);
	check_u64(SEGV_MAPERR, toucher_end(&t));
	check_u64(0, pmap_resident_count(f->pmap));
	vm_object_deallocate(object);
}

/* Something else is there by now: the fault is that one's. */
static void
replaced_meanwhile(void **state)
{
	struct vm_fixture *f = *state;
	struct toucher t;
	struct vm_object *object = stalled(f, &t, 0);

	check_kr(KERN_SUCCESS, vm_map_fixed(f->map, NULL, 0, A, 4 * P, VM_PROT_RW, VM_PROT_ALL, 0));
	space_object_go_on(object, 0);
	check_u64(MODEL_OK, toucher_end(&t));
	check_u64(0, space_object_byte(object, 0));
	check_u64(5, model_user_load(f->proc, A));
	vm_object_deallocate(object);
}

static void
protected_meanwhile(void **state)
{
	struct vm_fixture *f = *state;
	struct toucher t;
	struct vm_object *object = stalled(f, &t, 0);

	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 4 * P, VM_PROT_READ, FALSE));
	space_object_go_on(object, 0);
	check_u64(SEGV_ACCERR, toucher_end(&t));
	check_u64(0, model_user_load(f->proc, A));
	vm_object_deallocate(object);
}

/* Nothing is held while the fault waits: not the map, not an object of the chain. */
static void
holds_nothing(void **state)
{
	struct vm_fixture *f = *state;
	struct toucher t;
	/* Copy-on-write, so that the page waited for lies behind the top object. */
	struct vm_object *object = stalled(f, &t, MAP_COPY_ON_WRITE);
	struct vm_object *top = space_entry(f->map, A)->object;

	assert_ptr_not_equal(object, top);
	assert_true(vm_map_trylock(f->map));
	vm_map_unlock(f->map);
	assert_true(rwlock_trywrite(&top->lock));
	rwlock_write_unlock(&top->lock);
	assert_true(rwlock_trywrite(&object->lock));
	rwlock_write_unlock(&object->lock);
	check_u64(MODEL_OK, try_store(f->proc, A + P));
	space_object_go_on(object, 0);
	check_u64(MODEL_OK, toucher_end(&t));
	check_u64(0, space_object_byte(object, 0));
	check_u64(5, model_user_load(f->proc, A));
	vm_object_deallocate(object);
}

static void
killed(void **state)
{
	struct vm_fixture *f = *state;
	struct toucher t, other;
	struct vm_object *object = stalled(f, &t, 0);

	toucher_start(&other, f->proc, A);
	check_u64(MODEL_KILLED, toucher_kill(&t));
	check_u64(MODEL_OK, try_store(f->proc, A + 2 * P));
	space_object_go_on(object, 0);
	check_u64(MODEL_OK, toucher_end(&other));
	vm_object_deallocate(object);
}

/* FLT-08 */

static void
private_mappings(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *zero = vm_object_allocate(&vm_pager_anonymous, 4);
	struct proc *other = model_proc_create();

	space_map_object(f->map, zero, A, VM_PROT_RW, VM_PROT_ALL, MAP_COPY_ON_WRITE);
	space_map_object(f->map, zero, A + 8 * P, VM_PROT_RW, VM_PROT_ALL, MAP_COPY_ON_WRITE);
	space_map_object(model_proc_map(other), zero, A, VM_PROT_RW, VM_PROT_ALL,
			 MAP_COPY_ON_WRITE);
	check_u64(0, model_user_load(f->proc, A + P));
	space_fill(f->proc, A, 4, 10);
	check_u64(0, model_user_load(f->proc, A + 8 * P));
	space_fill(f->proc, A + 8 * P, 4, 20);
	check_u64(0, model_user_load(other, A + 3 * P));
	space_fill(other, A, 4, 30);
	check_fill(f->proc, A, 4, 10);
	check_fill(f->proc, A + 8 * P, 4, 20);
	check_fill(other, A, 4, 30);
	for (vm_pindex_t i = 0; i < 4; i++)
		assert_true(!space_object_resident(zero, i) || space_object_byte(zero, i) == 0);
	model_proc_destroy(other);
	vm_object_deallocate(zero);
}

/* FLT-09 */

static void
no_fault_entry(void **state)
{
	vm_offset_t addr = kmem_alloc_nofault(kernel_map, 4 * P);

	(void)state;
	assert_int_not_equal(addr, 0);
	expect_panic("no-fault entry", vm_fault(kernel_map, addr + P, VM_PROT_READ, 0));
}

/* FLT-10 */

static void
gives_up(void **state)
{
	struct vm_fixture *f = *state;
	uint64_t start;

	space_map(f->map, A, 4 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	check_u64(MODEL_OK, try_store(f->proc, A));
	model_memory_take_all();
	start = clock_now();
	check_u64(BUS_OOMERR, try_store(f->proc, A + P));
	check_u64(GIVES_UP_NS, clock_now() - start);
	check_u64(0, curthread()->lockorder.count);
	check_u64(5, model_user_load(f->proc, A));
	model_memory_give_back();
	check_u64(MODEL_OK, try_store(f->proc, A + P));
}

static void
waits_for_memory(void **state)
{
	struct vm_fixture *f = *state;
	struct toucher t;
	struct vm_object *object;

	space_map(f->map, A, 4 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	check_u64(MODEL_OK, try_store(f->proc, A));
	object = space_entry(f->map, A)->object;
	model_memory_take_all();
	toucher_start(&t, f->proc, A + P);
	assert_true(vm_map_trylock(f->map));
	assert_true(rwlock_trywrite(&object->lock));
	rwlock_write_unlock(&object->lock);
	vm_map_unlock(f->map);
	model_memory_give_back();
	check_u64(MODEL_OK, toucher_end(&t));
	check_u64(0, clock_now());
	check_u64(5, model_user_load(f->proc, A + P));
}

static void
killed_while_it_waits(void **state)
{
	struct vm_fixture *f = *state;
	struct toucher t;

	space_map(f->map, A, 4 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	model_memory_take_all();
	toucher_start(&t, f->proc, A);
	check_u64(MODEL_KILLED, toucher_kill(&t));
	model_memory_give_back();
}

/* Other things. */

static void
debugger(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *text = space_object(2, 1);
	struct vm_page *m;

	space_map_object(f->map, text, A, VM_PROT_READ, VM_PROT_READ, MAP_COPY_ON_WRITE);
	space_map_object(f->map, text, A + 8 * P, VM_PROT_READ, VM_PROT_READ, 0);
	check_kr(KERN_PROTECTION_FAILURE, vm_fault(f->map, A, VM_PROT_WRITE, 0));
	check_kr(KERN_PROTECTION_FAILURE,
		 vm_fault(f->map, A + 8 * P, VM_PROT_READ | VM_PROT_COPY, 0));
	check_kr(KERN_SUCCESS,
		 vm_fault_hold(f->map, A, VM_PROT_READ | VM_PROT_COPY, VM_FAULT_NOGROW, &m));
	*(uint8_t *)pmap_page_address(m) = 50;
	vm_fault_release(m, VM_PROT_READ | VM_PROT_COPY);
	check_u64(50, model_user_load(f->proc, A));
	check_u64(2, model_user_load(f->proc, A + P));
	check_u64(1, model_user_load(f->proc, A + 8 * P));
	check_u64(SEGV_ACCERR, try_store(f->proc, A));
	vm_object_deallocate(text);
}

/* A page that is held keeps its frame when everybody else forgets it. */
static void
held(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_usage before = vm_usage_read();
	struct vm_page *m;

	space_map(f->map, A, P, VM_PROT_RW, VM_PROT_ALL, 0);
	model_user_store(f->proc, A, 9);
	check_kr(KERN_SUCCESS, vm_fault_hold(f->map, A, VM_PROT_READ, 0, &m));
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + P));
	check_u64(before.frames - 1, vm_usage_read().frames);
	check_u64(9, *(uint8_t *)pmap_page_address(m));
	vm_fault_release(m, VM_PROT_READ);
	vm_usage_check(&before);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"FLT-01: untouched memory is zero, and a store costs no second page", zero_fill},
	    {"FLT-02: each access that is not allowed ends in the right signal", signals},
	    {"FLT-02: likewise after vm_map_protect and vm_map_remove", after_protect},
	    {"FLT-03: beyond the end of the object: BUS_OBJERR", beyond_the_object},
	    {"FLT-03: likewise in a private mapping, also after a copy", beyond_the_object_private},
	    {"FLT-03: a page that a boot module lacks is no page of zeroes", boot_object},
	    {"FLT-04: write-only memory takes stores", write_only},
	    {"FLT-05: who fault for the same page at once all get one", one_page_for_all},
	    {"FLT-05: likewise the same copy", one_copy_for_all},
	    {"FLT-05: likewise the same object", one_object_for_all},
	    {"FLT-06: unmapped while the fault waits for the page", unmapped_meanwhile},
	    {"FLT-06: replaced while the fault waits for the page", replaced_meanwhile},
	    {"FLT-07: made read-only while the fault waits for the page", protected_meanwhile},
	    {"FLT-07: a fault that waits holds nothing", holds_nothing},
	    {"FLT-11: a thread that waits for a page is killed, others go on", killed},
	    {"FLT-08: private mappings of one source are independent", private_mappings},
	    {"FLT-09: a fault in a no-fault entry is a panic", no_fault_entry},
	    {"FLT-10: without memory a fault waits, then gives up with BUS_OOMERR", gives_up},
	    {"FLT-10: it holds nothing meanwhile, and goes on when there is memory",
	     waits_for_memory},
	    {"FLT-10: a thread that waits for memory can be killed", killed_while_it_waits},
	    {"FLT: a debugger's write copies, where a copy is allowed", debugger},
	    {"FLT: a held page outlives its mapping and its object", held},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
