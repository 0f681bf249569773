/* SPDX-License-Identifier: BSD-2-Clause */
/* Objects with a pager: pages that come and go.  What happens while a fault waits: test_pager_wait.c. */
#include <string.h>
#include "kernel/base/clock.h"
#include "kernel/base/sched.h"
#include "model/memory.h"
#include "model/pager.h"
#include "model/space.h"
#include "model/thread.h"
#include "model/toucher.h"
#include "model/vm_fixture.h"
#include "vm/vm_fault.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"

#define A     0x100000ul
#define B     0x200000ul
#define P     PAGE_SIZE
#define PAGES 4ul
#define END   (A + PAGES * P)
#define FIRST 10 /* what page 0 is full of */

static struct model_pager pager;

/* mapped: a paged object at A; the entry has the only reference, unless `keep` gets one. */
static void
mapped(struct vm_fixture *f, int cow, struct vm_object **keep)
{
	struct vm_object *object = model_pager_object(&pager, PAGES, FIRST);

	space_map_object(f->map, object, A, VM_PROT_RW, VM_PROT_ALL, cow);
	if (keep != NULL)
		*keep = object;
	else
		vm_object_deallocate(object);
}

/* ---- pages that come ---- */

static void
comes(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object;

	mapped(f, 0, &object);
	check_fill(f->proc, A, PAGES, FIRST);
	check_fill(f->proc, A, PAGES, FIRST);
	check_u64(PAGES, pager.gets);
	check_u64(PAGES, object->resident);
	check_u64(0, object->paging);
	model_user_store(f->proc, A + P, 99);
	check_u64(99, space_object_byte(object, 1));
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, END));
	check_u64(0, pager.terminations);
	vm_object_deallocate(object);
	check_u64(1, pager.terminations);
}

/* What a private mapping changes the pager never sees. */
static void
comes_private(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object;

	mapped(f, MAP_COPY_ON_WRITE, &object);
	check_u64(FIRST, model_user_load(f->proc, A));
	space_fill(f->proc, A, 2, 50);
	check_u64(2, pager.gets);
	check_u64(FIRST + 2, model_user_load(f->proc, A + 2 * P));
	check_u64(2, space_chain(f->map, A));
	check_u64(FIRST, space_object_byte(object, 0));
	check_u64(FIRST + 1, space_object_byte(object, 1));
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, END));
	vm_object_deallocate(object);
	check_u64(0, pager.puts);
}

/* A page that the pager lacks on a second thought is zeroes; one that it never said it had is none. */
static void
not_there(void **state)
{
	struct vm_fixture *f = *state;

	mapped(f, 0, NULL);
	pager.answer = VM_PAGER_FAIL;
	check_u64(0, model_user_load(f->proc, A));
	pager.answer = VM_PAGER_OK;
	check_u64(0, model_user_load(f->proc, A));
	pager.lacks[1] = true;
	check_u64(BUS_OBJERR, try_load(f->proc, A + P));
	check_u64(BUS_OBJERR, try_store(f->proc, A + P));
	check_u64(1, pager.gets);
}

/* Beyond the end of the object nothing is asked for, however much the pager has. */
static void
beyond_the_end(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = model_pager_object(&pager, PAGES, FIRST);

	vm_object_reference(object);
	check_kr(KERN_SUCCESS,
		 space_insert(f->map, object, 0, A, END + 2 * P, VM_PROT_RW, VM_PROT_ALL, 0));
	check_kr(KERN_SUCCESS, space_insert(f->map, object, 0, B, B + (PAGES + 2) * P, VM_PROT_RW,
					    VM_PROT_ALL, MAP_COPY_ON_WRITE));
	check_u64(BUS_OBJERR, try_load(f->proc, END));
	check_u64(BUS_OBJERR, try_store(f->proc, END + P));
	check_u64(BUS_OBJERR, try_load(f->proc, B + PAGES * P));
	check_u64(BUS_OBJERR, try_store(f->proc, B + PAGES * P));
	check_u64(0, pager.gets);
}

