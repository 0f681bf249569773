/* SPDX-License-Identifier: BSD-2-Clause */
/* Objects with a pager: what happens while a fault, or a wiring, sleeps in it. */
#include "model/pager.h"
#include "model/space.h"
#include "model/thread.h"
#include "model/toucher.h"
#include "model/vm_fixture.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_radix.h"

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

/* touching: a thread that stores to A and waits for the silent pager. */
static void
touching(struct vm_fixture *f, struct toucher *t)
{
	pager.silent = true;
	toucher_start(t, f->proc, A);
	check_u64(1, pager.gets);
}

/* ---- several wait ---- */

/* However many wait for a page, it is asked for once. */
static void
asked_once(void **state)
{
	struct vm_fixture *f = *state;
	struct toucher t, other;

	mapped(f, 0, NULL);
	touching(f, &t);
	toucher_start(&other, f->proc, A);
	model_pager_speak(&pager, VM_PAGER_OK);
	check_u64(MODEL_OK, toucher_end(&t));
	check_u64(MODEL_OK, toucher_end(&other));
	check_u64(1, pager.gets);
	check_u64(5, model_user_load(f->proc, A));
	check_u64(FIRST, model_user_load(f->proc, A + 1));
}

/* The pager dies with questions unanswered: all who wait get the error. */
static void
dies(void **state)
{
	struct vm_fixture *f = *state;
	struct toucher t, other;

	mapped(f, 0, NULL);
	touching(f, &t);
	toucher_start(&other, f->proc, A);
	check_u64(1, pager.gets);
	model_pager_speak(&pager, VM_PAGER_ERROR);
	check_u64(BUS_OBJERR, toucher_end(&t));
	check_u64(BUS_OBJERR, toucher_end(&other));
}

/* ---- FLT-06, FLT-07: changes meanwhile ---- */

static void
nothing_held(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object, *top;
	struct toucher t;

	mapped(f, MAP_COPY_ON_WRITE, &object);
	touching(f, &t);
	top = space_entry(f->map, A)->object;
	assert_ptr_not_equal(object, top);
	assert_true(vm_map_trylock(f->map));
	vm_map_unlock(f->map);
	assert_true(rwlock_trywrite(&top->lock));
	rwlock_write_unlock(&top->lock);
	assert_true(rwlock_trywrite(&object->lock));
	check_u64(1, object->paging);
	check_u64(3, object->ref_count); /* ours, the shadow's, and the operation's */
	assert_true(vm_radix_lookup(&object->pages, 0)->flags & VM_PAGE_BUSY);
	rwlock_write_unlock(&object->lock);
	model_pager_speak(&pager, VM_PAGER_OK);
	check_u64(MODEL_OK, toucher_end(&t));
	check_u64(FIRST, space_object_byte(object, 0));
	check_u64(0, object->paging);
	check_u64(2, object->ref_count);
	vm_object_deallocate(object);
}

static void
unmapped(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object;
	struct toucher t;

	mapped(f, 0, &object);
	touching(f, &t);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, END));
	model_pager_speak(&pager, VM_PAGER_OK);
	check_u64(SEGV_MAPERR, toucher_end(&t));
	check_u64(0, pmap_resident_count(f->pmap));
	check_u64(FIRST, space_object_byte(object, 0));
	vm_object_deallocate(object);
}

/* The mapping was the last to refer to the object: who unmaps does not wait for the pager, and the
 * object goes when it has answered. */
static void
unmapped_at_last(void **state)
{
	struct vm_fixture *f = *state;
	struct toucher t;

	mapped(f, 0, NULL);
	touching(f, &t);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, END));
	check_u64(0, pager.terminations);
	model_pager_speak(&pager, VM_PAGER_OK);
	check_u64(SEGV_MAPERR, toucher_end(&t));
	check_u64(1, pager.terminations);
	check_u64(0, pager.puts);
}

static void
replaced(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object;
	struct toucher t;

	mapped(f, 0, &object);
	touching(f, &t);
	check_kr(KERN_SUCCESS,
		 vm_map_fixed(f->map, NULL, 0, A, PAGES * P, VM_PROT_RW, VM_PROT_ALL, 0));
	model_pager_speak(&pager, VM_PAGER_OK);
	check_u64(MODEL_OK, toucher_end(&t));
	check_u64(FIRST, space_object_byte(object, 0));
	check_u64(5, model_user_load(f->proc, A));
	check_u64(0, model_user_load(f->proc, A + 1));
	vm_object_deallocate(object);
}

static void
made_read_only(void **state)
{
	struct vm_fixture *f = *state;
	struct pmap_mapping m;
	struct toucher t;

	mapped(f, 0, NULL);
	touching(f, &t);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, END, VM_PROT_READ, FALSE));
	model_pager_speak(&pager, VM_PAGER_OK);
	check_u64(SEGV_ACCERR, toucher_end(&t));
	check_u64(FIRST, model_user_load(f->proc, A));
	assert_true(pmap_query(f->pmap, A, &m));
	check_u64(VM_PROT_READ, m.prot);
	check_u64(1, pager.gets);
}

