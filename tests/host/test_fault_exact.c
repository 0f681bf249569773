/* SPDX-License-Identifier: BSD-2-Clause */
/* vm_fault does what it must and nothing besides: marks, mappings of others, waits. */
#include "kernel/base/clock.h"
#include "model/memory.h"
#include "model/memory_fixture.h"
#include "model/mmu.h"
#include "model/space.h"
#include "model/thread.h"
#include "model/toucher.h"
#include "model/vm_fixture.h"
#include "vm/vm_fault.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include <machine/cpu.h>

#define A 0x100000ul
#define P PAGE_SIZE

/* FLT-01: before the program has done its access, so that the marks are the fault's. */
static void
marks(void **state)
{
	struct vm_fixture *f = *state;
	struct pmap_mapping m;

	space_map(f->map, A, 2 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	check_kr(KERN_SUCCESS, vm_fault(f->map, A, VM_PROT_WRITE, 0));
	assert_true(pmap_query(f->pmap, A, &m));
	assert_true(m.accessed && m.dirty);
	check_kr(KERN_SUCCESS, vm_fault(f->map, A + P, VM_PROT_READ, 0));
	assert_true(pmap_query(f->pmap, A + P, &m));
	check_u64(VM_PROT_RW, m.prot);
	assert_false(m.accessed || m.dirty);
}

/* FLT-08: the child's copy is the child's affair. */
static void
others_keep_theirs(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;
	uint64_t faults;

	space_map(f->map, A, P, VM_PROT_RW, VM_PROT_ALL, 0);
	space_fill(f->proc, A, 1, 1);
	child = model_proc_fork(f->proc);
	check_fill(f->proc, A, 1, 1);
	check_fill(child, A, 1, 1);
	check_u64(MODEL_OK, try_store(child, A));
	faults = model_fault_count();
	check_fill(f->proc, A, 1, 1);
	check_u64(faults, model_fault_count());
	model_proc_destroy(child);
}

/* What others left on the stack is not what a fault has learnt. */
static void __attribute__((noinline)) dirty_stack(void)
{
	volatile uint8_t junk[4 * P];

	for (size_t i = 0; i < sizeof(junk); i++)
		junk[i] = 0xff;
}

static void
begins_anew(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t bottom = A + 64 * P - vm_sgrowsiz;

	check_kr(KERN_SUCCESS, vm_map_stack(f->map, A, 64 * P, VM_PROT_RW, VM_PROT_ALL, 0));
	dirty_stack();
	check_kr(KERN_SUCCESS, vm_fault(f->map, bottom - P, VM_PROT_WRITE, 0));
}

/* FLT-10: only what needs memory waits for it. */
static void
errors_do_not_wait(void **state)
{
	struct vm_fixture *f = *state;
	uint64_t start;

	space_map(f->map, A, P, VM_PROT_READ, VM_PROT_ALL, 0);
	model_memory_take_all();
	start = clock_now();
	check_u64(SEGV_ACCERR, try_store(f->proc, A));
	check_u64(SEGV_MAPERR, try_store(f->proc, A + P));
	check_u64(start, clock_now());
	model_memory_give_back();
}

/* FLT-05: who waits for the top object has a page of zeroes made, should one be needed. */

struct waiter {
	struct vm_fixture *f;
	struct vm_object *object; /* mapped at A; the test has it locked */
	uint64_t frames;	  /* that were free before it waited */
	struct toucher toucher;
};

/* keep_waiting: object, a reference to which becomes the mapping's at A, is locked, and a fault there
 * waits for it. */
static struct waiter *
keep_waiting(struct vm_fixture *f, struct vm_object *object)
{
	static struct waiter w;

	w = (struct waiter){.f = f, .object = object};
	check_kr(KERN_SUCCESS, space_insert(f->map, object, 0, A, A + ptoa(object->size),
					    VM_PROT_RW, VM_PROT_ALL, 0));
	rwlock_write(&object->lock);
	w.frames = memory_free();
	toucher_start(&w.toucher, f->proc, A);
	return &w;
}

/* go_on: the object is unlocked, and the store succeeds. */
static void
go_on(struct waiter *w)
{
	rwlock_write_unlock(&w->object->lock);
	check_u64(MODEL_OK, toucher_end(&w->toucher));
	check_u64(5, model_user_load(w->f->proc, A));
}

/* page_of_another: somebody else has brought the page in. */
static struct vm_page *
page_of_another(struct vm_object *object, int flags)
{
	struct vm_page *m = vm_page_alloc(object, 0, VM_ALLOC_ZERO | flags);

	assert_non_null(m);
	return m;
}

static void
spare_used(void **state)
{
	struct vm_fixture *f = *state;
	struct waiter *w = keep_waiting(f, vm_object_allocate_anon(1));

	check_u64(w->frames - 1, memory_free());
	go_on(w);
	check_u64(1, w->object->resident);
	check_u64(VM_PAGE_VALID, space_mapped(f->map, A)->flags);
	check_u64(0, model_user_load(f->proc, A + P - 1));
}

/* Another one was faster: one page of the two is given back, as zero as it was. */
static void
spare_not_needed(void **state)
{
	struct vm_fixture *f = *state;
	struct waiter *w = keep_waiting(f, vm_object_allocate_anon(1));
	struct vm_page *m = page_of_another(w->object, VM_ALLOC_NOBUSY);
	uint64_t frames = memory_free();

	go_on(w);
	assert_ptr_equal(m, space_mapped(f->map, A));
	check_u64(frames + 1, memory_free());
}

/* It waits for the object, for a page that another brings in, and for the object again: one spare. */
static void
spare_once(void **state)
{
	struct vm_fixture *f = *state;
	struct waiter *w = keep_waiting(f, vm_object_allocate_anon(1));
	struct vm_page *m = page_of_another(w->object, 0);
	uint64_t frames = memory_free();

	rwlock_write_unlock(&w->object->lock);
	model_thread_await_sleep(w->toucher.thread);
	rwlock_write(&w->object->lock);
	vm_page_unbusy(m);
	model_thread_await_sleep(w->toucher.thread);
	check_u64(frames, memory_free());
	go_on(w);
	check_u64(frames + 1, memory_free());
}

/* There is no memory to note where the page is: it is kept until there is. */
static void
spare_kept(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = vm_object_allocate_anon(2);
	struct waiter *w = keep_waiting(f, object);
	struct vm_page *other = vm_page_alloc(object, 1, VM_ALLOC_ZERO | VM_ALLOC_NOBUSY);

	assert_non_null(other);
	check_u64(2, object->size);
	model_fail_after(1); /* the tree's node for two pages */
	go_on(w);
	check_u64(1, model_fail_count());
	check_u64(2, object->resident);
}

/* What a pager has is not zero: no page is made. */
static void
no_spare_beside_a_pager(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *module = space_object(1, 7);
	struct waiter *w;

	space_object_becomes(module, &vm_pager_boot);
	w = keep_waiting(f, module);
	check_u64(w->frames, memory_free());
	go_on(w);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"FLT-01: a store's mapping is dirty at once, a load's is not even accessed", marks},
	    {"FLT-05: who waits for the object makes a page of zeroes meanwhile", spare_used},
	    {"FLT-05: it is given back if another one was faster", spare_not_needed},
	    {"FLT-05: who waits twice makes one page", spare_once},
	    {"FLT-05: it is kept while there is no memory for its place", spare_kept},
	    {"FLT-05: none is made where a pager has the page", no_spare_beside_a_pager},
	    {"FLT-08: who copies a page takes nobody's mapping of it", others_keep_theirs},
	    {"FLT-10: without memory what is not allowed is refused at once", errors_do_not_wait},
	    {"FLT: a fault begins with nothing that was there before", begins_anew},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