static void
fails(void **state)
{
	static const enum vm_pager_result results[] = {VM_PAGER_ERROR, VM_PAGER_BAD};
	struct vm_fixture *f = *state;
	struct vm_object *object;

	for (int cow = 0; cow <= MAP_COPY_ON_WRITE; cow += MAP_COPY_ON_WRITE) {
		mapped(f, cow, &object);
		for (size_t i = 0; i < ARRAY_SIZE(results); i++) {
			pager.answer = results[i];
			check_u64(BUS_OBJERR, try_load(f->proc, A));
			check_u64(BUS_OBJERR, try_store(f->proc, A));
			check_kr(KERN_OUT_OF_BOUNDS, vm_map_wire(f->map, A, END, VM_MAP_WIRE_USER));
			check_u64(0, object->resident);
			check_u64(0, object->paging);
		}
		pager.answer = VM_PAGER_OK;
		check_u64(FIRST, model_user_load(f->proc, A));
		check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, END));
		vm_object_deallocate(object);
	}
}

/* A page in the middle of a wiring does not come: those before it are unwired again. */
static void
fails_while_wired(void **state)
{
	struct vm_fixture *f = *state;

	mapped(f, 0, NULL);
	pager.lacks[2] = true;
	check_kr(KERN_OUT_OF_BOUNDS, vm_map_wire(f->map, A, END, VM_MAP_WIRE_USER));
	check_u64(0, space_entry(f->map, A)->wired_count);
	check_u64(0, pmap_wired_count(f->pmap));
	check_u64(0, space_mapped(f->map, A)->wire_count);
	pager.lacks[2] = false;
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, END, VM_MAP_WIRE_USER));
	check_u64(PAGES, pmap_wired_count(f->pmap));
	check_u64(PAGES, pager.gets);
	check_kr(KERN_SUCCESS, vm_map_unwire(f->map, A, END, VM_MAP_WIRE_USER));
}

static void
too_slow(void **state)
{
	struct vm_fixture *f = *state;
	uint64_t start = clock_now();

	mapped(f, 0, NULL);
	pager.silent = true;
	pager.patience = 3 * NS_PER_SEC;
	check_u64(BUS_OBJERR, try_load(f->proc, A));
	check_u64(3 * NS_PER_SEC, clock_now() - start);
	pager.silent = false;
	check_u64(FIRST, model_user_load(f->proc, A));
}

/* Whether a page is to be asked for is decided when the object is locked again. */
static void
looks_again(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object;

	mapped(f, 0, &object);
	check_u64(FIRST, model_user_load(f->proc, A));
	check_kr(KERN_SUCCESS, vm_pager_page_in(object, 0));
	check_kr(KERN_SUCCESS, vm_pager_page_in(object, PAGES));
	pager.lacks[1] = true;
	check_kr(KERN_SUCCESS, vm_pager_page_in(object, 1));
	check_u64(1, pager.gets);
	check_kr(KERN_SUCCESS, vm_pager_page_in(object, 2));
	check_u64(2, pager.gets);
	check_u64(2, object->resident);
	vm_object_deallocate(object);
}

static void
without_memory(void **state)
{
	struct vm_fixture *f = *state;
	struct toucher t;

	mapped(f, 0, NULL);
	check_u64(FIRST + 1, model_user_load(f->proc, A + P));
	model_memory_take_all();
	check_u64(BUS_OOMERR, try_load(f->proc, A));
	toucher_start(&t, f->proc, A);
	model_memory_give_back();
	check_u64(MODEL_OK, toucher_end(&t));
	check_u64(2, pager.gets);
}

/* Each allocation of a fault that pages in fails in turn: a fault later it works. */
static void
allocations_fail(void **state)
{
	struct vm_fixture *f = *state;

	for (uint64_t k = 1;; k++) {
		mapped(f, MAP_COPY_ON_WRITE, NULL);
		model_fail_after(k);
		check_u64(MODEL_OK, try_store(f->proc, A));
		if (model_fail_count() == 0)
			break;
		model_fail_off();
		check_u64(5, model_user_load(f->proc, A));
		check_u64(FIRST + 1, model_user_load(f->proc, A + P));
		check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, END));
		check_u64(1, pager.terminations);
	}
	model_fail_off();
}

static void
held(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_page *m;

	mapped(f, 0, NULL);
	check_kr(KERN_SUCCESS, vm_fault_hold(f->map, A + P, VM_PROT_READ, VM_FAULT_NOGROW, &m));
	check_u64(FIRST + 1, *(uint8_t *)pmap_page_address(m));
	vm_fault_release(m, VM_PROT_READ);
}