/* Changes elsewhere in the map: its timestamp has moved, the page is as good as it was. */
static void
changed_elsewhere(void **state)
{
	struct vm_fixture *f = *state;
	struct toucher t;

	mapped(f, 0, NULL);
	touching(f, &t);
	for (size_t i = 0; i < 10; i++)
		space_map(f->map, B + 2 * i * P, P, VM_PROT_RW, VM_PROT_ALL, 0);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A + P, A + 2 * P));
	model_pager_speak(&pager, VM_PAGER_OK);
	check_u64(MODEL_OK, toucher_end(&t));
	check_u64(1, pager.gets);
}

/* A fork while a page is on its way: nobody waits for the pager, and both get the page. */
static void
forked_meanwhile(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;
	struct toucher t;

	mapped(f, MAP_COPY_ON_WRITE, NULL);
	touching(f, &t);
	child = model_proc_fork(f->proc);
	model_pager_speak(&pager, VM_PAGER_OK);
	check_u64(MODEL_OK, toucher_end(&t));
	check_u64(5, model_user_load(f->proc, A));
	check_u64(FIRST, model_user_load(child, A));
	check_u64(1, pager.gets);
	model_proc_destroy(child);
}

/* ---- FLT-11: killed ---- */

static void
killed(void **state)
{
	struct vm_fixture *f = *state;
	struct toucher t, other;
	struct vm_object *object;

	mapped(f, 0, &object);
	space_map(f->map, B, P, VM_PROT_RW, VM_PROT_ALL, 0);
	touching(f, &t);
	toucher_start(&other, f->proc, A);
	check_u64(MODEL_KILLED, toucher_kill(&t));
	/* The other one now asks for itself, and everybody else goes on. */
	model_thread_await_sleep(other.thread);
	check_u64(2, pager.gets);
	check_u64(MODEL_OK, try_store(f->proc, B));
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A + P, A + 2 * P));
	model_pager_speak(&pager, VM_PAGER_OK);
	check_u64(MODEL_OK, toucher_end(&other));
	check_u64(0, object->paging);
	check_u64(1, object->resident);
	vm_object_deallocate(object);
}

/* The one that was killed had the last reference by then. */
static void
killed_and_unmapped(void **state)
{
	struct vm_fixture *f = *state;
	struct toucher t;

	mapped(f, 0, NULL);
	touching(f, &t);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, END));
	check_u64(MODEL_KILLED, toucher_kill(&t));
	check_u64(1, pager.terminations);
}

struct wirer {
	vm_map_t map;
	kern_return_t kr;
};

static void
wire(void *arg)
{
	struct wirer *w = arg;

	w->kr = vm_map_wire(w->map, A, END, VM_MAP_WIRE_USER);
}

/* A thread that wires pages of a silent pager is killed: the wiring is taken back, the rest of the map
 * is free all the time, and who waited for the entry goes on. */
static void
killed_wiring(void **state)
{
	struct vm_fixture *f = *state;
	struct wirer w = {.map = f->map};
	struct toucher other;
	struct thread *thread;

	mapped(f, 0, NULL);
	check_u64(FIRST, model_user_load(f->proc, A));
	pager.silent = true;
	thread = model_thread_start("wirer", wire, &w);
	model_thread_await_sleep(thread);
	toucher_start(&other, f->proc, A + P);
	space_map(f->map, B, P, VM_PROT_RW, VM_PROT_ALL, 0);
	check_u64(MODEL_OK, try_store(f->proc, B));
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, B, B + P, VM_PROT_READ, FALSE));
	model_thread_kill(thread);
	model_thread_join(thread);
	check_kr(KERN_ABORTED, w.kr);
	check_u64(0, space_entry(f->map, A)->wired_count);
	check_u64(0, space_entry(f->map, A)->eflags & VM_ENTRY_IN_TRANSITION);
	check_u64(0, pmap_wired_count(f->pmap));
	check_u64(0, f->map->user_wired);
	check_u64(0, f->map->busy);
	model_pager_speak(&pager, VM_PAGER_OK);
	check_u64(MODEL_OK, toucher_end(&other));
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"PGR-01: however many wait for it", asked_once},
	    {"PGR-04: a pager that dies is BUS_OBJERR for all who wait", dies},
	    {"FLT-07: nothing is held while the fault sleeps in the pager", nothing_held},
	    {"FLT-06: unmapped while the fault sleeps in the pager", unmapped},
	    {"FLT-06: unmapped, and that was the last reference", unmapped_at_last},
	    {"FLT-06: replaced while the fault sleeps in the pager", replaced},
	    {"FLT-06: changes elsewhere in the map do no harm", changed_elsewhere},
	    {"FLT-06: a fork does not wait for the pager", forked_meanwhile},
	    {"FLT-07: made read-only while the fault sleeps in the pager", made_read_only},
	    {"FLT-11: killed while it sleeps in the pager, others go on", killed},
	    {"FLT-11: killed when its reference was the last", killed_and_unmapped},
	    {"FLT-11: killed while it wires pages of a silent pager", killed_wiring},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