/* What is stored through a held page is a change like any other, be it by a debugger, and though the
 * page was written back after it was held. */
static void
held_and_stored(void **state)
{
	static const vm_prot_t types[] = {VM_PROT_WRITE, VM_PROT_READ | VM_PROT_COPY};
	struct vm_fixture *f = *state;
	struct vm_page *m;

	mapped(f, MAP_INHERIT_SHARE, NULL);
	for (uint8_t i = 0; i < ARRAY_SIZE(types); i++) {
		check_kr(KERN_SUCCESS, vm_fault_hold(f->map, A + P, types[i], VM_FAULT_NOGROW, &m));
		check_kr(KERN_SUCCESS, vm_map_sync(f->map, A, END, TRUE, FALSE));
		*(uint8_t *)pmap_page_address(m) = (uint8_t)(70 + i);
		vm_fault_release(m, types[i]);
		check_kr(KERN_SUCCESS, vm_map_sync(f->map, A, END, TRUE, TRUE));
		check_u64(70 + i, pager.page[1][0]);
		check_u64(70 + i, model_user_load(f->proc, A + P));
	}
	/* Who has only read has changed nothing. */
	pager.puts = 0;
	check_kr(KERN_SUCCESS, vm_fault_hold(f->map, A, VM_PROT_READ, VM_FAULT_NOGROW, &m));
	vm_fault_release(m, VM_PROT_READ);
	check_kr(KERN_SUCCESS, vm_map_sync(f->map, A, END, TRUE, TRUE));
	check_u64(0, pager.puts);
}

/* A child and its parent see one object, wherever the pages were when it was forked. */
static void
forked(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	mapped(f, MAP_COPY_ON_WRITE, NULL);
	space_fill(f->proc, A, 1, 50);
	child = model_proc_fork(f->proc);
	space_fill(child, A + P, 1, 60);
	check_u64(50, model_user_load(child, A));
	check_u64(FIRST + 1, model_user_load(f->proc, A + P));
	check_u64(60, model_user_load(child, A + P));
	check_u64(FIRST + 2, model_user_load(child, A + 2 * P));
	model_proc_destroy(child);
	space_fill(f->proc, A + P, 3, 70);
	check_fill(f->proc, A + P, 3, 70);
	check_u64(0, pager.puts);
}

/* ---- pages that go ---- */

static kern_return_t
put(struct vm_object *object, vm_pindex_t pindex)
{
	kern_return_t kr;

	rwlock_write(&object->lock);
	kr = vm_pager_put_page(object, vm_radix_lookup(&object->pages, pindex));
	rwlock_write_unlock(&object->lock);
	return kr;
}

static void
put_once(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object;

	mapped(f, 0, &object);
	check_u64(FIRST, model_user_load(f->proc, A));
	check_kr(KERN_SUCCESS, put(object, 0));
	check_u64(0, pager.puts);
	model_user_store(f->proc, A, 77);
	check_kr(KERN_SUCCESS, put(object, 0));
	check_kr(KERN_SUCCESS, put(object, 0));
	check_u64(1, pager.puts);
	check_u64(77, pager.page[0][0]);
	model_user_store(f->proc, A, 78);
	check_kr(KERN_SUCCESS, put(object, 0));
	check_u64(2, pager.puts);
	check_u64(78, pager.page[0][0]);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, END));
	vm_object_deallocate(object);
	check_u64(2, pager.puts);
}

static void
put_fails(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object;

	mapped(f, 0, &object);
	model_user_store(f->proc, A, 77);
	pager.answer = VM_PAGER_ERROR;
	check_kr(KERN_FAILURE, put(object, 0));
	check_u64(FIRST, pager.page[0][0]);
	check_u64(77, model_user_load(f->proc, A));
	pager.answer = VM_PAGER_OK;
	check_kr(KERN_SUCCESS, put(object, 0));
	check_u64(77, pager.page[0][0]);
	check_u64(2, pager.puts);
	vm_object_deallocate(object);
}

struct putter {
	struct vm_object *object;
	kern_return_t kr;
};

static void
put_page(void *arg)
{
	struct putter *p = arg;

	p->kr = put(p->object, 0);
}

/* The pager sees one state of a page: stores wait, loads need not, and what was stored later counts as
 * a change. */
static void
put_and_store(void **state)
{
	struct vm_fixture *f = *state;
	struct putter p;
	struct toucher t;
	struct thread *putter;

	mapped(f, 0, &p.object);
	model_user_store(f->proc, A, 77);
	pager.silent = true;
	putter = model_thread_start("putter", put_page, &p);
	model_thread_await_sleep(putter);
	check_u64(77, model_user_load(f->proc, A));
	toucher_start(&t, f->proc, A);
	model_pager_speak(&pager, VM_PAGER_OK);
	model_thread_join(putter);
	check_u64(MODEL_OK, toucher_end(&t));
	check_kr(KERN_SUCCESS, p.kr);
	check_u64(77, pager.page[0][0]);
	check_u64(5, model_user_load(f->proc, A));
	check_kr(KERN_SUCCESS, put(p.object, 0));
	check_u64(5, pager.page[0][0]);
	vm_object_deallocate(p.object);
}

static void
put_killed(void **state)
{
	struct vm_fixture *f = *state;
	struct putter p;
	struct thread *putter;

	mapped(f, 0, &p.object);
	model_user_store(f->proc, A, 77);
	pager.silent = true;
	putter = model_thread_start("putter", put_page, &p);
	model_thread_await_sleep(putter);
	model_thread_kill(putter);
	model_thread_join(putter);
	check_kr(KERN_ABORTED, p.kr);
	check_u64(MODEL_OK, try_store(f->proc, A));
	model_pager_speak(&pager, VM_PAGER_OK);
	check_kr(KERN_SUCCESS, put(p.object, 0));
	check_u64(5, pager.page[0][0]);
	vm_object_deallocate(p.object);
}

/* The end of the last mapping: what has changed goes to the pager, once, then it is told. */
static void
cleaned_at_the_end(void **state)
{
	struct vm_fixture *f = *state;

	mapped(f, 0, NULL);
	check_fill(f->proc, A, PAGES, FIRST);
	model_user_store(f->proc, A + P, 50);
	model_user_store(f->proc, A + 3 * P, 51);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, END));
	check_u64(2, pager.puts);
	check_u64(50, pager.page[1][0]);
	check_u64(51, pager.page[3][0]);
	check_u64(1, pager.terminations);
}

static void
lost_at_the_end(void **state)
{
	struct vm_fixture *f = *state;

	mapped(f, 0, NULL);
	space_fill(f->proc, A, PAGES, 50);
	pager.answer = VM_PAGER_ERROR;
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, END));
	check_u64(PAGES, pager.puts);
	check_u64(1, pager.terminations);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"PGR-01: an absent page is asked for, once", comes},
	    {"PGR-01: what came meanwhile, or is not there any more, is not asked for",
	     looks_again},
	    {"PGR-02: a private mapping copies what the pager brought", comes_private},
	    {"PGR-02: likewise across a fork", forked},
	    {"PGR-03: a page that the pager lacks is zeroes, or an error", not_there},
	    {"PGR-03: beyond the end of the object nothing is asked for", beyond_the_end},
	    {"PGR-04: a pager that fails is BUS_OBJERR, and nothing stays behind", fails},
	    {"PGR-04: likewise while pages are wired", fails_while_wired},
	    {"PGR-04: a pager that takes too long is BUS_OBJERR", too_slow},
	    {"PGR-05: without a frame the fault waits, then gives up", without_memory},
	    {"PGR-05: each allocation fails in turn", allocations_fail},
	    {"PGR-01: a page is brought in to be held", held},
	    {"PGR-06: a changed page is written once, a clean one not", put_once},
	    {"PGR-06: a page that could not be written is still a changed one", put_fails},
	    {"PGR-06: a store waits while its page is written", put_and_store},
	    {"PGR-06: killed while the pager takes a page", put_killed},
	    {"PGR-07: the last reference writes what has changed, then terminates",
	     cleaned_at_the_end},
	    {"PGR-07: what cannot be written then is lost, and nothing is stuck", lost_at_the_end},
	    {"PGR: what is stored through a held page is written back", held_and_stored},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
